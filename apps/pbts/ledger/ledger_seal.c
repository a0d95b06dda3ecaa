/* ledger_seal.c - `pbts ledger seal`: write the last entry of a stopped tracker's ledger. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/secret.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "ledger_claims.h"
#include "ledger_commands.h"
#include "options.h"
#include "say.h"

typedef struct {
    const char *data, *successor;
    bool yes, json;
    uint8_t successor_iid[32]; /* zeros: none is named */
    ledger_key key;
    pbts_ledger_params params; /* its attestation is not looked at */
    pbts_ledger_head head;
    uint64_t held_bytes;
} sealing;

/* ---- looking ---- */

static int read_successor(sealing *s) {
    if (strcmp(s->successor, "none") == 0) return PBTS_EXIT_OK;
    if (pbts_hex_decode_exact(s->successor_iid, sizeof s->successor_iid,
                              pbts_span_text(s->successor)) == PBTS_OK) {
        return PBTS_EXIT_OK;
    }
    return say_fail(PBTS_EXIT_USAGE,
                    "--successor %s: should be the 64 hexadecimal digits of an instance, or none",
                    s->successor);
}

/* Credit that waits for a receiver's ratio stands in no ledger entry. HELD: value u32 sender,
 * u64 bytes. */
static pbts_status sum_held(uint64_t *sum, pbts_txn *txn) {
    pbts_span none = { NULL, 0 }, key, value;
    pbts_rows *rows;
    uint32_t sender;
    uint64_t bytes;
    *sum = 0;
    PBTS_TRY(pbts_rows_open(&rows, txn, PBTS_TABLE_HELD, none, none));
    pbts_status status = PBTS_OK;
    while (status == PBTS_OK && pbts_rows_next(rows, &key, &value)) {
        pbts_cursor row = pbts_cursor_over(value);
        status = pbts_read_u32(&row, &sender);
        if (status == PBTS_OK) status = pbts_read_u64(&row, &bytes);
        if (status == PBTS_OK) *sum += bytes;
    }
    if (status == PBTS_OK) status = pbts_rows_status(rows);
    pbts_rows_close(rows);
    return status == PBTS_NEED_MORE ? PBTS_CORRUPT : status;
}

static bool is_ours(const sealing *s) {
    pbts_bls_public own;
    pbts_bls_public_of(&own, &s->key.keys.owner);
    return memcmp(own.bytes, s->params.owner.bytes, sizeof own.bytes) == 0;
}

static pbts_status unlocked_sum(sealing *s, pbts_store *store, pbts_txn *txn) {
    if (pbts_store_is_sealed(store)) PBTS_TRY(pbts_store_unlock(store, s->key.keys.store));
    return sum_held(&s->held_bytes, txn);
}

static pbts_status look(sealing *s, pbts_store *store) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, store, false));
    pbts_status status = pbts_ledger_params_read(txn, &s->params);
    if (status == PBTS_OK) status = pbts_ledger_head_read(txn, &s->head);
    if (status == PBTS_OK && is_ours(s)) status = unlocked_sum(s, store, txn);
    s->params.attestation = (pbts_span){ NULL, 0 };
    pbts_txn_abort(txn);
    return status;
}

static int read_ledger(sealing *s) {
    pbts_store *store = ledger_store_open(s->data);
    if (store == NULL) return PBTS_EXIT_IO;
    pbts_status status = look(s, store);
    pbts_store_close(store);
    if (status == PBTS_NOT_FOUND) {
        return say_fail(PBTS_EXIT_IO, "%s: there is no ledger yet", s->data);
    }
    return status == PBTS_OK ? PBTS_EXIT_OK : ledger_fail_status(s->data, status);
}

/* Whether this ledger can be sealed, by us, for that successor. */
static int check(const sealing *s) {
    if (s->head.sealed) return say_fail(PBTS_EXIT_REFUSED, "%s: is sealed already", s->data);
    if (!is_ours(s)) {
        return say_fail(PBTS_EXIT_REFUSED, "%s/tracker.key: is not the key of the ledger's owner",
                        s->data);
    }
    if (memcmp(s->successor_iid, s->params.iid, sizeof s->params.iid) == 0) {
        return say_fail(PBTS_EXIT_USAGE, "--successor %s: is this instance itself", s->successor);
    }
    return PBTS_EXIT_OK;
}

/* ---- sealing ---- */

static pbts_status write_seal(sealing *s, pbts_store *store) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, store, true));
    pbts_status status =
        pbts_ledger_seal(txn, s->successor_iid, &s->key.keys.owner, (uint64_t)time(NULL));
    if (status == PBTS_OK) status = pbts_ledger_head_read(txn, &s->head);
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

/* Room for what is there and for the entry, also in a store that the tracker filled. */
static uint64_t store_room(const char *store_path) {
    char path[4096];
    struct stat info;
    uint64_t room = UINT64_C(1) << 30;
    int len = snprintf(path, sizeof path, "%s/data.mdb", store_path);
    if (len < 0 || (size_t)len >= sizeof path || stat(path, &info) != 0) return room;
    return room + 2 * (uint64_t)info.st_size;
}

static int seal(sealing *s) {
    char path[4096];
    pbts_store *store = NULL;
    int len = snprintf(path, sizeof path, "%s/store", s->data);
    if (len < 0 || (size_t)len >= sizeof path) return PBTS_EXIT_IO; /* it was opened before */
    pbts_store_config config = { .size_max_bytes = store_room(path) };
    pbts_status status = pbts_store_open(&store, path, &config);
    if (status == PBTS_DENIED) {
        return say_fail(PBTS_EXIT_IO, "%s: the tracker is running; stop it first", s->data);
    }
    if (status == PBTS_OK) status = write_seal(s, store);
    pbts_store_close(store);
    return status == PBTS_OK ? PBTS_EXIT_OK : ledger_fail_status(s->data, status);
}

/* ---- what it says ---- */

static void print_before(const sealing *s) {
    char iid[65];
    ledger_hex(iid, PBTS_SPAN_OF(s->params.iid));
    (void)fprintf(stderr, "instance   %s, %s\n", iid, say_count(s->head.sequence + 1, "entry"));
    (void)fprintf(stderr, "successor  %s\n", s->successor);
    if (s->held_bytes == 0) return;
    (void)fprintf(stderr, "held       %s are in no ledger entry; nobody gets them after this\n",
                  say_bytes(s->held_bytes));
}

static int print_after(const sealing *s) {
    char iid[65], hash[65], successor[65];
    ledger_hex(iid, PBTS_SPAN_OF(s->params.iid));
    ledger_hex(hash, PBTS_SPAN_OF(s->head.head_hash));
    ledger_hex(successor, PBTS_SPAN_OF(s->successor_iid));
    if (s->json) {
        const char *named = ledger_has_successor(&s->head) ? successor : NULL;
        return say_json(json_pack("{s:b, s:s, s:s?, s:I, s:s, s:I}", "sealed", 1, "iid", iid,
                                  "successor", named, "sequence", (json_int_t)s->head.sequence,
                                  "head", hash, "held_bytes", (json_int_t)s->held_bytes));
    }
    (void)printf("sealed     entry %" PRIu64 " is the last\nhead       %s\n", s->head.sequence,
                 hash);
    (void)printf("now\n  pbts ledger export --data %s --out ledger.bin --claims claims.bin\n"
                 "  pbts-tracker --data NEW --referrer ledger.bin --referrer-claims claims.bin\n",
                 s->data);
    return PBTS_EXIT_OK;
}

static int seal_if_sure(sealing *s) {
    int code = read_ledger(s);
    if (code == PBTS_EXIT_OK) code = check(s);
    if (code != PBTS_EXIT_OK) return code;
    if (!s->yes) {
        print_before(s);
        return say_fail(PBTS_EXIT_USAGE, "nothing was done; a seal cannot be taken back: say --yes "
                                         "when you are sure");
    }
    code = seal(s);
    return code == PBTS_EXIT_OK ? print_after(s) : code;
}

int pbts_cmd_ledger_seal(int argc, char **argv) {
    sealing s = { .data = NULL };
    const command_option options[] = {
        { "data", "DIR", &s.data, NULL, true,
          "the data folder of the tracker, which must be stopped" },
        { "successor", "IID", &s.successor, NULL, true,
          "the instance that takes over (\"iid\" of its /params), or none: it\nis not there yet" },
        { "yes", NULL, NULL, &s.yes, false, "do it; without this it only says what it would do" },
        OPTION_JSON(&s.json),
    };
    const command_spec spec = {
        "ledger seal",
        "",
        "End the ledger of a stopped tracker for good: its last entry is written, signed with the "
        "key\n"
        "in DIR. The tracker still answers, and credits nothing any more. A successor that is set "
        "up\n"
        "from an export made after the seal takes the receipts that were not reported here at "
        "once,\n"
        "not after a day of silence. Credit that is still held then belongs to nobody.\n",
        "  pbts ledger seal --data ./data --successor none --yes\n"
        "  pbts ledger export --data ./data --out ledger.bin --claims claims.bin\n"
        "  pbts-tracker --data ./new --referrer ledger.bin --referrer-claims claims.bin\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = read_successor(&s);
    if (code == PBTS_EXIT_OK) code = ledger_key_read(&s.key, s.data);
    if (code == PBTS_EXIT_OK) code = seal_if_sure(&s);
    pbts_wipe(&s.key, sizeof s.key);
    return code;
}
