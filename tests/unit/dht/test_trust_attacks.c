/* What an attacker shows or says, against the real port: each is refused with its own status, and
 * what needs no pairing costs none. */
#include "trust_kit.h"

static const pbts_addr HERE = { .family = PBTS_IPV4, .ip = { 10, 0, 0, 7 }, .port = 6881 };

/* ---- certificates ---- */

typedef struct {
    instance it, other;
    pbts_dht_credentials *node; /* the victim, user 2's */
    uint64_t pairings;
} world;

static world world_new(void) {
    world w = { .it = instance_new(0x11), .other = instance_new(0x22) };
    w.node = node_of(&w.it, 2);
    w.pairings = stats_of(w.node).pairings;
    return w;
}

static void refused(world *w, const certificate_made *made, uint64_t now_s, pbts_status want,
                    uint64_t pairings) {
    pbts_dht_member member;
    assert_int_equal(shown(w->node, &member, PBTS_SPAN_OF(made->bytes), now_s), want);
    assert_int_equal(stats_of(w->node).pairings - w->pairings, pairings);
    w->pairings = stats_of(w->node).pairings;
}

static void a_key_that_is_not_registered_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    key_pair stranger = key_of(77);
    /* It signs its own membership; takes another's; signs the tracker's part as its own. */
    made.it.membership.key = stranger.key;
    pbts_membership_sign(&made.it.membership, w.it.iid, &stranger.secret);
    certificate_finish(&made, &w.it, stranger);
    refused(&w, &made, NOW, PBTS_BAD_SIGNATURE, 1);
    made = certificate_of(&w.it, 1, 1);
    made.it.membership.key = stranger.key;
    certificate_finish(&made, &w.it, stranger);
    refused(&w, &made, NOW, PBTS_BAD_SIGNATURE, 1);
    pbts_dht_credentials_free(w.node);
}

/* Sybils: any number of session keys of one member have one place and one owner. */
static void one_member_has_one_place_whatever_it_certifies(void **state) {
    (void)state;
    world w = world_new();
    pbts_dht_member first, member;
    for (uint8_t n = 1; n <= 10; n++) {
        certificate_made made = certificate_of(&w.it, 1, n);
        assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(made.bytes), NOW), PBTS_OK);
        if (n == 1) first = member;
        assert_memory_equal(&member.id, &first.id, sizeof first.id);
        assert_memory_equal(member.owner, first.owner, sizeof first.owner);
    }
    pbts_dht_credentials_free(w.node);
}

static void the_certificate_of_another_key_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    certificate_finish(&made, &w.it, key_of(3)); /* user 1's membership, signed by 3 */
    refused(&w, &made, NOW, PBTS_BAD_SIGNATURE, 1);
    pbts_dht_credentials_free(w.node);
}

static void a_certificate_of_another_instance_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.other, 1, 1);
    refused(&w, &made, NOW, PBTS_BAD_SIGNATURE, 0); /* its beacon is another */
    made = certificate_of(&w.it, 1, 1);
    made.it.membership = membership_of(&w.other, &(key_pair){ .key = made.it.membership.key });
    certificate_finish(&made, &w.it, key_of(1));
    refused(&w, &made, NOW, PBTS_BAD_SIGNATURE, 1);
    made = certificate_of(&w.it, 1, 1);
    certificate_finish(&made, &w.other, key_of(1));
    refused(&w, &made, NOW, PBTS_BAD_SIGNATURE, 1);
    pbts_dht_credentials_free(w.node);
}

static void a_certificate_is_good_between_its_times_only(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    pbts_dht_member member;
    refused(&w, &made, NOW - PBTS_DHT_CLOCK_SLACK_S - 1, PBTS_STALE, 0);
    assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(made.bytes), NOW - PBTS_DHT_CLOCK_SLACK_S),
                     PBTS_OK);
    w.pairings = stats_of(w.node).pairings;
    assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(made.bytes), NOW + 3599), PBTS_OK);
    refused(&w, &made, NOW + 3600, PBTS_STALE, 0);
    /* Nor when it was never seen before. */
    certificate_made unseen = certificate_of(&w.it, 3, 1);
    refused(&w, &unseen, NOW + 3600, PBTS_STALE, 0);
    pbts_dht_credentials_free(w.node);
}

/* Or a cheater would be at two places for a day, and all who are honest at one. */
static void a_certificate_made_to_outlast_its_beacon_ends_with_it(void **state) {
    (void)state;
    const uint64_t day_end = DAY0 + DAY;
    const struct {
        uint64_t issued, life_s, ends;
    } CASES[] = {
        /* What an honest one would be, by a clock that is fast. */
        { NOW, day_end + PBTS_DHT_OVERLAP_S - NOW, day_end + PBTS_DHT_OVERLAP_S },
        { day_end - 60, PBTS_DHT_OUTAGE_LIFE_S + 299, day_end + PBTS_DHT_OUTAGE_LIFE_S + 239 },
        { day_end - 60, DAY, day_end - 60 + PBTS_DHT_OUTAGE_LIFE_S + PBTS_DHT_CLOCK_SLACK_S },
        { day_end - 7 * 3600, DAY, day_end + PBTS_DHT_OVERLAP_S + PBTS_DHT_CLOCK_SLACK_S },
        { NOW + 9 * DAY, DAY, /* in an outage */
          NOW + 9 * DAY + PBTS_DHT_OUTAGE_LIFE_S + PBTS_DHT_CLOCK_SLACK_S },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        world w = world_new();
        pbts_dht_member member;
        certificate_made made = certificate_of(&w.it, 1, 1);
        made.it.issued = CASES[i].issued;
        made.it.expires = CASES[i].issued + CASES[i].life_s;
        certificate_finish(&made, &w.it, key_of(1));
        assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(made.bytes), CASES[i].issued),
                         PBTS_OK);
        if (member.expires_s != CASES[i].ends) fail_msg("case %zu", i);
        assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(made.bytes), CASES[i].ends - 1),
                         PBTS_OK);
        assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(made.bytes), CASES[i].ends),
                         PBTS_STALE);
        pbts_dht_credentials_free(w.node);
    }
}

static void a_certificate_of_an_epoch_that_is_over_or_to_come_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    made.it.beacon = beacon_at(&w.it, NOW - DAY);
    certificate_finish(&made, &w.it, key_of(1));
    refused(&w, &made, NOW, PBTS_STALE, 0);
    made.it.beacon = beacon_at(&w.it, NOW + DAY);
    certificate_finish(&made, &w.it, key_of(1));
    refused(&w, &made, NOW, PBTS_STALE, 0);
    /* A place of one's own choice: the present epoch with a signature that the tracker never made.
     */
    made.it.beacon = beacon_at(&w.it, NOW);
    key_pair user = key_of(1);
    pbts_bls_sign(&made.it.beacon.signature, &user.secret, PBTS_BLS_DHT_BEACON,
                  pbts_span_text("near the target"));
    certificate_finish(&made, &w.it, key_of(1));
    refused(&w, &made, NOW, PBTS_BAD_SIGNATURE, 0);
    pbts_dht_credentials_free(w.node);
}

/* A forged beacon of a newer epoch costs its pairing once and moves nobody. */
static void a_forged_beacon_moves_nobody(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    const uint64_t later = NOW + 2 * DAY;
    made.it.beacon.epoch += PBTS_DHT_BEACON_EPOCHS;
    made.it.issued = later;
    made.it.expires = later + 60;
    certificate_finish(&made, &w.it, key_of(1));
    refused(&w, &made, later, PBTS_BAD_SIGNATURE, 1);
    refused(&w, &made, later, PBTS_BAD_SIGNATURE, 0);
    beacon_text beacon = beacon_bytes(&w.it, NOW);
    assert_true(pbts_span_equal(pbts_dht_credentials_beacon(w.node), PBTS_SPAN_OF(beacon.bytes)));
    pbts_dht_credentials_free(w.node);
}

static void a_membership_of_the_future_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    made.it.membership.issued = NOW + PBTS_DHT_CLOCK_SLACK_S + 1;
    pbts_membership_sign(&made.it.membership, w.it.iid, &w.it.tracker.secret);
    certificate_finish(&made, &w.it, key_of(1));
    refused(&w, &made, NOW, PBTS_STALE, 0);
    pbts_dht_credentials_free(w.node);
}

/* After a rotation of the passkey what was signed before is worth nothing, where the new one was
 * seen. */
static void a_newer_generation_takes_the_older_back(void **state) {
    (void)state;
    world w = world_new();
    certificate_made stolen = certificate_of(&w.it, 1, 1), fresh = certificate_of(&w.it, 1, 2);
    certificate_made unseen = certificate_of(&w.it, 1, 3);
    pbts_dht_member member;
    assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(stolen.bytes), NOW), PBTS_OK);
    fresh.it.membership.generation = 4;
    pbts_membership_sign(&fresh.it.membership, w.it.iid, &w.it.tracker.secret);
    certificate_finish(&fresh, &w.it, key_of(1));
    assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(fresh.bytes), NOW), PBTS_OK);
    w.pairings = stats_of(w.node).pairings;
    refused(&w, &stolen, NOW, PBTS_DENIED, 0);
    refused(&w, &unseen, NOW, PBTS_DENIED, 0);
    assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(fresh.bytes), NOW), PBTS_OK);
    pbts_dht_credentials_free(w.node);
}

/* Two errors that would cancel in a plain sum: a point is added to the membership's signature and
 * taken from the certificate's. */
static void errors_of_two_signatures_do_not_cancel(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    pbts_bls_g1_point point, sum;
    key_pair user = key_of(1);
    assert_int_equal(pbts_bls_signature_decode(&sum, &made.it.membership.signature), PBTS_OK);
    pbts_bls_hash(&point, PBTS_BLS_MEMBER, pbts_span_text("x"));
    pbts_bls_g1_add(&sum, &point);
    pbts_bls_signature moved;
    pbts_bls_signature_encode(&moved, &sum);
    made.it.membership.signature = moved;
    pbts_dht_certificate_sign(&made.it, w.it.iid, &user.secret);
    /* Its negative is the encoding with the other sign bit. */
    pbts_bls_signature x;
    pbts_bls_signature_encode(&x, &point);
    x.bytes[0] ^= 0x20;
    assert_int_equal(pbts_bls_signature_decode(&point, &x), PBTS_OK);
    assert_int_equal(pbts_bls_signature_decode(&sum, &made.it.signature), PBTS_OK);
    pbts_bls_g1_add(&sum, &point);
    pbts_bls_signature_encode(&made.it.signature, &sum);
    pbts_writer writer = pbts_writer_over(made.bytes, sizeof made.bytes);
    pbts_dht_certificate_encode(&writer, &made.it);
    refused(&w, &made, NOW, PBTS_BAD_SIGNATURE, 1);
    pbts_dht_credentials_free(w.node);
}

static void every_changed_byte_of_a_certificate_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    pbts_dht_member member;
    for (size_t i = 0; i < sizeof made.bytes; i++) {
        made.bytes[i] ^= 1;
        pbts_status status = shown(w.node, &member, PBTS_SPAN_OF(made.bytes), NOW);
        if (pbts_status_class(status) != PBTS_REJECT) fail_msg("byte %zu: %d", i, (int)status);
        made.bytes[i] ^= 1;
    }
    assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(made.bytes), NOW), PBTS_OK);
    pbts_dht_credentials_free(w.node);
}

static void what_is_cut_or_too_long_is_malformed_and_free(void **state) {
    (void)state;
    world w = world_new();
    certificate_made made = certificate_of(&w.it, 1, 1);
    uint8_t longer[PBTS_DHT_CERTIFICATE_MAX + 1] = { 0 };
    pbts_dht_member member;
    memcpy(longer, made.bytes, sizeof made.bytes);
    for (size_t len = 0; len <= sizeof longer; len++) {
        if (len == sizeof made.bytes) continue;
        assert_int_equal(shown(w.node, &member, (pbts_span){ longer, len }, NOW), PBTS_MALFORMED);
    }
    assert_int_equal(stats_of(w.node).pairings, w.pairings);
    pbts_dht_credentials_free(w.node);
}

/* ---- announces ---- */

/* A record of user n's, signed with `session`; fields as an attacker likes. */
typedef struct {
    pbts_dht_signed_record it;
    uint8_t bytes[PBTS_DHT_RECORD_LEN];
} record_made;

static void record_finish(record_made *made, const instance *it,
                          const pbts_secp256k1_secret *session) {
    uint8_t digest[32];
    pbts_secp256k1_signer *signer;
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    pbts_dht_signed_record_digest(digest, it->iid, &made->it);
    pbts_secp256k1_sign(signer, &made->it.signature, session, digest);
    pbts_secp256k1_signer_free(signer);
    pbts_writer writer = pbts_writer_over(made->bytes, sizeof made->bytes);
    pbts_dht_signed_record_encode(&writer, &made->it);
    assert_int_equal(writer.len, sizeof made->bytes);
}

static record_made record_of(const instance *it, const certificate_made *certificate) {
    record_made made = { .it = { .key = { { 7 } },
                                 .addr = HERE,
                                 .sequence = 5,
                                 .expires = NOW + 1800,
                                 .certificate = PBTS_SPAN_OF(certificate->bytes) } };
    record_finish(&made, it, &certificate->session);
    return made;
}

static pbts_status heard(world *w, const record_made *made, uint64_t now_s) {
    pbts_dht_record record;
    return told(w->node, &record, PBTS_SPAN_OF(made->bytes), now_s);
}

static void a_stolen_certificate_without_its_session_key_announces_nothing(void **state) {
    (void)state;
    world w = world_new();
    certificate_made stolen = certificate_of(&w.it, 1, 1), own = certificate_of(&w.it, 3, 2);
    record_made made = record_of(&w.it, &stolen);
    assert_int_equal(heard(&w, &made, NOW), PBTS_OK);
    record_finish(&made, &w.it, &own.session); /* another member's key */
    assert_int_equal(heard(&w, &made, NOW), PBTS_BAD_SIGNATURE);
    /* Nor do packets. */
    pbts_dht_trust trust = pbts_dht_credentials_trust(w.node);
    pbts_dht_member member;
    uint8_t digest[32] = { 1 }, signature[64] = { 0 };
    assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(stolen.bytes), NOW), PBTS_OK);
    trust.ops->sign_packet(trust.self, signature, digest); /* by the victim's own */
    assert_false(trust.ops->verify_packet(trust.self, &member, digest, signature));
    pbts_dht_credentials_free(w.node);
}

static void a_record_cannot_be_given_another_certificate(void **state) {
    (void)state;
    world w = world_new();
    certificate_made a = certificate_of(&w.it, 1, 1), b = certificate_of(&w.it, 3, 2);
    /* b certified a's session key, too: what a signed names a's certificate. */
    b.it.session_key = a.it.session_key;
    certificate_finish(&b, &w.it, key_of(3));
    record_made made = record_of(&w.it, &a);
    memcpy(made.bytes + 56, b.bytes, sizeof b.bytes);
    assert_int_equal(heard(&w, &made, NOW), PBTS_BAD_SIGNATURE);
    pbts_dht_credentials_free(w.node);
}

static void a_replayed_record_ends_at_its_time(void **state) {
    (void)state;
    world w = world_new();
    certificate_made certificate = certificate_of(&w.it, 1, 1);
    record_made made = record_of(&w.it, &certificate);
    assert_int_equal(heard(&w, &made, NOW), PBTS_OK);
    assert_int_equal(heard(&w, &made, NOW + 1799), PBTS_OK);
    assert_int_equal(heard(&w, &made, NOW + 1800), PBTS_STALE);
    pbts_dht_credentials_free(w.node);
}

static void a_record_lives_for_two_hours_at_most_whatever_it_says(void **state) {
    (void)state;
    world w = world_new();
    certificate_made certificate = certificate_of(&w.it, 1, 1);
    certificate.it.expires = NOW + PBTS_DHT_CERTIFICATE_LIFE_MAX_S;
    certificate_finish(&certificate, &w.it, key_of(1));
    const struct {
        uint64_t life_s, want_s; /* 0: refused */
    } CASES[] = {
        { PBTS_DHT_RECORD_LIFE_MAX_S, PBTS_DHT_RECORD_LIFE_MAX_S },
        { PBTS_DHT_RECORD_LIFE_MAX_S + PBTS_DHT_CLOCK_SLACK_S, PBTS_DHT_RECORD_LIFE_MAX_S },
        { PBTS_DHT_RECORD_LIFE_MAX_S + PBTS_DHT_CLOCK_SLACK_S + 1, 0 },
        { UINT64_MAX - NOW, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_dht_record record;
        record_made made = record_of(&w.it, &certificate);
        made.it.expires = NOW + CASES[i].life_s;
        record_finish(&made, &w.it, &certificate.session);
        pbts_status status = told(w.node, &record, PBTS_SPAN_OF(made.bytes), NOW);
        assert_int_equal(status, CASES[i].want_s > 0 ? PBTS_OK : PBTS_STALE);
        if (status == PBTS_OK) assert_true(record.expires_s == NOW + CASES[i].want_s);
    }
    pbts_dht_credentials_free(w.node);
}

/* Or whoever had the session key for a moment would have the last word. */
static void a_sequence_of_the_future_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made certificate = certificate_of(&w.it, 1, 1);
    const uint64_t last = (NOW + PBTS_DHT_CLOCK_SLACK_S) * 1000 + 999;
    const uint64_t CASES[] = { 0, last, last + 1, UINT64_MAX };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        record_made made = record_of(&w.it, &certificate);
        made.it.sequence = CASES[i];
        record_finish(&made, &w.it, &certificate.session);
        assert_int_equal(heard(&w, &made, NOW), i < 2 ? PBTS_OK : PBTS_STALE);
    }
    pbts_dht_credentials_free(w.node);
}

static void a_record_does_not_outlive_its_certificate(void **state) {
    (void)state;
    world w = world_new();
    certificate_made certificate = certificate_of(&w.it, 1, 1);
    record_made made = record_of(&w.it, &certificate);
    made.it.expires = certificate.it.expires;
    record_finish(&made, &w.it, &certificate.session);
    assert_int_equal(heard(&w, &made, NOW), PBTS_OK);
    made.it.expires++;
    record_finish(&made, &w.it, &certificate.session);
    assert_int_equal(heard(&w, &made, NOW), PBTS_STALE);
    pbts_dht_credentials_free(w.node);
}

static void a_record_of_another_instance_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made foreign = certificate_of(&w.other, 1, 1), own = certificate_of(&w.it, 1, 1);
    record_made made = record_of(&w.other, &foreign);
    assert_int_equal(heard(&w, &made, NOW), PBTS_BAD_SIGNATURE);
    made = record_of(&w.other, &own); /* a session key that both know */
    assert_int_equal(heard(&w, &made, NOW), PBTS_BAD_SIGNATURE);
    pbts_dht_credentials_free(w.node);
}

/* Index poisoning: another's address, key or sequence in a record that a member signed. */
static void every_changed_byte_of_a_record_is_refused(void **state) {
    (void)state;
    world w = world_new();
    certificate_made certificate = certificate_of(&w.it, 1, 1);
    record_made made = record_of(&w.it, &certificate);
    assert_int_equal(heard(&w, &made, NOW), PBTS_OK);
    for (size_t i = 0; i < sizeof made.bytes; i++) {
        made.bytes[i] ^= 1;
        pbts_status status = heard(&w, &made, NOW);
        if (pbts_status_class(status) != PBTS_REJECT) fail_msg("byte %zu: %d", i, (int)status);
        made.bytes[i] ^= 1;
    }
    assert_int_equal(heard(&w, &made, NOW), PBTS_OK);
    pbts_dht_credentials_free(w.node);
}

/* A packet's signature is no record's, and the other way round, whatever bytes the engine hashes.
 */
static void a_packet_cannot_be_passed_off_as_a_record(void **state) {
    (void)state;
    world w = world_new();
    pbts_dht_credentials *sender = node_of(&w.it, 1);
    pbts_dht_trust trust = pbts_dht_credentials_trust(sender);
    record_made made = { .it = { .addr = HERE,
                                 .expires = NOW + 60,
                                 .certificate = pbts_dht_credentials_certificate(sender) } };
    uint8_t digest[32];
    pbts_dht_signed_record_digest(digest, w.it.iid, &made.it);
    trust.ops->sign_packet(trust.self, made.it.signature.bytes, digest);
    pbts_writer writer = pbts_writer_over(made.bytes, sizeof made.bytes);
    pbts_dht_signed_record_encode(&writer, &made.it);
    assert_int_equal(heard(&w, &made, NOW), PBTS_BAD_SIGNATURE);
    pbts_dht_credentials_free(sender);
    pbts_dht_credentials_free(w.node);
}

/* ---- MinRep ---- */

static certificate_made poor_certificate(const instance *it) {
    certificate_made made = certificate_of(it, 1, 1);
    made.it.membership.up_bytes = 499;
    pbts_membership_sign(&made.it.membership, it->iid, &it->tracker.secret);
    certificate_finish(&made, it, key_of(1));
    return made;
}

static void who_is_below_the_minimum_may_only_seed(void **state) {
    (void)state;
    world w = world_new();
    certificate_made poor = poor_certificate(&w.it);
    pbts_dht_member member;
    assert_int_equal(shown(w.node, &member, PBTS_SPAN_OF(poor.bytes), NOW), PBTS_OK);
    assert_true(member.seeds_only);
    record_made made = record_of(&w.it, &poor);
    assert_int_equal(heard(&w, &made, NOW), PBTS_DENIED);
    made.it.seeder = true;
    record_finish(&made, &w.it, &poor.session);
    assert_int_equal(heard(&w, &made, NOW), PBTS_OK);
    made.it.seeder = false;
    made.it.stopped = true;
    record_finish(&made, &w.it, &poor.session);
    assert_int_equal(heard(&w, &made, NOW), PBTS_OK); /* it leaves */
    pbts_dht_credentials_free(w.node);
}

static void a_node_below_the_minimum_does_not_announce_more(void **state) {
    (void)state;
    instance it = instance_new(0x11);
    key_pair user = key_of(1);
    pbts_membership membership = membership_of(&it, &user);
    membership.up_bytes = 499;
    pbts_membership_sign(&membership, it.iid, &it.tracker.secret);
    pbts_dht_credentials *node = stranger_of(&it, pbts_mem_system());
    learn(node, &it, NOW, NOW, PBTS_OK);
    assert_int_equal(pbts_dht_credentials_certify(node, &user.secret, &membership, NOW), PBTS_OK);
    assert_true(pbts_dht_credentials_self(node)->seeds_only);
    uint8_t bytes[PBTS_DHT_RECORD_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_record record = { .addr = HERE, .expires_s = UINT64_MAX };
    assert_int_equal(pbts_dht_credentials_announce(node, &writer, &record, NOW), PBTS_DENIED);
    record.seeder = true;
    assert_int_equal(pbts_dht_credentials_announce(node, &writer, &record, NOW), PBTS_OK);
    pbts_dht_credentials_free(node);
}

/* The verdict comes from the tracker's own numbers: who edits them breaks the signature. */
static void nobody_mends_his_own_ratio(void **state) {
    (void)state;
    world w = world_new();
    certificate_made poor = poor_certificate(&w.it);
    poor.it.membership.up_bytes = 1 << 20;
    certificate_finish(&poor, &w.it, key_of(1));
    refused(&w, &poor, NOW, PBTS_BAD_SIGNATURE, 1);
    poor = poor_certificate(&w.it);
    poor.it.membership.min_ratio_milli = 0;
    certificate_finish(&poor, &w.it, key_of(1));
    refused(&w, &poor, NOW, PBTS_BAD_SIGNATURE, 1);
    pbts_dht_credentials_free(w.node);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_is_not_registered_is_refused),
        cmocka_unit_test(one_member_has_one_place_whatever_it_certifies),
        cmocka_unit_test(the_certificate_of_another_key_is_refused),
        cmocka_unit_test(a_certificate_of_another_instance_is_refused),
        cmocka_unit_test(a_certificate_is_good_between_its_times_only),
        cmocka_unit_test(a_certificate_made_to_outlast_its_beacon_ends_with_it),
        cmocka_unit_test(a_certificate_of_an_epoch_that_is_over_or_to_come_is_refused),
        cmocka_unit_test(a_forged_beacon_moves_nobody),
        cmocka_unit_test(a_membership_of_the_future_is_refused),
        cmocka_unit_test(a_newer_generation_takes_the_older_back),
        cmocka_unit_test(errors_of_two_signatures_do_not_cancel),
        cmocka_unit_test(every_changed_byte_of_a_certificate_is_refused),
        cmocka_unit_test(what_is_cut_or_too_long_is_malformed_and_free),
        cmocka_unit_test(a_stolen_certificate_without_its_session_key_announces_nothing),
        cmocka_unit_test(a_record_cannot_be_given_another_certificate),
        cmocka_unit_test(a_replayed_record_ends_at_its_time),
        cmocka_unit_test(a_record_lives_for_two_hours_at_most_whatever_it_says),
        cmocka_unit_test(a_sequence_of_the_future_is_refused),
        cmocka_unit_test(a_record_does_not_outlive_its_certificate),
        cmocka_unit_test(a_record_of_another_instance_is_refused),
        cmocka_unit_test(every_changed_byte_of_a_record_is_refused),
        cmocka_unit_test(a_packet_cannot_be_passed_off_as_a_record),
        cmocka_unit_test(who_is_below_the_minimum_may_only_seed),
        cmocka_unit_test(a_node_below_the_minimum_does_not_announce_more),
        cmocka_unit_test(nobody_mends_his_own_ratio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
