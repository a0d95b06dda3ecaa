/* Unit tests of apps/pbts-peer/origin.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pbts-peer/announcer.h"
#include "pbts-peer/origin.h"

static void an_origin_is_scheme_host_and_port(void **state) {
    static const struct {
        const char *url, *origin;
    } CASES[] = {
        { "http://a/announce/secret", "http://a" },
        { "https://a.example:8443/x", "https://a.example:8443" },
        { "http://[::1]:8000?x=/", "http://[::1]:8000" },
        { "http://a#b", "http://a" },
        { "http://a", "http://a" },
        { "udp://a:1/x", "" },
        { "http://", "" },
        { "http:///x", "" },
        { "http://user:password@a/x", "" }, /* whose it is, is not what it looks like */
        { "", "" },
        { "HTTP://a", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_span found = origin_of(pbts_span_text(CASES[i].url));
        if (!pbts_span_is(found, CASES[i].origin)) fail_msg("%s", CASES[i].url);
    }
}

static void names_of_trackers_hold_no_passkey(void **state) {
    (void)state;
    assert_string_equal(announcer_name_of(pbts_span_text("http://a:1/announce/SECRET")),
                        "http://a:1");
    assert_string_equal(announcer_name_of(pbts_span_text("udp://a:1/announce/SECRET")),
                        "udp://a:1");
    assert_string_equal(announcer_name_of(pbts_span_text("udp://a:1")), "udp://a:1");
    assert_string_equal(announcer_name_of(pbts_span_text("http://me:SECRET@a/")), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
        cmocka_unit_test(names_of_trackers_hold_no_passkey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
