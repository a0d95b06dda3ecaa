/* As receiver: which pieces are to be signed for, and when. */
#include "base/assert.h"
#include "base/epoch.h"
#include "peer/link_state.h"

void pbts_link_give_begin(pbts_link *link) {
    const pbts_metainfo *meta = link->torrent->meta;
    link->give.exposure =
        pbts_exposure_new(pbts_metainfo_piece_length(meta), link->terms->exposure_max_bytes);
    link->give.own_left_bytes = pbts_metainfo_total_bytes(meta);
    pbts_piece_map_init(&link->give.shared, link->terms->mem, ~link->seed);
}

void pbts_link_give_told(pbts_link *link, uint64_t limit_bytes) {
    pbts_giver *give = &link->give;
    give->exposure = pbts_exposure_new(give->exposure.piece_bytes, limit_bytes);
    give->limit_is_told = true;
}

void pbts_link_give_end(pbts_link *link) {
    const pbts_giver *give = &link->give;
    if (give->waiting_count == 0 && give->receipts == 0) return;
    pbts_tally *tally = pbts_link_tally_begin(link);
    if (tally == NULL) return;
    if (give->receipts > 0) {
        pbts_tally_enter_period(tally, tally->given, &tally->given_period, give->given_period);
    }
    bool same_period = tally->given_period == give->given_period;
    for (uint32_t i = 0; i < link->piece_count; i++) {
        if (pbts_piece_set_has(give->waiting, i)) pbts_tally_add(tally, &tally->owed, i);
        if (same_period && pbts_piece_set_has(give->given, i)) {
            pbts_tally_add(tally, &tally->given, i);
        }
    }
}

/* ---- pieces that come ---- */

static bool is_shared(const pbts_giver *give, uint32_t piece) {
    return pbts_piece_map_get(&give->shared, piece) > 0;
}

static void wait_for_receipt(pbts_link *link, uint32_t piece, pbts_moment now) {
    pbts_giver *give = &link->give;
    pbts_piece_set_add(give->waiting, piece);
    if (give->waiting_count++ == 0) give->waiting_since_ms = now.mono_ms;
    give->waiting_bytes += pbts_link_piece_bytes(link, piece);
}

static bool is_known(const pbts_giver *give, uint32_t piece) {
    return pbts_piece_set_has(give->waiting, piece) || pbts_piece_set_has(give->given, piece);
}

/* In this claim period, on this connection or an earlier one. */
static bool was_given(const pbts_link *link, uint32_t piece, uint64_t period) {
    const pbts_giver *give = &link->give;
    const pbts_tally *tally = pbts_link_tally(link);
    if (give->given_period == period && pbts_piece_set_has(give->given, piece)) return true;
    return tally != NULL && tally->given_period == period && pbts_tally_has(tally->given, piece);
}

static void note_repeat(pbts_link *link, uint64_t period) {
    pbts_giver *give = &link->give;
    if (give->repeat_period == period) return;
    give->repeat_period = period;
    pbts_tally *tally = pbts_link_tally_begin(link);
    bool is_told = tally != NULL && tally->repeat_period == period;
    if (tally != NULL) tally->repeat_period = period;
    give->repeat_untold = !is_told;
}

bool pbts_link_take_repeat(pbts_link *link) {
    bool is = link->give.repeat_untold;
    link->give.repeat_untold = false;
    return is;
}

pbts_status pbts_link_piece_received(pbts_link *link, uint32_t index, pbts_moment now) {
    assert(index < link->piece_count);
    if (link->state != PBTS_LINK_READY) return PBTS_DENIED;
    uint64_t period = pbts_claim_period(pbts_epoch_at(now.unix_s));
    if (was_given(link, index, period)) note_repeat(link, period);
    if (is_known(&link->give, index)) return PBTS_EXISTS;
    if (is_shared(&link->give, index)) {
        link->give.shared_bytes -= pbts_piece_map_remove(&link->give.shared, index);
    }
    link->give.received_pieces++;
    link->give.received_bytes += pbts_link_piece_bytes(link, index);
    pbts_link_allow_for_given(link, pbts_link_piece_bytes(link, index));
    wait_for_receipt(link, index, now);
    return PBTS_OK;
}

void pbts_link_set_own_left(pbts_link *link, uint64_t left_bytes) {
    link->give.own_left_bytes = left_bytes;
}

/* What the sender may think we lack (pbts_link_other_left): no more than we have not signed for. */
static uint64_t own_left(const pbts_link *link) {
    const pbts_giver *give = &link->give;
    uint64_t total_bytes = pbts_metainfo_total_bytes(link->torrent->meta);
    uint64_t unsigned_bytes =
        total_bytes > give->signed_bytes ? total_bytes - give->signed_bytes : 0;
    return give->own_left_bytes < unsigned_bytes ? give->own_left_bytes : unsigned_bytes;
}

void pbts_link_set_checking(pbts_link *link, uint64_t bytes) {
    link->give.checking_bytes = bytes;
}

void pbts_link_sign_all(pbts_link *link) {
    link->give.sign_all = true;
}

/* ---- pieces that were credited to others ---- */

/* Of those that were shared the one that most of came from here. */
static bool greatest_shared(const pbts_link *link, uint32_t *piece) {
    const pbts_giver *give = &link->give;
    uint32_t at = 0, index, bytes, most = 0;
    while (pbts_piece_map_next(&give->shared, &at, &index, &bytes)) {
        if (bytes < most || (bytes == most && index > *piece)) continue;
        most = bytes;
        *piece = index;
    }
    return most > 0;
}

/* The sender has to stop and asks. When what we had of shared pieces is a good part of why, sign
 * for some of these pieces to it too: as many as were lent in bytes, and no more. */
static bool pay_shared(pbts_link *link, pbts_moment now) {
    pbts_giver *give = &link->give;
    uint32_t piece = 0;
    bool paid = false;
    uint64_t limit_bytes = pbts_exposure_limit(&give->exposure, own_left(link));
    if (give->shared_bytes < limit_bytes / 2) return false;
    while (greatest_shared(link, &piece)) {
        uint32_t size = pbts_link_piece_bytes(link, piece);
        if (size > give->shared_bytes) break;
        pbts_piece_map_remove(&give->shared, piece);
        give->shared_bytes -= size;
        wait_for_receipt(link, piece, now);
        paid = true;
    }
    return paid;
}

void pbts_link_piece_shared(pbts_link *link, uint32_t index, uint32_t bytes, pbts_moment now) {
    pbts_giver *give = &link->give;
    assert(index < link->piece_count);
    if (link->state != PBTS_LINK_READY || bytes == 0 || is_known(give, index)) return;
    uint64_t sum = (uint64_t)pbts_piece_map_get(&give->shared, index) + bytes;
    uint32_t most = pbts_link_piece_bytes(link, index);
    uint32_t had = pbts_piece_map_get(&give->shared, index);
    uint32_t has = sum < most ? (uint32_t)sum : most;
    if (pbts_piece_map_set(&give->shared, index, has) != PBTS_OK) return;
    give->shared_bytes += has - had;
    if (give->asked) (void)pay_shared(link, now);
}

void pbts_link_owe(const pbts_link_terms *terms, const pbts_link_torrent *torrent,
                   const uint8_t key[static PBTS_LINK_KEY_PREFIX_LEN], uint32_t index) {
    uint32_t seed = 0, piece_count = pbts_metainfo_piece_count(torrent->meta);
    pbts_page *page =
        terms->book == NULL ? NULL : pbts_book_find(terms->book, key, PBTS_LINK_KEY_PREFIX_LEN);
    assert(index < piece_count);
    if (page == NULL || pbts_random_fill(terms->random, (uint8_t *)&seed, sizeof seed) != PBTS_OK) {
        return;
    }
    pbts_tally *tally =
        pbts_book_tally_begin(terms->book, page, torrent->infohash, piece_count, seed);
    if (tally != NULL) pbts_tally_add(tally, &tally->owed, index);
}

/* ---- requests ---- */

/* A piece of an earlier connection whose receipt the sender does not have: one we owe, or one that
 * we signed for so recently that signing again costs us nothing. */
static bool take_carried(pbts_link *link, uint32_t piece, pbts_moment now) {
    pbts_tally *tally = pbts_link_tally(link);
    uint64_t period = pbts_claim_period(pbts_epoch_at(now.unix_s));
    if (tally == NULL || is_known(&link->give, piece)) return false;
    pbts_tally_enter_period(tally, tally->given, &tally->given_period, period);
    if (!pbts_tally_has(tally->owed, piece) && !was_given(link, piece, period)) return false;
    wait_for_receipt(link, piece, now);
    return true;
}

/* The sender stops before we thought it would: its limit, which it did not tell, is lower than
 * ours. */
static void learn_limit(pbts_link *link) {
    pbts_giver *give = &link->give;
    if (give->limit_is_told) return;
    pbts_exposure *exposure = &give->exposure;
    uint64_t limit_bytes = pbts_exposure_limit(exposure, own_left(link));
    uint64_t lent_bytes = give->waiting_bytes + give->checking_bytes;
    if (lent_bytes < exposure->piece_bytes || lent_bytes >= limit_bytes) return;
    exposure->max_bytes = lent_bytes;
}

void pbts_link_take_request(pbts_link *link, const pbts_peer_receipt_request *request,
                            pbts_moment now) {
    pbts_giver *give = &link->give;
    /* After each receipt the sender may find that it still has to wait: when some are under way at
     * once, as many requests come. */
    bool useful = give->requests_earned > 0;
    if (request->has_index) {
        useful = take_carried(link, request->piece_index, now) || useful;
    } else {
        learn_limit(link);
        useful = pay_shared(link, now) || useful;
    }
    give->asked = true;
    if (give->requests_earned > 0) give->requests_earned--;
    if (!useful && give->waiting_count == 0) pbts_link_count_useless(link, 1, now);
}

/* ---- when ---- */

static uint64_t left_pieces(const pbts_link *link) {
    uint64_t piece_bytes = pbts_metainfo_piece_length(link->torrent->meta);
    return (link->give.own_left_bytes + piece_bytes - 1) / piece_bytes;
}

/* The sender waits. What is being checked makes a better receipt in a moment. */
static bool is_asked_for(const pbts_link *link, pbts_moment now) {
    const pbts_giver *give = &link->give;
    if (!give->asked) return false;
    if (give->checking_bytes == 0) return true;
    if (now.mono_ms >= give->waiting_since_ms + PBTS_LINK_ASKED_WAIT_MS) return true;
    return give->waiting_bytes >= pbts_exposure_limit(&give->exposure, own_left(link)) / 16;
}

bool pbts_link_give_is_due(const pbts_link *link, pbts_moment now) {
    const pbts_giver *give = &link->give;
    if (link->state != PBTS_LINK_READY || give->waiting_count == 0) return false;
    if (give->burst || give->sign_all || is_asked_for(link, now)) return true;
    if (now.mono_ms >= give->waiting_since_ms + PBTS_LINK_SIGN_AFTER_MS) return true;
    if (give->form == PBTS_FORM_BATCH && give->waiting_count >= link->terms->batch_pieces) {
        return true;
    }
    if (link->terms->schedule == PBTS_SCHEDULE_PAPER &&
        pbts_schedule_is_due_paper(give->received_pieces, give->waiting_count, left_pieces(link))) {
        return true;
    }
    return pbts_exposure_is_due(&give->exposure, give->waiting_bytes, give->checking_bytes,
                                own_left(link));
}

uint64_t pbts_link_give_deadline_ms(const pbts_link *link) {
    const pbts_giver *give = &link->give;
    if (link->state != PBTS_LINK_READY || give->waiting_count == 0) return UINT64_MAX;
    return give->waiting_since_ms +
           (give->asked ? PBTS_LINK_ASKED_WAIT_MS : PBTS_LINK_SIGN_AFTER_MS);
}

static void forget_in(uint8_t *set, uint32_t piece) {
    if (set != NULL) set[piece / 8] &= (uint8_t) ~(0x80u >> (piece % 8));
}

void pbts_link_give_done(pbts_link *link, uint32_t piece) {
    pbts_giver *give = &link->give;
    pbts_tally *tally = pbts_link_tally(link);
    uint32_t size = pbts_link_piece_bytes(link, piece);
    forget_in(give->waiting, piece);
    if (tally != NULL) forget_in(tally->owed, piece);
    pbts_piece_set_add(give->given, piece);
    give->waiting_count--;
    give->waiting_bytes -= size;
    give->signed_bytes += size;
    pbts_exposure_receipt(&give->exposure, size);
    if (give->waiting_count == 0) give->asked = give->burst = false;
}
