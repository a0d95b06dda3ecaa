/* Receipts: what stands between a connection and its link. */
#include "base/assert.h"
#include "peer/session_parts.h"

/* ---- who gives receipts ---- */

/* Two trackers' clients, or two that have no form in common, are to each other what clients without
 * receipts are. */
static bool is_stranger(const pbts_peer_conn *conn) {
    if (conn->link == NULL || pbts_link_state_of(conn->link) != PBTS_LINK_REFUSED) return false;
    bool by_us;
    pbts_link_refusal refusal = pbts_link_refused(conn->link, &by_us);
    return refusal == PBTS_LINK_REFUSAL_FOREIGN_INSTANCE ||
           refusal == PBTS_LINK_REFUSAL_NO_COMMON_FORM;
}

bool pbts_session_is_legacy(const pbts_session *session, const pbts_peer_conn *conn) {
    if (session->config.terms == NULL || !conn->has_extended) return true;
    if (conn->heard_extended && !conn->has_hello && conn->ids[PBTS_EXTENSION_PBTS] == 0)
        return true;
    return is_stranger(conn);
}

bool pbts_session_is_known(const pbts_session *session, const pbts_peer_conn *conn) {
    return pbts_session_is_legacy(session, conn) || pbts_peer_conn_is_ready(conn);
}

/* ---- life ---- */

pbts_status pbts_session_make_link(pbts_session *session, pbts_peer_conn *conn, pbts_moment now) {
    if (session->config.terms == NULL || !conn->has_extended || conn->link != NULL) return PBTS_OK;
    conn->ended = pbts_alloc(session->mem, sizeof *conn->ended);
    if (conn->ended == NULL) return PBTS_NO_MEMORY;
    PBTS_TRY(pbts_link_new(&conn->link, session->config.terms, &session->torrent, now));
    uint64_t total = pbts_metainfo_total_bytes(session->config.meta);
    pbts_link_set_own_left(conn->link, total - session->have_bytes);
    pbts_link_set_other_left(conn->link, total - conn->has.bytes);
    if (conn->hello == NULL) return PBTS_OK;
    pbts_status status =
        pbts_link_receive_hello(conn->link, (pbts_span){ conn->hello, conn->hello_len }, now);
    pbts_release(session->mem, conn->hello);
    conn->hello = NULL;
    return status;
}

static void note_receipt(pbts_session *session, pbts_peer_conn *conn) {
    pbts_link_receipt receipt;
    bool has = conn->link != NULL && pbts_link_next_receipt(conn->link, &receipt);
    if (has && !conn->has_receipt) session->receipts_waiting++;
    if (!has && conn->has_receipt) session->receipts_waiting--;
    conn->has_receipt = has;
}

/* Its receipts may not be stored yet: then the link outlives the connection. */
void pbts_session_end_link(pbts_session *session, pbts_peer_conn *conn) {
    pbts_link_receipt receipt;
    pbts_link_stats stats;
    if (conn->link == NULL) return;
    pbts_link_end(conn->link);
    pbts_link_stats_read(conn->link, &stats);
    session->receipts_given += stats.receipts_given;
    session->receipts_taken += stats.receipts_taken;
    if (!pbts_link_next_receipt(conn->link, &receipt)) {
        pbts_link_free(conn->link);
    } else {
        pbts_ended_link **last = &session->ended;
        while (*last != NULL) last = &(*last)->next;
        *conn->ended = (pbts_ended_link){ .link = conn->link };
        *last = conn->ended;
        conn->ended = NULL;
        session->ended_count++;
    }
    conn->link = NULL;
    note_receipt(session, conn);
}

/* ---- messages ---- */

/* Without metadata there is nothing to give receipts for: the dictionary is kept for later. */
static pbts_status keep_hello(pbts_session *session, pbts_peer_conn *conn, pbts_span dictionary) {
    if (dictionary.len > PBTS_PEER_HELLO_LEN_MAX) return PBTS_LIMIT;
    uint8_t *copy = pbts_resize_array(session->mem, conn->hello, dictionary.len, 1);
    if (copy == NULL) return PBTS_NO_MEMORY;
    memcpy(copy, dictionary.data, dictionary.len);
    conn->hello = copy;
    conn->hello_len = dictionary.len;
    return PBTS_OK;
}

pbts_status pbts_session_on_hello(pbts_session *session, pbts_peer_conn *conn, pbts_span dictionary,
                                  pbts_moment now) {
    if (session->config.terms == NULL) return PBTS_OK;
    conn->has_hello = true;
    if (conn->link == NULL) return keep_hello(session, conn, dictionary);
    return pbts_link_receive_hello(conn->link, dictionary, now);
}

pbts_status pbts_session_on_link(pbts_session *session, pbts_peer_conn *conn, pbts_span body,
                                 pbts_moment now) {
    if (conn->link == NULL) {
        return pbts_peer_conn_forgive(conn, session->now_ms) ? PBTS_OK : PBTS_LIMIT;
    }
    pbts_status status = pbts_link_receive(conn->link, body, now);
    if (status == PBTS_OK) pbts_session_settle_link(session, conn, now);
    return status;
}

static void send_messages(pbts_session *session, pbts_peer_conn *conn, pbts_moment now) {
    int id = conn->ids[PBTS_EXTENSION_PBTS];
    if (id == 0 || !conn->has_hello) return;
    while (conn->phase == PBTS_CONN_OPEN) {
        pbts_writer writer = pbts_writer_over(session->scratch, PBTS_LINK_MESSAGE_MAX);
        if (!pbts_link_next_send(conn->link, &writer, now)) return;
        pbts_session_said(
            session, conn,
            pbts_peer_conn_say_extended(conn, (uint8_t)id, pbts_writer_span(&writer)));
    }
}

/* ---- what became of it ---- */

/* What it has it may owe us receipts for: of connections before this one. */
static void tell_link_pieces(const pbts_session *session, pbts_peer_conn *conn) {
    if (!conn->has.all && conn->has.bits == NULL) return;
    size_t len = conn->has.all ? 0 : pbts_piece_set_len(session->piece_count);
    pbts_link_other_has_set(conn->link, (pbts_span){ conn->has.bits, len });
}

static void became_ready(pbts_session *session, pbts_peer_conn *conn, pbts_moment now) {
    conn->was_ready = true;
    conn->idle_stamp = UINT64_MAX;
    pbts_session_drop_duplicates(session, conn);
    if (conn->phase != PBTS_CONN_OPEN) return;
    tell_link_pieces(session, conn);
    send_messages(session, conn, now);
    if (conn->phase != PBTS_CONN_OPEN) return;
    pbts_session_tell_conn(session, conn, PBTS_CONN_TELL_READY);
    pbts_session_say_fast(session, conn);
    pbts_session_fill_slots(session);
    pbts_session_ask(session, conn);
}

/* Who cheated is banned. With others there is just nothing to be done, now. */
static bool is_cheat(pbts_link_refusal refusal) {
    switch (refusal) {
    case PBTS_LINK_REFUSAL_BAD_AUTH:
    case PBTS_LINK_REFUSAL_BAD_RECEIPT:
    case PBTS_LINK_REFUSAL_WRONG_PIECES:
    case PBTS_LINK_REFUSAL_WRONG_EPOCH:
    case PBTS_LINK_REFUSAL_NO_RECEIPT:
    case PBTS_LINK_REFUSAL_FLOOD:
    case PBTS_LINK_REFUSAL_MALFORMED: return true;
    default: return false;
    }
}

static void became_refused(pbts_session *session, pbts_peer_conn *conn) {
    bool by_us;
    pbts_link_refusal refusal = pbts_link_refused(conn->link, &by_us);
    conn->was_refused = true;
    pbts_session_tell_conn(session, conn, PBTS_CONN_TELL_REFUSED);
    if (!conn->choked && !pbts_session_serves(session, conn)) pbts_session_choke(session, conn);
    if (is_stranger(conn) && session->config.legacy == PBTS_LEGACY_SERVE) {
        conn->idle_stamp = UINT64_MAX;
        pbts_session_fill_slots(session);
        pbts_session_ask(session, conn);
    } else if (by_us && is_cheat(refusal)) {
        pbts_session_ban(session, conn, pbts_link_refusal_text(refusal));
    } else {
        pbts_session_doom(session, conn, pbts_link_refusal_text(refusal), true);
    }
}

void pbts_session_settle_link(pbts_session *session, pbts_peer_conn *conn, pbts_moment now) {
    if (conn->link == NULL) return;
    note_receipt(session, conn);
    if (conn->phase != PBTS_CONN_OPEN) return;
    if (pbts_link_take_repeat(conn->link)) {
        pbts_session_tell_conn(session, conn, PBTS_CONN_TELL_REPEATS);
    }
    send_messages(session, conn, now);
    if (conn->phase != PBTS_CONN_OPEN) return;
    uint64_t deadline_ms = pbts_link_deadline_ms(conn->link);
    if (deadline_ms < session->link_ms) session->link_ms = deadline_ms;
    pbts_link_state state = pbts_link_state_of(conn->link);
    if (state == PBTS_LINK_READY && !conn->was_ready) became_ready(session, conn, now);
    if (state == PBTS_LINK_REFUSED && !conn->was_refused) became_refused(session, conn);
    pbts_session_wake(session, conn);
}

void pbts_session_tick_links(pbts_session *session, pbts_moment now) {
    if (now.mono_ms < session->link_ms) return;
    session->link_ms = UINT64_MAX;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (conn->link == NULL) continue;
        pbts_link_tick(conn->link, now);
        pbts_session_settle_link(session, conn, now);
    }
}

/* ---- receipts that came ---- */

bool pbts_session_next_receipt(pbts_session *session, pbts_conn *number, pbts_link_receipt *out) {
    if (session->ended != NULL && pbts_link_next_receipt(session->ended->link, out)) {
        *number = 0;
        return true;
    }
    for (uint32_t i = 0; session->receipts_waiting > 0 && i < session->conn_high; i++) {
        const pbts_peer_conn *conn = session->conns[i];
        if (conn == NULL || !conn->has_receipt) continue;
        bool found = pbts_link_next_receipt(conn->link, out);
        assert(found);
        *number = conn->number;
        return true;
    }
    return false;
}

static void stored_of_ended(pbts_session *session, pbts_moment now) {
    pbts_ended_link *ended = session->ended;
    pbts_link_receipt receipt;
    assert(ended != NULL);
    pbts_link_receipt_stored(ended->link, now);
    session->receipts_taken++;
    if (pbts_link_next_receipt(ended->link, &receipt)) return;
    session->ended = ended->next;
    session->ended_count--;
    pbts_link_free(ended->link);
    pbts_release(session->mem, ended);
}

void pbts_session_receipt_stored(pbts_session *session, pbts_conn number, pbts_moment now) {
    session->now_ms = now.mono_ms;
    if (number == 0) {
        stored_of_ended(session, now);
        return;
    }
    pbts_peer_conn *conn = pbts_session_conn(session, number);
    assert(conn != NULL && conn->link != NULL);
    pbts_link_receipt_stored(conn->link, now);
    pbts_session_settle_link(session, conn, now);
    pbts_session_settle(session, now);
}

void pbts_session_terms_changed(pbts_session *session, pbts_moment now) {
    session->now_ms = now.mono_ms;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (conn->link == NULL) continue;
        pbts_session_say_extended(session, conn);
        pbts_session_settle_link(session, conn, now);
        pbts_session_wake(session, conn);
    }
    pbts_session_settle(session, now);
}
