/* eth/types.h - the small values of Ethereum: hashes, addresses, where a mapping keeps its values.
 *
 * This module takes bytes and gives bytes; it neither fetches nor waits.
 * Source: Yellow Paper section 4, appendix F; Solidity documentation, "Layout of State Variables".
 */
#ifndef PBTS_ETH_TYPES_H
#define PBTS_ETH_TYPES_H

#include "base/u256.h"
#include "ecc/secp256k1.h"

enum { PBTS_ETH_HASH_LEN = 32, PBTS_ETH_ADDRESS_LEN = 20 };

typedef struct {
    uint8_t bytes[PBTS_ETH_HASH_LEN]; /* Keccak-256, unless another is named */
} pbts_eth_hash;
typedef struct {
    uint8_t bytes[PBTS_ETH_ADDRESS_LEN];
} pbts_eth_address;

extern const pbts_eth_hash PBTS_ETH_EMPTY_TRIE; /* root of a trie without entries: keccak(0x80) */
extern const pbts_eth_hash PBTS_ETH_EMPTY_CODE; /* code hash of an account without: keccak() */

bool pbts_eth_hash_equal(const pbts_eth_hash *a, const pbts_eth_hash *b);
bool pbts_eth_address_equal(const pbts_eth_address *a, const pbts_eth_address *b);
pbts_eth_hash pbts_eth_hash_of(pbts_span bytes);

/* The last 20 bytes of keccak(x || y). */
pbts_eth_address pbts_eth_address_of(const pbts_secp256k1_point *key);
/* What CREATE makes: the last 20 bytes of keccak(rlp(creator, nonce)). */
pbts_eth_address pbts_eth_address_created(const pbts_eth_address *creator, uint64_t nonce);
/* The slot of mapping[key] for a mapping at `slot`: keccak(key || slot), key padded to 32 bytes. */
pbts_u256 pbts_eth_mapping_slot(const uint8_t key[static 32], const pbts_u256 *slot);

#endif
