/* The bencoding of a built torrent. Keys stand in the order that bencode wants. */
#include "base/assert.h"
#include "codec/bencode.h"
#include "torrent/builder_parts.h"

/* Take the first part off a "/"-joined path; false when none is left. */
static bool next_part(pbts_span *path, pbts_span *part) {
    if (path->len == 0) return false;
    const uint8_t *slash = memchr(path->data, '/', path->len);
    size_t len = slash != NULL ? (size_t)(slash - path->data) : path->len;
    size_t used = slash != NULL ? len + 1 : len;
    *part = (pbts_span){ path->data, len };
    *path = (pbts_span){ path->data + used, path->len - used };
    return true;
}

static void encode_uint(pbts_writer *writer, const char *key, uint64_t value) {
    pbts_bencode_text(writer, key);
    pbts_bencode_uint(writer, value);
}

static void encode_string(pbts_writer *writer, const char *key, pbts_span value) {
    pbts_bencode_text(writer, key);
    pbts_bencode_string(writer, value);
}

static size_t folder_count(pbts_span path) {
    size_t count = 0;
    for (size_t i = 0; i < path.len; i++) count += path.data[i] == '/';
    return count;
}

/* How many parts two paths share from the top; both are left behind those. They are folders: no
 * two files have one path, and no file is another's folder. */
static size_t skip_common_folders(pbts_span *a, pbts_span *b) {
    size_t common = 0;
    for (;; common++) {
        pbts_span rest_a = *a, rest_b = *b, part_a, part_b;
        if (!next_part(&rest_a, &part_a) || !next_part(&rest_b, &part_b)) break;
        if (!pbts_span_equal(part_a, part_b)) break;
        *a = rest_a;
        *b = rest_b;
    }
    return common;
}

static void encode_leaf(pbts_writer *writer, const pbts_file_record *file) {
    pbts_write_text(writer, "d0:d");
    encode_uint(writer, "length", file->length_bytes);
    if (file->length_bytes > 0) encode_string(writer, "pieces root", PBTS_SPAN_OF(file->root));
    pbts_write_text(writer, "ee");
}

/* The files come in the tree's order: close the folders left, open those entered. */
static void encode_tree(pbts_writer *writer, const pbts_file_list *files) {
    pbts_span last = { 0 }, part;
    size_t open = 0;
    pbts_write_u8(writer, 'd');
    for (uint32_t i = 0; i < files->count && !writer->failed; i++) {
        pbts_span path = pbts_file_list_path(files, i), rest = path;
        size_t common = skip_common_folders(&last, &rest);
        for (; open > common; open--) pbts_write_u8(writer, 'e');
        while (next_part(&rest, &part)) {
            pbts_bencode_string(writer, part);
            if (rest.len > 0) pbts_write_u8(writer, 'd');
        }
        encode_leaf(writer, &files->files[i]);
        open = folder_count(path);
        last = path;
    }
    for (; open > 0; open--) pbts_write_u8(writer, 'e');
    pbts_write_u8(writer, 'e');
}

static void encode_pad_file(pbts_writer *writer, uint64_t length) {
    uint8_t digits[20];
    pbts_writer name = pbts_writer_over(digits, sizeof digits);
    pbts_write_decimal(&name, length);
    pbts_write_text(writer, "d4:attr1:p");
    encode_uint(writer, "length", length);
    pbts_write_text(writer, "4:pathl4:.pad");
    pbts_bencode_string(writer, pbts_writer_span(&name));
    pbts_write_text(writer, "ee");
}

static void encode_files(pbts_writer *writer, const pbts_file_list *files) {
    uint64_t end = 0;
    pbts_write_text(writer, "5:filesl");
    for (uint32_t i = 0; i < files->count && !writer->failed; i++) {
        const pbts_file_record *file = &files->files[i];
        pbts_span path = pbts_file_list_path(files, i), part;
        if (file->offset_bytes > end) encode_pad_file(writer, file->offset_bytes - end);
        end = file->offset_bytes + file->length_bytes;
        pbts_write_u8(writer, 'd');
        encode_uint(writer, "length", file->length_bytes);
        pbts_write_text(writer, "4:pathl");
        while (next_part(&path, &part)) pbts_bencode_string(writer, part);
        pbts_write_text(writer, "ee");
    }
    pbts_write_u8(writer, 'e');
}

static pbts_span run_span(const pbts_hash_run *run) {
    return (pbts_span){ run->bytes, run->len };
}

static void encode_info(pbts_writer *writer, const pbts_torrent_builder *builder) {
    pbts_write_text(writer, "4:infod");
    if (builder->makes_v2) {
        pbts_bencode_text(writer, "file tree");
        encode_tree(writer, &builder->files);
    }
    bool single = builder->options.single_file;
    if (builder->makes_v1 && !single) encode_files(writer, &builder->files);
    if (builder->makes_v1 && single) encode_uint(writer, "length", builder->total_bytes);
    if (builder->makes_v2) encode_uint(writer, "meta version", 2);
    encode_string(writer, "name", builder->options.name);
    encode_uint(writer, "piece length", builder->options.piece_length);
    if (builder->makes_v1) encode_string(writer, "pieces", run_span(&builder->hashes_v1));
    encode_uint(writer, "private", 1);
    if (builder->options.source.len > 0) encode_string(writer, "source", builder->options.source);
    pbts_write_u8(writer, 'e');
}

static void encode_layers(pbts_writer *writer, const pbts_torrent_builder *builder,
                          const pbts_file_record *const *by_root, size_t by_root_count) {
    uint64_t length = builder->options.piece_length;
    pbts_write_text(writer, "12:piece layersd");
    for (size_t i = 0; i < by_root_count; i++) {
        const pbts_file_record *file = by_root[i];
        size_t first = (size_t)(file->offset_bytes / length);
        size_t count = (size_t)((file->length_bytes + length - 1) / length);
        pbts_span hashes = { builder->hashes_v2.bytes + first * PBTS_SHA256_LEN,
                             count * PBTS_SHA256_LEN };
        pbts_bencode_string(writer, PBTS_SPAN_OF(file->root));
        pbts_bencode_string(writer, hashes);
    }
    pbts_write_u8(writer, 'e');
}

void pbts_torrent_builder_encode(pbts_writer *writer, const pbts_torrent_builder *builder,
                                 const pbts_file_record *const *by_root, size_t by_root_count) {
    const pbts_torrent_options *options = &builder->options;
    pbts_write_u8(writer, 'd');
    if (options->announce.len > 0) encode_string(writer, "announce", options->announce);
    if (options->comment.len > 0) encode_string(writer, "comment", options->comment);
    encode_string(writer, "created by", pbts_span_text("pbts " PBTS_VERSION));
    if (options->created_at > 0) encode_uint(writer, "creation date", options->created_at);
    encode_info(writer, builder);
    if (options->fallback.len > 0) {
        pbts_bencode_text(writer, "pbts");
        pbts_write_bytes(writer, options->fallback);
    }
    if (builder->makes_v2) encode_layers(writer, builder, by_root, by_root_count);
    pbts_write_u8(writer, 'e');
}
