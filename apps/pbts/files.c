#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit_codes.h"
#include "say.h"

static int read_all(int fd, uint8_t *out, size_t *len, size_t size, const char *path) {
    size_t at = 0;
    while (at < size) {
        ssize_t got = read(fd, out + at, size - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return say_errno(path);
        if (got == 0) break;
        at += (size_t)got;
    }
    *len = at;
    return PBTS_EXIT_OK;
}

static int read_open(int fd, uint8_t **out, size_t *len, const char *path, size_t max) {
    struct stat info;
    if (fstat(fd, &info) != 0) return say_errno(path);
    if (!S_ISREG(info.st_mode)) return say_fail(PBTS_EXIT_IO, "%s: is not a regular file", path);
    if ((uint64_t)info.st_size > max) {
        return say_fail(PBTS_EXIT_IO, "%s: has %lld bytes, at most %zu are read", path,
                        (long long)info.st_size, max);
    }
    size_t size = (size_t)info.st_size;
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL) return say_no_memory();
    int code = read_all(fd, bytes, len, size, path);
    if (code == PBTS_EXIT_OK) {
        *out = bytes;
    } else {
        free(bytes);
    }
    return code;
}

int file_read(uint8_t **out, size_t *len, const char *path, size_t max) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for its writer */
    if (fd < 0) return say_errno(path);
    int code = read_open(fd, out, len, path, max);
    (void)close(fd);
    return code;
}

static bool write_all(int fd, pbts_span bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        bytes = (pbts_span){ bytes.data + put, bytes.len - (size_t)put };
    }
    return true;
}

/* Fill and close a new file; on failure it is removed. */
static bool fill(int fd, const char *path, pbts_span bytes, mode_t mode) {
    bool good = fchmod(fd, mode) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
    int why = errno;
    good = close(fd) == 0 && good;
    if (good) return true;
    (void)unlink(path);
    errno = why;
    return false;
}

int file_create(const char *path, pbts_span bytes, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0600);
    if (fd < 0 || !fill(fd, path, bytes, mode)) return say_errno(path);
    return PBTS_EXIT_OK;
}

int file_replace(const char *path, pbts_span bytes, mode_t mode) {
    char part[PATH_MAX];
    int len = snprintf(part, sizeof part, "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof part) {
        return say_fail(PBTS_EXIT_IO, "%s: the name is too long", path);
    }
    int fd = mkostemp(part, O_CLOEXEC);
    if (fd < 0 || !fill(fd, part, bytes, mode)) return say_errno(path);
    if (rename(part, path) == 0) return PBTS_EXIT_OK;
    int code = say_errno(path);
    (void)unlink(part);
    return code;
}
