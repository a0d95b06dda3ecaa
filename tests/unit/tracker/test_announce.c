/* Admission: who may announce, what their standing allows, and what they are told. */
#include <strings.h>

#include "announcing.h"

static void make_poor(world *w, size_t user) {
    world_set_totals(w, user, 100, 1000);
}

/* ---- who ---- */

static void only_the_current_passkey_lets_in(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    client *c = client_new(w, 0, 0, 1);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_NONE);
    c->announce.passkey = (pbts_span){ 0 };
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_PASSKEY_MISSING);
    c->announce.passkey = pbts_span_text("short");
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_PASSKEY_INVALID);
    c->announce.passkey = pbts_span_text(c->passkey);
    world_rotate(w, 0);
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_PASSKEY_INVALID);
    char old[sizeof c->passkey];
    memcpy(old, c->passkey, sizeof old);
    pbts_tracker_passkey(w->tracker, c->passkey, w->users[0].number);
    assert_memory_not_equal(old, c->passkey, sizeof old);
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_NONE);
    world_restart(w); /* the rotation is on the ledger */
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_NONE);
    memcpy(c->passkey, old, sizeof old);
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_PASSKEY_INVALID);
    free(c);
    world_free(w);
}

static void every_damaged_character_of_a_passkey_is_refused(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    char good[PBTS_PASSKEY_LEN + 1], bad[PBTS_PASSKEY_LEN + 1];
    uint32_t user_no = 0;
    pbts_tracker_passkey(w->tracker, good, w->users[1].number);
    assert_int_equal(pbts_tracker_authenticate(w->tracker, &user_no, pbts_span_text(good)),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(user_no, w->users[1].number);
    for (size_t i = 0; i < PBTS_PASSKEY_LEN; i++) {
        for (const char *p = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; *p != '\0'; p++) {
            memcpy(bad, good, sizeof bad);
            bad[i] = *p;
            if (strcasecmp(bad, good) == 0) continue;
            assert_int_equal(pbts_tracker_authenticate(w->tracker, &user_no, pbts_span_text(bad)),
                             PBTS_REFUSAL_PASSKEY_INVALID);
        }
    }
    world_free(w);
}

static void open_access_lets_anybody_in_but_no_wrong_passkey(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.open_access = true;
    world *w = world_new(&policy, 1, 1);
    client *c = client_new(w, SIZE_MAX, 0, 1);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.incomplete, 1);
    c->announce.passkey = pbts_span_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_PASSKEY_INVALID);
    policy.open_access = false;
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
    c->announce.passkey = (pbts_span){ 0 };
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_PASSKEY_MISSING);
    free(c);
    world_free(w);
}

static void nobody_speaks_for_an_anonymous_peer_by_its_id_alone(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.open_access = true;
    world *w = world_new(&policy, 1, 1);
    client *peer = client_new(w, SIZE_MAX, 0, 1), *foe = client_new(w, SIZE_MAX, 0, 1);
    client *third = client_new(w, SIZE_MAX, 0, 3);
    assert_int_equal(client_says(w, peer, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_NONE);
    foe->from.ip[3] ^= 1;
    assert_int_equal(client_says(w, foe, PBTS_EVENT_STOPPED, 1000), PBTS_REFUSAL_NONE);
    assert_int_equal(foe->reply.incomplete, 1); /* it stays in */
    assert_int_equal(client_says(w, foe, PBTS_EVENT_COMPLETED, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(foe->reply.incomplete, 1); /* is no seeder */
    assert_int_equal(client_says(w, third, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(third->reply.peers4.len, 6); /* and where it was */
    assert_memory_equal(third->reply.peers4.data, peer->from.ip, 4);
    assert_int_equal(client_says(w, peer, PBTS_EVENT_STOPPED, 1000), PBTS_REFUSAL_NONE);
    assert_int_equal(peer->reply.incomplete, 0); /* itself it may leave */
    free(peer);
    free(foe);
    free(third);
    world_free(w);
}

static void a_denied_client_is_refused_by_its_prefix(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.client_deny_count = 2;
    policy.client_deny[0].len = 3;
    memcpy(policy.client_deny[0].prefix, "-XL", 3);
    policy.client_deny[1].len = 8;
    memcpy(policy.client_deny[1].prefix, "-TR3000-", 8);
    world *w = world_new(&policy, 1, 1);
    client *c = client_new(w, 0, 0, 1);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_CLIENT_DENIED);
    c->announce.peer_id[6] = '1'; /* -TR3001- */
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    memcpy(c->announce.peer_id, "-XL0012-", 8);
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 0), PBTS_REFUSAL_CLIENT_DENIED);
    /* It may say goodbye, whatever it is. */
    assert_int_equal(client_says(w, c, PBTS_EVENT_STOPPED, 0), PBTS_REFUSAL_NONE);
    free(c);
    world_free(w);
}

/* ---- the ratio ---- */

static void below_the_ratio_nobody_starts_a_download(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    client *c = client_new(w, 0, 0, 1), *seeder = client_new(w, 0, 0, 2);
    world_set_totals(w, 0, 500, 1000); /* exactly 0.5 */
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_NONE);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STOPPED, 1000), PBTS_REFUSAL_NONE);
    world_set_totals(w, 0, 499, 1000);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_RATIO_TOO_LOW);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, UINT64_MAX), PBTS_REFUSAL_RATIO_TOO_LOW);
    assert_int_equal(client_says(w, seeder, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(seeder->reply.complete, 1);
    assert_int_equal(seeder->reply.incomplete, 0);
    free(c);
    free(seeder);
    world_free(w);
}

static void no_event_gets_a_poor_newcomer_in(void **state) {
    (void)state;
    const pbts_event events[] = { PBTS_EVENT_NONE, PBTS_EVENT_COMPLETED, PBTS_EVENT_STARTED,
                                  PBTS_EVENT_PAUSED };
    world *w = world_new(NULL, 2, 1);
    client *c = client_new(w, 0, 0, 1), *other = client_new(w, 1, 0, 9);
    assert_int_equal(client_says(w, other, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    make_poor(w, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(client_says(w, c, events[i], 1000), PBTS_REFUSAL_RATIO_TOO_LOW);
        assert_int_equal(client_says(w, c, events[i], 1), PBTS_REFUSAL_RATIO_TOO_LOW);
    }
    assert_int_equal(client_says(w, other, PBTS_EVENT_NONE, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(other->reply.incomplete, 0);
    free(c);
    free(other);
    world_free(w);
}

static void a_poor_seeder_cannot_turn_into_a_downloader(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    client *c = client_new(w, 0, 0, 1), *other = client_new(w, 1, 0, 9);
    assert_int_equal(client_says(w, other, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    make_poor(w, 0);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.peers4.len, 0); /* seeders are not sent to seeders */
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_RATIO_TOO_LOW);
    assert_int_equal(client_says(w, c, PBTS_EVENT_PAUSED, 1000), PBTS_REFUSAL_RATIO_TOO_LOW);
    c->from = (pbts_addr){ .family = PBTS_IPV6, .ip = { 0x20, 1 } }; /* nor by its other family */
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_RATIO_TOO_LOW);
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 0), PBTS_REFUSAL_NONE);
    world_set_totals(w, 0, 1000, 1000); /* who recovers may */
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1000), PBTS_REFUSAL_NONE);
    free(c);
    free(other);
    world_free(w);
}

static void who_gets_poor_on_the_way_may_finish(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    client *c = client_new(w, 0, 0, 1), *other = client_new(w, 1, 0, 9);
    assert_int_equal(client_says(w, other, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_NONE);
    make_poor(w, 0);
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 500), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.peers4.len, 6);
    /* A restarted client begins anew: `started` is what the rule is about. */
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 500), PBTS_REFUSAL_RATIO_TOO_LOW);
    assert_int_equal(client_says(w, c, PBTS_EVENT_COMPLETED, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.complete, 2);
    assert_int_equal(c->reply.downloaded, 1);
    free(c);
    free(other);
    world_free(w);
}

static void without_a_ratio_rule_everybody_downloads(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.min_ratio_milli = 0;
    world *w = world_new(&policy, 1, 1);
    client *c = client_new(w, 0, 0, 1);
    world_set_totals(w, 0, 0, UINT64_C(1) << 61);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_NONE);
    free(c);
    world_free(w);
}

/* ---- limits ---- */

static void a_user_shares_so_many_torrents_and_no_more(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.torrents_per_user_max = 2;
    world *w = world_new(&policy, 2, 3);
    client *c[3];
    for (size_t i = 0; i < 3; i++) c[i] = client_new(w, 0, i, 1);
    assert_int_equal(client_says(w, c[0], PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    assert_int_equal(client_says(w, c[1], PBTS_EVENT_STARTED, 9), PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(w, 0).peers, 2);
    assert_int_equal(client_says(w, c[2], PBTS_EVENT_STARTED, 9), PBTS_REFUSAL_TOO_MANY_TORRENTS);
    assert_int_equal(client_says(w, c[2], PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_TOO_MANY_TORRENTS);
    make_poor(w, 0); /* the reason given is the one that holds */
    assert_int_equal(client_says(w, c[2], PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_TOO_MANY_TORRENTS);
    assert_int_equal(client_says(w, c[2], PBTS_EVENT_NONE, 9), PBTS_REFUSAL_RATIO_TOO_LOW);
    assert_int_equal(client_says(w, c[0], PBTS_EVENT_NONE, 0), PBTS_REFUSAL_NONE); /* stays */
    assert_int_equal(client_says(w, c[1], PBTS_EVENT_STOPPED, 9), PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(w, 0).peers, 1);
    assert_int_equal(client_says(w, c[2], PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < 3; i++) free(c[i]);
    world_free(w);
}

static void peer_lists_run_out_and_come_back_with_the_hour(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.peer_lists_per_hour = 3;
    world *w = world_new(&policy, 2, 1);
    client *c = client_new(w, 0, 0, 1), *other = client_new(w, 1, 0, 9);
    w->now.mono_s = 7200; /* the start of an hour */
    assert_int_equal(client_says(w, other, PBTS_EVENT_STARTED, 1), PBTS_REFUSAL_NONE);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1), PBTS_REFUSAL_NONE);
        assert_int_equal(c->reply.peers4.len, 6);
    }
    w->now.mono_s += 3599;
    assert_int_equal(client_says(w, other, PBTS_EVENT_NONE, 1), PBTS_REFUSAL_NONE);
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.peers4.len, 0); /* counted in the swarm, told of nobody */
    assert_int_equal(c->reply.incomplete, 2);
    w->now.mono_s += 1;
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.peers4.len, 6);
    free(c);
    free(other);
    world_free(w);
}

static void numwant_has_a_default_and_a_cap(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.numwant_default = 3;
    policy.numwant_max = 5;
    world *w = world_new(&policy, 1, 1);
    client *c = client_new(w, 0, 0, 1);
    c->announce.numwant = 0;
    policy.peers_per_user_max = 8;
    for (uint8_t id = 10; id < 17; id++) {
        client *other = client_new(w, 0, 0, id);
        other->announce.peer_id[18] = id;
        assert_int_equal(client_says(w, other, PBTS_EVENT_STARTED, 1), PBTS_REFUSAL_NONE);
        free(other);
    }
    const struct {
        int32_t numwant;
        size_t peers;
    } cases[] = { { -1, 3 }, { 0, 0 }, { 1, 1 }, { 5, 5 }, { 6, 5 }, { 200, 5 }, { -7, 3 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        c->announce.numwant = cases[i].numwant;
        assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1), PBTS_REFUSAL_NONE);
        assert_int_equal(c->reply.peers4.len, 6 * cases[i].peers);
    }
    free(c);
    world_free(w);
}

static void each_transport_carries_its_own_families(void **state) {
    (void)state;
    world *w = world_new(NULL, 3, 1);
    client *c = client_new(w, 0, 0, 1), *six = client_new(w, 1, 0, 2),
           *four = client_new(w, 2, 0, 3);
    six->from = (pbts_addr){ .family = PBTS_IPV6, .ip = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
    /* ::ffff:10.0.0.3 is the IPv4 peer 10.0.0.3 */
    four->from = (pbts_addr){ .family = PBTS_IPV6, .ip = { [10] = 0xFF, 0xFF, 10, 0, 0, 3 } };
    assert_int_equal(client_says(w, six, PBTS_EVENT_STARTED, 1), PBTS_REFUSAL_NONE);
    assert_int_equal(client_says(w, four, PBTS_EVENT_STARTED, 1), PBTS_REFUSAL_NONE);
    const struct {
        unsigned families;
        size_t len4, len6;
    } cases[] = { { PBTS_FAMILIES_BOTH, 6, 18 },
                  { PBTS_FAMILIES_IPV4, 6, 0 },
                  { PBTS_FAMILIES_IPV6, 0, 18 } };
    for (size_t i = 0; i < 3; i++) {
        c->families = cases[i].families;
        assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1), PBTS_REFUSAL_NONE);
        assert_int_equal(c->reply.peers4.len, cases[i].len4);
        assert_int_equal(c->reply.peers6.len, cases[i].len6);
    }
    c->families = PBTS_FAMILIES_BOTH;
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 1), PBTS_REFUSAL_NONE);
    const uint8_t want4[6] = { 10, 0, 0, 3, 6881 >> 8, 6881 & 0xFF };
    assert_memory_equal(c->reply.peers4.data, want4, 6);
    free(c);
    free(six);
    free(four);
    world_free(w);
}

/* ---- quirks of clients ---- */

static void stopped_before_started_is_no_error(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    client *c = client_new(w, 0, 0, 1);
    c->announce.port = 0; /* allowed with stopped only */
    assert_int_equal(client_says(w, c, PBTS_EVENT_STOPPED, 1000), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.incomplete, 0);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_MALFORMED);
    assert_int_equal(world_user(w, 0).peers, 0);
    c->announce.port = 1;
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_NONE);
    c->announce.port = 0;
    assert_int_equal(client_says(w, c, PBTS_EVENT_STOPPED, 1000), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.incomplete, 0);
    assert_int_equal(c->reply.peers4.len, 0);
    free(c);
    world_free(w);
}

static void an_unknown_torrent_is_refused_in_every_event(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    client *c = client_new(w, 0, 0, 1);
    c->announce.infohash[0] ^= 1;
    for (int event = PBTS_EVENT_NONE; event <= PBTS_EVENT_PAUSED; event++) {
        assert_int_equal(client_says(w, c, (pbts_event)event, 0), PBTS_REFUSAL_UNKNOWN_TORRENT);
    }
    assert_int_equal(world_user(w, 0).peers, 0);
    free(c);
    world_free(w);
}

static void reported_totals_are_the_sessions_last_ones(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    client *c = client_new(w, 0, 0, 1);
    c->announce.uploaded_bytes = 5;
    c->announce.downloaded_bytes = 6;
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 9), PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(w, 0).reported_up_bytes, 0); /* a session starts with nothing */
    assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 9), PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(w, 0).reported_up_bytes, 5);
    assert_int_equal(world_user(w, 0).reported_down_bytes, 6);
    c->announce.uploaded_bytes = UINT64_MAX;
    assert_int_equal(client_says(w, c, PBTS_EVENT_STOPPED, 9), PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(w, 0).reported_up_bytes, UINT64_MAX);
    assert_int_equal(world_user(w, 0).up_bytes, w->config.policy.init_credit_bytes);
    world_assert_balanced(w);
    free(c);
    world_free(w);
}

static void the_answers_interval_is_the_policys_with_jitter(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    client *c = client_new(w, 0, 0, 1);
    uint32_t lowest = UINT32_MAX, highest = 0;
    for (uint8_t i = 0; i < 200; i++) {
        c->announce.peer_id[19] = i;
        assert_int_equal(client_says(w, c, PBTS_EVENT_NONE, 9), PBTS_REFUSAL_NONE);
        if (c->reply.interval_s < lowest) lowest = c->reply.interval_s;
        if (c->reply.interval_s > highest) highest = c->reply.interval_s;
        assert_int_equal(c->reply.min_interval_s, 900);
    }
    assert_in_range(lowest, 1800, 1830);
    assert_in_range(highest, 1950, 1980);
    free(c);
    world_free(w);
}

static void a_silent_peer_is_forgotten_after_one_and_a_half_intervals(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    client *c = client_new(w, 0, 0, 1);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 9), PBTS_REFUSAL_NONE);
    w->now.mono_s += 2699;
    while (pbts_tracker_tick(w->tracker, w->now)) continue;
    assert_int_equal(world_user(w, 0).peers, 1);
    w->now.mono_s += 1;
    while (pbts_tracker_tick(w->tracker, w->now)) continue;
    assert_int_equal(world_user(w, 0).peers, 0);
    free(c);
    world_free(w);
}

/* ---- scrape ---- */

static void a_scrape_needs_a_passkey_and_leaves_unknown_torrents_out(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 2);
    client *c = client_new(w, 0, 1, 1);
    pbts_scrape_entry entries[3] = { 0 };
    size_t found = 77;
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 0), PBTS_REFUSAL_NONE);
    memcpy(entries[0].infohash, pbts_metainfo_infohash(w->torrents[0]), 20);
    memset(entries[1].infohash, 0xEE, 20);
    memcpy(entries[2].infohash, pbts_metainfo_infohash(w->torrents[1]), 20);
    assert_int_equal(pbts_tracker_scrape(w->tracker, &found, entries, 3, (pbts_span){ 0 }, w->now),
                     PBTS_REFUSAL_PASSKEY_MISSING);
    assert_int_equal(
        pbts_tracker_scrape(w->tracker, &found, entries, 3, pbts_span_text("no"), w->now),
        PBTS_REFUSAL_PASSKEY_INVALID);
    assert_int_equal(found, 77);
    assert_int_equal(
        pbts_tracker_scrape(w->tracker, &found, entries, 3, pbts_span_text(c->passkey), w->now),
        PBTS_REFUSAL_NONE);
    assert_int_equal(found, 2);
    assert_int_equal(entries[0].complete, 0);
    assert_memory_equal(entries[1].infohash, pbts_metainfo_infohash(w->torrents[1]), 20);
    assert_int_equal(entries[1].complete, 1);
    world_rotate(w, 0);
    assert_int_equal(
        pbts_tracker_scrape(w->tracker, &found, entries, 3, pbts_span_text(c->passkey), w->now),
        PBTS_REFUSAL_PASSKEY_INVALID);
    pbts_policy policy = pbts_tracker_policy(w->tracker);
    policy.open_access = true;
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
    assert_int_equal(pbts_tracker_scrape(w->tracker, &found, entries, 2, (pbts_span){ 0 }, w->now),
                     PBTS_REFUSAL_NONE);
    free(c);
    world_free(w);
}

/* A client that is told "never" does not ask again until it is started anew: nobody who seeds to
 * mend his ratio, or was there before his torrent or his name came back, may be told that. */
static void never_is_said_only_of_what_no_time_mends(void **state) {
    static const pbts_refusal PASSING[] = { PBTS_REFUSAL_RATIO_TOO_LOW,
                                            PBTS_REFUSAL_UNKNOWN_TORRENT,
                                            PBTS_REFUSAL_UNKNOWN_USER };
    (void)state;
    for (size_t i = 0; i < sizeof PASSING / sizeof PASSING[0]; i++) {
        assert_in_range(pbts_refusal_failure(PASSING[i]).retry_in_minutes, 1, 60);
    }
    assert_int_equal(pbts_refusal_failure(PBTS_REFUSAL_PASSKEY_INVALID).retry_in_minutes, -1);
    assert_int_equal(pbts_refusal_failure(PBTS_REFUSAL_CLIENT_DENIED).retry_in_minutes, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_current_passkey_lets_in),
        cmocka_unit_test(every_damaged_character_of_a_passkey_is_refused),
        cmocka_unit_test(open_access_lets_anybody_in_but_no_wrong_passkey),
        cmocka_unit_test(nobody_speaks_for_an_anonymous_peer_by_its_id_alone),
        cmocka_unit_test(a_denied_client_is_refused_by_its_prefix),
        cmocka_unit_test(never_is_said_only_of_what_no_time_mends),
        cmocka_unit_test(below_the_ratio_nobody_starts_a_download),
        cmocka_unit_test(no_event_gets_a_poor_newcomer_in),
        cmocka_unit_test(a_poor_seeder_cannot_turn_into_a_downloader),
        cmocka_unit_test(who_gets_poor_on_the_way_may_finish),
        cmocka_unit_test(without_a_ratio_rule_everybody_downloads),
        cmocka_unit_test(a_user_shares_so_many_torrents_and_no_more),
        cmocka_unit_test(peer_lists_run_out_and_come_back_with_the_hour),
        cmocka_unit_test(numwant_has_a_default_and_a_cap),
        cmocka_unit_test(each_transport_carries_its_own_families),
        cmocka_unit_test(stopped_before_started_is_no_error),
        cmocka_unit_test(an_unknown_torrent_is_refused_in_every_event),
        cmocka_unit_test(reported_totals_are_the_sessions_last_ones),
        cmocka_unit_test(the_answers_interval_is_the_policys_with_jitter),
        cmocka_unit_test(a_silent_peer_is_forgotten_after_one_and_a_half_intervals),
        cmocka_unit_test(a_scrape_needs_a_passkey_and_leaves_unknown_torrents_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
