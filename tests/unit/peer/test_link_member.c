/* Unit tests of what may be taken by memberships while the tracker is away, and by whom it is
 * tried to take more: by collecting them, by coming again, by hiding what took one back. */
#include "link_kit.h"

enum { GIVEN = 8 * KIT_PIECE };

/* What member 1 shows. Two days without the tracker have passed. */
static pbts_membership membership_of(const kit *k) {
    return (pbts_membership){ .key = k->members[1].terms.key,
                              .allowance_bytes = GIVEN,
                              .generation = 3,
                              .issued = k->now.unix_s - 48 * 3600,
                              .expires = k->now.unix_s + 1000 };
}

static void show(kit *k, pbts_membership *membership) {
    static uint8_t bytes[PBTS_MEMBERSHIP_LEN];
    kit_member *member = &k->members[1];
    pbts_membership_sign(membership, k->members[0].terms.iid, &k->tracker);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_membership_encode(&writer, membership);
    member->terms.membership = pbts_writer_span(&writer);
    member->terms.ticket.len = 0;
}

static kit *outage(uint32_t pieces) {
    kit *k = kit_new(pieces);
    pbts_membership membership = membership_of(k);
    kit_keep_book(k);
    k->members[0].terms.is_outage = true;
    k->members[0].terms.tracker_time_s = k->now.unix_s - 40 * 3600;
    k->members[1].terms.ticket_required = false;
    show(k, &membership);
    return k;
}

static uint64_t left_of(const kit *k) {
    return kit_stats(k, 0).allowance_left_bytes;
}

/* Whatever is said, end 0 does not take member 1 as one. */
static void assert_is_refused(kit *k) {
    kit_open(k);
    kit_hello(k, 0);
    kit_hello(k, 1);
    kit_talk(k);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
    kit_disconnect(k);
}

static void coming_again_gives_nothing_anew(void **state) {
    kit *k = outage(20);
    kit_connect(k);
    kit_transfer(k, 0, 3);
    kit_settle(k);
    assert_true(left_of(k) == GIVEN - 3 * KIT_PIECE);
    for (int i = 0; i < 3; i++) {
        kit_disconnect(k);
        kit_connect(k);
        assert_true(left_of(k) == GIVEN - 3 * KIT_PIECE);
    }
    kit_free(k);
}

static void a_membership_at_two_places_at_once_is_one(void **state) {
    kit *k = outage(20);
    kit_connect(k);
    pbts_link *first[2] = { kit_link(k, 0), kit_link(k, 1) };
    kit_end_clear(&k->ends[0]);
    kit_end_clear(&k->ends[1]);
    kit_connect(k);
    kit_transfer(k, 0, 3);
    kit_settle(k);
    pbts_link_stats stats;
    pbts_link_stats_read(first[0], &stats);
    assert_true(stats.allowance_left_bytes == GIVEN - 3 * KIT_PIECE);
    pbts_link_free(first[0]);
    pbts_link_free(first[1]);
    kit_free(k);
}

/* One for each announce before the tracker went away. */
static void a_collection_of_memberships_is_worth_one(void **state) {
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    for (uint32_t i = 0; i < 3; i++) {
        membership.issued += 60;
        membership.allowance_bytes = GIVEN + i * KIT_PIECE;
        show(k, &membership);
        kit_connect(k);
        kit_transfer(k, i, i + 1);
        kit_settle(k);
        assert_true(left_of(k) == GIVEN - (i + 1) * KIT_PIECE);
        kit_disconnect(k);
    }
    membership.issued += 60;
    membership.allowance_bytes = KIT_PIECE;
    show(k, &membership);
    kit_connect(k);
    assert_true(left_of(k) == KIT_PIECE); /* less it may be */
    kit_free(k);
}

/* The tracker may be away for us alone, and give another one every minute. */
static void a_membership_that_is_newer_than_its_use_gives_nothing_anew(void **state) {
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    kit_connect(k);
    kit_transfer(k, 0, 3);
    kit_settle(k);
    kit_disconnect(k);
    k->now.unix_s += 60;
    k->now.mono_ms += 60 * 1000;
    membership.issued = k->now.unix_s;
    show(k, &membership);
    kit_connect(k);
    assert_true(left_of(k) == GIVEN - 3 * KIT_PIECE);
    kit_free(k);
}

static void what_a_ticket_left_is_what_a_membership_of_its_hour_gives(void **state) {
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    kit_member *member = &k->members[1];
    uint64_t issued = k->now.unix_s - 3600;
    membership.issued = issued;
    show(k, &membership);
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, GIVEN,
                                      issued, k->now.unix_s + 1000);
    kit_connect(k);
    kit_transfer(k, 0, 3);
    kit_settle(k);
    assert_true(left_of(k) == GIVEN - 3 * KIT_PIECE);
    kit_pass(k, 1300 * 1000); /* the ticket ends */
    kit_assert_ready(k);
    assert_true(left_of(k) == GIVEN - 3 * KIT_PIECE);
    kit_free(k);
}

/* A membership from before somebody lost his standing says much. */
static void a_key_that_is_new_here_gets_what_a_new_name_would(void **state) {
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    const uint64_t most_bytes = UINT64_C(4) << 30;
    for (int more = 0; more < 2; more++) {
        membership.allowance_bytes = most_bytes - 1 + (uint64_t)more * 1000;
        show(k, &membership);
        kit_connect(k);
        assert_true(left_of(k) == most_bytes - 1); /* the second only shows the first again */
        kit_disconnect(k);
    }
    kit_free(k);
    k = outage(20);
    membership = membership_of(k);
    membership.allowance_bytes = UINT64_MAX;
    show(k, &membership);
    kit_connect(k);
    assert_true(left_of(k) == most_bytes);
    kit_free(k);
}

static void what_was_taken_back_stays_so(void **state) {
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    kit_connect(k);
    kit_disconnect(k);
    membership.generation = 2;
    membership.issued += 60;
    show(k, &membership);
    assert_is_refused(k);
    membership.generation = 4;
    show(k, &membership);
    kit_connect(k);
    kit_disconnect(k);
    membership.generation = 3;
    show(k, &membership);
    assert_is_refused(k);
    kit_free(k);
}

/* On another connection it came to light meanwhile. */
static void what_is_taken_back_ends_within_the_hour(void **state) {
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    kit_connect(k);
    pbts_link *first[2] = { kit_link(k, 0), kit_link(k, 1) };
    membership.generation = 4;
    show(k, &membership);
    kit_connect(k);
    kit_pass(k, 3600 * 1000);
    pbts_link_tick(first[0], k->now);
    assert_int_equal(pbts_link_state_of(first[0]), PBTS_LINK_REFUSED);
    kit_assert_ready(k);
    pbts_link_free(first[0]);
    pbts_link_free(first[1]);
    kit_free(k);
}

static void who_remembers_nobody_lends_nothing_by_memberships(void **state) {
    kit *k = outage(20);
    k->members[0].terms.book = NULL;
    assert_is_refused(k);
    kit_free(k);
}

static void who_is_below_the_minimum_may_give(void **state) {
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    membership.up_bytes = 499;
    membership.down_bytes = 1000;
    membership.min_ratio_milli = 500;
    show(k, &membership);
    kit_connect(k);
    assert_true(left_of(k) == 0);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) == 0);
    /* What it gave it may take. */
    assert_int_equal(pbts_link_piece_received(kit_link(k, 0), 5, k->now), PBTS_OK);
    assert_true(left_of(k) == KIT_PIECE);
    assert_int_equal(pbts_link_piece_received(kit_link(k, 0), 5, k->now), PBTS_EXISTS);
    assert_true(left_of(k) == KIT_PIECE);
    kit_free(k);
}

/* With a ticket the tracker counts what was given. */
static void what_is_given_counts_only_without_the_tracker(void **state) {
    kit *k = outage(20);
    kit_member *member = &k->members[1];
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, GIVEN,
                                      k->now.unix_s, k->now.unix_s + 1000);
    kit_connect(k);
    assert_int_equal(pbts_link_piece_received(kit_link(k, 0), 5, k->now), PBTS_OK);
    assert_true(left_of(k) == GIVEN);
    kit_free(k);
}

/* The tracker is back, and after that what is given counts with it again. */
static void a_newer_ticket_ends_what_a_membership_began(void **state) {
    kit *k = outage(20);
    kit_member *member = &k->members[1];
    kit_connect(k);
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, 5000,
                                      k->now.unix_s, k->now.unix_s + 1000);
    kit_hello(k, 1);
    assert_true(left_of(k) == 5000);
    assert_int_equal(pbts_link_piece_received(kit_link(k, 0), 5, k->now), PBTS_OK);
    assert_true(left_of(k) == 5000);
    kit_free(k);
}

/* Our clock was ahead when a membership was shown. Once it is right again the tracker's tickets
 * count as they did, and are not from before a time that has not come. */
static void a_clock_that_was_ahead_keeps_nobody_from_what_a_ticket_allows(void **state) {
    kit *k = outage(20);
    kit_member *member = &k->members[1];
    uint64_t then = k->now.unix_s;
    k->now.unix_s += 30 * 24 * 3600;
    kit_connect(k);
    kit_transfer(k, 0, 8);
    kit_settle(k);
    assert_true(left_of(k) == 0);
    kit_disconnect(k);
    k->now.unix_s = then + 3600;
    k->members[0].terms.is_outage = false;
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, GIVEN,
                                      k->now.unix_s, k->now.unix_s + 24 * 3600);
    kit_connect(k);
    assert_true(left_of(k) == GIVEN);
    kit_transfer(k, 8, 10);
    kit_settle(k);
    assert_true(left_of(k) == GIVEN - 2 * KIT_PIECE);
    kit_free(k);
}

static void a_ticket_from_before_the_membership_raises_nothing(void **state) {
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    kit_member *member = &k->members[1];
    kit_connect(k);
    kit_disconnect(k);
    membership.issued += 60;
    membership.allowance_bytes = 5000;
    show(k, &membership);
    kit_connect(k);
    kit_disconnect(k);
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, GIVEN,
                                      membership.issued - 30, k->now.unix_s + 1000);
    kit_connect(k);
    assert_true(left_of(k) == 5000);
    kit_free(k);
}

static void a_ticket_for_much_is_worth_as_much_after_its_end(void **state) {
    const uint64_t much_bytes = UINT64_C(8) << 30;
    kit *k = outage(20);
    pbts_membership membership = membership_of(k);
    kit_member *member = &k->members[1];
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key,
                                      much_bytes, membership.issued - 60, k->now.unix_s + 1000);
    kit_connect(k);
    kit_transfer(k, 0, 3);
    kit_settle(k);
    kit_disconnect(k);
    membership.allowance_bytes = UINT64_MAX;
    show(k, &membership);
    kit_connect(k);
    assert_int_equal(left_of(k), much_bytes - 3 * (uint64_t)KIT_PIECE);
    kit_free(k);
}

static void a_collection_of_tickets_is_worth_one(void **state) {
    kit *k = kit_new(20);
    kit_member *member = &k->members[1];
    kit_keep_book(k);
    uint64_t begun = k->now.unix_s;
    for (uint32_t i = 0; i < 3; i++) {
        member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, GIVEN,
                                          begun - 100 + i, begun + 9999);
        kit_connect(k);
        kit_transfer(k, i, i + 1);
        kit_settle(k);
        assert_true(left_of(k) == GIVEN - (i + 1) * KIT_PIECE);
        kit_disconnect(k);
    }
    /* Less it may be; and one that was not there when the first was shown is a new one. */
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, KIT_PIECE,
                                      begun - 1, begun + 9999);
    kit_connect(k);
    assert_true(left_of(k) == KIT_PIECE);
    member->terms.ticket =
        kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, GIVEN, begun, begun + 9999);
    kit_hello(k, 1);
    assert_true(left_of(k) == GIVEN);
    kit_free(k);
}

static void what_is_owed_is_no_longer_allowed(void **state) {
    kit *k = outage(20);
    k->members[1].terms.form_given = PBTS_FORM_BATCH;
    kit_connect(k);
    kit_serve(k, 0); /* and never paid */
    kit_disconnect(k);
    kit_connect(k);
    assert_true(left_of(k) == GIVEN - KIT_PIECE);
    kit_free(k);
}

/* One of the words that a member collected before the tracker went away. */
static void show_any(kit *k, pbts_prng *prng, uint64_t begun) {
    kit_member *member = &k->members[1];
    pbts_membership membership = membership_of(k);
    uint64_t ticket_bytes = pbts_prng_below(prng, GIVEN + 1);
    membership.issued = begun - 1 - pbts_prng_below(prng, 100000);
    membership.allowance_bytes = pbts_prng_below(prng, GIVEN + 1);
    show(k, &membership);
    if (pbts_prng_below(prng, 2) == 0) return;
    if (pbts_prng_below(prng, 2) == 0) member->terms.membership = (pbts_span){ NULL, 0 };
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key,
                                      ticket_bytes, begun - 1 - pbts_prng_below(prng, 80000),
                                      begun + pbts_prng_below(prng, 2) * 100000);
}

static void all_that_was_collected_is_worth_one_in_whatever_order(void **state) {
    enum { RUNS = 20, SHOWN = 12 };
    (void)state;
    pbts_prng prng = pbts_prng_seeded(6);
    for (unsigned run = 0; run < RUNS; run++) {
        kit *k = outage(2 * SHOWN);
        uint64_t begun = k->now.unix_s;
        uint32_t next = 0;
        for (unsigned i = 0; i < SHOWN; i++) {
            show_any(k, &prng, begun);
            kit_open(k);
            kit_hello(k, 0);
            kit_hello(k, 1);
            kit_talk(k);
            bool is_ready = pbts_link_state_of(kit_link(k, 0)) == PBTS_LINK_READY;
            for (unsigned take = pbts_prng_below(&prng, 3); is_ready && take > 0; take--) {
                if (left_of(k) >= KIT_PIECE) {
                    kit_transfer(k, next, next + 1);
                    next++;
                    kit_settle(k);
                }
            }
            kit_disconnect(k);
            k->now.unix_s += pbts_prng_below(&prng, 4000);
            k->now.mono_ms += 4000000;
        }
        assert_in_range(next, 0, GIVEN / KIT_PIECE);
        kit_free(k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coming_again_gives_nothing_anew),
        cmocka_unit_test(a_membership_at_two_places_at_once_is_one),
        cmocka_unit_test(a_collection_of_memberships_is_worth_one),
        cmocka_unit_test(a_membership_that_is_newer_than_its_use_gives_nothing_anew),
        cmocka_unit_test(what_a_ticket_left_is_what_a_membership_of_its_hour_gives),
        cmocka_unit_test(a_key_that_is_new_here_gets_what_a_new_name_would),
        cmocka_unit_test(what_was_taken_back_stays_so),
        cmocka_unit_test(what_is_taken_back_ends_within_the_hour),
        cmocka_unit_test(who_remembers_nobody_lends_nothing_by_memberships),
        cmocka_unit_test(who_is_below_the_minimum_may_give),
        cmocka_unit_test(what_is_given_counts_only_without_the_tracker),
        cmocka_unit_test(a_newer_ticket_ends_what_a_membership_began),
        cmocka_unit_test(a_clock_that_was_ahead_keeps_nobody_from_what_a_ticket_allows),
        cmocka_unit_test(a_ticket_from_before_the_membership_raises_nothing),
        cmocka_unit_test(a_ticket_for_much_is_worth_as_much_after_its_end),
        cmocka_unit_test(a_collection_of_tickets_is_worth_one),
        cmocka_unit_test(all_that_was_collected_is_worth_one_in_whatever_order),
        cmocka_unit_test(what_is_owed_is_no_longer_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
