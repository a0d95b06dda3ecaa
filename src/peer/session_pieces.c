/* Pieces that are begun: payload, the check, who is credited and who is blamed. */
#include "base/assert.h"
#include "peer/session_parts.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"

/* ---- slots ---- */

pbts_status pbts_session_begin(pbts_session *session, pbts_open_piece **out, uint32_t piece) {
    uint32_t bytes = pbts_piece_stream_bytes(session->config.meta, piece);
    PBTS_TRY(pbts_open_pieces_begin(&session->open, out, piece, bytes));
    (*out)->solo = pbts_piece_set_has(session->solo, piece);
    pbts_picker_remove(&session->picker, piece);
    if (session->picker.count == 0) session->stamp++; /* endgame: more may be asked for */
    pbts_session_tell_slot(session, *out, PBTS_SLOT_TELL_OPENED);
    return PBTS_OK;
}

/* The slot is given back, at once or when the owner has been told. */
static void close_slot(pbts_session *session, pbts_open_piece *slot) {
    if (slot->owner != 0) pbts_session_disown(session, slot);
    if (slot->state == PBTS_SLOT_OPEN) session->orphans--;
    pbts_open_pieces_close(&session->open, slot);
    if (!slot->has_events) pbts_open_pieces_free_slot(&session->open, slot);
    session->stamp++;
}

static void make_pickable(pbts_session *session, uint32_t piece) {
    if (pbts_session_is_missing(session, piece)) pbts_picker_add(&session->picker, piece);
}

/* ---- payload ---- */

static void discard(pbts_session *session, pbts_peer_conn *conn) {
    conn->payload.discard = true;
    session->wasted_bytes += conn->payload.left_bytes;
}

/* What nobody asked for is read and forgotten; of much of it the peer is to be rid of. */
static pbts_status on_unasked(pbts_session *session, pbts_peer_conn *conn) {
    discard(session, conn);
    return ++conn->unasked_blocks > PBTS_UNASKED_BLOCKS_MAX ? PBTS_LIMIT : PBTS_OK;
}

/* Blocks of a void request are taken all the same when nobody gave them yet. */
static void place_payload(pbts_session *session, pbts_peer_conn *conn) {
    pbts_conn_payload *payload = &conn->payload;
    pbts_open_piece *slot = pbts_open_pieces_find(&session->open, payload->piece);
    bool is_open = slot != NULL && slot->state == PBTS_SLOT_OPEN;
    if (!is_open || (slot->solo && slot->owner != conn->number) ||
        !pbts_open_piece_range(slot, payload->offset_bytes, payload->length_bytes, &payload->first,
                               &payload->count) ||
        !pbts_open_piece_arriving(slot, payload->first, payload->count)) {
        discard(session, conn);
        return;
    }
    payload->slot = pbts_open_pieces_index(&session->open, slot);
}

pbts_status pbts_session_on_piece(pbts_session *session, pbts_peer_conn *conn,
                                  const pbts_peer_block *block) {
    pbts_ring_block *asked =
        pbts_block_ring_find(&conn->asked, block->index, block->begin, block->length);
    conn->payload = (pbts_conn_payload){
        .active = true,
        .was_asked = asked != NULL,
        .piece = block->index,
        .offset_bytes = block->begin,
        .length_bytes = block->length,
        .left_bytes = block->length,
    };
    if (asked == NULL) return on_unasked(session, conn);
    conn->payload.mark = asked->mark;
    /* First the blocks arrive, then they are not asked for: so nobody else is asked meanwhile. */
    place_payload(session, conn);
    if (!asked->is_void) pbts_session_void(session, conn, asked);
    pbts_block_ring_remove(&conn->asked, asked);
    return PBTS_OK;
}

void pbts_session_stop_payload(pbts_session *session, pbts_peer_conn *conn) {
    pbts_conn_payload *payload = &conn->payload;
    if (!payload->active || payload->discard) return;
    pbts_open_piece *slot = &session->open.slots[payload->slot];
    pbts_open_piece_stopped(slot, payload->first, payload->count);
    pbts_session_more_unasked(session, slot);
    discard(session, conn);
}

bool pbts_session_payload(const pbts_session *session, pbts_conn number, pbts_payload *out) {
    const pbts_peer_conn *conn = pbts_session_conn(session, number);
    assert(conn != NULL);
    const pbts_conn_payload *payload = &conn->payload;
    if (!payload->active || conn->phase == PBTS_CONN_DOOMED) return false;
    *out = (pbts_payload){
        .discard = payload->discard,
        .piece = payload->piece,
        .offset_bytes = payload->offset_bytes + payload->length_bytes - payload->left_bytes,
        .left_bytes = payload->left_bytes,
    };
    return true;
}

/* Tell those who are still asked for blocks that came. */
static void cancel_elsewhere(pbts_session *session, pbts_open_piece *slot, uint32_t first,
                             uint32_t count) {
    pbts_peer_conn *conn;
    uint32_t from = first * PBTS_PEER_BLOCK_BYTES;
    uint32_t to = from + pbts_open_piece_range_bytes(slot, first, count);
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        for (uint32_t i = 0; i < conn->asked.count; i++) {
            pbts_ring_block *block = pbts_block_ring_at(&conn->asked, i);
            if (block == NULL || block->is_void || block->piece != slot->piece) continue;
            if (block->offset_bytes >= to || block->offset_bytes + block->length_bytes <= from) {
                continue;
            }
            pbts_session_void(session, conn, block);
            pbts_session_said(session, conn,
                              pbts_peer_conn_say_block(conn, PBTS_PEER_CANCEL, block));
            if (conn->phase != PBTS_CONN_OPEN) break;
        }
        if (conn->phase != PBTS_CONN_OPEN) continue;
        pbts_session_ask(session, conn);
        pbts_session_wake(session, conn);
    }
}

static void complete(pbts_session *session, pbts_open_piece *slot) {
    if (slot->owner != 0) pbts_session_disown(session, slot);
    session->orphans--;
    slot->state = PBTS_SLOT_CHECKING;
    session->checking_bytes += slot->bytes;
    pbts_session_tell_slot(session, slot, PBTS_SLOT_TELL_COMPLETE);
}

static pbts_contributor contributor_of(const pbts_peer_conn *conn) {
    pbts_contributor from = { .serial = conn->serial, .conn = conn->number, .addr = conn->addr };
    const pbts_bls_public *key = conn->link == NULL ? NULL : pbts_link_other_key(conn->link);
    if (key != NULL) memcpy(from.key, key->bytes, sizeof from.key);
    return from;
}

static void finish_payload(pbts_session *session, pbts_peer_conn *conn) {
    pbts_conn_payload payload = conn->payload;
    conn->payload.active = false;
    if (payload.was_asked) {
        pbts_window_arrived(&conn->window, &payload.mark, payload.length_bytes, session->now_ms);
    }
    if (!payload.discard) {
        pbts_open_piece *slot = &session->open.slots[payload.slot];
        pbts_contributor from = contributor_of(conn);
        pbts_open_piece_arrived(slot, payload.first, payload.count, &from);
        pbts_session_more_unasked(session, slot); /* of a contributor that made room */
        if (pbts_open_piece_is_asked(slot, payload.first, payload.count)) {
            cancel_elsewhere(session, slot, payload.first, payload.count);
        }
        if (slot->here == slot->blocks_len) complete(session, slot);
    }
    if (conn->phase == PBTS_CONN_OPEN) pbts_session_ask(session, conn);
}

void pbts_session_payload_taken(pbts_session *session, pbts_conn number, uint32_t bytes,
                                pbts_moment now) {
    session->now_ms = now.mono_ms;
    pbts_peer_conn *conn = pbts_session_conn(session, number);
    assert(conn != NULL && conn->payload.active && bytes <= conn->payload.left_bytes);
    if (conn->phase == PBTS_CONN_DOOMED) return;
    conn->payload.left_bytes -= bytes;
    conn->heard_ms = now.mono_ms;
    if (conn->payload.was_asked) {
        conn->progress_ms = now.mono_ms;
        conn->snubbed = false;
        pbts_rate_add(&conn->down, bytes, now.mono_ms);
        pbts_rate_add(&session->down, bytes, now.mono_ms);
    }
    if (conn->payload.left_bytes == 0) finish_payload(session, conn);
    if (conn->phase == PBTS_CONN_OPEN) pbts_session_wake(session, conn);
    pbts_session_settle(session, now);
}

/* ---- the check ---- */

/* The connection that a contributor was, if it still is. */
static pbts_peer_conn *conn_of(const pbts_session *session, const pbts_contributor *who) {
    pbts_peer_conn *conn = pbts_session_conn(session, who->conn);
    return conn != NULL && conn->serial == who->serial ? conn : NULL;
}

/* One that is gone is owed the receipt until it asks. */
static void owe(const pbts_session *session, const pbts_contributor *who, uint32_t piece) {
    if (session->config.terms == NULL || !pbts_contributor_has_key(who)) return;
    pbts_link_owe(session->config.terms, &session->torrent, who->key, piece);
}

/* Padding is zeros, which anybody has: what counts from here on is the rest. */
static void leave_out_padding(const pbts_session *session, pbts_open_piece *slot) {
    if (!session->has_padding) return;
    for (uint32_t i = 0; i < slot->contributors; i++) slot->who[i].bytes = 0;
    for (uint32_t i = 0; i < slot->blocks_len; i++) {
        slot->who[slot->blocks[i].source].bytes +=
            pbts_session_real_bytes(session, slot->piece, i * PBTS_PEER_BLOCK_BYTES,
                                    pbts_open_piece_range_bytes(slot, i, 1));
    }
}

/* Who gave most is credited with the piece; the others are told what stays lent. */
static void credit(pbts_session *session, pbts_open_piece *slot, pbts_moment now) {
    leave_out_padding(session, slot);
    const pbts_contributor *most = pbts_open_piece_most(slot);
    if (conn_of(session, most) == NULL) owe(session, most, slot->piece);
    for (uint32_t i = 0; i < slot->contributors; i++) {
        const pbts_contributor *who = &slot->who[i];
        pbts_peer_conn *conn = conn_of(session, who);
        if (who->bytes == 0 || conn == NULL) continue;
        if (conn->link == NULL) continue;
        pbts_status status = PBTS_OK;
        if (who == most) {
            status = pbts_link_piece_received(conn->link, slot->piece, now);
        } else {
            pbts_link_piece_shared(conn->link, slot->piece, who->bytes, now);
        }
        if (status == PBTS_NO_MEMORY) pbts_session_said(session, conn, status);
    }
}

static void settle_links_of(pbts_session *session, const pbts_open_piece *slot, pbts_moment now) {
    for (uint32_t i = 0; i < slot->contributors; i++) {
        pbts_peer_conn *conn = conn_of(session, &slot->who[i]);
        if (conn == NULL || conn->link == NULL) continue;
        pbts_link_set_checking(conn->link, session->checking_bytes);
        pbts_session_settle_link(session, conn, now);
    }
}

/* The hash is wrong. One alone who gave it all is banned. When there were several nobody is: a liar
 * could leave begun pieces to an honest peer and have that banned. The piece is asked of one alone
 * the next time, which tells who it was. */
static void blame(pbts_session *session, const pbts_open_piece *slot) {
    bool is_alone = slot->contributors == 1;
    session->wasted_bytes += slot->bytes;
    if (!is_alone) {
        pbts_piece_set_add(session->solo, slot->piece);
        return;
    }
    pbts_peer_conn *conn = conn_of(session, &slot->who[0]);
    if (conn == NULL) {
        pbts_addresses_ban(&session->addresses, &slot->who[0].addr);
    } else {
        pbts_session_ban(session, conn, "sent a piece with a wrong hash");
    }
}

void pbts_session_piece_checked(pbts_session *session, uint32_t piece, bool hash_ok, bool written,
                                pbts_moment now) {
    session->now_ms = now.mono_ms;
    assert(piece < session->piece_count);
    pbts_open_piece *slot = pbts_open_pieces_find(&session->open, piece);
    assert(slot != NULL && slot->state == PBTS_SLOT_CHECKING);
    session->checking_bytes -= slot->bytes;
    if (hash_ok) credit(session, slot, now);
    if (hash_ok && written) pbts_session_gain(session, piece);
    if (!hash_ok) blame(session, slot);
    if (hash_ok) settle_links_of(session, slot, now);
    if (hash_ok && !written) {
        slot->state = PBTS_SLOT_HELD; /* as long as the disk is full less is asked for */
    } else {
        close_slot(session, slot);
        make_pickable(session, piece);
    }
    pbts_session_settle(session, now);
}

void pbts_session_piece_written(pbts_session *session, uint32_t piece, bool written,
                                pbts_moment now) {
    session->now_ms = now.mono_ms;
    assert(piece < session->piece_count);
    pbts_open_piece *slot = pbts_open_pieces_find(&session->open, piece);
    assert(slot != NULL && slot->state == PBTS_SLOT_HELD);
    if (written) pbts_session_gain(session, piece);
    close_slot(session, slot);
    make_pickable(session, piece);
    pbts_session_settle(session, now);
}

/* ---- giving up ---- */

void pbts_session_drop(pbts_session *session, pbts_open_piece *slot) {
    assert(slot->state == PBTS_SLOT_OPEN);
    uint32_t piece = slot->piece;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        pbts_session_cancel_piece(session, conn, piece);
    }
    for (uint32_t i = 0; i < slot->contributors; i++) session->wasted_bytes += slot->who[i].bytes;
    pbts_session_tell_slot(session, slot, PBTS_SLOT_TELL_DROPPED);
    close_slot(session, slot);
    make_pickable(session, piece);
}

void pbts_session_drop_unwanted(pbts_session *session) {
    for (uint32_t i = session->open.used; i-- > 0;) {
        pbts_open_piece *slot = pbts_open_pieces_used(&session->open, i);
        if (slot->state != PBTS_SLOT_OPEN || pbts_session_is_missing(session, slot->piece))
            continue;
        pbts_session_drop(session, slot);
    }
}

/* Nobody who is here gives what is left of it, and it takes a slot from those who would give
 * others.
 */
void pbts_session_drop_orphan(pbts_session *session) {
    pbts_open_piece *least = NULL;
    for (uint32_t i = 0; i < session->open.used; i++) {
        pbts_open_piece *slot = pbts_open_pieces_used(&session->open, i);
        if (slot->state != PBTS_SLOT_OPEN || slot->owner != 0) continue;
        if (least == NULL || slot->here < least->here) least = slot;
    }
    if (least != NULL) pbts_session_drop(session, least);
}

pbts_span pbts_session_have(const pbts_session *session) {
    return (pbts_span){ session->have, pbts_piece_set_len(session->piece_count) };
}
