/* Connections of a session: who gets in, the handshake, how one ends. */
#include "base/assert.h"
#include "peer/session_parts.h"

/* ---- peers to dial ---- */

void pbts_session_add_addr(pbts_session *session, const pbts_addr *addr, pbts_peer_source source,
                           pbts_moment now) {
    session->now_ms = now.mono_ms;
    uint32_t last = session->addresses.last_serial;
    uint16_t number =
        pbts_addresses_add(&session->addresses, addr, source == PBTS_PEER_FROM_PEX, now.mono_ms);
    if (number == PBTS_ADDRESS_NONE || source != PBTS_PEER_FROM_OTHER_SWARM) return;
    pbts_address *entry = &session->addresses.entries[number];
    if (entry->serial > last) entry->by_other = true; /* nobody else named it */
}

uint32_t pbts_session_connections_max(const pbts_session *session) {
    uint32_t max = session->config.connections_max;
    if (session->config.meta != NULL || max < PBTS_CONNS_MAGNET_MAX) return max;
    return PBTS_CONNS_MAGNET_MAX;
}

bool pbts_session_wants_pieces(const pbts_session *session) {
    if (session->config.meta == NULL) return true;
    return session->missing > 0 && !session->config.seed_only;
}

bool pbts_session_may_dial(const pbts_session *session) {
    uint32_t taken = session->conn_count + session->addresses.dialing;
    return !session->stopping && taken < pbts_session_connections_max(session);
}

bool pbts_session_next_dial(pbts_session *session, pbts_addr *out, pbts_moment now) {
    session->now_ms = now.mono_ms;
    if (!pbts_session_may_dial(session)) return false;
    bool wants_seeds = pbts_session_wants_pieces(session);
    if (!wants_seeds && now.mono_ms < session->seed_dial_ms) return false;
    if (!pbts_addresses_next_dial(&session->addresses, out, wants_seeds, now.mono_ms)) return false;
    session->seed_dial_ms = now.mono_ms + PBTS_SEED_DIAL_MS;
    return true;
}

void pbts_session_dial_failed(pbts_session *session, const pbts_addr *given, pbts_moment now) {
    session->now_ms = now.mono_ms;
    pbts_addr addr = pbts_addr_unmapped(given);
    uint16_t number = pbts_addresses_find(&session->addresses, &addr);
    if (number == PBTS_ADDRESS_NONE) return;
    if (session->addresses.entries[number].use != PBTS_ADDRESS_DIALING) return;
    pbts_addresses_over(&session->addresses, number, true, now.mono_ms);
}

/* ---- infohashes ---- */

static bool is_own(const pbts_session *session, const uint8_t infohash[static 20]) {
    return memcmp(infohash, session->config.infohash, PBTS_INFOHASH_LEN) == 0;
}

/* Either of a hybrid torrent's; BEP 52 lets the one who answers choose. */
static bool takes_infohash(const pbts_session *session, const uint8_t infohash[static 20]) {
    if (is_own(session, infohash)) return true;
    return session->has_other && memcmp(infohash, session->other_infohash, PBTS_INFOHASH_LEN) == 0;
}

/* Of the two that are taken. */
static bool is_v2_hash(const pbts_session *session, const uint8_t infohash[static 20]) {
    return is_own(session, infohash) == session->config.infohash_is_v2;
}

static const uint8_t *infohash_for(const pbts_session *session, uint16_t number) {
    bool by_other = session->has_other && number != PBTS_ADDRESS_NONE &&
                    session->addresses.entries[number].by_other;
    return by_other ? session->other_infohash : session->config.infohash;
}

const uint8_t *pbts_session_dial_infohash(const pbts_session *session, const pbts_addr *given) {
    pbts_addr addr = pbts_addr_unmapped(given);
    return infohash_for(session, pbts_addresses_find(&session->addresses, &addr));
}

/* ---- connections ---- */

pbts_peer_conn *pbts_session_conn(const pbts_session *session, uint32_t number) {
    if (number == 0 || number > session->conn_high) return NULL;
    return session->conns[number - 1];
}

pbts_peer_conn *pbts_session_next_conn(const pbts_session *session, uint32_t *number) {
    for (; *number <= session->conn_high; ++*number) {
        pbts_peer_conn *conn = session->conns[*number - 1];
        if (conn != NULL && conn->phase == PBTS_CONN_OPEN) return conn;
    }
    return NULL;
}

static uint32_t count_from(const pbts_session *session, const pbts_addr *addr) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < session->conn_high; i++) {
        const pbts_peer_conn *conn = session->conns[i];
        count += conn != NULL && pbts_addr_equal_ip(&conn->addr, addr);
    }
    return count;
}

static pbts_status admit(const pbts_session *session, const pbts_addr *addr) {
    if (session->stopping || pbts_addresses_is_banned(&session->addresses, addr)) {
        return PBTS_DENIED;
    }
    uint32_t max = pbts_session_connections_max(session);
    if (session->conn_count >= max || session->ended_count >= max) return PBTS_LIMIT;
    if (pbts_addr_is_loopback(addr)) return PBTS_OK;
    return count_from(session, addr) < PBTS_CONNS_PER_IP_MAX ? PBTS_OK : PBTS_LIMIT;
}

static void seat(pbts_session *session, pbts_peer_conn *conn) {
    uint32_t at = 0;
    while (at < session->conn_high && session->conns[at] != NULL) at++;
    if (at == session->conn_high) session->conn_high++;
    session->conns[at] = conn;
    session->conn_count++;
    conn->number = at + 1;
    conn->serial = ++session->last_serial;
    conn->haves_said = session->have_log_len;
}

static void say_handshake(pbts_session *session, pbts_peer_conn *conn) {
    const pbts_metainfo *meta = session->config.meta;
    bool knows_v2 = session->config.infohash_is_v2 || session->has_other ||
                    (meta != NULL && pbts_metainfo_has_v2(meta));
    pbts_peer_handshake handshake = {
        .features = PBTS_PEER_FEATURE_FAST | PBTS_PEER_FEATURE_EXTENDED,
    };
    if (knows_v2) handshake.features |= PBTS_PEER_FEATURE_V2;
    memcpy(handshake.infohash, conn->infohash, PBTS_INFOHASH_LEN);
    memcpy(handshake.peer_id, session->config.peer_id, PBTS_PEER_ID_LEN);
    pbts_writer writer;
    pbts_status status = pbts_outbox_open(&conn->outbox, &writer, PBTS_PEER_HANDSHAKE_LEN);
    if (status == PBTS_OK) {
        pbts_peer_handshake_encode(pbts_write_reserve(&writer, PBTS_PEER_HANDSHAKE_LEN),
                                   &handshake);
        pbts_outbox_close(&conn->outbox, &writer);
        conn->said_handshake = true;
        pbts_session_wake(session, conn);
    }
    pbts_session_said(session, conn, status);
}

pbts_status pbts_session_opened(pbts_session *session, pbts_conn *out, const pbts_addr *given,
                                bool outgoing, pbts_moment now) {
    session->now_ms = now.mono_ms;
    pbts_addr addr = pbts_addr_unmapped(given);
    uint16_t number =
        outgoing ? pbts_addresses_find(&session->addresses, &addr) : PBTS_ADDRESS_NONE;
    pbts_peer_conn *conn = NULL;
    pbts_status status = admit(session, &addr);
    if (status == PBTS_OK) status = pbts_peer_conn_new(&conn, session->mem, &addr, now.mono_ms);
    bool was_dialed = number != PBTS_ADDRESS_NONE &&
                      session->addresses.entries[number].use == PBTS_ADDRESS_DIALING;
    if (status != PBTS_OK) {
        if (was_dialed) pbts_addresses_over(&session->addresses, number, false, now.mono_ms);
        return status;
    }
    seat(session, conn);
    conn->outgoing = outgoing;
    if (was_dialed) {
        conn->address = number;
        pbts_addresses_connected(&session->addresses, number);
    }
    *out = conn->number;
    if (outgoing) {
        memcpy(conn->infohash, infohash_for(session, number), PBTS_INFOHASH_LEN);
        say_handshake(session, conn);
    }
    return PBTS_OK;
}

/* Nothing more is asked of it or served to it; what it held others may have. */
static void detach(pbts_session *session, pbts_peer_conn *conn) {
    pbts_session_stop_payload(session, conn);
    pbts_session_take_back(session, conn, false);
    pbts_block_ring_clear(&conn->asked);
    pbts_block_ring_clear(&conn->queue);
    pbts_session_forget_pieces(session, conn);
    conn->interested = false;
    conn->choked = true;
    conn->optimistic = false;
    if (session->magnet.source == conn->number) pbts_session_magnet_lost(session, conn);
    pbts_session_fill_slots(session);
}

static bool can_come_back(const pbts_session *session, const pbts_peer_conn *conn) {
    return session->has_other && conn->address != PBTS_ADDRESS_NONE &&
           is_own(session, conn->infohash);
}

/* Who knows one version of a hybrid torrent only says nothing to those who call it by the other. */
static void leave_address(pbts_session *session, const pbts_peer_conn *conn, bool never_spoke) {
    pbts_addresses *list = &session->addresses;
    pbts_address *entry = &list->entries[conn->address];
    pbts_addresses_over(list, conn->address, conn->failed || never_spoke, session->now_ms);
    if (conn->comes_back) {
        entry->by_other = true;
        pbts_addresses_hurry(list, conn->address, session->now_ms);
    } else if (never_spoke && conn->outgoing && session->has_other) {
        entry->by_other = !entry->by_other;
    }
}

void pbts_session_closed(pbts_session *session, pbts_conn number, pbts_moment now) {
    session->now_ms = now.mono_ms;
    pbts_peer_conn *conn = pbts_session_conn(session, number);
    assert(conn != NULL);
    bool never_spoke = conn->phase == PBTS_CONN_HANDSHAKE;
    /* Some end a connection by the v1 infohash when they are asked for layers. */
    bool was_asked =
        session->magnet.source == number && session->magnet.phase == PBTS_MAGNET_LAYERS;
    if (was_asked) conn->comes_back = can_come_back(session, conn);
    if (conn->phase != PBTS_CONN_DOOMED) {
        conn->phase = PBTS_CONN_DOOMED;
        detach(session, conn);
    }
    pbts_session_untell_conn(session, conn);
    if (conn->address != PBTS_ADDRESS_NONE) leave_address(session, conn, never_spoke);
    pbts_session_end_link(session, conn);
    session->conns[number - 1] = NULL;
    session->conn_count--;
    while (session->conn_high > 0 && session->conns[session->conn_high - 1] == NULL) {
        session->conn_high--;
    }
    pbts_peer_conn_free(conn, session->mem);
    pbts_session_settle(session, now);
}

void pbts_session_doom(pbts_session *session, pbts_peer_conn *conn, const char *text, bool failed) {
    if (conn->phase == PBTS_CONN_DOOMED) return;
    conn->phase = PBTS_CONN_DOOMED;
    conn->doom = text;
    conn->failed = failed;
    detach(session, conn);
    pbts_session_tell_conn(session, conn, PBTS_CONN_TELL_CLOSE);
}

void pbts_session_ban(pbts_session *session, pbts_peer_conn *conn, const char *text) {
    pbts_addresses_ban(&session->addresses, &conn->addr);
    if (conn->listen_port != 0) {
        pbts_addr listens = conn->addr;
        listens.port = conn->listen_port;
        pbts_addresses_ban(&session->addresses, &listens);
    }
    pbts_session_doom(session, conn, text, true);
}

void pbts_session_said(pbts_session *session, pbts_peer_conn *conn, pbts_status status) {
    if (status == PBTS_OK) return;
    bool is_full = status == PBTS_LIMIT;
    pbts_session_doom(session, conn, is_full ? "does not read what it is sent" : "out of memory",
                      is_full);
}

/* ---- handshake ---- */

void pbts_session_set_other_infohash(pbts_session *session, const uint8_t *infohash) {
    session->has_other = infohash != NULL;
    if (infohash != NULL) memcpy(session->other_infohash, infohash, PBTS_INFOHASH_LEN);
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (takes_infohash(session, conn->infohash)) continue;
        pbts_session_doom(session, conn, "another torrent", true);
    }
}

bool pbts_session_come_back(pbts_session *session, pbts_peer_conn *conn) {
    if (!can_come_back(session, conn)) return false;
    conn->comes_back = true;
    pbts_session_doom(session, conn, "dialed again by the torrent's other infohash", false);
    return true;
}

/* Of two connections with one peer the older one stays; when both dialed at the same time, both
 * sides keep the one that was dialed by the greater peer id. The one that goes. */
static pbts_peer_conn *one_too_many(const pbts_session *session, pbts_peer_conn *a,
                                    pbts_peer_conn *b) {
    pbts_peer_conn *older = a->serial < b->serial ? a : b, *newer = older == a ? b : a;
    bool crossed = a->outgoing != b->outgoing &&
                   newer->opened_ms - older->opened_ms < PBTS_HANDSHAKE_TIMEOUT_MS;
    if (!crossed) return newer;
    bool we_dial = memcmp(session->config.peer_id, a->peer_id, PBTS_PEER_ID_LEN) > 0;
    return a->outgoing == we_dial ? b : a;
}

/* Anybody can say any peer id, and could keep its owner away by that. So where keys are proven,
 * only who proved the same one is the same peer; of those that prove none, who cannot. */
static bool is_same_peer(const pbts_session *session, const pbts_peer_conn *conn,
                         const pbts_peer_conn *other) {
    if (memcmp(other->peer_id, conn->peer_id, PBTS_PEER_ID_LEN) != 0) return false;
    if (session->config.terms == NULL) return true;
    bool ready = pbts_peer_conn_is_ready(conn), other_ready = pbts_peer_conn_is_ready(other);
    if (!ready && !other_ready) return !conn->has_extended && !other->has_extended;
    return ready && other_ready &&
           memcmp(pbts_link_other_key(conn->link), pbts_link_other_key(other->link),
                  sizeof(pbts_bls_public)) == 0;
}

void pbts_session_drop_duplicates(pbts_session *session, pbts_peer_conn *conn) {
    pbts_peer_conn *other;
    for (uint32_t n = 1; (other = pbts_session_next_conn(session, &n)); n++) {
        if (other == conn || !is_same_peer(session, conn, other)) continue;
        pbts_peer_conn *goes = one_too_many(session, conn, other);
        pbts_session_doom(session, goes, "connected twice", false);
        if (goes == conn) return;
    }
}

static void introduce(pbts_session *session, pbts_peer_conn *conn, pbts_moment now) {
    conn->phase = PBTS_CONN_OPEN;
    pbts_session_drop_duplicates(session, conn);
    if (conn->phase != PBTS_CONN_OPEN) return;
    if (session->config.meta != NULL) {
        pbts_session_said(session, conn, pbts_session_make_link(session, conn, now));
    }
    if (conn->has_extended) pbts_session_say_extended(session, conn);
    pbts_session_say_pieces(session, conn);
    pbts_session_say_fast(session, conn);
}

/* The 68 bytes; the first 48 are enough to answer, which some peers wait for. */
pbts_status pbts_session_on_handshake(pbts_session *session, pbts_peer_conn *conn, size_t *used,
                                      pbts_span bytes, pbts_moment now) {
    pbts_peer_handshake handshake;
    *used = 0;
    pbts_status status = pbts_peer_handshake_decode_head(&handshake, bytes);
    if (status != PBTS_OK) return status;
    if (!takes_infohash(session, handshake.infohash)) return PBTS_NOT_FOUND;
    memcpy(conn->infohash, handshake.infohash, PBTS_INFOHASH_LEN);
    if (!conn->said_handshake) say_handshake(session, conn);
    PBTS_TRY(pbts_peer_handshake_decode(&handshake, bytes));
    *used = PBTS_PEER_HANDSHAKE_LEN;
    memcpy(conn->peer_id, handshake.peer_id, PBTS_PEER_ID_LEN);
    conn->has_fast = (handshake.features & PBTS_PEER_FEATURE_FAST) != 0;
    conn->has_extended = (handshake.features & PBTS_PEER_FEATURE_EXTENDED) != 0;
    conn->is_v2 =
        (handshake.features & PBTS_PEER_FEATURE_V2) != 0 || is_v2_hash(session, conn->infohash);
    if (memcmp(conn->peer_id, session->config.peer_id, PBTS_PEER_ID_LEN) == 0) {
        if (conn->address != PBTS_ADDRESS_NONE) {
            pbts_addresses_exclude(&session->addresses, conn->address);
        }
        pbts_session_doom(session, conn, "it is ourselves", true);
        return PBTS_OK;
    }
    introduce(session, conn, now);
    return PBTS_OK;
}

bool pbts_session_is_redundant(const pbts_session *session, const pbts_peer_conn *conn) {
    if (session->config.meta == NULL || conn->phase != PBTS_CONN_OPEN) return false;
    return !pbts_session_wants_pieces(session) &&
           (pbts_session_is_seed(session, conn) || conn->upload_only);
}
