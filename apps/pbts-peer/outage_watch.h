/* outage_watch.h - how the program finds out whether its tracker is there (outage.h): by announces,
 * and by a probe when there is a sign that it is not. */
#ifndef PBTS_PEER_OUTAGE_WATCH_H
#define PBTS_PEER_OUTAGE_WATCH_H

#include "share.h"

enum { OUTAGE_PROBE_TIMEOUT_MS = 5000 };

/* An announce ended. */
void outage_watch_announced(share *s, const announce_result *result);
/* Something that the tracker should have answered was not. */
void outage_watch_suspect(engine *e);
/* Ask it, when that is due; whether others miss it. */
void outage_watch_tick(engine *e);

#endif
