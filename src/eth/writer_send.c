/* Attempts: transactions of the batch in flight, what they offer, and what became of them. */
#include "eth/transaction.h"
#include "eth/writer_state.h"

static const pbts_eth_outcome NOTHING = { 0 };

/* ---- bytes ---- */

void pbts_eth_writer_render_call(pbts_eth_writer *writer, const pbts_eth_batch *batch) {
    pbts_writer call = pbts_writer_over(writer->call, PBTS_ETH_CALL_LEN_MAX);
    pbts_eth_batch_call(&call, batch);
    assert(!call.failed);
    writer->call_len = call.len;
}

/* Equal fields give equal bytes, so this is the same after a restart. */
static pbts_eth_hash render_attempt(pbts_eth_writer *writer, const pbts_eth_batch *batch,
                                    const pbts_eth_attempt *attempt) {
    pbts_writer raw = pbts_writer_over(writer->raw, PBTS_ETH_TRANSACTION_LEN_MAX);
    pbts_eth_writer_render_call(writer, batch);
    pbts_eth_transaction transaction = {
        .chain_id = writer->config.chain_id,
        .nonce = attempt->nonce,
        .max_priority_fee_wei = pbts_u256_from_u64(attempt->fees.max_priority_fee_wei),
        .max_fee_wei = pbts_u256_from_u64(attempt->fees.max_fee_wei),
        .gas_limit = attempt->gas_limit,
        .to = writer->config.contract,
        .data = { writer->call, writer->call_len },
    };
    pbts_status status =
        pbts_eth_transaction_sign(&raw, &transaction, writer->signer, writer->secret);
    assert(status == PBTS_OK);
    writer->raw_len = raw.len;
    return pbts_eth_hash_of(pbts_writer_span(&raw));
}

bool pbts_eth_writer_attempt_is_ours(pbts_eth_writer *writer, size_t index) {
    const pbts_eth_attempt *attempt = &writer->journal.batch.attempts[index];
    pbts_eth_hash hash = render_attempt(writer, &writer->journal.batch, attempt);
    return pbts_eth_hash_equal(&hash, &attempt->hash);
}

void pbts_eth_writer_render_raw(pbts_eth_writer *writer) {
    bool is_ours = pbts_eth_writer_attempt_is_ours(writer, writer->sent_attempt);
    assert(is_ours);
}

/* ---- signing ---- */

static bool can_pay(pbts_eth_writer *writer, const pbts_eth_fees *fees, uint64_t gas_limit) {
    if (pbts_eth_fees_affordable(&writer->view.balance_wei, fees, gas_limit)) return true;
    writer->problem = PBTS_ETH_NO_FUNDS;
    return false;
}

/* Add an attempt to next's batch, and have it in the journal before it is sent. */
static void sign(pbts_eth_writer *writer, const pbts_eth_fees *fees, uint64_t gas_limit) {
    pbts_eth_batch *batch = &writer->next.batch;
    assert(batch->attempts_len < PBTS_ETH_ATTEMPTS_MAX);
    pbts_eth_attempt *attempt = &batch->attempts[batch->attempts_len];
    *attempt =
        (pbts_eth_attempt){ .nonce = writer->view.nonce, .gas_limit = gas_limit, .fees = *fees };
    attempt->hash = render_attempt(writer, batch, attempt);
    writer->sent_attempt = batch->attempts_len++;
    writer->was_sent = writer->wants_bump = false;
    writer->problem = PBTS_ETH_NO_PROBLEM;
    pbts_eth_writer_persist(writer, &NOTHING, PBTS_ETH_SEND);
}

/* More than what was left behind in the pools. Where the cap does not allow that: what anybody
 * would offer, as the one that was left is forgotten or mined in the end. */
static pbts_status first_fees(const pbts_eth_writer *writer, pbts_eth_fees *out) {
    const pbts_eth_journal *journal = &writer->journal;
    const pbts_eth_fees *cap = &writer->config.fee_cap, *left = &journal->left_fees;
    bool replaces = left->max_fee_wei > 0 && journal->left_nonce == writer->view.nonce;
    if (replaces && pbts_eth_fees_bump(out, left, &writer->network, cap) == PBTS_OK) return PBTS_OK;
    return pbts_eth_fees_first(out, &writer->network, cap);
}

void pbts_eth_writer_sign_first(pbts_eth_writer *writer, uint64_t gas_limit, uint64_t now_ms) {
    pbts_eth_fees fees;
    pbts_eth_batch *choice = &writer->choice;
    if (first_fees(writer, &fees) != PBTS_OK) {
        writer->problem = PBTS_ETH_FEE_CAP;
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
        return;
    }
    if (!can_pay(writer, &fees, gas_limit)) {
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
        return;
    }
    choice->head = pbts_eth_writer_base(writer)->head;
    if (choice->kind != PBTS_ETH_SEAL) {
        choice->head = pbts_reputation_head_next(&choice->head, choice->rows);
    }
    choice->call_hash = pbts_eth_batch_call_hash(choice);
    writer->next = writer->journal;
    writer->next.batch = *choice;
    sign(writer, &fees, gas_limit);
}

/* Sign the batch in flight again, for the nonce of the view: with higher fees than last time, or,
 * as another nonce replaces nothing, with the same. */
static bool sign_again(pbts_eth_writer *writer, const pbts_eth_attempt *last, bool replaces) {
    const pbts_eth_fees *cap = &writer->config.fee_cap;
    pbts_eth_fees fees = last->fees;
    if (writer->journal.batch.attempts_len == PBTS_ETH_ATTEMPTS_MAX) return false;
    pbts_status status = pbts_eth_fees_bump(&fees, &last->fees, &writer->network, cap);
    if (status != PBTS_OK && writer->wants_bump) {
        status = pbts_eth_fees_bump_capped(&fees, &last->fees, &writer->network, cap);
    }
    if (status != PBTS_OK && replaces) {
        writer->problem = PBTS_ETH_FEE_CAP;
        return false;
    }
    if (!can_pay(writer, &fees, last->gas_limit)) return false;
    writer->next = writer->journal;
    sign(writer, &fees, last->gas_limit);
    return true;
}

/* ---- pushing ---- */

static void send(pbts_eth_writer *writer, size_t attempt) {
    if (writer->sent_attempt != attempt) writer->was_sent = false;
    writer->sent_attempt = attempt;
    writer->step = PBTS_ETH_SEND;
}

static void resend_or_rest(pbts_eth_writer *writer, size_t attempt, uint64_t now_ms) {
    bool is_due = !writer->was_sent || writer->sent_attempt != attempt ||
                  now_ms - writer->sent_ms >= writer->config.resend_ms;
    if (is_due) {
        send(writer, attempt);
    } else {
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
    }
}

static void give_up_smaller(pbts_eth_writer *writer) {
    pbts_eth_writer_shrink(writer);
    pbts_eth_writer_give_up(writer);
}

/* Another nonce for the same batch. The contract's sequence sees to it that one of them counts. */
static void renonce(pbts_eth_writer *writer, uint64_t now_ms) {
    const pbts_eth_batch *batch = &writer->journal.batch;
    unsigned changes = 0;
    for (size_t i = 1; i < batch->attempts_len; i++) {
        if (batch->attempts[i].nonce != batch->attempts[i - 1].nonce) changes++;
    }
    if (changes >= PBTS_ETH_WRITER_RENONCE_MAX || batch->attempts_len == PBTS_ETH_ATTEMPTS_MAX) {
        give_up_smaller(writer);
    } else if (!sign_again(writer, &batch->attempts[batch->attempts_len - 1], false)) {
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
    }
}

/* The attempt with the view's nonce that offers most: the last. */
static bool find_current(const pbts_eth_writer *writer, size_t *out, bool *has_later_nonce) {
    const pbts_eth_batch *batch = &writer->journal.batch;
    bool found = false;
    *has_later_nonce = false;
    for (size_t i = 0; i < batch->attempts_len; i++) {
        if (batch->attempts[i].nonce > writer->view.nonce) *has_later_nonce = true;
        if (batch->attempts[i].nonce != writer->view.nonce) continue;
        *out = i;
        found = true;
    }
    return found;
}

/* Transactions before ours are missing: they may come back, but not for ever. */
static void wait_for_gap(pbts_eth_writer *writer, uint64_t now_ms) {
    size_t last = writer->journal.batch.attempts_len - 1;
    if (writer->was_sent && writer->sent_attempt == last &&
        now_ms - writer->attempt_ms >= 2 * writer->config.bump_ms) {
        renonce(writer, now_ms);
    } else {
        resend_or_rest(writer, last, now_ms);
    }
}

/* The cap would allow more than the last attempt offers, and there is no room for another: a new
 * batch has some. */
static bool is_used_up(const pbts_eth_writer *writer, const pbts_eth_attempt *last) {
    pbts_eth_fees more;
    return writer->journal.batch.attempts_len == PBTS_ETH_ATTEMPTS_MAX &&
           pbts_eth_fees_bump(&more, &last->fees, &writer->network, &writer->config.fee_cap) ==
               PBTS_OK;
}

void pbts_eth_writer_push(pbts_eth_writer *writer, uint64_t now_ms) {
    size_t current;
    bool has_later_nonce;
    if (!find_current(writer, &current, &has_later_nonce)) {
        if (has_later_nonce) {
            wait_for_gap(writer, now_ms);
        } else {
            writer->step = PBTS_ETH_RECEIPTS; /* the nonce is used up: by which transaction? */
        }
        return;
    }
    bool is_slow = writer->was_sent && writer->sent_attempt == current &&
                   now_ms - writer->attempt_ms >= writer->config.bump_ms;
    if (is_slow && is_used_up(writer, &writer->journal.batch.attempts[current])) {
        pbts_eth_writer_give_up(writer);
        return;
    }
    if ((writer->wants_bump || is_slow) &&
        sign_again(writer, &writer->journal.batch.attempts[current], true)) {
        return;
    }
    resend_or_rest(writer, current, now_ms);
}

/* ---- answers ---- */

static void refused(pbts_eth_writer *writer, uint64_t now_ms) {
    writer->problem = PBTS_ETH_REFUSED;
    writer->was_sent = false;
    if (++writer->refusals >= PBTS_ETH_WRITER_REFUSED_MAX &&
        pbts_eth_journal_has_room(&writer->journal)) {
        give_up_smaller(writer);
    } else {
        pbts_eth_writer_back_off(writer, PBTS_ETH_READ, &writer->troubles, now_ms);
    }
}

void pbts_eth_writer_sent(pbts_eth_writer *writer, pbts_eth_send_result result, uint64_t now_ms) {
    assert(writer->step == PBTS_ETH_SEND);
    if (!writer->was_sent) writer->attempt_ms = now_ms;
    writer->was_sent = true;
    writer->sent_ms = now_ms;
    switch (result) {
    case PBTS_ETH_SEND_ACCEPTED:
        if (writer->problem != PBTS_ETH_FEE_CAP) writer->problem = PBTS_ETH_NO_PROBLEM;
        writer->troubles = writer->refusals = 0;
        break;
    case PBTS_ETH_SEND_NONCE_TOO_LOW: /* ours, or another one: the next view says */ break;
    case PBTS_ETH_SEND_UNDERPRICED: writer->wants_bump = true; break;
    case PBTS_ETH_SEND_NO_FUNDS: writer->problem = PBTS_ETH_NO_FUNDS; break;
    case PBTS_ETH_SEND_REFUSED: refused(writer, now_ms); return;
    case PBTS_ETH_SEND_FAILED:
        writer->problem = PBTS_ETH_NO_ANSWER;
        writer->was_sent = false;
        pbts_eth_writer_back_off(writer, PBTS_ETH_READ, &writer->troubles, now_ms);
        return;
    }
    pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
}

void pbts_eth_writer_receipt(pbts_eth_writer *writer, bool succeeded, uint64_t now_ms) {
    assert(writer->step == PBTS_ETH_RECEIPTS);
    if (!succeeded) {
        give_up_smaller(writer);
    } else if (++writer->doubts > PBTS_ETH_DOUBTS_MAX) {
        renonce(writer, now_ms);
    } else { /* of a newer block than the view's, or a lie */
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
    }
}

void pbts_eth_writer_no_receipt(pbts_eth_writer *writer, uint64_t now_ms) {
    assert(writer->step == PBTS_ETH_RECEIPTS);
    renonce(writer, now_ms);
}
