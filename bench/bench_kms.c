/* What a key service costs: five nodes of src/kms in one process, any three of which give a key.
 *
 *     bench_kms        JSON on stdout, microseconds
 *
 * A round is one tracker that asks for its key: a nonce of each node, one quote (the simulator's),
 * the request to all five, of which each verifies quote and collateral by itself, its share sealed
 * to the tracker, three shares combined, one pairing. No network and no disk: every message is
 * encoded and decoded as it would be on the way. Key generation and refresh: all messages of all
 * nodes, by a gossip in which everybody asks everybody in turn. CPU time of this thread; "elapsed"
 * is the clock on the wall. Medians. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/simulator.h"
#include "kms/client.h"
#include "kms/gate.h"
#include "kms/node.h"

enum {
    NODES = 5,
    THRESHOLD = 3,
    ROUNDS = 101,
    CEREMONIES = 5,
    STEPS_MAX = 100,
    STEP_MS = 100,
    PHASE_MS = 60 * 1000,
    REQUEST_MAX = 64 * 1024,
};
#define NOW_S UINT64_C(1751624191)

typedef struct {
    pbts_kms_group group;
    pbts_bls_secret identities[NODES];
    pbts_kms_node *nodes[NODES];
    double node_us[NODES]; /* of what is measured now */
    pbts_kms_lineage lineage;
    pbts_kms_nonces nonces[NODES];
    pbts_kms_gate gates[NODES];
    pbts_kms_client client;
    pbts_simulator *simulator;
    uint8_t request[REQUEST_MAX], answer[PBTS_KMS_ANSWER_LEN_MAX];
    uint64_t now_ms;
} service;

typedef struct {
    double all_us, elapsed_us, node_us, tracker_us, quote_us;
} cost;

static void fail(const char *what) {
    fprintf(stderr, "bench_kms: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static void must(pbts_status status, const char *what) {
    if (status != PBTS_OK) fail(what);
}

static double clock_us(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double now_us(void) {
    return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t len) {
    qsort(values, len, sizeof values[0], by_value);
    return values[len / 2];
}

/* ---- key generation and refresh ---- */

static pbts_status forget_begin(void *host, uint64_t epoch, uint64_t attempt,
                                const uint8_t seed[static PBTS_KMS_SEED_LEN]) {
    (void)host, (void)epoch, (void)attempt, (void)seed;
    return PBTS_OK;
}

static pbts_status forget_message(void *host, pbts_span message) {
    (void)host, (void)message;
    return PBTS_OK;
}

static pbts_status forget_end(void *host, const pbts_kms_key *key, pbts_span said) {
    (void)host, (void)key, (void)said;
    return PBTS_OK;
}

static void make_group(service *s) {
    pbts_bls_public keys[NODES];
    for (size_t i = 0; i < NODES; i++) {
        must(pbts_bls_generate(&s->identities[i], pbts_random_system()), "key");
        pbts_bls_public_of(&keys[i], &s->identities[i]);
    }
    must(pbts_kms_group_init(&s->group, THRESHOLD, keys, NODES), "group");
}

static void start_nodes(service *s) {
    for (size_t i = 0; i < NODES; i++) {
        pbts_kms_node_config config = {
            .group = &s->group,
            .number = i + 1,
            .identity = s->identities[i],
            .commit_ms = PHASE_MS,
            .phase_ms = PHASE_MS,
            .pause_ms = 0,
            .random = pbts_random_system(),
            .journal = { NULL, forget_begin, forget_message, forget_end },
        };
        pbts_kms_node_free(s->nodes[i]);
        must(pbts_kms_node_new(&s->nodes[i], pbts_mem_system(), &config, NULL, (pbts_span){ 0 }),
             "node");
    }
}

static void ask(service *s, size_t asking, size_t asked) {
    uint8_t question_bytes[PBTS_KMS_QUESTION_LEN_MAX];
    pbts_writer question = pbts_writer_over(question_bytes, sizeof question_bytes);
    pbts_writer answer = pbts_writer_over(s->answer, sizeof s->answer);
    size_t refused = 0;
    double begun_us = now_us();
    pbts_kms_node_ask(s->nodes[asking], &question);
    double asked_us = now_us();
    must(pbts_kms_node_answer(s->nodes[asked], &answer, pbts_writer_span(&question)), "answer");
    double answered_us = now_us();
    must(pbts_kms_node_hear(s->nodes[asking], &refused, pbts_writer_span(&answer), s->now_ms),
         "gossip");
    s->node_us[asking] += asked_us - begun_us + (now_us() - answered_us);
    s->node_us[asked] += answered_us - asked_us;
}

static void step(service *s) {
    s->now_ms += STEP_MS;
    for (size_t i = 0; i < NODES; i++) {
        double begun_us = now_us();
        must(pbts_kms_node_tick(s->nodes[i], s->now_ms), "tick");
        s->node_us[i] += now_us() - begun_us;
        for (size_t j = 0; j < NODES; j++) {
            if (i != j) ask(s, i, j);
        }
    }
}

static bool all_in(const service *s, uint64_t epoch) {
    for (size_t i = 0; i < NODES; i++) {
        const pbts_kms_key *key = pbts_kms_node_key(s->nodes[i]);
        if (key == NULL || key->public.epoch != epoch || !key->has_share) return false;
    }
    return true;
}

/* From the first word of one node until all have the key of the epoch. */
static cost run_ceremony(service *s, uint64_t epoch) {
    cost out = { .elapsed_us = clock_us(CLOCK_MONOTONIC) };
    double begun_us = now_us();
    memset(s->node_us, 0, sizeof s->node_us);
    must(pbts_kms_node_begin(s->nodes[0], s->now_ms), "beginning");
    s->node_us[0] = now_us() - begun_us;
    for (int i = 0; !all_in(s, epoch); i++) {
        if (i == STEPS_MAX) fail("ceremony");
        step(s);
    }
    out.all_us = now_us() - begun_us;
    out.elapsed_us = clock_us(CLOCK_MONOTONIC) - out.elapsed_us;
    out.node_us = median(s->node_us, NODES);
    return out;
}

/* ---- a key ---- */

static void open_gates(service *s) {
    static const char POLICY[] = "measurement = any any any any any\nkms_simulated = yes\n";
    pbts_policy_mistake mistake;
    must(pbts_kms_lineage_parse(&s->lineage, &mistake, pbts_mem_system(), pbts_span_text(POLICY)),
         "policy");
    memset(s->lineage.id.bytes, 0xa0, sizeof s->lineage.id.bytes);
    for (size_t i = 0; i < NODES; i++) {
        s->gates[i] = (pbts_kms_gate){ .group = &s->group,
                                       .number = i + 1,
                                       .lineages = &s->lineage,
                                       .lineages_len = 1,
                                       .root = &PBTS_ATTEST_INTEL,
                                       .simulator = &PBTS_ATTEST_SIMULATOR,
                                       .nonces = &s->nonces[i],
                                       .random = pbts_random_system(),
                                       .mem = pbts_mem_system() };
        must(pbts_kms_nonces_init(&s->nonces[i], i + 1, pbts_random_system()), "nonces");
    }
}

static void say_hello(service *s, size_t i) {
    uint8_t bytes[PBTS_KMS_HELLO_LEN_MAX];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_kms_hello hello;
    double begun_us = now_us();
    must(pbts_kms_gate_hello(&hello, &s->gates[i], pbts_kms_node_key(s->nodes[i]), s->now_ms),
         "hello");
    pbts_kms_hello_encode(&writer, &hello);
    s->node_us[i] += now_us() - begun_us;
    must(pbts_kms_client_hello(&s->client, i + 1, pbts_writer_span(&writer)), "hello");
}

/* The quote is the work of the machine that a tracker runs on, so its time is kept apart. */
static pbts_span make_request(service *s, double *quote_us) {
    uint8_t quote[PBTS_SIMULATOR_QUOTE_MAX], report_data[PBTS_REPORT_DATA_LEN];
    pbts_writer quoted = pbts_writer_over(quote, sizeof quote);
    pbts_writer request = pbts_writer_over(s->request, sizeof s->request);
    pbts_collateral_files collateral;
    must(pbts_kms_client_report_data(&s->client, report_data), "report data");
    double begun_us = now_us();
    must(pbts_simulator_quote(&quoted, s->simulator, report_data), "quote");
    pbts_simulator_collateral(&collateral, s->simulator);
    *quote_us = now_us() - begun_us;
    must(pbts_kms_client_request(&s->client, &request, pbts_writer_span(&quoted), &collateral),
         "request");
    return pbts_writer_span(&request);
}

static void give_share(service *s, size_t i, pbts_span request) {
    const pbts_moment now = { .unix_s = NOW_S, .mono_ms = s->now_ms };
    uint8_t bytes[PBTS_KMS_REPLY_LEN_MAX];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_kms_reply reply;
    pbts_kms_verdict verdict;
    double begun_us = now_us();
    must(pbts_kms_gate_answer(&reply, &verdict, &s->gates[i], pbts_kms_node_key(s->nodes[i]),
                              request, now),
         pbts_attest_reason_word(verdict.reason));
    pbts_kms_reply_encode(&writer, &reply);
    s->node_us[i] += now_us() - begun_us;
    must(pbts_kms_client_reply(&s->client, i + 1, pbts_writer_span(&writer)), "reply");
}

static cost run_round(service *s, uint8_t key[static PBTS_KMS_KEY_TRK_LEN]) {
    pbts_kms_client_config config = {
        .nodes = NODES, .threshold = THRESHOLD, .is_simulated = true, .lineage = s->lineage.id
    };
    cost out = { .elapsed_us = clock_us(CLOCK_MONOTONIC) };
    pbts_bls_public_encode(&config.group, &pbts_kms_node_key(s->nodes[0])->public.group);
    memset(s->node_us, 0, sizeof s->node_us);
    double begun_us = now_us();
    must(pbts_kms_client_init(&s->client, &config, pbts_random_system()), "client");
    for (size_t i = 0; i < NODES; i++) say_hello(s, i);
    pbts_span request = make_request(s, &out.quote_us);
    for (size_t i = 0; i < NODES; i++) give_share(s, i, request);
    must(pbts_kms_client_key(&s->client, key), "key");
    pbts_kms_client_deinit(&s->client);
    out.all_us = now_us() - begun_us;
    out.elapsed_us = clock_us(CLOCK_MONOTONIC) - out.elapsed_us;
    out.tracker_us = out.all_us - out.quote_us;
    for (size_t i = 0; i < NODES; i++) out.tracker_us -= s->node_us[i];
    out.node_us = median(s->node_us, NODES);
    s->now_ms += PBTS_KMS_NONCE_MS / 2; /* so that used nonces are forgotten */
    return out;
}

/* ---- figures ---- */

static double middle(const cost *costs, size_t len, size_t offset) {
    double values[ROUNDS];
    for (size_t i = 0; i < len; i++)
        memcpy(&values[i], (const char *)&costs[i] + offset, sizeof values[i]);
    return median(values, len);
}

static void print(const char *name, const cost *costs, size_t len, size_t offset, const char *end) {
    printf("  \"%s\": %.1f%s\n", name, middle(costs, len, offset), end);
}

static void measure_rounds(service *s) {
    cost costs[ROUNDS];
    uint8_t first[PBTS_KMS_KEY_TRK_LEN], key[PBTS_KMS_KEY_TRK_LEN];
    open_gates(s);
    (void)run_round(s, first);
    for (size_t i = 0; i < ROUNDS; i++) {
        costs[i] = run_round(s, key);
        if (memcmp(first, key, sizeof key) != 0) fail("the same key again");
    }
    print("KMS round, n = 5", costs, ROUNDS, offsetof(cost, all_us), ",");
    print("KMS round, n = 5: elapsed", costs, ROUNDS, offsetof(cost, elapsed_us), ",");
    print("KMS round, n = 5: each node", costs, ROUNDS, offsetof(cost, node_us), ",");
    print("KMS round, n = 5: the tracker, without its quote", costs, ROUNDS,
          offsetof(cost, tracker_us), ",");
}

int main(void) {
    service *s = calloc(1, sizeof *s);
    cost made[CEREMONIES], refreshed[CEREMONIES];
    if (s == NULL) fail("memory");
    make_group(s);
    must(pbts_simulator_new(&s->simulator, pbts_mem_system(), NOW_S), "simulator");
    for (size_t i = 0; i < CEREMONIES; i++) {
        start_nodes(s);
        made[i] = run_ceremony(s, 1);
        refreshed[i] = run_ceremony(s, 2);
    }
    printf("{\n");
    measure_rounds(s);
    print("KMS key generation, n = 5", made, CEREMONIES, offsetof(cost, all_us), ",");
    print("KMS key generation, n = 5: each node", made, CEREMONIES, offsetof(cost, node_us), ",");
    print("KMS refresh, n = 5", refreshed, CEREMONIES, offsetof(cost, all_us), ",");
    print("KMS refresh, n = 5: each node", refreshed, CEREMONIES, offsetof(cost, node_us), "");
    printf("}\n");
    for (size_t i = 0; i < NODES; i++) pbts_kms_node_free(s->nodes[i]);
    pbts_simulator_free(s->simulator);
    free(s);
    return 0;
}
