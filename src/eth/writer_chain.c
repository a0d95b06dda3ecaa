/* What a view of the contract means for the batch in flight. */
#include "eth/writer_state.h"

/* ---- heads ---- */

static bool is_at(const pbts_reputation_state *state, uint64_t sequence,
                  const pbts_eth_hash *head) {
    return state->sequence == sequence && pbts_eth_hash_equal(&state->head, head);
}

/* The oldest head that nothing may lead to any more; heads_len: there is none. */
static size_t oldest_behind(const pbts_eth_journal *journal) {
    size_t i = 0;
    while (
        i < journal->heads_len &&
        (i == journal->base || journal->heads[i].sequence > journal->heads[journal->base].sequence))
        i++;
    return i;
}

bool pbts_eth_journal_has_room(const pbts_eth_journal *journal) {
    return journal->heads_len < PBTS_ETH_HEADS_MAX || oldest_behind(journal) < journal->heads_len;
}

static void forget_oldest(pbts_eth_journal *journal) {
    size_t oldest = oldest_behind(journal);
    if (oldest == journal->heads_len) oldest = journal->base == 0 ? 1 : 0;
    memmove(&journal->heads[oldest], &journal->heads[oldest + 1],
            (journal->heads_len - oldest - 1) * sizeof journal->heads[0]);
    journal->heads_len--;
    if (journal->base > oldest) journal->base--;
}

size_t pbts_eth_journal_know(pbts_eth_journal *journal, const pbts_eth_known_head *head) {
    for (size_t i = 0; i < journal->heads_len; i++) {
        pbts_eth_known_head *known = &journal->heads[i];
        if (known->sequence != head->sequence) continue;
        if (!pbts_eth_hash_equal(&known->head, &head->head)) continue;
        if (known->certain < head->certain) known->certain = head->certain;
        return i;
    }
    if (journal->heads_len == PBTS_ETH_HEADS_MAX) forget_oldest(journal);
    journal->heads[journal->heads_len] = *head;
    return journal->heads_len++;
}

/* The batch in flight as it is known afterwards. */
static pbts_eth_known_head known_batch(const pbts_eth_journal *journal) {
    const pbts_eth_batch *batch = &journal->batch;
    return (pbts_eth_known_head){ .sequence = batch->sequence,
                                  .head = batch->head,
                                  .batch_hash = pbts_eth_hash_of(batch->rows),
                                  .certain = journal->heads[journal->base].sequence };
}

static bool takes_sequence(const pbts_eth_batch *batch) {
    return batch->kind != PBTS_ETH_NO_BATCH && batch->kind != PBTS_ETH_SEAL;
}

static void clear_batch(pbts_eth_journal *journal) {
    const pbts_eth_batch *batch = &journal->batch;
    if (takes_sequence(batch)) {
        pbts_eth_known_head head = known_batch(journal);
        pbts_eth_journal_know(journal, &head);
    }
    if (batch->kind != PBTS_ETH_NO_BATCH) {
        journal->left_nonce = batch->attempts[batch->attempts_len - 1].nonce;
        journal->left_fees = batch->attempts[batch->attempts_len - 1].fees;
    }
    journal->batch = (pbts_eth_batch){ 0 };
}

void pbts_eth_writer_give_up(pbts_eth_writer *writer) {
    static const pbts_eth_outcome NOTHING = { 0 };
    writer->next = writer->journal;
    clear_batch(&writer->next);
    pbts_eth_writer_persist(writer, &NOTHING, PBTS_ETH_READ);
}

/* ---- where the contract stands ---- */

typedef enum { AT_BASE, AT_BATCH, AT_OTHER_HEAD, AT_FOREIGN_HEAD } place;

static bool has_sealed(const pbts_eth_batch *batch, const pbts_reputation_state *state) {
    return batch->kind == PBTS_ETH_SEAL && state->sealed &&
           memcmp(batch->rows.data, state->successor.bytes, sizeof state->successor.bytes) == 0;
}

/* The contract takes a batch by its number alone, so after a reorg one may stand on another batch
 * than it was made for: try every batch of ours on every head that ours can lead to. */
static bool derive(const pbts_eth_journal *journal, const pbts_reputation_state *state,
                   pbts_eth_known_head *out) {
    pbts_eth_journal all = *journal;
    pbts_eth_known_head heads[PBTS_ETH_DERIVED_MAX];
    size_t len = journal->heads_len;
    if (takes_sequence(&all.batch)) clear_batch(&all);
    memcpy(heads, journal->heads, len * sizeof heads[0]);
    for (size_t i = 0; i < len; i++) {
        for (size_t b = 0; b < all.heads_len; b++) {
            pbts_eth_known_head next = all.heads[b];
            if (next.sequence != heads[i].sequence + 1) continue;
            uint8_t pair[2 * PBTS_ETH_HASH_LEN];
            memcpy(pair, heads[i].head.bytes, PBTS_ETH_HASH_LEN);
            memcpy(pair + PBTS_ETH_HASH_LEN, next.batch_hash.bytes, PBTS_ETH_HASH_LEN);
            next.head = pbts_eth_hash_of(PBTS_SPAN_OF(pair));
            /* Nor is what was written since this batch was made certain: the rows may be older. */
            next.certain = heads[i].certain < next.certain ? heads[i].certain : next.certain;
            if (is_at(state, next.sequence, &next.head)) {
                *out = next;
                return true;
            }
            bool is_new = true;
            for (size_t h = 0; h < len && is_new; h++) {
                is_new = !pbts_eth_hash_equal(&heads[h].head, &next.head);
            }
            if (is_new && len < PBTS_ETH_DERIVED_MAX) heads[len++] = next;
        }
    }
    return false;
}

static place locate(const pbts_eth_writer *writer, const pbts_reputation_state *state,
                    pbts_eth_known_head *other) {
    const pbts_eth_journal *journal = &writer->journal;
    const pbts_eth_batch *batch = &journal->batch;
    const pbts_eth_known_head *base = pbts_eth_writer_base(writer);
    if (is_at(state, base->sequence, &base->head)) {
        return has_sealed(batch, state) ? AT_BATCH : AT_BASE;
    }
    if (takes_sequence(batch) && is_at(state, batch->sequence, &batch->head)) return AT_BATCH;
    for (size_t i = 0; i < journal->heads_len; i++) {
        *other = journal->heads[i];
        if (is_at(state, other->sequence, &other->head)) return AT_OTHER_HEAD;
    }
    return derive(journal, state, other) ? AT_OTHER_HEAD : AT_FOREIGN_HEAD;
}

/* The chain took another way: back behind what was confirmed, or to a batch that was given up.
 * What the host was told about sequences that are not certain there is taken back. */
static void rebase(pbts_eth_writer *writer, pbts_eth_known_head base) {
    pbts_eth_journal *next = &writer->next;
    pbts_eth_outcome outcome = { .kind = PBTS_ETH_REWOUND, .sequence = base.certain };
    uint64_t number = writer->view.block_number, depth = writer->config.depth_blocks;
    *next = writer->journal;
    clear_batch(next);
    for (size_t i = 0; i < next->heads_len; i++) {
        pbts_eth_known_head *known = &next->heads[i];
        if (known->certain > outcome.sequence) known->certain = outcome.sequence;
    }
    base.certain = base.sequence; /* nothing behind it is said to be written any more */
    next->base = pbts_eth_journal_know(next, &base);
    next->base_block = number > depth ? number - depth : 0;
    writer->reorgs++;
    pbts_eth_writer_persist(writer, &outcome, PBTS_ETH_READ);
}

/* ---- judging ---- */

static void wait_for_depth(pbts_eth_writer *writer, uint64_t now_ms) {
    if (!writer->was_mined) {
        writer->was_mined = true;
        writer->deep_asked = false;
        writer->mined_block = writer->view.block_number;
    }
    uint64_t behind = writer->view.block_number - writer->mined_block;
    bool is_due =
        writer->view.block_number >= writer->mined_block && behind >= writer->config.depth_blocks;
    /* At once too: after a restart it may have been there for long. */
    if (is_due || !writer->deep_asked) {
        writer->deep_asked = true;
        writer->step = PBTS_ETH_READ_DEEP;
        return;
    }
    pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
}

static void at_base(pbts_eth_writer *writer, uint64_t now_ms) {
    if (writer->was_mined) { /* it is not any more */
        writer->was_mined = writer->was_sent = false;
        writer->reorgs++;
    }
    if (writer->view.state.sealed) {
        writer->problem = PBTS_ETH_SEALED;
        pbts_eth_writer_idle(writer, now_ms);
    } else if (pbts_eth_writer_in_flight(writer)) {
        pbts_eth_writer_push(writer, now_ms);
    } else {
        writer->step = PBTS_ETH_CHOOSE;
    }
}

static bool may_write(pbts_eth_writer *writer) {
    const pbts_reputation_state *state = &writer->view.state;
    if (!pbts_eth_address_equal(&state->owner, &writer->address)) {
        pbts_eth_writer_stop(writer, PBTS_ETH_NOT_OWNER);
        return false;
    }
    if (state->mode != PBTS_REPUTATION_NO_MODE && state->mode != writer->config.mode) {
        pbts_eth_writer_stop(writer, PBTS_ETH_OTHER_MODE);
        return false;
    }
    return true;
}

/* Whoever wrote since the store was filled has values that the store has not. */
static void look_before_begin(pbts_eth_writer *writer) {
    const pbts_eth_writer_config *config = &writer->config;
    if (config->has_start &&
        !is_at(&writer->view.state, config->start_sequence, &config->start_head)) {
        pbts_eth_writer_stop(writer, PBTS_ETH_CONFLICT);
        return;
    }
    writer->problem = PBTS_ETH_NO_PROBLEM;
    writer->step = PBTS_ETH_READ_DEEP;
}

void pbts_eth_writer_judge(pbts_eth_writer *writer, uint64_t now_ms) {
    pbts_eth_known_head other;
    writer->failures = 0;
    if (!may_write(writer)) return;
    if (writer->journal.heads_len == 0) {
        look_before_begin(writer);
        return;
    }
    if (writer->view.block_number < writer->journal.base_block) {
        writer->problem = PBTS_ETH_BEHIND;
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
        return;
    }
    bool is_about_sending =
        writer->problem == PBTS_ETH_FEE_CAP || writer->problem == PBTS_ETH_NO_FUNDS ||
        writer->problem == PBTS_ETH_REFUSED || writer->problem == PBTS_ETH_CLOCK;
    if (!is_about_sending) writer->problem = PBTS_ETH_NO_PROBLEM;
    switch (locate(writer, &writer->view.state, &other)) {
    case AT_BASE: at_base(writer, now_ms); return;
    case AT_BATCH:
        writer->problem = PBTS_ETH_NO_PROBLEM;
        wait_for_depth(writer, now_ms);
        return;
    case AT_OTHER_HEAD: rebase(writer, other); return;
    case AT_FOREIGN_HEAD: pbts_eth_writer_stop(writer, PBTS_ETH_CONFLICT); return;
    }
}

/* ---- deep views ---- */

/* The first of all: what nobody can take back any more, provided that nothing came after it. */
static void begin(pbts_eth_writer *writer, const pbts_eth_view *deep, uint64_t now_ms) {
    static const pbts_eth_outcome NOTHING = { 0 };
    const pbts_reputation_state *newest = &writer->view.state;
    if (!is_at(newest, deep->state.sequence, &deep->state.head)) {
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
        return;
    }
    writer->next = (pbts_eth_journal){
        .chain_id = writer->config.chain_id,
        .contract = writer->config.contract,
        .sender = writer->address,
        .heads_len = 1,
        .heads = { { .sequence = newest->sequence,
                     .head = newest->head,
                     .certain = newest->sequence } },
        .base_block = deep->block_number,
    };
    pbts_eth_writer_persist(writer, &NOTHING, PBTS_ETH_READ);
}

static void confirm(pbts_eth_writer *writer, const pbts_eth_view *deep) {
    const pbts_eth_batch *batch = &writer->journal.batch;
    pbts_eth_outcome outcome = { .kind = PBTS_ETH_WRITTEN, .batch = batch };
    writer->next = writer->journal;
    writer->next.batch = (pbts_eth_batch){ 0 };
    if (takes_sequence(batch)) {
        pbts_eth_known_head head = known_batch(&writer->journal);
        head.certain = head.sequence;
        writer->next.base = pbts_eth_journal_know(&writer->next, &head);
    }
    writer->next.base_block = deep->block_number;
    writer->registered_last = batch->kind == PBTS_ETH_REGISTER;
    if (writer->rows_cap < SIZE_MAX / 2) writer->rows_cap *= 2;
    writer->distrusts_gas = false;
    writer->troubles = 0;
    pbts_eth_writer_persist(writer, &outcome, PBTS_ETH_READ);
}

void pbts_eth_writer_viewed_deep(pbts_eth_writer *writer, const pbts_eth_view *view,
                                 uint64_t now_ms) {
    pbts_eth_known_head other;
    assert(writer->step == PBTS_ETH_READ_DEEP);
    writer->failures = 0;
    if (writer->journal.heads_len == 0) {
        begin(writer, view, now_ms);
    } else if (locate(writer, &view->state, &other) == AT_BATCH) {
        confirm(writer, view);
    } else {
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
    }
}
