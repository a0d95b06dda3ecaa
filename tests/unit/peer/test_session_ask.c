/* A session that downloads from hand-made peers: what it asks of whom, and what it makes of the
 * answers. */
#include "peer/raw_kit.h"

#include "peer/session_parts.h"

/* How often a block was asked of this peer since it was last cleared. */
static size_t asked(raw *r, raw_peer *peer, uint32_t piece, uint32_t begin) {
    size_t count = 0;
    raw_listen(r, peer);
    for (size_t i = 0; i < peer->heard_len; i++) {
        const pbts_peer_message *message = &peer->heard[i];
        count += message->type == PBTS_PEER_REQUEST && message->block.index == piece &&
                 message->block.begin == begin;
    }
    return count;
}

static const pbts_peer_block *request(raw *r, raw_peer *peer, size_t n) {
    const pbts_peer_message *message = raw_heard(r, peer, PBTS_PEER_REQUEST, n);
    assert_non_null(message);
    return &message->block;
}

static pbts_session_stats stats(const raw *r) {
    pbts_session_stats out;
    pbts_session_stats_read(r->session, &out);
    return out;
}

/* One large piece, so that who is asked for what is easy to see: four blocks, all of them asked. */
static raw *raw_new_one_piece(void) {
    static const uint64_t files[] = { RAW_PIECE };
    return raw_new_of(PBTS_TORRENT_V1, files, 1);
}

static void interest_follows_what_a_peer_has(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 4);
    raw_start(r);
    raw_peer *peer = raw_meet(r, false);
    raw_say_piece(r, peer, PBTS_PEER_HAVE, 2);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_INTERESTED), 0);
    raw_say_piece(r, peer, PBTS_PEER_HAVE, 6);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_INTERESTED), 1);
    raw_say_type(r, peer, PBTS_PEER_UNCHOKE);
    assert_int_equal(raw_give_all(r, peer), 4);
    assert_int_equal(r->completed, 1);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_NOT_INTERESTED), 1);
    assert_int_equal(raw_heard(r, peer, PBTS_PEER_HAVE, 0)->piece_index, 6);
    raw_free(r);
}

static void a_piece_is_asked_whole_of_one_peer(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false), *b = raw_meet_seed(r, true);
    raw_peer *both[] = { a, b };
    uint32_t pieces[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(raw_count(r, both[i], PBTS_PEER_REQUEST), 4);
        pieces[i] = request(r, both[i], 0)->index;
        for (uint32_t block = 0; block < 4 && pieces[i] != 8; block++) {
            assert_int_equal(request(r, both[i], block)->index, pieces[i]);
            assert_int_equal(request(r, both[i], block)->begin, block * RAW_BLOCK);
            assert_int_equal(request(r, both[i], block)->length, RAW_BLOCK);
        }
    }
    assert_int_not_equal(pieces[0], pieces[1]);
    for (size_t given = 1; given > 0;) {
        given = raw_give_all(r, b);
        given += raw_give_all(r, a);
    }
    assert_int_equal(r->finished, 1);
    assert_int_equal(r->completed, 9);
    /* Who has given nothing yet is helped with its one piece in the end. */
    assert_true(stats(r).wasted_bytes <= RAW_PIECE);
    assert_true(stats(r).finished && stats(r).left_bytes == 0);
    raw_free(r);
}

static void nothing_is_asked_before_it_is_allowed_or_of_who_has_nothing(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *poor = raw_meet(r, false), *closed = raw_meet(r, false);
    raw_say_type(r, poor, PBTS_PEER_UNCHOKE);
    raw_say_type(r, closed, PBTS_PEER_HAVE_ALL);
    assert_int_equal(raw_count(r, poor, PBTS_PEER_REQUEST), 0);
    assert_int_equal(raw_count(r, closed, PBTS_PEER_REQUEST), 0);
    assert_int_equal(r->opened, 0);
    raw_free(r);
}

static void the_rarest_piece_is_begun_after_the_first_few(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 4);
    raw_start(r);
    raw_peer *seed = raw_meet(r, false);
    for (int i = 0; i < 3; i++) {
        raw_peer *other = raw_meet(r, false);
        for (uint32_t piece = 0; piece < 9; piece++) {
            if (piece != 6) raw_say_piece(r, other, PBTS_PEER_HAVE, piece);
        }
    }
    raw_say_type(r, seed, PBTS_PEER_HAVE_ALL);
    raw_say_type(r, seed, PBTS_PEER_UNCHOKE);
    assert_int_equal(request(r, seed, 0)->index, 6);
    raw_free(r);
}

static void a_suggested_piece_comes_first(void **state) {
    (void)state;
    for (uint32_t piece = 0; piece < 8; piece++) {
        raw *r = raw_new();
        raw_start(r);
        raw_peer *seed = raw_meet(r, false);
        raw_say_type(r, seed, PBTS_PEER_HAVE_ALL);
        raw_say_piece(r, seed, PBTS_PEER_SUGGEST, piece);
        raw_say_type(r, seed, PBTS_PEER_UNCHOKE);
        assert_int_equal(request(r, seed, 0)->index, piece);
        raw_free(r);
    }
}

static void while_choked_only_what_is_allowed_is_asked_for(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *seed = raw_meet(r, false);
    raw_say_type(r, seed, PBTS_PEER_HAVE_ALL);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 0);
    raw_say_piece(r, seed, PBTS_PEER_ALLOWED_FAST, 5);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 4);
    for (size_t i = 0; i < 4; i++) assert_int_equal(request(r, seed, i)->index, 5);
    assert_int_equal(raw_give_all(r, seed), 4);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 0);
    /* What it has not got, it may allow for long. */
    raw_peer *poor = raw_meet(r, false);
    raw_say_piece(r, poor, PBTS_PEER_ALLOWED_FAST, 6);
    assert_int_equal(raw_count(r, poor, PBTS_PEER_REQUEST), 0);
    raw_say_piece(r, poor, PBTS_PEER_HAVE, 6);
    assert_int_equal(raw_count(r, poor, PBTS_PEER_REQUEST), 4);
    raw_free(r);
}

static void what_a_peer_chokes_on_is_asked_of_another(void **state) {
    (void)state;
    for (int old = 0; old < 2; old++) {
        raw *r = raw_new_one_piece();
        raw_start(r);
        raw_peer *a = raw_meet_seed(r, old), *b = raw_meet(r, old);
        pbts_peer_block block = *request(r, a, 0);
        assert_false(raw_give(r, a, &block));
        raw_say_type(r, a, PBTS_PEER_CHOKE);
        raw_say_piece(r, b, PBTS_PEER_HAVE, 0);
        raw_say_type(r, b, PBTS_PEER_UNCHOKE);
        assert_int_equal(raw_count(r, b, PBTS_PEER_REQUEST), 3);
        assert_int_equal(asked(r, b, 0, 0), 0);
        /* One that was under way is taken; b, who is asked for it, is told. */
        block = (pbts_peer_block){ 0, RAW_BLOCK, RAW_BLOCK };
        assert_false(raw_give(r, a, &block));
        assert_int_equal(raw_count(r, b, PBTS_PEER_CANCEL), 1);
        raw_clear(r, b);
        for (uint32_t i = 2; i < 4; i++) {
            block.begin = i * RAW_BLOCK;
            assert_false(raw_give(r, b, &block));
        }
        assert_int_equal(r->completed, 1);
        assert_int_equal(r->closes, 0);
        raw_free(r);
    }
}

static void who_chokes_and_unchokes_is_asked_again(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *seed = raw_meet_seed(r, false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 4);
        raw_clear(r, seed);
        raw_say_type(r, seed, PBTS_PEER_CHOKE);
        for (uint32_t block = 0; block < 4; block++) {
            pbts_peer_message reject = raw_block(PBTS_PEER_REJECT, 0, block * RAW_BLOCK, RAW_BLOCK);
            raw_say(r, seed, &reject);
        }
        raw_say_type(r, seed, PBTS_PEER_UNCHOKE);
    }
    assert_int_equal(raw_give_all(r, seed), 4);
    assert_int_equal(r->finished, 1);
    assert_int_equal(r->closes, 0);
    raw_free(r);
}

/* A reject without a choke: the peer is left alone for a while, and others are asked. */
static void who_rejects_is_not_asked_again_at_once(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false);
    raw_clear(r, a);
    for (uint32_t block = 0; block < 4; block++) {
        pbts_peer_message reject = raw_block(PBTS_PEER_REJECT, 0, block * RAW_BLOCK, RAW_BLOCK);
        raw_say(r, a, &reject);
    }
    assert_int_equal(raw_count(r, a, PBTS_PEER_REQUEST), 0);
    raw_peer *b = raw_meet_seed(r, false);
    assert_int_equal(raw_count(r, b, PBTS_PEER_REQUEST), 4);
    raw_close(r, b);
    assert_int_equal(raw_count(r, a, PBTS_PEER_REQUEST), 0);
    raw_pass(r, PBTS_PAUSE_MS + PBTS_TICK_MS);
    assert_int_equal(raw_count(r, a, PBTS_PEER_REQUEST), 4);
    raw_free(r);
}

static void a_piece_of_one_who_leaves_goes_on_with_another(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false);
    pbts_peer_block block = { 0, 0, RAW_BLOCK };
    assert_false(raw_give(r, a, &block));
    raw_peer *b = raw_meet_seed(r, false);
    raw_close(r, a);
    assert_true(asked(r, b, 0, RAW_BLOCK) >= 1);
    while (raw_give_all(r, b) > 0) continue;
    assert_int_equal(r->finished, 1);
    assert_int_equal(r->opened, 1);
    raw_free(r);
}

/* A leaves in the middle of a block: its half is written over by what b gives. */
static void half_a_block_is_no_block(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false), *b = raw_meet_seed(r, false);
    pbts_peer_message piece = raw_block(PBTS_PEER_PIECE, 0, 0, RAW_BLOCK);
    raw_say(r, a, &piece);
    pbts_session_payload_taken(r->session, a->conn, 9000, r->now);
    /* Meanwhile nobody else may write there. */
    pbts_peer_block first = { 0, 0, RAW_BLOCK };
    if (asked(r, b, 0, 0) > 0) assert_true(raw_give(r, b, &first));
    raw_close(r, a);
    while (raw_give_all(r, b) > 0) continue;
    assert_int_equal(r->finished, 1);
    raw_free(r);
}

static void one_who_stalls_loses_the_piece_to_one_who_idles(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false);
    pbts_peer_message piece = raw_block(PBTS_PEER_PIECE, 0, 0, RAW_BLOCK);
    raw_say(r, a, &piece);
    pbts_session_payload_taken(r->session, a->conn, 9000, r->now);
    raw_peer *b = raw_meet_seed(r, false);
    raw_clear(r, b); /* in the endgame it is asked too; that is not what this is about */
    raw_pass(r, PBTS_STALL_MS + 2 * PBTS_TICK_MS);
    pbts_payload payload;
    assert_true(pbts_session_payload(r->session, a->conn, &payload));
    assert_int_equal(payload.left_bytes, RAW_BLOCK - 9000);
    for (uint32_t i = 1; i < 4; i++) {
        pbts_peer_block block = { 0, i * RAW_BLOCK, RAW_BLOCK };
        assert_false(raw_give(r, b, &block));
    }
    raw_pass(r, 2 * PBTS_TICK_MS);
    assert_int_equal(raw_give_all(r, b), 1);
    assert_int_equal(r->finished, 1);
    assert_true(pbts_session_payload(r->session, a->conn, &payload));
    assert_true(payload.discard);
    raw_free(r);
}

static void in_the_endgame_two_are_asked_and_the_slower_is_told(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false), *b = raw_meet_seed(r, false),
             *c = raw_meet_seed(r, false);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(asked(r, a, 0, i * RAW_BLOCK) + asked(r, b, 0, i * RAW_BLOCK) +
                             asked(r, c, 0, i * RAW_BLOCK),
                         2);
    }
    assert_int_equal(raw_count(r, b, PBTS_PEER_REQUEST), 4);
    raw_clear(r, a);
    pbts_peer_block block = { 0, 2 * RAW_BLOCK, RAW_BLOCK };
    assert_false(raw_give(r, b, &block));
    assert_int_equal(raw_count(r, a, PBTS_PEER_CANCEL), 1);
    assert_int_equal(raw_heard(r, a, PBTS_PEER_CANCEL, 0)->block.begin, 2 * RAW_BLOCK);
    assert_true(raw_give(r, a, &block)); /* it was on its way */
    assert_int_equal(stats(r).wasted_bytes, RAW_BLOCK);
    for (uint32_t i = 0; i < 4; i++) {
        block.begin = i * RAW_BLOCK;
        if (i != 2) assert_false(raw_give(r, a, &block));
    }
    assert_int_equal(r->finished, 1);
    raw_free(r);
}

static void unasked_blocks_are_passed_over_and_too_many_are_not(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *peer = raw_meet(r, false);
    pbts_peer_block block = { 0, 0, RAW_BLOCK };
    for (int i = 0; i < PBTS_UNASKED_BLOCKS_MAX; i++) assert_true(raw_give(r, peer, &block));
    assert_int_equal(r->closes, 0);
    assert_int_equal(stats(r).downloaded_bytes, 0);
    pbts_peer_message piece = raw_block(PBTS_PEER_PIECE, 0, 0, RAW_BLOCK);
    assert_int_equal(raw_say_status(r, peer, &piece), PBTS_LIMIT);
    assert_int_equal(r->closes, 1);
    raw_free(r);
}

/* ---- wrong pieces ---- */

static void who_sends_a_whole_piece_wrong_is_banned(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *liar = raw_meet_seed(r, false);
    r->accept_pieces = false;
    (void)raw_give_all(r, liar);
    while (r->completed == 0) (void)raw_give_all(r, liar);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "sent a piece with a wrong hash");
    raw_close(r, liar);
    pbts_conn conn;
    pbts_addr addr = raw_addr(1), dialed;
    addr.port = 999;
    assert_int_equal(pbts_session_opened(r->session, &conn, &addr, false, r->now), PBTS_DENIED);
    pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_TRACKER, r->now);
    assert_false(pbts_session_next_dial(r->session, &dialed, r->now));
    /* The piece is asked of another. */
    r->accept_pieces = true;
    raw_peer *honest = raw_meet_seed(r, false);
    while (raw_give_all(r, honest) > 0) continue;
    assert_int_equal(r->finished, 1);
    raw_free(r);
}

/* Of two who shared a wrong piece nobody is banned at once; the next time one alone is asked. */
static void a_piece_that_two_gave_wrong_is_asked_of_one(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false), *b = raw_meet_seed(r, false);
    pbts_peer_block block = { 0, 0, RAW_BLOCK };
    r->accept_pieces = false;
    assert_false(raw_give(r, b, &block));
    raw_clear(r, b);
    for (uint32_t i = 1; i < 4; i++) {
        block.begin = i * RAW_BLOCK;
        raw_clear(r, a);
        raw_clear(r, b);
        assert_false(raw_give(r, a, &block));
    }
    assert_int_equal(r->completed, 1);
    assert_int_equal(r->closes, 0);
    size_t of_a = raw_count(r, a, PBTS_PEER_REQUEST), of_b = raw_count(r, b, PBTS_PEER_REQUEST);
    assert_int_equal(of_a + of_b, 4);
    assert_true(of_a == 0 || of_b == 0);
    raw_peer *alone = of_a > 0 ? a : b;
    (void)raw_give_all(r, alone);
    assert_int_equal(r->completed, 2);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "sent a piece with a wrong hash");
    raw_free(r);
}

/* Liars begin pieces, each with a wrong block, and go; an honest peer gives the rest, and later the
 * whole pieces alone. It must not be the one that is banned. */
static void who_gives_the_rest_of_wrong_pieces_is_not_banned(void **state) {
    enum { LIARS = 6 };
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    for (uint32_t i = 0; i < LIARS; i++) {
        raw_peer *liar = raw_meet(r, false);
        raw_say_piece(r, liar, PBTS_PEER_HAVE, i);
        raw_say_type(r, liar, PBTS_PEER_UNCHOKE);
        assert_int_equal(request(r, liar, 0)->index, i);
        pbts_peer_block block = { i, 0, RAW_BLOCK };
        assert_false(raw_give(r, liar, &block));
        raw_close(r, liar);
    }
    raw_peer *honest = raw_meet_seed(r, false);
    while (r->finished == 0) {
        pbts_peer_block asked[64];
        size_t count = raw_count(r, honest, PBTS_PEER_REQUEST);
        assert_true(count > 0 && count <= 64);
        for (size_t i = 0; i < count; i++) asked[i] = *request(r, honest, i);
        raw_clear(r, honest);
        for (size_t i = 0; i < count; i++) {
            r->accept_pieces = r->completed >= LIARS; /* what was begun comes first */
            (void)raw_give(r, honest, &asked[i]);
            assert_int_equal(r->closes, 0);
        }
    }
    assert_int_equal(r->finished, 1);
    raw_free(r);
}

/* ---- the owner's disk, and what the user wants ---- */

static void a_piece_that_could_not_be_written_is_here_when_it_was(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *seed = raw_meet_seed(r, false);
    r->written = false;
    assert_int_equal(raw_give_all(r, seed), 4);
    assert_int_equal(r->completed, 1);
    assert_int_equal(r->closes, 0);
    raw_pass(r, 300 * 1000);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 0);
    assert_int_equal(r->finished, 0);
    pbts_session_piece_written(r->session, 0, true, r->now);
    raw_drain(r);
    assert_int_equal(r->finished, 1);
    raw_free(r);
}

static void a_piece_that_could_not_be_written_may_be_given_up(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *seed = raw_meet_seed(r, false);
    r->written = false;
    assert_int_equal(raw_give_all(r, seed), 4);
    pbts_session_piece_written(r->session, 0, false, r->now);
    r->written = true;
    assert_int_equal(raw_give_all(r, seed), 4);
    assert_int_equal(r->finished, 1);
    assert_int_equal(r->opened, 2);
    raw_free(r);
}

static void only_what_is_wanted_is_asked_for(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    const uint8_t wanted[2] = { 0x14, 0x80 }; /* 3, 5 and 8 */
    assert_int_equal(pbts_session_set_wanted(r->session, PBTS_SPAN_OF(wanted), r->now), PBTS_OK);
    raw_peer *poor = raw_meet(r, false), *seed = raw_meet_seed(r, false);
    raw_say_piece(r, poor, PBTS_PEER_HAVE, 4);
    assert_int_equal(raw_count(r, poor, PBTS_PEER_INTERESTED), 0);
    while (raw_give_all(r, seed) > 0) continue;
    assert_int_equal(r->completed, 3);
    assert_int_equal(r->finished, 1);
    assert_memory_equal(pbts_session_have(r->session).data, wanted, 2);
    /* More is wanted after all. */
    assert_int_equal(pbts_session_set_wanted(r->session, (pbts_span){ NULL, 0 }, r->now), PBTS_OK);
    raw_drain(r);
    assert_int_equal(raw_count(r, poor, PBTS_PEER_INTERESTED), 1);
    while (raw_give_all(r, seed) > 0) continue;
    assert_int_equal(r->completed, 9);
    assert_int_equal(r->finished, 2);
    const uint8_t bad[2] = { 0, 0x40 };
    assert_int_equal(pbts_session_set_wanted(r->session, PBTS_SPAN_OF(bad), r->now),
                     PBTS_MALFORMED);
    raw_free(r);
}

static void what_is_not_wanted_any_more_is_dropped(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *seed = raw_meet_seed(r, false);
    uint32_t piece = request(r, seed, 0)->index;
    size_t requests = raw_count(r, seed, PBTS_PEER_REQUEST);
    uint8_t wanted[2] = { 0, 0 };
    pbts_piece_set_add(wanted, piece == 0 ? 1 : 0);
    assert_int_equal(pbts_session_set_wanted(r->session, PBTS_SPAN_OF(wanted), r->now), PBTS_OK);
    raw_drain(r);
    assert_int_equal(r->dropped, r->opened - 1);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_CANCEL), requests);
    raw_free(r);
}

static void a_seeder_only_asks_for_nothing(void **state) {
    (void)state;
    raw *r = raw_new();
    r->config.seed_only = true;
    raw_start(r);
    raw_peer *seed = raw_meet_seed(r, false);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_INTERESTED), 0);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 0);
    raw_free(r);
}

/* Four slots, each with a piece that nobody here can finish; a newcomer has another one. */
static void pieces_that_nobody_can_finish_make_room(void **state) {
    (void)state;
    raw *r = raw_new();
    r->config.open_bytes_max = 1;
    raw_start(r);
    for (uint32_t i = 0; i < 4; i++) {
        raw_peer *peer = raw_meet(r, false);
        raw_say_piece(r, peer, PBTS_PEER_HAVE, i);
        raw_say_type(r, peer, PBTS_PEER_UNCHOKE);
        pbts_peer_block block = { i, 0, RAW_BLOCK };
        assert_false(raw_give(r, peer, &block));
        raw_close(r, peer);
    }
    assert_int_equal(stats(r).open_pieces, 4);
    raw_peer *peer = raw_meet(r, false);
    raw_say_piece(r, peer, PBTS_PEER_HAVE, 7);
    raw_say_type(r, peer, PBTS_PEER_UNCHOKE);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_REQUEST), 0);
    raw_pass(r, 3000);
    assert_int_equal(r->dropped, 1);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_REQUEST), 4);
    assert_int_equal(raw_give_all(r, peer), 4);
    assert_int_equal(r->completed, 1);
    raw_free(r);
}

/* ---- limits ---- */

static void no_piece_is_begun_while_many_bytes_wait_for_their_hash(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false), *b = raw_meet_seed(r, false);
    assert_int_equal(raw_count(r, a, PBTS_PEER_REQUEST), 4);
    assert_int_equal(raw_count(r, b, PBTS_PEER_REQUEST), 4);
    r->session->checking_bytes = PBTS_CHECKING_BYTES_MAX + 1;
    assert_int_equal(raw_give_all(r, a), 4);
    assert_int_equal(r->completed, 1);
    assert_int_equal(raw_count(r, a, PBTS_PEER_REQUEST), 0);
    r->session->checking_bytes = PBTS_CHECKING_BYTES_MAX;
    assert_int_equal(raw_give_all(r, b), 4); /* and what waited is asked for again */
    assert_true(raw_count(r, a, PBTS_PEER_REQUEST) + raw_count(r, b, PBTS_PEER_REQUEST) >= 4);
    r->session->checking_bytes = 0;
    while (raw_give_all(r, a) + raw_give_all(r, b) > 0) continue;
    assert_int_equal(r->finished, 1);
    raw_free(r);
}

static raw_peer *meet_seed_that_says(raw *r, const char *extended_handshake) {
    raw_peer *seed = raw_open(r);
    raw_say_handshake(r, seed, PBTS_PEER_FEATURE_FAST | PBTS_PEER_FEATURE_EXTENDED);
    pbts_peer_message message = { .type = PBTS_PEER_EXTENDED,
                                  .extended = { 0, pbts_span_text(extended_handshake) } };
    raw_say(r, seed, &message);
    raw_say_type(r, seed, PBTS_PEER_HAVE_ALL);
    raw_say_type(r, seed, PBTS_PEER_UNCHOKE);
    return seed;
}

static void no_more_is_asked_than_a_peer_queues(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *seed = meet_seed_that_says(r, "d1:md11:ut_metadatai3ee4:reqqi2ee");
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 2);
    (void)raw_give_all(r, seed);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 2);
    raw_free(r);
}

/* The longest request, once the window has grown. */
static uint32_t longest_request(const char *extended_handshake) {
    static const uint64_t files[] = { 64 * RAW_PIECE };
    uint32_t longest = 0;
    raw *r = raw_new_of(PBTS_TORRENT_V1, files, 1);
    raw_start(r);
    raw_peer *seed = meet_seed_that_says(r, extended_handshake);
    do {
        raw_pass(r, 10);
        raw_listen(r, seed);
        for (size_t i = 0; i < seed->heard_len; i++) {
            if (seed->heard[i].type != PBTS_PEER_REQUEST) continue;
            uint32_t length = seed->heard[i].block.length;
            if (length > longest) longest = length;
        }
    } while (raw_give_all(r, seed) > 0);
    assert_int_equal(r->finished, 1);
    raw_free(r);
    return longest;
}

static void requests_are_as_long_as_a_peer_says_it_gives(void **state) {
    (void)state;
    assert_int_equal(longest_request("d1:mdee"), PBTS_PEER_BLOCK_BYTES);
    assert_int_equal(longest_request("d6:reqleni0ee"), PBTS_PEER_BLOCK_BYTES);
    assert_int_equal(longest_request("d6:reqleni16383ee"), PBTS_PEER_BLOCK_BYTES);
    assert_int_equal(longest_request("d6:reqleni49151ee"), 2 * PBTS_PEER_BLOCK_BYTES);
    assert_int_equal(longest_request("d6:reqleni49152ee"), 3 * PBTS_PEER_BLOCK_BYTES);
    assert_int_equal(longest_request("d6:reqleni4294967295ee"), RAW_PIECE); /* a whole piece */
}

static void downloads_keep_the_limit(void **state) {
    (void)state;
    static const uint64_t files[] = { 64 * RAW_PIECE };
    raw *r = raw_new_of(PBTS_TORRENT_V1, files, 1);
    raw_start(r);
    pbts_session_set_download_limit(r->session, 100000, r->now);
    raw_peer *seed = raw_meet_seed(r, false);
    for (int i = 0; i < 1000; i++) {
        raw_pass(r, 10);
        (void)raw_give_all(r, seed);
    }
    assert_in_range(stats(r).downloaded_bytes, 900000, 1100000);
    pbts_session_set_download_limit(r->session, 0, r->now);
    raw_drain(r);
    while (raw_give_all(r, seed) > 0) continue;
    assert_int_equal(r->finished, 1);
    raw_free(r);
}

static void a_minute_without_a_byte_is_a_snub(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *seed = raw_meet_seed(r, false);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 4);
    raw_clear(r, seed);
    raw_pass(r, PBTS_SNUB_MS - 2000);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 0);
    raw_pass(r, PBTS_PAUSE_MS + 6000);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 1); /* one at a time now */
    pbts_peer_block block = *request(r, seed, 0);
    raw_clear(r, seed);
    assert_false(raw_give(r, seed, &block));
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 3);
    raw_free(r);
}

/* The program was stopped, as by ^Z. All that it had asked for came, and was not read. */
static void who_was_away_judges_nobody_before_all_is_read(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *seed = raw_meet_seed(r, false);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 4);
    r->now.mono_ms += 2 * PBTS_SNUB_MS + PBTS_SILENCE_MAX_MS;
    pbts_session_tick(r->session, r->now);
    raw_drain(r);
    assert_true(pbts_session_deadline_ms(r->session) > r->now.mono_ms);
    for (uint32_t i = 0; i < 4; i++) {
        pbts_peer_block block = { 0, i * RAW_BLOCK, RAW_BLOCK };
        assert_false(raw_give(r, seed, &block));
    }
    assert_int_equal(r->finished, 1);
    raw_pass(r, PBTS_TICK_MS);
    assert_int_equal(r->closes, 0);
    raw_free(r);
}

static void stopping_takes_everything_back(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 2);
    raw_start(r);
    raw_peer *seed = raw_meet_seed(r, false);
    raw_say_type(r, seed, PBTS_PEER_INTERESTED);
    raw_clear(r, seed);
    pbts_session_stop(r->session, r->now);
    raw_drain(r);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_CHOKE), 1);
    pbts_peer_message request_to_us = raw_block(PBTS_PEER_REQUEST, 0, 0, 100);
    raw_say(r, seed, &request_to_us);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_PIECE), 0);
    raw_clear(r, seed);
    raw_pass(r, 5000);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_REQUEST), 0);
    pbts_conn conn;
    pbts_addr addr = raw_addr(9), dialed;
    assert_int_equal(pbts_session_opened(r->session, &conn, &addr, false, r->now), PBTS_DENIED);
    pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_TRACKER, r->now);
    assert_false(pbts_session_next_dial(r->session, &dialed, r->now));
    raw_free(r);
}

static void two_who_have_everything_part(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    raw_peer *seed = raw_meet(r, false);
    (void)raw_meet(r, false);
    raw_say_type(r, seed, PBTS_PEER_HAVE_ALL);
    raw_pass(r, PBTS_REDUNDANT_MS - 2000);
    assert_int_equal(r->closes, 0);
    raw_pass(r, 4000);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "both have everything");
    raw_free(r);
}

static void what_was_not_there_before_is_no_session(void **state) {
    (void)state;
    raw *r = raw_new();
    pbts_session *session;
    const uint8_t bad[] = { 0xFF, 0xC0 };
    r->config.have = PBTS_SPAN_OF(bad);
    assert_int_equal(pbts_session_new(&session, &r->config, r->now), PBTS_MALFORMED);
    r->config.have.len = 1;
    assert_int_equal(pbts_session_new(&session, &r->config, r->now), PBTS_MALFORMED);
    pbts_session_free(NULL);
    raw_start(r);
    pbts_conn_stats none;
    assert_int_equal(pbts_session_conn_stats(r->session, 1, &none), PBTS_NOT_FOUND);
    assert_int_equal(pbts_session_conn_stats(r->session, 0, &none), PBTS_NOT_FOUND);
    raw_free(r);
}

/* ---- one budget for several torrents ---- */

static raw *raw_with_budget(pbts_open_budget *budget) {
    raw *r = raw_new();
    r->config.open_budget = budget;
    raw_start(r);
    return r;
}

static uint32_t begun(const raw *r) {
    return r->opened - r->completed - r->dropped;
}

/* The first torrent has begun all that may be when the second one is added. */
static void two_torrents_together_begin_no_more_than_the_budget(void **state) {
    (void)state;
    pbts_open_budget budget = { .max_bytes = 5 * RAW_PIECE };
    raw *a = raw_with_budget(&budget), *b = raw_with_budget(&budget);
    raw_peer *of_a[8], *of_b;
    for (int i = 0; i < 8; i++) of_a[i] = raw_meet_seed(a, true);
    raw_drain(a);
    assert_int_equal(begun(a), 5);
    of_b = raw_meet_seed(b, true);
    raw_drain(b);
    assert_int_equal(begun(b), 0);
    /* Its part is smaller now: of what it completes it begins nothing anew. */
    pbts_session_set_open_bytes(a->session, 2 * RAW_PIECE + 100, a->now);
    for (int i = 0; i < 8; i++) raw_give_all(a, of_a[i]);
    for (int turn = 0; turn < 40 && (a->finished == 0 || b->finished == 0); turn++) {
        raw_pass(a, 1000);
        raw_pass(b, 1000);
        for (int i = 0; i < 8; i++) raw_give_all(a, of_a[i]);
        assert_true(begun(a) <= 2);
        assert_true(begun(a) + begun(b) <= 5 && budget.taken_bytes <= budget.max_bytes);
        raw_give_all(b, of_b);
        assert_true(begun(a) + begun(b) <= 5 && budget.taken_bytes <= budget.max_bytes);
        if (turn == 3) assert_true(b->opened > 0); /* while the other still has something to do */
    }
    assert_true(a->finished == 1 && b->finished == 1);
    assert_true(budget.taken_bytes == 0);
    raw_free(a);
    raw_free(b);
}

static void the_part_of_a_torrent_can_be_changed(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    pbts_session_set_open_bytes(r->session, 3 * RAW_PIECE - 1, r->now);
    for (int i = 0; i < 8; i++) raw_meet_seed(r, true);
    raw_drain(r);
    assert_int_equal(begun(r), 2);
    pbts_session_set_open_bytes(r->session, 5 * RAW_PIECE, r->now);
    raw_drain(r);
    assert_int_equal(begun(r), 5);
    pbts_session_set_open_bytes(r->session, 0, r->now); /* one at a time, from now on */
    for (int turn = 0; turn < 30; turn++) {
        for (int i = 0; i < 8; i++) {
            raw_give_all(r, &r->peers[i]);
            assert_true(begun(r) <= (turn == 0 ? 5 : 1));
        }
        raw_pass(r, 1000);
    }
    assert_int_equal(r->finished, 1);
    raw_free(r);
}

/* Its peers are gone, and what it has begun would be in the way of the other for ever. */
static void a_torrent_without_peers_lets_go_of_the_budget(void **state) {
    (void)state;
    pbts_open_budget budget = { .max_bytes = 2 * RAW_PIECE };
    raw *a = raw_with_budget(&budget), *b = raw_with_budget(&budget);
    raw_peer *gone[2] = { raw_meet_seed(a, true), raw_meet_seed(a, true) };
    raw_drain(a);
    assert_int_equal(begun(a), 2);
    for (int i = 0; i < 2; i++) {
        const pbts_peer_message *asked = raw_heard(a, gone[i], PBTS_PEER_REQUEST, 0);
        pbts_peer_block block = asked->block;
        (void)raw_give(a, gone[i], &block);
        raw_close(a, gone[i]);
    }
    raw_pass(a, 10000);
    raw_pass(b, 10000);
    assert_int_equal(begun(a), 2); /* nobody needs it */
    raw_peer *peer = raw_meet_seed(b, true);
    for (int i = 0; i < 10; i++) {
        raw_pass(b, 1000);
        raw_pass(a, 1000);
    }
    assert_int_equal(begun(a), 0);
    for (int i = 0; i < 10; i++) {
        raw_give_all(b, peer);
        raw_pass(b, 1000);
    }
    assert_int_equal(b->finished, 1);
    raw_free(a);
    raw_free(b);
}

/* ---- what a mistake in the order of things would change ---- */

/* Of two pieces that it began and lost by choking, a peer goes on with the one it gave more of. */
static void a_peer_goes_on_with_the_piece_that_it_gave_most_of(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_start(r);
    raw_peer *peer = raw_meet(r, true);
    raw_say_piece(r, peer, PBTS_PEER_HAVE, 0);
    raw_say_piece(r, peer, PBTS_PEER_HAVE, 1);
    raw_say_type(r, peer, PBTS_PEER_UNCHOKE);
    uint32_t first = raw_heard(r, peer, PBTS_PEER_REQUEST, 0)->block.index;
    pbts_peer_block block = { first, 0, RAW_BLOCK };
    assert_false(raw_give(r, peer, &block));
    for (block = (pbts_peer_block){ 1 - first, 0, RAW_BLOCK }; block.begin < 2 * RAW_BLOCK;
         block.begin += RAW_BLOCK) {
        assert_false(raw_give(r, peer, &block));
    }
    raw_say_type(r, peer, PBTS_PEER_CHOKE);
    raw_clear(r, peer);
    raw_say_type(r, peer, PBTS_PEER_UNCHOKE);
    assert_int_equal(raw_heard(r, peer, PBTS_PEER_REQUEST, 0)->block.index, 1 - first);
    raw_free(r);
}

/* Two gave it wrong; one alone begins it anew and leaves: the next begins at the beginning. */
static void a_piece_that_must_come_from_one_is_begun_anew_by_the_next(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *a = raw_meet_seed(r, false), *b = raw_meet_seed(r, false);
    pbts_peer_block block = { 0, 0, RAW_BLOCK };
    r->accept_pieces = false;
    assert_false(raw_give(r, b, &block));
    raw_clear(r, b);
    for (uint32_t i = 1; i < 4; i++) {
        block.begin = i * RAW_BLOCK;
        raw_clear(r, a);
        raw_clear(r, b);
        assert_false(raw_give(r, a, &block));
    }
    assert_int_equal(r->completed, 1);
    raw_peer *alone = raw_count(r, a, PBTS_PEER_REQUEST) > 0 ? a : b, *next = alone == a ? b : a;
    block.begin = 0;
    assert_false(raw_give(r, alone, &block));
    raw_clear(r, next);
    raw_close(r, alone);
    assert_int_equal(raw_count(r, next, PBTS_PEER_REQUEST), 4);
    r->accept_pieces = true;
    (void)raw_give_all(r, next);
    assert_true(r->completed == 2 && r->finished == 1);
    raw_free(r);
}

/* It is gone before the hash is known: its address is banned all the same. */
static void who_gives_a_wrong_piece_and_goes_is_banned(void **state) {
    (void)state;
    raw *r = raw_new_one_piece();
    raw_start(r);
    raw_peer *liar = raw_meet_seed(r, false);
    pbts_addr addr = raw_addr(1);
    pbts_conn again;
    r->accept_pieces = false;
    for (uint32_t i = 0; i < 4; i++) {
        pbts_peer_block block = { 0, i * RAW_BLOCK, RAW_BLOCK };
        pbts_peer_message message = { .type = PBTS_PEER_PIECE, .block = block };
        raw_say(r, liar, &message);
        pbts_session_payload_taken(r->session, liar->conn, RAW_BLOCK, r->now);
    }
    raw_close(r, liar); /* the owner hears of the piece behind this */
    assert_int_equal(r->completed, 1);
    assert_int_equal(pbts_session_opened(r->session, &again, &addr, false, r->now), PBTS_DENIED);
    raw_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_goes_on_with_the_piece_that_it_gave_most_of),
        cmocka_unit_test(a_piece_that_must_come_from_one_is_begun_anew_by_the_next),
        cmocka_unit_test(who_gives_a_wrong_piece_and_goes_is_banned),
        cmocka_unit_test(two_torrents_together_begin_no_more_than_the_budget),
        cmocka_unit_test(the_part_of_a_torrent_can_be_changed),
        cmocka_unit_test(a_torrent_without_peers_lets_go_of_the_budget),
        cmocka_unit_test(interest_follows_what_a_peer_has),
        cmocka_unit_test(a_piece_is_asked_whole_of_one_peer),
        cmocka_unit_test(nothing_is_asked_before_it_is_allowed_or_of_who_has_nothing),
        cmocka_unit_test(the_rarest_piece_is_begun_after_the_first_few),
        cmocka_unit_test(a_suggested_piece_comes_first),
        cmocka_unit_test(while_choked_only_what_is_allowed_is_asked_for),
        cmocka_unit_test(what_a_peer_chokes_on_is_asked_of_another),
        cmocka_unit_test(who_chokes_and_unchokes_is_asked_again),
        cmocka_unit_test(who_rejects_is_not_asked_again_at_once),
        cmocka_unit_test(a_piece_of_one_who_leaves_goes_on_with_another),
        cmocka_unit_test(half_a_block_is_no_block),
        cmocka_unit_test(one_who_stalls_loses_the_piece_to_one_who_idles),
        cmocka_unit_test(in_the_endgame_two_are_asked_and_the_slower_is_told),
        cmocka_unit_test(unasked_blocks_are_passed_over_and_too_many_are_not),
        cmocka_unit_test(who_sends_a_whole_piece_wrong_is_banned),
        cmocka_unit_test(a_piece_that_two_gave_wrong_is_asked_of_one),
        cmocka_unit_test(who_gives_the_rest_of_wrong_pieces_is_not_banned),
        cmocka_unit_test(a_piece_that_could_not_be_written_is_here_when_it_was),
        cmocka_unit_test(a_piece_that_could_not_be_written_may_be_given_up),
        cmocka_unit_test(only_what_is_wanted_is_asked_for),
        cmocka_unit_test(what_is_not_wanted_any_more_is_dropped),
        cmocka_unit_test(a_seeder_only_asks_for_nothing),
        cmocka_unit_test(pieces_that_nobody_can_finish_make_room),
        cmocka_unit_test(no_piece_is_begun_while_many_bytes_wait_for_their_hash),
        cmocka_unit_test(no_more_is_asked_than_a_peer_queues),
        cmocka_unit_test(requests_are_as_long_as_a_peer_says_it_gives),
        cmocka_unit_test(downloads_keep_the_limit),
        cmocka_unit_test(a_minute_without_a_byte_is_a_snub),
        cmocka_unit_test(who_was_away_judges_nobody_before_all_is_read),
        cmocka_unit_test(stopping_takes_everything_back),
        cmocka_unit_test(two_who_have_everything_part),
        cmocka_unit_test(what_was_not_there_before_is_no_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
