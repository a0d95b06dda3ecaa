#include "eth/root_load.h"

#include "base/assert.h"
#include "eth/root_load_parts.h"
#include "eth/transaction.h"

/* ---- life ---- */

static pbts_status start_slots(pbts_root_load *load, pbts_moment now) {
    pbts_u256 slots[PBTS_REPUTATION_FIXED_SLOTS];
    for (uint64_t i = 0; i < PBTS_REPUTATION_FIXED_SLOTS; i++) slots[i] = pbts_u256_from_u64(i);
    return pbts_chain_read_start(load->read, &load->config.block, &load->config.contract, slots,
                                 PBTS_REPUTATION_FIXED_SLOTS, load->config.give_up_ms, now);
}

static pbts_status start(pbts_root_load *load, pbts_moment now) {
    /* The block's age was looked at once: a load takes as long as it takes. */
    static const pbts_chain_read_config CONFIG = { .age_max_s = UINT64_MAX,
                                                   .misses_max = PBTS_ROOT_LOAD_MISSES_MAX };
    load->input = pbts_alloc(load->mem, PBTS_ETH_TRANSACTION_LEN_MAX);
    if (load->input == NULL) return PBTS_NO_MEMORY;
    PBTS_TRY(pbts_chain_read_new(&load->read, load->mem, load->endpoints, &CONFIG));
    return start_slots(load, now);
}

pbts_status pbts_root_load_new(pbts_root_load **out, pbts_mem *mem, pbts_endpoints *endpoints,
                               const pbts_root_load_config *config, pbts_moment now) {
    if (pbts_trusted_is_stale(&config->block, config->age_max_s, now.unix_s)) return PBTS_STALE;
    pbts_root_load *load = pbts_alloc(mem, sizeof *load);
    if (load == NULL) return PBTS_NO_MEMORY;
    load->mem = mem;
    load->endpoints = endpoints;
    load->config = *config;
    load->furthest_ms = now.mono_ms;
    pbts_status status = start(load, now);
    if (status != PBTS_OK) {
        pbts_root_load_free(load);
        return status;
    }
    *out = load;
    return PBTS_OK;
}

void pbts_root_load_free(pbts_root_load *load) {
    if (load == NULL) return;
    pbts_chain_read_free(load->read);
    pbts_reputation_tree_free(load->tree);
    pbts_release(load->mem, load->events);
    pbts_release(load->mem, load->input);
    pbts_release(load->mem, load);
}

void pbts_root_load_fail(pbts_root_load *load, pbts_status why) {
    load->phase = PBTS_ROOT_FAILED;
    load->why = why;
}

/* ---- the fixed slots ---- */

static pbts_status take_contract(pbts_root_load *load) {
    size_t len;
    const pbts_eth_account *account = pbts_chain_read_account(load->read);
    bool has_code =
        account->present && !pbts_eth_hash_equal(&account->code_hash, &PBTS_ETH_EMPTY_CODE);
    if (!has_code) return PBTS_NOT_FOUND;
    PBTS_TRY(
        pbts_reputation_state_unpack(&load->contract, pbts_chain_read_values(load->read, &len)));
    load->has_contract = true;
    if (load->contract.mode == PBTS_REPUTATION_SLOTS) return PBTS_DENIED;
    if (load->contract.user_count >= PBTS_USERS_MAX) return PBTS_LIMIT;
    if (load->config.first_block > load->config.block.block_number) return PBTS_MALFORMED;
    uint64_t batches = load->contract.sequence;
    load->events_max = batches < PBTS_RPC_LOGS_MAX ? (size_t)batches : PBTS_RPC_LOGS_MAX;
    load->events = pbts_alloc_array(load->mem, load->events_max + 1, sizeof *load->events);
    if (load->events == NULL) return PBTS_NO_MEMORY;
    return pbts_root_batches_begin(load);
}

static void end_slots(pbts_root_load *load) {
    pbts_status status = take_contract(load);
    if (status != PBTS_OK) {
        pbts_root_load_fail(load, status);
        return;
    }
    load->phase = load->contract.sequence > 0 ? PBTS_ROOT_BATCHES : PBTS_ROOT_DONE;
}

/* ---- the owner's calls ---- */

static uint64_t give_up_ms(const pbts_root_load *load) {
    const pbts_root_load_config *config = &load->config;
    uint64_t quiet_ms =
        config->quiet_max_ms > 0 ? load->furthest_ms + config->quiet_max_ms : UINT64_MAX;
    return quiet_ms < config->give_up_ms ? quiet_ms : config->give_up_ms;
}

bool pbts_root_load_next(pbts_root_load *load, pbts_rpc_want *out, pbts_moment now) {
    if (load->phase < PBTS_ROOT_DONE && now.mono_ms >= give_up_ms(load)) {
        pbts_root_load_fail(load, PBTS_IO);
    }
    switch (load->phase) {
    case PBTS_ROOT_SLOTS: return pbts_chain_read_next(load->read, out, now);
    case PBTS_ROOT_BATCHES: return pbts_root_batches_next(load, out, now);
    default: return false;
    }
}

static void slots_answer(pbts_root_load *load, uint64_t id, const pbts_rpc_reply *reply,
                         pbts_moment now) {
    pbts_status why = PBTS_OK;
    pbts_chain_read_answer(load->read, id, reply, now);
    pbts_fetch_state state = pbts_chain_read_state(load->read, &why);
    if (state == PBTS_FETCH_FAILED) pbts_root_load_fail(load, why);
    if (state == PBTS_FETCH_DONE) end_slots(load);
}

void pbts_root_load_answer(pbts_root_load *load, uint64_t id, const pbts_rpc_reply *reply,
                           pbts_moment now) {
    if (load->phase == PBTS_ROOT_SLOTS) {
        slots_answer(load, id, reply, now);
    } else if (load->phase == PBTS_ROOT_BATCHES) {
        pbts_root_batches_answer(load, id, reply, now);
    }
}

uint64_t pbts_root_load_deadline_ms(const pbts_root_load *load) {
    uint64_t first_ms = give_up_ms(load), other_ms = UINT64_MAX;
    if (load->phase >= PBTS_ROOT_DONE) return UINT64_MAX;
    if (load->phase == PBTS_ROOT_SLOTS) {
        other_ms = pbts_chain_read_deadline_ms(load->read);
    } else if (!load->under_way) {
        other_ms = pbts_endpoints_awake_ms(load->endpoints, 0);
    }
    return other_ms < first_ms ? other_ms : first_ms;
}

pbts_fetch_state pbts_root_load_state(const pbts_root_load *load, pbts_status *why) {
    if (load->phase == PBTS_ROOT_DONE) return PBTS_FETCH_DONE;
    if (load->phase != PBTS_ROOT_FAILED) return PBTS_FETCH_PENDING;
    *why = load->why;
    return PBTS_FETCH_FAILED;
}

const pbts_reputation_state *pbts_root_load_contract(const pbts_root_load *load) {
    return load->has_contract ? &load->contract : NULL;
}

const pbts_reputation_tree *pbts_root_load_tree(const pbts_root_load *load) {
    assert(load->phase == PBTS_ROOT_DONE);
    return load->tree;
}

pbts_reputation_tree *pbts_root_load_take_tree(pbts_root_load *load) {
    assert(load->phase == PBTS_ROOT_DONE && load->tree != NULL);
    pbts_reputation_tree *tree = load->tree;
    load->tree = NULL;
    return tree;
}

void pbts_root_load_progress(const pbts_root_load *load, uint64_t *replayed, uint64_t *batches) {
    *replayed = load->sequence;
    *batches = load->contract.sequence;
}
