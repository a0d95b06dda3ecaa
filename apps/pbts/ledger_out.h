/* ledger_out.h - a file that appears whole or not at all: written beside, synced, renamed. */
#ifndef PBTS_APPS_LEDGER_OUT_H
#define PBTS_APPS_LEDGER_OUT_H

#include <stdio.h>
#include <sys/types.h>

#include "base/cursor.h"

typedef struct {
    FILE *stream;
    const char *path;
    char part[4096]; /* path with ".part", while it is written */
} ledger_out;

/* Each returns false after a message. */
bool ledger_out_open(ledger_out *out, const char *path, mode_t mode);
bool ledger_out_write(ledger_out *out, pbts_span bytes);
bool ledger_out_close(ledger_out *out); /* it is at `path` and on disk */
void ledger_out_abort(ledger_out *out); /* what was written is removed; after close a no-op */

#endif
