/* control.h - the daemon's socket for "pbts peer": one JSON object a line in, one a line out, for
 * the user who runs it alone (mode 0600, and the other end's user is checked).
 *
 *   {"do": "list"}                                 -> {"ok": true, "torrents": [...]}
 *   {"do": "add", "source": S, "dir": D?}          -> {"ok": true, "torrent": infohash}
 *   {"do": "remove", "torrent": infohash}          -> {"ok": true}; the files stay
 *   {"do": "stats", "torrent": infohash?}          -> {"ok": true, "stats": {...}, "peers": [...]}
 *   {"do": "dht"}                                  -> {"ok": true, "dht": {...} or null}
 *   {"do": "dht_lookup", "torrent" or "secret": X} -> {"ok": true, "peers": [...], ...}, later
 *   {"do": "dht_announce", "torrent": infohash}    -> {"ok": true, "stored": nodes, ...}, later
 *   {"do": "stop"}                                 -> {"ok": true}
 *   anything that fails                            -> {"ok": false, "error": sentence}
 *
 * What was added is noted in the state folder (added/<infohash>.json) and is there after a restart.
 */
#ifndef PBTS_PEER_CONTROL_H
#define PBTS_PEER_CONTROL_H

#include "engine.h"

enum { CONTROL_CLIENTS_MAX = 16, CONTROL_LINE_MAX = 64 * 1024 };

/* Add what was added before, and listen; an exit code. */
int control_start(engine *e);
void control_stop(control *c); /* NULL is a no-op; the loop must run on to free it */

#endif
