/* bls/committee.h - signatures of a committee in the minimal-public-key-size form, as Ethereum's
 * sync committees make them: keys in G1 (48 bytes), signatures in G2 (96 bytes).
 *
 * Not the form of our own receipts (bls.h), whose keys are in G2. A committee's keys are decoded
 * and checked once; a signature then costs additions and one pairing product. When more than half
 * of the members signed, those who did not are subtracted from the sum of all.
 * Source: draft-irtf-cfrg-bls-signature-05, sections 3.3.4 (FastAggregateVerify) and 4.2.3 (the
 * proof-of-possession suite); Ethereum consensus specs, phase0/beacon-chain.md, "BLS signatures".
 */
#ifndef PBTS_BLS_COMMITTEE_H
#define PBTS_BLS_COMMITTEE_H

#include "base/cursor.h"

enum {
    PBTS_BLS_MEMBER_KEY_LEN = 48,        /* compressed G1 */
    PBTS_BLS_MEMBER_SIGNATURE_LEN = 96,  /* compressed G2 */
    PBTS_BLS_COMMITTEE_MEMBERS_MAX = 512 /* SYNC_COMMITTEE_SIZE of Ethereum's mainnet */
};

/* Decoded keys: each on the curve, in the subgroup, not infinity. A key may be there twice. */
typedef struct {
    size_t count;                  /* 1..PBTS_BLS_COMMITTEE_MEMBERS_MAX */
    _Alignas(16) uint8_t sum[144]; /* projective G1: all keys added up */
    _Alignas(16) uint8_t keys[PBTS_BLS_COMMITTEE_MEMBERS_MAX][96]; /* affine G1 */
} pbts_bls_committee;

/* Decode `count` compressed keys, one after the other; about 80 us each. PBTS_MALFORMED: the length
 * is not a multiple of 48, one is no encoding of a point of the subgroup, or is infinity;
 * PBTS_LIMIT: none, or more than PBTS_BLS_COMMITTEE_MEMBERS_MAX. On failure *out is undefined. */
PBTS_MUST_USE pbts_status pbts_bls_committee_decode(pbts_bls_committee *out, pbts_span keys);

/* FastAggregateVerify of the members whose bit is set, bit i being bit i % 8 (from the lowest) of
 * bits[i / 8]; `bits` has (count + 7) / 8 bytes, and bits past the last member must be 0.
 * PBTS_OK; PBTS_MALFORMED: bits of another length or with such a bit, or the signature is no point
 * of the subgroup, or infinity; PBTS_BAD_SIGNATURE: it is another's, or nobody signed. No heap. */
PBTS_MUST_USE pbts_status
pbts_bls_committee_verify(const pbts_bls_committee *committee, pbts_span bits, pbts_span message,
                          const uint8_t signature[static PBTS_BLS_MEMBER_SIGNATURE_LEN]);

/* The compressed sum of the members whose bit is set, as above; for tests and for showing.
 * PBTS_MALFORMED: the bits are wrong. */
PBTS_MUST_USE pbts_status pbts_bls_committee_sum(uint8_t out[static PBTS_BLS_MEMBER_KEY_LEN],
                                                 const pbts_bls_committee *committee,
                                                 pbts_span bits);

#endif
