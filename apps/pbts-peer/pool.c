#include "pool.h"

#include <stdlib.h>

pool pool_new(size_t buffer_bytes, uint64_t *made_bytes) {
    size_t bytes = buffer_bytes > sizeof(pool_buffer) ? buffer_bytes : sizeof(pool_buffer);
    return (pool){ .buffer_bytes = bytes, .made_bytes = made_bytes };
}

uint8_t *pool_take(pool *p) {
    pool_buffer *buffer = p->free;
    if (buffer != NULL) {
        p->free = buffer->next;
    } else {
        buffer = malloc(p->buffer_bytes);
        if (buffer != NULL) *p->made_bytes += p->buffer_bytes;
    }
    if (buffer != NULL) p->taken_count++;
    return (uint8_t *)buffer;
}

void pool_give(pool *p, uint8_t *buffer) {
    if (buffer == NULL) return;
    pool_buffer *free_one = (pool_buffer *)(void *)buffer;
    free_one->next = p->free;
    p->free = free_one;
    p->taken_count--;
}

void pool_clear(pool *p) {
    while (p->free != NULL) {
        pool_buffer *next = p->free->next;
        free(p->free);
        *p->made_bytes -= p->buffer_bytes;
        p->free = next;
    }
}
