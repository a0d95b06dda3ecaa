#include "secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

pbts_status secret_file_complain(struct app *app, const char *what, const char *path,
                                 const char *why) {
    LOG(&app->log, LOG_ERROR, what, LOG_TEXT("path", path), LOG_TEXT("reason", why));
    return PBTS_IO;
}

pbts_status secret_file_give_up(struct app *app, const char *what, const char *path,
                                const char *why) {
    (void)secret_file_complain(app, what, path, why);
    return PBTS_CORRUPT;
}

void secret_file_path(struct app *app, char out[static CONFIG_TEXT_MAX + 32], const char *name) {
    snprintf(out, CONFIG_TEXT_MAX + 32, "%s/%s", app->config.data, name);
}

pbts_status secret_file_read(struct app *app, uint8_t *out, size_t *len, size_t max,
                             const char *path) {
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return PBTS_NOT_FOUND;
    if (fd < 0) return secret_file_complain(app, "data_failed", path, strerror(errno));
    ssize_t got = read(fd, out, max);
    bool known = fstat(fd, &stat) == 0;
    close(fd);
    if (known && (stat.st_mode & 077) != 0)
        LOG(&app->log, LOG_WARN, "secret_readable", LOG_TEXT("path", path),
            LOG_TEXT("advice", "chmod 600: others on this machine can read it"));
    if (got < 0) return secret_file_complain(app, "data_failed", path, "cannot be read");
    *len = (size_t)got;
    return PBTS_OK;
}

static bool sync_directory(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return good;
}

pbts_status secret_file_write(struct app *app, const char *path, pbts_span text) {
    char draft[CONFIG_TEXT_MAX + 40];
    snprintf(draft, sizeof draft, "%s.new", path);
    (void)unlink(draft); /* of a start that was cut short */
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return secret_file_complain(app, "data_failed", draft, strerror(errno));
    bool good = write(fd, text.data, text.len) == (ssize_t)text.len && fsync(fd) == 0;
    close(fd);
    good = good && rename(draft, path) == 0 && sync_directory(app->config.data);
    if (good) return PBTS_OK;
    unlink(draft);
    return secret_file_complain(app, "data_failed", path, "could not be written");
}
