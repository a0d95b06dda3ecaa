/* wire/http_request.h - the strict fixed grammar of the announce front: one GET request's head.
 *
 * Total and incremental: fed the bytes received so far, it says NEED_MORE until the blank line is
 * there. It accepts HTTP/1.0 and 1.1, GET without a body, and classifies the target; anything else
 * that is well-formed enough to belong to the general server is OTHER (the caller hands the
 * connection over, bytes untouched). Source: RFC 9112.
 */
#ifndef PBTS_WIRE_HTTP_REQUEST_H
#define PBTS_WIRE_HTTP_REQUEST_H

#include "base/writer.h"

enum { PBTS_HTTP_LINE_MAX = 8 * 1024, PBTS_HTTP_HEAD_MAX = 16 * 1024 };

typedef enum {
    PBTS_HTTP_ANNOUNCE, /* /announce, /announce/<passkey>, /<passkey>/announce */
    PBTS_HTTP_SCRAPE,
    PBTS_HTTP_OTHER /* decided as early as the first bytes allow */
} pbts_http_kind;

typedef struct {
    pbts_http_kind kind;
    pbts_span passkey;       /* from the path, as sent; empty when none */
    pbts_span query;         /* after '?', still percent-encoded; empty when none */
    pbts_span forwarded_for; /* right-most address of X-Forwarded-For, trimmed; empty when none */
    bool keep_alive;         /* HTTP/1.1 without "close", or 1.0 with "keep-alive" */
    bool http_1_0;
    size_t head_len; /* bytes of this request, blank line included; 0 when kind is OTHER */
} pbts_http_request;

/* PBTS_OK; PBTS_NEED_MORE; PBTS_LIMIT (line or head too long: answer 414 or 431 and close);
 * PBTS_MALFORMED (answer 400 and close). A signed announce ("sig=" in the query) is OTHER: its
 * pairing belongs on the general server's threads. Both /scrape and /announce with a method other
 * than GET are OTHER. A GET announce that carries Content-Length > 0 or Transfer-Encoding is
 * MALFORMED. */
PBTS_MUST_USE pbts_status pbts_http_request_decode(pbts_http_request *out, pbts_span bytes);

/* The HTTP status that answers a request which was not decoded: 414 (line) or 431 (head) for
 * PBTS_LIMIT, else 400. `bytes` as given to the decoder. */
unsigned pbts_http_refusal(pbts_status status, pbts_span bytes);

/* Classify a bare path (no query), for the general server's announces: kind and passkey only. */
pbts_http_kind pbts_http_path_kind(pbts_span path, pbts_span *passkey);

#endif
