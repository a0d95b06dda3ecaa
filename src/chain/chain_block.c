/* What is proved: the trusted block, words of its state, all users of a contract. */
#include <stdlib.h>
#include <string.h>

#include "chain/chain.h"
#include "chain/chain_parts.h"
#include "codec/text.h"
#include "eth/factory_code.h"

#define TIP_WEI UINT64_C(1000000000) /* where nobody suggests any */

/* ---- the block ---- */

static bool quorum_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    return pbts_quorum_next(core, out, now);
}
static void quorum_answer(void *core, uint64_t id, const pbts_rpc_reply *reply, pbts_moment now) {
    pbts_quorum_answer(core, id, reply, now);
}
static uint64_t quorum_deadline_ms(const void *core) {
    return pbts_quorum_deadline_ms(core);
}
static bool quorum_is_over(void *core) {
    pbts_trusted_block block;
    return pbts_quorum_state(core, &block) != PBTS_FETCH_PENDING;
}

static pbts_status vote(pbts_chain *chain, pbts_trusted_block *out, uint32_t depth_blocks) {
    pbts_quorum_config config = { .chain_id = chain->config.chain_id,
                                  .needed = chain->config.quorum,
                                  .depth = depth_blocks,
                                  .age_max_s = chain->config.age_max_s };
    pbts_quorum quorum;
    PBTS_TRY(pbts_quorum_init(&quorum, &chain->endpoints, &config));
    pbts_quorum_start(&quorum, pbts_chain_now());
    pbts_chain_core core = { &quorum, quorum_next, quorum_answer, quorum_deadline_ms,
                             quorum_is_over };
    pbts_status status = pbts_chain_run(chain, &core, pbts_chain_give_up_ms(chain));
    if (status == PBTS_OK) (void)pbts_quorum_state(&quorum, out);
    if (status != PBTS_IO) return status;
    if (quorum.was_stale) {
        pbts_chain_set_problem(chain, NULL,
                               "by this machine's clock the newest block that the quorum agrees on "
                               "is too old");
        return PBTS_STALE;
    }
    if (chain->problem[0] == '\0')
        pbts_chain_set_problem(chain, NULL,
                               "the endpoints do not agree on a block, or are of another chain");
    return PBTS_IO;
}

pbts_status pbts_chain_block(pbts_chain *chain, pbts_trusted_block *out, uint32_t depth_blocks) {
    chain->problem[0] = '\0';
    if (chain->beacon != NULL) return pbts_chain_beacon_block(chain, out, depth_blocks > 0);
    return vote(chain, out, depth_blocks);
}

/* ---- words ---- */

static bool read_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    return pbts_chain_read_next(core, out, now);
}
static void read_answer(void *core, uint64_t id, const pbts_rpc_reply *reply, pbts_moment now) {
    pbts_chain_read_answer(core, id, reply, now);
}
static uint64_t read_deadline_ms(const void *core) {
    return pbts_chain_read_deadline_ms(core);
}
static bool read_is_over(void *core) {
    pbts_status why;
    return pbts_chain_read_state(core, &why) != PBTS_FETCH_PENDING;
}

static pbts_status base_fee(pbts_u256 *out, const pbts_chain_read *read) {
    pbts_eth_header header;
    PBTS_TRY(pbts_eth_header_decode(&header, pbts_chain_read_header(read)));
    *out = header.base_fee_wei;
    return PBTS_OK;
}

pbts_status pbts_chain_read_words(pbts_chain *chain, pbts_eth_account *account, pbts_u256 *values,
                                  pbts_u256 *base_fee_wei, const pbts_trusted_block *block,
                                  const pbts_eth_address *address, const pbts_u256 *keys,
                                  size_t keys_len) {
    pbts_status why = PBTS_OK;
    size_t len;
    uint64_t give_up_ms = pbts_chain_give_up_ms(chain);
    chain->problem[0] = '\0';
    PBTS_TRY(pbts_chain_read_start(chain->read, block, address, keys, keys_len, give_up_ms,
                                   pbts_chain_now()));
    pbts_chain_core core = { chain->read, read_next, read_answer, read_deadline_ms, read_is_over };
    pbts_status status = pbts_chain_run(chain, &core, give_up_ms);
    if (status == PBTS_OK && pbts_chain_read_state(chain->read, &why) == PBTS_FETCH_FAILED)
        status = why;
    if (status == PBTS_IO && chain->problem[0] == '\0')
        pbts_chain_set_problem(chain, NULL, "no endpoint gave a proof that holds");
    PBTS_TRY(status);
    *account = *pbts_chain_read_account(chain->read);
    const pbts_u256 *read = pbts_chain_read_values(chain->read, &len);
    if (values != NULL && len > 0) memcpy(values, read, len * sizeof *values);
    return base_fee_wei == NULL ? PBTS_OK : base_fee(base_fee_wei, chain->read);
}

pbts_span pbts_chain_last_header(const pbts_chain *chain) {
    return pbts_chain_read_header(chain->read);
}

const pbts_rpc_proof *pbts_chain_last_proof(const pbts_chain *chain) {
    return pbts_chain_read_proof(chain->read);
}

static pbts_status check_code(pbts_chain *chain, const pbts_eth_account *account) {
    static const pbts_eth_hash NONE = { { 0 } };
    static const char WHAT[] =
        "the contract has other code than this program was made with; who knows "
        "that it is good sets chain_code_hash to its hash, 0x";
    char text[sizeof WHAT + 2 * PBTS_ETH_HASH_LEN];
    const uint8_t *wanted = chain->config.code_hash.bytes;
    if (!account->present || pbts_eth_hash_equal(&account->code_hash, &PBTS_ETH_EMPTY_CODE)) {
        pbts_chain_set_problem(chain, NULL, "there is no contract at this address");
        return PBTS_NOT_FOUND;
    }
    if (pbts_eth_hash_equal(&chain->config.code_hash, &NONE))
        wanted = pbts_eth_reputation_code_hash();
    if (memcmp(account->code_hash.bytes, wanted, PBTS_ETH_HASH_LEN) == 0) return PBTS_OK;
    pbts_writer writer = pbts_writer_over((uint8_t *)text, sizeof text - 1);
    pbts_write_text(&writer, WHAT);
    pbts_hex_encode(&writer, PBTS_SPAN_OF(account->code_hash.bytes));
    text[writer.len] = '\0';
    pbts_chain_set_problem(chain, NULL, text);
    return PBTS_DENIED;
}

static pbts_status read_contract(pbts_chain *chain, pbts_reputation_state *out,
                                 pbts_u256 *base_fee_wei, const pbts_trusted_block *block,
                                 const pbts_eth_address *contract) {
    pbts_u256 keys[PBTS_REPUTATION_FIXED_SLOTS], values[PBTS_REPUTATION_FIXED_SLOTS];
    pbts_eth_account account;
    for (uint64_t i = 0; i < PBTS_REPUTATION_FIXED_SLOTS; i++) keys[i] = pbts_u256_from_u64(i);
    PBTS_TRY(pbts_chain_read_words(chain, &account, values, base_fee_wei, block, contract, keys,
                                   PBTS_REPUTATION_FIXED_SLOTS));
    PBTS_TRY(check_code(chain, &account));
    pbts_status status = pbts_reputation_state_unpack(out, values);
    if (status != PBTS_OK) pbts_chain_set_problem(chain, NULL, "this is no Reputation contract");
    return status;
}

pbts_status pbts_chain_read_contract(pbts_chain *chain, pbts_reputation_state *out,
                                     const pbts_trusted_block *block,
                                     const pbts_eth_address *contract) {
    return read_contract(chain, out, NULL, block, contract);
}

pbts_status pbts_chain_view(pbts_chain *chain, pbts_eth_view *out, pbts_eth_network_fees *fees,
                            uint32_t depth_blocks, const pbts_eth_address *contract,
                            const pbts_eth_address *writer) {
    pbts_trusted_block block;
    pbts_eth_account account;
    pbts_u256 base_fee_wei;
    uint64_t tip_wei = TIP_WEI;
    PBTS_TRY(pbts_chain_block(chain, &block, depth_blocks));
    PBTS_TRY(read_contract(chain, &out->state, &base_fee_wei, &block, contract));
    PBTS_TRY(pbts_chain_read_words(chain, &account, NULL, NULL, &block, writer, NULL, 0));
    out->block_number = block.block_number;
    out->block_unix_s = block.timestamp_s;
    out->block_hash = block.block_hash;
    out->nonce = account.nonce;
    out->balance_wei = account.balance_wei;
    if (fees == NULL) return PBTS_OK;
    pbts_status status = pbts_chain_tip(chain, &tip_wei);
    if (status == PBTS_BUSY || status == PBTS_NO_MEMORY) return status;
    if (pbts_u256_to_u64(&fees->base_fee_wei, &base_fee_wei) != PBTS_OK)
        fees->base_fee_wei = UINT64_MAX;
    fees->tip_wei = tip_wei;
    return PBTS_OK;
}

/* ---- all users ---- */

typedef struct {
    pbts_user_load *load;
    void (*progress)(void *host, size_t registered, size_t proved);
    void *host;
} loading;

static bool load_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    return pbts_user_load_next(((loading *)core)->load, out, now);
}
static void load_answer(void *core, uint64_t id, const pbts_rpc_reply *reply, pbts_moment now) {
    const loading *l = core;
    size_t registered, proved;
    pbts_user_load_answer(l->load, id, reply, now);
    if (l->progress == NULL) return;
    pbts_user_load_progress(l->load, &registered, &proved);
    l->progress(l->host, registered, proved);
}
static uint64_t load_deadline_ms(const void *core) {
    return pbts_user_load_deadline_ms(((const loading *)core)->load);
}
static bool load_is_over(void *core) {
    pbts_status why;
    return pbts_user_load_state(((const loading *)core)->load, &why) != PBTS_FETCH_PENDING;
}

static const char *load_problem(pbts_status why) {
    switch (why) {
    case PBTS_NOT_FOUND: return "there is no contract at this address";
    case PBTS_MALFORMED: return PBTS_CHAIN_FIRST_BLOCK_PROBLEM;
    case PBTS_DENIED: return "the contract is in root mode";
    case PBTS_LIMIT: return "more users than can be loaded";
    default:
        return "no endpoint gave events and proofs that hold; if the contract is older than its "
               "first block here (chain_first_block), set that right";
    }
}

static pbts_status take_users(pbts_chain *chain, const pbts_user_load *load,
                              pbts_reputation_account **users, size_t *users_len,
                              pbts_reputation_state *state) {
    pbts_status why = PBTS_OK;
    if (pbts_user_load_contract(load) != NULL) *state = *pbts_user_load_contract(load);
    if (pbts_user_load_state(load, &why) == PBTS_FETCH_FAILED) {
        pbts_chain_set_problem(chain, NULL, load_problem(why));
        return why;
    }
    const pbts_reputation_account *from = pbts_user_load_users(load, users_len);
    pbts_reputation_account *copy = calloc(*users_len + 1, sizeof *copy);
    if (copy == NULL) return PBTS_NO_MEMORY;
    if (*users_len > 0) memcpy(copy, from, *users_len * sizeof *copy);
    *users = copy;
    return PBTS_OK;
}

pbts_status pbts_chain_load_users(pbts_chain *chain, pbts_reputation_account **users,
                                  size_t *users_len, pbts_reputation_state *contract_state,
                                  const pbts_trusted_block *block, const pbts_eth_address *contract,
                                  uint64_t first_block,
                                  void (*progress)(void *host, size_t registered, size_t proved),
                                  void *host) {
    loading l = { .progress = progress, .host = host };
    pbts_user_load_config config = { .block = *block,
                                     .contract = *contract,
                                     .first_block = first_block,
                                     .lanes = PBTS_USER_LOAD_LANES_MAX,
                                     .age_max_s = chain->config.age_max_s,
                                     .give_up_ms = UINT64_MAX,
                                     .quiet_max_ms = PBTS_CHAIN_QUIET_MAX_MS };
    PBTS_TRY(pbts_user_load_new(&l.load, pbts_mem_system(), &chain->endpoints, &config,
                                pbts_chain_now()));
    pbts_chain_core core = { &l, load_next, load_answer, load_deadline_ms, load_is_over };
    pbts_status status = pbts_chain_run(chain, &core, UINT64_MAX);
    if (status == PBTS_OK) status = take_users(chain, l.load, users, users_len, contract_state);
    pbts_user_load_free(l.load);
    return status;
}
