/* Unit tests of hash/merkle.c: the known roots and proofs of Certificate Transparency, and the
 * recursive definition of RFC 6962 as the twin for every small tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/text.h"
#include "hash/merkle.h"

enum { LEAVES_MAX = 70, PATH_MAX_LEN = PBTS_HASH_TREE_HEIGHT_MAX };

typedef uint8_t hash[PBTS_SHA256_LEN];

/* The leaves and what follows from them, as google/certificate-transparency's merkle_tree_test and
 * transparency-dev/merkle have them. */
static const char *const CT_LEAVES[8] = { "",
                                          "00",
                                          "10",
                                          "2021",
                                          "3031",
                                          "40414243",
                                          "5051525354555657",
                                          "606162636465666768696a6b6c6d6e6f" };
static const char *const CT_ROOTS[9] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};
static const struct {
    uint64_t index, count; /* from 0 */
    size_t len;
    const char *path[3];
} CT_PROOFS[] = {
    { 0, 1, 0, { NULL } },
    { 0,
      8,
      3,
      { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
    { 5,
      8,
      3,
      { "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
    { 2, 3, 1, { "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" } },
    { 1,
      5,
      3,
      { "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
};

static pbts_span ct_leaf(uint8_t room[static 16], size_t index) {
    size_t len = 0;
    assert_int_equal(pbts_hex_decode(room, &len, 16, pbts_span_text(CT_LEAVES[index])), PBTS_OK);
    return (pbts_span){ room, len };
}

static void unhex(hash out, const char *hex) {
    assert_int_equal(pbts_hex_decode_exact(out, PBTS_SHA256_LEN, pbts_span_text(hex)), PBTS_OK);
}

static void roots_are_those_of_certificate_transparency(void **state) {
    (void)state;
    pbts_hash_tree tree;
    hash want, found;
    uint8_t room[16];
    pbts_hash_tree_init(&tree);
    for (size_t count = 0; count <= 8; count++) {
        if (count > 0) pbts_hash_tree_add(&tree, ct_leaf(room, count - 1));
        unhex(want, CT_ROOTS[count]);
        pbts_hash_tree_root(&tree, found);
        assert_memory_equal(found, want, sizeof want);
    }
}

static void proofs_are_those_of_certificate_transparency(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CT_PROOFS / sizeof CT_PROOFS[0]; i++) {
        hash leaves[8], path[PATH_MAX_LEN], want, root;
        uint8_t room[16];
        for (size_t k = 0; k < CT_PROOFS[i].count; k++) {
            pbts_hash_tree_leaf(leaves[k], ct_leaf(room, k));
        }
        size_t len = pbts_hash_tree_prove(path, leaves, CT_PROOFS[i].count, CT_PROOFS[i].index);
        assert_int_equal(len, CT_PROOFS[i].len);
        for (size_t k = 0; k < len; k++) {
            unhex(want, CT_PROOFS[i].path[k]);
            assert_memory_equal(path[k], want, sizeof want);
        }
        unhex(root, CT_ROOTS[CT_PROOFS[i].count]);
        assert_int_equal(pbts_hash_tree_check(root, CT_PROOFS[i].count, CT_PROOFS[i].index,
                                              ct_leaf(room, CT_PROOFS[i].index), (const hash *)path,
                                              len),
                         PBTS_OK);
    }
}

/* ---- the twin: leaf i is i bytes of value i ---- */

static pbts_span small_leaf(uint8_t room[static LEAVES_MAX], size_t index) {
    memset(room, (int)index, LEAVES_MAX);
    return (pbts_span){ room, index };
}

static size_t split_of(size_t count) {
    size_t left = 1;
    while (2 * left < count) left *= 2;
    return left;
}

/* MTH(D[first:first+count]) as the RFC writes it. */
static void naive_root(hash out, size_t first, size_t count) {
    uint8_t bytes[1 + LEAVES_MAX + 2 * PBTS_SHA256_LEN], room[LEAVES_MAX];
    if (count == 1) {
        pbts_span leaf = small_leaf(room, first);
        bytes[0] = 0;
        memcpy(bytes + 1, leaf.data, leaf.len);
        pbts_sha256(out, (pbts_span){ bytes, 1 + leaf.len });
        return;
    }
    bytes[0] = 1;
    naive_root(bytes + 1, first, split_of(count));
    naive_root(bytes + 33, first + split_of(count), count - split_of(count));
    pbts_sha256(out, (pbts_span){ bytes, 65 });
}

/* PATH(index, D[first:first+count]). */
static size_t naive_path(hash *out, size_t index, size_t first, size_t count) {
    if (count == 1) return 0;
    size_t left = split_of(count), len;
    if (index < left) {
        len = naive_path(out, index, first, left);
        naive_root(out[len], first + left, count - left);
    } else {
        len = naive_path(out, index - left, first + left, count - left);
        naive_root(out[len], first, left);
    }
    return len + 1;
}

static void every_small_root_is_that_of_the_definition(void **state) {
    (void)state;
    pbts_hash_tree tree;
    uint8_t room[LEAVES_MAX];
    pbts_hash_tree_init(&tree);
    for (size_t count = 1; count <= LEAVES_MAX; count++) {
        hash want, found;
        pbts_hash_tree_add(&tree, small_leaf(room, count - 1));
        naive_root(want, 0, count);
        pbts_hash_tree_root(&tree, found);
        assert_memory_equal(found, want, sizeof want);
    }
}

static void every_small_proof_is_that_of_the_definition_and_holds(void **state) {
    (void)state;
    for (size_t count = 1; count <= LEAVES_MAX; count++) {
        hash root;
        naive_root(root, 0, count);
        for (size_t index = 0; index < count; index++) {
            hash leaves[LEAVES_MAX], path[PATH_MAX_LEN], want[PATH_MAX_LEN];
            uint8_t room[LEAVES_MAX];
            for (size_t k = 0; k < count; k++) {
                pbts_hash_tree_leaf(leaves[k], small_leaf(room, k));
            }
            size_t len = pbts_hash_tree_prove(path, leaves, count, index);
            assert_int_equal(len, naive_path(want, index, 0, count));
            assert_memory_equal(path, want, len * sizeof(hash));
            pbts_span leaf = small_leaf(room, index);
            assert_int_equal(
                pbts_hash_tree_check(root, count, index, leaf, (const hash *)path, len), PBTS_OK);
        }
    }
}

static void a_proof_holds_for_its_leaf_place_count_and_root_only(void **state) {
    (void)state;
    enum { COUNT = 11, INDEX = 8 };
    hash leaves[COUNT], path[PATH_MAX_LEN + 1], root;
    uint8_t room[LEAVES_MAX], other[LEAVES_MAX];
    for (size_t k = 0; k < COUNT; k++) pbts_hash_tree_leaf(leaves[k], small_leaf(room, k));
    size_t len = pbts_hash_tree_prove(path, leaves, COUNT, INDEX);
    assert_int_equal(len, 3);
    naive_root(root, 0, COUNT);
    const hash *way = (const hash *)path;
    pbts_span leaf = small_leaf(room, INDEX);
    assert_int_equal(pbts_hash_tree_check(root, COUNT, INDEX, leaf, way, len), PBTS_OK);

    for (uint64_t index = 0; index < 20; index++) {
        if (index == INDEX) continue;
        assert_int_equal(pbts_hash_tree_check(root, COUNT, index, leaf, way, len), PBTS_MALFORMED);
    }
    assert_int_equal(pbts_hash_tree_check(root, COUNT, INDEX, small_leaf(other, 9), way, len),
                     PBTS_MALFORMED);
    for (size_t cut = 0; cut < len; cut++) { /* exact copies: a read past the end shows */
        hash *part = malloc(cut > 0 ? cut * sizeof *part : 1);
        assert_non_null(part);
        memcpy(part, path, cut * sizeof *part);
        assert_int_equal(pbts_hash_tree_check(root, COUNT, INDEX, leaf, (const hash *)part, cut),
                         PBTS_MALFORMED);
        free(part);
    }
    assert_int_equal(pbts_hash_tree_check(root, COUNT, INDEX, leaf, way, len + 1), PBTS_MALFORMED);
    assert_int_equal(pbts_hash_tree_check(root, 0, 0, leaf, way, len), PBTS_MALFORMED);
    hash alone; /* the root of a tree of one leaf is that leaf's, but only as number 0 */
    pbts_hash_tree_leaf(alone, leaf);
    assert_int_equal(pbts_hash_tree_check(alone, 1, 0, leaf, NULL, 0), PBTS_OK);
    assert_int_equal(pbts_hash_tree_check(alone, 1, 1, leaf, NULL, 0), PBTS_MALFORMED);
    assert_int_equal(pbts_hash_tree_check(alone, 0, 0, leaf, NULL, 0), PBTS_MALFORMED);
    assert_int_equal(pbts_hash_tree_check(root, UINT64_MAX, INDEX, leaf, way, len), PBTS_MALFORMED);
    assert_int_equal(pbts_hash_tree_check(root, (UINT64_C(1) << 32) + 1, 0, leaf, way, len),
                     PBTS_MALFORMED);
    for (size_t i = 0; i < len * sizeof(hash); i++) {
        ((uint8_t *)path)[i] ^= 1;
        assert_int_equal(pbts_hash_tree_check(root, COUNT, INDEX, leaf, way, len), PBTS_MALFORMED);
        ((uint8_t *)path)[i] ^= 1;
    }
    root[31] ^= 1;
    assert_int_equal(pbts_hash_tree_check(root, COUNT, INDEX, leaf, way, len), PBTS_MALFORMED);
}

/* Without the marks the two children of a node, written as one leaf, would hash to that node. */
static void a_node_is_no_leaf(void **state) {
    (void)state;
    hash pair[2], root, tree_root;
    uint8_t room[LEAVES_MAX];
    pbts_hash_tree tree;
    pbts_hash_tree_leaf(pair[0], small_leaf(room, 0));
    pbts_hash_tree_leaf(pair[1], small_leaf(room, 1));
    pbts_hash_tree_init(&tree);
    pbts_hash_tree_add(&tree, PBTS_SPAN_OF(pair));
    pbts_hash_tree_root(&tree, tree_root);
    naive_root(root, 0, 2);
    assert_memory_not_equal(root, tree_root, sizeof root);
    assert_int_equal(pbts_hash_tree_check(root, 1, 0, PBTS_SPAN_OF(pair), NULL, 0), PBTS_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_certificate_transparency),
        cmocka_unit_test(proofs_are_those_of_certificate_transparency),
        cmocka_unit_test(every_small_root_is_that_of_the_definition),
        cmocka_unit_test(every_small_proof_is_that_of_the_definition_and_holds),
        cmocka_unit_test(a_proof_holds_for_its_leaf_place_count_and_root_only),
        cmocka_unit_test(a_node_is_no_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
