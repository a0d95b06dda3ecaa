/* Unit tests of apps/pbts-peer/outage_watch.c: what a tracker's answer to a probe means. When it is
 * asked is test_outage.c's, how peers come to it tests/e2e/peer_dht_quiet.py's. */
#include "base/epoch.h"
#include "pbts-peer/outage_watch.h"
#include "torrent/fallback.h"
#include "tracker_kit.h"

static char FOLDER[] = "/tmp/pbts-watch-XXXXXX";

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

/* A sign, and the time that it takes until the tracker is asked; then its answer. */
static void ask(engine *e) {
    outage *o = &e->home_outage;
    if (o->tries == 0) outage_watch_suspect(e);
    assert_true(o->probe_ms != 0 && e->probe == NULL);
    o->tried_ms -= OUTAGE_APART_MS;
    o->probe_ms = 1;
    outage_watch_tick(e);
    assert_non_null(e->probe);
    web_request *asked = e->probe;
    outage_watch_tick(e);
    assert_ptr_equal(e->probe, asked); /* one at a time */
    while (e->probe != NULL) (void)uv_run(&e->loop, UV_RUN_ONCE);
}

static void an_answer_is_a_false_alarm(void **state) {
    (void)state;
    static const int STATUSES[] = { 200, 404, 429 };
    static engine e;
    tracker_kit t = tracker_new();
    for (size_t i = 0; i < 3; i++) tracker_answer(&t, STATUSES[i], "{}");
    tracker_begin(&t);
    kit_engine(&e, FOLDER, t.base);
    for (unsigned i = 1; i <= 3; i++) {
        ask(&e);
        assert_int_equal(e.home_outage.false_alarms, i);
        assert_int_equal(e.home_outage.tries, 0);
    }
    tracker_end(&t);
    assert_non_null(strstr(t.heard[0], "GET /params "));
    kit_engine_free(&e);
}

static void what_a_proxy_says_of_one_that_is_away_is_none(void **state) {
    (void)state;
    static const int STATUSES[] = { 502, 503, 500 };
    static engine e;
    tracker_kit t = tracker_new();
    for (size_t i = 0; i < 3; i++) tracker_answer(&t, STATUSES[i], "");
    tracker_begin(&t);
    kit_engine(&e, FOLDER, t.base);
    for (unsigned i = 1; i <= OUTAGE_TRIES; i++) {
        assert_false(e.home_outage.is_away || e.terms.is_outage);
        ask(&e);
        assert_int_equal(e.home_outage.tries, i);
    }
    assert_true(e.home_outage.is_away && e.terms.is_outage);
    tracker_end(&t);
    outage_watch_suspect(&e); /* it is known: announces go on */
    outage_watch_tick(&e);
    assert_null(e.probe);
    kit_engine_free(&e);
}

static void nobody_there_is_no_answer(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    (void)close(t.listener);
    kit_engine(&e, FOLDER, t.base);
    for (unsigned i = 1; i <= OUTAGE_TRIES; i++) ask(&e);
    assert_true(e.home_outage.is_away);
    kit_engine_free(&e);
}

/* What the tracker with secret 9 said at that time. */
static void take_beacon(engine *e, uint64_t unix_s) {
    uint8_t beacon[PBTS_DHT_BEACON_LEN], torrent[1024];
    keyfile tracker;
    pbts_epoch_beacon made;
    kit_key(&tracker, 9);
    pbts_dht_beacon_sign(&made, e->key->iid, pbts_dht_beacon_epoch(pbts_epoch_at(unix_s)),
                         &tracker.secret);
    pbts_writer writer = pbts_writer_over(beacon, sizeof beacon);
    pbts_dht_beacon_encode(&writer, &made);
    const pbts_torrent_fallback fallback = { .iid = PBTS_SPAN_OF(e->key->iid),
                                             .tracker_key = PBTS_SPAN_OF(tracker.key.bytes),
                                             .beacon = PBTS_SPAN_OF(beacon) };
    writer = pbts_writer_over(torrent, sizeof torrent);
    pbts_write_text(&writer, "d4:infod4:name1:xe4:pbts");
    pbts_torrent_fallback_encode(&writer, &fallback);
    pbts_write_text(&writer, "e");
    home_take_fallback(e->ours, pbts_writer_span(&writer), unix_s);
}

/* Or whoever runs without the DHT would take memberships of any age. */
static void an_outage_has_the_trackers_time_without_a_node(void **state) {
    (void)state;
    enum { DAY_S = 24 * 3600 };
    for (int to_come = 0; to_come < 2; to_come++) {
        static engine e;
        tracker_kit t = tracker_new();
        (void)close(t.listener);
        kit_engine(&e, FOLDER, t.base);
        uint64_t said_s = e.now.unix_s + (to_come ? 2 * DAY_S : 0);
        take_beacon(&e, said_s);
        for (unsigned i = 1; i <= OUTAGE_TRIES; i++) ask(&e);
        uint64_t time_s = e.terms.tracker_time_s;
        assert_true(to_come ? time_s == 0 : time_s <= said_s && time_s > said_s - DAY_S);
        e.terms.tracker_time_s = said_s; /* a node's */
        home_tell_tracker_time(e.ours, e.now.unix_s);
        assert_true(e.terms.tracker_time_s == said_s);
        kit_engine_free(&e);
    }
}

static void without_an_address_nobody_is_asked(void **state) {
    (void)state;
    static engine e;
    kit_engine(&e, FOLDER, NULL);
    outage_watch_suspect(&e);
    assert_false(outage_probe_is_due(&e.home_outage, UINT64_MAX));
    kit_engine_free(&e);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(an_answer_is_a_false_alarm),
        IN_FOLDER(what_a_proxy_says_of_one_that_is_away_is_none),
        IN_FOLDER(nobody_there_is_no_answer),
        IN_FOLDER(an_outage_has_the_trackers_time_without_a_node),
        IN_FOLDER(without_an_address_nobody_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
