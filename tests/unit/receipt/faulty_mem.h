/* A pbts_mem that fails its n-th request and counts what is live. */
#ifndef PBTS_TEST_RECEIPT_FAULTY_MEM_H
#define PBTS_TEST_RECEIPT_FAULTY_MEM_H

#include <stdlib.h>

#include "base/mem.h"

typedef struct {
    pbts_mem mem;
    size_t fail_at, asked, live;
} faulty_mem;

static inline void *faulty_alloc(pbts_mem *mem, size_t len) {
    faulty_mem *faulty = (faulty_mem *)(void *)mem;
    if (faulty->asked++ == faulty->fail_at) return NULL;
    faulty->live++;
    return malloc(len);
}

static inline void *faulty_resize(pbts_mem *mem, void *ptr, size_t new_len) {
    faulty_mem *faulty = (faulty_mem *)(void *)mem;
    if (faulty->asked++ == faulty->fail_at) return NULL;
    if (ptr == NULL) faulty->live++;
    return realloc(ptr, new_len);
}

static inline void faulty_release(pbts_mem *mem, void *ptr) {
    ((faulty_mem *)(void *)mem)->live--;
    free(ptr);
}

static inline faulty_mem mem_failing_at(size_t n) {
    return (faulty_mem){ .mem = { faulty_alloc, faulty_resize, faulty_release }, .fail_at = n };
}

#endif
