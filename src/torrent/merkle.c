/* Source: BEP 52, "pieces root" and "piece layers". */
#include "torrent/merkle.h"

#include "base/assert.h"

void pbts_merkle_pair(uint8_t out[static PBTS_SHA256_LEN],
                      const uint8_t left[static PBTS_SHA256_LEN],
                      const uint8_t right[static PBTS_SHA256_LEN]) {
    uint8_t pair[2 * PBTS_SHA256_LEN];
    memcpy(pair, left, PBTS_SHA256_LEN);
    memcpy(pair + PBTS_SHA256_LEN, right, PBTS_SHA256_LEN);
    pbts_sha256(out, PBTS_SPAN_OF(pair));
}

void pbts_merkle_init(pbts_merkle *tree) {
    tree->leaf_count = 0;
}

void pbts_merkle_add(pbts_merkle *tree, const uint8_t leaf[static PBTS_SHA256_LEN]) {
    uint8_t node[PBTS_SHA256_LEN];
    unsigned height = 0;
    memcpy(node, leaf, sizeof node);
    /* As a binary counter carries: two subtrees of one height become one of the next. */
    for (; tree->leaf_count >> height & 1; height++)
        pbts_merkle_pair(node, tree->pending[height], node);
    assert(height <= PBTS_MERKLE_HEIGHT_MAX);
    memcpy(tree->pending[height], node, sizeof node);
    tree->leaf_count++;
}

void pbts_merkle_root(uint8_t out[static PBTS_SHA256_LEN], const pbts_merkle *tree, unsigned height,
                      unsigned leaf_height) {
    assert(height <= PBTS_MERKLE_HEIGHT_MAX && tree->leaf_count <= UINT64_C(1) << height);
    uint8_t zero[PBTS_SHA256_LEN] = { 0 }, node[PBTS_SHA256_LEN];
    for (unsigned h = 0; h < leaf_height; h++) pbts_merkle_pair(zero, zero, zero);
    if (tree->leaf_count >> height == 1) {
        memcpy(out, tree->pending[height], PBTS_SHA256_LEN);
        return;
    }
    memcpy(node, zero, sizeof node); /* the missing leaves right of the last one */
    for (unsigned h = 0; h < height; h++) {
        bool pending = tree->leaf_count >> h & 1;
        pbts_merkle_pair(node, pending ? tree->pending[h] : node, pending ? node : zero);
        pbts_merkle_pair(zero, zero, zero);
    }
    memcpy(out, node, sizeof node);
}

unsigned pbts_merkle_height(uint64_t count) {
    unsigned height = 0;
    while (height < 63 && UINT64_C(1) << height < count) height++;
    return height;
}
