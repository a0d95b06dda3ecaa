/* The extension protocol (BEP 10): its handshake, and peer exchange (BEP 11). */
#include "peer/session_parts.h"

/* ---- our handshake ---- */

static bool is_private(const pbts_session *session) {
    return session->config.meta != NULL && pbts_metainfo_is_private(session->config.meta);
}

/* On a private torrent addresses go only between members, which receipts prove. */
static bool may_exchange(const pbts_session *session, const pbts_peer_conn *conn) {
    return session->config.pex && session->config.meta != NULL && !session->stopping &&
           (!is_private(session) || pbts_peer_conn_is_ready(conn));
}

static pbts_extended_handshake our_handshake(const pbts_session *session,
                                             const pbts_peer_conn *conn) {
    const pbts_session_config *config = &session->config;
    bool may_ever_exchange = config->pex && (!is_private(session) || config->terms != NULL);
    pbts_extended_handshake handshake = pbts_extended_handshake_empty();
    handshake.ids[PBTS_EXTENSION_METADATA] = pbts_extension_id(PBTS_EXTENSION_METADATA);
    if (may_ever_exchange)
        handshake.ids[PBTS_EXTENSION_PEX] = pbts_extension_id(PBTS_EXTENSION_PEX);
    if (config->terms != NULL) {
        handshake.ids[PBTS_EXTENSION_PBTS] = pbts_extension_id(PBTS_EXTENSION_PBTS);
    }
    handshake.version = pbts_span_text(config->client);
    handshake.listen_port = config->listen_port;
    handshake.requests_max = PBTS_REQUESTS_IN_MAX;
    handshake.request_bytes_max = PBTS_PEER_BLOCK_BYTES_MAX;
    handshake.has_your_ip = true;
    handshake.your_ip = conn->addr;
    if (config->meta == NULL) return handshake;
    handshake.metadata_bytes = (uint32_t)pbts_metainfo_info_raw(config->meta).len;
    handshake.has_upload_only = true;
    handshake.upload_only = session->missing == 0 || config->seed_only;
    return handshake;
}

void pbts_session_say_extended(pbts_session *session, pbts_peer_conn *conn) {
    if (conn->phase != PBTS_CONN_OPEN || !conn->has_extended) return;
    uint8_t hello[PBTS_LINK_HELLO_MAX];
    pbts_extended_handshake handshake = our_handshake(session, conn);
    if (conn->link != NULL) {
        pbts_writer writer = pbts_writer_over(hello, sizeof hello);
        pbts_link_hello(conn->link, &writer);
        handshake.pbts = pbts_writer_span(&writer);
    }
    pbts_writer body = pbts_writer_over(session->scratch, PBTS_LINK_MESSAGE_MAX);
    pbts_extended_handshake_encode(&body, &handshake);
    pbts_session_said(
        session, conn,
        pbts_peer_conn_say_extended(conn, PBTS_EXTENSION_ID_HANDSHAKE, pbts_writer_span(&body)));
}

/* ---- the other's handshake ---- */

static void note_client(pbts_peer_conn *conn, pbts_span version) {
    if (version.len == 0) return;
    size_t len = version.len < PBTS_CLIENT_LEN_MAX ? version.len : PBTS_CLIENT_LEN_MAX;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = version.data[i];
        conn->client[i] = (char)(byte >= 0x20 && byte < 0x7F ? byte : '?');
    }
    conn->client[len] = '\0';
}

/* Where a peer that connected to us listens: it says so itself, so it is hearsay. */
static void note_listen_port(pbts_session *session, pbts_peer_conn *conn, uint16_t port) {
    if (port == 0 || conn->listen_port == port) return;
    conn->listen_port = port;
    if (conn->address != PBTS_ADDRESS_NONE) return;
    pbts_addr addr = conn->addr;
    addr.port = port;
    uint16_t number = pbts_addresses_add(&session->addresses, &addr, true, session->now_ms);
    if (number == PBTS_ADDRESS_NONE) return;
    if (session->addresses.entries[number].use != PBTS_ADDRESS_IDLE) return;
    conn->address = number;
    pbts_addresses_connected(&session->addresses, number);
}

static void note_upload_only(pbts_session *session, pbts_peer_conn *conn,
                             const pbts_extended_handshake *handshake) {
    if (!handshake->has_upload_only) return;
    conn->upload_only = handshake->upload_only;
    if (conn->address == PBTS_ADDRESS_NONE) return;
    session->addresses.entries[conn->address].is_seed = handshake->upload_only;
}

static pbts_status on_handshake(pbts_session *session, pbts_peer_conn *conn, pbts_span body,
                                pbts_moment now) {
    pbts_extended_handshake handshake;
    PBTS_TRY(pbts_extended_handshake_decode(&handshake, body));
    if (conn->heard_extended && !pbts_peer_conn_forgive(conn, session->now_ms)) return PBTS_LIMIT;
    for (int i = 0; i < PBTS_EXTENSIONS; i++) {
        if (handshake.ids[i] != PBTS_EXTENSION_ID_UNCHANGED) conn->ids[i] = handshake.ids[i];
    }
    conn->heard_extended = true;
    note_client(conn, handshake.version);
    note_listen_port(session, conn, handshake.listen_port);
    note_upload_only(session, conn, &handshake);
    if (handshake.requests_max > 0) conn->requests_max = handshake.requests_max;
    if (handshake.request_bytes_max > PBTS_PEER_BLOCK_BYTES) {
        conn->request_bytes_max = handshake.request_bytes_max;
    }
    if (handshake.metadata_bytes > 0) conn->metadata_bytes = handshake.metadata_bytes;
    if (handshake.pbts.len > 0) {
        PBTS_TRY(pbts_session_on_hello(session, conn, handshake.pbts, now));
    }
    /* Who gives receipts can be asked for them, and told that it is refused. */
    if (conn->has_hello && conn->ids[PBTS_EXTENSION_PBTS] == 0) return PBTS_MALFORMED;
    conn->idle_stamp = UINT64_MAX;
    if (conn->link != NULL) pbts_session_settle_link(session, conn, now);
    if (pbts_session_serves(session, conn)) {
        pbts_session_say_fast(session, conn);
        pbts_session_fill_slots(session);
    }
    pbts_session_ask(session, conn);
    pbts_session_ask_magnet(session);
    return PBTS_OK;
}

/* ---- peer exchange ---- */

static void add_exchanged(pbts_session *session, const pbts_pex_list *list) {
    for (size_t i = 0; i < pbts_pex_count(list); i++) {
        pbts_addr addr;
        uint8_t flags;
        pbts_pex_peer(&addr, &flags, list, i);
        uint16_t number = pbts_addresses_add(&session->addresses, &addr, true, session->now_ms);
        if (number == PBTS_ADDRESS_NONE || (flags & PBTS_PEX_SEED) == 0) continue;
        session->addresses.entries[number].is_seed = true;
    }
}

static pbts_status on_exchange(pbts_session *session, pbts_peer_conn *conn, pbts_span body) {
    pbts_pex_message message;
    PBTS_TRY(pbts_pex_message_decode(&message, body));
    bool is_first = conn->heard_exchange_ms == 0;
    bool is_early = session->now_ms - conn->heard_exchange_ms < PBTS_EXCHANGE_MIN_MS;
    if (!may_exchange(session, conn) || (!is_first && is_early)) {
        return pbts_peer_conn_forgive(conn, session->now_ms) ? PBTS_OK : PBTS_LIMIT;
    }
    conn->heard_exchange_ms = session->now_ms > 0 ? session->now_ms : 1;
    add_exchanged(session, &message.added);
    return PBTS_OK;
}

/* Addresses of those we are connected to that this peer was not told of, and of those it was told
 * of and that are gone. */
typedef struct {
    uint8_t added4[PBTS_PEX_SEND_MAX * 6], added6[PBTS_PEX_SEND_MAX * 18];
    uint8_t flags4[PBTS_PEX_SEND_MAX], flags6[PBTS_PEX_SEND_MAX];
    uint8_t dropped4[PBTS_PEX_SEND_MAX * 6], dropped6[PBTS_PEX_SEND_MAX * 18];
    size_t added4_count, added6_count, dropped4_count, dropped6_count;
} exchange;

static void put_endpoint(uint8_t *out, const pbts_addr *addr) {
    size_t ip_len = pbts_addr_ip_len(addr->family);
    memcpy(out, addr->ip, ip_len);
    out[ip_len] = (uint8_t)(addr->port >> 8);
    out[ip_len + 1] = (uint8_t)addr->port;
}

static bool put_added(exchange *x, const pbts_address *entry) {
    if (x->added4_count + x->added6_count == PBTS_PEX_SEND_MAX) return false;
    uint8_t flags = entry->is_seed ? PBTS_PEX_SEED : 0;
    if (entry->addr.family == PBTS_IPV4) {
        put_endpoint(x->added4 + 6 * x->added4_count, &entry->addr);
        x->flags4[x->added4_count++] = flags;
    } else {
        put_endpoint(x->added6 + 18 * x->added6_count, &entry->addr);
        x->flags6[x->added6_count++] = flags;
    }
    return true;
}

static bool put_dropped(exchange *x, const pbts_address *entry) {
    if (x->dropped4_count + x->dropped6_count == PBTS_PEX_SEND_MAX) return false;
    if (entry->addr.family == PBTS_IPV4) {
        put_endpoint(x->dropped4 + 6 * x->dropped4_count++, &entry->addr);
    } else {
        put_endpoint(x->dropped6 + 18 * x->dropped6_count++, &entry->addr);
    }
    return true;
}

/* Set the bits of the addresses whose peers may be told of: all that are connected and whose port
 * is known, on a private torrent those with receipts. */
static void mark_connected(const pbts_session *session, const pbts_peer_conn *to, uint8_t *bits) {
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (conn == to || conn->address == PBTS_ADDRESS_NONE || !may_exchange(session, conn)) {
            continue;
        }
        bits[conn->address / 8] |= (uint8_t)(1u << conn->address % 8);
    }
}

enum { BITS_LEN = (PBTS_ADDRESSES_MAX + 7) / 8 };

static void collect(const pbts_session *session, pbts_peer_conn *to, exchange *x) {
    uint8_t connected[BITS_LEN] = { 0 };
    mark_connected(session, to, connected);
    /* A number may be another address's by now, which it was never told. */
    for (uint32_t i = 0; i < session->addresses.count; i++) {
        if (session->addresses.entries[i].serial <= to->exchanged_serial) continue;
        to->exchanged[i / 8] &= (uint8_t) ~(1u << i % 8);
    }
    to->exchanged_serial = session->addresses.last_serial;
    for (uint32_t i = 0; i < session->addresses.count; i++) {
        uint8_t bit = (uint8_t)(1u << i % 8);
        bool is = (connected[i / 8] & bit) != 0, was = (to->exchanged[i / 8] & bit) != 0;
        const pbts_address *entry = &session->addresses.entries[i];
        if (is == was || !(is ? put_added(x, entry) : put_dropped(x, entry))) continue;
        to->exchanged[i / 8] ^= bit;
    }
}

/* Whom the tracker would not tell of peers is not told by its users, who may tell of him. */
static bool may_tell(const pbts_session *session, const pbts_peer_conn *conn) {
    if (!may_exchange(session, conn)) return false;
    return conn->link == NULL || pbts_link_may_learn_peers(conn->link);
}

void pbts_session_exchange(pbts_session *session, pbts_peer_conn *conn) {
    int id = conn->ids[PBTS_EXTENSION_PEX];
    if (id == 0 || session->now_ms < conn->exchange_ms || !may_tell(session, conn)) return;
    if (conn->exchanged == NULL) conn->exchanged = pbts_alloc(session->mem, BITS_LEN);
    if (conn->exchanged == NULL) return;
    conn->exchange_ms = session->now_ms + PBTS_EXCHANGE_LOOK_MS;
    exchange x = { .added4_count = 0 };
    collect(session, conn, &x);
    if (x.added4_count + x.added6_count + x.dropped4_count + x.dropped6_count == 0) return;
    conn->exchange_ms = session->now_ms + PBTS_EXCHANGE_MS;
    pbts_pex_message message = {
        .added = { .peers4 = { x.added4, 6 * x.added4_count },
                   .peers6 = { x.added6, 18 * x.added6_count },
                   .flags4 = { x.flags4, x.added4_count },
                   .flags6 = { x.flags6, x.added6_count } },
        .dropped = { .peers4 = { x.dropped4, 6 * x.dropped4_count },
                     .peers6 = { x.dropped6, 18 * x.dropped6_count } },
    };
    pbts_writer body = pbts_writer_over(session->scratch, PBTS_LINK_MESSAGE_MAX);
    pbts_pex_message_encode(&body, &message);
    pbts_session_said(session, conn,
                      pbts_peer_conn_say_extended(conn, (uint8_t)id, pbts_writer_span(&body)));
    pbts_session_wake(session, conn);
}

/* ---- dispatch ---- */

pbts_status pbts_session_on_extended(pbts_session *session, pbts_peer_conn *conn,
                                     const pbts_peer_extended *message, pbts_moment now) {
    if (message->id == PBTS_EXTENSION_ID_HANDSHAKE) {
        return on_handshake(session, conn, message->body, now);
    }
    if (message->id == pbts_extension_id(PBTS_EXTENSION_PEX)) {
        return on_exchange(session, conn, message->body);
    }
    if (message->id == pbts_extension_id(PBTS_EXTENSION_METADATA)) {
        return pbts_session_on_metadata(session, conn, message->body);
    }
    if (message->id == pbts_extension_id(PBTS_EXTENSION_PBTS)) {
        return pbts_session_on_link(session, conn, message->body, now);
    }
    return pbts_peer_conn_forgive(conn, session->now_ms) ? PBTS_OK : PBTS_LIMIT;
}
