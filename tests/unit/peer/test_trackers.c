/* Unit tests of peer/trackers.c, on a clock of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "peer/trackers.h"

enum { MINUTE = 60000 };

static pbts_moment at(uint64_t mono_ms) {
    return (pbts_moment){ .unix_s = 1800000000, .mono_ms = mono_ms };
}

static pbts_trackers *with(const char *const *urls, const uint32_t *tiers, size_t count,
                           uint64_t seed) {
    pbts_trackers *trackers;
    assert_int_equal(pbts_trackers_new(&trackers, pbts_mem_system(), seed), PBTS_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pbts_trackers_add(trackers, tiers ? tiers[i] : 0, pbts_span_text(urls[i])),
                         PBTS_OK);
    }
    return trackers;
}

static pbts_trackers *with_one(void) {
    static const char *const URLS[] = { "http://a/announce" };
    return with(URLS, NULL, 1, 1);
}

/* The turn that is due now, which must have this event. */
static pbts_tracker_turn turn(pbts_trackers *trackers, uint64_t now_ms, pbts_event event) {
    pbts_tracker_turn turn = { 0 };
    assert_true(pbts_trackers_deadline_ms(trackers) <= now_ms);
    assert_true(pbts_trackers_next(trackers, &turn, at(now_ms)));
    assert_int_equal(turn.event, event);
    return turn;
}

static void assert_quiet_until(pbts_trackers *trackers, uint64_t now_ms, uint64_t due_ms) {
    pbts_tracker_turn turn;
    assert_false(pbts_trackers_next(trackers, &turn, at(now_ms)));
    assert_true(pbts_trackers_deadline_ms(trackers) == due_ms);
}

static void started_comes_first_then_the_interval_rules(void **state) {
    (void)state;
    pbts_trackers *trackers = with_one();
    pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
    assert_true(pbts_span_is(t.url, "http://a/announce"));
    assert_quiet_until(trackers, 5, UINT64_MAX); /* one at a time */
    pbts_trackers_answered(trackers, &t, 10, 0, at(100));
    assert_quiet_until(trackers, 10099, 10100);
    t = turn(trackers, 10100, PBTS_EVENT_NONE);
    pbts_trackers_answered(trackers, &t, 0, 0, at(10100)); /* it names no interval */
    assert_quiet_until(trackers, 10101, 10100 + PBTS_TRACKER_INTERVAL_DEFAULT_S * 1000);
    pbts_trackers_free(trackers);
}

static void an_interval_is_at_most_a_day(void **state) {
    (void)state;
    pbts_trackers *trackers = with_one();
    pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
    pbts_trackers_answered(trackers, &t, PBTS_TRACKER_INTERVAL_MAX_S + 1, 0, at(0));
    assert_quiet_until(trackers, 1, 86400000);
    pbts_trackers_free(trackers);
}

static void completed_is_said_at_once_and_until_it_is_heard(void **state) {
    (void)state;
    pbts_trackers *trackers = with_one();
    pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
    pbts_trackers_completed(trackers, at(1)); /* while `started` is under way */
    pbts_trackers_answered(trackers, &t, 1800, 0, at(2));
    t = turn(trackers, 2, PBTS_EVENT_COMPLETED);
    pbts_trackers_failed(trackers, &t, 0, at(3));
    t = turn(trackers, MINUTE, PBTS_EVENT_COMPLETED);
    pbts_trackers_answered(trackers, &t, 1800, 0, at(MINUTE));
    assert_quiet_until(trackers, MINUTE, MINUTE + 1800000);
    pbts_trackers_free(trackers);
}

static void a_tracker_that_fails_is_left_alone_twice_as_long_each_time(void **state) {
    (void)state;
    pbts_trackers *trackers = with_one();
    uint64_t now = 0, wait = PBTS_TRACKER_RETRY_FIRST_S * 1000;
    for (int i = 0; i < 12; i++) {
        pbts_tracker_turn t = turn(trackers, now, PBTS_EVENT_STARTED);
        pbts_trackers_failed(trackers, &t, 0, at(now));
        uint64_t due = pbts_trackers_deadline_ms(trackers);
        assert_in_range(due - now, wait, wait + wait / 4);
        assert_quiet_until(trackers, due - 1, due);
        now = due;
        wait =
            wait * 2 < PBTS_TRACKER_RETRY_MAX_S * 1000 ? wait * 2 : PBTS_TRACKER_RETRY_MAX_S * 1000;
    }
    pbts_tracker_turn t = turn(trackers, now, PBTS_EVENT_STARTED);
    pbts_trackers_answered(trackers, &t, 10, 0, at(now));
    t = turn(trackers, now + 10000, PBTS_EVENT_NONE); /* then it begins anew */
    pbts_trackers_failed(trackers, &t, 0, at(now));
    wait = PBTS_TRACKER_RETRY_FIRST_S * 1000;
    assert_in_range(pbts_trackers_deadline_ms(trackers) - now, wait, wait + wait / 4);
    pbts_trackers_free(trackers);
}

static void a_tracker_may_say_when_to_come_back_or_never(void **state) {
    (void)state;
    pbts_trackers *trackers = with_one();
    pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
    pbts_trackers_failed(trackers, &t, 7, at(0));
    assert_quiet_until(trackers, 1, 7 * MINUTE);
    t = turn(trackers, 7 * MINUTE, PBTS_EVENT_STARTED);
    pbts_trackers_failed(trackers, &t, -1, at(0));
    pbts_trackers_hurry(trackers, at(1));
    pbts_trackers_completed(trackers, at(1));
    assert_quiet_until(trackers, UINT64_MAX - 1, UINT64_MAX);
    pbts_trackers_free(trackers);
}

static void the_next_tier_is_asked_when_none_of_this_one_answers(void **state) {
    static const char *const URLS[] = { "http://c/", "udp://a:1", "https://b/" };
    static const uint32_t TIERS[] = { 7, 2, 2 };
    (void)state;
    pbts_trackers *trackers = with(URLS, TIERS, 3, 1);
    pbts_tracker_turn first = turn(trackers, 0, PBTS_EVENT_STARTED);
    assert_true(first.id != 0);
    pbts_trackers_failed(trackers, &first, 0, at(0));
    pbts_tracker_turn second = turn(trackers, 0, PBTS_EVENT_STARTED);
    assert_true(second.id != 0 && second.id != first.id);
    pbts_trackers_failed(trackers, &second, 0, at(0));
    pbts_tracker_turn third = turn(trackers, 0, PBTS_EVENT_STARTED);
    assert_int_equal(third.id, 0);
    pbts_trackers_answered(trackers, &third, 100, 0, at(0));
    /* At the next announce the first tier is tried again, before the one that answered. */
    pbts_tracker_turn t = turn(trackers, 100000, PBTS_EVENT_STARTED);
    assert_true(t.id != 0);
    pbts_trackers_answered(trackers, &t, 100, 0, at(100000));
    assert_true(pbts_span_equal(pbts_trackers_url(trackers, 0), t.url));
    pbts_trackers_free(trackers);
}

static void a_silent_tracker_holds_up_the_next_for_seconds_only(void **state) {
    static const char *const URLS[] = { "udp://a:1", "udp://b:1", "udp://c:1" };
    static const uint32_t TIERS[] = { 0, 1, 2 };
    enum { PATIENCE = PBTS_TRACKER_PATIENCE_MS };
    (void)state;
    pbts_trackers *trackers = with(URLS, TIERS, 3, 1);
    pbts_tracker_turn a = turn(trackers, 100, PBTS_EVENT_STARTED);
    assert_quiet_until(trackers, 100 + PATIENCE - 1, 100 + PATIENCE);
    pbts_tracker_turn b = turn(trackers, 100 + PATIENCE, PBTS_EVENT_STARTED);
    assert_int_equal(b.id, 1);
    assert_quiet_until(trackers, 100 + PATIENCE, 100 + 2 * PATIENCE);
    pbts_trackers_answered(trackers, &b, 1800, 0, at(7000));
    assert_quiet_until(trackers, 7000, 1807000);
    /* That it failed in the end is no reason to ask anybody again. */
    pbts_trackers_failed(trackers, &a, 0, at(35000));
    assert_quiet_until(trackers, 35000, 1807000);
    a = turn(trackers, 1807000, PBTS_EVENT_STARTED);
    assert_int_equal(a.id, 0);
    pbts_trackers_free(trackers);
}

static void a_silent_tracker_may_still_answer_and_counts_us_then(void **state) {
    static const char *const URLS[] = { "udp://a:1", "udp://b:1" };
    static const uint32_t TIERS[] = { 0, 1 };
    (void)state;
    pbts_trackers *trackers = with(URLS, TIERS, 2, 1);
    pbts_tracker_turn a = turn(trackers, 0, PBTS_EVENT_STARTED);
    pbts_tracker_turn b = turn(trackers, PBTS_TRACKER_PATIENCE_MS, PBTS_EVENT_STARTED);
    /* All are being asked: there is nobody else. */
    assert_quiet_until(trackers, 20000, UINT64_MAX);
    pbts_trackers_answered(trackers, &a, 100, 0, at(20000));
    pbts_trackers_failed(trackers, &b, 0, at(21000));
    assert_quiet_until(trackers, 21000, 120000);
    assert_int_equal(turn(trackers, 120000, PBTS_EVENT_NONE).id, 0);
    b = turn(trackers, 120000 + PBTS_TRACKER_PATIENCE_MS, PBTS_EVENT_STARTED);
    pbts_trackers_stop(trackers, at(130000));
    assert_int_equal(turn(trackers, 130000, PBTS_EVENT_STOPPED).id, 0);
    assert_quiet_until(trackers, 130000, UINT64_MAX);
    pbts_trackers_answered(trackers, &b, 100, 0, at(130001)); /* it counted us after all */
    assert_int_equal(turn(trackers, 130001, PBTS_EVENT_STOPPED).id, 1);
    pbts_trackers_free(trackers);
}

static void within_a_tier_the_order_is_random_and_who_answers_moves_to_the_front(void **state) {
    static const char *const URLS[] = { "http://a/", "http://b/", "http://c/" };
    (void)state;
    unsigned first[3] = { 0 };
    for (uint64_t seed = 0; seed < 300; seed++) {
        pbts_trackers *trackers = with(URLS, NULL, 3, seed);
        pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
        first[t.id]++;
        pbts_trackers_failed(trackers, &t, 0, at(0));
        t = turn(trackers, 0, PBTS_EVENT_STARTED);
        pbts_trackers_answered(trackers, &t, 1800, 0, at(0));
        assert_true(pbts_span_equal(pbts_trackers_url(trackers, 0), t.url));
        assert_int_equal(turn(trackers, 1800000, PBTS_EVENT_NONE).id, t.id);
        pbts_trackers_free(trackers);
    }
    for (int i = 0; i < 3; i++) assert_in_range(first[i], 70, 130);
}

static void a_hurry_waits_for_the_shortest_interval(void **state) {
    (void)state;
    pbts_trackers *trackers = with_one();
    pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
    pbts_trackers_answered(trackers, &t, 1800, 30, at(1000));
    pbts_trackers_hurry(trackers, at(2000));
    assert_quiet_until(trackers, 30999, 31000);
    t = turn(trackers, 31000, PBTS_EVENT_NONE);
    pbts_trackers_answered(trackers, &t, 1800, 0, at(31000));
    pbts_trackers_hurry(trackers, at(200000));
    (void)turn(trackers, 200000, PBTS_EVENT_NONE);
    pbts_trackers_free(trackers);
}

static void a_recheck_does_not_wait_for_the_shortest_interval(void **state) {
    (void)state;
    uint64_t due[2];
    for (uint64_t seed = 0; seed < 2; seed++) {
        static const char *const URLS[] = { "http://a/announce" };
        pbts_trackers *trackers = with(URLS, NULL, 1, seed);
        pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
        pbts_trackers_answered(trackers, &t, 1800, 900, at(1000));
        pbts_trackers_recheck(trackers, at(2000));
        due[seed] = pbts_trackers_deadline_ms(trackers);
        assert_in_range(due[seed], 2000, 2000 + PBTS_TRACKER_RECHECK_MS - 1);
        pbts_trackers_recheck(trackers, at(2000 + PBTS_TRACKER_RECHECK_MS)); /* never later */
        assert_true(pbts_trackers_deadline_ms(trackers) == due[seed]);
        t = turn(trackers, due[seed], PBTS_EVENT_NONE);
        pbts_trackers_failed(trackers, &t, 0,
                             at(due[seed])); /* from here on as after any failure */
        pbts_trackers_recheck(trackers, at(due[seed]));
        assert_in_range(pbts_trackers_deadline_ms(trackers), due[seed] + 2000, due[seed] + 2500);
        pbts_trackers_free(trackers);
    }
    assert_true(due[0] != due[1]);
}

static void stopped_goes_once_to_each_tracker_that_counts_us(void **state) {
    static const char *const URLS[] = { "http://a/", "http://b/", "http://c/" };
    static const uint32_t TIERS[] = { 0, 1, 2 };
    (void)state;
    pbts_trackers *trackers = with(URLS, TIERS, 3, 1);
    pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
    pbts_trackers_answered(trackers, &t, 10, 0, at(0));
    t = turn(trackers, 10000, PBTS_EVENT_NONE);
    pbts_trackers_failed(trackers, &t, 0, at(10000));
    t = turn(trackers, 10000, PBTS_EVENT_STARTED);
    pbts_trackers_answered(trackers, &t, 10, 0, at(10000));
    pbts_trackers_stop(trackers, at(10001));
    assert_int_equal(turn(trackers, 10001, PBTS_EVENT_STOPPED).id, 0);
    t = turn(trackers, 10001, PBTS_EVENT_STOPPED);
    assert_int_equal(t.id, 1);
    pbts_trackers_failed(trackers, &t, 0, at(10002));
    assert_quiet_until(trackers, UINT64_MAX - 1, UINT64_MAX);
    pbts_trackers_free(trackers);
}

static void a_start_that_is_answered_after_the_stop_is_taken_back(void **state) {
    (void)state;
    pbts_trackers *trackers = with_one();
    pbts_tracker_turn t = turn(trackers, 0, PBTS_EVENT_STARTED);
    pbts_trackers_stop(trackers, at(1));
    assert_quiet_until(trackers, 1, UINT64_MAX);
    pbts_trackers_answered(trackers, &t, 10, 0, at(2));
    (void)turn(trackers, 2, PBTS_EVENT_STOPPED);
    assert_quiet_until(trackers, 3, UINT64_MAX);
    pbts_trackers_free(trackers);
}

static void trackers_of_another_are_added_in_their_tiers(void **state) {
    static const char *const URLS[] = { "http://c/", "http://a/", "http://b/" };
    static const uint32_t TIERS[] = { 7, 2, 4 };
    (void)state;
    pbts_trackers *from = with(URLS, TIERS, 3, 1), *to = with(&URLS[2], &TIERS[2], 1, 1);
    assert_int_equal(pbts_trackers_add_all(to, from), PBTS_OK);
    assert_int_equal(pbts_trackers_count(to), 3);
    assert_true(pbts_span_is(pbts_trackers_url(to, 0), "http://a/"));
    assert_true(pbts_span_is(pbts_trackers_url(to, 1), "http://b/"));
    assert_true(pbts_span_is(pbts_trackers_url(to, 2), "http://c/"));
    pbts_trackers_free(from);
    pbts_trackers_free(to);
}

static void bad_urls_are_refused_and_others_have_a_limit(void **state) {
    static const char *const BAD[] = { "",          "http://",     "ftp://a/",
                                       "a",         "http://a b/", "http://a/\n",
                                       "HTTP://a/", "udp://",      "http://\x7f" };
    (void)state;
    pbts_trackers *trackers = with_one();
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(pbts_trackers_add(trackers, 0, pbts_span_text(BAD[i])), PBTS_MALFORMED);
    }
    char url[PBTS_TRACKER_URL_LEN_MAX + 2] = "http://a/announce";
    assert_int_equal(pbts_trackers_add(trackers, 5, pbts_span_text(url)), PBTS_EXISTS);
    for (int i = 1; i < PBTS_TRACKERS_MAX; i++) {
        (void)snprintf(url, sizeof url, "http://%d/", i);
        assert_int_equal(pbts_trackers_add(trackers, 0, pbts_span_text(url)), PBTS_OK);
    }
    assert_int_equal(pbts_trackers_add(trackers, 0, pbts_span_text("http://x/")), PBTS_LIMIT);
    assert_int_equal(pbts_trackers_count(trackers), PBTS_TRACKERS_MAX);
    pbts_trackers_free(trackers);
    trackers = with_one();
    memset(url + 9, 'x', PBTS_TRACKER_URL_LEN_MAX + 1 - 9);
    assert_int_equal(pbts_trackers_add(trackers, 0, pbts_span_text(url)), PBTS_LIMIT);
    url[PBTS_TRACKER_URL_LEN_MAX] = '\0';
    assert_int_equal(pbts_trackers_add(trackers, 0, pbts_span_text(url)), PBTS_OK);
    pbts_trackers_free(trackers);
}

static void without_trackers_nothing_is_due(void **state) {
    (void)state;
    pbts_trackers *trackers = with(NULL, NULL, 0, 1);
    assert_quiet_until(trackers, UINT64_MAX - 1, UINT64_MAX);
    pbts_trackers_stop(trackers, at(0));
    assert_quiet_until(trackers, UINT64_MAX - 1, UINT64_MAX);
    pbts_trackers_free(trackers);
    pbts_trackers_free(NULL);
}

/* ---- from a .torrent ---- */

static pbts_metainfo *torrent(const char *front, const char *trackers) {
    char text[2048];
    pbts_metainfo *meta;
    int len = snprintf(text, sizeof text,
                       "d%s%s4:infod6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces20:"
                       "xxxxxxxxxxxxxxxxxxxx7:privatei1eee",
                       front, trackers);
    const char *problem = "";
    pbts_status status = pbts_metainfo_parse(&meta, &problem, pbts_mem_system(),
                                             (pbts_span){ (const uint8_t *)text, (size_t)len });
    if (status != PBTS_OK) fail_msg("%s", problem);
    return meta;
}

static void a_torrent_names_one_tracker_or_tiers(void **state) {
    (void)state;
    pbts_trackers *trackers = with(NULL, NULL, 0, 1);
    pbts_metainfo *meta = torrent("8:announce9:http://z/", "");
    assert_int_equal(pbts_trackers_add_metainfo(trackers, 0, meta), PBTS_OK);
    assert_int_equal(pbts_trackers_count(trackers), 1);
    pbts_metainfo_free(meta);
    pbts_trackers_free(trackers);

    trackers = with(NULL, NULL, 0, 1);
    meta = torrent("8:announce9:http://z/",
                   "13:announce-listll9:http://a/ei5el9:http://b/i7e3:bad9:http://a/ee");
    assert_int_equal(pbts_trackers_add(trackers, 0, pbts_span_text("http://home/")), PBTS_OK);
    assert_int_equal(pbts_trackers_add_metainfo(trackers, 1, meta), PBTS_OK);
    assert_int_equal(pbts_trackers_count(trackers), 3);
    assert_true(pbts_span_is(pbts_trackers_url(trackers, 0), "http://home/"));
    assert_true(pbts_span_is(pbts_trackers_url(trackers, 1), "http://a/"));
    assert_true(pbts_span_is(pbts_trackers_url(trackers, 2), "http://b/"));
    pbts_metainfo_free(meta);
    pbts_trackers_free(trackers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(started_comes_first_then_the_interval_rules),
        cmocka_unit_test(an_interval_is_at_most_a_day),
        cmocka_unit_test(completed_is_said_at_once_and_until_it_is_heard),
        cmocka_unit_test(a_tracker_that_fails_is_left_alone_twice_as_long_each_time),
        cmocka_unit_test(a_tracker_may_say_when_to_come_back_or_never),
        cmocka_unit_test(the_next_tier_is_asked_when_none_of_this_one_answers),
        cmocka_unit_test(a_silent_tracker_holds_up_the_next_for_seconds_only),
        cmocka_unit_test(a_silent_tracker_may_still_answer_and_counts_us_then),
        cmocka_unit_test(within_a_tier_the_order_is_random_and_who_answers_moves_to_the_front),
        cmocka_unit_test(a_hurry_waits_for_the_shortest_interval),
        cmocka_unit_test(a_recheck_does_not_wait_for_the_shortest_interval),
        cmocka_unit_test(stopped_goes_once_to_each_tracker_that_counts_us),
        cmocka_unit_test(a_start_that_is_answered_after_the_stop_is_taken_back),
        cmocka_unit_test(trackers_of_another_are_added_in_their_tiers),
        cmocka_unit_test(bad_urls_are_refused_and_others_have_a_limit),
        cmocka_unit_test(without_trackers_nothing_is_due),
        cmocka_unit_test(a_torrent_names_one_tracker_or_tiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
