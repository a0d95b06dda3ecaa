/* kms/message.h - what nodes say to each other in a ceremony: signed, bencode, no I/O. Private.
 *
 *   d 1:b BODY 1:s SIGNATURE(48, purpose KMS_NODE, of BODY) e
 *
 * BODY is a dictionary with a (attempt), e (epoch), g (the group's digest), k (kind), n (the
 * sender's number), and of its kind, which come in this order:
 *
 *   0 COMMIT  b digest of what is refreshed, or zeros; c hash of what r and p will be;
 *             x, y the key to seal shares with, in G1 and in G2
 *   1 DEAL    t transcript; p the coefficients; r ephemeral key in G1; s a sealed share per node
 *   2 ACK     t transcript; v a verdict per dealer; of the complaints, in order: o the opened keys,
 *             h SHA-256 of the DEALs that they are about
 *   3 VOTE    t transcript; q qualified dealers, bit i - 1 for i; d digest of the result, or zeros
 *
 * No byte may be other than it is written here, so equal messages are equal bytes. Everything is
 * gossip: who hands a message on does not matter.
 */
#ifndef PBTS_KMS_MESSAGE_H
#define PBTS_KMS_MESSAGE_H

#include "kms/box.h"
#include "kms/group.h"

enum {
    PBTS_KMS_MESSAGE_LEN_MAX = 3072,
    PBTS_KMS_SEALED_SHARE_LEN = PBTS_BLS_SECRET_LEN + PBTS_BOX_TAG_LEN,
};

typedef enum {
    PBTS_KMS_COMMIT,
    PBTS_KMS_DEAL,
    PBTS_KMS_ACK,
    PBTS_KMS_VOTE,
    PBTS_KMS_KINDS
} pbts_kms_kind;

/* ABSENT: none came, or one that everybody can see to be wrong. */
typedef enum { PBTS_KMS_GOOD, PBTS_KMS_COMPLAINT, PBTS_KMS_ABSENT } pbts_kms_dealing_verdict;

typedef struct {
    pbts_kms_kind kind;
    uint64_t epoch, attempt; /* 1..INT64_MAX */
    size_t sender;           /* 1..n */
    /* COMMIT */
    uint8_t base[PBTS_KMS_HASH_LEN], hash[PBTS_KMS_HASH_LEN];
    pbts_bls_signature reader1;
    pbts_bls_public reader2;
    /* all others */
    uint8_t transcript[PBTS_KMS_HASH_LEN];
    /* DEAL */
    size_t coefficients_len; /* t, or t - 1 in a refresh (epoch > 1) */
    pbts_bls_public coefficients[PBTS_KMS_NODES_MAX];
    pbts_bls_signature ephemeral;
    uint8_t sealed[PBTS_KMS_NODES_MAX][PBTS_KMS_SEALED_SHARE_LEN];
    /* ACK */
    uint8_t verdicts[PBTS_KMS_NODES_MAX];          /* pbts_kms_dealing_verdict */
    pbts_bls_signature opened[PBTS_KMS_NODES_MAX]; /* by dealer, where there is a complaint */
    uint8_t about[PBTS_KMS_NODES_MAX][PBTS_KMS_HASH_LEN]; /* so too; of the signed message */
    /* VOTE */
    uint32_t qualified;
    uint8_t digest[PBTS_KMS_HASH_LEN];
} pbts_kms_message;

/* Sign and append. */
void pbts_kms_message_encode(pbts_writer *writer, const pbts_kms_message *message,
                             const pbts_kms_group *group, const pbts_bls_secret *identity);
/* PBTS_LIMIT: too long; PBTS_MALFORMED; PBTS_DENIED: of another group; PBTS_BAD_SIGNATURE. Points
 * are not looked at: they are bytes. */
PBTS_MUST_USE pbts_status pbts_kms_message_decode(pbts_kms_message *out,
                                                  const pbts_kms_group *group, pbts_span bytes);
size_t pbts_kms_coefficients_of(const pbts_kms_group *group, uint64_t epoch);

#endif
