/* Unit tests of apps/pbts-peer/bucket.c, on a clock of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pbts-peer/bucket.h"

static void without_a_limit_there_is_always_room(void **state) {
    (void)state;
    bucket b = bucket_new(0, 5);
    assert_true(bucket_left(&b, 5) == UINT64_MAX);
    bucket_take(&b, UINT64_MAX);
    assert_true(bucket_left(&b, 6) == UINT64_MAX);
}

/* Take as much as there is, at odd moments: over ten seconds that is the limit, to a thousandth. */
static void over_time_the_rate_is_kept(void **state) {
    static const uint64_t RATES[] = { 1, 1000, 16384, 1000003, 1u << 30 };
    (void)state;
    for (size_t i = 0; i < sizeof RATES / sizeof RATES[0]; i++) {
        bucket b = bucket_new(RATES[i], 0);
        uint64_t taken = 0;
        for (uint64_t now = 0; now <= 10000000; now += 997) {
            uint64_t left = bucket_left(&b, now);
            bucket_take(&b, left);
            taken += left;
        }
        assert_true(taken <= 10 * RATES[i]);
        assert_true(taken + 1 + RATES[i] / 100 >= 10 * RATES[i]);
    }
}

static void a_pause_gives_a_quarter_of_a_second_or_one_large_block(void **state) {
    (void)state;
    bucket b = bucket_new(4u << 20, 0);
    assert_true(bucket_left(&b, 3600000000u) == 1u << 20);
    b = bucket_new(10, 0);
    assert_true(bucket_left(&b, UINT64_MAX / 2) == BUCKET_BURST_MIN_BYTES);
}

static void what_is_taken_is_gone(void **state) {
    (void)state;
    bucket b = bucket_new(1u << 20, 0);
    assert_true(bucket_left(&b, 1000000) == 262144);
    bucket_take(&b, 262144);
    assert_true(bucket_left(&b, 1000000) == 0);
    bucket_take(&b, 1); /* more than there is */
    assert_true(bucket_left(&b, 1000000) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_limit_there_is_always_room),
        cmocka_unit_test(over_time_the_rate_is_kept),
        cmocka_unit_test(a_pause_gives_a_quarter_of_a_second_or_one_large_block),
        cmocka_unit_test(what_is_taken_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
