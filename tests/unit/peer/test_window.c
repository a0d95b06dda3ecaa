/* Unit tests of peer/window.c and peer/rate.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "peer/rate.h"
#include "peer/window.h"

enum { BLOCK = 16 * 1024, IN_FLIGHT_MAX = 16384 };

/* A sender at the other end of a wire: requests arrive after half a trip, are answered in order at
 * a steady rate, and answers come after another half. */
typedef struct {
    uint64_t trip_us, rate_bytes_per_s;
    uint64_t now_us, free_us; /* when the sender's line is free again */
    pbts_window window;
    struct {
        pbts_window_mark mark;
        uint64_t due_us;
    } flying[IN_FLIGHT_MAX];
    size_t head, count;
    uint64_t most_bytes;
} wire;

static wire *wire_new(uint64_t trip_us, uint64_t rate_bytes_per_s) {
    wire *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->trip_us = trip_us;
    w->rate_bytes_per_s = rate_bytes_per_s;
    w->now_us = 1000000;
    pbts_window_init(&w->window);
    return w;
}

static void ask(wire *w) {
    while (w->count < IN_FLIGHT_MAX && w->count * BLOCK + BLOCK <= w->window.bytes) {
        uint64_t reached_us = w->now_us + w->trip_us / 2;
        if (w->free_us < reached_us) w->free_us = reached_us;
        w->free_us += (uint64_t)BLOCK * 1000000 / w->rate_bytes_per_s;
        size_t at = (w->head + w->count++) % IN_FLIGHT_MAX;
        w->flying[at].mark = pbts_window_sent(&w->window, w->now_us / 1000);
        w->flying[at].due_us = w->free_us + w->trip_us / 2;
    }
}

/* Bytes per second over the last half of the time. */
static uint64_t run(wire *w, uint64_t for_us) {
    uint64_t end_us = w->now_us + for_us, half_us = w->now_us + for_us / 2, bytes = 0;
    ask(w);
    while (w->flying[w->head].due_us < end_us) {
        w->now_us = w->flying[w->head].due_us;
        pbts_window_arrived(&w->window, &w->flying[w->head].mark, BLOCK, w->now_us / 1000);
        w->head = (w->head + 1) % IN_FLIGHT_MAX;
        w->count--;
        if (w->now_us >= half_us) bytes += BLOCK;
        if (w->window.bytes > w->most_bytes) w->most_bytes = w->window.bytes;
        ask(w);
    }
    w->now_us = end_us;
    return bytes * 1000000 / (for_us - for_us / 2);
}

static void the_window_lets_a_peer_give_all_it_can(void **state) {
    (void)state;
    static const struct {
        uint64_t trip_us, rate;
    } wires[] = {
        { 200, 800000000 }, { 200, 1000000 },    { 5000, 100000000 },   { 50000, 12500000 },
        { 50000, 100000 },  { 300000, 1000000 }, { 100000, 100000000 },
    };
    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        wire *w = wire_new(wires[i].trip_us, wires[i].rate);
        uint64_t rate = run(w, 10000000);
        assert_true(rate >= wires[i].rate * 95 / 100);
        free(w);
    }
}

static void the_window_is_about_twice_what_the_wire_holds(void **state) {
    (void)state;
    wire *w = wire_new(50000, 12500000);
    (void)run(w, 20000000);
    uint64_t product = 12500000 / 20;
    assert_in_range(w->window.bytes, product, 3 * product);
    assert_true(w->most_bytes <= 4 * product);
    free(w);
}

/* Ten trips from the first window to 100 MB/s over 100 ms. */
static void the_window_doubles_with_every_trip(void **state) {
    (void)state;
    wire *w = wire_new(100000, 100000000);
    (void)run(w, 1200000);
    assert_true(w->window.bytes >= 10000000);
    free(w);
}

static void the_window_never_grows_without_an_arrival(void **state) {
    (void)state;
    pbts_window window;
    pbts_window_init(&window);
    assert_int_equal(window.bytes, PBTS_WINDOW_BYTES_MIN);
    for (uint64_t i = 0; i < 1000; i++) (void)pbts_window_sent(&window, i * 1000);
    assert_int_equal(window.bytes, PBTS_WINDOW_BYTES_MIN);
}

static void a_slow_peer_is_not_asked_for_more_than_three_seconds_ahead(void **state) {
    (void)state;
    wire *w = wire_new(20000, 200000);
    (void)run(w, 600000000);
    assert_true(w->window.bytes <= 3 * 200000 * 11 / 10);
    free(w);
}

static void the_window_follows_a_peer_that_becomes_slow_and_fast_again(void **state) {
    (void)state;
    wire *w = wire_new(20000, 50000000);
    (void)run(w, 5000000);
    uint64_t fast = w->window.bytes;
    w->rate_bytes_per_s = 500000;
    (void)run(w, 30000000);
    assert_true(w->window.bytes < fast / 4);
    w->rate_bytes_per_s = 50000000;
    assert_true(run(w, 10000000) >= 47500000);
    free(w);
}

static void a_collapsed_window_is_the_first_one_again(void **state) {
    (void)state;
    wire *w = wire_new(1000, 50000000);
    (void)run(w, 1000000);
    pbts_window_mark before = pbts_window_sent(&w->window, w->now_us / 1000);
    assert_true(w->window.bytes > PBTS_WINDOW_BYTES_MIN);
    pbts_window_collapse(&w->window);
    assert_int_equal(w->window.bytes, PBTS_WINDOW_BYTES_MIN);
    /* An answer to a question from before is no harm. */
    pbts_window_arrived(&w->window, &before, BLOCK, w->now_us / 1000 + 1);
    assert_true(w->window.bytes <= PBTS_WINDOW_BYTES_MAX);
    free(w);
}

static void the_window_has_a_greatest_size(void **state) {
    (void)state;
    pbts_window window;
    pbts_window_init(&window);
    pbts_window_mark mark = pbts_window_sent(&window, 0);
    for (int i = 0; i < 100000; i++) pbts_window_arrived(&window, &mark, 1u << 27, 3000);
    assert_true(window.bytes == PBTS_WINDOW_BYTES_MAX);
}

/* ---- rate ---- */

static void a_rate_is_the_mean_of_the_last_seconds(void **state) {
    (void)state;
    pbts_rate rate = { 0 };
    assert_int_equal(pbts_rate_read(&rate, 12345), 0);
    for (uint64_t ms = 5000; ms < 30000; ms += 10) pbts_rate_add(&rate, 1000, ms);
    assert_in_range(pbts_rate_read(&rate, 29999), 99000, 101500);
    assert_int_equal(rate.total_bytes, 2500000);
    /* Silence: it falls, and is zero when all slots are old. */
    uint64_t last = UINT64_MAX;
    for (uint64_t ms = 30000; ms < 40000; ms += 500) {
        uint64_t read = pbts_rate_read(&rate, ms);
        assert_true(read <= last);
        last = read;
    }
    assert_int_equal(last, 0);
}

static void a_young_rate_counts_its_own_age_but_at_least_a_second(void **state) {
    (void)state;
    pbts_rate rate = { 0 };
    pbts_rate_add(&rate, 1000, 100000);
    assert_int_equal(pbts_rate_read(&rate, 100000), 1000);
    pbts_rate_add(&rate, 3000, 101999);
    assert_in_range(pbts_rate_read(&rate, 102000), 1900, 2100);
}

static void a_long_silence_leaves_nothing_behind(void **state) {
    (void)state;
    pbts_rate rate = { 0 };
    for (uint64_t ms = 0; ms < 9000; ms += 100) pbts_rate_add(&rate, 500, ms);
    pbts_rate_add(&rate, 80, 9000000);
    assert_in_range(pbts_rate_read(&rate, 9000001), 10, 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_lets_a_peer_give_all_it_can),
        cmocka_unit_test(the_window_is_about_twice_what_the_wire_holds),
        cmocka_unit_test(the_window_doubles_with_every_trip),
        cmocka_unit_test(the_window_never_grows_without_an_arrival),
        cmocka_unit_test(a_slow_peer_is_not_asked_for_more_than_three_seconds_ahead),
        cmocka_unit_test(the_window_follows_a_peer_that_becomes_slow_and_fast_again),
        cmocka_unit_test(a_collapsed_window_is_the_first_one_again),
        cmocka_unit_test(the_window_has_a_greatest_size),
        cmocka_unit_test(a_rate_is_the_mean_of_the_last_seconds),
        cmocka_unit_test(a_young_rate_counts_its_own_age_but_at_least_a_second),
        cmocka_unit_test(a_long_silence_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
