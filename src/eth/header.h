/* eth/header.h - execution block headers of every fork from Frontier to Osaka, as RLP.
 *
 * 15 fields to begin with; London appends base_fee_wei (16), Shanghai withdrawals_root (17), Cancun
 * blob_gas_used, excess_blob_gas and parent_beacon_root (20), Prague requests_hash (21). A block's
 * hash is the keccak of its header's RLP. No heap.
 * Source: Yellow Paper section 4.4, EIP-1559, EIP-4895, EIP-4844, EIP-4788, EIP-7685.
 */
#ifndef PBTS_ETH_HEADER_H
#define PBTS_ETH_HEADER_H

#include "base/writer.h"
#include "eth/types.h"

enum {
    PBTS_ETH_BLOOM_LEN = 256,
    PBTS_ETH_EXTRA_DATA_MAX =
        1024, /* 32 on Ethereum; proof-of-authority chains put signers there */
    PBTS_ETH_HEADER_LEN_MAX = 2048,
};

typedef enum { /* the number of fields */
               PBTS_ETH_HEADER_FRONTIER = 15,
               PBTS_ETH_HEADER_LONDON = 16,
               PBTS_ETH_HEADER_SHANGHAI = 17,
               PBTS_ETH_HEADER_CANCUN = 20,
               PBTS_ETH_HEADER_PRAGUE = 21,
} pbts_eth_header_form;

typedef struct {
    pbts_eth_header_form form; /* what of the last six there is; the rest is zero */
    pbts_eth_hash parent_hash, ommers_hash;
    pbts_eth_address beneficiary;
    pbts_eth_hash state_root, transactions_root, receipts_root;
    uint8_t logs_bloom[PBTS_ETH_BLOOM_LEN];
    pbts_u256 difficulty;
    uint64_t number, gas_limit, gas_used;
    uint64_t timestamp_s;   /* since 1970 */
    pbts_span extra_data;   /* borrowed; at most PBTS_ETH_EXTRA_DATA_MAX bytes */
    pbts_eth_hash mix_hash; /* prev_randao since the merge */
    uint8_t nonce[8];
    pbts_u256 base_fee_wei;
    pbts_eth_hash withdrawals_root;
    uint64_t blob_gas_used, excess_blob_gas;
    pbts_eth_hash parent_beacon_root; /* SSZ, SHA-256 */
    pbts_eth_hash requests_hash;      /* SHA-256 */
} pbts_eth_header;

/* Decode exactly; extra_data borrows from `bytes`. PBTS_MALFORMED; PBTS_LIMIT: more than
 * PBTS_ETH_HEADER_LEN_MAX bytes, or too much extra data. */
PBTS_MUST_USE pbts_status pbts_eth_header_decode(pbts_eth_header *out, pbts_span bytes);
/* Append the RLP. PBTS_MALFORMED: the form is none of the above; PBTS_LIMIT: too much extra data;
 * PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_eth_header_encode(pbts_writer *writer,
                                                 const pbts_eth_header *header);
/* The block's hash. PBTS_MALFORMED, PBTS_LIMIT: as above. */
PBTS_MUST_USE pbts_status pbts_eth_header_hash(pbts_eth_hash *out, const pbts_eth_header *header);

#endif
