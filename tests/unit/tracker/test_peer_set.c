/* Unit tests of tracker/peer_set.c and what it stands on: peer_array.c, peer_index.c,
 * peer_sample.c.
 *
 * Method: a naive twin (an array in which everything is looked for from the start) goes through the
 * same random inserts, touches, changes of role and removes; samples are counted and their
 * frequencies compared with the expected ones by a chi-square at fixed seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracker/counting_mem.h"
#include "tracker/peer_set.h"

enum { SEED = 0x5EED };

static uint8_t *endpoint_of(uint8_t out[PBTS_ENDPOINT6_LEN], uint32_t number) {
    for (size_t i = 0; i < PBTS_ENDPOINT6_LEN; i++) out[i] = (uint8_t)(number >> (8 * (i % 4)));
    return out;
}

/* The number that endpoint_of was given; the first 4 bytes carry it. */
static uint32_t number_at(const uint8_t *endpoint) {
    uint32_t number = 0;
    for (size_t i = 0; i < 4; i++) number |= (uint32_t)endpoint[i] << (8 * i);
    return number;
}

static pbts_peer_ident ident_of(uint32_t number) {
    return (pbts_peer_ident){ .user = number / 3 + 1, .key = number % 3, .anon = 0 };
}

static void insert(pbts_peer_set *set, pbts_swarm_heap *heap, uint32_t number, uint8_t role) {
    uint8_t endpoint[PBTS_ENDPOINT6_LEN];
    assert_int_equal(pbts_peer_set_reserve(set, heap, ident_of(number)), PBTS_OK);
    uint32_t pos = pbts_peer_set_insert(set, ident_of(number), endpoint_of(endpoint, number), role,
                                        (uint16_t)number);
    assert_int_equal(pbts_peer_set_find(set, ident_of(number)), pos);
}

static void remove_number(pbts_peer_set *set, pbts_swarm_heap *heap, uint32_t number) {
    pbts_peer_set_remove(set, pbts_peer_set_find(set, ident_of(number)));
    pbts_peer_set_trim(set, heap, ident_of(number));
}

/* --- the twin: numbers in order of last announce --- */

enum { TWIN_MAX = 6000 };
typedef struct {
    uint32_t number[TWIN_MAX];
    uint8_t role[TWIN_MAX];
    uint32_t count;
} twin;

static uint32_t twin_find(const twin *t, uint32_t number) {
    uint32_t i = 0;
    while (i < t->count && t->number[i] != number) i++;
    return i;
}

static void twin_remove(twin *t, uint32_t at) {
    size_t after = t->count - at - 1;
    memmove(&t->number[at], &t->number[at + 1], after * sizeof t->number[0]);
    memmove(&t->role[at], &t->role[at + 1], after);
    t->count--;
}

static void twin_append(twin *t, uint32_t number, uint8_t role) {
    assert_true(t->count < TWIN_MAX);
    t->number[t->count] = number;
    t->role[t->count++] = role;
}

static void compare(const pbts_peer_set *set, const twin *t) {
    uint32_t leechers = 0, pos = set->oldest;
    pbts_peer_set_check(set);
    assert_int_equal(set->array.count, t->count);
    for (uint32_t i = 0; i < t->count; i++) {
        const pbts_peer_record *record = pbts_peer_set_record(set, pos);
        assert_int_equal(number_at(pbts_peer_array_endpoint(&set->array, pos)), t->number[i]);
        assert_int_equal(record->flags, t->role[i]);
        assert_true(pbts_peer_record_is(record, ident_of(t->number[i])));
        leechers += t->role[i] == 0;
        pos = record->newer;
    }
    assert_int_equal(pos, PBTS_PEER_NONE);
    assert_int_equal(set->leechers, leechers);
}

static uint8_t random_role(pbts_prng *prng) {
    static const uint8_t ROLES[] = { 0, 0, PBTS_PEER_SEEDER, PBTS_PEER_PARTIAL };
    return ROLES[pbts_prng_below(prng, 4)];
}

/* One random step on a number that the twin has. */
static void change_known(pbts_peer_set *set, pbts_swarm_heap *heap, twin *t, uint32_t at,
                         pbts_prng *prng, bool shrinks) {
    uint32_t number = t->number[at];
    uint8_t role = t->role[at];
    uint32_t pos = pbts_peer_set_find(set, ident_of(number));
    switch (pbts_prng_below(prng, shrinks ? 3 : 6)) {
    case 0:
    case 1:
        remove_number(set, heap, number);
        twin_remove(t, at);
        return;
    case 2:
        t->role[at] = random_role(prng);
        pos = pbts_peer_set_change_role(set, pos, t->role[at]);
        assert_int_equal(pbts_peer_set_find(set, ident_of(number)), pos);
        return;
    default:
        pbts_peer_set_touch(set, pos, (uint16_t)number);
        twin_remove(t, at);
        twin_append(t, number, role);
    }
}

/* Grow to about `numbers` peers, shrink to none, twice. */
static void run_against_twin(uint8_t endpoint_len, uint32_t numbers, uint32_t steps) {
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    pbts_swarm_heap heap = { .mem = &mem.mem };
    pbts_prng prng = pbts_prng_seeded(SEED + numbers);
    twin *t = calloc(1, sizeof *t);
    pbts_peer_set set;
    pbts_peer_set_init(&set, endpoint_len, SEED);
    for (uint32_t step = 0; step < 4 * steps; step++) {
        bool shrinks = step / steps % 2 == 1;
        uint32_t number = pbts_prng_below(&prng, numbers);
        uint32_t at = twin_find(t, number);
        if (shrinks && t->count > 0 && at == t->count) at = pbts_prng_below(&prng, t->count);
        if (at < t->count) {
            change_known(&set, &heap, t, at, &prng, shrinks);
        } else if (!shrinks) {
            uint8_t role = random_role(&prng);
            insert(&set, &heap, number, role);
            twin_append(t, number, role);
        }
        if (step % (steps / 16) == 0) compare(&set, t);
        assert_int_equal(heap.used_bytes,
                         pbts_peer_array_bytes(&set.array) + pbts_peer_index_bytes(&set.index));
    }
    while (t->count > 0) {
        remove_number(&set, &heap, t->number[t->count - 1]);
        twin_remove(t, t->count - 1);
    }
    compare(&set, t);
    assert_int_equal(heap.used_bytes, 0);
    assert_int_equal(mem.live_blocks, 0);
    free(t);
}

static void a_set_agrees_with_its_naive_twin_at_every_size(void **state) {
    (void)state;
    static const uint32_t NUMBERS[] = { 1, 2, 5, 17, 40, 200, 1100, 4000 };
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        run_against_twin(PBTS_ENDPOINT4_LEN, NUMBERS[i], NUMBERS[i] * 8 + 2000);
    }
    run_against_twin(PBTS_ENDPOINT6_LEN, 3000, 30000);
}

static void a_large_set_gives_all_memory_back_as_it_shrinks(void **state) {
    (void)state;
    enum { PEERS = 60000 };
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    pbts_swarm_heap heap = { .mem = &mem.mem };
    pbts_peer_set set;
    pbts_peer_set_init(&set, PBTS_ENDPOINT4_LEN, SEED);
    for (uint32_t i = 0; i < PEERS; i++) insert(&set, &heap, i, i % 2 ? PBTS_PEER_SEEDER : 0);
    pbts_peer_set_check(&set);
    assert_true(heap.used_bytes <= 40ull * PEERS);
    for (uint32_t i = 0; i < PEERS - 2000; i++) remove_number(&set, &heap, i);
    pbts_peer_set_check(&set);
    /* 2 blocks of slack, and segments merge only below 2/5. */
    assert_true(heap.used_bytes <= 100ull * 2000);
    for (uint32_t i = PEERS - 2000; i < PEERS; i++) remove_number(&set, &heap, i);
    assert_int_equal(heap.used_bytes, 0);
}

/* Empty the index in uneven order: parts of the hash space that lie beside ones still full. */
static void segments_merge_only_with_a_buddy_of_their_own_size(void **state) {
    (void)state;
    enum { PEERS = 60000 };
    static const uint32_t PREFIXES[] = { 6, 4, 5, 0, 3, 1, 15, 12, 13, 8, 10, 9, 7, 2, 11, 14 };
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    pbts_swarm_heap heap = { .mem = &mem.mem };
    pbts_peer_set set;
    pbts_peer_set_init(&set, PBTS_ENDPOINT4_LEN, SEED);
    for (uint32_t i = 0; i < PEERS; i++) insert(&set, &heap, i, 0);
    for (size_t p = 0; p < sizeof PREFIXES / sizeof PREFIXES[0]; p++) {
        for (uint32_t i = 0; i < PEERS; i++) {
            uint32_t hash = pbts_peer_index_hash(&set.index, ident_of(i).user);
            if (hash >> 28 == PREFIXES[p]) remove_number(&set, &heap, i);
        }
        pbts_peer_set_check(&set);
    }
    assert_int_equal(heap.used_bytes, 0);
    assert_int_equal(mem.live_blocks, 0);
}

static void a_failed_allocation_changes_nothing_wherever_it_happens(void **state) {
    (void)state;
    enum { PEERS = 3000 };
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    pbts_swarm_heap heap = { .mem = &mem.mem };
    pbts_peer_set set;
    uint32_t failures = 0;
    pbts_peer_set_init(&set, PBTS_ENDPOINT4_LEN, SEED);
    for (uint32_t i = 0; i < PEERS; i++) {
        /* Fail the first, the second, ... request of this reserve until it makes none. */
        for (size_t nth = 0;; nth++) {
            mem.fail_at = mem.asked + nth;
            pbts_status status = pbts_peer_set_reserve(&set, &heap, ident_of(i));
            assert_int_equal(set.array.count, i);
            if (status == PBTS_OK) break;
            assert_int_equal(status, PBTS_NO_MEMORY);
            if (i > 0) pbts_peer_set_check(&set);
            failures++;
        }
        mem.fail_at = SIZE_MAX;
        insert(&set, &heap, i, 0);
    }
    assert_true(failures > 20);
    for (uint32_t i = 0; i < PEERS; i++) {
        mem.fail_at = mem.asked; /* no memory to shrink into: it stays larger, and right */
        remove_number(&set, &heap, i);
        if (i % 100 == 0) pbts_peer_set_check(&set);
    }
    assert_int_equal(heap.used_bytes, 0);
    assert_int_equal(mem.live_blocks, 0);
}

static void more_peers_of_one_user_than_a_segment_holds_are_refused(void **state) {
    (void)state;
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    pbts_swarm_heap heap = { .mem = &mem.mem };
    pbts_peer_set set;
    uint8_t endpoint[PBTS_ENDPOINT6_LEN];
    pbts_peer_set_init(&set, PBTS_ENDPOINT4_LEN, SEED);
    pbts_peer_ident who = { .user = 7 };
    pbts_status status;
    while ((status = pbts_peer_set_reserve(&set, &heap, who)) == PBTS_OK) {
        (void)pbts_peer_set_insert(&set, who, endpoint_of(endpoint, who.key), 0, 0);
        who.key++;
    }
    assert_int_equal(status, PBTS_BUSY);
    assert_int_equal(who.key, 1023);
    pbts_peer_set_check(&set);
    pbts_peer_set_deinit(&set, &heap);
    assert_int_equal(mem.live_blocks, 0);
}

/* --- samples --- */

/* Draw `draws` samples and count how often each number came; no sample has one twice. */
static void draw(const pbts_peer_set *set, uint32_t *hits, uint32_t draws, uint32_t want,
                 uint32_t limit, uint32_t skip) {
    pbts_prng prng = pbts_prng_seeded(SEED + want + limit);
    uint32_t others = limit - (skip < limit);
    uint32_t expected = want < others ? want : others;
    uint32_t *last_draw = calloc(set->array.count, sizeof *last_draw);
    for (uint32_t d = 1; d <= draws; d++) {
        uint8_t *out = malloc((size_t)expected * set->array.endpoint_len + 1);
        assert_int_equal(pbts_peer_set_sample(set, out, &prng, want, limit, skip), expected);
        for (uint32_t i = 0; i < expected; i++) {
            uint32_t number = number_at(out + (size_t)i * set->array.endpoint_len);
            assert_true(number < set->array.count);
            assert_int_not_equal(last_draw[number], d);
            last_draw[number] = d;
            hits[number]++;
        }
        free(out);
    }
    free(last_draw);
}

/* Peers 0..count-1, of which the first `leechers` are leechers: number = position. */
static void fill(pbts_peer_set *set, pbts_swarm_heap *heap, uint32_t count, uint32_t leechers) {
    pbts_peer_set_init(set, PBTS_ENDPOINT4_LEN, SEED);
    for (uint32_t i = 0; i < count; i++) {
        insert(set, heap, i, i < leechers ? 0 : PBTS_PEER_SEEDER);
    }
}

static void check_frequencies(uint32_t count, uint32_t want, uint32_t limit, uint32_t skip) {
    enum { DRAWS = 40000 };
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    pbts_swarm_heap heap = { .mem = &mem.mem };
    pbts_peer_set set;
    fill(&set, &heap, count, limit);
    uint32_t *hits = calloc(count, sizeof *hits);
    draw(&set, hits, DRAWS, want, limit, skip);
    uint32_t others = limit - (skip < limit);
    double chance = want < others ? (double)want / others : 1.0;
    double expected = DRAWS * chance, variance = expected * (1 - chance), chi_square = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i >= limit || i == skip) {
            assert_int_equal(hits[i], 0);
        } else if (chance >= 1.0) {
            assert_int_equal(hits[i], DRAWS);
        } else {
            double off = hits[i] - expected;
            chi_square += off * off / variance;
        }
    }
    /* chi-square with `others` degrees: mean `others`, variance 2 * others; 5 deviations is 1 in a
     * million, and strata make neighbours less than independent, which lowers it. */
    double slack = chi_square - others;
    assert_true(slack < 0 || slack * slack < 25.0 * 2 * others);
    free(hits);
    pbts_peer_set_deinit(&set, &heap);
}

static void every_other_peer_comes_with_the_same_chance_and_the_asker_never(void **state) {
    (void)state;
    static const struct {
        uint32_t count, want, limit, skip;
    } CASES[] = {
        { 2, 1, 2, 0 },        { 3, 1, 3, 1 },
        { 10, 3, 10, 9 },      { 60, 50, 60, 0 },
        { 52, 50, 52, 51 },    { 51, 50, 51, 25 },
        { 50, 50, 50, 7 },     { 8, 200, 8, 3 },
        { 700, 50, 700, 511 }, { 1500, 30, 1500, 512 },
        { 100, 20, 40, 70 },   { 100, 20, 40, 39 },
        { 100, 20, 40, 40 },   { 1100, 200, 900, PBTS_PEER_NONE },
        { 5, 0, 5, 0 },        { 5, 3, 0, 2 },
        { 1, 5, 1, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (CASES[i].want == 0 || CASES[i].limit - (CASES[i].skip < CASES[i].limit) == 0) {
            counting_mem mem = counting_mem_failing_at(SIZE_MAX);
            pbts_swarm_heap heap = { .mem = &mem.mem };
            pbts_peer_set set;
            uint32_t hits[8] = { 0 };
            fill(&set, &heap, CASES[i].count, CASES[i].limit);
            draw(&set, hits, 10, CASES[i].want, CASES[i].limit, CASES[i].skip);
            for (size_t h = 0; h < 8; h++) assert_int_equal(hits[h], 0);
            pbts_peer_set_deinit(&set, &heap);
            continue;
        }
        check_frequencies(CASES[i].count, CASES[i].want, CASES[i].limit, CASES[i].skip);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_agrees_with_its_naive_twin_at_every_size),
        cmocka_unit_test(a_large_set_gives_all_memory_back_as_it_shrinks),
        cmocka_unit_test(segments_merge_only_with_a_buddy_of_their_own_size),
        cmocka_unit_test(a_failed_allocation_changes_nothing_wherever_it_happens),
        cmocka_unit_test(more_peers_of_one_user_than_a_segment_holds_are_refused),
        cmocka_unit_test(every_other_peer_comes_with_the_same_chance_and_the_asker_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
