/* Endpoints before a model of a chain: honest ones, and every way of not being. And a loop that
 * posts what a core wants, some of it late and out of order, on a clock of its own. */
#ifndef PBTS_TEST_ETH_CHAIN_LIARS_H
#define PBTS_TEST_ETH_CHAIN_LIARS_H

#include "chain_model.h"
#include "eth/quorum.h"
#include "eth/root_load.h"
#include "eth/user_load.h"

typedef enum {
    HONEST,
    DEAD,
    BUSY,
    HTTP_ERROR,
    GARBAGE,
    TRUNCATED,
    HUGE_ANSWER,
    WRONG_ID,
    WRONG_TYPES,
    NEGATIVE,
    LEADING_ZEROS,
    FLIPPED,
    LAGGING,
    BOASTING,
    OTHER_STATE,
    OTHER_BLOCK, /* header and proof, which go together */
    OTHER_CHAIN,
    OMITS,
    ALTERS, /* the key in an event, a total in a transaction */
    KINDS
} endpoint_kind;

typedef struct {
    const chain_model *model, *fork; /* what liars of OTHER_CHAIN tell of, all the same */
    endpoint_kind kinds[PBTS_ENDPOINTS_MAX];
    uint64_t range_max[PBTS_ENDPOINTS_MAX]; /* blocks of one eth_getLogs; 0: as the model */
    pbts_prng prng;
    size_t asked[PBTS_ENDPOINTS_MAX];
} liars;

/* ---- lies ---- */

/* Change the texts of all quantities and data below `value`. */
static inline void lie_in_texts(json_t *value, endpoint_kind kind) {
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_array(value)) {
        json_array_foreach(value, i, item) lie_in_texts(item, kind);
    } else if (json_is_object(value)) {
        json_object_foreach(value, key, item) {
            if (strcmp(key, "id") == 0) continue;
            if (json_is_string(item) && kind == WRONG_TYPES) {
                json_object_set_new(value, key, json_integer(-5));
            } else {
                lie_in_texts(item, kind);
            }
        }
    } else if (json_is_string(value)) {
        char text[128] = "";
        (void)snprintf(text, sizeof text, kind == NEGATIVE ? "-%.90s" : "0x0%.90s",
                       json_string_value(value) + (kind == NEGATIVE ? 0 : 2));
        json_string_set(value, text);
    }
}

static inline void lie_about_ids(json_t *answer) {
    json_t *item;
    size_t i;
    if (json_is_object(answer)) json_object_set_new(answer, "id", json_integer(77777777));
    json_array_foreach(answer, i, item) lie_about_ids(item);
}

/* The proof is of the block before; the header too, unless `proof_only`. */
static inline void ask_another_block(const chain_model *model, json_t *request, uint64_t head,
                                     bool proof_only) {
    json_t *item;
    size_t i;
    json_array_foreach(request, i, item) ask_another_block(model, item, head, proof_only);
    const char *method = json_string_value(json_object_get(request, "method"));
    if (method == NULL) return;
    bool is_proof = strcmp(method, "eth_getProof") == 0;
    if (!is_proof && (proof_only || strcmp(method, "eth_getBlockByHash") != 0)) return;
    json_t *params = json_object_get(request, "params");
    size_t at = is_proof ? 2 : 0;
    const model_block *block = model_find(model, json_array_get(params, at), head);
    if (block == NULL || block->header.number < 2) return;
    json_array_set_new(params, at, model_number(block->header.number - 1));
}

/* One digit of one event's key. */
static inline void alter_an_event(pbts_prng *prng, json_t *logs) {
    json_t *log = json_array_get(logs, pbts_prng_below(prng, (uint32_t)json_array_size(logs)));
    char *data = strdup(json_string_value(json_object_get(log, "data")));
    size_t last = strlen(data) - 1;
    data[last] = data[last] == '0' ? '1' : '0';
    json_object_set_new(log, "data", json_string(data));
    free(data);
}

/* One digit near the end of a transaction's data, also within a batch. */
static inline void alter_a_transaction(pbts_prng *prng, json_t *answer) {
    if (json_is_array(answer) && json_array_size(answer) > 0) {
        uint32_t which = pbts_prng_below(prng, (uint32_t)json_array_size(answer));
        alter_a_transaction(prng, json_array_get(answer, which));
        return;
    }
    json_t *transaction = json_object_get(answer, "result");
    const char *input = json_string_value(json_object_get(transaction, "input"));
    if (input == NULL) return;
    char *data = strdup(input);
    size_t at = strlen(data) - 1 - pbts_prng_below(prng, 64);
    data[at] = data[at] == '0' ? '1' : '0';
    json_object_set_new(transaction, "input", json_string(data));
    free(data);
}

static inline json_t *lying_answer(liars *world, uint32_t endpoint, json_t *request) {
    const chain_model *model = world->model;
    endpoint_kind kind = world->kinds[endpoint];
    uint64_t head = model->blocks_len;
    if (kind == LAGGING) head = head / 2;
    if (kind == OTHER_STATE) ask_another_block(model, request, head, true);
    if (kind == OTHER_BLOCK) ask_another_block(model, request, head, false);
    if (kind == OTHER_CHAIN) model = world->fork;
    chain_model own = *model;
    if (world->range_max[endpoint] > 0) own.range_max = world->range_max[endpoint];
    json_t *answer = model_answer(&own, request, head);
    json_t *result = json_object_get(answer, "result");
    if (kind == BOASTING && json_is_string(result)) json_string_set(result, "0xffffffff");
    if (kind == OMITS && json_array_size(result) > 0) {
        json_array_remove(result, pbts_prng_below(&world->prng, (uint32_t)json_array_size(result)));
    }
    if (kind == ALTERS && json_array_size(result) > 0) alter_an_event(&world->prng, result);
    if (kind == ALTERS && json_array_size(result) == 0) alter_a_transaction(&world->prng, answer);
    if (kind == WRONG_TYPES || kind == NEGATIVE || kind == LEADING_ZEROS) {
        if (json_is_string(result) && kind == WRONG_TYPES) {
            json_object_set_new(answer, "result", json_integer(5));
        } else {
            lie_in_texts(answer, kind);
        }
    }
    if (kind == WRONG_ID) lie_about_ids(answer);
    return answer;
}

/* What comes back for a want; the body is the caller's to free. */
static inline pbts_rpc_reply liars_post(liars *world, uint32_t endpoint, pbts_span body) {
    endpoint_kind kind = world->kinds[endpoint];
    world->asked[endpoint]++;
    if (kind == DEAD) return (pbts_rpc_reply){ .http_status = PBTS_RPC_NO_ANSWER };
    if (kind == HUGE_ANSWER) return (pbts_rpc_reply){ .http_status = PBTS_RPC_TOO_LONG };
    if (kind == BUSY) return (pbts_rpc_reply){ .http_status = PBTS_RPC_HTTP_BUSY };
    if (kind == HTTP_ERROR) return (pbts_rpc_reply){ .http_status = 503 };
    json_t *request = json_loadb((const char *)body.data, body.len, 0, NULL);
    assert_non_null(request);
    json_t *answer = lying_answer(world, endpoint, request);
    char *text = json_dumps(answer, JSON_COMPACT);
    size_t len = strlen(text);
    if (kind == FLIPPED) {
        text[pbts_prng_below(&world->prng, (uint32_t)len)] ^=
            (char)(1 << pbts_prng_below(&world->prng, 7));
    }
    if (kind == TRUNCATED) len = pbts_prng_below(&world->prng, (uint32_t)len);
    for (size_t i = 0; kind == GARBAGE && i < len; i++)
        text[i] = (char)pbts_prng_next(&world->prng);
    json_decref(request);
    json_decref(answer);
    return (pbts_rpc_reply){ .http_status = 200, .body = { (uint8_t *)text, len } };
}

/* ---- the loop ---- */

typedef struct { /* a core under test */
    void *core;
    bool (*next)(void *core, pbts_rpc_want *out, pbts_moment now);
    void (*answer)(void *core, uint64_t id, const pbts_rpc_reply *reply, pbts_moment now);
    uint64_t (*deadline_ms)(void *core);
    bool (*is_over)(void *core);
} core_under_test;

enum { FLIGHT_MAX = 64, STEPS_MAX = 200000 };

typedef struct {
    uint64_t id;
    uint32_t endpoint;
    uint8_t *body;
    size_t len;
} flight;

static inline void answer_one(liars *world, const core_under_test *test, flight *flights,
                              size_t *len, pbts_moment now) {
    size_t i = pbts_prng_below(&world->prng, (uint32_t)*len);
    flight chosen = flights[i];
    flights[i] = flights[--*len];
    pbts_rpc_reply reply =
        liars_post(world, chosen.endpoint, (pbts_span){ chosen.body, chosen.len });
    /* An exact copy, so that a byte too far is noticed. */
    uint8_t *exact = malloc(reply.body.len + (reply.body.len == 0));
    assert_non_null(exact);
    if (reply.body.len > 0) memcpy(exact, reply.body.data, reply.body.len);
    free((void *)(uintptr_t)reply.body.data);
    reply.body.data = exact;
    test->answer(test->core, chosen.id, &reply, now);
    free(exact);
    free(chosen.body);
}

/* Run until it is over or `until_ms`; gives the time. */
static inline uint64_t run_core(liars *world, const core_under_test *test, uint64_t from_ms,
                                uint64_t until_ms, uint64_t unix_s) {
    flight flights[FLIGHT_MAX];
    size_t len = 0, steps = 0;
    pbts_moment now = { .unix_s = unix_s, .mono_ms = from_ms };
    while (!test->is_over(test->core) && now.mono_ms < until_ms) {
        pbts_rpc_want want;
        assert_true(steps++ < STEPS_MAX);
        while (len < FLIGHT_MAX && test->next(test->core, &want, now)) {
            flights[len] = (flight){ want.id, want.endpoint, malloc(want.body.len), want.body.len };
            assert_non_null(flights[len].body);
            memcpy(flights[len++].body, want.body.data, want.body.len);
        }
        if (len > 0) {
            now.mono_ms += 1 + pbts_prng_below(&world->prng, 50);
            answer_one(world, test, flights, &len, now);
            continue;
        }
        if (test->is_over(test->core)) break;
        uint64_t deadline_ms = test->deadline_ms(test->core);
        assert_true(deadline_ms != UINT64_MAX); /* it would never go on */
        now.mono_ms = deadline_ms > now.mono_ms ? deadline_ms : now.mono_ms + 1;
    }
    for (size_t i = 0; i < len; i++) free(flights[i].body);
    return now.mono_ms;
}

/* ---- the cores ---- */

static inline bool quorum_over(void *core) {
    pbts_trusted_block block;
    return pbts_quorum_state(core, &block) == PBTS_FETCH_DONE;
}
static inline bool quorum_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    return pbts_quorum_next(core, out, now);
}
static inline void quorum_answer(void *core, uint64_t id, const pbts_rpc_reply *reply,
                                 pbts_moment now) {
    pbts_quorum_answer(core, id, reply, now);
}
static inline uint64_t quorum_deadline(void *core) {
    return pbts_quorum_deadline_ms(core);
}
static inline core_under_test of_quorum(pbts_quorum *quorum) {
    return (core_under_test){ quorum, quorum_next, quorum_answer, quorum_deadline, quorum_over };
}

static inline bool read_over(void *core) {
    pbts_status why;
    return pbts_chain_read_state(core, &why) != PBTS_FETCH_PENDING;
}
static inline bool read_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    return pbts_chain_read_next(core, out, now);
}
static inline void read_answer(void *core, uint64_t id, const pbts_rpc_reply *reply,
                               pbts_moment now) {
    pbts_chain_read_answer(core, id, reply, now);
}
static inline uint64_t read_deadline(void *core) {
    return pbts_chain_read_deadline_ms(core);
}
static inline core_under_test of_read(pbts_chain_read *read) {
    return (core_under_test){ read, read_next, read_answer, read_deadline, read_over };
}

static inline bool load_over(void *core) {
    pbts_status why;
    return pbts_user_load_state(core, &why) != PBTS_FETCH_PENDING;
}
static inline bool load_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    return pbts_user_load_next(core, out, now);
}
static inline void load_answer(void *core, uint64_t id, const pbts_rpc_reply *reply,
                               pbts_moment now) {
    pbts_user_load_answer(core, id, reply, now);
}
static inline uint64_t load_deadline(void *core) {
    return pbts_user_load_deadline_ms(core);
}
static inline core_under_test of_load(pbts_user_load *load) {
    return (core_under_test){ load, load_next, load_answer, load_deadline, load_over };
}

static inline bool root_load_over(void *core) {
    pbts_status why;
    return pbts_root_load_state(core, &why) != PBTS_FETCH_PENDING;
}
static inline bool root_load_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    return pbts_root_load_next(core, out, now);
}
static inline void root_load_answer(void *core, uint64_t id, const pbts_rpc_reply *reply,
                                    pbts_moment now) {
    pbts_root_load_answer(core, id, reply, now);
}
static inline uint64_t root_load_deadline(void *core) {
    return pbts_root_load_deadline_ms(core);
}
static inline core_under_test of_root_load(pbts_root_load *load) {
    return (core_under_test){ load, root_load_next, root_load_answer, root_load_deadline,
                              root_load_over };
}

#endif
