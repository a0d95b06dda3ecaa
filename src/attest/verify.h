/* attest/verify.h - whether a TDX quote is to be believed: nine steps, in this order.
 *
 *   0  the layout (attest/quote.h)
 *   1  the attestation key signed quote[0..E); the vendor id is the root's
 *   2  the quoting enclave's report_data is SHA-256(attestation key ‖ auth data) ‖ 32 zeros
 *   3  the PCK leaf signed the quoting enclave's report
 *   4  the PCK chain ends at the pinned root key; dates; both revocation lists, their dates too
 *   5  TCB info and enclave identity: signatures over their raw bytes, ids, dates; the enclave is
 * it 6  FMSPC and PCEID of the platform are those of the TCB info 7  the TCB level 8  the TDX
 * module, the enclave's level, and what follows from all 9  the policy
 *
 * The root is a parameter, so that simulated evidence takes the same way; see docs/tee.md.
 */
#ifndef PBTS_ATTEST_VERIFY_H
#define PBTS_ATTEST_VERIFY_H

#include "attest/collateral.h"
#include "attest/policy.h"
#include "attest/tcb.h"

enum { PBTS_ROOT_KEY_LEN = 32 };

/* Who is believed. */
typedef struct {
    uint8_t key_hash[PBTS_ROOT_KEY_LEN]; /* SHA-256 of the root's SubjectPublicKeyInfo */
    uint8_t vendor_id[PBTS_QUOTE_VENDOR_LEN];
} pbts_attest_root;

/* The key of the "Intel SGX Root CA" certificate with SHA-256 44a0196b…74d3, and Intel's id. */
extern const pbts_attest_root PBTS_ATTEST_INTEL;

typedef struct {
    pbts_attest_reason reason; /* ACCEPTED, or the first check that failed */
    bool has_quote;            /* step 0 passed: `quote` is there */
    pbts_quote quote;          /* spans into the bytes given; to be believed only when ACCEPTED */
    bool has_tcb;              /* steps 1 to 8 passed: what follows is there */
    pbts_pck pck;
    pbts_tcb_status status, platform, tdx_module, qe;
    uint32_t evaluation; /* the lower tcbEvaluationDataNumber of the two */
    char advisories[PBTS_ADVISORIES_MAX][PBTS_ADVISORY_LEN_MAX + 1];
    size_t advisories_len;
    uint64_t valid_from_s, valid_to_s; /* when this evidence and collateral pass, by their dates */
} pbts_attest_verdict;

/* `out` is always written. The status of `out->reason`: PBTS_OK when everything passed, else
 * PBTS_MALFORMED, PBTS_LIMIT, PBTS_BAD_SIGNATURE, PBTS_STALE, PBTS_DENIED or PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_attest_verify(pbts_attest_verdict *out, pbts_span quote,
                                             pbts_collateral *collateral,
                                             const pbts_attest_root *root,
                                             const pbts_attest_policy *policy, uint64_t now_s);

#endif
