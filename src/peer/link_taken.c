/* Receipts that were accepted. Their signatures are checked together, when they cover half of what
 * may be lent, before they hold up what is sent, or after a moment, because a product of pairings
 * costs little more than one; each is weighed with a random number, so that errors in two of them
 * cannot cancel. Then the owner stores them one by one, and only that frees what was lent. */
#include "base/assert.h"
#include "peer/link_state.h"
#include "wire/peer_message.h"

/* ---- the list ---- */

static void taken_free(pbts_link *link, pbts_taken *taken) {
    pbts_mem *mem = link->terms->mem;
    pbts_release(mem, taken->pieces);
    pbts_release(mem, taken->worths);
    pbts_release(mem, taken->set);
    pbts_release(mem, taken->hashes);
    pbts_release(mem, taken->signatures);
    pbts_release(mem, taken);
}

void pbts_taken_deinit(pbts_link *link) {
    pbts_lender *lend = &link->lend;
    for (uint32_t i = 0; i < lend->taken_count; i++) taken_free(link, lend->taken[i]);
    pbts_release(link->terms->mem, lend->taken);
}

static pbts_status list_reserve(pbts_link *link) {
    pbts_lender *lend = &link->lend;
    if (lend->taken_count < lend->taken_capacity) return PBTS_OK;
    uint32_t wanted = lend->taken_capacity ? 2 * lend->taken_capacity : 8;
    void *list = pbts_resize_array(link->terms->mem, lend->taken, wanted, sizeof(pbts_taken *));
    if (list == NULL) return PBTS_NO_MEMORY;
    lend->taken = list;
    lend->taken_capacity = wanted;
    return PBTS_OK;
}

pbts_status pbts_taken_add(pbts_link *link, pbts_taken **out, pbts_receipt_form form,
                           uint64_t epoch, pbts_moment now) {
    pbts_lender *lend = &link->lend;
    if (lend->taken_count >= PBTS_LINK_TAKEN_MAX) return PBTS_LIMIT;
    PBTS_TRY(list_reserve(link));
    pbts_taken *taken = pbts_alloc(link->terms->mem, sizeof *taken);
    if (taken == NULL) return PBTS_NO_MEMORY;
    taken->form = form;
    taken->epoch = epoch;
    lend->taken[lend->taken_count++] = taken;
    if (lend->unchecked++ == 0) lend->unchecked_since_ms = now.mono_ms;
    *out = taken;
    return PBTS_OK;
}

void pbts_taken_drop(pbts_link *link, pbts_taken *taken) {
    pbts_lender *lend = &link->lend;
    uint32_t at = 0;
    while (lend->taken[at] != taken) at++;
    lend->taken_count--;
    memmove(&lend->taken[at], &lend->taken[at + 1],
            (lend->taken_count - at) * sizeof(pbts_taken *));
    if (!taken->checked) lend->unchecked--;
    taken_free(link, taken);
}

/* Make one array of a receipt longer. */
static bool grow(pbts_link *link, void *array_pointer, uint32_t count, size_t size) {
    void *array, *grown;
    memcpy(&array, array_pointer, sizeof array);
    grown = pbts_resize_array(link->terms->mem, array, count, size);
    if (grown != NULL) memcpy(array_pointer, &grown, sizeof grown);
    return grown != NULL;
}

pbts_status pbts_taken_reserve(pbts_link *link, pbts_taken *taken, uint32_t more) {
    uint32_t wanted = taken->count + more, capacity = taken->capacity ? taken->capacity : 1;
    if (wanted <= taken->capacity) return PBTS_OK;
    while (capacity < wanted) capacity *= 2;
    bool has_room = grow(link, &taken->pieces, capacity, sizeof *taken->pieces) &&
                    grow(link, &taken->worths, capacity, sizeof *taken->worths);
    if (has_room && taken->form == PBTS_FORM_SESSION) {
        has_room = grow(link, &taken->hashes, capacity, sizeof *taken->hashes) &&
                   grow(link, &taken->signatures, capacity, sizeof *taken->signatures);
    }
    if (!has_room) return PBTS_NO_MEMORY;
    taken->capacity = capacity;
    return PBTS_OK;
}

pbts_taken *pbts_taken_open(const pbts_link *link, pbts_receipt_form form, uint64_t epoch) {
    for (uint32_t i = link->lend.taken_count; i-- > 0;) {
        pbts_taken *taken = link->lend.taken[i];
        if (!taken->checked && taken->form == form && taken->epoch == epoch) return taken;
    }
    return NULL;
}

/* ---- what it says ---- */

static pbts_receipt receipt_of(const pbts_link *link, const pbts_taken *taken) {
    pbts_receipt receipt = { .form = taken->form,
                             .sender = link->terms->key,
                             .receiver = link->other.key,
                             .epoch = taken->epoch };
    memcpy(receipt.iid, link->terms->iid, sizeof receipt.iid);
    memcpy(receipt.infohash, link->torrent->infohash, sizeof receipt.infohash);
    memcpy(receipt.root, taken->root, sizeof receipt.root);
    receipt.session = taken->session;
    if (taken->form == PBTS_FORM_PIECE) {
        receipt.piece_index = taken->pieces[0];
        link->hashes.get(link->hashes.context, receipt.piece_hash, taken->pieces[0]);
    }
    if (taken->form == PBTS_FORM_CUMULATIVE) {
        receipt.bitmap = (pbts_span){ taken->set, link->set_len };
    }
    return receipt;
}

/* The hash that is signed: of a batch it has the count in it, so the set is needed. */
static void hash_of(pbts_bls_g1_point *out, const pbts_link *link, const pbts_taken *taken) {
    pbts_receipt receipt = receipt_of(link, taken);
    if (taken->form == PBTS_FORM_BATCH) {
        memset(link->scratch, 0, link->set_len);
        for (uint32_t i = 0; i < taken->count; i++) {
            pbts_piece_set_add(link->scratch, taken->pieces[i]);
        }
        receipt.bitmap = (pbts_span){ link->scratch, link->set_len };
    }
    pbts_receipt_hash(out, &receipt);
}

/* ---- checking ---- */

/* A session's certificate and piece signatures were checked when they came. */
static bool waits_for_check(const pbts_taken *taken) {
    return !taken->checked && taken->form != PBTS_FORM_SESSION;
}

static bool one_holds(const pbts_link *link, const pbts_taken *taken) {
    pbts_bls_g1_point hashed, signature;
    if (pbts_bls_signature_decode(&signature, &taken->signature) != PBTS_OK) return false;
    hash_of(&hashed, link, taken);
    return pbts_bls_verify_sums(&link->other_point, &hashed, 1, &signature) == PBTS_OK;
}

static bool add_weighed(pbts_bls_g1_point *hashes, pbts_bls_g1_point *signatures,
                        const pbts_link *link, const pbts_taken *taken) {
    pbts_bls_g1_point hashed, signature, weighed;
    uint64_t weight;
    if (pbts_random_fill(link->terms->random, (uint8_t *)&weight, sizeof weight) != PBTS_OK ||
        pbts_bls_signature_decode(&signature, &taken->signature) != PBTS_OK) {
        return false;
    }
    hash_of(&hashed, link, taken);
    pbts_bls_g1_weigh(&weighed, &hashed, weight | 1);
    pbts_bls_g1_add(hashes, &weighed);
    pbts_bls_g1_weigh(&weighed, &signature, weight | 1);
    pbts_bls_g1_add(signatures, &weighed);
    return true;
}

/* All in one product; false when any does not hold, or it cannot be told. */
static bool all_hold(const pbts_link *link) {
    pbts_bls_g1_point hashes, signatures;
    pbts_bls_g1_zero(&hashes);
    pbts_bls_g1_zero(&signatures);
    for (uint32_t i = 0; i < link->lend.taken_count; i++) {
        const pbts_taken *taken = link->lend.taken[i];
        if (waits_for_check(taken) && !add_weighed(&hashes, &signatures, link, taken)) return false;
    }
    return pbts_bls_verify_sums(&link->other_point, &hashes, 1, &signatures) == PBTS_OK;
}

static void set_checked(pbts_link *link, pbts_taken *taken) {
    taken->checked = true;
    link->lend.unchecked--;
}

/* One by one: the good ones stay, the bad one is named. */
static void check_each(pbts_link *link) {
    for (uint32_t i = link->lend.taken_count; i-- > 0;) {
        pbts_taken *taken = link->lend.taken[i];
        if (taken->checked) continue;
        if (taken->form == PBTS_FORM_SESSION || one_holds(link, taken)) {
            set_checked(link, taken);
            continue;
        }
        pbts_taken_drop(link, taken);
        pbts_link_refuse(link, PBTS_LINK_REFUSAL_BAD_RECEIPT);
    }
}

/* Move what an older statement named first into the newer one, which says it too. */
static bool absorb(pbts_link *link, pbts_taken *into, pbts_taken *from) {
    if (pbts_taken_reserve(link, into, from->count) != PBTS_OK) return false;
    memcpy(into->pieces + into->count, from->pieces, from->count * sizeof *from->pieces);
    memcpy(into->worths + into->count, from->worths, from->count * sizeof *from->worths);
    into->count += from->count;
    pbts_taken_drop(link, from);
    return true;
}

/* Of the cumulative receipts of one epoch only the last is worth storing. */
static void drop_superseded(pbts_link *link) {
    pbts_taken *newest = NULL;
    for (uint32_t i = link->lend.taken_count; i-- > 0;) {
        pbts_taken *taken = link->lend.taken[i];
        if (taken->form != PBTS_FORM_CUMULATIVE || taken->out || !taken->checked) continue;
        bool same = newest != NULL && newest->epoch == taken->epoch;
        if (!same || !absorb(link, newest, taken)) newest = taken;
    }
}

void pbts_taken_check(pbts_link *link) {
    pbts_lender *lend = &link->lend;
    uint32_t waiting = 0;
    if (lend->unchecked == 0) return;
    for (uint32_t i = 0; i < lend->taken_count; i++) waiting += waits_for_check(lend->taken[i]);
    if (waiting > 1 && all_hold(link)) {
        for (uint32_t i = 0; i < lend->taken_count; i++) {
            if (!lend->taken[i]->checked) set_checked(link, lend->taken[i]);
        }
    } else {
        check_each(link);
    }
    assert(lend->unchecked == 0);
    lend->unchecked_bytes = 0;
    drop_superseded(link);
}

/* So little that a block may not fit any more, which is no longer than a piece. */
static uint64_t little_of(const pbts_link *link, uint64_t limit_bytes) {
    uint64_t block_bytes = link->lend.exposure.piece_bytes;
    if (block_bytes > PBTS_PEER_BLOCK_BYTES_MAX) block_bytes = PBTS_PEER_BLOCK_BYTES_MAX;
    uint64_t part_bytes = limit_bytes / PBTS_LINK_STOPS_SOON_DIVISOR;
    return part_bytes > block_bytes ? part_bytes : block_bytes;
}

uint64_t pbts_taken_check_at_ms(const pbts_link *link) {
    const pbts_lender *lend = &link->lend;
    uint64_t limit_bytes = pbts_exposure_limit(&lend->exposure, pbts_link_other_left(link));
    bool is_much = lend->unchecked_bytes >= limit_bytes / 2;
    bool stops_soon = pbts_link_may_serve_bytes(link) < little_of(link, limit_bytes);
    if (is_much || stops_soon || lend->unchecked >= PBTS_LINK_UNCHECKED_MAX) return 0;
    return lend->unchecked_since_ms + PBTS_LINK_CHECK_AFTER_MS;
}

void pbts_taken_tick(pbts_link *link, pbts_moment now) {
    if (link->lend.unchecked == 0) return;
    if (now.mono_ms >= pbts_taken_check_at_ms(link)) pbts_taken_check(link);
}

/* ---- storing ---- */

static pbts_taken *next_to_store(const pbts_link *link) {
    for (uint32_t i = 0; i < link->lend.taken_count; i++) {
        if (link->lend.taken[i]->checked) return link->lend.taken[i];
    }
    return NULL;
}

static void fill_record(pbts_link *link, pbts_receipt_record *record, const pbts_taken *taken) {
    *record = (pbts_receipt_record){ .receipt = receipt_of(link, taken),
                                     .signature = taken->signature,
                                     .piece_count = link->piece_count };
    if (taken->form != PBTS_FORM_BATCH && taken->form != PBTS_FORM_SESSION) return;
    memset(link->lend.out_set, 0, link->set_len);
    for (uint32_t i = 0; i < taken->count; i++) {
        pbts_piece_set_add(link->lend.out_set, taken->pieces[i]);
    }
    record->receipt.bitmap = (pbts_span){ link->lend.out_set, link->set_len };
    if (taken->form == PBTS_FORM_BATCH) return;
    record->receipt.piece_signatures =
        (pbts_span){ (const uint8_t *)taken->signatures, taken->count * sizeof *taken->signatures };
    record->piece_hashes =
        (pbts_span){ (const uint8_t *)taken->hashes, taken->count * sizeof *taken->hashes };
}

bool pbts_link_next_receipt(pbts_link *link, pbts_link_receipt *out) {
    const pbts_lender *lend = &link->lend;
    pbts_taken *taken = next_to_store(link);
    if (taken == NULL) return false;
    taken->out = true;
    fill_record(link, &out->record, taken);
    out->replaces = taken->form == PBTS_FORM_CUMULATIVE && lend->has_stored &&
                    lend->stored_epoch == taken->epoch;
    out->covered_bytes = 0;
    for (uint32_t i = 0; i < taken->count; i++) out->covered_bytes += taken->worths[i];
    return true;
}

void pbts_link_receipt_stored(pbts_link *link, pbts_moment now) {
    pbts_lender *lend = &link->lend;
    pbts_taken *taken = next_to_store(link);
    assert(taken != NULL && taken->out);
    uint64_t worth_bytes = 0;
    for (uint32_t i = 0; i < taken->count; i++) {
        pbts_link_cover(link, taken->pieces[i], taken->worths[i]);
        worth_bytes += taken->worths[i];
    }
    pbts_exposure_receipt(&lend->exposure, worth_bytes);
    lend->receipts++;
    if (taken->form == PBTS_FORM_CUMULATIVE) {
        lend->has_stored = true;
        lend->stored_epoch = taken->epoch;
    }
    pbts_taken_drop(link, taken);
}
