/* attest/tcb.h - how good a platform is, by the levels that Intel publishes: steps 7 and 8.
 *
 * Source: Intel TDX DCAP Quote Verification, as Intel's own library does it (4.1.2.4.17 there): the
 * TDX components that name the module's version are left to the module's own levels.
 */
#ifndef PBTS_ATTEST_TCB_H
#define PBTS_ATTEST_TCB_H

#include "attest/tcb_info.h"

typedef struct {
    pbts_tcb_status status;     /* of all together */
    pbts_tcb_status platform;   /* of the first level that platform and guest reach */
    pbts_tcb_status sgx;        /* of the first level that the platform reaches */
    pbts_tcb_status tdx_module; /* UP_TO_DATE where the module's version is 0 */
    pbts_tcb_status qe;
    const pbts_tcb_level *level;        /* that of `platform` */
    const pbts_tcb_level *module_level; /* NULL: version 0 */
    const pbts_tcb_level *qe_level;
} pbts_tcb_result;

/* Step 7: the first level with each SGX component at most the platform's, PCESVN too, and each TDX
 * component, from index 2 on when tee_tcb_svn[1] > 0, at most the guest's. Sets `platform`, `sgx`,
 * `level`. TCB_NOT_SUPPORTED. */
PBTS_MUST_USE pbts_attest_reason pbts_tcb_match(pbts_tcb_result *out, const pbts_tcb_info *info,
                                                const pbts_pck *pck, const pbts_td_report *td);
/* Step 8: the module's identity and level, the quoting enclave's level, and what follows from the
 * three. `out` comes from step 7. MODULE_MISMATCH, MODULE_NOT_SUPPORTED, QE_NOT_SUPPORTED. */
PBTS_MUST_USE pbts_attest_reason pbts_tcb_converge(pbts_tcb_result *out, const pbts_tcb_info *info,
                                                   const pbts_qe_identity *identity,
                                                   const pbts_td_report *td,
                                                   const pbts_enclave_report *qe);

/* A platform's status with a part (module or enclave) that has its own. */
pbts_tcb_status pbts_tcb_status_join(pbts_tcb_status platform, pbts_tcb_status of_part);

#endif
