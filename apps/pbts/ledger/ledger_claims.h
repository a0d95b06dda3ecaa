/* ledger_claims.h - the claims of a store as a signed claims file. */
#ifndef PBTS_APPS_LEDGER_CLAIMS_H
#define PBTS_APPS_LEDGER_CLAIMS_H

#include "ledger_out.h"
#include "ledger_walk.h"

/* Write all claims that `txn` sees, the predecessor's too, signed for the head that it sees.
 * Returns an exit code, after a message when it is not 0. */
int ledger_claims_write(ledger_out *out, uint64_t *count, pbts_txn *txn,
                        const pbts_bls_secret *secret);

/* Read DIR/tracker.key: one line, 64 hex digits. Exit code as above; wipe the secret after use. */
int ledger_key_read(pbts_bls_secret *out, const char *data_directory);
int ledger_key_read_file(pbts_bls_secret *out, const char *path);

#endif
