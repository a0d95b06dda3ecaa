/* Unit tests of `pbts ledger verify`: its exit codes on whole, cut and damaged ledgers. */
#include "ledger/chain.h"

#include <sys/stat.h>

#include "pbts/ledger/ledger_accounts.c"
#include "pbts/ledger/ledger_verify.c"
#include "pbts/ledger/ledger_walk.c"

enum { OWNER_NO = 1, STRANGER_NO = 2, INSTANCE = 0x11 };

static int run(const char *a, const char *b, const char *c, const char *d) {
    char *argv[] = { (char *)(uintptr_t) "verify", (char *)(uintptr_t)a, (char *)(uintptr_t)b,
                     (char *)(uintptr_t)c,         (char *)(uintptr_t)d, NULL };
    int argc = 1;
    while (argv[argc] != NULL) argc++;
    return pbts_cmd_ledger_verify(argc, argv);
}

/* Write an export of `c`, of which `cut` bytes are missing at the end and byte `bad` is flipped. */
static void write_export(const char *path, const chain *c, size_t cut, size_t bad) {
    static uint8_t buffer[4096];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_write_text(&writer, PBTS_LEDGER_FILE_MAGIC);
    for (size_t i = 0; i < c->count; i++) {
        pbts_write_u32(&writer, (uint32_t)c->entries[i].len);
        pbts_write_bytes(&writer, c->entries[i]);
    }
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    if (bad < writer.len) buffer[bad] ^= 1;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(buffer, 1, writer.len - cut, file), writer.len - cut);
    assert_int_equal(fclose(file), 0);
}

static void an_export_verifies_and_a_damaged_one_does_not(void **state) {
    char directory[256], path[300], owner[193], other[193];
    chain c = chain_small(INSTANCE, OWNER_NO);
    ledger_hex(owner, PBTS_SPAN_OF(params_of(INSTANCE, OWNER_NO).owner.bytes));
    ledger_hex(other, PBTS_SPAN_OF(params_of(INSTANCE, STRANGER_NO).owner.bytes));
    temp_directory(directory);
    (void)snprintf(path, sizeof path, "%s/ledger.bin", directory);
    assert_int_equal(run(path, NULL, NULL, NULL), LEDGER_IO); /* nothing there */
    write_export(path, &c, 0, SIZE_MAX);
    assert_int_equal(run(path, NULL, NULL, NULL), LEDGER_OK);
    assert_int_equal(run(path, "--json", NULL, NULL), LEDGER_OK);
    assert_int_equal(run(path, "--owner", owner, "--json"), LEDGER_OK);
    assert_int_equal(run(path, "--owner", other, NULL), LEDGER_BAD);
    write_export(path, &c, 1, SIZE_MAX);
    assert_int_equal(run(path, NULL, NULL, NULL), LEDGER_BAD);
    write_export(path, &c, 0, 500);
    assert_int_equal(run(path, "--json", NULL, NULL), LEDGER_BAD);
    write_export(path, &c, 0, 3);
    assert_int_equal(run(path, NULL, NULL, NULL), LEDGER_BAD);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(run(path, NULL, NULL, NULL), LEDGER_BAD);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    chain_free(&c);
}

static void a_store_whose_accounts_disagree_with_the_chain_fails(void **state) {
    temp_store temp = { .store = NULL };
    char data[256];
    pbts_ledger_params params = params_of(INSTANCE, OWNER_NO);
    pbts_ledger_account rows[2] = { account_of(1, 10, 0), account_of(2, 0, 10) };
    temp_directory(data);
    (void)snprintf(temp.directory, sizeof temp.directory, "%.200s/store", data);
    assert_int_equal(mkdir(temp.directory, 0700), 0);
    temp_store_reopen(&temp, CHAIN_MIB);
    ledger_init_ok(temp.store, &params, OWNER_NO);
    ledger_write_ok(temp.store, rows, 2, OWNER_NO, CHAIN_TIME);
    pbts_store_close(temp.store);
    assert_int_equal(run("--data", data, NULL, NULL), LEDGER_OK);

    temp.store = NULL;
    temp_store_reopen(&temp, CHAIN_MIB);
    pbts_txn *txn = txn_of(temp.store, true);
    assert_int_equal(pbts_txn_delete(txn, PBTS_TABLE_ACCOUNTS, PBTS_SPAN_OF(rows[1].uid_hash)),
                     PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    pbts_store_close(temp.store);
    assert_int_equal(run("--data", data, NULL, NULL), LEDGER_BAD);
    temp_directory_remove(temp.directory);
    assert_int_equal(run("--data", data, NULL, NULL), LEDGER_IO);
    assert_int_equal(rmdir(data), 0);
}

static void bad_usage_is_exit_code_2(void **state) {
    assert_int_equal(run(NULL, NULL, NULL, NULL), LEDGER_USAGE);
    assert_int_equal(run("a", "b", NULL, NULL), LEDGER_USAGE);
    assert_int_equal(run("a", "--data", "b", NULL), LEDGER_USAGE);
    assert_int_equal(run("a", "--owner", "12", NULL), LEDGER_USAGE);
    assert_int_equal(run("a", "--no-such", NULL, NULL), LEDGER_USAGE);
    assert_int_equal(run("--help", NULL, NULL, NULL), LEDGER_OK);
}

static void accounts_keep_the_newest_row_of_each_user(void **state) {
    enum { USERS = 5000 };
    ledger_accounts accounts = { .capacity = 0 };
    uint64_t up, down;
    for (uint32_t pass = 1; pass <= 2; pass++) {
        for (uint32_t i = 0; i < USERS; i++) {
            pbts_ledger_account row = account_of(0, pass, 3);
            memcpy(row.uid_hash + 7, &i, sizeof i); /* many share the first bytes: long probes */
            assert_true(ledger_accounts_put(&accounts, &row));
        }
    }
    assert_int_equal(accounts.count, USERS);
    ledger_accounts_totals(&accounts, &up, &down);
    assert_int_equal(up, 2 * USERS);
    assert_int_equal(down, 3 * USERS);
    pbts_ledger_account row = account_of(9, UINT64_MAX, 0);
    assert_null(ledger_accounts_find(&accounts, row.uid_hash));
    assert_true(ledger_accounts_put(&accounts, &row));
    assert_non_null(ledger_accounts_find(&accounts, row.uid_hash));
    ledger_accounts_totals(&accounts, &up, &down);
    assert_true(up == UINT64_MAX);
    ledger_accounts_deinit(&accounts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_verifies_and_a_damaged_one_does_not),
        cmocka_unit_test(a_store_whose_accounts_disagree_with_the_chain_fails),
        cmocka_unit_test(bad_usage_is_exit_code_2),
        cmocka_unit_test(accounts_keep_the_newest_row_of_each_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
