#include "peer/book.h"

#include "base/assert.h"
#include "peer/book_parts.h"

struct pbts_book {
    pbts_mem *mem;
    uint64_t uses; /* counts closings of pages and uses of tallies: their age */
    pbts_page *pages[PBTS_BOOK_PEERS_MAX];
    size_t page_count;
    pbts_tally *tallies[PBTS_BOOK_TALLIES_MAX];
    size_t tally_count;
};

pbts_status pbts_book_new(pbts_book **out, pbts_mem *mem) {
    pbts_book *book = pbts_alloc(mem, sizeof *book);
    if (book == NULL) return PBTS_NO_MEMORY;
    book->mem = mem;
    *out = book;
    return PBTS_OK;
}

static void tally_free(pbts_book *book, pbts_tally *tally) {
    if (tally == NULL) return;
    pbts_piece_map_deinit(&tally->lent);
    pbts_release(book->mem, tally->paid);
    pbts_release(book->mem, tally->owed);
    pbts_release(book->mem, tally->given);
    pbts_release(book->mem, tally);
}

void pbts_book_free(pbts_book *book) {
    if (book == NULL) return;
    for (size_t i = 0; i < book->tally_count; i++) tally_free(book, book->tallies[i]);
    for (size_t i = 0; i < book->page_count; i++) pbts_release(book->mem, book->pages[i]);
    pbts_release(book->mem, book);
}

/* ---- tallies ---- */

static void tally_forget(pbts_book *book, size_t at) {
    pbts_tally *tally = book->tallies[at];
    tally->page->tallies--;
    book->tallies[at] = book->tallies[--book->tally_count];
    tally_free(book, tally);
}

static void tallies_forget_of(pbts_book *book, const pbts_page *page) {
    for (size_t i = book->tally_count; i-- > 0;) {
        if (book->tallies[i]->page == page) tally_forget(book, i);
    }
}

static void tallies_make_room(pbts_book *book) {
    size_t oldest = 0;
    if (book->tally_count < PBTS_BOOK_TALLIES_MAX) return;
    for (size_t i = 1; i < book->tally_count; i++) {
        if (book->tallies[i]->used < book->tallies[oldest]->used) oldest = i;
    }
    tally_forget(book, oldest);
}

pbts_tally *pbts_book_tally(pbts_book *book, const pbts_page *page,
                            const uint8_t infohash[static PBTS_INFOHASH_LEN]) {
    if (page->tallies == 0) return NULL;
    for (size_t i = 0; i < book->tally_count; i++) {
        pbts_tally *tally = book->tallies[i];
        bool same = memcmp(tally->infohash, infohash, sizeof tally->infohash) == 0;
        if (tally->page == page && same) return tally;
    }
    return NULL;
}

pbts_tally *pbts_book_tally_begin(pbts_book *book, pbts_page *page,
                                  const uint8_t infohash[static PBTS_INFOHASH_LEN],
                                  uint32_t piece_count, uint32_t seed) {
    pbts_tally *tally = pbts_book_tally(book, page, infohash);
    if (tally == NULL) {
        tally = pbts_alloc(book->mem, sizeof *tally);
        if (tally == NULL) return NULL;
        tallies_make_room(book);
        tally->mem = book->mem;
        pbts_piece_map_init(&tally->lent, book->mem, seed);
        tally->piece_count = piece_count;
        tally->page = page;
        memcpy(tally->infohash, infohash, sizeof tally->infohash);
        page->tallies++;
        book->tallies[book->tally_count++] = tally;
    }
    tally->used = ++book->uses;
    return tally;
}

bool pbts_tally_add(pbts_tally *tally, uint8_t **set, uint32_t piece) {
    if (*set == NULL) *set = pbts_alloc(tally->mem, pbts_piece_set_len(tally->piece_count));
    if (*set == NULL) return false;
    pbts_piece_set_add(*set, piece);
    return true;
}

void pbts_tally_enter_period(const pbts_tally *tally, uint8_t *set, uint64_t *set_period,
                             uint64_t period) {
    if (period <= *set_period) return;
    *set_period = period;
    if (set != NULL) memset(set, 0, pbts_piece_set_len(tally->piece_count));
}

/* ---- pages ---- */

/* What would be lost with it: a ban most, then a debt, and what a membership was used for. */
static unsigned worth_of(const pbts_page *page) {
    if (page->banned != 0) return 2;
    return page->owed_bytes > 0 || page->tallies > 0 || page->by_membership ? 1 : 0;
}

static bool is_worth_less(const pbts_page *a, const pbts_page *b) {
    unsigned a_worth = worth_of(a), b_worth = worth_of(b);
    return a_worth != b_worth ? a_worth < b_worth : a->used < b->used;
}

/* Forget the page worth least of those that are closed. False: all are open. */
static bool pages_make_room(pbts_book *book) {
    size_t least = SIZE_MAX;
    if (book->page_count < PBTS_BOOK_PEERS_MAX) return true;
    for (size_t i = 0; i < book->page_count; i++) {
        const pbts_page *page = book->pages[i];
        if (page->open > 0) continue;
        if (least == SIZE_MAX || is_worth_less(page, book->pages[least])) least = i;
    }
    if (least == SIZE_MAX) return false;
    tallies_forget_of(book, book->pages[least]);
    pbts_release(book->mem, book->pages[least]);
    book->pages[least] = book->pages[--book->page_count];
    return true;
}

pbts_page *pbts_book_find(const pbts_book *book, const uint8_t *prefix, size_t len) {
    assert(len <= sizeof book->pages[0]->key.bytes);
    for (size_t i = 0; i < book->page_count; i++) {
        if (memcmp(book->pages[i]->key.bytes, prefix, len) == 0) return book->pages[i];
    }
    return NULL;
}

const pbts_page *pbts_book_page(const pbts_book *book, size_t i) {
    assert(i < book->page_count);
    return book->pages[i];
}

pbts_status pbts_book_open(pbts_book *book, pbts_page **out, const pbts_bls_public *key) {
    pbts_page *page = pbts_book_find(book, key->bytes, sizeof key->bytes);
    if (page == NULL) {
        if (!pages_make_room(book)) return PBTS_LIMIT;
        page = pbts_alloc(book->mem, sizeof *page);
        if (page == NULL) return PBTS_NO_MEMORY;
        page->key = *key;
        book->pages[book->page_count++] = page;
    }
    page->open++;
    *out = page;
    return PBTS_OK;
}

void pbts_book_close(pbts_book *book, pbts_page *page) {
    assert(page->open > 0);
    page->open--;
    page->used = ++book->uses;
}

void pbts_book_stats_read(const pbts_book *book, pbts_book_stats *out) {
    *out = (pbts_book_stats){ .peers = book->page_count, .tallies = book->tally_count };
    for (size_t i = 0; i < book->page_count; i++) {
        out->banned += book->pages[i]->banned != 0;
        int64_t owed_bytes = book->pages[i]->owed_bytes;
        if (owed_bytes > 0) out->owed_to_us_bytes += (uint64_t)owed_bytes;
    }
}
