/* eth/quorum.h - on a chain without a beacon: the block that k of n endpoints agree on.
 *
 * A round: the chain id (once) and the newest block number of every endpoint that is awake; then
 * the header at a height that the k-th newest of them, less the depth, should have; the fields must
 * hash to the block's hash. The hash that k endpoints name is the quorum's. When none has k votes,
 * a lower height is tried, one endpoint further down at a time, so that k honest ones agree however
 * the others boast; after that another round follows. Endpoints that named another hash are
 * outvoted.
 *
 * Safe while fewer than k endpoints lie together. No I/O, no heap. Source: paper section 6.2
 * (several endpoints).
 */
#ifndef PBTS_ETH_QUORUM_H
#define PBTS_ETH_QUORUM_H

#include "base/moment.h"
#include "eth/rpc_exchange.h"

enum {
    PBTS_QUORUM_GRACE_MS = 1000, /* after k answers, how long the rest is waited for */
    PBTS_QUORUM_PAUSE_MS = 1000, /* between rounds without result, at first; doubles */
    PBTS_QUORUM_PAUSE_MAX_MS = 15000,
    PBTS_QUORUM_REQUEST_MAX = 256,    /* bytes */
    PBTS_QUORUM_ANSWER_MAX = 1 << 20, /* a block's transaction hashes come with it */
};

typedef struct {
    uint64_t chain_id;  /* what every endpoint must say */
    uint32_t needed;    /* k, 1 to the number of endpoints */
    uint32_t depth;     /* blocks below the newest */
    uint64_t age_max_s; /* an older block is no result; UINT64_MAX: any age, for dev chains */
} pbts_quorum_config;

typedef enum { /* of one endpoint in this round */
               PBTS_QUORUM_OUT,
               PBTS_QUORUM_CHAIN, /* its chain id is asked for */
               PBTS_QUORUM_HEAD,  /* its newest number is */
               PBTS_QUORUM_READY, /* has a head */
               PBTS_QUORUM_BLOCK, /* its block at `height` is asked for */
               PBTS_QUORUM_VOTED
} pbts_quorum_step;

typedef struct {
    pbts_quorum_step step;
    bool under_way; /* a request is */
    uint64_t id;    /* of the request */
    bool chain_known;
    uint64_t head;
    pbts_trusted_block vote;
} pbts_quorum_voter;

typedef struct {
    pbts_quorum_config config;
    pbts_endpoints *endpoints; /* borrowed */
    pbts_quorum_voter voters[PBTS_ENDPOINTS_MAX];
    enum { PBTS_QUORUM_IDLE, PBTS_QUORUM_HEADS, PBTS_QUORUM_VOTE, PBTS_QUORUM_AGREED } phase;
    uint32_t lowered;       /* heights tried in this round */
    uint64_t height;        /* VOTE */
    uint64_t proceed_ms;    /* HEADS, VOTE: do not wait for the rest after this; UINT64_MAX: do */
    uint64_t next_round_ms; /* IDLE */
    uint64_t pause_ms;
    uint64_t next_id;
    bool was_stale; /* the last round agreed on a block that was too old */
    pbts_trusted_block agreed;
    uint8_t request[PBTS_QUORUM_REQUEST_MAX];
} pbts_quorum;

/* PBTS_LIMIT: `needed` is 0 or more than there are endpoints. */
PBTS_MUST_USE pbts_status pbts_quorum_init(pbts_quorum *out, pbts_endpoints *endpoints,
                                           const pbts_quorum_config *config);
/* Look for a newer block; what was agreed on before is forgotten. */
void pbts_quorum_start(pbts_quorum *quorum, pbts_moment now);
/* The next request to post; false: none now. To be called until false after start, each answer, and
 * at the deadline. */
bool pbts_quorum_next(pbts_quorum *quorum, pbts_rpc_want *out, pbts_moment now);
/* Replies to what is no longer asked are ignored. */
void pbts_quorum_answer(pbts_quorum *quorum, uint64_t id, const pbts_rpc_reply *reply,
                        pbts_moment now);
/* DONE: `*out` is the block. PENDING else, for as long as it takes: the owner has the patience. */
pbts_fetch_state pbts_quorum_state(const pbts_quorum *quorum, pbts_trusted_block *out);
/* When to call pbts_quorum_next again (monotonic); UINT64_MAX: only after an answer. */
uint64_t pbts_quorum_deadline_ms(const pbts_quorum *quorum);

#endif
