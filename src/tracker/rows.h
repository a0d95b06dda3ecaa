/* tracker/rows.h - the bytes of the tracker's rows in the store. Private to tracker/.
 *
 * All integers big-endian. Rows are our own, so a row that does not decode is PBTS_CORRUPT.
 *  USERS    u8 version=1, u8 has_key, u8 uid_len, uid[32] (uid_len 0: its hash), key[96],
 * key_raw[192], i64 granted, u64 registered_unix_s, u32 uploads TORRENTS u8 version=1, u8
 * has_v1|has_v2<<1, infohash_v1[20], infohash_v2[32], u32 piece_length, u32 piece_count, u64
 * total_bytes, u32 uploader, u64 added_unix_s, u8 name_len, name INFOHASHES key infohash[20]; value
 * u32 torrent, u8 version (1 v1, 2 v2), u32 downloaded: a hybrid's infohashes are two swarms, each
 * with its own count PIECES   u8 versions (1 v1, 2 v2), u32 piece_length, u32 piece_count, u32
 * irregular count, {u32 index, u32 bytes} ascending for each piece that is shorter than
 * piece_length, piece_count * 20 bytes of SHA-1 (v1), piece_count * 32 bytes (v2) HELD     key u32
 * receiver, u64 order; value u32 sender, u64 bytes CLAIMS   key u32 period, u32 receiver, u32
 * sender, u32 torrent, u16 part; value the bitmap of the part's PBTS_CLAIMS_PART_PIECES pieces (of
 * the torrent's last part fewer). Parts without a claimed piece have no row
 */
#ifndef PBTS_TRACKER_ROWS_H
#define PBTS_TRACKER_ROWS_H

#include "receipt/pieces.h"
#include "tracker/tracker.h"

enum { PBTS_USER_ROW_LEN = 3 + 32 + 96 + 192 + 8 + 8 + 4, PBTS_TORRENT_ROW_MAX = 512 };

typedef struct {
    bool has_key;
    uint8_t uid[PBTS_UID_LEN_MAX], uid_len; /* length 0: the uid_hash of a name that is unknown */
    pbts_bls_public key;
    uint8_t key_raw[PBTS_BLS_PUBLIC_RAW_LEN];
    int64_t granted;
    uint64_t registered_unix_s;
    uint32_t uploads;
} pbts_user_row;

void pbts_key_u32(uint8_t out[static 4], uint32_t number);
PBTS_MUST_USE pbts_status pbts_number_decode(uint32_t *out, pbts_span value); /* CORRUPT */

PBTS_MUST_USE pbts_status pbts_user_row_get(pbts_txn *txn, pbts_user_row *out, uint32_t user_no);
PBTS_MUST_USE pbts_status pbts_user_row_put(pbts_txn *txn, uint32_t user_no,
                                            const pbts_user_row *row);
void pbts_user_row_uid_hash(uint8_t out[static PBTS_UID_HASH_LEN], const pbts_user_row *row);
/* uid -> number, key -> number: PBTS_NOT_FOUND. */
PBTS_MUST_USE pbts_status pbts_user_no_by_uid(pbts_txn *txn, uint32_t *out, pbts_span uid);
PBTS_MUST_USE pbts_status pbts_user_no_by_hash(pbts_txn *txn, uint32_t *out, pbts_table table,
                                               const uint8_t hash[static 32]);

PBTS_MUST_USE pbts_status pbts_torrent_row_get(pbts_txn *txn, pbts_torrent *out,
                                               uint32_t torrent_no);
PBTS_MUST_USE pbts_status pbts_torrent_row_decode(pbts_torrent *out, pbts_span key,
                                                  pbts_span value);
PBTS_MUST_USE pbts_status pbts_torrent_row_put(pbts_txn *txn, const pbts_torrent *torrent);
typedef struct {
    uint32_t torrent_no;
    bool is_v2;
    uint32_t downloaded;
} pbts_infohash_row;

PBTS_MUST_USE pbts_status pbts_infohash_row_decode(pbts_infohash_row *out, pbts_span value);
PBTS_MUST_USE pbts_status pbts_infohash_row_get(pbts_txn *txn, pbts_infohash_row *out,
                                                const uint8_t infohash[static PBTS_INFOHASH_LEN]);
PBTS_MUST_USE pbts_status pbts_infohash_row_put(pbts_txn *txn,
                                                const uint8_t infohash[static PBTS_INFOHASH_LEN],
                                                const pbts_infohash_row *row);
/* Infohash (either version) -> number and whether it is the v2 one. */
PBTS_MUST_USE pbts_status pbts_torrent_no_get(pbts_txn *txn, uint32_t *out, bool *v2,
                                              const uint8_t infohash[static PBTS_INFOHASH_LEN]);

/* A PIECES row, borrowed from the transaction. */
typedef struct {
    bool has_v1, has_v2;
    uint32_t piece_length, piece_count, irregular_count;
    pbts_span irregular, hashes_v1, hashes_v2;
} pbts_pieces;

PBTS_MUST_USE pbts_status pbts_pieces_get(pbts_txn *txn, pbts_pieces *out, uint32_t torrent_no);
PBTS_MUST_USE pbts_status pbts_pieces_put(pbts_txn *txn, pbts_mem *mem, uint32_t torrent_no,
                                          const pbts_metainfo *meta);
/* The torrent's own hash of a piece, as receipts carry it: 32 bytes. index < piece_count. */
void pbts_pieces_hash(uint8_t out[static PBTS_PIECE_HASH_LEN], const pbts_pieces *pieces, bool v2,
                      uint32_t index);
/* The same as receipt/pieces.h takes them; `pieces` is borrowed. */
pbts_piece_hashes pbts_pieces_hashes(const pbts_pieces *pieces, bool v2);
/* Real bytes of a set's pieces; its first bit is piece `first`, a multiple of 8. The set was
 * checked against piece_count. */
uint64_t pbts_pieces_bytes(const pbts_pieces *pieces, uint32_t first, pbts_span bits);

#endif
