#include "wire/udp_tracker.h"

#include "wire/bytes.h"
#include "wire/http_request.h"

/* Offsets of BEP 15's tables. */
enum {
    REQUEST_LEN_MIN = 16,
    ANNOUNCE_LEN = 98,
    CONNECTION_ID_AT = 0,
    ACTION_AT = 8,
    TRANSACTION_ID_AT = 12,
    INFOHASH_AT = 16,
    PEER_ID_AT = 36,
    DOWNLOADED_AT = 56,
    LEFT_AT = 64,
    UPLOADED_AT = 72,
    EVENT_AT = 80,
    KEY_AT = 88,
    NUMWANT_AT = 92,
    PORT_AT = 96,
    HASH_LEN = 20
};

/* BEP 41 */
enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_URL_DATA = 2 };

/* The next option that has data; OPTION_END when there is none. PBTS_MALFORMED when it is cut. */
static pbts_status next_option(pbts_cursor *in, uint8_t *type, pbts_span *data) {
    *type = OPTION_NOP;
    while (*type == OPTION_NOP && in->next < in->end) *type = *in->next++;
    if (*type <= OPTION_NOP) {
        *type = OPTION_END;
        return PBTS_OK;
    }
    if (in->next == in->end) return PBTS_MALFORMED;
    size_t len = *in->next++;
    if ((size_t)(in->end - in->next) < len) return PBTS_MALFORMED;
    *data = (pbts_span){ in->next, len };
    in->next += len;
    return PBTS_OK;
}

/* Join the URL data of all options: a view of the datagram while there is one, a copy in `url`
 * from the second on. */
static pbts_status join_url(pbts_span *out, uint8_t url[static PBTS_UDP_URL_MAX],
                            pbts_span options) {
    pbts_cursor in = { options.data, options.data + options.len };
    pbts_span joined = { NULL, 0 };
    for (;;) {
        uint8_t type;
        pbts_span data;
        PBTS_TRY(next_option(&in, &type, &data));
        if (type == OPTION_END) break;
        if (type != OPTION_URL_DATA || data.len == 0) continue;
        if (joined.len == 0) {
            joined = data;
            continue;
        }
        if (data.len > PBTS_UDP_URL_MAX - joined.len) return PBTS_MALFORMED;
        if (joined.data != url) memcpy(url, joined.data, joined.len);
        memcpy(url + joined.len, data.data, data.len);
        joined = (pbts_span){ url, joined.len + data.len };
    }
    *out = joined;
    return PBTS_OK;
}

/* The passkey in the path of the URL data; a path that is no announce has none. */
static pbts_span passkey_of(pbts_span url) {
    const uint8_t *mark = url.len > 0 ? memchr(url.data, '?', url.len) : NULL;
    if (mark != NULL) url.len = (size_t)(mark - url.data);
    pbts_span passkey;
    (void)pbts_http_path_kind(url, &passkey);
    return passkey;
}

static int32_t numwant_of(uint32_t raw) {
    int32_t wanted = (int32_t)raw;
    if (wanted < 0) return -1;
    return wanted < PBTS_NUMWANT_MAX ? wanted : PBTS_NUMWANT_MAX;
}

static pbts_status decode_announce(pbts_announce *out, uint8_t url[static PBTS_UDP_URL_MAX],
                                   pbts_span packet) {
    if (packet.len < ANNOUNCE_LEN) return PBTS_NEED_MORE;
    const uint8_t *in = packet.data;
    uint32_t event = pbts_be32_at(in + EVENT_AT);
    uint16_t port = pbts_be16_at(in + PORT_AT);
    /* 4 is what libtorrent sends for BEP 21's "paused"; BEP 15 stops at 3. */
    if (event > PBTS_EVENT_PAUSED) return PBTS_MALFORMED;
    if (port == 0 && event != PBTS_EVENT_STOPPED) return PBTS_MALFORMED;
    pbts_span options = { in + ANNOUNCE_LEN, packet.len - ANNOUNCE_LEN }, joined;
    PBTS_TRY(join_url(&joined, url, options));

    *out = (pbts_announce){
        .uploaded_bytes = pbts_be64_at(in + UPLOADED_AT),
        .downloaded_bytes = pbts_be64_at(in + DOWNLOADED_AT),
        .left_bytes = pbts_be64_at(in + LEFT_AT),
        .event = (pbts_event)event,
        .port = port,
        .numwant = numwant_of(pbts_be32_at(in + NUMWANT_AT)),
        .key = pbts_be32_at(in + KEY_AT),
        .compact = true,
        .no_peer_id = true,
        .passkey = passkey_of(joined),
    };
    memcpy(out->infohash, in + INFOHASH_AT, HASH_LEN);
    memcpy(out->peer_id, in + PEER_ID_AT, HASH_LEN);
    return PBTS_OK;
}

static pbts_status decode_scrape(uint8_t (*infohashes)[20], size_t *count, pbts_span packet) {
    size_t len = packet.len - REQUEST_LEN_MIN;
    if (len < HASH_LEN) return PBTS_NEED_MORE;
    if (len % HASH_LEN != 0) return PBTS_MALFORMED;
    if (len / HASH_LEN > PBTS_SCRAPE_HASHES_MAX) return PBTS_LIMIT;
    memcpy(infohashes, packet.data + REQUEST_LEN_MIN, len);
    *count = len / HASH_LEN;
    return PBTS_OK;
}

pbts_status pbts_udp_request_decode(pbts_udp_request *out, uint8_t (*infohashes)[20],
                                    uint8_t url[static PBTS_UDP_URL_MAX], pbts_span datagram) {
    if (datagram.len < REQUEST_LEN_MIN) return PBTS_NEED_MORE;
    if (datagram.len > PBTS_UDP_PACKET_MAX) return PBTS_LIMIT;
    uint64_t connection_id = pbts_be64_at(datagram.data + CONNECTION_ID_AT);
    uint32_t action = pbts_be32_at(datagram.data + ACTION_AT);
    switch (action) {
    case PBTS_UDP_CONNECT:
        if (connection_id != PBTS_UDP_PROTOCOL_ID) return PBTS_MALFORMED;
        connection_id = 0;
        break;
    case PBTS_UDP_ANNOUNCE: PBTS_TRY(decode_announce(&out->announce, url, datagram)); break;
    case PBTS_UDP_SCRAPE:
        PBTS_TRY(decode_scrape(infohashes, &out->infohash_count, datagram));
        out->infohashes = infohashes;
        break;
    default: return PBTS_MALFORMED;
    }
    out->action = (pbts_udp_action)action;
    out->connection_id = connection_id;
    out->transaction_id = pbts_be32_at(datagram.data + TRANSACTION_ID_AT);
    return PBTS_OK;
}

/* -- replies ------------------------------------------------------------------------------- */

/* Reserve a reply and write what each begins with; NULL when it does not fit. */
static uint8_t *begin_reply(pbts_writer *writer, size_t len, pbts_udp_action action,
                            uint32_t transaction_id) {
    uint8_t *at = pbts_write_reserve(writer, len);
    if (at == NULL) return NULL;
    pbts_be32_put(at, action);
    pbts_be32_put(at + 4, transaction_id);
    return at;
}

void pbts_udp_connect_reply(pbts_writer *writer, uint32_t transaction_id, uint64_t connection_id) {
    uint8_t *at = begin_reply(writer, 16, PBTS_UDP_CONNECT, transaction_id);
    if (at != NULL) pbts_be64_put(at + 8, connection_id);
}

void pbts_udp_announce_reply(pbts_writer *writer, uint32_t transaction_id, pbts_family family,
                             const pbts_announce_reply *reply) {
    pbts_span peers = family == PBTS_IPV4 ? reply->peers4 : reply->peers6;
    uint8_t *at = begin_reply(writer, 20 + peers.len, PBTS_UDP_ANNOUNCE, transaction_id);
    if (at == NULL) return;
    pbts_be32_put(at + 8, reply->interval_s);
    pbts_be32_put(at + 12, reply->incomplete);
    pbts_be32_put(at + 16, reply->complete);
    if (peers.len > 0) memcpy(at + 20, peers.data, peers.len);
}

void pbts_udp_scrape_reply(pbts_writer *writer, uint32_t transaction_id,
                           const pbts_scrape_entry *entries, size_t count) {
    uint8_t *at = begin_reply(writer, 8 + 12 * count, PBTS_UDP_SCRAPE, transaction_id);
    if (at == NULL) return;
    at += 8;
    for (size_t i = 0; i < count; i++, at += 12) {
        pbts_be32_put(at, entries[i].complete);
        pbts_be32_put(at + 4, entries[i].downloaded);
        pbts_be32_put(at + 8, entries[i].incomplete);
    }
}

void pbts_udp_error_reply(pbts_writer *writer, uint32_t transaction_id, const char *text) {
    size_t len = strlen(text);
    uint8_t *at = begin_reply(writer, 8 + len, PBTS_UDP_ERROR, transaction_id);
    if (at != NULL) memcpy(at + 8, text, len);
}
