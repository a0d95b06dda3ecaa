/* kms/ceremony_state.h - what a ceremony knows. Private to ceremony*.c. */
#ifndef PBTS_KMS_CEREMONY_STATE_H
#define PBTS_KMS_CEREMONY_STATE_H

#include "kms/ceremony.h"

typedef struct {
    size_t len; /* 0: not said */
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
} pbts_kms_said;

/* A dealing is bad when everybody can see it, and ours when our share opens. */
typedef struct {
    bool is_bad, is_ours;
    pbts_kms_dealing dealing;
    pbts_bls_secret share;        /* is_ours */
    pbts_bls_g1_point opened_key; /* K, for a complaint */
} pbts_kms_taken;

struct pbts_kms_ceremony {
    pbts_mem *mem;
    const pbts_kms_group *group;
    size_t number;
    pbts_bls_secret identity;
    pbts_kms_secrets secrets;
    uint64_t epoch, attempt, phase_ms;
    uint64_t commit_deadline_ms, deal_deadline_ms, ack_deadline_ms;
    pbts_kms_key base; /* of epoch - 1 */
    uint8_t base_digest[PBTS_KMS_HASH_LEN];
    pbts_kms_said said[PBTS_KMS_KINDS][PBTS_KMS_NODES_MAX];
    pbts_kms_fault faults[PBTS_KMS_NODES_MAX];
    /* Bit i - 1 for node i, as in `qualified`. */
    uint32_t said_twice[PBTS_KMS_KINDS]; /* whose words of a kind differ */
    uint32_t missed;                     /* dealers whom somebody's ACK calls absent */
    uint32_t doubted; /* dealers of whom somebody complained for a dealing that is not ours */
    /* COMMIT */
    bool has_transcript; /* all n committed */
    uint8_t transcript[PBTS_KMS_HASH_LEN];
    uint8_t hashes[PBTS_KMS_NODES_MAX][PBTS_KMS_HASH_LEN];
    pbts_bls_g1_point readers1[PBTS_KMS_NODES_MAX];
    pbts_bls_public_point readers2[PBTS_KMS_NODES_MAX];
    /* DEAL; by dealer, where said */
    pbts_kms_taken taken[PBTS_KMS_NODES_MAX];
    /* VOTE; by voter, where said */
    uint32_t qualified[PBTS_KMS_NODES_MAX];
    uint8_t votes[PBTS_KMS_NODES_MAX][PBTS_KMS_HASH_LEN];
    pbts_kms_outcome outcome;
    pbts_kms_key key; /* CERTIFIED */
    uint32_t key_qualified;
};

static inline bool pbts_kms_has_said(const pbts_kms_ceremony *c, pbts_kms_kind kind, size_t i) {
    return c->said[kind][i].len > 0;
}
size_t pbts_kms_said_count(const pbts_kms_ceremony *c, pbts_kms_kind kind);

/* ceremony_result.c: what a set of dealers gives. */

/* The public part; PBTS_NEED_MORE: a dealing is missing, PBTS_MALFORMED: a sum is infinity. */
PBTS_MUST_USE pbts_status pbts_kms_result_public(pbts_kms_public *out, const pbts_kms_ceremony *c,
                                                 uint32_t qualified);
void pbts_kms_result_digest(uint8_t out[static PBTS_KMS_HASH_LEN], const pbts_kms_ceremony *c,
                            const pbts_kms_public *public, uint32_t qualified);
/* Look at votes and dealings again: certified, failed, or neither yet. */
void pbts_kms_result_update(pbts_kms_ceremony *c);

#endif
