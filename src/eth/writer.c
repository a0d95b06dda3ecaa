#include "eth/writer.h"

#include "base/secret_memory.h"
#include "eth/transaction.h"
#include "eth/writer_state.h"

const pbts_eth_writer_config PBTS_ETH_WRITER_DEFAULT = {
    .mode = PBTS_REPUTATION_SLOTS,
    .clock_ahead_max_s = UINT64_MAX,
    .depth_blocks = 64,
    .fee_cap = { .max_fee_wei = UINT64_C(100000000000), .max_priority_fee_wei = 10000000000 },
    .poll_ms = 12 * 1000,
    .resend_ms = 48 * 1000,
    .bump_ms = 72 * 1000,
};

/* ---- life ---- */

static pbts_status take_record(pbts_eth_writer *writer, pbts_span record) {
    pbts_eth_journal *journal = &writer->journal;
    pbts_eth_batch *batch = &journal->batch;
    if (record.len == 0) return PBTS_OK;
    if (pbts_eth_journal_decode(journal, record) != PBTS_OK) return PBTS_CORRUPT;
    if (journal->chain_id != writer->config.chain_id) return PBTS_DENIED;
    if (!pbts_eth_address_equal(&journal->contract, &writer->config.contract)) return PBTS_DENIED;
    if (!pbts_eth_address_equal(&journal->sender, &writer->address)) return PBTS_DENIED;
    if (batch->kind == PBTS_ETH_NO_BATCH) return PBTS_OK;
    uint8_t *rows = writer->rows[batch->kind <= PBTS_ETH_ADOPT ? batch->kind : PBTS_ETH_WRITE];
    memcpy(rows, batch->rows.data, batch->rows.len);
    batch->rows.data = rows;
    for (size_t i = 0; i < batch->attempts_len; i++) {
        if (!pbts_eth_writer_attempt_is_ours(writer, i)) return PBTS_CORRUPT;
    }
    return PBTS_OK;
}

static bool allocate(pbts_eth_writer *writer) {
    for (size_t kind = PBTS_ETH_REGISTER; kind <= PBTS_ETH_ADOPT; kind++) {
        writer->rows[kind] = pbts_alloc(writer->mem, PBTS_ETH_BATCH_LEN_MAX);
        if (writer->rows[kind] == NULL) return false;
    }
    writer->record = pbts_alloc(writer->mem, PBTS_ETH_JOURNAL_LEN_MAX);
    writer->call = pbts_alloc(writer->mem, PBTS_ETH_CALL_LEN_MAX);
    writer->raw = pbts_alloc(writer->mem, PBTS_ETH_TRANSACTION_LEN_MAX);
    return writer->record != NULL && writer->call != NULL && writer->raw != NULL;
}

static pbts_status find_address(pbts_eth_writer *writer) {
    pbts_secp256k1_public public;
    pbts_secp256k1_point point;
    pbts_secp256k1_public_of(writer->signer, &public, writer->secret);
    PBTS_TRY(pbts_secp256k1_public_decode(&point, &public));
    writer->address = pbts_eth_address_of(&point);
    return PBTS_OK;
}

pbts_status pbts_eth_writer_new(pbts_eth_writer **out, const pbts_eth_writer_config *config,
                                pbts_mem *mem, const pbts_secp256k1_signer *signer,
                                const pbts_secp256k1_secret *secret, pbts_span record) {
    assert(config->mode == PBTS_REPUTATION_SLOTS || config->mode == PBTS_REPUTATION_ROOT);
    assert(config->fee_cap.max_fee_wei > 0 && config->fee_cap.max_priority_fee_wei > 0);
    assert(config->poll_ms > 0);
    pbts_eth_writer *writer = pbts_alloc(mem, sizeof *writer);
    if (writer == NULL) return PBTS_NO_MEMORY;
    writer->mem = mem;
    writer->config = *config;
    writer->signer = signer;
    writer->secret = pbts_secret_new(sizeof *writer->secret, NULL);
    if (writer->secret != NULL) *writer->secret = *secret;
    writer->step = PBTS_ETH_READ;
    writer->rows_cap = SIZE_MAX;
    pbts_status status = writer->secret != NULL && allocate(writer) ? PBTS_OK : PBTS_NO_MEMORY;
    if (status == PBTS_OK) status = find_address(writer);
    if (status == PBTS_OK) status = take_record(writer, record);
    if (status != PBTS_OK) {
        pbts_eth_writer_free(writer);
        return status;
    }
    *out = writer;
    return PBTS_OK;
}

void pbts_eth_writer_free(pbts_eth_writer *writer) {
    if (writer == NULL) return;
    pbts_mem *mem = writer->mem;
    for (size_t kind = PBTS_ETH_REGISTER; kind <= PBTS_ETH_ADOPT; kind++) {
        pbts_release(mem, writer->rows[kind]);
    }
    pbts_release(mem, writer->record);
    pbts_release(mem, writer->call);
    pbts_release(mem, writer->raw);
    pbts_secret_free(writer->secret);
    pbts_release(mem, writer);
}

/* ---- looking ---- */

pbts_eth_address pbts_eth_writer_address(const pbts_eth_writer *writer) {
    return writer->address;
}

static pbts_eth_writer_phase phase_of(const pbts_eth_writer *writer) {
    if (writer->journal.heads_len == 0) return PBTS_ETH_UNSTARTED;
    if (!pbts_eth_writer_in_flight(writer)) return writer->rests ? PBTS_ETH_IDLE : PBTS_ETH_LOOKING;
    return writer->was_mined ? PBTS_ETH_MINED : PBTS_ETH_IN_FLIGHT;
}

pbts_eth_writer_status pbts_eth_writer_look(const pbts_eth_writer *writer) {
    const pbts_eth_batch *batch = &writer->journal.batch;
    pbts_eth_writer_status status = { .phase = phase_of(writer),
                                      .problem = writer->problem,
                                      .kind = batch->kind,
                                      .reorgs = writer->reorgs };
    if (writer->journal.heads_len > 0) status.sequence = pbts_eth_writer_base(writer)->sequence;
    if (writer->has_view) {
        status.epoch = writer->view.state.epoch;
        status.block_number = writer->view.block_number;
        status.balance_wei = writer->view.balance_wei;
    }
    if (pbts_eth_writer_in_flight(writer)) {
        status.rows = batch->rows.len / pbts_eth_batch_row_len(batch->kind);
        status.attempts = batch->attempts_len;
        status.fees = batch->attempts[batch->attempts_len - 1].fees;
    }
    return status;
}

/* ---- steps ---- */

void pbts_eth_writer_rest(pbts_eth_writer *writer, uint64_t rest_ms, uint64_t now_ms) {
    writer->step = PBTS_ETH_READ;
    writer->not_before_ms = now_ms + rest_ms;
    writer->rests = true;
}

/* The next poll, as long as one comes before the next look. */
static void check_or_read(pbts_eth_writer *writer, uint64_t now_ms) {
    uint64_t next_ms = now_ms + writer->config.poll_ms;
    bool is_between = next_ms < writer->idle_until_ms;
    writer->step = is_between ? PBTS_ETH_CHECK_BLOCK : PBTS_ETH_READ;
    writer->not_before_ms = is_between ? next_ms : writer->idle_until_ms;
}

void pbts_eth_writer_idle(pbts_eth_writer *writer, uint64_t now_ms) {
    writer->idle_until_ms = now_ms + writer->config.poll_ms * PBTS_ETH_IDLE_POLLS;
    writer->rests = true;
    check_or_read(writer, now_ms);
}

void pbts_eth_writer_back_off(pbts_eth_writer *writer, pbts_eth_action_kind step, unsigned *times,
                              uint64_t now_ms) {
    unsigned doublings = *times < PBTS_ETH_BACKOFF_DOUBLINGS ? *times : PBTS_ETH_BACKOFF_DOUBLINGS;
    uint64_t rest_ms = writer->config.poll_ms << doublings;
    if (rest_ms > PBTS_ETH_WRITER_REST_MAX_MS) rest_ms = PBTS_ETH_WRITER_REST_MAX_MS;
    ++*times;
    writer->step = step;
    writer->not_before_ms = now_ms + rest_ms;
    writer->rests = true;
}

void pbts_eth_writer_stop(pbts_eth_writer *writer, pbts_eth_writer_problem problem) {
    writer->stopped = writer->rests = true;
    writer->problem = problem;
    writer->step = PBTS_ETH_READ;
    writer->not_before_ms = UINT64_MAX;
}

void pbts_eth_writer_persist(pbts_eth_writer *writer, const pbts_eth_outcome *outcome,
                             pbts_eth_action_kind after) {
    pbts_writer record = pbts_writer_over(writer->record, PBTS_ETH_JOURNAL_LEN_MAX);
    pbts_eth_journal_encode(&record, &writer->next);
    assert(!record.failed);
    writer->record_len = record.len;
    writer->outcome = *outcome;
    writer->after_persist = after;
    writer->step = PBTS_ETH_PERSIST;
}

void pbts_eth_writer_next(pbts_eth_writer *writer, pbts_eth_action *out, uint64_t now_ms) {
    pbts_eth_action action = { .kind = writer->step };
    if (writer->stopped || now_ms < writer->not_before_ms) {
        *out = (pbts_eth_action){ .kind = PBTS_ETH_REST, .until_ms = writer->not_before_ms };
        return;
    }
    switch (writer->step) {
    case PBTS_ETH_REST:
    case PBTS_ETH_READ:
    case PBTS_ETH_READ_DEEP: break;
    case PBTS_ETH_CHECK_BLOCK:
        action.block_number = writer->view.block_number;
        action.block_hash = writer->view.block_hash;
        break;
    case PBTS_ETH_CHOOSE: pbts_eth_writer_begin_choice(writer); break;
    case PBTS_ETH_ESTIMATE:
        pbts_eth_writer_render_call(writer, &writer->choice);
        action.call = (pbts_span){ writer->call, writer->call_len };
        break;
    case PBTS_ETH_PERSIST:
        action.record = (pbts_span){ writer->record, writer->record_len };
        action.outcome = writer->outcome;
        break;
    case PBTS_ETH_SEND:
        pbts_eth_writer_render_raw(writer);
        action.raw = (pbts_span){ writer->raw, writer->raw_len };
        action.raw_hash = writer->journal.batch.attempts[writer->sent_attempt].hash;
        break;
    case PBTS_ETH_RECEIPTS:
        action.hashes = writer->journal.batch.attempts;
        action.hashes_len = writer->journal.batch.attempts_len;
        break;
    }
    *out = action;
}

void pbts_eth_writer_wake(pbts_eth_writer *writer) {
    bool is_idle = !writer->stopped && phase_of(writer) == PBTS_ETH_IDLE;
    bool is_resting = writer->step == PBTS_ETH_READ || writer->step == PBTS_ETH_CHECK_BLOCK;
    if (is_idle && writer->problem == PBTS_ETH_NO_PROBLEM && is_resting) {
        writer->step = PBTS_ETH_READ;
        writer->not_before_ms = 0;
    }
}

/* ---- answers ---- */

void pbts_eth_writer_failed(pbts_eth_writer *writer, uint64_t now_ms) {
    pbts_eth_action_kind again = PBTS_ETH_READ;
    switch (writer->step) {
    case PBTS_ETH_SEND: pbts_eth_writer_sent(writer, PBTS_ETH_SEND_FAILED, now_ms); return;
    case PBTS_ETH_CHECK_BLOCK: pbts_eth_writer_checked(writer, false, now_ms); return;
    case PBTS_ETH_RECEIPTS:
        /* They are a hint; whoever keeps them back does not stop us. */
        if (++writer->doubts > PBTS_ETH_DOUBTS_MAX) {
            pbts_eth_writer_no_receipt(writer, now_ms);
            return;
        }
        break;
    case PBTS_ETH_PERSIST: again = PBTS_ETH_PERSIST; break;
    case PBTS_ETH_READ:
    case PBTS_ETH_READ_DEEP:
    case PBTS_ETH_ESTIMATE: break;
    case PBTS_ETH_REST:
    case PBTS_ETH_CHOOSE: assert(false);
    }
    writer->problem = PBTS_ETH_NO_ANSWER;
    pbts_eth_writer_back_off(writer, again, &writer->failures, now_ms);
}

void pbts_eth_writer_viewed_old(pbts_eth_writer *writer, uint64_t now_ms) {
    assert(writer->step == PBTS_ETH_READ || writer->step == PBTS_ETH_READ_DEEP);
    pbts_eth_writer_failed(writer, now_ms);
    writer->problem = PBTS_ETH_OLD_BLOCK;
}

void pbts_eth_writer_viewed(pbts_eth_writer *writer, const pbts_eth_view *view,
                            const pbts_eth_network_fees *fees, uint64_t now_ms) {
    assert(writer->step == PBTS_ETH_READ);
    writer->view = *view;
    writer->network = *fees;
    writer->has_view = true;
    writer->rests = false;
    pbts_eth_writer_judge(writer, now_ms);
}

void pbts_eth_writer_checked(pbts_eth_writer *writer, bool is_gone, uint64_t now_ms) {
    assert(writer->step == PBTS_ETH_CHECK_BLOCK);
    if (is_gone) {
        pbts_eth_writer_rest(writer, 0, now_ms);
    } else {
        check_or_read(writer, now_ms);
    }
}

/* What stays of a batch in flight when its record is gone from the journal: nothing. */
static void forget_batch(pbts_eth_writer *writer) {
    writer->was_mined = writer->was_sent = writer->wants_bump = writer->deep_asked = false;
    writer->refusals = writer->doubts = 0;
    writer->sent_attempt = 0;
}

void pbts_eth_writer_persisted(pbts_eth_writer *writer, uint64_t now_ms) {
    assert(writer->step == PBTS_ETH_PERSIST);
    bool was_in_flight = pbts_eth_writer_in_flight(writer);
    writer->journal = writer->next;
    writer->failures = 0;
    if (was_in_flight && !pbts_eth_writer_in_flight(writer)) forget_batch(writer);
    writer->step = writer->after_persist;
    writer->not_before_ms = now_ms;
}
