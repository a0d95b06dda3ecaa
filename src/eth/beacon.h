/* eth/beacon.h - what of the beacon chain a light client sees: networks and their forks, block
 * headers, sync committees, headers of execution payloads; the roots that are signed and proved.
 *
 * Nothing here is checked against anything; that is light_client.h's work. No heap.
 * Source: Ethereum consensus specs, phase0/beacon-chain.md (containers, compute_domain),
 * altair/beacon-chain.md (SyncCommittee), bellatrix, capella, deneb and electra/beacon-chain.md
 * (ExecutionPayloadHeader), and each fork's light-client/sync-protocol.md (generalized indices).
 */
#ifndef PBTS_ETH_BEACON_H
#define PBTS_ETH_BEACON_H

#include "bls/committee.h"
#include "codec/ssz.h"

enum {
    PBTS_BEACON_VERSION_LEN = 4,
    PBTS_BEACON_ADDRESS_LEN = 20,
    PBTS_BEACON_BLOOM_LEN = 256,
    PBTS_BEACON_EXTRA_DATA_MAX = 32,
    PBTS_BEACON_COMMITTEE_MAX = PBTS_BLS_COMMITTEE_MEMBERS_MAX,
    PBTS_BEACON_BITS_LEN = PBTS_BEACON_COMMITTEE_MAX / 8,
    PBTS_BEACON_EXECUTION_BRANCH_LEN = 4, /* depth of PBTS_BEACON_EXECUTION_GINDEX */
    PBTS_BEACON_EXECUTION_GINDEX = 25, /* of execution_payload in a block's body, since Capella */
};

#define PBTS_BEACON_NEVER UINT64_MAX /* FAR_FUTURE_EPOCH: a fork that has no date */

typedef enum {
    PBTS_BEACON_PHASE0,
    PBTS_BEACON_ALTAIR,
    PBTS_BEACON_BELLATRIX,
    PBTS_BEACON_CAPELLA,
    PBTS_BEACON_DENEB,
    PBTS_BEACON_ELECTRA,
    PBTS_BEACON_FULU,
    PBTS_BEACON_FORKS
} pbts_beacon_fork;

typedef struct {
    uint64_t epoch; /* its first; PBTS_BEACON_NEVER. Never below the fork before */
    uint8_t version[PBTS_BEACON_VERSION_LEN];
} pbts_beacon_fork_entry;

typedef struct {
    uint8_t genesis_validators_root[PBTS_SSZ_CHUNK_LEN];
    uint64_t genesis_time_s; /* since 1970: slot 0 begins */
    uint32_t seconds_per_slot;
    uint32_t slots_per_epoch;
    uint32_t epochs_per_period; /* EPOCHS_PER_SYNC_COMMITTEE_PERIOD */
    uint32_t committee_size;    /* SYNC_COMMITTEE_SIZE: a multiple of 8, 8..512 */
    pbts_beacon_fork_entry forks[PBTS_BEACON_FORKS];
} pbts_beacon_network;

extern const pbts_beacon_network PBTS_BEACON_MAINNET, PBTS_BEACON_SEPOLIA, PBTS_BEACON_HOODI;

/* Whether the numbers are in their ranges and the forks in order: PBTS_OK or PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_beacon_network_check(const pbts_beacon_network *network);

/* The slot at a time; 0 before genesis. And when a slot begins, saturating. */
uint64_t pbts_beacon_slot_at(const pbts_beacon_network *network, uint64_t unix_s);
uint64_t pbts_beacon_slot_time_s(const pbts_beacon_network *network, uint64_t slot);
uint64_t pbts_beacon_slots_per_period(const pbts_beacon_network *network);
uint64_t pbts_beacon_period(const pbts_beacon_network *network, uint64_t slot);
pbts_beacon_fork pbts_beacon_fork_at(const pbts_beacon_network *network, uint64_t slot);
/* "capella"; static. */
const char *pbts_beacon_fork_name(pbts_beacon_fork fork);

/* Where in a beacon state the light client's proofs end: generalized indices, by the fork of the
 * block whose state it is (Electra's state has more fields, so everything lies one level deeper).
 */
typedef struct {
    uint32_t finalized_root, current_committee, next_committee;
} pbts_beacon_gindices;
pbts_beacon_gindices pbts_beacon_gindices_of(pbts_beacon_fork fork);

enum { /* the longest of those */
       PBTS_BEACON_COMMITTEE_BRANCH_MAX = 6,
       PBTS_BEACON_FINALITY_BRANCH_MAX = 7,
};

typedef struct {
    uint64_t slot, proposer_index;
    pbts_ssz_chunk parent_root, state_root, body_root;
} pbts_beacon_header;

typedef struct {
    uint8_t keys[PBTS_BEACON_COMMITTEE_MAX * PBTS_BLS_MEMBER_KEY_LEN]; /* committee_size of them */
    uint8_t aggregate[PBTS_BLS_MEMBER_KEY_LEN];
} pbts_beacon_committee;

/* ExecutionPayloadHeader. Fields that the fork does not have yet are zero. */
typedef struct {
    pbts_ssz_chunk parent_hash;
    uint8_t fee_recipient[PBTS_BEACON_ADDRESS_LEN];
    pbts_ssz_chunk state_root, receipts_root;
    uint8_t logs_bloom[PBTS_BEACON_BLOOM_LEN];
    pbts_ssz_chunk prev_randao;
    uint64_t block_number, gas_limit, gas_used;
    uint64_t timestamp_s;
    uint8_t extra_data[PBTS_BEACON_EXTRA_DATA_MAX];
    uint8_t extra_data_len;
    pbts_ssz_chunk base_fee_wei; /* little-endian */
    pbts_ssz_chunk block_hash, transactions_root;
    pbts_ssz_chunk withdrawals_root;         /* since Capella */
    uint64_t blob_gas_used, excess_blob_gas; /* since Deneb */
} pbts_beacon_execution;

/* hash_tree_root. */
pbts_ssz_chunk pbts_beacon_header_root(const pbts_beacon_header *header);
pbts_ssz_chunk pbts_beacon_committee_root(const pbts_beacon_committee *committee, size_t size);
/* With the fields that the fork has; Bellatrix or later. */
pbts_ssz_chunk pbts_beacon_execution_root(const pbts_beacon_execution *execution,
                                          pbts_beacon_fork fork);

/* What a sync committee signs for a block with this root in a message of `signature_slot`: the
 * signing root with DOMAIN_SYNC_COMMITTEE and the fork version of the slot before. */
pbts_ssz_chunk pbts_beacon_signing_root(const pbts_beacon_network *network,
                                        const pbts_ssz_chunk *block_root, uint64_t signature_slot);

#endif
