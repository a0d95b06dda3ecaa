/* Unit tests of peer/open_pieces.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "peer/open_pieces.h"
#include "receipt/faulty_mem.h"

enum { BLOCK = PBTS_PEER_BLOCK_BYTES, PIECES = 50, SLOTS = 8, PIECE_BYTES = 9 * BLOCK + 100 };

static pbts_open_pieces pieces_new(void) {
    pbts_open_pieces pieces;
    assert_int_equal(pbts_open_pieces_init(&pieces, pbts_mem_system(), PIECES, SLOTS), PBTS_OK);
    return pieces;
}

static pbts_open_piece *begin(pbts_open_pieces *pieces, uint32_t piece) {
    pbts_open_piece *slot;
    assert_int_equal(pbts_open_pieces_begin(pieces, &slot, piece, PIECE_BYTES), PBTS_OK);
    return slot;
}

static pbts_contributor giver(uint32_t serial) {
    return (pbts_contributor){ .serial = serial, .conn = serial % 100 + 1 };
}

static void give(pbts_open_piece *slot, uint32_t first, uint32_t count, uint32_t serial) {
    pbts_contributor from = giver(serial);
    assert_true(pbts_open_piece_arriving(slot, first, count));
    pbts_open_piece_arrived(slot, first, count, &from);
}

static void as_many_pieces_as_slots_can_be_begun(void **state) {
    (void)state;
    pbts_open_pieces pieces = pieces_new();
    pbts_open_piece *slot, *slots[SLOTS];
    for (uint32_t i = 0; i < SLOTS; i++) slots[i] = begin(&pieces, 3 * i);
    assert_int_equal(pbts_open_pieces_begin(&pieces, &slot, 40, 100), PBTS_LIMIT);
    assert_null(pbts_open_pieces_find(&pieces, 40));
    for (uint32_t i = 0; i < SLOTS; i++) {
        assert_ptr_equal(pbts_open_pieces_find(&pieces, 3 * i), slots[i]);
    }
    /* A closed slot is free when that is said; then another piece may have it. */
    pbts_open_pieces_close(&pieces, slots[3]);
    assert_null(pbts_open_pieces_find(&pieces, 9));
    assert_int_equal(pbts_open_pieces_begin(&pieces, &slot, 40, 100), PBTS_LIMIT);
    pbts_open_pieces_free_slot(&pieces, slots[3]);
    assert_int_equal(pbts_open_pieces_begin(&pieces, &slot, 40, 100), PBTS_OK);
    assert_ptr_equal(slot, slots[3]);
    assert_int_equal(slot->blocks_len, 1);
    pbts_open_pieces_deinit(&pieces);
}

static void slots_come_and_go_in_any_order(void **state) {
    (void)state;
    pbts_open_pieces pieces = pieces_new();
    pbts_prng prng = pbts_prng_seeded(9);
    bool is_open[PIECES] = { false };
    uint32_t count = 0;
    for (int step = 0; step < 5000; step++) {
        uint32_t piece = pbts_prng_below(&prng, PIECES);
        pbts_open_piece *slot = pbts_open_pieces_find(&pieces, piece);
        assert_int_equal(slot != NULL, is_open[piece]);
        if (slot != NULL) {
            assert_int_equal(slot->piece, piece);
            pbts_open_pieces_close(&pieces, slot);
            pbts_open_pieces_free_slot(&pieces, slot);
            is_open[piece] = false;
            count--;
        } else if (count < SLOTS) {
            (void)begin(&pieces, piece);
            is_open[piece] = true;
            count++;
        }
        assert_int_equal(pieces.used, count);
        for (uint32_t i = 0; i < SLOTS; i++) {
            slot = &pieces.slots[pieces.order[i]];
            assert_int_equal(slot->place, i);
            assert_int_equal(slot->state != PBTS_SLOT_FREE, i < count);
        }
    }
    pbts_open_pieces_deinit(&pieces);
}

static void ranges_are_whole_blocks(void **state) {
    (void)state;
    pbts_open_pieces pieces = pieces_new();
    pbts_open_piece *slot = begin(&pieces, 0);
    static const struct {
        uint32_t offset, length;
        bool ok;
        uint32_t first, count;
    } cases[] = {
        { 0, BLOCK, true, 0, 1 },
        { 3 * BLOCK, 2 * BLOCK, true, 3, 2 },
        { 9 * BLOCK, 100, true, 9, 1 },
        { 8 * BLOCK, BLOCK + 100, true, 8, 2 },
        { 0, PIECE_BYTES, true, 0, 10 },
        { 0, PIECE_BYTES + 1, false, 0, 0 },
        { 0, 0, false, 0, 0 },
        { 0, BLOCK - 1, false, 0, 0 },
        { 1, BLOCK, false, 0, 0 },
        { 9 * BLOCK, 99, false, 0, 0 },
        { 9 * BLOCK, BLOCK, false, 0, 0 },
        { PIECE_BYTES, 1, false, 0, 0 },
        { UINT32_MAX, 1, false, 0, 0 },
        { BLOCK, UINT32_MAX, false, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t first, count;
        assert_int_equal(
            pbts_open_piece_range(slot, cases[i].offset, cases[i].length, &first, &count),
            cases[i].ok);
        if (!cases[i].ok) continue;
        assert_int_equal(first, cases[i].first);
        assert_int_equal(count, cases[i].count);
        assert_int_equal(pbts_open_piece_range_bytes(slot, first, count), cases[i].length);
    }
    pbts_open_pieces_deinit(&pieces);
}

static void asking_takes_blocks_in_a_row_and_unasking_gives_them_back(void **state) {
    (void)state;
    pbts_open_pieces pieces = pieces_new();
    pbts_open_piece *slot = begin(&pieces, 0);
    uint32_t first, count;
    pbts_open_piece_ask(slot, &first, &count, 4);
    assert_true(first == 0 && count == 4);
    pbts_open_piece_ask(slot, &first, &count, 1);
    assert_true(first == 4 && count == 1);
    pbts_open_piece_unask(slot, 1, 2);
    pbts_open_piece_check(slot);
    pbts_open_piece_ask(slot, &first, &count, 8);
    assert_true(first == 1 && count == 2);
    pbts_open_piece_ask(slot, &first, &count, 100);
    assert_true(first == 5 && count == 5);
    assert_int_equal(slot->unasked, 0);
    pbts_open_pieces_deinit(&pieces);
}

static void a_block_is_written_by_one_at_a_time(void **state) {
    (void)state;
    pbts_open_pieces pieces = pieces_new();
    pbts_open_piece *slot = begin(&pieces, 0);
    assert_true(pbts_open_piece_arriving(slot, 2, 2));
    assert_false(pbts_open_piece_arriving(slot, 3, 1));
    assert_false(pbts_open_piece_arriving(slot, 1, 2));
    pbts_open_piece_check(slot);
    pbts_open_piece_stopped(slot, 2, 2);
    assert_true(pbts_open_piece_arriving(slot, 1, 3));
    pbts_contributor from = giver(5);
    pbts_open_piece_arrived(slot, 1, 3, &from);
    assert_false(pbts_open_piece_arriving(slot, 2, 1));
    assert_int_equal(slot->here, 3);
    pbts_open_piece_check(slot);
    pbts_open_pieces_deinit(&pieces);
}

static void who_gave_most_is_known_and_of_equals_the_first(void **state) {
    (void)state;
    pbts_open_pieces pieces = pieces_new();
    pbts_open_piece *slot = begin(&pieces, 0);
    assert_null(pbts_open_piece_most(slot));
    give(slot, 0, 2, 7);
    give(slot, 2, 2, 8);
    assert_int_equal(pbts_open_piece_most(slot)->serial, 7);
    give(slot, 9, 1, 8); /* 100 bytes */
    assert_int_equal(pbts_open_piece_most(slot)->serial, 8);
    assert_int_equal(pbts_open_piece_bytes_from(slot, 7), 2 * BLOCK);
    assert_int_equal(pbts_open_piece_bytes_from(slot, 8), 2 * BLOCK + 100);
    assert_int_equal(pbts_open_piece_bytes_from(slot, 9), 0);
    pbts_open_piece_reset(slot);
    assert_int_equal(slot->here, 0);
    assert_int_equal(slot->unasked, 10);
    assert_null(pbts_open_piece_most(slot));
    pbts_open_piece_check(slot);
    pbts_open_pieces_deinit(&pieces);
}

static void who_comes_back_with_its_key_is_the_same(void **state) {
    (void)state;
    pbts_open_pieces pieces = pieces_new();
    pbts_open_piece *slot = begin(&pieces, 0);
    pbts_contributor from = giver(7), other = giver(8);
    from.key[5] = 1;
    other.key[5] = 2;
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(pbts_open_piece_arriving(slot, i, 1));
        pbts_open_piece_arrived(slot, i, 1, i < 2 ? &other : &from);
        if (i == 2) from.serial = 70;
    }
    assert_int_equal(slot->contributors, 2);
    assert_int_equal(pbts_open_piece_bytes_from(slot, 70), 2 * BLOCK);
    assert_int_equal(pbts_open_piece_bytes_from(slot, 7), 0);
    give(slot, 4, 3, 9); /* one without a key is nobody else's */
    give(slot, 7, 1, 10);
    assert_int_equal(slot->contributors, 4);
    assert_int_equal(pbts_open_piece_most(slot)->serial, 9);
    pbts_open_piece_check(slot);
    pbts_open_pieces_deinit(&pieces);
}

static void the_least_of_too_many_contributors_is_forgotten(void **state) {
    (void)state;
    pbts_open_pieces pieces;
    pbts_open_piece *slot;
    enum { BLOCKS = PBTS_CONTRIBUTORS_MAX + 4 };
    assert_int_equal(pbts_open_pieces_init(&pieces, pbts_mem_system(), 1, 1), PBTS_OK);
    assert_int_equal(pbts_open_pieces_begin(&pieces, &slot, 0, BLOCKS * BLOCK), PBTS_OK);
    give(slot, 0, 2, 1);
    for (uint32_t i = 1; i < PBTS_CONTRIBUTORS_MAX; i++) give(slot, i + 1, 1, i + 1);
    give(slot, PBTS_CONTRIBUTORS_MAX + 1, 1, 3);
    assert_int_equal(slot->here, PBTS_CONTRIBUTORS_MAX + 2);
    give(slot, PBTS_CONTRIBUTORS_MAX + 2, 1, 99);
    assert_int_equal(slot->here, PBTS_CONTRIBUTORS_MAX + 2); /* one more, one less */
    assert_int_equal(pbts_open_piece_bytes_from(slot, 2), 0);
    assert_int_equal(pbts_open_piece_bytes_from(slot, 99), BLOCK);
    pbts_open_piece_check(slot);
    uint32_t first, count;
    pbts_open_piece_ask(slot, &first, &count, 100);
    assert_true(first == 2 && count == 1);
    pbts_open_pieces_deinit(&pieces);
}

static void in_the_endgame_a_block_is_asked_of_two(void **state) {
    (void)state;
    pbts_open_pieces pieces = pieces_new();
    pbts_open_piece *slot = begin(&pieces, 0);
    uint32_t first, count, block = 0;
    pbts_open_piece_ask(slot, &first, &count, 100);
    give(slot, 0, 1, 1);
    assert_true(pbts_open_piece_next_again(slot, &block, 2));
    assert_int_equal(block, 1);
    pbts_open_piece_ask_again(slot, 1);
    assert_true(pbts_open_piece_next_again(slot, &block, 2));
    assert_int_equal(block, 2);
    assert_true(pbts_open_piece_is_asked(slot, 0, 2));
    pbts_open_piece_unask(slot, 1, 1);
    pbts_open_piece_unask(slot, 1, 1);
    assert_int_equal(slot->unasked, 1);
    assert_false(pbts_open_piece_is_asked(slot, 1, 1));
    block = 10;
    assert_false(pbts_open_piece_next_again(slot, &block, 2));
    pbts_open_pieces_deinit(&pieces);
}

/* Any order of asking, arriving and giving up keeps the counts. */
static void the_counts_hold_whatever_happens(void **state) {
    (void)state;
    enum { BLOCKS = 10 };
    for (uint64_t seed = 0; seed < 30; seed++) {
        pbts_open_pieces pieces = pieces_new();
        pbts_open_piece *slot = begin(&pieces, 0);
        pbts_prng prng = pbts_prng_seeded(seed);
        uint32_t asked[BLOCKS] = { 0 };
        for (int step = 0; step < 1000; step++) {
            uint32_t block = pbts_prng_below(&prng, BLOCKS), first, count;
            pbts_contributor from = giver(1 + pbts_prng_below(&prng, 20));
            switch (pbts_prng_below(&prng, 6)) {
            case 0:
                if (slot->unasked == 0) break;
                pbts_open_piece_ask(slot, &first, &count, 3);
                for (uint32_t i = first; i < first + count; i++) asked[i]++;
                break;
            case 1:
                if (asked[block] == 0) break;
                pbts_open_piece_unask(slot, block, 1);
                asked[block]--;
                break;
            case 2: (void)pbts_open_piece_arriving(slot, block, 1); break;
            case 3:
                if (slot->blocks[block].state != PBTS_BLOCK_ARRIVING) break;
                pbts_open_piece_arrived(slot, block, 1, &from);
                break;
            case 4:
                if (slot->blocks[block].state != PBTS_BLOCK_ARRIVING) break;
                pbts_open_piece_stopped(slot, block, 1);
                break;
            default:
                if (slot->blocks[block].state != PBTS_BLOCK_MISSING) break;
                pbts_open_piece_ask_again(slot, block);
                asked[block]++;
            }
            pbts_open_piece_check(slot);
        }
        pbts_open_pieces_deinit(&pieces);
    }
}

static void every_allocation_can_fail(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        faulty_mem mem = mem_failing_at(n);
        pbts_open_pieces pieces;
        pbts_open_piece *slot;
        pbts_status status = pbts_open_pieces_init(&pieces, &mem.mem, PIECES, SLOTS);
        bool made = status == PBTS_OK;
        if (made) status = pbts_open_pieces_begin(&pieces, &slot, 4, PIECE_BYTES);
        if (made && status != PBTS_OK) assert_null(pbts_open_pieces_find(&pieces, 4));
        if (made) pbts_open_pieces_deinit(&pieces);
        assert_int_equal(mem.live, 0);
        if (status == PBTS_OK) break;
        assert_int_equal(status, PBTS_NO_MEMORY);
        assert_true(n < 20);
    }
}

/* ---- a budget for several ---- */

static void all_together_take_no_more_than_the_budget(void **state) {
    (void)state;
    pbts_open_budget budget = { .max_bytes = 5 * PIECE_BYTES + 1 };
    pbts_open_pieces all[2] = { pieces_new(), pieces_new() };
    pbts_open_piece *slots[5], *one;
    for (int i = 0; i < 2; i++) {
        all[i].budget = &budget;
        all[i].slot_bytes = PIECE_BYTES;
    }
    for (uint32_t i = 0; i < 5; i++) slots[i] = begin(&all[i % 2], i);
    assert_true(budget.taken_bytes == 5 * PIECE_BYTES);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pbts_open_pieces_begin(&all[i], &one, 40, PIECE_BYTES), PBTS_LIMIT);
        assert_true(all[i].was_short);
    }
    pbts_open_pieces_close(&all[0], slots[2]);
    assert_int_equal(pbts_open_pieces_begin(&all[1], &one, 40, PIECE_BYTES), PBTS_LIMIT);
    pbts_open_pieces_free_slot(&all[0], slots[2]); /* the owner has been told */
    begin(&all[1], 40);
    pbts_open_pieces_deinit(&all[1]);
    assert_true(budget.taken_bytes == 2 * PIECE_BYTES);
    pbts_open_pieces_deinit(&all[0]);
    assert_true(budget.taken_bytes == 0);
}

static void one_piece_may_be_begun_whatever_the_budget(void **state) {
    (void)state;
    pbts_open_budget budget = { .max_bytes = PIECE_BYTES - 1 };
    pbts_open_pieces pieces = pieces_new();
    pbts_open_piece *second;
    pieces.budget = &budget;
    pieces.slot_bytes = PIECE_BYTES;
    begin(&pieces, 3);
    assert_int_equal(pbts_open_pieces_begin(&pieces, &second, 4, PIECE_BYTES), PBTS_LIMIT);
    pbts_open_pieces_deinit(&pieces);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_together_take_no_more_than_the_budget),
        cmocka_unit_test(one_piece_may_be_begun_whatever_the_budget),
        cmocka_unit_test(as_many_pieces_as_slots_can_be_begun),
        cmocka_unit_test(slots_come_and_go_in_any_order),
        cmocka_unit_test(ranges_are_whole_blocks),
        cmocka_unit_test(asking_takes_blocks_in_a_row_and_unasking_gives_them_back),
        cmocka_unit_test(a_block_is_written_by_one_at_a_time),
        cmocka_unit_test(who_gave_most_is_known_and_of_equals_the_first),
        cmocka_unit_test(who_comes_back_with_its_key_is_the_same),
        cmocka_unit_test(the_least_of_too_many_contributors_is_forgotten),
        cmocka_unit_test(in_the_endgame_a_block_is_asked_of_two),
        cmocka_unit_test(the_counts_hold_whatever_happens),
        cmocka_unit_test(every_allocation_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
