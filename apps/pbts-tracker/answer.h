/* answer.h - announces and scrapes answered, whichever server read them: the front's workers, the
 * general HTTP server (hand-over, HTTPS, signed), UDP. */
#ifndef PBTS_TRACKER_ANSWER_H
#define PBTS_TRACKER_ANSWER_H

#include "app.h"
#include "wire/http_announce.h"
#include "wire/http_request.h"
#include "work.h"

enum {
    /* A list of 200 IPv4 and 200 IPv6 peers that is not compact, and all that is around it. */
    ANSWER_BODY_MAX = 27 * 1024,
};

struct answer_context {
    struct app *app;
    struct metrics_worker *counters;
    bool alone;        /* nobody else counts on `counters` */
    struct work *work; /* of a signed announce's pairing; NULL: not here */
    pbts_now now;
};

/* Append the bencoded body for an HTTP announce or scrape; refusals are bodies too. */
void answer_http(const struct answer_context *context, pbts_writer *body, pbts_http_kind kind,
                 pbts_span passkey, pbts_span query, const pbts_addr *client);
/* The client behind a trusted proxy, else the socket's own address. `forwarded_for`: right-most. */
pbts_addr answer_client(struct app *app, const pbts_addr *socket_addr, pbts_span forwarded_for);

static inline void answer_count(const struct answer_context *context, metric *counter) {
    if (context->alone)
        metric_count(counter);
    else
        metric_add(counter, 1);
}

#endif
