/* The load generator's datagrams, read by our own decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pbts/bench/bench_histogram.c"
#include "pbts/bench/bench_peers.c"
#include "pbts/bench/bench_run.c"
#include "pbts/bench/bench_udp.c"

static uint8_t infohashes[2][20] = { { 1, 2, 3 }, { 4, 5, 6 } };
static char passkeys[1][PBTS_BENCH_PASSKEY_MAX + 1] = { "abcdefghijklmnopqrstuvwxyz234567" };

static pbts_bench_options population(uint32_t users, bool scrape) {
    return (pbts_bench_options){ .peers = 10,
                                 .sources = 4,
                                 .numwant = 33,
                                 .seeders_percent = 50,
                                 .scrape = scrape,
                                 .window = 8,
                                 .infohashes = infohashes,
                                 .torrents = 2,
                                 .passkeys = passkeys,
                                 .users = users };
}

typedef struct {
    uint8_t bytes[REQUEST_MAX];
    uint8_t infohashes[PBTS_SCRAPE_HASHES_MAX][20];
    uint8_t url[PBTS_UDP_URL_MAX];
    pbts_udp_request request;
    pbts_bench_peer peer;
} sent;

/* What slot 5 sends for the peer of `step`, decoded; the request fits exactly or with room. */
static void send_and_decode(sent *out, const pbts_bench_options *options, uint64_t step,
                            bool connecting) {
    udp_slot slots[8] = { 0 };
    udp_connection connections[4] = {
        { .id = 0x1122334455667788u }, { .id = 7 }, { 8, 0 }, { 9, 0 }
    };
    udp_load *load = calloc(1, sizeof *load);
    load->options = options;
    load->slots = slots;
    load->connections = connections;
    slots[5].generation = 0xabcd;
    slots[5].connecting = connecting;
    pbts_bench_peer_at(&slots[5].peer, options, step);
    out->peer = slots[5].peer;
    pbts_writer writer = pbts_writer_over(out->bytes, sizeof out->bytes);
    write_request(&writer, load, &slots[5]);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_int_equal(pbts_udp_request_decode(&out->request, out->infohashes, out->url,
                                             pbts_writer_span(&writer)),
                     PBTS_OK);
    assert_int_equal(out->request.transaction_id, 0xabcd0005u);
    free(load);
}

static void a_source_without_a_connection_asks_for_one(void **state) {
    pbts_bench_options options = population(1, false);
    sent out;
    send_and_decode(&out, &options, 0, true);
    assert_int_equal(out.request.action, PBTS_UDP_CONNECT);
}

static void an_announce_says_what_the_peer_is(void **state) {
    for (uint32_t users = 0; users < 2; users++) {
        pbts_bench_options options = population(users, false);
        for (uint64_t step = 0; step < 20; step++) {
            sent out;
            send_and_decode(&out, &options, step, false);
            const pbts_announce *announce = &out.request.announce;
            assert_int_equal(out.request.action, PBTS_UDP_ANNOUNCE);
            assert_true(step % 10 % 4 != 0 || out.request.connection_id == 0x1122334455667788u);
            assert_memory_equal(announce->infohash, infohashes[step % 2], 20);
            assert_memory_equal(announce->peer_id, out.peer.id, 20);
            assert_int_equal(announce->port, out.peer.port);
            assert_int_equal(announce->left_bytes == 0, out.peer.seeder);
            assert_int_equal(announce->event, step < 10 ? PBTS_EVENT_STARTED : PBTS_EVENT_NONE);
            assert_int_equal(announce->numwant, 33);
            assert_true(pbts_span_is(announce->passkey, users ? passkeys[0] : ""));
        }
    }
}

static void a_scrape_names_one_torrent(void **state) {
    pbts_bench_options options = population(0, true);
    sent out;
    send_and_decode(&out, &options, 1, false);
    assert_int_equal(out.request.action, PBTS_UDP_SCRAPE);
    assert_int_equal(out.request.infohash_count, 1);
    assert_memory_equal(out.infohashes[0], infohashes[1], 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_without_a_connection_asks_for_one),
        cmocka_unit_test(an_announce_says_what_the_peer_is),
        cmocka_unit_test(a_scrape_names_one_torrent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
