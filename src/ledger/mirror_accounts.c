#include "ledger/mirror_accounts.h"

#include "base/writer.h"

#define PLACE "mirror/place"

enum { PLACE_LEN = 8 + 32, KEY_LEN = 4, ACCOUNT_LEN = 32 + 96 + 8 + 8 + 4 };

/* ---- the place ---- */

pbts_status pbts_mirror_place_put(pbts_txn *txn, const pbts_mirror_place *place) {
    uint8_t bytes[PLACE_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_u64(&writer, place->sequence);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(place->head));
    return pbts_txn_put(txn, PBTS_TABLE_META, pbts_span_text(PLACE), PBTS_SPAN_OF(bytes));
}

pbts_status pbts_mirror_place_forget(pbts_txn *txn) {
    pbts_status status = pbts_txn_delete(txn, PBTS_TABLE_META, pbts_span_text(PLACE));
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

pbts_status pbts_mirror_place_get(pbts_txn *txn, pbts_mirror_place *out) {
    pbts_span value;
    PBTS_TRY(pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(PLACE)));
    if (value.len != PLACE_LEN) return PBTS_CORRUPT;
    pbts_cursor in = pbts_cursor_over(value);
    PBTS_TRY(pbts_read_u64(&in, &out->sequence));
    return pbts_read_bytes(&in, out->head, sizeof out->head);
}

/* ---- accounts ---- */

static void write_key(uint8_t out[static KEY_LEN], uint32_t user_no) {
    pbts_writer writer = pbts_writer_over(out, KEY_LEN);
    pbts_write_u32(&writer, user_no);
}

pbts_status pbts_mirror_account_put(pbts_txn *txn, const pbts_mirror_account *account) {
    uint8_t key[KEY_LEN], value[ACCOUNT_LEN];
    pbts_writer writer = pbts_writer_over(value, sizeof value);
    write_key(key, account->user_no);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(account->uid_hash));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(account->public_key.bytes));
    pbts_write_u64(&writer, account->up_bytes);
    pbts_write_u64(&writer, account->down_bytes);
    pbts_write_u32(&writer, account->generation);
    return pbts_txn_put(txn, PBTS_TABLE_MIRROR_ACCOUNTS, PBTS_SPAN_OF(key), PBTS_SPAN_OF(value));
}

static pbts_status decode(pbts_mirror_account *out, pbts_span key, pbts_span value) {
    if (key.len != KEY_LEN || value.len != ACCOUNT_LEN) return PBTS_CORRUPT;
    pbts_cursor number = pbts_cursor_over(key), in = pbts_cursor_over(value);
    PBTS_TRY(pbts_read_u32(&number, &out->user_no));
    PBTS_TRY(pbts_read_bytes(&in, out->uid_hash, sizeof out->uid_hash));
    PBTS_TRY(pbts_read_bytes(&in, out->public_key.bytes, sizeof out->public_key.bytes));
    PBTS_TRY(pbts_read_u64(&in, &out->up_bytes));
    PBTS_TRY(pbts_read_u64(&in, &out->down_bytes));
    return pbts_read_u32(&in, &out->generation);
}

pbts_status pbts_mirror_accounts_read(pbts_txn *txn, pbts_mirror_account *accounts, size_t *count,
                                      size_t max, uint32_t after_no) {
    uint8_t from[KEY_LEN];
    pbts_rows *walk;
    pbts_span key, value;
    *count = 0;
    if (after_no == UINT32_MAX) return PBTS_OK;
    write_key(from, after_no + 1);
    PBTS_TRY(pbts_rows_open(&walk, txn, PBTS_TABLE_MIRROR_ACCOUNTS, PBTS_SPAN_OF(from),
                            (pbts_span){ 0 }));
    pbts_status status = PBTS_OK;
    while (status == PBTS_OK && *count < max && pbts_rows_next(walk, &key, &value)) {
        status = decode(&accounts[*count], key, value);
        if (status == PBTS_OK) ++*count;
    }
    if (status == PBTS_OK) status = pbts_rows_status(walk);
    pbts_rows_close(walk);
    return status;
}

pbts_status pbts_mirror_accounts_clear(pbts_txn *txn) {
    pbts_span key, value;
    pbts_status status;
    while ((status = pbts_txn_last(txn, PBTS_TABLE_MIRROR_ACCOUNTS, &key, &value)) == PBTS_OK) {
        uint8_t last[KEY_LEN];
        if (key.len != KEY_LEN) return PBTS_CORRUPT;
        memcpy(last, key.data, sizeof last);
        PBTS_TRY(pbts_txn_delete(txn, PBTS_TABLE_MIRROR_ACCOUNTS, PBTS_SPAN_OF(last)));
    }
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}
