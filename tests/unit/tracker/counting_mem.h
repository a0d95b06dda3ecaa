/* A pbts_mem that fails its n-th request and counts the blocks that are live. */
#ifndef PBTS_TEST_TRACKER_COUNTING_MEM_H
#define PBTS_TEST_TRACKER_COUNTING_MEM_H

#include <stdlib.h>

#include "base/mem.h"

typedef struct {
    pbts_mem mem;
    size_t fail_at, asked; /* SIZE_MAX: never fail */
    uint64_t live_blocks;
} counting_mem;

static inline void *counting_alloc(pbts_mem *mem, size_t len) {
    counting_mem *counting = (counting_mem *)(void *)mem;
    if (counting->asked++ == counting->fail_at) return NULL;
    counting->live_blocks++;
    return malloc(len);
}

static inline void *counting_resize(pbts_mem *mem, void *ptr, size_t new_len) {
    counting_mem *counting = (counting_mem *)(void *)mem;
    if (counting->asked++ == counting->fail_at) return NULL;
    if (ptr == NULL) counting->live_blocks++;
    return realloc(ptr, new_len);
}

static inline void counting_release(pbts_mem *mem, void *ptr) {
    ((counting_mem *)(void *)mem)->live_blocks--;
    free(ptr);
}

static inline counting_mem counting_mem_failing_at(size_t n) {
    return (counting_mem){ .mem = { counting_alloc, counting_resize, counting_release },
                           .fail_at = n };
}

#endif
