/* Every allocation of a session fails once: nothing is lost but a connection, and the transfer ends
 * all the same. */
#include "peer/swarm_kit.h"

#include "receipt/faulty_mem.h"

typedef struct {
    const char *what;
    bool receipts, magnet, of_seeder, pex;
    pbts_torrent_version version;
} scene;

/* One run in which allocation `n` fails; false when there were not so many. */
static bool run(const scene *s, const swarm_content *content, size_t n) {
    faulty_mem mem = mem_failing_at(n);
    swarm *world = swarm_new(content, 9, s->receipts);
    swarm_node *seeder = swarm_add(world, true), *leecher = swarm_add(world, false);
    swarm_node *third = swarm_add(world, true), *victim = s->of_seeder ? seeder : leecher;
    world->with_tickets = false;
    if (s->magnet) leecher->config.meta = NULL;
    seeder->config.pex = leecher->config.pex = third->config.pex = s->pex;
    victim->config.mem = &mem.mem;
    victim->terms.mem = &mem.mem;
    world->delay_us = 2000;

    pbts_session *session;
    victim->config.have = (pbts_span){ NULL, 0 };
    pbts_status status = pbts_session_new(&session, &victim->config, swarm_now(world));
    assert_true(status == PBTS_OK || status == PBTS_NO_MEMORY);
    if (status == PBTS_OK) pbts_session_free(session);
    assert_int_equal(mem.live, 0);
    if (status == PBTS_OK) mem.asked = 0; /* it fails in the session that is used */

    swarm_join(third);
    swarm_join(s->of_seeder ? leecher : seeder);
    if (mem.fail_at == 0) mem.asked = 1; /* that was tried above */
    swarm_join(victim);
    swarm_announce(leecher, 20);
    swarm_drain(leecher);
    for (int i = 0; i < 60 && !swarm_stats(leecher).finished; i++) swarm_run_ms(world, 5000);
    if (!swarm_stats(leecher).finished) fail_msg("%s: not finished after failure %zu", s->what, n);
    bool failed = mem.asked > n;
    swarm_free(world);
    assert_int_equal(mem.live, 0);
    return failed;
}

static void fail_all(const scene *s) {
    static const uint64_t files[] = { 90000, 40000 };
    swarm_content content = swarm_content_new(s->version, 16384, files, 2);
    size_t n = 0;
    while (run(s, &content, n)) n++;
    print_message("%s: %zu allocations\n", s->what, n);
    assert_true(n > 20);
    swarm_content_free(&content);
}

static void a_leecher_survives(void **state) {
    (void)state;
    fail_all(&(scene){ .what = "leecher" });
}

static void a_seeder_survives(void **state) {
    (void)state;
    fail_all(&(scene){ .what = "seeder", .of_seeder = true, .version = PBTS_TORRENT_HYBRID });
}

static void a_magnet_link_survives(void **state) {
    (void)state;
    fail_all(&(scene){ .what = "magnet", .magnet = true, .version = PBTS_TORRENT_HYBRID });
}

static void peers_with_receipts_survive(void **state) {
    (void)state;
    fail_all(&(scene){ .what = "leecher with receipts", .receipts = true, .pex = true });
    fail_all(&(scene){ .what = "seeder with receipts", .receipts = true, .of_seeder = true });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leecher_survives),
        cmocka_unit_test(a_seeder_survives),
        cmocka_unit_test(a_magnet_link_survives),
        cmocka_unit_test(peers_with_receipts_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
