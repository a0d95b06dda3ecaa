/* hash/seal.h - authenticated encryption of many small records under one key: XAES-256-GCM.
 *
 *   sealed = nonce[24] || AES-256-GCM(derived key, nonce[12..24), text, bound) || tag[16]
 *   derived key = CMAC-AES-256(key, 00 01 'X' 00 || nonce[0..12)) ||
 *                 CMAC-AES-256(key, 00 02 'X' 00 || nonce[0..12))
 *
 * The nonce is random. AES-256-GCM alone has room for 2^32 random nonces before they may repeat,
 * and counters repeat when an old copy of a disk is put back; 192 random bits do neither. `bound`
 * is authenticated with the text and not kept: it names the record, so that none passes for
 * another. By OpenSSL. Source: C2SP XAES-256-GCM; NIST SP 800-38D and 800-108.
 */
#ifndef PBTS_HASH_SEAL_H
#define PBTS_HASH_SEAL_H

#include "base/cursor.h"
#include "base/random.h"

enum {
    PBTS_SEAL_KEY_LEN = 32,
    PBTS_SEAL_NONCE_LEN = 24,
    PBTS_SEAL_TAG_LEN = 16,
    PBTS_SEAL_OVERHEAD = PBTS_SEAL_NONCE_LEN + PBTS_SEAL_TAG_LEN,
    PBTS_SEAL_TEXT_MAX = 1 << 30, /* what OpenSSL's int lengths take, and more than any record */
};

typedef struct pbts_sealer pbts_sealer; /* holds the key, locked; usable from any thread */

/* PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_sealer_new(pbts_sealer **out,
                                          const uint8_t key[static PBTS_SEAL_KEY_LEN]);
void pbts_sealer_free(pbts_sealer *sealer); /* NULL is a no-op */

/* text.len + PBTS_SEAL_OVERHEAD bytes to `out`, which must not overlap. PBTS_LIMIT (longer than
 * PBTS_SEAL_TEXT_MAX), PBTS_NO_MEMORY, what `random` gives. */
PBTS_MUST_USE pbts_status pbts_seal(const pbts_sealer *sealer, uint8_t *out, pbts_random *random,
                                    pbts_span text, pbts_span bound);
/* sealed.len - PBTS_SEAL_OVERHEAD bytes to `out`, which must not overlap. PBTS_CORRUPT: not sealed
 * under this key for this record, or changed since; `out` then holds nothing. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_unseal(const pbts_sealer *sealer, uint8_t *out, pbts_span sealed,
                                      pbts_span bound);

#endif
