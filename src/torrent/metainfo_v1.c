/* The v1 half of a metainfo: a stream of files (BEP 3) with pad files in it (BEP 47). */
#include "torrent/metainfo_parts.h"

typedef struct {
    pbts_file_list files;
    uint64_t stream_bytes; /* padding counted */
} v1_view;

static pbts_status add_file(pbts_metainfo_parser *parser, v1_view *view, pbts_file_record *file,
                            pbts_span path) {
    if (file->length_bytes > PBTS_TORRENT_BYTES_MAX - view->stream_bytes) {
        return pbts_metainfo_fail(parser, PBTS_LIMIT, "the content is too long");
    }
    file->offset_bytes = view->stream_bytes;
    view->stream_bytes += file->length_bytes;
    pbts_status status = pbts_file_list_add(&view->files, file, path);
    if (status == PBTS_OK) return PBTS_OK;
    return pbts_metainfo_fail(parser, status, "too many files or too long paths");
}

/* Join the parts of a `path` list with "/". */
static pbts_status join_path(pbts_metainfo_parser *parser, pbts_writer *joined,
                             const pbts_bvalue *parts) {
    pbts_biter iter = pbts_bvalue_items(parts);
    pbts_bvalue part;
    while (pbts_biter_next(&iter, &part)) {
        if (part.type != PBTS_BSTRING || !pbts_path_part_ok(part.string)) {
            return pbts_metainfo_fail(parser, PBTS_MALFORMED, "a path that could leave its folder");
        }
        if (joined->len > 0) pbts_write_u8(joined, '/');
        pbts_write_bytes(joined, part.string);
    }
    if (joined->failed) return pbts_metainfo_fail(parser, PBTS_LIMIT, "a path is too long");
    if (joined->len == 0) return pbts_metainfo_fail(parser, PBTS_MALFORMED, "a file has no path");
    return PBTS_OK;
}

/* BEP 47: `attr` is a set of letters; p is padding, l a symbolic link. */
static pbts_status read_attributes(pbts_metainfo_parser *parser, const pbts_bvalue *entry,
                                   pbts_file_record *file) {
    pbts_span letters;
    if (!pbts_bdict_find_string(entry, "attr", &letters) || letters.len == 0) return PBTS_OK;
    if (memchr(letters.data, 'l', letters.len) != NULL) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "symbolic links are not taken");
    }
    file->padding = memchr(letters.data, 'p', letters.len) != NULL;
    return PBTS_OK;
}

static pbts_status read_entry(pbts_metainfo_parser *parser, v1_view *view,
                              const pbts_bvalue *entry) {
    uint8_t path[PBTS_TORRENT_PATH_MAX];
    pbts_writer joined = pbts_writer_over(path, sizeof path);
    pbts_file_record file = { 0 };
    pbts_bvalue parts;
    PBTS_TRY(read_attributes(parser, entry, &file));
    if (!pbts_bdict_find_uint(entry, "length", &file.length_bytes) ||
        !pbts_bdict_find_typed(entry, "path", PBTS_BLIST, &parts)) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "a file without length or path");
    }
    PBTS_TRY(join_path(parser, &joined, &parts));
    return add_file(parser, view, &file, pbts_writer_span(&joined));
}

static pbts_status read_files(pbts_metainfo_parser *parser, v1_view *view,
                              const pbts_bvalue *files) {
    pbts_biter iter = pbts_bvalue_items(files);
    pbts_bvalue entry;
    while (pbts_biter_next(&iter, &entry)) PBTS_TRY(read_entry(parser, view, &entry));
    pbts_status status = pbts_file_list_check_unique(&view->files);
    if (status == PBTS_OK) return PBTS_OK;
    return pbts_metainfo_fail(parser, status, "two files have one path");
}

/* `length` (one file called `name`) or `files`; never both. */
static pbts_status read_content(pbts_metainfo_parser *parser, v1_view *view, bool *single) {
    pbts_bvalue files;
    pbts_file_record file = { 0 };
    bool has_files = pbts_bdict_find_typed(&parser->info, "files", PBTS_BLIST, &files);
    *single = pbts_bdict_find_uint(&parser->info, "length", &file.length_bytes);
    if (has_files == *single) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "not one of length and files");
    }
    if (has_files) return read_files(parser, view, &files);
    return add_file(parser, view, &file, parser->meta->name);
}

/* Whether entry `v1` of the stream is file `v2` of the tree, at the same place. */
static bool same_file(const pbts_file_list *stream, uint32_t v1, const pbts_file_list *tree,
                      uint32_t v2) {
    const pbts_file_record *a = &stream->files[v1], *b = &tree->files[v2];
    /* An empty file is in no piece; where it stands in the stream says nothing. */
    bool same_place = a->length_bytes == 0 || a->offset_bytes == b->offset_bytes;
    return same_place && a->length_bytes == b->length_bytes &&
           pbts_span_equal(pbts_file_list_path(stream, v1), pbts_file_list_path(tree, v2));
}

/* BEP 52, "upgrade path": both halves of a hybrid describe the same files in the same order. */
static pbts_status check_hybrid(pbts_metainfo_parser *parser, const v1_view *view) {
    const pbts_file_list *tree = &parser->meta->files;
    uint32_t at = 0;
    bool same = true;
    for (uint32_t i = 0; i < view->files.count && same; i++) {
        if (view->files.files[i].padding) continue;
        same = at < tree->count && same_file(&view->files, i, tree, at);
        at++;
    }
    if (same && at == tree->count) return PBTS_OK;
    return pbts_metainfo_fail(parser, PBTS_MALFORMED, "the v1 and v2 files differ");
}

static pbts_status read_pieces(pbts_metainfo_parser *parser, const v1_view *view) {
    pbts_metainfo *meta = parser->meta;
    uint64_t length = meta->piece_length;
    uint64_t count = view->stream_bytes / length + (view->stream_bytes % length != 0);
    if (count > PBTS_PIECES_MAX) return pbts_metainfo_fail(parser, PBTS_LIMIT, "too many pieces");
    if (count == 0) return pbts_metainfo_fail(parser, PBTS_MALFORMED, "no content");
    if (!pbts_bdict_find_string(&parser->info, "pieces", &meta->hashes_v1) ||
        meta->hashes_v1.len != count * PBTS_SHA1_LEN) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "pieces do not fit the files' length");
    }
    if (meta->has_v2 && count != meta->piece_count) {
        return pbts_metainfo_fail(parser, PBTS_MALFORMED, "v1 and v2 count pieces differently");
    }
    meta->piece_count = (uint32_t)count;
    return PBTS_OK;
}

static pbts_status read_view(pbts_metainfo_parser *parser, v1_view *view) {
    pbts_metainfo *meta = parser->meta;
    bool single;
    PBTS_TRY(read_content(parser, view, &single));
    if (meta->has_v2) PBTS_TRY(check_hybrid(parser, view));
    /* Where a tree leaves open whether its one file is in a folder of the same name, v1 says it. */
    meta->single_file = single;
    return read_pieces(parser, view);
}

pbts_status pbts_metainfo_read_v1(pbts_metainfo_parser *parser) {
    pbts_metainfo *meta = parser->meta;
    v1_view view = { .files = pbts_file_list_empty(meta->mem) };
    pbts_status status = read_view(parser, &view);
    if (status == PBTS_OK && !meta->has_v2) {
        meta->files = view.files;
        return PBTS_OK;
    }
    pbts_file_list_deinit(&view.files);
    return status;
}
