/* A chain with one Reputation contract, for tests: blocks with states and events, and the node that
 * answers questions about them over JSON-RPC. What it says is true; liars are made of it in
 * chain_liars.h. */
#ifndef PBTS_TEST_ETH_CHAIN_MODEL_H
#define PBTS_TEST_ETH_CHAIN_MODEL_H

#include <stdio.h>

#include <jansson.h>

#include "codec/text.h"
#include "eth/chain_read.h"
#include "eth/reputation_events.h"
#include "hash/keccak.h"
#include "trie_model.h"

enum { MODEL_CHAIN_ID = 31337, MODEL_GENESIS_S = 1700000000, MODEL_BLOCK_S = 12 };

typedef struct {
    pbts_reputation_account account; /* the word as of the last block */
    uint64_t block;                  /* of the registration */
} model_user;

typedef struct { /* of a contract in root mode */
    uint64_t block;
    pbts_eth_hash head, transaction;
    uint8_t root[32];
    uint32_t user_count;
    uint8_t *call;
    size_t call_len;
} model_batch;

typedef struct {
    pbts_eth_hash hash;
    pbts_rpc_block plain; /* header as RLP and its main fields */
    pbts_eth_header header;
    trie storage, state;
    trie_entry *entries, accounts[3];
    pbts_reputation_state contract;
} model_block;

typedef struct {
    pbts_eth_address contract, owner;
    model_user *users; /* in the order of registration */
    size_t users_len;
    model_block *blocks; /* 1 to blocks_len; 0 is not there */
    size_t blocks_len;
    uint64_t salt;      /* chains of different salts have other values */
    size_t logs_max;    /* of one answer; more is an error */
    uint64_t range_max; /* blocks of one eth_getLogs */
    bool no_batch;
    uint32_t users_said;  /* how many users the contract says that it has; 0: as many as it has */
    model_batch *batches; /* number 1 is the first; none: the contract is in slots mode */
    size_t batches_len;
} chain_model;

/* ---- making it ---- */

/* What a user has in a block. */
static inline pbts_reputation_word model_word(const chain_model *model, size_t user,
                                              uint64_t block) {
    return (pbts_reputation_word){ .up_bytes = 1000 * user + block + 7 * model->salt,
                                   .down_bytes = user % 5 == 0 ? 0 : user + model->salt,
                                   .generation = (uint32_t)(user % 3) };
}

static inline void model_entry(trie_entry *entry, pbts_span key, pbts_span value) {
    pbts_keccak256(entry->path, key);
    entry->path_len = PBTS_ETH_HASH_LEN;
    assert_true(value.len <= TRIE_VALUE_MAX);
    memcpy(entry->value, value.data, value.len);
    entry->value_len = value.len;
}

/* Storage keeps the RLP of the word without leading zeros, and no zero words. */
static inline void model_slot(trie_entry *entries, size_t *len, const pbts_u256 *slot,
                              const pbts_u256 *word) {
    uint8_t bytes[40];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    if (pbts_u256_is_zero(word)) return;
    pbts_rlp_write_u256(&writer, word);
    model_entry(&entries[(*len)++], PBTS_SPAN_OF(slot->bytes), pbts_writer_span(&writer));
}

static inline void model_account(trie_entry *entry, const pbts_eth_address *address, uint64_t nonce,
                                 const pbts_eth_hash *storage, const pbts_eth_hash *code) {
    uint8_t bytes[TRIE_VALUE_MAX];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    size_t opened = pbts_rlp_open_list(&writer);
    pbts_rlp_write_u64(&writer, nonce);
    pbts_rlp_write_u64(&writer, 1000000);
    pbts_rlp_write_string(&writer, PBTS_SPAN_OF(storage->bytes));
    pbts_rlp_write_string(&writer, PBTS_SPAN_OF(code->bytes));
    pbts_rlp_close_list(&writer, opened);
    model_entry(entry, PBTS_SPAN_OF(address->bytes), pbts_writer_span(&writer));
}

/* The contract in root mode, after the batches up to this block. */
static inline void model_root_state(const chain_model *model, pbts_reputation_state *out,
                                    uint64_t number) {
    size_t done = 0;
    while (done < model->batches_len && model->batches[done].block <= number) done++;
    *out = (pbts_reputation_state){ .owner = model->owner, .sequence = done, .epoch = 400000 };
    if (done == 0) return;
    const model_batch *last = &model->batches[done - 1];
    out->mode = PBTS_REPUTATION_ROOT;
    out->user_count = last->user_count;
    out->head = last->head;
    memcpy(out->root, last->root, sizeof out->root);
}

/* State of block `number`, with the users that it and those before it registered. */
static inline void model_make_state(chain_model *model, model_block *block, uint64_t number) {
    pbts_u256 slots[PBTS_REPUTATION_FIXED_SLOTS];
    pbts_eth_hash code = pbts_eth_hash_of(pbts_span_text("code"));
    pbts_eth_address other = { { 0xee } };
    size_t len = 0, users = 0;
    block->contract = (pbts_reputation_state){
        .owner = model->owner, .sequence = number, .epoch = 400000, .mode = PBTS_REPUTATION_SLOTS
    };
    while (users < model->users_len && model->users[users].block <= number) {
        block->contract.registrations = pbts_reputation_registrations_next(
            &block->contract.registrations, &model->users[users++].account);
    }
    block->contract.user_count = model->users_said > 0 ? model->users_said : (uint32_t)users;
    if (model->batches_len > 0) {
        model_root_state(model, &block->contract, number);
        users = 0;
    }
    block->entries = calloc(users + PBTS_REPUTATION_FIXED_SLOTS, sizeof *block->entries);
    assert_non_null(block->entries);
    pbts_reputation_state_pack(slots, &block->contract);
    for (uint64_t i = 0; i < PBTS_REPUTATION_FIXED_SLOTS; i++) {
        pbts_u256 slot = pbts_u256_from_u64(i);
        model_slot(block->entries, &len, &slot, &slots[i]);
    }
    for (size_t i = 0; i < users; i++) {
        pbts_reputation_word word = model_word(model, i, number);
        pbts_u256 slot = pbts_reputation_word_slot(model->users[i].account.uid_hash);
        pbts_u256 packed = pbts_reputation_word_pack(&word);
        model_slot(block->entries, &len, &slot, &packed);
    }
    block->storage = trie_new(block->entries, len);
    model_account(&block->accounts[0], &model->contract, 1, &block->storage.hash, &code);
    model_account(&block->accounts[1], &model->owner, number, &PBTS_ETH_EMPTY_TRIE,
                  &PBTS_ETH_EMPTY_CODE);
    model_account(&block->accounts[2], &other, 0, &PBTS_ETH_EMPTY_TRIE, &PBTS_ETH_EMPTY_CODE);
    block->state = trie_new(block->accounts, 3);
}

static inline void model_make_block(chain_model *model, uint64_t number) {
    model_block *block = &model->blocks[number];
    model_make_state(model, block, number);
    block->header = (pbts_eth_header){ .form = PBTS_ETH_HEADER_PRAGUE,
                                       .state_root = block->state.hash,
                                       .number = number,
                                       .gas_limit = 30000000,
                                       .timestamp_s = MODEL_GENESIS_S + number * MODEL_BLOCK_S };
    if (number > 1) block->header.parent_hash = model->blocks[number - 1].hash;
    assert_int_equal(pbts_eth_header_hash(&block->hash, &block->header), PBTS_OK);
}

static inline chain_model *model_new_without_blocks(size_t blocks_len, size_t users_len,
                                                    uint64_t salt) {
    chain_model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    *model = (chain_model){ .contract = { { 0xc0, 1 } },
                            .owner = { { 0xaa, 2 } },
                            .users_len = users_len,
                            .blocks_len = blocks_len,
                            .salt = salt,
                            .logs_max = 5000,
                            .range_max = 100000 };
    model->users = calloc(users_len + 1, sizeof *model->users);
    model->blocks = calloc(blocks_len + 1, sizeof *model->blocks);
    assert_true(model->users != NULL && model->blocks != NULL);
    for (size_t i = 0; i < users_len; i++) {
        pbts_reputation_account *account = &model->users[i].account;
        uint64_t seed[2] = { i, salt };
        pbts_keccak256(account->uid_hash, PBTS_SPAN_OF(seed));
        memset(account->public_key.bytes, (int)(i % 251 + 1), sizeof account->public_key.bytes);
        account->user_no = (uint32_t)i;
        account->word = model_word(model, i, blocks_len);
        model->users[i].block = 1 + i * (blocks_len - 1) / (users_len + 1);
    }
    return model;
}

static inline chain_model *model_new(size_t blocks_len, size_t users_len, uint64_t salt) {
    chain_model *model = model_new_without_blocks(blocks_len, users_len, salt);
    for (uint64_t number = 1; number <= blocks_len; number++) model_make_block(model, number);
    return model;
}

static inline void model_free(chain_model *model) {
    for (size_t i = 1; i <= model->blocks_len; i++) {
        trie_free_node(model->blocks[i].storage.root);
        trie_free_node(model->blocks[i].state.root);
        free(model->blocks[i].entries);
    }
    for (size_t i = 0; i < model->batches_len; i++) free(model->batches[i].call);
    free(model->batches);
    free(model->blocks);
    free(model->users);
    free(model);
}

static inline pbts_trusted_block model_trusted(const chain_model *model, uint64_t number) {
    const model_block *block = &model->blocks[number];
    return (pbts_trusted_block){ .block_number = number,
                                 .block_hash = block->hash,
                                 .has_state_root = true,
                                 .state_root = block->header.state_root,
                                 .timestamp_s = block->header.timestamp_s };
}

/* ---- JSON ---- */

static inline json_t *model_data(pbts_span bytes) {
    char *text = malloc(2 * bytes.len + 3);
    assert_non_null(text);
    pbts_writer writer = pbts_writer_over((uint8_t *)text, 2 * bytes.len + 3);
    pbts_write_text(&writer, "0x");
    pbts_hex_encode(&writer, bytes);
    json_t *value = json_stringn_nocheck(text, writer.len);
    free(text);
    return value;
}

static inline json_t *model_number(uint64_t number) {
    return json_sprintf("0x%llx", (unsigned long long)number);
}

static inline void model_read(uint8_t *out, size_t len, const json_t *value) {
    const char *text = json_string_value(value);
    assert_non_null(text);
    assert_int_equal(pbts_hex_decode_exact(out, len, pbts_span_text(text + 2)), PBTS_OK);
}

static inline uint64_t model_read_number(const json_t *value) {
    return strtoull(json_string_value(value) + 2, NULL, 16);
}

static inline json_t *model_block_json(const model_block *block) {
    const pbts_eth_header *h = &block->header;
    json_t *out = json_object();
    const struct {
        const char *name;
        json_t *value;
    } fields[] = {
        { "hash", model_data(PBTS_SPAN_OF(block->hash.bytes)) },
        { "parentHash", model_data(PBTS_SPAN_OF(h->parent_hash.bytes)) },
        { "sha3Uncles", model_data(PBTS_SPAN_OF(h->ommers_hash.bytes)) },
        { "miner", model_data(PBTS_SPAN_OF(h->beneficiary.bytes)) },
        { "stateRoot", model_data(PBTS_SPAN_OF(h->state_root.bytes)) },
        { "transactionsRoot", model_data(PBTS_SPAN_OF(h->transactions_root.bytes)) },
        { "receiptsRoot", model_data(PBTS_SPAN_OF(h->receipts_root.bytes)) },
        { "logsBloom", model_data(PBTS_SPAN_OF(h->logs_bloom)) },
        { "difficulty", model_number(0) },
        { "number", model_number(h->number) },
        { "gasLimit", model_number(h->gas_limit) },
        { "gasUsed", model_number(h->gas_used) },
        { "timestamp", model_number(h->timestamp_s) },
        { "extraData", json_string("0x") },
        { "mixHash", model_data(PBTS_SPAN_OF(h->mix_hash.bytes)) },
        { "nonce", model_data(PBTS_SPAN_OF(h->nonce)) },
        { "baseFeePerGas", model_number(0) },
        { "withdrawalsRoot", model_data(PBTS_SPAN_OF(h->withdrawals_root.bytes)) },
        { "blobGasUsed", model_number(0) },
        { "excessBlobGas", model_number(0) },
        { "parentBeaconBlockRoot", model_data(PBTS_SPAN_OF(h->parent_beacon_root.bytes)) },
        { "requestsHash", model_data(PBTS_SPAN_OF(h->requests_hash.bytes)) },
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        assert_int_equal(json_object_set_new(out, fields[i].name, fields[i].value), 0);
    }
    return out;
}

static inline json_t *model_nodes(const trie *tree, pbts_span key) {
    uint8_t path[32];
    pbts_span nodes[PBTS_ETH_PROOF_NODES_MAX];
    pbts_keccak256(path, key);
    size_t len = trie_prove(tree, PBTS_SPAN_OF(path), nodes);
    json_t *out = json_array();
    for (size_t i = 0; i < len; i++) json_array_append_new(out, model_data(nodes[i]));
    return out;
}

static inline json_t *model_proof_json(const chain_model *model, const model_block *block,
                                       const json_t *params) {
    pbts_eth_address address;
    const json_t *keys = json_array_get(params, 1);
    json_t *storage = json_array();
    model_read(address.bytes, 20, json_array_get(params, 0));
    bool is_contract = pbts_eth_address_equal(&address, &model->contract);
    const trie empty = { .hash = PBTS_ETH_EMPTY_TRIE };
    for (size_t i = 0; i < json_array_size(keys); i++) {
        pbts_u256 key;
        model_read(key.bytes, 32, json_array_get(keys, i));
        json_t *proof =
            model_nodes(is_contract ? &block->storage : &empty, PBTS_SPAN_OF(key.bytes));
        json_array_append_new(storage, json_pack("{s:o, s:s, s:o}", "key",
                                                 model_data(PBTS_SPAN_OF(key.bytes)), "value",
                                                 "0x7", "proof", proof));
    }
    return json_pack("{s:o, s:o}", "accountProof",
                     model_nodes(&block->state, PBTS_SPAN_OF(address.bytes)), "storageProof",
                     storage);
}

static inline json_t *model_log_json(const chain_model *model, size_t user) {
    const pbts_reputation_account *account = &model->users[user].account;
    pbts_eth_hash topic = pbts_reputation_event_topic(PBTS_REPUTATION_REGISTERED);
    pbts_eth_hash none = { { 0 } };
    uint8_t data[192] = { 0 };
    for (size_t i = 0; i < 4; i++) data[28 + i] = (uint8_t)(account->user_no >> (24 - 8 * i));
    data[63] = 64;
    data[95] = 96;
    memcpy(data + 96, account->public_key.bytes, 96);
    return json_pack("{s:o, s:[o,o], s:o, s:o, s:o, s:o, s:b}", "address",
                     model_data(PBTS_SPAN_OF(model->contract.bytes)), "topics",
                     model_data(PBTS_SPAN_OF(topic.bytes)),
                     model_data(PBTS_SPAN_OF(account->uid_hash)), "data",
                     model_data(PBTS_SPAN_OF(data)), "blockNumber",
                     model_number(model->users[user].block), "logIndex", model_number(user),
                     "transactionHash", model_data(PBTS_SPAN_OF(none.bytes)), "removed", 0);
}

/* Written(sequence, epoch, count, head) of a batch. */
static inline json_t *model_written_json(const chain_model *model, size_t batch) {
    const model_batch *b = &model->batches[batch];
    pbts_eth_hash topic = pbts_reputation_event_topic(PBTS_REPUTATION_WRITTEN);
    uint8_t data[128] = { 0 };
    pbts_u256 sequence = pbts_u256_from_u64(batch + 1), count = pbts_u256_from_u64(b->user_count);
    memcpy(data, sequence.bytes, 32);
    memcpy(data + 64, count.bytes, 32);
    memcpy(data + 96, b->head.bytes, 32);
    return json_pack("{s:o, s:[o], s:o, s:o, s:o, s:o, s:b}", "address",
                     model_data(PBTS_SPAN_OF(model->contract.bytes)), "topics",
                     model_data(PBTS_SPAN_OF(topic.bytes)), "data", model_data(PBTS_SPAN_OF(data)),
                     "blockNumber", model_number(b->block), "logIndex", model_number(batch),
                     "transactionHash", model_data(PBTS_SPAN_OF(b->transaction.bytes)), "removed",
                     0);
}

static inline json_t *model_transaction_json(const chain_model *model, const json_t *wanted) {
    pbts_eth_hash hash;
    model_read(hash.bytes, 32, wanted);
    for (size_t i = 0; i < model->batches_len; i++) {
        const model_batch *b = &model->batches[i];
        if (!pbts_eth_hash_equal(&b->transaction, &hash)) continue;
        return json_pack("{s:o, s:o, s:o}", "hash", model_data(PBTS_SPAN_OF(hash.bytes)), "to",
                         model_data(PBTS_SPAN_OF(model->contract.bytes)), "input",
                         model_data((pbts_span){ b->call, b->call_len }));
    }
    return json_null();
}

/* ---- the node ---- */

static inline json_t *model_error(int code, const char *text) {
    return json_pack("{s:{s:i, s:s}}", "error", "code", code, "message", text);
}

static inline json_t *model_result(json_t *result) {
    return json_pack("{s:o}", "result", result);
}

static inline const model_block *model_find(const chain_model *model, const json_t *id,
                                            uint64_t head) {
    pbts_eth_hash hash;
    const json_t *text = json_is_object(id) ? json_object_get(id, "blockHash") : id;
    if (strlen(json_string_value(text)) == 66) {
        model_read(hash.bytes, 32, text);
        for (size_t i = 1; i <= head; i++) {
            if (pbts_eth_hash_equal(&model->blocks[i].hash, &hash)) return &model->blocks[i];
        }
        return NULL;
    }
    uint64_t number = model_read_number(text);
    return number >= 1 && number <= head ? &model->blocks[number] : NULL;
}

static inline json_t *model_logs(const chain_model *model, const json_t *filter, uint64_t head) {
    uint64_t first = model_read_number(json_object_get(filter, "fromBlock"));
    uint64_t last = model_read_number(json_object_get(filter, "toBlock"));
    json_t *out = json_array();
    if (last - first >= model->range_max) {
        json_decref(out);
        return model_error(-32000, "exceed maximum block range: 9");
    }
    bool is_root = model->batches_len > 0;
    for (size_t i = 0; i < (is_root ? model->batches_len : model->users_len); i++) {
        uint64_t block = is_root ? model->batches[i].block : model->users[i].block;
        if (block < first || block > last || block > head) continue;
        if (json_array_size(out) >= model->logs_max) {
            json_decref(out);
            return model_error(-32005, "query returned more than 10000 results");
        }
        json_array_append_new(out,
                              is_root ? model_written_json(model, i) : model_log_json(model, i));
    }
    return model_result(out);
}

/* The answer to one request of a node whose newest block is `head`, without its id. */
static inline json_t *model_answer_one(const chain_model *model, const json_t *request,
                                       uint64_t head) {
    const char *method = json_string_value(json_object_get(request, "method"));
    const json_t *params = json_object_get(request, "params");
    if (strcmp(method, "eth_chainId") == 0) return model_result(model_number(MODEL_CHAIN_ID));
    if (strcmp(method, "eth_blockNumber") == 0) return model_result(model_number(head));
    if (strcmp(method, "eth_getLogs") == 0) {
        return model_logs(model, json_array_get(params, 0), head);
    }
    if (strcmp(method, "eth_getTransactionByHash") == 0) {
        return model_result(model_transaction_json(model, json_array_get(params, 0)));
    }
    bool is_proof = strcmp(method, "eth_getProof") == 0;
    const model_block *block = model_find(model, json_array_get(params, is_proof ? 2 : 0), head);
    if (block == NULL) {
        return is_proof ? model_error(-32000, "header not found") : model_result(json_null());
    }
    return model_result(is_proof ? model_proof_json(model, block, params)
                                 : model_block_json(block));
}

/* The answer to a POST. */
static inline json_t *model_answer(const chain_model *model, const json_t *request, uint64_t head) {
    if (!json_is_array(request)) {
        json_t *out = model_answer_one(model, request, head);
        json_object_set(out, "id", json_object_get(request, "id"));
        return out;
    }
    if (model->no_batch) return model_error(-32600, "batches are not taken");
    json_t *out = json_array();
    for (size_t i = json_array_size(request); i-- > 0;) { /* in another order, as servers may */
        json_array_append_new(out, model_answer(model, json_array_get(request, i), head));
    }
    return out;
}

#endif
