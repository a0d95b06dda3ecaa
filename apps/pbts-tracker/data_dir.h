/* data_dir.h - the directory where a tracker lives: store/, tracker.key, admin.token. */
#ifndef PBTS_TRACKER_DATA_DIR_H
#define PBTS_TRACKER_DATA_DIR_H

#include "app.h"

/* Make the directory (0700) and store/ when missing, open the store and the instance; at the first
 * start make key, token and ledger. Reasons are logged. The tracker then owns the key.
 * PBTS_CORRUPT: a person has to put something right (a key that is missing or another's, damaged
 * data); starting again will not help. Everything else may pass by itself. */
PBTS_MUST_USE pbts_status data_dir_open(struct app *app);
void data_dir_close(struct app *app);

#endif
