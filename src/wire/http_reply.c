/* Bencoded bodies and the HTTP head around them. Keys are written in the sorted order that bencode
 * asks for; the parts without peers are composed on the stack and copied once. */
#include "base/assert.h"
#include "wire/http_announce.h"

/* -- composing short text ------------------------------------------------------------------ */

static uint8_t *put(uint8_t *at, const char *text, size_t len) {
    memcpy(at, text, len);
    return at + len;
}
#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static unsigned digits_of(uint32_t value) {
    unsigned count = 1;
    for (; value >= 10; value /= 10) count++;
    return count;
}

static uint8_t *put_decimal(uint8_t *at, uint32_t value) {
    uint8_t *end = at + digits_of(value);
    uint8_t *digit = end;
    do {
        *--digit = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

static void write_string(pbts_writer *writer, pbts_span string) {
    pbts_write_decimal(writer, string.len);
    pbts_write_u8(writer, ':');
    pbts_write_bytes(writer, string);
}

/* -- bodies -------------------------------------------------------------------------------- */

/* One peer as BEP 3's dictionary, without its id. */
static void write_peer(pbts_writer *writer, pbts_family family, const uint8_t *endpoint) {
    pbts_addr addr = { .family = family };
    size_t ip_len = pbts_addr_ip_len(family);
    memcpy(addr.ip, endpoint, ip_len);
    char text[PBTS_ADDR_TEXT_MAX];
    size_t text_len = pbts_addr_format(text, &addr);
    pbts_write_text(writer, "d2:ip");
    write_string(writer, (pbts_span){ (const uint8_t *)text, text_len });
    pbts_write_text(writer, "4:porti");
    pbts_write_decimal(writer, (unsigned)endpoint[ip_len] << 8 | endpoint[ip_len + 1]);
    pbts_write_text(writer, "ee");
}

static void write_peer_list(pbts_writer *writer, const pbts_announce_reply *reply) {
    pbts_write_text(writer, "5:peersl");
    for (size_t at = 0; at + 6 <= reply->peers4.len; at += 6) {
        write_peer(writer, PBTS_IPV4, reply->peers4.data + at);
    }
    for (size_t at = 0; at + 18 <= reply->peers6.len; at += 18) {
        write_peer(writer, PBTS_IPV6, reply->peers6.data + at);
    }
    pbts_write_text(writer, "e");
}

static void write_compact_peers(pbts_writer *writer, const pbts_announce_reply *reply) {
    pbts_write_bytes(writer, (pbts_span){ (const uint8_t *)"5:peers", 7 });
    write_string(writer, reply->peers4);
    if (reply->peers6.len == 0) return;
    pbts_write_bytes(writer, (pbts_span){ (const uint8_t *)"6:peers6", 8 });
    write_string(writer, reply->peers6);
}

/* What the tracker signed for this user. */
static void write_ours(pbts_writer *writer, const pbts_announce_reply *reply) {
    if (reply->ticket.len + reply->membership.len + reply->beacon.len == 0) return;
    pbts_write_text(writer, "4:pbtsd");
    if (reply->beacon.len > 0) {
        pbts_write_text(writer, "6:beacon");
        write_string(writer, reply->beacon);
    }
    if (reply->membership.len > 0) {
        pbts_write_text(writer, "6:member");
        write_string(writer, reply->membership);
    }
    if (reply->ticket.len > 0) {
        pbts_write_text(writer, "6:ticket");
        pbts_write_bytes(writer, reply->ticket);
    }
    pbts_write_u8(writer, 'e');
}

void pbts_http_announce_body(pbts_writer *writer, const pbts_announce_reply *reply, bool compact) {
    uint8_t numbers[160]; /* 72 bytes of keys and marks, five numbers of at most 10 digits */
    uint8_t *at = PUT(numbers, "d8:completei");
    at = put_decimal(at, reply->complete);
    at = PUT(at, "e10:downloadedi");
    at = put_decimal(at, reply->downloaded);
    at = PUT(at, "e10:incompletei");
    at = put_decimal(at, reply->incomplete);
    at = PUT(at, "e8:intervali");
    at = put_decimal(at, reply->interval_s);
    at = PUT(at, "e12:min intervali");
    at = put_decimal(at, reply->min_interval_s);
    at = PUT(at, "e");
    pbts_write_bytes(writer, (pbts_span){ numbers, (size_t)(at - numbers) });
    write_ours(writer, reply);
    if (compact) {
        write_compact_peers(writer, reply);
    } else {
        write_peer_list(writer, reply);
    }
    if (reply->tracker_id.len > 0) {
        pbts_write_text(writer, "10:tracker id");
        write_string(writer, reply->tracker_id);
    }
    if (reply->warning.len > 0) {
        pbts_write_text(writer, "15:warning message");
        write_string(writer, reply->warning);
    }
    pbts_write_u8(writer, 'e');
}

void pbts_http_failure_body(pbts_writer *writer, const pbts_failure *failure) {
    pbts_write_text(writer, "d14:failure reason");
    write_string(writer, pbts_span_text(failure->reason));
    if (failure->retry_in_minutes < 0) {
        pbts_write_text(writer, "8:retry in5:never");
    } else if (failure->retry_in_minutes > 0) {
        pbts_write_text(writer, "8:retry ini");
        pbts_write_decimal(writer, (uint64_t)failure->retry_in_minutes);
        pbts_write_text(writer, "e");
    }
    pbts_write_text(writer, "e");
}

/* Positions of the entries in order of infohash, each infohash once; returns how many. */
static size_t sort_entries(uint8_t order[static PBTS_SCRAPE_HASHES_MAX],
                           const pbts_scrape_entry *entries, size_t count) {
    size_t sorted = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = sorted;
        int compared = 1;
        while (at > 0) {
            compared = memcmp(entries[order[at - 1]].infohash, entries[i].infohash, 20);
            if (compared <= 0) break;
            at--;
        }
        if (at > 0 && compared == 0) continue;
        memmove(&order[at + 1], &order[at], sorted - at);
        order[at] = (uint8_t)i;
        sorted++;
    }
    return sorted;
}

static void write_scrape_entry(pbts_writer *writer, const pbts_scrape_entry *entry) {
    uint8_t text[120]; /* 67 bytes of keys and hash, three numbers of at most 10 digits */
    uint8_t *at = PUT(text, "20:");
    at = put(at, (const char *)entry->infohash, sizeof entry->infohash);
    at = PUT(at, "d8:completei");
    at = put_decimal(at, entry->complete);
    at = PUT(at, "e10:downloadedi");
    at = put_decimal(at, entry->downloaded);
    at = PUT(at, "e10:incompletei");
    at = put_decimal(at, entry->incomplete);
    at = PUT(at, "ee");
    pbts_write_bytes(writer, (pbts_span){ text, (size_t)(at - text) });
}

void pbts_http_scrape_body(pbts_writer *writer, const pbts_scrape_entry *entries, size_t count) {
    assert(count <= PBTS_SCRAPE_HASHES_MAX);
    uint8_t order[PBTS_SCRAPE_HASHES_MAX];
    size_t sorted = sort_entries(order, entries, count);
    pbts_write_text(writer, "d5:filesd");
    for (size_t i = 0; i < sorted; i++) write_scrape_entry(writer, &entries[order[i]]);
    pbts_write_text(writer, "ee");
}

/* -- the HTTP answer ----------------------------------------------------------------------- */

/* The head is written from its end to its start, so that it needs no length in advance. */
static uint8_t *put_before(uint8_t *at, const char *text) {
    size_t len = strlen(text);
    return memcpy(at - len, text, len);
}

static uint8_t *put_decimal_before(uint8_t *at, uint64_t value) {
    do {
        *--at = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return at;
}

#define STATUS_LINE(code_and_text) \
    "HTTP/1.1 " code_and_text "\r\nContent-Type: text/plain\r\nContent-Length: "

static const char *head_start(unsigned http_status) {
    switch (http_status) {
    case 200: return STATUS_LINE("200 OK");
    case 400: return STATUS_LINE("400 Bad Request");
    case 403: return STATUS_LINE("403 Forbidden");
    case 404: return STATUS_LINE("404 Not Found");
    case 405: return STATUS_LINE("405 Method Not Allowed");
    case 408: return STATUS_LINE("408 Request Timeout");
    case 414: return STATUS_LINE("414 URI Too Long");
    case 429: return STATUS_LINE("429 Too Many Requests");
    case 431: return STATUS_LINE("431 Request Header Fields Too Large");
    case 503: return STATUS_LINE("503 Service Unavailable");
    default: return STATUS_LINE("500 Internal Server Error");
    }
}

pbts_span pbts_http_frame(uint8_t *frame, size_t body_len, unsigned http_status, bool keep_alive,
                          unsigned retry_after_s) {
    uint8_t *body = frame + PBTS_HTTP_HEAD_RESERVE;
    uint8_t *at = put_before(body, keep_alive ? "\r\nConnection: keep-alive\r\n\r\n"
                                              : "\r\nConnection: close\r\n\r\n");
    if (http_status == 405) at = put_before(at, "\r\nAllow: GET");
    if (retry_after_s > 0) {
        at = put_decimal_before(at, retry_after_s);
        at = put_before(at, "\r\nRetry-After: ");
    }
    at = put_decimal_before(at, body_len);
    at = put_before(at, head_start(http_status));
    assert(at >= frame);
    return (pbts_span){ at, (size_t)(body - at) + body_len };
}
