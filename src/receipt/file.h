/* receipt/file.h - receipts at rest: the file that `pbts receipt make` writes and `pbts report`
 * reads, and the statement that travels in a report (docs/protocol.md gives the bytes).
 *
 * One receipt is a bencoded dictionary, self-contained (spans borrowed from the input):
 *   "b" bitmap (not PIECE)       "d" session id[32] (SESSION)       "e" epoch
 *   "f" form 1..4                "g" iid[32]                        "h" infohash[20]
 *   "i" index (PIECE)            "k" session key[33] (SESSION)      "m" root[32] (BATCH)
 *   "n" piece_count              "p" piece_hash[32] (PIECE), those of all pieces (SESSION)
 *   "r" receiver key[96]         "s" sender key[96]                 "t" session expires (SESSION)
 *   "u" receiver uid             "v" sender uid                     "x" signature[48]
 *   "y" a signature[64] for each piece (SESSION)
 * "u" and "v" are absent when the writer knows only the keys. Nothing else may be in it, so a
 * record has one encoding: what decodes encodes to the same bytes. A session has at least one
 * piece and at most PBTS_RECEIPT_SESSION_PIECES_MAX; of more, or of another epoch, there is another
 * record with the same certificate.
 * A file is the concatenation of "pbts-receipts1\n" and any number of those.
 */
#ifndef PBTS_RECEIPT_FILE_H
#define PBTS_RECEIPT_FILE_H

#include "receipt/receipt.h"

typedef struct {
    pbts_receipt receipt;
    pbts_bls_signature signature;
    pbts_span piece_hashes;             /* SESSION: 32 bytes for each piece of the set */
    uint32_t piece_count;               /* of the torrent */
    pbts_span receiver_uid, sender_uid; /* valid uids, or empty when not known */
} pbts_receipt_record;

#define PBTS_RECEIPT_FILE_MAGIC "pbts-receipts1\n"

enum {
    PBTS_RECEIPT_RECORD_ROOM = 1024, /* all but a bitmap and what a session has for each piece */
    PBTS_RECEIPT_SESSION_PIECE_LEN = PBTS_PIECE_HASH_LEN + PBTS_SECP256K1_SIGNATURE_LEN,
    PBTS_RECEIPT_RECORD_LEN_MAX = PBTS_RECEIPT_RECORD_ROOM +
                                  (1 << 20) / 8 + /* PBTS_PIECES_MAX bits */
                                  PBTS_RECEIPT_SESSION_PIECES_MAX * PBTS_RECEIPT_SESSION_PIECE_LEN,
};

/* Append one. Epoch and expiry are at most INT64_MAX, which bencode can hold. */
void pbts_receipt_record_encode(pbts_writer *writer, const pbts_receipt_record *record);
/* PBTS_MALFORMED, PBTS_NEED_MORE, PBTS_LIMIT (pieces); `cursor` moves only on PBTS_OK. The
 * keys and the signature are bytes: decode and verify them before believing anything. */
PBTS_MUST_USE pbts_status pbts_receipt_record_decode(pbts_receipt_record *out, pbts_cursor *cursor);

/* Check all signatures of a record by what it says itself. PBTS_OK; PBTS_MALFORMED: a key or
 * signature is none; PBTS_BAD_SIGNATURE; PBTS_STALE, PBTS_LIMIT: the times of a session
 * (receipt/pieces.h). `*bad_piece`: the first of a session whose signature is bad while the
 * certificate holds; else UINT32_MAX. */
PBTS_MUST_USE pbts_status pbts_receipt_record_verify(const pbts_receipt_record *record,
                                                     uint32_t *bad_piece);

#endif
