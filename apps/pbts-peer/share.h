/* share.h - one torrent: its files, its session, its announces, and how far it is. */
#ifndef PBTS_PEER_SHARE_H
#define PBTS_PEER_SHARE_H

#include "announcer.h"
#include "engine.h"
#include "pool.h"
#include "storage.h"
#include "tell.h"
#include "torrent/magnet.h"

enum {
    SHARE_SAVE_MS = 60000, /* resume data, while pieces come */
    SHARE_RETRY_MS = 15000,
    SHARE_EARLY_ADDRS_MAX = 200,
    SHARE_NAME_MAX = 256,
};

/* CHECKING: what is on disk is looked at. JOINING: nobody is talked to before the tracker gave a
 * ticket. LEAVING: goodbyes are said. */
typedef enum {
    SHARE_CHECKING,
    SHARE_JOINING,
    SHARE_RUNNING,
    SHARE_LEAVING,
    SHARE_FAILED
} share_state;

struct share_check; /* share_check.c */
struct share_save;  /* share_save.c */

struct share {
    engine *e;
    share *next;
    share_state state;
    uint8_t infohash[PBTS_INFOHASH_LEN]; /* the swarm's */
    bool is_v2_swarm;
    char hex[2 * PBTS_INFOHASH_LEN + 1];
    char name[SHARE_NAME_MAX]; /* for people */
    char dir[PATH_MAX];
    int lock_fd; /* so that no other program shares it into the same state folder */

    pbts_metainfo *meta; /* NULL: a magnet link's, not known yet */
    storage *files;      /* NULL as long as meta is */
    uint8_t *have;       /* bitmap, while there is no session or it has no metadata */
    struct share_check *check;
    struct share_save *save;
    uint64_t save_due_ms;
    bool save_wanted;

    pbts_session *session; /* NULL before it joins */
    bool with_receipts;
    bool settling;
    conn **conns; /* by the session's numbers */
    size_t conns_capacity;
    pool pieces;
    uint8_t **buffers; /* by piece; NULL: not open */
    unsigned writes;   /* pieces on their way to the disk */

    announcer *announces;
    pbts_addr early[SHARE_EARLY_ADDRS_MAX]; /* found before there was a session */
    size_t early_count;

    bool paused; /* the disk refused; tried again */
    uint64_t retry_ms;
    bool receipts_stuck; /* the journal refused */
    bool finished, told_finished, leaving_sent, removing;
    uint64_t removing_until_ms;
    uint64_t begun_ms, finished_ms;
    uint64_t uploaded_before, downloaded_before; /* in earlier runs */
    uint64_t held_bytes;                         /* as the tracker last said */
    char problem[STORAGE_PROBLEM_MAX];           /* FAILED: why */
};

/* From metainfo (taken) or from a magnet link. NULL with `problem` filled. */
share *share_new(engine *e, char problem[static ENGINE_PROBLEM_MAX], pbts_metainfo *take_meta,
                 const pbts_magnet *magnet, const char *dir);
void share_free(share *s); /* when it has no connections and no jobs */
/* Give up on it, for good. */
void share_fail(share *s, const char *problem);

/* Whatever the session has to say since the last call: events, receipts. To be called after each
 * call of the session that may change something. */
void share_settle(share *s);
void share_tick(share *s);
/* Begin the session if it is time. */
void share_try_join(share *s);
void share_dial(share *s);
/* Say goodbye to peers. */
void share_leave(share *s);
bool share_has_left(const share *s);

conn *share_conn(const share *s, pbts_conn number);
bool share_note_conn(share *s, pbts_conn number, conn *c); /* false: no memory */
/* Where the bytes of an open piece go; NULL: no memory. */
uint8_t *share_buffer(share *s, uint32_t piece);

/* Figures; zero where nothing is known yet. */
void share_stats(const share *s, pbts_session_stats *out);
json_t *share_json(const share *s);
/* {"torrent": infohash} for events, to add to. */
json_t *share_fields(const share *s);

/* ---- what is on disk (share_check.c, share_save.c, share_piece.c) ---- */

/* Look at the files, resume data first; then share_checked. */
void share_begin_check(share *s);
void share_checked(share *s); /* in share.c: the bitmap is s->have */
/* s->meta came from peers: open the files, look at them. */
void share_take_metainfo(share *s);
void share_end_check(share *s);
/* The share of it that is looked at, 0..1. */
double share_check_part(const share *s);
/* Write resume data now, unless that is under way. */
void share_begin_save(share *s);
bool share_is_busy(const share *s); /* jobs of its are with the disk */
void share_piece_complete(share *s, uint32_t piece);
void share_drop_buffer(share *s, uint32_t piece);
void share_drop_buffers(share *s);
/* The disk refused: no more is asked for until it takes bytes again. */
void share_pause(share *s, const char *why);

#endif
