/* The later steps of a load: events and transactions, range by range, replayed. */
#include "base/assert.h"
#include "eth/reputation_events.h"
#include "eth/reputation_root_call.h"
#include "eth/root_load_parts.h"
#include "eth/transaction.h"

#define BATCH_IDS ((uint64_t)1 << 40) /* beyond those of the read */

static void forget_events(pbts_root_load *load) {
    load->events_len = load->events_done = 0;
}

pbts_status pbts_root_batches_begin(pbts_root_load *load) {
    pbts_reputation_tree_free(load->tree);
    load->tree = NULL;
    load->sequence = 0;
    load->head = (pbts_eth_hash){ { 0 } };
    load->broken = PBTS_OK;
    load->contributors = 0;
    load->has_endpoint = false;
    forget_events(load);
    pbts_block_range_begin(&load->blocks, load->config.first_block,
                           load->config.block.block_number);
    uint32_t users_max = load->config.any_root ? load->config.users_max : load->contract.user_count;
    return pbts_reputation_tree_new(&load->tree, load->mem, users_max);
}

/* ---- asking ---- */

static bool choose(pbts_root_load *load, uint64_t now_ms) {
    if (load->has_endpoint) return true;
    if ((load->tried | ~pbts_endpoints_all(load->endpoints)) == UINT32_MAX) load->tried = 0;
    return pbts_endpoints_choose(load->endpoints, &load->endpoint, load->tried, now_ms) ||
           pbts_endpoints_choose(load->endpoints, &load->endpoint, 0, now_ms);
}

static void ask_events(pbts_root_load *load, pbts_writer *writer) {
    pbts_eth_hash topic = pbts_reputation_event_topic(PBTS_REPUTATION_WRITTEN);
    pbts_block_range_choose(&load->blocks);
    forget_events(load);
    load->id = BATCH_IDS + load->id_next++;
    pbts_rpc_get_logs(writer, load->id, &load->config.contract, &topic, load->blocks.next,
                      load->blocks.end);
}

static void ask_transactions(pbts_root_load *load, pbts_writer *writer) {
    size_t left = load->events_len - load->events_done;
    bool one = load->endpoints->each[load->endpoint].no_batch;
    size_t most = one ? 1 : PBTS_ROOT_LOAD_AT_ONCE;
    load->asked = left < most ? left : most;
    load->id = BATCH_IDS + load->id_next;
    load->id_next += load->asked;
    if (load->asked > 1) pbts_rpc_open_batch(writer);
    for (size_t i = 0; i < load->asked; i++) {
        pbts_rpc_get_transaction(writer, load->id + i,
                                 &load->events[load->events_done + i].transaction);
    }
    if (load->asked > 1) pbts_rpc_close_batch(writer);
}

bool pbts_root_batches_next(pbts_root_load *load, pbts_rpc_want *out, pbts_moment now) {
    if (load->under_way || !choose(load, now.mono_ms)) return false;
    pbts_writer writer = pbts_writer_over(load->request, sizeof load->request);
    load->is_about_events = load->events_done == load->events_len;
    if (load->is_about_events) {
        ask_events(load, &writer);
    } else {
        ask_transactions(load, &writer);
    }
    assert(pbts_writer_status(&writer) == PBTS_OK);
    load->has_endpoint = load->under_way = true;
    *out = (pbts_rpc_want){ .id = load->id,
                            .endpoint = load->endpoint,
                            .body = pbts_writer_span(&writer),
                            .answer_len_max = PBTS_ROOT_LOAD_ANSWER_MAX,
                            .timeout_ms = PBTS_RPC_TIMEOUT_MS };
    return true;
}

/* ---- blame ---- */

static void begin_again(pbts_root_load *load) {
    pbts_status status = pbts_root_batches_begin(load);
    if (status != PBTS_OK) pbts_root_load_fail(load, status);
}

/* The endpoint at work gave nothing of use: another goes on behind the last batch, or begins
 * again. */
static void change_endpoint(pbts_root_load *load, pbts_endpoint_outcome outcome, uint64_t now_ms) {
    pbts_endpoints_report(load->endpoints, load->endpoint, outcome, now_ms);
    load->tried |= 1u << load->endpoint;
    load->has_endpoint = false;
    forget_events(load);
    if (load->alone && load->contributors != 0) begin_again(load);
}

/* What they gave does not fit together, or to what the contract has: one liar is known, of several
 * only that there is one. */
static void blame(pbts_root_load *load, uint64_t now_ms) {
    uint32_t contributors = load->contributors | 1u << load->endpoint;
    bool is_one = __builtin_popcount(contributors) == 1;
    for (uint32_t i = 0; i < load->endpoints->count; i++) {
        if ((contributors >> i & 1) == 0) continue;
        pbts_endpoints_report(load->endpoints, i,
                              is_one ? PBTS_ENDPOINT_OUTVOTED : PBTS_ENDPOINT_LATE, now_ms);
    }
    load->alone = true;
    load->furthest_sequence = load->furthest_block = 0;
    load->tried |= is_one ? contributors : 0;
    if (++load->rounds > PBTS_ROOT_LOAD_MISSES_MAX * load->endpoints->count) {
        pbts_root_load_fail(load, PBTS_IO);
    } else {
        begin_again(load);
    }
}

/* ---- events ---- */

static pbts_status take_log(pbts_root_load *load, const pbts_rpc_log *log) {
    pbts_eth_log plain = { .topics_len = log->topics_len, .data = { log->data, log->data_len } };
    pbts_reputation_event event;
    memcpy(plain.topics, log->topics, sizeof plain.topics);
    if (log->removed || !pbts_eth_address_equal(&log->address, &load->config.contract) ||
        log->block_number < load->blocks.next || log->block_number > load->blocks.end) {
        return PBTS_MALFORMED;
    }
    PBTS_TRY(pbts_reputation_event_decode(&event, &plain));
    if (event.kind != PBTS_REPUTATION_WRITTEN) return PBTS_MALFORMED;
    if (event.written.sequence <= load->sequence) return PBTS_OK; /* replayed before */
    /* A gap, or more batches than there are. */
    if (event.written.sequence != load->sequence + load->events_len + 1 ||
        event.written.sequence > load->contract.sequence || load->events_len == load->events_max) {
        return PBTS_BAD_SIGNATURE;
    }
    load->events[load->events_len++] = (pbts_root_event){ .sequence = event.written.sequence,
                                                          .head = event.written.head,
                                                          .transaction = log->transaction };
    return PBTS_OK;
}

static pbts_status take_events(pbts_root_load *load, pbts_rpc_error *error,
                               const pbts_rpc_answer *answer) {
    pbts_rpc_result result;
    size_t len;
    PBTS_TRY(pbts_rpc_answer_result(&result, error, answer, load->id));
    PBTS_TRY(pbts_rpc_read_logs_len(&len, result));
    for (size_t i = 0; i < len; i++) {
        pbts_rpc_log log;
        PBTS_TRY(pbts_rpc_read_log(&log, result, i));
        PBTS_TRY(take_log(load, &log));
    }
    return PBTS_OK;
}

/* ---- transactions ---- */

/* Follow the hashes in any case: only at the end is it known whether the data are the owner's. */
static pbts_status replay(pbts_root_load *load, pbts_span data) {
    if (load->broken != PBTS_OK) return PBTS_OK;
    pbts_status status = pbts_reputation_tree_apply(load->tree, data);
    if (status == PBTS_NO_MEMORY) return status;
    if (status == PBTS_LIMIT) load->broken = status;
    return PBTS_OK;
}

static pbts_status take_transaction(pbts_root_load *load, pbts_rpc_result result) {
    const pbts_root_event *event = &load->events[load->events_done];
    pbts_writer input = pbts_writer_over(load->input, PBTS_ETH_TRANSACTION_LEN_MAX);
    pbts_reputation_root_call call;
    pbts_eth_address to;
    PBTS_TRY(pbts_rpc_read_transaction_input(&to, &input, result));
    if (!pbts_eth_address_equal(&to, &load->config.contract)) return PBTS_BAD_SIGNATURE;
    if (pbts_reputation_root_call_decode(&call, pbts_writer_span(&input)) != PBTS_OK)
        return PBTS_BAD_SIGNATURE;
    pbts_eth_hash head = pbts_reputation_head_next(&load->head, call.data);
    if (call.sequence != event->sequence || !pbts_eth_hash_equal(&head, &event->head))
        return PBTS_BAD_SIGNATURE;
    PBTS_TRY(replay(load, call.data));
    load->head = head;
    load->sequence = event->sequence;
    load->events_done++;
    load->contributors |= 1u << load->endpoint;
    return PBTS_OK;
}

static pbts_status take_transactions(pbts_root_load *load, pbts_rpc_error *error,
                                     const pbts_rpc_answer *answer) {
    for (size_t i = 0; i < load->asked; i++) {
        pbts_rpc_result result;
        PBTS_TRY(pbts_rpc_answer_result(&result, error, answer, load->id + i));
        PBTS_TRY(take_transaction(load, result));
    }
    return PBTS_OK;
}

/* ---- the end ---- */

static bool leads_to_root(const pbts_root_load *load) {
    uint8_t root[PBTS_SHA256_LEN];
    pbts_reputation_tree_root(load->tree, root);
    return pbts_reputation_tree_count(load->tree) == load->contract.user_count &&
           memcmp(root, load->contract.root, sizeof root) == 0;
}

static void finish(pbts_root_load *load, uint64_t now_ms) {
    if (!pbts_eth_hash_equal(&load->head, &load->contract.head)) {
        blame(load, now_ms);
    } else if (load->broken != PBTS_OK) {
        pbts_root_load_fail(load, load->config.any_root ? load->broken : PBTS_CORRUPT);
    } else if (load->config.any_root || leads_to_root(load)) {
        load->phase = PBTS_ROOT_DONE;
    } else {
        pbts_root_load_fail(load, PBTS_CORRUPT);
    }
}

static void note_progress(pbts_root_load *load, uint64_t now_ms) {
    if (load->sequence <= load->furthest_sequence && load->blocks.next <= load->furthest_block)
        return;
    load->furthest_sequence = load->sequence;
    load->furthest_block = load->blocks.next;
    load->furthest_ms = now_ms;
}

static void advance(pbts_root_load *load, uint64_t now_ms) {
    pbts_endpoints_report(load->endpoints, load->endpoint, PBTS_ENDPOINT_GOOD, now_ms);
    load->contributors |= 1u << load->endpoint;
    load->refusers = 0;
    note_progress(load, now_ms);
    if (load->sequence == load->contract.sequence) {
        finish(load, now_ms);
    } else if (load->events_done == load->events_len && !pbts_block_range_taken(&load->blocks)) {
        blame(load, now_ms); /* batches were left out */
    }
}

/* Who takes few blocks at a time, or says so, must not set the pace where somebody else takes more.
 */
static bool ask_another(pbts_root_load *load, uint64_t now_ms) {
    load->refusers |= 1u << load->endpoint;
    bool found = !load->alone && pbts_endpoints_choose(load->endpoints, &load->endpoint,
                                                       load->tried | load->refusers, now_ms);
    if (!found) load->refusers = 0;
    return found;
}

/* Ask for less, or another, if that may help. */
static bool ask_less(pbts_root_load *load, pbts_status status, const pbts_rpc_error *error,
                     uint64_t now_ms) {
    if (load->is_about_events) {
        bool is_too_large = status == PBTS_LIMIT ||
                            (status == PBTS_DENIED && error->class == PBTS_RPC_RANGE_TOO_LARGE);
        return is_too_large &&
               (ask_another(load, now_ms) || pbts_block_range_refused(&load->blocks));
    }
    if (load->asked <= 1) return false;
    if (status != PBTS_DENIED && status != PBTS_MALFORMED && status != PBTS_LIMIT) return false;
    load->endpoints->each[load->endpoint].no_batch = true;
    return true;
}

static pbts_status take_answer(pbts_root_load *load, pbts_rpc_error *error,
                               const pbts_rpc_answer *answer) {
    return load->is_about_events ? take_events(load, error, answer)
                                 : take_transactions(load, error, answer);
}

void pbts_root_batches_answer(pbts_root_load *load, uint64_t id, const pbts_rpc_reply *reply,
                              pbts_moment now) {
    pbts_rpc_answer answer;
    pbts_endpoint_outcome outcome;
    pbts_rpc_error error = { 0 };
    if (!load->under_way || id != load->id) return;
    load->under_way = false;
    pbts_status status = pbts_rpc_reply_open(&answer, &outcome, reply);
    if (status == PBTS_OK) {
        status = take_answer(load, &error, &answer);
        outcome = pbts_rpc_outcome(status, &error);
        pbts_rpc_answer_close(&answer);
    }
    if (load->is_about_events && status != PBTS_OK) forget_events(load);
    if (status == PBTS_NO_MEMORY) {
        pbts_root_load_fail(load, status);
    } else if (status == PBTS_OK) {
        advance(load, now.mono_ms);
    } else if (status == PBTS_BAD_SIGNATURE) {
        blame(load, now.mono_ms);
    } else if (!ask_less(load, status, &error, now.mono_ms)) {
        change_endpoint(load, outcome, now.mono_ms);
    }
}
