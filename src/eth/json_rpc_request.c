#include "eth/json_rpc_request.h"

#include "base/assert.h"
#include "codec/text.h"

/* ---- values ---- */

static void write_data(pbts_writer *writer, pbts_span bytes) {
    pbts_write_text(writer, "\"0x");
    pbts_hex_encode(writer, bytes);
    pbts_write_text(writer, "\"");
}

static void write_hash(pbts_writer *writer, const pbts_eth_hash *hash) {
    write_data(writer, PBTS_SPAN_OF(hash->bytes));
}

static void write_address(pbts_writer *writer, const pbts_eth_address *address) {
    write_data(writer, PBTS_SPAN_OF(address->bytes));
}

/* A quantity: "0x" and hexadecimal digits without leading zeros. */
static void write_quantity(pbts_writer *writer, uint64_t value) {
    int shift = 60;
    while (shift > 0 && (value >> shift) == 0) shift -= 4;
    pbts_write_text(writer, "\"0x");
    for (; shift >= 0; shift -= 4) {
        pbts_write_u8(writer, (uint8_t) "0123456789abcdef"[(value >> shift) & 15]);
    }
    pbts_write_text(writer, "\"");
}

static void write_block_id(pbts_writer *writer, const pbts_rpc_block_id *block) {
    static const char *const TAGS[] = { [PBTS_RPC_LATEST] = "\"latest\"",
                                        [PBTS_RPC_SAFE] = "\"safe\"",
                                        [PBTS_RPC_FINALIZED] = "\"finalized\"",
                                        [PBTS_RPC_PENDING] = "\"pending\"" };
    if (block->kind == PBTS_RPC_AT_NUMBER) {
        write_quantity(writer, block->number);
    } else if (block->kind == PBTS_RPC_AT_HASH) {
        pbts_write_text(writer, "{\"blockHash\":");
        write_hash(writer, &block->hash);
        pbts_write_text(writer, "}");
    } else {
        pbts_write_text(writer, TAGS[block->kind]);
    }
}

/* ---- frames ---- */

static bool is_first(const pbts_writer *writer) {
    return writer->len == 0 || writer->data[writer->len - 1] == '[';
}

static void open_request(pbts_writer *writer, uint64_t id, const char *method) {
    if (!is_first(writer)) pbts_write_text(writer, ",");
    pbts_write_text(writer, "{\"jsonrpc\":\"2.0\",\"id\":");
    pbts_write_decimal(writer, id);
    pbts_write_text(writer, ",\"method\":\"");
    pbts_write_text(writer, method);
    pbts_write_text(writer, "\",\"params\":[");
}

static void close_request(pbts_writer *writer) {
    pbts_write_text(writer, "]}");
}

void pbts_rpc_open_batch(pbts_writer *writer) {
    pbts_write_text(writer, "[");
}

void pbts_rpc_close_batch(pbts_writer *writer) {
    pbts_write_text(writer, "]");
}

/* ---- methods ---- */

void pbts_rpc_chain_id(pbts_writer *writer, uint64_t id) {
    open_request(writer, id, "eth_chainId");
    close_request(writer);
}

void pbts_rpc_block_number(pbts_writer *writer, uint64_t id) {
    open_request(writer, id, "eth_blockNumber");
    close_request(writer);
}

void pbts_rpc_max_priority_fee(pbts_writer *writer, uint64_t id) {
    open_request(writer, id, "eth_maxPriorityFeePerGas");
    close_request(writer);
}

void pbts_rpc_get_block(pbts_writer *writer, uint64_t id, const pbts_rpc_block_id *block) {
    if (block->kind == PBTS_RPC_AT_HASH) {
        open_request(writer, id, "eth_getBlockByHash");
        write_hash(writer, &block->hash);
    } else {
        open_request(writer, id, "eth_getBlockByNumber");
        write_block_id(writer, block);
    }
    pbts_write_text(writer, ",false");
    close_request(writer);
}

void pbts_rpc_get_proof(pbts_writer *writer, uint64_t id, const pbts_eth_address *address,
                        const pbts_u256 *keys, size_t keys_len, const pbts_rpc_block_id *block) {
    assert(keys_len <= PBTS_RPC_PROOF_KEYS_MAX);
    open_request(writer, id, "eth_getProof");
    write_address(writer, address);
    pbts_write_text(writer, ",[");
    for (size_t i = 0; i < keys_len; i++) {
        if (i > 0) pbts_write_text(writer, ",");
        write_data(writer, PBTS_SPAN_OF(keys[i].bytes));
    }
    pbts_write_text(writer, "],");
    write_block_id(writer, block);
    close_request(writer);
}

void pbts_rpc_get_transaction_count(pbts_writer *writer, uint64_t id,
                                    const pbts_eth_address *address,
                                    const pbts_rpc_block_id *block) {
    open_request(writer, id, "eth_getTransactionCount");
    write_address(writer, address);
    pbts_write_text(writer, ",");
    write_block_id(writer, block);
    close_request(writer);
}

void pbts_rpc_send_raw_transaction(pbts_writer *writer, uint64_t id, pbts_span transaction) {
    open_request(writer, id, "eth_sendRawTransaction");
    write_data(writer, transaction);
    close_request(writer);
}

void pbts_rpc_get_receipt(pbts_writer *writer, uint64_t id, const pbts_eth_hash *transaction) {
    open_request(writer, id, "eth_getTransactionReceipt");
    write_hash(writer, transaction);
    close_request(writer);
}

void pbts_rpc_get_transaction(pbts_writer *writer, uint64_t id, const pbts_eth_hash *transaction) {
    open_request(writer, id, "eth_getTransactionByHash");
    write_hash(writer, transaction);
    close_request(writer);
}

void pbts_rpc_get_logs(pbts_writer *writer, uint64_t id, const pbts_eth_address *address,
                       const pbts_eth_hash *topic, uint64_t first, uint64_t last) {
    open_request(writer, id, "eth_getLogs");
    pbts_write_text(writer, "{\"address\":");
    write_address(writer, address);
    pbts_write_text(writer, ",\"topics\":[");
    write_hash(writer, topic);
    pbts_write_text(writer, "],\"fromBlock\":");
    write_quantity(writer, first);
    pbts_write_text(writer, ",\"toBlock\":");
    write_quantity(writer, last);
    pbts_write_text(writer, "}");
    close_request(writer);
}

void pbts_rpc_fee_history(pbts_writer *writer, uint64_t id, uint32_t blocks,
                          const uint8_t *percentiles, size_t percentiles_len) {
    assert(percentiles_len <= PBTS_RPC_REWARD_PERCENTILES_MAX);
    open_request(writer, id, "eth_feeHistory");
    write_quantity(writer, blocks);
    pbts_write_text(writer, ",\"latest\",[");
    for (size_t i = 0; i < percentiles_len; i++) {
        if (i > 0) pbts_write_text(writer, ",");
        pbts_write_decimal(writer, percentiles[i]);
    }
    pbts_write_text(writer, "]");
    close_request(writer);
}

void pbts_rpc_get_code(pbts_writer *writer, uint64_t id, const pbts_eth_address *address,
                       const pbts_rpc_block_id *block) {
    open_request(writer, id, "eth_getCode");
    write_address(writer, address);
    pbts_write_text(writer, ",");
    write_block_id(writer, block);
    close_request(writer);
}

void pbts_rpc_estimate_gas(pbts_writer *writer, uint64_t id, const pbts_eth_address *from,
                           const pbts_eth_address *to, pbts_span data) {
    open_request(writer, id, "eth_estimateGas");
    pbts_write_text(writer, "{\"from\":");
    write_address(writer, from);
    if (to != NULL) {
        pbts_write_text(writer, ",\"to\":");
        write_address(writer, to);
    }
    pbts_write_text(writer, ",\"data\":");
    write_data(writer, data);
    pbts_write_text(writer, "}");
    close_request(writer);
}

void pbts_rpc_call(pbts_writer *writer, uint64_t id, const pbts_eth_address *to, pbts_span data,
                   const pbts_rpc_block_id *block) {
    open_request(writer, id, "eth_call");
    pbts_write_text(writer, "{\"to\":");
    write_address(writer, to);
    pbts_write_text(writer, ",\"data\":");
    write_data(writer, data);
    pbts_write_text(writer, "},");
    write_block_id(writer, block);
    close_request(writer);
}
