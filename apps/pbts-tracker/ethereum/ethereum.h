/* ethereum.h - the ledger on Ethereum (ledger = ethereum): a contract that follows the local one.
 *
 * At the first start the contract is read, with proofs: a new one is this instance's, one with
 * users is gone on with, and those of `referrer_contract` are taken over. From then on one thread
 * brings the contract to the accounts' values (eth/writer.h), and nothing waits for it.
 */
#ifndef PBTS_TRACKER_ETHEREUM_H
#define PBTS_TRACKER_ETHEREUM_H

#include "chain/chain.h"
#include "tracker/tracker.h"

struct app;
struct ethereum;

/* What of the configuration concerns the chain, parsed. Borrows its texts from `app`. False: said
 * why in the log. */
struct ethereum_config {
    pbts_chain_config chain;
    pbts_eth_address contract, referrer;
    bool has_referrer;
    char urls[1024], beacon_urls[1024]; /* the lists, cut into texts */
};
bool ethereum_config_read(struct ethereum_config *out, struct app *app);

/* The first start: set up this instance in the empty store, from what the contract says. Said in
 * the log why not: PBTS_IO (the chain cannot be read now), PBTS_CORRUPT (a person has to put it
 * right). */
PBTS_MUST_USE pbts_status ethereum_setup(struct app *app, pbts_tracker_config *config);
/* Each start: that store and configuration name the same contract. PBTS_CORRUPT, said in the log.
 */
PBTS_MUST_USE pbts_status ethereum_check(struct app *app);

/* The thread that writes. `key` is copied, and wiped by stop. PBTS_NO_MEMORY, PBTS_IO, PBTS_CORRUPT
 * (the journal; said in the log). */
PBTS_MUST_USE pbts_status ethereum_start(struct ethereum **out, struct app *app,
                                         const pbts_secp256k1_secret *key);
void ethereum_stop(struct ethereum *ethereum); /* NULL is a no-op */
/* Something was committed; from any thread. NULL is a no-op. */
void ethereum_wake(struct ethereum *ethereum);

/* For status pages, metrics and health; a copy. */
struct ethereum_status {
    pbts_eth_address contract, writer;
    uint64_t chain_id;
    pbts_eth_writer_status state;
    uint64_t waiting; /* accounts that the contract has not got yet */
    uint64_t aside;   /* of them: refused by the contract, not tried again before they change */
    uint64_t confirmed_unix_s; /* when a batch was confirmed last; 0: not since the start */
    char problem[256];         /* empty: none */
};
void ethereum_look(struct ethereum *ethereum, struct ethereum_status *out);
const char *ethereum_phase_name(pbts_eth_writer_phase phase);
const char *ethereum_problem_text(pbts_eth_writer_problem problem);

#endif
