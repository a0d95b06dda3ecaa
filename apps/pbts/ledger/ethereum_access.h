/* ethereum_access.h - what the commands on an Ethereum ledger share: endpoints, keys, addresses. */
#ifndef PBTS_APPS_ETHEREUM_ACCESS_H
#define PBTS_APPS_ETHEREUM_ACCESS_H

#include <jansson.h>

#include "chain/chain.h"
#include "eth/writer_key.h"
#include "ethereum_beacon.h"
#include "options.h"

enum { ETHEREUM_ADDRESS_TEXT = 43, ETHEREUM_HASH_TEXT = 67, ETHEREUM_ETHER_TEXT = 96 };

/* Functions that give an int give an exit code, after a message when it is not 0. */

/* The options, and what they come to. Zeroed values may be closed. */
typedef struct {
    const char *rpc, *quorum, *chain_id_text, *depth_text, *timeout, *ca;
    ethereum_beacon beacon;
    pbts_chain *chain;
    uint64_t chain_id;
    uint32_t endpoints, depth_blocks;
    uint32_t quorum_len; /* 0: a light client says which blocks count */
} ethereum_access;

#define ETHEREUM_OPTIONS(access)                                                                       \
    { "rpc", "URLS", &(access)->rpc,                                                                   \
      NULL,  true,   "JSON-RPC servers of the chain, 1 to 16, with commas" },                          \
        { "quorum", "K",   &(access)->quorum,                                                          \
          NULL,     false, "how many of them must name the same block (default: more than half)" },    \
        { "chain-id", "N",   &(access)->chain_id_text,                                                 \
          NULL,       false, "the chain; what is of another is refused (default: what they say)" },    \
        { "depth", "BLOCKS", &(access)->depth_text,                                                    \
          NULL,    false,    "how far behind the newest block to look and to wait for (default: 0)" }, \
        { "timeout", "SECONDS", &(access)->timeout,                                                    \
          NULL,      false,     "how long to wait for an answer that can be used (default: 30)" },     \
        OPTION_CA(&(access)->ca), ETHEREUM_BEACON_OPTIONS(&(access)->beacon)

/* Parse the options, find out which chain it is. */
int ethereum_open(ethereum_access *access);
void ethereum_close(ethereum_access *access);
/* Say why a call to the chain failed; PBTS_EXIT_IO, or PBTS_EXIT_REFUSED when what is there is not
 * what was looked for. */
int ethereum_fail(const ethereum_access *access, const char *what, pbts_status status);

/* "0x" and 40 digits; `name` is the option's or argument's. */
int ethereum_address_parse(pbts_eth_address *out, const char *name, const char *text);
/* "0x" and 64 digits, or without "0x". */
int ethereum_hash_parse(uint8_t out[static 32], const char *name, const char *text);
void ethereum_address_text(char out[static ETHEREUM_ADDRESS_TEXT], const pbts_eth_address *address);
void ethereum_hash_text(char out[static ETHEREUM_HASH_TEXT], const uint8_t hash[static 32]);
/* "0.0125" of 10^18 wei. */
void ethereum_ether_text(char out[static ETHEREUM_ETHER_TEXT], const pbts_u256 *wei);

/* The key that signs transactions: from the tracker key, or as it stands in a file (hexadecimal,
 * readable by its owner alone) when `key_file` is given. Wipe it after use. */
int ethereum_key_read(pbts_secp256k1_secret *out, pbts_eth_address *address,
                      const char *tracker_key, const char *key_file);

/* A contract proved at a block: its code is a Reputation's. PBTS_DENIED: it is another's. */
PBTS_MUST_USE pbts_status ethereum_contract(const ethereum_access *access,
                                            pbts_reputation_state *out,
                                            const pbts_trusted_block *block,
                                            const pbts_eth_address *contract);
int ethereum_contract_fail(const ethereum_access *access, const pbts_eth_address *contract,
                           pbts_status status);
/* Wait for a moment. */
void ethereum_pause(uint32_t ms);

#endif
