/* storage_files.c - opening a torrent's files: path by path, no link followed, few at a time. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage_parts.h"

int storage_fail_text(storage *s, storage_side side, uint32_t file, int error, const char *text) {
    pbts_span path = pbts_metainfo_file(s->meta, file).path;
    char *out = s->sides[side].problem;
    if (s->single) {
        (void)snprintf(out, STORAGE_PROBLEM_MAX, "%s: %s", s->root, text);
    } else {
        (void)snprintf(out, STORAGE_PROBLEM_MAX, "%s/%.*s: %s", s->root, (int)path.len,
                       (const char *)path.data, text);
    }
    return error;
}

int storage_fail(storage *s, storage_side side, uint32_t file, int error) {
    switch (error) {
    case ELOOP: return storage_fail_text(s, side, file, error, "is a symbolic link; not followed");
    case ENODATA: return storage_fail_text(s, side, file, error, "is missing or too short");
    case EBUSY:
        return storage_fail_text(s, side, file, error,
                                 "is in our own state folder, or is the key; give another --dir");
    default: return storage_fail_text(s, side, file, error, strerror(error));
    }
}

/* ---- folders ---- */

bool storage_is_closed(const storage *s, const struct stat *info) {
    for (size_t i = 0; i < s->closed_count; i++) {
        const struct stat *closed = &s->closed[i];
        if (info->st_dev == closed->st_dev && info->st_ino == closed->st_ino) return true;
    }
    return false;
}

static int enter(int folder, const char *name, bool make) {
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(folder, name, flags);
    if (fd >= 0 || errno != ENOENT || !make) return fd >= 0 ? fd : -errno;
    if (mkdirat(folder, name, 0777) != 0 && errno != EEXIST) return -errno;
    fd = openat(folder, name, flags);
    return fd >= 0 ? fd : -errno;
}

/* Cut the first part off a path; false at its end. */
static bool take_part(char name[static NAME_MAX + 1], pbts_span *path, int *error) {
    if (path->len == 0) return false;
    const uint8_t *slash = memchr(path->data, '/', path->len);
    size_t len = slash == NULL ? path->len : (size_t)(slash - path->data);
    *error = len > NAME_MAX ? ENAMETOOLONG : 0;
    if (*error != 0) return false;
    memcpy(name, path->data, len);
    name[len] = '\0';
    size_t used = slash == NULL ? len : len + 1;
    *path = (pbts_span){ path->data + used, path->len - used };
    return true;
}

int storage_folder_of(storage *s, char name[static NAME_MAX + 1], uint32_t file, bool make) {
    pbts_span path = pbts_metainfo_file(s->meta, file).path;
    int folder = fcntl(s->root_fd, F_DUPFD_CLOEXEC, 0), error = 0;
    if (folder < 0) return -errno;
    if (s->single) {
        memcpy(name, s->file_name, sizeof s->file_name);
        return folder;
    }
    while (take_part(name, &path, &error) && path.len > 0) {
        int next = enter(folder, name, make);
        (void)close(folder);
        if (next < 0) return next;
        folder = next;
        struct stat info;
        if (fstat(folder, &info) == 0 && !storage_is_closed(s, &info)) continue;
        (void)close(folder);
        return -EBUSY;
    }
    if (error == 0) return folder;
    (void)close(folder);
    return -error;
}

/* ---- files ---- */

/* A new file gets its length at once, all of it a hole. */
static int set_length(int fd, const struct stat *info, uint64_t length_bytes) {
    if ((uint64_t)info->st_size >= length_bytes) return 0;
    return ftruncate(fd, (off_t)length_bytes) == 0 ? 0 : errno;
}

static int check_opened(const storage *s, int fd, bool for_writing, uint64_t length_bytes) {
    struct stat info;
    if (fstat(fd, &info) != 0) return errno;
    if (storage_is_closed(s, &info)) return EBUSY;
    if (!S_ISREG(info.st_mode)) return EINVAL;
    return for_writing ? set_length(fd, &info, length_bytes) : 0;
}

static int open_file_at(storage *s, uint32_t file, bool for_writing) {
    char name[NAME_MAX + 1];
    int folder = storage_folder_of(s, name, file, for_writing);
    if (folder < 0) return folder;
    /* What we serve and never write may be the user's own links to files. */
    int flags = O_CLOEXEC | O_NONBLOCK | (s->writable ? O_NOFOLLOW : 0);
    int fd = openat(folder, name, flags | (for_writing ? O_RDWR | O_CREAT : O_RDONLY), 0666);
    int error = fd < 0 ? errno : 0;
    (void)close(folder);
    if (error != 0) return -error;
    error = check_opened(s, fd, for_writing, pbts_metainfo_file(s->meta, file).length_bytes);
    if (error == 0) return fd;
    (void)close(fd);
    return -error;
}

static void close_file(side_state *side, open_file *open) {
    if (open->fd < 0) return;
    if (open->dirty) side->lost_dirty = true;
    (void)close(open->fd);
    *open = (open_file){ .fd = -1 };
}

void storage_close_files(storage *s) {
    for (size_t side = 0; side < STORAGE_SIDES; side++) {
        for (size_t i = 0; i < STORAGE_OPEN_MAX; i++) {
            close_file(&s->sides[side], &s->sides[side].open[i]);
        }
    }
}

/* The slot that holds the file, or else one that can be used: a free one or the oldest. */
static open_file *slot_for(side_state *side, uint32_t file) {
    open_file *oldest = &side->open[0];
    for (size_t i = 0; i < STORAGE_OPEN_MAX; i++) {
        open_file *open = &side->open[i];
        if (open->fd >= 0 && open->file == file) return open;
        if (open->used < oldest->used) oldest = open;
    }
    return oldest;
}

int storage_file(storage *s, storage_side side, uint32_t file, bool for_writing) {
    side_state *state = &s->sides[side];
    open_file *slot = slot_for(state, file);
    bool held = slot->fd >= 0 && slot->file == file && (slot->writable || !for_writing);
    if (!held) {
        close_file(state, slot);
        int fd = open_file_at(s, file, for_writing);
        if (fd < 0) return fd;
        *slot = (open_file){ .fd = fd, .file = file, .writable = for_writing };
    }
    slot->used = ++state->calls;
    if (for_writing) slot->dirty = true;
    return slot->fd;
}
