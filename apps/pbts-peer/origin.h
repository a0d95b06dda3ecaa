/* origin.h - the part of a URL that says whose it is: "https://host:port". */
#ifndef PBTS_PEER_ORIGIN_H
#define PBTS_PEER_ORIGIN_H

#include "base/cursor.h"

/* Of an http or https URL; empty for anything else, and for a URL that holds a name and password.
 * Borrowed from the URL. */
pbts_span origin_of(pbts_span url);

#endif
