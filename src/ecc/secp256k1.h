/* ecc/secp256k1.h - ECDSA on secp256k1, for the keys of sessions and of Ethereum accounts.
 *
 * As in bls/: bytes (…_public, …_signature: as on the wire, untrusted) and points (…_point:
 * decoded, on the curve, not infinity) are different types; pbts_secp256k1_public_decode is the one
 * place where one becomes the other. A message is its 32-byte digest. Signatures are deterministic
 * (RFC 6979) and low-s; a high-s one does not verify, so that nobody can make a second signature
 * from the first. Source: SEC 1 and 2, by libsecp256k1, which only this module sees.
 */
#ifndef PBTS_ECC_SECP256K1_H
#define PBTS_ECC_SECP256K1_H

#include "base/cursor.h"
#include "base/mem.h"
#include "base/random.h"

enum {
    PBTS_SECP256K1_SECRET_LEN = 32,
    PBTS_SECP256K1_PUBLIC_LEN = 33,
    PBTS_SECP256K1_SIGNATURE_LEN = 64,
    PBTS_SECP256K1_DIGEST_LEN = 32,
    PBTS_SECP256K1_AFFINE_LEN = 64,
};

typedef struct {
    uint8_t bytes[PBTS_SECP256K1_SECRET_LEN]; /* big-endian scalar, 1..n-1; wipe with pbts_wipe */
} pbts_secp256k1_secret;
typedef struct {
    uint8_t bytes[PBTS_SECP256K1_PUBLIC_LEN]; /* compressed: 02 or 03, then x */
} pbts_secp256k1_public;
typedef struct {
    uint8_t bytes[PBTS_SECP256K1_SIGNATURE_LEN]; /* r, s, big-endian */
} pbts_secp256k1_signature;
typedef struct {
    _Alignas(16) uint8_t opaque[64]; /* affine */
} pbts_secp256k1_point;

/* What works on secrets: blinded with random numbers, so that power and timing say less about
 * them. One thread at a time. Verifying needs none. */
typedef struct pbts_secp256k1_signer pbts_secp256k1_signer;

/* PBTS_NO_MEMORY, PBTS_IO (the random source failed). */
PBTS_MUST_USE pbts_status pbts_secp256k1_signer_new(pbts_secp256k1_signer **out, pbts_mem *mem,
                                                    pbts_random *random);
void pbts_secp256k1_signer_free(pbts_secp256k1_signer *signer); /* NULL is a no-op */

/* Keys. PBTS_IO when the random source fails, or gives nothing but what is no key. From bytes:
 * PBTS_MALFORMED unless 1..n-1. */
PBTS_MUST_USE pbts_status pbts_secp256k1_generate(pbts_secp256k1_secret *out, pbts_random *random);
PBTS_MUST_USE pbts_status pbts_secp256k1_secret_check(const pbts_secp256k1_secret *secret);
/* `secret` was generated or checked, here and below. */
void pbts_secp256k1_public_of(const pbts_secp256k1_signer *signer, pbts_secp256k1_public *out,
                              const pbts_secp256k1_secret *secret);
void pbts_secp256k1_sign(const pbts_secp256k1_signer *signer, pbts_secp256k1_signature *out,
                         const pbts_secp256k1_secret *secret,
                         const uint8_t digest[static PBTS_SECP256K1_DIGEST_LEN]);

/* PBTS_MALFORMED: no compressed encoding of a point of the curve. Infinity has none. */
PBTS_MUST_USE pbts_status pbts_secp256k1_public_decode(pbts_secp256k1_point *out,
                                                       const pbts_secp256k1_public *bytes);
void pbts_secp256k1_public_encode(pbts_secp256k1_public *out, const pbts_secp256k1_point *point);
/* x and y, big-endian: what Ethereum's addresses are made of. */
void pbts_secp256k1_public_affine(uint8_t out[static PBTS_SECP256K1_AFFINE_LEN],
                                  const pbts_secp256k1_point *point);

/* PBTS_OK or PBTS_BAD_SIGNATURE: r or s out of range, high s, or not of this key and digest.
 * From any thread; no heap. */
PBTS_MUST_USE pbts_status pbts_secp256k1_verify(
    const pbts_secp256k1_point *key, const uint8_t digest[static PBTS_SECP256K1_DIGEST_LEN],
    const pbts_secp256k1_signature *signature);

/* The same signature as pbts_secp256k1_sign, and the bit that its key is recovered with: whether
 * the y of the nonce's point is odd. Source: SEC 1 section 4.1.6, Yellow Paper appendix F. */
void pbts_secp256k1_sign_recoverable(const pbts_secp256k1_signer *signer,
                                     pbts_secp256k1_signature *out, bool *y_odd,
                                     const pbts_secp256k1_secret *secret,
                                     const uint8_t digest[static PBTS_SECP256K1_DIGEST_LEN]);
/* The one key under which the signature verifies with this bit. PBTS_BAD_SIGNATURE: r or s out of
 * range, high s, or no such key. Any other digest gives another key: compare it. */
PBTS_MUST_USE pbts_status pbts_secp256k1_recover(
    pbts_secp256k1_point *out, const uint8_t digest[static PBTS_SECP256K1_DIGEST_LEN],
    const pbts_secp256k1_signature *signature, bool y_odd);

#endif
