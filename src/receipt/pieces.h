/* receipt/pieces.h - what receipts say of single pieces, where their own signature covers only a
 * digest: the root of a batch, and the signatures of a session.
 *
 * A session. The receiver makes a key for one transfer and certifies it once (a SESSION receipt's
 * message: sender, torrent, id, key, expires). For each piece the key signs by ECDSA
 *   SHA-256("PBTS_V1_SESSION_PIECE" || id[32] || infohash[20] || pk_sender[96] || piece_hash[32]
 *           || u32 index || u64 epoch)
 * The receiver's key and the instance are not in it: they are bound by the certificate under which
 * it is checked, through the id, which is random and used once.
 * A stolen session key is worth the epochs that it can sign for. So these are the whole hours that
 * begin in [expires - PBTS_RECEIPT_SESSION_LIFE_S, expires): 24 of them, whatever the certificate
 * says. Source: paper section 4.4, DESIGN section 5.
 */
#ifndef PBTS_RECEIPT_PIECES_H
#define PBTS_RECEIPT_PIECES_H

#include "receipt/receipt.h"

/* Where a torrent's own piece hashes come from; as receipts carry them (32 bytes, DESIGN section
 * 5).
 */
typedef struct {
    void (*get)(const void *context, uint8_t out[static PBTS_PIECE_HASH_LEN], uint32_t index);
    const void *context; /* borrowed */
} pbts_piece_hashes;
/* Those that belong to the v1 or the v2 infohash, which `meta` has. */
pbts_piece_hashes pbts_piece_hashes_of(const pbts_metainfo *meta, bool v2);

/* The root of the set's pieces: an RFC 6962 tree of leaves u32 index || piece_hash[32], ascending.
 * `bitmap` is a checked set of the torrent's. */
void pbts_receipt_root(uint8_t out[static PBTS_SHA256_LEN], pbts_span bitmap,
                       pbts_piece_hashes hashes);

/* Whether the session's key may sign for pieces of `epoch`. PBTS_OK; PBTS_STALE: the epoch begins
 * when the session is over; PBTS_LIMIT: it begins more than PBTS_RECEIPT_SESSION_LIFE_S before
 * that. */
PBTS_MUST_USE pbts_status pbts_receipt_session_check(const pbts_receipt_session *session,
                                                     uint64_t epoch);
/* The latest `expires` with which pieces of the present epoch can be signed for. */
uint64_t pbts_receipt_session_expires(uint64_t unix_now);

/* One piece of the receipt's session, infohash, sender and epoch; its other fields do not count. */
void pbts_receipt_session_digest(uint8_t out[static PBTS_SHA256_LEN], const pbts_receipt *receipt,
                                 const uint8_t piece_hash[static PBTS_PIECE_HASH_LEN],
                                 uint32_t index);
void pbts_receipt_session_sign(const pbts_secp256k1_signer *signer, pbts_secp256k1_signature *out,
                               const pbts_secp256k1_secret *session_secret,
                               const pbts_receipt *receipt,
                               const uint8_t piece_hash[static PBTS_PIECE_HASH_LEN],
                               uint32_t index);
/* `key` is the decoded session key. PBTS_OK, PBTS_BAD_SIGNATURE. */
PBTS_MUST_USE pbts_status
pbts_receipt_session_verify(const pbts_secp256k1_point *key, const pbts_receipt *receipt,
                            const uint8_t piece_hash[static PBTS_PIECE_HASH_LEN], uint32_t index,
                            const pbts_secp256k1_signature *signature);

/* All piece signatures of a SESSION receipt, and its times; the certificate is the caller's to
 * verify. PBTS_OK; PBTS_MALFORMED: the key is none, or there is not one signature for each piece;
 * PBTS_STALE, PBTS_LIMIT as above; PBTS_BAD_SIGNATURE and `*bad_piece`, the first whose signature
 * is bad. */
PBTS_MUST_USE pbts_status pbts_receipt_session_verify_all(const pbts_receipt *receipt,
                                                          uint32_t *bad_piece,
                                                          pbts_piece_hashes hashes);

#endif
