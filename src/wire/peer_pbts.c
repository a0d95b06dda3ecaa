/* Bodies of `pbts` messages. Each decoder says how many fields it read; a dictionary with another
 * one beside them is refused, so a message has one encoding. */
#include "wire/peer_pbts.h"

#include "base/assert.h"
#include "torrent/piece_set.h"
#include "wire/peer_dict.h"
#include "wire/runs.h"

/* -- piece sets ---------------------------------------------------------------------------- */

static pbts_status check_pieces(const pbts_peer_pieces *pieces, uint32_t piece_count) {
    if (!pieces->is_runs) return pbts_piece_set_check(pieces->bytes, piece_count);
    if (pieces->bytes.len > pbts_piece_set_len(piece_count)) return PBTS_MALFORMED;
    return pbts_runs_check(pieces->bytes, piece_count);
}

void pbts_peer_pieces_expand(uint8_t *set, uint32_t piece_count, const pbts_peer_pieces *pieces) {
    size_t set_len = pbts_piece_set_len(piece_count);
    assert(check_pieces(pieces, piece_count) == PBTS_OK);
    if (pieces->is_runs) {
        memset(set, 0, set_len);
        pbts_runs_expand(set, pieces->bytes);
    } else {
        memcpy(set, pieces->bytes.data, set_len);
    }
}

pbts_peer_pieces pbts_peer_pieces_shortest(pbts_span set, uint8_t *buffer) {
    if (pbts_runs_len(set) >= set.len) return (pbts_peer_pieces){ .bytes = set };
    pbts_writer writer = pbts_writer_over(buffer, set.len);
    pbts_runs_encode(&writer, set);
    return (pbts_peer_pieces){ .is_runs = true, .bytes = pbts_writer_span(&writer) };
}

/* -- decoding ------------------------------------------------------------------------------ */

static pbts_status read_signature(pbts_bls_signature *out, const pbts_bvalue *dict) {
    return pbts_peer_dict_array(out->bytes, sizeof out->bytes, dict, "x");
}

static pbts_status read_index(uint32_t *out, bool *found, const pbts_bvalue *dict,
                              uint32_t piece_count) {
    uint64_t index = 0;
    PBTS_TRY(pbts_peer_dict_maybe_uint(&index, found, dict, "i"));
    if (*found && index >= piece_count) return PBTS_MALFORMED;
    *out = (uint32_t)index;
    return PBTS_OK;
}

static pbts_status read_auth(pbts_peer_pbts_message *out, size_t *fields, const pbts_bvalue *dict,
                             uint32_t piece_count) {
    *fields = 1;
    return read_signature(&out->auth, dict);
}

/* Of "b" and "c" exactly one. */
static pbts_status read_pieces(pbts_peer_pieces *out, const pbts_bvalue *dict,
                               uint32_t piece_count) {
    pbts_bvalue bitmap = { 0 }, runs = { 0 };
    bool has_bitmap = false, has_runs = false;
    PBTS_TRY(pbts_peer_dict_maybe(&bitmap, &has_bitmap, dict, "b", PBTS_BSTRING));
    PBTS_TRY(pbts_peer_dict_maybe(&runs, &has_runs, dict, "c", PBTS_BSTRING));
    if (has_bitmap == has_runs) return PBTS_MALFORMED;
    out->is_runs = has_runs;
    out->bytes = has_runs ? runs.string : bitmap.string;
    return check_pieces(out, piece_count);
}

/* A piece receipt; the length of its signature says who signed. */
static pbts_status read_one_piece(pbts_peer_receipt *out, const pbts_bvalue *dict) {
    pbts_span signature;
    if (!pbts_bdict_find_string(dict, "x", &signature)) return PBTS_MALFORMED;
    bool by_session = signature.len == PBTS_SECP256K1_SIGNATURE_LEN;
    out->form = by_session ? PBTS_FORM_SESSION : PBTS_FORM_PIECE;
    if (!by_session) return read_signature(&out->signature, dict);
    memcpy(out->session_signature.bytes, signature.data, signature.len);
    return PBTS_OK;
}

static pbts_status read_receipt(pbts_peer_pbts_message *out, size_t *fields,
                                const pbts_bvalue *dict, uint32_t piece_count) {
    pbts_peer_receipt *receipt = &out->receipt;
    bool is_piece = false;
    *fields = 3; /* e, x, and one of b, c, i */
    PBTS_TRY(pbts_peer_dict_uint(&receipt->epoch, dict, "e"));
    PBTS_TRY(read_index(&receipt->piece_index, &is_piece, dict, piece_count));
    if (is_piece) return read_one_piece(receipt, dict);
    receipt->form = PBTS_FORM_CUMULATIVE;
    PBTS_TRY(read_signature(&receipt->signature, dict));
    return read_pieces(&receipt->pieces, dict, piece_count);
}

static pbts_status read_receipt_batch(pbts_peer_pbts_message *out, size_t *fields,
                                      const pbts_bvalue *dict, uint32_t piece_count) {
    pbts_peer_receipt *receipt = &out->receipt;
    *fields = 3; /* e, x, and one of b, c */
    receipt->form = PBTS_FORM_BATCH;
    PBTS_TRY(pbts_peer_dict_uint(&receipt->epoch, dict, "e"));
    PBTS_TRY(read_signature(&receipt->signature, dict));
    return read_pieces(&receipt->pieces, dict, piece_count);
}

static pbts_status read_request(pbts_peer_pbts_message *out, size_t *fields,
                                const pbts_bvalue *dict, uint32_t piece_count) {
    pbts_peer_receipt_request *request = &out->request;
    uint64_t form = 0;
    PBTS_TRY(pbts_peer_dict_uint(&form, dict, "f"));
    if (form < PBTS_FORM_PIECE || form > PBTS_FORM_SESSION) return PBTS_MALFORMED;
    request->form = (pbts_receipt_form)form;
    PBTS_TRY(read_index(&request->piece_index, &request->has_index, dict, piece_count));
    *fields = request->has_index ? 2 : 1;
    return PBTS_OK;
}

static bool is_printable(pbts_span text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] > '~') return false;
    return true;
}

static pbts_status read_refusal(pbts_peer_pbts_message *out, size_t *fields,
                                const pbts_bvalue *dict, uint32_t piece_count) {
    pbts_peer_refusal *refusal = &out->refusal;
    uint64_t code = 0;
    *fields = 2;
    PBTS_TRY(pbts_peer_dict_uint(&code, dict, "c"));
    if (code > UINT32_MAX) return PBTS_MALFORMED;
    refusal->code = (uint32_t)code;
    if (!pbts_bdict_find_string(dict, "t", &refusal->text)) return PBTS_MALFORMED;
    if (refusal->text.len > PBTS_PEER_REFUSAL_TEXT_MAX) return PBTS_LIMIT;
    return is_printable(refusal->text) ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_session(pbts_peer_pbts_message *out, size_t *fields,
                                const pbts_bvalue *dict, uint32_t piece_count) {
    pbts_receipt_session *session = &out->session.session;
    *fields = 4;
    PBTS_TRY(pbts_peer_dict_array(session->id, sizeof session->id, dict, "d"));
    PBTS_TRY(pbts_peer_dict_array(session->key.bytes, sizeof session->key.bytes, dict, "k"));
    PBTS_TRY(pbts_peer_dict_uint(&session->expires, dict, "t"));
    if (session->key.bytes[0] != 2 && session->key.bytes[0] != 3) return PBTS_MALFORMED;
    return read_signature(&out->session.signature, dict);
}

typedef pbts_status read_kind(pbts_peer_pbts_message *out, size_t *fields, const pbts_bvalue *dict,
                              uint32_t piece_count);
static read_kind *const READERS[] = {
    [PBTS_PEER_MSG_AUTH] = read_auth,
    [PBTS_PEER_MSG_RECEIPT] = read_receipt,
    [PBTS_PEER_MSG_RECEIPT_BATCH] = read_receipt_batch,
    [PBTS_PEER_MSG_REQUEST_RECEIPT] = read_request,
    [PBTS_PEER_MSG_REFUSE] = read_refusal,
    [PBTS_PEER_MSG_SESSION] = read_session,
};

pbts_status pbts_peer_pbts_decode(pbts_peer_pbts_message *out, pbts_span body,
                                  uint32_t piece_count) {
    assert(piece_count > 0 && piece_count <= PBTS_PIECES_MAX);
    if (body.len > PBTS_PEER_PBTS_LEN_MAX) return PBTS_LIMIT;
    if (body.len == 0 || body.data[0] >= sizeof READERS / sizeof READERS[0]) return PBTS_MALFORMED;
    pbts_peer_pbts_message message = { .kind = (pbts_peer_kind)body.data[0] };
    pbts_bvalue dict;
    size_t fields = 0;
    PBTS_TRY(pbts_peer_dict_parse(&dict, (pbts_span){ body.data + 1, body.len - 1 }));
    PBTS_TRY(READERS[message.kind](&message, &fields, &dict, piece_count));
    if (pbts_peer_dict_pairs(&dict) != fields) return PBTS_MALFORMED;
    *out = message;
    return PBTS_OK;
}

/* -- encoding ------------------------------------------------------------------------------ */

static void write_signature(pbts_writer *writer, const pbts_bls_signature *signature) {
    pbts_peer_dict_write_string(writer, "x", PBTS_SPAN_OF(signature->bytes));
}

static void write_receipt(pbts_writer *writer, const pbts_peer_receipt *receipt) {
    bool by_session = receipt->form == PBTS_FORM_SESSION;
    bool is_piece = by_session || receipt->form == PBTS_FORM_PIECE;
    assert(receipt->epoch <= INT64_MAX);
    if (!is_piece) {
        const char *key = receipt->pieces.is_runs ? "c" : "b";
        pbts_peer_dict_write_string(writer, key, receipt->pieces.bytes);
    }
    pbts_peer_dict_write_uint(writer, "e", receipt->epoch);
    if (is_piece) pbts_peer_dict_write_uint(writer, "i", receipt->piece_index);
    if (by_session)
        pbts_peer_dict_write_string(writer, "x", PBTS_SPAN_OF(receipt->session_signature.bytes));
    else
        write_signature(writer, &receipt->signature);
}

static void write_request(pbts_writer *writer, const pbts_peer_receipt_request *request) {
    pbts_peer_dict_write_uint(writer, "f", (uint64_t)request->form);
    if (request->has_index) pbts_peer_dict_write_uint(writer, "i", request->piece_index);
}

static void write_refusal(pbts_writer *writer, const pbts_peer_refusal *refusal) {
    assert(refusal->text.len <= PBTS_PEER_REFUSAL_TEXT_MAX && is_printable(refusal->text));
    pbts_peer_dict_write_uint(writer, "c", refusal->code);
    pbts_peer_dict_write_string(writer, "t", refusal->text);
}

static void write_session(pbts_writer *writer, const pbts_peer_session *session) {
    assert(session->session.expires <= INT64_MAX);
    pbts_peer_dict_write_string(writer, "d", PBTS_SPAN_OF(session->session.id));
    pbts_peer_dict_write_string(writer, "k", PBTS_SPAN_OF(session->session.key.bytes));
    pbts_peer_dict_write_uint(writer, "t", session->session.expires);
    write_signature(writer, &session->signature);
}

void pbts_peer_pbts_encode(pbts_writer *writer, const pbts_peer_pbts_message *message) {
    pbts_peer_kind kind = message->kind;
    pbts_write_u8(writer, (uint8_t)kind);
    pbts_write_u8(writer, 'd');
    switch (kind) {
    case PBTS_PEER_MSG_AUTH: write_signature(writer, &message->auth); break;
    case PBTS_PEER_MSG_RECEIPT:
    case PBTS_PEER_MSG_RECEIPT_BATCH:
        assert((message->receipt.form == PBTS_FORM_BATCH) == (kind == PBTS_PEER_MSG_RECEIPT_BATCH));
        write_receipt(writer, &message->receipt);
        break;
    case PBTS_PEER_MSG_REQUEST_RECEIPT: write_request(writer, &message->request); break;
    case PBTS_PEER_MSG_REFUSE: write_refusal(writer, &message->refusal); break;
    case PBTS_PEER_MSG_SESSION: write_session(writer, &message->session); break;
    }
    pbts_write_u8(writer, 'e');
}
