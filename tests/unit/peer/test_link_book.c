/* Unit tests of what links write into the book: a peer that connects again, on several connections
 * at once, or after we banned it; receipts that are owed when a connection breaks. */
#include "link_kit.h"

#include <time.h>

#include "peer/book_parts.h"
#include "receipt/faulty_mem.h"

typedef struct {
    kit *k;
    pbts_book *books[2];
} pair;

static pair pair_new(uint32_t pieces) {
    pair p = { .k = kit_new(pieces) };
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pbts_book_new(&p.books[i], pbts_mem_system()), PBTS_OK);
        p.k->members[i].terms.book = p.books[i];
    }
    return p;
}

static void pair_free(pair *p) {
    kit_free(p->k);
    for (unsigned i = 0; i < 2; i++) pbts_book_free(p->books[i]);
}

static pbts_book_stats stats_of(const pbts_book *book) {
    pbts_book_stats stats;
    pbts_book_stats_read(book, &stats);
    return stats;
}

static uint64_t owed(const pair *p) {
    return stats_of(p->books[0]).owed_to_us_bytes;
}

/* As one that knows nothing of the other any more. */
static void forget(pair *p, unsigned who) {
    pbts_book_free(p->books[who]);
    assert_int_equal(pbts_book_new(&p->books[who], pbts_mem_system()), PBTS_OK);
    p->k->members[who].terms.book = p->books[who];
}

/* ---- cheats with many connections ---- */

static void who_connects_again_and_again_gets_no_more_than_the_limit_in_all(void **state) {
    pair p = pair_new(64);
    kit *k = p.k;
    uint64_t served = 0;
    k->members[0].terms.exposure_max_bytes = 6 * KIT_PIECE;
    for (int i = 0; i < 40; i++) {
        kit_connect(k);
        for (uint32_t piece = 0; piece < 64; piece++) {
            if (pbts_link_may_serve_bytes(kit_link(k, 0)) < KIT_PIECE) break;
            pbts_link_served(kit_link(k, 0), piece, KIT_PIECE, k->now);
            served += KIT_PIECE;
        }
        assert_true(owed(&p) == served);
        kit_disconnect(k);
    }
    assert_true(served == 6 * KIT_PIECE || served == 7 * KIT_PIECE);
    pair_free(&p);
}

/* Two connections of one key at once share one limit. */
/* It paid for 40 pieces before we forgot, has a byte of each again, and signs for them: receipts
 * that the tracker calls duplicates. They must not pay for 40 others, one on each connection. */
static void what_is_signed_for_again_after_we_forgot_pays_up_to_the_limit(void **state) {
    enum { LIMIT = 6 * KIT_PIECE };
    pair p = pair_new(64);
    kit *k = p.k;
    uint8_t set[KIT_SET_MAX];
    uint64_t served = 0;
    k->members[0].terms.exposure_max_bytes = LIMIT;
    kit_connect(k);
    for (uint32_t i = 0; i < 40; i++) pbts_link_served(kit_link(k, 0), i, 1, k->now);
    kit_sign(k, PBTS_FORM_CUMULATIVE, kit_epoch(k), kit_set(set, 0, 39), &kit_at(k, 1)->secret);
    kit_settle(k);
    assert_int_equal(k->ends[0].record_count, 1);
    kit_disconnect(k);
    for (uint32_t i = 40; i < 64; i++) {
        kit_connect(k);
        if (pbts_link_may_serve_bytes(kit_link(k, 0)) >= KIT_PIECE) {
            pbts_link_served(kit_link(k, 0), i, KIT_PIECE, k->now);
            served += KIT_PIECE;
        }
        kit_disconnect(k);
    }
    assert_true(served > LIMIT && served <= 2 * LIMIT + KIT_PIECE);
    pair_free(&p);
}

/* A byte of each of many pieces costs a peer little: what we remember of them must not cost us
 * much, when it goes nor at every message after it came back. */
static void parts_of_many_pieces_take_no_time(void **state) {
    enum { MANY = 200000 };
    static uint8_t buffer[PBTS_LINK_MESSAGE_MAX];
    pair p = pair_new(2);
    kit *k = p.k;
    kit_replace_torrent(k, MANY);
    kit_connect(k);
    for (uint32_t i = 0; i < MANY; i++) pbts_link_served(kit_link(k, 0), i, 1, k->now);
    clock_t start = clock();
    kit_disconnect(k);
    assert_true(owed(&p) == MANY);
    kit_connect(k);
    for (int i = 0; i < 1000; i++) {
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        assert_false(pbts_link_next_send(kit_link(k, 0), &writer, k->now));
    }
    assert_true(clock() - start < 3 * CLOCKS_PER_SEC); /* it was 21 s */
    pbts_link_other_has(kit_link(k, 0), 5);
    assert_true(pbts_link_wants_send(kit_link(k, 0), k->now)); /* for all that */
    pair_free(&p);
}

static void many_connections_at_once_share_one_limit(void **state) {
    pair p = pair_new(64);
    kit *k = p.k;
    pbts_link *kept[8];
    uint64_t served = 0;
    k->members[0].terms.exposure_max_bytes = 4 * KIT_PIECE;
    for (int i = 0; i < 8; i++) {
        kit_connect(k);
        kept[i] = kit_link(k, 0);
        uint64_t may = pbts_link_may_serve_bytes(kept[i]);
        uint32_t block = may < KIT_PIECE ? (uint32_t)may : KIT_PIECE;
        pbts_link_served(kept[i], (uint32_t)i, block, k->now);
        served += block;
        k->ends[0].link = NULL;
        kit_disconnect(k);
    }
    assert_true(served >= 4 * KIT_PIECE && served <= 5 * KIT_PIECE);
    for (int i = 0; i < 8; i++) {
        assert_true(pbts_link_may_serve_bytes(kept[i]) == 0);
        pbts_link_free(kept[i]);
    }
    pair_free(&p);
}

static void a_ban_is_for_the_key_on_all_connections(void **state) {
    pair p = pair_new(16);
    kit *k = p.k;
    uint8_t set[KIT_SET_MAX];
    kit_connect(k);
    pbts_link *first = kit_link(k, 0);
    k->ends[0].link = NULL;
    kit_disconnect(k);
    kit_connect(k);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 5, 5), &kit_at(k, 1)->secret);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_WRONG_PIECES);
    assert_true(stats_of(p.books[0]).banned == 1);
    assert_true(pbts_link_may_serve_bytes(first) == 0);
    pbts_link_tick(first, k->now);
    assert_int_equal(pbts_link_state_of(first), PBTS_LINK_REFUSED);
    pbts_link_free(first);

    kit_disconnect(k);
    kit_open(k);
    kit_hello(k, 0);
    kit_hello(k, 1);
    kit_talk(k);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_WRONG_PIECES);
    kit_disconnect(k);
    k->who[1] = 2; /* another member is welcome */
    kit_connect(k);
    pair_free(&p);
}

/* It deletes what it got and takes it again: the tracker counts a piece once in 30 days. */
static void who_takes_everything_twice_pays_in_vain(void **state) {
    pair p = pair_new(16);
    kit *k = p.k;
    kit_connect(k);
    kit_transfer(k, 0, 16);
    kit_settle(k);
    assert_true(owed(&p) == 0);
    uint64_t served = 0;
    for (int again = 0; again < 3; again++) {
        kit_disconnect(k);
        forget(&p, 1);
        k->members[0].terms.exposure_max_bytes = 3 * KIT_PIECE;
        kit_connect(k);
        for (uint32_t piece = 0; piece < 15; piece++) {
            if (pbts_link_may_serve_bytes(kit_link(k, 0)) < KIT_PIECE) break;
            kit_serve(k, piece);
            served += KIT_PIECE;
            kit_receive(k, piece);
            pbts_link_sign_all(kit_link(k, 1));
            kit_settle(k);
        }
        kit_assert_ready(k); /* it may have lost its disk */
        assert_true(kit_stats(k, 0).covered_bytes == 0);
    }
    assert_true(served <= 4 * KIT_PIECE && owed(&p) == served);

    k->now.unix_s += 31 * 24 * 3600; /* in the next claim period it counts again */
    for (unsigned i = 0; i < 2; i++) {
        k->members[i].terms.ticket =
            kit_ticket(k, k->members[i].ticket, &k->tracker, &k->members[i].terms.key,
                       UINT64_C(1) << 40, k->now.unix_s, k->now.unix_s + 7200);
    }
    kit_disconnect(k);
    k->members[0].terms.exposure_max_bytes = PBTS_EXPOSURE_MAX_BYTES;
    kit_connect(k);
    kit_transfer(k, 0, 16);
    kit_settle(k);
    assert_true(kit_stats(k, 0).covered_bytes >= kit_stats(k, 0).served_bytes);
    pair_free(&p);
}

/* The same piece at the same time on two connections: one receipt is worth it. */
static void one_piece_on_two_connections_is_worth_it_once(void **state) {
    pair p = pair_new(16);
    kit *k = p.k;
    uint8_t set[KIT_SET_MAX];
    kit_connect(k);
    kit_end first[2] = { k->ends[0], k->ends[1] };
    memset(k->ends, 0, sizeof k->ends);
    kit_connect(k);
    for (int i = 0; i < 2; i++) {
        kit_serve(k, 0);
        kit_sign(k, i == 0 ? PBTS_FORM_PIECE : PBTS_FORM_CUMULATIVE, kit_epoch(k),
                 kit_set(set, 0, 0), &kit_at(k, 1)->secret);
        kit_settle(k);
        kit_end other[2] = { k->ends[0], k->ends[1] };
        memcpy(k->ends, first, sizeof first);
        memcpy(first, other, sizeof other);
    }
    assert_true(kit_stats(k, 0).served_bytes == KIT_PIECE);
    assert_true(k->ends[0].stored_bytes + first[0].stored_bytes == KIT_PIECE);
    assert_true(owed(&p) == KIT_PIECE);
    pbts_link_free(first[0].link);
    pbts_link_free(first[1].link);
    pair_free(&p);
}

/* At the turn of a claim period: what the new one's receipts wrote over, nobody remembers. */
static void an_old_period_is_worth_nothing_after_a_new_one_began(void **state) {
    pair p = pair_new(16);
    kit *k = p.k;
    uint8_t set[KIT_SET_MAX];
    uint64_t turn = (pbts_claim_period(kit_epoch(k)) + 1) * PBTS_CLAIM_PERIOD_EPOCHS * 3600;
    k->members[0].terms.ticket_required = k->members[1].terms.ticket_required = false;
    k->now.unix_s = turn + 60;
    kit_connect(k);
    kit_serve(k, 0);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
    kit_settle(k);
    assert_true(owed(&p) == 0);
    kit_serve(k, 1);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k) - 1, kit_set(set, 1, 1), &kit_at(k, 1)->secret);
    kit_settle(k);
    kit_assert_ready(k);
    assert_true(owed(&p) == KIT_PIECE);
    pair_free(&p);
}

static void an_allowance_is_for_all_connections(void **state) {
    pair p = pair_new(16);
    kit *k = p.k;
    kit_member *member = &k->members[1];
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key,
                                      3 * KIT_PIECE, k->now.unix_s, k->now.unix_s + 7200);
    kit_connect(k);
    kit_transfer(k, 0, 2);
    kit_settle(k);
    kit_disconnect(k);
    kit_connect(k);
    assert_true(kit_stats(k, 0).allowance_left_bytes == KIT_PIECE);
    kit_disconnect(k);
    member->terms.ticket =
        kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, 100 * KIT_PIECE,
                   k->now.unix_s - 1, k->now.unix_s + 7200); /* an older one */
    kit_connect(k);
    assert_true(kit_stats(k, 0).allowance_left_bytes == KIT_PIECE);
    pair_free(&p);
}

/* ---- connections that break ---- */

/* Pieces 0..3 are paid for; 4 and 5 came and were not signed for when the connection broke. */
static pair broken(void) {
    pair p = pair_new(16);
    kit *k = p.k;
    kit_connect(k);
    kit_transfer(k, 0, 4);
    kit_settle(k);
    for (uint32_t i = 4; i < 6; i++) {
        kit_serve(k, i);
        kit_receive(k, i);
    }
    pbts_link_end(kit_link(k, 0));
    kit_store(k, 0);
    return p;
}

static void receipts_that_were_owed_when_a_connection_broke_are_given_on_the_next(void **state) {
    pair p = broken();
    kit *k = p.k;
    uint64_t before = owed(&p);
    assert_true(before == 2 * KIT_PIECE);
    kit_disconnect(k);
    assert_true(owed(&p) == before);
    kit_connect(k);
    kit_settle(k);
    assert_true(owed(&p) == 0);
    for (uint32_t i = 0; i < 6; i++) assert_int_equal(kit_times_kept(k, 0, i), 1);
    kit_assert_ready(k);
    pair_free(&p);
}

/* We ask for the receipt of a piece of an earlier connection. Until it comes many others are
 * written down; who answers must not be taken for a liar. */
static void who_was_asked_may_answer_however_many_others_come_meanwhile(void **state) {
    pair p = broken();
    kit *k = p.k;
    uint64_t before = owed(&p);
    kit_disconnect(k);
    kit_open(k);
    for (unsigned i = 0; i < 2; i++) kit_hello(k, i);
    for (unsigned i = 0; i < 2; i++) assert_true(kit_say(k, i) > 0);
    for (unsigned i = 0; i < 2; i++) assert_true(kit_hear(k, i));
    assert_true(kit_say(k, 0) > 0);
    while (kit_hear(k, 0)) continue;
    pbts_page *other = NULL;
    pbts_bls_public key = { { 1 } };
    assert_int_equal(pbts_book_open(p.books[0], &other, &key), PBTS_OK);
    pbts_book_close(p.books[0], other);
    for (uint32_t i = 0; i < 2 * PBTS_BOOK_TALLIES_MAX; i++) {
        uint8_t infohash[PBTS_INFOHASH_LEN] = { 0xFF };
        memcpy(infohash + 1, &i, sizeof i);
        assert_non_null(pbts_book_tally_begin(p.books[0], other, infohash, 100, 1));
    }
    kit_settle(k);
    kit_assert_ready(k);
    assert_true(before > 0 && owed(&p) == 0);
    pair_free(&p);
}

/* A receipt that was on its way when the connection broke is signed again; the sender takes it. */
static void receipts_that_got_lost_are_given_again(void **state) {
    for (unsigned f = PBTS_FORM_PIECE; f <= PBTS_FORM_SESSION; f++) {
        pair p = pair_new(16);
        kit *k = p.k;
        k->members[1].terms.form_given = (pbts_receipt_form)f;
        kit_connect(k);
        kit_transfer(k, 0, 4);
        kit_settle(k);
        uint64_t before = owed(&p);
        kit_serve(k, 4);
        kit_receive(k, 4);
        pbts_link_sign_all(kit_link(k, 1));
        assert_true(kit_say(k, 1) > 0);
        kit_disconnect(k);
        assert_true(owed(&p) == before + KIT_PIECE);
        kit_connect(k);
        kit_settle(k);
        assert_true(owed(&p) == before);
        assert_int_equal(kit_times_kept(k, 0, 4), 1);
        pair_free(&p);
    }
}

static bool repeats(kit *k, uint32_t piece) {
    kit_serve(k, piece);
    kit_receive(k, piece);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    return pbts_link_take_repeat(kit_link(k, 1));
}

/* The receiver lost pieces that it had signed for. It signs again, and says once what that is
 * worth. */
static void who_signs_again_in_a_claim_period_is_told_once(void **state) {
    pair p = pair_new(16);
    kit *k = p.k;
    k->members[0].terms.ticket_required = k->members[1].terms.ticket_required = false;
    k->now.unix_s =
        (k->now.unix_s / (PBTS_CLAIM_PERIOD_EPOCHS * 3600) + 1) * (PBTS_CLAIM_PERIOD_EPOCHS * 3600);
    kit_connect(k);
    for (uint32_t i = 0; i < 8; i++) assert_false(repeats(k, i));
    kit_disconnect(k);
    kit_connect(k);
    assert_false(repeats(k, 8)); /* it was not given yet */
    assert_true(repeats(k, 2));
    uint32_t signed_again = kit_stats(k, 1).receipts_given;
    assert_int_equal(kit_stats(k, 1).received_bytes, kit_stats(k, 1).signed_bytes);
    assert_false(repeats(k, 3)); /* it was told */
    assert_true(kit_stats(k, 1).receipts_given > signed_again);
    kit_disconnect(k);
    kit_connect(k);
    assert_false(repeats(k, 4)); /* and is not on the next connection */
    kit_disconnect(k);
    k->now.unix_s += PBTS_CLAIM_PERIOD_EPOCHS * 3600;
    kit_connect(k);
    assert_false(repeats(k, 5)); /* another period: it is worth something again, once */
    kit_disconnect(k);
    kit_connect(k);
    assert_true(repeats(k, 5));
    kit_assert_ready(k);
    pair_free(&p);
}

/* The same on one connection, and with nothing to remember it in. */
static void who_signs_again_on_a_connection_is_told_once(void **state) {
    kit *k = kit_new(16);
    kit_connect(k);
    kit_transfer(k, 0, 4);
    kit_settle(k);
    assert_false(pbts_link_take_repeat(kit_link(k, 1)));
    for (int again = 0; again < 2; again++) {
        assert_int_equal(pbts_link_piece_received(kit_link(k, 1), 2, k->now), PBTS_EXISTS);
        assert_int_equal(pbts_link_take_repeat(kit_link(k, 1)), again == 0);
    }
    kit_free(k);
}

static void a_lost_receipt_is_not_given_again_in_another_claim_period(void **state) {
    pair p = pair_new(16);
    kit *k = p.k;
    uint64_t turn = (pbts_claim_period(kit_epoch(k)) + 1) * PBTS_CLAIM_PERIOD_EPOCHS * 3600;
    k->members[0].terms.ticket_required = k->members[1].terms.ticket_required = false;
    k->now.unix_s = turn - 3000;
    kit_connect(k);
    kit_serve(k, 0);
    kit_receive(k, 0);
    pbts_link_sign_all(kit_link(k, 1));
    kit_say(k, 1);
    kit_disconnect(k);
    k->now.unix_s = turn + 3000;
    kit_connect(k);
    kit_settle(k);
    assert_true(kit_stats(k, 1).signed_bytes == 0);
    assert_true(owed(&p) == KIT_PIECE);
    kit_assert_ready(k);
    pair_free(&p);
}

/* The same over a turn of the period within one connection, and with receipts that were owed. */
static void what_was_signed_for_before_the_turn_is_not_signed_for_after_it(void **state) {
    pair p = broken(); /* 4 and 5 are owed, the others signed for */
    kit *k = p.k;
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT };
    uint64_t turn = (pbts_claim_period(kit_epoch(k)) + 1) * PBTS_CLAIM_PERIOD_EPOCHS * 3600;
    k->members[0].terms.ticket_required = k->members[1].terms.ticket_required = false;
    kit_disconnect(k);
    kit_connect(k);
    kit_settle(k); /* 4 and 5 are signed for */
    k->now.unix_s = turn + 60;
    kit_serve(k, 6);
    kit_receive(k, 6);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k); /* 6 in the new period */
    kit_disconnect(k);
    k->who[0] = 1; /* now end 0 is the receiver, and end 1 asks for everything */
    k->who[1] = 0;
    kit_connect(k);
    message.request.form = PBTS_FORM_CUMULATIVE;
    message.request.has_index = true;
    for (uint32_t i = 0; i < 16; i++) {
        message.request.piece_index = i;
        kit_lie(k, &message);
    }
    kit_say(k, 0);
    assert_true(kit_stats(k, 0).signed_bytes == 0);
    pair_free(&p);
}

/* Asked for a piece again and again, it signs for it once on a connection. */
static void a_carried_piece_is_signed_for_once_on_a_connection(void **state) {
    pair p = broken();
    kit *k = p.k;
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT };
    kit_disconnect(k);
    k->who[0] = 1;
    k->who[1] = 0;
    kit_connect(k); /* it asks for both, and gets them */
    message.request.form = PBTS_FORM_CUMULATIVE;
    message.request.has_index = true;
    for (int i = 0; i < 10; i++) {
        message.request.piece_index = i % 2 == 0 ? 4 : 0; /* 0: signed for on the first one */
        kit_lie(k, &message);
        if (i % 3 == 0) kit_say(k, 0);
    }
    kit_say(k, 0);
    assert_true(kit_stats(k, 0).signed_bytes == 3 * KIT_PIECE);
    assert_true(kit_stats(k, 0).receipts_given == 2);
    pair_free(&p);
}

/* The receiver's program was killed: it owes, and does not know. It is not a cheat. */
static void who_forgot_what_it_owes_is_served_on_from_the_beginning(void **state) {
    pair p = broken();
    kit *k = p.k;
    kit_disconnect(k);
    forget(&p, 1);
    kit_connect(k);
    for (int i = 0; i < 10; i++) {
        kit_settle(k);
        kit_pass(k, KIT_TIMEOUT_MS);
    }
    kit_assert_ready(k);
    assert_true(owed(&p) == 2 * KIT_PIECE);
    kit_transfer(k, 6, 16);
    kit_settle(k);
    assert_true(owed(&p) == 2 * KIT_PIECE);
    kit_assert_ready(k);
    pair_free(&p);
}

/* The sender's program was killed: it knows of no pieces, and is given no receipts that it would
 * take for false ones. */
static void who_forgot_what_it_served_is_not_given_receipts_for_it(void **state) {
    pair p = broken();
    kit *k = p.k;
    kit_disconnect(k);
    forget(&p, 0);
    kit_connect(k);
    kit_settle(k);
    kit_transfer(k, 6, 16);
    kit_settle(k);
    kit_assert_ready(k);
    assert_true(owed(&p) == 0);
    pair_free(&p);
}

/* Many were owed: the sender asks for a few at a time, and gets all. */
static void many_owed_receipts_are_asked_for_a_few_at_a_time(void **state) {
    pair p = pair_new(64);
    kit *k = p.k;
    kit_connect(k);
    kit_transfer(k, 0, 20);
    kit_settle(k);
    pbts_link_set_other_left(kit_link(k, 0), UINT64_MAX / 4);
    for (uint32_t i = 20; i < 60; i++) {
        if (pbts_link_may_serve_bytes(kit_link(k, 0)) < KIT_PIECE) break;
        kit_serve(k, i);
        kit_receive(k, i);
    }
    assert_true(owed(&p) > 20 * KIT_PIECE);
    kit_disconnect(k);
    kit_connect(k);
    assert_true(k->ends[0].count == 0);
    kit_settle(k);
    kit_settle(k);
    assert_true(owed(&p) == 0);
    kit_assert_ready(k);
    pair_free(&p);
}

static void a_sender_does_not_flood_who_forgot_with_requests(void **state) {
    pair p = pair_new(128);
    kit *k = p.k;
    kit_connect(k);
    kit_transfer(k, 0, 20);
    kit_settle(k);
    pbts_link_set_other_left(kit_link(k, 0), UINT64_MAX / 4);
    for (uint32_t i = 20; i < 45; i++) kit_serve(k, i);
    kit_disconnect(k);
    forget(&p, 1);
    kit_connect(k);
    kit_settle(k);
    kit_assert_ready(k);
    kit_disconnect(k);
    kit_open(k);
    kit_hello(k, 0);
    kit_hello(k, 1);
    kit_say(k, 0);
    kit_say(k, 1);
    kit_hear(k, 0);
    kit_hear(k, 1);
    assert_int_equal(kit_say(k, 0), 16);
    pair_free(&p);
}

/* Parts of pieces cannot be asked for, but count against the limit of the key. */
static void parts_of_pieces_are_not_asked_for(void **state) {
    pair p = pair_new(16);
    kit *k = p.k;
    kit_connect(k);
    pbts_link_served(kit_link(k, 0), 0, 1000, k->now);
    kit_disconnect(k);
    kit_open(k);
    kit_hello(k, 0);
    kit_hello(k, 1);
    kit_say(k, 0);
    kit_say(k, 1);
    kit_hear(k, 0);
    kit_hear(k, 1);
    assert_int_equal(kit_say(k, 0), 0);
    assert_true(owed(&p) == 1000);
    /* Half then, the rest now: one receipt for both halves. */
    pbts_link_served(kit_link(k, 0), 0, KIT_PIECE - 1000, k->now);
    kit_receive(k, 0);
    kit_settle(k);
    assert_true(owed(&p) == 0);
    pair_free(&p);
}

/* ---- pieces that were completed after the sender had left ---- */

enum { PART = KIT_PIECE - 8192 };

/* Piece 3 is served but for its end; the connection breaks, and another peer gives the rest. */
static pair left_in_the_middle(void) {
    pair p = pair_new(16);
    kit_connect(p.k);
    pbts_link_served(kit_link(p.k, 0), 3, PART, p.k->now);
    kit_disconnect(p.k);
    return p;
}

static void owe(const pair *p, uint32_t piece) {
    const kit *k = p->k;
    pbts_link_owe(&k->members[1].terms, &k->torrent, k->members[0].terms.key.bytes, piece);
}

static void who_left_before_the_piece_was_whole_is_paid_when_it_comes_back(void **state) {
    pair p = left_in_the_middle();
    kit *k = p.k;
    owe(&p, 3);
    kit_connect(k);
    kit_settle(k);
    assert_true(kit_stats(k, 1).signed_bytes == 0); /* not before it is asked */
    pbts_link_other_has(kit_link(k, 0), 2);         /* of which nothing was served */
    assert_false(pbts_link_wants_send(kit_link(k, 0), k->now));
    pbts_link_other_has(kit_link(k, 0), 3);
    assert_true(pbts_link_wants_send(kit_link(k, 0), k->now));
    kit_settle(k);
    kit_assert_ready(k);
    assert_int_equal(kit_times_kept(k, 0, 3), 1);
    assert_true(kit_stats(k, 1).signed_bytes == KIT_PIECE && owed(&p) == 0);
    pbts_link_other_has(kit_link(k, 0), 3); /* it is not asked for again */
    assert_false(pbts_link_wants_send(kit_link(k, 0), k->now));
    pair_free(&p);
}

static void who_came_back_before_the_piece_was_whole_is_paid_when_it_is(void **state) {
    for (int all = 0; all < 2; all++) {
        pair p = left_in_the_middle();
        kit *k = p.k;
        uint8_t set[KIT_SET_MAX];
        kit_connect(k);
        pbts_link_other_has_set(kit_link(k, 0), (pbts_span){ kit_set(set, 0, 2), k->pieces / 8 });
        assert_false(pbts_link_wants_send(kit_link(k, 0), k->now));
        owe(&p, 3);
        kit_set(set, 3, 3);
        pbts_link_other_has_set(kit_link(k, 0), (pbts_span){ set, all ? 0 : k->pieces / 8 });
        kit_settle(k);
        assert_int_equal(kit_times_kept(k, 0, 3), 1);
        assert_true(owed(&p) == 0);
        pair_free(&p);
    }
}

/* It asks, for all it knows; the receiver credited another. */
static void who_gave_less_than_another_asks_in_vain_and_once(void **state) {
    pair p = left_in_the_middle();
    kit *k = p.k;
    kit_connect(k);
    pbts_link_other_has(kit_link(k, 0), 3);
    assert_int_equal(kit_say(k, 0), 1);
    kit_settle(k);
    kit_assert_ready(k);
    assert_true(kit_stats(k, 1).signed_bytes == 0 && owed(&p) == PART);
    assert_false(pbts_link_wants_send(kit_link(k, 0), k->now));
    pair_free(&p);
}

static void what_most_was_served_of_is_asked_for_first_and_sixteen_at_once(void **state) {
    pair p = pair_new(64);
    kit *k = p.k;
    uint32_t asked[16], count = 0;
    kit_connect(k);
    kit_transfer(k, 0, 20);
    kit_settle(k);
    pbts_link_set_other_left(kit_link(k, 0), UINT64_MAX / 4);
    for (uint32_t i = 0; i < 20; i++) pbts_link_served(kit_link(k, 0), 20 + i, 1000 + i, k->now);
    kit_disconnect(k);
    kit_connect(k);
    pbts_link_other_has_set(kit_link(k, 0), (pbts_span){ NULL, 0 });
    assert_int_equal(kit_say(k, 0), 16);
    for (size_t i = 0; i < k->ends[0].count; i++) {
        pbts_peer_pbts_message message;
        pbts_span body = { k->ends[0].queue[i].bytes, k->ends[0].queue[i].len };
        assert_int_equal(pbts_peer_pbts_decode(&message, body, k->pieces), PBTS_OK);
        assert_true(message.kind == PBTS_PEER_MSG_REQUEST_RECEIPT && message.request.has_index);
        asked[count++] = message.request.piece_index;
    }
    for (uint32_t i = 0; i < count; i++) assert_int_equal(asked[i], 39 - i);
    pair_free(&p);
}

static void a_key_that_the_book_does_not_know_is_owed_nothing(void **state) {
    pair p = left_in_the_middle();
    kit *k = p.k;
    size_t before = stats_of(p.books[1]).tallies;
    uint8_t key[PBTS_LINK_KEY_PREFIX_LEN];
    memcpy(key, k->members[0].terms.key.bytes, sizeof key);
    key[sizeof key - 1] ^= 1;
    pbts_link_owe(&k->members[1].terms, &k->torrent, key, 3);
    assert_int_equal(stats_of(p.books[1]).tallies, before);
    k->members[1].terms.book = NULL;
    owe(&p, 3);
    k->members[1].terms.book = p.books[1];
    assert_int_equal(stats_of(p.books[1]).tallies, before);
    owe(&p, 3);
    assert_int_equal(stats_of(p.books[1]).tallies, before + 1);
    pair_free(&p);
}

/* ---- the book itself ---- */

static pbts_bls_public key_of(uint32_t number) {
    pbts_bls_public key = { { 0 } };
    memcpy(key.bytes, &number, sizeof number);
    return key;
}

static pbts_page *open_page(pbts_book *book, uint32_t number) {
    pbts_page *page;
    pbts_bls_public key = key_of(number);
    assert_int_equal(pbts_book_open(book, &page, &key), PBTS_OK);
    return page;
}

static void a_full_book_forgets_what_is_worth_least(void **state) {
    pbts_book *book;
    assert_int_equal(pbts_book_new(&book, pbts_mem_system()), PBTS_OK);
    for (uint32_t i = 0; i < PBTS_BOOK_PEERS_MAX; i++) {
        pbts_page *page = open_page(book, i);
        if (i == 0) page->banned = 6;
        if (i == 1) page->owed_bytes = 5;
        pbts_book_close(book, page);
    }
    assert_true(stats_of(book).peers == PBTS_BOOK_PEERS_MAX);
    pbts_book_close(book, open_page(book, 100000)); /* forgets 2, the oldest without worth */
    assert_true(stats_of(book).peers == PBTS_BOOK_PEERS_MAX);
    assert_true(stats_of(book).owed_to_us_bytes == 5 && stats_of(book).banned == 1);
    pbts_page *third = open_page(book, 3);
    third->taken_bytes = 77;
    pbts_book_close(book, third);
    for (uint32_t i = 0; i < 2 * PBTS_BOOK_PEERS_MAX; i++) {
        pbts_page *page = open_page(book, 200000 + i);
        page->banned = 7;
        pbts_book_close(book, page);
    }
    assert_true(stats_of(book).owed_to_us_bytes == 0);
    assert_true(stats_of(book).banned == PBTS_BOOK_PEERS_MAX);
    pbts_book_free(book);
}

static void a_page_that_is_forgotten_takes_its_tallies_with_it(void **state) {
    pbts_book *book;
    uint8_t infohash[PBTS_INFOHASH_LEN] = { 0 };
    assert_int_equal(pbts_book_new(&book, pbts_mem_system()), PBTS_OK);
    for (uint32_t i = 0; i < 2 * PBTS_BOOK_PEERS_MAX; i++) {
        pbts_page *page = open_page(book, i);
        if (i < 10) assert_non_null(pbts_book_tally_begin(book, page, infohash, 100, 1));
        if (i >= 10) page->banned = 1;
        pbts_book_close(book, page);
    }
    assert_true(stats_of(book).tallies == 0);
    pbts_book_free(book);
}

static void a_tally_that_is_used_stays(void **state) {
    pbts_book *book;
    uint8_t infohash[PBTS_INFOHASH_LEN] = { 0 }, first[PBTS_INFOHASH_LEN] = { 0 };
    assert_int_equal(pbts_book_new(&book, pbts_mem_system()), PBTS_OK);
    pbts_page *page = open_page(book, 1);
    for (uint32_t i = 0; i < PBTS_BOOK_TALLIES_MAX + 500; i++) {
        memcpy(infohash, &i, sizeof i);
        assert_non_null(pbts_book_tally_begin(book, page, infohash, 100, 1));
        assert_non_null(pbts_book_tally_begin(book, page, first, 100, 1));
    }
    uint32_t second = 1;
    memcpy(infohash, &second, sizeof second);
    assert_null(pbts_book_tally(book, page, infohash));
    assert_true(stats_of(book).tallies == PBTS_BOOK_TALLIES_MAX);
    pbts_tally *tally = pbts_book_tally(book, page, first);
    assert_non_null(tally);
    assert_true(pbts_tally_add(tally, &tally->owed, 3));
    pbts_page *other = open_page(book, 2); /* the same torrent with another key */
    assert_true(pbts_book_tally_begin(book, other, first, 100, 1) != tally);
    assert_true(pbts_book_tally(book, page, first) == tally);
    assert_true(pbts_book_tally(book, other, first) != tally);
    pbts_book_free(book);
}

static void pages_that_are_open_are_not_forgotten(void **state) {
    pbts_book *book;
    pbts_page *page;
    pbts_bls_public key = key_of(UINT32_MAX);
    assert_int_equal(pbts_book_new(&book, pbts_mem_system()), PBTS_OK);
    for (uint32_t i = 0; i < PBTS_BOOK_PEERS_MAX; i++) open_page(book, i);
    assert_int_equal(pbts_book_open(book, &page, &key), PBTS_LIMIT);
    page = open_page(book, 7);
    assert_true(page->open == 2);
    pbts_book_close(book, page);
    pbts_book_close(book, page);
    pbts_book_close(book, open_page(book, UINT32_MAX));
    assert_int_equal(pbts_book_open(book, &page, &key), PBTS_OK);
    pbts_book_free(book);
}

/* A link whose page the book has no room for counts for itself. */
static void a_link_without_a_page_in_the_book_is_on_its_own(void **state) {
    pair p = pair_new(8);
    for (uint32_t i = 0; i < PBTS_BOOK_PEERS_MAX; i++) open_page(p.books[0], i);
    kit_connect(p.k);
    kit_transfer(p.k, 0, 8);
    kit_settle(p.k);
    assert_true(kit_stats(p.k, 0).covered_bytes == kit_stats(p.k, 0).served_bytes);
    pair_free(&p);
}

static void the_oldest_of_too_many_tallies_is_forgotten_and_its_debt_is_not(void **state) {
    pbts_book *book;
    uint8_t infohash[PBTS_INFOHASH_LEN] = { 0 };
    assert_int_equal(pbts_book_new(&book, pbts_mem_system()), PBTS_OK);
    pbts_page *page = open_page(book, 1);
    page->owed_bytes = 9;
    for (uint32_t i = 0; i <= PBTS_BOOK_TALLIES_MAX; i++) {
        memcpy(infohash, &i, sizeof i);
        pbts_tally *tally = pbts_book_tally_begin(book, page, infohash, 100, 1);
        assert_non_null(tally);
        assert_true(pbts_tally_add(tally, &tally->paid, 99));
        assert_true(stats_of(book).tallies ==
                    (i < PBTS_BOOK_TALLIES_MAX ? i + 1 : PBTS_BOOK_TALLIES_MAX));
    }
    memset(infohash, 0, sizeof infohash);
    assert_null(pbts_book_tally(book, page, infohash));
    infohash[0] = 1;
    assert_non_null(pbts_book_tally(book, page, infohash));
    assert_true(page->tallies == PBTS_BOOK_TALLIES_MAX && stats_of(book).owed_to_us_bytes == 9);
    pbts_book_free(book);
}

static void sets_of_a_claim_period_only_go_forward(void **state) {
    pbts_tally tally = { .mem = pbts_mem_system(), .piece_count = 20 };
    assert_false(pbts_tally_has(tally.paid, 3));
    pbts_tally_enter_period(&tally, tally.paid, &tally.paid_period, 5);
    assert_true(pbts_tally_add(&tally, &tally.paid, 3));
    pbts_tally_enter_period(&tally, tally.paid, &tally.paid_period, 4);
    assert_true(tally.paid_period == 5 && pbts_tally_has(tally.paid, 3));
    pbts_tally_enter_period(&tally, tally.paid, &tally.paid_period, 6);
    assert_true(tally.paid_period == 6 && !pbts_tally_has(tally.paid, 3));
    pbts_release(tally.mem, tally.paid);
}

static void a_book_without_memory_forgets_and_does_not_fail(void **state) {
    for (size_t n = 1; n < 12; n++) {
        faulty_mem faulty = mem_failing_at(n);
        pbts_book *book;
        pbts_page *page = NULL;
        uint8_t infohash[PBTS_INFOHASH_LEN] = { 0 };
        pbts_bls_public key = key_of(1);
        assert_int_equal(pbts_book_new(&book, &faulty.mem), PBTS_OK);
        if (pbts_book_open(book, &page, &key) == PBTS_OK) {
            pbts_tally *tally = pbts_book_tally_begin(book, page, infohash, 9, 1);
            if (tally != NULL) (void)pbts_tally_add(tally, &tally->owed, 1);
            if (tally != NULL) (void)pbts_tally_add(tally, &tally->given, 1);
            assert_true(page->tallies == (tally != NULL ? 1 : 0));
        }
        pbts_book_free(book);
        assert_true(faulty.live == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_connects_again_and_again_gets_no_more_than_the_limit_in_all),
        cmocka_unit_test(what_is_signed_for_again_after_we_forgot_pays_up_to_the_limit),
        cmocka_unit_test(parts_of_many_pieces_take_no_time),
        cmocka_unit_test(many_connections_at_once_share_one_limit),
        cmocka_unit_test(a_ban_is_for_the_key_on_all_connections),
        cmocka_unit_test(who_takes_everything_twice_pays_in_vain),
        cmocka_unit_test(one_piece_on_two_connections_is_worth_it_once),
        cmocka_unit_test(an_old_period_is_worth_nothing_after_a_new_one_began),
        cmocka_unit_test(an_allowance_is_for_all_connections),
        cmocka_unit_test(receipts_that_were_owed_when_a_connection_broke_are_given_on_the_next),
        cmocka_unit_test(who_was_asked_may_answer_however_many_others_come_meanwhile),
        cmocka_unit_test(receipts_that_got_lost_are_given_again),
        cmocka_unit_test(who_signs_again_in_a_claim_period_is_told_once),
        cmocka_unit_test(who_signs_again_on_a_connection_is_told_once),
        cmocka_unit_test(a_lost_receipt_is_not_given_again_in_another_claim_period),
        cmocka_unit_test(what_was_signed_for_before_the_turn_is_not_signed_for_after_it),
        cmocka_unit_test(a_carried_piece_is_signed_for_once_on_a_connection),
        cmocka_unit_test(who_forgot_what_it_owes_is_served_on_from_the_beginning),
        cmocka_unit_test(who_forgot_what_it_served_is_not_given_receipts_for_it),
        cmocka_unit_test(many_owed_receipts_are_asked_for_a_few_at_a_time),
        cmocka_unit_test(a_sender_does_not_flood_who_forgot_with_requests),
        cmocka_unit_test(parts_of_pieces_are_not_asked_for),
        cmocka_unit_test(who_left_before_the_piece_was_whole_is_paid_when_it_comes_back),
        cmocka_unit_test(who_came_back_before_the_piece_was_whole_is_paid_when_it_is),
        cmocka_unit_test(who_gave_less_than_another_asks_in_vain_and_once),
        cmocka_unit_test(what_most_was_served_of_is_asked_for_first_and_sixteen_at_once),
        cmocka_unit_test(a_key_that_the_book_does_not_know_is_owed_nothing),
        cmocka_unit_test(a_full_book_forgets_what_is_worth_least),
        cmocka_unit_test(a_page_that_is_forgotten_takes_its_tallies_with_it),
        cmocka_unit_test(a_tally_that_is_used_stays),
        cmocka_unit_test(pages_that_are_open_are_not_forgotten),
        cmocka_unit_test(a_link_without_a_page_in_the_book_is_on_its_own),
        cmocka_unit_test(the_oldest_of_too_many_tallies_is_forgotten_and_its_debt_is_not),
        cmocka_unit_test(sets_of_a_claim_period_only_go_forward),
        cmocka_unit_test(a_book_without_memory_forgets_and_does_not_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
