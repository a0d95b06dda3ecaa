/* Unit tests of links between honest peers: every form and schedule pays exactly for what moved,
 * and nobody has to wait for longer than a receipt takes. */
#include "link_kit.h"

#include "peer/link_state.h"

#include "receipt/faulty_mem.h"

static const pbts_receipt_form FORMS[] = { PBTS_FORM_PIECE, PBTS_FORM_CUMULATIVE, PBTS_FORM_BATCH,
                                           PBTS_FORM_SESSION };
enum { FORM_COUNT = 4 };

static kit *kit_with_form(pbts_receipt_form form, uint32_t pieces, pbts_torrent_version version) {
    kit *k = kit_new_of(pieces, version, 1);
    for (unsigned i = 0; i < 3; i++) k->members[i].terms.form_given = form;
    return k;
}

static void assert_paid(const kit *k, uint32_t pieces) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < pieces; i++) {
        sum += kit_size(k, i);
        assert_int_equal(kit_times_kept(k, 0, i), 1);
    }
    pbts_link_stats sender = kit_stats(k, 0), receiver = kit_stats(k, 1);
    assert_true(sender.served_bytes == sum && sender.covered_bytes == sum);
    assert_true(receiver.received_bytes == sum && receiver.signed_bytes == sum);
    assert_true(k->ends[0].stored_bytes == sum);
    assert_int_equal(sender.receipts_taken, k->ends[0].record_count);
}

static void every_form_pays_for_exactly_what_moved(void **state) {
    const pbts_torrent_version versions[] = { PBTS_TORRENT_V1, PBTS_TORRENT_V2,
                                              PBTS_TORRENT_HYBRID };
    for (unsigned f = 0; f < FORM_COUNT; f++) {
        kit *k = kit_with_form(FORMS[f], 33, versions[f % 3]);
        kit_connect(k);
        kit_transfer(k, 0, 33);
        kit_settle(k);
        assert_paid(k, 33);
        kit_assert_ready(k);
        for (size_t i = 0; i < k->ends[0].record_count; i++) {
            assert_int_equal(k->ends[0].records[i].form, FORMS[f]);
        }
        kit_free(k);
    }
}

static void the_papers_schedule_pays_for_exactly_what_moved(void **state) {
    for (unsigned f = 0; f < FORM_COUNT; f++) {
        kit *k = kit_with_form(FORMS[f], 20, PBTS_TORRENT_V1);
        k->members[1].terms.schedule = PBTS_SCHEDULE_PAPER;
        kit_connect(k);
        kit_transfer(k, 0, 20);
        kit_settle(k);
        assert_paid(k, 20);
        assert_int_equal(kit_stats(k, 1).receipts_given, 20); /* all are among the first 100 */
        kit_free(k);
    }
}

static void both_may_send_at_once(void **state) {
    kit *k = kit_new(20);
    kit_connect(k);
    for (uint32_t i = 0; i < 10; i++) {
        for (unsigned from = 0; from < 2; from++) {
            uint32_t piece = 10 * from + i;
            kit_pass(k, 100);
            kit_talk(k);
            assert_true(pbts_link_may_serve_bytes(kit_link(k, from)) >= kit_size(k, piece));
            pbts_link_served(kit_link(k, from), piece, kit_size(k, piece), k->now);
            assert_int_equal(pbts_link_piece_received(kit_link(k, 1 - from), piece, k->now),
                             PBTS_OK);
            kit_talk(k);
        }
    }
    for (unsigned at = 0; at < 2; at++) pbts_link_sign_all(kit_link(k, at));
    kit_settle(k);
    for (unsigned at = 0; at < 2; at++) {
        pbts_link_stats stats = kit_stats(k, at);
        assert_true(stats.served_bytes == stats.covered_bytes);
        assert_true(stats.received_bytes == stats.signed_bytes);
        for (uint32_t i = 0; i < 10; i++) assert_int_equal(kit_times_kept(k, at, 10 * at + i), 1);
    }
    kit_free(k);
}

/* With receipts one message late the sender never stops: they are signed at half of the limit. */
static void a_sender_does_not_have_to_stop_when_receipts_are_on_time(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_transfer(k, 0, 4);
    for (uint32_t i = 4; i < 60; i++) {
        assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) >= kit_size(k, i));
        kit_serve(k, i);
        kit_receive(k, i);
        kit_talk(k);
        kit_pass(k, 50);
    }
    kit_free(k);
}

static void few_receipts_are_enough_for_many_pieces(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_transfer(k, 0, 64);
    kit_settle(k);
    assert_paid(k, 64);
    assert_true(kit_stats(k, 1).receipts_given < 20);
    kit_free(k);
}

static void a_batch_has_its_number_of_pieces_and_the_rest_come_at_the_end(void **state) {
    kit *k = kit_with_form(PBTS_FORM_BATCH, 64, PBTS_TORRENT_V1);
    kit_connect(k);
    kit_transfer(k, 0, 64);
    kit_settle(k);
    for (size_t i = 0; i < k->ends[0].record_count; i++) {
        assert_true(pbts_piece_set_count(PBTS_SPAN_OF(k->ends[0].records[i].set)) <= 10);
    }
    assert_paid(k, 64);
    kit_free(k);
}

/* Also when the limit would let more wait. */
static void a_batch_is_signed_when_it_is_full(void **state) {
    kit *k = kit_with_form(PBTS_FORM_BATCH, 64, PBTS_TORRENT_V1);
    kit_connect(k);
    kit_transfer(k, 0, 30);
    pbts_link_stats before = kit_stats(k, 1);
    kit_link(k, 1)->give.exposure.paid_bytes = 1u << 30;
    pbts_link_set_own_left(kit_link(k, 1), 1u << 30);
    uint32_t waiting = kit_link(k, 1)->give.waiting_count;
    for (uint32_t i = 30; i < 40 - waiting; i++) {
        assert_false(pbts_link_wants_send(kit_link(k, 1), k->now));
        kit_serve(k, i);
        kit_receive(k, i);
    }
    assert_true(pbts_link_wants_send(kit_link(k, 1), k->now));
    kit_say(k, 1);
    assert_int_equal(kit_stats(k, 1).receipts_given, before.receipts_given + 1);
    kit_free(k);
}

/* A sender asks for what waits: it is signed for at once, however often it asks. */
static void who_is_asked_signs_at_once(void **state) {
    kit *k = kit_new(64);
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT };
    message.request.form = PBTS_FORM_CUMULATIVE;
    kit_connect(k);
    kit_link(k, 0)->give.exposure.paid_bytes = 1u << 30; /* end 0 receives here */
    assert_int_equal(pbts_link_piece_received(kit_link(k, 0), 7, k->now), PBTS_OK);
    assert_false(pbts_link_wants_send(kit_link(k, 0), k->now));
    for (int i = 0; i < 100; i++) kit_lie(k, &message);
    kit_assert_ready(k);
    assert_true(pbts_link_wants_send(kit_link(k, 0), k->now));
    assert_int_equal(kit_say(k, 0), 1);
    assert_true(kit_stats(k, 0).signed_bytes == KIT_PIECE);
    kit_free(k);
}

static void a_piece_waits_ten_seconds_for_its_receipt_at_most(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_transfer(k, 0, 16);
    kit_settle(k);
    assert_true(kit_stats(k, 1).signed_bytes == kit_stats(k, 1).received_bytes);
    kit_serve(k, 16);
    kit_receive(k, 16);
    assert_false(pbts_link_wants_send(kit_link(k, 1), k->now));
    uint64_t deadline = pbts_link_deadline_ms(kit_link(k, 1));
    assert_true(deadline == k->now.mono_ms + 10 * 1000);
    kit_pass(k, deadline - k->now.mono_ms);
    assert_true(pbts_link_wants_send(kit_link(k, 1), k->now));
    kit_settle(k);
    assert_paid(k, 17);
    assert_true(pbts_link_deadline_ms(kit_link(k, 0)) == UINT64_MAX);
    assert_true(pbts_link_deadline_ms(kit_link(k, 1)) == UINT64_MAX);
    kit_free(k);
}

static void more_pieces_do_not_put_off_the_receipt_of_the_first(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_transfer(k, 0, 20);
    kit_settle(k);
    for (uint32_t i = 20; i < 22; i++) {
        kit_serve(k, i);
        kit_receive(k, i);
        assert_false(pbts_link_wants_send(kit_link(k, 1), k->now));
        kit_pass(k, 6000);
    }
    assert_true(pbts_link_wants_send(kit_link(k, 1), k->now));
    kit_free(k);
}

static void who_has_all_or_is_told_to_signs_at_once(void **state) {
    for (int told = 0; told < 2; told++) {
        kit *k = kit_new(64);
        kit_connect(k);
        kit_transfer(k, 0, 16);
        kit_settle(k);
        kit_serve(k, 16);
        kit_receive(k, 16);
        if (told) {
            pbts_link_sign_all(kit_link(k, 1));
        } else {
            pbts_link_set_own_left(kit_link(k, 1), 0);
        }
        kit_settle(k);
        assert_paid(k, 17);
        kit_free(k);
    }
}

/* Cumulative statements begin anew with the hour: what was said is not said again. */
static void a_new_hour_begins_a_new_statement(void **state) {
    kit *k = kit_new(12);
    kit_connect(k);
    kit_transfer(k, 0, 6);
    kit_settle(k);
    size_t before = k->ends[0].record_count;
    k->now.unix_s += 3600;
    kit_transfer(k, 6, 12);
    kit_settle(k);
    const kit_record *first = &k->ends[0].records[before - 1];
    const kit_record *last = &k->ends[0].records[k->ends[0].record_count - 1];
    assert_true(last->epoch == first->epoch + 1);
    assert_int_equal(pbts_piece_set_count(PBTS_SPAN_OF(last->set)), 6);
    assert_false(k->ends[0].records[before].replaces);
    assert_paid(k, 12);
    kit_free(k);
}

/* A clock that is put right by a second or two goes over the turn of the hour twice. What was begun
 * for the new hour is gone on with: a sender takes none of the old one after it. */
static void a_clock_that_steps_back_over_the_turn_stays_in_the_new_hour(void **state) {
    kit *k = kit_new(8);
    kit_connect(k);
    uint64_t turn = (pbts_epoch_at(k->now.unix_s) + 1) * 3600;
    k->now.unix_s = turn + 1;
    kit_transfer(k, 0, 3);
    kit_settle(k);
    k->now.unix_s = turn - 2;
    kit_transfer(k, 3, 8);
    kit_settle(k);
    kit_assert_ready(k);
    assert_paid(k, 8);
    assert_true(k->ends[0].records[k->ends[0].record_count - 1].epoch == pbts_epoch_at(turn));
    kit_free(k);
}

static void clocks_may_be_five_minutes_apart(void **state) {
    kit *k = kit_new(8);
    kit_connect(k);
    uint64_t turn = (pbts_epoch_at(k->now.unix_s) + 1) * 3600;
    k->now.unix_s =
        turn - 1; /* both sign and send in the old hour; it arrives 299 s into the new */
    kit_serve(k, 0);
    kit_receive(k, 0);
    assert_true(kit_say(k, 1) > 0);
    k->now.unix_s = turn + 299;
    kit_settle(k);
    assert_paid(k, 1);
    k->now.unix_s = turn + 3600 + 1; /* signed by a clock that is fast */
    kit_serve(k, 1);
    kit_receive(k, 1);
    assert_true(kit_say(k, 1) > 0);
    k->now.unix_s = turn + 3600 - 299;
    kit_settle(k);
    assert_paid(k, 2);
    kit_free(k);
}

static void a_session_is_renewed_when_its_day_is_over(void **state) {
    kit *k = kit_with_form(PBTS_FORM_SESSION, 8, PBTS_TORRENT_V1);
    k->members[0].terms.ticket_required = k->members[1].terms.ticket_required = false;
    kit_connect(k);
    kit_transfer(k, 0, 4);
    kit_settle(k);
    k->now.unix_s += PBTS_RECEIPT_SESSION_LIFE_S;
    kit_transfer(k, 4, 8);
    kit_settle(k);
    assert_paid(k, 8);
    kit_free(k);
}

/* A receipt of a session has its pieces in order and no more than the tracker takes in one. */
static void a_session_of_many_pieces_in_any_order_is_several_receipts(void **state) {
    enum { MANY = 1100 };
    kit *k = kit_with_form(PBTS_FORM_SESSION, MANY, PBTS_TORRENT_V1);
    k->members[0].terms.receipts_required = false; /* all at once */
    kit_connect(k);
    kit_link(k, 0)->lend.exposure.paid_bytes = 1u << 30;
    for (uint32_t i = MANY; i-- > 0;) {
        kit_serve(k, i);
        kit_receive(k, i);
    }
    pbts_link_set_own_left(kit_link(k, 1), 0);
    kit_say(k, 1);
    while (kit_hear(k, 1)) kit_link(k, 0)->lend.unchecked_bytes = 0; /* they wait for each other */
    kit_settle(k);
    assert_paid(k, MANY);
    assert_int_equal(k->ends[0].record_count, 2);
    for (size_t i = 0; i < k->ends[0].record_count; i++) {
        size_t count = pbts_piece_set_count(PBTS_SPAN_OF(k->ends[0].records[i].set));
        assert_true(count <= PBTS_RECEIPT_SESSION_PIECES_MAX);
    }
    kit_free(k);
}

static void pieces_in_any_order_are_one_receipt_of_a_session(void **state) {
    kit *k = kit_with_form(PBTS_FORM_SESSION, 32, PBTS_TORRENT_V1);
    const uint32_t order[] = { 20, 3, 31, 7, 12, 0, 30 };
    k->members[0].terms.receipts_required = false;
    kit_connect(k);
    for (size_t i = 0; i < 7; i++) {
        kit_serve(k, order[i]);
        kit_receive(k, order[i]);
        kit_say(k, 1);
        while (kit_hear(k, 1)) {
        }
        pbts_link_set_other_left(kit_link(k, 0), UINT64_MAX);
    }
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    for (size_t i = 0; i < 7; i++) assert_int_equal(kit_times_kept(k, 0, order[i]), 1);
    assert_true(k->ends[0].record_count < 7);
    kit_free(k);
}

/* As by a sender that does not say its limit. */
static void forget_told_limit(kit *k) {
    pbts_link *link = kit_link(k, 1);
    link->give.limit_is_told = false;
    link->give.exposure.max_bytes = link->terms->exposure_max_bytes;
}

static void a_senders_limit_is_kept_without_being_asked(void **state) {
    kit *k = kit_new(40);
    k->members[0].terms.exposure_max_bytes = 2 * KIT_PIECE;
    kit_connect(k);
    assert_true(kit_link(k, 1)->give.exposure.max_bytes == 2 * KIT_PIECE);
    for (uint32_t i = 0; i < 40; i++) {
        assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) >= kit_size(k, i));
        kit_serve(k, i);
        kit_receive(k, i);
        kit_talk(k);
    }
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    assert_paid(k, 40);
    kit_free(k);
}

static void serve_and_receive(kit *k, uint32_t first, uint32_t end) {
    for (uint32_t piece = first; piece < end; piece++) {
        kit_serve(k, piece);
        kit_receive(k, piece);
    }
}

static void what_is_being_checked_makes_a_receipt_due_sooner(void **state) {
    kit *k = kit_new(64);
    k->members[0].terms.exposure_max_bytes = 32 * KIT_PIECE;
    kit_connect(k);
    kit_transfer(k, 0, 20);
    kit_pass(k, PBTS_LINK_SIGN_AFTER_MS);
    kit_settle(k);
    serve_and_receive(k, 20, 25); /* of 22 that may be lent, with 44 to go */
    assert_false(pbts_link_give_is_due(kit_link(k, 1), k->now));
    pbts_link_set_checking(kit_link(k, 1), 64 * KIT_PIECE);
    assert_false(pbts_link_give_is_due(kit_link(k, 1), k->now)); /* too little to sign for */
    serve_and_receive(k, 25, 26);
    assert_true(pbts_link_give_is_due(kit_link(k, 1), k->now));
    pbts_link_set_checking(kit_link(k, 1), 0);
    assert_false(pbts_link_give_is_due(kit_link(k, 1), k->now));
    kit_free(k);
}

/* With nothing left to lend, a sender has looked at the receipts that it has, and stores them
 * first. */
static void a_sender_with_receipts_to_store_does_not_ask(void **state) {
    kit *k = kit_new(128);
    k->members[0].terms.exposure_max_bytes = 32 * KIT_PIECE;
    kit_connect(k);
    kit_transfer(k, 0, 20);
    kit_pass(k, PBTS_LINK_SIGN_AFTER_MS);
    kit_settle(k);
    serve_and_receive(k, 20, 28);
    pbts_link_set_checking(kit_link(k, 1), 64 * KIT_PIECE);
    kit_talk(k); /* a receipt for eight */
    pbts_link *sender = kit_link(k, 0);
    assert_int_equal(sender->lend.unchecked, 1);
    for (uint32_t piece = 28; piece < 52; piece++) {
        bool is_little = pbts_link_may_serve_bytes(sender) < 2 * KIT_PIECE; /* of 32 pieces */
        assert_int_equal(sender->lend.unchecked, is_little ? 0 : 1);
        kit_serve(k, piece);
    }
    assert_int_equal(pbts_link_may_serve_bytes(sender), 0);
    assert_int_equal(sender->lend.unchecked, 0);
    assert_false(pbts_link_wants_request(sender, k->now));
    kit_talk(k);
    assert_int_equal(sender->lend.taken_count, 0);
    for (uint32_t piece = 52; piece < 60; piece++) kit_serve(k, piece);
    assert_int_equal(pbts_link_may_serve_bytes(sender), 0);
    assert_true(pbts_link_wants_request(sender, k->now));
    kit_free(k);
}

static void who_asks_waits_a_moment_for_what_is_being_checked(void **state) {
    kit *k = kit_new(64);
    k->members[0].terms.exposure_max_bytes = 64 * KIT_PIECE;
    kit_connect(k);
    kit_transfer(k, 0, 30);
    kit_pass(k, PBTS_LINK_SIGN_AFTER_MS);
    kit_settle(k);
    kit_serve(k, 30);
    kit_receive(k, 30);
    pbts_link *link = kit_link(k, 1);
    pbts_link_set_checking(link, KIT_PIECE);
    kit_push(&k->ends[0], pbts_span_text("\x03"
                                         "d1:fi2ee"));
    kit_hear(k, 0);
    assert_false(pbts_link_give_is_due(link, k->now));
    assert_true(pbts_link_give_deadline_ms(link) == k->now.mono_ms + PBTS_LINK_ASKED_WAIT_MS);
    pbts_moment later = k->now;
    later.mono_ms += PBTS_LINK_ASKED_WAIT_MS;
    assert_true(pbts_link_give_is_due(link, later));
    pbts_link_set_checking(link, 0);
    assert_true(pbts_link_give_is_due(link, k->now));
    kit_free(k);
}

/* Its limit is a piece, ours is higher: it has to ask, and is given. */
static void a_sender_with_a_lower_limit_asks_and_is_given(void **state) {
    kit *k = kit_new(40);
    k->members[0].terms.exposure_max_bytes = 2 * KIT_PIECE;
    kit_connect(k);
    forget_told_limit(k);
    for (uint32_t i = 0; i < 40; i++) {
        if (pbts_link_may_serve_bytes(kit_link(k, 0)) < kit_size(k, i)) {
            kit_talk(k); /* the request, and the receipt */
            kit_pass(k, 60);
            kit_talk(k);
        }
        kit_serve(k, i);
        kit_receive(k, i);
    }
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    assert_paid(k, 40);
    kit_assert_ready(k);
    kit_free(k);
}

/* What a sender's requests taught us of its limit is forgotten again, bit by bit. */
static void a_learned_limit_grows_again_when_nobody_asks(void **state) {
    kit *k = kit_new(64);
    k->members[1].terms.exposure_max_bytes = 64 * KIT_PIECE;
    kit_connect(k);
    forget_told_limit(k);
    const pbts_exposure *exposure = &kit_link(k, 1)->give.exposure;
    kit_transfer(k, 0, 30);
    kit_settle(k);
    assert_true(exposure->max_bytes == 64 * KIT_PIECE);
    uint32_t i = 30;
    while (kit_link(k, 1)->give.waiting_count < 2) {
        kit_serve(k, i);
        kit_receive(k, i++);
    }
    uint64_t waiting = kit_link(k, 1)->give.waiting_bytes;
    kit_push(&k->ends[0], pbts_span_text("\x03"
                                         "d1:fi2ee"));
    kit_hear(k, 0);
    assert_true(exposure->max_bytes == waiting);
    kit_settle(k); /* the one that was asked for */
    assert_true(exposure->max_bytes == waiting);
    uint64_t before = waiting;
    for (; i < 60; i++) {
        kit_serve(k, i);
        kit_receive(k, i);
        kit_settle(k);
        assert_true(exposure->max_bytes <= before + before / 8);
        before = exposure->max_bytes;
    }
    assert_true(before > waiting && before <= 64 * KIT_PIECE);
    kit_free(k);
}

static void forms_are_agreed_on_or_the_link_is_refused(void **state) {
    for (unsigned given = 0; given <= 5; given++) {
        for (unsigned taken = 0; taken < 32; taken += 2) {
            kit *k = kit_new(4);
            k->members[1].terms.form_given = (pbts_receipt_form)given;
            k->members[0].terms.forms_taken = taken | 0x40; /* with one from the future */
            kit_open(k);
            kit_hello(k, 0);
            kit_hello(k, 1);
            kit_talk(k);
            if (taken == 0) {
                kit_assert_refused(k, 1, PBTS_LINK_REFUSAL_NO_COMMON_FORM);
            } else {
                kit_assert_ready(k);
                kit_transfer(k, 0, 1);
                kit_settle(k);
                assert_paid(k, 1);
                pbts_receipt_form form = k->ends[0].records[0].form;
                assert_true((taken & KIT_FORM(form)) != 0);
                bool wanted = given > 0 && given < 5 && (taken & (1u << given)) != 0;
                if (wanted) assert_int_equal(form, given);
            }
            kit_free(k);
        }
    }
}

static void without_required_receipts_everything_is_served(void **state) {
    kit *k = kit_new(64);
    k->members[0].terms.receipts_required = false;
    kit_connect(k);
    for (uint32_t i = 0; i < 64; i++) kit_serve(k, i);
    kit_pass(k, 10 * KIT_TIMEOUT_MS);
    kit_assert_ready(k);
    assert_true(pbts_link_deadline_ms(kit_link(k, 0)) == UINT64_MAX);
    kit_free(k);
}

/* A receipt frees room when it is stored, not before. */
static void only_a_stored_receipt_frees_room(void **state) {
    kit *k = kit_new(8);
    kit_connect(k);
    kit_serve(k, 0);
    kit_receive(k, 0);
    kit_say(k, 1);
    while (kit_hear(k, 1)) {
    }
    pbts_link_receipt receipt;
    assert_true(pbts_link_next_receipt(kit_link(k, 0), &receipt));
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) == 0);
    pbts_link_receipt_stored(kit_link(k, 0), k->now);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) == 2 * KIT_PIECE + KIT_PIECE);
    kit_free(k);
}

static void while_the_owner_stores_the_sender_neither_asks_nor_gives_up(void **state) {
    kit *k = kit_new(8);
    kit_connect(k);
    kit_serve(k, 0);
    kit_receive(k, 0);
    kit_say(k, 1);
    while (kit_hear(k, 1)) {
    }
    assert_false(pbts_link_wants_send(kit_link(k, 0), k->now));
    kit_pass(k, 10 * KIT_TIMEOUT_MS);
    assert_false(pbts_link_wants_send(kit_link(k, 0), k->now));
    kit_assert_ready(k);
    kit_settle(k);
    assert_paid(k, 1);
    kit_free(k);
}

/* ---- receipts that are checked and stored late ---- */

/* A sender that was paid for 20 pieces and has served three more, in a torrent of 64. */
static kit *with_three_lent(void) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_transfer(k, 0, 20);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    for (uint32_t i = 20; i < 23; i++) kit_serve(k, i);
    return k;
}

static void say_set(kit *k, uint32_t first, uint32_t last, uint64_t epoch) {
    uint8_t set[KIT_SET_MAX];
    kit_sign(k, PBTS_FORM_CUMULATIVE, epoch, kit_set(set, first, last), &kit_at(k, 1)->secret);
}

static void receipts_are_checked_a_moment_after_the_first(void **state) {
    kit *k = with_three_lent();
    uint8_t set[KIT_SET_MAX];
    for (uint32_t i = 20; i < 22; i++) {
        kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, i, i), &kit_at(k, 1)->secret);
        assert_int_equal(kit_store(k, 0), 0);
        kit_pass(k, 30);
    }
    assert_int_equal(kit_store(k, 0), 2);
    kit_free(k);
}

/* A receipt that waits for others must not stop what is being sent. */
static void a_sender_that_would_stop_checks_at_once(void **state) {
    kit *k = with_three_lent();
    pbts_link *link = kit_link(k, 0);
    uint8_t set[KIT_SET_MAX];
    uint32_t next = 23;
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 20, 20), &kit_at(k, 1)->secret);
    assert_true(pbts_link_deadline_ms(link) > k->now.mono_ms);
    while (pbts_link_may_serve_bytes(link) >= KIT_PIECE) kit_serve(k, next++);
    assert_int_equal(kit_store(k, 0), 1);
    assert_true(pbts_link_may_serve_bytes(link) >= KIT_PIECE);
    kit_free(k);
}

/* Of several that wait to be stored the last is enough, of one hour. */
static void a_statement_that_waits_to_be_stored_is_replaced_by_the_next(void **state) {
    for (int turn = 0; turn < 2; turn++) {
        kit *k = with_three_lent();
        size_t before = k->ends[0].record_count;
        uint64_t stored = k->ends[0].stored_bytes;
        say_set(k, 0, 20, kit_epoch(k));
        kit_pass(k, 100);
        if (turn) k->now.unix_s += 3600;
        say_set(k, turn ? 21 : 0, 21, kit_epoch(k));
        kit_pass(k, 100);
        say_set(k, turn ? 21 : 0, 22, kit_epoch(k));
        kit_pass(k, 100);
        assert_int_equal(kit_store(k, 0), turn ? 2 : 1);
        assert_true(k->ends[0].stored_bytes - stored == 3 * KIT_PIECE);
        assert_true(k->ends[0].records[before].replaces);
        for (uint32_t i = 0; i < 23; i++) assert_int_equal(kit_times_kept(k, 0, i), 1);
        kit_free(k);
    }
}

/* Statements of two hours, one right after the other: both are good. */
static void statements_of_two_hours_are_two_receipts(void **state) {
    kit *k = with_three_lent();
    k->now.unix_s = (kit_epoch(k) + 1) * 3600 - 1;
    say_set(k, 0, 20, kit_epoch(k));
    k->now.unix_s += 1;
    say_set(k, 21, 22, kit_epoch(k));
    kit_pass(k, 100);
    assert_int_equal(kit_store(k, 0), 2);
    kit_assert_ready(k);
    kit_free(k);
}

static void what_is_being_stored_stays_as_it_is(void **state) {
    kit *k = with_three_lent();
    pbts_link_receipt receipt, again;
    say_set(k, 0, 20, kit_epoch(k));
    kit_pass(k, 100);
    assert_true(pbts_link_next_receipt(kit_link(k, 0), &receipt));
    say_set(k, 0, 22, kit_epoch(k));
    kit_pass(k, 100);
    assert_true(pbts_link_next_receipt(kit_link(k, 0), &again));
    assert_memory_equal(&receipt.record.signature, &again.record.signature,
                        sizeof receipt.record.signature);
    assert_true(again.covered_bytes == KIT_PIECE);
    pbts_link_receipt_stored(kit_link(k, 0), k->now);
    assert_int_equal(kit_store(k, 0), 1);
    assert_true(kit_stats(k, 0).covered_bytes == kit_stats(k, 0).served_bytes);
    kit_free(k);
}

/* A good statement waits to be stored, a bad one follows. */
static void a_bad_statement_does_not_spoil_a_good_one(void **state) {
    kit *k = with_three_lent();
    uint8_t set[KIT_SET_MAX];
    say_set(k, 0, 20, kit_epoch(k));
    kit_pass(k, 100);
    kit_sign(k, PBTS_FORM_CUMULATIVE, kit_epoch(k), kit_set(set, 0, 22), &k->members[2].secret);
    kit_pass(k, 100);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_BAD_RECEIPT);
    assert_int_equal(kit_store(k, 0), 1);
    assert_int_equal(kit_times_kept(k, 0, 20), 1);
    assert_int_equal(kit_times_kept(k, 0, 21), 0);
    kit_free(k);
}

static void no_more_than_256_receipts_wait_for_their_check(void **state) {
    enum { MANY = 300 };
    kit *k = kit_new(MANY);
    uint8_t set[KIT_SET_MAX];
    k->members[0].terms.receipts_required = false;
    kit_connect(k);
    kit_link(k, 0)->lend.exposure.paid_bytes = 1u << 30;
    for (uint32_t i = 0; i < PBTS_LINK_UNCHECKED_MAX; i++) {
        assert_int_equal(kit_store(k, 0), 0);
        kit_serve(k, i);
        kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, i, i), &kit_at(k, 1)->secret);
        kit_link(k, 0)->lend.unchecked_bytes = 0;
    }
    assert_int_equal(kit_store(k, 0), PBTS_LINK_UNCHECKED_MAX);
    kit_free(k);
}

/* ---- pieces that came from several ---- */

/* Half of every piece comes from here and is credited elsewhere: it stays lent, and is paid for by
 * whole pieces when the sender has to stop, no more than was lent. */
static void blocks_of_pieces_credited_to_others_are_made_up_for(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_transfer(k, 0, 8);
    kit_settle(k);
    uint64_t before = kit_stats(k, 0).covered_bytes;
    for (uint32_t i = 8; i < 64; i++) {
        if (pbts_link_may_serve_bytes(kit_link(k, 0)) < KIT_PIECE / 2) kit_settle(k);
        assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) >= KIT_PIECE / 2);
        pbts_link_served(kit_link(k, 0), i, KIT_PIECE / 2, k->now);
        pbts_link_piece_shared(kit_link(k, 1), i, KIT_PIECE / 2, k->now);
    }
    kit_settle(k);
    pbts_link_stats stats = kit_stats(k, 0);
    assert_true(stats.covered_bytes > before && stats.covered_bytes <= stats.served_bytes);
    for (uint32_t i = 0; i < 64; i++) assert_true(kit_times_kept(k, 0, i) <= 1);
    kit_assert_ready(k);
    kit_free(k);
}

/* Little is lent in that way: a question alone is no reason to pay for a piece twice. */
static void a_few_shared_blocks_are_not_paid_for(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_transfer(k, 0, 20);
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    uint64_t signed_bytes = kit_stats(k, 1).signed_bytes;
    for (uint32_t i = 20; i < 24; i++) {
        pbts_link_served(kit_link(k, 0), i, 16384, k->now);
        pbts_link_piece_shared(kit_link(k, 1), i, 16384, k->now);
        kit_push(&k->ends[0], pbts_span_text("\x03"
                                             "d1:fi2ee"));
        kit_hear(k, 0);
        kit_settle(k);
    }
    assert_true(kit_stats(k, 1).signed_bytes == signed_bytes);
    kit_free(k);
}

/* The sender asked before the piece was complete elsewhere. */
static void a_question_is_remembered_until_it_can_be_answered(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_push(&k->ends[0], pbts_span_text("\x03"
                                         "d1:fi2ee"));
    kit_hear(k, 0);
    pbts_link_served(kit_link(k, 0), 0, KIT_PIECE / 2, k->now);
    pbts_link_piece_shared(kit_link(k, 1), 0, KIT_PIECE / 2, k->now);
    kit_settle(k);
    assert_true(kit_stats(k, 1).signed_bytes == 0); /* half a piece is not a piece's worth */
    pbts_link_served(kit_link(k, 0), 1, KIT_PIECE / 2, k->now);
    pbts_link_piece_shared(kit_link(k, 1), 1, KIT_PIECE / 2, k->now);
    kit_settle(k);
    assert_true(kit_stats(k, 1).signed_bytes == KIT_PIECE);
    assert_true(kit_stats(k, 0).covered_bytes == kit_stats(k, 0).served_bytes);
    kit_free(k);
}

/* What it served of pieces credited to it, and did not serve, makes up for it as well. */
static void pieces_credited_here_make_up_for_those_credited_elsewhere(void **state) {
    kit *k = kit_new(64);
    kit_connect(k);
    kit_transfer(k, 0, 8);
    for (uint32_t i = 8; i + 1 < 64; i += 2) {
        assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) >= KIT_PIECE);
        pbts_link_served(kit_link(k, 0), i, KIT_PIECE / 2, k->now);
        pbts_link_served(kit_link(k, 0), i + 1, KIT_PIECE / 2, k->now);
        kit_receive(k, i);
        pbts_link_piece_shared(kit_link(k, 1), i + 1, KIT_PIECE / 2, k->now);
        kit_settle(k);
    }
    pbts_link_sign_all(kit_link(k, 1));
    kit_settle(k);
    pbts_link_stats stats = kit_stats(k, 0);
    assert_true(stats.covered_bytes == stats.served_bytes);
    assert_true(stats.received_bytes == 0 && kit_stats(k, 1).signed_bytes == stats.covered_bytes);
    kit_free(k);
}

static void a_piece_that_was_shared_and_then_credited_is_signed_once(void **state) {
    kit *k = kit_new(8);
    kit_connect(k);
    kit_serve(k, 0);
    pbts_link_piece_shared(kit_link(k, 1), 0, 100, k->now);
    kit_receive(k, 0);
    pbts_link_piece_shared(kit_link(k, 1), 0, 100, k->now);
    assert_int_equal(pbts_link_piece_received(kit_link(k, 1), 0, k->now), PBTS_EXISTS);
    assert_true(kit_link(k, 1)->give.shared_bytes == 0);
    kit_settle(k);
    pbts_link_piece_shared(kit_link(k, 1), 0, 100, k->now);
    assert_true(kit_link(k, 1)->give.shared_bytes == 0);
    assert_paid(k, 1);
    assert_int_equal(pbts_link_piece_received(kit_link(k, 1), 0, k->now), PBTS_EXISTS);
    kit_free(k);
}

/* Two half pieces are lent and the limit is one: nobody can sign, so one of them may be made whole.
 */
static void a_sender_that_is_owed_only_parts_completes_one(void **state) {
    kit *k = kit_new(8);
    kit_connect(k);
    pbts_link_served(kit_link(k, 0), 0, KIT_PIECE / 2, k->now);
    pbts_link_served(kit_link(k, 0), 1, KIT_PIECE / 2, k->now);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) == KIT_PIECE);
    kit_pass(k, 10 * KIT_TIMEOUT_MS);
    kit_assert_ready(k); /* nothing that could be signed is owed */
    pbts_link_served(kit_link(k, 0), 0, KIT_PIECE / 2, k->now);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) == 0);
    kit_receive(k, 0);
    kit_settle(k);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) >= KIT_PIECE);
    kit_free(k);
}

/* ---- words, statuses, memory ---- */

static void nothing_moves_before_the_link_is_ready(void **state) {
    kit *k = kit_new(4);
    uint8_t *buffer = malloc(PBTS_LINK_MESSAGE_MAX);
    assert_non_null(buffer);
    pbts_writer writer = pbts_writer_over(buffer, PBTS_LINK_MESSAGE_MAX);
    kit_open(k);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) == 0);
    assert_int_equal(pbts_link_piece_received(kit_link(k, 1), 0, k->now), PBTS_DENIED);
    assert_false(pbts_link_next_send(kit_link(k, 0), &writer, k->now));
    assert_null(pbts_link_other_key(kit_link(k, 0)));
    pbts_link_served(kit_link(k, 0), 0, 100, k->now);
    pbts_link_piece_shared(kit_link(k, 1), 0, 100, k->now);
    pbts_link_end(kit_link(k, 0));
    assert_true(pbts_link_deadline_ms(kit_link(k, 0)) == UINT64_MAX);
    kit_hello(k, 0);
    kit_hello(k, 1);
    kit_talk(k);
    kit_assert_ready(k);
    assert_memory_equal(pbts_link_other_key(kit_link(k, 0)), &kit_at(k, 1)->terms.key,
                        sizeof(pbts_bls_public));
    free(buffer);
    kit_free(k);
}

static void refusals_have_names_and_texts(void **state) {
    assert_string_equal(pbts_link_refusal_name(PBTS_LINK_REFUSAL_NONE), "NONE");
    assert_string_equal(pbts_link_refusal_name(PBTS_LINK_REFUSAL_NO_RECEIPT), "NO_RECEIPT");
    assert_string_equal(pbts_link_refusal_name(PBTS_LINK_REFUSAL_OTHER), "OTHER");
    assert_string_equal(pbts_link_refusal_text(PBTS_LINK_REFUSAL_SELF), "the peer has our own key");
}

/* A whole transfer with the n-th allocation failing: an error is told, and nothing leaks or is
 * counted twice. */
static bool transfer_without_memory(pbts_receipt_form form, size_t n) {
    faulty_mem faulty[2] = { mem_failing_at(SIZE_MAX), mem_failing_at(SIZE_MAX) };
    faulty[n % 2].fail_at = n / 2;
    kit *k = kit_with_form(form, 6, PBTS_TORRENT_V1);
    pbts_book *books[2] = { NULL, NULL };
    pbts_status status = PBTS_OK;
    uint8_t buffer[PBTS_LINK_HELLO_MAX];
    uint8_t *body = malloc(PBTS_LINK_MESSAGE_MAX);
    assert_non_null(body);
    for (unsigned i = 0; i < 2 && status == PBTS_OK; i++) {
        k->members[i].terms.mem = &faulty[i].mem;
        status = pbts_book_new(&books[i], &faulty[i].mem);
        k->members[i].terms.book = books[i];
    }
    for (unsigned i = 0; i < 2 && status == PBTS_OK; i++) {
        status = pbts_link_new(&k->ends[i].link, &k->members[i].terms, &k->torrent, k->now);
    }
    for (unsigned i = 0; i < 2 && status == PBTS_OK; i++) {
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        pbts_link_hello(kit_link(k, i), &writer);
        status = pbts_link_receive_hello(kit_link(k, 1 - i), pbts_writer_span(&writer), k->now);
    }
    for (uint32_t turn = 0; turn < 24 && status == PBTS_OK; turn++) {
        if (turn >= 4 && pbts_link_may_serve_bytes(kit_link(k, 0)) >= KIT_PIECE &&
            kit_stats(k, 1).received_bytes < 5 * KIT_PIECE) {
            uint32_t piece = (uint32_t)(kit_stats(k, 1).received_bytes / KIT_PIECE);
            pbts_link_served(kit_link(k, 0), piece, KIT_PIECE, k->now);
            (void)!pbts_link_piece_received(kit_link(k, 1), piece, k->now);
        }
        for (unsigned i = 0; i < 2 && status == PBTS_OK; i++) {
            pbts_writer writer = pbts_writer_over(body, PBTS_LINK_MESSAGE_MAX);
            if (!pbts_link_next_send(kit_link(k, i), &writer, k->now)) continue;
            status = pbts_link_receive(kit_link(k, 1 - i), pbts_writer_span(&writer), k->now);
        }
        if (status != PBTS_OK) break;
        kit_pass(k, 100);
        kit_store(k, 0);
    }
    bool met = faulty[n % 2].asked > n / 2;
    assert_true(status == PBTS_OK || (met && status == PBTS_NO_MEMORY));
    for (uint32_t i = 0; i < 6; i++) assert_true(kit_times_kept(k, 0, i) <= 1);
    kit_free(k);
    for (unsigned i = 0; i < 2; i++) {
        pbts_book_free(books[i]);
        assert_true(faulty[i].live == 0);
    }
    free(body);
    return met;
}

static void every_allocation_may_fail(void **state) {
    for (unsigned f = 0; f < FORM_COUNT; f++) {
        size_t n = 0;
        for (unsigned unmet = 0; unmet < 2; n++) {
            unmet = transfer_without_memory(FORMS[f], n) ? 0 : unmet + 1;
        }
        assert_true(n > 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_pays_for_exactly_what_moved),
        cmocka_unit_test(the_papers_schedule_pays_for_exactly_what_moved),
        cmocka_unit_test(both_may_send_at_once),
        cmocka_unit_test(a_sender_does_not_have_to_stop_when_receipts_are_on_time),
        cmocka_unit_test(few_receipts_are_enough_for_many_pieces),
        cmocka_unit_test(a_batch_has_its_number_of_pieces_and_the_rest_come_at_the_end),
        cmocka_unit_test(a_batch_is_signed_when_it_is_full),
        cmocka_unit_test(who_is_asked_signs_at_once),
        cmocka_unit_test(a_piece_waits_ten_seconds_for_its_receipt_at_most),
        cmocka_unit_test(more_pieces_do_not_put_off_the_receipt_of_the_first),
        cmocka_unit_test(who_has_all_or_is_told_to_signs_at_once),
        cmocka_unit_test(a_new_hour_begins_a_new_statement),
        cmocka_unit_test(a_clock_that_steps_back_over_the_turn_stays_in_the_new_hour),
        cmocka_unit_test(clocks_may_be_five_minutes_apart),
        cmocka_unit_test(a_session_is_renewed_when_its_day_is_over),
        cmocka_unit_test(a_session_of_many_pieces_in_any_order_is_several_receipts),
        cmocka_unit_test(pieces_in_any_order_are_one_receipt_of_a_session),
        cmocka_unit_test(a_sender_with_a_lower_limit_asks_and_is_given),
        cmocka_unit_test(a_learned_limit_grows_again_when_nobody_asks),
        cmocka_unit_test(a_senders_limit_is_kept_without_being_asked),
        cmocka_unit_test(what_is_being_checked_makes_a_receipt_due_sooner),
        cmocka_unit_test(a_sender_with_receipts_to_store_does_not_ask),
        cmocka_unit_test(who_asks_waits_a_moment_for_what_is_being_checked),
        cmocka_unit_test(forms_are_agreed_on_or_the_link_is_refused),
        cmocka_unit_test(without_required_receipts_everything_is_served),
        cmocka_unit_test(only_a_stored_receipt_frees_room),
        cmocka_unit_test(while_the_owner_stores_the_sender_neither_asks_nor_gives_up),
        cmocka_unit_test(receipts_are_checked_a_moment_after_the_first),
        cmocka_unit_test(a_sender_that_would_stop_checks_at_once),
        cmocka_unit_test(a_statement_that_waits_to_be_stored_is_replaced_by_the_next),
        cmocka_unit_test(statements_of_two_hours_are_two_receipts),
        cmocka_unit_test(what_is_being_stored_stays_as_it_is),
        cmocka_unit_test(a_bad_statement_does_not_spoil_a_good_one),
        cmocka_unit_test(no_more_than_256_receipts_wait_for_their_check),
        cmocka_unit_test(blocks_of_pieces_credited_to_others_are_made_up_for),
        cmocka_unit_test(a_few_shared_blocks_are_not_paid_for),
        cmocka_unit_test(a_question_is_remembered_until_it_can_be_answered),
        cmocka_unit_test(pieces_credited_here_make_up_for_those_credited_elsewhere),
        cmocka_unit_test(a_piece_that_was_shared_and_then_credited_is_signed_once),
        cmocka_unit_test(a_sender_that_is_owed_only_parts_completes_one),
        cmocka_unit_test(nothing_moves_before_the_link_is_ready),
        cmocka_unit_test(refusals_have_names_and_texts),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
