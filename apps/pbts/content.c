#include "content.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit_codes.h"
#include "say.h"

static int join(char out[static CONTENT_PATH_MAX], const char *a, const char *b) {
    int len = snprintf(out, CONTENT_PATH_MAX, "%s%s%s", a, *a && *b ? "/" : "", b);
    if (len >= 0 && len < CONTENT_PATH_MAX) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_IO, "%s/%s: the path is too long", a, b);
}

static int add_file(content *all, const char *path, uint64_t length_bytes) {
    if (all->count >= PBTS_TORRENT_FILES_MAX) {
        return say_fail(PBTS_EXIT_REFUSED, "%s: more than %d files", all->root,
                        (int)PBTS_TORRENT_FILES_MAX);
    }
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 64;
        content_file *bigger = realloc(all->files, capacity * sizeof *bigger);
        if (bigger == NULL) return say_no_memory();
        all->files = bigger;
        all->capacity = capacity;
    }
    char *copy = strdup(path);
    if (copy == NULL) return say_no_memory();
    content_file *file = &all->files[all->count++];
    file->path = copy;
    file->length_bytes = length_bytes;
    all->total_bytes += length_bytes;
    return PBTS_EXIT_OK;
}

static int walk(content *all, const char *below, unsigned depth);

static int visit(content *all, const char *below, const char *name, unsigned depth) {
    char path[CONTENT_PATH_MAX], full[CONTENT_PATH_MAX];
    struct stat link_info, info;
    int code = join(path, below, name);
    if (code == PBTS_EXIT_OK) code = join(full, all->root, path);
    if (code != PBTS_EXIT_OK) return code;
    if (lstat(full, &link_info) != 0 || stat(full, &info) != 0) return say_errno(full);
    if (S_ISREG(info.st_mode)) return add_file(all, path, (uint64_t)info.st_size);
    if (S_ISDIR(info.st_mode) && !S_ISLNK(link_info.st_mode)) return walk(all, path, depth + 1);
    return say_fail(PBTS_EXIT_REFUSED, "%s: neither a regular file nor a folder of its own", full);
}

static int walk(content *all, const char *below, unsigned depth) {
    char full[CONTENT_PATH_MAX];
    int code = join(full, all->root, below);
    if (code != PBTS_EXIT_OK) return code;
    if (depth > CONTENT_DEPTH_MAX) {
        return say_fail(PBTS_EXIT_REFUSED, "%s: more than %d folders deep", full,
                        CONTENT_DEPTH_MAX);
    }
    DIR *folder = opendir(full);
    if (folder == NULL) return say_errno(full);
    struct dirent *entry;
    while (code == PBTS_EXIT_OK && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        code = visit(all, below, entry->d_name, depth);
    }
    (void)closedir(folder);
    return code;
}

static int compare_files(const void *a, const void *b) {
    const content_file *left = a, *right = b;
    return pbts_torrent_path_compare(pbts_span_text(left->path), pbts_span_text(right->path));
}

/* Names in a torrent are UTF-8 (BEP 3); another client would look for others. */
static int check_names(const content *all) {
    json_t *name = json_string(all->name);
    bool good = name != NULL;
    json_decref(name);
    for (size_t i = 0; good && i < all->count; i++) {
        name = json_string(all->files[i].path);
        good = name != NULL;
        json_decref(name);
        if (good) continue;
        return say_fail(PBTS_EXIT_REFUSED, "%s/%s: the name is not UTF-8; rename it", all->root,
                        all->files[i].path);
    }
    if (good) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_REFUSED, "%s: the name is not UTF-8; rename it", all->root);
}

static int scan_into(content *all, const char *path) {
    struct stat info;
    char resolved[CONTENT_PATH_MAX];
    if (strlen(path) >= CONTENT_PATH_MAX) return say_fail(PBTS_EXIT_USAGE, "the path is too long");
    if (stat(path, &info) != 0) return say_errno(path);
    /* "." and "dir/.." have no name of their own. */
    char *real = realpath(path, NULL);
    if (real == NULL) return say_errno(path);
    int len = snprintf(resolved, sizeof resolved, "%s", real);
    free(real);
    if (len < 0 || (size_t)len >= sizeof resolved) return say_fail(PBTS_EXIT_IO, "path too long");
    memcpy(all->root, resolved, (size_t)len + 1);
    const char *slash = strrchr(all->root, '/');
    all->name = slash ? slash + 1 : all->root;
    if (*all->name == '\0') return say_fail(PBTS_EXIT_USAGE, "%s: has no name", path);
    if (S_ISREG(info.st_mode)) {
        all->single_file = true;
        return add_file(all, all->name, (uint64_t)info.st_size);
    }
    if (!S_ISDIR(info.st_mode)) {
        return say_fail(PBTS_EXIT_REFUSED, "%s: neither a regular file nor a folder", path);
    }
    int code = walk(all, "", 0);
    if (code == PBTS_EXIT_OK && all->count > 1) {
        qsort(all->files, all->count, sizeof *all->files, compare_files);
    }
    return code;
}

int content_scan(content *out, const char *path) {
    *out = (content){ 0 };
    int code = scan_into(out, path);
    if (code == PBTS_EXIT_OK) code = check_names(out);
    if (code == PBTS_EXIT_OK && out->total_bytes == 0) {
        code = say_fail(PBTS_EXIT_REFUSED, "%s: holds no bytes", path);
    }
    if (code != PBTS_EXIT_OK) content_free(out);
    return code;
}

void content_free(content *all) {
    for (size_t i = 0; i < all->count; i++) free(all->files[i].path);
    free(all->files);
    all->files = NULL;
    all->count = 0;
}

int content_file_path(char out[static CONTENT_PATH_MAX], const content *all, size_t index) {
    if (all->single_file) return join(out, all->root, "");
    return join(out, all->root, all->files[index].path);
}

FILE *content_open(const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return NULL;
    bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    FILE *file = regular ? fdopen(fd, "rb") : NULL;
    if (file != NULL) return file;
    (void)close(fd);
    errno = regular ? ENOMEM : EINVAL;
    return NULL;
}
