/* eth/kms_verifier.h - the contract that lets in whom a key service vouches for, as it is deployed.
 *
 * Source: contracts/KmsVerifier.sol, docs/ethereum.md ("A verifier"); EIP-2537 for the key. */
#ifndef PBTS_ETH_KMS_VERIFIER_H
#define PBTS_ETH_KMS_VERIFIER_H

#include "base/writer.h"
#include "bls/bls.h"
#include "eth/types.h"

enum {
    PBTS_KMS_VERIFIER_LINEAGE_LEN = 32,
    PBTS_KMS_VERIFIER_LINEAGES_MAX = 16,
    PBTS_KMS_VERIFIER_DEPLOY_LEN_MAX = 8 * 1024, /* pbts_kms_verifier_deploy */
};

/* The code that creates one, without the constructor's arguments. Static; made from contracts/ by
 * contracts/compile.mjs. */
pbts_span pbts_eth_kms_verifier_code(void);

typedef struct {
    pbts_eth_address factory; /* who alone will be answered */
    pbts_bls_public_point key;
    uint8_t lineages[PBTS_KMS_VERIFIER_LINEAGES_MAX][PBTS_KMS_VERIFIER_LINEAGE_LEN];
    size_t lineages_len; /* from 1 */
} pbts_kms_verifier_arguments;

/* Append the data of the transaction that creates one. */
void pbts_kms_verifier_deploy(pbts_writer *writer, const pbts_kms_verifier_arguments *arguments);

#endif
