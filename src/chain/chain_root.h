/* chain/chain_root.h - every user of a contract in root mode, over the network. */
#ifndef PBTS_CHAIN_CHAIN_ROOT_H
#define PBTS_CHAIN_CHAIN_ROOT_H

#include "chain/chain.h"
#include "eth/reputation_root.h"

/* The replayed tree, the caller's to free; `progress` (may be NULL) hears of batches. As
 * pbts_chain_read_contract; PBTS_DENIED: slots mode; PBTS_LIMIT: too many users; PBTS_CORRUPT: the
 * owner's data do not lead to the owner's root; PBTS_IO: nothing new for ten minutes. Without
 * patience: else as long as it takes. */
PBTS_MUST_USE pbts_status pbts_chain_load_root(
    pbts_chain *chain, pbts_reputation_tree **tree, pbts_reputation_state *contract_state,
    const pbts_trusted_block *block, const pbts_eth_address *contract, uint64_t first_block,
    void (*progress)(void *host, uint64_t replayed, uint64_t batches), void *host);

/* For the contract's owner, who can put it right: what the data lead to, whatever the root is. Up
 * to `users_max` users; PBTS_LIMIT: more; PBTS_IO: nothing new for a minute. As
 * pbts_chain_load_root, and never PBTS_CORRUPT. */
PBTS_MUST_USE pbts_status pbts_chain_load_own_root(pbts_chain *chain, pbts_reputation_tree **tree,
                                                   pbts_reputation_state *contract_state,
                                                   const pbts_trusted_block *block,
                                                   const pbts_eth_address *contract,
                                                   uint64_t first_block, uint32_t users_max);

#endif
