/* peer/session.h - one torrent being shared: its connections, which pieces to ask of whom, whom to
 * serve, and the receipts of each connection. No I/O.
 *
 * The owner (apps/pbts-peer, or a simulation on virtual time) has the sockets, files and clocks:
 *
 *   bytes, time  ->  [ pbts_session ]  ->  what to send, where payload goes, events
 *
 * Payload never passes through here. Coming: pbts_session_receive stops behind the header of a
 * `piece` message and pbts_session_payload says where the following bytes belong; the owner puts
 * them there (a buffer per open piece) and says how many. Going: pbts_session_next_send gives
 * control bytes or a block's place in the content, which the owner sends by sendfile or read.
 * Sources: BEP 3, 6, 9, 10, 11, 20, 21, 27, 47, 52; DESIGN section 8.
 */
#ifndef PBTS_PEER_SESSION_H
#define PBTS_PEER_SESSION_H

#include "base/addr.h"
#include "peer/link.h"
#include "peer/open_budget.h"

typedef struct pbts_session pbts_session; /* opaque; one owner; not thread-safe */
typedef uint32_t pbts_conn;               /* a connection's number, 1.., reused after its end */

typedef enum { PBTS_LEGACY_REFUSE, PBTS_LEGACY_SERVE } pbts_legacy_policy;

/* Everything is borrowed and outlives the session, or is a plain value. */
typedef struct {
    pbts_mem *mem;
    uint64_t seed;                       /* of choices: ties between pieces, optimistic unchokes */
    const pbts_link_terms *terms;        /* NULL: no receipts, a plain client */
    const pbts_metainfo *meta;           /* NULL: a magnet link; metadata is asked of the peers */
    uint8_t infohash[PBTS_INFOHASH_LEN]; /* the swarm's; must be meta's when there is one */
    bool infohash_is_v2;                 /* a v2 swarm: truncated SHA-256 */
    /* A magnet link may name both of a hybrid torrent: its v2 one, beside a v1 `infohash`. Peers
     * are dialed and may call by either. Once the metadata is here, what it says counts. */
    bool has_other_infohash;
    uint8_t other_infohash[PBTS_INFOHASH_LEN];
    uint8_t peer_id[20];
    const char *client; /* "pbts-peer 0.1.0", BEP 10 `v` */
    uint16_t listen_port;
    pbts_span have;            /* bitmap of the pieces that are on disk and verified; or empty */
    pbts_legacy_policy legacy; /* whether peers without receipts are served */
    uint32_t connections_max;  /* of this torrent, at most 1,000 */
    uint32_t unchoked_max;     /* peers served at once beside the optimistic one */
    uint64_t open_bytes_max;   /* pieces begun and not yet written: the owner's buffers; room for at
                                  least four pieces is made whatever this says */
    pbts_open_budget *open_budget; /* of all sessions together; NULL: this one is alone */
    bool seed_only;                /* never request */
    bool pex;                      /* BEP 11; on private torrents only between READY links */
} pbts_session_config;

/* PBTS_NO_MEMORY, PBTS_MALFORMED (have does not fit). */
PBTS_MUST_USE pbts_status pbts_session_new(pbts_session **out, const pbts_session_config *config,
                                           pbts_moment now);
void pbts_session_free(pbts_session *session); /* NULL is a no-op */
/* The metadata of a magnet link came (event METADATA) and the owner parsed it. `have` as above.
 * PBTS_MALFORMED (have does not fit, or another torrent's), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_session_set_metainfo(pbts_session *session,
                                                    const pbts_metainfo *meta, pbts_span have,
                                                    pbts_moment now);

/* ---- peers to dial ---- */

typedef enum {
    PBTS_PEER_FROM_TRACKER,
    PBTS_PEER_FROM_OTHER_SWARM, /* a tracker's, asked by the torrent's other infohash */
    PBTS_PEER_FROM_USER,
    PBTS_PEER_FROM_PEX
} pbts_peer_source;
/* Remember an address; known, banned and own ones are passed over, a bounded number is kept. */
void pbts_session_add_addr(pbts_session *session, const pbts_addr *addr, pbts_peer_source source,
                           pbts_moment now);
/* The next address to dial now, if there is one and room; the owner answers with `opened` or
 * `dial_failed`. Failures back off. */
bool pbts_session_next_dial(pbts_session *session, pbts_addr *out, pbts_moment now);
void pbts_session_dial_failed(pbts_session *session, const pbts_addr *addr, pbts_moment now);
/* The infohash that an address is dialed by, PBTS_INFOHASH_LEN bytes; borrowed. */
const uint8_t *pbts_session_dial_infohash(const pbts_session *session, const pbts_addr *addr);

/* ---- connections ---- */

/* A connection is up and any encryption agreed on. Incoming: the 68 bytes of the handshake are
 * still to be fed. PBTS_LIMIT (no room), PBTS_DENIED (banned), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_session_opened(pbts_session *session, pbts_conn *out,
                                              const pbts_addr *addr, bool outgoing,
                                              pbts_moment now);
/* It is over, for whatever reason. The number is dead; receipts of it may still come (conn 0). */
void pbts_session_closed(pbts_session *session, pbts_conn conn, pbts_moment now);

/* Feed what arrived. `*used` bytes were taken: all whole messages, up to and with the header of a
 * block, where it stops and pbts_session_payload is true. The rest is to be fed again with more.
 * PBTS_OK; REJECT statuses: close it (the reason is an event). */
enum { PBTS_SESSION_INPUT_MAX = 512 * 1024 }; /* no message but a block needs more at once */
PBTS_MUST_USE pbts_status pbts_session_receive(pbts_session *session, pbts_conn conn,
                                               pbts_span bytes, size_t *used, pbts_moment now);
typedef struct {
    bool discard; /* nobody wants it any more: skip the bytes */
    uint32_t piece;
    uint32_t offset_bytes; /* in the piece's stream: pbts_piece_stream_bytes */
    uint32_t left_bytes;   /* of this block */
} pbts_payload;
/* Whether the next bytes of this connection are payload, and where they go. */
bool pbts_session_payload(const pbts_session *session, pbts_conn conn, pbts_payload *out);
/* `bytes` <= left_bytes of them were put there. */
void pbts_session_payload_taken(pbts_session *session, pbts_conn conn, uint32_t bytes,
                                pbts_moment now);

/* The next thing to send on this connection, or false. Take it only when it can be sent (or
 * buffered) whole: it will not be given again. `bytes` are at most PBTS_SESSION_SEND_MAX, borrowed
 * until the next call on the session. With `block_bytes` or `pad_bytes` they are a header, followed
 * by block_bytes of content of `piece` from `offset_bytes`, and then by pad_bytes zeros: what a v1
 * client takes for a pad file of a hybrid torrent (of a block in it there may be nothing else). The
 * owner's upload rate limit is kept by not calling this. `block_bytes_max`: give no block above
 * that (0: control messages only). */
enum { PBTS_SESSION_SEND_MAX = 32 * 1024 };
typedef struct {
    pbts_span bytes;
    uint32_t piece, offset_bytes, block_bytes, pad_bytes;
} pbts_session_send;
bool pbts_session_next_send(pbts_session *session, pbts_conn conn, pbts_session_send *out,
                            uint32_t block_bytes_max, pbts_moment now);
/* Whether next_send would give something: for arming a socket's write event. */
bool pbts_session_wants_send(pbts_session *session, pbts_conn conn, pbts_moment now);

/* ---- pieces ---- */

/* The owner checked the hash of a piece that PIECE_COMPLETE named, and wrote it. Not ok: the bytes
 * are asked for again, and who sent them all is banned (of several, those who repeat it).
 * Its buffer is the owner's again in any case: another attempt begins with PIECE_OPENED.
 * `written` false (disk error): who sent it has done so, and is signed for; it counts as here when
 * pbts_session_piece_written says so. */
void pbts_session_piece_checked(pbts_session *session, uint32_t piece, bool hash_ok, bool written,
                                pbts_moment now);
/* What became of a piece that was right and not written: the owner kept it and has written it now,
 * or gave it up, and it is asked for again. That costs its senders what nobody can sign for twice.
 */
void pbts_session_piece_written(pbts_session *session, uint32_t piece, bool written,
                                pbts_moment now);
/* The current bitmap, pbts_piece_set_len bytes; borrowed until the next call. */
pbts_span pbts_session_have(const pbts_session *session);
/* Which pieces are wanted (files left out by the user); empty: all. Copied. */
PBTS_MUST_USE pbts_status pbts_session_set_wanted(pbts_session *session, pbts_span bitmap,
                                                  pbts_moment now);
/* How much of pieces may be begun at once from now on, at most open_bytes_max and at least a piece:
 * its part of what all sessions may. What is begun above that is finished. */
void pbts_session_set_open_bytes(pbts_session *session, uint64_t bytes, pbts_moment now);
/* How fast blocks may be asked for, in bytes/s over all connections; 0: unlimited. */
void pbts_session_set_download_limit(pbts_session *session, uint64_t bytes_per_s, pbts_moment now);

/* ---- receipts ---- */

/* A receipt to be journalled (link.h); store it, then say so: the same one is given until then.
 * `*conn` 0: of a connection that is over. To be drained like events. */
bool pbts_session_next_receipt(pbts_session *session, pbts_conn *conn, pbts_link_receipt *out);
void pbts_session_receipt_stored(pbts_session *session, pbts_conn conn, pbts_moment now);
/* The terms changed (a new ticket): tell the peers. */
void pbts_session_terms_changed(pbts_session *session, pbts_moment now);

/* ---- events and time ---- */

typedef enum {
    PBTS_SESSION_PIECE_OPENED,   /* piece: give it a buffer; payload will name it */
    PBTS_SESSION_PIECE_COMPLETE, /* piece: hash, write, then pbts_session_piece_checked */
    PBTS_SESSION_PIECE_DROPPED,  /* piece: its buffer may go (begun, and given up) */
    PBTS_SESSION_FINISHED,       /* everything wanted is here */
    PBTS_SESSION_METADATA,     /* bytes: "d4:info...e", with `piece layers` where v2 needs them, fit
                                for pbts_metainfo_parse; the hash is right. Borrowed until the next
                                call of next_event. Answer: pbts_session_set_metainfo */
    PBTS_SESSION_PEER_READY,   /* conn: link READY; text: client name */
    PBTS_SESSION_PEER_REFUSED, /* conn, refusal, by_us: banned for the session */
    PBTS_SESSION_PEER_REPEATS, /* conn: gives what we signed for to it in this claim period; its
                                  next receipts are worth nothing. Once per key and torrent */
    PBTS_SESSION_CLOSE,        /* conn: close it, after what is queued; text: why */
    PBTS_SESSION_WRITABLE      /* conn: has something to send again */
} pbts_session_event_kind;
typedef struct {
    pbts_session_event_kind kind;
    pbts_conn conn;
    uint32_t piece;
    pbts_link_refusal refusal;
    bool by_us;
    const char *text; /* static, or borrowed until the next call */
    pbts_span bytes;
} pbts_session_event;
/* Take the oldest; false when none. To be drained after every call that changes something. */
bool pbts_session_next_event(pbts_session *session, pbts_session_event *out);

void pbts_session_tick(pbts_session *session, pbts_moment now);
uint64_t pbts_session_deadline_ms(const pbts_session *session); /* monotonic; UINT64_MAX: none */
/* Stop asking and serving, sign for everything, ask for every receipt, say goodbye; done when it
 * has nothing to send. Who does not want to lose what is owed, nor to owe for blocks that come when
 * nothing can be signed any more, then waits a while for is_owed to end. */
void pbts_session_stop(pbts_session *session, pbts_moment now);
/* Whether a peer that is here was served a whole piece that it has not signed for, or, when we
 * stop, has yet to give or reject a block that it was asked for (BEP 6 has it do one of both). */
bool pbts_session_is_owed(const pbts_session *session);

/* ---- figures ---- */

typedef struct {
    bool has_meta, finished;
    uint64_t total_bytes, have_bytes, left_bytes; /* real bytes */
    uint64_t downloaded_bytes, uploaded_bytes;    /* payload of this session */
    uint64_t wasted_bytes;                        /* failed hashes, duplicates */
    uint64_t down_bytes_per_s, up_bytes_per_s;    /* over the last seconds */
    uint32_t connections, seeders, links_ready, open_pieces;
    uint32_t receipts_given, receipts_taken;
    uint64_t unreceipted_bytes; /* served to READY links and not covered yet */
} pbts_session_stats;
void pbts_session_stats_read(const pbts_session *session, pbts_session_stats *out);

typedef struct {
    pbts_addr addr;
    bool outgoing, choking, choked, interested, interesting, is_seeder;
    char client[64];
    pbts_link_state link;
    pbts_link_refusal refusal;
    pbts_link_stats receipts;
    uint64_t down_bytes_per_s, up_bytes_per_s, downloaded_bytes, uploaded_bytes;
    uint32_t requests_out, requests_in, pieces;
} pbts_conn_stats;
/* PBTS_NOT_FOUND. Iterate conn from 1 to pbts_session_conn_limit. */
PBTS_MUST_USE pbts_status pbts_session_conn_stats(const pbts_session *session, pbts_conn conn,
                                                  pbts_conn_stats *out);
pbts_conn pbts_session_conn_limit(const pbts_session *session);

#endif
