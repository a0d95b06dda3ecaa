/* Unit tests of wire/http_reply.c: exact bytes, and bodies read back by the strict bencode parser,
 * which refuses keys out of order. */
#include "codec/bencode.h"
#include "wire/http_announce.h"

#include "wire_test.h"

static const uint8_t PEERS4[12] = { 10, 0, 0, 1, 0x1A, 0xE1, 10, 0, 0, 2, 0x00, 0x50 };
static const uint8_t PEERS6[18] = {
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0
};

static pbts_announce_reply full_reply(void) {
    return (pbts_announce_reply){
        .interval_s = 1800,
        .min_interval_s = 900,
        .complete = 3,
        .incomplete = 0,
        .downloaded = UINT32_MAX,
        .peers4 = PBTS_SPAN_OF(PEERS4),
        .peers6 = PBTS_SPAN_OF(PEERS6),
        .tracker_id = pbts_span_text("token"),
        .ticket = pbts_span_text("d1:ai1ee"),
        .warning = pbts_span_text("be nice"),
    };
}

static void a_body_is_these_bytes(void **state) {
    static const uint8_t WANT[] = "d8:completei3e10:downloadedi4294967295e10:incompletei0e"
                                  "8:intervali1800e12:min intervali900e5:peers6:\x0a\0\0\1\x1a\xe1"
                                  "e";
    uint8_t buffer[300];
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    pbts_announce_reply reply = full_reply();
    reply.peers4.len = 6;
    reply.peers6.len = reply.tracker_id.len = reply.ticket.len = reply.warning.len = 0;
    pbts_http_announce_body(&w, &reply, true);
    assert_int_equal(w.len, sizeof WANT - 1);
    assert_memory_equal(buffer, WANT, w.len);
}

static void a_full_compact_body_reads_back_with_every_field(void **state) {
    uint8_t buffer[500];
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    pbts_announce_reply reply = full_reply();
    pbts_http_announce_body(&w, &reply, true);
    pbts_bvalue body, pbts, ticket;
    uint64_t number;
    pbts_span text;
    assert_int_equal(pbts_bencode_parse(&body, pbts_writer_span(&w)), PBTS_OK);
    assert_true(pbts_bdict_find_uint(&body, "interval", &number) && number == 1800);
    assert_true(pbts_bdict_find_uint(&body, "min interval", &number) && number == 900);
    assert_true(pbts_bdict_find_uint(&body, "complete", &number) && number == 3);
    assert_true(pbts_bdict_find_uint(&body, "incomplete", &number) && number == 0);
    assert_true(pbts_bdict_find_uint(&body, "downloaded", &number) && number == UINT32_MAX);
    assert_true(pbts_bdict_find_string(&body, "peers", &text));
    assert_true(pbts_span_equal(text, reply.peers4));
    assert_true(pbts_bdict_find_string(&body, "peers6", &text));
    assert_true(pbts_span_equal(text, reply.peers6));
    assert_true(pbts_bdict_find_string(&body, "tracker id", &text));
    assert_span_is(text, "token");
    assert_true(pbts_bdict_find_string(&body, "warning message", &text));
    assert_span_is(text, "be nice");
    assert_true(pbts_bdict_find_typed(&body, "pbts", PBTS_BDICT, &pbts));
    assert_true(pbts_bdict_find(&pbts, "ticket", &ticket));
    assert_span_is(ticket.raw, "d1:ai1ee");
}

/* Each part of the dictionary "pbts" is there when there is something to say. */
static void what_is_signed_for_the_user_stands_together(void **state) {
    static const char *const WANT[8] = {
        NULL,
        "d6:ticketd1:ai1eee",
        "d6:member3:abce",
        "d6:member3:abc6:ticketd1:ai1eee",
        "d6:beacon2:xye",
        "d6:beacon2:xy6:ticketd1:ai1eee",
        "d6:beacon2:xy6:member3:abce",
        "d6:beacon2:xy6:member3:abc6:ticketd1:ai1eee",
    };
    (void)state;
    for (unsigned parts = 0; parts < 8; parts++) {
        uint8_t buffer[500];
        pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
        pbts_announce_reply reply = full_reply();
        if (!(parts & 1)) reply.ticket.len = 0;
        if (parts & 2) reply.membership = pbts_span_text("abc");
        if (parts & 4) reply.beacon = pbts_span_text("xy");
        pbts_http_announce_body(&w, &reply, true);
        pbts_bvalue body, pbts;
        assert_int_equal(pbts_bencode_parse(&body, pbts_writer_span(&w)), PBTS_OK);
        assert_int_equal(pbts_bdict_find(&body, "pbts", &pbts), WANT[parts] != NULL);
        if (WANT[parts] != NULL) assert_span_is(pbts.raw, WANT[parts]);
    }
}

static void a_body_without_peers_still_has_the_key(void **state) {
    uint8_t buffer[300];
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    pbts_announce_reply reply = { .interval_s = 60 };
    pbts_http_announce_body(&w, &reply, true);
    pbts_bvalue body;
    pbts_span peers;
    assert_int_equal(pbts_bencode_parse(&body, pbts_writer_span(&w)), PBTS_OK);
    assert_true(pbts_bdict_find_string(&body, "peers", &peers) && peers.len == 0);
    assert_false(pbts_bdict_find_string(&body, "peers6", &peers));
}

static void a_body_that_is_not_compact_lists_dictionaries(void **state) {
    uint8_t buffer[500];
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    pbts_announce_reply reply = full_reply();
    pbts_http_announce_body(&w, &reply, false);
    pbts_bvalue body, list;
    assert_int_equal(pbts_bencode_parse(&body, pbts_writer_span(&w)), PBTS_OK);
    assert_true(pbts_bdict_find_typed(&body, "peers", PBTS_BLIST, &list));
    assert_span_is(list.raw, "ld2:ip8:10.0.0.14:porti6881eed2:ip8:10.0.0.24:porti80ee"
                             "d2:ip11:2001:db8::14:porti256eee");
    assert_false(pbts_bdict_find(&body, "peers6", &list));
}

static void a_body_that_does_not_fit_fails_at_every_size(void **state) {
    uint8_t whole[500];
    pbts_writer w = pbts_writer_over(whole, sizeof whole);
    pbts_announce_reply reply = full_reply();
    pbts_http_announce_body(&w, &reply, true);
    size_t len = w.len;
    for (size_t capacity = 0; capacity <= len; capacity++) {
        uint8_t *exact = malloc(capacity > 0 ? capacity : 1);
        assert_non_null(exact);
        w = pbts_writer_over(exact, capacity);
        pbts_http_announce_body(&w, &reply, true);
        assert_int_equal(pbts_writer_status(&w), capacity < len ? PBTS_NO_SPACE : PBTS_OK);
        free(exact);
    }
}

static void a_failure_says_why_and_when_to_come_back(void **state) {
    static const struct {
        pbts_failure failure;
        const char *want;
    } CASES[] = {
        { { "no", 0 }, "d14:failure reason2:noe" },
        { { "no", -1 }, "d14:failure reason2:no8:retry in5:nevere" },
        { { "no", 15 }, "d14:failure reason2:no8:retry ini15ee" },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t buffer[100];
        pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
        pbts_http_failure_body(&w, &CASES[i].failure);
        assert_span_is(pbts_writer_span(&w), CASES[i].want);
    }
}

static void a_scrape_body_is_sorted_and_names_no_torrent_twice(void **state) {
    pbts_prng prng = pbts_prng_seeded(5);
    for (size_t round = 0; round < 500; round++) {
        pbts_scrape_entry entries[PBTS_SCRAPE_HASHES_MAX] = { 0 };
        bool present[16] = { false };
        size_t count = pbts_prng_below(&prng, PBTS_SCRAPE_HASHES_MAX + 1);
        for (size_t i = 0; i < count; i++) {
            uint8_t value = (uint8_t)pbts_prng_below(&prng, 16);
            entries[i] = (pbts_scrape_entry){ .complete = value,
                                              .downloaded = 100u + value,
                                              .incomplete = UINT32_MAX };
            entries[i].infohash[19] = value;
            present[value] = true;
        }
        uint8_t buffer[8192];
        pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
        pbts_http_scrape_body(&w, entries, count);
        pbts_bvalue body, files, file;
        assert_int_equal(pbts_bencode_parse(&body, pbts_writer_span(&w)), PBTS_OK);
        assert_true(pbts_bdict_find_typed(&body, "files", PBTS_BDICT, &files));
        pbts_biter iter = pbts_bvalue_items(&files);
        pbts_span key;
        size_t found = 0;
        while (pbts_biter_next_pair(&iter, &key, &file)) {
            uint64_t number;
            assert_int_equal(key.len, 20);
            assert_true(present[key.data[19]]);
            assert_true(pbts_bdict_find_uint(&file, "complete", &number));
            assert_int_equal(number, key.data[19]);
            assert_true(pbts_bdict_find_uint(&file, "downloaded", &number));
            assert_int_equal(number, 100 + key.data[19]);
            assert_true(pbts_bdict_find_uint(&file, "incomplete", &number));
            assert_true(number == UINT32_MAX);
            found++;
        }
        for (size_t i = 0; i < 16; i++) found -= present[i];
        assert_int_equal(found, 0);
    }
}

static pbts_span frame(uint8_t *buffer, const char *body, unsigned status, bool keep_alive,
                       unsigned retry_after_s) {
    size_t len = strlen(body);
    if (len > 0) memcpy(buffer + PBTS_HTTP_HEAD_RESERVE, body, len);
    return pbts_http_frame(buffer, len, status, keep_alive, retry_after_s);
}

static void a_frame_is_one_http_answer(void **state) {
    uint8_t buffer[PBTS_HTTP_HEAD_RESERVE + 20];
    assert_span_is(frame(buffer, "d5:peers0:e", 200, true, 0),
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n"
                   "Connection: keep-alive\r\n\r\nd5:peers0:e");
    assert_span_is(frame(buffer, "", 503, false, 30),
                   "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
                   "Content-Length: 0\r\nRetry-After: 30\r\nConnection: close\r\n\r\n");
    assert_span_is(frame(buffer, "x", 405, false, 0),
                   "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\n"
                   "Content-Length: 1\r\nAllow: GET\r\nConnection: close\r\n\r\nx");
}

static void every_status_has_its_line_and_fits_the_reserve(void **state) {
    static const struct {
        unsigned status;
        const char *line;
    } CASES[] = {
        { 200, "HTTP/1.1 200 OK\r\n" },           { 400, "HTTP/1.1 400 Bad Request\r\n" },
        { 403, "HTTP/1.1 403 Forbidden\r\n" },    { 404, "HTTP/1.1 404 Not Found\r\n" },
        { 405, "HTTP/1.1 405 Method Not" },       { 408, "HTTP/1.1 408 Request Timeout\r\n" },
        { 414, "HTTP/1.1 414 URI Too Long\r\n" }, { 429, "HTTP/1.1 429 Too Many Requests\r\n" },
        { 431, "HTTP/1.1 431 Request Header" },   { 503, "HTTP/1.1 503 Service Unavailable\r\n" },
        { 500, "HTTP/1.1 500 Internal" },         { 777, "HTTP/1.1 500 Internal" },
    };
    uint8_t *buffer = malloc(PBTS_HTTP_HEAD_RESERVE); /* exact: the head may not leave it */
    assert_non_null(buffer);
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_span head = pbts_http_frame(buffer, 0, CASES[i].status, true, UINT32_MAX);
        assert_memory_equal(head.data, CASES[i].line, strlen(CASES[i].line));
        assert_memory_equal(head.data + head.len - 4, "\r\n\r\n", 4);
    }
    free(buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_these_bytes),
        cmocka_unit_test(a_full_compact_body_reads_back_with_every_field),
        cmocka_unit_test(what_is_signed_for_the_user_stands_together),
        cmocka_unit_test(a_body_without_peers_still_has_the_key),
        cmocka_unit_test(a_body_that_is_not_compact_lists_dictionaries),
        cmocka_unit_test(a_body_that_does_not_fit_fails_at_every_size),
        cmocka_unit_test(a_failure_says_why_and_when_to_come_back),
        cmocka_unit_test(a_scrape_body_is_sorted_and_names_no_torrent_twice),
        cmocka_unit_test(a_frame_is_one_http_answer),
        cmocka_unit_test(every_status_has_its_line_and_fits_the_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
