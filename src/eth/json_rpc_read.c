/* Results: small values, receipts, transactions, events, fees. */
#include <jansson.h>

#include "base/assert.h"
#include "codec/text.h"
#include "eth/json_rpc.h"
#include "eth/json_rpc_request.h"
#include "eth/json_rpc_values.h"

pbts_status pbts_rpc_read_quantity(uint64_t *out, pbts_rpc_result result) {
    return pbts_rpc_u64(out, result);
}

pbts_status pbts_rpc_read_hash(pbts_eth_hash *out, pbts_rpc_result result) {
    return pbts_rpc_hash(out, result);
}

pbts_status pbts_rpc_read_data(pbts_writer *out, pbts_rpc_result result) {
    pbts_span digits;
    size_t len;
    PBTS_TRY(pbts_rpc_data_digits(&digits, result));
    uint8_t *bytes = pbts_write_reserve(out, digits.len / 2);
    if (bytes == NULL) return PBTS_NO_SPACE;
    return pbts_hex_decode(bytes, &len, digits.len / 2, digits);
}

/* ---- receipts and transactions ---- */

pbts_status pbts_rpc_read_receipt(pbts_rpc_receipt *out, pbts_rpc_result result) {
    pbts_rpc_receipt receipt = { 0 };
    uint64_t status;
    PBTS_TRY(pbts_rpc_object(result));
    PBTS_TRY(pbts_rpc_hash(&receipt.transaction, json_object_get(result, "transactionHash")));
    PBTS_TRY(pbts_rpc_hash(&receipt.block_hash, json_object_get(result, "blockHash")));
    PBTS_TRY(pbts_rpc_u64(&receipt.block_number, json_object_get(result, "blockNumber")));
    PBTS_TRY(pbts_rpc_u64(&receipt.gas_used, json_object_get(result, "gasUsed")));
    PBTS_TRY(pbts_rpc_u64(&status, json_object_get(result, "status")));
    if (status > 1) return PBTS_MALFORMED;
    receipt.succeeded = status == 1;
    if (pbts_rpc_has(result, "effectiveGasPrice")) {
        PBTS_TRY(
            pbts_rpc_u256(&receipt.gas_price_wei, json_object_get(result, "effectiveGasPrice")));
    }
    receipt.creates = pbts_rpc_has(result, "contractAddress");
    if (receipt.creates) {
        PBTS_TRY(pbts_rpc_address(&receipt.created, json_object_get(result, "contractAddress")));
    }
    *out = receipt;
    return PBTS_OK;
}

pbts_status pbts_rpc_read_transaction(pbts_rpc_transaction *out, pbts_rpc_result result) {
    pbts_rpc_transaction transaction = { 0 };
    PBTS_TRY(pbts_rpc_object(result));
    PBTS_TRY(pbts_rpc_hash(&transaction.hash, json_object_get(result, "hash")));
    PBTS_TRY(pbts_rpc_address(&transaction.from, json_object_get(result, "from")));
    PBTS_TRY(pbts_rpc_u64(&transaction.nonce, json_object_get(result, "nonce")));
    transaction.mined = pbts_rpc_has(result, "blockHash");
    if (transaction.mined) {
        PBTS_TRY(pbts_rpc_hash(&transaction.block_hash, json_object_get(result, "blockHash")));
        PBTS_TRY(pbts_rpc_u64(&transaction.block_number, json_object_get(result, "blockNumber")));
    }
    *out = transaction;
    return PBTS_OK;
}

pbts_status pbts_rpc_read_transaction_input(pbts_eth_address *to, pbts_writer *input,
                                            pbts_rpc_result result) {
    pbts_eth_address called;
    PBTS_TRY(pbts_rpc_object(result));
    PBTS_TRY(pbts_rpc_address(&called, json_object_get(result, "to")));
    PBTS_TRY(pbts_rpc_read_data(input, json_object_get(result, "input")));
    *to = called;
    return PBTS_OK;
}

/* ---- events ---- */

pbts_status pbts_rpc_read_logs_len(size_t *out, pbts_rpc_result result) {
    const json_t *logs = result;
    if (!json_is_array(logs)) return PBTS_MALFORMED;
    if (json_array_size(logs) > PBTS_RPC_LOGS_MAX) return PBTS_LIMIT;
    *out = json_array_size(logs);
    return PBTS_OK;
}

static pbts_status read_topics(pbts_rpc_log *out, const json_t *topics) {
    if (!json_is_array(topics)) return PBTS_MALFORMED;
    if (json_array_size(topics) > PBTS_RPC_LOG_TOPICS_MAX) return PBTS_LIMIT;
    out->topics_len = json_array_size(topics);
    for (size_t i = 0; i < out->topics_len; i++) {
        PBTS_TRY(pbts_rpc_hash(&out->topics[i], json_array_get(topics, i)));
    }
    return PBTS_OK;
}

static pbts_status read_log(pbts_rpc_log *out, const json_t *log) {
    const json_t *removed = json_object_get(log, "removed");
    if (!json_is_object(log)) return PBTS_MALFORMED;
    PBTS_TRY(pbts_rpc_address(&out->address, json_object_get(log, "address")));
    PBTS_TRY(read_topics(out, json_object_get(log, "topics")));
    PBTS_TRY(
        pbts_rpc_data(out->data, &out->data_len, sizeof out->data, json_object_get(log, "data")));
    PBTS_TRY(pbts_rpc_u64(&out->block_number, json_object_get(log, "blockNumber")));
    PBTS_TRY(pbts_rpc_u64(&out->index, json_object_get(log, "logIndex")));
    PBTS_TRY(pbts_rpc_hash(&out->transaction, json_object_get(log, "transactionHash")));
    if (removed != NULL && !json_is_boolean(removed)) return PBTS_MALFORMED;
    out->removed = json_is_true(removed);
    return PBTS_OK;
}

pbts_status pbts_rpc_read_log(pbts_rpc_log *out, pbts_rpc_result result, size_t i) {
    pbts_rpc_log log = { 0 };
    PBTS_TRY(read_log(&log, json_array_get(result, i)));
    *out = log;
    return PBTS_OK;
}

/* ---- fees ---- */

static pbts_status read_rewards(pbts_rpc_fees *fees, const json_t *rewards) {
    if (json_array_size(rewards) != fees->blocks_len) return PBTS_MALFORMED;
    for (size_t i = 0; i < fees->blocks_len; i++) {
        const json_t *row = json_array_get(rewards, i);
        if (json_array_size(row) != fees->rewards_len) return PBTS_MALFORMED;
        for (size_t k = 0; k < fees->rewards_len; k++) {
            PBTS_TRY(pbts_rpc_u64(&fees->rewards_wei[i][k], json_array_get(row, k)));
        }
    }
    return PBTS_OK;
}

pbts_status pbts_rpc_read_fees(pbts_rpc_fees *out, pbts_rpc_result result, size_t percentiles_len) {
    const json_t *base_fees = json_object_get(result, "baseFeePerGas");
    size_t len = json_array_size(base_fees);
    assert(percentiles_len <= PBTS_RPC_REWARD_PERCENTILES_MAX);
    if (len < 2) return PBTS_MALFORMED;
    if (len > PBTS_RPC_FEE_BLOCKS_MAX + 1) return PBTS_LIMIT;
    pbts_rpc_fees fees = { .blocks_len = len - 1, .rewards_len = percentiles_len };
    PBTS_TRY(pbts_rpc_u64(&fees.oldest_block, json_object_get(result, "oldestBlock")));
    for (size_t i = 0; i < len; i++) {
        PBTS_TRY(pbts_rpc_u64(&fees.base_fee_wei[i], json_array_get(base_fees, i)));
    }
    if (percentiles_len > 0) {
        PBTS_TRY(read_rewards(&fees, json_object_get(result, "reward")));
    }
    *out = fees;
    return PBTS_OK;
}
