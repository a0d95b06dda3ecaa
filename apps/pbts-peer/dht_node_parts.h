/* dht_node_parts.h - the node's insides, for dht_*.c. */
#ifndef PBTS_PEER_DHT_NODE_PARTS_H
#define PBTS_PEER_DHT_NODE_PARTS_H

#include "dht/bootstrap_cache.h"
#include "dht/credentials.h"
#include "dht_node.h"

enum { DHT_NODE_MET_MAX = PBTS_DHT_BOOTSTRAPS_MAX };

typedef struct {
    uv_poll_t poll;
    dht_node *owner;
    int fd;
    pbts_family family;
} dht_socket;

typedef struct {
    dht_task task;
    uint32_t operation; /* 0: free */
} dht_running;

typedef struct {
    uv_getaddrinfo_t request;
    dht_node *owner;
    const char *text;
} dht_name;

struct dht_node {
    engine *e;
    dht_socket sockets[ENGINE_LISTENERS_MAX];
    size_t socket_count;
    bool is_closed;

    pbts_bls_public tracker_key; /* that the credentials are for */
    pbts_dht_credentials *credentials;
    pbts_dht *dht;        /* NULL: nothing to show yet */
    const char *problem;  /* static: why there is none, or why it is not renewed */
    uint64_t try_ms;      /* to make or renew a certificate; not before */
    uint64_t issued_seen; /* of the membership that was tried last */
    bool joined;
    uint64_t missed_ms;    /* since when announces fail for want of an address of our own; 0 */
    bool address_is_asked; /* the user was told of that */
    dht_running tasks[PBTS_DHT_OPERATIONS_MAX];
    pbts_addr met[DHT_NODE_MET_MAX]; /* before there is a node; of too many the first go */
    size_t met_count;

    char path[PATH_MAX];
    pbts_dht_bootstrap cache;
    bool cache_changed;
    uint64_t save_ms;
    dht_name names[DHT_NODE_NAMES_MAX];
    size_t name_count, names_under_way;
};

/* dht_sockets.c: one for each family that the port is open for. How many. */
size_t dht_sockets_open(dht_node *n);
void dht_sockets_close(dht_node *n);
bool dht_sockets_have(const dht_node *n, pbts_family family);
void dht_sockets_send(dht_node *n, const pbts_addr *to, pbts_span datagram);
/* What peers reach us at: bound to, or the route's own. Port 0: unknown. */
pbts_addr dht_sockets_own(const dht_node *n, pbts_family family);
/* What is announced of these: IPv4 before IPv6. Port 0: neither is known. */
pbts_addr dht_sockets_announced(const dht_node *n);

/* dht_node.c: everything that the node has to send and say. */
void dht_node_drain(dht_node *n);

#endif
