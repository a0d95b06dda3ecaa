/* One request: its head, its body up to the endpoint's limit, the handler, the answer. */
#include "http_connection.h"

#include <stdlib.h>
#include <strings.h>

#include "answer.h"
#include "http_server.h"
#include "net/clock.h"
#include "net/socket.h"

enum phase {
    PHASE_HEAD,    /* libmicrohttpd has the head */
    PHASE_BODY,    /* it brings the body */
    PHASE_WAITING, /* suspended; the committer has the operation, or tee/ the job */
    PHASE_DONE,    /* the operation has its outcome; the handler's second half comes */
    PHASE_REPLIED  /* there is an answer to queue */
};

enum { HEADERS_MAX = 8, RETRY_AFTER_S = 30 };

struct rest_connection {
    struct rest_request request;
    struct MHD_Connection *mhd;
    const struct http_side *side;
    struct http_server *server; /* the side's */
    enum phase phase;
    bool counted;                 /* in server->in_flight */
    bool too_large, no_room;      /* the body: for its endpoint, for our memory */
    bool is_unlimited;            /* a proxy, which speaks for many, or loopback */
    atomic_size_t *address_bytes; /* of bodies, of the client's address */
    uint8_t *body;
    size_t body_len, body_capacity, body_max, drained;
    struct http_guard *guard; /* of the connection; NULL when there was no memory for one */
    struct MHD_Response *response;
    unsigned status;
    struct {
        char name[32], value[256];
    } header[HEADERS_MAX];
    size_t header_count;
    struct commit_op *op;
    void (*op_done)(struct rest_request *, struct commit_op *);
    struct tee_job *job; /* of the request that waits; NULL: `op` */
    void (*job_done)(struct rest_request *, struct tee_job *);
    char query[]; /* as it came, after '?' */
};

/* ---- what handlers use ---- */

const char *rest_query(const struct rest_request *request, const char *key) {
    return MHD_lookup_connection_value(request->connection->mhd, MHD_GET_ARGUMENT_KIND, key);
}

const char *rest_header(const struct rest_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection->mhd, MHD_HEADER_KIND, name);
}

bool rest_is_admin(const struct rest_request *request) {
    return app_is_admin_token(request->app, rest_header(request, "Authorization"));
}

void rest_reply_header(struct rest_request *request, const char *name, const char *value) {
    struct rest_connection *connection = request->connection;
    if (connection->header_count == HEADERS_MAX) return;
    size_t at = connection->header_count++;
    snprintf(connection->header[at].name, sizeof connection->header[at].name, "%s", name);
    snprintf(connection->header[at].value, sizeof connection->header[at].value, "%s", value);
}

static void add_retry_after(struct MHD_Response *response, unsigned seconds) {
    char text[12];
    snprintf(text, sizeof text, "%u", seconds > 0 ? seconds : RETRY_AFTER_S);
    MHD_add_response_header(response, "Retry-After", text);
}

static void reply(struct rest_connection *connection, unsigned status,
                  struct MHD_Response *response, const char *content_type) {
    if (connection->response != NULL) MHD_destroy_response(connection->response);
    connection->response = response;
    connection->status = status;
    connection->phase = PHASE_REPLIED;
    if (response == NULL) return; /* no memory: the connection will be closed */
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (status == 503 || status == 429)
        add_retry_after(response, connection->request.retry_after_s);
    if (atomic_load(&connection->request.app->stopping) || atomic_load(&connection->side->retired))
        MHD_add_response_header(response, "Connection", "close");
    for (size_t i = 0; i < connection->header_count; i++)
        MHD_add_response_header(response, connection->header[i].name, connection->header[i].value);
}

void rest_reply_bytes(struct rest_request *request, unsigned status, const char *content_type,
                      pbts_span copy) {
    struct MHD_Response *response = MHD_create_response_from_buffer(
        copy.len, (void *)(uintptr_t)copy.data, MHD_RESPMEM_MUST_COPY);
    reply(request->connection, status, response, content_type);
}

void rest_reply_json(struct rest_request *request, unsigned status, json_t *take) {
    char *text = take == NULL ? NULL : json_dumps(take, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(take);
    struct MHD_Response *response = NULL;
    if (text != NULL)
        response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) free(text);
    reply(request->connection, status, response, "application/json");
}

void rest_reply_error(struct rest_request *request, unsigned status, const char *code,
                      const char *sentence) {
    rest_reply_json(request, status,
                    json_pack("{s:b, s:s, s:s}", "success", 0, "error", sentence, "code", code));
}

void rest_reply_refusal(struct rest_request *request, pbts_refusal refusal) {
    rest_reply_error(request, pbts_refusal_http_status(refusal), pbts_refusal_name(refusal),
                     pbts_refusal_failure(refusal).reason);
}

void rest_commit(struct rest_request *request, struct commit_op *op,
                 void (*done)(struct rest_request *request, struct commit_op *op)) {
    request->connection->op = op;
    request->connection->op_done = done;
    request->connection->phase = PHASE_WAITING;
}

void rest_have_evidence(struct rest_request *request, struct tee_job *job,
                        void (*done)(struct rest_request *request, struct tee_job *job)) {
    request->connection->job = job;
    request->connection->job_done = done;
    request->connection->phase = PHASE_WAITING;
}

/* ---- who asks ---- */

static enum MHD_Result take_last_value(void *closure, enum MHD_ValueKind kind, const char *key,
                                       const char *value) {
    const char **last = closure;
    if (value != NULL && strcasecmp(key, "X-Forwarded-For") == 0) *last = value;
    return MHD_YES;
}

/* The right-most address of the last X-Forwarded-For header; empty when there is none. */
static pbts_span forwarded_for(struct MHD_Connection *mhd) {
    const char *value = NULL;
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, take_last_value, &value);
    if (value == NULL) return (pbts_span){ NULL, 0 };
    const char *comma = strrchr(value, ',');
    pbts_span item = pbts_span_text(comma ? comma + 1 : value);
    while (item.len > 0 && (item.data[0] == ' ' || item.data[0] == '\t')) item.data++, item.len--;
    while (item.len > 0 && (item.data[item.len - 1] == ' ' || item.data[item.len - 1] == '\t'))
        item.len--;
    return item;
}

static void find_client(struct rest_connection *connection) {
    struct rest_request *request = &connection->request;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    pbts_addr peer = { .family = PBTS_IPV4 };
    if (info != NULL && info->client_addr != NULL)
        (void)!pbts_sockaddr_read(&peer, info->client_addr);
    pbts_span forwarded = forwarded_for(connection->mhd);
    request->client = answer_client(request->app, &peer, forwarded);
    request->work = (struct work){ .app = request->app, .client = &request->client };
    request->from_loopback = app_is_loopback(&peer) && forwarded.len == 0 &&
                             rest_header(request, "Forwarded") == NULL &&
                             rest_header(request, "Via") == NULL;
    request->work.unlimited = request->from_loopback;
    connection->is_unlimited =
        request->from_loopback || app_is_trusted_proxy(request->app, &request->client);
    struct http_server *server = connection->server;
    connection->address_bytes =
        &server->body_bytes_per_address[http_address_bucket(server, &request->client)];
}

/* ---- the body ---- */

static void answer_too_large(struct rest_connection *connection) {
    char sentence[100];
    snprintf(sentence, sizeof sentence, "the body is larger than this endpoint's %zu bytes",
             connection->body_max);
    rest_reply_error(&connection->request, 413, "TOO_LARGE", sentence);
}

/* Look at the declared length before the body comes. */
static void begin_body(struct rest_connection *connection) {
    struct rest_request *request = &connection->request;
    const char *declared = rest_header(request, "Content-Length");
    unsigned long long len = declared ? strtoull(declared, NULL, 10) : 0;
    connection->phase = PHASE_BODY;
    connection->body_max = rest_body_max(request->method, request->path);
    if (len <= connection->body_max) return;
    /* A client that waits for "100 Continue", or means to send very much, is told at once; others
     * are heard to the end, for many cannot read an answer while they write. */
    bool waits = rest_header(request, "Expect") != NULL;
    if (waits || len - connection->body_max > HTTP_DRAIN_MAX) {
        rest_reply_header(request, "Connection", "close");
        answer_too_large(connection);
    }
}

static void count_body(struct rest_connection *connection, size_t more) {
    atomic_fetch_add(&connection->server->body_bytes, more);
    atomic_fetch_add(connection->address_bytes, more);
}

static void uncount_body(struct rest_connection *connection, size_t less) {
    atomic_fetch_sub(&connection->server->body_bytes, less);
    atomic_fetch_sub(connection->address_bytes, less);
}

static bool has_room(const struct rest_connection *connection) {
    bool is_fair = connection->is_unlimited ||
                   atomic_load(connection->address_bytes) <= HTTP_BODIES_PER_ADDRESS_MAX;
    return is_fair && atomic_load(&connection->server->body_bytes) <= HTTP_BODIES_MAX;
}

static bool reserve_body(struct rest_connection *connection, size_t needed) {
    size_t capacity = connection->body_capacity > 0 ? connection->body_capacity : 4096;
    while (capacity < needed) capacity *= 2;
    if (capacity > connection->body_max) capacity = connection->body_max;
    if (capacity <= connection->body_capacity) return true;
    size_t more = capacity - connection->body_capacity;
    count_body(connection, more);
    uint8_t *grown = has_room(connection) ? realloc(connection->body, capacity) : NULL;
    if (grown == NULL) {
        uncount_body(connection, more);
        return false;
    }
    connection->body = grown;
    connection->body_capacity = capacity;
    return true;
}

/* One more part of the body; MHD_NO ends the connection. */
static enum MHD_Result add_body(struct rest_connection *connection, const char *data, size_t len) {
    if (len > connection->body_max - connection->body_len) connection->too_large = true;
    if (!connection->too_large && !connection->no_room)
        connection->no_room = !reserve_body(connection, connection->body_len + len);
    if (connection->too_large || connection->no_room) {
        connection->drained += len;
        size_t most =
            connection->too_large ? connection->body_max + HTTP_DRAIN_MAX : HTTP_DRAIN_MAX;
        return connection->drained <= most ? MHD_YES : MHD_NO;
    }
    memcpy(connection->body + connection->body_len, data, len);
    connection->body_len += len;
    return MHD_YES;
}

/* ---- the answer ---- */

static void answer_tracker(struct rest_connection *connection, pbts_http_kind kind,
                           pbts_span passkey) {
    uint8_t bytes[ANSWER_BODY_MAX];
    pbts_writer body = pbts_writer_over(bytes, sizeof bytes);
    struct answer_context context = { .app = connection->request.app,
                                      .counters = &connection->request.app->metrics.pool,
                                      .work = &connection->request.work,
                                      .now = app_now() };
    answer_http(&context, &body, kind, passkey, pbts_span_text(connection->query),
                &connection->request.client);
    rest_reply_bytes(&connection->request, body.failed ? 500 : 200, "text/plain",
                     pbts_writer_span(&body));
}

static void handle(struct rest_connection *connection) {
    struct rest_request *request = &connection->request;
    pbts_span passkey;
    pbts_http_kind kind = pbts_http_path_kind(pbts_span_text(request->path), &passkey);
    request->body = (pbts_span){ connection->body, connection->body_len };
    connection->counted = true;
    atomic_fetch_add(&connection->server->in_flight, 1);
    if (connection->too_large)
        answer_too_large(connection);
    else if (connection->no_room)
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
    else if (atomic_load(&request->app->stopping))
        rest_reply_error(request, 503, "STOPPING", "the tracker is stopping; try again soon");
    else if (kind != PBTS_HTTP_OTHER && strcmp(request->method, "GET") == 0)
        answer_tracker(connection, kind, passkey);
    else
        rest_handle(request);
    work_end(&request->work);
}

static void on_committed(void *host, struct commit_op *op) {
    struct rest_connection *connection = host;
    connection->phase = PHASE_DONE;
    MHD_resume_connection(connection->mhd); /* publishes the phase to the pool's thread */
}

static void on_evidence(void *host, struct tee_job *job) {
    struct rest_connection *connection = host;
    (void)job;
    connection->phase = PHASE_DONE;
    MHD_resume_connection(connection->mhd);
}

static pbts_refusal submit(struct rest_connection *connection) {
    struct app *app = connection->request.app;
    struct commit_op *op = connection->op;
    struct tee_job *job = connection->job;
    if (job != NULL) {
        job->host = connection;
        job->done = on_evidence;
        return tee_service_submit(app->tee, job);
    }
    op->host = connection;
    op->done = on_committed;
    return committer_submit(app->committer, op);
}

/* Give the operation to the committer, whose answer comes when it is on disk, or the job to tee/.
 */
static void hand_in(struct rest_connection *connection) {
    MHD_suspend_connection(connection->mhd);
    pbts_refusal refusal = submit(connection);
    if (refusal == PBTS_REFUSAL_NONE) return; /* `connection` may be another thread's by now */
    rest_reply_refusal(&connection->request, refusal);
    MHD_resume_connection(connection->mhd);
}

static enum MHD_Result queue_reply(struct rest_connection *connection) {
    if (connection->response == NULL) return MHD_NO;
    http_guard_expect(connection->guard, HTTP_ANSWER_DEADLINE_S, pbts_clock_mono_us());
    return MHD_queue_response(connection->mhd, connection->status, connection->response);
}

/* The handler's second half. */
static void finish_wait(struct rest_connection *connection) {
    struct tee_job *job = connection->job;
    connection->job = NULL;
    if (job != NULL)
        connection->job_done(&connection->request, job);
    else
        connection->op_done(&connection->request, connection->op);
}

static enum MHD_Result advance(struct rest_connection *connection) {
    if (connection->phase == PHASE_DONE) {
        connection->phase = PHASE_BODY;
        finish_wait(connection);
    }
    if (connection->phase == PHASE_WAITING) {
        hand_in(connection);
        return MHD_YES;
    }
    if (connection->phase == PHASE_REPLIED) return queue_reply(connection);
    rest_reply_error(&connection->request, 500, "INTERNAL", "the request was not answered");
    return queue_reply(connection);
}

/* ---- libmicrohttpd's callbacks ---- */

static struct http_guard *guard_of(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

void *http_on_uri(void *closure, const char *uri, struct MHD_Connection *mhd) {
    const struct http_side *side = closure;
    const char *mark = strchr(uri, '?');
    const char *query = mark ? mark + 1 : "";
    size_t len = strnlen(query, HTTP_QUERY_MAX);
    struct rest_connection *connection = calloc(1, sizeof *connection + len + 1);
    if (connection == NULL) return NULL;
    memcpy(connection->query, query, len);
    connection->mhd = mhd;
    connection->side = side;
    connection->server = side->server;
    connection->guard = guard_of(mhd);
    connection->request.app = side->server->app;
    connection->request.https = side->https;
    connection->request.connection = connection;
    return connection;
}

enum MHD_Result http_on_request(void *closure, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **request) {
    struct rest_connection *connection = *request;
    if (connection == NULL) return MHD_NO;
    if (connection->phase == PHASE_HEAD) {
        connection->request.method = method;
        connection->request.path = url;
        http_guard_expect(connection->guard, HTTP_BODY_DEADLINE_S, pbts_clock_mono_us());
        find_client(connection);
        begin_body(connection);
        return connection->phase == PHASE_REPLIED ? queue_reply(connection) : MHD_YES;
    }
    if (connection->phase == PHASE_BODY && *upload_data_size > 0) {
        enum MHD_Result result = add_body(connection, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return result;
    }
    http_guard_expect(connection->guard, 0, 0); /* it is our turn */
    if (connection->phase == PHASE_BODY) handle(connection);
    return advance(connection);
}

static void count_and_log(struct rest_connection *connection) {
    struct app *app = connection->request.app;
    enum metrics_endpoint endpoint = rest_endpoint(connection->request.path);
    unsigned class = connection->status / 100;
    if (class < 6) metric_add(&app->metrics.rest[endpoint][class], 1);
    LOG(&app->log, LOG_DEBUG, "request", LOG_TEXT("method", connection->request.method),
        LOG_TEXT("endpoint", metrics_endpoint_name(endpoint)),
        LOG_UINT("status", connection->status), LOG_ADDR("client", &connection->request.client));
}

void http_on_completed(void *closure, struct MHD_Connection *mhd, void **request,
                       enum MHD_RequestTerminationCode why) {
    struct rest_connection *connection = *request;
    if (connection == NULL) return;
    *request = NULL;
    http_guard_expect(connection->guard, HTTP_HEAD_DEADLINE_S, pbts_clock_mono_us());
    if (connection->phase == PHASE_REPLIED) count_and_log(connection);
    if (connection->request.state_free != NULL)
        connection->request.state_free(connection->request.state);
    if (connection->response != NULL) MHD_destroy_response(connection->response);
    if (connection->counted) atomic_fetch_sub(&connection->server->in_flight, 1);
    if (connection->body_capacity > 0) uncount_body(connection, connection->body_capacity);
    free(connection->body);
    free(connection);
}
