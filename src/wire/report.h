/* wire/report.h - the body of POST /report, in bencode and in JSON, as one value.
 *
 * bencode (application/x-bencode), short keys so that a report of thousands of pieces stays small:
 *   { "a": aggregate signature[48]?, "i": iid[32]?, "l": [statement...], "s": REPORT signature[48],
 *     "t": unix time, "u": uid of the submitter }
 *   statement: { "b": bitmap | "c": runs, "d": session id[32]?, "e": epoch, "f": form?,
 *                "h": infohash[20], "i": index?, "k": session key[33]?,
 *                "n": iid[32]? (default: this instance), "r": receiver uid or key[96],
 *                "s": sender uid or key[96]? (default: the submitter),
 *                "t": unix time when the session expires?, "x": signature[48]?,
 *                "y": signatures of the session's pieces, 64 bytes each, ascending? }
 *   A statement has its own "x", or the report has one aggregate "a" over all that have none. The
 *   report's "i" is the iid of all statements without "n". "i" makes a PIECE statement, a set alone
 *   a CUMULATIVE one, a set with "d", "k", "t" and "y" a SESSION one; "f" turns a set alone into a
 *   BATCH (3) and may otherwise only say what is there. Unknown keys are refused.
 *   runs: alternating lengths of absent and present pieces, each an unsigned LEB128 varint in its
 *   shortest form; only the first may be 0. The set has as many bytes as the sum of all needs.
 *   The REPORT signature covers SHA-256 of the raw bencoded list "l".
 * JSON (application/json): { "user_id", "time", "statements": [ {"form", "infohash", "epoch",
 *   "receiver", "sender"?, "bitmap" (base64) | "pieces" (ascending, "0-99,120" or "all") and
 *   "piece_count" (of the torrent) | "index", "iid"?, "signature"?, and of a session "session_id",
 *   "session_key", "expires", "piece_signatures" } ], "aggregate"?, "signature" }
 * with base64 bytes, hex infohash and iid, and a receiver and sender that are a uid or a base64
 * key; the REPORT signature covers SHA-256 of the canonical bencoding of the statements, which is
 * what pbts_report_encode_statements makes of them, so both sides can. The prototype's shape
 * { "user_id", "receipts": [ {"receiver_public_key", "sender_pk", "piece_hash", "piece_index",
 * "infohash", "timestamp" (unix seconds), "signature"} ] } is accepted too: it has no REPORT
 * signature (`legacy` is set), each receipt has its own; its other keys are passed over.
 */
#ifndef PBTS_WIRE_REPORT_H
#define PBTS_WIRE_REPORT_H

#include "base/mem.h"
#include "receipt/receipt.h"

enum {
    PBTS_REPORT_STATEMENTS_MAX = 10000,
    PBTS_REPORT_LEN_MAX = 16 * 1024 * 1024,
    /* What a report may cost beyond a hash and a share of the pairings for each statement: leaves
     * of the trees of all batches (0.2 us each, before any signature can be checked), and piece
     * signatures of all sessions (40 us each). */
    PBTS_REPORT_BATCH_PIECES_MAX = PBTS_PIECES_MAX,
    PBTS_REPORT_SESSION_PIECES_MAX = 65536,
};

/* Who: a uid, or a key, or nothing. */
typedef struct {
    pbts_span uid; /* empty when `key` is meant or nobody is named */
    bool has_key;
    pbts_bls_public key;
} pbts_party;

typedef struct {
    pbts_receipt_form form;
    bool has_iid;
    uint8_t iid[PBTS_IID_LEN];
    uint8_t infohash[PBTS_INFOHASH_LEN];
    uint64_t epoch;
    pbts_party receiver, sender; /* sender may be nobody: the submitter */
    uint32_t piece_index;        /* PIECE */
    bool has_piece_hash;         /* prototype shape: must equal the torrent's own */
    uint8_t piece_hash[PBTS_PIECE_HASH_LEN];
    pbts_span bitmap;             /* not PIECE: bytes as expanded; owned by the report */
    pbts_receipt_session session; /* SESSION */
    pbts_span piece_signatures;   /* SESSION: 64 bytes for each piece of the set */
    bool has_signature;
    pbts_bls_signature signature;
} pbts_statement;

typedef struct {
    pbts_mem *mem;
    pbts_span uid;
    uint64_t unix_time;
    bool legacy; /* prototype shape: no REPORT signature */
    bool has_signature, has_aggregate;
    pbts_bls_signature signature, aggregate;
    uint8_t statements_sha256[32];
    pbts_statement *statements;
    size_t count;
    void *owned[2]; /* expanded bitmaps and signatures; the parsed JSON */
} pbts_report;

/* PBTS_MALFORMED, PBTS_LIMIT, PBTS_NO_MEMORY, each with `problem`, a static sentence. Spans borrow
 * from `body` or from the report itself; free with pbts_report_free. Runs, base64 and ranges may
 * expand to at most PBTS_PIECES_MAX bits a statement and PBTS_REPORT_LEN_MAX bytes in all. A
 * SESSION statement has at most PBTS_RECEIPT_SESSION_PIECES_MAX pieces, a BATCH statement
 * PBTS_RECEIPT_BATCH_PIECES_MAX. The
 * JSON is held by jansson, whose memory does not come from `mem`. */
PBTS_MUST_USE pbts_status pbts_report_decode_bencode(pbts_report *out, const char **problem,
                                                     pbts_mem *mem, pbts_span body);
PBTS_MUST_USE pbts_status pbts_report_decode_json(pbts_report *out, const char **problem,
                                                  pbts_mem *mem, pbts_span body);
void pbts_report_free(pbts_report *report);

/* Making one: append the bencoded statement list (the canonical one: bitmap or runs, the shorter,
 * no "f"), then the envelope around it. Epochs and times are at most INT64_MAX. */
void pbts_report_encode_statements(pbts_writer *writer, const pbts_statement *statements,
                                   size_t count);
void pbts_report_encode(pbts_writer *writer, const pbts_report *report, pbts_span statements_raw);

#endif
