/* kms/lineage.h - what a node's operator allows one lineage of trackers: a policy file of
 * attest/policy.h with some lines more.
 *
 *   kms_mode = gate|pinned       default gate
 *   kms_generation_max = N       generations 0 to N have keys; default 0
 *   kms_statement_max_s = N      how far ahead a statement for the chain may expire; default 0
 *   kms_simulated = yes|no       evidence of the simulator is let through; default no
 *
 * With kms_statement_max_s = 0 there are no statements; `allow_debug = yes` is refused: who runs a
 * guest that can be debugged would read its key.
 * An upgrade is a further line `measurement`. With `gate` it gets the key that the one before had.
 */
#ifndef PBTS_KMS_LINEAGE_H
#define PBTS_KMS_LINEAGE_H

#include "attest/policy.h"
#include "base/mem.h"
#include "kms/request.h"

typedef struct {
    pbts_kms_lineage_id id;
    pbts_kms_mode mode;
    uint64_t generation_max;
    uint32_t statement_max_s;
    bool allow_simulated;
    pbts_attest_policy policy;
} pbts_kms_lineage;

/* All but the id; `*mistake` is set when it fails. PBTS_MALFORMED, PBTS_LIMIT, PBTS_NOT_FOUND (no
 * such key), PBTS_EXISTS (the key stands twice), PBTS_DENIED (allow_debug), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_kms_lineage_parse(pbts_kms_lineage *out,
                                                 pbts_policy_mistake *mistake, pbts_mem *mem,
                                                 pbts_span text);

#endif
