/* What others ask of us: requests, choking, and all that goes out. */
#include "base/assert.h"
#include "peer/session_parts.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"

/* ---- who is served ---- */

bool pbts_session_serves(const pbts_session *session, const pbts_peer_conn *conn) {
    if (session->stopping || conn->phase != PBTS_CONN_OPEN || session->config.meta == NULL) {
        return false;
    }
    if (session->config.terms == NULL || pbts_peer_conn_is_ready(conn)) return true;
    return session->config.legacy == PBTS_LEGACY_SERVE && pbts_session_is_legacy(session, conn);
}

static bool may_unchoke(const pbts_session *session, const pbts_peer_conn *conn) {
    return conn->interested && pbts_session_serves(session, conn);
}

/* What it asked for will not come; a peer with BEP 6 is told of each, but may keep what it was
 * allowed while choked. */
static void drop_queue(pbts_session *session, pbts_peer_conn *conn) {
    for (uint32_t left = pbts_block_ring_len(&conn->queue); left > 0; left--) {
        pbts_ring_block block = *pbts_block_ring_front(&conn->queue);
        pbts_block_ring_remove(&conn->queue, pbts_block_ring_front(&conn->queue));
        pbts_status status = PBTS_OK;
        if (conn->has_fast && pbts_peer_conn_is_fast(conn, block.piece)) {
            status = pbts_block_ring_push(&conn->queue, &block, PBTS_REQUESTS_IN_MAX);
        } else if (conn->has_fast) {
            status = pbts_peer_conn_say_block(conn, PBTS_PEER_REJECT, &block);
        }
        pbts_session_said(session, conn, status);
        if (conn->phase != PBTS_CONN_OPEN) return;
    }
}

void pbts_session_choke(pbts_session *session, pbts_peer_conn *conn) {
    assert(!conn->choked);
    conn->choked = true;
    conn->optimistic = false;
    conn->choke_changed_ms = session->now_ms;
    pbts_session_said(session, conn, pbts_peer_conn_say_type(conn, PBTS_PEER_CHOKE));
    if (conn->phase == PBTS_CONN_OPEN) drop_queue(session, conn);
    pbts_session_wake(session, conn);
}

void pbts_session_unchoke(pbts_session *session, pbts_peer_conn *conn, bool optimistic) {
    assert(conn->choked && may_unchoke(session, conn));
    conn->choked = false;
    conn->optimistic = optimistic;
    conn->choke_changed_ms = session->now_ms;
    pbts_session_said(session, conn, pbts_peer_conn_say_type(conn, PBTS_PEER_UNCHOKE));
    pbts_session_wake(session, conn);
}

static pbts_peer_conn *longest_waiting(const pbts_session *session, uint32_t *unchoked) {
    pbts_peer_conn *conn, *best = NULL;
    *unchoked = 0;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        *unchoked += !conn->choked && !conn->optimistic;
        if (!conn->choked || conn->snubbed || !may_unchoke(session, conn)) continue;
        if (best == NULL || conn->choke_changed_ms < best->choke_changed_ms) best = conn;
    }
    return best;
}

void pbts_session_fill_slots(pbts_session *session) {
    uint32_t unchoked;
    pbts_peer_conn *conn;
    while ((conn = longest_waiting(session, &unchoked)) != NULL &&
           unchoked < session->config.unchoked_max) {
        pbts_session_unchoke(session, conn, false);
    }
}

static pbts_choke_candidate candidate_of(const pbts_session *session, pbts_peer_conn *conn) {
    pbts_choke_candidate candidate = {
        .conn = conn->number,
        .may_serve = may_unchoke(session, conn),
        .snubbed = conn->snubbed,
        .unchoked = !conn->choked,
        .optimistic = conn->optimistic,
        .gave_bytes = conn->down.total_bytes - conn->round_down_bytes,
        .took_bytes = conn->up.total_bytes - conn->round_up_bytes,
        .joined_ms = conn->opened_ms,
        .changed_ms = conn->choke_changed_ms,
    };
    conn->round_down_bytes = conn->down.total_bytes;
    conn->round_up_bytes = conn->up.total_bytes;
    return candidate;
}

void pbts_session_choke_round(pbts_session *session) {
    uint32_t count = 0;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        session->candidates[count++] = candidate_of(session, conn);
    }
    bool seeding = session->missing == 0 || session->config.seed_only;
    pbts_choker_round(&session->choker, session->candidates, count, session->config.unchoked_max,
                      seeding, session->now_ms);
    for (uint32_t i = 0; i < count; i++) {
        const pbts_choke_candidate *candidate = &session->candidates[i];
        conn = pbts_session_conn(session, candidate->conn);
        if (conn->phase != PBTS_CONN_OPEN) continue; /* it could not be told */
        if (candidate->unchoked == !conn->choked) {
            conn->optimistic = candidate->optimistic;
        } else if (!candidate->unchoked) {
            pbts_session_choke(session, conn);
        } else if (may_unchoke(session, conn)) {
            pbts_session_unchoke(session, conn, candidate->optimistic);
        }
    }
}

void pbts_session_say_fast(pbts_session *session, pbts_peer_conn *conn) {
    bool is_new = conn->has.count < PBTS_FAST_PIECES && !conn->has.all;
    if (!conn->has_fast || conn->fast_len > 0 || !is_new || session->have_count == 0) return;
    if (!pbts_session_serves(session, conn)) return;
    conn->fast_len = (uint32_t)pbts_peer_allowed_fast(
        conn->fast, PBTS_FAST_PIECES, &conn->addr, session->config.infohash, session->piece_count);
    for (uint32_t i = 0; i < conn->fast_len && conn->phase == PBTS_CONN_OPEN; i++) {
        pbts_session_said(session, conn,
                          pbts_peer_conn_say_piece(conn, PBTS_PEER_ALLOWED_FAST, conn->fast[i]));
    }
}

/* ---- requests ---- */

/* Of a hybrid torrent, v1 clients take the padding behind a file for a file, and ask for it; so
 * does libtorrent 2.0.8 of a v2 torrent, which has none. */
static bool lies_in_piece(const pbts_session *session, const pbts_peer_block *block) {
    const pbts_metainfo *meta = session->config.meta;
    bool is_aligned = pbts_metainfo_has_v2(meta);
    uint32_t end = is_aligned ? session->piece_length : pbts_piece_stream_bytes(meta, block->index);
    return block->begin < end && block->length <= end - block->begin;
}

/* Each piece that a choked newcomer may have, about twice. */
static bool is_free_gift(pbts_session *session, pbts_peer_conn *conn,
                         const pbts_peer_block *block) {
    uint64_t most = 2 * (uint64_t)PBTS_FAST_PIECES * session->piece_length;
    if (!conn->has_fast || !pbts_peer_conn_is_fast(conn, block->index)) return false;
    if (conn->has.count >= PBTS_FAST_PIECES || conn->fast_bytes + block->length > most)
        return false;
    return pbts_session_serves(session, conn);
}

static void refuse(pbts_session *session, pbts_peer_conn *conn, const pbts_ring_block *block) {
    if (!pbts_peer_conn_forgive(conn, session->now_ms)) {
        pbts_session_doom(session, conn, "too many requests in vain", true);
        return;
    }
    if (!conn->has_fast) return;
    pbts_session_said(session, conn, pbts_peer_conn_say_block(conn, PBTS_PEER_REJECT, block));
}

void pbts_session_on_request(pbts_session *session, pbts_peer_conn *conn,
                             const pbts_peer_block *block) {
    pbts_ring_block item = { .piece = block->index,
                             .offset_bytes = block->begin,
                             .length_bytes = block->length };
    if (!lies_in_piece(session, block)) {
        pbts_session_doom(session, conn, "asks for what is not in a piece", true);
        return;
    }
    bool is_gift = conn->choked && is_free_gift(session, conn, block);
    bool is_due = pbts_piece_set_has(session->have, block->index) &&
                  pbts_session_serves(session, conn) && (!conn->choked || is_gift);
    pbts_status status = PBTS_LIMIT;
    if (is_due) status = pbts_block_ring_push(&conn->queue, &item, PBTS_REQUESTS_IN_MAX);
    if (status == PBTS_LIMIT) {
        refuse(session, conn, &item);
    } else {
        pbts_session_said(session, conn, status);
        if (is_gift) conn->fast_bytes += block->length;
    }
}

void pbts_session_on_cancel(pbts_session *session, pbts_peer_conn *conn,
                            const pbts_peer_block *block) {
    pbts_ring_block *queued =
        pbts_block_ring_find(&conn->queue, block->index, block->begin, block->length);
    if (!pbts_peer_conn_forgive(conn, session->now_ms)) {
        pbts_session_doom(session, conn, "too many messages that change nothing", true);
    } else if (queued != NULL) {
        pbts_ring_block copy = *queued;
        pbts_block_ring_remove(&conn->queue, queued);
        if (!conn->has_fast) return;
        pbts_session_said(session, conn, pbts_peer_conn_say_block(conn, PBTS_PEER_REJECT, &copy));
    }
}

/* ---- bytes out ---- */

/* The next block to be served, or NULL: none, or the peer has to give a receipt first. */
static const pbts_ring_block *next_block(const pbts_session *session, const pbts_peer_conn *conn) {
    const pbts_ring_block *block = pbts_block_ring_front(&conn->queue);
    if (block == NULL || !pbts_session_serves(session, conn)) return NULL;
    if (!pbts_peer_conn_is_ready(conn)) return block;
    uint32_t real =
        pbts_session_real_bytes(session, block->piece, block->offset_bytes, block->length_bytes);
    return pbts_link_may_serve_bytes(conn->link) >= real ? block : NULL;
}

/* The pieces that came since it was last told. */
static void say_haves(pbts_session *session, pbts_peer_conn *conn) {
    enum { HAVE_LEN = 9, HAVES_AT_ONCE = PBTS_SESSION_SEND_MAX / HAVE_LEN };
    if (!conn->said_pieces) return;
    for (int i = 0; i < HAVES_AT_ONCE && conn->haves_said < session->have_log_len; i++) {
        uint32_t piece = session->have_log[conn->haves_said++];
        pbts_session_said(session, conn, pbts_peer_conn_say_piece(conn, PBTS_PEER_HAVE, piece));
        if (conn->phase != PBTS_CONN_OPEN) return;
    }
}

static bool has_haves(const pbts_session *session, const pbts_peer_conn *conn) {
    return conn->phase == PBTS_CONN_OPEN && conn->said_pieces &&
           conn->haves_said < session->have_log_len;
}

static void send_block(pbts_session *session, pbts_peer_conn *conn, pbts_session_send *out,
                       pbts_moment now) {
    pbts_ring_block *queued = pbts_block_ring_front(&conn->queue);
    pbts_peer_block block = { queued->piece, queued->offset_bytes, queued->length_bytes };
    uint32_t stream_bytes = pbts_piece_stream_bytes(session->config.meta, block.index);
    uint32_t there = stream_bytes > block.begin ? stream_bytes - block.begin : 0;
    pbts_block_ring_remove(&conn->queue, queued);
    pbts_peer_piece_header(conn->header, &block);
    *out = (pbts_session_send){
        .bytes = PBTS_SPAN_OF(conn->header),
        .piece = block.index,
        .offset_bytes = block.begin,
        .block_bytes = there < block.length ? there : block.length,
    };
    out->pad_bytes = block.length - out->block_bytes;
    pbts_rate_add(&conn->up, block.length, now.mono_ms);
    pbts_rate_add(&session->up, block.length, now.mono_ms);
    if (!pbts_peer_conn_is_ready(conn)) return;
    uint32_t real = pbts_session_real_bytes(session, block.index, block.begin, block.length);
    pbts_link_served(conn->link, block.index, real, now);
    pbts_session_settle_link(session, conn, now);
}

bool pbts_session_next_send(pbts_session *session, pbts_conn number, pbts_session_send *out,
                            uint32_t block_bytes_max, pbts_moment now) {
    session->now_ms = now.mono_ms;
    pbts_peer_conn *conn = pbts_session_conn(session, number);
    assert(conn != NULL);
    if (pbts_outbox_len(&conn->outbox) == 0 && has_haves(session, conn)) say_haves(session, conn);
    if (pbts_outbox_len(&conn->outbox) > 0) {
        *out =
            (pbts_session_send){ .bytes = pbts_outbox_take(&conn->outbox, PBTS_SESSION_SEND_MAX) };
        conn->said_ms = now.mono_ms;
        return true;
    }
    const pbts_ring_block *block = next_block(session, conn);
    if (block == NULL || block->length_bytes > block_bytes_max) {
        conn->is_armed = false;
        return false;
    }
    conn->said_ms = now.mono_ms;
    send_block(session, conn, out, now);
    return true;
}

bool pbts_session_wants_send(pbts_session *session, pbts_conn number, pbts_moment now) {
    session->now_ms = now.mono_ms;
    const pbts_peer_conn *conn = pbts_session_conn(session, number);
    assert(conn != NULL);
    return pbts_session_has_send(session, conn);
}

bool pbts_session_has_send(const pbts_session *session, const pbts_peer_conn *conn) {
    return pbts_outbox_len(&conn->outbox) > 0 || has_haves(session, conn) ||
           next_block(session, conn) != NULL;
}
