#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dht/dht_packet.h"

static const uint8_t TAG[PBTS_DHT_TAG_LEN] = { 1, 2, 3, 4 };
static uint8_t filler[PBTS_DHT_CERTIFICATE_MAX + 1];

static pbts_dht_id id_of(uint8_t byte) {
    pbts_dht_id id;
    memset(id.bytes, byte, sizeof id.bytes);
    return id;
}

static pbts_dht_packet query_of(pbts_dht_method method) {
    pbts_dht_packet packet = { .kind = PBTS_DHT_QUERY,
                               .method = method,
                               .transaction = 0x0102030405060708,
                               .is_signed = method != PBTS_DHT_HELLO,
                               .has_token = method != PBTS_DHT_HELLO,
                               .token = { 9, 8, 7 },
                               .from = id_of(0xAB),
                               .counter = 77,
                               .to = { PBTS_IPV4, { 10, 0, 0, 1 }, 6881 } };
    if (method == PBTS_DHT_FIND || method == PBTS_DHT_GET) {
        packet.has_target = true;
        packet.target = id_of(0xCD);
    }
    if (method == PBTS_DHT_PUT) packet.record = (pbts_span){ filler, 100 };
    return packet;
}

/* An exact-size copy, so that a byte too far is seen. */
static pbts_status decode(pbts_dht_packet *out, const uint8_t *bytes, size_t len) {
    static uint8_t *copy;
    free(copy);
    copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0) memcpy(copy, bytes, len);
    pbts_status status = pbts_dht_packet_decode(out, (pbts_span){ copy, len }, TAG);
    if (out == NULL || len == 0) free(copy), copy = NULL;
    return status;
}

static size_t encode(uint8_t out[static PBTS_DHT_PACKET_MAX], pbts_dht_packet *packet) {
    pbts_writer writer = pbts_writer_over(out, PBTS_DHT_PACKET_MAX);
    assert_int_equal(pbts_dht_packet_encode(&writer, packet, TAG), PBTS_OK);
    return writer.len;
}

static void every_query_comes_back_as_it_was(void **state) {
    (void)state;
    for (unsigned method = 0; method < PBTS_DHT_METHODS; method++) {
        uint8_t bytes[PBTS_DHT_PACKET_MAX];
        pbts_dht_packet sent = query_of((pbts_dht_method)method), got;
        if (method == PBTS_DHT_GET) {
            sent.certificate = (pbts_span){ filler, 300 };
            sent.wants_certificate = true;
            sent.to = (pbts_addr){ PBTS_IPV6, { 0x20, 1, [15] = 9 }, 7 };
        }
        size_t len = encode(bytes, &sent);
        assert_int_equal(decode(&got, bytes, len), PBTS_OK);
        assert_int_equal(got.kind, PBTS_DHT_QUERY);
        assert_int_equal(got.method, method);
        assert_true(got.transaction == sent.transaction);
        assert_int_equal(got.is_signed, sent.is_signed);
        assert_int_equal(got.signature_at, sent.signature_at);
        if (!sent.is_signed) continue;
        assert_true(pbts_dht_id_equal(&got.from, &sent.from));
        assert_memory_equal(got.token, sent.token, sizeof sent.token);
        assert_true(got.counter == sent.counter);
        assert_true(got.to.family == sent.to.family && pbts_dht_addr_equal(&got.to, &sent.to));
        assert_int_equal(got.wants_certificate, sent.wants_certificate);
        assert_true(pbts_span_equal(got.certificate, sent.certificate));
        assert_true(pbts_span_equal(got.record, sent.record));
        assert_int_equal(got.has_target, sent.has_target);
        assert_true(pbts_dht_id_equal(&got.target, &sent.target));
    }
}

static void a_hello_is_these_bytes(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    pbts_dht_packet hello = query_of(PBTS_DHT_HELLO);
    size_t len = encode(bytes, &hello);
    static const char EXPECTED[] =
        "d1:ade1:n4:\1\2\3\0041:q10:pbts_hello1:t8:\1\2\3\4\5\6\7\0101:y1:"
        "qe";
    assert_int_equal(len, sizeof EXPECTED - 1);
    assert_memory_equal(bytes, EXPECTED, len);
}

static pbts_dht_packet full_answer(void) {
    static uint8_t nodes4[10 * PBTS_DHT_NODE4_LEN], nodes6[2 * PBTS_DHT_NODE6_LEN];
    pbts_writer writer4 = pbts_writer_over(nodes4, sizeof nodes4);
    pbts_writer writer6 = pbts_writer_over(nodes6, sizeof nodes6);
    for (uint8_t i = 0; i < 10; i++) {
        pbts_dht_id id = id_of(i);
        pbts_dht_node_encode(&writer4, &id, &(pbts_addr){ PBTS_IPV4, { 10, 0, i, 1 }, i });
    }
    for (uint8_t i = 0; i < 2; i++) {
        pbts_dht_id id = id_of((uint8_t)(100 + i));
        pbts_dht_node_encode(&writer6, &id, &(pbts_addr){ PBTS_IPV6, { 0x20, [15] = i }, 300 });
    }
    return (pbts_dht_packet){ .kind = PBTS_DHT_ANSWER,
                              .transaction = UINT64_MAX,
                              .is_signed = true,
                              .has_token = true,
                              .from = id_of(1),
                              .to = { PBTS_IPV4, { 1, 2, 3, 4 }, 5 },
                              .certificate = { filler, 10 },
                              .nodes4 = pbts_writer_span(&writer4),
                              .nodes6 = pbts_writer_span(&writer6),
                              .records = { { filler, 5 }, { filler + 1, 6 } },
                              .record_count = 2 };
}

static void an_answer_comes_back_as_it_was(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    pbts_dht_packet sent = full_answer(), got;
    size_t len = encode(bytes, &sent);
    assert_int_equal(decode(&got, bytes, len), PBTS_OK);
    assert_true(pbts_span_equal(got.nodes4, sent.nodes4));
    assert_true(pbts_span_equal(got.nodes6, sent.nodes6));
    assert_int_equal(got.record_count, 2);
    assert_true(pbts_span_equal(got.records[1], sent.records[1]));
    pbts_dht_id id;
    pbts_addr addr;
    pbts_dht_node_decode(&id, &addr, got.nodes6, PBTS_IPV6, 1);
    assert_int_equal(id.bytes[0], 101);
    assert_int_equal(addr.ip[15], 1);
    assert_int_equal(addr.port, 300);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    pbts_dht_packet sent = full_answer(), got;
    size_t len = encode(bytes, &sent);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_not_equal(decode(&got, bytes, cut), PBTS_OK);
    }
    bytes[len] = 'e';
    assert_int_not_equal(decode(&got, bytes, len + 1), PBTS_OK);
}

static void another_networks_packets_are_told_apart(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    pbts_dht_packet sent = query_of(PBTS_DHT_FIND), got;
    size_t len = encode(bytes, &sent);
    static const uint8_t OTHER[PBTS_DHT_TAG_LEN] = { 1, 2, 3, 5 };
    assert_int_equal(pbts_dht_packet_decode(&got, (pbts_span){ bytes, len }, OTHER), PBTS_DENIED);
    /* BEP 5's own example of a ping. */
    static const char PING[] = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    assert_int_equal(decode(&got, (const uint8_t *)PING, sizeof PING - 1), PBTS_DENIED);
}

static void what_breaks_a_rule_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        pbts_status status;
    } CASES[] = {
        { "d1:n4:\1\2\3\4e", PBTS_MALFORMED },
        { "d1:n4:\1\2\3\0041:t8:aaaaaaaae", PBTS_MALFORMED },
        { "d1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:xe", PBTS_MALFORMED },
        { "d1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:qe", PBTS_MALFORMED },
        { "d1:n4:\1\2\3\0041:t7:aaaaaaa1:y1:qe", PBTS_MALFORMED },
        { "d1:ade1:n4:\1\2\3\0041:q9:pbts_nope1:t8:aaaaaaaa1:y1:qe", PBTS_MALFORMED },
        { "d1:ade1:n4:\1\2\3\0041:q9:pbts_ping1:t8:aaaaaaaa1:y1:qe", PBTS_MALFORMED },
        { "d1:ale1:n4:\1\2\3\0041:q10:pbts_hello1:t8:aaaaaaaa1:y1:qe", PBTS_MALFORMED },
        { "d1:n4:\1\2\3\0041:rde1:t8:aaaaaaaa1:y1:re", PBTS_MALFORMED },
        { "d1:n4:\1\2\3\0041:rd1:k7:ttttttte1:t8:aaaaaaaa1:y1:re", PBTS_MALFORMED },
        { "d1:ei299e1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:ee", PBTS_MALFORMED },
        { "d1:ei304e1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:ee", PBTS_MALFORMED },
        { "d1:ei300e1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:ee", PBTS_MALFORMED },
        { "d1:ei301e1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:ee", PBTS_OK },
        { "d0:i1e1:5i1e1:`i1e2:aai1e1:ei301e1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:e1:{i1ee", PBTS_OK },
        { "l1:ni301ee", PBTS_DENIED },
        { "d1:ei300e1:k8:tttttttt1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:ee", PBTS_OK },
        { "d1:n4:\1\2\3\0041:rd1:k8:tttttttte1:t8:aaaaaaaa1:y1:re", PBTS_OK },
        { "d1:n4:\1\2\3\0041:rd1:k8:tttttttt1:zi1ee1:t8:aaaaaaaa1:y1:re", PBTS_OK },
        { "d1:n4:\1\2\3\0041:rd1:i20:aaaaaaaaaaaaaaaaaaaa1:k8:tttttttte1:t8:aaaaaaaa1:y1:re",
          PBTS_MALFORMED },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        pbts_dht_packet got;
        pbts_status status = decode(&got, (const uint8_t *)CASES[i].text, strlen(CASES[i].text));
        if (status != CASES[i].status) fail_msg("case %zu: %s", i, pbts_status_name(status));
    }
}

static void limits_hold_at_the_limit_and_past_it(void **state) {
    (void)state;
    uint8_t bytes[2 * PBTS_DHT_PACKET_MAX];
    pbts_dht_packet sent = query_of(PBTS_DHT_PING), got;
    for (size_t len = PBTS_DHT_CERTIFICATE_MAX; len <= PBTS_DHT_CERTIFICATE_MAX + 1; len++) {
        sent.certificate = (pbts_span){ filler, len };
        size_t size = encode(bytes, &sent);
        assert_int_equal(decode(&got, bytes, size),
                         len == PBTS_DHT_CERTIFICATE_MAX ? PBTS_OK : PBTS_LIMIT);
    }
    sent = query_of(PBTS_DHT_PUT);
    for (size_t len = PBTS_DHT_RECORD_MAX; len <= PBTS_DHT_RECORD_MAX + 1; len++) {
        sent.record = (pbts_span){ filler, len };
        size_t size = encode(bytes, &sent);
        assert_int_equal(decode(&got, bytes, size),
                         len == PBTS_DHT_RECORD_MAX ? PBTS_OK : PBTS_LIMIT);
    }
    static uint8_t nodes[(PBTS_DHT_ANSWER_NODES_MAX + 1) * PBTS_DHT_NODE4_LEN];
    for (size_t count = PBTS_DHT_ANSWER_NODES_MAX; count <= PBTS_DHT_ANSWER_NODES_MAX + 1;
         count++) {
        sent = full_answer();
        sent.nodes6.len = 0;
        sent.nodes4 = (pbts_span){ nodes, count * PBTS_DHT_NODE4_LEN };
        size_t size = encode(bytes, &sent);
        assert_int_equal(decode(&got, bytes, size),
                         count == PBTS_DHT_ANSWER_NODES_MAX ? PBTS_OK : PBTS_LIMIT);
    }
    /* A node cut short. */
    sent.nodes4.len = PBTS_DHT_NODE4_LEN - 1;
    size_t size = encode(bytes, &sent);
    assert_int_equal(decode(&got, bytes, size), PBTS_MALFORMED);
    /* A datagram of the greatest length, and one byte more: an unknown key fills it. */
    for (size_t len = PBTS_DHT_PACKET_MAX; len <= PBTS_DHT_PACKET_MAX + 1; len++) {
        int head = snprintf((char *)bytes, sizeof bytes,
                            "d1:ei301e1:n4:\1\2\3\0041:t8:aaaaaaaa1:y1:e1:z%zu:", len - 50);
        assert_true(head > 0 && (size_t)head + 1 < len);
        size_t at = (size_t)head, fill = len - 50;
        memset(bytes + at, 'z', fill);
        bytes[at + fill] = 'e';
        size_t total = at + fill + 1;
        assert_int_equal(decode(&got, bytes, total),
                         total <= PBTS_DHT_PACKET_MAX ? PBTS_OK : PBTS_LIMIT);
    }
}

static void the_digest_covers_all_but_the_signature(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_PACKET_MAX], first[32], again[32], iid[PBTS_DHT_IID_LEN] = { 7 };
    pbts_dht_packet sent = query_of(PBTS_DHT_FIND);
    pbts_dht_id nobody = id_of(0), somebody = id_of(1);
    size_t len = encode(bytes, &sent);
    pbts_span datagram = { bytes, len };
    pbts_dht_packet_digest(first, iid, &nobody, datagram, sent.signature_at);
    for (size_t i = 0; i < len; i++) {
        bool is_signature =
            i >= sent.signature_at && i < sent.signature_at + PBTS_DHT_SIGNATURE_LEN;
        bytes[i] ^= 0x40;
        pbts_dht_packet_digest(again, iid, &nobody, datagram, sent.signature_at);
        assert_int_equal(memcmp(first, again, sizeof first) == 0, is_signature);
        bytes[i] ^= 0x40;
    }
    pbts_dht_packet_digest(again, iid, &somebody, datagram, sent.signature_at);
    assert_memory_not_equal(first, again, sizeof first);
    iid[0] = 8;
    pbts_dht_packet_digest(again, iid, &nobody, datagram, sent.signature_at);
    assert_memory_not_equal(first, again, sizeof first);
}

static void a_packet_that_does_not_fit_is_not_written(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    pbts_dht_packet sent = full_answer();
    size_t len = encode(bytes, &sent);
    pbts_writer writer = pbts_writer_over(bytes, len - 1);
    assert_int_equal(pbts_dht_packet_encode(&writer, &sent, TAG), PBTS_NO_SPACE);
}

static void the_answer_to_a_hello_is_no_longer_than_it(void **state) {
    (void)state;
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    pbts_dht_packet hello = query_of(PBTS_DHT_HELLO);
    size_t asked = encode(bytes, &hello);
    pbts_dht_packet answer = { .kind = PBTS_DHT_ANSWER, .has_token = true };
    assert_true(encode(bytes, &answer) <= asked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_query_comes_back_as_it_was),
        cmocka_unit_test(a_hello_is_these_bytes),
        cmocka_unit_test(an_answer_comes_back_as_it_was),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(another_networks_packets_are_told_apart),
        cmocka_unit_test(what_breaks_a_rule_is_refused),
        cmocka_unit_test(limits_hold_at_the_limit_and_past_it),
        cmocka_unit_test(the_digest_covers_all_but_the_signature),
        cmocka_unit_test(a_packet_that_does_not_fit_is_not_written),
        cmocka_unit_test(the_answer_to_a_hello_is_no_longer_than_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
