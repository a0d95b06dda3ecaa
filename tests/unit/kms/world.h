/* A key service in one process: nodes with disks that forget nothing, gossip that loses some of
 * what is said, a clock that the test moves, randomness from a seed. */
#ifndef PBTS_TEST_KMS_WORLD_H
#define PBTS_TEST_KMS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/secret.h"
#include "kms/node.h"

enum {
    WORLD_NODES = 5,
    WORLD_THRESHOLD = 3,
    WORLD_SAID_MAX = 4 * PBTS_KMS_NODES_MAX,
    WORLD_STEP_MS = 50,
    WORLD_PHASE_MS = 2000,
    WORLD_COMMIT_MS = 4000,
    WORLD_STEPS_MAX = 1000,
};

typedef struct {
    pbts_random random;
    pbts_prng prng;
} world_random;

static inline pbts_status world_fill(pbts_random *random, uint8_t *out, size_t len) {
    world_random *seeded = (world_random *)(void *)random;
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(pbts_prng_next(&seeded->prng) >> 32);
    return PBTS_OK;
}

/* What one node has written. */
typedef struct {
    const pbts_kms_group *group;
    uint8_t key[PBTS_KMS_KEY_LEN_MAX];
    size_t key_len;
    uint8_t *said;
    size_t said_len;
    bool has_ceremony;
    uint64_t epoch, attempt;
    uint8_t seed[PBTS_KMS_SEED_LEN];
    struct {
        size_t len;
        uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
    } messages[WORLD_SAID_MAX];
    size_t messages_len;
    bool is_full; /* nothing can be written any more */
} world_disk;

static inline pbts_status disk_begin(void *host, uint64_t epoch, uint64_t attempt,
                                     const uint8_t seed[static PBTS_KMS_SEED_LEN]) {
    world_disk *disk = host;
    if (disk->is_full) return PBTS_FULL;
    disk->has_ceremony = true;
    disk->epoch = epoch;
    disk->attempt = attempt;
    memcpy(disk->seed, seed, sizeof disk->seed);
    disk->messages_len = 0;
    return PBTS_OK;
}

static inline pbts_status disk_append(void *host, pbts_span message) {
    world_disk *disk = host;
    if (disk->is_full) return PBTS_FULL;
    assert_true(disk->messages_len < WORLD_SAID_MAX);
    disk->messages[disk->messages_len].len = message.len;
    memcpy(disk->messages[disk->messages_len++].bytes, message.data, message.len);
    return PBTS_OK;
}

static inline pbts_status disk_end(void *host, const pbts_kms_key *key, pbts_span said) {
    world_disk *disk = host;
    if (disk->is_full) return PBTS_FULL;
    pbts_writer writer = pbts_writer_over(disk->key, sizeof disk->key);
    pbts_kms_key_encode(&writer, key, disk->group);
    assert_false(writer.failed);
    disk->key_len = writer.len;
    free(disk->said);
    disk->said = malloc(said.len);
    assert_non_null(disk->said);
    memcpy(disk->said, said.data, said.len);
    disk->said_len = said.len;
    disk->has_ceremony = false;
    return PBTS_OK;
}

typedef struct {
    size_t nodes;
    pbts_kms_group group;
    pbts_bls_secret identities[PBTS_KMS_NODES_MAX];
    pbts_kms_node *node[PBTS_KMS_NODES_MAX]; /* NULL: it is dead */
    world_disk disks[PBTS_KMS_NODES_MAX];
    world_random random;
    uint64_t now_ms, pause_ms;
    uint32_t loss_percent;
    size_t refused; /* messages that a node would not take */
} world;

static inline void world_start(world *w, size_t i) {
    world_disk *disk = &w->disks[i];
    pbts_kms_node_config config = { .group = &w->group,
                                    .number = i + 1,
                                    .identity = w->identities[i],
                                    .commit_ms = WORLD_COMMIT_MS,
                                    .phase_ms = WORLD_PHASE_MS,
                                    .pause_ms = w->pause_ms,
                                    .random = &w->random.random,
                                    .journal = { disk, disk_begin, disk_append, disk_end } };
    pbts_kms_key key;
    if (disk->key_len > 0) {
        pbts_span bytes = { disk->key, disk->key_len };
        assert_int_equal(pbts_kms_key_decode(&key, &w->group, i + 1, bytes), PBTS_OK);
    }
    assert_int_equal(pbts_kms_node_new(&w->node[i], pbts_mem_system(), &config,
                                       disk->key_len > 0 ? &key : NULL,
                                       (pbts_span){ disk->said, disk->said_len }),
                     PBTS_OK);
    if (!disk->has_ceremony) return;
    assert_int_equal(
        pbts_kms_node_resume(w->node[i], disk->epoch, disk->attempt, disk->seed, w->now_ms),
        PBTS_OK);
    for (size_t j = 0; j < disk->messages_len; j++) {
        pbts_span message = { disk->messages[j].bytes, disk->messages[j].len };
        assert_int_equal(pbts_kms_node_replay(w->node[i], message, w->now_ms), PBTS_OK);
    }
}

static inline void world_kill(world *w, size_t i) {
    pbts_kms_node_free(w->node[i]);
    w->node[i] = NULL;
}

static inline world *world_new(size_t nodes, size_t threshold, uint64_t seed) {
    world *w = calloc(1, sizeof *w);
    pbts_bls_public keys[PBTS_KMS_NODES_MAX];
    assert_non_null(w);
    w->nodes = nodes;
    w->pause_ms = WORLD_STEP_MS;
    w->random = (world_random){ { world_fill }, pbts_prng_seeded(seed) };
    for (size_t i = 0; i < nodes; i++) {
        assert_int_equal(pbts_bls_generate(&w->identities[i], &w->random.random), PBTS_OK);
        pbts_bls_public_of(&keys[i], &w->identities[i]);
    }
    assert_int_equal(pbts_kms_group_init(&w->group, threshold, keys, nodes), PBTS_OK);
    for (size_t i = 0; i < nodes; i++) {
        w->disks[i].group = &w->group;
        world_start(w, i);
    }
    return w;
}

static inline void world_free(world *w) {
    for (size_t i = 0; i < w->nodes; i++) {
        world_kill(w, i);
        free(w->disks[i].said);
    }
    free(w);
}

/* Node i asks node j; each way a message may be lost. */
static inline void world_gossip(world *w, size_t i, size_t j) {
    uint8_t question[PBTS_KMS_QUESTION_LEN_MAX], *answer = malloc(PBTS_KMS_ANSWER_LEN_MAX);
    pbts_writer asked = pbts_writer_over(question, sizeof question);
    pbts_writer said = pbts_writer_over(answer, PBTS_KMS_ANSWER_LEN_MAX);
    size_t refused = 0;
    assert_non_null(answer);
    pbts_kms_node_ask(w->node[i], &asked);
    assert_false(asked.failed);
    pbts_status status = pbts_kms_node_answer(w->node[j], &said, pbts_writer_span(&asked));
    bool lost = pbts_prng_below(&w->random.prng, 100) < w->loss_percent;
    if (status == PBTS_OK && !lost) {
        status = pbts_kms_node_hear(w->node[i], &refused, pbts_writer_span(&said), w->now_ms);
        assert_true(status == PBTS_OK || w->disks[i].is_full);
    }
    w->refused += refused;
    free(answer);
}

static inline void world_step(world *w) {
    w->now_ms += WORLD_STEP_MS;
    for (size_t i = 0; i < w->nodes; i++) {
        if (w->node[i] == NULL) continue;
        pbts_status status = pbts_kms_node_tick(w->node[i], w->now_ms);
        assert_true(status == PBTS_OK || w->disks[i].is_full);
        size_t j = pbts_prng_below(&w->random.prng, (uint32_t)w->nodes);
        if (i != j && w->node[j] != NULL) world_gossip(w, i, j);
    }
}

static inline uint64_t world_epoch(const world *w, size_t i) {
    const pbts_kms_key *key = w->node[i] != NULL ? pbts_kms_node_key(w->node[i]) : NULL;
    return key != NULL ? key->public.epoch : 0;
}

/* Steps until all living nodes are in the epoch; false: they are not within WORLD_STEPS_MAX. */
static inline bool world_run(world *w, uint64_t epoch) {
    for (size_t step = 0; step < WORLD_STEPS_MAX; step++) {
        bool all = true;
        world_step(w);
        for (size_t i = 0; i < w->nodes; i++) {
            if (w->node[i] != NULL && world_epoch(w, i) != epoch) all = false;
        }
        if (all) return true;
    }
    return false;
}

static inline void world_begin(world *w, size_t i) {
    assert_int_equal(pbts_kms_node_begin(w->node[i], w->now_ms), PBTS_OK);
}

/* All living nodes have the same P and public shares, and shares of their own that fit. */
static inline void world_check(const world *w) {
    const pbts_kms_key *first = NULL;
    for (size_t i = 0; i < w->nodes; i++) {
        if (w->node[i] == NULL) continue;
        const pbts_kms_key *key = pbts_kms_node_key(w->node[i]);
        pbts_bls_public_point point;
        uint8_t a[PBTS_KMS_HASH_LEN], b[PBTS_KMS_HASH_LEN];
        assert_non_null(key);
        assert_true(key->has_share);
        pbts_bls_public_point_of(&point, &key->share);
        assert_true(pbts_bls_public_equal(&point, &key->public.shares[i]));
        if (first == NULL) first = key;
        pbts_kms_public_digest(a, &first->public, w->nodes);
        pbts_kms_public_digest(b, &key->public, w->nodes);
        assert_memory_equal(a, b, sizeof a);
    }
    assert_int_equal(pbts_kms_public_check(&first->public, w->nodes, w->group.threshold), PBTS_OK);
}

#endif
