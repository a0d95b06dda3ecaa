/* Decoding of announce and scrape queries: one pass, each value read by the reader of its key,
 * right out of the request. The bodies of the answers are in http_reply.c. Source: BEP 3, 7, 21,
 * 23, 24. */
#include "wire/http_announce.h"

enum { HASH_LEN = 20 };

/* What is unread of the query. */
typedef struct {
    const uint8_t *at, *end;
} rest;

typedef enum {
    KEY_INFO_HASH,
    KEY_PEER_ID,
    KEY_PORT,
    KEY_UPLOADED,
    KEY_DOWNLOADED,
    KEY_LEFT,
    KEY_EVENT,
    KEY_NUMWANT,
    KEY_COMPACT,
    KEY_NO_PEER_ID,
    KEY_TRACKER_ID,
    KEY_UID,
    KEY_PK,
    KEY_TIME,
    KEY_SIG,
    KEY_UNKNOWN
} query_key;

/* Values of hex digits plus one; 0 means no digit. */
static const uint8_t HEX_PLUS_1[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* -- keys and values ----------------------------------------------------------------------- */

static query_key key_of(const uint8_t *key, size_t len) {
#define KEY_IS(text, name) \
    if (memcmp(key, text, sizeof text - 1) == 0) return name
    switch (len) {
    case 2: KEY_IS("pk", KEY_PK); break;
    case 3:
        KEY_IS("uid", KEY_UID);
        KEY_IS("sig", KEY_SIG);
        break;
    case 4:
        KEY_IS("port", KEY_PORT);
        KEY_IS("left", KEY_LEFT);
        KEY_IS("time", KEY_TIME);
        break;
    case 5: KEY_IS("event", KEY_EVENT); break;
    case 7:
        KEY_IS("peer_id", KEY_PEER_ID);
        KEY_IS("numwant", KEY_NUMWANT);
        KEY_IS("compact", KEY_COMPACT);
        break;
    case 8: KEY_IS("uploaded", KEY_UPLOADED); break;
    case 9:
        KEY_IS("info_hash", KEY_INFO_HASH);
        KEY_IS("trackerid", KEY_TRACKER_ID);
        break;
    case 10:
        KEY_IS("downloaded", KEY_DOWNLOADED);
        KEY_IS("no_peer_id", KEY_NO_PEER_ID);
        break;
    default: break;
    }
#undef KEY_IS
    return KEY_UNKNOWN;
}

/* Read a key and its '='; a key without one has an empty value. */
static query_key read_key(rest *in) {
    const uint8_t *key = in->at;
    const uint8_t *at = key;
    while (at < in->end && *at != '=' && *at != '&') at++;
    in->at = at < in->end && *at == '=' ? at + 1 : at;
    return key_of(key, (size_t)(at - key));
}

/* The value, still encoded; leaves `at` behind it. */
static pbts_span read_raw(rest *in) {
    const uint8_t *value = in->at;
    const uint8_t *at = value;
    while (at < in->end && *at != '&') at++;
    in->at = at;
    return (pbts_span){ value, (size_t)(at - value) };
}

static bool at_value_end(const rest *in) {
    return in->at == in->end || *in->at == '&';
}

/* Decode one byte, "%XX" or itself; false at the end of the value and for a bad escape. */
static inline bool read_byte(rest *in, uint8_t *out) {
    const uint8_t *at = in->at;
    if (at == in->end) return false;
    if (*at == '%') {
        if (in->end - at < 3) return false;
        unsigned high = HEX_PLUS_1[at[1]], low = HEX_PLUS_1[at[2]];
        if (high == 0 || low == 0) return false;
        *out = (uint8_t)((high - 1) << 4 | (low - 1));
        in->at = at + 3;
        return true;
    }
    if (*at == '&') return false;
    *out = *at;
    in->at = at + 1;
    return true;
}

/* Exactly 20 bytes. */
static bool read_hash(rest *in, uint8_t out[static HASH_LEN]) {
    rest now = *in;
    for (size_t i = 0; i < HASH_LEN; i++) {
        if (!read_byte(&now, &out[i])) return false;
    }
    *in = now;
    return at_value_end(in);
}

/* Decimal digits and nothing else; more than 64 bits saturate. False leaves `out` alone. */
static bool read_uint(rest *in, uint64_t *out) {
    const uint8_t *first = in->at;
    uint64_t value = 0;
    bool overflow = false;
    for (; in->at < in->end; in->at++) {
        unsigned digit = (unsigned)*in->at - '0';
        if (digit > 9) break;
        overflow |= __builtin_mul_overflow(value, 10u, &value);
        overflow |= __builtin_add_overflow(value, digit, &value);
    }
    if (in->at == first || !at_value_end(in)) return false;
    *out = overflow ? UINT64_MAX : value;
    return true;
}

static bool read_port(rest *in, uint16_t *out) {
    uint64_t value;
    if (!read_uint(in, &value) || value > UINT16_MAX) return false;
    *out = (uint16_t)value;
    return true;
}

/* Anything that is no number means the tracker's choice, as a negative number does. */
static int32_t read_numwant(rest *in) {
    uint64_t value;
    if (!read_uint(in, &value)) return -1;
    return value < PBTS_NUMWANT_MAX ? (int32_t)value : PBTS_NUMWANT_MAX;
}

static pbts_event read_event(rest *in) {
    pbts_span name = read_raw(in);
    switch (name.len) {
    case 6: return memcmp(name.data, "paused", 6) == 0 ? PBTS_EVENT_PAUSED : PBTS_EVENT_NONE;
    case 7:
        if (memcmp(name.data, "started", 7) == 0) return PBTS_EVENT_STARTED;
        return memcmp(name.data, "stopped", 7) == 0 ? PBTS_EVENT_STOPPED : PBTS_EVENT_NONE;
    case 9: return memcmp(name.data, "completed", 9) == 0 ? PBTS_EVENT_COMPLETED : PBTS_EVENT_NONE;
    default: return PBTS_EVENT_NONE;
    }
}

static bool read_is(rest *in, char digit) {
    pbts_span value = read_raw(in);
    return value.len == 1 && value.data[0] == (uint8_t)digit;
}

/* -- announce ------------------------------------------------------------------------------ */

typedef struct {
    pbts_announce message;
    uint32_t seen; /* bit per query_key */
    uint8_t *scratch;
    size_t scratch_left;
    const char *problem;
} decoding;

/* A text value: borrowed when it has no escapes, else decoded into the scratch space. */
static bool read_text(decoding *d, rest *in, pbts_span *out) {
    rest value = *in;
    pbts_span raw = read_raw(in);
    if (raw.len == 0 || memchr(raw.data, '%', raw.len) == NULL) {
        *out = raw;
        return true;
    }
    value.end = in->at;
    size_t len = 0;
    while (value.at < value.end) {
        if (len == d->scratch_left || !read_byte(&value, &d->scratch[len])) {
            d->problem = "a parameter is badly escaped or too long";
            return false;
        }
        len++;
    }
    *out = (pbts_span){ d->scratch, len };
    d->scratch += len;
    d->scratch_left -= len;
    return true;
}

/* Read the value of `key`; false, with `problem` set, when the announce cannot be served. */
static bool read_value(decoding *d, rest *in, query_key key) {
    pbts_announce *m = &d->message;
    switch (key) {
    case KEY_INFO_HASH: d->problem = "info_hash is not 20 bytes"; return read_hash(in, m->infohash);
    case KEY_PEER_ID: d->problem = "peer_id is not 20 bytes"; return read_hash(in, m->peer_id);
    case KEY_PORT: d->problem = "port is not a port number"; return read_port(in, &m->port);
    /* Counters that are no numbers leave the default: zero, and an unknown `left`. */
    case KEY_UPLOADED: (void)read_uint(in, &m->uploaded_bytes); return true;
    case KEY_DOWNLOADED: (void)read_uint(in, &m->downloaded_bytes); return true;
    case KEY_LEFT: (void)read_uint(in, &m->left_bytes); return true;
    case KEY_EVENT: m->event = read_event(in); return true;
    case KEY_NUMWANT: m->numwant = read_numwant(in); return true;
    case KEY_COMPACT: m->compact = !read_is(in, '0'); return true;
    case KEY_NO_PEER_ID: m->no_peer_id = read_is(in, '1'); return true;
    case KEY_TRACKER_ID: return read_text(d, in, &m->tracker_id);
    case KEY_UID: return read_text(d, in, &m->uid);
    case KEY_PK: return read_text(d, in, &m->pk);
    case KEY_TIME: return read_text(d, in, &m->time);
    case KEY_SIG: return read_text(d, in, &m->sig);
    case KEY_UNKNOWN: return true;
    }
    return true;
}

/* What must be there, and be possible together. */
static bool is_complete(decoding *d) {
    static const struct {
        query_key key;
        const char *problem;
    } REQUIRED[] = {
        { KEY_INFO_HASH, "info_hash is missing" },
        { KEY_PEER_ID, "peer_id is missing" },
        { KEY_PORT, "port is missing" },
    };
    for (size_t i = 0; i < sizeof REQUIRED / sizeof REQUIRED[0]; i++) {
        d->problem = REQUIRED[i].problem;
        if ((d->seen & 1u << REQUIRED[i].key) == 0) return false;
    }
    d->problem = "port 0 cannot be reached";
    return d->message.port != 0 || d->message.event == PBTS_EVENT_STOPPED;
}

pbts_status pbts_http_announce_decode(pbts_announce *out, const char **problem, pbts_span query,
                                      uint8_t scratch[static PBTS_ANNOUNCE_SCRATCH_LEN]) {
    decoding d = { .message = { .left_bytes = UINT64_MAX, .numwant = -1, .compact = true },
                   .scratch = scratch,
                   .scratch_left = PBTS_ANNOUNCE_SCRATCH_LEN };
    pbts_cursor bytes = pbts_cursor_over(query);
    rest in = { bytes.next, bytes.end };
    while (in.at < in.end) {
        query_key key = read_key(&in);
        bool first = key != KEY_UNKNOWN && (d.seen & 1u << key) == 0;
        if (first && !read_value(&d, &in, key)) {
            *problem = d.problem;
            return PBTS_MALFORMED;
        }
        if (first) d.seen |= 1u << key;
        (void)read_raw(&in); /* what the value's reader left, or all of it */
        if (in.at < in.end) in.at++;
    }
    if (!is_complete(&d)) {
        *problem = d.problem;
        return PBTS_MALFORMED;
    }
    *out = d.message;
    return PBTS_OK;
}

/* -- scrape -------------------------------------------------------------------------------- */

pbts_status pbts_http_scrape_decode(uint8_t (*infohashes)[20], size_t *count, const char **problem,
                                    pbts_span query) {
    uint8_t found[PBTS_SCRAPE_HASHES_MAX][HASH_LEN];
    size_t found_count = 0;
    pbts_cursor bytes = pbts_cursor_over(query);
    rest in = { bytes.next, bytes.end };
    while (in.at < in.end) {
        if (read_key(&in) == KEY_INFO_HASH) {
            if (found_count == PBTS_SCRAPE_HASHES_MAX) {
                *problem = "too many torrents in one scrape";
                return PBTS_LIMIT;
            }
            if (!read_hash(&in, found[found_count++])) {
                *problem = "info_hash is not 20 bytes";
                return PBTS_MALFORMED;
            }
        }
        (void)read_raw(&in);
        if (in.at < in.end) in.at++;
    }
    if (found_count == 0) {
        *problem = "info_hash is missing";
        return PBTS_MALFORMED;
    }
    memcpy(infohashes, found, found_count * HASH_LEN);
    *count = found_count;
    return PBTS_OK;
}
