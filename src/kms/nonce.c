#include "kms/nonce.h"

#include "base/secret.h"
#include "base/writer.h"

enum { HEAD_LEN = 16, MAC_LEN = PBTS_KMS_NONCE_LEN - HEAD_LEN };

static void mac_of(uint8_t out[static PBTS_SHA256_LEN], const pbts_kms_nonces *nonces,
                   const uint8_t *head) {
    uint8_t input[64];
    pbts_writer writer = pbts_writer_over(input, sizeof input);
    pbts_write_text(&writer, "pbts-kms-nonce-v1");
    pbts_write_u8(&writer, nonces->node);
    pbts_write_bytes(&writer, (pbts_span){ head, HEAD_LEN });
    pbts_hmac_sha256(out, PBTS_SPAN_OF(nonces->key), pbts_writer_span(&writer));
}

pbts_status pbts_kms_nonces_init(pbts_kms_nonces *out, size_t node, pbts_random *random) {
    memset(out, 0, sizeof *out);
    out->node = (uint8_t)node;
    return pbts_random_fill(random, out->key, sizeof out->key);
}

pbts_status pbts_kms_nonces_make(const pbts_kms_nonces *nonces, pbts_kms_nonce *out,
                                 pbts_random *random, uint64_t now_ms) {
    uint8_t mac[PBTS_SHA256_LEN];
    pbts_writer writer = pbts_writer_over(out->bytes, sizeof out->bytes);
    pbts_write_u64(&writer, now_ms);
    PBTS_TRY(pbts_random_fill(random, out->bytes + 8, 8));
    mac_of(mac, nonces, out->bytes);
    memcpy(out->bytes + HEAD_LEN, mac, MAC_LEN);
    return PBTS_OK;
}

pbts_status pbts_kms_nonces_check(const pbts_kms_nonces *nonces, const pbts_kms_nonce *nonce,
                                  uint64_t now_ms) {
    uint8_t mac[PBTS_SHA256_LEN];
    uint64_t issued_ms;
    pbts_cursor cursor = pbts_cursor_over(PBTS_SPAN_OF(nonce->bytes));
    mac_of(mac, nonces, nonce->bytes);
    if (!pbts_equal_ct(mac, nonce->bytes + HEAD_LEN, MAC_LEN)) return PBTS_DENIED;
    PBTS_TRY(pbts_read_u64(&cursor, &issued_ms));
    if (now_ms < issued_ms || now_ms - issued_ms >= PBTS_KMS_NONCE_MS) return PBTS_STALE;
    for (size_t i = 0; i < nonces->used_len; i++) {
        if (memcmp(&nonces->used[i].nonce, nonce, sizeof *nonce) == 0) return PBTS_EXISTS;
    }
    return PBTS_OK;
}

static void forget_expired(pbts_kms_nonces *nonces, uint64_t now_ms) {
    size_t kept = 0;
    for (size_t i = 0; i < nonces->used_len; i++) {
        if (nonces->used[i].expires_ms > now_ms) nonces->used[kept++] = nonces->used[i];
    }
    nonces->used_len = kept;
}

pbts_status pbts_kms_nonces_spend(pbts_kms_nonces *nonces, const pbts_kms_nonce *nonce,
                                  uint64_t now_ms) {
    PBTS_TRY(pbts_kms_nonces_check(nonces, nonce, now_ms));
    forget_expired(nonces, now_ms);
    if (nonces->used_len == PBTS_KMS_NONCES_USED_MAX) return PBTS_BUSY;
    nonces->used[nonces->used_len].nonce = *nonce;
    nonces->used[nonces->used_len++].expires_ms = now_ms + PBTS_KMS_NONCE_MS;
    return PBTS_OK;
}
