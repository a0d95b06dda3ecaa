/* Unit tests of eth/types.c: known hashes, addresses of keys and of contracts, slots of mappings.
 */
#include "eth/types.h"
#include "eth/vectors.h"

static pbts_eth_address address_of(const char *hex) {
    pbts_eth_address out;
    assert_int_equal(pbts_hex_decode_exact(out.bytes, sizeof out.bytes, pbts_span_text(hex)),
                     PBTS_OK);
    return out;
}

static void the_empty_hashes_are_those_of_nothing(void **state) {
    (void)state;
    static const uint8_t EMPTY_STRING[] = { 0x80 };
    pbts_eth_hash trie = pbts_eth_hash_of(PBTS_SPAN_OF(EMPTY_STRING));
    pbts_eth_hash code = pbts_eth_hash_of((pbts_span){ NULL, 0 });
    assert_true(pbts_eth_hash_equal(&trie, &PBTS_ETH_EMPTY_TRIE));
    assert_true(pbts_eth_hash_equal(&code, &PBTS_ETH_EMPTY_CODE));
    assert_false(pbts_eth_hash_equal(&code, &trie));
}

static void contracts_have_the_addresses_that_nonces_give(void **state) {
    (void)state;
    static const struct {
        const char *creator;
        uint64_t nonce;
        const char *created;
    } KNOWN[] = {
        { "6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 0,
          "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d" },
        { "6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 1,
          "343c43a37d37dff08ae8c4a11544c718abb4fcf8" },
        { "6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 2,
          "f778b86fa74e846c4f0a1fbd1335fe81c00a0c91" },
        { "6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 3,
          "fffd933a0bc612844eaf0c6fe3e5b8e9b6c1d19c" },
        { "f39fd6e51aad88f6f4ce6ab8827279cfffb92266", 0,
          "5fbdb2315678afecb367f032d93f642f64180aa3" },
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        pbts_eth_address creator = address_of(KNOWN[i].creator);
        pbts_eth_address want = address_of(KNOWN[i].created);
        pbts_eth_address found = pbts_eth_address_created(&creator, KNOWN[i].nonce);
        assert_true(pbts_eth_address_equal(&found, &want));
        found = pbts_eth_address_created(&creator, UINT64_MAX); /* the longest that is hashed */
        assert_false(pbts_eth_address_equal(&found, &want));
    }
}

static void the_addresses_of_official_keys_come_out(void **state) {
    (void)state;
    json_t *all = vectors_load("tx/keyaddrtest.json"), *vector;
    pbts_secp256k1_signer *signer = NULL;
    size_t i;
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    assert_true(json_array_size(all) >= 2);
    json_array_foreach(all, i, vector) {
        pbts_secp256k1_secret secret;
        pbts_secp256k1_public bytes;
        pbts_secp256k1_point key;
        pbts_eth_address want, found;
        vectors_exactly(secret.bytes, 32, vector, "key");
        vectors_exactly(want.bytes, sizeof want.bytes, vector, "addr");
        pbts_secp256k1_public_of(signer, &bytes, &secret);
        assert_int_equal(pbts_secp256k1_public_decode(&key, &bytes), PBTS_OK);
        found = pbts_eth_address_of(&key);
        assert_true(pbts_eth_address_equal(&found, &want));
        for (size_t at = 0; at < 32; at++) { /* any other key has another address */
            secret.bytes[at] ^= 1;
            pbts_secp256k1_public_of(signer, &bytes, &secret);
            assert_int_equal(pbts_secp256k1_public_decode(&key, &bytes), PBTS_OK);
            found = pbts_eth_address_of(&key);
            assert_false(pbts_eth_address_equal(&found, &want));
            secret.bytes[at] ^= 1;
        }
    }
    pbts_secp256k1_signer_free(signer);
    json_decref(all);
}

/* The contract of the vectors keeps its users in the mapping at slot 1, under keccak("user" i). */
static bool is_slot_of_a_user(const json_t *entry) {
    pbts_u256 want, mapping = pbts_u256_from_u64(1);
    vectors_exactly(want.bytes, 32, entry, "key");
    for (int i = 0; i < 100000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "user%d", i);
        pbts_eth_hash uid = pbts_eth_hash_of(pbts_span_text(name));
        pbts_u256 found = pbts_eth_mapping_slot(uid.bytes, &mapping);
        if (pbts_u256_compare(&found, &want) == 0) return true;
    }
    return false;
}

static void users_are_where_solidity_keeps_a_mapping(void **state) {
    (void)state;
    json_t *all = vectors_load("anvil/expected.json"), *entry;
    size_t i, found = 0;
    json_array_foreach(json_object_get(all, "storage"), i, entry) {
        if (found < 3 && i < 6) found += is_slot_of_a_user(entry);
    }
    assert_int_equal(found, 3);
    json_decref(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_hashes_are_those_of_nothing),
        cmocka_unit_test(contracts_have_the_addresses_that_nonces_give),
        cmocka_unit_test(the_addresses_of_official_keys_come_out),
        cmocka_unit_test(users_are_where_solidity_keeps_a_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
