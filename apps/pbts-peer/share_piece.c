/* share_piece.c - pieces between the network and the disk: buffers, hashing, writing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "share.h"
#include "tell.h"
#include "torrent/piece_check.h"

typedef struct {
    disk_job job;
    share *owner;
    uint32_t piece, len;
    uint8_t *buffer;
    bool hash_ok;
    int error;
    char problem[STORAGE_PROBLEM_MAX];
} piece_write;

/* ---- buffers ---- */

uint8_t *share_buffer(share *s, uint32_t piece) {
    if (s->buffers[piece] == NULL) s->buffers[piece] = pool_take(&s->pieces);
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

static void write_done(disk_job *job) {
    piece_write *w = (piece_write *)(void *)job;
    share *s = w->owner;
    engine_touch(s->e);
    s->writes--;
    pool_give(&s->pieces, w->buffer);
    if (!w->hash_ok) tell_bad_piece(s, w->piece);
    if (w->hash_ok && w->error == 0) s->save_wanted = true;
    if (w->hash_ok && w->error != 0) share_pause(s, w->problem);
    if (s->session != NULL) {
        pbts_session_piece_checked(s->session, w->piece, w->hash_ok, w->error == 0, s->e->now);
        share_settle(s);
    }
    free(w);
}

void share_piece_complete(share *s, uint32_t piece) {
    piece_write *w = calloc(1, sizeof *w);
    uint8_t *buffer = s->buffers[piece];
    if (w == NULL || buffer == NULL) { /* out of memory: nobody is to blame */
        free(w);
        share_drop_buffer(s, piece);
        pbts_session_piece_checked(s->session, piece, true, false, s->e->now);
        return;
    }
    s->buffers[piece] = NULL;
    *w = (piece_write){ .job = { .run = run_write, .done = write_done },
                        .owner = s,
                        .piece = piece,
                        .len = pbts_piece_stream_bytes(s->meta, piece),
                        .buffer = buffer };
    s->writes++;
    disk_give(&s->e->worker, &w->job);
}

/* ---- when the disk refuses ---- */

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
