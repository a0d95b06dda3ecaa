/* Unit tests of ledger/ledger.c: owner, one hop to the referrer, seal, time, absolute values. */
#include "chain.h"

enum { OWNER = 1, STRANGER = 2, INSTANCE = 0x11 };

static temp_store ledger_new(void) {
    temp_store temp;
    pbts_ledger_params params = params_of(INSTANCE, OWNER);
    temp_store_init(&temp, CHAIN_MIB);
    ledger_init_ok(temp.store, &params, OWNER);
    return temp;
}

static pbts_ledger_head head_of(pbts_store *store) {
    pbts_ledger_head head;
    pbts_txn *txn = txn_of(store, false);
    assert_int_equal(pbts_ledger_head_read(txn, &head), PBTS_OK);
    pbts_txn_abort(txn);
    return head;
}

static pbts_status read_account(pbts_store *store, pbts_ledger_account *out, bool *from_referrer,
                                uint8_t user) {
    pbts_ledger_account asked = account_of(user, 0, 0);
    pbts_txn *txn = txn_of(store, false);
    pbts_status status = pbts_ledger_read(txn, out, from_referrer, asked.uid_hash);
    pbts_txn_abort(txn);
    return status;
}

static void expect_account(pbts_store *store, uint8_t user, uint64_t up, uint64_t down,
                           bool want_referrer) {
    pbts_ledger_account got, want = account_of(user, up, down);
    bool from_referrer = !want_referrer;
    assert_int_equal(read_account(store, &got, &from_referrer, user), PBTS_OK);
    assert_memory_equal(got.uid_hash, want.uid_hash, 32);
    assert_memory_equal(got.key_hash, want.key_hash, 32);
    assert_int_equal(got.up_bytes, up);
    assert_int_equal(got.down_bytes, down);
    assert_int_equal(got.generation, 1);
    assert_int_equal(got.user_no, user);
    assert_int_equal(from_referrer, want_referrer);
}

static void an_empty_store_has_no_ledger(void **state) {
    temp_store temp;
    pbts_ledger_params params;
    pbts_ledger_head head;
    pbts_ledger_account row = account_of(1, 0, 0);
    pbts_bls_secret secret = secret_of(OWNER);
    bool from_referrer;
    temp_store_init(&temp, CHAIN_MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_params_read(txn, &params), PBTS_NOT_FOUND);
    assert_int_equal(pbts_ledger_head_read(txn, &head), PBTS_NOT_FOUND);
    assert_int_equal(pbts_ledger_read(txn, &row, &from_referrer, row.uid_hash), PBTS_NOT_FOUND);
    assert_int_equal(pbts_ledger_write(txn, &row, 1, &secret, 0), PBTS_NOT_FOUND);
    assert_int_equal(pbts_ledger_seal(txn, row.uid_hash, &secret, 0), PBTS_NOT_FOUND);
    assert_int_equal(pbts_ledger_referrer_put(txn, &row), PBTS_NOT_FOUND);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void init_keeps_its_parameters_and_happens_once(void **state) {
    temp_store temp;
    pbts_ledger_params params = params_of(INSTANCE, OWNER), got;
    pbts_bls_secret secret = secret_of(OWNER);
    params.has_referrer = true;
    memset(params.referrer_iid, 0x22, 32);
    params.referrer_last_epoch = 123456;
    params.attestation = pbts_span_text("a quote");
    temp_store_init(&temp, CHAIN_MIB);
    ledger_init_ok(temp.store, &params, OWNER);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_params_read(txn, &got), PBTS_OK);
    assert_memory_equal(got.iid, params.iid, 32);
    assert_memory_equal(got.owner.bytes, params.owner.bytes, 96);
    assert_true(got.has_referrer);
    assert_memory_equal(got.referrer_iid, params.referrer_iid, 32);
    assert_int_equal(got.referrer_last_epoch, 123456);
    assert_true(pbts_span_is(got.attestation, "a quote"));
    assert_int_equal(pbts_ledger_init(txn, &params, &secret, CHAIN_TIME), PBTS_EXISTS);
    pbts_txn_abort(txn);
    assert_int_equal(head_of(temp.store).sequence, 0);
    assert_int_equal(head_of(temp.store).epoch, CHAIN_TIME / 3600);
    temp_store_deinit(&temp);
}

static void init_refuses_bad_parameters_and_writes_nothing(void **state) {
    static uint8_t attestation[65536];
    temp_store temp;
    pbts_ledger_params params = params_of(INSTANCE, OWNER), bad;
    pbts_bls_secret owner = secret_of(OWNER), stranger = secret_of(STRANGER);
    temp_store_init(&temp, CHAIN_MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_init(txn, &params, &stranger, 0), PBTS_DENIED);
    bad = params;
    bad.has_referrer = true;
    memcpy(bad.referrer_iid, bad.iid, 32);
    assert_int_equal(pbts_ledger_init(txn, &bad, &owner, 0), PBTS_MALFORMED);
    bad = params;
    bad.attestation = PBTS_SPAN_OF(attestation);
    assert_int_equal(pbts_ledger_init(txn, &bad, &owner, 0), PBTS_LIMIT);
    assert_int_equal(pbts_ledger_params_read(txn, &bad), PBTS_NOT_FOUND);
    bad = params;
    bad.attestation = (pbts_span){ attestation, 65535 };
    assert_int_equal(pbts_ledger_init(txn, &bad, &owner, 0), PBTS_OK);
    assert_int_equal(pbts_ledger_params_read(txn, &params), PBTS_OK);
    assert_int_equal(params.attestation.len, 65535);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void a_write_sets_absolute_values_and_appends_one_entry(void **state) {
    temp_store temp = ledger_new();
    pbts_ledger_account rows[2] = { account_of(1, 500, 20), account_of(2, 7, UINT64_MAX) };
    pbts_ledger_account none;
    bool from_referrer;
    ledger_write_ok(temp.store, rows, 2, OWNER, CHAIN_TIME + 5);
    expect_account(temp.store, 1, 500, 20, false);
    expect_account(temp.store, 2, 7, UINT64_MAX, false);
    rows[0].up_bytes = 300; /* absolute: not added to what was there */
    ledger_write_ok(temp.store, rows, 1, OWNER, CHAIN_TIME + 6);
    expect_account(temp.store, 1, 300, 20, false);
    expect_account(temp.store, 2, 7, UINT64_MAX, false);
    assert_int_equal(read_account(temp.store, &none, &from_referrer, 3), PBTS_NOT_FOUND);
    assert_int_equal(head_of(temp.store).sequence, 2);
    temp_store_reopen(&temp, CHAIN_MIB);
    expect_account(temp.store, 1, 300, 20, false);
    temp_store_deinit(&temp);
}

static void of_two_rows_of_one_user_the_later_holds(void **state) {
    temp_store temp = ledger_new();
    pbts_ledger_account rows[2] = { account_of(1, 1, 1), account_of(1, 2, 2) };
    ledger_write_ok(temp.store, rows, 2, OWNER, CHAIN_TIME);
    expect_account(temp.store, 1, 2, 2, false);
    temp_store_deinit(&temp);
}

static void only_the_owner_writes_and_seals(void **state) {
    temp_store temp = ledger_new();
    pbts_bls_secret stranger = secret_of(STRANGER);
    pbts_ledger_account row = account_of(1, 1, 1);
    bool from_referrer;
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_write(txn, &row, 1, &stranger, CHAIN_TIME), PBTS_DENIED);
    assert_int_equal(pbts_ledger_seal(txn, row.uid_hash, &stranger, CHAIN_TIME), PBTS_DENIED);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(read_account(temp.store, &row, &from_referrer, 1), PBTS_NOT_FOUND);
    assert_int_equal(head_of(temp.store).sequence, 0);
    temp_store_deinit(&temp);
}

static void a_write_takes_1_to_10000_rows(void **state) {
    static pbts_ledger_account rows[PBTS_LEDGER_ROWS_MAX + 1];
    temp_store temp;
    pbts_ledger_params params = params_of(INSTANCE, OWNER);
    pbts_bls_secret secret = secret_of(OWNER);
    for (uint32_t i = 0; i <= PBTS_LEDGER_ROWS_MAX; i++) {
        rows[i] = account_of(1, i, i);
        memcpy(rows[i].uid_hash, &i, sizeof i);
    }
    temp_store_init(&temp, 16 * CHAIN_MIB);
    ledger_init_ok(temp.store, &params, OWNER);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_write(txn, rows, 0, &secret, CHAIN_TIME), PBTS_LIMIT);
    assert_int_equal(pbts_ledger_write(txn, rows, PBTS_LEDGER_ROWS_MAX + 1, &secret, CHAIN_TIME),
                     PBTS_LIMIT);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    ledger_write_ok(temp.store, rows, PBTS_LEDGER_ROWS_MAX, OWNER, CHAIN_TIME);
    assert_int_equal(head_of(temp.store).sequence, 1);
    chain c = chain_read(temp.store);
    assert_int_equal(c.entries[1].len, PBTS_LEDGER_ENTRY_MAX);
    chain_free(&c);
    temp_store_deinit(&temp);
}

static void time_never_goes_back(void **state) {
    temp_store temp = ledger_new();
    pbts_ledger_account row = account_of(1, 1, 1);
    static const struct {
        uint64_t clock, want;
    } CASES[] = { { CHAIN_TIME + 9000, CHAIN_TIME + 9000 },
                  { CHAIN_TIME - 5, CHAIN_TIME + 9000 },
                  { 0, CHAIN_TIME + 9000 },
                  { CHAIN_TIME + 9001, CHAIN_TIME + 9001 } };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ledger_write_ok(temp.store, &row, 1, OWNER, CASES[i].clock);
        pbts_ledger_head head = head_of(temp.store);
        assert_int_equal(head.unix_time, CASES[i].want);
        assert_int_equal(head.epoch, CASES[i].want / 3600);
    }
    temp_store_deinit(&temp);
}

static void a_sealed_ledger_refuses_writes_and_still_reads(void **state) {
    temp_store temp = ledger_new();
    pbts_bls_secret secret = secret_of(OWNER);
    pbts_ledger_account row = account_of(1, 10, 20);
    uint8_t successor[32] = { 9, 8, 7 };
    ledger_write_ok(temp.store, &row, 1, OWNER, CHAIN_TIME);
    assert_false(head_of(temp.store).sealed);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_seal(txn, successor, &secret, CHAIN_TIME), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    row.up_bytes = 11;
    txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_write(txn, &row, 1, &secret, CHAIN_TIME), PBTS_DENIED);
    assert_int_equal(pbts_ledger_seal(txn, successor, &secret, CHAIN_TIME), PBTS_DENIED);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_true(head_of(temp.store).sealed);
    assert_memory_equal(head_of(temp.store).successor_iid, successor, 32);
    assert_int_equal(head_of(temp.store).sequence, 2);
    expect_account(temp.store, 1, 10, 20, false);
    temp_store_deinit(&temp);
}

/* Copy the rows that the chain of `from` itself wrote, as an import does. */
static void import_referrer(pbts_store *to, pbts_store *from) {
    chain c = chain_read(from);
    pbts_txn *txn = txn_of(to, true);
    for (size_t i = 0; i < c.count; i++) {
        pbts_cursor rows;
        uint32_t count;
        pbts_ledger_account row;
        assert_int_equal(pbts_ledger_entry_rows(c.entries[i], &rows, &count), PBTS_OK);
        while (count-- > 0) {
            assert_int_equal(pbts_ledger_row_decode(&row, &rows), PBTS_OK);
            assert_int_equal(pbts_ledger_referrer_put(txn, &row), PBTS_OK);
        }
    }
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    chain_free(&c);
}

static temp_store successor_of(pbts_store *predecessor, uint8_t instance, uint8_t referrer) {
    temp_store temp;
    pbts_ledger_params params = params_of(instance, OWNER);
    params.has_referrer = true;
    memset(params.referrer_iid, referrer, 32);
    temp_store_init(&temp, CHAIN_MIB);
    ledger_init_ok(temp.store, &params, OWNER);
    import_referrer(temp.store, predecessor);
    return temp;
}

static void the_referrer_answers_one_hop_and_never_two(void **state) {
    temp_store first = ledger_new();
    pbts_ledger_account old = account_of(1, 100, 10), both = account_of(2, 200, 20), none;
    bool from_referrer;
    ledger_write_ok(first.store, &old, 1, OWNER, CHAIN_TIME);
    ledger_write_ok(first.store, &both, 1, OWNER, CHAIN_TIME);
    temp_store second = successor_of(first.store, 0x22, INSTANCE);
    expect_account(second.store, 1, 100, 10, true);
    expect_account(second.store, 2, 200, 20, true);
    both.up_bytes = 222;
    ledger_write_ok(second.store, &both, 1, OWNER, CHAIN_TIME);
    expect_account(second.store, 2, 222, 20, false); /* its own comes first */
    temp_store third = successor_of(second.store, 0x33, 0x22);
    expect_account(third.store, 2, 222, 20, true);
    assert_int_equal(read_account(third.store, &none, &from_referrer, 1), PBTS_NOT_FOUND);
    temp_store_deinit(&third);
    temp_store_deinit(&second);
    temp_store_deinit(&first);
}

static void without_a_referrer_none_can_be_imported(void **state) {
    temp_store temp = ledger_new();
    pbts_ledger_account row = account_of(1, 1, 1);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_referrer_put(txn, &row), PBTS_DENIED);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
}

static void damaged_rows_in_the_store_are_corrupt(void **state) {
    temp_store temp = ledger_new();
    pbts_ledger_account row = account_of(1, 1, 1);
    pbts_bls_secret secret = secret_of(OWNER);
    pbts_ledger_head head;
    bool from_referrer;
    uint8_t key[8] = { 0, 0, 0, 0, 0, 0, 0, 9 }, bytes[PBTS_LEDGER_ROW_LEN] = { 5 };
    pbts_txn *txn = txn_of(temp.store, true);
    pbts_span uid = PBTS_SPAN_OF(row.uid_hash);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_ACCOUNTS, uid, PBTS_SPAN_OF(bytes)), PBTS_OK);
    assert_int_equal(pbts_ledger_read(txn, &row, &from_referrer, row.uid_hash), PBTS_CORRUPT);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_ACCOUNTS, uid, text_span("short")), PBTS_OK);
    assert_int_equal(pbts_ledger_read(txn, &row, &from_referrer, row.uid_hash), PBTS_CORRUPT);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_LEDGER, PBTS_SPAN_OF(key), text_span("junk")),
                     PBTS_OK);
    assert_int_equal(pbts_ledger_head_read(txn, &head), PBTS_CORRUPT);
    assert_int_equal(pbts_ledger_write(txn, &row, 1, &secret, CHAIN_TIME), PBTS_CORRUPT);
    pbts_txn_abort(txn);

    /* A whole entry at another's place: SEAL has sequence 3, here it lies at 9. */
    chain c = chain_small(INSTANCE, OWNER);
    txn = txn_of(temp.store, true);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_LEDGER, PBTS_SPAN_OF(key), c.entries[3]),
                     PBTS_OK);
    assert_int_equal(pbts_ledger_head_read(txn, &head), PBTS_CORRUPT);
    pbts_txn_abort(txn);
    chain_free(&c);
    temp_store_deinit(&temp);
}

static void a_full_store_is_full_and_the_ledger_goes_on_after_it_grows(void **state) {
    static pbts_ledger_account rows[PBTS_LEDGER_ROWS_MAX];
    temp_store temp = ledger_new();
    pbts_bls_secret secret = secret_of(OWNER);
    for (uint32_t i = 0; i < PBTS_LEDGER_ROWS_MAX; i++) {
        rows[i] = account_of(1, i, i);
        memcpy(rows[i].uid_hash, &i, sizeof i);
    }
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_write(txn, rows, PBTS_LEDGER_ROWS_MAX, &secret, CHAIN_TIME),
                     PBTS_FULL);
    pbts_txn_abort(txn);
    assert_int_equal(head_of(temp.store).sequence, 0);
    ledger_write_ok(temp.store, rows, 1, OWNER, CHAIN_TIME);
    temp_store_reopen(&temp, 16 * CHAIN_MIB);
    ledger_write_ok(temp.store, rows, PBTS_LEDGER_ROWS_MAX, OWNER, CHAIN_TIME);
    assert_int_equal(head_of(temp.store).sequence, 2);
    temp_store_deinit(&temp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_store_has_no_ledger),
        cmocka_unit_test(init_keeps_its_parameters_and_happens_once),
        cmocka_unit_test(init_refuses_bad_parameters_and_writes_nothing),
        cmocka_unit_test(a_write_sets_absolute_values_and_appends_one_entry),
        cmocka_unit_test(of_two_rows_of_one_user_the_later_holds),
        cmocka_unit_test(only_the_owner_writes_and_seals),
        cmocka_unit_test(a_write_takes_1_to_10000_rows),
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(a_sealed_ledger_refuses_writes_and_still_reads),
        cmocka_unit_test(the_referrer_answers_one_hop_and_never_two),
        cmocka_unit_test(without_a_referrer_none_can_be_imported),
        cmocka_unit_test(damaged_rows_in_the_store_are_corrupt),
        cmocka_unit_test(a_full_store_is_full_and_the_ledger_goes_on_after_it_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
