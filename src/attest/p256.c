#include "attest/p256.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>

#include "base/assert.h"
#include "hash/sha.h"

enum {
    HALF = PBTS_P256_SIGNATURE_LEN / 2,
    DER_INTEGER = 0x02,
    DER_SEQUENCE = 0x30,
    INTEGER_MAX = 2 + 1 + PBTS_ECDSA_HALF_MAX, /* tag, length, a zero before a high bit */
    DER_MAX = 2 + 2 * INTEGER_MAX,
};
static_assert(2 * INTEGER_MAX < 0x80, "a sequence's length fits one byte");

/* INTEGER in its shortest form; returns its length. */
static size_t encode_integer(uint8_t *out, const uint8_t *bytes, size_t len) {
    while (len > 1 && bytes[0] == 0) {
        bytes++;
        len--;
    }
    size_t pad = bytes[0] >> 7;
    out[0] = DER_INTEGER;
    out[1] = (uint8_t)(pad + len);
    out[2] = 0;
    memcpy(out + 2 + pad, bytes, len);
    return 2 + pad + len;
}

/* ECDSA-Sig-Value of RFC 3279, section 2.2.3. */
static size_t encode_signature(uint8_t out[static DER_MAX], const uint8_t *r, const uint8_t *s,
                               size_t half) {
    size_t len = encode_integer(out + 2, r, half);
    len += encode_integer(out + 2 + len, s, half);
    out[0] = DER_SEQUENCE;
    out[1] = (uint8_t)len;
    return 2 + len;
}

pbts_status pbts_ecdsa_verify(EVP_PKEY *key, const uint8_t *r, const uint8_t *s, size_t half,
                              pbts_span digest) {
    uint8_t der[DER_MAX];
    assert(half > 0 && half <= PBTS_ECDSA_HALF_MAX);
    size_t der_len = encode_signature(der, r, s, half);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (context == NULL) return PBTS_NO_MEMORY;
    bool good = EVP_PKEY_verify_init(context) == 1 &&
                EVP_PKEY_verify(context, der, der_len, digest.data, digest.len) == 1;
    EVP_PKEY_CTX_free(context);
    return good ? PBTS_OK : PBTS_BAD_SIGNATURE;
}

static bool is_p256(EVP_PKEY *key) {
    char name[32];
    size_t len;
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
    return EVP_PKEY_get_group_name(key, name, sizeof name, &len) == 1 &&
           strcmp(name, SN_X9_62_prime256v1) == 0;
}

pbts_status pbts_p256_verify_by(EVP_PKEY *key,
                                const uint8_t signature[static PBTS_P256_SIGNATURE_LEN],
                                pbts_span message) {
    uint8_t digest[PBTS_SHA256_LEN];
    if (key == NULL || !is_p256(key)) return PBTS_BAD_SIGNATURE;
    pbts_sha256(digest, message);
    return pbts_ecdsa_verify(key, signature, signature + HALF, HALF, PBTS_SPAN_OF(digest));
}

EVP_PKEY *pbts_p256_key(const uint8_t key[static PBTS_P256_KEY_LEN]) {
    uint8_t point[1 + PBTS_P256_KEY_LEN] = { 0x04 }; /* uncompressed */
    char group[] = SN_X9_62_prime256v1;
    EVP_PKEY *out = NULL;
    memcpy(point + 1, key, PBTS_P256_KEY_LEN);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (context != NULL && EVP_PKEY_fromdata_init(context) == 1) {
        (void)EVP_PKEY_fromdata(context, &out, EVP_PKEY_PUBLIC_KEY, params);
    }
    EVP_PKEY_CTX_free(context);
    return out;
}
