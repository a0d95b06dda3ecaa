/* The loop of one worker: events, deadlines, accepting, stopping. See epoll(7), accept(2). */
#include "net/front.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/front_conn.h"
#include "net/socket.h"

enum {
    EVENTS_MAX = 256,
    ACCEPTS_MAX = 64, /* per listener and turn */
    WAIT_MAX_MS = 1000,
};

/* What an event's data names when it is no connection, above the index. */
enum { DATA_WAKE, DATA_LISTENER, DATA_UDP };

static bool add_event(pbts_front *front, int fd, unsigned kind, size_t index) {
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)kind << 32 | index };
    return epoll_ctl(front->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

pbts_status pbts_front_new(pbts_front **out, const pbts_front_config *config,
                           const pbts_front_host *host) {
    pbts_front *front = pbts_alloc(config->mem, sizeof *front);
    if (front == NULL) return PBTS_NO_MEMORY;
    front->config = *config;
    front->host = *host;
    front->epoll = front->wake = -1;
    front->conns = pbts_alloc_array(config->mem, config->connections_max, sizeof *front->conns);
    if (front->conns == NULL) {
        pbts_front_free(front);
        return PBTS_NO_MEMORY;
    }
    front_lists_init(front);
    front->epoll = epoll_create1(EPOLL_CLOEXEC);
    front->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (front->epoll < 0 || front->wake < 0 || !add_event(front, front->wake, DATA_WAKE, 0)) {
        pbts_front_free(front);
        return PBTS_IO;
    }
    *out = front;
    return PBTS_OK;
}

static void close_if_open(int fd) {
    if (fd >= 0) close(fd);
}

void pbts_front_free(pbts_front *front) {
    if (front == NULL) return;
    for (uint32_t i = 0; front->conns != NULL && i < front->config.connections_max; i++)
        if (front->conns[i].list != FRONT_FREE) front_conn_close(front, &front->conns[i]);
    for (size_t i = 0; i < front->listener_count; i++) close_if_open(front->listeners[i]);
    for (size_t i = 0; i < front->udp_count; i++) pbts_udp_free(front->udp[i]);
    close_if_open(front->wake);
    close_if_open(front->epoll);
    pbts_release(front->config.mem, front->conns);
    pbts_release(front->config.mem, front);
}

pbts_status pbts_front_listen(pbts_front *front, int fd) {
    if (front->listener_count == PBTS_FRONT_LISTENERS_MAX) return PBTS_LIMIT;
    if (!add_event(front, fd, DATA_LISTENER, front->listener_count)) return PBTS_IO;
    front->listeners[front->listener_count++] = fd;
    return PBTS_OK;
}

pbts_status pbts_front_serve_udp(pbts_front *front, int fd) {
    if (front->udp_count == PBTS_FRONT_UDP_MAX) return PBTS_LIMIT;
    pbts_udp *udp;
    PBTS_TRY(pbts_udp_new(&udp, front->config.mem, fd, front->host.datagram, front->host.host));
    front->udp[front->udp_count] = udp;
    if (!add_event(front, fd, DATA_UDP, front->udp_count)) {
        pbts_udp_disown(udp);
        return PBTS_IO;
    }
    front->udp_count++;
    return PBTS_OK;
}

const pbts_front_stats *pbts_front_stats_of(const pbts_front *front) {
    return &front->stats;
}

void pbts_front_stop(pbts_front *front, uint32_t drain_ms) {
    uint64_t one = 1;
    atomic_store(&front->drain_ms, drain_ms);
    atomic_store(&front->stop_asked, true);
    ssize_t ignored = write(front->wake, &one, sizeof one); /* full counter: awake already */
    (void)ignored;
}

static void pause_accepting(pbts_front *front, bool pause) {
    front->accept_paused = pause;
    for (size_t i = 0; i < front->listener_count; i++) {
        struct epoll_event event = { .events = pause ? 0 : EPOLLIN,
                                     .data.u64 = (uint64_t)DATA_LISTENER << 32 | i };
        (void)epoll_ctl(front->epoll, EPOLL_CTL_MOD, front->listeners[i], &event);
    }
}

/* Whoever is sent away has it said, as far as it listens. */
static void say_busy(pbts_front *front, int fd) {
    pbts_span busy = front->config.busy_answer;
    if (send(fd, busy.data, busy.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) shutdown(fd, SHUT_WR);
    (void)recv(fd, front->peek, sizeof front->peek, MSG_DONTWAIT); /* else close resets */
}

/* Make room: the connection that has kept us waiting the longest goes, first of those that lose
 * least by it. Who says half a request, or does not read, would else keep all others out. */
static bool evict(pbts_front *front) {
    static const front_list ORDER[] = { FRONT_IDLE, FRONT_LINGER, FRONT_HEAD, FRONT_WRITE };
    front_conn *oldest = NULL;
    for (size_t i = 0; i < sizeof ORDER / sizeof ORDER[0] && oldest == NULL; i++)
        oldest = front_first(front, ORDER[i]);
    if (oldest == NULL) return false;
    front_count(&front->stats.evicted, 1);
    if (oldest->list == FRONT_HEAD) say_busy(front, oldest->fd);
    front_conn_close(front, oldest);
    return true;
}

static void turn_away(pbts_front *front, int fd) {
    front_count(&front->stats.busy, 1);
    say_busy(front, fd);
    close(fd);
}

static void welcome(pbts_front *front, int fd, const struct sockaddr *from, socklen_t len) {
    pbts_addr client;
    front_count(&front->stats.accepted, 1);
    if (pbts_sockaddr_read_len(&client, from, len) != PBTS_OK) {
        close(fd);
        return;
    }
    if (front_first(front, FRONT_FREE) == NULL && !evict(front)) {
        turn_away(front, fd);
        return;
    }
    front_conn *conn = front_conn_open(front, fd, &client);
    front_conn_serve(front, conn); /* the request often came with the connection */
}

static void accept_some(pbts_front *front, int listener) {
    front_conn_send_postponed(front); /* one may be evicted */
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        pbts_sockaddr from;
        from.len = sizeof from.storage;
        struct sockaddr *name = (struct sockaddr *)&from.storage;
        int fd = accept4(listener, name, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(front, fd, name, from.len);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR) continue;
        bool no_descriptors = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        if (no_descriptors && !evict(front)) pause_accepting(front, true);
        return;
    }
}

static void on_connection(pbts_front *front, uint64_t data, uint32_t events) {
    front_conn *conn = &front->conns[(uint32_t)data];
    if ((data >> 32 & FRONT_GENERATION_MASK) != (conn->generation & FRONT_GENERATION_MASK))
        return; /* of its past */
    if (conn->list == FRONT_FREE) return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) conn->peer_closed = true;
    if (conn->owed != NULL && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
        front_conn_writable(front, conn);
    else if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        front_conn_serve(front, conn);
}

static void on_event(pbts_front *front, const struct epoll_event *event) {
    uint64_t data = event->data.u64;
    if (data & FRONT_DATA_CONN) {
        on_connection(front, data, event->events);
        return;
    }
    size_t index = (uint32_t)data;
    uint64_t ignored;
    switch (data >> 32) {
    case DATA_WAKE:
        if (read(front->wake, &ignored, sizeof ignored) < 0) return;
        break;
    case DATA_LISTENER:
        if (index < front->listener_count) accept_some(front, front->listeners[index]);
        break;
    default: {
        size_t lost = pbts_udp_serve(front->udp[index]);
        if (lost > 0) front_count(&front->stats.udp_lost, (int)lost);
    }
    }
}

static uint32_t timeout_of(const pbts_front *front, front_list list) {
    switch (list) {
    case FRONT_HEAD: return front->config.head_timeout_ms;
    case FRONT_IDLE: return front->config.idle_timeout_ms;
    case FRONT_WRITE: return front->config.write_timeout_ms;
    case FRONT_LINGER: return front->config.linger_ms;
    default: return 0;
    }
}

/* Close what is overdue; the time until the next deadline. */
static uint64_t expire(pbts_front *front) {
    static const front_list timed[] = { FRONT_HEAD, FRONT_IDLE, FRONT_WRITE, FRONT_LINGER };
    uint64_t wait = WAIT_MAX_MS;
    for (size_t i = 0; i < sizeof timed / sizeof timed[0]; i++) {
        front_conn *conn;
        while ((conn = front_first(front, timed[i])) != NULL) {
            uint64_t due = conn->since_ms + timeout_of(front, timed[i]);
            if (due > front->now_ms) {
                if (due - front->now_ms < wait) wait = due - front->now_ms;
                break;
            }
            if (timed[i] != FRONT_LINGER) front_count(&front->stats.timed_out, 1);
            front_conn_close(front, conn);
        }
    }
    return wait;
}

/* One turn for each connection that had more to do; those that still have come again later. */
static void serve_ready(pbts_front *front) {
    uint32_t last = front->lists[FRONT_READY].last;
    for (front_conn *conn = front_first(front, FRONT_READY); conn != NULL;
         conn = front_first(front, FRONT_READY)) {
        bool was_last = (uint32_t)(conn - front->conns) == last;
        front_conn_serve(front, conn);
        if (was_last) return;
    }
}

/* Stop taking connections; those that only wait are closed now. */
static void begin_stop(pbts_front *front) {
    front->stopping = true;
    front->stop_at_ms = front->now_ms + atomic_load(&front->drain_ms);
    for (size_t i = 0; i < front->listener_count; i++) {
        accept_some(front, front->listeners[i]); /* a close would reset what waits there */
        close(front->listeners[i]);
    }
    front->listener_count = 0;
    for (front_conn *conn; (conn = front_first(front, FRONT_IDLE)) != NULL;)
        front_conn_close(front, conn);
}

static bool finished(const pbts_front *front) {
    if (!front->stopping) return false;
    return front->now_ms >= front->stop_at_ms || atomic_load(&front->stats.open) == 0;
}

/* Let more requests come in before the next wait, when that pays. */
static void pause_if_wanted(pbts_front *front) {
    static const struct timespec pause = { .tv_nsec = FRONT_PACE_PAUSE_US * 1000 };
    uint64_t requests = atomic_load_explicit(&front->stats.requests, memory_order_relaxed);
    bool wants = front_pace_wants_pause(&front->pace, front->now_ms, requests);
    if (!wants || front->stopping || front->lists[FRONT_READY].first != FRONT_NONE) return;
    (void)nanosleep(&pause, NULL); /* a signal may cut it short */
}

void pbts_front_run(pbts_front *front) {
    struct epoll_event events[EVENTS_MAX];
    front->now_ms = pbts_clock_mono_ms();
    while (!finished(front)) {
        uint64_t wait = expire(front);
        if (front->lists[FRONT_READY].first != FRONT_NONE) wait = 0;
        if (front->stopping && wait > 20) wait = 20;
        int got = epoll_wait(front->epoll, events, EVENTS_MAX, (int)wait);
        front->now_ms = pbts_clock_mono_ms();
        if (front->host.wake != NULL) front->host.wake(front->host.host, front->now_ms);
        if (front->accept_paused) pause_accepting(front, false);
        for (int i = 0; i < got; i++) on_event(front, &events[i]);
        front_conn_send_postponed(front);
        serve_ready(front);
        front_conn_send_postponed(front);
        if (!front->stopping && atomic_load(&front->stop_asked)) begin_stop(front);
        pause_if_wanted(front);
    }
}
