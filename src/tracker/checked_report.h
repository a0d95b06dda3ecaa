/* tracker/checked_report.h - a report whose signatures were checked. Private to tracker/. */
#ifndef PBTS_TRACKER_CHECKED_REPORT_H
#define PBTS_TRACKER_CHECKED_REPORT_H

#include "tracker/state.h"

/* One statement, resolved to our own numbers. */
typedef struct {
    uint32_t receiver_no, sender_no, torrent_no;
    uint64_t epoch;
    uint32_t period;
    pbts_receipt_form form;
    uint32_t piece_index;                /* PIECE */
    uint32_t bitmap_at, bitmap_len;      /* not PIECE: in the report's blob */
    bool of_predecessor;                 /* names the predecessor's iid */
    bool names_v2;                       /* names the torrent by its v2 infohash */
    bool is_refused;                     /* by the check; no commit looks at it */
    uint8_t infohash[PBTS_INFOHASH_LEN]; /* as named; keys the predecessor's claims */
    pbts_verdict verdict;
} pbts_checked_statement;

struct pbts_checked_report {
    pbts_mem *mem;
    uint32_t user_no; /* who submits */
    size_t count;
    pbts_checked_statement *statements;
    uint8_t *blob; /* copies of the bitmaps */
};

/* check_pieces.c: find the torrent and what the statement says of its pieces; fills the receipt's
 * part of the message. What it costs is bounded by the limits of wire/report.h. */
pbts_refusal pbts_check_pieces(pbts_txn *txn, pbts_receipt *receipt, pbts_checked_statement *out,
                               const pbts_statement *in);
/* The piece signatures of a SESSION statement whose certificate holds. */
pbts_refusal pbts_check_session(pbts_txn *txn, pbts_checked_statement *out,
                                const pbts_statement *in, const pbts_bls_public *sender);

#endif
