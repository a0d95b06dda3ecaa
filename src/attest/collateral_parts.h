/* attest/collateral_parts.h - the checks of collateral that verify.c makes. Private. */
#ifndef PBTS_ATTEST_COLLATERAL_PARTS_H
#define PBTS_ATTEST_COLLATERAL_PARTS_H

#include "attest/certificates.h"
#include "attest/collateral.h"
#include "attest/tcb_info.h"

/* What was found good, and by which key; all of it can be had again from `files` and a quote. One
 * platform is remembered, by the bytes that its quotes bring: those of one machine differ in
 * little else. */
struct pbts_collateral {
    pbts_mem *mem;
    uint8_t *bytes; /* what `files` points into */
    pbts_collateral_files files;
    uint8_t known_root[PBTS_KEY_HASH_LEN];   /* all below are good under this key */
    uint8_t known_pck_ca[PBTS_KEY_HASH_LEN]; /* who signed `pck_crl` */
    pbts_x509_chain platform;                /* a PCK chain that passed; len 0: none yet */
    uint8_t platform_pem[PBTS_KEY_HASH_LEN]; /* SHA-256 of the text it came from */
    uint8_t attest_key_bytes[PBTS_P256_KEY_LEN];
    EVP_PKEY *attest_key; /* the key of the last quote, which may be anybody's; NULL: none yet */
    X509_CRL *root_crl, *pck_crl; /* NULL until their signature was found good */
    pbts_x509_chain tcb_chain;    /* len 0 until found good */
    pbts_tcb_info tcb_info;       /* tree NULL until its signature was found good */
    pbts_qe_identity qe_identity; /* the same */
};

/* The attestation key of a quote, to verify with: borrowed until the next call. NULL: no point. */
EVP_PKEY *pbts_collateral_attest_key(pbts_collateral *collateral,
                                     const uint8_t key[static PBTS_P256_KEY_LEN]);
/* As pbts_x509_chain_parse_pem, with what is known. Says nothing about the chain yet. */
PBTS_MUST_USE pbts_status pbts_collateral_parse_platform(const pbts_collateral *collateral,
                                                         pbts_x509_chain *out, pbts_span pem);
/* The first half of step 4. A chain that passes is remembered. */
pbts_x509_chain_verdict pbts_collateral_check_platform(pbts_collateral *collateral,
                                                       const pbts_x509_chain *chain, pbts_span pem,
                                                       uint64_t now_s);

/* Forget what is good under another root than this one. */
void pbts_collateral_use_root(pbts_collateral *collateral,
                              const uint8_t root_key[static PBTS_KEY_HASH_LEN]);

/* The rest of step 4, for a PCK chain that is good: ROOT_CRL, ROOT_CRL_DATE, PCK_CRL, PCK_CRL_DATE,
 * PCK_REVOKED. */
PBTS_MUST_USE pbts_attest_reason pbts_collateral_check_crls(pbts_collateral *collateral,
                                                            const pbts_x509_chain *pck,
                                                            uint64_t now_s);
/* Step 5, after step 4. Then `tcb_info` and `qe_identity` may be read. */
PBTS_MUST_USE pbts_attest_reason pbts_collateral_check_signed(pbts_collateral *collateral,
                                                              uint64_t now_s);
/* Narrow a window to the time in which all that was checked is valid. */
void pbts_collateral_window(const pbts_collateral *collateral, uint64_t *from_s, uint64_t *to_s);

#endif
