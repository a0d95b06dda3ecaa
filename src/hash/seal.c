#include "hash/seal.h"

#include <openssl/evp.h>

#include "base/assert.h"
#include "base/secret.h"
#include "base/secret_memory.h"

enum { BLOCK_LEN = 16, DERIVED_FROM_LEN = 12, GCM_NONCE_LEN = 12 };

struct pbts_sealer {
    uint8_t key[PBTS_SEAL_KEY_LEN];
    uint8_t subkey[BLOCK_LEN]; /* K1 of CMAC: AES(key, 0) doubled in GF(2^128) */
    EVP_CIPHER *ecb, *gcm;     /* fetched once: to look them up costs as much as a small record */
};

/* ---- the derived key ---- */

static bool encrypt_blocks(const pbts_sealer *sealer, EVP_CIPHER_CTX *ctx, uint8_t *blocks,
                           int len) {
    int done = 0;
    return EVP_EncryptInit_ex2(ctx, sealer->ecb, sealer->key, NULL, NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
           EVP_EncryptUpdate(ctx, blocks, &done, blocks, len) == 1 && done == len;
}

/* Without a branch on what is secret. */
static void doubled(uint8_t block[static BLOCK_LEN]) {
    uint8_t carry = (uint8_t)(block[0] >> 7);
    for (size_t i = 0; i + 1 < BLOCK_LEN; i++)
        block[i] = (uint8_t)(block[i] << 1 | block[i + 1] >> 7);
    block[BLOCK_LEN - 1] = (uint8_t)(block[BLOCK_LEN - 1] << 1 ^ (0x87 & -carry));
}

/* Both messages are one whole block, so CMAC is one encryption of block XOR K1. */
static bool derive(const pbts_sealer *sealer, EVP_CIPHER_CTX *ctx,
                   uint8_t out[static PBTS_SEAL_KEY_LEN],
                   const uint8_t nonce[static DERIVED_FROM_LEN]) {
    for (size_t half = 0; half < 2; half++) {
        uint8_t *block = out + half * BLOCK_LEN;
        const uint8_t head[4] = { 0, (uint8_t)(half + 1), 'X', 0 };
        memcpy(block, head, sizeof head);
        memcpy(block + sizeof head, nonce, DERIVED_FROM_LEN);
        for (size_t i = 0; i < BLOCK_LEN; i++) block[i] ^= sealer->subkey[i];
    }
    return encrypt_blocks(sealer, ctx, out, PBTS_SEAL_KEY_LEN);
}

static bool fetch(pbts_sealer *sealer) {
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    sealer->ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
    sealer->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    bool good = ctx != NULL && sealer->ecb != NULL && sealer->gcm != NULL &&
                encrypt_blocks(sealer, ctx, sealer->subkey, BLOCK_LEN);
    doubled(sealer->subkey);
    EVP_CIPHER_CTX_free(ctx);
    return good;
}

pbts_status pbts_sealer_new(pbts_sealer **out, const uint8_t key[static PBTS_SEAL_KEY_LEN]) {
    pbts_sealer *sealer = pbts_secret_new(sizeof *sealer, NULL);
    if (sealer == NULL) return PBTS_NO_MEMORY;
    memcpy(sealer->key, key, sizeof sealer->key);
    if (!fetch(sealer)) {
        pbts_sealer_free(sealer);
        return PBTS_NO_MEMORY;
    }
    *out = sealer;
    return PBTS_OK;
}

void pbts_sealer_free(pbts_sealer *sealer) {
    if (sealer == NULL) return;
    EVP_CIPHER_free(sealer->ecb);
    EVP_CIPHER_free(sealer->gcm);
    pbts_secret_free(sealer);
}

/* ---- records ---- */

/* A context with the record's key and nonce, and `bound` taken; NULL when there is no memory. */
static EVP_CIPHER_CTX *begin(const pbts_sealer *sealer,
                             const uint8_t nonce[static PBTS_SEAL_NONCE_LEN], pbts_span bound,
                             bool sealing) {
    uint8_t key[PBTS_SEAL_KEY_LEN];
    int done = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) return NULL;
    bool good =
        derive(sealer, ctx, key, nonce) &&
        EVP_CipherInit_ex2(ctx, sealer->gcm, key, nonce + DERIVED_FROM_LEN, sealing, NULL) == 1 &&
        (bound.len == 0 || EVP_CipherUpdate(ctx, NULL, &done, bound.data, (int)bound.len) == 1);
    pbts_wipe(key, sizeof key);
    if (good) return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

/* An update without bytes is none: OpenSSL reads a missing pointer as the end. */
static bool convert(EVP_CIPHER_CTX *ctx, uint8_t *out, pbts_span in) {
    int done = 0;
    return in.len == 0 ||
           (EVP_CipherUpdate(ctx, out, &done, in.data, (int)in.len) == 1 && (size_t)done == in.len);
}

pbts_status pbts_seal(const pbts_sealer *sealer, uint8_t *out, pbts_random *random, pbts_span text,
                      pbts_span bound) {
    uint8_t rest[BLOCK_LEN];
    int done = 0;
    if (text.len > PBTS_SEAL_TEXT_MAX || bound.len > PBTS_SEAL_TEXT_MAX) return PBTS_LIMIT;
    PBTS_TRY(pbts_random_fill(random, out, PBTS_SEAL_NONCE_LEN));
    EVP_CIPHER_CTX *ctx = begin(sealer, out, bound, true);
    if (ctx == NULL) return PBTS_NO_MEMORY;
    uint8_t *tag = out + PBTS_SEAL_NONCE_LEN + text.len;
    bool good = convert(ctx, out + PBTS_SEAL_NONCE_LEN, text) &&
                EVP_CipherFinal_ex(ctx, rest, &done) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, PBTS_SEAL_TAG_LEN, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return good ? PBTS_OK : PBTS_NO_MEMORY;
}

pbts_status pbts_unseal(const pbts_sealer *sealer, uint8_t *out, pbts_span sealed,
                        pbts_span bound) {
    uint8_t rest[BLOCK_LEN], tag[PBTS_SEAL_TAG_LEN];
    int done = 0;
    if (sealed.len < PBTS_SEAL_OVERHEAD || bound.len > PBTS_SEAL_TEXT_MAX) return PBTS_CORRUPT;
    pbts_span text = { sealed.data + PBTS_SEAL_NONCE_LEN, sealed.len - PBTS_SEAL_OVERHEAD };
    if (text.len > PBTS_SEAL_TEXT_MAX) return PBTS_CORRUPT;
    EVP_CIPHER_CTX *ctx = begin(sealer, sealed.data, bound, false);
    if (ctx == NULL) return PBTS_NO_MEMORY;
    memcpy(tag, text.data + text.len, sizeof tag);
    bool made = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, PBTS_SEAL_TAG_LEN, tag) == 1 &&
                convert(ctx, out, text);
    bool good = made && EVP_CipherFinal_ex(ctx, rest, &done) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!good && text.len > 0) pbts_wipe(out, text.len);
    return good ? PBTS_OK : PBTS_CORRUPT;
}
