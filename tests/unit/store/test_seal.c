/* Unit tests of store/store_seal.c: a sealed store is the same to who has the key, and tells
 * nothing to who has the file. */
#include "temp_store.h"

#include "store/store_seal.h"

enum { MIB = 1024 * 1024 };

static const uint8_t KEY[PBTS_STORE_KEY_LEN] = { 1, 2, 3 }, WRONG[PBTS_STORE_KEY_LEN] = { 1, 2, 4 };
static const pbts_table PRIVATE[] = { PBTS_TABLE_USERS,  PBTS_TABLE_TORRENTS,
                                      PBTS_TABLE_HELD,   PBTS_TABLE_METAINFO,
                                      PBTS_TABLE_CLAIMS, PBTS_TABLE_OLD_CLAIMS };
enum { PRIVATE_COUNT = sizeof PRIVATE / sizeof PRIVATE[0] };

static bool is_private(int table) {
    for (size_t i = 0; i < PRIVATE_COUNT; i++)
        if (PRIVATE[i] == (pbts_table)table) return true;
    return false;
}

/* A row in each table: "0001who-got-what" and "a-telling-value" with the table's letter. */
static void row_of(char key[static 32], char value[static 32], int table, int number) {
    (void)snprintf(key, 32, "%04dwho-got-what%c", number, 'a' + table);
    (void)snprintf(value, 32, "a-telling-value%c%d", 'a' + table, number);
}

static void put_rows(pbts_store *store, int number) {
    char key[32], value[32];
    pbts_txn *txn = txn_of(store, true);
    for (int table = 0; table < PBTS_TABLES; table++) {
        row_of(key, value, table, number);
        assert_int_equal(pbts_txn_put(txn, (pbts_table)table, text_span(key), text_span(value)),
                         PBTS_OK);
    }
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static void expect_row(pbts_txn *txn, int table, int number) {
    char key[32], value[32];
    pbts_span got;
    row_of(key, value, table, number);
    assert_int_equal(pbts_txn_get(txn, &got, (pbts_table)table, text_span(key)), PBTS_OK);
    assert_true(pbts_span_is(got, value));
}

static void expect_rows(pbts_store *store, int number) {
    pbts_txn *txn = txn_of(store, false);
    for (int table = 0; table < PBTS_TABLES; table++) expect_row(txn, table, number);
    pbts_txn_abort(txn);
}

/* Whether the store's file holds these bytes anywhere. */
static bool file_holds(const temp_store *temp, const char *text) {
    char path[300];
    static uint8_t bytes[8 * MIB];
    (void)snprintf(path, sizeof path, "%s/data.mdb", temp->directory);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    assert_true(len > 0 && len < sizeof bytes);
    (void)fclose(file);
    return memmem(bytes, len, text, strlen(text)) != NULL;
}

static void rows_come_back_after_a_reopen(void **state) {
    temp_store temp;
    (void)state;
    temp_store_init(&temp, MIB);
    assert_false(pbts_store_is_sealed(temp.store));
    assert_int_equal(pbts_store_seal_rows(temp.store, KEY), PBTS_OK);
    assert_true(pbts_store_is_sealed(temp.store));
    put_rows(temp.store, 1);
    expect_rows(temp.store, 1);
    temp_store_reopen(&temp, MIB);
    assert_true(pbts_store_is_sealed(temp.store));
    assert_int_equal(pbts_store_unlock(temp.store, KEY), PBTS_OK);
    expect_rows(temp.store, 1);
    temp_store_deinit(&temp);
}

static void the_file_tells_only_what_is_public(void **state) {
    temp_store temp;
    char key[32], value[32];
    (void)state;
    temp_store_init(&temp, MIB);
    assert_int_equal(pbts_store_seal_rows(temp.store, KEY), PBTS_OK);
    put_rows(temp.store, 1);
    for (int table = 0; table < PBTS_TABLES; table++) {
        row_of(key, value, table, 1);
        assert_int_equal(file_holds(&temp, value), !is_private(table));
        bool hidden = table == PBTS_TABLE_CLAIMS || table == PBTS_TABLE_OLD_CLAIMS;
        assert_int_equal(file_holds(&temp, key + 4), !hidden);
    }
    temp_store_deinit(&temp);
}

static void without_its_key_private_rows_are_denied_and_others_read(void **state) {
    temp_store temp;
    char key[32], value[32];
    pbts_span got;
    pbts_rows *rows;
    (void)state;
    temp_store_init(&temp, MIB);
    assert_int_equal(pbts_store_seal_rows(temp.store, KEY), PBTS_OK);
    put_rows(temp.store, 1);
    temp_store_reopen(&temp, MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    for (int table = 0; table < PBTS_TABLES; table++) {
        row_of(key, value, table, 1);
        pbts_status want = is_private(table) ? PBTS_DENIED : PBTS_OK;
        assert_int_equal(pbts_txn_get(txn, &got, (pbts_table)table, text_span(key)), want);
        assert_int_equal(pbts_txn_put(txn, (pbts_table)table, text_span(key), text_span(value)),
                         want);
        pbts_status opened =
            pbts_rows_open(&rows, txn, (pbts_table)table, (pbts_span){ 0 }, (pbts_span){ 0 });
        assert_int_equal(opened, want);
        if (opened == PBTS_OK) pbts_rows_close(rows);
        assert_int_equal(pbts_txn_delete(txn, (pbts_table)table, text_span(key)), want);
    }
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void with_a_wrong_key_nothing_opens(void **state) {
    temp_store temp;
    char key[32], value[32];
    pbts_span got, found;
    pbts_rows *rows;
    (void)state;
    temp_store_init(&temp, MIB);
    assert_int_equal(pbts_store_seal_rows(temp.store, KEY), PBTS_OK);
    put_rows(temp.store, 1);
    temp_store_reopen(&temp, MIB);
    assert_int_equal(pbts_store_unlock(temp.store, WRONG), PBTS_OK);
    pbts_txn *txn = txn_of(temp.store, false);
    for (size_t i = 0; i < PRIVATE_COUNT; i++) {
        bool hidden = PRIVATE[i] == PBTS_TABLE_CLAIMS || PRIVATE[i] == PBTS_TABLE_OLD_CLAIMS;
        row_of(key, value, (int)PRIVATE[i], 1);
        assert_int_equal(pbts_txn_get(txn, &got, PRIVATE[i], text_span(key)),
                         hidden ? PBTS_NOT_FOUND : PBTS_CORRUPT);
        assert_int_equal(pbts_rows_open(&rows, txn, PRIVATE[i], (pbts_span){ 0 }, (pbts_span){ 0 }),
                         PBTS_OK);
        assert_false(pbts_rows_next(rows, &found, &got));
        assert_int_equal(pbts_rows_status(rows), PBTS_CORRUPT);
        pbts_rows_close(rows);
    }
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

/* Who can write the file may not make one row pass for another. */
static void a_row_in_anothers_place_is_damage(void **state) {
    temp_store temp;
    pbts_span got;
    char path[300];
    (void)state;
    temp_store_init(&temp, MIB);
    assert_int_equal(pbts_store_seal_rows(temp.store, KEY), PBTS_OK);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_USERS, text_span("key-a"), text_span("poor")),
                     PBTS_OK);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_USERS, text_span("key-b"), text_span("rich")),
                     PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    pbts_store_close(temp.store);
    temp.store = NULL;
    /* The names of the two rows, exchanged in the file: the values stay where they were. */
    (void)snprintf(path, sizeof path, "%s/data.mdb", temp.directory);
    static char bytes[8 * MIB];
    FILE *file = fopen(path, "r+e");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    for (size_t i = 0; i + 5 <= len; i++) {
        if (memcmp(bytes + i, "key-a", 5) == 0)
            bytes[i + 4] = 'b';
        else if (memcmp(bytes + i, "key-b", 5) == 0)
            bytes[i + 4] = 'a';
    }
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    temp_store_reopen(&temp, MIB);
    assert_int_equal(pbts_store_unlock(temp.store, KEY), PBTS_OK);
    txn = txn_of(temp.store, false);
    pbts_status status = pbts_txn_get(txn, &got, PBTS_TABLE_USERS, text_span("key-a"));
    assert_true(status == PBTS_CORRUPT || status == PBTS_NOT_FOUND); /* their order is wrong, too */
    pbts_rows *rows;
    pbts_span key;
    assert_int_equal(
        pbts_rows_open(&rows, txn, PBTS_TABLE_USERS, (pbts_span){ 0 }, (pbts_span){ 0 }), PBTS_OK);
    assert_false(pbts_rows_next(rows, &key, &got));
    assert_int_equal(pbts_rows_status(rows), PBTS_CORRUPT);
    pbts_rows_close(rows);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void a_value_is_of_one_table_and_one_key(void **state) {
    pbts_store_seal *seal = NULL;
    pbts_span key = text_span("key-a"), other = text_span("key-b"), found, value;
    uint8_t *stored, room[100];
    size_t len;
    (void)state;
    assert_int_equal(pbts_store_seal_new(&seal, KEY), PBTS_OK);
    assert_int_equal(
        pbts_seal_value(seal, &stored, &len, PBTS_TABLE_USERS, key, key, text_span("rich")),
        PBTS_OK);
    pbts_span bytes = { stored, len };
    assert_true(len <= sizeof room);
    assert_int_equal(pbts_unseal_value(seal, room, &found, &value, PBTS_TABLE_USERS, key, bytes),
                     PBTS_OK);
    assert_true(pbts_span_is(value, "rich"));
    assert_int_equal(pbts_unseal_value(seal, room, &found, &value, PBTS_TABLE_HELD, key, bytes),
                     PBTS_CORRUPT);
    assert_int_equal(pbts_unseal_value(seal, room, &found, &value, PBTS_TABLE_USERS, other, bytes),
                     PBTS_CORRUPT);
    free(stored);
    pbts_store_seal_free(seal);
}

static void hidden_keys_keep_their_period_and_nothing_else(void **state) {
    pbts_store_seal *seal = NULL, *wrong = NULL;
    uint8_t rooms[4][PBTS_STORED_KEY_LEN];
    pbts_span key = text_span("0001alice-bob"), other = text_span("0001alice-bop");
    (void)state;
    assert_int_equal(pbts_store_seal_new(&seal, KEY), PBTS_OK);
    assert_int_equal(pbts_store_seal_new(&wrong, WRONG), PBTS_OK);
    pbts_span stored = pbts_seal_key(seal, rooms[0], PBTS_TABLE_CLAIMS, key);
    assert_int_equal(stored.len, 20);
    assert_memory_equal(stored.data, "0001", 4);
    (void)pbts_seal_key(seal, rooms[1], PBTS_TABLE_CLAIMS, other);
    (void)pbts_seal_key(seal, rooms[2], PBTS_TABLE_OLD_CLAIMS, key);
    (void)pbts_seal_key(wrong, rooms[3], PBTS_TABLE_CLAIMS, key);
    for (size_t i = 1; i < 4; i++) assert_memory_not_equal(rooms[0] + 4, rooms[i] + 4, 8);
    assert_true(pbts_seal_key(seal, rooms[1], PBTS_TABLE_HELD, key).data == key.data);
    pbts_store_seal_free(seal);
    pbts_store_seal_free(wrong);
}

static size_t count_rows(pbts_txn *txn, pbts_table table, uint8_t seen[], size_t seen_len) {
    pbts_rows *rows;
    pbts_span key, value;
    size_t count = 0;
    memset(seen, 0, seen_len);
    assert_int_equal(pbts_rows_open(&rows, txn, table, (pbts_span){ 0 }, (pbts_span){ 0 }),
                     PBTS_OK);
    while (pbts_rows_next(rows, &key, &value)) {
        assert_true(key.len > 4 && value.len > 0);
        size_t number = (size_t)atoi((const char *)value.data + strlen("a-telling-valueX"));
        assert_true(number < seen_len && seen[number] == 0);
        seen[number] = 1;
        count++;
    }
    assert_int_equal(pbts_rows_status(rows), PBTS_OK);
    pbts_rows_close(rows);
    return count;
}

/* More rows than are moved at a time. Values end in a NUL here, for atoi. */
static void a_store_of_before_is_sealed_whole(void **state) {
    enum { ROWS = 2500 };
    static uint8_t seen[ROWS];
    temp_store temp;
    char key[32], value[32];
    (void)state;
    temp_store_init(&temp, 16 * MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    for (size_t i = 0; i < PRIVATE_COUNT; i++) {
        for (int number = 0; number < ROWS; number++) {
            row_of(key, value, (int)PRIVATE[i], number);
            assert_int_equal(pbts_txn_put(txn, PRIVATE[i], text_span(key),
                                          (pbts_span){ (const uint8_t *)value, strlen(value) + 1 }),
                             PBTS_OK);
        }
    }
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(pbts_store_seal_rows(temp.store, KEY), PBTS_OK);
    temp_store_reopen(&temp, 16 * MIB);
    assert_int_equal(pbts_store_unlock(temp.store, KEY), PBTS_OK);
    txn = txn_of(temp.store, true);
    for (size_t i = 0; i < PRIVATE_COUNT; i++) {
        assert_int_equal(count_rows(txn, PRIVATE[i], seen, ROWS), ROWS);
        pbts_span got;
        for (int number = 0; number < ROWS; number += 97) {
            row_of(key, value, (int)PRIVATE[i], number);
            assert_int_equal(pbts_txn_get(txn, &got, PRIVATE[i], text_span(key)), PBTS_OK);
            assert_string_equal((const char *)got.data, value);
            assert_int_equal(pbts_txn_delete(txn, PRIVATE[i], text_span(key)), PBTS_OK);
            assert_int_equal(pbts_txn_get(txn, &got, PRIVATE[i], text_span(key)), PBTS_NOT_FOUND);
        }
    }
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void what_does_not_fit_leaves_the_store_as_it_was(void **state) {
    temp_store temp;
    char key[32];
    uint8_t value[64] = { 1 };
    (void)state;
    temp_store_init(&temp, MIB);
    pbts_status status = PBTS_OK;
    int number = 0;
    while (status == PBTS_OK) {
        pbts_txn *txn = txn_of(temp.store, true);
        for (int i = 0; status == PBTS_OK && i < 500; i++) {
            (void)snprintf(key, sizeof key, "%010d", number++);
            status = pbts_txn_put(txn, PBTS_TABLE_USERS, text_span(key), PBTS_SPAN_OF(value));
        }
        if (status == PBTS_OK)
            status = pbts_txn_commit(txn);
        else
            pbts_txn_abort(txn);
    }
    assert_int_equal(status, PBTS_FULL);
    assert_int_equal(pbts_store_seal_rows(temp.store, KEY), PBTS_FULL);
    assert_false(pbts_store_is_sealed(temp.store));
    temp_store_reopen(&temp, MIB);
    assert_false(pbts_store_is_sealed(temp.store));
    pbts_txn *txn = txn_of(temp.store, false);
    pbts_span got;
    assert_int_equal(pbts_txn_get(txn, &got, PBTS_TABLE_USERS, text_span("0000000000")), PBTS_OK);
    assert_int_equal(got.len, sizeof value);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

/* What a transaction lends stays as long as with rows that are not sealed. */
static void values_stay_until_the_next_write(void **state) {
    temp_store temp;
    pbts_span first, second;
    (void)state;
    temp_store_init(&temp, MIB);
    assert_int_equal(pbts_store_seal_rows(temp.store, KEY), PBTS_OK);
    put_rows(temp.store, 1);
    put_rows(temp.store, 2);
    pbts_txn *txn = txn_of(temp.store, true);
    char key[32], value[32];
    row_of(key, value, PBTS_TABLE_USERS, 1);
    assert_int_equal(pbts_txn_get(txn, &first, PBTS_TABLE_USERS, text_span(key)), PBTS_OK);
    row_of(key, value, PBTS_TABLE_USERS, 2);
    assert_int_equal(pbts_txn_get(txn, &second, PBTS_TABLE_USERS, text_span(key)), PBTS_OK);
    row_of(key, value, PBTS_TABLE_USERS, 1);
    assert_true(pbts_span_is(first, value));
    /* What was lent may be put. */
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_USERS, text_span("copy"), first), PBTS_OK);
    assert_int_equal(pbts_txn_get(txn, &second, PBTS_TABLE_USERS, text_span("copy")), PBTS_OK);
    assert_true(pbts_span_is(second, value));
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    temp_store_deinit(&temp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_after_a_reopen),
        cmocka_unit_test(the_file_tells_only_what_is_public),
        cmocka_unit_test(without_its_key_private_rows_are_denied_and_others_read),
        cmocka_unit_test(with_a_wrong_key_nothing_opens),
        cmocka_unit_test(a_row_in_anothers_place_is_damage),
        cmocka_unit_test(a_value_is_of_one_table_and_one_key),
        cmocka_unit_test(hidden_keys_keep_their_period_and_nothing_else),
        cmocka_unit_test(a_store_of_before_is_sealed_whole),
        cmocka_unit_test(what_does_not_fit_leaves_the_store_as_it_was),
        cmocka_unit_test(values_stay_until_the_next_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
