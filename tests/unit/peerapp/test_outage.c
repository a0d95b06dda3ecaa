/* Unit tests of apps/pbts-peer/outage.c: when the tracker is away, and what is used then. */
#include "pbts-peer/outage.h"
#include "pbts/pbts_test.h"

static void it_is_away_after_three_tries_that_nobody_answered(void **state) {
    (void)state;
    outage o = { 0 };
    uint64_t now = 100;
    for (int i = 0; i < OUTAGE_TRIES - 1; i++, now += OUTAGE_APART_MS) {
        assert_false(outage_failed(&o, now));
        assert_int_equal(outage_means_now(&o, now), OUTAGE_TRACKER);
    }
    assert_true(outage_failed(&o, now));
    assert_true(o.is_away);
    assert_int_equal(outage_means_now(&o, now), OUTAGE_DHT);
    assert_false(outage_failed(&o, now + 60000)); /* it is said once */
}

static void tries_at_the_same_time_count_as_one(void **state) {
    (void)state;
    outage o = { 0 };
    for (uint64_t now = 0; now < OUTAGE_APART_MS; now += 100) assert_false(outage_failed(&o, now));
    assert_int_equal(o.tries, 1);
    assert_false(outage_failed(&o, OUTAGE_APART_MS));
    assert_int_equal(o.tries, 2);
}

static void an_answer_between_begins_the_count_anew(void **state) {
    (void)state;
    outage o = { 0 };
    uint64_t now = 0;
    for (int i = 0; i < 5 * OUTAGE_TRIES; i++, now += OUTAGE_APART_MS) {
        if (i % OUTAGE_TRIES == OUTAGE_TRIES - 1) {
            assert_false(outage_answered(&o, now));
        } else {
            assert_false(outage_failed(&o, now));
        }
    }
    assert_false(o.is_away);
}

static void both_are_used_for_a_while_after_it_is_back(void **state) {
    (void)state;
    outage o = { 0 };
    uint64_t now = 0;
    while (!outage_failed(&o, now)) now += OUTAGE_APART_MS;
    now += 5000;
    assert_true(outage_answered(&o, now));
    assert_false(outage_answered(&o, now)); /* it is said once */
    assert_false(o.is_away);
    assert_int_equal(outage_means_now(&o, now), OUTAGE_BOTH);
    assert_int_equal(outage_means_now(&o, now + OUTAGE_BESIDE_MS - 1), OUTAGE_BOTH);
    assert_int_equal(outage_means_now(&o, now + OUTAGE_BESIDE_MS), OUTAGE_TRACKER);
}

/* ---- signs and probes ---- */

enum { START = 1000000 };

/* When a sign at this moment has it asked. */
static uint64_t suspected(outage *o, pbts_prng *prng, uint64_t now) {
    outage_suspect(o, prng, now);
    assert_true(o->probe_ms != 0);
    assert_false(outage_probe_is_due(o, o->probe_ms - 1));
    assert_true(outage_probe_is_due(o, o->probe_ms));
    return o->probe_ms;
}

static void after_a_sign_three_probes_find_out(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(1);
    outage o = { 0 };
    (void)outage_answered(&o, START);
    assert_false(outage_probe_is_due(&o, UINT64_MAX)); /* nobody doubts */
    uint64_t now = suspected(&o, &prng, START + 60000);
    assert_in_range(now, START + 60000, START + 60000 + OUTAGE_SPREAD_MS);
    for (int i = 1; i < OUTAGE_TRIES; i++) {
        assert_false(outage_probe_failed(&o, &prng, now));
        assert_int_equal(o.tries, i);
        assert_in_range(o.probe_ms, now + OUTAGE_APART_MS, now + OUTAGE_APART_MS * 5 / 4);
        now = o.probe_ms;
    }
    assert_true(outage_probe_failed(&o, &prng, now));
    assert_int_equal(outage_means_now(&o, now), OUTAGE_DHT);
    assert_in_range(now, START, START + 60000 + OUTAGE_SPREAD_MS + 3 * OUTAGE_APART_MS);
    outage_suspect(&o, &prng, now + 60000); /* it is known */
    assert_false(outage_probe_is_due(&o, UINT64_MAX));
}

static void the_same_sign_is_heard_by_many_and_they_do_not_come_as_one(void **state) {
    (void)state;
    enum { MANY = 1000 };
    pbts_prng prng = pbts_prng_seeded(2);
    unsigned early = 0;
    for (int i = 0; i < MANY; i++) {
        outage o = { 0 };
        (void)outage_answered(&o, START);
        early += suspected(&o, &prng, START + 60000) < START + 60000 + OUTAGE_SPREAD_MS / 2;
    }
    assert_in_range(early, MANY / 2 - 100, MANY / 2 + 100);
}

static void what_the_tracker_answered_meanwhile_counts_for_the_sign(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(3);
    outage o = { 0 };
    (void)outage_answered(&o, START);
    (void)suspected(&o, &prng, START + 60000);
    assert_false(outage_answered(&o, START + 60001)); /* an announce */
    assert_false(outage_probe_is_due(&o, UINT64_MAX));
    uint64_t next = suspected(&o, &prng, START + 60002); /* it rests first */
    assert_in_range(next, START + 60001 + OUTAGE_REST_MS,
                    START + 60002 + OUTAGE_REST_MS + OUTAGE_SPREAD_MS);
    assert_int_equal(o.false_alarms, 0);
}

/* A member who asks the DHT all day: how often a node believes him. */
static void who_cries_wolf_is_believed_less_and_less(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(4);
    outage o = { 0 };
    (void)outage_answered(&o, START);
    uint64_t now = START, least = OUTAGE_REST_MS;
    unsigned probes = 0;
    while (now < START + 24 * 3600000) {
        uint64_t next = suspected(&o, &prng, now);
        assert_in_range(next, now + least, now + least + OUTAGE_SPREAD_MS);
        assert_false(outage_probe_answered(&o, now = next));
        least = 2 * least < OUTAGE_REST_MAX_MS ? 2 * least : OUTAGE_REST_MAX_MS;
        probes++;
    }
    assert_in_range(probes, 24 * 11, 24 * 12 + 5); /* one in five minutes and a little */
    /* In a real outage he is right, within these five minutes; and later a sign is a sign. */
    uint64_t then = suspected(&o, &prng, now);
    assert_true(then <= now + OUTAGE_REST_MAX_MS + OUTAGE_SPREAD_MS);
    assert_false(outage_answered(&o, now + OUTAGE_CALM_MS - OUTAGE_REST_MS));
    now += OUTAGE_CALM_MS;
    assert_in_range(suspected(&o, &prng, now), now, now + OUTAGE_SPREAD_MS);
}

static void an_outage_that_is_real_forgives_the_false_alarms(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(5);
    outage o = { 0 };
    for (int i = 0; i < 5; i++) (void)outage_probe_answered(&o, START);
    assert_int_equal(o.false_alarms, 5);
    uint64_t now = START;
    while (!outage_probe_failed(&o, &prng, now)) now += OUTAGE_APART_MS;
    assert_int_equal(o.false_alarms, 0);
    assert_true(outage_probe_answered(&o, now)); /* it came back before anybody announced */
    outage_suspect(&o, &prng, now + OUTAGE_BESIDE_MS - 1); /* both are used: nothing to find out */
    assert_false(outage_probe_is_due(&o, UINT64_MAX));
    (void)suspected(&o, &prng, now + OUTAGE_BESIDE_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_away_after_three_tries_that_nobody_answered),
        cmocka_unit_test(tries_at_the_same_time_count_as_one),
        cmocka_unit_test(an_answer_between_begins_the_count_anew),
        cmocka_unit_test(both_are_used_for_a_while_after_it_is_back),
        cmocka_unit_test(after_a_sign_three_probes_find_out),
        cmocka_unit_test(the_same_sign_is_heard_by_many_and_they_do_not_come_as_one),
        cmocka_unit_test(what_the_tracker_answered_meanwhile_counts_for_the_sign),
        cmocka_unit_test(who_cries_wolf_is_believed_less_and_less),
        cmocka_unit_test(an_outage_that_is_real_forgives_the_false_alarms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
