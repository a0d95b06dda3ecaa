/* Unit tests of ledger/ledger_file.h: whole exports are verified, put back, or refused. */
#include "ledger/chain.h"

#include "base/writer.h"
#include "ledger/ledger_file.h"

enum { INSTANCE = 0x21, OWNER = 3, FILE_MAX = 4096 };

static pbts_span file_of(const chain *c) {
    uint8_t room[FILE_MAX];
    pbts_writer writer = pbts_writer_over(room, sizeof room);
    pbts_write_text(&writer, PBTS_LEDGER_FILE_MAGIC);
    for (size_t i = 0; i < c->count; i++) {
        pbts_write_u32(&writer, (uint32_t)c->entries[i].len);
        pbts_write_bytes(&writer, c->entries[i]);
    }
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return span_copy(pbts_writer_span(&writer));
}

static pbts_status verify(pbts_ledger_file *out, pbts_span bytes) {
    const char *problem = NULL;
    uint64_t entry;
    pbts_status status = pbts_ledger_file_verify(out, &problem, &entry, pbts_mem_system(), bytes);
    if (status != PBTS_OK) assert_non_null(problem);
    return status;
}

static void a_whole_export_verifies_and_tells_what_it_is(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span bytes = file_of(&c);
    pbts_ledger_file file;
    assert_int_equal(verify(&file, bytes), PBTS_OK);
    assert_int_equal(file.entries, c.count);
    assert_int_equal(file.rows, 3);
    assert_int_equal(file.params.iid[31], INSTANCE);
    assert_true(file.params.has_referrer);
    assert_true(pbts_span_is(file.params.attestation, "quote"));
    assert_true(file.head.sealed);
    span_free(bytes);
    chain_free(&c);
}

/* Where an entry ends a shorter chain does too: that verifies, and its head says how far it goes.
 */
static void every_truncation_but_between_entries_is_refused(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span bytes = file_of(&c);
    pbts_ledger_file file;
    size_t whole = 0;
    for (size_t len = 0; len < bytes.len; len++) {
        pbts_span cut = span_copy((pbts_span){ bytes.data, len });
        if (verify(&file, cut) == PBTS_OK) assert_int_equal(file.head.sequence, whole++);
        span_free(cut);
    }
    assert_int_equal(whole, c.count - 1);
    span_free(bytes);
    chain_free(&c);
}

static void no_changed_byte_verifies(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span bytes = file_of(&c);
    pbts_ledger_file file;
    for (size_t at = 0; at < bytes.len; at++) {
        pbts_span damaged = span_copy(bytes);
        ((uint8_t *)(uintptr_t)damaged.data)[at] ^= (uint8_t)(1u << (at % 8));
        assert_int_not_equal(verify(&file, damaged), PBTS_OK);
        span_free(damaged);
    }
    span_free(bytes);
    chain_free(&c);
}

static void restored_is_entry_for_entry_what_was_exported(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span bytes = file_of(&c);
    pbts_ledger_file file;
    temp_store temp;
    pbts_ledger_account account;
    bool from_referrer = true;
    assert_int_equal(verify(&file, bytes), PBTS_OK);
    temp_store_init(&temp, CHAIN_MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_file_restore(txn, &file), PBTS_OK);
    assert_int_equal(pbts_ledger_read(txn, &account, &from_referrer, account_of(1, 0, 0).uid_hash),
                     PBTS_OK);
    assert_int_equal(account.up_bytes, 2000);
    assert_false(from_referrer);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    chain again = chain_read(temp.store);
    assert_int_equal(again.count, c.count);
    for (size_t i = 0; i < c.count; i++)
        assert_true(pbts_span_equal(again.entries[i], c.entries[i]));
    chain_free(&again);
    temp_store_deinit(&temp);
    span_free(bytes);
    chain_free(&c);
}

static void only_the_next_entry_can_be_put_back(void **state) {
    chain c = chain_small(INSTANCE, OWNER), other = chain_small(INSTANCE + 1, OWNER);
    temp_store temp;
    temp_store_init(&temp, CHAIN_MIB);
    const struct {
        const chain *from;
        size_t first, then;
    } bad[] = { { &c, 0, 0 }, { &c, 0, 2 }, { &other, 0, 1 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pbts_txn *txn = txn_of(temp.store, true);
        assert_int_equal(pbts_ledger_restore(txn, c.entries[bad[i].first]), PBTS_OK);
        assert_int_equal(pbts_ledger_restore(txn, bad[i].from->entries[bad[i].then]),
                         PBTS_MALFORMED);
        pbts_txn_abort(txn);
    }
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_restore(txn, c.entries[1]), PBTS_MALFORMED);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
    chain_free(&c);
    chain_free(&other);
}

static void as_a_predecessor_only_the_final_accounts_are_put(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span bytes = file_of(&c);
    pbts_ledger_file file;
    pbts_ledger_account account;
    bool from_referrer = false;
    temp_store temp;
    temp_store_init(&temp, CHAIN_MIB);
    pbts_ledger_params params = params_of(INSTANCE + 1, OWNER);
    params.has_referrer = true;
    memset(params.referrer_iid, INSTANCE, sizeof params.referrer_iid);
    ledger_init_ok(temp.store, &params, OWNER);
    assert_int_equal(verify(&file, bytes), PBTS_OK);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_ledger_file_put_referrer(txn, &file), PBTS_OK);
    assert_int_equal(pbts_ledger_read(txn, &account, &from_referrer, account_of(1, 0, 0).uid_hash),
                     PBTS_OK);
    assert_int_equal(account.up_bytes, 2000);
    assert_true(from_referrer);
    pbts_txn_abort(txn);
    temp_store_deinit(&temp);
    span_free(bytes);
    chain_free(&c);
}

/* Somebody writes to the file between the check and the use: a byte of any entry. */
static void what_was_changed_after_the_check_is_not_put(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span bytes = file_of(&c);
    uint8_t *own = (uint8_t *)(uintptr_t)bytes.data;
    temp_store temp;
    temp_store_init(&temp, CHAIN_MIB);
    for (size_t at = 0; at < bytes.len; at++) {
        pbts_ledger_file file;
        assert_int_equal(verify(&file, bytes), PBTS_OK);
        own[at] ^= (uint8_t)(1u << (at % 8));
        for (int i = 0; i < 2; i++) {
            pbts_txn *txn = txn_of(temp.store, true);
            assert_int_not_equal(i == 0 ? pbts_ledger_file_put_referrer(txn, &file)
                                        : pbts_ledger_file_restore(txn, &file),
                                 PBTS_OK);
            pbts_txn_abort(txn);
        }
        own[at] ^= (uint8_t)(1u << (at % 8));
    }
    temp_store_deinit(&temp);
    span_free(bytes);
    chain_free(&c);
}

/* ---- claims beside it ---- */

static pbts_span claims_with(const pbts_claims_record *record, uint8_t instance, uint64_t sequence,
                             uint8_t secret_number) {
    uint8_t room[512], iid[32];
    pbts_writer writer = pbts_writer_over(room, sizeof room);
    pbts_bls_secret secret = secret_of(secret_number);
    pbts_claims_encoder encoder;
    memset(iid, instance, sizeof iid);
    assert_int_equal(pbts_claims_encode_begin(&encoder, &writer), PBTS_OK);
    assert_int_equal(pbts_claims_encode_record(&encoder, &writer, record), PBTS_OK);
    assert_int_equal(pbts_claims_encode_end(&encoder, &writer, iid, sequence, &secret), PBTS_OK);
    return span_copy(pbts_writer_span(&writer));
}

static pbts_span claims_of(uint8_t instance, uint64_t sequence, uint8_t secret_number) {
    uint8_t bits[1] = { 0x80 };
    pbts_claims_record record = { .period = 1, .receiver = { 1 }, .bitmap = PBTS_SPAN_OF(bits) };
    return claims_with(&record, instance, sequence, secret_number);
}

static void only_claims_of_the_same_export_fit(void **state) {
    static const struct {
        uint8_t instance, sequence, secret;
        pbts_status want;
    } cases[] = {
        { INSTANCE, 3, OWNER, PBTS_OK },
        { INSTANCE, 2, OWNER, PBTS_MALFORMED },
        { INSTANCE, 4, OWNER, PBTS_MALFORMED },
        { INSTANCE + 1, 3, OWNER, PBTS_MALFORMED },
        { INSTANCE, 3, OWNER + 1, PBTS_BAD_SIGNATURE },
    };
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span bytes = file_of(&c);
    pbts_ledger_file file;
    assert_int_equal(verify(&file, bytes), PBTS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pbts_claims_file claims;
        const char *problem = NULL;
        pbts_span from = claims_of(cases[i].instance, cases[i].sequence, cases[i].secret);
        assert_int_equal(pbts_ledger_file_claims(&claims, &problem, &file, from, 0), cases[i].want);
        span_free(from);
    }
    span_free(bytes);
    chain_free(&c);
}

static void claims_of_hours_to_come_cannot_have_been_lost(void **state) {
    static const uint64_t EPOCHS[] = { 0, 488888, UINT64_MAX };
    chain c = chain_small(INSTANCE, OWNER);
    pbts_span bytes = file_of(&c);
    pbts_ledger_file file;
    assert_int_equal(verify(&file, bytes), PBTS_OK);
    for (size_t i = 0; i < sizeof EPOCHS / sizeof EPOCHS[0]; i++) {
        uint8_t room[PBTS_CLAIMS_LOST_LEN];
        pbts_claims_record record = pbts_claims_lost_record(room, EPOCHS[i]);
        pbts_span from = claims_with(&record, INSTANCE, 3, OWNER);
        pbts_claims_file claims;
        const char *problem = NULL;
        assert_int_equal(pbts_ledger_file_claims(&claims, &problem, &file, from, EPOCHS[i]),
                         PBTS_OK);
        assert_int_equal(claims.count, 1);
        if (EPOCHS[i] > 0)
            assert_int_equal(pbts_ledger_file_claims(&claims, &problem, &file, from, EPOCHS[i] - 1),
                             PBTS_MALFORMED);
        span_free(from);
    }
    span_free(bytes);
    chain_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_export_verifies_and_tells_what_it_is),
        cmocka_unit_test(every_truncation_but_between_entries_is_refused),
        cmocka_unit_test(no_changed_byte_verifies),
        cmocka_unit_test(restored_is_entry_for_entry_what_was_exported),
        cmocka_unit_test(only_the_next_entry_can_be_put_back),
        cmocka_unit_test(as_a_predecessor_only_the_final_accounts_are_put),
        cmocka_unit_test(what_was_changed_after_the_check_is_not_put),
        cmocka_unit_test(only_claims_of_the_same_export_fit),
        cmocka_unit_test(claims_of_hours_to_come_cannot_have_been_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
