/* kms/gate.h - what a node asks before it gives its share of a key: everything, by itself.
 *
 * In this order: has the node a share; does it know the lineage, and in this mode and generation;
 * is its nonce among those of the request, its own, young and unused; is the quote genuine at this
 * time, allowed by the lineage's policy, and made for exactly this request; is a statement true.
 * Only then is the nonce used up and H(m)^s sealed to A.
 * Source: paper section 6.1, steps 1 and 2; docs/kms.md.
 */
#ifndef PBTS_KMS_GATE_H
#define PBTS_KMS_GATE_H

#include "attest/verify.h"
#include "base/moment.h"
#include "kms/lineage.h"

/* clang-format off */
/*    name            status       word              sentence */
#define PBTS_KMS_REFUSAL_MAP(X)                                                                   \
    X(NONE,           OK,          "accepted",       "every check passed")                        \
    X(REQUEST,        MALFORMED,   "request",        "the request cannot be read")                \
    X(NO_SHARE,       BUSY,        "no-share",       "the node has no share of the key yet")      \
    X(LINEAGE,        NOT_FOUND,   "lineage",        "the node does not know the lineage")        \
    X(MODE,           DENIED,      "mode",           "the lineage has its keys in the other mode") \
    X(GENERATION,     DENIED,      "generation",     "the lineage has no key of this generation") \
    X(NONCE_MISSING,  DENIED,      "nonce-missing",  "the request has no nonce of this node")     \
    X(NONCE_FOREIGN,  DENIED,      "nonce-foreign",  "the nonce is not one of this node")         \
    X(NONCE_STALE,    STALE,       "nonce-stale",    "the nonce is too old")                      \
    X(NONCE_USED,     EXISTS,      "nonce-used",     "the nonce was used before")                 \
    X(NONCES_FULL,    BUSY,        "nonces-full",    "too many nonces are in use")                \
    X(SIMULATED,      DENIED,      "simulated",      "the evidence is the simulator's")           \
    X(EVIDENCE,       DENIED,      "evidence",       "the evidence was refused")                  \
    X(STATEMENT,      DENIED,      "statement",      "the statement is not true of this guest")   \
    X(EPHEMERAL,      MALFORMED,   "ephemeral",      "the ephemeral key is of small order")       \
    X(RESOURCES,      NO_MEMORY,   "resources",      "there was no memory or randomness")
/* clang-format on */

typedef enum {
#define X(name, status, word, sentence) PBTS_KMS_REFUSED_##name,
    PBTS_KMS_REFUSAL_MAP(X)
#undef X
        PBTS_KMS_REFUSAL_COUNT
} pbts_kms_refusal;
const char *pbts_kms_refusal_word(pbts_kms_refusal refusal);
const char *pbts_kms_refusal_sentence(pbts_kms_refusal refusal);

typedef struct {
    const pbts_kms_group *group;
    size_t number;
    const pbts_kms_lineage *lineages; /* lineages_len of them */
    size_t lineages_len;
    const pbts_attest_root *root;
    const pbts_attest_root *simulator; /* NULL: the simulator is a forger like any other */
    pbts_kms_nonces *nonces;
    pbts_random *random;
    pbts_mem *mem;
} pbts_kms_gate;

typedef struct {
    pbts_kms_refusal refusal;
    pbts_attest_reason reason; /* EVIDENCE */
    bool is_simulated;         /* the evidence is the simulator's, whatever came of it */
} pbts_kms_verdict;

/* PBTS_OK, or the status of `verdict->refusal` (of `reason` where that is EVIDENCE). `key` is NULL
 * before there is one. */
PBTS_MUST_USE pbts_status pbts_kms_gate_answer(pbts_kms_reply *out, pbts_kms_verdict *verdict,
                                               const pbts_kms_gate *gate, const pbts_kms_key *key,
                                               pbts_span request, pbts_moment now);
/* What begins a conversation. PBTS_BUSY: no key yet; PBTS_IO. */
PBTS_MUST_USE pbts_status pbts_kms_gate_hello(pbts_kms_hello *out, const pbts_kms_gate *gate,
                                              const pbts_kms_key *key, uint64_t mono_ms);

#endif
