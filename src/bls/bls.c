/* Keys, signatures and points over blst. Bytes of the wire become points here and nowhere else. */
#include "bls/bls.h"

#include "base/assert.h"
#include "base/secret.h"
#include "bls/hash_domain.h"
#include "bls/points.h"

#define DOMAIN(purpose) "PBTS_V1_" purpose "_BLS12381G1_XMD:SHA-256_SSWU_RO_"

const char *pbts_bls_domain(pbts_bls_purpose purpose) {
    static const char *const domains[PBTS_BLS_PURPOSES] = {
        [PBTS_BLS_REGISTER] = DOMAIN("REGISTER"),
        [PBTS_BLS_ANNOUNCE] = DOMAIN("ANNOUNCE"),
        [PBTS_BLS_PIECE] = DOMAIN("PIECE"),
        [PBTS_BLS_CUMULATIVE] = DOMAIN("CUMULATIVE"),
        [PBTS_BLS_BATCH] = DOMAIN("BATCH"),
        [PBTS_BLS_SESSION] = DOMAIN("SESSION"),
        [PBTS_BLS_REPORT] = DOMAIN("REPORT"),
        [PBTS_BLS_TICKET] = DOMAIN("TICKET"),
        [PBTS_BLS_PEER] = DOMAIN("PEER"),
        [PBTS_BLS_LEDGER] = DOMAIN("LEDGER"),
        [PBTS_BLS_KMS_ATTEST] = DOMAIN("KMS_ATTEST"),
        [PBTS_BLS_MEMBER] = DOMAIN("MEMBER"),
        [PBTS_BLS_DHT_BEACON] = DOMAIN("DHT_BEACON"),
        [PBTS_BLS_DHT_CERT] = DOMAIN("DHT_CERT"),
        [PBTS_BLS_KMS_NODE] = DOMAIN("KMS_NODE"),
        [PBTS_BLS_KMS_KEY] = DOMAIN("KMS_KEY"),
    };
    assert((unsigned)purpose < PBTS_BLS_PURPOSES);
    return domains[purpose];
}

/* ---- keys and signing: nothing here may branch or index on the secret ---- */

void pbts_bls_derive(pbts_bls_secret *out, const uint8_t seed[static PBTS_BLS_SEED_LEN],
                     pbts_span info) {
    blst_scalar scalar;
    blst_keygen(&scalar, seed, PBTS_BLS_SEED_LEN, info.data, info.len);
    blst_bendian_from_scalar(out->bytes, &scalar);
    pbts_wipe(&scalar, sizeof scalar);
}

pbts_status pbts_bls_generate(pbts_bls_secret *out, pbts_random *random) {
    uint8_t seed[PBTS_BLS_SEED_LEN];
    pbts_status status = pbts_random_fill(random, seed, sizeof seed);
    if (status == PBTS_OK) pbts_bls_derive(out, seed, (pbts_span){ NULL, 0 });
    pbts_wipe(seed, sizeof seed);
    return status;
}

pbts_status pbts_bls_secret_check(const pbts_bls_secret *secret) {
    blst_scalar scalar;
    blst_scalar_from_bendian(&scalar, secret->bytes);
    bool in_range = blst_sk_check(&scalar);
    pbts_wipe(&scalar, sizeof scalar);
    return in_range ? PBTS_OK : PBTS_MALFORMED;
}

void pbts_bls_public_of(pbts_bls_public *out, const pbts_bls_secret *secret) {
    blst_scalar scalar;
    blst_p2 point;
    blst_scalar_from_bendian(&scalar, secret->bytes);
    blst_sk_to_pk_in_g2(&point, &scalar);
    pbts_wipe(&scalar, sizeof scalar);
    blst_p2_compress(out->bytes, &point);
}

void pbts_bls_sign(pbts_bls_signature *out, const pbts_bls_secret *secret, pbts_bls_purpose purpose,
                   pbts_span message) {
    blst_scalar scalar;
    pbts_bls_g1_point hashed;
    blst_p1 point;
    pbts_bls_hash(&hashed, purpose, message);
    blst_scalar_from_bendian(&scalar, secret->bytes);
    blst_sign_pk_in_g2(&point, g1(&hashed), &scalar);
    pbts_wipe(&scalar, sizeof scalar);
    blst_p1_compress(out->bytes, &point);
}

/* ---- untrusted bytes to points ---- */

pbts_status pbts_bls_public_decode(pbts_bls_public_point *out, const pbts_bls_public *bytes) {
    blst_p2_affine point;
    if (blst_p2_uncompress(&point, bytes->bytes) != BLST_SUCCESS) return PBTS_MALFORMED;
    if (blst_p2_affine_is_inf(&point)) return PBTS_MALFORMED;
    if (!blst_p2_affine_in_g2(&point)) return PBTS_MALFORMED;
    *g2(out) = point;
    return PBTS_OK;
}

pbts_status pbts_bls_signature_decode(pbts_bls_g1_point *out, const pbts_bls_signature *bytes) {
    blst_p1_affine point;
    if (blst_p1_uncompress(&point, bytes->bytes) != BLST_SUCCESS) return PBTS_MALFORMED;
    if (blst_p1_affine_is_inf(&point)) return PBTS_MALFORMED;
    if (!blst_p1_affine_in_g1(&point)) return PBTS_MALFORMED;
    blst_p1_from_affine(g1(out), &point);
    return PBTS_OK;
}

void pbts_bls_public_encode(pbts_bls_public *out, const pbts_bls_public_point *point) {
    blst_p2_affine_compress(out->bytes, g2_const(point));
}

void pbts_bls_signature_encode(pbts_bls_signature *out, const pbts_bls_g1_point *point) {
    blst_p1_compress(out->bytes, g1_const(point));
}

void pbts_bls_public_to_raw(uint8_t out[static PBTS_BLS_PUBLIC_RAW_LEN],
                            const pbts_bls_public_point *point) {
    blst_p2_affine_serialize(out, g2_const(point));
}

pbts_status pbts_bls_public_from_raw(pbts_bls_public_point *out,
                                     const uint8_t raw[static PBTS_BLS_PUBLIC_RAW_LEN]) {
    enum { COMPRESSED = 0x80 }; /* blst would then read the short form from the first half */
    blst_p2_affine point;
    if (raw[0] & COMPRESSED) return PBTS_MALFORMED;
    if (blst_p2_deserialize(&point, raw) != BLST_SUCCESS) return PBTS_MALFORMED;
    if (blst_p2_affine_is_inf(&point)) return PBTS_MALFORMED;
    *g2(out) = point;
    return PBTS_OK;
}

/* ---- points and sums ---- */

void pbts_bls_hash_domain(pbts_bls_g1_point *out, pbts_span domain, pbts_span message) {
    static const uint8_t nothing[1] = { 0 };
    assert(domain.len > 0 && domain.len <= 255);
    const uint8_t *data = message.len > 0 ? message.data : nothing;
    blst_hash_to_g1(g1(out), data, message.len, domain.data, domain.len, NULL, 0);
}

void pbts_bls_g1_coordinates(uint8_t out[static 96], const pbts_bls_g1_point *point) {
    blst_p1_serialize(out, g1_const(point));
}

void pbts_bls_hash(pbts_bls_g1_point *out, pbts_bls_purpose purpose, pbts_span message) {
    pbts_bls_hash_domain(out, pbts_span_text(pbts_bls_domain(purpose)), message);
}

void pbts_bls_g1_add(pbts_bls_g1_point *sum, const pbts_bls_g1_point *point) {
    /* The complete addition: the two may be equal, and either may be the sum of nothing. */
    blst_p1_add_or_double(g1(sum), g1_const(sum), g1_const(point));
}

void pbts_bls_g1_weigh(pbts_bls_g1_point *out, const pbts_bls_g1_point *point, uint64_t weight) {
    assert(weight > 0);
    uint8_t scalar[8]; /* little-endian, as blst takes it */
    for (size_t i = 0; i < sizeof scalar; i++) scalar[i] = (uint8_t)(weight >> (8 * i));
    blst_p1 product;
    blst_p1_mult(&product, g1_const(point), scalar, 8 * sizeof scalar);
    *g1(out) = product;
}

void pbts_bls_g1_zero(pbts_bls_g1_point *out) {
    memset(out, 0, sizeof *out); /* z = 0 */
}

/* ---- pairings ---- */

/* blst runs up to this many Miller loops in step, sharing the squarings of the accumulator. */
enum { LANES = 16 };

typedef struct {
    const blst_p2_affine *keys[LANES];
    const blst_p1 *points[LANES];
    size_t count; /* <= LANES */
    blst_fp12 product;
} pairing;

static void pairing_flush(pairing *pairs) {
    if (pairs->count == 0) return;
    blst_p1_affine affine[LANES];
    const blst_p1_affine *pointers[LANES];
    blst_fp12 product;
    blst_p1s_to_affine(affine, pairs->points, pairs->count); /* one field inversion for all */
    for (size_t i = 0; i < pairs->count; i++) pointers[i] = &affine[i];
    blst_miller_loop_n(&product, pairs->keys, pointers, pairs->count);
    blst_fp12_mul(&pairs->product, &pairs->product, &product);
    pairs->count = 0;
}

/* Multiply by e(point, key); both are borrowed until the next flush. */
static void pairing_multiply(pairing *pairs, const blst_p1 *point, const blst_p2_affine *key) {
    if (blst_p1_is_inf(point)) return; /* e(0, key) = 1, and a shared inversion forbids z = 0 */
    pairs->points[pairs->count] = point;
    pairs->keys[pairs->count++] = key;
    if (pairs->count == LANES) pairing_flush(pairs);
}

pbts_status pbts_bls_verify_sums(const pbts_bls_public_point *keys,
                                 const pbts_bls_g1_point *message_sums, size_t count,
                                 const pbts_bls_g1_point *signature_sum) {
    assert(count == 0 || (keys != NULL && message_sums != NULL));
    pairing pairs = { .count = 0, .product = *blst_fp12_one() };
    blst_p1 negated = *g1_const(signature_sum);
    blst_p1_cneg(&negated, true);
    pairing_multiply(&pairs, &negated, blst_p2_affine_generator());
    for (size_t i = 0; i < count; i++)
        pairing_multiply(&pairs, g1_const(&message_sums[i]), g2_const(&keys[i]));
    pairing_flush(&pairs);
    blst_final_exp(&pairs.product, &pairs.product);
    return blst_fp12_is_one(&pairs.product) ? PBTS_OK : PBTS_BAD_SIGNATURE;
}

pbts_status pbts_bls_verify(const pbts_bls_public_point *key, pbts_bls_purpose purpose,
                            pbts_span message, const pbts_bls_g1_point *signature) {
    pbts_bls_g1_point hashed;
    pbts_bls_hash(&hashed, purpose, message);
    return pbts_bls_verify_sums(key, &hashed, 1, signature);
}
