/* Unit tests of apps/pbts/say.c, http.c and tracker_api.c: the parts without a network. */
#include "pbts_test.h"

#include "pbts/exit_codes.h"
#include "pbts/http.c"
#include "pbts/tracker_api.h"

static char *cleaned(pbts_span text, size_t *len) {
    char *out = NULL;
    FILE *file = open_memstream(&out, len);
    assert_non_null(file);
    say_clean(file, text);
    assert_int_equal(fclose(file), 0);
    return out;
}

static void no_control_character_gets_through(void **state) {
    size_t len;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t text[3] = { 'a', (uint8_t)byte, 'b' };
        char *out = cleaned(PBTS_SPAN_OF(text), &len);
        assert_int_equal(len, 3);
        assert_int_equal((uint8_t)out[1], byte < 0x20 || byte == 0x7F ? '?' : byte);
        free(out);
    }
    for (unsigned byte = 0x80; byte < 0xC0; byte++) { /* C1 in UTF-8, and what follows it */
        uint8_t text[2] = { 0xC2, (uint8_t)byte };
        char *out = cleaned(PBTS_SPAN_OF(text), &len);
        assert_int_equal(len, byte < 0xA0 ? 1 : 2);
        assert_int_equal((uint8_t)out[0], byte < 0xA0 ? '?' : 0xC2);
        free(out);
    }
    static const uint8_t last[1] = { 0xC2 };
    free(cleaned(PBTS_SPAN_OF(last), &len));
    assert_int_equal(len, 1);
}

static void bytes_have_fitting_units(void **state) {
    assert_string_equal(say_bytes(0), "0 bytes");
    assert_string_equal(say_bytes(1023), "1023 bytes");
    assert_string_equal(say_bytes(1024), "1.00 KiB (1024 bytes)");
    assert_string_equal(say_bytes(1610612736), "1.50 GiB (1610612736 bytes)");
    assert_string_equal(say_bytes(UINT64_MAX), "16.00 EiB (18446744073709551615 bytes)");
}

static void one_is_no_plural(void **state) {
    assert_string_equal(say_count(1, "receipt"), "1 receipt");
    assert_string_equal(say_count(0, "receipt"), "0 receipts");
    assert_string_equal(say_count(2, "entry"), "2 entries");
    assert_string_equal(say_count(1, "entry"), "1 entry");
    assert_string_equal(say_count(0, "address"), "0 addresses");
    assert_string_equal(say_count(1, "address"), "1 address");
    assert_string_equal(say_count(UINT64_MAX, "more file"), "18446744073709551615 more files");
    assert_string_equal(say_bytes(1), "1 byte");
    /* Eight at once, and the longest noun. */
    const char *first = say_count(1, "a");
    for (unsigned i = 2; i <= 8; i++) (void)say_count(i, "a23456789b123456789c123456789y");
    assert_string_equal(first, "1 a");
    assert_string_equal(say_count(UINT64_MAX, "a23456789b123456789c123456789y"),
                        "18446744073709551615 a23456789b123456789c123456789ies");
}

static void a_path_follows_the_trackers_address(void **state) {
    static const struct {
        const char *tracker, *want; /* NULL: it is no address */
    } CASES[] = {
        { "http://h", "http://h/p" },
        { "http://h///", "http://h/p" },
        { "https://h:1/x/", "https://h:1/x/p" },
        { "h:8000", "h:8000/p" },
        { "", NULL },
        { "/", NULL },
        { "http://", NULL },
        { "http:", NULL },
        { "http://h?a", NULL },
        { "http://h/#a", NULL },
    };
    char url[URL_MAX], tracker[URL_MAX + 1];
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const http_request request = { .tracker = CASES[i].tracker, .path = "/p" };
        assert_true(make_url(url, &request) == (CASES[i].want != NULL));
        if (CASES[i].want != NULL) assert_string_equal(url, CASES[i].want);
    }
    memset(tracker, 'a', sizeof tracker);
    const http_request request = { .tracker = tracker, .path = "/p" };
    tracker[URL_MAX - 3] = '\0'; /* with "/p" and NUL as long as may be */
    assert_true(make_url(url, &request));
    tracker[URL_MAX - 3] = 'a';
    tracker[URL_MAX - 2] = '\0';
    assert_false(make_url(url, &request));
}

static void an_answer_is_taken_up_to_its_limit(void **state) {
    static char block[1 << 20];
    http_answer answer = { 0 };
    memset(block, 'x', sizeof block);
    for (size_t got = 0; got < HTTP_ANSWER_MAX; got += sizeof block) {
        assert_int_equal(take(block, 1, sizeof block, &answer), sizeof block);
    }
    assert_int_equal(take(block, 1, 0, &answer), 0);
    assert_int_equal(take(block, 1, 1, &answer), 0);
    assert_int_equal(answer.len, HTTP_ANSWER_MAX);
    assert_int_equal(answer.body[answer.len], '\0');
    http_answer_free(&answer);
}

static void counts_in_answers_are_never_negative(void **state) {
    json_t *answer = json_loads("{\"a\": 5, \"b\": -5, \"c\": \"5\", \"d\": 5.5, \"e\": "
                                "9223372036854775807}",
                                0, NULL);
    assert_non_null(answer);
    assert_true(tracker_count(answer, "a") == 5);
    assert_true(tracker_count(answer, "e") == INT64_MAX);
    static const char *const NONE[] = { "b", "c", "d", "f" };
    for (size_t i = 0; i < 4; i++) assert_true(tracker_count(answer, NONE[i]) == 0);
    assert_true(tracker_count(NULL, "a") == 0);
    json_decref(answer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_control_character_gets_through),
        cmocka_unit_test(bytes_have_fitting_units),
        cmocka_unit_test(one_is_no_plural),
        cmocka_unit_test(a_path_follows_the_trackers_address),
        cmocka_unit_test(an_answer_is_taken_up_to_its_limit),
        cmocka_unit_test(counts_in_answers_are_never_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
