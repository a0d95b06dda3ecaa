/* kms/dealing.h - one dealer's polynomial: made from a seed, sealed share by share, opened, and
 * judged by everybody when a share is wrong. Private.
 *
 * Node j has a key pair for one ceremony: E1 = e·g1, E2 = e·g2. A dealer draws r, sends R = r·g1,
 * and seals share j under K = r·E1 = e·R. K is to R what a signature is to a message under E2, so
 * a node that complains shows K, one pairing tells that it is the right one, and everybody sees
 * for themselves what was sealed: either the dealer lies or the one who complains.
 * Source: Pedersen 1991; Feldman 1987; Fouque and Stern 2001 (public complaints).
 */
#ifndef PBTS_KMS_DEALING_H
#define PBTS_KMS_DEALING_H

#include "kms/message.h"

enum { PBTS_KMS_SEED_LEN = 32 };

/* A node's secrets of one ceremony, all from its seed. Wipe with pbts_wipe. */
typedef struct {
    pbts_bls_secret coefficients[PBTS_KMS_NODES_MAX];
    size_t coefficients_len;
    pbts_bls_secret reader;    /* e */
    pbts_bls_secret ephemeral; /* r */
    bool is_refresh;           /* f(0) = 0; the first coefficient is that of x */
} pbts_kms_secrets;

/* PBTS_MALFORMED: the seed gives a 0, which none does. */
PBTS_MUST_USE pbts_status pbts_kms_secrets_of(pbts_kms_secrets *out,
                                              const uint8_t seed[static PBTS_KMS_SEED_LEN],
                                              const pbts_kms_group *group, uint64_t epoch);

/* Fill coefficients and ephemeral key of `deal`: what is public of the secrets. */
void pbts_kms_dealing_show(pbts_kms_message *deal, const pbts_kms_secrets *secrets);
/* The hash that a COMMIT shows of these two, which come later. R is among them so that nobody can
 * take another dealer's: who complains would show e·R, which opens the other's share too. */
void pbts_kms_dealing_hash(uint8_t out[static PBTS_KMS_HASH_LEN], const pbts_kms_group *group,
                           const pbts_kms_message *deal);

/* A dealing as it was read: points. */
typedef struct {
    size_t dealer;
    bool is_refresh;
    pbts_bls_public_point coefficients[PBTS_KMS_NODES_MAX];
    size_t coefficients_len;
    pbts_bls_g1_point ephemeral;
    uint8_t sealed[PBTS_KMS_NODES_MAX][PBTS_KMS_SEALED_SHARE_LEN];
} pbts_kms_dealing;

/* PBTS_MALFORMED: something is no point. */
PBTS_MUST_USE pbts_status pbts_kms_dealing_read(pbts_kms_dealing *out,
                                                const pbts_kms_message *deal);
/* Fill coefficients, ephemeral key and sealed shares of `deal`, whose head and transcript are
 * there. PBTS_NO_MEMORY, PBTS_MALFORMED (as above). */
PBTS_MUST_USE pbts_status pbts_kms_dealing_make(pbts_kms_message *deal,
                                                const pbts_kms_secrets *secrets,
                                                const pbts_kms_group *group,
                                                const pbts_bls_g1_point *readers);

/* f(x)·g2 from the coefficients. PBTS_MALFORMED: infinity. */
PBTS_MUST_USE pbts_status pbts_kms_dealing_public(pbts_bls_public_point *out,
                                                  const pbts_kms_dealing *dealing, size_t x);
/* Node `reader`'s share, opened by K and compared with the coefficients. PBTS_BAD_SIGNATURE: it
 * does not open or is not f(reader); PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_kms_dealing_open(pbts_bls_secret *out,
                                                const pbts_kms_dealing *dealing, size_t reader,
                                                const pbts_bls_g1_point *opened_key,
                                                const uint8_t transcript[static PBTS_KMS_HASH_LEN]);

#endif
