/* tracker/commit_state.h - one group commit in the making. Private to tracker/.
 *
 * Everything a commit changes lives in its store transaction and in copies of the touched
 * balances; memory that others see changes only after the store has committed.
 */
#ifndef PBTS_TRACKER_COMMIT_STATE_H
#define PBTS_TRACKER_COMMIT_STATE_H

#include "tracker/checked_report.h"
#include "tracker/number_map.h"

typedef struct {
    uint32_t user_no;
    pbts_balance balance;
    bool is_new;         /* an account that the ledger does not have yet */
    bool keyless;        /* its key is not here: another ledger cannot take it (yet) */
    pbts_balance before; /* rows are written only for what differs */
    uint8_t uid_hash[PBTS_UID_HASH_LEN], key_hash[32]; /* for the ledger row */
} pbts_touched;

/* HELD rows, or parts of one, that one operation releases at most. Two whose debts pay each other
 * off a byte at a time would go on for ever, and everybody in the commit waits for it: a report
 * does what its signatures cost to check. */
enum { PBTS_RELEASE_STEPS_OF_REPORT = 1000, PBTS_RELEASE_STEPS_OF_ADMIN = 100000 };

struct pbts_commit {
    pbts_tracker *tracker;
    pbts_txn *txn;
    pbts_now now;
    pbts_policy policy; /* one policy for the whole commit */
    pbts_touched *touched;
    size_t touched_count, touched_capacity;
    pbts_number_map touched_map; /* user number -> index in touched */
    uint32_t users, torrents;    /* highest numbers, new ones included */
    uint32_t *new_torrents;      /* numbers */
    size_t new_torrent_count, new_torrent_capacity;
    uint64_t held_order, held_order_first; /* of the next HELD row; ascends over all commits */
    uint64_t credited_bytes;
    int64_t held_change_bytes;
    uint32_t claims_from_period;     /* published with the rest */
    uint64_t counted_epoch;          /* the latest of a receipt that counted, here or before */
    uint32_t release_steps_left;     /* HELD rows that this operation may still release */
    pbts_swarm_downloads *downloads; /* counts that the store gets; NULL: none */
    size_t download_count;
};

/* The index of a user among the touched; loads the balance at first touch. NOT_FOUND, store errors.
 */
PBTS_MUST_USE pbts_status pbts_commit_touch(pbts_commit *commit, size_t *index, uint32_t user_no);
/* Add a new user's balance. */
PBTS_MUST_USE pbts_status pbts_commit_touch_new(pbts_commit *commit, const pbts_touched *touched);

/* As pbts_refusal_of_status, for an operation that has changed something already: its failure is
 * never one that the commit survives. */
pbts_refusal pbts_commit_refusal(pbts_status status);

/* Credit `bytes` that `sender` served and `receiver` signed for (rules 5 and 6). NONE, TOTALS_FULL,
 * or a resource refusal. */
pbts_refusal pbts_commit_credit(pbts_commit *commit, pbts_verdict *verdict, uint32_t receiver_no,
                                uint32_t sender_no, uint64_t bytes);
/* Release what the user's recovered balance allows of the credit it holds back, and what follows
 * from that. */
PBTS_MUST_USE pbts_status pbts_commit_release_held(pbts_commit *commit, uint32_t user_no);

/* Claims lie in the store in parts of PBTS_CLAIMS_PART_PIECES pieces, and a statement reads and
 * writes only those that it names: what it costs follows from what it says, not from how large the
 * torrent is. */
typedef struct {
    uint16_t number;
    uint16_t len;                            /* bytes */
    uint8_t claimed[PBTS_CLAIMS_BITMAP_MAX]; /* with the fresh ones */
} pbts_claim_part;

typedef struct {
    uint8_t key[16];        /* of its rows, without the part */
    pbts_claim_part *parts; /* those that have something fresh */
    size_t part_count;
    uint32_t fresh_count, duplicate_count; /* pieces */
    uint64_t fresh_bytes;
} pbts_claim;
/* Which of a statement's pieces were not claimed before. Does not write; pbts_commit_claim_put
 * does. NO_MEMORY, CORRUPT, store errors. */
PBTS_MUST_USE pbts_status pbts_commit_claim(pbts_commit *commit, pbts_claim *out,
                                            const pbts_checked_report *report,
                                            const pbts_checked_statement *statement,
                                            const pbts_pieces *pieces);
PBTS_MUST_USE pbts_status pbts_commit_claim_put(pbts_commit *commit, const pbts_claim *claim);
void pbts_claim_deinit(pbts_commit *commit, pbts_claim *claim);
/* Delete claims of periods that no receipt can name any more; bounded work. */
PBTS_MUST_USE pbts_status pbts_commit_forget_claims(pbts_commit *commit);

/* The store has the commit's counts of downloads: tell the swarms. */
void pbts_commit_downloads_publish(pbts_commit *commit);

#endif
