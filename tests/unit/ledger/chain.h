/* tests/unit/ledger/chain.h - keys, accounts and small chains for the tests of ledger/. */
#ifndef PBTS_TEST_CHAIN_H
#define PBTS_TEST_CHAIN_H

#include "store/temp_store.h"

#include "ledger/ledger.h"

enum { CHAIN_MIB = 1024 * 1024, CHAIN_ENTRIES_MAX = 16, CHAIN_TIME = 1800000000 };

typedef struct {
    size_t count;
    pbts_span entries[CHAIN_ENTRIES_MAX]; /* heap */
} chain;

static inline pbts_bls_secret secret_of(uint8_t number) {
    pbts_bls_secret secret = { { 0 } };
    secret.bytes[31] = number;
    secret.bytes[3] = 0x77;
    return secret;
}

static inline pbts_ledger_account account_of(uint8_t user, uint64_t up, uint64_t down) {
    pbts_ledger_account row = { .up_bytes = up, .down_bytes = down, .generation = 1 };
    memset(row.uid_hash, user, sizeof row.uid_hash);
    memset(row.key_hash, 0x80 | user, sizeof row.key_hash);
    row.user_no = user;
    return row;
}

static inline pbts_ledger_params params_of(uint8_t instance, uint8_t secret_number) {
    pbts_ledger_params params = { .has_referrer = false };
    pbts_bls_secret secret = secret_of(secret_number);
    memset(params.iid, instance, sizeof params.iid);
    pbts_bls_public_of(&params.owner, &secret);
    return params;
}

static inline void ledger_init_ok(pbts_store *store, const pbts_ledger_params *params,
                                  uint8_t secret_number) {
    pbts_bls_secret secret = secret_of(secret_number);
    pbts_txn *txn = txn_of(store, true);
    assert_int_equal(pbts_ledger_init(txn, params, &secret, CHAIN_TIME), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static inline void ledger_write_ok(pbts_store *store, const pbts_ledger_account *rows, size_t count,
                                   uint8_t secret_number, uint64_t unix_time) {
    pbts_bls_secret secret = secret_of(secret_number);
    pbts_txn *txn = txn_of(store, true);
    assert_int_equal(pbts_ledger_write(txn, rows, count, &secret, unix_time), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static inline pbts_span span_copy(pbts_span bytes) {
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    return (pbts_span){ copy, bytes.len };
}

static inline void span_free(pbts_span bytes) {
    free((void *)(uintptr_t)bytes.data);
}

static inline chain chain_read(pbts_store *store) {
    chain out = { .count = 0 };
    pbts_span none = { NULL, 0 }, key, value;
    pbts_rows *rows;
    pbts_txn *txn = txn_of(store, false);
    assert_int_equal(pbts_rows_open(&rows, txn, PBTS_TABLE_LEDGER, none, none), PBTS_OK);
    while (pbts_rows_next(rows, &key, &value)) {
        assert_true(out.count < CHAIN_ENTRIES_MAX);
        out.entries[out.count++] = span_copy(value);
    }
    pbts_rows_close(rows);
    pbts_txn_abort(txn);
    return out;
}

static inline void chain_free(chain *c) {
    for (size_t i = 0; i < c->count; i++) span_free(c->entries[i]);
}

/* INIT with a referrer and an attestation, two WRITEs of two rows and one, SEAL. */
static inline chain chain_small(uint8_t instance, uint8_t secret_number) {
    temp_store temp;
    pbts_bls_secret secret = secret_of(secret_number);
    pbts_ledger_params params = params_of(instance, secret_number);
    uint8_t successor[32];
    memset(successor, 0x99, sizeof successor);
    params.has_referrer = true;
    memset(params.referrer_iid, 0x55, sizeof params.referrer_iid);
    params.referrer_last_epoch = 7;
    params.attestation = pbts_span_text("quote");
    temp_store_init(&temp, CHAIN_MIB);
    ledger_init_ok(temp.store, &params, secret_number);
    pbts_ledger_account rows[2] = { account_of(1, 1000, 0), account_of(2, 0, 1000) };
    ledger_write_ok(temp.store, rows, 2, secret_number, CHAIN_TIME + 10);
    rows[0].up_bytes = 2000;
    ledger_write_ok(temp.store, rows, 1, secret_number, CHAIN_TIME + 7200);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_seal(txn, successor, &secret, CHAIN_TIME + 7300), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    chain out = chain_read(temp.store);
    temp_store_deinit(&temp);
    return out;
}

#endif
