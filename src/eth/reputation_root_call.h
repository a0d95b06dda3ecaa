/* eth/reputation_root_call.h - the data of a call of writeRoot, taken apart.
 *
 *   writeRoot(uint48 sequence, uint48 epoch, uint32 userCount, bytes32 root, bytes data)
 * Nothing in it is believed: the contract's `head` vouches for the data (root_load.h). No heap.
 */
#ifndef PBTS_ETH_REPUTATION_ROOT_CALL_H
#define PBTS_ETH_REPUTATION_ROOT_CALL_H

#include "eth/reputation.h"

typedef struct {
    uint64_t sequence, epoch; /* u48 */
    uint32_t user_count;
    uint8_t root[32];
    pbts_span data; /* borrowed */
} pbts_reputation_root_call;

/* Total. PBTS_MALFORMED: another function, or other bytes than pbts_reputation_call_write_root
 * makes of these values. */
PBTS_MUST_USE pbts_status pbts_reputation_root_call_decode(pbts_reputation_root_call *out,
                                                           pbts_span call);

#endif
