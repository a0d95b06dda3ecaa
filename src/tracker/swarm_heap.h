/* tracker/swarm_heap.h - the memory of one pbts_swarms, counted byte by byte (private).
 *
 * Callers know the size of what they give back, so the count costs no header per block.
 */
#ifndef PBTS_TRACKER_SWARM_HEAP_H
#define PBTS_TRACKER_SWARM_HEAP_H

#include "base/mem.h"

typedef struct {
    pbts_mem *mem;
    uint64_t used_bytes;
} pbts_swarm_heap;

/* Uninitialised memory, or NULL. */
static inline void *pbts_swarm_heap_take(pbts_swarm_heap *heap, size_t len) {
    void *ptr = heap->mem->alloc(heap->mem, len);
    if (ptr != NULL) heap->used_bytes += len;
    return ptr;
}

/* Zeroed memory, or NULL. */
static inline void *pbts_swarm_heap_take_zeroed(pbts_swarm_heap *heap, size_t len) {
    void *ptr = pbts_alloc(heap->mem, len);
    if (ptr != NULL) heap->used_bytes += len;
    return ptr;
}

/* NULL is allowed, whatever `len` says. */
static inline void pbts_swarm_heap_give(pbts_swarm_heap *heap, void *ptr, size_t len) {
    if (ptr == NULL) return;
    heap->used_bytes -= len;
    heap->mem->release(heap->mem, ptr);
}

#endif
