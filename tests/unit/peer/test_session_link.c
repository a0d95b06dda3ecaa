/* Sessions and receipts: who is served, whole pieces from one peer, connections that end. */
#include "peer/raw_kit.h"

#include "hash/sha.h"
#include "peer/session_parts.h"

static const uint64_t FILES[] = { 1500000 };
enum { PIECE = 65536, PIECES = 23 };

typedef struct {
    swarm_content content;
    swarm *world;
    swarm_node *a, *b, *c; /* two seeders, one leecher; not there yet */
} trio;

/* The world points into it: it stays where it is. */
static void trio_init_of(trio *t, swarm_content content) {
    t->content = content;
    t->world = swarm_new(&t->content, 5, true);
    t->world->delay_us = 5000;
    t->a = swarm_add(t->world, true);
    t->b = swarm_add(t->world, true);
    t->c = swarm_add(t->world, false);
}

static void trio_init(trio *t) {
    trio_init_of(t, swarm_content_new(PBTS_TORRENT_V1, PIECE, FILES, 1));
}

static void trio_free(trio *t) {
    swarm_free(t->world);
    swarm_content_free(&t->content);
}

static void join(swarm_node *node) {
    swarm_join(node);
    node->tracker_ms = UINT64_MAX;
}

static void connect(swarm_node *from, swarm_node *to) {
    assert_true(swarm_connect(from, to));
    swarm_drain(from);
    swarm_drain(to);
}

static uint64_t served(const swarm *world, const swarm_node *from, const swarm_node *to) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < PIECES; i++) bytes += world->served[from->index][to->index][i];
    return bytes;
}

/* ---- who is served ---- */

static raw *raw_with_terms(const trio *t, pbts_legacy_policy legacy) {
    raw *r = raw_new();
    raw_have(r, 0, 8);
    r->config.terms = &t->a->terms;
    r->config.legacy = legacy;
    raw_start(r);
    return r;
}

static raw_peer *meet_with_handshake(raw *r, const char *handshake) {
    raw_peer *peer = raw_open(r);
    raw_say_handshake(r, peer, PBTS_PEER_FEATURE_FAST | PBTS_PEER_FEATURE_EXTENDED);
    if (handshake != NULL) {
        pbts_peer_message message = { .type = PBTS_PEER_EXTENDED,
                                      .extended = { 0, pbts_span_text(handshake) } };
        raw_say(r, peer, &message);
    }
    raw_say_type(r, peer, PBTS_PEER_HAVE_ALL);
    raw_say_type(r, peer, PBTS_PEER_INTERESTED);
    raw_say_type(r, peer, PBTS_PEER_UNCHOKE);
    return peer;
}

static void peers_without_receipts_are_served_by_policy(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    for (int serve = 0; serve < 2; serve++) {
        raw *r = raw_with_terms(&t, serve ? PBTS_LEGACY_SERVE : PBTS_LEGACY_REFUSE);
        raw_peer *old = raw_meet_seed(r, true);
        raw_say_type(r, old, PBTS_PEER_INTERESTED);
        raw_peer *other = meet_with_handshake(r, "d1:md6:ut_pexi1eee");
        raw_peer *peers[] = { old, other };
        for (int i = 0; i < 2; i++) {
            pbts_peer_message request = raw_block(PBTS_PEER_REQUEST, 0, 0, 100);
            raw_say(r, peers[i], &request);
            assert_int_equal(raw_count(r, peers[i], PBTS_PEER_UNCHOKE), serve);
            assert_int_equal(raw_count(r, peers[i], PBTS_PEER_PIECE), serve);
            assert_true(raw_count(r, old, PBTS_PEER_REQUEST) > 0); /* it may give */
            assert_int_equal(raw_heard(r, old, PBTS_PEER_REQUEST, 0)->block.length, 100);
        }
        raw_pass(r, 60000); /* nor in a round of choking */
        for (int i = 0; i < 2; i++) {
            assert_int_equal(raw_count(r, peers[i], PBTS_PEER_UNCHOKE), serve);
        }
        raw_free(r);
    }
    trio_free(&t);
}

static void who_may_still_give_receipts_waits(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    raw *r = raw_with_terms(&t, PBTS_LEGACY_SERVE);
    raw_peer *silent = meet_with_handshake(r, NULL); /* its handshake is still to come */
    raw_peer *magnet = meet_with_handshake(r, "d1:md4:pbtsi3eee"); /* its dictionary is */
    assert_int_equal(raw_count(r, silent, PBTS_PEER_UNCHOKE), 0);
    assert_int_equal(raw_count(r, magnet, PBTS_PEER_UNCHOKE), 0);
    assert_int_equal(raw_count(r, silent, PBTS_PEER_REQUEST), 0);
    assert_int_equal(raw_count(r, magnet, PBTS_PEER_REQUEST), 0);
    pbts_peer_message none = { .type = PBTS_PEER_EXTENDED,
                               .extended = { 0, pbts_span_text("de") } };
    raw_say(r, silent, &none);
    assert_int_equal(raw_count(r, silent, PBTS_PEER_UNCHOKE), 1);
    assert_true(raw_count(r, silent, PBTS_PEER_REQUEST) > 0);
    raw_free(r);
    trio_free(&t);
}

static void a_dictionary_that_is_none_is_refused_and_banned(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    raw *r = raw_with_terms(&t, PBTS_LEGACY_SERVE);
    raw_peer *peer = raw_open(r);
    raw_say_handshake(r, peer, PBTS_PEER_FEATURE_EXTENDED);
    pbts_peer_message bad = { .type = PBTS_PEER_EXTENDED,
                              .extended = { 0, pbts_span_text("d1:md4:pbtsi3ee4:pbtsd1:vi1eee") } };
    raw_say(r, peer, &bad);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, pbts_link_refusal_text(PBTS_LINK_REFUSAL_MALFORMED));
    /* It is told why before it is closed. */
    bool told = false;
    raw_listen(r, peer);
    for (size_t i = 0; i < peer->heard_len; i++) {
        const pbts_peer_extended *message = &peer->heard[i].extended;
        told = told || (peer->heard[i].type == PBTS_PEER_EXTENDED && message->id == 3 &&
                        message->body.data[0] == PBTS_PEER_MSG_REFUSE);
    }
    assert_true(told);
    raw_free(r);
    trio_free(&t);
}

/* It could never be asked for a receipt, and so never be found not to give any. */
static void who_takes_no_messages_about_receipts_goes(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    raw *r = raw_with_terms(&t, PBTS_LEGACY_SERVE);
    raw_peer *peer = raw_open(r);
    uint8_t hello[PBTS_LINK_HELLO_MAX], bytes[PBTS_LINK_HELLO_MAX + 64];
    pbts_link *link;
    const pbts_link_torrent torrent = { .meta = r->content.meta };
    assert_int_equal(pbts_link_new(&link, &t.c->terms, &torrent, r->now), PBTS_OK);
    pbts_writer dictionary = pbts_writer_over(hello, sizeof hello);
    pbts_link_hello(link, &dictionary);
    pbts_link_free(link);
    raw_say_handshake(r, peer, PBTS_PEER_FEATURE_EXTENDED);
    for (int i = 0; i < 2; i++) {
        pbts_writer body = pbts_writer_over(bytes, sizeof bytes);
        pbts_write_text(&body, i == 0 ? "d1:md4:pbtsi3ee4:pbts" : "d1:md4:pbtsi0ee4:pbts");
        pbts_write_bytes(&body, pbts_writer_span(&dictionary));
        pbts_write_text(&body, "e");
        pbts_peer_message message = { .type = PBTS_PEER_EXTENDED,
                                      .extended = { 0, pbts_writer_span(&body) } };
        assert_int_equal(raw_say_status(r, peer, &message), i == 0 ? PBTS_OK : PBTS_MALFORMED);
        assert_int_equal(r->closes, i);
    }
    raw_free(r);
    trio_free(&t);
}

/* Two trackers' users are strangers to each other. */
static void clients_of_another_tracker_are_served_by_policy(void **state) {
    (void)state;
    for (int serve = 0; serve < 2; serve++) {
        trio t;
        trio_init(&t);
        t.a->config.legacy = t.c->config.legacy = serve ? PBTS_LEGACY_SERVE : PBTS_LEGACY_REFUSE;
        memset(t.c->terms.iid, 0x22, sizeof t.c->terms.iid);
        join(t.a);
        join(t.c);
        connect(t.c, t.a);
        swarm_run_ms(t.world, 20000);
        assert_int_equal(t.c->finished, serve);
        assert_true(t.a->refused + t.c->refused > 0);
        if (!serve) assert_true(served(t.world, t.a, t.c) == 0);
        assert_int_equal(swarm_stats(t.a).unreceipted_bytes, 0);
        trio_free(&t);
    }
}

static uint32_t connections(const swarm_node *node) {
    return swarm_stats(node).connections;
}

/* Somebody without a key says the peer id of another, who comes later: that one is let in. */
static void a_peer_id_that_is_said_keeps_nobody_away(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    raw *r = raw_with_terms(&t, PBTS_LEGACY_REFUSE);
    for (int i = 0; i < 3; i++) {
        raw_peer *peer = raw_open(r);
        memset(peer->peer_id, 'x', sizeof peer->peer_id);
        raw_say_handshake(r, peer, PBTS_PEER_FEATURE_EXTENDED);
        raw_pass(r, 1000);
        assert_int_equal(r->closes, 0);
    }
    for (int i = 0; i < 2; i++) { /* who can prove nothing is the same by what it says */
        raw_peer *old = raw_open(r);
        memset(old->peer_id, 'x', sizeof old->peer_id);
        raw_say_handshake(r, old, 0);
        assert_int_equal(r->closes, i);
    }
    assert_string_equal(r->why, "connected twice");
    raw_free(r);
    trio_free(&t);
}

/* Both dial at once: when both connections are proven one of them goes, the same one for both. */
static void two_connections_with_one_key_become_one(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    join(t.a);
    join(t.c);
    t.a->up_bytes_per_s = 300000;
    connect(t.c, t.a);
    connect(t.a, t.c);
    swarm_run_ms(t.world, 2000);
    assert_int_equal(connections(t.a), 1);
    assert_int_equal(connections(t.c), 1);
    swarm_run_ms(t.world, 30000);
    assert_int_equal(t.c->finished, 1);
    trio_free(&t);
}

/* ---- whole pieces ---- */

static void between_peers_with_receipts_blocks_are_large_and_pieces_whole(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    join(t.a);
    join(t.b);
    join(t.c);
    t.a->up_bytes_per_s = 30000000;
    t.b->up_bytes_per_s = 40000000;
    connect(t.c, t.a);
    connect(t.c, t.b);
    swarm_run_ms(t.world, 30000);
    assert_int_equal(t.c->finished, 1);
    assert_true(t.a->largest_block > 16384 || t.b->largest_block > 16384);
    assert_int_equal(swarm_stats(t.c).wasted_bytes, 0);
    for (uint32_t i = 0; i < PIECES; i++) {
        uint32_t of_a = t.world->served[t.a->index][t.c->index][i];
        uint32_t of_b = t.world->served[t.b->index][t.c->index][i];
        assert_true(of_a == 0 || of_b == 0);
        swarm_node *giver = of_a > 0 ? t.a : t.b;
        assert_true(t.world->credited[giver->index][t.c->index][i]);
    }
    assert_true(served(t.world, t.a, t.c) > 0 && served(t.world, t.b, t.c) > 0);
    assert_int_equal(swarm_stats(t.a).unreceipted_bytes + swarm_stats(t.b).unreceipted_bytes, 0);
    trio_free(&t);
}

static void a_piece_is_taken_over_from_one_who_stalls(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    t.a->manner = SWARM_STALLS; /* after 20 blocks */
    join(t.a);
    join(t.b);
    join(t.c);
    t.a->up_bytes_per_s = t.b->up_bytes_per_s = 300000;
    connect(t.c, t.a);
    connect(t.c, t.b);
    swarm_run_ms(t.world, 60000);
    assert_int_equal(t.c->finished, 1);
    assert_true(t.a->blocks_sent >= 20);
    trio_free(&t);
}

static void a_piece_is_taken_over_from_one_who_is_far_too_slow(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    join(t.a);
    join(t.b);
    join(t.c);
    t.a->up_bytes_per_s = 1500; /* a piece in 45 s */
    t.b->up_bytes_per_s = 500000;
    connect(t.c, t.a);
    swarm_run_ms(t.world, 8000);
    connect(t.c, t.b);
    swarm_run_ms(t.world, 25000);
    assert_int_equal(t.c->finished, 1);
    trio_free(&t);
}

/* The receiver loses what it has, after it signed for it: in this claim period the same sender
 * lends it no more than its limit. Another one that comes, at once or late, serves the rest. */
static void who_lends_no_more_is_taken_over_from(void **state) {
    (void)state;
    static const uint64_t ALONE_MS[] = { 0, 90000 };
    enum { LIMIT = 4 * PIECE };
    for (int late = 0; late < 2; late++) {
        trio t;
        trio_init(&t);
        t.a->terms.exposure_max_bytes = LIMIT;
        t.a->up_bytes_per_s = t.b->up_bytes_per_s = 300000;
        join(t.a);
        join(t.b);
        join(t.c);
        connect(t.c, t.a);
        swarm_run_ms(t.world, 20000);
        assert_true(t.c->finished == 1 && t.c->repeats == 0);
        assert_true(served(t.world, t.a, t.c) == FILES[0]);
        swarm_leave(t.c);
        memset(t.c->have, 0, pbts_piece_set_len(PIECES));
        join(t.c);
        connect(t.c, t.a);
        if (!late) connect(t.c, t.b);
        swarm_run_ms(t.world, ALONE_MS[late]);
        if (late) {
            assert_int_equal(t.c->finished, 1); /* of the first time */
            assert_int_equal(t.c->repeats, 1);
            connect(t.c, t.b);
        }
        swarm_run_ms(t.world, 60000);
        assert_int_equal(t.c->finished, 2);
        assert_int_equal(t.c->repeats, 1);
        uint64_t again = served(t.world, t.a, t.c) - FILES[0];
        assert_true(again > 0 && again <= LIMIT);
        assert_true(served(t.world, t.b, t.c) >= FILES[0] - LIMIT);
        assert_int_equal(t.a->refused + t.b->refused + t.c->refused, 0); /* nobody cheated */
        assert_int_equal(swarm_stats(t.b).unreceipted_bytes, 0);
        trio_free(&t);
    }
}

/* ---- cheats, and ends ---- */

static void who_gives_no_receipt_gets_one_piece_and_is_banned(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    t.c->manner = SWARM_NO_RECEIPTS;
    join(t.a);
    join(t.c);
    connect(t.c, t.a);
    swarm_run_ms(t.world, 120000);
    assert_true(served(t.world, t.a, t.c) <= 2 * PIECE);
    assert_int_equal(t.a->refused, 1);
    assert_string_equal(t.a->last_close, pbts_link_refusal_text(PBTS_LINK_REFUSAL_NO_RECEIPT));
    assert_int_equal(t.c->finished, 0);
    assert_false(swarm_connect(t.c, t.a));
    trio_free(&t);
}

/* The receiver, which signs for every piece, goes at any time. Receipts that came and were not
 * checked yet are then, and count. */
static void receipts_are_stored_after_the_connection_is_over(void **state) {
    (void)state;
    uint32_t late = 0;
    for (uint64_t ms = 600; ms < 1800; ms += 60) {
        trio t;
        trio_init(&t);
        t.a->up_bytes_per_s = 1000000; /* no more than it lends, or it would check them at once */
        t.c->terms.schedule = PBTS_SCHEDULE_PAPER;
        join(t.a);
        join(t.c);
        connect(t.c, t.a);
        swarm_run_ms(t.world, ms);
        swarm_leave(t.c);
        late += t.a->receipts_late;
        pbts_session_stats stats = swarm_stats(t.a);
        assert_int_equal(stats.connections, 0);
        assert_int_equal(stats.receipts_taken, t.a->receipts);
        trio_free(&t);
    }
    assert_true(late > 0);
}

/* A connection that breaks leaves debts; the next one settles them. */
static void debts_are_paid_on_the_next_connection(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    join(t.a);
    join(t.c);
    t.a->up_bytes_per_s = 200000;
    for (int i = 0; i < 6; i++) {
        connect(t.c, t.a);
        swarm_run_ms(t.world, 1700 + 130 * (uint64_t)i);
        if (t.c->conns[1].wire >= 0) swarm_cut(t.world, (uint32_t)t.c->conns[1].wire);
        swarm_run_ms(t.world, 100);
    }
    connect(t.c, t.a);
    swarm_run_ms(t.world, 40000);
    assert_int_equal(t.c->finished, 1);
    uint64_t unpaid = 0;
    for (uint32_t i = 0; i < PIECES; i++) {
        if (t.world->credited[t.a->index][t.c->index][i]) continue;
        unpaid += t.world->served[t.a->index][t.c->index][i];
    }
    assert_int_equal(unpaid, 0);
    trio_free(&t);
}

/* One gives three quarters of a piece and goes; another gives the rest. The first is paid for it:
 * when it comes back, or at once when it is back already and gives nothing any more. */
static void who_gave_most_of_a_piece_and_left_is_paid(void **state) {
    (void)state;
    for (int early = 0; early < 2; early++) {
        trio t;
        trio_init(&t);
        join(t.a);
        join(t.b);
        join(t.c);
        t.a->up_bytes_per_s = 20000;
        connect(t.c, t.a);
        uint32_t piece = PIECES, *of_a = t.world->served[t.a->index][t.c->index];
        while (piece == PIECES) {
            swarm_run_ms(t.world, 100);
            for (piece = 0; piece < PIECES; piece++) {
                if (of_a[piece] >= 3 * 16384 && of_a[piece] < PIECE) break;
            }
        }
        swarm_run_ms(t.world, 50);
        swarm_cut(t.world, (uint32_t)t.c->conns[1].wire);
        if (early) {
            t.a->manner = SWARM_STALLS;
            t.a->blocks_sent = 20; /* it is there, and gives no more */
            connect(t.c, t.a);
            swarm_run_ms(t.world, 1000);
        }
        connect(t.c, t.b);
        swarm_run_ms(t.world, 9000);
        assert_int_equal(t.c->finished, 1);
        assert_true(of_a[piece] < PIECE);
        assert_false(t.world->credited[t.b->index][t.c->index][piece]);
        if (!early) {
            assert_false(t.world->credited[t.a->index][t.c->index][piece]);
            connect(t.c, t.a);
        }
        swarm_run_ms(t.world, 5000);
        assert_true(t.world->credited[t.a->index][t.c->index][piece]);
        assert_int_equal(t.a->refused + t.b->refused + t.c->refused, 0);
        trio_free(&t);
    }
}

/* Pieces of three blocks of padding and one of a file, which is what a piece is worth. */
static swarm_content padded_content(void) {
    enum { FILE_BYTES = 16384, PAD_BYTES = PIECE - FILE_BYTES };
    swarm_content content = { .stream = calloc(PIECES, PIECE) };
    uint8_t *bytes = malloc(8192), hash[PBTS_SHA1_LEN];
    char entry[128];
    assert_true(content.stream != NULL && bytes != NULL);
    pbts_writer writer = pbts_writer_over(bytes, 8192);
    pbts_write_text(&writer, "d4:infod5:filesl");
    for (uint32_t i = 0; i < PIECES; i++) {
        (void)snprintf(entry, sizeof entry,
                       "d4:attr1:p6:lengthi%de4:pathl4:.pad3:p%02ueed6:lengthi%de4:pathl2:%02uee",
                       PAD_BYTES, (unsigned)i, FILE_BYTES, (unsigned)i);
        pbts_write_text(&writer, entry);
        memset(content.stream + (size_t)i * PIECE + PAD_BYTES, (int)i + 1, FILE_BYTES);
    }
    (void)snprintf(entry, sizeof entry, "e4:name7:content12:piece lengthi%de6:pieces%d:", PIECE,
                   PIECES * PBTS_SHA1_LEN);
    pbts_write_text(&writer, entry);
    for (uint32_t i = 0; i < PIECES; i++) {
        pbts_sha1(hash, (pbts_span){ content.stream + (size_t)i * PIECE, PIECE });
        pbts_write_bytes(&writer, PBTS_SPAN_OF(hash));
    }
    pbts_write_text(&writer, "7:privatei1eee");
    assert_int_equal(
        pbts_metainfo_parse(&content.meta, NULL, pbts_mem_system(), pbts_writer_span(&writer)),
        PBTS_OK);
    free(bytes);
    return content;
}

/* Zeros are had for nothing: who gives the padding of a piece is not credited with what another
 * gives. */
static void padding_is_worth_no_receipt(void **state) {
    (void)state;
    trio t;
    trio_init_of(&t, padded_content());
    join(t.a);
    join(t.b);
    join(t.c);
    t.a->up_bytes_per_s = 20000;
    connect(t.c, t.a);
    uint32_t piece = PIECES, *of_a = t.world->served[t.a->index][t.c->index];
    while (piece == PIECES) {
        swarm_run_ms(t.world, 100);
        for (piece = 0; piece < PIECES && of_a[piece] != 3 * 16384; piece++) continue;
    }
    swarm_run_ms(t.world, 50);
    swarm_cut(t.world, (uint32_t)t.c->conns[1].wire);
    connect(t.c, t.b);
    swarm_run_ms(t.world, 9000);
    assert_int_equal(t.c->finished, 1);
    connect(t.c, t.a);
    swarm_run_ms(t.world, 5000);
    assert_int_equal(of_a[piece], 3 * 16384);
    assert_true(t.world->credited[t.b->index][t.c->index][piece]);
    assert_false(t.world->credited[t.a->index][t.c->index][piece]);
    trio_free(&t);
}

static void stopping_signs_for_everything(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    join(t.a);
    join(t.c);
    t.a->up_bytes_per_s = 300000;
    connect(t.c, t.a);
    swarm_run_ms(t.world, 3000);
    assert_int_equal(t.c->finished, 0);
    pbts_session_stop(t.c->session, swarm_now(t.world));
    swarm_drain(t.c);
    swarm_run_ms(t.world, 1000);
    const uint8_t *have = pbts_session_have(t.c->session).data;
    uint32_t pieces = 0;
    for (uint32_t i = 0; i < PIECES; i++) {
        if (!pbts_piece_set_has(have, i)) continue;
        assert_true(t.world->credited[t.a->index][t.c->index][i]);
        pieces++;
    }
    assert_true(pieces > 2);
    trio_free(&t);
}

/* Pieces that `to` has whole from `from` and that no receipt at `from` names. */
static uint32_t unpaid(const trio *t, const swarm_node *from, const swarm_node *to) {
    const uint8_t *have = pbts_session_have(to->session).data;
    uint32_t count = 0;
    for (uint32_t i = 0; i < PIECES; i++) {
        count += pbts_piece_set_has(have, i) && !t->world->credited[from->index][to->index][i];
    }
    return count;
}

/* Its seeder hears of it late, and what it sent until then makes pieces whole. */
static void who_stops_fetching_signs_for_what_was_under_way(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    join(t.a);
    join(t.c);
    t.a->up_bytes_per_s = 300000;
    connect(t.c, t.a);
    for (int i = 0; i < 900 && served(t.world, t.a, t.c) < 12 * PIECE; i++)
        swarm_run_ms(t.world, 10);
    assert_false(pbts_session_is_owed(t.c->session));
    pbts_session_stop(t.c->session, swarm_now(t.world));
    swarm_drain(t.c);
    assert_true(pbts_session_is_owed(t.c->session));
    uint64_t before = served(t.world, t.a, t.c);
    for (int i = 0; i < 100 && pbts_session_is_owed(t.c->session); i++) swarm_run_ms(t.world, 10);
    assert_false(pbts_session_is_owed(t.c->session));
    assert_true(served(t.world, t.a, t.c) < before + 2 * PIECE);
    swarm_run_ms(t.world, 200);
    assert_int_equal(unpaid(&t, t.a, t.c), 0);
    assert_int_equal(t.a->refused + t.c->refused, 0);
    trio_free(&t);
}

static void who_stops_serving_asks_for_what_is_owed(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    join(t.a);
    join(t.c);
    t.a->up_bytes_per_s = 300000;
    connect(t.c, t.a);
    for (int i = 0; i < 300 && unpaid(&t, t.a, t.c) < 2; i++) swarm_run_ms(t.world, 10);
    assert_true(unpaid(&t, t.a, t.c) >= 2);
    assert_true(pbts_session_is_owed(t.a->session));
    pbts_session_stop(t.a->session, swarm_now(t.world));
    swarm_drain(t.a);
    swarm_run_ms(t.world, 200); /* long before anybody signs or asks by himself */
    assert_false(pbts_session_is_owed(t.a->session));
    assert_int_equal(unpaid(&t, t.a, t.c), 0);
    uint64_t before = served(t.world, t.a, t.c);
    swarm_run_ms(t.world, 3000);
    assert_true(served(t.world, t.a, t.c) == before);
    assert_int_equal(t.a->refused + t.c->refused, 0);
    trio_free(&t);
}

/* Two that have everything stay until what is owed is paid. */
static void who_owes_is_not_parted_from(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    join(t.a);
    join(t.c);
    connect(t.c, t.a);
    swarm_run_ms(t.world, 5000);
    assert_int_equal(t.c->finished, 1);
    swarm_run_ms(t.world, 20000);
    assert_int_equal(swarm_stats(t.a).connections, 0);
    assert_string_equal(t.a->last_close, "both have everything");
    assert_true(served(t.world, t.a, t.c) == 1500000);
    for (uint32_t i = 0; i < PIECES; i++) {
        assert_true(t.world->credited[t.a->index][t.c->index][i]);
    }
    trio_free(&t);
}

static void a_new_ticket_is_told_to_all(void **state) {
    (void)state;
    trio t;
    trio_init(&t);
    raw *r = raw_with_terms(&t, PBTS_LEGACY_REFUSE);
    raw_peer *peer = meet_with_handshake(r, "d1:md4:pbtsi3eee");
    size_t before = raw_count(r, peer, PBTS_PEER_EXTENDED);
    pbts_session_terms_changed(r->session, r->now);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_EXTENDED), before + 1);
    raw_free(r);
    trio_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_without_receipts_are_served_by_policy),
        cmocka_unit_test(a_peer_id_that_is_said_keeps_nobody_away),
        cmocka_unit_test(two_connections_with_one_key_become_one),
        cmocka_unit_test(who_takes_no_messages_about_receipts_goes),
        cmocka_unit_test(who_may_still_give_receipts_waits),
        cmocka_unit_test(a_dictionary_that_is_none_is_refused_and_banned),
        cmocka_unit_test(clients_of_another_tracker_are_served_by_policy),
        cmocka_unit_test(between_peers_with_receipts_blocks_are_large_and_pieces_whole),
        cmocka_unit_test(a_piece_is_taken_over_from_one_who_stalls),
        cmocka_unit_test(a_piece_is_taken_over_from_one_who_is_far_too_slow),
        cmocka_unit_test(who_lends_no_more_is_taken_over_from),
        cmocka_unit_test(who_gives_no_receipt_gets_one_piece_and_is_banned),
        cmocka_unit_test(receipts_are_stored_after_the_connection_is_over),
        cmocka_unit_test(debts_are_paid_on_the_next_connection),
        cmocka_unit_test(who_gave_most_of_a_piece_and_left_is_paid),
        cmocka_unit_test(padding_is_worth_no_receipt),
        cmocka_unit_test(stopping_signs_for_everything),
        cmocka_unit_test(who_stops_fetching_signs_for_what_was_under_way),
        cmocka_unit_test(who_stops_serving_asks_for_what_is_owed),
        cmocka_unit_test(who_owes_is_not_parted_from),
        cmocka_unit_test(a_new_ticket_is_told_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
