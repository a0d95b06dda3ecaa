/* Source: BEP 3, BEP 27, BEP 47, BEP 52. */
#include "torrent/builder.h"

#include <stdlib.h>

#include "base/assert.h"
#include "torrent/builder_parts.h"

static bool options_ok(const pbts_torrent_options *options) {
    uint32_t length = options->piece_length;
    return length >= PBTS_PIECE_LENGTH_MIN && length <= PBTS_PIECE_LENGTH_MAX &&
           (length & (length - 1)) == 0 && options->name.len <= PBTS_TORRENT_PATH_MAX &&
           pbts_path_part_ok(options->name);
}

static pbts_span copy_text(uint8_t **at, pbts_span text) {
    pbts_span copy = { *at, text.len };
    if (text.len > 0) memcpy(*at, text.data, text.len);
    *at += text.len;
    return copy;
}

static pbts_status copy_options(pbts_torrent_builder *builder,
                                const pbts_torrent_options *options) {
    if (options->source.len > PBTS_TORRENT_SOURCE_MAX ||
        options->announce.len > PBTS_METAINFO_LEN_MAX ||
        options->comment.len > PBTS_METAINFO_LEN_MAX ||
        options->fallback.len > PBTS_METAINFO_LEN_MAX) {
        return PBTS_LIMIT;
    }
    size_t len = options->name.len + options->announce.len + options->comment.len +
                 options->source.len + options->fallback.len;
    builder->texts = pbts_alloc(builder->mem, len);
    if (builder->texts == NULL) return PBTS_NO_MEMORY;
    uint8_t *at = builder->texts;
    builder->options = *options;
    builder->options.name = copy_text(&at, options->name);
    builder->options.announce = copy_text(&at, options->announce);
    builder->options.comment = copy_text(&at, options->comment);
    builder->options.source = copy_text(&at, options->source);
    builder->options.fallback = copy_text(&at, options->fallback);
    return PBTS_OK;
}

pbts_status pbts_torrent_builder_new(pbts_torrent_builder **out, pbts_mem *mem,
                                     const pbts_torrent_options *options) {
    if (!options_ok(options)) return PBTS_MALFORMED;
    pbts_torrent_builder *builder = pbts_alloc(mem, sizeof *builder);
    if (builder == NULL) return PBTS_NO_MEMORY;
    builder->mem = mem;
    builder->files = pbts_file_list_empty(mem);
    builder->makes_v1 = options->version != PBTS_TORRENT_V2;
    builder->makes_v2 = options->version != PBTS_TORRENT_V1;
    pbts_sha1_init(&builder->piece_v1);
    pbts_status status = copy_options(builder, options);
    if (status != PBTS_OK) {
        pbts_torrent_builder_free(builder);
        return status;
    }
    *out = builder;
    return PBTS_OK;
}

void pbts_torrent_builder_free(pbts_torrent_builder *builder) {
    if (builder == NULL) return;
    pbts_mem *mem = builder->mem;
    pbts_file_list_deinit(&builder->files);
    pbts_release(mem, builder->texts);
    pbts_release(mem, builder->hashes_v1.bytes);
    pbts_release(mem, builder->hashes_v2.bytes);
    pbts_release(mem, builder->out);
    pbts_release(mem, builder);
}

static pbts_status append_hash(pbts_torrent_builder *builder, pbts_hash_run *run,
                               const uint8_t *hash, size_t len) {
    void *bytes = run->bytes;
    PBTS_TRY(pbts_torrent_grow(builder->mem, &bytes, &run->capacity, run->len + len, 1));
    run->bytes = bytes;
    memcpy(run->bytes + run->len, hash, len);
    run->len += len;
    return PBTS_OK;
}

static pbts_status close_piece_v1(pbts_torrent_builder *builder) {
    uint8_t hash[PBTS_SHA1_LEN];
    pbts_sha1_final(&builder->piece_v1, hash);
    pbts_sha1_init(&builder->piece_v1);
    builder->piece_v1_len = 0;
    return append_hash(builder, &builder->hashes_v1, hash, sizeof hash);
}

static pbts_status feed_v1(pbts_torrent_builder *builder, pbts_span bytes) {
    while (bytes.len > 0) {
        size_t room = builder->options.piece_length - builder->piece_v1_len;
        pbts_span part = { bytes.data, bytes.len < room ? bytes.len : room };
        pbts_sha1_update(&builder->piece_v1, part);
        builder->piece_v1_len += (uint32_t)part.len;
        bytes = (pbts_span){ bytes.data + part.len, bytes.len - part.len };
        if (part.len == room) PBTS_TRY(close_piece_v1(builder));
    }
    return PBTS_OK;
}

static pbts_file_record *open_file(pbts_torrent_builder *builder) {
    return &builder->files.files[builder->files.count - 1];
}

/* A piece's tree has the height of a whole piece, except where the file is one piece: there it is
 * the file's tree and only as high as its blocks need. */
static pbts_status close_piece_v2(pbts_torrent_builder *builder) {
    uint8_t root[PBTS_SHA256_LEN];
    bool whole_file = open_file(builder)->length_bytes <= builder->options.piece_length;
    uint64_t blocks = whole_file ? builder->piece_tree.leaf_count
                                 : builder->options.piece_length / PBTS_BLOCK_LEN;
    pbts_merkle_root(root, &builder->piece_tree, pbts_merkle_height(blocks), 0);
    pbts_merkle_init(&builder->piece_tree);
    pbts_merkle_add(&builder->file_tree, root);
    return append_hash(builder, &builder->hashes_v2, root, sizeof root);
}

static pbts_status close_block(pbts_torrent_builder *builder) {
    uint8_t hash[PBTS_SHA256_LEN];
    pbts_sha256_final(&builder->block, hash);
    pbts_sha256_init(&builder->block);
    builder->block_len = 0;
    pbts_merkle_add(&builder->piece_tree, hash);
    uint64_t blocks = builder->options.piece_length / PBTS_BLOCK_LEN;
    return builder->piece_tree.leaf_count == blocks ? close_piece_v2(builder) : PBTS_OK;
}

static pbts_status feed_v2(pbts_torrent_builder *builder, pbts_span bytes) {
    while (bytes.len > 0) {
        size_t room = PBTS_BLOCK_LEN - builder->block_len;
        pbts_span part = { bytes.data, bytes.len < room ? bytes.len : room };
        pbts_sha256_update(&builder->block, part);
        builder->block_len += (uint32_t)part.len;
        bytes = (pbts_span){ bytes.data + part.len, bytes.len - part.len };
        if (part.len == room) PBTS_TRY(close_block(builder));
    }
    return PBTS_OK;
}

static pbts_status close_file_v2(pbts_torrent_builder *builder) {
    if (builder->block_len > 0) PBTS_TRY(close_block(builder));
    if (builder->piece_tree.leaf_count > 0) PBTS_TRY(close_piece_v2(builder));
    unsigned piece_height = pbts_merkle_height(builder->options.piece_length / PBTS_BLOCK_LEN);
    pbts_merkle_root(open_file(builder)->root, &builder->file_tree,
                     pbts_merkle_height(builder->file_tree.leaf_count), piece_height);
    return PBTS_OK;
}

/* Where pieces never span files: fill the piece that the last file left open. The padding comes
 * directly before the next file with content, so there is none at the end. */
static pbts_status pad(pbts_torrent_builder *builder) {
    static const uint8_t ZEROS[4096];
    uint32_t length = builder->options.piece_length;
    uint64_t padding = (length - builder->stream_bytes % length) % length;
    builder->stream_bytes += padding;
    while (builder->makes_v1 && padding > 0) {
        size_t part = padding < sizeof ZEROS ? (size_t)padding : sizeof ZEROS;
        PBTS_TRY(feed_v1(builder, (pbts_span){ ZEROS, part }));
        padding -= part;
    }
    return PBTS_OK;
}

static size_t count_parts(pbts_span path) {
    size_t count = 1;
    for (size_t i = 0; i < path.len; i++) count += path.data[i] == '/';
    return count;
}

static pbts_status check_begin(const pbts_torrent_builder *builder, pbts_span path,
                               uint64_t length_bytes) {
    bool open = !builder->failed && builder->missing == 0 && builder->out == NULL;
    if (!open || !pbts_path_ok(path)) return PBTS_MALFORMED;
    if (builder->makes_v2 && count_parts(path) > PBTS_TREE_PATH_PARTS_MAX) return PBTS_LIMIT;
    if (length_bytes > PBTS_TORRENT_BYTES_MAX - builder->total_bytes) return PBTS_LIMIT;
    if (builder->options.single_file) {
        bool first_and_named =
            builder->files.count == 0 && pbts_span_equal(path, builder->options.name);
        return first_and_named ? PBTS_OK : PBTS_MALFORMED;
    }
    if (builder->files.count == 0) return PBTS_OK;
    pbts_span last = pbts_file_list_path(&builder->files, builder->files.count - 1);
    bool follows = pbts_torrent_path_compare(last, path) < 0 && !pbts_path_is_under(path, last);
    return follows ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status begin_file(pbts_torrent_builder *builder, pbts_span path,
                              uint64_t length_bytes) {
    PBTS_TRY(check_begin(builder, path, length_bytes));
    if (builder->makes_v2 && length_bytes > 0) PBTS_TRY(pad(builder));
    uint64_t end = builder->stream_bytes + length_bytes;
    if (end > (uint64_t)PBTS_PIECES_MAX * builder->options.piece_length) return PBTS_LIMIT;
    pbts_file_record file = { .length_bytes = length_bytes, .offset_bytes = builder->stream_bytes };
    PBTS_TRY(pbts_file_list_add(&builder->files, &file, path));
    builder->missing = length_bytes;
    builder->total_bytes += length_bytes;
    builder->stream_bytes = end;
    pbts_sha256_init(&builder->block);
    pbts_merkle_init(&builder->piece_tree);
    pbts_merkle_init(&builder->file_tree);
    return PBTS_OK;
}

pbts_status pbts_torrent_builder_begin_file(pbts_torrent_builder *builder, pbts_span path,
                                            uint64_t length_bytes) {
    pbts_status status = begin_file(builder, path, length_bytes);
    if (status != PBTS_OK) builder->failed = true;
    return status;
}

static pbts_status add(pbts_torrent_builder *builder, pbts_span bytes) {
    if (builder->failed || bytes.len > builder->missing) return PBTS_MALFORMED;
    if (bytes.len == 0) return PBTS_OK;
    builder->missing -= bytes.len;
    if (builder->makes_v1) PBTS_TRY(feed_v1(builder, bytes));
    if (builder->makes_v2) PBTS_TRY(feed_v2(builder, bytes));
    return builder->makes_v2 && builder->missing == 0 ? close_file_v2(builder) : PBTS_OK;
}

pbts_status pbts_torrent_builder_add(pbts_torrent_builder *builder, pbts_span bytes) {
    pbts_status status = add(builder, bytes);
    if (status != PBTS_OK) builder->failed = true;
    return status;
}

static int compare_root(const void *a, const void *b) {
    const pbts_file_record *left = *(const pbts_file_record *const *)a;
    const pbts_file_record *right = *(const pbts_file_record *const *)b;
    return memcmp(left->root, right->root, sizeof left->root);
}

/* Sort the files of several pieces by root and leave out those with the same content. */
static size_t sort_by_root(const pbts_torrent_builder *builder, const pbts_file_record **out) {
    size_t count = 0, kept = 0;
    if (!builder->makes_v2) return 0;
    for (uint32_t i = 0; i < builder->files.count; i++) {
        const pbts_file_record *file = &builder->files.files[i];
        if (file->length_bytes > builder->options.piece_length) out[count++] = file;
    }
    qsort(out, count, sizeof(const pbts_file_record *), compare_root);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_root(&out[kept - 1], &out[i]) != 0) out[kept++] = out[i];
    }
    return kept;
}

/* Encode into ever larger buffers until it fits. */
static pbts_status encode(pbts_torrent_builder *builder) {
    const pbts_file_record **by_root =
        pbts_alloc_array(builder->mem, builder->files.count, sizeof *by_root);
    if (by_root == NULL) return PBTS_NO_MEMORY;
    size_t count = sort_by_root(builder, by_root);
    pbts_status status = PBTS_NO_SPACE;
    for (size_t size = 16 * 1024; status == PBTS_NO_SPACE; size *= 2) {
        size_t capacity = size < PBTS_METAINFO_LEN_MAX ? size : PBTS_METAINFO_LEN_MAX;
        pbts_release(builder->mem, builder->out);
        builder->out = pbts_alloc(builder->mem, capacity);
        status = PBTS_NO_MEMORY;
        if (builder->out == NULL) break;
        pbts_writer writer = pbts_writer_over(builder->out, capacity);
        pbts_torrent_builder_encode(&writer, builder, by_root, count);
        status = pbts_writer_status(&writer);
        builder->out_len = writer.len;
        if (status != PBTS_OK && capacity == PBTS_METAINFO_LEN_MAX) status = PBTS_LIMIT;
    }
    pbts_release(builder->mem, by_root);
    return status;
}

static pbts_status complete(pbts_torrent_builder *builder) {
    if (builder->failed || builder->missing > 0 || builder->total_bytes == 0) return PBTS_MALFORMED;
    if (builder->piece_v1_len > 0) PBTS_TRY(close_piece_v1(builder));
    return encode(builder);
}

pbts_status pbts_torrent_builder_finish(pbts_torrent_builder *builder, pbts_span *out) {
    bool finished = !builder->failed && builder->out != NULL;
    pbts_status status = finished ? PBTS_OK : complete(builder);
    if (status != PBTS_OK) {
        builder->failed = true;
        return status;
    }
    *out = (pbts_span){ builder->out, builder->out_len };
    return PBTS_OK;
}
