/* When the front pauses to gather requests. A load is so many requests a wake-up, and so many
 * wake-ups a millisecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/front_pace.h"

typedef struct {
    front_pace pace;
    uint64_t now_ms, requests;
} load;

/* How many of the wake-ups of `ms` milliseconds ended with a pause. */
static unsigned run(load *l, unsigned ms, unsigned wakes_per_ms, unsigned requests_per_wake) {
    unsigned pauses = 0;
    for (unsigned i = 0; i < ms; i++, l->now_ms++) {
        for (unsigned wake = 0; wake < wakes_per_ms; wake++) {
            l->requests += requests_per_wake;
            pauses += front_pace_wants_pause(&l->pace, l->now_ms, l->requests);
        }
    }
    return pauses;
}

static load started(void) {
    return (load){ .pace = { .window_ms = 1000 }, .now_ms = 1000 };
}

static void requests_that_come_one_by_one_in_quick_succession_are_gathered(void **state) {
    load l = started();
    assert_int_equal(run(&l, 2 * FRONT_PACE_WINDOW_MS, 20, 1), 0);
    assert_int_equal(run(&l, 1000, 10, 2), 10 * 1000);
    /* but for a window now and then that shows what it is like without */
    unsigned all = 10 * 10 * FRONT_PACE_STRETCH_MS, pauses = run(&l, all / 10, 10, 2);
    assert_in_range(pauses, all - all / 50, all - 10 * FRONT_PACE_WINDOW_MS);
}

static void a_slow_load_is_answered_at_once(void **state) {
    load l = started();
    assert_int_equal(run(&l, 2000, FRONT_PACE_RATE_MIN - 1, 1), 0);
}

static void a_worker_that_finds_many_requests_anyway_does_not_pause(void **state) {
    load l = started();
    assert_int_equal(run(&l, 2000, 4, FRONT_PACE_FULL), 0);
}

static void pauses_end_with_the_load(void **state) {
    load l = started();
    assert_true(run(&l, 1000, 10, 2) > 0);
    (void)run(&l, FRONT_PACE_WINDOW_MS, 1, 2);
    assert_int_equal(run(&l, 1000, 1, 2), 0);
}

/* A few clients that wait for their answers: all are gathered, and all are slower. */
static void pauses_after_which_fewer_requests_come_end(void **state) {
    load l = started();
    unsigned pauses = 0;
    for (unsigned i = 0; i < FRONT_PACE_REST_MS; i += FRONT_PACE_WINDOW_MS)
        pauses += run(&l, FRONT_PACE_WINDOW_MS, l.pace.pausing ? 6 : 40, l.pace.pausing ? 8 : 4);
    assert_true(pauses > 0);
    assert_true(pauses <= 2 * 40 * FRONT_PACE_WINDOW_MS);
}

/* One client that waits for each answer is fast, and a pause only delays it. */
static void pauses_that_gather_nothing_end(void **state) {
    load l = started();
    unsigned pauses = run(&l, FRONT_PACE_REST_MS, 20, 1);
    assert_true(pauses > 0);
    assert_true(pauses <= 20 * (FRONT_PACE_WINDOW_MS + 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_come_one_by_one_in_quick_succession_are_gathered),
        cmocka_unit_test(a_slow_load_is_answered_at_once),
        cmocka_unit_test(a_worker_that_finds_many_requests_anyway_does_not_pause),
        cmocka_unit_test(pauses_end_with_the_load),
        cmocka_unit_test(pauses_after_which_fewer_requests_come_end),
        cmocka_unit_test(pauses_that_gather_nothing_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
