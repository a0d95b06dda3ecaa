/* As sender: what was served, less what stored receipts are worth. So all that a cheat can get is
 * what is lent, and that has a limit: of the connection, and of the key in all. */
#include "base/assert.h"
#include "base/epoch.h"
#include "peer/link_state.h"

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t above_zero(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

void pbts_link_lend_begin(pbts_link *link) {
    pbts_lender *lend = &link->lend;
    const pbts_metainfo *meta = link->torrent->meta;
    lend->exposure =
        pbts_exposure_new(pbts_metainfo_piece_length(meta), link->terms->exposure_max_bytes);
    lend->other_left_bytes = pbts_metainfo_total_bytes(meta);
    lend->owed_since_ms = lend->asked_ms = lend->first_asked_ms = UINT64_MAX;
    lend->exhausted_ms = UINT64_MAX;
    pbts_piece_map_init(&lend->lent, link->terms->mem, link->seed);
}

/* The debt itself is on the page already. */
void pbts_link_lend_end(pbts_link *link) {
    uint32_t at = 0, piece, bytes;
    if (link->lend.lent.count == 0) return;
    pbts_tally *tally = pbts_link_tally_begin(link);
    if (tally == NULL) return;
    tally->lent_changes++;
    (void)!pbts_piece_map_reserve(&tally->lent, tally->lent.count + link->lend.lent.count);
    while (pbts_piece_map_next(&link->lend.lent, &at, &piece, &bytes)) {
        uint64_t sum = (uint64_t)bytes + pbts_piece_map_get(&tally->lent, piece);
        uint32_t most = pbts_link_piece_bytes(link, piece);
        /* Without memory the piece is forgotten, the debt is not. */
        (void)!pbts_piece_map_set(&tally->lent, piece, (uint32_t)smaller(sum, most));
    }
}

void pbts_link_set_other_left(pbts_link *link, uint64_t left_bytes) {
    link->lend.other_left_bytes = left_bytes;
}

/* ---- how much more ---- */

/* So one that does not tell what it has gains no trust at the end. */
uint64_t pbts_link_other_left(const pbts_link *link) {
    const pbts_lender *lend = &link->lend;
    uint64_t total_bytes = pbts_metainfo_total_bytes(link->torrent->meta);
    return smaller(lend->other_left_bytes, above_zero(total_bytes, lend->paid_bytes));
}

uint64_t pbts_link_allowance_left(const pbts_link *link) {
    const pbts_page *page = link->page;
    if (!link->ticket_counts) return UINT64_MAX;
    return above_zero(page->ticket_allowance_bytes, page->taken_bytes);
}

/* By the exposure limit: of this connection, and of the key on all of them together. */
static uint64_t trust_left(const pbts_link *link) {
    const pbts_lender *lend = &link->lend;
    uint64_t limit_bytes = pbts_exposure_limit(&lend->exposure, pbts_link_other_left(link));
    uint64_t most_bytes = lend->exposure.max_bytes;
    uint64_t lent_bytes = above_zero(lend->billed_bytes, lend->paid_bytes);
    uint64_t owed_bytes = link->page->owed_bytes > 0 ? (uint64_t)link->page->owed_bytes : 0;
    if (lend->whole == 0) {
        /* For parts of pieces nobody can sign: one of them may be made whole. */
        limit_bytes += lend->exposure.piece_bytes;
        most_bytes += lend->exposure.piece_bytes;
    }
    return smaller(above_zero(limit_bytes, lent_bytes), above_zero(most_bytes, owed_bytes));
}

uint64_t pbts_link_may_serve_bytes(const pbts_link *link) {
    if (link->state != PBTS_LINK_READY || link->page->banned != 0) return 0;
    uint64_t trust_bytes = link->terms->receipts_required ? trust_left(link) : UINT64_MAX;
    return smaller(trust_bytes, pbts_link_allowance_left(link));
}

/* ---- serving ---- */

/* It can be signed for, and nobody did. */
static void count_whole_open(pbts_lender *lend, pbts_moment now) {
    lend->whole_open++;
    if (lend->owed_since_ms == UINT64_MAX) lend->owed_since_ms = now.mono_ms;
}

/* Put it on the bill of its piece, as far as a receipt for the piece can cover it. */
static void put_on_bill(pbts_link *link, uint32_t index, uint32_t bytes, pbts_moment now) {
    pbts_lender *lend = &link->lend;
    uint32_t before = pbts_piece_map_get(&lend->lent, index);
    uint32_t most = pbts_link_piece_bytes(link, index);
    if (bytes == 0 || before == most || pbts_piece_set_has(lend->covered, index)) return;
    uint32_t after = (uint32_t)smaller((uint64_t)before + bytes, most);
    if (pbts_piece_map_set(&lend->lent, index, after) != PBTS_OK) return;
    bool open = !pbts_piece_set_has(lend->named, index);
    if (open && before == 0) lend->open++;
    if (open && after == most) count_whole_open(lend, now);
    if (after == most) lend->whole++;
}

void pbts_link_served(pbts_link *link, uint32_t index, uint32_t bytes, pbts_moment now) {
    pbts_lender *lend = &link->lend;
    assert(index < link->piece_count);
    lend->served_bytes += bytes;
    if (link->page == NULL) return;
    lend->billed_bytes += bytes;
    link->page->owed_bytes += bytes;
    link->page->taken_bytes += bytes;
    put_on_bill(link, index, bytes, now);
    pbts_taken_tick(link, now); /* before it has to stop */
}

/* ---- receipts ---- */

static uint32_t carried_bytes(const pbts_link *link, uint32_t piece) {
    const pbts_tally *tally = pbts_link_tally(link);
    return tally != NULL ? pbts_piece_map_get(&tally->lent, piece) : 0;
}

/* The place of the piece among those that we asked for, or carried_asks. */
static uint32_t place_of_ask(const pbts_lender *lend, uint32_t piece) {
    uint32_t at = 0;
    while (at < lend->carried_asks && lend->asked_for[at] != piece) at++;
    return at;
}

/* The book may forget a tally when many others are written; who answers what we asked is right. */
bool pbts_link_was_served(const pbts_link *link, uint32_t piece) {
    const pbts_lender *lend = &link->lend;
    return pbts_piece_map_get(&lend->lent, piece) > 0 || carried_bytes(link, piece) > 0 ||
           place_of_ask(lend, piece) < lend->carried_asks;
}

/* Whether the book has no receipt for the piece yet in the claim period; now it has. */
static bool is_first_in_period(pbts_link *link, uint32_t piece, uint64_t epoch) {
    pbts_tally *tally = pbts_link_tally_begin(link);
    if (tally == NULL) return true;
    pbts_tally_enter_period(tally, tally->paid, &tally->paid_period, pbts_claim_period(epoch));
    if (pbts_claim_period(epoch) < tally->paid_period) return false; /* nobody remembers */
    bool first = !pbts_tally_has(tally->paid, piece);
    pbts_tally_add(tally, &tally->paid, piece);
    return first;
}

uint32_t pbts_link_name(pbts_link *link, uint32_t piece, uint64_t epoch) {
    pbts_lender *lend = &link->lend;
    uint32_t size = pbts_link_piece_bytes(link, piece);
    uint32_t lent = pbts_piece_map_get(&lend->lent, piece);
    assert(!pbts_piece_set_has(lend->named, piece));
    pbts_piece_set_add(lend->named, piece);
    if (lent > 0) lend->open--;
    if (lent == size) lend->whole_open--;
    uint32_t ask = place_of_ask(lend, piece);
    if (ask < lend->carried_asks) lend->asked_for[ask] = lend->asked_for[--lend->carried_asks];
    return is_first_in_period(link, piece, epoch) ? size : 0;
}

void pbts_link_receipt_came(pbts_link *link, pbts_moment now) {
    pbts_lender *lend = &link->lend;
    lend->owed_since_ms = lend->whole_open > 0 ? now.mono_ms : UINT64_MAX;
    lend->asked_ms = lend->first_asked_ms = UINT64_MAX;
}

/* What is paid in advance is no more credit than what is lent: whose pieces we served before we
 * were started anew can sign for all of them again, which the tracker calls duplicates. */
static void settle_debt(pbts_link *link, uint32_t worth_bytes) {
    int64_t most_bytes = (int64_t)smaller(link->lend.exposure.max_bytes, INT64_MAX);
    pbts_page *page = link->page;
    page->owed_bytes -= worth_bytes;
    if (page->owed_bytes < -most_bytes) page->owed_bytes = -most_bytes;
}

void pbts_link_cover(pbts_link *link, uint32_t piece, uint32_t worth_bytes) {
    pbts_lender *lend = &link->lend;
    pbts_tally *tally = pbts_link_tally(link);
    uint32_t lent = pbts_piece_map_remove(&lend->lent, piece);
    if (tally != NULL) pbts_piece_map_remove(&tally->lent, piece);
    pbts_piece_set_add(lend->covered, piece);
    if (lent == pbts_link_piece_bytes(link, piece)) lend->whole--;
    if (lent > 0) lend->paid_bytes += worth_bytes;
    lend->covered_bytes += worth_bytes;
    settle_debt(link, worth_bytes);
}

/* ---- asking ---- */

static uint64_t half_timeout_ms(const pbts_link *link) {
    return link->terms->receipt_timeout_ms / 2;
}

/* It cannot be given another block because of pieces that no receipt names. Those receipts that
 * came and are not stored yet may be enough. */
static bool is_stopped(const pbts_link *link) {
    const pbts_lender *lend = &link->lend;
    return lend->open > 0 && lend->taken_count == 0 && trust_left(link) < PBTS_LINK_BLOCK_BYTES;
}

void pbts_link_ask_all(pbts_link *link) {
    link->lend.ask_all = true;
}

bool pbts_link_is_owed(const pbts_link *link) {
    return link->state == PBTS_LINK_READY && link->terms->receipts_required &&
           link->lend.whole_open > 0;
}

/* When to ask for a receipt of what was served on this connection. */
static uint64_t ask_at_ms(const pbts_link *link) {
    const pbts_lender *lend = &link->lend;
    uint64_t pause_ms = half_timeout_ms(link);
    if (!link->terms->receipts_required) return UINT64_MAX;
    if (is_stopped(link) || (lend->ask_all && pbts_link_is_owed(link)))
        return lend->asked_ms == UINT64_MAX ? 0 : lend->asked_ms + pause_ms;
    if (lend->owed_since_ms == UINT64_MAX) return UINT64_MAX;
    uint64_t since_ms = lend->asked_ms == UINT64_MAX ? lend->owed_since_ms : lend->asked_ms;
    return since_ms + pause_ms;
}

static void write_request(const pbts_link *link, pbts_writer *writer, const uint32_t *piece) {
    const pbts_peer_pbts_message message = {
        .kind = PBTS_PEER_MSG_REQUEST_RECEIPT,
        .request = { .form = pbts_link_form_of(link->terms->forms_taken, link->terms->form_given),
                     .has_index = piece != NULL,
                     .piece_index = piece != NULL ? *piece : 0 },
    };
    pbts_peer_pbts_encode(writer, &message);
}

/* The next piece that was served whole on an earlier connection, from `from` on. */
static bool next_carried(const pbts_link *link, uint32_t *piece, uint32_t from) {
    const pbts_tally *tally = pbts_link_tally(link);
    uint32_t at = 0, index, bytes;
    bool found = false;
    if (tally == NULL) return false;
    while (pbts_piece_map_next(&tally->lent, &at, &index, &bytes)) {
        bool whole = bytes == pbts_link_piece_bytes(link, index);
        if (!whole || index < from || pbts_piece_set_has(link->lend.named, index)) continue;
        if (!found || index < *piece) *piece = index;
        found = true;
    }
    return found;
}

/* Of those that were served in part, and that the other has now, the one that most was served of:
 * the likeliest to be credited to us. */
static bool next_part(const pbts_link *link, uint32_t *piece) {
    const pbts_tally *tally = pbts_link_tally(link);
    uint32_t at = 0, index, bytes, most = 0;
    if (tally == NULL) return false;
    while (pbts_piece_map_next(&tally->lent, &at, &index, &bytes)) {
        bool asks = pbts_piece_set_has(link->lend.parts, index) &&
                    !pbts_piece_set_has(link->lend.named, index);
        if (!asks || bytes < most || (bytes == most && index > *piece)) continue;
        most = bytes;
        *piece = index;
    }
    return most > 0;
}

/* Looking through all of them for nothing is not repeated at every message: they may be many. */
static bool was_looked_through(const pbts_link *link, const pbts_tally *tally) {
    return tally == NULL || (link->lend.has_looked && link->lend.looked_at == tally->lent_changes);
}

/* Whether to ask for one of those now. */
static bool wants_carried(const pbts_link *link, uint32_t *piece) {
    if (link->lend.carried_asks >= PBTS_LINK_CARRIED_ASKS_MAX) return false;
    if (was_looked_through(link, pbts_link_tally(link))) return false;
    return next_carried(link, piece, link->lend.carried_from) || next_part(link, piece);
}

static void note_part(pbts_link *link, uint32_t piece, uint32_t bytes) {
    if (bytes == 0 || bytes == pbts_link_piece_bytes(link, piece)) return;
    pbts_piece_set_add(link->lend.parts, piece);
    link->lend.has_looked = false;
}

void pbts_link_other_has(pbts_link *link, uint32_t index) {
    assert(index < link->piece_count);
    if (link->state == PBTS_LINK_READY) note_part(link, index, carried_bytes(link, index));
}

void pbts_link_other_has_set(pbts_link *link, pbts_span set) {
    const pbts_tally *tally = link->state == PBTS_LINK_READY ? pbts_link_tally(link) : NULL;
    uint32_t at = 0, index, bytes;
    if (tally == NULL) return;
    while (pbts_piece_map_next(&tally->lent, &at, &index, &bytes)) {
        if (set.len == 0 || pbts_piece_set_has(set.data, index)) note_part(link, index, bytes);
    }
}

bool pbts_link_wants_request(const pbts_link *link, pbts_moment now) {
    uint32_t piece = 0;
    return now.mono_ms >= ask_at_ms(link) || wants_carried(link, &piece);
}

/* There is nothing to ask for, unless it is only that so many are asked for already. */
static void note_looked(pbts_link *link) {
    const pbts_tally *tally = pbts_link_tally(link);
    if (tally == NULL || link->lend.carried_asks >= PBTS_LINK_CARRIED_ASKS_MAX) return;
    link->lend.has_looked = true;
    link->lend.looked_at = tally->lent_changes;
}

bool pbts_link_write_request(pbts_link *link, pbts_writer *writer, pbts_moment now) {
    pbts_lender *lend = &link->lend;
    uint32_t piece = 0;
    if (now.mono_ms >= ask_at_ms(link)) {
        lend->asked_ms = now.mono_ms;
        if (lend->first_asked_ms == UINT64_MAX) lend->first_asked_ms = now.mono_ms;
        write_request(link, writer, NULL);
        return true;
    }
    if (!wants_carried(link, &piece)) {
        note_looked(link);
        return false;
    }
    lend->asked_for[lend->carried_asks++] = piece;
    if (pbts_piece_set_has(lend->parts, piece)) {
        lend->parts[piece / 8] &= (uint8_t) ~(0x80u >> (piece % 8));
    } else {
        lend->carried_from = piece + 1;
    }
    write_request(link, writer, &piece);
    return true;
}

/* ---- giving up ---- */

/* Whole pieces were served, we asked, and nothing came for as long as a receipt may take. */
static uint64_t give_up_at_ms(const pbts_link *link) {
    const pbts_lender *lend = &link->lend;
    if (lend->owed_since_ms == UINT64_MAX || lend->first_asked_ms == UINT64_MAX) return UINT64_MAX;
    uint64_t from_ms =
        lend->first_asked_ms > lend->owed_since_ms ? lend->first_asked_ms : lend->owed_since_ms;
    return from_ms + link->terms->receipt_timeout_ms;
}

/* Its ticket allows no more, and we want nothing from it: there is no use in keeping it. */
static uint64_t exhausted_at_ms(const pbts_link *link) {
    if (link->lend.exhausted_ms == UINT64_MAX || link->give.own_left_bytes > 0) return UINT64_MAX;
    return link->lend.exhausted_ms + link->terms->receipt_timeout_ms;
}

void pbts_link_lend_tick(pbts_link *link, pbts_moment now) {
    pbts_lender *lend = &link->lend;
    if (link->state != PBTS_LINK_READY) return;
    bool exhausted = lend->served_bytes > 0 && pbts_link_allowance_left(link) == 0;
    if (!exhausted) lend->exhausted_ms = UINT64_MAX;
    if (exhausted && lend->exhausted_ms == UINT64_MAX) lend->exhausted_ms = now.mono_ms;
    if (now.mono_ms >= give_up_at_ms(link)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_NO_RECEIPT);
    } else if (now.mono_ms >= exhausted_at_ms(link)) {
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_ALLOWANCE);
    }
}

uint64_t pbts_link_lend_deadline_ms(const pbts_link *link) {
    const pbts_lender *lend = &link->lend;
    uint64_t deadline_ms = UINT64_MAX;
    if (lend->unchecked > 0) deadline_ms = pbts_taken_check_at_ms(link);
    if (link->state != PBTS_LINK_READY) return deadline_ms;
    deadline_ms = smaller(deadline_ms, ask_at_ms(link));
    deadline_ms = smaller(deadline_ms, give_up_at_ms(link));
    return smaller(deadline_ms, exhausted_at_ms(link));
}
