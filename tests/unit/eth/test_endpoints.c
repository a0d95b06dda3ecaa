/* Unit tests of eth/endpoints.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eth/endpoints.h"

static pbts_endpoints with(uint32_t count) {
    pbts_endpoints endpoints;
    assert_int_equal(pbts_endpoints_init(&endpoints, count, 7), PBTS_OK);
    return endpoints;
}

static uint32_t chosen(pbts_endpoints *endpoints, uint32_t without, uint64_t now_ms) {
    uint32_t out = UINT32_MAX;
    assert_true(pbts_endpoints_choose(endpoints, &out, without, now_ms));
    assert_true(out < endpoints->count);
    return out;
}

static void there_are_1_to_16(void **state) {
    (void)state;
    pbts_endpoints endpoints;
    assert_int_equal(pbts_endpoints_init(&endpoints, 0, 1), PBTS_LIMIT);
    assert_int_equal(pbts_endpoints_init(&endpoints, PBTS_ENDPOINTS_MAX, 1), PBTS_OK);
    assert_int_equal(pbts_endpoints_all(&endpoints), 0xffff);
    assert_int_equal(pbts_endpoints_init(&endpoints, PBTS_ENDPOINTS_MAX + 1, 1), PBTS_LIMIT);
}

static void equals_share_the_load(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(4);
    size_t counts[4] = { 0 };
    for (size_t i = 0; i < 4000; i++) counts[chosen(&endpoints, 0, 0)]++;
    for (size_t i = 0; i < 4; i++) assert_in_range(counts[i], 800, 1200);
}

static void a_failure_makes_it_rest_and_the_others_come_first(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(2);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_FAILED, 1000);
    uint64_t awake_ms = pbts_endpoints_awake_ms(&endpoints, 2);
    assert_in_range(awake_ms, 1000 + PBTS_ENDPOINT_REST_FIRST_MS / 2,
                    1000 + PBTS_ENDPOINT_REST_FIRST_MS);
    assert_int_equal(pbts_endpoints_awake(&endpoints, awake_ms - 1), 2);
    assert_int_equal(pbts_endpoints_awake(&endpoints, awake_ms), 3);
    uint32_t out;
    assert_false(pbts_endpoints_choose(&endpoints, &out, 2, awake_ms - 1));
    assert_int_equal(chosen(&endpoints, 2, awake_ms), 0);
    for (size_t i = 0; i < 50; i++) assert_int_equal(chosen(&endpoints, 0, awake_ms), 1);
    assert_true(pbts_endpoints_awake_ms(&endpoints, 3) == UINT64_MAX);
}

static void rests_double_up_to_a_bound_and_end_with_a_success(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(1);
    uint64_t now_ms = 0;
    for (uint32_t i = 0; i < 40; i++) {
        uint64_t whole_ms = i < 7 ? (uint64_t)PBTS_ENDPOINT_REST_FIRST_MS << i : UINT64_MAX;
        if (whole_ms > PBTS_ENDPOINT_REST_MAX_MS) whole_ms = PBTS_ENDPOINT_REST_MAX_MS;
        pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_FAILED, now_ms);
        uint64_t rest_ms = pbts_endpoints_awake_ms(&endpoints, 0) - now_ms;
        assert_in_range(rest_ms, whole_ms / 2, whole_ms);
        now_ms += rest_ms;
    }
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_GOOD, now_ms);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_FAILED, now_ms);
    assert_true(pbts_endpoints_awake_ms(&endpoints, 0) - now_ms <= PBTS_ENDPOINT_REST_FIRST_MS);
}

static void one_that_asks_for_less_gets_it(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(1);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_BUSY, 0);
    assert_true(pbts_endpoints_awake_ms(&endpoints, 0) >= PBTS_ENDPOINT_REST_BUSY_MS);
}

static void a_lie_weighs_more_than_any_number_of_failures(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(2);
    for (size_t i = 0; i < 1000; i++) {
        pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_FAILED, 0);
        pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_MALFORMED, 0);
    }
    pbts_endpoints_report(&endpoints, 1, PBTS_ENDPOINT_WRONG, 0);
    assert_true(pbts_endpoints_penalty(&endpoints, 1, 0) >
                pbts_endpoints_penalty(&endpoints, 0, 0));
    uint64_t rest_ms = pbts_endpoints_awake_ms(&endpoints, 1 << 0);
    assert_in_range(rest_ms, PBTS_ENDPOINT_REST_WRONG_MS, 2 * PBTS_ENDPOINT_REST_WRONG_MS);
    assert_int_equal(chosen(&endpoints, 0, rest_ms), 0);
}

static void when_all_were_wrong_each_is_asked_again_soon(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(3);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_WRONG, 1000);
    pbts_endpoints_report(&endpoints, 1, PBTS_ENDPOINT_OUTVOTED, 1000);
    assert_int_equal(pbts_endpoints_wrong(&endpoints), 3);
    assert_true(endpoints.each[0].rests_until_ms > 1000 + PBTS_ENDPOINT_REST_MAX_MS);
    assert_true(endpoints.each[1].rests_until_ms > 1000 + PBTS_ENDPOINT_REST_MAX_MS);
    pbts_endpoints_report(&endpoints, 2, PBTS_ENDPOINT_WRONG, 2000);
    assert_int_equal(pbts_endpoints_awake(&endpoints, 2000), 0);
    assert_int_equal(pbts_endpoints_awake(&endpoints, 2000 + PBTS_ENDPOINT_REST_FIRST_MS), 7);
    /* Whoever is proved wrong while another is not rests for long again. */
    pbts_endpoints_report(&endpoints, 1, PBTS_ENDPOINT_GOOD, 3000);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_WRONG, 3000);
    assert_int_equal(pbts_endpoints_wrong(&endpoints), 5);
    assert_true(endpoints.each[0].rests_until_ms >= 3000 + PBTS_ENDPOINT_REST_WRONG_MS);
}

static void what_one_rests_for_does_not_end_with_a_good_answer(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(2);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_WRONG, 0);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_GOOD, 1);
    assert_int_equal(pbts_endpoints_awake(&endpoints, 1), 2);
    assert_int_equal(pbts_endpoints_wrong(&endpoints), 1);
    /* The other one too: now nobody else is there, and both come back soon. */
    pbts_endpoints_report(&endpoints, 1, PBTS_ENDPOINT_WRONG, 2);
    assert_int_equal(pbts_endpoints_awake(&endpoints, 2 + PBTS_ENDPOINT_REST_FIRST_MS), 3);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_GOOD, 2 + PBTS_ENDPOINT_REST_FIRST_MS);
    assert_int_equal(pbts_endpoints_wrong(&endpoints), 2);
}

static void penalties_halve_with_time_and_never_overflow(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(1);
    pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_WRONG, 0);
    uint64_t first = pbts_endpoints_penalty(&endpoints, 0, 0);
    uint64_t last = first;
    for (uint64_t now_ms = 0; now_ms < 5 * PBTS_ENDPOINT_HALF_LIFE_MS; now_ms += 10000) {
        uint64_t penalty = pbts_endpoints_penalty(&endpoints, 0, now_ms);
        assert_true(penalty <= last);
        last = penalty;
    }
    assert_true(pbts_endpoints_penalty(&endpoints, 0, PBTS_ENDPOINT_HALF_LIFE_MS) == first / 2);
    assert_true(pbts_endpoints_penalty(&endpoints, 0, UINT64_MAX) == 0);
    for (size_t i = 0; i < 100; i++) {
        pbts_endpoints_report(&endpoints, 0, PBTS_ENDPOINT_WRONG, 0);
    }
    assert_true(pbts_endpoints_penalty(&endpoints, 0, 0) <= 1024000);
}

static void one_whose_head_lags_is_asked_last(void **state) {
    (void)state;
    pbts_endpoints endpoints = with(4);
    pbts_endpoints_set_head(&endpoints, 0, 100);
    pbts_endpoints_set_head(&endpoints, 1, 100 - PBTS_ENDPOINT_LAG_BLOCKS);
    pbts_endpoints_set_head(&endpoints, 2, 100 - PBTS_ENDPOINT_LAG_BLOCKS - 1);
    assert_false(pbts_endpoints_is_behind(&endpoints, 2)); /* the median is 97 */
    pbts_endpoints_set_head(&endpoints, 3, UINT64_MAX);    /* boasts */
    assert_false(pbts_endpoints_is_behind(&endpoints, 1));
    pbts_endpoints_set_head(&endpoints, 1, 100);
    assert_true(pbts_endpoints_is_behind(&endpoints, 2));
    assert_false(pbts_endpoints_is_behind(&endpoints, 0));
    for (size_t i = 0; i < 100; i++) assert_int_not_equal(chosen(&endpoints, 0, 0), 2);
    assert_int_equal(chosen(&endpoints, 11, 0), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_1_to_16),
        cmocka_unit_test(equals_share_the_load),
        cmocka_unit_test(a_failure_makes_it_rest_and_the_others_come_first),
        cmocka_unit_test(rests_double_up_to_a_bound_and_end_with_a_success),
        cmocka_unit_test(one_that_asks_for_less_gets_it),
        cmocka_unit_test(a_lie_weighs_more_than_any_number_of_failures),
        cmocka_unit_test(when_all_were_wrong_each_is_asked_again_soon),
        cmocka_unit_test(what_one_rests_for_does_not_end_with_a_good_answer),
        cmocka_unit_test(penalties_halve_with_time_and_never_overflow),
        cmocka_unit_test(one_whose_head_lags_is_asked_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
