/* How often an address may do a thing, over hours, against counting on one's fingers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "pbts-tracker/rest_limit.c"

enum { LIMIT = REST_REGISTRATIONS_PER_HOUR, START = 5 };
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
    for (unsigned i = 0; i < tries; i++)
        count += rest_limits_take(limits, KIND, SEED, addr, at) ? 1 : 0;
    return count;
}

static void a_full_bucket_holds_an_hours_worth_and_one_more_is_refused(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    assert_int_equal(taken(limits, &addr, START, LIMIT), LIMIT);
    assert_false(rest_limits_allow(limits, KIND, SEED, &addr, START));
    assert_int_equal(taken(limits, &addr, START, 10), 0);
}

static void it_fills_again_evenly(void **state) {
    struct rest_limits *limits = *state;
    const uint64_t step = HOUR_S / LIMIT;
    pbts_addr addr = ipv4(1);
    assert_int_equal(taken(limits, &addr, START, LIMIT), LIMIT);
    assert_int_equal(taken(limits, &addr, START + step - 1, 10), 0);
    assert_int_equal(taken(limits, &addr, START + step, 10), 1);
    assert_int_equal(taken(limits, &addr, START + 11 * step, 100), 10);
    assert_int_equal(taken(limits, &addr, START + 10 * HOUR_S, 100), LIMIT);
}

static void looking_counts_nothing(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    for (unsigned i = 0; i < 5 * LIMIT; i++)
        assert_true(rest_limits_allow(limits, KIND, SEED, &addr, START));
    assert_int_equal(taken(limits, &addr, START, 2 * LIMIT), LIMIT);
}

static void a_refused_try_does_not_prolong_the_wait(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr addr = ipv4(1);
    (void)taken(limits, &addr, START, LIMIT);
    assert_int_equal(taken(limits, &addr, START, 100000), 0);
    assert_int_equal(taken(limits, &addr, START + HOUR_S / LIMIT, 1), 1);
}

static void kinds_and_addresses_have_buckets_of_their_own(void **state) {
    struct rest_limits *limits = *state;
    pbts_addr one = ipv4(1), two = ipv4(2);
    assert_int_equal(taken(limits, &one, START, 2 * LIMIT), LIMIT);
    assert_int_equal(taken(limits, &two, START, 2 * LIMIT), LIMIT);
    assert_true(rest_limits_take(limits, REST_LIMIT_BAD_SIGNATURE, SEED, &one, START));
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
    uint64_t full_at_oracle[ADDRESSES] = { 0 }, now = START, step = HOUR_S / LIMIT;
    pbts_prng prng = pbts_prng_seeded(7);
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t who = pbts_prng_below(&prng, ADDRESSES);
        pbts_addr addr = ipv4(who);
        now += pbts_prng_below(&prng, 4);
        uint64_t *full = &full_at_oracle[who];
        if (*full < now) *full = now;
        bool expected = *full + step <= now + HOUR_S;
        if (expected) *full += step;
        assert_int_equal(rest_limits_take(limits, KIND, SEED, &addr, now), expected);
    }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
