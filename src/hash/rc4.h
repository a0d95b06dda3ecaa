/* hash/rc4.h - the RC4 stream cipher, by OpenSSL: for Message Stream Encryption alone.
 *
 * RC4 is broken as a cipher; BitTorrent's obfuscation prescribes it. Nothing else may use it.
 */
#ifndef PBTS_HASH_RC4_H
#define PBTS_HASH_RC4_H

#include "base/cursor.h"

/* The caller's storage; no heap. Secret: wipe with pbts_wipe. */
typedef struct {
    _Alignas(16) uint8_t state[1040]; /* opaque */
} pbts_rc4;

void pbts_rc4_init(pbts_rc4 *cipher, pbts_span key); /* 1..256 bytes */
/* Encrypt or decrypt the next `len` bytes; `out` and `in` may be the same, but not overlap
 * otherwise. */
void pbts_rc4_crypt(pbts_rc4 *cipher, uint8_t *out, const uint8_t *in, size_t len);
void pbts_rc4_skip(pbts_rc4 *cipher, size_t len);

#endif
