/* dht/dht_budget.h - how much work the hosts of one address prefix may make us do.
 *
 * Prefixes are those that one customer has: IPv4 /24, IPv6 /32. A table of fixed size for each
 * protocol, a slot by keyed hash of the prefix; prefixes that share a slot share what is in it.
 * Only addresses that have shown a token are charged, so nobody spends another's budget. A member
 * at its own address, and what a member had us verify after it proved who it is, are charged to the
 * member instead: no flood keeps it from being heard, and more addresses give it nothing.
 */
#ifndef PBTS_DHT_DHT_BUDGET_H
#define PBTS_DHT_DHT_BUDGET_H

#include "base/addr.h"
#include "base/mem.h"

enum {
    PBTS_DHT_BUDGET_SLOTS = 256,  /* of each protocol */
    PBTS_DHT_PACKETS_PER_S = 100, /* signatures checked for one prefix, or member; a burst of */
    PBTS_DHT_PACKETS_BURST = 400,
    PBTS_DHT_STRANGE_SIGNATURE_COST = 20, /* packets, of the prefix: of who was heard elsewhere */
    PBTS_DHT_CERTIFICATES_PER_S = 4,      /* certificates of one prefix, records of one member */
    PBTS_DHT_CERTIFICATES_BURST = 128,
    PBTS_DHT_BAD_CERTIFICATE_COST = 32, /* one that is bad counts as so many */
    PBTS_DHT_RENEWAL_COST = 16,         /* records, of a member: another certificate of its own */
    /* For all who ask us together, over one protocol: certificates of who is new here, */
    PBTS_DHT_NEWCOMERS_PER_S = 100,
    PBTS_DHT_NEWCOMERS_BURST = 512,
    /* others of who is known, */
    PBTS_DHT_RENEWALS_PER_S = 20,
    PBTS_DHT_RENEWALS_BURST = 128,
    /* records, */
    PBTS_DHT_RECORDS_PER_S = 100,
    PBTS_DHT_RECORDS_BURST = 512,
    /* and signatures of members at addresses where they were not before. */
    PBTS_DHT_STRANGERS_PER_S = 200,
    PBTS_DHT_STRANGERS_BURST = 1000,
};

/* Tokens are thousandths. */
typedef struct {
    uint64_t filled_ms;
    uint32_t packets, certificates;
} pbts_dht_budget_slot;

typedef struct {
    uint64_t filled_ms;
    uint32_t newcomers, renewals, records, strangers;
} pbts_dht_budget_all;

/* IPv4 and IPv6 apart: who has a thousand prefixes of one holds up nobody of the other. */
typedef struct {
    pbts_mem *mem;
    pbts_dht_budget_slot *slots[2]; /* PBTS_DHT_BUDGET_SLOTS; made with the first charge */
    pbts_dht_budget_all all[2];
    uint64_t seed;
} pbts_dht_budget;

void pbts_dht_budget_init(pbts_dht_budget *budget, pbts_mem *mem, uint64_t seed, uint64_t now_ms);
void pbts_dht_budget_deinit(pbts_dht_budget *budget);
/* A member's own, full. */
void pbts_dht_budget_member_init(pbts_dht_budget_slot *member, uint64_t now_ms);

/* Take one; false when there is none left, or no memory. */
bool pbts_dht_budget_packet(pbts_dht_budget *budget, const pbts_addr *addr, uint64_t now_ms);
bool pbts_dht_budget_member_packet(pbts_dht_budget_slot *member, uint64_t now_ms);
bool pbts_dht_budget_certificate(pbts_dht_budget *budget, const pbts_addr *addr, bool is_newcomer,
                                 uint64_t now_ms);
bool pbts_dht_budget_record(pbts_dht_budget *budget, pbts_dht_budget_slot *member,
                            const pbts_addr *addr, uint64_t now_ms);
bool pbts_dht_budget_stranger(pbts_dht_budget *budget, const pbts_addr *addr, uint64_t now_ms);

/* A certificate that was paid for was bad; or of another epoch, which costs nothing to see, so that
 * it costs the prefix only. */
void pbts_dht_budget_was_bad(pbts_dht_budget *budget, const pbts_addr *addr, uint64_t now_ms);
void pbts_dht_budget_was_stale(pbts_dht_budget *budget, const pbts_addr *addr, bool is_newcomer,
                               uint64_t now_ms);
void pbts_dht_budget_strange_signature(pbts_dht_budget *budget, const pbts_addr *addr,
                                       uint64_t now_ms);
void pbts_dht_budget_bad_record(pbts_dht_budget_slot *member);
/* Whether a member may show yet another certificate; and that it did, by its own hand. */
bool pbts_dht_budget_may_renew(pbts_dht_budget_slot *member, uint64_t now_ms);
void pbts_dht_budget_renewed(pbts_dht_budget_slot *member);

#endif
