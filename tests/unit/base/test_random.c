/* Unit tests of base/random.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"

static void the_stream_of_a_seed_is_splitmix64s(void **state) {
    /* Of the reference implementation with seed 1234567. */
    static const uint64_t WANT[] = { 6457827717110365317u, 3203168211198807973u,
                                     9817491932198370423u, 4593380528125082431u,
                                     16408922859458223821u };
    pbts_prng prng = pbts_prng_seeded(1234567);
    (void)state;
    for (size_t i = 0; i < sizeof WANT / sizeof WANT[0]; i++) {
        assert_true(pbts_prng_next(&prng) == WANT[i]);
    }
}

static void below_stays_below_and_reaches_every_value(void **state) {
    pbts_prng prng = pbts_prng_seeded(1);
    (void)state;
    for (uint32_t bound = 1; bound <= 20; bound++) {
        uint32_t seen[20] = { 0 };
        for (unsigned i = 0; i < 2000; i++) {
            uint32_t value = pbts_prng_below(&prng, bound);
            assert_true(value < bound);
            seen[value]++;
        }
        for (uint32_t i = 0; i < bound; i++) {
            assert_true(seen[i] > 2000 / bound / 2 && seen[i] < 2 * (2000 / bound) + 1);
        }
    }
    uint32_t high = 0;
    for (unsigned i = 0; i < 1000; i++) high += pbts_prng_below(&prng, UINT32_MAX) > UINT32_MAX / 2;
    assert_true(high > 400 && high < 600);
}

static void the_system_fills_all_of_the_buffer_and_no_more(void **state) {
    (void)state;
    for (size_t len = 0; len <= 64; len++) {
        uint8_t bytes[66], ever[64] = { 0 };
        for (unsigned round = 0; round < 8; round++) {
            memset(bytes, 0, sizeof bytes);
            assert_int_equal(pbts_random_fill(pbts_random_system(), bytes + 1, len), PBTS_OK);
            for (size_t i = 0; i < len; i++) ever[i] |= bytes[i + 1];
            assert_int_equal(bytes[0] | bytes[len + 1], 0);
        }
        /* A byte that eight fills left zero has a chance of 2^-64. */
        for (size_t i = 0; i < len; i++) assert_int_not_equal(ever[i], 0);
    }
}

static void large_fills_do_not_repeat(void **state) {
    static uint8_t a[100000], b[100000];
    (void)state;
    assert_int_equal(pbts_random_fill(pbts_random_system(), a, sizeof a), PBTS_OK);
    assert_int_equal(pbts_random_fill(pbts_random_system(), b, sizeof b), PBTS_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + sizeof a - 32, a, 32);
}

static pbts_status broken_fill(pbts_random *random, uint8_t *out, size_t len) {
    (void)random, (void)out, (void)len;
    return PBTS_IO;
}

static void a_source_that_fails_is_told(void **state) {
    pbts_random broken = { broken_fill };
    uint8_t byte;
    (void)state;
    assert_int_equal(pbts_random_fill(&broken, &byte, 1), PBTS_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stream_of_a_seed_is_splitmix64s),
        cmocka_unit_test(below_stays_below_and_reaches_every_value),
        cmocka_unit_test(the_system_fills_all_of_the_buffer_and_no_more),
        cmocka_unit_test(large_fills_do_not_repeat),
        cmocka_unit_test(a_source_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
