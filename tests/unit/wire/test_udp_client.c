/* Unit tests of wire/udp_client.c: both ends of the UDP tracker protocol understand each other. */
#include "wire/udp_client.h"

#include "wire_test.h"

#define PK "abcdefghijklmnopqrstuvwxyz234567"

typedef struct {
    pbts_udp_request request;
    uint8_t hashes[PBTS_SCRAPE_HASHES_MAX][20];
    uint8_t url[PBTS_UDP_URL_MAX];
} decoded;

static void a_connect_request_is_understood(void **state) {
    (void)state;
    uint8_t bytes[16];
    decoded d;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_udp_connect_request(&writer, 0x01020304);
    assert_int_equal(
        pbts_udp_request_decode(&d.request, d.hashes, d.url, pbts_writer_span(&writer)), PBTS_OK);
    assert_int_equal(d.request.action, PBTS_UDP_CONNECT);
    assert_int_equal(d.request.transaction_id, 0x01020304);
}

static void an_announce_is_understood_with_its_passkey(void **state) {
    (void)state;
    uint8_t bytes[PBTS_UDP_REQUEST_MAX];
    decoded d;
    pbts_announce announce = { .uploaded_bytes = 1,
                               .downloaded_bytes = 2,
                               .left_bytes = 3,
                               .event = PBTS_EVENT_STARTED,
                               .port = 6881,
                               .numwant = -1,
                               .key = 9 };
    for (uint8_t i = 0; i < 20; i++) {
        announce.infohash[i] = i;
        announce.peer_id[i] = (uint8_t)(100 + i);
    }
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_udp_announce_request(&writer, UINT64_MAX - 1, 5, &announce,
                              pbts_span_text("/announce/" PK));
    assert_int_equal(
        pbts_udp_request_decode(&d.request, d.hashes, d.url, pbts_writer_span(&writer)), PBTS_OK);
    const pbts_announce *read = &d.request.announce;
    assert_true(d.request.connection_id == UINT64_MAX - 1 && d.request.transaction_id == 5);
    assert_true(read->uploaded_bytes == 1 && read->downloaded_bytes == 2 && read->left_bytes == 3);
    assert_true(read->event == PBTS_EVENT_STARTED && read->port == 6881 && read->numwant == -1);
    assert_int_equal(read->key, 9);
    assert_memory_equal(read->infohash, announce.infohash, 20);
    assert_memory_equal(read->peer_id, announce.peer_id, 20);
    assert_span_is(read->passkey, PK);
}

static void a_path_is_split_into_options_and_joined_again(void **state) {
    (void)state;
    static const size_t LENGTHS[] = { 0, 1, 254, 255, 256, 510, 511, PBTS_UDP_PATH_MAX };
    uint8_t bytes[PBTS_UDP_REQUEST_MAX], path[PBTS_UDP_PATH_MAX + 1];
    memset(path, 'x', sizeof path);
    memcpy(path, "/announce/" PK "?", 43);
    pbts_announce announce = { .port = 1, .left_bytes = UINT64_MAX };
    for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
        decoded d;
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_udp_announce_request(&writer, 1, 2, &announce, (pbts_span){ path, LENGTHS[i] });
        assert_int_equal(
            pbts_udp_request_decode(&d.request, d.hashes, d.url, pbts_writer_span(&writer)),
            PBTS_OK);
        assert_int_equal(d.request.announce.passkey.len, LENGTHS[i] > 42 ? 32 : 0);
        assert_true(d.request.announce.left_bytes == (uint64_t)INT64_MAX);
    }
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_udp_announce_request(&writer, 1, 2, &announce, PBTS_SPAN_OF(path));
    assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
}

static pbts_status decode(pbts_udp_answer *out, pbts_family family, pbts_span bytes) {
    uint8_t *copy = exact_copy(bytes);
    pbts_status status = pbts_udp_answer_decode(out, family, (pbts_span){ copy, bytes.len });
    free(copy);
    return status;
}

static void answers_are_read_and_their_truncations_refused(void **state) {
    static const uint8_t PEERS[36] = { 10, 0, 0, 1, 0x1A, 0xE1, 10, 0, 0, 2, 0, 80 };
    (void)state;
    uint8_t bytes[PBTS_UDP_REPLY_MAX];
    pbts_udp_answer answer;
    pbts_announce_reply reply = { .interval_s = 1800, .complete = 3, .incomplete = 4 };
    reply.peers4 = reply.peers6 = PBTS_SPAN_OF(PEERS);
    for (int family = PBTS_IPV4; family <= PBTS_IPV6; family += 2) {
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_udp_announce_reply(&writer, 77, (pbts_family)family, &reply);
        pbts_span all = pbts_writer_span(&writer);
        assert_int_equal(pbts_udp_answer_decode(&answer, (pbts_family)family, all), PBTS_OK);
        assert_true(answer.action == PBTS_UDP_ANNOUNCE && answer.transaction_id == 77);
        assert_true(answer.interval_s == 1800 && answer.complete == 3 && answer.incomplete == 4);
        assert_true(pbts_span_equal(answer.peers, PBTS_SPAN_OF(PEERS)));
        size_t peer_len = family == PBTS_IPV4 ? 6 : 18;
        for (size_t cut = 0; cut < all.len; cut++) {
            pbts_status expected = cut < 20                     ? PBTS_NEED_MORE
                                   : (cut - 20) % peer_len == 0 ? PBTS_OK
                                                                : PBTS_MALFORMED;
            assert_int_equal(decode(&answer, (pbts_family)family, (pbts_span){ all.data, cut }),
                             expected);
        }
    }
}

static void connect_and_error_answers_are_read(void **state) {
    (void)state;
    uint8_t bytes[64];
    pbts_udp_answer answer;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_udp_connect_reply(&writer, 3, 0x0102030405060708);
    assert_int_equal(decode(&answer, PBTS_IPV4, pbts_writer_span(&writer)), PBTS_OK);
    assert_true(answer.action == PBTS_UDP_CONNECT && answer.transaction_id == 3);
    assert_true(answer.connection_id == 0x0102030405060708);
    assert_int_equal(decode(&answer, PBTS_IPV4, (pbts_span){ bytes, 15 }), PBTS_NEED_MORE);
    writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_udp_error_reply(&writer, 4, "no such torrent");
    assert_int_equal(pbts_udp_answer_decode(&answer, PBTS_IPV4, pbts_writer_span(&writer)),
                     PBTS_OK);
    assert_true(answer.action == PBTS_UDP_ERROR && answer.transaction_id == 4);
    assert_span_is(answer.error, "no such torrent");
    bytes[3] = PBTS_UDP_SCRAPE; /* never asked for */
    assert_int_equal(decode(&answer, PBTS_IPV4, pbts_writer_span(&writer)), PBTS_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connect_request_is_understood),
        cmocka_unit_test(an_announce_is_understood_with_its_passkey),
        cmocka_unit_test(a_path_is_split_into_options_and_joined_again),
        cmocka_unit_test(answers_are_read_and_their_truncations_refused),
        cmocka_unit_test(connect_and_error_answers_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
