/* libFuzzer target: messages of the pbts extension. Decoding is total; what was taken encodes to
 * the very same bytes, and its piece set is one of the torrent. Input: u32 piece count, then the
 * body. */
#include <stdlib.h>

#include "torrent/piece_set.h"
#include "wire/peer_pbts.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void check_pieces(const pbts_peer_pieces *pieces, uint32_t piece_count) {
    size_t len = pbts_piece_set_len(piece_count);
    uint8_t *set = malloc(len), *buffer = malloc(len), *again = malloc(len);
    require(set != NULL && buffer != NULL && again != NULL);
    pbts_peer_pieces_expand(set, piece_count, pieces);
    require(pbts_piece_set_check((pbts_span){ set, len }, piece_count) == PBTS_OK);
    pbts_peer_pieces shortest = pbts_peer_pieces_shortest((pbts_span){ set, len }, buffer);
    require(shortest.bytes.len <= len);
    pbts_peer_pieces_expand(again, piece_count, &shortest);
    require(memcmp(set, again, len) == 0);
    free(set);
    free(buffer);
    free(again);
}

static void check_receipt(const pbts_peer_receipt *receipt, uint32_t piece_count) {
    bool is_piece = receipt->form == PBTS_FORM_PIECE || receipt->form == PBTS_FORM_SESSION;
    if (is_piece)
        require(receipt->piece_index < piece_count);
    else
        check_pieces(&receipt->pieces, piece_count);
}

static void check_refusal(const pbts_peer_refusal *refusal) {
    require(refusal->text.len <= PBTS_PEER_REFUSAL_TEXT_MAX);
    for (size_t i = 0; i < refusal->text.len; i++)
        require(refusal->text.data[i] >= ' ' && refusal->text.data[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static uint8_t buffer[PBTS_PEER_PBTS_LEN_MAX];
    pbts_cursor in = pbts_cursor_over((pbts_span){ data, len });
    uint32_t piece_count;
    pbts_peer_pbts_message m;
    if (pbts_read_u32(&in, &piece_count) != PBTS_OK) return 0;
    piece_count = 1 + piece_count % PBTS_PIECES_MAX;
    pbts_span body = pbts_cursor_rest(&in);
    if (pbts_peer_pbts_decode(&m, body, piece_count) != PBTS_OK) return 0;
    bool is_receipt = m.kind == PBTS_PEER_MSG_RECEIPT || m.kind == PBTS_PEER_MSG_RECEIPT_BATCH;
    if (is_receipt) check_receipt(&m.receipt, piece_count);
    if (m.kind == PBTS_PEER_MSG_REFUSE) check_refusal(&m.refusal);
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_pbts_encode(&writer, &m);
    require(pbts_span_equal(pbts_writer_span(&writer), body));
    return 0;
}
