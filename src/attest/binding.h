/* attest/binding.h - what a tracker's evidence says beside what runs: for which instance, whose
 * ledger, which key, and that it is fresh.
 *
 *   report_data = SHA-512("pbts-tracker-v1" ‖ iid 32 ‖ owner 20 ‖ tracker key 96 ‖ nonce 32)
 *
 * Every part has a fixed length, so no two bindings have the same bytes. `owner` is the Ethereum
 * address that may write to the contract, zeros where there is no contract. The nonce is the
 * verifier's; evidence with a nonce that somebody else chose may be old.
 *
 * Source: paper sections 3 (Def. 3.3) and 4.1; docs/tee.md.
 */
#ifndef PBTS_ATTEST_BINDING_H
#define PBTS_ATTEST_BINDING_H

#include "attest/quote.h"

enum {
    PBTS_BINDING_IID_LEN = 32,
    PBTS_BINDING_OWNER_LEN = 20,
    PBTS_BINDING_KEY_LEN = 96, /* BLS12-381 public key in G2, compressed */
    PBTS_BINDING_NONCE_LEN = 32,
};

typedef struct {
    uint8_t iid[PBTS_BINDING_IID_LEN];
    uint8_t owner[PBTS_BINDING_OWNER_LEN];
    uint8_t tracker_key[PBTS_BINDING_KEY_LEN];
    uint8_t nonce[PBTS_BINDING_NONCE_LEN];
} pbts_binding;

void pbts_binding_report_data(uint8_t out[static PBTS_REPORT_DATA_LEN],
                              const pbts_binding *binding);

/* The report_data of a TDX quote or, when `bytes` have its length, of a SEV-SNP report; nothing is
 * verified. PBTS_MALFORMED: neither. */
PBTS_MUST_USE pbts_status pbts_evidence_report_data(uint8_t out[static PBTS_REPORT_DATA_LEN],
                                                    pbts_span bytes);

#endif
