/* conn_receive.c - what a connection brings: read in large portions, payload copied to its piece,
 * everything else given to the session. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "share.h"

static bool keep(conn *c, const uint8_t *bytes, size_t len) {
    if (len > c->kept_capacity) {
        uint8_t *bigger = realloc(c->kept, len);
        if (bigger == NULL) return false;
        c->kept = bigger;
        c->kept_capacity = len;
    }
    if (len > 0) memcpy(c->kept, bytes, len);
    c->kept_len = len;
    return true;
}

/* As much of a block as is there; how much that was, 0: it failed. */
static size_t take_payload(conn *c, const pbts_payload *payload, const uint8_t *bytes, size_t len) {
    share *s = c->owner;
    uint32_t taken = len < payload->left_bytes ? (uint32_t)len : payload->left_bytes;
    if (!payload->discard) {
        uint8_t *buffer = share_buffer(s, payload->piece);
        if (buffer == NULL) {
            conn_close(c, "out of memory");
            return 0;
        }
        memcpy(buffer + payload->offset_bytes, bytes, taken);
    }
    pbts_session_payload_taken(s->session, c->number, taken, c->e->now);
    share_settle(s);
    return taken;
}

static size_t take_messages(conn *c, const uint8_t *bytes, size_t len) {
    share *s = c->owner;
    size_t used = 0;
    pbts_status status =
        pbts_session_receive(s->session, c->number, (pbts_span){ bytes, len }, &used, c->e->now);
    share_settle(s);
    if (status == PBTS_OK) return used;
    if (c->state == CONN_OPEN) conn_close_gently(c, pbts_status_text(status));
    return 0;
}

void conn_take(conn *c, const uint8_t *bytes, size_t len) {
    size_t at = 0, used = 1;
    while (at < len && used > 0 && c->state == CONN_OPEN && !c->closing) {
        pbts_payload payload;
        if (pbts_session_payload(c->owner->session, c->number, &payload)) {
            used = take_payload(c, &payload, bytes + at, len - at);
        } else {
            used = take_messages(c, bytes + at, len - at);
        }
        at += used;
    }
    if (c->state != CONN_OPEN) return;
    if (c->closing) at = len;
    if (!keep(c, bytes + at, len - at)) conn_close(c, "out of memory");
}

bool conn_readable(conn *c) {
    uint8_t *input = c->e->input;
    size_t kept = c->kept_len;
    if (c->state == CONN_DEAD) return false;
    if (kept > PBTS_SESSION_INPUT_MAX) {
        conn_close(c, "a message without an end");
        return false;
    }
    if (kept > 0) memcpy(input, c->kept, kept);
    ssize_t got = recv(c->fd, input + kept, ENGINE_RECEIVE_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got <= 0) {
        conn_close(c, got == 0 ? "the peer closed it" : strerror(errno));
        return false;
    }
    c->kept_len = 0;
    if (c->state == CONN_GREETING) {
        conn_greet(c, input, kept + (size_t)got);
        return true;
    }
    if (c->encrypted) pbts_rc4_crypt(&c->incoming, input + kept, input + kept, (size_t)got);
    conn_take(c, input, kept + (size_t)got);
    return true;
}

/* Nothing can be sent any more, but what came before is there still: its last receipts. */
void conn_lost(conn *c, const char *why) {
    for (int i = 0; c->state == CONN_OPEN && i < CONN_LOST_READS_MAX; i++) {
        if (!conn_readable(c)) break;
    }
    conn_close(c, why);
}
