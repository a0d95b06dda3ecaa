/* kms/ceremony.h - one key generation or refresh as one node sees it: messages and time in,
 * messages out, at the end a share. No I/O, no clock.
 *
 *   COMMIT  every node shows a hash of its polynomial and of the key that it will seal with, and
 *           a key to seal shares to. All n are needed; their hash is the transcript that
 *           everything later names
 *   DEAL    every node shows its polynomial in G2 and sealed shares. Nobody could choose theirs by
 *           the others'
 *   ACK     every node says which dealings are good; a complaint carries what everybody needs to
 *           see who lies (kms/dealing.h). A dealer that somebody has nothing good of by then does
 *           not count: its dealing may come later, when nobody can complain of it any more. In
 *           a refresh all n are needed
 *   VOTE    every node names the qualified dealers and the result, once, or gives up; also when
 *           somebody committed twice, because then there may be two transcripts
 *
 * A quorum of equal votes is the result, for all and for ever; when none can come about any more,
 * the ceremony has failed, until the other vote of who voted both ways makes one after all. A node
 * that voted is bound to it until one of the two is certain.
 * Who was late for ACK or VOTE still gets a share from what the others tell.
 * Source: Pedersen 1991, with the commitments of Gennaro, Jarecki, Krawczyk, Rabin 1999 against
 * the last one to speak; Herzberg, Jarecki, Krawczyk, Yung 1995 (refresh).
 */
#ifndef PBTS_KMS_CEREMONY_H
#define PBTS_KMS_CEREMONY_H

#include "base/mem.h"
#include "kms/dealing.h"

typedef struct pbts_kms_ceremony pbts_kms_ceremony;

typedef enum { PBTS_KMS_RUNNING, PBTS_KMS_CERTIFIED, PBTS_KMS_FAILED } pbts_kms_outcome;

/* What a node was caught at; the first of it. */
typedef enum {
    PBTS_KMS_HONEST,
    PBTS_KMS_TWO_WORDS,       /* signed two messages where there is one */
    PBTS_KMS_BAD_READER,      /* its key in G1 is not that in G2 */
    PBTS_KMS_BAD_DEALING,     /* not what it committed to, or no points */
    PBTS_KMS_BAD_SHARE,       /* sealed a share that is not the polynomial's */
    PBTS_KMS_FALSE_COMPLAINT, /* complained about a good share */
} pbts_kms_fault;
const char *pbts_kms_fault_word(pbts_kms_fault fault); /* "bad-share"; static */

typedef struct {
    const pbts_kms_group *group; /* borrowed */
    size_t number;               /* this node, 1..n */
    pbts_bls_secret identity;
    uint8_t seed[PBTS_KMS_SEED_LEN]; /* of this ceremony and no other */
    uint64_t epoch, attempt;
    const pbts_kms_key *base;     /* what is refreshed; NULL in epoch 1. Copied */
    uint64_t commit_ms, phase_ms; /* how long the first, and each later phase waits */
} pbts_kms_ceremony_config;

/* PBTS_DENIED: a refresh without a key of the epoch before, or with t = 1 (there is nothing to
 * change); PBTS_NO_MEMORY; PBTS_MALFORMED: the seed, as likely as guessing a key. */
PBTS_MUST_USE pbts_status pbts_kms_ceremony_new(pbts_kms_ceremony **out, pbts_mem *mem,
                                                const pbts_kms_ceremony_config *config,
                                                uint64_t now_ms);
void pbts_kms_ceremony_free(pbts_kms_ceremony *ceremony); /* wipes; NULL is allowed */

/* Take a decoded message, with its bytes. PBTS_OK: it is new and counts, and must be kept before
 * anybody hears what follows from it. PBTS_EXISTS: known, or its sender said something else before
 * and is named now; PBTS_STALE: of another ceremony or of another key; PBTS_NEED_MORE: what it
 * builds on is not here yet, so it comes again later; PBTS_DENIED: of another transcript. */
PBTS_MUST_USE pbts_status pbts_kms_ceremony_receive(pbts_kms_ceremony *ceremony,
                                                    const pbts_kms_message *message,
                                                    pbts_span bytes, uint64_t now_ms);
/* The message that this node owes now, appended; it counts once it is received like any other.
 * PBTS_NOT_FOUND: none; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_kms_ceremony_next(pbts_kms_ceremony *ceremony, pbts_writer *out,
                                                 uint64_t now_ms);

pbts_kms_outcome pbts_kms_ceremony_outcome(const pbts_kms_ceremony *ceremony);
/* The key, once certified. Without a share when the one that was dealt is wrong. */
const pbts_kms_key *pbts_kms_ceremony_key(const pbts_kms_ceremony *ceremony);
uint32_t pbts_kms_ceremony_qualified(const pbts_kms_ceremony *ceremony); /* once certified */
pbts_kms_fault pbts_kms_ceremony_fault(const pbts_kms_ceremony *ceremony, size_t number);
uint64_t pbts_kms_ceremony_epoch(const pbts_kms_ceremony *ceremony);
uint64_t pbts_kms_ceremony_attempt(const pbts_kms_ceremony *ceremony);
/* The bytes of what was said, empty when it was not; valid as long as the ceremony. */
pbts_span pbts_kms_ceremony_said(const pbts_kms_ceremony *ceremony, pbts_kms_kind kind,
                                 size_t number);

#endif
