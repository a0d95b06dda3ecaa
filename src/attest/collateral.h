/* attest/collateral.h - what is needed beside a quote to verify it: TCB info, the quoting enclave's
 * identity, revocation lists, the certificates that they are signed with.
 *
 * Nothing in it is trusted before a verification; what was verified under one root is remembered,
 * with the platform that was verified last, so that a quote costs ten signatures at first, three of
 * another platform, and two of the same one. Dates and revocation are looked at each time.
 */
#ifndef PBTS_ATTEST_COLLATERAL_H
#define PBTS_ATTEST_COLLATERAL_H

#include "attest/reason.h"
#include "base/cursor.h"
#include "base/mem.h"

enum {
    PBTS_CRL_LEN_MAX = 1024 * 1024,
    PBTS_X509_CHAIN_PEM_MAX = 32 * 1024,
};

/* As the PCS (or a PCCS) sends them. The chain of the PCK CRL is not among them: the quote brings
 * the certificate of the authority that must have signed it. */
typedef struct {
    pbts_span tcb_info;          /* JSON: { "tcbInfo": …, "signature": hex } */
    pbts_span qe_identity;       /* JSON: { "enclaveIdentity": …, "signature": hex } */
    pbts_span root_crl;          /* DER */
    pbts_span pck_crl;           /* DER */
    pbts_span tcb_signing_chain; /* PEM: the signer, the root */
} pbts_collateral_files;

/* Each of them, as it lies in a folder: the file's name and how long it may be. */
enum { PBTS_COLLATERAL_PARTS = 5 };
typedef struct {
    pbts_span *bytes; /* in the files that were given */
    const char *name; /* static */
    size_t len_max;
} pbts_collateral_part;
void pbts_collateral_parts(pbts_collateral_part out[static PBTS_COLLATERAL_PARTS],
                           pbts_collateral_files *files);

/* Used by one thread at a time. */
typedef struct pbts_collateral pbts_collateral;

/* Copies the bytes. PBTS_LIMIT: one of them is too long; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_collateral_new(pbts_collateral **out, pbts_mem *mem,
                                              const pbts_collateral_files *files);
void pbts_collateral_free(pbts_collateral *collateral); /* NULL is allowed */

#endif
