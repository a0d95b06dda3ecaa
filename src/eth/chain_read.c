#include "eth/chain_read.h"

#include "base/assert.h"

enum {
    REQUEST_MAX =
        2 * PBTS_RPC_REQUEST_OVERHEAD + PBTS_RPC_PROOF_KEYS_MAX * PBTS_RPC_REQUEST_PER_KEY,
    ANSWER_ACCOUNT_MAX = 1 << 18, /* a header with its transaction hashes, and an account's proof */
    ANSWER_PER_KEY = 1 << 15,     /* 15 full nodes as text, twice over */
};

struct pbts_chain_read {
    pbts_mem *mem;
    pbts_endpoints *endpoints;
    pbts_chain_read_config config;
    pbts_trusted_block block;
    pbts_eth_address address;
    size_t keys_len;
    uint64_t give_up_ms;
    pbts_fetch_state state;
    pbts_status why;

    uint64_t next_id;
    bool under_way;
    uint32_t endpoint;
    uint64_t header_id, proof_id; /* of the requests under way; 0: not asked */
    uint64_t id;                  /* of the POST */
    uint32_t misses;              /* answers without this block's state */
    uint32_t tried;               /* bits of endpoints that failed since all had their turn */
    bool again;                   /* ask the same endpoint once more: it takes no batches, or gave
                                     the header and now owes the proof */

    bool has_header;
    uint8_t header[PBTS_ETH_HEADER_LEN_MAX];
    size_t header_len;
    pbts_eth_account account;
    pbts_rpc_proof proof;
    pbts_u256 keys[PBTS_RPC_PROOF_KEYS_MAX];
    pbts_u256 values[PBTS_RPC_PROOF_KEYS_MAX];
    uint8_t request[REQUEST_MAX];
};

pbts_status pbts_chain_read_new(pbts_chain_read **out, pbts_mem *mem, pbts_endpoints *endpoints,
                                const pbts_chain_read_config *config) {
    pbts_chain_read *read = pbts_alloc(mem, sizeof *read);
    if (read == NULL) return PBTS_NO_MEMORY;
    read->mem = mem;
    read->endpoints = endpoints;
    read->config = *config;
    read->next_id = config->id_first + 1;
    read->state = PBTS_FETCH_FAILED;
    read->why = PBTS_IO;
    *out = read;
    return PBTS_OK;
}

void pbts_chain_read_free(pbts_chain_read *read) {
    if (read == NULL) return;
    pbts_rpc_proof_free(&read->proof);
    pbts_release(read->mem, read);
}

pbts_status pbts_chain_read_start(pbts_chain_read *read, const pbts_trusted_block *block,
                                  const pbts_eth_address *address, const pbts_u256 *keys,
                                  size_t keys_len, uint64_t give_up_ms, pbts_moment now) {
    if (keys_len > PBTS_RPC_PROOF_KEYS_MAX) return PBTS_LIMIT;
    if (pbts_trusted_is_stale(block, read->config.age_max_s, now.unix_s)) return PBTS_STALE;
    pbts_rpc_proof_free(&read->proof);
    bool is_same_block =
        read->has_header && pbts_eth_hash_equal(&read->block.block_hash, &block->block_hash);
    pbts_eth_hash state_root = read->block.state_root;
    read->block = *block;
    read->has_header = is_same_block;
    if (is_same_block) read->block.state_root = state_root;
    read->address = *address;
    read->keys_len = keys_len;
    if (keys_len > 0) memcpy(read->keys, keys, keys_len * sizeof *keys);
    read->give_up_ms = give_up_ms;
    read->under_way = false;
    read->again = false;
    read->tried = read->misses = 0;
    read->state = PBTS_FETCH_PENDING;
    return PBTS_OK;
}

static void fail(pbts_chain_read *read, pbts_status why) {
    read->state = PBTS_FETCH_FAILED;
    read->why = why;
    read->under_way = false;
}

/* ---- asking ---- */

static bool needs_header(const pbts_chain_read *read) {
    return !read->has_header && (!read->block.has_state_root || read->config.keep_header);
}

/* Header and proof in one batch, or the one that is next. */
static void write_request(pbts_chain_read *read, pbts_writer *writer) {
    pbts_rpc_block_id block = pbts_rpc_at_hash(&read->block.block_hash);
    bool is_header = needs_header(read);
    bool is_proof = !is_header || !read->endpoints->each[read->endpoint].no_batch;
    read->header_id = is_header ? read->next_id++ : 0;
    read->proof_id = is_proof ? read->next_id++ : 0;
    if (is_header && is_proof) pbts_rpc_open_batch(writer);
    if (is_header) pbts_rpc_get_block(writer, read->header_id, &block);
    if (is_proof) {
        pbts_rpc_get_proof(writer, read->proof_id, &read->address, read->keys, read->keys_len,
                           &block);
    }
    if (is_header && is_proof) pbts_rpc_close_batch(writer);
    read->id = is_header ? read->header_id : read->proof_id;
}

static bool choose(pbts_chain_read *read, uint64_t now_ms) {
    if (read->again) return true;
    if ((read->tried | ~pbts_endpoints_all(read->endpoints)) == UINT32_MAX) read->tried = 0;
    return pbts_endpoints_choose(read->endpoints, &read->endpoint, read->tried, now_ms) ||
           pbts_endpoints_choose(read->endpoints, &read->endpoint, 0, now_ms);
}

bool pbts_chain_read_next(pbts_chain_read *read, pbts_rpc_want *out, pbts_moment now) {
    if (read->state != PBTS_FETCH_PENDING) return false;
    if (now.mono_ms >= read->give_up_ms) {
        fail(read, PBTS_IO);
        return false;
    }
    if (read->under_way || !choose(read, now.mono_ms)) return false;
    pbts_writer writer = pbts_writer_over(read->request, sizeof read->request);
    write_request(read, &writer);
    assert(pbts_writer_status(&writer) == PBTS_OK);
    read->under_way = true;
    read->again = false;
    uint64_t left_ms = read->give_up_ms - now.mono_ms;
    *out = (pbts_rpc_want){
        .id = read->id,
        .endpoint = read->endpoint,
        .body = pbts_writer_span(&writer),
        .answer_len_max = ANSWER_ACCOUNT_MAX + read->keys_len * ANSWER_PER_KEY,
        .timeout_ms = left_ms < PBTS_RPC_TIMEOUT_MS ? (uint32_t)left_ms : PBTS_RPC_TIMEOUT_MS,
    };
    return true;
}

uint64_t pbts_chain_read_deadline_ms(const pbts_chain_read *read) {
    if (read->state != PBTS_FETCH_PENDING) return UINT64_MAX;
    uint64_t awake_ms = pbts_endpoints_awake_ms(read->endpoints, 0);
    return read->under_way || awake_ms > read->give_up_ms ? read->give_up_ms : awake_ms;
}

/* ---- checking ---- */

static pbts_status take_header(pbts_chain_read *read, pbts_rpc_result result) {
    pbts_rpc_block block;
    PBTS_TRY(pbts_rpc_read_block(&block, result));
    if (!pbts_eth_hash_equal(&block.hash, &read->block.block_hash)) return PBTS_BAD_SIGNATURE;
    /* The hash says it all: a root that was trusted beside it cannot differ, unless by a mistake of
     * whoever trusted both. Then nothing verifies, which is right. */
    if (!read->block.has_state_root) read->block.state_root = block.state_root;
    if (!pbts_eth_hash_equal(&block.state_root, &read->block.state_root)) return PBTS_CORRUPT;
    memcpy(read->header, block.rlp, block.rlp_len);
    read->header_len = block.rlp_len;
    read->has_header = true;
    return PBTS_OK;
}

static pbts_status verify(pbts_chain_read *read, const pbts_rpc_proof *proof) {
    PBTS_TRY(pbts_eth_proof_account(&read->account, &read->block.state_root, &read->address,
                                    proof->nodes, proof->account_len));
    pbts_eth_hash storage_root =
        read->account.present ? read->account.storage_root : PBTS_ETH_EMPTY_TRIE;
    for (size_t i = 0; i < read->keys_len; i++) {
        size_t nodes_len;
        const pbts_span *nodes = pbts_rpc_proof_storage(&nodes_len, proof, i);
        PBTS_TRY(pbts_eth_proof_storage(&read->values[i], &storage_root, &read->keys[i], nodes,
                                        nodes_len));
    }
    return PBTS_OK;
}

/* What is well-formed but does not verify is a lie, or the state of another block. */
static pbts_status take_proof(pbts_chain_read *read, pbts_rpc_result result) {
    pbts_rpc_proof proof;
    PBTS_TRY(pbts_rpc_read_proof(&proof, read->mem, result, read->keys_len));
    if (verify(read, &proof) != PBTS_OK) {
        pbts_rpc_proof_free(&proof);
        return PBTS_BAD_SIGNATURE;
    }
    read->proof = proof;
    return PBTS_OK;
}

/* One of the results of a reply, header or proof. */
static pbts_status take_result(pbts_chain_read *read, pbts_rpc_error *error,
                               const pbts_rpc_answer *answer, uint64_t id) {
    pbts_rpc_result result;
    PBTS_TRY(pbts_rpc_answer_result(&result, error, answer, id));
    return id == read->header_id ? take_header(read, result) : take_proof(read, result);
}

static pbts_status take_answer(pbts_chain_read *read, pbts_rpc_error *error,
                               const pbts_rpc_answer *answer) {
    if (read->header_id != 0) PBTS_TRY(take_result(read, error, answer, read->header_id));
    if (read->proof_id != 0) PBTS_TRY(take_result(read, error, answer, read->proof_id));
    return PBTS_OK;
}

static bool was_batch(const pbts_chain_read *read) {
    return read->header_id != 0 && read->proof_id != 0;
}

/* An error instead of a list of answers, or an HTTP error: batches are refused here. */
static bool is_batch_refused(const pbts_chain_read *read, const pbts_rpc_reply *reply) {
    enum { HTTP_CLIENT_ERROR_FIRST = 400, HTTP_CLIENT_ERROR_LAST = 499 };
    size_t at = 0;
    if (!was_batch(read) || reply->http_status == PBTS_RPC_HTTP_BUSY) return false;
    if (reply->http_status >= HTTP_CLIENT_ERROR_FIRST &&
        reply->http_status <= HTTP_CLIENT_ERROR_LAST) {
        return true;
    }
    while (at < reply->body.len && strchr(" \t\r\n", reply->body.data[at]) != NULL) at++;
    return reply->http_status > 0 && at < reply->body.len && reply->body.data[at] == '{';
}

/* ---- answers ---- */

static void charge(pbts_chain_read *read, pbts_endpoint_outcome outcome, uint64_t now_ms) {
    read->tried |= 1u << read->endpoint;
    pbts_endpoints_report(read->endpoints, read->endpoint, outcome, now_ms);
    uint32_t misses_max = read->config.misses_max * read->endpoints->count;
    if (outcome == PBTS_ENDPOINT_LATE || outcome == PBTS_ENDPOINT_WRONG) read->misses++;
    if (misses_max > 0 && read->misses >= misses_max) fail(read, PBTS_IO);
}

static void succeed(pbts_chain_read *read, pbts_moment now) {
    pbts_endpoints_report(read->endpoints, read->endpoint, PBTS_ENDPOINT_GOOD, now.mono_ms);
    if (read->proof_id == 0) {
        read->again = true;
        return;
    }
    if (pbts_trusted_is_stale(&read->block, read->config.age_max_s, now.unix_s)) {
        fail(read, PBTS_STALE);
        return;
    }
    read->state = PBTS_FETCH_DONE;
}

void pbts_chain_read_answer(pbts_chain_read *read, uint64_t id, const pbts_rpc_reply *reply,
                            pbts_moment now) {
    pbts_rpc_answer answer;
    pbts_endpoint_outcome outcome;
    pbts_rpc_error error = { 0 };
    if (read->state != PBTS_FETCH_PENDING || !read->under_way || id != read->id) return;
    read->under_way = false;
    if (is_batch_refused(read, reply)) {
        read->endpoints->each[read->endpoint].no_batch = true;
        read->again = true;
        return;
    }
    pbts_status status = pbts_rpc_reply_open(&answer, &outcome, reply);
    if (status == PBTS_OK) {
        status = take_answer(read, &error, &answer);
        outcome = pbts_rpc_outcome(status, &error);
        pbts_rpc_answer_close(&answer);
    }
    if (status == PBTS_NO_MEMORY) {
        fail(read, status);
    } else if (status == PBTS_OK) {
        succeed(read, now);
    } else {
        charge(read, outcome, now.mono_ms);
    }
}

/* ---- results ---- */

pbts_fetch_state pbts_chain_read_state(const pbts_chain_read *read, pbts_status *why) {
    if (read->state == PBTS_FETCH_FAILED) *why = read->why;
    return read->state;
}

const pbts_eth_account *pbts_chain_read_account(const pbts_chain_read *read) {
    assert(read->state == PBTS_FETCH_DONE);
    return &read->account;
}

const pbts_u256 *pbts_chain_read_values(const pbts_chain_read *read, size_t *values_len) {
    assert(read->state == PBTS_FETCH_DONE);
    *values_len = read->keys_len;
    return read->values;
}

pbts_span pbts_chain_read_header(const pbts_chain_read *read) {
    assert(read->state == PBTS_FETCH_DONE);
    return (pbts_span){ read->header, read->has_header ? read->header_len : 0 };
}

const pbts_rpc_proof *pbts_chain_read_proof(const pbts_chain_read *read) {
    assert(read->state == PBTS_FETCH_DONE);
    return &read->proof;
}

uint32_t pbts_chain_read_endpoint(const pbts_chain_read *read) {
    assert(read->state == PBTS_FETCH_DONE);
    return read->endpoint;
}
