/* torrent/fallback.h - the dictionary "pbts" of a .torrent, beside "info" and never in it: what its
 * users need when the tracker is away. All keys may be missing.
 *
 *   { "beacon": bytes[56], "chain": id, "contract": bytes[20], "iid": bytes[32], "key": bytes[96],
 *     "member": bytes[192], "nodes": 6 bytes each, "nodes6": 18 bytes each }
 *
 * "key" is the tracker's; "chain" and "contract" name the reputation contract, and come together;
 * "nodes" and "nodes6" are nodes of the DHT to begin with, address and port in network order.
 * "beacon" and "member" are as in wire/membership.h: the tracker puts them into the file that it
 * gives to one user. Unknown keys are passed over. Nothing is verified here, and the infohash does
 * not cover it: whoever believes a file believes its announce URL, too.
 * Source: paper section 4.3; the issue "authenticated DHT". No heap.
 */
#ifndef PBTS_TORRENT_FALLBACK_H
#define PBTS_TORRENT_FALLBACK_H

#include "base/addr.h"
#include "codec/bencode.h"

enum {
    PBTS_FALLBACK_IID_LEN = 32,
    PBTS_FALLBACK_KEY_LEN = 96,
    PBTS_FALLBACK_CONTRACT_LEN = 20,
    PBTS_FALLBACK_MEMBERSHIP_LEN = 192,
    PBTS_FALLBACK_BEACON_LEN = 56,
    PBTS_FALLBACK_NODES_MAX = 64, /* of each family; more in a file are passed over */
    PBTS_FALLBACK_LEN_MAX = 512 + 192 + 56 + 64 * (6 + 18), /* encoded */
};

/* Spans are borrowed; empty: not there. Those of one length have it. */
typedef struct {
    pbts_span iid, tracker_key, membership, beacon;
    pbts_span contract;       /* empty: no chain either */
    uint64_t chain_id;        /* at most INT64_MAX */
    pbts_span nodes4, nodes6; /* whole entries */
} pbts_torrent_fallback;

/* Out of the bytes of a .torrent, or of its dictionary alone. PBTS_NOT_FOUND: there is none;
 * PBTS_MALFORMED: a known key has another type, length or range; PBTS_LIMIT (depth). */
PBTS_MUST_USE pbts_status pbts_torrent_fallback_find(pbts_torrent_fallback *out, pbts_span torrent);
PBTS_MUST_USE pbts_status pbts_torrent_fallback_decode(pbts_torrent_fallback *out,
                                                       pbts_span dictionary);
/* The dictionary, "d...e". */
void pbts_torrent_fallback_encode(pbts_writer *writer, const pbts_torrent_fallback *fallback);

/* Walk the nodes; `*at` begins at 0. Those that have no port or no address are passed over. */
bool pbts_torrent_fallback_next(pbts_addr *out, size_t *at, const pbts_torrent_fallback *fallback);
/* Append one node to the list of its family, when there is room: `nodes4` and `nodes6` are lists
 * under way, of at most PBTS_FALLBACK_NODES_MAX. False: the list is full. */
bool pbts_torrent_fallback_add(pbts_writer *nodes4, pbts_writer *nodes6, const pbts_addr *addr);

#endif
