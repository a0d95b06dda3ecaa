/* ethereum_pending.h - transactions of the writer's key that a machine left behind when it was
 * lost. Private to ethereum/.
 *
 * A batch that is mined after a new machine read the contract is unknown to it: CONFLICT. So before
 * it reads, it waits until nothing of its key is pending: until the proved nonce is what servers
 * say comes after all that waits in their pools. What is not mined in time is replaced by a
 * transfer of nothing to itself, at the highest fees that the configuration allows. Servers that
 * name more than there is cost time, and PENDING_MAX such transfers at most.
 */
#ifndef PBTS_TRACKER_ETHEREUM_PENDING_H
#define PBTS_TRACKER_ETHEREUM_PENDING_H

#include "ethereum.h"

/* Progress is logged. `*block_number`: where nothing was pending; what is read from an older block
 * may be from before. PBTS_BUSY: some stay pending, or it is to end, and a later start goes on; as
 * pbts_chain_block. */
PBTS_MUST_USE pbts_status ethereum_pending_wait(struct app *app, pbts_chain *chain,
                                                uint64_t *block_number);

#endif
