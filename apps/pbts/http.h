/* http.h - one request to a tracker, by libcurl. */
#ifndef PBTS_APPS_HTTP_H
#define PBTS_APPS_HTTP_H

#include <jansson.h>

#include "base/cursor.h"

/* A tracker is given up when it is silent for half a minute, and after ten in any case. */
enum { HTTP_ANSWER_MAX = 32 << 20, HTTP_CONNECT_S = 10, HTTP_SILENCE_S = 30, HTTP_TIMEOUT_S = 600 };

typedef struct {
    const char *tracker; /* URL; slashes at its end do not matter */
    const char *ca;      /* file of certificates to trust; NULL: the system's */
    const char *method;  /* "GET", "POST" */
    const char *path;    /* "/report" */
    const char *content_type;
    pbts_span body;
    const char *authorization; /* value of that header; NULL: none. Secret */
} http_request;

typedef struct {
    long status;
    uint8_t *body; /* with a NUL behind it */
    size_t len;
    size_t capacity; /* of body */
} http_answer;

/* Send it and take the whole answer, whatever its status. Gives an exit code; says what is wrong.
 */
int http_send(http_answer *out, const http_request *request);
void http_answer_free(http_answer *answer);
/* Say why the tracker refused, in its own words; PBTS_EXIT_REFUSED (or IO for a 5xx). */
int http_refused(const http_answer *answer, const http_request *request);
/* The same two in one for endpoints that answer JSON: `*out` is a new reference. */
int http_json(json_t **out, const http_request *request);

#endif
