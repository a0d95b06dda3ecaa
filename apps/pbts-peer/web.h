/* web.h - HTTP requests to trackers on the loop, by libcurl: announces, parameters, reports. */
#ifndef PBTS_PEER_WEB_H
#define PBTS_PEER_WEB_H

#include <curl/curl.h>
#include <uv.h>

#include "base/addr.h"

enum { WEB_REQUESTS_MAX = 256 }; /* under way at once; further ones fail */

typedef struct web web;
typedef struct web_request web_request;

/* How it ended. `error`: NULL when there is an answer, whatever its status; else a sentence. All is
 * borrowed until the callback returns. */
typedef struct {
    const char *error;
    long status;
    pbts_span body;
} web_answer;
typedef void (*web_done)(void *host, const web_answer *answer);

typedef struct {
    const char *ca;         /* certificates to trust for https; NULL: the system's */
    const pbts_addr *bound; /* the address to ask from; NULL: any */
} web_config;

/* NULL, or what is wrong with such a file of certificates (PEM). */
const char *web_ca_problem(const char *path);

/* `config` is copied, what it points to is borrowed. NULL: no memory. */
web *web_new(uv_loop_t *loop, const web_config *config);
/* Ends all requests without calling back, and closes its handles; the loop must run on until they
 * are closed, and then frees it. */
void web_close(web *w);

typedef struct {
    const char *url;
    const char *content_type; /* NULL: a GET, else a POST of `body`, which is copied */
    pbts_span body;
    size_t answer_max;
    long timeout_ms;
    web_done done;
    void *host;
} web_query;

/* Start one; `done` is called later, once, unless it is cancelled. NULL: too many, or no memory. */
web_request *web_start(web *w, const web_query *query);
/* `done` will not be called. NULL is a no-op. */
void web_cancel(web_request *request);

#endif
