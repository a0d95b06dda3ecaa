#include "attest/verify.h"

#include <jansson.h>
#include <openssl/err.h>

#include "attest/collateral_parts.h"
#include "attest/p256.h"
#include "attest/tcb_json.h"
#include "hash/sha.h"

static const char PCK_EXTENSION_OID[] = "1.2.840.113741.1.13.1";

const pbts_attest_root PBTS_ATTEST_INTEL = {
    .key_hash = { 0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91,
                  0x86, 0x06, 0x8a, 0x7f, 0xc1, 0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35,
                  0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e },
    .vendor_id = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95,
                   0x7f, 0x06, 0x07 },
};

typedef struct {
    pbts_attest_verdict *verdict;
    const pbts_quote *quote;
    pbts_collateral *collateral;
    const pbts_attest_root *root;
    const pbts_attest_policy *policy;
    uint64_t now_s;
    pbts_x509_chain pck_chain;
    pbts_tcb_result tcb;
} verification;

/* ---- steps 1 to 3: from the guest to the platform ---- */

static pbts_attest_reason check_quote_signature(verification *v) {
    const pbts_quote *quote = v->quote;
    EVP_PKEY *key = pbts_collateral_attest_key(v->collateral, quote->attest_key);
    if (pbts_p256_verify_by(key, quote->signature, quote->signed_bytes) != PBTS_OK)
        return PBTS_ATTEST_QUOTE_SIGNATURE;
    if (memcmp(quote->vendor_id, v->root->vendor_id, sizeof quote->vendor_id) != 0)
        return PBTS_ATTEST_QUOTE_VENDOR;
    return PBTS_ATTEST_ACCEPTED;
}

static pbts_attest_reason check_key_binding(verification *v) {
    uint8_t wanted[PBTS_REPORT_DATA_LEN] = { 0 };
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, (pbts_span){ v->quote->attest_key, PBTS_P256_KEY_LEN });
    pbts_sha256_update(&state, v->quote->auth_data);
    pbts_sha256_final(&state, wanted);
    return memcmp(wanted, v->quote->qe.report_data, sizeof wanted) == 0 ? PBTS_ATTEST_ACCEPTED
                                                                        : PBTS_ATTEST_KEY_BINDING;
}

static pbts_attest_reason check_qe_signature(verification *v) {
    if (pbts_collateral_parse_platform(v->collateral, &v->pck_chain, v->quote->pck_chain_pem) !=
        PBTS_OK)
        return PBTS_ATTEST_PCK_FORMAT;
    EVP_PKEY *key = X509_get0_pubkey(v->pck_chain.certificates[0]);
    if (pbts_p256_verify_by(key, v->quote->qe_signature, v->quote->qe_report_bytes) != PBTS_OK)
        return PBTS_ATTEST_QE_SIGNATURE;
    return PBTS_ATTEST_ACCEPTED;
}

/* ---- steps 4 and 5: from the platform to the root, and what the root's owner says ---- */

static pbts_attest_reason check_pck_chain(verification *v) {
    pbts_collateral_use_root(v->collateral, v->root->key_hash);
    switch (pbts_collateral_check_platform(v->collateral, &v->pck_chain, v->quote->pck_chain_pem,
                                           v->now_s)) {
    case PBTS_X509_CHAIN_GOOD: break;
    case PBTS_X509_CHAIN_OTHER_ROOT: return PBTS_ATTEST_ROOT_KEY;
    case PBTS_X509_CHAIN_STALE: return PBTS_ATTEST_PCK_DATE;
    default: return PBTS_ATTEST_PCK_CHAIN;
    }
    return pbts_collateral_check_crls(v->collateral, &v->pck_chain, v->now_s);
}

static bool is_quoting_enclave(const pbts_qe_identity *wanted, const pbts_enclave_report *qe) {
    for (size_t i = 0; i < sizeof qe->attributes; i++) {
        if ((qe->attributes[i] & wanted->attributes_mask[i]) != wanted->attributes[i]) return false;
    }
    return (qe->miscselect & wanted->miscselect_mask) == wanted->miscselect &&
           memcmp(qe->mrsigner, wanted->mrsigner, sizeof qe->mrsigner) == 0 &&
           qe->isv_prod_id == wanted->isv_prod_id;
}

static pbts_attest_reason check_collateral(verification *v) {
    pbts_attest_reason reason = pbts_collateral_check_signed(v->collateral, v->now_s);
    if (reason != PBTS_ATTEST_ACCEPTED) return reason;
    return is_quoting_enclave(&v->collateral->qe_identity, &v->quote->qe) ? PBTS_ATTEST_ACCEPTED
                                                                          : PBTS_ATTEST_QE_MISMATCH;
}

/* ---- steps 6 to 9: what the platform and the guest are ---- */

static bool read_pck_extension(pbts_pck *out, X509 *leaf) {
    ASN1_OBJECT *oid = OBJ_txt2obj(PCK_EXTENSION_OID, 1);
    int at = oid != NULL ? X509_get_ext_by_OBJ(leaf, oid, -1) : -1;
    bool twice = at >= 0 && X509_get_ext_by_OBJ(leaf, oid, at) >= 0;
    ASN1_OBJECT_free(oid);
    if (at < 0 || twice) return false;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(leaf, at));
    pbts_span bytes = { ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value) };
    return pbts_pck_parse(out, bytes) == PBTS_OK;
}

static pbts_attest_reason check_platform(verification *v) {
    const pbts_tcb_info *info = &v->collateral->tcb_info;
    pbts_pck *pck = &v->verdict->pck;
    if (!read_pck_extension(pck, v->pck_chain.certificates[0])) return PBTS_ATTEST_PCK_EXTENSION;
    if (memcmp(pck->fmspc, info->fmspc, sizeof pck->fmspc) != 0) return PBTS_ATTEST_FMSPC_MISMATCH;
    if (memcmp(pck->pceid, info->pceid, sizeof pck->pceid) != 0) return PBTS_ATTEST_PCEID_MISMATCH;
    return PBTS_ATTEST_ACCEPTED;
}

static pbts_attest_reason check_level(verification *v) {
    return pbts_tcb_match(&v->tcb, &v->collateral->tcb_info, &v->verdict->pck, &v->quote->td);
}

static void add_advisory(pbts_attest_verdict *verdict, pbts_span id) {
    for (size_t i = 0; i < verdict->advisories_len; i++) {
        if (pbts_span_is(id, verdict->advisories[i])) return;
    }
    if (verdict->advisories_len == PBTS_ADVISORIES_MAX) return;
    char *place = verdict->advisories[verdict->advisories_len++];
    memcpy(place, id.data, id.len);
    place[id.len] = '\0';
}

static void add_advisories(pbts_attest_verdict *verdict, const pbts_tcb_level *level) {
    if (level == NULL) return;
    for (size_t i = 0; i < json_array_size(level->advisories); i++) {
        add_advisory(verdict, pbts_tcb_json_text(json_array_get(level->advisories, i)));
    }
}

static pbts_attest_reason check_convergence(verification *v) {
    pbts_attest_verdict *verdict = v->verdict;
    const pbts_collateral *collateral = v->collateral;
    pbts_attest_reason reason = pbts_tcb_converge(
        &v->tcb, &collateral->tcb_info, &collateral->qe_identity, &v->quote->td, &v->quote->qe);
    if (reason != PBTS_ATTEST_ACCEPTED) return reason;
    uint32_t of_info = collateral->tcb_info.evaluation;
    uint32_t of_identity = collateral->qe_identity.evaluation;
    verdict->status = v->tcb.status;
    verdict->platform = v->tcb.platform;
    verdict->tdx_module = v->tcb.tdx_module;
    verdict->qe = v->tcb.qe;
    verdict->evaluation = of_info < of_identity ? of_info : of_identity;
    add_advisories(verdict, v->tcb.level);
    add_advisories(verdict, v->tcb.module_level);
    add_advisories(verdict, v->tcb.qe_level);
    verdict->valid_to_s = UINT64_MAX;
    pbts_collateral_window(collateral, &verdict->valid_from_s, &verdict->valid_to_s);
    pbts_x509_chain_window(&v->pck_chain, &verdict->valid_from_s, &verdict->valid_to_s);
    verdict->has_tcb = true;
    return PBTS_ATTEST_ACCEPTED;
}

static pbts_attest_reason check_policy(verification *v) {
    return pbts_attest_policy_check(v->policy, &v->quote->td, v->verdict->status,
                                    v->verdict->evaluation);
}

/* ---- all ---- */

static pbts_attest_reason (*const STEPS[])(verification *) = {
    check_quote_signature, check_key_binding, check_qe_signature, check_pck_chain, check_collateral,
    check_platform,        check_level,       check_convergence,  check_policy,
};

static pbts_attest_reason take_steps(verification *v) {
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        pbts_attest_reason reason = STEPS[i](v);
        if (reason != PBTS_ATTEST_ACCEPTED) return reason;
    }
    return PBTS_ATTEST_ACCEPTED;
}

pbts_status pbts_attest_verify(pbts_attest_verdict *out, pbts_span quote,
                               pbts_collateral *collateral, const pbts_attest_root *root,
                               const pbts_attest_policy *policy, uint64_t now_s) {
    verification v = { .verdict = out,
                       .quote = &out->quote,
                       .collateral = collateral,
                       .root = root,
                       .policy = policy,
                       .now_s = now_s };
    memset(out, 0, sizeof *out);
    out->reason = pbts_quote_parse(&out->quote, quote);
    out->has_quote = out->reason == PBTS_ATTEST_ACCEPTED;
    if (out->has_quote) out->reason = take_steps(&v);
    pbts_x509_chain_free(&v.pck_chain);
    ERR_clear_error(); /* OpenSSL's: what was refused is in `reason` */
    return pbts_attest_reason_status(out->reason);
}
