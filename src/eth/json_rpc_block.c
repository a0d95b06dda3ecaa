/* Results whose content can be checked: a block's header, which has a hash, and proofs. */
#include <jansson.h>

#include "codec/text.h"
#include "eth/json_rpc.h"
#include "eth/json_rpc_values.h"
#include "eth/proof.h"

/* ---- a block's header ---- */

static const char *const FORK_FIELDS[] = { "baseFeePerGas", "withdrawalsRoot",
                                           "parentBeaconBlockRoot", "requestsHash" };
static const pbts_eth_header_form FORMS[] = { PBTS_ETH_HEADER_FRONTIER, PBTS_ETH_HEADER_LONDON,
                                              PBTS_ETH_HEADER_SHANGHAI, PBTS_ETH_HEADER_CANCUN,
                                              PBTS_ETH_HEADER_PRAGUE };

/* The form that the last field of each fork speaks for. A wrong guess gives another hash. */
static pbts_eth_header_form form_of(const json_t *block) {
    size_t forks = sizeof FORK_FIELDS / sizeof FORK_FIELDS[0];
    while (forks > 0 && !pbts_rpc_has(block, FORK_FIELDS[forks - 1])) forks--;
    return FORMS[forks];
}

static pbts_status read_first_fields(pbts_eth_header *header, const json_t *block) {
    PBTS_TRY(pbts_rpc_hash(&header->parent_hash, json_object_get(block, "parentHash")));
    PBTS_TRY(pbts_rpc_hash(&header->ommers_hash, json_object_get(block, "sha3Uncles")));
    PBTS_TRY(pbts_rpc_address(&header->beneficiary, json_object_get(block, "miner")));
    PBTS_TRY(pbts_rpc_hash(&header->state_root, json_object_get(block, "stateRoot")));
    PBTS_TRY(pbts_rpc_hash(&header->transactions_root, json_object_get(block, "transactionsRoot")));
    PBTS_TRY(pbts_rpc_hash(&header->receipts_root, json_object_get(block, "receiptsRoot")));
    PBTS_TRY(pbts_rpc_data_exact(header->logs_bloom, sizeof header->logs_bloom,
                                 json_object_get(block, "logsBloom")));
    PBTS_TRY(pbts_rpc_u256(&header->difficulty, json_object_get(block, "difficulty")));
    PBTS_TRY(pbts_rpc_u64(&header->number, json_object_get(block, "number")));
    PBTS_TRY(pbts_rpc_u64(&header->gas_limit, json_object_get(block, "gasLimit")));
    PBTS_TRY(pbts_rpc_u64(&header->gas_used, json_object_get(block, "gasUsed")));
    PBTS_TRY(pbts_rpc_u64(&header->timestamp_s, json_object_get(block, "timestamp")));
    PBTS_TRY(pbts_rpc_hash(&header->mix_hash, json_object_get(block, "mixHash")));
    return pbts_rpc_data_exact(header->nonce, sizeof header->nonce,
                               json_object_get(block, "nonce"));
}

static pbts_status read_fork_fields(pbts_eth_header *header, const json_t *block) {
    if (header->form >= PBTS_ETH_HEADER_LONDON) {
        PBTS_TRY(pbts_rpc_u256(&header->base_fee_wei, json_object_get(block, "baseFeePerGas")));
    }
    if (header->form >= PBTS_ETH_HEADER_SHANGHAI) {
        PBTS_TRY(
            pbts_rpc_hash(&header->withdrawals_root, json_object_get(block, "withdrawalsRoot")));
    }
    if (header->form >= PBTS_ETH_HEADER_CANCUN) {
        PBTS_TRY(pbts_rpc_u64(&header->blob_gas_used, json_object_get(block, "blobGasUsed")));
        PBTS_TRY(pbts_rpc_u64(&header->excess_blob_gas, json_object_get(block, "excessBlobGas")));
        PBTS_TRY(pbts_rpc_hash(&header->parent_beacon_root,
                               json_object_get(block, "parentBeaconBlockRoot")));
    }
    if (header->form >= PBTS_ETH_HEADER_PRAGUE) {
        PBTS_TRY(pbts_rpc_hash(&header->requests_hash, json_object_get(block, "requestsHash")));
    }
    return PBTS_OK;
}

pbts_status pbts_rpc_read_block(pbts_rpc_block *out, pbts_rpc_result result) {
    uint8_t extra_data[PBTS_ETH_EXTRA_DATA_MAX];
    pbts_eth_header header = { 0 };
    pbts_eth_hash named;
    pbts_rpc_block block = { 0 };
    PBTS_TRY(pbts_rpc_object(result));
    header.form = form_of(result);
    PBTS_TRY(pbts_rpc_hash(&named, json_object_get(result, "hash")));
    PBTS_TRY(read_first_fields(&header, result));
    PBTS_TRY(read_fork_fields(&header, result));
    header.extra_data.data = extra_data;
    PBTS_TRY(pbts_rpc_data(extra_data, &header.extra_data.len, sizeof extra_data,
                           json_object_get(result, "extraData")));
    pbts_writer rlp = pbts_writer_over(block.rlp, sizeof block.rlp);
    PBTS_TRY(pbts_eth_header_encode(&rlp, &header));
    block.rlp_len = rlp.len;
    block.hash = pbts_eth_hash_of(pbts_writer_span(&rlp));
    if (!pbts_eth_hash_equal(&block.hash, &named)) return PBTS_BAD_SIGNATURE;
    block.number = header.number;
    block.timestamp_s = header.timestamp_s;
    block.state_root = header.state_root;
    block.base_fee_wei = header.base_fee_wei;
    *out = block;
    return PBTS_OK;
}

/* ---- proofs ---- */

/* How many nodes and bytes one proof has, added up. */
static pbts_status measure(size_t *nodes_len, size_t *bytes_len, const json_t *proof) {
    size_t len = json_array_size(proof);
    if (!json_is_array(proof)) return PBTS_MALFORMED;
    if (len > PBTS_ETH_PROOF_NODES_MAX) return PBTS_LIMIT;
    for (size_t i = 0; i < len; i++) {
        pbts_span digits;
        PBTS_TRY(pbts_rpc_data_digits(&digits, json_array_get(proof, i)));
        if (digits.len / 2 > PBTS_ETH_PROOF_NODE_LEN_MAX) return PBTS_LIMIT;
        *bytes_len += digits.len / 2;
    }
    *nodes_len += len;
    return PBTS_OK;
}

static const json_t *storage_at(const json_t *storage, size_t i) {
    return json_object_get(json_array_get(storage, i), "proof");
}

/* Decode one proof behind what is there. */
static pbts_status fill(pbts_rpc_proof *proof, size_t *nodes_len, uint8_t **bytes,
                        size_t *bytes_left, const json_t *nodes) {
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        size_t len;
        PBTS_TRY(pbts_rpc_data(*bytes, &len, *bytes_left, json_array_get(nodes, i)));
        proof->nodes[(*nodes_len)++] = (pbts_span){ *bytes, len };
        *bytes += len;
        *bytes_left -= len;
    }
    return PBTS_OK;
}

static pbts_status fill_all(pbts_rpc_proof *proof, uint8_t *bytes, size_t bytes_len,
                            const json_t *account, const json_t *storage) {
    size_t nodes_len = 0;
    PBTS_TRY(fill(proof, &nodes_len, &bytes, &bytes_len, account));
    proof->account_len = nodes_len;
    for (size_t i = 0; i < proof->keys_len; i++) {
        PBTS_TRY(fill(proof, &nodes_len, &bytes, &bytes_len, storage_at(storage, i)));
        proof->storage_end[i] = nodes_len;
    }
    return PBTS_OK;
}

pbts_status pbts_rpc_read_proof(pbts_rpc_proof *out, pbts_mem *mem, pbts_rpc_result result,
                                size_t keys_len) {
    const json_t *account = json_object_get(result, "accountProof");
    const json_t *storage = json_object_get(result, "storageProof");
    size_t nodes_len = 0, bytes_len = 0;
    PBTS_TRY(pbts_rpc_object(result));
    if (!json_is_array(storage) || json_array_size(storage) != keys_len) return PBTS_MALFORMED;
    PBTS_TRY(measure(&nodes_len, &bytes_len, account));
    for (size_t i = 0; i < keys_len; i++) {
        PBTS_TRY(measure(&nodes_len, &bytes_len, storage_at(storage, i)));
    }
    size_t spans_len = nodes_len * sizeof(pbts_span), ends_len = keys_len * sizeof(size_t);
    uint8_t *owned = pbts_alloc(mem, spans_len + ends_len + bytes_len);
    if (owned == NULL) return PBTS_NO_MEMORY;
    pbts_rpc_proof proof = { .mem = mem,
                             .nodes = (pbts_span *)(void *)owned,
                             .keys_len = keys_len,
                             .storage_end = (size_t *)(void *)(owned + spans_len) };
    pbts_status status =
        fill_all(&proof, owned + spans_len + ends_len, bytes_len, account, storage);
    if (status != PBTS_OK) {
        pbts_release(mem, owned);
        return status;
    }
    *out = proof;
    return PBTS_OK;
}

const pbts_span *pbts_rpc_proof_storage(size_t *nodes_len, const pbts_rpc_proof *proof,
                                        size_t key) {
    size_t begin = key == 0 ? proof->account_len : proof->storage_end[key - 1];
    *nodes_len = proof->storage_end[key] - begin;
    return proof->nodes + begin;
}

void pbts_rpc_proof_free(pbts_rpc_proof *proof) {
    if (proof->mem != NULL) pbts_release(proof->mem, proof->nodes);
    *proof = (pbts_rpc_proof){ 0 };
}
