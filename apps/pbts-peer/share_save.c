/* share_save.c - resume data: synced content first, then what is there of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "peer/resume.h"
#include "share.h"
#include "state.h"
#include "tell.h"
#include "torrent/piece_set.h"

struct share_save {
    disk_job job;
    share *owner;
    pbts_resume resume;
    uint8_t *bitmap, *files;
    char path[PATH_MAX];
    int error;
};

static void free_save(struct share_save *save) {
    free(save->bitmap);
    free(save->files);
    free(save);
}

static int write_out(const struct share_save *save) {
    size_t room = 256 + save->resume.bitmap.len + save->resume.files.len;
    uint8_t *bytes = malloc(room);
    if (bytes == NULL) return ENOMEM;
    pbts_writer writer = pbts_writer_over(bytes, room);
    pbts_resume_encode(&writer, &save->resume);
    int error = writer.failed ? ENOMEM : state_write(save->path, pbts_writer_span(&writer));
    free(bytes);
    return error;
}

/* Pieces that were written meanwhile change their files' times, and are not in this bitmap: at the
 * next start they are hashed. */
static void run_save(disk_job *job) {
    struct share_save *save = (struct share_save *)(void *)job;
    storage *files = save->owner->files;
    save->error = storage_is_writable(files) ? storage_sync(files) : 0;
    if (save->error != 0) return;
    storage_look(files, save->files);
    save->error = write_out(save);
}

static void save_done(disk_job *job) {
    struct share_save *save = (struct share_save *)(void *)job;
    share *s = save->owner;
    s->save = NULL;
    if (save->error != 0) {
        s->save_wanted = s->e->state == ENGINE_RUNNING;
        json_t *fields = share_fields(s);
        json_object_set_new(fields, "error", json_string(strerror(save->error)));
        tell("save_failed", fields, "%s: %s: %s; the next start will check its files", s->name,
             save->path, strerror(save->error));
    }
    free_save(save);
}

static pbts_span bitmap_of(const share *s) {
    if (s->session != NULL) return pbts_session_have(s->session);
    return (pbts_span){ s->have, pbts_piece_set_len(pbts_metainfo_piece_count(s->meta)) };
}

static bool fill(struct share_save *save, const share *s) {
    pbts_session_stats stats;
    pbts_span bitmap = bitmap_of(s);
    size_t files_len = (size_t)pbts_metainfo_file_count(s->meta) * PBTS_RESUME_FILE_LEN;
    share_stats(s, &stats);
    save->bitmap = malloc(bitmap.len);
    save->files = calloc(1, files_len);
    if (save->bitmap == NULL || save->files == NULL) return false;
    memcpy(save->bitmap, bitmap.data, bitmap.len);
    save->resume = (pbts_resume){
        .piece_count = pbts_metainfo_piece_count(s->meta),
        .bitmap = { save->bitmap, bitmap.len },
        .files = { save->files, files_len },
        .uploaded_bytes = s->uploaded_before + stats.uploaded_bytes,
        .downloaded_bytes = s->downloaded_before + stats.downloaded_bytes,
    };
    memcpy(save->resume.infohash, pbts_metainfo_infohash(s->meta), PBTS_INFOHASH_LEN);
    return state_path(save->path, s->e->set.state, s->hex, ".resume") == 0;
}

void share_begin_save(share *s) {
    bool can = s->files != NULL && s->check == NULL && s->state != SHARE_FAILED &&
               (s->have != NULL || s->session != NULL);
    if (!can) s->save_wanted = false;
    if (!can || s->save != NULL) return;
    s->save_due_ms = s->e->now.mono_ms + SHARE_SAVE_MS;
    s->save_wanted = false;
    struct share_save *save = calloc(1, sizeof *save);
    if (save == NULL || !fill(save, s)) {
        if (save != NULL) free_save(save);
        s->save_wanted = s->e->state == ENGINE_RUNNING;
        return;
    }
    save->job = (disk_job){ .run = run_save, .done = save_done };
    save->owner = s;
    s->save = save;
    disk_give(&s->e->worker, &save->job);
}

bool share_is_busy(const share *s) {
    return s->check != NULL || s->save != NULL || s->writes > 0;
}
