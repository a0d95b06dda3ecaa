#include "eth/user_load.h"

#include "base/assert.h"
#include "eth/user_load_parts.h"

static const uint64_t LANE_IDS = (uint64_t)1 << 32; /* request numbers of one lane */

/* ---- life ---- */

static pbts_status start_slots(pbts_user_load *load, pbts_moment now) {
    pbts_u256 slots[PBTS_REPUTATION_FIXED_SLOTS];
    for (uint64_t i = 0; i < PBTS_REPUTATION_FIXED_SLOTS; i++) slots[i] = pbts_u256_from_u64(i);
    return pbts_chain_read_start(load->lanes[0].read, &load->config.block, &load->config.contract,
                                 slots, PBTS_REPUTATION_FIXED_SLOTS, load->config.give_up_ms, now);
}

static pbts_status new_lanes(pbts_user_load *load) {
    for (uint32_t i = 0; i < load->config.lanes; i++) {
        /* The block's age was looked at once: a load takes as long as it takes. */
        pbts_chain_read_config config = { .age_max_s = UINT64_MAX,
                                          .id_first = i * LANE_IDS,
                                          .misses_max = PBTS_USER_LOAD_MISSES_MAX };
        PBTS_TRY(pbts_chain_read_new(&load->lanes[i].read, load->mem, load->endpoints, &config));
    }
    return PBTS_OK;
}

pbts_status pbts_user_load_new(pbts_user_load **out, pbts_mem *mem, pbts_endpoints *endpoints,
                               const pbts_user_load_config *config, pbts_moment now) {
    if (config->lanes == 0 || config->lanes > PBTS_USER_LOAD_LANES_MAX) return PBTS_LIMIT;
    if (pbts_trusted_is_stale(&config->block, config->age_max_s, now.unix_s)) return PBTS_STALE;
    pbts_user_load *load = pbts_alloc(mem, sizeof *load);
    if (load == NULL) return PBTS_NO_MEMORY;
    load->mem = mem;
    load->endpoints = endpoints;
    load->config = *config;
    load->furthest_ms = now.mono_ms;
    pbts_status status = new_lanes(load);
    if (status == PBTS_OK) status = start_slots(load, now);
    if (status != PBTS_OK) {
        pbts_user_load_free(load);
        return status;
    }
    *out = load;
    return PBTS_OK;
}

void pbts_user_load_free(pbts_user_load *load) {
    if (load == NULL) return;
    for (uint32_t i = 0; i < load->config.lanes; i++) pbts_chain_read_free(load->lanes[i].read);
    pbts_release(load->mem, load->users);
    pbts_release(load->mem, load);
}

void pbts_load_fail(pbts_user_load *load, pbts_status why) {
    load->phase = PBTS_LOAD_FAILED;
    load->why = why;
}

/* ---- the fixed slots ---- */

static pbts_status take_contract(pbts_user_load *load) {
    size_t len;
    const pbts_chain_read *read = load->lanes[0].read;
    const pbts_eth_account *account = pbts_chain_read_account(read);
    bool has_code =
        account->present && !pbts_eth_hash_equal(&account->code_hash, &PBTS_ETH_EMPTY_CODE);
    if (!has_code) return PBTS_NOT_FOUND;
    PBTS_TRY(pbts_reputation_state_unpack(&load->contract, pbts_chain_read_values(read, &len)));
    load->has_contract = true;
    if (load->contract.mode == PBTS_REPUTATION_ROOT) return PBTS_DENIED;
    if (load->contract.user_count >= PBTS_USERS_MAX) return PBTS_LIMIT;
    if (load->config.first_block > load->config.block.block_number) return PBTS_MALFORMED;
    load->users = pbts_alloc_array(load->mem, load->contract.user_count, sizeof *load->users);
    return load->users == NULL ? PBTS_NO_MEMORY : PBTS_OK;
}

static void end_slots(pbts_user_load *load) {
    pbts_status status = take_contract(load);
    if (status != PBTS_OK) {
        pbts_load_fail(load, status);
        return;
    }
    load->phase = load->contract.user_count > 0 ? PBTS_LOAD_EVENTS : PBTS_LOAD_DONE;
    pbts_load_events_begin(load);
}

/* ---- words ---- */

static void begin_chunk(pbts_user_load *load, pbts_load_lane *lane, pbts_moment now) {
    pbts_u256 slots[PBTS_RPC_PROOF_KEYS_MAX];
    size_t left = load->users_len - load->words_begun;
    lane->first = load->words_begun;
    lane->len = left < PBTS_RPC_PROOF_KEYS_MAX ? left : PBTS_RPC_PROOF_KEYS_MAX;
    for (size_t i = 0; i < lane->len; i++) {
        slots[i] = pbts_reputation_word_slot(load->users[lane->first + i].uid_hash);
    }
    pbts_status status =
        pbts_chain_read_start(lane->read, &load->config.block, &load->config.contract, slots,
                              lane->len, load->config.give_up_ms, now);
    if (status != PBTS_OK) {
        pbts_load_fail(load, status);
        return;
    }
    lane->is_busy = true;
    load->words_begun += lane->len;
}

static void end_chunk(pbts_user_load *load, pbts_load_lane *lane, uint64_t now_ms) {
    size_t len;
    const pbts_u256 *values = pbts_chain_read_values(lane->read, &len);
    lane->is_busy = false;
    for (size_t i = 0; i < len; i++) {
        pbts_reputation_word *word = &load->users[lane->first + i].word;
        if (pbts_reputation_word_unpack(word, &values[i]) != PBTS_OK)
            *word = (pbts_reputation_word){ .up_bytes = UINT64_MAX, .down_bytes = UINT64_MAX };
    }
    load->words_done += len;
    load->furthest_ms = now_ms;
    if (load->words_done == load->users_len) load->phase = PBTS_LOAD_DONE;
}

/* ---- the owner's calls ---- */

static bool next_words(pbts_user_load *load, pbts_rpc_want *out, pbts_moment now) {
    for (uint32_t i = 0; i < load->config.lanes && load->phase == PBTS_LOAD_WORDS; i++) {
        pbts_load_lane *lane = &load->lanes[i];
        if (!lane->is_busy && load->words_begun < load->users_len) begin_chunk(load, lane, now);
        if (lane->is_busy && pbts_chain_read_next(lane->read, out, now)) return true;
    }
    return false;
}

static uint64_t give_up_ms(const pbts_user_load *load) {
    const pbts_user_load_config *config = &load->config;
    uint64_t quiet_ms =
        config->quiet_max_ms > 0 ? load->furthest_ms + config->quiet_max_ms : UINT64_MAX;
    return quiet_ms < config->give_up_ms ? quiet_ms : config->give_up_ms;
}

bool pbts_user_load_next(pbts_user_load *load, pbts_rpc_want *out, pbts_moment now) {
    if (load->phase < PBTS_LOAD_DONE && now.mono_ms >= give_up_ms(load)) {
        pbts_load_fail(load, PBTS_IO);
    }
    switch (load->phase) {
    case PBTS_LOAD_SLOTS: return pbts_chain_read_next(load->lanes[0].read, out, now);
    case PBTS_LOAD_EVENTS: return pbts_load_events_next(load, out, now);
    case PBTS_LOAD_WORDS: return next_words(load, out, now);
    default: return false;
    }
}

static void lane_answer(pbts_user_load *load, pbts_load_lane *lane, uint64_t id,
                        const pbts_rpc_reply *reply, pbts_moment now) {
    pbts_status why = PBTS_OK;
    pbts_chain_read_answer(lane->read, id, reply, now);
    pbts_fetch_state state = pbts_chain_read_state(lane->read, &why);
    if (state == PBTS_FETCH_FAILED) pbts_load_fail(load, why);
    if (state != PBTS_FETCH_DONE) return;
    if (load->phase == PBTS_LOAD_SLOTS) {
        end_slots(load);
    } else if (lane->is_busy) {
        end_chunk(load, lane, now.mono_ms);
    }
}

void pbts_user_load_answer(pbts_user_load *load, uint64_t id, const pbts_rpc_reply *reply,
                           pbts_moment now) {
    uint64_t lane = id / LANE_IDS;
    bool is_reading = load->phase == PBTS_LOAD_SLOTS || load->phase == PBTS_LOAD_WORDS;
    if (load->phase == PBTS_LOAD_EVENTS) {
        pbts_load_events_answer(load, id, reply, now);
    } else if (is_reading && lane < load->config.lanes) {
        lane_answer(load, &load->lanes[lane], id, reply, now);
    }
}

uint64_t pbts_user_load_deadline_ms(const pbts_user_load *load) {
    uint64_t first_ms = give_up_ms(load);
    if (load->phase >= PBTS_LOAD_DONE) return UINT64_MAX;
    if (load->phase == PBTS_LOAD_EVENTS && !load->events.under_way) {
        uint64_t awake_ms = pbts_endpoints_awake_ms(load->endpoints, 0);
        return awake_ms < first_ms ? awake_ms : first_ms;
    }
    for (uint32_t i = 0; load->phase != PBTS_LOAD_EVENTS && i < load->config.lanes; i++) {
        uint64_t lane_ms = pbts_chain_read_deadline_ms(load->lanes[i].read);
        if (lane_ms < first_ms) first_ms = lane_ms;
    }
    return first_ms;
}

pbts_fetch_state pbts_user_load_state(const pbts_user_load *load, pbts_status *why) {
    if (load->phase == PBTS_LOAD_DONE) return PBTS_FETCH_DONE;
    if (load->phase != PBTS_LOAD_FAILED) return PBTS_FETCH_PENDING;
    *why = load->why;
    return PBTS_FETCH_FAILED;
}

const pbts_reputation_state *pbts_user_load_contract(const pbts_user_load *load) {
    return load->has_contract ? &load->contract : NULL;
}

const pbts_reputation_account *pbts_user_load_users(const pbts_user_load *load, size_t *users_len) {
    assert(load->phase == PBTS_LOAD_DONE);
    *users_len = load->users_len;
    return load->users;
}

void pbts_user_load_progress(const pbts_user_load *load, size_t *registered, size_t *proved) {
    *registered = load->users_len;
    *proved = load->words_done;
}
