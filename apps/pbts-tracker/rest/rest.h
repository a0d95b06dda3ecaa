/* rest.h - one REST request as its handler sees it; http_server.c joins it to libmicrohttpd.
 *
 * rest_handle is called once a request is whole, on a thread of the HTTP pool. It answers with one
 * rest_reply_* call, or starts a commit with rest_commit, whose `done` answers later on the same
 * pool. A handler may block that long only (pairings are fine).
 */
#ifndef PBTS_TRACKER_REST_H
#define PBTS_TRACKER_REST_H

#include <jansson.h>

#include "app.h"
#include "committer.h"
#include "tee/tee_service.h"
#include "work.h"

struct rest_connection; /* http_server.c's side */

struct rest_request {
    struct app *app;
    const char *method; /* "GET" */
    const char *path;   /* "/user/alice", percent-decoded, without the query */
    pbts_span body;     /* whole; at most rest_body_max bytes */
    pbts_addr client;   /* after PROXY and X-Forwarded-For of trusted proxies */
    bool from_loopback; /* the client's address, and nothing forwarded it */
    bool https;
    struct work work;       /* of the checking of signatures; ended when the handler returns */
    unsigned retry_after_s; /* of a 429 or 503; 0: the usual */
    void *state;            /* the handler's own, from rest_handle to the reply */
    void (*state_free)(void *state); /* called when the request ends; may be NULL */
    struct rest_connection *connection;
};

/* ---- implemented in rest*.c ---- */

void rest_handle(struct rest_request *request);
/* The largest body that an endpoint takes; more is answered with 413 before rest_handle. */
size_t rest_body_max(const char *method, const char *path);
/* A name of the endpoint for metrics, from a fixed small set ("report", "user", "other"). */
enum metrics_endpoint rest_endpoint(const char *path);

/* ---- implemented in http_server.c ---- */

/* NULL when absent. Query values are percent-decoded; valid until the request ends. */
const char *rest_query(const struct rest_request *request, const char *key);
const char *rest_header(const struct rest_request *request, const char *name);
bool rest_is_admin(const struct rest_request *request);

/* Extra headers must be set before the reply. Each reply call ends the request's handling. */
void rest_reply_header(struct rest_request *request, const char *name, const char *value);
void rest_reply_json(struct rest_request *request, unsigned status, json_t *take);
void rest_reply_bytes(struct rest_request *request, unsigned status, const char *content_type,
                      pbts_span copy);
/* {"success": false, "error": sentence, "code": code}; 503 and 429 get a Retry-After. */
void rest_reply_error(struct rest_request *request, unsigned status, const char *code,
                      const char *sentence);
void rest_reply_refusal(struct rest_request *request, pbts_refusal refusal);

/* Suspend the request, commit `op` (its done and host are set here), then call `done` on the pool.
 * When the queue is full it answers OVERLOADED at once and `done` is not called. `op` and what it
 * borrows must live until `done` (keep them in `state`). */
void rest_commit(struct rest_request *request, struct commit_op *op,
                 void (*done)(struct rest_request *request, struct commit_op *op));
/* The same for evidence: `job` needs its report_data. */
void rest_have_evidence(struct rest_request *request, struct tee_job *job,
                        void (*done)(struct rest_request *request, struct tee_job *job));

#endif
