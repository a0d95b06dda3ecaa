/* tee_verifier.h - what evidence is verified with: root, collateral, policy. Private to tee/. Used
 * under a lock. */
#ifndef PBTS_TRACKER_TEE_VERIFIER_H
#define PBTS_TRACKER_TEE_VERIFIER_H

#include "attest/simulator.h"
#include "tee_service.h"

struct tee_verifier {
    const pbts_attest_root *root;
    pbts_simulator *simulator; /* its collateral ages, and is made again; NULL: files */
    uint64_t simulated_s;      /* when it was made */
    pbts_collateral *collateral;
    pbts_attest_policy policy;
};

/* From the configuration: PBTS_OK, also with nothing configured (`collateral` NULL). Otherwise said
 * in the log: PBTS_CORRUPT, PBTS_NO_MEMORY. `out` is all zeros before. */
PBTS_MUST_USE pbts_status tee_verifier_open(struct tee_verifier *out, struct app *app);
void tee_verifier_close(struct tee_verifier *verifier);
/* Make the simulator's collateral anew when it is a day old. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status tee_verifier_refresh(struct tee_verifier *verifier, uint64_t now_s);

#endif
