/* chain/chain_parts.h - what a chain is made of. Private to chain/. */
#ifndef PBTS_CHAIN_CHAIN_PARTS_H
#define PBTS_CHAIN_CHAIN_PARTS_H

#include <stdatomic.h>

#include "chain/chain.h"
#include "chain/chain_beacon.h"
#include "eth/quorum.h"
#include "net/http_client.h"

enum {
    PBTS_CHAIN_PROBLEM_MAX = 512,
    PBTS_CHAIN_PATIENCE_MS = 30000,
    PBTS_CHAIN_QUIET_MAX_MS = 600 * 1000,           /* of a load that takes as long as it takes */
    PBTS_CHAIN_REQUEST_MAX = 2 * 128 * 1024 + 1024, /* a transaction of 128 KiB in hex */
};

/* Of a load whose contract's layout was looked at before. */
#define PBTS_CHAIN_FIRST_BLOCK_PROBLEM \
    "the contract's first block (chain_first_block) is later than the newest one"

struct pbts_chain {
    pbts_chain_config config;
    char *urls[PBTS_ENDPOINTS_MAX];
    pbts_endpoints endpoints;
    pbts_http_client *http;
    pbts_chain_read *read;
    pbts_chain_beacon *beacon; /* NULL: the quorum decides */
    uint64_t next_id;          /* of single requests */
    uint8_t request[PBTS_CHAIN_REQUEST_MAX];
    _Atomic bool stopping;
    char problem[PBTS_CHAIN_PROBLEM_MAX];
};

/* One of the cores of eth/, driven until it is over. */
typedef struct {
    void *core;
    bool (*next)(void *core, pbts_rpc_want *out, pbts_moment now);
    void (*answer)(void *core, uint64_t id, const pbts_rpc_reply *reply, pbts_moment now);
    uint64_t (*deadline_ms)(const void *core);
    bool (*is_over)(void *core); /* called between steps */
} pbts_chain_core;

pbts_moment pbts_chain_now(void);
uint64_t pbts_chain_give_up_ms(const pbts_chain *chain);
/* PBTS_IO: `give_up_ms` came first; PBTS_BUSY: stopped; PBTS_NO_MEMORY. Nothing is under way after
 * it. */
PBTS_MUST_USE pbts_status pbts_chain_run(pbts_chain *chain, const pbts_chain_core *core,
                                         uint64_t give_up_ms);
/* "ORIGIN: WHAT", the URL's scheme, host and port; `url` NULL: WHAT. */
void pbts_chain_set_problem(pbts_chain *chain, const char *url, const char *what);
/* A problem, if the answer is not one with status 200. */
void pbts_chain_note_failure(pbts_chain *chain, const char *url, const pbts_http_answer *answer);

/* Endpoints that are awake; all of them when none is. Bits. */
uint32_t pbts_chain_whom(const pbts_chain *chain);
/* One request text to the endpoints in `ask` (bits), all at once; `take` is called for each answer,
 * with NULL for one that could not be had or read. It returns true when that is enough; the rest is
 * not waited for. As pbts_chain_run. */
typedef bool (*pbts_chain_take)(void *host, uint32_t endpoint, pbts_status status,
                                pbts_rpc_result result, const pbts_rpc_error *error);
PBTS_MUST_USE pbts_status pbts_chain_ask(pbts_chain *chain, uint32_t ask, pbts_span body,
                                         uint64_t id, pbts_chain_take take, void *host);

/* Numbers that endpoints named, in order. Their median, of two the larger, is no further off than
 * honest ones differ, as long as they are more than the others. */
typedef struct {
    uint64_t values[PBTS_ENDPOINTS_MAX];
    uint32_t len;
} pbts_chain_named;
void pbts_chain_name(pbts_chain_named *named, uint64_t value); /* once per endpoint */
uint64_t pbts_chain_median(const pbts_chain_named *named);     /* 0: none was named */

#endif
