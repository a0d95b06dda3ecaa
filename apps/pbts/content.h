/* content.h - the files that a torrent is made of, on disk. */
#ifndef PBTS_APPS_CONTENT_H
#define PBTS_APPS_CONTENT_H

#include <stdio.h>

#include "torrent/builder.h"

enum { CONTENT_PATH_MAX = 4096, CONTENT_DEPTH_MAX = 32 };

typedef struct {
    char *path; /* below the folder, "/"-joined */
    uint64_t length_bytes;
} content_file;

/* Regular files below a folder in a torrent's order, or the single file itself. */
typedef struct {
    char root[CONTENT_PATH_MAX]; /* the folder or the file, without a slash at its end */
    const char *name;            /* its last part, within `root` */
    bool single_file;
    content_file *files;
    size_t count, capacity;
    uint64_t total_bytes;
} content;

/* Walk `path`. Empty files are kept, symbolic links are followed to files and refused to folders,
 * anything else is refused. Gives an exit code; says what is wrong. */
int content_scan(content *out, const char *path);
void content_free(content *all);
/* The path of a file on disk. */
int content_file_path(char out[static CONTENT_PATH_MAX], const content *all, size_t index);

/* Open a file of the content for reading, and nothing else: a pipe would wait for its writer. NULL
 * with errno (EINVAL: not a regular file). */
FILE *content_open(const char *path);

/* Where a torrent's files lie. */
typedef struct {
    char root[CONTENT_PATH_MAX]; /* the folder, or the single file itself */
    bool is_file;
} content_place;

/* `data` is what the torrent was made of, or the folder above it, as download clients have it: of
 * DATA and DATA/NAME the one that holds more of the files, and DATA when both hold as many. Gives
 * an exit code; says what is wrong. */
int content_place_find(content_place *out, const pbts_metainfo *meta, const char *data);

/* Read a piece's stream of bytes; padding is zeros. Says which piece and which file.
 * PBTS_EXIT_REFUSED when a file is missing, short or no file; PBTS_EXIT_IO when it cannot be read.
 */
int content_read_piece(uint8_t *out, const pbts_metainfo *meta, const content_place *place,
                       uint32_t index);
/* The files that a piece lies in, for people: "DIR/a", "DIR/a and 2 more files". */
void content_piece_files(char *out, size_t capacity, const pbts_metainfo *meta,
                         const content_place *place, uint32_t index);

#endif
