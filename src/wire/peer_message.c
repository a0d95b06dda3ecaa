/* The frames of BEP 3, 6, 10 and 52. A table says how long each type may be, so that a length is
 * judged before anything is waited for. */
#include "wire/peer_message.h"

#include "base/assert.h"
#include "torrent/piece_set.h"
#include "wire/bytes.h"

/* -- handshake ----------------------------------------------------------------------------- */

enum { RESERVED_AT = 20, INFOHASH_AT = 28, PEER_ID_AT = 48 };

static const uint8_t PREFIX[] = "\x13"
                                "BitTorrent protocol";
_Static_assert(sizeof PREFIX - 1 == PBTS_PEER_HANDSHAKE_PREFIX_LEN, "19, then 19 letters");

static pbts_status check_prefix(pbts_span bytes, size_t len) {
    size_t there =
        bytes.len < PBTS_PEER_HANDSHAKE_PREFIX_LEN ? bytes.len : PBTS_PEER_HANDSHAKE_PREFIX_LEN;
    if (there > 0 && memcmp(bytes.data, PREFIX, there) != 0) return PBTS_MALFORMED;
    return bytes.len < len ? PBTS_NEED_MORE : PBTS_OK;
}

static void read_head(pbts_peer_handshake *out, pbts_span bytes) {
    *out = (pbts_peer_handshake){ .features = pbts_be64_at(bytes.data + RESERVED_AT) };
    memcpy(out->infohash, bytes.data + INFOHASH_AT, PBTS_INFOHASH_LEN);
}

pbts_status pbts_peer_handshake_decode_head(pbts_peer_handshake *out, pbts_span bytes) {
    PBTS_TRY(check_prefix(bytes, PBTS_PEER_HANDSHAKE_HEAD_LEN));
    read_head(out, bytes);
    return PBTS_OK;
}

pbts_status pbts_peer_handshake_decode(pbts_peer_handshake *out, pbts_span bytes) {
    PBTS_TRY(check_prefix(bytes, PBTS_PEER_HANDSHAKE_LEN));
    read_head(out, bytes);
    memcpy(out->peer_id, bytes.data + PEER_ID_AT, PBTS_PEER_ID_LEN);
    return PBTS_OK;
}

void pbts_peer_handshake_encode(uint8_t out[static PBTS_PEER_HANDSHAKE_LEN],
                                const pbts_peer_handshake *handshake) {
    memcpy(out, PREFIX, PBTS_PEER_HANDSHAKE_PREFIX_LEN);
    pbts_be64_put(out + RESERVED_AT, handshake->features);
    memcpy(out + INFOHASH_AT, handshake->infohash, PBTS_INFOHASH_LEN);
    memcpy(out + PEER_ID_AT, handshake->peer_id, PBTS_PEER_ID_LEN);
}

/* -- what a message may be ----------------------------------------------------------------- */

enum {
    LENGTH_LEN = 4,
    BODY_AT = 5,
    BLOCK_LEN = 12,          /* index, begin, length */
    PIECE_FIELDS_LEN = 8,    /* index, begin */
    HASHES_LEN = 32 + 4 * 4, /* root and four numbers */
    HASH_LEN = 32,
    HASHES_IN_MESSAGE_MAX = PBTS_PEER_HASHES_MAX + PBTS_PEER_HASH_LAYERS_MAX,
    FRAME_LEN_MAX = PBTS_PEER_MESSAGE_LEN_MAX - LENGTH_LEN, /* of all types the longest */
};

/* Lengths of what follows the type. */
typedef struct {
    uint32_t min, max;
} body_range;

static body_range body_range_of(uint8_t type) {
    switch (type) {
    case PBTS_PEER_CHOKE:
    case PBTS_PEER_UNCHOKE:
    case PBTS_PEER_INTERESTED:
    case PBTS_PEER_NOT_INTERESTED:
    case PBTS_PEER_HAVE_ALL:
    case PBTS_PEER_HAVE_NONE: return (body_range){ 0, 0 };
    case PBTS_PEER_HAVE:
    case PBTS_PEER_SUGGEST:
    case PBTS_PEER_ALLOWED_FAST: return (body_range){ 4, 4 };
    case PBTS_PEER_BITFIELD: return (body_range){ 1, PBTS_PEER_BITFIELD_LEN_MAX };
    case PBTS_PEER_REQUEST:
    case PBTS_PEER_CANCEL:
    case PBTS_PEER_REJECT: return (body_range){ BLOCK_LEN, BLOCK_LEN };
    case PBTS_PEER_PIECE:
        return (body_range){ PIECE_FIELDS_LEN + 1, PIECE_FIELDS_LEN + PBTS_PEER_BLOCK_BYTES_MAX };
    case PBTS_PEER_PORT: return (body_range){ 2, 2 };
    case PBTS_PEER_EXTENDED: return (body_range){ 1, 1 + PBTS_PEER_EXTENDED_LEN_MAX };
    case PBTS_PEER_HASH_REQUEST:
    case PBTS_PEER_HASH_REJECT: return (body_range){ HASHES_LEN, HASHES_LEN };
    case PBTS_PEER_HASHES:
        return (body_range){ HASHES_LEN, HASHES_LEN + HASH_LEN * HASHES_IN_MESSAGE_MAX };
    default: return (body_range){ 0, PBTS_PEER_UNKNOWN_LEN_MAX };
    }
}

static pbts_status check_body_len(uint8_t type, uint32_t body_len, const pbts_peer_bounds *bounds) {
    body_range range = body_range_of(type);
    if (body_len < range.min) return PBTS_MALFORMED;
    if (body_len > range.max) return range.min == range.max ? PBTS_MALFORMED : PBTS_LIMIT;
    bool counted = type == PBTS_PEER_BITFIELD && bounds->piece_count > 0;
    if (counted && body_len != pbts_piece_set_len(bounds->piece_count)) return PBTS_MALFORMED;
    if (type == PBTS_PEER_HASHES && body_len % HASH_LEN != HASHES_LEN % HASH_LEN)
        return PBTS_MALFORMED;
    return PBTS_OK;
}

static pbts_status check_index(uint32_t index, const pbts_peer_bounds *bounds) {
    if (bounds->piece_count > 0) return index < bounds->piece_count ? PBTS_OK : PBTS_MALFORMED;
    return index < PBTS_PIECES_MAX ? PBTS_OK : PBTS_LIMIT;
}

static pbts_status check_block(const pbts_peer_block *block, const pbts_peer_bounds *bounds) {
    PBTS_TRY(check_index(block->index, bounds));
    if (block->length == 0) return PBTS_MALFORMED;
    if (block->length > PBTS_PEER_BLOCK_BYTES_MAX) return PBTS_LIMIT;
    bool known = bounds->piece_length_bytes > 0;
    uint64_t piece_end = known ? bounds->piece_length_bytes : PBTS_PIECE_LENGTH_MAX;
    if ((uint64_t)block->begin + block->length <= piece_end) return PBTS_OK;
    return known ? PBTS_MALFORMED : PBTS_LIMIT;
}

/* -- decoding ------------------------------------------------------------------------------ */

static pbts_peer_block block_at(const uint8_t *at) {
    return (pbts_peer_block){ pbts_be32_at(at), pbts_be32_at(at + 4), pbts_be32_at(at + 8) };
}

static pbts_peer_hashes hashes_at(pbts_span body) {
    pbts_peer_hashes hashes = {
        .base_layer = pbts_be32_at(body.data + 32),
        .index = pbts_be32_at(body.data + 36),
        .length = pbts_be32_at(body.data + 40),
        .proof_layers = pbts_be32_at(body.data + 44),
        .hashes = { body.data + HASHES_LEN, body.len - HASHES_LEN },
    };
    memcpy(hashes.pieces_root, body.data, sizeof hashes.pieces_root);
    return hashes;
}

static pbts_status decode_bitfield(pbts_peer_message *out, pbts_span body,
                                   const pbts_peer_bounds *bounds) {
    if (bounds->piece_count > 0) PBTS_TRY(pbts_piece_set_check(body, bounds->piece_count));
    out->bitfield = body;
    return PBTS_OK;
}

/* A body whose length fits its type. */
static pbts_status decode_body(pbts_peer_message *out, uint8_t type, pbts_span body,
                               const pbts_peer_bounds *bounds) {
    out->type = (pbts_peer_type)type;
    switch (type) {
    case PBTS_PEER_CHOKE:
    case PBTS_PEER_UNCHOKE:
    case PBTS_PEER_INTERESTED:
    case PBTS_PEER_NOT_INTERESTED:
    case PBTS_PEER_HAVE_ALL:
    case PBTS_PEER_HAVE_NONE: return PBTS_OK;
    case PBTS_PEER_HAVE:
    case PBTS_PEER_SUGGEST:
    case PBTS_PEER_ALLOWED_FAST:
        out->piece_index = pbts_be32_at(body.data);
        return check_index(out->piece_index, bounds);
    case PBTS_PEER_BITFIELD: return decode_bitfield(out, body, bounds);
    case PBTS_PEER_REQUEST:
    case PBTS_PEER_CANCEL:
    case PBTS_PEER_REJECT:
        out->block = block_at(body.data);
        return check_block(&out->block, bounds);
    case PBTS_PEER_PORT: out->dht_port = pbts_be16_at(body.data); return PBTS_OK;
    case PBTS_PEER_EXTENDED:
        out->extended = (pbts_peer_extended){ body.data[0], { body.data + 1, body.len - 1 } };
        return PBTS_OK;
    case PBTS_PEER_HASH_REQUEST:
    case PBTS_PEER_HASHES:
    case PBTS_PEER_HASH_REJECT: out->hashes = hashes_at(body); return PBTS_OK;
    default:
        out->type = PBTS_PEER_UNKNOWN;
        out->extended = (pbts_peer_extended){ type, body };
        return PBTS_OK;
    }
}

/* The header alone: the payload stays where it is. */
static pbts_status decode_piece(pbts_peer_message *out, size_t *used_len, pbts_span bytes,
                                uint32_t body_len, const pbts_peer_bounds *bounds) {
    if (bytes.len < PBTS_PEER_PIECE_HEADER_LEN) return PBTS_NEED_MORE;
    pbts_peer_message message = { .type = PBTS_PEER_PIECE };
    message.block = (pbts_peer_block){
        .index = pbts_be32_at(bytes.data + BODY_AT),
        .begin = pbts_be32_at(bytes.data + BODY_AT + 4),
        .length = body_len - PIECE_FIELDS_LEN,
    };
    PBTS_TRY(check_block(&message.block, bounds));
    *out = message;
    *used_len = PBTS_PEER_PIECE_HEADER_LEN;
    return PBTS_OK;
}

pbts_status pbts_peer_message_decode(pbts_peer_message *out, size_t *used_len, pbts_span bytes,
                                     const pbts_peer_bounds *bounds) {
    if (bytes.len < LENGTH_LEN) return PBTS_NEED_MORE;
    uint32_t frame_len = pbts_be32_at(bytes.data);
    if (frame_len == 0) {
        *out = (pbts_peer_message){ .type = PBTS_PEER_KEEP_ALIVE };
        *used_len = LENGTH_LEN;
        return PBTS_OK;
    }
    if (frame_len > FRAME_LEN_MAX) return PBTS_LIMIT;
    if (bytes.len < BODY_AT) return PBTS_NEED_MORE;
    uint8_t type = bytes.data[LENGTH_LEN];
    uint32_t body_len = frame_len - 1;
    PBTS_TRY(check_body_len(type, body_len, bounds));
    if (type == PBTS_PEER_PIECE) return decode_piece(out, used_len, bytes, body_len, bounds);
    if (bytes.len - BODY_AT < body_len) return PBTS_NEED_MORE;

    pbts_peer_message message = { 0 };
    PBTS_TRY(decode_body(&message, type, (pbts_span){ bytes.data + BODY_AT, body_len }, bounds));
    *out = message;
    *used_len = BODY_AT + (size_t)body_len;
    return PBTS_OK;
}

size_t pbts_peer_message_wanted(pbts_span bytes) {
    if (bytes.len < LENGTH_LEN) return LENGTH_LEN;
    uint32_t frame_len = pbts_be32_at(bytes.data);
    if (frame_len == 0) return LENGTH_LEN;
    if (bytes.len < BODY_AT) return BODY_AT;
    if (bytes.data[LENGTH_LEN] == PBTS_PEER_PIECE) return PBTS_PEER_PIECE_HEADER_LEN;
    return LENGTH_LEN + (size_t)(frame_len < FRAME_LEN_MAX ? frame_len : FRAME_LEN_MAX);
}

/* -- encoding ------------------------------------------------------------------------------ */

static void write_frame(pbts_writer *writer, pbts_peer_type type, size_t body_len) {
    pbts_write_u32(writer, (uint32_t)(1 + body_len));
    pbts_write_u8(writer, (uint8_t)type);
}

static void write_block(pbts_writer *writer, const pbts_peer_block *block) {
    pbts_write_u32(writer, block->index);
    pbts_write_u32(writer, block->begin);
    pbts_write_u32(writer, block->length);
}

static void write_hashes(pbts_writer *writer, pbts_peer_type type, const pbts_peer_hashes *hashes) {
    pbts_span nodes = type == PBTS_PEER_HASHES ? hashes->hashes : (pbts_span){ NULL, 0 };
    assert(nodes.len % HASH_LEN == 0 && nodes.len <= HASH_LEN * HASHES_IN_MESSAGE_MAX);
    write_frame(writer, type, HASHES_LEN + nodes.len);
    pbts_write_bytes(writer, PBTS_SPAN_OF(hashes->pieces_root));
    pbts_write_u32(writer, hashes->base_layer);
    pbts_write_u32(writer, hashes->index);
    pbts_write_u32(writer, hashes->length);
    pbts_write_u32(writer, hashes->proof_layers);
    pbts_write_bytes(writer, nodes);
}

void pbts_peer_piece_header(uint8_t out[static PBTS_PEER_PIECE_HEADER_LEN],
                            const pbts_peer_block *block) {
    assert(block->length > 0 && block->length <= PBTS_PEER_BLOCK_BYTES_MAX);
    pbts_be32_put(out, 1 + PIECE_FIELDS_LEN + block->length);
    out[LENGTH_LEN] = PBTS_PEER_PIECE;
    pbts_be32_put(out + BODY_AT, block->index);
    pbts_be32_put(out + BODY_AT + 4, block->begin);
}

size_t pbts_peer_extended_begin(pbts_writer *writer, uint8_t id) {
    size_t begun_at = writer->len;
    write_frame(writer, PBTS_PEER_EXTENDED, 0); /* the length is put right by end */
    pbts_write_u8(writer, id);
    return begun_at;
}

void pbts_peer_extended_end(pbts_writer *writer, size_t begun_at) {
    if (writer->failed) return;
    size_t frame_len = writer->len - begun_at - LENGTH_LEN;
    assert(frame_len >= 2 && frame_len - 2 <= PBTS_PEER_EXTENDED_LEN_MAX);
    pbts_be32_put(writer->data + begun_at, (uint32_t)frame_len);
}

static void write_bitfield(pbts_writer *writer, pbts_span bitfield) {
    assert(bitfield.len > 0 && bitfield.len <= PBTS_PEER_BITFIELD_LEN_MAX);
    write_frame(writer, PBTS_PEER_BITFIELD, bitfield.len);
    pbts_write_bytes(writer, bitfield);
}

static void write_piece(pbts_writer *writer, const pbts_peer_block *block) {
    uint8_t *at = pbts_write_reserve(writer, PBTS_PEER_PIECE_HEADER_LEN);
    if (at != NULL) pbts_peer_piece_header(at, block);
}

static void write_extended(pbts_writer *writer, const pbts_peer_extended *extended) {
    size_t begun_at = pbts_peer_extended_begin(writer, extended->id);
    pbts_write_bytes(writer, extended->body);
    pbts_peer_extended_end(writer, begun_at);
}

void pbts_peer_message_encode(pbts_writer *writer, const pbts_peer_message *message) {
    pbts_peer_type type = message->type;
    switch (type) {
    case PBTS_PEER_KEEP_ALIVE: pbts_write_u32(writer, 0); return;
    case PBTS_PEER_CHOKE:
    case PBTS_PEER_UNCHOKE:
    case PBTS_PEER_INTERESTED:
    case PBTS_PEER_NOT_INTERESTED:
    case PBTS_PEER_HAVE_ALL:
    case PBTS_PEER_HAVE_NONE: write_frame(writer, type, 0); return;
    case PBTS_PEER_HAVE:
    case PBTS_PEER_SUGGEST:
    case PBTS_PEER_ALLOWED_FAST:
        write_frame(writer, type, 4);
        pbts_write_u32(writer, message->piece_index);
        return;
    case PBTS_PEER_BITFIELD: write_bitfield(writer, message->bitfield); return;
    case PBTS_PEER_REQUEST:
    case PBTS_PEER_CANCEL:
    case PBTS_PEER_REJECT:
        assert(message->block.length > 0 && message->block.length <= PBTS_PEER_BLOCK_BYTES_MAX);
        write_frame(writer, type, BLOCK_LEN);
        write_block(writer, &message->block);
        return;
    case PBTS_PEER_PIECE: write_piece(writer, &message->block); return;
    case PBTS_PEER_PORT:
        write_frame(writer, type, 2);
        pbts_write_u16(writer, message->dht_port);
        return;
    case PBTS_PEER_EXTENDED: write_extended(writer, &message->extended); return;
    case PBTS_PEER_HASH_REQUEST:
    case PBTS_PEER_HASHES:
    case PBTS_PEER_HASH_REJECT: write_hashes(writer, type, &message->hashes); return;
    case PBTS_PEER_UNKNOWN: break;
    }
    assert(!"a message to send has a type that we know");
}

bool pbts_peer_hashes_is_sound(const pbts_peer_hashes *request) {
    uint32_t length = request->length;
    if (length < 2 || length > PBTS_PEER_HASHES_MAX || (length & (length - 1)) != 0) return false;
    if (request->index % length != 0) return false;
    return request->base_layer <= PBTS_PEER_HASH_LAYERS_MAX &&
           request->proof_layers <= PBTS_PEER_HASH_LAYERS_MAX;
}
