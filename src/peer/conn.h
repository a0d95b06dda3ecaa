/* peer/conn.h - the state of one connection of a session. Private to peer/.
 *
 * Data and the sending of messages; what a message means is in session_*.c.
 */
#ifndef PBTS_PEER_CONN_H
#define PBTS_PEER_CONN_H

#include "peer/addresses.h"
#include "peer/block_ring.h"
#include "peer/link.h"
#include "peer/outbox.h"
#include "peer/rate.h"
#include "wire/peer_extension.h"
#include "wire/peer_pbts.h"

enum {
    PBTS_REQUESTS_IN_MAX = 1024,  /* what we queue for a peer, and tell it (BEP 10 `reqq`) */
    PBTS_REQUESTS_OUT_MAX = 2048, /* what we ask of a peer, whatever it says; void ones too */
    PBTS_REQUESTS_UNTOLD = 250,   /* what a peer queues that did not say */
    PBTS_FAST_PIECES = 10,        /* BEP 6: pieces that a choked newcomer may ask for */
    PBTS_SUGGESTIONS_MAX = 8,     /* the newest ones are kept */
    PBTS_CLIENT_LEN_MAX = 63,     /* of the peer's name for itself */
    /* Messages that change nothing: so many at once, and so many more a second. A choke may answer
     * a whole queue of requests, all of them in vain. */
    PBTS_IDLE_MESSAGES_MAX = 4 * PBTS_REQUESTS_IN_MAX,
    PBTS_IDLE_MESSAGES_PER_S = 100,
};

typedef enum {
    PBTS_CONN_HANDSHAKE, /* the other's has not come */
    PBTS_CONN_OPEN,
    PBTS_CONN_DOOMED, /* CLOSE was said: nothing is read, what is queued may still go out */
} pbts_conn_phase;

/* The block whose bytes are arriving. */
typedef struct {
    bool active;
    bool discard; /* its blocks are not ours to write (any more) */
    bool was_asked;
    uint16_t slot;         /* when not discarded */
    uint32_t first, count; /* blocks of it */
    uint32_t piece, offset_bytes, length_bytes, left_bytes;
    pbts_window_mark mark;
} pbts_conn_payload;

/* What the other has. Until the metadata is known `bits` is whatever it said. */
typedef struct {
    bool all;
    uint8_t *bits; /* NULL: nothing, or all */
    size_t bits_len;
    uint32_t count;       /* pieces */
    uint64_t bytes;       /* real ones */
    uint32_t interesting; /* pieces of them that we want and lack */
} pbts_conn_pieces;

/* A link that outlives its connection, because receipts of it are still to be stored. */
typedef struct pbts_ended_link {
    pbts_link *link;
    struct pbts_ended_link *next;
} pbts_ended_link;

typedef struct {
    uint32_t number; /* 1.. */
    uint32_t serial; /* 1.., never used again */
    pbts_addr addr;
    uint16_t address; /* in the session's addresses, or PBTS_ADDRESS_NONE */
    bool outgoing;
    pbts_conn_phase phase;
    const char *doom; /* DOOMED: why; static */
    bool failed;      /* its address is not worth dialing soon */
    bool comes_back;  /* its address is dialed again at once, by the other infohash */
    uint64_t opened_ms, heard_ms, said_ms;
    uint64_t redundant_ms;           /* since when neither wants anything of the other; 0: not so */
    uint64_t idle_messages, idle_ms; /* a bucket that leaks PBTS_IDLE_MESSAGES_PER_S */

    /* who it is */
    bool said_handshake, said_pieces, heard_any, heard_extended;
    bool has_fast, has_extended, is_v2; /* BEP 6, 10; knows BEP 52 */
    uint8_t infohash[PBTS_INFOHASH_LEN];
    uint8_t peer_id[PBTS_PEER_ID_LEN];
    int ids[PBTS_EXTENSIONS]; /* its message ids; 0: does not take such */
    bool upload_only;
    uint16_t listen_port;
    uint32_t requests_max, request_bytes_max, metadata_bytes;
    char client[PBTS_CLIENT_LEN_MAX + 1];

    /* receipts */
    pbts_link *link;        /* NULL: no terms, or no metadata yet */
    pbts_ended_link *ended; /* for when it is over; there when the link is */
    bool has_receipt;       /* one waits to be stored */
    uint8_t *hello;         /* its `pbts` dictionary, while there is no link to take it */
    size_t hello_len;
    bool said_hello, has_hello, was_ready, was_refused;

    /* what it has, who wants what */
    pbts_conn_pieces has;
    bool interested, choked;   /* it is, by us */
    bool interesting, choking; /* to us, us */
    bool optimistic;
    uint64_t choke_changed_ms;
    uint64_t round_down_bytes, round_up_bytes; /* totals at the choker's last round */

    /* what we ask of it */
    pbts_window window;
    pbts_block_ring asked;
    uint64_t asked_bytes; /* of those that stand */
    uint32_t asked_len;
    uint16_t owned_first, owned_last; /* its open pieces; those with unasked blocks in front */
    uint64_t idle_stamp; /* there was nothing to ask when the session's stamp was this */
    bool snubbed;
    uint64_t paused_ms;   /* ask nothing before */
    uint64_t progress_ms; /* of payload, or when asking began */
    pbts_conn_payload payload;
    uint32_t unasked_blocks;                                   /* that came */
    uint32_t allowed[PBTS_PEER_ALLOWED_FAST_MAX], allowed_len; /* we may ask while choked */
    uint32_t suggested[PBTS_SUGGESTIONS_MAX], suggested_len;
    uint64_t magnet_retry_ms; /* not to be asked for metadata or hashes before */
    uint32_t magnet_turns;    /* that it was asked for them, in vain */

    /* what it asks of us */
    pbts_block_ring queue;
    uint32_t fast[PBTS_PEER_ALLOWED_FAST_MAX], fast_len; /* it may ask while choked */
    uint64_t fast_bytes;                                 /* so much it did */

    /* what goes out */
    pbts_outbox outbox;
    uint8_t header[PBTS_PEER_PIECE_HEADER_LEN];
    uint32_t haves_said;       /* of the session's log */
    uint8_t *exchanged;        /* addresses it was told by PEX, a bit each; NULL: none yet */
    uint32_t exchanged_serial; /* the list's when the bits were set: of newer ones none is told */
    uint64_t exchange_ms, heard_exchange_ms; /* when next to say; when last heard */

    pbts_rate down, up;
    uint8_t events;            /* to be told: bits of the session's */
    bool has_events, is_armed; /* armed: WRITABLE was said, and next_send not false since */
    uint32_t next_event;
} pbts_peer_conn;

/* PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_peer_conn_new(pbts_peer_conn **out, pbts_mem *mem,
                                             const pbts_addr *addr, uint64_t now_ms);
void pbts_peer_conn_free(pbts_peer_conn *conn, pbts_mem *mem); /* not its link */

/* Queue a message. What cannot be queued (PBTS_NO_MEMORY, PBTS_LIMIT: the other does not read) is
 * for the caller to end the connection for. */
PBTS_MUST_USE pbts_status pbts_peer_conn_say(pbts_peer_conn *conn,
                                             const pbts_peer_message *message);
PBTS_MUST_USE pbts_status pbts_peer_conn_say_type(pbts_peer_conn *conn, pbts_peer_type type);
PBTS_MUST_USE pbts_status pbts_peer_conn_say_piece(pbts_peer_conn *conn, pbts_peer_type type,
                                                   uint32_t piece);
PBTS_MUST_USE pbts_status pbts_peer_conn_say_block(pbts_peer_conn *conn, pbts_peer_type type,
                                                   const pbts_ring_block *block);
PBTS_MUST_USE pbts_status pbts_peer_conn_say_extended(pbts_peer_conn *conn, uint8_t id,
                                                      pbts_span body);

bool pbts_peer_conn_has(const pbts_peer_conn *conn, uint32_t piece);
/* The set for pbts_picker_find. */
const uint8_t *pbts_peer_conn_set(const pbts_peer_conn *conn);
static inline bool pbts_peer_conn_is_ready(const pbts_peer_conn *conn) {
    return conn->link != NULL && pbts_link_state_of(conn->link) == PBTS_LINK_READY;
}
/* Something that was asked of it has not come. */
static inline bool pbts_peer_conn_is_awaited(const pbts_peer_conn *conn) {
    return conn->asked_len > 0 || (conn->payload.active && !conn->payload.discard);
}
bool pbts_peer_conn_is_allowed(const pbts_peer_conn *conn, uint32_t piece); /* by it, to us */
bool pbts_peer_conn_is_fast(const pbts_peer_conn *conn, uint32_t piece);    /* by us, to it */
/* Count a message that changes nothing; false when there were too many. */
bool pbts_peer_conn_forgive(pbts_peer_conn *conn, uint64_t now_ms);

#endif
