/* Which rows go into the next batch, and what they may cost. */
#include "base/epoch.h"
#include "eth/reputation_root.h"
#include "eth/writer_state.h"

enum {
    /* The most gas that a row can take, with its calldata; contracts/GAS.tsv has what it does take.
     * A write: two reads and a first store of a word. Register: two first stores, an event of 4
     * words and a key, SHA-256. Adopt: that, and two reads at the referrer. */
    GAS_PER_REGISTER = 60000,
    GAS_PER_WRITE = 28000,
    GAS_PER_ADOPT = 66000,
    GAS_PER_BYTE = 40,      /* of calldata, EIP-7623's floor */
    GAS_PER_CALL = 21000,   /* of any transaction */
    GAS_PER_BATCH = 150000, /* that, five slots that change for the first time, the event */
    GAS_SPARE = 10000,
};

/* ---- limits ---- */

static uint64_t gas_per_row(pbts_eth_batch_kind kind) {
    switch (kind) {
    case PBTS_ETH_REGISTER: return GAS_PER_REGISTER;
    case PBTS_ETH_WRITE: return GAS_PER_WRITE;
    case PBTS_ETH_ADOPT: return GAS_PER_ADOPT;
    case PBTS_ETH_ROOT:
    case PBTS_ETH_SEAL:
    case PBTS_ETH_NO_BATCH: break;
    }
    return GAS_PER_BYTE; /* a row is a byte */
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* So many rows fit whatever is in them. */
static size_t rows_by_gas(pbts_eth_batch_kind kind) {
    return (PBTS_ETH_TRANSACTION_GAS_MAX - GAS_PER_BATCH) / gas_per_row(kind);
}

/* Writes of words that are there already take a fifth of what a first one does. So as many are
 * tried as nodes take bytes, and the estimate says how many of them fit. */
static size_t rows_max(const pbts_eth_writer *writer, pbts_eth_batch_kind kind) {
    size_t by_bytes = PBTS_ETH_BATCH_LEN_MAX / pbts_eth_batch_row_len(kind);
    size_t rows = smaller(by_bytes, writer->rows_cap);
    if (kind != PBTS_ETH_WRITE || writer->distrusts_gas) rows = smaller(rows, rows_by_gas(kind));
    if (kind != PBTS_ETH_ROOT && writer->config.rows_max > 0) {
        rows = smaller(rows, writer->config.rows_max);
    }
    return rows;
}

size_t pbts_eth_writer_root_len_max(const pbts_eth_writer *writer) {
    size_t len = rows_max(writer, PBTS_ETH_ROOT);
    return len > PBTS_REPUTATION_ROOT_ENTRY_MAX ? len : PBTS_REPUTATION_ROOT_ENTRY_MAX;
}

void pbts_eth_writer_shrink(pbts_eth_writer *writer) {
    const pbts_eth_batch *batch = &writer->journal.batch;
    size_t rows = batch->rows.len / pbts_eth_batch_row_len(batch->kind);
    writer->rows_cap = rows > 1 ? rows / 2 : 1;
    writer->distrusts_gas = true;
}

/* ---- offers ---- */

void pbts_eth_writer_begin_choice(pbts_eth_writer *writer) {
    memset(writer->rows_len, 0, sizeof writer->rows_len);
    writer->has_root = writer->has_seal = false;
}

static bool has_room(const pbts_eth_writer *writer, pbts_eth_batch_kind kind) {
    size_t row_len = pbts_eth_batch_row_len(kind);
    return writer->rows_len[kind] + row_len <= rows_max(writer, kind) * row_len;
}

bool pbts_eth_writer_offer(pbts_eth_writer *writer, const pbts_reputation_account *account,
                           pbts_eth_presence presence) {
    static const pbts_eth_batch_kind KINDS[] = { [PBTS_ETH_ABSENT] = PBTS_ETH_REGISTER,
                                                 [PBTS_ETH_IN_REFERRER] = PBTS_ETH_ADOPT,
                                                 [PBTS_ETH_PRESENT] = PBTS_ETH_WRITE };
    pbts_eth_batch_kind kind = KINDS[presence];
    size_t row_len = pbts_eth_batch_row_len(kind), *len = &writer->rows_len[kind];
    assert(writer->step == PBTS_ETH_CHOOSE && writer->config.mode == PBTS_REPUTATION_SLOTS);
    if (has_room(writer, kind)) {
        pbts_writer row = pbts_writer_over(writer->rows[kind] + *len, row_len);
        if (kind == PBTS_ETH_REGISTER) pbts_reputation_register_row_write(&row, account);
        if (kind == PBTS_ETH_ADOPT) pbts_reputation_adopt_row_write(&row, account);
        if (kind == PBTS_ETH_WRITE) pbts_reputation_write_row_write(&row, account);
        assert(!row.failed && row.len == row_len);
        *len += row_len;
    }
    return has_room(writer, PBTS_ETH_REGISTER) || has_room(writer, PBTS_ETH_WRITE);
}

pbts_status pbts_eth_writer_offer_root(pbts_eth_writer *writer, uint32_t user_count,
                                       const uint8_t root[static 32], pbts_span data) {
    assert(writer->step == PBTS_ETH_CHOOSE && writer->config.mode == PBTS_REPUTATION_ROOT);
    if (data.len == 0 || data.len > pbts_eth_writer_root_len_max(writer)) return PBTS_LIMIT;
    memcpy(writer->rows[PBTS_ETH_WRITE], data.data, data.len);
    memcpy(writer->root, root, sizeof writer->root);
    writer->rows_len[PBTS_ETH_WRITE] = data.len;
    writer->root_user_count = user_count;
    writer->has_root = true;
    return PBTS_OK;
}

void pbts_eth_writer_offer_seal(pbts_eth_writer *writer, const pbts_eth_address *successor) {
    assert(writer->step == PBTS_ETH_CHOOSE);
    writer->successor = *successor;
    writer->has_seal = true;
}

/* ---- the batch ---- */

/* Whoever registers new users all the time must not keep the others' totals out: every other batch
 * is theirs. */
static pbts_eth_batch_kind chosen_kind(const pbts_eth_writer *writer) {
    if (writer->has_root) return PBTS_ETH_ROOT;
    if (writer->registered_last && writer->rows_len[PBTS_ETH_WRITE] > 0) return PBTS_ETH_WRITE;
    if (writer->rows_len[PBTS_ETH_REGISTER] > 0) return PBTS_ETH_REGISTER;
    if (writer->rows_len[PBTS_ETH_ADOPT] > 0) return PBTS_ETH_ADOPT;
    if (writer->rows_len[PBTS_ETH_WRITE] > 0) return PBTS_ETH_WRITE;
    return writer->has_seal ? PBTS_ETH_SEAL : PBTS_ETH_NO_BATCH;
}

static void build(pbts_eth_writer *writer, pbts_eth_batch_kind kind, uint64_t epoch) {
    size_t buffer = kind <= PBTS_ETH_ADOPT ? kind : PBTS_ETH_WRITE;
    pbts_eth_batch *choice = &writer->choice;
    *choice = (pbts_eth_batch){
        .kind = kind,
        .sequence = pbts_eth_writer_base(writer)->sequence + (kind == PBTS_ETH_SEAL ? 0 : 1),
        .epoch = epoch > writer->view.state.epoch ? epoch : writer->view.state.epoch,
    };
    if (kind == PBTS_ETH_ROOT) {
        choice->user_count = writer->root_user_count;
        memcpy(choice->root, writer->root, sizeof choice->root);
    }
    if (kind == PBTS_ETH_SEAL) {
        memcpy(writer->rows[buffer], writer->successor.bytes, sizeof writer->successor.bytes);
        writer->rows_len[buffer] = sizeof writer->successor.bytes;
    }
    choice->rows = (pbts_span){ writer->rows[buffer], writer->rows_len[buffer] };
}

/* The last moment that may be in a batch. */
static uint64_t latest_unix_s(const pbts_eth_writer *writer) {
    uint64_t ahead_s = writer->config.clock_ahead_max_s, block_s = writer->view.block_unix_s;
    return ahead_s < UINT64_MAX - block_s ? block_s + ahead_s : UINT64_MAX;
}

void pbts_eth_writer_offered(pbts_eth_writer *writer, uint64_t unix_s, uint64_t counted_epoch,
                             uint64_t now_ms) {
    pbts_eth_batch_kind kind = chosen_kind(writer);
    uint64_t latest_s = latest_unix_s(writer);
    assert(writer->step == PBTS_ETH_CHOOSE);
    if (kind == PBTS_ETH_NO_BATCH) {
        writer->problem = PBTS_ETH_NO_PROBLEM;
        pbts_eth_writer_idle(writer, now_ms);
        return;
    }
    if (counted_epoch > pbts_epoch_at(latest_s)) {
        writer->problem = PBTS_ETH_CLOCK;
        pbts_eth_writer_rest(writer, writer->config.poll_ms, now_ms);
        return;
    }
    if (writer->problem == PBTS_ETH_CLOCK) writer->problem = PBTS_ETH_NO_PROBLEM;
    uint64_t epoch = pbts_epoch_at(unix_s < latest_s ? unix_s : latest_s);
    build(writer, kind, epoch > counted_epoch ? epoch : counted_epoch);
    writer->step = PBTS_ETH_ESTIMATE;
}

/* ---- what it costs, or why it cannot be ---- */

static size_t chosen_rows(const pbts_eth_writer *writer) {
    return writer->choice.rows.len / pbts_eth_batch_row_len(writer->choice.kind);
}

/* Leave only the first rows, and ask again. */
static void keep_rows(pbts_eth_writer *writer, size_t rows) {
    assert(rows > 0 && rows < chosen_rows(writer));
    writer->choice.rows.len = rows * pbts_eth_batch_row_len(writer->choice.kind);
    writer->step = PBTS_ETH_ESTIMATE;
}

static void set_aside(pbts_eth_writer *writer, const pbts_reputation_revert *revert) {
    pbts_eth_outcome outcome = { .kind = PBTS_ETH_SET_ASIDE,
                                 .batch = &writer->choice,
                                 .revert = *revert };
    writer->next = writer->journal;
    pbts_eth_writer_persist(writer, &outcome, PBTS_ETH_READ);
}

/* Rows that cannot be told apart: try later, in root mode with less. */
static void try_later(pbts_eth_writer *writer, uint64_t now_ms) {
    if (writer->choice.kind == PBTS_ETH_ROOT) writer->rows_cap = writer->choice.rows.len / 2;
    writer->problem = PBTS_ETH_REFUSED;
    pbts_eth_writer_back_off(writer, PBTS_ETH_READ, &writer->troubles, now_ms);
}

static bool has_rows(pbts_eth_batch_kind kind) {
    return kind != PBTS_ETH_ROOT && kind != PBTS_ETH_SEAL;
}

static uint64_t gas_limit_for(const pbts_eth_writer *writer, uint64_t gas) {
    const pbts_eth_batch *choice = &writer->choice;
    uint64_t limit = gas + gas / 4 + GAS_SPARE;
    uint64_t least = GAS_PER_CALL + GAS_SPARE + GAS_PER_BYTE * (uint64_t)choice->rows.len;
    if (writer->distrusts_gas) {
        least = GAS_PER_BATCH + gas_per_row(choice->kind) * chosen_rows(writer);
    }
    if (limit < least) limit = least;
    return limit < PBTS_ETH_TRANSACTION_GAS_MAX ? limit : PBTS_ETH_TRANSACTION_GAS_MAX;
}

/* An estimate is a hint. It may cut a batch down to what the most expensive rows would
 * allow, and no further: whoever names too much must not keep an account from being written. */
void pbts_eth_writer_estimated(pbts_eth_writer *writer, uint64_t gas, uint64_t now_ms) {
    static const uint64_t MOST = PBTS_ETH_TRANSACTION_GAS_MAX - PBTS_ETH_TRANSACTION_GAS_MAX / 8;
    pbts_eth_batch_kind kind = writer->choice.kind;
    assert(writer->step == PBTS_ETH_ESTIMATE);
    writer->failures = 0;
    size_t rows = chosen_rows(writer), safe = rows_by_gas(kind);
    if (gas <= MOST) {
        pbts_eth_writer_sign_first(writer, gas_limit_for(writer, gas), now_ms);
    } else if (rows <= safe) {
        uint64_t most = GAS_PER_BATCH + gas_per_row(kind) * rows;
        pbts_eth_writer_sign_first(writer, gas_limit_for(writer, most), now_ms);
    } else {
        uint64_t fitting = MOST / (gas / rows + 1);
        keep_rows(writer, fitting > safe && fitting < rows ? (size_t)fitting : safe);
    }
}

/* Bring the row of a user to the front. */
static bool isolate(pbts_eth_writer *writer, const uint8_t uid_hash[static 32]) {
    size_t row_len = pbts_eth_batch_row_len(writer->choice.kind);
    uint8_t *rows = writer->rows[writer->choice.kind];
    for (size_t at = 0; at < writer->choice.rows.len; at += row_len) {
        if (memcmp(rows + at, uid_hash, 32) != 0) continue;
        memmove(rows, rows + at, row_len);
        return true;
    }
    return false;
}

static bool is_about_rows(pbts_reputation_revert_kind kind) {
    switch (kind) {
    case PBTS_REVERT_NOT_OWNER:
    case PBTS_REVERT_ALREADY_SEALED:
    case PBTS_REVERT_WRONG_SEQUENCE:
    case PBTS_REVERT_EPOCH_FELL:
    case PBTS_REVERT_WRONG_MODE:
    case PBTS_REVERT_TOO_MANY_USERS:
    case PBTS_REVERT_NO_REFERRER:
    case PBTS_REVERT_REFERRER_FAILED: return false;
    default: return true;
    }
}

/* One that is named is tried alone, so that a wrong name costs no more than a small batch. */
void pbts_eth_writer_reverted(pbts_eth_writer *writer, pbts_span data, uint64_t now_ms) {
    pbts_reputation_revert revert = pbts_reputation_revert_decode(data);
    assert(writer->step == PBTS_ETH_ESTIMATE);
    writer->failures = 0;
    if (!has_rows(writer->choice.kind) || !is_about_rows(revert.kind)) {
        try_later(writer, now_ms);
    } else if (chosen_rows(writer) == 1) {
        set_aside(writer, &revert);
    } else if (revert.has_uid_hash && isolate(writer, revert.uid_hash)) {
        keep_rows(writer, 1);
    } else {
        keep_rows(writer, chosen_rows(writer) / 2);
    }
}
