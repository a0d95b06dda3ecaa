/* As receiver: the four forms. A piece is signed for once on a connection, in whatever form. A
 * cumulative statement begins anew with each epoch and has only the pieces signed for in it, so
 * that two of them never claim a piece in two claim periods. */
#include "base/assert.h"
#include "base/epoch.h"
#include "base/secret.h"
#include "peer/link_state.h"

static pbts_receipt receipt_for(const pbts_link *link, pbts_moment now) {
    pbts_receipt receipt = { .form = link->give.form,
                             .sender = link->other.key,
                             .receiver = link->terms->key,
                             .epoch = pbts_epoch_at(now.unix_s) };
    memcpy(receipt.iid, link->terms->iid, sizeof receipt.iid);
    memcpy(receipt.infohash, link->torrent->infohash, sizeof receipt.infohash);
    return receipt;
}

static bool first_waiting(const pbts_link *link, uint32_t *piece) {
    *piece = 0;
    return pbts_piece_set_next((pbts_span){ link->give.waiting, link->set_len }, piece);
}

static void encode(pbts_writer *writer, pbts_peer_kind kind, const pbts_peer_receipt *receipt) {
    const pbts_peer_pbts_message message = { .kind = kind, .receipt = *receipt };
    pbts_peer_pbts_encode(writer, &message);
}

/* ---- piece ---- */

static void write_piece(pbts_link *link, pbts_writer *writer, pbts_moment now) {
    uint32_t piece;
    bool found = first_waiting(link, &piece);
    assert(found);
    pbts_receipt receipt = receipt_for(link, now);
    pbts_peer_receipt out = { .form = PBTS_FORM_PIECE,
                              .epoch = receipt.epoch,
                              .piece_index = piece };
    receipt.piece_index = piece;
    link->hashes.get(link->hashes.context, receipt.piece_hash, piece);
    pbts_receipt_sign(&out.signature, &receipt, link->terms->secret);
    encode(writer, PBTS_PEER_MSG_RECEIPT, &out);
    pbts_link_give_done(link, piece);
}

/* ---- cumulative ---- */

/* The present epoch, but not one before the last: a clock that steps back over the turn of the hour
 * by no more than what a sender forgives stays behind it. */
static uint64_t enter_epoch(pbts_link *link, pbts_moment now) {
    pbts_giver *give = &link->give;
    uint64_t epoch = pbts_epoch_at(now.unix_s), last = give->sum_epoch;
    bool stepped = last > epoch && last <= pbts_epoch_at(now.unix_s + PBTS_LINK_CLOCK_SLACK_S);
    if (stepped || last == epoch) return last;
    give->sum_epoch = epoch;
    memset(give->sum, 0, link->set_len);
    return epoch;
}

static void write_cumulative(pbts_link *link, pbts_writer *writer, pbts_moment now) {
    pbts_receipt receipt = receipt_for(link, now);
    receipt.epoch = enter_epoch(link, now);
    pbts_peer_receipt out = { .form = PBTS_FORM_CUMULATIVE, .epoch = receipt.epoch };
    pbts_span waiting = { link->give.waiting, link->set_len };
    for (uint32_t piece = 0; pbts_piece_set_next(waiting, &piece); piece++) {
        pbts_piece_set_add(link->give.sum, piece);
        pbts_link_give_done(link, piece); /* it waits no more */
    }
    receipt.bitmap = (pbts_span){ link->give.sum, link->set_len };
    pbts_receipt_sign(&out.signature, &receipt, link->terms->secret);
    out.pieces = pbts_peer_pieces_shortest(receipt.bitmap, link->scratch);
    encode(writer, PBTS_PEER_MSG_RECEIPT, &out);
}

/* ---- batch ---- */

static void write_batch(pbts_link *link, pbts_writer *writer, pbts_moment now) {
    pbts_receipt receipt = receipt_for(link, now);
    pbts_peer_receipt out = { .form = PBTS_FORM_BATCH, .epoch = receipt.epoch };
    uint8_t *set = link->give.sum, *buffer = link->scratch;
    uint32_t piece, most = link->terms->batch_pieces > 0 ? link->terms->batch_pieces : 1;
    memset(set, 0, link->set_len);
    for (uint32_t i = 0; i < most && first_waiting(link, &piece); i++) {
        pbts_piece_set_add(set, piece);
        pbts_link_give_done(link, piece);
    }
    receipt.bitmap = (pbts_span){ set, link->set_len };
    pbts_receipt_root(receipt.root, receipt.bitmap, link->hashes);
    pbts_receipt_sign(&out.signature, &receipt, link->terms->secret);
    out.pieces = pbts_peer_pieces_shortest(receipt.bitmap, buffer);
    encode(writer, PBTS_PEER_MSG_RECEIPT_BATCH, &out);
}

/* ---- session ---- */

/* A key for the transfer that can sign for this epoch; made anew after a day. */
static bool ensure_session(pbts_link *link, pbts_moment now) {
    pbts_giver *give = &link->give;
    const pbts_link_terms *terms = link->terms;
    uint64_t epoch = pbts_epoch_at(now.unix_s);
    if (give->has_session && pbts_receipt_session_check(&give->session, epoch) == PBTS_OK) {
        return true;
    }
    give->has_session = give->session_sent = false;
    if (give->signer == NULL &&
        pbts_secp256k1_signer_new(&give->signer, terms->mem, terms->random) != PBTS_OK) {
        return false;
    }
    if (pbts_secp256k1_generate(&give->session_secret, terms->random) != PBTS_OK ||
        pbts_random_fill(terms->random, give->session.id, sizeof give->session.id) != PBTS_OK) {
        return false;
    }
    pbts_secp256k1_public_of(give->signer, &give->session.key, &give->session_secret);
    give->session.expires = pbts_receipt_session_expires(now.unix_s);
    pbts_receipt certificate = receipt_for(link, now);
    certificate.session = give->session;
    pbts_receipt_sign(&give->session_signature, &certificate, terms->secret);
    give->has_session = true;
    return true;
}

static void write_certificate(pbts_link *link, pbts_writer *writer) {
    const pbts_peer_pbts_message message = {
        .kind = PBTS_PEER_MSG_SESSION,
        .session = { link->give.session, link->give.session_signature },
    };
    pbts_peer_pbts_encode(writer, &message);
    link->give.session_sent = true;
}

static bool write_session_piece(pbts_link *link, pbts_writer *writer, pbts_moment now) {
    pbts_giver *give = &link->give;
    uint8_t hash[PBTS_PIECE_HASH_LEN];
    uint32_t piece;
    if (!ensure_session(link, now)) return false;
    if (!give->session_sent) {
        write_certificate(link, writer);
        return true;
    }
    bool found = first_waiting(link, &piece);
    assert(found);
    pbts_receipt receipt = receipt_for(link, now);
    pbts_peer_receipt out = { .form = PBTS_FORM_SESSION,
                              .epoch = receipt.epoch,
                              .piece_index = piece };
    receipt.session = give->session;
    link->hashes.get(link->hashes.context, hash, piece);
    pbts_receipt_session_sign(give->signer, &out.session_signature, &give->session_secret, &receipt,
                              hash, piece);
    encode(writer, PBTS_PEER_MSG_RECEIPT, &out);
    pbts_link_give_done(link, piece);
    return true;
}

/* ---- all ---- */

/* Pieces were signed for. When nobody had to ask, the sender's limit may be higher than we learned
 * it was. */
static void count_receipt(pbts_link *link, bool asked, pbts_moment now) {
    pbts_giver *give = &link->give;
    uint64_t most_bytes =
        pbts_exposure_new(give->exposure.piece_bytes, link->terms->exposure_max_bytes).max_bytes;
    if (give->receipts == 0) give->given_period = pbts_claim_period(pbts_epoch_at(now.unix_s));
    give->receipts++;
    give->requests_earned++;
    if (asked || give->limit_is_told || give->exposure.max_bytes >= most_bytes) return;
    give->exposure.max_bytes += give->exposure.max_bytes / 8;
    if (give->exposure.max_bytes > most_bytes) give->exposure.max_bytes = most_bytes;
}

bool pbts_link_write_receipt(pbts_link *link, pbts_writer *writer, pbts_moment now) {
    pbts_giver *give = &link->give;
    uint32_t waiting = give->waiting_count;
    bool asked = give->asked;
    if (!pbts_link_give_is_due(link, now)) return false;
    give->burst = true; /* all that wait go with it */
    switch (give->form) {
    case PBTS_FORM_PIECE: write_piece(link, writer, now); break;
    case PBTS_FORM_CUMULATIVE: write_cumulative(link, writer, now); break;
    case PBTS_FORM_BATCH: write_batch(link, writer, now); break;
    case PBTS_FORM_SESSION:
        if (!write_session_piece(link, writer, now)) return false;
        break;
    }
    if (give->waiting_count < waiting) count_receipt(link, asked, now);
    return true;
}
