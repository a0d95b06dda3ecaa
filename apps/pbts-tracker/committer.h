/* committer.h - the one writer: a thread that turns waiting operations into one durable commit.
 *
 * A bounded queue. The thread takes all that waits (up to COMMIT_BATCH_MAX) into one
 * pbts_commit; each operation gets its own refusal. When the commit fails as a whole, each gets a
 * commit of its own, and what became of that.
 * `done` is called from the committer's thread, when the outcome is on disk.
 */
#ifndef PBTS_TRACKER_COMMITTER_H
#define PBTS_TRACKER_COMMITTER_H

#include "tracker/tracker.h"

struct app;
struct committer;

enum { COMMIT_QUEUE_MAX = 4096, COMMIT_BATCH_MAX = 256 };

enum commit_kind {
    COMMIT_REGISTRATION,
    COMMIT_REPORT,
    COMMIT_TORRENT,
    COMMIT_ROTATE,
    COMMIT_SET_TOTALS,
    COMMIT_MIGRATE,
    COMMIT_DOWNLOADS
};

/* One operation; the caller's storage, borrowed (with all that it points at) until `done`. */
struct commit_op {
    enum commit_kind kind;
    const pbts_checked_registration *registration; /* REGISTRATION */
    bool admin;                                    /* REGISTRATION */
    pbts_checked_report *report;                   /* REPORT */
    const pbts_metainfo *meta;                     /* TORRENT */
    uint32_t user_no;                              /* TORRENT, ROTATE, SET_TOTALS */
    uint64_t up_bytes, down_bytes;                 /* SET_TOTALS */
    pbts_span uid;                                 /* MIGRATE */
    pbts_refusal refusal;                          /* out: NONE when it is durable */
    uint32_t number; /* out: user_no of REGISTRATION and MIGRATE, torrent_no of TORRENT */
    void (*done)(void *host, struct commit_op *op);
    void *host;
    struct commit_op *next; /* the queue's */
};

/* PBTS_NO_MEMORY, PBTS_IO (no thread). */
PBTS_MUST_USE pbts_status committer_start(struct committer **out, struct app *app);
/* NONE: `done` will be called. OVERLOADED (queue full, or stopping): it will not. */
pbts_refusal committer_submit(struct committer *committer, struct commit_op *op);
/* Commit all that waits, at most `seconds` long, end the thread, free. What is left is refused. */
void committer_stop(struct committer *committer, unsigned seconds);
size_t committer_waiting(struct committer *committer);

#endif
