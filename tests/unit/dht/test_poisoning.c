/* Addresses and records by which a member would turn others against somebody, or hide others. */
#include "dht/craft_kit.h"

/* Or a member could have everybody who looks for a torrent call a stranger. */
static void a_record_names_who_brings_it(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(3, &own);
    const pbts_addr v4 = { PBTS_IPV4, { 9, 8, 7, 6 }, 100 };
    const pbts_addr v6 = { PBTS_IPV6, { 0x20, 1, 2, 3, 4, 5, 6, 7, 1 }, 100 };
    const struct {
        pbts_addr from, named;
        bool stopped, kept;
    } CASES[] = {
        { v4, v4, false, true },
        { v4, { PBTS_IPV4, { 9, 8, 7, 6 }, 7 }, false, true },
        { v4, { PBTS_IPV4, { 9, 8, 7, 5 }, 100 }, false, false },
        { v4, { PBTS_IPV4, { 9, 8, 7, 5 }, 100 }, true, true }, /* nobody is sent there */
        { v4, v6, false, false },
        { v6, v4, false, false },
        { v6, { PBTS_IPV6, { 0x20, 1, 2, 3, 4, 5, 6, 7, 2, 2 }, 7 }, false, true },
        { v6, { PBTS_IPV6, { 0x20, 1, 2, 3, 4, 5, 6, 8, 1 }, 100 }, false, false },
    };
    for (uint32_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t bytes[DHT_RECORD_LEN];
        pbts_dht_id key = dht_any_id(world);
        pbts_dht_record record = dht_record_of(&world->nodes[MEMBER], &key, 1);
        record.addr = CASES[i].named;
        record.stopped = CASES[i].stopped;
        dht_make_record(world, bytes, &record);
        pbts_dht_stats before = stats_of(world, SERVER);
        send_query(world,
                   &(craft){ PBTS_DHT_PUT, .record = PBTS_SPAN_OF(bytes), .counter = LATER + i },
                   &CASES[i].from);
        pbts_dht_stats after = stats_of(world, SERVER);
        assert_true(after.puts == before.puts + 1);
        if ((after.records == before.records + 1) != CASES[i].kept) fail_msg("case %u", i);
    }
    dht_world_free(world);
}

/* SERVER has a contact at this address and names it; whether a lookup follows that. */
static bool is_followed(const pbts_addr *addr) {
    notes own;
    dht_world *world = make_world(3, &own);
    pbts_dht_table *table = &world->nodes[SERVER].dht->table;
    uint64_t now_ms = dht_now(world).mono_ms;
    const pbts_dht_certificate_hash hash = { { 0 } };
    pbts_dht_member member = { .id = dht_any_id(world), .expires_s = UINT64_MAX };
    pbts_dht_contact *contact, *stale;
    assert_int_equal(pbts_dht_table_add(table, &contact, &member, &hash, addr, now_ms), PBTS_OK);
    (void)pbts_dht_table_seen(table, contact, addr, now_ms, &stale);
    assert_int_not_equal(contact->bucket, PBTS_DHT_ID_BITS);
    dht_task *find = dht_begin(world, 2, DHT_TASK_FIND, &member.id, NULL);
    dht_run_ms(world, 5000);
    assert_true(find->ended);
    bool followed = own.to_victim_bytes > 0;
    dht_world_free(world);
    return followed;
}

static void nobody_is_sent_to_his_own_host_or_network_by_a_stranger(void **state) {
    (void)state;
    const struct {
        pbts_addr addr;
        bool followed;
    } CASES[] = {
        { { PBTS_IPV4, { 99, 0, 0, 1 }, 53 }, true },
        { { PBTS_IPV4, { 127, 0, 0, 1 }, 53 }, false },
        { { PBTS_IPV4, { 192, 168, 0, 1 }, 53 }, false },
        { { PBTS_IPV4, { 0, 1, 2, 3 }, 53 }, false },
        { { PBTS_IPV4, { 224, 0, 0, 251 }, 53 }, false },
        { { PBTS_IPV6, { 0x20, 1, 4 }, 53 }, true },
        { { PBTS_IPV6, { [15] = 1 }, 53 }, false },
        { { PBTS_IPV6, { 0xFE, 0x80, [15] = 1 }, 53 }, false },
        { { PBTS_IPV6, { 0xFD, 0x80, [15] = 1 }, 53 }, false },
        { { PBTS_IPV6, { [10] = 0xFF, 0xFF, 127, 0, 0, 1 }, 53 }, false },
        { { PBTS_IPV6, { [10] = 0xFF, 0xFF, 99, 0, 0, 1 }, 53 }, false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (is_followed(&CASES[i].addr) != CASES[i].followed) fail_msg("case %zu", i);
    }
}

static void an_address_may_be_named_in_its_own_scope_and_wider_ones(void **state) {
    (void)state;
    /* From the narrowest scope to the widest; the edges of each. */
    static const pbts_addr ADDRS[][5] = {
        { { PBTS_IPV4, { 127, 255, 0, 1 }, 1 }, { PBTS_IPV6, { [15] = 1 }, 1 } },
        { { PBTS_IPV4, { 169, 254, 0, 1 }, 1 }, { PBTS_IPV6, { 0xFE, 0xBF, [15] = 1 }, 1 } },
        { { PBTS_IPV4, { 10, 254, 0, 1 }, 1 },
          { PBTS_IPV4, { 172, 31, 0, 1 }, 1 },
          { PBTS_IPV4, { 192, 168, 0, 1 }, 1 },
          { PBTS_IPV4, { 100, 127, 0, 1 }, 1 },
          { PBTS_IPV6, { 0xFC, 0xBF, [15] = 1 }, 1 } },
        { { PBTS_IPV4, { 172, 32, 0, 1 }, 1 },
          { PBTS_IPV4, { 192, 169, 0, 1 }, 1 },
          { PBTS_IPV4, { 100, 128, 0, 1 }, 1 },
          { PBTS_IPV4, { 169, 253, 0, 1 }, 1 },
          { PBTS_IPV6, { [15] = 2 }, 1 } },
    };
    for (unsigned i = 0; i < 4 * 5; i++) {
        for (unsigned j = 0; j < 4 * 5; j++) {
            const pbts_addr *from = &ADDRS[i / 5][i % 5], *addr = &ADDRS[j / 5][j % 5];
            if (from->port == 0 || addr->port == 0) continue;
            assert_true(pbts_dht_addr_may_name(from, addr) == (j / 5 >= i / 5));
        }
    }
}

static pbts_status verify_every_other(void *self, pbts_dht_record *out, pbts_span bytes,
                                      uint64_t now_s) {
    if (bytes.data[DHT_R_OWNER] % 2 == 0) return PBTS_STALE;
    return dht_verify_record(self, out, bytes, now_s);
}

/* Between two clocks a record can be good by one and not by the other. */
static void a_record_that_is_over_hides_no_others(void **state) {
    (void)state;
    enum { OWNERS = 6, READER = 1 };
    static const pbts_dht_trust_ops OTHER_CLOCK = {
        dht_verify_certificate, dht_verify_packet, dht_sign_packet, verify_every_other, NULL, NULL
    };
    notes own;
    dht_world *world = make_world(2, &own);
    pbts_dht_id key = dht_any_id(world);
    for (uint32_t i = 0; i < OWNERS; i++) {
        uint8_t bytes[DHT_RECORD_LEN];
        pbts_dht_record record = dht_record_of(&world->nodes[0], &key, 1);
        record.owner[0] = (uint8_t)i;
        dht_make_record(world, bytes, &record);
        assert_int_equal(pbts_dht_records_put(&world->nodes[0].dht->records, &record,
                                              PBTS_SPAN_OF(bytes), &record.addr,
                                              dht_now(world).unix_s),
                         PBTS_OK);
    }
    world->nodes[READER].dht->trust.ops = &OTHER_CLOCK;
    dht_task *get = dht_begin(world, READER, DHT_TASK_GET, &key, NULL);
    dht_run_ms(world, 3000);
    assert_true(get->ended);
    assert_int_equal(get->records, OWNERS / 2);
    dht_world_free(world);
}

/* What only somebody on this host or network can have brought. */
static void a_record_of_a_narrower_scope_is_not_told(void **state) {
    (void)state;
    enum { READER = 1 };
    const pbts_addr NAMED[] = { { PBTS_IPV4, { 127, 0, 0, 1 }, 22 },
                                { PBTS_IPV4, { 10, 0, 0, 1 }, 22 },
                                { PBTS_IPV4, { 11, 0, 0, 1 }, 22 } };
    for (size_t i = 0; i < sizeof NAMED / sizeof NAMED[0]; i++) {
        notes own;
        uint8_t bytes[DHT_RECORD_LEN];
        dht_world *world = make_world(2, &own);
        pbts_dht_id key = dht_any_id(world);
        pbts_dht_record record = dht_record_of(&world->nodes[0], &key, 1);
        record.addr = NAMED[i];
        dht_make_record(world, bytes, &record);
        assert_int_equal(pbts_dht_records_put(&world->nodes[0].dht->records, &record,
                                              PBTS_SPAN_OF(bytes), &record.addr,
                                              dht_now(world).unix_s),
                         PBTS_OK);
        for (uint32_t node = 0; node < 2; node++) { /* who keeps it may tell himself */
            dht_task *get = dht_begin(world, node, DHT_TASK_GET, &key, NULL);
            dht_run_ms(world, 3000);
            assert_int_equal(get->records, node == 0 || i == 2 ? 1 : 0);
        }
        dht_world_free(world);
    }
}

/* Members behind one prefix may be one. */
static void one_public_prefix_gets_two_places_by_default(void **state) {
    (void)state;
    enum { MANY = 6 };
    for (uint8_t private = 0; private < 2; private ++) {
        dht_world *world = dht_world_new(1, 7);
        world->prefix_max = 0;
        dht_start(world, SERVER, 0);
        pbts_dht_table *table = &world->nodes[SERVER].dht->table;
        const pbts_dht_certificate_hash hash = { { 0 } };
        for (uint8_t i = 0; i < MANY; i++) {
            pbts_dht_member member = { .id = world->nodes[SERVER].id, .expires_s = UINT64_MAX };
            pbts_dht_contact *contact, *stale;
            pbts_addr addr = { PBTS_IPV4, { private ? 10 : 9, 1, 1, i }, 1 };
            member.id.bytes[0] ^= 0x80;
            member.id.bytes[19] = i;
            assert_int_equal(pbts_dht_table_add(table, &contact, &member, &hash, &addr, 0),
                             PBTS_OK);
            (void)pbts_dht_table_seen(table, contact, &addr, 0, &stale);
        }
        assert_int_equal(table->placed, private ? MANY : 2);
        dht_world_free(world);
    }
}

static void a_result_has_two_of_a_public_prefix(void **state) {
    (void)state;
    enum { MANY = 6 };
    for (uint8_t private = 0; private < 2; private ++) {
        pbts_dht_lookup lookup;
        const pbts_dht_id own = { { 1 } }, target = { { 2 } };
        uint16_t numbers[MANY], number;
        pbts_dht_lookup_init(&lookup, pbts_mem_system(), &own, &target);
        for (uint8_t i = 0; i < MANY; i++) {
            pbts_addr addr = { PBTS_IPV4, { private ? 10 : 9, 1, 1, i }, 1 };
            pbts_dht_id id = { { 3, i } };
            assert_int_equal(pbts_dht_lookup_begin(&lookup, &id, &addr, 0), PBTS_OK);
        }
        while (pbts_dht_lookup_next(&lookup, &number)) pbts_dht_lookup_answered(&lookup, number);
        assert_int_equal(pbts_dht_lookup_closest(&lookup, numbers, MANY, 2), private ? MANY : 2);
        pbts_dht_lookup_deinit(&lookup);
    }
}

/* Or a liar's names would have everybody send to all ports of somebody. */
static void a_lookup_asks_a_public_host_so_many_times(void **state) {
    (void)state;
    enum { MANY = 15 };
    for (uint8_t private = 0; private < 2; private ++) {
        pbts_dht_lookup lookup;
        const pbts_dht_id own = { { 1 } }, target = { { 2 } }, first = { { 3 } };
        const pbts_addr liar = { PBTS_IPV4, { 8, 1, 1, 1 }, 1 };
        uint16_t number, asked = 0;
        pbts_dht_lookup_init(&lookup, pbts_mem_system(), &own, &target);
        assert_int_equal(pbts_dht_lookup_begin(&lookup, &first, &liar, 0), PBTS_OK);
        assert_true(pbts_dht_lookup_next(&lookup, &number));
        pbts_dht_lookup_answered(&lookup, number);
        for (uint8_t i = 0; i < MANY; i++) {
            pbts_addr addr = { PBTS_IPV4, { private ? 10 : 9, 1, 1, 1 }, (uint16_t)(100 + i) };
            pbts_dht_id id = { { 4, i } };
            pbts_dht_lookup_name(&lookup, number, &id, &addr);
        }
        while (pbts_dht_lookup_next(&lookup, &number)) {
            pbts_dht_lookup_answered(&lookup, number);
            asked++;
        }
        assert_int_equal(asked, private ? MANY : PBTS_DHT_SAME_HOST_MAX);
        pbts_dht_lookup_deinit(&lookup);
    }
}

static unsigned looked_at;

static pbts_status verify_none(void *self, pbts_dht_record *out, pbts_span bytes, uint64_t now_s) {
    (void)self, (void)out, (void)bytes, (void)now_s;
    looked_at++;
    return PBTS_BAD_SIGNATURE;
}

static void a_bad_record_is_looked_at_once(void **state) {
    (void)state;
    enum { SERVERS = 6 };
    static const pbts_dht_trust_ops NONE_GOOD = {
        dht_verify_certificate, dht_verify_packet, dht_sign_packet, verify_none, NULL, NULL
    };
    notes own;
    dht_world *world = make_world(SERVERS + 1, &own);
    pbts_dht_id key = dht_any_id(world);
    uint8_t bytes[DHT_RECORD_LEN];
    pbts_dht_record record = dht_record_of(&world->nodes[0], &key, 1);
    dht_make_record(world, bytes, &record);
    for (uint32_t i = 0; i < SERVERS; i++) {
        assert_int_equal(pbts_dht_records_put(&world->nodes[i].dht->records, &record,
                                              PBTS_SPAN_OF(bytes), &record.addr,
                                              dht_now(world).unix_s),
                         PBTS_OK);
    }
    world->nodes[SERVERS].dht->trust.ops = &NONE_GOOD;
    looked_at = 0;
    dht_task *get = dht_begin(world, SERVERS, DHT_TASK_GET, &key, NULL);
    dht_run_ms(world, 3000);
    assert_true(get->ended && get->records == 0);
    assert_int_equal(looked_at, 1);
    dht_world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_names_who_brings_it),
        cmocka_unit_test(a_lookup_asks_a_public_host_so_many_times),
        cmocka_unit_test(a_bad_record_is_looked_at_once),
        cmocka_unit_test(one_public_prefix_gets_two_places_by_default),
        cmocka_unit_test(a_result_has_two_of_a_public_prefix),
        cmocka_unit_test(nobody_is_sent_to_his_own_host_or_network_by_a_stranger),
        cmocka_unit_test(an_address_may_be_named_in_its_own_scope_and_wider_ones),
        cmocka_unit_test(a_record_that_is_over_hides_no_others),
        cmocka_unit_test(a_record_of_a_narrower_scope_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
