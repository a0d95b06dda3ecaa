/* Unit tests of eth/user_load.c: contracts of a model of a chain, endpoints that lie about them,
 * and many users: $PBTS_TEST_LOAD_USERS of them, for bench/ledger. */
#include "eth/user_load.h"

#include <malloc.h>
#include <time.h>

#include "chain_liars.h"
#include "receipt/faulty_mem.h"

enum { MANY_USERS = 4000 };      /* by default: the model works much longer than what it tests */
enum { HEAP_BESIDE = 16 << 20 }; /* an answer, and a proof per lane */
enum { SEEDS = 36, BLOCKS = 40, USERS = 300, PATIENCE_MS = 8 * 3600 * 1000 };

typedef struct {
    chain_model *model, *fork;
    pbts_endpoints endpoints;
    pbts_user_load *load;
    liars world;
    pbts_user_load_config config;
} scene;

static void scene_new(scene *s, size_t users, uint32_t count, uint64_t seed) {
    *s = (scene){ .model = model_new(BLOCKS, users, 1), .fork = model_new(BLOCKS, 3, 2) };
    assert_int_equal(pbts_endpoints_init(&s->endpoints, count, seed), PBTS_OK);
    s->world = (liars){ .model = s->model, .fork = s->fork, .prng = pbts_prng_seeded(seed) };
    s->config = (pbts_user_load_config){ .block = model_trusted(s->model, BLOCKS),
                                         .contract = s->model->contract,
                                         .first_block = 1,
                                         .lanes = 4,
                                         .age_max_s = 3600,
                                         .give_up_ms = PATIENCE_MS };
}

static pbts_status begin(scene *s, pbts_mem *mem) {
    pbts_moment now = { .unix_s = s->config.block.timestamp_s };
    return pbts_user_load_new(&s->load, mem, &s->endpoints, &s->config, now);
}

static pbts_fetch_state finish(scene *s, pbts_status *why) {
    core_under_test test = of_load(s->load);
    (void)run_core(&s->world, &test, 0, 2 * PATIENCE_MS, s->config.block.timestamp_s);
    return pbts_user_load_state(s->load, why);
}

static void scene_free(scene *s) {
    pbts_user_load_free(s->load);
    model_free(s->model);
    model_free(s->fork);
}

static void assert_all_users(const scene *s) {
    size_t len, registered, proved;
    const pbts_reputation_account *users = pbts_user_load_users(s->load, &len);
    pbts_user_load_progress(s->load, &registered, &proved);
    assert_int_equal(len, s->model->users_len);
    assert_true(registered == len && proved == len);
    for (size_t i = 0; i < len; i++) {
        const pbts_reputation_account *expected = &s->model->users[i].account;
        assert_memory_equal(users[i].uid_hash, expected->uid_hash, 32);
        assert_memory_equal(users[i].public_key.bytes, expected->public_key.bytes, 96);
        assert_int_equal(users[i].user_no, expected->user_no);
        assert_true(users[i].word.up_bytes == expected->word.up_bytes);
        assert_true(users[i].word.down_bytes == expected->word.down_bytes);
        assert_int_equal(users[i].word.generation, expected->word.generation);
    }
}

static void every_user_comes_with_key_number_and_word(void **state) {
    (void)state;
    static const size_t COUNTS[] = { 0, 1, 255, 256, 257, 600 };
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        scene s;
        pbts_status why;
        scene_new(&s, COUNTS[i], 1, i);
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_null(pbts_user_load_contract(s.load));
        assert_int_equal(finish(&s, &why), PBTS_FETCH_DONE);
        assert_int_equal(pbts_user_load_contract(s.load)->user_count, COUNTS[i]);
        assert_all_users(&s);
        scene_free(&s);
    }
}

/* For less than all users that there may be. */
static void *modest_alloc(pbts_mem *mem, size_t len) {
    (void)mem;
    return len < (size_t)PBTS_USERS_MAX * 100 ? malloc(len) : NULL;
}

static void *modest_resize(pbts_mem *mem, void *ptr, size_t new_len) {
    (void)mem;
    return realloc(ptr, new_len);
}

static void modest_release(pbts_mem *mem, void *ptr) {
    (void)mem;
    free(ptr);
}

static void more_users_than_a_tracker_may_have_are_not_loaded(void **state) {
    (void)state;
    static const struct {
        uint32_t users;
        pbts_status why;
    } CASES[] = { { PBTS_USERS_MAX - 1, PBTS_NO_MEMORY }, /* room for them was asked for */
                  { PBTS_USERS_MAX, PBTS_LIMIT },
                  { UINT32_MAX, PBTS_LIMIT } };
    pbts_mem modest = { modest_alloc, modest_resize, modest_release };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        scene s;
        pbts_status why;
        scene_new(&s, 3, 1, i);
        model_free(s.model);
        s.model = model_new_without_blocks(BLOCKS, 3, 1);
        s.model->users_said = CASES[i].users;
        for (uint64_t number = 1; number <= BLOCKS; number++) model_make_block(s.model, number);
        s.world.model = s.model;
        s.config.block = model_trusted(s.model, BLOCKS);
        assert_int_equal(begin(&s, &modest), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
        assert_int_equal(why, CASES[i].why);
        scene_free(&s);
    }
}

static void ranges_adapt_to_what_servers_take(void **state) {
    (void)state;
    static const struct {
        uint64_t range_max;
        size_t logs_max;
    } CASES[] = { { 100000, 20 }, { 7, 5000 }, { 1, 5000 }, { 3, 17 } };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        scene s;
        pbts_status why;
        scene_new(&s, USERS, 1, i);
        s.model->range_max = CASES[i].range_max;
        s.model->logs_max = CASES[i].logs_max;
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_DONE);
        assert_all_users(&s);
        assert_int_equal(s.endpoints.each[0].bad_count, 0);
        assert_true(s.world.asked[0] < 100);
        scene_free(&s);
    }
}

static void one_block_that_is_too_large_is_the_endpoints_fault(void **state) {
    (void)state;
    for (int is_quiet = 0; is_quiet < 2; is_quiet++) {
        scene s;
        pbts_status why;
        scene_new(&s, USERS, 1, 1);
        s.model->logs_max = 1;
        s.config.give_up_ms = is_quiet ? UINT64_MAX : 100000;
        s.config.quiet_max_ms = is_quiet ? 100000 : 0;
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
        assert_int_equal(why, PBTS_IO);
        assert_true(s.endpoints.each[0].bad_count > 0);
        scene_free(&s);
    }
}

static void who_takes_few_blocks_does_not_set_the_pace(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        scene s;
        pbts_status why;
        scene_new(&s, 60, 3, seed);
        s.world.range_max[0] = s.world.range_max[1] = 1;
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_DONE);
        assert_all_users(&s);
        assert_true(s.world.asked[0] + s.world.asked[1] + s.world.asked[2] < 12);
        scene_free(&s);
    }
}

static void one_honest_endpoint_among_liars_is_enough(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        scene s;
        pbts_status why;
        pbts_prng prng = pbts_prng_seeded(seed);
        uint32_t count = 1 + pbts_prng_below(&prng, 6);
        scene_new(&s, 60, count, seed);
        s.model->range_max = 1 + pbts_prng_below(&prng, 60);
        for (uint32_t i = 0; i < count; i++) {
            s.world.kinds[i] = seed % 3 == 0 ? (seed % 2 == 0 ? OMITS : ALTERS)
                                             : (endpoint_kind)pbts_prng_below(&prng, KINDS);
        }
        s.world.kinds[pbts_prng_below(&prng, count)] = HONEST;
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        if (finish(&s, &why) != PBTS_FETCH_DONE) {
            fail_msg("seed %u: %s", (unsigned)seed, pbts_status_name(why));
        }
        assert_all_users(&s);
        scene_free(&s);
    }
}

static void an_event_left_out_or_altered_is_noticed_and_charged(void **state) {
    (void)state;
    static const endpoint_kind LIES[] = { OMITS, ALTERS };
    for (size_t i = 0; i < 2; i++) {
        scene s;
        pbts_status why;
        scene_new(&s, 60, 1, 1);
        s.world.kinds[0] = LIES[i];
        s.config.give_up_ms = 60000;
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
        assert_int_equal(s.endpoints.each[0].last, PBTS_ENDPOINT_OUTVOTED);
        scene_free(&s);
    }
}

/* Nobody is there who would ever tell the truth: it is said, without waiting for the end of
 * patience, which a tracker's first start has none of. */
static void a_load_that_can_only_be_lied_to_ends(void **state) {
    (void)state;
    for (int which = 0; which < 4; which++) {
        scene s;
        pbts_status why;
        scene_new(&s, 60, which < 2 ? 1 : 2, 1);
        for (uint32_t i = 0; i < 2; i++) s.world.kinds[i] = which % 2 == 0 ? OMITS : ALTERS;
        if (which == 1) { /* well-formed, and wrong at once */
            s.world.kinds[0] = HONEST;
            s.config.block = model_trusted(s.model, BLOCKS / 2);
            for (size_t i = 0; i < 60; i++)
                s.model->users[i].block = s.model->users[i].block / 2 + 1;
        }
        s.config.give_up_ms = UINT64_MAX;
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
        assert_int_equal(why, PBTS_IO);
        scene_free(&s);
    }
}

/* The block is gone: it was reorganised away while its words were read. */
static void words_of_a_block_that_nobody_has_end_the_load(void **state) {
    (void)state;
    scene s;
    pbts_status why;
    scene_new(&s, 60, 2, 1);
    s.config.give_up_ms = UINT64_MAX;
    s.config.block.block_hash.bytes[0] ^= 1;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_IO);
    scene_free(&s);
}

/* More events than the contract has users: memory does not grow with what a server says. */
static void more_events_than_users_are_refused(void **state) {
    (void)state;
    scene s;
    pbts_status why;
    scene_new(&s, 60, 1, 1);
    s.config.block = model_trusted(s.model, BLOCKS / 2);
    for (size_t i = 0; i < 60; i++) { /* the server moves later events to earlier blocks */
        s.model->users[i].block = s.model->users[i].block / 2 + 1;
    }
    s.config.give_up_ms = 60000;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
    assert_int_equal(s.endpoints.each[0].last, PBTS_ENDPOINT_WRONG);
    scene_free(&s);
}

static void what_is_no_contract_of_ours_is_said(void **state) {
    (void)state;
    scene s;
    pbts_status why;
    scene_new(&s, 3, 1, 1);
    s.config.contract.bytes[5] ^= 1;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_NOT_FOUND);
    pbts_user_load_free(s.load);
    s.config.contract = s.model->owner; /* an account without code */
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_NOT_FOUND);
    scene_free(&s);
}

static void lanes_and_age_have_limits(void **state) {
    (void)state;
    scene s;
    scene_new(&s, 3, 1, 1);
    s.config.lanes = 0;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_LIMIT);
    s.config.lanes = PBTS_USER_LOAD_LANES_MAX + 1;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_LIMIT);
    s.config.lanes = PBTS_USER_LOAD_LANES_MAX;
    s.config.age_max_s = 10;
    pbts_moment now = { .unix_s = s.config.block.timestamp_s + 11 };
    assert_int_equal(pbts_user_load_new(&s.load, pbts_mem_system(), &s.endpoints, &s.config, now),
                     PBTS_STALE);
    now.unix_s--;
    assert_int_equal(pbts_user_load_new(&s.load, pbts_mem_system(), &s.endpoints, &s.config, now),
                     PBTS_OK);
    scene_free(&s);
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    bool is_whole = false;
    scene s;
    scene_new(&s, 20, 1, 1);
    for (size_t n = 0; !is_whole; n++) {
        pbts_status why = PBTS_OK;
        faulty_mem faulty = mem_failing_at(n);
        assert_int_equal(pbts_endpoints_init(&s.endpoints, 1, 1), PBTS_OK);
        pbts_status status = begin(&s, &faulty.mem);
        if (status == PBTS_OK) {
            is_whole = finish(&s, &why) == PBTS_FETCH_DONE;
            pbts_user_load_free(s.load);
        }
        s.load = NULL;
        assert_true(is_whole || status == PBTS_NO_MEMORY || why == PBTS_NO_MEMORY);
        assert_int_equal(faulty.live, 0);
        assert_true(n < 100);
    }
    scene_free(&s);
}

/* ---- many users: what the loader itself takes, without the model's work ---- */

/* Counts bytes of the heap, as the allocator rounds them. */
typedef struct {
    pbts_mem mem;
    size_t live_bytes, peak_bytes;
} counting_mem;

static void *counted(pbts_mem *mem, void *block, size_t freed_bytes) {
    counting_mem *counting = (counting_mem *)(void *)mem;
    if (block == NULL) return NULL;
    counting->live_bytes += malloc_usable_size(block) - freed_bytes;
    if (counting->live_bytes > counting->peak_bytes) counting->peak_bytes = counting->live_bytes;
    return block;
}

static void *counting_alloc(pbts_mem *mem, size_t len) {
    return counted(mem, malloc(len), 0);
}

static void *counting_resize(pbts_mem *mem, void *block, size_t len) {
    size_t freed_bytes = malloc_usable_size(block);
    return counted(mem, realloc(block, len), freed_bytes);
}

static void counting_release(pbts_mem *mem, void *block) {
    ((counting_mem *)(void *)mem)->live_bytes -= malloc_usable_size(block);
    free(block);
}

typedef struct {
    core_under_test inner;
    double cpu_s;
} timed_core;

static double cpu_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool timed_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    timed_core *timed = core;
    double begun_s = cpu_s();
    bool more = timed->inner.next(timed->inner.core, out, now);
    timed->cpu_s += cpu_s() - begun_s;
    return more;
}

static void timed_answer(void *core, uint64_t id, const pbts_rpc_reply *reply, pbts_moment now) {
    timed_core *timed = core;
    double begun_s = cpu_s();
    timed->inner.answer(timed->inner.core, id, reply, now);
    timed->cpu_s += cpu_s() - begun_s;
}

static uint64_t timed_deadline(void *core) {
    timed_core *timed = core;
    return timed->inner.deadline_ms(timed->inner.core);
}

static bool timed_over(void *core) {
    timed_core *timed = core;
    return timed->inner.is_over(timed->inner.core);
}

static void many_users_load_in_bounded_requests_and_memory(void **state) {
    (void)state;
    scene s;
    pbts_status why;
    counting_mem counting = { .mem = { counting_alloc, counting_resize, counting_release } };
    const char *wished = getenv("PBTS_TEST_LOAD_USERS");
    size_t users = wished != NULL ? strtoull(wished, NULL, 10) : MANY_USERS, asked = 0;
    scene_new(&s, users, 4, 1);
    assert_int_equal(begin(&s, &counting.mem), PBTS_OK);
    timed_core timed = { .inner = of_load(s.load) };
    core_under_test test = { &timed, timed_next, timed_answer, timed_deadline, timed_over };
    (void)run_core(&s.world, &test, 0, 2 * PATIENCE_MS, s.config.block.timestamp_s);
    assert_int_equal(pbts_user_load_state(s.load, &why), PBTS_FETCH_DONE);
    assert_all_users(&s);
    for (size_t i = 0; i < 4; i++) asked += s.world.asked[i];
    print_message("{\"users\": %zu, \"requests\": %zu, \"cpu_s\": %.3f, \"heap_bytes\": %zu}\n",
                  users, asked, timed.cpu_s, counting.peak_bytes);
    assert_true(asked < users / PBTS_RPC_PROOF_KEYS_MAX + 200);
    assert_true(counting.peak_bytes < 2 * users * sizeof(pbts_reputation_account) + HEAP_BESIDE);
    scene_free(&s);
    assert_int_equal(counting.live_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_user_comes_with_key_number_and_word),
        cmocka_unit_test(more_users_than_a_tracker_may_have_are_not_loaded),
        cmocka_unit_test(ranges_adapt_to_what_servers_take),
        cmocka_unit_test(one_block_that_is_too_large_is_the_endpoints_fault),
        cmocka_unit_test(who_takes_few_blocks_does_not_set_the_pace),
        cmocka_unit_test(one_honest_endpoint_among_liars_is_enough),
        cmocka_unit_test(an_event_left_out_or_altered_is_noticed_and_charged),
        cmocka_unit_test(a_load_that_can_only_be_lied_to_ends),
        cmocka_unit_test(words_of_a_block_that_nobody_has_end_the_load),
        cmocka_unit_test(more_events_than_users_are_refused),
        cmocka_unit_test(what_is_no_contract_of_ours_is_said),
        cmocka_unit_test(lanes_and_age_have_limits),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(many_users_load_in_bounded_requests_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
