/* What happens by itself: timeouts, rounds of choking, pieces taken over. Once a second all
 * connections are looked at. */
#include "peer/session_parts.h"

/* ---- one connection ---- */

static void time_out(pbts_session *session, pbts_peer_conn *conn) {
    uint64_t now_ms = session->now_ms;
    if (now_ms - conn->heard_ms >= PBTS_SILENCE_MAX_MS) {
        pbts_session_doom(session, conn, "silent for three minutes", false);
    } else if (now_ms - conn->said_ms >= PBTS_KEEP_ALIVE_MS && conn->phase == PBTS_CONN_OPEN) {
        conn->said_ms = now_ms;
        pbts_session_said(session, conn, pbts_peer_conn_say_type(conn, PBTS_PEER_KEEP_ALIVE));
    }
}

/* Nothing came of all that was asked for: it is given up, and one request at a time is made until
 * something comes (BEP 3, anti-snubbing). */
static void snub(pbts_session *session, pbts_peer_conn *conn) {
    if (!pbts_peer_conn_is_awaited(conn)) return;
    if (session->now_ms - conn->progress_ms < PBTS_SNUB_MS) return;
    conn->snubbed = true;
    conn->progress_ms = session->now_ms;
    pbts_session_stop_payload(session, conn);
    pbts_window_collapse(&conn->window);
    pbts_session_take_back(session, conn, false);
    conn->paused_ms = session->now_ms + PBTS_PAUSE_MS;
}

/* Requests that were passed over are asked anew; void ones that got no answer are forgotten. */
static void forget_lost(pbts_session *session, pbts_peer_conn *conn) {
    pbts_ring_block *oldest;
    while ((oldest = pbts_block_ring_front(&conn->asked)) != NULL &&
           session->now_ms - oldest->mark.sent_ms >= PBTS_LOST_MS) {
        if (!oldest->is_void) {
            /* In a queue that moves it may be waiting still. */
            if (session->now_ms - oldest->mark.sent_ms < 2 * PBTS_LOST_MS) return;
            pbts_session_void(session, conn, oldest);
        }
        pbts_block_ring_remove(&conn->asked, oldest);
    }
}

/* Two that want nothing of each other; not before all is paid, or cannot be waited for. */
static void part(pbts_session *session, pbts_peer_conn *conn) {
    if (!pbts_session_is_redundant(session, conn)) {
        conn->redundant_ms = 0;
        return;
    }
    if (conn->redundant_ms == 0) conn->redundant_ms = session->now_ms;
    uint64_t wait_ms = PBTS_REDUNDANT_MS;
    if (pbts_peer_conn_is_ready(conn)) {
        pbts_link_stats stats;
        pbts_link_stats_read(conn->link, &stats);
        bool is_paid =
            stats.covered_bytes >= stats.served_bytes && stats.signed_bytes >= stats.received_bytes;
        if (!is_paid) wait_ms = PBTS_REDUNDANT_UNPAID_MS;
    }
    if (session->now_ms - conn->redundant_ms < wait_ms) return;
    pbts_session_doom(session, conn, "both have everything", false);
}

static void tick_conn(pbts_session *session, pbts_peer_conn *conn) {
    time_out(session, conn);
    if (conn->phase == PBTS_CONN_OPEN) snub(session, conn);
    if (conn->phase == PBTS_CONN_OPEN) forget_lost(session, conn);
    if (conn->phase == PBTS_CONN_OPEN) pbts_session_exchange(session, conn);
    if (conn->phase == PBTS_CONN_OPEN) part(session, conn);
    if (conn->phase == PBTS_CONN_OPEN) pbts_session_ask(session, conn);
    if (conn->phase == PBTS_CONN_OPEN) pbts_session_wake(session, conn);
}

/* Those who did not finish the handshake. */
static void tick_handshakes(pbts_session *session) {
    for (uint32_t i = 0; i < session->conn_high; i++) {
        pbts_peer_conn *conn = session->conns[i];
        if (conn == NULL || conn->phase != PBTS_CONN_HANDSHAKE) continue;
        if (session->now_ms - conn->opened_ms < PBTS_HANDSHAKE_TIMEOUT_MS) continue;
        pbts_session_doom(session, conn, "no handshake", true);
    }
}

/* ---- all of them ---- */

/* Those without work look for pieces that others do not get on with. When all slots are taken and
 * one could give a new piece, what nobody here can finish makes room. */
static void help_idle(pbts_session *session) {
    bool is_full = session->config.meta != NULL &&
                   (pbts_open_pieces_is_full(&session->open) || session->open.was_short);
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (!pbts_session_idles(session, conn)) continue;
        pbts_session_take_over(session, conn);
        if (!is_full || !pbts_session_idles(session, conn)) continue;
        if (session->picker.count == 0 || session->orphans == 0) continue;
        pbts_session_drop_orphan(session);
        is_full = false;
    }
}

/* Other sessions may have given back what was short here; and when they go short, what nobody here
 * finishes makes room for them. */
static void look_at_budget(pbts_session *session) {
    pbts_open_budget *budget = session->open.budget;
    if (budget == NULL) return;
    if (session->open.was_short) {
        session->open.was_short = false; /* who still wants a piece says so again */
        session->stamp++;
        if (!pbts_open_budget_has(budget, session->open.slot_bytes)) {
            budget->short_of = session;
            budget->short_ms = session->now_ms;
        }
    }
    if (session->orphans == 0 || budget->short_of == session) return;
    if (pbts_open_budget_is_short(budget, session->now_ms)) pbts_session_drop_orphan(session);
}

static void tick_all(pbts_session *session) {
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        tick_conn(session, conn);
    }
    tick_handshakes(session);
    if (session->config.meta == NULL) {
        pbts_session_ask_magnet(session);
        return;
    }
    if (pbts_choker_is_due(&session->choker, session->now_ms)) pbts_session_choke_round(session);
    help_idle(session);
    look_at_budget(session);
}

/* We were stopped for a while, or kept from running. What others said meanwhile is not read yet:
 * nobody is judged before it is. Once only: who is always late has to judge at some time. */
static bool was_away(pbts_session *session) {
    bool is_late = session->now_ms >= session->tick_ms + PBTS_AWAY_MS;
    session->was_away = is_late && session->conn_count > 0 && !session->was_away;
    if (!session->was_away) return false;
    session->tick_ms = session->now_ms + PBTS_TICK_MS;
    if (session->link_ms < session->tick_ms) session->link_ms = session->tick_ms;
    return true;
}

void pbts_session_tick(pbts_session *session, pbts_moment now) {
    session->now_ms = now.mono_ms;
    pbts_session_refill_limit(session);
    if (was_away(session)) return;
    pbts_session_tick_links(session, now);
    if (now.mono_ms >= session->tick_ms) {
        session->tick_ms = now.mono_ms + PBTS_TICK_MS;
        tick_all(session);
    }
    pbts_session_settle(session, now);
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t pbts_session_deadline_ms(const pbts_session *session) {
    uint64_t deadline_ms = session->link_ms;
    if (session->conn_count > 0) deadline_ms = least(deadline_ms, session->tick_ms);
    if (session->limit.is_short) {
        uint64_t step_ms = PBTS_LIMIT_BURST_MS / 5;
        deadline_ms = least(deadline_ms, session->limit.at_ms + step_ms);
    }
    if (!pbts_session_may_dial(session)) return deadline_ms;
    uint64_t dial_ms = pbts_addresses_deadline_ms(&session->addresses);
    bool waits = !pbts_session_wants_pieces(session) && dial_ms < session->seed_dial_ms;
    return least(deadline_ms, waits ? session->seed_dial_ms : dial_ms);
}
