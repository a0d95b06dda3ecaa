/* chain/chain_beacon.h - a light client driven by HTTP requests to beacon nodes. Private to chain/.
 */
#ifndef PBTS_CHAIN_CHAIN_BEACON_H
#define PBTS_CHAIN_CHAIN_BEACON_H

#include "chain/chain.h"

typedef struct pbts_chain_beacon pbts_chain_beacon;

/* As pbts_chain_open. What was kept is loaded. */
PBTS_MUST_USE pbts_status pbts_chain_beacon_open(pbts_chain_beacon **out,
                                                 const pbts_chain_beacon_config *config);
void pbts_chain_beacon_close(pbts_chain_beacon *beacon); /* NULL is a no-op */
/* pbts_chain_block: the newest, or the newest final one. Says a problem when there is none. */
PBTS_MUST_USE pbts_status pbts_chain_beacon_block(pbts_chain *chain, pbts_trusted_block *out,
                                                  bool is_final);

#endif
