#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int state_make(const char *folder) {
    struct stat info;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return errno;
    if (stat(folder, &info) != 0) return errno;
    return S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
}

int state_make_all(const char *folder) {
    char path[PATH_MAX];
    struct stat info;
    size_t len = strlen(folder);
    if (len >= sizeof path) return ENAMETOOLONG;
    memcpy(path, folder, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        path[i] = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) return errno;
        path[i] = folder[i];
    }
    if (stat(folder, &info) != 0) return errno;
    return S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
}

int state_path(char out[static PATH_MAX], const char *folder, const char *name,
               const char *suffix) {
    int len = snprintf(out, PATH_MAX, "%s/%s%s", folder, name, suffix);
    return len >= 0 && len < PATH_MAX ? 0 : ENAMETOOLONG;
}

/* ---- reading ---- */

static int read_all(int fd, uint8_t *out, size_t *len, size_t size) {
    size_t at = 0;
    while (at < size) {
        ssize_t got = read(fd, out + at, size - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (got == 0) break;
        at += (size_t)got;
    }
    *len = at;
    return 0;
}

static int read_open(int fd, uint8_t **out, size_t *len, size_t max) {
    struct stat info;
    if (fstat(fd, &info) != 0) return errno;
    if (!S_ISREG(info.st_mode)) return S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    if ((uint64_t)info.st_size > max) return EFBIG;
    size_t size = (size_t)info.st_size;
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL) return ENOMEM;
    int error = read_all(fd, bytes, len, size);
    if (error == 0) {
        *out = bytes;
    } else {
        free(bytes);
    }
    return error;
}

int state_read(uint8_t **out, size_t *len, const char *path, size_t max) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return errno;
    int error = read_open(fd, out, len, max);
    (void)close(fd);
    return error;
}

/* ---- writing ---- */

static int write_all(int fd, pbts_span bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return put < 0 ? errno : EIO;
        bytes = (pbts_span){ bytes.data + put, bytes.len - (size_t)put };
    }
    return 0;
}

static void sync_folder_of(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) >= sizeof folder) return;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    (void)close(fd);
}

int state_write(const char *path, pbts_span bytes) {
    char part[PATH_MAX];
    int len = snprintf(part, sizeof part, "%s.part", path);
    if (len < 0 || (size_t)len >= sizeof part) return ENAMETOOLONG;
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    int error = write_all(fd, bytes);
    if (error == 0 && fsync(fd) != 0) error = errno;
    (void)close(fd);
    if (error == 0 && rename(part, path) != 0) error = errno;
    if (error != 0) (void)unlink(part);
    if (error == 0) sync_folder_of(path);
    return error;
}

int state_lock(int *fd, const char *path) {
    int made = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (made < 0) return errno;
    if (flock(made, LOCK_EX | LOCK_NB) == 0) {
        *fd = made;
        return 0;
    }
    int error = errno;
    (void)close(made);
    return error;
}
