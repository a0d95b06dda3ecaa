/* peer/addresses.h - where other peers of the torrent listen, when to dial them, and who is banned.
 *
 * A bounded number: a new address replaces one that failed, and one from peer exchange never a
 * tracker's that did not. Failures back off, doubling. A ban is of an IP address (IPv6: its /64);
 * of loopback, where everybody has the same, of address and port.
 */
#ifndef PBTS_PEER_ADDRESSES_H
#define PBTS_PEER_ADDRESSES_H

#include "base/addr.h"
#include "base/mem.h"
#include "base/random.h"

enum {
    PBTS_ADDRESSES_MAX = 2000,
    PBTS_BANS_MAX = 1000, /* the oldest is forgotten */
    PBTS_DIALS_MAX = 16,  /* at once */
    PBTS_DIAL_BACKOFF_MS = 20 * 1000,
    PBTS_DIAL_BACKOFF_MAX_MS = 60 * 60 * 1000,
    PBTS_ADDRESS_BUCKETS = 2048,
};
#define PBTS_ADDRESS_NONE UINT16_MAX

typedef enum { PBTS_ADDRESS_IDLE, PBTS_ADDRESS_DIALING, PBTS_ADDRESS_CONNECTED } pbts_address_use;

typedef struct {
    pbts_addr addr;
    pbts_address_use use;
    bool hearsay;     /* from peer exchange */
    bool is_seed;     /* as far as anybody said */
    bool by_other;    /* to be dialed by the torrent's other infohash */
    uint8_t fails;    /* in a row */
    uint64_t next_ms; /* not to be dialed before */
    uint16_t next;    /* in its bucket */
    uint32_t serial;  /* grows with each address that is new; its number may have been another's */
} pbts_address;

/* Invariant: entries [0, count) are each in the bucket of their address; of two no address is the
 * same. An entry's number changes when an address is replaced or removed: only while IDLE. */
typedef struct {
    pbts_mem *mem;
    pbts_address *entries; /* PBTS_ADDRESSES_MAX */
    uint16_t *buckets;     /* PBTS_ADDRESS_BUCKETS */
    uint32_t count, dialing, last_serial;
    pbts_addr *bans; /* PBTS_BANS_MAX; port 0: of any port */
    uint32_t bans_made;
    uint64_t next_ms; /* nothing to dial before */
    uint64_t seed;
    pbts_prng prng;
} pbts_addresses;

/* PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_addresses_init(pbts_addresses *list, pbts_mem *mem, uint64_t seed);
void pbts_addresses_deinit(pbts_addresses *list);

/* Remember an address; its number, or PBTS_ADDRESS_NONE when it is not kept (none that can be
 * dialed, banned, no room). */
uint16_t pbts_addresses_add(pbts_addresses *list, const pbts_addr *addr, bool hearsay,
                            uint64_t now_ms);
uint16_t pbts_addresses_find(const pbts_addresses *list, const pbts_addr *addr);
/* The one to dial next, now DIALING; false when none is due. Fewest failures first, what a tracker
 * or the user named before hearsay, of equals any. */
bool pbts_addresses_next_dial(pbts_addresses *list, pbts_addr *out, bool seeds_too,
                              uint64_t now_ms);
/* When next_dial may find something: UINT64_MAX when nothing waits. */
uint64_t pbts_addresses_deadline_ms(const pbts_addresses *list);
/* What became of an address: connected, over again, or could not be reached. `failed`: it was of no
 * use; the wait until the next attempt doubles. */
void pbts_addresses_connected(pbts_addresses *list, uint16_t number);
void pbts_addresses_over(pbts_addresses *list, uint16_t number, bool failed, uint64_t now_ms);
/* It is IDLE: no waiting. */
void pbts_addresses_hurry(pbts_addresses *list, uint16_t number, uint64_t now_ms);
/* It is our own: never dial it. */
void pbts_addresses_exclude(pbts_addresses *list, uint16_t number);
/* Nobody waits any longer than now (what is wanted changed). */
void pbts_addresses_recheck(pbts_addresses *list);

void pbts_addresses_ban(pbts_addresses *list, const pbts_addr *addr);
bool pbts_addresses_is_banned(const pbts_addresses *list, const pbts_addr *addr);
bool pbts_addr_is_loopback(const pbts_addr *addr);

#endif
