/* Unit tests of tracker/swarm.h.
 *
 * Method: long random lives on virtual time beside a naive twin (swarm_twin.h), in which every
 * count, every sample and every call of on_peer is compared and the invariants are checked; then
 * single sentences of the contract; then memory at the sizes that matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracker/counting_mem.h"
#include "tracker/swarm_twin.h"

enum { WANT_MAX = 80 };

static void infohash_of(uint8_t out[static 20], uint32_t torrent) {
    memset(out, 0xA5, 20);
    memcpy(out, &torrent, sizeof torrent);
}

static void peer_id_of(uint8_t out[static 20], uint32_t client) {
    memcpy(out, "-TW0001-....--------", 20);
    memcpy(out + 8, &client, sizeof client);
}

/* An address of its own for every (user, place). */
static pbts_addr addr_of(pbts_family family, uint32_t user, uint32_t place) {
    pbts_addr addr = { .family = family, .port = (uint16_t)(1 + place % 65535) };
    addr.ip[0] = family == PBTS_IPV4 ? 10 : 0x20;
    addr.ip[1] = (uint8_t)(place >> 16);
    addr.ip[2] = (uint8_t)(user >> 8);
    addr.ip[3] = (uint8_t)user;
    if (family == PBTS_IPV6) addr.ip[15] = 1;
    return addr;
}

static pbts_swarm_update update_of(const twin_record *who) {
    pbts_swarm_update update = { .user_no = who->user,
                                 .addr = who->addr,
                                 .seeder = who->seeder,
                                 .partial_seeder = who->partial };
    peer_id_of(update.peer_id, who->client);
    return update;
}

/* --- a life beside the twin --- */

typedef struct {
    uint64_t seed;
    uint32_t steps, torrents, users, clients, expire_s, per_user_max, peers_max, jump_s;
} life;

typedef struct {
    pbts_swarms *swarms;
    swarm_twin *twin;
    pbts_prng prng;
    const life *life;
    int64_t peers_of[TWIN_USERS]; /* what on_peer told */
    uint64_t now_s;
} world;

static void count_peer(void *host, uint32_t user_no, int change) {
    world *w = host;
    assert_true(user_no < TWIN_USERS && (change == 1 || change == -1));
    w->peers_of[user_no] += change;
}

static uint32_t below(world *w, uint32_t bound) {
    return pbts_prng_below(&w->prng, bound);
}

static twin_record random_visitor(world *w) {
    uint32_t role = below(w, 4);
    twin_record who = { .torrent = below(w, w->life->torrents),
                        .user = below(w, w->life->users),
                        .client = below(w, w->life->clients),
                        .seeder = role == 1,
                        .partial = role == 2,
                        .seen_s = w->now_s };
    pbts_family family = below(w, 3) == 0 ? PBTS_IPV6 : PBTS_IPV4;
    /* Users share a few places between their clients; an anonymous peer has its own. */
    uint32_t place = who.user == 0 ? who.client : below(w, w->life->clients * 2);
    who.addr = addr_of(family, who.user, place);
    return who;
}

static void compare_counts(world *w, uint32_t torrent, const pbts_swarm_result *result) {
    uint32_t complete = 0, incomplete = 0;
    for (size_t i = 0; i < w->twin->count; i++) {
        const twin_record *r = &w->twin->record[i];
        if (r->torrent != torrent || !twin_is_counted(w->twin, i)) continue;
        if (r->seeder)
            complete++;
        else
            incomplete++;
    }
    assert_int_equal(result->complete, complete);
    assert_int_equal(result->incomplete, incomplete);
    assert_int_equal(result->downloaded, w->twin->downloaded[torrent]);
}

static size_t compact(uint8_t out[18], const pbts_addr *addr) {
    size_t ip_len = pbts_addr_ip_len(addr->family);
    memcpy(out, addr->ip, ip_len);
    out[ip_len] = (uint8_t)(addr->port >> 8);
    out[ip_len + 1] = (uint8_t)addr->port;
    return ip_len + 2;
}

/* Every endpoint of the sample is a peer that this asker may get, once; and there are enough. */
static void compare_sample(world *w, const twin_record *who, pbts_family family,
                           const uint8_t *peers, size_t peers_len, uint32_t want) {
    size_t len = family == PBTS_IPV4 ? 6 : 18, eligible = 0, found = 0;
    for (size_t i = 0; i < w->twin->count; i++) {
        const twin_record *r = &w->twin->record[i];
        if (r->torrent != who->torrent || r->addr.family != family || twin_same(r, who)) continue;
        if ((who->seeder || who->partial) && (r->seeder || r->partial)) continue;
        eligible++;
        uint8_t endpoint[18];
        (void)compact(endpoint, &r->addr);
        size_t times = 0;
        for (size_t at = 0; at < peers_len; at += len) {
            times += memcmp(peers + at, endpoint, len) == 0;
        }
        assert_true(times <= 1);
        found += times;
    }
    assert_int_equal(peers_len, len * (want < eligible ? want : eligible));
    assert_int_equal(found, peers_len / len);
}

static void announce_one(world *w) {
    twin_record who = random_visitor(w);
    uint8_t infohash[20];
    pbts_swarm_update update = update_of(&who);
    update.completed = below(w, 4) == 0;
    update.known_only = below(w, 8) == 0;
    update.seeder_stays = below(w, 8) == 0;
    update.want4 = below(w, WANT_MAX);
    update.want6 = below(w, WANT_MAX);
    infohash_of(infohash, who.torrent);

    twin_expire(w->twin, w->now_s);
    pbts_status expected =
        twin_announce(w->twin, &who, update.completed, update.known_only, update.seeder_stays);
    /* Exact-size heap buffers: ASan sees one peer too many. */
    uint8_t *peers4 = malloc(6 * update.want4 + 1), *peers6 = malloc(18 * update.want6 + 1);
    pbts_swarm_result result;
    memset(&result, 0x5A, sizeof result);
    pbts_status status =
        pbts_swarms_announce(w->swarms, &result, peers4, peers6, infohash, &update, w->now_s);
    assert_int_equal(status, expected);
    if (status == PBTS_OK) {
        compare_counts(w, who.torrent, &result);
        compare_sample(w, &who, PBTS_IPV4, peers4, result.peers4_len, update.want4);
        compare_sample(w, &who, PBTS_IPV6, peers6, result.peers6_len, update.want6);
    }
    free(peers4);
    free(peers6);
}

static void leave_one(world *w) {
    twin_record who = random_visitor(w);
    uint8_t infohash[20], peer_id[20];
    pbts_swarm_result result;
    infohash_of(infohash, who.torrent);
    peer_id_of(peer_id, who.client);
    twin_expire(w->twin, w->now_s);
    twin_forget(w->twin, &who);
    assert_int_equal(pbts_swarms_leave(w->swarms, &result, infohash, who.user, peer_id, w->now_s),
                     PBTS_OK);
    compare_counts(w, who.torrent, &result);
}

static void tick_all(world *w) {
    while (pbts_swarms_tick(w->swarms, w->now_s)) pbts_swarms_check(w->swarms);
    twin_expire(w->twin, w->now_s);
}

/* After a whole tick the totals agree, and what on_peer told adds up. */
static void compare_all(world *w) {
    pbts_swarms_stats stats;
    int64_t peers_of[TWIN_USERS] = { 0 };
    uint64_t peers = 0, seeders = 0;
    tick_all(w);
    for (size_t i = 0; i < w->twin->count; i++) {
        if (!twin_is_counted(w->twin, i)) continue;
        peers_of[w->twin->record[i].user]++;
        peers++;
        seeders += w->twin->record[i].seeder;
    }
    pbts_swarms_stats_read(w->swarms, &stats);
    assert_int_equal(stats.peers, peers);
    assert_int_equal(stats.seeders, seeders);
    assert_int_equal(stats.torrents, w->life->torrents);
    assert_memory_equal(peers_of, w->peers_of, sizeof peers_of);
    for (uint32_t torrent = 0; torrent < w->life->torrents; torrent++) {
        pbts_swarm_result result;
        uint8_t infohash[20];
        infohash_of(infohash, torrent);
        assert_int_equal(pbts_swarms_scrape(w->swarms, &result, infohash), PBTS_OK);
        compare_counts(w, torrent, &result);
    }
}

static void live_step(world *w, uint32_t step) {
    /* A second at least between any two steps: nobody is as old as another. */
    w->now_s += 1 + below(w, 2);
    if (below(w, 2000) == 0) w->now_s += below(w, w->life->jump_s);
    bool shrinks = step / 2500 % 4 == 3;
    if (below(w, shrinks ? 2 : 12) == 0) {
        leave_one(w);
    } else {
        announce_one(w);
    }
    if (below(w, 50) == 0) tick_all(w);
    if (step % 500 == 0) {
        pbts_swarms_check(w->swarms);
        compare_all(w);
    }
}

static void live(const life *one) {
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    world w = { .prng = pbts_prng_seeded(one->seed), .life = one, .now_s = 1000000007 };
    w.twin = calloc(1, sizeof *w.twin);
    w.twin->expire_s = one->expire_s;
    w.twin->per_user_max = one->per_user_max;
    w.twin->peers_max = one->peers_max;
    const pbts_swarms_config config = { .mem = &mem.mem,
                                        .seed = one->seed,
                                        .expire_after_s = one->expire_s,
                                        .peers_per_user_max = one->per_user_max,
                                        .peers_max = one->peers_max,
                                        .on_peer = count_peer,
                                        .host = &w };
    assert_int_equal(pbts_swarms_new(&w.swarms, &config, w.now_s), PBTS_OK);
    for (uint32_t torrent = 0; torrent < one->torrents; torrent++) {
        uint8_t infohash[20];
        infohash_of(infohash, torrent);
        w.twin->downloaded[torrent] = torrent * 100;
        assert_int_equal(pbts_swarms_add(w.swarms, infohash, torrent, torrent * 100), PBTS_OK);
    }
    for (uint32_t step = 0; step < one->steps; step++) live_step(&w, step);
    w.now_s += one->expire_s;
    compare_all(&w);
    assert_int_equal(w.twin->count, 0);
    pbts_swarms_check(w.swarms);
    pbts_swarms_free(w.swarms);
    assert_int_equal(mem.live_blocks, 0);
    free(w.twin);
}

static void long_lives_agree_with_the_naive_twin(void **state) {
    (void)state;
    static const life LIVES[] = {
        /* seed steps torrents users clients expire per_user peers_max jump */
        { 1, 40000, 6, 20, 8, 120, 3, 1000, 400 },
        { 2, 15000, 3, 40, 12, 400, 4, 1000, 2000 },
        { 3, 12000, 2, 5, 30, 300, 64, 40, 1000 },  /* peers_max bites */
        { 4, 30000, 8, 3, 6, 60, 1, 1000, 200000 }, /* one peer a user, long silences */
        { 5, 8000, 2, 64, 4, 900, 2, 1000, 100 },
        { 6, 4000, 1, 60, 40, 43200, 64, 100000, 90000 }, /* the longest expiry: 16 bits wrap */
        { 7, 5000, 1, 1, 5000, 1500, 1, 100000, 3000 },   /* anonymous only */
    };
    for (size_t i = 0; i < sizeof LIVES / sizeof LIVES[0]; i++) live(&LIVES[i]);
}

/* --- single sentences --- */

typedef struct {
    counting_mem mem;
    pbts_swarms *swarms;
    uint8_t infohash[20];
    uint8_t peers4[6 * WANT_MAX], peers6[18 * WANT_MAX];
    pbts_swarm_result result;
} fixture;

static void open_fixture(fixture *f, uint32_t expire_s, uint32_t per_user_max, uint32_t peers_max,
                         uint64_t now_s) {
    f->mem = counting_mem_failing_at(SIZE_MAX);
    const pbts_swarms_config config = { .mem = &f->mem.mem,
                                        .seed = 99,
                                        .expire_after_s = expire_s,
                                        .peers_per_user_max = per_user_max,
                                        .peers_max = peers_max };
    assert_int_equal(pbts_swarms_new(&f->swarms, &config, now_s), PBTS_OK);
    infohash_of(f->infohash, 1);
    assert_int_equal(pbts_swarms_add(f->swarms, f->infohash, 1, 0), PBTS_OK);
}

static void close_fixture(fixture *f) {
    pbts_swarms_check(f->swarms);
    pbts_swarms_free(f->swarms);
    assert_int_equal(f->mem.live_blocks, 0);
}

static twin_record peer(uint32_t user, uint32_t client, pbts_family family) {
    return (twin_record){ .user = user, .client = client, .addr = addr_of(family, user, client) };
}

static pbts_status announce(fixture *f, const twin_record *who, bool completed, uint64_t now_s) {
    pbts_swarm_update update = update_of(who);
    update.completed = completed;
    update.want4 = update.want6 = WANT_MAX;
    return pbts_swarms_announce(f->swarms, &f->result, f->peers4, f->peers6, f->infohash, &update,
                                now_s);
}

static void expect(const fixture *f, uint32_t complete, uint32_t incomplete, uint32_t downloaded) {
    assert_int_equal(f->result.complete, complete);
    assert_int_equal(f->result.incomplete, incomplete);
    assert_int_equal(f->result.downloaded, downloaded);
}

static void a_peer_is_there_until_the_second_it_expires_wherever_the_clock_stands(void **state) {
    (void)state;
    static const uint32_t EXPIRES[] = { 1, 2, 15, 16, 17, 2700, 43200 };
    static const uint64_t STARTS[] = { 0, 1, 65535, 65536, 1700000000, 1ull << 40 };
    for (size_t e = 0; e < sizeof EXPIRES / sizeof EXPIRES[0]; e++) {
        for (size_t s = 0; s < sizeof STARTS / sizeof STARTS[0]; s++) {
            uint32_t expire_s = EXPIRES[e];
            fixture f;
            twin_record one = peer(1, 1, PBTS_IPV4);
            open_fixture(&f, expire_s, 1, 10, STARTS[s]);
            /* Several turns of the 16-bit second, with and without somebody looking. */
            uint64_t now_s = STARTS[s];
            for (int turn = 0; turn < 12; turn++, now_s += 30011) {
                assert_int_equal(announce(&f, &one, false, now_s), PBTS_OK);
                pbts_swarms_stats stats;
                assert_false(pbts_swarms_tick(f.swarms, now_s + expire_s - 1));
                pbts_swarms_stats_read(f.swarms, &stats);
                assert_int_equal(stats.peers, 1);
                assert_int_equal(pbts_swarms_scrape(f.swarms, &f.result, f.infohash), PBTS_OK);
                expect(&f, 0, 1, 0);
                if (turn % 2) {
                    assert_false(pbts_swarms_tick(f.swarms, now_s + expire_s));
                    pbts_swarms_stats_read(f.swarms, &stats);
                    assert_int_equal(stats.peers, 0);
                } else {
                    twin_record two = peer(2, 2, PBTS_IPV4);
                    now_s += expire_s;
                    assert_int_equal(announce(&f, &two, false, now_s), PBTS_OK);
                    expect(&f, 0, 1, 0);
                    assert_int_equal(f.result.peers4_len, 0);
                    now_s += expire_s; /* never swept: as if nobody had looked for long */
                }
                now_s += expire_s;
            }
            close_fixture(&f);
        }
    }
}

static void a_silence_of_any_length_expires_everybody(void **state) {
    (void)state;
    for (uint64_t silence = 43200; silence < 400000; silence += 1009) {
        fixture f;
        open_fixture(&f, 43200, 1, 10, 5);
        twin_record one = peer(1, 1, PBTS_IPV4), two = peer(2, 1, PBTS_IPV6);
        assert_int_equal(announce(&f, &one, false, 5), PBTS_OK);
        assert_int_equal(announce(&f, &two, false, 5 + silence), PBTS_OK);
        expect(&f, 0, 1, 0);
        close_fixture(&f);
    }
}

static void a_tick_does_a_bounded_amount_and_says_that_more_waits(void **state) {
    (void)state;
    fixture f;
    pbts_swarms_stats stats;
    enum { PEERS = 10000, TICK = 4096 };
    open_fixture(&f, 100, 1, PEERS, 0);
    for (uint32_t i = 0; i < PEERS; i++) {
        twin_record one = peer(i + 1, i, PBTS_IPV4);
        assert_int_equal(announce(&f, &one, false, 0), PBTS_OK);
    }
    uint32_t ticks = 0;
    for (uint64_t left = PEERS; pbts_swarms_tick(f.swarms, 100); ticks++) {
        pbts_swarms_stats_read(f.swarms, &stats);
        assert_true(stats.peers < left && left - stats.peers <= TICK);
        left = stats.peers;
        pbts_swarms_check(f.swarms);
    }
    assert_int_equal(ticks, PEERS / TICK);
    pbts_swarms_stats_read(f.swarms, &stats);
    assert_int_equal(stats.peers, 0);
    close_fixture(&f);
}

static void both_families_of_a_client_are_one_peer(void **state) {
    (void)state;
    fixture f;
    twin_record v4 = peer(1, 1, PBTS_IPV4), v6 = peer(1, 1, PBTS_IPV6);
    open_fixture(&f, 100, 1, 10, 0);
    assert_int_equal(announce(&f, &v4, false, 0), PBTS_OK);
    assert_int_equal(announce(&f, &v6, false, 50), PBTS_OK);
    expect(&f, 0, 1, 0);
    assert_int_equal(f.result.peers4_len + f.result.peers6_len, 0); /* never itself */
    v6.seeder = true;
    assert_int_equal(announce(&f, &v6, true, 60), PBTS_OK);
    expect(&f, 1, 0, 1);
    assert_false(pbts_swarms_tick(f.swarms, 100)); /* IPv4 has expired, the peer has not */
    assert_int_equal(pbts_swarms_scrape(f.swarms, &f.result, f.infohash), PBTS_OK);
    expect(&f, 1, 0, 1);
    pbts_swarms_check(f.swarms);
    uint8_t peer_id[20];
    peer_id_of(peer_id, 1);
    assert_int_equal(announce(&f, &v4, false, 101), PBTS_OK);
    assert_int_equal(pbts_swarms_leave(f.swarms, &f.result, f.infohash, 1, peer_id, 101), PBTS_OK);
    expect(&f, 0, 0, 1);
    close_fixture(&f);
}

static void a_download_counts_once_however_often_it_is_told(void **state) {
    (void)state;
    fixture f;
    twin_record one = peer(1, 1, PBTS_IPV4);
    open_fixture(&f, 100, 1, 10, 0);
    assert_int_equal(announce(&f, &one, false, 0), PBTS_OK);
    assert_int_equal(announce(&f, &one, true, 0), PBTS_OK); /* completed, but left is not 0 */
    expect(&f, 0, 1, 0);
    one.seeder = true;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(announce(&f, &one, true, 1), PBTS_OK);
        expect(&f, 1, 0, 1);
    }
    close_fixture(&f);
}

static void a_restarted_client_replaces_itself(void **state) {
    (void)state;
    fixture f;
    twin_record before = peer(1, 1, PBTS_IPV4), after = peer(1, 2, PBTS_IPV4);
    twin_record stranger = peer(2, 3, PBTS_IPV4);
    after.addr = stranger.addr = before.addr; /* a stranger behind the same address stays */
    open_fixture(&f, 100, 5, 10, 0);
    assert_int_equal(announce(&f, &before, false, 0), PBTS_OK);
    assert_int_equal(announce(&f, &stranger, false, 0), PBTS_OK);
    assert_int_equal(announce(&f, &after, false, 0), PBTS_OK);
    expect(&f, 0, 2, 0);
    assert_int_equal(f.result.peers4_len, 6);
    close_fixture(&f);
}

static void the_users_oldest_peer_makes_room_at_the_limit(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, 100, 2, 10, 0);
    for (uint32_t client = 1; client <= 3; client++) {
        twin_record one = peer(1, client, PBTS_IPV4);
        assert_int_equal(announce(&f, &one, false, client), PBTS_OK);
        expect(&f, 0, client < 2 ? client : 2, 0);
    }
    uint8_t second[18];
    pbts_addr addr = addr_of(PBTS_IPV4, 1, 2);
    assert_int_equal(f.result.peers4_len, compact(second, &addr));
    assert_memory_equal(f.peers4, second, 6);
    /* Another user has a limit of its own, and nobody's is shared. */
    twin_record other = peer(2, 9, PBTS_IPV4);
    assert_int_equal(announce(&f, &other, false, 4), PBTS_OK);
    expect(&f, 0, 3, 0);
    close_fixture(&f);
}

static void a_full_swarm_is_busy_for_new_peers_only(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, 100, 1, 3, 0);
    for (uint32_t user = 1; user <= 3; user++) {
        twin_record one = peer(user, user, PBTS_IPV4);
        assert_int_equal(announce(&f, &one, false, 0), PBTS_OK);
    }
    twin_record fourth = peer(4, 4, PBTS_IPV4), first = peer(1, 1, PBTS_IPV4);
    pbts_swarm_result before = f.result;
    assert_int_equal(announce(&f, &fourth, false, 1), PBTS_BUSY);
    assert_memory_equal(&before, &f.result, sizeof before);
    assert_int_equal(announce(&f, &first, false, 1), PBTS_OK);
    fourth.addr = addr_of(PBTS_IPV6, 4, 4); /* the other family has room */
    assert_int_equal(announce(&f, &fourth, false, 1), PBTS_OK);
    expect(&f, 0, 4, 0);
    close_fixture(&f);
}

static void unknown_torrents_and_peers_are_told_apart(void **state) {
    (void)state;
    fixture f;
    uint8_t peer_id[20], unknown[20];
    twin_record one = peer(1, 1, PBTS_IPV4);
    pbts_swarm_update update = update_of(&one);
    open_fixture(&f, 100, 1, 3, 0);
    infohash_of(unknown, 2);
    peer_id_of(peer_id, 1);
    assert_int_equal(pbts_swarms_scrape(f.swarms, &f.result, unknown), PBTS_NOT_FOUND);
    assert_int_equal(pbts_swarms_leave(f.swarms, &f.result, unknown, 1, peer_id, 0),
                     PBTS_NOT_FOUND);
    assert_int_equal(
        pbts_swarms_announce(f.swarms, &f.result, f.peers4, f.peers6, unknown, &update, 0),
        PBTS_NOT_FOUND);
    assert_int_equal(pbts_swarms_leave(f.swarms, &f.result, f.infohash, 1, peer_id, 0), PBTS_OK);
    expect(&f, 0, 0, 0);
    update.known_only = true;
    assert_int_equal(
        pbts_swarms_announce(f.swarms, &f.result, f.peers4, f.peers6, f.infohash, &update, 0),
        PBTS_DENIED);
    assert_int_equal(pbts_swarms_add(f.swarms, f.infohash, 1, 77), PBTS_OK);
    assert_int_equal(pbts_swarms_add(f.swarms, f.infohash, 2, 0), PBTS_EXISTS);
    assert_int_equal(pbts_swarms_scrape(f.swarms, &f.result, f.infohash), PBTS_OK);
    expect(&f, 0, 0, 0);
    close_fixture(&f);
}

/* --- memory --- */

static void every_failing_allocation_leaves_all_as_it_was(void **state) {
    (void)state;
    fixture f;
    uint32_t failures = 0;
    open_fixture(&f, 1000, 2, 5000, 0);
    for (uint32_t i = 0; i < 2500; i++) {
        twin_record one = peer(i / 2 + 1, i, i % 3 == 0 ? PBTS_IPV6 : PBTS_IPV4);
        one.seeder = i % 5 == 0;
        pbts_swarms_stats before, after;
        pbts_swarms_stats_read(f.swarms, &before);
        for (size_t nth = 0;; nth++) {
            f.mem.fail_at = f.mem.asked + nth;
            pbts_status status = announce(&f, &one, true, i / 10);
            if (status == PBTS_OK) break;
            assert_int_equal(status, PBTS_NO_MEMORY);
            pbts_swarms_stats_read(f.swarms, &after);
            assert_int_equal(after.peers, before.peers);
            assert_int_equal(after.seeders, before.seeders);
            pbts_swarms_check(f.swarms);
            failures++;
        }
        f.mem.fail_at = SIZE_MAX;
        assert_int_equal(f.result.downloaded, i / 5 + 1);
    }
    assert_true(failures > 40);
    /* Registering, and opening at all. */
    for (uint32_t torrent = 2; torrent < 2000; torrent++) {
        uint8_t infohash[20];
        infohash_of(infohash, torrent);
        for (size_t nth = 0;; nth++) {
            f.mem.fail_at = f.mem.asked + nth;
            pbts_status status = pbts_swarms_add(f.swarms, infohash, torrent, 0);
            if (status == PBTS_OK) break;
            assert_int_equal(status, PBTS_NO_MEMORY);
            assert_int_equal(pbts_swarms_scrape(f.swarms, &f.result, infohash), PBTS_NOT_FOUND);
        }
    }
    f.mem.fail_at = SIZE_MAX;
    close_fixture(&f);
    for (size_t nth = 0; nth < 2; nth++) {
        counting_mem mem = counting_mem_failing_at(nth);
        pbts_swarms *none = NULL;
        const pbts_swarms_config config = {
            .mem = &mem.mem, .expire_after_s = 1, .peers_per_user_max = 1, .peers_max = 1
        };
        assert_int_equal(pbts_swarms_new(&none, &config, 0), PBTS_NO_MEMORY);
        assert_int_equal(mem.live_blocks, 0);
    }
}

static void join_many(fixture *f, uint32_t peers, uint32_t torrents) {
    for (uint32_t i = 0; i < peers; i++) {
        twin_record one = { .user = i + 1,
                            .client = i,
                            .addr = { .family = PBTS_IPV4, .port = 6881 },
                            .seeder = i % 3 == 0 };
        memcpy(one.addr.ip, &i, 4);
        infohash_of(f->infohash, i % torrents + 1);
        assert_int_equal(announce(f, &one, false, i / 1000), PBTS_OK);
    }
}

static void a_peer_takes_at_most_40_bytes_in_a_swarm_of_a_million(void **state) {
    (void)state;
    static const uint32_t STEPS[] = { 100000, 420000, 1000000 };
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        fixture f;
        pbts_swarms_stats stats;
        open_fixture(&f, 2700, 1, STEPS[i], 0);
        join_many(&f, STEPS[i], 1);
        pbts_swarms_stats_read(f.swarms, &stats);
        assert_int_equal(stats.peers, STEPS[i]);
        assert_true(stats.memory_bytes <= 40ull * STEPS[i]);
        close_fixture(&f);
    }
}

static void a_torrent_with_one_peer_takes_at_most_400_bytes_and_without_70(void **state) {
    (void)state;
    enum { TORRENTS = 100000 };
    fixture f;
    pbts_swarms_stats stats;
    open_fixture(&f, 2700, 1, 100, 0);
    for (uint32_t torrent = 2; torrent <= TORRENTS; torrent++) {
        infohash_of(f.infohash, torrent);
        assert_int_equal(pbts_swarms_add(f.swarms, f.infohash, torrent, 0), PBTS_OK);
    }
    pbts_swarms_stats_read(f.swarms, &stats);
    assert_true(stats.memory_bytes <= 70ull * TORRENTS);
    uint64_t empty = stats.memory_bytes;
    join_many(&f, TORRENTS, TORRENTS);
    pbts_swarms_stats_read(f.swarms, &stats);
    assert_int_equal(stats.peers, TORRENTS);
    assert_true(stats.memory_bytes <= 400ull * TORRENTS);
    while (pbts_swarms_tick(f.swarms, 10000)) continue;
    pbts_swarms_stats_read(f.swarms, &stats);
    assert_int_equal(stats.memory_bytes, empty); /* an empty swarm keeps its entry alone */
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_lives_agree_with_the_naive_twin),
        cmocka_unit_test(a_peer_is_there_until_the_second_it_expires_wherever_the_clock_stands),
        cmocka_unit_test(a_silence_of_any_length_expires_everybody),
        cmocka_unit_test(a_tick_does_a_bounded_amount_and_says_that_more_waits),
        cmocka_unit_test(both_families_of_a_client_are_one_peer),
        cmocka_unit_test(a_download_counts_once_however_often_it_is_told),
        cmocka_unit_test(a_restarted_client_replaces_itself),
        cmocka_unit_test(the_users_oldest_peer_makes_room_at_the_limit),
        cmocka_unit_test(a_full_swarm_is_busy_for_new_peers_only),
        cmocka_unit_test(unknown_torrents_and_peers_are_told_apart),
        cmocka_unit_test(every_failing_allocation_leaves_all_as_it_was),
        cmocka_unit_test(a_peer_takes_at_most_40_bytes_in_a_swarm_of_a_million),
        cmocka_unit_test(a_torrent_with_one_peer_takes_at_most_400_bytes_and_without_70),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
