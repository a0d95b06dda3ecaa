#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "codec/text.h"

bool home_path(char out[static HOME_PATH_MAX], const char *dir, const char *name) {
    int len = snprintf(out, HOME_PATH_MAX, "%s/%s", dir, name);
    return len > 0 && len < HOME_PATH_MAX;
}

static pbts_status status_of_errno(void) {
    if (errno == ENOENT) return PBTS_NOT_FOUND;
    if (errno == ENOSPC || errno == EDQUOT) return PBTS_FULL;
    return PBTS_IO;
}

static pbts_status read_all(uint8_t *out, size_t len, int fd) {
    for (size_t at = 0; at < len;) {
        ssize_t got = read(fd, out + at, len - at);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = EIO; /* it became shorter */
        if (got <= 0) return PBTS_IO;
        at += (size_t)got;
    }
    return PBTS_OK;
}

static pbts_status read_file(uint8_t **out, size_t *len, const char *dir, const char *name,
                             size_t max, mode_t forbidden) {
    char path[HOME_PATH_MAX];
    struct stat facts;
    if (!home_path(path, dir, name)) return PBTS_LIMIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return status_of_errno();
    pbts_status status = PBTS_IO;
    uint8_t *bytes = NULL;
    bool is_there = fstat(fd, &facts) == 0;
    if (is_there && !S_ISREG(facts.st_mode)) errno = S_ISDIR(facts.st_mode) ? EISDIR : EINVAL;
    if (is_there && (facts.st_mode & forbidden) != 0) {
        status = PBTS_DENIED;
    } else if (is_there && S_ISREG(facts.st_mode)) {
        size_t size = (size_t)facts.st_size;
        bytes = size <= max ? malloc(size + 1) : NULL;
        status = size > max ? PBTS_LIMIT : PBTS_NO_MEMORY;
        if (bytes != NULL) status = read_all(bytes, size, fd);
        if (status == PBTS_OK) bytes[size] = 0;
        *len = size;
    }
    close(fd);
    if (status == PBTS_OK) {
        *out = bytes;
    } else {
        free(bytes);
    }
    return status;
}

pbts_status home_read(uint8_t **out, size_t *len, const char *dir, const char *name, size_t max) {
    return read_file(out, len, dir, name, max, 0);
}

pbts_status home_read_private(uint8_t **out, size_t *len, const char *dir, const char *name,
                              size_t max) {
    return read_file(out, len, dir, name, max, S_IRWXG | S_IRWXO);
}

static bool write_all(int fd, pbts_span bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        bytes = (pbts_span){ bytes.data + put, bytes.len - (size_t)put };
    }
    return true;
}

static bool sync_directory(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return good;
}

pbts_status home_write(const char *dir, const char *name, pbts_span bytes) {
    char path[HOME_PATH_MAX], draft[HOME_PATH_MAX + 8];
    if (!home_path(path, dir, name)) return PBTS_LIMIT;
    (void)snprintf(draft, sizeof draft, "%s.new", path);
    (void)unlink(draft); /* of a write that was cut short */
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return status_of_errno();
    bool good = write_all(fd, bytes) && fsync(fd) == 0;
    pbts_status status = good ? PBTS_OK : status_of_errno();
    close(fd);
    if (good && (rename(draft, path) != 0 || !sync_directory(dir))) status = PBTS_IO;
    if (status != PBTS_OK) (void)unlink(draft);
    return status;
}

pbts_status home_remove(const char *dir, const char *name) {
    char path[HOME_PATH_MAX];
    if (!home_path(path, dir, name)) return PBTS_LIMIT;
    if (unlink(path) != 0 && errno != ENOENT) return PBTS_IO;
    return sync_directory(dir) ? PBTS_OK : PBTS_IO;
}

pbts_status home_read_secret(uint8_t out[static HOME_SECRET_LEN], const char *dir,
                             const char *name) {
    uint8_t *text;
    size_t len;
    PBTS_TRY(home_read_private(&text, &len, dir, name, 256));
    size_t digits = len > 0 && text[len - 1] == '\n' ? len - 1 : len;
    pbts_status status = pbts_hex_decode_exact(out, HOME_SECRET_LEN, (pbts_span){ text, digits });
    pbts_wipe(text, len);
    free(text);
    return status == PBTS_OK ? PBTS_OK : PBTS_CORRUPT;
}

pbts_status home_write_secret(const char *dir, const char *name,
                              const uint8_t secret[static HOME_SECRET_LEN]) {
    uint8_t line[2 * HOME_SECRET_LEN + 1];
    pbts_writer writer = pbts_writer_over(line, sizeof line);
    pbts_hex_encode(&writer, (pbts_span){ secret, HOME_SECRET_LEN });
    pbts_write_text(&writer, "\n");
    pbts_status status = home_write(dir, name, pbts_writer_span(&writer));
    pbts_wipe(line, sizeof line);
    return status;
}
