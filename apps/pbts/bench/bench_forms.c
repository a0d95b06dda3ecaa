/* Receipts of one transfer in each form: made, checked by the sender, reported, checked by a real
 * tracker. The torrent's piece hashes are random: nobody reads its 5 GiB. */
#include "bench_forms.h"

#include <stdlib.h>
#include <string.h>

#include "base/epoch.h"
#include "base/secret.h"
#include "bench_time.h"
#include "codec/bencode.h"
#include "hash/sha.h"
#include "peer/exposure.h"
#include "receipt/pieces.h"
#include "wire/report.h"

enum {
    PIECES = PBTS_BENCH_FORM_PIECES,
    SET_LEN = PIECES / 8,
    BATCH_PIECES = 10,
    RUNS_MAX = 5,
    REPORT_MAX = 2 << 20, /* far more than any form needs */
};

typedef struct {
    pbts_metainfo *meta;
    pbts_piece_hashes hashes;
    forms_tracker tracker;
    forms_user sender, receiver;
    pbts_secp256k1_signer *signer;
    pbts_secp256k1_secret session_secret;
    /* The receipts of the form in hand, and room for what they borrow. */
    pbts_receipt receipts[PIECES];
    pbts_bls_signature signatures[PIECES];
    size_t count;
    uint8_t sets[PIECES][SET_LEN];
    pbts_secp256k1_signature piece_signatures[PIECES];
    uint8_t report[REPORT_MAX], statements[REPORT_MAX];
    size_t report_len;
    bool failed; /* something did not verify, or did not fit */
} fixture;

static void expect(fixture *f, pbts_status status) {
    if (status != PBTS_OK) f->failed = true;
}

/* ---- what is transferred, and by whom ---- */

static bool make_torrent(fixture *f) {
    static const char name[] = "bench";
    uint8_t *pieces = malloc(PIECES * 20), *file = malloc(PIECES * 20 + 512);
    bool ok = pieces != NULL && file != NULL &&
              pbts_random_fill(pbts_random_system(), pieces, PIECES * 20) == PBTS_OK;
    if (ok) {
        pbts_writer writer = pbts_writer_over(file, PIECES * 20 + 512);
        pbts_write_text(&writer, "d4:infod6:length");
        pbts_bencode_uint(&writer, (uint64_t)PIECES * PBTS_BENCH_FORM_PIECE_LEN);
        pbts_write_text(&writer, "4:name");
        pbts_bencode_text(&writer, name);
        pbts_write_text(&writer, "12:piece length");
        pbts_bencode_uint(&writer, PBTS_BENCH_FORM_PIECE_LEN);
        pbts_write_text(&writer, "6:pieces");
        pbts_bencode_string(&writer, (pbts_span){ pieces, PIECES * 20 });
        pbts_write_text(&writer, "7:privatei1eee");
        ok = pbts_metainfo_parse(&f->meta, NULL, pbts_mem_system(), pbts_writer_span(&writer)) ==
             PBTS_OK;
    }
    free(pieces);
    free(file);
    return ok;
}

static bool set_up(fixture *f) {
    if (!make_torrent(f) || !forms_tracker_open(&f->tracker)) return false;
    f->hashes = pbts_piece_hashes_of(f->meta, false);
    return forms_tracker_add_user(&f->tracker, &f->sender, "alice") &&
           forms_tracker_add_user(&f->tracker, &f->receiver, "bob") &&
           forms_tracker_add_torrent(&f->tracker, &f->sender, f->meta) &&
           pbts_secp256k1_signer_new(&f->signer, pbts_mem_system(), pbts_random_system()) ==
               PBTS_OK;
}

/* ---- which receipts there are: not signed yet ---- */

static pbts_receipt *add_receipt(fixture *f, pbts_receipt_form form) {
    pbts_receipt *receipt = &f->receipts[f->count];
    uint8_t *set = f->sets[f->count++];
    memset(set, 0, SET_LEN);
    *receipt = (pbts_receipt){ .form = form,
                               .sender = f->sender.key,
                               .receiver = f->receiver.key,
                               .epoch = pbts_epoch_at(f->tracker.now.unix_s) };
    memcpy(receipt->iid, pbts_tracker_iid(f->tracker.tracker), sizeof receipt->iid);
    memcpy(receipt->infohash, pbts_metainfo_infohash(f->meta), sizeof receipt->infohash);
    if (form != PBTS_FORM_PIECE) receipt->bitmap = (pbts_span){ set, SET_LEN };
    return receipt;
}

static void add_piece(fixture *f, uint32_t index) {
    add_receipt(f, PBTS_FORM_PIECE)->piece_index = index;
}

static void add_set(fixture *f, pbts_receipt_form form, uint32_t first, uint32_t end) {
    size_t at = f->count;
    (void)add_receipt(f, form);
    for (uint32_t i = first; i < end; i++) pbts_piece_set_add(f->sets[at], i);
}

static void plan_pieces(fixture *f) {
    for (uint32_t i = 0; i < PIECES; i++) add_piece(f, i);
}

/* The paper's schedule: single pieces at both ends, batches of ten between. */
static void plan_adaptive(fixture *f) {
    uint32_t from = 0;
    for (uint32_t i = 1; i <= PIECES; i++) {
        if (!pbts_schedule_is_due_paper(i, i - from, PIECES - i)) continue;
        if (i - from == 1) {
            add_piece(f, from);
        } else {
            add_set(f, PBTS_FORM_BATCH, from, i);
        }
        from = i;
    }
}

static void plan_batches(fixture *f) {
    for (uint32_t i = 0; i < PIECES; i += BATCH_PIECES) {
        add_set(f, PBTS_FORM_BATCH, i, i + BATCH_PIECES < PIECES ? i + BATCH_PIECES : PIECES);
    }
}

/* As a peer signs: whenever half of the exposure limit is reached. */
static void plan_cumulative(fixture *f) {
    const uint64_t piece = PBTS_BENCH_FORM_PIECE_LEN;
    pbts_exposure exposure = pbts_exposure_new(piece, PBTS_EXPOSURE_MAX_BYTES);
    uint32_t from = 0;
    for (uint32_t i = 1; i <= PIECES; i++) {
        if (!pbts_exposure_is_due(&exposure, (i - from) * piece, 0, (PIECES - i) * piece)) continue;
        pbts_exposure_receipt(&exposure, (i - from) * piece);
        add_set(f, PBTS_FORM_CUMULATIVE, 0, i);
        from = i;
    }
}

static void plan_session(fixture *f) {
    for (uint32_t i = 0; i < PIECES; i += PBTS_RECEIPT_SESSION_PIECES_MAX) {
        uint32_t end = i + PBTS_RECEIPT_SESSION_PIECES_MAX;
        add_set(f, PBTS_FORM_SESSION, i, end < PIECES ? end : PIECES);
    }
}

typedef struct {
    const char *name;
    void (*plan)(fixture *f);
} form_row;

static const form_row ROWS[PBTS_BENCH_FORMS] = {
    { "piece", plan_pieces },          { "adaptive", plan_adaptive }, { "batch", plan_batches },
    { "cumulative", plan_cumulative }, { "session", plan_session },
};

/* ---- the receiver signs ---- */

static void sign_session_pieces(fixture *f, pbts_receipt *receipt) {
    pbts_secp256k1_signature *out = NULL;
    uint32_t first = 0;
    (void)pbts_piece_set_next(receipt->bitmap, &first);
    out = &f->piece_signatures[first];
    receipt->piece_signatures = (pbts_span){ out->bytes, 0 };
    for (uint32_t i = first; pbts_piece_set_next(receipt->bitmap, &i); i++) {
        uint8_t hash[PBTS_PIECE_HASH_LEN];
        f->hashes.get(f->hashes.context, hash, i);
        pbts_receipt_session_sign(f->signer, out++, &f->session_secret, receipt, hash, i);
        receipt->piece_signatures.len += PBTS_SECP256K1_SIGNATURE_LEN;
    }
}

/* The first receipt of a session makes its key and certificate; the others share them. */
static void begin_session(fixture *f) {
    pbts_receipt *first = &f->receipts[0];
    pbts_random *random = pbts_random_system();
    expect(f, pbts_random_fill(random, first->session.id, sizeof first->session.id));
    expect(f, pbts_secp256k1_generate(&f->session_secret, random));
    pbts_secp256k1_public_of(f->signer, &first->session.key, &f->session_secret);
    first->session.expires = pbts_receipt_session_expires(f->tracker.now.unix_s);
    pbts_receipt_sign(&f->signatures[0], first, &f->receiver.secret);
    for (size_t i = 1; i < f->count; i++) {
        f->receipts[i].session = first->session;
        f->signatures[i] = f->signatures[0];
    }
}

static void sign_all(fixture *f) {
    bool is_session = f->receipts[0].form == PBTS_FORM_SESSION;
    if (is_session) begin_session(f);
    for (size_t i = 0; i < f->count; i++) {
        pbts_receipt *receipt = &f->receipts[i];
        if (is_session) {
            sign_session_pieces(f, receipt);
            continue;
        }
        if (receipt->form == PBTS_FORM_PIECE) {
            f->hashes.get(f->hashes.context, receipt->piece_hash, receipt->piece_index);
        } else if (receipt->form == PBTS_FORM_BATCH) {
            pbts_receipt_root(receipt->root, receipt->bitmap, f->hashes);
        }
        pbts_receipt_sign(&f->signatures[i], receipt, &f->receiver.secret);
    }
}

/* ---- the sender checks each as it comes ---- */

static void check_certificate(fixture *f, size_t i) {
    pbts_receipt receipt = f->receipts[i];
    pbts_bls_g1_point hashed, signature;
    if (receipt.form == PBTS_FORM_BATCH) {
        pbts_receipt_root(receipt.root, receipt.bitmap, f->hashes);
    }
    expect(f, pbts_bls_signature_decode(&signature, &f->signatures[i]));
    pbts_receipt_hash(&hashed, &receipt);
    expect(f, pbts_bls_verify_sums(&f->receiver.point, &hashed, 1, &signature));
}

static void check_all(fixture *f) {
    bool is_session = f->receipts[0].form == PBTS_FORM_SESSION;
    for (size_t i = 0; i < f->count; i++) {
        uint32_t bad_piece;
        if (!is_session || i == 0) check_certificate(f, i);
        if (!is_session) continue;
        expect(f, pbts_receipt_session_verify_all(&f->receipts[i], &bad_piece, f->hashes));
    }
}

/* ---- the report ---- */

/* A growing set is reported once, as it was last. */
static size_t first_reported(const fixture *f) {
    return f->receipts[0].form == PBTS_FORM_CUMULATIVE ? f->count - 1 : 0;
}

static pbts_statement statement_of(const fixture *f, const pbts_receipt *receipt) {
    pbts_statement statement = { .form = receipt->form,
                                 .epoch = receipt->epoch,
                                 .receiver = { .uid = pbts_span_text(f->receiver.uid) },
                                 .piece_index = receipt->piece_index,
                                 .bitmap = receipt->bitmap,
                                 .session = receipt->session,
                                 .piece_signatures = receipt->piece_signatures };
    memcpy(statement.infohash, receipt->infohash, sizeof statement.infohash);
    return statement;
}

static void sum_signatures(fixture *f, pbts_bls_signature *out) {
    pbts_bls_g1_point sum, point;
    pbts_bls_g1_zero(&sum);
    for (size_t i = first_reported(f); i < f->count; i++) {
        expect(f, pbts_bls_signature_decode(&point, &f->signatures[i]));
        pbts_bls_g1_add(&sum, &point);
    }
    pbts_bls_signature_encode(out, &sum);
}

static void sign_report(fixture *f, pbts_report *report, pbts_span statements) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_sha256(report->statements_sha256, statements);
    pbts_message_report(&writer, pbts_tracker_iid(f->tracker.tracker), &f->sender.key,
                        report->unix_time, report->statements_sha256);
    pbts_bls_sign(&report->signature, &f->sender.secret, PBTS_BLS_REPORT,
                  pbts_writer_span(&writer));
    report->has_signature = true;
}

static size_t make_report(fixture *f) {
    size_t first = first_reported(f), count = f->count - first;
    pbts_statement *statements = calloc(count, sizeof *statements);
    pbts_report report = { .uid = pbts_span_text(f->sender.uid),
                           .unix_time = f->tracker.now.unix_s,
                           .has_aggregate = true };
    if (statements == NULL) {
        f->failed = true;
        return 0;
    }
    for (size_t i = 0; i < count; i++) statements[i] = statement_of(f, &f->receipts[first + i]);
    sum_signatures(f, &report.aggregate);
    pbts_writer list = pbts_writer_over(f->statements, sizeof f->statements);
    pbts_writer body = pbts_writer_over(f->report, sizeof f->report);
    pbts_report_encode_statements(&list, statements, count);
    sign_report(f, &report, pbts_writer_span(&list));
    pbts_report_encode(&body, &report, pbts_writer_span(&list));
    expect(f, pbts_writer_status(&list));
    expect(f, pbts_writer_status(&body));
    free(statements);
    f->report_len = body.len;
    return count;
}

/* ---- the tracker checks it ---- */

static void check_report(fixture *f) {
    pbts_report report;
    pbts_checked_report *checked;
    const char *problem;
    pbts_span body = { f->report, f->report_len };
    if (pbts_report_decode_bencode(&report, &problem, pbts_mem_system(), body) != PBTS_OK) {
        f->failed = true;
        return;
    }
    if (pbts_check_report(f->tracker.tracker, &checked, &report, f->tracker.now) ==
        PBTS_REFUSAL_NONE) {
        for (size_t i = 0; i < report.count; i++) {
            pbts_verdict verdict = pbts_checked_report_verdict(checked, i);
            if (verdict.refusal != PBTS_REFUSAL_NONE) f->failed = true;
        }
        pbts_checked_report_free(checked);
    } else {
        f->failed = true;
    }
    pbts_report_free(&report);
}

/* ---- timing ---- */

static double median_us(fixture *f, void (*work)(fixture *f), size_t runs) {
    double values[RUNS_MAX] = { 0 };
    for (size_t i = 0; i < runs; i++) {
        double start = bench_cpu_us();
        work(f);
        values[i] = bench_cpu_us() - start;
    }
    return bench_median(values, runs);
}

static void measure(pbts_bench_form *out, fixture *f, const form_row *row, size_t runs) {
    f->count = 0;
    row->plan(f);
    out->name = row->name;
    out->sign_us = median_us(f, sign_all, runs);
    out->check_us = median_us(f, check_all, runs);
    out->statements = make_report(f);
    out->report_bytes = f->report_len;
    out->tracker_us = median_us(f, check_report, runs);
    bool is_session = f->receipts[0].form == PBTS_FORM_SESSION;
    out->signatures = is_session ? PIECES + 1 : f->count; /* the certificate is one, too */
}

bool pbts_bench_forms_measure(pbts_bench_form out[static PBTS_BENCH_FORMS], bool quick,
                              void (*progress)(const char *step)) {
    fixture *f = calloc(1, sizeof *f);
    if (f == NULL) return false;
    f->failed = !set_up(f);
    for (size_t i = 0; !f->failed && i < PBTS_BENCH_FORMS; i++) {
        progress(ROWS[i].name);
        measure(&out[i], f, &ROWS[i], quick ? 1 : 3);
    }
    bool ok = !f->failed;
    forms_tracker_close(&f->tracker);
    pbts_secp256k1_signer_free(f->signer);
    pbts_metainfo_free(f->meta);
    pbts_wipe(f, sizeof *f);
    free(f);
    return ok;
}
