/* peer/link.h - receipts on one connection between two peers: who the other is, how much it may
 * take on trust, the receipts given to it and taken from it.
 *
 * What it is not: it moves no payload, knows no choking, opens no file. It reads and writes the
 * `pbts` dictionary of the BEP 10 handshake and the bodies of `pbts` messages (wire/peer_pbts.h);
 * its owner carries those bytes, tells it of pieces that came and bytes that went, and asks
 * how much may still be served. Times are given, never read. Source: DESIGN sections 5, 6 and 8.
 *
 *   hello both ways -> auth both ways -> READY: serve, receipts; or REFUSED with a reason, for good
 *
 * Both roles run at once: each side may be sender and receiver of the same torrent.
 */
#ifndef PBTS_PEER_LINK_H
#define PBTS_PEER_LINK_H

#include "base/mem.h"
#include "base/moment.h"
#include "base/random.h"
#include "peer/book.h"
#include "peer/exposure.h"
#include "receipt/file.h"

/* One torrent as links see it; borrowed by all of its links. */
typedef struct {
    const pbts_metainfo *meta;
    uint8_t infohash[PBTS_INFOHASH_LEN]; /* the one that receipts name: v1 when there is one */
} pbts_link_torrent;

/* Who we are, and our terms. Borrowed by every link; may change between calls (a new ticket). */
typedef struct {
    pbts_mem *mem;
    pbts_random *random;
    const pbts_bls_secret *secret;
    pbts_bls_public key; /* of that secret */
    uint8_t iid[PBTS_IID_LEN];
    bool has_tracker_key; /* without it no ticket can be checked, and all are refused */
    pbts_bls_public_point tracker_key;
    pbts_span ticket;             /* ours, bencoded as the tracker gave it; empty: none yet */
    pbts_span membership;         /* ours, for times without the tracker; empty: none yet */
    bool is_outage;               /* the tracker is away: memberships stand for tickets */
    uint64_t tracker_time_s;      /* of its newest beacon; memberships end by it; 0: unknown */
    unsigned forms_taken;         /* bit (1 << form): forms we accept as sender */
    pbts_receipt_form form_given; /* what we prefer to sign as receiver; cumulative by default */
    pbts_schedule schedule;       /* when we sign as receiver */
    uint32_t batch_pieces;        /* of a `batch` receipt: 10 */
    uint64_t exposure_max_bytes;  /* PBTS_EXPOSURE_MAX_BYTES */
    uint64_t receipt_timeout_ms;  /* past the limit for so long without a receipt: refused */
    bool ticket_required;         /* serve nobody without a valid one */
    bool receipts_required;       /* false: serve on when the other gives none (a benchmark's) */
    pbts_book *book;              /* what is known of peers by key, for all links; NULL: nothing */
} pbts_link_terms;

typedef struct pbts_link pbts_link; /* opaque; one owner; not thread-safe */

typedef enum {
    PBTS_LINK_HELLO,   /* the other's dictionary has not come */
    PBTS_LINK_PROVING, /* it has; its `auth` has not */
    PBTS_LINK_READY,
    PBTS_LINK_REFUSED, /* by us or by the other; nothing is served or signed any more */
} pbts_link_state;

/* Why one side gives up on the other. Code on the wire (kind 4), name for logs and JSON, text. */
/* clang-format off */
#define PBTS_LINK_REFUSAL_MAP(X)                                                     \
    X(NONE,             0, "")                                                       \
    X(FOREIGN_INSTANCE, 1, "the peer belongs to another tracker")                    \
    X(BAD_AUTH,         2, "the peer does not prove its key")                        \
    X(NO_TICKET,        3, "the peer shows no valid ticket of the tracker")          \
    X(SELF,             4, "the peer has our own key")                               \
    X(NO_COMMON_FORM,   5, "we have no form of receipt in common")                   \
    X(BAD_RECEIPT,      6, "a receipt's signature does not verify")                  \
    X(WRONG_PIECES,     7, "a receipt names pieces that were not served")            \
    X(WRONG_EPOCH,      8, "a receipt is not of this hour")                          \
    X(NO_RECEIPT,       9, "no receipt came for what was served")                    \
    X(FLOOD,           10, "too many messages that change nothing")                  \
    X(ALLOWANCE,       11, "the peer has taken all that its ticket allows")          \
    X(MALFORMED,       12, "a message breaks its format")                            \
    X(OTHER,           13, "the peer refuses")
/* clang-format on */
typedef enum {
#define X(name, code, text) PBTS_LINK_REFUSAL_##name = code,
    PBTS_LINK_REFUSAL_MAP(X)
#undef X
} pbts_link_refusal;
const char *pbts_link_refusal_name(pbts_link_refusal refusal);
const char *pbts_link_refusal_text(pbts_link_refusal refusal);

/* PBTS_NO_MEMORY, PBTS_IO (random). Terms and torrent are borrowed, and outlive the link. */
PBTS_MUST_USE pbts_status pbts_link_new(pbts_link **out, const pbts_link_terms *terms,
                                        const pbts_link_torrent *torrent, pbts_moment now);
/* The connection is over: what came and was not checked yet is, now. Then take what
 * pbts_link_next_receipt gives until there is none, and free it. What is owed either way goes into
 * the book. */
void pbts_link_end(pbts_link *link);
void pbts_link_free(pbts_link *link); /* NULL is a no-op */

/* Our `pbts` dictionary for the extended handshake, "d...e"; also for a later handshake, after the
 * ticket changed (the nonce stays). Fits PBTS_LINK_HELLO_MAX. */
enum { PBTS_LINK_HELLO_MAX = 1024, PBTS_LINK_MESSAGE_MAX = 256 * 1024 };
void pbts_link_hello(const pbts_link *link, pbts_writer *writer);
/* The other's, raw. Whatever is wrong with it makes the state REFUSED; the link stays usable as
 * an object. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_link_receive_hello(pbts_link *link, pbts_span dictionary,
                                                  pbts_moment now);
/* The body of a `pbts` message (kind, then bencode). As above. */
PBTS_MUST_USE pbts_status pbts_link_receive(pbts_link *link, pbts_span body, pbts_moment now);
/* The next body to send, if there is one; false otherwise. `writer` has PBTS_LINK_MESSAGE_MAX. */
bool pbts_link_next_send(pbts_link *link, pbts_writer *writer, pbts_moment now);
/* Whether it would give one. */
bool pbts_link_wants_send(const pbts_link *link, pbts_moment now);

pbts_link_state pbts_link_state_of(const pbts_link *link);
pbts_link_refusal pbts_link_refused(const pbts_link *link, bool *by_us);
/* The other's key once READY, else NULL; borrowed. */
const pbts_bls_public *pbts_link_other_key(const pbts_link *link);

/* Whether the other may be told of peers, as the tracker would: not when the membership that it
 * shows is below the minimum ratio, nor when its ticket allows nothing. True unless READY. */
bool pbts_link_may_learn_peers(const pbts_link *link);

/* ---- as sender ---- */

/* How many more bytes may be queued for this peer: the exposure limit less what no verified and
 * stored receipt covers, within the ticket's allowance. While only parts of pieces are owed, which
 * nobody can sign for, one more piece. 0 unless READY. */
uint64_t pbts_link_may_serve_bytes(const pbts_link *link);
/* `bytes` of piece `index` were handed to the connection. Served above what it may, they are
 * counted all the same. */
void pbts_link_served(pbts_link *link, uint32_t index, uint32_t bytes, pbts_moment now);
/* What the peer has not got yet of the torrent: the limit shrinks with it. All, until told. */
void pbts_link_set_other_left(pbts_link *link, uint64_t left_bytes);
/* Ask at once for what was served whole, and again after each receipt, because nothing more will be
 * served: the connection is about to end. */
void pbts_link_ask_all(pbts_link *link);
/* Whether a piece was served whole on this connection that no accepted receipt names. */
bool pbts_link_is_owed(const pbts_link *link);
/* The peer says that it has piece `index`; or, to be said once when READY, all of `set` (empty: it
 * has every piece). Of what was served of these on earlier connections it may owe a receipt, and is
 * asked. Nothing unless READY. */
void pbts_link_other_has(pbts_link *link, uint32_t index);
void pbts_link_other_has_set(pbts_link *link, pbts_span set);

/* A verified receipt waits to be stored: encode it (with the uids given, empty when unknown) and
 * put it on disk, then say so; only then does it free room to serve more. For a cumulative receipt
 * `replaces` is true when it makes the one stored before (same epoch) worthless. One at a time: the
 * same one until it is stored. Also of links that are REFUSED or have ended. */
typedef struct {
    pbts_receipt_record record; /* borrowed from the link until stored */
    bool replaces;
    uint64_t covered_bytes; /* newly covered by it */
} pbts_link_receipt;
bool pbts_link_next_receipt(pbts_link *link, pbts_link_receipt *out);
void pbts_link_receipt_stored(pbts_link *link, pbts_moment now);

/* ---- as receiver ---- */

/* Piece `index` came (for the most part) from this peer and its hash is right. It will be signed
 * for; the caller says so once per piece. PBTS_DENIED when not READY (nobody can be given a
 * receipt), PBTS_EXISTS. */
PBTS_MUST_USE pbts_status pbts_link_piece_received(pbts_link *link, uint32_t index,
                                                   pbts_moment now);
/* `bytes` of piece `index` came from this peer, but the piece was credited to another one; to be
 * said when its hash was found right. For the sender these bytes stay lent. When it has to stop
 * because of them and asks, we sign for the piece to it too (docs/protocol.md, Peers). */
void pbts_link_piece_shared(pbts_link *link, uint32_t index, uint32_t bytes, pbts_moment now);
/* Piece `index` came for the most part from a peer whose link is freed; `key` is the beginning of
 * the key that it proved. The book keeps that we owe it a receipt: the next link with that key, or
 * one that is there, signs when it is asked. Nothing when the book knows no such key (any more). */
enum { PBTS_LINK_KEY_PREFIX_LEN = 32 }; /* enough that no two keys are made that begin alike */
void pbts_link_owe(const pbts_link_terms *terms, const pbts_link_torrent *torrent,
                   const uint8_t key[static PBTS_LINK_KEY_PREFIX_LEN], uint32_t index);
/* What we have not got yet of the torrent. 0: sign at once for everything. All, until told. */
void pbts_link_set_own_left(pbts_link *link, uint64_t left_bytes);
/* As receiver: so many bytes came, of all connections, and are not verified yet; 0 to begin with.
 */
void pbts_link_set_checking(pbts_link *link, uint64_t bytes);
/* Sign at once for everything: the connection is about to end. */
void pbts_link_sign_all(pbts_link *link);
/* Whether a piece came from this peer that it was given a receipt for before in this claim period:
 * the next one is worth nothing to it (docs/decisions/0005), so that it lends less and less. True
 * once per key, torrent and claim period, as far as the book remembers. */
bool pbts_link_take_repeat(pbts_link *link);

/* ---- time, figures ---- */

void pbts_link_tick(pbts_link *link, pbts_moment now);
uint64_t pbts_link_deadline_ms(const pbts_link *link); /* monotonic; UINT64_MAX: none */

typedef struct {
    uint64_t served_bytes, covered_bytes;  /* as sender: all, and what stored receipts cover */
    uint64_t received_bytes, signed_bytes; /* as receiver: verified pieces, and signed for */
    uint64_t exposure_limit_bytes;         /* as sender, now */
    uint64_t allowance_left_bytes;         /* of its ticket; UINT64_MAX: it needs none */
    uint32_t receipts_taken, receipts_given;
} pbts_link_stats;
void pbts_link_stats_read(const pbts_link *link, pbts_link_stats *out);

#endif
