/* Unit tests of ledger/mirror.c: marks stay until the other ledger has what the account has now. */
#include "chain.h"

#include "ledger/mirror.h"

enum { OWNER = 1, INSTANCE = 0x11, ROWS = 8, MANY = 600 };

static temp_store temp;

static int set_up(void **state) {
    (void)state;
    pbts_ledger_params params = params_of(INSTANCE, OWNER);
    temp_store_init(&temp, 8 * CHAIN_MIB);
    ledger_init_ok(temp.store, &params, OWNER);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    temp_store_deinit(&temp);
    return 0;
}

static pbts_ledger_account put(uint8_t user, uint64_t up) {
    pbts_ledger_account row = account_of(user, up, 0);
    pbts_bls_secret secret = secret_of(OWNER);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_write(txn, &row, 1, &secret, CHAIN_TIME), PBTS_OK);
    assert_int_equal(pbts_mirror_mark(txn, row.uid_hash), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    return row;
}

static size_t marked(pbts_mirror_row *rows, size_t max, const uint8_t *after) {
    size_t count;
    pbts_txn *txn = txn_of(temp.store, false);
    assert_int_equal(pbts_mirror_marked(txn, rows, &count, max, after), PBTS_OK);
    uint64_t all = 0;
    assert_int_equal(pbts_mirror_count(txn, &all), PBTS_OK);
    assert_true(after != NULL || count == max ? all >= count : all == count);
    pbts_txn_abort(txn);
    return count;
}

static void written(const pbts_ledger_account *row, uint64_t sequence) {
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_written(txn, row, sequence), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static void rewound(uint64_t sequence) {
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_rewound(txn, sequence), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static void a_change_is_marked_until_it_is_written(void **state) {
    (void)state;
    pbts_mirror_row rows[ROWS];
    assert_int_equal(marked(rows, ROWS, NULL), 0);
    pbts_ledger_account two = put(2, 20), one = put(1, 10);
    assert_int_equal(marked(rows, ROWS, NULL), 2);
    assert_int_equal(rows[0].account.up_bytes, 10);
    assert_int_equal(rows[1].account.up_bytes, 20);
    assert_false(rows[0].present || rows[1].present);
    assert_int_equal(rows[0].aside, 0);
    written(&one, 1);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_memory_equal(rows[0].account.uid_hash, two.uid_hash, 32);
}

static void what_changed_meanwhile_stays_marked(void **state) {
    (void)state;
    pbts_mirror_row rows[ROWS];
    pbts_ledger_account before = put(1, 10);
    pbts_ledger_account after = put(1, 11);
    written(&before, 1);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_int_equal(rows[0].account.up_bytes, 11);
    assert_true(rows[0].present);
    written(&after, 2);
    assert_int_equal(marked(rows, ROWS, NULL), 0);
    /* Each of the values counts. */
    pbts_ledger_account other = put(1, 12);
    other.down_bytes++;
    written(&other, 3);
    other.down_bytes--;
    other.generation++;
    written(&other, 4);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
}

static void a_user_that_exists_is_written_not_registered(void **state) {
    (void)state;
    pbts_mirror_row rows[ROWS];
    pbts_ledger_account one = put(1, 10);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_registered(txn, one.uid_hash, 5), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_true(rows[0].present);
    txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_absent(txn, one.uid_hash), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_false(rows[0].present);
    txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_registered(txn, one.uid_hash, 5), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    rewound(5);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_true(rows[0].present);
    rewound(4);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_false(rows[0].present);
}

static void what_is_set_aside_waits_for_a_change(void **state) {
    (void)state;
    pbts_mirror_row rows[ROWS];
    pbts_ledger_account one = put(1, 10), two = account_of(2, 0, 0);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_set_aside(txn, one.uid_hash, 7), PBTS_OK);
    assert_int_equal(pbts_mirror_set_aside(txn, two.uid_hash, 7), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_int_equal(rows[0].aside, 7);
    (void)put(1, 11);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_int_equal(rows[0].aside, 0);
}

/* More than one portion of the walk, with others between. */
static void all_that_is_set_aside_can_be_tried_again(void **state) {
    (void)state;
    static pbts_mirror_row rows[2 * MANY];
    static pbts_ledger_account all[2 * MANY];
    pbts_bls_secret secret = secret_of(OWNER);
    pbts_txn *txn = txn_of(temp.store, true);
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        all[i] = account_of(1, i, 0);
        all[i].uid_hash[0] = (uint8_t)(i >> 8);
        all[i].uid_hash[1] = (uint8_t)i;
        all[i].user_no = i + 1;
    }
    assert_int_equal(pbts_ledger_write(txn, all, 2 * MANY, &secret, CHAIN_TIME), PBTS_OK);
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        if (i % 4 == 3) continue; /* clean, and stays so */
        assert_int_equal(pbts_mirror_mark(txn, all[i].uid_hash), PBTS_OK);
        if (i % 4 != 0)
            assert_int_equal(pbts_mirror_set_aside(txn, all[i].uid_hash, (uint8_t)(i % 4)),
                             PBTS_OK);
    }
    assert_int_equal(pbts_mirror_retry(txn), PBTS_OK);
    assert_int_equal(pbts_mirror_retry(txn), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    size_t count = marked(rows, 2 * MANY, NULL);
    assert_int_equal(count, 2 * MANY / 4 * 3);
    for (size_t i = 0; i < count; i++) assert_int_equal(rows[i].aside, 0);
}

static void users_of_the_mirror_are_there_without_a_mark(void **state) {
    (void)state;
    pbts_mirror_row rows[ROWS];
    pbts_ledger_account one = account_of(1, 10, 0);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_mirror_has(txn, one.uid_hash), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(marked(rows, ROWS, NULL), 0);
    (void)put(1, 11);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_true(rows[0].present);
    rewound(0);
    assert_int_equal(marked(rows, ROWS, NULL), 1);
    assert_true(rows[0].present);
}

/* More than one portion of either walk. */
static void many_accounts_are_listed_and_rewound_in_portions(void **state) {
    (void)state;
    pbts_mirror_row rows[ROWS];
    pbts_bls_secret secret = secret_of(OWNER);
    pbts_ledger_account *all = calloc(MANY, sizeof *all);
    assert_non_null(all);
    pbts_txn *txn = txn_of(temp.store, true);
    for (uint32_t i = 0; i < MANY; i++) {
        all[i] = account_of(1, i, 0);
        all[i].uid_hash[0] = (uint8_t)(i >> 8);
        all[i].uid_hash[1] = (uint8_t)i;
        all[i].user_no = i + 1;
        assert_int_equal(pbts_mirror_mark(txn, all[i].uid_hash), PBTS_OK);
    }
    assert_int_equal(pbts_ledger_write(txn, all, MANY, &secret, CHAIN_TIME), PBTS_OK);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(pbts_mirror_written(txn, &all[i], 1 + i % 2), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(marked(rows, ROWS, NULL), 0);
    rewound(2);
    assert_int_equal(marked(rows, ROWS, NULL), 0);
    rewound(0);
    size_t seen = 0, count = marked(rows, ROWS, NULL);
    while (count > 0) {
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(rows[i].account.up_bytes, seen++);
            assert_false(rows[i].present);
        }
        count = marked(rows, ROWS, rows[count - 1].account.uid_hash);
    }
    assert_int_equal(seen, MANY);
    free(all);
}

static void damaged_rows_are_noticed(void **state) {
    (void)state;
    pbts_mirror_row rows[ROWS];
    size_t count;
    pbts_ledger_account one = put(1, 10);
    uint8_t two[17] = { 2 };
    pbts_txn *txn = txn_of(temp.store, true);
    pbts_span key = PBTS_SPAN_OF(one.uid_hash);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_MIRROR, key, PBTS_SPAN_OF(two)), PBTS_OK);
    assert_int_equal(pbts_mirror_marked(txn, rows, &count, ROWS, NULL), PBTS_CORRUPT);
    assert_int_equal(pbts_mirror_rewound(txn, 0), PBTS_CORRUPT);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_MIRROR, key, (pbts_span){ two, 16 }), PBTS_OK);
    assert_int_equal(pbts_mirror_written(txn, &one, 1), PBTS_CORRUPT);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_MIRROR_MARKS, key, (pbts_span){ two, 2 }),
                     PBTS_OK);
    assert_int_equal(pbts_mirror_retry(txn), PBTS_CORRUPT);
    assert_int_equal(pbts_mirror_mark(txn, one.uid_hash), PBTS_OK);
    /* A mark of nobody. */
    one.uid_hash[0] ^= 1;
    assert_int_equal(pbts_mirror_mark(txn, one.uid_hash), PBTS_OK);
    assert_int_equal(pbts_mirror_marked(txn, rows, &count, ROWS, NULL), PBTS_CORRUPT);
    pbts_txn_abort(txn);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_change_is_marked_until_it_is_written),
        TEST(what_changed_meanwhile_stays_marked),
        TEST(a_user_that_exists_is_written_not_registered),
        TEST(what_is_set_aside_waits_for_a_change),
        TEST(all_that_is_set_aside_can_be_tried_again),
        TEST(users_of_the_mirror_are_there_without_a_mark),
        TEST(many_accounts_are_listed_and_rewound_in_portions),
        TEST(damaged_rows_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
