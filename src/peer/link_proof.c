/* Who the other is. Each side sends a nonce and then signs both; a ticket of the tracker says that
 * the key is a member's and how much it may take. Nothing that costs a pairing happens before both
 * sides have said that they belong together. */
#include "base/assert.h"
#include "peer/link_state.h"

/* ---- ours ---- */

void pbts_link_hello(const pbts_link *link, pbts_writer *writer) {
    const pbts_link_terms *terms = link->terms;
    pbts_peer_hello hello = { .version = PBTS_PEER_PROTOCOL_VERSION,
                              .key = terms->key,
                              .forms = terms->forms_taken & PBTS_PEER_FORM_MASK };
    memcpy(hello.iid, terms->iid, sizeof hello.iid);
    memcpy(hello.nonce, link->nonce, sizeof hello.nonce);
    hello.has_ticket =
        terms->ticket.len > 0 && pbts_peer_ticket_decode(&hello.ticket, terms->ticket) == PBTS_OK;
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

/* A ticket whose signature holds. Of several, also on other connections, the newest counts. */
static void ticket_take(pbts_link *link, const pbts_peer_ticket *ticket) {
    pbts_page *page = link->page;
    link->ticket_counts = true;
    link->ticket_end_s = ticket->expires + PBTS_LINK_CLOCK_SLACK_S;
    if (page->has_ticket && ticket->issued <= page->ticket_issued) return;
    page->has_ticket = true;
    page->ticket_issued = ticket->issued;
    page->ticket_allowance_bytes = ticket->allowance_bytes;
    page->taken_bytes = page->owed_bytes > 0 ? (uint64_t)page->owed_bytes : 0; /* not counted yet */
    link->lend.exhausted_ms = UINT64_MAX;
}

/* Its ticket has ended and no newer one came. */
void pbts_link_ticket_tick(pbts_link *link, pbts_moment now) {
    if (now.unix_s < link->ticket_end_s) return;
    link->ticket_counts = false;
    link->ticket_end_s = UINT64_MAX;
    if (link->terms->ticket_required) pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_TICKET);
}

/* ---- the other's proof ---- */

typedef struct {
    bool has_ticket;
    pbts_bls_public_point keys[2]; /* the peer's, the tracker's */
    pbts_bls_g1_point hashed[2], signatures[2];
} proof;

static bool proof_read(proof *out, const pbts_link *link, const pbts_bls_signature *auth,
                       bool has_ticket) {
    uint8_t bytes[PBTS_MESSAGE_MAX];
    const pbts_peer_hello *other = &link->other;
    pbts_writer text = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_peer(&text, link->terms->iid, link->torrent->infohash, other->nonce, link->nonce,
                      &other->key, &link->terms->key);
    pbts_bls_hash(&out->hashed[0], PBTS_BLS_PEER, pbts_writer_span(&text));
    out->keys[0] = link->other_point;
    out->has_ticket = has_ticket;
    if (pbts_bls_signature_decode(&out->signatures[0], auth) != PBTS_OK) return false;
    if (!has_ticket) return true;
    ticket_hash(&out->hashed[1], link, &other->ticket);
    out->keys[1] = link->terms->tracker_key;
    return pbts_bls_signature_decode(&out->signatures[1], &other->ticket.signature) == PBTS_OK;
}

static bool one_holds(const proof *p, size_t i) {
    return pbts_bls_verify_sums(&p->keys[i], &p->hashed[i], 1, &p->signatures[i]) == PBTS_OK;
}

/* Both in one product; the weight keeps one's error from cancelling the other's. */
static bool proof_holds(const proof *p, pbts_random *random) {
    pbts_bls_g1_point sum, hashed[2] = { p->hashed[0] };
    uint64_t weight = 0;
    if (!p->has_ticket) return one_holds(p, 0);
    if (pbts_random_fill(random, (uint8_t *)&weight, sizeof weight) != PBTS_OK) {
        return one_holds(p, 0) && one_holds(p, 1);
    }
    pbts_bls_g1_weigh(&hashed[1], &p->hashed[1], weight | 1);
    pbts_bls_g1_weigh(&sum, &p->signatures[1], weight | 1);
    pbts_bls_g1_add(&sum, &p->signatures[0]);
    return pbts_bls_verify_sums(p->keys, hashed, 2, &sum) == PBTS_OK;
}

static pbts_link_refusal judge(pbts_link *link, const pbts_bls_signature *auth, bool has_ticket) {
    proof p;
    bool read = proof_read(&p, link, auth, has_ticket);
    if (read && proof_holds(&p, link->terms->random)) return PBTS_LINK_REFUSAL_NONE;
    /* Whose fault: without the ticket, does the proof hold? */
    bool proven = proof_read(&p, link, auth, false) && one_holds(&p, 0);
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
static pbts_status become_ready(pbts_link *link, bool has_ticket) {
    PBTS_TRY(open_page(link));
    if (link->page->banned != 0) {
        pbts_link_refuse(link, (pbts_link_refusal)link->page->banned);
        return PBTS_OK;
    }
    link->state = PBTS_LINK_READY;
    if (has_ticket) ticket_take(link, &link->other.ticket);
    return PBTS_OK;
}

pbts_status pbts_link_take_auth(pbts_link *link, const pbts_bls_signature *signature,
                                pbts_moment now) {
    assert(link->state == PBTS_LINK_PROVING);
    const pbts_link_terms *terms = link->terms;
    bool has_ticket = link->other.has_ticket && terms->has_tracker_key &&
                      ticket_is_meant(link, &link->other.ticket, now);
    if (!has_ticket && terms->ticket_required) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_TICKET);
        return PBTS_OK;
    }
    pbts_link_refusal refusal = judge(link, signature, has_ticket);
    if (refusal == PBTS_LINK_REFUSAL_NONE) return become_ready(link, has_ticket);
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
    bool newer = hello->has_ticket &&
                 (!link->ticket_counts || hello->ticket.issued > link->page->ticket_issued);
    if (!newer || !link->terms->has_tracker_key || !ticket_is_meant(link, &hello->ticket, now)) {
        pbts_link_count_useless(link, 1, now);
        return;
    }
    if (!ticket_signature_holds(link, &hello->ticket)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_TICKET);
        return;
    }
    ticket_take(link, &hello->ticket);
}

static pbts_status take_first_hello(pbts_link *link, const pbts_peer_hello *hello) {
    pbts_link_refusal refusal = judge_hello(link, hello);
    if (refusal != PBTS_LINK_REFUSAL_NONE) {
        pbts_link_refuse(link, refusal);
        return PBTS_OK;
    }
    PBTS_TRY(pbts_link_make_sets(link));
    link->other = *hello;
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
