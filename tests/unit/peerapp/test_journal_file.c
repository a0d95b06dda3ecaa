/* Unit tests of apps/pbts-peer/journal_file.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "exit_codes.h"
#include "pbts-peer/journal_file.h"
#include "pbts/pbts_test.h"

static const uint8_t BITMAP[] = { 0x80 };
static const pbts_bls_public KEY = { { 0xAB, 0xCD } };
#define NAME "abcd000000000000"

static pbts_receipt_record record_of(uint8_t n) {
    pbts_receipt_record record = { .piece_count = 8 };
    record.receipt.form = PBTS_FORM_CUMULATIVE;
    record.receipt.epoch = 500000;
    record.receipt.bitmap = PBTS_SPAN_OF(BITMAP);
    memset(record.receipt.infohash, n, sizeof record.receipt.infohash);
    return record;
}

static void add(journal_file *j, uint8_t n) {
    pbts_receipt_record record = record_of(n);
    assert_int_equal(journal_file_add(j, &record), 0);
}

static uint64_t waiting(const journal_file *j) {
    pbts_journal_stats stats;
    pbts_journal_stats_read(journal_file_journal(j), &stats);
    return stats.waiting;
}

static journal_file *open_in(const char *folder) {
    journal_file *j = NULL;
    assert_int_equal(journal_file_open(&j, folder, &KEY), PBTS_EXIT_OK);
    return j;
}

static void path_in(char out[static 400], const char *folder, const char *name) {
    (void)snprintf(out, 400, "%s/%s", folder, name);
}

static void what_was_added_is_there_again(void **state) {
    (void)state;
    char folder[256], path[400];
    struct stat info;
    temp_directory(folder);
    journal_file *j = open_in(folder);
    add(j, 1);
    add(j, 2);
    assert_int_equal(journal_file_settle(j, 1, PBTS_OUTCOME_COUNTED, 5, (pbts_span){ NULL, 0 }), 0);
    journal_file_close(j);
    path_in(path, folder, NAME ".journal");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    j = open_in(folder);
    assert_int_equal(waiting(j), 1);
    assert_string_equal(journal_file_path(j), path);
    journal_file_close(j);
    folder_remove(folder);
}

/* As kill -9 leaves it: nothing is closed, and the last entry is there in part. */
static void a_torn_end_is_cut_off(void **state) {
    (void)state;
    char folder[256], path[400];
    size_t len;
    temp_directory(folder);
    path_in(path, folder, NAME ".journal");
    journal_file *j = open_in(folder);
    add(j, 1);
    char *before = file_get(path, &len);
    size_t one = len;
    free(before);
    add(j, 2);
    before = file_get(path, &len);
    journal_file_close(j);
    for (size_t cut = one; cut < len; cut += 37) {
        file_put(path, (pbts_span){ (uint8_t *)before, cut });
        j = open_in(folder);
        assert_int_equal(waiting(j), 1);
        add(j, 3); /* behind the cut, not behind the torn bytes */
        journal_file_close(j);
        j = open_in(folder);
        assert_int_equal(waiting(j), 2);
        journal_file_close(j);
    }
    free(before);
    folder_remove(folder);
}

static void a_damaged_journal_is_left_as_it_is(void **state) {
    (void)state;
    char folder[256], path[400];
    size_t len, now_len;
    temp_directory(folder);
    path_in(path, folder, NAME ".journal");
    journal_file *j = open_in(folder);
    for (uint8_t i = 1; i < 4; i++) add(j, i);
    journal_file_close(j);
    char *bytes = file_get(path, &len);
    bytes[len / 2] ^= 1;
    file_put(path, (pbts_span){ (uint8_t *)bytes, len });
    j = NULL;
    assert_int_equal(journal_file_open(&j, folder, &KEY), PBTS_EXIT_IO);
    assert_null(j);
    char *now = file_get(path, &now_len);
    assert_true(now_len == len && memcmp(now, bytes, len) == 0);
    free(now);
    free(bytes);
    folder_remove(folder);
}

static void two_programs_have_a_journal_each_and_the_next_one_has_both(void **state) {
    (void)state;
    char folder[256], path[400];
    temp_directory(folder);
    journal_file *first = open_in(folder), *second = open_in(folder);
    add(first, 1);
    add(second, 2);
    add(second, 3);
    pbts_span why = pbts_span_text("UNKNOWN_RECEIVER"); /* it may register yet */
    assert_int_equal(journal_file_settle(second, 2, PBTS_OUTCOME_REFUSED, 0, why), 0);
    path_in(path, folder, NAME ".1.journal");
    assert_string_equal(journal_file_path(second), path);
    journal_file *third = open_in(folder); /* nobody is gone yet */
    assert_int_equal(waiting(third), 0);
    journal_file_close(third);
    journal_file_close(second);
    journal_file_close(first);
    first = open_in(folder);
    assert_int_equal(waiting(first), 3);
    assert_int_equal(access(path, F_OK), -1);
    journal_file_close(first);
    first = open_in(folder);
    assert_int_equal(waiting(first), 3);
    journal_file_close(first);
    folder_remove(folder);
}

static void at_most_sixteen_programs_share_a_folder(void **state) {
    (void)state;
    char folder[256];
    journal_file *all[JOURNAL_FILES_MAX], *more = NULL;
    temp_directory(folder);
    for (int i = 0; i < JOURNAL_FILES_MAX; i++) all[i] = open_in(folder);
    assert_int_equal(journal_file_open(&more, folder, &KEY), PBTS_EXIT_IO);
    for (int i = 0; i < JOURNAL_FILES_MAX; i++) journal_file_close(all[i]);
    folder_remove(folder);
}

/* A full disk, by a limit on the length of files: what could not be written is owed, and is there
 * once it can be. */
static void what_did_not_fit_is_written_with_the_next(void **state) {
    (void)state;
    char folder[256];
    struct rlimit before, tight;
    struct stat info;
    temp_directory(folder);
    journal_file *j = open_in(folder);
    add(j, 1);
    assert_int_equal(stat(journal_file_path(j), &info), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = (struct rlimit){ (rlim_t)info.st_size + 50, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    pbts_receipt_record second = record_of(2);
    assert_int_equal(journal_file_add(j, &second), EFBIG);
    assert_int_equal(journal_file_add(j, &second), EFBIG); /* and once more */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(journal_file_add(j, &second), 0);
    add(j, 3);
    journal_file_close(j);
    j = open_in(folder);
    assert_int_equal(waiting(j), 3);
    journal_file_close(j);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_there_again),
        cmocka_unit_test(a_torn_end_is_cut_off),
        cmocka_unit_test(a_damaged_journal_is_left_as_it_is),
        cmocka_unit_test(two_programs_have_a_journal_each_and_the_next_one_has_both),
        cmocka_unit_test(at_most_sixteen_programs_share_a_folder),
        cmocka_unit_test(what_did_not_fit_is_written_with_the_next),
    };
    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
