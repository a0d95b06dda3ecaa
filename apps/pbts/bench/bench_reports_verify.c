/* bench_reports_verify.c - what verifying the reports costs without a tracker; see bench_reports.h.
 *
 * Left out is all that the tracker does beside: HTTP, finding users, keys and pieces in the store,
 * claims, credit, the ledger, fsync, the answer. So its time is the floor for a tracker that
 * checks each report by itself.
 */
#include <string.h>

#include "bench_reports.h"
#include "bench_time.h"
#include "receipt/batch.h"
#include "wire/report.h"

static pbts_status add_statement(pbts_receipt_batch *batch, const pbts_reports_set *set,
                                 const pbts_statement *statement, pbts_reports_transfer transfer) {
    pbts_bls_g1_point hashed;
    pbts_receipt receipt = { .form = statement->form,
                             .epoch = statement->epoch,
                             .piece_index = statement->piece_index,
                             .bitmap = statement->bitmap,
                             .sender = set->users[transfer.sender].key,
                             .receiver = set->users[transfer.receiver].key };
    memcpy(receipt.iid, set->iid, sizeof receipt.iid);
    memcpy(receipt.infohash, statement->infohash, sizeof receipt.infohash);
    if (receipt.form == PBTS_FORM_PIECE)
        pbts_metainfo_piece_hash(receipt.piece_hash, set->meta, false, receipt.piece_index);
    pbts_receipt_hash(&hashed, &receipt);
    return pbts_receipt_batch_add(batch, &set->users[transfer.receiver].point, &hashed);
}

/* The submitter's signature is weighed, because its error must not cancel one of the aggregate. */
static pbts_status add_submitter(pbts_receipt_batch *batch, const pbts_reports_set *set,
                                 const pbts_report *report, const pbts_reports_user *user) {
    uint8_t bytes[PBTS_MESSAGE_MAX];
    uint64_t weight = 0;
    pbts_bls_g1_point hashed, signature;
    pbts_writer message = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_report(&message, set->iid, &user->key, report->unix_time,
                        report->statements_sha256);
    pbts_bls_hash(&hashed, PBTS_BLS_REPORT, pbts_writer_span(&message));
    PBTS_TRY(pbts_bls_signature_decode(&signature, &report->signature));
    PBTS_TRY(pbts_random_fill(pbts_random_system(), (uint8_t *)&weight, sizeof weight));
    return pbts_receipt_batch_add_weighed(batch, &user->point, &hashed, &signature, weight | 1);
}

static pbts_status verify_report(pbts_receipt_batch *batch, const pbts_reports_set *set,
                                 const pbts_report *report, uint32_t number) {
    pbts_bls_g1_point aggregate;
    const pbts_reports_user *submitter = &set->users[number % set->plan.users];
    if (report->count != set->plan.statements) return PBTS_MALFORMED;
    if (!pbts_span_is(report->uid, submitter->uid)) return PBTS_NOT_FOUND;
    pbts_receipt_batch_clear(batch);
    for (uint32_t i = 0; i < set->plan.statements; i++)
        PBTS_TRY(add_statement(batch, set, &report->statements[i],
                               pbts_reports_plan_at(&set->plan, number, i)));
    PBTS_TRY(pbts_bls_signature_decode(&aggregate, &report->aggregate));
    pbts_receipt_batch_add_signature(batch, &aggregate);
    PBTS_TRY(add_submitter(batch, set, report, submitter));
    return pbts_receipt_batch_verify(batch);
}

/* A fresh batch per report, as the tracker has it. */
static pbts_status verify_body(const pbts_reports_set *set, uint32_t number) {
    pbts_mem *mem = pbts_mem_system();
    pbts_span body = { set->bodies[number].data, set->bodies[number].len };
    pbts_receipt_batch *batch;
    pbts_report report;
    const char *problem;
    PBTS_TRY(pbts_report_decode_bencode(&report, &problem, mem, body));
    pbts_status status = pbts_receipt_batch_new(&batch, mem);
    if (status == PBTS_OK) {
        status = verify_report(batch, set, &report, number);
        pbts_receipt_batch_free(batch);
    }
    pbts_report_free(&report);
    return status;
}

bool pbts_reports_verify(pbts_reports_verification *sum, const pbts_reports_set *set,
                         uint32_t first, uint32_t step) {
    double start = bench_cpu_us();
    uint32_t count = 0;
    for (uint32_t i = first; i < set->plan.reports; i += step, count++)
        if (verify_body(set, i) != PBTS_OK) return false;
    sum->cpu_us += bench_cpu_us() - start;
    sum->reports += count;
    return true;
}
