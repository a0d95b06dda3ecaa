/* A walk from the root along the nibbles of a path (Yellow Paper appendix D, read backwards: there
 * a trie is built, here each node is taken apart). */
#include "eth/proof.h"

#include "base/assert.h"
#include "codec/rlp.h"
#include "hash/keccak.h"

enum {
    BRANCH_PLACES = 16,
    EMPTY_STRING = 0x80,   /* RLP: no node, no value */
    EMBEDDED_LEN_MAX = 31, /* longer nodes are named by hash */
};

typedef struct {
    pbts_span path;
    size_t nibble; /* the next one; at most 2 * path.len */
    const pbts_span *nodes;
    size_t nodes_len;
    size_t node; /* the next one not used yet */
} proof_walk;

/* What comes after one node: a value or nothing, which ends the walk, or a node below. */
typedef struct {
    enum { NOTHING, VALUE, HASHED, EMBEDDED } kind;
    pbts_span bytes; /* the value, the 32 bytes of the hash, or the embedded node */
} step;

static size_t nibbles_left(const proof_walk *walk) {
    return 2 * walk->path.len - walk->nibble;
}

static uint8_t nibble_at(pbts_span bytes, size_t index) {
    uint8_t byte = bytes.data[index / 2];
    return index % 2 == 0 ? byte >> 4 : byte & 0x0f;
}

/* ---- nodes ---- */

/* What a node says of the one below it: nothing, a hash, or the node itself. */
static pbts_status read_child(pbts_cursor *items, step *out) {
    pbts_rlp_item item;
    PBTS_TRY(pbts_rlp_read(items, &item));
    if (item.type == PBTS_RLP_LIST) {
        if (item.raw.len > EMBEDDED_LEN_MAX) return PBTS_MALFORMED;
        *out = (step){ EMBEDDED, item.raw };
        return PBTS_OK;
    }
    if (item.content.len != 0 && item.content.len != PBTS_ETH_HASH_LEN) return PBTS_MALFORMED;
    *out = (step){ item.content.len == 0 ? NOTHING : HASHED, item.content };
    return PBTS_OK;
}

/* Whether the value in a leaf or branch is there. */
static step value_step(pbts_span value) {
    return (step){ .kind = value.len == 0 ? NOTHING : VALUE, .bytes = value };
}

/* Sixteen children and the value of the path that ends here. All are read: a node is what it says.
 */
static pbts_status enter_branch(proof_walk *walk, pbts_cursor *items, step *out) {
    bool ends = nibbles_left(walk) == 0;
    size_t place = ends ? BRANCH_PLACES : nibble_at(walk->path, walk->nibble);
    step taken = { .kind = NOTHING };
    pbts_span value;
    for (size_t i = 0; i < BRANCH_PLACES; i++) {
        step child;
        PBTS_TRY(read_child(items, &child));
        if (i == place) taken = child;
    }
    PBTS_TRY(pbts_rlp_read_string(items, &value));
    PBTS_TRY(pbts_rlp_end(items));
    if (!ends) walk->nibble++;
    *out = ends ? value_step(value) : taken;
    return PBTS_OK;
}

/* The nibbles that a leaf or extension holds, "hex prefix": first nibble 0 or 1 an extension, 2 or
 * 3 a leaf, odd ones with a nibble of the path in the first byte. */
typedef struct {
    pbts_span bytes;
    size_t first, count; /* nibbles of `bytes` */
    bool leaf;
} path_fragment;

static pbts_status read_fragment(pbts_cursor *items, path_fragment *out) {
    pbts_span bytes;
    PBTS_TRY(pbts_rlp_read_string(items, &bytes));
    if (bytes.len == 0 || bytes.len > 1 + PBTS_ETH_PROOF_PATH_MAX) return PBTS_MALFORMED;
    uint8_t prefix = bytes.data[0] >> 4;
    bool odd = (prefix & 1) != 0;
    if (prefix > 3 || (!odd && (bytes.data[0] & 0x0f) != 0)) return PBTS_MALFORMED;
    *out = (path_fragment){ .bytes = bytes,
                            .first = odd ? 1 : 2,
                            .count = 2 * bytes.len - (odd ? 1 : 2),
                            .leaf = prefix >= 2 };
    return PBTS_OK;
}

/* Whether the path goes on as the fragment says. */
static bool follows(const proof_walk *walk, const path_fragment *fragment) {
    if (fragment->count > nibbles_left(walk)) return false;
    for (size_t i = 0; i < fragment->count; i++) {
        if (nibble_at(walk->path, walk->nibble + i) !=
            nibble_at(fragment->bytes, fragment->first + i)) {
            return false;
        }
    }
    return true;
}

static pbts_status enter_leaf(proof_walk *walk, const path_fragment *fragment, pbts_cursor *items,
                              step *out) {
    pbts_span value;
    PBTS_TRY(pbts_rlp_read_string(items, &value));
    PBTS_TRY(pbts_rlp_end(items));
    if (value.len == 0) return PBTS_MALFORMED; /* who holds nothing is not in the trie */
    bool here = follows(walk, fragment) && fragment->count == nibbles_left(walk);
    *out = (step){ .kind = here ? VALUE : NOTHING, .bytes = value };
    return PBTS_OK;
}

static pbts_status enter_extension(proof_walk *walk, const path_fragment *fragment,
                                   pbts_cursor *items, step *out) {
    step child;
    PBTS_TRY(read_child(items, &child));
    PBTS_TRY(pbts_rlp_end(items));
    if (fragment->count == 0 || child.kind == NOTHING) return PBTS_MALFORMED;
    if (follows(walk, fragment)) {
        walk->nibble += fragment->count;
        *out = child;
    } else {
        *out = (step){ .kind = NOTHING };
    }
    return PBTS_OK;
}

static pbts_status enter_short(proof_walk *walk, pbts_cursor *items, step *out) {
    path_fragment fragment;
    PBTS_TRY(read_fragment(items, &fragment));
    return fragment.leaf ? enter_leaf(walk, &fragment, items, out)
                         : enter_extension(walk, &fragment, items, out);
}

/* A list of two items is a leaf or an extension, one of 17 a branch. */
static pbts_status enter(proof_walk *walk, pbts_span node, step *out) {
    pbts_cursor cursor = pbts_cursor_over(node), items, ahead;
    pbts_rlp_item item;
    PBTS_TRY(pbts_rlp_read_list(&cursor, &items));
    PBTS_TRY(pbts_rlp_end(&cursor));
    ahead = items;
    PBTS_TRY(pbts_rlp_read(&ahead, &item));
    PBTS_TRY(pbts_rlp_read(&ahead, &item));
    return pbts_cursor_left(&ahead) == 0 ? enter_short(walk, &items, out)
                                         : enter_branch(walk, &items, out);
}

/* ---- the walk ---- */

/* The next node of the proof, which must have this hash. */
static pbts_status take_node(proof_walk *walk, const uint8_t hash[static PBTS_ETH_HASH_LEN],
                             pbts_span *node) {
    uint8_t found[PBTS_KECCAK256_LEN];
    if (walk->node == walk->nodes_len) return PBTS_MALFORMED;
    *node = walk->nodes[walk->node++];
    if (node->len > PBTS_ETH_PROOF_NODE_LEN_MAX) return PBTS_LIMIT;
    pbts_keccak256(found, *node);
    return memcmp(found, hash, sizeof found) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

/* No node, or that of the empty trie. */
static bool is_empty_proof(const pbts_span *nodes, size_t nodes_len) {
    return nodes_len == 0 ||
           (nodes_len == 1 && nodes[0].len == 1 && nodes[0].data[0] == EMPTY_STRING);
}

pbts_status pbts_eth_proof_verify(pbts_eth_proved *out, const pbts_eth_hash *root, pbts_span path,
                                  const pbts_span *nodes, size_t nodes_len) {
    assert(path.len <= PBTS_ETH_PROOF_PATH_MAX);
    proof_walk walk = { .path = path, .nodes = nodes, .nodes_len = nodes_len };
    step at = { HASHED, PBTS_SPAN_OF(root->bytes) };
    if (nodes_len > PBTS_ETH_PROOF_NODES_MAX) return PBTS_LIMIT;
    if (pbts_eth_hash_equal(root, &PBTS_ETH_EMPTY_TRIE)) {
        if (!is_empty_proof(nodes, nodes_len)) return PBTS_MALFORMED;
        *out = (pbts_eth_proved){ 0 };
        return PBTS_OK;
    }
    /* Ends: each turn takes a nibble of the path, a node of the proof, or ends the walk; an
     * embedded node is shorter than the one around it. */
    while (at.kind == HASHED || at.kind == EMBEDDED) {
        pbts_span node = at.bytes;
        if (at.kind == HASHED) PBTS_TRY(take_node(&walk, at.bytes.data, &node));
        PBTS_TRY(enter(&walk, node, &at));
    }
    if (walk.node != nodes_len) return PBTS_MALFORMED;
    *out = (pbts_eth_proved){ .present = at.kind == VALUE,
                              .value = at.kind == VALUE ? at.bytes : (pbts_span){ 0 } };
    return PBTS_OK;
}

/* ---- what the tries of a block hold ---- */

static pbts_status read_account(pbts_eth_account *out, pbts_span value) {
    pbts_cursor cursor = pbts_cursor_over(value), fields;
    out->present = true;
    PBTS_TRY(pbts_rlp_read_list(&cursor, &fields));
    PBTS_TRY(pbts_rlp_end(&cursor));
    PBTS_TRY(pbts_rlp_read_u64(&fields, &out->nonce));
    PBTS_TRY(pbts_rlp_read_u256(&fields, &out->balance_wei));
    PBTS_TRY(pbts_rlp_read_bytes(&fields, out->storage_root.bytes, sizeof out->storage_root.bytes));
    PBTS_TRY(pbts_rlp_read_bytes(&fields, out->code_hash.bytes, sizeof out->code_hash.bytes));
    return pbts_rlp_end(&fields);
}

pbts_status pbts_eth_proof_account(pbts_eth_account *out, const pbts_eth_hash *state_root,
                                   const pbts_eth_address *address, const pbts_span *nodes,
                                   size_t nodes_len) {
    pbts_eth_account account = { .storage_root = PBTS_ETH_EMPTY_TRIE,
                                 .code_hash = PBTS_ETH_EMPTY_CODE };
    pbts_eth_hash path = pbts_eth_hash_of(PBTS_SPAN_OF(address->bytes));
    pbts_eth_proved proved;
    PBTS_TRY(
        pbts_eth_proof_verify(&proved, state_root, PBTS_SPAN_OF(path.bytes), nodes, nodes_len));
    if (proved.present) PBTS_TRY(read_account(&account, proved.value));
    *out = account;
    return PBTS_OK;
}

pbts_status pbts_eth_proof_storage(pbts_u256 *out, const pbts_eth_hash *storage_root,
                                   const pbts_u256 *slot, const pbts_span *nodes,
                                   size_t nodes_len) {
    pbts_u256 word = { { 0 } };
    pbts_eth_hash path = pbts_eth_hash_of(PBTS_SPAN_OF(slot->bytes));
    pbts_eth_proved proved;
    PBTS_TRY(
        pbts_eth_proof_verify(&proved, storage_root, PBTS_SPAN_OF(path.bytes), nodes, nodes_len));
    if (proved.present) {
        pbts_cursor cursor = pbts_cursor_over(proved.value);
        PBTS_TRY(pbts_rlp_read_u256(&cursor, &word));
        PBTS_TRY(pbts_rlp_end(&cursor));
        /* No trie of Ethereum stores zeros, but Anvil's does: the word is zero either way. */
    }
    *out = word;
    return PBTS_OK;
}
