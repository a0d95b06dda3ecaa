#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "exit_codes.h"
#include "say.h"

/* ---- reading ---- */

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

/* ---- parts, and what a signal does to them ---- */

static const char *volatile parts_at_work[FILE_PARTS_MAX];

static void on_signal(int signal_no) {
    for (size_t i = 0; i < FILE_PARTS_MAX; i++) {
        const char *part = parts_at_work[i];
        if (part != NULL) (void)unlink(part);
    }
    (void)raise(signal_no); /* SA_RESETHAND: this time it ends us */
}

static const int ENDING_SIGNALS[] = { SIGINT, SIGTERM, SIGHUP };
enum { ENDING_SIGNAL_COUNT = sizeof ENDING_SIGNALS / sizeof ENDING_SIGNALS[0] };

void files_discard_on_signals(void) {
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND }, old;
    for (size_t i = 0; i < ENDING_SIGNAL_COUNT; i++) {
        bool ignored = sigaction(ENDING_SIGNALS[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN;
        if (!ignored) (void)sigaction(ENDING_SIGNALS[i], &action, NULL); /* nohup stays */
    }
}

/* Between the making of a part and its note no signal may come, nor between the move and the end of
 * the note: it would leave a part behind, or remove somebody else's. */
static void hold_signals(sigset_t *before) {
    sigset_t ending;
    (void)sigemptyset(&ending);
    for (size_t i = 0; i < ENDING_SIGNAL_COUNT; i++) (void)sigaddset(&ending, ENDING_SIGNALS[i]);
    (void)sigprocmask(SIG_BLOCK, &ending, before);
}

static void release_signals(const sigset_t *before) {
    int why = errno;
    (void)sigprocmask(SIG_SETMASK, before, NULL);
    errno = why;
}

static void note_part(const char *from, const char *to) {
    size_t i = 0;
    while (i < FILE_PARTS_MAX && parts_at_work[i] != from) i++;
    assert(i < FILE_PARTS_MAX);
    parts_at_work[i] = to;
}

static bool make_part(file_part *out, mode_t mode) {
    unsigned long long random;
    if (getrandom(&random, sizeof random, 0) != sizeof random) return false;
    int len = snprintf(out->part, sizeof out->part, "%s.part-%016llx", out->path, random);
    if (len < 0 || (size_t)len >= sizeof out->part) {
        errno = ENAMETOOLONG;
        return false;
    }
    out->fd = open(out->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (out->fd >= 0) note_part(NULL, out->part);
    return out->fd >= 0;
}

int file_part_open(file_part *out, const char *path, mode_t mode) {
    sigset_t before;
    *out = (file_part){ .path = path, .fd = -1 };
    hold_signals(&before);
    bool made = make_part(out, mode);
    release_signals(&before);
    if (made) return PBTS_EXIT_OK;
    out->part[0] = '\0';
    return say_errno(path);
}

/* Names are on disk only once their folder is. */
static bool sync_folder_of(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (len >= sizeof folder) return true;
    memcpy(folder, len > 0 ? path : ".", len > 0 ? len : 1);
    folder[len > 0 ? len : 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return true; /* one that we may write to but not read */
    bool good = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
    int why = errno;
    (void)close(fd);
    errno = why;
    return good;
}

/* Move to a name that nothing has. Some file systems know only the one, some only the other way. */
static bool move_to_new(const char *part, const char *path) {
    if (renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) == 0) return true;
    if (errno != EINVAL && errno != ENOSYS) return false;
    return link(part, path) == 0 && unlink(part) == 0;
}

static int say_exists(const char *path) {
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        return say_errno(path);
    }
    return say_fail(PBTS_EXIT_IO, "%s: exists already; --force overwrites it", path);
}

int file_part_place(file_part *part, bool over) {
    sigset_t before;
    bool synced = fsync(part->fd) == 0;
    hold_signals(&before);
    bool moved = synced &&
                 (over ? rename(part->part, part->path) == 0 : move_to_new(part->part, part->path));
    if (moved) {
        note_part(part->part, NULL);
        part->part[0] = '\0';
    }
    release_signals(&before);
    bool taken = synced && !moved && errno == EEXIST;
    if (moved && sync_folder_of(part->path)) return PBTS_EXIT_OK;
    int code = taken ? say_exists(part->path) : say_errno(part->path);
    file_part_discard(part);
    return code;
}

void file_part_discard(file_part *part) {
    sigset_t before;
    if (part->part[0] == '\0') return;
    hold_signals(&before);
    (void)unlink(part->part);
    note_part(part->part, NULL);
    part->part[0] = '\0';
    release_signals(&before);
}

/* ---- writing ---- */

static bool write_all(int fd, pbts_span bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        bytes = (pbts_span){ bytes.data + put, bytes.len - (size_t)put };
    }
    return true;
}

static int write_whole(const char *path, pbts_span bytes, mode_t mode, bool over) {
    file_part part;
    int code = file_part_open(&part, path, mode);
    if (code != PBTS_EXIT_OK) return code;
    if (!write_all(part.fd, bytes)) code = say_errno(path);
    if (code == PBTS_EXIT_OK) code = file_part_place(&part, over);
    file_part_discard(&part);
    (void)close(part.fd);
    return code;
}

int file_create(const char *path, pbts_span bytes, mode_t mode) {
    return write_whole(path, bytes, mode, false);
}

/* The first bytes of what is there; it is never waited for. */
static int has_magic(bool *out, const char *path, pbts_span magic) {
    uint8_t begin[64];
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return say_errno(path);
    assert(magic.len <= sizeof begin);
    int code = read_all(fd, begin, &len, magic.len, path);
    (void)close(fd);
    *out = len == 0 || (len == magic.len && memcmp(begin, magic.data, len) == 0);
    return code;
}

int file_check_kind(const char *path, const char *magic, const char *kind) {
    struct stat info;
    bool same = false;
    if (stat(path, &info) != 0) return errno == ENOENT ? PBTS_EXIT_OK : say_errno(path);
    if (!S_ISREG(info.st_mode)) return say_fail(PBTS_EXIT_IO, "%s: is not a regular file", path);
    int code = has_magic(&same, path, pbts_span_text(magic));
    if (code != PBTS_EXIT_OK || same) return code;
    return say_fail(PBTS_EXIT_IO, "%s: is there and is no %s; it is not overwritten", path, kind);
}

int file_check_place(const char *path, bool over, const char *magic, const char *kind) {
    struct stat info;
    if (over) return file_check_kind(path, magic, kind);
    return lstat(path, &info) == 0 ? say_exists(path) : PBTS_EXIT_OK;
}

int file_replace(const char *path, pbts_span bytes, mode_t mode, const char *magic,
                 const char *kind) {
    int code = file_check_kind(path, magic, kind);
    if (code != PBTS_EXIT_OK) return code;
    char *real = realpath(path, NULL); /* a link stays a link, what it leads to changes */
    code = write_whole(real != NULL ? real : path, bytes, mode, true);
    free(real);
    return code;
}
