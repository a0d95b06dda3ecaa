/* content.h - the files that a torrent is made of, on disk. */
#ifndef PBTS_APPS_CONTENT_H
#define PBTS_APPS_CONTENT_H

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

/* Read a piece's stream of bytes from where a torrent's content lies: `data` is the folder or file
 * that the torrent was made of. Padding is zeros. PBTS_EXIT_IO when something is missing. */
int content_read_piece(uint8_t *out, const pbts_metainfo *meta, const char *data, uint32_t index);

#endif
