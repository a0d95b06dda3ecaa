/* eth/proof.h - Merkle-Patricia proofs: what a trie with a known root holds at a path, or that it
 * holds nothing there.
 *
 * A proof is the nodes from the root downwards, as RLP: those that their parent names by hash.
 * Nodes of less than 32 bytes stand inside their parent. A proof of absence ends where the trie has
 * no way on: an empty place in a branch, or a leaf or extension that goes elsewhere. Every node
 * must be used. The empty trie is proved by no node or by the one node 0x80.
 *
 * All: PBTS_OK with outputs, or PBTS_MALFORMED: a node has another hash, is no node, is missing or
 * is not needed; PBTS_LIMIT: more than PBTS_ETH_PROOF_NODES_MAX nodes or
 * PBTS_ETH_PROOF_NODE_LEN_MAX bytes in one. From any thread; no heap. Source: Yellow Paper appendix
 * D, EIP-1186.
 */
#ifndef PBTS_ETH_PROOF_H
#define PBTS_ETH_PROOF_H

#include "eth/types.h"

enum {
    PBTS_ETH_PROOF_PATH_MAX = 32,                               /* bytes; two nibbles each */
    PBTS_ETH_PROOF_NODES_MAX = 2 * PBTS_ETH_PROOF_PATH_MAX + 1, /* a branch per nibble, a leaf */
    PBTS_ETH_PROOF_NODE_LEN_MAX = 1024, /* a branch of 16 hashes has 532; values here are small */
};

typedef struct {
    bool present;
    pbts_span value; /* what the trie holds, in the nodes' memory; nothing when absent */
} pbts_eth_proved;

typedef struct {
    bool present; /* when not: nonce and balance 0, no code, no storage */
    uint64_t nonce;
    pbts_u256 balance_wei;
    pbts_eth_hash storage_root;
    pbts_eth_hash code_hash;
} pbts_eth_account;

/* What is at `path`: at most PBTS_ETH_PROOF_PATH_MAX bytes, in state and storage tries the keccak
 * of the key. */
PBTS_MUST_USE pbts_status pbts_eth_proof_verify(pbts_eth_proved *out, const pbts_eth_hash *root,
                                                pbts_span path, const pbts_span *nodes,
                                                size_t nodes_len);
/* The account at `address` in a block's state. */
PBTS_MUST_USE pbts_status pbts_eth_proof_account(pbts_eth_account *out,
                                                 const pbts_eth_hash *state_root,
                                                 const pbts_eth_address *address,
                                                 const pbts_span *nodes, size_t nodes_len);
/* The word in an account's storage at `slot`; 0 when the trie has none. */
PBTS_MUST_USE pbts_status pbts_eth_proof_storage(pbts_u256 *out, const pbts_eth_hash *storage_root,
                                                 const pbts_u256 *slot, const pbts_span *nodes,
                                                 size_t nodes_len);

#endif
