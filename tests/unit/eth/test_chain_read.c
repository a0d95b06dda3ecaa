/* Unit tests of eth/chain_read.c: recorded answers of Anvil, vectors, and endpoints that
 * lie in every way about a model of a chain. */
#include "eth/chain_read.h"

#include "chain_liars.h"
#include "receipt/faulty_mem.h"
#include "rpc_tape.h"
#include "vectors.h"

enum { SEEDS = 100, BLOCKS = 8, USERS = 40, PATIENCE_MS = 4 * 3600 * 1000 };

static uint64_t model_now_s(void) {
    return MODEL_GENESIS_S + BLOCKS * MODEL_BLOCK_S;
}

/* ---- Anvil's own answers ---- */

typedef struct {
    json_t *tape;
    pbts_endpoints endpoints;
    pbts_chain_read *read;
    pbts_trusted_block block;
    pbts_eth_address contract;
} anvil;

/* A read of the fixed slots in the recorded block, of which only the hash is trusted. */
static void anvil_new(anvil *a, json_t *tape) {
    pbts_u256 keys[6];
    pbts_rpc_want want;
    pbts_moment now = { .unix_s = 1700000200 };
    a->tape = json_incref(tape);
    pbts_chain_read_config config = { .age_max_s = 3600,
                                      .id_first = tape_id(a->tape, "batch") - 1 };
    tape_source(a->contract.bytes, 20, a->tape, "contract");
    a->block = (pbts_trusted_block){ .block_number = 4, .timestamp_s = 1700000160 };
    tape_source(a->block.block_hash.bytes, 32, a->tape, "hash");
    for (uint64_t i = 0; i < 6; i++) keys[i] = pbts_u256_from_u64(i);
    assert_int_equal(pbts_endpoints_init(&a->endpoints, 1, 1), PBTS_OK);
    assert_int_equal(pbts_chain_read_new(&a->read, pbts_mem_system(), &a->endpoints, &config),
                     PBTS_OK);
    assert_int_equal(pbts_chain_read_start(a->read, &a->block, &a->contract, keys, 6, 60000, now),
                     PBTS_OK);
    assert_true(pbts_chain_read_next(a->read, &want, now));
}

static pbts_fetch_state anvil_answer(anvil *a, pbts_span body) {
    pbts_status why;
    pbts_rpc_reply reply = { .http_status = 200, .body = body };
    pbts_chain_read_answer(a->read, tape_id(a->tape, "batch"), &reply,
                           (pbts_moment){ .unix_s = 1700000200 });
    return pbts_chain_read_state(a->read, &why);
}

static void anvil_free(anvil *a) {
    pbts_chain_read_free(a->read);
    json_decref(a->tape);
}

static void assert_anvil_values(const anvil *a) {
    size_t len;
    pbts_reputation_state state;
    const pbts_u256 *values = pbts_chain_read_values(a->read, &len);
    assert_int_equal(len, 6);
    assert_int_equal(pbts_reputation_state_unpack(&state, values), PBTS_OK);
    assert_int_equal(state.user_count, 3);
    assert_int_equal(state.sequence, 2);
    assert_int_equal(state.epoch, 472222);
    assert_int_equal(state.mode, PBTS_REPUTATION_SLOTS);
    uint8_t owner[20];
    tape_source(owner, 20, a->tape, "owner");
    assert_memory_equal(state.owner.bytes, owner, 20);
}

static void recorded_answers_prove_the_contracts_slots(void **state) {
    (void)state;
    anvil a;
    json_t *tape = tape_load();
    anvil_new(&a, tape);
    json_decref(tape);
    assert_int_equal(anvil_answer(&a, tape_text(a.tape, "batch", "answer")), PBTS_FETCH_DONE);
    assert_anvil_values(&a);
    assert_true(pbts_chain_read_account(a.read)->present);
    assert_int_equal(pbts_chain_read_account(a.read)->nonce, 1);
    pbts_eth_hash hash = pbts_eth_hash_of(pbts_chain_read_header(a.read));
    assert_true(pbts_eth_hash_equal(&hash, &a.block.block_hash));
    anvil_free(&a);
}

/* Most bytes matter; those of fields that are not read may be anything, and then the values are
 * those that were proved. */
static void a_flip_anywhere_gives_no_other_value(void **state) {
    (void)state;
    size_t refused = 0, taken = 0;
    json_t *tape = tape_load();
    pbts_span whole = tape_text(tape, "batch", "answer");
    uint8_t *copy = malloc(whole.len);
    assert_non_null(copy);
    for (size_t at = 0; at < whole.len; at++) {
        anvil a;
        anvil_new(&a, tape);
        memcpy(copy, whole.data, whole.len);
        copy[at] ^= (uint8_t)(1 << at % 6); /* not the bit that makes another case of a letter */
        if (anvil_answer(&a, (pbts_span){ copy, whole.len }) == PBTS_FETCH_DONE) {
            assert_anvil_values(&a);
            taken++;
        } else {
            assert_int_equal(a.endpoints.each[0].good_count, 0);
            refused++;
        }
        anvil_free(&a);
    }
    assert_true(refused > whole.len * 3 / 4);
    assert_true(taken > 0);
    free(copy);
    json_decref(tape);
}

/* ---- published vectors ---- */

static void a_contracts_proof_verifies_in_its_block_and_in_no_other(void **state) {
    (void)state;
    pbts_endpoints endpoints;
    pbts_chain_read *read;
    pbts_trusted_block trusted = { 0 };
    pbts_chain_read_config config = { .age_max_s = 3600 };
    pbts_eth_address address;
    pbts_rpc_want want;
    pbts_moment now = { 0 };
    pbts_status why;
    pbts_u256 key = pbts_u256_from_u64(0);
    json_t *anvil_block = vectors_load("anvil/block.json");
    json_t *proof = vectors_load("anvil/eth_getProof_contract.json");
    json_t *result = json_object_get(proof, "result");
    json_t *storage = json_object_get(result, "storageProof");
    vectors_exactly(trusted.state_root.bytes, 32, json_object_get(anvil_block, "result"),
                    "stateRoot");
    vectors_exactly(address.bytes, 20, result, "address");
    trusted.has_state_root = true;
    /* Its proof of slot 0 alone. */
    size_t i = json_array_size(storage);
    while (i-- > 0) {
        pbts_u256 at = vectors_number(json_array_get(storage, i), "key");
        if (!pbts_u256_is_zero(&at)) json_array_remove(storage, i);
    }
    assert_int_equal(json_array_size(storage), 1);
    json_object_set_new(proof, "id", json_integer(1));
    char *text = json_dumps(proof, 0);
    pbts_rpc_reply reply = { .http_status = 200, .body = pbts_span_text(text) };
    for (int round = 0; round < 2; round++) {
        assert_int_equal(pbts_endpoints_init(&endpoints, 1, 1), PBTS_OK);
        assert_int_equal(pbts_chain_read_new(&read, pbts_mem_system(), &endpoints, &config),
                         PBTS_OK);
        assert_int_equal(pbts_chain_read_start(read, &trusted, &address, &key, 1, 1000, now),
                         PBTS_OK);
        assert_true(pbts_chain_read_next(read, &want, now));
        pbts_chain_read_answer(read, want.id, &reply, now);
        assert_int_equal(pbts_chain_read_state(read, &why),
                         round == 0 ? PBTS_FETCH_DONE : PBTS_FETCH_PENDING);
        assert_int_equal(endpoints.each[0].last,
                         round == 0 ? PBTS_ENDPOINT_GOOD : PBTS_ENDPOINT_WRONG);
        trusted.state_root.bytes[0] ^= 1; /* then: another block */
        pbts_chain_read_free(read);
    }
    free(text);
    json_decref(proof);
    json_decref(anvil_block);
}

/* ---- liars ---- */

typedef struct {
    chain_model *model, *fork;
    pbts_endpoints endpoints;
    pbts_chain_read *read;
    liars world;
} scene;

static void scene_new(scene *s, uint32_t count, uint64_t seed, pbts_mem *mem) {
    pbts_chain_read_config config = { .age_max_s = UINT64_MAX, .keep_header = seed % 2 == 0 };
    *s = (scene){ .model = model_new(BLOCKS, USERS, 1), .fork = model_new(BLOCKS, USERS, 2) };
    assert_int_equal(pbts_endpoints_init(&s->endpoints, count, seed), PBTS_OK);
    assert_int_equal(pbts_chain_read_new(&s->read, mem, &s->endpoints, &config), PBTS_OK);
    s->world = (liars){ .model = s->model, .fork = s->fork, .prng = pbts_prng_seeded(seed) };
}

static void scene_free(scene *s) {
    pbts_chain_read_free(s->read);
    model_free(s->model);
    model_free(s->fork);
}

/* Read the words of all users, some that are no users, in block `number`. Whether it came; then it
 * is right. */
static bool read_words(scene *s, uint64_t number, bool has_root, uint64_t from_ms,
                       uint64_t *took_ms) {
    pbts_u256 keys[USERS + 2];
    pbts_trusted_block block = model_trusted(s->model, number);
    pbts_moment now = { .unix_s = model_now_s(), .mono_ms = from_ms };
    core_under_test test = of_read(s->read);
    pbts_status why;
    size_t len;
    block.has_state_root = has_root;
    if (!has_root) memset(block.state_root.bytes, 0, 32);
    for (size_t i = 0; i < USERS; i++) {
        keys[i] = pbts_reputation_word_slot(s->model->users[i].account.uid_hash);
    }
    keys[USERS] = pbts_u256_from_u64(99);
    keys[USERS + 1] = pbts_u256_from_u64(1);
    assert_int_equal(pbts_chain_read_start(s->read, &block, &s->model->contract, keys, USERS + 2,
                                           from_ms + PATIENCE_MS, now),
                     PBTS_OK);
    *took_ms = run_core(&s->world, &test, from_ms, from_ms + 2 * PATIENCE_MS, now.unix_s) - from_ms;
    if (pbts_chain_read_state(s->read, &why) != PBTS_FETCH_DONE) return false;
    const pbts_u256 *values = pbts_chain_read_values(s->read, &len);
    assert_int_equal(len, USERS + 2);
    for (size_t i = 0; i < USERS; i++) {
        pbts_reputation_word word = { 0 };
        if (s->model->users[i].block <= number) word = model_word(s->model, i, number);
        pbts_u256 expected = pbts_reputation_word_pack(&word);
        assert_memory_equal(values[i].bytes, expected.bytes, 32);
    }
    assert_true(pbts_u256_is_zero(&values[USERS]));
    assert_int_equal(s->world.kinds[pbts_chain_read_endpoint(s->read)] == DEAD, 0);
    return true;
}

static void one_honest_endpoint_among_liars_is_enough(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        scene s;
        uint64_t took_ms;
        pbts_prng prng = pbts_prng_seeded(seed);
        uint32_t count = 1 + pbts_prng_below(&prng, 8), honest = pbts_prng_below(&prng, count);
        scene_new(&s, count, seed, pbts_mem_system());
        s.model->no_batch = seed % 3 == 0;
        for (uint32_t i = 0; i < count; i++) {
            s.world.kinds[i] = (endpoint_kind)pbts_prng_below(&prng, KINDS);
        }
        s.world.kinds[honest] = HONEST;
        for (uint64_t number = BLOCKS; number > BLOCKS - 3; number--) {
            uint64_t from_ms = (BLOCKS - number) * 2 * PATIENCE_MS;
            if (!read_words(&s, number, seed % 4 < 2, from_ms, &took_ms)) {
                fail_msg("seed %u", (unsigned)seed);
            }
        }
        scene_free(&s);
    }
}

/* Each alone: no value at all, unless it is the right one. */
static void a_liar_alone_gives_nothing_and_is_charged(void **state) {
    (void)state;
    for (int kind = DEAD; kind < KINDS; kind++) {
        scene s;
        uint64_t took_ms;
        scene_new(&s, 1, (uint64_t)kind, pbts_mem_system());
        s.world.kinds[0] = (endpoint_kind)kind;
        bool came = read_words(&s, BLOCKS, kind % 2 == 0, 0, &took_ms);
        bool is_harmless = kind == BOASTING || kind == OMITS || kind == ALTERS || kind == FLIPPED;
        if (!is_harmless && came) fail_msg("kind %d gave a value", kind);
        if (!is_harmless) assert_true(s.endpoints.each[0].bad_count > 0);
        if (kind == OTHER_STATE || kind == OTHER_BLOCK) {
            assert_int_equal(s.endpoints.each[0].last, PBTS_ENDPOINT_WRONG);
        }
        scene_free(&s);
    }
}

static void who_was_caught_lying_is_not_asked_while_others_answer(void **state) {
    (void)state;
    scene s;
    uint64_t took_ms;
    scene_new(&s, 2, 5, pbts_mem_system());
    s.world.kinds[0] = OTHER_STATE;
    for (uint64_t i = 0; i < 30; i++) assert_true(read_words(&s, BLOCKS, true, 10 * i, &took_ms));
    assert_int_equal(s.world.asked[0], 1);
    scene_free(&s);
}

/* Where nobody has the block any more another one must be looked for, soon. */
static void a_block_that_is_gone_fails_before_patience_ends(void **state) {
    (void)state;
    pbts_chain_read_config config = { .age_max_s = UINT64_MAX, .misses_max = 3 };
    for (int kind = LAGGING; kind <= OTHER_STATE; kind += OTHER_STATE - LAGGING) {
        scene s;
        uint64_t took_ms;
        scene_new(&s, 2, 5, pbts_mem_system());
        pbts_chain_read_free(s.read);
        assert_int_equal(pbts_chain_read_new(&s.read, pbts_mem_system(), &s.endpoints, &config),
                         PBTS_OK);
        s.world.kinds[0] = s.world.kinds[1] = (endpoint_kind)kind;
        assert_false(read_words(&s, BLOCKS, true, 0, &took_ms));
        assert_int_equal(s.world.asked[0] + s.world.asked[1], 6);
        assert_true(took_ms < 10000);
        scene_free(&s);
    }
}

static void an_absent_account_is_proved_too(void **state) {
    (void)state;
    scene s;
    pbts_status why;
    size_t len;
    pbts_eth_address nobody = { { 0x12, 0x34 } };
    pbts_u256 key = pbts_u256_from_u64(0);
    scene_new(&s, 1, 1, pbts_mem_system());
    pbts_trusted_block block = model_trusted(s.model, BLOCKS);
    pbts_moment now = { .unix_s = model_now_s() };
    core_under_test test = of_read(s.read);
    assert_int_equal(pbts_chain_read_start(s.read, &block, &nobody, &key, 1, 1000, now), PBTS_OK);
    (void)run_core(&s.world, &test, 0, 2000, now.unix_s);
    assert_int_equal(pbts_chain_read_state(s.read, &why), PBTS_FETCH_DONE);
    assert_false(pbts_chain_read_account(s.read)->present);
    assert_true(pbts_u256_is_zero(pbts_chain_read_values(s.read, &len)));
    scene_free(&s);
}

static void old_blocks_and_too_many_keys_are_refused(void **state) {
    (void)state;
    static pbts_u256 keys[PBTS_RPC_PROOF_KEYS_MAX + 1];
    pbts_endpoints endpoints;
    pbts_chain_read *read;
    pbts_rpc_want want;
    pbts_status why;
    pbts_eth_address address = { { 1 } };
    pbts_chain_read_config config = { .age_max_s = 100 };
    pbts_trusted_block block = { .has_state_root = true, .timestamp_s = 1000 };
    pbts_moment now = { .unix_s = 1100 };
    assert_int_equal(pbts_endpoints_init(&endpoints, 1, 1), PBTS_OK);
    assert_int_equal(pbts_chain_read_new(&read, pbts_mem_system(), &endpoints, &config), PBTS_OK);
    assert_int_equal(
        pbts_chain_read_start(read, &block, &address, keys, PBTS_RPC_PROOF_KEYS_MAX + 1, 1000, now),
        PBTS_LIMIT);
    assert_int_equal(
        pbts_chain_read_start(read, &block, &address, keys, PBTS_RPC_PROOF_KEYS_MAX, 1000, now),
        PBTS_OK);
    assert_true(pbts_chain_read_next(read, &want, now));
    now.unix_s = 1101;
    assert_int_equal(pbts_chain_read_start(read, &block, &address, keys, 1, 1000, now), PBTS_STALE);
    block.timestamp_s = 5000; /* ahead of our clock: not old */
    assert_int_equal(pbts_chain_read_start(read, &block, &address, keys, 1, 1000, now), PBTS_OK);
    now.mono_ms = 1000;
    assert_false(pbts_chain_read_next(read, &want, now));
    assert_int_equal(pbts_chain_read_state(read, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_IO);
    pbts_chain_read_free(read);
}

/* The block was young enough when the read began. */
static void a_block_that_grows_old_meanwhile_gives_nothing(void **state) {
    (void)state;
    scene s;
    pbts_rpc_want want;
    pbts_status why;
    pbts_u256 key = pbts_u256_from_u64(0);
    scene_new(&s, 1, 1, pbts_mem_system());
    pbts_chain_read_free(s.read);
    pbts_chain_read_config config = { .age_max_s = 100 };
    assert_int_equal(pbts_chain_read_new(&s.read, pbts_mem_system(), &s.endpoints, &config),
                     PBTS_OK);
    pbts_trusted_block block = model_trusted(s.model, BLOCKS);
    for (uint64_t late_s = 100; late_s <= 101; late_s++) {
        pbts_moment now = { .unix_s = block.timestamp_s };
        assert_int_equal(
            pbts_chain_read_start(s.read, &block, &s.model->contract, &key, 1, UINT64_MAX, now),
            PBTS_OK);
        assert_true(pbts_chain_read_next(s.read, &want, now));
        pbts_rpc_reply reply = liars_post(&s.world, 0, want.body);
        now.unix_s += late_s;
        pbts_chain_read_answer(s.read, want.id, &reply, now);
        free((void *)(uintptr_t)reply.body.data);
        assert_int_equal(pbts_chain_read_state(s.read, &why),
                         late_s == 100 ? PBTS_FETCH_DONE : PBTS_FETCH_FAILED);
    }
    assert_int_equal(why, PBTS_STALE);
    scene_free(&s);
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    bool is_whole = false;
    for (size_t n = 0; !is_whole; n++) {
        faulty_mem faulty = mem_failing_at(n);
        pbts_endpoints endpoints;
        pbts_chain_read *read;
        pbts_chain_read_config config = { .age_max_s = UINT64_MAX };
        assert_int_equal(pbts_endpoints_init(&endpoints, 1, 1), PBTS_OK);
        if (pbts_chain_read_new(&read, &faulty.mem, &endpoints, &config) != PBTS_OK) {
            assert_int_equal(faulty.live, 0);
            continue;
        }
        pbts_chain_read_free(read);
        scene s;
        uint64_t took_ms;
        faulty = mem_failing_at(n);
        scene_new(&s, 1, 1, &faulty.mem);
        is_whole = read_words(&s, BLOCKS, true, 0, &took_ms);
        if (!is_whole) {
            pbts_status why;
            assert_int_equal(pbts_chain_read_state(s.read, &why), PBTS_FETCH_FAILED);
            assert_int_equal(why, PBTS_NO_MEMORY);
            assert_int_equal(s.endpoints.each[0].bad_count, 0); /* not the endpoint's fault */
        }
        scene_free(&s);
        assert_int_equal(faulty.live, 0);
        assert_true(n < 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_answers_prove_the_contracts_slots),
        cmocka_unit_test(a_flip_anywhere_gives_no_other_value),
        cmocka_unit_test(a_contracts_proof_verifies_in_its_block_and_in_no_other),
        cmocka_unit_test(one_honest_endpoint_among_liars_is_enough),
        cmocka_unit_test(a_liar_alone_gives_nothing_and_is_charged),
        cmocka_unit_test(who_was_caught_lying_is_not_asked_while_others_answer),
        cmocka_unit_test(a_block_that_is_gone_fails_before_patience_ends),
        cmocka_unit_test(an_absent_account_is_proved_too),
        cmocka_unit_test(old_blocks_and_too_many_keys_are_refused),
        cmocka_unit_test(a_block_that_grows_old_meanwhile_gives_nothing),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
