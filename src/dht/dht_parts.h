/* dht/dht_parts.h - the node's insides, for dht_*.c only.
 *
 *   dht.c             its life: new, free, tick, what comes in and what goes out
 *   dht_query.c       queries of ours: hello, token, certificate, once more, answered or failed
 *   dht_witness.c     where we are, by the word of others, and what was sent there
 *   dht_answer.c      queries of others
 *   dht_operation.c   lookups, gets, announces
 *   dht_upkeep.c      joining, refresh of buckets, contacts that went silent
 */
#ifndef PBTS_DHT_DHT_PARTS_H
#define PBTS_DHT_DHT_PARTS_H

#include "dht/dht.h"
#include "dht/dht_budget.h"
#include "dht/dht_lookup.h"
#include "dht/dht_records.h"

/* What a query is for. */
typedef enum {
    PBTS_DHT_FOR_CONTACT,  /* whether somebody is there */
    PBTS_DHT_FOR_LOOKUP,   /* `candidate` of an operation's lookup */
    PBTS_DHT_FOR_ANNOUNCE, /* an operation's record */
} pbts_dht_purpose;

/* Phases: without a token it is a hello that is under way, with one the query itself. */
typedef struct {
    uint64_t transaction;
    pbts_addr addr;
    pbts_dht_id id; /* of whom we ask, when has_id */
    bool has_id, has_token, with_certificate, is_second, was_told;
    uint8_t token[PBTS_DHT_TOKEN_LEN];
    uint8_t method, purpose;
    uint8_t turns; /* datagrams sent because of an answer; bounded */
    uint16_t candidate;
    uint32_t operation;
    uint64_t due_ms;
} pbts_dht_pending;
enum {
    PBTS_DHT_TURNS_MAX = 4,
    PBTS_DHT_UPKEEP_MS = 30 * 1000,
    PBTS_DHT_BOOTSTRAPS_AT_ONCE = 8,
    PBTS_DHT_BOOTSTRAP_MS = 2 * 1000,
    PBTS_DHT_JOIN_MS = 300, /* from the first contact on: others shall begin the lookup too */
};

typedef enum {
    PBTS_DHT_TO_FIND,
    PBTS_DHT_TO_GET,
    PBTS_DHT_TO_ANNOUNCE,
    PBTS_DHT_TO_REFRESH, /* ours, nobody is told */
} pbts_dht_aim;

typedef struct {
    uint8_t owner[PBTS_DHT_OWNER_LEN];
    uint64_t sequence;
} pbts_dht_told;

typedef struct {
    uint32_t number; /* from 1 on */
    pbts_dht_aim aim;
    pbts_dht_lookup lookup;
    bool looked_up;
    uint32_t puts_waiting, stored, records;
    uint8_t *record; /* owned; announce */
    size_t record_len;
    /* get: what is known already */
    uint64_t *checked;   /* PBTS_DHT_GET_CHECKS_MAX hashes of records that were looked at */
    pbts_dht_told *told; /* PBTS_DHT_GET_RECORDS_MAX owners; both made with the first record */
    uint32_t checked_count, told_count;
} pbts_dht_operation;

typedef struct {
    pbts_addr to;
    uint16_t len;
    uint8_t bytes[]; /* len */
} pbts_dht_send;

/* Who saw us where. */
typedef struct {
    pbts_dht_id id;
    pbts_addr witness, seen;
} pbts_dht_witness;

struct pbts_dht {
    pbts_mem *mem;
    pbts_random *random;
    pbts_prng prng;
    pbts_dht_trust trust;
    uint8_t iid[PBTS_DHT_IID_LEN], tag[PBTS_DHT_TAG_LEN];
    pbts_dht_id id;
    uint8_t *certificate;
    size_t certificate_len;
    pbts_addr own[2]; /* IPv4, IPv6; port 0: not known */
    pbts_dht_witness witnesses[2][PBTS_DHT_WITNESSES];
    uint32_t testimonies[2]; /* made so far; of too many the oldest is forgotten */
    bool can_send[2];
    uint16_t prefix_max;
    uint64_t counter;
    pbts_moment now;
    pbts_dht_tokens tokens;
    pbts_dht_budget budget;
    pbts_dht_table table;
    pbts_dht_records records;
    pbts_dht_pending *pending;
    uint32_t pending_count, pending_capacity;
    pbts_dht_operation *operations[PBTS_DHT_OPERATIONS_MAX]; /* NULL: none */
    uint32_t operations_made, operation_count;
    /* Rings. */
    pbts_dht_send **sends, *taken; /* taken: the one that next_send lent out */
    uint32_t sends_first, sends_count, sends_capacity;
    pbts_dht_event *events;
    uint32_t events_first, events_count, events_capacity;
    pbts_addr bootstraps[PBTS_DHT_BOOTSTRAPS_MAX];
    uint32_t bootstraps_added, bootstrap_next;
    bool is_joined;
    uint64_t bootstrap_ms, upkeep_ms, join_ms; /* UINT64_MAX: not waited for */
    uint32_t upkeep_operation;                 /* 0: none under way */
    unsigned fill_bucket;                      /* those before it were filled after joining */
    bool looked_again; /* for the neighbours, with all that joining brought */
    pbts_dht_stats stats;
};

/* dht.c */
void pbts_dht_send_packet(pbts_dht *dht, const pbts_addr *to, pbts_dht_packet *packet,
                          const pbts_dht_id *asker, size_t len_max);
pbts_dht_event *pbts_dht_push_event(pbts_dht *dht); /* zeroed; NULL when there is no room */
bool pbts_dht_can_reach(const pbts_dht *dht, const pbts_addr *addr);

/* dht_query.c */
typedef struct {
    pbts_dht_purpose purpose;
    pbts_dht_method method;
    pbts_addr addr;
    const pbts_dht_id *id; /* NULL: whoever is there */
    uint32_t operation;
    uint16_t candidate;
} pbts_dht_question;
/* PBTS_BUSY, PBTS_NO_MEMORY, PBTS_IO. */
PBTS_MUST_USE pbts_status pbts_dht_ask(pbts_dht *dht, const pbts_dht_question *question);
/* The number of our next query. */
uint64_t pbts_dht_next_counter(pbts_dht *dht);
void pbts_dht_receive_answer(pbts_dht *dht, const pbts_addr *from, pbts_span datagram,
                             const pbts_dht_packet *packet);
void pbts_dht_query_timeouts(pbts_dht *dht);
uint64_t pbts_dht_query_deadline_ms(const pbts_dht *dht);
typedef enum {
    PBTS_DHT_NO_HELP,
    PBTS_DHT_NO_CERTIFICATE, /* nobody knows it, and it showed none */
    PBTS_DHT_STALE_CERTIFICATE,
} pbts_dht_doubt;
/* Whether a signed packet is from the member that it names and meant for us; then the contact,
 * renewed or new, with its place in the table. NULL otherwise. In answers `asker` is our id; in
 * queries NULL: budgets and the replay window apply. `*wants_certificate`: nobody knows it, and it
 * showed none. */
pbts_dht_contact *pbts_dht_believe(pbts_dht *dht, const pbts_addr *from, pbts_span datagram,
                                   const pbts_dht_packet *packet, const pbts_dht_id *asker,
                                   pbts_dht_doubt *doubt);

/* Whether there is budget for a query of whom it says it is from, there. */
bool pbts_dht_may_ask(pbts_dht *dht, const pbts_addr *from, const pbts_dht_packet *query);

/* Our own beacon; and another's, which may be news. False: it is forged. */
pbts_span pbts_dht_beacon(const pbts_dht *dht);
bool pbts_dht_learn_beacon(pbts_dht *dht, pbts_span beacon);

/* dht_witness.c */
/* A member that answered says where it sent the answer to. */
void pbts_dht_note_testimony(pbts_dht *dht, const pbts_addr *from, const pbts_dht_id *id,
                             const pbts_addr *seen);
/* Whether what came from there may have been sent to us, by the address that it names. Otherwise it
 * was sent to somebody who stands between, and would pass as us or as its sender. */
bool pbts_dht_is_for_us(const pbts_dht *dht, const pbts_addr *from, const pbts_addr *to);

/* dht_answer.c */
void pbts_dht_receive_query(pbts_dht *dht, const pbts_addr *from, pbts_span datagram,
                            pbts_dht_packet *packet);

/* dht_operation.c */
/* NULL when it is over. */
pbts_dht_operation *pbts_dht_operation_of(pbts_dht *dht, uint32_t number);
PBTS_MUST_USE pbts_status pbts_dht_operation_start(pbts_dht *dht, uint32_t *number,
                                                   pbts_dht_aim aim, const pbts_dht_id *target,
                                                   pbts_span record);
/* What became of a query of one; `packet` NULL: no answer. */
void pbts_dht_operation_heard(pbts_dht *dht, const pbts_dht_pending *pending,
                              const pbts_dht_packet *packet);
void pbts_dht_operation_slow(pbts_dht *dht, const pbts_dht_pending *pending);
void pbts_dht_operations_free(pbts_dht *dht);

/* dht_upkeep.c */
void pbts_dht_upkeep(pbts_dht *dht);
void pbts_dht_upkeep_heard(pbts_dht *dht);
void pbts_dht_upkeep_ended(pbts_dht *dht, uint32_t number, const pbts_dht_id *target);
uint64_t pbts_dht_upkeep_deadline_ms(const pbts_dht *dht);

#endif
