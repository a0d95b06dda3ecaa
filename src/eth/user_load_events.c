/* The second step of a load: Registered events, range by range, against the proved digest. */
#include "base/assert.h"
#include "eth/reputation_events.h"
#include "eth/user_load_parts.h"

#define EVENT_IDS ((uint64_t)PBTS_USER_LOAD_LANES_MAX << 32) /* beyond those of the lanes */

void pbts_load_events_begin(pbts_user_load *load) {
    pbts_load_events *events = &load->events;
    load->users_len = 0;
    load->digest = (pbts_eth_hash){ { 0 } };
    *events = (pbts_load_events){ .id_next = events->id_next,
                                  .tried = events->tried,
                                  .rounds = events->rounds,
                                  .alone = events->alone };
    pbts_block_range_begin(&events->blocks, load->config.first_block,
                           load->config.block.block_number);
}

/* ---- asking ---- */

static bool choose(pbts_user_load *load, uint64_t now_ms) {
    pbts_load_events *events = &load->events;
    if (events->has_endpoint) return true;
    if ((events->tried | ~pbts_endpoints_all(load->endpoints)) == UINT32_MAX) events->tried = 0;
    return pbts_endpoints_choose(load->endpoints, &events->endpoint, events->tried, now_ms) ||
           pbts_endpoints_choose(load->endpoints, &events->endpoint, 0, now_ms);
}

bool pbts_load_events_next(pbts_user_load *load, pbts_rpc_want *out, pbts_moment now) {
    pbts_load_events *events = &load->events;
    if (events->under_way || !choose(load, now.mono_ms)) return false;
    pbts_eth_hash topic = pbts_reputation_event_topic(PBTS_REPUTATION_REGISTERED);
    pbts_block_range_choose(&events->blocks);
    events->id = EVENT_IDS + ++events->id_next;
    events->has_endpoint = true;
    events->under_way = true;
    pbts_writer writer = pbts_writer_over(load->request, sizeof load->request);
    pbts_rpc_get_logs(&writer, events->id, &load->config.contract, &topic, events->blocks.next,
                      events->blocks.end);
    assert(pbts_writer_status(&writer) == PBTS_OK);
    *out = (pbts_rpc_want){ .id = events->id,
                            .endpoint = events->endpoint,
                            .body = pbts_writer_span(&writer),
                            .answer_len_max = PBTS_USER_LOAD_ANSWER_MAX,
                            .timeout_ms = PBTS_RPC_TIMEOUT_MS };
    return true;
}

/* ---- events ---- */

static pbts_status take_log(pbts_user_load *load, const pbts_rpc_log *log) {
    pbts_load_events *events = &load->events;
    pbts_eth_log plain = { .topics_len = log->topics_len, .data = { log->data, log->data_len } };
    pbts_reputation_event event;
    memcpy(plain.topics, log->topics, sizeof plain.topics);
    bool is_in_order = !events->has_last || log->block_number > events->last_block ||
                       (log->block_number == events->last_block && log->index > events->last_index);
    if (log->removed || !pbts_eth_address_equal(&log->address, &load->config.contract) ||
        log->block_number < events->blocks.next || log->block_number > events->blocks.end ||
        !is_in_order) {
        return PBTS_MALFORMED;
    }
    PBTS_TRY(pbts_reputation_event_decode(&event, &plain));
    if (event.kind != PBTS_REPUTATION_REGISTERED) return PBTS_MALFORMED;
    if (load->users_len >= load->contract.user_count) return PBTS_BAD_SIGNATURE;
    pbts_reputation_account *user = &load->users[load->users_len];
    *user = (pbts_reputation_account){ .public_key = event.registered.public_key,
                                       .user_no = event.registered.user_no };
    memcpy(user->uid_hash, event.registered.uid_hash, sizeof user->uid_hash);
    load->digest = pbts_reputation_registrations_next(&load->digest, user);
    load->users_len++;
    events->has_last = true;
    events->last_block = log->block_number;
    events->last_index = log->index;
    return PBTS_OK;
}

static pbts_status take_logs(pbts_user_load *load, pbts_rpc_result result) {
    size_t len;
    PBTS_TRY(pbts_rpc_read_logs_len(&len, result));
    for (size_t i = 0; i < len; i++) {
        pbts_rpc_log log;
        PBTS_TRY(pbts_rpc_read_log(&log, result, i));
        PBTS_TRY(take_log(load, &log));
    }
    return PBTS_OK;
}

/* All or nothing of one answer. */
static pbts_status take_answer(pbts_user_load *load, pbts_rpc_error *error,
                               const pbts_rpc_answer *answer) {
    pbts_rpc_result result;
    size_t users_len = load->users_len;
    pbts_eth_hash digest = load->digest;
    pbts_load_events events = load->events;
    PBTS_TRY(pbts_rpc_answer_result(&result, error, answer, load->events.id));
    pbts_status status = take_logs(load, result);
    if (status != PBTS_OK) {
        load->users_len = users_len;
        load->digest = digest;
        load->events = events;
    }
    return status;
}

/* ---- blame ---- */

static void count_round(pbts_user_load *load) {
    uint32_t most = PBTS_USER_LOAD_MISSES_MAX * load->endpoints->count;
    if (++load->events.rounds >= most) pbts_load_fail(load, PBTS_IO);
}

/* The endpoint at work gave nothing of use: another goes on, or begins again. */
static void change_endpoint(pbts_user_load *load, pbts_endpoint_outcome outcome, uint64_t now_ms) {
    pbts_load_events *events = &load->events;
    pbts_endpoints_report(load->endpoints, events->endpoint, outcome, now_ms);
    events->tried |= 1u << events->endpoint;
    events->has_endpoint = false;
    if (events->alone && events->contributors != 0) pbts_load_events_begin(load);
    if (outcome == PBTS_ENDPOINT_WRONG) count_round(load);
}

/* All ranges are there, and they are not what the contract has: one liar is known, of several only
 * that there is one. */
static void blame(pbts_user_load *load, uint64_t now_ms) {
    pbts_load_events *events = &load->events;
    uint32_t contributors = events->contributors;
    bool is_one = __builtin_popcount(contributors) == 1;
    for (uint32_t i = 0; i < load->endpoints->count; i++) {
        if ((contributors >> i & 1) == 0) continue;
        pbts_endpoints_report(load->endpoints, i,
                              is_one ? PBTS_ENDPOINT_OUTVOTED : PBTS_ENDPOINT_LATE, now_ms);
    }
    events->alone = true;
    load->furthest_block = 0;
    events->tried |= is_one ? contributors : 0;
    pbts_load_events_begin(load);
    count_round(load);
}

/* Who takes few blocks at a time, or says so, must not set the pace where somebody else takes more.
 */
static bool ask_another(pbts_user_load *load, uint64_t now_ms) {
    pbts_load_events *events = &load->events;
    events->refusers |= 1u << events->endpoint;
    bool found = !events->alone && pbts_endpoints_choose(load->endpoints, &events->endpoint,
                                                         events->tried | events->refusers, now_ms);
    if (!found) events->refusers = 0;
    return found;
}

static void advance(pbts_user_load *load, pbts_moment now) {
    pbts_load_events *events = &load->events;
    pbts_endpoints_report(load->endpoints, events->endpoint, PBTS_ENDPOINT_GOOD, now.mono_ms);
    events->contributors |= 1u << events->endpoint;
    events->refusers = 0;
    if (events->blocks.end >= load->furthest_block) {
        load->furthest_block = events->blocks.end + 1;
        load->furthest_ms = now.mono_ms;
    }
    if (pbts_block_range_taken(&events->blocks)) return;
    bool is_whole = load->users_len == load->contract.user_count &&
                    pbts_eth_hash_equal(&load->digest, &load->contract.registrations);
    if (is_whole) {
        load->phase = PBTS_LOAD_WORDS;
    } else {
        blame(load, now.mono_ms);
    }
}

void pbts_load_events_answer(pbts_user_load *load, uint64_t id, const pbts_rpc_reply *reply,
                             pbts_moment now) {
    pbts_load_events *events = &load->events;
    pbts_rpc_answer answer;
    pbts_endpoint_outcome outcome;
    pbts_rpc_error error = { 0 };
    if (!events->under_way || id != events->id) return;
    events->under_way = false;
    pbts_status status = pbts_rpc_reply_open(&answer, &outcome, reply);
    if (status == PBTS_OK) {
        status = take_answer(load, &error, &answer);
        outcome = pbts_rpc_outcome(status, &error);
        pbts_rpc_answer_close(&answer);
    }
    bool is_too_large =
        status == PBTS_LIMIT || (status == PBTS_DENIED && error.class == PBTS_RPC_RANGE_TOO_LARGE);
    if (status == PBTS_NO_MEMORY) {
        pbts_load_fail(load, status);
    } else if (status == PBTS_OK) {
        advance(load, now);
    } else if (!is_too_large ||
               !(ask_another(load, now.mono_ms) || pbts_block_range_refused(&events->blocks))) {
        change_endpoint(load, outcome, now.mono_ms);
    }
}
