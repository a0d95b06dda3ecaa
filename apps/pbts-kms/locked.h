/* locked.h - an allocator for what is secret while a node runs: its share, identity, polynomials.
 */
#ifndef PBTS_KMS_LOCKED_H
#define PBTS_KMS_LOCKED_H

#include "base/mem.h"

/* Pieces in pages of their own, as of pbts_secret_new; wiped when they are released. `resize` gives
 * NULL: nothing that is secret grows in place. Usable from any thread. */
pbts_mem *locked_mem(void);

#endif
