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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_serves_a_part_and_wants_no_more_says_paused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
