/* kms/node.h - a node of the key service over time: its key, the ceremony that runs, and the gossip
 * by which nodes hear of each other's messages. No I/O, no clock; a journal behind a seam.
 *
 * A host lets nodes ask each other, one question and one answer at a time:
 *
 *   pbts_kms_node_ask (A) -> pbts_kms_node_answer (B) -> pbts_kms_node_hear (A)
 *
 * and calls tick now and then. A question says what A knows, an answer brings what it does not:
 * of the ceremony that runs, and of the last one for who missed its end. Question: d 1:e EPOCH
 * 1:h the first 8 bytes of SHA-256 of each known message e; answer: d 1:e EPOCH 1:m LIST e.
 */
#ifndef PBTS_KMS_NODE_H
#define PBTS_KMS_NODE_H

#include "kms/ceremony.h"

enum {
    PBTS_KMS_QUESTION_LEN_MAX = 2048,
    PBTS_KMS_ANSWER_LEN_MAX = 192 * 1024,
    PBTS_KMS_SAID_LEN_MAX = 128 * 1024, /* all that was said in one ceremony, as a bencoded list */
    PBTS_KMS_ATTEMPT_STEP_MAX = 1000,   /* how far ahead of ours we follow one node; t nodes, any */
};

/* What must be on disk before the node goes on; each gives PBTS_OK or the reason why it is not,
 * which then is the caller's. */
typedef struct {
    void *host;
    /* A ceremony begins: forget the last attempt. The seed is secret. */
    pbts_status (*begin)(void *host, uint64_t epoch, uint64_t attempt,
                         const uint8_t seed[static PBTS_KMS_SEED_LEN]);
    pbts_status (*append)(void *host, pbts_span message);
    /* It ended with this key; `said` is for those who missed it. Seed and older keys go. */
    pbts_status (*end)(void *host, const pbts_kms_key *key, pbts_span said);
} pbts_kms_journal;

typedef struct {
    const pbts_kms_group *group; /* borrowed */
    size_t number;
    pbts_bls_secret identity;
    uint64_t commit_ms, phase_ms; /* kms/ceremony.h */
    uint64_t pause_ms;            /* between the beginnings of two ceremonies that others begin */
    pbts_random *random;
    pbts_kms_journal journal;
} pbts_kms_node_config;

typedef struct pbts_kms_node pbts_kms_node;

/* `key`: NULL before there is one, and copied; `said`: what `end` was given, or nothing.
 * PBTS_NO_MEMORY, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_kms_node_new(pbts_kms_node **out, pbts_mem *mem,
                                            const pbts_kms_node_config *config,
                                            const pbts_kms_key *key, pbts_span said);
void pbts_kms_node_free(pbts_kms_node *node); /* wipes; NULL is allowed */

/* After a restart: the ceremony that the journal has, then its messages in their order. Statuses of
 * pbts_kms_ceremony_new; PBTS_CORRUPT: a message is not one of that ceremony. */
PBTS_MUST_USE pbts_status pbts_kms_node_resume(pbts_kms_node *node, uint64_t epoch,
                                               uint64_t attempt,
                                               const uint8_t seed[static PBTS_KMS_SEED_LEN],
                                               uint64_t now_ms);
PBTS_MUST_USE pbts_status pbts_kms_node_replay(pbts_kms_node *node, pbts_span message,
                                               uint64_t now_ms);

/* Begin key generation, or a refresh when there is a key. PBTS_BUSY: a ceremony runs; PBTS_DENIED:
 * t = 1 has nothing to refresh; PBTS_IO and what the journal gives. */
PBTS_MUST_USE pbts_status pbts_kms_node_begin(pbts_kms_node *node, uint64_t now_ms);
/* Say what is due. Errors are the journal's or PBTS_NO_MEMORY, and it is tried again next time. */
PBTS_MUST_USE pbts_status pbts_kms_node_tick(pbts_kms_node *node, uint64_t now_ms);

/* Gossip. What is malformed as a whole is PBTS_MALFORMED or PBTS_LIMIT; a message in it that does
 * not fit is passed over and counted in `*refused`. */
void pbts_kms_node_ask(const pbts_kms_node *node, pbts_writer *question);
PBTS_MUST_USE pbts_status pbts_kms_node_answer(const pbts_kms_node *node, pbts_writer *answer,
                                               pbts_span question);
PBTS_MUST_USE pbts_status pbts_kms_node_hear(pbts_kms_node *node, size_t *refused, pbts_span answer,
                                             uint64_t now_ms);

/* NULL: none yet. Valid until the node hears or ticks. */
const pbts_kms_key *pbts_kms_node_key(const pbts_kms_node *node);
/* The ceremony that runs or failed last; NULL: none since the last key. */
const pbts_kms_ceremony *pbts_kms_node_ceremony(const pbts_kms_node *node);
/* What node `number` was last caught at. */
pbts_kms_fault pbts_kms_node_fault(const pbts_kms_node *node, size_t number);

#endif
