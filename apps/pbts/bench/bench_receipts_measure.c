/* The measuring part of `pbts bench receipts`: makes keys and receipts, then times in CPU time of
 * this thread, so that other programs disturb little. What is compared is timed in turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "bench_receipts.h"
#include "bench_time.h"
#include "bls/bls_bench.h"
#include "hash/sha.h"
#include "receipt/batch.h"
#include "wire/report.h"

enum {
    RECEIPTS_MAX = 1000,
    FEW_SIGNERS = 5,
    RUNS_MAX = 32,
    REPORT_PIECES = 2560,
    REPORT_LEN_MAX = 8192,
};

typedef struct {
    pbts_bls_secret secret;
    pbts_bls_public bytes;
    pbts_bls_public_point point;
} key_pair;

typedef struct {
    key_pair keys[RECEIPTS_MAX];
    pbts_receipt receipts[RECEIPTS_MAX];
    pbts_bls_signature signatures[RECEIPTS_MAX];
    pbts_bls_signature aggregate;
    size_t count, signers; /* receipt i is signed by keys[i % signers] */
    pbts_receipt_batch *batch;
    pbts_bls_bench pairing;
    bool failed; /* something did not verify: the figures mean nothing */
} fixture;

const char *pbts_bench_part_name(pbts_bench_part part) {
    static const char *const names[PBTS_PARTS] = {
        "key generation",
        "sign",
        "verify",
        "hash to G1",
        "Miller loop",
        "final exponentiation",
        "public key decode",
        "signature decode",
    };
    return names[part];
}

typedef void work(fixture *f);

/* Microseconds of one `todo`, the mean of `times`. */
static double time_us(work *todo, fixture *f, size_t times) {
    double start = bench_cpu_us();
    for (size_t i = 0; i < times; i++) todo(f);
    return (bench_cpu_us() - start) / (double)times;
}

static double median_us(work *todo, fixture *f, size_t runs, size_t times) {
    double values[RUNS_MAX] = { 0 };
    for (size_t i = 0; i < runs; i++) values[i] = time_us(todo, f, times);
    return bench_median(values, runs);
}

static void expect(fixture *f, pbts_status status) {
    if (status != PBTS_OK) f->failed = true;
}

/* ---- the parts ---- */

static void do_keygen(fixture *f) {
    pbts_bls_secret secret;
    pbts_bls_public bytes;
    expect(f, pbts_bls_generate(&secret, pbts_random_system()));
    pbts_bls_public_of(&bytes, &secret);
}

static void do_sign(fixture *f) {
    pbts_bls_signature signature;
    pbts_receipt_sign(&signature, &f->receipts[0], &f->keys[0].secret);
}

static void verify_one(fixture *f, size_t i) {
    pbts_bls_g1_point hashed, signature;
    expect(f, pbts_bls_signature_decode(&signature, &f->signatures[i]));
    pbts_receipt_hash(&hashed, &f->receipts[i]);
    expect(f, pbts_bls_verify_sums(&f->keys[i % f->signers].point, &hashed, 1, &signature));
}

static void do_verify(fixture *f) {
    verify_one(f, 0);
}

static void do_hash(fixture *f) {
    pbts_bls_g1_point hashed;
    pbts_receipt_hash(&hashed, &f->receipts[0]);
}

static void do_miller_loop(fixture *f) {
    pbts_bls_bench_miller_loop(&f->pairing);
}

static void do_final_exp(fixture *f) {
    pbts_bls_bench_final_exp(&f->pairing);
}

static void do_key_decode(fixture *f) {
    pbts_bls_public_point point;
    expect(f, pbts_bls_public_decode(&point, &f->keys[0].bytes));
}

static void do_signature_decode(fixture *f) {
    pbts_bls_g1_point point;
    expect(f, pbts_bls_signature_decode(&point, &f->signatures[0]));
}

static work *const part_work[PBTS_PARTS] = {
    do_keygen,      do_sign,      do_verify,     do_hash,
    do_miller_loop, do_final_exp, do_key_decode, do_signature_decode,
};

static void measure_parts(double out[PBTS_PARTS], fixture *f, size_t runs) {
    double values[PBTS_PARTS][RUNS_MAX] = { 0 };
    for (size_t run = 0; run < runs; run++)
        for (size_t part = 0; part < PBTS_PARTS; part++)
            values[part][run] = time_us(part_work[part], f, 20);
    for (size_t part = 0; part < PBTS_PARTS; part++) out[part] = bench_median(values[part], runs);
}

/* ---- receipts one by one and aggregated ---- */

static void do_one_by_one(fixture *f) {
    for (size_t i = 0; i < f->count; i++) verify_one(f, i);
}

static void do_aggregated(fixture *f) {
    pbts_bls_g1_point hashed, signature;
    pbts_receipt_batch_clear(f->batch);
    for (size_t i = 0; i < f->count; i++) {
        pbts_receipt_hash(&hashed, &f->receipts[i]);
        expect(f, pbts_receipt_batch_add(f->batch, &f->keys[i % f->signers].point, &hashed));
    }
    expect(f, pbts_bls_signature_decode(&signature, &f->aggregate));
    pbts_receipt_batch_add_signature(f->batch, &signature);
    expect(f, pbts_receipt_batch_verify(f->batch));
}

static void sum_signatures(fixture *f) {
    pbts_bls_g1_point sum, signature;
    pbts_bls_g1_zero(&sum);
    for (size_t i = 0; i < f->count; i++) {
        expect(f, pbts_bls_signature_decode(&signature, &f->signatures[i]));
        pbts_bls_g1_add(&sum, &signature);
    }
    pbts_bls_signature_encode(&f->aggregate, &sum);
}

/* Receipts of distinct pieces, signed by the first `signers` keys in turn. */
static void sign_receipts(fixture *f, size_t count, size_t signers) {
    f->count = count;
    f->signers = signers;
    for (size_t i = 0; i < count; i++) {
        pbts_receipt *receipt = &f->receipts[i];
        memset(receipt, 0, sizeof *receipt);
        receipt->form = PBTS_FORM_PIECE;
        receipt->epoch = 486000;
        receipt->piece_index = (uint32_t)i;
        receipt->receiver = f->keys[i % signers].bytes;
        memset(receipt->piece_hash, (int)(i & 0xFF), sizeof receipt->piece_hash);
        pbts_receipt_sign(&f->signatures[i], receipt, &f->keys[i % signers].secret);
    }
    sum_signatures(f);
}

static void measure_case(pbts_bench_case *out, fixture *f, size_t count, size_t signers,
                         size_t runs) {
    sign_receipts(f, count, signers);
    out->receipts = count;
    out->signers = signers;
    out->aggregated_us = median_us(do_aggregated, f, runs, 1);
    out->one_by_one_us = median_us(do_one_by_one, f, count > 100 ? 3 : runs, 1);
}

static void measure_cases(pbts_bench_receipts_result *out, fixture *f, bool quick, size_t runs) {
    static const size_t sizes[] = { 10, 25, 50, 100, 1000 };
    size_t size_count = sizeof sizes / sizeof sizes[0] - (quick ? 2 : 0);
    out->case_count = 0;
    for (size_t i = 0; i < size_count; i++) {
        measure_case(&out->cases[out->case_count++], f, sizes[i], sizes[i], runs);
        measure_case(&out->cases[out->case_count++], f, sizes[i], FEW_SIGNERS, runs);
    }
}

/* The floor and what is measured against it share each round, so a slow moment hits both. */
static void measure_bound(pbts_bench_bound *out, fixture *f, size_t runs) {
    double floors[RUNS_MAX] = { 0 }, measured[RUNS_MAX] = { 0 }, ratios[RUNS_MAX] = { 0 };
    sign_receipts(f, RECEIPTS_MAX, FEW_SIGNERS);
    for (size_t i = 0; i < runs; i++) {
        double before = time_us(do_hash, f, RECEIPTS_MAX / 2);
        measured[i] = time_us(do_aggregated, f, 1);
        double after = time_us(do_hash, f, RECEIPTS_MAX / 2);
        floors[i] = RECEIPTS_MAX * (before + after) / 2 +
                    (FEW_SIGNERS + 1) * time_us(do_miller_loop, f, 20) +
                    time_us(do_final_exp, f, 20);
        ratios[i] = measured[i] / floors[i];
    }
    out->floor_us = bench_median(floors, runs);
    out->measured_us = bench_median(measured, runs);
    out->ratio = bench_median(ratios, runs);
    out->limit = 1.15;
}

/* ---- cumulative reports ---- */

/* Submitted by keys[0], received by the FEW_SIGNERS keys after it. */
typedef struct {
    pbts_report report;
    pbts_statement statements[FEW_SIGNERS];
    uint8_t bitmaps[FEW_SIGNERS][REPORT_PIECES / 8];
} report_fixture;

static const char *const uids[FEW_SIGNERS + 1] = {
    "alice", "bob", "carol", "dave", "erin", "frank"
};
static const uint64_t report_time = 486000ull * 3600;

/* Five receivers with `pieces_each` of a torrent; `apart`: each has its own fifth of it. */
static void fill_bitmaps(report_fixture *r, fixture *f, uint32_t pieces_each, bool apart) {
    uint32_t piece_count = apart ? FEW_SIGNERS * pieces_each : pieces_each;
    f->count = f->signers = FEW_SIGNERS;
    for (uint32_t i = 0; i < FEW_SIGNERS; i++) {
        uint32_t first = apart ? i * pieces_each : 0;
        for (uint32_t j = 0; j < pieces_each; j++) pbts_piece_set_add(r->bitmaps[i], first + j);
        pbts_receipt *receipt = &f->receipts[i];
        memset(receipt, 0, sizeof *receipt);
        receipt->form = PBTS_FORM_CUMULATIVE;
        receipt->epoch = 486000;
        memset(receipt->infohash, 0xA5, sizeof receipt->infohash);
        receipt->sender = f->keys[0].bytes;
        receipt->receiver = f->keys[i + 1].bytes;
        receipt->bitmap = (pbts_span){ r->bitmaps[i], pbts_piece_set_len(piece_count) };
        pbts_receipt_sign(&f->signatures[i], receipt, &f->keys[i + 1].secret);
    }
    sum_signatures(f);
}

static void report_message(pbts_writer *writer, const fixture *f, const pbts_report *report) {
    pbts_message_report(writer, f->receipts[0].iid, &f->keys[0].bytes, report->unix_time,
                        report->statements_sha256);
}

/* Fill in the report and its signatures; returns the length of its encoding. */
static size_t make_report(report_fixture *r, fixture *f) {
    uint8_t statements_raw[REPORT_LEN_MAX], envelope[REPORT_LEN_MAX], message[PBTS_MESSAGE_MAX];
    for (size_t i = 0; i < FEW_SIGNERS; i++) {
        const pbts_receipt *receipt = &f->receipts[i];
        pbts_statement *statement = &r->statements[i];
        statement->form = receipt->form;
        memcpy(statement->infohash, receipt->infohash, sizeof receipt->infohash);
        statement->epoch = receipt->epoch;
        statement->receiver.uid = pbts_span_text(uids[i + 1]);
        statement->bitmap = receipt->bitmap;
    }
    pbts_writer writer = pbts_writer_over(statements_raw, sizeof statements_raw);
    pbts_report_encode_statements(&writer, r->statements, FEW_SIGNERS);
    expect(f, pbts_writer_status(&writer));
    pbts_span raw = pbts_writer_span(&writer);

    pbts_report *report = &r->report;
    report->uid = pbts_span_text(uids[0]);
    report->unix_time = report_time;
    report->has_signature = report->has_aggregate = true;
    report->aggregate = f->aggregate;
    report->statements = r->statements;
    report->count = FEW_SIGNERS;
    pbts_sha256(report->statements_sha256, raw);
    writer = pbts_writer_over(message, sizeof message);
    report_message(&writer, f, report);
    pbts_bls_sign(&report->signature, &f->keys[0].secret, PBTS_BLS_REPORT,
                  pbts_writer_span(&writer));
    writer = pbts_writer_over(envelope, sizeof envelope);
    pbts_report_encode(&writer, report, raw);
    expect(f, pbts_writer_status(&writer));
    return writer.len;
}

/* All signatures of a report with one pairing product; the submitter's is weighed, because its
 * error must not cancel one of the aggregate. */
static void verify_report(fixture *f, const pbts_report *report) {
    uint8_t message[PBTS_MESSAGE_MAX];
    uint64_t weight = 0;
    pbts_bls_g1_point hashed, signature;
    expect(f, pbts_random_fill(pbts_random_system(), (uint8_t *)&weight, sizeof weight));
    pbts_receipt_batch_clear(f->batch);
    for (size_t i = 0; i < FEW_SIGNERS; i++) {
        pbts_receipt_hash(&hashed, &f->receipts[i]);
        expect(f, pbts_receipt_batch_add(f->batch, &f->keys[i + 1].point, &hashed));
    }
    expect(f, pbts_bls_signature_decode(&signature, &report->aggregate));
    pbts_receipt_batch_add_signature(f->batch, &signature);

    pbts_writer writer = pbts_writer_over(message, sizeof message);
    report_message(&writer, f, report);
    pbts_bls_hash(&hashed, PBTS_BLS_REPORT, pbts_writer_span(&writer));
    expect(f, pbts_bls_signature_decode(&signature, &report->signature));
    expect(f, pbts_receipt_batch_add_weighed(f->batch, &f->keys[0].point, &hashed, &signature,
                                             weight | 1));
    expect(f, pbts_receipt_batch_verify(f->batch));
}

static void measure_report(pbts_bench_report_case *out, fixture *f, bool apart, size_t runs) {
    static const char *const names[] = { "one torrent of 512 pieces, all of it to each of 5",
                                         "one torrent of 2,560 pieces, a fifth to each of 5" };
    double values[RUNS_MAX] = { 0 }, loops[RUNS_MAX] = { 0 };
    report_fixture r;
    memset(&r, 0, sizeof r);
    fill_bitmaps(&r, f, REPORT_PIECES / FEW_SIGNERS, apart);
    out->name = names[apart];
    out->bytes = make_report(&r, f);
    for (size_t i = 0; i < runs; i++) {
        double start = bench_cpu_us();
        for (size_t j = 0; j < 10; j++) verify_report(f, &r.report);
        values[i] = (bench_cpu_us() - start) / 10;
        loops[i] = values[i] / time_us(do_miller_loop, f, 20);
    }
    out->miller_loops = pbts_receipt_batch_signers(f->batch) + 1;
    out->verify_us = bench_median(values, runs);
    out->in_miller_loops = bench_median(loops, runs);
}

/* ---- all of it ---- */

static void make_keys(fixture *f) {
    for (size_t i = 0; i < RECEIPTS_MAX; i++) {
        expect(f, pbts_bls_generate(&f->keys[i].secret, pbts_random_system()));
        pbts_bls_public_of(&f->keys[i].bytes, &f->keys[i].secret);
        expect(f, pbts_bls_public_decode(&f->keys[i].point, &f->keys[i].bytes));
    }
    pbts_bls_g1_point hashed;
    pbts_bls_hash(&hashed, PBTS_BLS_PIECE, pbts_span_text("a point"));
    pbts_bls_bench_init(&f->pairing, &f->keys[0].point, &hashed);
    do_miller_loop(f); /* so that final exponentiation has a proper input */
}

bool pbts_bench_receipts_measure(pbts_bench_receipts_result *out, bool quick,
                                 void (*progress)(const char *step)) {
    size_t runs = quick ? 3 : 11;
    fixture *f = calloc(1, sizeof *f);
    if (f == NULL) return false;
    f->failed = pbts_receipt_batch_new(&f->batch, pbts_mem_system()) != PBTS_OK;
    if (!f->failed) {
        progress("keys");
        make_keys(f);
        sign_receipts(f, 1, 1);
        progress("parts");
        measure_parts(out->part_us, f, runs);
        progress("receipts");
        measure_cases(out, f, quick, runs);
        progress("bound");
        measure_bound(&out->bound, f, runs);
        progress("cumulative reports");
        for (size_t i = 0; i < PBTS_BENCH_REPORTS; i++)
            measure_report(&out->reports[i], f, i == 1, runs);
    }
    bool ok = !f->failed;
    pbts_receipt_batch_free(f->batch);
    free(f);
    return ok;
}
