/* Unit tests of links with a liar at the other end. Whatever it does, the honest sender loses no
 * more than the exposure limit, keeps every receipt that is good, and says why it stops. */
#include "link_kit.h"

#include "peer/link_state.h"

/* All that a cheat got: served and not covered. */
static uint64_t lost_bytes(const kit *k) {
    pbts_link_stats stats = kit_stats(k, 0);
    return stats.served_bytes > stats.covered_bytes ? stats.served_bytes - stats.covered_bytes : 0;
}

/* Serve from piece `from` on for as long as we may, as to a peer that asks for everything. */
static void serve_all_that_may(kit *k, uint32_t from) {
    for (uint32_t piece = from; piece < k->pieces; piece++) {
        uint32_t left = kit_size(k, piece);
        while (left > 0 && pbts_link_may_serve_bytes(kit_link(k, 0)) > 0) {
            uint64_t may = pbts_link_may_serve_bytes(kit_link(k, 0));
            uint32_t block = left < 16384 ? left : 16384;
            if (block > may) block = (uint32_t)may;
            pbts_link_served(kit_link(k, 0), piece, block, k->now);
            left -= block;
        }
    }
}

/* A sender that has been paid for `paid` pieces and has served the next one. */
static kit *with_one_lent(uint32_t pieces, uint32_t paid) {
    kit *k = kit_new(pieces);
    kit_connect(k);
    if (paid > 0) {
        kit_transfer(k, 0, paid);
        pbts_link_sign_all(kit_link(k, 1));
        kit_settle(k);
        assert_true(lost_bytes(k) == 0);
    }
    kit_serve(k, paid);
    return k;
}

static void assert_lost_at_most(const kit *k, uint64_t bytes) {
    assert_true(lost_bytes(k) <= bytes);
}

/* ---- no receipt ---- */

static void who_gives_no_receipt_gets_one_piece_and_is_given_up(void **state) {
    kit *k = kit_new(16);
    bool by_us;
    kit_connect(k);
    serve_all_that_may(k, 0);
    assert_true(lost_bytes(k) == KIT_PIECE);
    assert_true(kit_say(k, 0) == 1); /* asks, once */
    assert_int_equal(k->ends[0].queue[0].bytes[0], PBTS_PEER_MSG_REQUEST_RECEIPT);
    uint64_t asked_ms = k->now.mono_ms;
    kit_pass(k, KIT_TIMEOUT_MS / 2);
    assert_true(kit_say(k, 0) == 1); /* and once more */
    assert_true(pbts_link_deadline_ms(kit_link(k, 0)) == asked_ms + KIT_TIMEOUT_MS);
    kit_pass(k, KIT_TIMEOUT_MS / 2 - 1);
    kit_assert_ready(k);
    kit_pass(k, 1);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_RECEIPT);
    assert_true(lost_bytes(k) == KIT_PIECE);
    kit_say(k, 0);
    while (kit_hear(k, 0)) {
    }
    assert_int_equal(pbts_link_refused(kit_link(k, 1), &by_us), PBTS_LINK_REFUSAL_NO_RECEIPT);
    assert_false(by_us);
    kit_free(k);
}

/* Trust was earned: twice what was paid may be lost, half of what is left at most. */
static void who_stops_paying_gets_no_more_than_the_limit(void **state) {
    for (uint32_t paid = 1; paid < 60; paid += 7) {
        kit *k = with_one_lent(64, paid);
        uint64_t limit = kit_stats(k, 0).exposure_limit_bytes;
        assert_true(limit <= 2 * (uint64_t)paid * KIT_PIECE);
        serve_all_that_may(k, paid + 1);
        assert_lost_at_most(k, limit);
        kit_pass(k, KIT_TIMEOUT_MS);
        kit_say(k, 0);
        kit_pass(k, KIT_TIMEOUT_MS);
        kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_RECEIPT);
        kit_free(k);
    }
}

static void who_falls_silent_at_the_last_piece_gets_that_piece(void **state) {
    kit *k = kit_new(32);
    kit_connect(k);
    kit_transfer(k, 0, 31);
    kit_settle(k);
    assert_true(lost_bytes(k) == 0);
    kit_serve(k, 31); /* the last is short: the limit is not reached */
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) > 0);
    kit_pass(k, KIT_TIMEOUT_MS / 2);
    assert_true(kit_say(k, 0) == 1);
    kit_pass(k, KIT_TIMEOUT_MS);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_RECEIPT);
    assert_true(lost_bytes(k) == KIT_LAST);
    kit_free(k);
}

/* Whole pieces that keep coming do not put off the day on which the first is due. */
static void who_takes_slowly_and_never_pays_is_given_up_in_time(void **state) {
    kit *k = with_one_lent(64, 20);
    uint64_t since_ms = k->now.mono_ms;
    for (uint32_t i = 21; i < 26; i++) {
        kit_pass(k, KIT_TIMEOUT_MS / 12);
        assert_false(pbts_link_wants_send(kit_link(k, 0), k->now));
        kit_serve(k, i);
    }
    assert_true(pbts_link_deadline_ms(kit_link(k, 0)) == since_ms + KIT_TIMEOUT_MS / 2);
    kit_free(k);
}

/* It pays for one piece of two, and then for nothing. */
static void who_pays_for_a_part_owes_the_rest(void **state) {
    kit *k = with_one_lent(64, 20);
    uint8_t set[KIT_SET_MAX];
    kit_serve(k, 21);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 20, 20), &kit_at(k, 1)->secret);
    kit_pass(k, KIT_TIMEOUT_MS / 2);
    kit_store(k, 0);
    assert_true(kit_say(k, 0) == 1);
    kit_pass(k, KIT_TIMEOUT_MS);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_RECEIPT);
    assert_true(lost_bytes(k) == KIT_PIECE);
    kit_free(k);
}

/* Blocks of many pieces, none of them whole: nothing can be signed, and the limit holds. */
static void who_takes_only_parts_of_pieces_gets_one_piece_more(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    for (uint32_t i = 0; i < 64; i++) {
        uint64_t may = pbts_link_may_serve_bytes(kit_link(k, 0));
        pbts_link_served(kit_link(k, 0), i, may < 16384 ? (uint32_t)may : 16384, k->now);
    }
    assert_true(lost_bytes(k) == 2 * KIT_PIECE);
    kit_free(k);
}

/* The same piece again and again: its receipt is worth it once. */
static void who_takes_a_piece_many_times_pays_in_vain(void **state) {
    kit *k = kit_new(16);
    uint8_t set[KIT_SET_MAX];
    kit_connect(k);
    kit_serve(k, 0);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
    kit_settle(k);
    assert_true(lost_bytes(k) == 0);
    for (int i = 0; i < 20; i++) {
        serve_all_that_may(k, 0);
        while (pbts_link_may_serve_bytes(kit_link(k, 0)) >= KIT_PIECE) {
            pbts_link_served(kit_link(k, 0), 0, KIT_PIECE, k->now);
        }
        kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), set, &kit_at(k, 1)->secret);
    }
    assert_lost_at_most(k, 3 * KIT_PIECE); /* the limit after one receipt, and one piece */
    kit_free(k);
}

/* ---- bad receipts ---- */

static void assert_lie_is_refused(kit *k, pbts_link_refusal refusal) {
    kit_pass(k, 100);
    kit_assert_refused(k, 0, refusal);
    kit_store(k, 0);
    assert_lost_at_most(k, KIT_PIECE);
    kit_free(k);
}

static const pbts_receipt_form BLS_FORMS[] = { PBTS_FORM_PIECE, PBTS_FORM_CUMULATIVE,
                                               PBTS_FORM_BATCH };

static void a_receipt_signed_by_another_key_is_bad(void **state) {
    for (unsigned f = 0; f < 3; f++) {
        kit *k = with_one_lent(8, 0);
        uint8_t set[KIT_SET_MAX];
        kit_sign(k, BLS_FORMS[f], kit_epoch(k), kit_set(set, 0, 0), &k->members[2].secret);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_BAD_RECEIPT);
    }
}

/* Good signatures by the right key, of something else. */
static void a_receipt_for_something_else_is_bad(void **state) {
    for (unsigned f = 0; f < 3; f++) {
        for (int what = 0; what < 6; what++) {
            kit *k = with_one_lent(8, 0);
            uint8_t set[KIT_SET_MAX], other[KIT_SET_MAX];
            pbts_bls_signature signature;
            pbts_receipt receipt = kit_receipt(k, BLS_FORMS[f], kit_epoch(k), kit_set(set, 0, 0));
            pbts_receipt said = receipt;
            if (what == 0) receipt.infohash[0] ^= 1; /* another torrent */
            if (what == 1) receipt.iid[0] ^= 1;
            if (what == 2) receipt.sender = k->members[2].terms.key;
            if (what == 3) receipt.epoch--;
            if (what == 4) receipt.form = BLS_FORMS[(f + 1) % 3];
            if (what == 5)
                receipt = kit_receipt(k, BLS_FORMS[f], kit_epoch(k), kit_set(other, 1, 1));
            if (what == 4 && receipt.form == PBTS_FORM_BATCH) {
                receipt = kit_receipt(k, PBTS_FORM_BATCH, kit_epoch(k), set);
            }
            pbts_receipt_sign(&signature, &receipt, &kit_at(k, 1)->secret);
            kit_lie_receipt(k, &said, &signature);
            assert_lie_is_refused(k, PBTS_LINK_REFUSAL_BAD_RECEIPT);
        }
    }
}

static void a_signature_that_is_no_point_is_bad(void **state) {
    for (int what = 0; what < 3; what++) {
        kit *k = with_one_lent(8, 0);
        uint8_t set[KIT_SET_MAX];
        pbts_bls_signature signature;
        pbts_receipt receipt = kit_receipt(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 0, 0));
        memset(&signature, what == 0 ? 0 : 0x55, sizeof signature);
        if (what == 2) {
            memset(&signature, 0, sizeof signature);
            signature.bytes[0] = 0xC0; /* infinity */
        }
        kit_lie_receipt(k, &receipt, &signature);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_BAD_RECEIPT);
    }
}

/* Errors that add up to nothing: the sum of the signatures is right, each alone is wrong. */
static void errors_that_cancel_are_found(void **state) {
    kit *k = kit_new(16);
    uint8_t set[KIT_SET_MAX];
    pbts_bls_signature signatures[2], spoiled[2];
    pbts_bls_g1_point points[2], error, sum;
    kit_connect(k);
    kit_transfer(k, 0, 6);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    kit_serve(k, 6);
    kit_serve(k, 7);
    for (uint32_t i = 0; i < 2; i++) {
        pbts_receipt receipt =
            kit_receipt(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 6 + i, 6 + i));
        pbts_receipt_sign(&signatures[i], &receipt, &kit_at(k, 1)->secret);
        assert_int_equal(pbts_bls_signature_decode(&points[i], &signatures[i]), PBTS_OK);
    }
    /* a' = 2a, b' = b - a: their sum is a + b, as it should be. */
    pbts_bls_g1_weigh(&error, &points[0], 2);
    pbts_bls_signature_encode(&spoiled[0], &error);
    signatures[0].bytes[0] ^= 0x20; /* the other y: -a */
    assert_int_equal(pbts_bls_signature_decode(&sum, &signatures[0]), PBTS_OK);
    pbts_bls_g1_add(&sum, &points[1]);
    pbts_bls_signature_encode(&spoiled[1], &sum);
    for (uint32_t i = 0; i < 2; i++) {
        pbts_receipt receipt =
            kit_receipt(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 6 + i, 6 + i));
        kit_lie_receipt(k, &receipt, &spoiled[i]);
    }
    kit_pass(k, 100);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_BAD_RECEIPT);
    assert_int_equal(kit_store(k, 0), 0);
    assert_true(lost_bytes(k) == 2 * KIT_PIECE);
    kit_free(k);
}

/* One of several is bad: the others are kept, though the link is over. */
static void the_good_receipts_beside_a_bad_one_are_kept(void **state) {
    kit *k = kit_new(32);
    uint8_t set[KIT_SET_MAX];
    kit_connect(k);
    kit_transfer(k, 0, 10);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    size_t before = k->ends[0].record_count;
    for (uint32_t i = 10; i < 14; i++) kit_serve(k, i);
    for (uint32_t i = 10; i < 14; i++) {
        const pbts_bls_secret *secret = &k->members[i == 12 ? 2 : 1].secret;
        kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, i, i), secret);
    }
    kit_pass(k, 100);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_BAD_RECEIPT);
    assert_int_equal(kit_store(k, 0), 3);
    assert_int_equal(k->ends[0].record_count - before, 3);
    assert_true(lost_bytes(k) == KIT_PIECE);
    kit_free(k);
}

/* The connection breaks before anything was checked: what came is not lost. */
static void what_came_before_the_end_is_checked_at_the_end(void **state) {
    kit *k = kit_new(32);
    uint8_t set[KIT_SET_MAX];
    kit_connect(k);
    kit_transfer(k, 0, 10);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    kit_serve(k, 10);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 10, 10), &kit_at(k, 1)->secret);
    assert_int_equal(kit_store(k, 0), 0);
    assert_true(pbts_link_deadline_ms(kit_link(k, 0)) == k->now.mono_ms + 50);
    pbts_link_end(kit_link(k, 0));
    assert_int_equal(kit_store(k, 0), 1);
    assert_true(lost_bytes(k) == 0);
    kit_free(k);
}

/* What is found at the end changes nothing about why it ended. */
static void the_first_reason_stays(void **state) {
    kit *k = kit_new(32);
    uint8_t set[KIT_SET_MAX];
    kit_connect(k);
    kit_transfer(k, 0, 10);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    kit_serve(k, 10);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 10, 10), &k->members[2].secret);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 30, 30), &kit_at(k, 1)->secret);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_WRONG_PIECES);
    pbts_link_end(kit_link(k, 0));
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_WRONG_PIECES);
    assert_int_equal(kit_store(k, 0), 0);
    kit_free(k);
}

/* ---- wrong pieces ---- */

static void a_receipt_for_pieces_that_were_not_served_ends_the_link(void **state) {
    for (unsigned f = 0; f < 3; f++) {
        kit *k = with_one_lent(8, 0);
        uint8_t set[KIT_SET_MAX];
        kit_sign(k, BLS_FORMS[f], kit_epoch(k), kit_set(set, 1, 1), &kit_at(k, 1)->secret);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_PIECES);
    }
    for (unsigned f = 1; f < 3; f++) {
        kit *k = with_one_lent(8, 0);
        uint8_t set[KIT_SET_MAX];
        kit_sign(k, BLS_FORMS[f], kit_epoch(k), kit_set(set, 0, 1), &kit_at(k, 1)->secret);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_PIECES);
    }
}

static void a_set_that_shrinks_ends_the_link(void **state) {
    kit *k = with_one_lent(16, 4);
    uint8_t set[KIT_SET_MAX];
    kit_sign(k, PBTS_FORM_CUMULATIVE, kit_epoch(k), kit_set(set, 1, 4), &kit_at(k, 1)->secret);
    assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_PIECES);
}

static void a_set_that_shrinks_to_nothing_ends_the_link(void **state) {
    kit *k = with_one_lent(16, 4);
    uint8_t set[KIT_SET_MAX] = { 0 };
    kit_sign(k, PBTS_FORM_CUMULATIVE, kit_epoch(k), set, &kit_at(k, 1)->secret);
    assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_PIECES);
}

/* What was signed for in one form cannot pay again in another, or in the next hour. */
static void a_piece_is_signed_for_once_in_whatever_form(void **state) {
    for (unsigned first = 0; first < 3; first++) {
        for (unsigned second = 0; second < 3; second++) {
            kit *k = with_one_lent(16, 0);
            uint8_t set[KIT_SET_MAX];
            kit_sign(k, BLS_FORMS[first], kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
            kit_settle(k);
            assert_true(lost_bytes(k) == 0);
            kit_serve(k, 1);
            k->now.unix_s += first == second ? 0 : 3600;
            kit_sign(k, BLS_FORMS[second], kit_epoch(k), set, &kit_at(k, 1)->secret);
            kit_pass(k, 100);
            kit_store(k, 0);
            assert_true(lost_bytes(k) == KIT_PIECE);
            kit_free(k);
        }
    }
    for (unsigned f = 1; f < 3; f++) { /* hidden among new ones */
        kit *k = with_one_lent(16, 0);
        uint8_t set[KIT_SET_MAX];
        kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
        kit_settle(k);
        kit_serve(k, 1);
        kit_sign(k, BLS_FORMS[f], kit_epoch(k), kit_set(set, 0, 1), &kit_at(k, 1)->secret);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_PIECES);
    }
}

/* ---- wrong epochs ---- */

static void a_receipt_of_another_hour_ends_the_link(void **state) {
    const int64_t wrong[] = { -720, -2, -1, 1, 2, 1000 };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kit *k = with_one_lent(8, 0);
        uint8_t set[KIT_SET_MAX];
        k->now.unix_s = pbts_epoch_at(k->now.unix_s) * 3600 + 1800; /* half past */
        kit_sign(k, PBTS_FORM_CUMULATIVE, (uint64_t)((int64_t)kit_epoch(k) + wrong[i]),
                 kit_set(set, 0, 0), &kit_at(k, 1)->secret);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_EPOCH);
    }
}

static void around_the_turn_the_neighbouring_hour_is_right_for_five_minutes(void **state) {
    const struct {
        int64_t offset_s, epoch;
        bool right;
    } cases[] = { { 299, -1, true },  { 300, -1, false }, { -300, 1, true },
                  { -301, 1, false }, { 0, -2, false },   { 0, 1, false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kit *k = with_one_lent(8, 0);
        uint8_t set[KIT_SET_MAX];
        uint64_t turn = (kit_epoch(k) + 2) * 3600;
        k->now.unix_s = (uint64_t)((int64_t)turn + cases[i].offset_s);
        uint64_t epoch = (uint64_t)((int64_t)kit_epoch(k) + cases[i].epoch);
        kit_sign(k, PBTS_FORM_PIECE, epoch, kit_set(set, 0, 0), &kit_at(k, 1)->secret);
        if (cases[i].right) {
            kit_settle(k);
            assert_true(lost_bytes(k) == 0);
            kit_free(k);
        } else {
            assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_EPOCH);
        }
    }
}

static void a_statement_of_an_hour_that_is_over_does_not_follow_one_of_this(void **state) {
    kit *k = with_one_lent(8, 0);
    uint8_t set[KIT_SET_MAX];
    k->now.unix_s = (kit_epoch(k) + 1) * 3600 + 1;
    kit_sign(k, PBTS_FORM_CUMULATIVE, kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
    kit_settle(k);
    kit_serve(k, 1);
    kit_sign(k, PBTS_FORM_CUMULATIVE, kit_epoch(k) - 1, kit_set(set, 1, 1), &kit_at(k, 1)->secret);
    assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_EPOCH);
}

/* ---- replays and floods ---- */

/* Receipts that were taken already, word for word: they pay nothing, and too many are a flood. */
static void replayed_receipts_pay_nothing_and_are_a_flood_in_the_end(void **state) {
    for (unsigned f = 0; f < 3; f++) {
        kit *k = with_one_lent(16, 0);
        uint8_t set[KIT_SET_MAX];
        kit_sign(k, BLS_FORMS[f], kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
        kit_settle(k);
        kit_serve(k, 1);
        for (int i = 0; i < 64; i++) {
            kit_sign(k, BLS_FORMS[f], kit_epoch(k), set, &kit_at(k, 1)->secret);
        }
        kit_store(k, 0);
        kit_assert_ready(k);
        assert_true(lost_bytes(k) == KIT_PIECE);
        kit_sign(k, BLS_FORMS[f], kit_epoch(k), set, &kit_at(k, 1)->secret);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_FLOOD);
    }
}

static void one_useless_message_a_second_is_forgiven(void **state) {
    kit *k = with_one_lent(16, 0);
    uint8_t set[KIT_SET_MAX];
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
    kit_settle(k);
    for (int i = 0; i < 300; i++) {
        kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), set, &kit_at(k, 1)->secret);
        kit_pass(k, 900); /* nearly */
    }
    kit_assert_ready(k);
    kit_free(k);
}

/* Requests for receipts that are not owed. */
static void requests_for_nothing_are_a_flood_in_the_end(void **state) {
    for (int with_index = 0; with_index < 2; with_index++) {
        kit *k = kit_new(16);
        pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT };
        message.request.form = PBTS_FORM_CUMULATIVE;
        message.request.has_index = with_index;
        kit_connect(k);
        for (int i = 0; i < 64; i++) kit_lie(k, &message);
        kit_assert_ready(k);
        assert_false(pbts_link_wants_send(kit_link(k, 0), k->now)); /* nothing was signed */
        kit_lie(k, &message);
        kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_FLOOD);
        kit_free(k);
    }
}

/* Each receipt earns one, because the sender may find that it still has to wait. */
static void requests_are_free_once_for_every_receipt(void **state) {
    kit *k = kit_new(16);
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT };
    message.request.form = PBTS_FORM_CUMULATIVE;
    kit_connect(k);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(pbts_link_piece_received(kit_link(k, 0), i, k->now), PBTS_OK);
        pbts_link_sign_all(kit_link(k, 0));
        assert_int_equal(kit_say(k, 0), 1);
    }
    for (int i = 0; i < 3 + 64; i++) kit_lie(k, &message);
    kit_assert_ready(k);
    kit_lie(k, &message);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_FLOOD);
    kit_free(k);
}

/* A sender that asks for pieces that it did not send, or twice for those it did. */
static void what_did_not_come_is_never_signed_for(void **state) {
    kit *k = kit_new(16);
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT };
    message.request.form = PBTS_FORM_CUMULATIVE;
    message.request.has_index = true;
    kit_connect(k);
    assert_int_equal(pbts_link_piece_received(kit_link(k, 0), 3, k->now), PBTS_OK);
    kit_say(k, 0);
    for (uint32_t i = 0; i < 16; i++) {
        message.request.piece_index = i;
        kit_lie(k, &message);
    }
    kit_say(k, 0);
    assert_true(kit_stats(k, 0).signed_bytes == KIT_PIECE);
    kit_free(k);
}

static void a_body_that_breaks_the_format_ends_the_link(void **state) {
    const char *const bodies[] = { "", "\x01",
                                   "\x07"
                                   "de",
                                   "\x01"
                                   "d1:ei5e1:ii99e1:x1:ae",
                                   "\x03"
                                   "de" };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        kit *k = with_one_lent(8, 0);
        kit_push(&k->ends[1], pbts_span_text(bodies[i]));
        kit_hear(k, 1);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_MALFORMED);
    }
}

/* A set for a torrent of a million pieces, and one with spare bits set. */
static void a_set_of_another_size_ends_the_link(void **state) {
    uint8_t *huge = calloc(1, PBTS_PIECES_MAX / 8);
    assert_non_null(huge);
    const size_t lengths[] = { 0, 1, 3, PBTS_PIECES_MAX / 8 };
    for (size_t i = 0; i < 5; i++) {
        kit *k = with_one_lent(13, 0);
        pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_RECEIPT };
        huge[0] = 0x80;
        huge[1] = i == 4 ? 0x01 : 0;
        message.receipt.form = PBTS_FORM_CUMULATIVE;
        message.receipt.epoch = kit_epoch(k);
        message.receipt.pieces.bytes = (pbts_span){ huge, i == 4 ? 2 : lengths[i] };
        kit_lie(k, &message);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_MALFORMED);
    }
    free(huge);
}

static void a_form_that_we_do_not_take_ends_the_link(void **state) {
    for (unsigned f = 0; f < 3; f++) {
        kit *k = kit_new(8);
        uint8_t set[KIT_SET_MAX];
        k->members[0].terms.forms_taken = KIT_ALL_FORMS & ~KIT_FORM(BLS_FORMS[f]);
        kit_connect(k);
        kit_serve(k, 0);
        kit_sign(k, BLS_FORMS[f], kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_NO_COMMON_FORM);
    }
}

/* Our disk is stuck and the peer goes on signing: there is an end to what we hold in memory. */
static void receipts_that_cannot_be_stored_have_a_limit(void **state) {
    kit *k = with_one_lent(8, 0);
    pbts_taken *taken;
    uint8_t set[KIT_SET_MAX];
    for (int i = 0; i < PBTS_LINK_TAKEN_MAX; i++) {
        assert_int_equal(pbts_taken_add(kit_link(k, 0), &taken, PBTS_FORM_PIECE, 5, k->now),
                         PBTS_OK);
    }
    assert_int_equal(pbts_taken_add(kit_link(k, 0), &taken, PBTS_FORM_PIECE, 5, k->now),
                     PBTS_LIMIT);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_FLOOD);
    kit_free(k);
}

/* ---- sessions ---- */

typedef struct {
    pbts_secp256k1_signer *signer;
    pbts_secp256k1_secret secret;
    pbts_receipt_session session;
} liar_session;

static void session_begin(kit *k, liar_session *s) {
    assert_int_equal(pbts_secp256k1_signer_new(&s->signer, pbts_mem_system(), &k->random.random),
                     PBTS_OK);
    assert_int_equal(pbts_secp256k1_generate(&s->secret, &k->random.random), PBTS_OK);
    pbts_secp256k1_public_of(s->signer, &s->session.key, &s->secret);
    memset(s->session.id, 0x77, sizeof s->session.id);
    s->session.expires = pbts_receipt_session_expires(k->now.unix_s);
}

static void say_session(kit *k, const liar_session *s, const pbts_bls_secret *secret,
                        const pbts_bls_public *sender) {
    uint8_t set[KIT_SET_MAX];
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_SESSION };
    pbts_receipt certificate = kit_receipt(k, PBTS_FORM_SESSION, 0, kit_set(set, 0, 0));
    certificate.session = s->session;
    certificate.sender = *sender;
    message.session.session = s->session;
    pbts_receipt_sign(&message.session.signature, &certificate, secret);
    kit_lie(k, &message);
}

static void say_session_piece(kit *k, const liar_session *s, uint32_t piece, uint64_t epoch,
                              const pbts_secp256k1_secret *secret) {
    uint8_t set[KIT_SET_MAX];
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_RECEIPT };
    pbts_receipt receipt = kit_receipt(k, PBTS_FORM_SESSION, epoch, kit_set(set, piece, piece));
    receipt.session = s->session;
    message.receipt.form = PBTS_FORM_SESSION;
    message.receipt.epoch = epoch;
    message.receipt.piece_index = piece;
    pbts_receipt_session_sign(s->signer, &message.receipt.session_signature, secret, &receipt,
                              receipt.piece_hash, piece);
    kit_lie(k, &message);
}

static void a_session_needs_its_certificate(void **state) {
    for (int what = 0; what < 5; what++) {
        kit *k = with_one_lent(8, 0);
        liar_session s;
        pbts_secp256k1_secret other;
        session_begin(k, &s);
        assert_int_equal(pbts_secp256k1_generate(&other, &k->random.random), PBTS_OK);
        const pbts_bls_public *us = &kit_at(k, 0)->terms.key;
        if (what == 1) say_session(k, &s, &k->members[2].secret, us);
        if (what == 2) say_session(k, &s, &kit_at(k, 1)->secret, &k->members[2].terms.key);
        if (what >= 3) say_session(k, &s, &kit_at(k, 1)->secret, us);
        if (what == 4) s.session.id[0] ^= 1; /* signed under another session */
        say_session_piece(k, &s, 0, kit_epoch(k), what == 3 ? &other : &s.secret);
        pbts_secp256k1_signer_free(s.signer);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_BAD_RECEIPT);
    }
}

static void a_session_is_one_of_the_forms_we_take(void **state) {
    kit *k = kit_new(8);
    liar_session s;
    k->members[0].terms.forms_taken = KIT_ALL_FORMS & ~KIT_FORM(PBTS_FORM_SESSION);
    kit_connect(k);
    kit_serve(k, 0);
    session_begin(k, &s);
    say_session(k, &s, &kit_at(k, 1)->secret, &kit_at(k, 0)->terms.key);
    pbts_secp256k1_signer_free(s.signer);
    assert_lie_is_refused(k, PBTS_LINK_REFUSAL_NO_COMMON_FORM);
}

static void a_session_key_is_a_point(void **state) {
    kit *k = with_one_lent(8, 0);
    liar_session s;
    pbts_secp256k1_point point;
    session_begin(k, &s);
    do {
        s.session.key.bytes[32]++;
    } while (pbts_secp256k1_public_decode(&point, &s.session.key) == PBTS_OK);
    say_session(k, &s, &kit_at(k, 1)->secret, &kit_at(k, 0)->terms.key);
    pbts_secp256k1_signer_free(s.signer);
    assert_lie_is_refused(k, PBTS_LINK_REFUSAL_BAD_RECEIPT);
}

static void a_session_signs_only_for_its_day(void **state) {
    for (int what = 0; what < 2; what++) {
        kit *k = with_one_lent(8, 0);
        liar_session s;
        session_begin(k, &s);
        s.session.expires = what == 0 ? kit_epoch(k) * 3600 : s.session.expires + 3600;
        say_session(k, &s, &kit_at(k, 1)->secret, &kit_at(k, 0)->terms.key);
        say_session_piece(k, &s, 0, kit_epoch(k), &s.secret);
        pbts_secp256k1_signer_free(s.signer);
        assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_EPOCH);
    }
}

static void a_session_signs_for_served_pieces_once(void **state) {
    kit *k = with_one_lent(8, 0);
    liar_session s;
    session_begin(k, &s);
    say_session(k, &s, &kit_at(k, 1)->secret, &kit_at(k, 0)->terms.key);
    say_session_piece(k, &s, 0, kit_epoch(k), &s.secret);
    say_session_piece(k, &s, 0, kit_epoch(k), &s.secret);
    kit_settle(k);
    assert_true(lost_bytes(k) == 0 && k->ends[0].stored_bytes == KIT_PIECE);
    kit_serve(k, 1);
    say_session_piece(k, &s, 5, kit_epoch(k), &s.secret);
    pbts_secp256k1_signer_free(s.signer);
    assert_lie_is_refused(k, PBTS_LINK_REFUSAL_WRONG_PIECES);
}

/* Two certificates with one id: the pieces of both in one statement would be good under neither,
 * and the tracker refuses a statement for one bad piece. */
static void sessions_of_one_id_are_two(void **state) {
    for (int what = 0; what < 2; what++) {
        kit *k = kit_new(32);
        liar_session s, again;
        kit_connect(k);
        kit_transfer(k, 0, 10);
        pbts_link_sign_all(kit_link(k, 1));
        kit_settle(k);
        size_t before = k->ends[0].record_count;
        kit_serve(k, 10);
        kit_serve(k, 11);
        session_begin(k, &s);
        session_begin(k, &again);
        if (what == 1) again = (liar_session){ again.signer, s.secret, s.session };
        if (what == 1) again.session.expires -= 3600;
        say_session(k, &s, &kit_at(k, 1)->secret, &kit_at(k, 0)->terms.key);
        say_session_piece(k, &s, 10, kit_epoch(k), &s.secret);
        say_session(k, &again, &kit_at(k, 1)->secret, &kit_at(k, 0)->terms.key);
        say_session_piece(k, &again, 11, kit_epoch(k), &again.secret);
        kit_settle(k); /* each record is good by itself */
        assert_int_equal(k->ends[0].record_count - before, 2);
        assert_true(lost_bytes(k) == 0);
        pbts_secp256k1_signer_free(s.signer);
        pbts_secp256k1_signer_free(again.signer);
        kit_free(k);
    }
}

/* Each certificate costs us a pairing. */
static void certificates_that_are_not_used_are_a_flood(void **state) {
    kit *k = with_one_lent(8, 0);
    liar_session s;
    session_begin(k, &s);
    for (int i = 0; i < 9; i++) {
        kit_assert_ready(k);
        s.session.id[1] = (uint8_t)i;
        say_session(k, &s, &kit_at(k, 1)->secret, &kit_at(k, 0)->terms.key);
    }
    kit_assert_ready(k);
    say_session(k, &s, &kit_at(k, 1)->secret, &kit_at(k, 0)->terms.key);
    pbts_secp256k1_signer_free(s.signer);
    assert_lie_is_refused(k, PBTS_LINK_REFUSAL_FLOOD);
}

/* Whoever is the liar, the pieces it gave are not worth less: a batch of the wrong root is bad,
 * and so is one with a right root and a wrong count. */
static void a_batch_is_of_its_pieces(void **state) {
    kit *k = with_one_lent(8, 0);
    uint8_t set[KIT_SET_MAX];
    pbts_bls_signature signature;
    pbts_receipt receipt = kit_receipt(k, PBTS_FORM_BATCH, kit_epoch(k), kit_set(set, 0, 0));
    receipt.root[31] ^= 1;
    pbts_receipt_sign(&signature, &receipt, &kit_at(k, 1)->secret);
    kit_lie_receipt(k, &receipt, &signature);
    assert_lie_is_refused(k, PBTS_LINK_REFUSAL_BAD_RECEIPT);
}

/* It takes a byte of each piece, which makes every piece one that was served, and signs for all in
 * one batch. The tracker takes batches up to a limit: past it, what was paid is nothing. */
static void a_batch_that_no_tracker_takes_pays_nothing(void **state) {
    for (uint32_t over = 0; over < 2; over++) {
        kit *k = kit_new(2);
        uint8_t set[KIT_SET_MAX];
        uint32_t pieces = PBTS_RECEIPT_BATCH_PIECES_MAX + over;
        kit_replace_torrent(k, PBTS_RECEIPT_BATCH_PIECES_MAX + 4);
        kit_connect(k);
        for (uint32_t i = 0; i < pieces; i++) pbts_link_served(kit_link(k, 0), i, 1, k->now);
        kit_sign(k, PBTS_FORM_BATCH, kit_epoch(k), kit_set(set, 0, pieces - 1),
                 &kit_at(k, 1)->secret);
        kit_settle(k);
        if (over) {
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_MALFORMED);
            assert_true(lost_bytes(k) == pieces && k->ends[0].record_count == 0);
        } else {
            assert_int_equal(k->ends[0].record_count, 1);
            assert_true(k->ends[0].stored_bytes == (uint64_t)pieces * KIT_PIECE);
        }
        kit_free(k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_gives_no_receipt_gets_one_piece_and_is_given_up),
        cmocka_unit_test(who_stops_paying_gets_no_more_than_the_limit),
        cmocka_unit_test(who_falls_silent_at_the_last_piece_gets_that_piece),
        cmocka_unit_test(who_takes_slowly_and_never_pays_is_given_up_in_time),
        cmocka_unit_test(who_pays_for_a_part_owes_the_rest),
        cmocka_unit_test(who_takes_only_parts_of_pieces_gets_one_piece_more),
        cmocka_unit_test(who_takes_a_piece_many_times_pays_in_vain),
        cmocka_unit_test(a_receipt_signed_by_another_key_is_bad),
        cmocka_unit_test(a_receipt_for_something_else_is_bad),
        cmocka_unit_test(a_signature_that_is_no_point_is_bad),
        cmocka_unit_test(errors_that_cancel_are_found),
        cmocka_unit_test(the_good_receipts_beside_a_bad_one_are_kept),
        cmocka_unit_test(what_came_before_the_end_is_checked_at_the_end),
        cmocka_unit_test(the_first_reason_stays),
        cmocka_unit_test(a_receipt_for_pieces_that_were_not_served_ends_the_link),
        cmocka_unit_test(a_set_that_shrinks_ends_the_link),
        cmocka_unit_test(a_set_that_shrinks_to_nothing_ends_the_link),
        cmocka_unit_test(a_piece_is_signed_for_once_in_whatever_form),
        cmocka_unit_test(a_receipt_of_another_hour_ends_the_link),
        cmocka_unit_test(around_the_turn_the_neighbouring_hour_is_right_for_five_minutes),
        cmocka_unit_test(a_statement_of_an_hour_that_is_over_does_not_follow_one_of_this),
        cmocka_unit_test(replayed_receipts_pay_nothing_and_are_a_flood_in_the_end),
        cmocka_unit_test(one_useless_message_a_second_is_forgiven),
        cmocka_unit_test(requests_for_nothing_are_a_flood_in_the_end),
        cmocka_unit_test(requests_are_free_once_for_every_receipt),
        cmocka_unit_test(what_did_not_come_is_never_signed_for),
        cmocka_unit_test(a_body_that_breaks_the_format_ends_the_link),
        cmocka_unit_test(a_set_of_another_size_ends_the_link),
        cmocka_unit_test(a_form_that_we_do_not_take_ends_the_link),
        cmocka_unit_test(receipts_that_cannot_be_stored_have_a_limit),
        cmocka_unit_test(a_batch_that_no_tracker_takes_pays_nothing),
        cmocka_unit_test(a_session_needs_its_certificate),
        cmocka_unit_test(a_session_is_one_of_the_forms_we_take),
        cmocka_unit_test(a_session_key_is_a_point),
        cmocka_unit_test(a_session_signs_only_for_its_day),
        cmocka_unit_test(a_session_signs_for_served_pieces_once),
        cmocka_unit_test(sessions_of_one_id_are_two),
        cmocka_unit_test(certificates_that_are_not_used_are_a_flood),
        cmocka_unit_test(a_batch_is_of_its_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
