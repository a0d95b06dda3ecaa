/* The REST API's table of endpoints: who may call what, with how large a body. */
#include "rest.h"

#include <stdio.h>

#include "attest/quote.h"
#include "rest_parts.h"
#include "wire/http_request.h"

enum {
    BODY_MAX = 64 * 1024,
    REPORT_MAX = PBTS_REPORT_LEN_MAX,
    TORRENT_MAX = PBTS_METAINFO_LEN_MAX,
    QUOTE_MAX = 2 * PBTS_QUOTE_LEN_MAX + BODY_MAX, /* in hexadecimal, or less in base64 */
};

enum rest_who {
    WHO_ALL,
    WHO_USER,      /* signed request or passkey; or an administrator */
    WHO_USER_ONCE, /* signed request that cannot be replayed */
    WHO_ADMIN,
    WHO_METRICS, /* metrics_allow */
    WHO_LOOPBACK /* and only with dev_endpoints = yes */
};

struct endpoint {
    const char *method, *path; /* a '*' at the end: one more part, not empty, without '/' */
    rest_handler *handler;
    enum rest_who who;
    size_t body_max;
    enum metrics_endpoint metrics;
};

/* clang-format off */
static const struct endpoint ENDPOINTS[] = {
    { "GET",  "/",                     rest_status_page,       WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_STATUS },
    { "GET",  "/health",               rest_health,            WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_HEALTH },
    { "GET",  "/params",               rest_params,            WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_PARAMS },
    { "POST", "/register",             rest_register,          WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_REGISTER },
    { "POST", "/passkey",              rest_passkey,           WHO_USER_ONCE, BODY_MAX,    METRICS_ENDPOINT_REGISTER },
    { "POST", "/report",               rest_report,            WHO_ALL,       REPORT_MAX,  METRICS_ENDPOINT_REPORT },
    { "POST", "/verify-receipt",       rest_verify_receipt,    WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_VERIFY },
    { "GET",  "/torrents",             rest_torrent_list,      WHO_USER,      BODY_MAX,    METRICS_ENDPOINT_TORRENTS },
    { "POST", "/torrents",             rest_torrent_add,       WHO_USER,      TORRENT_MAX, METRICS_ENDPOINT_TORRENTS },
    { "GET",  "/torrents/*",           rest_torrent_fetch,     WHO_USER,      BODY_MAX,    METRICS_ENDPOINT_TORRENTS },
    { "GET",  "/user/*",               rest_user,              WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_USER },
    { "GET",  "/config",               rest_config_show,       WHO_ADMIN,     BODY_MAX,    METRICS_ENDPOINT_CONFIG },
    { "POST", "/config",               rest_config_change,     WHO_ADMIN,     BODY_MAX,    METRICS_ENDPOINT_CONFIG },
    { "GET",  "/contract/status",      rest_contract_status,   WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_CONTRACT },
    { "POST", "/contract/init",        rest_contract_init,     WHO_ADMIN,     BODY_MAX,    METRICS_ENDPOINT_CONTRACT },
    { "POST", "/contract/register",    rest_contract_register, WHO_ADMIN,     BODY_MAX,    METRICS_ENDPOINT_CONTRACT },
    { "POST", "/contract/update",      rest_contract_update,   WHO_ADMIN,     BODY_MAX,    METRICS_ENDPOINT_CONTRACT },
    { "POST", "/contract/migrate",     rest_contract_migrate,  WHO_ADMIN,     BODY_MAX,    METRICS_ENDPOINT_CONTRACT },
    { "GET",  "/contract/user/*",      rest_contract_user,     WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_CONTRACT },
    { "GET",  "/metrics",              rest_metrics,           WHO_METRICS,   BODY_MAX,    METRICS_ENDPOINT_METRICS },
    { "POST", "/keygen",               rest_keygen,            WHO_LOOPBACK,  BODY_MAX,    METRICS_ENDPOINT_DEV },
    { "POST", "/attest",               rest_attest,            WHO_LOOPBACK,  BODY_MAX,    METRICS_ENDPOINT_DEV },
    { "GET",  "/tee/status",           rest_tee_status,        WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_TEE },
    { "POST", "/generate-attestation", rest_tee_generate,      WHO_ALL,       BODY_MAX,    METRICS_ENDPOINT_TEE },
    { "POST", "/verify-attestation",   rest_tee_verify,        WHO_ALL,       QUOTE_MAX,   METRICS_ENDPOINT_TEE },
};
/* clang-format on */
enum { ENDPOINT_COUNT = sizeof ENDPOINTS / sizeof ENDPOINTS[0] };

/* Whether the path is the endpoint's; `tail` is what stands for its '*'. */
static bool matches(const struct endpoint *endpoint, const char *path, const char **tail) {
    size_t len = strlen(endpoint->path);
    *tail = "";
    if (endpoint->path[len - 1] != '*') return strcmp(endpoint->path, path) == 0;
    if (strncmp(endpoint->path, path, len - 1) != 0) return false;
    *tail = path + len - 1;
    return **tail != '\0' && strchr(*tail, '/') == NULL;
}

static bool same_method(const char *method, const struct endpoint *endpoint) {
    if (strcmp(method, "HEAD") == 0) method = "GET"; /* the server leaves the body out */
    return strcmp(method, endpoint->method) == 0;
}

static const struct endpoint *find(const char *method, const char *path, const char **tail) {
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        if (same_method(method, &ENDPOINTS[i]) && matches(&ENDPOINTS[i], path, tail))
            return &ENDPOINTS[i];
    return NULL;
}

size_t rest_body_max(const char *method, const char *path) {
    const char *tail;
    const struct endpoint *endpoint = find(method, path, &tail);
    return endpoint ? endpoint->body_max : BODY_MAX;
}

static bool is_announce(const char *path) {
    pbts_span passkey;
    return pbts_http_path_kind(pbts_span_text(path), &passkey) != PBTS_HTTP_OTHER;
}

enum metrics_endpoint rest_endpoint(const char *path) {
    const char *tail;
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        if (matches(&ENDPOINTS[i], path, &tail)) return ENDPOINTS[i].metrics;
    return is_announce(path) ? METRICS_ENDPOINT_ANNOUNCE : METRICS_ENDPOINT_OTHER;
}

/* No endpoint has this path with this method: does one have it with another? */
static void refuse_unknown(struct rest_request *request) {
    char allow[32] = "";
    const char *tail;
    for (size_t i = 0; i < ENDPOINT_COUNT; i++) {
        size_t len = strlen(allow);
        if (!matches(&ENDPOINTS[i], request->path, &tail)) continue;
        snprintf(allow + len, sizeof allow - len, "%s%s", len > 0 ? ", " : "", ENDPOINTS[i].method);
    }
    if (is_announce(request->path)) snprintf(allow, sizeof allow, "GET");
    if (allow[0] == '\0') {
        rest_reply_error(request, 404, "NOT_FOUND",
                         "there is no such endpoint; GET / shows those that there are");
        return;
    }
    char sentence[80];
    snprintf(sentence, sizeof sentence, "this endpoint takes %s", allow);
    rest_reply_header(request, "Allow", allow);
    rest_reply_error(request, 405, "METHOD_NOT_ALLOWED", sentence);
}

static bool admit_loopback(struct rest_request *request) {
    if (request->app->config.dev_endpoints && request->from_loopback) return true;
    rest_reply_error(request, 403, "DEV_ONLY",
                     "the tracker handles no secret keys: use `pbts key new` and `pbts receipt "
                     "make` (for development: dev_endpoints = yes, and ask from this machine)");
    return false;
}

static bool admit_metrics(struct rest_request *request) {
    if (app_may_read_metrics(request->app, &request->client) || rest_is_admin(request)) return true;
    rest_reply_error(request, 403, "DENIED", "your address is not in metrics_allow");
    return false;
}

/* False: the refusal was sent. */
static bool admit(struct rest_request *request, enum rest_who who, struct rest_caller *caller) {
    switch (who) {
    case WHO_ALL: return true;
    case WHO_USER: return rest_authenticate(request, &caller->user_no, false);
    case WHO_USER_ONCE: return rest_authenticate(request, &caller->user_no, true);
    case WHO_METRICS: return admit_metrics(request);
    case WHO_LOOPBACK: return admit_loopback(request);
    case WHO_ADMIN:
        if (rest_is_admin(request)) return true;
        rest_refuse_admin(request);
        return false;
    }
    return false;
}

void rest_handle(struct rest_request *request) {
    struct rest_caller caller = { .tail = "" };
    const struct endpoint *endpoint = find(request->method, request->path, &caller.tail);
    if (endpoint == NULL)
        refuse_unknown(request);
    else if (admit(request, endpoint->who, &caller))
        endpoint->handler(request, &caller);
}
