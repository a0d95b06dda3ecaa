#include "peer/resume.h"

#include "base/assert.h"
#include "codec/bencode.h"
#include "hash/sha.h"
#include "torrent/piece_set.h"

static const char MAGIC[] = "pbts-resume1\n";
enum {
    MAGIC_LEN = sizeof MAGIC - 1,
    HEAD_LEN = MAGIC_LEN + PBTS_SHA256_LEN,
    KEY_COUNT = 6,
};

/* ---- decoding ---- */

static pbts_status check_head(pbts_span *body, pbts_span bytes) {
    uint8_t hash[PBTS_SHA256_LEN];
    if (bytes.len > PBTS_RESUME_LEN_MAX) return PBTS_LIMIT;
    if (bytes.len < HEAD_LEN || memcmp(bytes.data, MAGIC, MAGIC_LEN) != 0) return PBTS_MALFORMED;
    *body = (pbts_span){ bytes.data + HEAD_LEN, bytes.len - HEAD_LEN };
    pbts_sha256(hash, *body);
    if (memcmp(hash, bytes.data + MAGIC_LEN, sizeof hash) != 0) return PBTS_MALFORMED;
    return PBTS_OK;
}

static bool has_other_keys(const pbts_bvalue *dict) {
    pbts_biter pairs = pbts_bvalue_items(dict);
    pbts_span key;
    pbts_bvalue value;
    size_t count = 0;
    while (pbts_biter_next_pair(&pairs, &key, &value)) count++;
    return count != KEY_COUNT;
}

static bool read_fields(pbts_resume *out, const pbts_bvalue *dict) {
    pbts_span infohash;
    uint64_t piece_count;
    if (!pbts_bdict_find_string(dict, "b", &out->bitmap)) return false;
    if (!pbts_bdict_find_uint(dict, "d", &out->downloaded_bytes)) return false;
    if (!pbts_bdict_find_string(dict, "f", &out->files)) return false;
    if (!pbts_bdict_find_string(dict, "h", &infohash)) return false;
    if (!pbts_bdict_find_uint(dict, "n", &piece_count)) return false;
    if (!pbts_bdict_find_uint(dict, "u", &out->uploaded_bytes)) return false;
    if (infohash.len != PBTS_INFOHASH_LEN || piece_count > PBTS_PIECES_MAX) return false;
    memcpy(out->infohash, infohash.data, PBTS_INFOHASH_LEN);
    out->piece_count = (uint32_t)piece_count;
    return true;
}

pbts_status pbts_resume_decode(pbts_resume *out, pbts_span bytes) {
    pbts_resume resume;
    pbts_bvalue dict;
    pbts_span body;
    PBTS_TRY(check_head(&body, bytes));
    if (pbts_bencode_parse(&dict, body) != PBTS_OK) return PBTS_MALFORMED;
    if (!read_fields(&resume, &dict) || has_other_keys(&dict)) return PBTS_MALFORMED;
    PBTS_TRY(pbts_piece_set_check(resume.bitmap, resume.piece_count));
    if (resume.files.len % PBTS_RESUME_FILE_LEN != 0) return PBTS_MALFORMED;
    *out = resume;
    return PBTS_OK;
}

/* ---- encoding ---- */

static void write_body(pbts_writer *writer, const pbts_resume *resume) {
    pbts_write_text(writer, "d1:b");
    pbts_bencode_string(writer, resume->bitmap);
    pbts_write_text(writer, "1:d");
    pbts_bencode_uint(writer, resume->downloaded_bytes);
    pbts_write_text(writer, "1:f");
    pbts_bencode_string(writer, resume->files);
    pbts_write_text(writer, "1:h");
    pbts_bencode_string(writer, PBTS_SPAN_OF(resume->infohash));
    pbts_write_text(writer, "1:n");
    pbts_bencode_uint(writer, resume->piece_count);
    pbts_write_text(writer, "1:u");
    pbts_bencode_uint(writer, resume->uploaded_bytes);
    pbts_write_text(writer, "e");
}

void pbts_resume_encode(pbts_writer *writer, const pbts_resume *resume) {
    pbts_write_text(writer, MAGIC);
    uint8_t *hash = pbts_write_reserve(writer, PBTS_SHA256_LEN);
    size_t start = writer->len;
    write_body(writer, resume);
    if (writer->failed) return;
    pbts_sha256(hash, (pbts_span){ writer->data + start, writer->len - start });
}

/* ---- files ---- */

uint32_t pbts_resume_file_count(const pbts_resume *resume) {
    return (uint32_t)(resume->files.len / PBTS_RESUME_FILE_LEN);
}

pbts_resume_file pbts_resume_file_at(const pbts_resume *resume, uint32_t index) {
    pbts_resume_file file;
    assert(index < pbts_resume_file_count(resume));
    pbts_cursor cursor = pbts_cursor_over((pbts_span){
        resume->files.data + (size_t)index * PBTS_RESUME_FILE_LEN, PBTS_RESUME_FILE_LEN });
    bool read = pbts_read_u64(&cursor, &file.length_bytes) == PBTS_OK &&
                pbts_read_u64(&cursor, &file.changed_ns) == PBTS_OK;
    assert(read);
    return file;
}

void pbts_resume_file_put(uint8_t *files, uint32_t index, const pbts_resume_file *file) {
    pbts_writer writer =
        pbts_writer_over(files + (size_t)index * PBTS_RESUME_FILE_LEN, PBTS_RESUME_FILE_LEN);
    pbts_write_u64(&writer, file->length_bytes);
    pbts_write_u64(&writer, file->changed_ns);
}

void pbts_resume_distrust(uint8_t *bitmap, const pbts_metainfo *meta, uint32_t index) {
    pbts_torrent_file file = pbts_metainfo_file(meta, index);
    if (file.length_bytes == 0 || file.padding) return;
    uint32_t piece_length = pbts_metainfo_piece_length(meta);
    uint64_t first = file.offset_bytes / piece_length;
    uint64_t last = (file.offset_bytes + file.length_bytes - 1) / piece_length;
    for (uint64_t piece = first; piece <= last; piece++) {
        bitmap[piece / 8] &= (uint8_t) ~(0x80u >> piece % 8);
    }
}
