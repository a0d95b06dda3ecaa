/* Want of memory, of disk, of randomness: whatever fails, nothing changed, nothing leaks, and the
 * same again works. */
#include "counting_mem.h"
#include "world.h"

/* What must be as before after a failure. */
typedef struct {
    pbts_user users[WORLD_USERS];
    pbts_tracker_stats stats;
} snapshot;

static snapshot snapshot_of(world *w) {
    snapshot s;
    memset(&s, 0, sizeof s);
    for (size_t i = 0; i < w->user_count; i++) s.users[i] = world_user(w, i);
    pbts_tracker_stats_read(w->tracker, &s.stats);
    return s;
}

static void assert_unchanged(world *w, const snapshot *before) {
    for (size_t i = 0; i < w->user_count; i++) {
        pbts_user now = world_user(w, i);
        const pbts_user *then = &before->users[i];
        assert_int_equal(now.up_bytes, then->up_bytes);
        assert_int_equal(now.down_bytes, then->down_bytes);
        assert_int_equal(now.held_bytes, then->held_bytes);
        assert_int_equal(now.owed_bytes, then->owed_bytes);
        assert_int_equal(now.granted_bytes, then->granted_bytes);
        assert_int_equal(now.generation, then->generation);
    }
    pbts_tracker_stats now;
    pbts_tracker_stats_read(w->tracker, &now);
    assert_int_equal(now.users, before->stats.users);
    assert_int_equal(now.torrents, before->stats.torrents);
    assert_int_equal(now.credited_bytes, before->stats.credited_bytes);
    assert_int_equal(now.held_bytes, before->stats.held_bytes);
    assert_int_equal(now.ledger_sequence, before->stats.ledger_sequence);
    world_assert_balanced(w);
}

/* A world whose tracker takes its memory from `mem`; little is granted, so that credit is held. */
static world *world_on(counting_mem *mem, size_t users, size_t torrents) {
    pbts_policy policy = pbts_policy_default();
    policy.min_ratio_milli = 1000;
    policy.init_credit_bytes = 2 * WORLD_PIECE;
    policy.overdraft_bytes = 0;
    *mem = counting_mem_failing_at(SIZE_MAX);
    world *w = world_new(&policy, users, torrents);
    w->config.mem = &mem->mem;
    world_restart(w);
    return w;
}

static void world_end_counted(world *w, counting_mem *mem) {
    mem->fail_at = SIZE_MAX;
    world_free(w);
    assert_int_equal(mem->live_blocks, 0);
}

static void fill_report(world *w, pbts_statement statements[static 12]) {
    static uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-3,19");
    statements[0] = world_cumulative(w, 1, 0, 0, bits);
    for (uint32_t i = 1; i < 12; i++) {
        statements[i] = world_piece(w, 1 + i % 3, i % 4 == 0 ? 2 - i % 3 : 0, 0, i);
    }
}

static void a_report_that_cannot_be_checked_for_want_of_memory_leaves_nothing(void **state) {
    (void)state;
    counting_mem mem;
    world *w = world_on(&mem, 4, 1);
    pbts_statement statements[12];
    pbts_checked_report *checked = NULL;
    fill_report(w, statements);
    statements[3].signature = statements[4].signature; /* the search for it needs memory too */
    for (size_t form = 0; form < 2; form++) {
        pbts_report report = world_report_of(w, 0, statements, form == 0 ? 12 : 3);
        uint64_t live = mem.live_blocks;
        size_t failures = 0;
        for (;; failures++) {
            mem.fail_at = mem.asked + failures;
            pbts_refusal refusal = pbts_check_report(w->tracker, &checked, &report, w->now);
            if (refusal == PBTS_REFUSAL_NONE && mem.asked <= mem.fail_at) break;
            if (refusal == PBTS_REFUSAL_NONE) { /* the joint check failed, the separate ones not */
                assert_int_equal(pbts_checked_report_verdict(checked, 1).refusal,
                                 PBTS_REFUSAL_NONE);
                pbts_checked_report_free(checked);
                checked = NULL;
                assert_int_equal(mem.live_blocks, live);
                continue;
            }
            assert_int_equal(refusal, PBTS_REFUSAL_OVERLOADED);
            assert_null(checked);
            assert_int_equal(mem.live_blocks, live);
        }
        assert_true(failures >= 10);
        assert_int_equal(pbts_checked_report_verdict(checked, 1).refusal, PBTS_REFUSAL_NONE);
        pbts_checked_report_free(checked);
        checked = NULL;
        assert_int_equal(mem.live_blocks, live);
    }
    world_end_counted(w, &mem);
}

typedef struct {
    pbts_checked_report *report;
    pbts_checked_registration registration;
    pbts_metainfo *meta;
} workload;

/* One of each operation; the refusal that would abort the commit, or how its end went. */
static bool commit_all(world *w, workload *work, bool survive) {
    pbts_commit *commit;
    uint32_t number;
    if (pbts_commit_begin(&commit, w->tracker, w->now) != PBTS_OK) return false;
    pbts_refusal refusals[5];
    refusals[0] = pbts_commit_report(commit, work->report);
    refusals[1] = pbts_commit_registration(commit, &number, &work->registration, true);
    refusals[2] = pbts_commit_torrent(commit, &number, w->users[0].number, work->meta);
    refusals[3] = pbts_commit_rotate(commit, w->users[2].number);
    refusals[4] =
        pbts_commit_set_totals(commit, w->users[1].number, 20 * WORLD_PIECE, 30 * WORLD_PIECE);
    for (size_t i = 0; i < 5; i++) {
        bool fatal = refusals[i] == PBTS_REFUSAL_INTERNAL || refusals[i] == PBTS_REFUSAL_STORE_FULL;
        if (refusals[i] == PBTS_REFUSAL_NONE || (survive && !fatal)) continue;
        pbts_commit_abort(commit);
        return false;
    }
    return pbts_commit_end(commit) == PBTS_OK;
}

static workload work_of(world *w) {
    static pbts_statement statements[12];
    workload work = { .meta = world_metainfo("late", PBTS_TORRENT_HYBRID) };
    fill_report(w, statements);
    pbts_report report = world_report_of(w, 0, statements, 12);
    assert_int_equal(pbts_check_report(w->tracker, &work.report, &report, w->now),
                     PBTS_REFUSAL_NONE);
    memcpy(work.registration.uid, "late", 4);
    work.registration.uid_len = 4;
    return work;
}

static void a_commit_that_fails_for_want_of_memory_changes_nothing(void **state) {
    (void)state;
    counting_mem mem;
    world *w = world_on(&mem, 4, 1);
    workload work = work_of(w);
    size_t failures = 0;
    snapshot before = snapshot_of(w);
    for (;; failures++) {
        mem.fail_at = mem.asked + failures;
        if (commit_all(w, &work, false)) break;
        mem.fail_at = SIZE_MAX;
        assert_unchanged(w, &before);
    }
    mem.fail_at = SIZE_MAX;
    assert_true(failures >= 10);
    /* What the failed attempts counted is not in the verdicts of the one that worked. */
    pbts_verdict verdict = pbts_checked_report_verdict(work.report, 0);
    assert_int_equal(verdict.credited_bytes + verdict.held_bytes, 4 * WORLD_PIECE + WORLD_LAST);
    assert_int_equal(verdict.credited_bytes, 2 * WORLD_PIECE);
    assert_int_equal(world_user(w, 2).generation, before.users[2].generation + 1);
    world_assert_balanced(w);
    pbts_checked_report_free(work.report);
    pbts_metainfo_free(work.meta);
    world_end_counted(w, &mem);
}

static void totals_are_set_whole_or_not_at_all(void **state) {
    (void)state;
    counting_mem mem;
    world *w = world_on(&mem, 14, 1);
    /* user0 owes a piece to each of twelve, so the release touches more than fit at first. */
    for (size_t i = 1; i <= 12; i++) world_report_one(w, i, world_piece(w, 0, i, 0, (uint32_t)i));
    for (size_t failures = 0;; failures++) {
        snapshot before = snapshot_of(w);
        mem.fail_at = mem.asked + failures;
        pbts_commit *commit;
        if (pbts_commit_begin(&commit, w->tracker, w->now) != PBTS_OK) continue;
        pbts_refusal refusal =
            pbts_commit_set_totals(commit, w->users[0].number, 11 * WORLD_PIECE, 12 * WORLD_PIECE);
        bool fatal = refusal == PBTS_REFUSAL_INTERNAL;
        pbts_status ended = PBTS_OK;
        if (fatal) {
            pbts_commit_abort(commit);
        } else {
            ended = pbts_commit_end(commit); /* the commit goes on, as a host would */
        }
        mem.fail_at = SIZE_MAX;
        if (refusal == PBTS_REFUSAL_NONE && ended == PBTS_OK) break;
        assert_unchanged(w, &before);
    }
    assert_int_equal(world_user(w, 0).up_bytes, 11 * WORLD_PIECE);
    assert_int_equal(world_user(w, 0).owed_bytes, WORLD_PIECE);
    assert_int_equal(world_user(w, 11).held_bytes, 0);
    assert_int_equal(world_user(w, 12).held_bytes, WORLD_PIECE);
    world_assert_balanced(w);
    world_end_counted(w, &mem);
}

static void a_torrent_whose_commit_failed_can_still_be_registered(void **state) {
    (void)state;
    counting_mem mem;
    world *w = world_on(&mem, 1, 0);
    pbts_metainfo *hybrid = world_metainfo("hybrid", PBTS_TORRENT_HYBRID);
    uint32_t number = 0;
    for (size_t failures = 0;; failures++) {
        mem.fail_at = mem.asked + failures;
        pbts_commit *commit;
        bool done = false;
        if (pbts_commit_begin(&commit, w->tracker, w->now) == PBTS_OK) {
            if (pbts_commit_torrent(commit, &number, 0, hybrid) != PBTS_REFUSAL_NONE) {
                pbts_commit_abort(commit);
            } else {
                done = pbts_commit_end(commit) == PBTS_OK;
            }
        }
        mem.fail_at = SIZE_MAX;
        if (done) break;
        /* Another torrent gets the number that the failed one had. */
        char name[32];
        snprintf(name, sizeof name, "other%u", (unsigned)failures);
        pbts_metainfo *other = world_metainfo(name, PBTS_TORRENT_V1);
        commit = world_begin(w);
        assert_int_equal(world_end(commit, pbts_commit_torrent(commit, &number, 0, other)),
                         PBTS_REFUSAL_NONE);
        assert_int_equal(number, failures + 1);
        pbts_metainfo_free(other);
    }
    pbts_torrent found;
    assert_int_equal(pbts_tracker_torrent(w->tracker, &found, pbts_metainfo_infohash_v2(hybrid)),
                     PBTS_OK);
    assert_int_equal(found.torrent_no, number);
    pbts_metainfo_free(hybrid);
    world_end_counted(w, &mem);
}

static void an_instance_that_cannot_open_for_want_of_memory_leaves_nothing(void **state) {
    (void)state;
    counting_mem mem;
    world *w = world_on(&mem, 2, 1);
    uint64_t live = mem.live_blocks;
    for (size_t failures = 0;; failures++) {
        pbts_tracker *tracker = NULL;
        mem.fail_at = mem.asked + failures;
        pbts_status status = pbts_tracker_open(&tracker, &w->config, w->now);
        mem.fail_at = SIZE_MAX;
        if (status == PBTS_OK) {
            pbts_tracker_free(tracker);
            break;
        }
        assert_int_equal(status, PBTS_NO_MEMORY);
        assert_null(tracker);
        assert_int_equal(mem.live_blocks, live);
    }
    assert_int_equal(mem.live_blocks, live);
    world_end_counted(w, &mem);
}

/* ---- a full store ---- */

/* Fill the store with rows that nobody reads, in ever smaller ones; returns how many. */
static uint32_t fill_store(world *w) {
    static uint8_t junk[256 * 1024];
    uint32_t rows = 0;
    for (size_t len = sizeof junk; len > 100;) {
        uint8_t key[8] = "junk";
        pbts_txn *txn;
        key[4] = (uint8_t)(rows >> 8);
        key[5] = (uint8_t)rows;
        assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
        pbts_status status =
            pbts_txn_put(txn, PBTS_TABLE_REFERRER, PBTS_SPAN_OF(key), (pbts_span){ junk, len });
        if (status == PBTS_OK) {
            status = pbts_txn_commit(txn);
        } else {
            pbts_txn_abort(txn);
        }
        if (status == PBTS_OK) {
            rows++;
        } else {
            assert_int_equal(status, PBTS_FULL);
            len /= 4;
        }
    }
    return rows;
}

static void empty_store(world *w, uint32_t rows) {
    pbts_txn *txn;
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    for (uint32_t i = 0; i < rows; i++) {
        uint8_t key[8] = "junk";
        key[4] = (uint8_t)(i >> 8);
        key[5] = (uint8_t)i;
        assert_int_equal(pbts_txn_delete(txn, PBTS_TABLE_REFERRER, PBTS_SPAN_OF(key)), PBTS_OK);
    }
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static void a_full_store_changes_nothing_and_recovers(void **state) {
    (void)state;
    world *w = world_new(NULL, 4, 1);
    w->store_bytes = 2u << 20;
    world_restart(w);
    workload work = work_of(w);
    snapshot before = snapshot_of(w);
    uint32_t rows = fill_store(w);
    assert_true(rows > 0);
    pbts_commit *commit = world_begin(w);
    pbts_refusal refusal = pbts_commit_report(commit, work.report);
    if (refusal == PBTS_REFUSAL_NONE) {
        assert_int_equal(pbts_commit_end(commit), PBTS_FULL);
    } else {
        assert_int_equal(refusal, PBTS_REFUSAL_STORE_FULL);
        pbts_commit_abort(commit);
    }
    assert_unchanged(w, &before);
    uint32_t number;
    commit = world_begin(w); /* a registration and a torrent say the same word */
    refusal = pbts_commit_torrent(commit, &number, 0, work.meta);
    assert_int_equal(refusal, PBTS_REFUSAL_STORE_FULL);
    pbts_commit_abort(commit);
    commit = world_begin(w);
    refusal = PBTS_REFUSAL_NONE;
    for (unsigned i = 0; i < 5000 && refusal == PBTS_REFUSAL_NONE; i++) {
        work.registration.uid_len =
            (uint8_t)snprintf((char *)work.registration.uid, PBTS_UID_LEN_MAX, "late%u", i);
        refusal = pbts_commit_registration(commit, &number, &work.registration, true);
    }
    if (refusal == PBTS_REFUSAL_NONE) {
        assert_int_equal(pbts_commit_end(commit), PBTS_FULL);
    } else {
        assert_int_equal(refusal, PBTS_REFUSAL_STORE_FULL);
        pbts_commit_abort(commit);
    }
    assert_unchanged(w, &before);
    empty_store(w, rows);
    assert_true(commit_all(w, &work, false)); /* the same checked report again */
    pbts_verdict verdict = pbts_checked_report_verdict(work.report, 0);
    assert_int_equal(verdict.credited_bytes, 4 * WORLD_PIECE + WORLD_LAST);
    world_assert_balanced(w);
    world_restart(w);
    world_assert_balanced(w);
    pbts_checked_report_free(work.report);
    pbts_metainfo_free(work.meta);
    world_free(w);
}

/* ---- randomness ---- */

static pbts_status no_random(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    (void)out;
    (void)len;
    return PBTS_IO;
}

static void without_randomness_signatures_are_checked_one_by_one(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    /* The tracker keeps the pointer: swap what is behind it. */
    pbts_random source = *pbts_random_system();
    w->config.random = &source;
    world_restart(w);
    source.fill = no_random;
    pbts_verdict verdict;
    pbts_statement good = world_piece(w, 1, 0, 0, 0), bad = world_piece(w, 1, 0, 0, 1);
    bad.epoch--;
    assert_int_equal(world_report_one(w, 0, good).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 0, bad).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    pbts_report report = world_report_of(w, 0, &good, 1);
    report.statements_sha256[0] ^= 1;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    source = *pbts_random_system();
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_that_cannot_be_checked_for_want_of_memory_leaves_nothing),
        cmocka_unit_test(a_commit_that_fails_for_want_of_memory_changes_nothing),
        cmocka_unit_test(totals_are_set_whole_or_not_at_all),
        cmocka_unit_test(a_torrent_whose_commit_failed_can_still_be_registered),
        cmocka_unit_test(an_instance_that_cannot_open_for_want_of_memory_leaves_nothing),
        cmocka_unit_test(a_full_store_changes_nothing_and_recovers),
        cmocka_unit_test(without_randomness_signatures_are_checked_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
