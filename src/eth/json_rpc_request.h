/* eth/json_rpc_request.h - requests to an Ethereum node as JSON-RPC 2.0 texts.
 *
 * Each function appends one request object with the given id; the answer carries the same id.
 * Several between pbts_rpc_open_batch and pbts_rpc_close_batch are one batch: one POST, whose
 * answers come in any order. A text that does not fit leaves the writer failed. No heap. Source:
 * JSON-RPC 2.0 specification; Ethereum execution-apis; EIP-1186 (eth_getProof), EIP-1898 (a block
 * named by its hash).
 */
#ifndef PBTS_ETH_JSON_RPC_REQUEST_H
#define PBTS_ETH_JSON_RPC_REQUEST_H

#include "base/writer.h"
#include "eth/types.h"

enum {
    PBTS_RPC_PROOF_KEYS_MAX = 256, /* storage keys of one eth_getProof; nodes take 1024 and more */
    PBTS_RPC_REQUEST_OVERHEAD = 256, /* a request without raw bytes, keys and call data */
    PBTS_RPC_REQUEST_PER_KEY = 70,   /* for each storage key: "0x", 64 digits, quotes and comma */
    PBTS_RPC_REWARD_PERCENTILES_MAX = 8,
};

/* Which block a question is about. Zeroed: the latest. */
typedef enum {
    PBTS_RPC_LATEST,
    PBTS_RPC_SAFE,
    PBTS_RPC_FINALIZED,
    PBTS_RPC_PENDING,
    PBTS_RPC_AT_NUMBER,
    PBTS_RPC_AT_HASH
} pbts_rpc_block_kind;
typedef struct {
    pbts_rpc_block_kind kind;
    uint64_t number;    /* AT_NUMBER */
    pbts_eth_hash hash; /* AT_HASH */
} pbts_rpc_block_id;

static inline pbts_rpc_block_id pbts_rpc_at_number(uint64_t number) {
    return (pbts_rpc_block_id){ .kind = PBTS_RPC_AT_NUMBER, .number = number };
}
static inline pbts_rpc_block_id pbts_rpc_at_hash(const pbts_eth_hash *hash) {
    return (pbts_rpc_block_id){ .kind = PBTS_RPC_AT_HASH, .hash = *hash };
}

void pbts_rpc_open_batch(pbts_writer *writer);
void pbts_rpc_close_batch(pbts_writer *writer);

void pbts_rpc_chain_id(pbts_writer *writer, uint64_t id);
void pbts_rpc_block_number(pbts_writer *writer, uint64_t id);
void pbts_rpc_max_priority_fee(pbts_writer *writer, uint64_t id);
/* eth_getBlockByHash for AT_HASH, else eth_getBlockByNumber; without the transactions. */
void pbts_rpc_get_block(pbts_writer *writer, uint64_t id, const pbts_rpc_block_id *block);
/* At most PBTS_RPC_PROOF_KEYS_MAX keys; more is an assertion. */
void pbts_rpc_get_proof(pbts_writer *writer, uint64_t id, const pbts_eth_address *address,
                        const pbts_u256 *keys, size_t keys_len, const pbts_rpc_block_id *block);
void pbts_rpc_send_raw_transaction(pbts_writer *writer, uint64_t id, pbts_span transaction);
void pbts_rpc_get_receipt(pbts_writer *writer, uint64_t id, const pbts_eth_hash *transaction);
void pbts_rpc_get_transaction(pbts_writer *writer, uint64_t id, const pbts_eth_hash *transaction);
/* Events of one contract whose first topic is `topic`, blocks `first` to `last`, both included. */
void pbts_rpc_get_logs(pbts_writer *writer, uint64_t id, const pbts_eth_address *address,
                       const pbts_eth_hash *topic, uint64_t first, uint64_t last);
/* Base fees and priority fees of the newest `blocks` blocks; percentiles ascend, each 0 to 100, at
 * most PBTS_RPC_REWARD_PERCENTILES_MAX. */
void pbts_rpc_fee_history(pbts_writer *writer, uint64_t id, uint32_t blocks,
                          const uint8_t *percentiles, size_t percentiles_len);
void pbts_rpc_get_code(pbts_writer *writer, uint64_t id, const pbts_eth_address *address,
                       const pbts_rpc_block_id *block);
/* An account's nonce; of the pending block: behind what waits in the server's pool. */
void pbts_rpc_get_transaction_count(pbts_writer *writer, uint64_t id,
                                    const pbts_eth_address *address,
                                    const pbts_rpc_block_id *block);
/* A call as for a transaction. `to` is NULL when the data makes a contract. */
void pbts_rpc_estimate_gas(pbts_writer *writer, uint64_t id, const pbts_eth_address *from,
                           const pbts_eth_address *to, pbts_span data);
/* For display only: its answer cannot be proved. */
void pbts_rpc_call(pbts_writer *writer, uint64_t id, const pbts_eth_address *to, pbts_span data,
                   const pbts_rpc_block_id *block);

#endif
