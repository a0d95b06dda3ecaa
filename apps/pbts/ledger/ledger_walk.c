/* ledger_walk.c - entries of the daemon's store, in order. */
#include "ledger_walk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ENTRIES_PER_TRANSACTION = 4096 };

int ledger_fail(int code, const char *what, const char *why) {
    (void)fprintf(stderr, "pbts ledger: %s: %s\n", what, why);
    return code;
}

int ledger_fail_status(const char *what, pbts_status status) {
    const char *why = status == PBTS_IO ? strerror(errno) : pbts_status_text(status);
    return ledger_fail(status == PBTS_CORRUPT ? LEDGER_BAD : LEDGER_IO, what, why);
}

void ledger_hex(char *out, pbts_span bytes) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        *out++ = digits[bytes.data[i] >> 4];
        *out++ = digits[bytes.data[i] & 15];
    }
    *out = 0;
}

bool ledger_has_successor(const pbts_ledger_head *head) {
    static const uint8_t none[sizeof head->successor_iid];
    return head->sealed && memcmp(head->successor_iid, none, sizeof none) != 0;
}

pbts_store *ledger_store_open(const char *data_directory) {
    char path[4096];
    pbts_store *store = NULL;
    pbts_store_config config = { .read_only = true };
    int len = snprintf(path, sizeof path, "%s/store", data_directory);
    if (len < 0 || (size_t)len >= sizeof path) {
        (void)ledger_fail(LEDGER_IO, data_directory, "the path is too long");
        return NULL;
    }
    pbts_status status = pbts_store_open(&store, path, &config);
    if (status == PBTS_OK) return store;
    if (status == PBTS_NOT_FOUND)
        (void)ledger_fail(LEDGER_IO, path, "no store here; --data takes the daemon's data folder");
    else
        (void)ledger_fail_status(path, status);
    return NULL;
}

/* Entries from `*next` on, at most ENTRIES_PER_TRANSACTION; `*ended` when there was no more. */
static int walk_part(pbts_txn *txn, const ledger_walker *walker, uint64_t *next, bool *ended) {
    uint8_t from[8];
    pbts_span none = { NULL, 0 }, key, value;
    pbts_rows *rows;
    for (int i = 0; i < 8; i++) from[i] = (uint8_t)(*next >> (56 - 8 * i));
    pbts_status status = pbts_rows_open(&rows, txn, PBTS_TABLE_LEDGER, PBTS_SPAN_OF(from), none);
    if (status != PBTS_OK) return ledger_fail_status("store", status);
    int code = LEDGER_OK;
    size_t seen = 0;
    *ended = false;
    while (code == LEDGER_OK && seen < ENTRIES_PER_TRANSACTION && !*ended) {
        if (pbts_rows_next(rows, &key, &value)) {
            code = walker->entry(walker->host, value);
            seen++;
        } else {
            *ended = true;
        }
    }
    status = pbts_rows_status(rows);
    pbts_rows_close(rows);
    *next += seen;
    if (code == LEDGER_OK && status != PBTS_OK) code = ledger_fail_status("store", status);
    return code;
}

int ledger_walk_store(pbts_store *store, const ledger_walker *walker) {
    uint64_t next = 0;
    bool ended = false;
    int code = LEDGER_OK;
    while (code == LEDGER_OK && !ended) {
        pbts_txn *txn;
        pbts_status status = pbts_txn_begin(&txn, store, false);
        if (status != PBTS_OK) return ledger_fail_status("store", status);
        code = walk_part(txn, walker, &next, &ended);
        if (code == LEDGER_OK && ended && walker->end != NULL)
            code = walker->end(walker->host, txn);
        pbts_txn_abort(txn);
    }
    return code;
}
