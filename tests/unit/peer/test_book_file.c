/* Unit tests of peer/book_file.c: who was allowed something by a membership finds, after the
 * program was started anew, what he left of it; and files that are not as they were written. */
#include "link_kit.h"

#include "hash/sha.h"
#include "peer/book_parts.h"
#include "receipt/faulty_mem.h"

enum { GIVEN = 8 * KIT_PIECE, TAKEN = 3, HASH_AT = 12, COUNT_AT = 44, ENTRY_AT = 46 };

static uint8_t bytes[PBTS_BOOK_LEN_MAX];

static pbts_span encode(const pbts_book *book) {
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_book_encode(&writer, book);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return pbts_writer_span(&writer);
}

static void seal(uint8_t *file, size_t len) {
    pbts_sha256(file + HASH_AT, (pbts_span){ file + COUNT_AT, len - COUNT_AT });
}

/* Of an exact-size copy, into a new book. */
static pbts_status decode(pbts_book **out, pbts_span file) {
    uint8_t *copy = malloc(file.len > 0 ? file.len : 1);
    assert_non_null(copy);
    if (file.len > 0) memcpy(copy, file.data, file.len);
    assert_int_equal(pbts_book_new(out, pbts_mem_system()), PBTS_OK);
    pbts_status status = pbts_book_decode(*out, (pbts_span){ copy, file.len });
    free(copy);
    return status;
}

static size_t pages_of(const pbts_book *book) {
    pbts_book_stats stats;
    pbts_book_stats_read(book, &stats);
    return stats.peers;
}

static void show(kit *k, uint32_t generation, uint64_t issued) {
    static uint8_t member[PBTS_MEMBERSHIP_LEN];
    pbts_link_terms *terms = &k->members[1].terms;
    pbts_membership membership = { .key = terms->key,
                                   .allowance_bytes = GIVEN,
                                   .generation = generation,
                                   .issued = issued,
                                   .expires = k->now.unix_s + 1000 };
    pbts_membership_sign(&membership, k->members[0].terms.iid, &k->tracker);
    pbts_writer writer = pbts_writer_over(member, sizeof member);
    pbts_membership_encode(&writer, &membership);
    terms->membership = pbts_writer_span(&writer);
    terms->ticket.len = 0;
}

/* Member 1 took some pieces by his membership. */
static kit *outage(void) {
    kit *k = kit_new(20);
    kit_keep_book(k);
    k->members[0].terms.is_outage = true;
    k->members[0].terms.tracker_time_s = k->now.unix_s - 40 * 3600;
    k->members[1].terms.ticket_required = false;
    show(k, 3, k->now.unix_s - 48 * 3600);
    kit_connect(k);
    kit_transfer(k, 0, TAKEN);
    kit_settle(k);
    kit_disconnect(k);
    return k;
}

/* Member 0 is started anew with what was written. */
static void start_anew(kit *k) {
    pbts_book *next;
    assert_int_equal(decode(&next, encode(k->book)), PBTS_OK);
    pbts_book_free(k->book);
    k->members[0].terms.book = k->book = next;
}

static void a_start_gives_nothing_anew(void **state) {
    (void)state;
    kit *k = outage();
    for (uint64_t i = 0; i < 3; i++) {
        start_anew(k);
        show(k, 3, k->now.unix_s - 47 * 3600 + i); /* also by a newer one */
        kit_connect(k);
        assert_true(kit_stats(k, 0).allowance_left_bytes == GIVEN - TAKEN * KIT_PIECE);
        kit_disconnect(k);
    }
    kit_free(k);
}

static void what_was_taken_back_stays_so(void **state) {
    (void)state;
    kit *k = outage();
    start_anew(k);
    show(k, 2, k->now.unix_s - 47 * 3600);
    kit_open(k);
    kit_hello(k, 0);
    kit_hello(k, 1);
    kit_talk(k);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
    kit_free(k);
}

static void a_ticket_ends_the_entry_but_not_the_generation(void **state) {
    (void)state;
    kit *k = outage();
    kit_member *member = &k->members[1];
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, 2 * GIVEN,
                                      k->now.unix_s, k->now.unix_s + 1000);
    kit_connect(k);
    kit_disconnect(k);
    start_anew(k);
    const pbts_page *page = pbts_book_page(k->book, 0);
    assert_true(!page->by_membership && page->generation == 3 && page->ticket_issued == KIT_START);
    /* And of who never showed a membership nothing is kept. */
    pbts_page *other;
    assert_int_equal(pbts_book_open(k->book, &other, &k->members[2].terms.key), PBTS_OK);
    other->has_ticket = true;
    other->ticket_allowance_bytes = GIVEN;
    pbts_book_close(k->book, other);
    start_anew(k);
    assert_int_equal(pages_of(k->book), 1);
    kit_free(k);
}

static void every_field_has_its_place(void **state) {
    (void)state;
    pbts_book *book;
    uint8_t file[ENTRY_AT + PBTS_BOOK_ENTRY_LEN];
    for (size_t i = 0; i < sizeof file; i++) file[i] = (uint8_t)i;
    memcpy(file, "pbts-taken1\n", HASH_AT);
    file[COUNT_AT] = 0;
    file[COUNT_AT + 1] = 1;
    file[sizeof file - 1] = 1;
    seal(file, sizeof file);
    assert_int_equal(decode(&book, PBTS_SPAN_OF(file)), PBTS_OK);
    const pbts_page *page = pbts_book_page(book, 0);
    assert_memory_equal(page->key.bytes, file + ENTRY_AT, sizeof page->key.bytes);
    assert_true(page->ticket_allowance_bytes == UINT64_C(0x8E8F909192939495));
    assert_true(page->taken_bytes == UINT64_C(0x969798999A9B9C9D));
    assert_true(page->ticket_issued == UINT64_C(0x9E9FA0A1A2A3A4A5));
    assert_true(page->counted_from_s == UINT64_C(0xA6A7A8A9AAABACAD));
    assert_true(page->generation == 0xAEAFB0B1 && page->by_membership && page->has_ticket);
    assert_true(page->open == 0 && page->owed_bytes == 0);
    assert_true(pbts_span_equal(encode(book), PBTS_SPAN_OF(file)));
    pbts_book_free(book);
}

static void what_is_damaged_is_refused_whole(void **state) {
    (void)state;
    kit *k = outage();
    pbts_book *book;
    uint8_t file[ENTRY_AT + PBTS_BOOK_ENTRY_LEN];
    pbts_span good = encode(k->book);
    assert_int_equal(good.len, sizeof file);
    memcpy(file, good.data, sizeof file);
    for (size_t i = 0; i < sizeof file; i++) { /* a torn end; a byte */
        assert_int_equal(decode(&book, (pbts_span){ file, i }), PBTS_MALFORMED);
        pbts_book_free(book);
        file[i] ^= 0x40;
        assert_int_equal(decode(&book, PBTS_SPAN_OF(file)), PBTS_MALFORMED);
        assert_int_equal(pages_of(book), 0);
        pbts_book_free(book);
        file[i] ^= 0x40;
    }
    file[sizeof file - 1] = 2; /* a flag that there is not */
    seal(file, sizeof file);
    assert_int_equal(decode(&book, PBTS_SPAN_OF(file)), PBTS_MALFORMED);
    assert_int_equal(pages_of(book), 0);
    pbts_book_free(book);
    kit_free(k);
}

static void a_full_book_fits_and_one_more_does_not(void **state) {
    (void)state;
    pbts_book *book, *again;
    assert_int_equal(pbts_book_new(&book, pbts_mem_system()), PBTS_OK);
    for (uint32_t i = 0; i < PBTS_BOOK_PEERS_MAX; i++) {
        pbts_bls_public key = { .bytes = { (uint8_t)(i >> 8), (uint8_t)i } };
        pbts_page *page;
        assert_int_equal(pbts_book_open(book, &page, &key), PBTS_OK);
        page->by_membership = true;
        pbts_book_close(book, page);
    }
    pbts_span file = encode(book);
    assert_true(file.len == PBTS_BOOK_LEN_MAX);
    assert_int_equal(decode(&again, file), PBTS_OK);
    assert_int_equal(pages_of(again), PBTS_BOOK_PEERS_MAX);
    pbts_book_free(again);
    pbts_book_free(book);
    static uint8_t longer[PBTS_BOOK_LEN_MAX + PBTS_BOOK_ENTRY_LEN];
    memcpy(longer, bytes, sizeof bytes);
    longer[sizeof longer - 1] = 1;
    longer[COUNT_AT] = (PBTS_BOOK_PEERS_MAX + 1) >> 8;
    longer[COUNT_AT + 1] = (PBTS_BOOK_PEERS_MAX + 1) & 0xFF;
    seal(longer, sizeof longer);
    assert_int_equal(decode(&again, PBTS_SPAN_OF(longer)), PBTS_LIMIT);
    pbts_book_free(again);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    kit *k = outage();
    pbts_span file = encode(k->book);
    for (size_t at = 0; at <= 2; at++) { /* the book, its page; then all is well */
        faulty_mem faulty = mem_failing_at(at);
        pbts_book *book = NULL;
        pbts_status status = pbts_book_new(&book, &faulty.mem);
        if (status == PBTS_OK) status = pbts_book_decode(book, file);
        pbts_book_free(book);
        assert_int_equal(status, at < 2 ? PBTS_NO_MEMORY : PBTS_OK);
        assert_int_equal(faulty.live, 0);
    }
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_gives_nothing_anew),
        cmocka_unit_test(what_was_taken_back_stays_so),
        cmocka_unit_test(a_ticket_ends_the_entry_but_not_the_generation),
        cmocka_unit_test(every_field_has_its_place),
        cmocka_unit_test(what_is_damaged_is_refused_whole),
        cmocka_unit_test(a_full_book_fits_and_one_more_does_not),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
