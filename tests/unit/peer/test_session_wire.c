/* A session and hand-made peers: handshakes, what breaks the protocol, fast extension, requests. */
#include "peer/raw_kit.h"

#include "peer/conn.h"

static const uint64_t ALL_FEATURES = PBTS_PEER_FEATURE_FAST | PBTS_PEER_FEATURE_EXTENDED;

/* ---- handshake ---- */

static void the_handshake_is_answered_when_the_infohash_is_there(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *peer = raw_open(r);
    uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN];
    pbts_peer_handshake handshake = { .features = ALL_FEATURES };
    memcpy(handshake.infohash, r->config.infohash, 20);
    memcpy(handshake.peer_id, peer->peer_id, 20);
    pbts_peer_handshake_encode(bytes, &handshake);
    size_t used = 1;
    for (size_t len = 0; len < PBTS_PEER_HANDSHAKE_LEN; len++) {
        assert_int_equal(raw_feed(r, peer, (pbts_span){ bytes, len }, &used), PBTS_OK);
        assert_int_equal(used, 0);
        raw_listen(r, peer);
        assert_int_equal(peer->has_handshake, len >= PBTS_PEER_HANDSHAKE_HEAD_LEN);
    }
    assert_int_equal(raw_feed(r, peer, PBTS_SPAN_OF(bytes), &used), PBTS_OK);
    assert_int_equal(used, sizeof bytes);
    assert_int_equal(peer->handshake.features, ALL_FEATURES);
    assert_memory_equal(peer->handshake.infohash, r->config.infohash, 20);
    assert_memory_equal(peer->handshake.peer_id, r->config.peer_id, 20);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_HAVE_NONE), 1);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_EXTENDED), 1);
    raw_free(r);
}

static void an_outgoing_connection_begins_with_ours(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    pbts_addr addr = raw_addr(1), dialed;
    pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_TRACKER, r->now);
    assert_true(pbts_session_next_dial(r->session, &dialed, r->now));
    raw_peer *peer = raw_open_at(r, &dialed, true);
    raw_listen(r, peer);
    assert_true(peer->has_handshake && peer->heard_len == 0);
    raw_say_handshake(r, peer, 0);
    assert_false(pbts_session_next_dial(r->session, &dialed, r->now));
    raw_free(r);
}

static void what_is_no_handshake_of_this_torrent_is_closed(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    size_t used;
    raw_peer *peer = raw_open(r);
    assert_int_equal(raw_feed(r, peer, pbts_span_text("GET / HTTP/1.1\r\n\r\n"), &used),
                     PBTS_MALFORMED);
    assert_string_equal(r->why, "not a BitTorrent handshake");
    raw_close(r, peer);
    peer = raw_open(r);
    r->config.infohash[3] ^= 1;
    uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN];
    pbts_peer_handshake handshake = { .features = 0 };
    memcpy(handshake.infohash, r->config.infohash, 20);
    pbts_peer_handshake_encode(bytes, &handshake);
    assert_int_equal(raw_feed(r, peer, PBTS_SPAN_OF(bytes), &used), PBTS_NOT_FOUND);
    assert_string_equal(r->why, "another torrent");
    assert_int_equal(raw_count(r, peer, PBTS_PEER_CHOKE), 0);
    assert_false(peer->has_handshake);
    raw_free(r);
}

static void who_does_not_shake_hands_in_20_seconds_is_closed(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    (void)raw_open(r);
    raw_pass(r, 19000);
    assert_int_equal(r->closes, 0);
    raw_pass(r, 2000);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "no handshake");
    raw_free(r);
}

static void we_are_not_our_own_peer(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    pbts_addr addr = raw_addr(1), dialed;
    pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_TRACKER, r->now);
    assert_true(pbts_session_next_dial(r->session, &dialed, r->now));
    raw_peer *peer = raw_open_at(r, &dialed, true);
    memcpy(peer->peer_id, r->config.peer_id, 20);
    raw_say_handshake(r, peer, ALL_FEATURES);
    assert_string_equal(r->why, "it is ourselves");
    raw_close(r, peer);
    raw_pass(r, 7200 * 1000);
    assert_false(pbts_session_next_dial(r->session, &dialed, r->now));
    raw_free(r);
}

static void of_two_connections_with_one_peer_the_older_stays(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *first = raw_meet(r, false), *second = raw_open(r);
    memcpy(second->peer_id, first->peer_id, 20);
    raw_say_handshake(r, second, 0);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "connected twice");
    raw_close(r, second);
    raw_say_type(r, first, PBTS_PEER_INTERESTED);
    assert_int_equal(r->closes, 1);
    raw_free(r);
}

/* Both dial at the same time: both keep the connection that the greater peer id dialed. */
static void of_two_crossed_connections_both_sides_keep_the_same(void **state) {
    (void)state;
    for (int greater = 0; greater < 2; greater++) {
        for (int outgoing_first = 0; outgoing_first < 2; outgoing_first++) {
            raw *r = raw_new();
            raw_start(r);
            pbts_addr addr = raw_addr(1);
            raw_peer *a = raw_open_at(r, &addr, outgoing_first);
            addr.port++;
            raw_peer *b = raw_open_at(r, &addr, !outgoing_first);
            a->peer_id[1] = greater ? 'Z' : 'A'; /* ours has an R there */
            memcpy(b->peer_id, a->peer_id, 20);
            raw_say_handshake(r, a, 0);
            raw_say_handshake(r, b, 0);
            assert_int_equal(r->closes, 1);
            /* They are greater: what they dialed, incoming here, stays. */
            raw_peer *stays = (greater != 0) == (outgoing_first != 0) ? b : a;
            size_t used;
            raw_peer *goes = stays == a ? b : a;
            raw_say_type(r, stays, PBTS_PEER_INTERESTED);
            assert_true(raw_stats(r, stays).interested);
            assert_int_equal(raw_feed(r, goes, pbts_span_text("anything"), &used), PBTS_OK);
            assert_int_equal(used, 8);
            assert_false(raw_stats(r, goes).interested);
            raw_free(r);
        }
    }
}

static void a_hybrid_torrent_answers_to_both_its_names(void **state) {
    (void)state;
    static const uint64_t files[] = { 200000, 100 };
    raw *r = raw_new_of(PBTS_TORRENT_HYBRID, files, 2);
    raw_start(r);
    raw_peer *peer = raw_open(r);
    memcpy(r->config.infohash, pbts_metainfo_infohash_v2(r->content.meta), 20);
    raw_say_handshake(r, peer, PBTS_PEER_FEATURE_V2);
    raw_listen(r, peer);
    assert_memory_equal(peer->handshake.infohash, r->config.infohash, 20);
    assert_true(peer->handshake.features & PBTS_PEER_FEATURE_V2);
    assert_int_equal(r->closes, 0);
    raw_free(r);
}

/* ---- who gets in ---- */

static void as_many_connections_as_stated_get_in(void **state) {
    (void)state;
    raw *r = raw_new();
    r->config.connections_max = 20;
    raw_start(r);
    pbts_conn conn;
    for (uint32_t i = 0; i < 20; i++) (void)raw_open(r);
    pbts_addr addr = raw_addr(99);
    assert_int_equal(pbts_session_opened(r->session, &conn, &addr, false, r->now), PBTS_LIMIT);
    raw_close(r, &r->peers[7]);
    assert_int_equal(pbts_session_opened(r->session, &conn, &addr, false, r->now), PBTS_OK);
    assert_int_equal(conn, r->peers[7].conn);
    assert_int_equal(pbts_session_conn_limit(r->session), 20);
    raw_free(r);
}

static void eight_connections_of_one_address_get_in_and_any_number_of_loopback(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    pbts_conn conn;
    pbts_addr addr = raw_addr(1), local = { .family = PBTS_IPV4, .ip = { 127, 0, 0, 1 } };
    for (uint16_t i = 0; i < 8; i++) {
        addr.port = (uint16_t)(1000 + i);
        assert_int_equal(pbts_session_opened(r->session, &conn, &addr, false, r->now), PBTS_OK);
    }
    addr.port = 5;
    assert_int_equal(pbts_session_opened(r->session, &conn, &addr, false, r->now), PBTS_LIMIT);
    for (uint16_t i = 0; i < 20; i++) {
        local.port = (uint16_t)(1000 + i);
        assert_int_equal(pbts_session_opened(r->session, &conn, &local, false, r->now), PBTS_OK);
    }
    raw_free(r);
}

/* ---- what breaks the protocol ---- */

typedef struct {
    const char *what;
    size_t len;
    uint8_t bytes[24];
} broken;

#define BROKEN(what, ...)                           \
    {                                               \
        what, sizeof((uint8_t[]){ __VA_ARGS__ }), { \
            __VA_ARGS__                             \
        }                                           \
    }

static const broken BROKEN[] = {
    BROKEN("a choke with a body", 0, 0, 0, 2, 0, 0),
    BROKEN("a have of no piece", 0, 0, 0, 5, 4, 0, 0, 0, 9),
    BROKEN("a have cut short", 0, 0, 0, 4, 4, 0, 0, 0),
    BROKEN("a bitfield of another length", 0, 0, 0, 2, 5, 0xFF),
    BROKEN("a bitfield with spare bits", 0, 0, 0, 3, 5, 0xFF, 0xC0),
    BROKEN("a request of nothing", 0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    BROKEN("a request of 128 KiB and one", 0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1),
    BROKEN("a request past the piece", 0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 2),
    BROKEN("a request of no piece", 0, 0, 0, 13, 6, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1),
    BROKEN("a block without a body", 0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0),
    BROKEN("a block past the piece", 0, 0, 0, 11, 7, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF),
    BROKEN("a suggestion of no piece", 0, 0, 0, 5, 13, 0, 0, 1, 0),
    BROKEN("a piece allowed that is none", 0, 0, 0, 5, 17, 0xFF, 0xFF, 0xFF, 0xFF),
    BROKEN("an endless message", 0x7F, 0xFF, 0xFF, 0xFF, 0),
    BROKEN("an extended message without id", 0, 0, 0, 1, 20),
    BROKEN("an extended handshake that is none", 0, 0, 0, 4, 20, 0, 'i', '1'),
    BROKEN("an extended handshake of another type", 0, 0, 0, 4, 20, 0, 'l', 'e'),
    BROKEN("metadata that is none", 0, 0, 0, 4, 20, 2, 'd', 'e'),
    BROKEN("a hash request cut short", 0, 0, 0, 3, 21, 0, 0),
};

static void what_breaks_the_protocol_ends_that_connection_and_no_other(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof BROKEN / sizeof BROKEN[0]; i++) {
        raw *r = raw_new();
        raw_have(r, 0, 9);
        raw_start(r);
        raw_peer *good = raw_meet(r, false), *bad = raw_open(r);
        raw_say_handshake(r, bad, ALL_FEATURES);
        size_t used;
        pbts_status status = raw_feed(r, bad, (pbts_span){ BROKEN[i].bytes, BROKEN[i].len }, &used);
        if (status != PBTS_MALFORMED && status != PBTS_LIMIT) fail_msg("%s", BROKEN[i].what);
        assert_int_equal(r->closes, 1);
        assert_int_equal(used, BROKEN[i].len);
        /* Nothing is read of it any more; the other is served. */
        raw_say_type(r, bad, PBTS_PEER_INTERESTED);
        assert_false(raw_stats(r, bad).interested);
        raw_close(r, bad);
        raw_say_type(r, good, PBTS_PEER_INTERESTED);
        pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, 0, 0, 100);
        raw_say(r, good, &request);
        assert_int_equal(raw_count(r, good, PBTS_PEER_PIECE), 1);
        assert_int_equal(r->closes, 1);
        raw_free(r);
    }
}

/* Well-formed, but not from a peer without BEP 6 or 10, or not at that time. */
static void what_was_not_agreed_on_ends_the_connection(void **state) {
    (void)state;
    const pbts_peer_message uncalled[] = {
        { .type = PBTS_PEER_HAVE_ALL },
        { .type = PBTS_PEER_HAVE_NONE },
        { .type = PBTS_PEER_SUGGEST },
        { .type = PBTS_PEER_ALLOWED_FAST },
        raw_block(PBTS_PEER_REJECT, 0, 0, 1),
        { .type = PBTS_PEER_EXTENDED, .extended = { 0, { (const uint8_t *)"de", 2 } } },
    };
    for (size_t i = 0; i < sizeof uncalled / sizeof uncalled[0]; i++) {
        raw *r = raw_new();
        raw_start(r);
        raw_peer *peer = raw_meet(r, true);
        assert_int_equal(raw_say_status(r, peer, &uncalled[i]), PBTS_MALFORMED);
        assert_int_equal(r->closes, 1);
        raw_free(r);
    }
}

static void what_one_has_is_said_first_or_never(void **state) {
    (void)state;
    uint8_t none[2] = { 0 };
    const pbts_peer_message pieces[] = {
        { .type = PBTS_PEER_BITFIELD, .bitfield = PBTS_SPAN_OF(none) },
        { .type = PBTS_PEER_HAVE_ALL },
        { .type = PBTS_PEER_HAVE_NONE },
    };
    for (size_t i = 0; i < 3; i++) {
        raw *r = raw_new();
        raw_start(r);
        raw_peer *peer = raw_meet(r, false);
        raw_say_type(r, peer, PBTS_PEER_KEEP_ALIVE); /* does not count */
        raw_say(r, peer, &pieces[i]);
        assert_int_equal(raw_say_status(r, peer, &pieces[2 - i]), PBTS_MALFORMED);
        raw_free(r);
        r = raw_new();
        raw_start(r);
        peer = raw_meet(r, false);
        raw_say_type(r, peer, PBTS_PEER_CHOKE);
        assert_int_equal(raw_say_status(r, peer, &pieces[i]), PBTS_MALFORMED);
        raw_free(r);
    }
}

static void messages_that_change_nothing_are_forgiven_up_to_a_limit(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *peer = raw_meet(r, false);
    for (int i = 0; i < PBTS_IDLE_MESSAGES_MAX; i++) {
        raw_say_type(r, peer, PBTS_PEER_NOT_INTERESTED);
    }
    assert_int_equal(r->closes, 0);
    raw_pass(r, 1000); /* as many again as leak in a second */
    for (int i = 0; i < 100; i++) raw_say_type(r, peer, PBTS_PEER_KEEP_ALIVE);
    assert_int_equal(r->closes, 0);
    raw_say_type(r, peer, PBTS_PEER_NOT_INTERESTED);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "too many messages that change nothing");
    raw_free(r);
}

static void unknown_messages_are_passed_over(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *peer = raw_open(r);
    raw_say_handshake(r, peer, ALL_FEATURES);
    static const uint8_t unknown[] = { 0, 0,    0,    3, 99, 1, 2, 0,  0,  0,   3,
                                       9, 0x1A, 0xE1, 0, 0,  0, 4, 20, 77, 'd', 'e' };
    size_t used;
    assert_int_equal(raw_feed(r, peer, PBTS_SPAN_OF(unknown), &used), PBTS_OK);
    assert_int_equal(used, sizeof unknown);
    assert_int_equal(r->closes, 0);
    raw_free(r);
}

/* ---- time ---- */

static void keep_alives_go_out_and_three_minutes_of_silence_end_it(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *quiet = raw_meet(r, false), *peer = raw_meet(r, false);
    raw_clear(r, quiet);
    for (int i = 0; i < 17; i++) {
        raw_pass(r, 10000);
        raw_say_type(r, peer, PBTS_PEER_KEEP_ALIVE);
    }
    assert_int_equal(raw_count(r, quiet, PBTS_PEER_KEEP_ALIVE), 1);
    assert_int_equal(r->closes, 0);
    raw_pass(r, 11000);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "silent for three minutes");
    raw_say_type(r, peer, PBTS_PEER_KEEP_ALIVE);
    assert_int_equal(r->closes, 1);
    raw_free(r);
}

static void a_peer_that_does_not_read_is_given_up(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    raw_peer *peer = raw_open(r);
    raw_say_handshake(r, peer, ALL_FEATURES);
    /* Answers that nobody takes: first they are refused, and that is not for ever either. */
    static const uint8_t ask[] = "d8:msg_typei0e5:piecei0ee";
    pbts_peer_message message = { .type = PBTS_PEER_EXTENDED,
                                  .extended = { 2, { ask, sizeof ask - 1 } } };
    pbts_extended_handshake handshake = pbts_extended_handshake_empty();
    handshake.ids[PBTS_EXTENSION_METADATA] = 7;
    uint8_t body[256];
    pbts_writer writer = pbts_writer_over(body, sizeof body);
    pbts_extended_handshake_encode(&writer, &handshake);
    pbts_peer_message hello = { .type = PBTS_PEER_EXTENDED,
                                .extended = { 0, pbts_writer_span(&writer) } };
    raw_say(r, peer, &hello);
    uint32_t asked = 0;
    for (; r->closes == 0 && asked < 100000; asked++) {
        (void)raw_say_status(r, peer, &message);
        raw_pass(r, 10);
    }
    assert_in_range(asked, 1000, 99999);
    raw_free(r);
}

/* ---- requests to us ---- */

static raw_peer *meet_leecher(raw *r, bool old) {
    raw_peer *peer = raw_meet(r, old);
    raw_say_type(r, peer, PBTS_PEER_INTERESTED);
    return peer;
}

static void interested_peers_are_unchoked_at_once_while_there_are_slots(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    for (uint32_t i = 0; i < 6; i++) {
        raw_peer *peer = meet_leecher(r, false);
        assert_int_equal(raw_count(r, peer, PBTS_PEER_UNCHOKE), i < 4);
    }
    raw_say_type(r, &r->peers[0], PBTS_PEER_NOT_INTERESTED);
    assert_int_equal(raw_count(r, &r->peers[0], PBTS_PEER_CHOKE), 1);
    assert_int_equal(raw_count(r, &r->peers[4], PBTS_PEER_UNCHOKE), 1);
    raw_close(r, &r->peers[1]);
    assert_int_equal(raw_count(r, &r->peers[5], PBTS_PEER_UNCHOKE), 1);
    raw_free(r);
}

static void blocks_are_given_in_the_order_they_were_asked_for(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    raw_peer *peer = meet_leecher(r, false);
    static const pbts_peer_block blocks[] = {
        { 3, 0, RAW_BLOCK }, { 0, 5, 1 }, { 8, 0, 100 }, { 3, 0, RAW_PIECE }, { 7, 99, 16000 }
    };
    for (size_t i = 0; i < 5; i++) {
        pbts_peer_message request = { .type = PBTS_PEER_REQUEST, .block = blocks[i] };
        raw_say(r, peer, &request);
    }
    for (size_t i = 0; i < 5; i++) {
        const pbts_peer_message *piece = raw_heard(r, peer, PBTS_PEER_PIECE, i);
        assert_memory_equal(&piece->block, &blocks[i], sizeof blocks[i]);
    }
    assert_int_equal(peer->block_bytes, RAW_BLOCK + 1 + 100 + RAW_PIECE + 16000);
    assert_int_equal(raw_stats(r, peer).uploaded_bytes, peer->block_bytes);
    raw_free(r);
}

static void requests_that_cannot_be_met_are_rejected(void **state) {
    (void)state;
    static const uint64_t files[] = { 11 * RAW_PIECE + 100 };
    raw *r = raw_new_of(PBTS_TORRENT_V1, files, 1);
    raw_have(r, 1, 12);
    raw_start(r);
    raw_peer *peer = raw_meet(r, false), *old = raw_meet(r, true);
    for (uint32_t i = 0; i < 10; i++) raw_say_piece(r, peer, PBTS_PEER_HAVE, i); /* no newcomer */
    pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, 1, 0, 100);
    raw_say(r, peer, &request); /* it is choked */
    raw_say(r, old, &request);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_REJECT), 1);
    raw_say_type(r, peer, PBTS_PEER_INTERESTED);
    request = raw_block(PBTS_PEER_REQUEST, 0, 0, 100); /* we do not have it */
    raw_say(r, peer, &request);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_REJECT), 2);
    const pbts_peer_message *reject = raw_heard(r, peer, PBTS_PEER_REJECT, 1);
    assert_memory_equal(&reject->block, &request.block, sizeof request.block);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_PIECE), 0);
    /* One without BEP 6 is not told. */
    assert_int_equal(raw_count(r, old, PBTS_PEER_REJECT) + raw_count(r, old, PBTS_PEER_PIECE), 0);
    assert_int_equal(r->closes, 0);
    /* The last piece is shorter: that is the decoder's to know for no other. */
    request = raw_block(PBTS_PEER_REQUEST, 11, 0, 101);
    raw_say(r, peer, &request);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "asks for what is not in a piece");
    raw_free(r);
}

static void as_many_requests_as_we_say_are_queued(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    raw_peer *peer = meet_leecher(r, false);
    raw_clear(r, peer);
    static uint8_t bytes[1026 * 17];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    size_t used;
    for (uint32_t i = 0; i < 1025; i++) {
        pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, 0, i, 1);
        pbts_peer_message_encode(&writer, &request);
    }
    assert_int_equal(raw_feed(r, peer, pbts_writer_span(&writer), &used), PBTS_OK);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_REJECT), 1);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_PIECE), 1024);
    assert_int_equal(raw_heard(r, peer, PBTS_PEER_REJECT, 0)->block.begin, 1024);
    raw_free(r);
}

static void a_cancelled_request_is_rejected_and_not_given(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    raw_peer *peer = meet_leecher(r, false), *old = meet_leecher(r, true);
    raw_peer *both[] = { peer, old };
    for (int i = 0; i < 2; i++) {
        raw_clear(r, both[i]);
        pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, 0, 0, 100);
        pbts_peer_message cancel = raw_block(PBTS_PEER_CANCEL, 0, 0, 100);
        raw_say(r, both[i], &request);
        raw_say(r, both[i], &cancel);
        raw_say(r, both[i], &cancel); /* of nothing */
        assert_int_equal(raw_count(r, both[i], PBTS_PEER_REJECT), 1 - i);
        assert_int_equal(raw_count(r, both[i], PBTS_PEER_PIECE), 0);
    }
    raw_free(r);
}

static void what_a_choked_peer_asked_for_is_rejected(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    raw_peer *peer = meet_leecher(r, false);
    /* It has many pieces: it may ask for nothing while it is choked. */
    for (uint32_t i = 0; i < 9; i++) raw_say_piece(r, peer, PBTS_PEER_HAVE, i);
    raw_say_type(r, peer, PBTS_PEER_INTERESTED);
    raw_clear(r, peer);
    uint8_t bytes[51];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    for (uint32_t i = 0; i < 3; i++) {
        pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, 0, i, 1);
        pbts_peer_message_encode(&writer, &request);
    }
    size_t used;
    assert_int_equal(raw_feed(r, peer, pbts_writer_span(&writer), &used), PBTS_OK);
    raw_say_type(r, peer, PBTS_PEER_NOT_INTERESTED);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_CHOKE), 1);
    size_t rejected = raw_count(r, peer, PBTS_PEER_REJECT);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_PIECE) + rejected, 3);
    raw_free(r);
}

static void a_choked_newcomer_may_have_the_pieces_it_is_told_of(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    r->config.unchoked_max = 0;
    raw_start(r);
    raw_peer *peer = raw_meet(r, false);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_ALLOWED_FAST), 9);
    assert_int_equal(raw_count(r, raw_meet(r, true), PBTS_PEER_ALLOWED_FAST), 0);
    uint32_t given = 0;
    for (uint32_t i = 0; i < 100; i++) {
        pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, i % 8, 0, RAW_PIECE);
        raw_say(r, peer, &request);
    }
    given = (uint32_t)raw_count(r, peer, PBTS_PEER_PIECE);
    assert_int_equal(given, 20); /* ten pieces' worth, twice */
    assert_int_equal(raw_count(r, peer, PBTS_PEER_REJECT), 80);
    raw_free(r);
}

/* Of a hybrid torrent a v1 client asks for the whole piece, though the file ends before, and of a
 * v2 torrent libtorrent does. */
static void padding_is_zeros(pbts_torrent_version version) {
    static const uint64_t files[] = { RAW_PIECE + 20000, 100 };
    raw *r = raw_new_of(version, files, 2);
    raw_have(r, 0, 3);
    raw_start(r);
    raw_peer *peer = meet_leecher(r, false);
    pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, 1, RAW_BLOCK, RAW_BLOCK);
    raw_say(r, peer, &request);
    raw_listen(r, peer);
    assert_int_equal(peer->block_bytes, 20000 - RAW_BLOCK);
    assert_int_equal(peer->pad_bytes, 2 * RAW_BLOCK - 20000);
    request = raw_block(PBTS_PEER_REQUEST, 1, 3 * RAW_BLOCK, RAW_BLOCK);
    raw_say(r, peer, &request);
    raw_listen(r, peer);
    assert_int_equal(peer->block_bytes, 20000 - RAW_BLOCK);
    assert_int_equal(peer->pad_bytes, 3 * RAW_BLOCK - 20000);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_PIECE), 2);
    raw_free(r);
}

static void the_padding_of_aligned_torrents_is_zeros(void **state) {
    (void)state;
    padding_is_zeros(PBTS_TORRENT_HYBRID);
    padding_is_zeros(PBTS_TORRENT_V2);
}

static void no_block_is_given_above_what_the_owner_allows(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    raw_peer *peer = meet_leecher(r, false);
    raw_clear(r, peer);
    pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, 0, 0, RAW_BLOCK);
    raw_say(r, peer, &request);
    pbts_session_send out;
    assert_true(pbts_session_wants_send(r->session, peer->conn, r->now));
    assert_false(pbts_session_next_send(r->session, peer->conn, &out, 0, r->now));
    assert_false(pbts_session_next_send(r->session, peer->conn, &out, RAW_BLOCK - 1, r->now));
    assert_true(pbts_session_next_send(r->session, peer->conn, &out, RAW_BLOCK, r->now));
    assert_int_equal(out.block_bytes, RAW_BLOCK);
    assert_false(pbts_session_wants_send(r->session, peer->conn, r->now));
    raw_free(r);
}

/* A slot becomes free: who has waited longest gets it, whatever its number. */
static void who_waited_longest_is_unchoked_first(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    r->config.unchoked_max = 1;
    raw_start(r);
    raw_peer *first = raw_meet(r, false), *served = raw_meet(r, false);
    raw_say_type(r, served, PBTS_PEER_INTERESTED);
    raw_peer *early = raw_meet(r, false);
    raw_say_type(r, early, PBTS_PEER_INTERESTED);
    raw_pass(r, 500);
    raw_close(r, first);
    raw_peer *late = raw_meet(r, false); /* with the number of the first */
    raw_say_type(r, late, PBTS_PEER_INTERESTED);
    assert_true(late->conn < early->conn);
    assert_int_equal(raw_count(r, served, PBTS_PEER_UNCHOKE), 1);
    raw_close(r, served);
    assert_int_equal(raw_count(r, early, PBTS_PEER_UNCHOKE), 1);
    assert_int_equal(raw_count(r, late, PBTS_PEER_UNCHOKE), 0);
    raw_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waited_longest_is_unchoked_first),
        cmocka_unit_test(the_handshake_is_answered_when_the_infohash_is_there),
        cmocka_unit_test(an_outgoing_connection_begins_with_ours),
        cmocka_unit_test(what_is_no_handshake_of_this_torrent_is_closed),
        cmocka_unit_test(who_does_not_shake_hands_in_20_seconds_is_closed),
        cmocka_unit_test(we_are_not_our_own_peer),
        cmocka_unit_test(of_two_connections_with_one_peer_the_older_stays),
        cmocka_unit_test(of_two_crossed_connections_both_sides_keep_the_same),
        cmocka_unit_test(a_hybrid_torrent_answers_to_both_its_names),
        cmocka_unit_test(as_many_connections_as_stated_get_in),
        cmocka_unit_test(eight_connections_of_one_address_get_in_and_any_number_of_loopback),
        cmocka_unit_test(what_breaks_the_protocol_ends_that_connection_and_no_other),
        cmocka_unit_test(what_was_not_agreed_on_ends_the_connection),
        cmocka_unit_test(what_one_has_is_said_first_or_never),
        cmocka_unit_test(messages_that_change_nothing_are_forgiven_up_to_a_limit),
        cmocka_unit_test(unknown_messages_are_passed_over),
        cmocka_unit_test(keep_alives_go_out_and_three_minutes_of_silence_end_it),
        cmocka_unit_test(a_peer_that_does_not_read_is_given_up),
        cmocka_unit_test(interested_peers_are_unchoked_at_once_while_there_are_slots),
        cmocka_unit_test(blocks_are_given_in_the_order_they_were_asked_for),
        cmocka_unit_test(requests_that_cannot_be_met_are_rejected),
        cmocka_unit_test(as_many_requests_as_we_say_are_queued),
        cmocka_unit_test(a_cancelled_request_is_rejected_and_not_given),
        cmocka_unit_test(what_a_choked_peer_asked_for_is_rejected),
        cmocka_unit_test(a_choked_newcomer_may_have_the_pieces_it_is_told_of),
        cmocka_unit_test(the_padding_of_aligned_torrents_is_zeros),
        cmocka_unit_test(no_block_is_given_above_what_the_owner_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
