/* The front's HTTP: announce and scrape here, everything else to the general server. */
#include "wire/proxy.h"
#include "worker.h"

enum { HTTP_OK = 200, HTTP_BAD_REQUEST = 400, HTTP_HEAD_TOO_LARGE = 431 };

/* Frame what `body` wrote behind the reserve and append it to `out`. */
static void append_framed(pbts_writer *out, uint8_t *frame, const pbts_writer *body,
                          unsigned status, bool keep_alive) {
    pbts_span whole = pbts_http_frame(frame, body->len, status, keep_alive, 0);
    /* Head and body end where they should; close the gap that the short head left. */
    memmove(out->data + out->len, whole.data, whole.len);
    out->len += whole.len;
}

/* Where the body of the next answer is written: behind room for the head. */
static pbts_writer body_after_head(pbts_writer *out, uint8_t **frame) {
    *frame = out->data + out->len;
    return pbts_writer_over(*frame + PBTS_HTTP_HEAD_RESERVE,
                            out->capacity - out->len - PBTS_HTTP_HEAD_RESERVE);
}

static void append_error(pbts_writer *out, unsigned status, const char *reason) {
    uint8_t *frame;
    pbts_writer body = body_after_head(out, &frame);
    pbts_failure failure = { .reason = reason, .retry_in_minutes = -1 };
    pbts_http_failure_body(&body, &failure);
    append_framed(out, frame, &body, status, false);
}

static pbts_front_verdict refuse(struct worker *worker, pbts_writer *out, pbts_status status) {
    metric_count(&worker->http->announces_bad);
    if (status == PBTS_LIMIT)
        append_error(out, HTTP_HEAD_TOO_LARGE, "the request line or head is too long");
    else
        append_error(out, HTTP_BAD_REQUEST, "this is no HTTP request that this tracker takes");
    return PBTS_FRONT_REFUSED;
}

/* The general server gets whole heads only, so that slow ones meet the front's deadline. */
static pbts_front_verdict hand_over_when_whole(struct worker *worker, pbts_writer *out,
                                               pbts_span bytes) {
    size_t len = bytes.len < PBTS_HTTP_HEAD_MAX ? bytes.len : PBTS_HTTP_HEAD_MAX;
    if (memmem(bytes.data, len, "\n\r\n", 3) != NULL || memmem(bytes.data, len, "\n\n", 2) != NULL)
        return PBTS_FRONT_HAND_OVER;
    if (len == PBTS_HTTP_HEAD_MAX) return refuse(worker, out, PBTS_LIMIT);
    return PBTS_FRONT_MORE;
}

pbts_front_verdict worker_http_request(void *host, pbts_writer *out, size_t *consumed,
                                       pbts_span bytes, const pbts_addr *client) {
    struct worker *worker = host;
    pbts_http_request request;
    uint8_t *frame;
    pbts_status status = pbts_http_request_decode(&request, bytes);
    if (status == PBTS_NEED_MORE) return PBTS_FRONT_MORE;
    if (status != PBTS_OK) return refuse(worker, out, status);
    if (request.kind == PBTS_HTTP_OTHER) return hand_over_when_whole(worker, out, bytes);

    pbts_addr real = *client;
    if (request.forwarded_for.len > 0)
        real = answer_client(worker->app, client, request.forwarded_for);
    struct answer_context context = {
        .app = worker->app, .counters = worker->http, .alone = true, .now = worker->now
    };
    pbts_writer body = body_after_head(out, &frame);
    answer_http(&context, &body, request.kind, request.passkey, request.query, &real);
    if (body.failed) return PBTS_FRONT_REFUSED;
    append_framed(out, frame, &body, HTTP_OK, request.keep_alive);
    *consumed = request.head_len;
    return request.keep_alive ? PBTS_FRONT_ANSWERED : PBTS_FRONT_LAST;
}

pbts_front_verdict worker_http_preamble(void *host, pbts_addr *client, size_t *consumed,
                                        pbts_span bytes) {
    struct worker *worker = host;
    pbts_proxy_header header;
    *consumed = 0;
    if (bytes.data[0] != '\r' || !app_is_trusted_proxy(worker->app, client))
        return PBTS_FRONT_ANSWERED; /* no header: its signature begins with CR */
    switch (pbts_proxy_decode(&header, bytes)) {
    case PBTS_OK: break;
    case PBTS_NEED_MORE: return PBTS_FRONT_MORE;
    default: return PBTS_FRONT_REFUSED;
    }
    *consumed = header.len;
    if (!header.local) *client = pbts_addr_unmapped(&header.source);
    return PBTS_FRONT_ANSWERED;
}
