/* ethereum_create.h - a new Reputation contract, from its transaction to its proof. */
#ifndef PBTS_APPS_ETHEREUM_CREATE_H
#define PBTS_APPS_ETHEREUM_CREATE_H

#include "eth/kms_verifier.h"
#include "ethereum_send.h"

/* The longest attestation that is passed on: room for a quote with its collateral. */
enum { ETHEREUM_ATTESTATION_MAX = 64 * 1024 };

typedef struct {
    pbts_eth_address factory, contract, referrer; /* referrer zero: none */
    pbts_span attestation;                        /* for the factory's verifier; borrowed */
    bool made_factory;
    pbts_trusted_block block; /* in which the contract is proved */
    uint64_t created_block;
    pbts_eth_hash transaction;
} ethereum_created;

/* Deploy a factory that asks nobody. Exit code, after a message when it is not 0. */
int ethereum_create_factory(ethereum_sender *sender, ethereum_created *out);

/* A factory that asks a verifier. */
typedef struct {
    pbts_kms_verifier_arguments arguments; /* all but the factory */
    pbts_eth_address verifier, factory;
    pbts_eth_hash transaction; /* the factory's */
} ethereum_verified;

/* Deploy both, and prove that there is code; the two transactions must be the sender's next ones.
 * Likewise. */
int ethereum_create_verified(ethereum_sender *sender, ethereum_verified *out);
/* Have `out->factory` create a contract with `out->referrer` and `out->attestation`, and prove that
 * it is a Reputation, the sender's, and the factory's. Likewise. */
int ethereum_create_contract(ethereum_sender *sender, ethereum_created *out);

/* What there is now and what to write into the configuration. */
void ethereum_created_print(const ethereum_sender *sender, const ethereum_created *created);
/* The same for --json: a new object. */
json_t *ethereum_created_json(const ethereum_sender *sender, const ethereum_created *created);

#endif
