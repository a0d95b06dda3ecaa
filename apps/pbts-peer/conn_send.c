/* conn_send.c - what a connection takes away: messages gathered into one send, content by sendfile
 * right behind them, or read and encrypted where that was agreed on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "net/clock.h"
#include "share.h"
#include "tell.h"
#include "torrent/piece_check.h"

enum { GATHER_BYTES = 2 * PBTS_SESSION_SEND_MAX };

/* ---- bytes ---- */

bool conn_queue(conn *c, pbts_span bytes) {
    size_t needed = c->unsent_len + bytes.len;
    if (needed > c->unsent_capacity) {
        uint8_t *bigger = realloc(c->unsent, needed);
        if (bigger == NULL) {
            conn_close(c, "out of memory");
            return false;
        }
        c->unsent = bigger;
        c->unsent_capacity = needed;
    }
    if (bytes.len > 0) memcpy(c->unsent + c->unsent_len, bytes.data, bytes.len);
    c->unsent_len = needed;
    return true;
}

static bool would_block(int error) {
    return error == EAGAIN || error == EINTR;
}

static bool socket_failed(conn *c, int error) {
    if (would_block(error)) {
        conn_arm(c, UV_READABLE | UV_WRITABLE);
    } else {
        conn_lost(c, strerror(error));
    }
    return false;
}

static bool flush_bytes(conn *c) {
    bool more = c->content_left > 0;
    while (c->unsent_at < c->unsent_len) {
        ssize_t sent = send(c->fd, c->unsent + c->unsent_at, c->unsent_len - c->unsent_at,
                            MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (sent < 0) return socket_failed(c, errno);
        c->unsent_at += (size_t)sent;
    }
    c->unsent_at = c->unsent_len = 0;
    return true;
}

/* Content that was promised and cannot be read: the peer waits for bytes that will not come. */
static bool content_failed(conn *c) {
    share *s = c->owner;
    tell("read_failed",
         json_pack("{s:s, s:s}", "torrent", s->hex, "error",
                   storage_problem(s->files, STORAGE_LOOP)),
         "%s: cannot be read, so it cannot be served: %s", s->name,
         storage_problem(s->files, STORAGE_LOOP));
    conn_close(c, "content cannot be read");
    return false;
}

static bool is_file_error(int error) {
    return error == ENODATA || error == EIO || error == EINVAL || error == ENOENT ||
           error == ELOOP || error == EMFILE || error == ENFILE || error == EACCES;
}

static bool flush_content(conn *c) {
    while (c->content_left > 0) {
        size_t sent;
        int error =
            storage_send(c->owner->files, c->fd, &sent, c->content_offset_bytes, c->content_left);
        c->content_offset_bytes += sent;
        c->content_left -= (uint32_t)sent;
        if (error == 0) continue;
        return is_file_error(error) ? content_failed(c) : socket_failed(c, error);
    }
    return true;
}

static bool flush_zeros(conn *c) {
    static const uint8_t ZEROS[16 * 1024];
    while (c->zeros_left > 0) {
        size_t len = c->zeros_left < sizeof ZEROS ? c->zeros_left : sizeof ZEROS;
        ssize_t sent = send(c->fd, ZEROS, len, MSG_NOSIGNAL);
        if (sent < 0) return socket_failed(c, errno);
        c->zeros_left -= (uint32_t)sent;
    }
    return true;
}

bool conn_flush(conn *c) {
    return flush_bytes(c) && flush_content(c) && flush_zeros(c);
}

/* ---- what the session has ---- */

/* Read a block behind the `len` bytes of output, to be encrypted with them. */
static bool read_block(conn *c, size_t *len, uint64_t offset_bytes, const pbts_session_send *send) {
    uint8_t *at = c->e->output + *len;
    int error = storage_read(c->owner->files, STORAGE_LOOP, at, offset_bytes, send->block_bytes);
    if (error != 0) return content_failed(c);
    memset(at + send->block_bytes, 0, send->pad_bytes);
    *len += send->block_bytes + send->pad_bytes;
    return true;
}

static uint32_t block_limit(engine *e) {
    uint64_t left = bucket_left(&e->up, pbts_clock_mono_us());
    return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

/* Take messages, up to and with one block. False: it was closed. `*len` bytes of output. */
static bool gather(conn *c, size_t *len) {
    share *s = c->owner;
    engine *e = c->e;
    pbts_session_send send;
    *len = 0;
    while (*len < GATHER_BYTES && pbts_session_next_send(s->session, c->number, &send,
                                                         c->closing ? 0 : block_limit(e), e->now)) {
        memcpy(e->output + *len, send.bytes.data, send.bytes.len);
        *len += send.bytes.len;
        if (send.block_bytes + send.pad_bytes == 0) continue;
        uint64_t offset_bytes = pbts_piece_offset(s->meta, send.piece) + send.offset_bytes;
        bucket_take(&e->up, send.block_bytes + send.pad_bytes);
        if (c->encrypted) {
            if (!read_block(c, len, offset_bytes, &send)) return false;
            break;
        }
        c->content_offset_bytes = offset_bytes;
        c->content_left = send.block_bytes;
        c->zeros_left = send.pad_bytes;
        break;
    }
    share_settle(s);
    return c->state == CONN_OPEN;
}

static bool send_gathered(conn *c, size_t len) {
    uint8_t *output = c->e->output;
    if (c->encrypted) pbts_rc4_crypt(&c->outgoing_cipher, output, output, len);
    ssize_t sent = send(c->fd, output, len,
                        MSG_NOSIGNAL | (c->content_left + c->zeros_left > 0 ? MSG_MORE : 0));
    if (sent < 0 && !would_block(errno)) {
        conn_lost(c, strerror(errno));
        return false;
    }
    size_t at = sent > 0 ? (size_t)sent : 0;
    if (at < len && !conn_queue(c, (pbts_span){ output + at, len - at })) return false;
    return conn_flush(c);
}

static void nothing_to_send(conn *c) {
    if (c->closing) {
        conn_close(c, "");
        return;
    }
    conn_arm(c, UV_READABLE);
    if (pbts_session_wants_send(c->owner->session, c->number, c->e->now)) {
        engine_pump_when_allowed(c->e, c); /* a block, when the upload limit has room for it */
    }
}

void conn_pump(conn *c) {
    size_t turn = 0, len;
    if (c->state == CONN_DEAD || c->state == CONN_DIALING || c->finished) return;
    if (!conn_flush(c)) return;
    if (c->state == CONN_GREETING) {
        conn_arm(c, UV_READABLE);
        return;
    }
    while (turn < ENGINE_TURN_BYTES) {
        if (!gather(c, &len)) return;
        if (len == 0) {
            nothing_to_send(c);
            return;
        }
        turn += len + c->content_left + c->zeros_left;
        if (!send_gathered(c, len)) return;
    }
    conn_arm(c, UV_READABLE | UV_WRITABLE); /* the others first */
}
