/* eth/writer_key.h - whose account an Ethereum key signs for. A tracker's own key is made in
 * keys/tracker_keys.h. */
#ifndef PBTS_ETH_WRITER_KEY_H
#define PBTS_ETH_WRITER_KEY_H

#include "eth/types.h"

/* The address that `secret` signs for; `secret` was generated, checked or derived. */
pbts_eth_address pbts_eth_address_of_secret(const pbts_secp256k1_signer *signer,
                                            const pbts_secp256k1_secret *secret);

#endif
