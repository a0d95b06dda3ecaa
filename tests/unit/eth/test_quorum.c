/* Unit tests of eth/quorum.c: honest and lying endpoints before a model of a chain. */
#include "eth/quorum.h"

#include "chain_liars.h"

enum { SEEDS = 150, BLOCKS = 20, PATIENCE_MS = 3600 * 1000 };

static uint64_t model_now_s(void) {
    return MODEL_GENESIS_S + (BLOCKS + 1) * MODEL_BLOCK_S;
}

typedef struct {
    chain_model *model, *fork;
    pbts_endpoints endpoints;
    pbts_quorum quorum;
    liars world;
    uint64_t now_ms;
} scene;

static void scene_new(scene *s, uint32_t count, uint32_t needed, uint64_t seed) {
    *s = (scene){ .model = model_new(BLOCKS, 5, 1), .fork = model_new(BLOCKS, 5, 2) };
    pbts_quorum_config config = {
        .chain_id = MODEL_CHAIN_ID, .needed = needed, .depth = 2, .age_max_s = 1000
    };
    assert_int_equal(pbts_endpoints_init(&s->endpoints, count, seed), PBTS_OK);
    assert_int_equal(pbts_quorum_init(&s->quorum, &s->endpoints, &config), PBTS_OK);
    s->world =
        (liars){ .model = s->model, .fork = s->fork, .prng = pbts_prng_seeded(seed ^ 0xabcd) };
}

static void scene_free(scene *s) {
    model_free(s->model);
    model_free(s->fork);
}

/* Run; whether it came to an agreement, which is then the model's. */
static bool run(scene *s, uint64_t patience_ms) {
    pbts_moment now = { .unix_s = model_now_s(), .mono_ms = s->now_ms };
    pbts_trusted_block block;
    core_under_test test = of_quorum(&s->quorum);
    pbts_quorum_start(&s->quorum, now);
    s->now_ms = run_core(&s->world, &test, s->now_ms, s->now_ms + patience_ms, now.unix_s);
    if (pbts_quorum_state(&s->quorum, &block) != PBTS_FETCH_DONE) return false;
    assert_true(block.block_number <= BLOCKS && block.block_number >= 1);
    const model_block *real = &s->model->blocks[block.block_number];
    assert_true(pbts_eth_hash_equal(&block.block_hash, &real->hash));
    assert_true(pbts_eth_hash_equal(&block.state_root, &real->header.state_root));
    assert_int_equal(block.timestamp_s, real->header.timestamp_s);
    return true;
}

static void honest_endpoints_agree_at_the_depth(void **state) {
    (void)state;
    scene s;
    pbts_trusted_block block;
    scene_new(&s, 3, 2, 1);
    assert_true(run(&s, PATIENCE_MS));
    assert_int_equal(pbts_quorum_state(&s.quorum, &block), PBTS_FETCH_DONE);
    assert_int_equal(block.block_number, BLOCKS - 2);
    scene_free(&s);
}

static void k_is_at_least_1_and_at_most_n(void **state) {
    (void)state;
    pbts_endpoints endpoints;
    pbts_quorum quorum;
    pbts_quorum_config config = { .needed = 0 };
    assert_int_equal(pbts_endpoints_init(&endpoints, 2, 1), PBTS_OK);
    assert_int_equal(pbts_quorum_init(&quorum, &endpoints, &config), PBTS_LIMIT);
    config.needed = 2;
    assert_int_equal(pbts_quorum_init(&quorum, &endpoints, &config), PBTS_OK);
    config.needed = 3;
    assert_int_equal(pbts_quorum_init(&quorum, &endpoints, &config), PBTS_LIMIT);
}

static void the_minority_is_outvoted_and_pays(void **state) {
    (void)state;
    scene s;
    scene_new(&s, 3, 2, 3);
    s.world.kinds[1] = OTHER_CHAIN;
    for (uint64_t i = 0; i < 10; i++) assert_true(run(&s, PATIENCE_MS));
    assert_true(s.endpoints.each[1].penalty >= 60000);
    assert_true(s.endpoints.each[1].rests_until_ms >= PBTS_ENDPOINT_REST_WRONG_MS);
    assert_true(s.endpoints.each[0].penalty < 60000 && s.endpoints.each[2].penalty < 60000);
    scene_free(&s);
}

static void who_was_outvoted_votes_when_too_few_others_are_left(void **state) {
    (void)state;
    scene s;
    scene_new(&s, 3, 2, 3);
    s.world.kinds[1] = OTHER_CHAIN;
    for (uint64_t i = 0; i < 10; i++) assert_true(run(&s, PATIENCE_MS));
    assert_int_equal(s.endpoints.each[1].last, PBTS_ENDPOINT_OUTVOTED);
    s.world.kinds[0] = DEAD;
    assert_false(run(&s, 60000)); /* it is of another chain still */
    s.world.kinds[1] = HONEST;    /* it was behind a reorganisation */
    /* Again and again, though it rests meanwhile: its votes were good since. */
    for (uint64_t i = 0; i < 5; i++) assert_true(run(&s, 60000));
    assert_int_equal(s.endpoints.each[1].last, PBTS_ENDPOINT_GOOD);
    scene_free(&s);
}

static void an_endpoint_of_another_chain_never_votes(void **state) {
    (void)state;
    scene s;
    scene_new(&s, 2, 1, 3);
    s.quorum.config.chain_id = MODEL_CHAIN_ID + 1;
    assert_false(run(&s, 60000));
    assert_int_equal(s.endpoints.each[0].last, PBTS_ENDPOINT_WRONG);
    scene_free(&s);
}

static void an_old_block_is_no_result(void **state) {
    (void)state;
    scene s;
    scene_new(&s, 3, 2, 4);
    uint64_t age_s = model_now_s() - s.model->blocks[BLOCKS - 2].header.timestamp_s;
    s.quorum.config.age_max_s = age_s - 1;
    assert_false(run(&s, 60000));
    assert_true(s.quorum.was_stale);
    s.quorum.config.age_max_s = age_s;
    assert_true(run(&s, 60000));
    scene_free(&s);
}

static void fewer_than_k_honest_give_no_result_but_never_a_wrong_one(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        scene s;
        scene_new(&s, 5, 3, seed);
        s.world.kinds[0] = OTHER_CHAIN;
        s.world.kinds[1] = OTHER_CHAIN;
        s.world.kinds[2] = DEAD;
        assert_false(run(&s, 300000));
        scene_free(&s);
    }
}

/* Two lie together, one of three honest ones is ahead: they meet where all three have been. */
static void honest_endpoints_that_lag_are_met_further_down(void **state) {
    (void)state;
    scene s;
    pbts_trusted_block block;
    scene_new(&s, 5, 3, 9);
    s.world.kinds[0] = s.world.kinds[1] = OTHER_CHAIN;
    s.world.kinds[2] = s.world.kinds[3] = LAGGING;
    assert_true(run(&s, 5000)); /* within a round */
    assert_int_equal(pbts_quorum_state(&s.quorum, &block), PBTS_FETCH_DONE);
    assert_int_equal(block.block_number, BLOCKS / 2 - 2);
    scene_free(&s);
}

static void with_k_honest_among_any_liars_the_right_block_comes_out(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        scene s;
        pbts_prng prng = pbts_prng_seeded(seed);
        uint32_t count = 1 + pbts_prng_below(&prng, PBTS_ENDPOINTS_MAX);
        uint32_t needed = 1 + pbts_prng_below(&prng, count), colluding = 0;
        scene_new(&s, count, needed, seed);
        for (uint32_t i = needed; i < count; i++) {
            endpoint_kind kind = (endpoint_kind)pbts_prng_below(&prng, KINDS);
            if (kind == OTHER_CHAIN && ++colluding >= needed) kind = DEAD;
            s.world.kinds[i] = kind;
        }
        for (uint32_t i = count; i-- > 1;) { /* anywhere among them */
            uint32_t k = pbts_prng_below(&prng, i + 1);
            endpoint_kind kind = s.world.kinds[i];
            s.world.kinds[i] = s.world.kinds[k];
            s.world.kinds[k] = kind;
        }
        if (!run(&s, PATIENCE_MS)) fail_msg("seed %u: no agreement", (unsigned)seed);
        scene_free(&s);
    }
}

static void replies_to_nothing_are_ignored(void **state) {
    (void)state;
    scene s;
    pbts_moment now = { .unix_s = model_now_s() };
    pbts_rpc_want want;
    pbts_rpc_reply reply = { .http_status = PBTS_RPC_NO_ANSWER };
    scene_new(&s, 1, 1, 1);
    pbts_quorum_answer(&s.quorum, 1, &reply, now);
    pbts_quorum_start(&s.quorum, now);
    assert_true(pbts_quorum_next(&s.quorum, &want, now));
    pbts_quorum_answer(&s.quorum, want.id + 1, &reply, now);
    assert_int_equal(s.endpoints.each[0].bad_count, 0);
    pbts_quorum_answer(&s.quorum, want.id, &reply, now);
    pbts_quorum_answer(&s.quorum, want.id, &reply, now);
    assert_int_equal(s.endpoints.each[0].bad_count, 1);
    scene_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_endpoints_agree_at_the_depth),
        cmocka_unit_test(k_is_at_least_1_and_at_most_n),
        cmocka_unit_test(the_minority_is_outvoted_and_pays),
        cmocka_unit_test(who_was_outvoted_votes_when_too_few_others_are_left),
        cmocka_unit_test(an_endpoint_of_another_chain_never_votes),
        cmocka_unit_test(an_old_block_is_no_result),
        cmocka_unit_test(fewer_than_k_honest_give_no_result_but_never_a_wrong_one),
        cmocka_unit_test(honest_endpoints_that_lag_are_met_further_down),
        cmocka_unit_test(with_k_honest_among_any_liars_the_right_block_comes_out),
        cmocka_unit_test(replies_to_nothing_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
