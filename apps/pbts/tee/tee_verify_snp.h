/* tee_verify_snp.h - `pbts tee verify` of a SEV-SNP report, which is told by its length. */
#ifndef PBTS_APPS_TEE_VERIFY_SNP_H
#define PBTS_APPS_TEE_VERIFY_SNP_H

#include "attest/snp.h"

/* With vcek.der and ask_ark.pem of the folder, as AMD's key server sends them. An exit code; says
 * what it found, or why it is refused. */
int tee_verify_snp(pbts_span report, const char *folder, const pbts_attest_policy *policy,
                   uint64_t now_s, bool json);

#endif
