/* Unit tests of apps/pbts-peer/home.c: which tracker is ours, its key, tickets, what is kept. */
#include "torrent/fallback.h"
#include "tracker_kit.h"
#include "wire/peer_pbts.h"

static char FOLDER[] = "/tmp/pbts-home-XXXXXX";

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

static pbts_span span(const char *text) {
    return pbts_span_text(text);
}

/* /params of an instance, with the tracker key of secret n. */
static const char *params_of(uint8_t iid, uint8_t n) {
    static char texts[8][400];
    static unsigned next;
    char hex[65], key[160];
    keyfile of;
    uint8_t bytes[PBTS_IID_LEN];
    memset(bytes, iid, sizeof bytes);
    kit_key(&of, n);
    hex_text(hex, sizeof hex, PBTS_SPAN_OF(bytes));
    base64_text(key, sizeof key, PBTS_SPAN_OF(of.key.bytes));
    char *text = texts[next++ % 8];
    (void)snprintf(text, sizeof texts[0], "{\"iid\":\"%s\",\"tracker_key\":\"%s\"}", hex, key);
    return text;
}

typedef struct {
    bool is_done, has_problem;
    char problem[200];
} asked;

static void on_asked(void *host, const char *problem) {
    asked *a = host;
    a->is_done = true;
    a->has_problem = problem != NULL;
    (void)snprintf(a->problem, sizeof a->problem, "%s", problem == NULL ? "" : problem);
}

/* Ask the tracker for its parameters, and wait for what becomes of it. */
static asked ask(engine *e, const char *url) {
    asked a = { .is_done = false };
    assert_non_null(home_ask(e->ours, e->net, span(url), on_asked, &a));
    while (!a.is_done) (void)uv_run(&e->loop, UV_RUN_ONCE);
    return a;
}

static void a_tracker_is_ours_when_its_parameters_name_our_instance(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    char url[80];
    tracker_answer(&t, 200, params_of(0x11, 9));
    tracker_begin(&t);
    kit_engine(&e, FOLDER, NULL);
    (void)snprintf(url, sizeof url, "%s/announce/passkey", t.base);
    assert_int_equal(home_is(e.ours, span(url)), HOME_UNKNOWN);
    assert_string_equal(home_base(e.ours), "");
    assert_false(ask(&e, url).has_problem);
    assert_memory_equal(t.heard[0], "GET /params HTTP", 16);
    assert_int_equal(home_is(e.ours, span(url)), HOME_YES);
    assert_int_equal(home_is(e.ours, span("http://other/announce")), HOME_NO);
    assert_int_equal(home_is(e.ours, span("udp://127.0.0.1:1/announce")), HOME_NO);
    assert_string_equal(home_base(e.ours), t.base);
    assert_true(home_knows_key(e.ours) && e.terms.has_tracker_key);
    kit_engine_free(&e);
    tracker_end(&t);

    kit_engine(&e, FOLDER, NULL); /* as after a restart, the tracker away */
    assert_int_equal(home_is(e.ours, span(url)), HOME_YES);
    assert_true(home_knows_key(e.ours));
    kit_engine_free(&e);
}

static void another_instance_is_not_asked_again(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    tracker_answer(&t, 200, params_of(0x22, 9));
    tracker_begin(&t);
    kit_engine(&e, FOLDER, NULL);
    assert_false(ask(&e, t.base).has_problem);
    assert_int_equal(home_is(e.ours, span(t.base)), HOME_NO);
    assert_false(home_knows_key(e.ours));
    assert_string_equal(home_base(e.ours), "");
    kit_engine_free(&e);
    tracker_end(&t);
}

/* Neither that is named with --tracker, and is another's, nor one that shows a new key. */
static void what_claims_to_be_our_tracker_is_not_believed(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    tracker_answer(&t, 200, params_of(0x22, 9));
    tracker_answer(&t, 200, "{\"iid\":\"11\"}");
    tracker_answer(&t, 404, params_of(0x11, 9));
    tracker_answer(&t, 500, params_of(0x11, 9));
    tracker_answer(&t, 200, params_of(0x11, 9));
    tracker_answer(&t, 200, params_of(0x11, 10));
    tracker_begin(&t);
    kit_engine(&e, FOLDER, t.base);
    for (int i = 0; i < 3; i++) {
        asked a = ask(&e, t.base);
        if (strstr(a.problem, "registered with") == NULL) fail_msg("%d: %s", i, a.problem);
        assert_false(home_knows_key(e.ours));
    }
    assert_non_null(strstr(ask(&e, t.base).problem, "not well"));
    assert_int_equal(home_is(e.ours, span(t.base)), HOME_UNKNOWN);
    assert_false(ask(&e, t.base).has_problem);
    pbts_bls_public_point first = e.terms.tracker_key;
    assert_non_null(strstr(ask(&e, t.base).problem, "another key"));
    assert_memory_equal(&first, &e.terms.tracker_key, sizeof first);
    kit_engine_free(&e);
    tracker_end(&t);
}

/* In a folder where nothing is kept yet a .torrent's tracker may name our instance. The key file
 * knows the key that the real one showed when we registered. */
static void who_names_our_instance_and_has_another_key_is_not_believed(void **state) {
    (void)state;
    for (uint8_t n = 9; n < 11; n++) {
        static engine e;
        tracker_kit t = tracker_new();
        char url[80];
        keyfile real;
        tracker_answer(&t, 200, params_of(0x11, n));
        tracker_begin(&t);
        kit_engine(&e, FOLDER, NULL);
        home_free(e.ours);
        kit_key(&real, 10);
        e.key->has_tracker_key = true;
        e.key->tracker_key = real.key;
        memset(&e.terms, 0, sizeof e.terms);
        e.ours = home_new(e.key, &e.terms, FOLDER, NULL);
        assert_true(home_knows_key(e.ours));
        (void)snprintf(url, sizeof url, "%s/announce/passkey", t.base);
        asked a = ask(&e, url);
        assert_true(a.has_problem == (n == 9));
        assert_string_equal(home_base(e.ours), n == 9 ? "" : t.base);
        assert_memory_equal(home_tracker_key(e.ours), &real.key, sizeof real.key);
        kit_engine_free(&e);
        tracker_end(&t);
    }
}

static void who_is_away_is_a_problem_and_not_a_no(void **state) {
    (void)state;
    static engine e;
    tracker_kit t = tracker_new();
    (void)close(t.listener);
    kit_engine(&e, FOLDER, NULL);
    assert_true(ask(&e, t.base).has_problem);
    assert_int_equal(home_is(e.ours, span(t.base)), HOME_UNKNOWN);
    asked a = { .is_done = false };
    home_ask_cancel(home_ask(e.ours, e.net, span(t.base), on_asked, &a));
    home_ask_cancel(NULL);
    assert_null(home_ask(e.ours, e.net, span("udp://a:1"), on_asked, &a));
    kit_engine_free(&e);
    assert_false(a.is_done);
}

/* ---- announces ---- */

enum { NOW = 1800000000 };

static pbts_span make_ticket(uint8_t out[static 512], const keyfile *key, uint64_t expires) {
    pbts_peer_ticket ticket = { 1 << 20, NOW, expires, key->key, { { 0 } } };
    pbts_writer writer = pbts_writer_over(out, 512);
    pbts_peer_ticket_encode(&writer, &ticket);
    return pbts_writer_span(&writer);
}

static bool signs(engine *e, pbts_event event, uint64_t unix_s, uint64_t *at) {
    pbts_announce announce = { .event = event };
    home_room room;
    home_identify(e->ours, &announce, &room, unix_s);
    assert_true((announce.sig.len > 0) != (announce.tracker_id.len > 0));
    if (at != NULL) *at = strtoull(room.time, NULL, 10);
    return announce.sig.len > 0;
}

static void announces_are_signed_when_the_tracker_does_not_know_us(void **state) {
    (void)state;
    static engine e;
    uint8_t bytes[512];
    uint64_t first, second;
    kit_engine(&e, FOLDER, "http://t");
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW, &first));
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW, &second)); /* times ascend */
    assert_true(first == NOW && second == NOW + 1);
    pbts_announce_answer answer = { .tracker_id = span("id"),
                                    .ticket = make_ticket(bytes, e.key, NOW + 86400) };
    assert_true(home_take(e.ours, &answer, NOW));
    assert_true(home_has_ticket(e.ours, NOW + 86000));
    assert_false(home_has_ticket(e.ours, NOW + 86400 - 60));
    assert_true(e.terms.ticket.len == answer.ticket.len);
    assert_false(signs(&e, PBTS_EVENT_NONE, NOW, NULL));
    assert_false(signs(&e, PBTS_EVENT_NONE, NOW + 6 * 3600, NULL));
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW + 6 * 3600 + 1, NULL));     /* for a new one */
    assert_false(signs(&e, PBTS_EVENT_STOPPED, NOW + 6 * 3600 + 1, NULL)); /* it leaves */
    assert_true(signs(&e, PBTS_EVENT_STOPPED, NOW + 23 * 3600, NULL));
    home_renew(e.ours);
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW, NULL));
    assert_false(signs(&e, PBTS_EVENT_NONE, NOW, NULL));
    home_refused(e.ours);
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW, NULL));
    kit_engine_free(&e);
}

/* What the tracker has taken is within 300 s of its clock; a time beyond that was never good. */
static void a_clock_that_was_ahead_is_forgotten(void **state) {
    (void)state;
    static engine e;
    uint64_t at;
    kit_engine(&e, FOLDER, "http://t");
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW + 300, NULL));
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW, &at));
    assert_true(at == NOW + 301); /* it may have been taken */
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW + 30 * 86400, NULL));
    assert_true(signs(&e, PBTS_EVENT_NONE, NOW, &at));
    assert_true(at == NOW);
    kit_engine_free(&e);
}

static void a_ticket_for_another_key_is_not_taken(void **state) {
    (void)state;
    static engine e;
    uint8_t bytes[512];
    keyfile other;
    kit_key(&other, 8);
    kit_engine(&e, FOLDER, "http://t");
    pbts_announce_answer answer = { .ticket = make_ticket(bytes, &other, NOW + 86400) };
    assert_false(home_take(e.ours, &answer, NOW));
    answer.ticket = span("de");
    assert_false(home_take(e.ours, &answer, NOW));
    assert_false(home_has_ticket(e.ours, NOW));
    assert_int_equal(e.terms.ticket.len, 0);
    kit_engine_free(&e);
}

/* ---- for times without the tracker ---- */

typedef struct {
    uint8_t member[PBTS_MEMBERSHIP_LEN], beacon[PBTS_DHT_BEACON_LEN];
    pbts_announce_answer answer;
} signed_answer;

/* What the tracker with secret n says at `unix_s`. */
static void say(signed_answer *out, const keyfile *user, uint8_t n, uint64_t unix_s) {
    keyfile tracker;
    pbts_epoch_beacon beacon;
    kit_key(&tracker, n);
    pbts_membership membership = { .key = user->key,
                                   .up_bytes = 5,
                                   .issued = unix_s,
                                   .expires = unix_s + PBTS_MEMBERSHIP_LIFE_S };
    pbts_membership_sign(&membership, user->iid, &tracker.secret);
    pbts_dht_beacon_sign(&beacon, user->iid, pbts_dht_beacon_epoch(pbts_epoch_at(unix_s)),
                         &tracker.secret);
    pbts_writer writer = pbts_writer_over(out->member, sizeof out->member);
    pbts_membership_encode(&writer, &membership);
    writer = pbts_writer_over(out->beacon, sizeof out->beacon);
    pbts_dht_beacon_encode(&writer, &beacon);
    out->answer = (pbts_announce_answer){ .membership = PBTS_SPAN_OF(out->member),
                                          .beacon = PBTS_SPAN_OF(out->beacon) };
}

/* An engine that knows its tracker, whose secret is 9. */
static void engine_at_home(engine *e, tracker_kit *t) {
    *t = tracker_new();
    tracker_answer(t, 200, params_of(0x11, 9));
    tracker_begin(t);
    kit_engine(e, FOLDER, NULL);
    assert_false(ask(e, t->base).has_problem);
}

static void holds(engine *e, uint64_t issued, uint64_t beacon_s) {
    pbts_membership membership = { .issued = 0 };
    pbts_epoch_beacon beacon = { .epoch = 0 };
    assert_int_equal(home_membership(e->ours, &membership), issued > 0);
    assert_int_equal(home_beacon(e->ours, &beacon), beacon_s > 0);
    assert_true(membership.issued == issued);
    assert_true(beacon.epoch == pbts_dht_beacon_epoch(pbts_epoch_at(beacon_s)));
}

enum { DAY = 86400 };

static void what_is_signed_for_an_outage_is_kept_on_disk(void **state) {
    (void)state;
    static engine e;
    tracker_kit t;
    signed_answer said;
    engine_at_home(&e, &t);
    holds(&e, 0, 0);
    say(&said, e.key, 9, NOW);
    assert_false(home_take(e.ours, &said.answer, NOW)); /* it brings no ticket */
    holds(&e, NOW, NOW);
    say(&said, e.key, 9, NOW + DAY);
    assert_false(home_take(e.ours, &said.answer, NOW + DAY));
    holds(&e, NOW + DAY, NOW + DAY);
    kit_engine_free(&e);
    tracker_end(&t);

    kit_engine(&e, FOLDER, NULL); /* as after a restart, the tracker away */
    holds(&e, NOW + DAY, NOW + DAY);
    kit_engine_free(&e);
}

static void what_is_older_or_not_the_trackers_word_is_not_taken(void **state) {
    (void)state;
    static engine e;
    tracker_kit t;
    signed_answer said;
    keyfile other;
    engine_at_home(&e, &t);
    say(&said, e.key, 8, NOW); /* another tracker's */
    assert_false(home_take(e.ours, &said.answer, NOW));
    holds(&e, 0, 0);
    kit_key(&other, 6);
    say(&said, &other, 9, NOW); /* another user's; the beacon is everybody's */
    assert_false(home_take(e.ours, &said.answer, NOW));
    holds(&e, 0, NOW);
    say(&said, e.key, 9, NOW);
    said.answer.membership.len--;
    said.answer.beacon.len--;
    assert_false(home_take(e.ours, &said.answer, NOW));
    holds(&e, 0, NOW);
    say(&said, e.key, 9, NOW);
    assert_false(home_take(e.ours, &said.answer, NOW));
    say(&said, e.key, 9, NOW - DAY);
    assert_false(home_take(e.ours, &said.answer, NOW));
    holds(&e, NOW, NOW);
    kit_engine_free(&e);
    tracker_end(&t);
}

/* A tracker whose clock was years ahead must not leave us with what nobody takes. */
static void what_came_from_a_wrong_clock_is_replaced(void **state) {
    (void)state;
    static engine e;
    tracker_kit t;
    signed_answer said;
    engine_at_home(&e, &t);
    say(&said, e.key, 9, NOW + 1000 * (uint64_t)DAY);
    assert_false(home_take(e.ours, &said.answer, NOW));
    say(&said, e.key, 9, NOW);
    assert_false(home_take(e.ours, &said.answer, NOW));
    holds(&e, NOW, NOW);
    kit_engine_free(&e);
    tracker_end(&t);
}

static void what_is_kept_and_damaged_is_as_nothing(void **state) {
    static const char *const BAD[] = { "", "{", "[]", "{\"tracker\":5}",
                                       "{\"tracker\":\"http://t\",\"tracker_key\":\"AAAA\"}" };
    (void)state;
    static engine e;
    char path[100];
    (void)snprintf(path, sizeof path, "%s/tracker-1111111111111111.json", FOLDER);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        file_put(path, span(BAD[i]));
        kit_engine(&e, FOLDER, NULL);
        assert_false(home_knows_key(e.ours) || home_has_ticket(e.ours, NOW));
        assert_string_equal(home_base(e.ours), "");
        kit_engine_free(&e);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

/* ---- what a .torrent brings ---- */

/* A .torrent with the words of the tracker with secret n, as if it had been fetched from it. */
static pbts_span torrent_with(const signed_answer *said, uint8_t iid, uint8_t n) {
    static uint8_t bytes[2048], name[PBTS_IID_LEN];
    keyfile tracker;
    kit_key(&tracker, n);
    memset(name, iid, sizeof name);
    const pbts_torrent_fallback fallback = { .iid = PBTS_SPAN_OF(name),
                                             .tracker_key = PBTS_SPAN_OF(tracker.key.bytes),
                                             .membership = said->answer.membership,
                                             .beacon = said->answer.beacon };
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_text(&writer, "d4:infod4:name1:xe4:pbts");
    pbts_torrent_fallback_encode(&writer, &fallback);
    pbts_write_text(&writer, "e");
    assert_false(writer.failed);
    return pbts_writer_span(&writer);
}

static void a_torrent_is_enough_for_who_never_saw_the_tracker(void **state) {
    (void)state;
    static engine e;
    signed_answer said;
    kit_engine(&e, FOLDER, NULL);
    say(&said, e.key, 9, NOW);
    home_take_fallback(e.ours, torrent_with(&said, 0x12, 9), NOW); /* another instance's */
    assert_false(home_knows_key(e.ours));
    home_take_fallback(e.ours, span("d4:infod4:name1:xee"), NOW);
    assert_false(home_knows_key(e.ours));
    home_take_fallback(e.ours, torrent_with(&said, 0x11, 9), NOW);
    assert_true(home_knows_key(e.ours));
    holds(&e, NOW, NOW);
    assert_int_equal(e.terms.membership.len, PBTS_MEMBERSHIP_LEN);
    kit_engine_free(&e);

    kit_engine(&e, FOLDER, NULL); /* a file's word is not kept */
    assert_false(home_knows_key(e.ours));
    kit_engine_free(&e);
}

static void a_tracker_that_is_seen_takes_the_place_of_a_torrents_word(void **state) {
    (void)state;
    static engine e;
    signed_answer said;
    tracker_kit t = tracker_new();
    tracker_answer(&t, 200, params_of(0x11, 9));
    tracker_begin(&t);
    kit_engine(&e, FOLDER, NULL);
    say(&said, e.key, 8, NOW);
    home_take_fallback(e.ours, torrent_with(&said, 0x11, 8), NOW); /* a liar's */
    holds(&e, NOW, NOW);
    assert_false(ask(&e, t.base).has_problem);
    holds(&e, 0, 0);
    assert_int_equal(e.terms.membership.len, 0);
    home_take_fallback(e.ours, torrent_with(&said, 0x11, 8), NOW);
    holds(&e, 0, 0);
    say(&said, e.key, 9, NOW);
    home_take_fallback(e.ours, torrent_with(&said, 0x11, 9), NOW);
    holds(&e, NOW, NOW);
    kit_engine_free(&e);
    tracker_end(&t);

    kit_engine(&e, FOLDER, NULL); /* with its key known, what it signed is kept */
    holds(&e, NOW, NOW);
    kit_engine_free(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_tracker_is_ours_when_its_parameters_name_our_instance),
        IN_FOLDER(another_instance_is_not_asked_again),
        IN_FOLDER(what_claims_to_be_our_tracker_is_not_believed),
        IN_FOLDER(who_names_our_instance_and_has_another_key_is_not_believed),
        IN_FOLDER(who_is_away_is_a_problem_and_not_a_no),
        IN_FOLDER(announces_are_signed_when_the_tracker_does_not_know_us),
        IN_FOLDER(a_clock_that_was_ahead_is_forgotten),
        IN_FOLDER(a_ticket_for_another_key_is_not_taken),
        IN_FOLDER(what_is_signed_for_an_outage_is_kept_on_disk),
        IN_FOLDER(what_is_older_or_not_the_trackers_word_is_not_taken),
        IN_FOLDER(what_came_from_a_wrong_clock_is_replaced),
        IN_FOLDER(what_is_kept_and_damaged_is_as_nothing),
        IN_FOLDER(a_torrent_is_enough_for_who_never_saw_the_tracker),
        IN_FOLDER(a_tracker_that_is_seen_takes_the_place_of_a_torrents_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
