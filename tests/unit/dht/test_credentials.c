/* Unit tests of dht/credentials: what a node shows, and how often it pays for what others show.
 * Attacks: test_trust_attacks.c. */
#include "../receipt/faulty_mem.h"
#include "trust_kit.h"

static const pbts_addr HERE = { .family = PBTS_IPV4, .ip = { 10, 0, 0, 7 }, .port = 6881 };

static void a_certificate_is_believed_and_says_who_and_where(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *a = node_of(&it, 1), *b = node_of(&it, 2);
    pbts_dht_member member;
    assert_int_equal(shown(b, &member, pbts_dht_credentials_certificate(a), NOW), PBTS_OK);
    const pbts_dht_member *self = pbts_dht_credentials_self(a);
    pbts_dht_id id;
    uint8_t owner[PBTS_DHT_OWNER_LEN];
    pbts_epoch_beacon beacon = beacon_at(&it, NOW);
    key_pair user = key_of(1);
    pbts_dht_node_id(&id, &user.key, &beacon);
    pbts_dht_owner(owner, &user.key);
    assert_memory_equal(&member.id, &id, sizeof id);
    assert_memory_equal(member.owner, owner, sizeof owner);
    assert_memory_equal(&self->id, &id, sizeof id);
    assert_memory_equal(self->owner, owner, sizeof owner);
    assert_memory_equal(member.session_key, self->session_key, sizeof self->session_key);
    assert_true(member.expires_s == self->expires_s && !member.seeds_only);
    assert_true(member.expires_s > NOW && member.expires_s <= NOW + 86400);
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(b);
}

static void packets_are_signed_and_verified(void **state) {
    (void)state;
    instance it = instance_new(0x11), other = instance_new(0x22);
    pbts_dht_credentials *a = node_of(&it, 1), *b = node_of(&it, 2), *c = node_of(&other, 3);
    pbts_dht_trust ta = pbts_dht_credentials_trust(a), tb = pbts_dht_credentials_trust(b),
                   tc = pbts_dht_credentials_trust(c);
    const pbts_dht_member *from = pbts_dht_credentials_self(a);
    uint8_t digest[32] = { 1, 2, 3 }, signature[64];
    ta.ops->sign_packet(ta.self, signature, digest);
    assert_true(tb.ops->verify_packet(tb.self, from, digest, signature));
    assert_false(tb.ops->verify_packet(tb.self, pbts_dht_credentials_self(b), digest, signature));
    assert_false(tc.ops->verify_packet(tc.self, from, digest, signature)); /* its instance */
    for (size_t i = 0; i < sizeof signature; i++) {
        signature[i] ^= 1;
        assert_false(tb.ops->verify_packet(tb.self, from, digest, signature));
        signature[i] ^= 1;
    }
    digest[31] = 1;
    assert_false(tb.ops->verify_packet(tb.self, from, digest, signature));
    assert_int_equal(stats_of(b).pairings, 1); /* of its own beacon */
    assert_int_equal(stats_of(b).packets_checked, 67);
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(b);
    pbts_dht_credentials_free(c);
}

/* An announce costs no pairing, once the certificate is known. */
static void a_certificate_costs_its_pairing_once(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *a = node_of(&it, 1), *b = node_of(&it, 2);
    pbts_dht_member member;
    uint64_t before = stats_of(b).pairings;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(shown(b, &member, pbts_dht_credentials_certificate(a), NOW), PBTS_OK);
    }
    for (int i = 0; i < 5; i++) {
        uint8_t bytes[PBTS_DHT_RECORD_LEN];
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_dht_record record = { .addr = HERE, .sequence = 1, .expires_s = UINT64_MAX };
        assert_int_equal(pbts_dht_credentials_announce(a, &writer, &record, NOW), PBTS_OK);
        assert_int_equal(told(b, &record, PBTS_SPAN_OF(bytes), NOW), PBTS_OK);
    }
    assert_int_equal(stats_of(b).pairings - before, 1);
    assert_int_equal(stats_of(b).known_good, 9);
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(b);
}

static void garbage_costs_its_pairing_once(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *b = node_of(&it, 2);
    certificate_made made = certificate_of(&it, 1, 1);
    made.bytes[PBTS_DHT_CERTIFICATE_LEN - 49] ^= 1; /* its end */
    pbts_dht_member member;
    uint64_t before = stats_of(b).pairings;
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(shown(b, &member, PBTS_SPAN_OF(made.bytes), NOW + i), PBTS_BAD_SIGNATURE);
    }
    assert_int_equal(stats_of(b).pairings - before, 1);
    assert_int_equal(stats_of(b).known_bad, 9);
    assert_int_equal(shown(b, &member, PBTS_SPAN_OF(made.bytes), NOW + 600), PBTS_BAD_SIGNATURE);
    assert_int_equal(stats_of(b).pairings - before, 2);
    pbts_dht_credentials_free(b);
}

/* ---- beacons ---- */

static void a_node_takes_newer_beacons_and_no_older(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *node = stranger_of(&it, pbts_mem_system());
    assert_int_equal(pbts_dht_credentials_beacon(node).len, 0);
    learn(node, &it, NOW, NOW, PBTS_OK);
    learn(node, &it, NOW, NOW, PBTS_EXISTS);
    learn(node, &it, NOW - DAY, NOW, PBTS_STALE);
    learn(node, &it, NOW + DAY, NOW, PBTS_STALE); /* to come */
    beacon_text beacon = beacon_bytes(&it, NOW);
    assert_true(pbts_span_equal(pbts_dht_credentials_beacon(node), PBTS_SPAN_OF(beacon.bytes)));
    learn(node, &it, NOW + DAY, NOW + DAY, PBTS_OK);
    learn(node, &it, NOW, NOW + DAY, PBTS_EXISTS);
    learn(node, &it, NOW, NOW + DAY + PBTS_DHT_OVERLAP_S - 1, PBTS_EXISTS);
    learn(node, &it, NOW, NOW + DAY + PBTS_DHT_OVERLAP_S, PBTS_STALE);
    assert_int_equal(stats_of(node).pairings, 2);
    pbts_dht_credentials_free(node);
}

static void a_clock_may_be_a_little_slow_for_a_new_beacon(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *node = stranger_of(&it, pbts_mem_system());
    learn(node, &it, DAY0, DAY0 - PBTS_DHT_CLOCK_SLACK_S - 1, PBTS_STALE);
    learn(node, &it, DAY0, DAY0 - PBTS_DHT_CLOCK_SLACK_S, PBTS_OK);
    pbts_dht_credentials_free(node);
}

static void beacons_of_others_are_not_taken(void **state) {
    (void)state;
    instance it = instance_new(0x11), other = instance_new(0x22);
    pbts_dht_credentials *node = stranger_of(&it, pbts_mem_system());
    learn(node, &other, NOW, NOW, PBTS_BAD_SIGNATURE);
    it.tracker = key_of(10);
    learn(node, &it, NOW, NOW, PBTS_BAD_SIGNATURE);
    beacon_text beacon = beacon_bytes(&other, NOW);
    pbts_span cut = { beacon.bytes, sizeof beacon.bytes - 1 };
    assert_int_equal(pbts_dht_credentials_learn_beacon(node, cut, NOW), PBTS_MALFORMED);
    assert_int_equal(pbts_dht_credentials_beacon(node).len, 0);
    pbts_dht_credentials_free(node);
}

/* Two are good around the change, so nobody loses all of his peers at once. */
static void around_a_change_both_places_are_good(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *old = node_of(&it, 1), *node = node_of(&it, 2);
    key_pair user = key_of(1);
    pbts_membership membership = membership_of(&it, &user);
    pbts_dht_member member;
    const uint64_t change = DAY0 + DAY;
    assert_int_equal(pbts_dht_credentials_certify(old, &user.secret, &membership, change - 60),
                     PBTS_OK);
    uint8_t before[PBTS_DHT_CERTIFICATE_LEN];
    memcpy(before, pbts_dht_credentials_certificate(old).data, sizeof before);
    learn(node, &it, change, change, PBTS_OK);
    assert_int_equal(shown(node, &member, PBTS_SPAN_OF(before), change), PBTS_OK);
    learn(old, &it, change, change + 60, PBTS_OK);
    assert_true(pbts_dht_credentials_is_due(old, change + 60));
    assert_int_equal(pbts_dht_credentials_certify(old, &user.secret, &membership, change + 60),
                     PBTS_OK);
    pbts_span after = pbts_dht_credentials_certificate(old);
    pbts_dht_member moved;
    assert_int_equal(shown(node, &moved, after, change + 60), PBTS_OK);
    assert_memory_not_equal(&moved.id, &member.id, sizeof member.id);
    assert_memory_equal(moved.owner, member.owner, sizeof member.owner);
    uint64_t over = change + PBTS_DHT_OVERLAP_S;
    assert_int_equal(shown(node, &member, PBTS_SPAN_OF(before), over - 1), PBTS_OK);
    assert_int_equal(shown(node, &member, PBTS_SPAN_OF(before), over), PBTS_STALE);
    assert_int_equal(shown(node, &member, after, over), PBTS_OK);
    pbts_dht_credentials_free(old);
    pbts_dht_credentials_free(node);
}

/* Who was away is told by the first certificate that it sees. */
static void a_certificate_brings_the_newer_beacon(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *a = node_of(&it, 1), *late = stranger_of(&it, pbts_mem_system());
    pbts_dht_member member;
    learn(late, &it, NOW - 3 * DAY, NOW, PBTS_OK);
    assert_int_equal(shown(late, &member, pbts_dht_credentials_certificate(a), NOW), PBTS_OK);
    beacon_text beacon = beacon_bytes(&it, NOW);
    assert_true(pbts_span_equal(pbts_dht_credentials_beacon(late), PBTS_SPAN_OF(beacon.bytes)));
    assert_int_equal(stats_of(late).pairings, 3); /* two beacons, one certificate */
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(late);
}

/* ---- the tracker away ---- */

/* Years after the last beacon its members still find each other: nobody could be taken in or put
 * out since, so the tracker's time stands. */
static void an_outage_of_any_length_loses_no_member(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *a = node_of(&it, 1), *b = node_of(&it, 2);
    key_pair user = key_of(1);
    pbts_membership membership = membership_of(&it, &user);
    const uint64_t later = NOW + UINT64_C(3) * 365 * 86400;
    pbts_dht_member member;
    assert_true(later > membership.expires);
    assert_true(pbts_dht_credentials_is_due(a, later));
    assert_int_equal(shown(b, &member, pbts_dht_credentials_certificate(a), later), PBTS_STALE);
    assert_int_equal(pbts_dht_credentials_certify(a, &user.secret, &membership, later), PBTS_OK);
    assert_int_equal(shown(b, &member, pbts_dht_credentials_certificate(a), later), PBTS_OK);
    assert_true(member.expires_s == later + PBTS_DHT_OUTAGE_LIFE_S);
    assert_false(pbts_dht_credentials_is_due(a, later));
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(b);
}

/* While the tracker speaks, a membership that is not renewed ends. */
static void a_membership_ends_by_the_trackers_time(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *a = node_of(&it, 1), *b = node_of(&it, 2);
    key_pair user = key_of(1);
    pbts_membership membership = membership_of(&it, &user);
    pbts_dht_member member;
    const uint64_t last = DAY0 + UINT64_C(30) * DAY, over = last + DAY;
    const uint64_t made = last + 5 * 3600; /* so that the certificate outlives the membership */
    assert_true(membership.expires > last && membership.expires <= over);
    learn(a, &it, last, last, PBTS_OK);
    learn(b, &it, last, last, PBTS_OK);
    assert_int_equal(pbts_dht_credentials_certify(a, &user.secret, &membership, made), PBTS_OK);
    pbts_span certificate = pbts_dht_credentials_certificate(a);
    assert_true(pbts_dht_credentials_self(a)->expires_s > over);
    assert_int_equal(shown(b, &member, certificate, made), PBTS_OK);
    pbts_dht_credentials *c = node_of(&it, 3); /* has not seen it before */
    learn(c, &it, last, last, PBTS_OK);
    learn(b, &it, over, over, PBTS_OK);
    learn(c, &it, over, over, PBTS_OK);
    uint64_t pairings = stats_of(c).pairings;
    assert_int_equal(shown(b, &member, certificate, over), PBTS_STALE);
    assert_int_equal(shown(c, &member, certificate, over), PBTS_STALE);
    assert_int_equal(stats_of(c).pairings, pairings);
    learn(a, &it, over, over, PBTS_OK);
    assert_int_equal(pbts_dht_credentials_certify(a, &user.secret, &membership, over), PBTS_STALE);
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(b);
    pbts_dht_credentials_free(c);
}

/* ---- the own certificate ---- */

static void a_node_certifies_what_is_its_own_only(void **state) {
    (void)state;
    instance it = instance_new(0x11), other = instance_new(0x22);
    key_pair user = key_of(1), somebody = key_of(2);
    pbts_membership good = membership_of(&it, &user), bad;
    pbts_dht_credentials *node = stranger_of(&it, pbts_mem_system());
    assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &good, NOW), PBTS_NOT_FOUND);
    learn(node, &it, NOW, NOW, PBTS_OK);
    assert_true(pbts_dht_credentials_is_due(node, NOW));
    assert_int_equal(pbts_dht_credentials_certify(node, &somebody.secret, &good, NOW), PBTS_DENIED);
    bad = membership_of(&other, &user);
    assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &bad, NOW),
                     PBTS_BAD_SIGNATURE);
    bad = good;
    bad.up_bytes++;
    assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &bad, NOW),
                     PBTS_BAD_SIGNATURE);
    assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &good,
                                                  good.issued - PBTS_DHT_CLOCK_SLACK_S - 1),
                     PBTS_STALE);
    assert_int_equal(pbts_dht_credentials_certificate(node).len, 0);
    assert_null(pbts_dht_credentials_self(node));
    pbts_writer writer = pbts_writer_over(NULL, 0);
    pbts_dht_record record = { .addr = HERE, .expires_s = UINT64_MAX };
    assert_int_equal(pbts_dht_credentials_announce(node, &writer, &record, NOW), PBTS_NOT_FOUND);
    assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &good, NOW), PBTS_OK);
    assert_false(pbts_dht_credentials_is_due(node, NOW));
    pbts_dht_credentials_free(node);
}

/* Nobody takes a certificate before it begins, so who made one by a clock that was ahead would be
 * nobody's neighbour for as long. */
static void a_certificate_is_made_anew_when_the_clock_is_set_back(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *a = node_of(&it, 1), *b = node_of(&it, 2);
    key_pair user = key_of(1);
    pbts_membership membership = membership_of(&it, &user);
    pbts_dht_member member;
    const uint64_t ahead = NOW + DAY, slack = PBTS_DHT_CLOCK_SLACK_S;
    assert_int_equal(pbts_dht_credentials_certify(a, &user.secret, &membership, ahead), PBTS_OK);
    assert_int_equal(shown(b, &member, pbts_dht_credentials_certificate(a), NOW), PBTS_STALE);
    assert_false(pbts_dht_credentials_is_due(a, ahead));
    assert_false(pbts_dht_credentials_is_due(a, ahead - slack)); /* which others take */
    assert_true(pbts_dht_credentials_is_due(a, ahead - slack - 1));
    assert_true(pbts_dht_credentials_is_due(a, NOW));
    assert_int_equal(pbts_dht_credentials_certify(a, &user.secret, &membership, NOW), PBTS_OK);
    assert_int_equal(shown(b, &member, pbts_dht_credentials_certificate(a), NOW), PBTS_OK);
    assert_false(pbts_dht_credentials_is_due(a, NOW));
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(b);
}

static void certificates_end_soon_after_their_beacon(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    key_pair user = key_of(1);
    pbts_membership membership = membership_of(&it, &user);
    pbts_dht_credentials *node = stranger_of(&it, pbts_mem_system());
    learn(node, &it, DAY0, NOW, PBTS_OK);
    static const struct {
        uint64_t into_s, ends_s; /* of the beacon's day */
    } CASES[] = {
        { 5 * 3600, 26 * 3600 },
        { 19 * 3600, 26 * 3600 },
        { 21 * 3600, 27 * 3600 }, /* six hours at least */
        { 100 * 3600, 106 * 3600 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint64_t now = DAY0 + CASES[i].into_s, ends = DAY0 + CASES[i].ends_s;
        assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &membership, now),
                         PBTS_OK);
        assert_true(pbts_dht_credentials_self(node)->expires_s == ends);
        assert_false(pbts_dht_credentials_is_due(node, ends - PBTS_DHT_RENEW_S - 1));
        assert_true(pbts_dht_credentials_is_due(node, ends - PBTS_DHT_RENEW_S));
    }
    pbts_dht_credentials_free(node);
}

static void every_certificate_has_a_session_key_of_its_own(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    key_pair user = key_of(1);
    pbts_membership membership = membership_of(&it, &user);
    pbts_dht_credentials *node = node_of(&it, 1);
    pbts_dht_member first = *pbts_dht_credentials_self(node);
    assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &membership, NOW), PBTS_OK);
    assert_memory_not_equal(first.session_key, pbts_dht_credentials_self(node)->session_key, 33);
    pbts_dht_credentials_free(node);
}

/* ---- announces ---- */

static void an_announce_says_what_was_asked(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *a = node_of(&it, 1), *b = node_of(&it, 2);
    uint8_t bytes[PBTS_DHT_RECORD_LEN];
    for (unsigned flags = 0; flags < 4; flags++) {
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_dht_record said = { .key = { { 7 } },
                                 .addr = HERE,
                                 .sequence = 10 + flags,
                                 .expires_s = NOW + 1000,
                                 .stopped = (flags & 1) != 0,
                                 .seeder = (flags & 2) != 0 };
        pbts_dht_record heard;
        assert_int_equal(pbts_dht_credentials_announce(a, &writer, &said, NOW), PBTS_OK);
        assert_int_equal(told(b, &heard, PBTS_SPAN_OF(bytes), NOW), PBTS_OK);
        assert_memory_equal(&heard.key, &said.key, sizeof said.key);
        assert_memory_equal(heard.owner, pbts_dht_credentials_self(a)->owner, 32);
        assert_true(pbts_addr_equal_ip(&heard.addr, &HERE) && heard.addr.port == HERE.port);
        assert_true(heard.sequence == 10 + flags && heard.expires_s == NOW + 1000);
        assert_true(heard.stopped == said.stopped && heard.seeder == said.seeder);
    }
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(b);
}

static void an_announce_ends_with_its_longest_life_and_its_certificate(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *a = node_of(&it, 1), *b = node_of(&it, 2);
    uint64_t ends = pbts_dht_credentials_self(a)->expires_s;
    const struct {
        uint64_t now, want;
    } CASES[] = {
        { NOW, NOW + PBTS_DHT_RECORD_LIFE_MAX_S },
        { ends - 60, ends },
    };
    uint8_t bytes[PBTS_DHT_RECORD_LEN];
    pbts_dht_record record = { .addr = HERE, .expires_s = UINT64_MAX }, heard;
    for (size_t i = 0; i < 2; i++) {
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        assert_int_equal(pbts_dht_credentials_announce(a, &writer, &record, CASES[i].now), PBTS_OK);
        assert_int_equal(told(b, &heard, PBTS_SPAN_OF(bytes), CASES[i].now), PBTS_OK);
        assert_true(heard.expires_s == CASES[i].want);
    }
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    assert_int_equal(pbts_dht_credentials_announce(a, &writer, &record, ends), PBTS_NOT_FOUND);
    assert_int_equal(pbts_dht_credentials_announce(a, &writer, &record, NOW), PBTS_OK);
    writer = pbts_writer_over(bytes, sizeof bytes - 1);
    assert_int_equal(pbts_dht_credentials_announce(a, &writer, &record, NOW), PBTS_NO_SPACE);
    record.addr.port = 0;
    assert_int_equal(pbts_dht_credentials_announce(a, &writer, &record, NOW), PBTS_MALFORMED);
    pbts_dht_credentials_free(a);
    pbts_dht_credentials_free(b);
}

/* ---- resources ---- */

static pbts_status failing_fill(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    (void)out;
    (void)len;
    return PBTS_IO;
}

static void without_memory_or_randomness_there_are_no_credentials(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    pbts_dht_credentials *node;
    pbts_random failing = { failing_fill };
    pbts_dht_credentials_config config = { .random = pbts_random_system(),
                                           .tracker = it.tracker_point,
                                           .verdicts_max = 64 };
    for (size_t n = 0;; n++) {
        faulty_mem mem = mem_failing_at(n);
        config.mem = &mem.mem;
        pbts_status status = pbts_dht_credentials_new(&node, &config);
        if (status == PBTS_OK) {
            assert_true(n >= 3); /* itself, and both halves of the cache */
            pbts_dht_credentials_free(node);
            assert_int_equal(mem.live, 0);
            break;
        }
        assert_int_equal(status, PBTS_NO_MEMORY);
        assert_int_equal(mem.live, 0);
    }
    config.mem = pbts_mem_system();
    config.random = &failing;
    assert_int_equal(pbts_dht_credentials_new(&node, &config), PBTS_IO);
    pbts_dht_credentials_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_believed_and_says_who_and_where),
        cmocka_unit_test(packets_are_signed_and_verified),
        cmocka_unit_test(a_certificate_costs_its_pairing_once),
        cmocka_unit_test(garbage_costs_its_pairing_once),
        cmocka_unit_test(a_node_takes_newer_beacons_and_no_older),
        cmocka_unit_test(a_clock_may_be_a_little_slow_for_a_new_beacon),
        cmocka_unit_test(beacons_of_others_are_not_taken),
        cmocka_unit_test(around_a_change_both_places_are_good),
        cmocka_unit_test(a_certificate_brings_the_newer_beacon),
        cmocka_unit_test(an_outage_of_any_length_loses_no_member),
        cmocka_unit_test(a_membership_ends_by_the_trackers_time),
        cmocka_unit_test(a_node_certifies_what_is_its_own_only),
        cmocka_unit_test(a_certificate_is_made_anew_when_the_clock_is_set_back),
        cmocka_unit_test(certificates_end_soon_after_their_beacon),
        cmocka_unit_test(every_certificate_has_a_session_key_of_its_own),
        cmocka_unit_test(an_announce_says_what_was_asked),
        cmocka_unit_test(an_announce_ends_with_its_longest_life_and_its_certificate),
        cmocka_unit_test(without_memory_or_randomness_there_are_no_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
