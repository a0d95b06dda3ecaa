/* status_line.h - how it goes, once a second: a line on a terminal, or a "stats" event in JSON. */
#ifndef PBTS_PEER_STATUS_LINE_H
#define PBTS_PEER_STATUS_LINE_H

#include <jansson.h>

#include "engine.h"

enum { STATUS_EVERY_MS = 1000 };

void status_line_tick(engine *e);
/* The last one, with what was achieved. */
void status_line_end(engine *e);

/* The figures of all torrents together, as "stats" and the control socket give them. */
json_t *status_json(const engine *e);
/* The node of the DHT, and by what peers are found: tracker, dht or both. Null without a node. */
json_t *status_dht_json(const engine *e);

#endif
