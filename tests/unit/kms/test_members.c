/* Unit tests of kms/members.c: the file that says where the nodes are and who they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kms/members.h"

#define KEY                                                            \
    "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049" \
    "334cf11213945d57e5ac7d055d042b7e024aa2b2f08f0a91260805272dc51051" \
    "c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
#define PIN "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static pbts_status parse(pbts_kms_members *out, size_t *line, const char *text) {
    size_t len = strlen(text);
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    pbts_status status = pbts_kms_members_parse(out, line, (pbts_span){ copy, len });
    free(copy);
    return status;
}

static void members_are_lines_in_order(void **state) {
    (void)state;
    pbts_kms_members members;
    size_t line;
    static const char TEXT[] =
        "# two\n1 https://a:1/ " KEY " " PIN "\r\n\n"
        "  2\thttps://b  " KEY "  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_int_equal(parse(&members, &line, TEXT), PBTS_OK);
    assert_int_equal(members.nodes, 2);
    assert_string_equal(members.urls[0], "https://a:1");
    assert_string_equal(members.urls[1], "https://b");
    assert_string_equal(members.pins[0], "sha256//" PIN);
    assert_string_equal(members.pins[1], members.pins[0]);
    assert_int_equal(members.keys[1].bytes[95], 0xb8);
}

static void a_bad_line_is_named(void **state) {
    (void)state;
    static const char *const LINES[] = {
        "2 https://a " KEY " " PIN,      "01 https://a " KEY " " PIN,
        "1 http://a " KEY " " PIN,       "1 https:// " KEY " " PIN,
        "1 https://\x01 " KEY " " PIN,   "1 https://a " KEY "0 " PIN,
        "1 https://a " KEY " AAAA",      "1 https://a " KEY,
        "1 https://a " KEY " " PIN " x", "1",
    };
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        pbts_kms_members members = { .nodes = 9 };
        char text[1024];
        size_t line;
        (void)snprintf(text, sizeof text, "# x\n%s\n", LINES[i]);
        assert_int_equal(parse(&members, &line, text), PBTS_MALFORMED);
        assert_int_equal(line, 2);
        assert_int_equal(members.nodes, 9);
    }
}

static void there_are_sixteen_at_most(void **state) {
    (void)state;
    pbts_kms_members members;
    size_t line;
    char *text = malloc(17 * 512), *at = text;
    assert_non_null(text);
    for (int i = 1; i <= PBTS_KMS_NODES_MAX + 1; i++) {
        at += snprintf(at, 512, "%d https://a " KEY " " PIN "\n", i);
        if (i < PBTS_KMS_NODES_MAX) continue;
        assert_int_equal(parse(&members, &line, text),
                         i == PBTS_KMS_NODES_MAX ? PBTS_OK : PBTS_LIMIT);
        assert_int_equal(line, i);
    }
    free(text);
    uint8_t *large = malloc(PBTS_KMS_MEMBERS_LEN_MAX + 1);
    assert_non_null(large);
    memset(large, '\n', PBTS_KMS_MEMBERS_LEN_MAX + 1);
    pbts_span bytes = { large, PBTS_KMS_MEMBERS_LEN_MAX };
    assert_int_equal(pbts_kms_members_parse(&members, &line, bytes), PBTS_OK);
    bytes.len++;
    assert_int_equal(pbts_kms_members_parse(&members, &line, bytes), PBTS_LIMIT);
    free(large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_lines_in_order),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(there_are_sixteen_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
