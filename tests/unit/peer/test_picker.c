/* Unit tests of peer/picker.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "peer/picker.h"
#include "receipt/faulty_mem.h"
#include "torrent/piece_set.h"

enum { PIECES = 40, PEERS = 12, SET_LEN = (PIECES + 7) / 8 };

/* The naive twin: a set per peer; rarity is counted anew each time. */
typedef struct {
    uint8_t has[PEERS][SET_LEN];
    bool pickable[PIECES];
} twin;

static unsigned twin_count(const twin *t, uint32_t piece) {
    unsigned count = 0;
    for (unsigned i = 0; i < PEERS; i++) count += pbts_piece_set_has(t->has[i], piece);
    return count;
}

/* How rare the rarest pickable piece of a peer is; UINT_MAX: it has none. */
static unsigned twin_rarest(const twin *t, const uint8_t *peer_has) {
    unsigned least = UINT32_MAX;
    for (uint32_t i = 0; i < PIECES; i++) {
        if (!t->pickable[i] || (peer_has && !pbts_piece_set_has(peer_has, i))) continue;
        unsigned count = twin_count(t, i);
        if (count < least) least = count;
    }
    return least;
}

static void twin_toggle(twin *t, pbts_picker *picker, unsigned peer, uint32_t piece) {
    bool had = pbts_piece_set_has(t->has[peer], piece);
    t->has[peer][piece / 8] ^= (uint8_t)(0x80u >> piece % 8);
    if (had) {
        pbts_picker_lost(picker, piece);
    } else {
        pbts_picker_gained(picker, piece);
    }
}

static void compare(const twin *t, pbts_picker *picker, const uint8_t *peer_has, bool at_random) {
    uint32_t piece = PIECES;
    unsigned rarest = twin_rarest(t, peer_has);
    bool found = pbts_picker_find(picker, &piece, peer_has, at_random);
    assert_int_equal(found, rarest != UINT32_MAX);
    if (!found) return;
    assert_true(t->pickable[piece]);
    assert_true(peer_has == NULL || pbts_piece_set_has(peer_has, piece));
    if (!at_random) assert_int_equal(twin_count(t, piece), rarest);
}

static void finds_what_a_search_of_everything_finds(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        twin t = { 0 };
        pbts_picker picker;
        pbts_prng prng = pbts_prng_seeded(seed);
        assert_int_equal(pbts_picker_init(&picker, pbts_mem_system(), PIECES, seed), PBTS_OK);
        for (int step = 0; step < 3000; step++) {
            uint32_t piece = pbts_prng_below(&prng, PIECES);
            unsigned peer = pbts_prng_below(&prng, PEERS);
            if (pbts_prng_below(&prng, 2)) {
                twin_toggle(&t, &picker, peer, piece);
            } else if ((t.pickable[piece] = pbts_prng_below(&prng, 2))) {
                pbts_picker_add(&picker, piece);
            } else {
                pbts_picker_remove(&picker, piece);
            }
            if (step % 7 == 0) pbts_picker_check(&picker);
            compare(&t, &picker, t.has[peer], false);
            compare(&t, &picker, t.has[peer], true);
            compare(&t, &picker, NULL, false);
        }
        pbts_picker_deinit(&picker);
    }
}

static void reset_makes_exactly_one_set_pickable(void **state) {
    (void)state;
    twin t = { 0 };
    pbts_picker picker;
    pbts_prng prng = pbts_prng_seeded(3);
    assert_int_equal(pbts_picker_init(&picker, pbts_mem_system(), PIECES, 5), PBTS_OK);
    for (int round = 0; round < 200; round++) {
        uint8_t set[SET_LEN] = { 0 };
        twin_toggle(&t, &picker, pbts_prng_below(&prng, PEERS), pbts_prng_below(&prng, PIECES));
        for (uint32_t i = 0; i < PIECES; i++) {
            t.pickable[i] = pbts_prng_below(&prng, 3) == 0;
            if (t.pickable[i]) pbts_piece_set_add(set, i);
        }
        uint64_t additions = picker.additions;
        pbts_picker_reset(&picker, PBTS_SPAN_OF(set));
        assert_true(picker.additions > additions);
        pbts_picker_check(&picker);
        assert_int_equal(picker.count, pbts_piece_set_count(PBTS_SPAN_OF(set)));
        for (unsigned peer = 0; peer < PEERS; peer++) compare(&t, &picker, t.has[peer], false);
    }
    pbts_picker_deinit(&picker);
}

/* Each of ten equally rare pieces is the first with a chance of one in ten. */
static void equally_rare_pieces_come_in_random_order(void **state) {
    (void)state;
    unsigned first[10] = { 0 };
    for (uint64_t seed = 0; seed < 1000; seed++) {
        pbts_picker picker;
        uint32_t piece = 0;
        assert_int_equal(pbts_picker_init(&picker, pbts_mem_system(), 10, seed * 77), PBTS_OK);
        for (uint32_t i = 0; i < 10; i++) pbts_picker_add(&picker, i);
        for (uint32_t i = 0; i < 10; i++) pbts_picker_gained(&picker, i);
        assert_true(pbts_picker_find(&picker, &piece, NULL, false));
        first[piece]++;
        pbts_picker_deinit(&picker);
    }
    for (unsigned i = 0; i < 10; i++) assert_in_range(first[i], 60, 145);
}

static void random_pieces_are_not_the_rarest_alone(void **state) {
    (void)state;
    pbts_picker picker;
    unsigned common = 0;
    assert_int_equal(pbts_picker_init(&picker, pbts_mem_system(), 100, 1), PBTS_OK);
    for (uint32_t i = 0; i < 100; i++) pbts_picker_add(&picker, i);
    for (uint32_t i = 1; i < 100; i++) pbts_picker_gained(&picker, i);
    for (int i = 0; i < 100; i++) {
        uint32_t piece = 0;
        assert_true(pbts_picker_find(&picker, &piece, NULL, true));
        common += piece != 0;
        assert_true(pbts_picker_find(&picker, &piece, NULL, false));
        assert_int_equal(piece, 0);
    }
    assert_true(common > 80);
    pbts_picker_deinit(&picker);
}

/* The peer's pieces are more common than PBTS_PICKER_STEPS_MAX others. */
static void a_piece_behind_many_rarer_ones_is_found(void **state) {
    (void)state;
    enum { MANY = 100003, SETS = (MANY + 7) / 8 };
    static uint8_t has[SETS], pickable[SETS];
    pbts_picker picker;
    assert_int_equal(pbts_picker_init(&picker, pbts_mem_system(), MANY, 9), PBTS_OK);
    for (uint32_t i = 0; i < MANY; i++) pbts_piece_set_add(pickable, i);
    pbts_picker_reset(&picker, PBTS_SPAN_OF(pickable));
    const uint32_t mine[] = { 0, 63, 64, 5000, MANY - 1 };
    for (size_t i = 0; i < 5; i++) {
        uint32_t piece = MANY;
        memset(has, 0, sizeof has);
        pbts_piece_set_add(has, mine[i]);
        pbts_picker_gained(&picker, mine[i]);
        assert_true(pbts_picker_find(&picker, &piece, has, false));
        assert_int_equal(piece, mine[i]);
        pbts_picker_remove(&picker, mine[i]);
        assert_false(pbts_picker_find(&picker, &piece, has, false));
    }
    /* Two of them: the rarer one. */
    uint32_t piece = MANY;
    pbts_piece_set_add(has, 70000);
    pbts_piece_set_add(has, 70001);
    pbts_picker_gained(&picker, 70000);
    pbts_picker_gained(&picker, 70001);
    pbts_picker_gained(&picker, 70000);
    assert_true(pbts_picker_find(&picker, &piece, has, false));
    assert_int_equal(piece, 70001);
    pbts_picker_deinit(&picker);
}

static void as_many_peers_as_stated_can_have_a_piece(void **state) {
    (void)state;
    pbts_picker picker;
    assert_int_equal(pbts_picker_init(&picker, pbts_mem_system(), 2, 1), PBTS_OK);
    pbts_picker_add(&picker, 0);
    for (int i = 0; i < PBTS_PICKER_PEERS_MAX; i++) pbts_picker_gained(&picker, 0);
    pbts_picker_add(&picker, 1);
    pbts_picker_check(&picker);
    assert_int_equal(picker.availability[0], PBTS_PICKER_PEERS_MAX);
    pbts_picker_deinit(&picker);
}

static void every_allocation_can_fail(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        faulty_mem mem = mem_failing_at(n);
        pbts_picker picker;
        pbts_status status = pbts_picker_init(&picker, &mem.mem, PIECES, 1);
        if (status == PBTS_OK) pbts_picker_deinit(&picker);
        assert_int_equal(mem.live, 0);
        if (status == PBTS_OK) break;
        assert_int_equal(status, PBTS_NO_MEMORY);
        assert_true(n < 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_search_of_everything_finds),
        cmocka_unit_test(reset_makes_exactly_one_set_pickable),
        cmocka_unit_test(equally_rare_pieces_come_in_random_order),
        cmocka_unit_test(random_pieces_are_not_the_rarest_alone),
        cmocka_unit_test(a_piece_behind_many_rarer_ones_is_found),
        cmocka_unit_test(as_many_peers_as_stated_can_have_a_piece),
        cmocka_unit_test(every_allocation_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
