/* Unit tests of eth/header.c: every form that a fork gave it, and blocks of the main network. */
#include "eth/header.h"

#include "codec/rlp.h"
#include "eth/vectors.h"

static const pbts_eth_header_form FORMS[] = { PBTS_ETH_HEADER_FRONTIER, PBTS_ETH_HEADER_LONDON,
                                              PBTS_ETH_HEADER_SHANGHAI, PBTS_ETH_HEADER_CANCUN,
                                              PBTS_ETH_HEADER_PRAGUE };
enum { FORMS_LEN = sizeof FORMS / sizeof FORMS[0] };

static const uint8_t EXTRA[PBTS_ETH_EXTRA_DATA_MAX + 1] = "made by nobody";

static void fill(void *bytes, size_t len, uint8_t from) {
    for (size_t i = 0; i < len; i++) ((uint8_t *)bytes)[i] = (uint8_t)(from + i);
}

/* Every field that the form has says something else. */
static pbts_eth_header example(pbts_eth_header_form form) {
    pbts_eth_header out = { .form = form, .number = 17, .gas_limit = 30000000, .gas_used = 21000 };
    fill(&out.parent_hash, 32, 1);
    fill(&out.ommers_hash, 32, 2);
    fill(&out.beneficiary, 20, 3);
    fill(&out.state_root, 32, 4);
    fill(&out.transactions_root, 32, 5);
    fill(&out.receipts_root, 32, 6);
    fill(out.logs_bloom, sizeof out.logs_bloom, 7);
    fill(&out.difficulty, 32, 8);
    fill(&out.mix_hash, 32, 9);
    fill(out.nonce, 8, 10);
    out.timestamp_s = UINT64_MAX;
    out.extra_data = (pbts_span){ EXTRA, 14 };
    if (form >= PBTS_ETH_HEADER_LONDON) fill(&out.base_fee_wei, 32, 11);
    if (form >= PBTS_ETH_HEADER_SHANGHAI) fill(&out.withdrawals_root, 32, 12);
    if (form >= PBTS_ETH_HEADER_CANCUN) {
        out.blob_gas_used = 131072;
        out.excess_blob_gas = 393216;
        fill(&out.parent_beacon_root, 32, 13);
    }
    if (form >= PBTS_ETH_HEADER_PRAGUE) fill(&out.requests_hash, 32, 14);
    return out;
}

static size_t count_fields(pbts_span bytes) {
    pbts_rlp_item list, item;
    size_t count = 0;
    assert_int_equal(pbts_rlp_parse(&list, bytes), PBTS_OK);
    pbts_cursor fields = pbts_cursor_over(list.content);
    for (; pbts_cursor_left(&fields) > 0; count++) {
        assert_int_equal(pbts_rlp_read(&fields, &item), PBTS_OK);
    }
    return count;
}

/* Equal field by field: of padding nothing is said, and extra data is in other memory. */
static void assert_same(const pbts_eth_header *a, const pbts_eth_header *b) {
    assert_int_equal(a->form, b->form);
#define SAME(field) assert_memory_equal(&a->field, &b->field, sizeof a->field)
    SAME(parent_hash), SAME(ommers_hash), SAME(beneficiary), SAME(state_root);
    SAME(transactions_root), SAME(receipts_root), SAME(logs_bloom), SAME(difficulty);
    SAME(number), SAME(gas_limit), SAME(gas_used), SAME(timestamp_s);
    SAME(mix_hash), SAME(nonce), SAME(base_fee_wei), SAME(withdrawals_root);
    SAME(blob_gas_used), SAME(excess_blob_gas), SAME(parent_beacon_root), SAME(requests_hash);
#undef SAME
    assert_true(pbts_span_equal(a->extra_data, b->extra_data));
}

static void every_form_comes_back_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < FORMS_LEN; i++) {
        uint8_t buffer[PBTS_ETH_HEADER_LEN_MAX];
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        pbts_eth_header given = example(FORMS[i]), found;
        pbts_eth_hash hash;
        assert_int_equal(pbts_eth_header_encode(&writer, &given), PBTS_OK);
        pbts_span bytes = pbts_writer_span(&writer);
        assert_int_equal(count_fields(bytes), FORMS[i]);
        assert_int_equal(pbts_eth_header_decode(&found, bytes), PBTS_OK);
        assert_same(&found, &given);
        buffer[bytes.len] = 0x80; /* behind its end */
        assert_int_equal(pbts_eth_header_decode(&found, (pbts_span){ buffer, bytes.len + 1 }),
                         PBTS_MALFORMED);
        pbts_eth_hash want = pbts_eth_hash_of(bytes);
        assert_int_equal(pbts_eth_header_hash(&hash, &given), PBTS_OK);
        assert_true(pbts_eth_hash_equal(&hash, &want));
        for (size_t len = 0; len < bytes.len; len++) {
            uint8_t *copy = malloc(len);
            assert_true(copy != NULL || len == 0);
            if (len > 0) memcpy(copy, bytes.data, len);
            assert_int_equal(pbts_eth_header_decode(&found, (pbts_span){ copy, len }),
                             PBTS_MALFORMED);
            free(copy);
        }
    }
}

/* The first `count` fields of a Prague header, and more of them that mean nothing. */
static pbts_status decode_fields(size_t count) {
    uint8_t buffer[PBTS_ETH_HEADER_LEN_MAX], again[PBTS_ETH_HEADER_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_eth_header header = example(PBTS_ETH_HEADER_PRAGUE);
    assert_int_equal(pbts_eth_header_encode(&writer, &header), PBTS_OK);
    pbts_rlp_item list, item = { .raw = { NULL, 0 } };
    assert_int_equal(pbts_rlp_parse(&list, pbts_writer_span(&writer)), PBTS_OK);
    pbts_cursor fields = pbts_cursor_over(list.content);
    writer = pbts_writer_over(again, sizeof again);
    size_t opened = pbts_rlp_open_list(&writer);
    for (size_t i = 0; i < count; i++) {
        if (pbts_cursor_left(&fields) > 0) {
            assert_int_equal(pbts_rlp_read(&fields, &item), PBTS_OK);
        }
        pbts_write_bytes(&writer, item.raw); /* the last one again when there are no more */
    }
    pbts_rlp_close_list(&writer, opened);
    return pbts_eth_header_decode(&header, pbts_writer_span(&writer));
}

static void a_header_has_as_many_fields_as_some_fork_gave_it(void **state) {
    (void)state;
    for (size_t count = 0; count <= 24; count++) {
        bool known = count == 15 || count == 16 || count == 17 || count == 20 || count == 21;
        assert_int_equal(decode_fields(count), known ? PBTS_OK : PBTS_MALFORMED);
    }
    for (int form = 0; form <= 30; form++) {
        bool known = form == 15 || form == 16 || form == 17 || form == 20 || form == 21;
        pbts_eth_header header = example(PBTS_ETH_HEADER_PRAGUE);
        pbts_eth_hash hash;
        header.form = (pbts_eth_header_form)form;
        assert_int_equal(pbts_eth_header_hash(&hash, &header), known ? PBTS_OK : PBTS_MALFORMED);
    }
}

static void extra_data_ends_at_its_limit(void **state) {
    (void)state;
    uint8_t buffer[PBTS_ETH_HEADER_LEN_MAX], longer[PBTS_ETH_HEADER_LEN_MAX + 1] = { 0 };
    pbts_eth_header header = example(PBTS_ETH_HEADER_PRAGUE), found;
    header.extra_data.len = PBTS_ETH_EXTRA_DATA_MAX;
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    assert_int_equal(pbts_eth_header_encode(&writer, &header), PBTS_OK);
    assert_int_equal(pbts_eth_header_decode(&found, pbts_writer_span(&writer)), PBTS_OK);
    assert_same(&found, &header);
    size_t len = writer.len;
    writer = pbts_writer_over(buffer, len - 1);
    assert_int_equal(pbts_eth_header_encode(&writer, &header), PBTS_NO_SPACE);
    header.extra_data.len++;
    writer = pbts_writer_over(buffer, sizeof buffer);
    assert_int_equal(pbts_eth_header_encode(&writer, &header), PBTS_LIMIT);
    assert_int_equal(pbts_eth_header_decode(&found, PBTS_SPAN_OF(longer)), PBTS_LIMIT);
}

static void extra_data_that_is_too_long_is_refused_when_read(void **state) {
    (void)state;
    uint8_t buffer[PBTS_ETH_HEADER_LEN_MAX], again[PBTS_ETH_HEADER_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_eth_header header = example(PBTS_ETH_HEADER_FRONTIER);
    assert_int_equal(pbts_eth_header_encode(&writer, &header), PBTS_OK);
    pbts_rlp_item list, item;
    assert_int_equal(pbts_rlp_parse(&list, pbts_writer_span(&writer)), PBTS_OK);
    pbts_cursor fields = pbts_cursor_over(list.content);
    writer = pbts_writer_over(again, sizeof again);
    size_t opened = pbts_rlp_open_list(&writer);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(pbts_rlp_read(&fields, &item), PBTS_OK);
        if (i == 12) {
            pbts_rlp_write_string(&writer, (pbts_span){ EXTRA, PBTS_ETH_EXTRA_DATA_MAX + 1 });
        } else {
            pbts_write_bytes(&writer, item.raw);
        }
    }
    pbts_rlp_close_list(&writer, opened);
    assert_int_equal(pbts_eth_header_decode(&header, pbts_writer_span(&writer)), PBTS_LIMIT);
}

/* ---- vectors ---- */

static pbts_eth_header header_of(const json_t *block) {
    pbts_eth_header out = { .form = PBTS_ETH_HEADER_CANCUN };
    if (json_object_get(block, "requestsHash") != NULL) out.form = PBTS_ETH_HEADER_PRAGUE;
    vectors_exactly(out.parent_hash.bytes, 32, block, "parentHash");
    vectors_exactly(out.ommers_hash.bytes, 32, block, "sha3Uncles");
    vectors_exactly(out.beneficiary.bytes, 20, block, "miner");
    vectors_exactly(out.state_root.bytes, 32, block, "stateRoot");
    vectors_exactly(out.transactions_root.bytes, 32, block, "transactionsRoot");
    vectors_exactly(out.receipts_root.bytes, 32, block, "receiptsRoot");
    vectors_exactly(out.logs_bloom, sizeof out.logs_bloom, block, "logsBloom");
    out.difficulty = vectors_number(block, "difficulty");
    out.number = vectors_u64(block, "number");
    out.gas_limit = vectors_u64(block, "gasLimit");
    out.gas_used = vectors_u64(block, "gasUsed");
    out.timestamp_s = vectors_u64(block, "timestamp");
    out.extra_data = vectors_bytes(block, "extraData");
    vectors_exactly(out.mix_hash.bytes, 32, block, "mixHash");
    vectors_exactly(out.nonce, sizeof out.nonce, block, "nonce");
    out.base_fee_wei = vectors_number(block, "baseFeePerGas");
    vectors_exactly(out.withdrawals_root.bytes, 32, block, "withdrawalsRoot");
    out.blob_gas_used = vectors_u64(block, "blobGasUsed");
    out.excess_blob_gas = vectors_u64(block, "excessBlobGas");
    vectors_exactly(out.parent_beacon_root.bytes, 32, block, "parentBeaconBlockRoot");
    if (out.form == PBTS_ETH_HEADER_PRAGUE) {
        vectors_exactly(out.requests_hash.bytes, 32, block, "requestsHash");
    }
    return out;
}

/* Any other byte is refused, or makes another block. */
static void flip_every_byte(uint8_t *bytes, size_t len, const pbts_eth_hash *want) {
    for (size_t i = 0; i < len; i++) {
        pbts_eth_header found;
        bytes[i] ^= 0x01;
        if (pbts_eth_header_decode(&found, (pbts_span){ bytes, len }) == PBTS_OK) {
            pbts_eth_hash hash;
            assert_int_equal(pbts_eth_header_hash(&hash, &found), PBTS_OK);
            assert_false(pbts_eth_hash_equal(&hash, want));
        }
        bytes[i] ^= 0x01;
    }
}

static void check_block(const char *name) {
    json_t *file = vectors_load(name);
    const json_t *block = json_object_get(file, "result");
    uint8_t buffer[PBTS_ETH_HEADER_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_eth_hash want, hash;
    if (block == NULL) block = file;
    pbts_eth_header header = header_of(block), found;
    vectors_exactly(want.bytes, 32, block, "hash");
    assert_int_equal(pbts_eth_header_hash(&hash, &header), PBTS_OK);
    assert_true(pbts_eth_hash_equal(&hash, &want));
    assert_int_equal(pbts_eth_header_encode(&writer, &header), PBTS_OK);
    assert_int_equal(pbts_eth_header_decode(&found, pbts_writer_span(&writer)), PBTS_OK);
    assert_same(&found, &header);
    flip_every_byte(buffer, writer.len, &want);
    vectors_free(header.extra_data);
    json_decref(file);
}

static void blocks_of_the_main_network_have_their_hashes(void **state) {
    (void)state;
    check_block("getproof-mainnet/blocks/eth_getBlockByNumber_0x14d0303_false.json");
    check_block("getproof-mainnet/blocks/eth_getBlockByNumber_0x152c765_false.json");
    check_block("getproof-mainnet/blocks/eth_getBlockByNumber_0x15648f6_false.json");
    check_block("getproof-mainnet/blocks/eth_getBlockByNumber_0x1564967_false.json");
    check_block("getproof-mainnet/blocks/eth_getBlockByNumber_0x15729f6_false.json");
    check_block("getproof-mainnet/helios-0x14e8d38/block.json");
}

static void a_block_of_anvil_has_its_hash(void **state) {
    (void)state;
    check_block("anvil/block.json");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_comes_back_whole),
        cmocka_unit_test(a_header_has_as_many_fields_as_some_fork_gave_it),
        cmocka_unit_test(extra_data_ends_at_its_limit),
        cmocka_unit_test(extra_data_that_is_too_long_is_refused_when_read),
        cmocka_unit_test(blocks_of_the_main_network_have_their_hashes),
        cmocka_unit_test(a_block_of_anvil_has_its_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
