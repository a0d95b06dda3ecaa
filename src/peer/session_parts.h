/* peer/session_parts.h - what the parts of a session share. Private to peer/.
 *
 *   session.c           life of a session
 *   session_conns.c     connections: who gets in, the handshake, how one ends
 *   session_receive.c   bytes in: handshake, messages, payload
 *   session_swarm.c     who has what, who wants what; HAVE
 *   session_ask.c       which blocks to ask of whom
 *   session_pieces.c    pieces begun, complete, checked; who is credited, who is blamed
 *   session_serve.c     requests of others, choking, bytes out
 *   session_link.c      receipts
 *   session_extended.c  BEP 10 handshake, peer exchange
 *   session_magnet.c    metadata and piece layers, both ways
 *   session_time.c      what happens by itself
 *   session_tell.c      events and figures
 *
 * Every public function ends with pbts_session_settle: what it made possible is then done.
 */
#ifndef PBTS_PEER_SESSION_PARTS_H
#define PBTS_PEER_SESSION_PARTS_H

#include "peer/choker.h"
#include "peer/conn.h"
#include "peer/open_pieces.h"
#include "peer/picker.h"
#include "peer/session.h"
#include "torrent/layers.h"

enum {
    PBTS_CONNS_MAX = PBTS_PICKER_PEERS_MAX,
    PBTS_CONNS_PER_IP_MAX = 8,   /* but for loopback */
    PBTS_CONNS_MAGNET_MAX = 100, /* while their sets cannot be checked */
    PBTS_OPEN_PIECES_MIN = 4,
    /* No piece is begun while more than this waits for its hash, so that it is hashed and written
     * while it is in the processor's caches, and what a sender lends is not used up by waiting. */
    PBTS_CHECKING_BYTES_MAX = 8 << 20,
    PBTS_RANDOM_PIECES = 4,   /* the first ones are any, so that there is something to give soon */
    PBTS_ASKED_TWICE_MAX = 2, /* endgame: a block is asked of so many */
    PBTS_ENDGAME_MS = 1000,   /* when its owner needs longer for what it was asked */
    PBTS_UNASKED_BLOCKS_MAX = 100,

    PBTS_TICK_MS = 1000,
    PBTS_AWAY_MS = 2 * 1000, /* a tick that comes so late */
    PBTS_HANDSHAKE_TIMEOUT_MS = 20 * 1000,
    PBTS_KEEP_ALIVE_MS = 100 * 1000, /* BEP 3: every two minutes */
    PBTS_SILENCE_MAX_MS = 180 * 1000,
    PBTS_STALL_MS = 5 * 1000, /* without a byte: another may take the piece over */
    PBTS_SLOW_FACTOR = 4,     /* so much slower than who idles: the same, near the end */
    PBTS_SLOW_MS = 5 * 1000,
    PBTS_PAUSE_MS = 5 * 1000, /* who stalled or rejected is asked nothing for so long */
    PBTS_SNUB_MS = 60 * 1000, /* BEP 3: nothing for a minute */
    PBTS_LOST_MS = 60 * 1000, /* a request that was passed over */
    /* A seeder dials one in so long: those who want something dial it, and most others that it
     * finds are seeders too. */
    PBTS_SEED_DIAL_MS = 5 * 1000,
    PBTS_REDUNDANT_MS = 10 * 1000, /* two that have everything part then */
    PBTS_REDUNDANT_UNPAID_MS = 120 * 1000,
    PBTS_EXCHANGE_MS = 60 * 1000,     /* BEP 11: at most one message a minute */
    PBTS_EXCHANGE_LOOK_MS = 5 * 1000, /* whether there is something to say */
    PBTS_EXCHANGE_MIN_MS = 20 * 1000,
    PBTS_MAGNET_PATIENCE_MS = 10 * 1000,
    PBTS_MAGNET_RETRY_MS = 30 * 1000,
    PBTS_MAGNET_TURN_MS = 30 * 1000, /* of one peer, the first time, while others are there */
    PBTS_MAGNET_AHEAD = 8,           /* pieces or hashes asked of one peer at once */
    PBTS_ANSWER_LEN_MAX = 64 * 1024, /* what waits to be sent, before answers are refused */
    PBTS_LIMIT_BURST_MS = 250,
};

/* Bits of `events`. */
enum {
    PBTS_SLOT_TELL_OPENED = 1,
    PBTS_SLOT_TELL_COMPLETE = 2,
    PBTS_SLOT_TELL_DROPPED = 4,
    PBTS_CONN_TELL_READY = 1,
    PBTS_CONN_TELL_REFUSED = 2,
    PBTS_CONN_TELL_REPEATS = 4,
    PBTS_CONN_TELL_CLOSE = 8,
    PBTS_CONN_TELL_WRITABLE = 16,
    PBTS_SESSION_TELL_METADATA = 1,
    PBTS_SESSION_TELL_FINISHED = 2,
};

typedef enum {
    PBTS_MAGNET_OFF,    /* the metadata is here */
    PBTS_MAGNET_INFO,   /* the info dictionary is asked for */
    PBTS_MAGNET_LAYERS, /* it is here; its piece layers are asked for */
    PBTS_MAGNET_TOLD,   /* the owner has it */
} pbts_magnet_phase;

/* One peer at a time is asked, so that what is wrong is its doing. */
typedef struct {
    pbts_magnet_phase phase;
    uint32_t source;                /* connection, 0: none */
    uint64_t begun_ms, progress_ms; /* with this source */
    uint8_t *info;
    uint32_t info_len;
    uint8_t *pieces_here; /* set */
    uint32_t next, here;  /* pieces asked for; and here */
    pbts_layers *layers;
    uint32_t waiting; /* requests that have no answer yet */
    uint64_t call_ms; /* nobody is called by the v2 infohash before */
    uint8_t *torrent; /* for the owner */
    size_t torrent_len;
} pbts_magnet;

typedef struct {
    uint64_t bytes_per_s; /* 0: no limit */
    int64_t tokens_bytes; /* below 0: the last request was larger than what was left */
    uint64_t at_ms;
    bool is_short; /* somebody waits for more */
} pbts_down_limit;

struct pbts_session {
    pbts_session_config config; /* meta is set when a magnet link's is known */
    pbts_mem *mem;
    pbts_prng prng;
    bool stopping;
    uint64_t now_ms; /* of the last call */
    bool has_other;  /* of a hybrid torrent the infohash that config.infohash is not */
    uint8_t other_infohash[PBTS_INFOHASH_LEN];

    pbts_peer_conn **conns; /* connections_max of them; [number - 1] */
    uint32_t conn_count, conn_high, last_serial;
    pbts_addresses addresses;
    uint64_t seed_dial_ms; /* when a seeder may dial next */
    pbts_choker choker;
    pbts_choke_candidate *candidates; /* scratch, connections_max */
    pbts_ended_link *ended;           /* the oldest first */
    uint32_t ended_count;
    uint32_t receipts_waiting; /* connections that have one to be stored */
    pbts_link_torrent torrent;
    uint8_t *scratch; /* PBTS_LINK_MESSAGE_MAX, for messages */

    /* pieces: all NULL or zero until the metadata is known */
    uint32_t piece_count, piece_length;
    bool has_padding; /* v1 with pad files */
    pbts_picker picker;
    pbts_open_pieces open;
    uint8_t *have, *wanted, *solo; /* sets */
    uint32_t have_count, missing;  /* missing: wanted and not here */
    uint64_t have_bytes;
    uint32_t *have_log; /* pieces in the order they came, for HAVE */
    uint32_t have_log_len;
    pbts_layer_server *layers;

    uint64_t stamp;    /* changes when there may be more to ask for */
    uint64_t asked_at; /* the stamp when all idle ones were looked at */
    uint32_t orphans;  /* open pieces without an owner */
    pbts_down_limit limit;
    pbts_magnet magnet;

    uint64_t tick_ms; /* the next one */
    bool was_away;    /* the last one did nothing, because it came so late */
    uint64_t link_ms; /* the next deadline of a link */
    pbts_rate down, up;
    uint64_t checking_bytes; /* of pieces whose hash is being checked */
    uint64_t wasted_bytes;
    uint32_t receipts_given, receipts_taken; /* of connections that are over */

    uint16_t slot_events_first, slot_events_last;
    uint32_t conn_events_first, conn_events_last;
    uint8_t events;
};

/* ---- session.c ---- */

/* Do what has become possible. */
void pbts_session_settle(pbts_session *session, pbts_moment now);
PBTS_MUST_USE pbts_status pbts_session_init_pieces(pbts_session *session, pbts_span have);

/* ---- session_conns.c ---- */

pbts_peer_conn *pbts_session_conn(const pbts_session *session, uint32_t number); /* or NULL */
/* The first open connection with a number from *number on; to walk them. */
pbts_peer_conn *pbts_session_next_conn(const pbts_session *session, uint32_t *number);
/* Give a connection up: nothing more is asked of it, served to it or read. `failed`: its fault. */
void pbts_session_doom(pbts_session *session, pbts_peer_conn *conn, const char *text, bool failed);
/* The same for one that cheats, and its address is banned. */
void pbts_session_ban(pbts_session *session, pbts_peer_conn *conn, const char *text);
/* End a connection that could not be told something. */
void pbts_session_said(pbts_session *session, pbts_peer_conn *conn, pbts_status status);
/* PBTS_NEED_MORE (nothing used, an answer may be queued), PBTS_MALFORMED, PBTS_NOT_FOUND (another
 * torrent). */
PBTS_MUST_USE pbts_status pbts_session_on_handshake(pbts_session *session, pbts_peer_conn *conn,
                                                    size_t *used, pbts_span bytes, pbts_moment now);
/* The torrent's other infohash is this one, or there is none (NULL). Who is here by a false one
 * goes. */
void pbts_session_set_other_infohash(pbts_session *session, const uint8_t *infohash);
/* End the connection and dial its address by the other infohash; false: that cannot be done. */
bool pbts_session_come_back(pbts_session *session, pbts_peer_conn *conn);
/* Give up all connections but one with the peer that this one is with, as far as that is known. */
void pbts_session_drop_duplicates(pbts_session *session, pbts_peer_conn *conn);
/* Whether it is of no use to us, nor we to it. */
bool pbts_session_is_redundant(const pbts_session *session, const pbts_peer_conn *conn);

/* How many connections there may be now, and whether one may be made. */
uint32_t pbts_session_connections_max(const pbts_session *session);
bool pbts_session_may_dial(const pbts_session *session);
/* Whether there is anything to be had of others. */
bool pbts_session_wants_pieces(const pbts_session *session);

/* ---- session_swarm.c ---- */

/* What we have, first thing on a connection. */
void pbts_session_say_pieces(pbts_session *session, pbts_peer_conn *conn);
PBTS_MUST_USE pbts_status pbts_session_on_have(pbts_session *session, pbts_peer_conn *conn,
                                               uint32_t piece, pbts_moment now);
PBTS_MUST_USE pbts_status pbts_session_on_all(pbts_session *session, pbts_peer_conn *conn);
PBTS_MUST_USE pbts_status pbts_session_on_bitfield(pbts_session *session, pbts_peer_conn *conn,
                                                   pbts_span bits);
/* The metadata is known now: take what a peer said before for what it means. */
PBTS_MUST_USE pbts_status pbts_session_reread_pieces(pbts_session *session, pbts_peer_conn *conn);
void pbts_session_forget_pieces(pbts_session *session, pbts_peer_conn *conn);
void pbts_session_update_interest(pbts_session *session, pbts_peer_conn *conn);
/* After the set of missing pieces changed otherwise than by one piece. */
void pbts_session_recount(pbts_session *session);
bool pbts_session_is_missing(const pbts_session *session, uint32_t piece);
bool pbts_session_is_seed(const pbts_session *session, const pbts_peer_conn *conn);
/* A piece is here: note it, and that all are to be told. */
void pbts_session_gain(pbts_session *session, uint32_t piece);
/* Real bytes, without padding, of a part of a piece. */
uint32_t pbts_session_real_bytes(const pbts_session *session, uint32_t piece, uint32_t offset_bytes,
                                 uint32_t length_bytes);

/* ---- session_ask.c ---- */

/* Ask for as much as the window allows. */
void pbts_session_ask(pbts_session *session, pbts_peer_conn *conn);
/* The same for all that had nothing to ask when there was less. */
void pbts_session_ask_idle(pbts_session *session);
/* Take back all that is asked of it; but_allowed: not what it allows while it chokes us. */
void pbts_session_take_back(pbts_session *session, pbts_peer_conn *conn, bool but_allowed);
/* Take back one request. */
void pbts_session_void(pbts_session *session, pbts_peer_conn *conn, pbts_ring_block *block);
/* Give the piece to nobody, or to another one. */
void pbts_session_disown(pbts_session *session, pbts_open_piece *slot);
void pbts_session_own(pbts_session *session, pbts_peer_conn *conn, pbts_open_piece *slot);
/* A slot has blocks that nobody is asked for. */
void pbts_session_more_unasked(pbts_session *session, pbts_open_piece *slot);
/* Take back what is asked of it of a piece, and tell it. */
void pbts_session_cancel_piece(pbts_session *session, pbts_peer_conn *conn, uint32_t piece);
/* It would give, and there is nothing to ask of it. */
bool pbts_session_idles(const pbts_session *session, const pbts_peer_conn *conn);
/* Let one that idles take a piece from one that stalls, or is much slower. */
void pbts_session_take_over(pbts_session *session, pbts_peer_conn *taker);
void pbts_session_refill_limit(pbts_session *session);

/* ---- session_pieces.c ---- */

/* A block's header came: where its payload goes. */
PBTS_MUST_USE pbts_status pbts_session_on_piece(pbts_session *session, pbts_peer_conn *conn,
                                                const pbts_peer_block *block);
/* The payload that is arriving will not be used. */
void pbts_session_stop_payload(pbts_session *session, pbts_peer_conn *conn);
PBTS_MUST_USE pbts_status pbts_session_begin(pbts_session *session, pbts_open_piece **out,
                                             uint32_t piece);
/* Give up a piece that is begun; those not wanted any more; the one without an owner that has
 * least. */
void pbts_session_drop(pbts_session *session, pbts_open_piece *slot);
void pbts_session_drop_unwanted(pbts_session *session);
void pbts_session_drop_orphan(pbts_session *session);

/* ---- session_serve.c ---- */

void pbts_session_on_request(pbts_session *session, pbts_peer_conn *conn,
                             const pbts_peer_block *block);
void pbts_session_on_cancel(pbts_session *session, pbts_peer_conn *conn,
                            const pbts_peer_block *block);
void pbts_session_choke(pbts_session *session, pbts_peer_conn *conn);
void pbts_session_unchoke(pbts_session *session, pbts_peer_conn *conn, bool optimistic);
/* Give free slots to those who wait. */
void pbts_session_fill_slots(pbts_session *session);
void pbts_session_choke_round(pbts_session *session);
/* Whether it is served at all: READY, or a legacy peer and those are served. */
bool pbts_session_serves(const pbts_session *session, const pbts_peer_conn *conn);
bool pbts_session_has_send(const pbts_session *session, const pbts_peer_conn *conn);
/* Tell a newcomer which pieces it may ask for while choked (BEP 6). */
void pbts_session_say_fast(pbts_session *session, pbts_peer_conn *conn);

/* ---- session_link.c ---- */

PBTS_MUST_USE pbts_status pbts_session_make_link(pbts_session *session, pbts_peer_conn *conn,
                                                 pbts_moment now);
PBTS_MUST_USE pbts_status pbts_session_on_hello(pbts_session *session, pbts_peer_conn *conn,
                                                pbts_span dictionary, pbts_moment now);
PBTS_MUST_USE pbts_status pbts_session_on_link(pbts_session *session, pbts_peer_conn *conn,
                                               pbts_span body, pbts_moment now);
/* After anything that may have changed a link: send its messages, look at its state. */
void pbts_session_settle_link(pbts_session *session, pbts_peer_conn *conn, pbts_moment now);
void pbts_session_end_link(pbts_session *session, pbts_peer_conn *conn);
void pbts_session_tick_links(pbts_session *session, pbts_moment now);
bool pbts_session_is_legacy(const pbts_session *session, const pbts_peer_conn *conn);
/* Whether it is known if receipts are given to it and taken from it. */
bool pbts_session_is_known(const pbts_session *session, const pbts_peer_conn *conn);

/* ---- session_extended.c ---- */

void pbts_session_say_extended(pbts_session *session, pbts_peer_conn *conn);
PBTS_MUST_USE pbts_status pbts_session_on_extended(pbts_session *session, pbts_peer_conn *conn,
                                                   const pbts_peer_extended *message,
                                                   pbts_moment now);
void pbts_session_exchange(pbts_session *session, pbts_peer_conn *conn);

/* ---- session_magnet.c ---- */

PBTS_MUST_USE pbts_status pbts_session_on_metadata(pbts_session *session, pbts_peer_conn *conn,
                                                   pbts_span body);
void pbts_session_on_hash_request(pbts_session *session, pbts_peer_conn *conn,
                                  const pbts_peer_hashes *request);
PBTS_MUST_USE pbts_status pbts_session_on_hashes(pbts_session *session, pbts_peer_conn *conn,
                                                 const pbts_peer_hashes *hashes);
void pbts_session_on_hash_reject(pbts_session *session, pbts_peer_conn *conn);
/* Ask for what is missing; find another peer when the one asked is silent. */
void pbts_session_ask_magnet(pbts_session *session);
void pbts_session_magnet_lost(pbts_session *session, pbts_peer_conn *conn);
void pbts_session_magnet_free(pbts_session *session);

/* ---- session_tell.c ---- */

void pbts_session_tell_slot(pbts_session *session, pbts_open_piece *slot, uint8_t event);
void pbts_session_tell_conn(pbts_session *session, pbts_peer_conn *conn, uint8_t event);
void pbts_session_untell_conn(pbts_session *session, pbts_peer_conn *conn);
/* Say WRITABLE if it has something to send and was not said to have. */
void pbts_session_wake(pbts_session *session, pbts_peer_conn *conn);

#endif
