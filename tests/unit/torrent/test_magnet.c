/* Unit tests of torrent/magnet.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/text.h"
#include "torrent/magnet.h"

#define HEX1 "000102030405060708090a0b0c0d0e0f10111213"
#define HEX1B "000102030405060708090a0b0c0d0e0f10111214"
#define BASE32 "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"
#define HEX2 "1220" HEX1 "000102030405060708090a0b"
#define V1 "xt=urn:btih:" HEX1
#define V2 "xt=urn:btmh:" HEX2

typedef struct {
    pbts_magnet magnet;
    uint8_t *text, *scratch;
} parsed;

/* From exact-size copies; free with parsed_free. */
static pbts_status parse_bytes(parsed *out, pbts_span text) {
    out->text = malloc(text.len + 1);
    out->scratch = malloc(text.len + 1);
    assert_non_null(out->text);
    assert_non_null(out->scratch);
    uint8_t *exact = realloc(out->text, text.len > 0 ? text.len : 1);
    uint8_t *room = realloc(out->scratch, text.len > 0 ? text.len : 1);
    assert_true(exact != NULL && room != NULL);
    memcpy(exact, text.data, text.len);
    out->text = exact;
    out->scratch = room;
    return pbts_magnet_parse(&out->magnet, out->scratch, (pbts_span){ exact, text.len });
}

static pbts_status parse(parsed *out, const char *text) {
    return parse_bytes(out, pbts_span_text(text));
}

static void parsed_free(parsed *all) {
    free(all->text);
    free(all->scratch);
}

static void assert_v1(const pbts_magnet *magnet) {
    assert_true(magnet->has_v1);
    for (uint8_t i = 0; i < 20; i++) assert_int_equal(magnet->infohash_v1[i], i);
}

static void an_infohash_is_read_in_hex_and_in_base32(void **state) {
    static const char *const CASES[] = {
        "magnet:?" V1,
        "MAGNET:?xt=URN:BTIH:" HEX1,
        "magnet:?xt=urn:btih:" BASE32,
        "magnet:?xt=urn:btih:aaaqeayeaudaocajbifqydiob4ibceqt",
        "magnet:?xt.1=urn:btih:" HEX1,
        "magnet:?" V1 "&" V1,
        "magnet:?&&" V1 "&",
        "magnet:?dn&=x&" V1 "&xl=5&xt=urn:sha1:whatever",
        "magnet:?xt=urn%3Abtih%3a" HEX1,
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        parsed all;
        if (parse(&all, CASES[i]) != PBTS_OK) fail_msg("refused: %s", CASES[i]);
        assert_v1(&all.magnet);
        assert_false(all.magnet.has_v2);
        parsed_free(&all);
    }
}

static void a_v2_infohash_is_a_multihash_and_may_stand_beside_a_v1_one(void **state) {
    (void)state;
    parsed all;
    assert_int_equal(parse(&all, "magnet:?" V1 "&" V2), PBTS_OK);
    assert_v1(&all.magnet);
    assert_true(all.magnet.has_v2);
    assert_memory_equal(all.magnet.infohash_v2, all.magnet.infohash_v1, 20);
    assert_int_equal(all.magnet.infohash_v2[31], 11);
    parsed_free(&all);
    assert_int_equal(parse(&all, "magnet:?" V2), PBTS_OK);
    assert_false(all.magnet.has_v1);
    parsed_free(&all);
}

static void names_trackers_and_peers_are_unescaped(void **state) {
    (void)state;
    parsed all;
    assert_int_equal(parse(&all, "magnet:?" V1 "&dn=a%20b%2Fc&tr=http%3A%2F%2Fa%2Fx%3Fy%26z&tr=&"
                                 "tr.2=udp://b:1&trx=no&x.pe=10.0.0.1:80&x.pe=host:80&"
                                 "x.pe=%5B::1%5D:81&tr.=no"),
                     PBTS_OK);
    assert_true(pbts_span_is(all.magnet.name, "a b/c"));
    assert_int_equal(all.magnet.tracker_count, 2);
    assert_true(pbts_span_is(all.magnet.trackers[0], "http://a/x?y&z"));
    assert_true(pbts_span_is(all.magnet.trackers[1], "udp://b:1"));
    assert_int_equal(all.magnet.peer_count, 2);
    assert_int_equal(all.magnet.peers[0].port, 80);
    assert_int_equal(all.magnet.peers[1].family, PBTS_IPV6);
    parsed_free(&all);
}

static void bad_links_are_malformed(void **state) {
    static const char *const CASES[] = {
        "",
        "magnet:",
        "magnet:?",
        "magnet:xt=urn:btih:" HEX1,
        "http://x/?" V1,
        "magnet:?dn=x",
        "magnet:?xt=urn:btih:",
        "magnet:?xt=urn:btih:00",
        "magnet:?" V1 "0",
        "magnet:?" V1 "00",
        "magnet:?xt=urn:btih:" HEX1 "&xt=urn:btih:" HEX1B,
        "magnet:?" V1 "&xt=urn:btih:zz",
        "magnet:?xt=urn:btmh:1320" HEX1 "000102030405060708090a0b",
        "magnet:?xt=urn:btmh:1221" HEX1 "000102030405060708090a0b0c",
        "magnet:?" V2 "00",
        "magnet:?" V2 "&xt=urn:btmh:1220" HEX1 "000102030405060708090a0c",
        "magnet:?" V1 "&dn=%",
        "magnet:?" V1 "&dn=%2",
        "magnet:?" V1 "&dn=%2g",
        "magnet:?xt=urn:sha1:" HEX1,
        "magnet:?xt.a=urn:btih:" HEX1,
        "magnet:?xt.=urn:btih:" HEX1,
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        parsed all;
        if (parse(&all, CASES[i]) != PBTS_MALFORMED) fail_msg("accepted: %s", CASES[i]);
        parsed_free(&all);
    }
}

static void every_truncation_gives_a_status(void **state) {
    (void)state;
    const char *text = "magnet:?dn=a%20b&" V1 "&" V2 "&x.pe=10.0.0.1:80";
    size_t whole = strlen("magnet:?dn=a%20b&" V1);
    for (size_t len = 0; len < strlen(text); len++) {
        parsed all;
        pbts_status status = parse_bytes(&all, (pbts_span){ (const uint8_t *)text, len });
        bool good = len == whole || len == whole + 1 || status == PBTS_MALFORMED;
        bool later = len > whole + 1; /* a second parameter, cut inside its name or whole */
        if (!good && !later) fail_msg("%zu bytes: %s", len, pbts_status_name(status));
        parsed_free(&all);
    }
}

static void further_trackers_and_peers_are_passed_over(void **state) {
    (void)state;
    char text[4096] = "magnet:?" V1;
    for (int i = 0; i <= PBTS_MAGNET_TRACKERS_MAX; i++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof text - len, "&tr=http://%d/&x.pe=10.0.0.%d:1", i, i);
        parsed all;
        assert_int_equal(parse(&all, text), PBTS_OK);
        size_t expected = i < PBTS_MAGNET_TRACKERS_MAX ? (size_t)i + 1 : PBTS_MAGNET_TRACKERS_MAX;
        assert_int_equal(all.magnet.tracker_count, expected);
        assert_int_equal(all.magnet.peer_count, expected);
        parsed_free(&all);
    }
}

static void a_link_has_at_most_16_kib(void **state) {
    (void)state;
    static const char START[] = "magnet:?" V1 "&dn=";
    static char text[PBTS_MAGNET_LEN_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, START, sizeof START - 1);
    parsed all;
    assert_int_equal(parse(&all, text), PBTS_LIMIT);
    parsed_free(&all);
    text[PBTS_MAGNET_LEN_MAX] = '\0';
    assert_int_equal(parse(&all, text), PBTS_OK);
    assert_int_equal(all.magnet.name.len, PBTS_MAGNET_LEN_MAX - (sizeof START - 1));
    parsed_free(&all);
}

static void a_link_is_known_by_its_scheme(void **state) {
    (void)state;
    assert_true(pbts_magnet_is(pbts_span_text("magnet:?xt=")));
    assert_true(pbts_magnet_is(pbts_span_text("Magnet:")));
    assert_false(pbts_magnet_is(pbts_span_text("magnet.torrent")));
    assert_false(pbts_magnet_is(pbts_span_text("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_infohash_is_read_in_hex_and_in_base32),
        cmocka_unit_test(a_v2_infohash_is_a_multihash_and_may_stand_beside_a_v1_one),
        cmocka_unit_test(names_trackers_and_peers_are_unescaped),
        cmocka_unit_test(bad_links_are_malformed),
        cmocka_unit_test(every_truncation_gives_a_status),
        cmocka_unit_test(further_trackers_and_peers_are_passed_over),
        cmocka_unit_test(a_link_has_at_most_16_kib),
        cmocka_unit_test(a_link_is_known_by_its_scheme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
