/* bench_http.c - HTTP announces over many connections, one request in flight on each.
 *
 * Kept alive: a connection has one source and walks through the peers of that source. Closing:
 * every request is a new connection from its peer's source, over when the tracker closes it, so
 * that the waiting time of the closed connection is the tracker's, as with real clients.
 * Edge-triggered epoll; in the usual case a kept request costs one send and one recv.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_http.h"

enum { ANSWER_MAX = 8192, EVENTS = 256, WAIT_MS = 50 };
static const uint64_t TIMEOUT_NS = 5000000000u; /* then a request is lost and its connection too */
static const uint64_t SWEEP_NS = 250000000u;

typedef struct {
    int fd;        /* -1: to be opened again by the sweep */
    bool sent;     /* the request left whole */
    bool answered; /* close mode: the answer is in, the tracker's FIN is not */
    uint64_t sent_ns;
    uint64_t step; /* of the walk: whose request is in flight */
    uint64_t lap;  /* kept alive: requests so far */
    size_t received;
    uint8_t answer[ANSWER_MAX];
} http_connection;

typedef struct {
    pbts_bench_run *run;
    const pbts_bench_options *options;
    int epoll;
    uint64_t step, next_sweep_ns;
    http_connection *connections;
} http_load;

/* The next peer for a connection: its own source's when kept alive, else anyone. */
static void choose_peer(http_load *load, http_connection *connection) {
    uint64_t number = (uint64_t)(connection - load->connections);
    connection->step = load->options->mode == PBTS_BENCH_HTTP_CLOSE
                           ? load->step++
                           : number + connection->lap++ * load->options->sources;
}

static void drop(http_connection *connection) {
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
    connection->received = 0;
}

static int open_from(uint32_t source, const struct sockaddr_in *target) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int yes = 1;
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr = pbts_bench_source(source) };
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    bool ok = bind(fd, (struct sockaddr *)&from, sizeof from) == 0;
    if (ok && connect(fd, (const struct sockaddr *)target, sizeof *target) != 0)
        ok = errno == EINPROGRESS;
    if (ok) return fd;
    close(fd);
    return -1;
}

/* False when the connection is not up yet or broken. */
static bool send_request(http_load *load, http_connection *connection) {
    pbts_bench_peer peer;
    pbts_bench_peer_at(&peer, load->options, connection->step);
    uint8_t request[PBTS_BENCH_REQUEST_MAX];
    pbts_writer writer = pbts_writer_over(request, sizeof request);
    pbts_bench_http_request(&writer, load->options, &peer);
    ssize_t n = send(connection->fd, request, writer.len, MSG_NOSIGNAL);
    return n == (ssize_t)writer.len;
}

static bool watch(http_load *load, http_connection *connection) {
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = connection };
    if (!connection->sent) event.events |= EPOLLOUT;
    return epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0;
}

/* On loopback a connection is usually up when connect() returns; if not, EPOLLOUT tells. */
static void open_and_send(http_load *load, http_connection *connection) {
    pbts_bench_peer peer;
    choose_peer(load, connection);
    pbts_bench_peer_at(&peer, load->options, connection->step);
    connection->answered = false;
    connection->received = 0;
    connection->sent_ns = pbts_bench_now_ns();
    connection->fd = open_from(peer.source, &load->options->target);
    if (connection->fd < 0) return;
    load->run->stats.connects++;
    connection->sent = send_request(load, connection);
    if (!watch(load, connection)) drop(connection);
}

static void send_next(http_load *load, http_connection *connection) {
    choose_peer(load, connection);
    connection->received = 0;
    connection->sent_ns = load->run->now_ns;
    connection->sent = send_request(load, connection);
    if (!connection->sent) drop(connection);
}

/* The connection came up late: the request that could not be sent goes now. */
static void send_late(http_load *load, http_connection *connection) {
    connection->sent = send_request(load, connection);
    if (!connection->sent) drop(connection);
}

static void lose(http_load *load, http_connection *connection) {
    load->run->stats.losses++;
    drop(connection);
}

/* Look at what was received: true when there is no more to do for this request. */
static bool answer_is_whole(http_load *load, http_connection *connection) {
    pbts_span bytes = { connection->answer, connection->received }, body = { NULL, 0 };
    size_t len = pbts_bench_http_answer_len(&body, bytes);
    if (len == 0 && connection->received < ANSWER_MAX) return false;
    uint64_t peers = 0;
    bool whole = len == connection->received;
    pbts_bench_verdict verdict =
        whole ? pbts_bench_http_judge(&peers, load->options, bytes, body) : PBTS_BENCH_MALFORMED;
    pbts_span shown = verdict == PBTS_BENCH_FAILURE && body.len > 0 ? body : bytes;
    size_t noted = verdict == PBTS_BENCH_ANSWER ? bytes.len : shown.len;
    pbts_bench_note(load->run, verdict, connection->sent_ns, peers, shown.data, noted);
    if (verdict == PBTS_BENCH_MALFORMED)
        drop(connection); /* where the next one begins is unknown */
    return true;
}

/* After the answer: the next request, or the wait for the tracker's FIN. */
static void go_on(http_load *load, http_connection *connection, bool hung_up) {
    if (connection->fd < 0) return;
    connection->answered = true;
    if (load->options->mode == PBTS_BENCH_HTTP && !hung_up) {
        connection->answered = false;
        send_next(load, connection);
        return;
    }
    if (!hung_up) return;
    drop(connection);
    open_and_send(load, connection);
}

static void on_readable(http_load *load, http_connection *connection, bool hung_up) {
    ssize_t n = recv(connection->fd, connection->answer + connection->received,
                     ANSWER_MAX - connection->received, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) {
        connection->received += (size_t)n;
        load->run->now_ns = pbts_bench_now_ns();
        if (answer_is_whole(load, connection))
            go_on(load, connection, hung_up);
        else if (hung_up)
            lose(load, connection);
        return;
    }
    lose(load, connection);
}

static void on_event(http_load *load, const struct epoll_event *event) {
    http_connection *connection = event->data.ptr;
    if (connection->fd < 0) return;
    bool hung_up = (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (connection->answered && hung_up) {
        drop(connection);
        open_and_send(load, connection);
        return;
    }
    if (!connection->sent && (event->events & EPOLLOUT) && !hung_up) send_late(load, connection);
    if (connection->fd >= 0 && (event->events & EPOLLIN))
        on_readable(load, connection, hung_up);
    else if (hung_up)
        lose(load, connection);
}

/* Too old: a lost request, or a tracker that answered and does not close. */
static void give_up(http_load *load, http_connection *connection) {
    if (connection->answered)
        drop(connection);
    else
        lose(load, connection);
}

/* Open what is closed, give up what is too old. */
static void sweep(http_load *load) {
    if (load->run->now_ns < load->next_sweep_ns) return;
    load->next_sweep_ns = load->run->now_ns + SWEEP_NS;
    for (uint32_t i = 0; i < load->options->connections; i++) {
        http_connection *connection = &load->connections[i];
        if (connection->fd >= 0 && connection->sent_ns + TIMEOUT_NS <= load->run->now_ns)
            give_up(load, connection);
        if (connection->fd < 0) open_and_send(load, connection);
    }
}

static bool serve_events(http_load *load) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(load->epoll, events, EVENTS, WAIT_MS);
    if (n < 0) return errno == EINTR;
    load->run->now_ns = pbts_bench_now_ns();
    for (int i = 0; i < n; i++) on_event(load, &events[i]);
    return true;
}

int pbts_bench_http(pbts_bench_run *run) {
    http_load load = { .run = run, .options = run->options };
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.connections = calloc(run->options->connections, sizeof *load.connections);
    bool ok = load.epoll >= 0 && load.connections;
    for (uint32_t i = 0; ok && i < run->options->connections; i++) load.connections[i].fd = -1;
    while (ok && pbts_bench_continue(run)) {
        sweep(&load);
        ok = serve_events(&load);
    }
    if (!ok) perror("pbts bench: HTTP");
    for (uint32_t i = 0; load.connections && i < run->options->connections; i++)
        drop(&load.connections[i]);
    free(load.connections);
    if (load.epoll >= 0) close(load.epoll);
    return ok ? 0 : 1;
}
