/* Unit tests of ledger/mirror_accounts.c: what a mirror has stays as it was put, in order. */
#include "chain.h"

#include "ledger/mirror_accounts.h"

enum { ROWS = 8 };

static temp_store temp;

static int set_up(void **state) {
    (void)state;
    temp_store_init(&temp, 8 * CHAIN_MIB);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    temp_store_deinit(&temp);
    return 0;
}

static pbts_mirror_account account(uint32_t user_no) {
    pbts_mirror_account out = { .user_no = user_no,
                                .generation = user_no ^ 7,
                                .up_bytes = UINT64_MAX - user_no,
                                .down_bytes = UINT64_C(1) << 40 | user_no };
    memset(out.uid_hash, (int)user_no, sizeof out.uid_hash);
    for (size_t i = 0; i < sizeof out.public_key.bytes; i++)
        out.public_key.bytes[i] = (uint8_t)(user_no + i);
    return out;
}

static void put(const uint32_t *numbers, size_t count) {
    pbts_txn *txn = txn_of(temp.store, true);
    for (size_t i = 0; i < count; i++) {
        pbts_mirror_account row = account(numbers[i]);
        assert_int_equal(pbts_mirror_account_put(txn, &row), PBTS_OK);
    }
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static void accounts_come_back_by_number_in_portions(void **state) {
    (void)state;
    static const uint32_t NUMBERS[] = { 256, 1, UINT32_MAX, 2, 70000 };
    static const uint32_t SORTED[] = { 1, 2, 256, 70000, UINT32_MAX };
    pbts_mirror_account rows[ROWS];
    size_t count;
    uint32_t after = 0;
    put(NUMBERS, 5);
    pbts_txn *txn = txn_of(temp.store, false);
    assert_int_equal(pbts_mirror_accounts_read(txn, rows, &count, ROWS, 0), PBTS_OK);
    assert_int_equal(count, 5);
    for (size_t i = 0; i < 5; i++) {
        pbts_mirror_account expected = account(SORTED[i]);
        assert_memory_equal(&rows[i], &expected, sizeof expected);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(pbts_mirror_accounts_read(txn, rows, &count, 1, after), PBTS_OK);
        assert_int_equal(count, 1);
        assert_int_equal(rows[0].user_no, SORTED[i]);
        after = rows[0].user_no;
    }
    assert_int_equal(pbts_mirror_accounts_read(txn, rows, &count, 1, after), PBTS_OK);
    assert_int_equal(count, 0);
    pbts_txn_abort(txn);
}

static void the_last_value_stays_and_all_can_be_cleared(void **state) {
    (void)state;
    static const uint32_t NUMBERS[] = { 3, 4 };
    pbts_mirror_account rows[ROWS], changed = account(3);
    size_t count;
    put(NUMBERS, 2);
    changed.up_bytes = 1;
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_account_put(txn, &changed), PBTS_OK);
    assert_int_equal(pbts_mirror_accounts_read(txn, rows, &count, ROWS, 0), PBTS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].up_bytes, 1);
    assert_int_equal(pbts_mirror_accounts_clear(txn), PBTS_OK);
    assert_int_equal(pbts_mirror_accounts_read(txn, rows, &count, ROWS, 0), PBTS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(pbts_mirror_accounts_clear(txn), PBTS_OK);
    pbts_txn_abort(txn);
}

static void a_place_is_known_until_it_is_forgotten(void **state) {
    (void)state;
    pbts_mirror_place place = { .sequence = 77, .head = { 1, 2, 3 } }, read;
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_place_get(txn, &read), PBTS_NOT_FOUND);
    assert_int_equal(pbts_mirror_place_forget(txn), PBTS_OK);
    assert_int_equal(pbts_mirror_place_put(txn, &place), PBTS_OK);
    assert_int_equal(pbts_mirror_place_get(txn, &read), PBTS_OK);
    assert_memory_equal(&read, &place, sizeof place);
    assert_int_equal(pbts_mirror_place_forget(txn), PBTS_OK);
    assert_int_equal(pbts_mirror_place_get(txn, &read), PBTS_NOT_FOUND);
    pbts_txn_abort(txn);
}

static void damaged_rows_are_corrupt(void **state) {
    (void)state;
    static const uint8_t bytes[149] = { 0 };
    pbts_mirror_place place;
    pbts_mirror_account row;
    size_t count;
    pbts_txn *txn = txn_of(temp.store, true);
    pbts_span name = pbts_span_text("mirror/place");
    for (size_t len = 39; len <= 41; len += 2) {
        assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_META, name, (pbts_span){ bytes, len }),
                         PBTS_OK);
        assert_int_equal(pbts_mirror_place_get(txn, &place), PBTS_CORRUPT);
    }
    for (size_t len = 147; len <= 149; len += 2) {
        uint8_t key[4] = { 0, 0, 0, 1 };
        assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_MIRROR_ACCOUNTS, PBTS_SPAN_OF(key),
                                      (pbts_span){ bytes, len }),
                         PBTS_OK);
        assert_int_equal(pbts_mirror_accounts_read(txn, &row, &count, 1, 0), PBTS_CORRUPT);
    }
    pbts_txn_abort(txn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accounts_come_back_by_number_in_portions, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_last_value_stays_and_all_can_be_cleared, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_place_is_known_until_it_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_rows_are_corrupt, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
