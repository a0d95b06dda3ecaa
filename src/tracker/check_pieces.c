/* What a statement says of a torrent's pieces, in the words of the registered torrent: hashes and
 * sizes are never a client's. */
#include "receipt/pieces.h"

#include "base/assert.h"
#include "tracker/checked_report.h"

static pbts_refusal check_piece(pbts_receipt *receipt, pbts_checked_statement *out,
                                const pbts_statement *in, const pbts_pieces *pieces) {
    if (in->piece_index >= pieces->piece_count) return PBTS_REFUSAL_BAD_PIECES;
    pbts_pieces_hash(receipt->piece_hash, pieces, out->names_v2, in->piece_index);
    bool same = memcmp(receipt->piece_hash, in->piece_hash, sizeof in->piece_hash) == 0;
    if (in->has_piece_hash && !same) return PBTS_REFUSAL_PIECE_HASH_WRONG;
    receipt->piece_index = out->piece_index = in->piece_index;
    return PBTS_REFUSAL_NONE;
}

static pbts_refusal check_session_form(const pbts_statement *in) {
    size_t count = pbts_piece_set_count(in->bitmap);
    if (in->piece_signatures.len != count * PBTS_SECP256K1_SIGNATURE_LEN) {
        return PBTS_REFUSAL_MALFORMED;
    }
    switch (pbts_receipt_session_check(&in->session, in->epoch)) {
    case PBTS_OK: return PBTS_REFUSAL_NONE;
    case PBTS_STALE: return PBTS_REFUSAL_SESSION_EXPIRED;
    default: return PBTS_REFUSAL_SESSION_TOO_LONG;
    }
}

static pbts_refusal check_set(pbts_receipt *receipt, const pbts_checked_statement *out,
                              const pbts_statement *in, const pbts_pieces *pieces) {
    if (pbts_piece_set_check(in->bitmap, pieces->piece_count) != PBTS_OK) {
        return PBTS_REFUSAL_BAD_PIECES;
    }
    if (pbts_piece_set_count(in->bitmap) == 0) return PBTS_REFUSAL_NO_PIECES;
    receipt->bitmap = in->bitmap;
    switch (in->form) {
    case PBTS_FORM_CUMULATIVE: return PBTS_REFUSAL_NONE;
    case PBTS_FORM_BATCH:
        pbts_receipt_root(receipt->root, in->bitmap, pbts_pieces_hashes(pieces, out->names_v2));
        return PBTS_REFUSAL_NONE;
    case PBTS_FORM_PIECE: break;
    case PBTS_FORM_SESSION: receipt->session = in->session; return check_session_form(in);
    }
    return PBTS_REFUSAL_MALFORMED;
}

pbts_refusal pbts_check_pieces(pbts_txn *txn, pbts_receipt *receipt, pbts_checked_statement *out,
                               const pbts_statement *in) {
    pbts_pieces pieces;
    pbts_status status = pbts_torrent_no_get(txn, &out->torrent_no, &out->names_v2, in->infohash);
    if (status == PBTS_NOT_FOUND) return PBTS_REFUSAL_UNKNOWN_TORRENT;
    if (status == PBTS_OK) status = pbts_pieces_get(txn, &pieces, out->torrent_no);
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    if (in->form == PBTS_FORM_PIECE) return check_piece(receipt, out, in, &pieces);
    return check_set(receipt, out, in, &pieces);
}

pbts_refusal pbts_check_session(pbts_txn *txn, pbts_checked_statement *out,
                                const pbts_statement *in, const pbts_bls_public *sender) {
    pbts_pieces pieces;
    assert(in->form == PBTS_FORM_SESSION);
    pbts_status status = pbts_pieces_get(txn, &pieces, out->torrent_no);
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    pbts_receipt receipt = { .form = PBTS_FORM_SESSION,
                             .sender = *sender,
                             .epoch = in->epoch,
                             .bitmap = in->bitmap,
                             .session = in->session,
                             .piece_signatures = in->piece_signatures };
    memcpy(receipt.infohash, in->infohash, sizeof receipt.infohash);
    status = pbts_receipt_session_verify_all(&receipt, &out->verdict.bad_piece,
                                             pbts_pieces_hashes(&pieces, out->names_v2));
    switch (status) {
    case PBTS_OK: return PBTS_REFUSAL_NONE;
    case PBTS_BAD_SIGNATURE: return PBTS_REFUSAL_BAD_PIECE_SIGNATURE;
    default: return PBTS_REFUSAL_SESSION_KEY_INVALID;
    }
}
