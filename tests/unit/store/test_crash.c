/* Unit tests of store/store_lmdb.c when things go wrong around it: a full map, a full disk,
 * kill -9 in the middle of writing, a second writer, a killed reader. Every other process is a
 * child made here; the small disk is a tmpfs in a mount namespace that ends with its child. */
#include "temp_store.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/random.h"

enum { MIB = 1024 * 1024, SKIPPED = 77 };

static pbts_span number_key(uint8_t out[static 8], uint64_t number) {
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)(number >> (56 - 8 * i));
    return (pbts_span){ out, 8 };
}

/* One transaction with `rows` rows of 1000 bytes, all keyed from `number` on. */
static pbts_status put_rows(pbts_store *store, uint64_t number, size_t rows) {
    static const uint8_t value[1000] = { 1, 2, 3 };
    uint8_t key[8];
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, store, true));
    for (size_t i = 0; i < rows; i++) {
        pbts_status status = pbts_txn_put(txn, PBTS_TABLE_PIECES, number_key(key, number + i),
                                          (pbts_span){ value, sizeof value });
        if (status != PBTS_OK) {
            pbts_span got;
            /* The transaction keeps its failure and cannot be committed by mistake. */
            if (pbts_txn_get(txn, &got, PBTS_TABLE_PIECES, (pbts_span){ key, 8 }) != status)
                status = PBTS_MALFORMED;
            return pbts_txn_commit(txn) == status ? status : PBTS_MALFORMED;
        }
    }
    return pbts_txn_commit(txn);
}

static uint64_t count_rows(pbts_store *store) {
    pbts_span none = { NULL, 0 }, key, value;
    pbts_txn *txn;
    pbts_rows *rows;
    uint64_t count = 0;
    if (pbts_txn_begin(&txn, store, false) != PBTS_OK) return UINT64_MAX;
    if (pbts_rows_open(&rows, txn, PBTS_TABLE_PIECES, none, none) != PBTS_OK) return UINT64_MAX;
    while (pbts_rows_next(rows, &key, &value)) count++;
    if (pbts_rows_status(rows) != PBTS_OK) count = UINT64_MAX;
    pbts_rows_close(rows);
    pbts_txn_abort(txn);
    return count;
}

static pbts_status delete_rows(pbts_store *store, uint64_t number, size_t rows) {
    uint8_t key[8];
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, store, true));
    for (size_t i = 0; i < rows; i++) {
        pbts_status status = pbts_txn_delete(txn, PBTS_TABLE_PIECES, number_key(key, number + i));
        if (status != PBTS_OK) {
            pbts_txn_abort(txn);
            return status;
        }
    }
    return pbts_txn_commit(txn);
}

static void a_transaction_too_big_for_the_map_is_full_and_a_smaller_one_works(void **state) {
    temp_store temp;
    temp_store_init(&temp, MIB);
    assert_int_equal(put_rows(temp.store, 0, 10), PBTS_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(put_rows(temp.store, 1000, 2000), PBTS_FULL);
        assert_int_equal(count_rows(temp.store), 10 + (uint64_t)i);
        assert_int_equal(put_rows(temp.store, 10 + (uint64_t)i, 1), PBTS_OK);
    }
    temp_store_reopen(&temp, 8 * MIB);
    assert_int_equal(put_rows(temp.store, 1000, 2000), PBTS_OK);
    assert_int_equal(count_rows(temp.store), 2030);
    temp_store_deinit(&temp);
}

static void a_map_filled_row_by_row_is_full_and_takes_rows_again_after_a_delete(void **state) {
    temp_store temp;
    temp_store_init(&temp, MIB);
    uint64_t rows = 0;
    pbts_status status;
    while ((status = put_rows(temp.store, rows, 1)) == PBTS_OK) rows++;
    assert_int_equal(status, PBTS_FULL);
    assert_int_equal(count_rows(temp.store), rows);
    assert_true(pbts_store_used_bytes(temp.store) > MIB / 2);
    assert_true(pbts_store_used_bytes(temp.store) <= MIB);
    for (int i = 0; i < 50; i++) assert_int_equal(put_rows(temp.store, rows, 1), PBTS_FULL);
    assert_int_equal(delete_rows(temp.store, 0, 20), PBTS_OK);
    assert_int_equal(put_rows(temp.store, rows, 5), PBTS_OK);
    temp_store_reopen(&temp, MIB);
    assert_int_equal(count_rows(temp.store), rows - 15);
    for (uint64_t i = 20; i < rows; i++) assert_int_equal(delete_rows(temp.store, i, 1), PBTS_OK);
    assert_int_equal(put_rows(temp.store, 0, 500), PBTS_OK);
    temp_store_deinit(&temp);
}

/* --- a full disk ------------------------------------------------------------------------- */

static int failed(const char *what) {
    (void)fprintf(stderr, "full disk: %s\n", what);
    return 1;
}

static bool ballast(const char *path, size_t bytes) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool made = fd >= 0 && posix_fallocate(fd, 0, (off_t)bytes) == 0;
    if (fd >= 0) close(fd);
    return made;
}

/* In the child, where `directory` is a disk of 2 MiB; half of it is taken. */
static int fill_the_disk(const char *directory) {
    pbts_store_config config = { .size_max_bytes = 64 * MIB };
    pbts_store *store;
    char path[300];
    uint64_t rows = 0;
    pbts_status status;
    (void)snprintf(path, sizeof path, "%s/ballast", directory);
    if (!ballast(path, MIB)) return failed("no ballast");
    if (pbts_store_open(&store, directory, &config) != PBTS_OK) return failed("open");
    while ((status = put_rows(store, rows, 7)) == PBTS_OK) rows += 7;
    if (status != PBTS_FULL) return failed("not PBTS_FULL");
    if (rows < 100 || count_rows(store) != rows) return failed("rows lost or half there");
    if (put_rows(store, rows, 7) != PBTS_FULL) return failed("still full");
    if (unlink(path) != 0) return failed("unlink");
    if (put_rows(store, rows, 7) != PBTS_OK) return failed("no recovery with a freed disk");
    if (count_rows(store) != rows + 7) return failed("rows lost");
    rows += 7;
    pbts_store_close(store);
    if (pbts_store_open(&store, directory, &config) != PBTS_OK) return failed("reopen");
    if (count_rows(store) != rows) return failed("rows lost over the reopen");
    pbts_store_close(store);
    return 0;
}

/* A disk that is full before the store exists. */
static int open_on_a_full_disk(const char *directory) {
    pbts_store_config config = { .size_max_bytes = 64 * MIB };
    pbts_store *store = NULL;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/ballast", directory);
    if (!ballast(path, 2 * MIB - 12 * 1024)) return failed("no ballast");
    if (pbts_store_open(&store, directory, &config) != PBTS_FULL) return failed("open when full");
    if (unlink(path) != 0) return failed("unlink");
    if (pbts_store_open(&store, directory, &config) != PBTS_OK) return failed("open when freed");
    pbts_store_close(store);
    return 0;
}

/* The reader table is mapped: a place in it that has no block yet would be SIGBUS, not a status. */
static int read_on_a_full_disk(const char *directory) {
    enum { READERS = 126 };
    pbts_store_config config = { .size_max_bytes = 64 * MIB, .readers_max = READERS };
    pbts_store *store = NULL;
    pbts_txn *txns[READERS];
    char path[300];
    static const char zeros[4096];
    if (pbts_store_open(&store, directory, &config) != PBTS_OK) return failed("open");
    (void)snprintf(path, sizeof path, "%s/ballast", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, zeros, sizeof zeros) > 0) {
    }
    close(fd);
    for (size_t i = 0; i < READERS; i++)
        if (pbts_txn_begin(&txns[i], store, false) != PBTS_OK) return failed("reader");
    for (size_t i = 0; i < READERS; i++) pbts_txn_abort(txns[i]);
    pbts_store_close(store);
    return 0;
}

static int on_a_small_disk(const char *directory, int (*body)(const char *directory)) {
    if (unshare(CLONE_NEWNS) != 0) return SKIPPED;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return SKIPPED;
    if (mount("tmpfs", directory, "tmpfs", 0, "size=2m") != 0) return SKIPPED;
    int result = body(directory);
    return umount2(directory, MNT_DETACH) == 0 ? result : 1;
}

static void run_on_a_small_disk(int (*body)(const char *directory)) {
    char directory[256];
    int status = 0;
    temp_directory(directory);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(on_a_small_disk(directory, body));
    assert_int_equal(waitpid(child, &status, 0), child);
    temp_directory_remove(directory);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED) {
        print_message("SKIPPED: mounting a small disk is not allowed here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_disk_is_full_and_a_freed_one_works_again(void **state) {
    run_on_a_small_disk(fill_the_disk);
}

static void a_store_opened_on_a_full_disk_is_full_and_opens_when_freed(void **state) {
    run_on_a_small_disk(open_on_a_full_disk);
}

static void readers_begin_on_a_full_disk(void **state) {
    run_on_a_small_disk(read_on_a_full_disk);
}

/* --- kill -9 ----------------------------------------------------------------------------- */

enum { ROWS_PER_COMMIT = 5 };

/* Transaction n replaces the count and adds its rows to two tables, then says n. */
static pbts_status write_one(pbts_store *store, uint64_t n) {
    uint8_t key[9], count[8];
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, store, true));
    pbts_status status =
        pbts_txn_put(txn, PBTS_TABLE_META, text_span("count"), number_key(count, n));
    number_key(key, n);
    for (uint8_t i = 0; i < ROWS_PER_COMMIT && status == PBTS_OK; i++) {
        key[8] = i;
        status = pbts_txn_put(txn, PBTS_TABLE_PIECES, PBTS_SPAN_OF(key), PBTS_SPAN_OF(count));
        if (status == PBTS_OK)
            status = pbts_txn_put(txn, PBTS_TABLE_HELD, PBTS_SPAN_OF(key), PBTS_SPAN_OF(key));
    }
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

static uint64_t read_count(pbts_store *store) {
    pbts_txn *txn = txn_of(store, false);
    pbts_span value;
    uint64_t count = 0;
    if (pbts_txn_get(txn, &value, PBTS_TABLE_META, text_span("count")) == PBTS_OK) {
        pbts_cursor bytes = pbts_cursor_over(value);
        assert_int_equal(pbts_read_u64(&bytes, &count), PBTS_OK);
    }
    pbts_txn_abort(txn);
    return count;
}

static void write_until_killed(const char *directory, int acknowledge_fd) {
    pbts_store_config config = { .size_max_bytes = 64 * MIB };
    pbts_store *store;
    if (pbts_store_open(&store, directory, &config) != PBTS_OK) _exit(1);
    for (uint64_t n = read_count(store) + 1;; n++) {
        if (write_one(store, n) != PBTS_OK) _exit(2);
        if (write(acknowledge_fd, &n, sizeof n) != sizeof n) _exit(3);
    }
}

/* Returns the last number that the child acknowledged before it was killed; 0: none. */
static uint64_t write_and_kill(const char *directory, uint32_t delay_us) {
    int fds[2], status;
    uint64_t n, last = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        write_until_killed(directory, fds[1]);
    }
    close(fds[1]);
    if (read(fds[0], &n, sizeof n) == sizeof n) last = n; /* it is writing now */
    usleep(delay_us);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    while (read(fds[0], &n, sizeof n) == sizeof n) last = n;
    close(fds[0]);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void expect_whole_transactions(pbts_store *store, uint64_t count) {
    static const pbts_table TABLES[] = { PBTS_TABLE_PIECES, PBTS_TABLE_HELD };
    pbts_span none = { NULL, 0 }, key, value;
    pbts_txn *txn = txn_of(store, false);
    for (size_t i = 0; i < 2; i++) {
        pbts_rows *rows;
        uint8_t want[9];
        assert_int_equal(pbts_rows_open(&rows, txn, TABLES[i], none, none), PBTS_OK);
        for (uint64_t n = 1; n <= count; n++) {
            number_key(want, n);
            for (want[8] = 0; want[8] < ROWS_PER_COMMIT; want[8]++) {
                assert_true(pbts_rows_next(rows, &key, &value));
                assert_true(pbts_span_equal(key, PBTS_SPAN_OF(want)));
            }
        }
        assert_false(pbts_rows_next(rows, &key, &value));
        pbts_rows_close(rows);
    }
    pbts_txn_abort(txn);
}

static void kill_9_in_mid_write_loses_no_acknowledged_commit_and_leaves_no_half_one(void **state) {
    enum { ROUNDS = 20 };
    temp_store temp;
    pbts_prng prng = pbts_prng_seeded((uint64_t)getpid());
    uint64_t count = 0;
    temp_store_init(&temp, 64 * MIB);
    for (int round = 0; round < ROUNDS; round++) {
        pbts_store_close(temp.store);
        temp.store = NULL;
        uint64_t acknowledged = write_and_kill(temp.directory, pbts_prng_below(&prng, 20000));
        temp_store_reopen(&temp, 64 * MIB);
        count = read_count(temp.store);
        assert_true(acknowledged > 0);
        assert_in_range(count, acknowledged, acknowledged + 1);
        expect_whole_transactions(temp.store, count);
    }
    assert_true(count > ROUNDS);
    assert_int_equal(write_one(temp.store, count + 1), PBTS_OK);
    temp_store_deinit(&temp);
}

/* --- other processes --------------------------------------------------------------------- */

static int open_status(const char *directory, bool read_only) {
    pbts_store_config config = { .size_max_bytes = MIB, .read_only = read_only };
    pbts_store *store = NULL;
    pbts_status status = pbts_store_open(&store, directory, &config);
    if (status == PBTS_OK && read_only && count_rows(store) != 1) status = PBTS_CORRUPT;
    pbts_store_close(store);
    return (int)status;
}

static int open_status_in_a_child(const char *directory, bool read_only) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(open_status(directory, read_only));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_second_writer_is_denied_and_a_reader_beside_is_not(void **state) {
    temp_store temp;
    temp_store_init(&temp, MIB);
    assert_int_equal(put_rows(temp.store, 0, 1), PBTS_OK);
    assert_int_equal(open_status_in_a_child(temp.directory, false), PBTS_DENIED);
    assert_int_equal(open_status(temp.directory, false), PBTS_DENIED);
    assert_int_equal(open_status_in_a_child(temp.directory, true), PBTS_OK);
    assert_int_equal(put_rows(temp.store, 0, 1), PBTS_OK);
    pbts_store_close(temp.store);
    temp.store = NULL;
    assert_int_equal(open_status_in_a_child(temp.directory, false), PBTS_OK);
    temp_store_deinit(&temp);
}

static void take_all_readers(const char *directory, int ready_fd) {
    pbts_store_config config = { .read_only = true };
    pbts_store *store;
    pbts_txn *txn;
    if (pbts_store_open(&store, directory, &config) != PBTS_OK) _exit(1);
    while (pbts_txn_begin(&txn, store, false) == PBTS_OK) {
    }
    if (write(ready_fd, "r", 1) != 1) _exit(2);
    pause();
    _exit(3);
}

static void the_places_of_a_killed_reader_are_used_again(void **state) {
    temp_store temp;
    int fds[2], status;
    char ready;
    pbts_txn *txn;
    temp_store_init(&temp, MIB);
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) take_all_readers(temp.directory, fds[1]);
    assert_int_equal(read(fds[0], &ready, 1), 1);
    assert_int_equal(pbts_txn_begin(&txn, temp.store, false), PBTS_BUSY);
    assert_int_equal(put_rows(temp.store, 0, 1), PBTS_OK); /* writers need no place */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(count_rows(temp.store), 1);
    temp_store_deinit(&temp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_too_big_for_the_map_is_full_and_a_smaller_one_works),
        cmocka_unit_test(a_map_filled_row_by_row_is_full_and_takes_rows_again_after_a_delete),
        cmocka_unit_test(a_full_disk_is_full_and_a_freed_one_works_again),
        cmocka_unit_test(a_store_opened_on_a_full_disk_is_full_and_opens_when_freed),
        cmocka_unit_test(readers_begin_on_a_full_disk),
        cmocka_unit_test(kill_9_in_mid_write_loses_no_acknowledged_commit_and_leaves_no_half_one),
        cmocka_unit_test(a_second_writer_is_denied_and_a_reader_beside_is_not),
        cmocka_unit_test(the_places_of_a_killed_reader_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
