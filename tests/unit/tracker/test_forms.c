/* The four forms of receipts at the tracker: what each is worth, that no piece is paid twice
 * however it is signed for, and attempts to have batches and sessions say more than was signed. */
#include <openssl/bn.h>

#include "world.h"

#define PIECES(n) ((uint64_t)(n)*WORLD_PIECE)

static void finish(world *w) {
    world_assert_balanced(w);
    world_restart(w);
    world_assert_balanced(w);
    world_free(w);
}

static uint64_t earned(world *w, size_t user) {
    return world_user(w, user).up_bytes - w->config.policy.init_credit_bytes;
}

static pbts_verdict batch_of(world *w, const char *pieces) {
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, pieces);
    return world_report_one(w, 0, world_batch(w, 1, 0, 0, bits));
}

static pbts_verdict session_of(world *w, const char *pieces) {
    uint8_t bits[WORLD_SET_LEN];
    world_session session = world_new_session(w);
    world_set(bits, pieces);
    return world_report_one(w, 0, world_session_statement(w, &session, 1, 0, 0, bits));
}

/* ---- what they are worth ---- */

static void a_batch_is_worth_its_pieces(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_verdict v = batch_of(w, "3,7-9,19");
    assert_int_equal(v.refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(v.credited_pieces, 5);
    assert_int_equal(v.credited_bytes, PIECES(4) + WORLD_LAST);
    assert_int_equal(earned(w, 0), PIECES(4) + WORLD_LAST);
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(4) + WORLD_LAST);
    finish(w);
}

static void a_session_is_worth_its_pieces(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    pbts_verdict v = session_of(w, "0,2,18-19");
    assert_int_equal(v.refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(v.credited_pieces, 4);
    assert_int_equal(earned(w, 0), PIECES(3) + WORLD_LAST);
    assert_int_equal(world_user(w, 1).down_bytes, PIECES(3) + WORLD_LAST);
    finish(w);
}

static void a_v2_torrents_batches_and_sessions_carry_its_own_hashes(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 0);
    uint8_t bits[WORLD_SET_LEN];
    world_add_torrent(w, PBTS_TORRENT_HYBRID);
    world_session session = world_new_session(w);
    for (int v2 = 0; v2 < 2; v2++) {
        const uint8_t *infohash = v2 ? pbts_metainfo_infohash_v2(w->torrents[0])
                                     : pbts_metainfo_infohash_v1(w->torrents[0]);
        world_set(bits, v2 ? "0-3" : "10-13");
        pbts_statement s = world_batch(w, 1, 0, 0, bits);
        memcpy(s.infohash, infohash, sizeof s.infohash);
        world_sign(w, &s, 1, 0, 0);
        assert_int_equal(world_report_one(w, 0, s).credited_pieces, 4);
        world_set(bits, v2 ? "4-5" : "14-15");
        s = world_session_statement(w, &session, 1, 0, 0, bits);
        memcpy(s.infohash, infohash, sizeof s.infohash);
        world_sign(w, &s, 1, 0, 0);
        world_sign_pieces(w, &s, &session, 1, 0, 0);
        assert_int_equal(world_report_one(w, 0, s).credited_pieces, 2);
    }
    finish(w);
}

/* ---- rule 3: once, however it is formed ---- */

static pbts_statement in_form(world *w, world_session *session, const uint8_t *bits, int form) {
    switch (form) {
    case PBTS_FORM_PIECE: return world_piece(w, 1, 0, 0, 5);
    case PBTS_FORM_CUMULATIVE: return world_cumulative(w, 1, 0, 0, bits);
    case PBTS_FORM_BATCH: return world_batch(w, 1, 0, 0, bits);
    default: return world_session_statement(w, session, 1, 0, 0, bits);
    }
}

static void a_piece_claimed_in_one_form_is_a_duplicate_in_every_other(void **state) {
    (void)state;
    for (int first = PBTS_FORM_PIECE; first <= PBTS_FORM_SESSION; first++) {
        world *w = world_new(NULL, 2, 1);
        world_session session = world_new_session(w);
        uint8_t bits[WORLD_SET_LEN];
        world_set(bits, "5");
        for (int round = 0; round < 4; round++) {
            int form = (first - 1 + round) % 4 + 1;
            pbts_verdict v = world_report_one(w, 0, in_form(w, &session, bits, form));
            assert_int_equal(v.refusal, PBTS_REFUSAL_NONE);
            assert_int_equal(v.credited_pieces, round == 0);
            assert_int_equal(v.duplicate_pieces, round != 0);
            assert_int_equal(earned(w, 0), PIECES(1));
        }
        finish(w);
    }
}

static void all_forms_of_a_piece_in_one_report_pay_once(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    world_session session = world_new_session(w), second = world_new_session(w);
    uint8_t bits[WORLD_SET_LEN];
    pbts_statement statements[5];
    pbts_verdict verdicts[5];
    uint32_t credited = 0, duplicates = 0;
    world_set(bits, "5");
    for (int form = 1; form <= 4; form++) statements[form - 1] = in_form(w, &session, bits, form);
    statements[4] = in_form(w, &second, bits, PBTS_FORM_SESSION);
    pbts_report report = world_report_of(w, 0, statements, 5);
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(verdicts[i].refusal, PBTS_REFUSAL_NONE);
        credited += verdicts[i].credited_pieces;
        duplicates += verdicts[i].duplicate_pieces;
    }
    assert_true(credited == 1 && duplicates == 4);
    assert_int_equal(earned(w, 0), PIECES(1));
    finish(w);
}

static void one_aggregate_covers_all_forms(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    world_session session = world_new_session(w);
    uint8_t sets[4][WORLD_SET_LEN];
    static const char *const NAMES[4] = { "0-3", "4-7", "8-11", "12-15" };
    pbts_statement statements[5];
    pbts_verdict verdicts[5];
    pbts_bls_g1_point sum, one;
    pbts_bls_g1_zero(&sum);
    for (int i = 0; i < 4; i++) {
        world_set(sets[i], NAMES[i]);
        statements[i] = in_form(w, &session, sets[i], i + 1);
    }
    /* The certificate again, for more pieces: its signature counts as often as it is named. */
    statements[4] = statements[3];
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(pbts_bls_signature_decode(&one, &statements[i].signature), PBTS_OK);
        pbts_bls_g1_add(&sum, &one);
        statements[i].has_signature = false;
    }
    pbts_report report = world_report_of(w, 0, statements, 5);
    report.has_aggregate = true;
    pbts_bls_signature_encode(&report.aggregate, &sum);
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < 5; i++) assert_int_equal(verdicts[i].refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(earned(w, 0), PIECES(1 + 4 + 4 + 4) - PIECES(1)); /* piece 5 twice */
    report.count = 4;                                                  /* and not less often */
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(verdicts[i].refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    finish(w);
}

/* ---- batches that say what was not signed ---- */

static void a_batch_of_another_torrents_hashes_is_refused(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 0);
    uint8_t bits[WORLD_SET_LEN];
    /* The same pieces under other names: v1 hashes are equal, v2 hashes are not v1's. */
    world_add_torrent(w, PBTS_TORRENT_V1);
    world_add_torrent(w, PBTS_TORRENT_V2);
    world_set(bits, "0-9");
    pbts_statement s = world_batch(w, 1, 0, 1, bits);
    memcpy(s.infohash, pbts_metainfo_infohash(w->torrents[0]), sizeof s.infohash);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    /* Signed for the right infohash, but over the hashes of the other torrent. */
    pbts_receipt receipt = world_receipt(w, 1, 0, 0, &s);
    pbts_receipt_root(receipt.root, s.bitmap, pbts_piece_hashes_of(w->torrents[1], true));
    pbts_receipt_sign(&s.signature, &receipt, &w->users[1].secret);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    pbts_receipt_root(receipt.root, s.bitmap, pbts_piece_hashes_of(w->torrents[0], false));
    pbts_receipt_sign(&s.signature, &receipt, &w->users[1].secret);
    assert_int_equal(world_report_one(w, 0, s).credited_pieces, 10);
    finish(w);
}

static void a_batch_is_for_the_pieces_it_was_signed_for(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    uint8_t bits[WORLD_SET_LEN], other[WORLD_SET_LEN];
    world_set(bits, "0-9");
    static const char *const OTHERS[] = { "0-8", "0-10", "1-10", "0-8,11", "all" };
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        pbts_statement s = world_batch(w, 1, 0, 0, bits);
        world_set(other, OTHERS[i]);
        s.bitmap.data = other;
        assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    }
    pbts_statement s = world_batch(w, 1, 0, 0, bits);
    s.form = PBTS_FORM_CUMULATIVE; /* the same set as if it were of the other form */
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = world_cumulative(w, 1, 0, 0, bits);
    s.form = PBTS_FORM_BATCH;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = world_batch(w, 1, 0, 0, bits);
    s.sender = world_party(w, 2);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = world_batch(w, 1, 0, 0, bits);
    s.receiver = world_party(w, 2);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = world_batch(w, 1, 0, 0, bits);
    s.epoch--;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    assert_int_equal(earned(w, 0), 0);
    finish(w);
}

static void sets_that_do_not_fit_are_refused_in_every_form(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    world_session session = world_new_session(w);
    for (int form = PBTS_FORM_CUMULATIVE; form <= PBTS_FORM_SESSION; form++) {
        uint8_t bits[WORLD_SET_LEN + 1] = { 0 };
        world_set(bits, "0");
        pbts_statement s = in_form(w, &session, bits, form);
        s.bitmap.len++;
        assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECES);
        s.bitmap.len -= 2;
        assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECES);
        s.bitmap.len++;
        bits[WORLD_SET_LEN - 1] |= 1; /* a spare bit */
        assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECES);
        memset(bits, 0, sizeof bits);
        assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_NO_PIECES);
    }
    finish(w);
}

/* ---- sessions that say what was not signed ---- */

static void a_session_ends_and_a_long_one_signs_for_nothing_now(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint8_t bits[WORLD_SET_LEN];
    const uint64_t begin = world_epoch(w) * 3600;
    static const struct {
        int64_t expires_s; /* from the begin of the epoch */
        pbts_refusal refusal;
    } CASES[] = {
        { -1, PBTS_REFUSAL_SESSION_EXPIRED },
        { 0, PBTS_REFUSAL_SESSION_EXPIRED },
        { PBTS_RECEIPT_SESSION_LIFE_S + 1, PBTS_REFUSAL_SESSION_TOO_LONG },
        { INT64_C(1) << 40, PBTS_REFUSAL_SESSION_TOO_LONG },
        { 1, PBTS_REFUSAL_NONE },
        { PBTS_RECEIPT_SESSION_LIFE_S, PBTS_REFUSAL_NONE },
    };
    world_set(bits, "1");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        world_session session = world_new_session(w);
        session.session.expires = begin + (uint64_t)CASES[i].expires_s;
        pbts_statement s = world_session_statement(w, &session, 1, 0, 0, bits);
        assert_int_equal(world_report_one(w, 0, s).refusal, CASES[i].refusal);
    }
    finish(w);
}

/* The thief has the session's key, and its certificate; not the receiver's own key. */
static void a_stolen_session_key_is_worth_its_24_epochs(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "1");
    w->now.unix_s = WORLD_START / 3600 * 3600;
    world_session session = world_new_session(w);
    pbts_statement s = world_session_statement(w, &session, 1, 0, 0, bits);
    uint64_t made = world_epoch(w);
    w->now.unix_s += 100 * 3600; /* later, within the window of acceptance */
    unsigned good = 0;
    for (uint64_t epoch = made - 30; epoch <= made + 100; epoch++) {
        s.epoch = epoch;
        world_sign_pieces(w, &s, &session, 1, 0, 0);
        pbts_verdict v = world_report_one(w, 0, s);
        good += v.refusal == PBTS_REFUSAL_NONE;
        if (v.refusal == PBTS_REFUSAL_NONE) assert_true(epoch >= made && epoch < made + 24);
    }
    assert_int_equal(good, 24);
    finish(w);
}

static void a_certificate_is_for_one_sender_torrent_and_instance(void **state) {
    (void)state;
    world *w = world_new(NULL, 4, 2);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "1-4");
    world_session session = world_new_session(w);
    const pbts_statement good = world_session_statement(w, &session, 1, 0, 0, bits);
    pbts_statement s = good;
    s.sender = world_party(w, 2); /* another sender, who has the pieces signed to him */
    world_sign_pieces(w, &s, &session, 1, 2, 0);
    assert_int_equal(world_report_one(w, 2, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = good;
    memcpy(s.infohash, pbts_metainfo_infohash(w->torrents[1]), sizeof s.infohash);
    world_sign_pieces(w, &s, &session, 1, 0, 1);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = good;
    s.receiver = world_party(w, 3); /* at another's cost */
    world_sign_pieces(w, &s, &session, 3, 0, 0);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = good;
    s.has_iid = true;
    memset(s.iid, 9, sizeof s.iid);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_FOREIGN_INSTANCE);
    s = good;
    s.session.expires++;
    s.session.expires -= 2;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    world_sign_pieces(w, &s, &session, 1, 0, 0);
    s = good;
    world_session own = world_new_session(w); /* the sender certifies a key of his own */
    s.session = own.session;
    pbts_receipt receipt = world_receipt(w, 1, 0, 0, &s);
    pbts_receipt_sign(&s.signature, &receipt, &w->users[0].secret);
    world_sign_pieces(w, &s, &own, 1, 0, 0);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    assert_int_equal(earned(w, 0) + earned(w, 2), 0);
    world_sign_pieces(w, &s, &session, 1, 0, 0);
    assert_int_equal(
        world_report_one(w, 0, world_session_statement(w, &session, 1, 0, 0, bits)).credited_pieces,
        4);
    finish(w);
}

/* The certificate holds in all of these; what its key signed is used for something else. */
static void a_piece_signature_is_for_its_session_sender_torrent_piece_and_epoch(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 2);
    uint8_t one[WORLD_SET_LEN], other[WORLD_SET_LEN];
    world_session session = world_new_session(w), twin = session, next;
    world_set(one, "1");
    world_set(other, "2");
    pbts_statement s = world_session_statement(w, &session, 1, 0, 0, one);
    const pbts_span signature = s.piece_signatures;

    next = world_new_session(w); /* another session with the same key */
    memcpy(twin.session.id, next.session.id, sizeof twin.session.id);
    s = world_session_statement(w, &twin, 1, 0, 0, one);
    s.piece_signatures = signature;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    s = world_session_statement(w, &next, 1, 0, 0, one); /* another key */
    s.piece_signatures = signature;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);

    twin = session; /* the same session, certified for another sender, torrent */
    s = world_session_statement(w, &twin, 1, 2, 0, one);
    s.piece_signatures = signature;
    assert_int_equal(world_report_one(w, 2, s).refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    s = world_session_statement(w, &twin, 1, 0, 1, one);
    s.piece_signatures = signature;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    s = world_session_statement(w, &twin, 1, 0, 0, other); /* another piece */
    s.piece_signatures = signature;
    pbts_verdict v = world_report_one(w, 0, s);
    assert_int_equal(v.refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    assert_int_equal(v.bad_piece, 2);
    twin.session.expires -= 7200;
    s = world_session_statement(w, &twin, 1, 0, 0, one); /* another epoch */
    s.epoch--;
    s.piece_signatures = signature;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    assert_int_equal(earned(w, 0) + earned(w, 2), 0);
    s = world_session_statement(w, &session, 1, 0, 0, one);
    assert_int_equal(world_report_one(w, 0, s).credited_pieces, 1);
    finish(w);
}

static void a_bad_piece_signature_refuses_its_statement_and_no_other(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    uint8_t sets[3][WORLD_SET_LEN];
    static const char *const NAMES[3] = { "0-3", "4-9", "10-12" };
    world_session sessions[3];
    pbts_statement statements[3];
    pbts_verdict verdicts[3];
    for (size_t i = 0; i < 3; i++) {
        world_set(sets[i], NAMES[i]);
        sessions[i] = world_new_session(w);
        statements[i] = world_session_statement(w, &sessions[i], 1 + i % 2, 0, 0, sets[i]);
    }
    sessions[1].signatures[64 * 3 + 7] ^= 1; /* of piece 7 */
    pbts_report report = world_report_of(w, 0, statements, 3);
    assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
    assert_int_equal(verdicts[0].credited_pieces, 4);
    assert_int_equal(verdicts[1].refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    assert_int_equal(verdicts[1].bad_piece, 7);
    assert_int_equal(verdicts[1].credited_pieces + verdicts[1].credited_bytes, 0);
    assert_int_equal(verdicts[2].credited_pieces, 3);
    assert_int_equal(earned(w, 0), PIECES(7));
    sessions[1].signatures[64 * 3 + 7] ^= 1; /* refused is not claimed */
    assert_int_equal(world_report_one(w, 0, statements[1]).credited_pieces, 6);
    finish(w);
}

/* Whoever can turn a signature into another one could have a piece look signed for twice. */
static void the_other_s_of_a_piece_signature_is_refused(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "6");
    world_session session = world_new_session(w);
    pbts_statement s = world_session_statement(w, &session, 1, 0, 0, bits);
    BIGNUM *order = NULL, *number = BN_bin2bn(session.signatures + 32, 32, NULL);
    assert_true(
        BN_hex2bn(&order, "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141") > 0);
    assert_non_null(number);
    assert_int_equal(BN_sub(number, order, number), 1);
    assert_int_equal(BN_bn2binpad(number, session.signatures + 32, 32), 32);
    BN_free(number);
    BN_free(order);
    pbts_verdict v = world_report_one(w, 0, s);
    assert_int_equal(v.refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    assert_int_equal(v.bad_piece, 6);
    finish(w);
}

static void points_that_are_none_or_infinity_are_refused(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "6-7");
    static const uint8_t INFINITY_G1[48] = { 0xC0 };
    for (int form = PBTS_FORM_BATCH; form <= PBTS_FORM_SESSION; form++) {
        world_session session = world_new_session(w);
        pbts_statement s = in_form(w, &session, bits, form);
        memcpy(s.signature.bytes, INFINITY_G1, sizeof INFINITY_G1);
        assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    }
    /* A certified key that is none: the certificate holds, the key does not. */
    static const uint8_t HEADS[] = { 0, 4, 6, 0xFF };
    for (size_t i = 0; i < sizeof HEADS; i++) {
        world_session session = world_new_session(w);
        session.session.key.bytes[0] = HEADS[i];
        pbts_statement s = world_session_statement(w, &session, 1, 0, 0, bits);
        assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_SESSION_KEY_INVALID);
    }
    world_session session = world_new_session(w);
    pbts_statement s = world_session_statement(w, &session, 1, 0, 0, bits);
    memset(session.signatures, 0, sizeof session.signatures);
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    finish(w);
}

static void a_session_needs_one_signature_for_each_piece(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint8_t bits[WORLD_SET_LEN];
    world_set(bits, "6-8");
    world_session session = world_new_session(w);
    pbts_statement s = world_session_statement(w, &session, 1, 0, 0, bits);
    static const size_t LENS[] = { 0, 64, 128, 191, 193, 256 };
    for (size_t i = 0; i < sizeof LENS / sizeof LENS[0]; i++) {
        s.piece_signatures.len = LENS[i];
        assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_MALFORMED);
    }
    s.piece_signatures.len = 192;
    assert_int_equal(world_report_one(w, 0, s).credited_pieces, 3);
    finish(w);
}

/* Pieces are looked at when certificate and submitter hold, so a bad one of these is what is said,
 * whatever the pieces are. */
static void piece_signatures_are_not_looked_at_before_the_certificate(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint8_t bits[WORLD_SET_LEN];
    pbts_verdict verdict;
    world_set(bits, "6-8");
    world_session session = world_new_session(w);
    pbts_statement s = world_session_statement(w, &session, 1, 0, 0, bits);
    session.signatures[0] ^= 1;
    s.session.expires--;
    assert_int_equal(world_report_one(w, 0, s).refusal, PBTS_REFUSAL_BAD_SIGNATURE);
    s = world_session_statement(w, &session, 1, 0, 0, bits);
    session.signatures[0] ^= 1;
    pbts_report report = world_report_of(w, 0, &s, 1);
    report.statements_sha256[0] ^= 1;
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_BAD_SIGNATURE);
    finish(w);
}

static void checking_one_statement_names_its_bad_piece(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint8_t bits[WORLD_SET_LEN];
    uint32_t bad_piece = 99;
    world_set(bits, "6-8");
    world_session session = world_new_session(w);
    pbts_statement s = world_session_statement(w, &session, 1, 0, 0, bits);
    assert_int_equal(pbts_check_statement(w->tracker, &bad_piece, &s, (pbts_span){ 0 }, w->now),
                     PBTS_REFUSAL_NONE);
    session.signatures[64 * 2] ^= 1;
    assert_int_equal(pbts_check_statement(w->tracker, &bad_piece, &s, (pbts_span){ 0 }, w->now),
                     PBTS_REFUSAL_BAD_PIECE_SIGNATURE);
    assert_int_equal(bad_piece, 8);
    s = world_batch(w, 1, 0, 0, bits);
    assert_int_equal(pbts_check_statement(w->tracker, &bad_piece, &s, (pbts_span){ 0 }, w->now),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(earned(w, 0), 0);
    finish(w);
}

/* Past the limits of the joint check the submitter's signature comes first. */
static void reports_of_many_forms_are_judged_the_same_when_long(void **state) {
    (void)state;
    enum { COUNT = 65 };
    world *w = world_new(NULL, 2, 1);
    static pbts_statement statements[COUNT];
    static pbts_verdict verdicts[COUNT];
    static uint8_t sets[COUNT][WORLD_SET_LEN];
    static world_session sessions[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        memset(sets[i], 0, WORLD_SET_LEN);
        pbts_piece_set_add(sets[i], i % WORLD_PIECES);
        sessions[i] = world_new_session(w);
        statements[i] =
            in_form(w, &sessions[i], sets[i], i % 2 ? PBTS_FORM_BATCH : PBTS_FORM_SESSION);
    }
    sessions[10].signatures[5] ^= 1;
    statements[11].epoch--;
    for (size_t count = COUNT; count >= COUNT - 1; count--) {
        pbts_report report = world_report_of(w, 0, statements, count);
        report.statements_sha256[3] ^= 1;
        assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_BAD_SIGNATURE);
        report.statements_sha256[3] ^= 1;
        assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
        for (size_t i = 0; i < count; i++) {
            pbts_refusal want = i == 10   ? PBTS_REFUSAL_BAD_PIECE_SIGNATURE
                                : i == 11 ? PBTS_REFUSAL_BAD_SIGNATURE
                                          : PBTS_REFUSAL_NONE;
            assert_int_equal(verdicts[i].refusal, want);
        }
        assert_int_equal(earned(w, 0), WORLD_TOTAL);
    }
    finish(w);
}

/* The joint check weighs the submitter's signature with a random number; the other needs none. */
typedef struct {
    pbts_random random;
    unsigned asked;
} counting_random;

static pbts_status counting_fill(pbts_random *random, uint8_t *out, size_t len) {
    ((counting_random *)(void *)random)->asked++;
    return pbts_random_fill(pbts_random_system(), out, len);
}

static void a_stranger_cannot_have_more_than_1024_pieces_hashed(void **state) {
    (void)state;
    enum { MOST = 1024 / WORLD_PIECES, COUNT = MOST + 1 };
    counting_random random = { { counting_fill }, 0 };
    world *w = world_new(NULL, 2, 1);
    uint8_t bits[WORLD_SET_LEN];
    pbts_statement statements[COUNT];
    pbts_verdict verdicts[COUNT];
    w->config.random = &random.random;
    world_restart(w);
    world_set(bits, "all");
    for (size_t i = 0; i < COUNT; i++) statements[i] = world_batch(w, 1, 0, 0, bits);
    for (size_t count = MOST; count <= COUNT; count++) {
        pbts_report report = world_report_of(w, 0, statements, count);
        random.asked = 0;
        assert_int_equal(world_submit(w, &report, verdicts), PBTS_REFUSAL_NONE);
        assert_int_equal(random.asked, count == MOST);
        for (size_t i = 0; i < count; i++) assert_int_equal(verdicts[i].refusal, PBTS_REFUSAL_NONE);
    }
    finish(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_worth_its_pieces),
        cmocka_unit_test(a_session_is_worth_its_pieces),
        cmocka_unit_test(a_v2_torrents_batches_and_sessions_carry_its_own_hashes),
        cmocka_unit_test(a_piece_claimed_in_one_form_is_a_duplicate_in_every_other),
        cmocka_unit_test(all_forms_of_a_piece_in_one_report_pay_once),
        cmocka_unit_test(one_aggregate_covers_all_forms),
        cmocka_unit_test(a_batch_of_another_torrents_hashes_is_refused),
        cmocka_unit_test(a_batch_is_for_the_pieces_it_was_signed_for),
        cmocka_unit_test(sets_that_do_not_fit_are_refused_in_every_form),
        cmocka_unit_test(a_session_ends_and_a_long_one_signs_for_nothing_now),
        cmocka_unit_test(a_stolen_session_key_is_worth_its_24_epochs),
        cmocka_unit_test(a_certificate_is_for_one_sender_torrent_and_instance),
        cmocka_unit_test(a_piece_signature_is_for_its_session_sender_torrent_piece_and_epoch),
        cmocka_unit_test(a_bad_piece_signature_refuses_its_statement_and_no_other),
        cmocka_unit_test(the_other_s_of_a_piece_signature_is_refused),
        cmocka_unit_test(points_that_are_none_or_infinity_are_refused),
        cmocka_unit_test(a_session_needs_one_signature_for_each_piece),
        cmocka_unit_test(piece_signatures_are_not_looked_at_before_the_certificate),
        cmocka_unit_test(checking_one_statement_names_its_bad_piece),
        cmocka_unit_test(a_stranger_cannot_have_more_than_1024_pieces_hashed),
        cmocka_unit_test(reports_of_many_forms_are_judged_the_same_when_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
