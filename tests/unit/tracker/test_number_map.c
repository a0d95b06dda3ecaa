/* The small map against an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "counting_mem.h"
#include "tracker/number_map.h"

static void a_map_finds_what_was_added_and_nothing_else(void **state) {
    (void)state;
    enum { KEYS = 3000 };
    static uint32_t values[KEYS]; /* 0: not in the map */
    pbts_number_map map;
    pbts_prng prng = pbts_prng_seeded(5);
    pbts_number_map_init(&map, pbts_mem_system());
    for (uint32_t round = 1; round <= 1000; round++) {
        uint32_t key = pbts_prng_below(&prng, KEYS), value = 0;
        assert_int_equal(pbts_number_map_find(&map, &value, key + 1), values[key] != 0);
        assert_int_equal(value, values[key]);
        if (values[key] != 0) continue;
        values[key] = round;
        assert_int_equal(pbts_number_map_add(&map, key + 1, round), PBTS_OK);
        assert_true(2 * map.count <= map.capacity);
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        uint32_t value = 0;
        assert_int_equal(pbts_number_map_find(&map, &value, key + 1), values[key] != 0);
        assert_int_equal(value, values[key]);
    }
    pbts_number_map_deinit(&map);
}

static void a_map_that_cannot_grow_stays_as_it_was(void **state) {
    (void)state;
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    pbts_number_map map;
    pbts_number_map_init(&map, &mem.mem);
    uint32_t value = 0;
    assert_false(pbts_number_map_find(&map, &value, 1));
    for (uint32_t key = 1; key <= 200; key++) {
        mem.fail_at = mem.asked;
        pbts_status status = pbts_number_map_add(&map, key, key * 7);
        mem.fail_at = SIZE_MAX;
        if (status == PBTS_OK) continue;
        assert_int_equal(status, PBTS_NO_MEMORY);
        for (uint32_t old = 1; old <= key; old++) {
            assert_int_equal(pbts_number_map_find(&map, &value, old), old < key);
            if (old < key) assert_int_equal(value, old * 7);
        }
        assert_int_equal(pbts_number_map_add(&map, key, key * 7), PBTS_OK);
    }
    pbts_number_map_deinit(&map);
    assert_int_equal(mem.live_blocks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_finds_what_was_added_and_nothing_else),
        cmocka_unit_test(a_map_that_cannot_grow_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
