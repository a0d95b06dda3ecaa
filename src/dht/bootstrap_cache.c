#include "dht/bootstrap_cache.h"

#include "base/assert.h"
#include "dht/dht_id.h"
#include "hash/sha.h"

static const char MAGIC[] = "pbts-nodes1\n";
enum { MAGIC_LEN = sizeof MAGIC - 1, HEAD_LEN = MAGIC_LEN + PBTS_SHA256_LEN };

/* ---- the list ---- */

static bool is_same_prefix(const pbts_addr *a, const pbts_addr *b) {
    size_t len = a->family == PBTS_IPV4 ? 3 : 6;
    return a->family == b->family && memcmp(a->ip, b->ip, len) == 0;
}

static bool is_same_addr(const pbts_addr *a, const pbts_addr *b) {
    return pbts_addr_equal_ip(a, b) && a->port == b->port;
}

static void remove_at(pbts_dht_bootstrap *cache, size_t at) {
    pbts_dht_bootstrap_node *nodes = cache->nodes;
    memmove(nodes + at, nodes + at + 1, (cache->count - at - 1) * sizeof *nodes);
    cache->count--;
}

/* How many share the prefix of `addr`, and the last of them. */
static size_t count_prefix(const pbts_dht_bootstrap *cache, size_t *last, const pbts_addr *addr) {
    size_t count = 0;
    for (size_t i = 0; i < cache->count; i++) {
        if (!is_same_prefix(&cache->nodes[i].addr, addr)) continue;
        *last = i;
        count++;
    }
    return count;
}

/* Make room for a node seen at `seen_s`; false: all that it competes with were seen later. */
static bool make_room(pbts_dht_bootstrap *cache, const pbts_addr *addr, uint64_t seen_s) {
    size_t last = cache->count;
    bool is_full = count_prefix(cache, &last, addr) == PBTS_DHT_BOOTSTRAP_PER_PREFIX;
    if (!is_full && cache->count < PBTS_DHT_BOOTSTRAP_MAX) return true;
    if (!is_full) last = cache->count - 1;
    if (cache->nodes[last].seen_s > seen_s) return false;
    remove_at(cache, last);
    return true;
}

static void insert(pbts_dht_bootstrap *cache, const pbts_addr *addr, uint64_t seen_s) {
    pbts_dht_bootstrap_node *nodes = cache->nodes;
    size_t at = 0;
    assert(cache->count < PBTS_DHT_BOOTSTRAP_MAX);
    while (at < cache->count && nodes[at].seen_s > seen_s) at++;
    memmove(nodes + at + 1, nodes + at, (cache->count - at) * sizeof *nodes);
    nodes[at] = (pbts_dht_bootstrap_node){ *addr, seen_s };
    cache->count++;
}

void pbts_dht_bootstrap_note(pbts_dht_bootstrap *cache, const pbts_addr *given, uint64_t seen_s) {
    pbts_addr addr = pbts_addr_unmapped(given);
    if (!pbts_dht_addr_usable(&addr)) return;
    for (size_t i = 0; i < cache->count; i++) {
        if (!is_same_addr(&cache->nodes[i].addr, &addr)) continue;
        if (cache->nodes[i].seen_s >= seen_s) return;
        remove_at(cache, i);
        break;
    }
    if (make_room(cache, &addr, seen_s)) insert(cache, &addr, seen_s);
}

void pbts_dht_bootstrap_set_clock(pbts_dht_bootstrap *cache, uint64_t now_s) {
    for (size_t i = 0; i < cache->count; i++) {
        if (cache->nodes[i].seen_s > now_s) cache->nodes[i].seen_s = now_s;
    }
}

/* ---- the file ---- */

static pbts_status read_node(pbts_dht_bootstrap_node *out, pbts_cursor *in) {
    uint8_t family = 0;
    pbts_addr *addr = &out->addr;
    PBTS_TRY(pbts_read_u8(in, &family));
    PBTS_TRY(pbts_read_bytes(in, addr->ip, sizeof addr->ip));
    PBTS_TRY(pbts_read_u16(in, &addr->port));
    PBTS_TRY(pbts_read_u64(in, &out->seen_s));
    if (family != PBTS_IPV4 && family != PBTS_IPV6) return PBTS_MALFORMED;
    addr->family = (pbts_family)family;
    for (size_t i = pbts_addr_ip_len(addr->family); i < sizeof addr->ip; i++) {
        if (addr->ip[i] != 0) return PBTS_MALFORMED;
    }
    return PBTS_OK;
}

/* Noting the nodes one by one keeps all of them, in their order, if and only if the file is as the
 * invariant says. Equal times are noted backwards, because the later one goes in front. */
static pbts_status read_nodes(pbts_dht_bootstrap *out, pbts_span body, size_t count) {
    for (size_t i = count; i > 0; i--) {
        pbts_dht_bootstrap_node node;
        pbts_cursor in = pbts_cursor_over((pbts_span){
            body.data + (i - 1) * PBTS_DHT_BOOTSTRAP_NODE_LEN, PBTS_DHT_BOOTSTRAP_NODE_LEN });
        PBTS_TRY(read_node(&node, &in));
        size_t before = out->count;
        pbts_dht_bootstrap_note(out, &node.addr, node.seen_s);
        if (out->count != before + 1 || out->nodes[0].seen_s != node.seen_s ||
            out->nodes[0].addr.family != node.addr.family ||
            !is_same_addr(&out->nodes[0].addr, &node.addr)) {
            return PBTS_MALFORMED;
        }
    }
    return PBTS_OK;
}

pbts_status pbts_dht_bootstrap_decode(pbts_dht_bootstrap *out, pbts_span bytes) {
    uint8_t hash[PBTS_SHA256_LEN];
    uint16_t count = 0;
    if (bytes.len > PBTS_DHT_BOOTSTRAP_LEN_MAX) return PBTS_LIMIT;
    if (bytes.len < HEAD_LEN + 2 || memcmp(bytes.data, MAGIC, MAGIC_LEN) != 0) {
        return PBTS_MALFORMED;
    }
    pbts_span body = { bytes.data + HEAD_LEN, bytes.len - HEAD_LEN };
    pbts_sha256(hash, body);
    if (memcmp(hash, bytes.data + MAGIC_LEN, sizeof hash) != 0) return PBTS_MALFORMED;
    pbts_cursor in = pbts_cursor_over(body);
    PBTS_TRY(pbts_read_u16(&in, &count));
    body = pbts_cursor_rest(&in);
    if (count > PBTS_DHT_BOOTSTRAP_MAX) return PBTS_LIMIT;
    if (body.len != (size_t)count * PBTS_DHT_BOOTSTRAP_NODE_LEN) return PBTS_MALFORMED;
    pbts_dht_bootstrap cache = { .count = 0 };
    PBTS_TRY(read_nodes(&cache, body, count));
    *out = cache;
    return PBTS_OK;
}

void pbts_dht_bootstrap_encode(pbts_writer *writer, const pbts_dht_bootstrap *cache) {
    pbts_write_text(writer, MAGIC);
    uint8_t *hash = pbts_write_reserve(writer, PBTS_SHA256_LEN);
    size_t start = writer->len;
    pbts_write_u16(writer, (uint16_t)cache->count);
    for (size_t i = 0; i < cache->count; i++) {
        const pbts_dht_bootstrap_node *node = &cache->nodes[i];
        pbts_write_u8(writer, (uint8_t)node->addr.family);
        pbts_write_bytes(writer, PBTS_SPAN_OF(node->addr.ip));
        pbts_write_u16(writer, node->addr.port);
        pbts_write_u64(writer, node->seen_s);
    }
    if (writer->failed) return;
    pbts_sha256(hash, (pbts_span){ writer->data + start, writer->len - start });
}
