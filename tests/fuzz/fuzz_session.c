/* libFuzzer target: a session, and one connection that sends anything after a good handshake.
 *
 * Input: u8 scene (bits: without metadata, with receipts, v2, we are the seeder, its BEP 6, its
 * BEP 10, hashes are found wrong, incoming), then records: u8 what, u8 length, bytes.
 *   what % 4: 0, 1 the bytes arrive; 2 so much time passes; 3 the owner sends what there is
 * Whatever comes: the session keeps its counts, asks for pieces that are, gives content that is
 * there, tells of each buffer once, and ends without a leak. */
#include <stdlib.h>
#include <string.h>

#include "peer/session.h"
#include "peer/session_parts.h"
#include "torrent/builder.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"

enum {
    NO_META = 1,
    RECEIPTS = 2,
    V2 = 4,
    SEEDER = 8,
    FAST = 16,
    EXTENDED = 32,
    WRONG = 64,
    INCOMING = 128,
    PIECE = 16 * 1024,
    PIECES = 5,
    INPUT_MAX = 4096,
};

static void require(bool truth) {
    if (!truth) abort();
}

static pbts_status fill(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    memset(out, 0x5A, len);
    return PBTS_OK;
}
static pbts_random RANDOM = { fill };

static pbts_metainfo *make_torrent(pbts_torrent_version version) {
    static uint8_t content[PIECES * PIECE - 100];
    pbts_torrent_options options = {
        .version = version, .piece_length = PIECE, .name = pbts_span_text("x"), .single_file = true
    };
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_span bytes;
    for (size_t i = 0; i < sizeof content; i++) content[i] = (uint8_t)(i * 7 + (i >> 14));
    require(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options) == PBTS_OK);
    require(pbts_torrent_builder_begin_file(builder, options.name, sizeof content) == PBTS_OK);
    require(pbts_torrent_builder_add(builder, PBTS_SPAN_OF(content)) == PBTS_OK);
    require(pbts_torrent_builder_finish(builder, &bytes) == PBTS_OK);
    require(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes) == PBTS_OK);
    pbts_torrent_builder_free(builder);
    return meta;
}

/* Made once: torrents and a key. */
static pbts_metainfo *TORRENTS[2];
static pbts_bls_secret SECRET;
static pbts_link_terms TERMS;

static void prepare(void) {
    if (TORRENTS[0] != NULL) return;
    TORRENTS[0] = make_torrent(PBTS_TORRENT_V1);
    TORRENTS[1] = make_torrent(PBTS_TORRENT_V2);
    SECRET.bytes[31] = 5;
    TERMS = (pbts_link_terms){ .mem = pbts_mem_system(),
                               .random = &RANDOM,
                               .secret = &SECRET,
                               .forms_taken = PBTS_PEER_FORM_MASK,
                               .form_given = PBTS_FORM_CUMULATIVE,
                               .batch_pieces = 10,
                               .exposure_max_bytes = PBTS_EXPOSURE_MAX_BYTES,
                               .receipt_timeout_ms = 30000,
                               .receipts_required = true };
    pbts_bls_public_of(&TERMS.key, &SECRET);
}

typedef struct {
    pbts_session *session;
    const pbts_metainfo *meta;
    pbts_conn conn;
    bool is_open, hash_ok;
    bool buffers[PIECES];
    pbts_moment now;
    uint8_t input[2 * INPUT_MAX];
    size_t input_len;
} scene;

static void close_conn(scene *s) {
    if (s->is_open) pbts_session_closed(s->session, s->conn, s->now);
    s->is_open = false;
}

static void drain(scene *s) {
    pbts_session_event event;
    pbts_link_receipt receipt;
    pbts_conn conn;
    while (pbts_session_next_event(s->session, &event)) {
        switch (event.kind) {
        case PBTS_SESSION_PIECE_OPENED:
            require(event.piece < PIECES && !s->buffers[event.piece]);
            s->buffers[event.piece] = true;
            break;
        case PBTS_SESSION_PIECE_COMPLETE:
        case PBTS_SESSION_PIECE_DROPPED:
            require(event.piece < PIECES && s->buffers[event.piece]);
            s->buffers[event.piece] = false;
            if (event.kind == PBTS_SESSION_PIECE_DROPPED) break;
            pbts_session_piece_checked(s->session, event.piece, s->hash_ok, true, s->now);
            break;
        case PBTS_SESSION_METADATA:
            require(pbts_session_set_metainfo(s->session, s->meta, (pbts_span){ NULL, 0 },
                                              s->now) == PBTS_OK);
            break;
        case PBTS_SESSION_CLOSE: require(event.text != NULL); break;
        default: break;
        }
    }
    while (pbts_session_next_receipt(s->session, &conn, &receipt)) {
        pbts_session_receipt_stored(s->session, conn, s->now);
    }
}

/* What the session cannot get wrong. */
static void check(const scene *s) {
    const pbts_session *session = s->session;
    if (session->config.meta == NULL) return;
    uint32_t orphans = 0;
    pbts_picker_check(&session->picker);
    for (uint32_t i = 0; i < session->open.used; i++) {
        const pbts_open_piece *slot = &session->open.slots[session->open.order[i]];
        if (slot->state != PBTS_SLOT_OPEN) continue;
        pbts_open_piece_check(slot);
        orphans += slot->owner == 0;
    }
    require(orphans == session->orphans);
    pbts_session_stats stats;
    pbts_session_stats_read(session, &stats);
    require(stats.have_bytes + stats.left_bytes == stats.total_bytes);
}

static void feed(scene *s, pbts_span bytes) {
    pbts_payload payload;
    size_t used = 0;
    memcpy(s->input + s->input_len, bytes.data, bytes.len);
    s->input_len += bytes.len;
    size_t at = 0;
    for (;;) {
        if (pbts_session_payload(s->session, s->conn, &payload)) {
            size_t left = s->input_len - at;
            uint32_t len = payload.left_bytes < left ? payload.left_bytes : (uint32_t)left;
            /* Payload is not what this is about: the rest of a block is taken as sent. */
            uint32_t taken = len == left ? payload.left_bytes : len;
            if (!payload.discard) {
                require(payload.piece < PIECES && s->buffers[payload.piece]);
                require(payload.offset_bytes + payload.left_bytes <=
                        pbts_piece_stream_bytes(s->meta, payload.piece));
            }
            pbts_session_payload_taken(s->session, s->conn, taken, s->now);
            at += len;
        } else {
            size_t left = s->input_len - at;
            uint8_t *exact = malloc(left + 1);
            require(exact != NULL);
            memcpy(exact, s->input + at, left);
            pbts_status status = pbts_session_receive(s->session, s->conn,
                                                      (pbts_span){ exact, left }, &used, s->now);
            free(exact);
            require(used <= left && status != PBTS_NEED_MORE);
            at += used;
            if (!pbts_session_payload(s->session, s->conn, &payload)) break;
        }
        drain(s);
    }
    memmove(s->input, s->input + at, s->input_len - at);
    s->input_len -= at;
    /* A message that is waited for is never longer than a receive buffer. */
    if (s->input_len > INPUT_MAX) s->input_len = 0;
    drain(s);
}

static void send(scene *s, uint32_t block_max) {
    pbts_session_send out;
    while (pbts_session_next_send(s->session, s->conn, &out, block_max, s->now)) {
        require(out.bytes.len > 0 && out.bytes.len <= PBTS_SESSION_SEND_MAX);
        if (out.block_bytes + out.pad_bytes == 0) continue;
        require(out.block_bytes + out.pad_bytes <= block_max);
        require(pbts_piece_set_has(pbts_session_have(s->session).data, out.piece));
        require(out.offset_bytes + out.block_bytes <= pbts_piece_stream_bytes(s->meta, out.piece));
        drain(s);
    }
    drain(s);
}

static void say_handshake(scene *s, uint8_t bits) {
    uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN];
    pbts_peer_handshake handshake = { .peer_id = "-FUZZ" };
    if (bits & FAST) handshake.features |= PBTS_PEER_FEATURE_FAST;
    if (bits & EXTENDED) handshake.features |= PBTS_PEER_FEATURE_EXTENDED;
    memcpy(handshake.infohash, pbts_metainfo_infohash(s->meta), PBTS_INFOHASH_LEN);
    pbts_peer_handshake_encode(bytes, &handshake);
    feed(s, PBTS_SPAN_OF(bytes));
}

static void begin(scene *s, uint8_t bits) {
    static const uint8_t ALL = 0xF8;
    pbts_addr addr = { .family = PBTS_IPV4, .ip = { 30, 0, 0, 1 }, .port = 6881 };
    s->meta = TORRENTS[(bits & V2) != 0];
    s->hash_ok = (bits & WRONG) == 0;
    s->now = (pbts_moment){ 1800000000, 1000 };
    pbts_session_config config = {
        .mem = pbts_mem_system(),
        .seed = bits,
        .meta = bits & NO_META ? NULL : s->meta,
        .terms = bits & RECEIPTS ? &TERMS : NULL,
        .infohash_is_v2 = (bits & V2) != 0,
        .peer_id = "-US",
        .client = "fuzz",
        .legacy = PBTS_LEGACY_SERVE,
        .connections_max = 4,
        .unchoked_max = 2,
        .open_bytes_max = 1,
        .pex = true,
    };
    if ((bits & SEEDER) && !(bits & NO_META)) config.have = (pbts_span){ &ALL, 1 };
    memcpy(config.infohash, pbts_metainfo_infohash(s->meta), PBTS_INFOHASH_LEN);
    require(pbts_session_new(&s->session, &config, s->now) == PBTS_OK);
    require(pbts_session_opened(s->session, &s->conn, &addr, (bits & INCOMING) == 0, s->now) ==
            PBTS_OK);
    s->is_open = true;
    say_handshake(s, bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static scene s;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ data, len });
    uint8_t bits, what, count;
    pbts_span bytes;
    prepare();
    if (len > INPUT_MAX || pbts_read_u8(&cursor, &bits) != PBTS_OK) return 0;
    s = (scene){ .session = NULL };
    begin(&s, bits);
    while (pbts_read_u8(&cursor, &what) == PBTS_OK && pbts_read_u8(&cursor, &count) == PBTS_OK) {
        if (what % 4 < 2) {
            size_t left = pbts_cursor_left(&cursor);
            if (pbts_read_span(&cursor, &bytes, count < left ? count : left) != PBTS_OK) break;
            feed(&s, bytes);
        } else if (what % 4 == 2) {
            s.now.mono_ms += (uint64_t)count * count;
            s.now.unix_s += (uint64_t)count * count / 1000;
            pbts_session_tick(s.session, s.now);
            drain(&s);
        } else {
            send(&s, count % 2 ? PBTS_PEER_BLOCK_BYTES_MAX : 0);
        }
        check(&s);
    }
    send(&s, PBTS_PEER_BLOCK_BYTES_MAX);
    close_conn(&s);
    drain(&s);
    check(&s);
    pbts_session_free(s.session);
    return 0;
}
