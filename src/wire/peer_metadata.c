/* ut_metadata (BEP 9): a small dictionary, and behind it the bytes of a piece. */
#include "base/assert.h"
#include "wire/peer_dict.h"
#include "wire/peer_extension.h"

uint32_t pbts_metadata_pieces(uint32_t total_bytes) {
    return (uint32_t)(((uint64_t)total_bytes + PBTS_METADATA_PIECE_BYTES - 1) /
                      PBTS_METADATA_PIECE_BYTES);
}

uint32_t pbts_metadata_piece_bytes(uint32_t total_bytes, uint32_t piece) {
    assert(piece < pbts_metadata_pieces(total_bytes));
    uint32_t left = total_bytes - piece * PBTS_METADATA_PIECE_BYTES;
    return left < PBTS_METADATA_PIECE_BYTES ? left : PBTS_METADATA_PIECE_BYTES;
}

static pbts_status read_data(pbts_metadata_message *out, const pbts_bvalue *dict, pbts_span data) {
    uint64_t total_bytes = 0;
    PBTS_TRY(pbts_peer_dict_uint(&total_bytes, dict, "total_size"));
    if (total_bytes > PBTS_METAINFO_LEN_MAX) return PBTS_LIMIT;
    out->total_bytes = (uint32_t)total_bytes;
    if (out->piece >= pbts_metadata_pieces(out->total_bytes)) return PBTS_MALFORMED;
    if (data.len != pbts_metadata_piece_bytes(out->total_bytes, out->piece)) return PBTS_MALFORMED;
    out->data = data;
    return PBTS_OK;
}

pbts_status pbts_metadata_message_decode(pbts_metadata_message *out, pbts_span body) {
    pbts_cursor cursor = pbts_cursor_over(body);
    pbts_bvalue dict;
    uint64_t type = 0, piece = 0;
    PBTS_TRY(pbts_peer_dict_parse_prefix(&dict, &cursor));
    PBTS_TRY(pbts_peer_dict_uint(&type, &dict, "msg_type"));
    if (type >= PBTS_METADATA_UNKNOWN) {
        *out = (pbts_metadata_message){ .type = PBTS_METADATA_UNKNOWN };
        return PBTS_OK;
    }
    PBTS_TRY(pbts_peer_dict_uint(&piece, &dict, "piece"));
    if (piece >= pbts_metadata_pieces(PBTS_METAINFO_LEN_MAX)) return PBTS_LIMIT;
    pbts_metadata_message message = { .type = (pbts_metadata_type)type, .piece = (uint32_t)piece };
    pbts_span rest = pbts_cursor_rest(&cursor);
    if (message.type == PBTS_METADATA_DATA)
        PBTS_TRY(read_data(&message, &dict, rest));
    else if (rest.len > 0)
        return PBTS_MALFORMED;
    *out = message;
    return PBTS_OK;
}

void pbts_metadata_message_encode(pbts_writer *writer, const pbts_metadata_message *message) {
    bool is_data = message->type == PBTS_METADATA_DATA;
    assert(message->type < PBTS_METADATA_UNKNOWN);
    assert(!is_data ||
           message->data.len == pbts_metadata_piece_bytes(message->total_bytes, message->piece));
    pbts_write_u8(writer, 'd');
    pbts_peer_dict_write_uint(writer, "msg_type", (uint64_t)message->type);
    pbts_peer_dict_write_uint(writer, "piece", message->piece);
    if (is_data) pbts_peer_dict_write_uint(writer, "total_size", message->total_bytes);
    pbts_write_u8(writer, 'e');
    if (is_data) pbts_write_bytes(writer, message->data);
}
