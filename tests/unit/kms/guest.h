/* A group that has its key already, and a guest with forged evidence that asks it for things. */
#ifndef PBTS_TEST_KMS_GUEST_H
#define PBTS_TEST_KMS_GUEST_H

#include "attest/forge.h"
#include "hash/hkdf.h"
#include "kms/client.h"
#include "kms/gate.h"

enum { GUEST_NODES = 5, GUEST_THRESHOLD = 3, GUEST_REQUEST_MAX = 64 * 1024 };

typedef struct {
    pbts_random random;
    pbts_prng prng;
} guest_random;

static inline pbts_status guest_fill(pbts_random *random, uint8_t *out, size_t len) {
    guest_random *seeded = (guest_random *)(void *)random;
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(pbts_prng_next(&seeded->prng) >> 32);
    return PBTS_OK;
}

typedef struct {
    guest_random random;
    pbts_kms_group group;
    pbts_bls_secret f[GUEST_THRESHOLD]; /* what nobody should know */
    pbts_bls_public public;             /* P */
    pbts_kms_key keys[GUEST_NODES];
    pbts_kms_lineage lineages[2];
    pbts_kms_nonces nonces[GUEST_NODES];
    pbts_kms_gate gates[GUEST_NODES];
    forgery *evidence;
    pbts_moment now;
} guest_scene;

/* Shares of f. */
static inline void guest_share(guest_scene *s, uint64_t epoch) {
    pbts_kms_public public = { .epoch = epoch };
    pbts_bls_public_point_of(&public.group, &s->f[0]);
    for (size_t i = 0; i < GUEST_NODES; i++) {
        assert_int_equal(
            pbts_bls_polynomial_at(&s->keys[i].share, s->f, GUEST_THRESHOLD, (uint8_t)(i + 1)),
            PBTS_OK);
        pbts_bls_public_point_of(&public.shares[i], &s->keys[i].share);
    }
    for (size_t i = 0; i < GUEST_NODES; i++) {
        s->keys[i].public = public;
        s->keys[i].has_share = true;
    }
    pbts_bls_public_encode(&s->public, &public.group);
}

static inline void guest_policy(pbts_kms_lineage *lineage, const char *text) {
    pbts_policy_mistake mistake;
    assert_int_equal(
        pbts_kms_lineage_parse(lineage, &mistake, pbts_mem_system(), pbts_span_text(text)),
        PBTS_OK);
}

#define GUEST_POLICY "measurement = any any any any any\nkms_statement_max_s = 1000\n"

static inline guest_scene *guest_new(void) {
    guest_scene *s = calloc(1, sizeof *s);
    pbts_bls_public keys[GUEST_NODES];
    pbts_bls_secret secret;
    assert_non_null(s);
    s->random = (guest_random){ { guest_fill }, pbts_prng_seeded(1) };
    s->now = (pbts_moment){ .unix_s = FORGE_NOW_S, .mono_ms = 1000 };
    for (size_t i = 0; i < GUEST_NODES; i++) {
        assert_int_equal(pbts_bls_generate(&secret, &s->random.random), PBTS_OK);
        pbts_bls_public_of(&keys[i], &secret);
    }
    assert_int_equal(pbts_kms_group_init(&s->group, GUEST_THRESHOLD, keys, GUEST_NODES), PBTS_OK);
    for (size_t i = 0; i < GUEST_THRESHOLD; i++) {
        assert_int_equal(pbts_bls_generate(&s->f[i], &s->random.random), PBTS_OK);
    }
    guest_share(s, 1);
    s->evidence = forge(&(forge_plan){ 0 });
    memset(s->lineages[0].id.bytes, 0xa0, PBTS_KMS_LINEAGE_LEN);
    memset(s->lineages[1].id.bytes, 0xb0, PBTS_KMS_LINEAGE_LEN);
    guest_policy(&s->lineages[0], GUEST_POLICY);
    guest_policy(&s->lineages[1], GUEST_POLICY "kms_mode = pinned\nkms_generation_max = 7\n");
    for (size_t i = 0; i < GUEST_NODES; i++) {
        assert_int_equal(pbts_kms_nonces_init(&s->nonces[i], i + 1, &s->random.random), PBTS_OK);
        s->gates[i] = (pbts_kms_gate){ .group = &s->group,
                                       .number = i + 1,
                                       .lineages = s->lineages,
                                       .lineages_len = 2,
                                       .root = &s->evidence->anchor,
                                       .nonces = &s->nonces[i],
                                       .random = &s->random.random,
                                       .mem = pbts_mem_system() };
    }
    return s;
}

static inline void guest_free(guest_scene *s) {
    forge_free(s->evidence);
    free(s);
}

/* The evidence's quote, made anew for something, by another program if `started` is not 0. */
static inline pbts_span guest_quote(guest_scene *s,
                                    const uint8_t report_data[static PBTS_REPORT_DATA_LEN],
                                    uint8_t started) {
    enum { BODY = 48, END = 632 };
    uint8_t *quote = s->evidence->quote;
    memset(quote + BODY + 328, started != 0 ? started : 0x20, 48); /* RTMR0 */
    memcpy(quote + BODY + 520, report_data, PBTS_REPORT_DATA_LEN);
    forge_sign(quote + END + 4, s->evidence->keys[FORGE_ATTEST], (pbts_span){ quote, END });
    return s->evidence->quote_span;
}

/* One conversation. */
typedef struct {
    guest_scene *s;
    pbts_kms_client client;
    uint8_t started;
    uint8_t request[GUEST_REQUEST_MAX];
    size_t request_len;
    pbts_kms_verdict verdicts[GUEST_NODES];
} guest_talk;

static inline pbts_kms_client_config guest_config(const guest_scene *s) {
    return (pbts_kms_client_config){ .group = s->public,
                                     .nodes = GUEST_NODES,
                                     .threshold = GUEST_THRESHOLD,
                                     .lineage = s->lineages[0].id };
}

static inline guest_talk *guest_begin(guest_scene *s, const pbts_kms_client_config *config) {
    guest_talk *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->s = s;
    assert_int_equal(pbts_kms_client_init(&t->client, config, &s->random.random), PBTS_OK);
    return t;
}

static inline void guest_end(guest_talk *t) {
    pbts_kms_client_deinit(&t->client);
    free(t);
}

/* HELLOs of the nodes in `set`, bit i for node i + 1, and the request. */
static inline void guest_prepare(guest_talk *t, unsigned set) {
    uint8_t bytes[PBTS_KMS_HELLO_LEN_MAX], report_data[PBTS_REPORT_DATA_LEN];
    for (size_t i = 0; i < GUEST_NODES; i++) {
        pbts_kms_hello hello;
        if ((set >> i & 1) == 0) continue;
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        assert_int_equal(
            pbts_kms_gate_hello(&hello, &t->s->gates[i], &t->s->keys[i], t->s->now.mono_ms),
            PBTS_OK);
        pbts_kms_hello_encode(&writer, &hello);
        assert_int_equal(pbts_kms_client_hello(&t->client, i + 1, pbts_writer_span(&writer)),
                         PBTS_OK);
    }
    assert_int_equal(pbts_kms_client_report_data(&t->client, report_data), PBTS_OK);
    pbts_writer request = pbts_writer_over(t->request, sizeof t->request);
    pbts_span quote = guest_quote(t->s, report_data, t->started);
    assert_int_equal(pbts_kms_client_request(&t->client, &request, quote, &t->s->evidence->files),
                     PBTS_OK);
    t->request_len = request.len;
}

/* What node i + 1 says to the request; the reply goes to the client. */
static inline pbts_status guest_ask(guest_talk *t, size_t i) {
    uint8_t bytes[PBTS_KMS_REPLY_LEN_MAX];
    pbts_kms_reply reply;
    uint8_t *request = malloc(t->request_len);
    assert_non_null(request);
    memcpy(request, t->request, t->request_len);
    pbts_status status =
        pbts_kms_gate_answer(&reply, &t->verdicts[i], &t->s->gates[i], &t->s->keys[i],
                             (pbts_span){ request, t->request_len }, t->s->now);
    free(request);
    if (status != PBTS_OK) return status;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_kms_reply_encode(&writer, &reply);
    assert_int_equal(pbts_kms_client_reply(&t->client, i + 1, pbts_writer_span(&writer)), PBTS_OK);
    return PBTS_OK;
}

/* All of it, with the nodes of `set`; the status of the key. */
static inline pbts_status guest_key(guest_scene *s, uint8_t out[static PBTS_KMS_KEY_TRK_LEN],
                                    const pbts_kms_client_config *config, uint8_t started,
                                    unsigned set) {
    guest_talk *t = guest_begin(s, config);
    t->started = started;
    guest_prepare(t, 0x1f);
    for (size_t i = 0; i < GUEST_NODES; i++) {
        if ((set >> i & 1) != 0) (void)!guest_ask(t, i);
    }
    pbts_status status = pbts_kms_client_key(&t->client, out);
    guest_end(t);
    return status;
}

/* Why node 1 refuses the request as it stands. */
static inline const char *guest_refusal(guest_talk *t) {
    assert_int_not_equal(guest_ask(t, 0), PBTS_OK);
    const pbts_kms_verdict *verdict = &t->verdicts[0];
    assert_int_not_equal(verdict->refusal, PBTS_KMS_REFUSED_NONE);
    return verdict->refusal == PBTS_KMS_REFUSED_EVIDENCE ? pbts_attest_reason_word(verdict->reason)
                                                         : pbts_kms_refusal_word(verdict->refusal);
}

#endif
