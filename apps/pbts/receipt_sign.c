#include "receipt_sign.h"

#include <stdlib.h>
#include <string.h>

#include "base/epoch.h"
#include "base/secret.h"
#include "exit_codes.h"
#include "receipt/pieces.h"
#include "receipts.h"
#include "say.h"

static const char *const NAMES[] = { [PBTS_FORM_PIECE] = "piece",
                                     [PBTS_FORM_CUMULATIVE] = "cumulative",
                                     [PBTS_FORM_BATCH] = "batch",
                                     [PBTS_FORM_SESSION] = "session" };

const char *receipt_form_name(pbts_receipt_form form) {
    return NAMES[form];
}

bool receipt_form_parse(pbts_receipt_form *out, const char *name) {
    for (int form = PBTS_FORM_PIECE; form <= PBTS_FORM_SESSION; form++) {
        if (strcmp(name, NAMES[form]) != 0) continue;
        *out = (pbts_receipt_form)form;
        return true;
    }
    return false;
}

static size_t pieces_of_record(const receipt_signing *s) {
    switch (s->form) {
    case PBTS_FORM_PIECE: return 1;
    case PBTS_FORM_CUMULATIVE: return PBTS_PIECES_MAX;
    case PBTS_FORM_BATCH: return s->batch_pieces;
    case PBTS_FORM_SESSION: return PBTS_RECEIPT_SESSION_PIECES_MAX;
    }
    return 1;
}

size_t receipt_sign_records(const receipt_signing *signing) {
    size_t each = pieces_of_record(signing);
    return (pbts_piece_set_count(signing->pieces) + each - 1) / each;
}

/* What is needed while records are written. */
typedef struct {
    const receipt_signing *signing;
    pbts_writer writer;
    pbts_piece_hashes hashes;
    uint8_t *set;                  /* of one record, zero between records */
    pbts_secp256k1_signer *signer; /* SESSION */
    pbts_secp256k1_secret session_secret;
    pbts_receipt_session session;
    pbts_bls_signature certificate;
    uint8_t *piece_hashes, *piece_signatures; /* of one session record */
} signer_state;

static pbts_receipt_record new_record(const signer_state *state) {
    const receipt_signing *s = state->signing;
    pbts_receipt_record record = { .receipt = *s->shared,
                                   .piece_count = pbts_metainfo_piece_count(s->meta),
                                   .receiver_uid = keyfile_uid(s->key),
                                   .sender_uid = s->sender_uid };
    record.receipt.form = s->form;
    return record;
}

static void sign_and_append(signer_state *state, pbts_receipt_record *record) {
    pbts_receipt_sign(&record->signature, &record->receipt, &state->signing->key->secret);
    pbts_receipt_record_encode(&state->writer, record);
}

static void append_piece(signer_state *state, uint32_t index) {
    pbts_receipt_record record = new_record(state);
    record.receipt.piece_index = index;
    state->hashes.get(state->hashes.context, record.receipt.piece_hash, index);
    sign_and_append(state, &record);
}

static void append_set(signer_state *state) {
    pbts_receipt_record record = new_record(state);
    record.receipt.bitmap = (pbts_span){ state->set, state->signing->pieces.len };
    pbts_receipt_root(record.receipt.root, record.receipt.bitmap, state->hashes);
    sign_and_append(state, &record);
}

/* One certificate for all records; a signature for each piece. */
static void append_session(signer_state *state) {
    pbts_receipt_record record = new_record(state);
    pbts_receipt *receipt = &record.receipt;
    size_t count = 0;
    receipt->bitmap = (pbts_span){ state->set, state->signing->pieces.len };
    receipt->session = state->session;
    for (uint32_t i = 0; pbts_piece_set_next(receipt->bitmap, &i); i++, count++) {
        uint8_t *hash = state->piece_hashes + count * PBTS_PIECE_HASH_LEN;
        pbts_secp256k1_signature signature;
        state->hashes.get(state->hashes.context, hash, i);
        pbts_receipt_session_sign(state->signer, &signature, &state->session_secret, receipt, hash,
                                  i);
        memcpy(state->piece_signatures + count * sizeof signature.bytes, signature.bytes,
               sizeof signature.bytes);
    }
    record.piece_hashes = (pbts_span){ state->piece_hashes, count * PBTS_PIECE_HASH_LEN };
    receipt->piece_signatures =
        (pbts_span){ state->piece_signatures, count * PBTS_SECP256K1_SIGNATURE_LEN };
    record.signature = state->certificate;
    pbts_receipt_record_encode(&state->writer, &record);
}

static void append_record(signer_state *state, uint32_t last_piece) {
    if (state->signing->form == PBTS_FORM_PIECE) {
        append_piece(state, last_piece);
    } else if (state->signing->form == PBTS_FORM_SESSION) {
        append_session(state);
    } else {
        append_set(state);
    }
    memset(state->set, 0, state->signing->pieces.len);
}

/* As many pieces as belong in one, in ascending order. */
static void append_all(signer_state *state) {
    size_t each = pieces_of_record(state->signing), count = 0;
    uint32_t last = 0;
    for (uint32_t i = 0; pbts_piece_set_next(state->signing->pieces, &i); i++) {
        pbts_piece_set_add(state->set, i);
        last = i;
        if (++count % each == 0) append_record(state, last);
    }
    if (count % each != 0) append_record(state, last);
}

/* A key that lives for this call, and what the receiver says of it. */
static pbts_status begin_session(signer_state *state) {
    pbts_random *random = pbts_random_system();
    pbts_receipt_session *session = &state->session;
    if (state->signing->form != PBTS_FORM_SESSION) return PBTS_OK;
    PBTS_TRY(pbts_secp256k1_signer_new(&state->signer, pbts_mem_system(), random));
    PBTS_TRY(pbts_random_fill(random, session->id, sizeof session->id));
    PBTS_TRY(pbts_secp256k1_generate(&state->session_secret, random));
    pbts_secp256k1_public_of(state->signer, &session->key, &state->session_secret);
    session->expires =
        pbts_receipt_session_expires(state->signing->shared->epoch * PBTS_EPOCH_SECONDS);
    pbts_receipt_record record = new_record(state);
    record.receipt.session = *session;
    pbts_receipt_sign(&state->certificate, &record.receipt, &state->signing->key->secret);
    return PBTS_OK;
}

static size_t capacity_of(const receipt_signing *s) {
    size_t each = PBTS_RECEIPT_RECORD_ROOM, pieces = pbts_piece_set_count(s->pieces);
    if (s->form != PBTS_FORM_PIECE) each += s->pieces.len;
    size_t capacity = sizeof PBTS_RECEIPT_FILE_MAGIC + receipt_sign_records(s) * each;
    if (s->form == PBTS_FORM_SESSION) capacity += pieces * PBTS_RECEIPT_SESSION_PIECE_LEN;
    return capacity;
}

static int write_all(signer_state *state) {
    size_t set_len = state->signing->pieces.len, most = PBTS_RECEIPT_SESSION_PIECES_MAX;
    state->set = calloc(1, set_len);
    state->piece_hashes = malloc(most * PBTS_PIECE_HASH_LEN);
    state->piece_signatures = malloc(most * PBTS_SECP256K1_SIGNATURE_LEN);
    if (!state->set || !state->piece_hashes || !state->piece_signatures) return say_no_memory();
    pbts_status status = begin_session(state);
    if (status != PBTS_OK) {
        return say_fail(PBTS_EXIT_IO, "no key for a session: %s", pbts_status_text(status));
    }
    pbts_write_text(&state->writer, PBTS_RECEIPT_FILE_MAGIC);
    append_all(state);
    return state->writer.failed ? say_no_memory() : PBTS_EXIT_OK;
}

int receipt_sign(uint8_t **out, size_t *len, const receipt_signing *signing) {
    size_t capacity = capacity_of(signing);
    if (capacity > RECEIPTS_FILE_MAX) {
        return say_fail(PBTS_EXIT_REFUSED,
                        "a file of receipts is at most %d MiB: take fewer pieces, or --form "
                        "cumulative",
                        RECEIPTS_FILE_MAX >> 20);
    }
    uint8_t *file = malloc(capacity);
    if (file == NULL) return say_no_memory();
    signer_state state = { .signing = signing,
                           .writer = pbts_writer_over(file, capacity),
                           .hashes = pbts_piece_hashes_of(signing->meta,
                                                          !pbts_metainfo_has_v1(signing->meta)) };
    int code = write_all(&state);
    pbts_wipe(&state.session_secret, sizeof state.session_secret);
    pbts_secp256k1_signer_free(state.signer);
    free(state.set);
    free(state.piece_hashes);
    free(state.piece_signatures);
    if (code != PBTS_EXIT_OK) {
        free(file);
        return code;
    }
    *out = file;
    *len = state.writer.len;
    return PBTS_EXIT_OK;
}
