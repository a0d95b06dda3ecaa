/* attest/tcb_info.h - what Intel says of platforms and of the quoting enclave: TCB info version 3
 * and enclave identity version 2, as values.
 *
 * To be read only from bytes whose signature was checked. Source: Intel SGX and TDX Provisioning
 * Certification Service API, version 4, "Get TDX TCB Info" and "Get TD QE Identity".
 */
#ifndef PBTS_ATTEST_TCB_INFO_H
#define PBTS_ATTEST_TCB_INFO_H

#include "attest/pck.h"

struct json_t;

enum {
    PBTS_COLLATERAL_JSON_MAX = 256 * 1024, /* real ones have 5 KiB */
    PBTS_TCB_LEVELS_MAX = 64,
    PBTS_TCB_MODULES_MAX = 16,
    PBTS_TCB_MODULE_LEVELS_MAX = 32,
    PBTS_QE_LEVELS_MAX = 32,
    PBTS_ADVISORIES_MAX = 64, /* of one level, and of a verdict */
    PBTS_ADVISORY_LEN_MAX = 31,
};

/* clang-format off */
/*    name                                   as Intel writes it */
#define PBTS_TCB_STATUS_MAP(X)                                                                  \
    X(UP_TO_DATE,                             "UpToDate")                                       \
    X(SW_HARDENING_NEEDED,                    "SWHardeningNeeded")                              \
    X(CONFIGURATION_NEEDED,                   "ConfigurationNeeded")                            \
    X(CONFIGURATION_AND_SW_HARDENING_NEEDED,  "ConfigurationAndSWHardeningNeeded")              \
    X(OUT_OF_DATE,                            "OutOfDate")                                      \
    X(OUT_OF_DATE_CONFIGURATION_NEEDED,       "OutOfDateConfigurationNeeded")                   \
    X(REVOKED,                                "Revoked")                                        \
    X(TD_RELAUNCH_ADVISED,                    "TDRelaunchAdvised")                              \
    X(TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED, "TDRelaunchAdvisedConfigurationNeeded")
/* clang-format on */

/* The last two are never in a level; evaluation gives them. */
typedef enum {
#define X(name, text) PBTS_TCB_##name,
    PBTS_TCB_STATUS_MAP(X)
#undef X
        PBTS_TCB_STATUS_COUNT
} pbts_tcb_status;

const char *pbts_tcb_status_text(pbts_tcb_status status); /* "UpToDate"; static */
/* PBTS_NOT_FOUND. */
PBTS_MUST_USE pbts_status pbts_tcb_status_parse(pbts_tcb_status *out, pbts_span text);

/* One level of a platform, of a TDX module or of the quoting enclave. */
typedef struct {
    uint16_t sgx_svn[PBTS_TCB_COMPONENTS]; /* platforms only, as the next two */
    uint16_t tdx_svn[PBTS_TCB_COMPONENTS];
    uint16_t pcesvn;
    uint16_t isv_svn; /* modules and enclaves only */
    pbts_tcb_status status;
    const struct json_t *advisories; /* a list, in the tree; NULL: none */
} pbts_tcb_level;

typedef struct {
    uint8_t mrsigner[PBTS_MEASUREMENT_LEN];
    uint64_t attributes, attributes_mask;
    uint8_t version; /* tee_tcb_svn[1]; 0: the module of version 0, which has no levels */
    pbts_tcb_level levels[PBTS_TCB_MODULE_LEVELS_MAX]; /* by isv_svn, highest first */
    size_t levels_len;
} pbts_tdx_module;

typedef struct {
    uint64_t issued_s, next_s; /* unix */
    uint8_t fmspc[PBTS_FMSPC_LEN];
    uint8_t pceid[PBTS_PCEID_LEN];
    uint32_t evaluation; /* tcbEvaluationDataNumber */
    pbts_tdx_module module_0;
    pbts_tdx_module modules[PBTS_TCB_MODULES_MAX];
    size_t modules_len;
    pbts_tcb_level
        levels[PBTS_TCB_LEVELS_MAX]; /* sorted as pbts_tcb_level_compare, highest first */
    size_t levels_len;
    struct json_t *tree; /* owned */
} pbts_tcb_info;

typedef struct {
    uint64_t issued_s, next_s;
    uint32_t evaluation;
    uint32_t miscselect, miscselect_mask;
    uint8_t attributes[16], attributes_mask[16];
    uint8_t mrsigner[32];
    uint16_t isv_prod_id;
    pbts_tcb_level levels[PBTS_QE_LEVELS_MAX]; /* by isv_svn, highest first */
    size_t levels_len;
    struct json_t *tree; /* owned */
} pbts_qe_identity;

/* Both: PBTS_ATTEST_ACCEPTED with `*out`, to be freed; or TCB_INFO_FORMAT, TCB_INFO_ID;
 * QE_IDENTITY_FORMAT, QE_IDENTITY_ID. Dates are not compared with anything here. */
PBTS_MUST_USE pbts_attest_reason pbts_tcb_info_parse(pbts_tcb_info *out, pbts_span json);
PBTS_MUST_USE pbts_attest_reason pbts_qe_identity_parse(pbts_qe_identity *out, pbts_span json);
void pbts_tcb_info_free(pbts_tcb_info *info);
void pbts_qe_identity_free(pbts_qe_identity *identity);

/* Order of platform levels: SGX components, then TDX components, then PCESVN; > 0 when `a` is the
 * higher one. */
int pbts_tcb_level_compare(const pbts_tcb_level *a, const pbts_tcb_level *b);

#endif
