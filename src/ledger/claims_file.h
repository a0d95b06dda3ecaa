/* ledger/claims_file.h - claims at rest beside an exported ledger, so that a restored instance or a
 * successor knows which pieces were credited (DESIGN section 6, rule 9). No store, no I/O.
 *
 * File, big-endian: "pbts-claims1\n", then records
 *   u32 period, receiver uid_hash[32], sender uid_hash[32], infohash[20], u16 part, u16 bitmap
 *   length, bitmap
 * and at the end of the file a trailer of PBTS_CLAIMS_TRAILER_LEN bytes
 *   u64 record count, u8[32] SHA-256 of every byte before this field, iid[32],
 *   u64 sequence of the ledger's head when the claims were read,
 *   u8[48] signature of the tracker key (purpose LEDGER) over "pbts/claims/1" and these four
 * fields. Part n has the pieces from n * PBTS_CLAIMS_PART_PIECES on, so that a receipt for one
 * piece of a large torrent is no large claim. A part that is in the file twice is the union of
 * both. A record of a receiver of zeros and a sender of ones is no claim, see
 * pbts_claims_lost_record.
 */
#ifndef PBTS_LEDGER_CLAIMS_FILE_H
#define PBTS_LEDGER_CLAIMS_FILE_H

#include "base/writer.h"
#include "bls/bls.h"
#include "hash/sha.h"

#define PBTS_CLAIMS_FILE_MAGIC "pbts-claims1\n"

enum {
    PBTS_CLAIMS_PART_PIECES = 8192,
    PBTS_CLAIMS_PARTS_MAX = 128, /* 2^20 pieces, the most that a torrent may have */
    PBTS_CLAIMS_BITMAP_MAX = PBTS_CLAIMS_PART_PIECES / 8, /* bytes */
    PBTS_CLAIMS_RECORD_HEADER_LEN = 4 + 32 + 32 + 20 + 2 + 2,
    PBTS_CLAIMS_RECORD_MAX = PBTS_CLAIMS_RECORD_HEADER_LEN + PBTS_CLAIMS_BITMAP_MAX,
    PBTS_CLAIMS_TRAILER_LEN = 8 + 32 + 32 + 8 + 48,
};

typedef struct {
    uint32_t period;
    uint8_t receiver[32], sender[32]; /* uid hashes, different */
    uint8_t infohash[20];
    uint16_t part;    /* below PBTS_CLAIMS_PARTS_MAX */
    pbts_span bitmap; /* 1..PBTS_CLAIMS_BITMAP_MAX bytes; the part's first piece is the top bit */
} pbts_claims_record;

/* What says that claims are not all here: receipts of epochs up to this one may have been counted
 * all the same. The record borrows `room`. `_is_lost` tells whether a record is this. */
enum { PBTS_CLAIMS_LOST_LEN = 8 };
pbts_claims_record pbts_claims_lost_record(uint8_t room[static PBTS_CLAIMS_LOST_LEN],
                                           uint64_t epoch);
bool pbts_claims_is_lost(const pbts_claims_record *record, uint64_t *epoch);

/* Write a file in parts: each call appends to `writer`, whose bytes the caller may send away and
 * whose storage it may use again between calls. */
typedef struct {
    pbts_sha256_state hash;
    uint64_t count;
} pbts_claims_encoder;

/* PBTS_NO_SPACE; and after any failure the file cannot be finished. */
PBTS_MUST_USE pbts_status pbts_claims_encode_begin(pbts_claims_encoder *encoder,
                                                   pbts_writer *writer);
/* PBTS_MALFORMED (a record that decode would refuse; nothing is written), PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_claims_encode_record(pbts_claims_encoder *encoder,
                                                    pbts_writer *writer,
                                                    const pbts_claims_record *record);
PBTS_MUST_USE pbts_status pbts_claims_encode_end(pbts_claims_encoder *encoder, pbts_writer *writer,
                                                 const uint8_t iid[static 32], uint64_t sequence,
                                                 const pbts_bls_secret *secret);

/* A file whose form, hash and signature were checked; borrows its bytes. */
typedef struct {
    uint8_t iid[32];
    uint64_t sequence;
    uint64_t count, claims; /* of records, and of those that are claims */
    pbts_cursor records;    /* unread */
    /* Of what was read: whoever gave the bytes may have changed them since. */
    pbts_sha256_state hash;
    uint8_t digest[PBTS_SHA256_LEN]; /* what it must be at the end */
    uint8_t record[PBTS_CLAIMS_RECORD_MAX];
} pbts_claims_file;

/* Check the whole file. The caller compares iid and sequence with its ledger's.
 * PBTS_MALFORMED, PBTS_NEED_MORE (cut short), PBTS_BAD_SIGNATURE (hash or signature); `problem`:
 * static text, set on failure. */
PBTS_MUST_USE pbts_status pbts_claims_file_open(pbts_claims_file *out, const char **problem,
                                                pbts_span file, const pbts_bls_public_point *key);
/* The next record; its bitmap is in `file` until the next call. */
bool pbts_claims_file_next(pbts_claims_file *file, pbts_claims_record *out);
/* After the last one. PBTS_CORRUPT: the records are not those that were checked. */
PBTS_MUST_USE pbts_status pbts_claims_file_end(const pbts_claims_file *file);

#endif
