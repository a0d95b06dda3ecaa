/* ledger_out.c - write, sync, rename. */
#include "ledger_out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "exit_codes.h"
#include "ledger_walk.h"

static bool complain(const ledger_out *out) {
    (void)ledger_fail(LEDGER_IO, out->part.path, strerror(errno));
    return false;
}

bool ledger_out_open(ledger_out *out, const char *path, mode_t mode, const char *magic,
                     const char *kind) {
    *out = (ledger_out){ .stream = NULL };
    if (file_check_kind(path, magic, kind) != PBTS_EXIT_OK) return false;
    if (file_part_open(&out->part, path, mode) != PBTS_EXIT_OK) return false;
    out->stream = fdopen(out->part.fd, "wb");
    if (out->stream != NULL) return true;
    bool said = complain(out);
    file_part_discard(&out->part);
    (void)close(out->part.fd);
    return said;
}

bool ledger_out_write(ledger_out *out, pbts_span bytes) {
    if (bytes.len == 0 || fwrite(bytes.data, 1, bytes.len, out->stream) == bytes.len) return true;
    return complain(out);
}

bool ledger_out_close(ledger_out *out) {
    if (fflush(out->stream) != 0) return complain(out);
    bool placed = file_part_place(&out->part, true) == PBTS_EXIT_OK;
    (void)fclose(out->stream); /* its bytes are on disk already */
    out->stream = NULL;
    return placed;
}

void ledger_out_abort(ledger_out *out) {
    if (out->stream == NULL) return;
    file_part_discard(&out->part);
    (void)fclose(out->stream);
    out->stream = NULL;
}
