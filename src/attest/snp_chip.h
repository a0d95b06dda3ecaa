/* attest/snp_chip.h - what a VCEK certificate says of its chip: which generation it is of, and so
 * which AMD root vouches for it, how its firmware versions are laid out, and how long its id is.
 * Private.
 *
 *   1.3.6.1.4.1.3704.1.2    product, IA5String: "Milan-B0", "Genoa", "Turin-C1"
 *   1.3.6.1.4.1.3704.1.3.N  firmware versions, INTEGER: 1 boot loader, 2 TEE, 3 SNP, 8 microcode;
 *                           9 FMC on Turin
 *   1.3.6.1.4.1.3704.1.4    chip id, without a type: 64 bytes; 8 on Turin
 *
 * Source: AMD VCEK Certificate and KDS Interface Specification 1.00, tables 10 and 11.
 */
#ifndef PBTS_ATTEST_SNP_CHIP_H
#define PBTS_ATTEST_SNP_CHIP_H

#include <openssl/x509.h>

#include "attest/snp.h"

/* false: none that is known. By the certificate's product name. */
PBTS_MUST_USE bool pbts_snp_generation_of(pbts_snp_generation *out, const X509 *vcek);

/* Whether a processor is of that generation, by the family and model of CPUID. */
bool pbts_snp_is_cpu_of(pbts_snp_generation generation, uint8_t family, uint8_t model);

/* The eight bytes of a firmware stack in a report, as that generation has them. */
pbts_snp_tcb pbts_snp_tcb_of(pbts_snp_generation generation, const uint8_t bytes[static 8]);

/* What the certificate was made for. `chip_id` is filled up with zeros. false: a part is missing,
 * is there twice, or is no such thing. */
PBTS_MUST_USE bool pbts_snp_chip_read(pbts_snp_tcb *tcb,
                                      uint8_t chip_id[static PBTS_SNP_CHIP_ID_LEN],
                                      pbts_snp_generation generation, const X509 *vcek);

#endif
