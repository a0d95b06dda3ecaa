/* Who the other is. Each side sends a nonce and then signs both; a ticket of the tracker says that
 * the key is a member's and how much it may take. Nothing that costs a pairing happens before both
 * sides have said that they belong together. */
#include "base/assert.h"
#include "base/epoch.h"
#include "peer/link_state.h"

enum {
    FRESH_S = 24 * 3600,     /* a membership says what a ticket of its hour said, so long */
    OUTAGE_STEP_S = 60 * 60, /* how often it is asked whether the outage lasts */
};

/* What the other has of the tracker, with its signature or not. */
typedef enum { SHOWS_NOTHING, SHOWS_TICKET, SHOWS_MEMBERSHIP } shown;

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t greater(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* ---- ours ---- */

void pbts_link_hello(const pbts_link *link, pbts_writer *writer) {
    const pbts_link_terms *terms = link->terms;
    pbts_peer_hello hello = { .version = PBTS_PEER_PROTOCOL_VERSION,
                              .key = terms->key,
                              .forms = terms->forms_taken & PBTS_PEER_FORM_MASK,
                              .limit_bytes = terms->exposure_max_bytes };
    if (hello.limit_bytes > INT64_MAX) hello.limit_bytes = INT64_MAX;
    memcpy(hello.iid, terms->iid, sizeof hello.iid);
    memcpy(hello.nonce, link->nonce, sizeof hello.nonce);
    hello.has_ticket =
        terms->ticket.len > 0 && pbts_peer_ticket_decode(&hello.ticket, terms->ticket) == PBTS_OK;
    hello.has_membership = terms->membership.len > 0 &&
                           pbts_membership_decode(&hello.membership, terms->membership) == PBTS_OK;
    pbts_peer_hello_encode(writer, &hello);
}

void pbts_link_write_auth(pbts_link *link, pbts_writer *writer) {
    const pbts_link_terms *terms = link->terms;
    uint8_t bytes[PBTS_MESSAGE_MAX];
    pbts_peer_pbts_message message = { .kind = PBTS_PEER_MSG_AUTH };
    pbts_writer text = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_peer(&text, terms->iid, link->torrent->infohash, link->nonce, link->other.nonce,
                      &terms->key, &link->other.key);
    pbts_bls_sign(&message.auth, terms->secret, PBTS_BLS_PEER, pbts_writer_span(&text));
    pbts_peer_pbts_encode(writer, &message);
    link->auth_unsent = false;
}

/* ---- the other's ticket ---- */

/* Whether it could be a ticket for this peer here and now; its signature apart. */
static bool ticket_is_meant(const pbts_link *link, const pbts_peer_ticket *ticket,
                            pbts_moment now) {
    uint64_t slack_s = PBTS_LINK_CLOCK_SLACK_S;
    if (memcmp(&ticket->key, &link->other.key, sizeof ticket->key) != 0) return false;
    return ticket->issued <= now.unix_s + slack_s && now.unix_s < ticket->expires + slack_s;
}

static void ticket_hash(pbts_bls_g1_point *out, const pbts_link *link,
                        const pbts_peer_ticket *ticket) {
    uint8_t bytes[PBTS_MESSAGE_MAX];
    pbts_writer text = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_ticket(&text, link->terms->iid, &ticket->key, ticket->allowance_bytes,
                        ticket->issued, ticket->expires);
    pbts_bls_hash(out, PBTS_BLS_TICKET, pbts_writer_span(&text));
}

static uint64_t owed_bytes(const pbts_page *page) {
    return page->owed_bytes > 0 ? (uint64_t)page->owed_bytes : 0;
}

static uint64_t left_bytes(const pbts_page *page) {
    return page->ticket_allowance_bytes > page->taken_bytes
               ? page->ticket_allowance_bytes - page->taken_bytes
               : 0;
}

/* By a word of the tracker that is newer than the last. Words can be collected, one for every
 * announce: one that was there already when we began to count knows of nothing that was taken since
 * then, so it gives nothing anew, and only takes away. That is, unless we began at a time that has
 * not come: our clock was ahead, and every word would be from before. */
static void set_allowance(pbts_link *link, uint64_t allowance_bytes, uint64_t issued,
                          pbts_moment now) {
    pbts_page *page = link->page;
    bool has_begun =
        page->has_ticket && page->counted_from_s <= now.unix_s + PBTS_LINK_CLOCK_SLACK_S;
    if (has_begun && issued < page->counted_from_s) {
        page->ticket_allowance_bytes =
            page->taken_bytes + smaller(left_bytes(page), allowance_bytes);
        return;
    }
    page->ticket_allowance_bytes = allowance_bytes;
    page->taken_bytes = owed_bytes(page); /* not counted yet */
    page->counted_from_s = now.unix_s;
    link->lend.exhausted_ms = UINT64_MAX;
}

/* What it may take by a ticket whose signature holds. Of several, also on other connections, the
 * newest counts. */
static void ticket_take(pbts_link *link, const pbts_peer_ticket *ticket, pbts_moment now) {
    pbts_page *page = link->page;
    link->by_membership = false;
    link->ticket_end_s = ticket->expires + PBTS_LINK_CLOCK_SLACK_S;
    link->ticket_counts = true;
    if (page->has_ticket && ticket->issued <= page->ticket_issued) return;
    set_allowance(link, ticket->allowance_bytes, ticket->issued, now);
    page->has_ticket = true;
    page->by_membership = false;
    page->ticket_issued = ticket->issued;
}

/* ---- the other's membership ---- */

/* Whether it could stand for a ticket here and now; its signature apart. While the tracker can be
 * asked only a fresh one does, which is worth what a ticket of the same moment is worth. */
static bool membership_is_meant(const pbts_link *link, const pbts_membership *membership,
                                pbts_moment now) {
    const pbts_link_terms *terms = link->terms;
    if (memcmp(&membership->key, &link->other.key, sizeof membership->key) != 0) return false;
    bool fresh = membership->issued > now.unix_s || now.unix_s - membership->issued < FRESH_S;
    return (fresh || terms->is_outage) &&
           membership->issued <= now.unix_s + PBTS_LINK_CLOCK_SLACK_S &&
           membership->expires > terms->tracker_time_s;
}

/* Whether it may stand for a ticket of this key: nothing newer took it back, and it is remembered
 * what is taken by it when the other connects again. */
static bool membership_stands(const pbts_link *link, const pbts_membership *membership) {
    return link->page_in_book && membership->generation >= link->page->generation;
}

/* They live for a month. So one that is newer than the key's last ticket says what may be taken as
 * a ticket would, up to a limit; whichever come after it give nothing anew. */
static void allow_by_membership(pbts_link *link, const pbts_membership *membership,
                                pbts_moment now) {
    pbts_page *page = link->page;
    uint64_t may_bytes = pbts_membership_below_ratio(membership) ? 0 : membership->allowance_bytes;
    bool is_newer = !page->has_ticket || membership->issued > page->ticket_issued;
    link->ticket_counts = true;
    page->generation = membership->generation;
    if (is_newer && page->by_membership) {
        page->ticket_allowance_bytes = page->taken_bytes + smaller(left_bytes(page), may_bytes);
    } else if (is_newer) {
        uint64_t most_bytes =
            greater(left_bytes(page) + owed_bytes(page), PBTS_LINK_OUTAGE_ALLOWANCE_MAX_BYTES);
        set_allowance(link, smaller(may_bytes, most_bytes), membership->issued, now);
    }
    if (is_newer) page->ticket_issued = membership->issued;
    page->has_ticket = page->by_membership = true;
}

static void membership_take(pbts_link *link, const pbts_membership *membership, pbts_moment now) {
    link->by_membership = true;
    link->ticket_end_s = now.unix_s + OUTAGE_STEP_S;
    allow_by_membership(link, membership, now);
}

void pbts_link_allow_for_given(pbts_link *link, uint64_t bytes) {
    pbts_page *page = link->page;
    if (!page->by_membership || bytes > UINT64_MAX - page->ticket_allowance_bytes) return;
    page->ticket_allowance_bytes += bytes;
}

/* What was shown has ended: the membership that came with it may stand for it, and one that stands
 * for it goes on doing so while the tracker is away. */
static bool goes_on(pbts_link *link, pbts_moment now) {
    const pbts_link_terms *terms = link->terms;
    const pbts_membership *membership = &link->other.membership;
    if (!link->other.has_membership || !terms->has_tracker_key ||
        !membership_is_meant(link, membership, now) || !membership_stands(link, membership)) {
        return false;
    }
    return link->by_membership ||
           pbts_membership_check(membership, terms->iid, &terms->tracker_key) == PBTS_OK;
}

/* Its ticket has ended and no newer one came. */
void pbts_link_ticket_tick(pbts_link *link, pbts_moment now) {
    if (now.unix_s < link->ticket_end_s) return;
    if (goes_on(link, now)) {
        membership_take(link, &link->other.membership, now);
        return;
    }
    link->ticket_counts = link->by_membership = false;
    link->ticket_end_s = UINT64_MAX;
    if (link->terms->ticket_required) pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_TICKET);
}

/* ---- the other's proof ---- */

typedef struct {
    shown what;
    pbts_bls_public_point keys[2]; /* the peer's, the tracker's */
    pbts_bls_g1_point hashed[2], signatures[2];
} proof;

static bool proof_read(proof *out, const pbts_link *link, const pbts_bls_signature *auth,
                       shown what) {
    uint8_t bytes[PBTS_MESSAGE_MAX];
    const pbts_peer_hello *other = &link->other;
    pbts_writer text = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_peer(&text, link->terms->iid, link->torrent->infohash, other->nonce, link->nonce,
                      &other->key, &link->terms->key);
    pbts_bls_hash(&out->hashed[0], PBTS_BLS_PEER, pbts_writer_span(&text));
    out->keys[0] = link->other_point;
    out->what = what;
    if (pbts_bls_signature_decode(&out->signatures[0], auth) != PBTS_OK) return false;
    if (what == SHOWS_NOTHING) return true;
    const pbts_bls_signature *word = &other->ticket.signature;
    if (what == SHOWS_TICKET) {
        ticket_hash(&out->hashed[1], link, &other->ticket);
    } else {
        pbts_membership_hash(&out->hashed[1], link->terms->iid, &other->membership);
        word = &other->membership.signature;
    }
    out->keys[1] = link->terms->tracker_key;
    return pbts_bls_signature_decode(&out->signatures[1], word) == PBTS_OK;
}

static bool one_holds(const proof *p, size_t i) {
    return pbts_bls_verify_sums(&p->keys[i], &p->hashed[i], 1, &p->signatures[i]) == PBTS_OK;
}

/* Both in one product; the weight keeps one's error from cancelling the other's. */
static bool proof_holds(const proof *p, pbts_random *random) {
    pbts_bls_g1_point sum, hashed[2] = { p->hashed[0] };
    uint64_t weight = 0;
    if (p->what == SHOWS_NOTHING) return one_holds(p, 0);
    if (pbts_random_fill(random, (uint8_t *)&weight, sizeof weight) != PBTS_OK) {
        return one_holds(p, 0) && one_holds(p, 1);
    }
    pbts_bls_g1_weigh(&hashed[1], &p->hashed[1], weight | 1);
    pbts_bls_g1_weigh(&sum, &p->signatures[1], weight | 1);
    pbts_bls_g1_add(&sum, &p->signatures[0]);
    return pbts_bls_verify_sums(p->keys, hashed, 2, &sum) == PBTS_OK;
}

static pbts_link_refusal judge(pbts_link *link, const pbts_bls_signature *auth, shown what) {
    proof p;
    bool read = proof_read(&p, link, auth, what);
    if (read && proof_holds(&p, link->terms->random)) return PBTS_LINK_REFUSAL_NONE;
    /* Whose fault: without the ticket, does the proof hold? */
    bool proven = proof_read(&p, link, auth, SHOWS_NOTHING) && one_holds(&p, 0);
    return proven ? PBTS_LINK_REFUSAL_NO_TICKET : PBTS_LINK_REFUSAL_BAD_AUTH;
}

static pbts_status open_page(pbts_link *link) {
    pbts_book *book = link->terms->book;
    if (book != NULL) {
        pbts_status status = pbts_book_open(book, &link->page, &link->other.key);
        link->page_in_book = status == PBTS_OK;
        if (status != PBTS_LIMIT) return status;
    }
    link->page = &link->own_page;
    return PBTS_OK;
}

/* READY: its key is its own. */
static pbts_status become_ready(pbts_link *link, shown what, pbts_moment now) {
    PBTS_TRY(open_page(link));
    if (link->page->banned != 0) {
        pbts_link_refuse(link, (pbts_link_refusal)link->page->banned);
        return PBTS_OK;
    }
    if (what == SHOWS_MEMBERSHIP && !membership_stands(link, &link->other.membership)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_TICKET);
        return PBTS_OK;
    }
    link->state = PBTS_LINK_READY;
    if (what == SHOWS_TICKET) ticket_take(link, &link->other.ticket, now);
    if (what == SHOWS_MEMBERSHIP) membership_take(link, &link->other.membership, now);
    return PBTS_OK;
}

/* A ticket before all; a membership where one is needed. */
static shown what_counts(const pbts_link *link, pbts_moment now) {
    const pbts_peer_hello *other = &link->other;
    if (!link->terms->has_tracker_key) return SHOWS_NOTHING;
    if (other->has_ticket && ticket_is_meant(link, &other->ticket, now)) return SHOWS_TICKET;
    bool member = link->terms->ticket_required && other->has_membership &&
                  membership_is_meant(link, &other->membership, now);
    return member ? SHOWS_MEMBERSHIP : SHOWS_NOTHING;
}

pbts_status pbts_link_take_auth(pbts_link *link, const pbts_bls_signature *signature,
                                pbts_moment now) {
    assert(link->state == PBTS_LINK_PROVING);
    shown what = what_counts(link, now);
    if (what == SHOWS_NOTHING && link->terms->ticket_required) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_TICKET);
        return PBTS_OK;
    }
    pbts_link_refusal refusal = judge(link, signature, what);
    if (refusal == PBTS_LINK_REFUSAL_NONE) return become_ready(link, what, now);
    pbts_link_refuse(link, refusal);
    return PBTS_OK;
}

/* ---- the other's hello ---- */

/* What can be said without a signature. */
static pbts_link_refusal judge_hello(pbts_link *link, const pbts_peer_hello *hello) {
    const pbts_link_terms *terms = link->terms;
    if (memcmp(hello->iid, terms->iid, sizeof hello->iid) != 0) {
        return PBTS_LINK_REFUSAL_FOREIGN_INSTANCE;
    }
    if (memcmp(&hello->key, &terms->key, sizeof hello->key) == 0) return PBTS_LINK_REFUSAL_SELF;
    if (memcmp(hello->nonce, link->nonce, sizeof hello->nonce) == 0) {
        return PBTS_LINK_REFUSAL_BAD_AUTH; /* a mirror */
    }
    link->give.form = pbts_link_form_of(hello->forms, terms->form_given);
    if (link->give.form == 0) return PBTS_LINK_REFUSAL_NO_COMMON_FORM;
    if (pbts_bls_public_decode(&link->other_point, &hello->key) != PBTS_OK) {
        return PBTS_LINK_REFUSAL_MALFORMED;
    }
    return PBTS_LINK_REFUSAL_NONE;
}

static bool is_same_peer(const pbts_peer_hello *a, const pbts_peer_hello *b) {
    return memcmp(&a->key, &b->key, sizeof a->key) == 0 &&
           memcmp(a->iid, b->iid, sizeof a->iid) == 0 &&
           memcmp(a->nonce, b->nonce, sizeof a->nonce) == 0;
}

static bool ticket_signature_holds(const pbts_link *link, const pbts_peer_ticket *ticket) {
    pbts_bls_g1_point hashed, signature;
    if (pbts_bls_signature_decode(&signature, &ticket->signature) != PBTS_OK) return false;
    ticket_hash(&hashed, link, ticket);
    return pbts_bls_verify_sums(&link->terms->tracker_key, &hashed, 1, &signature) == PBTS_OK;
}

/* A later hello brings a newer ticket, or nothing. */
static void take_later_hello(pbts_link *link, const pbts_peer_hello *hello, pbts_moment now) {
    if (!is_same_peer(hello, &link->other)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_MALFORMED);
        return;
    }
    if (link->state != PBTS_LINK_READY) {
        link->other = *hello; /* the proof will be of this one */
        pbts_link_count_useless(link, 1, now);
        return;
    }
    bool newer = hello->has_ticket && (!link->ticket_counts || link->by_membership ||
                                       hello->ticket.issued > link->page->ticket_issued);
    if (!newer || !link->terms->has_tracker_key || !ticket_is_meant(link, &hello->ticket, now)) {
        pbts_link_count_useless(link, 1, now);
        return;
    }
    if (!ticket_signature_holds(link, &hello->ticket)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_TICKET);
        return;
    }
    ticket_take(link, &hello->ticket, now);
}

static pbts_status take_first_hello(pbts_link *link, const pbts_peer_hello *hello) {
    pbts_link_refusal refusal = judge_hello(link, hello);
    if (refusal != PBTS_LINK_REFUSAL_NONE) {
        pbts_link_refuse(link, refusal);
        return PBTS_OK;
    }
    PBTS_TRY(pbts_link_make_sets(link));
    link->other = *hello;
    if (hello->limit_bytes > 0) pbts_link_give_told(link, hello->limit_bytes);
    link->auth_unsent = true;
    link->state = PBTS_LINK_PROVING;
    return PBTS_OK;
}

pbts_status pbts_link_receive_hello(pbts_link *link, pbts_span dictionary, pbts_moment now) {
    pbts_peer_hello hello;
    if (link->state == PBTS_LINK_REFUSED) return PBTS_OK;
    if (pbts_peer_hello_decode(&hello, dictionary) != PBTS_OK) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_MALFORMED);
        return PBTS_OK;
    }
    if (link->state == PBTS_LINK_HELLO) return take_first_hello(link, &hello);
    take_later_hello(link, &hello, now);
    return PBTS_OK;
}
