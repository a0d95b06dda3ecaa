/* Unit tests of peer/block_ring.c and peer/outbox.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "peer/block_ring.h"
#include "peer/outbox.h"
#include "receipt/faulty_mem.h"

enum { MANY = 100 };

/* The naive twin of a ring: an array that is moved together. */
typedef struct {
    pbts_ring_block blocks[MANY];
    uint32_t count;
} twin;

static pbts_ring_block block_of(uint32_t number) {
    return (pbts_ring_block){ .piece = number % 7,
                              .offset_bytes = number * 16,
                              .length_bytes = 1 + number % 3 };
}

static void compare(const pbts_block_ring *ring, const twin *t) {
    uint32_t seen = 0;
    assert_int_equal(pbts_block_ring_len(ring), t->count);
    for (uint32_t i = 0; i < ring->count; i++) {
        const pbts_ring_block *block = pbts_block_ring_at(ring, i);
        if (block == NULL) continue;
        assert_memory_equal(block, &t->blocks[seen++], sizeof *block);
    }
    assert_int_equal(seen, t->count);
    const pbts_ring_block *front = pbts_block_ring_front(ring);
    if (t->count == 0) assert_null(front);
    if (t->count > 0) assert_memory_equal(front, &t->blocks[0], sizeof *front);
}

static void a_ring_does_what_an_array_does(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        pbts_prng prng = pbts_prng_seeded(seed);
        pbts_block_ring ring;
        twin t = { .count = 0 };
        pbts_block_ring_init(&ring, pbts_mem_system());
        for (uint32_t step = 0; step < 2000; step++) {
            bool grows = pbts_prng_below(&prng, 100) < (step / 500 % 2 ? 40u : 60u);
            if (grows) {
                pbts_ring_block block = block_of(step);
                pbts_status want = t.count < MANY ? PBTS_OK : PBTS_LIMIT;
                assert_int_equal(pbts_block_ring_push(&ring, &block, MANY), want);
                if (want == PBTS_OK) t.blocks[t.count++] = block;
            } else if (t.count > 0) {
                uint32_t i = pbts_prng_below(&prng, 3) ? 0 : pbts_prng_below(&prng, t.count);
                pbts_ring_block *found = pbts_block_ring_find(
                    &ring, t.blocks[i].piece, t.blocks[i].offset_bytes, t.blocks[i].length_bytes);
                assert_non_null(found);
                pbts_block_ring_remove(&ring, found);
                memmove(&t.blocks[i], &t.blocks[i + 1], (--t.count - i) * sizeof t.blocks[0]);
            }
            compare(&ring, &t);
        }
        assert_true(ring.capacity <= 4 * MANY);
        pbts_block_ring_deinit(&ring);
    }
}

static void find_wants_all_three_numbers(void **state) {
    (void)state;
    pbts_block_ring ring;
    pbts_ring_block block = { .piece = 1, .offset_bytes = 2, .length_bytes = 3 };
    pbts_block_ring_init(&ring, pbts_mem_system());
    assert_null(pbts_block_ring_find(&ring, 1, 2, 3));
    assert_int_equal(pbts_block_ring_push(&ring, &block, 1), PBTS_OK);
    assert_int_equal(pbts_block_ring_push(&ring, &block, 1), PBTS_LIMIT);
    assert_null(pbts_block_ring_find(&ring, 0, 2, 3));
    assert_null(pbts_block_ring_find(&ring, 1, 0, 3));
    assert_null(pbts_block_ring_find(&ring, 1, 2, 0));
    assert_non_null(pbts_block_ring_find(&ring, 1, 2, 3));
    pbts_block_ring_clear(&ring);
    assert_int_equal(pbts_block_ring_len(&ring), 0);
    assert_null(pbts_block_ring_front(&ring));
}

static void a_ring_that_cannot_grow_stays_as_it_is(void **state) {
    (void)state;
    for (size_t n = 0; n < 4; n++) {
        faulty_mem mem = mem_failing_at(n);
        pbts_block_ring ring;
        uint32_t pushed = 0;
        pbts_block_ring_init(&ring, &mem.mem);
        pbts_status status = PBTS_OK;
        for (; pushed < MANY && status == PBTS_OK; pushed++) {
            pbts_ring_block block = block_of(pushed);
            status = pbts_block_ring_push(&ring, &block, MANY);
        }
        assert_int_equal(status, n < 4 ? PBTS_NO_MEMORY : PBTS_OK);
        assert_int_equal(pbts_block_ring_len(&ring), pushed - 1);
        pbts_block_ring_deinit(&ring);
        assert_int_equal(mem.live, 0);
    }
}

/* ---- outbox ---- */

static void bytes_come_out_in_the_order_they_went_in(void **state) {
    (void)state;
    pbts_outbox box;
    pbts_prng prng = pbts_prng_seeded(4);
    pbts_outbox_init(&box, pbts_mem_system());
    uint8_t in = 0, out = 0;
    for (int step = 0; step < 20000; step++) {
        pbts_writer writer;
        size_t len = pbts_prng_below(&prng, 40);
        assert_int_equal(pbts_outbox_open(&box, &writer, len), PBTS_OK);
        for (size_t i = 0; i < len; i++) pbts_write_u8(&writer, in++);
        pbts_outbox_close(&box, &writer);
        size_t before = pbts_outbox_len(&box), max = pbts_prng_below(&prng, 42);
        pbts_span taken = pbts_outbox_take(&box, max);
        assert_int_equal(taken.len, before < max ? before : max);
        for (size_t i = 0; i < taken.len; i++) assert_int_equal(taken.data[i], out++);
        assert_int_equal(pbts_outbox_len(&box), before - taken.len);
    }
    pbts_outbox_deinit(&box);
}

static void an_outbox_holds_as_much_as_stated_and_no_more(void **state) {
    (void)state;
    pbts_outbox box;
    pbts_writer writer;
    pbts_outbox_init(&box, pbts_mem_system());
    assert_int_equal(pbts_outbox_open(&box, &writer, PBTS_OUTBOX_LEN_MAX), PBTS_OK);
    assert_non_null(pbts_write_reserve(&writer, PBTS_OUTBOX_LEN_MAX));
    pbts_outbox_close(&box, &writer);
    assert_int_equal(pbts_outbox_open(&box, &writer, 1), PBTS_LIMIT);
    (void)pbts_outbox_take(&box, 1);
    assert_int_equal(pbts_outbox_open(&box, &writer, 1), PBTS_OK);
    assert_int_equal(pbts_outbox_open(&box, &writer, 2), PBTS_LIMIT);
    pbts_outbox_deinit(&box);
}

static void an_outbox_that_cannot_grow_keeps_what_it_has(void **state) {
    (void)state;
    for (size_t n = 0; n < 3; n++) {
        faulty_mem mem = mem_failing_at(n);
        pbts_outbox box;
        pbts_writer writer;
        size_t written = 0;
        pbts_outbox_init(&box, &mem.mem);
        while (pbts_outbox_open(&box, &writer, 600) == PBTS_OK) {
            assert_non_null(pbts_write_reserve(&writer, 600));
            pbts_outbox_close(&box, &writer);
            written += 600;
        }
        assert_int_equal(pbts_outbox_len(&box), written);
        pbts_outbox_deinit(&box);
        assert_int_equal(mem.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_does_what_an_array_does),
        cmocka_unit_test(find_wants_all_three_numbers),
        cmocka_unit_test(a_ring_that_cannot_grow_stays_as_it_is),
        cmocka_unit_test(bytes_come_out_in_the_order_they_went_in),
        cmocka_unit_test(an_outbox_holds_as_much_as_stated_and_no_more),
        cmocka_unit_test(an_outbox_that_cannot_grow_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
