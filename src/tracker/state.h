/* tracker/state.h - what one tracker is made of. Private to tracker/. */
#ifndef PBTS_TRACKER_STATE_H
#define PBTS_TRACKER_STATE_H

#include "tracker/account.h"
#include "tracker/rows.h"
#include "tracker/swarm.h"

/* Policies are replaced whole; a reader may still hold the last ones, so a ring keeps them. */
enum { PBTS_POLICY_RING = 64 };

typedef struct {
    bool known;
    uint8_t iid[PBTS_IID_LEN];
    uint64_t last_epoch;
    bool sealed, has_claims;
} pbts_predecessor_state;

/* In memory of pbts_secret_new. */
typedef struct {
    pbts_bls_secret owner;
    uint8_t passkey_root[32];
    pbts_passkey_key passkey_key; /* HMAC of the iid with the root */
} pbts_tracker_secrets;

struct pbts_tracker {
    pbts_mem *mem;
    pbts_random *random;
    pbts_store *store;
    pbts_lock lock;
    pbts_tracker_secrets *secrets;
    pbts_bls_public owner_public;
    uint8_t iid[PBTS_IID_LEN];
    uint64_t started_unix_s, started_mono_s;
    uint64_t shard_seed;

    pbts_predecessor_state predecessor;
    bool has_floor; /* claims were lost: receipts of epochs up to the floor are refused (rule 9) */
    uint64_t floor_epoch;
    bool mirrored;       /* changed accounts are marked for another ledger */
    bool has_old_claims; /* of a predecessor, or this instance's own from before it was restored */
    _Atomic bool sealed;

    pbts_policy policies[PBTS_POLICY_RING];
    _Atomic uint32_t policy_at; /* the one in force */

    pbts_swarms *shards[PBTS_TRACKER_SHARDS];
    pbts_accounts accounts;
    _Atomic uint32_t torrent_count; /* highest number in use */
    _Atomic uint64_t credited_bytes, held_bytes;
    _Atomic uint64_t ledger_sequence, ledger_unix_s;
    _Atomic uint64_t counted_epoch;      /* no receipt of a later epoch was counted here */
    _Atomic uint32_t claims_from_period; /* claims of earlier periods were deleted */
};

static inline const pbts_policy *pbts_tracker_policy_now(const pbts_tracker *tracker) {
    return &tracker->policies[atomic_load_explicit(&tracker->policy_at, memory_order_acquire) %
                              PBTS_POLICY_RING];
}
static inline unsigned pbts_tracker_shard(const pbts_tracker *tracker, const uint8_t *infohash) {
    uint64_t head;
    memcpy(&head, infohash, sizeof head);
    return (unsigned)(((head ^ tracker->shard_seed) * UINT64_C(0x9E3779B97F4A7C15)) >> 58);
}
_Static_assert(PBTS_TRACKER_SHARDS == 64, "the shard is the top 6 bits of the hash");

/* META rows of the tracker. */
#define PBTS_META_PREDECESSOR \
    "tracker/predecessor"               /* iid[32] u64 last_epoch u8 sealed u8 has_claims */
#define PBTS_META_FLOOR "tracker/floor" /* u64 epoch */
#define PBTS_META_COUNTED "tracker/counted-epoch"   /* u64 epoch */
#define PBTS_META_CLAIMS_FROM "tracker/claims-from" /* u32 claim period */
#define PBTS_META_OLD_CLAIMS "tracker/old-claims"   /* there after a restore with claims */
#define PBTS_META_MIRROR "tracker/mirror"           /* there when another ledger follows this one */

/* Put the COUNTED row. Store errors. */
PBTS_MUST_USE pbts_status pbts_tracker_counted_put(pbts_txn *txn, uint64_t epoch);

#endif
