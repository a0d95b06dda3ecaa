/* files.h - whole files: read with a limit, written so that they appear whole or not at all. */
#ifndef PBTS_APPS_FILES_H
#define PBTS_APPS_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/cursor.h"

/* Functions that give an int give an exit code, and say what is wrong. */

/* Read a whole regular file of at most `max` bytes; the caller frees `*out`. */
int file_read(uint8_t **out, size_t *len, const char *path, size_t max);

/* Write `bytes` to a new file: PBTS_EXIT_IO when there is something at `path` already. Modes are
 * narrowed by the umask. */
int file_create(const char *path, pbts_span bytes, mode_t mode);
/* The same over a file that is there, but only over one of the same kind: an empty one, or one that
 * begins with `magic` and is called `kind`. So a slip of the keyboard costs no key. */
int file_replace(const char *path, pbts_span bytes, mode_t mode, const char *magic,
                 const char *kind);

/* Whether one of the two would find its place now (`over`: file_replace): to be asked before work
 * that takes long. */
int file_check_place(const char *path, bool over, const char *magic, const char *kind);

/* A file under a name of its own beside `path` until all of it is written. */
typedef struct {
    const char *path;    /* where it belongs */
    char part[PATH_MAX]; /* where it is now; "" when it is in place or gone */
    int fd;              /* the caller closes it, after place or discard */
} file_part;

enum { FILE_PARTS_MAX = 4 }; /* at one time */

int file_part_open(file_part *out, const char *path, mode_t mode);
/* Sync, and move it to `path`; `over`: also over a file that is there. On failure it is discarded.
 */
int file_part_place(file_part *part, bool over);
void file_part_discard(file_part *part); /* a no-op when it is in place or gone */
/* Whether `path` may be written over, as file_replace says. */
int file_check_kind(const char *path, const char *magic, const char *kind);

/* Unfinished parts go when SIGINT, SIGTERM or SIGHUP ends the program. Called once, by main. */
void files_discard_on_signals(void);

#endif
