/* chain/chain.h - an Ethereum chain to read and write, over the network: the cores of eth/ driven
 * by HTTP requests.
 *
 * Each call blocks its thread until there is an answer or patience ends; one thread at a time. What
 * is read is proved, in a block that a light client of the beacon chain knows, or, without one,
 * that `quorum` endpoints agree on; what is sent goes to all of them. pbts_chain_stop, from any
 * thread, ends what runs and all that follows.
 */
#ifndef PBTS_CHAIN_CHAIN_H
#define PBTS_CHAIN_CHAIN_H

#include "eth/portable_proof.h"
#include "eth/reputation_events.h"
#include "eth/rpc_exchange.h"
#include "eth/user_load.h"
#include "eth/writer.h"

enum { PBTS_CHAIN_BEACON_URL_MAX = 1024 };

typedef struct pbts_chain pbts_chain; /* opaque */

/* Where a light client keeps what it knows, so that it need not begin with the trusted root again.
 * Called by the thread that the chain is used by, within pbts_chain_open and pbts_chain_block. Who
 * can change what is kept can make the client believe anything. */
typedef struct {
    void *host;
    /* Append what was kept last, at most PBTS_LIGHT_STATE_LEN_MAX bytes. Anything but PBTS_OK:
     * there is nothing, and the trusted root is begun with. */
    pbts_status (*load)(void *host, pbts_writer *out);
    /* Keep it instead of the last. When that fails it is tried again after the next block. */
    pbts_status (*save)(void *host, pbts_span state);
} pbts_chain_keep;

/* A light client as the source of trusted blocks. */
typedef struct {
    const char *urls[PBTS_LIGHT_SERVERS_MAX]; /* beacon nodes, HTTP(S); copied */
    uint32_t urls_len;                        /* 0: no light client, the quorum decides */
    pbts_beacon_network network;              /* chain_preset.h knows some */
    uint8_t trusted_root[PBTS_SSZ_CHUNK_LEN]; /* of a finalized beacon block */
    uint64_t trust_age_max_s; /* what is final must not be older; 0: PBTS_LIGHT_AGE_MAX_S */
    pbts_chain_keep keep;     /* functions NULL: nothing is kept */
    bool skip_headers;  /* do not read headers, as proved state roots do without: then there are no
                           base fees and no last header */
    bool keep_evidence; /* for pbts_chain_evidence: nodes are asked for SSZ alone, and what was kept
                           is not loaded */
    uint64_t recorded_unix_s; /* for recorded chains, which are too old today: what time it is taken
                                 to be at open; 0: the clock's */
} pbts_chain_beacon_config;

typedef struct {
    const char *urls[PBTS_ENDPOINTS_MAX]; /* JSON-RPC over HTTP(S); copied */
    uint32_t urls_len;                    /* at least 1 */
    const char *ca;                       /* PEM file for https; NULL: the system's; borrowed */
    uint64_t chain_id;
    uint32_t quorum;      /* of the endpoints that must name the same block; 1..urls_len. Not looked
                             at with a light client */
    uint64_t age_max_s;   /* no older block is trusted; UINT64_MAX: any, for dev chains */
    uint32_t patience_ms; /* of one call here; 0: 30 s */
    /* Keccak-256 of the code that a contract must have; zero: of the Reputation that was compiled
     * with this program. Other code with the same slots may say anything in them. */
    pbts_eth_hash code_hash;
    pbts_chain_beacon_config beacon; /* zero: none */
} pbts_chain_config;

/* PBTS_LIMIT: number of endpoints, beacon nodes or quorum, or a beacon URL is longer than
 * PBTS_CHAIN_BEACON_URL_MAX; PBTS_MALFORMED: the beacon network; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_chain_open(pbts_chain **out, const pbts_chain_config *config);
void pbts_chain_close(pbts_chain *chain); /* NULL is a no-op */
void pbts_chain_stop(pbts_chain *chain);
/* What went wrong last, a sentence that names the endpoint where there is one, by scheme, host
 * and port, as its path may hold a key; for people. */
const char *pbts_chain_problem(const pbts_chain *chain);

/* Scheme, host and port of a URL: what else is in it is often the key of an account there. */
void pbts_chain_origin(pbts_writer *out, const char *url);

/* All calls: PBTS_IO: nobody gave it in time (problem); PBTS_BUSY: stopped; PBTS_NO_MEMORY. */

/* The block that is trusted, `depth_blocks` behind the newest (a shorter chain: its first provable
 * one, block 1). With a light client: the newest that a sync committee signed for, and for any
 * depth but 0 the newest that is final; with its state root. Also PBTS_STALE: the newest that there
 * is is too old, or the light client needs a new trusted root; PBTS_DENIED: the blocks tell another
 * time than the beacon network's parameters. */
PBTS_MUST_USE pbts_status pbts_chain_block(pbts_chain *chain, pbts_trusted_block *out,
                                           uint32_t depth_blocks);
/* An account and words of its storage in a trusted block, proved; `keys_len` at most
 * PBTS_RPC_PROOF_KEYS_MAX; `values` and `base_fee_wei` (of that block) may be NULL. */
PBTS_MUST_USE pbts_status pbts_chain_read_words(pbts_chain *chain, pbts_eth_account *account,
                                                pbts_u256 *values, pbts_u256 *base_fee_wei,
                                                const pbts_trusted_block *block,
                                                const pbts_eth_address *address,
                                                const pbts_u256 *keys, size_t keys_len);
/* After pbts_chain_read_words gave PBTS_OK, until the next read: the block's header as RLP, and the
 * nodes that proved account and words. Borrowed. */
pbts_span pbts_chain_last_header(const pbts_chain *chain);
const pbts_rpc_proof *pbts_chain_last_proof(const pbts_chain *chain);
/* With a light client that keeps evidence: the messages that lead from the trusted root to a block
 * that pbts_chain_block gave just now, for others to check; borrowed until the chain is used again.
 * PBTS_NOT_FOUND: there are none, as nodes gave JSON or the network has no name in such files;
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_chain_evidence(pbts_chain *chain, pbts_portable_evidence *out,
                                              const pbts_trusted_block *block);
/* The fixed slots of a Reputation contract. Also PBTS_NOT_FOUND: no contract there; PBTS_DENIED:
 * one of other code than config's (problem gives its hash); PBTS_MALFORMED: of another layout. */
PBTS_MUST_USE pbts_status pbts_chain_read_contract(pbts_chain *chain, pbts_reputation_state *out,
                                                   const pbts_trusted_block *block,
                                                   const pbts_eth_address *contract);
/* All that the writer goes by, in one block. As pbts_chain_read_contract. `fees` may be NULL. */
PBTS_MUST_USE pbts_status pbts_chain_view(pbts_chain *chain, pbts_eth_view *out,
                                          pbts_eth_network_fees *fees, uint32_t depth_blocks,
                                          const pbts_eth_address *contract,
                                          const pbts_eth_address *writer);
/* Every user of a contract in slots mode, in the order of registration; its code is not looked at,
 * as pbts_chain_read_contract did. The caller frees the list with free(). `progress` may be NULL.
 * As pbts_chain_read_contract; PBTS_DENIED: root mode; PBTS_LIMIT: too many. Without patience: as
 * long as it takes, or up to ten minutes in which nothing new came (PBTS_IO). */
PBTS_MUST_USE pbts_status
pbts_chain_load_users(pbts_chain *chain, pbts_reputation_account **users, size_t *users_len,
                      pbts_reputation_state *contract_state, const pbts_trusted_block *block,
                      const pbts_eth_address *contract, uint64_t first_block,
                      void (*progress)(void *host, size_t registered, size_t proved), void *host);

/* ---- hints: not proved, decide nothing ---- */

/* To all endpoints; the best result that any gave. */
pbts_eth_send_result pbts_chain_send(pbts_chain *chain, pbts_span raw);
/* A call to a contract (`to` NULL: its data makes one): the median of what was named. PBTS_DENIED:
 * it reverts, with these data (cut to PBTS_RPC_REVERT_DATA_MAX), said by a majority of those who
 * answered. */
PBTS_MUST_USE pbts_status pbts_chain_estimate(pbts_chain *chain, uint64_t *gas,
                                              uint8_t revert[static PBTS_RPC_REVERT_DATA_MAX],
                                              size_t *revert_len, const pbts_eth_address *from,
                                              const pbts_eth_address *to, pbts_span data);
/* PBTS_NOT_FOUND: no endpoint knows it in a block. */
PBTS_MUST_USE pbts_status pbts_chain_receipt(pbts_chain *chain, pbts_rpc_receipt *out,
                                             const pbts_eth_hash *transaction);
/* The median of what endpoints suggest as priority fee, per gas. */
PBTS_MUST_USE pbts_status pbts_chain_tip(pbts_chain *chain, uint64_t *tip_wei);

/* Whether an endpoint says that another block has this number. One that does not know of any has
 * nothing to say. */
PBTS_MUST_USE pbts_status pbts_chain_block_is_gone(pbts_chain *chain, bool *is_gone,
                                                   uint64_t number, const pbts_eth_hash *hash);
/* The nonce behind all transactions of an address, also those that wait in pools: the most that an
 * endpoint names. */
PBTS_MUST_USE pbts_status pbts_chain_pending_nonce(pbts_chain *chain, uint64_t *nonce,
                                                   const pbts_eth_address *address);
/* Which chain the endpoints say they are of; `config.chain_id` is not looked at. PBTS_DENIED: they
 * differ. */
PBTS_MUST_USE pbts_status pbts_chain_ask_id(pbts_chain *chain, uint64_t *chain_id);
/* The contract that a transaction had a factory create, in this block. PBTS_NOT_FOUND: none, as far
 * as the endpoints know. */
PBTS_MUST_USE pbts_status pbts_chain_created(pbts_chain *chain, pbts_eth_address *out,
                                             const pbts_eth_address *factory,
                                             const pbts_eth_hash *transaction,
                                             uint64_t block_number);

typedef struct {
    const char *url;
    pbts_endpoint state;
} pbts_chain_endpoint;
/* For status pages; a copy. */
uint32_t pbts_chain_endpoints(const pbts_chain *chain,
                              pbts_chain_endpoint out[static PBTS_ENDPOINTS_MAX]);

#endif
