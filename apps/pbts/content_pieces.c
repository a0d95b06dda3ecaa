/* content_pieces.c - the bytes of a torrent's pieces, from the files on disk. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "content.h"
#include "exit_codes.h"
#include "say.h"
#include "torrent/piece_check.h"

/* "ROOT/PATH"; false when it is too long. */
static bool join(char out[static CONTENT_PATH_MAX], const char *root, pbts_span path) {
    int len =
        snprintf(out, CONTENT_PATH_MAX, "%s/%.*s", root, (int)path.len, (const char *)path.data);
    return len >= 0 && len < CONTENT_PATH_MAX;
}

static bool path_of(char out[static CONTENT_PATH_MAX], const content_place *place,
                    const pbts_torrent_file *file) {
    if (!place->is_file) return join(out, place->root, file->path);
    memcpy(out, place->root, sizeof place->root);
    return true;
}

/* ---- where ---- */

/* How many of the torrent's files are there. */
static uint32_t files_at(const content_place *place, const pbts_metainfo *meta) {
    char path[CONTENT_PATH_MAX];
    struct stat info;
    uint32_t found = 0;
    for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
        pbts_torrent_file file = pbts_metainfo_file(meta, i);
        if (file.padding || !path_of(path, place, &file)) continue;
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) found++;
    }
    return found;
}

int content_place_find(content_place *out, const pbts_metainfo *meta, const char *data) {
    content_place named, below;
    struct stat info;
    if (stat(data, &info) != 0) return say_errno(data);
    size_t len = strlen(data);
    while (len > 1 && data[len - 1] == '/') len--;
    if (len >= sizeof named.root) return say_fail(PBTS_EXIT_USAGE, "%s: is too long", data);
    memcpy(named.root, data, len);
    named.root[len] = '\0';
    named.is_file = !S_ISDIR(info.st_mode);
    if (named.is_file && !pbts_metainfo_is_single_file(meta)) {
        return say_fail(PBTS_EXIT_USAGE, "%s: the torrent's content is a folder", data);
    }
    below.is_file = false;
    *out = named;
    if (named.is_file) return PBTS_EXIT_OK;
    if (!join(below.root, named.root, pbts_metainfo_name(meta))) return PBTS_EXIT_OK;
    if (stat(below.root, &info) != 0 || !S_ISDIR(info.st_mode)) return PBTS_EXIT_OK;
    if (files_at(&below, meta) > files_at(&named, meta)) *out = below;
    return PBTS_EXIT_OK;
}

/* ---- reading ---- */

static int read_failed(uint32_t piece, const char *path, const char *why) {
    return say_fail(PBTS_EXIT_REFUSED, "piece %u: %s: %s; no receipt is made", piece, path, why);
}

static int open_failed(uint32_t piece, const char *path) {
    switch (errno) {
    case ENOENT:
    case ENOTDIR: return read_failed(piece, path, "is missing");
    case EINVAL:
    case ENXIO: return read_failed(piece, path, "is not a regular file");
    default: return say_errno(path);
    }
}

static int read_part(uint8_t *out, uint32_t piece, const char *path, uint64_t at, size_t len) {
    FILE *file = content_open(path);
    if (file == NULL) return open_failed(piece, path);
    int code = PBTS_EXIT_OK;
    if (fseeko(file, (off_t)at, SEEK_SET) != 0) {
        code = say_errno(path);
    } else if (fread(out, 1, len, file) != len) {
        code = ferror(file) ? say_errno(path)
                            : read_failed(piece, path, "is shorter than the torrent says");
    }
    (void)fclose(file);
    return code;
}

/* The part of a file that lies in a piece. */
typedef struct {
    pbts_torrent_file file;
    uint64_t at;
    size_t len;
} piece_part;

typedef struct {
    const pbts_metainfo *meta;
    uint64_t offset; /* where the piece begins in the torrent's stream */
    size_t left;
    uint32_t file;
} piece_walk;

static piece_walk walk_piece(const pbts_metainfo *meta, uint32_t index) {
    uint64_t offset = pbts_piece_offset(meta, index);
    return (piece_walk){ meta, offset, pbts_piece_stream_bytes(meta, index),
                         pbts_metainfo_file_at(meta, offset) };
}

/* The next part of the piece; false after the last. */
static bool walk_next(piece_part *out, piece_walk *walk) {
    uint32_t count = pbts_metainfo_file_count(walk->meta);
    while (walk->left > 0 && walk->file < count) {
        pbts_torrent_file file = pbts_metainfo_file(walk->meta, walk->file++);
        uint64_t within = walk->offset > file.offset_bytes ? walk->offset - file.offset_bytes : 0;
        if (within >= file.length_bytes) continue;
        uint64_t here = file.length_bytes - within;
        *out = (piece_part){ file, within, here < walk->left ? (size_t)here : walk->left };
        walk->left -= out->len;
        return true;
    }
    return false;
}

int content_read_piece(uint8_t *out, const pbts_metainfo *meta, const content_place *place,
                       uint32_t index) {
    char path[CONTENT_PATH_MAX];
    piece_walk walk = walk_piece(meta, index);
    for (piece_part part; walk_next(&part, &walk); out += part.len) {
        int code = PBTS_EXIT_OK;
        if (part.file.padding) {
            memset(out, 0, part.len);
        } else if (path_of(path, place, &part.file)) {
            code = read_part(out, index, path, part.at, part.len);
        } else {
            code = say_fail(PBTS_EXIT_IO, "%s: a path below is too long", place->root);
        }
        if (code != PBTS_EXIT_OK) return code;
    }
    if (walk.left == 0) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_REFUSED, "piece %u ends behind the torrent's last file", index);
}

void content_piece_files(char *out, size_t capacity, const pbts_metainfo *meta,
                         const content_place *place, uint32_t index) {
    char path[CONTENT_PATH_MAX];
    piece_walk walk = walk_piece(meta, index);
    unsigned files = 0;
    for (piece_part part; walk_next(&part, &walk);) {
        if (part.file.padding) continue;
        if (files++ == 0 && !path_of(path, place, &part.file)) path[0] = '\0';
    }
    if (files > 1) {
        (void)snprintf(out, capacity, "%s and %s", path, say_count(files - 1, "more file"));
    } else {
        (void)snprintf(out, capacity, "%s", files == 1 ? path : "no file");
    }
}
