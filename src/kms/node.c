#include "kms/node.h"

#include "base/assert.h"
#include "base/secret.h"
#include "codec/bencode.h"

enum {
    KNOWN_LEN = 8,
    SAID_MAX = PBTS_KMS_KINDS * PBTS_KMS_NODES_MAX, /* messages of one ceremony */
};

struct pbts_kms_node {
    pbts_mem *mem;
    pbts_kms_node_config config;
    bool has_key;
    pbts_kms_key key;
    pbts_kms_ceremony *ceremony; /* of key.epoch + 1; NULL: none */
    bool replays;                /* the journal has it already */
    bool is_broken;              /* the journal lacks something: silent until a restart */
    uint8_t *said;               /* of the last ceremony that ended */
    size_t said_len;
    uint64_t next_begin_ms;             /* before that we do not follow others */
    uint64_t begun[PBTS_KMS_NODES_MAX]; /* attempts beyond ours: which each node was in last */
    pbts_kms_fault faults[PBTS_KMS_NODES_MAX];
};

static uint64_t next_epoch(const pbts_kms_node *node) {
    return node->has_key ? node->key.public.epoch + 1 : 1;
}

/* ---- life ---- */

static pbts_status keep_said(pbts_kms_node *node, pbts_span said) {
    if (said.len > PBTS_KMS_SAID_LEN_MAX) return PBTS_LIMIT;
    uint8_t *copy = NULL;
    if (said.len > 0) {
        copy = pbts_alloc(node->mem, said.len);
        if (copy == NULL) return PBTS_NO_MEMORY;
        memcpy(copy, said.data, said.len);
    }
    pbts_release(node->mem, node->said);
    node->said = copy;
    node->said_len = said.len;
    return PBTS_OK;
}

pbts_status pbts_kms_node_new(pbts_kms_node **out, pbts_mem *mem,
                              const pbts_kms_node_config *config, const pbts_kms_key *key,
                              pbts_span said) {
    pbts_kms_node *node = pbts_alloc(mem, sizeof *node);
    if (node == NULL) return PBTS_NO_MEMORY;
    node->mem = mem;
    node->config = *config;
    node->has_key = key != NULL;
    if (key != NULL) node->key = *key;
    pbts_status status = keep_said(node, said);
    if (status != PBTS_OK) {
        pbts_kms_node_free(node);
        return status;
    }
    *out = node;
    return PBTS_OK;
}

void pbts_kms_node_free(pbts_kms_node *node) {
    if (node == NULL) return;
    pbts_mem *mem = node->mem;
    pbts_kms_ceremony_free(node->ceremony);
    pbts_release(mem, node->said);
    pbts_wipe(node, sizeof *node);
    pbts_release(mem, node);
}

const pbts_kms_key *pbts_kms_node_key(const pbts_kms_node *node) {
    return node->has_key ? &node->key : NULL;
}

const pbts_kms_ceremony *pbts_kms_node_ceremony(const pbts_kms_node *node) {
    return node->ceremony;
}

pbts_kms_fault pbts_kms_node_fault(const pbts_kms_node *node, size_t number) {
    assert(number >= 1 && number <= node->config.group->nodes);
    return node->faults[number - 1];
}

/* ---- a ceremony begins ---- */

static bool is_running(const pbts_kms_node *node) {
    return node->ceremony != NULL && pbts_kms_ceremony_outcome(node->ceremony) == PBTS_KMS_RUNNING;
}

static pbts_status open_ceremony(pbts_kms_node *node, uint64_t epoch, uint64_t attempt,
                                 const uint8_t *seed, uint64_t now_ms) {
    pbts_kms_ceremony_config config = { .group = node->config.group,
                                        .number = node->config.number,
                                        .identity = node->config.identity,
                                        .epoch = epoch,
                                        .attempt = attempt,
                                        .base = node->has_key ? &node->key : NULL,
                                        .commit_ms = node->config.commit_ms,
                                        .phase_ms = node->config.phase_ms };
    pbts_kms_ceremony *ceremony;
    memcpy(config.seed, seed, sizeof config.seed);
    pbts_status status = pbts_kms_ceremony_new(&ceremony, node->mem, &config, now_ms);
    pbts_wipe(&config, sizeof config);
    if (status != PBTS_OK) return status;
    pbts_kms_ceremony_free(node->ceremony);
    node->ceremony = ceremony;
    memset(node->begun, 0, sizeof node->begun);
    node->next_begin_ms = now_ms + node->config.pause_ms;
    return PBTS_OK;
}

static pbts_status begin(pbts_kms_node *node, uint64_t attempt, uint64_t now_ms) {
    const pbts_kms_journal *journal = &node->config.journal;
    uint8_t seed[PBTS_KMS_SEED_LEN];
    uint64_t epoch = next_epoch(node);
    if (epoch > 1 && node->config.group->threshold == 1) return PBTS_DENIED;
    pbts_status status = pbts_random_fill(node->config.random, seed, sizeof seed);
    if (status == PBTS_OK) status = journal->begin(journal->host, epoch, attempt, seed);
    if (status == PBTS_OK) status = open_ceremony(node, epoch, attempt, seed, now_ms);
    pbts_wipe(seed, sizeof seed);
    return status;
}

pbts_status pbts_kms_node_begin(pbts_kms_node *node, uint64_t now_ms) {
    if (is_running(node)) return PBTS_BUSY;
    uint64_t last = node->ceremony != NULL ? pbts_kms_ceremony_attempt(node->ceremony) : 0;
    return begin(node, last + 1, now_ms);
}

pbts_status pbts_kms_node_resume(pbts_kms_node *node, uint64_t epoch, uint64_t attempt,
                                 const uint8_t seed[static PBTS_KMS_SEED_LEN], uint64_t now_ms) {
    if (epoch != next_epoch(node)) return PBTS_CORRUPT;
    return open_ceremony(node, epoch, attempt, seed, now_ms);
}

/* ---- it ends ---- */

static void note_faults(pbts_kms_node *node) {
    for (size_t i = 0; i < node->config.group->nodes; i++) {
        pbts_kms_fault fault = pbts_kms_ceremony_fault(node->ceremony, i + 1);
        if (fault != PBTS_KMS_HONEST) node->faults[i] = fault;
    }
}

static void write_said(pbts_writer *out, const pbts_kms_ceremony *ceremony, size_t nodes) {
    pbts_write_text(out, "l");
    for (int kind = 0; kind < PBTS_KMS_KINDS; kind++) {
        for (size_t i = 1; i <= nodes; i++) {
            pbts_span said = pbts_kms_ceremony_said(ceremony, (pbts_kms_kind)kind, i);
            if (said.len > 0) pbts_bencode_string(out, said);
        }
    }
    pbts_write_text(out, "e");
}

static pbts_status end(pbts_kms_node *node) {
    const pbts_kms_journal *journal = &node->config.journal;
    const pbts_kms_key *key = pbts_kms_ceremony_key(node->ceremony);
    uint8_t *buffer = pbts_alloc(node->mem, PBTS_KMS_SAID_LEN_MAX);
    if (buffer == NULL) return PBTS_NO_MEMORY;
    pbts_writer said = pbts_writer_over(buffer, PBTS_KMS_SAID_LEN_MAX);
    write_said(&said, node->ceremony, node->config.group->nodes);
    assert(!said.failed);
    pbts_status status = keep_said(node, pbts_writer_span(&said));
    if (status == PBTS_OK) status = journal->end(journal->host, key, pbts_writer_span(&said));
    pbts_release(node->mem, buffer);
    if (status != PBTS_OK) return status;
    node->key = *key;
    node->has_key = true;
    memset(node->begun, 0, sizeof node->begun);
    pbts_kms_ceremony_free(node->ceremony);
    node->ceremony = NULL;
    return PBTS_OK;
}

/* ---- messages ---- */

/* A message that counts is in the journal before anything follows from it. When that fails, nothing
 * may follow: after a restart the node would not know why it said what it said. */
static pbts_status append(pbts_kms_node *node, pbts_span bytes) {
    const pbts_kms_journal *journal = &node->config.journal;
    if (node->replays) return PBTS_OK;
    pbts_status status = journal->append(journal->host, bytes);
    node->is_broken = status != PBTS_OK;
    return status;
}

static pbts_status receive_into(pbts_kms_node *node, const pbts_kms_message *message,
                                pbts_span bytes, uint64_t now_ms) {
    pbts_status status = pbts_kms_ceremony_receive(node->ceremony, message, bytes, now_ms);
    note_faults(node);
    return status == PBTS_OK ? append(node, bytes) : status;
}

/* The latest attempt beyond ours that t nodes have come to, so an honest one, which knew that all
 * before it failed. */
static bool is_left_behind(const pbts_kms_node *node, uint64_t attempt) {
    size_t there = 0, beyond = 0, threshold = node->config.group->threshold;
    for (size_t i = 0; i < node->config.group->nodes; i++) {
        there += node->begun[i] >= attempt;
        beyond += node->begun[i] > attempt;
    }
    return there >= threshold && beyond < threshold;
}

/* Whether we take part in the ceremony that the message is of; PBTS_STALE: no, or not yet. */
static pbts_status follow(pbts_kms_node *node, const pbts_kms_message *message, uint64_t now_ms) {
    uint64_t ours = node->ceremony != NULL ? pbts_kms_ceremony_attempt(node->ceremony) : 0;
    if (message->epoch != next_epoch(node)) return PBTS_STALE;
    if (node->ceremony != NULL && message->attempt == ours) return PBTS_OK;
    if (message->attempt < ours || message->kind != PBTS_KMS_COMMIT || node->replays)
        return PBTS_STALE;
    uint64_t *begun = &node->begun[message->sender - 1];
    if (message->attempt > *begun) *begun = message->attempt;
    bool is_led = !is_running(node) && message->attempt - ours <= PBTS_KMS_ATTEMPT_STEP_MAX;
    if (!is_led && !is_left_behind(node, message->attempt)) return PBTS_STALE;
    if (now_ms < node->next_begin_ms) return PBTS_STALE;
    return begin(node, message->attempt, now_ms);
}

static pbts_status receive(pbts_kms_node *node, pbts_span bytes, uint64_t now_ms) {
    pbts_kms_message message;
    PBTS_TRY(pbts_kms_message_decode(&message, node->config.group, bytes));
    PBTS_TRY(follow(node, &message, now_ms));
    return receive_into(node, &message, bytes, now_ms);
}

pbts_status pbts_kms_node_replay(pbts_kms_node *node, pbts_span message, uint64_t now_ms) {
    if (node->ceremony == NULL) return PBTS_CORRUPT;
    node->replays = true;
    pbts_status status = receive(node, message, now_ms);
    node->replays = false;
    return status == PBTS_OK || status == PBTS_EXISTS ? PBTS_OK : PBTS_CORRUPT;
}

pbts_status pbts_kms_node_tick(pbts_kms_node *node, uint64_t now_ms) {
    uint8_t buffer[PBTS_KMS_MESSAGE_LEN_MAX];
    if (node->is_broken) return PBTS_IO;
    while (node->ceremony != NULL) {
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        if (pbts_kms_ceremony_outcome(node->ceremony) == PBTS_KMS_CERTIFIED) return end(node);
        pbts_status status = pbts_kms_ceremony_next(node->ceremony, &writer, now_ms);
        if (status == PBTS_NOT_FOUND) return PBTS_OK;
        PBTS_TRY(status);
        PBTS_TRY(receive(node, pbts_writer_span(&writer), now_ms));
    }
    return PBTS_OK;
}

/* ---- gossip ---- */

static void known_of(uint8_t out[static KNOWN_LEN], pbts_span message) {
    uint8_t hash[PBTS_KMS_HASH_LEN];
    pbts_sha256(hash, message);
    memcpy(out, hash, KNOWN_LEN);
}

void pbts_kms_node_ask(const pbts_kms_node *node, pbts_writer *question) {
    uint8_t known[SAID_MAX][KNOWN_LEN];
    size_t len = 0;
    for (int kind = 0; kind < PBTS_KMS_KINDS && node->ceremony != NULL; kind++) {
        for (size_t i = 1; i <= node->config.group->nodes; i++) {
            pbts_span said = pbts_kms_ceremony_said(node->ceremony, (pbts_kms_kind)kind, i);
            if (said.len > 0) known_of(known[len++], said);
        }
    }
    pbts_write_text(question, "d");
    pbts_bencode_text(question, "e");
    pbts_bencode_uint(question, next_epoch(node) - 1);
    pbts_bencode_text(question, "h");
    pbts_bencode_string(question, (pbts_span){ known[0], len * KNOWN_LEN });
    pbts_write_text(question, "e");
}

static void tell(pbts_writer *answer, pbts_span message, pbts_span known) {
    uint8_t name[KNOWN_LEN];
    known_of(name, message);
    for (size_t at = 0; at < known.len; at += KNOWN_LEN) {
        if (memcmp(known.data + at, name, KNOWN_LEN) == 0) return;
    }
    pbts_bencode_string(answer, message);
}

static void tell_last(const pbts_kms_node *node, pbts_writer *answer, pbts_span known) {
    pbts_bvalue list, item;
    if (pbts_bencode_parse(&list, (pbts_span){ node->said, node->said_len }) != PBTS_OK) return;
    pbts_biter items = pbts_bvalue_items(&list);
    while (pbts_biter_next(&items, &item)) {
        if (item.type == PBTS_BSTRING) tell(answer, item.string, known);
    }
}

static void tell_running(const pbts_kms_node *node, pbts_writer *answer, pbts_span known) {
    for (int kind = 0; kind < PBTS_KMS_KINDS && node->ceremony != NULL; kind++) {
        for (size_t i = 1; i <= node->config.group->nodes; i++) {
            pbts_span said = pbts_kms_ceremony_said(node->ceremony, (pbts_kms_kind)kind, i);
            if (said.len > 0) tell(answer, said, known);
        }
    }
}

pbts_status pbts_kms_node_answer(const pbts_kms_node *node, pbts_writer *answer,
                                 pbts_span question) {
    uint64_t epoch, ours = next_epoch(node) - 1;
    pbts_bvalue dict;
    pbts_span known;
    if (node->is_broken) return PBTS_IO;
    if (question.len > PBTS_KMS_QUESTION_LEN_MAX) return PBTS_LIMIT;
    if (pbts_bencode_parse(&dict, question) != PBTS_OK ||
        !pbts_bdict_find_uint(&dict, "e", &epoch) || !pbts_bdict_find_string(&dict, "h", &known) ||
        known.len % KNOWN_LEN != 0 || known.len > SAID_MAX * KNOWN_LEN)
        return PBTS_MALFORMED;
    pbts_write_text(answer, "d");
    pbts_bencode_text(answer, "e");
    pbts_bencode_uint(answer, ours);
    pbts_bencode_text(answer, "m");
    pbts_write_text(answer, "l");
    if (epoch < ours) tell_last(node, answer, known);
    tell_running(node, answer, known);
    pbts_write_text(answer, "ee");
    return pbts_writer_status(answer);
}

static bool is_failure(pbts_status status) {
    return pbts_status_class(status) == PBTS_RESOURCE;
}

pbts_status pbts_kms_node_hear(pbts_kms_node *node, size_t *refused, pbts_span answer,
                               uint64_t now_ms) {
    pbts_bvalue dict, list, item;
    *refused = 0;
    if (node->is_broken) return PBTS_IO;
    if (answer.len > PBTS_KMS_ANSWER_LEN_MAX) return PBTS_LIMIT;
    if (pbts_bencode_parse(&dict, answer) != PBTS_OK ||
        !pbts_bdict_find_typed(&dict, "m", PBTS_BLIST, &list))
        return PBTS_MALFORMED;
    pbts_biter items = pbts_bvalue_items(&list);
    for (size_t i = 0; i < 2 * SAID_MAX && pbts_biter_next(&items, &item); i++) {
        if (item.type != PBTS_BSTRING) return PBTS_MALFORMED;
        pbts_status status = receive(node, item.string, now_ms);
        if (is_failure(status)) return status;
        *refused += status != PBTS_OK && status != PBTS_EXISTS && status != PBTS_STALE &&
                    status != PBTS_NEED_MORE;
    }
    return PBTS_OK;
}
