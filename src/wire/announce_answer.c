#include "wire/announce_answer.h"

#include "wire/bytes.h"

/* ---- asking ---- */

static bool is_unreserved(uint8_t byte) { /* RFC 3986, section 2.3 */
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static void write_escaped(pbts_writer *writer, pbts_span bytes) {
    static const char DIGITS[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = bytes.data[i];
        if (is_unreserved(byte)) {
            pbts_write_u8(writer, byte);
        } else {
            pbts_write_u8(writer, '%');
            pbts_write_u8(writer, (uint8_t)DIGITS[byte >> 4]);
            pbts_write_u8(writer, (uint8_t)DIGITS[byte & 15]);
        }
    }
}

static void write_bytes(pbts_writer *writer, const char *key, pbts_span value) {
    if (value.len == 0) return;
    pbts_write_text(writer, key);
    write_escaped(writer, value);
}

static void write_number(pbts_writer *writer, const char *key, uint64_t value) {
    pbts_write_text(writer, key);
    pbts_write_decimal(writer, value);
}

static const char *event_text(pbts_event event) {
    switch (event) {
    case PBTS_EVENT_COMPLETED: return "&event=completed";
    case PBTS_EVENT_STARTED: return "&event=started";
    case PBTS_EVENT_STOPPED: return "&event=stopped";
    case PBTS_EVENT_PAUSED: return "&event=paused";
    default: return "";
    }
}

void pbts_announce_url_write(pbts_writer *writer, pbts_span url, const pbts_announce *announce) {
    bool has_query = url.len > 0 && memchr(url.data, '?', url.len) != NULL;
    pbts_write_bytes(writer, url);
    write_bytes(writer,
                has_query ? "&info_hash=" : "?info_hash=", PBTS_SPAN_OF(announce->infohash));
    write_bytes(writer, "&peer_id=", PBTS_SPAN_OF(announce->peer_id));
    write_number(writer, "&port=", announce->port);
    write_number(writer, "&uploaded=", announce->uploaded_bytes);
    write_number(writer, "&downloaded=", announce->downloaded_bytes);
    if (announce->left_bytes != UINT64_MAX) write_number(writer, "&left=", announce->left_bytes);
    if (announce->numwant >= 0) write_number(writer, "&numwant=", (uint64_t)announce->numwant);
    write_number(writer, "&key=", announce->key);
    write_number(writer, "&compact=", announce->compact);
    if (announce->no_peer_id) write_number(writer, "&no_peer_id=", 1);
    pbts_write_text(writer, event_text(announce->event));
    write_bytes(writer, "&trackerid=", announce->tracker_id);
    write_bytes(writer, "&uid=", announce->uid);
    write_bytes(writer, "&pk=", announce->pk);
    write_bytes(writer, "&time=", announce->time);
    write_bytes(writer, "&sig=", announce->sig);
}

/* ---- the answer ---- */

static uint32_t find_u32(const pbts_bvalue *dict, const char *key) {
    uint64_t value;
    if (!pbts_bdict_find_uint(dict, key, &value)) return 0;
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static pbts_span find_string(const pbts_bvalue *dict, const char *key) {
    pbts_span value;
    return pbts_bdict_find_string(dict, key, &value) ? value : (pbts_span){ NULL, 0 };
}

/* BEP 31: minutes, or the word "never". */
static int32_t find_retry(const pbts_bvalue *dict) {
    enum { YEAR_MINUTES = 366 * 24 * 60 };
    if (pbts_span_is(find_string(dict, "retry in"), "never")) return -1;
    uint32_t minutes = find_u32(dict, "retry in");
    return minutes < YEAR_MINUTES ? (int32_t)minutes : YEAR_MINUTES;
}

/* What the tracker signed for us. */
static void find_ours(pbts_announce_answer *answer, const pbts_bvalue *dict) {
    pbts_bvalue ours, ticket;
    if (!pbts_bdict_find_typed(dict, "pbts", PBTS_BDICT, &ours)) return;
    if (pbts_bdict_find_typed(&ours, "ticket", PBTS_BDICT, &ticket)) answer->ticket = ticket.raw;
    answer->membership = find_string(&ours, "member");
    answer->beacon = find_string(&ours, "beacon");
}

static pbts_status read_peers(pbts_announce_answer *answer, const pbts_bvalue *dict) {
    pbts_bvalue peers;
    if (pbts_bdict_find_typed(dict, "peers", PBTS_BLIST, &peers)) {
        answer->peer_list = peers;
    } else {
        answer->peers4 = find_string(dict, "peers");
    }
    answer->peers6 = find_string(dict, "peers6");
    return answer->peers4.len % 6 == 0 && answer->peers6.len % 18 == 0 ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_announce_answer_decode(pbts_announce_answer *out, pbts_span body) {
    pbts_bvalue dict;
    pbts_announce_answer answer = { .peer_list = { .type = PBTS_BINT } };
    if (body.len > PBTS_ANNOUNCE_ANSWER_LEN_MAX) return PBTS_LIMIT;
    if (pbts_bencode_parse(&dict, body) != PBTS_OK || dict.type != PBTS_BDICT) {
        return PBTS_MALFORMED;
    }
    answer.refused = pbts_bdict_find_string(&dict, "failure reason", &answer.failure);
    if (answer.refused) {
        answer.retry_in_minutes = find_retry(&dict);
        *out = answer;
        return PBTS_OK;
    }
    PBTS_TRY(read_peers(&answer, &dict));
    answer.interval_s = find_u32(&dict, "interval");
    answer.min_interval_s = find_u32(&dict, "min interval");
    answer.complete = find_u32(&dict, "complete");
    answer.incomplete = find_u32(&dict, "incomplete");
    answer.warning = find_string(&dict, "warning message");
    answer.tracker_id = find_string(&dict, "tracker id");
    if (answer.tracker_id.len > PBTS_TRACKER_ID_LEN_MAX) return PBTS_MALFORMED;
    find_ours(&answer, &dict);
    *out = answer;
    return PBTS_OK;
}

/* ---- its peers ---- */

static bool can_be_dialled(const pbts_addr *addr) {
    static const uint8_t NOBODY[16] = { 0 };
    return addr->port != 0 && memcmp(addr->ip, NOBODY, sizeof NOBODY) != 0;
}

static bool next_compact(pbts_addr *out, size_t *at, pbts_family family, pbts_span peers) {
    size_t ip_len = pbts_addr_ip_len(family);
    while (*at + ip_len + 2 <= peers.len) {
        const uint8_t *peer = peers.data + *at;
        pbts_addr addr = { .family = family, .port = pbts_be16_at(peer + ip_len) };
        memcpy(addr.ip, peer, ip_len);
        *at += ip_len + 2;
        *out = pbts_addr_unmapped(&addr);
        if (can_be_dialled(out)) return true;
    }
    return false;
}

static bool next_listed(pbts_addr *out, pbts_biter *list) {
    pbts_bvalue peer;
    while (pbts_biter_next(list, &peer)) {
        uint32_t port = find_u32(&peer, "port");
        if (pbts_addr_parse(out, find_string(&peer, "ip")) != PBTS_OK || port > UINT16_MAX) {
            continue;
        }
        out->port = (uint16_t)port;
        if (can_be_dialled(out)) return true;
    }
    return false;
}

bool pbts_announce_peers_next(pbts_announce_peers *walk, pbts_addr *out,
                              const pbts_announce_answer *answer) {
    if (next_compact(out, &walk->at4, PBTS_IPV4, answer->peers4)) return true;
    if (next_compact(out, &walk->at6, PBTS_IPV6, answer->peers6)) return true;
    if (!walk->in_list) walk->list = pbts_bvalue_items(&answer->peer_list);
    walk->in_list = true;
    return answer->peer_list.type == PBTS_BLIST && next_listed(out, &walk->list);
}
