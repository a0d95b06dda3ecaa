/* Attempts to get paid twice, for nothing, or at another's cost: the ways that are left when each
 * rule by itself holds (test_money.c). */
#include "world.h"

#define PIECES(n) ((uint64_t)(n)*WORLD_PIECE)

static pbts_policy poor_policy(uint64_t pieces) {
    pbts_policy policy = pbts_policy_default();
    policy.min_ratio_milli = 1000;
    policy.init_credit_bytes = PIECES(pieces);
    policy.overdraft_bytes = 0;
    return policy;
}

static void finish(world *w) {
    world_assert_balanced(w);
    world_restart(w);
    world_assert_balanced(w);
    world_free(w);
}

static uint64_t sequence_of(world *w) {
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(w->tracker, &stats);
    return stats.ledger_sequence;
}

/* ---- one receipt, several ways at once ---- */

static void two_checks_of_one_receipt_before_any_commit_pay_once(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_checked_report *checked[3];
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    pbts_report report = world_report_of(w, 0, &s, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pbts_check_report(w->tracker, &checked[i], &report, w->now),
                         PBTS_REFUSAL_NONE);
    }
    pbts_commit *commit = world_begin(w); /* two in one commit, the third in the next */
    assert_int_equal(pbts_commit_report(commit, checked[0]), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_report(commit, checked[1]), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, checked[2]), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    assert_int_equal(pbts_checked_report_verdict(checked[0], 0).credited_pieces, 1);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(pbts_checked_report_verdict(checked[i], 0).credited_pieces, 0);
        assert_int_equal(pbts_checked_report_verdict(checked[i], 0).duplicate_pieces, 1);
    }
    for (size_t i = 0; i < 3; i++) pbts_checked_report_free(checked[i]);
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(1));
    finish(w);
}

static void a_report_is_judged_by_the_claims_at_its_commit(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_checked_report *checked;
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    pbts_report report = world_report_of(w, 0, &s, 1);
    assert_int_equal(pbts_check_report(w->tracker, &checked, &report, w->now), PBTS_REFUSAL_NONE);
    w->now.unix_s += 70 * 24 * 3600; /* its period was forgotten while it waited */
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, checked), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    assert_int_equal(pbts_checked_report_verdict(checked, 0).refusal, PBTS_REFUSAL_EPOCH_EXPIRED);
    pbts_checked_report_free(checked);
    assert_int_equal(world_user(w, 1).down_bytes, 0);
    finish(w);
}

static void a_clock_that_goes_back_leaves_no_receipt_newer_than_the_ledger(void **state) {
    (void)state;
    /* The ledger's last epoch is what a restored instance goes by: rule 9. */
    world *w = world_new(NULL, 2, 1);
    pbts_checked_report *checked;
    w->now.unix_s += PBTS_EPOCH_SECONDS;
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    pbts_report report = world_report_of(w, 0, &s, 1);
    assert_int_equal(pbts_check_report(w->tracker, &checked, &report, w->now), PBTS_REFUSAL_NONE);
    w->now.unix_s -= PBTS_EPOCH_SECONDS;
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, checked), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    assert_int_equal(pbts_checked_report_verdict(checked, 0).refusal, PBTS_REFUSAL_EPOCH_FUTURE);
    pbts_checked_report_free(checked);
    w->now.unix_s += PBTS_EPOCH_SECONDS; /* nothing was claimed by it */
    assert_int_equal(world_report_one(w, 0, s).credited_pieces, 1);
    finish(w);
}

static void a_verdict_tells_of_the_commit_that_worked(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_checked_report *checked;
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    pbts_report report = world_report_of(w, 0, &s, 1);
    assert_int_equal(pbts_check_report(w->tracker, &checked, &report, w->now), PBTS_REFUSAL_NONE);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, checked), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_checked_report_verdict(checked, 0).credited_bytes, PIECES(1));
    pbts_commit_abort(commit);
    assert_int_equal(world_report_one(w, 0, s).credited_pieces, 1); /* another was faster */
    commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, checked), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    pbts_verdict verdict = pbts_checked_report_verdict(checked, 0);
    assert_int_equal(verdict.duplicate_pieces, 1);
    assert_int_equal(verdict.credited_bytes, 0);
    pbts_checked_report_free(checked);
    finish(w);
}

static void what_a_commit_refused_that_failed_is_looked_at_again(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_checked_report *checked;
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    pbts_report report = world_report_of(w, 0, &s, 1);
    assert_int_equal(pbts_check_report(w->tracker, &checked, &report, w->now), PBTS_REFUSAL_NONE);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_set_totals(commit, w->users[0].number, UINT64_C(1) << 61, 0),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_report(commit, checked), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_checked_report_verdict(checked, 0).refusal, PBTS_REFUSAL_TOTALS_FULL);
    pbts_commit_abort(commit);
    commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, checked), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    assert_int_equal(pbts_checked_report_verdict(checked, 0).refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_checked_report_verdict(checked, 0).credited_pieces, 1);
    pbts_checked_report_free(checked);
    finish(w);
}

static void a_period_ends_at_its_last_epoch(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint64_t period_s = (uint64_t)PBTS_CLAIM_PERIOD_EPOCHS * PBTS_EPOCH_SECONDS;
    uint64_t border = (WORLD_START / period_s + 1) * period_s;
    w->now.unix_s = border - 1;
    pbts_statement last = world_piece(w, 1, 0, 0, 0);
    assert_int_equal(world_report_one(w, 0, last).credited_pieces, 1);
    w->now.unix_s = border; /* reported again across the border: the receipt's period counts */
    assert_int_equal(world_report_one(w, 0, last).duplicate_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).duplicate_pieces, 1);
    w->now.unix_s = border + (uint64_t)PBTS_WINDOW_EPOCHS * PBTS_EPOCH_SECONDS - 1;
    assert_int_equal(world_report_one(w, 0, last).duplicate_pieces, 1); /* the window's end */
    w->now.unix_s += 1;
    assert_int_equal(world_report_one(w, 0, last).refusal, PBTS_REFUSAL_EPOCH_EXPIRED);
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(2));
    finish(w);
}

static void directions_and_torrents_are_claimed_apart(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 2);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 0, 1, 0, 0)).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 1, 0)).credited_pieces, 1);
    assert_int_equal(world_user(w, 0).down_bytes, PIECES(1));
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(2));
    finish(w);
}

/* ---- the joint check ---- */

static pbts_bls_g1_point decoded(const pbts_bls_signature *bytes) {
    pbts_bls_g1_point point;
    assert_int_equal(pbts_bls_signature_decode(&point, bytes), PBTS_OK);
    return point;
}

/* signature += times * shift */
static void shift_by(pbts_bls_signature *signature, const pbts_bls_g1_point *shift, bool minus) {
    pbts_bls_g1_point point = decoded(signature), by = *shift;
    if (minus) {
        /* (r - 1) * shift, by doubling and adding the bits of r - 1. */
        static const uint8_t r_minus_1[32] = { 0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48,
                                               0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1, 0xd8, 0x05,
                                               0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe, 0x5b, 0xfe,
                                               0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00 };
        pbts_bls_g1_zero(&by);
        for (size_t bit = 0; bit < 256; bit++) {
            pbts_bls_g1_point same = by;
            pbts_bls_g1_add(&by, &same);
            if (r_minus_1[bit / 8] >> (7 - bit % 8) & 1) pbts_bls_g1_add(&by, shift);
        }
    }
    pbts_bls_g1_add(&point, &by);
    pbts_bls_signature_encode(signature, &point);
}

static void an_error_of_the_submitter_is_not_cancelled_by_a_statements(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_verdict verdict;
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    pbts_report report = world_report_of(w, 0, &s, 1);
    pbts_bls_g1_point shift = decoded(&report.signature);
    pbts_bls_signature good = s.signature, back;
    shift_by(&report.signature, &shift, false);
    shift_by(&s.signature, &shift, true); /* the plain sum of both is as before */
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    s.signature = good;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    back = report.signature;
    shift_by(&report.signature, &shift, true);
    assert_memory_not_equal(&back, &report.signature, sizeof back);
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_NONE); /* r - 1 is minus 1 */
    assert_int_equal(verdict.credited_pieces, 1);
    finish(w);
}

/* What is said of bad ones does not depend on how the check was done: 64 statements are checked
 * with their submitter, 65 after him. */
static void a_report_of_sixty_five_is_judged_as_one_of_sixty_four(void **state) {
    (void)state;
    enum { COUNT = 65 };
    world *w = world_new(NULL, 3, 4);
    static pbts_statement statements[COUNT];
    static pbts_verdict verdicts[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        statements[i] = world_piece(w, 1 + i % 2, 0, i / WORLD_PIECES, i % WORLD_PIECES);
    }
    statements[7].epoch--;
    memset(&statements[9].signature, 0xFF, sizeof statements[9].signature);
    for (size_t count = COUNT; count >= COUNT - 1; count--) {
        uint64_t up = world_user(w, 0).up_bytes;
        pbts_report report = world_report_of(w, 0, statements, count);
        report.statements_sha256[3] ^= 1;
        assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_BAD_SIGNATURE);
        report.statements_sha256[3] ^= 1;
        memset(report.signature.bytes, 0, sizeof report.signature.bytes);
        assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_BAD_SIGNATURE);
        assert_int_equal(world_user(w, 0).up_bytes, up);
        report = world_report_of(w, 0, statements, count);
        assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
        for (size_t i = 0; i < count; i++) {
            pbts_refusal want = i == 7 || i == 9 ? PBTS_REFUSAL_BAD_SIGNATURE : PBTS_REFUSAL_NONE;
            assert_int_equal(verdicts[i].refusal, want);
        }
    }
    finish(w);
}

static void own_signatures_and_an_aggregate_may_be_mixed(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    pbts_statement statements[6];
    pbts_verdict verdicts[6];
    pbts_bls_g1_point sum;
    pbts_bls_g1_zero(&sum);
    for (uint32_t i = 0; i < 6; i++) {
        statements[i] = world_piece(w, 1 + i % 2, 0, 0, i);
        if (i % 3 != 0) continue;
        pbts_bls_g1_point one = decoded(&statements[i].signature);
        pbts_bls_g1_add(&sum, &one);
        statements[i].has_signature = false;
    }
    pbts_report report = world_report_of(w, 0, statements, 6);
    report.has_aggregate = true;
    report.aggregate = statements[1].signature; /* a signature, but not theirs */
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(verdicts[i].credited_pieces, i % 3 != 0);
        assert_int_equal(verdicts[i].refusal,
                         i % 3 != 0 ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_BAD_SIGNATURE);
    }
    pbts_bls_signature_encode(&report.aggregate, &sum);
    statements[1].signature = statements[2].signature; /* now an own one is bad */
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(verdicts[i].credited_pieces, i % 3 == 0);
        assert_int_equal(verdicts[i].refusal == PBTS_REFUSAL_BAD_SIGNATURE, i == 1);
    }
    finish(w);
}

static void a_report_of_refused_statements_still_needs_its_submitter(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_verdict verdict;
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    s.infohash[0] ^= 1;
    pbts_report report = world_report_of(w, 0, &s, 1);
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_NONE);
    assert_int_equal(verdict.refusal, PBTS_REFUSAL_UNKNOWN_TORRENT);
    report.statements_sha256[0] ^= 1;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    report = world_report_of(w, 0, &s, 0); /* and so does an empty one */
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_NONE);
    report.statements_sha256[0] ^= 1;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    finish(w);
}

static void the_prototypes_shape_credits_whom_the_receipts_name(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    pbts_verdict verdicts[2];
    pbts_statement statements[2] = { world_piece(w, 1, 0, 0, 0), world_piece(w, 1, 0, 0, 1) };
    statements[1].sender = (pbts_party){ 0 }; /* the submitter, who is not whom it was signed for */
    pbts_report report = world_report_of(w, 2, statements, 2);
    report.legacy = true;
    report.has_signature = false;
    report.unix_time = 0;
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    assert_int_equal(verdicts[0].credited_pieces, 1);
    assert_int_equal(verdicts[1].refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    assert_int_equal(world_user(w, 2).up_bytes, w->config.policy.init_credit_bytes);
    finish(w);
}

static void more_statements_than_a_report_may_have_are_refused_unread(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    pbts_verdict verdict;
    pbts_statement *statements = calloc(PBTS_REPORT_STATEMENTS_MAX + 1, sizeof *statements);
    assert_non_null(statements);
    pbts_report report = world_report_of(w, 0, statements, PBTS_REPORT_STATEMENTS_MAX + 1);
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_MALFORMED);
    report.count = PBTS_REPORT_STATEMENTS_MAX;
    pbts_checked_report *checked;
    assert_int_equal(pbts_check_report(w->tracker, &checked, &report, w->now), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_checked_report_count(checked), PBTS_REPORT_STATEMENTS_MAX);
    pbts_checked_report_free(checked);
    free(statements);
    world_free(w);
}

static void checking_one_statement_changes_nothing(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    uint64_t before = sequence_of(w);
    uint32_t bad_piece;
    assert_int_equal(pbts_check_statement(w->tracker, &bad_piece, &s, (pbts_span){ 0 }, w->now),
                     PBTS_REFUSAL_NONE);
    s.sender = (pbts_party){ 0 };
    assert_int_equal(pbts_check_statement(w->tracker, &bad_piece, &s, (pbts_span){ 0 }, w->now),
                     PBTS_REFUSAL_UNKNOWN_SENDER);
    assert_int_equal(
        pbts_check_statement(w->tracker, &bad_piece, &s, pbts_span_text("user0"), w->now),
        PBTS_REFUSAL_NONE);
    assert_int_equal(
        pbts_check_statement(w->tracker, &bad_piece, &s, pbts_span_text("user2"), w->now),
        PBTS_REFUSAL_BAD_SIGNATURE);
    assert_int_equal(
        pbts_check_statement(w->tracker, &bad_piece, &s, pbts_span_text("user1"), w->now),
        PBTS_REFUSAL_SELF_TRANSFER);
    assert_int_equal(
        pbts_check_statement(w->tracker, &bad_piece, &s, pbts_span_text("nobody"), w->now),
        PBTS_REFUSAL_UNKNOWN_SENDER);
    s.has_signature = false;
    assert_int_equal(
        pbts_check_statement(w->tracker, &bad_piece, &s, pbts_span_text("user0"), w->now),
        PBTS_REFUSAL_BAD_SIGNATURE);
    assert_int_equal(world_user(w, 1).down_bytes, 0);
    assert_int_equal(sequence_of(w), before);
    finish(w);
}

/* ---- totals and what is held ---- */

static void totals_set_by_hand_leave_room_for_what_is_held(void **state) {
    (void)state;
    pbts_policy policy = poor_policy(1);
    world *w = world_new(&policy, 2, 1);
    const uint64_t most = UINT64_C(1) << 61;
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-4");
    world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits)); /* 4 held for user0 */
    pbts_commit *commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_set_totals(commit, w->users[0].number,
                                                              most - PIECES(4) + 1, 0)),
                     PBTS_REFUSAL_TOTALS_FULL);
    world_set_totals(w, 0, most - PIECES(4), 0);
    /* Now not one byte more may be earned, held or not. */
    pbts_verdict v = world_report_one(w, 0, world_piece(w, 1, 0, 0, 5));
    assert_int_equal(v.refusal, PBTS_REFUSAL_TOTALS_FULL);
    assert_int_equal(v.credited_pieces + v.credited_bytes + v.held_bytes, 0);
    world_set_totals(w, 1, PIECES(100), PIECES(5)); /* what is held comes free */
    assert_int_equal(world_user(w, 0).up_bytes, most);
    assert_int_equal(world_user(w, 0).held_bytes, 0);
    /* Nor may a debit be set below what others wait for, or beyond the largest total. */
    world_set_totals(w, 1, 0, PIECES(5));
    world_set_totals(w, 0, 0, 0);
    world_report_one(w, 0, world_piece(w, 1, 0, 0, 6));
    assert_int_equal(world_user(w, 1).owed_bytes, PIECES(1));
    commit = world_begin(w);
    assert_int_equal(
        world_end(commit, pbts_commit_set_totals(commit, w->users[1].number, 0, PIECES(1) - 1)),
        PBTS_REFUSAL_MALFORMED);
    commit = world_begin(w);
    assert_int_equal(
        world_end(commit, pbts_commit_set_totals(commit, w->users[1].number, 0, most + 1)),
        PBTS_REFUSAL_TOTALS_FULL);
    commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_set_totals(commit, 77, 0, 0)),
                     PBTS_REFUSAL_UNKNOWN_USER);
    finish(w);
}

static void a_receivers_total_never_passes_the_largest(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    world_set_totals(w, 1, UINT64_C(1) << 61, (UINT64_C(1) << 61) - PIECES(1));
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 19)).refusal,
                     PBTS_REFUSAL_TOTALS_FULL);
    finish(w);
}

/* The order of HELD rows comes from the ledger's sequence. */
static void held_credit_keeps_its_order_over_commits_and_restarts(void **state) {
    (void)state;
    pbts_policy policy = poor_policy(1);
    world *w = world_new(&policy, 6, 1);
    for (uint32_t i = 0; i < 10; i++) {
        /* user5 takes from user0..4 in turn, two rounds, one piece each; the first is covered. */
        world_report_one(w, i % 5, world_piece(w, 5, i % 5, 0, i));
        world_report_one(w, i % 5, world_piece(w, 5, i % 5, 0, i)); /* a commit without entries */
        if (i % 3 == 0) world_restart(w);
    }
    assert_int_equal(world_user(w, 5).owed_bytes, PIECES(9));
    pbts_tracker_stats stats;
    for (uint32_t paid = 1; paid < 10; paid++) {
        world_set_totals(w, 5, PIECES(paid + 1), PIECES(10));
        /* One more piece is covered: it goes to the next in turn. */
        size_t next = paid % 5;
        assert_int_equal(world_user(w, next).up_bytes, PIECES(2 + paid / 5));
        pbts_tracker_stats_read(w->tracker, &stats);
        assert_int_equal(stats.held_bytes, PIECES(9 - paid));
        if (paid % 4 == 0) world_restart(w);
    }
    assert_int_equal(world_user(w, 5).owed_bytes, 0);
    finish(w);
}

static void a_commit_that_holds_and_is_set_back_still_moves_the_order(void **state) {
    (void)state;
    pbts_policy policy = poor_policy(2);
    world *w = world_new(&policy, 3, 2);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-1");
    world_report_one(w, 0, world_cumulative(w, 2, 0, 1, bits)); /* nothing is covered any more */
    for (uint32_t i = 0; i < 3; i++) {
        pbts_checked_report *checked;
        pbts_statement s = world_piece(w, 2, i % 2, 0, i);
        pbts_report report = world_report_of(w, 0, &s, 1);
        assert_int_equal(pbts_check_report(w->tracker, &checked, &report, w->now),
                         PBTS_REFUSAL_NONE);
        uint64_t down = world_user(w, 2).down_bytes;
        pbts_commit *commit = world_begin(w);
        assert_int_equal(pbts_commit_report(commit, checked), PBTS_REFUSAL_NONE);
        assert_int_equal(pbts_checked_report_verdict(checked, 0).held_bytes, PIECES(1));
        /* An administrator undoes the debit in the same commit: no total differs at its end. */
        if (i < 2) {
            assert_int_equal(pbts_commit_set_totals(commit, w->users[2].number, 0, down),
                             PBTS_REFUSAL_NONE);
        }
        assert_int_equal(pbts_commit_end(commit), PBTS_OK);
        pbts_checked_report_free(checked);
        world_set_totals(w, 2, 0, down > PIECES(i + 1) ? down : PIECES(i + 1));
    }
    assert_int_equal(world_user(w, 2).owed_bytes, PIECES(3));
    world_restart(w); /* all three rows are there */
    assert_int_equal(world_user(w, 2).owed_bytes, PIECES(3));
    assert_int_equal(world_user(w, 0).held_bytes, PIECES(2));
    assert_int_equal(world_user(w, 1).held_bytes, PIECES(1));
    finish(w);
}

static void what_changes_nothing_leaves_no_ledger_entry(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    world_report_one(w, 0, s);
    uint64_t before = sequence_of(w);
    for (int i = 0; i < 3; i++) world_report_one(w, 0, s); /* duplicates */
    pbts_user user = world_user(w, 1);
    world_set_totals(w, 1, user.up_bytes, user.down_bytes);
    assert_int_equal(pbts_commit_end(world_begin(w)), PBTS_OK);
    assert_int_equal(sequence_of(w), before);
    world_rotate(w, 1);
    assert_int_equal(sequence_of(w), before + 1);
    finish(w);
}

static void a_ring_of_debts_is_settled_and_ends(void **state) {
    (void)state;
    /* Ratio 2: what comes in covers half of it, so a ring of debts pays itself off by halves. */
    pbts_policy policy = poor_policy(0);
    policy.min_ratio_milli = 2000;
    world *w = world_new(&policy, 4, 2);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-18");
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < 4; i++) {
            world_report_one(w, i, world_cumulative(w, (i + 1) % 4, i, t, bits));
        }
    }
    world_set_totals(w, 0, PIECES(8), world_user(w, 0).down_bytes);
    for (size_t i = 0; i < 4; i++) {
        pbts_user u = world_user(w, i);
        /* Nothing that is covered is left held. */
        assert_true(u.owed_bytes == 0 || u.up_bytes / 2 <= u.down_bytes - u.owed_bytes);
    }
    finish(w);
}

static void a_ring_that_makes_room_for_more_pays_it(void **state) {
    (void)state;
    /* Ratio 0.5: users 0, 1 and 2 owe each other in a ring, and user 2 owes user 3 after that. */
    pbts_policy policy = poor_policy(0);
    policy.min_ratio_milli = 500;
    world *w = world_new(&policy, 5, 2);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-3");
    for (size_t i = 0; i < 3; i++) {
        world_report_one(w, (i + 1) % 3, world_cumulative(w, i, (i + 1) % 3, 0, bits));
    }
    world_report_one(w, 3, world_cumulative(w, 2, 3, 0, bits));
    assert_int_equal(world_user(w, 3).held_bytes, PIECES(4));
    world_set_totals(w, 4, 1, 0); /* covers two bytes, which set the ring off */
    world_report_one(w, 0, world_piece(w, 4, 0, 0, 0));
    assert_int_equal(world_user(w, 0).up_bytes, PIECES(4) + 2);
    for (size_t i = 0; i < 3; i++) assert_int_equal(world_user(w, i).owed_bytes, 0);
    assert_int_equal(world_user(w, 3).up_bytes, PIECES(4));
    assert_int_equal(world_user(w, 3).held_bytes, 0);
    finish(w);
}

static void a_ring_with_one_who_is_past_what_is_covered_stands_still(void **state) {
    (void)state;
    pbts_policy policy = poor_policy(0);
    world *w = world_new(&policy, 3, 1);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-3");
    world_report_one(w, 1, world_cumulative(w, 0, 1, 0, bits));
    world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits));
    world_set_totals(w, 1, 0, PIECES(8)); /* 4 of them credited, and nothing covers those */
    world_set_totals(w, 2, 1, 0);
    world_report_one(w, 0, world_piece(w, 2, 0, 0, 0));
    assert_int_equal(world_user(w, 0).up_bytes, 1);
    assert_int_equal(world_user(w, 1).up_bytes, 1);
    assert_int_equal(world_user(w, 0).owed_bytes, PIECES(4) - 1);
    assert_int_equal(world_user(w, 1).owed_bytes, PIECES(4));
    finish(w);
}

/* What user 0 still owes when one byte came into a ring of so many. */
static uint64_t left_in_ring_of(size_t count) {
    pbts_policy policy = poor_policy(0);
    world *w = world_new(&policy, count + 1, 1);
    for (size_t i = 0; i < count; i++) {
        world_report_one(w, (i + 1) % count, world_piece(w, i, (i + 1) % count, 0, 0));
    }
    world_set_totals(w, count, 1, 0);
    world_report_one(w, 0, world_piece(w, count, 0, 0, 0));
    uint64_t left = world_user(w, 0).owed_bytes;
    finish(w);
    return left;
}

static void a_ring_of_eight_is_settled_at_once(void **state) {
    (void)state;
    assert_int_equal(left_in_ring_of(2), 0);
    assert_int_equal(left_in_ring_of(8), 0);
    /* A larger one byte by byte, as far as one report goes. */
    assert_int_equal(left_in_ring_of(9), PIECES(1) - 112); /* of 1,000 steps */
}

/* Two whose debts pay each other off a byte at a time keep the committer busy for as long as it
 * lets them: in the same commit others come to what is theirs. */
static void a_ring_of_debts_holds_up_nobody_elses_credit(void **state) {
    (void)state;
    pbts_policy policy = poor_policy(0);
    world *w = world_new(&policy, 7, 2);
    pbts_checked_report *checked[2];
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-18");
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < 2; i++) {
            world_report_one(w, i, world_cumulative(w, 1 - i, i, t, bits));
        }
    }
    world_set_totals(w, 2, 1, 0); /* can pay one byte */
    world_report_one(w, 3, world_piece(w, 4, 3, 0, 0));
    assert_int_equal(world_user(w, 3).held_bytes, PIECES(1));
    world_set_totals(w, 5, PIECES(1), 0);
    pbts_statement ring = world_piece(w, 2, 0, 0, 0), honest = world_piece(w, 5, 4, 0, 0);
    pbts_report reports[2] = { world_report_of(w, 0, &ring, 1), world_report_of(w, 4, &honest, 1) };
    pbts_commit *commit = world_begin(w);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pbts_check_report(w->tracker, &checked[i], &reports[i], w->now),
                         PBTS_REFUSAL_NONE);
        assert_int_equal(pbts_commit_report(commit, checked[i]), PBTS_REFUSAL_NONE);
    }
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    for (size_t i = 0; i < 2; i++) pbts_checked_report_free(checked[i]);
    uint64_t paid = world_user(w, 0).up_bytes;
    assert_true(paid > 1);
    assert_int_equal(world_user(w, 3).held_bytes, 0);
    assert_int_equal(world_user(w, 3).up_bytes, PIECES(1));
    finish(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_checks_of_one_receipt_before_any_commit_pay_once),
        cmocka_unit_test(a_report_is_judged_by_the_claims_at_its_commit),
        cmocka_unit_test(a_clock_that_goes_back_leaves_no_receipt_newer_than_the_ledger),
        cmocka_unit_test(a_verdict_tells_of_the_commit_that_worked),
        cmocka_unit_test(what_a_commit_refused_that_failed_is_looked_at_again),
        cmocka_unit_test(a_period_ends_at_its_last_epoch),
        cmocka_unit_test(directions_and_torrents_are_claimed_apart),
        cmocka_unit_test(an_error_of_the_submitter_is_not_cancelled_by_a_statements),
        cmocka_unit_test(a_report_of_sixty_five_is_judged_as_one_of_sixty_four),
        cmocka_unit_test(own_signatures_and_an_aggregate_may_be_mixed),
        cmocka_unit_test(a_report_of_refused_statements_still_needs_its_submitter),
        cmocka_unit_test(the_prototypes_shape_credits_whom_the_receipts_name),
        cmocka_unit_test(more_statements_than_a_report_may_have_are_refused_unread),
        cmocka_unit_test(checking_one_statement_changes_nothing),
        cmocka_unit_test(totals_set_by_hand_leave_room_for_what_is_held),
        cmocka_unit_test(a_receivers_total_never_passes_the_largest),
        cmocka_unit_test(held_credit_keeps_its_order_over_commits_and_restarts),
        cmocka_unit_test(a_commit_that_holds_and_is_set_back_still_moves_the_order),
        cmocka_unit_test(what_changes_nothing_leaves_no_ledger_entry),
        cmocka_unit_test(a_ring_of_debts_is_settled_and_ends),
        cmocka_unit_test(a_ring_that_makes_room_for_more_pays_it),
        cmocka_unit_test(a_ring_with_one_who_is_past_what_is_covered_stands_still),
        cmocka_unit_test(a_ring_of_eight_is_settled_at_once),
        cmocka_unit_test(a_ring_of_debts_holds_up_nobody_elses_credit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
