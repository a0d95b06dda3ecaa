#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dht/dht_records.h"

enum { NOW = 1000000 };

static const pbts_dht_id OWN = { { 0 } };
static const uint8_t BYTES[PBTS_DHT_RECORD_MAX] = { 1, 2, 3 };

static pbts_addr from(uint32_t prefix) {
    return (pbts_addr){ PBTS_IPV4,
                        { (uint8_t)(prefix >> 16), (uint8_t)(prefix >> 8), (uint8_t)prefix, 1 },
                        1 };
}

static pbts_dht_record record_of(uint32_t key, uint32_t owner, uint64_t sequence) {
    pbts_dht_record record = { .sequence = sequence, .expires_s = NOW + 60 };
    memcpy(record.key.bytes, &(uint32_t){ __builtin_bswap32(key) }, 4);
    memcpy(record.owner, &owner, sizeof owner);
    return record;
}

static pbts_status put(pbts_dht_records *records, uint32_t key, uint32_t owner, uint32_t prefix,
                       uint64_t sequence) {
    pbts_dht_record record = record_of(key, owner, sequence);
    pbts_addr addr = from(prefix);
    return pbts_dht_records_put(records, &record, (pbts_span){ BYTES, 10 }, &addr, NOW);
}

static size_t sample(const pbts_dht_records *records, uint32_t key, size_t max, size_t bytes_max,
                     pbts_span *out) {
    pbts_prng prng = pbts_prng_seeded(5);
    pbts_dht_record record = record_of(key, 0, 0);
    return pbts_dht_records_sample(records, &record.key, out, max, bytes_max, 4, &prng, NOW);
}

static void a_newer_sequence_replaces_and_an_older_does_not(void **state) {
    (void)state;
    pbts_dht_records records;
    pbts_span out[4];
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, 100, 9);
    assert_int_equal(put(&records, 1, 1, 1, 5), PBTS_OK);
    assert_int_equal(put(&records, 1, 1, 1, 5), PBTS_STALE);
    assert_int_equal(put(&records, 1, 1, 1, 4), PBTS_STALE);
    pbts_dht_record newer = record_of(1, 1, 6);
    pbts_addr addr = from(1);
    assert_int_equal(pbts_dht_records_put(&records, &newer, (pbts_span){ BYTES, 7 }, &addr, NOW),
                     PBTS_OK);
    assert_int_equal(sample(&records, 1, 4, 1000, out), 1);
    assert_int_equal(out[0].len, 7);
    assert_int_equal(records.count, 1);
    pbts_dht_records_deinit(&records);
}

static void stopped_takes_it_away_and_an_older_one_does_not_bring_it_back(void **state) {
    (void)state;
    pbts_dht_records records;
    pbts_span out[4];
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, 100, 9);
    assert_int_equal(put(&records, 1, 1, 1, 5), PBTS_OK);
    pbts_dht_record stop = record_of(1, 1, 6);
    pbts_addr addr = from(1);
    stop.stopped = true;
    assert_int_equal(pbts_dht_records_put(&records, &stop, (pbts_span){ BYTES, 7 }, &addr, NOW),
                     PBTS_OK);
    assert_int_equal(sample(&records, 1, 4, 1000, out), 0);
    assert_int_equal(put(&records, 1, 1, 1, 5), PBTS_STALE);
    assert_int_equal(put(&records, 1, 1, 1, 7), PBTS_OK);
    assert_int_equal(sample(&records, 1, 4, 1000, out), 1);
    pbts_dht_records_deinit(&records);
}

static void a_record_lives_two_hours_at_most_and_not_at_its_end(void **state) {
    (void)state;
    pbts_dht_records records;
    pbts_span out[4];
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, 100, 9);
    pbts_dht_record record = record_of(1, 1, 5);
    pbts_addr addr = from(1);
    static const struct {
        uint64_t expires_s;
        pbts_status status;
    } CASES[] = { { NOW, PBTS_STALE },
                  { NOW - 1, PBTS_STALE },
                  { NOW + PBTS_DHT_RECORD_LIFE_MAX_S + 1, PBTS_STALE },
                  { UINT64_MAX, PBTS_STALE },
                  { NOW + PBTS_DHT_RECORD_LIFE_MAX_S, PBTS_OK } };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        record.expires_s = CASES[i].expires_s;
        assert_int_equal(
            pbts_dht_records_put(&records, &record, (pbts_span){ BYTES, 7 }, &addr, NOW),
            CASES[i].status);
    }
    pbts_prng prng = pbts_prng_seeded(1);
    uint64_t end_s = NOW + PBTS_DHT_RECORD_LIFE_MAX_S;
    assert_int_equal(
        pbts_dht_records_sample(&records, &record.key, out, 4, 99, 4, &prng, end_s - 1), 1);
    assert_int_equal(pbts_dht_records_sample(&records, &record.key, out, 4, 99, 4, &prng, end_s),
                     0);
    pbts_dht_records_expire(&records, end_s - 1);
    assert_int_equal(records.count, 1);
    pbts_dht_records_expire(&records, end_s);
    assert_int_equal(records.count, 0);
    pbts_dht_records_deinit(&records);
}

static void one_owner_key_or_prefix_has_so_many(void **state) {
    (void)state;
    pbts_dht_records records;
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, PBTS_DHT_RECORDS_MAX, 9);
    for (uint32_t i = 0; i < PBTS_DHT_RECORDS_OF_OWNER; i++) {
        assert_int_equal(put(&records, 100 + i, 1, i, 1), PBTS_OK);
    }
    assert_int_equal(put(&records, 99, 1, 900, 1), PBTS_LIMIT);
    assert_int_equal(put(&records, 100, 1, 900, 2), PBTS_OK); /* replacing is no more of them */
    for (uint32_t i = 0; i < PBTS_DHT_RECORDS_OF_KEY; i++) {
        assert_int_equal(put(&records, 1, 1000 + i, 1000 + i, 1), PBTS_OK);
    }
    assert_int_equal(put(&records, 1, 5000, 5000, 1), PBTS_LIMIT);
    for (uint32_t i = 0; i < PBTS_DHT_RECORDS_OF_PREFIX; i++) {
        assert_int_equal(put(&records, 10000 + i, 10000 + i, 7777, 1), PBTS_OK);
    }
    assert_int_equal(put(&records, 5, 20000, 7777, 1), PBTS_LIMIT);
    assert_int_equal(put(&records, 5, 20000, 7778, 1), PBTS_OK);
    pbts_dht_records_deinit(&records);
}

static void a_flood_of_far_keys_pushes_out_no_near_one(void **state) {
    (void)state;
    pbts_dht_records records;
    pbts_span out[4];
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, 10, 9);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(put(&records, 0x10000000 + i, i, i, 1), PBTS_OK);
    }
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(put(&records, 0x70000000 + i, 100 + i, 100 + i, 1), PBTS_FULL);
    }
    assert_int_equal(records.capacity, 10); /* no room for more than there may be */
    /* A nearer one takes the place of the farthest. */
    assert_int_equal(put(&records, 0x01000000, 500, 500, 1), PBTS_OK);
    assert_int_equal(records.count, 10);
    assert_int_equal(sample(&records, 0x10000009, 4, 100, out), 0);
    assert_int_equal(sample(&records, 0x10000008, 4, 100, out), 1);
    assert_int_equal(sample(&records, 0x01000000, 4, 100, out), 1);
    pbts_dht_records_deinit(&records);
}

/* Keys can be chosen as close as one likes: a few owners with many push out only one another. */
static void a_few_with_many_near_keys_push_out_nobody_with_few(void **state) {
    (void)state;
    enum { HONEST = 200, FLOODERS = 10, ROOM = 400 };
    pbts_dht_records records;
    pbts_span out[4];
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, ROOM, 9);
    for (uint32_t i = 0; i < HONEST; i++) {
        assert_int_equal(put(&records, 0x70000000 + i, i, i, 1), PBTS_OK);
    }
    for (uint32_t i = 0; i < FLOODERS * PBTS_DHT_RECORDS_OF_OWNER; i++) {
        uint32_t flooder = 1000 + i % FLOODERS;
        pbts_status status = put(&records, 1 + i, flooder, 1000 + i, 1);
        assert_true(status == PBTS_OK || status == PBTS_FULL);
    }
    assert_int_equal(records.count, ROOM);
    for (uint32_t i = 0; i < HONEST; i++) {
        assert_int_equal(sample(&records, 0x70000000 + i, 4, 100, out), 1);
    }
    /* Who comes later has room, too. */
    assert_int_equal(put(&records, 0x7fffffff, 5000, 5000, 1), PBTS_OK);
    assert_int_equal(sample(&records, 0x7fffffff, 4, 100, out), 1);
    pbts_dht_records_deinit(&records);
}

static void whoever_has_most_makes_room_first(void **state) {
    (void)state;
    pbts_dht_records records;
    pbts_span out[4];
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, 5, 9);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(put(&records, 0x30 + i, 1, i, 1), PBTS_OK);
    assert_int_equal(put(&records, 0x70, 2, 5, 1), PBTS_OK);
    assert_int_equal(put(&records, 0x71, 3, 6, 1), PBTS_OK);
    /* Of his own the farthest goes for a nearer one, and nothing for a farther one. */
    assert_int_equal(put(&records, 0x40, 1, 7, 1), PBTS_FULL);
    assert_int_equal(put(&records, 0x20, 1, 7, 1), PBTS_OK);
    assert_int_equal(sample(&records, 0x32, 4, 100, out), 0);
    /* One more of 2's costs 1 the farthest, until both have as many. */
    assert_int_equal(put(&records, 0x72, 2, 7, 1), PBTS_OK);
    assert_int_equal(sample(&records, 0x31, 4, 100, out), 0);
    assert_int_equal(put(&records, 0x10, 2, 8, 1), PBTS_OK); /* nearer than his others */
    assert_int_equal(sample(&records, 0x72, 4, 100, out), 0);
    assert_int_equal(put(&records, 0x73, 2, 8, 1), PBTS_FULL);
    /* With one each left of three, nobody's second is worth the only one of another. */
    assert_int_equal(sample(&records, 0x71, 4, 100, out), 1);
    pbts_dht_records_deinit(&records);
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, 3, 9);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(put(&records, 0x70 + i, i, i, 1), PBTS_OK);
    assert_int_equal(put(&records, 1, 0, 9, 1), PBTS_OK); /* for his own, which is the nearest */
    assert_int_equal(sample(&records, 0x70, 4, 100, out), 0);
    for (uint32_t i = 1; i < 3; i++) {
        assert_int_equal(sample(&records, 0x70 + i, 4, 100, out), 1);
    }
    pbts_dht_records_deinit(&records);
}

static void neighbours_do_not_use_up_what_a_prefix_may_have(void **state) {
    (void)state;
    enum { HERE = 7777 };
    pbts_dht_records records;
    pbts_span out[4];
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, PBTS_DHT_RECORDS_MAX, 9);
    for (uint32_t i = 0; i < PBTS_DHT_RECORDS_OF_PREFIX; i++) {
        assert_int_equal(put(&records, 100 + i, 1 + i % 2, HERE, 1), PBTS_OK);
    }
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(put(&records, 0x10000 + i, 10 + i, HERE, 1), PBTS_OK);
        assert_int_equal(records.count, PBTS_DHT_RECORDS_OF_PREFIX);
    }
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(sample(&records, 0x10000 + i, 4, 100, out), 1);
    }
    /* One who has as much as anybody gets no more. */
    assert_int_equal(put(&records, 5, 1, HERE, 1), PBTS_LIMIT);
    /* A record that moves here is still one, and the last one takes the place of who goes. */
    assert_int_equal(put(&records, 0x71, 3, HERE + 1, 1), PBTS_OK);
    assert_int_equal(records.count, PBTS_DHT_RECORDS_OF_PREFIX + 1);
    assert_int_equal(put(&records, 0x71, 3, HERE, 2), PBTS_OK);
    assert_int_equal(records.count, PBTS_DHT_RECORDS_OF_PREFIX);
    assert_int_equal(sample(&records, 0x71, 4, 100, out), 1);
    pbts_dht_records_deinit(&records);
}

static void a_sample_fits_and_is_fair(void **state) {
    (void)state;
    enum { PEERS = 40, ROUNDS = 2000, TAKEN = 8 };
    pbts_dht_records records;
    unsigned seen[PEERS] = { 0 };
    pbts_dht_records_init(&records, pbts_mem_system(), &OWN, 1000, 9);
    for (uint32_t i = 0; i < PEERS; i++) {
        uint8_t bytes[10] = { (uint8_t)i };
        pbts_dht_record record = record_of(1, i, 1);
        pbts_addr addr = from(i);
        assert_int_equal(pbts_dht_records_put(&records, &record, PBTS_SPAN_OF(bytes), &addr, NOW),
                         PBTS_OK);
    }
    pbts_prng prng = pbts_prng_seeded(3);
    pbts_dht_record record = record_of(1, 0, 0);
    pbts_span out[PEERS];
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = pbts_dht_records_sample(&records, &record.key, out, PEERS, TAKEN * 14 + 13,
                                               4, &prng, NOW);
        assert_int_equal(count, TAKEN);
        for (size_t i = 0; i < count; i++) seen[out[i].data[0]]++;
    }
    /* Each 400 times of 2,000, give or take five standard deviations. */
    for (int i = 0; i < PEERS; i++) assert_in_range(seen[i], 310, 490);
    assert_int_equal(pbts_dht_records_sample(&records, &record.key, out, 3, 9999, 4, &prng, NOW),
                     3);
    pbts_dht_records_deinit(&records);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newer_sequence_replaces_and_an_older_does_not),
        cmocka_unit_test(stopped_takes_it_away_and_an_older_one_does_not_bring_it_back),
        cmocka_unit_test(a_record_lives_two_hours_at_most_and_not_at_its_end),
        cmocka_unit_test(one_owner_key_or_prefix_has_so_many),
        cmocka_unit_test(a_flood_of_far_keys_pushes_out_no_near_one),
        cmocka_unit_test(a_few_with_many_near_keys_push_out_nobody_with_few),
        cmocka_unit_test(whoever_has_most_makes_room_first),
        cmocka_unit_test(neighbours_do_not_use_up_what_a_prefix_may_have),
        cmocka_unit_test(a_sample_fits_and_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
