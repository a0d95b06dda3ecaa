/* ledger_out.c - write, sync, rename. */
#include "ledger_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ledger_walk.h"

static bool complain(const ledger_out *out) {
    (void)ledger_fail(LEDGER_IO, out->path, strerror(errno));
    return false;
}

bool ledger_out_open(ledger_out *out, const char *path, mode_t mode) {
    *out = (ledger_out){ .path = path };
    int len = snprintf(out->part, sizeof out->part, "%s.part", path);
    if (len < 0 || (size_t)len >= sizeof out->part) {
        errno = ENAMETOOLONG;
        return complain(out);
    }
    int fd = open(out->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) return complain(out);
    out->stream = fdopen(fd, "wb");
    if (out->stream != NULL) return true;
    bool said = complain(out);
    (void)close(fd);
    return said;
}

bool ledger_out_write(ledger_out *out, pbts_span bytes) {
    if (bytes.len == 0 || fwrite(bytes.data, 1, bytes.len, out->stream) == bytes.len) return true;
    return complain(out);
}

bool ledger_out_close(ledger_out *out) {
    bool good = fflush(out->stream) == 0 && fsync(fileno(out->stream)) == 0;
    if (!good) return complain(out);
    good = fclose(out->stream) == 0;
    out->stream = NULL;
    if (good && rename(out->part, out->path) == 0) return true;
    (void)complain(out);
    (void)unlink(out->part);
    return false;
}

void ledger_out_abort(ledger_out *out) {
    if (out->stream == NULL) return;
    (void)fclose(out->stream);
    out->stream = NULL;
    (void)unlink(out->part);
}
