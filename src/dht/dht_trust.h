/* dht/dht_trust.h - what a node of the DHT has to be told about trust, and cannot know itself.
 *
 * The engine (packets, routing, lookups, records) knows no curve, no ledger and no registration: it
 * asks through these functions. It asks rarely: a certificate once per node and epoch, and after
 * budgets that bound what strangers can make it ask; see docs/protocol.md, section DHT.
 *
 * Source: paper section 4.3 (the ledger as public key infrastructure of the DHT).
 */
#ifndef PBTS_DHT_DHT_TRUST_H
#define PBTS_DHT_DHT_TRUST_H

#include "base/addr.h"

enum {
    PBTS_DHT_ID_LEN = 20,
    PBTS_DHT_TAG_LEN = 4,    /* names the network in every packet; see pbts_dht_tag */
    PBTS_DHT_OWNER_LEN = 32, /* stands for a user: a hash of the public key, never of the epoch */
    PBTS_DHT_SESSION_KEY_LEN = 33,
    PBTS_DHT_SIGNATURE_LEN = 64,
    PBTS_DHT_DIGEST_LEN = 32,
    PBTS_DHT_CERTIFICATE_MAX = 960, /* with it a packet still stays within one datagram */
    PBTS_DHT_RECORD_MAX = 640,
    PBTS_DHT_RECORD_LIFE_MAX_S = 2 * 60 * 60,
    PBTS_DHT_BEACON_MAX =
        64, /* what the tracker says of an epoch: the ids of all nodes hang on it */
};

/* A node's place or a lookup key: 160 bits, compared by XOR. */
typedef struct {
    uint8_t bytes[PBTS_DHT_ID_LEN];
} pbts_dht_id;

/* What a certificate that was verified says of a node. */
typedef struct {
    pbts_dht_id id;                                /* of this epoch */
    uint8_t owner[PBTS_DHT_OWNER_LEN];             /* the same in all certificates of a user */
    uint8_t session_key[PBTS_DHT_SESSION_KEY_LEN]; /* packets are signed with */
    uint64_t expires_s;                            /* unix time; good before it, not at it */
    bool seeds_only; /* below MinRep: may store and announce as a seeder, is not told of peers */
} pbts_dht_member;

/* What an announce that was verified says: owner's peer for the torrent that `key` stands for. */
typedef struct {
    pbts_dht_id key; /* blinded, of an epoch */
    uint8_t owner[PBTS_DHT_OWNER_LEN];
    pbts_addr addr;     /* where the peer listens; it is kept when it came from there */
    uint64_t sequence;  /* unix time in ms; of one owner and key the greatest replaces all others */
    uint64_t expires_s; /* unix time; at most PBTS_DHT_RECORD_LIFE_MAX_S from now */
    bool stopped;       /* takes the one before it away */
    bool seeder;        /* it has everything; an owner that only seeds announces nothing else */
} pbts_dht_record;

typedef struct {
    /* Whether these bytes prove a registered user and one session key, now.
     * PBTS_MALFORMED, PBTS_BAD_SIGNATURE, PBTS_DENIED (not registered): not asked again for the
     * same bytes for some minutes. PBTS_STALE (expired, or of an epoch that is over or to come),
     * and of class RESOURCE: asked again. Costs pairings. */
    pbts_status (*verify_certificate)(void *self, pbts_dht_member *out, pbts_span certificate,
                                      uint64_t now_s);
    /* Whether `from`'s session key signed the digest. One ECDSA verification. */
    bool (*verify_packet)(void *self, const pbts_dht_member *from,
                          const uint8_t digest[PBTS_DHT_DIGEST_LEN],
                          const uint8_t signature[PBTS_DHT_SIGNATURE_LEN]);
    /* Sign with the session key that the node's own certificate names. */
    void (*sign_packet)(void *self, uint8_t signature[PBTS_DHT_SIGNATURE_LEN],
                        const uint8_t digest[PBTS_DHT_DIGEST_LEN]);
    /* Whether a record is a registered owner's own statement and good now. Everything that is
     * needed is in the bytes. Statuses as verify_certificate. Called for puts by a verified member
     * (the engine compares owners), and for what other nodes answered to a get. */
    pbts_status (*verify_record)(void *self, pbts_dht_record *out, pbts_span bytes, uint64_t now_s);
    /* The tracker's newest word on the epoch, at most PBTS_DHT_BEACON_MAX bytes, borrowed until the
     * next call; empty: none. For those whose certificate is STALE: a node that was away, or comes
     * with an old file, cannot know its own id before it has this. NULL: there are no epochs. */
    pbts_span (*beacon)(void *self);
    /* What another node sent as that. PBTS_OK: it was news, and the node needs a certificate and an
     * id of the new epoch; PBTS_EXISTS: it is known; else as verify_certificate. Costs a pairing
     * when it is newer than what is known, otherwise nothing. NULL with `beacon`. */
    pbts_status (*learn_beacon)(void *self, pbts_span beacon, uint64_t now_s);
} pbts_dht_trust_ops;

/* `self` is borrowed: outlives the node. */
typedef struct {
    const pbts_dht_trust_ops *ops;
    void *self;
} pbts_dht_trust;

#endif
