/* Unit tests of apps/pbts-peer/announcer.c: what is announced, to a tracker on loopback. */
#include "net/clock.h"
#include "pbts-peer/announcer.h"
#include "tracker_kit.h"

typedef struct {
    bool paused;
    uint32_t ended;
} owner;

static void fill(void *host, pbts_announce *announce) {
    const owner *o = host;
    announce->left_bytes = 5;
    announce->port = 7;
    if (o->paused) announce->event = PBTS_EVENT_PAUSED;
}

static void on_peer(void *host, const pbts_addr *addr) {
    (void)host;
    (void)addr;
}

static void on_ended(void *host, const announce_result *result) {
    owner *o = host;
    assert_null(result->problem);
    o->ended++;
}

/* Answers are noted by the real clock. */
static pbts_moment later(uint64_t seconds) {
    return (pbts_moment){ 1800000000 + seconds, pbts_clock_mono_ms() + 1000 * seconds };
}

/* `seconds` later, until `count` announces in all were answered. */
static void announce(uv_loop_t *loop, announcer *a, const owner *o, uint64_t seconds,
                     uint32_t count) {
    announcer_tick(a, later(seconds));
    while (o->ended < count) (void)uv_run(loop, UV_RUN_ONCE);
}

/* BEP 21: in each announce that says nothing else. */
static void who_serves_a_part_and_wants_no_more_says_paused(void **state) {
    static const char ANSWER[] = "d8:intervali60e5:peers0:e";
    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        uv_loop_t loop;
        owner o = { .paused = paused };
        const web_config net = { NULL, NULL };
        tracker_kit t = tracker_new();
        char url[80];
        for (int i = 0; i < 3; i++) tracker_answer(&t, 200, ANSWER);
        tracker_begin(&t);
        assert_int_equal(uv_loop_init(&loop), 0);
        web *w = web_new(&loop, &net);
        const announcer_config config = {
            .loop = &loop, .net = w, .fill = fill, .peer = on_peer, .ended = on_ended, .host = &o
        };
        announcer *a = announcer_new(&config);
        assert_true(w != NULL && a != NULL);
        (void)snprintf(url, sizeof url, "%s/announce", t.base);
        assert_int_equal(pbts_trackers_add(announcer_trackers(a), 0, pbts_span_text(url)), PBTS_OK);
        announce(&loop, a, &o, 0, 1);
        announce(&loop, a, &o, 4000, 2);
        announcer_stop(a, later(4001));
        announce(&loop, a, &o, 4001, 3);
        assert_non_null(strstr(t.heard[0], "&event=started"));
        assert_int_equal(strstr(t.heard[1], "&event=paused") != NULL, paused);
        assert_int_equal(strstr(t.heard[1], "event=") != NULL, paused);
        assert_non_null(strstr(t.heard[2], "&event=stopped"));
        announcer_free(a);
        web_close(w);
        while (uv_run(&loop, UV_RUN_DEFAULT) != 0) continue;
        assert_int_equal(uv_loop_close(&loop), 0);
        tracker_end(&t);
    }
}

static void on_any_end(void *host, const announce_result *result) {
    owner *o = host;
    (void)result;
    o->ended++;
}

static void on_asked(void *host, const char *problem) {
    assert_null(problem);
    *(bool *)host = true;
}

static void ask_params(engine *e, tracker_kit *t, char *params, size_t len) {
    char iid[65], key[160];
    bool is_asked = false;
    hex_text(iid, sizeof iid, PBTS_SPAN_OF(e->key->iid));
    base64_text(key, sizeof key, PBTS_SPAN_OF(e->key->key.bytes));
    (void)snprintf(params, len, "{\"iid\":\"%s\",\"tracker_key\":\"%s\"}", iid, key);
    assert_non_null(home_ask(e->ours, e->net, pbts_span_text(t->base), on_asked, &is_asked));
    while (!is_asked) (void)uv_run(&e->loop, UV_RUN_ONCE);
}

/* Two torrents are announced at once, both with a signature, and the later one arrives first. The
 * other one is refused, for signed times ascend; what the tracker gave us stays good all the same.
 */
static void a_signed_announce_that_was_overtaken_takes_nothing_back(void **state) {
    char folder[] = "/tmp/pbts-announcer-XXXXXX", params[400];
    static engine e;
    owner o = { .paused = false };
    announcer *both[2];
    tracker_kit t = tracker_new();
    (void)state;
    assert_non_null(mkdtemp(folder));
    kit_engine(&e, folder, t.base);
    tracker_answer(&t, 200, params);
    tracker_answer(&t, 200, "d8:intervali60e5:peers0:10:tracker id2:ide");
    tracker_answer(&t, 200, "d14:failure reason5:stalee");
    tracker_answer(&t, 200, "d8:intervali60e5:peers0:e");
    const announcer_config config = { .loop = &e.loop,
                                      .net = e.net,
                                      .ours = e.ours,
                                      .fill = fill,
                                      .peer = on_peer,
                                      .ended = on_any_end,
                                      .host = &o };
    tracker_begin(&t);
    ask_params(&e, &t, params, sizeof params);
    for (int i = 0; i < 2; i++) {
        char url[80];
        both[i] = announcer_new(&config);
        assert_non_null(both[i]);
        (void)snprintf(url, sizeof url, "%s/announce", t.base);
        assert_int_equal(pbts_trackers_add(announcer_trackers(both[i]), 0, pbts_span_text(url)),
                         PBTS_OK);
        announcer_tick(both[i], later(0));
    }
    while (o.ended < 2) (void)uv_run(&e.loop, UV_RUN_ONCE);
    announcer_stop(both[0], later(1));
    announcer_stop(both[1], later(1));
    announcer_tick(both[0], later(1));
    announcer_tick(both[1], later(1)); /* one of the two was counted, and leaves */
    while (o.ended < 3) (void)uv_run(&e.loop, UV_RUN_ONCE);
    assert_non_null(strstr(t.heard[1], "&uid="));
    assert_non_null(strstr(t.heard[2], "&uid="));
    assert_null(strstr(t.heard[3], "&uid="));
    assert_non_null(strstr(t.heard[3], "&trackerid=id"));
    announcer_free(both[0]);
    announcer_free(both[1]);
    kit_engine_free(&e);
    tracker_end(&t);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_serves_a_part_and_wants_no_more_says_paused),
        cmocka_unit_test(a_signed_announce_that_was_overtaken_takes_nothing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
