#include "base/secret_memory.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/secret.h"

/* Before what the caller gets, so that free knows how much there is. */
typedef struct {
    _Alignas(64) size_t total_len;
} header;

void *pbts_secret_new(size_t len, bool *locked_or_null) {
    long page = sysconf(_SC_PAGESIZE);
    assert(page > 0);
    if (len > SIZE_MAX / 2) return NULL;
    size_t pages = (sizeof(header) + len + (size_t)page - 1) / (size_t)page;
    size_t total = pages * (size_t)page;
    header *at = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return NULL;
    /* A kernel without one of these two still locks. */
    (void)madvise(at, total, MADV_DONTDUMP);
    (void)madvise(at, total, MADV_WIPEONFORK);
    /* Not by mlock(3): sanitizers make that do nothing. */
    bool locked = syscall(SYS_mlock, at, total) == 0;
    if (locked_or_null != NULL) *locked_or_null = locked;
    at->total_len = total;
    return at + 1;
}

void pbts_secret_free(void *secret) {
    if (secret == NULL) return;
    header *at = (header *)secret - 1;
    size_t total = at->total_len;
    pbts_wipe(at, total);
    int unmapped = munmap(at, total); /* which unlocks */
    assert(unmapped == 0);
}

bool pbts_process_conceal(void) {
    const struct rlimit none = { 0, 0 };
    bool no_core = setrlimit(RLIMIT_CORE, &none) == 0;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && no_core;
}
