/* tracker/peer_index.h - from a user to the positions of the user's peers in one array (private).
 *
 * Extendible hashing (Fagin and others, 1979): the top bits of a 32-bit hash of the record's user
 * choose a segment through a directory, its low bits the home slot in that segment of at most 1024
 * slots, linearly probed. A segment that is 4/5 full splits alone, so the index of a million peers
 * never moves in one go: one announce moves at most 820 entries.
 *
 * A slot is u8 tag (bits 10..17 of the hash) || u24 position + 1; 0 is empty. All peers of a user
 * are in one probe run, so one walk finds an identity and counts its user's peers.
 */
#ifndef PBTS_TRACKER_PEER_INDEX_H
#define PBTS_TRACKER_PEER_INDEX_H

#include "tracker/peer_array.h"
#include "tracker/swarm_mix.h"

enum {
    PBTS_INDEX_SEGMENT_LOG = 10, /* the largest segment */
    PBTS_INDEX_SMALLEST_LOG = 5,
    PBTS_INDEX_DEPTH_MAX = 16, /* 2^16 segments carry more than PBTS_PEER_SET_MAX */
};

typedef struct {
    uint16_t used;
    uint8_t depth; /* how many top bits of the hash all its entries share */
    uint8_t log;   /* 2^log slots */
    uint32_t slots[];
} pbts_index_segment;

typedef struct {
    union {
        pbts_index_segment *one;   /* depth 0; NULL: no index */
        pbts_index_segment **many; /* 2^depth, neighbours may be the same segment */
    } segment;
    uint32_t seed;
    uint8_t depth;
    uint8_t log; /* of the only segment, or PBTS_INDEX_SEGMENT_LOG: here it costs no cache miss */
} pbts_peer_index;

static inline uint32_t pbts_peer_index_hash(const pbts_peer_index *index, uint32_t user) {
    return pbts_swarm_mix32(user ^ index->seed);
}
static inline bool pbts_peer_index_present(const pbts_peer_index *index) {
    return index->depth > 0 || index->segment.one != NULL;
}
static inline pbts_index_segment *pbts_peer_index_segment(const pbts_peer_index *index,
                                                          uint32_t hash) {
    return index->depth > 0 ? index->segment.many[hash >> (32 - index->depth)] : index->segment.one;
}

/* A walk over the positions whose hash may be `hash`: the tag agrees, the record is not looked at.
 */
typedef struct {
    const uint32_t *slots;
    uint32_t mask;
    uint32_t at;  /* next slot */
    uint32_t tag; /* in the top byte */
} pbts_index_probe;

static inline pbts_index_probe pbts_peer_index_probe(const pbts_peer_index *index, uint32_t hash) {
    uint32_t mask = (1u << index->log) - 1;
    return (pbts_index_probe){ pbts_peer_index_segment(index, hash)->slots, mask, hash & mask,
                               hash << 14 & 0xFF000000u };
}
/* PBTS_PEER_NONE at the end. A segment always has an empty slot, so the walk ends. */
static inline uint32_t pbts_index_probe_next(pbts_index_probe *probe) {
    for (;;) {
        uint32_t slot = probe->slots[probe->at];
        if (slot == 0) return PBTS_PEER_NONE;
        probe->at = (probe->at + 1) & probe->mask;
        if ((slot & 0xFF000000u) == probe->tag) return (slot & 0x00FFFFFFu) - 1;
    }
}

/* Build an index over all of `array`. PBTS_NO_MEMORY changes nothing. */
PBTS_MUST_USE pbts_status pbts_peer_index_build(pbts_peer_index *index,
                                                const pbts_peer_array *array,
                                                pbts_swarm_heap *heap);
/* Make room for one entry of this hash. PBTS_NO_MEMORY, PBTS_BUSY (too many of one hash). */
PBTS_MUST_USE pbts_status pbts_peer_index_reserve(pbts_peer_index *index,
                                                  const pbts_peer_array *array,
                                                  pbts_swarm_heap *heap, uint32_t hash);
/* Add one entry; room was reserved. */
void pbts_peer_index_insert(pbts_peer_index *index, uint32_t hash, uint32_t pos);
/* The slot that holds `pos`, which must be there; and what to write to it. */
uint32_t *pbts_peer_index_slot(const pbts_peer_index *index, uint32_t hash, uint32_t pos);
static inline void pbts_peer_index_repoint(uint32_t *slot, uint32_t pos) {
    *slot = (*slot & 0xFF000000u) | (pos + 1);
}
/* Remove one entry; all entries' records must still be readable in `array`. */
void pbts_peer_index_remove(pbts_peer_index *index, const pbts_peer_array *array, uint32_t hash,
                            uint32_t pos);
/* Merge or shrink the segment of `hash` when it has become sparse. */
void pbts_peer_index_trim(pbts_peer_index *index, const pbts_peer_array *array,
                          pbts_swarm_heap *heap, uint32_t hash);
void pbts_peer_index_deinit(pbts_peer_index *index, pbts_swarm_heap *heap);

/* For tests: check the invariants above, that every record has one entry; asserts. */
void pbts_peer_index_check(const pbts_peer_index *index, const pbts_peer_array *array);
size_t pbts_peer_index_bytes(const pbts_peer_index *index);

#endif
