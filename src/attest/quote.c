#include "attest/quote.h"

#include "attest/little.h"

enum {
    HEADER_LEN = 48,
    KEY_TYPE_ECDSA_P256 = 2,
    TEE_TYPE_TDX = 0x81,
    BODY_TD_1_0 = 2,
    BODY_TD_1_5 = 3,
    TD_1_0_LEN = 584,
    TD_1_5_LEN = 648,
    CERTIFICATION_QE_REPORT = 6,
    CERTIFICATION_PCK_CHAIN = 5,
    QE_REPORT_LEN = 384,
};

static pbts_status read_u16(pbts_cursor *cursor, uint16_t *out) {
    uint8_t bytes[2];
    PBTS_TRY(pbts_read_bytes(cursor, bytes, sizeof bytes));
    *out = pbts_little_u16(bytes);
    return PBTS_OK;
}

static pbts_status read_u32(pbts_cursor *cursor, uint32_t *out) {
    uint8_t bytes[4];
    PBTS_TRY(pbts_read_bytes(cursor, bytes, sizeof bytes));
    *out = pbts_little_u32(bytes);
    return PBTS_OK;
}

static pbts_status read_place(pbts_cursor *cursor, const uint8_t **out, size_t len) {
    pbts_span span;
    PBTS_TRY(pbts_read_span(cursor, &span, len));
    *out = span.data;
    return PBTS_OK;
}

/* ---- reports ---- */

static void take_td_report(pbts_td_report *out, pbts_span body) {
    const uint8_t *at = body.data;
    memcpy(out->tee_tcb_svn, at, sizeof out->tee_tcb_svn);
    memcpy(out->mrseam, at + 16, sizeof out->mrseam);
    memcpy(out->mrsignerseam, at + 64, sizeof out->mrsignerseam);
    out->seam_attributes = pbts_little_u64(at + 112);
    out->td_attributes = pbts_little_u64(at + 120);
    out->xfam = pbts_little_u64(at + 128);
    memcpy(out->mrtd, at + 136, sizeof out->mrtd);
    memcpy(out->mrconfigid, at + 184, sizeof out->mrconfigid);
    memcpy(out->mrowner, at + 232, sizeof out->mrowner);
    memcpy(out->mrownerconfig, at + 280, sizeof out->mrownerconfig);
    memcpy(out->rtmr, at + 328, sizeof out->rtmr);
    memcpy(out->report_data, at + 520, sizeof out->report_data);
    out->is_1_5 = body.len == TD_1_5_LEN;
    if (!out->is_1_5) return;
    memcpy(out->tee_tcb_svn2, at + 584, sizeof out->tee_tcb_svn2);
    memcpy(out->mrservicetd, at + 600, sizeof out->mrservicetd);
}

static void take_enclave_report(pbts_enclave_report *out, pbts_span report) {
    const uint8_t *at = report.data;
    out->miscselect = pbts_little_u32(at + 16);
    memcpy(out->attributes, at + 48, sizeof out->attributes);
    memcpy(out->mrsigner, at + 128, sizeof out->mrsigner);
    out->isv_prod_id = pbts_little_u16(at + 256);
    out->isv_svn = pbts_little_u16(at + 258);
    memcpy(out->report_data, at + 320, sizeof out->report_data);
}

/* ---- parts ---- */

static pbts_attest_reason read_header(pbts_quote *quote, pbts_cursor *cursor) {
    uint8_t header[HEADER_LEN];
    if (pbts_read_bytes(cursor, header, sizeof header) != PBTS_OK) return PBTS_ATTEST_QUOTE_LAYOUT;
    quote->version = pbts_little_u16(header);
    if (quote->version != 4 && quote->version != 5) return PBTS_ATTEST_QUOTE_VERSION;
    if (pbts_little_u16(header + 2) != KEY_TYPE_ECDSA_P256) return PBTS_ATTEST_QUOTE_KEY_TYPE;
    if (pbts_little_u32(header + 4) != TEE_TYPE_TDX) return PBTS_ATTEST_QUOTE_TEE_TYPE;
    memcpy(quote->vendor_id, header + 12, sizeof quote->vendor_id);
    return PBTS_ATTEST_ACCEPTED;
}

static pbts_status read_body(pbts_quote *quote, pbts_cursor *cursor) {
    uint16_t type = BODY_TD_1_0;
    uint32_t len = TD_1_0_LEN;
    pbts_span body;
    if (quote->version == 5) {
        PBTS_TRY(read_u16(cursor, &type));
        PBTS_TRY(read_u32(cursor, &len));
    }
    bool fits =
        (type == BODY_TD_1_0 && len == TD_1_0_LEN) || (type == BODY_TD_1_5 && len == TD_1_5_LEN);
    if (!fits) return PBTS_MALFORMED;
    PBTS_TRY(pbts_read_span(cursor, &body, len));
    take_td_report(&quote->td, body);
    return PBTS_OK;
}

/* u16 type, u32 length, and that many bytes to the very end. */
static pbts_status open_certification(pbts_cursor *cursor, uint16_t type_wanted) {
    uint16_t type;
    uint32_t len;
    PBTS_TRY(read_u16(cursor, &type));
    PBTS_TRY(read_u32(cursor, &len));
    if (type != type_wanted || len != pbts_cursor_left(cursor)) return PBTS_MALFORMED;
    return PBTS_OK;
}

static pbts_status read_signature_data(pbts_quote *quote, pbts_cursor *cursor) {
    uint16_t auth_len;
    PBTS_TRY(read_place(cursor, &quote->signature, PBTS_P256_SIGNATURE_LEN));
    PBTS_TRY(read_place(cursor, &quote->attest_key, PBTS_P256_KEY_LEN));
    PBTS_TRY(open_certification(cursor, CERTIFICATION_QE_REPORT));
    PBTS_TRY(pbts_read_span(cursor, &quote->qe_report_bytes, QE_REPORT_LEN));
    PBTS_TRY(read_place(cursor, &quote->qe_signature, PBTS_P256_SIGNATURE_LEN));
    PBTS_TRY(read_u16(cursor, &auth_len));
    PBTS_TRY(pbts_read_span(cursor, &quote->auth_data, auth_len));
    PBTS_TRY(open_certification(cursor, CERTIFICATION_PCK_CHAIN));
    quote->pck_chain_pem = pbts_cursor_rest(cursor);
    take_enclave_report(&quote->qe, quote->qe_report_bytes);
    return PBTS_OK;
}

static pbts_status read_signed(pbts_quote *quote, pbts_cursor *cursor, pbts_span bytes) {
    uint32_t signature_data_len;
    pbts_span signature_data;
    PBTS_TRY(read_body(quote, cursor));
    quote->signed_bytes = (pbts_span){ bytes.data, bytes.len - pbts_cursor_left(cursor) };
    PBTS_TRY(read_u32(cursor, &signature_data_len));
    PBTS_TRY(pbts_read_span(cursor, &signature_data, signature_data_len));
    quote->trailing = pbts_cursor_rest(cursor);
    pbts_cursor inner = pbts_cursor_over(signature_data);
    return read_signature_data(quote, &inner);
}

pbts_attest_reason pbts_quote_parse(pbts_quote *out, pbts_span bytes) {
    pbts_quote quote = { 0 };
    pbts_cursor cursor = pbts_cursor_over(bytes);
    if (bytes.len > PBTS_QUOTE_LEN_MAX) return PBTS_ATTEST_QUOTE_LIMIT;
    pbts_attest_reason reason = read_header(&quote, &cursor);
    if (reason != PBTS_ATTEST_ACCEPTED) return reason;
    if (read_signed(&quote, &cursor, bytes) != PBTS_OK) return PBTS_ATTEST_QUOTE_LAYOUT;
    *out = quote;
    return PBTS_ATTEST_ACCEPTED;
}
