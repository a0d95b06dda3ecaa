/* Source: BEP 3 (metainfo), BEP 27 (private), BEP 47 (padding), BEP 52 (v2 and hybrid). */
#include "torrent/metainfo.h"

#include "base/assert.h"
#include "base/writer.h"
#include "torrent/metainfo_parts.h"

pbts_status pbts_metainfo_fail(pbts_metainfo_parser *parser, pbts_status status,
                               const char *problem) {
    parser->problem = problem;
    return status;
}

static pbts_status read_form(pbts_metainfo_parser *parser) {
    pbts_status status = pbts_bencode_parse(&parser->root, parser->meta->bytes);
    if (status == PBTS_NEED_MORE) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "the file is cut short");
    }
    if (status != PBTS_OK) return pbts_metainfo_fail(parser, status, "not well-formed bencode");
    if (!pbts_bdict_find_typed(&parser->root, "info", PBTS_BDICT, &parser->info)) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "no info dictionary");
    }
    parser->meta->info = parser->info.raw;
    return PBTS_OK;
}

/* Which versions the info dictionary holds. */
static pbts_status read_versions(pbts_metainfo_parser *parser) {
    pbts_bvalue value;
    uint64_t version = 1;
    if (pbts_bdict_find(&parser->info, "meta version", &value) &&
        !pbts_bdict_find_uint(&parser->info, "meta version", &version)) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "meta version is no number");
    }
    if (version != 1 && version != 2) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "unknown meta version");
    }
    bool has_tree = pbts_bdict_find(&parser->info, "file tree", &value);
    if (has_tree != (version == 2)) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED,
                                  "file tree and meta version 2 go together");
    }
    parser->meta->has_v2 = has_tree;
    parser->meta->has_v1 = !has_tree || pbts_bdict_find(&parser->info, "pieces", &value) ||
                           pbts_bdict_find(&parser->info, "files", &value) ||
                           pbts_bdict_find(&parser->info, "length", &value);
    return PBTS_OK;
}

static pbts_status read_piece_length(pbts_metainfo_parser *parser) {
    uint64_t length;
    if (!pbts_bdict_find_uint(&parser->info, "piece length", &length)) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "no piece length");
    }
    if (length < PBTS_PIECE_LENGTH_MIN || length > PBTS_PIECE_LENGTH_MAX) {
        return pbts_metainfo_fail(parser, PBTS_LIMIT, "piece length out of range");
    }
    if (parser->meta->has_v2 && (length & (length - 1)) != 0) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "piece length is no power of two");
    }
    parser->meta->piece_length = (uint32_t)length;
    return PBTS_OK;
}

static pbts_status read_common(pbts_metainfo_parser *parser) {
    pbts_metainfo *meta = parser->meta;
    PBTS_TRY(read_piece_length(parser));
    if (!pbts_bdict_find_string(&parser->info, "name", &meta->name) ||
        !pbts_path_part_ok(meta->name)) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "no name that can be a file's");
    }
    if (meta->name.len > PBTS_TORRENT_PATH_MAX) {
        return pbts_metainfo_fail(parser, PBTS_LIMIT, "the name is too long");
    }
    if (!pbts_bdict_find_string(&parser->info, "source", &meta->source)) {
        meta->source = (pbts_span){ NULL, 0 };
    }
    uint64_t is_private;
    meta->is_private =
        pbts_bdict_find_uint(&parser->info, "private", &is_private) && is_private == 1;
    return PBTS_OK;
}

/* Spread one file's bytes over the pieces it lies in. */
static void share_out(pbts_metainfo *meta, const pbts_file_record *file) {
    uint64_t at = file->offset_bytes, end = at + file->length_bytes;
    while (at < end) {
        uint64_t piece = at / meta->piece_length;
        uint64_t piece_end = (piece + 1) * meta->piece_length;
        uint64_t stop = piece_end < end ? piece_end : end;
        assert(piece < meta->piece_count);
        meta->piece_bytes[piece] += (uint32_t)(stop - at);
        at = stop;
    }
    meta->total_bytes += file->length_bytes;
}

static pbts_status measure_pieces(pbts_metainfo_parser *parser) {
    pbts_metainfo *meta = parser->meta;
    meta->piece_bytes = pbts_alloc_array(meta->mem, meta->piece_count, sizeof *meta->piece_bytes);
    if (meta->piece_bytes == NULL) return PBTS_NO_MEMORY;
    for (uint32_t i = 0; i < meta->files.count; i++) {
        if (!meta->files.files[i].padding) share_out(meta, &meta->files.files[i]);
    }
    for (uint32_t i = 0; i < meta->piece_count; i++) {
        if (meta->piece_bytes[i] > 0) continue;
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "a piece of padding only");
    }
    return PBTS_OK;
}

static pbts_status read_all(pbts_metainfo_parser *parser) {
    pbts_metainfo *meta = parser->meta;
    PBTS_TRY(read_form(parser));
    PBTS_TRY(read_versions(parser));
    PBTS_TRY(read_common(parser));
    if (meta->has_v2) PBTS_TRY(pbts_metainfo_read_v2(parser));
    if (meta->has_v1) PBTS_TRY(pbts_metainfo_read_v1(parser));
    PBTS_TRY(measure_pieces(parser));
    pbts_sha1(meta->infohash_v1, meta->info);
    pbts_sha256(meta->infohash_v2, meta->info);
    return PBTS_OK;
}

static pbts_status new_with_copy(pbts_metainfo **out, pbts_mem *mem, pbts_span bytes) {
    pbts_metainfo *meta = pbts_alloc(mem, sizeof *meta);
    uint8_t *copy = pbts_alloc(mem, bytes.len);
    if (meta == NULL || copy == NULL) {
        pbts_release(mem, meta);
        pbts_release(mem, copy);
        return PBTS_NO_MEMORY;
    }
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    meta->mem = mem;
    meta->bytes = (pbts_span){ copy, bytes.len };
    meta->files = pbts_file_list_empty(mem);
    *out = meta;
    return PBTS_OK;
}

pbts_status pbts_metainfo_parse(pbts_metainfo **out, const char **problem, pbts_mem *mem,
                                pbts_span bytes) {
    pbts_metainfo_parser parser = { .problem = "out of memory" };
    pbts_status status = PBTS_LIMIT;
    if (bytes.len > PBTS_METAINFO_LEN_MAX) {
        (void)pbts_metainfo_fail(&parser, PBTS_LIMIT, "the file is too long");
    } else {
        status = new_with_copy(&parser.meta, mem, bytes);
        if (status == PBTS_OK) status = read_all(&parser);
    }
    if (status == PBTS_OK) {
        *out = parser.meta;
        return PBTS_OK;
    }
    pbts_metainfo_free(parser.meta);
    if (problem != NULL) *problem = status == PBTS_NO_MEMORY ? "out of memory" : parser.problem;
    return status;
}

static pbts_status read_as_far_as_tree(pbts_metainfo_parser *parser) {
    PBTS_TRY(read_form(parser));
    PBTS_TRY(read_versions(parser));
    if (!parser->meta->has_v2) return PBTS_NOT_FOUND;
    PBTS_TRY(read_common(parser));
    return pbts_metainfo_read_tree(parser);
}

pbts_status pbts_metainfo_parse_tree(pbts_metainfo **out, pbts_mem *mem, pbts_span info) {
    enum { FIXED_LEN = 8 };
    pbts_metainfo_parser parser = { .problem = NULL };
    if (info.len > PBTS_METAINFO_LEN_MAX - FIXED_LEN) return PBTS_LIMIT;
    uint8_t *bytes = pbts_alloc(mem, info.len + FIXED_LEN);
    if (bytes == NULL) return PBTS_NO_MEMORY;
    pbts_writer writer = pbts_writer_over(bytes, info.len + FIXED_LEN);
    pbts_write_text(&writer, "d4:info");
    pbts_write_bytes(&writer, info);
    pbts_write_text(&writer, "e");
    pbts_status status = new_with_copy(&parser.meta, mem, pbts_writer_span(&writer));
    pbts_release(mem, bytes);
    if (status != PBTS_OK) return status;
    status = read_as_far_as_tree(&parser);
    if (status != PBTS_OK) {
        pbts_metainfo_free(parser.meta);
        return status;
    }
    *out = parser.meta;
    return PBTS_OK;
}

void pbts_metainfo_free(pbts_metainfo *meta) {
    if (meta == NULL) return;
    pbts_mem *mem = meta->mem;
    pbts_file_list_deinit(&meta->files);
    pbts_release(mem, meta->piece_bytes);
    pbts_release(mem, meta->hashes_v2);
    pbts_release(mem, (uint8_t *)meta->bytes.data);
    pbts_release(mem, meta);
}

bool pbts_metainfo_has_v1(const pbts_metainfo *meta) {
    return meta->has_v1;
}

bool pbts_metainfo_has_v2(const pbts_metainfo *meta) {
    return meta->has_v2;
}

const uint8_t *pbts_metainfo_infohash_v1(const pbts_metainfo *meta) {
    assert(meta->has_v1);
    return meta->infohash_v1;
}

const uint8_t *pbts_metainfo_infohash_v2(const pbts_metainfo *meta) {
    assert(meta->has_v2);
    return meta->infohash_v2;
}

const uint8_t *pbts_metainfo_infohash_v2_full(const pbts_metainfo *meta) {
    assert(meta->has_v2);
    return meta->infohash_v2;
}

const uint8_t *pbts_metainfo_infohash(const pbts_metainfo *meta) {
    return meta->has_v1 ? meta->infohash_v1 : meta->infohash_v2;
}

pbts_span pbts_metainfo_name(const pbts_metainfo *meta) {
    return meta->name;
}

pbts_span pbts_metainfo_source(const pbts_metainfo *meta) {
    return meta->source;
}

pbts_span pbts_metainfo_info_raw(const pbts_metainfo *meta) {
    return meta->info;
}

pbts_span pbts_metainfo_bytes(const pbts_metainfo *meta) {
    return meta->bytes;
}

bool pbts_metainfo_is_private(const pbts_metainfo *meta) {
    return meta->is_private;
}

bool pbts_metainfo_is_single_file(const pbts_metainfo *meta) {
    return meta->single_file;
}

uint64_t pbts_metainfo_total_bytes(const pbts_metainfo *meta) {
    return meta->total_bytes;
}

uint32_t pbts_metainfo_piece_length(const pbts_metainfo *meta) {
    return meta->piece_length;
}

uint32_t pbts_metainfo_piece_count(const pbts_metainfo *meta) {
    return meta->piece_count;
}

uint32_t pbts_metainfo_piece_bytes(const pbts_metainfo *meta, uint32_t index) {
    assert(index < meta->piece_count);
    return meta->piece_bytes[index];
}

void pbts_metainfo_piece_hash(uint8_t out[static PBTS_PIECE_HASH_LEN], const pbts_metainfo *meta,
                              bool v2, uint32_t index) {
    assert(index < meta->piece_count && (v2 ? meta->has_v2 : meta->has_v1));
    if (v2) {
        memcpy(out, meta->hashes_v2 + (size_t)index * PBTS_SHA256_LEN, PBTS_SHA256_LEN);
        return;
    }
    memset(out, 0, PBTS_PIECE_HASH_LEN);
    memcpy(out, meta->hashes_v1.data + (size_t)index * PBTS_SHA1_LEN, PBTS_SHA1_LEN);
}

uint32_t pbts_metainfo_file_count(const pbts_metainfo *meta) {
    return meta->files.count;
}

pbts_torrent_file pbts_metainfo_file(const pbts_metainfo *meta, uint32_t index) {
    assert(index < meta->files.count);
    const pbts_file_record *file = &meta->files.files[index];
    return (pbts_torrent_file){
        .path = pbts_file_list_path(&meta->files, index),
        .length_bytes = file->length_bytes,
        .offset_bytes = file->offset_bytes,
        .padding = file->padding,
    };
}
