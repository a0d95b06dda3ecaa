/* libFuzzer target: what nodes and trackers of the key service say. Decoding is total, what is
 * taken is written back as the same bytes, and nothing random is answered or counts. */
#include <stdlib.h>

#include "base/secret.h"
#include "kms/client.h"
#include "kms/gate.h"
#include "kms/node.h"

static void require(bool truth) {
    if (!truth) abort();
}

static pbts_status no_begin(void *host, uint64_t epoch, uint64_t attempt,
                            const uint8_t seed[static PBTS_KMS_SEED_LEN]) {
    (void)host, (void)epoch, (void)attempt, (void)seed;
    return PBTS_OK;
}

static pbts_status no_append(void *host, pbts_span message) {
    (void)host, (void)message;
    return PBTS_OK;
}

static pbts_status no_end(void *host, const pbts_kms_key *key, pbts_span said) {
    (void)host, (void)key, (void)said;
    abort(); /* no ceremony of three ends by what one stranger says */
}

static const pbts_kms_group *group_of_three(void) {
    static pbts_kms_group group;
    pbts_bls_public keys[3];
    if (group.nodes > 0) return &group;
    for (uint8_t i = 0; i < 3; i++) {
        pbts_bls_public_of(&keys[i], &(pbts_bls_secret){ { [31] = (uint8_t)(i + 1) } });
    }
    require(pbts_kms_group_init(&group, 2, keys, 3) == PBTS_OK);
    return &group;
}

static void check_gossip(pbts_span bytes) {
    static pbts_kms_node *node;
    static uint8_t answer[PBTS_KMS_ANSWER_LEN_MAX];
    size_t refused;
    if (node == NULL) {
        pbts_kms_node_config config = { .group = group_of_three(),
                                        .number = 1,
                                        .identity = { { [31] = 1 } },
                                        .commit_ms = 1000,
                                        .phase_ms = 1000,
                                        .random = pbts_random_system(),
                                        .journal = { NULL, no_begin, no_append, no_end } };
        require(pbts_kms_node_new(&node, pbts_mem_system(), &config, NULL, (pbts_span){ 0 }) ==
                PBTS_OK);
        require(pbts_kms_node_begin(node, 0) == PBTS_OK && pbts_kms_node_tick(node, 0) == PBTS_OK);
    }
    pbts_writer writer = pbts_writer_over(answer, sizeof answer);
    (void)!pbts_kms_node_answer(node, &writer, bytes);
    (void)!pbts_kms_node_hear(node, &refused, bytes, 0);
    require(pbts_kms_node_key(node) == NULL);
}

static void check_message(pbts_span bytes) {
    pbts_kms_message message;
    (void)!pbts_kms_message_decode(&message, group_of_three(), bytes);
}

static void check_key(pbts_span bytes) {
    pbts_kms_key key;
    (void)!pbts_kms_key_decode(&key, group_of_three(), 1, bytes);
}

static void check_request(pbts_span bytes) {
    pbts_kms_request request, again;
    if (pbts_kms_request_decode(&request, bytes) != PBTS_OK) return;
    require(request.nonces_len >= 1 && request.nonces_len <= PBTS_KMS_NODES_MAX);
    uint8_t *buffer = malloc(bytes.len + 64);
    pbts_writer writer = pbts_writer_over(buffer, bytes.len + 64);
    require(buffer != NULL);
    pbts_kms_request_encode(&writer, &request);
    require(!writer.failed &&
            pbts_kms_request_decode(&again, pbts_writer_span(&writer)) == PBTS_OK);
    require(again.kind == request.kind && pbts_span_equal(again.quote, request.quote));
    free(buffer);
}

static void check_small(pbts_span bytes) {
    uint8_t buffer[PBTS_KMS_HELLO_LEN_MAX];
    pbts_kms_hello hello;
    pbts_kms_reply reply;
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    if (pbts_kms_hello_decode(&hello, bytes) == PBTS_OK) pbts_kms_hello_encode(&writer, &hello);
    if (pbts_kms_reply_decode(&reply, bytes) == PBTS_OK) pbts_kms_reply_encode(&writer, &reply);
    require(!writer.failed);
}

static void check_lineage(pbts_span bytes) {
    static pbts_kms_lineage lineage;
    pbts_policy_mistake mistake;
    (void)!pbts_kms_lineage_parse(&lineage, &mistake, pbts_mem_system(), bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_span bytes = { data, len };
    check_message(bytes);
    check_gossip(bytes);
    check_key(bytes);
    check_request(bytes);
    check_small(bytes);
    check_lineage(bytes);
    return 0;
}
