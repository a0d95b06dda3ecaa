/* chain/chain_preset.h - which beacon chain: one of the known, or a network of one's own.
 *
 * Nothing of it needs to be believed but the trusted root: with wrong fork versions, validators or
 * committees no signature verifies, and blocks tell whether genesis time and slots are right.
 */
#ifndef PBTS_CHAIN_CHAIN_PRESET_H
#define PBTS_CHAIN_CHAIN_PRESET_H

#include "eth/beacon.h"

typedef struct {
    pbts_beacon_network network;
    uint64_t chain_id; /* of its execution layer */
} pbts_chain_preset;

/* "mainnet", "sepolia" or "hoodi". PBTS_NOT_FOUND. */
PBTS_MUST_USE pbts_status pbts_chain_preset_find(pbts_chain_preset *out, const char *name);

/* A network's config.yaml, as its nodes are started with: lines "KEY: value". Looked at are
 * PRESET_BASE (mainnet or minimal), SECONDS_PER_SLOT, DEPOSIT_CHAIN_ID, GENESIS_FORK_VERSION and,
 * for each fork from altair to fulu, ..._FORK_VERSION and ..._FORK_EPOCH; and two that are to be
 * added from /eth/v1/beacon/genesis: GENESIS_TIME and GENESIS_VALIDATORS_ROOT. All but PRESET_BASE
 * (mainnet) and forks without a date are needed. PBTS_MALFORMED: `problem` says which key, static;
 * on success it is untouched. *out is undefined on failure. */
PBTS_MUST_USE pbts_status pbts_chain_preset_read(pbts_chain_preset *out, const char **problem,
                                                 pbts_span text);

#endif
