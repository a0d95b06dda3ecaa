#include "taken_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash/sha.h"
#include "state.h"
#include "tell.h"
#include "tracker_api.h"

struct taken_file {
    char path[PATH_MAX]; /* "": none */
    uint8_t bytes[PBTS_BOOK_LEN_MAX];
    uint8_t hash[PBTS_SHA256_LEN]; /* of what is on disk */
    uint64_t save_ms;
};

static void tell_failed(const taken_file *t, int error, const char *what) {
    tell("state_failed", json_pack("{s:s, s:s}", "path", t->path, "error", strerror(error)),
         "%s: %s%s", t->path, strerror(error), what);
}

static pbts_span encode(taken_file *t, const engine *e) {
    pbts_writer writer = pbts_writer_over(t->bytes, sizeof t->bytes);
    pbts_book_encode(&writer, e->book);
    return pbts_writer_span(&writer);
}

static void save(taken_file *t, const engine *e) {
    uint8_t hash[PBTS_SHA256_LEN];
    pbts_span bytes = encode(t, e);
    pbts_sha256(hash, bytes);
    if (t->path[0] == '\0' || memcmp(hash, t->hash, sizeof hash) == 0) return;
    int error = state_write(t->path, bytes);
    if (error == 0) memcpy(t->hash, hash, sizeof hash);
    if (error != 0) tell_failed(t, error, "");
}

static int load(taken_file *t, const engine *e) {
    uint8_t *bytes;
    size_t len;
    int error = state_read(&bytes, &len, t->path, PBTS_BOOK_LEN_MAX);
    if (error != 0) return error;
    pbts_sha256(t->hash, (pbts_span){ bytes, len });
    pbts_status status = pbts_book_decode(e->book, (pbts_span){ bytes, len });
    free(bytes);
    return status == PBTS_OK ? 0 : status == PBTS_NO_MEMORY ? ENOMEM : EBADMSG;
}

taken_file *taken_file_open(const engine *e) {
    char name[64], hex[2 * 8 + 1];
    taken_file *t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    hex_text(hex, sizeof hex, (pbts_span){ e->key->iid, 8 });
    (void)snprintf(name, sizeof name, "taken-%s", hex);
    if (state_path(t->path, e->set.state, name, ".book") != 0) t->path[0] = '\0';
    t->save_ms = e->now.mono_ms + TAKEN_FILE_SAVE_MS;
    pbts_sha256(t->hash, encode(t, e)); /* an empty one is not written */
    int error = t->path[0] == '\0' ? ENOENT : load(t, e);
    if (error != 0 && error != ENOENT) {
        tell_failed(t, error, "; what others took without the tracker is forgotten");
    }
    return t;
}

void taken_file_tick(taken_file *t, const engine *e) {
    if (t == NULL || e->now.mono_ms < t->save_ms) return;
    t->save_ms = e->now.mono_ms + TAKEN_FILE_SAVE_MS;
    save(t, e);
}

void taken_file_close(taken_file *t, const engine *e) {
    if (t == NULL) return;
    save(t, e);
    free(t);
}
