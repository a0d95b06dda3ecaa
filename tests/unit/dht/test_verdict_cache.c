/* Unit tests of dht/verdict_cache.c: what is remembered, and what nobody can push out. */
#include "../receipt/faulty_mem.h"
#include "dht/verdict_cache.h"
#include "trust_kit.h"

enum { GOOD_MAX = 64, BAD_MAX = GOOD_MAX / 4 };

static void put32(uint8_t out[static 32], uint32_t value) {
    pbts_sha256(out, (pbts_span){ (const uint8_t *)&value, sizeof value });
}

static pbts_dht_verdict verdict_of(uint32_t owner, uint32_t digest, uint32_t generation) {
    pbts_dht_verdict verdict = { .generation = generation, .member.expires_s = digest };
    put32(verdict.member.owner, owner);
    put32(verdict.digest, digest);
    return verdict;
}

static pbts_dht_verdicts cache_new(uint64_t seed) {
    pbts_dht_verdicts cache;
    assert_int_equal(pbts_dht_verdicts_init(&cache, pbts_mem_system(), seed, GOOD_MAX), PBTS_OK);
    return cache;
}

static void put(pbts_dht_verdicts *cache, uint32_t owner, uint32_t digest, uint32_t generation) {
    pbts_dht_verdict verdict = verdict_of(owner, digest, generation);
    pbts_dht_verdicts_put(cache, &verdict);
}

static bool has(pbts_dht_verdicts *cache, uint32_t owner, uint32_t digest) {
    pbts_dht_verdict verdict = verdict_of(owner, digest, 0);
    const pbts_dht_verdict *found =
        pbts_dht_verdicts_find(cache, verdict.member.owner, verdict.digest);
    if (found != NULL) assert_true(found->member.expires_s == digest);
    return found != NULL;
}

static void what_is_put_is_found_and_nothing_else(void **state) {
    (void)state;
    pbts_dht_verdicts cache = cache_new(1);
    assert_false(has(&cache, 1, 1));
    put(&cache, 1, 1, 0);
    assert_true(has(&cache, 1, 1));
    assert_false(has(&cache, 1, 2));
    assert_false(has(&cache, 2, 1)); /* the same bytes cannot be another's */
    pbts_dht_verdicts_deinit(&cache);
}

static void an_owner_pushes_out_its_own(void **state) {
    (void)state;
    pbts_dht_verdicts cache = cache_new(1);
    /* A victim for every set, then one owner with any number of certificates. */
    for (uint32_t i = 0; i < 8; i++) put(&cache, 100 + i, 1, 0);
    bool there[8];
    for (uint32_t i = 0; i < 8; i++) there[i] = has(&cache, 100 + i, 1);
    for (uint32_t i = 0; i < 1000; i++) put(&cache, 7, i, 0);
    for (uint32_t i = 0; i < 8; i++) assert_int_equal(has(&cache, 100 + i, 1), there[i]);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < 1000; i++) kept += has(&cache, 7, i);
    assert_int_equal(kept, PBTS_DHT_CERTIFICATES_PER_OWNER);
    for (uint32_t i = 1000 - PBTS_DHT_CERTIFICATES_PER_OWNER; i < 1000; i++) {
        assert_true(has(&cache, 7, i)); /* the newest */
    }
    pbts_dht_verdicts_deinit(&cache);
}

static void of_a_full_set_the_one_unused_longest_goes(void **state) {
    (void)state;
    pbts_dht_verdicts cache;
    assert_int_equal(pbts_dht_verdicts_init(&cache, pbts_mem_system(), 1, PBTS_DHT_VERDICT_WAYS),
                     PBTS_OK);
    for (uint32_t i = 0; i < PBTS_DHT_VERDICT_WAYS; i++) put(&cache, i, i, 0);
    assert_true(has(&cache, 0, 0)); /* is used again */
    put(&cache, 50, 50, 0);
    assert_true(has(&cache, 0, 0) && has(&cache, 50, 50));
    assert_false(has(&cache, 1, 1));
    for (uint32_t i = 2; i < PBTS_DHT_VERDICT_WAYS; i++) assert_true(has(&cache, i, i));
    pbts_dht_verdicts_deinit(&cache);
}

static void a_higher_generation_takes_the_lower_ones_away(void **state) {
    (void)state;
    pbts_dht_verdicts cache = cache_new(1);
    pbts_dht_verdict any = verdict_of(7, 0, 0);
    assert_int_equal(pbts_dht_verdicts_generation(&cache, any.member.owner), 0);
    put(&cache, 7, 1, 3);
    put(&cache, 7, 2, 3);
    put(&cache, 8, 3, 1);
    assert_int_equal(pbts_dht_verdicts_generation(&cache, any.member.owner), 3);
    put(&cache, 7, 4, 5);
    assert_int_equal(pbts_dht_verdicts_generation(&cache, any.member.owner), 5);
    assert_false(has(&cache, 7, 1) || has(&cache, 7, 2));
    assert_true(has(&cache, 7, 4) && has(&cache, 8, 3));
    pbts_dht_verdicts_deinit(&cache);
}

/* ---- bad ones ---- */

static void a_bad_one_is_known_for_ten_minutes(void **state) {
    (void)state;
    pbts_dht_verdicts cache = cache_new(1);
    uint8_t digest[32], other[32];
    put32(digest, 1);
    put32(other, 2);
    assert_int_equal(pbts_dht_verdicts_bad(&cache, digest, NOW), PBTS_OK);
    pbts_dht_verdicts_put_bad(&cache, digest, PBTS_BAD_SIGNATURE, NOW);
    assert_int_equal(pbts_dht_verdicts_bad(&cache, digest, NOW), PBTS_BAD_SIGNATURE);
    assert_int_equal(pbts_dht_verdicts_bad(&cache, other, NOW), PBTS_OK);
    assert_int_equal(pbts_dht_verdicts_bad(&cache, digest, NOW + PBTS_DHT_BAD_LIFE_S - 1),
                     PBTS_BAD_SIGNATURE);
    assert_int_equal(pbts_dht_verdicts_bad(&cache, digest, NOW + PBTS_DHT_BAD_LIFE_S), PBTS_OK);
    pbts_dht_verdicts_deinit(&cache);
}

static void garbage_pushes_out_garbage_only(void **state) {
    (void)state;
    pbts_dht_verdicts cache = cache_new(1);
    put(&cache, 7, 1, 0);
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t digest[32];
        put32(digest, i);
        pbts_dht_verdicts_put_bad(&cache, digest, PBTS_MALFORMED, NOW);
        assert_int_equal(pbts_dht_verdicts_bad(&cache, digest, NOW), PBTS_MALFORMED);
    }
    assert_true(has(&cache, 7, 1));
    size_t known = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t digest[32];
        put32(digest, i);
        known += pbts_dht_verdicts_bad(&cache, digest, NOW) != PBTS_OK;
    }
    assert_true(known > 0 && known <= BAD_MAX);
    pbts_dht_verdicts_deinit(&cache);
}

/* Two nodes do not put the same owners into the same set, so nobody can aim at all of them. */
static void the_seed_decides_who_shares_a_set(void **state) {
    (void)state;
    size_t differ = 0;
    for (uint32_t round = 0; round < 20; round++) {
        pbts_dht_verdicts a = cache_new(round), b = cache_new(round + 1000);
        for (uint32_t i = 0; i < 200; i++) {
            put(&a, i, i, 0);
            put(&b, i, i, 0);
        }
        for (uint32_t i = 0; i < 200; i++) differ += has(&a, i, i) != has(&b, i, i);
        pbts_dht_verdicts_deinit(&a);
        pbts_dht_verdicts_deinit(&b);
    }
    assert_true(differ > 100);
}

static void without_memory_there_is_no_cache(void **state) {
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        pbts_dht_verdicts cache;
        faulty_mem mem = mem_failing_at(n);
        assert_int_equal(pbts_dht_verdicts_init(&cache, &mem.mem, 1, GOOD_MAX), PBTS_NO_MEMORY);
        assert_int_equal(mem.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found_and_nothing_else),
        cmocka_unit_test(an_owner_pushes_out_its_own),
        cmocka_unit_test(of_a_full_set_the_one_unused_longest_goes),
        cmocka_unit_test(a_higher_generation_takes_the_lower_ones_away),
        cmocka_unit_test(a_bad_one_is_known_for_ten_minutes),
        cmocka_unit_test(garbage_pushes_out_garbage_only),
        cmocka_unit_test(the_seed_decides_who_shares_a_set),
        cmocka_unit_test(without_memory_there_is_no_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
