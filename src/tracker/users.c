/* Reading users, and the checks of a registration. */
#include "tracker/users.h"

#include "base/assert.h"
#include "hash/sha.h"

pbts_status pbts_user_load_by_uid(pbts_tracker *tracker, uint32_t *user_no, pbts_user_row *out,
                                  pbts_span uid) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, tracker->store, false));
    pbts_status status = pbts_user_no_by_uid(txn, user_no, uid);
    if (status == PBTS_OK) status = pbts_user_row_get(txn, out, *user_no);
    pbts_txn_abort(txn);
    return status;
}

static void fill_user(const pbts_tracker *tracker, pbts_user *out, uint32_t user_no,
                      const pbts_user_row *row, const pbts_account *account) {
    pbts_balance balance = pbts_account_balance(account);
    *out = (pbts_user){
        .user_no = user_no,
        .uid_len = row->uid_len,
        .has_key = row->has_key,
        .key = row->key,
        .generation = balance.generation,
        .up_bytes = balance.up,
        .down_bytes = balance.down,
        .held_bytes = balance.held,
        .granted_bytes = balance.granted,
        .owed_bytes = balance.owed,
        .allowance_bytes = pbts_balance_allowance(&balance, pbts_tracker_policy_now(tracker)),
        .peers = atomic_load(&account->peers),
        .registered_unix_s = row->registered_unix_s,
        .reported_up_bytes = atomic_load(&account->reported_up),
        .reported_down_bytes = atomic_load(&account->reported_down),
    };
    memcpy(out->uid, row->uid, sizeof out->uid);
}

pbts_status pbts_tracker_user(pbts_tracker *tracker, pbts_user *out, pbts_span uid) {
    pbts_user_row row;
    uint32_t user_no;
    PBTS_TRY(pbts_user_load_by_uid(tracker, &user_no, &row, uid));
    const pbts_account *account = pbts_accounts_find(&tracker->accounts, user_no);
    if (account == NULL) return PBTS_NOT_FOUND;
    if (row.uid_len == 0) { /* inherited by the hash of this very name */
        memcpy(row.uid, uid.data, uid.len);
        row.uid_len = (uint8_t)uid.len;
    }
    fill_user(tracker, out, user_no, &row, account);
    return PBTS_OK;
}

pbts_status pbts_tracker_user_by_no(pbts_tracker *tracker, pbts_user *out, uint32_t user_no) {
    pbts_user_row row;
    pbts_txn *txn;
    const pbts_account *account = pbts_accounts_find(&tracker->accounts, user_no);
    if (account == NULL) return PBTS_NOT_FOUND;
    PBTS_TRY(pbts_txn_begin(&txn, tracker->store, false));
    pbts_status status = pbts_user_row_get(txn, &row, user_no);
    pbts_txn_abort(txn);
    PBTS_TRY(status);
    fill_user(tracker, out, user_no, &row, account);
    return PBTS_OK;
}

void pbts_tracker_passkey(const pbts_tracker *tracker, char out[static PBTS_PASSKEY_LEN + 1],
                          uint32_t user_no) {
    const pbts_account *account = pbts_accounts_find(&tracker->accounts, user_no);
    uint8_t tag[PBTS_PASSKEY_TAG_LEN];
    assert(account != NULL);
    uint32_t generation = atomic_load_explicit(&account->generation, memory_order_acquire);
    pbts_account_tag(tag, account);
    pbts_passkey_make(out, user_no, generation, tag);
}

pbts_refusal pbts_check_registration(const pbts_tracker *tracker, pbts_checked_registration *out,
                                     const pbts_registration *registration) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_bls_public_point key;
    pbts_bls_g1_point signature;
    if (!pbts_uid_is_valid(registration->uid)) return PBTS_REFUSAL_UID_INVALID;
    if (pbts_bls_public_decode(&key, &registration->key) != PBTS_OK) {
        return PBTS_REFUSAL_KEY_INVALID;
    }
    if (pbts_bls_signature_decode(&signature, &registration->signature) != PBTS_OK) {
        return PBTS_REFUSAL_BAD_SIGNATURE;
    }
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_register(&writer, tracker->iid, &registration->key, registration->uid);
    if (pbts_bls_verify(&key, PBTS_BLS_REGISTER, pbts_writer_span(&writer), &signature) !=
        PBTS_OK) {
        return PBTS_REFUSAL_BAD_SIGNATURE;
    }
    *out = (pbts_checked_registration){ .uid_len = (uint8_t)registration->uid.len,
                                        .has_key = true,
                                        .key = registration->key };
    memcpy(out->uid, registration->uid.data, registration->uid.len);
    pbts_bls_public_to_raw(out->key_raw, &key);
    return PBTS_REFUSAL_NONE;
}

/* ---- signed requests ---- */

bool pbts_signed_time_is_near(uint64_t time, pbts_now now) {
    return time <= now.unix_s + PBTS_ANNOUNCE_SKEW_S && now.unix_s <= time + PBTS_ANNOUNCE_SKEW_S;
}

static bool raise_to(_Atomic uint64_t *last, uint64_t time) {
    uint64_t known = atomic_load(last);
    while (time > known) {
        if (atomic_compare_exchange_weak(last, &known, time)) return true;
    }
    return false;
}

bool pbts_signed_time_claim(const pbts_tracker *tracker, pbts_account *account, uint64_t time,
                            pbts_now now) {
    /* What is near now and was near before the start is not older than this. A clock that was far
     * ahead at the start, and went back, keeps nobody out for longer. */
    bool may_be_known = now.mono_s <= tracker->started_mono_s + 2 * PBTS_ANNOUNCE_SKEW_S;
    if (may_be_known && time < tracker->started_unix_s) return false;
    return raise_to(&account->signed_unix_s, time);
}

bool pbts_tracker_is_first_shown(pbts_tracker *tracker, uint32_t user_no, uint64_t unix_time) {
    pbts_account *account = pbts_accounts_find(&tracker->accounts, user_no);
    return account != NULL && raise_to(&account->shown_unix_s, unix_time);
}

static pbts_status load_by_key(pbts_tracker *tracker, uint32_t *user_no, pbts_user_row *out,
                               const pbts_bls_public *key) {
    uint8_t hash[PBTS_SHA256_LEN];
    pbts_txn *txn;
    pbts_sha256(hash, PBTS_SPAN_OF(key->bytes));
    PBTS_TRY(pbts_txn_begin(&txn, tracker->store, false));
    pbts_status status = pbts_user_no_by_hash(txn, user_no, PBTS_TABLE_KEYS, hash);
    if (status == PBTS_OK) status = pbts_user_row_get(txn, out, *user_no);
    pbts_txn_abort(txn);
    return status;
}

static pbts_status verify_request(const pbts_tracker *tracker, const pbts_user_row *user,
                                  const pbts_signed_request *request) {
    uint8_t digest[PBTS_SHA256_LEN], message[PBTS_MESSAGE_MAX];
    pbts_bls_public_point key;
    pbts_bls_g1_point signature;
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/request/1\n"));
    pbts_sha256_update(&state, request->method);
    pbts_sha256_update(&state, pbts_span_text(" "));
    pbts_sha256_update(&state, request->path);
    pbts_sha256_update(&state, pbts_span_text("\n"));
    pbts_sha256_update(&state, request->body);
    pbts_sha256_final(&state, digest);
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_report(&writer, tracker->iid, &user->key, request->unix_time, digest);
    PBTS_TRY(pbts_bls_signature_decode(&signature, &request->signature));
    PBTS_TRY(pbts_bls_public_from_raw(&key, user->key_raw));
    return pbts_bls_verify(&key, PBTS_BLS_REPORT, pbts_writer_span(&writer), &signature);
}

pbts_refusal pbts_check_request(pbts_tracker *tracker, uint32_t *user_no,
                                const pbts_signed_request *request, pbts_now now) {
    pbts_user_row user;
    uint32_t number;
    if (!pbts_signed_time_is_near(request->unix_time, now)) return PBTS_REFUSAL_STALE_TIME;
    pbts_status status = load_by_key(tracker, &number, &user, &request->key);
    if (status == PBTS_NOT_FOUND) return PBTS_REFUSAL_UNKNOWN_USER;
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    if (verify_request(tracker, &user, request) != PBTS_OK) return PBTS_REFUSAL_BAD_SIGNATURE;
    pbts_account *account = pbts_accounts_find(&tracker->accounts, number);
    if (account == NULL) return PBTS_REFUSAL_UNKNOWN_USER;
    if (request->once && !pbts_signed_time_claim(tracker, account, request->unix_time, now)) {
        return PBTS_REFUSAL_STALE_TIME;
    }
    *user_no = number;
    return PBTS_REFUSAL_NONE;
}
