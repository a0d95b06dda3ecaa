/* dht/dht_lookup.h - an iterative lookup over disjoint paths: whom to ask next, and when it is
 * over.
 *
 * Knows no packets and no time: its owner asks the candidates that it names, and tells what became
 * of it. Each path begins with other contacts, and a node is asked in one path only, with ALPHA at
 * a time. A path wants the K closest of which it heard to answer, as in Kademlia, and besides that
 * some of those that each of its nodes named: liars who name nothing but one another fill the first
 * list, all with the same few, and cannot keep a path from following the others' names, nor from
 * asking all it began with. Ids cannot be chosen, so what a path must not lose is one honest node
 * near the target; that one names the rest. Who names nodes that do not answer loses its other
 * names.
 *
 * Source: Kademlia, section 2.3; Baumgart, Mies, "S/Kademlia" (2007), section 4.4.
 */
#ifndef PBTS_DHT_DHT_LOOKUP_H
#define PBTS_DHT_DHT_LOOKUP_H

#include "dht/dht_table.h"

enum {
    PBTS_DHT_PATHS = 4,
    PBTS_DHT_ALPHA = 3, /* asked at once in a path */
    PBTS_DHT_CANDIDATES_MAX = 1024,
    PBTS_DHT_QUERIES_MAX = 400,     /* of one lookup */
    PBTS_DHT_FOLLOWED = 3,          /* of the names from each node */
    PBTS_DHT_FOLLOWED_OF_DEPTH = 8, /* of those from nodes of one depth, in a path */
    PBTS_DHT_DEPTHS = 16,           /* deeper ones count as the last */
    PBTS_DHT_NAMED_KEPT = 8,        /* the closest names from each, of which those are */
    PBTS_DHT_SAME_ADDR_MAX = 3,     /* candidates with one address and port */
    PBTS_DHT_SAME_HOST_MAX = 8,     /* of one public host, whatever the ports */
    PBTS_DHT_SAME_ID_MAX = 4,       /* addresses of one id that may be right */
    PBTS_DHT_BAD_NAMES_MAX = 6, /* that did not answer, and three times as many as did: a liar */
};

typedef enum {
    PBTS_DHT_NEW,
    PBTS_DHT_ASKED,
    PBTS_DHT_SLOW, /* asked, and others are asked meanwhile */
    PBTS_DHT_ANSWERED,
    PBTS_DHT_FAILED,
} pbts_dht_progress;

typedef struct {
    pbts_dht_id id;
    pbts_addr addr;
    uint8_t progress; /* pbts_dht_progress */
    uint8_t paths;    /* bits: heard of in */
    uint8_t path;     /* asked in */
    uint8_t depth;    /* round trips after which it was heard of; 0: ours */
    uint8_t named_count, good_names, bad_names;
    bool is_liar;
    uint16_t from[2];                    /* who named it first; PBTS_DHT_NONE */
    uint16_t named[PBTS_DHT_NAMED_KEPT]; /* closest first */
} pbts_dht_candidate;

/* Invariant: `order` has the numbers of all candidates in use, closest to the target first. */
typedef struct {
    pbts_mem *mem;
    pbts_dht_id target, own;
    pbts_dht_candidate *candidates;
    uint16_t *order, *free;
    uint16_t capacity, made, count, free_count;
    uint16_t queries, waiting;                         /* waiting: ASKED or SLOW */
    uint8_t asked[PBTS_DHT_PATHS];                     /* ASKED now, of each path */
    uint8_t followed[PBTS_DHT_PATHS][PBTS_DHT_DEPTHS]; /* names of nodes of this depth, asked */
    bool closest_next[PBTS_DHT_PATHS];
    uint8_t rounds;
} pbts_dht_lookup;

void pbts_dht_lookup_init(pbts_dht_lookup *lookup, pbts_mem *mem, const pbts_dht_id *own,
                          const pbts_dht_id *target);
void pbts_dht_lookup_deinit(pbts_dht_lookup *lookup);
/* A contact of ours to begin with, for one path. PBTS_NO_MEMORY, PBTS_LIMIT, PBTS_EXISTS. */
PBTS_MUST_USE pbts_status pbts_dht_lookup_begin(pbts_dht_lookup *lookup, const pbts_dht_id *id,
                                                const pbts_addr *addr, uint8_t path);
/* The number of one to ask now, which is ASKED from here on; false when none is to be. */
bool pbts_dht_lookup_next(pbts_dht_lookup *lookup, uint16_t *number);
/* It gives no answer for a while. */
void pbts_dht_lookup_slow(pbts_dht_lookup *lookup, uint16_t number);
void pbts_dht_lookup_failed(pbts_dht_lookup *lookup, uint16_t number);
/* It answered, and then named these nodes, one by one; what there is no room for is left out. */
void pbts_dht_lookup_answered(pbts_dht_lookup *lookup, uint16_t number);
void pbts_dht_lookup_name(pbts_dht_lookup *lookup, uint16_t number, const pbts_dht_id *id,
                          const pbts_addr *addr);
/* Nobody is waited for, and nobody is to be asked; after next was false. */
static inline bool pbts_dht_lookup_is_over(const pbts_dht_lookup *lookup) {
    return lookup->waiting == 0;
}
/* The numbers of those that answered, closest first, at most prefix_max per address prefix (0: any
 * number); how many. */
size_t pbts_dht_lookup_closest(const pbts_dht_lookup *lookup, uint16_t *numbers, size_t max,
                               unsigned prefix_max);

#endif
