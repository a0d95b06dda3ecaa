/* libFuzzer target: any nodes over any path are walked to their end, within them; what is proved
 * needs each of its nodes. Input: u8 what, u8 path length, 32 bytes of path, address or slot, then
 * nodes: u16 length, bytes. So that nodes can name each other without a broken hash, 32 bytes EE in
 * one stand for the hash of the next; the root is that of the first. */
#include <stdlib.h>

#include "eth/proof.h"

static void require(bool truth) {
    if (!truth) abort();
}

enum { NODES_MAX = PBTS_ETH_PROOF_NODES_MAX + 1, PLACE = 0xee };

typedef struct {
    pbts_span spans[NODES_MAX];
    size_t count;
} node_list;

/* Put the hash of the node below into its places. */
static void name_next(uint8_t *node, size_t len, const pbts_eth_hash *hash) {
    uint8_t place[PBTS_ETH_HASH_LEN];
    memset(place, PLACE, sizeof place);
    for (size_t i = 0; i + sizeof place <= len; i++) {
        if (memcmp(node + i, place, sizeof place) == 0) {
            memcpy(node + i, hash->bytes, sizeof place);
        }
    }
}

/* Returns the hash of the first node. */
static pbts_eth_hash read_nodes(node_list *out, pbts_cursor *in) {
    uint16_t len = 0;
    pbts_eth_hash below = PBTS_ETH_EMPTY_TRIE;
    out->count = 0;
    while (out->count < NODES_MAX && pbts_read_u16(in, &len) == PBTS_OK &&
           pbts_read_span(in, &out->spans[out->count], len) == PBTS_OK) {
        out->count++;
    }
    for (size_t i = out->count; i-- > 0;) {
        uint8_t *node = malloc(out->spans[i].len); /* exactly: a byte too far is noticed */
        require(node != NULL || out->spans[i].len == 0);
        if (out->spans[i].len > 0) memcpy(node, out->spans[i].data, out->spans[i].len);
        name_next(node, out->spans[i].len, &below);
        out->spans[i].data = node;
        below = pbts_eth_hash_of(out->spans[i]);
    }
    return below;
}

static void require_within(pbts_span value, const node_list *nodes) {
    bool within = false;
    for (size_t i = 0; i < nodes->count; i++) {
        pbts_span node = nodes->spans[i];
        within |= value.data >= node.data && value.data + value.len <= node.data + node.len;
    }
    require(within && value.len > 0);
}

static void check_path(const pbts_eth_hash *root, pbts_span path, const node_list *nodes) {
    pbts_eth_proved found, fewer;
    pbts_status status = pbts_eth_proof_verify(&found, root, path, nodes->spans, nodes->count);
    if (nodes->count > PBTS_ETH_PROOF_NODES_MAX) require(status == PBTS_LIMIT);
    if (status != PBTS_OK) return;
    if (found.present) require_within(found.value, nodes);
    if (pbts_eth_hash_equal(root, &PBTS_ETH_EMPTY_TRIE)) return;
    require(pbts_eth_proof_verify(&fewer, root, path, nodes->spans, nodes->count - 1) != PBTS_OK);
}

static void check_account(const pbts_eth_hash *root, const uint8_t *key, const node_list *nodes) {
    pbts_eth_address address;
    pbts_eth_account account;
    memcpy(address.bytes, key, sizeof address.bytes);
    pbts_eth_hash path = pbts_eth_hash_of(PBTS_SPAN_OF(address.bytes));
    check_path(root, PBTS_SPAN_OF(path.bytes), nodes);
    if (pbts_eth_proof_account(&account, root, &address, nodes->spans, nodes->count) != PBTS_OK) {
        return;
    }
    require(account.present || (account.nonce == 0 && pbts_u256_is_zero(&account.balance_wei)));
}

static void check_storage(const pbts_eth_hash *root, const uint8_t *key, const node_list *nodes) {
    pbts_u256 slot = pbts_u256_from_span((pbts_span){ key, PBTS_U256_LEN }), word;
    pbts_eth_hash path = pbts_eth_hash_of(PBTS_SPAN_OF(slot.bytes));
    pbts_eth_proved found;
    if (pbts_eth_proof_storage(&word, root, &slot, nodes->spans, nodes->count) != PBTS_OK) return;
    require(pbts_eth_proof_verify(&found, root, PBTS_SPAN_OF(path.bytes), nodes->spans,
                                  nodes->count) == PBTS_OK);
    require(found.present || pbts_u256_is_zero(&word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_cursor in = pbts_cursor_over((pbts_span){ data, len });
    uint8_t what = 0, path_len = 0, key[PBTS_ETH_PROOF_PATH_MAX];
    node_list nodes;
    if (pbts_read_u8(&in, &what) != PBTS_OK || pbts_read_u8(&in, &path_len) != PBTS_OK ||
        pbts_read_bytes(&in, key, sizeof key) != PBTS_OK) {
        return 0;
    }
    pbts_eth_hash root = read_nodes(&nodes, &in);
    if (what % 3 == 0) check_path(&root, (pbts_span){ key, path_len % (sizeof key + 1) }, &nodes);
    if (what % 3 == 1) check_account(&root, key, &nodes);
    if (what % 3 == 2) check_storage(&root, key, &nodes);
    for (size_t i = 0; i < nodes.count; i++) free((void *)(uintptr_t)nodes.spans[i].data);
    return 0;
}
