/* Unit tests of apps/pbts-peer/taken_file.c: when it is written, and what a damaged one does. */
#include "pbts-peer/taken_file.h"

#include "peer/book_parts.h"
#include "tracker_kit.h"

static char FOLDER[] = "/tmp/pbts-taken-XXXXXX";
static char path[100];

static int make_folder(void **state) {
    (void)state;
    memcpy(FOLDER + sizeof FOLDER - 7, "XXXXXX", 6);
    if (mkdtemp(FOLDER) == NULL) return -1;
    (void)snprintf(path, sizeof path, "%s/taken-1111111111111111.book", FOLDER);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    folder_remove(FOLDER);
    return 0;
}

static taken_file *begin(engine *e) {
    kit_engine(e, FOLDER, NULL);
    (void)snprintf(e->set.state, sizeof e->set.state, "%s", FOLDER);
    assert_int_equal(pbts_book_new(&e->book, pbts_mem_system()), PBTS_OK);
    taken_file *t = taken_file_open(e);
    assert_non_null(t);
    return t;
}

static void end(engine *e, taken_file *t) {
    taken_file_close(t, e);
    kit_engine_free(e);
    pbts_book_free(e->book);
}

static void take(const engine *e, uint64_t bytes) {
    pbts_page *page;
    const pbts_bls_public key = { .bytes = { 1 } };
    assert_int_equal(pbts_book_open(e->book, &page, &key), PBTS_OK);
    page->has_ticket = page->by_membership = true;
    page->taken_bytes += bytes;
    pbts_book_close(e->book, page);
}

static uint64_t taken(const engine *e) {
    pbts_book_stats stats;
    pbts_book_stats_read(e->book, &stats);
    return stats.peers == 0 ? 0 : pbts_book_page(e->book, 0)->taken_bytes;
}

static bool is_there(void) {
    return access(path, F_OK) == 0;
}

static void what_was_taken_is_there_after_a_restart(void **state) {
    (void)state;
    static engine e;
    end(&e, begin(&e));
    assert_false(is_there()); /* nobody took anything */
    for (uint64_t round = 0; round < 3; round++) {
        taken_file *t = begin(&e);
        assert_true(taken(&e) == 100 * round);
        take(&e, 100);
        end(&e, t);
        assert_true(is_there());
    }
}

static void it_is_written_once_a_minute_when_it_changed(void **state) {
    (void)state;
    static engine e;
    taken_file *t = begin(&e);
    take(&e, 5);
    e.now.mono_ms += TAKEN_FILE_SAVE_MS - 1;
    taken_file_tick(t, &e);
    assert_false(is_there());
    e.now.mono_ms++;
    taken_file_tick(t, &e);
    assert_true(is_there());
    assert_int_equal(unlink(path), 0);
    e.now.mono_ms += TAKEN_FILE_SAVE_MS;
    taken_file_tick(t, &e);
    assert_false(is_there()); /* nothing new */
    take(&e, 5);
    e.now.mono_ms += TAKEN_FILE_SAVE_MS;
    taken_file_tick(t, &e);
    assert_true(is_there());
    end(&e, t);
}

static void a_damaged_one_is_forgotten_and_written_anew(void **state) {
    (void)state;
    static engine e;
    taken_file *t = begin(&e);
    take(&e, 5);
    end(&e, t);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 60, SEEK_SET), 0);
    assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fclose(file), 0);
    t = begin(&e);
    assert_true(taken(&e) == 0);
    take(&e, 7);
    end(&e, t);
    t = begin(&e);
    assert_true(taken(&e) == 7);
    end(&e, t);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_was_taken_is_there_after_a_restart),
        IN_FOLDER(it_is_written_once_a_minute_when_it_changed),
        IN_FOLDER(a_damaged_one_is_forgotten_and_written_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
