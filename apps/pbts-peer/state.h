/* state.h - the folder where a peer keeps what must outlive it: journals of receipts, resume data,
 * what it knows of its tracker. Files appear whole or not at all. Functions give 0 or an errno and
 * say nothing: they run on any thread. */
#ifndef PBTS_PEER_STATE_H
#define PBTS_PEER_STATE_H

#include <limits.h>

#include "base/cursor.h"

/* Make the folder, its parents excepted, for its owner alone. */
int state_make(const char *folder);
/* Make a folder and its parents, for everybody whom the umask lets. */
int state_make_all(const char *folder);
/* "FOLDER/NAME SUFFIX" without the blank. ENAMETOOLONG. */
int state_path(char out[static PATH_MAX], const char *folder, const char *name, const char *suffix);

/* Read a whole regular file of at most `max` bytes (EFBIG past that); the caller frees `*out`. No
 * link is followed. */
int state_read(uint8_t **out, size_t *len, const char *path, size_t max);
/* Write beside, sync, rename over `path`, sync the folder; mode 0600. Two threads must not write
 * one path at once. */
int state_write(const char *path, pbts_span bytes);

/* Hold a lock file until the program ends: EWOULDBLOCK when another program holds it. */
int state_lock(int *fd, const char *path);

#endif
