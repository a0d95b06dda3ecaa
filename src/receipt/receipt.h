/* receipt/receipt.h - what a receipt says and the exact bytes that are signed (DESIGN section 5).
 *
 * A receipt is a receiver's signature that it got verified pieces from a sender. Here: the plain
 * value, the message bytes for each purpose, making and checking one. The pieces of batches and
 * sessions are in receipt/pieces.h. Crediting is tracker/'s.
 */
#ifndef PBTS_RECEIPT_RECEIPT_H
#define PBTS_RECEIPT_RECEIPT_H

#include "base/writer.h"
#include "bls/bls.h"
#include "ecc/secp256k1.h"
#include "hash/sha.h"
#include "torrent/metainfo.h"
#include "torrent/piece_set.h"

enum { PBTS_IID_LEN = 32, PBTS_UID_LEN_MAX = 32, PBTS_UID_HASH_LEN = 32 };

/* The paper's Table I. PIECE: a signature for each piece. CUMULATIVE: one for the set of all pieces
 * so far, replaced as it grows. BATCH: one for a few pieces and the root of their hashes. SESSION:
 * a key made for one transfer, certified once, signs each piece by ECDSA (receipt/pieces.h). */
typedef enum {
    PBTS_FORM_PIECE = 1,
    PBTS_FORM_CUMULATIVE = 2,
    PBTS_FORM_BATCH = 3,
    PBTS_FORM_SESSION = 4,
} pbts_receipt_form;

enum {
    PBTS_RECEIPT_SESSION_ID_LEN = 32,
    PBTS_RECEIPT_SESSION_LIFE_S = 24 * 3600, /* how long its key can sign: receipt/pieces.h */
    PBTS_RECEIPT_SESSION_PIECES_MAX = 1024,  /* of one receipt: it is good as a whole, or bad */
    PBTS_RECEIPT_BATCH_PIECES_MAX = 4096,    /* of one receipt: hashed at the price of a pairing */
};

/* What the receiver certifies: whatever this key signs for this session, it signs. */
typedef struct {
    uint8_t id[PBTS_RECEIPT_SESSION_ID_LEN]; /* random, new for every session */
    pbts_secp256k1_public key;
    uint64_t expires; /* unix seconds; at most INT64_MAX */
} pbts_receipt_session;

/* Spans are borrowed. */
typedef struct {
    pbts_receipt_form form;
    uint8_t iid[PBTS_IID_LEN];
    uint8_t infohash[PBTS_INFOHASH_LEN];
    pbts_bls_public sender;
    pbts_bls_public receiver;
    uint64_t epoch;
    uint32_t piece_index;                    /* PIECE */
    uint8_t piece_hash[PBTS_PIECE_HASH_LEN]; /* PIECE: the torrent's own, never the client's word */
    pbts_span bitmap;                        /* not PIECE: a checked piece set */
    uint8_t root[PBTS_SHA256_LEN];           /* BATCH: pbts_receipt_root of the set */
    pbts_receipt_session session;            /* SESSION */
    pbts_span piece_signatures;              /* SESSION: 64 bytes for each piece of the set */
} pbts_receipt;

/* Append the message that is signed by BLS, fields without padding:
 *  PIECE       iid[32] infohash[20] pk_sender[96] pk_receiver[96]
 *              piece_hash[32] u32 index u64 epoch
 *  CUMULATIVE  iid[32] infohash[20] pk_sender[96] pk_receiver[96]
 *              u64 epoch u32 count SHA-256(bitmap)[32]
 *  BATCH       iid[32] infohash[20] pk_sender[96] pk_receiver[96]
 *              u64 epoch u32 count root[32]
 *  SESSION     iid[32] infohash[20] pk_sender[96] pk_receiver[96]
 *              id[32] key[33] u64 expires: the certificate, neither pieces nor epoch */
enum { PBTS_RECEIPT_MESSAGE_MAX = 32 + 20 + 96 + 96 + 32 + 33 + 8 };
void pbts_receipt_message(pbts_writer *writer, const pbts_receipt *receipt);
pbts_bls_purpose pbts_receipt_purpose(pbts_receipt_form form);
void pbts_receipt_hash(pbts_bls_g1_point *out, const pbts_receipt *receipt);

void pbts_receipt_sign(pbts_bls_signature *out, const pbts_receipt *receipt,
                       const pbts_bls_secret *receiver_secret);

/* The other signed messages of DESIGN section 5. */
void pbts_message_register(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                           const pbts_bls_public *key, pbts_span uid);
void pbts_message_announce(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                           const pbts_bls_public *key,
                           const uint8_t infohash[static PBTS_INFOHASH_LEN], uint8_t event,
                           uint64_t unix_time);
void pbts_message_report(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                         const pbts_bls_public *key, uint64_t unix_time,
                         const uint8_t statements_sha256[static 32]);
void pbts_message_ticket(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                         const pbts_bls_public *key, uint64_t allowance_bytes, uint64_t issued,
                         uint64_t expires);
/* A peer's proof of its key to another one, over both sides' fresh nonces; iid and infohash are
 * what both agree on. */
enum { PBTS_NONCE_LEN = 32 };
void pbts_message_peer(pbts_writer *writer, const uint8_t iid[static PBTS_IID_LEN],
                       const uint8_t infohash[static PBTS_INFOHASH_LEN],
                       const uint8_t nonce_own[static PBTS_NONCE_LEN],
                       const uint8_t nonce_theirs[static PBTS_NONCE_LEN],
                       const pbts_bls_public *key_own, const pbts_bls_public *key_theirs);
enum { PBTS_MESSAGE_MAX = 320 }; /* longest of all messages here */

/* uid: 1..32 bytes of [A-Za-z0-9._-]; uid_hash = SHA-256("pbts/uid/1" || uid). */
bool pbts_uid_is_valid(pbts_span uid);
void pbts_uid_hash(uint8_t out[static PBTS_UID_HASH_LEN], pbts_span uid);

#endif
