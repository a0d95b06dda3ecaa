/* Bytes in: messages are told apart here; what each does is in the other parts. */
#include "base/assert.h"
#include "peer/session_parts.h"
#include "torrent/piece_set.h"

static bool knows_pieces(const pbts_session *session) {
    return session->config.meta != NULL;
}

/* Too many of these and it goes. */
static void forgive(pbts_session *session, pbts_peer_conn *conn) {
    if (pbts_peer_conn_forgive(conn, session->now_ms)) return;
    pbts_session_doom(session, conn, "too many messages that change nothing", true);
}

/* ---- who wants what ---- */

static void on_choke(pbts_session *session, pbts_peer_conn *conn, bool choking) {
    if (conn->choking == choking) {
        forgive(session, conn);
        return;
    }
    conn->choking = choking;
    forgive(session, conn); /* there and back changes nothing either */
    conn->idle_stamp = UINT64_MAX;
    if (choking) {
        pbts_session_take_back(session, conn, conn->has_fast);
    } else {
        pbts_session_ask(session, conn);
    }
}

static void on_interest(pbts_session *session, pbts_peer_conn *conn, bool interested) {
    forgive(session, conn);
    if (conn->phase != PBTS_CONN_OPEN || conn->interested == interested) return;
    conn->interested = interested;
    if (interested) {
        pbts_session_fill_slots(session);
    } else if (!conn->choked) {
        pbts_session_choke(session, conn);
        pbts_session_fill_slots(session);
    }
}

/* ---- BEP 6 ---- */

static pbts_status on_allowed(pbts_session *session, pbts_peer_conn *conn, uint32_t piece) {
    if (!conn->has_fast) return PBTS_MALFORMED;
    bool is_known = pbts_peer_conn_is_allowed(conn, piece);
    if (is_known || conn->allowed_len == PBTS_PEER_ALLOWED_FAST_MAX) {
        forgive(session, conn);
        return PBTS_OK;
    }
    conn->allowed[conn->allowed_len++] = piece;
    conn->idle_stamp = UINT64_MAX;
    pbts_session_ask(session, conn);
    return PBTS_OK;
}

static pbts_status on_suggest(pbts_session *session, pbts_peer_conn *conn, uint32_t piece) {
    if (!conn->has_fast) return PBTS_MALFORMED;
    forgive(session, conn);
    conn->suggested[conn->suggested_len++ % PBTS_SUGGESTIONS_MAX] = piece;
    return PBTS_OK;
}

/* A request of ours will not be answered. While the peer does not choke us that is odd: it is left
 * alone for a while, so that no two peers throw one request to and fro. */
static pbts_status on_reject(pbts_session *session, pbts_peer_conn *conn,
                             const pbts_peer_block *block) {
    if (!conn->has_fast) return PBTS_MALFORMED;
    pbts_ring_block *asked =
        pbts_block_ring_find(&conn->asked, block->index, block->begin, block->length);
    if (asked == NULL) {
        forgive(session, conn);
        return PBTS_OK;
    }
    if (!asked->is_void) {
        conn->paused_ms = session->now_ms + PBTS_PAUSE_MS;
        pbts_open_piece *slot = pbts_open_pieces_find(&session->open, asked->piece);
        pbts_session_void(session, conn, asked);
        if (slot->owner == conn->number) pbts_session_disown(session, slot);
    }
    pbts_block_ring_remove(&conn->asked, asked);
    return PBTS_OK;
}

/* ---- messages ---- */

static pbts_status on_pieces(pbts_session *session, pbts_peer_conn *conn,
                             const pbts_peer_message *message, bool is_first) {
    bool is_fast_type = message->type != PBTS_PEER_BITFIELD;
    if (!is_first || (is_fast_type && !conn->has_fast)) return PBTS_MALFORMED;
    switch (message->type) {
    case PBTS_PEER_BITFIELD: return pbts_session_on_bitfield(session, conn, message->bitfield);
    case PBTS_PEER_HAVE_ALL: return pbts_session_on_all(session, conn);
    default: return PBTS_OK;
    }
}

/* What has no meaning before the metadata is known. */
static pbts_status on_torrent_message(pbts_session *session, pbts_peer_conn *conn,
                                      const pbts_peer_message *message) {
    switch (message->type) {
    case PBTS_PEER_REQUEST: pbts_session_on_request(session, conn, &message->block); break;
    case PBTS_PEER_CANCEL: pbts_session_on_cancel(session, conn, &message->block); break;
    case PBTS_PEER_PIECE: return pbts_session_on_piece(session, conn, &message->block);
    case PBTS_PEER_REJECT: return on_reject(session, conn, &message->block);
    case PBTS_PEER_SUGGEST: return on_suggest(session, conn, message->piece_index);
    case PBTS_PEER_ALLOWED_FAST: return on_allowed(session, conn, message->piece_index);
    case PBTS_PEER_HASH_REQUEST:
        pbts_session_on_hash_request(session, conn, &message->hashes);
        break;
    default: assert(!"not such a message");
    }
    return PBTS_OK;
}

static pbts_status on_message(pbts_session *session, pbts_peer_conn *conn,
                              const pbts_peer_message *message, pbts_moment now) {
    /* A bitfield or its like comes first; keep-alives and extensions may come before it. */
    bool is_first = !conn->heard_any;
    conn->heard_any = conn->heard_any || (message->type != PBTS_PEER_EXTENDED &&
                                          message->type != PBTS_PEER_KEEP_ALIVE);
    switch (message->type) {
    case PBTS_PEER_CHOKE: on_choke(session, conn, true); return PBTS_OK;
    case PBTS_PEER_UNCHOKE: on_choke(session, conn, false); return PBTS_OK;
    case PBTS_PEER_INTERESTED: on_interest(session, conn, true); return PBTS_OK;
    case PBTS_PEER_NOT_INTERESTED: on_interest(session, conn, false); return PBTS_OK;
    case PBTS_PEER_HAVE: return pbts_session_on_have(session, conn, message->piece_index, now);
    case PBTS_PEER_BITFIELD:
    case PBTS_PEER_HAVE_ALL:
    case PBTS_PEER_HAVE_NONE: return on_pieces(session, conn, message, is_first);
    case PBTS_PEER_EXTENDED:
        if (!conn->has_extended) return PBTS_MALFORMED;
        return pbts_session_on_extended(session, conn, &message->extended, now);
    case PBTS_PEER_HASHES: return pbts_session_on_hashes(session, conn, &message->hashes);
    case PBTS_PEER_HASH_REJECT: pbts_session_on_hash_reject(session, conn); return PBTS_OK;
    case PBTS_PEER_KEEP_ALIVE:
    case PBTS_PEER_PORT:
    case PBTS_PEER_UNKNOWN: forgive(session, conn); return PBTS_OK;
    default: break;
    }
    if (knows_pieces(session)) return on_torrent_message(session, conn, message);
    /* Nothing was offered or asked for yet: a block would be nobody's. */
    if (message->type == PBTS_PEER_PIECE) return PBTS_MALFORMED;
    forgive(session, conn);
    return PBTS_OK;
}

static pbts_status one_message(pbts_session *session, pbts_peer_conn *conn, size_t *used,
                               pbts_span bytes, pbts_moment now) {
    pbts_peer_message message;
    pbts_peer_bounds bounds = { session->piece_count, session->piece_length };
    if (conn->phase == PBTS_CONN_HANDSHAKE) {
        return pbts_session_on_handshake(session, conn, used, bytes, now);
    }
    PBTS_TRY(pbts_peer_message_decode(&message, used, bytes, &bounds));
    return on_message(session, conn, &message, now);
}

static const char *complaint(const pbts_peer_conn *conn, pbts_status status) {
    if (status == PBTS_NO_MEMORY) return "out of memory";
    if (conn->phase == PBTS_CONN_HANDSHAKE) {
        return status == PBTS_NOT_FOUND ? "another torrent" : "not a BitTorrent handshake";
    }
    return status == PBTS_LIMIT ? "a message that is too long"
                                : "a message that breaks the protocol";
}

pbts_status pbts_session_receive(pbts_session *session, pbts_conn number, pbts_span bytes,
                                 size_t *used, pbts_moment now) {
    session->now_ms = now.mono_ms;
    pbts_peer_conn *conn = pbts_session_conn(session, number);
    assert(conn != NULL && (!conn->payload.active || conn->phase == PBTS_CONN_DOOMED));
    pbts_status status = PBTS_OK;
    size_t at = 0;
    if (bytes.len > 0) conn->heard_ms = now.mono_ms;
    while (conn->phase != PBTS_CONN_DOOMED && !conn->payload.active) {
        size_t taken = 0;
        pbts_span rest = { bytes.data + at, bytes.len - at };
        status = one_message(session, conn, &taken, rest, now);
        if (status != PBTS_OK) break;
        at += taken;
    }
    if (status != PBTS_OK && status != PBTS_NEED_MORE) {
        pbts_session_doom(session, conn, complaint(conn, status), status != PBTS_NO_MEMORY);
    }
    *used = conn->phase == PBTS_CONN_DOOMED ? bytes.len : at;
    if (conn->phase == PBTS_CONN_OPEN) pbts_session_wake(session, conn);
    pbts_session_settle(session, now);
    return status == PBTS_NEED_MORE ? PBTS_OK : status;
}
