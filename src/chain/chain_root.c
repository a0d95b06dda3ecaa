#include "chain/chain_root.h"

#include "chain/chain_parts.h"
#include "eth/root_load.h"

/* Beside other work, which it holds up. */
enum { OWN_QUIET_MAX_MS = 60 * 1000 };

typedef struct {
    pbts_root_load *load;
    void (*progress)(void *host, uint64_t replayed, uint64_t batches);
    void *host;
} loading;

static bool load_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    return pbts_root_load_next(((loading *)core)->load, out, now);
}
static void load_answer(void *core, uint64_t id, const pbts_rpc_reply *reply, pbts_moment now) {
    const loading *l = core;
    uint64_t replayed, batches;
    pbts_root_load_answer(l->load, id, reply, now);
    if (l->progress == NULL) return;
    pbts_root_load_progress(l->load, &replayed, &batches);
    l->progress(l->host, replayed, batches);
}
static uint64_t load_deadline_ms(const void *core) {
    return pbts_root_load_deadline_ms(((const loading *)core)->load);
}
static bool load_is_over(void *core) {
    pbts_status why;
    return pbts_root_load_state(((const loading *)core)->load, &why) != PBTS_FETCH_PENDING;
}

static const char *problem_of(pbts_status why) {
    switch (why) {
    case PBTS_NOT_FOUND: return "there is no contract at this address";
    case PBTS_MALFORMED: return PBTS_CHAIN_FIRST_BLOCK_PROBLEM;
    case PBTS_DENIED: return "the contract is in slots mode";
    case PBTS_LIMIT: return "more users than can be loaded";
    case PBTS_CORRUPT:
        return "the contract's root is not what its data lead to; its tracker, if it still runs, "
               "writes it again";
    default:
        return "no endpoint gave batches and proofs that hold; if the contract is older than its "
               "first block here (chain_first_block), set that right";
    }
}

static pbts_status take(pbts_chain *chain, pbts_root_load *load, pbts_reputation_tree **tree,
                        pbts_reputation_state *state) {
    pbts_status why = PBTS_OK;
    if (pbts_root_load_contract(load) != NULL) *state = *pbts_root_load_contract(load);
    if (pbts_root_load_state(load, &why) == PBTS_FETCH_FAILED) {
        pbts_chain_set_problem(chain, NULL, problem_of(why));
        return why;
    }
    *tree = pbts_root_load_take_tree(load);
    return PBTS_OK;
}

static pbts_status run(pbts_chain *chain, loading *l, pbts_reputation_tree **tree,
                       pbts_reputation_state *state, const pbts_root_load_config *config) {
    PBTS_TRY(pbts_root_load_new(&l->load, pbts_mem_system(), &chain->endpoints, config,
                                pbts_chain_now()));
    pbts_chain_core core = { l, load_next, load_answer, load_deadline_ms, load_is_over };
    pbts_status status = pbts_chain_run(chain, &core, UINT64_MAX);
    if (status == PBTS_OK) status = take(chain, l->load, tree, state);
    pbts_root_load_free(l->load);
    return status;
}

pbts_status pbts_chain_load_root(pbts_chain *chain, pbts_reputation_tree **tree,
                                 pbts_reputation_state *contract_state,
                                 const pbts_trusted_block *block, const pbts_eth_address *contract,
                                 uint64_t first_block,
                                 void (*progress)(void *host, uint64_t replayed, uint64_t batches),
                                 void *host) {
    loading l = { .progress = progress, .host = host };
    pbts_root_load_config config = { .block = *block,
                                     .contract = *contract,
                                     .first_block = first_block,
                                     .age_max_s = chain->config.age_max_s,
                                     .give_up_ms = UINT64_MAX,
                                     .quiet_max_ms = PBTS_CHAIN_QUIET_MAX_MS };
    return run(chain, &l, tree, contract_state, &config);
}

pbts_status pbts_chain_load_own_root(pbts_chain *chain, pbts_reputation_tree **tree,
                                     pbts_reputation_state *contract_state,
                                     const pbts_trusted_block *block,
                                     const pbts_eth_address *contract, uint64_t first_block,
                                     uint32_t users_max) {
    loading l = { .progress = NULL };
    pbts_root_load_config config = { .block = *block,
                                     .contract = *contract,
                                     .first_block = first_block,
                                     .age_max_s = chain->config.age_max_s,
                                     .any_root = true,
                                     .users_max = users_max,
                                     .give_up_ms = UINT64_MAX,
                                     .quiet_max_ms = OWN_QUIET_MAX_MS };
    return run(chain, &l, tree, contract_state, &config);
}
