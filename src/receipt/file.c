/* Receipts at rest as bencode. The decoder reads what it knows and then compares the number of
 * pairs: a dictionary with something more is not a record. */
#include "receipt/file.h"

#include "base/assert.h"
#include "codec/bencode.h"
#include "receipt/pieces.h"

static void write_string(pbts_writer *writer, const char *key, const uint8_t *bytes, size_t len) {
    pbts_bencode_text(writer, key);
    pbts_bencode_string(writer, (pbts_span){ bytes, len });
}

static void write_span(pbts_writer *writer, const char *key, pbts_span bytes) {
    write_string(writer, key, bytes.data, bytes.len);
}

static void write_uint(pbts_writer *writer, const char *key, uint64_t value) {
    pbts_bencode_text(writer, key);
    pbts_bencode_uint(writer, value);
}

static void write_uid(pbts_writer *writer, const char *key, pbts_span uid) {
    if (uid.len > 0) write_string(writer, key, uid.data, uid.len);
}

void pbts_receipt_record_encode(pbts_writer *writer, const pbts_receipt_record *record) {
    const pbts_receipt *receipt = &record->receipt;
    const pbts_receipt_session *session = &receipt->session;
    bool is_piece = receipt->form == PBTS_FORM_PIECE, is_batch = receipt->form == PBTS_FORM_BATCH;
    bool is_session = receipt->form == PBTS_FORM_SESSION;
    assert(is_piece || is_batch || is_session || receipt->form == PBTS_FORM_CUMULATIVE);
    assert(receipt->epoch <= INT64_MAX && session->expires <= INT64_MAX);
    pbts_write_u8(writer, 'd');
    if (!is_piece) write_span(writer, "b", receipt->bitmap);
    if (is_session) write_string(writer, "d", session->id, sizeof session->id);
    write_uint(writer, "e", receipt->epoch);
    write_uint(writer, "f", (uint64_t)receipt->form);
    write_string(writer, "g", receipt->iid, sizeof receipt->iid);
    write_string(writer, "h", receipt->infohash, sizeof receipt->infohash);
    if (is_piece) write_uint(writer, "i", receipt->piece_index);
    if (is_session) write_string(writer, "k", session->key.bytes, sizeof session->key.bytes);
    if (is_batch) write_string(writer, "m", receipt->root, sizeof receipt->root);
    write_uint(writer, "n", record->piece_count);
    if (is_piece) write_string(writer, "p", receipt->piece_hash, sizeof receipt->piece_hash);
    if (is_session) write_span(writer, "p", record->piece_hashes);
    write_string(writer, "r", receipt->receiver.bytes, sizeof receipt->receiver.bytes);
    write_string(writer, "s", receipt->sender.bytes, sizeof receipt->sender.bytes);
    if (is_session) write_uint(writer, "t", session->expires);
    write_uid(writer, "u", record->receiver_uid);
    write_uid(writer, "v", record->sender_uid);
    write_string(writer, "x", record->signature.bytes, sizeof record->signature.bytes);
    if (is_session) write_span(writer, "y", receipt->piece_signatures);
    pbts_write_u8(writer, 'e');
}

static pbts_status read_array(uint8_t *out, size_t len, const pbts_bvalue *dict, const char *key) {
    pbts_span bytes;
    if (!pbts_bdict_find_string(dict, key, &bytes) || bytes.len != len) return PBTS_MALFORMED;
    memcpy(out, bytes.data, len);
    return PBTS_OK;
}

static pbts_status read_uid(pbts_span *out, size_t *fields, const pbts_bvalue *dict,
                            const char *key) {
    pbts_bvalue any;
    *out = (pbts_span){ 0 };
    if (!pbts_bdict_find(dict, key, &any)) return PBTS_OK;
    if (any.type != PBTS_BSTRING || !pbts_uid_is_valid(any.string)) return PBTS_MALFORMED;
    *out = any.string;
    *fields += 1;
    return PBTS_OK;
}

static pbts_status read_common(pbts_receipt_record *out, const pbts_bvalue *dict) {
    pbts_receipt *receipt = &out->receipt;
    uint64_t form = 0, count = 0;
    if (!pbts_bdict_find_uint(dict, "e", &receipt->epoch)) return PBTS_MALFORMED;
    if (!pbts_bdict_find_uint(dict, "f", &form)) return PBTS_MALFORMED;
    if (!pbts_bdict_find_uint(dict, "n", &count)) return PBTS_MALFORMED;
    if (form < PBTS_FORM_PIECE || form > PBTS_FORM_SESSION) return PBTS_MALFORMED;
    if (count == 0) return PBTS_MALFORMED;
    if (count > PBTS_PIECES_MAX) return PBTS_LIMIT;
    receipt->form = (pbts_receipt_form)form;
    out->piece_count = (uint32_t)count;
    PBTS_TRY(read_array(receipt->iid, sizeof receipt->iid, dict, "g"));
    PBTS_TRY(read_array(receipt->infohash, sizeof receipt->infohash, dict, "h"));
    PBTS_TRY(read_array(receipt->receiver.bytes, sizeof receipt->receiver.bytes, dict, "r"));
    PBTS_TRY(read_array(receipt->sender.bytes, sizeof receipt->sender.bytes, dict, "s"));
    return read_array(out->signature.bytes, sizeof out->signature.bytes, dict, "x");
}

static pbts_status read_piece_part(pbts_receipt_record *out, const pbts_bvalue *dict) {
    uint64_t index = 0;
    if (!pbts_bdict_find_uint(dict, "i", &index)) return PBTS_MALFORMED;
    if (index >= out->piece_count) return PBTS_MALFORMED;
    out->receipt.piece_index = (uint32_t)index;
    return read_array(out->receipt.piece_hash, sizeof out->receipt.piece_hash, dict, "p");
}

static pbts_status read_cumulative_part(pbts_receipt_record *out, const pbts_bvalue *dict) {
    if (!pbts_bdict_find_string(dict, "b", &out->receipt.bitmap)) return PBTS_MALFORMED;
    return pbts_piece_set_check(out->receipt.bitmap, out->piece_count);
}

static pbts_status read_batch_part(pbts_receipt_record *out, const pbts_bvalue *dict) {
    PBTS_TRY(read_cumulative_part(out, dict));
    return read_array(out->receipt.root, sizeof out->receipt.root, dict, "m");
}

/* One item of `len` bytes for each piece of the set. */
static pbts_status read_items(pbts_span *out, const pbts_receipt *receipt, size_t len,
                              const pbts_bvalue *dict, const char *key) {
    size_t count = pbts_piece_set_count(receipt->bitmap);
    if (count > PBTS_RECEIPT_SESSION_PIECES_MAX) return PBTS_LIMIT;
    if (count == 0 || !pbts_bdict_find_string(dict, key, out)) return PBTS_MALFORMED;
    return out->len == count * len ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_session_part(pbts_receipt_record *out, const pbts_bvalue *dict) {
    pbts_receipt *receipt = &out->receipt;
    pbts_receipt_session *session = &receipt->session;
    PBTS_TRY(read_cumulative_part(out, dict));
    PBTS_TRY(read_array(session->id, sizeof session->id, dict, "d"));
    PBTS_TRY(read_array(session->key.bytes, sizeof session->key.bytes, dict, "k"));
    if (!pbts_bdict_find_uint(dict, "t", &session->expires)) return PBTS_MALFORMED;
    PBTS_TRY(read_items(&out->piece_hashes, receipt, PBTS_PIECE_HASH_LEN, dict, "p"));
    return read_items(&receipt->piece_signatures, receipt, PBTS_SECP256K1_SIGNATURE_LEN, dict, "y");
}

/* What only this form has; counts its fields. */
static pbts_status read_form_part(pbts_receipt_record *out, size_t *fields,
                                  const pbts_bvalue *dict) {
    switch (out->receipt.form) {
    case PBTS_FORM_PIECE: *fields += 2; return read_piece_part(out, dict);
    case PBTS_FORM_CUMULATIVE: *fields += 1; return read_cumulative_part(out, dict);
    case PBTS_FORM_BATCH: *fields += 2; return read_batch_part(out, dict);
    case PBTS_FORM_SESSION: *fields += 6; return read_session_part(out, dict);
    }
    return PBTS_MALFORMED;
}

static size_t pairs_in(const pbts_bvalue *dict) {
    pbts_biter pairs = pbts_bvalue_items(dict);
    pbts_span key;
    pbts_bvalue value;
    size_t count = 0;
    while (pbts_biter_next_pair(&pairs, &key, &value)) count++;
    return count;
}

pbts_status pbts_receipt_record_decode(pbts_receipt_record *out, pbts_cursor *cursor) {
    enum { COMMON_FIELDS = 8 }; /* e f n g h r s x */
    pbts_cursor rest = *cursor;
    pbts_bvalue dict;
    PBTS_TRY(pbts_bencode_parse_prefix(&dict, &rest));
    if (dict.type != PBTS_BDICT) return PBTS_MALFORMED;

    pbts_receipt_record record = { 0 };
    PBTS_TRY(read_common(&record, &dict));
    size_t fields = COMMON_FIELDS;
    PBTS_TRY(read_form_part(&record, &fields, &dict));
    PBTS_TRY(read_uid(&record.receiver_uid, &fields, &dict, "u"));
    PBTS_TRY(read_uid(&record.sender_uid, &fields, &dict, "v"));
    if (pairs_in(&dict) != fields) return PBTS_MALFORMED;

    *out = record;
    *cursor = rest;
    return PBTS_OK;
}

/* ---- checking one ---- */

/* A session's hashes by the place of the piece in the set. */
static void get_listed(const void *context, uint8_t out[static PBTS_PIECE_HASH_LEN],
                       uint32_t index) {
    const pbts_receipt_record *record = context;
    const uint8_t *set = record->receipt.bitmap.data;
    size_t place = pbts_piece_set_count((pbts_span){ set, index / 8 });
    for (uint32_t i = index / 8 * 8; i < index; i++) place += pbts_piece_set_has(set, i);
    memcpy(out, record->piece_hashes.data + place * PBTS_PIECE_HASH_LEN, PBTS_PIECE_HASH_LEN);
}

pbts_status pbts_receipt_record_verify(const pbts_receipt_record *record, uint32_t *bad_piece) {
    const pbts_receipt *receipt = &record->receipt;
    pbts_bls_public_point receiver;
    pbts_bls_g1_point hashed, signature;
    *bad_piece = UINT32_MAX;
    PBTS_TRY(pbts_bls_public_decode(&receiver, &receipt->receiver));
    PBTS_TRY(pbts_bls_signature_decode(&signature, &record->signature));
    pbts_receipt_hash(&hashed, receipt);
    PBTS_TRY(pbts_bls_verify_sums(&receiver, &hashed, 1, &signature));
    if (receipt->form != PBTS_FORM_SESSION) return PBTS_OK;
    size_t count = pbts_piece_set_count(receipt->bitmap);
    if (record->piece_hashes.len != count * PBTS_PIECE_HASH_LEN) return PBTS_MALFORMED;
    return pbts_receipt_session_verify_all(receipt, bad_piece,
                                           (pbts_piece_hashes){ get_listed, record });
}
