/* attest/snp.h - AMD SEV-SNP attestation reports, as a second kind of evidence: the VCEK signed the
 * report, the ASK the VCEK, the ASK's generation's pinned ARK the ASK.
 *
 * Little-endian, 1184 bytes, of which [0, 0x2a0) are signed:
 *
 *   0x000 version u32 (2, 3, 5)   0x030 VMPL u32                0x050 report_data 64
 *   0x004 guest SVN u32           0x034 signature kind u32 (1)  0x090 measurement 48
 *   0x008 policy u64              0x038 current TCB u64         0x0c0 host data 32
 *   0x010 family id 16            0x040 platform info u64       0x180 reported TCB u64
 *   0x020 image id 16             0x048 signer u32              0x1a0 chip id 64
 *   from version 3 on: 0x188 family u8, 0x189 model u8 of the processor, as CPUID has them
 *   from version 5 on: 0x1f8, 0x200 mitigations u64, at launch and now
 *   0x2a0 signature: r 72, s 72, both little-endian; zeros to the end
 *
 * A TCB is, from its lowest byte: boot loader, TEE, 4 reserved, SNP firmware, microcode on Milan
 * and Genoa; FMC, boot loader, TEE, SNP firmware, 3 reserved, microcode on Turin. Turin's chip id
 * has 8 bytes, then zeros. Other generations are refused: nobody here knows their root or layout.
 * Source: AMD SEV-SNP Firmware ABI 1.58, tables 3, 4 and 23; AMD VCEK Certificate and KDS Interface
 * 1.00.
 */
#ifndef PBTS_ATTEST_SNP_H
#define PBTS_ATTEST_SNP_H

#include "attest/policy.h"
#include "attest/verify.h"

enum { PBTS_SNP_REPORT_LEN = 1184, PBTS_SNP_CHIP_ID_LEN = 64 };

typedef enum {
    PBTS_SNP_MILAN,
    PBTS_SNP_GENOA, /* and Bergamo and Siena */
    PBTS_SNP_TURIN,
    PBTS_SNP_GENERATIONS
} pbts_snp_generation;

/* Who is believed: SHA-256 of the SubjectPublicKeyInfo of each generation's root, its ARK. */
typedef struct {
    uint8_t key_hash[PBTS_SNP_GENERATIONS][PBTS_ROOT_KEY_LEN];
} pbts_snp_roots;

/* The keys of AMD's certificates "ARK-Milan", "ARK-Genoa" and "ARK-Turin". */
extern const pbts_snp_roots PBTS_SNP_AMD;

/* clang-format off */
#define PBTS_SNP_REASON_MAP(X)                                                                     \
    X(ACCEPTED,      OK,            "accepted",          "every check passed")                     \
    X(LAYOUT,        MALFORMED,     "snp-layout",        "the report is not one of 1184 bytes, version 2, 3 or 5, signed with ECDSA P-384") \
    X(CERTIFICATES,  MALFORMED,     "snp-certificates",  "the certificates cannot be read")        \
    X(SIGNATURE,     BAD_SIGNATURE, "snp-signature",     "the chip's key did not sign the report") \
    X(GENERATION,    DENIED,        "snp-generation",    "the chip's certificate is not one of Milan, Genoa or Turin, or the report is from a processor of another generation") \
    X(ROOT_KEY,      DENIED,        "snp-root-key",      "the certificates end at a key that is not the generation's pinned root key") \
    X(CHAIN,         BAD_SIGNATURE, "snp-chain",         "the certificates do not follow from each other") \
    X(DATE,          STALE,         "snp-date",          "a certificate is not valid at this time") \
    X(EXTENSIONS,    MALFORMED,     "snp-extensions",    "the chip's certificate does not say what the chip is") \
    X(CHIP,          DENIED,        "snp-chip",          "the report is of another chip than the certificate") \
    X(TCB,           DENIED,        "snp-tcb",           "the report's firmware versions are not those of the certificate") \
    X(DEBUG,         DENIED,        "snp-debug",         "the guest can be debugged from outside") \
    X(MIGRATION,     DENIED,        "snp-migration",     "a migration agent may be bound to the guest") \
    X(VMPL,          DENIED,        "snp-vmpl",          "the report is not from the most privileged level")  \
    X(MEASUREMENT,   DENIED,        "snp-measurement",   "what was started is not on the policy's list") \
    X(REPORT_DATA,   DENIED,        "snp-report-data",   "the report was made for something else (report_data)")
/* clang-format on */

typedef enum {
#define X(name, status, word, sentence) PBTS_SNP_##name,
    PBTS_SNP_REASON_MAP(X)
#undef X
        PBTS_SNP_REASON_COUNT
} pbts_snp_reason;

const char *pbts_snp_reason_word(pbts_snp_reason reason);     /* static */
const char *pbts_snp_reason_sentence(pbts_snp_reason reason); /* static */
pbts_status pbts_snp_reason_status(pbts_snp_reason reason);

/* What a firmware stack is of, component by component. */
typedef struct {
    uint8_t fmc; /* 0 before Turin */
    uint8_t boot_loader, tee, snp, microcode;
} pbts_snp_tcb;

typedef struct {
    uint32_t version, vmpl;
    uint64_t guest_policy;
    pbts_snp_generation generation;
    pbts_snp_tcb reported_tcb;
    uint64_t mitigations_at_launch, mitigations_now; /* 0 before version 5 */
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    uint8_t measurement[PBTS_MEASUREMENT_LEN];
    uint8_t host_data[32];
    uint8_t chip_id[PBTS_SNP_CHIP_ID_LEN];
} pbts_snp_report;

/* From the chip's owner or AMD's key server. */
typedef struct {
    pbts_span vcek_der;
    pbts_span ask_ark_pem; /* the ASK, the ARK */
} pbts_snp_certificates;

/* The report's signature, then its chain to the generation's root, then what it says of chip and
 * TCB, then the policy: allow_debug, snp_measurement, report_data. `out` is written on PBTS_OK,
 * `reason` always; the result is its status, or PBTS_NO_MEMORY. Revocation lists are not looked at:
 * AMD has none for VCEKs. No TCB is too old: who asks looks at `reported_tcb`, which is proved. */
PBTS_MUST_USE pbts_status pbts_snp_verify(pbts_snp_report *out, pbts_snp_reason *reason,
                                          pbts_span report,
                                          const pbts_snp_certificates *certificates,
                                          const pbts_snp_roots *roots,
                                          const pbts_attest_policy *policy, uint64_t now_s);

#endif
