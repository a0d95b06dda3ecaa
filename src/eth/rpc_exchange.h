/* eth/rpc_exchange.h - how the cores of eth/ have requests posted and hear what came back.
 *
 * A core says what it wants (pbts_rpc_want), its owner POSTs the body to that endpoint as
 * application/json and hands in a reply: exactly one for each want, at the latest when the time is
 * up. Wants may be under way at the same time; replies come in any order.
 */
#ifndef PBTS_ETH_RPC_EXCHANGE_H
#define PBTS_ETH_RPC_EXCHANGE_H

#include "eth/endpoints.h"
#include "eth/json_rpc.h"

enum {
    PBTS_RPC_TIMEOUT_MS = 10000, /* of one POST */
    PBTS_RPC_NO_ANSWER = 0,      /* as HTTP status: no connection, cut off, time is up */
    PBTS_RPC_TOO_LONG = -1,      /* as HTTP status: longer than answer_len_max, hung up */
    PBTS_RPC_HTTP_BUSY = 429,
};

typedef struct {
    uint64_t id;           /* comes back with the reply; also the id of the first request in body */
    uint32_t endpoint;     /* its number */
    pbts_span body;        /* borrowed until the core is called again */
    size_t answer_len_max; /* read no more than this */
    uint32_t timeout_ms;
} pbts_rpc_want;

typedef struct {
    int http_status; /* or PBTS_RPC_NO_ANSWER, PBTS_RPC_TOO_LONG */
    pbts_span body;  /* borrowed for the call */
} pbts_rpc_reply;

typedef enum { PBTS_FETCH_PENDING, PBTS_FETCH_DONE, PBTS_FETCH_FAILED } pbts_fetch_state;

/* A block that is known to be the chain's: by a quorum, or by a light client. */
typedef struct {
    uint64_t block_number;
    pbts_eth_hash block_hash;
    bool has_state_root; /* when not, it is read from the header with that hash */
    pbts_eth_hash state_root;
    uint64_t timestamp_s;
} pbts_trusted_block;

/* Parse a reply; the answer is to be closed on PBTS_OK. Otherwise `*outcome` says what to report of
 * the endpoint: PBTS_IO (nothing of use came), PBTS_MALFORMED, PBTS_LIMIT; or PBTS_NO_MEMORY, which
 * is not the endpoint's fault, and the outcome is GOOD. */
PBTS_MUST_USE pbts_status pbts_rpc_reply_open(pbts_rpc_answer *out, pbts_endpoint_outcome *outcome,
                                              const pbts_rpc_reply *reply);
/* What to report when a result could not be had or read: `status` is that of
 * pbts_rpc_answer_result or of a reader, `error` the server's, for PBTS_DENIED. */
pbts_endpoint_outcome pbts_rpc_outcome(pbts_status status, const pbts_rpc_error *error);
/* Whether a trusted block is older than that. Blocks of the future are not old. */
static inline bool pbts_trusted_is_stale(const pbts_trusted_block *block, uint64_t age_max_s,
                                         uint64_t unix_s) {
    return unix_s > block->timestamp_s && unix_s - block->timestamp_s > age_max_s;
}

#endif
