/* ledger_out.h - a file that is written bit by bit and appears whole or not at all. */
#ifndef PBTS_APPS_LEDGER_OUT_H
#define PBTS_APPS_LEDGER_OUT_H

#include <stdio.h>

#include "files.h"

typedef struct {
    FILE *stream;
    file_part part;
} ledger_out;

/* Each returns false after a message. What is at `path` already is replaced when it is of the same
 * kind, as file_replace says. */
bool ledger_out_open(ledger_out *out, const char *path, mode_t mode, const char *magic,
                     const char *kind);
bool ledger_out_write(ledger_out *out, pbts_span bytes);
bool ledger_out_close(ledger_out *out); /* it is at `path` and on disk */
void ledger_out_abort(ledger_out *out); /* what was written is removed; after close a no-op */

#endif
