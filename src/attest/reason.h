/* attest/reason.h - why evidence of a TEE was refused: one word and one sentence for each check.
 *
 * A check belongs to one of nine steps, which are made in this order and end at the first failure;
 * docs/tee.md says what each of them is good for. Step 0 is the layout, before any cryptography.
 */
#ifndef PBTS_ATTEST_REASON_H
#define PBTS_ATTEST_REASON_H

#include "pbts/status.h"

/* clang-format off */
/*    name                step status         word                      sentence */
#define PBTS_ATTEST_REASON_MAP(X)                                                                  \
    X(ACCEPTED,              0, OK,            "accepted",               "every check passed")     \
    X(OUT_OF_MEMORY,         0, NO_MEMORY,     "out-of-memory",          "there was no memory for the checks") \
    X(QUOTE_LIMIT,           0, LIMIT,         "quote-limit",            "the quote is longer than any quote is") \
    X(QUOTE_VERSION,         0, MALFORMED,     "quote-version",          "the quote's version is neither 4 nor 5") \
    X(QUOTE_KEY_TYPE,        0, MALFORMED,     "quote-key-type",         "the quote's attestation key is not of the kind ECDSA P-256") \
    X(QUOTE_TEE_TYPE,        0, MALFORMED,     "quote-tee-type",         "the quote is not one of a TDX guest") \
    X(QUOTE_LAYOUT,          0, MALFORMED,     "quote-layout",           "the quote's lengths and types do not fit each other") \
    X(QUOTE_SIGNATURE,       1, BAD_SIGNATURE, "quote-signature",        "the attestation key did not sign the quote") \
    X(QUOTE_VENDOR,          1, DENIED,        "quote-vendor",           "the quoting enclave's vendor is not the one of this root") \
    X(KEY_BINDING,           2, BAD_SIGNATURE, "key-binding",            "the quoting enclave's report does not name the attestation key") \
    X(PCK_FORMAT,            3, MALFORMED,     "pck-format",             "the quote's certificates cannot be read") \
    X(QE_SIGNATURE,          3, BAD_SIGNATURE, "qe-signature",           "the platform's key did not sign the quoting enclave's report") \
    X(ROOT_KEY,              4, DENIED,        "root-key",               "the certificates end at a key that is not the pinned root key") \
    X(PCK_CHAIN,             4, BAD_SIGNATURE, "pck-chain",              "the platform's certificates do not follow from each other") \
    X(PCK_DATE,              4, STALE,         "pck-date",               "a certificate of the platform is not valid at this time") \
    X(ROOT_CRL,              4, BAD_SIGNATURE, "root-crl",               "the root's revocation list is unreadable or not signed by the root key") \
    X(ROOT_CRL_DATE,         4, STALE,         "root-crl-date",          "the root's revocation list is not of this time") \
    X(PCK_CRL,               4, BAD_SIGNATURE, "pck-crl",                "the platform CA's revocation list is unreadable or not signed by that CA") \
    X(PCK_CRL_DATE,          4, STALE,         "pck-crl-date",           "the platform CA's revocation list is not of this time") \
    X(PCK_REVOKED,           4, DENIED,        "pck-revoked",            "a certificate of the platform is revoked") \
    X(TCB_CHAIN,             5, BAD_SIGNATURE, "tcb-chain",              "the certificates for TCB information are unreadable or do not follow from each other") \
    X(TCB_ROOT_KEY,          5, DENIED,        "tcb-root-key",           "the certificates for TCB information end at a key that is not the pinned root key") \
    X(TCB_CHAIN_DATE,        5, STALE,         "tcb-chain-date",         "a certificate for TCB information is not valid at this time") \
    X(TCB_CHAIN_REVOKED,     5, DENIED,        "tcb-chain-revoked",      "the certificate for TCB information is revoked") \
    X(TCB_SIGNER,            5, DENIED,        "tcb-signer",             "the certificate is not one for TCB information") \
    X(TCB_INFO_SIGNATURE,    5, BAD_SIGNATURE, "tcb-info-signature",     "the TCB information's signature does not verify") \
    X(TCB_INFO_FORMAT,       5, MALFORMED,     "tcb-info-format",        "the TCB information cannot be read") \
    X(TCB_INFO_ID,           5, DENIED,        "tcb-info-id",            "the TCB information is not one for TDX, version 3") \
    X(TCB_INFO_DATE,         5, STALE,         "tcb-info-date",          "the TCB information is not of this time") \
    X(QE_IDENTITY_SIGNATURE, 5, BAD_SIGNATURE, "qe-identity-signature",  "the quoting enclave identity's signature does not verify") \
    X(QE_IDENTITY_FORMAT,    5, MALFORMED,     "qe-identity-format",     "the quoting enclave's identity cannot be read") \
    X(QE_IDENTITY_ID,        5, DENIED,        "qe-identity-id",         "the identity is not one of the TD quoting enclave, version 2") \
    X(QE_IDENTITY_DATE,      5, STALE,         "qe-identity-date",       "the quoting enclave's identity is not of this time") \
    X(QE_MISMATCH,           5, DENIED,        "qe-mismatch",            "the quoting enclave is not the one of the identity") \
    X(PCK_EXTENSION,         6, MALFORMED,     "pck-extension",          "the platform's certificate does not say what the platform is") \
    X(FMSPC_MISMATCH,        6, DENIED,        "fmspc-mismatch",         "the TCB information is for other processors (FMSPC)") \
    X(PCEID_MISMATCH,        6, DENIED,        "pceid-mismatch",         "the TCB information is for another provisioning enclave (PCEID)") \
    X(TCB_NOT_SUPPORTED,     7, DENIED,        "tcb-not-supported",      "the platform is below every TCB level that is known") \
    X(MODULE_MISMATCH,       8, DENIED,        "module-mismatch",        "the TDX module is not one of those that are known") \
    X(MODULE_NOT_SUPPORTED,  8, DENIED,        "module-not-supported",   "the TDX module is below every level that is known") \
    X(QE_NOT_SUPPORTED,      8, DENIED,        "qe-not-supported",       "the quoting enclave is below every level that is known") \
    X(POLICY_DEBUG,          9, DENIED,        "debug",                  "the guest can be debugged from outside") \
    X(POLICY_RESERVED,       9, DENIED,        "attributes-reserved",    "reserved bits of the guest's attributes are set") \
    X(POLICY_SEPT_VE,        9, DENIED,        "sept-ve",                "the host can make the guest fault on its own pages (SEPT_VE_DISABLE is not set)") \
    X(POLICY_ATTRIBUTES,     9, DENIED,        "attributes",             "the guest has attributes that the policy does not allow") \
    X(POLICY_XFAM,           9, DENIED,        "xfam",                   "the guest's processor features are not those of the policy") \
    X(POLICY_SEAM_SIGNER,    9, DENIED,        "seam-signer",            "the TDX module is signed by somebody else than Intel") \
    X(POLICY_SEAM_ATTRIBUTES,9, DENIED,        "seam-attributes",        "the TDX module has attributes") \
    X(POLICY_SERVICE_TD,     9, DENIED,        "service-td",             "a service TD is bound to the guest that the policy does not name") \
    X(POLICY_CONFIG_ID,      9, DENIED,        "config-id",              "the guest's MRCONFIGID is not one of the policy") \
    X(POLICY_OWNER,          9, DENIED,        "owner",                  "the guest's MROWNER is not one of the policy") \
    X(POLICY_OWNER_CONFIG,   9, DENIED,        "owner-config",           "the guest's MROWNERCONFIG is not one of the policy") \
    X(POLICY_MEASUREMENT,    9, DENIED,        "measurement",            "what was started is not on the policy's list") \
    X(POLICY_TCB_STATUS,     9, DENIED,        "tcb-status",             "the policy does not accept this TCB status") \
    X(POLICY_TCB_EVALUATION, 9, DENIED,        "tcb-evaluation",         "the TCB information is older than the policy wants (tcbEvaluationDataNumber)") \
    X(POLICY_REPORT_DATA,    9, DENIED,        "report-data",            "the quote was made for something else (report_data)")
/* clang-format on */

typedef enum {
#define X(name, step, status, word, sentence) PBTS_ATTEST_##name,
    PBTS_ATTEST_REASON_MAP(X)
#undef X
        PBTS_ATTEST_REASON_COUNT
} pbts_attest_reason;

const char *pbts_attest_reason_word(pbts_attest_reason reason);     /* "root-key"; static */
const char *pbts_attest_reason_sentence(pbts_attest_reason reason); /* no full stop; static */
int pbts_attest_reason_step(pbts_attest_reason reason);             /* 0 to 9 */
/* PBTS_OK for ACCEPTED and for nothing else. */
pbts_status pbts_attest_reason_status(pbts_attest_reason reason);

#endif
