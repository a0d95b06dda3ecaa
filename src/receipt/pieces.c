#include "receipt/pieces.h"

#include "base/assert.h"
#include "base/epoch.h"
#include "hash/merkle.h"

/* ---- piece hashes ---- */

static void get_v1(const void *context, uint8_t out[static PBTS_PIECE_HASH_LEN], uint32_t index) {
    pbts_metainfo_piece_hash(out, context, false, index);
}

static void get_v2(const void *context, uint8_t out[static PBTS_PIECE_HASH_LEN], uint32_t index) {
    pbts_metainfo_piece_hash(out, context, true, index);
}

pbts_piece_hashes pbts_piece_hashes_of(const pbts_metainfo *meta, bool v2) {
    return (pbts_piece_hashes){ v2 ? get_v2 : get_v1, meta };
}

/* ---- batches ---- */

static void add_leaf(pbts_hash_tree *tree, pbts_piece_hashes hashes, uint32_t index) {
    uint8_t leaf[4 + PBTS_PIECE_HASH_LEN], hash[PBTS_PIECE_HASH_LEN];
    pbts_writer writer = pbts_writer_over(leaf, sizeof leaf);
    hashes.get(hashes.context, hash, index);
    pbts_write_u32(&writer, index);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(hash));
    pbts_hash_tree_add(tree, pbts_writer_span(&writer));
}

void pbts_receipt_root(uint8_t out[static PBTS_SHA256_LEN], pbts_span bitmap,
                       pbts_piece_hashes hashes) {
    pbts_hash_tree tree;
    pbts_hash_tree_init(&tree);
    for (uint32_t i = 0; pbts_piece_set_next(bitmap, &i); i++) add_leaf(&tree, hashes, i);
    pbts_hash_tree_root(&tree, out);
}

/* ---- sessions ---- */

pbts_status pbts_receipt_session_check(const pbts_receipt_session *session, uint64_t epoch) {
    /* epoch * W < expires, without overflow */
    if (session->expires == 0 || epoch > (session->expires - 1) / PBTS_EPOCH_SECONDS) {
        return PBTS_STALE;
    }
    uint64_t left_s = session->expires - epoch * PBTS_EPOCH_SECONDS;
    return left_s <= PBTS_RECEIPT_SESSION_LIFE_S ? PBTS_OK : PBTS_LIMIT;
}

uint64_t pbts_receipt_session_expires(uint64_t unix_now) {
    return pbts_epoch_at(unix_now) * PBTS_EPOCH_SECONDS + PBTS_RECEIPT_SESSION_LIFE_S;
}

void pbts_receipt_session_digest(uint8_t out[static PBTS_SHA256_LEN], const pbts_receipt *receipt,
                                 const uint8_t piece_hash[static PBTS_PIECE_HASH_LEN],
                                 uint32_t index) {
    uint8_t numbers[4 + 8];
    pbts_writer writer = pbts_writer_over(numbers, sizeof numbers);
    pbts_write_u32(&writer, index);
    pbts_write_u64(&writer, receipt->epoch);
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("PBTS_V1_SESSION_PIECE"));
    pbts_sha256_update(&state, PBTS_SPAN_OF(receipt->session.id));
    pbts_sha256_update(&state, PBTS_SPAN_OF(receipt->infohash));
    pbts_sha256_update(&state, PBTS_SPAN_OF(receipt->sender.bytes));
    pbts_sha256_update(&state, (pbts_span){ piece_hash, PBTS_PIECE_HASH_LEN });
    pbts_sha256_update(&state, pbts_writer_span(&writer));
    pbts_sha256_final(&state, out);
}

void pbts_receipt_session_sign(const pbts_secp256k1_signer *signer, pbts_secp256k1_signature *out,
                               const pbts_secp256k1_secret *session_secret,
                               const pbts_receipt *receipt,
                               const uint8_t piece_hash[static PBTS_PIECE_HASH_LEN],
                               uint32_t index) {
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_receipt_session_digest(digest, receipt, piece_hash, index);
    pbts_secp256k1_sign(signer, out, session_secret, digest);
}

pbts_status pbts_receipt_session_verify(const pbts_secp256k1_point *key,
                                        const pbts_receipt *receipt,
                                        const uint8_t piece_hash[static PBTS_PIECE_HASH_LEN],
                                        uint32_t index, const pbts_secp256k1_signature *signature) {
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_receipt_session_digest(digest, receipt, piece_hash, index);
    return pbts_secp256k1_verify(key, digest, signature);
}

pbts_status pbts_receipt_session_verify_all(const pbts_receipt *receipt, uint32_t *bad_piece,
                                            pbts_piece_hashes hashes) {
    pbts_secp256k1_point key;
    pbts_cursor signatures = pbts_cursor_over(receipt->piece_signatures);
    size_t count = pbts_piece_set_count(receipt->bitmap);
    assert(receipt->form == PBTS_FORM_SESSION);
    if (receipt->piece_signatures.len != count * PBTS_SECP256K1_SIGNATURE_LEN) {
        return PBTS_MALFORMED;
    }
    PBTS_TRY(pbts_receipt_session_check(&receipt->session, receipt->epoch));
    PBTS_TRY(pbts_secp256k1_public_decode(&key, &receipt->session.key));
    for (uint32_t i = 0; pbts_piece_set_next(receipt->bitmap, &i); i++) {
        uint8_t hash[PBTS_PIECE_HASH_LEN];
        pbts_secp256k1_signature signature;
        PBTS_TRY(pbts_read_bytes(&signatures, signature.bytes, sizeof signature.bytes));
        hashes.get(hashes.context, hash, i);
        if (pbts_receipt_session_verify(&key, receipt, hash, i, &signature) == PBTS_OK) continue;
        *bad_piece = i;
        return PBTS_BAD_SIGNATURE;
    }
    return PBTS_OK;
}
