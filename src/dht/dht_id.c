#include "dht/dht_id.h"

#include <endian.h>

#include "hash/sha.h"

/* Of the bytes from `at` on, as a big-endian number. */
static uint64_t distance(const pbts_dht_id *a, const pbts_dht_id *b, size_t at) {
    uint64_t of_a, of_b;
    memcpy(&of_a, a->bytes + at, sizeof of_a);
    memcpy(&of_b, b->bytes + at, sizeof of_b);
    return be64toh(of_a ^ of_b);
}

int pbts_dht_id_compare(const pbts_dht_id *target, const pbts_dht_id *a, const pbts_dht_id *b) {
    static const size_t WORDS[] = { 0, 8, PBTS_DHT_ID_LEN - 8 }; /* the last overlaps */
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        uint64_t to_a = distance(a, target, WORDS[i]), to_b = distance(b, target, WORDS[i]);
        if (to_a != to_b) return to_a < to_b ? -1 : 1;
    }
    return 0;
}

unsigned pbts_dht_id_common_bits(const pbts_dht_id *a, const pbts_dht_id *b) {
    for (unsigned i = 0; i < PBTS_DHT_ID_LEN; i++) {
        unsigned differing = (unsigned)(a->bytes[i] ^ b->bytes[i]);
        if (differing != 0) return 8 * i + (unsigned)__builtin_clz(differing) - 24;
    }
    return PBTS_DHT_ID_BITS;
}

void pbts_dht_tag(uint8_t out[static PBTS_DHT_TAG_LEN],
                  const uint8_t iid[static PBTS_DHT_IID_LEN]) {
    pbts_sha256_state state;
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/dht/tag/1"));
    pbts_sha256_update(&state, (pbts_span){ iid, PBTS_DHT_IID_LEN });
    pbts_sha256_final(&state, digest);
    memcpy(out, digest, PBTS_DHT_TAG_LEN);
}

uint64_t pbts_dht_prefix(const pbts_addr *addr) {
    size_t len = addr->family == PBTS_IPV4 ? 3 : 6;
    uint64_t prefix = addr->family;
    for (size_t i = 0; i < len; i++) prefix = prefix << 8 | addr->ip[i];
    return prefix;
}

bool pbts_dht_addr_usable(const pbts_addr *addr) {
    static const uint8_t NULL_IP[16] = { 0 };
    if (addr->port == 0) return false;
    if (memcmp(addr->ip, NULL_IP, sizeof NULL_IP) == 0) return false;
    /* 0.0.0.0/8, and from 224.0.0.0 on: multicast, reserved, broadcast. */
    if (addr->family == PBTS_IPV4) return addr->ip[0] != 0 && addr->ip[0] < 224;
    return addr->ip[0] != 0xFF && pbts_addr_unmapped(addr).family == PBTS_IPV6;
}

typedef enum { SCOPE_HOST, SCOPE_LINK, SCOPE_PRIVATE, SCOPE_WORLD } scope;

/* RFC 1122, 3927, 1918, 6598. */
static scope scope_v4(const uint8_t *ip) {
    if (ip[0] == 127) return SCOPE_HOST;
    if (ip[0] == 169 && ip[1] == 254) return SCOPE_LINK;
    bool is_private = ip[0] == 10 || (ip[0] == 172 && ip[1] >> 4 == 1) ||
                      (ip[0] == 192 && ip[1] == 168) || (ip[0] == 100 && ip[1] >> 6 == 1);
    return is_private ? SCOPE_PRIVATE : SCOPE_WORLD;
}

/* RFC 4291, 4193. */
static scope scope_v6(const uint8_t *ip) {
    static const uint8_t LOOPBACK[16] = { [15] = 1 };
    if (memcmp(ip, LOOPBACK, sizeof LOOPBACK) == 0) return SCOPE_HOST;
    if (ip[0] == 0xFE && ip[1] >> 6 == 2) return SCOPE_LINK;
    return (ip[0] & 0xFE) == 0xFC ? SCOPE_PRIVATE : SCOPE_WORLD;
}

static scope scope_of(const pbts_addr *addr) {
    return addr->family == PBTS_IPV4 ? scope_v4(addr->ip) : scope_v6(addr->ip);
}

bool pbts_dht_addr_may_name(const pbts_addr *from, const pbts_addr *addr) {
    return scope_of(addr) >= scope_of(from);
}

bool pbts_dht_addr_is_private(const pbts_addr *addr) {
    return scope_of(addr) != SCOPE_WORLD;
}

bool pbts_dht_addr_same_host(const pbts_addr *a, const pbts_addr *b) {
    if (a->family != b->family) return false;
    return memcmp(a->ip, b->ip, a->family == PBTS_IPV4 ? 4 : 8) == 0;
}
