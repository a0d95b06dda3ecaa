/* Unit tests of torrent/fallback.c: the dictionary "pbts" of a .torrent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "torrent/builder.h"
#include "torrent/fallback.h"

static uint8_t BYTES[256];

static pbts_span some(size_t at, size_t len) {
    for (size_t i = 0; i < sizeof BYTES; i++) BYTES[i] = (uint8_t)i;
    return (pbts_span){ BYTES + at, len };
}

static pbts_torrent_fallback full(void) {
    return (pbts_torrent_fallback){ .iid = some(1, 32),
                                    .tracker_key = some(2, 96),
                                    .membership = some(3, 192),
                                    .beacon = some(4, 56),
                                    .contract = some(5, 20),
                                    .chain_id = INT64_MAX,
                                    .nodes4 = some(6, 12),
                                    .nodes6 = some(7, 36) };
}

static pbts_status decode(pbts_torrent_fallback *out, pbts_span bytes) {
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    pbts_status status = pbts_torrent_fallback_decode(out, (pbts_span){ copy, bytes.len });
    free(copy); /* its spans are not looked at */
    return status;
}

static void assert_same(const pbts_torrent_fallback *a, const pbts_torrent_fallback *b) {
    assert_true(pbts_span_equal(a->iid, b->iid));
    assert_true(pbts_span_equal(a->tracker_key, b->tracker_key));
    assert_true(pbts_span_equal(a->membership, b->membership));
    assert_true(pbts_span_equal(a->beacon, b->beacon));
    assert_true(pbts_span_equal(a->contract, b->contract));
    assert_true(a->chain_id == b->chain_id);
    assert_true(pbts_span_equal(a->nodes4, b->nodes4));
    assert_true(pbts_span_equal(a->nodes6, b->nodes6));
}

static void what_is_written_is_read_in_part_or_whole(void **state) {
    (void)state;
    uint8_t bytes[PBTS_FALLBACK_LEN_MAX];
    for (unsigned parts = 0; parts < 128; parts++) {
        pbts_torrent_fallback said = full(), read;
        if (!(parts & 1)) said.iid.len = 0;
        if (!(parts & 2)) said.tracker_key.len = 0;
        if (!(parts & 4)) said.membership.len = 0;
        if (!(parts & 8)) said.beacon.len = 0;
        if (!(parts & 16)) said.contract.len = said.chain_id = 0;
        if (!(parts & 32)) said.nodes4.len = 0;
        if (!(parts & 64)) said.nodes6.len = 0;
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_torrent_fallback_encode(&writer, &said);
        assert_int_equal(pbts_torrent_fallback_decode(&read, pbts_writer_span(&writer)), PBTS_OK);
        assert_same(&read, &said);
    }
}

static void every_truncation_is_malformed(void **state) {
    (void)state;
    uint8_t bytes[PBTS_FALLBACK_LEN_MAX];
    pbts_torrent_fallback said = full(), read;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_torrent_fallback_encode(&writer, &said);
    for (size_t cut = 0; cut < writer.len; cut++) {
        assert_int_equal(decode(&read, (pbts_span){ bytes, cut }), PBTS_MALFORMED);
    }
}

#define C20 "8:contract20:abcdefghijklmnopqrst"

static void bad_fields_are_malformed_and_unknown_ones_passed_over(void **state) {
    (void)state;
    static const struct {
        const char *text;
        pbts_status want;
    } CASES[] = {
        { "de", PBTS_OK },
        { "d1:ai1e3:zzzlee", PBTS_OK },
        { "d5:chaini5e" C20 "e", PBTS_OK },
        { "d5:nodes6:abcdefe", PBTS_OK },
        { "d5:nodes0:e", PBTS_OK },
        { "", PBTS_MALFORMED },
        { "le", PBTS_MALFORMED },
        { "dede", PBTS_MALFORMED },
        { "d6:beacon3:abce", PBTS_MALFORMED },
        { "d6:beaconi1ee", PBTS_MALFORMED },
        { "d5:chaini5ee", PBTS_MALFORMED }, /* no contract */
        { "d" C20 "e", PBTS_MALFORMED },    /* no chain */
        { "d5:chaini-1e" C20 "e", PBTS_MALFORMED },
        { "d5:chain1:5" C20 "e", PBTS_MALFORMED },
        { "d5:chaini5e8:contract19:abcdefghijklmnopqrse", PBTS_MALFORMED },
        { "d3:iid1:ae", PBTS_MALFORMED },
        { "d3:key0:e", PBTS_MALFORMED },
        { "d6:memberdee", PBTS_MALFORMED },
        { "d5:nodes5:abcdee", PBTS_MALFORMED },
        { "d5:nodeslee", PBTS_MALFORMED },
        { "d6:nodes617:abcdefghijklmnopqe", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_torrent_fallback read;
        pbts_span bytes = pbts_span_text(CASES[i].text);
        if (decode(&read, bytes) != CASES[i].want) fail_msg("%s", CASES[i].text);
    }
}

static void nodes_past_the_limit_are_passed_over(void **state) {
    (void)state;
    static uint8_t many[6 * (PBTS_FALLBACK_NODES_MAX + 1)], bytes[2 * sizeof many];
    pbts_torrent_fallback said = { .nodes4 = PBTS_SPAN_OF(many) }, read;
    memset(many, 9, sizeof many);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_torrent_fallback_encode(&writer, &said);
    assert_int_equal(pbts_torrent_fallback_decode(&read, pbts_writer_span(&writer)), PBTS_OK);
    assert_int_equal(read.nodes4.len, 6 * PBTS_FALLBACK_NODES_MAX);
    said.nodes4.len = 6 * PBTS_FALLBACK_NODES_MAX;
    writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_torrent_fallback_encode(&writer, &said);
    assert_int_equal(pbts_torrent_fallback_decode(&read, pbts_writer_span(&writer)), PBTS_OK);
    assert_int_equal(read.nodes4.len, 6 * PBTS_FALLBACK_NODES_MAX);
}

static void nodes_are_added_and_walked(void **state) {
    (void)state;
    static const char *const NODES[] = { "10.0.0.1:6881", "[2001:db8::1]:1", "10.0.0.2:65535" };
    static const char *const WALK[] = { "10.0.0.1:6881", "10.0.0.2:65535", "[2001:db8::1]:1" };
    uint8_t four[6 * PBTS_FALLBACK_NODES_MAX], six[18 * PBTS_FALLBACK_NODES_MAX];
    pbts_writer nodes4 = pbts_writer_over(four, sizeof four);
    pbts_writer nodes6 = pbts_writer_over(six, sizeof six);
    pbts_addr addr;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pbts_addr_parse_endpoint(&addr, pbts_span_text(NODES[i])), PBTS_OK);
        assert_true(pbts_torrent_fallback_add(&nodes4, &nodes6, &addr));
    }
    addr = (pbts_addr){ .family = PBTS_IPV4, .port = 5 }; /* nobody; then no port; then mapped */
    assert_true(pbts_torrent_fallback_add(&nodes4, &nodes6, &addr));
    addr = (pbts_addr){ .family = PBTS_IPV6, .ip = { 1 } };
    assert_true(pbts_torrent_fallback_add(&nodes4, &nodes6, &addr));
    pbts_torrent_fallback fallback = { .nodes4 = pbts_writer_span(&nodes4),
                                       .nodes6 = pbts_writer_span(&nodes6) };
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        char text[PBTS_ENDPOINT_TEXT_MAX];
        assert_true(pbts_torrent_fallback_next(&addr, &at, &fallback));
        (void)pbts_addr_format_endpoint(text, &addr);
        assert_string_equal(text, WALK[i]);
    }
    assert_false(pbts_torrent_fallback_next(&addr, &at, &fallback));
    assert_false(pbts_torrent_fallback_next(&addr, &at, &fallback));
    assert_int_equal(pbts_addr_parse_endpoint(&addr, pbts_span_text("10.0.0.9:9")), PBTS_OK);
    for (size_t i = 3; i < PBTS_FALLBACK_NODES_MAX; i++) {
        assert_true(pbts_torrent_fallback_add(&nodes4, &nodes6, &addr));
    }
    assert_false(pbts_torrent_fallback_add(&nodes4, &nodes6, &addr));
    assert_false(nodes4.failed || nodes6.failed);
}

/* A built torrent has it beside info, and its infohash does not depend on it. */
static void a_built_torrent_carries_it_outside_of_info(void **state) {
    (void)state;
    static const pbts_torrent_version VERSIONS[] = { PBTS_TORRENT_V1, PBTS_TORRENT_V2,
                                                     PBTS_TORRENT_HYBRID };
    uint8_t dict[PBTS_FALLBACK_LEN_MAX], content[40000] = { 0 };
    pbts_torrent_fallback said = full(), read;
    pbts_writer writer = pbts_writer_over(dict, sizeof dict);
    pbts_torrent_fallback_encode(&writer, &said);
    for (size_t i = 0; i < 3; i++) {
        uint8_t infohash[2][20];
        for (int with = 0; with < 2; with++) {
            pbts_torrent_options options = { .version = VERSIONS[i],
                                             .piece_length = 16384,
                                             .name = pbts_span_text("x"),
                                             .single_file = true };
            pbts_torrent_builder *builder;
            pbts_metainfo *meta;
            pbts_span bytes;
            if (with) options.fallback = pbts_writer_span(&writer);
            assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options),
                             PBTS_OK);
            assert_int_equal(
                pbts_torrent_builder_begin_file(builder, pbts_span_text("x"), sizeof content),
                PBTS_OK);
            assert_int_equal(pbts_torrent_builder_add(builder, PBTS_SPAN_OF(content)), PBTS_OK);
            assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
            assert_int_equal(pbts_torrent_fallback_find(&read, bytes),
                             with ? PBTS_OK : PBTS_NOT_FOUND);
            if (with) assert_same(&read, &said);
            assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
            memcpy(infohash[with], pbts_metainfo_infohash(meta), 20);
            pbts_metainfo_free(meta);
            pbts_torrent_builder_free(builder);
        }
        assert_memory_equal(infohash[0], infohash[1], 20);
    }
    assert_int_equal(pbts_torrent_fallback_find(&read, pbts_span_text("d4:pbtslee")),
                     PBTS_MALFORMED);
    assert_int_equal(pbts_torrent_fallback_find(&read, pbts_span_text("d4:pbtsd")), PBTS_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_in_part_or_whole),
        cmocka_unit_test(every_truncation_is_malformed),
        cmocka_unit_test(bad_fields_are_malformed_and_unknown_ones_passed_over),
        cmocka_unit_test(nodes_past_the_limit_are_passed_over),
        cmocka_unit_test(nodes_are_added_and_walked),
        cmocka_unit_test(a_built_torrent_carries_it_outside_of_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
