#include "torrent/fallback.h"

#include "base/assert.h"

enum { NODE4_LEN = 6, NODE6_LEN = 18 };

/* ---- reading ---- */

/* A string of `len` bytes, or nothing. */
static pbts_status read_exact(pbts_span *out, const pbts_bvalue *dict, const char *key,
                              size_t len) {
    pbts_bvalue value;
    if (!pbts_bdict_find(dict, key, &value)) return PBTS_OK;
    if (value.type != PBTS_BSTRING || value.string.len != len) return PBTS_MALFORMED;
    *out = value.string;
    return PBTS_OK;
}

static pbts_status read_nodes(pbts_span *out, const pbts_bvalue *dict, const char *key,
                              size_t node_len) {
    pbts_bvalue value;
    if (!pbts_bdict_find(dict, key, &value)) return PBTS_OK;
    if (value.type != PBTS_BSTRING || value.string.len % node_len != 0) return PBTS_MALFORMED;
    size_t most = PBTS_FALLBACK_NODES_MAX * node_len;
    *out = (pbts_span){ value.string.data, value.string.len < most ? value.string.len : most };
    return PBTS_OK;
}

static pbts_status read_contract(pbts_torrent_fallback *out, const pbts_bvalue *dict) {
    pbts_bvalue chain;
    bool has_chain = pbts_bdict_find(dict, "chain", &chain);
    PBTS_TRY(read_exact(&out->contract, dict, "contract", PBTS_FALLBACK_CONTRACT_LEN));
    if (has_chain != (out->contract.len > 0)) return PBTS_MALFORMED;
    if (!has_chain) return PBTS_OK;
    if (chain.type != PBTS_BINT || chain.integer < 0) return PBTS_MALFORMED;
    out->chain_id = (uint64_t)chain.integer;
    return PBTS_OK;
}

static pbts_status read_all(pbts_torrent_fallback *out, const pbts_bvalue *dict) {
    pbts_torrent_fallback found = { .chain_id = 0 };
    PBTS_TRY(read_exact(&found.beacon, dict, "beacon", PBTS_FALLBACK_BEACON_LEN));
    PBTS_TRY(read_contract(&found, dict));
    PBTS_TRY(read_exact(&found.iid, dict, "iid", PBTS_FALLBACK_IID_LEN));
    PBTS_TRY(read_exact(&found.tracker_key, dict, "key", PBTS_FALLBACK_KEY_LEN));
    PBTS_TRY(read_exact(&found.membership, dict, "member", PBTS_FALLBACK_MEMBERSHIP_LEN));
    PBTS_TRY(read_nodes(&found.nodes4, dict, "nodes", NODE4_LEN));
    PBTS_TRY(read_nodes(&found.nodes6, dict, "nodes6", NODE6_LEN));
    *out = found;
    return PBTS_OK;
}

/* A file has arrived whole, so a value that is cut short is a bad one. */
static pbts_status parse(pbts_bvalue *out, pbts_span bytes) {
    pbts_status status = pbts_bencode_parse(out, bytes);
    if (status == PBTS_NEED_MORE) return PBTS_MALFORMED;
    if (status == PBTS_OK && out->type != PBTS_BDICT) return PBTS_MALFORMED;
    return status;
}

pbts_status pbts_torrent_fallback_decode(pbts_torrent_fallback *out, pbts_span dictionary) {
    pbts_bvalue dict;
    PBTS_TRY(parse(&dict, dictionary));
    return read_all(out, &dict);
}

pbts_status pbts_torrent_fallback_find(pbts_torrent_fallback *out, pbts_span torrent) {
    pbts_bvalue root, dict;
    PBTS_TRY(parse(&root, torrent));
    if (!pbts_bdict_find(&root, "pbts", &dict)) return PBTS_NOT_FOUND;
    if (dict.type != PBTS_BDICT) return PBTS_MALFORMED;
    return read_all(out, &dict);
}

/* ---- writing ---- */

static void write_string(pbts_writer *writer, const char *key, pbts_span value) {
    if (value.len == 0) return;
    pbts_bencode_text(writer, key);
    pbts_bencode_string(writer, value);
}

void pbts_torrent_fallback_encode(pbts_writer *writer, const pbts_torrent_fallback *fallback) {
    pbts_write_u8(writer, 'd');
    write_string(writer, "beacon", fallback->beacon);
    if (fallback->contract.len > 0) {
        assert(fallback->chain_id <= INT64_MAX);
        pbts_bencode_text(writer, "chain");
        pbts_bencode_uint(writer, fallback->chain_id);
    }
    write_string(writer, "contract", fallback->contract);
    write_string(writer, "iid", fallback->iid);
    write_string(writer, "key", fallback->tracker_key);
    write_string(writer, "member", fallback->membership);
    write_string(writer, "nodes", fallback->nodes4);
    write_string(writer, "nodes6", fallback->nodes6);
    pbts_write_u8(writer, 'e');
}

/* ---- nodes ---- */

static void read_node(pbts_addr *out, pbts_span nodes, size_t at, pbts_family family) {
    size_t ip_len = pbts_addr_ip_len(family);
    const uint8_t *node = nodes.data + at * (ip_len + 2);
    *out =
        (pbts_addr){ .family = family, .port = (uint16_t)(node[ip_len] << 8 | node[ip_len + 1]) };
    memcpy(out->ip, node, ip_len);
}

bool pbts_torrent_fallback_next(pbts_addr *out, size_t *at, const pbts_torrent_fallback *fallback) {
    static const uint8_t NOBODY[16] = { 0 };
    size_t count4 = fallback->nodes4.len / NODE4_LEN, count6 = fallback->nodes6.len / NODE6_LEN;
    while (*at < count4 + count6) {
        pbts_addr addr;
        size_t i = (*at)++;
        if (i < count4) {
            read_node(&addr, fallback->nodes4, i, PBTS_IPV4);
        } else {
            read_node(&addr, fallback->nodes6, i - count4, PBTS_IPV6);
        }
        addr = pbts_addr_unmapped(&addr);
        if (addr.port == 0 || memcmp(addr.ip, NOBODY, sizeof NOBODY) == 0) continue;
        *out = addr;
        return true;
    }
    return false;
}

bool pbts_torrent_fallback_add(pbts_writer *nodes4, pbts_writer *nodes6, const pbts_addr *addr) {
    size_t ip_len = pbts_addr_ip_len(addr->family);
    pbts_writer *nodes = addr->family == PBTS_IPV4 ? nodes4 : nodes6;
    if (nodes->len >= PBTS_FALLBACK_NODES_MAX * (ip_len + 2)) return false;
    pbts_write_bytes(nodes, (pbts_span){ addr->ip, ip_len });
    pbts_write_u16(nodes, addr->port);
    return true;
}
