#include "base/assert.h"
#include "tracker/rows.h"

enum { PIECES_HEAD_LEN = 1 + 4 + 4 + 4, SHA1_LEN = 20 };

static pbts_status pieces_decode(pbts_pieces *out, pbts_span value) {
    pbts_cursor in = pbts_cursor_over(value);
    pbts_pieces pieces = { 0 };
    uint8_t versions;
    PBTS_TRY(pbts_read_u8(&in, &versions));
    PBTS_TRY(pbts_read_u32(&in, &pieces.piece_length));
    PBTS_TRY(pbts_read_u32(&in, &pieces.piece_count));
    PBTS_TRY(pbts_read_u32(&in, &pieces.irregular_count));
    pieces.has_v1 = (versions & 1) != 0;
    pieces.has_v2 = (versions & 2) != 0;
    size_t count = pieces.piece_count;
    PBTS_TRY(pbts_read_span(&in, &pieces.irregular, (size_t)pieces.irregular_count * 8));
    PBTS_TRY(pbts_read_span(&in, &pieces.hashes_v1, pieces.has_v1 ? count * SHA1_LEN : 0));
    PBTS_TRY(
        pbts_read_span(&in, &pieces.hashes_v2, pieces.has_v2 ? count * PBTS_PIECE_HASH_LEN : 0));
    if (pbts_cursor_left(&in) != 0) return PBTS_CORRUPT;
    *out = pieces;
    return PBTS_OK;
}

pbts_status pbts_pieces_get(pbts_txn *txn, pbts_pieces *out, uint32_t torrent_no) {
    uint8_t key[4];
    pbts_span value;
    pbts_key_u32(key, torrent_no);
    PBTS_TRY(pbts_txn_get(txn, &value, PBTS_TABLE_PIECES, PBTS_SPAN_OF(key)));
    return pieces_decode(out, value) == PBTS_OK ? PBTS_OK : PBTS_CORRUPT;
}

static void write_irregular(pbts_writer *writer, const pbts_metainfo *meta) {
    uint32_t length = pbts_metainfo_piece_length(meta);
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        uint32_t bytes = pbts_metainfo_piece_bytes(meta, i);
        if (bytes == length) continue;
        pbts_write_u32(writer, i);
        pbts_write_u32(writer, bytes);
    }
}

static void write_hashes(pbts_writer *writer, const pbts_metainfo *meta, bool v2) {
    uint8_t hash[PBTS_PIECE_HASH_LEN];
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        pbts_metainfo_piece_hash(hash, meta, v2, i);
        pbts_write_bytes(writer, (pbts_span){ hash, v2 ? sizeof hash : SHA1_LEN });
    }
}

static uint32_t irregular_count(const pbts_metainfo *meta) {
    uint32_t count = 0, length = pbts_metainfo_piece_length(meta);
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        if (pbts_metainfo_piece_bytes(meta, i) != length) count++;
    }
    return count;
}

pbts_status pbts_pieces_put(pbts_txn *txn, pbts_mem *mem, uint32_t torrent_no,
                            const pbts_metainfo *meta) {
    bool v1 = pbts_metainfo_has_v1(meta), v2 = pbts_metainfo_has_v2(meta);
    size_t count = pbts_metainfo_piece_count(meta);
    uint32_t irregular = irregular_count(meta);
    size_t len = PIECES_HEAD_LEN + (size_t)irregular * 8 + (v1 ? count * SHA1_LEN : 0) +
                 (v2 ? count * PBTS_PIECE_HASH_LEN : 0);
    uint8_t *value = pbts_alloc(mem, len);
    if (value == NULL) return PBTS_NO_MEMORY;

    pbts_writer writer = pbts_writer_over(value, len);
    pbts_write_u8(&writer, (uint8_t)((v1 ? 1 : 0) | (v2 ? 2 : 0)));
    pbts_write_u32(&writer, pbts_metainfo_piece_length(meta));
    pbts_write_u32(&writer, (uint32_t)count);
    pbts_write_u32(&writer, irregular);
    write_irregular(&writer, meta);
    if (v1) write_hashes(&writer, meta, false);
    if (v2) write_hashes(&writer, meta, true);
    assert(!writer.failed && writer.len == len);

    uint8_t key[4];
    pbts_key_u32(key, torrent_no);
    pbts_status status =
        pbts_txn_put(txn, PBTS_TABLE_PIECES, PBTS_SPAN_OF(key), pbts_writer_span(&writer));
    pbts_release(mem, value);
    return status;
}

void pbts_pieces_hash(uint8_t out[static PBTS_PIECE_HASH_LEN], const pbts_pieces *pieces, bool v2,
                      uint32_t index) {
    assert(index < pieces->piece_count && (v2 ? pieces->has_v2 : pieces->has_v1));
    if (v2) {
        memcpy(out, pieces->hashes_v2.data + (size_t)index * PBTS_PIECE_HASH_LEN,
               PBTS_PIECE_HASH_LEN);
        return;
    }
    memset(out, 0, PBTS_PIECE_HASH_LEN);
    memcpy(out, pieces->hashes_v1.data + (size_t)index * SHA1_LEN, SHA1_LEN);
}

static void get_v1(const void *context, uint8_t out[static PBTS_PIECE_HASH_LEN], uint32_t index) {
    pbts_pieces_hash(out, context, false, index);
}

static void get_v2(const void *context, uint8_t out[static PBTS_PIECE_HASH_LEN], uint32_t index) {
    pbts_pieces_hash(out, context, true, index);
}

pbts_piece_hashes pbts_pieces_hashes(const pbts_pieces *pieces, bool v2) {
    return (pbts_piece_hashes){ v2 ? get_v2 : get_v1, pieces };
}

/* Entry `at` of the irregular pieces: ascending by index. */
static uint32_t irregular_at(const pbts_pieces *pieces, uint32_t at, uint32_t *bytes) {
    uint32_t index = 0;
    pbts_cursor in = pbts_cursor_over(pieces->irregular);
    in.next += (size_t)at * 8;
    bool good = pbts_read_u32(&in, &index) == PBTS_OK && pbts_read_u32(&in, bytes) == PBTS_OK;
    assert(good);
    return index;
}

/* The first irregular piece at or after `index`. */
static uint32_t irregular_from(const pbts_pieces *pieces, uint32_t index) {
    uint32_t low = 0, high = pieces->irregular_count, bytes;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (irregular_at(pieces, middle, &bytes) < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t pbts_pieces_bytes(const pbts_pieces *pieces, uint32_t first, pbts_span bits) {
    uint64_t bytes = (uint64_t)pbts_piece_set_count(bits) * pieces->piece_length;
    uint32_t from = 0, real;
    if (!pbts_piece_set_next(bits, &from)) return 0;
    while (bits.data[bits.len - 1] == 0) bits.len--; /* a torrent may have 100,000 short pieces */
    uint32_t end = first + (uint32_t)bits.len * 8;
    for (uint32_t at = irregular_from(pieces, first + from); at < pieces->irregular_count; at++) {
        uint32_t index = irregular_at(pieces, at, &real);
        if (index >= end) break;
        if (pbts_piece_set_has(bits.data, index - first)) bytes -= pieces->piece_length - real;
    }
    return bytes;
}
