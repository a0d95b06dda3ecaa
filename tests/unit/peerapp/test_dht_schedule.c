/* Unit tests of apps/pbts-peer/dht_schedule.c: when a torrent asks the DHT, and announces itself.
 */
#include "pbts-peer/dht_schedule.h"
#include "pbts/pbts_test.h"

enum { EPOCH = 500000 };

static uint64_t most(uint64_t wait_ms) {
    return wait_ms + wait_ms / DHT_SCHEDULE_JITTER;
}

static void questions_come_less_and_less_often_until_somebody_is_found(void **state) {
    (void)state;
    static const uint64_t WAITS_S[] = { 5, 10, 20, 40, 80, 160, 300, 300 };
    pbts_prng prng = pbts_prng_seeded(1);
    dht_schedule s = { .get_due_ms = 0 };
    uint64_t now = 1000;
    for (int found = 0; found < 2; found++) { /* finding somebody ends it: the next one is rare */
        for (size_t i = 0; i < sizeof WAITS_S / sizeof WAITS_S[0]; i++) {
            assert_true(dht_schedule_get_is_due(&s, now));
            dht_schedule_got(&s, false, false, &prng, now);
            assert_false(dht_schedule_get_is_due(&s, now + 1000 * WAITS_S[i] - 1));
            assert_true(dht_schedule_get_is_due(&s, now + most(1000 * WAITS_S[i])));
            now = s.get_due_ms;
        }
        dht_schedule_hurry(&s); /* the tracker went, or came: from the beginning */
        assert_true(dht_schedule_get_is_due(&s, 0));
    }
    dht_schedule_got(&s, true, false, &prng, now);
    assert_in_range(s.get_due_ms, now + DHT_GET_MAX_MS / 2, now + most(DHT_GET_MAX_MS / 2));
    dht_schedule_got(&s, false, true, &prng, now);
    assert_in_range(s.get_due_ms, now + DHT_GET_SEEDING_MS, now + most(DHT_GET_SEEDING_MS));
    dht_schedule_get_refused(&s, &prng, now);
    assert_in_range(s.get_due_ms, now + DHT_GET_FIRST_MS, now + most(DHT_GET_FIRST_MS));
}

static void many_that_begin_together_do_not_go_on_together(void **state) {
    (void)state;
    enum { MANY = 1000 };
    pbts_prng prng = pbts_prng_seeded(2);
    unsigned early = 0;
    for (int i = 0; i < MANY; i++) {
        dht_schedule s = { .get_due_ms = 0 };
        dht_slot *slot = dht_schedule_due_slot(&s, EPOCH, 0);
        dht_schedule_announced(slot, &prng, 0);
        early += slot->due_ms < DHT_ANNOUNCE_AGAIN_MS * UINT64_C(9) / 8;
    }
    assert_in_range(early, MANY / 2 - 100, MANY / 2 + 100);
}

/* Two hours, a question of the right key at every moment of them. */
static void every_hour_has_its_announces(void **state) {
    (void)state;
    enum { HOUR_MS = 3600 * 1000 };
    pbts_prng prng = pbts_prng_seeded(3);
    dht_schedule s = { .get_due_ms = 0 };
    uint64_t told_ms[3] = { 0 };
    unsigned announces = 0;
    for (uint64_t now = 1; now < 3 * UINT64_C(3600000); now += 1000) {
        uint64_t unix_s = EPOCH * UINT64_C(3600) + now / 1000, epochs[PBTS_DHT_KEYS_MAX];
        size_t count = pbts_dht_announce_epochs(epochs, unix_s);
        for (size_t i = 0; i < count; i++) {
            dht_slot *slot = dht_schedule_due_slot(&s, epochs[i], now);
            if (slot == NULL) continue;
            assert_true(slot->epoch == epochs[i]);
            dht_schedule_announced(slot, &prng, now);
            if (epochs[i] < EPOCH + 3) told_ms[epochs[i] - EPOCH] = now;
            announces++;
        }
        /* Who asks by the key of now finds what was announced not two hours ago. */
        uint64_t told = told_ms[now / HOUR_MS];
        assert_true(told > 0 && now - told < 2 * UINT64_C(3600000));
        assert_true(dht_schedule_is_announced(&s, EPOCH + now / HOUR_MS));
    }
    assert_in_range(announces, 6, 9); /* two or three for each key */
    assert_false(dht_schedule_is_announced(&s, EPOCH + 4));
}

/* Its slot would stay for good, and this hour's and the next one's take the other from each other.
 */
static void a_clock_that_was_ahead_makes_no_storm_of_announces(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(5);
    dht_schedule s = { .get_due_ms = 0 };
    unsigned announces = 0;
    dht_schedule_announced(dht_schedule_due_slot(&s, EPOCH + 1000, 1), &prng, 1);
    for (uint64_t now = 1; now < 3600 * 1000; now += 1000) {
        uint64_t epochs[PBTS_DHT_KEYS_MAX];
        size_t count = pbts_dht_announce_epochs(epochs, EPOCH * UINT64_C(3600) + now / 1000);
        for (size_t i = 0; i < count; i++) {
            dht_slot *slot = dht_schedule_due_slot(&s, epochs[i], now);
            if (slot == NULL) continue;
            dht_schedule_announced(slot, &prng, now);
            announces++;
        }
    }
    assert_in_range(announces, 2, 3);
}

static void what_nobody_keeps_is_announced_again_soon(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(4);
    dht_schedule s = { .get_due_ms = 0 };
    dht_slot *slot = dht_schedule_due_slot(&s, EPOCH, 1000);
    dht_schedule_announce_refused(slot, &prng, 1000);
    assert_false(dht_schedule_is_announced(&s, EPOCH));
    assert_null(dht_schedule_due_slot(&s, EPOCH, 1000 + DHT_GET_FIRST_MS - 1));
    slot = dht_schedule_due_slot(&s, EPOCH, 1000 + most(DHT_GET_FIRST_MS));
    assert_non_null(slot);
    dht_schedule_announced(slot, &prng, 9000);
    assert_null(dht_schedule_due_slot(&s, EPOCH, 9000 + DHT_ANNOUNCE_AGAIN_MS - 1));
    dht_schedule_nobody_keeps(&s, &prng, 9000);
    assert_null(dht_schedule_due_slot(&s, EPOCH, 9000 + DHT_ANNOUNCE_RETRY_MS - 1));
    assert_non_null(dht_schedule_due_slot(&s, EPOCH, 9000 + most(DHT_ANNOUNCE_RETRY_MS)));
    dht_schedule_announced(slot, &prng, 9000);
    dht_schedule_hurry(&s);
    assert_non_null(dht_schedule_due_slot(&s, EPOCH, 0));
    assert_true(dht_schedule_is_announced(&s, EPOCH)); /* it is still there, to be taken back */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_come_less_and_less_often_until_somebody_is_found),
        cmocka_unit_test(many_that_begin_together_do_not_go_on_together),
        cmocka_unit_test(every_hour_has_its_announces),
        cmocka_unit_test(a_clock_that_was_ahead_makes_no_storm_of_announces),
        cmocka_unit_test(what_nobody_keeps_is_announced_again_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
