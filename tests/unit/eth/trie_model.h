/* A Merkle-Patricia trie for tests: built as a whole from sorted entries, with paths of any length,
 * gives its root and proofs of presence and absence. The plain way, from the Yellow Paper's
 * appendix D, by recursion. */
#ifndef PBTS_TEST_ETH_TRIE_MODEL_H
#define PBTS_TEST_ETH_TRIE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/rlp.h"
#include "eth/proof.h"

enum { TRIE_NODE_MAX = 1024, TRIE_PATH_MAX = 32, TRIE_VALUE_MAX = 256 };

typedef struct {
    uint8_t path[TRIE_PATH_MAX]; /* in Ethereum's own tries the keccak of a key */
    size_t path_len;
    uint8_t value[TRIE_VALUE_MAX];
    size_t value_len; /* never 0 */
} trie_entry;

typedef struct trie_node {
    size_t depth, prefix_len; /* nibbles before it; of a leaf's or extension's own path */
    const trie_entry *first;
    size_t len;                             /* entries below it; 1: a leaf */
    struct trie_node *children[16], *below; /* of the branch; behind an extension */
    uint8_t *rlp;
    size_t rlp_len;
} trie_node;

typedef struct {
    trie_node *root; /* NULL: empty */
    pbts_eth_hash hash;
} trie;

static inline uint8_t trie_nibble(const uint8_t *path, size_t i) {
    return i % 2 == 0 ? path[i / 2] >> 4 : path[i / 2] & 15;
}

static inline pbts_span trie_path(const trie_entry *entry) {
    return (pbts_span){ entry->path, entry->path_len };
}

/* One that is the beginning of another comes before it. */
static inline int trie_compare_paths(pbts_span a, pbts_span b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static inline int trie_compare(const void *a, const void *b) {
    return trie_compare_paths(trie_path(a), trie_path(b));
}

/* Hex prefix encoding of `len` nibbles from `at`. */
static inline void trie_write_path(pbts_writer *writer, const uint8_t *path, size_t at, size_t len,
                                   bool is_leaf) {
    uint8_t bytes[TRIE_PATH_MAX + 1] = { 0 };
    size_t count = 1, odd = len % 2;
    bytes[0] = (uint8_t)((is_leaf ? 0x20 : 0) | (odd ? 0x10 | trie_nibble(path, at) : 0));
    for (size_t i = odd; i < len; i += 2) {
        bytes[count++] = (uint8_t)(trie_nibble(path, at + i) << 4 | trie_nibble(path, at + i + 1));
    }
    pbts_rlp_write_string(writer, (pbts_span){ bytes, count });
}

/* How a parent names it: by hash, or by itself when it is short. */
static inline void trie_write_reference(pbts_writer *writer, const trie_node *node) {
    pbts_span rlp = { node->rlp, node->rlp_len };
    if (rlp.len < PBTS_ETH_HASH_LEN) {
        pbts_write_bytes(writer, rlp);
        return;
    }
    pbts_eth_hash hash = pbts_eth_hash_of(rlp);
    pbts_rlp_write_string(writer, PBTS_SPAN_OF(hash.bytes));
}

static inline void trie_finish(trie_node *node, const uint8_t *bytes, size_t len) {
    node->rlp = malloc(len);
    assert_non_null(node->rlp);
    memcpy(node->rlp, bytes, len);
    node->rlp_len = len;
}

static inline trie_node *trie_build(const trie_entry *entries, size_t len, size_t depth);

static inline void trie_build_branch(trie_node *node, pbts_writer *writer) {
    size_t opened = pbts_rlp_open_list(writer);
    size_t begin = 2 * node->first->path_len == node->depth; /* the entry that ends here */
    pbts_span value = { node->first->value, begin * node->first->value_len };
    for (uint8_t nibble = 0; nibble < 16; nibble++) {
        size_t end = begin;
        while (end < node->len && trie_nibble(node->first[end].path, node->depth) == nibble) end++;
        if (end == begin) {
            pbts_rlp_write_string(writer, (pbts_span){ 0 });
            continue;
        }
        node->children[nibble] = trie_build(node->first + begin, end - begin, node->depth + 1);
        trie_write_reference(writer, node->children[nibble]);
        begin = end;
    }
    pbts_rlp_write_string(writer, value);
    pbts_rlp_close_list(writer, opened);
}

/* How many nibbles all entries share, from `depth` on: as many as the first and the last. */
static inline size_t trie_shared(const trie_entry *entries, size_t len, size_t depth) {
    const trie_entry *low = &entries[0], *high = &entries[len - 1];
    size_t end = depth;
    while (end < 2 * low->path_len && end < 2 * high->path_len &&
           trie_nibble(low->path, end) == trie_nibble(high->path, end)) {
        end++;
    }
    return end - depth;
}

static inline trie_node *trie_build(const trie_entry *entries, size_t len, size_t depth) {
    uint8_t bytes[TRIE_NODE_MAX];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    trie_node *node = calloc(1, sizeof *node);
    assert_non_null(node);
    *node = (trie_node){ .depth = depth, .first = entries, .len = len };
    node->prefix_len = trie_shared(entries, len, depth);
    if (len == 1) {
        size_t opened = pbts_rlp_open_list(&writer);
        trie_write_path(&writer, entries->path, depth, node->prefix_len, true);
        pbts_rlp_write_string(&writer, (pbts_span){ entries->value, entries->value_len });
        pbts_rlp_close_list(&writer, opened);
    } else if (node->prefix_len > 0) {
        node->below = trie_build(entries, len, depth + node->prefix_len);
        size_t opened = pbts_rlp_open_list(&writer);
        trie_write_path(&writer, entries->path, depth, node->prefix_len, false);
        trie_write_reference(&writer, node->below);
        pbts_rlp_close_list(&writer, opened);
    } else {
        trie_build_branch(node, &writer);
    }
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    trie_finish(node, bytes, writer.len);
    return node;
}

/* Sorts the entries, which must outlive the trie and have distinct paths. */
static inline trie trie_new(trie_entry *entries, size_t len) {
    trie out = { .hash = PBTS_ETH_EMPTY_TRIE };
    if (len == 0) return out;
    qsort(entries, len, sizeof *entries, trie_compare);
    out.root = trie_build(entries, len, 0);
    out.hash = pbts_eth_hash_of((pbts_span){ out.root->rlp, out.root->rlp_len });
    return out;
}

static inline void trie_free_node(trie_node *node) {
    if (node == NULL) return;
    for (size_t i = 0; i < 16; i++) trie_free_node(node->children[i]);
    trie_free_node(node->below);
    free(node->rlp);
    free(node);
}

/* The node that a path leads to from this one; NULL: none, or the path ends here. */
static inline const trie_node *trie_step(const trie_node *node, pbts_span path) {
    size_t end = node->depth + node->prefix_len;
    if (node->len == 1 || 2 * path.len < end) return NULL;
    for (size_t i = node->depth; i < end; i++) {
        if (trie_nibble(path.data, i) != trie_nibble(node->first->path, i)) return NULL;
    }
    if (node->below != NULL) return node->below;
    return 2 * path.len == end ? NULL : node->children[trie_nibble(path.data, end)];
}

/* Nodes from the root to where the path ends or leaves the trie. */
static inline size_t trie_prove(const trie *tree, pbts_span path,
                                pbts_span nodes[static PBTS_ETH_PROOF_NODES_MAX]) {
    size_t len = 0;
    for (const trie_node *node = tree->root; node != NULL; node = trie_step(node, path)) {
        if (node == tree->root || node->rlp_len >= PBTS_ETH_HASH_LEN) {
            nodes[len++] = (pbts_span){ node->rlp, node->rlp_len };
        }
    }
    return len;
}

#endif
