/* Unit tests of peer/piece_map.c, against an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "peer/piece_map.h"
#include "receipt/faulty_mem.h"

enum { PIECES = 64, STEPS = 40000 };

static void compare(const pbts_piece_map *map, const uint32_t twin[static PIECES]) {
    uint32_t at = 0, piece, bytes, count = 0, seen = 0;
    for (uint32_t i = 0; i < PIECES; i++) {
        assert_int_equal(pbts_piece_map_get(map, i), twin[i]);
        count += twin[i] > 0;
    }
    while (pbts_piece_map_next(map, &at, &piece, &bytes)) {
        assert_true(piece < PIECES && bytes == twin[piece] && bytes > 0);
        seen++;
    }
    assert_true(seen == count && map->count == count);
}

static void it_is_an_array_of_few_entries(void **state) {
    for (uint32_t seed = 0; seed < 6; seed++) {
        uint32_t twin[PIECES] = { 0 };
        pbts_prng prng = pbts_prng_seeded(seed);
        pbts_piece_map map;
        pbts_piece_map_init(&map, pbts_mem_system(), seed * 77777777u);
        for (unsigned step = 0; step < STEPS; step++) {
            /* Few at first, so that the table is small and its end is crossed often. */
            uint32_t piece = pbts_prng_below(&prng, step < STEPS / 2 ? 8 : PIECES);
            if (pbts_prng_below(&prng, 2) == 0) {
                assert_int_equal(pbts_piece_map_remove(&map, piece), twin[piece]);
                twin[piece] = 0;
            } else {
                twin[piece] = 1 + pbts_prng_below(&prng, 1000);
                assert_int_equal(pbts_piece_map_set(&map, piece, twin[piece]), PBTS_OK);
            }
            if (step % 16 == 0) compare(&map, twin);
        }
        pbts_piece_map_deinit(&map);
        assert_int_equal(pbts_piece_map_get(&map, 1), 0);
    }
}

static void the_greatest_piece_has_room(void **state) {
    pbts_piece_map map;
    pbts_piece_map_init(&map, pbts_mem_system(), 1);
    assert_int_equal(pbts_piece_map_set(&map, UINT32_MAX - 1, 5), PBTS_OK);
    assert_int_equal(pbts_piece_map_get(&map, UINT32_MAX - 1), 5);
    assert_int_equal(pbts_piece_map_get(&map, 0), 0);
    pbts_piece_map_deinit(&map);
}

static void without_memory_it_stays_as_it_was(void **state) {
    for (size_t n = 0; n < 4; n++) {
        faulty_mem faulty = mem_failing_at(n);
        pbts_piece_map map;
        uint32_t twin[PIECES] = { 0 };
        pbts_piece_map_init(&map, &faulty.mem, 9);
        for (uint32_t i = 0; i < PIECES; i++) {
            if (pbts_piece_map_set(&map, i, i + 1) == PBTS_OK) twin[i] = i + 1;
            compare(&map, twin);
        }
        assert_true(map.count < PIECES || n == 3);
        pbts_piece_map_deinit(&map);
        assert_true(faulty.live == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_an_array_of_few_entries),
        cmocka_unit_test(the_greatest_piece_has_room),
        cmocka_unit_test(without_memory_it_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
