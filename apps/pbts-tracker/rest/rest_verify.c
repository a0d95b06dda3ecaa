/* POST /verify-receipt: is this one receipt good here and now? Nothing changes.
 *
 * The body is one statement of a report, or one receipt of the prototype's shape, alone or as
 * "receipt"; beside it may stand "user_id", the sender when the statement names none. It is read by
 * the report's own decoder, as the only item of a report.
 */
#include <stdlib.h>
#include <string.h>

#include "rest_parts.h"

static const char NOBODY[] = "-"; /* a valid uid for the envelope; it is not looked up */

/* The report's body around one receipt; NULL without memory. `signature` stands for none. */
static char *envelope(json_t *receipt, bool is_legacy) {
    static const uint8_t no_signature[PBTS_BLS_SIGNATURE_LEN] = { 0 };
    json_t *report =
        is_legacy ? json_pack("{s:s, s:[O]}", "user_id", NOBODY, "receipts", receipt)
                  : json_pack("{s:s, s:i, s:[O], s:o}", "user_id", NOBODY, "time", 0, "statements",
                              receipt, "signature", rest_json_base64(PBTS_SPAN_OF(no_signature)));
    char *text = report ? json_dumps(report, JSON_COMPACT) : NULL;
    json_decref(report);
    return text;
}

static void reply_verdict(struct rest_request *request, pbts_refusal refusal, uint32_t bad_piece) {
    if (rest_is_bad_signature(refusal)) rest_limit_count(request, REST_LIMIT_BAD_SIGNATURE);
    if (pbts_refusal_http_status(refusal) == 503) {
        rest_reply_refusal(request, refusal);
        return;
    }
    json_t *answer = json_pack("{s:b, s:b}", "success", 1, "valid", refusal == PBTS_REFUSAL_NONE);
    if (refusal != PBTS_REFUSAL_NONE) rest_json_statement_refusal(answer, refusal, bad_piece);
    rest_reply_json(request, 200, answer);
}

static void verify_text(struct rest_request *request, const char *text, pbts_span submitter) {
    pbts_report report;
    const char *problem = NULL;
    uint32_t bad_piece = 0;
    pbts_status status =
        pbts_report_decode_json(&report, &problem, pbts_mem_system(), pbts_span_text(text));
    if (pbts_status_class(status) == PBTS_RESOURCE) {
        rest_reply_refusal(request, pbts_refusal_of_status(status));
    } else if (status != PBTS_OK) {
        rest_reply_error(request, 400, status == PBTS_LIMIT ? "LIMIT" : "MALFORMED",
                         problem ? problem : pbts_status_text(status));
    } else {
        pbts_refusal refusal = pbts_check_statement(request->app->tracker, &bad_piece,
                                                    &report.statements[0], submitter, app_now());
        reply_verdict(request, refusal, bad_piece);
        pbts_report_free(&report);
    }
}

static void verify_body(struct rest_request *request, json_t *body) {
    pbts_span submitter = { NULL, 0 };
    json_t *receipt = json_object_get(body, "receipt");
    if (json_object_get(body, "user_id") != NULL &&
        (!rest_json_text_at(&submitter, body, "user_id") || !pbts_uid_is_valid(submitter))) {
        rest_reply_refusal(request, PBTS_REFUSAL_UID_INVALID);
        return;
    }
    if (receipt == NULL) receipt = body;
    if (!json_is_object(receipt)) {
        rest_reply_error(request, 400, "MALFORMED", "receipt must be a JSON object");
        return;
    }
    /* The envelope's name, not the statement's. The text stays alive: `submitter` borrows it. */
    json_t *user_id = json_incref(json_object_get(body, "user_id"));
    if (receipt == body) (void)json_object_del(body, "user_id");
    char *text = envelope(receipt, json_object_get(receipt, "receiver_public_key") != NULL);
    if (text == NULL)
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
    else
        verify_text(request, text, submitter);
    free(text);
    json_decref(user_id);
}

void rest_verify_receipt(struct rest_request *request, const struct rest_caller *caller) {
    if (!rest_limit_is_open(request, REST_LIMIT_BAD_SIGNATURE) ||
        !rest_may_work(request, (pbts_span){ NULL, 0 }))
        return;
    json_t *body = rest_json_body(request);
    if (body == NULL) return;
    verify_body(request, body);
    json_decref(body);
}
