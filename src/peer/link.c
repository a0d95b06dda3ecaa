#include "peer/link.h"

#include "base/assert.h"
#include "base/secret.h"
#include "peer/link_state.h"

/* ---- words ---- */

static const struct {
    unsigned code;
    const char *name, *text;
} REFUSALS[] = {
#define X(name, code, text) { code, #name, text },
    PBTS_LINK_REFUSAL_MAP(X)
#undef X
};
enum { REFUSAL_COUNT = sizeof REFUSALS / sizeof REFUSALS[0] };

const char *pbts_link_refusal_name(pbts_link_refusal refusal) {
    assert((size_t)refusal < REFUSAL_COUNT && REFUSALS[refusal].code == (unsigned)refusal);
    return REFUSALS[refusal].name;
}

const char *pbts_link_refusal_text(pbts_link_refusal refusal) {
    assert((size_t)refusal < REFUSAL_COUNT);
    return REFUSALS[refusal].text;
}

/* ---- life ---- */

enum { SETS = 9 };

pbts_status pbts_link_make_sets(pbts_link *link) {
    uint8_t *sets = pbts_alloc_array(link->terms->mem, SETS, link->set_len);
    if (sets == NULL) return PBTS_NO_MEMORY;
    uint8_t **const all[SETS] = { &link->scratch,      &link->lend.named,      &link->lend.covered,
                                  &link->lend.parts,   &link->lend.cumulative, &link->lend.out_set,
                                  &link->give.waiting, &link->give.given,      &link->give.sum };
    link->sets = sets;
    for (size_t i = 0; i < SETS; i++) *all[i] = sets + i * link->set_len;
    return PBTS_OK;
}

pbts_status pbts_link_new(pbts_link **out, const pbts_link_terms *terms,
                          const pbts_link_torrent *torrent, pbts_moment now) {
    const pbts_metainfo *meta = torrent->meta;
    pbts_link *link = pbts_alloc(terms->mem, sizeof *link);
    if (link == NULL) return PBTS_NO_MEMORY;
    link->terms = terms;
    link->torrent = torrent;
    bool v2 = !pbts_metainfo_has_v1(meta) ||
              memcmp(torrent->infohash, pbts_metainfo_infohash_v1(meta), PBTS_INFOHASH_LEN) != 0;
    link->hashes = pbts_piece_hashes_of(meta, v2);
    link->piece_count = pbts_metainfo_piece_count(meta);
    link->set_len = pbts_piece_set_len(link->piece_count);
    link->useless_ms = now.mono_ms;
    link->ticket_end_s = UINT64_MAX;
    pbts_status status = pbts_random_fill(terms->random, link->nonce, sizeof link->nonce);
    if (status == PBTS_OK)
        status = pbts_random_fill(terms->random, (uint8_t *)&link->seed, sizeof link->seed);
    if (status != PBTS_OK) {
        pbts_release(terms->mem, link);
        return status;
    }
    pbts_link_lend_begin(link);
    pbts_link_give_begin(link);
    *out = link;
    return PBTS_OK;
}

void pbts_link_end(pbts_link *link) {
    pbts_taken_check(link);
}

static void close_page(pbts_link *link) {
    if (link->page == NULL || !link->page_in_book) return;
    pbts_link_lend_end(link);
    pbts_link_give_end(link);
    pbts_book_close(link->terms->book, link->page);
}

void pbts_link_free(pbts_link *link) {
    if (link == NULL) return;
    pbts_mem *mem = link->terms->mem;
    close_page(link);
    pbts_taken_deinit(link);
    pbts_piece_map_deinit(&link->lend.lent);
    pbts_piece_map_deinit(&link->give.shared);
    pbts_secp256k1_signer_free(link->give.signer);
    pbts_release(mem, link->sets);
    pbts_wipe(link, sizeof *link);
    pbts_release(mem, link);
}

pbts_tally *pbts_link_tally(const pbts_link *link) {
    if (link->page == NULL || !link->page_in_book) return NULL;
    return pbts_book_tally(link->terms->book, link->page, link->torrent->infohash);
}

pbts_tally *pbts_link_tally_begin(const pbts_link *link) {
    if (link->page == NULL || !link->page_in_book) return NULL;
    return pbts_book_tally_begin(link->terms->book, link->page, link->torrent->infohash,
                                 link->piece_count, link->seed);
}

pbts_receipt_form pbts_link_form_of(unsigned mask, pbts_receipt_form preferred) {
    /* What costs the tracker least comes first. */
    const pbts_receipt_form forms[] = { preferred, PBTS_FORM_CUMULATIVE, PBTS_FORM_BATCH,
                                        PBTS_FORM_PIECE, PBTS_FORM_SESSION };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (forms[i] >= PBTS_FORM_PIECE && forms[i] <= PBTS_FORM_SESSION &&
            (mask & (1u << forms[i])) != 0) {
            return forms[i];
        }
    }
    return (pbts_receipt_form)0;
}

/* ---- refusals ---- */

/* What only a cheat does (or a broken program, which is as bad a debtor). */
static bool is_cheat(pbts_link_refusal refusal) {
    switch (refusal) {
    case PBTS_LINK_REFUSAL_BAD_RECEIPT:
    case PBTS_LINK_REFUSAL_WRONG_PIECES:
    case PBTS_LINK_REFUSAL_WRONG_EPOCH:
    case PBTS_LINK_REFUSAL_NO_RECEIPT:
    case PBTS_LINK_REFUSAL_FLOOD:
    case PBTS_LINK_REFUSAL_MALFORMED: return true;
    default: return false;
    }
}

static void end_as_refused(pbts_link *link, pbts_link_refusal refusal, bool by_us) {
    link->state = PBTS_LINK_REFUSED;
    link->refusal = refusal;
    link->refused_by_us = by_us;
    link->refusal_unsent = by_us;
}

void pbts_link_refuse(pbts_link *link, pbts_link_refusal refusal) {
    if (link->state == PBTS_LINK_REFUSED) return;
    /* A key is blamed only for what its owner did. */
    if (link->page != NULL && is_cheat(refusal)) link->page->banned = (unsigned)refusal;
    end_as_refused(link, refusal, true);
}

static void take_refusal(pbts_link *link, const pbts_peer_refusal *refusal) {
    bool known = refusal->code > 0 && refusal->code < REFUSAL_COUNT;
    end_as_refused(link, known ? (pbts_link_refusal)refusal->code : PBTS_LINK_REFUSAL_OTHER, false);
}

static void write_refusal(pbts_link *link, pbts_writer *writer) {
    const pbts_peer_pbts_message message = {
        .kind = PBTS_PEER_MSG_REFUSE,
        .refusal = { (uint32_t)link->refusal,
                     pbts_span_text(pbts_link_refusal_text(link->refusal)) },
    };
    pbts_peer_pbts_encode(writer, &message);
    link->refusal_unsent = false;
}

void pbts_link_count_useless(pbts_link *link, uint32_t weight, pbts_moment now) {
    uint64_t forgiven = (now.mono_ms - link->useless_ms) / 1000;
    link->useless -= forgiven < link->useless ? (uint32_t)forgiven : link->useless;
    link->useless_ms += 1000 * forgiven;
    link->useless += weight;
    if (link->useless > PBTS_LINK_USELESS_MAX) pbts_link_refuse(link, PBTS_LINK_REFUSAL_FLOOD);
}

/* ---- messages ---- */

static pbts_status take_ready(pbts_link *link, const pbts_peer_pbts_message *message,
                              pbts_moment now) {
    switch (message->kind) {
    case PBTS_PEER_MSG_RECEIPT:
    case PBTS_PEER_MSG_RECEIPT_BATCH: return pbts_link_take_receipt(link, &message->receipt, now);
    case PBTS_PEER_MSG_REQUEST_RECEIPT:
        pbts_link_take_request(link, &message->request, now);
        return PBTS_OK;
    case PBTS_PEER_MSG_SESSION:
        pbts_link_take_session(link, &message->session, now);
        return PBTS_OK;
    case PBTS_PEER_MSG_AUTH:
    case PBTS_PEER_MSG_REFUSE: break;
    }
    pbts_link_refuse(link, PBTS_LINK_REFUSAL_MALFORMED);
    return PBTS_OK;
}

/* Before both keys are proven, only the proof may come. */
pbts_status pbts_link_receive(pbts_link *link, pbts_span body, pbts_moment now) {
    pbts_peer_pbts_message message;
    if (link->state == PBTS_LINK_REFUSED) return PBTS_OK;
    bool sound = pbts_peer_pbts_decode(&message, body, link->piece_count) == PBTS_OK;
    if (sound && message.kind == PBTS_PEER_MSG_REFUSE) {
        take_refusal(link, &message.refusal);
        return PBTS_OK;
    }
    if (sound && link->state == PBTS_LINK_READY) return take_ready(link, &message, now);
    if (sound && link->state == PBTS_LINK_PROVING && message.kind == PBTS_PEER_MSG_AUTH) {
        return pbts_link_take_auth(link, &message.auth, now);
    }
    pbts_link_refuse(link, PBTS_LINK_REFUSAL_MALFORMED);
    return PBTS_OK;
}

bool pbts_link_next_send(pbts_link *link, pbts_writer *writer, pbts_moment now) {
    assert(writer->capacity - writer->len >= PBTS_LINK_MESSAGE_MAX);
    if (link->refusal_unsent) {
        write_refusal(link, writer);
        return true;
    }
    if (link->state == PBTS_LINK_REFUSED || link->state == PBTS_LINK_HELLO) return false;
    if (link->auth_unsent) {
        pbts_link_write_auth(link, writer);
        return true;
    }
    if (link->state != PBTS_LINK_READY) return false;
    return pbts_link_write_receipt(link, writer, now) || pbts_link_write_request(link, writer, now);
}

bool pbts_link_wants_send(const pbts_link *link, pbts_moment now) {
    if (link->refusal_unsent) return true;
    if (link->state == PBTS_LINK_REFUSED || link->state == PBTS_LINK_HELLO) return false;
    if (link->auth_unsent) return true;
    if (link->state != PBTS_LINK_READY) return false;
    return pbts_link_give_is_due(link, now) || pbts_link_wants_request(link, now);
}

pbts_link_state pbts_link_state_of(const pbts_link *link) {
    return link->state;
}

pbts_link_refusal pbts_link_refused(const pbts_link *link, bool *by_us) {
    *by_us = link->refused_by_us;
    return link->refusal;
}

const pbts_bls_public *pbts_link_other_key(const pbts_link *link) {
    return link->state == PBTS_LINK_READY ? &link->other.key : NULL;
}

bool pbts_link_may_learn_peers(const pbts_link *link) {
    const pbts_peer_hello *other = &link->other;
    if (link->state != PBTS_LINK_READY || !link->ticket_counts) return true;
    if (other->has_membership && pbts_membership_below_ratio(&other->membership)) return false;
    return link->by_membership || other->ticket.allowance_bytes > 0;
}

/* ---- time, figures ---- */

void pbts_link_tick(pbts_link *link, pbts_moment now) {
    pbts_taken_tick(link, now);
    if (link->state != PBTS_LINK_READY) return;
    if (link->page->banned != 0) { /* for what it did on another connection */
        pbts_link_refuse(link, (pbts_link_refusal)link->page->banned);
    }
    pbts_link_ticket_tick(link, now);
    pbts_link_lend_tick(link, now);
}

uint64_t pbts_link_deadline_ms(const pbts_link *link) {
    uint64_t lend_ms = pbts_link_lend_deadline_ms(link), give_ms = pbts_link_give_deadline_ms(link);
    return lend_ms < give_ms ? lend_ms : give_ms;
}

void pbts_link_stats_read(const pbts_link *link, pbts_link_stats *out) {
    const pbts_lender *lend = &link->lend;
    const pbts_giver *give = &link->give;
    *out = (pbts_link_stats){
        .served_bytes = lend->served_bytes,
        .covered_bytes = lend->covered_bytes,
        .received_bytes = give->received_bytes,
        .signed_bytes = give->signed_bytes,
        .exposure_limit_bytes = pbts_exposure_limit(&lend->exposure, pbts_link_other_left(link)),
        .allowance_left_bytes = pbts_link_allowance_left(link),
        .receipts_taken = lend->receipts,
        .receipts_given = give->receipts,
    };
}
