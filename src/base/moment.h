/* base/moment.h - the time that a caller hands to a core: both clocks, read together. */
#ifndef PBTS_BASE_MOMENT_H
#define PBTS_BASE_MOMENT_H

#include <stdint.h>

typedef struct {
    uint64_t unix_s;  /* wall clock: epochs, tickets */
    uint64_t mono_ms; /* monotonic from any origin, never decreasing: deadlines, rates */
} pbts_moment;

#endif
