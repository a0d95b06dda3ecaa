#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "dht/dht_budget.h"
#include "dht/dht_table.h"
#include "dht/dht_token.h"

static const pbts_dht_id OWN = { { 0 } };
static const pbts_dht_certificate_hash HASH = { { 0 } };

static pbts_dht_id any_id(pbts_prng *prng) {
    pbts_dht_id id;
    for (size_t i = 0; i < sizeof id.bytes; i++) id.bytes[i] = (uint8_t)pbts_prng_below(prng, 256);
    return id;
}

static pbts_addr addr_of(uint32_t prefix, uint16_t port) {
    return (
        pbts_addr){ PBTS_IPV4,
                    { (uint8_t)(1 + (prefix >> 16)), (uint8_t)(prefix >> 8), (uint8_t)prefix, 9 },
                    port };
}

static pbts_dht_contact *know(pbts_dht_table *table, const pbts_dht_id *id, const pbts_addr *addr,
                              uint64_t now_ms) {
    pbts_dht_member member = { .id = *id, .expires_s = 1000 };
    pbts_dht_contact *contact, *stale;
    if (pbts_dht_table_add(table, &contact, &member, &HASH, addr, now_ms) != PBTS_OK) return NULL;
    (void)pbts_dht_table_seen(table, contact, addr, now_ms, &stale);
    return contact;
}

static void the_closest_are_those_of_a_naive_search(void **state) {
    (void)state;
    enum { CONTACTS = 600 };
    pbts_dht_table table;
    pbts_prng prng = pbts_prng_seeded(1);
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, CONTACTS, 0, 5);
    for (uint32_t i = 0; i < CONTACTS; i++) {
        pbts_dht_id id = any_id(&prng);
        unsigned zeros = pbts_prng_below(&prng, 24); /* some near us */
        for (unsigned bit = 0; bit < zeros; bit++)
            id.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
        pbts_addr addr = addr_of(i, 1);
        (void)know(&table, &id, &addr, 10);
    }
    assert_true(pbts_dht_table_is_sound(&table));
    assert_in_range(table.capacity, CONTACTS, CONTACTS + 31); /* memory is not taken by doubling */
    for (int round = 0; round < 500; round++) {
        pbts_dht_id target = any_id(&prng);
        if (round % 2 == 0) memset(target.bytes, 0, (size_t)round % 5);
        const pbts_dht_contact *found[PBTS_DHT_K];
        size_t max = 1 + pbts_prng_below(&prng, PBTS_DHT_K);
        size_t count = pbts_dht_table_closest(&table, &target, found, max);
        assert_int_equal(count, max);
        for (size_t i = 0; i < count; i++) {
            unsigned closer = 0; /* of those in buckets; as many as come before it */
            for (uint16_t j = 0; j < table.capacity; j++) {
                const pbts_dht_contact *other = &table.contacts[j];
                if (!other->in_use || other->bucket == PBTS_DHT_ID_BITS) continue;
                closer += pbts_dht_id_compare(&target, &other->member.id, &found[i]->member.id) < 0;
            }
            assert_int_equal(closer, i);
        }
    }
    pbts_dht_table_deinit(&table);
}

/* An id of bucket 0, and the i-th of it. */
static pbts_dht_id far_id(uint32_t i) {
    pbts_dht_id id = { { 0x80, (uint8_t)(i >> 8), (uint8_t)i } };
    return id;
}

static void a_bucket_has_k_and_keeps_those_who_answer(void **state) {
    (void)state;
    pbts_dht_table table;
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, 64, 0, 5);
    for (uint32_t i = 0; i <= PBTS_DHT_K; i++) {
        pbts_dht_id id = far_id(i);
        pbts_addr addr = addr_of(i, 1);
        assert_non_null(know(&table, &id, &addr, 1000 + i));
    }
    assert_int_equal(table.buckets[0].count, PBTS_DHT_K);
    pbts_dht_id last = far_id(PBTS_DHT_K), first = far_id(0);
    pbts_dht_contact *waits = pbts_dht_table_find(&table, &last);
    assert_int_equal(waits->bucket, PBTS_DHT_ID_BITS);
    /* It is silent once: it keeps its place, but is not named. Twice: the one that waits has it. */
    pbts_dht_contact *silent = pbts_dht_table_find(&table, &first);
    const pbts_dht_contact *found[PBTS_DHT_K];
    pbts_dht_table_failed(&table, silent, 2000);
    assert_int_equal(silent->bucket, 0);
    assert_int_equal(pbts_dht_table_closest(&table, &first, found, PBTS_DHT_K), PBTS_DHT_K - 1);
    pbts_dht_table_failed(&table, silent, 2000);
    assert_int_equal(silent->bucket, PBTS_DHT_ID_BITS);
    assert_int_equal(waits->bucket, 0);
    assert_true(pbts_dht_table_is_sound(&table));
    pbts_dht_table_deinit(&table);
}

static void who_waited_in_silence_for_long_gets_no_place(void **state) {
    (void)state;
    for (uint64_t more_ms = 0; more_ms < 2; more_ms++) {
        pbts_dht_table table;
        pbts_dht_table_init(&table, pbts_mem_system(), &OWN, 64, 0, 5);
        pbts_dht_contact *last = NULL;
        for (uint32_t i = 0; i <= PBTS_DHT_K; i++) {
            pbts_dht_id id = far_id(i);
            pbts_addr addr = addr_of(i, 1);
            last = know(&table, &id, &addr, 1000);
        }
        pbts_dht_id first = far_id(0), waits = last->member.id;
        for (unsigned i = 0; i < PBTS_DHT_FAILS_MAX; i++) {
            pbts_dht_table_failed(&table, pbts_dht_table_find(&table, &first),
                                  1000 + PBTS_DHT_STALE_MS - 1 + more_ms);
        }
        bool has_place = pbts_dht_table_find(&table, &waits)->bucket == 0;
        assert_int_equal(has_place, more_ms == 0);
        pbts_dht_table_deinit(&table);
    }
}

/* Of 200 who answer while we join, who came first has no better chance than the others. */
static void while_joining_all_who_answer_have_the_same_chance(void **state) {
    (void)state;
    enum { ANSWERS = 200, ROUNDS = 200 };
    uint32_t first_kept = 0, last_kept = 0;
    pbts_prng prng = pbts_prng_seeded(2);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        pbts_dht_table table;
        pbts_dht_table_init(&table, pbts_mem_system(), &OWN, 256, 0, 5);
        for (uint32_t i = 0; i < ANSWERS; i++) {
            pbts_dht_id id = far_id(i);
            pbts_addr addr = addr_of(i, 1);
            pbts_dht_table_draw(&table, know(&table, &id, &addr, 1000), &prng, 1000);
            assert_int_equal(table.buckets[0].count, i < PBTS_DHT_K ? i + 1 : PBTS_DHT_K);
        }
        assert_true(pbts_dht_table_is_sound(&table));
        for (uint32_t i = 0; i < PBTS_DHT_K; i++) {
            pbts_dht_id first = far_id(i), last = far_id(ANSWERS - 1 - i);
            first_kept += pbts_dht_table_find(&table, &first)->bucket == 0;
            last_kept += pbts_dht_table_find(&table, &last)->bucket == 0;
        }
        pbts_dht_table_deinit(&table);
    }
    uint32_t mean = ROUNDS * PBTS_DHT_K * PBTS_DHT_K / ANSWERS;
    assert_in_range(first_kept, mean * 85 / 100, mean * 115 / 100);
    assert_in_range(last_kept, mean * 85 / 100, mean * 115 / 100);
}

static void who_is_drawn_keeps_within_his_prefix(void **state) {
    (void)state;
    enum { ANSWERS = 200, PREFIX_MAX = 2 };
    pbts_dht_table table;
    pbts_prng prng = pbts_prng_seeded(3);
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, 256, PREFIX_MAX, 5);
    for (uint32_t i = 0; i < ANSWERS; i++) {
        pbts_dht_id id = far_id(i);
        pbts_addr addr = addr_of(i < PBTS_DHT_K ? i : 0, (uint16_t)(1 + i)); /* then all of one */
        pbts_dht_table_draw(&table, know(&table, &id, &addr, 1000), &prng, 1000);
    }
    assert_int_equal(table.buckets[0].count, PBTS_DHT_K);
    assert_true(pbts_dht_table_is_sound(&table));
    uint32_t of_prefix = 0;
    for (unsigned i = 0; i < PBTS_DHT_K; i++) {
        const pbts_addr *addr = &table.contacts[table.buckets[0].contacts[i]].addr;
        pbts_addr first = addr_of(0, 1);
        of_prefix += pbts_dht_prefix(addr) == pbts_dht_prefix(&first);
    }
    assert_int_equal(of_prefix, PREFIX_MAX);
    pbts_dht_table_deinit(&table);
}

static void who_was_silent_for_long_is_asked_when_another_comes(void **state) {
    (void)state;
    pbts_dht_table table;
    pbts_dht_contact *contact, *stale = NULL;
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, 64, 0, 5);
    for (uint32_t i = 0; i <= PBTS_DHT_K; i++) {
        pbts_dht_id id = far_id(i);
        pbts_addr addr = addr_of(i, 1);
        assert_non_null(know(&table, &id, &addr, 1000 + i));
    }
    pbts_dht_id id = far_id(PBTS_DHT_K);
    contact = pbts_dht_table_find(&table, &id);
    pbts_addr addr = contact->addr;
    assert_false(pbts_dht_table_seen(&table, contact, &addr, 999 + PBTS_DHT_STALE_MS, &stale));
    assert_true(pbts_dht_table_seen(&table, contact, &addr, 1000 + PBTS_DHT_STALE_MS, &stale));
    id = far_id(0);
    assert_true(pbts_dht_id_equal(&stale->member.id, &id));
    pbts_dht_table_deinit(&table);
}

static void an_address_prefix_has_a_few_places_in_a_bucket(void **state) {
    (void)state;
    pbts_dht_table table;
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, 64, 2, 5);
    for (uint32_t i = 0; i < 6; i++) {
        pbts_dht_id id = far_id(i);
        pbts_addr addr = addr_of(7, (uint16_t)(i + 1));
        assert_non_null(know(&table, &id, &addr, 1000));
    }
    assert_int_equal(table.buckets[0].count, 2);
    /* One that moves into the prefix loses its place. */
    pbts_dht_id id = far_id(100);
    pbts_addr away = addr_of(8, 1), there = addr_of(7, 99);
    assert_int_equal(know(&table, &id, &away, 1000)->bucket, 0);
    assert_int_equal(know(&table, &id, &there, 1000)->bucket, PBTS_DHT_ID_BITS);
    /* IPv6: the /48. */
    for (uint8_t i = 0; i < 6; i++) {
        pbts_addr addr = { PBTS_IPV6, { 0x20, 1, 0xd, 0xb8, 0, 1, i, [15] = 1 }, 1 };
        id = far_id(200u + i);
        assert_non_null(know(&table, &id, &addr, 1000));
    }
    assert_int_equal(table.buckets[0].count, 4);
    assert_true(pbts_dht_table_is_sound(&table));
    pbts_dht_table_deinit(&table);
}

static void the_table_is_bounded_and_forgets_who_is_in_no_bucket(void **state) {
    (void)state;
    enum { MAX = 64 };
    pbts_dht_table table;
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, MAX, 0, 5);
    for (uint32_t i = 0; i < 1000; i++) {
        pbts_dht_id id = far_id(i);
        pbts_addr addr = addr_of(i, 1);
        assert_non_null(know(&table, &id, &addr, 1000 + i));
        assert_true(table.count <= MAX);
    }
    assert_int_equal(table.count, MAX);
    pbts_dht_id placed = far_id(0), newest = far_id(999), oldest = far_id(500);
    assert_non_null(pbts_dht_table_find(&table, &placed));
    assert_non_null(pbts_dht_table_find(&table, &newest));
    assert_null(pbts_dht_table_find(&table, &oldest));
    assert_true(pbts_dht_table_is_sound(&table));
    pbts_dht_table_expire(&table, 999);
    assert_int_equal(table.count, MAX);
    pbts_dht_table_expire(&table, 1000);
    assert_int_equal(table.count, 0);
    assert_true(pbts_dht_table_is_sound(&table));
    pbts_dht_table_deinit(&table);
}

static void who_was_never_heard_pushes_out_nobody_who_was(void **state) {
    (void)state;
    enum { MAX = 64 };
    pbts_dht_table table;
    pbts_dht_contact *contact;
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, MAX, 0, 5);
    for (uint32_t i = 0; i < MAX - 1; i++) {
        pbts_dht_id id = far_id(i);
        pbts_addr addr = addr_of(i, 1);
        assert_non_null(know(&table, &id, &addr, 1000 + i));
    }
    for (uint32_t i = 1000; i < 1100; i++) {
        pbts_dht_member member = { .id = far_id(i), .expires_s = 1000 };
        pbts_addr addr = addr_of(1, 1);
        assert_int_equal(pbts_dht_table_add(&table, &contact, &member, &HASH, &addr, 2000 + i),
                         PBTS_OK);
    }
    for (uint32_t i = 0; i < MAX - 1; i++) {
        pbts_dht_id id = far_id(i);
        assert_non_null(pbts_dht_table_find(&table, &id));
    }
    pbts_dht_table_deinit(&table);
}

static void another_id_of_ours_sorts_everybody_anew(void **state) {
    (void)state;
    pbts_dht_table table;
    pbts_prng prng = pbts_prng_seeded(2);
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, 256, 0, 5);
    for (uint32_t i = 0; i < 200; i++) {
        pbts_dht_id id = any_id(&prng);
        pbts_addr addr = addr_of(i, 1);
        know(&table, &id, &addr, 10)->has_ours = true;
    }
    pbts_dht_id own = any_id(&prng);
    pbts_dht_table_rename(&table, &own, 20);
    assert_true(pbts_dht_table_is_sound(&table));
    assert_int_equal(table.count, 200);
    for (uint16_t i = 0; i < table.capacity; i++) assert_false(table.contacts[i].has_ours);
    pbts_dht_contact *contact;
    pbts_dht_member self = { .id = own };
    pbts_addr addr = addr_of(1, 1);
    assert_int_equal(pbts_dht_table_add(&table, &contact, &self, &HASH, &addr, 1), PBTS_EXISTS);
    pbts_dht_table_deinit(&table);
}

static void denials_are_remembered_for_minutes_and_a_few_of_them(void **state) {
    (void)state;
    pbts_dht_table table;
    pbts_dht_table_init(&table, pbts_mem_system(), &OWN, 64, 0, 5);
    for (uint8_t i = 0; i <= PBTS_DHT_DENIALS; i++) {
        pbts_dht_certificate_hash hash = { { i } };
        assert_false(pbts_dht_table_is_denied(&table, &hash, 100));
        pbts_dht_table_deny(&table, &hash, 100);
        assert_true(pbts_dht_table_is_denied(&table, &hash, 99 + PBTS_DHT_DENIAL_MS));
        assert_false(pbts_dht_table_is_denied(&table, &hash, 100 + PBTS_DHT_DENIAL_MS));
    }
    pbts_dht_certificate_hash first = { { 0 } };
    assert_false(pbts_dht_table_is_denied(&table, &first, 100));
    pbts_dht_table_deinit(&table);
}

static pbts_status count_up(pbts_random *random, uint8_t *out, size_t len) {
    static uint8_t next;
    (void)random;
    for (size_t i = 0; i < len; i++) out[i] = next++;
    return PBTS_OK;
}

static void a_token_is_for_one_address_and_two_rotations(void **state) {
    (void)state;
    pbts_dht_tokens tokens;
    pbts_random random = { count_up };
    uint8_t token[PBTS_DHT_TOKEN_LEN];
    pbts_addr addr = addr_of(1, 5), port = addr_of(1, 6), ip = addr_of(2, 5);
    assert_int_equal(pbts_dht_tokens_init(&tokens, &random, 0), PBTS_OK);
    pbts_dht_token_make(&tokens, token, &addr);
    assert_true(pbts_dht_token_check(&tokens, token, &addr));
    assert_false(pbts_dht_token_check(&tokens, token, &port));
    assert_false(pbts_dht_token_check(&tokens, token, &ip));
    for (size_t i = 0; i < sizeof token; i++) {
        token[i] ^= 1;
        assert_false(pbts_dht_token_check(&tokens, token, &addr));
        token[i] ^= 1;
    }
    assert_int_equal(pbts_dht_tokens_rotate(&tokens, &random, PBTS_DHT_TOKEN_ROTATE_MS - 1),
                     PBTS_OK);
    uint8_t same[PBTS_DHT_TOKEN_LEN];
    pbts_dht_token_make(&tokens, same, &addr);
    assert_memory_equal(token, same, sizeof token);
    assert_int_equal(pbts_dht_tokens_rotate(&tokens, &random, PBTS_DHT_TOKEN_ROTATE_MS), PBTS_OK);
    assert_true(pbts_dht_token_check(&tokens, token, &addr));
    assert_int_equal(pbts_dht_tokens_rotate(&tokens, &random, 2 * PBTS_DHT_TOKEN_ROTATE_MS),
                     PBTS_OK);
    assert_false(pbts_dht_token_check(&tokens, token, &addr));
    /* After a long sleep the one before is too old as well. */
    pbts_dht_token_make(&tokens, token, &addr);
    assert_int_equal(pbts_dht_tokens_rotate(&tokens, &random, 9 * PBTS_DHT_TOKEN_ROTATE_MS),
                     PBTS_OK);
    assert_false(pbts_dht_token_check(&tokens, token, &addr));
    pbts_dht_tokens_deinit(&tokens);
}

static void a_budget_is_a_burst_and_a_rate(void **state) {
    (void)state;
    pbts_dht_budget budget;
    pbts_addr addr = addr_of(1, 5), neighbour = addr_of(1, 7);
    pbts_dht_budget_init(&budget, pbts_mem_system(), 3, 1000);
    for (int i = 0; i < PBTS_DHT_PACKETS_BURST; i++) {
        assert_true(pbts_dht_budget_packet(&budget, i % 2 ? &addr : &neighbour, 1000));
    }
    assert_false(pbts_dht_budget_packet(&budget, &addr, 1000));
    int taken = 0;
    for (uint64_t ms = 1001; ms <= 11000; ms++) {
        taken += pbts_dht_budget_packet(&budget, &addr, ms);
        taken += pbts_dht_budget_packet(&budget, &addr, ms);
    }
    assert_int_equal(taken, 10 * PBTS_DHT_PACKETS_PER_S);
    /* All together, from many prefixes. */
    taken = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        pbts_addr other = addr_of(i, 1);
        taken += pbts_dht_budget_certificate(&budget, &other, true, 11000);
    }
    assert_int_equal(taken, PBTS_DHT_NEWCOMERS_BURST);
    pbts_dht_budget_deinit(&budget);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_closest_are_those_of_a_naive_search),
        cmocka_unit_test(a_bucket_has_k_and_keeps_those_who_answer),
        cmocka_unit_test(who_waited_in_silence_for_long_gets_no_place),
        cmocka_unit_test(while_joining_all_who_answer_have_the_same_chance),
        cmocka_unit_test(who_is_drawn_keeps_within_his_prefix),
        cmocka_unit_test(who_was_silent_for_long_is_asked_when_another_comes),
        cmocka_unit_test(an_address_prefix_has_a_few_places_in_a_bucket),
        cmocka_unit_test(the_table_is_bounded_and_forgets_who_is_in_no_bucket),
        cmocka_unit_test(who_was_never_heard_pushes_out_nobody_who_was),
        cmocka_unit_test(another_id_of_ours_sorts_everybody_anew),
        cmocka_unit_test(denials_are_remembered_for_minutes_and_a_few_of_them),
        cmocka_unit_test(a_token_is_for_one_address_and_two_rotations),
        cmocka_unit_test(a_budget_is_a_burst_and_a_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
