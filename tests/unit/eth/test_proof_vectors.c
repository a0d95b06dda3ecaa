/* Proofs as nodes answer eth_getProof: of the main network and of Anvil, present and absent, and
 * each of them with every byte of every node changed. */
#include "eth/proof.h"
#include "eth/vectors.h"

typedef struct {
    pbts_span nodes[PBTS_ETH_PROOF_NODES_MAX];
    size_t count;
} node_list;

static node_list nodes_of(const json_t *list) {
    node_list out = { .count = 0 };
    size_t i;
    json_t *node;
    assert_true(json_is_array(list) && json_array_size(list) <= PBTS_ETH_PROOF_NODES_MAX);
    json_array_foreach(list, i, node) {
        out.nodes[out.count++] = vectors_unhex(json_string_value(node));
    }
    return out;
}

static void free_nodes(node_list *list) {
    for (size_t i = 0; i < list->count; i++) vectors_free(list->nodes[i]);
}

static pbts_eth_hash hash_at(const json_t *object, const char *key) {
    pbts_eth_hash out;
    vectors_exactly(out.bytes, sizeof out.bytes, object, key);
    return out;
}

/* ---- accounts ---- */

static void flip_account(const pbts_eth_hash *root, const pbts_eth_address *address,
                         node_list *list) {
    pbts_eth_account found;
    for (size_t i = 0; i < list->count; i++) {
        uint8_t *node = (uint8_t *)(uintptr_t)list->nodes[i].data;
        for (size_t at = 0; at < list->nodes[i].len; at++) {
            node[at] ^= 0x01;
            assert_int_equal(
                pbts_eth_proof_account(&found, root, address, list->nodes, list->count),
                PBTS_MALFORMED);
            node[at] ^= 0x01;
        }
    }
    assert_int_equal(pbts_eth_proof_account(&found, root, address, list->nodes, list->count - 1),
                     PBTS_MALFORMED);
}

/* The account of an answer, proved in the state with this root; returns its storage root. */
static pbts_eth_hash check_account(const json_t *answer, const pbts_eth_hash *root, bool present) {
    node_list list = nodes_of(json_object_get(answer, "accountProof"));
    pbts_eth_hash storage_root = hash_at(answer, "storageHash");
    pbts_eth_hash code_hash = hash_at(answer, "codeHash");
    pbts_u256 balance = vectors_number(answer, "balance");
    pbts_eth_address address;
    pbts_eth_account account;
    vectors_exactly(address.bytes, sizeof address.bytes, answer, "address");
    assert_int_equal(pbts_eth_proof_account(&account, root, &address, list.nodes, list.count),
                     PBTS_OK);
    assert_int_equal(account.present, present);
    assert_true(account.nonce == vectors_u64(answer, "nonce"));
    assert_int_equal(pbts_u256_compare(&account.balance_wei, &balance), 0);
    assert_true(pbts_eth_hash_equal(&account.storage_root, &storage_root));
    assert_true(pbts_eth_hash_equal(&account.code_hash, &code_hash));
    flip_account(root, &address, &list);
    address.bytes[7] ^= 0x10; /* somebody else */
    pbts_status status = pbts_eth_proof_account(&account, root, &address, list.nodes, list.count);
    assert_int_equal(status, PBTS_MALFORMED);
    free_nodes(&list);
    return storage_root;
}

/* ---- storage ---- */

static void flip_storage(const pbts_eth_hash *root, const pbts_u256 *slot, node_list *list) {
    pbts_u256 found;
    for (size_t i = 0; i < list->count; i++) {
        uint8_t *node = (uint8_t *)(uintptr_t)list->nodes[i].data;
        for (size_t at = 0; at < list->nodes[i].len; at++) {
            node[at] ^= 0x01;
            assert_int_equal(pbts_eth_proof_storage(&found, root, slot, list->nodes, list->count),
                             PBTS_MALFORMED);
            node[at] ^= 0x01;
        }
    }
}

/* Every slot of an answer; returns how many were 0. */
static size_t check_storage(const json_t *answer, const pbts_eth_hash *root) {
    size_t i, zeros = 0;
    json_t *entry;
    json_array_foreach(json_object_get(answer, "storageProof"), i, entry) {
        node_list list = nodes_of(json_object_get(entry, "proof"));
        pbts_u256 slot = vectors_number(entry, "key"), want = vectors_number(entry, "value");
        pbts_u256 found = { { 0x42 } };
        assert_int_equal(pbts_eth_proof_storage(&found, root, &slot, list.nodes, list.count),
                         PBTS_OK);
        assert_int_equal(pbts_u256_compare(&found, &want), 0);
        zeros += pbts_u256_is_zero(&found);
        flip_storage(root, &slot, &list);
        if (list.count > 0) {
            assert_int_equal(
                pbts_eth_proof_storage(&found, root, &slot, list.nodes, list.count - 1),
                PBTS_MALFORMED);
        }
        free_nodes(&list);
    }
    return zeros;
}

/* ---- what there is ---- */

static void the_deposit_contract_of_the_main_network_is_proved(void **state) {
    (void)state;
    json_t *block = vectors_load("getproof-mainnet/helios-0x14e8d38/block.json");
    json_t *proof = vectors_load("getproof-mainnet/helios-0x14e8d38/proof.json");
    json_t *miner = vectors_load("getproof-mainnet/helios-0x14e8d38/block_miner_proof.json");
    pbts_eth_hash root = hash_at(block, "stateRoot");
    pbts_eth_hash storage_root = check_account(proof, &root, true);
    assert_int_equal(check_storage(proof, &storage_root), 0);
    (void)check_account(miner, &root, true);
    json_decref(block);
    json_decref(proof);
    json_decref(miner);
}

static void check_jewel(const char *folder) {
    char path[128];
    (void)snprintf(path, sizeof path, "mainnet-jewel/%s/expected.json", folder);
    json_t *expected = vectors_load(path);
    (void)snprintf(path, sizeof path, "mainnet-jewel/%s/eth_getProof.json", folder);
    json_t *file = vectors_load(path), *answer = json_object_get(file, "result");
    pbts_eth_hash root = hash_at(json_object_get(expected, "optimistic"), "exec_state_root");
    pbts_eth_hash storage_root = check_account(answer, &root, true);
    assert_int_equal(check_storage(answer, &storage_root), 0);
    json_decref(expected);
    json_decref(file);
}

static void accounts_and_a_slot_of_one_consistent_chain_are_proved(void **state) {
    (void)state;
    check_jewel("eth_getStorageAt_electra");
    check_jewel("eth_call_electra");
}

static void the_users_of_a_contract_on_anvil_are_proved_there_or_not_there(void **state) {
    (void)state;
    json_t *expected = vectors_load("anvil/expected.json");
    json_t *file = vectors_load("anvil/eth_getProof_contract.json");
    const json_t *answer = json_object_get(file, "result");
    pbts_eth_hash root = hash_at(expected, "state_root");
    pbts_eth_hash storage_root = check_account(answer, &root, true);
    assert_int_equal(json_array_size(json_object_get(answer, "storageProof")), 9);
    assert_int_equal(check_storage(answer, &storage_root), 2);
    json_decref(expected);
    json_decref(file);
}

static void nobody_has_an_account_that_anvil_proves_absent(void **state) {
    (void)state;
    json_t *expected = vectors_load("anvil/expected.json");
    json_t *file = vectors_load("anvil/eth_getProof_absent_account.json");
    pbts_eth_hash root = hash_at(expected, "state_root");
    pbts_eth_hash storage_root = check_account(json_object_get(file, "result"), &root, false);
    assert_true(pbts_eth_hash_equal(&storage_root, &PBTS_ETH_EMPTY_TRIE));
    json_decref(expected);
    json_decref(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_deposit_contract_of_the_main_network_is_proved),
        cmocka_unit_test(accounts_and_a_slot_of_one_consistent_chain_are_proved),
        cmocka_unit_test(the_users_of_a_contract_on_anvil_are_proved_there_or_not_there),
        cmocka_unit_test(nobody_has_an_account_that_anvil_proves_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
