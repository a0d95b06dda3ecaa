/* Unit tests of `pbts ledger export`: what it writes is what the store holds, signed. */
#include "ledger/chain.h"

#include <sys/stat.h>

#include "ledger/claims_file.h"
#include "pbts/ledger/ledger_claims.c"
#include "pbts/ledger/ledger_export.c"
#include "pbts/ledger/ledger_out.c"
#include "pbts/ledger/ledger_walk.c"

enum { OWNER = 1, STRANGER = 2, INSTANCE = 0x11, FILE_MAX = 8192 };

typedef struct {
    temp_store temp;
    char data[256], ledger[300], claims[300], key[300];
} site;

static void put_bytes(pbts_txn *txn, pbts_table table, pbts_span key, pbts_span value) {
    assert_int_equal(pbts_txn_put(txn, table, key, value), PBTS_OK);
}

/* User 1 has an account; user 2 is registered and has none yet. Torrent 9 has both infohashes. */
static void fill_store(pbts_store *store) {
    static const uint8_t v1[20] = { 3 }, v2[20] = { 2 };
    static const uint8_t nine_v1[5] = { 0, 0, 0, 9, 1 }, nine_v2[5] = { 0, 0, 0, 9, 2 };
    static const uint8_t two[4] = { 0, 0, 0, 2 }, bits[2] = { 0xF0, 1 };
    static const uint8_t claim[18] = { 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9, 0, 5 };
    static const uint8_t old_claim[90] = { 0, 0, 0, 6, 0x77, [89] = 3 };
    pbts_ledger_params params = params_of(INSTANCE, OWNER);
    pbts_ledger_account rows[2] = { account_of(1, 10, 0), account_of(2, 0, 10) };
    ledger_init_ok(store, &params, OWNER);
    ledger_write_ok(store, rows, 1, OWNER, CHAIN_TIME);
    pbts_txn *txn = txn_of(store, true);
    put_bytes(txn, PBTS_TABLE_UIDS, PBTS_SPAN_OF(rows[1].uid_hash), PBTS_SPAN_OF(two));
    put_bytes(txn, PBTS_TABLE_INFOHASHES, PBTS_SPAN_OF(v2), PBTS_SPAN_OF(nine_v2));
    put_bytes(txn, PBTS_TABLE_INFOHASHES, PBTS_SPAN_OF(v1), PBTS_SPAN_OF(nine_v1));
    put_bytes(txn, PBTS_TABLE_CLAIMS, PBTS_SPAN_OF(claim), PBTS_SPAN_OF(bits));
    put_bytes(txn, PBTS_TABLE_OLD_CLAIMS, PBTS_SPAN_OF(old_claim), PBTS_SPAN_OF(bits));
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static void write_key(const site *s, uint8_t number, const char *after) {
    char hex[65];
    pbts_bls_secret secret = secret_of(number);
    ledger_hex(hex, PBTS_SPAN_OF(secret.bytes));
    FILE *file = fopen(s->key, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s%s", hex, after) > 0);
    assert_int_equal(fclose(file), 0);
}

static void site_init(site *s) {
    temp_directory(s->data);
    (void)snprintf(s->temp.directory, sizeof s->temp.directory, "%.200s/store", s->data);
    (void)snprintf(s->ledger, sizeof s->ledger, "%s/ledger.bin", s->data);
    (void)snprintf(s->claims, sizeof s->claims, "%s/claims.bin", s->data);
    (void)snprintf(s->key, sizeof s->key, "%s/tracker.key", s->data);
    assert_int_equal(mkdir(s->temp.directory, 0700), 0);
    s->temp.store = NULL;
    temp_store_reopen(&s->temp, CHAIN_MIB);
    fill_store(s->temp.store);
    pbts_store_close(s->temp.store);
    s->temp.store = NULL;
    write_key(s, OWNER, "\n");
}

static void site_deinit(site *s) {
    temp_store_deinit(&s->temp);
    (void)unlink(s->ledger);
    (void)unlink(s->claims);
    (void)unlink(s->key);
    assert_int_equal(rmdir(s->data), 0); /* and no half-written file is left */
}

static int run(const site *s, bool with_claims) {
    const char *words[] = { "export",  "--data",   s->data,   "--out",
                            s->ledger, "--claims", s->claims, NULL };
    char *argv[8];
    for (size_t i = 0; i < 8; i++) argv[i] = (char *)(uintptr_t)words[i];
    if (!with_claims) argv[5] = NULL;
    return pbts_cmd_ledger_export(with_claims ? 7 : 5, argv);
}

static pbts_span read_file(const char *path, uint8_t buffer[static FILE_MAX]) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(buffer, 1, FILE_MAX, file);
    assert_int_equal(fclose(file), 0);
    return (pbts_span){ buffer, len };
}

static void the_file_holds_the_entries_of_the_store(void **state) {
    site s;
    static uint8_t buffer[FILE_MAX];
    pbts_cursor file;
    pbts_span entry;
    site_init(&s);
    assert_int_equal(run(&s, false), LEDGER_OK);
    temp_store_reopen(&s.temp, CHAIN_MIB);
    chain c = chain_read(s.temp.store);
    assert_int_equal(pbts_ledger_file_open(&file, read_file(s.ledger, buffer)), PBTS_OK);
    for (size_t i = 0; i < c.count; i++) {
        assert_int_equal(pbts_ledger_file_next(&file, &entry), PBTS_OK);
        assert_true(pbts_span_equal(entry, c.entries[i]));
    }
    assert_int_equal(pbts_ledger_file_next(&file, &entry), PBTS_NOT_FOUND);
    chain_free(&c);
    site_deinit(&s);
}

static void claims_name_users_and_torrents_by_hash_and_are_signed(void **state) {
    site s;
    static uint8_t buffer[FILE_MAX];
    static const uint8_t v1[20] = { 3 }, bits[2] = { 0xF0, 1 }, old_receiver[32] = { 0x77 };
    pbts_ledger_params params = params_of(INSTANCE, OWNER);
    pbts_bls_public_point key;
    pbts_claims_file file;
    pbts_claims_record record;
    struct stat info;
    const char *problem;
    site_init(&s);
    assert_int_equal(run(&s, true), LEDGER_OK);
    assert_int_equal(stat(s.claims, &info), 0);
    assert_int_equal(info.st_mode & 077, 0);
    assert_int_equal(pbts_bls_public_decode(&key, &params.owner), PBTS_OK);
    assert_int_equal(pbts_claims_file_open(&file, &problem, read_file(s.claims, buffer), &key),
                     PBTS_OK);
    assert_int_equal(file.count, 2);
    assert_int_equal(file.sequence, 1);
    assert_memory_equal(file.iid, params.iid, 32);
    assert_true(pbts_claims_file_next(&file, &record));
    assert_int_equal(record.period, 7);
    assert_int_equal(record.part, 5);
    assert_memory_equal(record.receiver, account_of(2, 0, 0).uid_hash, 32);
    assert_memory_equal(record.sender, account_of(1, 0, 0).uid_hash, 32);
    assert_memory_equal(record.infohash, v1, 20); /* of two infohashes the v1 one */
    assert_true(pbts_span_equal(record.bitmap, PBTS_SPAN_OF(bits)));
    assert_true(pbts_claims_file_next(&file, &record));
    assert_int_equal(record.period, 6);
    assert_int_equal(record.part, 3);
    assert_memory_equal(record.receiver, old_receiver, 32);
    assert_false(pbts_claims_file_next(&file, &record));
    site_deinit(&s);
}

static void another_or_a_broken_key_writes_no_file(void **state) {
    site s;
    site_init(&s);
    write_key(&s, STRANGER, "\n");
    assert_int_equal(run(&s, true), LEDGER_BAD);
    assert_int_not_equal(access(s.ledger, F_OK), 0);
    assert_int_not_equal(access(s.claims, F_OK), 0);
    write_key(&s, OWNER, "00");
    assert_int_equal(run(&s, true), LEDGER_IO);
    assert_int_equal(unlink(s.key), 0);
    assert_int_equal(run(&s, true), LEDGER_IO);
    assert_int_not_equal(access(s.ledger, F_OK), 0);
    assert_int_equal(run(&s, false), LEDGER_OK); /* the ledger alone needs no key */
    site_deinit(&s);
}

static void a_claim_of_an_unknown_user_is_refused(void **state) {
    static const uint8_t claim[18] = { 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0 };
    site s;
    site_init(&s);
    temp_store_reopen(&s.temp, CHAIN_MIB);
    pbts_txn *txn = txn_of(s.temp.store, true);
    put_bytes(txn, PBTS_TABLE_CLAIMS, PBTS_SPAN_OF(claim), text_span("x"));
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    pbts_store_close(s.temp.store);
    s.temp.store = NULL;
    assert_int_equal(run(&s, true), LEDGER_BAD);
    assert_int_not_equal(access(s.ledger, F_OK), 0);
    site_deinit(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_holds_the_entries_of_the_store),
        cmocka_unit_test(claims_name_users_and_torrents_by_hash_and_are_signed),
        cmocka_unit_test(another_or_a_broken_key_writes_no_file),
        cmocka_unit_test(a_claim_of_an_unknown_user_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
