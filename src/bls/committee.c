/* Committees over blst. */
#include "bls/committee.h"

#include <blst.h>

#include "base/assert.h"

static_assert(sizeof((pbts_bls_committee){ 0 }.sum) == sizeof(blst_p1), "the sum is a blst_p1");
static_assert(sizeof((pbts_bls_committee){ 0 }.keys[0]) == sizeof(blst_p1_affine), "affine keys");

#define DOMAIN "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"

static const blst_p1_affine *key_at(const pbts_bls_committee *committee, size_t i) {
    return (const blst_p1_affine *)(const void *)committee->keys[i];
}

/* KeyValidate of the draft, section 2.5. */
static pbts_status key_decode(blst_p1_affine *out, const uint8_t *bytes) {
    if (blst_p1_uncompress(out, bytes) != BLST_SUCCESS) return PBTS_MALFORMED;
    if (blst_p1_affine_is_inf(out)) return PBTS_MALFORMED;
    return blst_p1_affine_in_g1(out) ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_bls_committee_decode(pbts_bls_committee *out, pbts_span keys) {
    blst_p1 *sum = (blst_p1 *)(void *)out->sum;
    size_t count = keys.len / PBTS_BLS_MEMBER_KEY_LEN;
    if (keys.len % PBTS_BLS_MEMBER_KEY_LEN != 0) return PBTS_MALFORMED;
    if (count == 0 || count > PBTS_BLS_COMMITTEE_MEMBERS_MAX) return PBTS_LIMIT;
    memset(out->sum, 0, sizeof out->sum); /* z = 0: the sum of nothing */
    for (size_t i = 0; i < count; i++) {
        blst_p1_affine *key = (blst_p1_affine *)(void *)out->keys[i];
        PBTS_TRY(key_decode(key, keys.data + i * PBTS_BLS_MEMBER_KEY_LEN));
        blst_p1_add_or_double_affine(sum, sum, key);
    }
    out->count = count;
    return PBTS_OK;
}

static bool has_signed(pbts_span bits, size_t member) {
    return (bits.data[member / 8] >> (member % 8) & 1) != 0;
}

/* Whether the bits are as many as there are members. */
static bool bits_fit(const pbts_bls_committee *committee, pbts_span bits) {
    size_t spare = committee->count % 8;
    if (bits.len != (committee->count + 7) / 8) return false;
    return spare == 0 || bits.data[bits.len - 1] >> spare == 0;
}

/* The fewer additions of two ways: those who signed, or all but those who did not. Keys may repeat,
 * so only the complete addition will do. */
static void sum_signers(blst_p1 *sum, const pbts_bls_committee *committee, pbts_span bits) {
    size_t signers = 0;
    for (size_t i = 0; i < committee->count; i++) signers += has_signed(bits, i);
    bool subtracts = 2 * signers > committee->count;
    memset(sum, 0, sizeof *sum);
    for (size_t i = 0; i < committee->count; i++) {
        if (has_signed(bits, i) == subtracts) continue;
        blst_p1_add_or_double_affine(sum, sum, key_at(committee, i));
    }
    if (!subtracts) return;
    blst_p1_cneg(sum, true);
    blst_p1_add_or_double(sum, sum, (const blst_p1 *)(const void *)committee->sum);
}

pbts_status pbts_bls_committee_sum(uint8_t out[static PBTS_BLS_MEMBER_KEY_LEN],
                                   const pbts_bls_committee *committee, pbts_span bits) {
    blst_p1 sum;
    if (!bits_fit(committee, bits)) return PBTS_MALFORMED;
    sum_signers(&sum, committee, bits);
    blst_p1_compress(out, &sum);
    return PBTS_OK;
}

/* e(g1, signature) == e(sum, H(message)), as one product of two Miller loops. */
static bool pairing_holds(const blst_p1 *sum, pbts_span message, const blst_p2_affine *signature) {
    blst_p2 hashed;
    blst_p2_affine hashed_affine;
    blst_p1 negated = *sum;
    blst_p1_affine key;
    blst_fp12 product;
    blst_hash_to_g2(&hashed, message.data, message.len, (const uint8_t *)DOMAIN, sizeof DOMAIN - 1,
                    NULL, 0);
    blst_p2_to_affine(&hashed_affine, &hashed);
    blst_p1_cneg(&negated, true);
    blst_p1_to_affine(&key, &negated);
    const blst_p1_affine *keys[] = { &key, blst_p1_affine_generator() };
    const blst_p2_affine *points[] = { &hashed_affine, signature };
    blst_miller_loop_n(&product, points, keys, 2);
    blst_final_exp(&product, &product);
    return blst_fp12_is_one(&product);
}

pbts_status
pbts_bls_committee_verify(const pbts_bls_committee *committee, pbts_span bits, pbts_span message,
                          const uint8_t signature[static PBTS_BLS_MEMBER_SIGNATURE_LEN]) {
    blst_p2_affine point;
    blst_p1 sum;
    if (!bits_fit(committee, bits)) return PBTS_MALFORMED;
    if (blst_p2_uncompress(&point, signature) != BLST_SUCCESS) return PBTS_MALFORMED;
    if (blst_p2_affine_is_inf(&point)) return PBTS_MALFORMED;
    if (!blst_p2_affine_in_g2(&point)) return PBTS_MALFORMED;
    sum_signers(&sum, committee, bits);
    /* With nobody's key, or with keys that cancel, anybody could sign anything: infinity. */
    if (blst_p1_is_inf(&sum)) return PBTS_BAD_SIGNATURE;
    return pairing_holds(&sum, message, &point) ? PBTS_OK : PBTS_BAD_SIGNATURE;
}
