/* Unit tests of torrent/merkle.c against a naive twin that builds the whole tree. */
#include "torrent_test.h"

#include "torrent/merkle.h"

static void leaf_at(uint8_t out[static PBTS_SHA256_LEN], uint64_t index) {
    pbts_sha256(out, (pbts_span){ (const uint8_t *)&index, sizeof index });
}

/* The root over the leaves [first, first + 2^height), those from `count` on being zero trees. */
static void naive_root(uint8_t out[static PBTS_SHA256_LEN], uint64_t first, uint64_t count,
                       unsigned height, unsigned leaf_height) {
    if (height == 0 && (first < count || leaf_height == 0)) {
        memset(out, 0, PBTS_SHA256_LEN);
        if (first < count) leaf_at(out, first);
        return;
    }
    uint8_t pair[2 * PBTS_SHA256_LEN];
    bool in_leaf = height == 0; /* a missing leaf of some height: two missing leaves below it */
    uint64_t half = in_leaf ? 0 : UINT64_C(1) << (height - 1);
    unsigned below = in_leaf ? 0 : height - 1;
    naive_root(pair, first, count, below, in_leaf ? leaf_height - 1 : leaf_height);
    naive_root(pair + PBTS_SHA256_LEN, first + half, count, below,
               in_leaf ? leaf_height - 1 : leaf_height);
    pbts_sha256(out, PBTS_SPAN_OF(pair));
}

static void roots_agree_with_the_naive_twin_for_every_small_tree(void **state) {
    (void)state;
    for (unsigned leaf_height = 0; leaf_height < 4; leaf_height++) {
        for (unsigned height = 0; height <= 5; height++) {
            pbts_merkle tree;
            memset(&tree, 0xA5, sizeof tree);
            pbts_merkle_init(&tree);
            for (uint64_t count = 0; count <= UINT64_C(1) << height; count++) {
                uint8_t root[PBTS_SHA256_LEN], want[PBTS_SHA256_LEN], leaf[PBTS_SHA256_LEN];
                pbts_merkle_root(root, &tree, height, leaf_height);
                naive_root(want, 0, count, height, leaf_height);
                assert_memory_equal(root, want, sizeof root);
                leaf_at(leaf, count);
                pbts_merkle_add(&tree, leaf);
            }
        }
    }
}

static void height_is_the_least_that_holds_the_leaves(void **state) {
    (void)state;
    static const struct {
        uint64_t count;
        unsigned height;
    } CASES[] = { { 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 1u << 20, 20 } };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(pbts_merkle_height(CASES[i].count), CASES[i].height);
    }
    assert_int_equal(pbts_merkle_height((1u << 20) + 1), 21);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_agree_with_the_naive_twin_for_every_small_tree),
        cmocka_unit_test(height_is_the_least_that_holds_the_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
