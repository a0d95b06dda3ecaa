/* libFuzzer target: a session, and one connection whose key is proven: receipts both ways.
 *
 * At the other end is a real link with a key of its own, which says hello and proves it. Then
 * records say what happens, to the session or (bit 7) to that link:
 *
 * Input: u8 scene (bits: we have pieces 0-3, forms: 2 bits each way, wrong hashes, no book), then
 * records: u8 what, u8 value, and for some u8 length, bytes.
 *   what % 10: 0  a message of any type
 *              1  a `pbts` message with any body
 *              2  a receipt, rightly signed or not
 *              3  a request for a receipt
 *              4  a certificate of a session
 *              5  the peer asks for a block
 *              6  it gives one, and (bit 7 of value) does not remember that
 *              7  time passes
 *              8  what both have to say is exchanged
 *              9  the peer's link is told of pieces that came, or were served
 *
 * Whatever comes: the session keeps its counts, what is lent stays within the limit, no piece is
 * taken for paid that was not served, and nothing leaks. */
#include <stdlib.h>
#include <string.h>

#include "base/epoch.h"
#include "peer/session.h"
#include "peer/session_parts.h"
#include "receipt/pieces.h"
#include "torrent/builder.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"
#include "wire/peer_extension.h"
#include "wire/peer_pbts.h"

enum {
    HAVE_SOME = 1,
    WRONG = 32,
    NO_BOOK = 64,
    PIECE = 16 * 1024,
    PIECES = 8,
    HERE = 4, /* with HAVE_SOME: the first ones */
    INPUT_MAX = 2048,
    RECORDS_MAX = 64, /* a signature or its check takes a millisecond */
    THEIRS = 128,
};

static void require(bool truth) {
    if (!truth) abort();
}

/* ---- made once: a torrent, two keys ---- */

static pbts_status fill_ours(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    memset(out, 0x5A, len);
    return PBTS_OK;
}
static pbts_status fill_theirs(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    memset(out, 0x25, len);
    return PBTS_OK;
}
static pbts_random RANDOMS[2] = { { fill_ours }, { fill_theirs } };
static pbts_bls_secret SECRETS[2]; /* 0: the session's, 1: the peer's */
static pbts_bls_public KEYS[2];
static pbts_metainfo *META;

static void prepare(void) {
    static uint8_t content[PIECES * PIECE - 100];
    pbts_torrent_options options = { .version = PBTS_TORRENT_V1,
                                     .piece_length = PIECE,
                                     .name = pbts_span_text("x"),
                                     .single_file = true };
    pbts_torrent_builder *builder;
    pbts_span bytes;
    if (META != NULL) return;
    for (size_t i = 0; i < sizeof content; i++) content[i] = (uint8_t)(i * 7 + (i >> 14));
    require(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options) == PBTS_OK);
    require(pbts_torrent_builder_begin_file(builder, options.name, sizeof content) == PBTS_OK);
    require(pbts_torrent_builder_add(builder, PBTS_SPAN_OF(content)) == PBTS_OK);
    require(pbts_torrent_builder_finish(builder, &bytes) == PBTS_OK);
    require(pbts_metainfo_parse(&META, NULL, pbts_mem_system(), bytes) == PBTS_OK);
    pbts_torrent_builder_free(builder);
    for (int i = 0; i < 2; i++) {
        SECRETS[i].bytes[31] = (uint8_t)(5 + i);
        pbts_bls_public_of(&KEYS[i], &SECRETS[i]);
    }
}

/* ---- the scene ---- */

typedef struct {
    pbts_session *session;
    pbts_conn conn;
    pbts_link *peer; /* the other end's */
    pbts_link_torrent torrent;
    pbts_link_terms terms[2];
    pbts_book *book;
    pbts_moment now;
    bool hash_ok, closed;
    bool buffers[PIECES];
    uint32_t served[PIECES]; /* bytes that left */
    uint32_t receipts;
} scene;

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
        case PBTS_SESSION_CLOSE: s->closed = true; break;
        default: break;
        }
    }
    while (pbts_session_next_receipt(s->session, &conn, &receipt)) {
        uint32_t bad, only = receipt.record.receipt.piece_index, i = 0;
        require(pbts_receipt_record_verify(&receipt.record, &bad) == PBTS_OK);
        if (receipt.record.receipt.form == PBTS_FORM_PIECE) {
            require(only < PIECES && s->served[only] > 0);
        } else {
            for (; pbts_piece_set_next(receipt.record.receipt.bitmap, &i); i++) {
                require(s->served[i] > 0);
            }
        }
        s->receipts++;
        pbts_session_receipt_stored(s->session, conn, s->now);
    }
    while (pbts_link_next_receipt(s->peer, &receipt)) {
        uint32_t bad;
        require(pbts_receipt_record_verify(&receipt.record, &bad) == PBTS_OK);
        pbts_link_receipt_stored(s->peer, s->now);
    }
}

static void feed(scene *s, pbts_span bytes) {
    pbts_payload payload;
    size_t used;
    if (s->closed) return;
    uint8_t *exact = malloc(bytes.len + 1);
    require(exact != NULL);
    memcpy(exact, bytes.data, bytes.len);
    pbts_status status =
        pbts_session_receive(s->session, s->conn, (pbts_span){ exact, bytes.len }, &used, s->now);
    free(exact);
    require(used <= bytes.len && status != PBTS_NEED_MORE);
    drain(s);
    if (!s->closed && pbts_session_payload(s->session, s->conn, &payload)) {
        if (!payload.discard) require(payload.piece < PIECES && s->buffers[payload.piece]);
        pbts_session_payload_taken(s->session, s->conn, payload.left_bytes, s->now);
        drain(s);
    }
}

static void say(scene *s, const pbts_peer_message *message) {
    static uint8_t buffer[PBTS_PEER_MESSAGE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_message_encode(&writer, message);
    require(!writer.failed);
    feed(s, pbts_writer_span(&writer));
}

static void say_pbts(scene *s, pbts_span body) {
    pbts_peer_message message = { .type = PBTS_PEER_EXTENDED,
                                  .extended = { pbts_extension_id(PBTS_EXTENSION_PBTS), body } };
    say(s, &message);
}

/* To the session, or to the peer's link. */
static void tell(scene *s, bool theirs, pbts_span body) {
    if (!theirs) {
        say_pbts(s, body);
        return;
    }
    uint8_t *exact = malloc(body.len + 1);
    require(exact != NULL);
    memcpy(exact, body.data, body.len);
    require(pbts_link_receive(s->peer, (pbts_span){ exact, body.len }, s->now) == PBTS_OK);
    free(exact);
    drain(s);
}

static void tell_message(scene *s, bool theirs, const pbts_peer_pbts_message *message) {
    static uint8_t buffer[PBTS_LINK_MESSAGE_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_pbts_encode(&writer, message);
    require(!writer.failed);
    tell(s, theirs, pbts_writer_span(&writer));
}

/* ---- what both have to say ---- */

static void hear(scene *s, const pbts_session_send *out) {
    pbts_peer_message message;
    pbts_extended_handshake handshake;
    const pbts_peer_bounds bounds = { .piece_count = PIECES, .piece_length_bytes = PIECE };
    size_t used, at = 0;
    if (out->bytes.len >= PBTS_PEER_HANDSHAKE_LEN && out->bytes.data[0] == 19) {
        at = PBTS_PEER_HANDSHAKE_LEN;
    }
    while (at < out->bytes.len) {
        pbts_span rest = { out->bytes.data + at, out->bytes.len - at };
        if (pbts_peer_message_decode(&message, &used, rest, &bounds) != PBTS_OK) return;
        at += used;
        if (message.type != PBTS_PEER_EXTENDED) continue;
        if (message.extended.id == pbts_extension_id(PBTS_EXTENSION_PBTS)) {
            require(pbts_link_receive(s->peer, message.extended.body, s->now) == PBTS_OK);
        } else if (message.extended.id == PBTS_EXTENSION_ID_HANDSHAKE) {
            require(pbts_extended_handshake_decode(&handshake, message.extended.body) == PBTS_OK);
            require(pbts_link_receive_hello(s->peer, handshake.pbts, s->now) == PBTS_OK);
        }
    }
}

static void exchange(scene *s) {
    static uint8_t buffer[PBTS_LINK_MESSAGE_MAX];
    pbts_session_send out;
    for (bool busy = true; busy;) {
        busy = false;
        while (
            pbts_session_next_send(s->session, s->conn, &out, PBTS_PEER_BLOCK_BYTES_MAX, s->now)) {
            busy = true;
            if (out.block_bytes > 0) {
                require(out.piece < PIECES);
                require(pbts_piece_set_has(pbts_session_have(s->session).data, out.piece));
                s->served[out.piece] += out.block_bytes;
            } else {
                hear(s, &out);
            }
            drain(s);
        }
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        while (!s->closed && pbts_link_next_send(s->peer, &writer, s->now)) {
            busy = true;
            say_pbts(s, pbts_writer_span(&writer));
            writer = pbts_writer_over(buffer, sizeof buffer);
        }
    }
}

/* ---- the records ---- */

/* `value`: bits 0-1 the form, 2 an hour later, 3 two hours before, 4 another's key, 5 a signature
 * of something else. `bytes`: the pieces, or the first of them. */
static void say_receipt(scene *s, bool theirs, uint8_t value, pbts_span bytes) {
    pbts_receipt_form form = (pbts_receipt_form)(PBTS_FORM_PIECE + value % 4);
    uint8_t set[1] = { bytes.len > 0 ? bytes.data[0] : 0x80 };
    uint64_t epoch = pbts_epoch_at(s->now.unix_s) + ((value >> 2) & 1) - 2 * ((value >> 3) & 1);
    pbts_receipt receipt = { .form = form,
                             .sender = KEYS[theirs],
                             .receiver = KEYS[!theirs],
                             .epoch = epoch,
                             .bitmap = { set, sizeof set } };
    pbts_piece_hashes hashes = pbts_piece_hashes_of(META, false);
    memcpy(receipt.infohash, s->torrent.infohash, sizeof receipt.infohash);
    if (set[0] == 0) set[0] = 1;
    (void)pbts_piece_set_next(receipt.bitmap, &receipt.piece_index);
    hashes.get(hashes.context, receipt.piece_hash, receipt.piece_index);
    if (form == PBTS_FORM_BATCH) pbts_receipt_root(receipt.root, receipt.bitmap, hashes);
    pbts_peer_pbts_message message = {
        .kind = form == PBTS_FORM_BATCH ? PBTS_PEER_MSG_RECEIPT_BATCH : PBTS_PEER_MSG_RECEIPT,
        .receipt = { .form = form,
                     .epoch = epoch,
                     .piece_index = receipt.piece_index,
                     .pieces = { false, receipt.bitmap } },
    };
    if (form == PBTS_FORM_SESSION) {
        memset(&message.receipt.session_signature, value, sizeof(pbts_secp256k1_signature));
    } else {
        if (value & 32) receipt.epoch ^= 1;
        pbts_receipt_sign(&message.receipt.signature, &receipt,
                          &SECRETS[value & 16 ? theirs : !theirs]);
    }
    tell_message(s, theirs, &message);
}

static void say_request(scene *s, bool theirs, uint8_t value) {
    pbts_peer_pbts_message message = {
        .kind = PBTS_PEER_MSG_REQUEST_RECEIPT,
        .request = { .form = (pbts_receipt_form)(PBTS_FORM_PIECE + value % 4),
                     .has_index = (value & 4) != 0,
                     .piece_index = value / 8 % PIECES },
    };
    tell_message(s, theirs, &message);
}

static void say_session(scene *s, bool theirs, uint8_t value) {
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_SESSION };
    memset(&message.session, value, sizeof message.session);
    message.session.session.key.bytes[0] = (uint8_t)(2 + value % 2);
    message.session.session.expires = s->now.unix_s + 3600;
    tell_message(s, theirs, &message);
}

static void say_block(scene *s, pbts_peer_type type, uint8_t value) {
    uint32_t piece = value % PIECES, bytes = pbts_piece_stream_bytes(META, piece);
    pbts_peer_message message = { .type = type, .block = { piece, 0, bytes } };
    if (value & 64) message.block.length /= 2;
    if (type == PBTS_PEER_PIECE) {
        message.block.length = bytes;
        if ((value & 128) == 0) pbts_link_served(s->peer, piece, bytes, s->now);
    }
    say(s, &message);
}

/* A piece came at the other end, or a part of one was served there. */
static void move_theirs(scene *s, uint8_t value) {
    uint32_t piece = value % PIECES;
    switch (value / 8 % 4) {
    case 0: (void)!pbts_link_piece_received(s->peer, piece, s->now); break;
    case 1: pbts_link_served(s->peer, piece, 1u << (value % 15), s->now); break;
    case 2: pbts_link_piece_shared(s->peer, piece, 1u << (value % 15), s->now); break;
    default: pbts_link_set_own_left(s->peer, (uint64_t)piece * PIECE); break;
    }
    drain(s);
}

static void pass(scene *s, uint8_t value) {
    uint64_t ms = (uint64_t)value * value * 4, before_s = s->now.mono_ms / 1000;
    s->now.mono_ms += ms;
    s->now.unix_s += s->now.mono_ms / 1000 - before_s;
    pbts_session_tick(s->session, s->now);
    pbts_link_tick(s->peer, s->now);
    drain(s);
}

/* What neither can get wrong. */
static void check(const scene *s) {
    const pbts_session *session = s->session;
    uint64_t served = 0;
    pbts_session_stats stats;
    pbts_conn_stats of;
    pbts_picker_check(&session->picker);
    for (uint32_t i = 0; i < session->open.used; i++) {
        const pbts_open_piece *slot = &session->open.slots[session->open.order[i]];
        if (slot->state == PBTS_SLOT_OPEN) pbts_open_piece_check(slot);
    }
    pbts_session_stats_read(session, &stats);
    require(stats.have_bytes + stats.left_bytes == stats.total_bytes);
    for (uint32_t i = 0; i < PIECES; i++) served += s->served[i];
    require(pbts_session_conn_stats(session, s->conn, &of) == PBTS_OK);
    require(of.receipts.served_bytes == served);
    /* A receipt is worth its piece, however little of it was served; and one block more. */
    require(served <= of.receipts.covered_bytes + of.receipts.exposure_limit_bytes + 2 * PIECE);
}

/* ---- all ---- */

static void begin_terms(scene *s, uint8_t bits) {
    for (int i = 0; i < 2; i++) {
        s->terms[i] = (pbts_link_terms){
            .mem = pbts_mem_system(),
            .random = &RANDOMS[i],
            .secret = &SECRETS[i],
            .key = KEYS[i],
            .forms_taken = PBTS_PEER_FORM_MASK,
            .form_given = (pbts_receipt_form)(PBTS_FORM_PIECE + (bits >> (1 + 2 * i)) % 4),
            .batch_pieces = 2,
            .exposure_max_bytes = 2 * PIECE,
            .receipt_timeout_ms = 30000,
            .receipts_required = true,
        };
    }
    if (bits & NO_BOOK) return;
    require(pbts_book_new(&s->book, pbts_mem_system()) == PBTS_OK);
    s->terms[0].book = s->book;
}

static void begin_session(scene *s, uint8_t bits) {
    static const uint8_t SOME = 0xF0;
    pbts_addr addr = { .family = PBTS_IPV4, .ip = { 30, 0, 0, 1 }, .port = 6881 };
    pbts_session_config config = {
        .mem = pbts_mem_system(),
        .seed = bits,
        .meta = META,
        .terms = &s->terms[0],
        .peer_id = "-US",
        .client = "fuzz",
        .connections_max = 4,
        .unchoked_max = 2,
        .open_bytes_max = 4 * PIECE,
    };
    if (bits & HAVE_SOME) config.have = (pbts_span){ &SOME, 1 };
    memcpy(config.infohash, s->torrent.infohash, PBTS_INFOHASH_LEN);
    require(pbts_session_new(&s->session, &config, s->now) == PBTS_OK);
    require(pbts_session_opened(s->session, &s->conn, &addr, true, s->now) == PBTS_OK);
    require(pbts_link_new(&s->peer, &s->terms[1], &s->torrent, s->now) == PBTS_OK);
}

static void say_hello(scene *s) {
    uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN], hello[PBTS_LINK_HELLO_MAX], body[2048];
    pbts_peer_handshake handshake = { .peer_id = "-FUZZ",
                                      .features =
                                          PBTS_PEER_FEATURE_FAST | PBTS_PEER_FEATURE_EXTENDED };
    pbts_extended_handshake extended = pbts_extended_handshake_empty();
    memcpy(handshake.infohash, s->torrent.infohash, PBTS_INFOHASH_LEN);
    pbts_peer_handshake_encode(bytes, &handshake);
    feed(s, PBTS_SPAN_OF(bytes));
    pbts_peer_message all = { .type = PBTS_PEER_HAVE_ALL };
    say(s, &all);
    pbts_writer writer = pbts_writer_over(hello, sizeof hello);
    pbts_link_hello(s->peer, &writer);
    extended.ids[PBTS_EXTENSION_PBTS] = pbts_extension_id(PBTS_EXTENSION_PBTS);
    extended.pbts = pbts_writer_span(&writer);
    pbts_writer out = pbts_writer_over(body, sizeof body);
    pbts_extended_handshake_encode(&out, &extended);
    pbts_peer_message message = { .type = PBTS_PEER_EXTENDED,
                                  .extended = { 0, pbts_writer_span(&out) } };
    say(s, &message);
    exchange(s);
    require(pbts_link_state_of(s->peer) == PBTS_LINK_READY);
    pbts_peer_message unchoke = { .type = PBTS_PEER_UNCHOKE };
    say(s, &unchoke);
    unchoke.type = PBTS_PEER_INTERESTED;
    say(s, &unchoke);
    exchange(s);
}

static void one_record(scene *s, uint8_t what, uint8_t value, pbts_span bytes) {
    bool theirs = (what & THEIRS) != 0;
    uint8_t head[5] = { 0, 0, 0, (uint8_t)(bytes.len + 1), value };
    uint8_t any[300];
    switch (what % THEIRS % 10) {
    case 0:
        memcpy(any, head, sizeof head);
        memcpy(any + sizeof head, bytes.data, bytes.len < 254 ? bytes.len : 254);
        feed(s, (pbts_span){ any, sizeof head + (bytes.len < 254 ? bytes.len : 254) });
        break;
    case 1: tell(s, theirs, bytes); break;
    case 2: say_receipt(s, theirs, value, bytes); break;
    case 3: say_request(s, theirs, value); break;
    case 4: say_session(s, theirs, value); break;
    case 5: say_block(s, PBTS_PEER_REQUEST, value); break;
    case 6: say_block(s, PBTS_PEER_PIECE, value); break;
    case 7: pass(s, value); break;
    case 8: exchange(s); break;
    default: move_theirs(s, value); break;
    }
}

static void end(scene *s) {
    drain(s);
    pbts_session_closed(s->session, s->conn, s->now);
    drain(s);
    pbts_session_free(s->session);
    pbts_link_free(s->peer);
    pbts_book_free(s->book);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static scene s;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ data, len });
    uint8_t bits, what, value, count;
    prepare();
    if (len > INPUT_MAX || pbts_read_u8(&cursor, &bits) != PBTS_OK) return 0;
    s = (scene){ .now = { 1800000000, 1000 }, .hash_ok = (bits & WRONG) == 0 };
    s.torrent.meta = META;
    memcpy(s.torrent.infohash, pbts_metainfo_infohash(META), PBTS_INFOHASH_LEN);
    begin_terms(&s, bits);
    begin_session(&s, bits);
    say_hello(&s);
    for (int i = 0; i < RECORDS_MAX && pbts_read_u8(&cursor, &what) == PBTS_OK; i++) {
        pbts_span bytes = { (const uint8_t *)"", 0 };
        if (pbts_read_u8(&cursor, &value) != PBTS_OK) break;
        if (what % THEIRS % 10 < 3) {
            if (pbts_read_u8(&cursor, &count) != PBTS_OK) break;
            size_t left = pbts_cursor_left(&cursor);
            if (pbts_read_span(&cursor, &bytes, count < left ? count : left) != PBTS_OK) break;
        }
        if (s.closed) break;
        one_record(&s, what, value, bytes);
        check(&s);
    }
    end(&s);
    return 0;
}
