/* reporter.h - receipts on their way to the tracker: in bulk, at the start, every so many minutes
 * and at the end; they wait while it is away. */
#ifndef PBTS_PEER_REPORTER_H
#define PBTS_PEER_REPORTER_H

#include "engine.h"

enum {
    REPORTER_RETRY_FIRST_MS = 5000, /* after a failure; doubles */
    REPORTER_RETRY_MAX_MS = 300000,
};

/* Reports from the engine's journal to its tracker. NULL: no memory. */
reporter *reporter_new(engine *e);
void reporter_free(reporter *r); /* NULL is a no-op */
void reporter_tick(reporter *r);
/* The tracker is back: what waits for another try is tried now. */
void reporter_hurry(reporter *r);
/* Report everything that waits, now; then it is idle. */
void reporter_finish(reporter *r);
/* Nothing is under way, and after reporter_finish: everything was tried. */
bool reporter_is_idle(const reporter *r);
/* What the tracker credited since the start, and what it holds back, as it said. The journal knows
 * less: of a receipt that was replaced while it was on its way it does not count the credit. */
uint64_t reporter_credited_bytes(const reporter *r);
uint64_t reporter_held_bytes(const reporter *r);

#endif
