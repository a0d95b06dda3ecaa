/* attest/policy.h - what a verifier demands of a guest beyond that its evidence is genuine: step 9.
 *
 * As a file: lines `key = value`; '#' begins a comment; a key that is not repeatable stands once.
 * Hexadecimal digits are those of the bytes in the quote, in their order.
 *
 *   accept                 TCB statuses, with blanks; default UpToDate. Not Revoked
 *   measurement            repeatable: MRTD and RTMR0 to RTMR3, each 96 digits or `any`; one of
 *                          the lines must fit, without any line nothing fits
 *   mrseam                 repeatable: 96 digits; default any: its level is looked at anyway
 *   mrconfigid, mrowner, mrownerconfig, mrservicetd
 *                          repeatable: 96 digits or `any`; default zeros
 *   report_data            128 digits; default any
 *   tcb_evaluation_min     lowest tcbEvaluationDataNumber; default 0
 *   td_attributes_allowed  16 digits: bits that may be set; default SEPT_VE_DISABLE
 *   xfam_allowed           16 digits; default what the TDX module can offer
 *   allow_debug, allow_sept_ve
 *                          yes or no
 *   snp_measurement        repeatable, 96 digits or `any`: launch digests of SEV-SNP
 *
 * Source: Intel TDX Module Base Architecture Specification (ATTRIBUTES, XFAM).
 */
#ifndef PBTS_ATTEST_POLICY_H
#define PBTS_ATTEST_POLICY_H

#include "attest/tcb_info.h"

enum {
    PBTS_POLICY_LEN_MAX = 64 * 1024,
    PBTS_POLICY_MEASUREMENTS_MAX = 64,
    PBTS_POLICY_VALUES_MAX = 16,
    PBTS_POLICY_REGISTERS = 1 + PBTS_RTMR_COUNT,
};

#define PBTS_TD_DEBUG (UINT64_C(1) << 0)
#define PBTS_TD_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define PBTS_TD_MIGRATABLE (UINT64_C(1) << 29)
#define PBTS_TD_PKS (UINT64_C(1) << 30)
#define PBTS_TD_KEY_LOCKER (UINT64_C(1) << 31)
#define PBTS_TD_PERFMON (UINT64_C(1) << 63)
/* The bits that have a meaning; no policy allows others. */
#define PBTS_TD_KNOWN                                                             \
    (PBTS_TD_DEBUG | PBTS_TD_SEPT_VE_DISABLE | PBTS_TD_MIGRATABLE | PBTS_TD_PKS | \
     PBTS_TD_KEY_LOCKER | PBTS_TD_PERFMON)
#define PBTS_XFAM_REQUIRED UINT64_C(0x3)    /* x87 and SSE are always there */
#define PBTS_XFAM_OFFERED UINT64_C(0x6dbe7) /* what the TDX module lets a guest use */

typedef struct {
    uint8_t bytes[PBTS_MEASUREMENT_LEN];
} pbts_measurement;

/* MRTD, RTMR0 to RTMR3 that belong together. */
typedef struct {
    bool any[PBTS_POLICY_REGISTERS];
    pbts_measurement registers[PBTS_POLICY_REGISTERS];
} pbts_attest_policy_measurement;

/* One of these values. Empty and not `any`: none fits. */
typedef struct {
    bool any;
    size_t len;
    pbts_measurement values[PBTS_POLICY_VALUES_MAX];
} pbts_attest_policy_values;

typedef struct {
    uint32_t accepted; /* bit n: pbts_tcb_status n */
    pbts_attest_policy_measurement measurements[PBTS_POLICY_MEASUREMENTS_MAX];
    size_t measurements_len;
    pbts_attest_policy_values mrseam, mrconfigid, mrowner, mrownerconfig, mrservicetd,
        snp_measurement;
    bool has_report_data;
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    uint32_t tcb_evaluation_min;
    uint64_t td_attributes_allowed, xfam_allowed;
    bool allow_debug, allow_sept_ve;
} pbts_attest_policy;

/* The defaults. They accept no measurement. */
void pbts_attest_policy_init(pbts_attest_policy *out);
/* Where a policy's text is wrong. */
typedef struct {
    size_t line;      /* from 1 */
    char key[32];     /* that stands there, its beginning; printable */
    const char *text; /* what is wrong with it, or what it should be; NULL: with no line */
} pbts_policy_mistake;
/* From a file's text; `*mistake` is set when it fails. PBTS_MALFORMED, PBTS_LIMIT, PBTS_NOT_FOUND
 * (no such key), PBTS_EXISTS (the key stands twice). */
PBTS_MUST_USE pbts_status pbts_attest_policy_parse(pbts_attest_policy *out,
                                                   pbts_policy_mistake *mistake, pbts_span text);
/* Note what is wrong with the key of the line that `*out` is at, for who adds keys to the file;
 * gives the status. */
pbts_status pbts_policy_wrong(pbts_policy_mistake *out, pbts_status status, pbts_span name,
                              const char *text);
/* "line 3: allow_debug:: should be yes or no"; without a line what the status says. */
enum { PBTS_POLICY_MISTAKE_MAX = 256 };
void pbts_policy_mistake_text(char out[static PBTS_POLICY_MISTAKE_MAX],
                              const pbts_policy_mistake *mistake, pbts_status status);

/* Step 9, in the order of the POLICY reasons. `evaluation`: the lower tcbEvaluationDataNumber of
 * TCB info and identity. */
PBTS_MUST_USE pbts_attest_reason pbts_attest_policy_check(const pbts_attest_policy *policy,
                                                          const pbts_td_report *td,
                                                          pbts_tcb_status status,
                                                          uint32_t evaluation);
bool pbts_attest_policy_values_have(const pbts_attest_policy_values *values,
                                    const uint8_t value[static PBTS_MEASUREMENT_LEN]);

#endif
