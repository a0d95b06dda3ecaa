/* secret_file.h - small files of the data directory that nobody else may read. */
#ifndef PBTS_TRACKER_SECRET_FILE_H
#define PBTS_TRACKER_SECRET_FILE_H

#include "app.h"

/* Log an error about a file; gives PBTS_IO, and give_up PBTS_CORRUPT: starting again will not mend
 * it, a person has to put it right. */
pbts_status secret_file_complain(struct app *app, const char *what, const char *path,
                                 const char *why);
pbts_status secret_file_give_up(struct app *app, const char *what, const char *path,
                                const char *why);

/* DATA/name. */
void secret_file_path(struct app *app, char out[static CONFIG_TEXT_MAX + 32], const char *name);
/* At most `max` bytes of it; one that others may read is warned of. PBTS_NOT_FOUND, PBTS_IO (said).
 */
PBTS_MUST_USE pbts_status secret_file_read(struct app *app, uint8_t *out, size_t *len, size_t max,
                                           const char *path);
/* A new file, mode 0600, on disk with its directory entry. It gets its name when it is whole: a
 * start that is cut short here leaves no half secret behind. PBTS_IO (said). */
PBTS_MUST_USE pbts_status secret_file_write(struct app *app, const char *path, pbts_span text);

#endif
