#include "ledger/mirror.h"

#include "base/writer.h"

enum { STATE_LEN = 17, REWIND_MAX = 256 };

typedef struct {
    bool present;
    uint64_t registered_at, written_at; /* batch sequences; 0: before all batches, or never */
} state;

static pbts_status state_decode(state *out, pbts_span value) {
    pbts_cursor in = pbts_cursor_over(value);
    uint8_t present;
    if (value.len != STATE_LEN) return PBTS_CORRUPT;
    PBTS_TRY(pbts_read_u8(&in, &present));
    PBTS_TRY(pbts_read_u64(&in, &out->registered_at));
    PBTS_TRY(pbts_read_u64(&in, &out->written_at));
    out->present = present == 1;
    return present <= 1 ? PBTS_OK : PBTS_CORRUPT;
}

static pbts_status state_get(pbts_txn *txn, state *out, const uint8_t uid_hash[static 32]) {
    pbts_span value;
    *out = (state){ .present = false };
    pbts_status status = pbts_txn_get(txn, &value, PBTS_TABLE_MIRROR, (pbts_span){ uid_hash, 32 });
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    return state_decode(out, value);
}

static pbts_status state_put(pbts_txn *txn, const uint8_t uid_hash[static 32], const state *s) {
    uint8_t bytes[STATE_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_u8(&writer, s->present);
    pbts_write_u64(&writer, s->registered_at);
    pbts_write_u64(&writer, s->written_at);
    return pbts_txn_put(txn, PBTS_TABLE_MIRROR, (pbts_span){ uid_hash, 32 }, PBTS_SPAN_OF(bytes));
}

static pbts_status mark(pbts_txn *txn, const uint8_t uid_hash[static 32], uint8_t reason) {
    uint8_t value[1] = { reason };
    return pbts_txn_put(txn, PBTS_TABLE_MIRROR_MARKS, (pbts_span){ uid_hash, 32 },
                        PBTS_SPAN_OF(value));
}

pbts_status pbts_mirror_mark(pbts_txn *txn, const uint8_t uid_hash[static 32]) {
    return mark(txn, uid_hash, 0);
}

pbts_status pbts_mirror_has(pbts_txn *txn, const uint8_t uid_hash[static 32]) {
    state s = { .present = true };
    return state_put(txn, uid_hash, &s);
}

/* ---- what is to be written ---- */

static pbts_status row_read(pbts_txn *txn, pbts_mirror_row *out, pbts_span key, pbts_span value) {
    bool from_referrer = false;
    state s;
    if (key.len != 32 || value.len != 1) return PBTS_CORRUPT;
    pbts_status status = pbts_ledger_read(txn, &out->account, &from_referrer, key.data);
    if (status == PBTS_NOT_FOUND || from_referrer) return PBTS_CORRUPT; /* marked by a write */
    PBTS_TRY(status);
    PBTS_TRY(state_get(txn, &s, key.data));
    out->present = s.present;
    out->aside = value.data[0];
    return PBTS_OK;
}

pbts_status pbts_mirror_marked(pbts_txn *txn, pbts_mirror_row *rows, size_t *count, size_t max,
                               const uint8_t *after) {
    pbts_rows *walk;
    pbts_span key, value, from = { after, after == NULL ? 0 : 32 };
    *count = 0;
    PBTS_TRY(pbts_rows_open(&walk, txn, PBTS_TABLE_MIRROR_MARKS, from, (pbts_span){ 0 }));
    pbts_status status = PBTS_OK;
    while (status == PBTS_OK && *count < max && pbts_rows_next(walk, &key, &value)) {
        if (pbts_span_equal(key, from)) continue;
        status = row_read(txn, &rows[*count], key, value);
        if (status == PBTS_OK) ++*count;
    }
    if (status == PBTS_OK) status = pbts_rows_status(walk);
    pbts_rows_close(walk);
    return status;
}

pbts_status pbts_mirror_count(pbts_txn *txn, uint64_t *out) {
    return pbts_txn_count(txn, out, PBTS_TABLE_MIRROR_MARKS);
}

/* ---- what was written ---- */

pbts_status pbts_mirror_registered(pbts_txn *txn, const uint8_t uid_hash[static 32],
                                   uint64_t sequence) {
    state s;
    PBTS_TRY(state_get(txn, &s, uid_hash));
    if (s.present) return PBTS_OK;
    s.present = true;
    s.registered_at = sequence;
    return state_put(txn, uid_hash, &s);
}

pbts_status pbts_mirror_absent(pbts_txn *txn, const uint8_t uid_hash[static 32]) {
    state s = { .present = false };
    return state_put(txn, uid_hash, &s);
}

static pbts_status unmark(pbts_txn *txn, const uint8_t uid_hash[static 32]) {
    pbts_status status = pbts_txn_delete(txn, PBTS_TABLE_MIRROR_MARKS, (pbts_span){ uid_hash, 32 });
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

pbts_status pbts_mirror_written(pbts_txn *txn, const pbts_ledger_account *account,
                                uint64_t sequence) {
    pbts_ledger_account now;
    bool from_referrer = false;
    state s;
    PBTS_TRY(pbts_mirror_registered(txn, account->uid_hash, sequence));
    PBTS_TRY(state_get(txn, &s, account->uid_hash));
    s.written_at = sequence;
    PBTS_TRY(state_put(txn, account->uid_hash, &s));
    PBTS_TRY(pbts_ledger_read(txn, &now, &from_referrer, account->uid_hash));
    bool same = now.up_bytes == account->up_bytes && now.down_bytes == account->down_bytes &&
                now.generation == account->generation;
    return same ? unmark(txn, account->uid_hash) : PBTS_OK;
}

pbts_status pbts_mirror_set_aside(pbts_txn *txn, const uint8_t uid_hash[static 32],
                                  uint8_t reason) {
    pbts_span value;
    pbts_status status =
        pbts_txn_get(txn, &value, PBTS_TABLE_MIRROR_MARKS, (pbts_span){ uid_hash, 32 });
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    return mark(txn, uid_hash, reason);
}

/* Marks behind `*at` that are set aside; as find_later. */
static pbts_status find_aside(pbts_txn *txn, uint8_t (*uid_hashes)[32], size_t *count,
                              uint8_t at[static 32], bool *more) {
    pbts_rows *walk;
    pbts_span key, value;
    PBTS_TRY(pbts_rows_open(&walk, txn, PBTS_TABLE_MIRROR_MARKS, (pbts_span){ at, 32 },
                            (pbts_span){ 0 }));
    pbts_status status = PBTS_OK;
    *count = 0;
    *more = false;
    while (status == PBTS_OK && !*more && pbts_rows_next(walk, &key, &value)) {
        if (key.len != 32 || value.len != 1) {
            status = PBTS_CORRUPT;
        } else if (value.data[0] != 0 && *count == REWIND_MAX) {
            memcpy(at, key.data, 32);
            *more = true;
        } else if (value.data[0] != 0) {
            memcpy(uid_hashes[(*count)++], key.data, 32);
        }
    }
    if (status == PBTS_OK) status = pbts_rows_status(walk);
    pbts_rows_close(walk);
    return status;
}

pbts_status pbts_mirror_retry(pbts_txn *txn) {
    uint8_t uid_hashes[REWIND_MAX][32], at[32] = { 0 };
    size_t count;
    bool more = true;
    while (more) {
        PBTS_TRY(find_aside(txn, uid_hashes, &count, at, &more));
        for (size_t i = 0; i < count; i++) PBTS_TRY(pbts_mirror_mark(txn, uid_hashes[i]));
    }
    return PBTS_OK;
}

/* ---- what was lost ---- */

typedef struct {
    uint8_t uid_hash[32];
    state state;
} rewind_row;

/* Rows behind `*at` that name a later batch; the walk ends before anything is written. */
static pbts_status find_later(pbts_txn *txn, rewind_row *rows, size_t *count, uint8_t at[static 32],
                              bool *more, uint64_t sequence) {
    pbts_rows *walk;
    pbts_span key, value;
    PBTS_TRY(
        pbts_rows_open(&walk, txn, PBTS_TABLE_MIRROR, (pbts_span){ at, 32 }, (pbts_span){ 0 }));
    pbts_status status = PBTS_OK;
    *count = 0;
    *more = false;
    while (status == PBTS_OK && pbts_rows_next(walk, &key, &value)) {
        rewind_row *row = &rows[*count];
        if (key.len != 32) status = PBTS_CORRUPT;
        if (status == PBTS_OK) status = state_decode(&row->state, value);
        if (status != PBTS_OK) break;
        if (row->state.registered_at <= sequence && row->state.written_at <= sequence) continue;
        if (*count == REWIND_MAX - 1) {
            memcpy(at, key.data, 32);
            *more = true;
            break;
        }
        memcpy(row->uid_hash, key.data, 32);
        ++*count;
    }
    if (status == PBTS_OK) status = pbts_rows_status(walk);
    pbts_rows_close(walk);
    return status;
}

static pbts_status rewind_one(pbts_txn *txn, rewind_row *row, uint64_t sequence) {
    if (row->state.registered_at > sequence) {
        row->state.present = false;
        row->state.registered_at = 0;
    }
    if (row->state.written_at > sequence) row->state.written_at = 0;
    PBTS_TRY(state_put(txn, row->uid_hash, &row->state));
    return pbts_mirror_mark(txn, row->uid_hash);
}

pbts_status pbts_mirror_rewound(pbts_txn *txn, uint64_t sequence) {
    rewind_row rows[REWIND_MAX];
    uint8_t at[32] = { 0 };
    size_t count;
    bool more = true;
    while (more) {
        PBTS_TRY(find_later(txn, rows, &count, at, &more, sequence));
        for (size_t i = 0; i < count; i++) PBTS_TRY(rewind_one(txn, &rows[i], sequence));
    }
    return PBTS_OK;
}
