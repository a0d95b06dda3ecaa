/* torrent/file_list.h - a torrent's files, paths checked. Private to the module. */
#ifndef PBTS_TORRENT_FILE_LIST_H
#define PBTS_TORRENT_FILE_LIST_H

#include "torrent/metainfo.h"

/* No torrent in these limits is longer: pieces x bytes of a piece = 2^46. */
#define PBTS_TORRENT_BYTES_MAX ((uint64_t)PBTS_PIECES_MAX * PBTS_PIECE_LENGTH_MAX)

typedef struct {
    size_t path_at; /* in file_list.paths */
    size_t path_len;
    uint64_t length_bytes;
    uint64_t offset_bytes;
    uint8_t root[PBTS_PIECE_HASH_LEN]; /* v2: "pieces root"; zero when length_bytes is 0 */
    bool padding;
} pbts_file_record;

typedef struct {
    pbts_mem *mem;
    pbts_file_record *files;
    uint32_t count;
    uint32_t capacity;
    uint8_t *paths; /* all paths, one after the other */
    size_t paths_len;
    size_t paths_capacity;
} pbts_file_list;

pbts_file_list pbts_file_list_empty(pbts_mem *mem);
void pbts_file_list_deinit(pbts_file_list *list);
pbts_span pbts_file_list_path(const pbts_file_list *list, uint32_t index);
/* Append a file; the path is copied, what it consists of is not checked here.
 * PBTS_LIMIT (count, a path, all paths), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_file_list_add(pbts_file_list *list, const pbts_file_record *file,
                                             pbts_span path);
/* PBTS_MALFORMED when two files (padding aside) have one path, or a file is another's folder. */
PBTS_MUST_USE pbts_status pbts_file_list_check_unique(const pbts_file_list *list);

/* Whether a name can be one part of a path: not "", ".", "..", and without NUL and "/". */
bool pbts_path_part_ok(pbts_span part);
/* Whether a "/"-joined path has such parts only. */
bool pbts_path_ok(pbts_span path);
/* Whether `path` lies in the folder `folder`. */
bool pbts_path_is_under(pbts_span path, pbts_span folder);

/* Double an array until `needed` items fit; `*items` and `*capacity` change together.
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_torrent_grow(pbts_mem *mem, void **items, size_t *capacity,
                                            size_t needed, size_t item_len);

#endif
