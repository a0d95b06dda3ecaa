/* Unit tests of peer/choker.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peer/choker.h"

enum { MANY = 30, MINUTE_MS = 60 * 1000 };

typedef struct {
    pbts_choke_candidate peers[MANY]; /* [i].conn is i + 1 */
    size_t count;
    pbts_choker choker;
    uint64_t now_ms;
    bool seeding;
    uint32_t slots;
} place;

static place place_of(size_t count, uint32_t slots) {
    place p = { .count = count, .slots = slots, .now_ms = 1000 };
    p.choker = pbts_choker_new(7, p.now_ms);
    for (uint32_t i = 0; i < count; i++) {
        p.peers[i] = (pbts_choke_candidate){
            .conn = i + 1, .may_serve = true, .joined_ms = 1000, .changed_ms = 1000
        };
    }
    return p;
}

/* One round on a copy, as the caller does it; then the outcome is taken over. */
static void play_round(place *p) {
    pbts_choke_candidate copy[MANY];
    p->now_ms += PBTS_CHOKER_ROUND_MS;
    assert_true(pbts_choker_is_due(&p->choker, p->now_ms));
    memcpy(copy, p->peers, sizeof copy);
    pbts_choker_round(&p->choker, copy, p->count, p->slots, p->seeding, p->now_ms);
    assert_false(pbts_choker_is_due(&p->choker, p->now_ms));
    for (size_t i = 0; i < p->count; i++) {
        pbts_choke_candidate *peer = &p->peers[copy[i].conn - 1];
        if (peer->unchoked != copy[i].unchoked) peer->changed_ms = p->now_ms;
        peer->unchoked = copy[i].unchoked;
        peer->optimistic = copy[i].optimistic;
    }
}

static unsigned unchoked(const place *p) {
    unsigned count = 0;
    for (size_t i = 0; i < p->count; i++) count += p->peers[i].unchoked;
    return count;
}

static unsigned optimistic(const place *p) {
    unsigned count = 0;
    for (size_t i = 0; i < p->count; i++) count += p->peers[i].optimistic;
    return count;
}

static void those_who_give_most_are_served_and_one_more(void **state) {
    (void)state;
    place p = place_of(10, 3);
    for (uint32_t i = 0; i < 10; i++) p.peers[i].gave_bytes = 1000 + 10 * i;
    play_round(&p);
    for (size_t i = 7; i < 10; i++) assert_true(p.peers[i].unchoked && !p.peers[i].optimistic);
    assert_int_equal(unchoked(&p), 4);
    assert_int_equal(optimistic(&p), 1);
    p.peers[0].gave_bytes = 5000;
    play_round(&p);
    assert_true(p.peers[0].unchoked && !p.peers[7].unchoked == !p.peers[7].optimistic);
}

/* Random histories against what the words say: of those who may be served and are not snubbed, none
 * without a regular slot gave more than one with it. */
static void nobody_with_a_slot_gave_less_than_one_without(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(11);
    place p = place_of(MANY, 5);
    for (int round = 0; round < 2000; round++) {
        unsigned eligible = 0, regular = 0;
        for (size_t i = 0; i < p.count; i++) {
            p.peers[i].gave_bytes = pbts_prng_below(&prng, 20);
            p.peers[i].may_serve = pbts_prng_below(&prng, 4) != 0;
            p.peers[i].snubbed = pbts_prng_below(&prng, 4) == 0;
            eligible += p.peers[i].may_serve && !p.peers[i].snubbed;
        }
        play_round(&p);
        for (size_t i = 0; i < p.count; i++) {
            const pbts_choke_candidate *a = &p.peers[i];
            bool has_slot = a->unchoked && !a->optimistic;
            regular += has_slot;
            assert_true(a->may_serve || !a->unchoked);
            assert_true(!has_slot || !a->snubbed);
            for (size_t j = 0; has_slot && j < p.count; j++) {
                const pbts_choke_candidate *b = &p.peers[j];
                if (!b->may_serve || b->snubbed || (b->unchoked && !b->optimistic)) continue;
                assert_true(b->gave_bytes <= a->gave_bytes);
            }
        }
        assert_int_equal(regular, eligible < p.slots ? eligible : p.slots);
        assert_true(optimistic(&p) <= 1);
    }
}

static void of_equals_those_who_have_a_slot_keep_it(void **state) {
    (void)state;
    place p = place_of(10, 4);
    play_round(&p);
    bool before[10];
    for (size_t i = 0; i < 10; i++) before[i] = p.peers[i].unchoked && !p.peers[i].optimistic;
    for (int round = 0; round < 5; round++) {
        play_round(&p);
        for (size_t i = 0; i < 10; i++) {
            if (before[i]) assert_true(p.peers[i].unchoked);
        }
    }
}

static void the_optimistic_slot_goes_around_every_30_seconds(void **state) {
    (void)state;
    place p = place_of(20, 2);
    bool tried[20] = { false };
    unsigned changes = 0, last = 0;
    p.peers[0].gave_bytes = p.peers[1].gave_bytes = 100;
    for (int round = 0; round < 600; round++) {
        play_round(&p);
        assert_int_equal(optimistic(&p), 1);
        for (uint32_t i = 0; i < 20; i++) {
            if (!p.peers[i].optimistic) continue;
            tried[i] = true;
            changes += last != i;
            last = i;
        }
    }
    for (size_t i = 2; i < 20; i++) assert_true(tried[i]);
    assert_in_range(changes, 150, 200);
}

static void newcomers_are_tried_three_times_as_often(void **state) {
    (void)state;
    unsigned newcomer = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        place p = place_of(2, 0);
        p.choker = pbts_choker_new(seed, 1000);
        p.now_ms = 10 * MINUTE_MS;
        p.peers[1].joined_ms = p.now_ms;
        play_round(&p);
        assert_int_equal(unchoked(&p), 1);
        newcomer += p.peers[1].unchoked;
    }
    assert_in_range(newcomer, 1400, 1600);
}

static void a_snubbed_peer_gets_no_slot_but_the_optimistic_one(void **state) {
    (void)state;
    place p = place_of(3, 3);
    for (size_t i = 0; i < 3; i++) p.peers[i].snubbed = true;
    p.peers[1].gave_bytes = 1000;
    play_round(&p);
    assert_int_equal(unchoked(&p), 1);
    assert_int_equal(optimistic(&p), 1);
}

static void a_seeder_serves_everybody_in_turn(void **state) {
    (void)state;
    place p = place_of(12, 3);
    unsigned rounds_served[12] = { 0 };
    p.seeding = true;
    for (int round = 0; round < 240; round++) {
        play_round(&p);
        assert_int_equal(unchoked(&p), 4);
        for (size_t i = 0; i < 12; i++) {
            rounds_served[i] += p.peers[i].unchoked;
            p.peers[i].took_bytes = p.peers[i].unchoked ? 1000 * (i + 1) : 0;
        }
    }
    for (size_t i = 0; i < 12; i++) assert_in_range(rounds_served[i], 50, 120);
}

static void a_turn_lasts_a_minute_and_longer_when_nobody_waits(void **state) {
    (void)state;
    place p = place_of(3, 1);
    p.seeding = true;
    play_round(&p);
    size_t first = p.peers[0].unchoked && !p.peers[0].optimistic ? 0 : 1;
    assert_true(p.peers[first].unchoked);
    p.peers[first].took_bytes = 1;
    for (int round = 0; round < 5; round++) {
        play_round(&p);
        assert_true(p.peers[first].unchoked);
    }
    play_round(&p);
    play_round(&p);
    assert_true(!p.peers[first].unchoked || p.peers[first].optimistic);

    place alone = place_of(1, 1);
    alone.seeding = true;
    for (int round = 0; round < 50; round++) {
        play_round(&alone);
        assert_true(alone.peers[0].unchoked && !alone.peers[0].optimistic);
    }
}

static void nobody_is_no_trouble_and_a_thousand_are_served(void **state) {
    (void)state;
    static pbts_choke_candidate many[PBTS_CHOKER_CANDIDATES_MAX];
    pbts_choker choker = pbts_choker_new(1, 0);
    pbts_choker_round(&choker, many, 0, 4, false, 10000);
    for (uint32_t i = 0; i < PBTS_CHOKER_CANDIDATES_MAX; i++) {
        many[i] = (pbts_choke_candidate){ .conn = i + 1, .may_serve = true };
    }
    pbts_choker_round(&choker, many, PBTS_CHOKER_CANDIDATES_MAX, 4, true, 20000);
    unsigned count = 0;
    for (uint32_t i = 0; i < PBTS_CHOKER_CANDIDATES_MAX; i++) count += many[i].unchoked;
    assert_int_equal(count, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_give_most_are_served_and_one_more),
        cmocka_unit_test(nobody_with_a_slot_gave_less_than_one_without),
        cmocka_unit_test(of_equals_those_who_have_a_slot_keep_it),
        cmocka_unit_test(the_optimistic_slot_goes_around_every_30_seconds),
        cmocka_unit_test(newcomers_are_tried_three_times_as_often),
        cmocka_unit_test(a_snubbed_peer_gets_no_slot_but_the_optimistic_one),
        cmocka_unit_test(a_seeder_serves_everybody_in_turn),
        cmocka_unit_test(a_turn_lasts_a_minute_and_longer_when_nobody_waits),
        cmocka_unit_test(nobody_is_no_trouble_and_a_thousand_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
