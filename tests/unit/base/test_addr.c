/* Unit tests of base/addr.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/addr.h"

static pbts_status parse(pbts_addr *out, const char *text) {
    size_t len = strlen(text);
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    pbts_status status = pbts_addr_parse(out, (pbts_span){ copy, len });
    free(copy);
    return status;
}

static pbts_addr addr_of(const char *text) {
    pbts_addr addr;
    assert_int_equal(parse(&addr, text), PBTS_OK);
    return addr;
}

static void addresses_are_read_and_written_in_their_canonical_form(void **state) {
    static const struct {
        const char *text, *canonical;
        pbts_family family;
    } CASES[] = {
        { "10.0.0.1", "10.0.0.1", PBTS_IPV4 },
        { "255.255.255.255", "255.255.255.255", PBTS_IPV4 },
        { "::", "::", PBTS_IPV6 },
        { "[::1]", "::1", PBTS_IPV6 },
        { "2001:DB8:0:0:0:0:0:1", "2001:db8::1", PBTS_IPV6 },
        { "2001:0db8::0001:0000", "2001:db8::1:0", PBTS_IPV6 },
        { "::ffff:1.2.3.4", "::ffff:1.2.3.4", PBTS_IPV6 },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          PBTS_IPV6 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[PBTS_ADDR_TEXT_MAX];
        pbts_addr addr = addr_of(CASES[i].text);
        assert_int_equal(addr.family, CASES[i].family);
        assert_int_equal(addr.port, 0);
        assert_int_equal(pbts_addr_format(text, &addr), strlen(CASES[i].canonical));
        assert_string_equal(text, CASES[i].canonical);
    }
    assert_memory_equal(addr_of("1.2.3.4").ip, "\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void bad_addresses_are_malformed_and_change_nothing(void **state) {
    static const char *const CASES[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.-4",
        "0x1.2.3.4",
        ":",
        ":::",
        "1::2::3",
        "12345::",
        "g::",
        "[::1",
        "::1]",
        "[]",
        "[[::1]]",
        "::1%lo",
        "localhost",
        "1.2.3.4/8",
        "1.2.3.4:80",
        "1111111111111111111111111111111111111111111111111111111111111111",
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_addr addr, before;
        memset(&addr, 0x5A, sizeof addr);
        memcpy(&before, &addr, sizeof addr);
        if (parse(&addr, CASES[i]) != PBTS_MALFORMED) fail_msg("accepted: %s", CASES[i]);
        assert_memory_equal(&addr, &before, sizeof addr);
    }
    pbts_addr addr;
    pbts_span nul = { (const uint8_t *)"1.2.3.4\0x", 9 };
    assert_int_equal(pbts_addr_parse(&addr, nul), PBTS_MALFORMED);
}

static void only_mapped_addresses_are_unmapped_and_keep_their_port(void **state) {
    (void)state;
    pbts_addr mapped = addr_of("::ffff:1.2.3.4"), plain = addr_of("1.2.3.4");
    pbts_addr other = addr_of("::1.2.3.4");
    mapped.port = 6881;
    pbts_addr unmapped = pbts_addr_unmapped(&mapped);
    assert_true(pbts_addr_equal_ip(&unmapped, &plain));
    assert_int_equal(unmapped.port, 6881);
    assert_memory_equal(unmapped.ip, plain.ip, 16);
    unmapped = pbts_addr_unmapped(&other);
    assert_int_equal(unmapped.family, PBTS_IPV6);
    unmapped = pbts_addr_unmapped(&plain);
    assert_int_equal(unmapped.family, PBTS_IPV4);
}

static void addresses_are_equal_by_ip_whatever_the_port(void **state) {
    (void)state;
    pbts_addr a = addr_of("1.2.3.4"), b = a, c = addr_of("1.2.3.5");
    pbts_addr d = addr_of("102:304::"); /* the same first bytes in the other family */
    b.port = 1;
    assert_true(pbts_addr_equal_ip(&a, &b));
    assert_false(pbts_addr_equal_ip(&a, &c));
    assert_false(pbts_addr_equal_ip(&a, &d));
}

static bool contains(const char *range_text, const char *addr_text) {
    pbts_addr_range range;
    pbts_addr addr = addr_of(addr_text);
    assert_int_equal(pbts_addr_range_parse(&range, pbts_span_text(range_text)), PBTS_OK);
    return pbts_addr_range_contains(&range, &addr);
}

static void ranges_contain_what_shares_their_prefix(void **state) {
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.0.1"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0"));
    assert_true(contains("0.0.0.0/0", "255.1.2.3"));
    assert_false(contains("0.0.0.0/0", "::1"));
    assert_true(contains("192.168.4.0/22", "192.168.7.255"));
    assert_false(contains("192.168.4.0/22", "192.168.8.0"));
    assert_true(contains("127.0.0.1", "127.0.0.1"));
    assert_false(contains("127.0.0.1", "127.0.0.0"));
    assert_true(contains("::1/128", "::1"));
    assert_false(contains("::1", "::"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::"));
    assert_true(contains("::/0", "ffff::"));
    assert_false(contains("::/0", "1.2.3.4"));
}

static void prefixes_of_every_length_agree_with_a_count_of_equal_bits(void **state) {
    (void)state;
    const pbts_addr base = addr_of("a5a5:5a5a:1234:5678:9abc:def0:0ff0:8001");
    for (unsigned bits = 0; bits <= 128; bits++) {
        pbts_addr_range range = { base, (uint8_t)bits };
        assert_true(pbts_addr_range_contains(&range, &base));
        for (unsigned flip = 0; flip < 128; flip++) {
            pbts_addr other = base;
            other.ip[flip / 8] = (uint8_t)(other.ip[flip / 8] ^ 0x80u >> flip % 8);
            assert_int_equal(pbts_addr_range_contains(&range, &other), flip >= bits);
        }
    }
}

static void bad_ranges_are_malformed(void **state) {
    static const char *const CASES[] = {
        "",       "/",       "/8",          "10.0.0.0/",   "10.0.0.0/33",  "10.0.0.0/-1",
        "::/129", "::/1000", "10.0.0.0/8x", "10.0.0.0/ 8", "10.0.0.0/8/8", "10/8"
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_addr_range range;
        pbts_status status = pbts_addr_range_parse(&range, pbts_span_text(CASES[i]));
        if (status != PBTS_MALFORMED) fail_msg("accepted: %s", CASES[i]);
    }
}

static void endpoints_are_read_and_written(void **state) {
    static const char *const CASES[] = { "10.0.0.1:1", "10.0.0.1:65535", "[::1]:6881",
                                         "[2001:db8::1]:80" };
    static const char *const BAD[] = { "",           "1.2.3.4",       "1.2.3.4:",       "1.2.3.4:0",
                                       ":80",        "1.2.3.4:65536", "1.2.3.4:080000", "::1:80",
                                       "[::1]",      "[::1]80",       "[1.2.3.4]:80",   "host:80",
                                       "1.2.3.4:8x", "1.2.3.4:-1",    "[::1:80",        ":" };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_addr addr;
        char text[PBTS_ENDPOINT_TEXT_MAX];
        assert_int_equal(pbts_addr_parse_endpoint(&addr, pbts_span_text(CASES[i])), PBTS_OK);
        assert_int_equal(pbts_addr_format_endpoint(text, &addr), strlen(CASES[i]));
        assert_string_equal(text, CASES[i]);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        pbts_addr addr;
        pbts_status status = pbts_addr_parse_endpoint(&addr, pbts_span_text(BAD[i]));
        if (status != PBTS_MALFORMED) fail_msg("accepted: %s", BAD[i]);
    }
    char longest[PBTS_ENDPOINT_TEXT_MAX];
    pbts_addr addr = { .family = PBTS_IPV6, .port = 65535 };
    memset(addr.ip, 0xFF, sizeof addr.ip);
    assert_true(pbts_addr_format_endpoint(longest, &addr) < sizeof longest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written_in_their_canonical_form),
        cmocka_unit_test(bad_addresses_are_malformed_and_change_nothing),
        cmocka_unit_test(only_mapped_addresses_are_unmapped_and_keep_their_port),
        cmocka_unit_test(addresses_are_equal_by_ip_whatever_the_port),
        cmocka_unit_test(ranges_contain_what_shares_their_prefix),
        cmocka_unit_test(prefixes_of_every_length_agree_with_a_count_of_equal_bits),
        cmocka_unit_test(bad_ranges_are_malformed),
        cmocka_unit_test(endpoints_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
