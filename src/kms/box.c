#include "kms/box.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/assert.h"
#include "base/secret.h"

enum { NONCE_LEN = 12 };
static const uint8_t NO_NONCE[NONCE_LEN] = { 0 };

pbts_status pbts_box_seal(uint8_t *out, const uint8_t key[static PBTS_BOX_KEY_LEN],
                          pbts_span beside, pbts_span plain) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len;
    assert(plain.len <= INT32_MAX && beside.len <= INT32_MAX);
    bool good =
        context != NULL && EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, NO_NONCE) &&
        (beside.len == 0 || EVP_EncryptUpdate(context, NULL, &len, beside.data, (int)beside.len)) &&
        (plain.len == 0 || EVP_EncryptUpdate(context, out, &len, plain.data, (int)plain.len)) &&
        EVP_EncryptFinal_ex(context, out + plain.len, &len) &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, PBTS_BOX_TAG_LEN, out + plain.len);
    EVP_CIPHER_CTX_free(context);
    return good ? PBTS_OK : PBTS_NO_MEMORY;
}

pbts_status pbts_box_open(uint8_t *out, const uint8_t key[static PBTS_BOX_KEY_LEN],
                          pbts_span beside, pbts_span sealed) {
    uint8_t tag[PBTS_BOX_TAG_LEN];
    int len;
    if (sealed.len < PBTS_BOX_TAG_LEN) return PBTS_MALFORMED;
    size_t plain_len = sealed.len - PBTS_BOX_TAG_LEN;
    assert(plain_len <= INT32_MAX && beside.len <= INT32_MAX);
    memcpy(tag, sealed.data + plain_len, sizeof tag);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL) return PBTS_NO_MEMORY;
    bool good =
        EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, NO_NONCE) &&
        (beside.len == 0 || EVP_DecryptUpdate(context, NULL, &len, beside.data, (int)beside.len)) &&
        (plain_len == 0 || EVP_DecryptUpdate(context, out, &len, sealed.data, (int)plain_len)) &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, PBTS_BOX_TAG_LEN, tag) &&
        EVP_DecryptFinal_ex(context, out + plain_len, &len);
    EVP_CIPHER_CTX_free(context);
    if (!good) pbts_wipe(out, plain_len);
    ERR_clear_error();
    return good ? PBTS_OK : PBTS_BAD_SIGNATURE;
}

pbts_status pbts_x25519_public(uint8_t out[static PBTS_X25519_LEN],
                               const uint8_t secret[static PBTS_X25519_LEN]) {
    size_t len = PBTS_X25519_LEN;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, len);
    bool good = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &len) == 1;
    EVP_PKEY_free(key);
    return good ? PBTS_OK : PBTS_NO_MEMORY;
}

/* OpenSSL refuses a result of zeros, as RFC 7748 section 6.1 advises. */
pbts_status pbts_x25519_shared(uint8_t out[static PBTS_X25519_LEN],
                               const uint8_t secret[static PBTS_X25519_LEN],
                               const uint8_t theirs[static PBTS_X25519_LEN]) {
    size_t len = PBTS_X25519_LEN;
    EVP_PKEY *ours = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, len);
    EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, theirs, len);
    EVP_PKEY_CTX *context = ours != NULL ? EVP_PKEY_CTX_new(ours, NULL) : NULL;
    pbts_status status = PBTS_NO_MEMORY;
    if (peer != NULL && context != NULL && EVP_PKEY_derive_init(context) == 1) {
        bool good = EVP_PKEY_derive_set_peer(context, peer) == 1 &&
                    EVP_PKEY_derive(context, out, &len) == 1;
        status = good ? PBTS_OK : PBTS_MALFORMED;
    }
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(ours);
    ERR_clear_error();
    return status;
}
