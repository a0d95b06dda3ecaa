/* share_piece.c - pieces between the network and the disk: buffers, hashing, writing. A piece that
 * the disk refuses stays in memory, for its sender is signed for and would not be for another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "share.h"
#include "tell.h"
#include "torrent/piece_check.h"

typedef struct piece_write {
    disk_job job;
    share *owner;
    struct piece_write *next; /* of those that are kept */
    uint32_t piece, len;
    uint8_t *buffer;
    bool hash_ok, kept; /* kept: the session knows that it was right */
    int error;
    char problem[STORAGE_PROBLEM_MAX];
} piece_write;

/* ---- buffers ---- */

uint8_t *share_buffer(share *s, uint32_t piece) {
    if (s->buffers[piece] != NULL) return s->buffers[piece];
    if (s->pieces.free == NULL) engine_make_room(s->e, s->pieces.buffer_bytes);
    s->buffers[piece] = pool_take(&s->pieces);
    return s->buffers[piece];
}

void share_drop_buffer(share *s, uint32_t piece) {
    if (s->buffers == NULL) return;
    pool_give(&s->pieces, s->buffers[piece]);
    s->buffers[piece] = NULL;
}

void share_drop_buffers(share *s) {
    if (s->buffers == NULL) return;
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(s->meta); i++) share_drop_buffer(s, i);
    free(s->buffers);
    s->buffers = NULL;
}

/* ---- a whole piece ---- */

static void run_write(disk_job *job) {
    piece_write *w = (piece_write *)(void *)job;
    share *s = w->owner;
    pbts_span bytes = { w->buffer, w->len };
    w->hash_ok = pbts_piece_check(s->meta, w->piece, bytes) == PBTS_OK;
    if (!w->hash_ok) return;
    w->error = storage_write(s->files, bytes, pbts_piece_offset(s->meta, w->piece));
    if (w->error != 0) {
        (void)snprintf(w->problem, sizeof w->problem, "%s",
                       storage_problem(s->files, STORAGE_DISK));
    }
}

static void tell_bad_piece(const share *s, uint32_t piece) {
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "piece", json_integer((json_int_t)piece));
    tell("bad_piece", fields, "%s: piece %u arrived damaged; asked for again", s->name, piece);
}

static void tell_session(const share *s, const piece_write *w) {
    bool written = w->error == 0;
    if (s->session == NULL) return;
    if (w->kept && written) {
        pbts_session_piece_written(s->session, w->piece, true, s->e->now);
    } else if (!w->kept) {
        pbts_session_piece_checked(s->session, w->piece, w->hash_ok, written, s->e->now);
    }
}

static void write_done(disk_job *job) {
    piece_write *w = (piece_write *)(void *)job;
    share *s = w->owner;
    engine_touch(s->e);
    s->writes--;
    if (!w->hash_ok) tell_bad_piece(s, w->piece);
    tell_session(s, w);
    if (w->hash_ok && w->error != 0) {
        share_pause(s, w->problem);
        w->kept = true;
        w->next = s->kept;
        s->kept = w;
    } else {
        if (w->hash_ok) s->save_wanted = true;
        if (w->kept) share_write_kept(s);
        pool_give(&s->pieces, w->buffer);
        free(w);
    }
    share_settle(s);
}

static void begin_write(share *s, piece_write *w) {
    s->writes++;
    disk_give(&s->e->worker, &w->job);
}

void share_piece_complete(share *s, uint32_t piece) {
    piece_write *w = calloc(1, sizeof *w);
    uint8_t *buffer = s->buffers[piece];
    if (w == NULL || buffer == NULL) { /* out of memory: nobody is to blame */
        free(w);
        share_drop_buffer(s, piece);
        pbts_session_piece_checked(s->session, piece, true, false, s->e->now);
        pbts_session_piece_written(s->session, piece, false, s->e->now);
        return;
    }
    s->buffers[piece] = NULL;
    *w = (piece_write){ .job = { .run = run_write, .done = write_done },
                        .owner = s,
                        .piece = piece,
                        .len = pbts_piece_stream_bytes(s->meta, piece),
                        .buffer = buffer };
    begin_write(s, w);
}

/* ---- when the disk refuses ---- */

void share_write_kept(share *s) {
    piece_write *w = s->kept;
    if (w == NULL) {
        share_go_on(s);
        return;
    }
    s->kept = w->next;
    begin_write(s, w);
}

void share_drop_kept(share *s) {
    while (s->kept != NULL) {
        piece_write *w = s->kept;
        s->kept = w->next;
        pool_give(&s->pieces, w->buffer);
        free(w);
    }
}

void share_pause(share *s, const char *why) {
    s->retry_ms = s->e->now.mono_ms + SHARE_RETRY_MS;
    if (s->paused) return;
    s->paused = true;
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "error", json_string(why));
    tell("paused", fields, "%s: paused: %s; tried again every %d s", s->name, why,
         SHARE_RETRY_MS / 1000);
    if (s->session != NULL) pbts_session_set_download_limit(s->session, 1, s->e->now);
}

void share_go_on(share *s) {
    if (!s->paused) return;
    s->paused = false;
    tell("resumed", share_fields(s), "%s: goes on", s->name);
    engine_share_limits(s->e);
}
