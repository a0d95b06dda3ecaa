#include "referrer.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENTRY_MAX = 4 * 1024 * 1024 }; /* 10,000 rows are 1.2 MB */

struct import {
    struct app *app;
    pbts_txn *txn;
    pbts_ledger_verifier *verifier;
    FILE *file;
    uint8_t *entry; /* ENTRY_MAX bytes */
    uint64_t entries, accounts;
    const char *problem;
};

/* The next entry of the file; len 0 at its end. */
static pbts_status next_entry(struct import *import, size_t *len) {
    uint8_t head[4];
    uint32_t size;
    size_t got = fread(head, 1, sizeof head, import->file);
    *len = 0;
    if (got == 0 && feof(import->file)) return PBTS_OK;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ head, got });
    import->problem = "the file ends inside an entry, or an entry is too long";
    if (pbts_read_u32(&cursor, &size) != PBTS_OK || size == 0 || size > ENTRY_MAX ||
        fread(import->entry, 1, size, import->file) != size)
        return PBTS_MALFORMED;
    *len = size;
    return PBTS_OK;
}

/* Values are absolute: a later row of an account replaces the earlier one. */
static pbts_status put_rows(struct import *import, pbts_span entry) {
    pbts_cursor rows;
    uint32_t count;
    PBTS_TRY(pbts_ledger_entry_rows(entry, &rows, &count));
    for (uint32_t i = 0; i < count; i++) {
        pbts_ledger_account row;
        PBTS_TRY(pbts_ledger_row_decode(&row, &rows));
        PBTS_TRY(pbts_ledger_referrer_put(import->txn, &row));
        import->accounts++;
    }
    return PBTS_OK;
}

static pbts_status read_all(struct import *import, pbts_predecessor *predecessor) {
    char magic[sizeof PBTS_LEDGER_FILE_MAGIC - 1];
    pbts_ledger_head head;
    pbts_ledger_params params;
    size_t len;
    import->problem = "it is no ledger export (pbts ledger export makes one)";
    if (fread(magic, 1, sizeof magic, import->file) != sizeof magic ||
        memcmp(magic, PBTS_LEDGER_FILE_MAGIC, sizeof magic) != 0)
        return PBTS_MALFORMED;
    for (;; import->entries++) {
        PBTS_TRY(next_entry(import, &len));
        if (len == 0) break;
        pbts_span entry = { import->entry, len };
        PBTS_TRY(pbts_ledger_verifier_add(import->verifier, &import->problem, entry));
        import->problem = "its rows could not be stored";
        PBTS_TRY(put_rows(import, entry));
    }
    PBTS_TRY(pbts_ledger_verifier_finish(import->verifier, &import->problem, &head, &params));
    *predecessor = (pbts_predecessor){ .last_epoch = head.epoch, .sealed = head.sealed };
    memcpy(predecessor->iid, params.iid, sizeof predecessor->iid);
    return PBTS_OK;
}

/* Check the export and put its accounts; the predecessor comes out. */
static pbts_status import_file(struct app *app, pbts_txn *txn, pbts_predecessor *predecessor) {
    struct import import = { .app = app, .txn = txn, .problem = "it cannot be opened" };
    pbts_status status = PBTS_NO_MEMORY;
    import.file = fopen(app->config.referrer, "re");
    import.entry = malloc(ENTRY_MAX);
    if (import.file == NULL)
        status = PBTS_IO;
    else if (import.entry != NULL)
        status = pbts_ledger_verifier_new(&import.verifier, pbts_mem_system());
    if (status == PBTS_OK) status = read_all(&import, predecessor);
    if (status == PBTS_OK)
        LOG(&app->log, LOG_INFO, "referrer", LOG_UINT("entries", import.entries),
            LOG_UINT("rows", import.accounts), LOG_UINT("last_epoch", predecessor->last_epoch),
            LOG_TEXT("sealed", predecessor->sealed ? "yes" : "no"));
    else
        LOG(&app->log, LOG_ERROR, "referrer_failed", LOG_TEXT("file", app->config.referrer),
            LOG_UINT("entry", import.entries), LOG_TEXT("reason", import.problem));
    pbts_ledger_verifier_free(import.verifier);
    free(import.entry);
    if (import.file != NULL) fclose(import.file);
    return status;
}

pbts_status referrer_setup(struct app *app, const pbts_tracker_config *config) {
    pbts_predecessor predecessor;
    bool has = app->config.referrer[0] != '\0';
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, app->store, true));
    pbts_status status = has ? import_file(app, txn, &predecessor) : PBTS_OK;
    if (status == PBTS_OK)
        status = pbts_tracker_setup(txn, config, has ? &predecessor : NULL, app_now());
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}
