/* Which blocks to ask of whom.
 *
 * A piece is asked whole of one peer, its owner. A peer without work takes, in this order: what is
 * left of its own pieces; a piece that lost its owner; a new one, rarest first; a share in
 * another's. Between peers with receipts nobody shares: a piece stays with its owner until that
 * stalls, chokes or leaves, because who gave most of it is credited with all.
 */
#include "base/assert.h"
#include "peer/session_parts.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"

/* ---- a peer's own pieces: a list, those with unasked blocks in front ---- */

static pbts_open_piece *slot_at(const pbts_session *session, uint16_t index) {
    return index == PBTS_SLOT_NONE ? NULL : &session->open.slots[index];
}

static void unlink_slot(pbts_session *session, pbts_peer_conn *owner, pbts_open_piece *slot) {
    pbts_open_piece *next = slot_at(session, slot->next), *prev = slot_at(session, slot->prev);
    if (prev != NULL) prev->next = slot->next;
    if (next != NULL) next->prev = slot->prev;
    uint16_t index = pbts_open_pieces_index(&session->open, slot);
    if (owner->owned_first == index) owner->owned_first = slot->next;
    if (owner->owned_last == index) owner->owned_last = slot->prev;
    slot->next = slot->prev = PBTS_SLOT_NONE;
}

static void link_slot(pbts_session *session, pbts_peer_conn *owner, pbts_open_piece *slot,
                      bool in_front) {
    uint16_t index = pbts_open_pieces_index(&session->open, slot);
    uint16_t *end = in_front ? &owner->owned_first : &owner->owned_last;
    pbts_open_piece *other = slot_at(session, *end);
    slot->next = in_front ? *end : PBTS_SLOT_NONE;
    slot->prev = in_front ? PBTS_SLOT_NONE : *end;
    if (other != NULL && in_front) other->prev = index;
    if (other != NULL && !in_front) other->next = index;
    *end = index;
    if (other != NULL) return;
    owner->owned_first = owner->owned_last = index;
}

static void move_slot(pbts_session *session, pbts_open_piece *slot, bool to_front) {
    pbts_peer_conn *owner = pbts_session_conn(session, slot->owner);
    unlink_slot(session, owner, slot);
    link_slot(session, owner, slot, to_front);
}

void pbts_session_disown(pbts_session *session, pbts_open_piece *slot) {
    assert(slot->owner != 0);
    unlink_slot(session, pbts_session_conn(session, slot->owner), slot);
    slot->owner = 0;
    slot->exclusive = slot->solo;
    if (slot->state != PBTS_SLOT_OPEN) return;
    session->orphans++;
    session->stamp++;
}

void pbts_session_own(pbts_session *session, pbts_peer_conn *conn, pbts_open_piece *slot) {
    assert(slot->owner == 0 && slot->state == PBTS_SLOT_OPEN);
    slot->owner = conn->number;
    slot->exclusive = slot->solo || pbts_peer_conn_is_ready(conn);
    link_slot(session, conn, slot, slot->unasked > 0);
}

void pbts_session_more_unasked(pbts_session *session, pbts_open_piece *slot) {
    if (slot->state != PBTS_SLOT_OPEN || slot->unasked == 0) return;
    if (slot->owner != 0) {
        move_slot(session, slot, true);
        pbts_session_conn(session, slot->owner)->idle_stamp = UINT64_MAX;
    }
    if (!slot->exclusive) session->stamp++;
}

/* ---- taking back ---- */

/* The block is not asked for any more. Its answer may be under way: it is known as void. */
void pbts_session_void(pbts_session *session, pbts_peer_conn *conn, pbts_ring_block *block) {
    assert(!block->is_void);
    pbts_open_piece *slot = pbts_open_pieces_find(&session->open, block->piece);
    uint32_t first, count;
    assert(slot != NULL && slot->state == PBTS_SLOT_OPEN);
    bool is_range =
        pbts_open_piece_range(slot, block->offset_bytes, block->length_bytes, &first, &count);
    assert(is_range);
    pbts_open_piece_unask(slot, first, count);
    pbts_session_more_unasked(session, slot);
    block->is_void = true;
    conn->asked_bytes -= block->length_bytes;
    conn->asked_len--;
}

void pbts_session_take_back(pbts_session *session, pbts_peer_conn *conn, bool but_allowed) {
    for (uint32_t i = 0; i < conn->asked.count; i++) {
        pbts_ring_block *block = pbts_block_ring_at(&conn->asked, i);
        if (block == NULL || block->is_void) continue;
        if (but_allowed && pbts_peer_conn_is_allowed(conn, block->piece)) continue;
        pbts_session_void(session, conn, block);
    }
    uint16_t at = conn->owned_first;
    while (at != PBTS_SLOT_NONE) {
        pbts_open_piece *slot = &session->open.slots[at];
        at = slot->next;
        if (but_allowed && pbts_peer_conn_is_allowed(conn, slot->piece)) continue;
        pbts_session_disown(session, slot);
    }
}

/* ---- finding work ---- */

/* Whether the peer may be asked for this piece now. */
static bool can_give(const pbts_peer_conn *conn, uint32_t piece) {
    return pbts_peer_conn_has(conn, piece) &&
           (!conn->choking || pbts_peer_conn_is_allowed(conn, piece));
}

/* A piece that must come from one peer alone does not go on with what another gave. */
static void adopt(pbts_session *session, pbts_peer_conn *conn, pbts_open_piece *slot) {
    session->orphans--;
    if (slot->solo) pbts_open_piece_reset(slot);
    pbts_session_own(session, conn, slot);
}

/* Of the pieces without an owner, the one that this peer gave most of. */
static pbts_open_piece *find_orphan(pbts_session *session, const pbts_peer_conn *conn) {
    pbts_open_piece *best = NULL;
    uint32_t best_bytes = 0;
    for (uint32_t i = 0; session->orphans > 0 && i < session->open.used; i++) {
        pbts_open_piece *slot = pbts_open_pieces_used(&session->open, i);
        if (slot->state != PBTS_SLOT_OPEN || slot->owner != 0) continue;
        if (slot->unasked == 0 || !can_give(conn, slot->piece)) continue;
        uint32_t bytes = pbts_open_piece_bytes_from(slot, conn->serial);
        if (best != NULL && bytes <= best_bytes) continue;
        best = slot;
        best_bytes = bytes;
    }
    return best;
}

static bool find_allowed(const pbts_session *session, const pbts_peer_conn *conn, uint32_t *piece) {
    for (uint32_t i = 0; i < conn->allowed_len; i++) {
        uint32_t candidate = conn->allowed[i];
        if (candidate >= session->piece_count || !pbts_peer_conn_has(conn, candidate)) continue;
        if (!pbts_picker_has(&session->picker, candidate)) continue;
        *piece = candidate;
        return true;
    }
    return false;
}

static bool find_suggested(const pbts_session *session, const pbts_peer_conn *conn,
                           uint32_t *piece) {
    uint32_t count =
        conn->suggested_len < PBTS_SUGGESTIONS_MAX ? conn->suggested_len : PBTS_SUGGESTIONS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t candidate = conn->suggested[i];
        if (candidate >= session->piece_count || !pbts_peer_conn_has(conn, candidate)) continue;
        if (!pbts_picker_has(&session->picker, candidate)) continue;
        *piece = candidate;
        return true;
    }
    return false;
}

static pbts_open_piece *begin_new(pbts_session *session, pbts_peer_conn *conn) {
    if (pbts_open_pieces_is_full(&session->open)) return NULL;
    if (session->checking_bytes > PBTS_CHECKING_BYTES_MAX) return NULL;
    bool at_random = session->have_count < PBTS_RANDOM_PIECES;
    uint32_t piece;
    bool found = conn->choking ? find_allowed(session, conn, &piece)
                               : find_suggested(session, conn, &piece) ||
                                     pbts_picker_find(&session->picker, &piece,
                                                      pbts_peer_conn_set(conn), at_random);
    pbts_open_piece *slot = NULL;
    if (!found || pbts_session_begin(session, &slot, piece) != PBTS_OK) return NULL;
    pbts_session_own(session, conn, slot);
    return slot;
}

/* Another's piece, when there is no other work and nobody's credit depends on who gives it. */
static pbts_open_piece *find_shared(const pbts_session *session, const pbts_peer_conn *conn) {
    if (pbts_peer_conn_is_ready(conn)) return NULL;
    for (uint32_t i = 0; i < session->open.used; i++) {
        pbts_open_piece *slot = pbts_open_pieces_used(&session->open, i);
        if (slot->state != PBTS_SLOT_OPEN || slot->exclusive || slot->unasked == 0) continue;
        if (can_give(conn, slot->piece)) return slot;
    }
    return NULL;
}

static pbts_open_piece *find_work(pbts_session *session, pbts_peer_conn *conn) {
    pbts_open_piece *slot = slot_at(session, conn->owned_first);
    if (slot != NULL && slot->unasked > 0) return slot;
    slot = find_orphan(session, conn);
    if (slot != NULL) {
        adopt(session, conn, slot);
        return slot;
    }
    slot = begin_new(session, conn);
    return slot != NULL ? slot : find_shared(session, conn);
}

/* ---- asking ---- */

static bool may_ask(const pbts_session *session, const pbts_peer_conn *conn) {
    if (conn->phase != PBTS_CONN_OPEN || !conn->interesting || session->stopping) return false;
    if (conn->choking && conn->allowed_len == 0) return false;
    return pbts_session_is_known(session, conn) && session->now_ms >= conn->paused_ms;
}

/* Blocks in a request: one, but more of a peer that said it gives more (docs/protocol.md), as long
 * as several requests are under way. */
static uint32_t blocks_at_once(const pbts_peer_conn *conn) {
    uint64_t bytes = conn->window.bytes / 4;
    if (bytes > conn->request_bytes_max) bytes = conn->request_bytes_max;
    if (bytes > PBTS_PEER_BLOCK_BYTES_MAX) bytes = PBTS_PEER_BLOCK_BYTES_MAX;
    return bytes < PBTS_PEER_BLOCK_BYTES ? 1 : (uint32_t)(bytes / PBTS_PEER_BLOCK_BYTES);
}

static bool has_room(pbts_session *session, const pbts_peer_conn *conn) {
    uint32_t requests_max = conn->snubbed ? 1 : conn->requests_max;
    if (conn->asked_len >= requests_max || conn->asked_bytes >= conn->window.bytes) return false;
    if (pbts_block_ring_len(&conn->asked) >= PBTS_REQUESTS_OUT_MAX) return false;
    if (session->limit.bytes_per_s == 0 || session->limit.tokens_bytes > 0) return true;
    session->limit.is_short = true;
    return false;
}

static void request(pbts_session *session, pbts_peer_conn *conn, pbts_open_piece *slot,
                    uint32_t first, uint32_t count) {
    pbts_ring_block block = {
        .piece = slot->piece,
        .offset_bytes = first * PBTS_PEER_BLOCK_BYTES,
        .length_bytes = pbts_open_piece_range_bytes(slot, first, count),
        .mark = pbts_window_sent(&conn->window, session->now_ms),
    };
    if (conn->asked_len++ == 0) conn->progress_ms = session->now_ms;
    conn->asked_bytes += block.length_bytes;
    session->limit.tokens_bytes -= block.length_bytes;
    pbts_status status = pbts_block_ring_push(&conn->asked, &block, PBTS_REQUESTS_OUT_MAX);
    if (status != PBTS_OK) pbts_session_void(session, conn, &block);
    if (status == PBTS_OK) status = pbts_peer_conn_say_block(conn, PBTS_PEER_REQUEST, &block);
    pbts_session_said(session, conn, status);
}

/* Whether its owner gets on with a piece so slowly that another is asked for it too. */
static bool is_worth_twice(const pbts_session *session, const pbts_open_piece *slot) {
    if (slot->state != PBTS_SLOT_OPEN || slot->exclusive) return false;
    const pbts_peer_conn *owner = pbts_session_conn(session, slot->owner);
    if (owner == NULL) return true;
    uint64_t rate = pbts_window_rate(&owner->window); /* what it can, not what it could so far */
    return owner->asked_bytes * 1000 / (rate + 1) >= PBTS_ENDGAME_MS;
}

/* Nothing is left that nobody is asked for: ask for what another has not given yet. */
static void ask_again(pbts_session *session, pbts_peer_conn *conn) {
    if (session->picker.count > 0 || pbts_peer_conn_is_ready(conn)) return;
    for (uint32_t i = 0; i < session->open.used; i++) {
        pbts_open_piece *slot = pbts_open_pieces_used(&session->open, i);
        if (!is_worth_twice(session, slot) || !can_give(conn, slot->piece)) continue;
        uint32_t block = 0;
        for (; pbts_open_piece_next_again(slot, &block, PBTS_ASKED_TWICE_MAX); block++) {
            if (!has_room(session, conn)) return;
            uint32_t bytes = pbts_open_piece_range_bytes(slot, block, 1);
            if (pbts_block_ring_find(&conn->asked, slot->piece, block * PBTS_PEER_BLOCK_BYTES,
                                     bytes) != NULL) {
                continue;
            }
            pbts_open_piece_ask_again(slot, block);
            request(session, conn, slot, block, 1);
            if (conn->phase != PBTS_CONN_OPEN) return;
        }
    }
}

/* Asking waits until there is room for a few blocks: fewer, longer writes. */
static bool is_worth_it(const pbts_peer_conn *conn) {
    uint64_t room =
        conn->window.bytes > conn->asked_bytes ? conn->window.bytes - conn->asked_bytes : 0;
    return conn->asked_len == 0 || room >= conn->window.bytes / 8;
}

void pbts_session_ask(pbts_session *session, pbts_peer_conn *conn) {
    if (!may_ask(session, conn) || !is_worth_it(conn)) return;
    if (conn->idle_stamp == session->stamp) {
        if (conn->asked_len == 0) ask_again(session, conn);
        return;
    }
    conn->idle_stamp = UINT64_MAX;
    while (conn->phase == PBTS_CONN_OPEN && has_room(session, conn)) {
        pbts_open_piece *slot = find_work(session, conn);
        if (slot == NULL) {
            conn->idle_stamp = session->stamp;
            ask_again(session, conn);
            break;
        }
        uint32_t first, count;
        pbts_open_piece_ask(slot, &first, &count, blocks_at_once(conn));
        if (slot->unasked == 0 && slot->owner != 0) move_slot(session, slot, false);
        request(session, conn, slot, first, count);
    }
    pbts_session_wake(session, conn);
}

void pbts_session_ask_idle(pbts_session *session) {
    session->asked_at = session->stamp;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (conn->idle_stamp != UINT64_MAX) pbts_session_ask(session, conn);
    }
}

/* ---- taking over ---- */

static uint64_t time_left_ms(const pbts_peer_conn *conn, uint64_t bytes, uint64_t now_ms) {
    return bytes * 1000 / (pbts_rate_read(&conn->down, now_ms) + 1);
}

static bool has_stalled(const pbts_session *session, const pbts_peer_conn *owner) {
    if (!pbts_peer_conn_is_awaited(owner)) return session->now_ms < owner->paused_ms;
    return session->now_ms - owner->progress_ms >= PBTS_STALL_MS;
}

/* Whether the taker would be through with the whole piece long before its owner is. */
static bool is_much_slower(const pbts_session *session, const pbts_peer_conn *owner,
                           const pbts_peer_conn *taker, const pbts_open_piece *slot) {
    const pbts_ring_block *oldest = pbts_block_ring_front(&owner->asked);
    if (oldest == NULL || session->now_ms - oldest->mark.sent_ms < PBTS_SLOW_MS) return false;
    uint64_t owner_ms = time_left_ms(owner, owner->asked_bytes, session->now_ms);
    uint64_t taker_ms = time_left_ms(taker, slot->bytes, session->now_ms);
    return owner_ms > PBTS_SLOW_FACTOR * taker_ms + PBTS_SLOW_MS;
}

void pbts_session_cancel_piece(pbts_session *session, pbts_peer_conn *conn, uint32_t piece) {
    for (uint32_t i = 0; i < conn->asked.count; i++) {
        pbts_ring_block *block = pbts_block_ring_at(&conn->asked, i);
        if (block == NULL || block->is_void || block->piece != piece) continue;
        pbts_session_void(session, conn, block);
        pbts_session_said(session, conn, pbts_peer_conn_say_block(conn, PBTS_PEER_CANCEL, block));
        if (conn->phase != PBTS_CONN_OPEN) return;
    }
    if (conn->payload.active && conn->payload.piece == piece) {
        pbts_session_stop_payload(session, conn);
    }
    conn->idle_stamp = session->stamp++; /* it may be asked for something else */
    pbts_session_wake(session, conn);
}

bool pbts_session_idles(const pbts_session *session, const pbts_peer_conn *conn) {
    return may_ask(session, conn) && conn->idle_stamp != UINT64_MAX && conn->asked_len == 0 &&
           !session->limit.is_short;
}

void pbts_session_take_over(pbts_session *session, pbts_peer_conn *taker) {
    for (uint32_t i = 0; i < session->open.used; i++) {
        pbts_open_piece *slot = pbts_open_pieces_used(&session->open, i);
        if (slot->state != PBTS_SLOT_OPEN || slot->owner == 0) continue;
        if (slot->owner == taker->number || !can_give(taker, slot->piece)) continue;
        pbts_peer_conn *owner = pbts_session_conn(session, slot->owner);
        bool stalled = has_stalled(session, owner);
        if (!stalled && !is_much_slower(session, owner, taker, slot)) continue;
        if (stalled) owner->paused_ms = session->now_ms + PBTS_PAUSE_MS;
        pbts_session_cancel_piece(session, owner, slot->piece);
        if (slot->owner != 0) pbts_session_disown(session, slot);
        if (slot->state != PBTS_SLOT_OPEN) return;
        adopt(session, taker, slot);
        taker->idle_stamp = UINT64_MAX;
        pbts_session_ask(session, taker);
        return;
    }
}

/* ---- the user's limit ---- */

void pbts_session_refill_limit(pbts_session *session) {
    pbts_down_limit *limit = &session->limit;
    if (limit->bytes_per_s == 0) return;
    uint64_t passed_ms = session->now_ms - limit->at_ms;
    int64_t most = (int64_t)(limit->bytes_per_s * PBTS_LIMIT_BURST_MS / 1000) + 1;
    if (passed_ms > PBTS_LIMIT_BURST_MS) passed_ms = PBTS_LIMIT_BURST_MS;
    uint64_t gained = limit->bytes_per_s * passed_ms / 1000;
    if (gained == 0 && passed_ms < PBTS_LIMIT_BURST_MS) return;
    limit->at_ms = session->now_ms;
    limit->tokens_bytes += (int64_t)gained;
    if (limit->tokens_bytes > most) limit->tokens_bytes = most;
    if (!limit->is_short) return;
    limit->is_short = false;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        pbts_session_ask(session, conn);
    }
}

void pbts_session_set_download_limit(pbts_session *session, uint64_t bytes_per_s, pbts_moment now) {
    session->now_ms = now.mono_ms;
    session->limit = (pbts_down_limit){ .bytes_per_s = bytes_per_s, .at_ms = now.mono_ms };
    pbts_peer_conn *conn;
    for (uint32_t n = 1; bytes_per_s == 0 && (conn = pbts_session_next_conn(session, &n)); n++) {
        pbts_session_ask(session, conn);
    }
    session->limit.is_short = bytes_per_s > 0;
    pbts_session_settle(session, now);
}
