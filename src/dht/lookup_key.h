/* dht/lookup_key.h - under which key a torrent's peers are kept, and when.
 *
 *   secret = SHA-256("pbts/dht/torrent/1" || bytes of the info dictionary)
 *   key    = SHA-256("pbts/dht/key/1" || iid[32] || secret || u64 epoch)[0:20]
 *
 * Infohashes are known to every user of a tracker and are asked for in the clear, so they say
 * nothing about who has a torrent. The info dictionary's bytes do: who has not got them cannot tell
 * which key is which torrent's, and what is seen in one epoch does not tell the keys of the next.
 * Who comes by a magnet link can ask once a peer gave the metadata. Epochs here are those of the
 * clock: keys move on while the tracker, and with it the beacon, is away.
 */
#ifndef PBTS_DHT_LOOKUP_KEY_H
#define PBTS_DHT_LOOKUP_KEY_H

#include "dht/dht_trust.h"
#include "hash/sha.h"
#include "receipt/receipt.h"

enum {
    PBTS_DHT_EARLY_S = 900, /* announces go to the next epoch's key, too, so long before it */
    PBTS_DHT_LATE_S = 300,  /* questions go to the neighbour epoch's, too, so near a change */
    PBTS_DHT_KEYS_MAX = 2,
};

typedef struct {
    uint8_t bytes[PBTS_SHA256_LEN]; /* whoever has it can find the swarm; wipe with pbts_wipe */
} pbts_dht_torrent_secret;

void pbts_dht_torrent_secret_of(pbts_dht_torrent_secret *out, pbts_span info_dictionary);
void pbts_dht_lookup_key(pbts_dht_id *out, const uint8_t iid[static PBTS_IID_LEN],
                         const pbts_dht_torrent_secret *secret, uint64_t epoch);

/* The epochs whose keys are in use at `now_s`; returns how many, 1 or 2, the present one first.
 * Clocks that differ by less than PBTS_DHT_LATE_S meet at every moment. */
size_t pbts_dht_announce_epochs(uint64_t out[static PBTS_DHT_KEYS_MAX], uint64_t now_s);
size_t pbts_dht_lookup_epochs(uint64_t out[static PBTS_DHT_KEYS_MAX], uint64_t now_s);

#endif
