/* Parts of a file's hash tree, with their proof, out of a metainfo. */
#include "base/assert.h"
#include "torrent/layers_parts.h"

enum {
    CHUNK_LEVELS = 9, /* 2^9 = PBTS_LAYER_RANGE_MAX pieces in a chunk */
    /* What lies between pieces and chunks is hashed anew each time, for anybody: so much of it. Who
     * gathers layers asks for pieces. */
    HASHED_MAX = 16 * PBTS_LAYER_RANGE_MAX,
};
_Static_assert(1 << CHUNK_LEVELS == PBTS_LAYER_RANGE_MAX, "a chunk is what a range may be");

/* The roots of chunks are kept, so that no node costs more than hashing a chunk or all roots of
 * chunks. Those of a file are made when one of it is needed. */
struct pbts_layer_server {
    pbts_mem *mem;
    pbts_layer_files files;
    uint8_t (*chunk_roots)[PBTS_SHA256_LEN]; /* files.chunks of them */
    bool *has_roots;                         /* per file of `files` */
};

pbts_status pbts_layer_server_new(pbts_layer_server **out, pbts_mem *mem,
                                  const pbts_metainfo *meta) {
    assert(meta->has_v2);
    pbts_layer_server *server = pbts_alloc(mem, sizeof *server);
    if (server == NULL) return PBTS_NO_MEMORY;
    server->mem = mem;
    pbts_status status = pbts_layer_files_init(&server->files, mem, meta);
    if (status == PBTS_OK) {
        size_t chunks = server->files.chunks, files = server->files.count;
        server->chunk_roots = pbts_alloc_array(mem, chunks + 1, sizeof *server->chunk_roots);
        server->has_roots = pbts_alloc_array(mem, files + 1, sizeof *server->has_roots);
        if (!server->chunk_roots || !server->has_roots) status = PBTS_NO_MEMORY;
    }
    if (status != PBTS_OK) {
        pbts_layer_server_free(server);
        return status;
    }
    *out = server;
    return PBTS_OK;
}

void pbts_layer_server_free(pbts_layer_server *server) {
    if (server == NULL) return;
    pbts_layer_files_deinit(&server->files);
    pbts_release(server->mem, server->chunk_roots);
    pbts_release(server->mem, server->has_roots);
    pbts_release(server->mem, server);
}

/* The node over `count` hashes, with missing ones as zeros; all of height leaf_height. */
static void node_over(uint8_t out[static PBTS_SHA256_LEN], const uint8_t *hashes, uint64_t count,
                      unsigned height, unsigned leaf_height) {
    pbts_merkle tree;
    pbts_merkle_init(&tree);
    for (uint64_t i = 0; i < count; i++) pbts_merkle_add(&tree, hashes + i * PBTS_SHA256_LEN);
    pbts_merkle_root(out, &tree, height, leaf_height);
}

/* How many of `count` items lie in [first, first + size). */
static uint64_t part(uint64_t first, uint64_t size, uint64_t count) {
    if (first >= count) return 0;
    return count - first < size ? count - first : size;
}

static void node_of_pieces(const pbts_layer_server *server, uint8_t out[static PBTS_SHA256_LEN],
                           const pbts_layer_file *file, unsigned level, uint64_t index) {
    uint64_t first = index << level, there = part(first, UINT64_C(1) << level, file->pieces);
    const uint8_t *hashes = server->files.meta->hashes_v2;
    if (there > 0) hashes += (file->first_piece + first) * PBTS_SHA256_LEN;
    node_over(out, hashes, there, level, server->files.piece_height);
}

static void make_roots(pbts_layer_server *server, const pbts_layer_file *file) {
    bool *has_roots = &server->has_roots[file - server->files.files];
    if (*has_roots) return;
    for (uint32_t i = 0; i < pbts_layer_chunks(file); i++) {
        node_of_pieces(server, server->chunk_roots[file->chunks_at + i], file, CHUNK_LEVELS, i);
    }
    *has_roots = true;
}

/* The node `index` of the layer that is `level` above that of the pieces. */
static void read_node(pbts_layer_server *server, uint8_t out[static PBTS_SHA256_LEN],
                      const pbts_layer_file *file, unsigned level, uint64_t index) {
    if (level < CHUNK_LEVELS) {
        node_of_pieces(server, out, file, level, index);
        return;
    }
    make_roots(server, file);
    unsigned above = level - CHUNK_LEVELS;
    uint64_t first = index << above;
    uint64_t there = part(first, UINT64_C(1) << above, pbts_layer_chunks(file));
    const uint8_t *roots = server->chunk_roots[file->chunks_at];
    if (there > 0) roots += first * PBTS_SHA256_LEN;
    node_over(out, roots, there, above, server->files.piece_height + CHUNK_LEVELS);
}

static bool is_in_tree(const pbts_layer_server *server, const pbts_layer_file *file,
                       const pbts_layer_range *range) {
    unsigned levels = pbts_layer_levels(file), height = server->files.piece_height;
    if (range->base_layer < height || range->base_layer - height >= levels) return false;
    unsigned level = range->base_layer - height;
    if (level < CHUNK_LEVELS && range->length > (unsigned)HASHED_MAX >> level) return false;
    uint64_t nodes = UINT64_C(1) << (levels - level);
    bool is_power = (range->length & (range->length - 1)) == 0;
    return range->length >= 2 && range->length <= PBTS_LAYER_RANGE_MAX && is_power &&
           range->length <= nodes && range->index % range->length == 0 && range->index < nodes &&
           range->proof_layers < levels - level;
}

pbts_status pbts_layer_server_read(pbts_layer_server *server, pbts_writer *writer,
                                   const pbts_layer_range *range) {
    const pbts_layer_file *file = pbts_layer_files_find(&server->files, range->root);
    if (file == NULL || !is_in_tree(server, file, range)) return PBTS_NOT_FOUND;
    uint8_t node[PBTS_SHA256_LEN];
    unsigned level = range->base_layer - server->files.piece_height;
    for (uint32_t i = 0; i < range->length; i++) {
        read_node(server, node, file, level, range->index + i);
        pbts_write_bytes(writer, PBTS_SPAN_OF(node));
    }
    unsigned known = pbts_merkle_height(range->length); /* layers that follow from the range */
    for (unsigned up = known; up <= range->proof_layers; up++) {
        read_node(server, node, file, level + up, (uint64_t)range->index >> up ^ 1);
        pbts_write_bytes(writer, PBTS_SPAN_OF(node));
    }
    return pbts_writer_status(writer);
}
