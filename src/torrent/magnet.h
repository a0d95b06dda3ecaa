/* torrent/magnet.h - a magnet link: which torrent, and where to ask for it.
 *
 * "magnet:?" and parameters joined by "&", each KEY=VALUE, percent-encoded. Taken: xt (a v1 or a v2
 * infohash), dn (a name), tr (trackers), x.pe (peers); "xt.1" and "tr.2" are "xt" and "tr". What
 * nobody here knows is passed over. Source: BEP 9, 52, 53.
 */
#ifndef PBTS_TORRENT_MAGNET_H
#define PBTS_TORRENT_MAGNET_H

#include "base/addr.h"
#include "hash/sha.h"
#include "torrent/metainfo.h"

enum {
    PBTS_MAGNET_LEN_MAX = 16 * 1024,
    PBTS_MAGNET_TRACKERS_MAX = 32, /* further ones are passed over, as are further peers */
    PBTS_MAGNET_PEERS_MAX = 32,
};

/* At least one of the infohashes is there. Spans point into the scratch space of the parser. */
typedef struct {
    bool has_v1, has_v2;
    uint8_t infohash_v1[PBTS_INFOHASH_LEN];
    uint8_t infohash_v2[PBTS_SHA256_LEN];
    pbts_span name; /* as it was sent: for people, no path; may be empty */
    pbts_span trackers[PBTS_MAGNET_TRACKERS_MAX];
    size_t tracker_count;
    pbts_addr peers[PBTS_MAGNET_PEERS_MAX]; /* those given as addresses, not as names */
    size_t peer_count;
} pbts_magnet;

/* Whether a text is meant to be a magnet link. */
bool pbts_magnet_is(pbts_span text);
/* `scratch` has text.len bytes and outlives `out`. PBTS_MALFORMED (no magnet link, bad escapes, no
 * infohash, two of one kind that differ), PBTS_LIMIT (longer than PBTS_MAGNET_LEN_MAX). */
PBTS_MUST_USE pbts_status pbts_magnet_parse(pbts_magnet *out, uint8_t *scratch, pbts_span text);

#endif
