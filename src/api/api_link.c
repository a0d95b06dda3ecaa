/* Links. */
#include "api/api_parts.h"
#include "base/assert.h"

_Static_assert((int)LIBPBTS_MESSAGE_MAX >= (int)PBTS_LINK_MESSAGE_MAX, "a message fits");
_Static_assert((int)LIBPBTS_HELLO_MAX >= (int)PBTS_LINK_HELLO_MAX, "a hello fits");
_Static_assert((int)LIBPBTS_LINK_REFUSED == (int)PBTS_LINK_REFUSED &&
                   (int)LIBPBTS_LINK_READY == (int)PBTS_LINK_READY &&
                   (int)LIBPBTS_LINK_PROVING == (int)PBTS_LINK_PROVING &&
                   (int)LIBPBTS_LINK_HELLO == (int)PBTS_LINK_HELLO,
               "states are the same");

/* ---- life ---- */

libpbts_result libpbts_link_new(libpbts_link **out, libpbts_member *member,
                                const libpbts_torrent *torrent, libpbts_time now) {
    libpbts_link *link = pbts_alloc(pbts_mem_system(), sizeof *link);
    if (link == NULL) return LIBPBTS_NO_MEMORY;
    pbts_status status =
        pbts_link_new(&link->link, &member->terms, &torrent->torrent, pbts_api_moment(now));
    if (status != PBTS_OK) {
        pbts_release(pbts_mem_system(), link);
        return pbts_api_result(status);
    }
    link->member = member;
    member->links++;
    *out = link;
    return LIBPBTS_OK;
}

void libpbts_link_end(libpbts_link *link) {
    pbts_link_end(link->link);
}

void libpbts_link_free(libpbts_link *link) {
    if (link == NULL) return;
    pbts_link_free(link->link);
    link->member->links--;
    pbts_release(pbts_mem_system(), link->record);
    pbts_release(pbts_mem_system(), link);
}

/* ---- messages ---- */

libpbts_result libpbts_link_hello(const libpbts_link *link, void *buffer, size_t capacity,
                                  size_t *len) {
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    pbts_link_hello(link->link, &writer);
    if (writer.failed) return LIBPBTS_NO_SPACE;
    *len = writer.len;
    return LIBPBTS_OK;
}

libpbts_result libpbts_link_receive_hello(libpbts_link *link, const void *bytes, size_t len,
                                          libpbts_time now) {
    return pbts_api_result(
        pbts_link_receive_hello(link->link, pbts_api_span(bytes, len), pbts_api_moment(now)));
}

libpbts_result libpbts_link_receive(libpbts_link *link, const void *body, size_t len,
                                    libpbts_time now) {
    return pbts_api_result(
        pbts_link_receive(link->link, pbts_api_span(body, len), pbts_api_moment(now)));
}

bool libpbts_link_next_send(libpbts_link *link, void *buffer, size_t capacity, size_t *len,
                            libpbts_time now) {
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    if (!pbts_link_next_send(link->link, &writer, pbts_api_moment(now))) return false;
    *len = writer.len;
    return true;
}

bool libpbts_link_wants_send(const libpbts_link *link, libpbts_time now) {
    return pbts_link_wants_send(link->link, pbts_api_moment(now));
}

/* ---- state ---- */

libpbts_link_state libpbts_link_state_of(const libpbts_link *link) {
    return (libpbts_link_state)pbts_link_state_of(link->link);
}

int libpbts_link_refusal(const libpbts_link *link, bool *by_us) {
    bool ours;
    pbts_link_refusal refusal = pbts_link_refused(link->link, &ours);
    if (by_us != NULL) *by_us = ours;
    return (int)refusal;
}

static pbts_link_refusal known_refusal(int refusal) {
    bool known = refusal >= 0 && refusal <= PBTS_LINK_REFUSAL_OTHER;
    return known ? (pbts_link_refusal)refusal : PBTS_LINK_REFUSAL_OTHER;
}

const char *libpbts_refusal_name(int refusal) {
    return pbts_link_refusal_name(known_refusal(refusal));
}

const char *libpbts_refusal_text(int refusal) {
    return pbts_link_refusal_text(known_refusal(refusal));
}

libpbts_result libpbts_link_other_key(const libpbts_link *link, uint8_t out[LIBPBTS_PUBLIC_LEN]) {
    const pbts_bls_public *key = pbts_link_other_key(link->link);
    if (key == NULL) return LIBPBTS_DENIED;
    memcpy(out, key->bytes, sizeof key->bytes);
    return LIBPBTS_OK;
}

/* ---- pieces ---- */

uint64_t libpbts_link_may_serve(const libpbts_link *link) {
    return pbts_link_may_serve_bytes(link->link);
}

void libpbts_link_served(libpbts_link *link, uint32_t piece, uint32_t bytes, libpbts_time now) {
    pbts_link_served(link->link, piece, bytes, pbts_api_moment(now));
}

void libpbts_link_set_other_left(libpbts_link *link, uint64_t left_bytes) {
    pbts_link_set_other_left(link->link, left_bytes);
}

libpbts_result libpbts_link_piece_received(libpbts_link *link, uint32_t piece, libpbts_time now) {
    return pbts_api_result(pbts_link_piece_received(link->link, piece, pbts_api_moment(now)));
}

void libpbts_link_piece_shared(libpbts_link *link, uint32_t piece, uint32_t bytes,
                               libpbts_time now) {
    pbts_link_piece_shared(link->link, piece, bytes, pbts_api_moment(now));
}

void libpbts_link_set_own_left(libpbts_link *link, uint64_t left_bytes) {
    pbts_link_set_own_left(link->link, left_bytes);
}

void libpbts_link_sign_all(libpbts_link *link) {
    pbts_link_sign_all(link->link);
}

/* ---- receipts ---- */

/* Room for the record; what is in it may be lost. */
static bool reserve_record(libpbts_link *link, const pbts_receipt_record *record) {
    const pbts_receipt *receipt = &record->receipt;
    size_t wanted = PBTS_RECEIPT_RECORD_ROOM + receipt->bitmap.len + receipt->piece_signatures.len +
                    record->piece_hashes.len;
    if (wanted <= link->record_capacity) return true;
    uint8_t *bytes = pbts_resize_array(pbts_mem_system(), link->record, wanted, 1);
    if (bytes == NULL) return false;
    link->record = bytes;
    link->record_capacity = wanted;
    return true;
}

bool libpbts_link_next_receipt(libpbts_link *link, const void **record, size_t *len,
                               uint64_t *worth_bytes) {
    pbts_link_receipt receipt;
    if (!pbts_link_next_receipt(link->link, &receipt)) return false;
    if (!reserve_record(link, &receipt.record)) return false; /* later, perhaps */
    pbts_writer writer = pbts_writer_over(link->record, link->record_capacity);
    pbts_receipt_record_encode(&writer, &receipt.record);
    assert(!writer.failed);
    *record = link->record;
    *len = writer.len;
    *worth_bytes = receipt.covered_bytes;
    return true;
}

void libpbts_link_receipt_stored(libpbts_link *link, libpbts_time now) {
    pbts_link_receipt_stored(link->link, pbts_api_moment(now));
}

/* ---- time, figures ---- */

void libpbts_link_tick(libpbts_link *link, libpbts_time now) {
    pbts_link_tick(link->link, pbts_api_moment(now));
}

uint64_t libpbts_link_deadline(const libpbts_link *link) {
    return pbts_link_deadline_ms(link->link);
}

void libpbts_link_stats_read(const libpbts_link *link, libpbts_link_stats *out) {
    pbts_link_stats stats;
    pbts_link_stats_read(link->link, &stats);
    *out = (libpbts_link_stats){
        .served_bytes = stats.served_bytes,
        .covered_bytes = stats.covered_bytes,
        .received_bytes = stats.received_bytes,
        .signed_bytes = stats.signed_bytes,
        .limit_bytes = stats.exposure_limit_bytes,
        .allowance_left_bytes = stats.allowance_left_bytes,
        .receipts_taken = stats.receipts_taken,
        .receipts_given = stats.receipts_given,
    };
}
