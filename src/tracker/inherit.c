/* Users that come from a ledger elsewhere: known by the hash of their name until they come. */
#include "base/assert.h"
#include "hash/sha.h"
#include "ledger/mirror.h"
#include "tracker/account.h"
#include "tracker/rows.h"

static bool is_there(pbts_txn *txn, pbts_table table, const uint8_t hash[static 32],
                     pbts_status *status) {
    pbts_span value;
    *status = pbts_txn_get(txn, &value, table, (pbts_span){ hash, 32 });
    if (*status != PBTS_NOT_FOUND) return *status == PBTS_OK;
    *status = PBTS_OK;
    return false;
}

static bool is_used(pbts_txn *txn, uint32_t user_no, pbts_status *status) {
    pbts_user_row row;
    *status = pbts_user_row_get(txn, &row, user_no);
    if (*status != PBTS_NOT_FOUND) return *status == PBTS_OK;
    *status = PBTS_OK;
    return false;
}

/* PBTS_EXISTS: number, name or key. */
static pbts_status check_new(pbts_txn *txn, const pbts_ledger_account *row, uint32_t numbers_max) {
    pbts_status status;
    if (row->user_no == 0 || row->user_no > numbers_max) return PBTS_LIMIT;
    if (row->up_bytes > PBTS_TOTAL_MAX_BYTES || row->down_bytes > PBTS_TOTAL_MAX_BYTES) {
        return PBTS_LIMIT;
    }
    if (is_used(txn, row->user_no, &status)) return PBTS_EXISTS;
    PBTS_TRY(status);
    if (is_there(txn, PBTS_TABLE_UIDS, row->uid_hash, &status)) return PBTS_EXISTS;
    PBTS_TRY(status);
    if (is_there(txn, PBTS_TABLE_KEYS, row->key_hash, &status)) return PBTS_EXISTS;
    return status;
}

static pbts_status put_number(pbts_txn *txn, pbts_table table, const uint8_t hash[static 32],
                              uint32_t user_no) {
    uint8_t value[4];
    pbts_key_u32(value, user_no);
    return pbts_txn_put(txn, table, (pbts_span){ hash, 32 }, PBTS_SPAN_OF(value));
}

static pbts_status put_user(pbts_txn *txn, const pbts_inherited_user *user,
                            const pbts_bls_public_point *point, const uint8_t key_hash[static 32],
                            pbts_now now) {
    pbts_user_row row = { .has_key = true,
                          .key = user->key,
                          .granted = (int64_t)user->up_bytes - (int64_t)user->down_bytes,
                          .registered_unix_s = now.unix_s };
    pbts_bls_public_to_raw(row.key_raw, point);
    memcpy(row.uid, user->uid_hash, sizeof row.uid);
    PBTS_TRY(pbts_user_row_put(txn, user->user_no, &row));
    PBTS_TRY(put_number(txn, PBTS_TABLE_UIDS, user->uid_hash, user->user_no));
    return put_number(txn, PBTS_TABLE_KEYS, key_hash, user->user_no);
}

static void put_down(pbts_passed_over *passed_over, const uint8_t uid_hash[static 32]) {
    if (passed_over->count < PBTS_PASSED_OVER_KEPT)
        memcpy(passed_over->uid_hashes[passed_over->count], uid_hash, 32);
    passed_over->count++;
}

static bool is_unfit(pbts_status status) {
    return status == PBTS_EXISTS || status == PBTS_LIMIT || status == PBTS_MALFORMED;
}

/* Of a predecessor, whoever has the number, name or key of somebody who is here came to it after
 * its users were taken over: numbers go on from there in both. Such a one stays there. Otherwise
 * anybody could register at both, and no new machine could come up with this ledger. Likewise who
 * cannot be a user at all: its owner may have put them there for that. */
static pbts_status inherit_some(pbts_txn *txn, pbts_ledger_account *rows,
                                const pbts_tracker_config *config, const pbts_inherited_user *users,
                                size_t count, pbts_passed_over *passed_over, pbts_now now) {
    uint32_t numbers_max = passed_over != NULL ? passed_over->numbers_max : PBTS_USERS_MAX - 1;
    size_t taken = 0;
    pbts_bls_public_point point;
    for (size_t i = 0; i < count; i++) {
        pbts_ledger_account *row = &rows[taken];
        *row = (pbts_ledger_account){ .up_bytes = users[i].up_bytes,
                                      .down_bytes = users[i].down_bytes,
                                      .generation = users[i].generation,
                                      .user_no = users[i].user_no };
        memcpy(row->uid_hash, users[i].uid_hash, sizeof row->uid_hash);
        pbts_sha256(row->key_hash, PBTS_SPAN_OF(users[i].key.bytes));
        pbts_status status = check_new(txn, row, numbers_max);
        if (status == PBTS_OK) status = pbts_bls_public_decode(&point, &users[i].key);
        if (is_unfit(status) && passed_over != NULL) {
            put_down(passed_over, users[i].uid_hash);
            continue;
        }
        PBTS_TRY(status);
        PBTS_TRY(put_user(txn, &users[i], &point, row->key_hash, now));
        if (passed_over == NULL) PBTS_TRY(pbts_mirror_has(txn, users[i].uid_hash));
        taken++;
    }
    return taken == 0 ? PBTS_OK : pbts_ledger_write(txn, rows, taken, &config->owner, now.unix_s);
}

pbts_status pbts_tracker_inherit(pbts_txn *txn, const pbts_tracker_config *config,
                                 const pbts_inherited_user *users, size_t count,
                                 pbts_passed_over *passed_over, pbts_now now) {
    size_t some = count < PBTS_LEDGER_ROWS_MAX ? count : PBTS_LEDGER_ROWS_MAX;
    pbts_ledger_account *rows = pbts_alloc_array(config->mem, some + 1, sizeof *rows);
    pbts_status status = rows == NULL ? PBTS_NO_MEMORY : PBTS_OK;
    for (size_t at = 0; status == PBTS_OK && at < count; at += some) {
        if (some > count - at) some = count - at;
        status = inherit_some(txn, rows, config, users + at, some, passed_over, now);
    }
    pbts_release(config->mem, rows);
    return status;
}
