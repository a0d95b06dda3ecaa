/* peer/block_ring.h - blocks that were asked for, in order: of a peer by us, or of us by a peer.
 *
 * A ring that grows up to a limit. Answers mostly come in order, so looking for a block begins at
 * the oldest; one taken out of the middle leaves a hole that goes when it becomes the oldest.
 */
#ifndef PBTS_PEER_BLOCK_RING_H
#define PBTS_PEER_BLOCK_RING_H

#include "base/cursor.h"
#include "base/mem.h"
#include "peer/window.h"

typedef struct {
    uint32_t piece, offset_bytes, length_bytes; /* length 0: a hole */
    bool is_void; /* ours: taken back; the answer may come all the same */
    pbts_window_mark mark;
} pbts_ring_block;

/* Invariant: the oldest item is no hole; count <= capacity, a power of two or 0. */
typedef struct {
    pbts_mem *mem;
    pbts_ring_block *items;
    uint32_t capacity, head, count; /* count: holes too */
    uint32_t holes;
} pbts_block_ring;

void pbts_block_ring_init(pbts_block_ring *ring, pbts_mem *mem);
void pbts_block_ring_deinit(pbts_block_ring *ring);
static inline uint32_t pbts_block_ring_len(const pbts_block_ring *ring) {
    return ring->count - ring->holes;
}
/* Append. PBTS_LIMIT when there are `max` already, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_block_ring_push(pbts_block_ring *ring, const pbts_ring_block *block,
                                               uint32_t max);
/* The oldest, or NULL. Borrowed, as all items, until the next push. */
pbts_ring_block *pbts_block_ring_front(const pbts_block_ring *ring);
/* The oldest with these three numbers, or NULL. */
pbts_ring_block *pbts_block_ring_find(const pbts_block_ring *ring, uint32_t piece,
                                      uint32_t offset_bytes, uint32_t length_bytes);
void pbts_block_ring_remove(pbts_block_ring *ring, pbts_ring_block *block);
/* Item i of count, in order; holes are NULL. */
static inline pbts_ring_block *pbts_block_ring_at(const pbts_block_ring *ring, uint32_t i) {
    pbts_ring_block *block = &ring->items[(ring->head + i) & (ring->capacity - 1)];
    return block->length_bytes == 0 ? NULL : block;
}
void pbts_block_ring_clear(pbts_block_ring *ring); /* and give back its memory */

#endif
