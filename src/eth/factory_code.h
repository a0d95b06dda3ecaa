/* eth/factory_code.h - the compiled contracts, for deployment and recognition.
 *
 * The data are made from contracts/ by contracts/compile.mjs; a test compiles them again. No heap.
 */
#ifndef PBTS_ETH_FACTORY_CODE_H
#define PBTS_ETH_FACTORY_CODE_H

#include "base/cursor.h"

enum { PBTS_ETH_CODE_HASH_LEN = 32 };

/* The code that creates a ReputationFactory, without the constructor's argument
 * (pbts_reputation_factory_deploy appends it). Static; the Reputation that it creates is inside. */
pbts_span pbts_eth_factory_code(void);

/* Keccak-256 of the code of every Reputation, as a proved account shows it: PBTS_ETH_CODE_HASH_LEN
 * bytes, static. A contract with another hash is not the one that docs/ethereum.md describes. */
const uint8_t *pbts_eth_reputation_code_hash(void);

#endif
