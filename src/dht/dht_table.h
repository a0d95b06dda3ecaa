/* dht/dht_table.h - the members that a node knows, and which of them are its routing table.
 *
 * Every contact's certificate was verified, and datagrams reach it at its address. As many as are
 * allowed are remembered, so that no certificate is verified twice; the least recently seen that is
 * in no bucket makes room. Bucket i is for ids that have i leading bits in common with ours, k at
 * most, a few per address prefix. Who is there stays while it answers; others wait outside, and
 * come in when somebody's place becomes free.
 *
 * Source: Kademlia, section 2.2 (buckets), 4.1 (replacements); S/Kademlia, section 4.
 */
#ifndef PBTS_DHT_DHT_TABLE_H
#define PBTS_DHT_DHT_TABLE_H

#include "base/mem.h"
#include "base/random.h"
#include "dht/dht_budget.h"
#include "dht/dht_id.h"
#include "dht/dht_token.h"

enum {
    PBTS_DHT_K = 20,
    PBTS_DHT_CONTACTS_MAX = 4096,
    PBTS_DHT_CERTIFICATE_HASH_LEN = 16,
    PBTS_DHT_COUNTERS = 4,          /* that many queries of one node may overtake one another */
    PBTS_DHT_COUNTER_BITS = 20,     /* of them in a second: what numbers are times 2 to */
    PBTS_DHT_COUNTER_AHEAD_S = 300, /* how far clocks may differ */
    PBTS_DHT_FAILS_MAX = 2,         /* queries in a row without an answer */
    PBTS_DHT_STALE_MS = 15 * 60 * 1000,
    PBTS_DHT_DENIALS = 64, /* certificates that were found bad */
    PBTS_DHT_DENIAL_MS = 5 * 60 * 1000,
    PBTS_DHT_TOKEN_KEPT_MS = 9 * 60 * 1000, /* of others; see dht_token.h */
};
#define PBTS_DHT_NONE UINT16_MAX

typedef struct {
    uint8_t bytes[PBTS_DHT_CERTIFICATE_HASH_LEN]; /* of SHA-256 */
} pbts_dht_certificate_hash;

typedef struct {
    pbts_dht_member member;
    pbts_dht_certificate_hash certificate;
    pbts_addr addr;
    uint8_t token[PBTS_DHT_TOKEN_LEN]; /* it gave us */
    uint64_t token_ms;                 /* when; UINT64_MAX: it has not */
    uint64_t seen_ms;
    /* Greatest first, of its queries, whatever session key signed them; 0: none yet. */
    uint64_t counters[PBTS_DHT_COUNTERS];
    pbts_dht_budget_slot budget; /* its own */
    uint16_t next;               /* in its chain, or in the list of free ones */
    uint8_t bucket;              /* PBTS_DHT_ID_BITS: in none */
    uint8_t fails;
    bool in_use;
    bool was_heard; /* at its address, with its signature; nobody else gets a place */
    bool has_ours;  /* it knows our certificate */
} pbts_dht_contact;

typedef struct {
    uint64_t refreshed_ms; /* a lookup went through it */
    uint16_t drawn;        /* of how many its contacts are a choice; see draw */
    uint8_t count;
    uint16_t contacts[PBTS_DHT_K];
} pbts_dht_bucket;

/* Invariant: contacts in use are each in the chain of their id; bucket b holds exactly those whose
 * `bucket` is b, which is the number of bits they have in common with `own`. */
typedef struct {
    pbts_mem *mem;
    pbts_dht_id own;
    pbts_dht_contact *contacts;
    uint16_t *chains; /* chain_count, a power of two; no fewer than capacity */
    uint16_t chain_count, capacity, count, contacts_max, free;
    uint16_t prefix_max; /* contacts of one public address prefix in a bucket; 0: any number */
    pbts_dht_bucket *buckets;
    uint8_t bucket_count; /* those after it would be empty */
    uint16_t placed;      /* in all buckets */
    struct {
        pbts_dht_certificate_hash certificate;
        uint64_t until_ms;
    } * denials; /* PBTS_DHT_DENIALS; made with the first */
    uint32_t denials_made;
    uint64_t seed;
} pbts_dht_table;

/* contacts_max: 32..PBTS_DHT_CONTACTS_MAX. */
void pbts_dht_table_init(pbts_dht_table *table, pbts_mem *mem, const pbts_dht_id *own,
                         uint16_t contacts_max, uint16_t prefix_max, uint64_t seed);
void pbts_dht_table_deinit(pbts_dht_table *table);

/* Borrowed until the next add; NULL: not known. */
pbts_dht_contact *pbts_dht_table_find(const pbts_dht_table *table, const pbts_dht_id *id);
/* Remember a verified member, or renew what is known of it. PBTS_NO_MEMORY; PBTS_LIMIT: all that
 * there is room for are in buckets. Our own id: PBTS_EXISTS. */
PBTS_MUST_USE pbts_status pbts_dht_table_add(pbts_dht_table *table, pbts_dht_contact **out,
                                             const pbts_dht_member *member,
                                             const pbts_dht_certificate_hash *certificate,
                                             const pbts_addr *addr, uint64_t now_ms);
/* It was heard at this address, with proof of both: into its bucket when there is room. True when
 * there is none because of `*stale`, who was not heard of for long and should be asked. */
bool pbts_dht_table_seen(pbts_dht_table *table, pbts_dht_contact *contact, const pbts_addr *addr,
                         uint64_t now_ms, pbts_dht_contact **stale);
/* It answered us for the first time while we were joining: all who did shall have the same chance
 * of a place in a full bucket. Whoever is heard first is there first, and liars among the first
 * addresses name liars alone; a bucket of the first to come would often be theirs. */
void pbts_dht_table_draw(pbts_dht_table *table, pbts_dht_contact *contact, pbts_prng *prng,
                         uint64_t now_ms);
/* It did not answer. Out of its bucket when that happened too often; another takes the place. */
void pbts_dht_table_failed(pbts_dht_table *table, pbts_dht_contact *contact, uint64_t now_ms);
/* Forget those whose certificate is over. */
void pbts_dht_table_expire(pbts_dht_table *table, uint64_t now_s);
/* Our id is another now: everybody into other buckets, and nobody knows our certificate. */
void pbts_dht_table_rename(pbts_dht_table *table, const pbts_dht_id *own, uint64_t now_ms);

/* Of the buckets, those closest to `target`, closest first; how many. Without who failed. */
size_t pbts_dht_table_closest(const pbts_dht_table *table, const pbts_dht_id *target,
                              const pbts_dht_contact **out, size_t max);
/* The one in a bucket that was not heard of for longest; NULL when there is none. */
pbts_dht_contact *pbts_dht_table_oldest(const pbts_dht_table *table);
/* A bucket where no lookup went for PBTS_DHT_STALE_MS; false when there is none. */
bool pbts_dht_table_stale_bucket(const pbts_dht_table *table, unsigned *bucket, uint64_t now_ms);
void pbts_dht_table_refreshed(pbts_dht_table *table, const pbts_dht_id *target, uint64_t now_ms);

/* A query's number: greater than those before, or at least none that was there, and not of a time
 * to come. Whether it is new; note that it was. */
bool pbts_dht_contact_counter_is_new(const pbts_dht_contact *contact, uint64_t counter,
                                     uint64_t now_s);
void pbts_dht_contact_note_counter(pbts_dht_contact *contact, uint64_t counter);

/* Certificates that were found bad some minutes ago. */
void pbts_dht_certificate_hash_of(pbts_dht_certificate_hash *out, pbts_span certificate);
bool pbts_dht_table_is_denied(const pbts_dht_table *table,
                              const pbts_dht_certificate_hash *certificate, uint64_t now_ms);
void pbts_dht_table_deny(pbts_dht_table *table, const pbts_dht_certificate_hash *certificate,
                         uint64_t now_ms);

/* What must always be true, for tests: see the struct. */
bool pbts_dht_table_is_sound(const pbts_dht_table *table);

#endif
