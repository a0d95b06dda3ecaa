/* Unit tests of wire/announce_answer.c: what it writes is read by the tracker's decoder, and what
 * the tracker's encoder writes is read by it. */
#include "wire/announce_answer.h"
#include "wire/http_announce.h"

#include "wire_test.h"

static pbts_announce full_announce(void) {
    pbts_announce announce = { .uploaded_bytes = 1,
                               .downloaded_bytes = UINT64_MAX,
                               .left_bytes = 3,
                               .event = PBTS_EVENT_STARTED,
                               .port = 6881,
                               .numwant = 50,
                               .key = 7,
                               .compact = true,
                               .no_peer_id = true,
                               .tracker_id = pbts_span_text("a&b=c"),
                               .uid = pbts_span_text("alice"),
                               .pk = pbts_span_text("+/A="),
                               .time = pbts_span_text("1800000000"),
                               .sig = pbts_span_text("%x") };
    for (size_t i = 0; i < 20; i++) {
        announce.infohash[i] = (uint8_t)(13 * i);
        announce.peer_id[i] = (uint8_t)(255 - 11 * i);
    }
    return announce;
}

static pbts_span write_url(uint8_t *buffer, size_t len, const char *url,
                           const pbts_announce *announce) {
    pbts_writer writer = pbts_writer_over(buffer, len);
    pbts_announce_url_write(&writer, pbts_span_text(url), announce);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return pbts_writer_span(&writer);
}

static void the_tracker_reads_what_the_client_writes(void **state) {
    (void)state;
    uint8_t buffer[PBTS_ANNOUNCE_URL_MAX], scratch[PBTS_ANNOUNCE_SCRATCH_LEN];
    pbts_announce sent = full_announce(), read;
    const char *problem = "";
    pbts_span url = write_url(buffer, sizeof buffer, "http://t/announce", &sent);
    size_t start = strlen("http://t/announce?");
    assert_memory_equal(url.data, "http://t/announce?info_hash=", start + 10);
    pbts_span query = { url.data + start, url.len - start };
    assert_int_equal(pbts_http_announce_decode(&read, &problem, query, scratch), PBTS_OK);
    assert_memory_equal(read.infohash, sent.infohash, 20);
    assert_memory_equal(read.peer_id, sent.peer_id, 20);
    assert_true(read.uploaded_bytes == 1 && read.downloaded_bytes == UINT64_MAX);
    assert_true(read.left_bytes == 3 && read.event == PBTS_EVENT_STARTED && read.port == 6881);
    assert_true(read.numwant == 50 && read.compact && read.no_peer_id);
    assert_true(pbts_span_equal(read.tracker_id, sent.tracker_id));
    assert_true(pbts_span_equal(read.uid, sent.uid) && pbts_span_equal(read.pk, sent.pk));
    assert_true(pbts_span_equal(read.time, sent.time) && pbts_span_equal(read.sig, sent.sig));
}

static void each_event_is_read_as_itself(void **state) {
    (void)state;
    for (int event = PBTS_EVENT_NONE; event <= PBTS_EVENT_PAUSED; event++) {
        uint8_t buffer[PBTS_ANNOUNCE_URL_MAX], scratch[PBTS_ANNOUNCE_SCRATCH_LEN];
        pbts_announce sent = full_announce(), read;
        const char *problem = "";
        sent.event = (pbts_event)event;
        pbts_span query = write_url(buffer, sizeof buffer, "x", &sent);
        query = (pbts_span){ query.data + 2, query.len - 2 };
        assert_int_equal(pbts_http_announce_decode(&read, &problem, query, scratch), PBTS_OK);
        assert_int_equal(read.event, event);
    }
}

static void what_is_not_known_is_left_out(void **state) {
    (void)state;
    uint8_t buffer[PBTS_ANNOUNCE_URL_MAX];
    pbts_announce announce = { .left_bytes = UINT64_MAX, .numwant = -1, .port = 1 };
    memset(announce.infohash, 'h', 20);
    memset(announce.peer_id, 'p', 20);
    pbts_span url = write_url(buffer, sizeof buffer, "http://t/a?k=v", &announce);
    assert_span_is(url, "http://t/a?k=v&info_hash=hhhhhhhhhhhhhhhhhhhh&peer_id=pppppppppppppppppppp"
                        "&port=1&uploaded=0&downloaded=0&key=0&compact=0");
    pbts_writer writer = pbts_writer_over(buffer, url.len - 1);
    pbts_announce_url_write(&writer, pbts_span_text("http://t/a?k=v"), &announce);
    assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
}

/* ---- answers ---- */

static pbts_status decode(pbts_announce_answer *out, pbts_span body) {
    uint8_t *copy = exact_copy(body);
    pbts_status status = pbts_announce_answer_decode(out, (pbts_span){ copy, body.len });
    free(copy);
    return status;
}

static pbts_status decode_text(pbts_announce_answer *out, const char *text) {
    return pbts_announce_answer_decode(out, pbts_span_text(text));
}

static const uint8_t PEERS4[12] = { 10, 0, 0, 1, 0x1A, 0xE1, 10, 0, 0, 2, 0x00, 0x50 };
static const uint8_t PEERS6[18] = {
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0
};

static size_t tracker_body(uint8_t *buffer, size_t len, bool compact) {
    const pbts_announce_reply reply = {
        .interval_s = 1800,
        .min_interval_s = 900,
        .complete = 3,
        .incomplete = 4,
        .peers4 = PBTS_SPAN_OF(PEERS4),
        .peers6 = PBTS_SPAN_OF(PEERS6),
        .tracker_id = pbts_span_text("token"),
        .ticket = pbts_span_text("d1:ai1ee"),
        .membership = pbts_span_text("mm"),
        .beacon = pbts_span_text("b"),
        .warning = pbts_span_text("be nice"),
    };
    pbts_writer writer = pbts_writer_over(buffer, len);
    pbts_http_announce_body(&writer, &reply, compact);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return writer.len;
}

static void the_client_reads_what_the_tracker_writes(void **state) {
    static const char *const PEERS[] = { "10.0.0.1:6881", "10.0.0.2:80", "[2001:db8::1]:256" };
    (void)state;
    for (int compact = 0; compact < 2; compact++) {
        uint8_t buffer[1000];
        pbts_announce_answer answer;
        pbts_span body = { buffer, tracker_body(buffer, sizeof buffer, compact == 1) };
        assert_int_equal(pbts_announce_answer_decode(&answer, body), PBTS_OK);
        assert_false(answer.refused);
        assert_true(answer.interval_s == 1800 && answer.min_interval_s == 900);
        assert_true(answer.complete == 3 && answer.incomplete == 4);
        assert_span_is(answer.tracker_id, "token");
        assert_span_is(answer.ticket, "d1:ai1ee");
        assert_span_is(answer.membership, "mm");
        assert_span_is(answer.beacon, "b");
        assert_span_is(answer.warning, "be nice");
        pbts_announce_peers walk = { 0 };
        pbts_addr addr;
        for (size_t i = 0; i < COUNT_OF(PEERS); i++) {
            char text[PBTS_ENDPOINT_TEXT_MAX];
            assert_true(pbts_announce_peers_next(&walk, &addr, &answer));
            (void)pbts_addr_format_endpoint(text, &addr);
            assert_string_equal(text, PEERS[i]);
        }
        assert_false(pbts_announce_peers_next(&walk, &addr, &answer));
        assert_false(pbts_announce_peers_next(&walk, &addr, &answer));
    }
}

static void every_truncation_is_malformed(void **state) {
    (void)state;
    uint8_t buffer[1000];
    pbts_announce_answer answer;
    size_t len = tracker_body(buffer, sizeof buffer, true);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(decode(&answer, (pbts_span){ buffer, cut }), PBTS_MALFORMED);
    }
}

static void damage_of_one_byte_gives_a_status(void **state) {
    (void)state;
    uint8_t buffer[1000];
    size_t len = tracker_body(buffer, sizeof buffer, false);
    for (size_t i = 0; i < 256 * len; i++) {
        pbts_announce_answer answer;
        uint8_t was = buffer[i % len];
        buffer[i % len] = (uint8_t)(i / len);
        uint8_t *copy = exact_copy((pbts_span){ buffer, len });
        if (pbts_announce_answer_decode(&answer, (pbts_span){ copy, len }) == PBTS_OK) {
            pbts_announce_peers walk = { 0 };
            pbts_addr addr;
            int count = 0;
            while (pbts_announce_peers_next(&walk, &addr, &answer)) count++;
            assert_in_range(count, 0, 3);
        }
        free(copy);
        buffer[i % len] = was;
    }
}

static void a_refusal_says_why_and_when_to_come_back(void **state) {
    (void)state;
    pbts_announce_answer answer;
    assert_int_equal(decode_text(&answer, "d14:failure reason3:no!8:retry ini5ee"), PBTS_OK);
    assert_true(answer.refused && answer.retry_in_minutes == 5);
    assert_span_is(answer.failure, "no!");
    assert_int_equal(decode_text(&answer, "d14:failure reason3:no!8:retry in5:nevere"), PBTS_OK);
    assert_int_equal(answer.retry_in_minutes, -1);
    assert_int_equal(decode_text(&answer, "d14:failure reason0:e"), PBTS_OK);
    assert_true(answer.refused && answer.retry_in_minutes == 0);
    assert_int_equal(decode_text(&answer, "d14:failure reason0:8:retry ini9223372036854775807ee"),
                     PBTS_OK);
    assert_int_equal(answer.retry_in_minutes, 366 * 24 * 60);
}

static void peers_that_nobody_can_dial_are_passed_over(void **state) {
    (void)state;
    pbts_announce_answer answer;
    pbts_announce_peers walk = { 0 };
    pbts_addr addr;
    assert_int_equal(decode_text(&answer, "d5:peersld2:ip4:host4:porti80eed2:ip7:1.2.3.44:porti0ee"
                                          "d2:ip7:1.2.3.44:porti65536eei5ed4:porti80ee"
                                          "d2:ip7:0.0.0.04:porti80eed2:ip7:1.2.3.54:porti80eeee"),
                     PBTS_OK);
    assert_true(pbts_announce_peers_next(&walk, &addr, &answer));
    assert_true(addr.ip[3] == 5 && addr.port == 80);
    assert_false(pbts_announce_peers_next(&walk, &addr, &answer));
    assert_int_equal(
        pbts_announce_answer_decode(
            &answer, (pbts_span){ (const uint8_t *)"d5:peers12:\0\0\0\0\0\1\1\2\3\4\0\0e", 24 }),
        PBTS_OK);
    walk = (pbts_announce_peers){ 0 };
    assert_false(pbts_announce_peers_next(&walk, &addr, &answer));
}

static void bad_answers_are_malformed(void **state) {
    static const char *const CASES[] = {
        "",
        "le",
        "i5e",
        "<html>",
        "d5:peers5:12345e",
        "d6:peers617:12345678901234567e",
        "dee",
        "d10:tracker id65:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaae",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_announce_answer answer;
        if (decode_text(&answer, CASES[i]) != PBTS_MALFORMED) fail_msg("accepted: %s", CASES[i]);
    }
}

static void an_answer_has_at_most_a_mebibyte(void **state) {
    (void)state;
    size_t len = PBTS_ANNOUNCE_ANSWER_LEN_MAX;
    uint8_t *body = malloc(len + 1);
    pbts_announce_answer answer;
    assert_non_null(body);
    memset(body, 'x', len + 1);
    int head = snprintf((char *)body, len, "d1:x%zu:", len - 13);
    assert_int_equal(head, 12);
    body[12] = 'x';
    body[len - 1] = 'e';
    assert_int_equal(pbts_announce_answer_decode(&answer, (pbts_span){ body, len }), PBTS_OK);
    assert_int_equal(pbts_announce_answer_decode(&answer, (pbts_span){ body, len + 1 }),
                     PBTS_LIMIT);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tracker_reads_what_the_client_writes),
        cmocka_unit_test(each_event_is_read_as_itself),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(the_client_reads_what_the_tracker_writes),
        cmocka_unit_test(every_truncation_is_malformed),
        cmocka_unit_test(damage_of_one_byte_gives_a_status),
        cmocka_unit_test(a_refusal_says_why_and_when_to_come_back),
        cmocka_unit_test(peers_that_nobody_can_dial_are_passed_over),
        cmocka_unit_test(bad_answers_are_malformed),
        cmocka_unit_test(an_answer_has_at_most_a_mebibyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
