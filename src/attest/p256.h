/* attest/p256.h - ECDSA over P-256 with SHA-256, as quotes carry it. Private. By OpenSSL.
 *
 * PBTS_OK, or PBTS_BAD_SIGNATURE (also for a key that is no point of the curve); PBTS_NO_MEMORY.
 * Source: FIPS 186-5. */
#ifndef PBTS_ATTEST_P256_H
#define PBTS_ATTEST_P256_H

#include <openssl/evp.h>

#include "attest/quote.h"

/* The raw key of a quote, to verify with. NULL: no point of the curve, or no memory. The caller
 * frees it. */
EVP_PKEY *pbts_p256_key(const uint8_t key[static PBTS_P256_KEY_LEN]);

/* By a key which must be one of P-256; NULL is none. */
PBTS_MUST_USE pbts_status pbts_p256_verify_by(
    EVP_PKEY *key, const uint8_t signature[static PBTS_P256_SIGNATURE_LEN], pbts_span message);

/* Any curve, of a message's digest: r and s are big-endian, `half` bytes each, at most
 * PBTS_ECDSA_HALF_MAX. */
enum { PBTS_ECDSA_HALF_MAX = 48 };
PBTS_MUST_USE pbts_status pbts_ecdsa_verify(EVP_PKEY *key, const uint8_t *r, const uint8_t *s,
                                            size_t half, pbts_span digest);

#endif
