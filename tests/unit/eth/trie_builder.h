/* A Merkle-Patricia trie built as the Yellow Paper's appendix D defines it: each call makes the
 * node of some entries at some depth. Slow and plain; with it come the nodes on the way along one
 * path. */
#ifndef PBTS_TEST_ETH_TRIE_BUILDER_H
#define PBTS_TEST_ETH_TRIE_BUILDER_H

#include "codec/rlp.h"
#include "eth/proof.h"
#include "eth/vectors.h"

enum { TRIE_ENTRIES_MAX = 256, TRIE_KEY_MAX = 32, TRIE_NODE_MAX = 1024 };

typedef struct {
    uint8_t key[TRIE_KEY_MAX];
    size_t key_len;
    uint8_t value[256];
    size_t value_len; /* never 0 */
} trie_entry;

typedef struct {
    trie_entry entries[TRIE_ENTRIES_MAX]; /* by ascending key, no key twice */
    size_t count;
} test_trie;

/* The root of a trie, and the nodes on the way along a path from there. */
typedef struct {
    pbts_eth_hash root;
    size_t count;
    pbts_span nodes[PBTS_ETH_PROOF_NODES_MAX];
    uint8_t bytes[PBTS_ETH_PROOF_NODES_MAX][TRIE_NODE_MAX];
} trie_proof;

static inline int trie_compare(pbts_span a, pbts_span b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where `key` is, or would be. */
static inline size_t trie_find(const test_trie *trie, pbts_span key) {
    size_t at = 0;
    while (at < trie->count &&
           trie_compare((pbts_span){ trie->entries[at].key, trie->entries[at].key_len }, key) < 0) {
        at++;
    }
    return at;
}

static inline bool trie_has(const test_trie *trie, size_t at, pbts_span key) {
    return at < trie->count &&
           pbts_span_equal(key, (pbts_span){ trie->entries[at].key, trie->entries[at].key_len });
}

/* An empty value takes the key away. */
static inline void trie_put(test_trie *trie, pbts_span key, pbts_span value) {
    size_t at = trie_find(trie, key);
    bool has = trie_has(trie, at, key);
    trie_entry *entry = trie->entries + at;
    assert_true(key.len <= TRIE_KEY_MAX && value.len <= sizeof entry->value);
    if (has && value.len == 0) {
        memmove(entry, entry + 1, (--trie->count - at) * sizeof *entry);
    }
    if (value.len == 0) return;
    if (!has) {
        assert_true(trie->count < TRIE_ENTRIES_MAX);
        memmove(entry + 1, entry, (trie->count++ - at) * sizeof *entry);
    }
    if (key.len > 0) memcpy(entry->key, key.data, key.len);
    memcpy(entry->value, value.data, value.len);
    entry->key_len = key.len;
    entry->value_len = value.len;
}

static inline uint8_t trie_nibble(const uint8_t *key, size_t index) {
    return index % 2 == 0 ? key[index / 2] >> 4 : key[index / 2] & 15;
}

/* Hex prefix: nibbles first..end of a key. */
static inline void trie_write_fragment(pbts_writer *out, const uint8_t *key, size_t first,
                                       size_t end, bool leaf) {
    uint8_t bytes[TRIE_KEY_MAX + 1] = { 0 };
    size_t at = 1 - (end - first) % 2; /* nibbles, after the prefix */
    bytes[0] = (uint8_t)((leaf ? 0x20 : 0) | (at == 0 ? 0x10 : 0));
    for (size_t i = first, to = at + 1; i < end; i++, to++) {
        bytes[to / 2] |= (uint8_t)(trie_nibble(key, i) << (to % 2 == 0 ? 4 : 0));
    }
    pbts_rlp_write_string(out, (pbts_span){ bytes, (at + 1 + end - first) / 2 });
}

/* What is being proved: the path, and the nodes so far, the lowest first. NULL: nothing below here.
 */
typedef struct {
    pbts_span path;
    trie_proof *proof;
} trie_way;

static inline size_t trie_node(uint8_t out[static TRIE_NODE_MAX], const trie_entry *entries,
                               size_t count, size_t depth, const trie_way *way);

/* A node within its parent: itself when it is short, else its hash. */
static inline void trie_write_child(pbts_writer *out, const trie_entry *entries, size_t count,
                                    size_t depth, const trie_way *way) {
    uint8_t node[TRIE_NODE_MAX];
    size_t len = trie_node(node, entries, count, depth, way);
    if (len < PBTS_ETH_HASH_LEN) {
        pbts_write_bytes(out, (pbts_span){ node, len });
        return;
    }
    pbts_eth_hash hash = pbts_eth_hash_of((pbts_span){ node, len });
    pbts_rlp_write_string(out, PBTS_SPAN_OF(hash.bytes));
    if (way == NULL) return;
    memcpy(way->proof->bytes[way->proof->count], node, len);
    way->proof->nodes[way->proof->count] = (pbts_span){ way->proof->bytes[way->proof->count], len };
    way->proof->count++;
}

static inline void trie_write_branch(pbts_writer *out, const trie_entry *entries, size_t count,
                                     size_t depth, const trie_way *way) {
    size_t first = entries[0].key_len * 2 == depth ? 1 : 0; /* the entry that ends here */
    for (uint8_t nibble = 0, at = (uint8_t)first; nibble < 16; nibble++) {
        size_t group = 0;
        while (at + group < count && trie_nibble(entries[at + group].key, depth) == nibble) group++;
        bool here = way != NULL && depth < 2 * way->path.len &&
                    trie_nibble(way->path.data, depth) == nibble;
        if (group == 0) {
            pbts_write_u8(out, 0x80);
        } else {
            trie_write_child(out, entries + at, group, depth + 1, here ? way : NULL);
        }
        at = (uint8_t)(at + group);
    }
    pbts_rlp_write_string(out, (pbts_span){ entries[0].value, first * entries[0].value_len });
}

/* How many nibbles all entries share, from `depth` on. */
static inline size_t trie_shared(const trie_entry *entries, size_t count, size_t depth) {
    const trie_entry *last = entries + count - 1;
    size_t end = depth;
    while (end < 2 * entries[0].key_len && end < 2 * last->key_len &&
           trie_nibble(entries[0].key, end) == trie_nibble(last->key, end)) {
        end++;
    }
    return end - depth;
}

static inline size_t trie_node(uint8_t out[static TRIE_NODE_MAX], const trie_entry *entries,
                               size_t count, size_t depth, const trie_way *way) {
    pbts_writer writer = pbts_writer_over(out, TRIE_NODE_MAX);
    size_t list = pbts_rlp_open_list(&writer), shared = trie_shared(entries, count, depth);
    if (count == 1) {
        trie_write_fragment(&writer, entries[0].key, depth, 2 * entries[0].key_len, true);
        pbts_rlp_write_string(&writer, (pbts_span){ entries[0].value, entries[0].value_len });
    } else if (shared > 0) {
        bool here = way != NULL && depth + shared <= 2 * way->path.len;
        for (size_t i = depth; here && i < depth + shared; i++) {
            here = trie_nibble(way->path.data, i) == trie_nibble(entries[0].key, i);
        }
        trie_write_fragment(&writer, entries[0].key, depth, depth + shared, false);
        trie_write_child(&writer, entries, count, depth + shared, here ? way : NULL);
    } else {
        trie_write_branch(&writer, entries, count, depth, way);
    }
    pbts_rlp_close_list(&writer, list);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return writer.len;
}

/* The root, and the proof of what is at `path`. */
static inline void trie_prove(trie_proof *out, const test_trie *trie, pbts_span path) {
    uint8_t node[TRIE_NODE_MAX] = { 0x80 };
    trie_way way = { path, out };
    out->count = 0;
    size_t len = trie->count == 0 ? 1 : trie_node(node, trie->entries, trie->count, 0, &way);
    out->root = pbts_eth_hash_of((pbts_span){ node, len });
    memcpy(out->bytes[out->count], node, len);
    out->nodes[out->count] = (pbts_span){ out->bytes[out->count], len };
    out->count++;
    for (size_t i = 0; i < out->count / 2; i++) { /* the root comes first */
        pbts_span swapped = out->nodes[i];
        out->nodes[i] = out->nodes[out->count - 1 - i];
        out->nodes[out->count - 1 - i] = swapped;
    }
}

#endif
