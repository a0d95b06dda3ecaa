#include "udp_announce.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "net/socket.h"

enum { HOST_MAX = 256, SERVICE_MAX = 8 };

struct udp_announce {
    uv_loop_t *loop;
    uv_getaddrinfo_t resolve;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned pending; /* handles and requests that will still call back: then it is freed */
    bool ended, polling, has_bound;
    int fd;
    pbts_addr bound;
    pbts_family family;
    pbts_announce announce;
    uint8_t path[PBTS_UDP_PATH_MAX];
    size_t path_len;
    uint64_t wait_ms, connection_id;
    uint32_t transaction_id;
    unsigned tries;
    bool connected; /* the connection id is known */
    udp_done done;
    void *host;
};

/* ---- ends ---- */

static void release(udp_announce *u) {
    if (--u->pending > 0) return;
    if (u->fd >= 0) (void)close(u->fd);
    free(u);
}

static void on_closed(uv_handle_t *handle) {
    release(handle->data);
}

static void end(udp_announce *u, const udp_outcome *outcome) {
    if (u->ended) return;
    u->ended = true;
    (void)uv_cancel((uv_req_t *)&u->resolve);
    uv_close((uv_handle_t *)&u->timer, on_closed);
    if (u->polling) uv_close((uv_handle_t *)&u->poll, on_closed);
    if (outcome != NULL) u->done(u->host, outcome);
}

static void fail(udp_announce *u, const char *error) {
    end(u, &(udp_outcome){ .error = error });
}

void udp_announce_cancel(udp_announce *u) {
    if (u != NULL) end(u, NULL);
}

/* ---- datagrams ---- */

static void on_timer(uv_timer_t *timer);

static void send_request(udp_announce *u) {
    uint8_t bytes[PBTS_UDP_REQUEST_MAX];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    if (pbts_random_fill(pbts_random_system(), (uint8_t *)&u->transaction_id,
                         sizeof u->transaction_id) != PBTS_OK) {
        fail(u, "no random numbers");
        return;
    }
    if (u->connected) {
        pbts_udp_announce_request(&writer, u->connection_id, u->transaction_id, &u->announce,
                                  (pbts_span){ u->path, u->path_len });
    } else {
        pbts_udp_connect_request(&writer, u->transaction_id);
    }
    (void)send(u->fd, bytes, writer.len, 0); /* what is lost is sent again */
    (void)uv_timer_start(&u->timer, on_timer, u->wait_ms << u->tries, 0);
}

static void on_timer(uv_timer_t *timer) {
    udp_announce *u = timer->data;
    if (++u->tries == UDP_ANNOUNCE_TRIES) {
        fail(u, "no answer");
    } else {
        send_request(u);
    }
}

static void take_answer(udp_announce *u, const pbts_udp_answer *answer) {
    if (answer->action == PBTS_UDP_CONNECT && !u->connected) {
        u->connected = true;
        u->connection_id = answer->connection_id;
        u->tries = 0;
        send_request(u);
    } else if (answer->action == PBTS_UDP_ANNOUNCE && u->connected) {
        end(u, &(udp_outcome){ .family = u->family, .answer = *answer });
    } else if (answer->action == PBTS_UDP_ERROR) {
        char text[256];
        (void)snprintf(text, sizeof text, "%.*s", (int)answer->error.len,
                       (const char *)answer->error.data);
        fail(u, text);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    udp_announce *u = poll->data;
    uint8_t bytes[PBTS_UDP_REPLY_MAX];
    pbts_udp_answer answer;
    (void)events;
    ssize_t len = recv(u->fd, bytes, sizeof bytes, 0);
    if (status < 0 || (len < 0 && errno == ECONNREFUSED)) {
        fail(u, "nobody listens there");
        return;
    }
    if (len < 0) return;
    pbts_span datagram = { bytes, (size_t)len };
    if (pbts_udp_answer_decode(&answer, u->family, datagram) != PBTS_OK) return;
    if (answer.transaction_id == u->transaction_id) take_answer(u, &answer);
}

/* ---- the start ---- */

static bool open_socket(udp_announce *u, const struct addrinfo *found) {
    pbts_sockaddr from;
    int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool good = true;
    if (u->has_bound) {
        pbts_sockaddr_of(&from, &u->bound);
        good = bind(fd, (struct sockaddr *)&from.storage, from.len) == 0;
    }
    good = good && connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    if (good && uv_poll_init(u->loop, &u->poll, fd) == 0) {
        u->fd = fd;
        u->family = found->ai_family == AF_INET ? PBTS_IPV4 : PBTS_IPV6;
        u->poll.data = u;
        u->polling = true;
        u->pending++;
        return uv_poll_start(&u->poll, UV_READABLE, on_readable) == 0;
    }
    (void)close(fd);
    return false;
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found) {
    udp_announce *u = resolve->data;
    const struct addrinfo *at = found;
    if (!u->ended && status != 0) {
        fail(u, uv_strerror(status));
    } else if (!u->ended) {
        while (at != NULL && !open_socket(u, at)) at = at->ai_next;
        if (at == NULL) {
            fail(u, "no way to its address");
        } else {
            send_request(u);
        }
    }
    uv_freeaddrinfo(found);
    release(u);
}

/* Split udp://HOST:PORT/PATH. */
static bool split_url(udp_announce *u, char host[static HOST_MAX], char service[static SERVICE_MAX],
                      pbts_span url) {
    const size_t scheme = sizeof "udp://" - 1;
    if (url.len <= scheme) return false;
    pbts_span rest = { url.data + scheme, url.len - scheme };
    const uint8_t *slash = memchr(rest.data, '/', rest.len);
    size_t authority = slash == NULL ? rest.len : (size_t)(slash - rest.data);
    size_t colon = authority;
    while (colon > 0 && rest.data[colon - 1] != ':') colon--;
    if (colon < 2 || authority - colon >= SERVICE_MAX || authority == colon) return false;
    pbts_span name = { rest.data, colon - 1 };
    if (name.data[0] == '[' && name.data[name.len - 1] == ']' && name.len > 2) {
        name = (pbts_span){ name.data + 1, name.len - 2 };
    }
    if (name.len >= HOST_MAX || rest.len - authority > PBTS_UDP_PATH_MAX) return false;
    memcpy(host, name.data, name.len);
    host[name.len] = '\0';
    memcpy(service, rest.data + colon, authority - colon);
    service[authority - colon] = '\0';
    u->path_len = rest.len - authority;
    memcpy(u->path, rest.data + authority, u->path_len);
    return true;
}

static udp_announce *udp_announce_new(uv_loop_t *loop, const udp_query *query) {
    udp_announce *u = calloc(1, sizeof *u);
    if (u == NULL) return NULL;
    *u = (udp_announce){ .loop = loop,
                         .fd = -1,
                         .announce = *query->announce,
                         .wait_ms = query->wait_ms,
                         .done = query->done,
                         .host = query->host };
    u->has_bound = query->bound != NULL;
    if (u->has_bound) u->bound = *query->bound;
    u->bound.port = 0;
    return u;
}

udp_announce *udp_announce_start(uv_loop_t *loop, const udp_query *query) {
    char host[HOST_MAX], service[SERVICE_MAX];
    udp_announce *u = udp_announce_new(loop, query);
    if (u == NULL) return NULL;
    struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV };
    if (u->has_bound) hints.ai_family = u->bound.family == PBTS_IPV4 ? AF_INET : AF_INET6;
    u->resolve.data = u->timer.data = u;
    if (!split_url(u, host, service, query->url) ||
        uv_getaddrinfo(loop, &u->resolve, on_resolved, host, service, &hints) != 0) {
        free(u);
        return NULL;
    }
    (void)uv_timer_init(loop, &u->timer); /* cannot fail */
    u->pending = 2;                       /* the name, and the timer */
    return u;
}
