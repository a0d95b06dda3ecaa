/* Unit tests of attest/: the simulator's evidence passes under its own root and is refused by a
 * real verifier three times over. */
#include "attest/simulator.h"
#include "attest/simulator_parts.h"
#include "evidence.h"
#include "receipt/faulty_mem.h"

#define NOW_S UINT64_C(1790000000)

enum { DAY_S = 86400 };

typedef struct {
    pbts_simulator *simulator;
    pbts_collateral *collateral;
    uint8_t quote[PBTS_SIMULATOR_QUOTE_MAX], report_data[PBTS_REPORT_DATA_LEN];
    size_t len;
    pbts_attest_policy policy;
    pbts_attest_verdict verdict;
} scene;

static scene *open_scene(void) {
    scene *s = calloc(1, sizeof *s);
    pbts_collateral_files files;
    assert_non_null(s);
    memset(s->report_data, 0xa7, sizeof s->report_data);
    assert_int_equal(pbts_simulator_new(&s->simulator, pbts_mem_system(), NOW_S), PBTS_OK);
    pbts_simulator_collateral(&files, s->simulator);
    s->collateral = evidence_collateral(&files);
    pbts_simulator_policy(&s->policy);
    pbts_writer writer = pbts_writer_over(s->quote, sizeof s->quote);
    assert_int_equal(pbts_simulator_quote(&writer, s->simulator, s->report_data), PBTS_OK);
    s->len = writer.len;
    return s;
}

static void close_scene(scene *s) {
    pbts_collateral_free(s->collateral);
    pbts_simulator_free(s->simulator);
    free(s);
}

static pbts_attest_reason verify(scene *s, const pbts_attest_root *root, uint64_t now_s) {
    uint8_t *exact = evidence_copy((pbts_span){ s->quote, s->len });
    (void)!pbts_attest_verify(&s->verdict, (pbts_span){ exact, s->len }, s->collateral, root,
                              &s->policy, now_s);
    free(exact);
    return s->verdict.reason;
}

static void under_its_own_root_every_check_passes(void **state) {
    (void)state;
    scene *s = open_scene();
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, NOW_S), PBTS_ATTEST_ACCEPTED);
    assert_int_equal(s->verdict.status, PBTS_TCB_UP_TO_DATE);
    assert_int_equal(s->verdict.quote.version, 4);
    assert_memory_equal(s->verdict.quote.td.report_data, s->report_data, sizeof s->report_data);
    assert_true((s->verdict.quote.td.td_attributes & PBTS_TD_DEBUG) != 0);
    assert_int_equal(s->verdict.quote.trailing.len, 0);
    close_scene(s);
}

static void a_real_verifier_refuses_its_vendor_then_its_root_then_debug(void **state) {
    (void)state;
    scene *s = open_scene();
    pbts_attest_root half = PBTS_ATTEST_INTEL;
    assert_reason(verify(s, &PBTS_ATTEST_INTEL, NOW_S), PBTS_ATTEST_QUOTE_VENDOR);
    memcpy(half.vendor_id, PBTS_ATTEST_SIMULATOR.vendor_id, sizeof half.vendor_id);
    assert_reason(verify(s, &half, NOW_S), PBTS_ATTEST_ROOT_KEY);
    s->policy.allow_debug = false;
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, NOW_S), PBTS_ATTEST_POLICY_DEBUG);
    close_scene(s);
}

static void genuine_evidence_is_refused_under_its_root(void **state) {
    (void)state;
    evidence_set set = evidence_open(PHALA_SET);
    pbts_attest_verdict verdict;
    pbts_attest_policy policy = evidence_policy();
    assert_int_not_equal(pbts_attest_verify(&verdict, set.quote, set.collateral,
                                            &PBTS_ATTEST_SIMULATOR, &policy, PHALA_NOW_S),
                         PBTS_OK);
    assert_reason(verdict.reason, PBTS_ATTEST_QUOTE_VENDOR);
    evidence_close(&set);
}

static void its_policy_accepts_its_guest_and_no_other(void **state) {
    (void)state;
    scene *s = open_scene();
    s->policy.measurements[0].registers[4].bytes[47] ^= 1;
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, NOW_S), PBTS_ATTEST_POLICY_MEASUREMENT);
    s->policy.measurements[0].registers[4].bytes[47] ^= 1;
    s->policy.has_report_data = true;
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, NOW_S), PBTS_ATTEST_POLICY_REPORT_DATA);
    memcpy(s->policy.report_data, s->report_data, sizeof s->report_data);
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, NOW_S), PBTS_ATTEST_ACCEPTED);
    close_scene(s);
}

static void its_collateral_has_a_window(void **state) {
    (void)state;
    scene *s = open_scene();
    uint64_t from_s = NOW_S - DAY_S, to_s = NOW_S + (uint64_t)PBTS_SIMULATOR_DAYS * DAY_S;
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, from_s), PBTS_ATTEST_ACCEPTED);
    assert_int_equal(s->verdict.valid_from_s, from_s);
    assert_int_equal(s->verdict.valid_to_s, to_s);
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, to_s), PBTS_ATTEST_ACCEPTED);
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, from_s - 1), PBTS_ATTEST_ROOT_CRL_DATE);
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, to_s + 1), PBTS_ATTEST_ROOT_CRL_DATE);
    close_scene(s);
}

/* Who verifies has not the simulator that made the quote, but makes one like it. */
static void collateral_of_another_simulator_fits(void **state) {
    (void)state;
    scene *s = open_scene();
    scene *other = open_scene();
    pbts_collateral *mine = s->collateral;
    s->collateral = other->collateral;
    assert_reason(verify(s, &PBTS_ATTEST_SIMULATOR, NOW_S), PBTS_ATTEST_ACCEPTED);
    s->collateral = mine;
    close_scene(other);
    close_scene(s);
}

static void a_changed_bit_is_noticed(void **state) {
    (void)state;
    scene *s = open_scene();
    for (size_t at = 0; at < s->len; at += 37) {
        s->quote[at] ^= 1;
        assert_int_not_equal(verify(s, &PBTS_ATTEST_SIMULATOR, NOW_S), PBTS_ATTEST_ACCEPTED);
        s->quote[at] ^= 1;
    }
    close_scene(s);
}

static void a_quote_that_does_not_fit_is_not_begun(void **state) {
    (void)state;
    scene *s = open_scene();
    uint8_t room[PBTS_SIMULATOR_QUOTE_MAX];
    pbts_writer writer = pbts_writer_over(room, 700);
    assert_int_equal(pbts_simulator_quote(&writer, s->simulator, s->report_data), PBTS_NO_SPACE);
    assert_int_equal(writer.len, 0);
    close_scene(s);
}

static void without_memory_there_is_none(void **state) {
    (void)state;
    pbts_simulator *simulator;
    faulty_mem mem = mem_failing_at(0);
    assert_int_equal(pbts_simulator_new(&simulator, &mem.mem, NOW_S), PBTS_NO_MEMORY);
    mem = mem_failing_at(1);
    assert_int_equal(pbts_simulator_new(&simulator, &mem.mem, NOW_S), PBTS_OK);
    assert_int_equal(mem.live, 1);
    pbts_simulator_free(simulator);
    pbts_simulator_free(NULL);
    assert_int_equal(mem.live, 0);
}

static void the_root_is_the_one_that_is_written_down(void **state) {
    (void)state;
    uint8_t hash[PBTS_KEY_HASH_LEN];
    scene *s = open_scene();
    assert_int_equal(pbts_key_hash(hash, s->simulator->root), PBTS_OK);
    assert_memory_equal(hash, PBTS_ATTEST_SIMULATOR.key_hash, sizeof hash);
    close_scene(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_the_one_that_is_written_down),
        cmocka_unit_test(under_its_own_root_every_check_passes),
        cmocka_unit_test(a_real_verifier_refuses_its_vendor_then_its_root_then_debug),
        cmocka_unit_test(genuine_evidence_is_refused_under_its_root),
        cmocka_unit_test(its_policy_accepts_its_guest_and_no_other),
        cmocka_unit_test(its_collateral_has_a_window),
        cmocka_unit_test(collateral_of_another_simulator_fits),
        cmocka_unit_test(a_changed_bit_is_noticed),
        cmocka_unit_test(a_quote_that_does_not_fit_is_not_begun),
        cmocka_unit_test(without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
