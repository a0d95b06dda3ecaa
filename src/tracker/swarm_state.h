/* tracker/swarm_state.h - the inside of pbts_swarms, shared by its files (private).
 *
 * A torrent has a pbts_swarm only while it has peers. Times are u32 seconds since pbts_swarms_new.
 *
 * A record keeps 16 bits of its last announce. They are read relative to swarm->visited_s, the last
 * moment at which no peer of the swarm was as old as expire_after_s < 2^16:
 *     age(now) = (u16)(visited_s - seen) + (now - visited_s)
 * which stays exact however long nobody looks.
 *
 * Wheel: one slot a second; a swarm is linked in slot due_s mod wheel_len. due_s is at most the
 * moment when its oldest peer expires: a refresh leaves it too early, and the sweep then moves on.
 */
#ifndef PBTS_TRACKER_SWARM_STATE_H
#define PBTS_TRACKER_SWARM_STATE_H

#include "tracker/peer_set.h"
#include "tracker/swarm.h"
#include "tracker/swarm_table.h"

enum {
    PBTS_SWARM_EXPIRE_MAX_S = 12 * 3600,
    PBTS_SWARM_PEERS_PER_USER_LIMIT = 64, /* one user's peers share a probe run of the index */
    PBTS_SWARM_TICK_PEERS = 4096,         /* swarms looked at and peers expired by one tick */
};

typedef struct pbts_swarm {
    pbts_swarm_entry *torrent;
    struct pbts_swarm *next, *previous; /* in its wheel slot */
    uint32_t due_s, visited_s;
    uint32_t complete, incomplete; /* identities */
    pbts_peer_set *v6;             /* NULL while there is no IPv6 peer */
    pbts_peer_set v4;
} pbts_swarm;

struct pbts_swarms {
    pbts_swarms_config config;
    pbts_swarm_heap heap;
    pbts_swarm_table torrents;
    pbts_prng prng;
    uint64_t start_s;
    uint64_t peer_seed;
    uint32_t user_seed;
    uint32_t now_s;  /* the latest time that anybody named */
    uint32_t tick_s; /* the wheel has turned up to here, exclusive */
    uint32_t wheel_len;
    pbts_swarm **wheel;
    uint64_t peers, seeders;
    uint32_t unstored; /* torrents whose count of downloads is newer than the store's */
};

static inline pbts_peer_set *pbts_swarm_other(pbts_swarm *swarm, const pbts_peer_set *set) {
    return set == &swarm->v4 ? swarm->v6 : &swarm->v4;
}

/* A swarm without peers, linked in the wheel; NULL for want of memory. */
pbts_swarm *pbts_swarm_new(pbts_swarms *swarms, pbts_swarm_entry *torrent);
/* The set of this family, made when missing; NULL for want of memory. */
pbts_peer_set *pbts_swarm_set(pbts_swarms *swarms, pbts_swarm *swarm, pbts_family family);
/* Give back what a swarm without peers (or without IPv6 peers) holds. */
void pbts_swarm_tidy(pbts_swarms *swarms, pbts_swarm *swarm);
void pbts_swarm_free(pbts_swarms *swarms, pbts_swarm *swarm);

/* Remove one record; an identity that is in neither family any more has disappeared. */
void pbts_swarm_drop(pbts_swarms *swarms, pbts_swarm *swarm, pbts_peer_set *set, uint32_t pos);
/* Remove an identity from both families; true when it was there. Does not trim. */
bool pbts_swarm_forget(pbts_swarms *swarms, pbts_swarm *swarm, pbts_peer_ident who);
/* Count an identity in (+1) or out (-1). */
void pbts_swarm_count(pbts_swarms *swarms, pbts_swarm *swarm, uint8_t role, uint32_t change);

/* Move the time forward (never back) and return it. */
uint32_t pbts_swarms_clock(pbts_swarms *swarms, uint64_t now_s);
/* Expire what is due in one swarm, which may end with it: look at torrent->swarm again. Spends one
 * of `budget` a peer; false when it did not last. */
bool pbts_swarm_sweep(pbts_swarms *swarms, pbts_swarm *swarm, uint32_t *budget);

/* Join or refresh; `pos` is the asker's position in its family's set. PBTS_NO_MEMORY, PBTS_BUSY,
 * PBTS_DENIED. */
PBTS_MUST_USE pbts_status pbts_swarm_join(pbts_swarms *swarms, pbts_swarm *swarm, uint32_t *pos,
                                          pbts_peer_ident who, const pbts_swarm_update *update);
pbts_peer_ident pbts_swarm_ident(const pbts_swarms *swarms, uint32_t user_no,
                                 const uint8_t peer_id[static 20]);

#endif
