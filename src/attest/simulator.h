/* attest/simulator.h - evidence that looks like a TDX guest's and proves nothing, so that all that
 * handles evidence can run where there is no TEE.
 *
 * Its platform has a root of its own, whose private key is SHA-256 of a sentence in this source, as
 * all its keys are: anybody can make such evidence. A real verifier refuses it three times over: by
 * the vendor id (step 1), by the root key (step 4), and because the guest says that it can be
 * debugged (step 9). It is good only under PBTS_ATTEST_SIMULATOR, with a policy that allows DEBUG;
 * and whoever passes that root must have been told to, by name.
 *
 * The quote is of version 4. Collateral is valid from a day before `now_s` to 30 days after.
 */
#ifndef PBTS_ATTEST_SIMULATOR_H
#define PBTS_ATTEST_SIMULATOR_H

#include "attest/verify.h"
#include "base/writer.h"

enum { PBTS_SIMULATOR_QUOTE_MAX = 8 * 1024, PBTS_SIMULATOR_DAYS = 30 };

/* The root of the simulator. */
extern const pbts_attest_root PBTS_ATTEST_SIMULATOR;

/* A platform and its collateral. Used by one thread at a time. */
typedef struct pbts_simulator pbts_simulator;

/* PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_simulator_new(pbts_simulator **out, pbts_mem *mem, uint64_t now_s);
void pbts_simulator_free(pbts_simulator *simulator); /* NULL is allowed */

/* Append a quote. PBTS_NO_SPACE, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status
pbts_simulator_quote(pbts_writer *out, const pbts_simulator *simulator,
                     const uint8_t report_data[static PBTS_REPORT_DATA_LEN]);
/* Its collateral; borrowed. */
void pbts_simulator_collateral(pbts_collateral_files *out, const pbts_simulator *simulator);
/* The policy that accepts its guest and no other; one of a real verifier never does. */
void pbts_simulator_policy(pbts_attest_policy *out);

#endif
