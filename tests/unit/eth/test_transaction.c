/* Unit tests of eth/transaction.c: bounds, forms, and the published transactions bit for bit. */
#include "eth/transaction.h"

#include "codec/rlp.h"
#include "eth/vectors.h"

static pbts_secp256k1_signer *new_signer(void) {
    pbts_secp256k1_signer *signer = NULL;
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    return signer;
}

static const pbts_secp256k1_secret SECRET = { .bytes = { [31] = 7 } };

static pbts_eth_address address_of(const pbts_secp256k1_signer *signer,
                                   const pbts_secp256k1_secret *secret) {
    pbts_secp256k1_public bytes;
    pbts_secp256k1_point point;
    pbts_secp256k1_public_of(signer, &bytes, secret);
    assert_int_equal(pbts_secp256k1_public_decode(&point, &bytes), PBTS_OK);
    return pbts_eth_address_of(&point);
}

static const uint8_t CALL[] =
    "\xa9\x05\x9c\xbb and what it is called with, more than 55 bytes of it";

static pbts_eth_transaction example(void) {
    return (pbts_eth_transaction){ .chain_id = 31337,
                                   .nonce = 5,
                                   .max_priority_fee_wei = pbts_u256_from_u64(1000000000),
                                   .max_fee_wei = pbts_u256_from_u64(30000000000),
                                   .gas_limit = 21000,
                                   .to = { { [0] = 0xab, [19] = 1 } },
                                   .value_wei = pbts_u256_from_u64(1000000000000000000),
                                   .data = { CALL, sizeof CALL - 1 } };
}

/* The biggest of everything but data and access list. */
static pbts_eth_transaction biggest(void) {
    pbts_eth_transaction out = example();
    out.chain_id = out.nonce = out.gas_limit = UINT64_MAX;
    memset(&out.max_fee_wei, 0xff, sizeof out.max_fee_wei);
    out.max_priority_fee_wei = out.value_wei = out.max_fee_wei;
    return out;
}

static void what_is_signed_decodes_to_the_same_and_its_sender(void **state) {
    (void)state;
    static const uint8_t SMALL[] = { 0x7f }, BIG[] = { 0x80 };
    static const pbts_span DATA[] = {
        { NULL, 0 }, { SMALL, 1 }, { BIG, 1 }, { CALL, 55 }, { CALL, 56 }
    };
    pbts_secp256k1_signer *signer = new_signer();
    pbts_eth_address want = address_of(signer, &SECRET), sender;
    for (size_t i = 0; i < sizeof DATA / sizeof DATA[0]; i++) {
        uint8_t buffer[512];
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        pbts_eth_transaction given = example(), found;
        given.data = DATA[i];
        assert_int_equal(pbts_eth_transaction_check(&given), PBTS_OK);
        assert_int_equal(pbts_eth_transaction_sign(&writer, &given, signer, &SECRET), PBTS_OK);
        pbts_span bytes = pbts_writer_span(&writer);
        assert_int_equal(pbts_eth_transaction_decode(&found, &sender, bytes), PBTS_OK);
        assert_true(pbts_eth_address_equal(&sender, &want));
        assert_true(found.chain_id == 31337 && found.nonce == 5 && found.gas_limit == 21000);
        assert_memory_equal(&found.max_priority_fee_wei, &given.max_priority_fee_wei, 32);
        assert_memory_equal(&found.max_fee_wei, &given.max_fee_wei, 32);
        assert_memory_equal(&found.value_wei, &given.value_wei, 32);
        assert_true(!found.creates && pbts_eth_address_equal(&found.to, &given.to));
        assert_true(pbts_span_equal(found.data, given.data) && found.access_list.len == 0);
        for (size_t len = 0; len < bytes.len; len++) {
            uint8_t *copy = malloc(len);
            assert_true(copy != NULL || len == 0);
            if (len > 0) memcpy(copy, bytes.data, len);
            assert_int_equal(pbts_eth_transaction_decode(&found, &sender, (pbts_span){ copy, len }),
                             PBTS_MALFORMED);
            free(copy);
        }
        buffer[bytes.len] = 0;
        bytes.len++;
        assert_int_equal(pbts_eth_transaction_decode(&found, &sender, bytes), PBTS_MALFORMED);
    }
    pbts_secp256k1_signer_free(signer);
}

/* Decode the example with field `index` (12: one more) replaced by this item. */
static pbts_status decode_with(const pbts_secp256k1_signer *signer, size_t index, const char *hex) {
    uint8_t buffer[512], again[512];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_eth_transaction transaction = example();
    pbts_eth_address sender;
    pbts_rlp_item list, item;
    pbts_span other = vectors_unhex(hex);
    assert_int_equal(pbts_eth_transaction_sign(&writer, &transaction, signer, &SECRET), PBTS_OK);
    assert_int_equal(pbts_rlp_parse(&list, (pbts_span){ buffer + 1, writer.len - 1 }), PBTS_OK);
    pbts_cursor fields = pbts_cursor_over(list.content);
    writer = pbts_writer_over(again, sizeof again);
    pbts_write_u8(&writer, 2);
    size_t opened = pbts_rlp_open_list(&writer);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(pbts_rlp_read(&fields, &item), PBTS_OK);
        pbts_write_bytes(&writer, i == index ? other : item.raw);
    }
    if (index == 12) pbts_write_bytes(&writer, other);
    pbts_rlp_close_list(&writer, opened);
    vectors_free(other);
    return pbts_eth_transaction_decode(&transaction, &sender, pbts_writer_span(&writer));
}

static void fields_are_of_their_kind_and_twelve(void **state) {
    (void)state;
    static const struct {
        size_t index;
        const char *hex;
        pbts_status want;
    } FIELDS[] = {
        { 0, "01", PBTS_OK },
        { 0, "00", PBTS_MALFORMED },
        { 0, "89010000000000000000", PBTS_MALFORMED },
        { 1, "c0", PBTS_MALFORMED },
        { 5, "80", PBTS_OK }, /* creates a contract */
        { 5, "93aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", PBTS_MALFORMED },
        { 5, "95aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", PBTS_MALFORMED },
        { 7, "c0", PBTS_MALFORMED },
        { 8, "80", PBTS_MALFORMED },
        { 9, "02", PBTS_MALFORMED },
        { 9, "00", PBTS_MALFORMED },
        { 10, "80", PBTS_BAD_SIGNATURE },
        { 11, "80", PBTS_BAD_SIGNATURE },
        { 12, "80", PBTS_MALFORMED },
        { 12, "", PBTS_OK },
    };
    pbts_secp256k1_signer *signer = new_signer();
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        assert_int_equal(decode_with(signer, FIELDS[i].index, FIELDS[i].hex), FIELDS[i].want);
    }
    pbts_secp256k1_signer_free(signer);
}

static void what_no_chain_takes_is_refused_before_it_is_sent(void **state) {
    (void)state;
    pbts_eth_transaction transaction = example();
    transaction.nonce = UINT64_MAX - 1;
    assert_int_equal(pbts_eth_transaction_check(&transaction), PBTS_OK);
    transaction.nonce = UINT64_MAX;
    assert_int_equal(pbts_eth_transaction_check(&transaction), PBTS_MALFORMED);
    transaction = example();
    transaction.max_priority_fee_wei = transaction.max_fee_wei;
    assert_int_equal(pbts_eth_transaction_check(&transaction), PBTS_OK);
    transaction.max_priority_fee_wei.bytes[31]++;
    assert_int_equal(pbts_eth_transaction_check(&transaction), PBTS_MALFORMED);
    transaction = example();
    memset(&transaction.max_fee_wei, 0xff, sizeof transaction.max_fee_wei);
    transaction.gas_limit = 1;
    assert_int_equal(pbts_eth_transaction_check(&transaction), PBTS_OK);
    transaction.gas_limit = 2;
    assert_int_equal(pbts_eth_transaction_check(&transaction), PBTS_MALFORMED);
}

static void the_biggest_fields_fit_into_the_stated_overhead(void **state) {
    (void)state;
    enum { BODY = PBTS_ETH_TRANSACTION_LEN_MAX - PBTS_ETH_TRANSACTION_OVERHEAD_MAX };
    pbts_secp256k1_signer *signer = new_signer();
    uint8_t *data = malloc(BODY + 1), *buffer = malloc(PBTS_ETH_TRANSACTION_LEN_MAX);
    assert_true(data != NULL && buffer != NULL);
    memset(data, 0xda, BODY + 1);
    pbts_eth_transaction transaction = biggest(), found;
    pbts_eth_address sender, want = address_of(signer, &SECRET);
    pbts_writer writer = pbts_writer_over(buffer, PBTS_ETH_TRANSACTION_LEN_MAX);
    transaction.data = (pbts_span){ data, BODY };
    assert_int_equal(pbts_eth_transaction_sign(&writer, &transaction, signer, &SECRET), PBTS_OK);
    assert_int_equal(pbts_eth_transaction_decode(&found, &sender, pbts_writer_span(&writer)),
                     PBTS_OK);
    assert_true(pbts_eth_address_equal(&sender, &want));
    transaction.data.len++;
    pbts_eth_hash hash;
    assert_int_equal(pbts_eth_transaction_signing_hash(&hash, &transaction), PBTS_LIMIT);
    writer = pbts_writer_over(buffer, PBTS_ETH_TRANSACTION_LEN_MAX);
    assert_int_equal(pbts_eth_transaction_sign(&writer, &transaction, signer, &SECRET), PBTS_LIMIT);
    uint8_t *too_long = calloc(1, PBTS_ETH_TRANSACTION_LEN_MAX + 1);
    assert_non_null(too_long);
    assert_int_equal(
        pbts_eth_transaction_decode(&found, &sender,
                                    (pbts_span){ too_long, PBTS_ETH_TRANSACTION_LEN_MAX + 1 }),
        PBTS_LIMIT);
    free(too_long);
    free(data);
    free(buffer);
    pbts_secp256k1_signer_free(signer);
}

static void a_buffer_that_is_too_small_is_reported(void **state) {
    (void)state;
    pbts_secp256k1_signer *signer = new_signer();
    uint8_t buffer[512];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_eth_transaction transaction = example();
    assert_int_equal(pbts_eth_transaction_sign(&writer, &transaction, signer, &SECRET), PBTS_OK);
    size_t len = writer.len;
    writer = pbts_writer_over(buffer, len);
    assert_int_equal(pbts_eth_transaction_sign(&writer, &transaction, signer, &SECRET), PBTS_OK);
    writer = pbts_writer_over(buffer, len - 1);
    assert_int_equal(pbts_eth_transaction_sign(&writer, &transaction, signer, &SECRET),
                     PBTS_NO_SPACE);
    pbts_secp256k1_signer_free(signer);
}

static void an_access_list_is_lists_of_an_address_and_keys(void **state) {
    (void)state;
#define ADDRESS "94aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY "a0bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    static const struct {
        const char *hex;
        pbts_status want;
    } LISTS[] = {
        { "c0", PBTS_OK },
        { "d7d6" ADDRESS "c0", PBTS_OK },
        { "f838f7" ADDRESS "e1" KEY, PBTS_OK },
        { "80", PBTS_MALFORMED },
        { "c1c0", PBTS_MALFORMED },
        { "c0c0", PBTS_MALFORMED },
        { "d6d5" ADDRESS, PBTS_MALFORMED },
        { "d8d7" ADDRESS "c0c0", PBTS_MALFORMED },
        { "d8d7" ADDRESS "c180", PBTS_MALFORMED },
        { "f7f6" ADDRESS KEY, PBTS_MALFORMED },
        { "c3c280c0", PBTS_MALFORMED },
    };
#undef ADDRESS
#undef KEY
    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++) {
        pbts_eth_transaction transaction = example();
        pbts_eth_hash hash;
        transaction.access_list = vectors_unhex(LISTS[i].hex);
        assert_int_equal(pbts_eth_transaction_signing_hash(&hash, &transaction), LISTS[i].want);
        vectors_free(transaction.access_list);
    }
}

/* ---- vectors ---- */

/* A changed byte is refused or makes another sender: no other transaction is of this one. */
static void flip_bytes(pbts_span bytes, const pbts_eth_address *sender, size_t first, size_t step) {
    uint8_t *at = (uint8_t *)(uintptr_t)bytes.data;
    for (size_t i = first; i < bytes.len; i += step) {
        pbts_eth_transaction found;
        pbts_eth_address other = *sender;
        at[i] ^= 0x01;
        if (pbts_eth_transaction_decode(&found, &other, bytes) == PBTS_OK) {
            assert_false(pbts_eth_address_equal(&other, sender));
        }
        at[i] ^= 0x01;
    }
}

static pbts_span access_list_of(const json_t *list) {
    uint8_t *buffer = malloc(4096);
    assert_non_null(buffer);
    pbts_writer writer = pbts_writer_over(buffer, 4096);
    size_t i, j, outer = pbts_rlp_open_list(&writer);
    json_t *access, *key;
    json_array_foreach(list, i, access) {
        size_t entry = pbts_rlp_open_list(&writer);
        pbts_span address = vectors_bytes(access, "address");
        pbts_rlp_write_string(&writer, address);
        vectors_free(address);
        size_t keys = pbts_rlp_open_list(&writer);
        json_array_foreach(json_object_get(access, "storageKeys"), j, key) {
            pbts_span bytes = vectors_unhex(json_string_value(key));
            pbts_rlp_write_string(&writer, bytes);
            vectors_free(bytes);
        }
        pbts_rlp_close_list(&writer, keys);
        pbts_rlp_close_list(&writer, entry);
    }
    pbts_rlp_close_list(&writer, outer);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return pbts_writer_span(&writer);
}

/* What ethers was given; data and access list are freed by the caller. */
static pbts_eth_transaction ethers_transaction(const json_t *tx) {
    pbts_eth_transaction out = { 0 };
    const char *data = json_string_value(json_object_get(tx, "data"));
    const char *to = json_string_value(json_object_get(tx, "to"));
    out.chain_id = (uint64_t)json_integer_value(json_object_get(tx, "chainId"));
    out.nonce = (uint64_t)json_integer_value(json_object_get(tx, "nonce"));
    out.max_priority_fee_wei = vectors_number(tx, "maxPriorityFeePerGas");
    out.max_fee_wei = vectors_number(tx, "maxFeePerGas");
    out.gas_limit = vectors_u64(tx, "gasLimit");
    out.value_wei = vectors_number(tx, "value");
    out.creates = to == NULL;
    if (to != NULL) vectors_exactly(out.to.bytes, sizeof out.to.bytes, tx, "to");
    out.data = vectors_unhex(data == NULL ? "" : data);
    out.access_list = access_list_of(json_object_get(tx, "accessList"));
    return out;
}

static void check_ethers(const json_t *vector, const pbts_secp256k1_signer *signer, size_t i) {
    uint8_t buffer[8192];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_secp256k1_secret secret;
    pbts_eth_transaction given = ethers_transaction(json_object_get(vector, "tx")), found;
    pbts_span want = vectors_bytes(vector, "signed"), body = vectors_bytes(vector, "unsigned");
    pbts_eth_hash hash, body_hash = pbts_eth_hash_of(body);
    pbts_eth_address sender, address;
    vectors_exactly(secret.bytes, 32, vector, "key");
    vectors_exactly(address.bytes, sizeof address.bytes, vector, "address");
    assert_int_equal(pbts_eth_transaction_signing_hash(&hash, &given), PBTS_OK);
    assert_true(pbts_eth_hash_equal(&hash, &body_hash));
    assert_int_equal(pbts_eth_transaction_sign(&writer, &given, signer, &secret), PBTS_OK);
    assert_true(pbts_span_equal(pbts_writer_span(&writer), want));
    assert_int_equal(pbts_eth_transaction_decode(&found, &sender, want), PBTS_OK);
    assert_true(pbts_eth_address_equal(&sender, &address));
    writer = pbts_writer_over(buffer, sizeof buffer);
    assert_int_equal(pbts_eth_transaction_sign(&writer, &found, signer, &secret), PBTS_OK);
    assert_true(pbts_span_equal(pbts_writer_span(&writer), want));
    /* Each flipped byte costs the recovery of a key: all of them in some, an eighth in others, each
     * time another. */
    flip_bytes(want, &address, i % 8, i % 64 == 0 ? 1 : 8);
    vectors_free(want);
    vectors_free(body);
    vectors_free(given.data);
    vectors_free(given.access_list);
}

static void the_transactions_of_ethers_come_out_bit_for_bit(void **state) {
    (void)state;
    json_t *all = vectors_load("tx/ethers-typed-transactions-1559.json"), *vector;
    pbts_secp256k1_signer *signer = new_signer();
    size_t i;
    assert_int_equal(json_array_size(all), 1024);
    json_array_foreach(all, i, vector) check_ethers(vector, signer, i);
    pbts_secp256k1_signer_free(signer);
    json_decref(all);
}

static void the_transactions_that_anvil_took_decode(void **state) {
    (void)state;
    json_t *all = vectors_load("anvil/signed_txs.json"), *vector;
    pbts_secp256k1_signer *signer = new_signer();
    pbts_secp256k1_secret secret;
    size_t i;
    /* Anvil's first key is known to everybody. */
    assert_int_equal(
        pbts_hex_decode_exact(
            secret.bytes, 32,
            pbts_span_text("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")),
        PBTS_OK);
    pbts_eth_address want = address_of(signer, &secret);
    assert_true(json_array_size(all) >= 2);
    json_array_foreach(all, i, vector) {
        pbts_span raw = vectors_bytes(vector, "raw");
        uint8_t *buffer = malloc(raw.len);
        assert_non_null(buffer);
        pbts_writer writer = pbts_writer_over(buffer, raw.len);
        pbts_eth_transaction found;
        pbts_eth_address sender;
        assert_int_equal(pbts_eth_transaction_decode(&found, &sender, raw), PBTS_OK);
        assert_int_equal(pbts_eth_transaction_check(&found), PBTS_OK);
        assert_true(pbts_eth_address_equal(&sender, &want));
        assert_int_equal(pbts_eth_transaction_sign(&writer, &found, signer, &secret), PBTS_OK);
        assert_true(pbts_span_equal(pbts_writer_span(&writer), raw));
        free(buffer);
        vectors_free(raw);
    }
    pbts_secp256k1_signer_free(signer);
    json_decref(all);
}

/* A file of ethereum/tests has one test, with a result per fork. */
static void check_official(const char *name) {
    char path[128];
    (void)snprintf(path, sizeof path, "tx/ttEIP1559/%s.json", name);
    json_t *file = vectors_load(path);
    const json_t *vector = json_object_iter_value(json_object_iter(file));
    const json_t *result = json_object_get(json_object_get(vector, "result"), "Shanghai");
    pbts_span bytes = vectors_bytes(vector, "txbytes");
    pbts_eth_transaction found;
    pbts_eth_address sender, want;
    pbts_status status = pbts_eth_transaction_decode(&found, &sender, bytes);
    if (status == PBTS_OK) status = pbts_eth_transaction_check(&found);
    if (json_object_get(result, "exception") != NULL) {
        assert_int_equal(status, PBTS_MALFORMED);
    } else {
        pbts_eth_hash hash = pbts_eth_hash_of(bytes), want_hash;
        assert_int_equal(status, PBTS_OK);
        vectors_exactly(want.bytes, sizeof want.bytes, result, "sender");
        vectors_exactly(want_hash.bytes, 32, result, "hash");
        assert_true(pbts_eth_address_equal(&sender, &want));
        assert_true(pbts_eth_hash_equal(&hash, &want_hash));
        flip_bytes(bytes, &want, 0, 1);
    }
    vectors_free(bytes);
    json_decref(file);
}

static void the_official_transactions_are_taken_and_refused(void **state) {
    (void)state;
    static const char *const NAMES[] = {
        "GasLimitPriceProductOverflow",
        "GasLimitPriceProductOverflowtMinusOne", /* the one that is valid */
        "GasLimitPriceProductPlusOneOverflow",
        "maxFeePerGas00prefix",
        "maxFeePerGas32BytesValue",
        "maxFeePerGasOverflow",
        "maxPriorityFeePerGas00prefix",
        "maxPriorityFeePerGasOverflow",
        "maxPriorityFeePerGass32BytesValue",
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) check_official(NAMES[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_decodes_to_the_same_and_its_sender),
        cmocka_unit_test(fields_are_of_their_kind_and_twelve),
        cmocka_unit_test(what_no_chain_takes_is_refused_before_it_is_sent),
        cmocka_unit_test(the_biggest_fields_fit_into_the_stated_overhead),
        cmocka_unit_test(a_buffer_that_is_too_small_is_reported),
        cmocka_unit_test(an_access_list_is_lists_of_an_address_and_keys),
        cmocka_unit_test(the_transactions_of_ethers_come_out_bit_for_bit),
        cmocka_unit_test(the_transactions_that_anvil_took_decode),
        cmocka_unit_test(the_official_transactions_are_taken_and_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
