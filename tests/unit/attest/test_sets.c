/* Unit tests of attest/verify.c over all genuine sets: each gives its expected verdict at times
 * inside its window, to the second, and is refused outside. */
#include "attest/calendar.h"
#include "codec/text.h"
#include "evidence.h"

static const char *const SETS[] = {
    "v4-phala-2025-06",
    "v5-phala-2026-02-unsupported-tcb",
    "v4-google-spr-2023-06",
    "v4-automata-gcp-2025-07",
    "v4-automata-gcp-2025-02",
    "v4-google-cos113-2025-02",
    "v4-google-cos113-2025-10",
    "v5-automata-alibaba-2025-06",
    "v4-dstack-tappd-b0c06f-2025-06",
    "v4-dstack-tdxquotehex-b0c06f-2025-06",
    "v4-dstack-near-2026-08",
    "v4-dstack-verifier-2026-02",
};
enum { SET_COUNT = sizeof SETS / sizeof SETS[0] };

static json_t *load_expected(const char *name) {
    char path[128];
    (void)snprintf(path, sizeof path, "sets/%s/expect.json", name);
    pbts_span text = evidence_load(path);
    json_t *expected = json_loadb((const char *)text.data, text.len, 0, NULL);
    assert_non_null(expected);
    evidence_free(text);
    return expected;
}

static pbts_span text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return pbts_span_text(text);
}

static uint64_t time_of(const json_t *object, const char *key) {
    uint64_t time_s;
    assert_int_equal(pbts_iso8601_to_unix(&time_s, text_of(object, key)), PBTS_OK);
    return time_s;
}

static void assert_hex(const json_t *object, const char *key, pbts_span found) {
    uint8_t wanted[64];
    size_t len;
    assert_int_equal(pbts_hex_decode(wanted, &len, sizeof wanted, text_of(object, key)), PBTS_OK);
    assert_int_equal(len, found.len);
    assert_memory_equal(wanted, found.data, len);
}

static void assert_advisories(const json_t *expected, const pbts_attest_verdict *verdict) {
    const json_t *list = json_object_get(expected, "advisories");
    assert_int_equal(json_array_size(list), verdict->advisories_len);
    for (size_t i = 0; i < verdict->advisories_len; i++) {
        assert_string_equal(json_string_value(json_array_get(list, i)), verdict->advisories[i]);
    }
}

static void assert_platform(const json_t *expected, const pbts_attest_verdict *verdict) {
    assert_hex(expected, "fmspc", PBTS_SPAN_OF(verdict->pck.fmspc));
    assert_hex(expected, "pceid", PBTS_SPAN_OF(verdict->pck.pceid));
    assert_hex(expected, "cpusvn", PBTS_SPAN_OF(verdict->pck.cpusvn));
    assert_hex(expected, "cpusvn", PBTS_SPAN_OF(verdict->pck.sgx_svn));
    assert_hex(expected, "tee_tcb_svn", PBTS_SPAN_OF(verdict->quote.td.tee_tcb_svn));
    assert_int_equal(json_integer_value(json_object_get(expected, "pcesvn")), verdict->pck.pcesvn);
    assert_int_equal(json_integer_value(json_object_get(expected, "qe_isvsvn")),
                     verdict->quote.qe.isv_svn);
    assert_int_equal(json_integer_value(json_object_get(expected, "trailing_bytes")),
                     verdict->quote.trailing.len);
    assert_int_equal(json_integer_value(json_object_get(expected, "quote_version")),
                     verdict->quote.version);
}

/* What a set says inside its window. */
static void assert_inside(const json_t *expected, evidence_set *set, uint64_t now_s) {
    pbts_attest_verdict verdict;
    pbts_span status = text_of(expected, "expect_status_intel_qvl_rule");
    pbts_attest_reason reason = evidence_verify(&verdict, set->quote, set->collateral, now_s);
    assert_platform(expected, &verdict);
    if (pbts_span_is(status, "TCB_NOT_SUPPORTED (no level matches)")) {
        assert_reason(reason, PBTS_ATTEST_TCB_NOT_SUPPORTED);
        assert_false(verdict.has_tcb);
        return;
    }
    assert_reason(reason, PBTS_ATTEST_ACCEPTED);
    assert_true(pbts_span_is(status, pbts_tcb_status_text(verdict.status)));
    assert_true(verdict.valid_from_s == time_of(expected, "valid_from"));
    assert_true(verdict.valid_to_s == time_of(expected, "valid_to"));
    assert_advisories(expected, &verdict);
}

static void assert_outside(evidence_set *set, uint64_t now_s) {
    pbts_attest_verdict verdict;
    pbts_attest_reason reason = evidence_verify(&verdict, set->quote, set->collateral, now_s);
    assert_int_equal(pbts_attest_reason_status(reason), PBTS_STALE);
    assert_false(verdict.has_tcb);
}

/* Twice: with nothing remembered, and with all. */
static void check_set(const char *name) {
    evidence_set set = evidence_open(name);
    json_t *expected = load_expected(name);
    uint64_t from_s = time_of(expected, "valid_from"), to_s = time_of(expected, "valid_to");
    for (int i = 0; i < 2; i++) {
        assert_inside(expected, &set, from_s);
        assert_outside(&set, from_s - 1);
        assert_inside(expected, &set, (from_s + to_s) / 2);
        assert_outside(&set, to_s + 1);
        assert_inside(expected, &set, to_s);
        assert_outside(&set, 0);
        assert_outside(&set, UINT64_MAX);
    }
    json_decref(expected);
    evidence_close(&set);
}

static void every_set_gives_its_verdict_inside_its_window_only(void **state) {
    (void)state;
    for (size_t i = 0; i < SET_COUNT; i++) check_set(SETS[i]);
}

static void a_time_outside_is_refused_by_fresh_collateral_too(void **state) {
    (void)state;
    for (size_t i = 0; i < SET_COUNT; i++) {
        json_t *expected = load_expected(SETS[i]);
        uint64_t from_s = time_of(expected, "valid_from"), to_s = time_of(expected, "valid_to");
        for (int k = 0; k < 2; k++) {
            evidence_set set = evidence_open(SETS[i]);
            assert_outside(&set, k == 0 ? from_s - 1 : to_s + 1);
            evidence_close(&set);
        }
        json_decref(expected);
    }
}

/* Each date is looked at: which one ends a window is what the reason names. */
static void the_date_that_ends_a_window_is_named(void **state) {
    (void)state;
    static const struct {
        const char *set;
        const char *key;
        int by;
        pbts_attest_reason reason;
    } ENDS[] = {
        { "v4-phala-2025-06", "valid_from", -1, PBTS_ATTEST_QE_IDENTITY_DATE },
        { "v4-phala-2025-06", "valid_to", 1, PBTS_ATTEST_PCK_CRL_DATE },
        { "v5-phala-2026-02-unsupported-tcb", "valid_from", -1, PBTS_ATTEST_TCB_INFO_DATE },
        { "v4-automata-gcp-2025-07", "valid_to", 1, PBTS_ATTEST_TCB_INFO_DATE },
        { "v4-google-spr-2023-06", "valid_to", 1, PBTS_ATTEST_QE_IDENTITY_DATE },
        { "v5-automata-alibaba-2025-06", "valid_from", -1, PBTS_ATTEST_PCK_DATE },
    };
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        pbts_attest_verdict verdict;
        evidence_set set = evidence_open(ENDS[i].set);
        json_t *expected = load_expected(ENDS[i].set);
        uint64_t now_s = time_of(expected, ENDS[i].key) + (uint64_t)(int64_t)ENDS[i].by;
        assert_reason(evidence_verify(&verdict, set.quote, set.collateral, now_s), ENDS[i].reason);
        json_decref(expected);
        evidence_close(&set);
    }
}

/* The default policy, with nothing but the measurement opened. */
static pbts_attest_reason verify_strictly(const char *name, const char *more) {
    pbts_attest_policy policy;
    pbts_attest_verdict verdict;
    char text[512];
    pbts_policy_mistake mistake;
    json_t *expected = load_expected(name);
    evidence_set set = evidence_open(name);
    uint64_t now_s = (uint64_t)json_integer_value(json_object_get(expected, "verify_at"));
    (void)snprintf(text, sizeof text, "%s", more);
    assert_int_equal(pbts_attest_policy_parse(&policy, &mistake, pbts_span_text(text)), PBTS_OK);
    (void)!pbts_attest_verify(&verdict, set.quote, set.collateral, &PBTS_ATTEST_INTEL, &policy,
                              now_s);
    json_decref(expected);
    evidence_close(&set);
    return verdict.reason;
}

static void the_default_policy_refuses_what_it_should(void **state) {
    (void)state;
    const char *any = "measurement = any any any any any\n";
    assert_reason(verify_strictly("v4-phala-2025-06", any), PBTS_ATTEST_ACCEPTED);
    assert_reason(verify_strictly("v4-phala-2025-06", ""), PBTS_ATTEST_POLICY_MEASUREMENT);
    assert_reason(verify_strictly("v5-automata-alibaba-2025-06", any),
                  PBTS_ATTEST_POLICY_SERVICE_TD);
    assert_reason(verify_strictly("v4-automata-gcp-2025-07", any), PBTS_ATTEST_POLICY_TCB_STATUS);
    assert_reason(verify_strictly("v4-dstack-near-2026-08", any), PBTS_ATTEST_POLICY_CONFIG_ID);
    assert_reason(verify_strictly("v4-google-cos113-2025-02", any), PBTS_ATTEST_ACCEPTED);
    assert_reason(verify_strictly("v4-dstack-verifier-2026-02", any), PBTS_ATTEST_ACCEPTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_gives_its_verdict_inside_its_window_only),
        cmocka_unit_test(a_time_outside_is_refused_by_fresh_collateral_too),
        cmocka_unit_test(the_date_that_ends_a_window_is_named),
        cmocka_unit_test(the_default_policy_refuses_what_it_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
