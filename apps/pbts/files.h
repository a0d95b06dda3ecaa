/* files.h - whole files: read with a limit, written so that they appear whole or not at all. */
#ifndef PBTS_APPS_FILES_H
#define PBTS_APPS_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cursor.h"

/* Read a whole regular file of at most `max` bytes; the caller frees `*out`. Gives an exit code,
 * and says what is wrong. */
int file_read(uint8_t **out, size_t *len, const char *path, size_t max);
/* Write beside, sync, rename over `path`. The mode does not depend on the umask. */
int file_replace(const char *path, pbts_span bytes, mode_t mode);
/* Create `path`; fails when it exists. Whatever fails later removes it again. */
int file_create(const char *path, pbts_span bytes, mode_t mode);

#endif
