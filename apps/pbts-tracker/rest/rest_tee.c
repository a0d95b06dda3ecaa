/* GET /tee/status, POST /generate-attestation, POST /verify-attestation: evidence of what this
 * tracker runs in, and what it thinks of evidence that others bring. */
#include <stdlib.h>

#include "codec/text.h"
#include "rest_parts.h"

static const char WARNING[] =
    "SIMULATED: this evidence proves nothing; the simulator's keys are known to everybody";

/* ---- what all three say ---- */

/* Base64 or hexadecimal of any length; NULL without memory. */
static json_t *encode(pbts_span bytes, void (*encoder)(pbts_writer *, pbts_span)) {
    size_t capacity = 2 * bytes.len + 4;
    uint8_t *text = malloc(capacity);
    if (text == NULL) return NULL;
    pbts_writer writer = pbts_writer_over(text, capacity);
    encoder(&writer, bytes);
    json_t *out = rest_json_text(pbts_writer_span(&writer));
    free(text);
    return out;
}

/* Add what every answer has: which TEE, and whether it is one. */
static void add_kind(json_t *out, pbts_tee_kind kind) {
    bool simulated = kind == PBTS_TEE_SIMULATOR;
    json_object_set_new(out, "tee", json_string(pbts_tee_kind_text(kind)));
    json_object_set_new(out, "simulated", json_boolean(simulated));
    if (simulated) json_object_set_new(out, "warning", json_string(WARNING));
}

static void add_binding(json_t *out, const pbts_binding *binding) {
    json_object_set_new(out, "iid", rest_json_hex(PBTS_SPAN_OF(binding->iid)));
    json_object_set_new(out, "owner", rest_json_address(binding->owner));
    json_object_set_new(out, "tracker_key", rest_json_base64(PBTS_SPAN_OF(binding->tracker_key)));
}

json_t *rest_tee_summary(struct app *app) {
    if (app->config.tee == PBTS_TEE_NONE) return json_null();
    json_t *out = json_object();
    add_kind(out, (pbts_tee_kind)app->config.tee);
    json_object_set_new(out, "endpoint", json_string("/generate-attestation"));
    return out;
}

/* ---- GET /tee/status ---- */

static json_t *info_of(const pbts_dstack_info *info) {
    return json_pack(
        "{s:o, s:o, s:o}", "app_id", rest_json_hex((pbts_span){ info->app_id, info->app_id_len }),
        "instance_id", rest_json_hex((pbts_span){ info->instance_id, info->instance_id_len }),
        "compose_hash", rest_json_hex((pbts_span){ info->compose_hash, info->compose_hash_len }));
}

void rest_tee_status(struct rest_request *request, const struct rest_caller *caller) {
    struct app *app = request->app;
    struct tee_status status;
    pbts_binding binding;
    tee_service_look(app->tee, &status);
    tee_service_bind(&binding, app);
    json_t *out =
        json_pack("{s:b, s:b, s:b, s:o, s:o, s:o, s:s}", "success", 1, "enabled",
                  status.kind != PBTS_TEE_NONE, "can_verify", status.can_verify, "made",
                  rest_json_uint(status.made), "failed", rest_json_uint(status.failed), "last_time",
                  rest_json_uint(status.last_unix_s), "problem", status.problem);
    add_kind(out, status.kind);
    add_binding(out, &binding);
    if (status.has_info) json_object_set_new(out, "dstack", info_of(&status.info));
    rest_reply_json(request, 200, out);
}

/* ---- POST /generate-attestation ---- */

struct generation {
    pbts_binding binding;
    struct tee_job job;
};

static void free_generation(void *opaque) {
    struct generation *state = opaque;
    pbts_tee_evidence_free(&state->job.evidence);
    free(state);
}

/* The details are in the log and at /tee/status. */
static void refuse_failed(struct rest_request *request, pbts_status status) {
    if (status == PBTS_BUSY || status == PBTS_NO_MEMORY)
        rest_reply_error(request, 503, "TEE_BUSY", "the TEE gave no evidence in time; try again");
    else
        rest_reply_error(request, 502, "TEE_FAILED",
                         "the TEE gave no evidence; /tee/status says why");
}

static void answer_evidence(struct rest_request *request, struct tee_job *job) {
    const struct generation *state = request->state;
    const pbts_tee_evidence *evidence = &job->evidence;
    pbts_tee_kind kind = (pbts_tee_kind)request->app->config.tee;
    if (job->status != PBTS_OK) {
        refuse_failed(request, job->status);
        return;
    }
    json_t *out =
        json_pack("{s:b, s:s, s:o, s:o, s:o, s:o, s:o}", "success", 1, "format",
                  kind == PBTS_TEE_SEV ? "sev-snp-report" : "tdx-quote", "quote",
                  encode((pbts_span){ evidence->bytes, evidence->len }, pbts_base64_encode),
                  "report_data", rest_json_hex(PBTS_SPAN_OF(job->report_data)), "nonce",
                  rest_json_hex(PBTS_SPAN_OF(state->binding.nonce)), "event_log",
                  evidence->event_log_len == 0
                      ? json_null()
                      : rest_json_text((pbts_span){ evidence->event_log, evidence->event_log_len }),
                  "time", rest_json_uint(app_now().unix_s));
    add_kind(out, kind);
    add_binding(out, &state->binding);
    rest_reply_header(request, "Cache-Control", "no-store");
    rest_reply_json(request, 200, out);
}

static bool read_nonce(uint8_t out[static PBTS_BINDING_NONCE_LEN], const json_t *body) {
    pbts_span text;
    return rest_json_text_at(&text, body, "nonce") &&
           pbts_hex_decode_exact(out, PBTS_BINDING_NONCE_LEN, text) == PBTS_OK;
}

static const char NONCE_EXPECTED[] = "nonce must be 64 hexadecimal digits, chosen at random";

static void generate(struct rest_request *request, const json_t *body) {
    struct generation *state = calloc(1, sizeof *state);
    if (state == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    request->state = state;
    request->state_free = free_generation;
    if (!read_nonce(state->binding.nonce, body)) {
        rest_reply_error(request, 400, "MALFORMED", NONCE_EXPECTED);
        return;
    }
    if (!rest_limit_take(request, REST_LIMIT_ATTESTATION)) return;
    tee_service_bind(&state->binding, request->app);
    pbts_binding_report_data(state->job.report_data, &state->binding);
    rest_have_evidence(request, &state->job, answer_evidence);
}

void rest_tee_generate(struct rest_request *request, const struct rest_caller *caller) {
    if (request->app->config.tee == PBTS_TEE_NONE) {
        rest_reply_error(request, 501, "NO_TEE",
                         "this tracker does not run in a TEE, so there is nothing to attest");
        return;
    }
    json_t *body = rest_json_body(request);
    if (body == NULL) return;
    generate(request, body);
    json_decref(body);
}

/* ---- POST /verify-attestation ---- */

/* An optional member; false: it is there, but wrong. */
static bool read_hex(uint8_t *out, size_t len, const json_t *body, const char *key) {
    pbts_span text;
    if (json_object_get(body, key) == NULL) return true;
    if (!rest_json_text_at(&text, body, key)) return false;
    if (text.len > 2 && text.data[0] == '0' && text.data[1] == 'x') text.data += 2, text.len -= 2;
    return pbts_hex_decode_exact(out, len, text) == PBTS_OK;
}

/* Of this instance, but for what the body names. NULL, or what is wrong. */
static const char *read_binding(pbts_binding *out, const json_t *body, struct app *app) {
    tee_service_bind(out, app);
    if (!read_nonce(out->nonce, body)) return NONCE_EXPECTED;
    if (!read_hex(out->iid, sizeof out->iid, body, "iid"))
        return "iid must be 64 hexadecimal digits";
    if (!read_hex(out->owner, sizeof out->owner, body, "owner"))
        return "owner must be an address, 40 hexadecimal digits";
    if (json_object_get(body, "tracker_key") != NULL &&
        !rest_json_base64_at(out->tracker_key, sizeof out->tracker_key, body, "tracker_key"))
        return "tracker_key must be 96 bytes in base64";
    return NULL;
}

/* The caller frees `*out`. */
static const char *read_quote(uint8_t **out, size_t *len, const json_t *body) {
    pbts_span text;
    *out = NULL;
    if (!rest_json_text_at(&text, body, "quote")) return "quote must be a text in base64";
    size_t capacity = text.len / 4 * 3 + 3;
    uint8_t *bytes = malloc(capacity);
    if (bytes == NULL) return "there was no memory for the quote";
    if (pbts_base64_decode(bytes, len, capacity, text) != PBTS_OK) {
        free(bytes);
        return "quote must be a text in base64";
    }
    *out = bytes;
    return NULL;
}

static void answer_verdict(struct rest_request *request, const pbts_attest_verdict *verdict) {
    struct app *app = request->app;
    bool good = verdict->reason == PBTS_ATTEST_ACCEPTED;
    metric_add(good ? &app->metrics.tee_accepted : &app->metrics.tee_refused, 1);
    json_t *out = json_pack("{s:b, s:b, s:i, s:s, s:s}", "success", 1, "valid", good, "step",
                            pbts_attest_reason_step(verdict->reason), "reason",
                            pbts_attest_reason_word(verdict->reason), "sentence",
                            pbts_attest_reason_sentence(verdict->reason));
    add_kind(out, (pbts_tee_kind)app->config.tee);
    if (verdict->has_tcb)
        json_object_set_new(out, "status", json_string(pbts_tcb_status_text(verdict->status)));
    if (good) json_object_set_new(out, "valid_to", rest_json_uint(verdict->valid_to_s));
    rest_reply_json(request, 200, out);
}

static void verify(struct rest_request *request, pbts_span quote, const pbts_binding *binding) {
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    pbts_attest_verdict *verdict = calloc(1, sizeof *verdict);
    if (verdict == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    pbts_binding_report_data(report_data, binding);
    pbts_status status =
        tee_service_verify(request->app->tee, verdict, quote, report_data, app_now().unix_s);
    if (status == PBTS_NO_MEMORY)
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
    else
        answer_verdict(request, verdict);
    free(verdict);
}

void rest_tee_verify(struct rest_request *request, const struct rest_caller *caller) {
    pbts_binding binding;
    uint8_t *quote = NULL;
    size_t len = 0;
    if (!tee_service_can_verify(request->app->tee)) {
        rest_reply_error(request, 501, "NO_COLLATERAL",
                         "this tracker verifies no evidence: it has no tee_collateral");
        return;
    }
    if (!rest_may_work(request, (pbts_span){ NULL, 0 })) return;
    json_t *body = rest_json_body(request);
    if (body == NULL) return;
    const char *problem = read_binding(&binding, body, request->app);
    if (problem == NULL) problem = read_quote(&quote, &len, body);
    if (problem == NULL)
        verify(request, (pbts_span){ quote, len }, &binding);
    else
        rest_reply_error(request, 400, "MALFORMED", problem);
    free(quote);
    json_decref(body);
}
