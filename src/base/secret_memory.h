/* base/secret_memory.h - where keys lie while a program runs: neither in swap nor in a core dump.
 *
 * Each piece has pages of its own, locked into memory (mlock), left out of core dumps
 * (MADV_DONTDUMP) and zero in a child process (MADV_WIPEONFORK). Pages are what the limit of locked
 * memory (RLIMIT_MEMLOCK) counts, so a program asks for one piece with all its keys, not for many.
 */
#ifndef PBTS_BASE_SECRET_MEMORY_H
#define PBTS_BASE_SECRET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* `len` zeroed bytes, aligned for anything; NULL when there is no memory. `*locked`: false when the
 * system would not lock them, which is worth one warning: all else holds. NULL: not asked. */
void *pbts_secret_new(size_t len, bool *locked_or_null);
void pbts_secret_free(void *secret); /* wiped first; NULL is a no-op */

/* Of the whole process, before it reads its first key: no core dump (RLIMIT_CORE), and nobody but
 * root reads its memory or attaches to it (PR_SET_DUMPABLE; ptrace(2), proc(5)). False: refused by
 * the system. */
bool pbts_process_conceal(void);

#endif
