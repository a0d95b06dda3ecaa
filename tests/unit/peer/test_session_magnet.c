/* Metadata, piece layers and peer exchange: between sessions, and against hand-made peers. */
#include "peer/raw_kit.h"

#include "peer/session_parts.h"

static const uint64_t EXTENDED = PBTS_PEER_FEATURE_FAST | PBTS_PEER_FEATURE_EXTENDED;

/* ---- between sessions ---- */

/* A leecher that has the infohash alone, and a seeder. */
static void download_by_magnet(pbts_torrent_version version, bool by_v2, bool receipts,
                               const uint64_t *files, uint32_t count, uint32_t piece_length) {
    swarm_content content = swarm_content_new(version, piece_length, files, count);
    swarm *world = swarm_new(&content, 7, receipts);
    swarm_node *seeder = swarm_add(world, true), *leecher = swarm_add(world, false);
    leecher->config.meta = NULL;
    leecher->config.infohash_is_v2 = by_v2;
    if (by_v2) {
        memcpy(leecher->config.infohash, pbts_metainfo_infohash_v2(content.meta), 20);
    }
    world->delay_us = 10000;
    swarm_join(seeder);
    swarm_join(leecher);
    assert_false(swarm_stats(leecher).has_meta);
    assert_true(swarm_connect(leecher, seeder));
    swarm_drain(leecher);
    swarm_drain(seeder);
    swarm_run_ms(world, 30000);
    assert_int_equal(leecher->metadata, 1);
    assert_int_equal(leecher->finished, 1);
    assert_true(swarm_stats(leecher).finished);
    assert_int_equal(leecher->refused + seeder->refused, 0);
    if (receipts) assert_true(leecher->ready == 1 && swarm_stats(seeder).unreceipted_bytes == 0);
    swarm_free(world);
    swarm_content_free(&content);
}

static void a_magnet_link_is_enough_in_every_version(void **state) {
    (void)state;
    static const uint64_t files[] = { 500000, 20000, 16384 * 40 };
    download_by_magnet(PBTS_TORRENT_V1, false, false, files, 3, 16384);
    download_by_magnet(PBTS_TORRENT_V2, true, false, files, 3, 16384);
    download_by_magnet(PBTS_TORRENT_HYBRID, false, false, files, 3, 16384);
    download_by_magnet(PBTS_TORRENT_HYBRID, true, false, files, 3, 32768);
    static const uint64_t one[] = { 100 };
    download_by_magnet(PBTS_TORRENT_V2, true, false, one, 1, 16384);
}

static void a_magnet_link_leads_to_receipts(void **state) {
    (void)state;
    static const uint64_t files[] = { 500000, 20000 };
    download_by_magnet(PBTS_TORRENT_V1, false, true, files, 2, 16384);
    download_by_magnet(PBTS_TORRENT_V2, true, true, files, 2, 16384);
    download_by_magnet(PBTS_TORRENT_HYBRID, false, true, files, 2, 16384);
}

/* ---- hand-made peers ---- */

enum { METADATA_ID = 9, PEX_ID = 8 };

static void say_extended(raw *r, raw_peer *peer, uint8_t id, const char *text, pbts_span more) {
    static uint8_t body[PBTS_METADATA_PIECE_BYTES + 256];
    pbts_writer writer = pbts_writer_over(body, sizeof body);
    pbts_write_text(&writer, text);
    pbts_write_bytes(&writer, more);
    assert_false(writer.failed);
    pbts_peer_message message = { .type = PBTS_PEER_EXTENDED,
                                  .extended = { id, pbts_writer_span(&writer) } };
    raw_say(r, peer, &message);
}

static raw_peer *meet_extended(raw *r, const char *handshake, uint64_t more_features) {
    raw_peer *peer = raw_open(r);
    raw_say_handshake(r, peer, EXTENDED | more_features);
    say_extended(r, peer, 0, handshake, (pbts_span){ NULL, 0 });
    return peer;
}

/* One that says its metadata has so many bytes. */
static raw_peer *meet_source(raw *r, size_t len) {
    char text[100];
    (void)snprintf(text, sizeof text, "d1:md11:ut_metadatai%de6:ut_pexi%dee13:metadata_sizei%zuee",
                   METADATA_ID, PEX_ID, len);
    return meet_extended(r, text, PBTS_PEER_FEATURE_V2);
}

/* The n-th metadata message that a peer heard. */
static bool heard_metadata(raw *r, raw_peer *peer, size_t n, pbts_metadata_message *out) {
    raw_listen(r, peer);
    for (size_t i = 0; i < peer->heard_len; i++) {
        const pbts_peer_message *message = &peer->heard[i];
        if (message->type != PBTS_PEER_EXTENDED || message->extended.id != METADATA_ID) continue;
        assert_int_equal(pbts_metadata_message_decode(out, message->extended.body), PBTS_OK);
        if (n-- == 0) return true;
    }
    return false;
}

static void give_metadata(raw *r, raw_peer *peer, uint32_t piece, pbts_span info) {
    char text[100];
    size_t at = (size_t)piece * PBTS_METADATA_PIECE_BYTES;
    size_t len = info.len - at;
    if (len > PBTS_METADATA_PIECE_BYTES) len = PBTS_METADATA_PIECE_BYTES;
    (void)snprintf(text, sizeof text, "d8:msg_typei1e5:piecei%ue10:total_sizei%zuee", piece,
                   info.len);
    say_extended(r, peer, pbts_extension_id(PBTS_EXTENSION_METADATA), text,
                 (pbts_span){ info.data + at, len });
}

static raw *raw_new_magnet(void) {
    static const uint64_t files[] = { 60 * RAW_PIECE };
    raw *r = raw_new_of(PBTS_TORRENT_V1, files, 1);
    r->config.meta = NULL;
    raw_start(r);
    return r;
}

static void metadata_is_asked_of_one_peer_and_checked(void **state) {
    (void)state;
    raw *r = raw_new_magnet();
    pbts_span info = pbts_metainfo_info_raw(r->content.meta);
    pbts_metadata_message message;
    uint8_t *false_info = malloc(info.len);
    assert_non_null(false_info);
    memcpy(false_info, info.data, info.len);
    false_info[info.len / 2] ^= 1;
    raw_peer *liar = meet_source(r, info.len), *honest = meet_source(r, info.len);
    assert_true(heard_metadata(r, liar, 0, &message));
    assert_int_equal(message.type, PBTS_METADATA_REQUEST);
    assert_false(heard_metadata(r, honest, 0, &message));
    give_metadata(r, honest, 0, info); /* nobody asked: passed over */
    assert_int_equal(r->metadata, 0);
    give_metadata(r, liar, 0, (pbts_span){ false_info, info.len });
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "gave false metadata");
    assert_true(heard_metadata(r, honest, 0, &message));
    give_metadata(r, honest, 0, info);
    assert_int_equal(r->metadata, 1);
    pbts_metainfo *meta;
    pbts_span torrent = { r->torrent, r->torrent_len };
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), torrent), PBTS_OK);
    assert_memory_equal(pbts_metainfo_infohash(meta), r->config.infohash, 20);
    pbts_metainfo_free(meta);
    free(false_info);
    raw_free(r);
}

static void who_is_silent_or_rejects_is_left_for_another(void **state) {
    (void)state;
    raw *r = raw_new_magnet();
    pbts_span info = pbts_metainfo_info_raw(r->content.meta);
    pbts_metadata_message message;
    raw_peer *silent = meet_source(r, info.len), *rejects = meet_source(r, info.len),
             *good = meet_source(r, info.len);
    assert_true(heard_metadata(r, silent, 0, &message));
    raw_pass(r, PBTS_MAGNET_PATIENCE_MS + 2000);
    assert_true(heard_metadata(r, rejects, 0, &message));
    say_extended(r, rejects, pbts_extension_id(PBTS_EXTENSION_METADATA),
                 "d8:msg_typei2e5:piecei0ee", (pbts_span){ NULL, 0 });
    assert_true(heard_metadata(r, good, 0, &message));
    raw_clear(r, silent);
    raw_close(r, good); /* and this one leaves: the first has another chance, later */
    raw_pass(r, PBTS_MAGNET_RETRY_MS);
    assert_true(heard_metadata(r, silent, 0, &message));
    give_metadata(r, silent, 0, info);
    assert_int_equal(r->metadata, 1);
    raw_free(r);
}

/* It says that there is much, and gives a piece whenever patience ends: that could take hours. */
static void who_drips_metadata_is_left_for_another(void **state) {
    enum { PIECES = 500, LIARS = 2, STEPS = 9 };
    (void)state;
    for (int alone = 0; alone < 2; alone++) {
        raw *r = raw_new_magnet();
        pbts_span info = pbts_metainfo_info_raw(r->content.meta);
        size_t given[LIARS] = { 0 }, len = (size_t)PIECES * PBTS_METADATA_PIECE_BYTES;
        uint8_t *junk = calloc(1, len);
        assert_non_null(junk);
        pbts_metadata_message message;
        raw_peer *liars[LIARS] = { meet_source(r, len) }, *honest = NULL;
        if (!alone) liars[1] = meet_source(r, len);
        if (!alone) honest = meet_source(r, info.len);
        for (int step = 0; step < STEPS; step++) {
            if (!alone && heard_metadata(r, honest, 0, &message)) break;
            for (int i = 0; i < LIARS && liars[i] != NULL; i++) {
                if (!heard_metadata(r, liars[i], given[i], &message)) continue;
                give_metadata(r, liars[i], message.piece, (pbts_span){ junk, len });
                given[i]++;
            }
            raw_pass(r, PBTS_MAGNET_PATIENCE_MS - 1000);
        }
        if (alone) {
            assert_int_equal(given[0], STEPS); /* better than nobody */
        } else {
            assert_true(heard_metadata(r, honest, 0, &message));
            give_metadata(r, honest, 0, info);
            assert_int_equal(r->metadata, 1);
        }
        free(junk);
        raw_free(r);
    }
}

static void metadata_of_another_length_is_not_believed(void **state) {
    (void)state;
    raw *r = raw_new_magnet();
    pbts_span info = pbts_metainfo_info_raw(r->content.meta);
    pbts_metadata_message message;
    raw_peer *peer = meet_source(r, info.len + 20);
    assert_true(heard_metadata(r, peer, 0, &message));
    give_metadata(r, peer, 0, info);
    assert_int_equal(r->metadata, 0);
    /* One that is too long by far is never asked. */
    raw_close(r, peer);
    peer = meet_source(r, PBTS_METAINFO_LEN_MAX + 1u);
    assert_false(heard_metadata(r, peer, 0, &message));
    raw_free(r);
}

static void what_peers_have_is_believed_when_the_metadata_is_there(void **state) {
    (void)state;
    raw *r = raw_new_magnet();
    pbts_span info = pbts_metainfo_info_raw(r->content.meta);
    raw_peer *source = meet_source(r, info.len), *seed = meet_extended(r, "de", 0),
             *some = meet_extended(r, "de", 0), *wrong = meet_extended(r, "de", 0),
             *longer = meet_extended(r, "de", 0);
    uint8_t bits[9] = { 0 };
    pbts_peer_message bitfield = { .type = PBTS_PEER_BITFIELD, .bitfield = { bits, 8 } };
    bits[0] = 0x80;
    raw_say(r, some, &bitfield);
    raw_say_piece(r, some, PBTS_PEER_HAVE, 59);
    raw_say_type(r, seed, PBTS_PEER_HAVE_ALL);
    raw_say_piece(r, wrong, PBTS_PEER_HAVE, 60);
    bitfield.bitfield.len = 9;
    raw_say(r, longer, &bitfield);
    pbts_peer_message too_far = { .type = PBTS_PEER_HAVE, .piece_index = PBTS_PIECES_MAX };
    assert_int_equal(raw_say_status(r, meet_extended(r, "de", 0), &too_far), PBTS_LIMIT);
    uint32_t before = r->closes;
    give_metadata(r, source, 0, info);
    assert_int_equal(
        pbts_session_set_metainfo(r->session, r->content.meta, (pbts_span){ NULL, 0 }, r->now),
        PBTS_OK);
    raw_drain(r);
    assert_int_equal(r->closes, before + 2);
    assert_string_equal(r->why, "pieces that cannot be");
    assert_true(raw_stats(r, seed).is_seeder);
    assert_int_equal(raw_stats(r, some).pieces, 2);
    assert_int_equal(raw_count(r, some, PBTS_PEER_INTERESTED), 1);
    assert_int_equal(raw_count(r, seed, PBTS_PEER_INTERESTED), 1);
    raw_say_type(r, some, PBTS_PEER_UNCHOKE);
    assert_true(raw_count(r, some, PBTS_PEER_REQUEST) > 0);
    /* Once is enough, and another torrent is none. */
    assert_int_equal(
        pbts_session_set_metainfo(r->session, r->content.meta, (pbts_span){ NULL, 0 }, r->now),
        PBTS_MALFORMED);
    raw_free(r);
}

static void what_is_here_already_is_told_when_the_metadata_is_there(void **state) {
    (void)state;
    raw *r = raw_new_magnet();
    raw_peer *peer = meet_extended(r, "de", 0);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_HAVE_NONE), 1);
    raw_have(r, 3, 6);
    assert_int_equal(
        pbts_session_set_metainfo(r->session, r->content.meta, (pbts_span){ r->have, 8 }, r->now),
        PBTS_OK);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_HAVE), 3);
    assert_int_equal(raw_heard(r, peer, PBTS_PEER_HAVE, 2)->piece_index, 5);
    raw_free(r);
}

static void a_hundred_connections_wait_for_metadata_at_most(void **state) {
    (void)state;
    raw *r = raw_new();
    r->config.meta = NULL;
    r->config.connections_max = 1000;
    raw_start(r);
    pbts_conn conn;
    for (uint32_t i = 0; i < PBTS_CONNS_MAGNET_MAX + 1; i++) {
        pbts_addr addr = raw_addr(i);
        addr.ip[2] = 1;
        assert_int_equal(pbts_session_opened(r->session, &conn, &addr, false, r->now),
                         i < PBTS_CONNS_MAGNET_MAX ? PBTS_OK : PBTS_LIMIT);
    }
    raw_free(r);
}

static void false_hashes_end_it_and_true_ones_of_another_peer_do(void **state) {
    (void)state;
    static const uint64_t files[] = { 5 * RAW_PIECE, 3 * RAW_PIECE };
    raw *r = raw_new_of(PBTS_TORRENT_V2, files, 2);
    pbts_layer_server *server;
    assert_int_equal(pbts_layer_server_new(&server, pbts_mem_system(), r->content.meta), PBTS_OK);
    r->config.meta = NULL;
    raw_start(r);
    pbts_span info = pbts_metainfo_info_raw(r->content.meta);
    raw_peer *peers[3];
    for (int i = 0; i < 3; i++) peers[i] = meet_source(r, info.len);
    give_metadata(r, peers[0], 0, info);
    assert_int_equal(r->metadata, 0);
    for (int i = 0; i < 3; i++) {
        /* The first lies, the second rejects, the third is honest. */
        assert_int_equal(raw_count(r, peers[i], PBTS_PEER_HASH_REQUEST), 2);
        for (size_t n = 0; n < 2; n++) {
            uint8_t buffer[PBTS_LAYER_BYTES_MAX];
            pbts_peer_message answer = *raw_heard(r, peers[i], PBTS_PEER_HASH_REQUEST, n);
            pbts_layer_range range = { .base_layer = answer.hashes.base_layer,
                                       .index = answer.hashes.index,
                                       .length = answer.hashes.length,
                                       .proof_layers = answer.hashes.proof_layers };
            memcpy(range.root, answer.hashes.pieces_root, 32);
            pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
            assert_int_equal(pbts_layer_server_read(server, &writer, &range), PBTS_OK);
            if (i == 0) buffer[40] ^= 1;
            answer.type = i == 1 ? PBTS_PEER_HASH_REJECT : PBTS_PEER_HASHES;
            answer.hashes.hashes = pbts_writer_span(&writer);
            raw_say(r, peers[i], &answer);
        }
        if (i == 0) assert_string_equal(r->why, "gave false hashes");
    }
    assert_int_equal(r->closes, 1);
    assert_int_equal(r->metadata, 1);
    pbts_metainfo *meta;
    pbts_span torrent = { r->torrent, r->torrent_len };
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), torrent), PBTS_OK);
    pbts_metainfo_free(meta);
    pbts_layer_server_free(server);
    raw_free(r);
}

/* ---- both infohashes ---- */

static raw_peer *dial(raw *r, const pbts_addr *addr, const uint8_t *infohash) {
    pbts_addr dialed;
    pbts_session_tick(r->session, r->now);
    assert_true(pbts_session_next_dial(r->session, &dialed, r->now));
    assert_true(pbts_addr_equal_ip(&dialed, addr));
    assert_memory_equal(pbts_session_dial_infohash(r->session, &dialed), infohash, 20);
    raw_peer *peer = raw_open_at(r, &dialed, true);
    raw_listen(r, peer);
    assert_true(peer->has_handshake);
    assert_memory_equal(peer->handshake.infohash, infohash, 20);
    return peer;
}

static pbts_status answer(raw *r, raw_peer *peer, const uint8_t *infohash) {
    uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN];
    size_t used;
    pbts_peer_handshake handshake = { .features = EXTENDED | PBTS_PEER_FEATURE_V2 };
    memcpy(handshake.infohash, infohash, 20);
    memcpy(handshake.peer_id, peer->peer_id, 20);
    pbts_peer_handshake_encode(bytes, &handshake);
    return raw_feed(r, peer, PBTS_SPAN_OF(bytes), &used);
}

static void offer_metadata(raw *r, raw_peer *peer, size_t len) {
    char text[100];
    (void)snprintf(text, sizeof text, "d1:md11:ut_metadatai%dee13:metadata_sizei%zuee", METADATA_ID,
                   len);
    say_extended(r, peer, 0, text, (pbts_span){ NULL, 0 });
}

/* Answer all requests for hashes, truly or with a reject. */
static void answer_hashes(raw *r, raw_peer *peer, pbts_layer_server *server, bool reject) {
    size_t count = raw_count(r, peer, PBTS_PEER_HASH_REQUEST);
    assert_true(count > 0);
    for (size_t n = 0; n < count; n++) {
        uint8_t buffer[PBTS_LAYER_BYTES_MAX];
        pbts_peer_message message = *raw_heard(r, peer, PBTS_PEER_HASH_REQUEST, n);
        pbts_layer_range range = { .base_layer = message.hashes.base_layer,
                                   .index = message.hashes.index,
                                   .length = message.hashes.length,
                                   .proof_layers = message.hashes.proof_layers };
        memcpy(range.root, message.hashes.pieces_root, 32);
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        assert_int_equal(pbts_layer_server_read(server, &writer, &range), PBTS_OK);
        message.type = reject ? PBTS_PEER_HASH_REJECT : PBTS_PEER_HASHES;
        message.hashes.hashes = pbts_writer_span(&writer);
        raw_say(r, peer, &message);
    }
}

typedef struct {
    raw *r;
    pbts_layer_server *server;
    pbts_span info;
    const uint8_t *v1, *v2;
} hybrid;

static hybrid hybrid_new(bool both) {
    static const uint64_t files[] = { 5 * RAW_PIECE };
    hybrid h = { .r = raw_new_of(PBTS_TORRENT_HYBRID, files, 1) };
    const pbts_metainfo *meta = h.r->content.meta;
    h.info = pbts_metainfo_info_raw(meta);
    h.v1 = pbts_metainfo_infohash_v1(meta);
    h.v2 = pbts_metainfo_infohash_v2(meta);
    assert_int_equal(pbts_layer_server_new(&h.server, pbts_mem_system(), meta), PBTS_OK);
    h.r->config.meta = NULL;
    h.r->config.has_other_infohash = both;
    if (both) memcpy(h.r->config.other_infohash, h.v2, 20);
    raw_start(h.r);
    return h;
}

static void hybrid_free(hybrid *h) {
    pbts_layer_server_free(h->server);
    raw_free(h->r);
}

typedef enum { REJECTS, IS_SILENT, LEAVES, DOES_NOT_SAY_V2 } without_layers;

static void dial_again_by_v2(without_layers manner) {
    hybrid h = hybrid_new(false);
    raw *r = h.r;
    pbts_addr addr = raw_addr(1);
    pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_TRACKER, r->now);
    raw_peer *peer = dial(r, &addr, h.v1);
    assert_int_equal(peer->handshake.features & PBTS_PEER_FEATURE_V2, 0);
    if (manner == DOES_NOT_SAY_V2) {
        raw_say_handshake(r, peer, EXTENDED);
    } else {
        assert_int_equal(answer(r, peer, h.v1), PBTS_OK);
    }
    offer_metadata(r, peer, h.info.len);
    give_metadata(r, peer, 0, h.info);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_HASH_REQUEST), manner != DOES_NOT_SAY_V2);
    if (manner == IS_SILENT) raw_pass(r, PBTS_MAGNET_PATIENCE_MS + 2000);
    if (manner == REJECTS) answer_hashes(r, peer, h.server, true);
    if (manner != LEAVES) {
        assert_string_equal(r->why, "dialed again by the torrent's other infohash");
    }
    raw_close(r, peer);
    peer = dial(r, &addr, h.v2); /* at once */
    assert_true((peer->handshake.features & PBTS_PEER_FEATURE_V2) != 0);
    assert_int_equal(answer(r, peer, h.v2), PBTS_OK);
    offer_metadata(r, peer, h.info.len);
    answer_hashes(r, peer, h.server, false);
    assert_int_equal(r->metadata, 1);
    hybrid_free(&h);
}

static void who_gives_no_hashes_is_dialed_again_by_the_v2_infohash(void **state) {
    (void)state;
    dial_again_by_v2(REJECTS);
    dial_again_by_v2(IS_SILENT);
    dial_again_by_v2(LEAVES);
    dial_again_by_v2(DOES_NOT_SAY_V2);
}

/* Of those who do not say that they know v2 one is called by it at a time. */
static void one_at_a_time_is_called_by_the_v2_infohash(void **state) {
    (void)state;
    hybrid h = hybrid_new(false);
    raw *r = h.r;
    raw_peer *peers[3];
    for (uint32_t i = 0; i < 3; i++) {
        pbts_addr addr = raw_addr(i);
        pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_TRACKER, r->now);
        peers[i] = dial(r, &addr, h.v1);
        raw_say_handshake(r, peers[i], EXTENDED);
        if (i > 0) offer_metadata(r, peers[i], h.info.len); /* without it it has no layers */
    }
    give_metadata(r, peers[1], 0, h.info);
    assert_int_equal(r->closes, 1);
    assert_int_equal(r->session->conns[peers[1]->conn - 1]->phase, PBTS_CONN_DOOMED);
    raw_close(r, peers[1]);
    raw_pass(r, PBTS_MAGNET_RETRY_MS - 1000);
    assert_int_equal(r->closes, 1);
    raw_pass(r, 2000);
    assert_int_equal(r->closes, 2);
    raw_close(r, peers[2]);
    raw_pass(r, 2 * PBTS_MAGNET_RETRY_MS);
    assert_int_equal(r->closes, 2);
    hybrid_free(&h);
}

/* One that came by v2 already, or whose address nobody knows, is asked again later. */
static void who_cannot_be_dialed_otherwise_is_kept(void **state) {
    (void)state;
    hybrid h = hybrid_new(false);
    raw *r = h.r;
    raw_peer *peer = meet_source(r, h.info.len);
    give_metadata(r, peer, 0, h.info);
    answer_hashes(r, peer, h.server, true);
    assert_int_equal(r->closes, 0);
    raw_peer *by_v2 = raw_open(r);
    assert_int_equal(answer(r, by_v2, h.v2), PBTS_OK); /* known by now */
    offer_metadata(r, by_v2, h.info.len);
    answer_hashes(r, by_v2, h.server, true);
    assert_int_equal(r->closes, 0);
    raw_clear(r, peer);
    raw_pass(r, PBTS_MAGNET_RETRY_MS);
    answer_hashes(r, peer, h.server, false);
    assert_int_equal(r->metadata, 1);
    hybrid_free(&h);
}

static void either_infohash_of_a_magnet_link_is_taken(void **state) {
    (void)state;
    for (int both = 0; both < 2; both++) {
        hybrid h = hybrid_new(both);
        raw *r = h.r;
        raw_peer *peer = raw_open(r);
        assert_int_equal(answer(r, peer, h.v2), both ? PBTS_OK : PBTS_NOT_FOUND);
        raw_listen(r, peer);
        if (both) assert_memory_equal(peer->handshake.infohash, h.v2, 20);
        raw_close(r, peer);
        r->closes = 0;
        pbts_addr addr = raw_addr(2);
        pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_OTHER_SWARM, r->now);
        peer = dial(r, &addr, both ? h.v2 : h.v1);
        if (!both) {
            hybrid_free(&h);
            continue;
        }
        assert_int_equal(answer(r, peer, h.v2), PBTS_OK);
        offer_metadata(r, peer, h.info.len);
        give_metadata(r, peer, 0, h.info);
        answer_hashes(r, peer, h.server, false);
        assert_int_equal(r->metadata, 1);
        assert_int_equal(
            pbts_session_set_metainfo(r->session, r->content.meta, (pbts_span){ NULL, 0 }, r->now),
            PBTS_OK);
        assert_int_equal(r->closes, 0);
        hybrid_free(&h);
    }
}

/* A tracker's peer that is known from the other swarm too is called by the first infohash. And who
 * does not answer to one infohash is called by the other one. */
static void who_says_nothing_is_dialed_by_the_other_infohash(void **state) {
    (void)state;
    hybrid h = hybrid_new(true);
    raw *r = h.r;
    pbts_addr addr = raw_addr(1);
    pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_TRACKER, r->now);
    pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_OTHER_SWARM, r->now);
    const uint8_t *called[] = { h.v1, h.v2, h.v1 };
    for (int i = 0; i < 3; i++) {
        raw_peer *peer = dial(r, &addr, called[i]);
        raw_close(r, peer);
        raw_pass(r, 8 * PBTS_DIAL_BACKOFF_MS);
    }
    hybrid_free(&h);
}

static void a_false_second_infohash_is_forgotten_and_who_came_by_it_goes(void **state) {
    (void)state;
    static const uint8_t FALSE[20] = { 1 };
    hybrid h = hybrid_new(false);
    raw *r = h.r;
    pbts_session_free(r->session);
    r->config.has_other_infohash = true;
    memcpy(r->config.other_infohash, FALSE, 20);
    raw_start(r);
    raw_peer *other = raw_open(r);
    assert_int_equal(answer(r, other, FALSE), PBTS_OK);
    raw_peer *peer = meet_source(r, h.info.len);
    give_metadata(r, peer, 0, h.info);
    assert_int_equal(r->closes, 1);
    assert_string_equal(r->why, "another torrent");
    assert_int_equal(answer(r, raw_open(r), FALSE), PBTS_NOT_FOUND);
    assert_int_equal(answer(r, raw_open(r), h.v2), PBTS_OK);
    hybrid_free(&h);
}

/* The same when there is no second one at all. */
static void a_second_infohash_of_a_v1_torrent_is_forgotten(void **state) {
    (void)state;
    static const uint8_t FALSE[20] = { 1 };
    raw *r = raw_new();
    r->config.meta = NULL;
    r->config.has_other_infohash = true;
    memcpy(r->config.other_infohash, FALSE, 20);
    raw_start(r);
    assert_int_equal(answer(r, raw_open(r), FALSE), PBTS_OK);
    pbts_span info = pbts_metainfo_info_raw(r->content.meta);
    give_metadata(r, meet_source(r, info.len), 0, info);
    assert_int_equal(r->metadata, 1);
    assert_int_equal(
        pbts_session_set_metainfo(r->session, r->content.meta, (pbts_span){ NULL, 0 }, r->now),
        PBTS_OK);
    raw_drain(r);
    assert_int_equal(r->closes, 1);
    assert_int_equal(answer(r, raw_open(r), FALSE), PBTS_NOT_FOUND);
    raw_free(r);
}

/* ---- giving ---- */

static void metadata_is_given_in_pieces_and_no_others(void **state) {
    (void)state;
    static const uint64_t files[] = { 250 * RAW_PIECE };
    raw *r = raw_new_of(PBTS_TORRENT_V1, files, 1);
    raw_start(r);
    pbts_span info = pbts_metainfo_info_raw(r->content.meta);
    pbts_metadata_message message;
    raw_peer *peer = meet_source(r, 0);
    say_extended(r, peer, 2, "d8:msg_typei0e5:piecei0ee", (pbts_span){ NULL, 0 });
    assert_true(heard_metadata(r, peer, 0, &message));
    assert_int_equal(message.type, PBTS_METADATA_DATA);
    assert_int_equal(message.total_bytes, info.len);
    assert_true(pbts_span_equal(message.data, info));
    say_extended(r, peer, 2, "d8:msg_typei0e5:piecei1ee", (pbts_span){ NULL, 0 });
    assert_true(heard_metadata(r, peer, 1, &message));
    assert_int_equal(message.type, PBTS_METADATA_REJECT);
    assert_int_equal(message.piece, 1);
    raw_free(r);
}

static void hashes_are_given_and_what_is_not_there_is_rejected(void **state) {
    (void)state;
    static const uint64_t files[] = { 5 * RAW_PIECE };
    raw *r = raw_new_of(PBTS_TORRENT_V2, files, 1);
    raw_start(r);
    raw_peer *peer = raw_meet(r, false);
    pbts_layers *layers;
    pbts_layer_range range;
    assert_int_equal(
        pbts_layers_new(&layers, pbts_mem_system(), pbts_metainfo_info_raw(r->content.meta)),
        PBTS_OK);
    assert_true(pbts_layers_next(layers, &range));
    pbts_peer_message request = { .type = PBTS_PEER_HASH_REQUEST };
    request.hashes = (pbts_peer_hashes){ .base_layer = range.base_layer,
                                         .index = range.index,
                                         .length = range.length,
                                         .proof_layers = range.proof_layers };
    memcpy(request.hashes.pieces_root, range.root, 32);
    raw_say(r, peer, &request);
    const pbts_peer_message *answer = raw_heard(r, peer, PBTS_PEER_HASHES, 0);
    assert_non_null(answer);
    assert_int_equal(pbts_layers_take(layers, &range, answer->hashes.hashes), PBTS_OK);
    request.hashes.base_layer = 0;
    raw_say(r, peer, &request);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_HASH_REJECT), 1);
    assert_int_equal(raw_heard(r, peer, PBTS_PEER_HASH_REJECT, 0)->hashes.length, range.length);
    pbts_layers_free(layers);
    raw_free(r);
    /* A v1 torrent has none. */
    r = raw_new();
    raw_start(r);
    peer = raw_meet(r, false);
    raw_say(r, peer, &request);
    assert_int_equal(raw_count(r, peer, PBTS_PEER_HASH_REJECT), 1);
    raw_free(r);
}

/* ---- peer exchange ---- */

static bool heard_exchange(raw *r, raw_peer *peer, size_t n, pbts_pex_message *out) {
    raw_listen(r, peer);
    for (size_t i = 0; i < peer->heard_len; i++) {
        const pbts_peer_message *message = &peer->heard[i];
        if (message->type != PBTS_PEER_EXTENDED || message->extended.id != PEX_ID) continue;
        assert_int_equal(pbts_pex_message_decode(out, message->extended.body), PBTS_OK);
        if (n-- == 0) return true;
    }
    return false;
}

static raw *raw_new_public(void) {
    raw *r = raw_new();
    raw_make_public(&r->content);
    r->config.meta = r->content.meta;
    memcpy(r->config.infohash, pbts_metainfo_infohash(r->content.meta), 20);
    r->config.pex = true;
    raw_start(r);
    return r;
}

static const char LISTENS[] = "d1:md6:ut_pexi8ee1:pi5000ee";

static void peers_hear_of_each_other_and_of_who_left(void **state) {
    (void)state;
    raw *r = raw_new_public();
    pbts_pex_message message;
    pbts_addr addr;
    uint8_t flags;
    raw_peer *a = meet_extended(r, LISTENS, 0), *b = meet_extended(r, LISTENS, 0);
    raw_peer *hidden = meet_extended(r, "d1:md6:ut_pexi8eee", 0); /* it does not say its port */
    raw_say_type(r, b, PBTS_PEER_HAVE_ALL);
    raw_pass(r, 2000);
    assert_true(heard_exchange(r, a, 0, &message));
    assert_int_equal(pbts_pex_count(&message.added), 1);
    pbts_pex_peer(&addr, &flags, &message.added, 0);
    pbts_addr of_b = raw_addr(2);
    assert_true(pbts_addr_equal_ip(&addr, &of_b) && addr.port == 5000);
    assert_int_equal(flags, PBTS_PEX_SEED);
    assert_true(heard_exchange(r, hidden, 0, &message));
    assert_int_equal(pbts_pex_count(&message.added), 2);
    raw_pass(r, 50000);
    raw_close(r, b);
    assert_false(heard_exchange(r, a, 1, &message));
    raw_pass(r, 20000);
    assert_true(heard_exchange(r, a, 1, &message));
    assert_int_equal(pbts_pex_count(&message.added), 0);
    assert_int_equal(pbts_pex_count(&message.dropped), 1);
    raw_free(r);
}

/* The list is full, and the place of one who left is given to another address, which nobody was
 * told of: it is not reported as gone. */
static void an_address_in_the_place_of_one_who_left_is_another(void **state) {
    (void)state;
    raw *r = raw_new_public();
    pbts_pex_message message;
    pbts_addr addr = { .family = PBTS_IPV4, .ip = { 50 }, .port = 6881 };
    raw_peer *a = meet_extended(r, LISTENS, 0), *b = meet_extended(r, LISTENS, 0);
    raw_pass(r, 2000);
    assert_true(heard_exchange(r, a, 0, &message));
    assert_int_equal(pbts_pex_count(&message.added), 1);
    raw_close(r, b);
    for (uint32_t i = 0; i < PBTS_ADDRESSES_MAX; i++) {
        addr.ip[1] = (uint8_t)(1 + i / 250);
        addr.ip[2] = (uint8_t)(1 + i % 250);
        pbts_session_add_addr(r->session, &addr, PBTS_PEER_FROM_TRACKER, r->now);
    }
    const pbts_addresses *list = &r->session->addresses;
    pbts_addr of_b = raw_addr(2);
    of_b.port = 5000;
    assert_int_equal(list->count, PBTS_ADDRESSES_MAX);
    assert_int_equal(pbts_addresses_find(list, &of_b), PBTS_ADDRESS_NONE);
    raw_pass(r, 70000);
    assert_false(heard_exchange(r, a, 1, &message));
    raw_free(r);
}

static void addresses_that_are_heard_of_are_dialed(void **state) {
    (void)state;
    raw *r = raw_new_public();
    raw_peer *peer = meet_extended(r, LISTENS, 0);
    pbts_addr dialed;
    assert_false(pbts_session_next_dial(r->session, &dialed, r->now));
    say_extended(r, peer, 1,
                 "d5:added6:\x28\x01\x01\x01\x1A\xE1"
                 "e",
                 (pbts_span){ NULL, 0 });
    assert_true(pbts_session_next_dial(r->session, &dialed, r->now));
    assert_int_equal(dialed.port, 6881);
    /* Too early for another. */
    say_extended(r, peer, 1,
                 "d5:added6:\x28\x01\x01\x02\x1A\xE1"
                 "e",
                 (pbts_span){ NULL, 0 });
    assert_false(pbts_session_next_dial(r->session, &dialed, r->now));
    raw_pass(r, PBTS_EXCHANGE_MIN_MS);
    say_extended(r, peer, 1,
                 "d5:added6:\x28\x01\x01\x03\x1A\xE1"
                 "e",
                 (pbts_span){ NULL, 0 });
    assert_true(pbts_session_next_dial(r->session, &dialed, r->now));
    assert_int_equal(dialed.ip[3], 3);
    raw_free(r);
}

static void private_torrents_exchange_nothing_with_strangers(void **state) {
    (void)state;
    raw *r = raw_new();
    r->config.pex = true;
    raw_start(r);
    pbts_pex_message message;
    pbts_addr dialed;
    raw_peer *a = meet_extended(r, LISTENS, 0);
    (void)meet_extended(r, LISTENS, 0);
    raw_pass(r, 5000);
    assert_false(heard_exchange(r, a, 0, &message));
    say_extended(r, a, 1,
                 "d5:added6:\x28\x01\x01\x01\x1A\xE1"
                 "e",
                 (pbts_span){ NULL, 0 });
    assert_false(pbts_session_next_dial(r->session, &dialed, r->now));
    pbts_extended_handshake handshake;
    assert_int_equal(pbts_extended_handshake_decode(
                         &handshake, raw_heard(r, a, PBTS_PEER_EXTENDED, 0)->extended.body),
                     PBTS_OK);
    assert_int_equal(handshake.ids[PBTS_EXTENSION_PEX], PBTS_EXTENSION_ID_UNCHANGED);
    raw_free(r);
}

enum { LINE = 3 };

/* Three with receipts in a line, and how many links the last one has when the ends may have heard
 * of each other through the middle. */
static uint32_t links_of_the_end(void (*show)(swarm_node *node)) {
    static const uint64_t files[] = { 400000 };
    swarm_content content = swarm_content_new(PBTS_TORRENT_V1, 32768, files, 1);
    swarm *world = swarm_new(&content, 7, true);
    for (int i = 0; i < LINE; i++) {
        swarm_node *node = swarm_add(world, i == 0);
        if (show != NULL) show(node);
        node->config.pex = true;
        node->up_bytes_per_s = 10000; /* nobody is finished soon */
        swarm_join(node);
        node->tracker_ms = UINT64_MAX; /* no tracker tells them */
    }
    assert_true(swarm_connect(&world->nodes[1], &world->nodes[0]));
    assert_true(swarm_connect(&world->nodes[1], &world->nodes[2]));
    for (int i = 0; i < LINE; i++) swarm_drain(&world->nodes[i]);
    swarm_run_ms(world, 15000);
    uint32_t links = swarm_stats(&world->nodes[LINE - 1]).links_ready;
    swarm_free(world);
    swarm_content_free(&content);
    return links;
}

static void private_torrents_exchange_between_those_with_receipts(void **state) {
    (void)state;
    assert_int_equal(links_of_the_end(NULL), 2);
}

/* What the tracker says of a node: up for each 1000 bytes down, at a minimum ratio of one half. */
static void show_membership(swarm_node *node, uint64_t up_bytes, uint64_t allowance_bytes) {
    static uint8_t bytes[LINE][PBTS_MEMBERSHIP_LEN];
    pbts_membership membership = { .key = node->terms.key,
                                   .allowance_bytes = allowance_bytes,
                                   .up_bytes = up_bytes,
                                   .down_bytes = 1000,
                                   .min_ratio_milli = 500,
                                   .issued = SWARM_START_S - 60,
                                   .expires = SWARM_START_S + 86400 };
    pbts_membership_sign(&membership, node->terms.iid, &node->world->tracker);
    pbts_writer writer = pbts_writer_over(bytes[node->index], sizeof bytes[0]);
    pbts_membership_encode(&writer, &membership);
    node->terms.membership = pbts_writer_span(&writer);
}

static void show_enough(swarm_node *node) {
    show_membership(node, 500, UINT64_C(1) << 40);
    node->terms.ticket.len = 0;
    node->terms.is_outage = true;
}

/* The middle one keeps its standing. */
static void show_too_little(swarm_node *node) {
    show_membership(node, node->index == 1 ? 500 : 499, UINT64_C(1) << 40);
    node->terms.ticket.len = 0;
    node->terms.is_outage = true;
}

static void show_too_little_and_a_ticket(swarm_node *node) {
    show_membership(node, node->index == 1 ? 500 : 499, UINT64_C(1) << 40);
}

static void show_a_ticket_that_allows_nothing(swarm_node *node) {
    if (node->index != 1) swarm_show_ticket(node, 0);
}

/* Who knows one member would else learn of all, whatever he owes. */
static void nobody_below_the_ratio_is_told_of_peers(void **state) {
    (void)state;
    assert_int_equal(links_of_the_end(show_enough), 2);
    assert_int_equal(links_of_the_end(show_too_little), 1);
    assert_int_equal(links_of_the_end(show_too_little_and_a_ticket), 1);
    assert_int_equal(links_of_the_end(show_a_ticket_that_allows_nothing), 1);
}

static void the_extended_handshake_says_who_we_are(void **state) {
    (void)state;
    raw *r = raw_new();
    raw_have(r, 0, 9);
    raw_start(r);
    raw_peer *peer = meet_extended(r,
                                   "d1:v40:"
                                   "a client with a name, and\x01 a strange one"
                                   "e",
                                   0);
    pbts_extended_handshake handshake;
    assert_int_equal(pbts_extended_handshake_decode(
                         &handshake, raw_heard(r, peer, PBTS_PEER_EXTENDED, 0)->extended.body),
                     PBTS_OK);
    assert_true(pbts_span_is(handshake.version, "raw 1"));
    assert_int_equal(handshake.listen_port, 7000);
    assert_int_equal(handshake.requests_max, PBTS_REQUESTS_IN_MAX);
    assert_int_equal(handshake.metadata_bytes, pbts_metainfo_info_raw(r->content.meta).len);
    assert_true(handshake.has_upload_only && handshake.upload_only);
    pbts_addr addr = raw_addr(1);
    assert_true(handshake.has_your_ip && pbts_addr_equal_ip(&handshake.your_ip, &addr));
    assert_string_equal(raw_stats(r, peer).client, "a client with a name, and? a strange one");
    raw_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_magnet_link_is_enough_in_every_version),
        cmocka_unit_test(a_magnet_link_leads_to_receipts),
        cmocka_unit_test(metadata_is_asked_of_one_peer_and_checked),
        cmocka_unit_test(who_is_silent_or_rejects_is_left_for_another),
        cmocka_unit_test(who_drips_metadata_is_left_for_another),
        cmocka_unit_test(metadata_of_another_length_is_not_believed),
        cmocka_unit_test(what_peers_have_is_believed_when_the_metadata_is_there),
        cmocka_unit_test(what_is_here_already_is_told_when_the_metadata_is_there),
        cmocka_unit_test(a_hundred_connections_wait_for_metadata_at_most),
        cmocka_unit_test(false_hashes_end_it_and_true_ones_of_another_peer_do),
        cmocka_unit_test(who_gives_no_hashes_is_dialed_again_by_the_v2_infohash),
        cmocka_unit_test(one_at_a_time_is_called_by_the_v2_infohash),
        cmocka_unit_test(who_cannot_be_dialed_otherwise_is_kept),
        cmocka_unit_test(either_infohash_of_a_magnet_link_is_taken),
        cmocka_unit_test(who_says_nothing_is_dialed_by_the_other_infohash),
        cmocka_unit_test(a_false_second_infohash_is_forgotten_and_who_came_by_it_goes),
        cmocka_unit_test(a_second_infohash_of_a_v1_torrent_is_forgotten),
        cmocka_unit_test(metadata_is_given_in_pieces_and_no_others),
        cmocka_unit_test(hashes_are_given_and_what_is_not_there_is_rejected),
        cmocka_unit_test(peers_hear_of_each_other_and_of_who_left),
        cmocka_unit_test(an_address_in_the_place_of_one_who_left_is_another),
        cmocka_unit_test(addresses_that_are_heard_of_are_dialed),
        cmocka_unit_test(private_torrents_exchange_nothing_with_strangers),
        cmocka_unit_test(private_torrents_exchange_between_those_with_receipts),
        cmocka_unit_test(nobody_below_the_ratio_is_told_of_peers),
        cmocka_unit_test(the_extended_handshake_says_who_we_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
