/* Piece layers gathered from peers, each part proved against its file's root. */
#include "torrent/layers.h"

#include "base/assert.h"
#include "torrent/layers_parts.h"

typedef enum { CHUNK_MISSING, CHUNK_ASKED, CHUNK_HERE } chunk_state;

struct pbts_layers {
    pbts_mem *mem;
    pbts_metainfo *meta; /* the tree only */
    pbts_layer_files files;
    uint8_t *hashes;      /* 32 x pieces, at the place of the file that stands for its root */
    uint8_t *chunks;      /* chunk_state */
    uint32_t here;        /* chunks */
    uint32_t file, chunk; /* none before is MISSING */
};

pbts_status pbts_layers_new(pbts_layers **out, pbts_mem *mem, pbts_span info) {
    pbts_layers *layers = pbts_alloc(mem, sizeof *layers);
    if (layers == NULL) return PBTS_NO_MEMORY;
    layers->mem = mem;
    layers->files.mem = mem;
    pbts_status status = pbts_metainfo_parse_tree(&layers->meta, mem, info);
    if (status == PBTS_NOT_FOUND) status = PBTS_MALFORMED;
    if (status == PBTS_OK) status = pbts_layer_files_init(&layers->files, mem, layers->meta);
    if (status == PBTS_OK) {
        layers->hashes = pbts_alloc_array(mem, layers->meta->piece_count, PBTS_SHA256_LEN);
        layers->chunks = pbts_alloc(mem, layers->files.chunks + 1);
        if (!layers->hashes || !layers->chunks) status = PBTS_NO_MEMORY;
    }
    if (status != PBTS_OK) {
        pbts_layers_free(layers);
        return status;
    }
    *out = layers;
    return PBTS_OK;
}

void pbts_layers_free(pbts_layers *layers) {
    if (layers == NULL) return;
    pbts_layer_files_deinit(&layers->files);
    pbts_metainfo_free(layers->meta);
    pbts_release(layers->mem, layers->hashes);
    pbts_release(layers->mem, layers->chunks);
    pbts_release(layers->mem, layers);
}

/* ---- asking ---- */

static pbts_layer_range range_of(const pbts_layers *layers, const pbts_layer_file *file,
                                 uint32_t chunk) {
    uint32_t index = chunk * PBTS_LAYER_RANGE_MAX, left = file->pieces - index;
    unsigned width = pbts_merkle_height(left < PBTS_LAYER_RANGE_MAX ? left : PBTS_LAYER_RANGE_MAX);
    pbts_layer_range range = {
        .base_layer = layers->files.piece_height,
        .index = index,
        .length = 1u << (width > 0 ? width : 1), /* a last one alone comes with its sibling */
        .proof_layers = pbts_layer_levels(file) - 1,
    };
    memcpy(range.root, pbts_layer_root(&layers->files, file), sizeof range.root);
    return range;
}

bool pbts_layers_next(pbts_layers *layers, pbts_layer_range *out) {
    for (; layers->file < layers->files.count; layers->file++, layers->chunk = 0) {
        const pbts_layer_file *file = &layers->files.files[layers->file];
        for (; layers->chunk < pbts_layer_chunks(file); layers->chunk++) {
            uint8_t *state = &layers->chunks[file->chunks_at + layers->chunk];
            if (*state != CHUNK_MISSING) continue;
            *state = CHUNK_ASKED;
            *out = range_of(layers, file, layers->chunk);
            return true;
        }
    }
    return false;
}

void pbts_layers_restart(pbts_layers *layers) {
    for (uint32_t i = 0; i < layers->files.chunks; i++) {
        if (layers->chunks[i] == CHUNK_ASKED) layers->chunks[i] = CHUNK_MISSING;
    }
    layers->file = layers->chunk = 0;
}

/* ---- answers ---- */

static bool same_range(const pbts_layer_range *a, const pbts_layer_range *b) {
    return a->base_layer == b->base_layer && a->index == b->index && a->length == b->length &&
           a->proof_layers == b->proof_layers;
}

/* Fold the range to its root, then that with the uncles to the file's. */
static bool leads_to_root(const pbts_layer_range *range, pbts_span hashes) {
    uint8_t node[PBTS_SHA256_LEN];
    unsigned width = pbts_merkle_height(range->length);
    uint64_t uncles = range->proof_layers + 1 - width;
    if (hashes.len != (range->length + uncles) * PBTS_SHA256_LEN) return false;
    pbts_merkle tree;
    pbts_merkle_init(&tree);
    for (uint32_t i = 0; i < range->length; i++) {
        pbts_merkle_add(&tree, hashes.data + (size_t)i * PBTS_SHA256_LEN);
    }
    pbts_merkle_root(node, &tree, width, 0);
    for (uint64_t i = 0; i < uncles; i++) {
        const uint8_t *uncle = hashes.data + (range->length + i) * PBTS_SHA256_LEN;
        bool is_right = range->index >> (width + i) & 1;
        pbts_merkle_pair(node, is_right ? uncle : node, is_right ? node : uncle);
    }
    return memcmp(node, range->root, PBTS_SHA256_LEN) == 0;
}

pbts_status pbts_layers_take(pbts_layers *layers, const pbts_layer_range *range, pbts_span hashes) {
    const pbts_layer_file *file = pbts_layer_files_find(&layers->files, range->root);
    if (file == NULL || range->index >= file->pieces) return PBTS_NOT_FOUND;
    uint32_t chunk = range->index / PBTS_LAYER_RANGE_MAX;
    pbts_layer_range asked = range_of(layers, file, chunk);
    uint8_t *state = &layers->chunks[file->chunks_at + chunk];
    if (!same_range(range, &asked) || *state == CHUNK_MISSING) return PBTS_NOT_FOUND;
    if (*state == CHUNK_HERE) return PBTS_EXISTS;
    if (!leads_to_root(range, hashes)) return PBTS_MALFORMED;
    uint32_t left = file->pieces - range->index;
    size_t len = (size_t)(left < range->length ? left : range->length) * PBTS_SHA256_LEN;
    memcpy(layers->hashes + ((size_t)file->first_piece + range->index) * PBTS_SHA256_LEN,
           hashes.data, len);
    *state = CHUNK_HERE;
    layers->here++;
    return PBTS_OK;
}

bool pbts_layers_done(const pbts_layers *layers) {
    return layers->here == layers->files.chunks;
}

/* ---- the dictionary ---- */

size_t pbts_layers_len(const pbts_layers *layers) {
    enum { PAIR_LEN_MAX = 3 + PBTS_SHA256_LEN + 12 }; /* "32:" root, a length and ":" */
    size_t len = 2;
    for (uint32_t i = 0; i < layers->files.count; i++) {
        len += PAIR_LEN_MAX + (size_t)layers->files.files[i].pieces * PBTS_SHA256_LEN;
    }
    return len;
}

void pbts_layers_write(const pbts_layers *layers, pbts_writer *writer) {
    assert(pbts_layers_done(layers));
    pbts_write_u8(writer, 'd');
    for (uint32_t i = 0; i < layers->files.count; i++) {
        const pbts_layer_file *file = &layers->files.files[i];
        size_t len = (size_t)file->pieces * PBTS_SHA256_LEN;
        pbts_write_text(writer, "32:");
        pbts_write_bytes(writer,
                         (pbts_span){ pbts_layer_root(&layers->files, file), PBTS_SHA256_LEN });
        pbts_write_decimal(writer, len);
        pbts_write_text(writer, ":");
        pbts_write_bytes(
            writer,
            (pbts_span){ layers->hashes + (size_t)file->first_piece * PBTS_SHA256_LEN, len });
    }
    pbts_write_u8(writer, 'e');
}
