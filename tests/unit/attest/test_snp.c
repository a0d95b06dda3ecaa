/* Unit tests of attest/snp.c on two genuine reports, and on what is changed in them. */
#include "attest/snp.h"

#include "attest/certificates.h"
#include "codec/text.h"
#include "forge.h"

enum { SEPTEMBER_2022_S = 1663981200, JULY_2026_S = 1783036800, FEBRUARY_2030_S = 1896134400 };

typedef struct {
    pbts_span report, ask_ark, vcek;
    uint8_t vcek_der[4096];
} snp_set;

static snp_set open_google(void) {
    snp_set set = { .report = evidence_load("sev-snp/go-sev-guest/report.bin"),
                    .ask_ark = evidence_load("sev-snp/go-sev-guest/ask_ark_milan.pem") };
    pbts_span vcek = evidence_load("sev-snp/go-sev-guest/vcek.der");
    memcpy(set.vcek_der, vcek.data, vcek.len);
    set.vcek.len = vcek.len;
    evidence_free(vcek);
    return set;
}

/* Its certificate is in PEM; the ARK is the same. */
static snp_set open_dstack(void) {
    static const char BEGIN[] = "-----BEGIN CERTIFICATE-----", END[] = "-----END CERTIFICATE-----";
    snp_set set = { .report = evidence_load("sev-snp/dstack/report.bin"),
                    .ask_ark = evidence_load("sev-snp/go-sev-guest/ask_ark_milan.pem") };
    pbts_span pem = evidence_load("sev-snp/dstack/sev_snp_vcek.pem");
    char base64[4096];
    size_t len = 0;
    const uint8_t *end = memmem(pem.data, pem.len, END, sizeof END - 1);
    assert_non_null(end);
    assert_memory_equal(pem.data, BEGIN, sizeof BEGIN - 1);
    for (const uint8_t *at = pem.data + sizeof BEGIN - 1; at < end; at++) {
        if (*at == '\n' || *at == '\r') continue;
        assert_true(len < sizeof base64);
        base64[len++] = (char)*at;
    }
    assert_int_equal(pbts_base64_decode(set.vcek_der, &set.vcek.len, sizeof set.vcek_der,
                                        (pbts_span){ (const uint8_t *)base64, len }),
                     PBTS_OK);
    evidence_free(pem);
    return set;
}

static void close_set(snp_set *set) {
    evidence_free(set->report);
    evidence_free(set->ask_ark);
}

static pbts_snp_reason verify(pbts_snp_report *out, const snp_set *set, pbts_span report,
                              const pbts_snp_roots *roots, const pbts_attest_policy *policy,
                              uint64_t now_s) {
    pbts_snp_certificates certificates = { .vcek_der = { set->vcek_der, set->vcek.len },
                                           .ask_ark_pem = set->ask_ark };
    pbts_snp_reason reason;
    pbts_status status = pbts_snp_verify(out, &reason, report, &certificates, roots, policy, now_s);
    assert_int_equal(status, pbts_snp_reason_status(reason));
    assert_int_equal(status == PBTS_OK, reason == PBTS_SNP_ACCEPTED);
    return reason;
}

#define assert_snp(found, wanted) \
    assert_string_equal(pbts_snp_reason_word(found), pbts_snp_reason_word(wanted))

/* The policy of Google's guest has its debug bit set: 0xb0000. */
static void genuine_reports_are_accepted(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    pbts_snp_report report;
    snp_set google = open_google(), dstack = open_dstack();
    assert_snp(verify(&report, &google, google.report, &PBTS_SNP_AMD, &policy, SEPTEMBER_2022_S),
               PBTS_SNP_ACCEPTED);
    assert_int_equal(report.version, 2);
    assert_int_equal(report.reported_tcb.microcode, 0x44);
    assert_snp(verify(&report, &dstack, dstack.report, &PBTS_SNP_AMD, &policy, JULY_2026_S),
               PBTS_SNP_ACCEPTED);
    assert_int_equal(report.version, 3);
    assert_int_equal(report.guest_policy, 0x30000);
    assert_memory_equal(report.report_data, "attest-test-fixture-2026", 24);
    close_set(&google);
    close_set(&dstack);
}

static void a_policy_is_kept(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    pbts_snp_report report;
    snp_set google = open_google(), dstack = open_dstack();
    policy.allow_debug = false;
    assert_snp(verify(&report, &google, google.report, &PBTS_SNP_AMD, &policy, SEPTEMBER_2022_S),
               PBTS_SNP_DEBUG);
    assert_snp(verify(&report, &dstack, dstack.report, &PBTS_SNP_AMD, &policy, JULY_2026_S),
               PBTS_SNP_ACCEPTED);
    policy.snp_measurement = (pbts_attest_policy_values){ .len = 1 };
    assert_snp(verify(&report, &dstack, dstack.report, &PBTS_SNP_AMD, &policy, JULY_2026_S),
               PBTS_SNP_MEASUREMENT);
    memcpy(policy.snp_measurement.values[0].bytes, dstack.report.data + 0x90, 48);
    assert_snp(verify(&report, &dstack, dstack.report, &PBTS_SNP_AMD, &policy, JULY_2026_S),
               PBTS_SNP_ACCEPTED);
    policy.has_report_data = true;
    assert_snp(verify(&report, &dstack, dstack.report, &PBTS_SNP_AMD, &policy, JULY_2026_S),
               PBTS_SNP_REPORT_DATA);
    memcpy(policy.report_data, dstack.report.data + 0x50, 64);
    assert_snp(verify(&report, &dstack, dstack.report, &PBTS_SNP_AMD, &policy, JULY_2026_S),
               PBTS_SNP_ACCEPTED);
    close_set(&google);
    close_set(&dstack);
}

static void root_and_dates_are_looked_at(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    pbts_snp_report report;
    snp_set google = open_google();
    pbts_snp_roots others = PBTS_SNP_AMD;
    others.key_hash[PBTS_SNP_MILAN][31] ^= 1;
    assert_snp(verify(&report, &google, google.report, &others, &policy, SEPTEMBER_2022_S),
               PBTS_SNP_ROOT_KEY);
    others = PBTS_SNP_AMD; /* the root of another generation vouches for nobody in this one */
    memcpy(others.key_hash[PBTS_SNP_MILAN], PBTS_SNP_AMD.key_hash[PBTS_SNP_GENOA], 32);
    memcpy(others.key_hash[PBTS_SNP_GENOA], PBTS_SNP_AMD.key_hash[PBTS_SNP_MILAN], 32);
    assert_snp(verify(&report, &google, google.report, &others, &policy, SEPTEMBER_2022_S),
               PBTS_SNP_ROOT_KEY);
    assert_snp(verify(&report, &google, google.report, &PBTS_SNP_AMD, &policy, 1600000000),
               PBTS_SNP_DATE);
    assert_snp(verify(&report, &google, google.report, &PBTS_SNP_AMD, &policy, FEBRUARY_2030_S),
               PBTS_SNP_DATE);
    close_set(&google);
}

/* Another chip's certificate, of the same authority. */
static void a_report_is_of_the_chip_of_its_certificate(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    pbts_snp_report report;
    snp_set google = open_google(), dstack = open_dstack();
    assert_snp(verify(&report, &dstack, google.report, &PBTS_SNP_AMD, &policy, JULY_2026_S),
               PBTS_SNP_SIGNATURE);
    close_set(&google);
    close_set(&dstack);
}

static void every_byte_of_a_report_counts(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    pbts_snp_report report;
    snp_set google = open_google();
    uint8_t *bytes = evidence_copy(google.report);
    for (size_t i = 0; i < google.report.len; i++) {
        bytes[i] ^= (uint8_t)(1U << (i % 8));
        pbts_snp_reason reason = verify(&report, &google, (pbts_span){ bytes, google.report.len },
                                        &PBTS_SNP_AMD, &policy, SEPTEMBER_2022_S);
        assert_true(reason == PBTS_SNP_LAYOUT || reason == PBTS_SNP_SIGNATURE);
        bytes[i] ^= (uint8_t)(1U << (i % 8));
    }
    for (size_t len = 0; len < google.report.len; len += 37) {
        assert_snp(verify(&report, &google, (pbts_span){ bytes, len }, &PBTS_SNP_AMD, &policy,
                          SEPTEMBER_2022_S),
                   PBTS_SNP_LAYOUT);
    }
    free(bytes);
    close_set(&google);
}

static void every_byte_of_the_chips_certificate_counts(void **state) {
    (void)state;
    pbts_attest_policy policy = evidence_policy();
    pbts_snp_report report;
    snp_set google = open_google();
    for (size_t i = 0; i < google.vcek.len; i += 3) {
        google.vcek_der[i] ^= (uint8_t)(1U << (i % 8));
        assert_int_not_equal(
            verify(&report, &google, google.report, &PBTS_SNP_AMD, &policy, SEPTEMBER_2022_S),
            PBTS_SNP_ACCEPTED);
        google.vcek_der[i] ^= (uint8_t)(1U << (i % 8));
    }
    close_set(&google);
}

/* The certificates of the roots sign themselves, and theirs are the keys that are pinned. */
static void the_pinned_roots_are_those_of_amd(void **state) {
    (void)state;
    static const struct {
        const char *name, *subject;
        pbts_snp_generation generation;
    } ROOTS[] = {
        { "ark_genoa.pem", "ARK-Genoa", PBTS_SNP_GENOA },
        { "ark_turin.pem", "ARK-Turin", PBTS_SNP_TURIN },
    };
    const char *tests = strstr(__FILE__, "unit/attest/");
    assert_non_null(tests);
    for (size_t i = 0; i < sizeof ROOTS / sizeof ROOTS[0]; i++) {
        char path[1024], name[64];
        uint8_t bytes[4096], key[PBTS_ROOT_KEY_LEN];
        pbts_x509_chain chain;
        (void)snprintf(path, sizeof path, "%.*svectors/amd/%s", (int)(tests - __FILE__), __FILE__,
                       ROOTS[i].name);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        size_t len = fread(bytes, 1, sizeof bytes, file);
        (void)fclose(file);
        assert_int_equal(pbts_x509_chain_parse_pem(&chain, (pbts_span){ bytes, len }, NULL),
                         PBTS_OK);
        X509 *root = chain.certificates[0];
        assert_int_equal(X509_verify(root, X509_get0_pubkey(root)), 1);
        assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(root), NID_commonName, name,
                                              sizeof name) > 0);
        assert_string_equal(name, ROOTS[i].subject);
        assert_int_equal(pbts_key_hash(key, root), PBTS_OK);
        assert_memory_equal(key, PBTS_SNP_AMD.key_hash[ROOTS[i].generation], sizeof key);
        pbts_x509_chain_free(&chain);
    }
}

/* ---- reports of our own ---- */

typedef struct {
    uint8_t version;    /* 2 when 0 */
    size_t at;          /* in the report, 0: nothing */
    uint8_t byte;       /* that stands there when it is signed */
    uint8_t cpu_family; /* from version 3 on; the generation's when 0 */
    const char *product;
    uint8_t microcode; /* in the certificate; 7 when 0 */
    uint8_t fmc;       /* likewise; 3 when 0, none before Turin */
    uint8_t chip_id_len;
    pbts_snp_generation root; /* whose place the forged root has; the certificate's own when 0 */
} snp_plan;

static pbts_snp_generation planned_generation(const snp_plan *plan) {
    return plan->product == NULL || plan->product[0] == 'M' ? PBTS_SNP_MILAN
           : plan->product[0] == 'G'                        ? PBTS_SNP_GENOA
                                                            : PBTS_SNP_TURIN;
}

static void add_extensions(X509 *vcek, const snp_plan *plan) {
    static const uint8_t CHIP[64] = { 1, 2, 3 };
    static const uint8_t SVNS[][4] = { { 2, 1, 4 }, { 2, 1, 0 }, { 2, 2, 0, 0xd5 } };
    const char *name = plan->product != NULL ? plan->product : "Milan-B0";
    size_t name_len = strlen(name);
    bool is_turin = planned_generation(plan) == PBTS_SNP_TURIN;
    uint8_t product[16] = { 0x16, (uint8_t)name_len },
            microcode[] = { 2, 1, plan->microcode ? plan->microcode : 7 },
            fmc[] = { 2, 1, plan->fmc ? plan->fmc : 3 };
    assert_true(name_len <= sizeof product - 2);
    memcpy(product + 2, name, name_len);
    size_t id_len = plan->chip_id_len > 0 ? plan->chip_id_len : is_turin ? 8 : 64;
    forge_add_raw(vcek, "1.3.6.1.4.1.3704.1.2", (pbts_span){ product, name_len + 2 }, 0);
    forge_add_raw(vcek, "1.3.6.1.4.1.3704.1.3.1", (pbts_span){ SVNS[0], 3 }, 0);
    forge_add_raw(vcek, "1.3.6.1.4.1.3704.1.3.2", (pbts_span){ SVNS[1], 3 }, 0);
    forge_add_raw(vcek, "1.3.6.1.4.1.3704.1.3.3", (pbts_span){ SVNS[2], 4 }, 0);
    forge_add_raw(vcek, "1.3.6.1.4.1.3704.1.3.8", PBTS_SPAN_OF(microcode), 0);
    if (is_turin && plan->fmc != 0xff)
        forge_add_raw(vcek, "1.3.6.1.4.1.3704.1.3.9", PBTS_SPAN_OF(fmc), 0);
    forge_add_raw(vcek, "1.3.6.1.4.1.3704.1.4", (pbts_span){ CHIP, id_len }, 0);
}

/* The firmware versions and the processor, as the generation has them. */
static void write_platform(uint8_t *report, const snp_plan *plan) {
    static const uint8_t TCBS[PBTS_SNP_GENERATIONS][8] = {
        [PBTS_SNP_MILAN] = { 4, 0, 0, 0, 0, 0, 0xd5, 7 },
        [PBTS_SNP_GENOA] = { 4, 0, 0, 0, 0, 0, 0xd5, 7 },
        [PBTS_SNP_TURIN] = { 3, 4, 0, 0xd5, 0, 0, 0, 7 },
    };
    static const uint8_t CPUS[PBTS_SNP_GENERATIONS][2] = {
        [PBTS_SNP_MILAN] = { 0x19, 0x01 },
        [PBTS_SNP_GENOA] = { 0x19, 0x11 },
        [PBTS_SNP_TURIN] = { 0x1a, 0x02 },
    };
    pbts_snp_generation generation = planned_generation(plan);
    memcpy(report + 0x180, TCBS[generation], 8);
    if (report[0] >= 3) memcpy(report + 0x188, CPUS[generation], 2);
    if (plan->cpu_family > 0) report[0x188] = plan->cpu_family;
    if (report[0] >= 5) report[0x1f8] = 6;
    if (report[0] >= 5) report[0x200] = 7;
}

static void sign_report(uint8_t *report, EVP_PKEY *key) {
    uint8_t der[160], scalar[48];
    size_t len = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, der, &len, report, 0x2a0), 1);
    const uint8_t *at = der;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);
    const BIGNUM *scalars[] = { ECDSA_SIG_get0_r(pair), ECDSA_SIG_get0_s(pair) };
    for (size_t i = 0; i < 2; i++) {
        (void)BN_bn2binpad(scalars[i], scalar, sizeof scalar);
        for (size_t k = 0; k < sizeof scalar; k++) report[0x2a0 + 72 * i + k] = scalar[47 - k];
    }
    ECDSA_SIG_free(pair);
    EVP_MD_CTX_free(context);
}

static pbts_snp_reason verify_planned_as(pbts_snp_report *out, snp_plan plan) {
    uint8_t report[PBTS_SNP_REPORT_LEN] = { plan.version ? plan.version : 2 }, *der = NULL;
    pbts_snp_roots roots = { 0 };
    char pem[8192];
    EVP_PKEY *keys[3];
    X509 *ark, *ask, *vcek;
    pbts_attest_policy policy = evidence_policy();
    pbts_snp_reason reason;
    for (size_t i = 0; i < 3; i++) keys[i] = EVP_EC_gen("P-384");
    ark = forge_begin("ARK", "ARK", 1, keys[0], 0, 0);
    forge_add(ark, NID_basic_constraints, "critical,CA:TRUE");
    forge_add(ark, NID_key_usage, "critical,keyCertSign");
    ask = forge_begin("ASK", "ARK", 2, keys[1], 0, 0);
    forge_add(ask, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    forge_add(ask, NID_key_usage, "critical,keyCertSign");
    vcek = forge_begin("VCEK", "ASK", 3, keys[2], 0, 0);
    add_extensions(vcek, &plan);
    X509 *others[] = { forge_signed(ask, keys[0]), forge_signed(ark, keys[0]) };
    int der_len = i2d_X509(forge_signed(vcek, keys[1]), &der);
    pbts_snp_certificates certificates = {
        .vcek_der = { der, (size_t)der_len },
        .ask_ark_pem = { (uint8_t *)pem, forge_pem(pem, sizeof pem, others, 2) },
    };
    size_t place = plan.root != 0 ? (size_t)plan.root : (size_t)planned_generation(&plan);
    assert_int_equal(pbts_key_hash(roots.key_hash[place], ark), PBTS_OK);
    report[0x34] = 1;
    write_platform(report, &plan);
    memcpy(report + 0x1a0, "\1\2\3", 3);
    if (plan.at > 0) report[plan.at] = plan.byte;
    sign_report(report, keys[2]);
    (void)!pbts_snp_verify(out, &reason, PBTS_SPAN_OF(report), &certificates, &roots, &policy,
                           FORGE_NOW_S);
    OPENSSL_free(der);
    X509_free(ark);
    X509_free(ask);
    X509_free(vcek);
    for (size_t i = 0; i < 3; i++) EVP_PKEY_free(keys[i]);
    return reason;
}

static pbts_snp_reason verify_planned(snp_plan plan) {
    pbts_snp_report out;
    return verify_planned_as(&out, plan);
}

static void each_thing_that_a_report_says_is_looked_at(void **state) {
    (void)state;
    assert_snp(verify_planned((snp_plan){ 0 }), PBTS_SNP_ACCEPTED);
    assert_snp(verify_planned((snp_plan){ .at = 0x1a0, .byte = 9 }), PBTS_SNP_CHIP);
    assert_snp(verify_planned((snp_plan){ .at = 0x1df, .byte = 9 }), PBTS_SNP_CHIP);
    assert_snp(verify_planned((snp_plan){ .at = 0x180, .byte = 3 }), PBTS_SNP_TCB);
    assert_snp(verify_planned((snp_plan){ .at = 0x181, .byte = 1 }), PBTS_SNP_TCB);
    assert_snp(verify_planned((snp_plan){ .at = 0x186, .byte = 0xd4 }), PBTS_SNP_TCB);
    assert_snp(verify_planned((snp_plan){ .at = 0x187, .byte = 6 }), PBTS_SNP_TCB);
    assert_snp(verify_planned((snp_plan){ .microcode = 8 }), PBTS_SNP_TCB);
    assert_snp(verify_planned((snp_plan){ .at = 0x0a, .byte = 0x04 }), PBTS_SNP_MIGRATION);
    assert_snp(verify_planned((snp_plan){ .at = 0x30, .byte = 1 }), PBTS_SNP_VMPL);
    assert_snp(verify_planned((snp_plan){ .at = 0x48, .byte = 4 }), PBTS_SNP_LAYOUT);
    assert_snp(verify_planned((snp_plan){ .at = 0x34, .byte = 2 }), PBTS_SNP_LAYOUT);
    assert_snp(verify_planned((snp_plan){ .at = 0x2a0 + 48, .byte = 1 }), PBTS_SNP_LAYOUT);
    assert_snp(verify_planned((snp_plan){ .at = 1183, .byte = 1 }), PBTS_SNP_LAYOUT);
}

/* A name, in the certificate, that has no root here. */
static void each_generation_has_its_own_root_and_others_are_refused_by_name(void **state) {
    (void)state;
    static const char *const STRANGERS[] = { "Venice-A0", "Milano-B0", "Genoa2", "Mila", "" };
    static const char *const KNOWN[] = { "Milan-B0", "Genoa-B1", "Genoa", "Turin-C1", "Turin" };
    for (size_t i = 0; i < sizeof STRANGERS / sizeof STRANGERS[0]; i++)
        assert_snp(verify_planned((snp_plan){ .product = STRANGERS[i] }), PBTS_SNP_GENERATION);
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        assert_snp(verify_planned((snp_plan){ .product = KNOWN[i] }), PBTS_SNP_ACCEPTED);
        assert_snp(verify_planned((snp_plan){ .version = 3, .product = KNOWN[i] }),
                   PBTS_SNP_ACCEPTED);
    }
    assert_snp(verify_planned((snp_plan){ .root = PBTS_SNP_GENOA }), PBTS_SNP_ROOT_KEY);
    assert_snp(verify_planned((snp_plan){ .product = "Genoa-B1", .root = PBTS_SNP_TURIN }),
               PBTS_SNP_ROOT_KEY);
}

static void a_report_is_from_a_processor_of_its_certificates_generation(void **state) {
    (void)state;
    static const struct {
        const char *product;
        uint8_t family, model;
        bool is_good;
    } CASES[] = {
        { "Milan-B0", 0x19, 0x00, true },  { "Milan-B0", 0x19, 0x0f, true },
        { "Milan-B0", 0x19, 0x10, false }, { "Milan-B0", 0x1a, 0x01, false },
        { "Genoa-B1", 0x19, 0x0f, false }, { "Genoa-B1", 0x19, 0x10, true },
        { "Genoa-B1", 0x19, 0x1f, true },  { "Genoa-B1", 0x19, 0x20, false },
        { "Genoa-B1", 0x19, 0x9f, false }, { "Genoa-B1", 0x19, 0xa0, true },
        { "Genoa-B1", 0x19, 0xaf, true },  { "Genoa-B1", 0x19, 0xb0, false },
        { "Turin-C1", 0x1a, 0x00, true },  { "Turin-C1", 0x1a, 0x11, true },
        { "Turin-C1", 0x1a, 0x12, false }, { "Turin-C1", 0x19, 0x11, false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        snp_plan plan = { .version = 3, .product = CASES[i].product };
        plan.at = 0x189;
        plan.byte = CASES[i].model;
        plan.cpu_family = CASES[i].family;
        assert_snp(verify_planned(plan),
                   CASES[i].is_good ? PBTS_SNP_ACCEPTED : PBTS_SNP_GENERATION);
    }
}

/* Table 4 of the firmware's ABI: one more component, others in other places, a shorter chip id. */
static void turin_has_its_own_layout(void **state) {
    (void)state;
    pbts_snp_report report;
    snp_plan good = { .version = 5, .product = "Turin-C1" };
    assert_snp(verify_planned_as(&report, good), PBTS_SNP_ACCEPTED);
    assert_int_equal(report.generation, PBTS_SNP_TURIN);
    assert_int_equal(report.reported_tcb.fmc, 3);
    assert_int_equal(report.reported_tcb.boot_loader, 4);
    assert_int_equal(report.reported_tcb.tee, 0);
    assert_int_equal(report.reported_tcb.snp, 0xd5);
    assert_int_equal(report.reported_tcb.microcode, 7);
    assert_int_equal(report.mitigations_at_launch, 6);
    assert_int_equal(report.mitigations_now, 7);
    for (size_t at = 0x180; at < 0x188; at++) {
        if (0x184 <= at && at < 0x187) continue; /* reserved */
        snp_plan other = good;
        other.at = at;
        other.byte = 0x55;
        assert_snp(verify_planned(other), PBTS_SNP_TCB);
    }
    snp_plan plan = good;
    plan.fmc = 4;
    assert_snp(verify_planned(plan), PBTS_SNP_TCB);
    plan.fmc = 0xff; /* none */
    assert_snp(verify_planned(plan), PBTS_SNP_EXTENSIONS);
    plan = good;
    plan.chip_id_len = 64;
    assert_snp(verify_planned(plan), PBTS_SNP_EXTENSIONS);
    plan.chip_id_len = 7;
    assert_snp(verify_planned(plan), PBTS_SNP_EXTENSIONS);
    assert_snp(verify_planned((snp_plan){ .chip_id_len = 8 }), PBTS_SNP_EXTENSIONS);
    plan = good;
    plan.at = 0x1a8; /* behind the eight bytes */
    plan.byte = 1;
    assert_snp(verify_planned(plan), PBTS_SNP_CHIP);
}

static void versions_of_the_report_are_2_3_and_5(void **state) {
    (void)state;
    for (unsigned version = 1; version < 8; version++) {
        bool is_known = version == 2 || version == 3 || version == 5;
        assert_snp(verify_planned((snp_plan){ .version = (uint8_t)version }),
                   is_known ? PBTS_SNP_ACCEPTED : PBTS_SNP_LAYOUT);
    }
    pbts_snp_report report;
    assert_snp(verify_planned_as(&report, (snp_plan){ .version = 3 }), PBTS_SNP_ACCEPTED);
    assert_int_equal(report.mitigations_at_launch, 0);
    assert_int_equal(report.mitigations_now, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genuine_reports_are_accepted),
        cmocka_unit_test(a_policy_is_kept),
        cmocka_unit_test(root_and_dates_are_looked_at),
        cmocka_unit_test(the_pinned_roots_are_those_of_amd),
        cmocka_unit_test(a_report_is_of_the_chip_of_its_certificate),
        cmocka_unit_test(every_byte_of_a_report_counts),
        cmocka_unit_test(every_byte_of_the_chips_certificate_counts),
        cmocka_unit_test(each_thing_that_a_report_says_is_looked_at),
        cmocka_unit_test(each_generation_has_its_own_root_and_others_are_refused_by_name),
        cmocka_unit_test(a_report_is_from_a_processor_of_its_certificates_generation),
        cmocka_unit_test(turin_has_its_own_layout),
        cmocka_unit_test(versions_of_the_report_are_2_3_and_5),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
