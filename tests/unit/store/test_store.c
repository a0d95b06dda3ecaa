/* Unit tests of store/store_lmdb.c: every function, and a sorted array as the naive twin. */
#include "temp_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/random.h"

enum { MIB = 1024 * 1024 };

static void put_text(pbts_txn *txn, pbts_table table, const char *key, const char *value) {
    assert_int_equal(pbts_txn_put(txn, table, text_span(key), text_span(value)), PBTS_OK);
}

static void expect_text(pbts_txn *txn, pbts_table table, const char *key, const char *value) {
    pbts_span got;
    pbts_status status = pbts_txn_get(txn, &got, table, text_span(key));
    if (value == NULL) {
        assert_int_equal(status, PBTS_NOT_FOUND);
        return;
    }
    assert_int_equal(status, PBTS_OK);
    assert_true(pbts_span_is(got, value));
}

static void what_is_committed_is_there_after_a_reopen(void **state) {
    temp_store temp;
    temp_store_init(&temp, MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    for (int table = 0; table < PBTS_TABLES; table++) {
        char value[2] = { (char)('a' + table), 0 };
        put_text(txn, (pbts_table)table, "key", value);
    }
    put_text(txn, PBTS_TABLE_USERS, "empty", "");
    put_text(txn, PBTS_TABLE_USERS, "key", "replaced");
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    temp_store_reopen(&temp, MIB);
    txn = txn_of(temp.store, false);
    for (int table = 0; table < PBTS_TABLES; table++) {
        char value[2] = { (char)('a' + table), 0 };
        expect_text(txn, (pbts_table)table, "key", table == PBTS_TABLE_USERS ? "replaced" : value);
    }
    expect_text(txn, PBTS_TABLE_USERS, "empty", "");
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void an_abort_changes_nothing(void **state) {
    temp_store temp;
    temp_store_init(&temp, MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    put_text(txn, PBTS_TABLE_META, "kept", "1");
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    txn = txn_of(temp.store, true);
    put_text(txn, PBTS_TABLE_META, "kept", "2");
    put_text(txn, PBTS_TABLE_META, "new", "3");
    expect_text(txn, PBTS_TABLE_META, "kept", "2");
    pbts_txn_abort(txn);
    pbts_txn_abort(NULL);
    txn = txn_of(temp.store, false);
    expect_text(txn, PBTS_TABLE_META, "kept", "1");
    expect_text(txn, PBTS_TABLE_META, "new", NULL);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void a_reader_sees_the_state_of_its_beginning(void **state) {
    temp_store temp;
    temp_store_init(&temp, MIB);
    pbts_txn *before = txn_of(temp.store, false);
    pbts_txn *write = txn_of(temp.store, true);
    put_text(write, PBTS_TABLE_META, "k", "v");
    expect_text(before, PBTS_TABLE_META, "k", NULL);
    assert_int_equal(pbts_txn_commit(write), PBTS_OK);
    expect_text(before, PBTS_TABLE_META, "k", NULL);
    pbts_txn *after = txn_of(temp.store, false);
    expect_text(after, PBTS_TABLE_META, "k", "v");
    pbts_txn_abort(before);
    assert_int_equal(pbts_txn_commit(after), PBTS_OK);
    temp_store_deinit(&temp);
}

static void a_deleted_row_is_gone_and_a_missing_one_is_not_found(void **state) {
    temp_store temp;
    temp_store_init(&temp, MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    put_text(txn, PBTS_TABLE_HELD, "k", "v");
    assert_int_equal(pbts_txn_delete(txn, PBTS_TABLE_HELD, text_span("k")), PBTS_OK);
    assert_int_equal(pbts_txn_delete(txn, PBTS_TABLE_HELD, text_span("k")), PBTS_NOT_FOUND);
    put_text(txn, PBTS_TABLE_HELD, "other", "v"); /* NOT_FOUND does not break the transaction */
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    txn = txn_of(temp.store, false);
    expect_text(txn, PBTS_TABLE_HELD, "k", NULL);
    expect_text(txn, PBTS_TABLE_HELD, "other", "v");
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void keys_have_1_to_511_bytes(void **state) {
    temp_store temp;
    uint8_t bytes[512];
    pbts_span got;
    memset(bytes, 'k', sizeof bytes);
    temp_store_init(&temp, MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    static const struct {
        size_t len;
        pbts_status want;
    } CASES[] = {
        { 0, PBTS_MALFORMED }, { 1, PBTS_OK }, { 511, PBTS_OK }, { 512, PBTS_MALFORMED }
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_span key = { bytes, CASES[i].len };
        pbts_status want = CASES[i].want;
        assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_META, key, text_span("v")), want);
        assert_int_equal(pbts_txn_get(txn, &got, PBTS_TABLE_META, key), want);
        assert_int_equal(pbts_txn_delete(txn, PBTS_TABLE_META, key), want);
    }
    pbts_rows *rows;
    pbts_span none = { NULL, 0 }, long_key = { bytes, 512 };
    assert_int_equal(pbts_rows_open(&rows, txn, PBTS_TABLE_META, long_key, none), PBTS_MALFORMED);
    assert_int_equal(pbts_rows_open(&rows, txn, PBTS_TABLE_META, none, long_key), PBTS_MALFORMED);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    temp_store_deinit(&temp);
}

static void big_values_come_back_whole(void **state) {
    temp_store temp;
    size_t len = 10 * MIB; /* the largest metainfo */
    uint8_t *value = malloc(len);
    assert_non_null(value);
    for (size_t i = 0; i < len; i++) value[i] = (uint8_t)(i * 7 + i / 4096);
    temp_store_init(&temp, 32 * MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    pbts_span key = text_span("big"), got;
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_METAINFO, key, (pbts_span){ value, len }),
                     PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    txn = txn_of(temp.store, false);
    assert_int_equal(pbts_txn_get(txn, &got, PBTS_TABLE_METAINFO, key), PBTS_OK);
    assert_true(pbts_span_equal(got, (pbts_span){ value, len }));
    pbts_txn_abort(txn);
    assert_true(pbts_store_used_bytes(temp.store) > len);
    assert_true(pbts_store_used_bytes(temp.store) < len + MIB);
    temp_store_deinit(&temp);
    free(value);
}

/* The keys of a walk, joined with spaces. */
static void expect_walk(pbts_txn *txn, const char *from, const char *prefix, const char *want) {
    char got[256] = "";
    pbts_rows *rows;
    pbts_span key, value;
    assert_int_equal(
        pbts_rows_open(&rows, txn, PBTS_TABLE_UIDS, text_span(from), text_span(prefix)), PBTS_OK);
    while (pbts_rows_next(rows, &key, &value)) {
        assert_true(pbts_span_equal(key, value));
        strncat(got, (const char *)key.data, key.len);
        strcat(got, " ");
    }
    assert_false(pbts_rows_next(rows, &key, &value));
    assert_int_equal(pbts_rows_status(rows), PBTS_OK);
    pbts_rows_close(rows);
    assert_string_equal(got, want);
}

static void rows_are_walked_in_key_order_from_a_key_and_inside_a_prefix(void **state) {
    static const char *const KEYS[] = { "b2", "a", "c", "ab", "b", "b1", "aa", "b10" };
    temp_store temp;
    temp_store_init(&temp, MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    expect_walk(txn, "", "", "");
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        put_text(txn, PBTS_TABLE_UIDS, KEYS[i], KEYS[i]);
    expect_walk(txn, "", "", "a aa ab b b1 b10 b2 c ");
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    txn = txn_of(temp.store, false);
    expect_walk(txn, "", "", "a aa ab b b1 b10 b2 c ");
    expect_walk(txn, "b", "", "b b1 b10 b2 c ");
    expect_walk(txn, "b11", "", "b2 c ");
    expect_walk(txn, "", "b", "b b1 b10 b2 ");
    expect_walk(txn, "a", "b", "b b1 b10 b2 "); /* before the prefix: from its first key */
    expect_walk(txn, "b10", "b", "b10 b2 ");
    expect_walk(txn, "b1", "b1", "b1 b10 ");
    expect_walk(txn, "c", "b", "");
    expect_walk(txn, "", "d", "");
    expect_walk(txn, "", "a\x7f", "");
    pbts_rows_close(NULL);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void the_last_row_is_the_greatest_key(void **state) {
    temp_store temp;
    pbts_span key, value;
    temp_store_init(&temp, MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_txn_last(txn, PBTS_TABLE_LEDGER, &key, &value), PBTS_NOT_FOUND);
    put_text(txn, PBTS_TABLE_LEDGER, "zz", "last");
    put_text(txn, PBTS_TABLE_LEDGER, "a", "first");
    assert_int_equal(pbts_txn_last(txn, PBTS_TABLE_LEDGER, &key, &value), PBTS_OK);
    assert_true(pbts_span_is(key, "zz") && pbts_span_is(value, "last"));
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void more_readers_than_readers_max_are_busy_and_then_served(void **state) {
    enum { READERS = 3 };
    temp_store temp = { .store = NULL };
    temp_directory(temp.directory);
    pbts_store_config config = { .size_max_bytes = MIB, .readers_max = READERS };
    assert_int_equal(pbts_store_open(&temp.store, temp.directory, &config), PBTS_OK);
    pbts_txn *txns[256];
    size_t count = 0;
    pbts_status status = PBTS_OK;
    while (count < 256 && status == PBTS_OK) {
        status = pbts_txn_begin(&txns[count], temp.store, false);
        if (status == PBTS_OK) count++;
    }
    assert_int_equal(status, PBTS_BUSY);
    assert_true(count >= READERS);
    pbts_txn_abort(txns[--count]);
    assert_int_equal(pbts_txn_begin(&txns[count], temp.store, false), PBTS_OK);
    for (size_t i = 0; i <= count; i++) pbts_txn_abort(txns[i]);
    temp_store_deinit(&temp);
}

static void write_file(const char *directory, const char *name, const uint8_t *bytes, size_t len) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static pbts_status open_once(const char *directory, bool read_only) {
    pbts_store *store = NULL;
    pbts_store_config config = { .size_max_bytes = MIB, .read_only = read_only };
    pbts_status status = pbts_store_open(&store, directory, &config);
    assert_true((status == PBTS_OK) == (store != NULL));
    pbts_store_close(store);
    return status;
}

static void opening_what_is_not_there_is_a_status(void **state) {
    char directory[256], below[300];
    temp_directory(directory);
    (void)snprintf(below, sizeof below, "%s/missing", directory);
    assert_int_equal(open_once(directory, true), PBTS_NOT_FOUND);
    assert_int_equal(open_once(below, true), PBTS_NOT_FOUND);
    assert_int_equal(open_once(below, false), PBTS_IO);
    assert_int_equal(errno, ENOENT);
    write_file(directory, "data.mdb", (const uint8_t *)"", 0);
    assert_int_equal(open_once(directory, true), PBTS_NOT_FOUND);
    temp_directory_remove(directory);
}

static void a_file_that_is_no_store_or_cut_short_is_corrupt(void **state) {
    temp_store temp;
    uint8_t junk[8192];
    memset(junk, 0x5A, sizeof junk);
    temp_directory(temp.directory);
    write_file(temp.directory, "data.mdb", junk, sizeof junk);
    assert_int_equal(open_once(temp.directory, false), PBTS_CORRUPT);
    assert_int_equal(open_once(temp.directory, true), PBTS_CORRUPT);
    temp_directory_remove(temp.directory);

    temp_store_init(&temp, MIB);
    char path[300];
    struct stat file;
    (void)snprintf(path, sizeof path, "%s/data.mdb", temp.directory);
    pbts_store_close(temp.store);
    temp.store = NULL;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(truncate(path, file.st_size - 4096), 0);
    assert_int_equal(open_once(temp.directory, false), PBTS_CORRUPT);
    temp_store_deinit(&temp);
}

static void a_store_of_another_version_is_corrupt(void **state) {
    static const uint8_t STAMPS[][4] = { { 0, 0, 0, 3 }, { 0, 0, 0, 0 }, { 1, 0, 0, 1 } };
    temp_store temp;
    temp_store_init(&temp, MIB);
    pbts_span key = text_span("store/version");
    for (size_t i = 0; i < sizeof STAMPS / sizeof STAMPS[0]; i++) {
        pbts_store_close(temp.store);
        temp.store = NULL;
        temp_directory_remove(temp.directory);
        temp_store_init(&temp, MIB);
        pbts_txn *txn = txn_of(temp.store, true);
        pbts_span stamp = { STAMPS[i], 4 };
        assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_META, key, stamp), PBTS_OK);
        assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
        pbts_store_close(temp.store);
        temp.store = NULL;
        assert_int_equal(open_once(temp.directory, false), PBTS_CORRUPT);
        assert_int_equal(open_once(temp.directory, true), PBTS_CORRUPT);
    }
    temp_store_deinit(&temp);
}

static void a_read_only_store_reads_and_refuses_to_write(void **state) {
    temp_store temp;
    temp_store_init(&temp, MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    put_text(txn, PBTS_TABLE_META, "k", "v");
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    pbts_store_close(temp.store);
    pbts_store_config config = { .read_only = true };
    assert_int_equal(pbts_store_open(&temp.store, temp.directory, &config), PBTS_OK);
    txn = txn_of(temp.store, false);
    expect_text(txn, PBTS_TABLE_META, "k", "v");
    pbts_txn_abort(txn);
    assert_int_equal(pbts_txn_begin(&txn, temp.store, true), PBTS_DENIED);
    temp_store_deinit(&temp);
}

/* --- the naive twin: a sorted array, copied at begin, put back at abort ------------------- */

enum { TWIN_ROWS_MAX = 512 };

typedef struct {
    size_t key_len, value_len;
    uint8_t key[4], value[600];
} twin_row;

typedef struct {
    twin_row rows[TWIN_ROWS_MAX];
    size_t count;
} sorted_array;

static int twin_compare(const twin_row *row, pbts_span key) {
    size_t common = row->key_len < key.len ? row->key_len : key.len;
    int order = memcmp(row->key, key.data, common);
    return order != 0 ? order : (row->key_len > key.len) - (row->key_len < key.len);
}

static size_t twin_find(const sorted_array *twin, pbts_span key, bool *found) {
    size_t at = 0;
    while (at < twin->count && twin_compare(&twin->rows[at], key) < 0) at++;
    *found = at < twin->count && twin_compare(&twin->rows[at], key) == 0;
    return at;
}

static void twin_put(sorted_array *twin, pbts_span key, pbts_span value) {
    bool found;
    size_t at = twin_find(twin, key, &found);
    if (!found) {
        assert_true(twin->count < TWIN_ROWS_MAX);
        memmove(&twin->rows[at + 1], &twin->rows[at], (twin->count - at) * sizeof twin->rows[0]);
        twin->count++;
    }
    twin->rows[at].key_len = key.len;
    twin->rows[at].value_len = value.len;
    memcpy(twin->rows[at].key, key.data, key.len);
    if (value.len > 0) memcpy(twin->rows[at].value, value.data, value.len);
}

static bool twin_delete(sorted_array *twin, pbts_span key) {
    bool found;
    size_t at = twin_find(twin, key, &found);
    if (!found) return false;
    twin->count--;
    memmove(&twin->rows[at], &twin->rows[at + 1], (twin->count - at) * sizeof twin->rows[0]);
    return true;
}

static void expect_same_walk(pbts_txn *txn, const sorted_array *twin, pbts_span from,
                             pbts_span prefix) {
    pbts_rows *rows;
    pbts_span key, value;
    assert_int_equal(pbts_rows_open(&rows, txn, PBTS_TABLE_CLAIMS, from, prefix), PBTS_OK);
    for (size_t i = 0; i < twin->count; i++) {
        const twin_row *row = &twin->rows[i];
        if (from.len > 0 && twin_compare(row, from) < 0) continue;
        if (row->key_len < prefix.len) continue;
        if (prefix.len > 0 && memcmp(row->key, prefix.data, prefix.len) != 0) continue;
        assert_true(pbts_rows_next(rows, &key, &value));
        assert_true(pbts_span_equal(key, (pbts_span){ row->key, row->key_len }));
        assert_true(pbts_span_equal(value, (pbts_span){ row->value, row->value_len }));
    }
    assert_false(pbts_rows_next(rows, &key, &value));
    pbts_rows_close(rows);
}

static pbts_span random_key(pbts_prng *prng, uint8_t bytes[static 4]) {
    size_t len = 1 + pbts_prng_below(prng, 3);
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(pbts_prng_below(prng, 5) * 63);
    return (pbts_span){ bytes, len };
}

static void one_random_operation(pbts_txn *txn, sorted_array *twin, pbts_prng *prng) {
    uint8_t key_bytes[4], from_bytes[4], value_bytes[600];
    pbts_span key = random_key(prng, key_bytes), got;
    bool found;
    switch (pbts_prng_below(prng, 4)) {
    case 0: {
        pbts_span value = { value_bytes, pbts_prng_below(prng, sizeof value_bytes) };
        memset(value_bytes, (int)pbts_prng_below(prng, 256), sizeof value_bytes);
        assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_CLAIMS, key, value), PBTS_OK);
        twin_put(twin, key, value);
        break;
    }
    case 1: {
        pbts_status want = twin_delete(twin, key) ? PBTS_OK : PBTS_NOT_FOUND;
        assert_int_equal(pbts_txn_delete(txn, PBTS_TABLE_CLAIMS, key), want);
        break;
    }
    case 2: {
        size_t at = twin_find(twin, key, &found);
        pbts_status status = pbts_txn_get(txn, &got, PBTS_TABLE_CLAIMS, key);
        assert_int_equal(status, found ? PBTS_OK : PBTS_NOT_FOUND);
        if (found) assert_int_equal(got.len, twin->rows[at].value_len);
        break;
    }
    default: {
        pbts_span from = random_key(prng, from_bytes);
        if (pbts_prng_below(prng, 2) == 0) from.len = 0;
        if (pbts_prng_below(prng, 2) == 0) key.len = 0;
        expect_same_walk(txn, twin, from, key);
    }
    }
}

static void random_operations_agree_with_a_sorted_array(void **state) {
    enum { ROUNDS = 300, OPERATIONS = 30 };
    static sorted_array now, before;
    temp_store temp;
    pbts_prng prng = pbts_prng_seeded(2026);
    pbts_span none = { NULL, 0 };
    now.count = 0;
    temp_store_init(&temp, 4 * MIB);
    for (int round = 0; round < ROUNDS; round++) {
        pbts_txn *txn = txn_of(temp.store, true);
        before = now;
        for (int i = 0; i < OPERATIONS; i++) one_random_operation(txn, &now, &prng);
        if (pbts_prng_below(&prng, 3) == 0) {
            pbts_txn_abort(txn);
            now = before;
        } else {
            assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
        }
        if (pbts_prng_below(&prng, 50) == 0) temp_store_reopen(&temp, 4 * MIB);
        txn = txn_of(temp.store, false);
        expect_same_walk(txn, &now, none, none);
        pbts_txn_abort(txn);
    }
    temp_store_deinit(&temp);
}

/* LMDB writes a commit's last page through a descriptor of its own: the one that is O_DSYNC. */
static int meta_descriptor(const char *directory) {
    char want[300], link[64], path[300];
    (void)snprintf(want, sizeof want, "%s/data.mdb", directory);
    for (int fd = 3; fd < 256; fd++) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, path, sizeof path - 1);
        if (len < 0) continue;
        path[len] = 0;
        if (strcmp(path, want) == 0 && (fcntl(fd, F_GETFL) & O_DSYNC) != 0) return fd;
    }
    return -1;
}

static void a_store_whose_last_write_failed_is_lost_until_it_is_opened_again(void **state) {
    (void)state;
    temp_store temp;
    pbts_txn *txn;
    temp_store_init(&temp, MIB);
    txn = txn_of(temp.store, true);
    put_text(txn, PBTS_TABLE_META, "before", "1");
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_false(pbts_store_is_lost(temp.store));
    int meta = meta_descriptor(temp.directory), broken = open("/dev/null", O_RDONLY);
    assert_true(meta >= 0 && broken >= 0);
    txn = txn_of(temp.store, true);
    put_text(txn, PBTS_TABLE_META, "then", "2");
    assert_int_equal(dup2(broken, meta), meta);
    assert_int_equal(pbts_txn_commit(txn), PBTS_IO);
    (void)close(broken);
    assert_true(pbts_store_is_lost(temp.store));
    assert_int_equal(pbts_txn_begin(&txn, temp.store, false), PBTS_IO);
    temp_store_reopen(&temp, MIB);
    assert_false(pbts_store_is_lost(temp.store));
    txn = txn_of(temp.store, false);
    expect_text(txn, PBTS_TABLE_META, "before", "1");
    expect_text(txn, PBTS_TABLE_META, "then", NULL);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_is_there_after_a_reopen),
        cmocka_unit_test(an_abort_changes_nothing),
        cmocka_unit_test(a_reader_sees_the_state_of_its_beginning),
        cmocka_unit_test(a_deleted_row_is_gone_and_a_missing_one_is_not_found),
        cmocka_unit_test(keys_have_1_to_511_bytes),
        cmocka_unit_test(big_values_come_back_whole),
        cmocka_unit_test(rows_are_walked_in_key_order_from_a_key_and_inside_a_prefix),
        cmocka_unit_test(the_last_row_is_the_greatest_key),
        cmocka_unit_test(more_readers_than_readers_max_are_busy_and_then_served),
        cmocka_unit_test(opening_what_is_not_there_is_a_status),
        cmocka_unit_test(a_file_that_is_no_store_or_cut_short_is_corrupt),
        cmocka_unit_test(a_store_of_another_version_is_corrupt),
        cmocka_unit_test(a_read_only_store_reads_and_refuses_to_write),
        cmocka_unit_test(random_operations_agree_with_a_sorted_array),
        cmocka_unit_test(a_store_whose_last_write_failed_is_lost_until_it_is_opened_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
