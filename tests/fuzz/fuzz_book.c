/* libFuzzer target: files of what was taken by memberships are read or refused; what is read is
 * written again, and read as the same. Damage is found by a hash, so the target puts the right one
 * into every input. */
#include <stdlib.h>

#include "hash/sha.h"
#include "peer/book_parts.h"

enum { HASH_AT = 12, BODY_AT = HASH_AT + PBTS_SHA256_LEN };

static void require(bool truth) {
    if (!truth) abort();
}

static pbts_span encode(uint8_t out[static PBTS_BOOK_LEN_MAX], const pbts_book *book) {
    pbts_writer writer = pbts_writer_over(out, PBTS_BOOK_LEN_MAX);
    pbts_book_encode(&writer, book);
    require(!writer.failed);
    return pbts_writer_span(&writer);
}

static pbts_book *read(pbts_span bytes, bool must) {
    pbts_book *book;
    require(pbts_book_new(&book, pbts_mem_system()) == PBTS_OK);
    if (pbts_book_decode(book, bytes) == PBTS_OK) return book;
    pbts_book_stats stats;
    pbts_book_stats_read(book, &stats);
    require(!must && stats.peers == 0);
    pbts_book_free(book);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static uint8_t first[PBTS_BOOK_LEN_MAX], second[PBTS_BOOK_LEN_MAX];
    uint8_t *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL);
    if (len > 0) memcpy(copy, data, len);
    if (len >= BODY_AT) {
        pbts_sha256(copy + HASH_AT, (pbts_span){ copy + BODY_AT, len - BODY_AT });
    }
    pbts_book *book = read((pbts_span){ copy, len }, false);
    if (book != NULL) {
        pbts_span once = encode(first, book);
        require(once.len <= len); /* a key counts once */
        pbts_book *again = read(once, true);
        require(pbts_span_equal(encode(second, again), once));
        pbts_book_free(again);
    }
    pbts_book_free(book);
    free(copy);
    return 0;
}
