/* Which files have a piece layer, found by their root. */
#include <stdlib.h>

#include "torrent/layers_parts.h"

/* qsort has no argument for the roots: they are sorted beside the numbers. */
typedef struct {
    const uint8_t *root;
    uint32_t file;
} root_of_file;

static int compare(const void *left, const void *right) {
    const root_of_file *a = left, *b = right;
    int order = memcmp(a->root, b->root, PBTS_SHA256_LEN);
    if (order != 0) return order;
    return a->file < b->file ? -1 : a->file > b->file;
}

static uint32_t pieces_of(const pbts_metainfo *meta, const pbts_file_record *file) {
    return (uint32_t)((file->length_bytes + meta->piece_length - 1) / meta->piece_length);
}

static uint32_t collect(root_of_file *roots, const pbts_metainfo *meta) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < meta->files.count; i++) {
        const pbts_file_record *file = &meta->files.files[i];
        if (pieces_of(meta, file) > 1) roots[count++] = (root_of_file){ file->root, i };
    }
    if (count > 1) qsort(roots, count, sizeof *roots, compare);
    return count;
}

/* Files of one content have one root and one layer: the first stands for all. A second one of
 * another length cannot be true and is left out. */
static void take_each_once(pbts_layer_files *files, const root_of_file *roots, uint32_t count) {
    const pbts_metainfo *meta = files->meta;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && memcmp(roots[i].root, roots[i - 1].root, PBTS_SHA256_LEN) == 0) continue;
        const pbts_file_record *record = &meta->files.files[roots[i].file];
        pbts_layer_file *file = &files->files[files->count++];
        *file = (pbts_layer_file){
            .file = roots[i].file,
            .pieces = pieces_of(meta, record),
            .first_piece = (uint32_t)(record->offset_bytes / meta->piece_length),
            .chunks_at = files->chunks,
        };
        files->chunks += pbts_layer_chunks(file);
    }
}

pbts_status pbts_layer_files_init(pbts_layer_files *files, pbts_mem *mem,
                                  const pbts_metainfo *meta) {
    *files = (pbts_layer_files){
        .mem = mem,
        .meta = meta,
        .piece_height = pbts_merkle_height(meta->piece_length / PBTS_BLOCK_LEN),
    };
    root_of_file *roots = pbts_alloc_array(mem, meta->files.count, sizeof *roots);
    files->files = pbts_alloc_array(mem, meta->files.count, sizeof *files->files);
    if (roots == NULL || files->files == NULL) {
        pbts_release(mem, roots);
        pbts_layer_files_deinit(files);
        return PBTS_NO_MEMORY;
    }
    take_each_once(files, roots, collect(roots, meta));
    pbts_release(mem, roots);
    return PBTS_OK;
}

void pbts_layer_files_deinit(pbts_layer_files *files) {
    pbts_release(files->mem, files->files);
    files->files = NULL;
}

const pbts_layer_file *pbts_layer_files_find(const pbts_layer_files *files,
                                             const uint8_t root[static PBTS_SHA256_LEN]) {
    uint32_t low = 0, high = files->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const pbts_layer_file *file = &files->files[middle];
        int order = memcmp(pbts_layer_root(files, file), root, PBTS_SHA256_LEN);
        if (order == 0) return file;
        if (order < 0) low = middle + 1;
        if (order > 0) high = middle;
    }
    return NULL;
}
