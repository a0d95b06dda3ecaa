/* attest/pck.h - what a PCK certificate says of its platform: extension 1.2.840.113741.1.13.1.
 *
 *   SEQUENCE of SEQUENCE { OID .1 PPID; .2 TCB; .3 PCEID, 2 bytes; .4 FMSPC, 6 bytes; .5 SGX type;
 * … } TCB: SEQUENCE of SEQUENCE { OID .2.1 to .2.16 component SVN; .2.17 PCESVN; .2.18 CPUSVN, 16 }
 *
 * Source: Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, 1.3.5.
 */
#ifndef PBTS_ATTEST_PCK_H
#define PBTS_ATTEST_PCK_H

#include "attest/quote.h"

enum { PBTS_FMSPC_LEN = 6, PBTS_PCEID_LEN = 2 };

typedef struct {
    uint8_t fmspc[PBTS_FMSPC_LEN];
    uint8_t pceid[PBTS_PCEID_LEN];
    uint8_t sgx_svn[PBTS_TCB_COMPONENTS];
    uint8_t cpusvn[PBTS_TCB_COMPONENTS];
    uint16_t pcesvn;
} pbts_pck;

/* From the extension's value. PBTS_MALFORMED: no DER, a part is missing, there twice, of another
 * length, or behind the end. Other parts are not looked at. */
PBTS_MUST_USE pbts_status pbts_pck_parse(pbts_pck *out, pbts_span extension);

#endif
