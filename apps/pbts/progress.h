/* progress.h - one line on stderr that says how far a command is. It appears after a second, on a
 * terminal; always when --progress asks for it. */
#ifndef PBTS_APPS_PROGRESS_H
#define PBTS_APPS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *what;           /* "hashing" */
    uint64_t done, total;       /* bytes */
    uint64_t start_ms, next_ms; /* monotonic */
    bool shows, forced, shown;
} progress;

progress progress_begin(const char *what, uint64_t total, bool forced);
void progress_add(progress *line, uint64_t bytes);
void progress_end(progress *line); /* the line goes, or stays as it ended when forced */

#endif
