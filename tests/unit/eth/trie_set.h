/* Entries of a trie that come and go, and proofs whose bytes may be changed, on trie_model.h. */
#ifndef PBTS_TEST_ETH_TRIE_SET_H
#define PBTS_TEST_ETH_TRIE_SET_H

#include "eth/trie_model.h"

enum { TRIE_SET_MAX = 256 };

typedef struct {
    trie_entry entries[TRIE_SET_MAX]; /* by ascending path, none twice */
    size_t count;
} trie_set;

/* The root of a trie, and the nodes on the way along a path from there. */
typedef struct {
    pbts_eth_hash root;
    size_t count;
    pbts_span nodes[PBTS_ETH_PROOF_NODES_MAX]; /* of `bytes` */
    uint8_t bytes[PBTS_ETH_PROOF_NODES_MAX][TRIE_NODE_MAX];
} trie_proof;

/* Where `path` is, or would be. */
static inline size_t trie_set_find(const trie_set *set, pbts_span path) {
    size_t at = 0;
    while (at < set->count && trie_compare_paths(trie_path(&set->entries[at]), path) < 0) at++;
    return at;
}

static inline bool trie_set_has(const trie_set *set, size_t at, pbts_span path) {
    return at < set->count && pbts_span_equal(path, trie_path(&set->entries[at]));
}

/* An empty value takes the path away. */
static inline void trie_set_put(trie_set *set, pbts_span path, pbts_span value) {
    size_t at = trie_set_find(set, path);
    bool has = trie_set_has(set, at, path);
    trie_entry *entry = set->entries + at;
    assert_true(path.len <= TRIE_PATH_MAX && value.len <= TRIE_VALUE_MAX);
    if (has && value.len == 0) {
        memmove(entry, entry + 1, (--set->count - at) * sizeof *entry);
    }
    if (value.len == 0) return;
    if (!has) {
        assert_true(set->count < TRIE_SET_MAX);
        memmove(entry + 1, entry, (set->count++ - at) * sizeof *entry);
    }
    if (path.len > 0) memcpy(entry->path, path.data, path.len);
    memcpy(entry->value, value.data, value.len);
    entry->path_len = path.len;
    entry->value_len = value.len;
}

/* The root, and the proof of what is at `path`; the empty trie is one node. */
static inline void trie_set_prove(trie_proof *out, trie_set *set, pbts_span path) {
    static const uint8_t NOTHING[1] = { 0x80 };
    pbts_span nodes[PBTS_ETH_PROOF_NODES_MAX] = { PBTS_SPAN_OF(NOTHING) };
    trie tree = trie_new(set->entries, set->count);
    out->root = tree.hash;
    out->count = tree.root == NULL ? 1 : trie_prove(&tree, path, nodes);
    for (size_t i = 0; i < out->count; i++) {
        memcpy(out->bytes[i], nodes[i].data, nodes[i].len);
        out->nodes[i] = (pbts_span){ out->bytes[i], nodes[i].len };
    }
    trie_free_node(tree.root);
}

#endif
