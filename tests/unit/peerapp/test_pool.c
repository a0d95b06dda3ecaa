/* Unit tests of apps/pbts-peer/pool.c: what pools that count together have made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pbts-peer/pool.h"

static void a_buffer_is_used_again(void **state) {
    (void)state;
    uint64_t made_bytes = 0;
    pool p = pool_new(1000, &made_bytes);
    uint8_t *first = pool_take(&p);
    assert_non_null(first);
    pool_give(&p, first);
    pool_give(&p, NULL);
    assert_ptr_equal(pool_take(&p), first);
    assert_true(made_bytes == 1000 && p.taken_count == 1);
    pool_give(&p, first);
    pool_clear(&p);
    assert_true(made_bytes == 0 && p.taken_count == 0);
}

static void pools_count_together_and_clearing_leaves_what_is_taken(void **state) {
    (void)state;
    uint64_t made_bytes = 0;
    pool a = pool_new(1000, &made_bytes), b = pool_new(1, &made_bytes);
    uint8_t *taken = pool_take(&a), *other = pool_take(&a), *small = pool_take(&b);
    assert_true(made_bytes == 2000 + sizeof(pool_buffer));
    pool_give(&a, other);
    pool_clear(&a);
    assert_true(made_bytes == 1000 + sizeof(pool_buffer));
    pool_give(&a, taken);
    pool_give(&b, small);
    pool_clear(&a);
    pool_clear(&b);
    assert_true(made_bytes == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_is_used_again),
        cmocka_unit_test(pools_count_together_and_clearing_leaves_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
