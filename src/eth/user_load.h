/* eth/user_load.h - every user of a Reputation contract, proved: for a tracker that starts with the
 * contract's address and nothing else.
 *
 * 1. The fixed slots are proved in the state of a trusted block: how many users there are, and the
 *    digest of all registrations.
 * 2. Registered events are fetched by ranges of blocks, from the contract's first block to the
 *    trusted one. A range that a server finds too large is halved, one that it takes grows. Events
 *    prove nothing; their digest must be the proved one, their number the proved number. Otherwise
 *    whoever gave them is charged, and they are fetched again: from one endpoint alone, when
 * several had a part in them.
 * 3. The words of all users are proved, 256 at a time, several reads at once.
 *
 * Memory: one pbts_reputation_account per user, whose number is proved before it is believed, one
 * answer, and a proof per lane. A contract in root mode has no words to prove: PBTS_DENIED; see
 * root_load.h. A core: no I/O, one thread. Source: docs/ethereum.md, Proved reads.
 */
#ifndef PBTS_ETH_USER_LOAD_H
#define PBTS_ETH_USER_LOAD_H

#include "base/limits.h"
#include "eth/chain_read.h"
#include "eth/reputation.h"

enum {
    PBTS_USER_LOAD_LANES_MAX = 8,
    PBTS_USER_LOAD_ANSWER_MAX = 8 << 20,
    /* Rounds of wrong events, and misses of one read, times endpoints: then the block was
     * reorganised away, or all lie. */
    PBTS_USER_LOAD_MISSES_MAX = 8,
};

typedef struct pbts_user_load pbts_user_load; /* opaque */

typedef struct {
    pbts_trusted_block block;
    pbts_eth_address contract;
    uint64_t first_block;  /* where the contract was made; 0 finds everything, slowly */
    uint32_t lanes;        /* reads at once, 1 to PBTS_USER_LOAD_LANES_MAX */
    uint64_t age_max_s;    /* of the block, when the load begins */
    uint64_t give_up_ms;   /* monotonic */
    uint64_t quiet_max_ms; /* nothing new for so long: PBTS_IO; 0: up to give_up_ms */
} pbts_user_load_config;

/* `endpoints` is borrowed. PBTS_STALE; PBTS_LIMIT: lanes; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_user_load_new(pbts_user_load **out, pbts_mem *mem,
                                             pbts_endpoints *endpoints,
                                             const pbts_user_load_config *config, pbts_moment now);
void pbts_user_load_free(pbts_user_load *load); /* NULL is a no-op */

/* As pbts_chain_read_next, _answer, _deadline_ms; several wants may be under way. */
bool pbts_user_load_next(pbts_user_load *load, pbts_rpc_want *out, pbts_moment now);
void pbts_user_load_answer(pbts_user_load *load, uint64_t id, const pbts_rpc_reply *reply,
                           pbts_moment now);
uint64_t pbts_user_load_deadline_ms(const pbts_user_load *load);

/* FAILED: `*why` is PBTS_IO (nobody gave it in time, or nobody has it), PBTS_NOT_FOUND (no contract
 * there), PBTS_MALFORMED (a contract with another layout), PBTS_DENIED (root mode), PBTS_LIMIT
 * (PBTS_USERS_MAX or more users), PBTS_NO_MEMORY. */
pbts_fetch_state pbts_user_load_state(const pbts_user_load *load, pbts_status *why);
/* Known once the slots are proved, also when the load failed later with DENIED; NULL before. */
const pbts_reputation_state *pbts_user_load_contract(const pbts_user_load *load);
/* When DONE, in the order of registration; borrowed. Of a word with a total above 64 bits, which no
 * tracker writes, both are UINT64_MAX: one user must not keep all others from being loaded. */
const pbts_reputation_account *pbts_user_load_users(const pbts_user_load *load, size_t *users_len);
/* Users whose events, and whose words, are there: for a progress line. */
void pbts_user_load_progress(const pbts_user_load *load, size_t *registered, size_t *proved);

#endif
