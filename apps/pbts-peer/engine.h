/* engine.h - one process sharing torrents: the loop, its sockets and clocks, and what all torrents
 * have in common. Everything here lives on the loop's thread.
 *
 *   sockets -> conn (encryption, framing) -> share (one torrent) -> src/peer session
 *                                              |-> disk: hash, write       announcer -> tracker
 *                                              `-> journal -> reporter -> tracker
 */
#ifndef PBTS_PEER_ENGINE_H
#define PBTS_PEER_ENGINE_H

#include <uv.h>

#include "bucket.h"
#include "disk.h"
#include "home.h"
#include "journal_file.h"
#include "outage.h"
#include "peer/book.h"
#include "peer/session.h"
#include "settings.h"
#include "web.h"

enum {
    ENGINE_RECEIVE_BYTES = 256 * 1024, /* read from a socket at once */
    ENGINE_INPUT_BYTES = PBTS_SESSION_INPUT_MAX + ENGINE_RECEIVE_BYTES,
    /* One gathering of messages and an encrypted block. */
    ENGINE_OUTPUT_BYTES = 4 * PBTS_SESSION_SEND_MAX + 256 * 1024,
    ENGINE_TURN_BYTES = 256 * 1024, /* sent on one connection before others get their turn */
    ENGINE_TICK_MS = 100,
    ENGINE_TICK_LIMITED_MS = 10, /* with a limit on the upload rate */
    ENGINE_DIALS_MAX = 16,       /* under way at once */
    ENGINE_GREETINGS_MAX = 64,   /* incoming ones that have not said which torrent */
    ENGINE_LISTENERS_MAX = 2,
    ENGINE_STOP_MS = 15000, /* for goodbyes, announces and the last report; then the end */
    ENGINE_SHARES_MAX = 1000,
    ENGINE_DHT_STOP_MS = 3000, /* of that, for taking announces back from the DHT */
};

typedef struct engine engine;
typedef struct share share;
typedef struct conn conn;
typedef struct reporter reporter;
typedef struct control control;
typedef struct dht_node dht_node;
typedef struct taken_file taken_file;

typedef struct {
    uv_poll_t poll;
    engine *e;
    int fd;
} listener;

/* Running; then stopping: sessions say goodbye and wait for what is owed to them; then parting:
 * peers hang up; then closing: receipts are reported, trackers told, everything saved; then over.
 */
typedef enum {
    ENGINE_RUNNING,
    ENGINE_STOPPING,
    ENGINE_PARTING,
    ENGINE_CLOSING,
    ENGINE_OVER
} engine_state;

struct engine {
    settings set;
    uv_loop_t loop;
    pbts_moment now; /* of the event that is being worked on */
    engine_state state;
    uint64_t stop_deadline_ms, closing_ms;
    int exit_code;
    uint8_t peer_id[20];
    pbts_prng prng;

    bool has_key;
    keyfile *key; /* in memory of pbts_secret_new */
    pbts_book *book;
    pbts_link_terms terms; /* valid when receipts are formed: has_key and set.receipts */
    home *ours;            /* NULL without a key */
    journal_file *journal; /* NULL when no receipts are formed */
    reporter *reports;     /* likewise */
    taken_file *taken;     /* likewise */
    web *net;
    disk worker;
    dht_node *dht; /* NULL: none */
    outage home_outage;
    web_request *probe;  /* under way, of outage_watch.c; or NULL */
    uint64_t gets_heard; /* of the DHT's members, so far */

    listener listeners[ENGINE_LISTENERS_MAX];
    size_t listener_count;
    uint16_t port;

    share *shares;
    size_t share_count;
    conn *conns;
    uint32_t conn_count, dial_count, greeting_count;
    conn *pump_first, **pump_end;       /* have something to send */
    conn *thirsty_first, **thirsty_end; /* wait for the upload limit */
    bucket up;
    pbts_open_budget open_budget;
    uint64_t buffer_bytes; /* of pieces, in all pools */
    uint8_t *input, *output;

    uv_check_t after_polls;
    uv_timer_t ticker;
    uv_signal_t on_int, on_term;
    uint64_t started_ms, shown_ms;
    control *control; /* NULL but for the daemon */
};

/* Share what the settings name until it is done or stopped; an exit code. */
int engine_run(const settings *set);

/* Read the clocks. Called first by whatever the loop calls. */
void engine_touch(engine *e);
/* Say goodbye in order, and end with this code. */
void engine_stop(engine *e, int exit_code);
/* A share's state changed: is all done? */
void engine_look(engine *e);

/* A .torrent's path, its bytes, or a magnet link; `dir` NULL: the settings'. The share, or NULL
 * with `problem` filled. */
enum { ENGINE_PROBLEM_MAX = 5000 };
share *engine_add(engine *e, char problem[static ENGINE_PROBLEM_MAX], const char *source,
                  const char *dir);
/* Say goodbye to its peers and take it out; its files stay. */
void engine_remove(share *s);
/* Take out those that are being removed and have nothing under way. */
void engine_sweep(engine *e);
share *engine_find(const engine *e, const uint8_t infohash[static PBTS_INFOHASH_LEN]);
/* Have `conn_pump` called for a connection before the loop sleeps. */
void engine_pump_later(engine *e, conn *c);
/* The same once the upload limit allows more. */
void engine_pump_when_allowed(engine *e, conn *c);
/* Make room for a buffer of a piece: those that are free in any pool go when all together would be
 * above what pieces may take. */
void engine_make_room(engine *e, uint64_t bytes);
/* Divide the limits on downloads and on pieces that are begun among those who download. */
void engine_share_limits(engine *e);

#endif
