/* ethereum_root.h - root mode (chain_mode = root): batches are the differences since the last one,
 * so what the contract has is kept, in the store and as a tree in memory. Private to ethereum/.
 *
 * It is known after which batch the tree is what the contract has: by number and head. When the
 * contract stands elsewhere, after a reorganisation, the tree is read from the chain again; nothing
 * is ever written on a guess. Every account that then differs from the ledger's is written again.
 *
 * A reorganisation deeper than what was confirmed may put a batch on another one than it was made
 * for. Then the contract's root is not what its data lead to (broken), and nobody can load it
 * before the next batch, which is made for what the data do lead to.
 */
#ifndef PBTS_TRACKER_ETHEREUM_ROOT_H
#define PBTS_TRACKER_ETHEREUM_ROOT_H

#include "chain/chain_root.h"
#include "ethereum.h"

typedef struct ethereum_root ethereum_root;

/* As the store has it; one thread uses it. PBTS_NO_MEMORY, PBTS_CORRUPT, store errors. */
PBTS_MUST_USE pbts_status ethereum_root_open(ethereum_root **out, struct app *app);
void ethereum_root_close(ethereum_root *root); /* NULL is a no-op */

/* For the set-up: the store's rows become this tree, as it is after the contract's last batch. */
PBTS_MUST_USE pbts_status ethereum_root_put(pbts_txn *txn, const pbts_reputation_tree *tree,
                                            const pbts_reputation_state *state);

/* Make sure that the tree is what the data of a contract in this state lead to: if it is not, read
 * it from the chain. PBTS_BUSY: the contract has moved on; as pbts_chain_load_own_root; store
 * errors. */
PBTS_MUST_USE pbts_status ethereum_root_follow(ethereum_root *root, pbts_chain *chain,
                                               const struct ethereum_config *config,
                                               const pbts_reputation_state *state);
/* Whether the contract's root was something else when ethereum_root_follow looked last, and no
 * batch has been confirmed since. */
bool ethereum_root_is_broken(const ethereum_root *root);
/* Offer what changed, as much as fits, in turn by user number; if nothing did and the root is
 * broken, an account that stays as it is. `*offered` accounts; `*full`: there was more. */
PBTS_MUST_USE pbts_status ethereum_root_offer(ethereum_root *root, pbts_eth_writer *writer,
                                              uint64_t *offered, bool *full);
/* As ethereum_outcome_put. It may be called again when the transaction could not be committed. */
PBTS_MUST_USE pbts_status ethereum_root_outcome_put(ethereum_root *root, pbts_txn *txn,
                                                    const pbts_eth_outcome *outcome);
/* How many accounts a batch's data are about. */
size_t ethereum_root_rows(pbts_span data);

#endif
