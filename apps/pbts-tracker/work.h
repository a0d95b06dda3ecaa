/* work.h - CPU time that anybody can cause: the checking of signatures, before it is known whose
 * they are. Each address has a budget a minute, and so that those behind one address (a provider's
 * NAT) do not share the fate of a stranger there, what is shown to be a user's counts against the
 * user's own budget instead. Loopback has neither.
 *
 * What is spent is measured on the thread that does it, so it follows the machine and covers all of
 * a request, its JSON too. It is known afterwards: one request may go below the budget, the next
 * one waits until that is made good.
 */
#ifndef PBTS_TRACKER_WORK_H
#define PBTS_TRACKER_WORK_H

#include "rest/rest_limit.h"

struct app;

/* One request's; all zero but for the first three: nothing was begun. */
struct work {
    struct app *app;
    const pbts_addr *client;
    bool unlimited;
    bool begun, claimed, proven;
    uint64_t start_us;
    uint64_t wait_ms; /* after a refusal: until when */
    struct rest_limit_who user;
};

/* Begin to measure. False: the address has nothing left. */
bool work_begin(struct work *work);
/* `name` (uid or key, 1..96 bytes) says that it asks; anything else passes. False: it has nothing
 * left. */
bool work_claim(struct work *work, pbts_span name);
/* It was shown: the name's work, not the address's. */
void work_prove(struct work *work);
/* Spend what it took; on the thread that began. Nothing to do when nothing was begun. */
void work_end(struct work *work);

#endif
