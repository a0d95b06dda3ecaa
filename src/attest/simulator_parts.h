/* attest/simulator_parts.h - the simulator's keys, certificates and collateral. Private. */
#ifndef PBTS_ATTEST_SIMULATOR_PARTS_H
#define PBTS_ATTEST_SIMULATOR_PARTS_H

#include <openssl/x509.h>

#include "attest/certificates.h"
#include "attest/simulator.h"

typedef enum {
    PBTS_SIMULATOR_ROOT,
    PBTS_SIMULATOR_CA,
    PBTS_SIMULATOR_PCK,
    PBTS_SIMULATOR_TCB,
    PBTS_SIMULATOR_ATTEST,
    PBTS_SIMULATOR_KEYS
} pbts_simulator_key;

enum {
    PBTS_SIMULATOR_PEM_MAX = 4 * 1024,
    PBTS_SIMULATOR_CRL_MAX = 1024,
    PBTS_SIMULATOR_JSON_MAX = 4 * 1024,
};

struct pbts_simulator {
    pbts_mem *mem;
    EVP_PKEY *keys[PBTS_SIMULATOR_KEYS];
    X509 *root, *ca, *pck, *tcb;
    uint8_t pck_chain[PBTS_SIMULATOR_PEM_MAX], tcb_chain[PBTS_SIMULATOR_PEM_MAX];
    uint8_t root_crl[PBTS_SIMULATOR_CRL_MAX], pck_crl[PBTS_SIMULATOR_CRL_MAX];
    uint8_t tcb_info[PBTS_SIMULATOR_JSON_MAX], qe_identity[PBTS_SIMULATOR_JSON_MAX];
    pbts_span pck_chain_pem;
    pbts_collateral_files files; /* into the above */
};

/* The quoting enclave, as report and identity both say it. */
enum { PBTS_SIMULATOR_QE_PROD_ID = 2, PBTS_SIMULATOR_QE_SVN = 1 };
extern const uint8_t PBTS_SIMULATOR_QE_SIGNER[32];
enum { PBTS_SIMULATOR_MODULE_SVN = 1, PBTS_SIMULATOR_PCESVN = 1 };

/* False: no memory. Both fill what `simulator` has for it; the keys come first. */
bool pbts_simulator_make_certificates(pbts_simulator *simulator);
bool pbts_simulator_make_collateral(pbts_simulator *simulator, uint64_t now_s);

/* r ‖ s. False: no memory. */
bool pbts_simulator_sign(uint8_t out[static PBTS_P256_SIGNATURE_LEN], EVP_PKEY *key,
                         pbts_span message);

#endif
