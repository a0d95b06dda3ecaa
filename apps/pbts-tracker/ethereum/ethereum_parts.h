/* ethereum_parts.h - what the store keeps of the chain, and the writer's key. Private to
 * ethereum/.
 *
 * META rows, integers big-endian:
 *   chain/base     u64 chain id, contract[20], u64 sequence, head[32]: where it was set up from
 *   chain/journal  the writer's last record (eth/writer_journal.h)
 *   chain/light    what the light client knows (eth/light_client.h, save)
 */
#ifndef PBTS_TRACKER_ETHEREUM_PARTS_H
#define PBTS_TRACKER_ETHEREUM_PARTS_H

#include "ethereum.h"

typedef struct {
    uint64_t chain_id;
    pbts_eth_address contract;
    uint64_t sequence;
    pbts_eth_hash head;
} ethereum_base;

PBTS_MUST_USE pbts_status ethereum_base_put(pbts_txn *txn, const ethereum_base *base);
/* PBTS_NOT_FOUND, PBTS_CORRUPT, store errors. */
PBTS_MUST_USE pbts_status ethereum_base_get(pbts_store *store, ethereum_base *out);

PBTS_MUST_USE pbts_status ethereum_journal_put(pbts_txn *txn, pbts_span record);
/* Copied with malloc; PBTS_NOT_FOUND. */
PBTS_MUST_USE pbts_status ethereum_journal_get(pbts_store *store, uint8_t **out, size_t *len);
/* One outcome of the writer, in the transaction that stores its record. */
PBTS_MUST_USE pbts_status ethereum_outcome_put(pbts_txn *txn, const pbts_eth_outcome *outcome);

/* Where the light client's state is kept: in the store of `app`, which is borrowed. */
pbts_chain_keep ethereum_light_keep(struct app *app);

/* PBTS_NO_MEMORY, PBTS_IO (random numbers). */
PBTS_MUST_USE pbts_status ethereum_writer_address(pbts_eth_address *out,
                                                  const pbts_secp256k1_secret *key);

#endif
