/* A node that lies, among four of the world that do not: number 5, played by hand. */
#ifndef PBTS_TEST_KMS_LIAR_H
#define PBTS_TEST_KMS_LIAR_H

#include "world.h"

typedef void (*lie)(const world *w, pbts_kms_message *message);

typedef struct {
    world *w;
    pbts_kms_ceremony *ceremony; /* an honest one, whose words are changed on their way out */
    lie how;
} liar;

/* Tell node i + 1. */
static inline void liar_tell_one(liar *l, size_t i, pbts_span message) {
    uint8_t answer[PBTS_KMS_MESSAGE_LEN_MAX + 64];
    pbts_writer writer = pbts_writer_over(answer, sizeof answer);
    size_t refused;
    if (l->w->node[i] == NULL) return; /* it is dead */
    pbts_write_text(&writer, "d1:ei0e1:ml");
    pbts_write_decimal(&writer, message.len);
    pbts_write_text(&writer, ":");
    pbts_write_bytes(&writer, message);
    pbts_write_text(&writer, "ee");
    assert_false(writer.failed);
    assert_int_equal(
        pbts_kms_node_hear(l->w->node[i], &refused, pbts_writer_span(&writer), l->w->now_ms),
        PBTS_OK);
}

static inline void liar_tell(liar *l, pbts_span message) {
    for (size_t i = 0; i < 4; i++) liar_tell_one(l, i, message);
}

static inline void liar_encode(const liar *l, pbts_writer *out, const pbts_kms_message *message) {
    pbts_kms_message_encode(out, message, &l->w->group, &l->w->identities[4]);
    assert_false(out->failed);
}

static inline void liar_speak(liar *l) {
    uint8_t honest[PBTS_KMS_MESSAGE_LEN_MAX], changed[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(honest, sizeof honest);
    pbts_writer lied = pbts_writer_over(changed, sizeof changed);
    pbts_kms_message message;
    if (pbts_kms_ceremony_next(l->ceremony, &writer, l->w->now_ms) != PBTS_OK) return;
    pbts_span bytes = pbts_writer_span(&writer);
    assert_int_equal(pbts_kms_message_decode(&message, &l->w->group, bytes), PBTS_OK);
    assert_int_equal(pbts_kms_ceremony_receive(l->ceremony, &message, bytes, l->w->now_ms),
                     PBTS_OK);
    l->how(l->w, &message);
    liar_encode(l, &lied, &message);
    liar_tell(l, pbts_writer_span(&lied));
}

/* What node 1 knows. */
static inline void liar_listen(liar *l) {
    const pbts_kms_ceremony *heard = pbts_kms_node_ceremony(l->w->node[0]);
    for (int kind = 0; heard != NULL && kind < PBTS_KMS_KINDS; kind++) {
        for (size_t i = 1; i <= 4; i++) {
            pbts_kms_message message;
            pbts_span said = pbts_kms_ceremony_said(heard, (pbts_kms_kind)kind, i);
            if (said.len == 0) continue;
            assert_int_equal(pbts_kms_message_decode(&message, &l->w->group, said), PBTS_OK);
            (void)!pbts_kms_ceremony_receive(l->ceremony, &message, said, l->w->now_ms);
        }
    }
}

static inline liar liar_new(world *w, lie how) {
    pbts_kms_ceremony_config config = { .group = &w->group,
                                        .number = 5,
                                        .identity = w->identities[4],
                                        .seed = { 5 },
                                        .epoch = 1,
                                        .attempt = 1,
                                        .commit_ms = WORLD_COMMIT_MS,
                                        .phase_ms = WORLD_PHASE_MS };
    liar l = { .w = w, .how = how };
    world_kill(w, 4);
    assert_int_equal(pbts_kms_ceremony_new(&l.ceremony, pbts_mem_system(), &config, w->now_ms),
                     PBTS_OK);
    world_begin(w, 0);
    return l;
}

static inline void tell_the_truth(const world *w, pbts_kms_message *message) {
    (void)w;
    (void)message;
}

#endif
