#include "base/assert.h"
#include "tracker/rows.h"

void pbts_key_u32(uint8_t out[static 4], uint32_t number) {
    pbts_writer writer = pbts_writer_over(out, 4);
    pbts_write_u32(&writer, number);
}

pbts_status pbts_number_decode(uint32_t *out, pbts_span value) {
    pbts_cursor in = pbts_cursor_over(value);
    return pbts_read_u32(&in, out) == PBTS_OK ? PBTS_OK : PBTS_CORRUPT;
}

static pbts_status user_row_decode(pbts_user_row *out, pbts_span value) {
    pbts_cursor in = pbts_cursor_over(value);
    uint8_t version, has_key;
    uint64_t granted;
    PBTS_TRY(pbts_read_u8(&in, &version));
    PBTS_TRY(pbts_read_u8(&in, &has_key));
    PBTS_TRY(pbts_read_u8(&in, &out->uid_len));
    PBTS_TRY(pbts_read_bytes(&in, out->uid, sizeof out->uid));
    PBTS_TRY(pbts_read_bytes(&in, out->key.bytes, sizeof out->key.bytes));
    PBTS_TRY(pbts_read_bytes(&in, out->key_raw, sizeof out->key_raw));
    PBTS_TRY(pbts_read_u64(&in, &granted));
    PBTS_TRY(pbts_read_u64(&in, &out->registered_unix_s));
    PBTS_TRY(pbts_read_u32(&in, &out->uploads));
    out->has_key = has_key != 0;
    out->granted = (int64_t)granted;
    bool whole = pbts_cursor_left(&in) == 0;
    return version == 1 && out->uid_len <= sizeof out->uid && whole ? PBTS_OK : PBTS_CORRUPT;
}

pbts_status pbts_user_row_get(pbts_txn *txn, pbts_user_row *out, uint32_t user_no) {
    uint8_t key[4];
    pbts_span value;
    pbts_key_u32(key, user_no);
    PBTS_TRY(pbts_txn_get(txn, &value, PBTS_TABLE_USERS, PBTS_SPAN_OF(key)));
    return user_row_decode(out, value) == PBTS_OK ? PBTS_OK : PBTS_CORRUPT;
}

pbts_status pbts_user_row_put(pbts_txn *txn, uint32_t user_no, const pbts_user_row *row) {
    uint8_t key[4], value[PBTS_USER_ROW_LEN];
    pbts_key_u32(key, user_no);
    pbts_writer writer = pbts_writer_over(value, sizeof value);
    pbts_write_u8(&writer, 1);
    pbts_write_u8(&writer, row->has_key);
    pbts_write_u8(&writer, row->uid_len);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(row->uid));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(row->key.bytes));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(row->key_raw));
    pbts_write_u64(&writer, (uint64_t)row->granted);
    pbts_write_u64(&writer, row->registered_unix_s);
    pbts_write_u32(&writer, row->uploads);
    assert(!writer.failed && writer.len == sizeof value);
    return pbts_txn_put(txn, PBTS_TABLE_USERS, PBTS_SPAN_OF(key), PBTS_SPAN_OF(value));
}

void pbts_user_row_uid_hash(uint8_t out[static PBTS_UID_HASH_LEN], const pbts_user_row *row) {
    if (row->uid_len == 0) {
        memcpy(out, row->uid, PBTS_UID_HASH_LEN);
    } else {
        pbts_uid_hash(out, (pbts_span){ row->uid, row->uid_len });
    }
}

pbts_status pbts_user_no_by_hash(pbts_txn *txn, uint32_t *out, pbts_table table,
                                 const uint8_t hash[static 32]) {
    pbts_span value;
    PBTS_TRY(pbts_txn_get(txn, &value, table, (pbts_span){ hash, 32 }));
    return pbts_number_decode(out, value);
}

pbts_status pbts_user_no_by_uid(pbts_txn *txn, uint32_t *out, pbts_span uid) {
    uint8_t hash[PBTS_UID_HASH_LEN];
    if (!pbts_uid_is_valid(uid)) return PBTS_NOT_FOUND;
    pbts_uid_hash(hash, uid);
    return pbts_user_no_by_hash(txn, out, PBTS_TABLE_UIDS, hash);
}
