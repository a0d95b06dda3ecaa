#include "torrent/magnet.h"

#include "codec/text.h"

static const char SCHEME[] = "magnet:?";
enum {
    SCHEME_LEN = sizeof SCHEME - 1,
    BASE32_LEN = 32,  /* of a v1 infohash */
    MULTIHASH_LEN = 2 /* 0x12: SHA-256, 0x20: of 32 bytes */
};

typedef struct {
    pbts_magnet magnet;
    uint8_t *scratch; /* what is left of it */
} magnet_parser;

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* Whether `text` begins with a lower-case `prefix`, written in either case. */
static bool begins_with(pbts_span text, const char *prefix) {
    size_t len = strlen(prefix);
    if (text.len < len) return false;
    for (size_t i = 0; i < len; i++) {
        if (lower(text.data[i]) != (uint8_t)prefix[i]) return false;
    }
    return true;
}

static pbts_span behind(pbts_span text, size_t len) {
    return (pbts_span){ text.data + len, text.len - len };
}

bool pbts_magnet_is(pbts_span text) {
    return begins_with(text, "magnet:");
}

/* ---- parameters ---- */

/* "tr", "tr.1" and "tr.27" are all called "tr". */
static bool key_is(pbts_span key, const char *name) {
    size_t len = strlen(name);
    if (key.len < len || memcmp(key.data, name, len) != 0) return false;
    if (key.len == len) return true;
    if (key.data[len] != '.' || key.len == len + 1) return false;
    for (size_t i = len + 1; i < key.len; i++) {
        if (key.data[i] < '0' || key.data[i] > '9') return false;
    }
    return true;
}

/* Decode escapes into the scratch space; what comes out is never longer than what went in. */
static pbts_status unescape(magnet_parser *parser, pbts_span *out, pbts_span text) {
    uint8_t *at = parser->scratch;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte == '%') {
            if (text.len - i < 3) return PBTS_MALFORMED;
            PBTS_TRY(pbts_hex_decode_exact(&byte, 1, (pbts_span){ text.data + i + 1, 2 }));
            i += 2;
        }
        *at++ = byte;
    }
    *out = (pbts_span){ parser->scratch, (size_t)(at - parser->scratch) };
    parser->scratch = at;
    return PBTS_OK;
}

/* The same infohash twice is one; two of them is none. */
static pbts_status take_hash(bool *has, uint8_t *out, const uint8_t *hash, size_t len) {
    if (*has && memcmp(out, hash, len) != 0) return PBTS_MALFORMED;
    memcpy(out, hash, len);
    *has = true;
    return PBTS_OK;
}

static pbts_status take_v1(pbts_magnet *magnet, pbts_span text) {
    uint8_t hash[PBTS_INFOHASH_LEN];
    if (text.len == BASE32_LEN) {
        PBTS_TRY(pbts_base32_decode_exact(hash, sizeof hash, text));
    } else {
        PBTS_TRY(pbts_hex_decode_exact(hash, sizeof hash, text));
    }
    return take_hash(&magnet->has_v1, magnet->infohash_v1, hash, sizeof hash);
}

static pbts_status take_v2(pbts_magnet *magnet, pbts_span text) {
    uint8_t multihash[MULTIHASH_LEN + PBTS_SHA256_LEN];
    PBTS_TRY(pbts_hex_decode_exact(multihash, sizeof multihash, text));
    if (multihash[0] != 0x12 || multihash[1] != PBTS_SHA256_LEN) return PBTS_MALFORMED;
    return take_hash(&magnet->has_v2, magnet->infohash_v2, multihash + MULTIHASH_LEN,
                     PBTS_SHA256_LEN);
}

static pbts_status take_topic(pbts_magnet *magnet, pbts_span value) {
    static const char V1[] = "urn:btih:", V2[] = "urn:btmh:";
    if (begins_with(value, V1)) return take_v1(magnet, behind(value, sizeof V1 - 1));
    if (begins_with(value, V2)) return take_v2(magnet, behind(value, sizeof V2 - 1));
    return PBTS_OK; /* the same thing on another network */
}

static void take_peer(pbts_magnet *magnet, pbts_span value) {
    pbts_addr addr;
    if (magnet->peer_count == PBTS_MAGNET_PEERS_MAX) return;
    if (pbts_addr_parse_endpoint(&addr, value) == PBTS_OK) {
        magnet->peers[magnet->peer_count++] = addr;
    }
}

static void take_tracker(pbts_magnet *magnet, pbts_span value) {
    if (value.len == 0 || magnet->tracker_count == PBTS_MAGNET_TRACKERS_MAX) return;
    magnet->trackers[magnet->tracker_count++] = value;
}

static pbts_status take_parameter(magnet_parser *parser, pbts_span parameter) {
    const uint8_t *equals = parameter.len > 0 ? memchr(parameter.data, '=', parameter.len) : NULL;
    if (equals == NULL) return PBTS_OK;
    pbts_span key = { parameter.data, (size_t)(equals - parameter.data) }, value;
    PBTS_TRY(unescape(parser, &value, behind(parameter, key.len + 1)));
    if (key_is(key, "xt")) return take_topic(&parser->magnet, value);
    if (key_is(key, "tr")) take_tracker(&parser->magnet, value);
    if (key_is(key, "x.pe")) take_peer(&parser->magnet, value);
    if (key_is(key, "dn")) parser->magnet.name = value;
    return PBTS_OK;
}

pbts_status pbts_magnet_parse(pbts_magnet *out, uint8_t *scratch, pbts_span text) {
    magnet_parser parser = { .scratch = scratch };
    if (text.len > PBTS_MAGNET_LEN_MAX) return PBTS_LIMIT;
    if (!begins_with(text, SCHEME)) return PBTS_MALFORMED;
    pbts_span rest = behind(text, SCHEME_LEN);
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.data, '&', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        PBTS_TRY(take_parameter(&parser, (pbts_span){ rest.data, len }));
        rest = behind(rest, end == NULL ? len : len + 1);
    }
    if (!parser.magnet.has_v1 && !parser.magnet.has_v2) return PBTS_MALFORMED;
    *out = parser.magnet;
    return PBTS_OK;
}
