/* /contract/...: the prototype's ledger endpoints, on the local ledger.
 *
 * An account here belongs to a key, not to a password: salt and password hash are taken for the
 * sake of old clients, kept nowhere, and answered empty. With ledger = ethereum the local ledger is
 * what answers, and /contract/status says how far the contract has followed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rest_parts.h"

/* The largest total that an account may have, 2^61 bytes; larger ones are refused by the tracker
 * too, but then the account would be there already. */
#define TOTAL_MAX (UINT64_C(1) << 61)

static pbts_span iid_of(const struct app *app) {
    return (pbts_span){ pbts_tracker_iid(app->tracker), PBTS_IID_LEN };
}

/* The predecessor's iid; zeros when there is none, as the prototype's contracts have it. */
static json_t *referrer_of(const struct app *app) {
    uint8_t iid[PBTS_IID_LEN] = { 0 };
    (void)pbts_tracker_predecessor(app->tracker, iid);
    return rest_json_hex(PBTS_SPAN_OF(iid));
}

/* ---- reading ---- */

static pbts_status read_head(struct app *app, pbts_ledger_head *out) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, app->store, false));
    pbts_status status = pbts_ledger_head_read(txn, out);
    pbts_txn_abort(txn);
    return status;
}

void rest_contract_status(struct rest_request *request, const struct rest_caller *caller) {
    struct app *app = request->app;
    pbts_ledger_head head;
    pbts_status status = read_head(app, &head);
    if (status != PBTS_OK) {
        rest_reply_refusal(request, pbts_refusal_of_status(status));
        return;
    }
    json_t *answer = json_pack(
        "{s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:b}", "success", 1, "configured", 1,
        "reputation_address", rest_json_hex(iid_of(app)), "referrer_address", referrer_of(app),
        "owner", rest_json_base64(PBTS_SPAN_OF(pbts_tracker_owner(app->tracker)->bytes)), "entries",
        rest_json_uint(head.sequence + 1), "head", rest_json_hex(PBTS_SPAN_OF(head.head_hash)),
        "sealed", head.sealed);
    rest_ledger_kind(answer, app);
    rest_reply_json(request, 200, answer);
}

/* SC.Read: this ledger's account, or the predecessor's. PBTS_NOT_FOUND. */
static pbts_status read_account(struct app *app, pbts_ledger_account *out, bool *from_referrer,
                                pbts_span uid) {
    uint8_t uid_hash[PBTS_UID_HASH_LEN];
    pbts_txn *txn;
    if (!pbts_uid_is_valid(uid)) return PBTS_NOT_FOUND;
    pbts_uid_hash(uid_hash, uid);
    PBTS_TRY(pbts_txn_begin(&txn, app->store, false));
    pbts_status status = pbts_ledger_read(txn, out, from_referrer, uid_hash);
    pbts_txn_abort(txn);
    return status;
}

static void reply_user(struct rest_request *request, pbts_span uid) {
    pbts_ledger_account account;
    bool from_referrer = false;
    pbts_status status = read_account(request->app, &account, &from_referrer, uid);
    if (status != PBTS_OK) {
        rest_reply_refusal(request, status == PBTS_NOT_FOUND ? PBTS_REFUSAL_UNKNOWN_USER
                                                             : pbts_refusal_of_status(status));
        return;
    }
    rest_reply_json(request, 200,
                    json_pack("{s:b, s:{s:o, s:s, s:s, s:o, s:o, s:o}, s:b}", "success", 1, "user",
                              "username", rest_json_text(uid), "salt", "", "passwordHash", "",
                              "downloadSize", rest_json_uint(account.down_bytes), "uploadSize",
                              rest_json_uint(account.up_bytes), "ratio",
                              rest_json_ratio(account.up_bytes, account.down_bytes),
                              "from_referrer", from_referrer));
}

void rest_contract_user(struct rest_request *request, const struct rest_caller *caller) {
    reply_user(request, pbts_span_text(caller->tail));
}

void rest_contract_init(struct rest_request *request, const struct rest_caller *caller) {
    /* The ledger was made at the daemon's first start, with the tracker's key. */
    rest_reply_json(request, 200,
                    json_pack("{s:b, s:b, s:o, s:o}", "success", 1, "created", 0,
                              "reputation_address", rest_json_hex(iid_of(request->app)),
                              "referrer_address", referrer_of(request->app)));
}

/* ---- writing ---- */

struct contract_state {
    json_t *body;
    pbts_span uid; /* borrowed from `body` */
    bool has_up, has_down;
    uint64_t up_bytes, down_bytes;
    pbts_checked_registration checked;
    struct commit_op op;
};

static void free_contract(void *opaque) {
    struct contract_state *state = opaque;
    json_decref(state->body);
    free(state);
}

/* An optional total; false: it is there but no total. */
static bool read_total(bool *has, uint64_t *out, const json_t *body, const char *key) {
    *has = json_object_get(body, key) != NULL;
    *out = 0;
    return !*has || (rest_json_uint_at(out, body, key) && *out <= TOTAL_MAX);
}

/* The state of a write with what all bodies share; NULL: the refusal was sent. */
static struct contract_state *begin(struct rest_request *request) {
    json_t *body = rest_json_body(request);
    if (body == NULL) return NULL;
    struct contract_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        json_decref(body);
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return NULL;
    }
    state->body = body;
    request->state = state;
    request->state_free = free_contract;
    if (!rest_json_text_at(&state->uid, body, "username") || !pbts_uid_is_valid(state->uid)) {
        rest_reply_error(request, 400, pbts_refusal_name(PBTS_REFUSAL_UID_INVALID),
                         "username must be 1 to 32 characters of A-Z a-z 0-9 . _ -");
        return NULL;
    }
    if (read_total(&state->has_up, &state->up_bytes, body, "upload_size") &&
        read_total(&state->has_down, &state->down_bytes, body, "download_size"))
        return state;
    rest_reply_error(request, 400, "MALFORMED",
                     "upload_size and download_size must be whole numbers of bytes, at most 2^61");
    return NULL;
}

static void totals_set(struct rest_request *request, struct commit_op *op) {
    const struct contract_state *state = request->state;
    if (op->refusal == PBTS_REFUSAL_MALFORMED) {
        rest_reply_error(request, 409, "BELOW_OWED",
                         "download_size cannot be less than what this user owes its senders; see "
                         "owed_bytes of GET /user/<uid>");
        return;
    }
    if (op->refusal != PBTS_REFUSAL_NONE) {
        rest_reply_refusal(request, op->refusal);
        return;
    }
    LOG(&request->app->log, LOG_INFO, "totals_set", LOG_SPAN("uid", state->uid),
        LOG_UINT("up", op->up_bytes), LOG_UINT("down", op->down_bytes),
        LOG_ADDR("client", &request->client));
    reply_user(request, state->uid);
}

static void commit_totals(struct rest_request *request, uint32_t user_no) {
    struct contract_state *state = request->state;
    state->op = (struct commit_op){ .kind = COMMIT_SET_TOTALS,
                                    .user_no = user_no,
                                    .up_bytes = state->up_bytes,
                                    .down_bytes = state->down_bytes };
    rest_commit(request, &state->op, totals_set);
}

void rest_contract_update(struct rest_request *request, const struct rest_caller *caller) {
    struct contract_state *state = begin(request);
    pbts_user user;
    if (state == NULL) return;
    if (!state->has_up || !state->has_down) {
        rest_reply_error(request, 400, "MALFORMED",
                         "update needs username, download_size and upload_size");
        return;
    }
    pbts_status status = pbts_tracker_user(request->app->tracker, &user, state->uid);
    if (status == PBTS_OK)
        commit_totals(request, user.user_no);
    else
        rest_reply_refusal(request, status == PBTS_NOT_FOUND ? PBTS_REFUSAL_UNKNOWN_USER
                                                             : pbts_refusal_of_status(status));
}

static void registered(struct rest_request *request, struct commit_op *op) {
    const struct contract_state *state = request->state;
    if (op->refusal != PBTS_REFUSAL_NONE) {
        rest_reply_refusal(request, op->refusal);
        return;
    }
    LOG(&request->app->log, LOG_INFO, "registered", LOG_SPAN("uid", state->uid),
        LOG_TEXT("by", "administrator"), LOG_ADDR("client", &request->client));
    /* Zeros are the prototype's way to say nothing: the account keeps its initial credit. */
    if (state->up_bytes > 0 || state->down_bytes > 0)
        commit_totals(request, op->number);
    else
        reply_user(request, state->uid);
}

/* With a key the user's own proof is needed; without one the name is only reserved. */
static pbts_refusal check_registration(struct app *app, struct contract_state *state) {
    pbts_registration registration = { .uid = state->uid };
    if (json_object_get(state->body, "public_key") == NULL) {
        state->checked.uid_len = (uint8_t)state->uid.len;
        memcpy(state->checked.uid, state->uid.data, state->uid.len);
        return PBTS_REFUSAL_NONE;
    }
    if (!rest_json_base64_at(registration.key.bytes, sizeof registration.key.bytes, state->body,
                             "public_key"))
        return PBTS_REFUSAL_KEY_INVALID;
    if (!rest_json_base64_at(registration.signature.bytes, sizeof registration.signature.bytes,
                             state->body, "signature"))
        return PBTS_REFUSAL_BAD_SIGNATURE;
    return pbts_check_registration(app->tracker, &state->checked, &registration);
}

void rest_contract_register(struct rest_request *request, const struct rest_caller *caller) {
    struct contract_state *state = begin(request);
    if (state == NULL) return;
    pbts_refusal refusal = check_registration(request->app, state);
    if (refusal != PBTS_REFUSAL_NONE) {
        rest_reply_refusal(request, refusal);
        return;
    }
    state->op = (struct commit_op){ .kind = COMMIT_REGISTRATION,
                                    .registration = &state->checked,
                                    .admin = true };
    rest_commit(request, &state->op, registered);
}

static void migrated(struct rest_request *request, struct commit_op *op) {
    const struct contract_state *state = request->state;
    if (op->refusal != PBTS_REFUSAL_NONE) {
        rest_reply_refusal(request, op->refusal);
        return;
    }
    LOG(&request->app->log, LOG_INFO, "migrated", LOG_SPAN("uid", state->uid),
        LOG_ADDR("client", &request->client));
    reply_user(request, state->uid);
}

void rest_contract_migrate(struct rest_request *request, const struct rest_caller *caller) {
    struct contract_state *state = begin(request);
    if (state == NULL) return;
    state->op = (struct commit_op){ .kind = COMMIT_MIGRATE, .uid = state->uid };
    rest_commit(request, &state->op, migrated);
}
