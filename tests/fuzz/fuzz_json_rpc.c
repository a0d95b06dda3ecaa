/* libFuzzer target: whatever a node answers is read or refused; what is read keeps its promises. */
#include <stdlib.h>

#include "eth/json_rpc.h"
#include "eth/json_rpc_request.h"
#include "eth/proof.h"

enum { KEYS = 6, PERCENTILES = 2 };

static void require(bool truth) {
    if (!truth) abort();
}

static void check_block(pbts_rpc_result result) {
    static pbts_rpc_block block;
    pbts_eth_header header;
    if (pbts_rpc_read_block(&block, result) != PBTS_OK) return;
    pbts_span rlp = { block.rlp, block.rlp_len };
    pbts_eth_hash hash = pbts_eth_hash_of(rlp);
    require(pbts_eth_hash_equal(&hash, &block.hash));
    require(pbts_eth_header_decode(&header, rlp) == PBTS_OK && header.number == block.number);
}

static void check_proof(pbts_rpc_result result) {
    pbts_rpc_proof proof;
    if (pbts_rpc_read_proof(&proof, pbts_mem_system(), result, KEYS) != PBTS_OK) return;
    size_t total = proof.account_len;
    for (size_t i = 0; i < KEYS; i++) {
        size_t len;
        const pbts_span *nodes = pbts_rpc_proof_storage(&len, &proof, i);
        require(nodes == proof.nodes + total && len <= PBTS_ETH_PROOF_NODES_MAX);
        total += len;
        for (size_t k = 0; k < len; k++) require(nodes[k].len <= PBTS_ETH_PROOF_NODE_LEN_MAX);
    }
    pbts_rpc_proof_free(&proof);
}

static void check_logs(pbts_rpc_result result) {
    static pbts_rpc_log log;
    size_t len;
    if (pbts_rpc_read_logs_len(&len, result) != PBTS_OK) return;
    require(len <= PBTS_RPC_LOGS_MAX);
    for (size_t i = 0; i < len; i++) {
        if (pbts_rpc_read_log(&log, result, i) != PBTS_OK) continue;
        require(log.topics_len <= PBTS_RPC_LOG_TOPICS_MAX && log.data_len <= PBTS_RPC_LOG_DATA_MAX);
    }
}

static void check_small(pbts_rpc_result result) {
    static pbts_rpc_fees fees;
    pbts_rpc_receipt receipt;
    pbts_rpc_transaction transaction;
    uint64_t number;
    pbts_eth_hash hash;
    pbts_eth_address to;
    uint8_t data[64];
    pbts_writer writer = pbts_writer_over(data, sizeof data);
    (void)!pbts_rpc_read_quantity(&number, result);
    (void)!pbts_rpc_read_hash(&hash, result);
    (void)!pbts_rpc_read_data(&writer, result);
    (void)!pbts_rpc_read_receipt(&receipt, result);
    (void)!pbts_rpc_read_transaction(&transaction, result);
    (void)!pbts_rpc_read_transaction_input(&to, &writer, result);
    if (pbts_rpc_read_fees(&fees, result, PERCENTILES) == PBTS_OK) {
        require(fees.blocks_len >= 1 && fees.blocks_len <= PBTS_RPC_FEE_BLOCKS_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_rpc_answer answer;
    if (pbts_rpc_answer_open(&answer, (pbts_span){ data, len }) != PBTS_OK) return 0;
    for (uint64_t id = 0; id < 3; id++) {
        pbts_rpc_result result;
        pbts_rpc_error error = { 0 };
        pbts_status status = pbts_rpc_answer_result(&result, &error, &answer, id);
        if (status == PBTS_DENIED) {
            require(memchr(error.text, 0, sizeof error.text) != NULL);
            require(error.revert_data_len <= sizeof error.revert_data);
            require(pbts_rpc_error_class_name(error.class) != NULL);
        }
        if (status != PBTS_OK) continue;
        check_block(result);
        check_proof(result);
        check_logs(result);
        check_small(result);
    }
    pbts_rpc_answer_close(&answer);
    return 0;
}
