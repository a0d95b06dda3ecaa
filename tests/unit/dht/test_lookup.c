/* One lookup, told by hand what became of whom it asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dht/dht_lookup.h"

/* The target is 0, so an id is its distance. Farther ones have a greater first number. */
static const pbts_dht_id TARGET = { { 0 } }, OWN = { { 0xFF, 0xFF } };

static pbts_dht_id id_of(uint8_t far, uint8_t number) {
    pbts_dht_id id = { { far, [PBTS_DHT_ID_LEN - 1] = number } };
    return id;
}

static pbts_addr addr_of(uint8_t far, uint8_t number) {
    return (pbts_addr){ PBTS_IPV4, { 10, far, number, 1 }, 6881 };
}

static void begin(pbts_dht_lookup *lookup, uint8_t far, uint8_t number, uint8_t path) {
    pbts_dht_id id = id_of(far, number);
    pbts_addr addr = addr_of(far, number);
    assert_int_equal(pbts_dht_lookup_begin(lookup, &id, &addr, path), PBTS_OK);
}

static void name(pbts_dht_lookup *lookup, uint16_t by, uint8_t far, uint8_t number) {
    pbts_dht_id id = id_of(far, number);
    pbts_addr addr = addr_of(far, number);
    pbts_dht_lookup_name(lookup, by, &id, &addr);
}

enum { LIAR = 100, HONEST = 90, NEAR_LIARS = 1, FOUND = 50 };

/* What a node answers: liars all the same twenty liars, nearest of all; the honest one five of
 * them, and five others. */
static void answer(pbts_dht_lookup *lookup, uint16_t number) {
    uint8_t far = lookup->candidates[number].id.bytes[0];
    pbts_dht_lookup_answered(lookup, number);
    for (uint8_t i = 0; i < PBTS_DHT_K; i++) {
        if (far == LIAR || far == NEAR_LIARS) name(lookup, number, NEAR_LIARS, i);
        if (far == HONEST && i < 5) name(lookup, number, NEAR_LIARS, i);
        if (far == HONEST && i < 5) name(lookup, number, FOUND, i);
    }
}

static void liars_cannot_keep_a_path_from_others_names(void **state) {
    (void)state;
    pbts_dht_lookup lookup;
    uint16_t number;
    unsigned asked_of_honest = 0;
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    begin(&lookup, LIAR, 0, 0);
    begin(&lookup, LIAR, 1, 0);
    begin(&lookup, HONEST, 0, 0);
    /* The liars are quick: what they name is known when the honest one answers. */
    uint16_t honest = PBTS_DHT_NONE;
    while (pbts_dht_lookup_next(&lookup, &number)) {
        uint8_t far = lookup.candidates[number].id.bytes[0];
        asked_of_honest += far == FOUND;
        if (far == HONEST) {
            honest = number;
        } else {
            answer(&lookup, number);
        }
    }
    assert_int_not_equal(honest, PBTS_DHT_NONE);
    assert_false(pbts_dht_lookup_is_over(&lookup));
    answer(&lookup, honest);
    while (pbts_dht_lookup_next(&lookup, &number)) {
        asked_of_honest += lookup.candidates[number].id.bytes[0] == FOUND;
        answer(&lookup, number);
    }
    assert_true(pbts_dht_lookup_is_over(&lookup));
    assert_int_equal(asked_of_honest, PBTS_DHT_FOLLOWED);
    pbts_dht_lookup_deinit(&lookup);
}

/* The three who are asked first are liars, and name more closer ones than a path waits for. */
static void liars_cannot_keep_a_path_from_those_it_began_with(void **state) {
    (void)state;
    pbts_dht_lookup lookup;
    uint16_t number;
    unsigned honest_asked = 0;
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    for (uint8_t i = 0; i < PBTS_DHT_ALPHA; i++) begin(&lookup, HONEST - 1, i, 0);
    for (uint8_t i = 0; i < 2; i++) begin(&lookup, HONEST, i, 0);
    for (unsigned i = 0; i < PBTS_DHT_ALPHA; i++) {
        assert_true(pbts_dht_lookup_next(&lookup, &number));
        assert_int_equal(lookup.candidates[number].id.bytes[0], HONEST - 1);
    }
    assert_false(pbts_dht_lookup_next(&lookup, &number));
    for (uint16_t liar = 0; liar < PBTS_DHT_ALPHA; liar++) {
        pbts_dht_lookup_answered(&lookup, liar);
        for (uint8_t i = 0; i < PBTS_DHT_K; i++) name(&lookup, liar, NEAR_LIARS, i);
    }
    while (pbts_dht_lookup_next(&lookup, &number)) {
        honest_asked += lookup.candidates[number].id.bytes[0] == HONEST;
        answer(&lookup, number);
    }
    assert_int_equal(honest_asked, 2);
    pbts_dht_lookup_deinit(&lookup);
}

static void so_many_are_asked_at_once_and_nobody_in_two_paths(void **state) {
    (void)state;
    pbts_dht_lookup lookup;
    uint16_t number, asked[PBTS_DHT_PATHS * PBTS_DHT_ALPHA + 1];
    size_t count = 0;
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    for (uint8_t i = 0; i < 40; i++) begin(&lookup, HONEST, i, i % PBTS_DHT_PATHS);
    while (pbts_dht_lookup_next(&lookup, &number)) {
        assert_true(count < PBTS_DHT_PATHS * PBTS_DHT_ALPHA);
        for (size_t i = 0; i < count; i++) assert_int_not_equal(asked[i], number);
        asked[count++] = number;
    }
    assert_int_equal(count, PBTS_DHT_PATHS * PBTS_DHT_ALPHA);
    /* One that is slow gives its place to another of its path, once. */
    pbts_dht_lookup_slow(&lookup, asked[0]);
    pbts_dht_lookup_slow(&lookup, asked[0]);
    assert_true(pbts_dht_lookup_next(&lookup, &number));
    assert_int_equal(lookup.candidates[number].path, lookup.candidates[asked[0]].path);
    assert_false(pbts_dht_lookup_next(&lookup, &number));
    /* Named by a node of another path, it is still asked once. */
    pbts_dht_lookup_answered(&lookup, asked[0]);
    name(&lookup, asked[0], HONEST, lookup.candidates[asked[1]].id.bytes[PBTS_DHT_ID_LEN - 1]);
    while (pbts_dht_lookup_next(&lookup, &number)) assert_int_not_equal(number, asked[1]);
    pbts_dht_lookup_deinit(&lookup);
}

static void who_names_nobody_loses_the_rest_of_its_names(void **state) {
    (void)state;
    pbts_dht_lookup lookup;
    uint16_t number, liar, failed = 0;
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    begin(&lookup, LIAR, 0, 0);
    assert_true(pbts_dht_lookup_next(&lookup, &liar));
    pbts_dht_lookup_answered(&lookup, liar);
    for (uint8_t i = 0; i < PBTS_DHT_K; i++) name(&lookup, liar, NEAR_LIARS, i);
    assert_int_equal(lookup.count, 1 + PBTS_DHT_K);
    for (; pbts_dht_lookup_next(&lookup, &number); failed++) {
        pbts_dht_lookup_failed(&lookup, number);
    }
    assert_int_equal(failed, PBTS_DHT_BAD_NAMES_MAX);
    assert_int_equal(lookup.count, 1 + PBTS_DHT_BAD_NAMES_MAX);
    /* And is not listened to any more. */
    name(&lookup, liar, FOUND, 1);
    assert_int_equal(lookup.count, 1 + PBTS_DHT_BAD_NAMES_MAX);
    pbts_dht_lookup_deinit(&lookup);
}

/* Three names that do not answer for one that does are still an honest node's, who has not heard
 * that others went. */
static void who_names_some_that_answer_keeps_the_rest(void **state) {
    (void)state;
    enum { GOOD = 2 };
    pbts_dht_lookup lookup;
    uint16_t number, teller, asked = 0;
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    begin(&lookup, LIAR, 0, 0);
    assert_true(pbts_dht_lookup_next(&lookup, &teller));
    pbts_dht_lookup_answered(&lookup, teller);
    for (uint8_t i = 0; i < PBTS_DHT_K; i++) name(&lookup, teller, NEAR_LIARS, i);
    for (; pbts_dht_lookup_next(&lookup, &number); asked++) {
        if (asked < GOOD) {
            pbts_dht_lookup_answered(&lookup, number);
        } else {
            pbts_dht_lookup_failed(&lookup, number);
        }
        assert_int_equal(lookup.candidates[teller].is_liar, asked + 1 - GOOD > 3 * GOOD);
    }
    assert_int_equal(asked, GOOD + 3 * GOOD + 1);
    pbts_dht_lookup_deinit(&lookup);
}

static void a_right_address_has_room_beside_wrong_ones(void **state) {
    (void)state;
    pbts_dht_lookup lookup;
    uint16_t teller;
    pbts_dht_id id = id_of(FOUND, 1);
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    begin(&lookup, HONEST, 0, 0);
    assert_true(pbts_dht_lookup_next(&lookup, &teller));
    pbts_dht_lookup_answered(&lookup, teller);
    for (uint8_t i = 0; i < PBTS_DHT_SAME_ID_MAX + 1; i++) {
        pbts_addr addr = addr_of(FOUND, i);
        pbts_dht_lookup_name(&lookup, teller, &id, &addr);
    }
    assert_int_equal(lookup.count, 1 + PBTS_DHT_SAME_ID_MAX);
    /* One that was wrong makes room for another; it is not asked again. */
    uint16_t wrong;
    assert_true(pbts_dht_lookup_next(&lookup, &wrong));
    pbts_dht_lookup_failed(&lookup, wrong);
    for (uint8_t i = 0; i < 2; i++) {
        pbts_addr addr = addr_of(FOUND, (uint8_t)(PBTS_DHT_SAME_ID_MAX + i));
        pbts_dht_lookup_name(&lookup, teller, &id, &addr);
        pbts_dht_lookup_name(&lookup, teller, &id, &lookup.candidates[wrong].addr);
    }
    assert_int_equal(lookup.count, 1 + PBTS_DHT_SAME_ID_MAX + 1);
    /* Many ids at one address: three. */
    pbts_addr victim = addr_of(7, 7);
    for (uint8_t i = 0; i < PBTS_DHT_SAME_ADDR_MAX + 1; i++) {
        id = id_of(NEAR_LIARS, i);
        pbts_dht_lookup_name(&lookup, teller, &id, &victim);
    }
    assert_int_equal(lookup.count, 1 + PBTS_DHT_SAME_ID_MAX + 1 + PBTS_DHT_SAME_ADDR_MAX);
    pbts_dht_lookup_deinit(&lookup);
}

static void candidates_are_bounded(void **state) {
    (void)state;
    pbts_dht_lookup lookup;
    uint16_t number;
    uint32_t made = 0;
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    begin(&lookup, HONEST, 0, 0);
    while (pbts_dht_lookup_next(&lookup, &number)) {
        pbts_dht_lookup_answered(&lookup, number);
        for (int i = 0; i < PBTS_DHT_K; i++, made++) { /* always closer than all before */
            pbts_dht_id id = { { 0, (uint8_t)(200 - made / 256), (uint8_t)(255 - made) } };
            pbts_addr addr = { PBTS_IPV4, { 11, (uint8_t)(made >> 8), (uint8_t)made, 1 }, 1 };
            pbts_dht_lookup_name(&lookup, number, &id, &addr);
        }
        assert_true(lookup.count <= PBTS_DHT_CANDIDATES_MAX);
    }
    assert_int_equal(lookup.count, PBTS_DHT_CANDIDATES_MAX);
    assert_true(pbts_dht_lookup_is_over(&lookup));
    uint16_t closest[PBTS_DHT_K];
    assert_int_equal(pbts_dht_lookup_closest(&lookup, closest, PBTS_DHT_K, 0), PBTS_DHT_K);
    for (int i = 1; i < PBTS_DHT_K; i++) {
        assert_true(pbts_dht_id_compare(&TARGET, &lookup.candidates[closest[i - 1]].id,
                                        &lookup.candidates[closest[i]].id) < 0);
    }
    pbts_dht_lookup_deinit(&lookup);
}

/* All are closer than what they name, so nothing but following asks for those. */
static void of_the_names_from_one_depth_so_many_are_followed(void **state) {
    (void)state;
    enum { CLOSE = 1, FAR = 200 };
    pbts_dht_lookup lookup;
    uint16_t number;
    unsigned asked_far = 0, asked_farther = 0;
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    for (uint8_t i = 0; i < PBTS_DHT_K; i++) begin(&lookup, CLOSE, i, 0);
    while (pbts_dht_lookup_next(&lookup, &number)) {
        uint8_t far = lookup.candidates[number].id.bytes[0];
        uint8_t own = lookup.candidates[number].addr.ip[2];
        pbts_dht_lookup_answered(&lookup, number);
        asked_far += far == FAR;
        asked_farther += far == FAR + 1;
        for (uint8_t i = 0; far <= FAR && i < PBTS_DHT_FOLLOWED; i++) {
            name(&lookup, number, far == CLOSE ? FAR : FAR + 1,
                 (uint8_t)(own * PBTS_DHT_FOLLOWED + i));
        }
    }
    assert_int_equal(asked_far, PBTS_DHT_FOLLOWED_OF_DEPTH);
    assert_int_equal(asked_farther, PBTS_DHT_FOLLOWED_OF_DEPTH); /* the next depth has its own */
    pbts_dht_lookup_deinit(&lookup);
}

static void so_many_are_asked_and_no_more(void **state) {
    (void)state;
    pbts_dht_lookup lookup;
    uint16_t number, asked = 0;
    pbts_dht_lookup_init(&lookup, pbts_mem_system(), &OWN, &TARGET);
    for (unsigned i = 0; i < 2 * PBTS_DHT_QUERIES_MAX; i++) {
        begin(&lookup, (uint8_t)(1 + i / 256), (uint8_t)i, i % PBTS_DHT_PATHS);
    }
    for (; pbts_dht_lookup_next(&lookup, &number); asked++) {
        pbts_dht_lookup_failed(&lookup, number);
    }
    assert_int_equal(asked, PBTS_DHT_QUERIES_MAX);
    assert_true(pbts_dht_lookup_is_over(&lookup));
    pbts_dht_lookup_deinit(&lookup);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(liars_cannot_keep_a_path_from_others_names),
        cmocka_unit_test(liars_cannot_keep_a_path_from_those_it_began_with),
        cmocka_unit_test(so_many_are_asked_at_once_and_nobody_in_two_paths),
        cmocka_unit_test(who_names_nobody_loses_the_rest_of_its_names),
        cmocka_unit_test(who_names_some_that_answer_keeps_the_rest),
        cmocka_unit_test(a_right_address_has_room_beside_wrong_ones),
        cmocka_unit_test(of_the_names_from_one_depth_so_many_are_followed),
        cmocka_unit_test(candidates_are_bounded),
        cmocka_unit_test(so_many_are_asked_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
