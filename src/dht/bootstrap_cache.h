/* dht/bootstrap_cache.h - where other nodes were last, so that a node finds its way in when nobody
 * tells it: the list, and its bytes in a file. Reading and writing the file are the owner's.
 *
 *   "pbts-nodes1\n", SHA-256 of what follows [32], u16 count, then for each node
 *   u8 family: 4 or 6, ip[16] (an IPv4 address in the first 4, the rest zero), u16 port,
 *   u64 seen (unix seconds)
 *
 * Integers are big-endian; the node seen last is first; no address comes twice. What decodes
 * encodes to the same bytes. The hash tells damage, not malice; addresses need no trust, because
 * each node has to show its certificate. Of one prefix (IPv4 /24, IPv6 /48) only some are kept, so
 * that nobody fills the list from his own network. No heap.
 */
#ifndef PBTS_DHT_BOOTSTRAP_CACHE_H
#define PBTS_DHT_BOOTSTRAP_CACHE_H

#include "base/addr.h"
#include "base/writer.h"

enum {
    PBTS_DHT_BOOTSTRAP_MAX = 512,
    PBTS_DHT_BOOTSTRAP_PER_PREFIX = 16,
    PBTS_DHT_BOOTSTRAP_NODE_LEN = 27,
    PBTS_DHT_BOOTSTRAP_LEN_MAX = 12 + 32 + 2 + PBTS_DHT_BOOTSTRAP_MAX * PBTS_DHT_BOOTSTRAP_NODE_LEN,
};

typedef struct {
    pbts_addr addr; /* can be dialled: dht/signed_record.h */
    uint64_t seen_s;
} pbts_dht_bootstrap_node;

/* Invariant: `seen_s` never rises from one node to the next; no address twice; at most
 * PBTS_DHT_BOOTSTRAP_PER_PREFIX of a prefix. Begins zeroed. */
typedef struct {
    pbts_dht_bootstrap_node nodes[PBTS_DHT_BOOTSTRAP_MAX];
    size_t count;
} pbts_dht_bootstrap;

/* It answered, or the tracker named it, at `seen_s`. An address that nobody can dial, and an older
 * time than is known of it, change nothing. When there are too many, the one seen longest ago goes:
 * of the prefix, or of all. */
void pbts_dht_bootstrap_note(pbts_dht_bootstrap *cache, const pbts_addr *addr, uint64_t seen_s);
/* What was noted while a clock was ahead counts as seen now, or no other would ever take its place.
 */
void pbts_dht_bootstrap_set_clock(pbts_dht_bootstrap *cache, uint64_t now_s);

/* PBTS_MALFORMED: no such file, damaged, or against the invariant; PBTS_LIMIT: more nodes than
 * fit. */
PBTS_MUST_USE pbts_status pbts_dht_bootstrap_decode(pbts_dht_bootstrap *out, pbts_span bytes);
void pbts_dht_bootstrap_encode(pbts_writer *writer, const pbts_dht_bootstrap *cache);

#endif
