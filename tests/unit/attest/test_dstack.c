/* Unit tests of attest/: what dstack's guest agent is asked, and what its answers may be. */
#include "attest/dstack.h"
#include "codec/text.h"
#include "evidence.h"

static const uint8_t REPORT_DATA[PBTS_REPORT_DATA_LEN] = { 0xab, [63] = 0xcd };

/* ---- requests ---- */

static void assert_request(const pbts_writer *found, const char *target, const char *body) {
    char wanted[1024];
    (void)snprintf(wanted, sizeof wanted,
                   "POST %s HTTP/1.1\r\nHost: dstack\r\nContent-Type: application/json\r\n"
                   "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                   target, strlen(body), body);
    assert_false(found->failed);
    assert_int_equal(found->len, strlen(wanted));
    assert_memory_equal(found->data, wanted, found->len);
}

static void requests_are_those_of_both_agents(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DSTACK_REQUEST_MAX];
    char quote[256] = "{\"report_data\":\"ab";
    for (int i = 0; i < 62; i++) strcat(quote, "00");
    strcat(quote, "cd\"}");
    static const char *const TARGETS[][3] = {
        { "/GetQuote", "/Info", "/GetKey" },
        { "/prpc/Tappd.RawQuote?json", "/prpc/Tappd.Info?json", "/prpc/Tappd.DeriveK256Key?json" },
    };
    for (int api = PBTS_DSTACK_AGENT; api <= PBTS_DSTACK_TAPPD; api++) {
        pbts_writer out = pbts_writer_over(bytes, sizeof bytes);
        pbts_dstack_ask_quote(&out, (pbts_dstack_api)api, REPORT_DATA);
        assert_request(&out, TARGETS[api][0], quote);
        out = pbts_writer_over(bytes, sizeof bytes);
        pbts_dstack_ask_info(&out, (pbts_dstack_api)api);
        assert_request(&out, TARGETS[api][1], "{}");
        out = pbts_writer_over(bytes, sizeof bytes);
        assert_int_equal(pbts_dstack_ask_key(&out, (pbts_dstack_api)api, "pbts/key", "tracker"),
                         PBTS_OK);
        assert_request(&out, TARGETS[api][2], "{\"path\":\"pbts/key\",\"purpose\":\"tracker\"}");
    }
}

static void names_of_keys_need_no_escapes(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DSTACK_REQUEST_MAX];
    char longest[PBTS_DSTACK_PATH_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[PBTS_DSTACK_PATH_MAX + 1] = '\0';
    const char *const bad[] = { "", "a\"b", "a\\b", "a b", "a\nb", "\xc3\xa4", longest };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pbts_writer out = pbts_writer_over(bytes, sizeof bytes);
        assert_int_equal(pbts_dstack_ask_key(&out, PBTS_DSTACK_AGENT, bad[i], "p"), PBTS_MALFORMED);
        assert_int_equal(pbts_dstack_ask_key(&out, PBTS_DSTACK_AGENT, "p", bad[i]), PBTS_MALFORMED);
        assert_int_equal(out.len, 0);
    }
    longest[PBTS_DSTACK_PATH_MAX] = '\0';
    pbts_writer out = pbts_writer_over(bytes, sizeof bytes);
    assert_int_equal(pbts_dstack_ask_key(&out, PBTS_DSTACK_TAPPD, longest, longest), PBTS_OK);
    out = pbts_writer_over(bytes, 100);
    assert_int_equal(pbts_dstack_ask_key(&out, PBTS_DSTACK_AGENT, "p", "p"), PBTS_NO_SPACE);
}

/* ---- HTTP ---- */

/* From an exact copy; `wanted` NULL: no body. */
static pbts_status answer(const char *text, size_t len, bool ended, const char *wanted) {
    uint8_t *bytes = malloc(len > 0 ? len : 1);
    pbts_span body = { NULL, 0 };
    assert_non_null(bytes);
    memcpy(bytes, text, len);
    pbts_status status = pbts_dstack_answer(&body, bytes, len, ended);
    if (status == PBTS_OK && wanted != NULL) {
        assert_int_equal(body.len, strlen(wanted));
        if (body.len > 0) assert_memory_equal(body.data, wanted, body.len);
    }
    free(bytes);
    return status;
}

static void assert_answer(pbts_status wanted, const char *text, bool ended, const char *body) {
    assert_int_equal(answer(text, strlen(text), ended, body), wanted);
}

static const char PLAIN[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                            "content-LENGTH:  9 \r\n\r\n{\"a\":\"b\"}";
static const char CHUNKED[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
                              "4;x=y\r\n{\"a\"\r\n05\r\n:\"b\"}\r\n0\r\n\r\n";

static void a_body_has_a_length_or_chunks_or_an_end(void **state) {
    (void)state;
    assert_answer(PBTS_OK, PLAIN, false, "{\"a\":\"b\"}");
    assert_answer(PBTS_OK, CHUNKED, false, "{\"a\":\"b\"}");
    assert_answer(PBTS_NEED_MORE, "HTTP/1.0 200 OK\r\n\r\n{}", false, NULL);
    assert_answer(PBTS_OK, "HTTP/1.0 200 OK\r\n\r\n{}", true, "{}");
    assert_answer(PBTS_OK, "HTTP/1.0 200 OK\n\n{}", true, "{}");
    assert_answer(PBTS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, "");
}

static void every_truncation_waits_and_then_is_an_error(void **state) {
    (void)state;
    const char *const texts[] = { PLAIN, CHUNKED };
    for (size_t t = 0; t < 2; t++) {
        for (size_t len = 0; len < strlen(texts[t]); len++) {
            assert_int_equal(answer(texts[t], len, false, NULL), PBTS_NEED_MORE);
            assert_int_equal(answer(texts[t], len, true, NULL), PBTS_MALFORMED);
        }
    }
}

static void what_is_no_answer_is_refused(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "garbage that ends\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxy\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_answer(PBTS_MALFORMED, BAD[i], false, NULL);
}

static void other_statuses_have_their_meaning(void **state) {
    (void)state;
    assert_answer(PBTS_NOT_FOUND, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false,
                  NULL);
    assert_answer(PBTS_DENIED, "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}", false, NULL);
    assert_answer(PBTS_DENIED, "HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\n{}", false, NULL);
    assert_answer(PBTS_DENIED, "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", false, NULL);
}

static void head_and_body_have_limits(void **state) {
    (void)state;
    enum { MAX = PBTS_DSTACK_ANSWER_MAX };
    uint8_t *bytes = calloc(1, MAX + 1);
    pbts_span body;
    char head[96];
    int head_len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ");
    assert_non_null(bytes);
    memcpy(bytes, head, (size_t)head_len);
    memset(bytes + head_len, 'x', MAX - (size_t)head_len);
    memcpy(bytes + PBTS_DSTACK_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(pbts_dstack_answer(&body, bytes, PBTS_DSTACK_HEAD_MAX, false), PBTS_OK);
    memset(bytes + PBTS_DSTACK_HEAD_MAX - 4, 'x', 4);
    memcpy(bytes + PBTS_DSTACK_HEAD_MAX - 3, "\r\n\r\n", 4);
    assert_int_equal(pbts_dstack_answer(&body, bytes, PBTS_DSTACK_HEAD_MAX + 1, false), PBTS_LIMIT);
    memset(bytes + PBTS_DSTACK_HEAD_MAX - 3, 'x', 4);
    assert_int_equal(pbts_dstack_answer(&body, bytes, PBTS_DSTACK_HEAD_MAX, false), PBTS_NEED_MORE);
    assert_int_equal(pbts_dstack_answer(&body, bytes, PBTS_DSTACK_HEAD_MAX + 1, false), PBTS_LIMIT);
    /* A body that ends with the connection: the limit, and one more. */
    static const char START[] = "HTTP/1.0 200 OK\r\n\r\n";
    memcpy(bytes, START, sizeof START - 1);
    assert_int_equal(pbts_dstack_answer(&body, bytes, MAX, true), PBTS_OK);
    assert_int_equal(body.len, MAX - (sizeof START - 1));
    assert_int_equal(pbts_dstack_answer(&body, bytes, MAX, false), PBTS_LIMIT);
    assert_int_equal(pbts_dstack_answer(&body, bytes, MAX + 1, true), PBTS_LIMIT);
    free(bytes);
    assert_answer(PBTS_LIMIT, "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", false, NULL);
    assert_answer(PBTS_NEED_MORE, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n", false,
                  NULL);
    assert_answer(PBTS_LIMIT,
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "ffffffffffffffffff\r\n",
                  false, NULL);
}

/* ---- JSON ---- */

static pbts_status read_quote(const char *body, size_t quote_room, size_t log_room) {
    uint8_t quote[PBTS_QUOTE_LEN_MAX], log[64];
    pbts_writer quote_out = pbts_writer_over(quote, quote_room);
    pbts_writer log_out = pbts_writer_over(log, log_room);
    pbts_status status = pbts_dstack_read_quote(&quote_out, &log_out, pbts_span_text(body));
    if (status == PBTS_OK) {
        assert_int_equal(quote_out.len, 3);
        assert_memory_equal(quote, "\x01\x02\xff", 3);
        if (log_out.len > 0) assert_memory_equal(log, "[{}]", 4);
    } else {
        assert_int_equal(quote_out.len + log_out.len, 0);
    }
    return status;
}

static void a_quote_is_hexadecimal(void **state) {
    (void)state;
    static const char GOOD[] = "{\"quote\":\"0102fF\",\"event_log\":\"[{}]\",\"more\":1}";
    assert_int_equal(read_quote(GOOD, 3, 4), PBTS_OK);
    assert_int_equal(read_quote("{\"quote\":\"0x0102ff\"}", 3, 0), PBTS_OK);
    assert_int_equal(read_quote(GOOD, 2, 4), PBTS_NO_SPACE);
    assert_int_equal(read_quote(GOOD, 3, 3), PBTS_NO_SPACE);
    static const char *const BAD[] = {
        "",
        "[]",
        "null",
        "{}",
        "{\"quote\":5}",
        "{\"quote\":\"\"}",
        "{\"quote\":\"010\"}",
        "{\"quote\":\"0g\"}",
        "{\"quote\":\"0102ff\",\"quote\":\"0102ff\"}",
        "{\"quote\":\"0102ff\"} x",
        "{\"quote\":\"0102ff\"",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_int_equal(read_quote(BAD[i], 3, 4), PBTS_MALFORMED);
}

static void a_quote_has_a_limit(void **state) {
    (void)state;
    enum { MAX = PBTS_QUOTE_LEN_MAX };
    char *body = malloc(2 * MAX + 64);
    uint8_t *room = malloc(MAX + 1), log[1];
    assert_non_null(body);
    assert_non_null(room);
    for (size_t more = 0; more < 2; more++) {
        memcpy(body, "{\"quote\":\"", 10);
        memset(body + 10, '0', 2 * (MAX + more));
        memcpy(body + 10 + 2 * (MAX + more), "\"}", 3);
        pbts_writer out = pbts_writer_over(room, MAX + 1), log_out = pbts_writer_over(log, 0);
        assert_int_equal(pbts_dstack_read_quote(&out, &log_out, pbts_span_text(body)),
                         more == 0 ? PBTS_OK : PBTS_LIMIT);
    }
    free(room);
    free(body);
}

static void a_key_has_32_bytes(void **state) {
    (void)state;
    uint8_t key[PBTS_DSTACK_KEY_LEN] = { 0 };
    char body[128];
    static const char *const NAMES[] = { "key", "k256_key" };
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(body, sizeof body, "{\"%s\":\"%064d\"}", NAMES[i], 7);
        assert_int_equal(pbts_dstack_read_key(key, pbts_span_text(body)), PBTS_OK);
        assert_int_equal(key[31], 7);
        (void)snprintf(body, sizeof body, "{\"%s\":\"%062d\"}", NAMES[i], 8);
        assert_int_equal(pbts_dstack_read_key(key, pbts_span_text(body)), PBTS_MALFORMED);
        (void)snprintf(body, sizeof body, "{\"%s\":\"%066d\"}", NAMES[i], 8);
        assert_int_equal(pbts_dstack_read_key(key, pbts_span_text(body)), PBTS_MALFORMED);
        assert_int_equal(key[31], 7);
    }
    assert_int_equal(pbts_dstack_read_key(key, pbts_span_text("{}")), PBTS_MALFORMED);
    assert_int_equal(pbts_dstack_read_key(key, pbts_span_text("x")), PBTS_MALFORMED);
}

static void info_may_be_silent_but_not_wrong(void **state) {
    (void)state;
    pbts_dstack_info info = { .app_id_len = 9 };
    char body[256];
    assert_int_equal(pbts_dstack_read_info(&info, pbts_span_text("{\"app_name\":\"x\"}")), PBTS_OK);
    assert_int_equal(info.app_id_len, 0);
    static const char BODY[] =
        "{\"app_id\":\"0102\",\"instance_id\":\"03\",\"compose_hash\":\"04\"}";
    assert_int_equal(pbts_dstack_read_info(&info, pbts_span_text(BODY)), PBTS_OK);
    assert_int_equal(info.app_id_len, 2);
    assert_int_equal(info.instance_id[0], 3);
    assert_int_equal(info.compose_hash[0], 4);
    assert_int_equal(pbts_dstack_read_info(&info, pbts_span_text("{\"app_id\":\"xy\"}")),
                     PBTS_MALFORMED);
    (void)snprintf(body, sizeof body, "{\"app_id\":\"%0128d\"}", 1);
    assert_int_equal(pbts_dstack_read_info(&info, pbts_span_text(body)), PBTS_OK);
    assert_int_equal(info.app_id_len, PBTS_DSTACK_ID_MAX);
    (void)snprintf(body, sizeof body, "{\"app_id\":\"%0130d\"}", 1);
    assert_int_equal(pbts_dstack_read_info(&info, pbts_span_text(body)), PBTS_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_those_of_both_agents),
        cmocka_unit_test(names_of_keys_need_no_escapes),
        cmocka_unit_test(a_body_has_a_length_or_chunks_or_an_end),
        cmocka_unit_test(every_truncation_waits_and_then_is_an_error),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(other_statuses_have_their_meaning),
        cmocka_unit_test(head_and_body_have_limits),
        cmocka_unit_test(a_quote_is_hexadecimal),
        cmocka_unit_test(a_quote_has_a_limit),
        cmocka_unit_test(a_key_has_32_bytes),
        cmocka_unit_test(info_may_be_silent_but_not_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
