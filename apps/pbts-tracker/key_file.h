/* key_file.h - DATA/tracker.key: key_trk as one line of text, for key_source = file. */
#ifndef PBTS_TRACKER_KEY_FILE_H
#define PBTS_TRACKER_KEY_FILE_H

#include "key_source.h"

#define KEY_FILE_NAME "tracker.key"

/* Read it; make one when the store has no ledger yet. PBTS_CORRUPT: it is missing, and a ledger
 * needs it, or it is none. */
key_source_fetch key_file_fetch;

#endif
