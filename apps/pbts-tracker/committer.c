#include "committer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "app.h"
#include "ethereum/ethereum.h"
#include "net/clock.h"

struct committer {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct commit_op *first, **last; /* guarded, as the next two */
    size_t waiting;
    bool stopping;
    atomic_uint_fast64_t refuse_after_us; /* when stopping: what is not begun by then is refused */
};

static bool is_fatal(pbts_refusal refusal) {
    return refusal == PBTS_REFUSAL_STORE_FULL || refusal == PBTS_REFUSAL_INTERNAL;
}

static pbts_refusal apply(pbts_commit *commit, struct commit_op *op) {
    switch (op->kind) {
    case COMMIT_REGISTRATION:
        return pbts_commit_registration(commit, &op->number, op->registration, op->admin);
    case COMMIT_REPORT: return pbts_commit_report(commit, op->report);
    case COMMIT_TORRENT: return pbts_commit_torrent(commit, &op->number, op->user_no, op->meta);
    case COMMIT_ROTATE: return pbts_commit_rotate(commit, op->user_no);
    case COMMIT_SET_TOTALS:
        return pbts_commit_set_totals(commit, op->user_no, op->up_bytes, op->down_bytes);
    case COMMIT_MIGRATE: return pbts_commit_migrate(commit, &op->number, op->uid);
    case COMMIT_DOWNLOADS: return pbts_commit_downloads(commit);
    }
    return PBTS_REFUSAL_INTERNAL;
}

/* Each operation gets its refusal; the result is what stopped the commit as a whole. */
static pbts_refusal commit_batch(struct committer *committer, struct commit_op *batch) {
    pbts_commit *commit;
    pbts_status begun = pbts_commit_begin(&commit, committer->app->tracker, app_now());
    if (begun != PBTS_OK) return pbts_refusal_of_status(begun);
    for (struct commit_op *op = batch; op != NULL; op = op->next) {
        op->refusal = apply(commit, op);
        if (!is_fatal(op->refusal)) continue;
        pbts_commit_abort(commit);
        return op->refusal;
    }
    pbts_status ended = pbts_commit_end(commit);
    return ended == PBTS_OK ? PBTS_REFUSAL_NONE : pbts_refusal_of_status(ended);
}

static void finish(struct commit_op *batch, pbts_refusal whole) {
    for (struct commit_op *op = batch, *next; op != NULL; op = next) {
        next = op->next; /* `done` may free the operation */
        if (whole != PBTS_REFUSAL_NONE) op->refusal = whole;
        op->done(op->host, op);
    }
}

/* Cut up to COMMIT_BATCH_MAX operations off the queue; the mutex is held. */
static struct commit_op *take_batch(struct committer *committer, size_t *count) {
    struct commit_op *batch = committer->first, **end = &committer->first;
    size_t taken = 0;
    for (; *end != NULL && taken < COMMIT_BATCH_MAX; taken++) end = &(*end)->next;
    committer->first = *end;
    if (committer->first == NULL) committer->last = &committer->first;
    if (taken > 0) *end = NULL;
    committer->waiting -= taken;
    *count = taken;
    return taken > 0 ? batch : NULL;
}

static pbts_refusal commit_measured(struct committer *committer, struct commit_op *batch,
                                    size_t count) {
    struct app *app = committer->app;
    uint64_t start = pbts_clock_mono_us();
    pbts_refusal whole = commit_batch(committer, batch);
    bool good = whole == PBTS_REFUSAL_NONE;
    if (good) ethereum_wake(app->ethereum);
    metrics_commit(&app->metrics, pbts_clock_mono_us() - start, count, good);
    if (!good && pbts_store_is_lost(app->store)) app_fail(app);
    return whole;
}

/* What fails together may be the fault of one, a torrent that is too large for what is left of the
 * store: then each is tried for itself, so that nobody has others refused with him. */
static void run_batch(struct committer *committer, struct commit_op *batch, size_t count) {
    if (pbts_clock_mono_us() > atomic_load(&committer->refuse_after_us)) {
        finish(batch, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    pbts_refusal whole = commit_measured(committer, batch, count);
    if (whole != PBTS_REFUSAL_NONE)
        LOG(&committer->app->log, LOG_ERROR, "commit_failed",
            LOG_TEXT("reason", pbts_refusal_name(whole)), LOG_UINT("operations", count));
    if (whole == PBTS_REFUSAL_NONE || count == 1) {
        finish(batch, whole);
        return;
    }
    for (struct commit_op *op = batch, *next; op != NULL; op = next) {
        next = op->next;
        op->next = NULL;
        finish(op, commit_measured(committer, op, 1));
    }
}

static void *run(void *argument) {
    struct committer *committer = argument;
    pthread_mutex_lock(&committer->mutex);
    for (;;) {
        while (committer->first == NULL && !committer->stopping)
            pthread_cond_wait(&committer->wake, &committer->mutex);
        size_t count;
        struct commit_op *batch = take_batch(committer, &count);
        if (batch == NULL) break; /* stopping, and all is done */
        pthread_mutex_unlock(&committer->mutex);
        run_batch(committer, batch, count);
        pthread_mutex_lock(&committer->mutex);
    }
    pthread_mutex_unlock(&committer->mutex);
    return NULL;
}

pbts_status committer_start(struct committer **out, struct app *app) {
    struct committer *committer = calloc(1, sizeof *committer);
    if (committer == NULL) return PBTS_NO_MEMORY;
    committer->app = app;
    committer->last = &committer->first;
    atomic_init(&committer->refuse_after_us, UINT64_MAX);
    pthread_mutex_init(&committer->mutex, NULL);
    pthread_cond_init(&committer->wake, NULL);
    if (pthread_create(&committer->thread, NULL, run, committer) != 0) {
        free(committer);
        return PBTS_IO;
    }
    *out = committer;
    return PBTS_OK;
}

pbts_refusal committer_submit(struct committer *committer, struct commit_op *op) {
    pthread_mutex_lock(&committer->mutex);
    bool room = committer->waiting < COMMIT_QUEUE_MAX && !committer->stopping;
    if (room) {
        op->next = NULL;
        *committer->last = op;
        committer->last = &op->next;
        committer->waiting++;
        pthread_cond_signal(&committer->wake);
    }
    pthread_mutex_unlock(&committer->mutex);
    return room ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_OVERLOADED;
}

void committer_stop(struct committer *committer, unsigned seconds) {
    if (committer == NULL) return;
    atomic_store(&committer->refuse_after_us, pbts_clock_mono_us() + (uint64_t)seconds * 1000000u);
    pthread_mutex_lock(&committer->mutex);
    committer->stopping = true;
    pthread_cond_signal(&committer->wake);
    pthread_mutex_unlock(&committer->mutex);
    pthread_join(committer->thread, NULL);
    pthread_cond_destroy(&committer->wake);
    pthread_mutex_destroy(&committer->mutex);
    free(committer);
}

size_t committer_waiting(struct committer *committer) {
    pthread_mutex_lock(&committer->mutex);
    size_t waiting = committer->waiting;
    pthread_mutex_unlock(&committer->mutex);
    return waiting;
}
