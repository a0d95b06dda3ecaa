#include "torrent/file_list.h"

#include <stdlib.h>

#include "torrent/builder.h"

pbts_file_list pbts_file_list_empty(pbts_mem *mem) {
    return (pbts_file_list){ .mem = mem };
}

void pbts_file_list_deinit(pbts_file_list *list) {
    pbts_release(list->mem, list->files);
    pbts_release(list->mem, list->paths);
    *list = (pbts_file_list){ .mem = list->mem };
}

pbts_span pbts_file_list_path(const pbts_file_list *list, uint32_t index) {
    const pbts_file_record *file = &list->files[index];
    return (pbts_span){ list->paths + file->path_at, file->path_len };
}

pbts_status pbts_torrent_grow(pbts_mem *mem, void **items, size_t *capacity, size_t needed,
                              size_t item_len) {
    if (needed <= *capacity) return PBTS_OK;
    size_t grown = *capacity > 0 ? *capacity : 16;
    while (grown < needed) grown *= 2;
    void *resized = pbts_resize_array(mem, *items, grown, item_len);
    if (resized == NULL) return PBTS_NO_MEMORY;
    *items = resized;
    *capacity = grown;
    return PBTS_OK;
}

static pbts_status make_room(pbts_file_list *list, size_t path_len) {
    void *items = list->files;
    size_t capacity = list->capacity;
    PBTS_TRY(
        pbts_torrent_grow(list->mem, &items, &capacity, list->count + 1u, sizeof *list->files));
    list->files = items;
    list->capacity = (uint32_t)capacity;
    items = list->paths;
    capacity = list->paths_capacity;
    PBTS_TRY(pbts_torrent_grow(list->mem, &items, &capacity, list->paths_len + path_len, 1));
    list->paths = items;
    list->paths_capacity = capacity;
    return PBTS_OK;
}

pbts_status pbts_file_list_add(pbts_file_list *list, const pbts_file_record *file, pbts_span path) {
    if (list->count == PBTS_TORRENT_FILES_MAX) return PBTS_LIMIT;
    if (path.len > PBTS_TORRENT_PATH_MAX) return PBTS_LIMIT;
    if (path.len > PBTS_TORRENT_PATHS_LEN_MAX - list->paths_len) return PBTS_LIMIT;
    PBTS_TRY(make_room(list, path.len));
    pbts_file_record *added = &list->files[list->count++];
    *added = *file;
    added->path_at = list->paths_len;
    added->path_len = path.len;
    memcpy(list->paths + list->paths_len, path.data, path.len);
    list->paths_len += path.len;
    return PBTS_OK;
}

static int compare_spans(const void *a, const void *b) {
    return pbts_torrent_path_compare(*(const pbts_span *)a, *(const pbts_span *)b);
}

pbts_status pbts_file_list_check_unique(const pbts_file_list *list) {
    pbts_span *sorted = pbts_alloc_array(list->mem, list->count, sizeof *sorted);
    if (sorted == NULL) return PBTS_NO_MEMORY;
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!list->files[i].padding) sorted[count++] = pbts_file_list_path(list, i);
    }
    qsort(sorted, count, sizeof *sorted, compare_spans);
    pbts_status status = PBTS_OK;
    for (size_t i = 1; i < count && status == PBTS_OK; i++) {
        /* In this order what is in a folder directly follows the folder's own name. */
        bool clash = pbts_span_equal(sorted[i - 1], sorted[i]) ||
                     pbts_path_is_under(sorted[i], sorted[i - 1]);
        if (clash) status = PBTS_MALFORMED;
    }
    pbts_release(list->mem, sorted);
    return status;
}

bool pbts_path_part_ok(pbts_span part) {
    if (part.len == 0 || pbts_span_is(part, ".") || pbts_span_is(part, "..")) return false;
    return memchr(part.data, '\0', part.len) == NULL && memchr(part.data, '/', part.len) == NULL;
}

bool pbts_path_ok(pbts_span path) {
    for (;;) {
        const uint8_t *slash = path.len > 0 ? memchr(path.data, '/', path.len) : NULL;
        size_t part_len = slash != NULL ? (size_t)(slash - path.data) : path.len;
        if (!pbts_path_part_ok((pbts_span){ path.data, part_len })) return false;
        if (slash == NULL) return true;
        path = (pbts_span){ slash + 1, path.len - part_len - 1 };
    }
}

bool pbts_path_is_under(pbts_span path, pbts_span folder) {
    return path.len > folder.len && path.data[folder.len] == '/' &&
           memcmp(path.data, folder.data, folder.len) == 0;
}

int pbts_torrent_path_compare(pbts_span a, pbts_span b) {
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (a.data[i] == b.data[i]) continue;
        /* "/" sorts before everything, so parts are compared one by one: a/b before a-b. */
        if (a.data[i] == '/') return -1;
        if (b.data[i] == '/') return 1;
        return a.data[i] < b.data[i] ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}
