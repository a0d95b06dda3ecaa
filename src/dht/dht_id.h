/* dht/dht_id.h - ids and their distance, and the tag that names a network.
 *
 * Source: Maymounkov, Mazieres, "Kademlia" (2002): distance is XOR, read as a big-endian number.
 */
#ifndef PBTS_DHT_DHT_ID_H
#define PBTS_DHT_DHT_ID_H

#include "dht/dht_trust.h"

enum { PBTS_DHT_ID_BITS = 8 * PBTS_DHT_ID_LEN, PBTS_DHT_IID_LEN = 32 };

static inline bool pbts_dht_id_equal(const pbts_dht_id *a, const pbts_dht_id *b) {
    return memcmp(a->bytes, b->bytes, PBTS_DHT_ID_LEN) == 0;
}
/* Below 0, 0, above 0: `a` is closer to the target, as far, farther than `b`. */
int pbts_dht_id_compare(const pbts_dht_id *target, const pbts_dht_id *a, const pbts_dht_id *b);
/* How many leading bits are the same: 0..160. */
unsigned pbts_dht_id_common_bits(const pbts_dht_id *a, const pbts_dht_id *b);

/* SHA-256("pbts/dht/tag/1" || iid)[0:4]. */
void pbts_dht_tag(uint8_t out[static PBTS_DHT_TAG_LEN], const uint8_t iid[static PBTS_DHT_IID_LEN]);

/* The network that an address is in, as a number: IPv4 its /24, IPv6 its /48. */
uint64_t pbts_dht_prefix(const pbts_addr *addr);

/* Whether datagrams can go there: an address and a port that are no null, no multicast; an IPv4
 * address is not written as an IPv6 one. */
bool pbts_dht_addr_usable(const pbts_addr *addr);
/* Whether somebody at `from` can know of `addr`: it is not of a narrower scope (this host, this
 * link, a private network, everywhere). Otherwise it is somebody else that is there for us. */
bool pbts_dht_addr_may_name(const pbts_addr *from, const pbts_addr *addr);
/* Whether it is of a narrower scope: there prefixes say nothing of who is behind them. */
bool pbts_dht_addr_is_private(const pbts_addr *addr);
/* Whether both are one host, as far as others can see: IPv4 the same, IPv6 of one /64. */
bool pbts_dht_addr_same_host(const pbts_addr *a, const pbts_addr *b);
static inline bool pbts_dht_addr_equal(const pbts_addr *a, const pbts_addr *b) {
    return a->port == b->port && pbts_addr_equal_ip(a, b);
}

#endif
