/* Registration, rotation, totals set by an administrator, migration of one user. */
#include "base/assert.h"
#include "hash/sha.h"
#include "tracker/commit_state.h"

static bool is_name_taken(pbts_commit *commit, const uint8_t uid_hash[static 32],
                          pbts_status *status) {
    uint32_t number;
    *status = pbts_user_no_by_hash(commit->txn, &number, PBTS_TABLE_UIDS, uid_hash);
    if (*status == PBTS_NOT_FOUND) {
        *status = PBTS_OK;
        return false;
    }
    return *status == PBTS_OK;
}

static pbts_status put_number(pbts_commit *commit, pbts_table table, const uint8_t hash[static 32],
                              uint32_t user_no) {
    uint8_t value[4];
    pbts_key_u32(value, user_no);
    return pbts_txn_put(commit->txn, table, (pbts_span){ hash, 32 }, PBTS_SPAN_OF(value));
}

/* Whether this commit itself opened the account: the ledger does not show it before the end. */
static bool is_touched(const pbts_commit *commit, const uint8_t uid_hash[static 32]) {
    for (size_t i = 0; i < commit->touched_count; i++) {
        if (memcmp(commit->touched[i].uid_hash, uid_hash, 32) == 0) return true;
    }
    return false;
}

/* What the account starts with: the predecessor's or a restored standing, or the initial credit. */
static pbts_refusal opening_balance(pbts_commit *commit, pbts_touched *touched) {
    pbts_ledger_account account;
    bool from_referrer = false;
    pbts_status status = pbts_ledger_read(commit->txn, &account, &from_referrer, touched->uid_hash);
    if (status == PBTS_NOT_FOUND) {
        touched->user_no = commit->users + 1;
        touched->balance = (pbts_balance){ .up = commit->policy.init_credit_bytes };
        touched->balance.granted = (int64_t)touched->balance.up;
        return PBTS_REFUSAL_NONE;
    }
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    /* The name belongs to the key that the ledger knows, whoever asks first. */
    if (memcmp(account.key_hash, touched->key_hash, sizeof account.key_hash) != 0) {
        return PBTS_REFUSAL_KEY_MISMATCH;
    }
    if (account.up_bytes > PBTS_TOTAL_MAX_BYTES || account.down_bytes > PBTS_TOTAL_MAX_BYTES) {
        return PBTS_REFUSAL_TOTALS_FULL;
    }
    /* Migrated a moment ago in this very commit: the next one will see it. */
    if (from_referrer && is_touched(commit, touched->uid_hash)) return PBTS_REFUSAL_OVERLOADED;
    touched->user_no = from_referrer ? commit->users + 1 : account.user_no;
    touched->balance = (pbts_balance){ .up = account.up_bytes, .down = account.down_bytes };
    touched->balance.granted = (int64_t)account.up_bytes - (int64_t)account.down_bytes;
    if (!from_referrer) touched->balance.generation = account.generation;
    return PBTS_REFUSAL_NONE;
}

static pbts_status put_user(pbts_commit *commit, const pbts_touched *touched,
                            const pbts_checked_registration *registration) {
    pbts_user_row row = { .has_key = registration->has_key,
                          .uid_len = registration->uid_len,
                          .key = registration->key,
                          .granted = touched->balance.granted,
                          .registered_unix_s = commit->now.unix_s };
    memcpy(row.uid, registration->uid, sizeof row.uid);
    memcpy(row.key_raw, registration->key_raw, sizeof row.key_raw);
    PBTS_TRY(pbts_user_row_put(commit->txn, touched->user_no, &row));
    PBTS_TRY(put_number(commit, PBTS_TABLE_UIDS, touched->uid_hash, touched->user_no));
    if (!registration->has_key) return PBTS_OK;
    return put_number(commit, PBTS_TABLE_KEYS, touched->key_hash, touched->user_no);
}

/* An inherited account, whose name is heard for the first time. */
static pbts_refusal claim_name(pbts_commit *commit, uint32_t *user_no,
                               const uint8_t uid_hash[static 32],
                               const pbts_checked_registration *registration) {
    pbts_user_row row;
    pbts_status status = pbts_user_no_by_hash(commit->txn, user_no, PBTS_TABLE_UIDS, uid_hash);
    if (status == PBTS_OK) status = pbts_user_row_get(commit->txn, &row, *user_no);
    if (status != PBTS_OK) return pbts_commit_refusal(status);
    if (row.uid_len > 0) return PBTS_REFUSAL_UID_TAKEN;
    bool same = registration->has_key &&
                memcmp(row.key.bytes, registration->key.bytes, sizeof row.key.bytes) == 0;
    if (!same) return PBTS_REFUSAL_KEY_MISMATCH;
    row.uid_len = registration->uid_len;
    memcpy(row.uid, registration->uid, sizeof row.uid);
    return pbts_commit_refusal(pbts_user_row_put(commit->txn, *user_no, &row));
}

/* A key stays with the name that it came with, here or in a ledger that goes on here: claims are
 * kept by names and receipts name keys, so under another name all that was counted would count
 * again. */
static pbts_refusal check_key(pbts_commit *commit, const pbts_touched *touched) {
    uint32_t number;
    uint8_t uid_hash[PBTS_UID_HASH_LEN];
    pbts_ledger_account account;
    bool from_referrer = false;
    pbts_status status =
        pbts_user_no_by_hash(commit->txn, &number, PBTS_TABLE_KEYS, touched->key_hash);
    if (status == PBTS_OK) {
        status = pbts_ledger_read(commit->txn, &account, &from_referrer, touched->uid_hash);
        bool is_own = status == PBTS_OK && !from_referrer && account.user_no == number;
        if (status == PBTS_OK || status == PBTS_NOT_FOUND)
            return is_own ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_KEY_TAKEN;
    } else if (status == PBTS_NOT_FOUND) {
        status = pbts_ledger_referrer_name(commit->txn, uid_hash, touched->key_hash);
        if (status == PBTS_NOT_FOUND) return PBTS_REFUSAL_NONE;
        bool is_own = memcmp(uid_hash, touched->uid_hash, sizeof uid_hash) == 0;
        if (status == PBTS_OK) return is_own ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_KEY_TAKEN;
    }
    return pbts_refusal_of_status(status);
}

static pbts_refusal add_user(pbts_commit *commit, uint32_t *user_no, pbts_touched *touched,
                             const pbts_checked_registration *registration) {
    pbts_status status;
    if (is_name_taken(commit, touched->uid_hash, &status)) {
        return claim_name(commit, user_no, touched->uid_hash, registration);
    }
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    pbts_refusal refusal = opening_balance(commit, touched);
    if (refusal == PBTS_REFUSAL_NONE && registration->has_key) refusal = check_key(commit, touched);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    if (touched->user_no >= PBTS_USERS_MAX) return PBTS_REFUSAL_USERS_FULL;
    touched->is_new = true;
    touched->keyless = !registration->has_key;
    touched->before = touched->balance;
    status = put_user(commit, touched, registration);
    if (status == PBTS_OK) status = pbts_commit_touch_new(commit, touched);
    if (status != PBTS_OK) return pbts_commit_refusal(status);
    if (touched->user_no > commit->users) commit->users = touched->user_no;
    *user_no = touched->user_no;
    return PBTS_REFUSAL_NONE;
}

pbts_refusal pbts_commit_registration(pbts_commit *commit, uint32_t *user_no,
                                      const pbts_checked_registration *registration, bool admin) {
    pbts_touched touched = { 0 };
    if (atomic_load(&commit->tracker->sealed)) return PBTS_REFUSAL_SEALED;
    if (!admin && !commit->policy.open_registration) return PBTS_REFUSAL_REGISTRATION_CLOSED;
    if (!admin && !registration->has_key) return PBTS_REFUSAL_KEY_INVALID;
    pbts_span uid = { registration->uid, registration->uid_len };
    if (!pbts_uid_is_valid(uid)) return PBTS_REFUSAL_UID_INVALID; /* one reserved by name */
    pbts_uid_hash(touched.uid_hash, uid);
    if (registration->has_key) pbts_sha256(touched.key_hash, PBTS_SPAN_OF(registration->key.bytes));
    return add_user(commit, user_no, &touched, registration);
}

pbts_refusal pbts_commit_rotate(pbts_commit *commit, uint32_t user_no) {
    size_t index;
    if (atomic_load(&commit->tracker->sealed)) return PBTS_REFUSAL_SEALED;
    pbts_status status = pbts_commit_touch(commit, &index, user_no);
    if (status == PBTS_NOT_FOUND) return PBTS_REFUSAL_UNKNOWN_USER;
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    commit->touched[index].balance.generation++;
    return PBTS_REFUSAL_NONE;
}

pbts_refusal pbts_commit_set_totals(pbts_commit *commit, uint32_t user_no, uint64_t up_bytes,
                                    uint64_t down_bytes) {
    size_t index;
    if (atomic_load(&commit->tracker->sealed)) return PBTS_REFUSAL_SEALED;
    if (up_bytes > PBTS_TOTAL_MAX_BYTES || down_bytes > PBTS_TOTAL_MAX_BYTES) {
        return PBTS_REFUSAL_TOTALS_FULL;
    }
    pbts_status status = pbts_commit_touch(commit, &index, user_no);
    if (status == PBTS_NOT_FOUND) return PBTS_REFUSAL_UNKNOWN_USER;
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    pbts_balance *balance = &commit->touched[index].balance;
    if (up_bytes > PBTS_TOTAL_MAX_BYTES - balance->held) return PBTS_REFUSAL_TOTALS_FULL;
    /* What is still owed to senders stays a debit, so the total cannot be set below it. */
    if (down_bytes < balance->owed) return PBTS_REFUSAL_MALFORMED;
    balance->granted += (int64_t)up_bytes - (int64_t)balance->up;
    balance->granted -= (int64_t)down_bytes - (int64_t)balance->down;
    balance->up = up_bytes;
    balance->down = down_bytes;
    commit->release_steps_left = PBTS_RELEASE_STEPS_OF_ADMIN;
    return pbts_commit_refusal(pbts_commit_release_held(commit, user_no));
}

/* A user that only the predecessor knows is copied under its name and key hash; the key itself
 * comes with the user's own registration, which the ledger's key hash then guards. */
pbts_refusal pbts_commit_migrate(pbts_commit *commit, uint32_t *user_no, pbts_span uid) {
    pbts_ledger_account account;
    bool from_referrer = false;
    pbts_touched touched = { 0 };
    if (atomic_load(&commit->tracker->sealed)) return PBTS_REFUSAL_SEALED;
    if (!commit->tracker->predecessor.known) return PBTS_REFUSAL_NO_PREDECESSOR;
    if (!pbts_uid_is_valid(uid)) return PBTS_REFUSAL_UID_INVALID;
    pbts_uid_hash(touched.uid_hash, uid);
    pbts_status status = pbts_ledger_read(commit->txn, &account, &from_referrer, touched.uid_hash);
    if (status == PBTS_NOT_FOUND) return PBTS_REFUSAL_UNKNOWN_USER;
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    if (!from_referrer || is_touched(commit, touched.uid_hash)) return PBTS_REFUSAL_UID_TAKEN;
    memcpy(touched.key_hash, account.key_hash, sizeof touched.key_hash);
    pbts_refusal refusal = opening_balance(commit, &touched);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    if (touched.user_no >= PBTS_USERS_MAX) return PBTS_REFUSAL_USERS_FULL;
    touched.is_new = touched.keyless = true;
    touched.before = touched.balance;
    status = pbts_commit_touch_new(commit, &touched);
    if (status != PBTS_OK) return pbts_commit_refusal(status);
    commit->users = touched.user_no;
    *user_no = touched.user_no;
    return PBTS_REFUSAL_NONE;
}
