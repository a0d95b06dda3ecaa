#include "kms/ceremony.h"

#include "base/assert.h"
#include "base/secret.h"
#include "kms/ceremony_state.h"

const char *pbts_kms_fault_word(pbts_kms_fault fault) {
    static const char *const WORDS[] = {
        [PBTS_KMS_HONEST] = "honest",         [PBTS_KMS_TWO_WORDS] = "two-words",
        [PBTS_KMS_BAD_READER] = "bad-reader", [PBTS_KMS_BAD_DEALING] = "bad-dealing",
        [PBTS_KMS_BAD_SHARE] = "bad-share",   [PBTS_KMS_FALSE_COMPLAINT] = "false-complaint",
    };
    assert((size_t)fault < sizeof WORDS / sizeof WORDS[0]);
    return WORDS[fault];
}

/* ---- life ---- */

pbts_status pbts_kms_ceremony_new(pbts_kms_ceremony **out, pbts_mem *mem,
                                  const pbts_kms_ceremony_config *config, uint64_t now_ms) {
    const pbts_kms_group *group = config->group;
    const pbts_kms_key *base = config->base;
    assert(config->number >= 1 && config->number <= group->nodes);
    bool is_refresh = config->epoch > 1;
    if (config->epoch == 0 || config->attempt == 0 || is_refresh != (base != NULL))
        return PBTS_DENIED;
    if (is_refresh && (group->threshold == 1 || base->public.epoch != config->epoch - 1))
        return PBTS_DENIED;
    pbts_kms_ceremony *c = pbts_alloc(mem, sizeof *c);
    if (c == NULL) return PBTS_NO_MEMORY;
    c->mem = mem;
    c->group = group;
    c->number = config->number;
    c->identity = config->identity;
    c->epoch = config->epoch;
    c->attempt = config->attempt;
    c->phase_ms = config->phase_ms;
    c->commit_deadline_ms = now_ms + config->commit_ms;
    if (is_refresh) c->base = *base;
    if (is_refresh) pbts_kms_public_digest(c->base_digest, &base->public, group->nodes);
    pbts_status status = pbts_kms_secrets_of(&c->secrets, config->seed, group, config->epoch);
    if (status != PBTS_OK) {
        pbts_kms_ceremony_free(c);
        return status;
    }
    *out = c;
    return PBTS_OK;
}

void pbts_kms_ceremony_free(pbts_kms_ceremony *ceremony) {
    if (ceremony == NULL) return;
    pbts_mem *mem = ceremony->mem;
    pbts_wipe(ceremony, sizeof *ceremony);
    pbts_release(mem, ceremony);
}

/* ---- what it knows ---- */

pbts_kms_outcome pbts_kms_ceremony_outcome(const pbts_kms_ceremony *ceremony) {
    return ceremony->outcome;
}

const pbts_kms_key *pbts_kms_ceremony_key(const pbts_kms_ceremony *ceremony) {
    assert(ceremony->outcome == PBTS_KMS_CERTIFIED);
    return &ceremony->key;
}

uint32_t pbts_kms_ceremony_qualified(const pbts_kms_ceremony *ceremony) {
    return ceremony->key_qualified;
}

pbts_kms_fault pbts_kms_ceremony_fault(const pbts_kms_ceremony *ceremony, size_t number) {
    assert(number >= 1 && number <= ceremony->group->nodes);
    return ceremony->faults[number - 1];
}

uint64_t pbts_kms_ceremony_epoch(const pbts_kms_ceremony *ceremony) {
    return ceremony->epoch;
}

uint64_t pbts_kms_ceremony_attempt(const pbts_kms_ceremony *ceremony) {
    return ceremony->attempt;
}

pbts_span pbts_kms_ceremony_said(const pbts_kms_ceremony *ceremony, pbts_kms_kind kind,
                                 size_t number) {
    assert(kind < PBTS_KMS_KINDS && number >= 1 && number <= ceremony->group->nodes);
    const pbts_kms_said *said = &ceremony->said[kind][number - 1];
    return (pbts_span){ said->bytes, said->len };
}

static void blame(pbts_kms_ceremony *c, size_t i, pbts_kms_fault fault) {
    if (c->faults[i] == PBTS_KMS_HONEST) c->faults[i] = fault;
}

/* ---- COMMIT ---- */

/* E1 and E2 have the same logarithm: e(E1, g2) = e(g1, E2). */
static bool read_reader(pbts_kms_ceremony *c, const pbts_kms_message *message, size_t i) {
    pbts_bls_g1_point generator;
    pbts_bls_g1_generator(&generator);
    return pbts_bls_signature_decode(&c->readers1[i], &message->reader1) == PBTS_OK &&
           pbts_bls_public_decode(&c->readers2[i], &message->reader2) == PBTS_OK &&
           pbts_bls_verify_sums(&c->readers2[i], &generator, 1, &c->readers1[i]) == PBTS_OK;
}

static void end_commits(pbts_kms_ceremony *c, uint64_t now_ms) {
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts-kms-transcript-v1"));
    for (size_t i = 0; i < c->group->nodes; i++) {
        uint8_t hash[PBTS_KMS_HASH_LEN];
        pbts_sha256(hash, pbts_kms_ceremony_said(c, PBTS_KMS_COMMIT, i + 1));
        pbts_sha256_update(&state, PBTS_SPAN_OF(hash));
    }
    pbts_sha256_final(&state, c->transcript);
    c->has_transcript = true;
    c->deal_deadline_ms = now_ms + c->phase_ms;
    c->ack_deadline_ms = now_ms + 2 * c->phase_ms;
}

static pbts_status take_commit(pbts_kms_ceremony *c, const pbts_kms_message *message) {
    size_t i = message->sender - 1;
    if (memcmp(message->base, c->base_digest, sizeof c->base_digest) != 0) return PBTS_STALE;
    if (!read_reader(c, message, i)) {
        blame(c, i, PBTS_KMS_BAD_READER);
        return PBTS_MALFORMED;
    }
    memcpy(c->hashes[i], message->hash, sizeof c->hashes[i]);
    return PBTS_OK;
}

/* ---- DEAL ---- */

static void open_ours(pbts_kms_ceremony *c, pbts_kms_taken *taken) {
    if (c->outcome == PBTS_KMS_CERTIFIED) return; /* secrets are wiped */
    pbts_bls_g1_times(&taken->opened_key, &taken->dealing.ephemeral, &c->secrets.reader);
    taken->is_ours = pbts_kms_dealing_open(&taken->share, &taken->dealing, c->number,
                                           &taken->opened_key, c->transcript) == PBTS_OK;
}

/* A dealing that everybody can see to be wrong is kept, so that all know who. */
static void take_deal(pbts_kms_ceremony *c, const pbts_kms_message *message) {
    size_t i = message->sender - 1;
    uint8_t hash[PBTS_KMS_HASH_LEN];
    pbts_kms_taken *taken = &c->taken[i];
    pbts_kms_dealing_hash(hash, c->group, message);
    if (memcmp(hash, c->hashes[i], sizeof hash) != 0 ||
        pbts_kms_dealing_read(&taken->dealing, message) != PBTS_OK) {
        taken->is_bad = true;
        memset(&taken->dealing, 0, sizeof taken->dealing);
        blame(c, i, PBTS_KMS_BAD_DEALING);
        return;
    }
    open_ours(c, taken);
}

/* ---- ACK ---- */

/* A dealer may deal two times, well to us and badly to who complains. Then both tell the truth. */
static bool is_about_ours(const pbts_kms_ceremony *c, const pbts_kms_message *ack, size_t dealer) {
    uint8_t hash[PBTS_KMS_HASH_LEN];
    pbts_sha256(hash, pbts_kms_ceremony_said(c, PBTS_KMS_DEAL, dealer + 1));
    return memcmp(hash, ack->about[dealer], sizeof hash) == 0;
}

static void judge(pbts_kms_ceremony *c, const pbts_kms_message *ack, size_t dealer) {
    size_t reader = ack->sender - 1;
    pbts_kms_taken *taken = &c->taken[dealer];
    pbts_bls_g1_point key;
    pbts_bls_secret share;
    if (taken->dealing.dealer == 0) return; /* bad in any case */
    bool is_key =
        pbts_bls_signature_decode(&key, &ack->opened[dealer]) == PBTS_OK &&
        pbts_bls_verify_sums(&c->readers2[reader], &taken->dealing.ephemeral, 1, &key) == PBTS_OK;
    if (!is_key) {
        blame(c, reader, PBTS_KMS_FALSE_COMPLAINT);
    } else if (pbts_kms_dealing_open(&share, &taken->dealing, reader + 1, &key, c->transcript) ==
               PBTS_OK) {
        if (is_about_ours(c, ack, dealer)) {
            blame(c, reader, PBTS_KMS_FALSE_COMPLAINT);
        } else {
            c->doubted |= UINT32_C(1) << dealer;
        }
        pbts_wipe(&share, sizeof share);
    } else {
        taken->is_bad = true;
        blame(c, dealer, PBTS_KMS_BAD_SHARE);
    }
}

static pbts_status take_ack(pbts_kms_ceremony *c, const pbts_kms_message *message) {
    for (size_t i = 0; i < c->group->nodes; i++) {
        if (message->verdicts[i] == PBTS_KMS_COMPLAINT && !pbts_kms_has_said(c, PBTS_KMS_DEAL, i))
            return PBTS_NEED_MORE;
    }
    for (size_t i = 0; i < c->group->nodes; i++) {
        if (message->verdicts[i] == PBTS_KMS_ABSENT) c->missed |= UINT32_C(1) << i;
        if (message->verdicts[i] == PBTS_KMS_COMPLAINT) judge(c, message, i);
    }
    return PBTS_OK;
}

/* ---- all ---- */

static bool is_given_up(const pbts_kms_message *message) {
    static const uint8_t ZEROS[PBTS_KMS_HASH_LEN] = { 0 };
    return message->kind == PBTS_KMS_VOTE && memcmp(message->digest, ZEROS, sizeof ZEROS) == 0;
}

static pbts_status take(pbts_kms_ceremony *c, const pbts_kms_message *message) {
    size_t i = message->sender - 1;
    if (message->kind == PBTS_KMS_COMMIT) return take_commit(c, message);
    if (!is_given_up(message)) {
        if (!c->has_transcript) return PBTS_NEED_MORE;
        if (memcmp(message->transcript, c->transcript, sizeof c->transcript) != 0)
            return PBTS_DENIED;
    }
    if (message->kind == PBTS_KMS_ACK) return take_ack(c, message);
    if (message->kind == PBTS_KMS_DEAL) {
        take_deal(c, message);
    } else {
        c->qualified[i] = message->qualified;
        memcpy(c->votes[i], message->digest, sizeof c->votes[i]);
    }
    return PBTS_OK;
}

/* Whether a quorum says the same with this vote. Who votes both ways counts for what a quorum says:
 * others may have heard that vote first, and the quorum has signed it. */
static bool is_decisive(const pbts_kms_ceremony *c, const pbts_kms_message *message) {
    size_t count = 1;
    if (message->kind != PBTS_KMS_VOTE || is_given_up(message)) return false;
    for (size_t i = 0; i < c->group->nodes; i++) {
        count += i + 1 != message->sender && pbts_kms_has_said(c, PBTS_KMS_VOTE, i) &&
                 c->qualified[i] == message->qualified &&
                 memcmp(c->votes[i], message->digest, sizeof c->votes[i]) == 0;
    }
    return count >= pbts_kms_group_quorum(c->group);
}

pbts_status pbts_kms_ceremony_receive(pbts_kms_ceremony *c, const pbts_kms_message *message,
                                      pbts_span bytes, uint64_t now_ms) {
    assert(bytes.len > 0 && bytes.len <= PBTS_KMS_MESSAGE_LEN_MAX);
    if (message->epoch != c->epoch || message->attempt != c->attempt) return PBTS_STALE;
    pbts_kms_said *said = &c->said[message->kind][message->sender - 1];
    if (said->len > 0) {
        if (pbts_span_equal((pbts_span){ said->bytes, said->len }, bytes)) return PBTS_EXISTS;
        c->said_twice[message->kind] |= UINT32_C(1) << (message->sender - 1);
        blame(c, message->sender - 1, PBTS_KMS_TWO_WORDS);
        if (!is_decisive(c, message)) return PBTS_EXISTS;
    }
    PBTS_TRY(take(c, message));
    memcpy(said->bytes, bytes.data, bytes.len);
    said->len = bytes.len;
    if (!c->has_transcript && pbts_kms_said_count(c, PBTS_KMS_COMMIT) == c->group->nodes)
        end_commits(c, now_ms);
    pbts_kms_result_update(c);
    return PBTS_OK;
}
