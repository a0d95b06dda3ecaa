/* Group commit: many operations, one ledger entry, one fsync. */
#include "base/assert.h"
#include "base/epoch.h"
#include "hash/sha.h"
#include "ledger/mirror.h"
#include "tracker/commit_state.h"

/* ---- touched balances ---- */

static pbts_status touched_room(pbts_commit *commit) {
    if (commit->touched_count < commit->touched_capacity) return PBTS_OK;
    size_t capacity = commit->touched_capacity ? 2 * commit->touched_capacity : 16;
    pbts_touched *bigger =
        pbts_resize_array(commit->tracker->mem, commit->touched, capacity, sizeof *commit->touched);
    if (bigger == NULL) return PBTS_NO_MEMORY;
    commit->touched = bigger;
    commit->touched_capacity = capacity;
    return PBTS_OK;
}

pbts_refusal pbts_commit_refusal(pbts_status status) {
    pbts_refusal refusal = pbts_refusal_of_status(status);
    bool survives = refusal != PBTS_REFUSAL_NONE && refusal != PBTS_REFUSAL_STORE_FULL;
    return survives ? PBTS_REFUSAL_INTERNAL : refusal;
}

pbts_status pbts_commit_touch_new(pbts_commit *commit, const pbts_touched *touched) {
    PBTS_TRY(touched_room(commit));
    PBTS_TRY(pbts_number_map_add(&commit->touched_map, touched->user_no,
                                 (uint32_t)commit->touched_count));
    commit->touched[commit->touched_count++] = *touched;
    return PBTS_OK;
}

static void key_hash_of(uint8_t out[static 32], const pbts_user_row *row) {
    memset(out, 0, 32);
    if (row->has_key) pbts_sha256(out, PBTS_SPAN_OF(row->key.bytes));
}

pbts_status pbts_commit_touch(pbts_commit *commit, size_t *index, uint32_t user_no) {
    uint32_t known;
    pbts_user_row row;
    if (pbts_number_map_find(&commit->touched_map, &known, user_no)) {
        *index = known;
        return PBTS_OK;
    }
    const pbts_account *account = pbts_accounts_find(&commit->tracker->accounts, user_no);
    if (account == NULL) return PBTS_NOT_FOUND;
    PBTS_TRY(pbts_user_row_get(commit->txn, &row, user_no));
    pbts_touched touched = { .user_no = user_no, .balance = pbts_account_balance(account) };
    touched.before = touched.balance;
    touched.keyless = !row.has_key;
    pbts_user_row_uid_hash(touched.uid_hash, &row);
    key_hash_of(touched.key_hash, &row);
    PBTS_TRY(pbts_commit_touch_new(commit, &touched));
    *index = commit->touched_count - 1;
    return PBTS_OK;
}

/* ---- begin, end ---- */

static void commit_free(pbts_commit *commit) {
    pbts_mem *mem = commit->tracker->mem;
    pbts_number_map_deinit(&commit->touched_map);
    pbts_release(mem, commit->touched);
    pbts_release(mem, commit->new_torrents);
    pbts_release(mem, commit->downloads);
    pbts_release(mem, commit);
}

void pbts_commit_abort(pbts_commit *commit) {
    if (commit == NULL) return;
    pbts_txn_abort(commit->txn);
    commit_free(commit);
}

static pbts_status begin_in(pbts_commit *commit) {
    pbts_ledger_head head;
    PBTS_TRY(pbts_ledger_head_read(commit->txn, &head));
    /* Orders ascend over commits because the sequence does: a commit that holds credit appends. */
    commit->held_order = commit->held_order_first = (head.sequence + 1) << 24;
    return pbts_commit_forget_claims(commit);
}

pbts_status pbts_commit_begin(pbts_commit **out, pbts_tracker *tracker, pbts_now now) {
    pbts_commit *commit = pbts_alloc(tracker->mem, sizeof *commit);
    if (commit == NULL) return PBTS_NO_MEMORY;
    commit->tracker = tracker;
    commit->now = now;
    commit->policy = pbts_tracker_policy(tracker);
    commit->users = atomic_load(&tracker->accounts.count);
    commit->torrents = atomic_load(&tracker->torrent_count);
    commit->counted_epoch = atomic_load(&tracker->counted_epoch);
    pbts_number_map_init(&commit->touched_map, tracker->mem);
    pbts_status status = pbts_txn_begin(&commit->txn, tracker->store, true);
    if (status != PBTS_OK) {
        commit_free(commit);
        return status;
    }
    status = begin_in(commit);
    if (status != PBTS_OK) {
        pbts_commit_abort(commit);
        return status;
    }
    *out = commit;
    return PBTS_OK;
}

static pbts_ledger_account ledger_row(const pbts_touched *touched) {
    pbts_ledger_account row = { .up_bytes = touched->balance.up,
                                .down_bytes = touched->balance.down,
                                .generation = touched->balance.generation,
                                .user_no = touched->user_no };
    memcpy(row.uid_hash, touched->uid_hash, sizeof row.uid_hash);
    memcpy(row.key_hash, touched->key_hash, sizeof row.key_hash);
    return row;
}

/* The ledger grows for ever, so it gets only what changed; but a commit that holds credit always
 * appends, because the order of HELD rows comes from the sequence. */
static bool is_for_ledger(const pbts_commit *commit, const pbts_touched *touched) {
    const pbts_balance *now = &touched->balance, *before = &touched->before;
    return commit->held_order != commit->held_order_first || touched->is_new ||
           now->up != before->up || now->down != before->down ||
           now->generation != before->generation;
}

/* The ledger that follows this one knows users by their keys. Who is here by name alone, or was
 * migrated and has not come yet, is no arrear of it. */
static pbts_status mark_for_mirror(pbts_commit *commit) {
    if (!commit->tracker->mirrored) return PBTS_OK;
    for (size_t i = 0; i < commit->touched_count; i++) {
        const pbts_touched *touched = &commit->touched[i];
        if (touched->keyless || !is_for_ledger(commit, touched)) continue;
        PBTS_TRY(pbts_mirror_mark(commit->txn, touched->uid_hash));
    }
    return PBTS_OK;
}

static pbts_status write_ledger(pbts_commit *commit) {
    pbts_tracker *tracker = commit->tracker;
    size_t changed = 0;
    if (commit->touched_count == 0) return PBTS_OK;
    pbts_ledger_account *rows = pbts_alloc_array(tracker->mem, commit->touched_count, sizeof *rows);
    if (rows == NULL) return PBTS_NO_MEMORY;
    for (size_t i = 0; i < commit->touched_count; i++) {
        if (is_for_ledger(commit, &commit->touched[i]))
            rows[changed++] = ledger_row(&commit->touched[i]);
    }
    pbts_status status = PBTS_OK;
    for (size_t at = 0; status == PBTS_OK && at < changed; at += PBTS_LEDGER_ROWS_MAX) {
        size_t count = changed - at;
        if (count > PBTS_LEDGER_ROWS_MAX) count = PBTS_LEDGER_ROWS_MAX;
        status = pbts_ledger_write(commit->txn, rows + at, count, &tracker->secrets->owner,
                                   commit->now.unix_s);
    }
    pbts_release(tracker->mem, rows);
    return status == PBTS_OK ? mark_for_mirror(commit) : status;
}

/* Granted amounts live in the user rows; rewrite those that changed. */
static pbts_status write_granted(pbts_commit *commit) {
    for (size_t i = 0; i < commit->touched_count; i++) {
        const pbts_touched *touched = &commit->touched[i];
        pbts_user_row row;
        if (touched->balance.granted == touched->before.granted) continue;
        PBTS_TRY(pbts_user_row_get(commit->txn, &row, touched->user_no));
        row.granted = touched->balance.granted;
        PBTS_TRY(pbts_user_row_put(commit->txn, touched->user_no, &row));
    }
    return PBTS_OK;
}

static pbts_status write_counted(const pbts_commit *commit) {
    if (commit->counted_epoch <= atomic_load(&commit->tracker->counted_epoch)) return PBTS_OK;
    return pbts_tracker_counted_put(commit->txn, commit->counted_epoch);
}

/* Everything that can fail for want of memory happens before the store commits. */
static pbts_status reserve_memory(pbts_commit *commit) {
    pbts_tracker *tracker = commit->tracker;
    for (size_t i = 0; i < commit->touched_count; i++) {
        PBTS_TRY(pbts_accounts_reserve(&tracker->accounts, commit->touched[i].user_no));
    }
    for (size_t i = 0; i < commit->new_torrent_count; i++) {
        pbts_torrent torrent;
        PBTS_TRY(pbts_torrent_row_get(commit->txn, &torrent, commit->new_torrents[i]));
        const uint8_t *hashes[2] = { torrent.has_v1 ? torrent.infohash_v1 : NULL,
                                     torrent.has_v2 ? torrent.infohash_v2 : NULL };
        for (size_t k = 0; k < 2; k++) {
            if (hashes[k] == NULL) continue;
            unsigned shard = pbts_tracker_shard(tracker, hashes[k]);
            pbts_lock_enter(&tracker->lock, shard);
            pbts_status status =
                pbts_swarms_add(tracker->shards[shard], hashes[k], commit->new_torrents[i], 0);
            pbts_lock_leave(&tracker->lock, shard);
            /* An earlier commit that got this far and then failed left it, by another number, which
             * nobody asks the swarms for. */
            if (status != PBTS_EXISTS) PBTS_TRY(status);
        }
    }
    return PBTS_OK;
}

static void publish(pbts_commit *commit, const pbts_ledger_head *head) {
    pbts_tracker *tracker = commit->tracker;
    for (size_t i = 0; i < commit->touched_count; i++) {
        const pbts_touched *touched = &commit->touched[i];
        pbts_passkey_owner owner = { .user_no = touched->user_no,
                                     .generation = touched->balance.generation };
        memcpy(owner.uid_hash, touched->uid_hash, sizeof owner.uid_hash);
        memcpy(owner.key_hash, touched->key_hash, sizeof owner.key_hash);
        pbts_accounts_publish(&tracker->accounts, &owner, &touched->balance,
                              &tracker->secrets->passkey_key);
    }
    if (commit->torrents > atomic_load(&tracker->torrent_count)) {
        atomic_store(&tracker->torrent_count, commit->torrents);
    }
    pbts_commit_downloads_publish(commit);
    atomic_store(&tracker->claims_from_period, commit->claims_from_period);
    atomic_store(&tracker->counted_epoch, commit->counted_epoch);
    atomic_fetch_add(&tracker->credited_bytes, commit->credited_bytes);
    atomic_fetch_add(&tracker->held_bytes, (uint64_t)commit->held_change_bytes);
    atomic_store(&tracker->ledger_sequence, head->sequence);
    atomic_store(&tracker->ledger_unix_s, head->unix_time);
}

pbts_status pbts_commit_end(pbts_commit *commit) {
    pbts_ledger_head head;
    pbts_status status = write_granted(commit);
    if (status == PBTS_OK) status = write_ledger(commit);
    if (status == PBTS_OK) status = write_counted(commit);
    if (status == PBTS_OK) status = pbts_ledger_head_read(commit->txn, &head);
    if (status == PBTS_OK) status = reserve_memory(commit);
    if (status != PBTS_OK) {
        pbts_commit_abort(commit);
        return status;
    }
    status = pbts_txn_commit(commit->txn);
    if (status == PBTS_OK) publish(commit, &head);
    commit_free(commit);
    return status;
}

/* ---- reports ---- */

static pbts_refusal apply_statement(pbts_commit *commit, const pbts_checked_report *report,
                                    pbts_checked_statement *statement) {
    pbts_pieces pieces;
    pbts_claim claim;
    /* A report that was used in a commit that failed may come again. */
    statement->verdict = (pbts_verdict){ 0 };
    if (statement->period < commit->claims_from_period) return PBTS_REFUSAL_EPOCH_EXPIRED;
    /* Time went on since the check; or back: the ledger's, by which rule 9 judges what may have
     * been counted, must not be before the receipt's. */
    uint64_t now_epoch = pbts_epoch_at(commit->now.unix_s);
    if (statement->epoch > now_epoch) return PBTS_REFUSAL_EPOCH_FUTURE;
    if (!pbts_epoch_in_window(statement->epoch, now_epoch)) return PBTS_REFUSAL_EPOCH_EXPIRED;
    pbts_status status = pbts_pieces_get(commit->txn, &pieces, statement->torrent_no);
    if (status == PBTS_OK) {
        status = pbts_commit_claim(commit, &claim, report, statement, &pieces);
    }
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    pbts_refusal refusal = PBTS_REFUSAL_NONE;
    statement->verdict.credited_pieces = claim.fresh_count;
    statement->verdict.duplicate_pieces = claim.duplicate_count;
    if (claim.fresh_count > 0) {
        refusal = pbts_commit_credit(commit, &statement->verdict, statement->receiver_no,
                                     statement->sender_no, claim.fresh_bytes);
        if (refusal == PBTS_REFUSAL_NONE) {
            refusal = pbts_refusal_of_status(pbts_commit_claim_put(commit, &claim));
            if (statement->epoch > commit->counted_epoch) commit->counted_epoch = statement->epoch;
        } else {
            statement->verdict.credited_pieces = 0;
        }
    }
    pbts_claim_deinit(commit, &claim);
    return refusal;
}

pbts_refusal pbts_commit_report(pbts_commit *commit, pbts_checked_report *report) {
    if (atomic_load(&commit->tracker->sealed)) return PBTS_REFUSAL_SEALED;
    commit->release_steps_left = PBTS_RELEASE_STEPS_OF_REPORT;
    for (size_t i = 0; i < report->count; i++) {
        pbts_checked_statement *statement = &report->statements[i];
        if (statement->is_refused) continue;
        pbts_refusal refusal = apply_statement(commit, report, statement);
        if (refusal == PBTS_REFUSAL_STORE_FULL || refusal == PBTS_REFUSAL_INTERNAL ||
            refusal == PBTS_REFUSAL_OVERLOADED) {
            return refusal == PBTS_REFUSAL_OVERLOADED ? PBTS_REFUSAL_INTERNAL : refusal;
        }
        statement->verdict.refusal = refusal;
    }
    return PBTS_REFUSAL_NONE;
}
