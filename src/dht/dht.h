/* dht/dht.h - one node of the authenticated DHT as a state machine: how peers find one another
 * while their tracker is away.
 *
 * No sockets, clock, threads, curve or ledger: the owner feeds datagrams and time in and takes
 * datagrams and events out; what has to be trusted is asked through dht_trust.h.
 *
 *     receive / tick  ->  [ pbts_dht ]  ->  next_send, next_event, deadline_ms
 *
 * What strangers can make it do: to an address that has not shown a token of ours it sends at most
 * as many bytes as came from there, one datagram for one, and checks no signature; behind a token
 * every address prefix has a budget (dht_budget.h). Everything it keeps is bounded.
 *
 * Source: paper section 4.3; Kademlia; S/Kademlia; BEP 5. docs/protocol.md, section DHT.
 */
#ifndef PBTS_DHT_DHT_H
#define PBTS_DHT_DHT_H

#include "base/moment.h"
#include "base/random.h"
#include "dht/dht_packet.h"
#include "dht/dht_table.h"

enum {
    PBTS_DHT_OPERATIONS_MAX = 32,    /* lookups, gets, announces under way */
    PBTS_DHT_PENDING_MAX = 512,      /* queries under way */
    PBTS_DHT_SENDS_MAX = 1024,       /* datagrams not taken yet; more are dropped */
    PBTS_DHT_EVENTS_MAX = 512,       /* events not taken yet; more are dropped */
    PBTS_DHT_BOOTSTRAPS_MAX = 64,    /* addresses to begin with */
    PBTS_DHT_QUERY_TIMEOUT_MS = 700, /* then once more, then it failed */
    PBTS_DHT_GET_RECORDS_MAX = 400,  /* owners that one get tells of */
    PBTS_DHT_GET_CHECKS_MAX = 800,   /* records that one get looks at, good or bad */
    PBTS_DHT_WITNESSES = 7,          /* members whose word on our address counts, per family */
};

typedef struct pbts_dht pbts_dht; /* opaque; one owner; not thread-safe */

typedef struct {
    pbts_mem *mem;       /* borrowed: outlives the node */
    pbts_random *random; /* borrowed; secrets, transactions */
    pbts_dht_trust trust;
    uint8_t iid[PBTS_DHT_IID_LEN];
    pbts_dht_id id;
    pbts_span certificate; /* 1..PBTS_DHT_CERTIFICATE_MAX; copied */
    pbts_addr own4, own6;  /* where others reach us; port 0: not known, or not over this protocol */
    bool ipv4, ipv6;       /* whether we can send to such addresses */
    uint16_t contacts_max; /* 0: 1024; members remembered */
    uint32_t records_max;  /* 0: 5000 */
    uint16_t prefix_max;   /* nodes of a public /24 or /48 in a bucket and a result; 0: 2 */
} pbts_dht_config;

/* PBTS_NO_MEMORY, PBTS_IO (the random source). The caller frees it. */
PBTS_MUST_USE pbts_status pbts_dht_new(pbts_dht **out, const pbts_dht_config *config,
                                       pbts_moment now);
void pbts_dht_free(pbts_dht *dht); /* NULL is a no-op */

/* A new epoch or a new session key: another id and certificate from here on. */
void pbts_dht_rename(pbts_dht *dht, const pbts_dht_id *id, pbts_span certificate, pbts_moment now);

/* A datagram. Whatever it is: what is no packet of this network, or breaks a rule, is dropped. */
void pbts_dht_receive(pbts_dht *dht, const pbts_addr *from, pbts_span datagram, pbts_moment now);
void pbts_dht_tick(pbts_dht *dht, pbts_moment now);
uint64_t pbts_dht_deadline_ms(const pbts_dht *dht); /* when tick has work next */
/* The oldest datagram, borrowed until the next call of anything; false when there is none. */
bool pbts_dht_next_send(pbts_dht *dht, pbts_addr *to, pbts_span *datagram);

/* Where another node may be: asked until the first answers, then kept for the case that all
 * contacts are lost. Of too many the oldest is forgotten. */
void pbts_dht_add_bootstrap(pbts_dht *dht, const pbts_addr *addr, pbts_moment now);

/* ---- operations: each ends with an event that bears its number ---- */

/* The K nodes closest to a target. PBTS_BUSY (too many operations), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_dht_find(pbts_dht *dht, uint32_t *operation,
                                        const pbts_dht_id *target, pbts_moment now);
/* The records under a key: RECORD events, then the end. Statuses as find. */
PBTS_MUST_USE pbts_status pbts_dht_get(pbts_dht *dht, uint32_t *operation, const pbts_dht_id *key,
                                       pbts_moment now);
/* Hand a record of ours (1..PBTS_DHT_RECORD_MAX bytes, copied) to the nodes closest to its key. */
PBTS_MUST_USE pbts_status pbts_dht_announce(pbts_dht *dht, uint32_t *operation,
                                            const pbts_dht_id *key, pbts_span record,
                                            pbts_moment now);

typedef struct {
    pbts_dht_id id;
    pbts_addr addr;
} pbts_dht_node;

typedef enum {
    PBTS_DHT_JOINED, /* the first contacts are there, and those around us */
    PBTS_DHT_RECORD, /* of a get: verified, the newest of its owner so far; `record` */
    PBTS_DHT_ENDED,  /* an operation */
    PBTS_DHT_EPOCH,  /* news of the epoch came: the owner makes a certificate, then pbts_dht_rename
                      */
} pbts_dht_event_kind;

typedef struct {
    pbts_dht_event_kind kind;
    uint32_t operation;
    pbts_dht_record record; /* RECORD */
    /* ENDED */
    pbts_dht_node nodes[PBTS_DHT_K]; /* that answered, closest first */
    uint32_t node_count;
    uint32_t stored;  /* announce: nodes that keep the record */
    uint32_t records; /* get: RECORD events */
    uint32_t rounds;  /* round trips from our own contacts to the farthest node asked */
    uint32_t queries;
} pbts_dht_event;

bool pbts_dht_next_event(pbts_dht *dht, pbts_dht_event *out); /* false when there is none */

/* ---- what there is ---- */

/* Nodes of the routing table, closest to `target` first (our own id for the neighbours): for a file
 * of bootstrap addresses, for tests. How many. */
size_t pbts_dht_closest(const pbts_dht *dht, const pbts_dht_id *target, pbts_dht_node *out,
                        size_t max);
const pbts_dht_id *pbts_dht_own_id(const pbts_dht *dht);
/* Where the last members that answered see us, PBTS_DHT_WITNESSES of different ids and addresses at
 * most: what most of them, and two at least, agree on; its port is that of our datagrams. False:
 * nothing. */
bool pbts_dht_seen_as(const pbts_dht *dht, pbts_addr *out, pbts_family family);

typedef struct {
    uint32_t contacts, placed, records, operations, pending; /* now */
    uint64_t received, sent;                                 /* datagrams */
    uint64_t foreign, malformed;                             /* dropped: tag; form */
    uint64_t bad_tokens, over_budget, replays, bad_signatures, bad_certificates, misdirected;
    uint64_t unexpected;   /* answers to nothing that was asked, or from elsewhere */
    uint64_t kept_back;    /* answers longer than the question of an unproven address */
    uint64_t certificates; /* verified through the port */
    uint64_t signatures;   /* verified */
    uint64_t gets;         /* questions of members for records, answered */
    uint64_t puts, puts_refused;
    uint64_t shed; /* sends, events or queries that there was no room for */
} pbts_dht_stats;

void pbts_dht_stats_read(const pbts_dht *dht, pbts_dht_stats *out);

#endif
