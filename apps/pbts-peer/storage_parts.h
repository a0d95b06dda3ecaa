/* storage_parts.h - what the files of storage share. Private to storage*.c. */
#ifndef PBTS_PEER_STORAGE_PARTS_H
#define PBTS_PEER_STORAGE_PARTS_H

#include <limits.h>
#include <sys/stat.h>

#include "storage.h"

typedef struct {
    int fd; /* -1: the slot is free */
    uint32_t file;
    bool writable, dirty;
    uint64_t used; /* when, in calls */
} open_file;

typedef struct {
    open_file open[STORAGE_OPEN_MAX];
    uint64_t calls;
    bool lost_dirty; /* a written file was closed without being synced */
    char problem[STORAGE_PROBLEM_MAX];
} side_state;

struct storage {
    const pbts_metainfo *meta; /* borrowed */
    int root_fd;
    bool writable;
    bool single; /* the content is one file called file_name in the root folder */
    size_t closed_count;
    struct stat closed[STORAGE_CLOSED_MAX]; /* files and folders that are never opened */
    char file_name[NAME_MAX + 1];
    char root[PATH_MAX];
    side_state sides[STORAGE_SIDES];
};

/* Note what went wrong with a file of the torrent and pass the errno on. */
int storage_fail(storage *s, storage_side side, uint32_t file, int error);
int storage_fail_text(storage *s, storage_side side, uint32_t file, int error, const char *text);

/* An open descriptor of a file, kept by the side; a negative errno on failure. */
int storage_file(storage *s, storage_side side, uint32_t file, bool for_writing);
void storage_close_files(storage *s);
/* Whether it is one of the closed. */
bool storage_is_closed(const storage *s, const struct stat *info);
/* Walk to the folder that a file lies in, making folders on the way or not; the last part of the
 * path goes to `name`. A descriptor to be closed, or a negative errno. */
int storage_folder_of(storage *s, char name[static NAME_MAX + 1], uint32_t file, bool make);

/* A range of the stream as parts of files, in order. Start with next_file = file_at(offset). */
typedef struct {
    uint64_t offset_bytes;
    size_t left;
    uint32_t next_file;
} stream_walk;
typedef struct {
    uint32_t file;
    bool padding;
    uint64_t at; /* in the file */
    size_t len;
} stream_part;
stream_walk storage_walk(const storage *s, uint64_t offset_bytes, size_t len);
bool storage_walk_next(const storage *s, stream_walk *walk, stream_part *part);

#endif
