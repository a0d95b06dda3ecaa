/* torrent/layers_parts.h - what giving and gathering piece layers share. Private to the module. */
#ifndef PBTS_TORRENT_LAYERS_PARTS_H
#define PBTS_TORRENT_LAYERS_PARTS_H

#include "torrent/layers.h"
#include "torrent/merkle.h"
#include "torrent/metainfo_parts.h"

/* The files of a torrent that have a layer (more than one piece), ascending by root, each root
 * once. `chunks_at` counts the chunks of PBTS_LAYER_RANGE_MAX pieces of those before. */
typedef struct {
    uint32_t file;
    uint32_t pieces;
    uint32_t first_piece;
    uint32_t chunks_at;
} pbts_layer_file;

typedef struct {
    pbts_mem *mem;
    const pbts_metainfo *meta;
    pbts_layer_file *files;
    uint32_t count;
    uint32_t chunks;       /* of all */
    unsigned piece_height; /* the layer of pieces */
} pbts_layer_files;

/* PBTS_NO_MEMORY. The metainfo is borrowed. */
PBTS_MUST_USE pbts_status pbts_layer_files_init(pbts_layer_files *files, pbts_mem *mem,
                                                const pbts_metainfo *meta);
void pbts_layer_files_deinit(pbts_layer_files *files);
/* The file with this root, or NULL. */
const pbts_layer_file *pbts_layer_files_find(const pbts_layer_files *files,
                                             const uint8_t root[static PBTS_SHA256_LEN]);
static inline const uint8_t *pbts_layer_root(const pbts_layer_files *files,
                                             const pbts_layer_file *file) {
    return files->meta->files.files[file->file].root;
}
static inline uint32_t pbts_layer_chunks(const pbts_layer_file *file) {
    return (file->pieces + PBTS_LAYER_RANGE_MAX - 1) / PBTS_LAYER_RANGE_MAX;
}
/* How many layers are above that of the pieces; the topmost is the root. */
static inline unsigned pbts_layer_levels(const pbts_layer_file *file) {
    return pbts_merkle_height(file->pieces);
}

#endif
