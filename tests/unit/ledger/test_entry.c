/* Unit tests of ledger/entry.c: the form of one entry, and the export file. */
#include "chain.h"

#include "ledger/entry.h"

enum { OWNER = 1, INSTANCE = 0x11 };
enum { SEQUENCE_AT = 0, PREVIOUS_AT = 8, TIME_AT = 40, EPOCH_AT = 80, KIND_AT = 88, COUNT_AT = 89 };
enum { BODY_AT = 93, FLAG_AT = BODY_AT + 96, REFERRER_AT = FLAG_AT + 1 };

static pbts_status decode(pbts_ledger_entry *out, const uint8_t *bytes, size_t len) {
    pbts_span copy = span_copy((pbts_span){ bytes, len });
    const char *problem = NULL;
    pbts_status status = pbts_ledger_entry_decode(out, &problem, copy);
    assert_int_equal(status == PBTS_OK, problem == NULL);
    span_free(copy);
    return status;
}

static void every_field_is_read_at_its_offset(void **state) {
    uint8_t bytes[BODY_AT + PBTS_LEDGER_ROW_LEN + 48];
    static const uint8_t time[8] = { 0, 0, 0, 0, 0, 0, 0x0E, 0x10 }; /* 3600: epoch 1 */
    static const uint8_t epoch[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };
    static const uint8_t count[4] = { 0, 0, 0, 1 };
    pbts_ledger_entry entry;
    pbts_ledger_account row;
    pbts_cursor rows;
    uint32_t row_count;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    memcpy(bytes + TIME_AT, time, 8);
    memcpy(bytes + EPOCH_AT, epoch, 8);
    memcpy(bytes + COUNT_AT, count, 4);
    bytes[KIND_AT] = PBTS_LEDGER_WRITE;
    const char *problem;
    assert_int_equal(pbts_ledger_entry_decode(&entry, &problem, PBTS_SPAN_OF(bytes)), PBTS_OK);
    assert_true(entry.sequence == 0x0001020304050607u);
    assert_memory_equal(entry.previous_hash, bytes + 8, 32);
    assert_int_equal(entry.unix_time, 3600);
    assert_memory_equal(entry.iid, bytes + 48, 32);
    assert_int_equal(entry.epoch, 1);
    assert_int_equal(entry.message.len, sizeof bytes - 48);
    assert_memory_equal(entry.signature.bytes, bytes + sizeof bytes - 48, 48);
    assert_int_equal(pbts_ledger_entry_rows(PBTS_SPAN_OF(bytes), &rows, &row_count), PBTS_OK);
    assert_int_equal(row_count, 1);
    assert_int_equal(pbts_ledger_row_decode(&row, &rows), PBTS_OK);
    assert_memory_equal(row.uid_hash, bytes + 93, 32);
    assert_memory_equal(row.key_hash, bytes + 125, 32);
    assert_true(row.up_bytes == 0x9D9E9FA0A1A2A3A4u);
    assert_true(row.down_bytes == 0xA5A6A7A8A9AAABACu);
    assert_true(row.generation == 0xADAEAFB0u);
    assert_true(row.user_no == 0xB1B2B3B4u);
    assert_int_equal(pbts_ledger_row_decode(&row, &rows), PBTS_NEED_MORE);
}

static void every_shorter_and_longer_entry_is_malformed_and_changes_nothing(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    for (size_t i = 0; i < c.count; i++) {
        pbts_ledger_entry entry, before;
        memset(&entry, 0x5A, sizeof entry);
        memcpy(&before, &entry, sizeof entry);
        for (size_t len = 0; len < c.entries[i].len; len++)
            assert_int_equal(decode(&entry, c.entries[i].data, len), PBTS_MALFORMED);
        uint8_t *more = malloc(c.entries[i].len + 1);
        assert_non_null(more);
        memcpy(more, c.entries[i].data, c.entries[i].len);
        more[c.entries[i].len] = 0;
        assert_int_equal(decode(&entry, more, c.entries[i].len + 1), PBTS_MALFORMED);
        assert_memory_equal(&entry, &before, sizeof entry);
        assert_int_equal(decode(&entry, more, c.entries[i].len), PBTS_OK);
        free(more);
    }
    chain_free(&c);
}

static void each_bad_field_is_malformed(void **state) {
    static const struct {
        size_t entry, at;
        uint8_t value;
    } CASES[] = {
        { 0, SEQUENCE_AT + 7, 1 }, /* INIT that is not the first */
        { 1, SEQUENCE_AT + 7, 0 }, /* a first entry that is not INIT */
        { 3, SEQUENCE_AT + 7, 0 },
        { 0, PREVIOUS_AT, 1 }, /* INIT after something */
        { 0, PREVIOUS_AT + 31, 1 },
        { 1, EPOCH_AT + 7, 0x7F }, /* epoch that is not the time's */
        { 1, EPOCH_AT, 1 },
        { 1, KIND_AT, 0 },
        { 1, KIND_AT, 4 },
        { 1, KIND_AT, 0xFF },
        { 1, KIND_AT, 1 },
        { 1, KIND_AT, 3 },
        { 3, KIND_AT, 2 },
        { 1, COUNT_AT + 3, 0 },
        { 1, COUNT_AT + 3, 1 },
        { 1, COUNT_AT + 3, 3 },
        { 1, COUNT_AT, 0xFF },  /* far past the limit */
        { 0, COUNT_AT + 3, 1 }, /* rows where none belong */
        { 3, COUNT_AT + 3, 1 },
        { 0, FLAG_AT, 0 }, /* a referrer without its flag */
        { 0, FLAG_AT, 2 },
        { 0, REFERRER_AT + 32 + 8, 1 }, /* attestation longer than the entry */
    };
    chain c = chain_small(INSTANCE, OWNER);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_span entry = c.entries[CASES[i].entry];
        uint8_t *bytes = (uint8_t *)(uintptr_t)entry.data;
        uint8_t kept = bytes[CASES[i].at];
        pbts_ledger_entry out;
        assert_int_equal(decode(&out, bytes, entry.len), PBTS_OK);
        bytes[CASES[i].at] = CASES[i].value;
        assert_int_equal(decode(&out, bytes, entry.len), PBTS_MALFORMED);
        bytes[CASES[i].at] = kept;
    }
    uint8_t *init = (uint8_t *)(uintptr_t)c.entries[0].data;
    pbts_ledger_entry out;
    memcpy(init + REFERRER_AT, init + 48, 32); /* its own referrer */
    assert_int_equal(decode(&out, init, c.entries[0].len), PBTS_MALFORMED);
    chain_free(&c);
}

static void single_byte_damage_keeps_decode_total(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    for (size_t i = 0; i < c.count; i++) {
        uint8_t *bytes = (uint8_t *)(uintptr_t)c.entries[i].data;
        for (size_t at = 0; at < c.entries[i].len; at++) {
            for (unsigned flip = 1; flip < 256; flip += 2) {
                pbts_ledger_entry out;
                bytes[at] ^= (uint8_t)flip;
                pbts_status status = decode(&out, bytes, c.entries[i].len);
                bytes[at] ^= (uint8_t)flip;
                assert_true(status == PBTS_OK || status == PBTS_MALFORMED);
            }
        }
    }
    chain_free(&c);
}

static void only_writes_have_rows(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    static const uint32_t WANT[] = { 0, 2, 1, 0 };
    for (size_t i = 0; i < c.count; i++) {
        pbts_cursor rows;
        uint32_t count;
        assert_int_equal(pbts_ledger_entry_rows(c.entries[i], &rows, &count), PBTS_OK);
        assert_int_equal(count, WANT[i]);
        assert_int_equal(pbts_cursor_left(&rows), WANT[i] * PBTS_LEDGER_ROW_LEN);
    }
    chain_free(&c);
}

static pbts_span export_of(const chain *c) {
    static uint8_t buffer[4096];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_write_text(&writer, PBTS_LEDGER_FILE_MAGIC);
    for (size_t i = 0; i < c->count; i++) {
        pbts_write_u32(&writer, (uint32_t)c->entries[i].len);
        pbts_write_bytes(&writer, c->entries[i]);
    }
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return pbts_writer_span(&writer);
}

static void an_export_file_gives_its_entries_back(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span file = export_of(&c), entry;
    pbts_cursor cursor;
    assert_int_equal(pbts_ledger_file_open(&cursor, file), PBTS_OK);
    for (size_t i = 0; i < c.count; i++) {
        assert_int_equal(pbts_ledger_file_next(&cursor, &entry), PBTS_OK);
        assert_true(pbts_span_equal(entry, c.entries[i]));
    }
    assert_int_equal(pbts_ledger_file_next(&cursor, &entry), PBTS_NOT_FOUND);
    chain_free(&c);
}

static void a_cut_or_foreign_export_file_is_a_status(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span file = export_of(&c), entry;
    size_t ends[CHAIN_ENTRIES_MAX + 1] = { 13 };
    for (size_t i = 0; i < c.count; i++) ends[i + 1] = ends[i] + 4 + c.entries[i].len;
    for (size_t len = 0; len <= file.len; len++) {
        pbts_span cut = span_copy((pbts_span){ file.data, len });
        pbts_cursor cursor;
        pbts_status status = pbts_ledger_file_open(&cursor, cut);
        assert_int_equal(status, len < 13 ? PBTS_MALFORMED : PBTS_OK);
        while (status == PBTS_OK) status = pbts_ledger_file_next(&cursor, &entry);
        bool at_end = false;
        for (size_t i = 0; i <= c.count; i++) at_end |= len == ends[i];
        if (len >= 13) assert_int_equal(status, at_end ? PBTS_NOT_FOUND : PBTS_NEED_MORE);
        span_free(cut);
    }
    static const uint8_t HUGE_ENTRY[] = "pbts-ledger1\n\xFF\xFF\xFF\xFF";
    static const uint8_t EMPTY_ENTRY[] = "pbts-ledger1\n\0\0\0\0";
    pbts_cursor cursor;
    assert_int_equal(pbts_ledger_file_open(&cursor, PBTS_SPAN_OF(HUGE_ENTRY)), PBTS_OK);
    assert_int_equal(pbts_ledger_file_next(&cursor, &entry), PBTS_MALFORMED);
    assert_int_equal(pbts_ledger_file_open(&cursor, PBTS_SPAN_OF(EMPTY_ENTRY)), PBTS_OK);
    assert_int_equal(pbts_ledger_file_next(&cursor, &entry), PBTS_MALFORMED);
    chain_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read_at_its_offset),
        cmocka_unit_test(every_shorter_and_longer_entry_is_malformed_and_changes_nothing),
        cmocka_unit_test(each_bad_field_is_malformed),
        cmocka_unit_test(single_byte_damage_keeps_decode_total),
        cmocka_unit_test(only_writes_have_rows),
        cmocka_unit_test(an_export_file_gives_its_entries_back),
        cmocka_unit_test(a_cut_or_foreign_export_file_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
