/* libFuzzer target: reading a log is total; what is taken is written anew, read back and the same;
 * and any cut of a sound log is sound. An input is a log; or, behind a byte 1, bodies of entries,
 * u16 length each, that get their headers here, because nobody guesses a digest. */
#include <stdlib.h>

#include "hash/sha.h"
#include "peer/journal.h"

static void require(bool truth) {
    if (!truth) abort();
}

static pbts_status load(pbts_journal **out, size_t *good_len, pbts_span bytes) {
    require(pbts_journal_new(out, pbts_mem_system()) == PBTS_OK);
    pbts_status status = pbts_journal_load(*out, good_len, bytes);
    if (status == PBTS_OK) require(*good_len <= bytes.len);
    return status;
}

static void require_same(const pbts_journal *a, const pbts_journal *b) {
    uint64_t after = 0;
    for (;;) {
        pbts_journal_item x, y;
        pbts_journal_outcome x_outcome, y_outcome;
        pbts_span x_reason, y_reason;
        pbts_status status = pbts_journal_next(a, &x, &x_outcome, &x_reason, after);
        require(pbts_journal_next(b, &y, &y_outcome, &y_reason, after) == status);
        if (status != PBTS_OK) break;
        require(x.number == y.number && x.number > after && x_outcome == y_outcome);
        require(pbts_span_equal(x_reason, y_reason));
        require(x.record.receipt.form == y.record.receipt.form);
        require(pbts_span_equal(x.record.receipt.bitmap, y.record.receipt.bitmap));
        after = x.number;
    }
    pbts_journal_stats x, y;
    pbts_journal_stats_read(a, &x);
    pbts_journal_stats_read(b, &y);
    require(x.waiting == y.waiting && x.refused == y.refused && x.counted == y.counted);
    require(x.credited_bytes == y.credited_bytes);
}

static pbts_span rewrite(pbts_journal *journal, size_t len_max) {
    size_t capacity = len_max + PBTS_JOURNAL_ENTRY_MAX + 256;
    uint8_t *bytes = malloc(capacity);
    require(bytes != NULL);
    uint64_t cursor = 0;
    pbts_writer writer = pbts_writer_over(bytes, capacity);
    while (pbts_journal_rewrite(journal, &writer, &cursor)) {
    }
    require(pbts_writer_status(&writer) == PBTS_OK);
    return pbts_writer_span(&writer);
}

static void check(pbts_span log) {
    pbts_journal *journal, *again, *cut;
    size_t good_len, again_len;
    if (load(&journal, &good_len, log) == PBTS_OK) {
        require(load(&cut, &again_len, (pbts_span){ log.data, good_len }) == PBTS_OK);
        require(again_len == good_len);
        require_same(journal, cut);
        pbts_journal_free(cut);

        pbts_span anew = rewrite(journal, log.len);
        require(load(&again, &again_len, anew) == PBTS_OK && again_len == anew.len);
        require_same(journal, again);
        pbts_journal_free(again);
        free((void *)anew.data);
    }
    pbts_journal_free(journal);
}

static void check_bodies(pbts_span bodies) {
    enum { HEAD_LEN = 16, CHECK_LEN = 8 };
    pbts_cursor cursor = pbts_cursor_over(bodies);
    size_t capacity = 64 + bodies.len * (HEAD_LEN + 1);
    uint8_t *log = malloc(capacity), digest[PBTS_SHA256_LEN];
    require(log != NULL);
    pbts_writer writer = pbts_writer_over(log, capacity);
    pbts_journal_header(&writer);
    uint16_t len;
    pbts_span body;
    while (pbts_read_u16(&cursor, &len) == PBTS_OK &&
           pbts_read_span(&cursor, &body, len) == PBTS_OK) {
        pbts_sha256(digest, body);
        pbts_write_u32(&writer, len);
        pbts_write_u32(&writer, len ^ UINT32_C(0x70627473));
        pbts_write_bytes(&writer, (pbts_span){ digest, CHECK_LEN });
        pbts_write_bytes(&writer, body);
    }
    require(pbts_writer_status(&writer) == PBTS_OK);
    check(pbts_writer_span(&writer));
    free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len > 0 && data[0] == 1) {
        check_bodies((pbts_span){ data + 1, len - 1 });
    } else {
        check((pbts_span){ data, len });
    }
    return 0;
}
