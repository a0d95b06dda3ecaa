#include "kms/dealing.h"

#include "base/assert.h"
#include "base/secret.h"
#include "hash/hkdf.h"

static pbts_status derive(pbts_bls_secret *out, const uint8_t *seed, const pbts_kms_group *group,
                          const char *what, uint8_t number) {
    uint8_t wide[64], info[32];
    pbts_writer writer = pbts_writer_over(info, sizeof info);
    pbts_write_text(&writer, what);
    pbts_write_u8(&writer, number);
    pbts_hkdf_sha256(wide, sizeof wide, PBTS_SPAN_OF(group->digest),
                     (pbts_span){ seed, PBTS_KMS_SEED_LEN }, pbts_writer_span(&writer));
    pbts_status status = pbts_bls_secret_of_wide(out, wide);
    pbts_wipe(wide, sizeof wide);
    return status;
}

pbts_status pbts_kms_secrets_of(pbts_kms_secrets *out, const uint8_t seed[static PBTS_KMS_SEED_LEN],
                                const pbts_kms_group *group, uint64_t epoch) {
    out->is_refresh = epoch > 1;
    out->coefficients_len = pbts_kms_coefficients_of(group, epoch);
    for (size_t i = 0; i < out->coefficients_len; i++) {
        PBTS_TRY(derive(&out->coefficients[i], seed, group, "coefficient", (uint8_t)i));
    }
    PBTS_TRY(derive(&out->reader, seed, group, "reader", 0));
    return derive(&out->ephemeral, seed, group, "ephemeral", 0);
}

void pbts_kms_dealing_show(pbts_kms_message *deal, const pbts_kms_secrets *secrets) {
    pbts_bls_g1_point ephemeral;
    pbts_bls_g1_generator(&ephemeral);
    pbts_bls_g1_times(&ephemeral, &ephemeral, &secrets->ephemeral);
    pbts_bls_signature_encode(&deal->ephemeral, &ephemeral);
    deal->coefficients_len = secrets->coefficients_len;
    for (size_t i = 0; i < secrets->coefficients_len; i++) {
        pbts_bls_public_of(&deal->coefficients[i], &secrets->coefficients[i]);
    }
}

void pbts_kms_dealing_hash(uint8_t out[static PBTS_KMS_HASH_LEN], const pbts_kms_group *group,
                           const pbts_kms_message *deal) {
    uint8_t buffer[128 + PBTS_KMS_NODES_MAX * PBTS_BLS_PUBLIC_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_write_text(&writer, "pbts-kms-commit-v1");
    pbts_write_bytes(&writer, PBTS_SPAN_OF(group->digest));
    pbts_write_u64(&writer, deal->epoch);
    pbts_write_u64(&writer, deal->attempt);
    pbts_write_u8(&writer, (uint8_t)deal->sender);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(deal->ephemeral.bytes));
    for (size_t i = 0; i < deal->coefficients_len; i++) {
        pbts_write_bytes(&writer, PBTS_SPAN_OF(deal->coefficients[i].bytes));
    }
    assert(!writer.failed);
    pbts_sha256(out, pbts_writer_span(&writer));
}

/* ---- reading ---- */

pbts_status pbts_kms_dealing_read(pbts_kms_dealing *out, const pbts_kms_message *deal) {
    out->dealer = deal->sender;
    out->is_refresh = deal->epoch > 1;
    out->coefficients_len = deal->coefficients_len;
    for (size_t i = 0; i < deal->coefficients_len; i++) {
        PBTS_TRY(pbts_bls_public_decode(&out->coefficients[i], &deal->coefficients[i]));
    }
    memcpy(out->sealed, deal->sealed, sizeof out->sealed);
    return pbts_bls_signature_decode(&out->ephemeral, &deal->ephemeral);
}

pbts_status pbts_kms_dealing_public(pbts_bls_public_point *out, const pbts_kms_dealing *dealing,
                                    size_t x) {
    PBTS_TRY(pbts_bls_public_at(out, dealing->coefficients, dealing->coefficients_len, (uint8_t)x));
    return dealing->is_refresh ? pbts_bls_public_times(out, out, (uint8_t)x) : PBTS_OK;
}

/* ---- shares ---- */

static void seal_key(uint8_t out[static PBTS_BOX_KEY_LEN], const pbts_bls_g1_point *shared,
                     const uint8_t *transcript, size_t dealer, size_t reader) {
    pbts_bls_signature bytes;
    uint8_t info[32];
    pbts_writer writer = pbts_writer_over(info, sizeof info);
    pbts_write_text(&writer, "pbts-kms-share-v1");
    pbts_write_u8(&writer, (uint8_t)dealer);
    pbts_write_u8(&writer, (uint8_t)reader);
    pbts_bls_signature_encode(&bytes, shared);
    pbts_hkdf_sha256(out, PBTS_BOX_KEY_LEN, (pbts_span){ transcript, PBTS_KMS_HASH_LEN },
                     PBTS_SPAN_OF(bytes.bytes), pbts_writer_span(&writer));
    pbts_wipe(&bytes, sizeof bytes);
}

static pbts_status share_of(pbts_bls_secret *out, const pbts_kms_secrets *secrets, size_t x) {
    PBTS_TRY(
        pbts_bls_polynomial_at(out, secrets->coefficients, secrets->coefficients_len, (uint8_t)x));
    if (secrets->is_refresh) pbts_bls_secret_times(out, out, (uint8_t)x);
    return PBTS_OK;
}

static pbts_status seal_share(pbts_kms_message *deal, const pbts_kms_secrets *secrets,
                              const pbts_bls_g1_point *reader_key, size_t reader) {
    uint8_t key[PBTS_BOX_KEY_LEN];
    pbts_bls_g1_point shared;
    pbts_bls_secret share;
    pbts_status status = share_of(&share, secrets, reader);
    if (status == PBTS_OK) {
        pbts_bls_g1_times(&shared, reader_key, &secrets->ephemeral);
        seal_key(key, &shared, deal->transcript, deal->sender, reader);
        status = pbts_box_seal(deal->sealed[reader - 1], key, (pbts_span){ 0 },
                               PBTS_SPAN_OF(share.bytes));
    }
    pbts_wipe(&shared, sizeof shared);
    pbts_wipe(key, sizeof key);
    pbts_wipe(&share, sizeof share);
    return status;
}

pbts_status pbts_kms_dealing_make(pbts_kms_message *deal, const pbts_kms_secrets *secrets,
                                  const pbts_kms_group *group, const pbts_bls_g1_point *readers) {
    pbts_kms_dealing_show(deal, secrets);
    for (size_t i = 0; i < group->nodes; i++) {
        PBTS_TRY(seal_share(deal, secrets, &readers[i], i + 1));
    }
    return PBTS_OK;
}

static bool is_share_of(const pbts_bls_secret *share, const pbts_kms_dealing *dealing,
                        size_t reader) {
    pbts_bls_public_point found, wanted;
    if (pbts_bls_secret_check(share) != PBTS_OK) return false;
    if (pbts_kms_dealing_public(&wanted, dealing, reader) != PBTS_OK) return false;
    pbts_bls_public_point_of(&found, share);
    return pbts_bls_public_equal(&found, &wanted);
}

pbts_status pbts_kms_dealing_open(pbts_bls_secret *out, const pbts_kms_dealing *dealing,
                                  size_t reader, const pbts_bls_g1_point *opened_key,
                                  const uint8_t transcript[static PBTS_KMS_HASH_LEN]) {
    uint8_t key[PBTS_BOX_KEY_LEN];
    pbts_bls_secret share;
    seal_key(key, opened_key, transcript, dealing->dealer, reader);
    pbts_status status = pbts_box_open(share.bytes, key, (pbts_span){ 0 },
                                       PBTS_SPAN_OF(dealing->sealed[reader - 1]));
    if (status == PBTS_OK && !is_share_of(&share, dealing, reader)) status = PBTS_BAD_SIGNATURE;
    if (status == PBTS_OK) *out = share;
    pbts_wipe(key, sizeof key);
    pbts_wipe(&share, sizeof share);
    return status;
}
