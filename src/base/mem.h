/* base/mem.h - the allocator seam: a test can fail the n-th allocation and count what is live. */
#ifndef PBTS_BASE_MEM_H
#define PBTS_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

typedef struct pbts_mem {
    void *(*alloc)(struct pbts_mem *, size_t len);                 /* uninitialised, or NULL */
    void *(*resize)(struct pbts_mem *, void *ptr, size_t new_len); /* as realloc; NULL keeps ptr */
    void (*release)(struct pbts_mem *, void *ptr);
} pbts_mem;

pbts_mem *pbts_mem_system(void); /* malloc, realloc, free; stateless, usable from any thread */

void *pbts_alloc(pbts_mem *mem, size_t len);                      /* zeroed; NULL on failure */
void *pbts_alloc_array(pbts_mem *mem, size_t count, size_t size); /* zeroed; NULL on overflow too */
void *pbts_resize_array(pbts_mem *mem, void *ptr, size_t count, size_t size); /* new part is raw */
void pbts_release(pbts_mem *mem, void *ptr);                                  /* NULL is allowed */

#endif
