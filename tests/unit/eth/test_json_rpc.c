/* Unit tests of eth/json_rpc*.c: what Anvil really answered, and what nobody should. */
#include "eth/json_rpc.h"
#include "eth/json_rpc_request.h"
#include "eth/proof.h"
#include "rpc_tape.h"

typedef struct {
    json_t *tape;
    pbts_rpc_answer answer;
    pbts_rpc_result result;
    pbts_rpc_error error;
} exchange;

/* Open a recorded answer; `status` is what its result must be. */
static void open_named(exchange *x, const char *name, pbts_status status) {
    *x = (exchange){ .tape = tape_load() };
    assert_int_equal(pbts_rpc_answer_open(&x->answer, tape_text(x->tape, name, "answer")), PBTS_OK);
    assert_int_equal(
        pbts_rpc_answer_result(&x->result, &x->error, &x->answer, tape_id(x->tape, name)), status);
}

static void close_all(exchange *x) {
    pbts_rpc_answer_close(&x->answer);
    json_decref(x->tape);
}

/* The same for a text, with id 1; PBTS_OK and x->result, or why not. */
static pbts_status open_text(exchange *x, const char *text) {
    *x = (exchange){ 0 };
    size_t len = strlen(text);
    uint8_t *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, text, len);
    pbts_status status = pbts_rpc_answer_open(&x->answer, (pbts_span){ copy, len });
    free(copy);
    if (status != PBTS_OK) return status;
    return pbts_rpc_answer_result(&x->result, &x->error, &x->answer, 1);
}

static void close_text(exchange *x) {
    if (x->answer.json != NULL) pbts_rpc_answer_close(&x->answer);
}

/* ---- requests ---- */

/* Ours and the recorded one say the same, but for the id. */
static void assert_same(const json_t *tape, const char *name, pbts_writer *writer) {
    assert_int_equal(pbts_writer_status(writer), PBTS_OK);
    json_t *ours = json_loadb((const char *)writer->data, writer->len, 0, NULL);
    json_t *theirs = json_loads((const char *)tape_text(tape, name, "request").data, 0, NULL);
    assert_non_null(ours);
    if (!json_equal(ours, theirs)) fail_msg("%s: %.*s", name, (int)writer->len, writer->data);
    json_decref(ours);
    json_decref(theirs);
    writer->len = 0;
}

static void requests_are_those_that_anvil_answered(void **state) {
    (void)state;
    static uint8_t buffer[4096];
    json_t *tape = tape_load();
    pbts_eth_address contract;
    pbts_eth_hash block, topic, mined;
    pbts_u256 slots[6];
    const uint8_t percentiles[] = { 10, 50 };
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    tape_source(contract.bytes, 20, tape, "contract");
    tape_source(block.bytes, 32, tape, "hash");
    for (uint64_t i = 0; i < 6; i++) slots[i] = pbts_u256_from_u64(i);
    pbts_rpc_block_id at = pbts_rpc_at_hash(&block), number = pbts_rpc_at_number(4);
    pbts_rpc_chain_id(&w, tape_id(tape, "chain_id"));
    assert_same(tape, "chain_id", &w);
    pbts_rpc_block_number(&w, tape_id(tape, "block_number"));
    assert_same(tape, "block_number", &w);
    pbts_rpc_max_priority_fee(&w, tape_id(tape, "max_priority_fee"));
    assert_same(tape, "max_priority_fee", &w);
    pbts_rpc_get_block(&w, tape_id(tape, "block_by_number"), &number);
    assert_same(tape, "block_by_number", &w);
    pbts_rpc_get_block(&w, tape_id(tape, "block_by_hash"), &at);
    assert_same(tape, "block_by_hash", &w);
    pbts_rpc_get_proof(&w, tape_id(tape, "proof_slots"), &contract, slots, 6, &at);
    assert_same(tape, "proof_slots", &w);
    pbts_rpc_fee_history(&w, tape_id(tape, "fee_history"), 4, percentiles, 2);
    assert_same(tape, "fee_history", &w);
    pbts_rpc_get_code(&w, tape_id(tape, "code"), &contract, &(pbts_rpc_block_id){ 0 });
    assert_same(tape, "code", &w);
    tape_unhex(mined.bytes, 32,
               "0x2222222222222222222222222222222222222222222222222222222222222222");
    pbts_rpc_get_transaction(&w, tape_id(tape, "transaction_absent"), &mined);
    assert_same(tape, "transaction_absent", &w);
    memset(topic.bytes, 0, 32);
    json_t *logs = json_loads((const char *)tape_text(tape, "logs", "request").data, 0, NULL);
    const json_t *filter = json_array_get(json_object_get(logs, "params"), 0);
    tape_unhex(topic.bytes, 32,
               json_string_value(json_array_get(json_object_get(filter, "topics"), 0)));
    pbts_rpc_get_logs(&w, tape_id(tape, "logs"), &contract, &topic, 1, 4);
    assert_same(tape, "logs", &w);
    json_decref(logs);
    pbts_rpc_open_batch(&w);
    pbts_rpc_get_block(&w, tape_id(tape, "batch"), &at);
    pbts_rpc_get_proof(&w, tape_id(tape, "batch") + 1, &contract, slots, 6, &at);
    pbts_rpc_close_batch(&w);
    assert_same(tape, "batch", &w);
    json_decref(tape);
}

/* execution-apis, eth_getTransactionCount. */
static void the_pending_nonce_of_an_address_is_asked_for_in_its_own_words(void **state) {
    (void)state;
    static const char WANTED[] =
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"eth_getTransactionCount\",\"params\":["
        "\"0xabababababababababababababababababababab\",\"pending\"]}";
    uint8_t buffer[256];
    pbts_eth_address address;
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    memset(address.bytes, 0xab, sizeof address.bytes);
    pbts_rpc_get_transaction_count(&w, 7, &address,
                                   &(pbts_rpc_block_id){ .kind = PBTS_RPC_PENDING });
    assert_int_equal(w.len, sizeof WANTED - 1);
    assert_memory_equal(buffer, WANTED, w.len);
}

static void a_request_with_256_keys_fits_where_it_should(void **state) {
    (void)state;
    static uint8_t
        buffer[PBTS_RPC_REQUEST_OVERHEAD + PBTS_RPC_PROOF_KEYS_MAX * PBTS_RPC_REQUEST_PER_KEY];
    static pbts_u256 keys[PBTS_RPC_PROOF_KEYS_MAX];
    pbts_eth_address address = { { 0 } };
    pbts_eth_hash hash = { { 0 } };
    pbts_rpc_block_id at = pbts_rpc_at_hash(&hash);
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    pbts_rpc_get_proof(&w, UINT64_MAX, &address, keys, PBTS_RPC_PROOF_KEYS_MAX, &at);
    assert_int_equal(pbts_writer_status(&w), PBTS_OK);
    w = pbts_writer_over(buffer, 100);
    pbts_rpc_get_proof(&w, 1, &address, keys, 2, &at);
    assert_int_equal(pbts_writer_status(&w), PBTS_NO_SPACE);
}

/* ---- recorded answers ---- */

static void numbers_hashes_and_data_are_read(void **state) {
    (void)state;
    static uint8_t buffer[16384];
    exchange x;
    uint64_t number = 0;
    pbts_eth_hash hash;
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    open_named(&x, "chain_id", PBTS_OK);
    assert_int_equal(pbts_rpc_read_quantity(&number, x.result), PBTS_OK);
    assert_int_equal(number, 31337);
    close_all(&x);
    open_named(&x, "send", PBTS_OK);
    assert_int_equal(pbts_rpc_read_hash(&hash, x.result), PBTS_OK);
    assert_int_equal(hash.bytes[0], 0x6c);
    close_all(&x);
    open_named(&x, "code", PBTS_OK);
    assert_int_equal(pbts_rpc_read_data(&w, x.result), PBTS_OK);
    assert_int_equal(w.data[0], 0x60);
    pbts_writer small = pbts_writer_over(buffer, w.len - 1);
    assert_int_equal(pbts_rpc_read_data(&small, x.result), PBTS_NO_SPACE);
    close_all(&x);
}

static void a_block_hashes_to_its_hash_or_is_refused(void **state) {
    (void)state;
    exchange x;
    pbts_rpc_block block;
    pbts_eth_header header;
    pbts_eth_hash expected;
    open_named(&x, "block_by_number", PBTS_OK);
    assert_int_equal(pbts_rpc_read_block(&block, x.result), PBTS_OK);
    tape_source(expected.bytes, 32, x.tape, "hash");
    assert_true(pbts_eth_hash_equal(&block.hash, &expected));
    assert_int_equal(block.number, 4);
    assert_int_equal(pbts_eth_header_decode(&header, (pbts_span){ block.rlp, block.rlp_len }),
                     PBTS_OK);
    assert_int_equal(header.timestamp_s, block.timestamp_s);
    assert_true(pbts_eth_hash_equal(&header.state_root, &block.state_root));
    json_t *result = (json_t *)(uintptr_t)x.result;
    assert_int_equal(json_object_set_new(result, "timestamp", json_string("0x1")), 0);
    assert_int_equal(pbts_rpc_read_block(&block, x.result), PBTS_BAD_SIGNATURE);
    assert_int_equal(json_object_set_new(result, "timestamp", json_string("0x01")), 0);
    assert_int_equal(pbts_rpc_read_block(&block, x.result), PBTS_MALFORMED);
    close_all(&x);
    open_named(&x, "block_absent", PBTS_OK);
    assert_int_equal(pbts_rpc_read_block(&block, x.result), PBTS_NOT_FOUND);
    close_all(&x);
}

static void proofs_verify_under_the_blocks_state_root(void **state) {
    (void)state;
    exchange x;
    pbts_rpc_block block;
    pbts_rpc_proof proof;
    pbts_eth_account account;
    pbts_eth_address contract;
    pbts_u256 key = pbts_u256_from_u64(1), value;
    size_t len;
    open_named(&x, "batch", PBTS_OK);
    assert_int_equal(pbts_rpc_read_block(&block, x.result), PBTS_OK);
    assert_int_equal(
        pbts_rpc_answer_result(&x.result, &x.error, &x.answer, tape_id(x.tape, "batch") + 1),
        PBTS_OK);
    tape_source(contract.bytes, 20, x.tape, "contract");
    assert_int_equal(pbts_rpc_read_proof(&proof, pbts_mem_system(), x.result, 6), PBTS_OK);
    assert_int_equal(pbts_eth_proof_account(&account, &block.state_root, &contract, proof.nodes,
                                            proof.account_len),
                     PBTS_OK);
    const pbts_span *nodes = pbts_rpc_proof_storage(&len, &proof, 1);
    assert_int_equal(pbts_eth_proof_storage(&value, &account.storage_root, &key, nodes, len),
                     PBTS_OK);
    assert_int_equal(value.bytes[11], 3); /* user count: 3, above 20 bytes of referrer */
    pbts_rpc_proof_free(&proof);
    assert_int_equal(pbts_rpc_read_proof(&proof, pbts_mem_system(), x.result, 5), PBTS_MALFORMED);
    close_all(&x);
}

static void receipts_and_transactions_are_read(void **state) {
    (void)state;
    exchange x;
    pbts_rpc_receipt receipt;
    pbts_rpc_transaction transaction;
    open_named(&x, "receipt", PBTS_OK);
    assert_int_equal(pbts_rpc_read_receipt(&receipt, x.result), PBTS_OK);
    assert_true(receipt.succeeded && !receipt.creates);
    assert_int_equal(receipt.block_number, 4);
    assert_int_equal(receipt.gas_used, 0x17afb);
    close_all(&x);
    open_named(&x, "receipt_deploy", PBTS_OK);
    assert_int_equal(pbts_rpc_read_receipt(&receipt, x.result), PBTS_OK);
    assert_true(receipt.creates);
    close_all(&x);
    open_named(&x, "receipt_pending", PBTS_OK);
    assert_int_equal(pbts_rpc_read_receipt(&receipt, x.result), PBTS_NOT_FOUND);
    close_all(&x);
    open_named(&x, "transaction_mined", PBTS_OK);
    assert_int_equal(pbts_rpc_read_transaction(&transaction, x.result), PBTS_OK);
    assert_true(transaction.mined);
    assert_int_equal(transaction.nonce, 3);
    assert_int_equal(transaction.block_number, 4);
    close_all(&x);
    open_named(&x, "transaction_pending", PBTS_OK);
    assert_int_equal(pbts_rpc_read_transaction(&transaction, x.result), PBTS_OK);
    assert_false(transaction.mined);
    close_all(&x);
    open_named(&x, "transaction_absent", PBTS_OK);
    assert_int_equal(pbts_rpc_read_transaction(&transaction, x.result), PBTS_NOT_FOUND);
    close_all(&x);
}

static void events_and_fees_are_read(void **state) {
    (void)state;
    exchange x;
    pbts_rpc_log log;
    pbts_rpc_fees fees;
    size_t len = 0;
    open_named(&x, "logs", PBTS_OK);
    assert_int_equal(pbts_rpc_read_logs_len(&len, x.result), PBTS_OK);
    assert_int_equal(len, 3);
    assert_int_equal(pbts_rpc_read_log(&log, x.result, 2), PBTS_OK);
    assert_int_equal(log.topics_len, 2);
    assert_int_equal(log.data_len, 192);
    assert_int_equal(log.data[96], 3); /* the key of user 3 */
    assert_int_equal(log.block_number, 4);
    assert_false(log.removed);
    close_all(&x);
    open_named(&x, "fee_history", PBTS_OK);
    assert_int_equal(pbts_rpc_read_fees(&fees, x.result, 2), PBTS_OK);
    assert_int_equal(fees.blocks_len, 4);
    assert_int_equal(fees.oldest_block, 2);
    assert_int_equal(fees.base_fee_wei[0], 0x34e5ca60);
    assert_int_equal(pbts_rpc_read_fees(&fees, x.result, 3), PBTS_MALFORMED);
    close_all(&x);
}

static void errors_of_anvil_have_their_class_and_data(void **state) {
    (void)state;
    static const struct {
        const char *name;
        pbts_rpc_error_class class;
        size_t revert_data_len;
    } CASES[] = {
        { "send_again", PBTS_RPC_ALREADY_KNOWN, 0 },
        { "send_replacement_underpriced", PBTS_RPC_REPLACE_UNDERPRICED, 0 },
        { "send_nonce_too_low", PBTS_RPC_NONCE_TOO_LOW, 0 },
        { "send_below_base_fee", PBTS_RPC_FEE_BELOW_BASE, 0 },
        { "send_insufficient_funds", PBTS_RPC_INSUFFICIENT_FUNDS, 0 },
        { "estimate_reverted", PBTS_RPC_REVERTED, 36 },
        { "call_reverted", PBTS_RPC_REVERTED, 4 },
        { "no_method", PBTS_RPC_NO_METHOD, 0 },
        { "proof_no_block", PBTS_RPC_STATE_GONE, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        exchange x;
        open_named(&x, CASES[i].name, PBTS_DENIED);
        assert_string_equal(pbts_rpc_error_class_name(x.error.class),
                            pbts_rpc_error_class_name(CASES[i].class));
        assert_int_equal(x.error.revert_data_len, CASES[i].revert_data_len);
        assert_true(strlen(x.error.text) > 0);
        close_all(&x);
    }
}

/* ---- texts of other nodes ---- */

static void errors_of_other_nodes_have_their_class(void **state) {
    (void)state;
    static const struct {
        pbts_rpc_error_class class;
        int64_t code;
        const char *text;
    } CASES[] = {
        { PBTS_RPC_ALREADY_KNOWN, -32000, "already known" },
        { PBTS_RPC_ALREADY_KNOWN, -32010, "AlreadyKnown" },
        { PBTS_RPC_ALREADY_KNOWN, -32000, "Known transaction" },
        { PBTS_RPC_ALREADY_KNOWN, -32000, "existing txn with same hash" },
        { PBTS_RPC_NONCE_TOO_LOW, -32000, "nonce too low: next nonce 5, tx nonce 3" },
        { PBTS_RPC_NONCE_TOO_LOW, -32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 3" },
        { PBTS_RPC_NONCE_TOO_LOW, -32001, "Nonce too low" },
        { PBTS_RPC_NONCE_TOO_HIGH, -32000, "nonce too high: address 0x1, tx: 9 state: 3" },
        { PBTS_RPC_UNDERPRICED, -32000, "transaction underpriced: gas tip cap 0, minimum 1" },
        { PBTS_RPC_UNDERPRICED, -32010, "FeeTooLowToCompete" },
        { PBTS_RPC_UNDERPRICED, -32009, "Gas price below configured minimum gas price" },
        { PBTS_RPC_REPLACE_UNDERPRICED, -32000, "replacement transaction underpriced" },
        { PBTS_RPC_REPLACE_UNDERPRICED, -32000, "INTERNAL_ERROR: could not replace existing tx" },
        { PBTS_RPC_REPLACE_UNDERPRICED, -32010, "ReplacementNotAllowed" },
        { PBTS_RPC_FEE_BELOW_BASE, -32000,
          "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7" },
        { PBTS_RPC_FEE_BELOW_BASE, -32009, "Gas price below current base fee" },
        { PBTS_RPC_INSUFFICIENT_FUNDS, -32000,
          "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1" },
        { PBTS_RPC_INSUFFICIENT_FUNDS, -32004, "Upfront cost exceeds account balance" },
        { PBTS_RPC_REVERTED, 3, "execution reverted: already known" },
        { PBTS_RPC_REVERTED, -32000, "Execution reverted" },
        { PBTS_RPC_GAS_LIMIT, -32000, "exceeds block gas limit" },
        { PBTS_RPC_POOL_FULL, -32000, "txpool is full" },
        { PBTS_RPC_RATE_LIMITED, -32005, "daily request count exceeded, request rate limited" },
        { PBTS_RPC_RATE_LIMITED, 429, "Your app has exceeded its compute units per second" },
        { PBTS_RPC_RATE_LIMITED, -32005, "no" },
        { PBTS_RPC_RANGE_TOO_LARGE, -32005, "query returned more than 10000 results" },
        { PBTS_RPC_RANGE_TOO_LARGE, -32602, "query exceeds max results 20000, retry with 1-2" },
        { PBTS_RPC_RANGE_TOO_LARGE, -32005, "Requested range exceeds maximum RPC range limit" },
        { PBTS_RPC_RANGE_TOO_LARGE, -32000, "exceed maximum block range: 50000" },
        { PBTS_RPC_RANGE_TOO_LARGE, -32602, "eth_getLogs is limited to a 10,000 range" },
        { PBTS_RPC_STATE_GONE, -32000, "missing trie node 11 (path ) state 0x11 is not available" },
        { PBTS_RPC_STATE_GONE, -32000, "World state unavailable" },
        { PBTS_RPC_STATE_GONE, -32000, "distance to target block exceeds maximum proof window" },
        { PBTS_RPC_NO_METHOD, -32601, "the method eth_x does not exist/is not available" },
        { PBTS_RPC_OTHER, -32000, "something else" },
        { PBTS_RPC_OTHER, 0, "" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_rpc_error_class found =
            pbts_rpc_error_classify(CASES[i].code, pbts_span_text(CASES[i].text));
        if (found != CASES[i].class) {
            fail_msg("%s: %s", CASES[i].text, pbts_rpc_error_class_name(found));
        }
    }
}

/* ---- what is refused ---- */

static void answers_that_are_none_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        pbts_status status;
    } CASES[] = {
        { "", PBTS_MALFORMED },
        { "null", PBTS_MALFORMED },
        { "\"0x1\"", PBTS_MALFORMED },
        { "<html>", PBTS_MALFORMED },
        { "{}", PBTS_MALFORMED },
        { "[]", PBTS_MALFORMED },
        { "{\"id\":1}", PBTS_MALFORMED },
        { "{\"id\":2,\"result\":\"0x1\"}", PBTS_MALFORMED },
        { "{\"id\":-1,\"result\":\"0x1\"}", PBTS_MALFORMED },
        { "{\"id\":\"1\",\"result\":\"0x1\"}", PBTS_MALFORMED },
        { "{\"id\":null,\"result\":\"0x1\"}", PBTS_MALFORMED },
        { "{\"id\":1,\"result\":\"0x1\"} x", PBTS_MALFORMED },
        { "{\"id\":1,\"id\":1,\"result\":\"0x1\"}", PBTS_MALFORMED },
        { "{\"id\":1,\"result\":\"0x1\",\"error\":{\"code\":1,\"message\":\"\"}}", PBTS_MALFORMED },
        { "{\"id\":1,\"error\":{}}", PBTS_MALFORMED },
        { "{\"id\":1,\"error\":{\"code\":\"1\",\"message\":\"a\"}}", PBTS_MALFORMED },
        { "{\"id\":1,\"error\":{\"code\":1,\"message\":7}}", PBTS_MALFORMED },
        { "[{\"id\":1,\"result\":1},{\"id\":1,\"result\":2}]", PBTS_MALFORMED },
        { "{\"id\":1,\"error\":{\"code\":1,\"message\":\"a\"}}", PBTS_DENIED },
        { "{\"id\":null,\"error\":{\"code\":1,\"message\":\"a\"}}", PBTS_DENIED },
        { "{\"id\":1,\"result\":null,\"error\":{\"code\":1,\"message\":\"a\"}}", PBTS_DENIED },
        { "{\"id\":1,\"result\":null}", PBTS_OK },
        { "[{\"id\":2,\"result\":1},{\"id\":1,\"result\":2}]", PBTS_OK },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        exchange x;
        pbts_status status = open_text(&x, CASES[i].text);
        if (status != CASES[i].status) {
            fail_msg("%s: %s", CASES[i].text, pbts_status_name(status));
        }
        close_text(&x);
    }
}

static void quantities_have_one_form(void **state) {
    (void)state;
    static const struct {
        const char *text;
        pbts_status status;
    } CASES[] = {
        { "\"0x0\"", PBTS_OK },
        { "\"0xffffffffffffffff\"", PBTS_OK },
        { "\"0x10000000000000000\"", PBTS_LIMIT },
        { "\"0x1000000000000000000000000000000000000000000000000000000000000000000\"", PBTS_LIMIT },
        { "\"0x\"", PBTS_MALFORMED },
        { "\"0x00\"", PBTS_MALFORMED },
        { "\"0x01\"", PBTS_MALFORMED },
        { "\"-0x1\"", PBTS_MALFORMED },
        { "\"0x-1\"", PBTS_MALFORMED },
        { "\"0xg\"", PBTS_MALFORMED },
        { "\"0X1\"", PBTS_MALFORMED },
        { "\"1\"", PBTS_MALFORMED },
        { "\" 0x1\"", PBTS_MALFORMED },
        { "\"0x1\\u0000\"", PBTS_MALFORMED },
        { "1", PBTS_MALFORMED },
        { "-1", PBTS_MALFORMED },
        { "1.5", PBTS_MALFORMED },
        { "true", PBTS_MALFORMED },
        { "null", PBTS_MALFORMED },
        { "[\"0x1\"]", PBTS_MALFORMED },
        { "{}", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        exchange x;
        uint64_t number;
        char text[256];
        (void)snprintf(text, sizeof text, "{\"id\":1,\"result\":%s}", CASES[i].text);
        assert_int_equal(open_text(&x, text), PBTS_OK);
        pbts_status status = pbts_rpc_read_quantity(&number, x.result);
        if (status != CASES[i].status) fail_msg("%s: %s", text, pbts_status_name(status));
        close_text(&x);
    }
}

/* A list of `count` empty objects. */
static char *list_of(size_t count, const char *item) {
    size_t step = strlen(item) + 1;
    char *text = malloc(count * step + 64);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, 64, "{\"id\":1,\"result\":[");
    for (size_t i = 0; i < count; i++) {
        memcpy(text + at, item, step - 1);
        at += step;
        text[at - 1] = ',';
    }
    (void)snprintf(text + at - (count > 0), 4, "]}");
    return text;
}

static void limits_hold_at_the_limit_and_one_past_it(void **state) {
    (void)state;
    exchange x;
    size_t len;
    char *text = list_of(PBTS_RPC_LOGS_MAX, "{}");
    assert_int_equal(open_text(&x, text), PBTS_OK);
    assert_int_equal(pbts_rpc_read_logs_len(&len, x.result), PBTS_OK);
    close_text(&x);
    free(text);
    text = list_of(PBTS_RPC_LOGS_MAX + 1, "{}");
    assert_int_equal(open_text(&x, text), PBTS_OK);
    assert_int_equal(pbts_rpc_read_logs_len(&len, x.result), PBTS_LIMIT);
    close_text(&x);
    free(text);
    text = list_of(PBTS_RPC_BRACKETS_MAX - 2, "{}");
    assert_int_equal(open_text(&x, text), PBTS_OK);
    close_text(&x);
    free(text);
    text = list_of(PBTS_RPC_BRACKETS_MAX - 1, "{}");
    assert_int_equal(open_text(&x, text), PBTS_LIMIT);
    free(text);
    text = list_of(PBTS_RPC_COMMAS_MAX, "0"); /* and one comma behind the id */
    assert_int_equal(open_text(&x, text), PBTS_OK);
    close_text(&x);
    free(text);
    text = list_of(PBTS_RPC_COMMAS_MAX + 1, "0");
    assert_int_equal(open_text(&x, text), PBTS_LIMIT);
    free(text);
}

static void an_answer_has_a_longest_length(void **state) {
    (void)state;
    pbts_rpc_answer answer;
    uint8_t *text = malloc(PBTS_RPC_ANSWER_LEN_MAX + 1);
    assert_non_null(text);
    memset(text, ' ', PBTS_RPC_ANSWER_LEN_MAX + 1);
    text[0] = '{';
    text[PBTS_RPC_ANSWER_LEN_MAX - 1] = '}';
    pbts_span at = { text, PBTS_RPC_ANSWER_LEN_MAX };
    assert_int_equal(pbts_rpc_answer_open(&answer, at), PBTS_OK);
    pbts_rpc_answer_close(&answer);
    at.len++;
    assert_int_equal(pbts_rpc_answer_open(&answer, at), PBTS_LIMIT);
    free(text);
}

/* Read everything that a result could be, whatever it is. */
static void read_all(pbts_rpc_result result) {
    static pbts_rpc_block block;
    static pbts_rpc_fees fees;
    pbts_rpc_receipt receipt;
    pbts_rpc_transaction transaction;
    pbts_rpc_proof proof;
    pbts_rpc_log log;
    size_t len;
    (void)!pbts_rpc_read_block(&block, result);
    (void)!pbts_rpc_read_fees(&fees, result, 2);
    (void)!pbts_rpc_read_receipt(&receipt, result);
    (void)!pbts_rpc_read_transaction(&transaction, result);
    if (pbts_rpc_read_proof(&proof, pbts_mem_system(), result, 6) == PBTS_OK) {
        pbts_rpc_proof_free(&proof);
    }
    if (pbts_rpc_read_logs_len(&len, result) != PBTS_OK) return;
    for (size_t i = 0; i < len; i++) (void)!pbts_rpc_read_log(&log, result, i);
}

static void every_answer_cut_short_anywhere_is_refused(void **state) {
    (void)state;
    json_t *tape = tape_load();
    for (size_t i = 1; i < json_array_size(tape); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(tape, i), "name"));
        pbts_span whole = tape_text(tape, name, "answer");
        pbts_rpc_answer answer;
        for (size_t len = 0; len<whole.len; len += whole.len> 2000 ? 101 : 1) {
            uint8_t *copy = malloc(len + (len == 0));
            assert_non_null(copy);
            memcpy(copy, whole.data, len);
            assert_int_equal(pbts_rpc_answer_open(&answer, (pbts_span){ copy, len }),
                             PBTS_MALFORMED);
            free(copy);
        }
    }
    json_decref(tape);
}

static void damage_never_reads_out_of_bounds(void **state) {
    (void)state;
    json_t *tape = tape_load();
    for (size_t i = 1; i < json_array_size(tape); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(tape, i), "name"));
        pbts_span whole = tape_text(tape, name, "answer");
        for (size_t at = 0; at < whole.len; at += 1 + whole.len / 300) {
            pbts_rpc_answer answer;
            pbts_rpc_result result;
            pbts_rpc_error error;
            uint8_t *copy = malloc(whole.len);
            assert_non_null(copy);
            memcpy(copy, whole.data, whole.len);
            copy[at] ^= (uint8_t)(1 + at % 7);
            if (pbts_rpc_answer_open(&answer, (pbts_span){ copy, whole.len }) == PBTS_OK) {
                if (pbts_rpc_answer_result(&result, &error, &answer, tape_id(tape, name)) ==
                    PBTS_OK) {
                    read_all(result);
                }
                pbts_rpc_answer_close(&answer);
            }
            free(copy);
        }
    }
    json_decref(tape);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_those_that_anvil_answered),
        cmocka_unit_test(a_request_with_256_keys_fits_where_it_should),
        cmocka_unit_test(the_pending_nonce_of_an_address_is_asked_for_in_its_own_words),
        cmocka_unit_test(numbers_hashes_and_data_are_read),
        cmocka_unit_test(a_block_hashes_to_its_hash_or_is_refused),
        cmocka_unit_test(proofs_verify_under_the_blocks_state_root),
        cmocka_unit_test(receipts_and_transactions_are_read),
        cmocka_unit_test(events_and_fees_are_read),
        cmocka_unit_test(errors_of_anvil_have_their_class_and_data),
        cmocka_unit_test(errors_of_other_nodes_have_their_class),
        cmocka_unit_test(answers_that_are_none_are_refused),
        cmocka_unit_test(quantities_have_one_form),
        cmocka_unit_test(limits_hold_at_the_limit_and_one_past_it),
        cmocka_unit_test(an_answer_has_a_longest_length),
        cmocka_unit_test(every_answer_cut_short_anywhere_is_refused),
        cmocka_unit_test(damage_never_reads_out_of_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
