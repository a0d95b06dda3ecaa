/* peer/picker.h - which piece to begin next: the rarest that a peer has.
 *
 * The pieces that may be begun lie in one array, ordered by how many peers have them, pieces of one
 * count in random order. A peer that gains or loses a piece moves it to the next count in O(1); a
 * search starts at the rare end. What it is not: it knows no blocks and no connections.
 */
#ifndef PBTS_PEER_PICKER_H
#define PBTS_PEER_PICKER_H

#include "base/mem.h"
#include "base/random.h"

enum {
    PBTS_PICKER_PEERS_MAX = 1000, /* peers counted; those with all pieces need not be */
    PBTS_PICKER_STEPS_MAX = 512,  /* pieces looked at in order of rarity */
    PBTS_PICKER_SAMPLE = 64,      /* of those found otherwise, the rarest of so many */
};

/* Invariant (pbts_picker_check): order[0..count) holds each pickable piece once, place[] is its
 * inverse (PBTS_PICKER_NOWHERE for others); the pieces of availability a are
 * order[ends[a - 1]..ends[a]). */
typedef struct {
    pbts_mem *mem;
    uint32_t piece_count;
    uint32_t count;         /* of pickable pieces */
    uint32_t *order;        /* piece_count */
    uint32_t *place;        /* piece_count */
    uint32_t *ends;         /* PBTS_PICKER_PEERS_MAX + 1: where each availability's part ends */
    uint16_t *availability; /* piece_count; of all pieces, pickable or not */
    uint8_t *pickable;      /* piece set: what is in `order` */
    uint64_t additions;     /* how often a piece became pickable: a search that found nothing finds
                               nothing until this (or what the peer has) changes */
    pbts_prng prng;
} pbts_picker;

/* No piece is pickable. piece_count > 0. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_picker_init(pbts_picker *picker, pbts_mem *mem, uint32_t piece_count,
                                           uint64_t seed);
void pbts_picker_deinit(pbts_picker *picker);
/* Make exactly the pieces of this set pickable; O(piece_count). */
void pbts_picker_reset(pbts_picker *picker, pbts_span pickable);
/* Make one piece pickable, or not; what is so already is left alone. O(PBTS_PICKER_PEERS_MAX). */
void pbts_picker_add(pbts_picker *picker, uint32_t piece);
void pbts_picker_remove(pbts_picker *picker, uint32_t piece);
bool pbts_picker_has(const pbts_picker *picker, uint32_t piece);

/* A peer has one more piece, or one less. Asserts that no more than PBTS_PICKER_PEERS_MAX do. */
void pbts_picker_gained(pbts_picker *picker, uint32_t piece);
void pbts_picker_lost(pbts_picker *picker, uint32_t piece);

/* A pickable piece that the peer has: its set of piece_count bits, or NULL when it has all. The
 * rarest (of equally rare ones any), or with `at_random` any. When none of the
 * PBTS_PICKER_STEPS_MAX rarest is the peer's, the rarest of a sample of what it has. False when it
 * has none. */
bool pbts_picker_find(pbts_picker *picker, uint32_t *piece, const uint8_t *peer_has,
                      bool at_random);

/* For tests: check the invariant; asserts. */
void pbts_picker_check(const pbts_picker *picker);

#endif
