/* ledger_claims.h - the claims of a store as a signed claims file. */
#ifndef PBTS_APPS_LEDGER_CLAIMS_H
#define PBTS_APPS_LEDGER_CLAIMS_H

#include "keys/tracker_keys.h"
#include "ledger_out.h"
#include "ledger_walk.h"

/* Write all claims that `txn` sees, the predecessor's too, signed for the head that it sees.
 * Returns an exit code, after a message when it is not 0. */
int ledger_claims_write(ledger_out *out, uint64_t *count, pbts_txn *txn,
                        const pbts_bls_secret *secret);

/* A tracker's key and what is made of it; wipe after use. */
typedef struct {
    pbts_key_trk root;
    pbts_tracker_keys keys;
} ledger_key;

/* Read DIR/tracker.key. Exit code as above. */
int ledger_key_read(ledger_key *out, const char *data_directory);
int ledger_key_read_file(ledger_key *out, const char *path);
/* Give a store that is sealed the key to it. Exit code as above. */
int ledger_store_unlock(pbts_store *store, const ledger_key *key);

#endif
