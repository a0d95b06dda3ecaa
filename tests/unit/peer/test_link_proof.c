/* Unit tests of who the other is: hello, proof of the key, ticket. */
#include "link_kit.h"

/* The hello of member `who` as end `from` would say it, to be falsified. */
static pbts_peer_hello hello_of(const kit *k, unsigned from) {
    uint8_t buffer[PBTS_LINK_HELLO_MAX];
    pbts_peer_hello hello;
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_link_hello(kit_link(k, from), &writer);
    assert_int_equal(pbts_peer_hello_decode(&hello, pbts_writer_span(&writer)), PBTS_OK);
    return hello;
}

static void say_hello(kit *k, unsigned to, const pbts_peer_hello *hello) {
    uint8_t buffer[PBTS_PEER_HELLO_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_hello_encode(&writer, hello);
    assert_false(writer.failed);
    assert_int_equal(pbts_link_receive_hello(kit_link(k, to), pbts_writer_span(&writer), k->now),
                     PBTS_OK);
}

/* A proof from whoever has `secret`, that it is `own` and talks to end 0. */
static void prove(kit *k, const pbts_peer_hello *own, const pbts_bls_secret *secret,
                  const uint8_t *iid, const uint8_t *infohash) {
    uint8_t bytes[PBTS_MESSAGE_MAX];
    pbts_peer_hello other = hello_of(k, 0);
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_AUTH };
    pbts_writer text = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_peer(&text, iid, infohash, own->nonce, other.nonce, &own->key, &other.key);
    pbts_bls_sign(&message.auth, secret, PBTS_BLS_PEER, pbts_writer_span(&text));
    kit_lie(k, &message);
}

static kit *opened(void) {
    kit *k = kit_new(4);
    kit_open(k);
    return k;
}

/* End 0 hears a hello with one thing wrong. */
static void assert_hello_refused(void (*spoil)(kit *, pbts_peer_hello *),
                                 pbts_link_refusal refusal) {
    kit *k = opened();
    pbts_peer_hello hello = hello_of(k, 1);
    spoil(k, &hello);
    say_hello(k, 0, &hello);
    kit_assert_refused(k, 0, refusal);
    kit_say(k, 0); /* only the refusal; no proof */
    assert_true(k->ends[0].count == 1 && k->ends[0].queue[0].bytes[0] == PBTS_PEER_MSG_REFUSE);
    kit_free(k);
}

static void other_instance(kit *k, pbts_peer_hello *hello) {
    hello->iid[0] ^= 1;
}
static void our_key(kit *k, pbts_peer_hello *hello) {
    hello->key = kit_at(k, 0)->terms.key;
}
static void our_nonce(kit *k, pbts_peer_hello *hello) {
    pbts_peer_hello ours = hello_of(k, 0);
    memcpy(hello->nonce, ours.nonce, sizeof hello->nonce);
}
static void no_forms(kit *k, pbts_peer_hello *hello) {
    hello->forms = 0;
}
static void no_point(kit *k, pbts_peer_hello *hello) {
    memset(&hello->key, 0x33, sizeof hello->key);
}
static void infinity(kit *k, pbts_peer_hello *hello) {
    memset(&hello->key, 0, sizeof hello->key);
    hello->key.bytes[0] = 0xC0;
}

static void a_hello_that_does_not_fit_is_refused_without_a_pairing(void **state) {
    assert_hello_refused(other_instance, PBTS_LINK_REFUSAL_FOREIGN_INSTANCE);
    assert_hello_refused(our_key, PBTS_LINK_REFUSAL_SELF);
    assert_hello_refused(our_nonce, PBTS_LINK_REFUSAL_BAD_AUTH);
    assert_hello_refused(no_forms, PBTS_LINK_REFUSAL_NO_COMMON_FORM);
    assert_hello_refused(no_point, PBTS_LINK_REFUSAL_MALFORMED);
    assert_hello_refused(infinity, PBTS_LINK_REFUSAL_MALFORMED);
}

static void a_hello_that_is_no_dictionary_is_malformed(void **state) {
    const char *const texts[] = { "", "d", "de", "le", "i1e", "d1:v1:xe" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        kit *k = opened();
        assert_int_equal(pbts_link_receive_hello(kit_link(k, 0), pbts_span_text(texts[i]), k->now),
                         PBTS_OK);
        kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_MALFORMED);
        kit_free(k);
    }
}

/* Whatever byte of the proof is wrong, and whatever it is about. */
static void a_proof_is_of_this_key_instance_torrent_and_connection(void **state) {
    for (int wrong = 0; wrong < 6; wrong++) {
        kit *k = opened();
        pbts_peer_hello own = hello_of(k, 1), signed_as = own;
        uint8_t iid[PBTS_IID_LEN], infohash[PBTS_INFOHASH_LEN];
        memcpy(iid, own.iid, sizeof iid);
        memcpy(infohash, k->torrent.infohash, sizeof infohash);
        say_hello(k, 0, &own);
        if (wrong == 1) iid[31] ^= 1;
        if (wrong == 2) infohash[19] ^= 1;
        if (wrong == 3) signed_as.nonce[0] ^= 1; /* that of an earlier connection */
        if (wrong == 4) signed_as.key = k->members[2].terms.key;
        prove(k, &signed_as, &k->members[wrong == 5 ? 2 : 1].secret, iid, infohash);
        if (wrong == 0) {
            assert_int_equal(pbts_link_state_of(kit_link(k, 0)), PBTS_LINK_READY);
        } else {
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_BAD_AUTH);
        }
        kit_free(k);
    }
}

static void a_proof_with_any_bit_wrong_is_refused(void **state) {
    for (size_t bit = 0; bit < 8 * PBTS_BLS_SIGNATURE_LEN; bit += 7) {
        kit *k = opened();
        kit_hello(k, 0);
        kit_hello(k, 1);
        kit_say(k, 1);
        assert_true(k->ends[1].count == 1);
        size_t len = k->ends[1].queue[0].len;
        k->ends[1].queue[0].bytes[len - 1 - PBTS_BLS_SIGNATURE_LEN + bit / 8] ^=
            (uint8_t)(1u << (bit % 8));
        assert_true(kit_hear(k, 1));
        kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_BAD_AUTH);
        kit_free(k);
    }
}

/* The peer sends back what we sent, as its own. */
static void our_own_proof_does_not_prove_another(void **state) {
    kit *k = opened();
    kit_hello(k, 0);
    kit_hello(k, 1);
    kit_say(k, 0);
    kit_push(&k->ends[1], (pbts_span){ k->ends[0].queue[0].bytes, k->ends[0].queue[0].len });
    assert_true(kit_hear(k, 1));
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_BAD_AUTH);
    kit_free(k);
}

/* Nobody is blamed for what another one claims of him. */
static void a_false_claim_to_a_key_does_not_ban_it(void **state) {
    kit *k = kit_new(4);
    pbts_book *book;
    pbts_book_stats stats;
    assert_int_equal(pbts_book_new(&book, pbts_mem_system()), PBTS_OK);
    k->members[0].terms.book = book;
    kit_open(k);
    pbts_peer_hello own = hello_of(k, 1);
    say_hello(k, 0, &own);
    prove(k, &own, &k->members[2].secret, own.iid, k->torrent.infohash);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_BAD_AUTH);
    pbts_book_stats_read(book, &stats);
    assert_true(stats.peers == 0 && stats.banned == 0);
    kit_disconnect(k);
    kit_connect(k);
    kit_free(k);
    pbts_book_free(book);
}

static void before_the_proof_nothing_else_is_heard(void **state) {
    for (int hello = 0; hello < 2; hello++) {
        kit *k = opened();
        uint8_t set[KIT_SET_MAX];
        if (hello) kit_hello(k, 1);
        kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
        kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_MALFORMED);
        kit_free(k);
    }
}

static void a_second_proof_is_malformed(void **state) {
    kit *k = kit_new(4);
    kit_connect(k);
    pbts_peer_hello own = hello_of(k, 1);
    prove(k, &own, &k->members[1].secret, own.iid, k->torrent.infohash);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_MALFORMED);
    kit_free(k);
}

static void a_refusal_ends_both_sides_and_says_why(void **state) {
    kit *k = kit_new(4);
    bool by_us;
    kit_connect(k);
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REFUSE };
    message.refusal.code = PBTS_LINK_REFUSAL_FLOOD;
    kit_lie(k, &message);
    assert_int_equal(pbts_link_state_of(kit_link(k, 0)), PBTS_LINK_REFUSED);
    assert_int_equal(pbts_link_refused(kit_link(k, 0), &by_us), PBTS_LINK_REFUSAL_FLOOD);
    assert_false(by_us);
    assert_false(pbts_link_wants_send(kit_link(k, 0), k->now)); /* it is not said back */
    message.refusal.code = PBTS_LINK_REFUSAL_SELF;
    kit_lie(k, &message); /* the first word counts */
    assert_int_equal(pbts_link_refused(kit_link(k, 0), &by_us), PBTS_LINK_REFUSAL_FLOOD);
    kit_free(k);
}

static void a_refusal_of_an_unknown_code_is_other(void **state) {
    const uint32_t codes[] = { 0, 14, 9999, UINT32_MAX };
    for (size_t i = 0; i < 4; i++) {
        kit *k = kit_new(4);
        bool by_us;
        kit_connect(k);
        pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_REFUSE };
        message.refusal.code = codes[i];
        kit_lie(k, &message);
        assert_int_equal(pbts_link_refused(kit_link(k, 0), &by_us), PBTS_LINK_REFUSAL_OTHER);
        kit_free(k);
    }
}

static void our_refusal_reaches_the_other(void **state) {
    kit *k = kit_new(4);
    bool by_us;
    uint8_t set[KIT_SET_MAX];
    kit_connect(k);
    kit_sign(k, PBTS_FORM_PIECE, kit_epoch(k), kit_set(set, 0, 0), &kit_at(k, 1)->secret);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_WRONG_PIECES);
    kit_talk(k);
    assert_int_equal(pbts_link_refused(kit_link(k, 1), &by_us), PBTS_LINK_REFUSAL_WRONG_PIECES);
    assert_false(by_us);
    assert_int_equal(pbts_link_piece_received(kit_link(k, 1), 1, k->now), PBTS_DENIED);
    kit_free(k);
}

/* ---- tickets ---- */

typedef enum {
    GOOD,
    NONE,
    OF_ANOTHER_KEY,
    OF_ANOTHER_TRACKER,
    OF_ANOTHER_INSTANCE,
    EXPIRED,
    OF_TOMORROW,
    RAISED,
    TICKETS
} ticket_kind;

/* Put such a ticket into the terms of member 1; whether a peer that needs one takes it. */
static bool give_ticket(kit *k, ticket_kind kind) {
    kit_member *member = &k->members[1];
    const pbts_bls_public *key = &member->terms.key;
    uint64_t now = k->now.unix_s, issued = now - 60, expires = now + 1000;
    const pbts_bls_secret *tracker = &k->tracker;
    pbts_peer_ticket ticket;
    if (kind == OF_ANOTHER_KEY) key = &k->members[2].terms.key;
    if (kind == OF_ANOTHER_TRACKER) tracker = &k->members[2].secret;
    if (kind == EXPIRED) expires = now - 300;
    if (kind == OF_TOMORROW) issued = now + 301;
    if (kind == OF_ANOTHER_INSTANCE) k->members[0].terms.iid[5] ^= 1;
    member->terms.ticket = kit_ticket(k, member->ticket, tracker, key, 1000000, issued, expires);
    if (kind == OF_ANOTHER_INSTANCE) k->members[0].terms.iid[5] ^= 1;
    if (kind == NONE) member->terms.ticket.len = 0;
    if (kind == RAISED) {
        assert_int_equal(pbts_peer_ticket_decode(&ticket, member->terms.ticket), PBTS_OK);
        ticket.allowance_bytes = 9000000;
        pbts_writer writer = pbts_writer_over(member->ticket, sizeof member->ticket);
        pbts_peer_ticket_encode(&writer, &ticket);
        member->terms.ticket = pbts_writer_span(&writer);
    }
    return kind == GOOD;
}

static void who_needs_a_ticket_takes_only_a_good_one(void **state) {
    for (int kind = GOOD; kind < TICKETS; kind++) {
        kit *k = kit_new(4);
        bool good = give_ticket(k, (ticket_kind)kind);
        kit_open(k);
        kit_hello(k, 0);
        kit_hello(k, 1);
        kit_talk(k);
        if (good) {
            kit_assert_ready(k);
            assert_true(kit_stats(k, 0).allowance_left_bytes == 1000000);
        } else {
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
        }
        kit_free(k);
    }
}

/* Without the need, none is fine and an old one does not count; a forged one is still a lie. */
static void who_needs_no_ticket_takes_none_but_no_forged_one(void **state) {
    for (int kind = GOOD; kind < TICKETS; kind++) {
        kit *k = kit_new(4);
        bool forged = kind == OF_ANOTHER_TRACKER || kind == OF_ANOTHER_INSTANCE || kind == RAISED;
        bool good = give_ticket(k, (ticket_kind)kind);
        k->members[0].terms.ticket_required = false;
        kit_open(k);
        kit_hello(k, 0);
        kit_hello(k, 1);
        kit_talk(k);
        if (forged) {
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
        } else {
            kit_assert_ready(k);
            assert_true(kit_stats(k, 0).allowance_left_bytes == (good ? 1000000 : UINT64_MAX));
        }
        kit_free(k);
    }
}

static void without_the_trackers_key_no_ticket_can_be_believed(void **state) {
    for (int required = 0; required < 2; required++) {
        kit *k = kit_new(4);
        k->members[0].terms.has_tracker_key = false;
        k->members[0].terms.ticket_required = required;
        kit_open(k);
        kit_hello(k, 0);
        kit_hello(k, 1);
        kit_talk(k);
        if (required) {
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
        } else {
            assert_true(kit_stats(k, 0).allowance_left_bytes == UINT64_MAX);
        }
        kit_free(k);
    }
}

static void a_ticket_that_we_cannot_read_is_left_out(void **state) {
    kit *k = kit_new(4);
    k->members[1].terms.ticket = pbts_span_text("d4:spam4:eggse");
    kit_open(k);
    assert_false(hello_of(k, 1).has_ticket);
    kit_free(k);
}

static void nothing_above_the_allowance_is_served(void **state) {
    kit *k = kit_new(8);
    kit_member *member = &k->members[1];
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key,
                                      KIT_PIECE + 5, k->now.unix_s, k->now.unix_s + 7200);
    kit_connect(k);
    kit_transfer(k, 0, 1);
    kit_settle(k);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) == 5);
    pbts_link_served(kit_link(k, 0), 1, 5, k->now);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) == 0);
    kit_pass(k, 0);
    kit_pass(k, 100 * KIT_TIMEOUT_MS);
    kit_assert_ready(k); /* we still want something from it */
    pbts_link_set_own_left(kit_link(k, 0), 0);
    assert_true(pbts_link_deadline_ms(kit_link(k, 0)) <= k->now.mono_ms);
    kit_pass(k, 0);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_ALLOWANCE);
    kit_free(k);
}

/* A user whose balance is empty may still give. */
static void who_may_take_nothing_stays_as_a_source(void **state) {
    kit *k = kit_new(8);
    kit_member *member = &k->members[0];
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, 0,
                                      k->now.unix_s, k->now.unix_s + 7200);
    kit_connect(k);
    pbts_link_set_own_left(kit_link(k, 1), 0);
    kit_pass(k, 2 * KIT_TIMEOUT_MS);
    kit_pass(k, 2 * KIT_TIMEOUT_MS);
    kit_assert_ready(k);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, 1)) == 0);
    kit_transfer(k, 0, 8);
    kit_settle(k);
    assert_true(kit_stats(k, 0).covered_bytes == kit_stats(k, 0).served_bytes);
    kit_free(k);
}

static void a_newer_ticket_raises_the_allowance_and_an_older_one_does_not(void **state) {
    kit *k = kit_new(8);
    kit_member *member = &k->members[1];
    uint64_t now = k->now.unix_s;
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key,
                                      2 * KIT_PIECE, now, now + 7200);
    kit_connect(k);
    kit_transfer(k, 0, 2);
    kit_settle(k);
    assert_true(kit_stats(k, 0).allowance_left_bytes == 0);
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key,
                                      9 * KIT_PIECE, now - 1, now + 7200);
    kit_hello(k, 1);
    assert_true(kit_stats(k, 0).allowance_left_bytes == 0);
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key,
                                      5 * KIT_PIECE, now + 1, now + 7200);
    kit_hello(k, 1);
    assert_true(kit_stats(k, 0).allowance_left_bytes == 5 * KIT_PIECE);
    kit_assert_ready(k);
    member->terms.ticket = kit_ticket(k, member->ticket, &k->members[2].secret, &member->terms.key,
                                      50 * KIT_PIECE, now + 2, now + 7200);
    kit_hello(k, 1);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
    kit_free(k);
}

static void a_later_hello_of_another_peer_is_malformed(void **state) {
    for (int ready = 0; ready < 2; ready++) {
        for (int what = 0; what < 3; what++) {
            kit *k = opened();
            pbts_peer_hello hello = hello_of(k, 1);
            kit_hello(k, 0);
            kit_hello(k, 1);
            if (ready) kit_talk(k);
            if (what == 0) hello.nonce[0] ^= 1;
            if (what == 1) hello.iid[0] ^= 1;
            if (what == 2) hello.key = k->members[2].terms.key;
            say_hello(k, 0, &hello);
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_MALFORMED);
            kit_free(k);
        }
    }
}

/* It got its ticket between two hellos. */
static void the_last_hello_before_the_proof_counts(void **state) {
    kit *k = kit_new(4);
    pbts_span ticket = k->members[1].terms.ticket;
    k->members[1].terms.ticket.len = 0;
    kit_open(k);
    kit_hello(k, 1);
    k->members[1].terms.ticket = ticket;
    kit_hello(k, 1);
    kit_hello(k, 0);
    kit_talk(k);
    kit_assert_ready(k);
    kit_free(k);
}

static void hellos_that_say_nothing_new_are_a_flood_in_the_end(void **state) {
    for (int ready = 0; ready < 2; ready++) {
        kit *k = opened();
        kit_hello(k, 0);
        kit_hello(k, 1);
        if (ready) kit_talk(k);
        for (int i = 0; i < 64; i++) kit_hello(k, 1);
        assert_int_not_equal(pbts_link_state_of(kit_link(k, 0)), PBTS_LINK_REFUSED);
        kit_hello(k, 1);
        kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_FLOOD);
        kit_free(k);
    }
}

static void a_ticket_that_ends_ends_what_needs_it_and_bans_nobody(void **state) {
    for (int required = 0; required < 2; required++) {
        kit *k = kit_new(4);
        pbts_book *book;
        pbts_book_stats stats;
        assert_int_equal(pbts_book_new(&book, pbts_mem_system()), PBTS_OK);
        k->members[0].terms.book = book;
        k->members[0].terms.ticket_required = required;
        give_ticket(k, GOOD); /* for 1000 s */
        kit_connect(k);
        kit_pass(k, 1299 * 1000);
        assert_true(kit_stats(k, 0).allowance_left_bytes == 1000000);
        kit_assert_ready(k);
        kit_pass(k, 1000);
        if (required) {
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
        } else {
            kit_assert_ready(k);
            assert_true(kit_stats(k, 0).allowance_left_bytes == UINT64_MAX);
        }
        pbts_book_stats_read(book, &stats);
        assert_true(stats.peers == 1 && stats.banned == 0);
        kit_free(k);
        pbts_book_free(book);
    }
}

/* ---- memberships ---- */

typedef enum {
    FRESH,
    OLD, /* of two days ago */
    MEMBER_OF_ANOTHER_KEY,
    MEMBER_OF_ANOTHER_TRACKER,
    BELOW_MINIMUM,
    OVER,
    TO_COME,
    ALTERED,
    MEMBERSHIPS
} membership_kind;

/* Member 1 has no ticket, but this; whether that is enough. */
static bool give_membership(kit *k, uint8_t out[static PBTS_MEMBERSHIP_LEN], membership_kind kind,
                            bool is_outage) {
    kit_member *member = &k->members[1];
    pbts_link_terms *judge = &k->members[0].terms;
    uint64_t now = k->now.unix_s;
    pbts_membership membership = { .key = member->terms.key,
                                   .allowance_bytes = 500000,
                                   .up_bytes = 500,
                                   .down_bytes = 1000,
                                   .min_ratio_milli = 500,
                                   .issued = now - 60,
                                   .expires = now + 1000 };
    kit_keep_book(k);
    judge->is_outage = is_outage;
    judge->tracker_time_s = now - 5000;
    if (kind == OLD) membership.issued = now - 48 * 3600;
    if (kind == MEMBER_OF_ANOTHER_KEY) membership.key = k->members[2].terms.key;
    if (kind == BELOW_MINIMUM) membership.up_bytes = 499;
    if (kind == OVER) membership.expires = judge->tracker_time_s;
    if (kind == TO_COME) membership.issued = now + 301;
    pbts_membership_sign(&membership, judge->iid,
                         kind == MEMBER_OF_ANOTHER_TRACKER ? &k->members[2].secret : &k->tracker);
    if (kind == ALTERED) membership.allowance_bytes++;
    pbts_writer writer = pbts_writer_over(out, PBTS_MEMBERSHIP_LEN);
    pbts_membership_encode(&writer, &membership);
    member->terms.ticket.len = 0;
    member->terms.membership = pbts_writer_span(&writer);
    return kind == FRESH || kind == BELOW_MINIMUM || (kind == OLD && is_outage);
}

static void a_membership_stands_for_a_ticket_while_fresh_or_without_the_tracker(void **state) {
    for (int kind = FRESH; kind < 2 * MEMBERSHIPS; kind++) {
        kit *k = kit_new(4);
        uint8_t bytes[PBTS_MEMBERSHIP_LEN];
        bool good = give_membership(k, bytes, (membership_kind)(kind / 2), kind % 2 == 1);
        kit_open(k);
        kit_hello(k, 0);
        kit_hello(k, 1);
        kit_talk(k);
        if (good) {
            kit_assert_ready(k);
            uint64_t left_bytes = kind / 2 == BELOW_MINIMUM ? 0 : 500000; /* it may give */
            assert_true(kit_stats(k, 0).allowance_left_bytes == left_bytes);
        } else {
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
        }
        kit_free(k);
    }
}

static void a_link_lives_on_a_membership_as_long_as_the_outage_and_an_hour(void **state) {
    kit *k = kit_new(4);
    uint8_t bytes[PBTS_MEMBERSHIP_LEN];
    give_membership(k, bytes, OLD, true);
    k->members[1].terms.ticket_required = false;
    kit_connect(k);
    kit_pass(k, 3 * 24 * 3600 * UINT64_C(1000));
    kit_assert_ready(k);
    k->members[0].terms.is_outage = false;
    kit_pass(k, 3601 * 1000);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
    kit_free(k);
}

/* The tracker is back and gives one. */
static void a_ticket_takes_the_place_of_a_membership(void **state) {
    kit *k = kit_new(4);
    uint8_t bytes[PBTS_MEMBERSHIP_LEN];
    give_membership(k, bytes, OLD, true);
    kit_connect(k);
    kit_pass(k, 60 * 1000); /* it is of a minute ago */
    give_ticket(k, GOOD);
    kit_hello(k, 1);
    k->members[0].terms.is_outage = false;
    assert_true(kit_stats(k, 0).allowance_left_bytes == 1000000);
    kit_pass(k, 1299 * 1000);
    kit_assert_ready(k);
    kit_pass(k, 1000);
    kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
    kit_free(k);
}

static void a_ticket_as_old_as_the_membership_takes_its_place_too(void **state) {
    kit *k = kit_new(4);
    kit_member *member = &k->members[1];
    uint8_t bytes[PBTS_MEMBERSHIP_LEN];
    give_membership(k, bytes, OLD, true);
    kit_connect(k);
    member->terms.ticket = kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, 1000000,
                                      k->now.unix_s - 48 * 3600, k->now.unix_s + 5000);
    kit_hello(k, 1);
    k->members[0].terms.is_outage = false;
    kit_pass(k, 3601 * 1000);
    kit_assert_ready(k);
    kit_free(k);
}

/* Both were shown in the beginning; the tracker went away meanwhile. */
static void a_membership_takes_the_place_of_a_ticket_that_ends_in_an_outage(void **state) {
    for (int kind = FRESH; kind < MEMBERSHIPS; kind++) {
        kit *k = kit_new(4);
        uint8_t bytes[PBTS_MEMBERSHIP_LEN];
        bool good = give_membership(k, bytes, (membership_kind)kind, true);
        give_ticket(k, GOOD); /* for 1000 s */
        kit_connect(k);
        kit_pass(k, 1300 * 1000);
        if (good || kind == TO_COME) {
            kit_assert_ready(k);
        } else {
            kit_assert_refused(k, 0, PBTS_LINK_REFUSAL_NO_TICKET);
        }
        kit_free(k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_that_does_not_fit_is_refused_without_a_pairing),
        cmocka_unit_test(a_hello_that_is_no_dictionary_is_malformed),
        cmocka_unit_test(a_proof_is_of_this_key_instance_torrent_and_connection),
        cmocka_unit_test(a_proof_with_any_bit_wrong_is_refused),
        cmocka_unit_test(our_own_proof_does_not_prove_another),
        cmocka_unit_test(a_false_claim_to_a_key_does_not_ban_it),
        cmocka_unit_test(before_the_proof_nothing_else_is_heard),
        cmocka_unit_test(a_second_proof_is_malformed),
        cmocka_unit_test(a_refusal_ends_both_sides_and_says_why),
        cmocka_unit_test(a_refusal_of_an_unknown_code_is_other),
        cmocka_unit_test(our_refusal_reaches_the_other),
        cmocka_unit_test(who_needs_a_ticket_takes_only_a_good_one),
        cmocka_unit_test(who_needs_no_ticket_takes_none_but_no_forged_one),
        cmocka_unit_test(without_the_trackers_key_no_ticket_can_be_believed),
        cmocka_unit_test(a_ticket_that_we_cannot_read_is_left_out),
        cmocka_unit_test(nothing_above_the_allowance_is_served),
        cmocka_unit_test(who_may_take_nothing_stays_as_a_source),
        cmocka_unit_test(a_newer_ticket_raises_the_allowance_and_an_older_one_does_not),
        cmocka_unit_test(a_later_hello_of_another_peer_is_malformed),
        cmocka_unit_test(the_last_hello_before_the_proof_counts),
        cmocka_unit_test(hellos_that_say_nothing_new_are_a_flood_in_the_end),
        cmocka_unit_test(a_ticket_that_ends_ends_what_needs_it_and_bans_nobody),
        cmocka_unit_test(a_membership_stands_for_a_ticket_while_fresh_or_without_the_tracker),
        cmocka_unit_test(a_link_lives_on_a_membership_as_long_as_the_outage_and_an_hour),
        cmocka_unit_test(a_ticket_takes_the_place_of_a_membership),
        cmocka_unit_test(a_ticket_as_old_as_the_membership_takes_its_place_too),
        cmocka_unit_test(a_membership_takes_the_place_of_a_ticket_that_ends_in_an_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
