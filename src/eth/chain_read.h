/* eth/chain_read.h - proved reads: an account and words of its storage in one block's state.
 *
 * Given a block that is trusted, ask an endpoint for a proof in that block's state; ask another
 * when nothing comes or when what comes does not verify, and charge the liar. Where only the
 * block's hash is trusted, the header with that hash is read first, for the state root, in one
 * batch with the proof where the endpoint takes batches. Whatever the endpoints do, the result is
 * what the block's state holds, or there is none: state of another block does not verify.
 *
 * A core: no I/O; one read at a time; from one thread at a time. Holds the last proof (some 2 MB
 * for 256 keys). Source: EIP-1186; paper section 6.2.
 */
#ifndef PBTS_ETH_CHAIN_READ_H
#define PBTS_ETH_CHAIN_READ_H

#include "base/moment.h"
#include "eth/json_rpc_request.h"
#include "eth/proof.h"
#include "eth/rpc_exchange.h"

typedef struct pbts_chain_read pbts_chain_read; /* opaque */

typedef struct {
    uint64_t age_max_s;  /* of the trusted block; UINT64_MAX: any */
    uint64_t id_first;   /* requests are numbered from here: so that several reads differ */
    bool keep_header;    /* read the header even where the state root is known */
    uint32_t misses_max; /* answers, times endpoints, that have no state of this block, or another
                            one: then it was reorganised away, and the read fails; 0: any number */
} pbts_chain_read_config;

/* `endpoints` is borrowed, and shared with other cores of the same thread. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_chain_read_new(pbts_chain_read **out, pbts_mem *mem,
                                              pbts_endpoints *endpoints,
                                              const pbts_chain_read_config *config);
void pbts_chain_read_free(pbts_chain_read *read); /* NULL is a no-op */

/* Begin a read; one that is under way is forgotten. Keys are copied. `give_up_ms` is monotonic.
 * PBTS_LIMIT: more than PBTS_RPC_PROOF_KEYS_MAX keys; PBTS_STALE: the block is too old. */
PBTS_MUST_USE pbts_status pbts_chain_read_start(pbts_chain_read *read,
                                                const pbts_trusted_block *block,
                                                const pbts_eth_address *address,
                                                const pbts_u256 *keys, size_t keys_len,
                                                uint64_t give_up_ms, pbts_moment now);
/* The next request to post; false: none now. To be called after start, each answer, and at the
 * deadline. */
bool pbts_chain_read_next(pbts_chain_read *read, pbts_rpc_want *out, pbts_moment now);
void pbts_chain_read_answer(pbts_chain_read *read, uint64_t id, const pbts_rpc_reply *reply,
                            pbts_moment now);
uint64_t pbts_chain_read_deadline_ms(const pbts_chain_read *read); /* monotonic, or UINT64_MAX */

/* FAILED: `*why` is PBTS_IO (nobody gave a proof in time, or nobody has the
 * block), PBTS_STALE (the block grew too old
 * meanwhile) or PBTS_NO_MEMORY. */
pbts_fetch_state pbts_chain_read_state(const pbts_chain_read *read, pbts_status *why);
/* When DONE, until the next start: what was proved; the words in the order of the keys; the
 * header's RLP (nothing when it was not read); the proof's nodes; who gave the proof. */
const pbts_eth_account *pbts_chain_read_account(const pbts_chain_read *read);
const pbts_u256 *pbts_chain_read_values(const pbts_chain_read *read, size_t *values_len);
pbts_span pbts_chain_read_header(const pbts_chain_read *read);
const pbts_rpc_proof *pbts_chain_read_proof(const pbts_chain_read *read);
uint32_t pbts_chain_read_endpoint(const pbts_chain_read *read);

#endif
