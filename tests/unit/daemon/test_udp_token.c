#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "udp_token.h"

static const uint8_t KEY[UDP_TOKEN_KEY_LEN] = "0123456789abcdef";

static pbts_addr addr_of(const char *text) {
    pbts_addr addr;
    assert_int_equal(pbts_addr_parse(&addr, pbts_span_text(text)), PBTS_OK);
    return addr;
}

static void an_id_is_good_in_its_window_and_the_next(void **state) {
    struct udp_token *token;
    pbts_addr addr = addr_of("10.0.0.1");
    assert_int_equal(udp_token_new(&token, KEY), PBTS_OK);
    for (uint64_t made = 0; made < 400; made += 7) {
        uint64_t id = udp_token_make(token, &addr, made);
        uint64_t end = (made / UDP_TOKEN_WINDOW_S + 2) * UDP_TOKEN_WINDOW_S;
        for (uint64_t now = made; now < end; now += 11)
            assert_true(udp_token_check(token, id, &addr, now));
        assert_false(udp_token_check(token, id, &addr, end));
        if (made >= UDP_TOKEN_WINDOW_S)
            assert_false(udp_token_check(token, id, &addr, made - UDP_TOKEN_WINDOW_S));
    }
    udp_token_free(token);
}

static void an_id_is_good_for_its_address_and_key_only(void **state) {
    struct udp_token *token, *other;
    static const uint8_t key[UDP_TOKEN_KEY_LEN] = "0123456789abcdeg";
    assert_int_equal(udp_token_new(&token, KEY), PBTS_OK);
    assert_int_equal(udp_token_new(&other, key), PBTS_OK);
    pbts_addr addr = addr_of("10.0.0.1"), six = addr_of("a00:1::"), near = addr_of("10.0.0.2");
    uint64_t id = udp_token_make(token, &addr, 1000);
    assert_memory_equal(addr.ip, six.ip, 16); /* the same bytes in the other family */
    assert_false(udp_token_check(token, id, &six, 1000));
    assert_false(udp_token_check(token, id, &near, 1000));
    assert_false(udp_token_check(other, id, &addr, 1000));
    addr.port = 77; /* a client may change its port */
    assert_true(udp_token_check(token, id, &addr, 1000));
    udp_token_free(token);
    udp_token_free(other);
}

static void any_changed_bit_makes_an_id_bad(void **state) {
    struct udp_token *token;
    pbts_addr addr = addr_of("2001:db8::1");
    assert_int_equal(udp_token_new(&token, KEY), PBTS_OK);
    uint64_t id = udp_token_make(token, &addr, 5);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_false(udp_token_check(token, id ^ (UINT64_C(1) << bit), &addr, 5));
    udp_token_free(token);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_good_in_its_window_and_the_next),
        cmocka_unit_test(an_id_is_good_for_its_address_and_key_only),
        cmocka_unit_test(any_changed_bit_makes_an_id_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
