/* wire/peer_pbts.h - the `pbts` extension: the dictionary in the extended handshake, and the
 * messages about receipts. Bytes only: nothing here is verified, no signature is looked at.
 *
 * A message body is one byte, the kind, then a bencoded dictionary (docs/protocol.md, "Peers"):
 *   0 auth             { "x": sig[48] }
 *   1 receipt          { "b": bitmap | "c": runs | "i": index, "e": epoch, "x": sig[48] }
 *                      with "i", "x" may have 64 bytes: a receipt under the session named last
 *   2 receipt_batch    { "b": bitmap | "c": runs, "e": epoch, "x": sig[48] }
 *   3 request_receipt  { "f": form, "i": index? }
 *   4 refuse           { "c": code, "t": text }
 *   5 session          { "d": session id[32], "k": key[33], "t": expires, "x": sig[48] }
 * Torrent, instance, sender and receiver are the connection's. In messages unknown keys are
 * refused, so that each has one encoding (but for "b" or "c"); in the handshake they are passed
 * over. Source: DESIGN sections 5 and 8.
 */
#ifndef PBTS_WIRE_PEER_PBTS_H
#define PBTS_WIRE_PEER_PBTS_H

#include "base/writer.h"
#include "receipt/receipt.h"
#include "wire/membership.h"

/* ---- the handshake's "pbts" dictionary ---- */

enum { PBTS_PEER_PROTOCOL_VERSION = 1, PBTS_PEER_FORM_MASK = 0x1E };

/* { "allowance": bytes, "expires": time, "issued": time, "pk": key[96], "sig": sig[48] }, as in the
 * tracker's answer to a signed announce. Untrusted: TICKET is checked by whoever believes it. */
typedef struct {
    uint64_t allowance_bytes; /* each number is at most INT64_MAX, which bencode can hold */
    uint64_t issued;          /* unix seconds */
    uint64_t expires;         /* unix seconds */
    pbts_bls_public key;
    pbts_bls_signature signature;
} pbts_peer_ticket;

/* PBTS_MALFORMED (the bencode, a key missing or of another type); other keys are passed over. */
PBTS_MUST_USE pbts_status pbts_peer_ticket_decode(pbts_peer_ticket *out, pbts_span dictionary);
void pbts_peer_ticket_encode(pbts_writer *writer, const pbts_peer_ticket *ticket);

/* { "forms": mask, "iid": iid[32], "limit": bytes?, "member": membership[192]?, "nonce": nonce[32],
 *   "pk": key[96], "ticket": {...}?, "v": 1 } */
typedef struct {
    uint64_t version; /* at least 1: the highest it speaks; both use the lower of the two */
    uint8_t iid[PBTS_IID_LEN];
    pbts_bls_public key;
    uint8_t nonce[PBTS_NONCE_LEN];
    uint32_t forms;       /* bit (1 << form): it takes such receipts; unknown bits are dropped */
    uint64_t limit_bytes; /* the most it lends to one peer; 0: not said */
    bool has_ticket, has_membership;
    pbts_peer_ticket ticket;
    pbts_membership membership; /* for times without the tracker */
} pbts_peer_hello;

enum { PBTS_PEER_HELLO_LEN_MAX = 2048 };
/* PBTS_MALFORMED, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_peer_hello_decode(pbts_peer_hello *out, pbts_span dictionary);
void pbts_peer_hello_encode(pbts_writer *writer, const pbts_peer_hello *hello);

/* ---- messages ---- */

typedef enum {
    PBTS_PEER_MSG_AUTH = 0,
    PBTS_PEER_MSG_RECEIPT = 1,
    PBTS_PEER_MSG_RECEIPT_BATCH = 2,
    PBTS_PEER_MSG_REQUEST_RECEIPT = 3,
    PBTS_PEER_MSG_REFUSE = 4,
    PBTS_PEER_MSG_SESSION = 5,
} pbts_peer_kind;

enum {
    PBTS_PEER_REFUSAL_TEXT_MAX = 200,
    /* Kind, bencode and a bitmap of PBTS_PIECES_MAX pieces. */
    PBTS_PEER_PBTS_LEN_MAX = 256 + PBTS_PIECES_MAX / 8,
};

/* A piece set, as it is or as runs (wire/runs.h). Borrowed. */
typedef struct {
    bool is_runs;
    pbts_span bytes; /* never longer than the plain set */
} pbts_peer_pieces;

/* What a receipt or a batch says; the rest of what is signed the connection knows. */
typedef struct {
    pbts_receipt_form form;
    uint64_t epoch;
    uint32_t piece_index;    /* PIECE, SESSION: below piece_count */
    pbts_peer_pieces pieces; /* CUMULATIVE, BATCH */
    union {
        pbts_bls_signature signature;               /* all but SESSION */
        pbts_secp256k1_signature session_signature; /* SESSION */
    };
} pbts_peer_receipt;

/* The sender asks for a receipt of a form that the receiver's peer said it takes. */
typedef struct {
    pbts_receipt_form form;
    bool has_index; /* PIECE, SESSION: of this piece; else: for all up to now, this piece too */
    uint32_t piece_index;
} pbts_peer_receipt_request;

typedef struct {
    uint32_t code;  /* pbts_link_refusal of peer/link.h; unknown ones count as "other" */
    pbts_span text; /* printable ASCII, at most PBTS_PEER_REFUSAL_TEXT_MAX; fit for a log */
} pbts_peer_refusal;

/* A certificate: piece receipts of the receiver that follow are signed with its session's key. The
 * key begins with 2 or 3; it is not checked to be a point. */
typedef struct {
    pbts_receipt_session session;
    pbts_bls_signature signature;
} pbts_peer_session;

typedef struct {
    pbts_peer_kind kind;
    union {
        pbts_bls_signature auth;
        pbts_peer_receipt receipt; /* RECEIPT, RECEIPT_BATCH */
        pbts_peer_receipt_request request;
        pbts_peer_refusal refusal;
        pbts_peer_session session;
    };
} pbts_peer_pbts_message;

/* PBTS_MALFORMED (an unknown kind too), PBTS_LIMIT. Spans are borrowed from `body`. `piece_count`
 * is the torrent's, > 0: receipts are not exchanged before it is known. */
PBTS_MUST_USE pbts_status pbts_peer_pbts_decode(pbts_peer_pbts_message *out, pbts_span body,
                                                uint32_t piece_count);
void pbts_peer_pbts_encode(pbts_writer *writer, const pbts_peer_pbts_message *message);

/* Expand a set that was decoded for a torrent of `piece_count` pieces into `set`, which has
 * pbts_piece_set_len(piece_count) bytes; all of them are written. Cannot fail on such a set. */
void pbts_peer_pieces_expand(uint8_t *set, uint32_t piece_count, const pbts_peer_pieces *pieces);
/* For encoding: the shorter of `set` and its runs, which are put into `buffer` of set.len bytes. */
pbts_peer_pieces pbts_peer_pieces_shortest(pbts_span set, uint8_t *buffer);

#endif
