/* Unit tests of apps/pbts/receipts_journal.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "exit_codes.h"
#include "receipts.h"

enum { ROOM = 16 * 1024 };

/* A journal of three receipts: one waits, one was counted, one was refused. */
static size_t write_journal(uint8_t out[static ROOM]) {
    static const uint8_t BITMAP[] = { 0x80 };
    pbts_journal *journal;
    uint64_t numbers[3];
    pbts_writer writer = pbts_writer_over(out, ROOM);
    assert_int_equal(pbts_journal_new(&journal, pbts_mem_system()), PBTS_OK);
    pbts_journal_header(&writer);
    for (uint8_t i = 0; i < 3; i++) {
        pbts_receipt_record record = { .piece_count = 8 };
        record.receipt.form = PBTS_FORM_CUMULATIVE;
        record.receipt.epoch = 500000u + i;
        record.receipt.bitmap = PBTS_SPAN_OF(BITMAP);
        memset(record.receipt.infohash, i, sizeof record.receipt.infohash);
        assert_int_equal(pbts_journal_add(journal, &writer, &numbers[i], &record), PBTS_OK);
    }
    assert_int_equal(pbts_journal_settle(journal, &writer, numbers[1], PBTS_OUTCOME_COUNTED, 1,
                                         (pbts_span){ NULL, 0 }),
                     PBTS_OK);
    assert_int_equal(pbts_journal_settle(journal, &writer, numbers[2], PBTS_OUTCOME_REFUSED, 0,
                                         pbts_span_text("BAD_PIECES")),
                     PBTS_OK);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    pbts_journal_free(journal);
    return writer.len;
}

static int load(receipts *out, const uint8_t *bytes, size_t len) {
    char path[] = "/tmp/pbts-journal-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    int code = receipts_load(out, path);
    (void)close(fd);
    (void)unlink(path);
    return code;
}

static void what_waits_and_what_was_refused_is_read(void **state) {
    (void)state;
    uint8_t bytes[ROOM];
    receipts all;
    assert_int_equal(load(&all, bytes, write_journal(bytes)), PBTS_EXIT_OK);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.records[0].receipt.epoch, 500000);
    assert_string_equal(all.refusals[0], "");
    assert_int_equal(all.records[1].receipt.epoch, 500002);
    assert_string_equal(all.refusals[1], "BAD_PIECES");
    receipts_free(&all);
}

static void a_torn_end_is_passed_over_and_damage_is_not(void **state) {
    (void)state;
    uint8_t bytes[ROOM];
    receipts all;
    size_t len = write_journal(bytes);
    assert_int_equal(load(&all, bytes, len - 1), PBTS_EXIT_OK);
    assert_int_equal(all.count, 2);
    assert_string_equal(all.refusals[1], ""); /* that it was refused is what was torn off */
    receipts_free(&all);
    bytes[len / 3] ^= 1;
    assert_int_equal(load(&all, bytes, len), PBTS_EXIT_REFUSED);
}

static void a_file_of_neither_kind_is_refused(void **state) {
    (void)state;
    receipts all;
    assert_int_equal(load(&all, (const uint8_t *)"pbts-journal2\n", 14), PBTS_EXIT_REFUSED);
    assert_int_equal(load(&all, (const uint8_t *)"", 0), PBTS_EXIT_REFUSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_and_what_was_refused_is_read),
        cmocka_unit_test(a_torn_end_is_passed_over_and_damage_is_not),
        cmocka_unit_test(a_file_of_neither_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
