/* Source: BEP 6, "Allowed Fast Set Generation". */
#include "base/assert.h"
#include "hash/sha.h"
#include "wire/bytes.h"
#include "wire/peer_message.h"

/* The address cut to what one subscriber has, then the infohash; returns the length. */
static size_t seed_of(uint8_t out[static 16 + PBTS_INFOHASH_LEN], const pbts_addr *ip,
                      const uint8_t infohash[static PBTS_INFOHASH_LEN]) {
    size_t ip_len = pbts_addr_ip_len(ip->family), kept_len = ip->family == PBTS_IPV4 ? 3 : 6;
    memset(out, 0, ip_len);
    memcpy(out, ip->ip, kept_len);
    memcpy(out + ip_len, infohash, PBTS_INFOHASH_LEN);
    return ip_len + PBTS_INFOHASH_LEN;
}

static bool contains(const uint32_t *set, size_t count, uint32_t piece) {
    for (size_t i = 0; i < count; i++)
        if (set[i] == piece) return true;
    return false;
}

/* Add what one hash names. */
static size_t add_pieces(uint32_t *out, size_t found, size_t count,
                         const uint8_t hash[static PBTS_SHA1_LEN], uint32_t piece_count) {
    for (size_t at = 0; at < PBTS_SHA1_LEN && found < count; at += 4) {
        uint32_t piece = pbts_be32_at(hash + at) % piece_count;
        if (!contains(out, found, piece)) out[found++] = piece;
    }
    return found;
}

size_t pbts_peer_allowed_fast(uint32_t out[static PBTS_PEER_ALLOWED_FAST_MAX], size_t count,
                              const pbts_addr *ip, const uint8_t infohash[static PBTS_INFOHASH_LEN],
                              uint32_t piece_count) {
    /* A round names 5 pieces; of 33 pieces the 32nd is found after 27 rounds on average. */
    enum { ROUNDS_MAX = 1000 };
    assert(count <= PBTS_PEER_ALLOWED_FAST_MAX);
    if (piece_count <= count) {
        for (uint32_t i = 0; i < piece_count; i++) out[i] = i;
        return piece_count;
    }
    uint8_t seed[16 + PBTS_INFOHASH_LEN], hash[PBTS_SHA1_LEN];
    pbts_span hashed = { seed, seed_of(seed, ip, infohash) };
    size_t found = 0;
    for (unsigned round = 0; found < count && round < ROUNDS_MAX; round++) {
        uint8_t next[PBTS_SHA1_LEN];
        pbts_sha1(next, hashed);
        memcpy(hash, next, sizeof hash);
        found = add_pieces(out, found, count, hash, piece_count);
        hashed = PBTS_SPAN_OF(hash);
    }
    return found;
}
