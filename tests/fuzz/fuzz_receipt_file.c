/* libFuzzer target: decoding records is total, what is taken is in range and has one encoding. */
#include <stdlib.h>

#include "receipt/file.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void check(const pbts_receipt_record *record, pbts_span raw) {
    const pbts_receipt *receipt = &record->receipt;
    require(record->piece_count > 0 && record->piece_count <= PBTS_PIECES_MAX);
    require(raw.len <= PBTS_RECEIPT_RECORD_LEN_MAX);
    if (receipt->form == PBTS_FORM_PIECE) {
        require(receipt->piece_index < record->piece_count && receipt->bitmap.len == 0);
    } else {
        require(receipt->form >= PBTS_FORM_CUMULATIVE && receipt->form <= PBTS_FORM_SESSION);
        require(receipt->bitmap.len == pbts_piece_set_len(record->piece_count));
        require(pbts_piece_set_count(receipt->bitmap) <= record->piece_count);
    }
    if (receipt->form == PBTS_FORM_SESSION) {
        size_t count = pbts_piece_set_count(receipt->bitmap);
        require(count > 0 && count <= PBTS_RECEIPT_SESSION_PIECES_MAX);
        require(receipt->piece_signatures.len == 64 * count);
        require(record->piece_hashes.len == 32 * count);
    }
    uint32_t bad_piece;
    (void)!pbts_receipt_record_verify(record, &bad_piece); /* reads what it may */
    uint8_t *again = malloc(raw.len);
    require(again != NULL);
    pbts_writer writer = pbts_writer_over(again, raw.len);
    pbts_receipt_record_encode(&writer, record);
    require(pbts_writer_status(&writer) == PBTS_OK);
    require(pbts_span_equal(pbts_writer_span(&writer), raw));
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ data, len });
    for (;;) {
        pbts_receipt_record record;
        const uint8_t *start = cursor.next;
        pbts_status status = pbts_receipt_record_decode(&record, &cursor);
        if (status != PBTS_OK) {
            require(cursor.next == start);
            return 0;
        }
        check(&record, (pbts_span){ start, (size_t)(cursor.next - start) });
    }
}
