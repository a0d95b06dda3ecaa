/* tee_collateral.h - what Intel says of platforms, from the files in tee_collateral. */
#ifndef PBTS_TRACKER_TEE_COLLATERAL_H
#define PBTS_TRACKER_TEE_COLLATERAL_H

#include "app.h"
#include "attest/collateral.h"

/* Otherwise said in the log: PBTS_CORRUPT; PBTS_NO_MEMORY. Owner: the caller, tee_collateral_free,
 * which is right after a failure too. */
PBTS_MUST_USE pbts_status tee_collateral_read(struct app *app, pbts_collateral_files *out);
void tee_collateral_free(pbts_collateral_files *files);

#endif
