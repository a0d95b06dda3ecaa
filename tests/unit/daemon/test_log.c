#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>

#include "log.h"

enum { AT = 1700000000 };

static void a_line_is_key_value_with_quotes_where_needed(void **state) {
    char line[LOG_LINE_MAX];
    pbts_addr addr;
    assert_int_equal(pbts_addr_parse(&addr, pbts_span_text("10.0.0.1")), PBTS_OK);
    const struct log_field fields[] = { LOG_TEXT("plain", "abc"), LOG_TEXT("space", "a b=\"c\""),
                                        LOG_TEXT("none", NULL),   LOG_UINT("n", 42),
                                        LOG_INT("i", -7),         LOG_ADDR("a", &addr),
                                        { .key = NULL } };
    size_t len = log_format(line, false, LOG_INFO, AT * UINT64_C(1000) + 5, "test", fields);
    static const char expected[] =
        "time=2023-11-14T22:13:20.005Z level=info event=test plain=abc space=\"a b=\\\"c\\\"\" "
        "none=\"\" n=42 i=-7 a=10.0.0.1\n";
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(line, expected, len);
}

static void any_byte_in_any_value_stays_on_one_line_and_json_is_json(void **state) {
    for (int json = 0; json < 2; json++) {
        for (int byte = 0; byte < 256; byte++) {
            uint8_t raw[3] = { 'x', (uint8_t)byte, 'y' };
            char line[LOG_LINE_MAX];
            const struct log_field fields[] = { LOG_SPAN("v", PBTS_SPAN_OF(raw)), { .key = NULL } };
            size_t len = log_format(line, json, LOG_WARN, AT, "e", fields);
            for (size_t i = 0; i + 1 < len; i++) assert_in_range(line[i], ' ', '~');
            assert_int_equal(line[len - 1], '\n');
            if (!json) continue;
            json_t *parsed = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
            assert_non_null(parsed);
            assert_non_null(json_object_get(parsed, "v"));
            json_decref(parsed);
        }
    }
}

static void a_field_that_does_not_fit_is_left_out_whole(void **state) {
    static char long_text[4000];
    char line[LOG_LINE_MAX];
    memset(long_text, '\n', sizeof long_text - 1);
    for (size_t cut = 1; cut < sizeof long_text; cut += 7) {
        const struct log_field fields[] = { LOG_TEXT("long", long_text + cut),
                                            LOG_UINT("last", 1),
                                            { .key = NULL } };
        size_t len = log_format(line, true, LOG_ERROR, AT, "e", fields);
        json_t *parsed = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
        assert_non_null(parsed);
        assert_int_equal(json_integer_value(json_object_get(parsed, "last")), 1);
        json_decref(parsed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_key_value_with_quotes_where_needed),
        cmocka_unit_test(any_byte_in_any_value_stays_on_one_line_and_json_is_json),
        cmocka_unit_test(a_field_that_does_not_fit_is_left_out_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
