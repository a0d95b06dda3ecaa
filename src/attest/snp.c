#include "attest/snp.h"

#include <openssl/err.h>

#include "attest/certificates.h"
#include "attest/little.h"
#include "attest/p256.h"
#include "attest/snp_chip.h"
#include "base/assert.h"
#include "base/secret.h"

enum {
    SIGNED_LEN = 0x2a0,
    SCALAR_PLACE = 72, /* bytes for r and for s */
    P384_LEN = 48,
    SHA384_LEN = 48,
    SIGNATURE_ECDSA_P384 = 1,
    SIGNER_SHIFT = 2, /* of word 0x48: 0 is a VCEK */
    SIGNER_MASK = 7,
    REPORTED_TCB_AT = 0x180,
    CPU_FAMILY_AT = 0x188,
    CPU_MODEL_AT = 0x189,
    CHAIN_LEN = 3,
};
#define POLICY_MIGRATION (UINT64_C(1) << 18)
#define POLICY_DEBUG (UINT64_C(1) << 19)

const pbts_snp_roots PBTS_SNP_AMD = {
    .key_hash = {
        [PBTS_SNP_MILAN] = { 0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5, 0xff, 0xa8,
            0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b, 0xed, 0x8d, 0x6f, 0x07,
            0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9 },
        [PBTS_SNP_GENOA] = { 0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d, 0xb5, 0xfc,
            0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a, 0x9c, 0xeb, 0xd6, 0xcb,
            0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31 },
        [PBTS_SNP_TURIN] = { 0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56, 0xf9, 0x24,
            0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03, 0xf5, 0x3f, 0x90, 0x33,
            0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08 },
    },
};

static const struct {
    const char *word, *sentence;
    pbts_status status;
} REASONS[] = {
#define X(name, code, text, why) { text, why, PBTS_##code },
    PBTS_SNP_REASON_MAP(X)
#undef X
};

const char *pbts_snp_reason_word(pbts_snp_reason reason) {
    assert(reason < PBTS_SNP_REASON_COUNT);
    return REASONS[reason].word;
}

const char *pbts_snp_reason_sentence(pbts_snp_reason reason) {
    assert(reason < PBTS_SNP_REASON_COUNT);
    return REASONS[reason].sentence;
}

pbts_status pbts_snp_reason_status(pbts_snp_reason reason) {
    assert(reason < PBTS_SNP_REASON_COUNT);
    return REASONS[reason].status;
}

/* ---- the report ---- */

static bool is_zero(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

/* r and s have room that P-384 does not need. */
static bool is_signature_padded(const uint8_t *signature) {
    size_t spare = SCALAR_PLACE - P384_LEN;
    return is_zero(signature + P384_LEN, spare) &&
           is_zero(signature + SCALAR_PLACE + P384_LEN, spare) &&
           is_zero(signature + 2 * (size_t)SCALAR_PLACE,
                   PBTS_SNP_REPORT_LEN - SIGNED_LEN - 2 * SCALAR_PLACE);
}

static bool parse(pbts_snp_report *out, pbts_span bytes) {
    const uint8_t *at = bytes.data;
    if (bytes.len != PBTS_SNP_REPORT_LEN) return false;
    out->version = pbts_little_u32(at);
    if (out->version != 2 && out->version != 3 && out->version != 5) return false;
    if (pbts_little_u32(at + 0x34) != SIGNATURE_ECDSA_P384) return false;
    if ((pbts_little_u32(at + 0x48) >> SIGNER_SHIFT & SIGNER_MASK) != 0) return false;
    if (!is_signature_padded(at + SIGNED_LEN)) return false;
    out->guest_policy = pbts_little_u64(at + 0x08);
    out->vmpl = pbts_little_u32(at + 0x30);
    if (out->version >= 5) {
        out->mitigations_at_launch = pbts_little_u64(at + 0x1f8);
        out->mitigations_now = pbts_little_u64(at + 0x200);
    }
    memcpy(out->report_data, at + 0x50, sizeof out->report_data);
    memcpy(out->measurement, at + 0x90, sizeof out->measurement);
    memcpy(out->host_data, at + 0xc0, sizeof out->host_data);
    memcpy(out->chip_id, at + 0x1a0, sizeof out->chip_id);
    return true;
}

static void reverse(uint8_t *out, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) out[i] = bytes[len - 1 - i];
}

static bool is_signed_by(pbts_span report, X509 *vcek) {
    uint8_t r[P384_LEN], s[P384_LEN], digest[SHA384_LEN];
    char group[32];
    size_t len;
    EVP_PKEY *key = X509_get0_pubkey(vcek);
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
    if (EVP_PKEY_get_group_name(key, group, sizeof group, &len) != 1) return false;
    if (strcmp(group, SN_secp384r1) != 0) return false;
    reverse(r, report.data + SIGNED_LEN, sizeof r);
    reverse(s, report.data + SIGNED_LEN + SCALAR_PLACE, sizeof s);
    if (EVP_Digest(report.data, SIGNED_LEN, digest, NULL, EVP_sha384(), NULL) != 1) return false;
    return pbts_ecdsa_verify(key, r, s, P384_LEN, PBTS_SPAN_OF(digest)) == PBTS_OK;
}

/* ---- the chip's certificate ---- */

/* Which generation the certificate is for. Version 2 does not say which processor it is from. */
static pbts_snp_reason check_generation(pbts_snp_report *report, pbts_span bytes,
                                        const X509 *vcek) {
    if (!pbts_snp_generation_of(&report->generation, vcek)) return PBTS_SNP_GENERATION;
    if (report->version >= 3 && !pbts_snp_is_cpu_of(report->generation, bytes.data[CPU_FAMILY_AT],
                                                    bytes.data[CPU_MODEL_AT]))
        return PBTS_SNP_GENERATION;
    report->reported_tcb = pbts_snp_tcb_of(report->generation, bytes.data + REPORTED_TCB_AT);
    return PBTS_SNP_ACCEPTED;
}

static pbts_snp_reason check_chip(const pbts_snp_report *report, const X509 *vcek) {
    uint8_t chip_id[PBTS_SNP_CHIP_ID_LEN];
    pbts_snp_tcb tcb;
    if (!pbts_snp_chip_read(&tcb, chip_id, report->generation, vcek)) return PBTS_SNP_EXTENSIONS;
    if (memcmp(chip_id, report->chip_id, sizeof chip_id) != 0) return PBTS_SNP_CHIP;
    return memcmp(&tcb, &report->reported_tcb, sizeof tcb) == 0 ? PBTS_SNP_ACCEPTED : PBTS_SNP_TCB;
}

/* ---- chain and policy ---- */

static bool read_chain(pbts_x509_chain *out, const pbts_snp_certificates *certificates) {
    pbts_x509_chain vcek, others;
    if (pbts_x509_chain_parse_der(&vcek, &certificates->vcek_der, 1) != PBTS_OK) return false;
    if (pbts_x509_chain_parse_pem(&others, certificates->ask_ark_pem, NULL) != PBTS_OK) {
        pbts_x509_chain_free(&vcek);
        return false;
    }
    if (others.len != CHAIN_LEN - 1) {
        pbts_x509_chain_free(&vcek);
        pbts_x509_chain_free(&others);
        return false;
    }
    *out = vcek;
    for (size_t i = 0; i < others.len; i++) out->certificates[out->len++] = others.certificates[i];
    return true;
}

static pbts_snp_reason check_chain(const pbts_x509_chain *chain,
                                   const uint8_t root_key[static PBTS_ROOT_KEY_LEN],
                                   uint64_t now_s) {
    switch (pbts_x509_chain_check(chain, CHAIN_LEN, root_key, NULL, now_s)) {
    case PBTS_X509_CHAIN_GOOD: return PBTS_SNP_ACCEPTED;
    case PBTS_X509_CHAIN_OTHER_ROOT: return PBTS_SNP_ROOT_KEY;
    case PBTS_X509_CHAIN_STALE: return PBTS_SNP_DATE;
    default: return PBTS_SNP_CHAIN;
    }
}

static pbts_snp_reason check_policy(const pbts_snp_report *report,
                                    const pbts_attest_policy *policy) {
    if ((report->guest_policy & POLICY_DEBUG) != 0 && !policy->allow_debug) return PBTS_SNP_DEBUG;
    if ((report->guest_policy & POLICY_MIGRATION) != 0) return PBTS_SNP_MIGRATION;
    if (report->vmpl != 0) return PBTS_SNP_VMPL;
    if (!pbts_attest_policy_values_have(&policy->snp_measurement, report->measurement))
        return PBTS_SNP_MEASUREMENT;
    if (policy->has_report_data &&
        !pbts_equal_ct(policy->report_data, report->report_data, sizeof report->report_data))
        return PBTS_SNP_REPORT_DATA;
    return PBTS_SNP_ACCEPTED;
}

static pbts_snp_reason check(pbts_snp_report *report, pbts_span bytes, const pbts_x509_chain *chain,
                             const pbts_snp_roots *roots, const pbts_attest_policy *policy,
                             uint64_t now_s) {
    X509 *vcek = chain->certificates[0];
    if (!is_signed_by(bytes, vcek)) return PBTS_SNP_SIGNATURE;
    pbts_snp_reason reason = check_generation(report, bytes, vcek);
    if (reason == PBTS_SNP_ACCEPTED)
        reason = check_chain(chain, roots->key_hash[report->generation], now_s);
    if (reason == PBTS_SNP_ACCEPTED) reason = check_chip(report, vcek);
    if (reason == PBTS_SNP_ACCEPTED) reason = check_policy(report, policy);
    return reason;
}

pbts_status pbts_snp_verify(pbts_snp_report *out, pbts_snp_reason *reason, pbts_span report,
                            const pbts_snp_certificates *certificates, const pbts_snp_roots *roots,
                            const pbts_attest_policy *policy, uint64_t now_s) {
    pbts_snp_report parsed = { 0 };
    pbts_x509_chain chain = { 0 };
    if (!parse(&parsed, report)) {
        *reason = PBTS_SNP_LAYOUT;
    } else if (!read_chain(&chain, certificates)) {
        *reason = PBTS_SNP_CERTIFICATES;
    } else {
        *reason = check(&parsed, report, &chain, roots, policy, now_s);
    }
    pbts_x509_chain_free(&chain);
    ERR_clear_error();
    if (*reason == PBTS_SNP_ACCEPTED) *out = parsed;
    return pbts_snp_reason_status(*reason);
}
