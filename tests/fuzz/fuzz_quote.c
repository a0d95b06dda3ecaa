/* libFuzzer target: quotes and SEV-SNP reports. What is taken has lengths that use each other up;
 * nothing random is ever believed. */
#include <stdlib.h>

#include "attest/snp.h"
#include "attest/verify.h"

static void require(bool truth) {
    if (!truth) abort();
}

static bool is_inside(pbts_span part, pbts_span whole) {
    return part.len == 0 ||
           (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

/* From the end of the signed bytes to the trailing ones nothing is left over. */
static void check_layout(const pbts_quote *quote, pbts_span bytes) {
    size_t e = quote->signed_bytes.len;
    require(quote->signed_bytes.data == bytes.data);
    require(e == (quote->version == 4 ? 632U : quote->td.is_1_5 ? 702U : 638U));
    require(quote->signature == bytes.data + e + 4);
    require(quote->qe_report_bytes.len == 384 && is_inside(quote->qe_report_bytes, bytes));
    require(is_inside(quote->auth_data, bytes) && is_inside(quote->pck_chain_pem, bytes));
    size_t used = e + 4 + 134 + 448 + 2 + quote->auth_data.len + 6 + quote->pck_chain_pem.len;
    require(used + quote->trailing.len == bytes.len);
}

static void check_disbelief(pbts_span bytes) {
    static pbts_attest_verdict verdict;
    static pbts_attest_policy policy;
    static pbts_collateral *collateral;
    pbts_snp_certificates certificates = { .vcek_der = bytes, .ask_ark_pem = bytes };
    pbts_snp_reason reason;
    pbts_snp_report report;
    if (collateral == NULL) {
        pbts_attest_policy_init(&policy);
        pbts_collateral_files files = { 0 };
        require(pbts_collateral_new(&collateral, pbts_mem_system(), &files) == PBTS_OK);
    }
    require(pbts_attest_verify(&verdict, bytes, collateral, &PBTS_ATTEST_INTEL, &policy,
                               1750000000) != PBTS_OK);
    require(verdict.reason != PBTS_ATTEST_ACCEPTED && !verdict.has_tcb);
    require(pbts_snp_verify(&report, &reason, bytes, &certificates, &PBTS_SNP_AMD, &policy,
                            1750000000) != PBTS_OK);
    require(reason != PBTS_SNP_ACCEPTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_span bytes = { data, len };
    pbts_quote quote;
    if (pbts_quote_parse(&quote, bytes) == PBTS_ATTEST_ACCEPTED) check_layout(&quote, bytes);
    check_disbelief(bytes);
    return 0;
}
