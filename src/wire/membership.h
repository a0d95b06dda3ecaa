/* wire/membership.h - what the tracker signs so that users can find each other without it: who is a
 * member, and the beacon that gives nodes of the DHT their places. Fixed layouts, big-endian:
 *
 *   membership  key[96], u64 allowance, u64 up, u64 down, u32 min ratio, u32 generation,
 *               u64 issued, u64 expires, signature[48]
 *   beacon      u64 epoch, signature[48]
 *
 * Every layout has one encoding. The tracker puts both into its answers to signed announces and
 * into the .torrent files that it gives out; peers keep them on disk. Not a ticket
 * (wire/peer_pbts.h), which says what may be taken today: a membership is to outlive an outage.
 * Source: paper section 4.3, DESIGN section 5, docs/decisions/0009, docs/protocol.md.
 */
#ifndef PBTS_WIRE_MEMBERSHIP_H
#define PBTS_WIRE_MEMBERSHIP_H

#include "base/epoch.h"
#include "base/writer.h"
#include "receipt/receipt.h"

enum {
    PBTS_MEMBERSHIP_LEN = 192,
    PBTS_DHT_BEACON_LEN = 56,
    PBTS_DHT_BEACON_VALUE_LEN = 32,
    PBTS_DHT_BEACON_EPOCHS =
        24, /* a beacon is in force for so many epochs, from a multiple of it on */
    /* As long as receipts are taken: an outage that loses no receipt loses no member. */
    PBTS_MEMBERSHIP_LIFE_S = PBTS_WINDOW_EPOCHS * PBTS_EPOCH_SECONDS,
};

/* The tracker's word on one user. Times are unix seconds. Untrusted until checked. */
typedef struct {
    pbts_bls_public key;
    uint64_t allowance_bytes;      /* what it may take before its senders' credit is held */
    uint64_t up_bytes, down_bytes; /* as on the ledger */
    uint32_t min_ratio_milli;      /* the tracker's rule at that time; 0: none */
    uint32_t generation;           /* of the passkey; a higher one takes those below back */
    uint64_t issued;
    uint64_t expires; /* by the tracker's time: docs/decisions/0009 */
    pbts_bls_signature signature;
} pbts_membership;

/* PBTS_MALFORMED: another length. The numbers and the signature are whatever they are. */
PBTS_MUST_USE pbts_status pbts_membership_decode(pbts_membership *out, pbts_span bytes);
void pbts_membership_encode(pbts_writer *writer, const pbts_membership *membership);
/* The hashed message (MEMBER): iid[32], then the layout up to its signature. */
void pbts_membership_hash(pbts_bls_g1_point *out, const uint8_t iid[static PBTS_IID_LEN],
                          const pbts_membership *membership);
/* Fill the signature, as the tracker. */
void pbts_membership_sign(pbts_membership *membership, const uint8_t iid[static PBTS_IID_LEN],
                          const pbts_bls_secret *tracker);
/* PBTS_MALFORMED (the signature is no point), PBTS_BAD_SIGNATURE. One pairing product. */
PBTS_MUST_USE pbts_status pbts_membership_check(const pbts_membership *membership,
                                                const uint8_t iid[static PBTS_IID_LEN],
                                                const pbts_bls_public_point *tracker);
/* MinRep, as the tracker has it: whether up / down is below its minimum. Such a user may seed and
 * may not be told of others. */
bool pbts_membership_below_ratio(const pbts_membership *membership);

/* A value that nobody but the tracker can know before it is given out, and that nobody can choose,
 * the tracker neither: there is one BLS signature for an epoch and a key. */
typedef struct {
    uint64_t epoch; /* the first that it is for */
    pbts_bls_signature signature;
} pbts_epoch_beacon;

/* The epoch whose beacon is in force in `epoch`. */
static inline uint64_t pbts_dht_beacon_epoch(uint64_t epoch) {
    return epoch - epoch % PBTS_DHT_BEACON_EPOCHS;
}

/* PBTS_MALFORMED: another length, or an epoch that has no beacon. */
PBTS_MUST_USE pbts_status pbts_dht_beacon_decode(pbts_epoch_beacon *out, pbts_span bytes);
void pbts_dht_beacon_encode(pbts_writer *writer, const pbts_epoch_beacon *beacon);
/* DHT_BEACON over iid[32], u64 epoch; `epoch` is of a beacon (asserted). */
void pbts_dht_beacon_sign(pbts_epoch_beacon *out, const uint8_t iid[static PBTS_IID_LEN],
                          uint64_t epoch, const pbts_bls_secret *tracker);
/* As pbts_membership_check. */
PBTS_MUST_USE pbts_status pbts_dht_beacon_check(const pbts_epoch_beacon *beacon,
                                                const uint8_t iid[static PBTS_IID_LEN],
                                                const pbts_bls_public_point *tracker);
/* SHA-256("pbts/dht/beacon/1" || signature): of a statement that was checked. */
void pbts_dht_beacon_value(uint8_t out[static PBTS_DHT_BEACON_VALUE_LEN],
                           const pbts_epoch_beacon *beacon);

#endif
