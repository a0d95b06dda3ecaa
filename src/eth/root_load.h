/* eth/root_load.h - every user of a Reputation contract in root mode, proved: what user_load.h is
 * for slots.
 *
 * 1. The fixed slots are proved in the state of a trusted block: number of the last batch, head of
 *    the chain of batches, number of users, root.
 * 2. Written events are fetched by ranges of blocks: number, head, and the transaction of each
 *    batch.
 * 3. The transactions are fetched, from the endpoint that gave the event. A transaction's data must
 *    lead from one head to the next, and are replayed (reputation_root.h). Data before, and its
 *    event, may both be lies; but as head is a hash over all batches, the last one is the proved
 *    one only if every byte of all of them is true. Otherwise whoever gave them is charged, and all
 *    is fetched again: from one endpoint alone, when several had a part in it.
 *    A batch that cannot be applied changes nothing.
 * 4. The replayed tree must have the proved number of users and the proved root. If not, the owner
 *    wrote a root that its data do not lead to, or a reorganisation put a batch on another one than
 *    it was made for. Nobody can load this contract before its owner has written again, who loads
 *    it with `any_root`.
 *
 * Memory: the tree, whose size is proved before it is believed, one range of events and one
 * answer. Endpoints must have the contract's old transactions. A core: no I/O, one thread. Source:
 * docs/ethereum.md, Root mode.
 */
#ifndef PBTS_ETH_ROOT_LOAD_H
#define PBTS_ETH_ROOT_LOAD_H

#include "eth/chain_read.h"
#include "eth/reputation_root.h"

enum {
    PBTS_ROOT_LOAD_AT_ONCE = 16, /* transactions in one request, where batches are taken */
    /* Rounds of wrong batches, times endpoints: then the block was reorganised away, or all lie. */
    PBTS_ROOT_LOAD_MISSES_MAX = 4,
    PBTS_ROOT_LOAD_ANSWER_MAX = 8 << 20, /* 16 transactions of 128 KiB take 4 MiB as text */
};

typedef struct pbts_root_load pbts_root_load; /* opaque */

typedef struct {
    pbts_trusted_block block;
    pbts_eth_address contract;
    uint64_t first_block;  /* where the contract was made; 0 finds everything, slowly */
    uint64_t age_max_s;    /* of the block, when the load begins */
    bool any_root;         /* the owner's: what the data lead to, whatever the root */
    uint32_t users_max;    /* with any_root: as many as the owner has; else the contract's number */
    uint64_t give_up_ms;   /* monotonic */
    uint64_t quiet_max_ms; /* nothing new for so long: PBTS_IO; 0: up to give_up_ms */
} pbts_root_load_config;

/* `endpoints` is borrowed. PBTS_STALE; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_root_load_new(pbts_root_load **out, pbts_mem *mem,
                                             pbts_endpoints *endpoints,
                                             const pbts_root_load_config *config, pbts_moment now);
void pbts_root_load_free(pbts_root_load *load); /* NULL is a no-op */

/* As pbts_chain_read_next, _answer, _deadline_ms. */
bool pbts_root_load_next(pbts_root_load *load, pbts_rpc_want *out, pbts_moment now);
void pbts_root_load_answer(pbts_root_load *load, uint64_t id, const pbts_rpc_reply *reply,
                           pbts_moment now);
uint64_t pbts_root_load_deadline_ms(const pbts_root_load *load);

/* FAILED: `*why` is PBTS_IO (nobody gave it in time, or nobody has it), PBTS_NOT_FOUND (no contract
 * there), PBTS_MALFORMED (a contract with another layout), PBTS_DENIED (slots mode), PBTS_LIMIT
 * (PBTS_USERS_MAX or more users, or more than users_max), PBTS_CORRUPT (the owner's
 * data do not lead to the owner's root), PBTS_NO_MEMORY. */
pbts_fetch_state pbts_root_load_state(const pbts_root_load *load, pbts_status *why);
/* Known once the slots are proved, also when the load failed later; NULL before. */
const pbts_reputation_state *pbts_root_load_contract(const pbts_root_load *load);
/* When DONE: every account, as the data say; borrowed. */
const pbts_reputation_tree *pbts_root_load_tree(const pbts_root_load *load);
/* The same, the caller's from now on, to be freed by it; once. */
pbts_reputation_tree *pbts_root_load_take_tree(pbts_root_load *load);
/* Batches replayed, of how many: for a progress line. */
void pbts_root_load_progress(const pbts_root_load *load, uint64_t *replayed, uint64_t *batches);

#endif
