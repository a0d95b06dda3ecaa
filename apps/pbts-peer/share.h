/* share.h - one torrent: its files, its session, its announces, and how far it is. */
#ifndef PBTS_PEER_SHARE_H
#define PBTS_PEER_SHARE_H

#include "announcer.h"
#include "dht_schedule.h"
#include "engine.h"
#include "pool.h"
#include "storage.h"
#include "tell.h"
#include "torrent/magnet.h"

enum {
    SHARE_SAVE_MS = 60000, /* resume data, while pieces come */
    SHARE_RETRY_MS = 5000, /* whether the disk takes bytes again */
    SHARE_OWED_MS = 5000,  /* at the end, for receipts of whole pieces */
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

/* An address that was found before there was a session. */
typedef struct {
    pbts_addr addr;
    pbts_peer_source source;
} share_early_addr;

typedef struct {
    bool has_secret;
    pbts_dht_torrent_secret secret;
    dht_schedule schedule;
    unsigned announcing, getting; /* operations under way */
    uint32_t found;               /* in the gets of this round */
    uint64_t found_total;
    bool stopping, stop_sent;
} share_dht;

struct share {
    engine *e;
    share *next;
    share_state state;
    uint8_t infohash[PBTS_INFOHASH_LEN]; /* the swarm's */
    bool is_v2_swarm;
    /* A magnet link that names both of a hybrid torrent: its v2 one. */
    bool magnet_has_other;
    uint8_t magnet_other[PBTS_INFOHASH_LEN];
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
    uint8_t **buffers;        /* by piece; NULL: not open */
    unsigned writes;          /* pieces on their way to the disk */
    struct piece_write *kept; /* pieces that the disk refused; each has its slot of the session */

    announcer *announces;
    announcer *announces_other; /* of a hybrid torrent, by its other infohash; or NULL */
    share_early_addr early[SHARE_EARLY_ADDRS_MAX];
    size_t early_count;
    share_dht dht;

    bool paused; /* the disk refused; tried again */
    uint64_t retry_ms;
    bool receipts_stuck; /* the journal refused */
    bool finished, told_finished, leaving_sent, removing, has_left;
    uint64_t removing_until_ms;
    uint64_t owed_until_ms; /* LEAVING: receipts are waited for */
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
void share_tick_session(share *s); /* of that what goes on while it is left */
/* Begin the session if it is time. */
void share_try_join(share *s);
/* Whether receipts are formed here; UNKNOWN: not before the tracker was asked. */
home_answer share_forms_receipts(const share *s);
void share_dial(share *s);
/* Say goodbye to peers. It has left when all is sent, and what is owed signed for or given up. */
void share_leave(share *s);
bool share_has_left(const share *s);

/* ---- trackers (share_announces.c) ---- */

bool share_begin_announces(share *s, const pbts_magnet *magnet); /* false: no memory */
/* Make the announces that are due. */
void share_announce(share *s);
void share_announce_completed(share *s);
/* The tracker seems to be away: see for itself, and go on asking. */
void share_announce_recheck(share *s);
/* Say goodbye, after what is due; to be called until it is true: all trackers were told. */
bool share_announce_end(share *s);
/* The same at once: what was due is left out. */
bool share_announce_stop(share *s);

/* A peer that somebody named, and what else listens at that address. */
void share_note_addr(share *s, const pbts_addr *addr, pbts_peer_source source);

/* ---- the DHT (share_dht.c) ---- */

/* Search and announce there while the tracker is away, and a while longer. */
void share_dht_tick(share *s);
/* Ask and announce anew, soon. */
void share_dht_hurry(share *s);
/* Take the announces back; to be called until it is true. */
bool share_dht_stop(share *s);
void share_dht_free(share *s);
json_t *share_dht_json(const share *s);

/* Of a hybrid torrent the infohash that it is not shared by; peers may call it so. NULL: none, or
 * none is known yet. */
const uint8_t *share_other_infohash(const share *s);
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
void share_go_on(share *s);
/* Try to write a piece that was refused; each that can be written brings the next, and the last one
 * share_go_on. */
void share_write_kept(share *s);
void share_drop_kept(share *s);

#endif
