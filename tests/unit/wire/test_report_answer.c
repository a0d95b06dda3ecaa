/* Unit tests of wire/report_answer.c: the tracker's answer, and what is none. */
#include "wire/report_answer.h"

#include "receipt/faulty_mem.h"
#include "wire/wire_test.h"

static const char GOOD[] =
    "{ \"success\": true, \"credited\": { \"statements\": 1, \"pieces\": 10, \"bytes\": 163840 },"
    "  \"held\": { \"bytes\": 0 }, \"duplicates\": 0, \"refused\": 1, \"statements\": ["
    "    { \"index\": 0, \"status\": \"credited\", \"credited_bytes\": 163840, \"held_bytes\": 5,"
    "      \"pieces\": 10, \"duplicates\": 3 },"
    "    { \"index\": 1, \"status\": \"refused\", \"credited_bytes\": 0, \"held_bytes\": 0,"
    "      \"pieces\": 0, \"duplicates\": 0, \"code\": \"EPOCH_FUTURE\", \"error\": \"text\" },"
    "    { \"index\": 2, \"status\": \"held\", \"credited_bytes\": 0, \"held_bytes\": 7,"
    "      \"pieces\": 1, \"duplicates\": 0 },"
    "    { \"index\": 3, \"status\": \"duplicate\", \"credited_bytes\": 0, \"held_bytes\": 0,"
    "      \"pieces\": 0, \"duplicates\": 4294967295 } ],"
    "  \"totals\": { \"up\": 1073905664, \"down\": 0, \"held\": 0, \"ratio\": null } }";

static pbts_status status_of(const char *text) {
    pbts_report_answer answer = { 0 };
    uint8_t *copy = exact_copy(pbts_span_text(text));
    pbts_status status =
        pbts_report_answer_decode(&answer, pbts_mem_system(), (pbts_span){ copy, strlen(text) });
    if (status != PBTS_OK) assert_null(answer.mem);
    pbts_report_answer_free(&answer);
    free(copy);
    return status;
}

static void an_answer_says_what_became_of_each_statement(void **state) {
    pbts_report_answer answer;
    assert_int_equal(pbts_report_answer_decode(&answer, pbts_mem_system(), pbts_span_text(GOOD)),
                     PBTS_OK);
    assert_true(answer.success && answer.count == 4);
    const pbts_answer_statement *s = answer.statements;
    assert_int_equal(s[0].verdict, PBTS_ANSWER_CREDITED);
    assert_true(s[0].credited_bytes == 163840 && s[0].held_bytes == 5);
    assert_true(s[0].pieces == 10 && s[0].duplicates == 3 && s[0].code.len == 0);
    assert_int_equal(s[1].verdict, PBTS_ANSWER_REFUSED);
    assert_span_is(s[1].code, "EPOCH_FUTURE");
    assert_int_equal(s[2].verdict, PBTS_ANSWER_HELD);
    assert_true(s[2].held_bytes == 7);
    assert_int_equal(s[3].verdict, PBTS_ANSWER_DUPLICATE);
    assert_true(s[3].duplicates == UINT32_MAX);
    pbts_report_answer_free(&answer);
}

static void a_failure_has_a_code(void **state) {
    pbts_report_answer answer;
    const char *text = "{\"success\":false,\"error\":\"no\",\"code\":\"STALE_TIME\"}";
    assert_int_equal(pbts_report_answer_decode(&answer, pbts_mem_system(), pbts_span_text(text)),
                     PBTS_OK);
    assert_true(!answer.success && answer.count == 0);
    assert_span_is(answer.code, "STALE_TIME");
    pbts_report_answer_free(&answer);
    assert_int_equal(status_of("{\"success\":false}"), PBTS_MALFORMED);
    assert_int_equal(status_of("{\"success\":false,\"code\":\"\"}"), PBTS_MALFORMED);
    assert_int_equal(status_of("{\"success\":false,\"code\":\"small\"}"), PBTS_MALFORMED);
    assert_int_equal(status_of("{\"success\":false,\"code\":5}"), PBTS_MALFORMED);
}

static void what_is_no_answer_is_malformed(void **state) {
    const char *const texts[] = { "",
                                  "<html>",
                                  "[]",
                                  "5",
                                  "{}",
                                  "{\"success\":1}",
                                  "{\"success\":true}",
                                  "{\"success\":true,\"statements\":{}}",
                                  "{\"success\":true,\"statements\":[5]}",
                                  "{\"success\":true,\"success\":true,\"statements\":[]}",
                                  "{\"success\":true,\"statements\":[]} x" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(status_of(texts[i]), PBTS_MALFORMED);
    }
    assert_int_equal(status_of("{\"success\":true,\"statements\":[]}"), PBTS_OK);
}

/* Every field of a statement in turn is absent, of another type, or out of range. */
static void every_field_of_a_statement_is_needed(void **state) {
    const char *const fields[] = { "\"index\":0",          "\"status\":\"refused\"",
                                   "\"credited_bytes\":1", "\"held_bytes\":2",
                                   "\"pieces\":3",         "\"duplicates\":4",
                                   "\"code\":\"X\"" };
    const char *const bad[][3] = { { "\"index\":1", "\"index\":\"0\"", "\"index\":-1" },
                                   { "\"status\":\"fine\"", "\"status\":0", "\"status\":\"\"" },
                                   { "\"credited_bytes\":-1", "\"credited_bytes\":1.5",
                                     "\"credited_bytes\":99999999999999999999" },
                                   { "\"held_bytes\":-1", "\"held_bytes\":null", "\"held\":1" },
                                   { "\"pieces\":4294967296", "\"pieces\":[]", "\"pieces\":true" },
                                   { "\"duplicates\":4294967296", "\"duplicates\":-1", "\"d\":0" },
                                   { "\"code\":\"x\"", "\"code\":\"A B\"", "\"code\":\"\"" } };
    for (size_t at = 0; at <= COUNT_OF(fields); at++) {
        for (size_t how = 0; how < 4; how++) {
            char text[1000] = "{\"success\":true,\"statements\":[{\"z\":0";
            for (size_t i = 0; i < COUNT_OF(fields); i++) {
                const char *field = i != at ? fields[i] : how < 3 ? bad[i][how] : NULL;
                if (field == NULL) continue;
                strcat(text, ",");
                strcat(text, field);
            }
            strcat(text, "}]}");
            assert_int_equal(status_of(text), at == COUNT_OF(fields) ? PBTS_OK : PBTS_MALFORMED);
        }
    }
}

static void every_cut_is_malformed(void **state) {
    char text[sizeof GOOD];
    for (size_t len = 0; len + 1 < sizeof GOOD; len++) {
        memcpy(text, GOOD, len);
        text[len] = 0;
        assert_int_equal(status_of(text), PBTS_MALFORMED);
    }
}

static void codes_are_words_of_64_characters_at_most(void **state) {
    char text[200], word[70];
    for (size_t len = 63; len < 67; len++) {
        memset(word, 'A', len);
        word[len] = 0;
        snprintf(text, sizeof text, "{\"success\":false,\"code\":\"%s\"}", word);
        assert_int_equal(status_of(text), len <= PBTS_ANSWER_CODE_MAX ? PBTS_OK : PBTS_MALFORMED);
    }
    assert_int_equal(status_of("{\"success\":false,\"code\":\"A_9\"}"), PBTS_OK);
}

/* `count` statements in an answer; the caller frees it. */
static char *answer_of(size_t count) {
    char *text = malloc(count * 120 + 100), *end = text;
    assert_non_null(text);
    end += sprintf(end, "{\"success\":true,\"statements\":[");
    for (size_t i = 0; i < count; i++) {
        end += sprintf(end,
                       "%s{\"index\":%zu,\"status\":\"held\",\"credited_bytes\":0,"
                       "\"held_bytes\":0,\"pieces\":0,\"duplicates\":0}",
                       i > 0 ? "," : "", i);
    }
    strcpy(end, "]}");
    return text;
}

static void statements_have_a_limit(void **state) {
    for (size_t past = 0; past < 2; past++) {
        char *text = answer_of(PBTS_REPORT_STATEMENTS_MAX + past);
        assert_int_equal(status_of(text), past ? PBTS_LIMIT : PBTS_OK);
        free(text);
    }
}

static void a_tree_that_is_too_big_is_never_built(void **state) {
    size_t len = 100000;
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, '[', len);
    text[len] = 0;
    assert_int_equal(status_of(text), PBTS_LIMIT);
    memset(text, ',', len);
    assert_int_equal(status_of(text), PBTS_MALFORMED);
    free(text);
    len = 200000;
    text = malloc(len + 1);
    assert_non_null(text);
    memset(text, ',', len);
    text[len] = 0;
    assert_int_equal(status_of(text), PBTS_LIMIT);
    free(text);
    uint8_t *blank = malloc(PBTS_ANSWER_LEN_MAX + 1);
    assert_non_null(blank);
    memset(blank, ' ', PBTS_ANSWER_LEN_MAX + 1);
    pbts_report_answer answer;
    assert_int_equal(pbts_report_answer_decode(&answer, pbts_mem_system(),
                                               (pbts_span){ blank, PBTS_ANSWER_LEN_MAX }),
                     PBTS_MALFORMED);
    assert_int_equal(pbts_report_answer_decode(&answer, pbts_mem_system(),
                                               (pbts_span){ blank, PBTS_ANSWER_LEN_MAX + 1 }),
                     PBTS_LIMIT);
    free(blank);
}

static void without_memory_it_says_so(void **state) {
    faulty_mem faulty = mem_failing_at(0);
    pbts_report_answer answer;
    assert_int_equal(pbts_report_answer_decode(&answer, &faulty.mem, pbts_span_text(GOOD)),
                     PBTS_NO_MEMORY);
    assert_true(faulty.live == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_says_what_became_of_each_statement),
        cmocka_unit_test(a_failure_has_a_code),
        cmocka_unit_test(what_is_no_answer_is_malformed),
        cmocka_unit_test(every_field_of_a_statement_is_needed),
        cmocka_unit_test(every_cut_is_malformed),
        cmocka_unit_test(codes_are_words_of_64_characters_at_most),
        cmocka_unit_test(statements_have_a_limit),
        cmocka_unit_test(a_tree_that_is_too_big_is_never_built),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
