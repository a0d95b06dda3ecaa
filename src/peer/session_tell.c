/* Events and figures. */
#include "base/assert.h"
#include "peer/session_parts.h"

/* ---- queues ---- */

void pbts_session_tell_slot(pbts_session *session, pbts_open_piece *slot, uint8_t event) {
    /* The owner has not heard of it: then it need not hear that it is over. */
    if (event == PBTS_SLOT_TELL_DROPPED && !slot->told_open) {
        slot->events = 0;
        return;
    }
    slot->events |= event;
    if (slot->has_events) return;
    uint16_t index = pbts_open_pieces_index(&session->open, slot);
    slot->has_events = true;
    slot->next_event = PBTS_SLOT_NONE;
    if (session->slot_events_first == PBTS_SLOT_NONE) {
        session->slot_events_first = index;
    } else {
        session->open.slots[session->slot_events_last].next_event = index;
    }
    session->slot_events_last = index;
}

void pbts_session_tell_conn(pbts_session *session, pbts_peer_conn *conn, uint8_t event) {
    conn->events |= event;
    if (conn->has_events) return;
    conn->has_events = true;
    conn->next_event = 0;
    if (session->conn_events_first == 0) {
        session->conn_events_first = conn->number;
    } else {
        pbts_session_conn(session, session->conn_events_last)->next_event = conn->number;
    }
    session->conn_events_last = conn->number;
}

void pbts_session_untell_conn(pbts_session *session, pbts_peer_conn *conn) {
    if (!conn->has_events) return;
    uint32_t before = 0, *at = &session->conn_events_first;
    while (*at != conn->number) {
        before = *at;
        at = &pbts_session_conn(session, *at)->next_event;
    }
    *at = conn->next_event;
    if (session->conn_events_last == conn->number) session->conn_events_last = before;
    conn->has_events = false;
    conn->events = 0;
}

void pbts_session_wake(pbts_session *session, pbts_peer_conn *conn) {
    if (conn->is_armed || !pbts_session_has_send(session, conn)) return;
    conn->is_armed = true;
    pbts_session_tell_conn(session, conn, PBTS_CONN_TELL_WRITABLE);
}

/* ---- taking ---- */

static uint8_t lowest(uint8_t bits) {
    return bits & (uint8_t)-bits;
}

static bool next_slot_event(pbts_session *session, pbts_session_event *out) {
    while (session->slot_events_first != PBTS_SLOT_NONE) {
        pbts_open_piece *slot = &session->open.slots[session->slot_events_first];
        uint8_t event = lowest(slot->events);
        slot->events &= (uint8_t)~event;
        if (slot->events == 0) {
            session->slot_events_first = slot->next_event;
            slot->has_events = false;
        }
        *out = (pbts_session_event){ .piece = slot->piece };
        if (event == PBTS_SLOT_TELL_OPENED) {
            slot->told_open = true;
            out->kind = PBTS_SESSION_PIECE_OPENED;
        } else if (event == PBTS_SLOT_TELL_COMPLETE) {
            out->kind = PBTS_SESSION_PIECE_COMPLETE;
        } else {
            out->kind = PBTS_SESSION_PIECE_DROPPED;
        }
        if (!slot->has_events && slot->state == PBTS_SLOT_CLOSED) {
            pbts_open_pieces_free_slot(&session->open, slot);
            session->stamp++;
        }
        if (event != 0) return true;
    }
    return false;
}

static void describe_conn_event(pbts_session_event *out, pbts_peer_conn *conn, uint8_t event) {
    *out = (pbts_session_event){ .conn = conn->number };
    switch (event) {
    case PBTS_CONN_TELL_READY:
        out->kind = PBTS_SESSION_PEER_READY;
        out->text = conn->client;
        break;
    case PBTS_CONN_TELL_REFUSED:
        out->kind = PBTS_SESSION_PEER_REFUSED;
        out->refusal = pbts_link_refused(conn->link, &out->by_us);
        out->text = pbts_link_refusal_text(out->refusal);
        break;
    case PBTS_CONN_TELL_REPEATS: out->kind = PBTS_SESSION_PEER_REPEATS; break;
    case PBTS_CONN_TELL_CLOSE:
        out->kind = PBTS_SESSION_CLOSE;
        out->text = conn->doom;
        break;
    default: out->kind = PBTS_SESSION_WRITABLE; break;
    }
}

static bool next_conn_event(pbts_session *session, pbts_session_event *out) {
    if (session->conn_events_first == 0) return false;
    pbts_peer_conn *conn = pbts_session_conn(session, session->conn_events_first);
    uint8_t event = lowest(conn->events);
    conn->events &= (uint8_t)~event;
    if (conn->events == 0) {
        session->conn_events_first = conn->next_event;
        conn->has_events = false;
    }
    describe_conn_event(out, conn, event);
    return true;
}

bool pbts_session_next_event(pbts_session *session, pbts_session_event *out) {
    if (next_slot_event(session, out) || next_conn_event(session, out)) return true;
    uint8_t event = lowest(session->events);
    session->events &= (uint8_t)~event;
    *out = (pbts_session_event){ .kind = PBTS_SESSION_FINISHED };
    if (event == PBTS_SESSION_TELL_METADATA) {
        out->kind = PBTS_SESSION_METADATA;
        out->bytes = (pbts_span){ session->magnet.torrent, session->magnet.torrent_len };
    }
    return event != 0;
}

/* ---- figures ---- */

void pbts_session_stats_read(const pbts_session *session, pbts_session_stats *out) {
    const pbts_metainfo *meta = session->config.meta;
    *out = (pbts_session_stats){
        .has_meta = meta != NULL,
        .finished = meta != NULL && session->missing == 0,
        .have_bytes = session->have_bytes,
        .downloaded_bytes = session->down.total_bytes,
        .uploaded_bytes = session->up.total_bytes,
        .wasted_bytes = session->wasted_bytes,
        .down_bytes_per_s = pbts_rate_read(&session->down, session->now_ms),
        .up_bytes_per_s = pbts_rate_read(&session->up, session->now_ms),
        .connections = session->conn_count,
        .open_pieces = session->open.used,
        .receipts_given = session->receipts_given,
        .receipts_taken = session->receipts_taken,
    };
    if (meta != NULL) {
        out->total_bytes = pbts_metainfo_total_bytes(meta);
        out->left_bytes = out->total_bytes - out->have_bytes;
    }
    const pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        out->seeders += pbts_session_is_seed(session, conn);
        if (conn->link == NULL) continue;
        pbts_link_stats link;
        pbts_link_stats_read(conn->link, &link);
        out->links_ready += pbts_peer_conn_is_ready(conn);
        out->receipts_given += link.receipts_given;
        out->receipts_taken += link.receipts_taken;
        if (pbts_peer_conn_is_ready(conn) && link.served_bytes > link.covered_bytes) {
            out->unreceipted_bytes += link.served_bytes - link.covered_bytes;
        }
    }
}

static void read_link(pbts_conn_stats *out, const pbts_peer_conn *conn) {
    bool by_us;
    out->link = pbts_link_state_of(conn->link);
    out->refusal = pbts_link_refused(conn->link, &by_us);
    pbts_link_stats_read(conn->link, &out->receipts);
}

pbts_status pbts_session_conn_stats(const pbts_session *session, pbts_conn number,
                                    pbts_conn_stats *out) {
    const pbts_peer_conn *conn = pbts_session_conn(session, number);
    if (conn == NULL) return PBTS_NOT_FOUND;
    *out = (pbts_conn_stats){
        .addr = conn->addr,
        .outgoing = conn->outgoing,
        .choking = conn->choked,
        .choked = conn->choking,
        .interested = conn->interested,
        .interesting = conn->interesting,
        .is_seeder = pbts_session_is_seed(session, conn),
        .down_bytes_per_s = pbts_rate_read(&conn->down, session->now_ms),
        .up_bytes_per_s = pbts_rate_read(&conn->up, session->now_ms),
        .downloaded_bytes = conn->down.total_bytes,
        .uploaded_bytes = conn->up.total_bytes,
        .requests_out = conn->asked_len,
        .requests_in = pbts_block_ring_len(&conn->queue),
        .pieces = conn->has.count,
    };
    memcpy(out->client, conn->client, sizeof out->client);
    if (conn->link != NULL) read_link(out, conn);
    return PBTS_OK;
}

pbts_conn pbts_session_conn_limit(const pbts_session *session) {
    return session->conn_high;
}
