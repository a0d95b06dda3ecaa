/* POST /report: receipts become credit. POST /verify-receipt: check one, change nothing. */
#include <stdlib.h>
#include <strings.h>

#include "rest_parts.h"

struct report_state {
    bool decoded;
    pbts_report report;
    pbts_checked_report *checked;
    struct commit_op op;
};

static void free_report(void *opaque) {
    struct report_state *state = opaque;
    pbts_checked_report_free(state->checked);
    if (state->decoded) pbts_report_free(&state->report);
    free(state);
}

/* ---- the answer ---- */

struct summary {
    uint64_t statements, pieces, bytes, held_bytes, duplicates, refused;
};

static const char *verdict_name(const pbts_verdict *verdict) {
    if (verdict->refusal != PBTS_REFUSAL_NONE) return "refused";
    if (verdict->credited_bytes > 0) return "credited";
    return verdict->held_bytes > 0 ? "held" : "duplicate";
}

static json_t *describe_verdict(const pbts_verdict *verdict, size_t index) {
    json_t *item =
        json_pack("{s:o, s:s, s:o, s:o, s:i, s:i}", "index", rest_json_uint(index), "status",
                  verdict_name(verdict), "credited_bytes", rest_json_uint(verdict->credited_bytes),
                  "held_bytes", rest_json_uint(verdict->held_bytes), "pieces",
                  (int)verdict->credited_pieces, "duplicates", (int)verdict->duplicate_pieces);
    if (verdict->refusal == PBTS_REFUSAL_NONE) return item;
    rest_json_statement_refusal(item, verdict->refusal, verdict->bad_piece);
    return item;
}

static void add_verdict(struct summary *summary, const pbts_verdict *verdict) {
    summary->statements += verdict->credited_pieces > 0;
    summary->pieces += verdict->credited_pieces;
    summary->bytes += verdict->credited_bytes;
    summary->held_bytes += verdict->held_bytes;
    summary->duplicates += verdict->duplicate_pieces;
    summary->refused += verdict->refusal != PBTS_REFUSAL_NONE;
}

/* What became of each statement; sums and metrics on the way. */
static json_t *describe_statements(struct app *app, struct summary *summary,
                                   const pbts_checked_report *checked) {
    json_t *list = json_array();
    *summary = (struct summary){ 0 };
    for (size_t i = 0; i < pbts_checked_report_count(checked); i++) {
        pbts_verdict verdict = pbts_checked_report_verdict(checked, i);
        json_array_append_new(list, describe_verdict(&verdict, i));
        add_verdict(summary, &verdict);
        metric_add(&app->metrics.statements[verdict.refusal], 1);
    }
    metric_add(&app->metrics.reports, 1);
    metric_add(&app->metrics.duplicate_pieces, summary->duplicates);
    metric_add(&app->metrics.credited_bytes, summary->bytes);
    metric_add(&app->metrics.held_bytes, summary->held_bytes);
    return list;
}

static json_t *totals_of(struct app *app, uint32_t user_no) {
    pbts_user user;
    /* The report is on disk whatever happens here. */
    if (pbts_tracker_user_by_no(app->tracker, &user, user_no) != PBTS_OK) return json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "up", rest_json_uint(user.up_bytes), "down",
                     rest_json_uint(user.down_bytes), "held", rest_json_uint(user.held_bytes),
                     "ratio", rest_json_ratio(user.up_bytes, user.down_bytes));
}

static void committed(struct rest_request *request, struct commit_op *op) {
    const struct report_state *state = request->state;
    struct summary summary;
    if (op->refusal != PBTS_REFUSAL_NONE) {
        rest_reply_refusal(request, op->refusal);
        return;
    }
    json_t *statements = describe_statements(request->app, &summary, state->checked);
    json_t *credited =
        json_pack("{s:o, s:o, s:o}", "statements", rest_json_uint(summary.statements), "pieces",
                  rest_json_uint(summary.pieces), "bytes", rest_json_uint(summary.bytes));
    LOG(&request->app->log, LOG_DEBUG, "report", LOG_SPAN("uid", state->report.uid),
        LOG_UINT("bytes", summary.bytes), LOG_UINT("held", summary.held_bytes),
        LOG_UINT("refused", summary.refused));
    rest_reply_json(request, 200,
                    json_pack("{s:b, s:o, s:{s:o}, s:o, s:o, s:o, s:o}", "success", 1, "credited",
                              credited, "held", "bytes", rest_json_uint(summary.held_bytes),
                              "duplicates", rest_json_uint(summary.duplicates), "refused",
                              rest_json_uint(summary.refused), "statements", statements, "totals",
                              totals_of(request->app, pbts_checked_report_user(state->checked))));
}

/* ---- reading and checking ---- */

/* By the content type; when that names neither encoding, by the first byte. */
static bool is_bencode(const struct rest_request *request) {
    const char *type = rest_header(request, "Content-Type");
    if (type != NULL && strncasecmp(type, "application/x-bencode", 21) == 0) return true;
    if (type != NULL && strncasecmp(type, "application/json", 16) == 0) return false;
    return request->body.len > 0 && request->body.data[0] == 'd';
}

static void refuse_body(struct rest_request *request, pbts_status status, const char *problem) {
    if (pbts_status_class(status) == PBTS_RESOURCE)
        rest_reply_refusal(request, pbts_refusal_of_status(status));
    else
        rest_reply_error(request, 400, status == PBTS_LIMIT ? "LIMIT" : "MALFORMED",
                         problem ? problem : pbts_status_text(status));
}

static bool decode(struct rest_request *request, struct report_state *state) {
    const char *problem = NULL;
    pbts_mem *mem = pbts_mem_system();
    pbts_status status =
        is_bencode(request)
            ? pbts_report_decode_bencode(&state->report, &problem, mem, request->body)
            : pbts_report_decode_json(&state->report, &problem, mem, request->body);
    state->decoded = status == PBTS_OK;
    if (!state->decoded) refuse_body(request, status, problem);
    return state->decoded;
}

/* A report may come from an honest user who was sent bad receipts, so it is let through; but an
 * address that sends many is slowed down. */
static void count_bad_signatures(struct rest_request *request, const pbts_checked_report *checked) {
    for (size_t i = 0; i < pbts_checked_report_count(checked); i++)
        if (rest_is_bad_signature(pbts_checked_report_verdict(checked, i).refusal))
            rest_limit_count(request, REST_LIMIT_BAD_SIGNATURE);
}

void rest_report(struct rest_request *request, const struct rest_caller *caller) {
    struct report_state *state;
    if (!rest_limit_is_open(request, REST_LIMIT_BAD_SIGNATURE) ||
        !rest_may_work(request, (pbts_span){ NULL, 0 }))
        return;
    state = calloc(1, sizeof *state);
    if (state == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    request->state = state;
    request->state_free = free_report;
    if (!decode(request, state)) return;
    /* The prototype's shape shows nobody: it stays the address's work. */
    bool is_signed = !state->report.legacy;
    if (is_signed && !rest_may_work(request, state->report.uid)) return;
    pbts_refusal refusal =
        pbts_check_report(request->app->tracker, &state->checked, &state->report, app_now());
    if (refusal != PBTS_REFUSAL_NONE) {
        rest_refuse(request, refusal);
        return;
    }
    if (is_signed)
        rest_prove(request, pbts_checked_report_user(state->checked), state->report.unix_time);
    count_bad_signatures(request, state->checked);
    state->op = (struct commit_op){ .kind = COMMIT_REPORT, .report = state->checked };
    rest_commit(request, &state->op, committed);
}
