/* conn_greet.c - how a connection begins: dialling, accepting, Message Stream Encryption, and for
 * what comes in, which torrent it is for.
 *
 * The handshake of encryption always offers an encrypted and a plain payload, unless encryption is
 * required. As the one who chooses we take RC4, but between machines of one network and on one
 * machine the plain payload: there is nobody in between to hide from, and sendfile costs a third.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "net/socket.h"
#include "share.h"
#include "wire/peer_message.h"

/* ---- which methods ---- */

static bool is_near(const pbts_addr *addr) {
    static const char *const RANGES[] = { "127.0.0.0/8",    "10.0.0.0/8",     "172.16.0.0/12",
                                          "192.168.0.0/16", "169.254.0.0/16", "::1/128",
                                          "fc00::/7",       "fe80::/10" };
    for (size_t i = 0; i < sizeof RANGES / sizeof RANGES[0]; i++) {
        pbts_addr_range range;
        if (pbts_addr_range_parse(&range, pbts_span_text(RANGES[i])) == PBTS_OK &&
            pbts_addr_range_contains(&range, addr)) {
            return true;
        }
    }
    return false;
}

static void set_methods(conn *c) {
    bool required = c->e->set.encryption == ENCRYPTION_REQUIRE;
    c->mse_config = (pbts_mse_config){
        .mem = pbts_mem_system(),
        .random = pbts_random_system(),
        .methods = required ? PBTS_MSE_RC4 : PBTS_MSE_RC4 | PBTS_MSE_PLAINTEXT,
        .preferred = required || !is_near(&c->addr) ? PBTS_MSE_RC4 : PBTS_MSE_PLAINTEXT,
        .takes_legacy = !required,
    };
}

/* ---- from here on the session has it ---- */

static void open_session(conn *c, const uint8_t *bytes, size_t len) {
    share *s = c->owner;
    engine *e = c->e;
    if (s->session == NULL || s->state != SHARE_RUNNING) {
        conn_close(c, "the torrent is not shared now");
        return;
    }
    pbts_status status = pbts_session_opened(s->session, &c->number, &c->addr, c->outgoing, e->now);
    if (status != PBTS_OK) {
        conn_close(c, pbts_status_text(status));
        return;
    }
    if (c->outgoing) {
        e->dial_count--;
    } else {
        e->greeting_count--;
    }
    c->state = CONN_OPEN;
    c->deadline_ms = UINT64_MAX;
    if (!share_note_conn(s, c->number, c)) {
        conn_close(c, "out of memory");
        return;
    }
    share_settle(s);
    engine_pump_later(e, c);
    conn_take(c, bytes, len);
}

/* ---- encryption ---- */

static bool send_greeting(conn *c) {
    pbts_span bytes;
    while (pbts_mse_next_send(c->mse, &bytes)) {
        if (!conn_queue(c, bytes)) return false;
    }
    (void)conn_flush(c);
    return c->state != CONN_DEAD;
}

static void find_owner(conn *c, const uint8_t *infohash) {
    share *s = c->owner != NULL ? c->owner : engine_find(c->e, infohash);
    if (s == NULL) {
        conn_close(c, "a torrent that is not shared here");
    } else {
        c->owner = s;
    }
}

/* An unencrypted handshake: its first 48 bytes name the torrent. */
static void greet_plain(conn *c, const uint8_t *bytes, size_t len) {
    pbts_peer_handshake handshake;
    if (c->outgoing) {
        open_session(c, bytes, len);
        return;
    }
    pbts_status status = pbts_peer_handshake_decode_head(&handshake, (pbts_span){ bytes, len });
    if (status == PBTS_NEED_MORE) {
        uint8_t *kept = realloc(c->kept, len + 1);
        if (kept == NULL) {
            conn_close(c, "out of memory");
            return;
        }
        c->kept = kept;
        c->kept_capacity = len + 1;
        memcpy(kept, bytes, len);
        c->kept_len = len;
        return;
    }
    if (status != PBTS_OK) {
        conn_close(c, "it speaks another protocol");
        return;
    }
    find_owner(c, handshake.infohash);
    if (c->state != CONN_DEAD) open_session(c, bytes, len);
}

/* What came with the encrypted handshake goes before what followed it. */
static void finish_greeting(conn *c, const uint8_t *rest, size_t rest_len,
                            void (*then)(conn *c, const uint8_t *bytes, size_t len)) {
    pbts_span initial = pbts_mse_initial(c->mse);
    uint8_t *all = malloc(initial.len + rest_len + 1);
    if (all == NULL) {
        conn_close(c, "out of memory");
        return;
    }
    if (initial.len > 0) memcpy(all, initial.data, initial.len);
    memcpy(all + initial.len, rest, rest_len);
    size_t len = initial.len + rest_len;
    pbts_mse_free(c->mse);
    c->mse = NULL;
    then(c, all, len);
    free(all);
}

static void finish_encrypted(conn *c, uint8_t *rest, size_t rest_len) {
    pbts_mse_result result;
    pbts_mse_finish(c->mse, &result);
    find_owner(c, result.infohash);
    if (c->state == CONN_DEAD) return;
    c->encrypted = result.method == PBTS_MSE_RC4;
    if (c->encrypted) {
        c->incoming = result.incoming;
        c->outgoing_cipher = result.outgoing;
        pbts_rc4_crypt(&c->incoming, rest, rest, rest_len);
    }
    finish_greeting(c, rest, rest_len, open_session);
}

void conn_greet(conn *c, uint8_t *bytes, size_t len) {
    size_t used = 0;
    if (c->mse == NULL) {
        greet_plain(c, bytes, len);
        return;
    }
    pbts_status status = pbts_mse_receive(c->mse, &used, (pbts_span){ bytes, len });
    if (status != PBTS_OK) {
        conn_close(c, pbts_status_text(status));
        return;
    }
    if (!send_greeting(c)) return;
    switch (pbts_mse_state_of(c->mse)) {
    case PBTS_MSE_DONE: finish_encrypted(c, bytes + used, len - used); break;
    case PBTS_MSE_LEGACY: finish_greeting(c, bytes + used, len - used, greet_plain); break;
    case PBTS_MSE_FAILED: conn_close(c, "no encryption in common"); break;
    case PBTS_MSE_WAITING: break;
    }
}

/* ---- dialling ---- */

static int open_socket(const engine *e, const pbts_addr *to) {
    pbts_sockaddr from;
    int family = to->family == PBTS_IPV4 ? AF_INET : AF_INET6;
    if (e->set.has_bind && e->set.bind.family != to->family) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !e->set.has_bind) return fd;
    pbts_sockaddr_of(&from, &e->set.bind);
    if (bind(fd, (struct sockaddr *)&from.storage, from.len) == 0) return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static int start_connecting(const engine *e, const pbts_addr *addr) {
    pbts_sockaddr to;
    int fd = open_socket(e, addr);
    if (fd < 0) return -1;
    pbts_sockaddr_of(&to, addr);
    if (connect(fd, (struct sockaddr *)&to.storage, to.len) == 0 || errno == EINPROGRESS) return fd;
    (void)close(fd);
    return -1;
}

void conn_dial(share *s, const pbts_addr *addr, bool encrypted) {
    engine *e = s->e;
    int fd = start_connecting(e, addr);
    conn *c = fd < 0 ? NULL : conn_new(e, fd, addr, true);
    if (c == NULL) {
        pbts_session_dial_failed(s->session, addr, e->now);
        return;
    }
    c->owner = s;
    c->state = CONN_DIALING;
    c->tries_encryption = encrypted;
    c->deadline_ms = e->now.mono_ms + CONN_DIAL_MS;
    e->dial_count++;
    conn_arm(c, UV_WRITABLE);
}

static bool begin_encryption(conn *c) {
    const uint8_t *infohash = pbts_session_dial_infohash(c->owner->session, &c->addr);
    const pbts_mse_torrent torrent = pbts_mse_torrent_of(infohash);
    c->mse_torrents = malloc(sizeof torrent);
    if (c->mse_torrents == NULL) return false;
    c->mse_torrents[0] = torrent;
    set_methods(c);
    return pbts_mse_new_initiator(&c->mse, &c->mse_config, c->mse_torrents,
                                  (pbts_span){ NULL, 0 }) == PBTS_OK;
}

void conn_begin_greeting(conn *c) {
    c->state = CONN_GREETING;
    c->deadline_ms = c->e->now.mono_ms + CONN_GREET_MS;
    conn_arm(c, UV_READABLE);
    if (!c->tries_encryption) {
        open_session(c, NULL, 0);
    } else if (!begin_encryption(c)) {
        conn_close(c, "out of memory");
    } else {
        (void)send_greeting(c);
    }
}

/* ---- accepting ---- */

static bool begin_responding(conn *c) {
    engine *e = c->e;
    size_t count = 0;
    set_methods(c);
    c->mse_torrents = malloc((2 * e->share_count + 1) * sizeof *c->mse_torrents);
    if (c->mse_torrents == NULL) return false;
    for (const share *s = e->shares; s != NULL; s = s->next) {
        const uint8_t *other = share_other_infohash(s);
        c->mse_torrents[count++] = pbts_mse_torrent_of(s->infohash);
        if (other != NULL) c->mse_torrents[count++] = pbts_mse_torrent_of(other);
    }
    return pbts_mse_new_responder(&c->mse, &c->mse_config, c->mse_torrents, count) == PBTS_OK;
}

/* Of those that have not said what they want the one that had most time for it: who is silent, on
 * however many connections, keeps nobody out that speaks. */
static void close_oldest_greeting(engine *e) {
    conn *oldest = NULL;
    for (conn *c = e->conns; c != NULL; c = c->next) { /* the newest first */
        if (c->state == CONN_GREETING && !c->outgoing) oldest = c;
    }
    if (oldest != NULL) conn_close(oldest, "it does not say what it wants, and others wait");
}

void conn_accept(engine *e, int fd, const pbts_addr *addr) {
    if (e->greeting_count >= ENGINE_GREETINGS_MAX) close_oldest_greeting(e);
    if (e->state != ENGINE_RUNNING || e->conn_count >= e->set.connections_max) {
        (void)close(fd);
        return;
    }
    conn *c = conn_new(e, fd, addr, false);
    if (c == NULL) return;
    c->state = CONN_GREETING;
    c->deadline_ms = e->now.mono_ms + CONN_GREET_MS;
    e->greeting_count++;
    if (e->set.encryption != ENCRYPTION_OFF && !begin_responding(c)) {
        conn_close(c, "out of memory");
        return;
    }
    conn_arm(c, UV_READABLE);
}
