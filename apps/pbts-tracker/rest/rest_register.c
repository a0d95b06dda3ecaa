/* POST /register: a new user. POST /passkey: a new passkey instead of the old one. */
#include <stdlib.h>

#include "base/secret.h"
#include "rest_parts.h"

struct registration_state {
    pbts_checked_registration checked;
    struct commit_op op;
};

/* The answer of both: the secret that makes the announce URL. */
static void reply_passkey(struct rest_request *request, uint32_t user_no, pbts_span uid) {
    struct app *app = request->app;
    char passkey[PBTS_PASSKEY_LEN + 1], url[REST_ANNOUNCE_URL_MAX];
    pbts_tracker_passkey(app->tracker, passkey, user_no);
    rest_announce_url(app, url, user_no);
    rest_reply_header(request, "Cache-Control", "no-store");
    rest_reply_json(
        request, 200,
        json_pack("{s:b, s:o, s:o, s:s, s:s}", "success", 1, "instance_id",
                  rest_json_hex((pbts_span){ pbts_tracker_iid(app->tracker), PBTS_IID_LEN }),
                  "user_id", rest_json_text(uid), "passkey", passkey, "announce_url", url));
    pbts_wipe(passkey, sizeof passkey);
    pbts_wipe(url, sizeof url);
}

/* ---- POST /register ---- */

static void registered(struct rest_request *request, struct commit_op *op) {
    const struct registration_state *state = request->state;
    pbts_span uid = { state->checked.uid, state->checked.uid_len };
    if (op->refusal != PBTS_REFUSAL_NONE) {
        rest_reply_refusal(request, op->refusal);
        return;
    }
    LOG(&request->app->log, LOG_INFO, "registered", LOG_SPAN("uid", uid),
        LOG_ADDR("client", &request->client));
    reply_passkey(request, op->number, uid);
}

/* False: the refusal was sent. The uid is borrowed from `body`. */
static bool read_registration(struct rest_request *request, pbts_registration *out,
                              const json_t *body) {
    if (!rest_json_text_at(&out->uid, body, "user_id")) {
        rest_reply_error(request, 400, "MALFORMED", "user_id is missing or no text");
        return false;
    }
    if (!rest_json_base64_at(out->key.bytes, sizeof out->key.bytes, body, "public_key")) {
        rest_reply_error(request, 400, "KEY_INVALID",
                         "public_key must be a BLS12-381 key, 96 bytes in base64; make one with "
                         "`pbts key new`");
        return false;
    }
    if (json_object_get(body, "signature") == NULL) {
        rest_reply_error(request, 400, "SIGNATURE_MISSING",
                         "signature is missing: sign instance, key and user_id with the secret key "
                         "(purpose REGISTER), as `pbts register` does");
        return false;
    }
    if (rest_json_base64_at(out->signature.bytes, sizeof out->signature.bytes, body, "signature"))
        return true;
    rest_reply_error(request, 400, "MALFORMED", "signature must be 48 bytes in base64");
    return false;
}

static bool may_register(struct rest_request *request) {
    if (rest_is_admin(request)) return true;
    if (!pbts_tracker_policy(request->app->tracker).open_registration) {
        rest_reply_refusal(request, PBTS_REFUSAL_REGISTRATION_CLOSED);
        return false;
    }
    return rest_limit_take(request, REST_LIMIT_REGISTRATION) &&
           rest_limit_is_open(request, REST_LIMIT_BAD_SIGNATURE) &&
           rest_may_work(request, (pbts_span){ NULL, 0 });
}

static void check_and_commit(struct rest_request *request, const pbts_registration *registration) {
    struct registration_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    request->state = state;
    request->state_free = free;
    pbts_refusal refusal =
        pbts_check_registration(request->app->tracker, &state->checked, registration);
    if (refusal != PBTS_REFUSAL_NONE) {
        rest_refuse(request, refusal);
        return;
    }
    state->op = (struct commit_op){ .kind = COMMIT_REGISTRATION,
                                    .registration = &state->checked,
                                    .admin = rest_is_admin(request) };
    rest_commit(request, &state->op, registered);
}

void rest_register(struct rest_request *request, const struct rest_caller *caller) {
    pbts_registration registration;
    json_t *body = rest_json_body(request);
    if (body == NULL) return;
    if (read_registration(request, &registration, body) && may_register(request))
        check_and_commit(request, &registration);
    json_decref(body);
}

/* ---- POST /passkey ---- */

static void rotated(struct rest_request *request, struct commit_op *op) {
    pbts_user user;
    if (op->refusal == PBTS_REFUSAL_NONE)
        op->refusal = pbts_refusal_of_status(
            pbts_tracker_user_by_no(request->app->tracker, &user, op->user_no));
    if (op->refusal != PBTS_REFUSAL_NONE) {
        rest_reply_refusal(request, op->refusal);
        return;
    }
    pbts_span uid = { user.uid, user.uid_len };
    LOG(&request->app->log, LOG_INFO, "passkey_rotated", LOG_SPAN("uid", uid),
        LOG_UINT("generation", user.generation));
    reply_passkey(request, op->user_no, uid);
}

void rest_passkey(struct rest_request *request, const struct rest_caller *caller) {
    struct commit_op *op = calloc(1, sizeof *op);
    if (op == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    request->state = op;
    request->state_free = free;
    op->kind = COMMIT_ROTATE;
    op->user_no = caller->user_no;
    rest_commit(request, op, rotated);
}
