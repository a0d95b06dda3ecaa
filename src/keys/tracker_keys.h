/* keys/tracker_keys.h - every key of a tracker, made from one: key_trk.
 *
 * HKDF-SHA-256 (RFC 5869) without salt, secret key_trk[32], the label as info:
 *
 *   label                      bytes  key
 *   pbts/ledger-owner/1           48  BLS, by KeyGen of draft-irtf-cfrg-bls-signature-05 with this
 *                                     key_info: signs ledger entries and tickets
 *   pbts/ethereum-writer/1        32  secp256k1: owns the contract, pays for batches
 *   pbts/passkey-root/1           32  HMAC key from which each instance's is made (tracker.h)
 *   pbts/udp-token/1              32  with a salt of each start: connection ids (BEP 15)
 *   pbts/store/1                  32  seals the store's private rows (store/store.h)
 *   pbts/tls/1                    32  P-256: HTTPS when no certificate is given
 *   pbts/key-check/1              16  public: tells whether another key_trk is the same
 *
 * Bytes that are no scalar of their curve (once in 2^32 for P-256, in 2^128 for secp256k1) are made
 * again with a byte 1, 2, ... behind the label.
 *
 * Two versions of keys. Version 2 is the table above. Version 1 is older: there key_trk is the
 * BLS key itself, as tracker.key held it, and so is the root of passkeys; the rest is the same.
 * Which one a data directory has never changes (docs/decisions/0007). Source: docs/tee.md.
 */
#ifndef PBTS_KEYS_TRACKER_KEYS_H
#define PBTS_KEYS_TRACKER_KEYS_H

#include "base/writer.h"
#include "bls/bls.h"
#include "ecc/secp256k1.h"

enum {
    PBTS_KEY_TRK_LEN = 32,
    PBTS_KEY_CHECK_LEN = 16,
    PBTS_KEYS_V1 = 1, /* key_trk is a BLS key */
    PBTS_KEYS_V2 = 2, /* key_trk is 32 bytes that nobody else knows */
    PBTS_KEY_FILE_LEN_MAX = 96,
};

typedef struct {
    uint8_t version; /* PBTS_KEYS_V1 or V2 */
    uint8_t bytes[PBTS_KEY_TRK_LEN];
} pbts_key_trk; /* the root of all; wipe with pbts_wipe */

/* Secrets, check apart; keep them in pbts_secret_new's memory, or wipe. */
typedef struct {
    pbts_bls_secret owner;
    pbts_secp256k1_secret ethereum;
    uint8_t passkey_root[32], udp_token[32], store[32];
    uint8_t tls[32]; /* big-endian scalar of P-256, 1..n-1 */
    uint8_t check[PBTS_KEY_CHECK_LEN];
    uint8_t version;
} pbts_tracker_keys;

/* PBTS_MALFORMED: version 1 with bytes that are no BLS key, or an unknown version. */
PBTS_MUST_USE pbts_status pbts_tracker_keys_derive(pbts_tracker_keys *out, const pbts_key_trk *key);
/* The key of this start's connection ids; `salt` was drawn for it. */
void pbts_tracker_keys_udp(uint8_t out[static 16], const pbts_tracker_keys *keys,
                           const uint8_t salt[static 16]);

/* The text of tracker.key: "pbts-tracker-key2 " and 64 hexadecimal digits; of version 1 the digits
 * alone. A line end may follow. PBTS_MALFORMED: anything else, also digits of version 1 that are no
 * BLS key. */
PBTS_MUST_USE pbts_status pbts_key_trk_parse(pbts_key_trk *out, pbts_span text);
/* At most PBTS_KEY_FILE_LEN_MAX bytes, with a line end. */
void pbts_key_trk_format(pbts_writer *writer, const pbts_key_trk *key);

#endif
