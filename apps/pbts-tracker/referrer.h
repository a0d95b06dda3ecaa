/* referrer.h - the first start: a new instance, and what it takes over from its predecessor. */
#ifndef PBTS_TRACKER_REFERRER_H
#define PBTS_TRACKER_REFERRER_H

#include "app.h"

/* Set up a new instance in the empty store. With config.referrer, its whole ledger export is
 * checked entry by entry and its accounts are put beside, and with config.referrer_claims what it
 * had counted, all in one transaction; a file that fails leaves the store empty. Reasons are
 * logged. */
PBTS_MUST_USE pbts_status referrer_setup(struct app *app, const pbts_tracker_config *config);

#endif
