/* Who becomes a user, and what follows from a ledger that is older than the instance: restored on a
 * new machine, or a predecessor's. */
#include "world.h"

#include "hash/sha.h"
#include "ledger/ledger.h"
#include "tracker/checked_report.h"

#define PIECES(n) ((uint64_t)(n)*WORLD_PIECE)

static pbts_refusal register_again(world *w, const world *old, size_t user, const char *uid,
                                   uint32_t *number) {
    return world_register_as(w, number, &old->users[user].secret, uid,
                             pbts_tracker_iid(w->tracker));
}

/* Give the world the keys of another world's users; none is registered by that. */
static void borrow_users(world *w, const world *old) {
    memcpy(w->users, old->users, sizeof w->users);
    w->user_count = old->user_count;
}

static void register_borrowed(world *w, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(register_again(w, w, i, w->users[i].uid, &w->users[i].number),
                         PBTS_REFUSAL_NONE);
    }
}

/* ---- registration itself ---- */

static pbts_refusal commit_named(world *w, uint32_t *number, const char *uid, bool admin) {
    pbts_checked_registration checked = { .uid_len = (uint8_t)strlen(uid) };
    memcpy(checked.uid, uid, strlen(uid));
    pbts_commit *commit = world_begin(w);
    return world_end(commit, pbts_commit_registration(commit, number, &checked, admin));
}

static void closed_registration_is_for_administrators(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.open_registration = false;
    world *w = world_new(&policy, 0, 0);
    pbts_bls_secret secret;
    uint32_t number;
    assert_int_equal(pbts_bls_generate(&secret, pbts_random_system()), PBTS_OK);
    assert_int_equal(world_register_as(w, &number, &secret, "eve", pbts_tracker_iid(w->tracker)),
                     PBTS_REFUSAL_REGISTRATION_CLOSED);
    assert_int_equal(commit_named(w, &number, "eve", true), PBTS_REFUSAL_NONE);
    assert_int_equal(number, 1);
    policy.open_registration = true;
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
    assert_int_equal(world_register_as(w, &number, &secret, "eve", pbts_tracker_iid(w->tracker)),
                     PBTS_REFUSAL_UID_TAKEN);
    assert_int_equal(world_register_as(w, &number, &secret, "Eve", pbts_tracker_iid(w->tracker)),
                     PBTS_REFUSAL_NONE); /* names differ by case, as in every hash of them */
    world_free(w);
}

static void a_name_without_a_key_is_reserved_by_administrators_only(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    uint32_t number;
    assert_int_equal(commit_named(w, &number, "named", false), PBTS_REFUSAL_KEY_INVALID);
    assert_int_equal(commit_named(w, &number, "", true), PBTS_REFUSAL_UID_INVALID);
    assert_int_equal(commit_named(w, &number, "a b", true), PBTS_REFUSAL_UID_INVALID);
    assert_int_equal(commit_named(w, &number, "named", true), PBTS_REFUSAL_NONE);
    pbts_user user;
    assert_int_equal(pbts_tracker_user(w->tracker, &user, pbts_span_text("named")), PBTS_OK);
    assert_false(user.has_key);
    /* It cannot sign, so nobody can be credited by it, and it can submit nothing. */
    pbts_statement s = world_piece(w, 0, 0, 0, 0);
    s.receiver = (pbts_party){ .uid = pbts_span_text("named") };
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_UNKNOWN_RECEIVER);
    pbts_verdict verdict;
    pbts_report report = world_report_of(w, 0, &s, 1);
    report.uid = pbts_span_text("named");
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_UNKNOWN_USER);
    world_assert_balanced(w);
    world_free(w);
}

static void two_registrations_of_a_name_in_one_commit_give_one_user(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    pbts_checked_registration first = { .uid = "twin", .uid_len = 4 }, second = first;
    uint32_t one = 0, two = 0;
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_registration(commit, &one, &first, true), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_registration(commit, &two, &second, true), PBTS_REFUSAL_UID_TAKEN);
    memcpy(second.uid, "more", 4);
    assert_int_equal(pbts_commit_registration(commit, &two, &second, true), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    assert_int_equal(one, 2);
    assert_int_equal(two, 3);
    world_free(w);
}

/* ---- restored from the ledger alone ---- */

static void copy_table(const world *from, pbts_txn *to, pbts_table table) {
    pbts_txn *txn;
    pbts_rows *rows;
    pbts_span key, value;
    assert_int_equal(pbts_txn_begin(&txn, from->store, false), PBTS_OK);
    assert_int_equal(pbts_rows_open(&rows, txn, table, (pbts_span){ 0 }, (pbts_span){ 0 }),
                     PBTS_OK);
    while (pbts_rows_next(rows, &key, &value)) {
        assert_int_equal(pbts_txn_put(to, table, key, value), PBTS_OK);
    }
    pbts_rows_close(rows);
    pbts_txn_abort(txn);
}

/* What a host does that has nothing but the ledger's export; the old machine is gone after it. */
static world *restore_with(world *old, void (*put_claims)(world *, pbts_txn *)) {
    world *w = world_prepare(&old->config.policy);
    w->config.owner = old->config.owner;
    w->now = old->now;
    pbts_store_config config = { .size_max_bytes = 64u << 20 };
    pbts_txn *txn;
    assert_int_equal(pbts_store_open(&w->store, w->folder, &config), PBTS_OK);
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    copy_table(old, txn, PBTS_TABLE_LEDGER);
    copy_table(old, txn, PBTS_TABLE_ACCOUNTS);
    w->old = old;
    if (put_claims != NULL) put_claims(w, txn);
    assert_int_equal(pbts_tracker_restored(txn, put_claims != NULL), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    w->config.store = w->store;
    assert_int_equal(pbts_tracker_open(&w->tracker, &w->config, w->now), PBTS_OK);
    borrow_users(w, old);
    return w;
}

static world *restore(world *old) {
    return restore_with(old, NULL);
}

static world *old_machine(void) {
    world *w = world_new(NULL, 3, 1);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-4");
    assert_int_equal(world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits)).credited_pieces, 5);
    world_rotate(w, 1);
    return w;
}

static void a_restored_user_comes_back_with_its_own_key_only(void **state) {
    (void)state;
    world *old = old_machine(), *w = restore(old);
    uint64_t init = old->config.policy.init_credit_bytes;
    uint32_t number;
    pbts_bls_secret stranger;
    world_assert_balanced(w);
    assert_int_equal(pbts_bls_generate(&stranger, pbts_random_system()), PBTS_OK);
    assert_int_equal(
        world_register_as(w, &number, &stranger, "user0", pbts_tracker_iid(w->tracker)),
        PBTS_REFUSAL_KEY_MISMATCH);
    assert_int_equal(register_again(w, old, 1, "user0", &number), PBTS_REFUSAL_KEY_MISMATCH);
    assert_int_equal(register_again(w, old, 0, "user9", &number), PBTS_REFUSAL_KEY_TAKEN);
    register_borrowed(w, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(w->users[i].number, old->users[i].number);
        assert_int_equal(world_user(w, i).up_bytes, world_user(old, i).up_bytes);
        assert_int_equal(world_user(w, i).down_bytes, world_user(old, i).down_bytes);
    }
    assert_int_equal(world_user(w, 0).up_bytes, init + PIECES(5));
    /* Newcomers get numbers that nobody has. */
    assert_int_equal(
        world_register_as(w, &number, &stranger, "newcomer", pbts_tracker_iid(w->tracker)),
        PBTS_REFUSAL_NONE);
    assert_int_equal(number, 4);
    world_assert_balanced(w);
    world_restart(w);
    world_assert_balanced(w);
    assert_int_equal(world_user(w, 0).up_bytes, init + PIECES(5));
    world_free(w);
    world_free(old);
}

static void passkeys_outlive_the_machine(void **state) {
    (void)state;
    world *old = old_machine(), *w = restore(old);
    char passkey[PBTS_PASSKEY_LEN + 1];
    uint32_t number;
    for (size_t i = 0; i < 3; i++) {
        pbts_tracker_passkey(old->tracker, passkey, old->users[i].number);
        assert_int_equal(pbts_tracker_authenticate(w->tracker, &number, pbts_span_text(passkey)),
                         PBTS_REFUSAL_NONE);
        assert_int_equal(number, old->users[i].number);
    }
    register_borrowed(w, 3); /* which keeps user1's generation */
    pbts_tracker_passkey(old->tracker, passkey, old->users[1].number);
    assert_int_equal(pbts_tracker_authenticate(w->tracker, &number, pbts_span_text(passkey)),
                     PBTS_REFUSAL_NONE);
    world_free(w);
    world_free(old);
}

/* A machine that has all but the last user, whose number is the next. */
static void make_backup(world *w) {
    char command[256];
    world_close_tracker(w);
    snprintf(command, sizeof command, "cp -r '%s' '%s.backup'", w->folder, w->folder);
    assert_int_equal(system(command), 0);
    world_open_tracker(w);
}

static void go_back_to_the_backup(world *w) {
    char command[256];
    world_close_tracker(w);
    snprintf(command, sizeof command, "rm -r '%s' && mv '%s.backup' '%s'", w->folder, w->folder,
             w->folder);
    assert_int_equal(system(command), 0);
    world_open_tracker(w);
}

static void a_number_that_is_given_again_comes_without_the_old_passkey(void **state) {
    (void)state;
    static const char *const NEXT[] = { "newcomer", "user2", "user2" };
    for (size_t who = 0; who < 3; who++) {
        world *w = world_new(NULL, 2, 1);
        char old[PBTS_PASSKEY_LEN + 1], now[PBTS_PASSKEY_LEN + 1];
        uint32_t number = 0, known = 0;
        pbts_bls_secret stranger;
        make_backup(w);
        (void)world_add_user(w);
        pbts_tracker_passkey(w->tracker, old, w->users[2].number);
        go_back_to_the_backup(w);
        assert_int_equal(pbts_tracker_authenticate(w->tracker, &known, pbts_span_text(old)),
                         PBTS_REFUSAL_PASSKEY_INVALID);
        assert_int_equal(pbts_bls_generate(&stranger, pbts_random_system()), PBTS_OK);
        /* Another name; the same name with another key; who it was before. */
        const pbts_bls_secret *secret = who == 2 ? &w->users[2].secret : &stranger;
        assert_int_equal(
            world_register_as(w, &number, secret, NEXT[who], pbts_tracker_iid(w->tracker)),
            PBTS_REFUSAL_NONE);
        assert_int_equal(number, w->users[2].number);
        assert_int_equal(pbts_tracker_authenticate(w->tracker, &known, pbts_span_text(old)),
                         who == 2 ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_PASSKEY_INVALID);
        pbts_tracker_passkey(w->tracker, now, number);
        world_restart(w);
        assert_int_equal(pbts_tracker_authenticate(w->tracker, &known, pbts_span_text(now)),
                         PBTS_REFUSAL_NONE);
        assert_int_equal(known, number);
        assert_int_equal(pbts_tracker_authenticate(w->tracker, &known, pbts_span_text(old)),
                         who == 2 ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_PASSKEY_INVALID);
        world_free(w);
    }
}

static void what_may_have_been_counted_before_the_loss_is_not_counted(void **state) {
    (void)state;
    world *old = old_machine(), *w = restore(old);
    register_borrowed(w, 3);
    assert_int_equal(world_add_torrent(w, PBTS_TORRENT_V1), 0);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).refusal,
                     PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    s.has_iid = true; /* named or implied, it is this instance */
    memcpy(s.iid, pbts_tracker_iid(w->tracker), sizeof s.iid);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    w->now.unix_s += PBTS_EPOCH_SECONDS;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).credited_pieces, 1);
    world_restart(w); /* the floor stays */
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    world_assert_balanced(w);
    world_free(w);
    world_free(old);
}

/* Pieces 0-4 of the old world's torrent, user1 from user0, in the epoch of its last report. */
static void put_claims(world *w, pbts_txn *txn) {
    uint8_t bits[WORLD_SET_LEN];
    pbts_claims_record record = {
        .period = (uint32_t)pbts_claim_period(pbts_epoch_at(WORLD_START)),
        .bitmap = PBTS_SPAN_OF(bits),
    };
    world_set(bits, "0-4");
    pbts_uid_hash(record.receiver, pbts_span_text("user1"));
    pbts_uid_hash(record.sender, pbts_span_text("user0"));
    memcpy(record.infohash, pbts_metainfo_infohash(w->old->torrents[0]), sizeof record.infohash);
    assert_int_equal(pbts_tracker_old_claim_put(txn, &record), PBTS_OK);
}

static void with_its_claims_a_restored_instance_knows_what_was_counted(void **state) {
    (void)state;
    world *old = old_machine(), *w = restore_with(old, put_claims);
    register_borrowed(w, 3);
    assert_int_equal(world_add_torrent(w, PBTS_TORRENT_V1), 0);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 4)).duplicate_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 5)).credited_pieces, 1);
    world_restart(w);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 4)).duplicate_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 5)).duplicate_pieces, 1);
    world_assert_balanced(w);
    world_free(w);
    world_free(old);
}

static void another_key_cannot_open_the_ledger(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    pbts_tracker *tracker = NULL;
    pbts_tracker_config config = w->config;
    assert_int_equal(pbts_bls_generate(&config.owner, pbts_random_system()), PBTS_OK);
    assert_int_equal(pbts_tracker_open(&tracker, &config, w->now), PBTS_DENIED);
    assert_null(tracker);
    world_free(w);
}

/* ---- a predecessor ---- */

/* Put the old world's final accounts, as an import does after checking the whole export. */
static void put_referrer(world *w, pbts_txn *txn) {
    pbts_txn *reading;
    assert_int_equal(pbts_txn_begin(&reading, w->old->store, false), PBTS_OK);
    for (size_t i = 0; i < w->old->user_count; i++) {
        uint8_t hash[PBTS_UID_HASH_LEN];
        pbts_ledger_account account;
        bool from_referrer;
        pbts_uid_hash(hash, pbts_span_text(w->old->users[i].uid));
        if (pbts_ledger_read(reading, &account, &from_referrer, hash) != PBTS_OK) continue;
        if (from_referrer) continue; /* an export holds its own accounts */
        assert_int_equal(pbts_ledger_referrer_put(txn, &account), PBTS_OK);
    }
    pbts_txn_abort(reading);
}

static void put_referrer_and_claims(world *w, pbts_txn *txn) {
    put_referrer(w, txn);
    put_claims(w, txn);
}

static pbts_predecessor predecessor_of(const world *old, bool sealed, bool has_claims) {
    pbts_predecessor predecessor = { .last_epoch = world_epoch(old),
                                     .sealed = sealed,
                                     .has_claims = has_claims };
    memcpy(predecessor.iid, pbts_tracker_iid(old->tracker), sizeof predecessor.iid);
    return predecessor;
}

static world *successor_of(const world *old, const pbts_predecessor *predecessor) {
    world *w = world_prepare(&old->config.policy);
    w->predecessor = predecessor;
    w->at_setup = predecessor->has_claims ? put_referrer_and_claims : put_referrer;
    w->old = old;
    w->now = old->now;
    world_open_tracker(w);
    borrow_users(w, old);
    return w;
}

static void a_successors_first_touch_inherits_with_the_same_key_only(void **state) {
    (void)state;
    world *old = old_machine();
    pbts_predecessor predecessor = predecessor_of(old, true, false);
    world *w = successor_of(old, &predecessor);
    uint64_t init = old->config.policy.init_credit_bytes;
    uint32_t number;
    assert_int_equal(register_again(w, old, 1, "user0", &number), PBTS_REFUSAL_KEY_MISMATCH);
    assert_int_equal(register_again(w, old, 0, "user9", &number), PBTS_REFUSAL_KEY_TAKEN);
    assert_int_equal(register_again(w, old, 0, "user0", &w->users[0].number), PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(w, 0).up_bytes, init + PIECES(5));
    assert_int_equal(world_user(w, 0).granted_bytes, (int64_t)(init + PIECES(5)));
    assert_int_equal(register_again(w, old, 0, "user0", &number), PBTS_REFUSAL_UID_TAKEN);
    assert_int_equal(register_again(w, old, 0, "user9", &number), PBTS_REFUSAL_KEY_TAKEN);
    world_assert_balanced(w);

    /* The successor's successor asks the successor, and nobody behind it. */
    pbts_predecessor second = predecessor_of(w, true, false);
    world *third = successor_of(w, &second);
    assert_int_equal(register_again(third, old, 0, "user0", &third->users[0].number),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(third, 0).up_bytes, init + PIECES(5));
    assert_int_equal(register_again(third, old, 1, "user1", &third->users[1].number),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(third, 1).down_bytes, 0);
    assert_int_equal(world_user(third, 1).up_bytes, init);
    world_assert_balanced(third);
    world_free(third);
    world_free(w);
    world_free(old);
}

static pbts_refusal migrate(world *w, const char *uid, uint32_t *number) {
    pbts_commit *commit = world_begin(w);
    return world_end(commit, pbts_commit_migrate(commit, number, pbts_span_text(uid)));
}

static void a_migrated_name_waits_for_its_key(void **state) {
    (void)state;
    world *old = old_machine();
    pbts_predecessor predecessor = predecessor_of(old, true, false);
    world *w = successor_of(old, &predecessor);
    uint32_t number = 0, again = 0;
    assert_int_equal(migrate(old, "user0", &number), PBTS_REFUSAL_NO_PREDECESSOR);
    assert_int_equal(migrate(w, "nobody", &number), PBTS_REFUSAL_UNKNOWN_USER);
    assert_int_equal(migrate(w, "a/b", &number), PBTS_REFUSAL_UID_INVALID);
    assert_int_equal(migrate(w, "user1", &number), PBTS_REFUSAL_NONE);
    assert_int_equal(migrate(w, "user1", &again), PBTS_REFUSAL_UID_TAKEN);
    world_assert_balanced(w);
    world_restart(w);
    world_assert_balanced(w);
    assert_int_equal(register_again(w, old, 0, "user1", &again), PBTS_REFUSAL_KEY_MISMATCH);
    assert_int_equal(register_again(w, old, 1, "user9", &again), PBTS_REFUSAL_KEY_TAKEN);
    assert_int_equal(register_again(w, old, 1, "user1", &again), PBTS_REFUSAL_NONE);
    assert_int_equal(again, number);
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(5));
    world_assert_balanced(w);

    /* Migrated and registered in one commit: one of them, and the standing once. */
    pbts_checked_registration checked = { .uid = "user0", .uid_len = 5, .has_key = true };
    checked.key = old->users[0].key;
    pbts_bls_public_point point;
    assert_int_equal(pbts_bls_public_decode(&point, &checked.key), PBTS_OK);
    pbts_bls_public_to_raw(checked.key_raw, &point);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_migrate(commit, &number, pbts_span_text("user0")),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_registration(commit, &again, &checked, false),
                     PBTS_REFUSAL_OVERLOADED);
    assert_int_equal(pbts_commit_migrate(commit, &again, pbts_span_text("user0")),
                     PBTS_REFUSAL_UID_TAKEN);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    assert_int_equal(register_again(w, old, 0, "user0", &again), PBTS_REFUSAL_NONE);
    assert_int_equal(again, number);
    world_assert_balanced(w);
    world_free(w);
    world_free(old);
}

/* A receipt that names the predecessor. */
static pbts_statement old_piece(const world *w, const world *old, uint32_t index, uint64_t epoch) {
    pbts_statement s = world_piece(w, 1, 0, 0, index);
    s.has_iid = true;
    s.epoch = epoch;
    memcpy(s.iid, pbts_tracker_iid(old->tracker), sizeof s.iid);
    world_sign(w, &s, 1, 0, 0);
    return s;
}

static void receipts_of_a_living_predecessor_are_reported_there(void **state) {
    (void)state;
    world *old = old_machine();
    pbts_predecessor predecessor = predecessor_of(old, false, false);
    world *w = successor_of(old, &predecessor);
    register_borrowed(w, 2);
    assert_int_equal(world_add_torrent(w, PBTS_TORRENT_V1), 0);
    uint64_t last = predecessor.last_epoch;
    w->now.unix_s += 24 * PBTS_EPOCH_SECONDS; /* a day is not past yet */
    assert_int_equal(world_report_one(w, 0, old_piece(w, old, 7, last + 1)).refusal,
                     PBTS_REFUSAL_PREDECESSOR_ACTIVE);
    w->now.unix_s += PBTS_EPOCH_SECONDS;
    assert_int_equal(world_report_one(w, 0, old_piece(w, old, 7, last + 1)).credited_pieces, 1);
    /* What it may have counted is not counted without its claims. */
    assert_int_equal(world_report_one(w, 0, old_piece(w, old, 8, last)).refusal,
                     PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    /* The same transfer under this instance's name is the same piece. */
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 7)).duplicate_pieces, 1);
    world_assert_balanced(w);
    world_free(w);
    world_free(old);
}

static void a_sealed_predecessors_receipts_count_at_once(void **state) {
    (void)state;
    world *old = old_machine();
    pbts_predecessor predecessor = predecessor_of(old, true, false);
    world *w = successor_of(old, &predecessor);
    register_borrowed(w, 2);
    assert_int_equal(world_add_torrent(w, PBTS_TORRENT_V1), 0);
    uint64_t last = predecessor.last_epoch;
    w->now.unix_s += PBTS_EPOCH_SECONDS;
    assert_int_equal(world_report_one(w, 0, old_piece(w, old, 7, last + 1)).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 0, old_piece(w, old, 8, last)).refusal,
                     PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    pbts_statement foreign = old_piece(w, old, 9, last + 1);
    foreign.iid[31] ^= 1;
    assert_int_equal(world_report_one(w, 0, foreign).refusal, PBTS_REFUSAL_FOREIGN_INSTANCE);
    world_free(w);
    world_free(old);
}

static void what_the_predecessor_counted_is_not_counted_again(void **state) {
    (void)state;
    world *old = old_machine();
    pbts_predecessor predecessor = predecessor_of(old, true, true);
    world *w = successor_of(old, &predecessor);
    register_borrowed(w, 2);
    assert_int_equal(world_add_torrent(w, PBTS_TORRENT_V1), 0);
    uint64_t last = predecessor.last_epoch;
    assert_memory_equal(pbts_metainfo_infohash(w->torrents[0]),
                        pbts_metainfo_infohash(old->torrents[0]), 20);
    pbts_tracker_stats before, after;
    pbts_tracker_stats_read(w->tracker, &before);
    pbts_verdict v = world_report_one(w, 0, old_piece(w, old, 3, last));
    assert_int_equal(v.refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(v.duplicate_pieces, 1);
    assert_int_equal(v.credited_bytes, 0);
    pbts_tracker_stats_read(w->tracker, &after);
    assert_int_equal(after.ledger_sequence, before.ledger_sequence); /* duplicates leave no entry */
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 4)).duplicate_pieces, 1);
    assert_int_equal(world_report_one(w, 0, old_piece(w, old, 5, last)).credited_pieces, 1);
    world_restart(w);
    assert_int_equal(world_report_one(w, 0, old_piece(w, old, 5, last)).duplicate_pieces, 1);
    world_assert_balanced(w);
    world_free(w);
    world_free(old);
}

/* Rule 9 for an instance that has a predecessor and lost its own claims: the predecessor's receipts
 * were among them. */
static void put_referrer_and_floor(world *w, pbts_txn *txn) {
    put_referrer(w, txn);
    assert_int_equal(pbts_tracker_restored(txn, false), PBTS_OK);
}

static void a_floor_holds_for_the_predecessors_receipts_too(void **state) {
    (void)state;
    world *old = old_machine();
    pbts_predecessor predecessor = predecessor_of(old, true, false);
    world *w = world_prepare(&old->config.policy);
    w->predecessor = &predecessor;
    w->at_setup = put_referrer_and_floor;
    w->old = old;
    w->now = old->now;
    w->now.unix_s += 5 * PBTS_EPOCH_SECONDS; /* five epochs in which it may have counted */
    world_open_tracker(w);
    borrow_users(w, old);
    register_borrowed(w, 2);
    assert_int_equal(world_add_torrent(w, PBTS_TORRENT_V1), 0);
    uint64_t last = predecessor.last_epoch;
    w->now.unix_s += 25 * PBTS_EPOCH_SECONDS; /* a restored instance takes it for alive for a day */
    for (uint64_t epoch = last + 1; epoch <= last + 5; epoch++) {
        assert_int_equal(world_report_one(w, 0, old_piece(w, old, 1, epoch)).refusal,
                         PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    }
    pbts_verdict v = world_report_one(w, 0, old_piece(w, old, 1, last + 6));
    assert_int_equal(v.refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(v.credited_pieces, 1);
    world_free(w);
    world_free(old);
}

/* ---- sealed ---- */

static void a_sealed_instance_changes_nothing_and_still_answers(void **state) {
    (void)state;
    uint8_t successor[PBTS_IID_LEN] = { 5 };
    world *w = world_new(NULL, 2, 1);
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    pbts_txn *txn;
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    assert_int_equal(pbts_ledger_seal(txn, successor, &w->config.owner, w->now.unix_s), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    world_restart(w);
    uint32_t number;
    pbts_checked_report *checked = NULL;
    pbts_report report = world_report_of(w, 0, &s, 1);
    assert_int_equal(pbts_check_report(w->tracker, &checked, &report, w->now), PBTS_REFUSAL_SEALED);
    assert_null(checked);
    assert_int_equal(commit_named(w, &number, "late", true), PBTS_REFUSAL_SEALED);
    assert_int_equal(migrate(w, "user0", &number), PBTS_REFUSAL_SEALED);
    pbts_commit *commit = world_begin(w);
    pbts_checked_report waiting = { .count = 0 };
    assert_int_equal(pbts_commit_report(commit, &waiting), PBTS_REFUSAL_SEALED);
    assert_int_equal(pbts_commit_rotate(commit, 1), PBTS_REFUSAL_SEALED);
    assert_int_equal(pbts_commit_set_totals(commit, 1, 0, 0), PBTS_REFUSAL_SEALED);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK); /* others in the commit are not lost */
    assert_int_equal(world_user(w, 0).up_bytes, w->config.policy.init_credit_bytes);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_registration_is_for_administrators),
        cmocka_unit_test(a_name_without_a_key_is_reserved_by_administrators_only),
        cmocka_unit_test(two_registrations_of_a_name_in_one_commit_give_one_user),
        cmocka_unit_test(a_restored_user_comes_back_with_its_own_key_only),
        cmocka_unit_test(passkeys_outlive_the_machine),
        cmocka_unit_test(a_number_that_is_given_again_comes_without_the_old_passkey),
        cmocka_unit_test(what_may_have_been_counted_before_the_loss_is_not_counted),
        cmocka_unit_test(with_its_claims_a_restored_instance_knows_what_was_counted),
        cmocka_unit_test(another_key_cannot_open_the_ledger),
        cmocka_unit_test(a_successors_first_touch_inherits_with_the_same_key_only),
        cmocka_unit_test(a_migrated_name_waits_for_its_key),
        cmocka_unit_test(receipts_of_a_living_predecessor_are_reported_there),
        cmocka_unit_test(a_sealed_predecessors_receipts_count_at_once),
        cmocka_unit_test(what_the_predecessor_counted_is_not_counted_again),
        cmocka_unit_test(a_floor_holds_for_the_predecessors_receipts_too),
        cmocka_unit_test(a_sealed_instance_changes_nothing_and_still_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
