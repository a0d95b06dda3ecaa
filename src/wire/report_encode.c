#include "base/assert.h"
#include "codec/bencode.h"
#include "wire/report_draft.h"
#include "wire/runs.h"

static void write_field(pbts_writer *writer, const char *key, const uint8_t *bytes, size_t len) {
    pbts_bencode_text(writer, key);
    pbts_bencode_string(writer, (pbts_span){ bytes, len });
}

static void write_uint(pbts_writer *writer, const char *key, uint64_t value) {
    assert(value <= INT64_MAX);
    pbts_bencode_text(writer, key);
    pbts_bencode_uint(writer, value);
}

static void write_party(pbts_writer *writer, const char *key, const pbts_party *party) {
    if (party->has_key) {
        write_field(writer, key, party->key.bytes, sizeof party->key.bytes);
    } else if (party->uid.len > 0) {
        write_field(writer, key, party->uid.data, party->uid.len);
    }
}

static void write_pieces(pbts_writer *writer, pbts_span bitmap) {
    size_t runs_len = pbts_runs_len(bitmap);
    if (runs_len >= bitmap.len) {
        write_field(writer, "b", bitmap.data, bitmap.len);
        return;
    }
    pbts_bencode_text(writer, "c");
    pbts_write_decimal(writer, runs_len);
    pbts_write_u8(writer, ':');
    pbts_runs_encode(writer, bitmap);
}

void pbts_statement_encode(pbts_writer *writer, const pbts_statement *s) {
    const pbts_receipt_session *session = &s->session;
    bool is_piece = s->form == PBTS_FORM_PIECE, is_session = s->form == PBTS_FORM_SESSION;
    assert(is_piece || is_session || s->form == PBTS_FORM_CUMULATIVE || s->form == PBTS_FORM_BATCH);
    pbts_write_u8(writer, 'd');
    if (!is_piece) write_pieces(writer, s->bitmap);
    if (is_session) write_field(writer, "d", session->id, sizeof session->id);
    write_uint(writer, "e", s->epoch);
    if (s->form == PBTS_FORM_BATCH) write_uint(writer, "f", PBTS_FORM_BATCH);
    write_field(writer, "h", s->infohash, sizeof s->infohash);
    if (is_piece) write_uint(writer, "i", s->piece_index);
    if (is_session) write_field(writer, "k", session->key.bytes, sizeof session->key.bytes);
    if (s->has_iid) write_field(writer, "n", s->iid, sizeof s->iid);
    write_party(writer, "r", &s->receiver);
    write_party(writer, "s", &s->sender);
    if (is_session) write_uint(writer, "t", session->expires);
    if (s->has_signature) write_field(writer, "x", s->signature.bytes, sizeof s->signature.bytes);
    if (is_session) write_field(writer, "y", s->piece_signatures.data, s->piece_signatures.len);
    pbts_write_u8(writer, 'e');
}

void pbts_report_encode_statements(pbts_writer *writer, const pbts_statement *statements,
                                   size_t count) {
    pbts_write_u8(writer, 'l');
    for (size_t i = 0; i < count; i++) pbts_statement_encode(writer, &statements[i]);
    pbts_write_u8(writer, 'e');
}

void pbts_report_encode(pbts_writer *writer, const pbts_report *report, pbts_span statements_raw) {
    assert(!report->legacy && report->has_signature);
    pbts_write_u8(writer, 'd');
    if (report->has_aggregate) {
        write_field(writer, "a", report->aggregate.bytes, sizeof report->aggregate.bytes);
    }
    pbts_bencode_text(writer, "l");
    pbts_write_bytes(writer, statements_raw);
    write_field(writer, "s", report->signature.bytes, sizeof report->signature.bytes);
    write_uint(writer, "t", report->unix_time);
    write_field(writer, "u", report->uid.data, report->uid.len);
    pbts_write_u8(writer, 'e');
}
