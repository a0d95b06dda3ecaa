/* hash/sha.h - SHA-1, SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), by OpenSSL. */
#ifndef PBTS_HASH_SHA_H
#define PBTS_HASH_SHA_H

#include "base/cursor.h"

enum { PBTS_SHA1_LEN = 20, PBTS_SHA256_LEN = 32 };

void pbts_sha1(uint8_t out[static PBTS_SHA1_LEN], pbts_span bytes);
void pbts_sha256(uint8_t out[static PBTS_SHA256_LEN], pbts_span bytes);
void pbts_hmac_sha256(uint8_t out[static PBTS_SHA256_LEN], pbts_span key, pbts_span bytes);

/* Hash in parts. The caller's storage; no heap. init, update any number of times, final once. */
typedef struct {
    _Alignas(16) uint8_t state[128]; /* opaque */
} pbts_sha256_state;

void pbts_sha256_init(pbts_sha256_state *state);
void pbts_sha256_update(pbts_sha256_state *state, pbts_span bytes);
void pbts_sha256_final(pbts_sha256_state *state, uint8_t out[static PBTS_SHA256_LEN]);

typedef struct {
    _Alignas(16) uint8_t state[128]; /* opaque */
} pbts_sha1_state;

void pbts_sha1_init(pbts_sha1_state *state);
void pbts_sha1_update(pbts_sha1_state *state, pbts_span bytes);
void pbts_sha1_final(pbts_sha1_state *state, uint8_t out[static PBTS_SHA1_LEN]);

#endif
