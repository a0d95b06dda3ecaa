/* Journals and reports. */
#include "api/api_parts.h"
#include "base/assert.h"
#include "base/epoch.h"
#include "wire/report.h"

_Static_assert((int)LIBPBTS_JOURNAL_ENTRY_MAX >= (int)PBTS_JOURNAL_ENTRY_MAX, "an entry fits");
_Static_assert((int)LIBPBTS_CODE_LEN == (int)PBTS_JOURNAL_REASON_MAX, "a code fits");
_Static_assert((int)LIBPBTS_NEXT_DENIED == (int)PBTS_REPORT_DENIED &&
                   (int)LIBPBTS_NEXT_LATER == (int)PBTS_REPORT_LATER &&
                   (int)LIBPBTS_NEXT_SPLIT == (int)PBTS_REPORT_SPLIT &&
                   (int)LIBPBTS_NEXT_PLAIN == (int)PBTS_REPORT_PLAIN &&
                   (int)LIBPBTS_NEXT_SETTLED == (int)PBTS_REPORT_SETTLED,
               "what comes next is the same");

/* ---- journals ---- */

libpbts_result libpbts_journal_new(libpbts_journal **out) {
    libpbts_journal *journal = pbts_alloc(pbts_mem_system(), sizeof *journal);
    if (journal == NULL) return LIBPBTS_NO_MEMORY;
    pbts_status status = pbts_journal_new(&journal->journal, pbts_mem_system());
    if (status == PBTS_OK) {
        *out = journal;
    } else {
        pbts_release(pbts_mem_system(), journal);
    }
    return pbts_api_result(status);
}

void libpbts_journal_free(libpbts_journal *journal) {
    if (journal == NULL) return;
    pbts_journal_free(journal->journal);
    pbts_release(pbts_mem_system(), journal);
}

libpbts_result libpbts_journal_load(libpbts_journal *journal, const void *bytes, size_t len,
                                    size_t *good_len) {
    return pbts_api_result(
        pbts_journal_load(journal->journal, good_len, pbts_api_span(bytes, len)));
}

libpbts_result libpbts_journal_header(void *buffer, size_t capacity, size_t *len) {
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    pbts_journal_header(&writer);
    if (writer.failed) return LIBPBTS_NO_SPACE;
    *len = writer.len;
    return LIBPBTS_OK;
}

libpbts_result libpbts_journal_add(libpbts_journal *journal, const void *record, size_t record_len,
                                   void *buffer, size_t capacity, size_t *len) {
    pbts_receipt_record decoded;
    pbts_cursor cursor = pbts_cursor_over(pbts_api_span(record, record_len));
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    uint64_t number;
    pbts_status status = pbts_receipt_record_decode(&decoded, &cursor);
    if (status == PBTS_OK && pbts_cursor_left(&cursor) > 0) status = PBTS_MALFORMED;
    if (status == PBTS_OK) status = pbts_journal_add(journal->journal, &writer, &number, &decoded);
    if (status == PBTS_OK) *len = writer.len;
    return pbts_api_result(status);
}

bool libpbts_journal_should_compact(const libpbts_journal *journal) {
    return pbts_journal_should_compact(journal->journal);
}

bool libpbts_journal_rewrite(libpbts_journal *journal, void *buffer, size_t capacity, size_t *len,
                             uint64_t *cursor) {
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    if (!pbts_journal_rewrite(journal->journal, &writer, cursor)) return false;
    *len = writer.len;
    return true;
}

void libpbts_journal_stats_read(const libpbts_journal *journal, libpbts_journal_stats *out) {
    pbts_journal_stats stats;
    pbts_journal_stats_read(journal->journal, &stats);
    *out = (libpbts_journal_stats){ .waiting = stats.waiting,
                                    .refused = stats.refused,
                                    .counted = stats.counted,
                                    .credited_bytes = stats.credited_bytes,
                                    .file_bytes = stats.log_bytes };
}

/* ---- reports ---- */

typedef struct {
    pbts_journal_item *items;
    size_t count;
} picked;

static pbts_status pick(picked *out, const libpbts_journal *journal,
                        const pbts_journal_query *wanted, size_t count_max) {
    pbts_journal_query query = *wanted;
    bool limited = count_max > 0 && count_max < PBTS_REPORT_STATEMENTS_MAX;
    query.items_max = limited ? count_max : PBTS_REPORT_STATEMENTS_MAX;
    query.bytes_max = PBTS_REPORT_LEN_MAX;
    out->items = pbts_alloc_array(pbts_mem_system(), query.items_max, sizeof *out->items);
    if (out->items == NULL) return PBTS_NO_MEMORY;
    out->count = pbts_journal_pick(journal->journal, out->items, &query);
    return out->count > 0 ? PBTS_OK : PBTS_NOT_FOUND;
}

static pbts_status plan(libpbts_report **out, const picked *from, const pbts_reporter *reporter,
                        bool plain, uint64_t unix_s) {
    libpbts_report *report = pbts_alloc(pbts_mem_system(), sizeof *report);
    if (report == NULL) return PBTS_NO_MEMORY;
    pbts_status status = pbts_report_plan_new(&report->plan, pbts_mem_system(), reporter,
                                              from->items, from->count, plain, unix_s);
    if (status != PBTS_OK) {
        pbts_release(pbts_mem_system(), report);
        return status;
    }
    report->last = from->items[pbts_report_plan_count(report->plan) - 1].number;
    *out = report;
    return PBTS_OK;
}

libpbts_result libpbts_report_new(libpbts_report **out, const libpbts_journal *journal,
                                  const libpbts_key *key, const char *uid,
                                  const uint8_t instance[LIBPBTS_INSTANCE_LEN], uint64_t after,
                                  size_t count_max, unsigned flags, uint64_t unix_s) {
    return libpbts_report_predecessor(out, journal, key, uid, instance, instance, after, count_max,
                                      flags, unix_s);
}

libpbts_result libpbts_report_predecessor(libpbts_report **out, const libpbts_journal *journal,
                                          const libpbts_key *key, const char *uid,
                                          const uint8_t instance[LIBPBTS_INSTANCE_LEN],
                                          const uint8_t predecessor[LIBPBTS_INSTANCE_LEN],
                                          uint64_t after, size_t count_max, unsigned flags,
                                          uint64_t unix_s) {
    picked from = { 0 };
    pbts_reporter reporter = { .secret = &key->secret,
                               .key = key->key,
                               .uid = pbts_span_text(uid) };
    const pbts_journal_query query = { .iid = predecessor,
                                       .after = after,
                                       .all = (flags & LIBPBTS_REPORT_ALL) != 0,
                                       .epoch_now = pbts_epoch_at(unix_s) };
    if (!pbts_uid_is_valid(reporter.uid)) return LIBPBTS_MALFORMED;
    memcpy(reporter.iid, instance, sizeof reporter.iid);
    pbts_status status = pick(&from, journal, &query, count_max);
    if (status == PBTS_OK) {
        status = plan(out, &from, &reporter, (flags & LIBPBTS_REPORT_PLAIN) != 0, unix_s);
    }
    pbts_release(pbts_mem_system(), from.items);
    return pbts_api_result(status);
}

void libpbts_report_free(libpbts_report *report) {
    if (report == NULL) return;
    pbts_report_plan_free(report->plan);
    pbts_release(pbts_mem_system(), report);
}

const void *libpbts_report_body(const libpbts_report *report, size_t *len) {
    pbts_span body = pbts_report_plan_body(report->plan);
    *len = body.len;
    return body.data;
}

size_t libpbts_report_count(const libpbts_report *report) {
    return pbts_report_plan_count(report->plan);
}

uint64_t libpbts_report_last(const libpbts_report *report) {
    return report->last;
}

libpbts_result libpbts_report_settle(const libpbts_report *report, libpbts_journal *journal,
                                     libpbts_outcome *outcome, int http_status, const void *answer,
                                     size_t answer_len, void *buffer, size_t capacity,
                                     size_t *len) {
    pbts_report_outcome said;
    pbts_writer entries = pbts_writer_over(buffer, capacity);
    unsigned status_code = http_status > 0 ? (unsigned)http_status : 0;
    pbts_status status = pbts_report_plan_settle(report->plan, journal->journal, &entries, &said,
                                                 status_code, pbts_api_span(answer, answer_len));
    if (status != PBTS_OK) return pbts_api_result(status);
    *outcome = (libpbts_outcome){ .next = (libpbts_next)said.next,
                                  .counted = said.counted,
                                  .refused = said.refused,
                                  .waiting = said.waiting,
                                  .credited_bytes = said.credited_bytes,
                                  .held_bytes = said.held_bytes };
    memcpy(outcome->code, said.code, sizeof outcome->code);
    *len = entries.len;
    return LIBPBTS_OK;
}
