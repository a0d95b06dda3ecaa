/* Unit tests of base/mem.c, base/secret.c and base/status.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "base/epoch.h"
#include "base/mem.h"
#include "base/secret.h"
#include "pbts/status.h"

static void allocations_are_zeroed(void **state) {
    static const uint8_t ZEROS[64];
    pbts_mem *mem = pbts_mem_system();
    (void)state;
    for (int i = 0; i < 100; i++) {
        uint8_t *bytes = i % 2 ? pbts_alloc(mem, 64) : pbts_alloc_array(mem, 8, 8);
        assert_non_null(bytes);
        assert_memory_equal(bytes, ZEROS, 64);
        memset(bytes, 0xFF, 64);
        pbts_release(mem, bytes);
    }
}

static void an_allocation_of_nothing_is_no_failure(void **state) {
    pbts_mem *mem = pbts_mem_system();
    (void)state;
    void *a = pbts_alloc(mem, 0), *b = pbts_alloc_array(mem, 0, 8);
    void *c = pbts_alloc_array(mem, 8, 0), *d = pbts_resize_array(mem, NULL, 0, 8);
    assert_true(a != NULL && b != NULL && c != NULL && d != NULL);
    pbts_release(mem, a);
    pbts_release(mem, b);
    pbts_release(mem, c);
    pbts_release(mem, d);
    pbts_release(mem, NULL);
}

static void a_product_that_overflows_is_refused(void **state) {
    pbts_mem *mem = pbts_mem_system();
    (void)state;
    assert_null(pbts_alloc_array(mem, SIZE_MAX / 8 + 1, 8));
    assert_null(pbts_alloc_array(mem, SIZE_MAX, SIZE_MAX));
    uint8_t *kept = pbts_alloc(mem, 4);
    assert_non_null(kept);
    memcpy(kept, "kept", 4);
    assert_null(pbts_resize_array(mem, kept, SIZE_MAX / 8 + 1, 8));
    assert_memory_equal(kept, "kept", 4);
    pbts_release(mem, kept);
}

static void growing_keeps_what_was_there(void **state) {
    pbts_mem *mem = pbts_mem_system();
    (void)state;
    uint32_t *items = NULL;
    for (uint32_t count = 1; count <= 1000; count++) {
        uint32_t *grown = pbts_resize_array(mem, items, count, sizeof *items);
        assert_non_null(grown);
        items = grown;
        items[count - 1] = count;
    }
    for (uint32_t i = 0; i < 1000; i++) assert_int_equal(items[i], i + 1);
    pbts_release(mem, items);
}

static void a_wipe_clears_exactly_its_bytes(void **state) {
    uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    (void)state;
    pbts_wipe(bytes + 2, 4);
    assert_memory_equal(bytes, "\1\2\0\0\0\0\7\10", 8);
}

static void constant_time_equality_sees_every_bit(void **state) {
    (void)state;
    uint8_t a[32], b[32];
    memset(a, 0x5A, sizeof a);
    memcpy(b, a, sizeof b);
    assert_true(pbts_equal_ct(a, b, sizeof a));
    assert_true(pbts_equal_ct(a, b, 0));
    for (size_t bit = 0; bit < 8 * sizeof b; bit++) {
        b[bit / 8] = (uint8_t)(b[bit / 8] ^ 1u << bit % 8);
        assert_false(pbts_equal_ct(a, b, sizeof a));
        b[bit / 8] = a[bit / 8];
    }
}

static void every_status_has_its_name_a_text_and_a_class(void **state) {
    (void)state;
#define X(code, cls, text)                                        \
    assert_string_equal(pbts_status_name(PBTS_##code), #code);    \
    assert_string_equal(pbts_status_text(PBTS_##code), text);     \
    assert_int_equal(pbts_status_class(PBTS_##code), PBTS_##cls); \
    assert_int_equal(PBTS_##code == PBTS_OK, PBTS_##cls == PBTS_DONE);
    PBTS_STATUS_MAP(X)
#undef X
    assert_int_equal(PBTS_OK, 0);
    assert_string_equal(pbts_status_name((pbts_status)999), "UNKNOWN");
    assert_int_equal(pbts_status_class((pbts_status)999), PBTS_RESOURCE);
}

static void an_epoch_is_in_the_window_from_delta_ago_to_now(void **state) {
    (void)state;
    assert_int_equal(pbts_epoch_at(3599), 0);
    assert_int_equal(pbts_epoch_at(3600), 1);
    assert_int_equal(pbts_claim_period(719), 0);
    assert_int_equal(pbts_claim_period(720), 1);
    assert_true(pbts_epoch_in_window(1000, 1000));
    assert_true(pbts_epoch_in_window(280, 1000));
    assert_false(pbts_epoch_in_window(279, 1000));
    assert_false(pbts_epoch_in_window(1001, 1000));
    assert_true(pbts_epoch_in_window(0, 5));
    assert_false(pbts_epoch_in_window(UINT64_MAX, 5));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed),
        cmocka_unit_test(an_allocation_of_nothing_is_no_failure),
        cmocka_unit_test(a_product_that_overflows_is_refused),
        cmocka_unit_test(growing_keeps_what_was_there),
        cmocka_unit_test(a_wipe_clears_exactly_its_bytes),
        cmocka_unit_test(constant_time_equality_sees_every_bit),
        cmocka_unit_test(every_status_has_its_name_a_text_and_a_class),
        cmocka_unit_test(an_epoch_is_in_the_window_from_delta_ago_to_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
