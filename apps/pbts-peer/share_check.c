/* share_check.c - what of a torrent is on disk already: resume data where the files are as they
 * were, hashes for the rest. All of it on the disk's thread, a portion at a time. */
#include <stdlib.h>
#include <string.h>

#include "net/clock.h"
#include "peer/resume.h"
#include "say.h"
#include "share.h"
#include "state.h"
#include "tell.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"

enum { PORTION_MS = 100 };

struct share_check {
    disk_job job;
    share *owner;
    bool begun;    /* the files were looked at */
    bool stopped;  /* the program ends */
    uint8_t *have; /* pieces that are there; becomes the share's */
    uint8_t *todo; /* pieces to be hashed */
    uint32_t next, done_count, todo_count;
    double part; /* on the loop's side: how far it was at the end of the last portion */
    uint8_t *buffer;
    uint64_t uploaded, downloaded;
    int error;
    bool trusted; /* some of it by resume data */
};

/* ---- the first look ---- */

static size_t set_len(const share *s) {
    return pbts_piece_set_len(pbts_metainfo_piece_count(s->meta));
}

/* Trust the pieces of files that are as they were. */
static void compare_files(struct share_check *check, const pbts_resume *resume) {
    share *s = check->owner;
    uint32_t count = pbts_metainfo_file_count(s->meta);
    uint8_t *now = calloc(count, PBTS_RESUME_FILE_LEN);
    if (now == NULL) return;
    storage_look(s->files, now);
    memcpy(check->have, resume->bitmap.data, resume->bitmap.len);
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)i * PBTS_RESUME_FILE_LEN;
        if (memcmp(now + at, resume->files.data + at, PBTS_RESUME_FILE_LEN) != 0) {
            pbts_resume_distrust(check->have, s->meta, i);
        }
    }
    free(now);
    check->trusted = pbts_piece_set_count((pbts_span){ check->have, set_len(s) }) > 0;
}

static void take_resume(struct share_check *check, pbts_span bytes) {
    share *s = check->owner;
    pbts_resume resume;
    bool fits = pbts_resume_decode(&resume, bytes) == PBTS_OK &&
                memcmp(resume.infohash, pbts_metainfo_infohash(s->meta), PBTS_INFOHASH_LEN) == 0 &&
                resume.piece_count == pbts_metainfo_piece_count(s->meta) &&
                pbts_resume_file_count(&resume) == pbts_metainfo_file_count(s->meta);
    if (!fits) return;
    check->uploaded = resume.uploaded_bytes;
    check->downloaded = resume.downloaded_bytes;
    compare_files(check, &resume);
}

static void look(struct share_check *check) {
    share *s = check->owner;
    char path[PATH_MAX];
    uint8_t *bytes;
    size_t len;
    bool found;
    check->error = storage_prepare(s->files, &found);
    if (check->error != 0) return;
    if (state_path(path, s->e->set.state, s->hex, ".resume") == 0 &&
        state_read(&bytes, &len, path, PBTS_RESUME_LEN_MAX) == 0) {
        take_resume(check, (pbts_span){ bytes, len });
        free(bytes);
    }
    if (!found) return; /* nothing is there to be hashed */
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(s->meta); i++) {
        if (pbts_piece_set_has(check->have, i)) continue;
        pbts_piece_set_add(check->todo, i);
        check->todo_count++;
    }
}

/* ---- hashing ---- */

static void check_piece(struct share_check *check, uint32_t piece) {
    share *s = check->owner;
    size_t len = pbts_piece_stream_bytes(s->meta, piece);
    int error =
        storage_read(s->files, STORAGE_DISK, check->buffer, pbts_piece_offset(s->meta, piece), len);
    if (error == 0 &&
        pbts_piece_check(s->meta, piece, (pbts_span){ check->buffer, len }) == PBTS_OK) {
        pbts_piece_set_add(check->have, piece);
    }
    check->done_count++;
}

static void run_check(disk_job *job) {
    struct share_check *check = (struct share_check *)(void *)job;
    uint64_t end_us = pbts_clock_mono_us() + PORTION_MS * 1000;
    pbts_span todo = { check->todo, set_len(check->owner) };
    if (!check->begun) {
        look(check);
        check->begun = true;
        return;
    }
    while (pbts_piece_set_next(todo, &check->next) && pbts_clock_mono_us() < end_us) {
        check_piece(check, check->next++);
    }
}

/* ---- on the loop ---- */

static void free_check(struct share_check *check) {
    free(check->have);
    free(check->todo);
    free(check->buffer);
    free(check);
}

static void finish(share *s, struct share_check *check) {
    free(s->have);
    s->have = check->have;
    check->have = NULL;
    s->uploaded_before = check->uploaded;
    s->downloaded_before = check->downloaded;
    s->check = NULL;
    if (check->todo_count > 0) s->save_wanted = true;
    uint32_t count = pbts_piece_set_count((pbts_span){ s->have, set_len(s) });
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "pieces", json_integer(count));
    json_object_set_new(fields, "piece_count",
                        json_integer((json_int_t)pbts_metainfo_piece_count(s->meta)));
    json_object_set_new(fields, "hashed", json_integer((json_int_t)check->todo_count));
    tell("checked", fields, "%s: %u of %s there%s", s->name, count,
         say_count(pbts_metainfo_piece_count(s->meta), "piece"),
         check->trusted ? " (known from before)" : "");
    free_check(check);
    share_checked(s);
}

static void check_done(disk_job *job) {
    struct share_check *check = (struct share_check *)(void *)job;
    share *s = check->owner;
    engine_touch(s->e);
    if (check->error != 0 || check->stopped || s->state == SHARE_FAILED) {
        s->check = NULL;
        if (check->error != 0) share_fail(s, storage_problem(s->files, STORAGE_DISK));
        free_check(check);
        return;
    }
    if (check->next < pbts_metainfo_piece_count(s->meta) && check->done_count < check->todo_count) {
        check->part = (double)check->done_count / (double)check->todo_count;
        disk_give(&s->e->worker, &check->job);
    } else {
        finish(s, check);
    }
}

void share_begin_check(share *s) {
    struct share_check *check = calloc(1, sizeof *check);
    if (check != NULL) {
        check->job = (disk_job){ .run = run_check, .done = check_done };
        check->owner = s;
        check->have = calloc(1, set_len(s));
        check->todo = calloc(1, set_len(s));
        check->buffer = malloc(pbts_metainfo_piece_length(s->meta));
    }
    if (check == NULL || !check->have || !check->todo || !check->buffer) {
        if (check != NULL) free_check(check);
        share_fail(s, "out of memory");
        return;
    }
    s->check = check;
    disk_give(&s->e->worker, &check->job);
}

void share_end_check(share *s) {
    if (s->check != NULL) s->check->stopped = true;
}

double share_check_part(const share *s) {
    return s->check == NULL ? 0 : s->check->part;
}
