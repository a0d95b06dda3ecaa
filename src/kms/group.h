/* kms/group.h - who the nodes of a key service are, and what they hold together.
 *
 * n nodes, of which any t give keys and t - 1 learn nothing; n >= 2t - 1, so that t are left when
 * t - 1 are dead or lie. Node numbers are 1..n, and number i is the x of share i. Everything that
 * the nodes agree on is bound to `digest`.
 */
#ifndef PBTS_KMS_GROUP_H
#define PBTS_KMS_GROUP_H

#include "base/writer.h"
#include "bls/threshold.h"
#include "hash/sha.h"

enum {
    PBTS_KMS_NODES_MAX = 16,
    PBTS_KMS_HASH_LEN = PBTS_SHA256_LEN,
    PBTS_KMS_KEY_LEN_MAX = 2560, /* pbts_kms_key_encode */
};

typedef struct {
    size_t nodes, threshold;                  /* n, t */
    pbts_bls_public keys[PBTS_KMS_NODES_MAX]; /* with which node i + 1 signs what it says */
    pbts_bls_public_point points[PBTS_KMS_NODES_MAX];
    uint8_t digest[PBTS_KMS_HASH_LEN]; /* SHA-256("pbts-kms-group-v1" ‖ t u8 ‖ n u8 ‖ keys) */
} pbts_kms_group;

/* PBTS_LIMIT: not 1 <= t, 2t - 1 <= n <= PBTS_KMS_NODES_MAX; PBTS_MALFORMED: a key is none;
 * PBTS_EXISTS: a key is there twice. */
PBTS_MUST_USE pbts_status pbts_kms_group_init(pbts_kms_group *out, size_t threshold,
                                              const pbts_bls_public *keys, size_t nodes);
/* How many votes decide: any two such sets have an honest node in common when fewer than t lie. */
size_t pbts_kms_group_quorum(const pbts_kms_group *group);
/* The number of a key, 1..n; 0: it is nobody's. */
size_t pbts_kms_group_number(const pbts_kms_group *group, const pbts_bls_public *key);

/* What is public of the shared secret: P = f(0) in G2, and f(i) of each node. */
typedef struct {
    uint64_t epoch; /* 1 from key generation, one more with each refresh; 0: there is none yet */
    pbts_bls_public_point group;
    pbts_bls_public_point shares[PBTS_KMS_NODES_MAX];
} pbts_kms_public;

/* One node's part. */
typedef struct {
    pbts_kms_public public;
    bool has_share; /* false: the share that it was given is wrong; it can verify, not answer */
    pbts_bls_secret share;
} pbts_kms_key;

void pbts_kms_public_digest(uint8_t out[static PBTS_KMS_HASH_LEN], const pbts_kms_public *public,
                            size_t nodes);
/* Whether the shares' public keys are those of one polynomial of degree t - 1 with f(0) = P.
 * PBTS_OK or PBTS_CORRUPT. */
PBTS_MUST_USE pbts_status pbts_kms_public_check(const pbts_kms_public *public, size_t nodes,
                                                size_t threshold);

/* As it is kept: bencode, secret. Decoding checks all of it, and that the share is node `number`'s.
 * PBTS_CORRUPT. */
void pbts_kms_key_encode(pbts_writer *writer, const pbts_kms_key *key, const pbts_kms_group *group);
PBTS_MUST_USE pbts_status pbts_kms_key_decode(pbts_kms_key *out, const pbts_kms_group *group,
                                              size_t number, pbts_span bytes);

#endif
