/* eth/root_load_parts.h - the state of a load. Private to root_load*.c. */
#ifndef PBTS_ETH_ROOT_LOAD_PARTS_H
#define PBTS_ETH_ROOT_LOAD_PARTS_H

#include "eth/block_range.h"
#include "eth/root_load.h"

enum { PBTS_ROOT_REQUEST_MAX = PBTS_ROOT_LOAD_AT_ONCE * PBTS_RPC_REQUEST_OVERHEAD + 512 };

typedef enum {
    PBTS_ROOT_SLOTS,
    PBTS_ROOT_BATCHES,
    PBTS_ROOT_DONE,
    PBTS_ROOT_FAILED
} pbts_root_phase;

/* What an event says of one batch. */
typedef struct {
    uint64_t sequence;
    pbts_eth_hash head, transaction;
} pbts_root_event;

struct pbts_root_load {
    pbts_mem *mem;
    pbts_endpoints *endpoints;
    pbts_root_load_config config;
    pbts_root_phase phase;
    pbts_status why;
    bool has_contract;
    pbts_reputation_state contract;
    pbts_chain_read *read;

    /* What was replayed: batches 1 to `sequence`, as the contributors have them. */
    pbts_reputation_tree *tree;
    uint64_t sequence;
    pbts_eth_hash head;
    pbts_status broken; /* PBTS_LIMIT: too many users; the hashes are still followed */

    /* Of the range of blocks in hand; all from one endpoint. */
    pbts_block_range blocks;
    pbts_root_event *events; /* room for events_max */
    size_t events_max, events_len, events_done;

    /* The furthest that it came, and when. Answers that lead nowhere are no progress. */
    uint64_t furthest_sequence, furthest_block, furthest_ms;

    bool under_way, is_about_events, has_endpoint;
    uint64_t id, id_next;  /* of the request; each of its parts has one */
    size_t asked;          /* transactions in it */
    uint32_t endpoint;     /* asked now, and again while it answers */
    uint32_t contributors; /* bits: whose batches were replayed */
    uint32_t tried;        /* bits: failed or lied lately */
    uint32_t refusers;     /* bits: to whom the range that is asked for is too large */
    uint32_t rounds;       /* of which one was blamed */
    bool alone;            /* one endpoint must give all of it */
    uint8_t request[PBTS_ROOT_REQUEST_MAX];
    uint8_t *input; /* of one transaction; room for PBTS_ETH_TRANSACTION_LEN_MAX */
};

void pbts_root_load_fail(pbts_root_load *load, pbts_status why);

/* Batches from the first. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_root_batches_begin(pbts_root_load *load);
bool pbts_root_batches_next(pbts_root_load *load, pbts_rpc_want *out, pbts_moment now);
void pbts_root_batches_answer(pbts_root_load *load, uint64_t id, const pbts_rpc_reply *reply,
                              pbts_moment now);

#endif
