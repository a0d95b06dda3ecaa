#include "base/assert.h"
#include "tracker/rows.h"

static pbts_status torrent_row_read(pbts_torrent *out, pbts_cursor *in) {
    uint8_t version, versions;
    PBTS_TRY(pbts_read_u8(in, &version));
    PBTS_TRY(pbts_read_u8(in, &versions));
    PBTS_TRY(pbts_read_bytes(in, out->infohash_v1, sizeof out->infohash_v1));
    PBTS_TRY(pbts_read_bytes(in, out->infohash_v2, sizeof out->infohash_v2));
    PBTS_TRY(pbts_read_u32(in, &out->piece_length));
    PBTS_TRY(pbts_read_u32(in, &out->piece_count));
    PBTS_TRY(pbts_read_u64(in, &out->total_bytes));
    PBTS_TRY(pbts_read_u32(in, &out->uploader_no));
    PBTS_TRY(pbts_read_u64(in, &out->added_unix_s));
    PBTS_TRY(pbts_read_u8(in, &out->name_len));
    PBTS_TRY(pbts_read_bytes(in, out->name, out->name_len));
    out->has_v1 = (versions & 1) != 0;
    out->has_v2 = (versions & 2) != 0;
    return version == 1 && pbts_cursor_left(in) == 0 ? PBTS_OK : PBTS_CORRUPT;
}

pbts_status pbts_torrent_row_decode(pbts_torrent *out, pbts_span key, pbts_span value) {
    pbts_cursor in = pbts_cursor_over(value);
    memset(out, 0, sizeof *out);
    PBTS_TRY(pbts_number_decode(&out->torrent_no, key));
    return torrent_row_read(out, &in) == PBTS_OK ? PBTS_OK : PBTS_CORRUPT;
}

pbts_status pbts_torrent_row_get(pbts_txn *txn, pbts_torrent *out, uint32_t torrent_no) {
    uint8_t key[4];
    pbts_span value;
    pbts_key_u32(key, torrent_no);
    PBTS_TRY(pbts_txn_get(txn, &value, PBTS_TABLE_TORRENTS, PBTS_SPAN_OF(key)));
    return pbts_torrent_row_decode(out, PBTS_SPAN_OF(key), value);
}

pbts_status pbts_torrent_row_put(pbts_txn *txn, const pbts_torrent *torrent) {
    uint8_t key[4], value[PBTS_TORRENT_ROW_MAX];
    pbts_key_u32(key, torrent->torrent_no);
    pbts_writer writer = pbts_writer_over(value, sizeof value);
    pbts_write_u8(&writer, 1);
    pbts_write_u8(&writer, (uint8_t)((torrent->has_v1 ? 1 : 0) | (torrent->has_v2 ? 2 : 0)));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(torrent->infohash_v1));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(torrent->infohash_v2));
    pbts_write_u32(&writer, torrent->piece_length);
    pbts_write_u32(&writer, torrent->piece_count);
    pbts_write_u64(&writer, torrent->total_bytes);
    pbts_write_u32(&writer, torrent->uploader_no);
    pbts_write_u64(&writer, torrent->added_unix_s);
    pbts_write_u8(&writer, torrent->name_len);
    pbts_write_bytes(&writer, (pbts_span){ torrent->name, torrent->name_len });
    assert(!writer.failed);
    return pbts_txn_put(txn, PBTS_TABLE_TORRENTS, PBTS_SPAN_OF(key), pbts_writer_span(&writer));
}

pbts_status pbts_infohash_row_decode(pbts_infohash_row *out, pbts_span value) {
    pbts_cursor in = pbts_cursor_over(value);
    pbts_infohash_row row;
    uint8_t version;
    if (pbts_read_u32(&in, &row.torrent_no) != PBTS_OK || pbts_read_u8(&in, &version) != PBTS_OK ||
        pbts_read_u32(&in, &row.downloaded) != PBTS_OK || pbts_cursor_left(&in) != 0 ||
        version < 1 || version > 2) {
        return PBTS_CORRUPT;
    }
    row.is_v2 = version == 2;
    *out = row;
    return PBTS_OK;
}

pbts_status pbts_infohash_row_get(pbts_txn *txn, pbts_infohash_row *out,
                                  const uint8_t infohash[static PBTS_INFOHASH_LEN]) {
    pbts_span value;
    PBTS_TRY(pbts_txn_get(txn, &value, PBTS_TABLE_INFOHASHES,
                          (pbts_span){ infohash, PBTS_INFOHASH_LEN }));
    return pbts_infohash_row_decode(out, value);
}

pbts_status pbts_infohash_row_put(pbts_txn *txn, const uint8_t infohash[static PBTS_INFOHASH_LEN],
                                  const pbts_infohash_row *row) {
    uint8_t value[9];
    pbts_writer writer = pbts_writer_over(value, sizeof value);
    pbts_write_u32(&writer, row->torrent_no);
    pbts_write_u8(&writer, row->is_v2 ? 2 : 1);
    pbts_write_u32(&writer, row->downloaded);
    assert(!writer.failed);
    return pbts_txn_put(txn, PBTS_TABLE_INFOHASHES, (pbts_span){ infohash, PBTS_INFOHASH_LEN },
                        pbts_writer_span(&writer));
}

pbts_status pbts_torrent_no_get(pbts_txn *txn, uint32_t *out, bool *v2,
                                const uint8_t infohash[static PBTS_INFOHASH_LEN]) {
    pbts_infohash_row row;
    PBTS_TRY(pbts_infohash_row_get(txn, &row, infohash));
    *out = row.torrent_no;
    *v2 = row.is_v2;
    return PBTS_OK;
}
