#include "downloads.h"

#include <time.h>

#include "app.h"
#include "net/clock.h"

static void stored(void *host, struct commit_op *op) {
    struct downloads *downloads = host;
    atomic_store(&downloads->busy, false);
}

static bool is_needed(struct app *app) {
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(app->tracker, &stats);
    return stats.unstored_downloads > 0;
}

/* False: nothing to do, or the committer does not take it now. */
static bool submit(struct app *app) {
    struct downloads *downloads = &app->downloads;
    if (atomic_load(&downloads->busy) || !is_needed(app)) return false;
    downloads->op =
        (struct commit_op){ .kind = COMMIT_DOWNLOADS, .done = stored, .host = downloads };
    atomic_store(&downloads->busy, true);
    if (committer_submit(app->committer, &downloads->op) == PBTS_REFUSAL_NONE) return true;
    atomic_store(&downloads->busy, false);
    return false;
}

void downloads_tick(struct app *app, uint64_t mono_s) {
    if (mono_s < app->downloads.due_s) return;
    (void)submit(app);
    app->downloads.due_s = mono_s + DOWNLOADS_EVERY_S;
}

/* Whether the committer is done with it by then. */
static bool wait_for_committer(struct downloads *downloads, uint64_t until_us) {
    const struct timespec pause = { .tv_nsec = 1000 * 1000 };
    while (atomic_load(&downloads->busy) && pbts_clock_mono_us() < until_us)
        nanosleep(&pause, NULL);
    return !atomic_load(&downloads->busy);
}

void downloads_flush(struct app *app, uint64_t until_us) {
    struct downloads *downloads = &app->downloads;
    if (!wait_for_committer(downloads, until_us)) return;
    while (submit(app)) {
        if (!wait_for_committer(downloads, until_us)) return;
        if (downloads->op.refusal != PBTS_REFUSAL_NONE) return; /* the log says why */
    }
}
