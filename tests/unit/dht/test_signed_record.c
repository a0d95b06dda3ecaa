/* Unit tests of dht/signed_record.c: bytes only. What is believed: test_credentials.c. */
#include "hash/sha.h"
#include "trust_kit.h"

static uint8_t CERTIFICATE[PBTS_DHT_CERTIFICATE_LEN];

static pbts_status decode(pbts_dht_signed_record *out, pbts_span bytes) {
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    pbts_status status = pbts_dht_signed_record_decode(out, (pbts_span){ copy, bytes.len });
    if (status == PBTS_OK) {
        assert_true(out->certificate.data == copy + 56);
        memcpy(CERTIFICATE, out->certificate.data, sizeof CERTIFICATE);
        out->certificate.data = CERTIFICATE;
    }
    free(copy);
    return status;
}

/* Byte i holds i where any value does. */
static void fill(uint8_t bytes[static PBTS_DHT_RECORD_LEN]) {
    for (size_t i = 0; i < PBTS_DHT_RECORD_LEN; i++) bytes[i] = (uint8_t)i;
    bytes[20] = 3;
    bytes[21] = 6;
}

static void fields_are_where_the_header_says(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_RECORD_LEN], again[PBTS_DHT_RECORD_LEN];
    pbts_dht_signed_record r;
    fill(bytes);
    assert_int_equal(decode(&r, PBTS_SPAN_OF(bytes)), PBTS_OK);
    assert_int_equal(r.key.bytes[19], 19);
    assert_true(r.stopped && r.seeder);
    assert_int_equal(r.addr.family, PBTS_IPV6);
    assert_int_equal(r.addr.ip[0], 22);
    assert_int_equal(r.addr.port, 38 << 8 | 39);
    assert_true(r.sequence == UINT64_C(0x28292A2B2C2D2E2F));
    assert_true(r.expires == UINT64_C(0x3031323334353637));
    assert_int_equal(r.certificate.len, PBTS_DHT_CERTIFICATE_LEN);
    assert_int_equal(r.certificate.data[0], 56);
    assert_int_equal(r.signature.bytes[0], 402 - 256);
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    pbts_dht_signed_record_encode(&writer, &r);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void flags_are_told_apart(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_RECORD_LEN];
    pbts_dht_signed_record r;
    fill(bytes);
    for (unsigned flags = 0; flags < 256; flags++) {
        bytes[20] = (uint8_t)flags;
        assert_int_equal(decode(&r, PBTS_SPAN_OF(bytes)), flags < 4 ? PBTS_OK : PBTS_MALFORMED);
        if (flags >= 4) continue;
        assert_int_equal(r.stopped, flags & 1);
        assert_int_equal(r.seeder, flags >> 1);
    }
}

static void any_other_length_is_malformed(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_RECORD_LEN + 1] = { 0 };
    pbts_dht_signed_record r;
    fill(bytes);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        assert_int_equal(decode(&r, (pbts_span){ bytes, len }),
                         len == PBTS_DHT_RECORD_LEN ? PBTS_OK : PBTS_MALFORMED);
    }
}

static void an_address_that_nobody_can_dial_is_malformed(void **state) {
    (void)state;
    static const struct {
        uint8_t family, ip[16];
        uint16_t port;
        pbts_status want;
    } CASES[] = {
        { 4, { 10, 0, 0, 1 }, 1, PBTS_OK },
        { 4, { 127, 0, 0, 1 }, 65535, PBTS_OK }, /* a swarm on one machine */
        { 4, { 223, 255, 255, 255 }, 1, PBTS_OK },
        { 4, { 10, 0, 0, 1 }, 0, PBTS_MALFORMED },
        { 4, { 10, 0, 0, 1, 1 }, 1, PBTS_MALFORMED },
        { 4, { 10, 0, 0, 1, [15] = 1 }, 1, PBTS_MALFORMED },
        { 4, { 0 }, 1, PBTS_MALFORMED },
        { 4, { 224, 0, 0, 1 }, 1, PBTS_MALFORMED },
        { 4, { 255, 255, 255, 255 }, 1, PBTS_MALFORMED },
        { 6, { 0x20, 1, [15] = 1 }, 1, PBTS_OK },
        { 6, { 0xFF, 2, [15] = 1 }, 1, PBTS_MALFORMED },
        { 6, { 0 }, 1, PBTS_MALFORMED },
        { 6, { [10] = 255, 255, 10, 0, 0, 1 }, 1, PBTS_MALFORMED }, /* mapped */
        { 0, { 10, 0, 0, 1 }, 1, PBTS_MALFORMED },
        { 5, { 10, 0, 0, 1 }, 1, PBTS_MALFORMED },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t bytes[PBTS_DHT_RECORD_LEN];
        pbts_dht_signed_record r;
        fill(bytes);
        bytes[21] = CASES[i].family;
        memcpy(bytes + 22, CASES[i].ip, 16);
        bytes[38] = (uint8_t)(CASES[i].port >> 8);
        bytes[39] = (uint8_t)CASES[i].port;
        if (decode(&r, PBTS_SPAN_OF(bytes)) != CASES[i].want) fail_msg("case %zu", i);
    }
}

static void the_digest_is_over_tag_instance_and_all_before_the_signature(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_RECORD_LEN], iid[32], text[18 + 32 + 402], want[32], digest[32];
    pbts_dht_signed_record r;
    fill(bytes);
    memset(iid, 0x11, sizeof iid);
    assert_int_equal(decode(&r, PBTS_SPAN_OF(bytes)), PBTS_OK);
    memcpy(text, "PBTS_V1_DHT_RECORD", 18);
    memcpy(text + 18, iid, 32);
    memcpy(text + 50, bytes, 402);
    pbts_sha256(want, PBTS_SPAN_OF(text));
    pbts_dht_signed_record_digest(digest, iid, &r);
    assert_memory_equal(digest, want, sizeof want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_where_the_header_says),
        cmocka_unit_test(flags_are_told_apart),
        cmocka_unit_test(any_other_length_is_malformed),
        cmocka_unit_test(an_address_that_nobody_can_dial_is_malformed),
        cmocka_unit_test(the_digest_is_over_tag_instance_and_all_before_the_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
