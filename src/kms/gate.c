#include "kms/gate.h"

#include "base/assert.h"
#include "base/secret.h"

const char *pbts_kms_refusal_word(pbts_kms_refusal refusal) {
    static const char *const WORDS[] = {
#define X(name, status, word, sentence) word,
        PBTS_KMS_REFUSAL_MAP(X)
#undef X
    };
    assert(refusal < PBTS_KMS_REFUSAL_COUNT);
    return WORDS[refusal];
}

const char *pbts_kms_refusal_sentence(pbts_kms_refusal refusal) {
    static const char *const SENTENCES[] = {
#define X(name, status, word, sentence) sentence,
        PBTS_KMS_REFUSAL_MAP(X)
#undef X
    };
    assert(refusal < PBTS_KMS_REFUSAL_COUNT);
    return SENTENCES[refusal];
}

static pbts_status status_of(const pbts_kms_verdict *verdict) {
    static const pbts_status STATUSES[] = {
#define X(name, status, word, sentence) PBTS_##status,
        PBTS_KMS_REFUSAL_MAP(X)
#undef X
    };
    if (verdict->refusal == PBTS_KMS_REFUSED_EVIDENCE)
        return pbts_attest_reason_status(verdict->reason);
    return STATUSES[verdict->refusal];
}

/* ---- what needs no evidence ---- */

static const pbts_kms_lineage *find_lineage(const pbts_kms_gate *gate,
                                            const pbts_kms_lineage_id *id) {
    for (size_t i = 0; i < gate->lineages_len; i++) {
        if (memcmp(&gate->lineages[i].id, id, sizeof *id) == 0) return &gate->lineages[i];
    }
    return NULL;
}

static const pbts_kms_nonce *find_nonce(const pbts_kms_request *request, size_t number) {
    for (size_t i = 0; i < request->nonces_len; i++) {
        if (request->nonces[i].node == number) return &request->nonces[i].nonce;
    }
    return NULL;
}

static pbts_kms_refusal nonce_refusal(pbts_status status) {
    switch (status) {
    case PBTS_OK: return PBTS_KMS_REFUSED_NONE;
    case PBTS_STALE: return PBTS_KMS_REFUSED_NONCE_STALE;
    case PBTS_EXISTS: return PBTS_KMS_REFUSED_NONCE_USED;
    case PBTS_BUSY: return PBTS_KMS_REFUSED_NONCES_FULL;
    default: return PBTS_KMS_REFUSED_NONCE_FOREIGN;
    }
}

static pbts_kms_refusal check_words(const pbts_kms_gate *gate, const pbts_kms_request *request,
                                    const pbts_kms_lineage *lineage, uint64_t mono_ms) {
    const pbts_kms_nonce *nonce = find_nonce(request, gate->number);
    if (lineage == NULL) return PBTS_KMS_REFUSED_LINEAGE;
    if (request->mode != lineage->mode) return PBTS_KMS_REFUSED_MODE;
    if (request->generation > lineage->generation_max) return PBTS_KMS_REFUSED_GENERATION;
    if (nonce == NULL) return PBTS_KMS_REFUSED_NONCE_MISSING;
    return nonce_refusal(pbts_kms_nonces_check(gate->nonces, nonce, mono_ms));
}

/* ---- evidence ---- */

/* Too large for a stack. */
typedef struct {
    pbts_attest_policy policy;
    pbts_attest_verdict verdict;
    pbts_collateral *collateral;
} evidence_work;

static bool is_of(const pbts_attest_root *root, pbts_span quote) {
    pbts_quote parsed;
    return root != NULL && pbts_quote_parse(&parsed, quote) == PBTS_ATTEST_ACCEPTED &&
           memcmp(parsed.vendor_id, root->vendor_id, sizeof parsed.vendor_id) == 0;
}

static void prepare_policy(pbts_attest_policy *out, const pbts_kms_lineage *lineage,
                           const pbts_kms_request *request, const pbts_bls_public *group,
                           bool is_simulated) {
    *out = lineage->policy;
    out->has_report_data = true;
    pbts_kms_request_report_data(out->report_data, request, group);
    if (is_simulated) {
        out->allow_debug = true;
        out->td_attributes_allowed |= PBTS_TD_DEBUG;
    }
}

static pbts_kms_refusal check_evidence(evidence_work *work, pbts_kms_verdict *verdict,
                                       const pbts_kms_gate *gate, const pbts_kms_request *request,
                                       const pbts_kms_lineage *lineage,
                                       const pbts_bls_public *group, uint64_t now_s) {
    verdict->is_simulated = is_of(gate->simulator, request->quote);
    if (verdict->is_simulated && !lineage->allow_simulated) return PBTS_KMS_REFUSED_SIMULATED;
    prepare_policy(&work->policy, lineage, request, group, verdict->is_simulated);
    pbts_status status = pbts_collateral_new(&work->collateral, gate->mem, &request->collateral);
    if (status == PBTS_NO_MEMORY) return PBTS_KMS_REFUSED_RESOURCES;
    if (status != PBTS_OK) return PBTS_KMS_REFUSED_REQUEST;
    status = pbts_attest_verify(&work->verdict, request->quote, work->collateral,
                                verdict->is_simulated ? gate->simulator : gate->root, &work->policy,
                                now_s);
    verdict->reason = work->verdict.reason;
    return status == PBTS_OK ? PBTS_KMS_REFUSED_NONE : PBTS_KMS_REFUSED_EVIDENCE;
}

static bool is_true(const pbts_kms_request *request, const pbts_kms_lineage *lineage,
                    const uint8_t *measurement, uint64_t now_s) {
    pbts_kms_statement statement;
    pbts_kms_statement_decode(&statement, request->statement);
    return memcmp(&statement.lineage, &request->lineage, sizeof statement.lineage) == 0 &&
           memcmp(statement.measurement, measurement, sizeof statement.measurement) == 0 &&
           statement.expiry_s > now_s && statement.expiry_s - now_s <= lineage->statement_max_s;
}

/* ---- the share ---- */

static void hash_topic(pbts_bls_g1_point *out, const pbts_kms_request *request,
                       const uint8_t *measurement, bool is_simulated) {
    pbts_kms_topic topic = { .mode = request->mode,
                             .is_simulated = is_simulated,
                             .lineage = request->lineage,
                             .generation = request->generation };
    uint8_t buffer[PBTS_KMS_TOPIC_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    memcpy(topic.measurement, measurement, sizeof topic.measurement);
    pbts_kms_topic_encode(&writer, &topic);
    pbts_bls_hash(out, PBTS_BLS_KMS_KEY, pbts_writer_span(&writer));
}

static pbts_kms_refusal seal(pbts_kms_reply *out, const pbts_kms_gate *gate,
                             const pbts_kms_key *key, const pbts_kms_request *request,
                             const uint8_t *report_data, const pbts_bls_g1_point *hashed) {
    uint8_t secret[PBTS_X25519_LEN], shared[PBTS_X25519_LEN], box_key[PBTS_BOX_KEY_LEN];
    pbts_bls_g1_point point;
    pbts_bls_signature share;
    pbts_kms_reply reply = { .node = gate->number, .epoch = key->public.epoch };
    pbts_bls_g1_times(&point, hashed, &key->share);
    pbts_bls_signature_encode(&share, &point);
    pbts_status status = pbts_random_fill(gate->random, secret, sizeof secret);
    if (status == PBTS_OK) status = pbts_x25519_public(reply.ephemeral, secret);
    if (status == PBTS_OK) status = pbts_x25519_shared(shared, secret, request->ephemeral);
    if (status == PBTS_OK) {
        pbts_kms_reply_key(box_key, &reply, shared, report_data);
        status = pbts_box_seal(reply.sealed, box_key, (pbts_span){ 0 }, PBTS_SPAN_OF(share.bytes));
    }
    if (status == PBTS_OK) *out = reply;
    pbts_wipe(secret, sizeof secret);
    pbts_wipe(shared, sizeof shared);
    pbts_wipe(box_key, sizeof box_key);
    pbts_wipe(&share, sizeof share);
    pbts_wipe(&point, sizeof point);
    if (status == PBTS_MALFORMED) return PBTS_KMS_REFUSED_EPHEMERAL;
    return status == PBTS_OK ? PBTS_KMS_REFUSED_NONE : PBTS_KMS_REFUSED_RESOURCES;
}

static pbts_kms_refusal answer(pbts_kms_reply *out, pbts_kms_verdict *verdict,
                               const pbts_kms_gate *gate, const pbts_kms_key *key,
                               const pbts_kms_request *request, evidence_work *work,
                               pbts_moment now) {
    const pbts_kms_lineage *lineage = find_lineage(gate, &request->lineage);
    uint8_t measurement[PBTS_MEASUREMENT_LEN];
    pbts_bls_g1_point hashed;
    pbts_bls_public group;
    pbts_kms_refusal refusal = check_words(gate, request, lineage, now.mono_ms);
    if (refusal != PBTS_KMS_REFUSED_NONE) return refusal;
    pbts_bls_public_encode(&group, &key->public.group);
    refusal = check_evidence(work, verdict, gate, request, lineage, &group, now.unix_s);
    if (refusal != PBTS_KMS_REFUSED_NONE) return refusal;
    pbts_kms_measure(measurement, &work->verdict.quote.td);
    if (request->kind == PBTS_KMS_ASK_STATEMENT) {
        if (verdict->is_simulated || !is_true(request, lineage, measurement, now.unix_s))
            return PBTS_KMS_REFUSED_STATEMENT;
        pbts_bls_hash(&hashed, PBTS_BLS_KMS_ATTEST, PBTS_SPAN_OF(request->statement));
    } else {
        hash_topic(&hashed, request, measurement, verdict->is_simulated);
    }
    refusal = nonce_refusal(
        pbts_kms_nonces_spend(gate->nonces, find_nonce(request, gate->number), now.mono_ms));
    if (refusal != PBTS_KMS_REFUSED_NONE) return refusal;
    return seal(out, gate, key, request, work->policy.report_data, &hashed);
}

pbts_status pbts_kms_gate_answer(pbts_kms_reply *out, pbts_kms_verdict *verdict,
                                 const pbts_kms_gate *gate, const pbts_kms_key *key,
                                 pbts_span request, pbts_moment now) {
    pbts_kms_request parsed;
    *verdict = (pbts_kms_verdict){ .refusal = PBTS_KMS_REFUSED_REQUEST };
    if (pbts_kms_request_decode(&parsed, request) != PBTS_OK) return status_of(verdict);
    verdict->refusal = PBTS_KMS_REFUSED_NO_SHARE;
    if (key == NULL || !key->has_share) return status_of(verdict);
    verdict->refusal = PBTS_KMS_REFUSED_RESOURCES;
    evidence_work *work = pbts_alloc(gate->mem, sizeof *work);
    if (work == NULL) return status_of(verdict);
    verdict->refusal = answer(out, verdict, gate, key, &parsed, work, now);
    pbts_collateral_free(work->collateral);
    pbts_release(gate->mem, work);
    return status_of(verdict);
}

pbts_status pbts_kms_gate_hello(pbts_kms_hello *out, const pbts_kms_gate *gate,
                                const pbts_kms_key *key, uint64_t mono_ms) {
    if (key == NULL) return PBTS_BUSY;
    memset(out, 0, sizeof *out);
    out->node = gate->number;
    out->nodes = gate->group->nodes;
    out->epoch = key->public.epoch;
    pbts_bls_public_encode(&out->group, &key->public.group);
    for (size_t i = 0; i < out->nodes; i++) {
        pbts_bls_public_encode(&out->shares[i], &key->public.shares[i]);
    }
    return pbts_kms_nonces_make(gate->nonces, &out->nonce, gate->random, mono_ms);
}
