/* GET /user/<uid>: what everybody may know of a user. */
#include "rest_parts.h"

static json_t *describe(const pbts_user *user) {
    pbts_span uid = { user->uid, user->uid_len };
    json_t *key = user->has_key ? rest_json_base64(PBTS_SPAN_OF(user->key.bytes)) : json_null();
    return json_pack(
        "{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "success", 1,
        "user_id", rest_json_text(uid), "public_key", key, "up_bytes",
        rest_json_uint(user->up_bytes), "down_bytes", rest_json_uint(user->down_bytes),
        "held_bytes", rest_json_uint(user->held_bytes), "owed_bytes",
        rest_json_uint(user->owed_bytes), "granted_bytes", (json_int_t)user->granted_bytes,
        "allowance_bytes", rest_json_uint(user->allowance_bytes), "ratio",
        rest_json_ratio(user->up_bytes, user->down_bytes), "reported_up_bytes",
        rest_json_uint(user->reported_up_bytes), "reported_down_bytes",
        rest_json_uint(user->reported_down_bytes), "peers", rest_json_uint(user->peers),
        "registered_at", rest_json_uint(user->registered_unix_s));
}

void rest_user(struct rest_request *request, const struct rest_caller *caller) {
    pbts_user user;
    pbts_span uid = pbts_span_text(caller->tail);
    pbts_status status = PBTS_NOT_FOUND;
    if (pbts_uid_is_valid(uid)) status = pbts_tracker_user(request->app->tracker, &user, uid);
    if (status == PBTS_NOT_FOUND)
        rest_reply_refusal(request, PBTS_REFUSAL_UNKNOWN_USER);
    else if (status != PBTS_OK)
        rest_reply_refusal(request, pbts_refusal_of_status(status));
    else
        rest_reply_json(request, 200, describe(&user));
}
