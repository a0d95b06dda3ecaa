#include "peer/block_ring.h"

#include "base/assert.h"

enum { CAPACITY_MIN = 16 };

void pbts_block_ring_init(pbts_block_ring *ring, pbts_mem *mem) {
    *ring = (pbts_block_ring){ .mem = mem };
}

void pbts_block_ring_deinit(pbts_block_ring *ring) {
    pbts_release(ring->mem, ring->items);
    pbts_block_ring_init(ring, ring->mem);
}

void pbts_block_ring_clear(pbts_block_ring *ring) {
    pbts_block_ring_deinit(ring);
}

/* Copy what is no hole to `items`, oldest first. */
static void gather(pbts_block_ring *ring, pbts_ring_block *items, uint32_t capacity) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < ring->count; i++) {
        const pbts_ring_block *block = pbts_block_ring_at(ring, i);
        if (block != NULL) items[count++] = *block;
    }
    pbts_release(ring->mem, ring->items);
    ring->items = items;
    ring->capacity = capacity;
    ring->head = 0;
    ring->count = count;
    ring->holes = 0;
}

/* Twice the room, or the same without holes when a quarter of it is holes. */
static pbts_status make_room(pbts_block_ring *ring) {
    uint32_t capacity = ring->capacity == 0 ? CAPACITY_MIN : ring->capacity;
    if (ring->capacity > 0 && ring->holes < ring->capacity / 4) capacity *= 2;
    pbts_ring_block *items = pbts_alloc_array(ring->mem, capacity, sizeof *items);
    if (items == NULL) return PBTS_NO_MEMORY;
    gather(ring, items, capacity);
    return PBTS_OK;
}

pbts_status pbts_block_ring_push(pbts_block_ring *ring, const pbts_ring_block *block,
                                 uint32_t max) {
    assert(block->length_bytes > 0);
    if (pbts_block_ring_len(ring) >= max) return PBTS_LIMIT;
    if (ring->count == ring->capacity) PBTS_TRY(make_room(ring));
    ring->items[(ring->head + ring->count++) & (ring->capacity - 1)] = *block;
    return PBTS_OK;
}

pbts_ring_block *pbts_block_ring_front(const pbts_block_ring *ring) {
    return ring->count == 0 ? NULL : &ring->items[ring->head];
}

pbts_ring_block *pbts_block_ring_find(const pbts_block_ring *ring, uint32_t piece,
                                      uint32_t offset_bytes, uint32_t length_bytes) {
    for (uint32_t i = 0; i < ring->count; i++) {
        pbts_ring_block *block = pbts_block_ring_at(ring, i);
        if (block != NULL && block->piece == piece && block->offset_bytes == offset_bytes &&
            block->length_bytes == length_bytes) {
            return block;
        }
    }
    return NULL;
}

void pbts_block_ring_remove(pbts_block_ring *ring, pbts_ring_block *block) {
    assert(block->length_bytes > 0);
    block->length_bytes = 0;
    ring->holes++;
    while (ring->count > 0 && ring->items[ring->head].length_bytes == 0) {
        ring->head = (ring->head + 1) & (ring->capacity - 1);
        ring->count--;
        ring->holes--;
    }
}
