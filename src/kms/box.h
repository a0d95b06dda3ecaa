/* kms/box.h - bytes for one reader: AES-256-GCM under keys of their own use, X25519. Private, by
 * OpenSSL. Source: NIST SP 800-38D; RFC 7748 section 6.1. */
#ifndef PBTS_KMS_BOX_H
#define PBTS_KMS_BOX_H

#include "base/cursor.h"

enum { PBTS_BOX_KEY_LEN = 32, PBTS_BOX_TAG_LEN = 16, PBTS_X25519_LEN = 32 };

/* A key that seals one text and no other: the nonce is zeros. `out` has plain.len +
 * PBTS_BOX_TAG_LEN bytes. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_box_seal(uint8_t *out, const uint8_t key[static PBTS_BOX_KEY_LEN],
                                        pbts_span beside, pbts_span plain);
/* `out` has sealed.len - PBTS_BOX_TAG_LEN bytes, and nothing else on failure. PBTS_MALFORMED: too
 * short; PBTS_BAD_SIGNATURE: another key, or changed; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_box_open(uint8_t *out, const uint8_t key[static PBTS_BOX_KEY_LEN],
                                        pbts_span beside, pbts_span sealed);

PBTS_MUST_USE pbts_status pbts_x25519_public(uint8_t out[static PBTS_X25519_LEN],
                                             const uint8_t secret[static PBTS_X25519_LEN]);
/* PBTS_MALFORMED: theirs is a point of small order, so that everybody would know the result. */
PBTS_MUST_USE pbts_status pbts_x25519_shared(uint8_t out[static PBTS_X25519_LEN],
                                             const uint8_t secret[static PBTS_X25519_LEN],
                                             const uint8_t theirs[static PBTS_X25519_LEN]);

#endif
