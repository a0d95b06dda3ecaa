/* One connection of the front: peek, answer, send, take out of the socket what was answered.
 *
 * A worker sees each connection edge-triggered. An edge is used up only when everything that
 * waited was looked at, so whoever stops earlier puts the connection on the READY list.
 *
 * Answers of connections that go on are sent together after the wake-up's requests: computing and
 * sending each touch much memory and code, which so stays in the processor's caches. */
#include "net/front_conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = 4,       /* peeks per turn */
    BUSY_PEEK = 8 * 1024, /* more than this at once: the peer pipelines much */
    BUSY_BUFFER = 256 * 1024,
    DISCARD_MAX = 4 * 1024 * 1024, /* what a refused peer may still send us before a reset */
};

typedef enum { GO_ON, TURN_OVER, WAIT_FOR_READER, HAND_OVER, GONE } outcome;

front_conn *front_conn_open(pbts_front *front, int fd, const pbts_addr *client) {
    front_conn *conn = front_first(front, FRONT_FREE);
    if (conn == NULL) return NULL;
    uint32_t prev = conn->prev, next = conn->next, generation = conn->generation + 1;
    *conn = (front_conn){ .fd = fd,
                          .generation = generation,
                          .prev = prev,
                          .next = next,
                          .list = FRONT_FREE,
                          .client = *client,
                          .preamble_seen = front->host.preamble == NULL };
    front_move(front, conn, FRONT_HEAD);
    front_count(&front->stats.open, 1);
    return conn;
}

static void release(pbts_front *front, front_conn *conn) {
    pbts_release(front->config.mem, conn->owed);
    conn->owed = NULL;
    conn->fd = -1;
    conn->generation++;
    front_move(front, conn, FRONT_FREE);
    front_count(&front->stats.open, -1);
}

/* Take `len` bytes out of the socket, known to be there. MSG_TRUNC copies nothing of TCP's
 * (tcp(7)); the buffer is named so that tools that watch memory find one. */
static bool consume(pbts_front *front, front_conn *conn, size_t len) {
    while (len > 0) {
        size_t part = len < sizeof front->peek ? len : sizeof front->peek;
        ssize_t got = recv(conn->fd, front->peek, part, MSG_TRUNC | MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        len -= (size_t)got;
    }
    return true;
}

/* Answered bytes leave the socket first: a close with unread bytes resets the connection, and could
 * take our last answer away from the peer. */
void front_conn_close(pbts_front *front, front_conn *conn) {
    if (conn->answered > 0) (void)consume(front, conn, conn->answered);
    close(conn->fd); /* leaves the epoll set with its last descriptor */
    release(front, conn);
}

static bool consume_answered(pbts_front *front, front_conn *conn) {
    size_t len = conn->answered;
    conn->answered = 0;
    return consume(front, conn, len);
}

/* Let a peek begin at the first unanswered byte. Source: SO_PEEK_OFF in socket(7). */
static bool set_peek_offset(front_conn *conn, int offset) {
    return setsockopt(conn->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) == 0;
}

/* TCP has the option since Linux 6.9. Without it a peek begins at the first byte that was not
 * consumed, and copies answered ones again. */
static void follow_peeks(pbts_front *front, front_conn *conn) {
    if (front->no_peek_offset || conn->peek_follows) return;
    conn->peek_follows = set_peek_offset(conn, (int)conn->answered);
    front->no_peek_offset = !conn->peek_follows;
}

/* The kernel moves the offset over all that was peeked; `unread` bytes will be looked at again. */
static bool rewind_peek(front_conn *conn, size_t unread) {
    if (!conn->peek_follows || unread == 0) return true;
    return set_peek_offset(conn, (int)conn->answered);
}

/* Keep what the socket did not take. */
static outcome owe(pbts_front *front, front_conn *conn, pbts_span rest) {
    conn->owed = pbts_alloc(front->config.mem, rest.len);
    if (conn->owed == NULL) return GONE;
    memcpy(conn->owed, rest.data, rest.len);
    conn->owed_len = (uint32_t)rest.len;
    conn->owed_sent = 0;
    return WAIT_FOR_READER;
}

/* The last answer waits for the end that follows at once, so that both are one segment. */
static outcome send_bytes(pbts_front *front, front_conn *conn, pbts_span bytes) {
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (conn->ending ? MSG_MORE : 0);
    while (bytes.len > 0) {
        ssize_t got = send(conn->fd, bytes.data, bytes.len, flags);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return owe(front, conn, bytes);
        if (got < 0) return GONE;
        bytes.data += got;
        bytes.len -= (size_t)got;
    }
    return GO_ON;
}

static outcome send_out(pbts_front *front, front_conn *conn, pbts_writer *out) {
    outcome result = send_bytes(front, conn, pbts_writer_span(out));
    *out = pbts_writer_over(out->data, out->capacity);
    return result;
}

static outcome apply(front_conn *conn, pbts_front_verdict verdict, size_t consumed) {
    switch (verdict) {
    case PBTS_FRONT_MORE: return TURN_OVER;
    case PBTS_FRONT_HAND_OVER: return HAND_OVER;
    case PBTS_FRONT_REFUSED: conn->refused = true; /* fall through */
    case PBTS_FRONT_LAST: conn->ending = true;     /* fall through */
    case PBTS_FRONT_ANSWERED: break;
    }
    conn->answered += (uint32_t)consumed;
    conn->head_reads = 0;
    return conn->ending ? TURN_OVER : GO_ON;
}

/* An unread piece of a request keeps the kernel's whole buffer that it came in (64 KiB and more by
 * loopback or GRO). With the default size of 128 KiB that alone can close the receive window, and
 * the rest of the request never comes. */
static void make_room(front_conn *conn) {
    int bytes = BUSY_BUFFER;
    conn->roomy = true;
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

/* One request, or the preamble, from the first unanswered byte. */
static outcome answer_one(pbts_front *front, front_conn *conn, pbts_writer *out, pbts_span bytes) {
    size_t consumed = 0;
    if (!conn->preamble_seen) {
        pbts_front_verdict verdict =
            front->host.preamble(front->host.host, &conn->client, &consumed, bytes);
        conn->preamble_seen = verdict == PBTS_FRONT_ANSWERED;
        return apply(conn, verdict, consumed);
    }
    pbts_front_verdict verdict =
        front->host.request(front->host.host, out, &consumed, bytes, &conn->client);
    if (verdict == PBTS_FRONT_ANSWERED && front->stopping) verdict = PBTS_FRONT_LAST;
    if (verdict == PBTS_FRONT_ANSWERED || verdict == PBTS_FRONT_LAST)
        front_count(&front->stats.requests, 1);
    if (verdict == PBTS_FRONT_REFUSED) front_count(&front->stats.refused, 1);
    return apply(conn, verdict, consumed);
}

static bool watch(pbts_front *front, front_conn *conn) {
    if (conn->watched) return true;
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.u64 = FRONT_DATA_CONN | (uint64_t)(conn->generation & FRONT_GENERATION_MASK) << 32 |
                    (uint32_t)(conn - front->conns),
    };
    conn->watched = epoll_ctl(front->epoll, EPOLL_CTL_ADD, conn->fd, &event) == 0;
    return conn->watched;
}

static void wait_on(pbts_front *front, front_conn *conn, front_list list) {
    front_move(front, conn, list);
    if (list != FRONT_READY && !watch(front, conn)) front_conn_close(front, conn);
}

void front_conn_send_postponed(pbts_front *front) {
    for (uint32_t i = 0; i < front->postponed_count; i++) {
        const front_answer *answer = &front->postponed[i];
        front_conn *conn = &front->conns[answer->index];
        if (conn->generation != answer->generation) continue;
        pbts_span bytes = { front->out + answer->at, answer->len };
        outcome result = send_bytes(front, conn, bytes);
        if (result == GONE) front_conn_close(front, conn);
        if (result == WAIT_FOR_READER) wait_on(front, conn, FRONT_WRITE);
    }
    front->postponed_count = front->out_len = 0;
}

/* Where answers are written, behind the postponed ones. */
static pbts_writer room_for_answers(pbts_front *front) {
    if (front->postponed_count == FRONT_POSTPONED_MAX || front->out_len > sizeof front->out / 2)
        front_conn_send_postponed(front);
    return pbts_writer_over(front->out + front->out_len, sizeof front->out - front->out_len);
}

static void postpone(pbts_front *front, const front_conn *conn, size_t len) {
    front->postponed[front->postponed_count++] = (front_answer){
        .index = (uint32_t)(conn - front->conns),
        .generation = conn->generation,
        .at = front->out_len,
        .len = (uint32_t)len,
    };
    front->out_len += (uint32_t)len;
}

/* Answer every whole request of `peeked`, sending in batches; `unread` of its bytes are left. The
 * last batch is postponed when the connection does nothing after it but wait for a request;
 * `more`: there may be bytes behind the peeked ones. */
static outcome answer_all(pbts_front *front, front_conn *conn, size_t *unread, pbts_span peeked,
                          bool more) {
    pbts_writer out = room_for_answers(front);
    outcome result = GO_ON;
    while (result == GO_ON && peeked.len > 0) {
        if (out.capacity - out.len < PBTS_FRONT_ANSWER_MAX) {
            result = send_out(front, conn, &out);
            continue;
        }
        uint32_t before = conn->answered;
        result = answer_one(front, conn, &out, peeked);
        peeked.data += conn->answered - before;
        peeked.len -= conn->answered - before;
    }
    *unread = peeked.len;
    if (result == WAIT_FOR_READER || result == GONE || out.len == 0) return result;
    if (result == GO_ON && !more && conn->watched && !conn->peer_closed && !front->stopping) {
        postpone(front, conn, out.len);
        return result;
    }
    outcome sent = send_out(front, conn, &out);
    return sent == GO_ON ? result : sent;
}

/* Read and forget until the peer closes, so that it can read what we said. */
static void linger(pbts_front *front, front_conn *conn) {
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        ssize_t got = recv(conn->fd, front->peek, sizeof front->peek, MSG_TRUNC | MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) {
            if (conn->list != FRONT_LINGER) front_move(front, conn, FRONT_LINGER);
            if (!watch(front, conn)) front_conn_close(front, conn);
            return;
        }
        conn->discarded += got > 0 ? (uint32_t)got : 0;
        if (got <= 0 || conn->discarded > DISCARD_MAX) {
            front_conn_close(front, conn);
            return;
        }
    }
    wait_on(front, conn, FRONT_READY);
}

/* All is answered and sent: close at once when the peer sent nothing more. */
static void end(pbts_front *front, front_conn *conn, bool more_unread) {
    bool clean = consume_answered(front, conn);
    if (!clean || (!conn->refused && !more_unread) || shutdown(conn->fd, SHUT_WR) != 0) {
        front_conn_close(front, conn);
        return;
    }
    conn->refused = true;
    front_move(front, conn, FRONT_LINGER);
    linger(front, conn);
}

static void hand_over(pbts_front *front, front_conn *conn) {
    if (!consume_answered(front, conn) || (conn->peek_follows && !set_peek_offset(conn, -1)) ||
        (conn->watched && epoll_ctl(front->epoll, EPOLL_CTL_DEL, conn->fd, NULL) != 0)) {
        front_conn_close(front, conn);
        return;
    }
    int fd = conn->fd;
    pbts_addr client = conn->client;
    release(front, conn);
    front_count(&front->stats.handed_over, 1);
    front->host.hand_over(front->host.host, fd, &client);
}

/* Everything that waited was looked at; `unread` bytes of it belong to a request that is not whole.
 */
static void rest(pbts_front *front, front_conn *conn, size_t unread, bool progress) {
    if (conn->answered >= PBTS_FRONT_CONSUME_AT && !consume_answered(front, conn)) {
        front_conn_close(front, conn);
        return;
    }
    if (conn->peer_closed || (front->stopping && unread == 0)) {
        conn->answered += (uint32_t)unread; /* a piece that nobody waits for */
        front_conn_close(front, conn);
    } else if (unread == 0) {
        wait_on(front, conn, FRONT_IDLE);
    } else if (++conn->head_reads > PBTS_FRONT_HEAD_READS_MAX) {
        front_count(&front->stats.timed_out, 1);
        front_conn_close(front, conn);
    } else if (progress || conn->list != FRONT_HEAD) {
        wait_on(front, conn, FRONT_HEAD);
    } else if (!watch(front, conn)) { /* keeps its place: the deadline is the request's */
        front_conn_close(front, conn);
    }
}

/* Nothing to look at: `got` is what recv said, with errno. */
static void nothing(pbts_front *front, front_conn *conn, ssize_t got) {
    if (got == 0 || errno != EAGAIN) {
        front_conn_close(front, conn);
    } else if (conn->list == FRONT_READY || conn->list == FRONT_WRITE) {
        rest(front, conn, 0, true);
    } else if (!watch(front, conn)) {
        front_conn_close(front, conn);
    }
}

/* What a peek of `got` bytes brought behind the answered ones. */
static pbts_span unanswered(const pbts_front *front, const front_conn *conn, size_t got) {
    size_t seen = conn->peek_follows ? 0 : conn->answered;
    return (pbts_span){ front->peek + seen, got - seen };
}

void front_conn_serve(pbts_front *front, front_conn *conn) {
    if (conn->list == FRONT_LINGER || (conn->ending && conn->owed == NULL)) {
        linger(front, conn);
        return;
    }
    if (conn->owed != NULL) return; /* first the reader's turn; its edge is EPOLLOUT */
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        ssize_t got = recv(conn->fd, front->peek, sizeof front->peek, MSG_PEEK | MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            nothing(front, conn, got);
            return;
        }
        pbts_span peeked = unanswered(front, conn, (size_t)got);
        size_t unread = 0, answered_before = conn->answered;
        if (peeked.len > BUSY_PEEK && !conn->roomy) make_room(conn);
        bool more = (size_t)got == sizeof front->peek;
        outcome result = answer_all(front, conn, &unread, peeked, more);
        bool progress = conn->answered != answered_before;
        if (result == GONE || !rewind_peek(conn, unread)) {
            front_conn_close(front, conn);
            return;
        }
        if (result == WAIT_FOR_READER) {
            wait_on(front, conn, FRONT_WRITE);
            return;
        }
        if (result == HAND_OVER) {
            hand_over(front, conn);
            return;
        }
        if (conn->ending) {
            end(front, conn, unread > 0);
            return;
        }
        if (!more) {
            if (answered_before > 0 && unread == 0) follow_peeks(front, conn); /* it will go on */
            rest(front, conn, unread, progress);
            return;
        }
        if (conn->answered == 0 || !consume_answered(front, conn)) { /* too long for one request */
            front_conn_close(front, conn);
            return;
        }
    }
    wait_on(front, conn, FRONT_READY);
}

void front_conn_writable(pbts_front *front, front_conn *conn) {
    while (conn->owed_sent < conn->owed_len) {
        ssize_t got = send(conn->fd, conn->owed + conn->owed_sent, conn->owed_len - conn->owed_sent,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got < 0) {
            front_conn_close(front, conn);
            return;
        }
        conn->owed_sent += (uint32_t)got; /* the deadline stays: a trickle must not hold us */
    }
    pbts_release(front->config.mem, conn->owed);
    conn->owed = NULL;
    if (conn->ending)
        end(front, conn, true);
    else
        front_conn_serve(front, conn);
}
