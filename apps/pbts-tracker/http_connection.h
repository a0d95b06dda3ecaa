/* http_connection.h - private to the HTTP server: one request on its way through libmicrohttpd. */
#ifndef PBTS_TRACKER_HTTP_CONNECTION_H
#define PBTS_TRACKER_HTTP_CONNECTION_H

#include <microhttpd.h>

#include "http_guard.h"
#include "rest/rest.h"

enum {
    HTTP_CONNECTIONS_MAX = 4096,  /* of the general server */
    HTTPS_CONNECTIONS_MAX = 3072, /* of those; the rest is for what the front hands over */
    HTTPS_DAEMONS_MAX = 5,        /* the present certificate's, and of older ones */
    HTTP_PER_ADDRESS_MAX = 1024,  /* connections of one address (more exactly: of one bucket) */
    HTTP_ADDRESS_BUCKETS = 4096,
    HTTP_MEMORY_PER_CONNECTION = 48 * 1024, /* head and answer; libmicrohttpd's pool */
    HTTP_IDLE_TIMEOUT_S = 30,
    HTTP_BODIES_MAX = 512 * 1024 * 1024, /* bytes of bodies in memory, all requests together */
    HTTP_BODIES_PER_ADDRESS_MAX = HTTP_BODIES_MAX / 8, /* and those of one address, as above */
    HTTP_DRAIN_MAX = 1024 * 1024, /* read and forgotten past a body's limit, before a 413 */
    HTTP_QUERY_MAX = 8 * 1024,
};

/* One daemon, and what its callbacks find by their closure. */
struct http_side {
    struct http_server *server;
    struct MHD_Daemon *daemon; /* NULL: there is none */
    bool https;
    atomic_bool retired; /* it has an older certificate: its clients are asked to connect again */
    /* Also those that none of its threads has taken up yet: libmicrohttpd does not count them. */
    atomic_size_t connections;
};

struct http_server {
    struct app *app;
    struct http_side plain, https_sides[HTTPS_DAEMONS_MAX];
    struct http_side *https;    /* who gets what is accepted; others have their last clients */
    pthread_mutex_t https_lock; /* guards https */
    pthread_t acceptor;
    bool acceptor_runs;
    int wake;
    int listeners[CONFIG_LISTEN_MAX];
    size_t listener_count;
    struct http_guards guards;
    atomic_size_t in_flight, connections, https_connections, body_bytes;
    atomic_ushort per_address[HTTP_ADDRESS_BUCKETS];
    atomic_size_t body_bytes_per_address[HTTP_ADDRESS_BUCKETS];
};

/* Where an address is counted. */
size_t http_address_bucket(const struct http_server *server, const pbts_addr *client);

/* The callbacks given to MHD_start_daemon; `closure` is a struct http_side. */
void *http_on_uri(void *closure, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_on_request(void *closure, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **request);
void http_on_completed(void *closure, struct MHD_Connection *mhd, void **request,
                       enum MHD_RequestTerminationCode why);

#endif
