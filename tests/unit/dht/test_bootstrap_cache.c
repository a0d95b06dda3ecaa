/* Unit tests of dht/bootstrap_cache.c: the list and its file. */
#include "dht/bootstrap_cache.h"
#include "hash/sha.h"
#include "trust_kit.h"

static pbts_addr v4(uint32_t ip, uint16_t port) {
    pbts_addr addr = { .family = PBTS_IPV4, .port = port };
    for (size_t i = 0; i < 4; i++) addr.ip[i] = (uint8_t)(ip >> (24 - 8 * i));
    return addr;
}

static pbts_addr v6(uint8_t site, uint8_t host) {
    return (pbts_addr){ .family = PBTS_IPV6,
                        .ip = { 0x20, 0x01, 0x0D, 0xB8, 0, site, [15] = host },
                        .port = 1 };
}

static size_t encode(uint8_t out[static PBTS_DHT_BOOTSTRAP_LEN_MAX],
                     const pbts_dht_bootstrap *cache) {
    pbts_writer writer = pbts_writer_over(out, PBTS_DHT_BOOTSTRAP_LEN_MAX);
    pbts_dht_bootstrap_encode(&writer, cache);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return writer.len;
}

/* What is refused changes nothing. */
static pbts_status decode(pbts_dht_bootstrap *out, pbts_span bytes) {
    static pbts_dht_bootstrap before;
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    before = *out;
    pbts_status status = pbts_dht_bootstrap_decode(out, (pbts_span){ copy, bytes.len });
    if (status != PBTS_OK) assert_memory_equal(out, &before, sizeof before);
    free(copy);
    return status;
}

static void note4(pbts_dht_bootstrap *cache, uint32_t ip, uint64_t seen_s) {
    pbts_addr addr = v4(ip, 6881);
    pbts_dht_bootstrap_note(cache, &addr, seen_s);
}

static void the_node_seen_last_is_first(void **state) {
    (void)state;
    pbts_dht_bootstrap cache = { .count = 0 };
    note4(&cache, 0x0A000001, 20);
    note4(&cache, 0x0A000002, 30);
    note4(&cache, 0x0A000003, 10);
    note4(&cache, 0x0A000001, 40); /* again */
    note4(&cache, 0x0A000001, 5);  /* is known better */
    assert_int_equal(cache.count, 3);
    assert_int_equal(cache.nodes[0].addr.ip[3], 1);
    assert_true(cache.nodes[0].seen_s == 40);
    assert_int_equal(cache.nodes[1].addr.ip[3], 2);
    assert_int_equal(cache.nodes[2].addr.ip[3], 3);
}

static void addresses_that_nobody_can_dial_are_not_noted(void **state) {
    (void)state;
    pbts_dht_bootstrap cache = { .count = 0 };
    const pbts_addr bad[] = { v4(0x0A000001, 0),
                              v4(0, 1),
                              v4(0xE0000001, 1),
                              v4(0xFFFFFFFF, 1),
                              { .family = PBTS_IPV6, .port = 1 },
                              { .family = PBTS_IPV6, .port = 1, .ip = { 0xFF, 2, [15] = 1 } } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pbts_dht_bootstrap_note(&cache, &bad[i], NOW);
        assert_int_equal(cache.count, 0);
    }
    /* The same host in two notations is one. */
    pbts_addr mapped = { .family = PBTS_IPV6, .port = 1, .ip = { [10] = 255, 255, 10, 0, 0, 1 } };
    pbts_addr plain = v4(0x0A000001, 1);
    pbts_dht_bootstrap_note(&cache, &mapped, NOW);
    pbts_dht_bootstrap_note(&cache, &plain, NOW);
    assert_int_equal(cache.count, 1);
}

static void a_network_cannot_fill_the_list(void **state) {
    (void)state;
    pbts_dht_bootstrap cache = { .count = 0 };
    note4(&cache, 0x0B000001, 1);
    for (uint32_t i = 1; i < 200; i++) note4(&cache, 0x0A000000 + i, 100 + i);
    assert_int_equal(cache.count, 1 + PBTS_DHT_BOOTSTRAP_PER_PREFIX);
    assert_int_equal(cache.nodes[0].addr.ip[3], 199);
    assert_int_equal(cache.nodes[PBTS_DHT_BOOTSTRAP_PER_PREFIX - 1].addr.ip[3],
                     200 - PBTS_DHT_BOOTSTRAP_PER_PREFIX);
    note4(&cache, 0x0A0000FA, 50); /* seen before all of its prefix */
    assert_int_equal(cache.count, 1 + PBTS_DHT_BOOTSTRAP_PER_PREFIX);
    for (size_t i = 0; i < cache.count; i++) assert_int_not_equal(cache.nodes[i].addr.ip[3], 0xFA);
    for (uint8_t i = 0; i < 100; i++) { /* all in one /48 */
        pbts_addr addr = v6(7, i + 1);
        pbts_dht_bootstrap_note(&cache, &addr, 1000);
    }
    assert_int_equal(cache.count, 1 + 2 * PBTS_DHT_BOOTSTRAP_PER_PREFIX);
}

static pbts_dht_bootstrap full(void) {
    pbts_dht_bootstrap cache = { .count = 0 };
    for (uint32_t i = 0; i < PBTS_DHT_BOOTSTRAP_MAX; i++) {
        note4(&cache, 0x0A000001 + (i << 8), 1000 + i / 2); /* pairs of one time */
    }
    assert_int_equal(cache.count, PBTS_DHT_BOOTSTRAP_MAX);
    return cache;
}

static void a_full_list_forgets_the_one_seen_longest_ago(void **state) {
    (void)state;
    pbts_dht_bootstrap cache = full();
    note4(&cache, 0x0B000001, 999); /* older than all */
    assert_int_equal(cache.count, PBTS_DHT_BOOTSTRAP_MAX);
    assert_int_equal(cache.nodes[PBTS_DHT_BOOTSTRAP_MAX - 1].addr.ip[0], 0x0A);
    note4(&cache, 0x0B000001, 2000);
    assert_int_equal(cache.count, PBTS_DHT_BOOTSTRAP_MAX);
    assert_int_equal(cache.nodes[0].addr.ip[0], 0x0B);
    assert_true(cache.nodes[PBTS_DHT_BOOTSTRAP_MAX - 1].seen_s == 1000);
}

static void what_a_clock_was_ahead_for_gives_way(void **state) {
    (void)state;
    pbts_dht_bootstrap cache = { .count = 0 };
    for (uint32_t i = 0; i < PBTS_DHT_BOOTSTRAP_MAX; i++) {
        note4(&cache, 0x08000001 + i * 0x10000, NOW + 1000000 + i);
    }
    note4(&cache, 0x09000001, NOW);
    assert_true(cache.nodes[0].seen_s > NOW && cache.nodes[cache.count - 1].seen_s > NOW);
    pbts_dht_bootstrap_set_clock(&cache, NOW);
    note4(&cache, 0x09000001, NOW);
    assert_true(cache.count == PBTS_DHT_BOOTSTRAP_MAX);
    assert_true(cache.nodes[0].addr.ip[0] == 9 && cache.nodes[0].seen_s == NOW);
}

static void what_is_written_is_read_empty_or_full(void **state) {
    (void)state;
    static uint8_t bytes[PBTS_DHT_BOOTSTRAP_LEN_MAX], again[PBTS_DHT_BOOTSTRAP_LEN_MAX];
    static pbts_dht_bootstrap cache, read;
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            pbts_addr addr = v6(1, 1);
            pbts_dht_bootstrap_note(&cache, &addr, UINT64_MAX);
            note4(&cache, 0x7F000001, 0);
        }
        if (i == 2) cache = full();
        size_t len = encode(bytes, &cache);
        assert_int_equal(decode(&read, (pbts_span){ bytes, len }), PBTS_OK);
        assert_int_equal(encode(again, &read), len);
        assert_memory_equal(again, bytes, len);
    }
    assert_int_equal(encode(bytes, &cache), PBTS_DHT_BOOTSTRAP_LEN_MAX);
    uint8_t *longer = calloc(1, PBTS_DHT_BOOTSTRAP_LEN_MAX + 1);
    assert_non_null(longer);
    memcpy(longer, bytes, sizeof bytes);
    assert_int_equal(decode(&read, (pbts_span){ longer, sizeof bytes + 1 }), PBTS_LIMIT);
    free(longer);
}

static void every_truncation_and_every_changed_byte_is_found(void **state) {
    (void)state;
    static uint8_t bytes[PBTS_DHT_BOOTSTRAP_LEN_MAX];
    static pbts_dht_bootstrap cache;
    note4(&cache, 0x0A000001, 7);
    note4(&cache, 0x0A000002, 8);
    size_t len = encode(bytes, &cache);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(decode(&cache, (pbts_span){ bytes, cut }), PBTS_MALFORMED);
    }
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(decode(&cache, (pbts_span){ bytes, len }), PBTS_MALFORMED);
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(decode(&cache, (pbts_span){ bytes, len }), PBTS_OK);
}

/* A body of the test's own under a right hash. */
static pbts_status decode_body(const uint8_t *body, size_t len) {
    static uint8_t bytes[PBTS_DHT_BOOTSTRAP_LEN_MAX];
    static pbts_dht_bootstrap cache;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_text(&writer, "pbts-nodes1\n");
    pbts_sha256(pbts_write_reserve(&writer, 32), (pbts_span){ body, len });
    pbts_write_bytes(&writer, (pbts_span){ body, len });
    return decode(&cache, pbts_writer_span(&writer));
}

static void bad_nodes_are_malformed_under_a_right_hash_too(void **state) {
    (void)state;
    enum { NODE = PBTS_DHT_BOOTSTRAP_NODE_LEN };
    uint8_t good[2 + 2 * NODE] = { 0, 2 };
    for (uint8_t i = 0; i < 2; i++) {
        uint8_t *node = good + 2 + i * NODE;
        node[0] = 4;
        node[1] = 10;
        node[4] = (uint8_t)(1 + i);
        node[18] = 1;                  /* port */
        node[26] = (uint8_t)(200 - i); /* seen */
    }
    assert_int_equal(decode_body(good, sizeof good), PBTS_OK);
    static const struct {
        size_t at;
        uint8_t value;
    } CASES[] = {
        { 0, 1 },        /* 258 nodes, and not there */
        { 1, 1 },        /* one more than it says */
        { 2, 5 },        /* no family */
        { 2 + 5, 1 },    /* an IPv4 address with more */
        { 2 + 18, 0 },   /* no port */
        { 2 + 1, 224 },  /* a group */
        { 2 + 4, 2 },    /* both are one */
        { 2 + 26, 198 }, /* out of order */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t bad[sizeof good];
        memcpy(bad, good, sizeof bad);
        bad[CASES[i].at] = CASES[i].value;
        if (decode_body(bad, sizeof bad) != PBTS_MALFORMED) fail_msg("case %zu", i);
    }
    uint8_t mapped[2 + NODE] = { 0, 1, 6, [2 + 11] = 255, 255, 10, 0, 0, 1, 0, 1 };
    assert_int_equal(decode_body(mapped, sizeof mapped), PBTS_MALFORMED);
    /* Too short for a count. */
    for (size_t len = 0; len < 2; len++) assert_int_equal(decode_body(good, len), PBTS_MALFORMED);
    uint8_t many[2] = { 2, 1 }; /* 513 */
    assert_int_equal(decode_body(many, sizeof many), PBTS_LIMIT);
}

static void a_file_with_too_many_of_a_network_is_malformed(void **state) {
    (void)state;
    enum { NODE = PBTS_DHT_BOOTSTRAP_NODE_LEN, LIMIT = PBTS_DHT_BOOTSTRAP_PER_PREFIX };
    for (uint8_t count = LIMIT; count <= LIMIT + 1; count++) {
        uint8_t body[2 + (LIMIT + 1) * NODE] = { 0, count };
        for (uint8_t i = 0; i < count; i++) {
            uint8_t *node = body + 2 + i * NODE;
            node[0] = 4;
            node[1] = 10;
            node[4] = (uint8_t)(1 + i);
            node[18] = 1;
            node[26] = 9;
        }
        assert_int_equal(decode_body(body, 2 + (size_t)count * NODE),
                         count == LIMIT ? PBTS_OK : PBTS_MALFORMED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_node_seen_last_is_first),
        cmocka_unit_test(addresses_that_nobody_can_dial_are_not_noted),
        cmocka_unit_test(a_network_cannot_fill_the_list),
        cmocka_unit_test(a_full_list_forgets_the_one_seen_longest_ago),
        cmocka_unit_test(what_a_clock_was_ahead_for_gives_way),
        cmocka_unit_test(what_is_written_is_read_empty_or_full),
        cmocka_unit_test(every_truncation_and_every_changed_byte_is_found),
        cmocka_unit_test(bad_nodes_are_malformed_under_a_right_hash_too),
        cmocka_unit_test(a_file_with_too_many_of_a_network_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
