/* ledger/mirror_accounts.h - what a mirror has of every account, for a mirror that is told
 * differences: after which of its batches, and the values there.
 *
 * Rows in the store, integers big-endian:
 *   META "mirror/place"  u64 sequence, head[32]: the batch after which the mirror has these values
 *   MIRROR_ACCOUNTS      u32 user_no -> uid_hash[32], public key[96], u64 up, u64 down,
 *                        u32 generation
 * Without a place the values say nothing, and are to be read from the mirror again.
 */
#ifndef PBTS_LEDGER_MIRROR_ACCOUNTS_H
#define PBTS_LEDGER_MIRROR_ACCOUNTS_H

#include "bls/bls.h"
#include "store/store.h"

typedef struct {
    uint64_t sequence; /* of the mirror's batch; 0: before the first */
    uint8_t head[32];  /* the hash over all batches up to it */
} pbts_mirror_place;

typedef struct {
    uint8_t uid_hash[32];
    pbts_bls_public public_key;
    uint32_t user_no, generation;
    uint64_t up_bytes, down_bytes;
} pbts_mirror_account;

PBTS_MUST_USE pbts_status pbts_mirror_place_put(pbts_txn *txn, const pbts_mirror_place *place);
/* The mirror is elsewhere, nobody knows where. */
PBTS_MUST_USE pbts_status pbts_mirror_place_forget(pbts_txn *txn);
/* PBTS_NOT_FOUND, PBTS_CORRUPT, store errors. */
PBTS_MUST_USE pbts_status pbts_mirror_place_get(pbts_txn *txn, pbts_mirror_place *out);

PBTS_MUST_USE pbts_status pbts_mirror_account_put(pbts_txn *txn,
                                                  const pbts_mirror_account *account);
/* Up to `max` accounts in the order of user_no, from the one behind `after_no` (0: the first).
 * Fewer than `max`: that was the end. PBTS_CORRUPT, store errors. */
PBTS_MUST_USE pbts_status pbts_mirror_accounts_read(pbts_txn *txn, pbts_mirror_account *accounts,
                                                    size_t *count, size_t max, uint32_t after_no);
PBTS_MUST_USE pbts_status pbts_mirror_accounts_clear(pbts_txn *txn);

#endif
