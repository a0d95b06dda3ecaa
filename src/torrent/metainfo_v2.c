/* The v2 half of a metainfo (BEP 52): a tree of files, each with the root of its own hash tree. */
#include <stdlib.h>

#include "base/assert.h"
#include "torrent/merkle.h"
#include "torrent/metainfo_parts.h"

/* Where the walk of the tree stands: the path so far, and the pieces before this file. */
typedef struct {
    pbts_metainfo_parser *parser;
    uint8_t path[PBTS_TORRENT_PATH_MAX];
    uint64_t piece_count;
} tree_walk;

static uint64_t pieces_of(const pbts_metainfo *meta, const pbts_file_record *file) {
    return file->length_bytes / meta->piece_length + (file->length_bytes % meta->piece_length != 0);
}

static pbts_status read_root(tree_walk *walk, const pbts_bvalue *entry, pbts_file_record *file) {
    pbts_span root;
    if (file->length_bytes == 0) return PBTS_OK;
    if (!pbts_bdict_find_string(entry, "pieces root", &root) || root.len != sizeof file->root) {
        return pbts_metainfo_fail(walk->parser, PBTS_MALFORMED, "a file without pieces root");
    }
    memcpy(file->root, root.data, sizeof file->root);
    return PBTS_OK;
}

static pbts_status check_attributes(tree_walk *walk, const pbts_bvalue *entry) {
    pbts_span letters;
    if (!pbts_bdict_find_string(entry, "attr", &letters) || letters.len == 0) return PBTS_OK;
    if (memchr(letters.data, 'l', letters.len) == NULL &&
        memchr(letters.data, 'p', letters.len) == NULL) {
        return PBTS_OK;
    }
    return pbts_metainfo_fail(walk->parser, PBTS_MALFORMED,
                              "links and padding have no place in a file tree");
}

/* A file: { "": { "length": n, "pieces root": 32 bytes } } and nothing beside the "". */
static pbts_status read_file(tree_walk *walk, const pbts_bvalue *entry, size_t path_len) {
    pbts_metainfo *meta = walk->parser->meta;
    pbts_file_record file = { .offset_bytes = walk->piece_count * meta->piece_length };
    if (!pbts_bdict_find_uint(entry, "length", &file.length_bytes)) {
        return pbts_metainfo_fail(walk->parser, PBTS_MALFORMED, "a file without length");
    }
    PBTS_TRY(check_attributes(walk, entry));
    PBTS_TRY(read_root(walk, entry, &file));
    uint64_t pieces = pieces_of(meta, &file);
    if (pieces > PBTS_PIECES_MAX - walk->piece_count) {
        return pbts_metainfo_fail(walk->parser, PBTS_LIMIT, "too many pieces");
    }
    walk->piece_count += pieces;
    pbts_status status =
        pbts_file_list_add(&meta->files, &file, (pbts_span){ walk->path, path_len });
    if (status == PBTS_OK) return PBTS_OK;
    return pbts_metainfo_fail(walk->parser, status, "too many files or too long paths");
}

/* Append "/part" to the path; the new length in *path_len. */
static pbts_status enter(tree_walk *walk, size_t *path_len, pbts_span part) {
    if (!pbts_path_part_ok(part)) {
        return pbts_metainfo_fail(walk->parser, PBTS_MALFORMED,
                                  "a path that could leave its folder");
    }
    pbts_writer path = { .data = walk->path, .len = *path_len, .capacity = sizeof walk->path };
    if (path.len > 0) pbts_write_u8(&path, '/');
    pbts_write_bytes(&path, part);
    if (path.failed) return pbts_metainfo_fail(walk->parser, PBTS_LIMIT, "a path is too long");
    *path_len = path.len;
    return PBTS_OK;
}

/* Read a file or a folder. Recursion is bounded by PBTS_BENCODE_DEPTH_MAX. */
static pbts_status read_node(tree_walk *walk, const pbts_bvalue *node, size_t path_len) {
    pbts_biter iter = pbts_bvalue_items(node);
    pbts_span part;
    pbts_bvalue child;
    size_t children = 0;
    for (; pbts_biter_next_pair(&iter, &part, &child); children++) {
        if (child.type != PBTS_BDICT) {
            return pbts_metainfo_fail(walk->parser, PBTS_MALFORMED, "a file tree of other things");
        }
        if (part.len == 0 && path_len > 0) {
            if (pbts_cursor_left(&iter.rest) == 0) return read_file(walk, &child, path_len);
            return pbts_metainfo_fail(walk->parser, PBTS_MALFORMED, "a file that is a folder");
        }
        size_t child_path_len = path_len;
        PBTS_TRY(enter(walk, &child_path_len, part));
        PBTS_TRY(read_node(walk, &child, child_path_len));
    }
    if (children > 0) return PBTS_OK;
    return pbts_metainfo_fail(walk->parser, PBTS_MALFORMED, "an empty folder");
}

pbts_status pbts_metainfo_read_tree(pbts_metainfo_parser *parser) {
    pbts_metainfo *meta = parser->meta;
    tree_walk walk = { .parser = parser };
    pbts_bvalue tree;
    if (!pbts_bdict_find_typed(&parser->info, "file tree", PBTS_BDICT, &tree)) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "the file tree is no dictionary");
    }
    PBTS_TRY(read_node(&walk, &tree, 0));
    if (walk.piece_count == 0) return pbts_metainfo_fail(parser, PBTS_MALFORMED, "no content");
    meta->piece_count = (uint32_t)walk.piece_count;
    meta->single_file =
        meta->files.count == 1 && pbts_span_equal(pbts_file_list_path(&meta->files, 0), meta->name);
    return PBTS_OK;
}

/* `piece layers` as an array, because a look-up by walking would be quadratic in the files. */
typedef struct {
    pbts_span root;
    pbts_span hashes;
} layer;

typedef struct {
    layer *items; /* ascending by root */
    size_t count;
    size_t capacity;
} layer_index;

static pbts_status add_layer(pbts_metainfo_parser *parser, layer_index *index, pbts_span root,
                             const pbts_bvalue *value) {
    if (root.len != PBTS_SHA256_LEN || value->type != PBTS_BSTRING) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "piece layers hold something else");
    }
    void *items = index->items;
    PBTS_TRY(pbts_torrent_grow(parser->meta->mem, &items, &index->capacity, index->count + 1,
                               sizeof *index->items));
    index->items = items;
    index->items[index->count++] = (layer){ root, value->string };
    return PBTS_OK;
}

static pbts_status index_layers(pbts_metainfo_parser *parser, layer_index *index) {
    pbts_bvalue layers, value;
    pbts_span root;
    if (!pbts_bdict_find(&parser->root, "piece layers", &layers)) return PBTS_OK;
    if (layers.type != PBTS_BDICT) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "piece layers are no dictionary");
    }
    pbts_biter iter = pbts_bvalue_items(&layers);
    while (pbts_biter_next_pair(&iter, &root, &value)) {
        PBTS_TRY(add_layer(parser, index, root, &value));
    }
    return PBTS_OK;
}

static int compare_root(const void *root, const void *item) {
    return memcmp(root, ((const layer *)item)->root.data, PBTS_SHA256_LEN);
}

static bool layer_has_root(const pbts_metainfo *meta, const uint8_t *hashes, uint64_t count,
                           const uint8_t root[static PBTS_SHA256_LEN]) {
    pbts_merkle tree;
    uint8_t computed[PBTS_SHA256_LEN];
    pbts_merkle_init(&tree);
    for (uint64_t i = 0; i < count; i++) pbts_merkle_add(&tree, hashes + i * PBTS_SHA256_LEN);
    unsigned piece_height = pbts_merkle_height(meta->piece_length / PBTS_BLOCK_LEN);
    pbts_merkle_root(computed, &tree, pbts_merkle_height(count), piece_height);
    return memcmp(computed, root, sizeof computed) == 0;
}

/* Copy one file's piece hashes to `out`. The root of a file of one piece is that piece's hash. */
static pbts_status take_hashes(pbts_metainfo_parser *parser, const layer_index *index,
                               const pbts_file_record *file, uint8_t *out) {
    uint64_t pieces = pieces_of(parser->meta, file);
    if (pieces == 0) return PBTS_OK;
    if (pieces == 1) {
        memcpy(out, file->root, PBTS_SHA256_LEN);
        return PBTS_OK;
    }
    const layer *found = index->count == 0 ? NULL
                                           : bsearch(file->root, index->items, index->count,
                                                     sizeof *index->items, compare_root);
    if (found == NULL || found->hashes.len != pieces * PBTS_SHA256_LEN) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "a file's piece layer is missing");
    }
    if (!layer_has_root(parser->meta, found->hashes.data, pieces, file->root)) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "a piece layer does not have its root");
    }
    memcpy(out, found->hashes.data, found->hashes.len);
    return PBTS_OK;
}

static pbts_status read_hashes(pbts_metainfo_parser *parser, layer_index *index) {
    pbts_metainfo *meta = parser->meta;
    PBTS_TRY(index_layers(parser, index));
    meta->hashes_v2 = pbts_alloc_array(meta->mem, meta->piece_count, PBTS_SHA256_LEN);
    if (meta->hashes_v2 == NULL) return PBTS_NO_MEMORY;
    for (uint32_t i = 0; i < meta->files.count; i++) {
        const pbts_file_record *file = &meta->files.files[i];
        uint64_t first_piece = file->offset_bytes / meta->piece_length;
        PBTS_TRY(take_hashes(parser, index, file,
                             meta->hashes_v2 + (size_t)first_piece * PBTS_SHA256_LEN));
    }
    return PBTS_OK;
}

pbts_status pbts_metainfo_read_v2(pbts_metainfo_parser *parser) {
    layer_index index = { 0 };
    PBTS_TRY(pbts_metainfo_read_tree(parser));
    pbts_status status = read_hashes(parser, &index);
    pbts_release(parser->meta->mem, index.items);
    return status;
}
