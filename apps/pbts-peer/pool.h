/* pool.h - buffers of one size, used again and again: pieces on their way to the disk. */
#ifndef PBTS_PEER_POOL_H
#define PBTS_PEER_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct pool_buffer {
    struct pool_buffer *next; /* written over by what it holds */
} pool_buffer;

/* All buffers were given back when it is cleared for good. How many there are is bounded by who
 * takes them: sessions open no more pieces than their budget allows. */
typedef struct {
    size_t buffer_bytes; /* at least that of a pool_buffer */
    pool_buffer *free;
    size_t taken_count;
    uint64_t *made_bytes; /* of this pool and others that count together */
} pool;

pool pool_new(size_t buffer_bytes, uint64_t *made_bytes); /* made_bytes: borrowed */
uint8_t *pool_take(pool *p);                              /* NULL: no memory */
void pool_give(pool *p, uint8_t *buffer);                 /* NULL is a no-op */
void pool_clear(pool *p);                                 /* frees those that are not taken */

#endif
