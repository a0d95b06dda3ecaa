/* ledger/ledger_file.h - a whole export in memory: verified once, then put into a store, as the
 * ledger itself (a restore) or as a predecessor's (a migration). No I/O. Format: ledger.h.
 */
#ifndef PBTS_LEDGER_LEDGER_FILE_H
#define PBTS_LEDGER_LEDGER_FILE_H

#include "ledger/claims_file.h"
#include "ledger/ledger.h"

/* An export of which every entry, hash and signature was verified; borrows its bytes. */
typedef struct {
    pbts_span bytes;
    uint64_t entries, rows;
    pbts_ledger_head head;
    pbts_ledger_params params;
} pbts_ledger_file;

/* PBTS_MALFORMED, PBTS_NEED_MORE (cut short), PBTS_BAD_SIGNATURE, PBTS_NO_MEMORY. On failure
 * `problem`, a static text, and `entry`, the number of the entry where it was seen, are set. */
PBTS_MUST_USE pbts_status pbts_ledger_file_verify(pbts_ledger_file *out, const char **problem,
                                                  uint64_t *entry, pbts_mem *mem, pbts_span bytes);

/* Check a claims file, and that it was exported together with this ledger. As
 * pbts_claims_file_open; and PBTS_MALFORMED for claims of another instance or another moment, or
 * when they say that claims of an epoch after `lost_max_epoch` were lost: whoever takes them over
 * takes no receipt up to it, so a predecessor must not name hours to come. */
PBTS_MUST_USE pbts_status pbts_ledger_file_claims(pbts_claims_file *out, const char **problem,
                                                  const pbts_ledger_file *ledger, pbts_span claims,
                                                  uint64_t lost_max_epoch);

/* Put all entries into a store without a ledger. PBTS_CORRUPT: they are not those that were
 * verified, as somebody changed the bytes since; PBTS_NO_MEMORY; store errors; after a failure
 * abort. */
PBTS_MUST_USE pbts_status pbts_ledger_file_restore(pbts_txn *txn, const pbts_ledger_file *file);
/* Put all accounts as the predecessor's. As pbts_ledger_file_restore and
 * pbts_ledger_referrer_put. */
PBTS_MUST_USE pbts_status pbts_ledger_file_put_referrer(pbts_txn *txn,
                                                        const pbts_ledger_file *file);

#endif
