/* Unit tests of wire/proxy.c: headers as HAProxy's specification lays them out, every truncation,
 * bad values of each checked field, single-byte damage, the limit. */
#include "wire/proxy.h"

#include "wire_test.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BLOCK4 "\x0A\x01\x02\x03\x7F\0\0\1\x1A\xE1\x1F\x40"
#define SIXTEEN(last) "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" last
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\x0A\x01\x02\x03"

typedef struct {
    const char *bytes;
    size_t len;
    pbts_status status;
    bool local;
    const char *ip; /* NULL when local */
} example;

#define EXAMPLE(literal, status, local, ip) \
    { (literal), sizeof(literal) - 1, (status), (local), (ip) }

static const example EXAMPLES[] = {
    EXAMPLE(SIGNATURE "\x21\x11\0\x0C" BLOCK4, PBTS_OK, false, "10.1.2.3"),
    EXAMPLE(SIGNATURE "\x21\x12\0\x0C" BLOCK4, PBTS_OK, false, "10.1.2.3"),
    EXAMPLE(SIGNATURE "\x21\x11\0\x10" BLOCK4 "\x04\0\1x", PBTS_OK, false, "10.1.2.3"),
    EXAMPLE(SIGNATURE "\x21\x21\0\x24" SIXTEEN("\1") SIXTEEN("\2") "\x1A\xE1\0\1", PBTS_OK, false,
            "2001:db8::1"),
    EXAMPLE(SIGNATURE "\x21\x21\0\x24" MAPPED MAPPED "\x1A\xE1\0\1", PBTS_OK, false, "10.1.2.3"),
    EXAMPLE(SIGNATURE "\x20\0\0\0", PBTS_OK, true, NULL),
    EXAMPLE(SIGNATURE "\x20\x11\0\x0C" BLOCK4, PBTS_OK, true, NULL),
    EXAMPLE(SIGNATURE "\x20\x11\0\0", PBTS_OK, true, NULL),
    EXAMPLE(SIGNATURE "\x21\0\0\3abc", PBTS_OK, true, NULL),
    EXAMPLE(SIGNATURE "\x21\x31\0\1x", PBTS_OK, true, NULL),
    EXAMPLE(SIGNATURE "\x21\x11\0\x0B\x0A\x01\x02\x03\x7F\0\0\1\x1A\xE1\x1F", PBTS_MALFORMED, false,
            NULL),
    EXAMPLE(SIGNATURE "\x21\x21\0\x0C" BLOCK4, PBTS_MALFORMED, false, NULL),
    EXAMPLE(SIGNATURE "\x11", PBTS_MALFORMED, false, NULL),
    EXAMPLE(SIGNATURE "\x22", PBTS_MALFORMED, false, NULL),
    EXAMPLE(SIGNATURE "\x21\x41", PBTS_MALFORMED, false, NULL),
    EXAMPLE(SIGNATURE "\x21\x13", PBTS_MALFORMED, false, NULL),
    EXAMPLE("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", PBTS_MALFORMED, false, NULL),
    EXAMPLE("GET /announce", PBTS_MALFORMED, false, NULL),
    EXAMPLE("\r\n\r\nGET", PBTS_MALFORMED, false, NULL),
};

static pbts_status decode(pbts_proxy_header *out, const char *bytes, size_t len) {
    pbts_proxy_header untouched;
    memset(out, 0x5A, sizeof *out);
    memset(&untouched, 0x5A, sizeof untouched);
    uint8_t *copy = exact_copy((pbts_span){ (const uint8_t *)bytes, len });
    pbts_status status = pbts_proxy_decode(out, (pbts_span){ copy, len });
    if (status != PBTS_OK) assert_memory_equal(out, &untouched, sizeof untouched);
    free(copy);
    return status;
}

static void a_header_gives_its_source_and_length(void **state) {
    for (size_t i = 0; i < COUNT_OF(EXAMPLES); i++) {
        pbts_proxy_header header;
        assert_int_equal(decode(&header, EXAMPLES[i].bytes, EXAMPLES[i].len), EXAMPLES[i].status);
        if (EXAMPLES[i].status != PBTS_OK) continue;
        assert_int_equal(header.len, EXAMPLES[i].len);
        assert_int_equal(header.local, EXAMPLES[i].local);
        if (header.local) continue;
        char text[PBTS_ADDR_TEXT_MAX];
        (void)pbts_addr_format(text, &header.source);
        assert_string_equal(text, EXAMPLES[i].ip);
        assert_int_equal(header.source.port, 0x1AE1);
    }
}

static void every_prefix_of_a_header_needs_more(void **state) {
    for (size_t i = 0; i < COUNT_OF(EXAMPLES); i++) {
        if (EXAMPLES[i].status != PBTS_OK) continue;
        for (size_t len = 0; len < EXAMPLES[i].len; len++) {
            pbts_proxy_header header;
            assert_int_equal(decode(&header, EXAMPLES[i].bytes, len), PBTS_NEED_MORE);
        }
    }
}

static void what_follows_a_header_is_not_part_of_it(void **state) {
    pbts_proxy_header header;
    static const char BYTES[] = SIGNATURE "\x21\x11\0\x0C" BLOCK4 "GET /";
    assert_int_equal(decode(&header, BYTES, sizeof BYTES - 1), PBTS_OK);
    assert_int_equal(header.len, 28);
}

static void a_block_may_be_as_long_as_its_limit_and_no_longer(void **state) {
    static char bytes[PBTS_PROXY_LEN_MAX + 1];
    pbts_proxy_header header;
    memcpy(bytes, SIGNATURE "\x21\x11\x02\x00", 16);
    assert_int_equal(decode(&header, bytes, PBTS_PROXY_LEN_MAX), PBTS_OK);
    assert_int_equal(header.len, PBTS_PROXY_LEN_MAX);
    bytes[15] = 1;
    assert_int_equal(decode(&header, bytes, PBTS_PROXY_LEN_MAX + 1), PBTS_LIMIT);
    assert_int_equal(decode(&header, bytes, 16), PBTS_LIMIT);
}

static void every_byte_of_damage_to_the_signature_is_refused(void **state) {
    char bytes[28];
    for (size_t at = 0; at < sizeof bytes; at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(bytes, EXAMPLES[0].bytes, sizeof bytes);
            bool same = (uint8_t)bytes[at] == value;
            bytes[at] = (char)value;
            pbts_proxy_header header;
            pbts_status status = decode(&header, bytes, sizeof bytes);
            if (at < 12) assert_int_equal(status, same ? PBTS_OK : PBTS_MALFORMED);
            if (at >= 16) assert_int_equal(status, PBTS_OK);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_gives_its_source_and_length),
        cmocka_unit_test(every_prefix_of_a_header_needs_more),
        cmocka_unit_test(what_follows_a_header_is_not_part_of_it),
        cmocka_unit_test(a_block_may_be_as_long_as_its_limit_and_no_longer),
        cmocka_unit_test(every_byte_of_damage_to_the_signature_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
