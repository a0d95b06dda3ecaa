#include "hash/merkle.h"

#include "base/assert.h"

enum { LEAF_MARK = 0, NODE_MARK = 1 };

void pbts_hash_tree_leaf(uint8_t out[static PBTS_SHA256_LEN], pbts_span leaf) {
    static const uint8_t mark[1] = { LEAF_MARK };
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, PBTS_SPAN_OF(mark));
    pbts_sha256_update(&state, leaf);
    pbts_sha256_final(&state, out);
}

/* `out` may be one of the two. */
static void hash_node(uint8_t out[static PBTS_SHA256_LEN],
                      const uint8_t left[static PBTS_SHA256_LEN],
                      const uint8_t right[static PBTS_SHA256_LEN]) {
    uint8_t node[1 + 2 * PBTS_SHA256_LEN] = { NODE_MARK };
    memcpy(node + 1, left, PBTS_SHA256_LEN);
    memcpy(node + 1 + PBTS_SHA256_LEN, right, PBTS_SHA256_LEN);
    pbts_sha256(out, PBTS_SPAN_OF(node));
}

void pbts_hash_tree_init(pbts_hash_tree *tree) {
    tree->leaf_count = 0;
}

void pbts_hash_tree_add(pbts_hash_tree *tree, pbts_span leaf) {
    uint8_t node[PBTS_SHA256_LEN];
    unsigned height = 0;
    assert(tree->leaf_count < UINT64_C(1) << PBTS_HASH_TREE_HEIGHT_MAX);
    pbts_hash_tree_leaf(node, leaf);
    /* As a binary counter carries: two subtrees of one height become one of the next. */
    for (; tree->leaf_count >> height & 1; height++) hash_node(node, tree->pending[height], node);
    memcpy(tree->pending[height], node, sizeof node);
    tree->leaf_count++;
}

void pbts_hash_tree_root(const pbts_hash_tree *tree, uint8_t out[static PBTS_SHA256_LEN]) {
    uint8_t node[PBTS_SHA256_LEN];
    bool any = false;
    /* Full subtrees from right to left: each is the left neighbour of all that is smaller. */
    for (unsigned height = 0; height <= PBTS_HASH_TREE_HEIGHT_MAX; height++) {
        if ((tree->leaf_count >> height & 1) == 0) continue;
        if (any) {
            hash_node(node, tree->pending[height], node);
        } else {
            memcpy(node, tree->pending[height], sizeof node);
        }
        any = true;
    }
    if (!any) pbts_sha256(node, (pbts_span){ 0 });
    memcpy(out, node, sizeof node);
}

/* ---- proofs ----
 *
 * A level at a time: neighbours pair up, and one that is left over at the end moves up as it is.
 * That is the tree of the RFC, whose left subtrees are full. */

size_t pbts_hash_tree_prove(uint8_t path[static PBTS_HASH_TREE_HEIGHT_MAX][PBTS_SHA256_LEN],
                            uint8_t (*hashes)[PBTS_SHA256_LEN], uint64_t count, uint64_t index) {
    assert(index < count && count <= UINT64_C(1) << PBTS_HASH_TREE_HEIGHT_MAX);
    size_t len = 0;
    for (; count > 1; count = (count + 1) / 2, index /= 2) {
        uint64_t sibling = index ^ 1;
        if (sibling < count) memcpy(path[len++], hashes[sibling], PBTS_SHA256_LEN);
        for (uint64_t i = 0; i + 1 < count; i += 2) {
            hash_node(hashes[i / 2], hashes[i], hashes[i + 1]);
        }
        if (count % 2 == 1) memcpy(hashes[count / 2], hashes[count - 1], PBTS_SHA256_LEN);
    }
    return len;
}

pbts_status pbts_hash_tree_check(const uint8_t root[static PBTS_SHA256_LEN], uint64_t count,
                                 uint64_t index, pbts_span leaf,
                                 const uint8_t (*path)[PBTS_SHA256_LEN], size_t path_len) {
    uint8_t node[PBTS_SHA256_LEN];
    size_t used = 0;
    if (index >= count || count > UINT64_C(1) << PBTS_HASH_TREE_HEIGHT_MAX) return PBTS_MALFORMED;
    pbts_hash_tree_leaf(node, leaf);
    for (; count > 1; count = (count + 1) / 2, index /= 2) {
        if ((index ^ 1) >= count) continue; /* left over: no sibling on this level */
        if (used == path_len) return PBTS_MALFORMED;
        const uint8_t *sibling = path[used++];
        hash_node(node, index % 2 ? sibling : node, index % 2 ? node : sibling);
    }
    if (used != path_len) return PBTS_MALFORMED;
    return memcmp(node, root, sizeof node) == 0 ? PBTS_OK : PBTS_MALFORMED;
}
