/* Unit tests of apps/pbts/ledger/ledger_walk.c, ledger_chain.c and ledger_import.c: entries in
 * order over many transactions, files that are none, and what an import that failed leaves
 * behind. */
#include "ledger/chain.h"

#include "pbts_test.h"

#include "pbts/ledger/ledger_import.c"
#include "pbts/ledger/ledger_walk.c"

enum { STORE_MIB = 8 * 1024 * 1024 };

/* What a walk saw: entry n holds its own number. */
typedef struct {
    uint64_t next, stop_at;
    unsigned ends;
} walk_seen;

static int see(void *host, pbts_span bytes) {
    walk_seen *seen = host;
    pbts_cursor cursor = pbts_cursor_over(bytes);
    uint64_t number;
    assert_int_equal(pbts_read_u64(&cursor, &number), PBTS_OK);
    assert_true(number == seen->next);
    assert_int_equal(seen->ends, 0);
    return seen->next++ == seen->stop_at ? LEDGER_BAD : LEDGER_OK;
}

static int see_end(void *host, pbts_txn *txn) {
    walk_seen *seen = host;
    pbts_span value;
    assert_int_equal(pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text("none")),
                     PBTS_NOT_FOUND); /* the transaction is alive */
    seen->ends++;
    return LEDGER_OK;
}

static void put_entries(pbts_store *store, uint64_t from, uint64_t to) {
    pbts_txn *txn = txn_of(store, true);
    for (; from < to; from++) {
        uint8_t number[8];
        pbts_writer writer = pbts_writer_over(number, sizeof number);
        pbts_write_u64(&writer, from);
        assert_int_equal(
            pbts_txn_put(txn, PBTS_TABLE_LEDGER, PBTS_SPAN_OF(number), PBTS_SPAN_OF(number)),
            PBTS_OK);
    }
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static void every_entry_is_seen_once_and_in_order(void **state) {
    static const uint64_t COUNTS[] = { 0,
                                       1,
                                       ENTRIES_PER_TRANSACTION - 1,
                                       ENTRIES_PER_TRANSACTION,
                                       ENTRIES_PER_TRANSACTION + 1,
                                       2 * ENTRIES_PER_TRANSACTION };
    temp_store temp;
    uint64_t there = 0;
    temp_store_init(&temp, STORE_MIB);
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        walk_seen seen = { .stop_at = UINT64_MAX };
        ledger_walker walker = { .entry = see, .end = see_end, .host = &seen };
        put_entries(temp.store, there, COUNTS[i]);
        there = COUNTS[i];
        assert_int_equal(ledger_walk_store(temp.store, &walker), LEDGER_OK);
        assert_true(seen.next == COUNTS[i]);
        assert_int_equal(seen.ends, 1);
    }
    temp_store_deinit(&temp);
}

static void a_callback_ends_the_walk(void **state) {
    temp_store temp;
    walk_seen seen = { .stop_at = ENTRIES_PER_TRANSACTION + 5 };
    ledger_walker walker = { .entry = see, .end = see_end, .host = &seen };
    temp_store_init(&temp, STORE_MIB);
    put_entries(temp.store, 0, 2 * ENTRIES_PER_TRANSACTION);
    assert_int_equal(ledger_walk_store(temp.store, &walker), LEDGER_BAD);
    assert_true(seen.next == ENTRIES_PER_TRANSACTION + 6);
    assert_int_equal(seen.ends, 0);
    walker.end = NULL;
    seen = (walk_seen){ .stop_at = UINT64_MAX };
    assert_int_equal(ledger_walk_store(temp.store, &walker), LEDGER_OK);
    temp_store_deinit(&temp);
}

static void a_successor_is_named_by_a_seal_that_names_one(void **state) {
    pbts_ledger_head head = { .sealed = true };
    assert_false(ledger_has_successor(&head));
    head.successor_iid[31] = 1;
    assert_true(ledger_has_successor(&head));
    head.sealed = false;
    assert_false(ledger_has_successor(&head));
}

static void only_regular_files_are_mapped(void **state) {
    char folder[256], path[300];
    ledger_map map;
    temp_directory(folder);
    (void)snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(ledger_map_open(&map, path), LEDGER_IO);
    assert_int_equal(ledger_map_open(&map, folder), LEDGER_IO);
    assert_int_equal(ledger_map_open(&map, "/dev/zero"), LEDGER_IO);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ledger_map_open(&map, path), LEDGER_IO);
    assert_int_equal(unlink(path), 0);
    file_put(path, pbts_span_text(""));
    assert_int_equal(ledger_map_open(&map, path), LEDGER_OK);
    assert_int_equal(map.bytes.len, 0);
    ledger_map_close(&map);
    file_put(path, pbts_span_text("abc"));
    assert_int_equal(ledger_map_open(&map, path), LEDGER_OK);
    assert_true(pbts_span_is(map.bytes, "abc"));
    ledger_map_close(&map);
    folder_remove(folder);
}

static void an_import_that_failed_leaves_the_folder_empty(void **state) {
    char folder[256];
    import_options options = { .data = folder };
    importing i = { .options = &options };
    temp_directory(folder);
    i.tracker_key.root = (pbts_key_trk){ .version = PBTS_KEYS_V1, .bytes = { [31] = 1 } };
    assert_int_equal(pbts_tracker_keys_derive(&i.tracker_key.keys, &i.tracker_key.root), PBTS_OK);
    assert_true(paths_make(&i));
    assert_int_equal(mkdir(i.part, 0700), 0);
    assert_int_equal(write_key(&i), LEDGER_OK);
    i.chain.file.bytes =
        pbts_span_text("no ledger"); /* it was verified before, so cannot be this */
    assert_int_not_equal(write_store(&i), LEDGER_OK);
    remove_part(&i);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_seen_once_and_in_order),
        cmocka_unit_test(a_callback_ends_the_walk),
        cmocka_unit_test(a_successor_is_named_by_a_seal_that_names_one),
        cmocka_unit_test(only_regular_files_are_mapped),
        cmocka_unit_test(an_import_that_failed_leaves_the_folder_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
