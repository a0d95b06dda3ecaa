/* The signed messages, field by field in the order of DESIGN section 5; integers big-endian. */
#include "receipt/receipt.h"

#include "base/assert.h"
#include "hash/sha.h"

static void write_array(pbts_writer *writer, const uint8_t *bytes, size_t len) {
    pbts_write_bytes(writer, (pbts_span){ bytes, len });
}

static void write_key(pbts_writer *writer, const pbts_bls_public *key) {
    write_array(writer, key->bytes, sizeof key->bytes);
}

static void write_piece_part(pbts_writer *writer, const pbts_receipt *receipt) {
    write_array(writer, receipt->piece_hash, sizeof receipt->piece_hash);
    pbts_write_u32(writer, receipt->piece_index);
    pbts_write_u64(writer, receipt->epoch);
}

static void write_set_part(pbts_writer *writer, const pbts_receipt *receipt,
                           const uint8_t digest[static PBTS_SHA256_LEN]) {
    pbts_write_u64(writer, receipt->epoch);
    pbts_write_u32(writer, pbts_piece_set_count(receipt->bitmap));
    write_array(writer, digest, PBTS_SHA256_LEN);
}

static void write_cumulative_part(pbts_writer *writer, const pbts_receipt *receipt) {
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_sha256(digest, receipt->bitmap);
    write_set_part(writer, receipt, digest);
}

static void write_session_part(pbts_writer *writer, const pbts_receipt_session *session) {
    write_array(writer, session->id, sizeof session->id);
    write_array(writer, session->key.bytes, sizeof session->key.bytes);
    pbts_write_u64(writer, session->expires);
}

void pbts_receipt_message(pbts_writer *writer, const pbts_receipt *receipt) {
    write_array(writer, receipt->iid, sizeof receipt->iid);
    write_array(writer, receipt->infohash, sizeof receipt->infohash);
    write_key(writer, &receipt->sender);
    write_key(writer, &receipt->receiver);
    switch (receipt->form) {
    case PBTS_FORM_PIECE: write_piece_part(writer, receipt); return;
    case PBTS_FORM_CUMULATIVE: write_cumulative_part(writer, receipt); return;
    case PBTS_FORM_BATCH: write_set_part(writer, receipt, receipt->root); return;
    case PBTS_FORM_SESSION: write_session_part(writer, &receipt->session); return;
    }
    assert(!"a receipt has a known form");
}

pbts_bls_purpose pbts_receipt_purpose(pbts_receipt_form form) {
    switch (form) {
    case PBTS_FORM_PIECE: return PBTS_BLS_PIECE;
    case PBTS_FORM_CUMULATIVE: return PBTS_BLS_CUMULATIVE;
    case PBTS_FORM_BATCH: return PBTS_BLS_BATCH;
    case PBTS_FORM_SESSION: return PBTS_BLS_SESSION;
    }
    assert(!"a receipt has a known form");
    return PBTS_BLS_PURPOSES;
}

/* The message in `buffer`, which holds the longest one. */
static pbts_span message_in(uint8_t buffer[static PBTS_RECEIPT_MESSAGE_MAX],
                            const pbts_receipt *receipt) {
    pbts_writer writer = pbts_writer_over(buffer, PBTS_RECEIPT_MESSAGE_MAX);
    pbts_receipt_message(&writer, receipt);
    assert(pbts_writer_status(&writer) == PBTS_OK);
    return pbts_writer_span(&writer);
}

void pbts_receipt_hash(pbts_bls_g1_point *out, const pbts_receipt *receipt) {
    uint8_t buffer[PBTS_RECEIPT_MESSAGE_MAX];
    pbts_bls_hash(out, pbts_receipt_purpose(receipt->form), message_in(buffer, receipt));
}

void pbts_receipt_sign(pbts_bls_signature *out, const pbts_receipt *receipt,
                       const pbts_bls_secret *receiver_secret) {
    uint8_t buffer[PBTS_RECEIPT_MESSAGE_MAX];
    pbts_bls_sign(out, receiver_secret, pbts_receipt_purpose(receipt->form),
                  message_in(buffer, receipt));
}

void pbts_message_register(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                           const pbts_bls_public *key, pbts_span uid) {
    assert(uid.len <= PBTS_UID_LEN_MAX);
    write_array(writer, iid, PBTS_IID_LEN);
    write_key(writer, key);
    pbts_write_u8(writer, (uint8_t)uid.len);
    pbts_write_bytes(writer, uid);
}

void pbts_message_announce(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                           const pbts_bls_public *key,
                           const uint8_t infohash[static PBTS_INFOHASH_LEN], uint8_t event,
                           uint64_t unix_time) {
    write_array(writer, iid, PBTS_IID_LEN);
    write_key(writer, key);
    write_array(writer, infohash, PBTS_INFOHASH_LEN);
    pbts_write_u8(writer, event);
    pbts_write_u64(writer, unix_time);
}

void pbts_message_report(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                         const pbts_bls_public *key, uint64_t unix_time,
                         const uint8_t statements_sha256[static 32]) {
    write_array(writer, iid, PBTS_IID_LEN);
    write_key(writer, key);
    pbts_write_u64(writer, unix_time);
    write_array(writer, statements_sha256, PBTS_SHA256_LEN);
}

void pbts_message_ticket(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                         const pbts_bls_public *key, uint64_t allowance_bytes, uint64_t issued,
                         uint64_t expires) {
    write_array(writer, iid, PBTS_IID_LEN);
    write_key(writer, key);
    pbts_write_u64(writer, allowance_bytes);
    pbts_write_u64(writer, issued);
    pbts_write_u64(writer, expires);
}

void pbts_message_peer(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                       const uint8_t infohash[static PBTS_INFOHASH_LEN],
                       const uint8_t nonce_own[static PBTS_NONCE_LEN],
                       const uint8_t nonce_theirs[static PBTS_NONCE_LEN],
                       const pbts_bls_public *key_own, const pbts_bls_public *key_theirs) {
    write_array(writer, iid, PBTS_IID_LEN);
    write_array(writer, infohash, PBTS_INFOHASH_LEN);
    write_array(writer, nonce_own, PBTS_NONCE_LEN);
    write_array(writer, nonce_theirs, PBTS_NONCE_LEN);
    write_key(writer, key_own);
    write_key(writer, key_theirs);
}

static bool is_uid_byte(uint8_t byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

bool pbts_uid_is_valid(pbts_span uid) {
    if (uid.len == 0 || uid.len > PBTS_UID_LEN_MAX) return false;
    for (size_t i = 0; i < uid.len; i++)
        if (!is_uid_byte(uid.data[i])) return false;
    return true;
}

void pbts_uid_hash(uint8_t out[static PBTS_UID_HASH_LEN], pbts_span uid) {
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/uid/1"));
    pbts_sha256_update(&state, uid);
    pbts_sha256_final(&state, out);
}
