/* kms/nonce.h - a node's nonces: each good for one answer, for a while, at one node.
 *
 * A nonce carries its time and the node's MAC, so that asking for one takes no memory; only those
 * that were answered are remembered until they expire. The key is made at the start of the
 * process: a restart forgets no used nonce, it ends them all.
 *
 *   issued ms u64 ‖ random 8 ‖ HMAC-SHA-256(key, "pbts-kms-nonce-v1" ‖ node u8 ‖ these 16)[0..16)
 */
#ifndef PBTS_KMS_NONCE_H
#define PBTS_KMS_NONCE_H

#include "base/random.h"
#include "hash/sha.h"

enum {
    PBTS_KMS_NONCE_LEN = 32,
    PBTS_KMS_NONCES_USED_MAX = 1024, /* answers within PBTS_KMS_NONCE_MS; more are PBTS_BUSY */
    PBTS_KMS_NONCE_MS = 120 * 1000,  /* a guest fetches collateral and makes a quote in between */
};

typedef struct {
    uint8_t bytes[PBTS_KMS_NONCE_LEN];
} pbts_kms_nonce;

typedef struct {
    uint8_t key[PBTS_SHA256_LEN];
    uint8_t node;
    struct {
        pbts_kms_nonce nonce;
        uint64_t expires_ms;
    } used[PBTS_KMS_NONCES_USED_MAX];
    size_t used_len;
} pbts_kms_nonces;

/* PBTS_IO: no randomness. Times are of one monotonic clock. */
PBTS_MUST_USE pbts_status pbts_kms_nonces_init(pbts_kms_nonces *out, size_t node,
                                               pbts_random *random);
PBTS_MUST_USE pbts_status pbts_kms_nonces_make(const pbts_kms_nonces *nonces, pbts_kms_nonce *out,
                                               pbts_random *random, uint64_t now_ms);
/* PBTS_DENIED: not ours; PBTS_STALE: too old; PBTS_EXISTS: used. */
PBTS_MUST_USE pbts_status pbts_kms_nonces_check(const pbts_kms_nonces *nonces,
                                                const pbts_kms_nonce *nonce, uint64_t now_ms);
/* Check and use up; beside the statuses above PBTS_BUSY: too many are in use. */
PBTS_MUST_USE pbts_status pbts_kms_nonces_spend(pbts_kms_nonces *nonces,
                                                const pbts_kms_nonce *nonce, uint64_t now_ms);

#endif
