/* Unit tests of eth/root_load.c: contracts in root mode in a model of a chain, and endpoints that
 * lie about their batches. */
#include "eth/root_load.h"

#include "chain_liars.h"
#include "eth/reputation_root_call.h"
#include "receipt/faulty_mem.h"

enum {
    SEEDS = 48,
    BLOCKS = 40,
    USERS = 50,
    BATCHES = 30,
    STRAY = 20,
    PATIENCE_MS = 8 * 3600 * 1000
};
enum { DATA_ROOM = 16384, CALL_ROOM = DATA_ROOM + PBTS_REPUTATION_CALL_OVERHEAD_MAX };

/* ---- a chain ---- */

/* All but STRAY_DATA are about the last batch. */
typedef enum {
    SOUND,
    UNREADABLE_DATA,
    WRONG_ROOT,
    WRONG_COUNT,
    LIMIT_COUNT, /* as many as there may be, which is wrong too */
    PAST_LIMIT,
    STRAY_DATA,
} soundness;

/* What one batch says: some new users, and some that moved. */
static size_t make_data(chain_model *model, const pbts_reputation_tree *tree, pbts_prng *prng,
                        size_t batch, size_t batches, uint8_t data[DATA_ROOM]) {
    pbts_writer writer = pbts_writer_over(data, DATA_ROOM);
    size_t known = model->users_len * (batch + 1) / batches;
    uint32_t previous_no = 0;
    for (size_t i = 0; i < known; i++) {
        pbts_reputation_account account = model->users[i].account;
        bool is_new = pbts_reputation_tree_find(tree, account.user_no, NULL) == NULL;
        if (!is_new) account = *pbts_reputation_tree_find(tree, account.user_no, NULL);
        if (!is_new && pbts_prng_below(prng, 3) != 0) continue;
        account.word.up_bytes += pbts_prng_next(prng) >> (12 + pbts_prng_below(prng, 50));
        account.word.generation += pbts_prng_below(prng, 10) == 0;
        assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &account, previous_no), PBTS_OK);
        previous_no = account.user_no;
    }
    return writer.len;
}

static void make_batch(chain_model *model, pbts_reputation_tree *tree, pbts_prng *prng,
                       size_t batch, soundness how) {
    static uint8_t data[DATA_ROOM], call[CALL_ROOM];
    model_batch *b = &model->batches[batch];
    bool is_last = batch + 1 == model->batches_len;
    bool is_stray = how == STRAY_DATA && batch == STRAY;
    size_t len = make_data(model, tree, prng, batch, model->batches_len, data);
    if (is_stray) { /* made for another tree: a user who is not here */
        static const uint8_t UNKNOWN_USER[12] = { 0x7f, 0xff };
        memcpy(data, UNKNOWN_USER, len = sizeof UNKNOWN_USER);
        assert_int_equal(pbts_reputation_tree_apply(tree, (pbts_span){ data, len }),
                         PBTS_MALFORMED);
        b->root[0] = 1;
    }
    if (!is_stray)
        assert_int_equal(pbts_reputation_tree_apply(tree, (pbts_span){ data, len }), PBTS_OK);
    if (how == UNREADABLE_DATA && is_last) data[len++] = 0x80;
    b->block = 1 + batch * (model->blocks_len - 1) / model->batches_len;
    b->user_count = pbts_reputation_tree_count(tree) + (how == WRONG_COUNT && is_last);
    if (how == LIMIT_COUNT && is_last) b->user_count = PBTS_USERS_MAX - 1;
    if (how == PAST_LIMIT && is_last) b->user_count = PBTS_USERS_MAX;
    if (!is_stray) pbts_reputation_tree_root(tree, b->root);
    if (how == WRONG_ROOT && is_last) b->root[31] ^= 1;
    pbts_eth_hash before = batch == 0 ? (pbts_eth_hash){ { 0 } } : model->batches[batch - 1].head;
    b->head = pbts_reputation_head_next(&before, (pbts_span){ data, len });
    uint64_t seed[2] = { batch, model->salt };
    b->transaction = pbts_eth_hash_of(PBTS_SPAN_OF(seed));
    pbts_writer writer = pbts_writer_over(call, sizeof call);
    pbts_reputation_call_write_root(&writer, batch + 1, 400000, b->user_count, b->root,
                                    (pbts_span){ data, len });
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    b->call_len = writer.len;
    b->call = malloc(writer.len);
    assert_non_null(b->call);
    memcpy(b->call, call, writer.len);
}

/* `*tree`: what the contract says in the end. */
static chain_model *chain_new(pbts_reputation_tree **tree, size_t batches, uint64_t salt,
                              soundness how) {
    chain_model *model = model_new_without_blocks(BLOCKS, USERS, salt);
    pbts_prng prng = pbts_prng_seeded(salt);
    model->batches = calloc(batches + 1, sizeof *model->batches);
    model->batches_len = batches;
    assert_non_null(model->batches);
    assert_int_equal(pbts_reputation_tree_new(tree, pbts_mem_system(), USERS), PBTS_OK);
    for (size_t i = 0; i < USERS; i++) model->users[i].account.user_no = (uint32_t)(i + 1);
    for (size_t i = 0; i < batches; i++) make_batch(model, *tree, &prng, i, how);
    for (uint64_t number = 1; number <= BLOCKS; number++) model_make_block(model, number);
    return model;
}

/* ---- a load ---- */

typedef struct {
    chain_model *model, *fork;
    pbts_reputation_tree *expected, *other;
    pbts_endpoints endpoints;
    pbts_root_load *load;
    liars world;
    pbts_root_load_config config;
} scene;

static void scene_new_how(scene *s, size_t batches, uint32_t count, uint64_t seed, soundness how) {
    *s = (scene){ 0 };
    s->model = chain_new(&s->expected, batches, 1, how);
    s->fork = chain_new(&s->other, BATCHES, 2, SOUND);
    assert_int_equal(pbts_endpoints_init(&s->endpoints, count, seed), PBTS_OK);
    s->world = (liars){ .model = s->model, .fork = s->fork, .prng = pbts_prng_seeded(seed) };
    s->config = (pbts_root_load_config){ .block = model_trusted(s->model, BLOCKS),
                                         .contract = s->model->contract,
                                         .first_block = 1,
                                         .age_max_s = 3600,
                                         .give_up_ms = PATIENCE_MS };
}

static void scene_new(scene *s, size_t batches, uint32_t count, uint64_t seed) {
    scene_new_how(s, batches, count, seed, SOUND);
}

static pbts_status begin(scene *s, pbts_mem *mem) {
    pbts_moment now = { .unix_s = s->config.block.timestamp_s };
    return pbts_root_load_new(&s->load, mem, &s->endpoints, &s->config, now);
}

static pbts_fetch_state finish(scene *s, pbts_status *why) {
    core_under_test test = of_root_load(s->load);
    (void)run_core(&s->world, &test, 0, 2 * PATIENCE_MS, s->config.block.timestamp_s);
    return pbts_root_load_state(s->load, why);
}

static void scene_free(scene *s) {
    pbts_root_load_free(s->load);
    pbts_reputation_tree_free(s->expected);
    pbts_reputation_tree_free(s->other);
    model_free(s->model);
    model_free(s->fork);
}

static void assert_all_users(const scene *s) {
    uint64_t replayed, batches;
    const pbts_reputation_tree *tree = pbts_root_load_tree(s->load);
    pbts_root_load_progress(s->load, &replayed, &batches);
    assert_true(replayed == batches && batches == s->model->batches_len);
    assert_int_equal(pbts_reputation_tree_count(tree), USERS);
    for (uint32_t i = 0; i < USERS; i++) {
        assert_memory_equal(pbts_reputation_tree_at(tree, i),
                            pbts_reputation_tree_at(s->expected, i),
                            sizeof(pbts_reputation_account));
    }
}

static void every_user_comes_with_key_number_and_word(void **state) {
    (void)state;
    static const size_t COUNTS[] = {
        1, 2, PBTS_ROOT_LOAD_AT_ONCE, PBTS_ROOT_LOAD_AT_ONCE + 1, BLOCKS, 3 * BLOCKS
    };
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        scene s;
        pbts_status why = PBTS_OK;
        scene_new(&s, COUNTS[i], 1, i);
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_null(pbts_root_load_contract(s.load));
        assert_int_equal(finish(&s, &why), PBTS_FETCH_DONE);
        assert_int_equal(pbts_root_load_contract(s.load)->sequence, COUNTS[i]);
        assert_all_users(&s);
        assert_int_equal(s.endpoints.each[0].bad_count, 0);
        scene_free(&s);
    }
}

static void ranges_and_batches_adapt_to_what_servers_take(void **state) {
    (void)state;
    static const struct {
        uint64_t range_max;
        size_t logs_max;
        bool no_batch;
    } CASES[] = { { 100000, 5000, true }, { 7, 5000, false }, { 1, 5000, true }, { 3, 17, false } };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        scene s;
        pbts_status why = PBTS_OK;
        scene_new(&s, BATCHES, 1, i);
        s.model->range_max = CASES[i].range_max;
        s.model->logs_max = CASES[i].logs_max;
        s.model->no_batch = CASES[i].no_batch;
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_DONE);
        assert_all_users(&s);
        assert_int_equal(s.endpoints.each[0].bad_count, 0);
        scene_free(&s);
    }
}

/* OTHER_CHAIN tells of another contract's batches, which fit together. */
static void who_takes_few_blocks_does_not_set_the_pace(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        scene s;
        pbts_status why = PBTS_OK;
        scene_new(&s, BATCHES, 3, seed);
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
    static const endpoint_kind FAVOURITES[] = { OMITS, ALTERS, OTHER_CHAIN };
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        scene s;
        pbts_status why = PBTS_OK;
        pbts_prng prng = pbts_prng_seeded(seed);
        uint32_t count = 1 + pbts_prng_below(&prng, 6);
        scene_new(&s, BATCHES, count, seed);
        s.model->range_max = 1 + pbts_prng_below(&prng, 60);
        s.fork->range_max = s.model->range_max;
        for (uint32_t i = 0; i < count; i++) {
            s.world.kinds[i] = seed % 2 == 0 ? FAVOURITES[pbts_prng_below(&prng, 3)]
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

static void a_batch_left_out_or_altered_is_noticed_and_charged(void **state) {
    (void)state;
    static const endpoint_kind LIES[] = { OMITS, ALTERS };
    for (size_t i = 0; i < 2; i++) {
        scene s;
        pbts_status why = PBTS_OK;
        scene_new(&s, BATCHES, 1, 1);
        s.world.kinds[0] = LIES[i];
        s.config.give_up_ms = 60000;
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
        assert_int_equal(why, PBTS_IO);
        assert_int_equal(s.endpoints.each[0].last, PBTS_ENDPOINT_OUTVOTED);
        scene_free(&s);
    }
}

/* A whole history that fits together, and is not this contract's: only the proved head tells. */
static void another_history_is_noticed_at_the_proved_head(void **state) {
    (void)state;
    scene s;
    pbts_status why = PBTS_OK;
    scene_new(&s, BATCHES, 1, 1);
    assert_int_equal(s.fork->batches_len, s.model->batches_len);
    for (size_t i = 0; i < BATCHES; i++) { /* the model's states, the fork's batches */
        model_batch kept = s.model->batches[i];
        s.model->batches[i] = s.fork->batches[i];
        s.fork->batches[i] = kept;
    }
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    core_under_test test = of_root_load(s.load);
    uint64_t end_ms = run_core(&s.world, &test, 0, PATIENCE_MS, s.config.block.timestamp_s);
    assert_int_equal(pbts_root_load_state(s.load, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_IO);
    assert_true(end_ms < PATIENCE_MS); /* it does not go on for ever: the block may be gone */
    assert_int_equal(s.endpoints.each[0].last, PBTS_ENDPOINT_OUTVOTED);
    assert_int_equal(s.endpoints.each[0].bad_count, PBTS_ROOT_LOAD_MISSES_MAX + 1);
    scene_free(&s);
}

/* ---- who is charged ---- */

typedef enum { ANSWER, LEAVE_OUT, FORGET, BE_SILENT } behaviour; /* FORGET: null */

typedef struct {
    pbts_moment now;
    pbts_rpc_want want;
    json_t *request;
    bool is_about_events;
    uint64_t first_block; /* when it is */
} question;

static void read_question(question *q) {
    q->request = json_loadb((const char *)q->want.body.data, q->want.body.len, 0, NULL);
    assert_non_null(q->request);
    const char *method = json_string_value(json_object_get(q->request, "method"));
    q->is_about_events = method != NULL && strcmp(method, "eth_getLogs") == 0;
    if (!q->is_about_events) return;
    const json_t *filter = json_array_get(json_object_get(q->request, "params"), 0);
    q->first_block = model_read_number(json_object_get(filter, "fromBlock"));
}

/* The next that is asked, waiting as long as it takes; false: it is over. */
static bool find_question(question *q, scene *s) {
    pbts_status why;
    while (!pbts_root_load_next(s->load, &q->want, q->now)) {
        if (pbts_root_load_state(s->load, &why) != PBTS_FETCH_PENDING) return false;
        q->now.mono_ms = pbts_root_load_deadline_ms(s->load);
    }
    read_question(q);
    return true;
}

static void take_question(question *q, scene *s) {
    assert_true(find_question(q, s));
}

static void forget(json_t *answer) {
    json_t *item;
    size_t i;
    json_array_foreach(answer, i, item) forget(item);
    if (!json_is_object(answer)) return;
    json_object_del(answer, "error");
    json_object_set_new(answer, "result", json_null());
}

static void answer_question(question *q, scene *s, behaviour how) {
    pbts_rpc_reply reply = { .http_status = PBTS_RPC_NO_ANSWER };
    char *text = NULL;
    if (how != BE_SILENT) {
        json_t *answer = model_answer(s->model, q->request, BLOCKS);
        if (how == LEAVE_OUT) {
            json_object_del(answer, "error");
            json_object_set_new(answer, "result", json_array());
        }
        if (how == FORGET) forget(answer);
        text = json_dumps(answer, JSON_COMPACT);
        reply = (pbts_rpc_reply){ 200, { (const uint8_t *)text, strlen(text) } };
        json_decref(answer);
    }
    q->now.mono_ms++;
    pbts_root_load_answer(s->load, q->want.id, &reply, q->now);
    free(text);
    json_decref(q->request);
}

/* True answers up to the first question about events behind `block`, which is left open. */
static void answer_up_to(question *q, scene *s, uint64_t block) {
    for (;;) {
        take_question(q, s);
        if (q->is_about_events && q->first_block > block) return;
        answer_question(q, s, ANSWER);
    }
}

/* The open question and all that follow are answered with nothing, until it begins again. */
static void leave_out_all(question *q, scene *s) {
    uint64_t last = 0;
    while (q->first_block > last) {
        last = q->first_block;
        answer_question(q, s, LEAVE_OUT);
        take_question(q, s);
        assert_true(q->is_about_events);
    }
    assert_int_equal(q->first_block, 1);
}

static void of_several_nobody_is_charged_and_then_one_alone_must_give_all(void **state) {
    (void)state;
    scene s;
    pbts_status why;
    question q = { 0 };
    scene_new(&s, BATCHES, 2, 1);
    s.model->range_max = 7;
    q.now.unix_s = s.config.block.timestamp_s;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    /* One gives the first batches and falls silent; the other goes on behind them. */
    answer_up_to(&q, &s, 1);
    uint32_t one = q.want.endpoint, other = 1 - one;
    uint64_t block = q.first_block;
    answer_question(&q, &s, BE_SILENT);
    take_question(&q, &s);
    assert_true(q.is_about_events && q.first_block == block);
    assert_int_equal(q.want.endpoint, other);
    leave_out_all(&q, &s);
    for (uint32_t i = 0; i < 2; i++) assert_int_equal(s.endpoints.each[i].last, PBTS_ENDPOINT_LATE);
    /* From now on one alone has all of it, or it is begun again. */
    one = q.want.endpoint;
    answer_question(&q, &s, ANSWER);
    answer_up_to(&q, &s, 1);
    assert_int_equal(q.want.endpoint, one);
    answer_question(&q, &s, BE_SILENT);
    take_question(&q, &s);
    assert_true(q.is_about_events && q.first_block == 1);
    other = q.want.endpoint;
    leave_out_all(&q, &s);
    assert_int_equal(s.endpoints.each[other].last, PBTS_ENDPOINT_OUTVOTED);
    while (pbts_root_load_state(s.load, &why) == PBTS_FETCH_PENDING) {
        answer_question(&q, &s, ANSWER);
        if (pbts_root_load_state(s.load, &why) == PBTS_FETCH_PENDING) take_question(&q, &s);
    }
    assert_int_equal(pbts_root_load_state(s.load, &why), PBTS_FETCH_DONE);
    assert_all_users(&s);
    scene_free(&s);
}

/* Events are there, and what they name is not: without end it would be asked for again. */
static void who_has_no_old_transactions_is_not_asked_for_ever(void **state) {
    (void)state;
    enum { QUIET_MS = 60000 };
    scene s;
    pbts_status why = PBTS_OK;
    question q = { 0 };
    scene_new(&s, BATCHES, 2, 1);
    s.config.give_up_ms = UINT64_MAX;
    s.config.quiet_max_ms = QUIET_MS;
    q.now.unix_s = s.config.block.timestamp_s;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    while (find_question(&q, &s)) {
        bool is_batch = json_is_array(q.request) && q.now.mono_ms > 0;
        assert_true(q.now.mono_ms < 2 * QUIET_MS);
        answer_question(&q, &s, is_batch ? FORGET : ANSWER);
    }
    assert_int_equal(pbts_root_load_state(s.load, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_IO);
    assert_true(q.now.mono_ms >= QUIET_MS);
    scene_free(&s);
}

/* As long as there is something new it goes on. */
static void slow_servers_are_waited_for(void **state) {
    (void)state;
    enum { QUIET_MS = 60000 };
    scene s;
    question q = { 0 };
    scene_new(&s, BATCHES, 1, 1);
    s.model->range_max = 7;
    s.config.give_up_ms = UINT64_MAX;
    s.config.quiet_max_ms = QUIET_MS;
    q.now.unix_s = s.config.block.timestamp_s;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    while (find_question(&q, &s)) {
        q.now.mono_ms += QUIET_MS / 8;
        answer_question(&q, &s, ANSWER);
    }
    assert_true(q.now.mono_ms > 2 * QUIET_MS);
    assert_all_users(&s);
    scene_free(&s);
}

static void an_owner_whose_data_do_not_lead_to_the_root_is_told_from_a_liar(void **state) {
    (void)state;
    static const soundness CASES[] = { UNREADABLE_DATA, WRONG_ROOT, WRONG_COUNT, LIMIT_COUNT };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        scene s;
        pbts_status why = PBTS_OK;
        scene_new_how(&s, BATCHES, 2, 1, CASES[i]);
        assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
        assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
        assert_int_equal(why, PBTS_CORRUPT);
        assert_int_equal(s.endpoints.each[0].bad_count + s.endpoints.each[1].bad_count, 0);
        scene_free(&s);
    }
}

/* What a reorganisation may leave: a batch that was made for another one. The next sets it right.
 */
static void a_batch_that_cannot_be_applied_changes_nothing(void **state) {
    (void)state;
    scene s;
    pbts_status why = PBTS_OK;
    scene_new_how(&s, BATCHES, 1, 1, STRAY_DATA);
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_DONE);
    assert_all_users(&s);
    scene_free(&s);
}

static void an_owner_has_what_the_data_lead_to_whatever_the_root(void **state) {
    (void)state;
    static const soundness CASES[] = { SOUND, WRONG_ROOT, WRONG_COUNT };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        for (uint32_t room = USERS - 1; room <= USERS; room++) {
            scene s;
            pbts_status why = PBTS_OK;
            scene_new_how(&s, BATCHES, 1, 1, CASES[i]);
            s.config.any_root = true;
            s.config.users_max = room;
            assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
            pbts_fetch_state done = finish(&s, &why);
            assert_int_equal(done, room == USERS ? PBTS_FETCH_DONE : PBTS_FETCH_FAILED);
            if (room == USERS) assert_all_users(&s);
            if (room < USERS) assert_int_equal(why, PBTS_LIMIT);
            assert_int_equal(s.endpoints.each[0].bad_count, 0);
            scene_free(&s);
        }
    }
}

static void more_users_than_a_tracker_may_have_are_not_loaded(void **state) {
    (void)state;
    scene s;
    pbts_status why;
    scene_new_how(&s, BATCHES, 1, 1, PAST_LIMIT);
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_LIMIT);
    scene_free(&s);
}

static void what_is_no_contract_in_root_mode_is_said(void **state) {
    (void)state;
    scene s;
    pbts_status why = PBTS_OK;
    scene_new(&s, 3, 1, 1);
    s.config.contract.bytes[5] ^= 1;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_NOT_FOUND);
    pbts_root_load_free(s.load);
    chain_model *slots = model_new(BLOCKS, 3, 1);
    s.world.model = slots;
    s.config.contract = slots->contract;
    s.config.block = model_trusted(slots, BLOCKS);
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_DENIED);
    model_free(slots);
    scene_free(&s);
}

static void an_old_block_is_refused_and_time_ends(void **state) {
    (void)state;
    scene s;
    pbts_status why = PBTS_OK;
    scene_new(&s, 3, 1, 1);
    s.config.age_max_s = 10;
    pbts_moment now = { .unix_s = s.config.block.timestamp_s + 11 };
    assert_int_equal(pbts_root_load_new(&s.load, pbts_mem_system(), &s.endpoints, &s.config, now),
                     PBTS_STALE);
    s.world.kinds[0] = DEAD;
    s.config.give_up_ms = 5000;
    assert_int_equal(begin(&s, pbts_mem_system()), PBTS_OK);
    assert_int_equal(finish(&s, &why), PBTS_FETCH_FAILED);
    assert_int_equal(why, PBTS_IO);
    scene_free(&s);
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    bool is_whole = false;
    scene s;
    scene_new(&s, BATCHES, 1, 1);
    for (size_t n = 0; !is_whole; n++) {
        pbts_status why = PBTS_OK;
        faulty_mem faulty = mem_failing_at(n);
        assert_int_equal(pbts_endpoints_init(&s.endpoints, 1, 1), PBTS_OK);
        pbts_status status = begin(&s, &faulty.mem);
        if (status == PBTS_OK) {
            is_whole = finish(&s, &why) == PBTS_FETCH_DONE;
            pbts_root_load_free(s.load);
        }
        s.load = NULL;
        assert_true(is_whole || status == PBTS_NO_MEMORY || why == PBTS_NO_MEMORY);
        assert_int_equal(faulty.live, 0);
        assert_true(n < 300);
    }
    scene_free(&s);
}

/* ---- calls ---- */

static pbts_status decode_exact(pbts_reputation_root_call *out, const uint8_t *call, size_t len) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, call, len);
    pbts_status status = pbts_reputation_root_call_decode(out, (pbts_span){ copy, len });
    free(copy);
    return status;
}

static void a_call_comes_back_and_nothing_else_does(void **state) {
    (void)state;
    uint8_t data[70], root[32], call[sizeof data + PBTS_REPUTATION_CALL_OVERHEAD_MAX + 32];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i + 1);
    for (size_t i = 0; i < sizeof root; i++) root[i] = (uint8_t)(i + 100);
    for (size_t len = 0; len <= sizeof data; len++) {
        pbts_reputation_root_call read;
        pbts_writer writer = pbts_writer_over(call, sizeof call);
        pbts_reputation_call_write_root(&writer, 7, PBTS_REPUTATION_U48_MAX, UINT32_MAX, root,
                                        (pbts_span){ data, len });
        assert_int_equal(pbts_reputation_root_call_decode(&read, pbts_writer_span(&writer)),
                         PBTS_OK);
        assert_true(read.sequence == 7 && read.epoch == PBTS_REPUTATION_U48_MAX);
        assert_int_equal(read.user_count, UINT32_MAX);
        assert_memory_equal(read.root, root, sizeof root);
        assert_true(pbts_span_equal(read.data, (pbts_span){ data, len }));
        for (size_t cut = 0; cut < writer.len; cut++)
            assert_int_equal(decode_exact(&read, call, cut), PBTS_MALFORMED);
        memset(call + writer.len, 0, 32);
        assert_int_equal(decode_exact(&read, call, writer.len + 32), PBTS_MALFORMED);
        call[4 + 4 * 32 + 31] ^= 32; /* the data elsewhere */
        assert_int_equal(decode_exact(&read, call, writer.len), PBTS_MALFORMED);
        call[4 + 4 * 32 + 31] ^= 32;
        call[0] ^= 1; /* another function */
        assert_int_equal(decode_exact(&read, call, writer.len), PBTS_MALFORMED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_user_comes_with_key_number_and_word),
        cmocka_unit_test(ranges_and_batches_adapt_to_what_servers_take),
        cmocka_unit_test(who_takes_few_blocks_does_not_set_the_pace),
        cmocka_unit_test(one_honest_endpoint_among_liars_is_enough),
        cmocka_unit_test(a_batch_left_out_or_altered_is_noticed_and_charged),
        cmocka_unit_test(another_history_is_noticed_at_the_proved_head),
        cmocka_unit_test(of_several_nobody_is_charged_and_then_one_alone_must_give_all),
        cmocka_unit_test(who_has_no_old_transactions_is_not_asked_for_ever),
        cmocka_unit_test(slow_servers_are_waited_for),
        cmocka_unit_test(an_owner_whose_data_do_not_lead_to_the_root_is_told_from_a_liar),
        cmocka_unit_test(a_batch_that_cannot_be_applied_changes_nothing),
        cmocka_unit_test(an_owner_has_what_the_data_lead_to_whatever_the_root),
        cmocka_unit_test(more_users_than_a_tracker_may_have_are_not_loaded),
        cmocka_unit_test(what_is_no_contract_in_root_mode_is_said),
        cmocka_unit_test(an_old_block_is_refused_and_time_ends),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(a_call_comes_back_and_nothing_else_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
