/* eth/json_rpc.h - what Ethereum nodes answer over JSON-RPC 2.0, read totally and within limits.
 *
 * Nothing here is believed: readers check shapes and sizes, and that a block's fields hash to its
 * hash. What decides anything is proved (eth/chain_read.h).
 *
 * A quantity is "0x" and hexadecimal digits without leading zeros; data is "0x" and two digits per
 * byte. Source: JSON-RPC 2.0 specification; Ethereum execution-apis; EIP-1186.
 */
#ifndef PBTS_ETH_JSON_RPC_H
#define PBTS_ETH_JSON_RPC_H

#include "base/mem.h"
#include "base/writer.h"
#include "eth/header.h"
#include "eth/types.h"

enum {
    PBTS_RPC_ANSWER_LEN_MAX = 16 * 1024 * 1024, /* 256 proofs of 15 nodes take 4 MiB as text */
    PBTS_RPC_BRACKETS_MAX = 32768,              /* lists and objects in it; a log has two */
    PBTS_RPC_COMMAS_MAX = 262144,
    PBTS_RPC_BATCH_MAX = 64,
    PBTS_RPC_LOGS_MAX = 10000, /* of one answer; servers stop there too */
    PBTS_RPC_LOG_TOPICS_MAX = 4,
    PBTS_RPC_LOG_DATA_MAX = 1024,
    PBTS_RPC_FEE_BLOCKS_MAX = 128,
    PBTS_RPC_ERROR_TEXT_MAX = 256, /* of a server's message, kept for the log */
    PBTS_RPC_REVERT_DATA_MAX = 256,
};

/* ---- errors that servers name ---- */

/* Made of the message first and the code second: codes mean different things at different servers.
 */
typedef enum {
    PBTS_RPC_OTHER,
    PBTS_RPC_ALREADY_KNOWN,       /* the same transaction is in the pool, or was */
    PBTS_RPC_NONCE_TOO_LOW,       /* one with this nonce is mined: perhaps this one */
    PBTS_RPC_NONCE_TOO_HIGH,      /* a gap before it */
    PBTS_RPC_UNDERPRICED,         /* below the pool's floor */
    PBTS_RPC_REPLACE_UNDERPRICED, /* another with this nonce is in the pool and pays about as much
                                   */
    PBTS_RPC_FEE_BELOW_BASE,      /* the fee cap is below the block's base fee */
    PBTS_RPC_INSUFFICIENT_FUNDS,
    PBTS_RPC_REVERTED,
    PBTS_RPC_GAS_LIMIT, /* more gas than a block or a transaction may have, or too little to begin
                         */
    PBTS_RPC_POOL_FULL,
    PBTS_RPC_RATE_LIMITED,
    PBTS_RPC_RANGE_TOO_LARGE, /* too many logs or blocks at once: ask for less */
    PBTS_RPC_STATE_GONE,      /* a block or its state is not, or no longer, there */
    PBTS_RPC_NO_METHOD,
} pbts_rpc_error_class;

/* Total. `message` in any case, ASCII. */
pbts_rpc_error_class pbts_rpc_error_classify(int64_t code, pbts_span message);
const char *pbts_rpc_error_class_name(pbts_rpc_error_class class); /* "NONCE_TOO_LOW" */

typedef struct {
    pbts_rpc_error_class class;
    int64_t code;
    char
        text[PBTS_RPC_ERROR_TEXT_MAX + 1]; /* printable ASCII, others as '?', cut, NUL at the end */
    uint8_t revert_data[PBTS_RPC_REVERT_DATA_MAX]; /* a custom error and its arguments, cut */
    size_t revert_data_len;
} pbts_rpc_error;

/* ---- an answer ---- */

typedef struct {
    void *json; /* jansson's, whose memory does not come from a pbts_mem */
} pbts_rpc_answer;
typedef const void *pbts_rpc_result; /* one request's result, borrowed from its answer */

/* Parse one POST's answer, an object or a batch. PBTS_MALFORMED: not strict JSON, or neither;
 * PBTS_LIMIT: longer than PBTS_RPC_ANSWER_LEN_MAX, too many values, a batch of more than
 * PBTS_RPC_BATCH_MAX; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_rpc_answer_open(pbts_rpc_answer *out, pbts_span body);
void pbts_rpc_answer_close(pbts_rpc_answer *answer);
/* The result of request `id`. PBTS_DENIED: the server refused, and `*error` says why, also when it
 * refused a batch as a whole; PBTS_MALFORMED: no answer with this id, two, or one with both result
 * and error or neither. */
PBTS_MUST_USE pbts_status pbts_rpc_answer_result(pbts_rpc_result *out, pbts_rpc_error *error,
                                                 const pbts_rpc_answer *answer, uint64_t id);

/* ---- results ----
 *
 * All: PBTS_MALFORMED: another type or form; PBTS_LIMIT: a number or size above its limit. Those
 * that say so also PBTS_NOT_FOUND: the result is null, the server knows no such thing. */

PBTS_MUST_USE pbts_status pbts_rpc_read_quantity(uint64_t *out, pbts_rpc_result result);
PBTS_MUST_USE pbts_status pbts_rpc_read_hash(pbts_eth_hash *out, pbts_rpc_result result);
/* Code, or what a call returned, appended. PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_rpc_read_data(pbts_writer *out, pbts_rpc_result result);

typedef struct {
    pbts_eth_hash hash; /* of `rlp`: the fields hash to what the server says */
    uint64_t number;
    uint64_t timestamp_s;
    pbts_eth_hash state_root;
    pbts_u256 base_fee_wei; /* 0 before London */
    uint8_t rlp[PBTS_ETH_HEADER_LEN_MAX];
    size_t rlp_len;
} pbts_rpc_block;

/* PBTS_NOT_FOUND; PBTS_BAD_SIGNATURE: the fields do not hash to the hash. */
PBTS_MUST_USE pbts_status pbts_rpc_read_block(pbts_rpc_block *out, pbts_rpc_result result);

/* The nodes of eth_getProof, and nothing else of it: values come out of the nodes. */
typedef struct {
    pbts_mem *mem;
    pbts_span *nodes;   /* all of them, the account's first; owned, with their bytes behind */
    size_t account_len; /* nodes of the account's proof */
    size_t keys_len;
    size_t *storage_end; /* nodes of key i end here, and begin where those of key i - 1 do */
} pbts_rpc_proof;

/* Needs `keys_len` storage proofs, in the order of the request. PBTS_NOT_FOUND; PBTS_LIMIT: more
 * than PBTS_ETH_PROOF_NODES_MAX nodes or PBTS_ETH_PROOF_NODE_LEN_MAX bytes in one; PBTS_NO_MEMORY.
 */
PBTS_MUST_USE pbts_status pbts_rpc_read_proof(pbts_rpc_proof *out, pbts_mem *mem,
                                              pbts_rpc_result result, size_t keys_len);
const pbts_span *pbts_rpc_proof_storage(size_t *nodes_len, const pbts_rpc_proof *proof, size_t key);
void pbts_rpc_proof_free(pbts_rpc_proof *proof);

typedef struct {
    pbts_eth_hash transaction, block_hash;
    uint64_t block_number;
    bool succeeded; /* status 1 */
    uint64_t gas_used;
    pbts_u256 gas_price_wei; /* per gas, as paid */
    bool creates;            /* a contract, at `created` */
    pbts_eth_address created;
} pbts_rpc_receipt;

/* PBTS_NOT_FOUND: not mined, as far as the server knows. */
PBTS_MUST_USE pbts_status pbts_rpc_read_receipt(pbts_rpc_receipt *out, pbts_rpc_result result);

typedef struct {
    pbts_eth_hash hash;
    pbts_eth_address from;
    uint64_t nonce;
    bool mined; /* in a block; else in the pool, and the next two are zero */
    pbts_eth_hash block_hash;
    uint64_t block_number;
} pbts_rpc_transaction;

/* PBTS_NOT_FOUND. */
PBTS_MUST_USE pbts_status pbts_rpc_read_transaction(pbts_rpc_transaction *out,
                                                    pbts_rpc_result result);

/* Whom a transaction calls, and the data of the call, appended. PBTS_NOT_FOUND; PBTS_MALFORMED: it
 * makes a contract; PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_rpc_read_transaction_input(pbts_eth_address *to, pbts_writer *input,
                                                          pbts_rpc_result result);

typedef struct {
    pbts_eth_address address;
    pbts_eth_hash topics[PBTS_RPC_LOG_TOPICS_MAX];
    size_t topics_len;
    uint8_t data[PBTS_RPC_LOG_DATA_MAX];
    size_t data_len;
    uint64_t block_number, index; /* of the log within the block */
    pbts_eth_hash transaction;
    bool removed; /* by a reorg */
} pbts_rpc_log;

/* PBTS_LIMIT: more than PBTS_RPC_LOGS_MAX. */
PBTS_MUST_USE pbts_status pbts_rpc_read_logs_len(size_t *out, pbts_rpc_result result);
/* Log `i`, below their number. PBTS_LIMIT: more data or topics than a log has here. */
PBTS_MUST_USE pbts_status pbts_rpc_read_log(pbts_rpc_log *out, pbts_rpc_result result, size_t i);

typedef struct {
    uint64_t oldest_block;
    size_t blocks_len;                                  /* 1 to PBTS_RPC_FEE_BLOCKS_MAX */
    size_t rewards_len;                                 /* per block: the percentiles asked for */
    uint64_t base_fee_wei[PBTS_RPC_FEE_BLOCKS_MAX + 1]; /* the last is the next block's */
    uint64_t rewards_wei[PBTS_RPC_FEE_BLOCKS_MAX][8];   /* priority fees per gas */
} pbts_rpc_fees;

PBTS_MUST_USE pbts_status pbts_rpc_read_fees(pbts_rpc_fees *out, pbts_rpc_result result,
                                             size_t percentiles_len);

#endif
