/* hash/merkle.h - the Merkle tree of RFC 6962 over a list of leaves: its root, proofs of inclusion.
 *
 * A leaf's hash is SHA-256(0x00 || leaf), a node's SHA-256(0x01 || left || right), so that no node
 * can be passed off as a leaf. The left subtree of n leaves has the greatest power of two below n.
 * Not the trees of BEP 52 (torrent/merkle.h), which pad with zeros and mark nothing. No heap.
 * Source: RFC 6962 section 2.1, RFC 9162 section 2.1.3.
 */
#ifndef PBTS_HASH_MERKLE_H
#define PBTS_HASH_MERKLE_H

#include "hash/sha.h"

enum { PBTS_HASH_TREE_HEIGHT_MAX = 32 }; /* up to 2^32 leaves */

/* One leaf at a time; the caller's storage. */
typedef struct {
    uint64_t leaf_count; /* bit h set: pending[h] is the root of a full subtree of 2^h leaves */
    uint8_t pending[PBTS_HASH_TREE_HEIGHT_MAX + 1][PBTS_SHA256_LEN];
} pbts_hash_tree;

void pbts_hash_tree_init(pbts_hash_tree *tree);
void pbts_hash_tree_add(pbts_hash_tree *tree, pbts_span leaf); /* asserts that it is not full */
/* The root of all leaves so far; of none, SHA-256 of nothing. The tree may grow on. */
void pbts_hash_tree_root(const pbts_hash_tree *tree, uint8_t out[static PBTS_SHA256_LEN]);

void pbts_hash_tree_leaf(uint8_t out[static PBTS_SHA256_LEN], pbts_span leaf);

/* The siblings on the way from leaf `index` of `count` to the root, lowest first; at most
 * PBTS_HASH_TREE_HEIGHT_MAX. `hashes`: those of all leaves (pbts_hash_tree_leaf), overwritten.
 * index < count <= 2^32. Returns how many siblings. */
size_t pbts_hash_tree_prove(uint8_t path[static PBTS_HASH_TREE_HEIGHT_MAX][PBTS_SHA256_LEN],
                            uint8_t (*hashes)[PBTS_SHA256_LEN], uint64_t count, uint64_t index);
/* Whether `leaf` is number `index` of the `count` leaves with this root. All arguments may come
 * from outside. PBTS_OK; PBTS_MALFORMED: the index is out of range, the path is of another length,
 * or it leads to another root. */
PBTS_MUST_USE pbts_status pbts_hash_tree_check(const uint8_t root[static PBTS_SHA256_LEN],
                                               uint64_t count, uint64_t index, pbts_span leaf,
                                               const uint8_t (*path)[PBTS_SHA256_LEN],
                                               size_t path_len);

#endif
