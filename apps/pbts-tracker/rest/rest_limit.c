#include "rest_limit.h"

#include "base/assert.h"
#include "hash/sha.h"

enum { HOUR_MS = 3600 * 1000, MINUTE_MS = 60 * 1000, PROBES = 8, TIME_BITS = 40 };

/* How far ahead of now an empty bucket is full again, and what one of it takes. */
static const struct {
    uint32_t span_ms, step_ms;
} KINDS[REST_LIMIT_KINDS] = {
    [REST_LIMIT_REGISTRATION] = { HOUR_MS, HOUR_MS / REST_REGISTRATIONS_PER_HOUR },
    [REST_LIMIT_BAD_SIGNATURE] = { HOUR_MS, HOUR_MS / REST_BAD_SIGNATURES_PER_HOUR },
    [REST_LIMIT_ATTESTATION] = { MINUTE_MS, MINUTE_MS / REST_ATTESTATIONS_PER_MINUTE },
    [REST_LIMIT_ADDRESS_CPU] = { MINUTE_MS, 1 },
    [REST_LIMIT_USER_CPU] = { MINUTE_MS, 1 },
};

struct rest_limit_who rest_limit_address(const pbts_addr *addr) {
    struct rest_limit_who who = { .len = 0 };
    pbts_addr plain = pbts_addr_unmapped(addr);
    who.len = plain.family == PBTS_IPV4 ? 4 : 8; /* an IPv6 customer has a whole /64 */
    memcpy(who.bytes, plain.ip, who.len);
    return who;
}

struct rest_limit_who rest_limit_user(pbts_span name) {
    struct rest_limit_who who = { .len = (uint8_t)name.len };
    assert(name.len > 0 && name.len <= sizeof who.bytes);
    memcpy(who.bytes, name.data, name.len);
    return who;
}

static uint32_t tag_of(uint64_t slot) {
    return (uint32_t)(slot >> TIME_BITS);
}
static uint64_t full_at(uint64_t slot) {
    return slot & ((UINT64_C(1) << TIME_BITS) - 1);
}

/* Where the search begins, and the tag, which is never 0. */
static uint32_t locate(size_t *start, pbts_span seed, const struct rest_limit_who *who) {
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, seed);
    pbts_sha256_update(&state, (pbts_span){ who->bytes, who->len });
    pbts_sha256_final(&state, digest);
    *start = (size_t)(digest[4] << 8 | digest[5]);
    return ((uint32_t)digest[0] << 16 | (uint32_t)digest[1] << 8 | digest[2]) | 1;
}

/* The bucket with this tag; or else an empty or full one, or the one nearest to full. */
static _Atomic uint64_t *find(_Atomic uint64_t *slots, uint32_t tag, size_t start, uint64_t now) {
    _Atomic uint64_t *best = NULL;
    uint64_t best_at = UINT64_MAX;
    for (size_t i = 0; i < PROBES; i++) {
        _Atomic uint64_t *slot = &slots[(start + i) % REST_LIMIT_SLOTS];
        uint64_t value = atomic_load(slot);
        uint64_t at = full_at(value) < now ? 0 : full_at(value);
        if (tag_of(value) == tag) return slot;
        if (best != NULL && at >= best_at) continue;
        best = slot;
        best_at = at;
    }
    return best;
}

/* When the bucket in the slot is full: `now` when it is already, or is not this one's. */
static uint64_t full_from(uint64_t slot, uint32_t tag, uint64_t now) {
    return tag_of(slot) == tag && full_at(slot) > now ? full_at(slot) : now;
}

/* Past its end, in ms, if it were `step_ms` fuller at `at`. */
static uint64_t excess_ms(enum rest_limit_kind kind, uint64_t at, uint64_t now) {
    uint64_t wanted = at + KINDS[kind].step_ms, end = now + KINDS[kind].span_ms;
    return wanted > end ? wanted - end : 0;
}

uint64_t rest_limits_wait_ms(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                             const struct rest_limit_who *who, uint64_t mono_ms) {
    size_t start;
    uint32_t tag = locate(&start, seed, who);
    uint64_t value = atomic_load(find(limits->slots[kind], tag, start, mono_ms));
    return excess_ms(kind, full_from(value, tag, mono_ms), mono_ms);
}

bool rest_limits_take(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                      const struct rest_limit_who *who, uint64_t mono_ms) {
    size_t start;
    uint32_t tag = locate(&start, seed, who);
    _Atomic uint64_t *slot = find(limits->slots[kind], tag, start, mono_ms);
    uint64_t value = atomic_load(slot);
    for (;;) {
        uint64_t at = full_from(value, tag, mono_ms);
        if (excess_ms(kind, at, mono_ms) > 0) return false;
        uint64_t next = (uint64_t)tag << TIME_BITS | (at + KINDS[kind].step_ms);
        if (atomic_compare_exchange_weak(slot, &value, next)) return true;
    }
}

void rest_limits_spend(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                       const struct rest_limit_who *who, uint64_t mono_ms, uint64_t cost_us,
                       uint64_t per_minute_us) {
    size_t start;
    uint32_t tag = locate(&start, seed, who);
    uint64_t end = mono_ms + KINDS[kind].span_ms + REST_LIMIT_DEBT_MAX_MS;
    uint64_t step = (cost_us * MINUTE_MS + per_minute_us - 1) / per_minute_us;
    _Atomic uint64_t *slot = find(limits->slots[kind], tag, start, mono_ms);
    uint64_t value = atomic_load(slot);
    for (;;) {
        uint64_t at = full_from(value, tag, mono_ms) + step;
        uint64_t next = (uint64_t)tag << TIME_BITS | (at < end ? at : end);
        if (atomic_compare_exchange_weak(slot, &value, next)) return;
    }
}
