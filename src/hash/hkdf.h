/* hash/hkdf.h - HKDF-SHA-256: keys of their own purposes from one secret (RFC 5869). */
#ifndef PBTS_HASH_HKDF_H
#define PBTS_HASH_HKDF_H

#include "hash/sha.h"

enum { PBTS_HKDF_INFO_LEN_MAX = 128, PBTS_HKDF_OUT_LEN_MAX = 255 * PBTS_SHA256_LEN };

/* Extract and expand to `len` bytes, at most PBTS_HKDF_OUT_LEN_MAX; `info` has at most
 * PBTS_HKDF_INFO_LEN_MAX bytes. An empty salt stands for 32 zero bytes. No heap; what is made on
 * the way is wiped. Source: RFC 5869 sections 2.2 and 2.3. */
void pbts_hkdf_sha256(uint8_t *out, size_t len, pbts_span salt, pbts_span secret, pbts_span info);

#endif
