/* dht/credentials.h - trust, the real thing: who is a member, by the tracker's word and signatures,
 * behind the engine's port (dht/dht_trust.h). One object for one node and one instance.
 *
 * It knows the tracker's key, the beacons that it saw, what it found out about certificates, and
 * its own session key. It never sees a packet. Time counts in two ways:
 *   - sessions, certificates and records end by the clock;
 *   - memberships end by the tracker's time, which is that of its newest beacon: while the tracker
 *     is away nobody can be taken in or put out, so whoever was a member then remains one.
 * A beacon is in force until a newer one is seen, and for PBTS_DHT_OVERLAP_S more.
 * Source: paper section 4.3, docs/decisions/0009. One owner; not thread-safe.
 */
#ifndef PBTS_DHT_CREDENTIALS_H
#define PBTS_DHT_CREDENTIALS_H

#include "base/mem.h"
#include "base/random.h"
#include "dht/certificate.h"
#include "dht/dht_trust.h"

typedef struct pbts_dht_credentials pbts_dht_credentials; /* opaque */

enum {
    PBTS_DHT_CLOCK_SLACK_S = 300,      /* how far clocks may differ */
    PBTS_DHT_OVERLAP_S = 2 * 3600,     /* the beacon before is good so long after a newer is seen */
    PBTS_DHT_RENEW_S = 2 * 3600,       /* a certificate is renewed so long before it ends */
    PBTS_DHT_OUTAGE_LIFE_S = 6 * 3600, /* of certificates under a beacon whose time is over */
};

typedef struct {
    pbts_mem *mem;
    pbts_random *random; /* session keys, weights, a seed */
    uint8_t iid[PBTS_IID_LEN];
    pbts_bls_public_point tracker; /* its key */
    size_t verdicts_max; /* a power of two, 8 to 65,536: certificates that are remembered */
} pbts_dht_credentials_config;

/* PBTS_NO_MEMORY, PBTS_IO (the random source failed). */
PBTS_MUST_USE pbts_status pbts_dht_credentials_new(pbts_dht_credentials **out,
                                                   const pbts_dht_credentials_config *config);
void pbts_dht_credentials_free(pbts_dht_credentials *credentials); /* NULL is a no-op */

/* For the engine; borrows `credentials`. */
pbts_dht_trust pbts_dht_credentials_trust(pbts_dht_credentials *credentials);

/* A beacon from the tracker, a file or another node. PBTS_OK: it is newer than any before;
 * PBTS_EXISTS: known, and still in force; PBTS_MALFORMED; PBTS_BAD_SIGNATURE; PBTS_STALE: older
 * than those in force, or to come. */
PBTS_MUST_USE pbts_status pbts_dht_credentials_learn_beacon(pbts_dht_credentials *credentials,
                                                            pbts_span beacon, uint64_t now_s);
/* The newest, PBTS_DHT_BEACON_LEN bytes; empty: none. Borrowed until the next one. */
pbts_span pbts_dht_credentials_beacon(const pbts_dht_credentials *credentials);

/* Whether pbts_dht_credentials_certify is due: there is no certificate, it ends soon, its beginning
 * is to come (the clock was set back), or a newer beacon is known. To be asked often: also others'
 * certificates bring newer beacons. */
bool pbts_dht_credentials_is_due(const pbts_dht_credentials *credentials, uint64_t now_s);
/* Make a new session key and a certificate of it, signed by `member`, under the newest beacon.
 * PBTS_NOT_FOUND: no beacon is known; PBTS_DENIED: the membership is another key's; PBTS_STALE: it
 * is over, or to come; PBTS_MALFORMED, PBTS_BAD_SIGNATURE: it is not the tracker's word; PBTS_IO
 * (random). After a failure what was there remains. */
PBTS_MUST_USE pbts_status pbts_dht_credentials_certify(pbts_dht_credentials *credentials,
                                                       const pbts_bls_secret *member,
                                                       const pbts_membership *membership,
                                                       uint64_t now_s);
/* The own certificate's bytes, borrowed until the next; empty: none yet. */
pbts_span pbts_dht_credentials_certificate(const pbts_dht_credentials *credentials);
/* What others will find in it; NULL: none yet. */
const pbts_dht_member *pbts_dht_credentials_self(const pbts_dht_credentials *credentials);

/* An announce, signed with the session key. `record` says key, addr, sequence, stopped, seeder and
 * when it expires, which is shortened to the longest life and to the certificate's; the rest is
 * filled in. PBTS_NOT_FOUND: there is no certificate; PBTS_DENIED: who only seeds must be a seeder;
 * PBTS_MALFORMED: the address is none; PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_dht_credentials_announce(pbts_dht_credentials *credentials,
                                                        pbts_writer *writer,
                                                        const pbts_dht_record *record,
                                                        uint64_t now_s);

/* What it cost, since the start. */
typedef struct {
    uint64_t pairings;              /* beacons and certificates that were looked at in earnest */
    uint64_t packets_checked;       /* ECDSA: packets and records */
    uint64_t known_good, known_bad; /* answered from memory */
    uint64_t refused_free;          /* refused before any pairing */
} pbts_dht_credentials_stats;
void pbts_dht_credentials_stats_read(const pbts_dht_credentials *credentials,
                                     pbts_dht_credentials_stats *out);

#endif
