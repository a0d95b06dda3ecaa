/* An instance that another ledger follows, and one that goes on with that ledger's users alone. */
#include "world.h"

#include "hash/sha.h"
#include "ledger/mirror.h"
#include "tracker/account.h"

enum { ROWS = WORLD_USERS };

static const uint8_t IID[PBTS_IID_LEN] = { 0xe7, 1 };

static world *mirrored(void (*at_setup)(world *, pbts_txn *), const world *old) {
    world *w = world_prepare(NULL);
    w->config.mirrored = true;
    memcpy(w->config.mirror_iid, IID, sizeof IID);
    w->at_setup = at_setup;
    w->old = old;
    if (old != NULL) w->config.owner = old->config.owner;
    world_open_tracker(w);
    return w;
}

static size_t marked(world *w, pbts_mirror_row rows[static ROWS]) {
    pbts_txn *txn;
    size_t count;
    assert_int_equal(pbts_txn_begin(&txn, w->store, false), PBTS_OK);
    assert_int_equal(pbts_mirror_marked(txn, rows, &count, ROWS, NULL), PBTS_OK);
    pbts_txn_abort(txn);
    return count;
}

static bool is_marked(world *w, const char *uid) {
    pbts_mirror_row rows[ROWS];
    uint8_t hash[PBTS_UID_HASH_LEN];
    pbts_uid_hash(hash, pbts_span_text(uid));
    size_t count = marked(w, rows);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(rows[i].account.uid_hash, hash, sizeof hash) == 0) return true;
    }
    return false;
}

static void forget_marks(world *w) {
    pbts_mirror_row rows[ROWS];
    pbts_txn *txn;
    size_t count = marked(w, rows);
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pbts_mirror_written(txn, &rows[i].account, 1), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(marked(w, rows), 0);
}

static pbts_inherited_user inherited_from(const world *old, size_t at) {
    pbts_user user = world_user((world *)(uintptr_t)old, at);
    pbts_inherited_user out = { .key = user.key,
                                .user_no = user.user_no,
                                .generation = user.generation,
                                .up_bytes = user.up_bytes,
                                .down_bytes = user.down_bytes };
    pbts_uid_hash(out.uid_hash, (pbts_span){ user.uid, user.uid_len });
    return out;
}

static void put_inherited(world *w, pbts_txn *txn) {
    pbts_inherited_user users[WORLD_USERS];
    for (size_t i = 0; i < w->old->user_count; i++) users[i] = inherited_from(w->old, i);
    assert_int_equal(pbts_tracker_inherit(txn, &w->config, users, w->old->user_count, NULL, w->now),
                     PBTS_OK);
    assert_int_equal(pbts_tracker_floor_put(txn, world_epoch(w->old)), PBTS_OK);
}

static world *gone_on(const world *old) {
    world *w = mirrored(put_inherited, old);
    memcpy(w->users, old->users, sizeof w->users);
    w->user_count = old->user_count;
    return w;
}

static world *old_machine(void) {
    uint8_t bits[WORLD_SET_LEN];
    world *w = mirrored(NULL, NULL);
    for (int i = 0; i < 3; i++) (void)world_add_user(w);
    (void)world_add_torrent(w, PBTS_TORRENT_V1);
    world_set(bits, "0-4");
    assert_int_equal(world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits)).credited_pieces, 5);
    world_rotate(w, 1);
    return w;
}

static void the_instance_has_the_mirrors_id(void **state) {
    (void)state;
    world *w = mirrored(NULL, NULL), *plain = world_new(NULL, 1, 0);
    pbts_mirror_row rows[ROWS];
    assert_memory_equal(pbts_tracker_iid(w->tracker), IID, sizeof IID);
    assert_true(pbts_tracker_is_mirrored(w->tracker));
    assert_false(pbts_tracker_is_mirrored(plain->tracker));
    assert_int_equal(marked(plain, rows), 0);
    w->config.mirrored = false; /* it is the store that says so */
    world_restart(w);
    assert_true(pbts_tracker_is_mirrored(w->tracker));
    world_free(w);
    world_free(plain);
}

static void every_change_of_an_account_marks_it(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN];
    pbts_mirror_row rows[ROWS];
    world *w = mirrored(NULL, NULL);
    for (int i = 0; i < 3; i++) (void)world_add_user(w);
    (void)world_add_torrent(w, PBTS_TORRENT_V1);
    assert_int_equal(marked(w, rows), 3);
    forget_marks(w);
    world_set(bits, "0-4");
    (void)world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits));
    assert_true(is_marked(w, "user0") && is_marked(w, "user1"));
    assert_false(is_marked(w, "user2"));
    forget_marks(w);
    world_rotate(w, 2);
    assert_true(is_marked(w, "user2"));
    forget_marks(w);
    world_set_totals(w, 0, 77, 0);
    assert_true(is_marked(w, "user0"));
    assert_int_equal(marked(w, rows), 1);
    assert_int_equal(rows[0].account.up_bytes, 77);
    world_free(w);
}

/* What the mirror cannot take is no arrear of it: it knows users by their keys. */
static void a_name_without_a_key_is_not_marked(void **state) {
    (void)state;
    pbts_mirror_row rows[ROWS];
    world *w = mirrored(NULL, NULL);
    pbts_checked_registration named = { .uid = "reserved", .uid_len = 8 };
    uint32_t number = 0;
    pbts_user user;
    (void)world_add_user(w);
    forget_marks(w);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_registration(commit, &number, &named, true)),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(marked(w, rows), 0);
    commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_set_totals(commit, number, 5, 0)),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(marked(w, rows), 0);
    assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, number), PBTS_OK);
    assert_int_equal(user.up_bytes, 5); /* it is on the ledger here */
    /* In one commit with somebody who has one. */
    commit = world_begin(w);
    assert_int_equal(pbts_commit_set_totals(commit, w->users[0].number, 7, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(world_end(commit, pbts_commit_set_totals(commit, number, 6, 0)),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(marked(w, rows), 1);
    assert_true(is_marked(w, "user0"));
    world_free(w);
}

static uint64_t counted_epoch(world *w) {
    uint64_t epoch;
    assert_int_equal(pbts_tracker_counted_epoch(w->tracker, &epoch), PBTS_OK);
    return epoch;
}

/* Rule 9 of who comes up from the mirror rests on it. */
static void the_latest_epoch_that_counted_is_known_whatever_the_clock_says(void **state) {
    (void)state;
    world *w = mirrored(NULL, NULL);
    pbts_tracker_stats stats;
    uint64_t epoch = world_epoch(w);
    for (int i = 0; i < 2; i++) (void)world_add_user(w);
    (void)world_add_torrent(w, PBTS_TORRENT_V1);
    assert_int_equal(counted_epoch(w), 0);
    pbts_statement then = world_piece(w, 1, 0, 0, 0);
    /* The clock is ahead for a while: time enters the ledger, and a receipt of the past counts. */
    w->now.unix_s += 1000 * PBTS_EPOCH_SECONDS;
    world_rotate(w, 1);
    w->now.unix_s -= 995 * PBTS_EPOCH_SECONDS;
    assert_int_equal(world_report_one(w, 0, then).credited_pieces, 1);
    for (int restarts = 0; restarts < 2; restarts++) {
        pbts_tracker_stats_read(w->tracker, &stats);
        assert_int_equal(counted_epoch(w), epoch);
        assert_true(stats.ledger_unix_s > w->now.unix_s);
        world_restart(w);
    }
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 1)).credited_pieces, 1);
    w->now.unix_s -= 5 * PBTS_EPOCH_SECONDS;
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 2)).credited_pieces, 1);
    world_restart(w);
    assert_int_equal(counted_epoch(w), epoch + 5); /* it does not fall */
    world_free(w);
}

/* Numbers begin anew in every instance. */
static void a_passkey_is_of_one_instance_also_with_the_same_key(void **state) {
    (void)state;
    char one[PBTS_PASSKEY_LEN + 1], other[PBTS_PASSKEY_LEN + 1];
    world *plain = world_new(NULL, 1, 0), *w = mirrored(NULL, plain);
    (void)world_add_user(w);
    assert_memory_equal(pbts_tracker_owner(w->tracker), pbts_tracker_owner(plain->tracker),
                        sizeof(pbts_bls_public));
    assert_int_equal(w->users[0].number, plain->users[0].number);
    pbts_tracker_passkey(w->tracker, one, w->users[0].number);
    pbts_tracker_passkey(plain->tracker, other, plain->users[0].number);
    assert_string_not_equal(one, other);
    world_free(w);
    world_free(plain);
}

static void passkeys_and_receipts_of_users_count_before_they_come(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN];
    char before[PBTS_PASSKEY_LEN + 1], after[PBTS_PASSKEY_LEN + 1];
    world *old = old_machine(), *w = gone_on(old);
    pbts_mirror_row rows[ROWS];
    assert_int_equal(marked(w, rows), 0);
    world_assert_balanced(w);
    for (size_t i = 0; i < 3; i++) {
        pbts_tracker_passkey(old->tracker, before, old->users[i].number);
        pbts_tracker_passkey(w->tracker, after, old->users[i].number);
        assert_string_equal(before, after);
        assert_int_equal(world_user(w, i).up_bytes, world_user(old, i).up_bytes);
        assert_int_equal(world_user(w, i).down_bytes, world_user(old, i).down_bytes);
    }
    (void)world_add_torrent(w, PBTS_TORRENT_V1);
    world_set(bits, "0-4");
    /* May have been counted: rule 9. */
    assert_int_equal(world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits)).refusal,
                     PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    w->now.unix_s += PBTS_EPOCH_SECONDS;
    assert_int_equal(world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits)).credited_pieces, 5);
    assert_int_equal(marked(w, rows), 2);
    assert_true(rows[0].present && rows[1].present);
    assert_true(is_marked(w, "user0") && is_marked(w, "user1"));
    world_assert_balanced(w);
    world_restart(w);
    world_assert_balanced(w);
    world_free(w);
    world_free(old);
}

static void a_name_is_taken_up_with_its_own_key_only(void **state) {
    (void)state;
    world *old = old_machine(), *w = gone_on(old);
    pbts_bls_secret stranger;
    pbts_user user;
    uint32_t number = 0;
    const uint8_t *iid = pbts_tracker_iid(w->tracker);
    assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, w->users[0].number), PBTS_OK);
    assert_int_equal(user.uid_len, 0);
    assert_int_equal(pbts_bls_generate(&stranger, pbts_random_system()), PBTS_OK);
    assert_int_equal(world_register_as(w, &number, &stranger, "user0", iid),
                     PBTS_REFUSAL_KEY_MISMATCH);
    assert_int_equal(world_register_as(w, &number, &w->users[1].secret, "user0", iid),
                     PBTS_REFUSAL_KEY_MISMATCH);
    assert_int_equal(world_register_as(w, &number, &w->users[0].secret, "other", iid),
                     PBTS_REFUSAL_KEY_TAKEN);
    assert_int_equal(world_register_as(w, &number, &w->users[0].secret, "user0", iid),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(number, w->users[0].number);
    assert_int_equal(world_register_as(w, &number, &w->users[0].secret, "user0", iid),
                     PBTS_REFUSAL_UID_TAKEN);
    assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, w->users[0].number), PBTS_OK);
    assert_int_equal(user.uid_len, 5);
    assert_memory_equal(user.uid, "user0", 5);
    assert_int_equal(user.up_bytes, world_user(old, 0).up_bytes);
    /* By name without a key: not even by an administrator. */
    pbts_checked_registration named = { .uid = "user1", .uid_len = 5 };
    pbts_commit *commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_registration(commit, &number, &named, true)),
                     PBTS_REFUSAL_KEY_MISMATCH);
    /* Newcomers get numbers that nobody has. */
    assert_int_equal(world_register_as(w, &number, &stranger, "newcomer", iid), PBTS_REFUSAL_NONE);
    assert_int_equal(number, 4);
    world_assert_balanced(w);
    world_free(w);
    world_free(old);
}

static pbts_status inherit(world *w, const pbts_inherited_user *users, size_t count) {
    pbts_txn *txn;
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    pbts_status status = pbts_tracker_inherit(txn, &w->config, users, count, NULL, w->now);
    pbts_txn_abort(txn);
    return status;
}

static void users_that_cannot_be_are_refused(void **state) {
    (void)state;
    world *old = old_machine(), *w = mirrored(NULL, old);
    pbts_inherited_user users[2] = { inherited_from(old, 0), inherited_from(old, 1) };
    const pbts_inherited_user good = users[1];
    assert_int_equal(inherit(w, users, 0), PBTS_OK);
    assert_int_equal(inherit(w, users, 2), PBTS_OK);
    users[1].user_no = users[0].user_no;
    assert_int_equal(inherit(w, users, 2), PBTS_EXISTS);
    users[1] = good;
    users[1].key = users[0].key;
    assert_int_equal(inherit(w, users, 2), PBTS_EXISTS);
    users[1] = good;
    memcpy(users[1].uid_hash, users[0].uid_hash, sizeof users[1].uid_hash);
    assert_int_equal(inherit(w, users, 2), PBTS_EXISTS);
    users[1] = good;
    users[1].user_no = 0;
    assert_int_equal(inherit(w, users, 2), PBTS_LIMIT);
    users[1].user_no = PBTS_USERS_MAX;
    assert_int_equal(inherit(w, users, 2), PBTS_LIMIT);
    users[1] = good;
    users[1].up_bytes = PBTS_TOTAL_MAX_BYTES + 1;
    assert_int_equal(inherit(w, users, 2), PBTS_LIMIT);
    users[1] = good;
    users[1].down_bytes = PBTS_TOTAL_MAX_BYTES + 1;
    assert_int_equal(inherit(w, users, 2), PBTS_LIMIT);
    users[1] = good;
    memset(users[1].key.bytes, 0xff, sizeof users[1].key.bytes);
    assert_int_not_equal(inherit(w, users, 2), PBTS_OK);
    world_free(w);
    world_free(old);
}

/* ---- a predecessor that went on by itself ---- */

enum { NUMBERS_MAX = 1000 };

static pbts_bls_secret newcomers_key(pbts_bls_public *key) {
    pbts_bls_secret secret;
    assert_int_equal(pbts_bls_generate(&secret, pbts_random_system()), PBTS_OK);
    pbts_bls_public_of(key, &secret);
    return secret;
}

static void put_both(world *w, pbts_txn *txn) {
    pbts_inherited_user own[3], more[11];
    for (size_t i = 0; i < 3; i++) own[i] = inherited_from(w->old, i);
    for (size_t i = 0; i < 11; i++) {
        more[i] = (pbts_inherited_user){ .user_no = 10 + (uint32_t)i, .up_bytes = 1000 };
        more[i].uid_hash[0] = (uint8_t)(1 + i);
        (void)newcomers_key(&more[i].key);
    }
    more[1].user_no = own[1].user_no;
    more[2].key = own[2].key;
    memcpy(more[3].uid_hash, own[0].uid_hash, sizeof own[0].uid_hash);
    more[5].key = more[4].key;
    more[6].user_no = 0;
    more[7].user_no = NUMBERS_MAX + 1;
    more[8].up_bytes = UINT64_MAX;
    more[9].key.bytes[0] ^= 1;
    more[10].user_no = NUMBERS_MAX;
    assert_int_equal(pbts_tracker_inherit(txn, &w->config, own, 3, NULL, w->now), PBTS_OK);
    pbts_passed_over passed_over = { .numbers_max = NUMBERS_MAX };
    assert_int_equal(pbts_tracker_inherit(txn, &w->config, more, 11, &passed_over, w->now),
                     PBTS_OK);
    static const size_t WHO[] = { 1, 2, 3, 5, 6, 7, 8, 9 };
    assert_int_equal(passed_over.count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_memory_equal(passed_over.uid_hashes[i], more[WHO[i]].uid_hash, 32);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pbts_tracker_inherit(txn, &w->config, more + 1, 3, &passed_over, w->now),
                         PBTS_OK);
    assert_int_equal(passed_over.count, 8 + 3 * 3); /* the first eight are kept */
    assert_memory_equal(passed_over.uid_hashes[7], more[9].uid_hash, 32);
}

static void whoever_came_to_the_predecessor_too_late_keeps_nobody_out(void **state) {
    (void)state;
    world *old = old_machine(), *w = mirrored(put_both, old);
    memcpy(w->users, old->users, sizeof w->users);
    w->user_count = old->user_count;
    pbts_mirror_row rows[ROWS];
    pbts_user user;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(world_user(w, i).up_bytes, world_user(old, i).up_bytes);
    assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, NUMBERS_MAX), PBTS_OK);
    assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, NUMBERS_MAX + 1), PBTS_NOT_FOUND);
    /* Of the others, those with a number, key and name of their own that can be a user's. */
    for (uint32_t i = 10; i < 21; i++)
        assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, i),
                         i == 10 || i == 14 ? PBTS_OK : PBTS_NOT_FOUND);
    assert_int_equal(marked(w, rows), 0); /* they go to the mirror when they change */
    world_assert_balanced(w);
    world_restart(w);
    world_assert_balanced(w);
    world_free(w);
    world_free(old);
}

/* ---- limits ---- */

static void put_last(world *w, pbts_txn *txn) {
    pbts_inherited_user user = inherited_from(w->old, 0);
    user.user_no = PBTS_USERS_MAX - 1;
    user.up_bytes = user.down_bytes = PBTS_TOTAL_MAX_BYTES;
    assert_int_equal(pbts_tracker_inherit(txn, &w->config, &user, 1, NULL, w->now), PBTS_OK);
}

static void behind_the_last_number_there_is_nobody(void **state) {
    (void)state;
    world *old = old_machine(), *w = mirrored(put_last, old);
    pbts_bls_public key;
    pbts_bls_secret stranger = newcomers_key(&key);
    const uint8_t *iid = pbts_tracker_iid(w->tracker);
    uint32_t number = 0;
    pbts_user user;
    for (int restarts = 0; restarts < 2; restarts++) {
        assert_int_equal(world_register_as(w, &number, &stranger, "newcomer", iid),
                         PBTS_REFUSAL_USERS_FULL);
        assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, PBTS_USERS_MAX - 1), PBTS_OK);
        assert_int_equal(user.up_bytes, PBTS_TOTAL_MAX_BYTES);
        world_assert_balanced(w);
        world_restart(w);
        iid = pbts_tracker_iid(w->tracker);
    }
    assert_int_equal(world_register_as(w, &number, &old->users[0].secret, "user0", iid),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(number, PBTS_USERS_MAX - 1);
    world_free(w);
    world_free(old);
}

/* One more than an entry of the ledger takes. */
static void put_many(world *w, pbts_txn *txn) {
    enum { MANY = PBTS_LEDGER_ROWS_MAX + 1 };
    pbts_inherited_user *users = calloc(MANY, sizeof *users);
    assert_non_null(users);
    for (uint32_t i = 0; i < MANY; i++) {
        users[i] = (pbts_inherited_user){ .user_no = i + 1, .up_bytes = i, .down_bytes = MANY };
        memcpy(users[i].uid_hash, &i, sizeof i);
        (void)newcomers_key(&users[i].key);
    }
    assert_int_equal(pbts_tracker_inherit(txn, &w->config, users, MANY, NULL, w->now), PBTS_OK);
    free(users);
}

static void more_users_than_an_entry_of_the_ledger_takes_are_all_there(void **state) {
    (void)state;
    world *w = mirrored(put_many, NULL);
    pbts_user user;
    for (uint32_t i = 0; i <= PBTS_LEDGER_ROWS_MAX; i++) {
        assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, i + 1), PBTS_OK);
        assert_int_equal(user.up_bytes, i);
    }
    assert_int_equal(pbts_tracker_user_by_no(w->tracker, &user, PBTS_LEDGER_ROWS_MAX + 2),
                     PBTS_NOT_FOUND);
    world_assert_balanced(w);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_instance_has_the_mirrors_id),
        cmocka_unit_test(every_change_of_an_account_marks_it),
        cmocka_unit_test(a_name_without_a_key_is_not_marked),
        cmocka_unit_test(the_latest_epoch_that_counted_is_known_whatever_the_clock_says),
        cmocka_unit_test(a_passkey_is_of_one_instance_also_with_the_same_key),
        cmocka_unit_test(passkeys_and_receipts_of_users_count_before_they_come),
        cmocka_unit_test(a_name_is_taken_up_with_its_own_key_only),
        cmocka_unit_test(users_that_cannot_be_are_refused),
        cmocka_unit_test(whoever_came_to_the_predecessor_too_late_keeps_nobody_out),
        cmocka_unit_test(behind_the_last_number_there_is_nobody),
        cmocka_unit_test(more_users_than_an_entry_of_the_ledger_takes_are_all_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
