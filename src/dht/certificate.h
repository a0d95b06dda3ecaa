/* dht/certificate.h - what a node shows once, so that everybody knows whose packets these are:
 *
 *     0  u8 version, 1              282  u64 issued
 *     1  membership[192]            290  u64 expires
 *   193  beacon[56]                 298  signature[48] of the member's key (DHT_CERT) over iid[32]
 *   249  session key[33]                 and everything before it
 *
 * Integers are big-endian, times unix seconds; there is one encoding. The tracker says that the key
 * is a member's (wire/membership.h), the key says that the session key is its own, the beacon says
 * where the node has to be. A proof of the contract's state would be as good as the tracker's word,
 * but has some 20 KB, and this has to fit a datagram. Here: bytes and signatures. Whether it is
 * good now is for dht/credentials.h. Source: issue "authenticated DHT", docs/decisions/0009.
 */
#ifndef PBTS_DHT_CERTIFICATE_H
#define PBTS_DHT_CERTIFICATE_H

#include "dht/dht_trust.h"
#include "ecc/secp256k1.h"
#include "wire/membership.h"

enum {
    PBTS_DHT_CERTIFICATE_VERSION = 1,
    PBTS_DHT_CERTIFICATE_LEN = 346,
    PBTS_DHT_CERTIFICATE_LIFE_MAX_S = 24 * 3600,
};

typedef struct {
    pbts_membership membership; /* names the member's key */
    pbts_epoch_beacon beacon;
    pbts_secp256k1_public session_key; /* begins with 2 or 3; not checked to be a point */
    uint64_t issued, expires;          /* 0 < expires - issued <= the longest life */
    pbts_bls_signature signature;
} pbts_dht_certificate;

/* PBTS_MALFORMED. Nothing is verified. */
PBTS_MUST_USE pbts_status pbts_dht_certificate_decode(pbts_dht_certificate *out, pbts_span bytes);
void pbts_dht_certificate_encode(pbts_writer *writer, const pbts_dht_certificate *certificate);
/* The hashed message, and the signature over it that `member` makes. */
void pbts_dht_certificate_message(pbts_bls_g1_point *out, const uint8_t iid[static PBTS_IID_LEN],
                                  const pbts_dht_certificate *certificate);
void pbts_dht_certificate_sign(pbts_dht_certificate *certificate,
                               const uint8_t iid[static PBTS_IID_LEN],
                               const pbts_bls_secret *member);

/* The node's place: the first 20 bytes of SHA-256("pbts/dht/1" || key[96] || beacon value[32]).
 * Nobody could know it when the key was registered, so keys cannot be made to surround a place. */
void pbts_dht_node_id(pbts_dht_id *out, const pbts_bls_public *key,
                      const pbts_epoch_beacon *beacon);
/* Who it is, whatever the epoch: SHA-256(key), as on the ledger. */
void pbts_dht_owner(uint8_t out[static PBTS_DHT_OWNER_LEN], const pbts_bls_public *key);

#endif
