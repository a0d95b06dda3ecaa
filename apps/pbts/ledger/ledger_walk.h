/* ledger_walk.h - what `pbts ledger` subcommands share: the daemon's store, beside the daemon. */
#ifndef PBTS_APPS_LEDGER_WALK_H
#define PBTS_APPS_LEDGER_WALK_H

#include "ledger/ledger.h"

enum { LEDGER_OK = 0, LEDGER_BAD = 1, LEDGER_USAGE = 2, LEDGER_IO = 3 };

/* Say "pbts ledger: what: why" on stderr; returns `code`. */
int ledger_fail(int code, const char *what, const char *why);
int ledger_fail_status(const char *what, pbts_status status);

void ledger_hex(char *out, pbts_span bytes); /* 2 * len + 1 bytes */

bool ledger_has_successor(const pbts_ledger_head *head); /* sealed, and not with zeros */

/* Open DIR/store for reading; NULL after a message. */
pbts_store *ledger_store_open(const char *data_directory);

/* Hand every entry in order to `entry`, then `end` in the transaction that saw the last one. A read
 * transaction keeps the daemon from using old pages again, so it is renewed every few thousand
 * entries; entries never change. Callbacks return an exit code; the first that is not 0 ends the
 * walk. `end` may be NULL. */
typedef struct {
    int (*entry)(void *host, pbts_span bytes);
    int (*end)(void *host, pbts_txn *txn);
    void *host;
} ledger_walker;
int ledger_walk_store(pbts_store *store, const ledger_walker *walker);

#endif
