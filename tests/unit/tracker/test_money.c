/* The rules of money (DESIGN section 6), each attacked. Every test ends with rule 5: nothing was
 * made of nothing. Amounts are in pieces of 16 KiB so that they can be checked by hand. */
#include "world.h"

#define PIECES(n) ((uint64_t)(n)*WORLD_PIECE)

static pbts_policy policy_of(uint32_t ratio_milli, uint64_t init, uint64_t overdraft) {
    pbts_policy policy = pbts_policy_default();
    policy.min_ratio_milli = ratio_milli;
    policy.init_credit_bytes = init;
    policy.overdraft_bytes = overdraft;
    return policy;
}

static void assert_money(world *w, size_t user, uint64_t up, uint64_t down, uint64_t held) {
    pbts_user u = world_user(w, user);
    assert_int_equal(u.up_bytes, up);
    assert_int_equal(u.down_bytes, down);
    assert_int_equal(u.held_bytes, held);
}

static void finish(world *w) {
    world_assert_balanced(w);
    world_restart(w);
    world_assert_balanced(w);
    world_free(w);
}

static void a_receipt_moves_both_totals_by_the_registered_size(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN];
    world *w = world_new(NULL, 2, 1);
    uint64_t init = w->config.policy.init_credit_bytes;
    world_set(bits, "0-2,19"); /* the last piece is shorter */
    pbts_verdict v = world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits));
    assert_int_equal(v.refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(v.credited_bytes, PIECES(3) + WORLD_LAST);
    assert_int_equal(v.credited_pieces, 4);
    assert_money(w, 0, init + PIECES(3) + WORLD_LAST, 0, 0);
    assert_money(w, 1, init, PIECES(3) + WORLD_LAST, 0);
    world_restart(w);
    assert_money(w, 0, init + PIECES(3) + WORLD_LAST, 0, 0);
    finish(w);
}

static void self_reported_totals_are_shown_and_never_counted(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    char passkey[PBTS_PASSKEY_LEN + 1];
    pbts_tracker_passkey(w->tracker, passkey, w->users[0].number);
    pbts_announce announce = { .uploaded_bytes = UINT64_C(1) << 50, /* 1 PiB */
                               .port = 6881,
                               .numwant = -1,
                               .passkey = pbts_span_text(passkey) };
    memcpy(announce.infohash, pbts_metainfo_infohash(w->torrents[0]), 20);
    memcpy(announce.peer_id, "-TR3000-abcdefghijkl", 20);
    pbts_addr client = { .family = PBTS_IPV4, .ip = { 10, 0, 0, 1 } };
    pbts_announce_reply reply;
    static pbts_announce_room room;
    assert_int_equal(pbts_tracker_announce(w->tracker, &reply, &room, &announce, &client,
                                           PBTS_FAMILIES_BOTH, w->now),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(w, 0).reported_up_bytes, UINT64_C(1) << 50);
    assert_money(w, 0, w->config.policy.init_credit_bytes, 0, 0);
    finish(w);
}

static void one_receipt_fifty_times_in_a_report_counts_once(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN];
    world *w = world_new(NULL, 2, 1);
    pbts_statement statements[50];
    pbts_verdict verdicts[50];
    world_set(bits, "0-9");
    statements[0] = world_cumulative(w, 1, 0, 0, bits);
    for (size_t i = 1; i < 50; i++) statements[i] = statements[0];
    pbts_report report = world_report_of(w, 0, statements, 50);
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    assert_int_equal(verdicts[0].credited_bytes, PIECES(10));
    for (size_t i = 1; i < 50; i++) {
        assert_int_equal(verdicts[i].refusal, PBTS_REFUSAL_NONE);
        assert_int_equal(verdicts[i].credited_bytes, 0);
        assert_int_equal(verdicts[i].duplicate_pieces, 10);
    }
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(10));
    finish(w);
}

static void the_same_report_twice_changes_nothing_and_says_so(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN];
    world *w = world_new(NULL, 2, 1);
    pbts_verdict verdict;
    world_set(bits, "0-4");
    pbts_statement statement = world_cumulative(w, 1, 0, 0, bits);
    pbts_report report = world_report_of(w, 0, &statement, 1);
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_NONE);
    assert_int_equal(verdict.credited_pieces, 5);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_NONE);
        assert_int_equal(verdict.credited_pieces, 0);
        assert_int_equal(verdict.duplicate_pieces, 5);
        world_restart(w); /* the second repetition meets claims from the disk */
    }
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(5));
    finish(w);
}

static void the_same_piece_in_two_forms_counts_once(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN];
    world *w = world_new(NULL, 2, 1);
    world_set(bits, "0-4");
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 3)).credited_pieces, 1);
    pbts_verdict v = world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits));
    assert_int_equal(v.credited_pieces, 4);
    assert_int_equal(v.duplicate_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).credited_pieces, 0);
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(5));
    finish(w);
}

static void a_hybrid_torrents_piece_counts_once_under_both_infohashes(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN];
    world *w = world_new(NULL, 2, 0);
    size_t t = world_add_torrent(w, PBTS_TORRENT_HYBRID);
    world_set(bits, "0-7,19");
    pbts_verdict v = world_report_one(w, 0, world_cumulative(w, 1, 0, t, bits));
    assert_int_equal(v.credited_bytes, PIECES(8) + WORLD_LAST);
    pbts_statement other = world_cumulative(w, 1, 0, t, bits);
    memcpy(other.infohash, pbts_metainfo_infohash_v2(w->torrents[t]), 20);
    world_sign(w, &other, 1, 0, t);
    v = world_report_one(w, 0, other);
    assert_int_equal(v.refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(v.duplicate_pieces, 9);
    assert_int_equal(v.credited_pieces, 0);
    pbts_statement piece = world_piece(w, 1, 0, t, 8);
    memcpy(piece.infohash, pbts_metainfo_infohash_v2(w->torrents[t]), 20);
    world_sign(w, &piece, 1, 0, t);
    assert_int_equal(world_report_one(w, 0, piece).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, t, 8)).duplicate_pieces, 1);
    finish(w);
}

static void a_piece_counts_again_only_in_the_next_claim_period(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    /* Start of a claim period, so that a day later is the same one. */
    uint64_t period_s = (uint64_t)PBTS_CLAIM_PERIOD_EPOCHS * PBTS_EPOCH_SECONDS;
    w->now.unix_s = (WORLD_START / period_s + 1) * period_s;
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 3)).credited_pieces, 1);
    w->now.unix_s += 24 * 3600; /* a new epoch, signed again */
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 3)).duplicate_pieces, 1);
    w->now.unix_s += period_s;
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 3)).credited_pieces, 1);
    finish(w);
}

static void a_receiver_that_signed_for_two_senders_owes_both(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 3)).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 2, world_piece(w, 1, 2, 0, 3)).credited_pieces, 1);
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(2));
    finish(w);
}

static void credit_goes_to_the_named_sender_whoever_submits(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    uint64_t init = w->config.policy.init_credit_bytes;
    pbts_verdict v = world_report_one(w, 2, world_piece(w, 1, 0, 0, 3));
    assert_int_equal(v.credited_pieces, 1);
    assert_money(w, 0, init + PIECES(1), 0, 0);
    assert_money(w, 2, init, 0, 0);
    /* Claiming another's receipt as one's own breaks the signature: the sender is in the message.
     */
    pbts_statement stolen = world_piece(w, 1, 0, 0, 4);
    stolen.sender = world_party(w, 2);
    assert_int_equal(world_report_one(w, 2, stolen).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    stolen.sender = (pbts_party){ 0 }; /* nobody named: the submitter */
    assert_int_equal(world_report_one(w, 2, stolen).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    assert_money(w, 2, init, 0, 0);
    finish(w);
}

static void strangers_foreign_instances_and_wrong_epochs_are_refused_by_name(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_statement s = world_piece(w, 1, 0, 0, 0);
    s.receiver = (pbts_party){ .uid = pbts_span_text("nobody") };
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_UNKNOWN_RECEIVER);
    s = world_piece(w, 1, 0, 0, 0);
    s.receiver = (pbts_party){ .has_key = true }; /* a key that nobody registered */
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_UNKNOWN_RECEIVER);
    s = world_piece(w, 1, 0, 0, 0);
    s.sender = (pbts_party){ .uid = pbts_span_text("nobody") };
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_UNKNOWN_SENDER);
    s = world_piece(w, 1, 0, 0, 0);
    s.infohash[0] ^= 1;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_UNKNOWN_TORRENT);

    s = world_piece(w, 1, 0, 0, 0);
    s.has_iid = true;
    memset(s.iid, 9, sizeof s.iid);
    world_sign(w, &s, 1, 0, 0);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_FOREIGN_INSTANCE);
    s.has_iid = false; /* signed for the other instance, claimed here */
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);

    s = world_piece(w, 1, 0, 0, 0);
    s.epoch = world_epoch(w) + 1;
    world_sign(w, &s, 1, 0, 0);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_EPOCH_FUTURE);
    s.epoch = world_epoch(w) - PBTS_WINDOW_EPOCHS - 1;
    world_sign(w, &s, 1, 0, 0);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_EPOCH_EXPIRED);
    s.epoch = UINT64_MAX;
    world_sign(w, &s, 1, 0, 0);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_EPOCH_FUTURE);
    s.epoch = world_epoch(w) - PBTS_WINDOW_EPOCHS; /* the oldest that counts */
    world_sign(w, &s, 1, 0, 0);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_NONE);
    finish(w);
}

static void a_signature_for_another_epoch_torrent_piece_or_form_does_not_count(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN], other[WORLD_SET_LEN];
    world *w = world_new(NULL, 2, 2);
    pbts_statement s = world_piece(w, 1, 0, 0, 5);
    s.epoch--;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = world_piece(w, 1, 0, 0, 5);
    s.piece_index = 6;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = world_piece(w, 1, 0, 0, 5);
    memcpy(s.infohash, pbts_metainfo_infohash(w->torrents[1]), 20);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    world_set(bits, "5");
    world_set(other, "5-6");
    s = world_cumulative(w, 1, 0, 0, bits);
    s.bitmap.data = other; /* one more piece than was signed for */
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    pbts_statement piece = world_piece(w, 1, 0, 0, 5);
    s = world_cumulative(w, 1, 0, 0, bits);
    s.signature = piece.signature; /* one form's signature on the other */
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = world_piece(w, 1, 0, 0, 5);
    s.has_piece_hash = true; /* the prototype's shape: the client's word must be the torrent's */
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_PIECE_HASH_WRONG);
    assert_int_equal(world_user(w, 1).down_bytes, 0);
    finish(w);
}

static void a_self_signed_transfer_is_refused(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 0, 0, 0, 0)).refusal,
                     PBTS_REFUSAL_SELF_TRANSFER);
    /* Nor can one key be two users. */
    uint32_t number;
    assert_int_equal(
        world_register_as(w, &number, &w->users[0].secret, "alias", pbts_tracker_iid(w->tracker)),
        PBTS_REFUSAL_KEY_TAKEN);
    finish(w);
}

static void pieces_that_do_not_fit_the_torrent_are_refused(void **state) {
    (void)state;
    uint8_t bits[WORLD_SET_LEN + 1] = { 0 };
    world *w = world_new(NULL, 2, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, WORLD_PIECES)).refusal,
                     PBTS_REFUSAL_BAD_PIECES);
    assert_int_equal(world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits)).refusal,
                     PBTS_REFUSAL_NO_PIECES);
    bits[WORLD_SET_LEN - 1] = 1; /* a spare bit */
    assert_int_equal(world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits)).refusal,
                     PBTS_REFUSAL_BAD_PIECES);
    bits[WORLD_SET_LEN - 1] = 0x80;
    pbts_statement s = world_cumulative(w, 1, 0, 0, bits);
    s.bitmap.len = WORLD_SET_LEN - 1;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECES);
    s.bitmap.len = WORLD_SET_LEN + 1;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECES);
    finish(w);
}

static void bad_statements_among_good_ones_are_named_and_the_others_count(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    pbts_statement statements[16];
    pbts_verdict verdicts[16];
    for (uint32_t i = 0; i < 16; i++) statements[i] = world_piece(w, 1 + i % 2, 0, 0, i);
    statements[3].signature = statements[5].signature; /* a valid point, the wrong message */
    memset(&statements[8].signature, 0xFF, 48);        /* no point at all */
    statements[15].epoch = world_epoch(w) + 5;
    pbts_report report = world_report_of(w, 0, statements, 16);
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < 16; i++) {
        pbts_refusal want = i == 3 || i == 8 ? PBTS_REFUSAL_BAD_SIGNATURE
                            : i == 15        ? PBTS_REFUSAL_EPOCH_FUTURE
                                             : PBTS_REFUSAL_NONE;
        assert_int_equal(verdicts[i].refusal, want);
        assert_int_equal(verdicts[i].credited_pieces, want == PBTS_REFUSAL_NONE ? 1 : 0);
    }
    finish(w);
}

static void a_flood_of_bad_signatures_costs_a_bounded_number_of_checks(void **state) {
    (void)state;
    enum { COUNT = 80 };
    world *w = world_new(NULL, 2, 1);
    static pbts_statement statements[COUNT];
    static pbts_verdict verdicts[COUNT];
    pbts_statement wrong = world_piece(w, 1, 0, 0, 0);
    wrong.epoch--;
    for (size_t i = 0; i < COUNT; i++) statements[i] = wrong;
    pbts_report report = world_report_of(w, 0, statements, COUNT);
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    size_t bad = 0, unchecked = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (verdicts[i].refusal == PBTS_REFUSAL_BAD_SIGNATURE) bad++;
        if (verdicts[i].refusal == PBTS_REFUSAL_UNCHECKED) unchecked++;
    }
    assert_int_equal(bad, 32);
    assert_int_equal(unchecked, COUNT - 32);
    finish(w);
}

static void one_aggregate_signature_stands_for_all_statements_or_none(void **state) {
    (void)state;
    enum { COUNT = 6 };
    world *w = world_new(NULL, 3, 1);
    pbts_statement statements[COUNT];
    pbts_verdict verdicts[COUNT];
    pbts_bls_g1_point sum, one;
    pbts_bls_g1_zero(&sum);
    for (uint32_t i = 0; i < COUNT; i++) {
        statements[i] = world_piece(w, 1 + i % 2, 0, 0, i);
        assert_int_equal(pbts_bls_signature_decode(&one, &statements[i].signature), PBTS_OK);
        pbts_bls_g1_add(&sum, &one);
        statements[i].has_signature = false;
    }
    pbts_report report = world_report_of(w, 0, statements, COUNT);
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    assert_int_equal(verdicts[0].refusal, PBTS_REFUSAL_BAD_SIGNATURE); /* none was given */
    report.has_aggregate = true;
    pbts_bls_signature_encode(&report.aggregate, &sum);
    statements[4].piece_index = 9; /* not what was signed */
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(verdicts[i].refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    }
    statements[4].piece_index = 4;
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < COUNT; i++) assert_int_equal(verdicts[i].credited_pieces, 1);
    finish(w);
}

static void a_report_needs_its_submitters_fresh_signature(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_verdict verdict;
    pbts_statement statement = world_piece(w, 1, 0, 0, 0);
    pbts_report report = world_report_of(w, 0, &statement, 1);
    report.statements_sha256[0] ^= 1;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    report.statements_sha256[0] ^= 1;
    report.uid = pbts_span_text("user1");
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    report.uid = pbts_span_text("nobody");
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_UNKNOWN_USER);
    report.uid = pbts_span_text("user0");
    report.has_signature = false;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    report.has_signature = true;
    w->now.unix_s += PBTS_ANNOUNCE_SKEW_S + 1;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_STALE_TIME);
    w->now.unix_s -= 2 * PBTS_ANNOUNCE_SKEW_S + 2;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_STALE_TIME);
    finish(w);
}

/* ---- rule 6 ---- */

static void a_throw_away_account_cannot_mint_more_than_its_allowance(void **state) {
    (void)state;
    /* Ratio 0.5, 2 pieces granted, 1 of overdraft: it may take (2 + 1) / 0.5 = 6 pieces. */
    pbts_policy policy = policy_of(500, PIECES(2), PIECES(1));
    world *w = world_new(&policy, 2, 4);
    assert_int_equal(world_user(w, 1).allowance_bytes, PIECES(6));
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-18");
    for (size_t t = 0; t < 4; t++) world_report_one(w, 0, world_cumulative(w, 1, 0, t, bits));
    assert_money(w, 0, PIECES(2 + 6), 0, PIECES(4 * 19 - 6));
    assert_money(w, 1, PIECES(2), PIECES(4 * 19), 0);
    assert_int_equal(world_user(w, 1).allowance_bytes, 0);
    assert_int_equal(world_user(w, 1).owed_bytes, PIECES(4 * 19 - 6));
    finish(w);
}

static void a_ring_of_throw_away_accounts_cannot_mint_beyond_its_grants(void **state) {
    (void)state;
    /* At ratio 1 what a coalition gets out is what was granted and overdrawn, however it signs. */
    pbts_policy policy = policy_of(1000, PIECES(2), PIECES(1));
    world *w = world_new(&policy, 4, 4);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-18");
    for (size_t t = 0; t < 4; t++) {
        for (size_t i = 1; i < 4; i++) {
            world_report_one(w, i, world_cumulative(w, 1 + i % 3, i, t, bits));
            world_report_one(w, 0, world_cumulative(w, i, 0, t, bits));
        }
    }
    /* Three accounts of 2 granted and 1 overdraft each, and the own grant. */
    assert_true(world_user(w, 0).up_bytes <= PIECES(2 + 3 * 3));
    finish(w);
}

static void wash_trading_does_not_raise_what_may_be_owed(void **state) {
    (void)state;
    /* At a ratio below 1 two accounts that sign for each other raise both totals; the deficit that
     * the ratio would then allow is capped. */
    pbts_policy policy = policy_of(500, PIECES(8), 0);
    policy.deficit_max_bytes = PIECES(5);
    world *w = world_new(&policy, 3, 4);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-7");
    for (size_t t = 0; t < 3; t++) {
        world_report_one(w, 1, world_cumulative(w, 2, 1, t, bits));
        world_report_one(w, 2, world_cumulative(w, 1, 2, t, bits));
    }
    /* 8 granted and 24 each way: the ratio alone would let it take 2 * 32 - 24 = 40 more. */
    assert_money(w, 1, PIECES(32), PIECES(24), 0);
    assert_int_equal(world_user(w, 1).allowance_bytes, PIECES(8 + 5));
    finish(w);
}

static void held_credit_is_released_oldest_first_and_exactly_once(void **state) {
    (void)state;
    /* Ratio 1, 4 pieces granted, no overdraft. User 1 takes 10 from user 0 and 5 from user 2. */
    pbts_policy policy = policy_of(1000, PIECES(4), 0);
    world *w = world_new(&policy, 4, 2);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-9");
    pbts_verdict v = world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits));
    assert_int_equal(v.credited_bytes, PIECES(4));
    assert_int_equal(v.held_bytes, PIECES(6));
    world_set(bits, "10-14");
    v = world_report_one(w, 2, world_cumulative(w, 1, 2, 0, bits));
    assert_int_equal(v.held_bytes, PIECES(5));
    assert_money(w, 0, PIECES(8), 0, PIECES(6));
    assert_money(w, 2, PIECES(4), 0, PIECES(5));
    /* User 1 serves user 3 three pieces: three of user 0's six come free. */
    world_set(bits, "0-2");
    pbts_statement served = world_cumulative(w, 3, 1, 0, bits);
    world_report_one(w, 1, served);
    assert_money(w, 0, PIECES(11), 0, PIECES(3));
    assert_money(w, 2, PIECES(4), 0, PIECES(5));
    world_report_one(w, 1, served); /* a duplicate releases nothing */
    assert_money(w, 0, PIECES(11), 0, PIECES(3));
    world_restart(w);
    assert_money(w, 0, PIECES(11), 0, PIECES(3));
    assert_int_equal(world_user(w, 1).owed_bytes, PIECES(8));
    /* One more covers one more; user 3 has 4 granted, so a fifth piece would be held itself. */
    world_set(bits, "0-3");
    world_report_one(w, 1, world_cumulative(w, 3, 1, 0, bits));
    assert_money(w, 0, PIECES(12), 0, PIECES(2));
    /* An administrator's grant recovers the rest, in order, once. */
    pbts_commit *commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_set_totals(commit, w->users[1].number,
                                                              PIECES(100), PIECES(15))),
                     PBTS_REFUSAL_NONE);
    assert_money(w, 0, PIECES(14), 0, 0);
    assert_money(w, 2, PIECES(9), 0, 0);
    assert_int_equal(world_user(w, 1).owed_bytes, 0);
    finish(w);
}

static void a_release_cascades_through_senders_that_owe_themselves(void **state) {
    (void)state;
    pbts_policy policy = policy_of(1000, PIECES(1), 0);
    world *w = world_new(&policy, 4, 1);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-4");
    world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits)); /* 1 takes 5 from 0: 4 held */
    world_report_one(w, 1,
                     world_cumulative(w, 2, 1, 0, bits)); /* 2 takes 5 from 1: 1 free, 4 held */
    assert_money(w, 1, PIECES(2), PIECES(5), PIECES(4));
    assert_money(w, 0, PIECES(3), 0, PIECES(3));
    world_report_one(w, 2, world_cumulative(w, 3, 2, 0, bits)); /* 3 takes 5 from 2: 1 free */
    assert_money(w, 2, PIECES(2), PIECES(5), PIECES(4));
    assert_money(w, 1, PIECES(3), PIECES(5), PIECES(3));
    assert_money(w, 0, PIECES(4), 0, PIECES(2));
    finish(w);
}

static void a_debtor_cannot_go_on_taking_by_way_of_new_senders(void **state) {
    (void)state;
    pbts_policy policy = policy_of(1000, PIECES(1), 0);
    world *w = world_new(&policy, 3, 1);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "0-4");
    world_report_one(w, 0, world_cumulative(w, 1, 0, 0, bits));
    pbts_verdict v = world_report_one(w, 2, world_cumulative(w, 1, 2, 0, bits));
    assert_int_equal(v.credited_bytes, 0);
    assert_int_equal(v.held_bytes, PIECES(5));
    assert_int_equal(v.credited_pieces, 5); /* claimed all the same */
    finish(w);
}

static void totals_never_overflow(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(
        world_end(commit, pbts_commit_set_totals(commit, w->users[0].number, UINT64_C(1) << 61, 0)),
        PBTS_REFUSAL_NONE);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).refusal,
                     PBTS_REFUSAL_TOTALS_FULL);
    assert_int_equal(world_user(w, 1).down_bytes, 0);
    commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_set_totals(commit, w->users[0].number,
                                                              (UINT64_C(1) << 61) + 1, 0)),
                     PBTS_REFUSAL_TOTALS_FULL);
    /* The refused piece was not claimed: it counts when there is room again. */
    commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_set_totals(commit, w->users[0].number, 0, 0)),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).credited_pieces, 1);
    finish(w);
}

/* ---- registration, periods, durability ---- */

static void a_registration_needs_its_own_proof_of_possession(void **state) {
    (void)state;
    uint8_t foreign[PBTS_IID_LEN] = { 1 };
    uint32_t number;
    pbts_bls_secret secret;
    world *w = world_new(NULL, 1, 0);
    assert_int_equal(pbts_bls_generate(&secret, pbts_random_system()), PBTS_OK);
    assert_int_equal(world_register_as(w, &number, &secret, "eve", foreign),
                     PBTS_REFUSAL_BAD_SIGNATURE);
    assert_int_equal(world_register_as(w, &number, &secret, "user0", pbts_tracker_iid(w->tracker)),
                     PBTS_REFUSAL_UID_TAKEN);
    assert_int_equal(world_register_as(w, &number, &secret, "a/b", pbts_tracker_iid(w->tracker)),
                     PBTS_REFUSAL_UID_INVALID);
    pbts_registration registration = { .uid = pbts_span_text("eve"), .key = w->users[0].key };
    pbts_checked_registration checked;
    assert_int_equal(pbts_check_registration(w->tracker, &checked, &registration),
                     PBTS_REFUSAL_BAD_SIGNATURE);
    memset(&registration.key, 0xC0, 1); /* infinity */
    memset(registration.key.bytes + 1, 0, sizeof registration.key.bytes - 1);
    assert_int_equal(pbts_check_registration(w->tracker, &checked, &registration),
                     PBTS_REFUSAL_KEY_INVALID);
    finish(w);
}

static void forgotten_claim_periods_are_never_paid_again(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_statement old = world_piece(w, 1, 0, 0, 3);
    assert_int_equal(world_report_one(w, 0, old).credited_pieces, 1);
    uint64_t then = w->now.unix_s;
    w->now.unix_s += 70 * 24 * 3600; /* receipts of another time count; old claims are deleted */
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 4)).credited_pieces, 1);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 5)).credited_pieces, 1);
    w->now.unix_s = then; /* and comes back */
    uint32_t bad_piece;
    assert_int_equal(pbts_check_statement(w->tracker, &bad_piece, &old, (pbts_span){ 0 }, w->now),
                     PBTS_REFUSAL_EPOCH_EXPIRED);
    assert_int_equal(world_report_one(w, 0, old).refusal, PBTS_REFUSAL_EPOCH_EXPIRED);
    world_restart(w);
    assert_int_equal(world_report_one(w, 0, old).refusal, PBTS_REFUSAL_EPOCH_EXPIRED);
    finish(w);
}

static void an_aborted_commit_leaves_no_trace(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_checked_report *checked;
    pbts_statement statement = world_piece(w, 1, 0, 0, 0);
    pbts_report report = world_report_of(w, 0, &statement, 1);
    assert_int_equal(pbts_check_report(w->tracker, &checked, &report, w->now), PBTS_REFUSAL_NONE);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, checked), PBTS_REFUSAL_NONE);
    pbts_commit_abort(commit);
    pbts_checked_report_free(checked);
    assert_int_equal(world_user(w, 1).down_bytes, 0);
    assert_int_equal(world_report_one(w, 0, statement).credited_pieces, 1);
    finish(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_moves_both_totals_by_the_registered_size),
        cmocka_unit_test(self_reported_totals_are_shown_and_never_counted),
        cmocka_unit_test(one_receipt_fifty_times_in_a_report_counts_once),
        cmocka_unit_test(the_same_report_twice_changes_nothing_and_says_so),
        cmocka_unit_test(the_same_piece_in_two_forms_counts_once),
        cmocka_unit_test(a_hybrid_torrents_piece_counts_once_under_both_infohashes),
        cmocka_unit_test(a_piece_counts_again_only_in_the_next_claim_period),
        cmocka_unit_test(a_receiver_that_signed_for_two_senders_owes_both),
        cmocka_unit_test(credit_goes_to_the_named_sender_whoever_submits),
        cmocka_unit_test(strangers_foreign_instances_and_wrong_epochs_are_refused_by_name),
        cmocka_unit_test(a_signature_for_another_epoch_torrent_piece_or_form_does_not_count),
        cmocka_unit_test(a_self_signed_transfer_is_refused),
        cmocka_unit_test(pieces_that_do_not_fit_the_torrent_are_refused),
        cmocka_unit_test(bad_statements_among_good_ones_are_named_and_the_others_count),
        cmocka_unit_test(a_flood_of_bad_signatures_costs_a_bounded_number_of_checks),
        cmocka_unit_test(one_aggregate_signature_stands_for_all_statements_or_none),
        cmocka_unit_test(a_report_needs_its_submitters_fresh_signature),
        cmocka_unit_test(a_throw_away_account_cannot_mint_more_than_its_allowance),
        cmocka_unit_test(a_ring_of_throw_away_accounts_cannot_mint_beyond_its_grants),
        cmocka_unit_test(wash_trading_does_not_raise_what_may_be_owed),
        cmocka_unit_test(held_credit_is_released_oldest_first_and_exactly_once),
        cmocka_unit_test(a_release_cascades_through_senders_that_owe_themselves),
        cmocka_unit_test(a_debtor_cannot_go_on_taking_by_way_of_new_senders),
        cmocka_unit_test(totals_never_overflow),
        cmocka_unit_test(a_registration_needs_its_own_proof_of_possession),
        cmocka_unit_test(forgotten_claim_periods_are_never_paid_again),
        cmocka_unit_test(an_aborted_commit_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
