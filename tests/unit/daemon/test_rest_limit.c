/* How often an address may do a thing, over hours, against counting on one's fingers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "pbts-tracker/rest/rest_limit.c"

enum { LIMIT = REST_REGISTRATIONS_PER_HOUR, START = 5000, STEP = HOUR_MS / LIMIT };
#define KIND REST_LIMIT_REGISTRATION

static const pbts_span SEED = { (const uint8_t *)"a secret", 8 };

static pbts_addr ipv4(uint32_t number) {
    pbts_addr addr = { .family = PBTS_IPV4 };
    memcpy(addr.ip, &number, sizeof number);
    return addr;
}

static unsigned taken(struct rest_limits *limits, const pbts_addr *addr, uint64_t at,
                      unsigned tries) {
    unsigned count = 0;
    struct rest_limit_who who = rest_limit_address(addr);
    for (unsigned i = 0; i < tries; i++)
        count += rest_limits_take(limits, KIND, SEED, &who, at) ? 1 : 0;
    return count;
}

static uint64_t wait_of(struct rest_limits *limits, const pbts_addr *addr, uint64_t at) {
    struct rest_limit_who who = rest_limit_address(addr);
    return rest_limits_wait_ms(limits, KIND, SEED, &who, at);
}

static void a_full_bucket_holds_an_hours_worth_and_one_more_is_refused(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    assert_int_equal(taken(limits, &addr, START, LIMIT), LIMIT);
    assert_int_equal(wait_of(limits, &addr, START), STEP);
    assert_int_equal(wait_of(limits, &addr, START + 1), STEP - 1);
    assert_int_equal(wait_of(limits, &addr, START + STEP), 0);
    assert_int_equal(taken(limits, &addr, START, 10), 0);
}

static void it_fills_again_evenly(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    assert_int_equal(taken(limits, &addr, START, LIMIT), LIMIT);
    assert_int_equal(taken(limits, &addr, START + STEP - 1, 10), 0);
    assert_int_equal(taken(limits, &addr, START + STEP, 10), 1);
    assert_int_equal(taken(limits, &addr, START + 11 * STEP, 100), 10);
    assert_int_equal(taken(limits, &addr, START + 10 * (uint64_t)HOUR_MS, 100), LIMIT);
}

static void looking_counts_nothing(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    for (unsigned i = 0; i < 5 * LIMIT; i++) assert_int_equal(wait_of(limits, &addr, START), 0);
    assert_int_equal(taken(limits, &addr, START, 2 * LIMIT), LIMIT);
}

static void a_refused_try_does_not_prolong_the_wait(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    (void)taken(limits, &addr, START, LIMIT);
    assert_int_equal(taken(limits, &addr, START, 100000), 0);
    assert_int_equal(taken(limits, &addr, START + STEP, 1), 1);
}

static void kinds_and_addresses_have_buckets_of_their_own(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr one = ipv4(1), two = ipv4(2);
    assert_int_equal(taken(limits, &one, START, 2 * LIMIT), LIMIT);
    assert_int_equal(taken(limits, &two, START, 2 * LIMIT), LIMIT);
    struct rest_limit_who who = rest_limit_address(&one);
    assert_true(rest_limits_take(limits, REST_LIMIT_BAD_SIGNATURE, SEED, &who, START));
}

static void a_64_of_ipv6_is_one_address_and_a_mapped_one_is_ipv4(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr a, b, c, plain, mapped;
    assert_int_equal(pbts_addr_parse(&a, pbts_span_text("2001:db8:0:1::1")), PBTS_OK);
    assert_int_equal(pbts_addr_parse(&b, pbts_span_text("2001:db8:0:1:ffff::2")), PBTS_OK);
    assert_int_equal(pbts_addr_parse(&c, pbts_span_text("2001:db8:0:2::1")), PBTS_OK);
    assert_int_equal(pbts_addr_parse(&plain, pbts_span_text("203.0.113.9")), PBTS_OK);
    assert_int_equal(pbts_addr_parse(&mapped, pbts_span_text("::ffff:203.0.113.9")), PBTS_OK);
    assert_int_equal(taken(limits, &a, START, LIMIT), LIMIT);
    assert_int_equal(taken(limits, &b, START, 1), 0);
    assert_int_equal(taken(limits, &c, START, 1), 1);
    assert_int_equal(taken(limits, &plain, START, LIMIT), LIMIT);
    assert_int_equal(taken(limits, &mapped, START, 1), 0);
}

static void a_crowd_larger_than_the_table_is_never_refused_its_first(void **state) {
    struct rest_limits *limits = *state;
    for (uint32_t i = 0; i < 8 * REST_LIMIT_SLOTS; i++) {
        pbts_addr addr = ipv4(0x01000000 + i);
        assert_int_equal(taken(limits, &addr, START, 1), 1);
    }
}

/* Few addresses, so that none has to give way: then every answer is the oracle's. */
static void random_tries_get_what_a_list_of_times_says(void **state) {
    struct rest_limits *limits = *state;
    enum { ADDRESSES = 20, TRIES = 20000 };
    uint64_t full_at_oracle[ADDRESSES] = { 0 }, now = START;
    pbts_prng prng = pbts_prng_seeded(7);
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t who = pbts_prng_below(&prng, ADDRESSES);
        pbts_addr addr = ipv4(who);
        now += pbts_prng_below(&prng, 4000);
        uint64_t *full = &full_at_oracle[who];
        if (*full < now) *full = now;
        bool expected = *full + STEP <= now + HOUR_MS;
        assert_int_equal(wait_of(limits, &addr, now), expected ? 0 : *full + STEP - now - HOUR_MS);
        if (expected) *full += STEP;
        assert_int_equal(taken(limits, &addr, now, 1), expected);
    }
}

/* ---- CPU time ---- */

enum { PER_MINUTE_US = 6 * 1000 * 1000 }; /* a tenth of a core */

static uint64_t cpu_wait(struct rest_limits *limits, const struct rest_limit_who *who,
                         uint64_t at) {
    return rest_limits_wait_ms(limits, REST_LIMIT_ADDRESS_CPU, SEED, who, at);
}

static void spend(struct rest_limits *limits, const struct rest_limit_who *who, uint64_t at,
                  uint64_t cost_us) {
    rest_limits_spend(limits, REST_LIMIT_ADDRESS_CPU, SEED, who, at, cost_us, PER_MINUTE_US);
}

static void a_minutes_budget_may_be_spent_at_once_and_comes_back_in_a_minute(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    struct rest_limit_who who = rest_limit_address(&addr);
    for (unsigned i = 0; i < 5999; i++) {
        assert_int_equal(cpu_wait(limits, &who, START), 0);
        spend(limits, &who, START, 1000);
    }
    assert_int_equal(cpu_wait(limits, &who, START), 0);
    spend(limits, &who, START, 1000);
    assert_int_equal(cpu_wait(limits, &who, START), 1);
    assert_int_equal(cpu_wait(limits, &who, START + 1), 0);
    spend(limits, &who, START + 30000, 3000 * 1000); /* half of it is back */
    assert_int_equal(cpu_wait(limits, &who, START + 30000), 1);
    assert_int_equal(cpu_wait(limits, &who, START + 200 * 1000), 0);
}

/* What one request costs beyond the budget is made good first, by ten times as long a wait here. */
static void a_debt_is_paid_before_more_is_spent_but_not_for_ever(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    struct rest_limit_who who = rest_limit_address(&addr);
    spend(limits, &who, START, 5 * 1000 * 1000);
    assert_int_equal(cpu_wait(limits, &who, START), 0);
    spend(limits, &who, START, 4 * 1000 * 1000);
    assert_int_equal(cpu_wait(limits, &who, START), 30 * 1000 + 1);
    spend(limits, &who, START, UINT64_C(1000) * 1000 * 1000);
    assert_int_equal(cpu_wait(limits, &who, START), REST_LIMIT_DEBT_MAX_MS + 1);
}

static void the_smallest_cost_counts_and_users_are_apart_from_addresses(void **state) {
    struct rest_limits *limits = *state;
    struct rest_limit_who user = rest_limit_user((pbts_span){ (const uint8_t *)"abcd", 4 });
    pbts_addr addr = { .family = PBTS_IPV4, .ip = { 'a', 'b', 'c', 'd' } };
    struct rest_limit_who who = rest_limit_address(&addr);
    for (unsigned i = 0; i < MINUTE_MS; i++) spend(limits, &who, START, 1);
    assert_int_equal(cpu_wait(limits, &who, START), 1);
    assert_int_equal(rest_limits_wait_ms(limits, REST_LIMIT_USER_CPU, SEED, &user, START), 0);
}

static void years_of_uptime_change_nothing(void **state) {
    struct rest_limits *limits = *state;
    const uint64_t late = UINT64_C(20) * 365 * 24 * HOUR_MS; /* 2^39.2 ms */
    pbts_addr addr = ipv4(1);
    assert_int_equal(taken(limits, &addr, late, 2 * LIMIT), LIMIT);
    assert_int_equal(taken(limits, &addr, late + STEP, 10), 1);
}

static int make_table(void **state) {
    *state = calloc(1, sizeof(struct rest_limits));
    return *state == NULL;
}

static int free_table(void **state) {
    free(*state);
    return 0;
}

#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, make_table, free_table)

int main(void) {
    const struct CMUnitTest tests[] = {
        TABLE_TEST(a_full_bucket_holds_an_hours_worth_and_one_more_is_refused),
        TABLE_TEST(it_fills_again_evenly),
        TABLE_TEST(looking_counts_nothing),
        TABLE_TEST(a_refused_try_does_not_prolong_the_wait),
        TABLE_TEST(kinds_and_addresses_have_buckets_of_their_own),
        TABLE_TEST(a_64_of_ipv6_is_one_address_and_a_mapped_one_is_ipv4),
        TABLE_TEST(a_crowd_larger_than_the_table_is_never_refused_its_first),
        TABLE_TEST(random_tries_get_what_a_list_of_times_says),
        TABLE_TEST(a_minutes_budget_may_be_spent_at_once_and_comes_back_in_a_minute),
        TABLE_TEST(a_debt_is_paid_before_more_is_spent_but_not_for_ever),
        TABLE_TEST(the_smallest_cost_counts_and_users_are_apart_from_addresses),
        TABLE_TEST(years_of_uptime_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
