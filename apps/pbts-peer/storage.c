#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "content.h"
#include "peer/resume.h"
#include "storage_parts.h"
#include "torrent/piece_check.h"

/* ---- opening ---- */

static storage *storage_new(const pbts_metainfo *meta, bool writable) {
    storage *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->meta = meta;
    s->root_fd = -1;
    s->writable = writable;
    for (size_t side = 0; side < STORAGE_SIDES; side++) {
        for (size_t i = 0; i < STORAGE_OPEN_MAX; i++) s->sides[side].open[i].fd = -1;
    }
    return s;
}

static int set_file_name(storage *s, pbts_span name) {
    if (name.len > NAME_MAX) return ENAMETOOLONG;
    memcpy(s->file_name, name.data, name.len);
    s->file_name[name.len] = '\0';
    s->single = true;
    return 0;
}

static int join(char out[static PATH_MAX], const char *folder, pbts_span name) {
    int len = snprintf(out, PATH_MAX, "%s/%.*s", folder, (int)name.len, (const char *)name.data);
    return len >= 0 && len < PATH_MAX ? 0 : ENAMETOOLONG;
}

static int open_folder(int *out, int parent, const char *path, int flags) {
    *out = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    return *out >= 0 ? 0 : errno;
}

/* DIR/NAME for many files, DIR for a single one. The folder `dir` itself is the user's word, links
 * and all; what is below it is the torrent's. */
static int enter_new(storage *s, const char *dir) {
    pbts_span name = pbts_metainfo_name(s->meta);
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) return errno;
    int error = join(s->root, dir, name);
    if (error == 0) error = open_folder(&s->root_fd, AT_FDCWD, dir, 0);
    if (error != 0) return error;
    error = set_file_name(s, name); /* checks its length, too */
    s->single = pbts_metainfo_is_single_file(s->meta);
    if (error != 0 || s->single) return error;
    int parent = s->root_fd;
    if (mkdirat(parent, s->file_name, 0777) != 0 && errno != EEXIST) return errno;
    error = open_folder(&s->root_fd, parent, s->file_name, O_NOFOLLOW);
    if (error == 0) (void)close(parent);
    return error;
}

static int finish_open(storage **out, storage *s, int error) {
    if (error == 0) {
        *out = s;
    } else {
        storage_close(s);
    }
    return error;
}

int storage_open_new(storage **out, const pbts_metainfo *meta, const char *dir) {
    storage *s = storage_new(meta, true);
    return s == NULL ? ENOMEM : finish_open(out, s, enter_new(s, dir));
}

static bool is_folder_closed(const storage *s, const char *path) {
    struct stat info;
    return fstatat(s->root_fd, path, &info, 0) == 0 && storage_is_closed(s, &info);
}

int storage_keep_out(storage *s, const char *path) {
    assert(s->closed_count < STORAGE_CLOSED_MAX);
    if (stat(path, &s->closed[s->closed_count]) != 0) return 0;
    s->closed_count++;
    bool is_closed = is_folder_closed(s, ".") || (!s->single && is_folder_closed(s, ".."));
    return is_closed ? EBUSY : 0;
}

static int enter_file(storage *s, const char *path) {
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    if (slash != NULL) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    int error = set_file_name(s, pbts_span_text(slash == NULL ? path : slash + 1));
    return error != 0 ? error : open_folder(&s->root_fd, AT_FDCWD, folder, 0);
}

static int enter_existing(storage *s, const char *data) {
    content_place place;
    if (content_place_find(&place, s->meta, data) != 0) return ENOENT;
    (void)snprintf(s->root, sizeof s->root, "%s", place.root);
    if (place.is_file) return enter_file(s, place.root);
    return open_folder(&s->root_fd, AT_FDCWD, place.root, 0);
}

int storage_open_existing(storage **out, const pbts_metainfo *meta, const char *data) {
    storage *s = storage_new(meta, false);
    return s == NULL ? ENOMEM : finish_open(out, s, enter_existing(s, data));
}

void storage_close(storage *s) {
    if (s == NULL) return;
    storage_close_files(s);
    if (s->root_fd >= 0) (void)close(s->root_fd);
    free(s);
}

const char *storage_problem(const storage *s, storage_side side) {
    return s->sides[side].problem;
}

const char *storage_root(const storage *s) {
    return s->root;
}

bool storage_is_writable(const storage *s) {
    return s->writable;
}

bool storage_is_same_place(const storage *a, const storage *b) {
    struct stat left, right;
    if (fstat(a->root_fd, &left) != 0 || fstat(b->root_fd, &right) != 0) return false;
    if (left.st_dev != right.st_dev || left.st_ino != right.st_ino) return false;
    if (a->single != b->single) return false;
    return !a->single || strcmp(a->file_name, b->file_name) == 0;
}

/* ---- before the first byte ---- */

static bool look_at(storage *s, uint32_t file, struct stat *info) {
    char name[NAME_MAX + 1];
    int folder = storage_folder_of(s, name, file, false);
    if (folder < 0) return false;
    int failed = fstatat(folder, name, info, s->writable ? AT_SYMLINK_NOFOLLOW : 0);
    (void)close(folder);
    return failed == 0;
}

static int prepare_file(storage *s, uint32_t file, bool *found) {
    pbts_torrent_file is = pbts_metainfo_file(s->meta, file);
    struct stat info;
    if (is.padding) return 0;
    if (!look_at(s, file, &info)) {
        if (is.length_bytes > 0 || !s->writable) return 0;
        int fd = storage_file(s, STORAGE_DISK, file, true);
        return fd < 0 ? storage_fail(s, STORAGE_DISK, file, -fd) : 0;
    }
    if (storage_is_closed(s, &info)) return storage_fail(s, STORAGE_DISK, file, EBUSY);
    if (is.length_bytes > 0) *found = true;
    if (S_ISREG(info.st_mode) && (uint64_t)info.st_size <= is.length_bytes) return 0;
    if (!s->writable) return 0; /* what is wrong with it shows when its pieces are checked */
    return storage_fail_text(s, STORAGE_DISK, file, EEXIST,
                             S_ISREG(info.st_mode)
                                 ? "is there already and longer than the torrent says; move it away"
                                 : "is there already and no regular file; move it away");
}

int storage_prepare(storage *s, bool *found) {
    *found = false;
    for (uint32_t i = 0; i < pbts_metainfo_file_count(s->meta); i++) {
        int error = prepare_file(s, i, found);
        if (error != 0) return error;
    }
    return 0;
}

/* ---- the stream ---- */

stream_walk storage_walk(const storage *s, uint64_t offset_bytes, size_t len) {
    return (stream_walk){ offset_bytes, len, pbts_metainfo_file_at(s->meta, offset_bytes) };
}

bool storage_walk_next(const storage *s, stream_walk *walk, stream_part *part) {
    uint32_t count = pbts_metainfo_file_count(s->meta);
    for (; walk->left > 0 && walk->next_file < count; walk->next_file++) {
        pbts_torrent_file file = pbts_metainfo_file(s->meta, walk->next_file);
        if (file.offset_bytes > walk->offset_bytes) return false; /* in no file */
        uint64_t at = walk->offset_bytes - file.offset_bytes;
        if (at >= file.length_bytes) continue;
        uint64_t here = file.length_bytes - at;
        size_t len = here < walk->left ? (size_t)here : walk->left;
        *part = (stream_part){ walk->next_file, file.padding, at, len };
        walk->offset_bytes += len;
        walk->left -= len;
        return true;
    }
    return false;
}

static int read_part(int fd, uint8_t *out, uint64_t at, size_t len) {
    while (len > 0) {
        ssize_t got = pread(fd, out, len, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (got == 0) return ENODATA;
        out += got;
        at += (size_t)got;
        len -= (size_t)got;
    }
    return 0;
}

static int missing(int error) {
    return error == ENOENT || error == ENOTDIR ? ENODATA : error;
}

int storage_read(storage *s, storage_side side, uint8_t *out, uint64_t offset_bytes, size_t len) {
    stream_walk walk = storage_walk(s, offset_bytes, len);
    stream_part part;
    while (storage_walk_next(s, &walk, &part)) {
        if (part.padding) {
            memset(out, 0, part.len);
        } else {
            int fd = storage_file(s, side, part.file, false);
            int error = fd < 0 ? missing(-fd) : read_part(fd, out, part.at, part.len);
            if (error != 0) return storage_fail(s, side, part.file, error);
        }
        out += part.len;
    }
    return walk.left == 0 ? 0 : EINVAL;
}

/* The kernel takes page cache in pieces as large as a write, and the largest come, in a virtual
 * machine, from memory that the host has to give back first: at 150 to 300 MB/s. */
enum { WRITE_BYTES_MAX = 256 * 1024 };

static int write_part(int fd, const uint8_t *bytes, uint64_t at, size_t len) {
    while (len > 0) {
        size_t portion = len < WRITE_BYTES_MAX ? len : WRITE_BYTES_MAX;
        ssize_t put = pwrite(fd, bytes, portion, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return put < 0 ? errno : EIO;
        bytes += put;
        at += (size_t)put;
        len -= (size_t)put;
    }
    return 0;
}

int storage_write(storage *s, pbts_span bytes, uint64_t offset_bytes) {
    stream_walk walk = storage_walk(s, offset_bytes, bytes.len);
    stream_part part;
    const uint8_t *at = bytes.data;
    if (!s->writable) return EROFS;
    while (storage_walk_next(s, &walk, &part)) {
        if (!part.padding) {
            int fd = storage_file(s, STORAGE_DISK, part.file, true);
            int error = fd < 0 ? -fd : write_part(fd, at, part.at, part.len);
            if (error != 0) return storage_fail(s, STORAGE_DISK, part.file, error);
        }
        at += part.len;
    }
    return walk.left == 0 ? 0 : EINVAL;
}

static ssize_t send_zeros(int socket, size_t len) {
    static const uint8_t ZEROS[16 * 1024];
    return send(socket, ZEROS, len < sizeof ZEROS ? len : sizeof ZEROS, MSG_NOSIGNAL);
}

/* The start of a part; the number of bytes, or a negative errno. */
static ssize_t send_part(storage *s, int socket, const stream_part *part) {
    if (part->padding) {
        ssize_t sent = send_zeros(socket, part->len);
        return sent >= 0 ? sent : -errno;
    }
    int fd = storage_file(s, STORAGE_LOOP, part->file, false);
    if (fd < 0) return -missing(-fd);
    off_t at = (off_t)part->at;
    ssize_t sent = sendfile(socket, fd, &at, part->len);
    if (sent == 0) return -ENODATA;
    return sent > 0 ? sent : -errno;
}

static bool is_of_socket(int error) {
    return error == EAGAIN || error == EPIPE || error == ECONNRESET || error == ETIMEDOUT ||
           error == ENOTCONN || error == EHOSTUNREACH || error == ENETUNREACH;
}

int storage_send(storage *s, int socket, size_t *sent, uint64_t offset_bytes, size_t len) {
    *sent = 0;
    while (*sent < len) {
        stream_walk walk = storage_walk(s, offset_bytes + *sent, len - *sent);
        stream_part part;
        if (!storage_walk_next(s, &walk, &part)) return EINVAL;
        ssize_t went = send_part(s, socket, &part);
        if (went == -EINTR) continue;
        if (went < 0 && is_of_socket((int)-went)) return (int)-went;
        if (went < 0) return storage_fail(s, STORAGE_LOOP, part.file, (int)-went);
        *sent += (size_t)went;
    }
    return 0;
}

/* ---- the state of files ---- */

int storage_sync(storage *s) {
    side_state *side = &s->sides[STORAGE_DISK];
    if (side->lost_dirty && syncfs(s->root_fd) != 0) return errno;
    side->lost_dirty = false;
    for (size_t i = 0; i < STORAGE_OPEN_MAX; i++) {
        open_file *open = &side->open[i];
        if (open->fd < 0 || !open->dirty) continue;
        if (fdatasync(open->fd) != 0) {
            return storage_fail(s, STORAGE_DISK, open->file, errno);
        }
        open->dirty = false;
    }
    return 0;
}

void storage_look(storage *s, uint8_t *files) {
    for (uint32_t i = 0; i < pbts_metainfo_file_count(s->meta); i++) {
        pbts_resume_file file = { 0, 0 };
        struct stat info;
        if (!pbts_metainfo_file(s->meta, i).padding && look_at(s, i, &info)) {
            file.length_bytes = (uint64_t)info.st_size;
            file.changed_ns =
                (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec;
        }
        pbts_resume_file_put(files, i, &file);
    }
}
