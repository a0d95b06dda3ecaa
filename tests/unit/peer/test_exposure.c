/* Unit tests of peer/exposure.c: how trust grows, how it ends, and who signs when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "peer/exposure.h"

enum { PIECE = 1 << 18 };
#define ALL UINT64_MAX
#define MAX_BYTES PBTS_EXPOSURE_MAX_BYTES

static void a_stranger_gets_one_piece_on_trust(void **state) {
    pbts_exposure exposure = pbts_exposure_new(PIECE, MAX_BYTES);
    assert_true(pbts_exposure_limit(&exposure, ALL) == PIECE);
    assert_true(pbts_exposure_limit(&exposure, 0) == PIECE);
}

static void who_signs_at_half_of_the_limit_gets_twice_with_every_receipt(void **state) {
    pbts_exposure exposure = pbts_exposure_new(PIECE, MAX_BYTES);
    uint64_t expected = PIECE;
    pbts_exposure_receipt(&exposure, PIECE); /* the first: nothing less can be signed for */
    for (int i = 0; i < 12; i++) {
        expected = expected * 2 < MAX_BYTES ? expected * 2 : MAX_BYTES;
        assert_true(pbts_exposure_limit(&exposure, ALL) == expected);
        pbts_exposure_receipt(&exposure, expected / 2);
    }
    assert_true(expected == MAX_BYTES);
}

static void many_small_receipts_earn_no_more_than_what_they_cover(void **state) {
    pbts_exposure exposure = pbts_exposure_new(PIECE, MAX_BYTES);
    for (int i = 0; i < 1000; i++) pbts_exposure_receipt(&exposure, 1);
    assert_true(pbts_exposure_limit(&exposure, ALL) == PIECE);
    pbts_exposure_receipt(&exposure, PIECE);
    assert_true(pbts_exposure_limit(&exposure, ALL) == 2 * (PIECE + 1000));
}

static void the_limit_ends_at_half_of_what_is_left_then_at_one_piece_and_the_slack(void **state) {
    pbts_exposure exposure = pbts_exposure_new(PIECE, MAX_BYTES);
    pbts_exposure_receipt(&exposure, 64 * PIECE);
    assert_true(pbts_exposure_limit(&exposure, ALL) == 128 * PIECE);
    assert_true(pbts_exposure_limit(&exposure, 100 * PIECE) == 50 * PIECE);
    assert_true(pbts_exposure_limit(&exposure, 4 * PIECE) == 2 * PIECE);
    assert_true(pbts_exposure_limit(&exposure, 4 * PIECE - 2) == 2 * PIECE);
    assert_true(pbts_exposure_limit(&exposure, 0) == 2 * PIECE);
    pbts_exposure_receipt(&exposure, 1u << 30);
    assert_true(pbts_exposure_limit(&exposure, 0) ==
                PIECE + ((1u << 30) + 64 * PIECE) / PBTS_EXPOSURE_SLACK_DIVISOR);
}

static void a_maximum_below_one_piece_is_one_piece(void **state) {
    pbts_exposure exposure = pbts_exposure_new(PIECE, 1);
    pbts_exposure_receipt(&exposure, 100 * PIECE);
    assert_true(pbts_exposure_limit(&exposure, ALL) == PIECE);
    assert_true(pbts_exposure_limit(&exposure, 0) == PIECE);
}

static void the_limit_is_always_between_one_piece_and_the_maximum(void **state) {
    pbts_prng prng = pbts_prng_seeded(1);
    for (int i = 0; i < 100000; i++) {
        uint64_t piece = 1 + pbts_prng_next(&prng) % (64u << 20);
        uint64_t max = pbts_prng_next(&prng) >> (pbts_prng_next(&prng) % 64);
        pbts_exposure exposure = pbts_exposure_new(piece, max);
        for (uint64_t k = pbts_prng_below(&prng, 4); k > 0; k--) {
            pbts_exposure_receipt(&exposure, pbts_prng_next(&prng) >> (pbts_prng_next(&prng) % 64));
        }
        uint64_t left = pbts_prng_next(&prng) >> (pbts_prng_next(&prng) % 64);
        uint64_t limit = pbts_exposure_limit(&exposure, left);
        assert_true(limit >= piece && limit <= exposure.max_bytes);
        assert_true(limit <= piece || limit <= 2 * exposure.paid_bytes);
        assert_true(pbts_exposure_limit(&exposure, left / 2) <= limit);
    }
}

static void a_receiver_signs_at_half_of_the_limit_and_at_the_end(void **state) {
    pbts_exposure exposure = pbts_exposure_new(PIECE, MAX_BYTES);
    pbts_exposure_receipt(&exposure, 8 * PIECE);
    assert_false(pbts_exposure_is_due(&exposure, 0, 0, 0));
    assert_false(pbts_exposure_is_due(&exposure, 0, 100 * PIECE, 0));
    assert_false(pbts_exposure_is_due(&exposure, 8 * PIECE - 1, 0, ALL));
    assert_true(pbts_exposure_is_due(&exposure, 8 * PIECE, 0, ALL));
    assert_true(pbts_exposure_is_due(&exposure, 1, 0, 0));
    assert_false(pbts_exposure_is_due(&exposure, 1, 0, 1));
    /* What is under way counts, but something must be there to sign for. */
    assert_true(pbts_exposure_is_due(&exposure, 4 * PIECE, 4 * PIECE, ALL));
    assert_false(pbts_exposure_is_due(&exposure, 4 * PIECE, 4 * PIECE - 1, ALL));
    assert_false(pbts_exposure_is_due(&exposure, 4 * PIECE - 1, 100 * PIECE, ALL));
}

static void the_paper_signs_often_at_both_ends(void **state) {
    assert_false(pbts_schedule_is_due_paper(1, 0, 1000));
    assert_true(pbts_schedule_is_due_paper(1, 1, 1000));
    assert_true(pbts_schedule_is_due_paper(100, 1, 1000));
    assert_false(pbts_schedule_is_due_paper(101, 1, 1000));
    assert_false(pbts_schedule_is_due_paper(109, 9, 1000));
    assert_true(pbts_schedule_is_due_paper(110, 10, 1000));
    assert_false(pbts_schedule_is_due_paper(900, 1, 100));
    assert_true(pbts_schedule_is_due_paper(901, 1, 99));
    assert_false(pbts_schedule_is_due_paper(901, 0, 99));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_gets_one_piece_on_trust),
        cmocka_unit_test(who_signs_at_half_of_the_limit_gets_twice_with_every_receipt),
        cmocka_unit_test(many_small_receipts_earn_no_more_than_what_they_cover),
        cmocka_unit_test(the_limit_ends_at_half_of_what_is_left_then_at_one_piece_and_the_slack),
        cmocka_unit_test(a_maximum_below_one_piece_is_one_piece),
        cmocka_unit_test(the_limit_is_always_between_one_piece_and_the_maximum),
        cmocka_unit_test(a_receiver_signs_at_half_of_the_limit_and_at_the_end),
        cmocka_unit_test(the_paper_signs_often_at_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
