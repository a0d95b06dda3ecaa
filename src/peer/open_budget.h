/* peer/open_budget.h - how much memory the pieces that are begun take, in all sessions of a process
 * together.
 *
 * A session takes a piece's length when it begins a piece and gives it back when its owner has been
 * told that the buffer is free. One piece may always be begun, whatever its length, or a torrent
 * with large pieces would never get anywhere: so the most is `max_bytes` or one piece.
 */
#ifndef PBTS_PEER_OPEN_BUDGET_H
#define PBTS_PEER_OPEN_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PBTS_OPEN_BUDGET_SHORT_MS = 3000 };

/* Plain; made by the owner of the sessions ({ .max_bytes = ... }) and outlives them. */
typedef struct {
    uint64_t max_bytes, taken_bytes;
    const void *short_of; /* the session that last had to do without; NULL: none */
    uint64_t short_ms;    /* when that was */
} pbts_open_budget;

static inline bool pbts_open_budget_has(const pbts_open_budget *budget, uint64_t bytes) {
    if (budget->taken_bytes == 0) return true;
    return budget->taken_bytes <= budget->max_bytes &&
           bytes <= budget->max_bytes - budget->taken_bytes;
}

/* Whether some session lately had to do without: who holds what nobody gives lets go of it. */
static inline bool pbts_open_budget_is_short(const pbts_open_budget *budget, uint64_t now_ms) {
    return budget->short_of != NULL && now_ms - budget->short_ms < PBTS_OPEN_BUDGET_SHORT_MS;
}

#endif
