/* tests/unit/peer/raw_kit.h - one session and hand-made peers: tests say every byte. */
#ifndef PBTS_TEST_RAW_KIT_H
#define PBTS_TEST_RAW_KIT_H

#include "peer/swarm_kit.h"

enum { RAW_HEARD_MAX = 4096, RAW_PEERS_MAX = 40, RAW_PIECE = 64 * 1024, RAW_BLOCK = 16 * 1024 };

/* What a peer was sent: messages decoded, blocks by their header. */
typedef struct {
    pbts_conn conn;
    bool gone;
    uint8_t peer_id[20];
    pbts_peer_handshake handshake; /* of the session */
    bool has_handshake;
    uint8_t *bytes; /* control bytes as they came */
    size_t len, at;
    pbts_peer_message heard[RAW_HEARD_MAX];
    size_t heard_len;
    uint64_t block_bytes, pad_bytes; /* that came */
} raw_peer;

typedef struct {
    swarm_content content;
    pbts_session_config config;
    pbts_session *session;
    pbts_moment now;
    uint8_t have[SWARM_PIECES_MAX / 8];
    uint8_t *buffers[SWARM_PIECES_MAX];
    raw_peer peers[RAW_PEERS_MAX];
    uint32_t peer_count;
    /* what the session told */
    uint32_t opened, completed, dropped, finished, metadata, closes;
    char why[128]; /* of the last close */
    bool accept_pieces, written;
    uint8_t *torrent; /* of the event METADATA */
    size_t torrent_len;
} raw;

/* A torrent without private=1. */
static inline void raw_make_public(swarm_content *content) {
    static const char KEY[] = "7:privatei1e";
    pbts_span bytes = pbts_metainfo_bytes(content->meta);
    const uint8_t *at = memmem(bytes.data, bytes.len, KEY, sizeof KEY - 1);
    assert_non_null(at);
    size_t before = (size_t)(at - bytes.data), len = bytes.len - (sizeof KEY - 1);
    uint8_t *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, bytes.data, before);
    memcpy(copy + before, at + sizeof KEY - 1, len - before);
    pbts_metainfo_free(content->meta);
    assert_int_equal(
        pbts_metainfo_parse(&content->meta, NULL, pbts_mem_system(), (pbts_span){ copy, len }),
        PBTS_OK);
    free(copy);
}

/* Eight pieces of 64 KiB and one of 100 bytes; nothing is here. Change config, then raw_start. */
static inline raw *raw_new_of(pbts_torrent_version version, const uint64_t *files, uint32_t count) {
    raw *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->content = swarm_content_new(version, RAW_PIECE, files, count);
    r->now = (pbts_moment){ SWARM_START_S, 1000000 };
    r->accept_pieces = r->written = true;
    r->config = (pbts_session_config){
        .mem = pbts_mem_system(),
        .seed = 1,
        .meta = r->content.meta,
        .infohash_is_v2 = !pbts_metainfo_has_v1(r->content.meta),
        .peer_id = "-RAW000-this-is-us-",
        .client = "raw 1",
        .listen_port = 7000,
        .legacy = PBTS_LEGACY_SERVE,
        .connections_max = RAW_PEERS_MAX,
        .unchoked_max = 4,
        .open_bytes_max = 4 * 1024 * 1024,
    };
    memcpy(r->config.infohash, pbts_metainfo_infohash(r->content.meta), PBTS_INFOHASH_LEN);
    return r;
}

static inline raw *raw_new(void) {
    static const uint64_t files[] = { 8 * RAW_PIECE + 100 };
    return raw_new_of(PBTS_TORRENT_V1, files, 1);
}

static inline void raw_start(raw *r) {
    if (r->config.meta != NULL) {
        uint32_t pieces = pbts_metainfo_piece_count(r->config.meta);
        r->config.have = (pbts_span){ r->have, pbts_piece_set_len(pieces) };
    }
    assert_int_equal(pbts_session_new(&r->session, &r->config, r->now), PBTS_OK);
}

static inline void raw_have(raw *r, uint32_t first, uint32_t end) {
    for (uint32_t i = first; i < end; i++) pbts_piece_set_add(r->have, i);
}

static inline void raw_free(raw *r) {
    pbts_session_free(r->session);
    for (uint32_t i = 0; i < SWARM_PIECES_MAX; i++) free(r->buffers[i]);
    for (uint32_t i = 0; i < r->peer_count; i++) free(r->peers[i].bytes);
    swarm_content_free(&r->content);
    free(r->torrent);
    free(r);
}

/* ---- the session's owner ---- */

static inline raw_peer *raw_peer_of(raw *r, pbts_conn conn) {
    for (uint32_t i = r->peer_count; i-- > 0;) {
        if (!r->peers[i].gone && r->peers[i].conn == conn) return &r->peers[i];
    }
    return NULL;
}

static inline void raw_drain(raw *r) {
    pbts_session_event event;
    while (pbts_session_next_event(r->session, &event)) {
        switch (event.kind) {
        case PBTS_SESSION_PIECE_OPENED:
            assert_null(r->buffers[event.piece]);
            r->buffers[event.piece] = calloc(1, RAW_PIECE);
            r->opened++;
            break;
        case PBTS_SESSION_PIECE_DROPPED:
        case PBTS_SESSION_PIECE_COMPLETE:
            assert_non_null(r->buffers[event.piece]);
            free(r->buffers[event.piece]);
            r->buffers[event.piece] = NULL;
            if (event.kind == PBTS_SESSION_PIECE_DROPPED) {
                r->dropped++;
                break;
            }
            r->completed++;
            pbts_session_piece_checked(r->session, event.piece, r->accept_pieces, r->written,
                                       r->now);
            break;
        case PBTS_SESSION_FINISHED: r->finished++; break;
        case PBTS_SESSION_METADATA:
            r->metadata++;
            r->torrent = realloc(r->torrent, event.bytes.len);
            assert_non_null(r->torrent);
            memcpy(r->torrent, event.bytes.data, event.bytes.len);
            r->torrent_len = event.bytes.len;
            break;
        case PBTS_SESSION_CLOSE:
            r->closes++;
            (void)snprintf(r->why, sizeof r->why, "%s", event.text);
            break;
        default: break;
        }
    }
}

/* Everything that waits for this peer. */
static inline void raw_listen(raw *r, raw_peer *peer) {
    pbts_session_send out;
    raw_drain(r);
    while (
        pbts_session_next_send(r->session, peer->conn, &out, PBTS_PEER_BLOCK_BYTES_MAX, r->now)) {
        peer->bytes = realloc(peer->bytes, peer->len + out.bytes.len);
        assert_non_null(peer->bytes);
        memcpy(peer->bytes + peer->len, out.bytes.data, out.bytes.len);
        peer->len += out.bytes.len;
        peer->block_bytes += out.block_bytes;
        peer->pad_bytes += out.pad_bytes;
        raw_drain(r);
    }
    size_t used;
    if (!peer->has_handshake && peer->len >= PBTS_PEER_HANDSHAKE_LEN) {
        pbts_span bytes = { peer->bytes, peer->len };
        assert_int_equal(pbts_peer_handshake_decode(&peer->handshake, bytes), PBTS_OK);
        peer->has_handshake = true;
        peer->at = PBTS_PEER_HANDSHAKE_LEN;
    }
    pbts_peer_bounds bounds = { 0 };
    peer->heard_len = 0; /* all are decoded again: the bytes may have moved */
    for (size_t at = PBTS_PEER_HANDSHAKE_LEN; at < peer->len; at += used) {
        pbts_span rest = { peer->bytes + at, peer->len - at };
        assert_true(peer->heard_len < RAW_HEARD_MAX);
        assert_int_equal(
            pbts_peer_message_decode(&peer->heard[peer->heard_len++], &used, rest, &bounds),
            PBTS_OK);
    }
}

/* Forget what was heard. */
static inline void raw_clear(raw *r, raw_peer *peer) {
    raw_listen(r, peer);
    peer->len = peer->has_handshake ? PBTS_PEER_HANDSHAKE_LEN : 0;
    peer->heard_len = 0;
}

static inline size_t raw_count(raw *r, raw_peer *peer, pbts_peer_type type) {
    size_t count = 0;
    raw_listen(r, peer);
    for (size_t i = 0; i < peer->heard_len; i++) count += peer->heard[i].type == type;
    return count;
}

/* The n-th message of a type, or NULL. */
static inline const pbts_peer_message *raw_heard(raw *r, raw_peer *peer, pbts_peer_type type,
                                                 size_t n) {
    raw_listen(r, peer);
    for (size_t i = 0; i < peer->heard_len; i++) {
        if (peer->heard[i].type == type && n-- == 0) return &peer->heard[i];
    }
    return NULL;
}

/* ---- peers ---- */

static inline pbts_addr raw_addr(uint32_t number) {
    return (pbts_addr){ .family = PBTS_IPV4, .ip = { 30, 0, 0, (uint8_t)number }, .port = 5000 };
}

static inline raw_peer *raw_open_at(raw *r, const pbts_addr *addr, bool outgoing) {
    assert_true(r->peer_count < RAW_PEERS_MAX);
    raw_peer *peer = &r->peers[r->peer_count++];
    (void)snprintf((char *)peer->peer_id, sizeof peer->peer_id, "-HAND00-number-%03u",
                   r->peer_count);
    assert_int_equal(pbts_session_opened(r->session, &peer->conn, addr, outgoing, r->now), PBTS_OK);
    return peer;
}

/* A new incoming connection from another address; nothing is said yet. */
static inline raw_peer *raw_open(raw *r) {
    pbts_addr addr = raw_addr(r->peer_count + 1);
    return raw_open_at(r, &addr, false);
}

/* Feed bytes as an exact-size copy; what is not taken is forgotten. */
static inline pbts_status raw_feed(raw *r, raw_peer *peer, pbts_span bytes, size_t *used) {
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    pbts_status status =
        pbts_session_receive(r->session, peer->conn, (pbts_span){ copy, bytes.len }, used, r->now);
    free(copy);
    raw_drain(r);
    return status;
}

static inline pbts_status raw_say_status(raw *r, raw_peer *peer, const pbts_peer_message *message) {
    static uint8_t buffer[PBTS_PEER_MESSAGE_LEN_MAX];
    size_t used;
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_message_encode(&writer, message);
    assert_false(writer.failed);
    pbts_status status = raw_feed(r, peer, pbts_writer_span(&writer), &used);
    assert_int_equal(used, writer.len);
    return status;
}

static inline void raw_say(raw *r, raw_peer *peer, const pbts_peer_message *message) {
    assert_int_equal(raw_say_status(r, peer, message), PBTS_OK);
}

static inline void raw_say_type(raw *r, raw_peer *peer, pbts_peer_type type) {
    pbts_peer_message message = { .type = type };
    raw_say(r, peer, &message);
}

static inline void raw_say_piece(raw *r, raw_peer *peer, pbts_peer_type type, uint32_t piece) {
    pbts_peer_message message = { .type = type, .piece_index = piece };
    raw_say(r, peer, &message);
}

static inline pbts_peer_message raw_block(pbts_peer_type type, uint32_t piece, uint32_t begin,
                                          uint32_t length) {
    return (pbts_peer_message){ .type = type, .block = { piece, begin, length } };
}

static inline void raw_say_handshake(raw *r, raw_peer *peer, uint64_t features) {
    uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN];
    size_t used;
    pbts_peer_handshake handshake = { .features = features };
    memcpy(handshake.infohash, r->config.infohash, PBTS_INFOHASH_LEN);
    memcpy(handshake.peer_id, peer->peer_id, sizeof handshake.peer_id);
    pbts_peer_handshake_encode(bytes, &handshake);
    assert_int_equal(raw_feed(r, peer, PBTS_SPAN_OF(bytes), &used), PBTS_OK);
    assert_int_equal(used, sizeof bytes);
}

/* A peer that has shaken hands; with BEP 6 unless it is `old`. */
static inline raw_peer *raw_meet(raw *r, bool old) {
    raw_peer *peer = raw_open(r);
    raw_say_handshake(r, peer, old ? 0 : PBTS_PEER_FEATURE_FAST);
    return peer;
}

/* One that has everything and lets us ask. */
static inline raw_peer *raw_meet_seed(raw *r, bool old) {
    raw_peer *peer = raw_meet(r, old);
    uint8_t all[SWARM_PIECES_MAX / 8] = { 0 };
    uint32_t pieces = pbts_metainfo_piece_count(r->content.meta);
    for (uint32_t i = 0; i < pieces; i++) pbts_piece_set_add(all, i);
    pbts_peer_message has = { .type = old ? PBTS_PEER_BITFIELD : PBTS_PEER_HAVE_ALL };
    if (old) has.bitfield = (pbts_span){ all, pbts_piece_set_len(pieces) };
    raw_say(r, peer, &has);
    raw_say_type(r, peer, PBTS_PEER_UNCHOKE);
    return peer;
}

/* Give a block, whole; true when it was discarded. */
static inline bool raw_give(raw *r, raw_peer *peer, const pbts_peer_block *block) {
    pbts_peer_message message = { .type = PBTS_PEER_PIECE, .block = *block };
    pbts_payload payload;
    raw_say(r, peer, &message);
    assert_true(pbts_session_payload(r->session, peer->conn, &payload));
    assert_int_equal(payload.left_bytes, block->length);
    assert_int_equal(payload.piece, block->index);
    assert_int_equal(payload.offset_bytes, block->begin);
    pbts_session_payload_taken(r->session, peer->conn, block->length, r->now);
    raw_drain(r);
    return payload.discard;
}

/* Give all that was asked for so far, in order; returns how many blocks. */
static inline size_t raw_give_all(raw *r, raw_peer *peer) {
    pbts_peer_block asked[256];
    size_t count = 0;
    raw_listen(r, peer);
    for (size_t i = 0; i < peer->heard_len; i++) {
        if (peer->heard[i].type != PBTS_PEER_REQUEST) continue;
        assert_true(count < 256);
        asked[count++] = peer->heard[i].block;
    }
    raw_clear(r, peer);
    for (size_t i = 0; i < count; i++) (void)raw_give(r, peer, &asked[i]);
    return count;
}

static inline void raw_close(raw *r, raw_peer *peer) {
    pbts_session_closed(r->session, peer->conn, r->now);
    peer->gone = true;
    raw_drain(r);
}

static inline void raw_pass(raw *r, uint64_t ms) {
    uint64_t end_ms = r->now.mono_ms + ms;
    while (r->now.mono_ms < end_ms) {
        uint64_t next_ms = pbts_session_deadline_ms(r->session);
        if (next_ms <= r->now.mono_ms) next_ms = r->now.mono_ms + 1;
        if (next_ms > end_ms) next_ms = end_ms;
        r->now.unix_s += next_ms / 1000 - r->now.mono_ms / 1000;
        r->now.mono_ms = next_ms;
        pbts_session_tick(r->session, r->now);
        raw_drain(r);
    }
}

static inline pbts_conn_stats raw_stats(raw *r, const raw_peer *peer) {
    pbts_conn_stats stats;
    assert_int_equal(pbts_session_conn_stats(r->session, peer->conn, &stats), PBTS_OK);
    return stats;
}

#endif
