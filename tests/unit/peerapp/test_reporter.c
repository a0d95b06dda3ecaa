/* Unit tests of apps/pbts-peer/reporter.c: rounds, and when the next one is. */
#include "base/epoch.h"
#include "journal_file.h"
#include "tracker_kit.h"

static char FOLDER[] = "/tmp/pbts-reporter-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    memcpy(FOLDER + sizeof FOLDER - 7, "XXXXXX", 6);
    return mkdtemp(FOLDER) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    folder_remove(FOLDER);
    return 0;
}

/* A receipt of eight pieces, of another torrent for each n; `hours` old. */
static void add_receipt_of(engine *e, const uint8_t iid[static PBTS_IID_LEN], uint8_t n,
                           uint64_t hours) {
    static const uint8_t BITMAP[] = { 0xFF };
    pbts_receipt_record record = { .piece_count = 8 };
    record.receipt.form = PBTS_FORM_CUMULATIVE;
    record.receipt.epoch = pbts_epoch_at(e->now.unix_s) - hours;
    record.receipt.bitmap = PBTS_SPAN_OF(BITMAP);
    record.receipt.sender = e->key->key;
    memcpy(record.receipt.iid, iid, sizeof record.receipt.iid);
    memset(record.receipt.infohash, n, sizeof record.receipt.infohash);
    keyfile by;
    kit_key(&by, 99);
    record.receipt.receiver = by.key;
    pbts_receipt_sign(&record.signature, &record.receipt, &by.secret);
    assert_int_equal(journal_file_add(e->journal, &record), 0);
}

static void add_receipt(engine *e, uint8_t n, uint64_t hours) {
    add_receipt_of(e, e->key->iid, n, hours);
}

static pbts_journal_stats stats_of(const engine *e) {
    pbts_journal_stats stats;
    pbts_journal_stats_read(journal_file_journal(e->journal), &stats);
    return stats;
}

/* A tick, and all that follows from it. */
static void run_round(engine *e) {
    reporter_tick(e->reports);
    for (int i = 0; i < 10000 && !reporter_is_idle(e->reports); i++) {
        (void)uv_run(&e->loop, UV_RUN_ONCE);
    }
    assert_true(reporter_is_idle(e->reports));
}

static void begin(engine *e, const char *tracker) {
    kit_engine(e, FOLDER, tracker);
    e->reports = reporter_new(e);
    assert_non_null(e->reports);
}

#define CREDITED                                                                     \
    "{\"index\":0,\"status\":\"credited\",\"credited_bytes\":100,\"held_bytes\":28," \
    "\"pieces\":8,\"duplicates\":0}"
#define ONE_CREDITED "{\"success\":true,\"statements\":[" CREDITED "]}"

static void what_an_earlier_run_left_is_reported_at_once(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    tracker_answer(&t, 200, ONE_CREDITED);
    tracker_begin(&t);
    begin(&e, t.base);
    add_receipt(&e, 1, 1);
    run_round(&e);
    assert_memory_equal(t.heard[0], "POST /report HTTP", 17);
    assert_true(stats_of(&e).waiting == 0 && stats_of(&e).counted == 1);
    assert_true(reporter_credited_bytes(e.reports) == 100);
    assert_true(reporter_held_bytes(e.reports) == 28);
    /* The next one when the interval is over, and not before. */
    add_receipt(&e, 2, 1);
    reporter_tick(e.reports);
    assert_true(reporter_is_idle(e.reports));
    kit_engine_free(&e);
    tracker_end(&t);
}

static void while_the_tracker_is_away_receipts_wait_longer_and_longer(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    (void)close(t.listener);
    begin(&e, t.base);
    add_receipt(&e, 1, 1);
    uint64_t wait_ms = REPORTER_RETRY_FIRST_MS, start_ms = e.now.mono_ms;
    run_round(&e);
    for (int i = 0; i < 10; i++) {
        /* The clock is the engine's: real time is nothing beside these waits. */
        uint64_t due_ms = e.now.mono_ms + wait_ms;
        e.now.mono_ms = due_ms - 1;
        reporter_tick(e.reports);
        assert_true(reporter_is_idle(e.reports));
        e.now.mono_ms = due_ms;
        reporter_tick(e.reports);
        assert_false(reporter_is_idle(e.reports));
        while (!reporter_is_idle(e.reports)) (void)uv_run(&e.loop, UV_RUN_ONCE);
        wait_ms = 2 * wait_ms < REPORTER_RETRY_MAX_MS ? 2 * wait_ms : REPORTER_RETRY_MAX_MS;
    }
    assert_true(wait_ms == REPORTER_RETRY_MAX_MS && e.now.mono_ms >= start_ms);
    assert_true(stats_of(&e).waiting == 1);
    kit_engine_free(&e);
}

/* 503, no JSON, and the code of one who is not let in: nothing is settled. */
static void what_is_no_answer_settles_nothing(void **state) {
    static const struct {
        int status;
        const char *body;
    } ANSWERS[] = { { 503, "away" },
                    { 200, "not JSON" },
                    { 200, "{\"success\":true,\"statements\":[]}" },
                    { 500, "{\"success\":false,\"code\":\"STALE_TIME\"}" } };
    (void)state;
    for (size_t i = 0; i < sizeof ANSWERS / sizeof ANSWERS[0]; i++) {
        static engine e;
        tracker_kit t = tracker_new();
        tracker_answer(&t, ANSWERS[i].status, ANSWERS[i].body);
        tracker_begin(&t);
        begin(&e, t.base);
        if (i == 0) add_receipt(&e, 1, 1); /* the others find it in the journal */
        run_round(&e);
        assert_true(stats_of(&e).waiting == 1 && stats_of(&e).refused == 0);
        kit_engine_free(&e);
        tracker_end(&t);
    }
}

/* As a front does that sends everybody to https. */
static void a_report_that_is_sent_elsewhere_stays_a_report(void **state) {
    static const int STATUSES[] = { 301, 302, 307, 308 };
    (void)state;
    for (size_t i = 0; i < sizeof STATUSES / sizeof STATUSES[0]; i++) {
        static engine e;
        tracker_kit t = tracker_new();
        tracker_answer(&t, STATUSES[i], "/other");
        tracker_answer(&t, 200, ONE_CREDITED);
        tracker_begin(&t);
        begin(&e, t.base);
        add_receipt(&e, (uint8_t)(1 + i), 1);
        run_round(&e);
        assert_memory_equal(t.heard[1], "POST /other HTTP", 16);
        assert_true(stats_of(&e).waiting == 0 && stats_of(&e).counted == 1 + i);
        kit_engine_free(&e);
        tracker_end(&t);
    }
}

/* A clock that jumped ahead: the tracker says so, and nothing is lost by it. */
static void what_our_clock_says_is_too_old_waits_for_the_trackers_word(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    tracker_answer(&t, 401, "{\"success\":false,\"code\":\"STALE_TIME\"}");
    tracker_answer(&t, 200, ONE_CREDITED);
    tracker_begin(&t);
    begin(&e, t.base);
    add_receipt(&e, 1, 1);
    e.now.unix_s += 2 * PBTS_WINDOW_EPOCHS * PBTS_EPOCH_SECONDS;
    run_round(&e); /* then the engine looks at the clock again, which is right now */
    assert_true(stats_of(&e).waiting == 1 && stats_of(&e).refused == 0);
    e.now.mono_ms += REPORTER_RETRY_FIRST_MS;
    run_round(&e);
    assert_true(stats_of(&e).waiting == 0 && stats_of(&e).counted == 1);
    kit_engine_free(&e);
    tracker_end(&t);
}

/* A body that is not understood: in halves, until the one that is to blame stands alone. */
static void a_receipt_that_is_not_understood_does_not_stop_the_others(void **state) {
    static const char UNREADABLE[] = "{\"success\":false,\"code\":\"BAD_REQUEST\"}";
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    tracker_answer(&t, 400, UNREADABLE); /* both */
    tracker_answer(&t, 400, UNREADABLE); /* the first */
    tracker_answer(&t, 200, ONE_CREDITED);
    tracker_begin(&t);
    begin(&e, t.base);
    add_receipt(&e, 1, 1);
    add_receipt(&e, 2, 1);
    run_round(&e);
    assert_true(stats_of(&e).refused == 1 && stats_of(&e).counted == 1);
    kit_engine_free(&e);
    tracker_end(&t);
}

static void on_asked(void *host, const char *problem) {
    assert_null(problem);
    *(bool *)host = true;
}

/* The key was registered with a successor. What its predecessor did not count is for it to count;
 * what is of neither is nobody's business there. */
static void what_the_predecessor_did_not_count_is_reported_to_the_successor(void **state) {
    (void)state;
    static engine e;
    char params[500], iid[65], old[65], key[160];
    uint8_t old_iid[PBTS_IID_LEN], other_iid[PBTS_IID_LEN];
    bool is_asked = false;
    tracker_kit t = tracker_new();
    begin(&e, t.base);
    memset(old_iid, 0x22, sizeof old_iid);
    memset(other_iid, 0x33, sizeof other_iid);
    hex_text(iid, sizeof iid, PBTS_SPAN_OF(e.key->iid));
    hex_text(old, sizeof old, PBTS_SPAN_OF(old_iid));
    base64_text(key, sizeof key, PBTS_SPAN_OF(e.key->key.bytes));
    (void)snprintf(params, sizeof params,
                   "{\"iid\":\"%s\",\"tracker_key\":\"%s\",\"predecessor\":\"%s\"}", iid, key, old);
    tracker_answer(&t, 200, params);
    tracker_answer(&t, 200, ONE_CREDITED);
    tracker_answer(&t, 200, ONE_CREDITED);
    tracker_begin(&t);
    assert_non_null(home_ask(e.ours, e.net, pbts_span_text(t.base), on_asked, &is_asked));
    while (!is_asked) (void)uv_run(&e.loop, UV_RUN_ONCE);
    add_receipt_of(&e, old_iid, 1, 2);
    add_receipt_of(&e, other_iid, 2, 2);
    add_receipt(&e, 3, 1);
    kit_engine_free(&e);
    begin(&e, t.base); /* which tracker came before outlives the program */
    run_round(&e);
    assert_true(stats_of(&e).waiting == 1 && stats_of(&e).counted == 2);
    kit_engine_free(&e);
    tracker_end(&t);
}

static void at_the_end_everything_is_tried_once(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    tracker_answer(&t, 503, "");
    tracker_begin(&t);
    begin(&e, t.base);
    add_receipt(&e, 1, 1);
    reporter_finish(e.reports);
    assert_false(reporter_is_idle(e.reports));
    while (!reporter_is_idle(e.reports)) (void)uv_run(&e.loop, UV_RUN_ONCE);
    e.now.mono_ms += REPORTER_RETRY_MAX_MS;
    reporter_tick(e.reports); /* it has given up */
    assert_true(reporter_is_idle(e.reports));
    kit_engine_free(&e);
    tracker_end(&t);
}

static void without_a_tracker_nothing_is_tried(void **state) {
    (void)state;
    static engine e;
    begin(&e, NULL);
    add_receipt(&e, 1, 1);
    reporter_tick(e.reports);
    assert_true(reporter_is_idle(e.reports));
    reporter_finish(e.reports);
    assert_true(reporter_is_idle(e.reports));
    assert_true(stats_of(&e).waiting == 1);
    kit_engine_free(&e);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_an_earlier_run_left_is_reported_at_once),
        IN_FOLDER(while_the_tracker_is_away_receipts_wait_longer_and_longer),
        IN_FOLDER(what_is_no_answer_settles_nothing),
        IN_FOLDER(a_report_that_is_sent_elsewhere_stays_a_report),
        IN_FOLDER(what_our_clock_says_is_too_old_waits_for_the_trackers_word),
        IN_FOLDER(a_receipt_that_is_not_understood_does_not_stop_the_others),
        IN_FOLDER(what_the_predecessor_did_not_count_is_reported_to_the_successor),
        IN_FOLDER(at_the_end_everything_is_tried_once),
        IN_FOLDER(without_a_tracker_nothing_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
