/* dht_node.h - the program's node of its instance's DHT: its sockets, what it shows of itself, the
 * file of nodes that it knew, and operations for whoever asks.
 *
 * One for all torrents. It begins once there are a tracker key, a membership and a beacon
 * (home.h); until then it remembers addresses. It stores and answers for others from then on,
 * whether the tracker is there or not, so that there is a DHT on the day it is needed. What is
 * asked of it, and when, is share_dht.c's business. Source: paper section 4.3, src/dht.
 */
#ifndef PBTS_PEER_DHT_NODE_H
#define PBTS_PEER_DHT_NODE_H

#include <jansson.h>

#include "dht/dht.h"
#include "engine.h"

enum {
    DHT_NODE_SAVE_MS = 10 * 60 * 1000, /* the file of known nodes, when it changed */
    DHT_NODE_RETRY_MS = 60 * 1000,     /* a certificate that could not be made */
    DHT_NODE_RECEIVE_MAX = 64,         /* datagrams of one wake-up */
    DHT_NODE_NAMES_MAX = 16,           /* of --dht-bootstrap */
    DHT_NODE_ADDRESS_MS = 10 * 1000,   /* others have it told by then, or it is said that not */
};

/* Takes its sockets on the engine's port. An exit code; PBTS_EXIT_OK also when there is no UDP to
 * be had: then there is no DHT, which is said. */
int dht_node_new(dht_node **out, engine *e);
/* Close the sockets, write the file; the loop has to run once before it is freed. */
void dht_node_close(dht_node *n); /* NULL is a no-op, in all of these */
void dht_node_free(dht_node *n);
void dht_node_tick(dht_node *n);

/* Where another one may be: a peer's address is its node's. `named`: by the tracker, a .torrent or
 * the user; that is worth remembering before it answered. */
void dht_node_meet(dht_node *n, const pbts_addr *addr, bool named);

/* `found` may be NULL. `end` NULL: it could not be finished. */
typedef struct {
    void (*found)(void *host, const pbts_dht_record *record);
    void (*ended)(void *host, const pbts_dht_event *end);
    void *host;
} dht_task;

bool dht_node_is_joined(const dht_node *n); /* it has neighbours */
/* How often others asked it for peers: nobody does while the tracker answers him. */
uint64_t dht_node_gets(const dht_node *n);
/* Peers under a key. False: not now. */
bool dht_node_get(dht_node *n, const pbts_dht_id *key, const dht_task *task);
/* That we are a peer under this key, or (stopped) that we are not any more. False: not now, or our
 * address is not known yet, or who may only seed does not. */
bool dht_node_announce(dht_node *n, const pbts_dht_id *key, bool stopped, bool seeder,
                       const dht_task *task);
/* This host's tasks end without a word. */
void dht_node_forget(dht_node *n, const void *host);

/* Figures; null without a node. */
json_t *dht_node_json(const dht_node *n);
/* "42 nodes", "waits for a membership": for a line of text; valid until the next call. */
const char *dht_node_text(const dht_node *n);

/* ---- dht_cache.c: addresses to begin with ---- */

/* What the file and the user name. */
void dht_cache_load(dht_node *n);
/* Those that a .torrent names. */
void dht_cache_meet(dht_node *n, pbts_span torrent);
void dht_cache_tick(dht_node *n);
void dht_cache_save(dht_node *n);

#endif
