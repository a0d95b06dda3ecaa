/* dht_sockets.c - the node's datagrams: the same port as peers' connections, so that whoever knows
 * a peer knows its node. */
#include <unistd.h>

#include "dht_node_parts.h"
#include "net/socket.h"

enum { DATAGRAM_MAX = 2048 };

static void on_readable(uv_poll_t *poll, int status, int events) {
    const dht_socket *at = poll->data;
    dht_node *n = at->owner;
    uint8_t bytes[DATAGRAM_MAX];
    (void)events;
    engine_touch(n->e);
    for (int i = 0; status == 0 && i < DHT_NODE_RECEIVE_MAX; i++) {
        pbts_sockaddr from = { .len = sizeof from.storage };
        pbts_addr addr;
        ssize_t got = recvfrom(at->fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC,
                               (struct sockaddr *)&from.storage, &from.len);
        if (got < 0) break;
        if (n->dht == NULL || (size_t)got > sizeof bytes ||
            pbts_sockaddr_read_len(&addr, (struct sockaddr *)&from.storage, from.len) != PBTS_OK) {
            continue;
        }
        pbts_dht_receive(n->dht, &addr, (pbts_span){ bytes, (size_t)got }, n->e->now);
    }
    dht_node_drain(n);
}

static bool open_one(dht_node *n, const pbts_addr *addr) {
    dht_socket *at = &n->sockets[n->socket_count];
    if (pbts_socket_bind_udp(&at->fd, NULL, addr) != PBTS_OK) return false;
    if (uv_poll_init(&n->e->loop, &at->poll, at->fd) != 0) {
        (void)close(at->fd);
        return false;
    }
    at->owner = n;
    at->family = addr->family;
    at->poll.data = at;
    n->socket_count++;
    return uv_poll_start(&at->poll, UV_READABLE, on_readable) == 0;
}

size_t dht_sockets_open(dht_node *n) {
    const engine *e = n->e;
    pbts_addr addr = { .family = PBTS_IPV4 };
    if (e->set.has_bind) addr = e->set.bind;
    addr.port = e->port;
    (void)open_one(n, &addr);
    const pbts_addr any6 = { .family = PBTS_IPV6, .port = e->port };
    if (!e->set.has_bind) (void)open_one(n, &any6);
    return n->socket_count;
}

void dht_sockets_close(dht_node *n) {
    for (size_t i = 0; i < n->socket_count; i++) {
        (void)uv_poll_stop(&n->sockets[i].poll);
        (void)close(n->sockets[i].fd);
        uv_close((uv_handle_t *)&n->sockets[i].poll, NULL);
    }
    n->socket_count = 0;
}

static const dht_socket *socket_of(const dht_node *n, pbts_family family) {
    for (size_t i = 0; i < n->socket_count; i++) {
        if (n->sockets[i].family == family) return &n->sockets[i];
    }
    return NULL;
}

bool dht_sockets_have(const dht_node *n, pbts_family family) {
    return socket_of(n, family) != NULL;
}

/* A datagram that the socket does not take is lost, like any that the network loses. */
void dht_sockets_send(dht_node *n, const pbts_addr *to, pbts_span datagram) {
    const dht_socket *at = socket_of(n, to->family);
    pbts_sockaddr addr;
    if (at == NULL) return;
    pbts_sockaddr_of(&addr, to);
    (void)sendto(at->fd, datagram.data, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL,
                 (struct sockaddr *)&addr.storage, addr.len);
}

pbts_addr dht_sockets_own(const dht_node *n, pbts_family family) {
    const engine *e = n->e;
    pbts_addr own = { .family = family };
    if (e->set.has_bind && e->set.bind.family == family && !pbts_addr_is_any(&e->set.bind)) {
        own = e->set.bind;
        own.port = e->port;
    } else if (n->dht != NULL && pbts_dht_seen_as(n->dht, &own, family)) {
        own.port = e->port;
    }
    return own;
}

pbts_addr dht_sockets_announced(const dht_node *n) {
    pbts_addr own = dht_sockets_own(n, PBTS_IPV4);
    return own.port != 0 ? own : dht_sockets_own(n, PBTS_IPV6);
}
