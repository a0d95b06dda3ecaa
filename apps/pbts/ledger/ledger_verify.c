/* ledger_verify.c - `pbts ledger verify`: check a whole chain, from an export or a store. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codec/text.h"
#include "ledger_accounts.h"
#include "ledger_chain.h"
#include "ledger_commands.h"
#include "ledger_walk.h"
#include "options.h"
#include "say.h"

typedef struct {
    const char *file, *data;
    pbts_bls_public owner;
    bool has_owner, json, progress;
} verify_options;

typedef struct {
    const verify_options *options;
    pbts_ledger_verifier *verifier;
    ledger_accounts accounts;
    uint64_t entries, rows;
    struct timespec begun, said;
    char error[256]; /* why verification failed */
} verification;

static double seconds_between(const struct timespec *from, const struct timespec *to) {
    return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

static void say_progress(verification *v) {
    struct timespec now;
    if (v->entries % 256 != 0 || !v->options->progress) return;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return;
    if (seconds_between(&v->begun, &now) < 1 || seconds_between(&v->said, &now) < 0.5) return;
    v->said = now;
    (void)fprintf(stderr, "\rverified %s", say_count(v->entries, "entry"));
}

static void say_progress_end(const verification *v) {
    if (v->said.tv_sec != 0) (void)fprintf(stderr, "\n");
}

static int failed(verification *v, const char *problem) {
    (void)snprintf(v->error, sizeof v->error, "entry %" PRIu64 ": %s", v->entries, problem);
    return LEDGER_BAD;
}

static int take_entry(void *host, pbts_span bytes) {
    verification *v = host;
    const char *problem = "";
    pbts_cursor rows;
    uint32_t count;
    pbts_ledger_account row;
    pbts_status status = pbts_ledger_verifier_add(v->verifier, &problem, bytes);
    if (status == PBTS_NO_MEMORY) return ledger_fail_status("verify", status);
    if (status != PBTS_OK) return failed(v, problem);
    if (pbts_ledger_entry_rows(bytes, &rows, &count) != PBTS_OK) return failed(v, "no rows");
    v->rows += count;
    while (pbts_ledger_row_decode(&row, &rows) == PBTS_OK)
        if (!ledger_accounts_put(&v->accounts, &row))
            return ledger_fail_status("verify", PBTS_NO_MEMORY);
    v->entries++;
    say_progress(v);
    return LEDGER_OK;
}

static bool same_account(const pbts_ledger_account *a, const pbts_ledger_account *b) {
    return memcmp(a->uid_hash, b->uid_hash, 32) == 0 && memcmp(a->key_hash, b->key_hash, 32) == 0 &&
           a->up_bytes == b->up_bytes && a->down_bytes == b->down_bytes &&
           a->generation == b->generation && a->user_no == b->user_no;
}

/* The accounts of the store are what the chain says, no more and no less. */
static int compare_accounts(void *host, pbts_txn *txn) {
    verification *v = host;
    pbts_span none = { NULL, 0 }, key, value;
    pbts_rows *rows;
    size_t same = 0, seen = 0;
    pbts_status status = pbts_rows_open(&rows, txn, PBTS_TABLE_ACCOUNTS, none, none);
    if (status != PBTS_OK) return ledger_fail_status("store", status);
    for (; pbts_rows_next(rows, &key, &value); seen++) {
        pbts_ledger_account row;
        pbts_cursor cursor = pbts_cursor_over(value);
        if (pbts_ledger_row_decode(&row, &cursor) != PBTS_OK) continue;
        const pbts_ledger_account *want = ledger_accounts_find(&v->accounts, row.uid_hash);
        if (want != NULL && same_account(want, &row)) same++;
    }
    status = pbts_rows_status(rows);
    pbts_rows_close(rows);
    if (status != PBTS_OK) return ledger_fail_status("store", status);
    if (same == seen && seen == v->accounts.count) return LEDGER_OK;
    (void)snprintf(v->error, sizeof v->error,
                   "the chain gives %zu accounts, the store has %zu of which %zu agree",
                   v->accounts.count, seen, same);
    return LEDGER_BAD;
}

static int walk_bytes(verification *v, pbts_span bytes) {
    pbts_cursor file;
    pbts_span entry;
    if (pbts_ledger_file_open(&file, bytes) != PBTS_OK) {
        (void)snprintf(v->error, sizeof v->error, "this is no ledger export");
        return LEDGER_BAD;
    }
    pbts_status status = PBTS_OK;
    while ((status = pbts_ledger_file_next(&file, &entry)) == PBTS_OK) {
        int code = take_entry(v, entry);
        if (code != LEDGER_OK) return code;
    }
    if (status == PBTS_NOT_FOUND) return LEDGER_OK;
    return failed(v, status == PBTS_NEED_MORE ? "the file is cut short" : "impossible length");
}

static int walk_file(verification *v, const char *path) {
    ledger_map map;
    int code = ledger_map_open(&map, path);
    if (code != LEDGER_OK) return code;
    code = walk_bytes(v, map.bytes);
    ledger_map_close(&map);
    return code;
}

static int walk_store(verification *v, const char *data_directory) {
    pbts_store *store = ledger_store_open(data_directory);
    if (store == NULL) return LEDGER_IO;
    ledger_walker walker = { .entry = take_entry, .end = compare_accounts, .host = v };
    int code = ledger_walk_store(store, &walker);
    pbts_store_close(store);
    return code;
}

/* --- what it says ------------------------------------------------------------------------ */

static void print_json(const verification *v, const pbts_ledger_head *head,
                       const pbts_ledger_params *params) {
    char iid[65], owner[193], hash[65], other[65];
    uint64_t up, down;
    ledger_hex(iid, PBTS_SPAN_OF(params->iid));
    ledger_hex(owner, PBTS_SPAN_OF(params->owner.bytes));
    ledger_hex(hash, PBTS_SPAN_OF(head->head_hash));
    ledger_accounts_totals(&v->accounts, &up, &down);
    json_t *out = json_pack(
        "{s:b, s:s, s:s, s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "verified", 1,
        "iid", iid, "owner", owner, "entries", (json_int_t)v->entries, "rows", (json_int_t)v->rows,
        "accounts", (json_int_t)v->accounts.count, "head", hash, "sequence",
        (json_int_t)head->sequence, "unix_time", (json_int_t)head->unix_time, "epoch",
        (json_int_t)head->epoch, "up_bytes", (json_int_t)up, "down_bytes", (json_int_t)down,
        "sealed", head->sealed, "owner_checked", v->options->has_owner);
    if (out == NULL) return;
    if (head->sealed) {
        ledger_hex(other, PBTS_SPAN_OF(head->successor_iid));
        bool named = ledger_has_successor(head);
        (void)json_object_set_new(out, "successor", named ? json_string(other) : json_null());
    }
    if (params->has_referrer) {
        ledger_hex(other, PBTS_SPAN_OF(params->referrer_iid));
        (void)json_object_set_new(out, "referrer", json_string(other));
    }
    (void)json_dumpf(out, stdout, JSON_INDENT(2));
    (void)printf("\n");
    json_decref(out);
}

static void print_text(const verification *v, const pbts_ledger_head *head,
                       const pbts_ledger_params *params) {
    char hex[193];
    uint64_t up, down;
    ledger_accounts_totals(&v->accounts, &up, &down);
    ledger_hex(hex, PBTS_SPAN_OF(params->iid));
    (void)printf("instance  %s\n", hex);
    ledger_hex(hex, PBTS_SPAN_OF(params->owner.bytes));
    (void)printf("owner     %s (%s)\n", hex,
                 v->options->has_owner ? "as asked for" : "as the ledger says: compare it");
    ledger_hex(hex, PBTS_SPAN_OF(head->head_hash));
    (void)printf("head      %s\n", hex);
    (void)printf("entries   %" PRIu64 ", %s\n", v->entries, say_count(v->rows, "row"));
    (void)printf("last      %s, epoch %" PRIu64 "\n", say_time(head->unix_time), head->epoch);
    (void)printf("accounts  %zu\n", v->accounts.count);
    (void)printf("up        %s\ndown      %s\n", say_count(up, "byte"), say_count(down, "byte"));
    if (params->has_referrer) {
        ledger_hex(hex, PBTS_SPAN_OF(params->referrer_iid));
        (void)printf("referrer  %s\n", hex);
    }
    if (head->sealed) {
        ledger_hex(hex, PBTS_SPAN_OF(head->successor_iid));
        (void)printf("sealed    successor %s\n", ledger_has_successor(head) ? hex : "not named");
    }
    (void)printf("ok: every entry, hash and signature verifies\n");
}

static int print_failure(const verification *v) {
    if (v->error[0] == 0) return LEDGER_BAD; /* said already */
    if (v->options->json) {
        json_t *out = json_pack("{s:b, s:I, s:s}", "verified", 0, "entries", (json_int_t)v->entries,
                                "error", v->error);
        if (out != NULL) (void)json_dumpf(out, stdout, JSON_INDENT(2));
        (void)printf("\n");
        json_decref(out);
    }
    return ledger_fail(LEDGER_BAD, "verification failed", v->error);
}

static int conclude(verification *v) {
    const char *problem = "";
    pbts_ledger_head head;
    pbts_ledger_params params;
    pbts_status status = pbts_ledger_verifier_finish(v->verifier, &problem, &head, &params);
    if (status != PBTS_OK) {
        (void)snprintf(v->error, sizeof v->error, "%s", problem);
        return LEDGER_BAD;
    }
    const verify_options *options = v->options;
    if (options->has_owner && memcmp(options->owner.bytes, params.owner.bytes, 96) != 0) {
        (void)snprintf(v->error, sizeof v->error, "the ledger has another owner");
        return LEDGER_BAD;
    }
    (options->json ? print_json : print_text)(v, &head, &params);
    if (fflush(stdout) != 0) return ledger_fail(LEDGER_IO, "output", strerror(errno));
    return LEDGER_OK;
}

static int verify(const verify_options *options) {
    verification v = { .options = options };
    if (pbts_ledger_verifier_new(&v.verifier, pbts_mem_system()) != PBTS_OK)
        return ledger_fail_status("verify", PBTS_NO_MEMORY);
    (void)clock_gettime(CLOCK_MONOTONIC, &v.begun);
    int code = options->file ? walk_file(&v, options->file) : walk_store(&v, options->data);
    say_progress_end(&v);
    if (code == LEDGER_OK) code = conclude(&v);
    if (code == LEDGER_BAD) code = print_failure(&v);
    ledger_accounts_deinit(&v.accounts);
    pbts_ledger_verifier_free(v.verifier);
    return code;
}

static int read_owner(verify_options *options, const char *text) {
    if (text == NULL) return LEDGER_OK;
    options->has_owner = true;
    if (pbts_hex_decode_exact(options->owner.bytes, 96, pbts_span_text(text)) == PBTS_OK)
        return LEDGER_OK;
    return say_fail(LEDGER_USAGE, "--owner %s: should be 192 hexadecimal digits", text);
}

int pbts_cmd_ledger_verify(int argc, char **argv) {
    verify_options all = { .progress = isatty(STDERR_FILENO) == 1 };
    const char *owner = NULL;
    const command_option options[] = {
        { "data", "DIR", &all.data, NULL, false, "a tracker's data folder, instead of FILE" },
        { "owner", "KEYHEX", &owner, NULL, false,
          "the tracker's public key (192 hexadecimal digits); another owner is a failure" },
        OPTION_JSON(&all.json),
        OPTION_PROGRESS(&all.progress),
    };
    const command_spec spec = {
        "ledger verify",
        " FILE | --data DIR",
        "Check every entry of a ledger from the first to the last: its form, the chain of hashes, "
        "its\n"
        "time and the owner's signature; then say what it holds. FILE is an export, DIR the data\n"
        "folder of a tracker, which may be running; there the accounts are compared with the "
        "chain,\n"
        "too. A chain cannot show that its newest entries were left out: compare the head's "
        "hash.\n",
        "  pbts ledger verify ledger.bin --owner 8f3c...\n"
        "  pbts ledger verify --data ./data --json\n",
        options,
        sizeof options / sizeof options[0],
        0,
        1
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    all.file = arguments[0];
    if ((all.file == NULL) == (all.data == NULL))
        return say_fail(LEDGER_USAGE, "ledger verify: either FILE or --data DIR is needed; see "
                                      "\"pbts ledger verify --help\"");
    code = read_owner(&all, owner);
    return code == LEDGER_OK ? verify(&all) : code;
}
