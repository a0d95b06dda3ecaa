/* Unit tests of attest/: evidence that is good in every respect but one is refused by the check
 * for that one. */
#include "forge.h"

/* With the default policy, any measurement, and exact-size copies of everything. */
static pbts_attest_reason verify_forged(pbts_attest_verdict *out, const forgery *f,
                                        uint64_t now_s) {
    static const char TEXT[] = "measurement = any any any any any\n";
    pbts_attest_policy policy;
    pbts_policy_mistake mistake;
    pbts_collateral *collateral = evidence_collateral(&f->files);
    uint8_t *quote = evidence_copy(f->quote_span);
    assert_int_equal(pbts_attest_policy_parse(&policy, &mistake, pbts_span_text(TEXT)), PBTS_OK);
    for (int i = 0; i < 2; i++) { /* with nothing remembered, and with all */
        pbts_attest_reason before = out->reason;
        (void)!pbts_attest_verify(out, (pbts_span){ quote, f->quote_span.len }, collateral,
                                  &f->anchor, &policy, now_s);
        if (i == 1) assert_reason(out->reason, before);
    }
    free(quote);
    pbts_collateral_free(collateral);
    return out->reason;
}

static pbts_attest_verdict verdict_of(forge_plan plan) {
    pbts_attest_verdict verdict = { 0 };
    forgery *f = forge(&plan);
    (void)verify_forged(&verdict, f, FORGE_NOW_S);
    forge_free(f);
    return verdict;
}

#define REFUSED(wanted, ...) \
    assert_reason(verdict_of((forge_plan){ __VA_ARGS__ }).reason, PBTS_ATTEST_##wanted)

static void good_evidence_is_accepted(void **state) {
    (void)state;
    pbts_attest_verdict verdict = verdict_of((forge_plan){ 0 });
    assert_reason(verdict.reason, PBTS_ATTEST_ACCEPTED);
    assert_int_equal(verdict.status, PBTS_TCB_UP_TO_DATE);
    assert_int_equal(verdict.evaluation, 16);
    assert_int_equal(verdict.advisories_len, 0);
    REFUSED(ACCEPTED, .version = 5);
    REFUSED(ACCEPTED, .nuls = 1, .trailing = 70);
}

static void step_1_the_attestation_key_signs_the_quote(void **state) {
    (void)state;
    REFUSED(QUOTE_SIGNATURE, .stranger_signs_quote = true);
    REFUSED(QUOTE_VENDOR, .vendor_is_other = true);
}

static void step_2_the_enclave_names_the_attestation_key(void **state) {
    (void)state;
    REFUSED(KEY_BINDING, .binding_is_wrong = true);
    REFUSED(KEY_BINDING, .binding_tail_is_set = true);
}

static void step_3_the_platform_signs_the_enclave(void **state) {
    (void)state;
    REFUSED(QE_SIGNATURE, .stranger_signs_qe = true);
}

static void step_4_the_platform_comes_from_the_root(void **state) {
    (void)state;
    REFUSED(PCK_CHAIN, .stranger_signs_pck = true);
    REFUSED(PCK_CHAIN, .stranger_signs_ca = true);
    REFUSED(PCK_CHAIN, .ca_is_no_ca = true);
    REFUSED(PCK_CHAIN, .ca_may_not_sign = true);
    REFUSED(PCK_CHAIN, .pck_is_ca = true);
    REFUSED(PCK_CHAIN, .ca_has_unknown_critical = true);
    REFUSED(PCK_CHAIN, .root_allows_no_ca = true);
    REFUSED(ROOT_KEY, .pck_chain_has_no_root = true);
    REFUSED(PCK_CHAIN, .pck_chain_is_tcb_chain = true);
    REFUSED(PCK_DATE, .pck_from_days = 1);
    REFUSED(PCK_DATE, .pck_to_days = -1);
    REFUSED(PCK_DATE, .ca_to_days = -1);
    REFUSED(ROOT_CRL, .stranger_signs_root_crl = true);
    REFUSED(ROOT_CRL, .crl_has_critical = true);
    REFUSED(ROOT_CRL_DATE, .root_crl_from_days = 1);
    REFUSED(ROOT_CRL_DATE, .root_crl_to_days = -1);
    REFUSED(PCK_CRL, .stranger_signs_pck_crl = true);
    REFUSED(PCK_CRL_DATE, .pck_crl_from_days = 1);
    REFUSED(PCK_CRL_DATE, .pck_crl_to_days = -1);
    REFUSED(PCK_REVOKED, .pck_is_revoked = true);
    REFUSED(PCK_REVOKED, .ca_is_revoked = true);
}

static void step_5_the_root_speaks_of_levels_and_enclaves(void **state) {
    (void)state;
    REFUSED(TCB_CHAIN, .stranger_signs_tcb = true);
    REFUSED(TCB_CHAIN_DATE, .tcb_to_days = -1);
    REFUSED(TCB_CHAIN_REVOKED, .tcb_is_revoked = true);
    REFUSED(TCB_SIGNER, .tcb_signer_name = "Intel SGX PCK Platform CA");
    REFUSED(TCB_INFO_SIGNATURE, .stranger_signs_tcb_info = true);
    REFUSED(TCB_INFO_ID, .tcb_from = "\"TDX\"", .tcb_to = "\"SGX\"");
    REFUSED(TCB_INFO_ID, .tcb_from = "\"version\":3", .tcb_to = "\"version\":2");
    REFUSED(TCB_INFO_FORMAT, .tcb_from = "\"tcbType\":0", .tcb_to = "\"tcbType\":1");
    REFUSED(TCB_INFO_FORMAT, .tcb_from = "\"UpToDate\"", .tcb_to = "\"Fine\"");
    REFUSED(TCB_INFO_FORMAT, .tcb_from = "\"id\"", .tcb_to = "\"id\":\"TDX\",\"id\"");
    REFUSED(TCB_INFO_DATE, .tcb_from = "-12T00", .tcb_to = "-16T00");
    REFUSED(TCB_INFO_DATE, .tcb_from = "-18T00", .tcb_to = "-15T00");
    REFUSED(QE_IDENTITY_SIGNATURE, .stranger_signs_qe_identity = true);
    REFUSED(QE_IDENTITY_ID, .qe_from = "TD_QE", .qe_to = "QE");
    REFUSED(QE_IDENTITY_ID, .qe_from = "\"version\":2", .qe_to = "\"version\":3");
    REFUSED(QE_IDENTITY_FORMAT, .qe_from = "\"isvprodid\":2", .qe_to = "\"isvprodid\":-2");
    REFUSED(QE_IDENTITY_DATE, .qe_from = "-12T00", .qe_to = "-16T00");
    REFUSED(QE_IDENTITY_DATE, .qe_from = "-18T00", .qe_to = "-15T00");
    REFUSED(QE_MISMATCH, .qe_from = "DC9E", .qe_to = "DC9F");
    REFUSED(QE_MISMATCH, .qe_from = "\"isvprodid\":2", .qe_to = "\"isvprodid\":1");
    REFUSED(QE_MISMATCH, .qe = { { 48, 0x17 } }); /* its DEBUG */
    REFUSED(QE_MISMATCH, .qe = { { 16, 1 } });
    REFUSED(ACCEPTED, .qe = { { 48, 0x11 } }); /* masked */
}

static void step_6_the_information_is_for_this_platform(void **state) {
    (void)state;
    REFUSED(PCK_EXTENSION, .pck_has_no_extension = true);
    REFUSED(FMSPC_MISMATCH, .tcb_from = "A0b1C2d3E4f5", .tcb_to = "A0b1C2d3E4f4");
    REFUSED(PCEID_MISMATCH, .tcb_from = "\"pceId\":\"0000\"", .tcb_to = "\"pceId\":\"0100\"");
}

static void step_7_the_platform_reaches_a_level(void **state) {
    (void)state;
    pbts_attest_verdict verdict = verdict_of((forge_plan){ .td = { { 2, 3 } } });
    assert_reason(verdict.reason, PBTS_ATTEST_POLICY_TCB_STATUS);
    assert_int_equal(verdict.platform, PBTS_TCB_OUT_OF_DATE);
    assert_int_equal(verdict.advisories_len, 2);
    assert_string_equal(verdict.advisories[1], "INTEL-SA-00002");
    REFUSED(TCB_NOT_SUPPORTED, .td = { { 2, 2 } });
    REFUSED(POLICY_TCB_STATUS, .tcb_from = "\"pcesvn\":11", .tcb_to = "\"pcesvn\":12");
}

static void step_8_module_and_enclave_have_levels_too(void **state) {
    (void)state;
    pbts_attest_verdict verdict = verdict_of((forge_plan){ .td = { { 0, 4 } } });
    assert_reason(verdict.reason, PBTS_ATTEST_POLICY_TCB_STATUS);
    assert_int_equal(verdict.platform, PBTS_TCB_UP_TO_DATE);
    assert_int_equal(verdict.tdx_module, PBTS_TCB_OUT_OF_DATE);
    assert_int_equal(verdict.status, PBTS_TCB_OUT_OF_DATE);
    assert_string_equal(verdict.advisories[0], "INTEL-SA-00003");
    REFUSED(MODULE_NOT_SUPPORTED, .td = { { 0, 2 } });
    REFUSED(MODULE_MISMATCH, .td = { { 1, 2 } });
    REFUSED(MODULE_MISMATCH, .td = { { 64, 1 } });  /* MRSIGNERSEAM */
    REFUSED(MODULE_MISMATCH, .td = { { 112, 1 } }); /* SEAM attributes */
    REFUSED(QE_NOT_SUPPORTED, .qe = { { 258, 3 } });
    verdict = verdict_of((forge_plan){ .qe_from = "UpToDate", .qe_to = "OutOfDate" });
    assert_int_equal(verdict.status, PBTS_TCB_OUT_OF_DATE);
    verdict = verdict_of((forge_plan){ .qe_from = "UpToDate", .qe_to = "Revoked" });
    assert_int_equal(verdict.status, PBTS_TCB_REVOKED);
    assert_reason(verdict.reason, PBTS_ATTEST_POLICY_TCB_STATUS);
}

/* A guest that started under module 4, on a machine that has 5 now. */
static void a_guest_under_an_old_module_is_to_be_relaunched(void **state) {
    (void)state;
    forge_plan plan = { .version = 5, .td = { { 0, 4 }, { 584, 5 }, { 585, 1 }, { 586, 4 } } };
    assert_int_equal(verdict_of(plan).status, PBTS_TCB_TD_RELAUNCH_ADVISED);
    plan.td[1].byte = 4; /* the machine's module is old as well */
    assert_int_equal(verdict_of(plan).status, PBTS_TCB_OUT_OF_DATE);
    plan.td[1].byte = 5;
    plan.td[3].byte = 3; /* or its microcode */
    assert_int_equal(verdict_of(plan).status, PBTS_TCB_OUT_OF_DATE);
    plan.td[3].byte = 4;
    plan.td[2].byte = 9; /* or its module is none that is known */
    assert_reason(verdict_of(plan).reason, PBTS_ATTEST_MODULE_MISMATCH);
    plan.td[2].byte = 1;
    plan.qe_from = "UpToDate";
    plan.qe_to = "OutOfDate";
    assert_int_equal(verdict_of(plan).status, PBTS_TCB_OUT_OF_DATE);
    plan.qe_from = NULL;
    plan.tcb_from = "11,\"tdxtcbcomponents\":" FORGE_SVNS(
        5, 0, 4) "},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"";
    plan.tcb_to =
        "11,\"tdxtcbcomponents\":" FORGE_SVNS(5, 0, 4) "},\"tcbStatus\":\"ConfigurationNeeded\"";
    assert_int_equal(verdict_of(plan).status, PBTS_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
}

static void step_9_is_the_policy(void **state) {
    (void)state;
    REFUSED(POLICY_DEBUG, .td = { { 120, 1 } });
    REFUSED(POLICY_SEPT_VE, .td = { { 123, 0x40 } });
    REFUSED(POLICY_CONFIG_ID, .td = { { 184, 1 } });
    REFUSED(POLICY_SERVICE_TD, .version = 5, .td = { { 600, 1 } });
}

/* The look-alike: Intel's name, another key. */
static void another_root_is_refused_whatever_its_name(void **state) {
    (void)state;
    forgery *f = forge(&(forge_plan){ 0 });
    pbts_attest_verdict verdict = { 0 };
    memcpy(f->anchor.key_hash, PBTS_ATTEST_INTEL.key_hash, sizeof f->anchor.key_hash);
    assert_reason(verify_forged(&verdict, f, FORGE_NOW_S), PBTS_ATTEST_ROOT_KEY);
    forge_free(f);
}

/* Collateral that was good under one root is not, therefore, under another. */
static void what_is_remembered_is_remembered_of_one_root(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    forgery *f = forge(&(forge_plan){ 0 }), *g = forge(&(forge_plan){ 0 });
    pbts_collateral *collateral = evidence_collateral(&f->files);
    pbts_attest_verdict verdict;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pbts_attest_verify(&verdict, f->quote_span, collateral, &f->anchor,
                                            &policy, FORGE_NOW_S),
                         PBTS_OK);
        (void)!pbts_attest_verify(&verdict, g->quote_span, collateral, &g->anchor, &policy,
                                  FORGE_NOW_S);
        assert_reason(verdict.reason, PBTS_ATTEST_ROOT_CRL);
        (void)!pbts_attest_verify(&verdict, g->quote_span, collateral, &f->anchor, &policy,
                                  FORGE_NOW_S);
        assert_reason(verdict.reason, PBTS_ATTEST_ROOT_KEY);
    }
    pbts_collateral_free(collateral);
    forge_free(f);
    forge_free(g);
}

/* Two authorities under one root: the list of one says nothing about the other. */
static void a_revocation_list_is_of_one_authority(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    forgery *f = forge(&(forge_plan){ 0 }), *g = forge_under(f, &(forge_plan){ 0 });
    pbts_collateral *collateral = evidence_collateral(&f->files);
    pbts_attest_verdict verdict;
    assert_memory_equal(f->anchor.key_hash, g->anchor.key_hash, sizeof f->anchor.key_hash);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pbts_attest_verify(&verdict, f->quote_span, collateral, &f->anchor,
                                            &policy, FORGE_NOW_S),
                         PBTS_OK);
        (void)!pbts_attest_verify(&verdict, g->quote_span, collateral, &f->anchor, &policy,
                                  FORGE_NOW_S);
        assert_reason(verdict.reason, PBTS_ATTEST_PCK_CRL);
    }
    pbts_collateral_free(collateral);
    forge_free(f);
    forge_free(g);
}

/* A signer's certificate that was good yesterday. */
static void what_is_remembered_grows_old(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    forgery *f = forge(&(forge_plan){ .tcb_to_days = 1 });
    pbts_collateral *collateral = evidence_collateral(&f->files);
    pbts_attest_verdict verdict;
    assert_int_equal(pbts_attest_verify(&verdict, f->quote_span, collateral, &f->anchor, &policy,
                                        FORGE_NOW_S + FORGE_DAY_S),
                     PBTS_OK);
    assert_true(verdict.valid_to_s == FORGE_NOW_S + FORGE_DAY_S);
    (void)!pbts_attest_verify(&verdict, f->quote_span, collateral, &f->anchor, &policy,
                              FORGE_NOW_S + FORGE_DAY_S + 1);
    assert_reason(verdict.reason, PBTS_ATTEST_TCB_CHAIN_DATE);
    pbts_collateral_free(collateral);
    forge_free(f);
}

static pbts_attest_reason verify_with(pbts_collateral *collateral, const forgery *f,
                                      uint64_t now_s) {
    pbts_attest_policy policy = evidence_policy();
    pbts_attest_verdict verdict;
    (void)!pbts_attest_verify(&verdict, f->quote_span, collateral, &f->anchor, &policy, now_s);
    return verdict.reason;
}

/* What is remembered of one platform is nobody else's, and is looked at again for its own. */
static void a_platform_that_is_remembered_vouches_for_no_other(void **state) {
    (void)state;
    static const struct {
        forge_plan plan;
        pbts_attest_reason wanted;
    } CASES[] = {
        { { .version = 5 }, PBTS_ATTEST_ACCEPTED },
        { { .stranger_signs_pck = true }, PBTS_ATTEST_PCK_CHAIN },
        { { .pck_is_ca = true }, PBTS_ATTEST_PCK_CHAIN },
        { { .pck_to_days = -1 }, PBTS_ATTEST_PCK_DATE },
        { { .pck_has_no_extension = true }, PBTS_ATTEST_PCK_EXTENSION },
        { { .stranger_signs_quote = true }, PBTS_ATTEST_QUOTE_SIGNATURE },
        { { .stranger_signs_qe = true }, PBTS_ATTEST_QE_SIGNATURE },
        { { .binding_is_wrong = true }, PBTS_ATTEST_KEY_BINDING },
    };
    forgery *f = forge(&(forge_plan){ 0 });
    pbts_collateral *collateral = evidence_collateral(&f->files);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        forgery *other = forge_beside(f, &CASES[i].plan);
        for (int again = 0; again < 2; again++) {
            assert_reason(verify_with(collateral, f, FORGE_NOW_S), PBTS_ATTEST_ACCEPTED);
            assert_reason(verify_with(collateral, other, FORGE_NOW_S), CASES[i].wanted);
            assert_reason(verify_with(collateral, other, FORGE_NOW_S), CASES[i].wanted);
        }
        forge_free(other);
    }
    forgery *stranger = forge(&(forge_plan){ 0 });
    stranger->anchor = f->anchor; /* same names, another root */
    assert_reason(verify_with(collateral, stranger, FORGE_NOW_S), PBTS_ATTEST_ROOT_KEY);
    assert_reason(verify_with(collateral, f, FORGE_NOW_S), PBTS_ATTEST_ACCEPTED);
    forge_free(stranger);
    pbts_collateral_free(collateral);
    forge_free(f);
}

static void a_platform_that_is_remembered_grows_old(void **state) {
    (void)state;
    static const struct {
        forge_plan plan;
        pbts_attest_reason wanted;
    } CASES[] = {
        { { .pck_to_days = 1 }, PBTS_ATTEST_PCK_DATE },
        { { .ca_to_days = 1 }, PBTS_ATTEST_PCK_DATE },
        { { .root_crl_to_days = 1 }, PBTS_ATTEST_ROOT_CRL_DATE },
        { { .pck_crl_to_days = 1 }, PBTS_ATTEST_PCK_CRL_DATE },
    };
    uint64_t last_s = FORGE_NOW_S + FORGE_DAY_S;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        forgery *f = forge(&CASES[i].plan);
        pbts_collateral *collateral = evidence_collateral(&f->files);
        assert_reason(verify_with(collateral, f, last_s), PBTS_ATTEST_ACCEPTED);
        assert_reason(verify_with(collateral, f, last_s + 1), CASES[i].wanted);
        assert_reason(verify_with(collateral, f, last_s), PBTS_ATTEST_ACCEPTED);
        pbts_collateral_free(collateral);
        forge_free(f);
    }
}

/* ---- genuine evidence that must be refused ---- */

static void a_chain_that_is_garbage_is_refused(void **state) {
    (void)state;
    pbts_span bytes = evidence_load("negative/pbts-reference-corrupt-chain.bin");
    evidence_set set = evidence_open(PHALA_SET);
    pbts_attest_verdict verdict;
    assert_reason(evidence_verify(&verdict, bytes, set.collateral, PHALA_NOW_S),
                  PBTS_ATTEST_QUOTE_LAYOUT);
    evidence_close(&set);
    evidence_free(bytes);
}

static size_t append(uint8_t *out, size_t len, pbts_span bytes) {
    memcpy(out + len, bytes.data, bytes.len);
    return len + bytes.len;
}

/* Intel's sample, whose root is called as the true one. It has DER where quotes have PEM; with its
 * own certificates as PEM in that place, it is its root's key that is refused, and nothing else:
 * told to trust that key, verification goes on to the dates. */
static void a_root_of_the_same_name_is_refused_by_its_key(void **state) {
    (void)state;
    enum { END = 632, CHAIN_AT = 636 + 128 + 6 + 384 + 64 + 2 };
    static uint8_t quote[16384];
    pbts_span sample = evidence_load("negative/intel-lookalike-root/quote.dat");
    pbts_span leaf = evidence_load("negative/intel-lookalike-root/pckCert.pem");
    pbts_span others = evidence_load("negative/intel-lookalike-root/pckSignChain.pem");
    pbts_span root_pem = evidence_load("negative/intel-lookalike-root/trustedRootCaCert.pem");
    evidence_set set = evidence_open(PHALA_SET);
    pbts_attest_policy policy = evidence_policy();
    pbts_x509_chain chain;
    pbts_attest_verdict verdict;
    assert_reason(evidence_verify(&verdict, sample, set.collateral, PHALA_NOW_S),
                  PBTS_ATTEST_PCK_FORMAT);
    assert_int_equal(verdict.quote.auth_data.len, 0);
    memcpy(quote, sample.data, CHAIN_AT);
    pbts_span middle = others, end = root_pem;
    size_t len = append(quote, CHAIN_AT + 6, leaf);
    assert_int_equal(pbts_x509_chain_parse_pem(&chain, others, NULL), PBTS_OK);
    bool root_is_first = X509_NAME_cmp(X509_get_subject_name(chain.certificates[0]),
                                       X509_get_issuer_name(chain.certificates[0])) == 0;
    pbts_x509_chain_free(&chain);
    if (root_is_first) { /* the intermediate is the second text */
        static const char BEGIN[] = "-----BEGIN";
        assert_true(others.len > sizeof BEGIN);
        const uint8_t *second = memmem(others.data + 1, others.len - 1, BEGIN, sizeof BEGIN - 1);
        assert_non_null(second);
        size_t skip = (size_t)(second - others.data);
        middle = (pbts_span){ others.data + skip, others.len - skip };
    } else {
        end = (pbts_span){ others.data, 0 };
    }
    quote[len++] = '\n';
    len = append(quote, len, middle);
    quote[len++] = '\n';
    len = append(quote, len, end);
    quote[CHAIN_AT] = 5;
    quote[CHAIN_AT + 1] = 0;
    forge_u32(quote + CHAIN_AT + 2, len - CHAIN_AT - 6);
    forge_u32(quote + 636 + 130, len - 636 - 134);
    forge_u32(quote + END, len - 636);
    pbts_span whole = { quote, len };
    pbts_attest_root intel = PBTS_ATTEST_INTEL;
    memcpy(intel.vendor_id, sample.data + 12, sizeof intel.vendor_id);
    (void)!pbts_attest_verify(&verdict, whole, set.collateral, &intel, &policy, PHALA_NOW_S);
    assert_reason(verdict.reason, PBTS_ATTEST_ROOT_KEY);
    assert_int_equal(pbts_x509_chain_parse_pem(&chain, root_pem, NULL), PBTS_OK);
    assert_int_equal(pbts_key_hash(intel.key_hash, chain.certificates[0]), PBTS_OK);
    pbts_x509_chain_free(&chain);
    (void)!pbts_attest_verify(&verdict, whole, set.collateral, &intel, &policy, PHALA_NOW_S);
    assert_reason(verdict.reason, PBTS_ATTEST_ROOT_CRL);
    evidence_close(&set);
    evidence_free(root_pem);
    evidence_free(others);
    evidence_free(leaf);
    evidence_free(sample);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_evidence_is_accepted),
        cmocka_unit_test(step_1_the_attestation_key_signs_the_quote),
        cmocka_unit_test(step_2_the_enclave_names_the_attestation_key),
        cmocka_unit_test(step_3_the_platform_signs_the_enclave),
        cmocka_unit_test(step_4_the_platform_comes_from_the_root),
        cmocka_unit_test(step_5_the_root_speaks_of_levels_and_enclaves),
        cmocka_unit_test(step_6_the_information_is_for_this_platform),
        cmocka_unit_test(step_7_the_platform_reaches_a_level),
        cmocka_unit_test(step_8_module_and_enclave_have_levels_too),
        cmocka_unit_test(a_guest_under_an_old_module_is_to_be_relaunched),
        cmocka_unit_test(step_9_is_the_policy),
        cmocka_unit_test(another_root_is_refused_whatever_its_name),
        cmocka_unit_test(what_is_remembered_is_remembered_of_one_root),
        cmocka_unit_test(a_revocation_list_is_of_one_authority),
        cmocka_unit_test(what_is_remembered_grows_old),
        cmocka_unit_test(a_platform_that_is_remembered_vouches_for_no_other),
        cmocka_unit_test(a_platform_that_is_remembered_grows_old),
        cmocka_unit_test(a_chain_that_is_garbage_is_refused),
        cmocka_unit_test(a_root_of_the_same_name_is_refused_by_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
