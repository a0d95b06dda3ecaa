/* Unit tests of attest/verify.c: evidence that was changed, in every byte that matters. */
#include "attest/certificates.h"
#include "codec/text.h"
#include "evidence.h"

/* The flips of negative/tampered.tsv, and the check that catches each here. */
static const struct {
    const char *field;
    pbts_attest_reason reason;
} FLIPS[] = {
    { "version", PBTS_ATTEST_QUOTE_LAYOUT }, /* it is then of version 5, without its body type */
    { "att_key_type", PBTS_ATTEST_QUOTE_KEY_TYPE },
    { "tee_type", PBTS_ATTEST_QUOTE_TEE_TYPE },
    { "qe_vendor_id", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "header user_data", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "tee_tcb_svn[0]", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "mrsignerseam", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "seam_attributes", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "td_attributes DEBUG bit", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "xfam", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "mrtd", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "rtmr3", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "report_data", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "sig_data_len +1", PBTS_ATTEST_QUOTE_LAYOUT },
    { "quote sig r", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "quote sig s", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "attestation key x", PBTS_ATTEST_QUOTE_SIGNATURE },
    { "cert type 6->7", PBTS_ATTEST_QUOTE_LAYOUT },
    { "qe report cpusvn", PBTS_ATTEST_QE_SIGNATURE },
    { "qe report attributes DEBUG", PBTS_ATTEST_QE_SIGNATURE },
    { "qe report mrsigner", PBTS_ATTEST_QE_SIGNATURE },
    { "qe report isvsvn", PBTS_ATTEST_QE_SIGNATURE },
    { "qe report_data", PBTS_ATTEST_KEY_BINDING },
    { "qe report_data upper half", PBTS_ATTEST_KEY_BINDING },
    { "qe report sig", PBTS_ATTEST_QE_SIGNATURE },
    { "qe auth len", PBTS_ATTEST_QUOTE_LAYOUT },
    { "qe auth data", PBTS_ATTEST_KEY_BINDING },
    { "inner cert type", PBTS_ATTEST_QUOTE_LAYOUT },
    { "PCK leaf PEM byte", PBTS_ATTEST_PCK_FORMAT }, /* the certificate is none any more */
    { "trailing byte", PBTS_ATTEST_ACCEPTED },       /* padding says nothing */
};

static pbts_attest_reason reason_wanted(const char *field) {
    for (size_t i = 0; i < sizeof FLIPS / sizeof FLIPS[0]; i++) {
        if (strcmp(FLIPS[i].field, field) == 0) return FLIPS[i].reason;
    }
    fail_msg("no row for %s", field);
    return PBTS_ATTEST_REASON_COUNT;
}

/* The names that tampered.tsv has for the checks; parsing refuses earlier than any of them. */
static bool is_named(const char *checks, pbts_attest_reason reason) {
    switch (reason) {
    case PBTS_ATTEST_QUOTE_SIGNATURE: return strstr(checks, "quote_sig") != NULL;
    case PBTS_ATTEST_KEY_BINDING: return strstr(checks, "bind") != NULL;
    case PBTS_ATTEST_QE_SIGNATURE: return strstr(checks, "qe_sig") != NULL;
    case PBTS_ATTEST_PCK_FORMAT: return strstr(checks, "chain") != NULL;
    case PBTS_ATTEST_ACCEPTED: return strncmp(checks, "none", 4) == 0;
    default: return pbts_attest_reason_step(reason) == 0;
    }
}

static size_t check_row(evidence_set *set, char *line) {
    char *rest = NULL;
    const char *field = strtok_r(line, "\t", &rest), *offset = strtok_r(NULL, "\t", &rest),
               *xor = strtok_r(NULL, "\t", &rest), *checks = strtok_r(NULL, "\t", &rest);
    pbts_attest_verdict verdict;
    if (strcmp(field, "field") == 0) return 0;
    assert_non_null(checks);
    uint8_t *quote = evidence_copy(set->quote);
    quote[strtoul(offset, NULL, 10)] ^= (uint8_t)strtoul(xor, NULL, 16);
    pbts_attest_reason reason = evidence_verify(&verdict, (pbts_span){ quote, set->quote.len },
                                                set->collateral, PHALA_NOW_S);
    assert_reason(reason, reason_wanted(field));
    assert_true(is_named(checks, reason));
    free(quote);
    return 1;
}

static void each_row_of_the_table_is_caught_by_the_check_it_names(void **state) {
    (void)state;
    pbts_span table = evidence_load("negative/tampered.tsv");
    evidence_set set = evidence_open(PHALA_SET);
    char *text = calloc(1, table.len + 1), *rest = NULL;
    size_t rows = 0;
    assert_non_null(text);
    memcpy(text, table.data, table.len);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        rows += check_row(&set, line);
    assert_int_equal(rows, sizeof FLIPS / sizeof FLIPS[0]);
    free(text);
    evidence_free(table);
    evidence_close(&set);
}

/* ---- every byte ---- */

/* A character of PEM that says nothing: a blank becomes another one, or a NUL behind the end. */
static bool is_silent(const pbts_attest_verdict *good, size_t at) {
    const uint8_t *byte = good->quote.signed_bytes.data + at;
    const pbts_span pem = good->quote.pck_chain_pem;
    return byte >= pem.data + pem.len; /* trailing bytes */
}

/* Flips one bit of the byte at `at`; what must be refused is refused, and not for want of memory.
 */
static void flip(evidence_set *set, const pbts_attest_verdict *good, uint8_t *quote, size_t at,
                 unsigned bit, uint64_t now_s) {
    pbts_attest_verdict verdict;
    quote[at] ^= (uint8_t)(1U << bit);
    pbts_attest_reason reason =
        evidence_verify(&verdict, (pbts_span){ quote, set->quote.len }, set->collateral, now_s);
    quote[at] ^= (uint8_t)(1U << bit);
    if (is_silent(good, at)) {
        assert_reason(reason, PBTS_ATTEST_ACCEPTED);
        return;
    }
    if (reason == PBTS_ATTEST_ACCEPTED) fail_msg("byte %zu bit %u flipped is accepted", at, bit);
    assert_int_equal(pbts_status_class(pbts_attest_reason_status(reason)), PBTS_REJECT);
}

static unsigned next_random(uint32_t *seed) {
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void every_byte_of_a_quote_counts(void **state) {
    (void)state;
    evidence_set set = evidence_open(PHALA_SET);
    pbts_attest_verdict good;
    uint8_t *quote = evidence_copy(set.quote);
    assert_reason(evidence_verify(&good, set.quote, set.collateral, PHALA_NOW_S),
                  PBTS_ATTEST_ACCEPTED);
    for (size_t i = 0; i < set.quote.len; i++) {
        flip(&set, &good, quote, i, (unsigned)(i % 8), PHALA_NOW_S);
    }
    free(quote);
    evidence_close(&set);
}

static void bytes_of_other_quotes_count_too(void **state) {
    (void)state;
    static const struct {
        const char *set;
        uint64_t now_s;
    } OTHERS[] = {
        { "v5-automata-alibaba-2025-06", 1750768918 },
        { "v4-google-cos113-2025-10", 1761920231 },
        { "v4-dstack-near-2026-08", 1787894484 },
        { "v4-automata-gcp-2025-07", 1753175614 },
    };
    enum { FLIPS_EACH = 300 };
    uint32_t seed = 20250619;
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        evidence_set set = evidence_open(OTHERS[i].set);
        pbts_attest_verdict good;
        uint8_t *quote = evidence_copy(set.quote);
        assert_reason(evidence_verify(&good, set.quote, set.collateral, OTHERS[i].now_s),
                      PBTS_ATTEST_ACCEPTED);
        for (int k = 0; k < FLIPS_EACH; k++) {
            size_t at = next_random(&seed) % set.quote.len;
            flip(&set, &good, quote, at, next_random(&seed) % 8, OTHERS[i].now_s);
        }
        free(quote);
        evidence_close(&set);
    }
}

/* ---- collateral ---- */

/* Each file, with a bit flipped in many places: what is signed is refused by its own check. Never
 * bit 5, which is the case of a letter: hexadecimal digits have no case. */
static void flip_file(evidence_set *set, pbts_span *file, size_t step, pbts_attest_reason first,
                      pbts_attest_reason last) {
    pbts_span good = *file;
    uint8_t *bytes = evidence_copy(good);
    for (size_t i = 0; i < good.len; i += step) {
        pbts_attest_verdict verdict;
        bytes[i] ^= (uint8_t)(1U << (i % 5));
        *file = (pbts_span){ bytes, good.len };
        pbts_collateral *collateral = evidence_collateral(&set->files);
        pbts_attest_reason reason = evidence_verify(&verdict, set->quote, collateral, PHALA_NOW_S);
        if (reason < first || reason > last) {
            fail_msg("byte %zu: %s", i, pbts_attest_reason_word(reason));
        }
        pbts_collateral_free(collateral);
        bytes[i] ^= (uint8_t)(1U << (i % 5));
    }
    *file = good;
    free(bytes);
}

static void collateral_that_was_changed_is_refused(void **state) {
    (void)state;
    evidence_set set = evidence_open(PHALA_SET);
    flip_file(&set, &set.files.root_crl, 1, PBTS_ATTEST_ROOT_CRL, PBTS_ATTEST_ROOT_CRL);
    flip_file(&set, &set.files.pck_crl, 11, PBTS_ATTEST_PCK_CRL, PBTS_ATTEST_PCK_CRL);
    flip_file(&set, &set.files.tcb_info, 13, PBTS_ATTEST_TCB_INFO_SIGNATURE,
              PBTS_ATTEST_TCB_INFO_SIGNATURE);
    flip_file(&set, &set.files.qe_identity, 3, PBTS_ATTEST_QE_IDENTITY_SIGNATURE,
              PBTS_ATTEST_QE_IDENTITY_SIGNATURE);
    evidence_close(&set);
}

/* The signer's certificate and the root's, inside the PEM armour. */
static void a_changed_tcb_signer_is_refused(void **state) {
    (void)state;
    evidence_set set = evidence_open(PHALA_SET);
    flip_file(&set, &set.files.tcb_signing_chain, 7, PBTS_ATTEST_TCB_CHAIN,
              PBTS_ATTEST_TCB_CHAIN_DATE);
    evidence_close(&set);
}

static void one_collateral_serves_both_good_and_bad_quotes(void **state) {
    (void)state;
    evidence_set set = evidence_open(PHALA_SET), near = evidence_open("v4-dstack-near-2026-08");
    pbts_attest_verdict verdict;
    assert_reason(evidence_verify(&verdict, near.quote, set.collateral, PHALA_NOW_S),
                  PBTS_ATTEST_PCK_DATE); /* the machine is younger */
    assert_reason(evidence_verify(&verdict, set.quote, set.collateral, PHALA_NOW_S),
                  PBTS_ATTEST_ACCEPTED);
    assert_reason(evidence_verify(&verdict, set.quote, near.collateral, PHALA_NOW_S),
                  PBTS_ATTEST_ROOT_CRL_DATE);
    evidence_close(&near);
    evidence_close(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_table_is_caught_by_the_check_it_names),
        cmocka_unit_test(every_byte_of_a_quote_counts),
        cmocka_unit_test(bytes_of_other_quotes_count_too),
        cmocka_unit_test(collateral_that_was_changed_is_refused),
        cmocka_unit_test(a_changed_tcb_signer_is_refused),
        cmocka_unit_test(one_collateral_serves_both_good_and_bad_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
