/* http_connection.h - private to the HTTP server: one request on its way through libmicrohttpd. */
#ifndef PBTS_TRACKER_HTTP_CONNECTION_H
#define PBTS_TRACKER_HTTP_CONNECTION_H

#include <microhttpd.h>

#include "http_guard.h"
#include "rest/rest.h"

enum {
    HTTP_CONNECTIONS_MAX = 4096,  /* of the general server */
    HTTPS_CONNECTIONS_MAX = 3072, /* of those; the rest is for what the front hands over */
    HTTP_PER_ADDRESS_MAX = 1024,  /* connections of one address (more exactly: of one bucket) */
    HTTP_ADDRESS_BUCKETS = 4096,
    HTTP_MEMORY_PER_CONNECTION = 48 * 1024, /* head and answer; libmicrohttpd's pool */
    HTTP_IDLE_TIMEOUT_S = 30,
    HTTP_BODIES_MAX = 512 * 1024 * 1024, /* bytes of bodies in memory, all requests together */
    HTTP_DRAIN_MAX = 1024 * 1024,        /* read and forgotten past a body's limit, before a 413 */
    HTTP_QUERY_MAX = 8 * 1024,
};

/* One daemon's callbacks find these by their closure. */
struct http_side {
    struct http_server *server;
    bool https;
};

struct http_server {
    struct app *app;
    struct http_side plain_side, https_side;
    struct MHD_Daemon *plain, *https;
    struct MHD_Daemon
        *retired[4];            /* HTTPS with an older certificate; until their last client left */
    pthread_mutex_t https_lock; /* guards https, retired */
    pthread_t acceptor;
    bool acceptor_runs;
    int wake;
    int listeners[CONFIG_LISTEN_MAX];
    size_t listener_count;
    struct http_guards guards;
    atomic_size_t in_flight, connections, https_connections, body_bytes;
    atomic_ushort per_address[HTTP_ADDRESS_BUCKETS];
};

/* The callbacks given to MHD_start_daemon; `closure` is a struct http_side. */
void *http_on_uri(void *closure, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_on_request(void *closure, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **request);
void http_on_completed(void *closure, struct MHD_Connection *mhd, void **request,
                       enum MHD_RequestTerminationCode why);

#endif
