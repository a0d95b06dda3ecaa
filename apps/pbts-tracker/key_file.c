#include "key_file.h"

#include "base/secret.h"
#include "ledger/ledger.h"
#include "secret_file.h"

static pbts_status has_ledger(struct app *app, bool *out) {
    pbts_ledger_params params;
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, app->store, false));
    pbts_status status = pbts_ledger_params_read(txn, &params);
    pbts_txn_abort(txn);
    *out = status == PBTS_OK;
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

/* A key is made for an empty store only: no other key can go on with a ledger. */
static pbts_status make(struct app *app, pbts_key_trk *out, const char *path) {
    uint8_t line[PBTS_KEY_FILE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(line, sizeof line);
    bool owned = false;
    PBTS_TRY(has_ledger(app, &owned));
    if (owned)
        return secret_file_give_up(
            app, "key_missing", path,
            "the ledger in store/ belongs to this key, and no other can sign for it: put "
            "tracker.key back from the backup; nothing was changed");
    PBTS_TRY(pbts_random_fill(pbts_random_system(), out->bytes, sizeof out->bytes));
    out->version = PBTS_KEYS_V2;
    pbts_key_trk_format(&writer, out);
    pbts_status status = secret_file_write(app, path, pbts_writer_span(&writer));
    pbts_wipe(line, sizeof line);
    return status;
}

pbts_status key_file_fetch(struct app *app, pbts_key_trk *out,
                           char problem[static KEY_SOURCE_PROBLEM_MAX]) {
    char path[CONFIG_TEXT_MAX + 32];
    uint8_t line[PBTS_KEY_FILE_LEN_MAX];
    size_t len;
    (void)problem; /* a file is there or not: waiting does not help */
    secret_file_path(app, path, KEY_FILE_NAME);
    pbts_status status = secret_file_read(app, line, &len, sizeof line, path);
    if (status == PBTS_NOT_FOUND) return make(app, out, path);
    if (status != PBTS_OK) return status;
    status = pbts_key_trk_parse(out, (pbts_span){ line, len });
    pbts_wipe(line, sizeof line);
    if (status == PBTS_OK) return PBTS_OK;
    return secret_file_give_up(app, "data_failed", path,
                               "is no tracker key: one line, pbts-tracker-key2 and 64 hex digits, "
                               "or 64 hex digits of a BLS key");
}
