/* Unit tests of apps/pbts/options.c: what a command line means, and which is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pbts/exit_codes.h"
#include "pbts/options.h"

typedef struct {
    const char *tracker, *key;
    bool json;
    char **arguments;
} parsed;

enum { WORDS_MAX = 16 };

/* Parse words that end with NULL; `parsed` as it was before the failure, if there is one. */
static int parse(parsed *out, int arguments_min, int arguments_max, const char *const *words) {
    static char room[WORDS_MAX][64];
    static char *argv[WORDS_MAX + 1];
    int argc = 0;
    *out = (parsed){ .tracker = NULL };
    const command_option options[] = {
        OPTION_TRACKER(&out->tracker),
        { "key", "FILE", &out->key, NULL, false, "two\nlines" },
        OPTION_JSON(&out->json),
    };
    const command_spec spec = { "a test", " FILE...", "About.\n",    "  pbts a test\n",
                                options,  3,          arguments_min, arguments_max };
    argv[argc++] = strcpy(room[0], "test");
    for (; *words != NULL; words++, argc++) {
        argv[argc] = strncpy(room[argc], *words, sizeof room[0] - 1);
    }
    argv[argc] = NULL;
    return options_parse(&spec, &out->arguments, argc, argv);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void options_and_arguments_come_in_any_order(void **state) {
    const char *const *const ORDERS[] = {
        WORDS("--tracker", "T", "--json", "a", "b"),
        WORDS("a", "--json", "b", "--tracker", "T"),
        WORDS("a", "b", "--tracker=T", "--json"),
        WORDS("--json", "--json", "--tracker", "x", "--tracker", "T", "a", "b"), /* the last */
        WORDS("--json", "--tracker", "T", "--", "a", "b"),
    };
    parsed got;
    for (size_t i = 0; i < sizeof ORDERS / sizeof ORDERS[0]; i++) {
        assert_int_equal(parse(&got, 2, 2, ORDERS[i]), OPTIONS_GO_ON);
        assert_string_equal(got.tracker, "T");
        assert_null(got.key);
        assert_true(got.json);
        assert_string_equal(got.arguments[0], "a");
        assert_string_equal(got.arguments[1], "b");
        assert_null(got.arguments[2]);
    }
}

static void what_follows_two_dashes_is_an_argument(void **state) {
    parsed got;
    assert_int_equal(parse(&got, 1, 2, WORDS("--tracker", "T", "--", "--json", "-x")),
                     OPTIONS_GO_ON);
    assert_false(got.json);
    assert_string_equal(got.arguments[0], "--json");
    assert_string_equal(got.arguments[1], "-x");
}

static void an_options_value_may_look_like_an_option(void **state) {
    parsed got;
    assert_int_equal(parse(&got, 0, 0, WORDS("--tracker", "--json", "--key=")), OPTIONS_GO_ON);
    assert_string_equal(got.tracker, "--json");
    assert_string_equal(got.key, "");
    assert_false(got.json);
}

static void bad_usage_is_exit_code_2(void **state) {
    const char *const *const BAD[] = {
        WORDS("a"),                               /* the tracker is missing */
        WORDS("--tracker", "T"),                  /* an argument is missing */
        WORDS("--tracker", "T", "a", "b", "c"),   /* too many */
        WORDS("a", "--tracker"),                  /* its value is missing */
        WORDS("--tracker", "T", "a", "--other"),  /* unknown */
        WORDS("--tracker", "T", "a", "-x"),       /* unknown */
        WORDS("--tracker", "T", "a", "--json=1"), /* takes no value */
        WORDS("--tracker", "T", "a", "--help=1"),
    };
    parsed got;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(parse(&got, 1, 2, BAD[i]), PBTS_EXIT_USAGE);
        assert_null(got.arguments);
    }
    assert_int_equal(parse(&got, 1, 1, WORDS("--tracker", "T", "a")), OPTIONS_GO_ON);
}

static void help_comes_before_what_is_missing(void **state) {
    parsed got;
    assert_int_equal(parse(&got, 1, 1, WORDS("--help")), PBTS_EXIT_OK);
    assert_int_equal(parse(&got, 1, 1, WORDS("-h", "--other")), PBTS_EXIT_OK);
}

static void a_command_may_have_as_many_options_as_the_limit(void **state) {
    static char names[OPTIONS_MAX][16];
    const char *last = NULL;
    command_option options[OPTIONS_MAX];
    for (int i = 0; i < OPTIONS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "o%02d", i);
        options[i] = (command_option){ names[i], "X", &last, NULL, false, "help" };
    }
    const command_spec spec = { "a test", "",          "About.\n", "  pbts a test\n",
                                options,  OPTIONS_MAX, 0,          0 };
    char words[2][8] = { "test", "--o23=v" }, **arguments;
    char *argv[] = { words[0], words[1], NULL };
    assert_int_equal(options_parse(&spec, &arguments, 2, argv), OPTIONS_GO_ON);
    assert_string_equal(last, "v");
}

static void numbers_take_units_and_have_a_limit(void **state) {
    static const struct {
        const char *text;
        uint64_t value;
    } GOOD[] = { { "0", 0 },
                 { "007", 7 },
                 { "16K", 16384 },
                 { "3M", 3145728 },
                 { "2G", 2147483648 },
                 { "18446744073709551615", UINT64_MAX },
                 { "17179869183G", UINT64_C(17179869183) << 30 } };
    static const char *const BAD[] = { "",
                                       "K",
                                       "-1",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "1k",
                                       "1KB",
                                       "1KK",
                                       "1T",
                                       "1.",
                                       "0x1",
                                       "1e3",
                                       "18446744073709551616",
                                       "17179869184G",
                                       "99999999999999999999999" };
    uint64_t value = 5;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        assert_true(options_number(&value, GOOD[i].text, UINT64_MAX));
        assert_true(value == GOOD[i].value);
        if (value == 0) continue;
        assert_true(options_number(&value, GOOD[i].text, GOOD[i].value));
        assert_false(options_number(&value, GOOD[i].text, GOOD[i].value - 1));
    }
    value = 5;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_false(options_number(&value, BAD[i], UINT64_MAX));
        assert_true(value == 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_arguments_come_in_any_order),
        cmocka_unit_test(what_follows_two_dashes_is_an_argument),
        cmocka_unit_test(an_options_value_may_look_like_an_option),
        cmocka_unit_test(bad_usage_is_exit_code_2),
        cmocka_unit_test(help_comes_before_what_is_missing),
        cmocka_unit_test(a_command_may_have_as_many_options_as_the_limit),
        cmocka_unit_test(numbers_take_units_and_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
