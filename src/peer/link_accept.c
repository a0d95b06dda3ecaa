/* Receipts that come, held against what was served. A receipt is accepted when it is of this hour
 * and names pieces that were served and that no receipt on this connection named before. One that
 * only repeats is counted as useless; one that names anything else ends the link. */
#include "base/assert.h"
#include "base/epoch.h"
#include "peer/link_state.h"

/* Of this hour by our clock, or by one that is a little slow or fast. */
static bool epoch_is_near(uint64_t epoch, pbts_moment now) {
    uint64_t slack_s = PBTS_LINK_CLOCK_SLACK_S;
    uint64_t slow_s = now.unix_s > slack_s ? now.unix_s - slack_s : 0;
    return epoch >= pbts_epoch_at(slow_s) && epoch <= pbts_epoch_at(now.unix_s + slack_s);
}

/* What to make of one piece that a receipt names. */
typedef enum { NEW, KNOWN, WRONG } standing;

static standing standing_of(const pbts_link *link, uint32_t piece) {
    if (pbts_piece_set_has(link->lend.named, piece)) return KNOWN;
    return pbts_link_was_served(link, piece) ? NEW : WRONG;
}

/* The piece is `taken`'s; room for it was made. */
static void name_piece(pbts_link *link, pbts_taken *taken, uint32_t at, uint32_t piece) {
    uint32_t worth_bytes = pbts_link_name(link, piece, taken->epoch);
    taken->pieces[at] = piece;
    taken->worths[at] = worth_bytes;
    taken->count++;
    link->lend.unchecked_bytes += worth_bytes;
}

/* Begin one with room for `count` pieces; nothing stays behind when that fails. */
static pbts_status begin(pbts_link *link, pbts_taken **out, const pbts_peer_receipt *receipt,
                         uint32_t count, pbts_moment now) {
    PBTS_TRY(pbts_taken_add(link, out, receipt->form, receipt->epoch, now));
    pbts_status status = pbts_taken_reserve(link, *out, count);
    if (status != PBTS_OK) pbts_taken_drop(link, *out);
    return status;
}

/* ---- one piece ---- */

static pbts_status accept_piece(pbts_link *link, const pbts_peer_receipt *receipt,
                                pbts_moment now) {
    pbts_taken *taken;
    PBTS_TRY(begin(link, &taken, receipt, 1, now));
    taken->signature = receipt->signature;
    name_piece(link, taken, 0, receipt->piece_index);
    pbts_link_receipt_came(link, now);
    return PBTS_OK;
}

/* ---- one piece, under a session ---- */

static bool session_signature_holds(const pbts_link *link, const pbts_peer_receipt *receipt,
                                    const uint8_t hash[static PBTS_PIECE_HASH_LEN]) {
    pbts_receipt signed_by = { .sender = link->terms->key,
                               .epoch = receipt->epoch,
                               .session = link->lend.session };
    memcpy(signed_by.infohash, link->torrent->infohash, sizeof signed_by.infohash);
    return pbts_receipt_session_verify(&link->lend.session_key, &signed_by, hash,
                                       receipt->piece_index,
                                       &receipt->session_signature) == PBTS_OK;
}

/* By another key or until another time the same id is another session: a statement names one. */
static bool is_same(const pbts_receipt_session *a, const pbts_receipt_session *b) {
    return memcmp(a->id, b->id, sizeof a->id) == 0 &&
           memcmp(&a->key, &b->key, sizeof a->key) == 0 && a->expires == b->expires;
}

/* The receipt of the same session and epoch that has room, or a new one. */
static pbts_status session_receipt(pbts_link *link, pbts_taken **out,
                                   const pbts_peer_receipt *receipt, pbts_moment now) {
    const pbts_lender *lend = &link->lend;
    pbts_taken *taken = pbts_taken_open(link, PBTS_FORM_SESSION, receipt->epoch);
    bool fits = taken != NULL && taken->count < PBTS_RECEIPT_SESSION_PIECES_MAX &&
                is_same(&taken->session, &lend->session);
    *out = taken;
    if (fits) return pbts_taken_reserve(link, taken, 1);
    PBTS_TRY(begin(link, out, receipt, 1, now));
    (*out)->session = lend->session;
    (*out)->signature = lend->session_signature;
    return PBTS_OK;
}

/* Open a gap where the piece belongs. */
static uint32_t make_gap(pbts_taken *taken, uint32_t piece) {
    uint32_t at = taken->count;
    while (at > 0 && taken->pieces[at - 1] > piece) at--;
    size_t behind = taken->count - at;
    memmove(taken->pieces + at + 1, taken->pieces + at, behind * sizeof *taken->pieces);
    memmove(taken->worths + at + 1, taken->worths + at, behind * sizeof *taken->worths);
    memmove(taken->hashes + at + 1, taken->hashes + at, behind * sizeof *taken->hashes);
    memmove(taken->signatures + at + 1, taken->signatures + at, behind * sizeof *taken->signatures);
    return at;
}

static pbts_status accept_session_piece(pbts_link *link, const pbts_peer_receipt *receipt,
                                        pbts_moment now) {
    pbts_lender *lend = &link->lend;
    uint8_t hash[PBTS_PIECE_HASH_LEN];
    pbts_taken *taken;
    if (!lend->has_session) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_BAD_RECEIPT);
        return PBTS_OK;
    }
    if (pbts_receipt_session_check(&lend->session, receipt->epoch) != PBTS_OK) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_WRONG_EPOCH);
        return PBTS_OK;
    }
    link->hashes.get(link->hashes.context, hash, receipt->piece_index);
    if (!session_signature_holds(link, receipt, hash)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_BAD_RECEIPT);
        return PBTS_OK;
    }
    PBTS_TRY(session_receipt(link, &taken, receipt, now));
    uint32_t at = make_gap(taken, receipt->piece_index);
    memcpy(taken->hashes[at], hash, sizeof hash);
    taken->signatures[at] = receipt->session_signature;
    name_piece(link, taken, at, receipt->piece_index);
    lend->session_used = true;
    pbts_link_receipt_came(link, now);
    return PBTS_OK;
}

/* Each certificate costs a pairing: it has to be used before the next. */
void pbts_link_take_session(pbts_link *link, const pbts_peer_session *session, pbts_moment now) {
    enum { UNUSED_WEIGHT = 8 };
    pbts_lender *lend = &link->lend;
    pbts_bls_g1_point hashed, signature;
    pbts_receipt receipt = { .form = PBTS_FORM_SESSION,
                             .sender = link->terms->key,
                             .receiver = link->other.key,
                             .session = session->session };
    memcpy(receipt.iid, link->terms->iid, sizeof receipt.iid);
    memcpy(receipt.infohash, link->torrent->infohash, sizeof receipt.infohash);
    if ((link->terms->forms_taken & (1u << PBTS_FORM_SESSION)) == 0) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_COMMON_FORM);
        return;
    }
    if (lend->has_session && !lend->session_used) {
        pbts_link_count_useless(link, UNUSED_WEIGHT, now);
        if (link->state != PBTS_LINK_READY) return;
    }
    pbts_receipt_hash(&hashed, &receipt);
    if (pbts_secp256k1_public_decode(&lend->session_key, &session->session.key) != PBTS_OK ||
        pbts_bls_signature_decode(&signature, &session->signature) != PBTS_OK ||
        pbts_bls_verify_sums(&link->other_point, &hashed, 1, &signature) != PBTS_OK) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_BAD_RECEIPT);
        return;
    }
    lend->has_session = true;
    lend->session_used = false;
    lend->session = session->session;
    lend->session_signature = session->signature;
}

/* ---- sets ---- */

/* How many of the set's pieces no receipt named; WRONG when one of them was not served. */
static standing count_new(const pbts_link *link, uint32_t *count, pbts_span set) {
    uint32_t known = 0;
    *count = 0;
    for (uint32_t i = 0; pbts_piece_set_next(set, &i); i++) {
        standing how = standing_of(link, i);
        if (how == WRONG) return WRONG;
        if (how == NEW) *count += 1;
        if (how == KNOWN) known++;
    }
    return known > 0 ? KNOWN : NEW;
}

static void name_new(pbts_link *link, pbts_taken *taken, pbts_span set) {
    for (uint32_t i = 0; pbts_piece_set_next(set, &i); i++) {
        if (standing_of(link, i) == NEW) name_piece(link, taken, taken->count, i);
    }
}

static pbts_status accept_batch(pbts_link *link, const pbts_peer_receipt *receipt, pbts_span set,
                                pbts_moment now) {
    pbts_taken *taken;
    uint32_t count;
    if (pbts_piece_set_count(set) > PBTS_RECEIPT_BATCH_PIECES_MAX) { /* no tracker takes it */
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_MALFORMED);
        return PBTS_OK;
    }
    standing how = count_new(link, &count, set);
    if (how == WRONG || (how == KNOWN && count > 0)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_WRONG_PIECES);
        return PBTS_OK;
    }
    if (count == 0) {
        pbts_link_count_useless(link, 1, now);
        return PBTS_OK;
    }
    PBTS_TRY(begin(link, &taken, receipt, count, now));
    taken->signature = receipt->signature;
    pbts_receipt_root(taken->root, set, link->hashes);
    name_new(link, taken, set);
    pbts_link_receipt_came(link, now);
    return PBTS_OK;
}

static bool has_all_of(pbts_span set, const uint8_t *inner) {
    for (size_t i = 0; i < set.len; i++) {
        if ((inner[i] & ~set.data[i]) != 0) return false;
    }
    return true;
}

/* Pieces that another statement of this connection named: of this epoch they must all be in it, of
 * an earlier one none. */
static bool continues(const pbts_link *link, pbts_span set, uint64_t epoch) {
    const pbts_lender *lend = &link->lend;
    bool same = lend->has_cumulative && lend->cumulative_epoch == epoch;
    if (same && !has_all_of(set, lend->cumulative)) return false;
    for (uint32_t i = 0; pbts_piece_set_next(set, &i); i++) {
        bool old = same && pbts_piece_set_has(lend->cumulative, i);
        if (!old && pbts_piece_set_has(lend->named, i)) return false;
    }
    return true;
}

/* The one that is not checked yet and grows, or a new one; with room for `count` pieces. */
static pbts_status cumulative_receipt(pbts_link *link, pbts_taken **out,
                                      const pbts_peer_receipt *receipt, uint32_t count,
                                      pbts_moment now) {
    pbts_taken *taken = pbts_taken_open(link, PBTS_FORM_CUMULATIVE, receipt->epoch);
    *out = taken;
    if (taken != NULL) return pbts_taken_reserve(link, taken, count);
    PBTS_TRY(begin(link, out, receipt, count, now));
    (*out)->set = pbts_alloc(link->terms->mem, link->set_len);
    if ((*out)->set != NULL) return PBTS_OK;
    pbts_taken_drop(link, *out);
    return PBTS_NO_MEMORY;
}

static pbts_status accept_cumulative(pbts_link *link, const pbts_peer_receipt *receipt,
                                     pbts_span set, pbts_moment now) {
    pbts_lender *lend = &link->lend;
    pbts_taken *taken;
    uint32_t count;
    if (lend->has_cumulative && receipt->epoch < lend->cumulative_epoch) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_WRONG_EPOCH);
        return PBTS_OK;
    }
    if (!continues(link, set, receipt->epoch) || count_new(link, &count, set) == WRONG) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_WRONG_PIECES);
        return PBTS_OK;
    }
    if (count == 0) {
        pbts_link_count_useless(link, 1, now);
        return PBTS_OK;
    }
    PBTS_TRY(cumulative_receipt(link, &taken, receipt, count, now));
    taken->signature = receipt->signature;
    memcpy(taken->set, set.data, set.len);
    name_new(link, taken, set);
    memcpy(lend->cumulative, set.data, set.len);
    lend->has_cumulative = true;
    lend->cumulative_epoch = receipt->epoch;
    pbts_link_receipt_came(link, now);
    return PBTS_OK;
}

/* ---- all ---- */

static pbts_status accept(pbts_link *link, const pbts_peer_receipt *receipt, pbts_moment now) {
    bool is_piece = receipt->form == PBTS_FORM_PIECE || receipt->form == PBTS_FORM_SESSION;
    if (is_piece) {
        standing how = standing_of(link, receipt->piece_index);
        if (how == KNOWN) pbts_link_count_useless(link, 1, now);
        if (how == WRONG) pbts_link_refuse(link, PBTS_LINK_REFUSAL_WRONG_PIECES);
        if (how != NEW) return PBTS_OK;
        return receipt->form == PBTS_FORM_PIECE ? accept_piece(link, receipt, now)
                                                : accept_session_piece(link, receipt, now);
    }
    pbts_span set = { link->scratch, link->set_len };
    pbts_peer_pieces_expand(link->scratch, link->piece_count, &receipt->pieces);
    return receipt->form == PBTS_FORM_BATCH ? accept_batch(link, receipt, set, now)
                                            : accept_cumulative(link, receipt, set, now);
}

pbts_status pbts_link_take_receipt(pbts_link *link, const pbts_peer_receipt *receipt,
                                   pbts_moment now) {
    if ((link->terms->forms_taken & (1u << receipt->form)) == 0) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_COMMON_FORM);
        return PBTS_OK;
    }
    if (!epoch_is_near(receipt->epoch, now)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_WRONG_EPOCH);
        return PBTS_OK;
    }
    pbts_status status = accept(link, receipt, now);
    if (status == PBTS_LIMIT) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_FLOOD);
        return PBTS_OK;
    }
    pbts_taken_tick(link, now);
    return status;
}
