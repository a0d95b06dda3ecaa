/* Unit tests of attest/policy*.c and attest/tcb.c: what a policy's text says, each demand alone,
 * and how statuses come together. */
#include "evidence.h"

#include "attest/tcb.h"

#define DIGITS_96                                                                                  \
    "11111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111" \
    "1111"
#define OTHER_96                                                                                   \
    "22222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222" \
    "2222"

static pbts_status parse(pbts_attest_policy *out, pbts_policy_mistake *mistake, const char *text) {
    return pbts_attest_policy_parse(out, mistake, pbts_span_text(text));
}

static pbts_attest_policy policy_of(const char *text) {
    pbts_attest_policy policy;
    pbts_policy_mistake mistake;
    assert_int_equal(parse(&policy, &mistake, text), PBTS_OK);
    return policy;
}

static pbts_td_report good_report(void) {
    pbts_td_report td = { .td_attributes = PBTS_TD_SEPT_VE_DISABLE, .xfam = 0x602e7 };
    memset(td.mrtd, 0x11, sizeof td.mrtd);
    memset(td.rtmr, 0x11, sizeof td.rtmr);
    return td;
}

static pbts_attest_reason check(const char *text, const pbts_td_report *td) {
    pbts_attest_policy policy = policy_of(text);
    return pbts_attest_policy_check(&policy, td, PBTS_TCB_UP_TO_DATE, 17);
}

#define ANY "measurement = any any any any any\n"

static void a_file_says_where_and_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *text;
        pbts_status status;
        const char *says;
    } BAD[] = {
        { "accept = Revoked", PBTS_MALFORMED, "line 1: accept: should be TCB statuses" },
        { "accept = UpToDate Fine", PBTS_MALFORMED, "line 1: accept: should be TCB statuses" },
        { "accept =", PBTS_MALFORMED, "line 1: accept: should be TCB statuses" },
        { "\n# c\nfoo = 1", PBTS_NOT_FOUND, "line 3: foo: there is no such key" },
        { "allow_debug", PBTS_MALFORMED, "line 1: allow_debug: should be key = value" },
        { "allow_debug = true", PBTS_MALFORMED, "line 1: allow_debug: should be yes or no" },
        { "allow_sept_ve = 1", PBTS_MALFORMED, "line 1: allow_sept_ve: should be yes or no" },
        { "allow_debug = no\nallow_debug = no", PBTS_EXISTS,
          "line 2: allow_debug: stands here for the second time" },
        { "measurement = any any any any", PBTS_MALFORMED, "line 1: measurement: should be MRTD" },
        { "measurement = any any any any any any", PBTS_MALFORMED,
          "line 1: measurement: should be MRTD" },
        { "measurement = any any any any 11", PBTS_MALFORMED,
          "line 1: measurement: should be MRTD" },
        { "mrseam = " DIGITS_96 "1", PBTS_MALFORMED,
          "line 1: mrseam: should be 96 hexadecimal digits" },
        { "tcb_evaluation_min = 4294967296", PBTS_LIMIT,
          "line 1: tcb_evaluation_min: should be a number" },
        { "tcb_evaluation_min = -1", PBTS_MALFORMED,
          "line 1: tcb_evaluation_min: should be a number" },
        { "xfam_allowed = e7", PBTS_MALFORMED,
          "line 1: xfam_allowed: should be 16 hexadecimal digits" },
        { "report_data = 00", PBTS_MALFORMED,
          "line 1: report_data: should be 128 hexadecimal digits" },
        { "a\x1b[2J b = 1", PBTS_NOT_FOUND, "line 1: a?[2J?b: there is no such key" },
        { "0123456789012345678901234567890123 = 1", PBTS_NOT_FOUND,
          "line 1: 0123456789012345678901234567890: there is no such key" },
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        pbts_attest_policy policy;
        pbts_policy_mistake mistake;
        char said[PBTS_POLICY_MISTAKE_MAX];
        pbts_status status = parse(&policy, &mistake, BAD[i].text);
        assert_int_equal(status, BAD[i].status);
        pbts_policy_mistake_text(said, &mistake, status);
        if (strncmp(said, BAD[i].says, strlen(BAD[i].says)) != 0) fail_msg("it says: %s", said);
    }
}

static void a_file_that_is_too_long_has_no_line(void **state) {
    (void)state;
    static char text[PBTS_POLICY_LEN_MAX + 2];
    pbts_attest_policy policy;
    pbts_policy_mistake mistake;
    char said[PBTS_POLICY_MISTAKE_MAX];
    memset(text, '\n', sizeof text - 1);
    assert_int_equal(parse(&policy, &mistake, text), PBTS_LIMIT);
    pbts_policy_mistake_text(said, &mistake, PBTS_LIMIT);
    assert_string_equal(said, pbts_status_text(PBTS_LIMIT));
    text[PBTS_POLICY_LEN_MAX] = '\0';
    assert_int_equal(parse(&policy, &mistake, text), PBTS_OK);
}

static pbts_status parse_repeated(const char *line_text, size_t count) {
    char *text = calloc(count + 1, strlen(line_text) + 1);
    pbts_attest_policy policy;
    pbts_policy_mistake mistake;
    for (size_t i = 0; i < count; i++) strcat(text, line_text);
    pbts_status status = parse(&policy, &mistake, text);
    free(text);
    return status;
}

static void lists_are_as_long_as_their_limits(void **state) {
    (void)state;
    assert_int_equal(parse_repeated(ANY, PBTS_POLICY_MEASUREMENTS_MAX), PBTS_OK);
    assert_int_equal(parse_repeated(ANY, PBTS_POLICY_MEASUREMENTS_MAX + 1), PBTS_LIMIT);
    assert_int_equal(parse_repeated("mrseam = " DIGITS_96 "\n", PBTS_POLICY_VALUES_MAX), PBTS_OK);
    assert_int_equal(parse_repeated("mrseam = " DIGITS_96 "\n", PBTS_POLICY_VALUES_MAX + 1),
                     PBTS_LIMIT);
    assert_int_equal(parse_repeated("#\n", PBTS_POLICY_LEN_MAX / 2), PBTS_OK);
    assert_int_equal(parse_repeated("#\n", PBTS_POLICY_LEN_MAX / 2 + 1), PBTS_LIMIT);
}

static void attributes_are_what_is_allowed(void **state) {
    (void)state;
    pbts_td_report td = good_report();
    assert_reason(check(ANY, &td), PBTS_ATTEST_ACCEPTED);
    td.td_attributes = PBTS_TD_SEPT_VE_DISABLE | PBTS_TD_DEBUG;
    assert_reason(check(ANY, &td), PBTS_ATTEST_POLICY_DEBUG);
    assert_reason(check(ANY "allow_debug = yes", &td), PBTS_ATTEST_ACCEPTED);
    for (int bit = 0; bit < 64; bit++) {
        uint64_t mask = UINT64_C(1) << bit;
        td.td_attributes = PBTS_TD_SEPT_VE_DISABLE | mask;
        bool known = (PBTS_TD_KNOWN & mask) != 0;
        assert_reason(check(ANY "allow_debug = yes\ntd_attributes_allowed = ffffffffffffffff", &td),
                      known ? PBTS_ATTEST_ACCEPTED : PBTS_ATTEST_POLICY_RESERVED);
    }
    td.td_attributes = PBTS_TD_SEPT_VE_DISABLE | PBTS_TD_PKS;
    assert_reason(check(ANY, &td), PBTS_ATTEST_POLICY_ATTRIBUTES);
    assert_reason(check(ANY "td_attributes_allowed = 0000005000000000", &td), PBTS_ATTEST_ACCEPTED);
    td.td_attributes = 0;
    assert_reason(check(ANY, &td), PBTS_ATTEST_POLICY_SEPT_VE);
    assert_reason(check(ANY "allow_sept_ve = yes", &td), PBTS_ATTEST_ACCEPTED);
}

static void processor_features_are_what_is_allowed(void **state) {
    (void)state;
    pbts_td_report td = good_report();
    td.xfam = 0x2;
    assert_reason(check(ANY, &td), PBTS_ATTEST_POLICY_XFAM);
    td.xfam = 0x3 | 0x8; /* MPX, which no TDX module offers */
    assert_reason(check(ANY, &td), PBTS_ATTEST_POLICY_XFAM);
    td.xfam = 0xe7;
    assert_reason(check(ANY "xfam_allowed = 0700000000000000", &td), PBTS_ATTEST_POLICY_XFAM);
    assert_reason(check(ANY "xfam_allowed = e700000000000000", &td), PBTS_ATTEST_ACCEPTED);
}

static void the_module_is_intels(void **state) {
    (void)state;
    pbts_td_report td = good_report();
    td.mrsignerseam[47] = 1;
    assert_reason(check(ANY, &td), PBTS_ATTEST_POLICY_SEAM_SIGNER);
    td = good_report();
    td.seam_attributes = 1;
    assert_reason(check(ANY, &td), PBTS_ATTEST_POLICY_SEAM_ATTRIBUTES);
    td = good_report();
    assert_reason(check(ANY "mrseam = " DIGITS_96, &td), PBTS_ATTEST_POLICY_MEASUREMENT);
}

static void registers_are_zero_or_named(void **state) {
    (void)state;
    static const struct {
        const char *key;
        size_t at;
        pbts_attest_reason reason;
    } REGISTERS[] = {
        { "mrconfigid", offsetof(pbts_td_report, mrconfigid), PBTS_ATTEST_POLICY_CONFIG_ID },
        { "mrowner", offsetof(pbts_td_report, mrowner), PBTS_ATTEST_POLICY_OWNER },
        { "mrownerconfig", offsetof(pbts_td_report, mrownerconfig),
          PBTS_ATTEST_POLICY_OWNER_CONFIG },
        { "mrservicetd", offsetof(pbts_td_report, mrservicetd), PBTS_ATTEST_POLICY_SERVICE_TD },
    };
    for (size_t i = 0; i < sizeof REGISTERS / sizeof REGISTERS[0]; i++) {
        pbts_td_report td = good_report();
        char text[1024];
        memset((uint8_t *)&td + REGISTERS[i].at, 0x22, PBTS_MEASUREMENT_LEN);
        assert_reason(check(ANY, &td), REGISTERS[i].reason);
        (void)snprintf(text, sizeof text, ANY "%s = any", REGISTERS[i].key);
        assert_reason(check(text, &td), PBTS_ATTEST_ACCEPTED);
        (void)snprintf(text, sizeof text, ANY "%s = " DIGITS_96, REGISTERS[i].key);
        assert_reason(check(text, &td), REGISTERS[i].reason);
        (void)snprintf(text, sizeof text, ANY "%s = " DIGITS_96 "\n%s = " OTHER_96,
                       REGISTERS[i].key, REGISTERS[i].key);
        assert_reason(check(text, &td), PBTS_ATTEST_ACCEPTED);
    }
}

/* Registers of one line belong together: half of one and half of another do not do. */
static void one_line_of_measurements_fits_as_a_whole(void **state) {
    (void)state;
    static const char LINES[] = "measurement = " DIGITS_96 " " OTHER_96 " any any any\n"
                                "measurement = " OTHER_96 " " DIGITS_96 " any any any\n";
    pbts_td_report td = good_report();
    assert_reason(check("", &td), PBTS_ATTEST_POLICY_MEASUREMENT);
    assert_reason(check(LINES, &td), PBTS_ATTEST_POLICY_MEASUREMENT);
    memset(td.rtmr[0], 0x22, sizeof td.rtmr[0]);
    assert_reason(check(LINES, &td), PBTS_ATTEST_ACCEPTED);
    for (int i = 1; i < PBTS_RTMR_COUNT; i++) {
        static const char ALL[] =
            "measurement = " DIGITS_96 " any " DIGITS_96 " " DIGITS_96 " " DIGITS_96;
        td.rtmr[i][47] ^= 1;
        assert_reason(check(ALL, &td), PBTS_ATTEST_POLICY_MEASUREMENT);
        td.rtmr[i][47] ^= 1;
        assert_reason(check(ALL, &td), PBTS_ATTEST_ACCEPTED);
    }
}

static void statuses_and_numbers_are_accepted_as_listed(void **state) {
    (void)state;
    pbts_td_report td = good_report();
    pbts_attest_policy policy = policy_of(ANY "accept = SWHardeningNeeded TDRelaunchAdvised\n"
                                              "tcb_evaluation_min = 17\n");
    for (int status = 0; status < PBTS_TCB_STATUS_COUNT; status++) {
        bool listed =
            status == PBTS_TCB_SW_HARDENING_NEEDED || status == PBTS_TCB_TD_RELAUNCH_ADVISED;
        assert_reason(pbts_attest_policy_check(&policy, &td, (pbts_tcb_status)status, 17),
                      listed ? PBTS_ATTEST_ACCEPTED : PBTS_ATTEST_POLICY_TCB_STATUS);
    }
    assert_reason(pbts_attest_policy_check(&policy, &td, PBTS_TCB_SW_HARDENING_NEEDED, 16),
                  PBTS_ATTEST_POLICY_TCB_EVALUATION);
    policy.accepted = UINT32_MAX; /* not even then */
    assert_reason(pbts_attest_policy_check(&policy, &td, PBTS_TCB_REVOKED, 17),
                  PBTS_ATTEST_POLICY_TCB_STATUS);
}

static void report_data_is_bound_in_every_byte(void **state) {
    (void)state;
    pbts_td_report td = good_report();
    char text[512] = ANY "report_data = ";
    for (int i = 0; i < PBTS_REPORT_DATA_LEN; i++) {
        td.report_data[i] = (uint8_t)i;
        (void)snprintf(text + strlen(text), 3, "%02X", (unsigned)i);
    }
    assert_reason(check(text, &td), PBTS_ATTEST_ACCEPTED);
    for (int i = 0; i < PBTS_REPORT_DATA_LEN; i++) {
        td.report_data[i] ^= 0x10;
        assert_reason(check(text, &td), PBTS_ATTEST_POLICY_REPORT_DATA);
        td.report_data[i] ^= 0x10;
    }
}

/* ---- statuses ---- */

static void a_part_makes_a_platform_worse_never_better(void **state) {
    (void)state;
    static const pbts_tcb_status WITH_OLD_PART[] = {
        [PBTS_TCB_UP_TO_DATE] = PBTS_TCB_OUT_OF_DATE,
        [PBTS_TCB_SW_HARDENING_NEEDED] = PBTS_TCB_OUT_OF_DATE,
        [PBTS_TCB_CONFIGURATION_NEEDED] = PBTS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
        [PBTS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] =
            PBTS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
        [PBTS_TCB_OUT_OF_DATE] = PBTS_TCB_OUT_OF_DATE,
        [PBTS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = PBTS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
        [PBTS_TCB_REVOKED] = PBTS_TCB_REVOKED,
    };
    for (int i = 0; i <= PBTS_TCB_REVOKED; i++) {
        pbts_tcb_status platform = (pbts_tcb_status)i;
        assert_int_equal(pbts_tcb_status_join(platform, PBTS_TCB_UP_TO_DATE), platform);
        assert_int_equal(pbts_tcb_status_join(platform, PBTS_TCB_OUT_OF_DATE), WITH_OLD_PART[i]);
        assert_int_equal(pbts_tcb_status_join(platform, PBTS_TCB_REVOKED), PBTS_TCB_REVOKED);
    }
}

/* The module's version decides where the TDX components begin to count. */
static void tdx_components_count_from_the_second_on_where_modules_have_versions(void **state) {
    (void)state;
    static pbts_tcb_info info = { .levels_len = 1 };
    pbts_pck pck = { .pcesvn = 1 };
    pbts_td_report td = { .tee_tcb_svn = { 1, 0, 3 } };
    pbts_tcb_result result;
    info.levels[0].tdx_svn[0] = 2;
    info.levels[0].tdx_svn[2] = 3;
    assert_reason(pbts_tcb_match(&result, &info, &pck, &td), PBTS_ATTEST_TCB_NOT_SUPPORTED);
    td.tee_tcb_svn[1] = 1;
    assert_reason(pbts_tcb_match(&result, &info, &pck, &td), PBTS_ATTEST_ACCEPTED);
    td.tee_tcb_svn[2] = 2;
    assert_reason(pbts_tcb_match(&result, &info, &pck, &td), PBTS_ATTEST_TCB_NOT_SUPPORTED);
    td.tee_tcb_svn[2] = 3;
    for (int i = 0; i < PBTS_TCB_COMPONENTS; i++) {
        info.levels[0].sgx_svn[i] = 1;
        assert_reason(pbts_tcb_match(&result, &info, &pck, &td), PBTS_ATTEST_TCB_NOT_SUPPORTED);
        info.levels[0].sgx_svn[i] = 0;
        if (i < 3) continue;
        info.levels[0].tdx_svn[i] = 1;
        assert_reason(pbts_tcb_match(&result, &info, &pck, &td), PBTS_ATTEST_TCB_NOT_SUPPORTED);
        info.levels[0].tdx_svn[i] = 0;
    }
    info.levels[0].pcesvn = 2;
    assert_reason(pbts_tcb_match(&result, &info, &pck, &td), PBTS_ATTEST_TCB_NOT_SUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_says_where_and_what_is_wrong),
        cmocka_unit_test(a_file_that_is_too_long_has_no_line),
        cmocka_unit_test(lists_are_as_long_as_their_limits),
        cmocka_unit_test(attributes_are_what_is_allowed),
        cmocka_unit_test(processor_features_are_what_is_allowed),
        cmocka_unit_test(the_module_is_intels),
        cmocka_unit_test(registers_are_zero_or_named),
        cmocka_unit_test(one_line_of_measurements_fits_as_a_whole),
        cmocka_unit_test(statuses_and_numbers_are_accepted_as_listed),
        cmocka_unit_test(report_data_is_bound_in_every_byte),
        cmocka_unit_test(a_part_makes_a_platform_worse_never_better),
        cmocka_unit_test(tdx_components_count_from_the_second_on_where_modules_have_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
