/* whole_file.h - small files that the configuration names, read as a whole. */
#ifndef PBTS_TRACKER_WHOLE_FILE_H
#define PBTS_TRACKER_WHOLE_FILE_H

#include "app.h"

/* All of it, at most `max` bytes. Otherwise said in the log as `event`: PBTS_CORRUPT, for a person
 * has to put it right. PBTS_NO_MEMORY. Owner: the caller, whole_file_free. */
PBTS_MUST_USE pbts_status whole_file_read(struct app *app, pbts_span *out, const char *event,
                                          const char *path, size_t max);
void whole_file_free(pbts_span bytes); /* of no data is a no-op */

#endif
