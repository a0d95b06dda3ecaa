#include "eth/writer_fees.h"

#include "base/assert.h"

static uint64_t add_saturating(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* What one would offer now, without regard to the caps. */
static pbts_eth_fees wanted_now(const pbts_eth_network_fees *network) {
    uint64_t twice = add_saturating(network->base_fee_wei, network->base_fee_wei);
    return (pbts_eth_fees){ .max_fee_wei = add_saturating(twice, network->tip_wei),
                            .max_priority_fee_wei = network->tip_wei };
}

static pbts_eth_fees capped(const pbts_eth_fees *fees, const pbts_eth_fees *cap) {
    pbts_eth_fees out = { .max_fee_wei = smaller(fees->max_fee_wei, cap->max_fee_wei) };
    out.max_priority_fee_wei =
        smaller(smaller(fees->max_priority_fee_wei, cap->max_priority_fee_wei), out.max_fee_wei);
    return out;
}

pbts_status pbts_eth_fees_first(pbts_eth_fees *out, const pbts_eth_network_fees *network,
                                const pbts_eth_fees *cap) {
    assert(cap->max_fee_wei > 0 && cap->max_priority_fee_wei > 0);
    if (network->base_fee_wei > cap->max_fee_wei) return PBTS_LIMIT;
    pbts_eth_fees fees = wanted_now(network);
    fees.max_priority_fee_wei =
        smaller(fees.max_priority_fee_wei, larger(cap->max_priority_fee_wei / 4, 1));
    uint64_t least = add_saturating(network->base_fee_wei, fees.max_priority_fee_wei);
    fees.max_fee_wei = smaller(fees.max_fee_wei, larger(least, cap->max_fee_wei / 2));
    *out = capped(&fees, cap);
    return PBTS_OK;
}

/* An eighth more, rounded up, and at least one more. */
static uint64_t raised(uint64_t last) {
    return add_saturating(last, larger(last / 8 + (last % 8 != 0), 1));
}

pbts_status pbts_eth_fees_bump_capped(pbts_eth_fees *out, const pbts_eth_fees *last,
                                      const pbts_eth_network_fees *network,
                                      const pbts_eth_fees *cap) {
    assert(cap->max_fee_wei > 0 && cap->max_priority_fee_wei > 0);
    if (network->base_fee_wei > cap->max_fee_wei) return PBTS_LIMIT;
    pbts_eth_fees now = wanted_now(network);
    pbts_eth_fees fees = {
        .max_fee_wei = raised(larger(now.max_fee_wei, last->max_fee_wei)),
        .max_priority_fee_wei =
            raised(larger(now.max_priority_fee_wei, last->max_priority_fee_wei)),
    };
    fees = capped(&fees, cap);
    if (fees.max_fee_wei <= last->max_fee_wei &&
        fees.max_priority_fee_wei <= last->max_priority_fee_wei) {
        return PBTS_LIMIT;
    }
    *out = fees;
    return PBTS_OK;
}

pbts_status pbts_eth_fees_bump(pbts_eth_fees *out, const pbts_eth_fees *last,
                               const pbts_eth_network_fees *network, const pbts_eth_fees *cap) {
    uint64_t tip_cap = smaller(cap->max_priority_fee_wei, cap->max_fee_wei);
    if (raised(last->max_fee_wei) > cap->max_fee_wei) return PBTS_LIMIT;
    if (raised(last->max_priority_fee_wei) > tip_cap) return PBTS_LIMIT;
    return pbts_eth_fees_bump_capped(out, last, network, cap);
}

bool pbts_eth_fees_affordable(const pbts_u256 *balance_wei, const pbts_eth_fees *fees,
                              uint64_t gas_limit) {
    pbts_u256 cost = pbts_u256_from_u64(fees->max_fee_wei);
    if (pbts_u256_multiply_u64(&cost, &cost, gas_limit) != PBTS_OK) return false;
    return pbts_u256_compare(&cost, balance_wei) <= 0;
}
