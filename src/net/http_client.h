/* net/http_client.h - HTTP requests to several servers at once, from one thread, by libcurl.
 *
 * For whom waiting is all there is to do: start some, wait for the next that ends. Connections are
 * kept. Redirects are not followed, proxies of the environment are used as curl does.
 */
#ifndef PBTS_NET_HTTP_CLIENT_H
#define PBTS_NET_HTTP_CLIENT_H

#include "base/cursor.h"

enum {
    PBTS_HTTP_CLIENT_QUERIES_MAX = 64, /* under way at once */
    PBTS_HTTP_CLIENT_NO_ANSWER = 0,    /* as status: no connection, cut off, time is up */
    PBTS_HTTP_CLIENT_TOO_LONG = -1,    /* as status: longer than answer_len_max, hung up */
};

typedef struct pbts_http_client pbts_http_client; /* opaque */

/* `ca`: a file of certificates (PEM) to trust for https; NULL: the system's. It is borrowed.
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_http_client_new(pbts_http_client **out, const char *ca);
void pbts_http_client_free(pbts_http_client *client); /* NULL is a no-op */
/* Who we are to servers that ask: files (PEM), borrowed. */
void pbts_http_client_identify(pbts_http_client *client, const char *certificate, const char *key);

typedef struct {
    const char *url;
    const char *content_type; /* NULL: a GET; else a POST of `body` */
    const char *accept;       /* NULL: anything */
    const char *pin;   /* "sha256//BASE64" of the server's public key, in place of certificates */
    const char *local; /* a socket in the file system to connect to; NULL: where the URL says */
    pbts_span body;    /* copied */
    size_t answer_len_max;
    uint32_t timeout_ms; /* of all of it */
    uint64_t tag;        /* comes back with the answer, */
    uint32_t server;     /* this too */
} pbts_http_query;

/* PBTS_BUSY: too many are under way; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_http_client_start(pbts_http_client *client,
                                                 const pbts_http_query *query);

typedef struct {
    uint64_t tag;
    uint32_t server;
    int status;               /* HTTP's, or one of the two above */
    const char *error;        /* why there is none, a sentence */
    pbts_span body;           /* borrowed until the next call, as error is */
    const char *content_type; /* so too; NULL: not said */
} pbts_http_answer;

/* Wait for the next answer, at most so long (0: look only). False: none came, or woken. */
bool pbts_http_client_wait(pbts_http_client *client, pbts_http_answer *out, uint32_t wait_ms);
size_t pbts_http_client_under_way(const pbts_http_client *client);
/* Give up all that is under way: it will not be answered. */
void pbts_http_client_cancel(pbts_http_client *client);
/* From any thread: end a wait early. */
void pbts_http_client_wake(pbts_http_client *client);

#endif
