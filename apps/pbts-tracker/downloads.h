/* downloads.h - counts of completed downloads (scrape's `downloaded`) reach the store once a
 * minute, by the committer, and when the daemon stops. Announces wait for nothing of it. */
#ifndef PBTS_TRACKER_DOWNLOADS_H
#define PBTS_TRACKER_DOWNLOADS_H

#include <stdatomic.h>

#include "committer.h"

enum { DOWNLOADS_EVERY_S = 60 };

struct downloads {
    struct commit_op op;
    atomic_bool busy; /* the committer has `op` */
    uint64_t due_s;   /* mono; the main thread's, as all but `busy` */
};

/* Call about once a second, from one thread. */
void downloads_tick(struct app *app, uint64_t mono_s);
/* Store what there is, until mono_us at most; before the committer stops. */
void downloads_flush(struct app *app, uint64_t until_us);

#endif
