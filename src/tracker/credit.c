/* Credit: rules 5 and 6. A transfer of b bytes makes the receiver's debit b at once. The sender
 * gets credit for what the receiver's balance covers; the rest is held, oldest first, until it
 * does. Invariant: sum over users of (up + held - granted - down) never changes. */
#include "base/assert.h"
#include "tracker/commit_state.h"

/* Releases may cascade: a sender whose credit comes in may release what it holds back itself. One
 * commit does at most this many; the next touch of a user goes on. */
enum { RELEASE_STEPS_MAX = 100000 };

typedef struct {
    uint8_t key[12]; /* u32 receiver, u64 order */
    uint32_t sender_no;
    uint64_t bytes;
} held_row;

static pbts_status held_put(pbts_commit *commit, const held_row *row) {
    uint8_t value[12];
    pbts_writer writer = pbts_writer_over(value, sizeof value);
    pbts_write_u32(&writer, row->sender_no);
    pbts_write_u64(&writer, row->bytes);
    return pbts_txn_put(commit->txn, PBTS_TABLE_HELD, PBTS_SPAN_OF(row->key), PBTS_SPAN_OF(value));
}

static pbts_status held_first(pbts_commit *commit, held_row *out, uint32_t receiver_no) {
    uint8_t prefix[4];
    pbts_rows *rows;
    pbts_span key, value;
    pbts_key_u32(prefix, receiver_no);
    PBTS_TRY(pbts_rows_open(&rows, commit->txn, PBTS_TABLE_HELD, PBTS_SPAN_OF(prefix),
                            PBTS_SPAN_OF(prefix)));
    bool found = pbts_rows_next(rows, &key, &value);
    pbts_status status = pbts_rows_status(rows);
    if (status == PBTS_OK && !found) status = PBTS_NOT_FOUND;
    if (found) {
        pbts_cursor in = pbts_cursor_over(value);
        status = PBTS_CORRUPT;
        if (key.len == sizeof out->key && pbts_read_u32(&in, &out->sender_no) == PBTS_OK &&
            pbts_read_u64(&in, &out->bytes) == PBTS_OK && out->bytes > 0) {
            memcpy(out->key, key.data, sizeof out->key);
            status = PBTS_OK;
        }
    }
    pbts_rows_close(rows);
    return status;
}

static pbts_status hold(pbts_commit *commit, uint32_t receiver_no, uint32_t sender_no,
                        uint64_t bytes) {
    held_row row = { .sender_no = sender_no, .bytes = bytes };
    pbts_writer writer = pbts_writer_over(row.key, sizeof row.key);
    pbts_write_u32(&writer, receiver_no);
    pbts_write_u64(&writer, commit->held_order++);
    return held_put(commit, &row);
}

/* Bytes that the balance covers beyond what it has had credited to its senders already. */
static uint64_t room_of(const pbts_balance *balance, const pbts_policy *policy) {
    assert(balance->owed <= balance->down);
    uint64_t credited = balance->down - balance->owed, cap = pbts_balance_cap(balance, policy);
    return cap > credited ? cap - credited : 0;
}

/* Turn up to `room` bytes of the oldest held row into its sender's credit. */
static pbts_status release_row(pbts_commit *commit, size_t *sender, size_t receiver,
                               uint64_t room) {
    held_row row;
    pbts_status status = held_first(commit, &row, commit->touched[receiver].user_no);
    if (status == PBTS_NOT_FOUND) return PBTS_CORRUPT; /* owed says there is one */
    PBTS_TRY(status);
    PBTS_TRY(pbts_commit_touch(commit, sender, row.sender_no));
    uint64_t bytes = row.bytes < room ? row.bytes : room;
    pbts_balance *debtor = &commit->touched[receiver].balance;
    pbts_balance *creditor = &commit->touched[*sender].balance;
    if (debtor->owed < bytes || creditor->held < bytes) return PBTS_CORRUPT;
    debtor->owed -= bytes;
    creditor->held -= bytes;
    creditor->up += bytes;
    commit->credited_bytes += bytes;
    commit->held_change_bytes -= (int64_t)bytes;
    row.bytes -= bytes;
    if (row.bytes > 0) return held_put(commit, &row);
    return pbts_txn_delete(commit->txn, PBTS_TABLE_HELD, PBTS_SPAN_OF(row.key));
}

pbts_status pbts_commit_release_held(pbts_commit *commit, uint32_t user_no) {
    /* Users whose balance rose and who owe: a stack, each entry once at a time is enough because
     * a user that rises again while waiting is worked on with its newest balance. */
    enum { STACK_MAX = 1024 };
    uint32_t stack[STACK_MAX];
    size_t depth = 0;
    stack[depth++] = user_no;
    while (depth > 0) {
        size_t receiver, sender;
        PBTS_TRY(pbts_commit_touch(commit, &receiver, stack[--depth]));
        for (;;) {
            const pbts_balance *balance = &commit->touched[receiver].balance;
            uint64_t room = balance->owed > 0 ? room_of(balance, &commit->policy) : 0;
            if (room == 0 || commit->release_steps >= RELEASE_STEPS_MAX) break;
            commit->release_steps++;
            PBTS_TRY(release_row(commit, &sender, receiver, room));
            if (commit->touched[sender].balance.owed > 0 && depth < STACK_MAX) {
                stack[depth++] = commit->touched[sender].user_no;
            }
        }
    }
    return PBTS_OK;
}

static bool totals_have_room(const pbts_balance *receiver, const pbts_balance *sender,
                             uint64_t bytes) {
    return bytes <= PBTS_TOTAL_MAX_BYTES - receiver->down &&
           bytes <= PBTS_TOTAL_MAX_BYTES - sender->up - sender->held;
}

pbts_refusal pbts_commit_credit(pbts_commit *commit, pbts_verdict *verdict, uint32_t receiver_no,
                                uint32_t sender_no, uint64_t bytes) {
    size_t receiver, sender;
    pbts_status status = pbts_commit_release_held(commit, receiver_no);
    if (status == PBTS_OK) status = pbts_commit_touch(commit, &sender, sender_no);
    if (status == PBTS_OK) status = pbts_commit_touch(commit, &receiver, receiver_no);
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    pbts_balance *debtor = &commit->touched[receiver].balance;
    pbts_balance *creditor = &commit->touched[sender].balance;
    if (!totals_have_room(debtor, creditor, bytes)) return PBTS_REFUSAL_TOTALS_FULL;
    /* While anything is held for this receiver, new credit waits behind it. */
    uint64_t room = debtor->owed > 0 ? 0 : room_of(debtor, &commit->policy);
    uint64_t credited = bytes < room ? bytes : room, held = bytes - credited;
    debtor->down += bytes;
    debtor->owed += held;
    creditor->up += credited;
    creditor->held += held;
    commit->credited_bytes += credited;
    commit->held_change_bytes += (int64_t)held;
    verdict->credited_bytes = credited;
    verdict->held_bytes = held;
    if (held > 0) status = hold(commit, receiver_no, sender_no, held);
    if (status == PBTS_OK && credited > 0) status = pbts_commit_release_held(commit, sender_no);
    return pbts_refusal_of_status(status);
}
