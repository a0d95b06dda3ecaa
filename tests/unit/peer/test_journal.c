/* Unit tests of peer/journal: what waits, what replaces what, what a cut or damaged log gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "peer/journal.h"
#include "peer/journal_parts.h"
#include "receipt/faulty_mem.h"

enum {
    PIECES = 24,
    SET_LEN = PIECES / 8,
    LOG_MAX = 1 << 20,
    EPOCH = 500000,
    MAGIC_LEN = sizeof PBTS_JOURNAL_MAGIC - 1,
};

/* A journal and the file that its owner would write. */
typedef struct {
    pbts_journal *journal;
    uint8_t *file;
    size_t len;
} book;

static book book_new(void) {
    book b = { .file = malloc(LOG_MAX) };
    assert_non_null(b.file);
    assert_int_equal(pbts_journal_new(&b.journal, pbts_mem_system()), PBTS_OK);
    return b;
}

/* With the header, as a program begins. */
static book book_begin(void) {
    book b = book_new();
    pbts_writer header = pbts_writer_over(b.file, LOG_MAX);
    pbts_journal_header(&header);
    b.len = header.len;
    return b;
}

static void book_free(book *b) {
    pbts_journal_free(b->journal);
    free(b->file);
}

static pbts_receipt_record piece_record(uint8_t receiver, uint32_t index) {
    pbts_receipt_record record = { .piece_count = PIECES };
    record.receipt.form = PBTS_FORM_PIECE;
    record.receipt.epoch = EPOCH;
    record.receipt.piece_index = index;
    memset(record.receipt.iid, 1, sizeof record.receipt.iid);
    memset(record.receipt.infohash, 2, sizeof record.receipt.infohash);
    memset(&record.receipt.sender, 3, sizeof record.receipt.sender);
    memset(&record.receipt.receiver, receiver, sizeof record.receipt.receiver);
    memset(&record.signature, (int)index + 5, sizeof record.signature);
    return record;
}

/* `set` is borrowed. */
static pbts_receipt_record set_record(uint8_t receiver, const uint8_t set[static SET_LEN]) {
    pbts_receipt_record record = piece_record(receiver, 0);
    record.receipt.form = PBTS_FORM_CUMULATIVE;
    record.receipt.bitmap = (pbts_span){ set, SET_LEN };
    return record;
}

static uint64_t add(book *b, const pbts_receipt_record *record) {
    pbts_writer writer = pbts_writer_over(b->file + b->len, LOG_MAX - b->len);
    uint64_t number = 0;
    assert_int_equal(pbts_journal_add(b->journal, &writer, &number, record), PBTS_OK);
    b->len += writer.len;
    return number;
}

static uint64_t add_piece(book *b, uint32_t index) {
    pbts_receipt_record record = piece_record(9, index);
    return add(b, &record);
}

static uint64_t add_set(book *b, uint8_t receiver, uint8_t first, uint8_t second) {
    const uint8_t set[SET_LEN] = { first, second };
    pbts_receipt_record record = set_record(receiver, set);
    return add(b, &record);
}

static void settle(book *b, uint64_t number, pbts_journal_outcome outcome, const char *reason) {
    pbts_writer writer = pbts_writer_over(b->file + b->len, LOG_MAX - b->len);
    assert_int_equal(
        pbts_journal_settle(b->journal, &writer, number, outcome, 100, pbts_span_text(reason)),
        PBTS_OK);
    assert_true(writer.len <= PBTS_JOURNAL_OUTCOME_MAX);
    b->len += writer.len;
}

/* Load `len` bytes of a log, in memory of exactly that size, into a new journal. */
static pbts_status load_bytes(pbts_journal **out, size_t *good_len, const uint8_t *bytes,
                              size_t len) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    assert_int_equal(pbts_journal_new(out, pbts_mem_system()), PBTS_OK);
    *good_len = SIZE_MAX;
    pbts_status status = pbts_journal_load(*out, good_len, (pbts_span){ copy, len });
    free(copy);
    return status;
}

static pbts_journal_stats stats_of(const pbts_journal *journal) {
    pbts_journal_stats stats;
    pbts_journal_stats_read(journal, &stats);
    return stats;
}

static bool same_record(const pbts_receipt_record *a, const pbts_receipt_record *b) {
    uint8_t first[4096], second[4096];
    pbts_writer one = pbts_writer_over(first, sizeof first);
    pbts_writer two = pbts_writer_over(second, sizeof second);
    pbts_receipt_record_encode(&one, a);
    pbts_receipt_record_encode(&two, b);
    return pbts_span_equal(pbts_writer_span(&one), pbts_writer_span(&two));
}

/* Both keep the same receipts, with the same outcomes. */
static void assert_same(const pbts_journal *a, const pbts_journal *b) {
    uint64_t after = 0;
    for (;;) {
        pbts_journal_item x, y;
        pbts_journal_outcome x_outcome, y_outcome;
        pbts_span x_reason, y_reason;
        pbts_status status = pbts_journal_next(a, &x, &x_outcome, &x_reason, after);
        assert_int_equal(pbts_journal_next(b, &y, &y_outcome, &y_reason, after), status);
        if (status != PBTS_OK) break;
        assert_true(x.number == y.number && x.number > after && x_outcome == y_outcome);
        assert_true(pbts_span_equal(x_reason, y_reason));
        assert_true(same_record(&x.record, &y.record));
        after = x.number;
    }
    pbts_journal_stats x = stats_of(a), y = stats_of(b);
    assert_memory_equal(&x, &y, sizeof x);
}

/* Reading back what was written gives the same journal. */
static void assert_loads(const book *b) {
    pbts_journal *again;
    size_t good_len;
    assert_int_equal(load_bytes(&again, &good_len, b->file, b->len), PBTS_OK);
    assert_true(good_len == b->len);
    assert_same(again, b->journal);
    pbts_journal_free(again);
}

static size_t pick(const book *b, pbts_journal_item *out, size_t max, bool all) {
    const pbts_journal_query query = {
        .items_max = max, .bytes_max = SIZE_MAX, .all = all, .epoch_now = EPOCH
    };
    return pbts_journal_pick(b->journal, out, &query);
}

/* ---- what waits ---- */

static void an_empty_file_is_a_journal_without_a_header(void **state) {
    pbts_journal *journal;
    size_t good_len;
    assert_int_equal(load_bytes(&journal, &good_len, (const uint8_t *)"", 0), PBTS_OK);
    assert_true(good_len == 0);
    pbts_journal_free(journal);
}

static void receipts_wait_in_the_order_in_which_they_came(void **state) {
    book b = book_begin();
    pbts_journal_item items[4];
    for (uint32_t i = 0; i < 3; i++) assert_true(add_piece(&b, 2 - i) == i + 1);
    assert_int_equal(pick(&b, items, 4, true), 3);
    for (uint32_t i = 0; i < 3; i++) {
        pbts_receipt_record expected = piece_record(9, 2 - i);
        assert_true(items[i].number == i + 1 && same_record(&items[i].record, &expected));
    }
    assert_int_equal(pick(&b, items, 2, true), 2);
    assert_loads(&b);
    book_free(&b);
}

static void a_growing_set_replaces_the_one_before(void **state) {
    book b = book_begin();
    pbts_journal_item items[4];
    add_set(&b, 9, 0x80, 0);
    add_set(&b, 9, 0xC0, 0);
    assert_true(add_set(&b, 9, 0xC0, 1) == 3);
    assert_int_equal(pick(&b, items, 4, true), 1);
    assert_true(items[0].number == 3);
    assert_int_equal(pbts_piece_set_count(items[0].record.receipt.bitmap), 3);
    assert_true(stats_of(b.journal).waiting == 1);
    assert_loads(&b);
    book_free(&b);
}

static void a_set_that_lacks_a_piece_of_the_one_before_stands_beside_it(void **state) {
    book b = book_begin();
    pbts_journal_item items[4];
    add_set(&b, 9, 0xF0, 0); /* one connection of the hour, then another */
    add_set(&b, 9, 0x0F, 0);
    add_set(&b, 8, 0xFF, 0); /* another receiver's */
    assert_int_equal(pick(&b, items, 4, true), 3);
    assert_true(add_set(&b, 9, 0xFF, 0) == 4); /* says all that the first two did */
    assert_int_equal(pick(&b, items, 4, true), 2);
    assert_true(items[0].number == 3 && items[1].number == 4);
    assert_loads(&b);
    book_free(&b);
}

static void a_receipt_that_says_nothing_new_is_not_written_again(void **state) {
    book b = book_begin();
    uint64_t set = add_set(&b, 9, 0xF0, 0), piece = add_piece(&b, 7);
    size_t len = b.len;
    assert_true(add_set(&b, 9, 0x70, 0) == set);
    assert_true(add_set(&b, 9, 0xF0, 0) == set);
    assert_true(add_piece(&b, 7) == piece);
    assert_true(b.len == len && stats_of(b.journal).waiting == 2);
    book_free(&b);
}

/* Each of these differs from the first in one thing. */
static void receipts_of_other_torrents_parties_and_hours_are_others(void **state) {
    const uint8_t set[SET_LEN] = { 0xF0 };
    book b = book_begin();
    for (unsigned i = 0; i < 7; i++) {
        pbts_receipt_record record = set_record(9, set);
        if (i == 1) record.receipt.iid[31] ^= 1;
        if (i == 2) record.receipt.infohash[19] ^= 1;
        if (i == 3) record.receipt.sender.bytes[95] ^= 1;
        if (i == 4) record.receipt.receiver.bytes[95] ^= 1;
        if (i == 5) record.receipt.epoch++;
        if (i == 6) record.receipt.form = PBTS_FORM_BATCH;
        assert_true(add(&b, &record) == i + 1);
    }
    assert_true(stats_of(b.journal).waiting == 7);
    assert_loads(&b);
    book_free(&b);
}

static void batches_with_the_same_pieces_are_one_and_others_stay(void **state) {
    const uint8_t sets[3][SET_LEN] = { { 0xF0 }, { 0xF8 }, { 0xF0 } };
    book b = book_begin();
    for (unsigned i = 0; i < 3; i++) {
        pbts_receipt_record record = set_record(9, sets[i]);
        record.receipt.form = PBTS_FORM_BATCH;
        add(&b, &record);
    }
    assert_true(stats_of(b.journal).waiting == 2);
    book_free(&b);
}

static void sessions_are_told_apart_by_their_id(void **state) {
    const uint8_t set[SET_LEN] = { 0xC0 };
    static const uint8_t hashes[64], signatures[128];
    book b = book_begin();
    for (unsigned i = 0; i < 2; i++) {
        pbts_receipt_record record = set_record(9, set);
        record.receipt.form = PBTS_FORM_SESSION;
        record.receipt.session.expires = (EPOCH + 1) * UINT64_C(3600);
        record.receipt.session.id[0] = (uint8_t)i;
        record.receipt.piece_signatures = PBTS_SPAN_OF(signatures);
        record.piece_hashes = PBTS_SPAN_OF(hashes);
        assert_true(add(&b, &record) == i + 1);
        assert_true(add(&b, &record) == i + 1);
    }
    assert_loads(&b);
    book_free(&b);
}

/* ---- what is picked ---- */

static void a_set_whose_hour_is_not_over_waits_for_more(void **state) {
    book b = book_begin();
    pbts_journal_item items[4];
    const uint8_t set[SET_LEN] = { 0x80 };
    pbts_receipt_record earlier = set_record(9, set);
    earlier.receipt.epoch = EPOCH - 1;
    add_set(&b, 9, 0x80, 0);
    uint64_t piece = add_piece(&b, 3), old = add(&b, &earlier);
    assert_int_equal(pick(&b, items, 4, false), 2);
    assert_true(items[0].number == piece && items[1].number == old);
    assert_int_equal(pick(&b, items, 4, true), 3);
    book_free(&b);
}

static void one_report_is_for_one_instance(void **state) {
    book b = book_begin();
    pbts_journal_item items[8];
    uint8_t iids[4][PBTS_IID_LEN], wanted[PBTS_IID_LEN] = { 0 };
    for (uint32_t i = 0; i < 6; i++) {
        pbts_receipt_record record = piece_record(9, i);
        memset(record.receipt.iid, (int)(i % 2), sizeof record.receipt.iid);
        add(&b, &record);
    }
    assert_int_equal(pick(&b, items, 8, true), 3);
    assert_true(items[0].number == 1 && items[1].number == 3 && items[2].number == 5);
    memset(wanted, 1, sizeof wanted);
    pbts_journal_query query = { .iid = wanted, .items_max = 8, .bytes_max = SIZE_MAX };
    assert_int_equal(pbts_journal_pick(b.journal, items, &query), 3);
    assert_true(items[0].number == 2);
    query.after = 2;
    assert_int_equal(pbts_journal_pick(b.journal, items, &query), 2);
    assert_true(items[0].number == 4);
    query.after = UINT64_MAX;
    assert_int_equal(pbts_journal_pick(b.journal, items, &query), 0);
    assert_int_equal(pbts_journal_instances(b.journal, iids, 4), 2);
    assert_memory_equal(iids[1], wanted, sizeof wanted);
    assert_int_equal(pbts_journal_instances(b.journal, iids, 1), 1);
    book_free(&b);
}

static void a_pick_stays_below_its_bytes_but_gives_one(void **state) {
    book b = book_begin();
    pbts_journal_item items[8];
    for (uint32_t i = 0; i < 5; i++) add_piece(&b, i);
    size_t each = (size_t)stats_of(b.journal).waiting_bytes / 5;
    pbts_journal_query query = { .items_max = 8, .bytes_max = 3 * each };
    assert_int_equal(pbts_journal_pick(b.journal, items, &query), 3);
    query.bytes_max = 1;
    assert_int_equal(pbts_journal_pick(b.journal, items, &query), 1);
    book_free(&b);
}

/* ---- what the tracker said ---- */

static void counted_receipts_are_done_and_refused_ones_kept_with_the_reason(void **state) {
    book b = book_begin();
    pbts_journal_item item;
    pbts_journal_outcome outcome;
    pbts_span reason;
    for (uint32_t i = 0; i < 3; i++) add_piece(&b, i);
    settle(&b, 1, PBTS_OUTCOME_COUNTED, "");
    settle(&b, 2, PBTS_OUTCOME_REFUSED, "UNKNOWN_RECEIVER");
    pbts_journal_stats stats = stats_of(b.journal);
    assert_true(stats.waiting == 1 && stats.refused == 1 && stats.counted == 1);
    assert_true(stats.credited_bytes == 100);
    assert_int_equal(pick(&b, &item, 1, true), 1);
    assert_true(item.number == 3);
    assert_int_equal(pbts_journal_next(b.journal, &item, &outcome, &reason, 0), PBTS_OK);
    assert_true(item.number == 2 && outcome == PBTS_OUTCOME_REFUSED);
    assert_true(pbts_span_is(reason, "UNKNOWN_RECEIVER"));
    assert_loads(&b);
    book_free(&b);
}

static void what_does_not_wait_cannot_be_settled(void **state) {
    book b = book_begin();
    uint8_t bytes[PBTS_JOURNAL_OUTCOME_MAX];
    add_piece(&b, 0);
    add_set(&b, 9, 1, 0);
    add_set(&b, 9, 3, 0);
    settle(&b, 1, PBTS_OUTCOME_REFUSED, "X");
    for (uint64_t number = 0; number < 6; number++) {
        if (number == 3) continue;
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        assert_int_equal(pbts_journal_settle(b.journal, &writer, number, PBTS_OUTCOME_COUNTED, 1,
                                             (pbts_span){ 0 }),
                         PBTS_NOT_FOUND);
        assert_true(writer.len == 0);
    }
    book_free(&b);
}

static void a_long_reason_is_cut(void **state) {
    char words[200];
    book b = book_begin();
    pbts_journal_item item;
    pbts_journal_outcome outcome;
    pbts_span reason;
    memset(words, 'A', sizeof words - 1);
    words[sizeof words - 1] = 0;
    settle(&b, add_piece(&b, 1), PBTS_OUTCOME_REFUSED, words);
    assert_int_equal(pbts_journal_next(b.journal, &item, &outcome, &reason, 0), PBTS_OK);
    assert_true(reason.len == PBTS_JOURNAL_REASON_MAX);
    assert_loads(&b);
    book_free(&b);
}

static void nothing_is_noted_that_does_not_fit(void **state) {
    book b = book_begin();
    pbts_receipt_record record = piece_record(9, 1);
    uint64_t number = 77;
    uint8_t small[PBTS_JOURNAL_OUTCOME_MAX];
    pbts_writer writer = pbts_writer_over(small, sizeof small);
    assert_int_equal(pbts_journal_add(b.journal, &writer, &number, &record), PBTS_NO_SPACE);
    assert_true(writer.len == 0 && number == 77 && stats_of(b.journal).waiting == 0);
    number = add(&b, &record);
    writer = pbts_writer_over(small, 10);
    assert_int_equal(
        pbts_journal_settle(b.journal, &writer, number, PBTS_OUTCOME_COUNTED, 1, (pbts_span){ 0 }),
        PBTS_NO_SPACE);
    assert_true(writer.len == 0 && stats_of(b.journal).waiting == 1);
    book_free(&b);
}

/* ---- limits ---- */

static void waiting_receipts_have_a_limit_in_number_and_in_bytes(void **state) {
    uint8_t bytes[1024];
    pbts_receipt_record record = piece_record(9, 1);
    for (int in_bytes = 0; in_bytes < 2; in_bytes++) {
        book b = book_begin();
        uint64_t number;
        for (int past = 0; past < 2; past++) {
            pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
            if (in_bytes) {
                b.journal->waiting_record_bytes = PBTS_JOURNAL_WAITING_BYTES_MAX - 1;
            } else {
                b.journal->stats.waiting = PBTS_JOURNAL_WAITING_MAX - 1;
            }
            if (past && in_bytes) b.journal->waiting_record_bytes++;
            if (past && !in_bytes) b.journal->stats.waiting++;
            record.receipt.piece_index = (uint32_t)past;
            assert_int_equal(pbts_journal_add(b.journal, &writer, &number, &record),
                             past ? PBTS_LIMIT : PBTS_OK);
        }
        book_free(&b);
    }
}

static void the_oldest_of_too_many_refused_receipts_are_forgotten(void **state) {
    book b = book_begin();
    uint8_t bytes[2048];
    pbts_journal_item item;
    pbts_journal_outcome outcome;
    pbts_span reason;
    for (uint32_t i = 0; i <= PBTS_JOURNAL_REFUSED_MAX; i++) {
        pbts_receipt_record record = piece_record(9, 1);
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        uint64_t number;
        record.receipt.epoch = i;
        assert_int_equal(pbts_journal_add(b.journal, &writer, &number, &record), PBTS_OK);
        assert_int_equal(pbts_journal_settle(b.journal, &writer, number, PBTS_OUTCOME_REFUSED, 0,
                                             pbts_span_text("OLD")),
                         PBTS_OK);
        uint64_t kept = i < PBTS_JOURNAL_REFUSED_MAX ? i + 1 : PBTS_JOURNAL_REFUSED_MAX;
        assert_true(stats_of(b.journal).refused == kept);
    }
    assert_int_equal(pbts_journal_next(b.journal, &item, &outcome, &reason, 0), PBTS_OK);
    assert_true(item.number == 2);
    book_free(&b);
}

/* A tracker that refuses many long ones must not fill the memory of who keeps them. */
static void refused_receipts_have_a_limit_in_bytes_too(void **state) {
    enum { LONG = 1 << 17, FIT = PBTS_JOURNAL_REFUSED_BYTES_MAX / (LONG + 1024) };
    book b = book_begin();
    uint8_t *bytes = malloc(PBTS_JOURNAL_ENTRY_MAX), *bitmap = malloc(LONG);
    pbts_receipt_record record = { .piece_count = 8 * LONG };
    pbts_journal_item item;
    pbts_journal_outcome outcome;
    pbts_span reason;
    assert_true(bytes != NULL && bitmap != NULL);
    memset(bitmap, 0xFF, LONG);
    record.receipt.form = PBTS_FORM_CUMULATIVE;
    record.receipt.bitmap = (pbts_span){ bitmap, LONG };
    for (uint32_t i = 0; i < FIT + 5; i++) {
        pbts_writer writer = pbts_writer_over(bytes, PBTS_JOURNAL_ENTRY_MAX);
        uint64_t number;
        record.receipt.epoch = i;
        assert_int_equal(pbts_journal_add(b.journal, &writer, &number, &record), PBTS_OK);
        assert_int_equal(pbts_journal_settle(b.journal, &writer, number, PBTS_OUTCOME_REFUSED, 0,
                                             pbts_span_text("OLD")),
                         PBTS_OK);
        assert_true(b.journal->refused_record_bytes <= PBTS_JOURNAL_REFUSED_BYTES_MAX);
        if (i < FIT) assert_true(stats_of(b.journal).refused == i + 1);
    }
    assert_int_equal(pbts_journal_next(b.journal, &item, &outcome, &reason, 0), PBTS_OK);
    assert_true(item.number > 1);
    free(bytes);
    free(bitmap);
    book_free(&b);
}

static void what_is_done_takes_no_memory(void **state) {
    book b = book_begin();
    uint8_t bytes[2048];
    for (uint32_t i = 0; i < 5000; i++) {
        pbts_receipt_record record = piece_record(9, 1);
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        uint64_t number;
        record.receipt.epoch = i;
        assert_int_equal(pbts_journal_add(b.journal, &writer, &number, &record), PBTS_OK);
        if (i % 100 == 0) continue;
        assert_int_equal(pbts_journal_settle(b.journal, &writer, number, PBTS_OUTCOME_COUNTED, 0,
                                             (pbts_span){ 0 }),
                         PBTS_OK);
    }
    assert_true(stats_of(b.journal).waiting == 50 && b.journal->capacity <= 256);
    book_free(&b);
}

static void every_allocation_may_fail_and_nothing_changes(void **state) {
    for (size_t n = 0;; n++) {
        faulty_mem faulty = mem_failing_at(n);
        pbts_journal *journal;
        uint8_t bytes[4096];
        uint64_t number;
        size_t noted = 0;
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        if (pbts_journal_new(&journal, &faulty.mem) != PBTS_OK) continue;
        for (uint32_t i = 0; i < 3; i++) {
            pbts_receipt_record record = piece_record(9, i);
            size_t len = writer.len;
            pbts_status status = pbts_journal_add(journal, &writer, &number, &record);
            noted += status == PBTS_OK;
            if (status == PBTS_OK) continue;
            assert_int_equal(status, PBTS_NO_MEMORY);
            assert_true(writer.len == len);
        }
        assert_true(stats_of(journal).waiting == noted);
        pbts_journal_free(journal);
        assert_true(faulty.live == 0);
        if (faulty.asked <= n) break;
    }
}

/* ---- logs that are cut or damaged ---- */

/* A log with every kind of entry; `ends` has where each of the `*count` entries ends. */
static book sample_log(size_t ends[static 16], size_t *count) {
    book b = book_begin();
    size_t n = 0;
    ends[n++] = b.len;
    for (uint32_t i = 0; i < 2; i++) {
        add_piece(&b, i);
        ends[n++] = b.len;
    }
    add_set(&b, 9, 0xF0, 0);
    ends[n++] = b.len;
    settle(&b, 1, PBTS_OUTCOME_COUNTED, "");
    ends[n++] = b.len;
    settle(&b, 2, PBTS_OUTCOME_REFUSED, "BAD_PIECES");
    ends[n++] = b.len;
    add_set(&b, 9, 0xFF, 0x80);
    ends[n++] = b.len;
    *count = n;
    return b;
}

/* What a journal is after only the first entries. */
static pbts_journal *after_entries(const book *b, size_t len) {
    pbts_journal *journal;
    size_t good_len;
    assert_int_equal(load_bytes(&journal, &good_len, b->file, len), PBTS_OK);
    assert_true(good_len == len);
    return journal;
}

static void a_log_that_is_cut_anywhere_is_sound_up_to_the_last_whole_entry(void **state) {
    size_t ends[16], count;
    book b = sample_log(ends, &count);
    uint8_t *padded = calloc(1, b.len + 5000);
    assert_non_null(padded);
    for (size_t len = 0; len <= b.len; len++) {
        size_t whole = 0;
        for (size_t i = 0; i < count && ends[i] <= len; i++) whole = ends[i];
        pbts_journal *expected = after_entries(&b, whole), *journal;
        size_t good_len;
        assert_int_equal(load_bytes(&journal, &good_len, b.file, len), PBTS_OK);
        assert_true(good_len == whole);
        assert_same(journal, expected);
        pbts_journal_free(journal);
        /* The file got longer, but not its pages: zeros behind the cut. */
        memcpy(padded, b.file, len);
        memset(padded + len, 0, b.len - len);
        pbts_status status = load_bytes(&journal, &good_len, padded, b.len + 5000);
        if (status == PBTS_OK) {
            /* An entry that ends in zeros may be whole after all. */
            assert_true(good_len == whole || memcmp(padded, b.file, good_len) == 0);
        } else {
            assert_true(len < MAGIC_LEN && len > 0 && status == PBTS_CORRUPT);
        }
        pbts_journal_free(journal);
        pbts_journal_free(expected);
    }
    free(padded);
    book_free(&b);
}

/* Whatever is done to one byte, no other receipts come out of it, and none before the last entry
 * is lost in silence. */
static void damage_is_named_and_never_read_as_something_else(void **state) {
    size_t ends[16], count;
    book b = sample_log(ends, &count);
    pbts_journal *whole = after_entries(&b, b.len), *shorter = after_entries(&b, ends[count - 2]);
    for (size_t at = 0; at < b.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            pbts_journal *journal;
            size_t good_len;
            b.file[at] ^= (uint8_t)(1u << bit);
            pbts_status status = load_bytes(&journal, &good_len, b.file, b.len);
            b.file[at] ^= (uint8_t)(1u << bit);
            if (status == PBTS_OK) {
                assert_true(at >= ends[count - 2] && good_len == ends[count - 2]);
                assert_same(journal, shorter);
            } else {
                assert_int_equal(status, PBTS_CORRUPT);
            }
            pbts_journal_free(journal);
        }
    }
    pbts_journal_free(whole);
    pbts_journal_free(shorter);
    book_free(&b);
}

static void a_length_out_of_range_is_damage_even_at_the_end(void **state) {
    book b = book_begin();
    const uint32_t lengths[] = { 0, PBTS_JOURNAL_ENTRY_MAX, UINT32_MAX };
    for (size_t i = 0; i < 3; i++) {
        pbts_journal *journal;
        size_t good_len;
        pbts_writer writer = pbts_writer_over(b.file + b.len, 64);
        pbts_write_u32(&writer, lengths[i]);
        pbts_write_u32(&writer, lengths[i] ^ UINT32_C(0x70627473));
        pbts_write_u32(&writer, 0x01020304);
        assert_int_equal(load_bytes(&journal, &good_len, b.file, b.len + writer.len), PBTS_CORRUPT);
        pbts_journal_free(journal);
    }
    book_free(&b);
}

/* The same entries in an order that no journal writes. */
static void entries_out_of_order_are_corrupt(void **state) {
    size_t ends[16], count;
    book b = sample_log(ends, &count);
    uint8_t *mixed = malloc(2 * b.len);
    assert_non_null(mixed);
    for (size_t first = 1; first < count; first++) {
        for (size_t second = 1; second < count; second++) {
            size_t len = ends[0], take;
            pbts_journal *journal;
            memcpy(mixed, b.file, len);
            take = ends[first] - ends[first - 1];
            memcpy(mixed + len, b.file + ends[first - 1], take);
            len += take;
            take = ends[second] - ends[second - 1];
            memcpy(mixed + len, b.file + ends[second - 1], take);
            len += take;
            bool receipts = first != 4 && first != 5 && second != 4 && second != 5;
            bool fits = (receipts && first < second) || (first == 1 && second == 4) ||
                        (first == 2 && second == 5);
            assert_int_equal(load_bytes(&journal, &take, mixed, len),
                             fits ? PBTS_OK : PBTS_CORRUPT);
            pbts_journal_free(journal);
        }
    }
    free(mixed);
    book_free(&b);
}

/* ---- writing it anew ---- */

static void rewrite(book *b) {
    uint64_t cursor = 0;
    pbts_writer writer = pbts_writer_over(b->file, LOG_MAX);
    while (pbts_journal_rewrite(b->journal, &writer, &cursor)) {
    }
    b->len = writer.len;
    assert_true(stats_of(b->journal).log_bytes == b->len);
}

static void a_rewritten_log_has_all_that_matters_and_goes_on_counting(void **state) {
    size_t ends[16], count;
    book b = sample_log(ends, &count);
    pbts_journal *before = after_entries(&b, b.len), *after;
    size_t old_len = b.len, good_len;
    settle(&b, 4, PBTS_OUTCOME_COUNTED, "");
    rewrite(&b);
    assert_true(b.len < old_len);
    assert_int_equal(load_bytes(&after, &good_len, b.file, b.len), PBTS_OK);
    assert_same(b.journal, after);
    pbts_journal_stats stats = stats_of(after);
    assert_true(stats.counted == 2 && stats.credited_bytes == 200 && stats.refused == 1);
    pbts_journal_free(b.journal);
    b.journal = after;
    assert_true(add_piece(&b, 9) == 5);
    assert_loads(&b);
    pbts_journal_free(before);
    book_free(&b);
}

static void a_rewrite_goes_in_parts_that_fit(void **state) {
    book b = book_begin();
    static uint8_t part[PBTS_JOURNAL_ENTRY_MAX + 100];
    static uint8_t out[LOG_MAX];
    size_t len = 0, parts = 0, good_len;
    uint64_t cursor = 0;
    pbts_journal *again;
    for (uint32_t i = 0; i < PIECES; i++) add_piece(&b, i);
    for (;;) {
        pbts_writer writer = pbts_writer_over(part, sizeof part);
        if (!pbts_journal_rewrite(b.journal, &writer, &cursor)) break;
        memcpy(out + len, part, writer.len);
        len += writer.len;
        parts++;
    }
    assert_true(parts > 1);
    assert_int_equal(load_bytes(&again, &good_len, out, len), PBTS_OK);
    assert_same(again, b.journal);
    pbts_journal_free(again);
    book_free(&b);
}

static void a_rewrite_pays_when_most_of_a_long_log_is_dead(void **state) {
    book b = book_begin();
    for (uint32_t i = 0; i < 1400; i++) {
        add_set(&b, (uint8_t)(i / 24), (uint8_t)(0xFF << (7 - i % 8)), 0);
        bool long_enough = stats_of(b.journal).log_bytes > 1 << 20;
        if (!long_enough) assert_false(pbts_journal_should_compact(b.journal));
    }
    b.journal->stats.log_bytes = 2 << 20;
    assert_true(pbts_journal_should_compact(b.journal));
    b.journal->live_log_bytes = 1 << 20;
    assert_false(pbts_journal_should_compact(b.journal));
    book_free(&b);
}

/* ---- against a list that does the obvious ---- */

typedef struct {
    struct {
        uint64_t number;
        uint8_t receiver, set[SET_LEN];
        pbts_journal_outcome outcome;
        bool gone;
    } rows[2000];
    size_t count, counted;
} twin;

static bool twin_covers(const uint8_t *more, const uint8_t *less) {
    for (size_t i = 0; i < SET_LEN; i++) {
        if ((more[i] | less[i]) != more[i]) return false;
    }
    return true;
}

static bool twin_waits(const twin *t, size_t row, uint8_t receiver) {
    bool waits = !t->rows[row].gone && t->rows[row].outcome == PBTS_OUTCOME_WAITING;
    return waits && t->rows[row].receiver == receiver;
}

static void twin_add(twin *t, uint64_t number, uint8_t receiver, const uint8_t *set) {
    bool known = false, named = false;
    for (size_t i = 0; i < t->count; i++) {
        if (!twin_waits(t, i, receiver) || !twin_covers(t->rows[i].set, set)) continue;
        known = true;
        named = named || number == t->rows[i].number;
    }
    assert_true(known == named);
    if (known) return;
    for (size_t i = 0; i < t->count; i++) {
        if (twin_waits(t, i, receiver) && twin_covers(set, t->rows[i].set)) t->rows[i].gone = true;
    }
    t->rows[t->count].number = number;
    t->rows[t->count].receiver = receiver;
    memcpy(t->rows[t->count++].set, set, SET_LEN);
}

static void twin_compare(const twin *t, const pbts_journal *journal) {
    uint64_t after = 0;
    size_t waiting = 0;
    for (size_t i = 0; i < t->count; i++) {
        pbts_journal_item item;
        pbts_journal_outcome outcome;
        pbts_span reason;
        if (t->rows[i].gone) continue;
        assert_int_equal(pbts_journal_next(journal, &item, &outcome, &reason, after), PBTS_OK);
        assert_true(item.number == t->rows[i].number && outcome == t->rows[i].outcome);
        assert_memory_equal(item.record.receipt.bitmap.data, t->rows[i].set, SET_LEN);
        waiting += outcome == PBTS_OUTCOME_WAITING;
        after = item.number;
    }
    assert_true(stats_of(journal).waiting == waiting);
    assert_true(stats_of(journal).counted == t->counted);
}

static void twin_settle(twin *t, book *b, pbts_prng *prng) {
    for (size_t i = 0; i < t->count; i++) {
        bool waits = !t->rows[i].gone && t->rows[i].outcome == PBTS_OUTCOME_WAITING;
        if (!waits || pbts_prng_below(prng, 4) != 0) continue;
        t->rows[i].gone = pbts_prng_below(prng, 2) == 0;
        t->rows[i].outcome = t->rows[i].gone ? PBTS_OUTCOME_COUNTED : PBTS_OUTCOME_REFUSED;
        t->counted += t->rows[i].gone;
        settle(b, t->rows[i].number, t->rows[i].outcome, "WHY");
        return;
    }
}

static void twin_reload(book *b) {
    size_t good_len;
    pbts_journal_free(b->journal);
    assert_int_equal(load_bytes(&b->journal, &good_len, b->file, b->len), PBTS_OK);
    assert_true(good_len == b->len);
}

static void random_histories_match_a_plain_list(void **state) {
    for (uint64_t seed = 1; seed <= 8; seed++) {
        pbts_prng prng = pbts_prng_seeded(seed);
        book b = book_begin();
        twin *t = calloc(1, sizeof *t);
        assert_non_null(t);
        for (unsigned step = 0; step < 700; step++) {
            uint32_t what = pbts_prng_below(&prng, 40);
            if (what == 0) {
                twin_reload(&b);
            } else if (what == 1) {
                rewrite(&b);
            } else if (what < 12) {
                twin_settle(t, &b, &prng);
            } else {
                uint8_t set[SET_LEN] = { 0 }, receiver = (uint8_t)pbts_prng_below(&prng, 3);
                uint32_t bits = 1 + pbts_prng_below(&prng, 10);
                for (uint32_t i = 0; i < bits; i++) {
                    pbts_piece_set_add(set, pbts_prng_below(&prng, 9));
                }
                pbts_receipt_record record = set_record(receiver, set);
                twin_add(t, add(&b, &record), receiver, set);
            }
            if (step % 8 == 0 || what < 2) twin_compare(t, b.journal);
        }
        free(t);
        book_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_a_journal_without_a_header),
        cmocka_unit_test(receipts_wait_in_the_order_in_which_they_came),
        cmocka_unit_test(a_growing_set_replaces_the_one_before),
        cmocka_unit_test(a_set_that_lacks_a_piece_of_the_one_before_stands_beside_it),
        cmocka_unit_test(a_receipt_that_says_nothing_new_is_not_written_again),
        cmocka_unit_test(receipts_of_other_torrents_parties_and_hours_are_others),
        cmocka_unit_test(batches_with_the_same_pieces_are_one_and_others_stay),
        cmocka_unit_test(sessions_are_told_apart_by_their_id),
        cmocka_unit_test(a_set_whose_hour_is_not_over_waits_for_more),
        cmocka_unit_test(one_report_is_for_one_instance),
        cmocka_unit_test(a_pick_stays_below_its_bytes_but_gives_one),
        cmocka_unit_test(counted_receipts_are_done_and_refused_ones_kept_with_the_reason),
        cmocka_unit_test(what_does_not_wait_cannot_be_settled),
        cmocka_unit_test(a_long_reason_is_cut),
        cmocka_unit_test(nothing_is_noted_that_does_not_fit),
        cmocka_unit_test(waiting_receipts_have_a_limit_in_number_and_in_bytes),
        cmocka_unit_test(the_oldest_of_too_many_refused_receipts_are_forgotten),
        cmocka_unit_test(refused_receipts_have_a_limit_in_bytes_too),
        cmocka_unit_test(what_is_done_takes_no_memory),
        cmocka_unit_test(every_allocation_may_fail_and_nothing_changes),
        cmocka_unit_test(a_log_that_is_cut_anywhere_is_sound_up_to_the_last_whole_entry),
        cmocka_unit_test(damage_is_named_and_never_read_as_something_else),
        cmocka_unit_test(a_length_out_of_range_is_damage_even_at_the_end),
        cmocka_unit_test(entries_out_of_order_are_corrupt),
        cmocka_unit_test(a_rewritten_log_has_all_that_matters_and_goes_on_counting),
        cmocka_unit_test(a_rewrite_goes_in_parts_that_fit),
        cmocka_unit_test(a_rewrite_pays_when_most_of_a_long_log_is_dead),
        cmocka_unit_test(random_histories_match_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
