#include "rest_limit.h"

#include "hash/sha.h"

enum { HOUR_S = 3600, PROBES = 8 };

static const uint32_t PER_HOUR[REST_LIMIT_KINDS] = { REST_REGISTRATIONS_PER_HOUR,
                                                     REST_BAD_SIGNATURES_PER_HOUR };

static uint32_t tag_of(uint64_t slot) {
    return (uint32_t)(slot >> 32);
}
static uint32_t full_at(uint64_t slot) {
    return (uint32_t)slot;
}

/* Where the address's search begins, and its tag, which is never 0. */
static uint32_t locate(size_t *start, pbts_span seed, const pbts_addr *addr) {
    uint8_t digest[PBTS_SHA256_LEN];
    uint32_t tag;
    pbts_addr plain = pbts_addr_unmapped(addr);
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, seed);
    pbts_sha256_update(&state, (pbts_span){ plain.ip, plain.family == PBTS_IPV4 ? 4 : 8 });
    pbts_sha256_final(&state, digest);
    memcpy(&tag, digest, sizeof tag);
    *start = (size_t)(digest[4] << 8 | digest[5]);
    return tag | 1;
}

/* The address's bucket; or else an empty or full one, or the one nearest to full. */
static _Atomic uint64_t *find(_Atomic uint64_t *slots, uint32_t tag, size_t start, uint32_t now) {
    _Atomic uint64_t *best = NULL;
    uint32_t best_at = UINT32_MAX;
    for (size_t i = 0; i < PROBES; i++) {
        _Atomic uint64_t *slot = &slots[(start + i) % REST_LIMIT_SLOTS];
        uint64_t value = atomic_load(slot);
        uint32_t at = full_at(value) < now ? 0 : full_at(value);
        if (tag_of(value) == tag) return slot;
        if (best != NULL && at >= best_at) continue;
        best = slot;
        best_at = at;
    }
    return best;
}

static bool visit(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                  const pbts_addr *addr, uint64_t mono_s, bool count) {
    size_t start;
    uint32_t now = (uint32_t)mono_s, step = HOUR_S / PER_HOUR[kind];
    uint32_t tag = locate(&start, seed, addr);
    _Atomic uint64_t *slot = find(limits->slots[kind], tag, start, now);
    uint64_t value = atomic_load(slot);
    for (;;) {
        bool mine = tag_of(value) == tag;
        uint32_t at = mine && full_at(value) > now ? full_at(value) : now;
        if (at + step > now + HOUR_S) return false;
        uint64_t next = (uint64_t)tag << 32 | (at + step);
        if (!count || atomic_compare_exchange_weak(slot, &value, next)) return true;
    }
}

bool rest_limits_allow(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                       const pbts_addr *addr, uint64_t mono_s) {
    return visit(limits, kind, seed, addr, mono_s, false);
}

bool rest_limits_take(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                      const pbts_addr *addr, uint64_t mono_s) {
    return visit(limits, kind, seed, addr, mono_s, true);
}
