#include "conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "share.h"

/* ---- life ---- */

static void set_socket(int fd) {
    int yes = 1, unsent = CONN_UNSENT_BYTES;
    /* These only tune. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

conn *conn_new(engine *e, int fd, const pbts_addr *addr, bool outgoing) {
    conn *c = calloc(1, sizeof *c);
    if (c == NULL || uv_poll_init(&e->loop, &c->poll, fd) != 0) {
        (void)close(fd);
        free(c);
        return NULL;
    }
    set_socket(fd);
    c->e = e;
    c->fd = fd;
    c->poll.data = c;
    c->addr = *addr;
    c->outgoing = outgoing;
    c->deadline_ms = UINT64_MAX;
    c->next = e->conns;
    if (e->conns != NULL) e->conns->before = c;
    e->conns = c;
    e->conn_count++;
    return c;
}

static void on_closed(uv_handle_t *handle) {
    conn *c = handle->data;
    pbts_mse_free(c->mse);
    free(c->mse_torrents);
    free(c->kept);
    free(c->unsent);
    pbts_wipe(&c->incoming, sizeof c->incoming);
    pbts_wipe(&c->outgoing_cipher, sizeof c->outgoing_cipher);
    free(c);
}

static void unlist(conn *c) {
    engine *e = c->e;
    if (c->before != NULL) c->before->next = c->next;
    if (c->next != NULL) c->next->before = c->before;
    if (e->conns == c) e->conns = c->next;
    e->conn_count--;
}

/* Take it out of the list of those with something to send, or of those that wait for the limit. */
static void unqueue(conn **first, conn ***end, const conn *c) {
    conn **at = first;
    while (*at != NULL && *at != c) at = &(*at)->pump_next;
    if (*at == NULL) return;
    *at = c->pump_next;
    if (*at == NULL) *end = at;
}

static void count_out(conn *c, conn_state was) {
    if (was == CONN_DIALING || (was == CONN_GREETING && c->outgoing)) c->e->dial_count--;
    if (was == CONN_GREETING && !c->outgoing) c->e->greeting_count--;
}

/* An attempt that ended before the session had it. */
static void dial_ended(conn *c, conn_state was) {
    share *s = c->owner;
    if (!c->outgoing || s == NULL || s->session == NULL) return;
    /* It may know no encryption: once more without. */
    bool again = was == CONN_GREETING && c->mse != NULL &&
                 c->e->set.encryption == ENCRYPTION_PREFER && s->state == SHARE_RUNNING;
    if (again) {
        conn_dial(s, &c->addr, false);
    } else {
        pbts_session_dial_failed(s->session, &c->addr, c->e->now);
        share_settle(s);
    }
}

void conn_close(conn *c, const char *why) {
    conn_state was = c->state;
    if (was == CONN_DEAD) return;
    c->state = CONN_DEAD;
    if (c->why[0] == '\0') (void)snprintf(c->why, sizeof c->why, "%s", why);
    count_out(c, was);
    unlist(c);
    if (c->pump_queued) {
        unqueue(&c->e->pump_first, &c->e->pump_end, c);
        unqueue(&c->e->thirsty_first, &c->e->thirsty_end, c);
    }
    (void)uv_poll_stop(&c->poll);
    (void)close(c->fd);
    if (was == CONN_OPEN) {
        (void)share_note_conn(c->owner, c->number, NULL);
        pbts_session_closed(c->owner->session, c->number, c->e->now);
        share_settle(c->owner);
    } else {
        dial_ended(c, was);
    }
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

void conn_close_gently(conn *c, const char *why) {
    if (c->state != CONN_OPEN) {
        conn_close(c, why);
        return;
    }
    if (c->closing) return;
    c->closing = true;
    (void)snprintf(c->why, sizeof c->why, "%s", why);
    c->deadline_ms = c->e->now.mono_ms + CONN_CLOSE_MS;
    engine_pump_later(c->e, c);
}

void conn_finish(conn *c) {
    if (c->finished) return;
    if (c->state != CONN_OPEN || shutdown(c->fd, SHUT_WR) != 0) {
        conn_close(c, "the torrent is not shared any more");
        return;
    }
    c->finished = true;
    c->deadline_ms = c->e->now.mono_ms + CONN_FINISH_MS;
    conn_arm(c, UV_READABLE);
}

void conn_tick(conn *c) {
    if (c->e->now.mono_ms < c->deadline_ms) return;
    conn_close(c, c->state == CONN_DIALING    ? "no answer"
                  : c->state == CONN_GREETING ? "it does not say what it wants"
                  : c->finished               ? "it does not hang up"
                                              : "what was queued could not be sent");
}

/* ---- the loop's side ---- */

static int connect_error(int fd) {
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) return errno;
    return error;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    conn *c = poll->data;
    engine_touch(c->e);
    if (c->state == CONN_DIALING) {
        int error = connect_error(c->fd);
        if (error != 0 || status < 0) {
            conn_close(c, strerror(error));
        } else {
            conn_begin_greeting(c);
        }
        return;
    }
    if (status < 0) {
        conn_lost(c, uv_strerror(status));
        return;
    }
    if (events & UV_WRITABLE) engine_pump_later(c->e, c);
    if (events & UV_READABLE) (void)conn_readable(c);
}

void conn_arm(conn *c, int events) {
    if (c->state == CONN_DEAD || c->armed == events) return;
    c->armed = events;
    (void)uv_poll_start(&c->poll, events, on_poll);
}
