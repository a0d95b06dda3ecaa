/* tracker/peer_set.h - the peers of one torrent and one address family (private).
 *
 * Positions [0, leechers) hold leechers, [leechers, count) seeders and partial seeders; a sample
 * for a seeder is drawn from the first part alone. All peers are on a list in order of their last
 * announce, the oldest first. Up to 16 peers are found by looking at each; more have an index.
 * A position is good until the next insert, remove or change of role.
 */
#ifndef PBTS_TRACKER_PEER_SET_H
#define PBTS_TRACKER_PEER_SET_H

#include "base/random.h"
#include "tracker/peer_array.h"
#include "tracker/peer_index.h"

typedef struct {
    pbts_peer_array array;
    pbts_peer_index index;
    uint32_t leechers;
    uint32_t oldest, newest; /* PBTS_PEER_NONE when empty */
} pbts_peer_set;

/* Who a peer is, as in its record: user and key, and PBTS_PEER_ANON or 0. */
typedef struct {
    uint32_t user, key;
    uint8_t anon;
} pbts_peer_ident;

static inline bool pbts_peer_record_is(const pbts_peer_record *record, pbts_peer_ident who) {
    return record->user == who.user && record->key == who.key &&
           (record->flags & PBTS_PEER_ANON) == who.anon;
}
static inline pbts_peer_ident pbts_peer_record_ident(const pbts_peer_record *record) {
    return (pbts_peer_ident){ record->user, record->key, record->flags & PBTS_PEER_ANON };
}
static inline pbts_peer_record *pbts_peer_set_record(const pbts_peer_set *set, uint32_t pos) {
    return pbts_peer_array_record(&set->array, pos);
}

/* An empty set holds no memory. */
void pbts_peer_set_init(pbts_peer_set *set, uint8_t endpoint_len, uint32_t seed);
void pbts_peer_set_deinit(pbts_peer_set *set, pbts_swarm_heap *heap);

/* The position of this identity, or PBTS_PEER_NONE. */
uint32_t pbts_peer_set_find(const pbts_peer_set *set, pbts_peer_ident who);
/* The positions of all peers of who's user (whatever their key), at most `max` of them. */
size_t pbts_peer_set_of_user(const pbts_peer_set *set, uint32_t *out, size_t max,
                             pbts_peer_ident who);

/* Make sure that the next insert of `who` succeeds. PBTS_NO_MEMORY, PBTS_BUSY. */
PBTS_MUST_USE pbts_status pbts_peer_set_reserve(pbts_peer_set *set, pbts_swarm_heap *heap,
                                                pbts_peer_ident who);
/* Add a peer as the newest and return its position. Room was reserved; `who` is not in the set. */
uint32_t pbts_peer_set_insert(pbts_peer_set *set, pbts_peer_ident who, const uint8_t *endpoint,
                              uint8_t role, uint16_t seen);
/* The peer at `pos` announced again: it is the newest. */
void pbts_peer_set_touch(pbts_peer_set *set, uint32_t pos, uint16_t seen);
/* Give the peer another role; returns its position, which may have changed. */
uint32_t pbts_peer_set_change_role(pbts_peer_set *set, uint32_t pos, uint8_t role);
void pbts_peer_set_remove(pbts_peer_set *set, uint32_t pos);
/* Give back memory; `who` was removed last. */
void pbts_peer_set_trim(pbts_peer_set *set, pbts_swarm_heap *heap, pbts_peer_ident who);

/* Write at most `want` endpoints of positions [0, limit) without `skip` (PBTS_PEER_NONE: without
 * nobody), each with the same chance and none twice. Returns how many were written. */
uint32_t pbts_peer_set_sample(const pbts_peer_set *set, uint8_t *out, pbts_prng *prng,
                              uint32_t want, uint32_t limit, uint32_t skip);

/* Ask the processor for what a sample with this state of the generator is going to read, so that
 * memory works while the asker is looked up. A hint: a peer that joins meanwhile does no harm. */
void pbts_peer_set_prefetch_sample(const pbts_peer_set *set, pbts_prng prng, uint32_t want,
                                   uint32_t limit);

/* For tests: check every invariant above; asserts. */
void pbts_peer_set_check(const pbts_peer_set *set);

#endif
