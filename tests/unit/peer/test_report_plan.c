/* Unit tests of peer/report_plan: bodies that the real tracker core counts, and every answer it (or
 * something else in its place) may give. */
#include "tracker/world.h"

#include "peer/report_plan.h"
#include "receipt/faulty_mem.h"
#include "receipt/pieces.h"
#include "wire/report.h"

enum { BOB, ALICE, CAROL, RECORDS_MAX = 64 };

typedef struct {
    world *w;
    pbts_journal *journal;
    pbts_reporter reporter;
    uint8_t sets[RECORDS_MAX][WORLD_SET_LEN];
    size_t set_count;
    uint8_t log[1 << 16];
} desk;

static desk *desk_new(void) {
    desk *d = calloc(1, sizeof *d);
    assert_non_null(d);
    d->w = world_new(NULL, 3, 2);
    assert_int_equal(pbts_journal_new(&d->journal, pbts_mem_system()), PBTS_OK);
    d->reporter = (pbts_reporter){ .secret = &d->w->users[BOB].secret,
                                   .key = d->w->users[BOB].key,
                                   .uid = pbts_span_text(d->w->users[BOB].uid) };
    memcpy(d->reporter.iid, pbts_tracker_iid(d->w->tracker), PBTS_IID_LEN);
    return d;
}

static void desk_free(desk *d) {
    pbts_journal_free(d->journal);
    world_free(d->w);
    free(d);
}

/* ---- receipts of `receiver` for Bob ---- */

static uint64_t keep(desk *d, const pbts_receipt_record *record) {
    uint64_t number;
    pbts_writer writer = pbts_writer_over(d->log, sizeof d->log);
    assert_int_equal(pbts_journal_add(d->journal, &writer, &number, record), PBTS_OK);
    return number;
}

static pbts_receipt_record record_of(desk *d, pbts_receipt_form form, size_t receiver,
                                     size_t torrent, const char *pieces) {
    pbts_receipt_record record = { .piece_count = WORLD_PIECES };
    pbts_receipt *r = &record.receipt;
    uint8_t *set = d->sets[d->set_count++];
    world_set(set, pieces);
    r->form = form;
    r->epoch = world_epoch(d->w);
    r->sender = d->w->users[BOB].key;
    r->receiver = d->w->users[receiver].key;
    r->bitmap = (pbts_span){ set, WORLD_SET_LEN };
    memcpy(r->iid, pbts_tracker_iid(d->w->tracker), sizeof r->iid);
    memcpy(r->infohash, pbts_metainfo_infohash(d->w->torrents[torrent]), sizeof r->infohash);
    if (form == PBTS_FORM_PIECE) {
        bool found = pbts_piece_set_next(r->bitmap, &r->piece_index);
        assert_true(found);
        pbts_metainfo_piece_hash(r->piece_hash, d->w->torrents[torrent], false, r->piece_index);
        r->bitmap = (pbts_span){ 0 };
    }
    if (form == PBTS_FORM_BATCH) {
        pbts_receipt_root(r->root, r->bitmap, pbts_piece_hashes_of(d->w->torrents[torrent], false));
    }
    return record;
}

static uint64_t give(desk *d, pbts_receipt_form form, size_t receiver, size_t torrent,
                     const char *pieces) {
    pbts_receipt_record record = record_of(d, form, receiver, torrent, pieces);
    pbts_receipt_sign(&record.signature, &record.receipt, &d->w->users[receiver].secret);
    return keep(d, &record);
}

/* One whose signature is by somebody else. */
static uint64_t give_bad(desk *d, size_t torrent, const char *pieces) {
    pbts_receipt_record record = record_of(d, PBTS_FORM_CUMULATIVE, ALICE, torrent, pieces);
    pbts_receipt_sign(&record.signature, &record.receipt, &d->w->users[CAROL].secret);
    return keep(d, &record);
}

/* Two records of one session, a piece each; `spoil`: the second's piece signature is bad. */
static void give_session(desk *d, bool spoil) {
    static pbts_secp256k1_signature signatures[2];
    static uint8_t hashes[2][PBTS_PIECE_HASH_LEN];
    pbts_secp256k1_signer *signer;
    pbts_secp256k1_secret secret;
    pbts_receipt_session session = { .expires = pbts_receipt_session_expires(d->w->now.unix_s) };
    pbts_random *random = pbts_random_system();
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), random), PBTS_OK);
    assert_int_equal(pbts_secp256k1_generate(&secret, random), PBTS_OK);
    pbts_secp256k1_public_of(signer, &session.key, &secret);
    for (uint32_t i = 0; i < 2; i++) {
        const char *const pieces[] = { "4", "5" };
        pbts_receipt_record record = record_of(d, PBTS_FORM_SESSION, ALICE, 0, pieces[i]);
        record.receipt.session = session;
        pbts_metainfo_piece_hash(hashes[i], d->w->torrents[0], false, 4 + i);
        pbts_receipt_session_sign(signer, &signatures[i], &secret, &record.receipt, hashes[i],
                                  4 + i);
        if (spoil && i == 1) signatures[i].bytes[5] ^= 1;
        record.receipt.piece_signatures = PBTS_SPAN_OF(signatures[i].bytes);
        record.piece_hashes = PBTS_SPAN_OF(hashes[i]);
        pbts_receipt_sign(&record.signature, &record.receipt, &d->w->users[ALICE].secret);
        keep(d, &record);
    }
    pbts_secp256k1_signer_free(signer);
}

/* ---- a round: pick, plan, ask the tracker, settle ---- */

static pbts_report_plan *plan_of(desk *d, bool plain, size_t max) {
    static pbts_journal_item items[RECORDS_MAX];
    pbts_report_plan *plan;
    const pbts_journal_query query = { .items_max = max, .bytes_max = SIZE_MAX, .all = true };
    size_t count = pbts_journal_pick(d->journal, items, &query);
    assert_true(count > 0);
    assert_int_equal(pbts_report_plan_new(&plan, pbts_mem_system(), &d->reporter, items, count,
                                          plain, d->w->now.unix_s),
                     PBTS_OK);
    return plan;
}

static const char *status_name(const pbts_verdict *verdict) {
    if (verdict->refusal != PBTS_REFUSAL_NONE) return "refused";
    if (verdict->credited_bytes > 0) return "credited";
    return verdict->held_bytes > 0 ? "held" : "duplicate";
}

/* The tracker's answer, as its REST interface words it. Returns the HTTP status. */
static unsigned ask_tracker(desk *d, char *answer, size_t len, pbts_span body) {
    pbts_report report;
    const char *problem;
    pbts_checked_report *checked;
    assert_int_equal(pbts_report_decode_bencode(&report, &problem, pbts_mem_system(), body),
                     PBTS_OK);
    pbts_refusal refusal = pbts_check_report(d->w->tracker, &checked, &report, d->w->now);
    if (refusal != PBTS_REFUSAL_NONE) {
        snprintf(answer, len, "{\"success\":false,\"error\":\"no\",\"code\":\"%s\"}",
                 pbts_refusal_name(refusal));
        pbts_report_free(&report);
        return pbts_refusal_http_status(refusal);
    }
    pbts_commit *commit = world_begin(d->w);
    assert_int_equal(world_end(commit, pbts_commit_report(commit, checked)), PBTS_REFUSAL_NONE);
    int at = snprintf(answer, len, "{\"success\":true,\"statements\":[");
    for (size_t i = 0; i < report.count; i++) {
        pbts_verdict v = pbts_checked_report_verdict(checked, i);
        at += snprintf(answer + at, len - (size_t)at,
                       "%s{\"index\":%zu,\"status\":\"%s\",\"credited_bytes\":%llu,"
                       "\"held_bytes\":%llu,\"pieces\":%u,\"duplicates\":%u,\"code\":\"%s\"}",
                       i > 0 ? "," : "", i, status_name(&v), (unsigned long long)v.credited_bytes,
                       (unsigned long long)v.held_bytes, v.credited_pieces, v.duplicate_pieces,
                       pbts_refusal_name(v.refusal));
    }
    snprintf(answer + at, len - (size_t)at, "]}");
    pbts_checked_report_free(checked);
    pbts_report_free(&report);
    return 200;
}

static pbts_report_outcome settle(desk *d, const pbts_report_plan *plan, unsigned http_status,
                                  const char *answer) {
    pbts_report_outcome outcome;
    pbts_writer entries = pbts_writer_over(d->log, sizeof d->log);
    assert_int_equal(pbts_report_plan_settle(plan, d->journal, &entries, &outcome, http_status,
                                             pbts_span_text(answer)),
                     PBTS_OK);
    return outcome;
}

static pbts_report_outcome report(desk *d, bool plain) {
    char answer[8192];
    pbts_report_plan *plan = plan_of(d, plain, RECORDS_MAX);
    unsigned http_status = ask_tracker(d, answer, sizeof answer, pbts_report_plan_body(plan));
    pbts_report_outcome outcome = settle(d, plan, http_status, answer);
    pbts_report_plan_free(plan);
    return outcome;
}

static pbts_journal_stats stats_of(const desk *d) {
    pbts_journal_stats stats;
    pbts_journal_stats_read(d->journal, &stats);
    return stats;
}

/* ---- what is counted ---- */

static void receipts_of_every_form_are_counted_in_one_report(void **state) {
    for (int plain = 0; plain < 2; plain++) {
        desk *d = desk_new();
        uint64_t before = world_user(d->w, BOB).up_bytes;
        give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
        give_session(d, false);
        give(d, PBTS_FORM_PIECE, ALICE, 0, "6");
        give(d, PBTS_FORM_BATCH, CAROL, 1, "0-9");
        pbts_report_outcome outcome = report(d, plain);
        assert_int_equal(outcome.next, PBTS_REPORT_SETTLED);
        assert_true(outcome.counted == 5 && outcome.refused == 0 && outcome.waiting == 0);
        assert_true(outcome.credited_bytes == 17 * WORLD_PIECE);
        assert_string_equal(outcome.code, "");
        assert_true(world_user(d->w, BOB).up_bytes - before == 17 * WORLD_PIECE);
        pbts_journal_stats stats = stats_of(d);
        assert_true(stats.waiting == 0 && stats.counted == 5);
        assert_true(stats.credited_bytes == 17 * WORLD_PIECE);
        desk_free(d);
    }
}

static void an_aggregate_is_smaller_and_one_receipt_needs_none(void **state) {
    desk *d = desk_new();
    pbts_report decoded;
    const char *problem;
    for (int i = 0; i < 10; i++) {
        const char digit[2] = { (char)('0' + i), 0 };
        give(d, PBTS_FORM_PIECE, ALICE, 0, digit);
    }
    pbts_report_plan *small = plan_of(d, false, 10), *plain = plan_of(d, true, 10);
    assert_true(pbts_report_plan_body(small).len + 9 * 48 < pbts_report_plan_body(plain).len);
    assert_int_equal(pbts_report_decode_bencode(&decoded, &problem, pbts_mem_system(),
                                                pbts_report_plan_body(small)),
                     PBTS_OK);
    assert_true(decoded.has_aggregate && !decoded.statements[0].has_signature);
    assert_false(decoded.statements[0].has_iid || decoded.statements[0].sender.has_key);
    pbts_report_free(&decoded);
    pbts_report_plan_free(small);
    pbts_report_plan_free(plain);
    small = plan_of(d, false, 1);
    assert_int_equal(pbts_report_decode_bencode(&decoded, &problem, pbts_mem_system(),
                                                pbts_report_plan_body(small)),
                     PBTS_OK);
    assert_true(!decoded.has_aggregate && decoded.statements[0].has_signature);
    pbts_report_free(&decoded);
    pbts_report_plan_free(small);
    desk_free(d);
}

static void what_was_counted_before_is_done_too(void **state) {
    desk *d = desk_new();
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    report(d, false);
    give(d, PBTS_FORM_PIECE, ALICE, 0, "2");
    pbts_report_outcome outcome = report(d, false);
    assert_true(outcome.counted == 1 && outcome.credited_bytes == 0);
    assert_true(stats_of(d).waiting == 0);
    desk_free(d);
}

/* One bad signature spoils the aggregate; without it the others count and the bad one is named. */
static void a_bad_receipt_does_not_cost_the_others(void **state) {
    desk *d = desk_new();
    pbts_journal_item item;
    pbts_journal_outcome kept;
    pbts_span reason;
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    uint64_t bad = give_bad(d, 1, "0");
    give(d, PBTS_FORM_PIECE, CAROL, 0, "9");
    pbts_report_outcome outcome = report(d, false);
    assert_int_equal(outcome.next, PBTS_REPORT_PLAIN);
    assert_true(outcome.waiting == 3 && outcome.counted == 0 && outcome.refused == 0);
    assert_string_equal(outcome.code, "BAD_SIGNATURE");
    outcome = report(d, true);
    assert_int_equal(outcome.next, PBTS_REPORT_SETTLED);
    assert_true(outcome.counted == 2 && outcome.refused == 1);
    assert_int_equal(pbts_journal_next(d->journal, &item, &kept, &reason, 0), PBTS_OK);
    assert_true(item.number == bad && kept == PBTS_OUTCOME_REFUSED);
    assert_true(pbts_span_is(reason, "BAD_SIGNATURE"));
    desk_free(d);
}

static void a_bad_piece_of_a_session_does_not_cost_the_session(void **state) {
    desk *d = desk_new();
    give_session(d, true);
    pbts_report_outcome outcome = report(d, false);
    assert_int_equal(outcome.next, PBTS_REPORT_PLAIN);
    assert_true(outcome.waiting == 2);
    outcome = report(d, true);
    assert_true(outcome.counted == 1 && outcome.refused == 1);
    assert_string_equal(outcome.code, "BAD_PIECE_SIGNATURE");
    desk_free(d);
}

static void a_signature_that_is_no_point_keeps_its_place(void **state) {
    desk *d = desk_new();
    pbts_receipt_record record = record_of(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    memset(&record.signature, 0x55, sizeof record.signature);
    keep(d, &record);
    give(d, PBTS_FORM_PIECE, CAROL, 0, "9");
    pbts_report_outcome outcome = report(d, false);
    assert_true(outcome.counted == 1);
    if (outcome.next == PBTS_REPORT_PLAIN) outcome = report(d, true);
    assert_true(outcome.refused == 1 && stats_of(d).waiting == 0);
    desk_free(d);
}

static void a_receipt_that_was_replaced_while_it_was_reported_is_no_trouble(void **state) {
    desk *d = desk_new();
    char answer[4096];
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    pbts_report_plan *plan = plan_of(d, false, 8);
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-5");
    unsigned http_status = ask_tracker(d, answer, sizeof answer, pbts_report_plan_body(plan));
    settle(d, plan, http_status, answer);
    pbts_report_plan_free(plan);
    assert_true(stats_of(d).waiting == 1);
    assert_true(report(d, false).credited_bytes == 2 * WORLD_PIECE);
    desk_free(d);
}

/* ---- what is not decided ---- */

static void receipts_of_the_future_and_of_others_wait(void **state) {
    desk *d = desk_new();
    pbts_receipt_record record = record_of(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    record.receipt.epoch++;
    pbts_receipt_sign(&record.signature, &record.receipt, &d->w->users[ALICE].secret);
    keep(d, &record);
    pbts_report_outcome outcome = report(d, false);
    assert_int_equal(outcome.next, PBTS_REPORT_SETTLED);
    assert_true(outcome.waiting == 1 && stats_of(d).waiting == 1);
    assert_string_equal(outcome.code, "EPOCH_FUTURE");
    d->w->now.unix_s += 3600;
    assert_true(report(d, false).counted == 1);

    record = record_of(d, PBTS_FORM_CUMULATIVE, ALICE, 1, "0-3");
    record.receipt.iid[0] ^= 1;
    pbts_receipt_sign(&record.signature, &record.receipt, &d->w->users[ALICE].secret);
    keep(d, &record);
    outcome = report(d, false);
    assert_true(outcome.waiting == 1);
    assert_string_equal(outcome.code, "FOREIGN_INSTANCE");
    desk_free(d);
}

static void who_is_not_taken_for_a_member_loses_nothing(void **state) {
    desk *d = desk_new();
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    for (int what = 0; what < 3; what++) {
        pbts_reporter right = d->reporter;
        if (what == 0) d->reporter.uid = pbts_span_text("nobody");
        if (what == 1) d->reporter.secret = &d->w->users[CAROL].secret;
        if (what == 2) d->w->now.unix_s += 301;
        pbts_report_plan *plan = plan_of(d, false, 8);
        if (what == 2) d->w->now.unix_s -= 301;
        char answer[4096];
        unsigned http_status = ask_tracker(d, answer, sizeof answer, pbts_report_plan_body(plan));
        pbts_report_outcome outcome = settle(d, plan, http_status, answer);
        pbts_report_plan_free(plan);
        assert_int_equal(outcome.next, PBTS_REPORT_DENIED);
        assert_true(outcome.waiting == 1 && stats_of(d).waiting == 1);
        assert_true(strlen(outcome.code) > 0);
        d->reporter = right;
    }
    assert_true(report(d, false).counted == 1);
    desk_free(d);
}

static void answers_that_decide_nothing_leave_everything_waiting(void **state) {
    const struct {
        unsigned http_status;
        const char *answer;
        pbts_report_next next;
    } cases[] = {
        { 503, "{\"success\":false,\"code\":\"OVERLOADED\"}", PBTS_REPORT_LATER },
        { 503, "{\"success\":false,\"code\":\"BAD_SIGNATURE\"}", PBTS_REPORT_LATER },
        { 429, "{\"success\":false,\"code\":\"TOO_OFTEN\"}", PBTS_REPORT_LATER },
        { 409, "{\"success\":false,\"code\":\"SEALED\"}", PBTS_REPORT_LATER },
        { 500, "{\"success\":false,\"code\":\"INTERNAL\"}", PBTS_REPORT_LATER },
        { 404, "{\"success\":false,\"code\":\"NOT_FOUND\"}", PBTS_REPORT_LATER },
        { 404, "{\"success\":false,\"code\":\"UNKNOWN_USER\"}", PBTS_REPORT_DENIED },
        { 400, "{\"success\":false,\"code\":\"MALFORMED\"}", PBTS_REPORT_SPLIT },
        { 413, "{\"success\":false,\"code\":\"TOO_LARGE\"}", PBTS_REPORT_SPLIT },
        { 400, "<html>bad gateway</html>", PBTS_REPORT_LATER },
        { 200, "", PBTS_REPORT_LATER },
        { 200, "{\"success\":true,\"statements\":[]}", PBTS_REPORT_LATER },
        { 200,
          "{\"success\":true,\"statements\":[{\"index\":0,\"status\":\"credited\",\"credited_"
          "bytes\""
          ":1,\"held_bytes\":0,\"pieces\":1,\"duplicates\":0}]}",
          PBTS_REPORT_LATER },
    };
    desk *d = desk_new();
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    give(d, PBTS_FORM_CUMULATIVE, CAROL, 0, "0-3");
    pbts_report_plan *plan = plan_of(d, false, 8);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pbts_report_outcome outcome = settle(d, plan, cases[i].http_status, cases[i].answer);
        assert_int_equal(outcome.next, cases[i].next);
        assert_true(outcome.waiting == 2 && outcome.counted == 0 && outcome.refused == 0);
        assert_true(stats_of(d).waiting == 2);
    }
    pbts_report_plan_free(plan);
    desk_free(d);
}

/* An answer of success with another status than 200 came from something else. */
static void only_200_is_success(void **state) {
    desk *d = desk_new();
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    pbts_report_plan *plan = plan_of(d, false, 8);
    const char *answer = "{\"success\":true,\"statements\":[{\"index\":0,\"status\":\"held\","
                         "\"credited_bytes\":0,\"held_bytes\":9,\"pieces\":1,\"duplicates\":0}]}";
    assert_int_equal(settle(d, plan, 202, answer).next, PBTS_REPORT_LATER);
    assert_true(stats_of(d).waiting == 1);
    pbts_report_outcome outcome = settle(d, plan, 200, answer);
    assert_true(outcome.counted == 1 && outcome.held_bytes == 9 && stats_of(d).counted == 1);
    pbts_report_plan_free(plan);
    desk_free(d);
}

/* The tracker does not know what it is given: the one that it is is kept with the reason. */
static void a_single_receipt_that_is_not_understood_is_refused(void **state) {
    desk *d = desk_new();
    give(d, PBTS_FORM_BATCH, ALICE, 0, "0-3");
    pbts_report_plan *plan = plan_of(d, false, 8);
    pbts_report_outcome outcome =
        settle(d, plan, 400, "{\"success\":false,\"code\":\"MALFORMED\"}");
    assert_int_equal(outcome.next, PBTS_REPORT_SETTLED);
    assert_true(outcome.refused == 1 && outcome.waiting == 0 && stats_of(d).refused == 1);
    assert_string_equal(outcome.code, "MALFORMED");
    pbts_report_plan_free(plan);
    desk_free(d);
}

static void refusals_that_are_final_end_a_receipt_and_others_do_not(void **state) {
    const struct {
        const char *code;
        bool final;
    } cases[] = { { "BAD_SIGNATURE", true },        { "UNKNOWN_RECEIVER", false },
                  { "UNKNOWN_SENDER", false },      { "UNKNOWN_TORRENT", false },
                  { "SELF_TRANSFER", true },        { "EPOCH_EXPIRED", true },
                  { "EPOCH_UNKNOWN_CLAIMS", true }, { "BAD_PIECES", true },
                  { "PIECE_HASH_WRONG", true },     { "NO_PIECES", true },
                  { "SESSION_EXPIRED", true },      { "SESSION_TOO_LONG", true },
                  { "SESSION_KEY_INVALID", true },  { "BAD_PIECE_SIGNATURE", true },
                  { "TOTALS_FULL", true },          { "EPOCH_FUTURE", false },
                  { "UNCHECKED", false },           { "PREDECESSOR_ACTIVE", false },
                  { "FOREIGN_INSTANCE", false },    { "STORE_FULL", false },
                  { "OF_A_LATER_VERSION", false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        desk *d = desk_new();
        char answer[300];
        give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
        pbts_report_plan *plan = plan_of(d, false, 8);
        snprintf(answer, sizeof answer,
                 "{\"success\":true,\"statements\":[{\"index\":0,\"status\":\"refused\","
                 "\"credited_bytes\":0,\"held_bytes\":0,\"pieces\":0,\"duplicates\":0,"
                 "\"code\":\"%s\"}]}",
                 cases[i].code);
        pbts_report_outcome outcome = settle(d, plan, 200, answer);
        assert_int_equal(outcome.next, PBTS_REPORT_SETTLED);
        assert_true(stats_of(d).refused == cases[i].final && outcome.waiting == !cases[i].final);
        assert_string_equal(outcome.code, cases[i].code);
        pbts_report_plan_free(plan);
        desk_free(d);
    }
}

static void nothing_is_settled_without_room_for_its_entries(void **state) {
    desk *d = desk_new();
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    give(d, PBTS_FORM_CUMULATIVE, CAROL, 0, "0-3");
    pbts_report_plan *plan = plan_of(d, false, 8);
    pbts_report_outcome outcome;
    char answer[4096];
    unsigned http_status = ask_tracker(d, answer, sizeof answer, pbts_report_plan_body(plan));
    pbts_writer entries = pbts_writer_over(d->log, 2 * PBTS_JOURNAL_OUTCOME_MAX - 1);
    assert_int_equal(pbts_report_plan_settle(plan, d->journal, &entries, &outcome, http_status,
                                             pbts_span_text(answer)),
                     PBTS_NO_SPACE);
    assert_true(entries.len == 0 && stats_of(d).waiting == 2);
    entries = pbts_writer_over(d->log, 2 * PBTS_JOURNAL_OUTCOME_MAX);
    assert_int_equal(pbts_report_plan_settle(plan, d->journal, &entries, &outcome, http_status,
                                             pbts_span_text(answer)),
                     PBTS_OK);
    assert_true(outcome.counted == 2);
    pbts_report_plan_free(plan);
    desk_free(d);
}

/* ---- what one report takes ---- */

static void a_report_takes_as_many_as_the_tracker_does(void **state) {
    desk *d = desk_new();
    enum { BITS = 300000, COUNT = 5 };
    uint8_t *full = malloc(BITS / 8);
    assert_non_null(full);
    memset(full, 0xFF, BITS / 8);
    pbts_journal_item items[COUNT];
    pbts_report_plan *plan;
    pbts_bls_g1_point hashed;
    pbts_bls_hash(&hashed, PBTS_BLS_PIECE, pbts_span_text("any point"));
    for (size_t i = 0; i < COUNT; i++) {
        items[i] = (pbts_journal_item){ .number = i + 1 };
        items[i].record.piece_count = BITS;
        items[i].record.receipt.form = PBTS_FORM_BATCH;
        items[i].record.receipt.bitmap = (pbts_span){ full, BITS / 8 };
        pbts_bls_signature_encode(&items[i].record.signature, &hashed);
    }
    assert_int_equal(pbts_report_plan_new(&plan, pbts_mem_system(), &d->reporter, items, COUNT,
                                          false, d->w->now.unix_s),
                     PBTS_OK);
    assert_int_equal(pbts_report_plan_count(plan), PBTS_PIECES_MAX / BITS);
    pbts_report_plan_free(plan);
    free(full);
    desk_free(d);
}

static void a_report_has_as_many_pieces_of_sessions_as_the_tracker_checks(void **state) {
    desk *d = desk_new();
    enum { EACH = PBTS_RECEIPT_SESSION_PIECES_MAX, FIT = PBTS_REPORT_SESSION_PIECES_MAX / EACH };
    static uint8_t set[EACH / 8], signatures[EACH * PBTS_SECP256K1_SIGNATURE_LEN];
    static pbts_journal_item items[FIT + 1];
    pbts_report_plan *plan;
    memset(set, 0xFF, sizeof set);
    for (size_t i = 0; i < FIT + 1; i++) {
        pbts_receipt *receipt = &items[i].record.receipt;
        items[i].number = i + 1;
        receipt->form = PBTS_FORM_SESSION;
        receipt->bitmap = PBTS_SPAN_OF(set);
        receipt->piece_signatures = PBTS_SPAN_OF(signatures);
        receipt->session.id[0] = (uint8_t)i;
    }
    assert_int_equal(pbts_report_plan_new(&plan, pbts_mem_system(), &d->reporter, items, FIT + 1,
                                          false, d->w->now.unix_s),
                     PBTS_OK);
    assert_int_equal(pbts_report_plan_count(plan), FIT);
    pbts_report_plan_free(plan);
    desk_free(d);
}

static void a_report_has_ten_thousand_statements_at_most(void **state) {
    desk *d = desk_new();
    enum { COUNT = PBTS_REPORT_STATEMENTS_MAX + 1 };
    pbts_journal_item *items = calloc(COUNT, sizeof *items);
    pbts_report_plan *plan;
    assert_non_null(items);
    for (size_t i = 0; i < COUNT; i++) {
        items[i].number = i + 1;
        items[i].record.receipt.form = PBTS_FORM_PIECE;
        items[i].record.receipt.piece_index = (uint32_t)i;
    }
    assert_int_equal(pbts_report_plan_new(&plan, pbts_mem_system(), &d->reporter, items, COUNT,
                                          true, d->w->now.unix_s),
                     PBTS_OK);
    assert_int_equal(pbts_report_plan_count(plan), PBTS_REPORT_STATEMENTS_MAX);
    assert_true(pbts_report_plan_body(plan).len <= PBTS_REPORT_LEN_MAX);
    pbts_report_plan_free(plan);
    free(items);
    desk_free(d);
}

static void every_allocation_may_fail(void **state) {
    desk *d = desk_new();
    static pbts_journal_item items[RECORDS_MAX];
    give(d, PBTS_FORM_CUMULATIVE, ALICE, 0, "0-3");
    give_session(d, false);
    const pbts_journal_query query = { .items_max = 8, .bytes_max = SIZE_MAX, .all = true };
    size_t count = pbts_journal_pick(d->journal, items, &query);
    for (size_t n = 0;; n++) {
        faulty_mem faulty = mem_failing_at(n);
        pbts_report_plan *plan;
        pbts_report_outcome outcome;
        pbts_writer entries = pbts_writer_over(d->log, sizeof d->log);
        pbts_status status = pbts_report_plan_new(&plan, &faulty.mem, &d->reporter, items, count,
                                                  false, d->w->now.unix_s);
        bool made = status == PBTS_OK;
        if (made) {
            status = pbts_report_plan_settle(
                plan, d->journal, &entries, &outcome, 200,
                pbts_span_text("{\"success\":true,\"statements\":["
                               "{\"index\":0,\"status\":\"refused\",\"credited_bytes\":0,"
                               "\"held_bytes\":0,\"pieces\":0,\"duplicates\":0,\"code\":\"X\"},"
                               "{\"index\":1,\"status\":\"refused\",\"credited_bytes\":0,"
                               "\"held_bytes\":0,\"pieces\":0,\"duplicates\":0,\"code\":\"X\"}]}"));
            pbts_report_plan_free(plan);
        }
        assert_true(faulty.live == 0);
        if (faulty.asked <= n) {
            assert_int_equal(status, PBTS_OK);
            break;
        }
        assert_int_equal(status, PBTS_NO_MEMORY);
    }
    desk_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receipts_of_every_form_are_counted_in_one_report),
        cmocka_unit_test(an_aggregate_is_smaller_and_one_receipt_needs_none),
        cmocka_unit_test(what_was_counted_before_is_done_too),
        cmocka_unit_test(a_bad_receipt_does_not_cost_the_others),
        cmocka_unit_test(a_bad_piece_of_a_session_does_not_cost_the_session),
        cmocka_unit_test(a_signature_that_is_no_point_keeps_its_place),
        cmocka_unit_test(a_receipt_that_was_replaced_while_it_was_reported_is_no_trouble),
        cmocka_unit_test(receipts_of_the_future_and_of_others_wait),
        cmocka_unit_test(who_is_not_taken_for_a_member_loses_nothing),
        cmocka_unit_test(answers_that_decide_nothing_leave_everything_waiting),
        cmocka_unit_test(only_200_is_success),
        cmocka_unit_test(a_single_receipt_that_is_not_understood_is_refused),
        cmocka_unit_test(refusals_that_are_final_end_a_receipt_and_others_do_not),
        cmocka_unit_test(nothing_is_settled_without_room_for_its_entries),
        cmocka_unit_test(a_report_takes_as_many_as_the_tracker_does),
        cmocka_unit_test(a_report_has_as_many_pieces_of_sessions_as_the_tracker_checks),
        cmocka_unit_test(a_report_has_ten_thousand_statements_at_most),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
