/* bls/bls.h - BLS12-381 signatures, minimal-signature-size (keys in G2, signatures in G1).
 *
 * The only module that sees blst.h. Bytes (pbts_bls_public, pbts_bls_signature: compressed, as on
 * the wire, untrusted) and points (pbts_bls_..._point: decoded, in the right subgroup, not
 * infinity) are different types; the decode functions are the one place where one becomes the
 * other. Source: draft-irtf-cfrg-bls-signature-05, RFC 9380 (hash to curve), DESIGN section 5.
 */
#ifndef PBTS_BLS_BLS_H
#define PBTS_BLS_BLS_H

#include "base/cursor.h"
#include "base/random.h"

enum {
    PBTS_BLS_SECRET_LEN = 32,
    PBTS_BLS_SEED_LEN = 32, /* the least that KeyGen takes */
    PBTS_BLS_PUBLIC_LEN = 96,
    PBTS_BLS_SIGNATURE_LEN = 48,
    PBTS_BLS_PUBLIC_RAW_LEN = 192, /* uncompressed: for our own store only, cheap to load again */
};

typedef struct {
    uint8_t bytes[PBTS_BLS_SECRET_LEN]; /* big-endian scalar, 1..r-1; wipe with pbts_wipe */
} pbts_bls_secret;
typedef struct {
    uint8_t bytes[PBTS_BLS_PUBLIC_LEN];
} pbts_bls_public;
typedef struct {
    uint8_t bytes[PBTS_BLS_SIGNATURE_LEN];
} pbts_bls_signature;

typedef struct {
    _Alignas(16) uint8_t opaque[192]; /* affine G2 */
} pbts_bls_public_point;
typedef struct {
    _Alignas(16) uint8_t opaque[144]; /* projective G1: a signature or a hashed message, or a sum */
} pbts_bls_g1_point;

/* The purposes of DESIGN section 5; each has its own domain tag. */
typedef enum {
    PBTS_BLS_REGISTER,
    PBTS_BLS_ANNOUNCE,
    PBTS_BLS_PIECE,
    PBTS_BLS_CUMULATIVE,
    PBTS_BLS_BATCH,
    PBTS_BLS_SESSION,
    PBTS_BLS_REPORT,
    PBTS_BLS_TICKET,
    PBTS_BLS_PEER,
    PBTS_BLS_LEDGER,     /* an entry of the local ledger, signed by the tracker key */
    PBTS_BLS_KMS_ATTEST, /* a statement of a key service's group for a chain; see docs/kms.md */
    PBTS_BLS_MEMBER,     /* who may take part while the tracker is away: wire/membership.h */
    PBTS_BLS_DHT_BEACON, /* what gives nodes of the DHT their places: wire/membership.h */
    PBTS_BLS_DHT_CERT,   /* a node's session key: dht/certificate.h */
    PBTS_BLS_KMS_NODE,   /* a node of the key service to the others */
    PBTS_BLS_KMS_KEY,    /* what a tracker's key is made of; this signature is a secret */
    PBTS_BLS_PURPOSES
} pbts_bls_purpose;

/* "PBTS_V1_PIECE_BLS12381G1_XMD:SHA-256_SSWU_RO_"; static. */
const char *pbts_bls_domain(pbts_bls_purpose purpose);

/* Keys. Generation: PBTS_IO when the random source fails. From bytes: PBTS_MALFORMED unless 1..r-1.
 */
PBTS_MUST_USE pbts_status pbts_bls_generate(pbts_bls_secret *out, pbts_random *random);
/* The key that a secret seed and a public label (key_info) stand for: KeyGen of
 * draft-irtf-cfrg-bls-signature-05, which is HKDF-SHA-256 to 48 bytes, reduced mod r. */
void pbts_bls_derive(pbts_bls_secret *out, const uint8_t seed[static PBTS_BLS_SEED_LEN],
                     pbts_span info);
PBTS_MUST_USE pbts_status pbts_bls_secret_check(const pbts_bls_secret *secret);
void pbts_bls_public_of(pbts_bls_public *out, const pbts_bls_secret *secret);

/* Sign in time that does not depend on the secret. */
void pbts_bls_sign(pbts_bls_signature *out, const pbts_bls_secret *secret, pbts_bls_purpose purpose,
                   pbts_span message);

/* Untrusted bytes to points: PBTS_MALFORMED for a bad encoding, a point off the curve or outside
 * the subgroup, or infinity. */
PBTS_MUST_USE pbts_status pbts_bls_public_decode(pbts_bls_public_point *out,
                                                 const pbts_bls_public *bytes);
PBTS_MUST_USE pbts_status pbts_bls_signature_decode(pbts_bls_g1_point *out,
                                                    const pbts_bls_signature *bytes);
void pbts_bls_public_encode(pbts_bls_public *out, const pbts_bls_public_point *point);
void pbts_bls_signature_encode(pbts_bls_signature *out, const pbts_bls_g1_point *point);
/* A point that this program checked before and stored itself: only the encoding is checked. */
void pbts_bls_public_to_raw(uint8_t out[static PBTS_BLS_PUBLIC_RAW_LEN],
                            const pbts_bls_public_point *point);
PBTS_MUST_USE pbts_status pbts_bls_public_from_raw(
    pbts_bls_public_point *out, const uint8_t raw[static PBTS_BLS_PUBLIC_RAW_LEN]);

/* Points of messages and sums of points. The weight form computes weight * point, weight > 0. */
void pbts_bls_hash(pbts_bls_g1_point *out, pbts_bls_purpose purpose, pbts_span message);
void pbts_bls_g1_add(pbts_bls_g1_point *sum, const pbts_bls_g1_point *point);
void pbts_bls_g1_weigh(pbts_bls_g1_point *out, const pbts_bls_g1_point *point, uint64_t weight);
void pbts_bls_g1_zero(pbts_bls_g1_point *out); /* the sum of nothing */

/* One signature, one message: PBTS_OK or PBTS_BAD_SIGNATURE. */
PBTS_MUST_USE pbts_status pbts_bls_verify(const pbts_bls_public_point *key,
                                          pbts_bls_purpose purpose, pbts_span message,
                                          const pbts_bls_g1_point *signature);

/* e(signature_sum, g2) == product over i of e(message_sums[i], keys[i]): `count` + 1 Miller loops,
 * one final exponentiation. count 0: PBTS_OK only for an empty sum. PBTS_OK or PBTS_BAD_SIGNATURE.
 * No heap. */
PBTS_MUST_USE pbts_status pbts_bls_verify_sums(const pbts_bls_public_point *keys,
                                               const pbts_bls_g1_point *message_sums, size_t count,
                                               const pbts_bls_g1_point *signature_sum);

#endif
