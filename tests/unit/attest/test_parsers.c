/* Unit tests of what attest/ reads: quotes, PCK extensions, slices of JSON, dates, certificates. */
#include "attest/calendar.h"
#include "attest/json_slice.h"
#include "attest/pck.h"
#include "forge.h"
#include "receipt/faulty_mem.h"

/* ---- quotes ---- */

static pbts_attest_reason parse_copy(pbts_quote *out, pbts_span bytes, size_t len) {
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, bytes.data, len);
    pbts_attest_reason reason = pbts_quote_parse(out, (pbts_span){ copy, len });
    free(copy);
    return reason;
}

static void every_truncation_of_a_quote_is_refused(void **state) {
    (void)state;
    for (int version = 4; version <= 5; version++) {
        forgery *f = forge(&(forge_plan){ .version = version, .trailing = 3 });
        pbts_quote quote;
        for (size_t len = 0; len + 3 < f->quote_span.len; len++) {
            assert_reason(parse_copy(&quote, f->quote_span, len), PBTS_ATTEST_QUOTE_LAYOUT);
        }
        assert_reason(pbts_quote_parse(&quote, f->quote_span), PBTS_ATTEST_ACCEPTED);
        assert_int_equal(quote.trailing.len, 3);
        assert_int_equal(quote.signed_bytes.len, version == 4 ? 632 : 702);
        assert_int_equal(quote.td.is_1_5, version == 5);
        forge_free(f);
    }
}

/* Byte i of the body holds i: each field is where it belongs. */
static void fields_of_a_report_are_where_they_belong(void **state) {
    (void)state;
    forgery *f = forge(&(forge_plan){ .version = 5 });
    pbts_quote quote;
    for (size_t i = 0; i < 648; i++) f->quote[54 + i] = (uint8_t)i;
    assert_reason(pbts_quote_parse(&quote, f->quote_span), PBTS_ATTEST_ACCEPTED);
    const pbts_td_report *td = &quote.td;
    static const size_t OFFSETS[] = { 0,   16,  64,  136, 184, 232, 280,
                                      328, 376, 424, 472, 520, 584, 600 };
    const uint8_t *fields[] = { td->tee_tcb_svn,   td->mrseam,     td->mrsignerseam,
                                td->mrtd,          td->mrconfigid, td->mrowner,
                                td->mrownerconfig, td->rtmr[0],    td->rtmr[1],
                                td->rtmr[2],       td->rtmr[3],    td->report_data,
                                td->tee_tcb_svn2,  td->mrservicetd };
    for (size_t i = 0; i < sizeof OFFSETS / sizeof OFFSETS[0]; i++) {
        assert_int_equal(fields[i][0], OFFSETS[i] & 0xff);
        assert_int_equal(fields[i][15], (OFFSETS[i] + 15) & 0xff);
    }
    assert_true(td->seam_attributes == UINT64_C(0x7776757473727170));
    assert_true(td->td_attributes == UINT64_C(0x7f7e7d7c7b7a7978));
    assert_true(td->xfam == UINT64_C(0x8786858483828180));
    forge_free(f);
}

static void lengths_and_types_must_fit(void **state) {
    (void)state;
    static const struct {
        int version;
        size_t at;
        uint8_t byte;
        pbts_attest_reason reason;
    } BAD[] = {
        { 4, 0, 3, PBTS_ATTEST_QUOTE_VERSION },
        { 4, 0, 6, PBTS_ATTEST_QUOTE_VERSION },
        { 4, 1, 1, PBTS_ATTEST_QUOTE_VERSION },
        { 4, 2, 3, PBTS_ATTEST_QUOTE_KEY_TYPE },
        { 4, 4, 0, PBTS_ATTEST_QUOTE_TEE_TYPE },
        { 4, 7, 1, PBTS_ATTEST_QUOTE_TEE_TYPE },
        { 4, 632 + 4 + 128, 5, PBTS_ATTEST_QUOTE_LAYOUT },
        { 4, 632 + 4 + 130, 1, PBTS_ATTEST_QUOTE_LAYOUT },
        { 4, 632 + 4 + 582, 33, PBTS_ATTEST_QUOTE_LAYOUT },
        { 4, 632 + 4 + 616, 6, PBTS_ATTEST_QUOTE_LAYOUT },
        { 4, 632 + 3, 0xff, PBTS_ATTEST_QUOTE_LAYOUT },
        { 5, 48, 1, PBTS_ATTEST_QUOTE_LAYOUT },
        { 5, 48, 2, PBTS_ATTEST_QUOTE_LAYOUT },
        { 5, 50, 0x48, PBTS_ATTEST_QUOTE_LAYOUT },
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        forgery *f = forge(&(forge_plan){ .version = BAD[i].version });
        pbts_quote quote;
        f->quote[BAD[i].at] = BAD[i].byte;
        assert_reason(pbts_quote_parse(&quote, f->quote_span), BAD[i].reason);
        forge_free(f);
    }
}

static void a_quote_is_as_long_as_the_limit(void **state) {
    (void)state;
    static uint8_t bytes[PBTS_QUOTE_LEN_MAX + 1];
    forgery *f = forge(&(forge_plan){ 0 });
    pbts_quote quote;
    memcpy(bytes, f->quote, f->quote_span.len);
    assert_reason(pbts_quote_parse(&quote, (pbts_span){ bytes, sizeof bytes - 1 }),
                  PBTS_ATTEST_ACCEPTED);
    assert_reason(pbts_quote_parse(&quote, (pbts_span){ bytes, sizeof bytes }),
                  PBTS_ATTEST_QUOTE_LIMIT);
    forge_free(f);
}

/* ---- PCK extensions ---- */

static void a_pck_extension_says_what_a_platform_is(void **state) {
    (void)state;
    uint8_t bytes[1024];
    size_t len = forge_pck_extension(bytes);
    pbts_pck pck;
    assert_int_equal(pbts_pck_parse(&pck, (pbts_span){ bytes, len }), PBTS_OK);
    assert_int_equal(pck.pcesvn, 11);
    assert_int_equal(pck.sgx_svn[0], 5);
    assert_int_equal(pck.sgx_svn[2], 2);
    assert_memory_equal(pck.fmspc, "\xa0\xb1\xc2\xd3\xe4\xf5", 6);
    for (size_t i = 0; i < len; i++) {
        uint8_t *copy = malloc(i == 0 ? 1 : i);
        memcpy(copy, bytes, i);
        assert_int_equal(pbts_pck_parse(&pck, (pbts_span){ copy, i }), PBTS_MALFORMED);
        free(copy);
    }
    bytes[len] = 0;
    assert_int_equal(pbts_pck_parse(&pck, (pbts_span){ bytes, len + 1 }), PBTS_MALFORMED);
}

/* Whatever a byte becomes, it is refused or says something that differs from before. */
static void bytes_of_a_pck_extension_count(void **state) {
    (void)state;
    uint8_t bytes[1024];
    size_t len = forge_pck_extension(bytes), refused = 0;
    for (size_t i = 0; i < len; i++) {
        pbts_pck pck = { 0 };
        bytes[i] ^= 0x83;
        refused += pbts_pck_parse(&pck, (pbts_span){ bytes, len }) == PBTS_MALFORMED;
        bytes[i] ^= 0x83;
    }
    assert_true(refused > len * 3 / 4);
}

static pbts_status parse_parts(const uint8_t *numbers, size_t count) {
    static const uint8_t ZEROS[16] = { 0 };
    uint8_t good[1024], bytes[1024] = { 0x30, 0x82 };
    size_t len = 0, good_len = forge_pck_extension(good);
    pbts_pck pck;
    /* the TCB part of a good one begins behind PPID's 32 bytes */
    size_t tcb_len = 4 + ((size_t)good[4 + 32 + 2] << 8 | good[4 + 32 + 3]);
    assert_true(4 + 32 + tcb_len < good_len);
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == 2) {
            memcpy(bytes + 4 + len, good + 4 + 32, tcb_len);
            len += tcb_len;
        } else {
            size_t value_len = numbers[i] == 3 ? 2 : numbers[i] == 4 ? 6 : 16;
            forge_pck_part(bytes + 4, &len, &numbers[i], 1, 4, ZEROS, value_len);
        }
    }
    bytes[2] = (uint8_t)(len >> 8);
    bytes[3] = (uint8_t)len;
    return pbts_pck_parse(&pck, (pbts_span){ bytes, len + 4 });
}

static void each_part_of_a_pck_extension_is_there_once(void **state) {
    (void)state;
    assert_int_equal(parse_parts((uint8_t[]){ 1, 2, 3, 4 }, 4), PBTS_OK);
    assert_int_equal(parse_parts((uint8_t[]){ 4, 3, 2, 1, 6 }, 5), PBTS_OK);
    assert_int_equal(parse_parts((uint8_t[]){ 1, 3, 4, 6 }, 4), PBTS_MALFORMED);
    assert_int_equal(parse_parts((uint8_t[]){ 1, 2, 4, 6 }, 4), PBTS_MALFORMED);
    assert_int_equal(parse_parts((uint8_t[]){ 1, 2, 3, 6 }, 4), PBTS_MALFORMED);
    assert_int_equal(parse_parts((uint8_t[]){ 1, 2, 3, 4, 4 }, 5), PBTS_MALFORMED);
    assert_int_equal(parse_parts((uint8_t[]){ 1, 2, 3, 4, 3 }, 5), PBTS_MALFORMED);
}

/* ---- slices of JSON ---- */

static void a_slice_is_the_value_byte_for_byte(void **state) {
    (void)state;
    static const struct {
        const char *text, *value; /* NULL: PBTS_MALFORMED */
    } TEXTS[] = {
        { "{\"a\":1}", "1" },
        { " { \"b\" : [ {} , \"]\\\"}\" ] ,\n\"a\"\t: { \"a\" : [ 1 ] } , \"c\":null } ",
          "{ \"a\" : [ 1 ] }" },
        { "{\"a\":\"x\\\\\"}", "\"x\\\\\"" },
        { "{\"b\":{\"a\":1},\"a\":-1.5e3}", "-1.5e3" },
        { "", NULL },
        { "[]", NULL },
        { "{\"a\":1", NULL },
        { "{\"a\":1}}", NULL },
        { "{\"a\":1}x", NULL },
        { "{\"a\":1,\"a\":1}", NULL },
        { "{\"a\":1,\"\\u0061\":2}", NULL },
        { "{\"a\":[1}}", NULL },
        { "{\"a\":{1]}", NULL },
        { "{\"a\":\"x}", NULL },
        { "{\"a\":\"x\\", NULL },
        { "{\"a\":}", NULL },
        { "{\"a\" 1}", NULL },
        { "{\"a\":1,}", NULL },
        { "{a:1}", NULL },
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        size_t len = strlen(TEXTS[i].text);
        uint8_t *copy = malloc(len + 1);
        memcpy(copy, TEXTS[i].text, len);
        copy = realloc(copy, len == 0 ? 1 : len);
        pbts_span found;
        pbts_status status = pbts_json_slice(&found, (pbts_span){ copy, len }, "a");
        if (TEXTS[i].value == NULL) {
            assert_int_equal(status, PBTS_MALFORMED);
        } else {
            assert_int_equal(status, PBTS_OK);
            assert_true(pbts_span_is(found, TEXTS[i].value));
        }
        free(copy);
    }
    pbts_span found;
    assert_int_equal(pbts_json_slice(&found, pbts_span_text("{\"b\":1}"), "a"), PBTS_NOT_FOUND);
    assert_int_equal(pbts_json_slice(&found, pbts_span_text("{}"), "a"), PBTS_NOT_FOUND);
}

static pbts_status slice_nested(size_t depth) {
    char text[128] = "{\"a\":";
    pbts_span found;
    size_t len = strlen(text);
    for (size_t i = 0; i < depth; i++) text[len++] = '[';
    for (size_t i = 0; i < depth; i++) text[len++] = ']';
    text[len++] = '}';
    return pbts_json_slice(&found, (pbts_span){ (const uint8_t *)text, len }, "a");
}

static void a_slice_nests_as_deep_as_the_limit(void **state) {
    (void)state;
    assert_int_equal(slice_nested(PBTS_JSON_SLICE_DEPTH_MAX), PBTS_OK);
    assert_int_equal(slice_nested(PBTS_JSON_SLICE_DEPTH_MAX + 1), PBTS_LIMIT);
}

/* ---- dates ---- */

static void dates_are_those_of_the_calendar(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t unix_s;
    } DATES[] = {
        { "1970-01-01T00:00:00Z", 0 },          { "2000-02-29T12:00:00Z", 951825600 },
        { "2025-06-19T10:16:03Z", 1750328163 }, { "2024-12-31T23:59:59Z", 1735689599 },
        { "2100-03-01T00:00:00Z", 4107542400 }, { "9999-12-31T23:59:59Z", 253402300799 },
    };
    static const char *const BAD[] = {
        "1969-12-31T23:59:59Z",  "2025-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",  "2025-00-01T00:00:00Z", "2025-01-00T00:00:00Z",
        "2025-04-31T00:00:00Z",  "2025-01-01T24:00:00Z", "2025-01-01T00:60:00Z",
        "2025-01-01T00:00:60Z",  "2025-01-01 00:00:00Z", "2025-01-01T00:00:00",
        "2025-01-01T00:00:00ZZ", "+025-01-01T00:00:00Z", "",
    };
    uint64_t found;
    for (size_t i = 0; i < sizeof DATES / sizeof DATES[0]; i++) {
        assert_int_equal(pbts_iso8601_to_unix(&found, pbts_span_text(DATES[i].text)), PBTS_OK);
        assert_true(found == DATES[i].unix_s);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(pbts_iso8601_to_unix(&found, pbts_span_text(BAD[i])), PBTS_MALFORMED);
    }
}

/* ---- chains ---- */

static void a_chain_is_of_pem_and_nothing_else(void **state) {
    (void)state;
    static char text[32768], more[32768];
    forgery *f = forge(&(forge_plan){ 0 });
    X509 *five[] = { f->pck, f->ca, f->root, f->root, f->root };
    pbts_x509_chain chain;
    size_t len = forge_pem(text, sizeof text, five, PBTS_X509_CHAIN_MAX);
    assert_int_equal(pbts_x509_chain_parse_pem(&chain, (pbts_span){ (uint8_t *)text, len }, NULL),
                     PBTS_OK);
    assert_int_equal(chain.len, PBTS_X509_CHAIN_MAX);
    pbts_x509_chain_free(&chain);
    len = forge_pem(text, sizeof text, five, PBTS_X509_CHAIN_MAX + 1);
    assert_int_equal(pbts_x509_chain_parse_pem(&chain, (pbts_span){ (uint8_t *)text, len }, NULL),
                     PBTS_LIMIT);
    len = forge_pem(text, sizeof text, five, 1);
    static const char *const FORMATS[] = { "x%.*s", "%.*sx", "%.*s-----BEGIN CERTIFICATE-----" };
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(more, sizeof more, FORMATS[i], (int)len, text);
#pragma GCC diagnostic pop
        assert_int_equal(pbts_x509_chain_parse_pem(&chain, pbts_span_text(more), NULL),
                         PBTS_MALFORMED);
    }
    assert_int_equal(pbts_x509_chain_parse_pem(&chain, (pbts_span){ 0 }, NULL), PBTS_MALFORMED);
    forge_free(f);
}

static void collateral_is_as_long_as_its_limits(void **state) {
    (void)state;
    uint8_t *bytes = calloc(1, PBTS_CRL_LEN_MAX + 1);
    pbts_collateral *collateral;
    pbts_collateral_files files = { .pck_crl = { bytes, PBTS_CRL_LEN_MAX } };
    assert_int_equal(pbts_collateral_new(&collateral, pbts_mem_system(), &files), PBTS_OK);
    pbts_collateral_free(collateral);
    files.pck_crl.len++;
    assert_int_equal(pbts_collateral_new(&collateral, pbts_mem_system(), &files), PBTS_LIMIT);
    files = (pbts_collateral_files){ .tcb_info = { bytes, PBTS_COLLATERAL_JSON_MAX + 1 } };
    assert_int_equal(pbts_collateral_new(&collateral, pbts_mem_system(), &files), PBTS_LIMIT);
    pbts_collateral_free(NULL);
    free(bytes);
}

static void collateral_without_memory_leaves_nothing(void **state) {
    (void)state;
    pbts_collateral_files files = { .tcb_info = pbts_span_text("{}") };
    for (size_t n = 0; n < 3; n++) {
        faulty_mem faulty = mem_failing_at(n);
        pbts_collateral *collateral = NULL;
        pbts_status status = pbts_collateral_new(&collateral, &faulty.mem, &files);
        assert_int_equal(status, n < 2 ? PBTS_NO_MEMORY : PBTS_OK);
        if (status == PBTS_OK) pbts_collateral_free(collateral);
        assert_int_equal(faulty.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_of_a_quote_is_refused),
        cmocka_unit_test(fields_of_a_report_are_where_they_belong),
        cmocka_unit_test(lengths_and_types_must_fit),
        cmocka_unit_test(a_quote_is_as_long_as_the_limit),
        cmocka_unit_test(a_pck_extension_says_what_a_platform_is),
        cmocka_unit_test(bytes_of_a_pck_extension_count),
        cmocka_unit_test(each_part_of_a_pck_extension_is_there_once),
        cmocka_unit_test(a_slice_is_the_value_byte_for_byte),
        cmocka_unit_test(a_slice_nests_as_deep_as_the_limit),
        cmocka_unit_test(dates_are_those_of_the_calendar),
        cmocka_unit_test(a_chain_is_of_pem_and_nothing_else),
        cmocka_unit_test(collateral_is_as_long_as_its_limits),
        cmocka_unit_test(collateral_without_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
