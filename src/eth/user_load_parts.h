/* eth/user_load_parts.h - the state of a load. Private to user_load*.c. */
#ifndef PBTS_ETH_USER_LOAD_PARTS_H
#define PBTS_ETH_USER_LOAD_PARTS_H

#include "eth/block_range.h"
#include "eth/user_load.h"

enum { PBTS_LOAD_REQUEST_MAX = 512 };

/* Fetching events: which blocks, from whom. */
typedef struct {
    pbts_block_range blocks;
    uint64_t last_block, last_index; /* of the newest event so far */
    bool has_last;
    bool under_way, has_endpoint;
    uint64_t id, id_next;  /* of the request */
    uint32_t endpoint;     /* asked now, and again while it answers */
    uint32_t contributors; /* bits: whose events are in the list */
    uint32_t tried;        /* bits: failed or lied lately */
    uint32_t refusers;     /* bits: to whom the range that is asked for is too large */
    uint32_t rounds;       /* that ended with somebody blamed */
    bool alone;            /* one endpoint must give all of it */
} pbts_load_events;

typedef struct {
    pbts_chain_read *read;
    bool is_busy;
    size_t first, len; /* users */
} pbts_load_lane;

typedef enum {
    PBTS_LOAD_SLOTS,
    PBTS_LOAD_EVENTS,
    PBTS_LOAD_WORDS,
    PBTS_LOAD_DONE,
    PBTS_LOAD_FAILED
} pbts_load_phase;

struct pbts_user_load {
    pbts_mem *mem;
    pbts_endpoints *endpoints;
    pbts_user_load_config config;
    pbts_load_phase phase;
    pbts_status why;
    bool has_contract;
    pbts_reputation_state contract;
    pbts_reputation_account *users; /* room for contract.user_count */
    size_t users_len;
    pbts_eth_hash digest; /* of the first users_len registrations */
    pbts_load_events events;
    pbts_load_lane lanes[PBTS_USER_LOAD_LANES_MAX];
    size_t words_begun, words_done; /* users */
    /* The furthest that it came, and when. Answers that lead nowhere are no progress. */
    uint64_t furthest_block, furthest_ms;
    uint8_t request[PBTS_LOAD_REQUEST_MAX];
};

void pbts_load_fail(pbts_user_load *load, pbts_status why);

/* Events from the beginning. */
void pbts_load_events_begin(pbts_user_load *load);
bool pbts_load_events_next(pbts_user_load *load, pbts_rpc_want *out, pbts_moment now);
void pbts_load_events_answer(pbts_user_load *load, uint64_t id, const pbts_rpc_reply *reply,
                             pbts_moment now);

#endif
