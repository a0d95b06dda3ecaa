/* pool.h - buffers of one size, used again and again: pieces on their way to the disk. */
#ifndef PBTS_PEER_POOL_H
#define PBTS_PEER_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct pool_buffer {
    struct pool_buffer *next; /* written over by what it holds */
} pool_buffer;

/* All buffers were given back when it is cleared. How many there are is bounded by who takes them:
 * a session opens no more pieces than its open_bytes_max. */
typedef struct {
    size_t buffer_bytes; /* at least that of a pool_buffer */
    pool_buffer *free;
    size_t taken_count;
} pool;

pool pool_new(size_t buffer_bytes);
uint8_t *pool_take(pool *p);              /* NULL: no memory */
void pool_give(pool *p, uint8_t *buffer); /* NULL is a no-op */
void pool_clear(pool *p);                 /* frees those that are not taken */

#endif
