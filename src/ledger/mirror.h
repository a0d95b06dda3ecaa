/* ledger/mirror.h - another ledger that follows this one: which accounts it has not got yet.
 *
 * The local ledger is what a 2xx answer rests on; a contract elsewhere is brought to the same
 * values later, in batches, as often as it takes. So each change marks its account in the same
 * transaction, and the mark goes when the other ledger is proved to have the account's values of
 * that time and the account still has them. Marks are only kept by instances that have a mirror.
 *
 * Rows in the store, integers big-endian:
 *   MIRROR        uid_hash[32] -> u8 present, u64 registered at, u64 written at (batch sequences)
 *   MIRROR_MARKS  uid_hash[32] -> u8 reason: 0, or why it was set aside
 */
#ifndef PBTS_LEDGER_MIRROR_H
#define PBTS_LEDGER_MIRROR_H

#include "ledger/ledger.h"

typedef struct {
    pbts_ledger_account account; /* as the local ledger has it now */
    bool present;                /* the mirror has the user, with older values */
    uint8_t aside; /* 0: to be written; else the reason given to pbts_mirror_set_aside */
} pbts_mirror_row;

/* The account changed, or is new. Also takes back that it was set aside. Store errors. */
PBTS_MUST_USE pbts_status pbts_mirror_mark(pbts_txn *txn, const uint8_t uid_hash[static 32]);
/* When an instance is set up from its mirror: the mirror has the user, with these values. */
PBTS_MUST_USE pbts_status pbts_mirror_has(pbts_txn *txn, const uint8_t uid_hash[static 32]);
/* Up to `max` marked accounts, in the order of uid_hash, from the one behind `after` (NULL: from
 * the first). Fewer than `max`: that was the end. PBTS_CORRUPT, store errors. */
PBTS_MUST_USE pbts_status pbts_mirror_marked(pbts_txn *txn, pbts_mirror_row *rows, size_t *count,
                                             size_t max, const uint8_t *after);

/* How many are marked. Store errors. */
PBTS_MUST_USE pbts_status pbts_mirror_count(pbts_txn *txn, uint64_t *out);

/* The mirror was proved to have these users since its batch `sequence`: registered, with whatever
 * values. They stay marked. */
PBTS_MUST_USE pbts_status pbts_mirror_registered(pbts_txn *txn, const uint8_t uid_hash[static 32],
                                                 uint64_t sequence);
/* It turned out not to have the user. */
PBTS_MUST_USE pbts_status pbts_mirror_absent(pbts_txn *txn, const uint8_t uid_hash[static 32]);
/* The mirror was proved to have these values since its batch `sequence`. The mark goes if they are
 * still the account's. */
PBTS_MUST_USE pbts_status pbts_mirror_written(pbts_txn *txn, const pbts_ledger_account *account,
                                              uint64_t sequence);
/* It cannot be written; `reason` is not 0. Marked, but to be passed over until it changes. No mark:
 * nothing happens. */
PBTS_MUST_USE pbts_status pbts_mirror_set_aside(pbts_txn *txn, const uint8_t uid_hash[static 32],
                                                uint8_t reason);
/* Who was set aside is to be written again. Store errors. */
PBTS_MUST_USE pbts_status pbts_mirror_retry(pbts_txn *txn);
/* The mirror lost all batches after `sequence`. */
PBTS_MUST_USE pbts_status pbts_mirror_rewound(pbts_txn *txn, uint64_t sequence);

#endif
