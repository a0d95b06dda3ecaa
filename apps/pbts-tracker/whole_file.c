#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "secret_file.h"

pbts_status whole_file_read(struct app *app, pbts_span *out, const char *event, const char *path,
                            size_t max) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return secret_file_give_up(app, event, path, strerror(errno));
    uint8_t *bytes = malloc(max + 1);
    size_t len = 0;
    ssize_t got = bytes != NULL ? 1 : -1;
    while (got > 0 && len <= max) {
        got = read(fd, bytes + len, max + 1 - len);
        if (got > 0) len += (size_t)got;
    }
    close(fd);
    if (got == 0) {
        *out = (pbts_span){ bytes, len };
        return PBTS_OK;
    }
    free(bytes);
    if (bytes == NULL) return PBTS_NO_MEMORY;
    return secret_file_give_up(app, event, path, got < 0 ? "it cannot be read" : "it is too long");
}

void whole_file_free(pbts_span bytes) {
    free((void *)(uintptr_t)bytes.data);
}
