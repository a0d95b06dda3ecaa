/* ethereum_send.h - one transaction: estimated, signed, sent to every endpoint, replaced with
 * higher fees while it is not mined, waited for. */
#ifndef PBTS_APPS_ETHEREUM_SEND_H
#define PBTS_APPS_ETHEREUM_SEND_H

#include "ethereum_access.h"

/* Holds a secret: pass on by pointer, and end it. */
typedef struct {
    ethereum_access *access; /* borrowed */
    pbts_secp256k1_secret secret;
    pbts_eth_address address;
    pbts_secp256k1_signer *signer;
    pbts_eth_fees cap;
} ethereum_sender;

/* Exit codes, after a message, as in ethereum_access.h. `max_fee_gwei` is the option's text, or
 * NULL.
 */
int ethereum_sender_begin(ethereum_sender *out, ethereum_access *access, const char *tracker_key,
                          const char *key_file, const char *max_fee_gwei);
void ethereum_sender_end(ethereum_sender *sender); /* zeroed values too */
/* Begin, have `make` send what it will, end, and close the access, which `make` may have opened. */
int ethereum_pay(ethereum_access *access, const char *tracker_key, const char *key_file,
                 const char *max_fee_gwei, int (*make)(void *host, ethereum_sender *sender),
                 void *host);

#define ETHEREUM_SENDER_OPTIONS(tracker_key, key_file, max_fee)                               \
    { "key", "FILE", tracker_key,                                                             \
      NULL,  false,  "the tracker's key, DIR/tracker.key, from which the sender's is made" }, \
        { "eth-key", "FILE", key_file,                                                        \
          NULL,      false,  "the sender's own Ethereum key instead, in hexadecimal" },       \
    {                                                                                         \
        "max-fee-gwei", "N", max_fee, NULL, false,                                            \
            "the most to pay per gas, in 10^9 wei (default: 100)"                             \
    }
typedef struct {
    pbts_eth_hash hash;
    uint64_t nonce, block_number, gas_used;
    pbts_eth_address created; /* when the transaction makes a contract */
} ethereum_mined;

/* The number of the sender's next transaction, proved. */
int ethereum_nonce(ethereum_sender *sender, uint64_t *out);

/* `what` names it in messages ("the factory"). `to` NULL: the data makes a contract. `more_gas`
 * will be needed by transactions after it: the balance must do for these, too. Returns when it is
 * mined, succeeded, and the quorum has a block `depth` behind the newest that comes after it. */
int ethereum_send(ethereum_sender *sender, ethereum_mined *out, const char *what,
                  const pbts_eth_address *to, pbts_span data, uint64_t more_gas);

#endif
