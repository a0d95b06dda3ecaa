/* http_server.h - the general HTTP server (libmicrohttpd): REST, and announces that the front
 * handed over, that came by HTTPS, or that are signed. */
#ifndef PBTS_TRACKER_HTTP_SERVER_H
#define PBTS_TRACKER_HTTP_SERVER_H

#include "app.h"

struct http_server;

/* PBTS_IO, PBTS_NO_MEMORY, PBTS_MALFORMED (certificate or key); the reason is logged. */
PBTS_MUST_USE pbts_status http_server_start(struct http_server **out, struct app *app);
/* Take over a connected socket whose next bytes are a request; owns `fd` in any case. */
void http_server_take(struct http_server *server, int fd, const pbts_addr *client);
/* Close connections that are too slow; call about once a second. */
void http_server_tick(struct http_server *server);
/* Requests that were read and not answered yet. */
size_t http_server_in_flight(struct http_server *server);
/* Stop listening for HTTPS; what is connected goes on. */
void http_server_quiesce(struct http_server *server);
void http_server_stop(struct http_server *server); /* no request may wait for the committer */
bool http_server_reload_tls(struct http_server *server);

#endif
