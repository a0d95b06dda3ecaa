/* eth/endpoints.h - which of several JSON-RPC servers to ask, judged by how they behaved.
 *
 * Each endpoint has a penalty that halves every PBTS_ENDPOINT_HALF_LIFE_MS. Failures add to it,
 * answers that break their format add more, answers that are proved wrong most. After a failure an
 * endpoint rests for a time that doubles with each further one, within which a random moment is
 * chosen; one that was proved wrong rests for long, unless all were. Reads go to the endpoint with
 * the least penalty that is awake and not behind the others; broadcasts go to all. Nothing is ever
 * struck off: when every endpoint lies, each is asked again some time.
 *
 * No I/O, no heap; URLs are the owner's, endpoints are numbers here. One thread at a time.
 */
#ifndef PBTS_ETH_ENDPOINTS_H
#define PBTS_ETH_ENDPOINTS_H

#include "base/random.h"

enum {
    PBTS_ENDPOINTS_MAX = 16,
    PBTS_ENDPOINT_HALF_LIFE_MS = 10 * 60 * 1000,
    PBTS_ENDPOINT_REST_FIRST_MS = 500, /* at most, after one failure */
    PBTS_ENDPOINT_REST_MAX_MS = 60 * 1000,
    PBTS_ENDPOINT_REST_BUSY_MS = 5 * 1000, /* at least, when it asks for fewer requests */
    PBTS_ENDPOINT_REST_WRONG_MS = 10 * 60 * 1000,
    PBTS_ENDPOINT_LAG_BLOCKS = 3, /* this far behind the others' median a head is stale */
};

/* How an exchange ended. */
typedef enum {
    PBTS_ENDPOINT_GOOD,
    PBTS_ENDPOINT_LATE,      /* it does not have the block, or its state, yet or any more */
    PBTS_ENDPOINT_BUSY,      /* rate limited */
    PBTS_ENDPOINT_FAILED,    /* no connection, time out, HTTP status, an error without meaning */
    PBTS_ENDPOINT_MALFORMED, /* garbage, truncated, too long, another id, other types */
    PBTS_ENDPOINT_OUTVOTED,  /* another hash than the quorum */
    PBTS_ENDPOINT_WRONG,     /* proved: a proof or hash that does not verify, another chain */
} pbts_endpoint_outcome;

typedef struct {
    uint64_t penalty;        /* thousandths; as of `penalty_ms` */
    uint64_t penalty_ms;     /* monotonic */
    uint64_t rests_until_ms; /* monotonic */
    bool rests_as_wrong;     /* proved wrong or outvoted since it last was awake */
    uint32_t failures;       /* since the last success */
    bool has_head;
    uint64_t head;                  /* the newest block it claims */
    bool no_batch;                  /* it refused a batch of requests */
    uint64_t good_count, bad_count; /* for metrics */
    pbts_endpoint_outcome last;
} pbts_endpoint;

typedef struct {
    uint32_t count; /* 1 to PBTS_ENDPOINTS_MAX */
    pbts_prng prng; /* jitter, ties */
    pbts_endpoint each[PBTS_ENDPOINTS_MAX];
} pbts_endpoints;

/* PBTS_LIMIT: none, or more than PBTS_ENDPOINTS_MAX. */
PBTS_MUST_USE pbts_status pbts_endpoints_init(pbts_endpoints *out, uint32_t count, uint64_t seed);

static inline uint32_t pbts_endpoints_all(const pbts_endpoints *endpoints) {
    return (uint32_t)(((uint64_t)1 << endpoints->count) - 1); /* bit i: endpoint i */
}

/* The endpoint for a read, not among the bits `without`. False: all of the others rest, until
 * pbts_endpoints_awake_ms. */
bool pbts_endpoints_choose(pbts_endpoints *endpoints, uint32_t *out, uint32_t without,
                           uint64_t now_ms);
/* When one that is not among `without` is awake (perhaps in the past); UINT64_MAX: there is none.
 */
uint64_t pbts_endpoints_awake_ms(const pbts_endpoints *endpoints, uint32_t without);
/* Bits of those that are awake: whom a vote or a broadcast asks. */
uint32_t pbts_endpoints_awake(const pbts_endpoints *endpoints, uint64_t now_ms);
/* Bits of those that rest because they were proved wrong or outvoted, whatever they answered
 * since, or that just did. */
uint32_t pbts_endpoints_wrong(const pbts_endpoints *endpoints);

void pbts_endpoints_report(pbts_endpoints *endpoints, uint32_t endpoint,
                           pbts_endpoint_outcome outcome, uint64_t now_ms);
/* The newest block that an endpoint claims to have. */
void pbts_endpoints_set_head(pbts_endpoints *endpoints, uint32_t endpoint, uint64_t head);
/* Whether its head is more than PBTS_ENDPOINT_LAG_BLOCKS behind the median of those that have one.
 */
bool pbts_endpoints_is_behind(const pbts_endpoints *endpoints, uint32_t endpoint);
/* Thousandths, after decay; 0 is best. */
uint64_t pbts_endpoints_penalty(const pbts_endpoints *endpoints, uint32_t endpoint,
                                uint64_t now_ms);
const char *pbts_endpoint_outcome_name(pbts_endpoint_outcome outcome); /* "MALFORMED" */

#endif
