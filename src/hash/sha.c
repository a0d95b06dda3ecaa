/* OpenSSL's low-level interface is deprecated but kept through 3.x; it needs no heap and no
 * provider look-up, which the EVP interface pays on every short message. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "hash/sha.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/assert.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(pbts_sha256_state), "SHA-256 state fits");
_Static_assert(sizeof(SHA_CTX) <= sizeof(pbts_sha1_state), "SHA-1 state fits");

void pbts_sha256_init(pbts_sha256_state *state) {
    int done = SHA256_Init((SHA256_CTX *)(void *)state->state);
    assert(done == 1);
}

void pbts_sha256_update(pbts_sha256_state *state, pbts_span bytes) {
    int done = SHA256_Update((SHA256_CTX *)(void *)state->state, bytes.data, bytes.len);
    assert(done == 1);
}

void pbts_sha256_final(pbts_sha256_state *state, uint8_t out[static PBTS_SHA256_LEN]) {
    int done = SHA256_Final(out, (SHA256_CTX *)(void *)state->state);
    assert(done == 1);
}

void pbts_sha1_init(pbts_sha1_state *state) {
    int done = SHA1_Init((SHA_CTX *)(void *)state->state);
    assert(done == 1);
}

void pbts_sha1_update(pbts_sha1_state *state, pbts_span bytes) {
    int done = SHA1_Update((SHA_CTX *)(void *)state->state, bytes.data, bytes.len);
    assert(done == 1);
}

void pbts_sha1_final(pbts_sha1_state *state, uint8_t out[static PBTS_SHA1_LEN]) {
    int done = SHA1_Final(out, (SHA_CTX *)(void *)state->state);
    assert(done == 1);
}

void pbts_sha1(uint8_t out[static PBTS_SHA1_LEN], pbts_span bytes) {
    pbts_sha1_state state;
    pbts_sha1_init(&state);
    pbts_sha1_update(&state, bytes);
    pbts_sha1_final(&state, out);
}

void pbts_sha256(uint8_t out[static PBTS_SHA256_LEN], pbts_span bytes) {
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, bytes);
    pbts_sha256_final(&state, out);
}

void pbts_hmac_sha256(uint8_t out[static PBTS_SHA256_LEN], pbts_span key, pbts_span bytes) {
    unsigned len = PBTS_SHA256_LEN;
    assert(key.len <= INT32_MAX);
    const uint8_t *done =
        HMAC(EVP_sha256(), key.data, (int)key.len, bytes.data, bytes.len, out, &len);
    assert(done != NULL && len == PBTS_SHA256_LEN);
}
