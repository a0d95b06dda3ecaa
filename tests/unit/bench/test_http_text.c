/* What the load generator sends is what our own decoder reads, and what it takes for a good
 * announce is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pbts/bench/bench_http_text.c"
#include "pbts/bench/bench_peers.c"
#include "wire/http_announce.h"
#include "wire/http_request.h"

enum { PEERS = 1000, TORRENTS = 7, USERS = 11 };

static uint8_t infohashes[TORRENTS][20];
static char passkeys[USERS][PBTS_BENCH_PASSKEY_MAX + 1];

static pbts_bench_options population(pbts_bench_mode mode) {
    for (unsigned i = 0; i < TORRENTS; i++) memset(infohashes[i], (int)(0x1f * i), 20);
    for (unsigned i = 0; i < USERS; i++) memset(passkeys[i], (int)('a' + i), PBTS_PASSKEY_LEN);
    return (pbts_bench_options){ .mode = mode,
                                 .target_text = "127.0.0.1:8000",
                                 .peers = PEERS,
                                 .sources = 3,
                                 .numwant = 50,
                                 .seeders_percent = 50,
                                 .infohashes = infohashes,
                                 .torrents = TORRENTS,
                                 .passkeys = passkeys,
                                 .users = USERS };
}

static void a_request_says_what_the_peer_is(void **state) {
    pbts_bench_options options = population(PBTS_BENCH_HTTP);
    for (uint64_t step = 0; step < 2 * PEERS; step++) {
        pbts_bench_peer peer;
        pbts_bench_peer_at(&peer, &options, step);
        uint8_t bytes[PBTS_BENCH_REQUEST_MAX];
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_bench_http_request(&writer, &options, &peer);
        assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
        pbts_http_request request;
        assert_int_equal(pbts_http_request_decode(&request, pbts_writer_span(&writer)), PBTS_OK);
        assert_int_equal(request.kind, PBTS_HTTP_ANNOUNCE);
        assert_true(request.keep_alive);
        assert_int_equal(request.head_len, writer.len);
        assert_true(pbts_span_is(request.passkey, peer.passkey));
        pbts_announce announce;
        const char *problem = NULL;
        uint8_t scratch[PBTS_ANNOUNCE_SCRATCH_LEN];
        assert_int_equal(pbts_http_announce_decode(&announce, &problem, request.query, scratch),
                         PBTS_OK);
        assert_memory_equal(announce.infohash, infohashes[step % PEERS % TORRENTS], 20);
        assert_memory_equal(announce.peer_id, peer.id, 20);
        assert_int_equal(announce.port, peer.port);
        assert_int_equal(announce.left_bytes == 0, peer.seeder);
        assert_int_equal(announce.event, step < PEERS ? PBTS_EVENT_STARTED : PBTS_EVENT_NONE);
        assert_int_equal(announce.numwant, 50);
    }
}

static void a_closing_request_says_so(void **state) {
    pbts_bench_options options = population(PBTS_BENCH_HTTP_CLOSE);
    pbts_bench_peer peer;
    pbts_bench_peer_at(&peer, &options, 5);
    uint8_t bytes[PBTS_BENCH_REQUEST_MAX];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_bench_http_request(&writer, &options, &peer);
    pbts_http_request request;
    assert_int_equal(pbts_http_request_decode(&request, pbts_writer_span(&writer)), PBTS_OK);
    assert_false(request.keep_alive);
}

static void no_two_peers_of_a_torrent_share_address_and_port_or_id(void **state) {
    pbts_bench_options options = population(PBTS_BENCH_HTTP);
    pbts_bench_peer a, b;
    for (uint64_t i = 0; i < PEERS; i += 13) {
        pbts_bench_peer_at(&a, &options, i);
        for (uint64_t j = 0; j < PEERS; j++) {
            pbts_bench_peer_at(&b, &options, j);
            if (i == j) continue;
            assert_memory_not_equal(a.id, b.id, 20);
            assert_false(a.source == b.source && a.port == b.port);
        }
    }
}

/* Exact-size heap copies, so that a byte too far is seen. */
static size_t answer_len(pbts_span *body, const char *text, size_t len) {
    static uint8_t *copy;
    free(copy);
    copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    return pbts_bench_http_answer_len(body, (pbts_span){ copy, len });
}

static void a_cut_answer_is_waited_for(void **state) {
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    pbts_span body;
    for (size_t len = 0; len + 1 < sizeof text; len++)
        assert_int_equal(answer_len(&body, text, len), 0);
    assert_int_equal(answer_len(&body, text, sizeof text - 1), sizeof text - 1);
    assert_true(pbts_span_is(body, "abc"));
    static const char unknown[] = "HTTP/1.1 200 OK\r\n\r\nabc";
    assert_true(answer_len(&body, unknown, sizeof unknown - 1) == SIZE_MAX);
}

static pbts_bench_verdict judged(uint64_t *peers, const char *head, const char *body) {
    pbts_bench_options options = population(PBTS_BENCH_HTTP);
    return pbts_bench_http_judge(peers, &options, pbts_span_text(head), pbts_span_text(body));
}

static void only_a_real_announce_answer_counts(void **state) {
    uint64_t peers;
    static const char ok[] = "HTTP/1.1 200 OK\r\n\r\n";
    assert_int_equal(judged(&peers, ok, "d8:intervali1e5:peers12:abcdefghijkle"),
                     PBTS_BENCH_ANSWER);
    assert_int_equal(peers, 2);
    assert_int_equal(judged(&peers, ok, "d8:intervali1e5:peers0:e"), PBTS_BENCH_ANSWER);
    assert_int_equal(peers, 0);
    assert_int_equal(judged(&peers, ok, "d14:failure reason3:noee"), PBTS_BENCH_FAILURE);
    assert_int_equal(judged(&peers, "HTTP/1.1 503 Busy\r\n\r\n", "d5:peers0:e"),
                     PBTS_BENCH_FAILURE);
    assert_int_equal(judged(&peers, ok, "d8:intervali1ee"), PBTS_BENCH_MALFORMED);
    assert_int_equal(judged(&peers, ok, "d5:peers7:abcdefge"), PBTS_BENCH_MALFORMED);
    assert_int_equal(judged(&peers, ok, "<html>5:peers6:abcdef"), PBTS_BENCH_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_says_what_the_peer_is),
        cmocka_unit_test(a_closing_request_says_so),
        cmocka_unit_test(no_two_peers_of_a_torrent_share_address_and_port_or_id),
        cmocka_unit_test(a_cut_answer_is_waited_for),
        cmocka_unit_test(only_a_real_announce_answer_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
