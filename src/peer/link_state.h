/* peer/link_state.h - what a link is made of, and the steps that its parts share. Private to peer/.
 *
 *   link.c        life, messages in and out, refusals, time
 *   link_proof.c  who the other is: hello, auth, ticket
 *   link_lend.c   as sender: what is lent, how much more may be, when to ask, when to give up
 *   link_accept.c as sender: receipts that come, held against what was served
 *   link_taken.c  as sender: receipts that were accepted: checked together, stored one by one
 *   link_give.c   as receiver: what is to be signed for, and when
 *   link_sign.c   as receiver: the four forms
 */
#ifndef PBTS_PEER_LINK_STATE_H
#define PBTS_PEER_LINK_STATE_H

#include "peer/book_parts.h"
#include "peer/link.h"
#include "receipt/pieces.h"
#include "wire/peer_pbts.h"

enum {
    PBTS_LINK_BLOCK_BYTES = 16 * 1024,   /* what everybody asks for at once */
    PBTS_LINK_CHECK_AFTER_MS = 50,       /* receipts wait so long for others to be checked with */
    PBTS_LINK_STOPS_SOON_DIVISOR = 16,   /* not when so little of the limit, or a block, is left */
    PBTS_LINK_UNCHECKED_MAX = 256,       /* and no more of them */
    PBTS_LINK_TAKEN_MAX = 16384,         /* accepted and not stored: the owner's disk is stuck */
    PBTS_LINK_ASKED_WAIT_MS = 50,        /* and so long for more, when it is asked for */
    PBTS_LINK_SIGN_AFTER_MS = 10 * 1000, /* a verified piece waits so long for its receipt */
    PBTS_LINK_USELESS_MAX = 64,      /* messages that change nothing; one a second is forgiven */
    PBTS_LINK_CARRIED_ASKS_MAX = 16, /* pieces of an earlier connection, asked for at once */
    PBTS_LINK_CLOCK_SLACK_S = 300,   /* how far apart the clocks of two peers may be */
};

/* By the membership of a key whose tickets were not seen: what the tracker by default allows
 * somebody new, so that one from before a loss of standing is worth no more than a new name. */
#define PBTS_LINK_OUTAGE_ALLOWANCE_MAX_BYTES (UINT64_C(4) << 30)

/* A receipt that was accepted and is not stored yet. */
typedef struct {
    pbts_receipt_form form;
    uint64_t epoch;
    pbts_bls_signature signature; /* SESSION: of the certificate */
    bool checked, out;            /* its signature holds; the owner is storing it */
    uint32_t *pieces;             /* that it names first; ascending for SESSION */
    uint32_t *worths;             /* of each, in bytes */
    uint32_t count, capacity;
    uint8_t *set;                  /* CUMULATIVE: all that it says */
    uint8_t root[PBTS_SHA256_LEN]; /* BATCH */
    /* SESSION: beside each piece */
    pbts_receipt_session session;
    uint8_t (*hashes)[PBTS_PIECE_HASH_LEN];
    pbts_secp256k1_signature *signatures;
} pbts_taken;

/* As sender. A receipt is worth the size of its piece, whatever part of it came from us: what was
 * served of pieces that are credited to others is made up by pieces that others served a part of.
 * Invariants: a piece that is in `lent` was served on this connection and its receipt is not
 * stored; `whole` counts those served whole; `open` those that no accepted receipt names, and
 * `whole_open` those that are both. */
typedef struct {
    pbts_exposure exposure;
    pbts_piece_map lent;
    uint64_t billed_bytes, paid_bytes; /* on this connection: served; worth of stored receipts */
    uint32_t whole, whole_open, open;
    uint8_t *named;      /* set: pieces that accepted receipts name */
    uint8_t *covered;    /* set: those of them whose receipt is stored */
    uint8_t *cumulative; /* set: the newest cumulative receipt's */
    bool has_cumulative;
    uint64_t cumulative_epoch;
    bool has_stored; /* a cumulative one of stored_epoch is stored */
    uint64_t stored_epoch;
    uint64_t other_left_bytes;            /* as it says; see pbts_link_other_left */
    uint64_t served_bytes, covered_bytes; /* in all, of earlier connections too */
    uint32_t receipts;
    uint64_t owed_since_ms; /* whole_open > 0 and no receipt came; UINT64_MAX: it is not */
    uint64_t asked_ms;      /* the last request; UINT64_MAX: none since the last receipt */
    uint64_t first_asked_ms;
    bool ask_all;          /* do not wait before asking */
    uint32_t carried_asks; /* requests for pieces of earlier connections without an answer: */
    uint32_t asked_for[PBTS_LINK_CARRIED_ASKS_MAX];
    uint32_t carried_from; /* whole pieces below were asked for */
    uint8_t *parts;        /* set: served in part before, the other has them, not asked for yet */
    bool has_looked;       /* and found none of either, when the tally had changed so often: */
    uint32_t looked_at;
    uint64_t exhausted_ms; /* since when its ticket allows no more; UINT64_MAX: it does */
    bool has_session;      /* the other's, certified: */
    bool session_used;
    pbts_receipt_session session;
    pbts_bls_signature session_signature;
    pbts_secp256k1_point session_key;
    pbts_taken **taken;
    uint32_t taken_count, taken_capacity, unchecked;
    uint64_t unchecked_bytes, unchecked_since_ms;
    uint8_t *out_set; /* the set of the receipt that is being stored */
} pbts_lender;

/* As receiver. Invariants: no piece is in two of `waiting` and `given`; waiting_bytes is the sum of
 * what the waiting pieces count; shared_bytes is the sum of `shared` without those that wait. */
typedef struct {
    pbts_exposure exposure;
    pbts_receipt_form form;
    uint8_t *waiting; /* set: verified, to be signed for */
    uint32_t waiting_count;
    uint64_t waiting_bytes, waiting_since_ms;
    uint8_t *given; /* set: signed for on this connection */
    uint8_t *sum;   /* set: the cumulative statement of `sum_epoch` */
    uint64_t sum_epoch;
    pbts_piece_map shared; /* credited to another: how much of it came from this sender */
    uint64_t shared_bytes;
    bool limit_is_told;      /* the exposure's limit is what the sender said */
    uint64_t checking_bytes; /* that came and are not verified, of all connections */
    uint64_t own_left_bytes;
    uint64_t received_bytes, signed_bytes;
    uint32_t received_pieces, receipts;
    uint32_t requests_earned;    /* one for each receipt; less those that came */
    bool asked, sign_all, burst; /* burst: single receipts follow each other until none waits */
    pbts_secp256k1_signer *signer;
    uint64_t given_period;  /* claim period of the first receipt on this connection */
    uint64_t repeat_period; /* as the tally's; kept here too, for when there is no book */
    bool repeat_untold;
    bool has_session, session_sent;
    pbts_secp256k1_secret session_secret;
    pbts_receipt_session session;
    pbts_bls_signature session_signature;
} pbts_giver;

struct pbts_link {
    const pbts_link_terms *terms;
    const pbts_link_torrent *torrent;
    pbts_piece_hashes hashes;
    uint32_t piece_count;
    size_t set_len;
    uint32_t seed; /* of maps */

    pbts_link_state state;
    pbts_link_refusal refusal;
    bool refused_by_us, refusal_unsent, auth_unsent;
    uint32_t useless;
    uint64_t useless_ms; /* when `useless` was last brought up to date */

    uint8_t nonce[PBTS_NONCE_LEN];
    pbts_peer_hello other; /* as it came last */
    pbts_bls_public_point other_point;
    uint64_t ticket_end_s; /* unix; UINT64_MAX: it has none and needs none */
    bool ticket_counts;    /* the page's ticket limits what it may take */
    bool by_membership;    /* which stands for a ticket; true only with ticket_counts */
    pbts_page *page;       /* once it proved its key, else NULL; in the book, or own_page */
    pbts_page own_page;
    bool page_in_book;

    uint8_t *sets;    /* the memory of all sets */
    uint8_t *scratch; /* a set for whoever needs one for a moment */
    pbts_lender lend;
    pbts_giver give;
};

/* ---- link.c ---- */

/* All sets in one piece of memory; made when the other is one of us. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_link_make_sets(pbts_link *link);
/* For good. A cheat is remembered in the book. */
void pbts_link_refuse(pbts_link *link, pbts_link_refusal refusal);
/* The other's message changed nothing; too many of them are a flood. */
void pbts_link_count_useless(pbts_link *link, uint32_t weight, pbts_moment now);
/* Of the page and torrent, or NULL; `begin` makes one when there is a book and memory. */
pbts_tally *pbts_link_tally(const pbts_link *link);
pbts_tally *pbts_link_tally_begin(const pbts_link *link);
static inline uint32_t pbts_link_piece_bytes(const pbts_link *link, uint32_t piece) {
    return pbts_metainfo_piece_bytes(link->torrent->meta, piece);
}
/* A form in the mask, `preferred` if it is there; 0: the mask is empty. */
pbts_receipt_form pbts_link_form_of(unsigned mask, pbts_receipt_form preferred);

/* ---- link_proof.c ---- */

void pbts_link_write_auth(pbts_link *link, pbts_writer *writer);
/* PBTS_OK whatever is wrong with it; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_link_take_auth(pbts_link *link, const pbts_bls_signature *signature,
                                              pbts_moment now);

void pbts_link_ticket_tick(pbts_link *link, pbts_moment now);
/* It gave us a piece. Without the tracker it may take as much again: nothing is lent by that. */
void pbts_link_allow_for_given(pbts_link *link, uint64_t bytes);

/* ---- link_lend.c ---- */

void pbts_link_lend_begin(pbts_link *link);
void pbts_link_lend_end(pbts_link *link); /* what is still lent goes into the book */
/* On this connection, or on an earlier one without a receipt. */
bool pbts_link_was_served(const pbts_link *link, uint32_t piece);
/* An accepted receipt of `epoch` names the piece for the first time on this connection. What it is
 * worth: its size, or nothing when we had a receipt for it before in this claim period. */
uint32_t pbts_link_name(pbts_link *link, uint32_t piece, uint64_t epoch);
void pbts_link_receipt_came(pbts_link *link, pbts_moment now);
/* A receipt for the piece, worth so much, is stored. */
void pbts_link_cover(pbts_link *link, uint32_t piece, uint32_t worth_bytes);
/* What the other lacks: as it says, but never more than what it has not signed for. */
uint64_t pbts_link_other_left(const pbts_link *link);
uint64_t pbts_link_allowance_left(const pbts_link *link);
bool pbts_link_wants_request(const pbts_link *link, pbts_moment now);
bool pbts_link_write_request(pbts_link *link, pbts_writer *writer, pbts_moment now);
void pbts_link_lend_tick(pbts_link *link, pbts_moment now);
uint64_t pbts_link_lend_deadline_ms(const pbts_link *link);

/* ---- link_accept.c ---- */

PBTS_MUST_USE pbts_status pbts_link_take_receipt(pbts_link *link, const pbts_peer_receipt *receipt,
                                                 pbts_moment now);
void pbts_link_take_session(pbts_link *link, const pbts_peer_session *session, pbts_moment now);

/* ---- link_taken.c ---- */

/* Append one that names nothing yet. PBTS_NO_MEMORY, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_taken_add(pbts_link *link, pbts_taken **out, pbts_receipt_form form,
                                         uint64_t epoch, pbts_moment now);
/* Room for so many more pieces (and what a session has beside them). PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_taken_reserve(pbts_link *link, pbts_taken *taken, uint32_t more);
/* The one that is not checked yet and can say more: CUMULATIVE and SESSION of the epoch. */
pbts_taken *pbts_taken_open(const pbts_link *link, pbts_receipt_form form, uint64_t epoch);
void pbts_taken_drop(pbts_link *link, pbts_taken *taken);
/* Check all that is unchecked, in one product; a bad one is refused by its name. */
void pbts_taken_check(pbts_link *link);
/* When the unchecked are to be checked, of which there are some; 0: at once. */
uint64_t pbts_taken_check_at_ms(const pbts_link *link);
void pbts_taken_tick(pbts_link *link, pbts_moment now);
void pbts_taken_deinit(pbts_link *link);

/* ---- link_give.c, link_sign.c ---- */

void pbts_link_give_begin(pbts_link *link);
void pbts_link_give_end(pbts_link *link); /* what is still owed goes into the book */
void pbts_link_give_told(pbts_link *link, uint64_t limit_bytes);
void pbts_link_take_request(pbts_link *link, const pbts_peer_receipt_request *request,
                            pbts_moment now);
bool pbts_link_give_is_due(const pbts_link *link, pbts_moment now);
uint64_t pbts_link_give_deadline_ms(const pbts_link *link);
/* The piece is signed for. */
void pbts_link_give_done(pbts_link *link, uint32_t piece);
/* Sign for what waits, or the next part of it. False when nothing is due. */
bool pbts_link_write_receipt(pbts_link *link, pbts_writer *writer, pbts_moment now);

#endif
