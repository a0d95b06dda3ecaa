/* Credit: rules 5 and 6. A transfer of b bytes makes the receiver's debit b at once. The sender
 * gets credit for what the receiver's balance covers; the rest is held, oldest first, until it
 * does. Invariant: sum over users of (up + held - granted - down) never changes. */
#include "base/assert.h"
#include "tracker/commit_state.h"

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

static bool is_covered(const pbts_balance *balance, const pbts_policy *policy) {
    return balance->down - balance->owed <= pbts_balance_cap(balance, policy);
}

/* Bytes that the balance covers beyond what it has had credited to its senders already. */
static uint64_t room_of(const pbts_balance *balance, const pbts_policy *policy) {
    assert(balance->owed <= balance->down);
    if (!is_covered(balance, policy)) return 0;
    return pbts_balance_cap(balance, policy) - (balance->down - balance->owed);
}

/* Turn some or all bytes of a debtor's oldest held row into its sender's credit. */
static pbts_status settle(pbts_commit *commit, size_t debtor_at, size_t sender_at, held_row *row,
                          uint64_t bytes) {
    pbts_balance *debtor = &commit->touched[debtor_at].balance;
    pbts_balance *creditor = &commit->touched[sender_at].balance;
    if (debtor->owed < bytes || creditor->held < bytes) return PBTS_CORRUPT;
    debtor->owed -= bytes;
    creditor->held -= bytes;
    creditor->up += bytes;
    commit->credited_bytes += bytes;
    commit->held_change_bytes -= (int64_t)bytes;
    row->bytes -= bytes;
    if (row->bytes > 0) return held_put(commit, row);
    return pbts_txn_delete(commit->txn, PBTS_TABLE_HELD, PBTS_SPAN_OF(row->key));
}

/* The oldest row of a debtor, and whose credit it is. */
static pbts_status oldest(pbts_commit *commit, held_row *row, size_t *sender, size_t debtor) {
    pbts_status status = held_first(commit, row, commit->touched[debtor].user_no);
    if (status == PBTS_NOT_FOUND) return PBTS_CORRUPT; /* owed says there is one */
    PBTS_TRY(status);
    return pbts_commit_touch(commit, sender, row->sender_no);
}

/* Users whose balance rose and who owe. Each entry once at a time is enough because a user that
 * rises again while waiting is worked on with its newest balance. */
typedef struct {
    uint32_t users[1024];
    size_t count;
} rising;

static void add_rising(rising *list, const pbts_touched *touched) {
    if (touched->balance.owed == 0) return;
    if (list->count == sizeof list->users / sizeof list->users[0]) return;
    list->users[list->count++] = touched->user_no;
}

/* Debts in a ring pay each other: what the first one's room lets go comes back to it, again and
 * again, until the smallest row is gone. Do that at once, for byte by byte it may take for ever.
 * `*netted`: there was such a ring, and at least one row less now. At a ratio above 1 less comes
 * back each time, which ends by itself. */
static pbts_status net_ring(pbts_commit *commit, rising *list, bool *netted, size_t first) {
    enum { RING_MAX = 8 };
    held_row rows[RING_MAX];
    size_t ring[RING_MAX + 1] = { first }, count = 0;
    uint64_t least = UINT64_MAX;
    *netted = false;
    if (commit->policy.min_ratio_milli > 1000) return PBTS_OK;
    do {
        const pbts_balance *balance = &commit->touched[ring[count]].balance;
        if (balance->owed == 0 || !is_covered(balance, &commit->policy)) return PBTS_OK;
        PBTS_TRY(oldest(commit, &rows[count], &ring[count + 1], ring[count]));
        if (rows[count].bytes < least) least = rows[count].bytes;
        count++;
    } while (count < RING_MAX && ring[count] != first);
    if (ring[count] != first) return PBTS_OK;
    for (size_t i = 0; i < count; i++) {
        PBTS_TRY(settle(commit, ring[i], ring[i + 1], &rows[i], least));
    }
    /* Below a ratio of 1 it has made room for more. */
    for (size_t i = 1; i < count; i++) add_rising(list, &commit->touched[ring[i]]);
    *netted = true;
    return PBTS_OK;
}

/* Turn up to `room` bytes of what a debtor holds back, oldest first, into its sender's credit. */
static pbts_status release_some(pbts_commit *commit, rising *list, size_t debtor, uint64_t room) {
    held_row row;
    size_t sender;
    bool netted = false;
    PBTS_TRY(oldest(commit, &row, &sender, debtor));
    if (row.bytes > room) PBTS_TRY(net_ring(commit, list, &netted, debtor));
    if (netted) return PBTS_OK;
    PBTS_TRY(settle(commit, debtor, sender, &row, row.bytes < room ? row.bytes : room));
    add_rising(list, &commit->touched[sender]);
    return PBTS_OK;
}

/* Releases may cascade: a sender whose credit comes in may release what it holds back itself. One
 * operation does no more steps than it may; the next touch of a user goes on. */
pbts_status pbts_commit_release_held(pbts_commit *commit, uint32_t user_no) {
    rising list = { .users = { user_no }, .count = 1 };
    while (list.count > 0) {
        size_t debtor;
        PBTS_TRY(pbts_commit_touch(commit, &debtor, list.users[--list.count]));
        for (;;) {
            const pbts_balance *balance = &commit->touched[debtor].balance;
            uint64_t room = balance->owed > 0 ? room_of(balance, &commit->policy) : 0;
            if (room == 0 || commit->release_steps_left == 0) break;
            commit->release_steps_left--;
            PBTS_TRY(release_some(commit, &list, debtor, room));
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
