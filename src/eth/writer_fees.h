/* eth/writer_fees.h - what a transaction offers per gas: at first, and when it must be replaced.
 *
 * Nodes take a replacement only when both fees rise by 10 % (geth) or 12.5 % (others): ours rise by
 * an eighth, rounded up, from the larger of what the network asks and what was offered last.
 * Caps bound both, so that an endpoint's word cannot make us pay. No heap. Source: EIP-1559.
 */
#ifndef PBTS_ETH_WRITER_FEES_H
#define PBTS_ETH_WRITER_FEES_H

#include "eth/types.h"

typedef struct {
    uint64_t base_fee_wei; /* per gas, of the newest block: proved with its header */
    uint64_t tip_wei;      /* per gas, what endpoints suggest: not proved */
} pbts_eth_network_fees;

typedef struct {
    uint64_t max_fee_wei;          /* per gas */
    uint64_t max_priority_fee_wei; /* per gas, at most max_fee_wei */
} pbts_eth_fees;

/* The first offer: room for the base fee to double. It keeps room for replacements: at most a
 * quarter of the tip's cap, and half of the other unless the base fee is there already. Sums
 * saturate. PBTS_LIMIT: the base fee alone is above the cap, so that it could not be mined now.
 * `cap`: both at least 1. */
PBTS_MUST_USE pbts_status pbts_eth_fees_first(pbts_eth_fees *out,
                                              const pbts_eth_network_fees *network,
                                              const pbts_eth_fees *cap);
/* The offer that replaces `last`. PBTS_LIMIT: it would be above the cap. */
PBTS_MUST_USE pbts_status pbts_eth_fees_bump(pbts_eth_fees *out, const pbts_eth_fees *last,
                                             const pbts_eth_network_fees *network,
                                             const pbts_eth_fees *cap);
/* As far as the caps allow: for a node that says that `last` is too little, though it may hold an
 * older transaction than `last` which this replaces. PBTS_LIMIT: nothing can rise, or the base fee
 * is above the cap. */
PBTS_MUST_USE pbts_status pbts_eth_fees_bump_capped(pbts_eth_fees *out, const pbts_eth_fees *last,
                                                    const pbts_eth_network_fees *network,
                                                    const pbts_eth_fees *cap);
/* Whether a balance pays for the gas at the most that is offered, as nodes ask before they take a
 * transaction. */
bool pbts_eth_fees_affordable(const pbts_u256 *balance_wei, const pbts_eth_fees *fees,
                              uint64_t gas_limit);

#endif
