#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void *system_alloc(pbts_mem *mem, size_t len) {
    (void)mem;
    return malloc(len);
}

static void *system_resize(pbts_mem *mem, void *ptr, size_t new_len) {
    (void)mem;
    return realloc(ptr, new_len);
}

static void system_release(pbts_mem *mem, void *ptr) {
    (void)mem;
    free(ptr);
}

pbts_mem *pbts_mem_system(void) {
    /* The seam passes a mutable object; this one has no state, and a write to it would fault. */
    static const pbts_mem system_mem = { system_alloc, system_resize, system_release };
    return (pbts_mem *)&system_mem;
}

void *pbts_alloc(pbts_mem *mem, size_t len) {
    void *ptr = mem->alloc(mem, len > 0 ? len : 1);
    if (ptr != NULL) memset(ptr, 0, len);
    return ptr;
}

void *pbts_alloc_array(pbts_mem *mem, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    return pbts_alloc(mem, count * size);
}

void *pbts_resize_array(pbts_mem *mem, void *ptr, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    size_t len = count * size;
    return mem->resize(mem, ptr, len > 0 ? len : 1);
}

void pbts_release(pbts_mem *mem, void *ptr) {
    if (ptr != NULL) mem->release(mem, ptr);
}
