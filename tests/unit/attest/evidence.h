/* Genuine evidence of TDX and SEV-SNP guests: data, not part of the repository.
 * $PBTS_TEST_DATA/tdx, by default ../shared/data/tdx beside it. What is missing is reported as
 * skipped. */
#ifndef PBTS_TEST_ATTEST_EVIDENCE_H
#define PBTS_TEST_ATTEST_EVIDENCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "attest/verify.h"

/* The path of a file of tdx/, valid until the next call. */
static inline const char *evidence_path(const char *name) {
    static char path[1024];
    const char *folder = getenv("PBTS_TEST_DATA"), *tests = strstr(__FILE__, "tests/unit/attest/");
    assert_non_null(tests);
    if (folder != NULL) {
        (void)snprintf(path, sizeof path, "%s/tdx/%s", folder, name);
    } else {
        (void)snprintf(path, sizeof path, "%.*s../shared/data/tdx/%s", (int)(tests - __FILE__),
                       __FILE__, name);
    }
    return path;
}

static inline void evidence_free(pbts_span bytes) {
    free((void *)(uintptr_t)bytes.data);
}

/* A whole file in memory of exactly its size; the test is skipped when it is missing. */
static inline pbts_span evidence_load(const char *name) {
    FILE *file = fopen(evidence_path(name), "rb");
    if (file == NULL) {
        print_message("skipped: %s is missing\n", evidence_path(name));
        skip();
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long len = ftell(file);
    assert_true(len > 0);
    rewind(file);
    uint8_t *bytes = malloc((size_t)len);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)len, file), (size_t)len);
    (void)fclose(file);
    return (pbts_span){ bytes, (size_t)len };
}

static inline pbts_span evidence_load_from(const char *folder, const char *name) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return evidence_load(path);
}

/* A quote with what it is verified with. */
typedef struct {
    pbts_span quote;
    pbts_collateral_files files;
    pbts_collateral *collateral;
} evidence_set;

static inline pbts_collateral *evidence_collateral(const pbts_collateral_files *files) {
    pbts_collateral *collateral;
    assert_int_equal(pbts_collateral_new(&collateral, pbts_mem_system(), files), PBTS_OK);
    return collateral;
}

static inline evidence_set evidence_open(const char *name) {
    char folder[128];
    evidence_set set;
    (void)snprintf(folder, sizeof folder, "sets/%s", name);
    set.quote = evidence_load_from(folder, "quote.bin");
    set.files = (pbts_collateral_files){
        .tcb_info = evidence_load_from(folder, "tcbinfo.json"),
        .qe_identity = evidence_load_from(folder, "qeidentity.json"),
        .root_crl = evidence_load_from(folder, "root_ca_crl.der"),
        .pck_crl = evidence_load_from(folder, "pck_crl.der"),
        .tcb_signing_chain = evidence_load_from(folder, "tcb_signing_chain.pem"),
    };
    set.collateral = evidence_collateral(&set.files);
    return set;
}

static inline void evidence_close(evidence_set *set) {
    pbts_collateral_free(set->collateral);
    evidence_free(set->quote);
    evidence_free(set->files.tcb_info);
    evidence_free(set->files.qe_identity);
    evidence_free(set->files.root_crl);
    evidence_free(set->files.pck_crl);
    evidence_free(set->files.tcb_signing_chain);
}

/* A policy that refuses nothing but what no policy can allow. */
static inline pbts_attest_policy evidence_policy(void) {
    static const char TEXT[] =
        "accept = UpToDate SWHardeningNeeded ConfigurationNeeded OutOfDate "
        "ConfigurationAndSWHardeningNeeded OutOfDateConfigurationNeeded "
        "TDRelaunchAdvised TDRelaunchAdvisedConfigurationNeeded\n"
        "measurement = any any any any any\n"
        "mrconfigid = any\nmrowner = any\nmrownerconfig = any\nmrservicetd = any\n"
        "td_attributes_allowed = ffffffffffffffff\nxfam_allowed = ffffffffffffffff\n"
        "allow_sept_ve = yes\nallow_debug = yes\nsnp_measurement = any\n";
    pbts_attest_policy policy;
    pbts_policy_mistake mistake;
    assert_int_equal(pbts_attest_policy_parse(&policy, &mistake, pbts_span_text(TEXT)), PBTS_OK);
    return policy;
}

/* The reason of a verification under Intel's root and that policy. */
static inline pbts_attest_reason evidence_verify(pbts_attest_verdict *out, pbts_span quote,
                                                 pbts_collateral *collateral, uint64_t now_s) {
    pbts_attest_policy policy = evidence_policy();
    pbts_status status =
        pbts_attest_verify(out, quote, collateral, &PBTS_ATTEST_INTEL, &policy, now_s);
    assert_int_equal(status, pbts_attest_reason_status(out->reason));
    assert_int_equal(status == PBTS_OK, out->reason == PBTS_ATTEST_ACCEPTED);
    return out->reason;
}

/* A copy that may be changed, of exactly the same size. */
static inline uint8_t *evidence_copy(pbts_span bytes) {
    uint8_t *copy = malloc(bytes.len);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    return copy;
}

#define assert_reason(found, wanted) \
    assert_string_equal(pbts_attest_reason_word(found), pbts_attest_reason_word(wanted))

/* In the window of set v4-phala-2025-06. */
#define PHALA_SET "v4-phala-2025-06"
#define PHALA_NOW_S UINT64_C(1751624191)

#endif
