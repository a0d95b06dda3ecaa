#include "locked.h"

#include "base/secret_memory.h"

static void *locked_alloc(pbts_mem *mem, size_t len) {
    (void)mem;
    return pbts_secret_new(len, NULL);
}

static void *locked_resize(pbts_mem *mem, void *ptr, size_t new_len) {
    (void)mem, (void)ptr, (void)new_len;
    return NULL;
}

static void locked_release(pbts_mem *mem, void *ptr) {
    (void)mem;
    pbts_secret_free(ptr);
}

pbts_mem *locked_mem(void) {
    static const pbts_mem locked = { locked_alloc, locked_resize, locked_release };
    return (pbts_mem *)&locked; /* without a state, as pbts_mem_system */
}
