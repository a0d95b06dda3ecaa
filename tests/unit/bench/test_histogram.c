/* The latency histogram of the load generator against sorting everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "pbts/bench/bench_histogram.c"

enum { VALUES = 20000 };

static int ascending(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void a_quantile_is_within_a_64th_of_the_sorted_one(void **state) {
    pbts_histogram *histogram = malloc(sizeof *histogram);
    uint64_t *values = malloc(VALUES * sizeof *values);
    static const uint32_t ranks[] = { 0, 1, 1000, 50000, 90000, 99000, 99900, 100000 };
    for (unsigned spread = 1; spread < 64; spread++) {
        pbts_prng prng = pbts_prng_seeded(spread);
        pbts_histogram_clear(histogram);
        for (unsigned i = 0; i < VALUES; i++) {
            values[i] = pbts_prng_next(&prng) >> (pbts_prng_next(&prng) % (spread + 1));
            pbts_histogram_add(histogram, values[i]);
        }
        qsort(values, VALUES, sizeof *values, ascending);
        for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
            size_t rank = ((size_t)VALUES * ranks[i] + 99999) / 100000;
            uint64_t exact = values[rank ? rank - 1 : 0];
            uint64_t found = pbts_histogram_quantile(histogram, ranks[i]);
            assert_true(found >= exact);
            assert_true(found - exact <= exact / PBTS_HISTOGRAM_PARTS);
        }
        assert_int_equal(histogram->max, values[VALUES - 1]);
    }
    free(values);
    free(histogram);
}

static void every_bucket_ends_where_the_next_one_begins(void **state) {
    for (unsigned bucket = 0; bucket + 1 < PBTS_HISTOGRAM_BUCKETS; bucket++) {
        assert_int_equal(bucket_of(bucket_end(bucket)), bucket);
        assert_int_equal(bucket_of(bucket_end(bucket) + 1), bucket + 1);
    }
    assert_int_equal(bucket_of(UINT64_MAX), PBTS_HISTOGRAM_BUCKETS - 1);
}

static void an_empty_histogram_has_quantile_zero(void **state) {
    pbts_histogram *histogram = malloc(sizeof *histogram);
    pbts_histogram_clear(histogram);
    assert_int_equal(pbts_histogram_quantile(histogram, 99000), 0);
    free(histogram);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_is_within_a_64th_of_the_sorted_one),
        cmocka_unit_test(every_bucket_ends_where_the_next_one_begins),
        cmocka_unit_test(an_empty_histogram_has_quantile_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
