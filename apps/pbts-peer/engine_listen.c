/* engine_listen.c - the port that peers come to. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "engine_parts.h"
#include "exit_codes.h"
#include "net/socket.h"
#include "say.h"
#include "tell.h"

enum { ACCEPTS_AT_ONCE = 64 };

/* Who waits at the door stays there, and the loop would hear of it again at once. */
static void wait_a_tick(listener *at) {
    bool is_full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (is_full) (void)uv_poll_stop(&at->poll);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    listener *at = poll->data;
    (void)events;
    engine_touch(at->e);
    for (int i = 0; status == 0 && i < ACCEPTS_AT_ONCE; i++) {
        pbts_sockaddr from = { .len = sizeof from.storage };
        pbts_addr addr;
        int fd = accept4(at->fd, (struct sockaddr *)&from.storage, &from.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            wait_a_tick(at);
            return;
        }
        if (pbts_sockaddr_read_len(&addr, (struct sockaddr *)&from.storage, from.len) == PBTS_OK) {
            conn_accept(at->e, fd, &addr);
        } else {
            (void)close(fd);
        }
    }
}

static pbts_status open_at(engine *e, const pbts_addr *addr) {
    listener *at = &e->listeners[e->listener_count];
    uint16_t bound;
    if (addr->port != 0) {
        pbts_status status = pbts_socket_is_free(addr);
        if (status != PBTS_OK) return status;
    }
    pbts_status status = pbts_socket_listen_tcp(&at->fd, &bound, addr);
    if (status != PBTS_OK) return status;
    e->listener_count++;
    e->port = bound;
    return PBTS_OK;
}

/* Both families, or the address that was named. A machine without IPv6 is no error. */
static pbts_status open_on(engine *e, uint16_t port) {
    pbts_addr addr = { .family = PBTS_IPV4 };
    if (e->set.has_bind) addr = e->set.bind;
    addr.port = port;
    pbts_status status = open_at(e, &addr);
    if (status != PBTS_OK || e->set.has_bind) return status;
    const pbts_addr any6 = { .family = PBTS_IPV6, .port = e->port };
    if (open_at(e, &any6) != PBTS_EXISTS) return PBTS_OK;
    (void)close(e->listeners[0].fd);
    e->listener_count = 0;
    return PBTS_EXISTS;
}

static int watch(engine *e) {
    size_t opened = e->listener_count;
    e->listener_count = 0;
    for (size_t i = 0; i < opened; i++) {
        listener *at = &e->listeners[i];
        at->e = e;
        at->poll.data = at;
        if (uv_poll_init(&e->loop, &at->poll, at->fd) != 0) {
            return say_fail(PBTS_EXIT_IO, "cannot wait for connections");
        }
        e->listener_count++;
        (void)uv_poll_start(&at->poll, UV_READABLE, on_readable);
    }
    tell("listening", json_pack("{s:i}", "port", (int)e->port), "listening on port %u", e->port);
    return PBTS_EXIT_OK;
}

int engine_listen(engine *e) {
    pbts_status status = PBTS_EXISTS;
    unsigned first = e->set.port_first, last = e->set.port_last;
    for (unsigned port = first; port <= last && status == PBTS_EXISTS; port++) {
        status = open_on(e, (uint16_t)port);
    }
    if (status == PBTS_OK) return watch(e);
    if (status == PBTS_EXISTS) {
        return say_fail(PBTS_EXIT_IO, "port %u%s: in use; give another with --port", first,
                        first == last ? "" : " and those after it");
    }
    return say_fail(PBTS_EXIT_IO, "port %u: %s", first,
                    status == PBTS_IO ? strerror(errno) : pbts_status_text(status));
}

void engine_listen_again(engine *e) {
    for (size_t i = 0; i < e->listener_count; i++) {
        uv_poll_t *poll = &e->listeners[i].poll;
        if (!uv_is_active((uv_handle_t *)poll)) (void)uv_poll_start(poll, UV_READABLE, on_readable);
    }
}

void engine_close_listeners(engine *e) {
    for (size_t i = 0; i < e->listener_count; i++) {
        (void)uv_poll_stop(&e->listeners[i].poll);
        (void)close(e->listeners[i].fd);
        uv_close((uv_handle_t *)&e->listeners[i].poll, NULL);
    }
    e->listener_count = 0;
}
