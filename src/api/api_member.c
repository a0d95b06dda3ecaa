/* A member of one tracker and its policy. */
#include "api/api_parts.h"
#include "base/assert.h"
#include "base/secret.h"
#include "wire/membership.h"
#include "wire/peer_pbts.h"

/* ---- life ---- */

static pbts_link_terms default_terms(void) {
    return (pbts_link_terms){ .mem = pbts_mem_system(),
                              .random = pbts_random_system(),
                              .forms_taken = PBTS_PEER_FORM_MASK,
                              .form_given = PBTS_FORM_CUMULATIVE,
                              .schedule = PBTS_SCHEDULE_EXPOSURE,
                              .batch_pieces = 10,
                              .exposure_max_bytes = PBTS_EXPOSURE_MAX_BYTES,
                              .receipt_timeout_ms = 60 * 1000,
                              .ticket_required = true,
                              .receipts_required = true };
}

libpbts_result libpbts_member_new(libpbts_member **out, const libpbts_key *key,
                                  const uint8_t instance[LIBPBTS_INSTANCE_LEN],
                                  const uint8_t *tracker_key) {
    libpbts_member *member = pbts_alloc(pbts_mem_system(), sizeof *member);
    if (member == NULL) return LIBPBTS_NO_MEMORY;
    pbts_status status = pbts_book_new(&member->book, pbts_mem_system());
    member->key = *key;
    member->terms = default_terms();
    member->terms.secret = &member->key.secret;
    member->terms.key = member->key.key;
    member->terms.book = member->book;
    memcpy(member->terms.iid, instance, sizeof member->terms.iid);
    if (status == PBTS_OK && tracker_key != NULL) {
        pbts_bls_public bytes;
        memcpy(bytes.bytes, tracker_key, sizeof bytes.bytes);
        status = pbts_bls_public_decode(&member->terms.tracker_key, &bytes);
        member->terms.has_tracker_key = status == PBTS_OK;
    }
    if (status == PBTS_OK) {
        *out = member;
    } else {
        libpbts_member_free(member);
    }
    return pbts_api_result(status);
}

void libpbts_member_free(libpbts_member *member) {
    if (member == NULL) return;
    assert(member->links == 0);
    pbts_book_free(member->book);
    pbts_release(pbts_mem_system(), member->ticket);
    pbts_wipe(&member->key, sizeof member->key);
    pbts_release(pbts_mem_system(), member);
}

/* ---- policy ---- */

typedef struct {
    uint64_t least, most;
} range;

/* `least` > `most`: there is no such option. */
static range range_of(libpbts_option option) {
    switch (option) {
    case LIBPBTS_OPTION_FORM_GIVEN: return (range){ PBTS_FORM_PIECE, PBTS_FORM_SESSION };
    case LIBPBTS_OPTION_FORMS_TAKEN: return (range){ 1, UINT32_MAX };
    case LIBPBTS_OPTION_PAPER_SCHEDULE: return (range){ 0, 1 };
    case LIBPBTS_OPTION_BATCH_PIECES: return (range){ 1, PBTS_RECEIPT_BATCH_PIECES_MAX };
    case LIBPBTS_OPTION_EXPOSURE_MAX_BYTES: return (range){ 0, INT64_MAX };
    case LIBPBTS_OPTION_RECEIPT_TIMEOUT_MS: return (range){ 1000, 24 * 3600 * 1000 };
    case LIBPBTS_OPTION_TICKET_REQUIRED: return (range){ 0, 1 };
    case LIBPBTS_OPTION_RECEIPTS_REQUIRED: return (range){ 0, 1 };
    }
    return (range){ 1, 0 };
}

static void set(pbts_link_terms *terms, libpbts_option option, uint64_t value) {
    switch (option) {
    case LIBPBTS_OPTION_FORM_GIVEN: terms->form_given = (pbts_receipt_form)value; break;
    case LIBPBTS_OPTION_FORMS_TAKEN: terms->forms_taken = (unsigned)value; break;
    case LIBPBTS_OPTION_PAPER_SCHEDULE:
        terms->schedule = value ? PBTS_SCHEDULE_PAPER : PBTS_SCHEDULE_EXPOSURE;
        break;
    case LIBPBTS_OPTION_BATCH_PIECES: terms->batch_pieces = (uint32_t)value; break;
    case LIBPBTS_OPTION_EXPOSURE_MAX_BYTES: terms->exposure_max_bytes = value; break;
    case LIBPBTS_OPTION_RECEIPT_TIMEOUT_MS: terms->receipt_timeout_ms = value; break;
    case LIBPBTS_OPTION_TICKET_REQUIRED: terms->ticket_required = value; break;
    case LIBPBTS_OPTION_RECEIPTS_REQUIRED: terms->receipts_required = value; break;
    }
}

libpbts_result libpbts_member_set(libpbts_member *member, libpbts_option option, uint64_t value) {
    range allowed = range_of(option);
    if (allowed.least > allowed.most) return LIBPBTS_NOT_FOUND;
    if (value < allowed.least || value > allowed.most) return LIBPBTS_LIMIT;
    if (member->links > 0) return LIBPBTS_DENIED;
    set(&member->terms, option, value);
    return LIBPBTS_OK;
}

libpbts_result libpbts_member_set_ticket(libpbts_member *member, const void *bytes, size_t len) {
    pbts_peer_ticket ticket;
    uint8_t *copy = NULL;
    if (len > 0) {
        pbts_status status = pbts_peer_ticket_decode(&ticket, pbts_api_span(bytes, len));
        if (status != PBTS_OK) return pbts_api_result(status);
        copy = pbts_alloc(pbts_mem_system(), len);
        if (copy == NULL) return LIBPBTS_NO_MEMORY;
        memcpy(copy, bytes, len);
    }
    pbts_release(pbts_mem_system(), member->ticket);
    member->ticket = copy;
    member->terms.ticket = (pbts_span){ copy, len };
    return LIBPBTS_OK;
}

/* ---- times without the tracker ---- */

libpbts_result libpbts_member_set_membership(libpbts_member *member, const void *bytes,
                                             size_t len) {
    pbts_membership membership;
    if (len > 0) {
        pbts_status status = pbts_membership_decode(&membership, pbts_api_span(bytes, len));
        if (status != PBTS_OK) return pbts_api_result(status);
        memcpy(member->membership, bytes, len);
    }
    member->terms.membership = (pbts_span){ member->membership, len };
    return LIBPBTS_OK;
}

void libpbts_member_set_outage(libpbts_member *member, bool is_outage, uint64_t beacon_epoch) {
    bool fits = beacon_epoch < UINT64_MAX / PBTS_EPOCH_SECONDS;
    member->terms.is_outage = is_outage;
    member->terms.tracker_time_s = fits ? beacon_epoch * PBTS_EPOCH_SECONDS : UINT64_MAX;
}
