/* receipt/file.h - receipts at rest: the file that `pbts receipt make` writes and `pbts report`
 * reads, and the statement that travels in a report (docs/protocol.md gives the bytes).
 *
 * One receipt is a bencoded dictionary, self-contained (spans borrowed from the input):
 *   "b" bitmap (CUMULATIVE)      "e" epoch            "f" form 1|2       "g" iid[32]
 *   "h" infohash[20]             "i" index (PIECE)    "n" piece_count    "p" piece_hash[32] (PIECE)
 *   "r" receiver key[96]         "s" sender key[96]   "u" receiver uid   "v" sender uid
 *   "x" signature[48]
 * "u" and "v" are absent when the writer knows only the keys. Nothing else may be in it, so a
 * record has one encoding: what decodes encodes to the same bytes.
 * A file is the concatenation of "pbts-receipts1\n" and any number of those.
 */
#ifndef PBTS_RECEIPT_FILE_H
#define PBTS_RECEIPT_FILE_H

#include "receipt/receipt.h"

typedef struct {
    pbts_receipt receipt;
    pbts_bls_signature signature;
    uint32_t piece_count;               /* of the torrent */
    pbts_span receiver_uid, sender_uid; /* valid uids, or empty when not known */
} pbts_receipt_record;

#define PBTS_RECEIPT_FILE_MAGIC "pbts-receipts1\n"

enum {
    PBTS_RECEIPT_RECORD_LEN_MAX = 1024 + (1 << 20) / 8, /* PBTS_PIECES_MAX bits and the rest */
};

/* Append one. The receipt's epoch is at most INT64_MAX, which bencode can hold. */
void pbts_receipt_record_encode(pbts_writer *writer, const pbts_receipt_record *record);
/* PBTS_MALFORMED, PBTS_NEED_MORE, PBTS_LIMIT (piece count); `cursor` moves only on PBTS_OK. The
 * keys and the signature are bytes: decode and verify them before believing anything. */
PBTS_MUST_USE pbts_status pbts_receipt_record_decode(pbts_receipt_record *out, pbts_cursor *cursor);

#endif
