/* Who asks: administrators by token, users by signature or passkey; and what an address may do. */
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "codec/text.h"
#include "net/clock.h"
#include "rest_parts.h"

static const char SCHEME[] = "PBTS ";

/* ---- rate limits ---- */

static pbts_span limit_seed(const struct app *app) {
    return PBTS_SPAN_OF(app->limit_seed);
}

static void refuse_often(struct rest_request *request, const char *what, uint64_t wait_ms) {
    char sentence[100];
    LOG_HOSTILE(&request->app->log, "rest_limited", LOG_TEXT("what", what),
                LOG_ADDR("client", &request->client));
    request->retry_after_s = (unsigned)((wait_ms + 999) / 1000);
    snprintf(sentence, sizeof sentence, "too many %s from your address; try again later", what);
    rest_reply_error(request, 429, pbts_refusal_name(PBTS_REFUSAL_TOO_OFTEN), sentence);
}

static void refuse_kind(struct rest_request *request, enum rest_limit_kind kind,
                        const struct rest_limit_who *who) {
    struct app *app = request->app;
    static const char *const WHAT[] = {
        [REST_LIMIT_REGISTRATION] = "registrations",
        [REST_LIMIT_BAD_SIGNATURE] = "bad signatures",
        [REST_LIMIT_ATTESTATION] = "requests for evidence",
    };
    refuse_often(
        request, WHAT[kind],
        rest_limits_wait_ms(&app->rest_limits, kind, limit_seed(app), who, pbts_clock_mono_ms()));
}

bool rest_limit_is_open(struct rest_request *request, enum rest_limit_kind kind) {
    struct app *app = request->app;
    struct rest_limit_who who = rest_limit_address(&request->client);
    if (request->from_loopback || rest_limits_wait_ms(&app->rest_limits, kind, limit_seed(app),
                                                      &who, pbts_clock_mono_ms()) == 0)
        return true;
    refuse_kind(request, kind, &who);
    return false;
}

bool rest_limit_take(struct rest_request *request, enum rest_limit_kind kind) {
    struct app *app = request->app;
    struct rest_limit_who who = rest_limit_address(&request->client);
    if (request->from_loopback ||
        rest_limits_take(&app->rest_limits, kind, limit_seed(app), &who, pbts_clock_mono_ms()))
        return true;
    refuse_kind(request, kind, &who);
    return false;
}

void rest_limit_count(struct rest_request *request, enum rest_limit_kind kind) {
    struct app *app = request->app;
    struct rest_limit_who who = rest_limit_address(&request->client);
    if (request->from_loopback) return;
    (void)rest_limits_take(&app->rest_limits, kind, limit_seed(app), &who, pbts_clock_mono_ms());
}

bool rest_may_work(struct rest_request *request, pbts_span name) {
    struct work *work = &request->work;
    bool by_address = work->begun || work_begin(work);
    if (by_address && work_claim(work, name)) return true;
    LOG_HOSTILE(&request->app->log, "rest_limited",
                LOG_TEXT("what", by_address ? "a user's signatures" : "signatures"),
                LOG_ADDR("client", &request->client));
    request->retry_after_s = (unsigned)((work->wait_ms + 999) / 1000);
    rest_reply_refusal(request, PBTS_REFUSAL_TOO_OFTEN);
    return false;
}

void rest_prove(struct rest_request *request, uint32_t user_no, uint64_t unix_time) {
    if (pbts_tracker_is_first_shown(request->app->tracker, user_no, unix_time))
        work_prove(&request->work);
}

void rest_refuse(struct rest_request *request, pbts_refusal refusal) {
    if (refusal == PBTS_REFUSAL_BAD_SIGNATURE) rest_limit_count(request, REST_LIMIT_BAD_SIGNATURE);
    rest_reply_refusal(request, refusal);
}

/* ---- administrators ---- */

void rest_refuse_admin(struct rest_request *request) {
    rest_reply_header(request, "WWW-Authenticate", "Bearer");
    rest_reply_error(request, 401, "ADMIN_ONLY",
                     "this needs the administrator's token, in the data directory's admin.token: "
                     "Authorization: Bearer <token>");
}

/* ---- users ---- */

static bool parse_time(uint64_t *out, pbts_span text) {
    uint64_t value = 0;
    if (text.len == 0 || text.len > 18) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out = value;
    return true;
}

/* The next of "name=value,name=value"; base64 holds '=' but no ','. */
static bool next_item(pbts_span *name, pbts_span *value, const char **rest) {
    const char *at = *rest + strspn(*rest, " ,");
    const char *equals = strchr(at, '=');
    if (*at == '\0' || equals == NULL) return false;
    const char *end = equals + strcspn(equals, ",");
    *name = (pbts_span){ (const uint8_t *)at, (size_t)(equals - at) };
    *value = (pbts_span){ (const uint8_t *)equals + 1, (size_t)(end - equals - 1) };
    *rest = end;
    return true;
}

enum { SEEN_PK = 1, SEEN_TIME = 2, SEEN_SIG = 4, SEEN_ALL = 7 };

/* Read one item into its field; which one it was, or 0 when it is none or bad. */
static unsigned take_item(pbts_signed_request *out, pbts_span name, pbts_span value) {
    pbts_status status = PBTS_MALFORMED;
    if (pbts_span_is(name, "time")) return parse_time(&out->unix_time, value) ? SEEN_TIME : 0;
    if (pbts_span_is(name, "pk")) {
        status = pbts_base64_decode_exact(out->key.bytes, sizeof out->key.bytes, value);
        return status == PBTS_OK ? SEEN_PK : 0;
    }
    if (pbts_span_is(name, "sig"))
        status = pbts_base64_decode_exact(out->signature.bytes, sizeof out->signature.bytes, value);
    return status == PBTS_OK ? SEEN_SIG : 0;
}

/* "pk=<base64>,time=<unix seconds>,sig=<base64>" in any order, each once. */
static bool parse_credentials(pbts_signed_request *out, const char *text) {
    unsigned seen = 0;
    pbts_span name, value;
    while (next_item(&name, &value, &text)) {
        unsigned what = take_item(out, name, value);
        if (what == 0 || (seen & what) != 0) return false;
        seen |= what;
    }
    return seen == SEEN_ALL && *text == '\0';
}

static bool authenticate_signed(struct rest_request *request, uint32_t *user_no, const char *text,
                                bool once) {
    /* HEAD asks for what GET does, and is signed as such. */
    const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
    pbts_signed_request signed_request = { .method = pbts_span_text(method),
                                           .path = pbts_span_text(request->path),
                                           .body = request->body,
                                           .once = once };
    if (!parse_credentials(&signed_request, text)) {
        rest_reply_error(request, 400, "MALFORMED",
                         "the header should be Authorization: PBTS pk=<base64>,time=<unix "
                         "seconds>,sig=<base64>");
        return false;
    }
    if (!rest_limit_is_open(request, REST_LIMIT_BAD_SIGNATURE) ||
        !rest_may_work(request, PBTS_SPAN_OF(signed_request.key.bytes)))
        return false;
    pbts_refusal refusal =
        pbts_check_request(request->app->tracker, user_no, &signed_request, app_now());
    if (refusal == PBTS_REFUSAL_NONE) {
        rest_prove(request, *user_no, signed_request.unix_time);
        return true;
    }
    rest_refuse(request, refusal);
    return false;
}

static void refuse_anonymous(struct rest_request *request, bool once) {
    rest_reply_header(request, "WWW-Authenticate", "PBTS");
    rest_reply_error(request, 401, "UNAUTHENTICATED",
                     once ? "this needs a signed request: Authorization: PBTS "
                            "pk=<base64>,time=<unix seconds>,sig=<base64>"
                          : "this needs a user: ?passkey=<yours>, or a signed request with "
                            "Authorization: PBTS pk=<base64>,time=<unix seconds>,sig=<base64>");
}

bool rest_authenticate(struct rest_request *request, uint32_t *user_no, bool once) {
    const char *authorization = rest_header(request, "Authorization");
    const char *passkey = rest_query(request, "passkey");
    if (authorization != NULL && strncmp(authorization, SCHEME, sizeof SCHEME - 1) == 0)
        return authenticate_signed(request, user_no, authorization + sizeof SCHEME - 1, once);
    if (!once && rest_is_admin(request)) {
        *user_no = 0;
        return true;
    }
    if (once || passkey == NULL) {
        refuse_anonymous(request, once);
        return false;
    }
    pbts_refusal refusal =
        pbts_tracker_authenticate(request->app->tracker, user_no, pbts_span_text(passkey));
    if (refusal != PBTS_REFUSAL_NONE) rest_reply_refusal(request, refusal);
    return refusal == PBTS_REFUSAL_NONE;
}

void rest_announce_url(const struct app *app, char out[static REST_ANNOUNCE_URL_MAX],
                       uint32_t user_no) {
    char passkey[PBTS_PASSKEY_LEN + 1] = "";
    if (user_no != 0) pbts_tracker_passkey(app->tracker, passkey, user_no);
    snprintf(out, REST_ANNOUNCE_URL_MAX, "%s/announce%s%s", app->public_url, user_no ? "/" : "",
             passkey);
    pbts_wipe(passkey, sizeof passkey);
}
