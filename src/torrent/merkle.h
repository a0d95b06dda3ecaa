/* torrent/merkle.h - the Merkle trees of BEP 52, one leaf at a time. Private to the module.
 *
 * A tree's missing leaves are zero hashes; the root of 2^h of those is the zero hash of height h.
 * One pending hash per height is kept, so the memory does not grow with the leaves.
 */
#ifndef PBTS_TORRENT_MERKLE_H
#define PBTS_TORRENT_MERKLE_H

#include "hash/sha.h"

enum {
    PBTS_BLOCK_LEN =
        16 * 1024, /* a leaf is the SHA-256 of that many bytes; a file's last is shorter */
    PBTS_MERKLE_HEIGHT_MAX = 32,
};

typedef struct {
    uint64_t leaf_count; /* bit h set: pending[h] is the root of a full subtree of 2^h leaves */
    uint8_t pending[PBTS_MERKLE_HEIGHT_MAX + 1][PBTS_SHA256_LEN];
} pbts_merkle;

void pbts_merkle_init(pbts_merkle *tree);
void pbts_merkle_add(pbts_merkle *tree, const uint8_t leaf[static PBTS_SHA256_LEN]);
/* The root of a tree of 2^height leaves, leaf_count of them added; each leaf is itself the root
 * of a subtree of height leaf_height (0: a block's hash). Asserts that the leaves fit. */
void pbts_merkle_root(uint8_t out[static PBTS_SHA256_LEN], const pbts_merkle *tree, unsigned height,
                      unsigned leaf_height);
/* The node over two; `out` may be one of them. */
void pbts_merkle_pair(uint8_t out[static PBTS_SHA256_LEN],
                      const uint8_t left[static PBTS_SHA256_LEN],
                      const uint8_t right[static PBTS_SHA256_LEN]);
/* The least h with 2^h >= count; 0 for 0. */
unsigned pbts_merkle_height(uint64_t count);

#endif
