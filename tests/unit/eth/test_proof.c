/* Unit tests of eth/proof.c: tries of every shape from a plain builder, every damage to a proof,
 * and the official tries. */
#include "base/random.h"
#include "eth/trie_set.h"
#include "eth/vectors.h"
#include "hash/keccak.h"

static pbts_status verify(pbts_eth_proved *out, const trie_proof *proof, pbts_span path) {
    return pbts_eth_proof_verify(out, &proof->root, path, proof->nodes, proof->count);
}

/* The trie says of `path` what its entries say. */
static void assert_proved(const trie_set *set, const trie_proof *proof, pbts_span path) {
    pbts_eth_proved found;
    size_t at = trie_set_find(set, path);
    assert_int_equal(verify(&found, proof, path), PBTS_OK);
    assert_int_equal(found.present, trie_set_has(set, at, path));
    if (!found.present) return;
    assert_true(pbts_span_equal(found.value,
                                (pbts_span){ set->entries[at].value, set->entries[at].value_len }));
}

/* No node can be changed, left out, said twice or put elsewhere. */
static void assert_every_damage_is_noticed(trie_proof *proof, pbts_span path) {
    pbts_eth_proved found;
    for (size_t i = 0; i < proof->count; i++) {
        uint8_t *node = (uint8_t *)(uintptr_t)proof->nodes[i].data;
        for (size_t at = 0; at < proof->nodes[i].len; at++) {
            node[at] ^= 0x01;
            assert_int_equal(verify(&found, proof, path), PBTS_MALFORMED);
            node[at] ^= 0x01;
        }
        proof->nodes[i].len--;
        assert_int_equal(verify(&found, proof, path), PBTS_MALFORMED);
        proof->nodes[i].len++;
    }
    assert_true(proof->count < PBTS_ETH_PROOF_NODES_MAX);
    proof->nodes[proof->count] = proof->nodes[proof->count - 1];
    proof->count++;
    assert_int_equal(verify(&found, proof, path), PBTS_MALFORMED);
    proof->count -= 2;
    assert_int_equal(verify(&found, proof, path), PBTS_MALFORMED);
    proof->count++;
    for (size_t i = 0; i < 32; i++) {
        proof->root.bytes[i] ^= 0x80;
        assert_int_equal(verify(&found, proof, path), PBTS_MALFORMED);
        proof->root.bytes[i] ^= 0x80;
    }
}

/* ---- the empty trie ---- */

static void the_empty_trie_is_proved_by_nothing_or_its_only_node(void **state) {
    (void)state;
    static const uint8_t EMPTY[] = { 0x80 }, LIST[] = { 0xc0 }, LONGER[] = { 0x80, 0x80 };
    pbts_span empty = PBTS_SPAN_OF(EMPTY), list = PBTS_SPAN_OF(LIST);
    const pbts_span two[] = { empty, empty };
    pbts_span path = pbts_span_text("any"), longer = PBTS_SPAN_OF(LONGER);
    const pbts_eth_hash *root = &PBTS_ETH_EMPTY_TRIE;
    pbts_eth_proved found = { .present = true };
    assert_int_equal(pbts_eth_proof_verify(&found, root, path, NULL, 0), PBTS_OK);
    assert_false(found.present);
    found.present = true;
    assert_int_equal(pbts_eth_proof_verify(&found, root, path, &empty, 1), PBTS_OK);
    assert_false(found.present);
    assert_int_equal(pbts_eth_proof_verify(&found, root, path, two, 2), PBTS_MALFORMED);
    assert_int_equal(pbts_eth_proof_verify(&found, root, path, &list, 1), PBTS_MALFORMED);
    assert_int_equal(pbts_eth_proof_verify(&found, root, path, &longer, 1), PBTS_MALFORMED);
    pbts_eth_hash other = *root;
    for (size_t i = 0; i < sizeof other.bytes; i++) {
        other.bytes[i] ^= 1;
        assert_int_equal(pbts_eth_proof_verify(&found, &other, path, NULL, 0), PBTS_MALFORMED);
        assert_int_equal(pbts_eth_proof_verify(&found, &other, path, &empty, 1), PBTS_MALFORMED);
        other.bytes[i] ^= 1;
    }
}

static void the_empty_state_has_neither_account_nor_storage(void **state) {
    (void)state;
    pbts_eth_address address = { { 1 } };
    pbts_eth_account account = { .nonce = 7 };
    pbts_u256 slot = pbts_u256_from_u64(1), word = slot;
    assert_int_equal(pbts_eth_proof_account(&account, &PBTS_ETH_EMPTY_TRIE, &address, NULL, 0),
                     PBTS_OK);
    assert_true(!account.present && account.nonce == 0);
    assert_true(pbts_u256_is_zero(&account.balance_wei));
    assert_true(pbts_eth_hash_equal(&account.storage_root, &PBTS_ETH_EMPTY_TRIE));
    assert_true(pbts_eth_hash_equal(&account.code_hash, &PBTS_ETH_EMPTY_CODE));
    assert_int_equal(pbts_eth_proof_storage(&word, &PBTS_ETH_EMPTY_TRIE, &slot, NULL, 0), PBTS_OK);
    assert_true(pbts_u256_is_zero(&word));
}

/* ---- tries of every shape ---- */

static uint8_t random_byte(void) {
    uint8_t byte = 0;
    assert_int_equal(pbts_random_fill(pbts_random_system(), &byte, 1), PBTS_OK);
    return byte;
}

/* Few different nibbles, so that paths meet, part and end within each other. */
static size_t random_key(uint8_t key[static 4]) {
    static const uint8_t BYTES[] = { 0x00, 0x01, 0x10, 0x11, 0xf1 };
    size_t len = random_byte() % 4;
    for (size_t i = 0; i < len; i++) key[i] = BYTES[random_byte() % sizeof BYTES];
    return len;
}

static void random_tries_say_what_is_in_them_and_what_is_not(void **state) {
    (void)state;
    static trie_set set;
    static trie_proof proof;
    size_t present = 0, absent = 0, shallow = 0, damaged = 0;
    for (size_t round = 0; round < 300; round++) {
        set.count = 0;
        size_t entries = random_byte() % 20;
        for (size_t i = 0; i < entries; i++) {
            uint8_t key[4], value[40];
            size_t len = random_key(key), value_len = 1u + random_byte() % (i % 2 ? 40u : 3u);
            memset(value, (int)i + 1, sizeof value);
            trie_set_put(&set, (pbts_span){ key, len }, (pbts_span){ value, value_len });
        }
        for (size_t i = 0; i < 40; i++) {
            uint8_t key[4];
            size_t len = random_key(key);
            pbts_span path = { key, len };
            trie_set_prove(&proof, &set, path);
            assert_proved(&set, &proof, path);
            bool has = trie_set_has(&set, trie_set_find(&set, path), path);
            present += has;
            absent += !has;
            shallow += has && len > 0 && proof.count == 1; /* what is embedded is not listed */
            if (set.count == 0 || i > 1) continue;
            assert_every_damage_is_noticed(&proof, path);
            damaged++;
        }
    }
    assert_true(present > 1000 && absent > 1000 && shallow > 10 && damaged > 400);
}

static void a_proof_of_another_path_proves_nothing_here(void **state) {
    (void)state;
    static trie_set set;
    static trie_proof proof;
    pbts_eth_proved found;
    uint8_t value[40] = { 1 };
    set.count = 0;
    trie_set_put(&set, pbts_span_text("aaaa"), PBTS_SPAN_OF(value));
    value[0] = 2; /* equal leaves would be one node */
    trie_set_put(&set, pbts_span_text("aaab"), PBTS_SPAN_OF(value));
    trie_set_put(&set, pbts_span_text("bbbb"), PBTS_SPAN_OF(value));
    trie_set_prove(&proof, &set, pbts_span_text("aaaa"));
    assert_int_equal(verify(&found, &proof, pbts_span_text("aaaa")), PBTS_OK);
    assert_int_equal(verify(&found, &proof, pbts_span_text("aaab")), PBTS_MALFORMED);
    assert_int_equal(verify(&found, &proof, pbts_span_text("bbbb")), PBTS_MALFORMED);
    assert_int_equal(verify(&found, &proof, pbts_span_text("cccc")), PBTS_MALFORMED);
}

/* ---- limits ---- */

static void the_longest_path_has_the_most_nodes(void **state) {
    (void)state;
    static trie_set set;
    static trie_proof proof;
    pbts_eth_proved found;
    uint8_t key[PBTS_ETH_PROOF_PATH_MAX] = { 0 }, other[PBTS_ETH_PROOF_PATH_MAX], value[40] = { 1 };
    set.count = 0;
    trie_set_put(&set, PBTS_SPAN_OF(key), PBTS_SPAN_OF(value));
    for (size_t nibble = 0; nibble < 2 * sizeof key; nibble++) { /* another way at every nibble */
        memcpy(other, key, sizeof other);
        other[nibble / 2] = nibble % 2 == 0 ? 0x10 : 0x01;
        trie_set_put(&set, PBTS_SPAN_OF(other), PBTS_SPAN_OF(value));
    }
    trie_set_prove(&proof, &set, PBTS_SPAN_OF(key));
    assert_int_equal(proof.count, PBTS_ETH_PROOF_NODES_MAX);
    assert_proved(&set, &proof, PBTS_SPAN_OF(key));
    pbts_span more[PBTS_ETH_PROOF_NODES_MAX + 1];
    memcpy(more, proof.nodes, sizeof proof.nodes);
    more[PBTS_ETH_PROOF_NODES_MAX] = proof.nodes[0];
    assert_int_equal(pbts_eth_proof_verify(&found, &proof.root, PBTS_SPAN_OF(key), more,
                                           PBTS_ETH_PROOF_NODES_MAX + 1),
                     PBTS_LIMIT);
}

/* A leaf at the empty path with a value that makes it `len` bytes long. */
static pbts_status verify_leaf_of(size_t len) {
    static uint8_t value[2 * PBTS_ETH_PROOF_NODE_LEN_MAX], node[2 * PBTS_ETH_PROOF_NODE_LEN_MAX];
    static const uint8_t END[] = { 0x20 };
    pbts_writer writer = pbts_writer_over(node, sizeof node);
    size_t list = pbts_rlp_open_list(&writer);
    pbts_rlp_write_string(&writer, PBTS_SPAN_OF(END));
    pbts_rlp_write_string(&writer, (pbts_span){ value, len - 7 });
    pbts_rlp_close_list(&writer, list);
    pbts_span bytes = pbts_writer_span(&writer);
    pbts_eth_hash root = pbts_eth_hash_of(bytes);
    pbts_eth_proved found;
    assert_int_equal(bytes.len, len);
    return pbts_eth_proof_verify(&found, &root, (pbts_span){ NULL, 0 }, &bytes, 1);
}

static void a_node_is_as_long_as_its_limit(void **state) {
    (void)state;
    assert_int_equal(verify_leaf_of(PBTS_ETH_PROOF_NODE_LEN_MAX), PBTS_OK);
    assert_int_equal(verify_leaf_of(PBTS_ETH_PROOF_NODE_LEN_MAX + 1), PBTS_LIMIT);
}

/* ---- nodes that no trie has, under a root that is their hash ---- */

#define HASH "a00101010101010101010101010101010101010101010101010101010101010101"
#define FIFTEEN "808080808080808080808080808080"

static void what_is_no_node_is_refused(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "80",                  /* nothing, but not the empty trie's root */
        "00",                  /* a string */
        "c0",                  /* no item */
        "c120",                /* one */
        "c3202001",            /* three */
        "d0" FIFTEEN "80",     /* sixteen */
        "d2" FIFTEEN "808080", /* eighteen */
        "d1" FIFTEEN "80c0",   /* the value of a branch is a list */
        "d1" FIFTEEN "0180",   /* a child of one byte */
        "f1" FIFTEEN HASH "80"
        "ff",        /* bytes behind a node */
        "c22080",    /* a leaf without a value */
        "c220c0",    /* a leaf's value is a list */
        "c2c020",    /* its path is a list */
        "c28020",    /* no prefix */
        "c24020",    /* prefix 4 */
        "c32f2020",  /* three again */
        "c22f01",    /* an even leaf with a nibble in its prefix */
        "c20101",    /* an even extension with one */
        "e200" HASH, /* an extension of no nibble */
        "c21180",    /* an extension to nothing */
        "c21101",    /* to what is no hash */
        "e211"
        "a1" HASH, /* cut short */
        "f841"
        "11"
        "f83e" HASH "9b0101010101010101010101010101010101010101010101010101010101",
        "c600c482201105", /* an extension of no nibble to a leaf that holds the path */
        "e4a22011111111111111111111111111111111111111111111111111111111111111111105", /* a path that
                                                                                         no trie
                                                                                         here has */
        "c3811120", /* not the shortest form */
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        pbts_span node = vectors_unhex(BAD[i]);
        pbts_eth_hash root = pbts_eth_hash_of(node);
        pbts_eth_proved found;
        if (!pbts_eth_hash_equal(&root, &PBTS_ETH_EMPTY_TRIE)) {
            assert_int_equal(pbts_eth_proof_verify(&found, &root, pbts_span_text("\x11"), &node, 1),
                             PBTS_MALFORMED);
        }
        vectors_free(node);
    }
}

/* An extension or branch child that stands in its parent has at most 31 bytes. */
static void a_node_that_is_long_enough_for_a_hash_is_not_embedded(void **state) {
    (void)state;
    for (size_t len = 30; len <= 33; len++) {
        uint8_t inner[64], node[128], value[64] = { 1, 1 };
        static const uint8_t LEAF[] = { 0x31 }, EXTENSION[] = { 0x11 };
        pbts_writer writer = pbts_writer_over(inner, sizeof inner);
        size_t list = pbts_rlp_open_list(&writer);
        pbts_rlp_write_string(&writer, PBTS_SPAN_OF(LEAF));
        pbts_rlp_write_string(&writer, (pbts_span){ value, len - 3 });
        pbts_rlp_close_list(&writer, list);
        pbts_span embedded = pbts_writer_span(&writer);
        assert_int_equal(embedded.len, len);
        writer = pbts_writer_over(node, sizeof node);
        list = pbts_rlp_open_list(&writer);
        pbts_rlp_write_string(&writer, PBTS_SPAN_OF(EXTENSION));
        pbts_write_bytes(&writer, embedded);
        pbts_rlp_close_list(&writer, list);
        pbts_span bytes = pbts_writer_span(&writer);
        pbts_eth_hash root = pbts_eth_hash_of(bytes);
        pbts_eth_proved found;
        pbts_status want = len < 32 ? PBTS_OK : PBTS_MALFORMED;
        assert_int_equal(pbts_eth_proof_verify(&found, &root, pbts_span_text("\x11"), &bytes, 1),
                         want);
        if (len < 32) assert_true(found.present && found.value.len == len - 3);
        /* Who goes another way meets the same node, and it is as good or bad. */
        assert_int_equal(pbts_eth_proof_verify(&found, &root, pbts_span_text("\x21"), &bytes, 1),
                         want);
    }
}

/* ---- accounts and storage ---- */

/* A trie with one entry, at the keccak of `key`. */
static void secure_leaf(trie_proof *out, pbts_span key, pbts_span value) {
    static trie_set set;
    pbts_eth_hash path = pbts_eth_hash_of(key);
    set.count = 0;
    trie_set_put(&set, PBTS_SPAN_OF(path.bytes), value);
    trie_set_prove(out, &set, PBTS_SPAN_OF(path.bytes));
}

static pbts_status read_storage(const char *hex, pbts_u256 *word) {
    static trie_proof proof;
    pbts_u256 slot = pbts_u256_from_u64(9);
    pbts_span value = vectors_unhex(hex);
    secure_leaf(&proof, PBTS_SPAN_OF(slot.bytes), value);
    vectors_free(value);
    return pbts_eth_proof_storage(word, &proof.root, &slot, proof.nodes, proof.count);
}

static void a_slot_holds_a_number_in_its_one_form(void **state) {
    (void)state;
    pbts_u256 word = pbts_u256_from_u64(42), want = pbts_u256_from_u64(5);
    assert_int_equal(read_storage("05", &word), PBTS_OK);
    assert_int_equal(pbts_u256_compare(&word, &want), 0);
    assert_int_equal(
        read_storage("a0ff010101010101010101010101010101010101010101010101010101010101ff", &word),
        PBTS_OK);
    assert_true(word.bytes[0] == 0xff && word.bytes[31] == 0xff);
    word = want;
    assert_int_equal(read_storage("80", &word), PBTS_OK); /* a stored zero, as Anvil has it */
    assert_true(pbts_u256_is_zero(&word));
    word = want;
    assert_int_equal(read_storage("00", &word), PBTS_MALFORMED);
    assert_int_equal(read_storage("820001", &word), PBTS_MALFORMED);
    assert_int_equal(read_storage("0505", &word), PBTS_MALFORMED);
    assert_int_equal(read_storage("c0", &word), PBTS_MALFORMED);
    assert_int_equal(
        read_storage("a1ff010101010101010101010101010101010101010101010101010101010101ff01", &word),
        PBTS_MALFORMED);
    assert_int_equal(pbts_u256_compare(&word, &want), 0);
}

#define ROOT "a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
#define CODE "a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"

static void an_account_has_its_four_fields(void **state) {
    (void)state;
    static const struct {
        const char *hex;
        pbts_status want;
    } ACCOUNTS[] = {
        { "f8440763" ROOT CODE, PBTS_OK },
        { "f843"
          "63" ROOT CODE,
          PBTS_MALFORMED },
        { "f845076380" ROOT CODE, PBTS_MALFORMED },
        { "f84507"
          "63" ROOT CODE "80",
          PBTS_MALFORMED },
        { "f8440063" ROOT CODE, PBTS_MALFORMED },
        { "f8440763" ROOT CODE "00", PBTS_MALFORMED },
        { "e3076380" CODE, PBTS_MALFORMED },
        { "80", PBTS_MALFORMED },
        { "f84d8901000000000000000063" ROOT CODE, PBTS_MALFORMED },
    };
    for (size_t i = 0; i < sizeof ACCOUNTS / sizeof ACCOUNTS[0]; i++) {
        static trie_proof proof;
        pbts_eth_address address = { { 3 } };
        pbts_eth_account account = { .nonce = 42 };
        pbts_span value = vectors_unhex(ACCOUNTS[i].hex);
        secure_leaf(&proof, PBTS_SPAN_OF(address.bytes), value);
        vectors_free(value);
        assert_int_equal(
            pbts_eth_proof_account(&account, &proof.root, &address, proof.nodes, proof.count),
            ACCOUNTS[i].want);
        assert_int_equal(account.nonce, ACCOUNTS[i].want == PBTS_OK ? 7 : 42);
        assert_int_equal(account.present, ACCOUNTS[i].want == PBTS_OK);
        address.bytes[0] = 4; /* nobody: the only leaf is elsewhere */
        assert_int_equal(
            pbts_eth_proof_account(&account, &proof.root, &address, proof.nodes, proof.count),
            PBTS_OK);
        assert_false(account.present);
    }
}

/* ---- the official tries ---- */

/* "0x..." is hex, other text itself, null nothing. */
static pbts_span bytes_of(const json_t *value) {
    const char *text = json_string_value(value);
    if (text == NULL) return (pbts_span){ NULL, 0 };
    if (strncmp(text, "0x", 2) == 0) return vectors_unhex(text);
    uint8_t *bytes = malloc(strlen(text) + 1);
    assert_non_null(bytes);
    memcpy(bytes, text, strlen(text));
    return (pbts_span){ bytes, strlen(text) };
}

static pbts_eth_hash path_hash; /* of the key, in secure tries */

static pbts_span path_of(pbts_span key, bool secure) {
    if (!secure) return key;
    path_hash = pbts_eth_hash_of(key);
    return PBTS_SPAN_OF(path_hash.bytes);
}

static void put_json(trie_set *set, const char *key_text, const json_t *value, bool secure) {
    json_t *key_json = json_string(key_text);
    pbts_span key = bytes_of(key_json), bytes = bytes_of(value);
    trie_set_put(set, path_of(key, secure), bytes);
    vectors_free(key);
    vectors_free(bytes);
    json_decref(key_json);
}

static void fill_trie(trie_set *set, const json_t *in, bool secure) {
    const char *key;
    size_t i;
    json_t *value;
    set->count = 0;
    if (json_is_object(in)) {
        json_object_foreach((json_t *)(uintptr_t)in, key, value) {
            put_json(set, key, value, secure);
        }
    } else {
        json_array_foreach(in, i, value) {
            put_json(set, json_string_value(json_array_get(value, 0)), json_array_get(value, 1),
                     secure);
        }
    }
}

/* The trie that the file's entries make has the root that it says; each entry is proved, and that
 * others are absent. */
static void check_tries(const char *name, bool secure, size_t at_least) {
    size_t entries = 0;
    json_t *all = vectors_load(name), *vector;
    const char *title;
    json_object_foreach(all, title, vector) {
        static trie_set set;
        static trie_proof proof;
        pbts_eth_hash want;
        fill_trie(&set, json_object_get(vector, "in"), secure);
        vectors_exactly(want.bytes, 32, vector, "root");
        trie_set_prove(&proof, &set, pbts_span_text("no key at all"));
        assert_true(pbts_eth_hash_equal(&proof.root, &want));
        assert_proved(&set, &proof, pbts_span_text("no key at all"));
        for (size_t i = 0; i < set.count; i++) {
            uint8_t key[TRIE_PATH_MAX];
            pbts_span path = { key, set.entries[i].path_len };
            memcpy(key, set.entries[i].path, sizeof key);
            trie_set_prove(&proof, &set, path);
            assert_true(pbts_eth_hash_equal(&proof.root, &want));
            assert_proved(&set, &proof, path);
            assert_every_damage_is_noticed(&proof, path);
            key[path.len - 1] ^= 0x5a;
            trie_set_prove(&proof, &set, path);
            assert_proved(&set, &proof, path);
        }
        entries += set.count;
    }
    assert_true(entries >= at_least);
    json_decref(all);
}

static void the_official_plain_tries_are_proved(void **state) {
    (void)state;
    check_tries("trie/trieanyorder.json", false, 17);
    check_tries("trie/trietest.json", false, 20);
}

static void the_official_secure_tries_are_proved(void **state) {
    (void)state;
    check_tries("trie/trieanyorder_secureTrie.json", true, 17);
    check_tries("trie/trietest_secureTrie.json", true, 12);
    check_tries("trie/hex_encoded_securetrie_test.json", true, 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_trie_is_proved_by_nothing_or_its_only_node),
        cmocka_unit_test(the_empty_state_has_neither_account_nor_storage),
        cmocka_unit_test(random_tries_say_what_is_in_them_and_what_is_not),
        cmocka_unit_test(a_proof_of_another_path_proves_nothing_here),
        cmocka_unit_test(the_longest_path_has_the_most_nodes),
        cmocka_unit_test(a_node_is_as_long_as_its_limit),
        cmocka_unit_test(what_is_no_node_is_refused),
        cmocka_unit_test(a_node_that_is_long_enough_for_a_hash_is_not_embedded),
        cmocka_unit_test(a_slot_holds_a_number_in_its_one_form),
        cmocka_unit_test(an_account_has_its_four_fields),
        cmocka_unit_test(the_official_plain_tries_are_proved),
        cmocka_unit_test(the_official_secure_tries_are_proved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
