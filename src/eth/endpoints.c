#include "eth/endpoints.h"

/* What outcomes cost, in thousandths. Two failures weigh what one answer in another block's state
 * does; no number of failures within a half-life weighs what one proved lie does. */
static const uint64_t COSTS[] = {
    [PBTS_ENDPOINT_GOOD] = 0,         [PBTS_ENDPOINT_LATE] = 500,
    [PBTS_ENDPOINT_BUSY] = 500,       [PBTS_ENDPOINT_FAILED] = 1000,
    [PBTS_ENDPOINT_MALFORMED] = 4000, [PBTS_ENDPOINT_OUTVOTED] = 64000,
    [PBTS_ENDPOINT_WRONG] = 256000
};

enum {
    PENALTY_FAILURES_MAX = 60000, /* what everything but OUTVOTED and WRONG can add up to */
    PENALTY_MAX = 1024000,
    PENALTY_BEHIND = 8000, /* on top, while it lags */
    DOUBLINGS_MAX = 16,
};

pbts_status pbts_endpoints_init(pbts_endpoints *out, uint32_t count, uint64_t seed) {
    if (count == 0 || count > PBTS_ENDPOINTS_MAX) return PBTS_LIMIT;
    *out = (pbts_endpoints){ .count = count, .prng = pbts_prng_seeded(seed) };
    return PBTS_OK;
}

/* ---- penalties ---- */

/* Halves at every half-life, and linearly in between. */
static uint64_t decayed(uint64_t penalty, uint64_t elapsed_ms) {
    uint64_t halvings = elapsed_ms / PBTS_ENDPOINT_HALF_LIFE_MS;
    if (halvings >= 32) return 0;
    penalty >>= halvings;
    return penalty -
           penalty * (elapsed_ms % PBTS_ENDPOINT_HALF_LIFE_MS) / 2 / PBTS_ENDPOINT_HALF_LIFE_MS;
}

static uint64_t own_penalty(const pbts_endpoint *endpoint, uint64_t now_ms) {
    assert(now_ms >= endpoint->penalty_ms);
    return decayed(endpoint->penalty, now_ms - endpoint->penalty_ms);
}

uint64_t pbts_endpoints_penalty(const pbts_endpoints *endpoints, uint32_t endpoint,
                                uint64_t now_ms) {
    assert(endpoint < endpoints->count);
    return own_penalty(&endpoints->each[endpoint], now_ms) +
           (pbts_endpoints_is_behind(endpoints, endpoint) ? PENALTY_BEHIND : 0);
}

static void add_penalty(pbts_endpoint *endpoint, pbts_endpoint_outcome outcome, uint64_t now_ms) {
    uint64_t before = own_penalty(endpoint, now_ms), after = before + COSTS[outcome];
    uint64_t max = outcome >= PBTS_ENDPOINT_OUTVOTED ? PENALTY_MAX : PENALTY_FAILURES_MAX;
    if (after > max) after = before > max ? before : max;
    endpoint->penalty = after;
    endpoint->penalty_ms = now_ms;
}

/* ---- rests ---- */

/* Between half and the whole of the time, so that many trackers do not come back together. */
static uint64_t jittered(pbts_endpoints *endpoints, uint64_t time_ms) {
    return time_ms - pbts_prng_below(&endpoints->prng, (uint32_t)(time_ms / 2) + 1);
}

/* What failures alone cost. */
static uint64_t failures_ms(const pbts_endpoint *endpoint) {
    uint32_t doublings = endpoint->failures > 0 ? endpoint->failures - 1 : 0;
    if (doublings > DOUBLINGS_MAX) doublings = DOUBLINGS_MAX;
    uint64_t time_ms = (uint64_t)PBTS_ENDPOINT_REST_FIRST_MS << doublings;
    return time_ms < PBTS_ENDPOINT_REST_MAX_MS ? time_ms : PBTS_ENDPOINT_REST_MAX_MS;
}

static uint64_t rest_ms(pbts_endpoints *endpoints, const pbts_endpoint *endpoint,
                        pbts_endpoint_outcome outcome) {
    uint64_t time_ms = failures_ms(endpoint);
    if (outcome == PBTS_ENDPOINT_BUSY && time_ms < PBTS_ENDPOINT_REST_BUSY_MS) {
        time_ms = 2 * PBTS_ENDPOINT_REST_BUSY_MS;
    }
    if (outcome >= PBTS_ENDPOINT_OUTVOTED) time_ms = 2 * PBTS_ENDPOINT_REST_WRONG_MS;
    return jittered(endpoints, time_ms);
}

/* When every endpoint was wrong there is nobody to go to meanwhile: each rests as after failures.
 */
static void hurry(pbts_endpoints *endpoints, uint64_t now_ms) {
    for (uint32_t i = 0; i < endpoints->count; i++) {
        const pbts_endpoint *one = &endpoints->each[i];
        if (!one->rests_as_wrong || one->rests_until_ms <= now_ms) return;
    }
    for (uint32_t i = 0; i < endpoints->count; i++) {
        pbts_endpoint *one = &endpoints->each[i];
        uint64_t until_ms = now_ms + jittered(endpoints, failures_ms(one));
        if (until_ms < one->rests_until_ms) one->rests_until_ms = until_ms;
    }
}

void pbts_endpoints_report(pbts_endpoints *endpoints, uint32_t number,
                           pbts_endpoint_outcome outcome, uint64_t now_ms) {
    assert(number < endpoints->count);
    pbts_endpoint *endpoint = &endpoints->each[number];
    endpoint->last = outcome;
    if (endpoint->rests_until_ms <= now_ms) endpoint->rests_as_wrong = false;
    if (outcome >= PBTS_ENDPOINT_OUTVOTED) endpoint->rests_as_wrong = true;
    if (outcome == PBTS_ENDPOINT_GOOD) {
        endpoint->failures = 0;
        endpoint->good_count++;
        return;
    }
    endpoint->bad_count++;
    endpoint->failures += endpoint->failures < UINT32_MAX;
    add_penalty(endpoint, outcome, now_ms);
    uint64_t until_ms = now_ms + rest_ms(endpoints, endpoint, outcome);
    if (until_ms > endpoint->rests_until_ms) endpoint->rests_until_ms = until_ms;
    hurry(endpoints, now_ms);
}

uint32_t pbts_endpoints_wrong(const pbts_endpoints *endpoints) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < endpoints->count; i++) {
        if (endpoints->each[i].rests_as_wrong) bits |= 1u << i;
    }
    return bits;
}

/* ---- heads ---- */

void pbts_endpoints_set_head(pbts_endpoints *endpoints, uint32_t endpoint, uint64_t head) {
    assert(endpoint < endpoints->count);
    endpoints->each[endpoint].has_head = true;
    endpoints->each[endpoint].head = head;
}

/* The median, the lower of two: a minority cannot pull it up by boasting. */
static uint64_t median_head(const pbts_endpoints *endpoints) {
    uint64_t sorted[PBTS_ENDPOINTS_MAX] = { 0 };
    size_t len = 0;
    for (uint32_t i = 0; i < endpoints->count; i++) {
        if (!endpoints->each[i].has_head) continue;
        size_t at = len++;
        for (; at > 0 && sorted[at - 1] > endpoints->each[i].head; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = endpoints->each[i].head;
    }
    return len == 0 ? 0 : sorted[(len - 1) / 2];
}

bool pbts_endpoints_is_behind(const pbts_endpoints *endpoints, uint32_t endpoint) {
    const pbts_endpoint *one = &endpoints->each[endpoint];
    uint64_t median = median_head(endpoints);
    return one->has_head && median > PBTS_ENDPOINT_LAG_BLOCKS &&
           one->head < median - PBTS_ENDPOINT_LAG_BLOCKS;
}

/* ---- choice ---- */

uint32_t pbts_endpoints_awake(const pbts_endpoints *endpoints, uint64_t now_ms) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < endpoints->count; i++) {
        if (endpoints->each[i].rests_until_ms <= now_ms) bits |= 1u << i;
    }
    return bits;
}

bool pbts_endpoints_choose(pbts_endpoints *endpoints, uint32_t *out, uint32_t without,
                           uint64_t now_ms) {
    uint32_t candidates = pbts_endpoints_awake(endpoints, now_ms) & ~without;
    uint64_t best = UINT64_MAX;
    uint32_t ties = 0;
    for (uint32_t i = 0; i < endpoints->count; i++) {
        if ((candidates >> i & 1) == 0) continue;
        uint64_t penalty = pbts_endpoints_penalty(endpoints, i, now_ms);
        if (penalty > best) continue;
        ties = penalty < best ? 1 : ties + 1;
        best = penalty;
        if (pbts_prng_below(&endpoints->prng, ties) == 0) *out = i;
    }
    return ties > 0;
}

uint64_t pbts_endpoints_awake_ms(const pbts_endpoints *endpoints, uint32_t without) {
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < endpoints->count; i++) {
        if ((without >> i & 1) != 0) continue;
        if (endpoints->each[i].rests_until_ms < first) first = endpoints->each[i].rests_until_ms;
    }
    return first;
}

const char *pbts_endpoint_outcome_name(pbts_endpoint_outcome outcome) {
    static const char *const NAMES[] = {
        [PBTS_ENDPOINT_GOOD] = "GOOD",           [PBTS_ENDPOINT_LATE] = "LATE",
        [PBTS_ENDPOINT_BUSY] = "BUSY",           [PBTS_ENDPOINT_FAILED] = "FAILED",
        [PBTS_ENDPOINT_MALFORMED] = "MALFORMED", [PBTS_ENDPOINT_OUTVOTED] = "OUTVOTED",
        [PBTS_ENDPOINT_WRONG] = "WRONG"
    };
    assert((size_t)outcome < sizeof NAMES / sizeof NAMES[0]);
    return NAMES[outcome];
}
