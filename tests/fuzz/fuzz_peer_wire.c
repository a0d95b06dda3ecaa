/* libFuzzer target: a handshake and the messages after it. Decoding is total; what was taken is
 * within its bounds, and encodes to the bytes that were used.
 * Input: u32 piece count, u32 piece length, then the stream. */
#include <stdlib.h>

#include "torrent/piece_set.h"
#include "wire/peer_message.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void check_block(const pbts_peer_block *block, const pbts_peer_bounds *bounds) {
    uint32_t count = bounds->piece_count > 0 ? bounds->piece_count : PBTS_PIECES_MAX;
    uint32_t length = bounds->piece_length_bytes;
    if (length == 0) length = PBTS_PIECE_LENGTH_MAX;
    require(block->index < count);
    require(block->length > 0 && block->length <= PBTS_PEER_BLOCK_BYTES_MAX);
    require(block->begin < length && block->length <= length - block->begin);
}

static void check_message(const pbts_peer_message *m, const pbts_peer_bounds *bounds) {
    switch (m->type) {
    case PBTS_PEER_HAVE:
    case PBTS_PEER_SUGGEST:
    case PBTS_PEER_ALLOWED_FAST:
        require(m->piece_index < (bounds->piece_count ? bounds->piece_count : PBTS_PIECES_MAX));
        return;
    case PBTS_PEER_REQUEST:
    case PBTS_PEER_PIECE:
    case PBTS_PEER_CANCEL:
    case PBTS_PEER_REJECT: check_block(&m->block, bounds); return;
    case PBTS_PEER_BITFIELD:
        if (bounds->piece_count > 0)
            require(pbts_piece_set_check(m->bitfield, bounds->piece_count) == PBTS_OK);
        return;
    case PBTS_PEER_HASH_REQUEST: (void)pbts_peer_hashes_is_sound(&m->hashes); return;
    default: return;
    }
}

static void check_encoding(const pbts_peer_message *m, pbts_span used) {
    if (m->type == PBTS_PEER_UNKNOWN) return;
    uint8_t *buffer = malloc(used.len);
    require(buffer != NULL);
    pbts_writer writer = pbts_writer_over(buffer, used.len);
    pbts_peer_message_encode(&writer, m);
    require(pbts_writer_status(&writer) == PBTS_OK);
    require(pbts_span_equal(pbts_writer_span(&writer), used));
    free(buffer);
}

static void check_stream(pbts_span stream, const pbts_peer_bounds *bounds) {
    while (stream.len > 0) {
        pbts_peer_message message;
        size_t used_len = 0;
        pbts_status status = pbts_peer_message_decode(&message, &used_len, stream, bounds);
        if (status == PBTS_NEED_MORE) {
            size_t wanted = pbts_peer_message_wanted(stream);
            require(wanted > stream.len && wanted <= PBTS_PEER_MESSAGE_LEN_MAX);
        }
        if (status != PBTS_OK) return;
        require(used_len >= 4 && used_len <= stream.len);
        check_message(&message, bounds);
        check_encoding(&message, (pbts_span){ stream.data, used_len });
        if (message.type == PBTS_PEER_PIECE) used_len += message.block.length;
        if (used_len > stream.len) return;
        stream = (pbts_span){ stream.data + used_len, stream.len - used_len };
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_cursor in = pbts_cursor_over((pbts_span){ data, len });
    pbts_peer_bounds bounds;
    if (pbts_read_u32(&in, &bounds.piece_count) != PBTS_OK) return 0;
    if (pbts_read_u32(&in, &bounds.piece_length_bytes) != PBTS_OK) return 0;
    bounds.piece_count %= PBTS_PIECES_MAX + 1;
    bounds.piece_length_bytes %= PBTS_PIECE_LENGTH_MAX + 1;
    pbts_span stream = pbts_cursor_rest(&in);
    pbts_peer_handshake handshake;
    if (pbts_peer_handshake_decode(&handshake, stream) == PBTS_OK) {
        uint8_t again[PBTS_PEER_HANDSHAKE_LEN];
        pbts_peer_handshake_encode(again, &handshake);
        require(memcmp(again, stream.data, sizeof again) == 0);
        stream = (pbts_span){ stream.data + sizeof again, stream.len - sizeof again };
    }
    check_stream(stream, &bounds);
    return 0;
}
