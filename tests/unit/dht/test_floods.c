/* Floods from many addresses at once: what they cost a node, and that others get through. */
#include "dht/craft_kit.h"

/* Of its own prefix. */
static pbts_addr flooder(uint32_t i) {
    return (pbts_addr){ PBTS_IPV4, { 200, (uint8_t)(i >> 8), (uint8_t)i, 1 }, 9 };
}

/* What SERVER gets from there at once, without a network between. */
static void give(dht_world *world, const craft *what, const pbts_addr *addr) {
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    size_t len = make_query(world, bytes, what, addr);
    pbts_dht_receive(world->nodes[SERVER].dht, addr, (pbts_span){ bytes, len }, dht_now(world));
}

static void a_known_id_from_everywhere_costs_so_many_signatures(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(3, &own);
    pbts_dht_stats before = stats_of(world, SERVER);
    for (uint32_t i = 0; i < 3 * PBTS_DHT_STRANGERS_BURST; i++) {
        pbts_addr addr = flooder(i % 1000);
        give(world, &(craft){ PBTS_DHT_PING, .counter = LATER + i, .bad_signature = true }, &addr);
    }
    pbts_dht_stats after = stats_of(world, SERVER);
    assert_true(after.bad_signatures - before.bad_signatures == PBTS_DHT_STRANGERS_BURST);
    assert_true(after.over_budget - before.over_budget == 2 * PBTS_DHT_STRANGERS_BURST);
    /* The member itself is heard. */
    give(world, &(craft){ PBTS_DHT_PING, .counter = LATER }, &world->nodes[MEMBER].addr);
    pbts_dht_stats last = stats_of(world, SERVER);
    assert_true(last.signatures == after.signatures + 1);
    assert_true(last.bad_signatures == after.bad_signatures);
    dht_world_free(world);
}

/* Who shows another's certificate first is not heard as that one for it. */
static void a_certificate_shown_by_another_makes_no_address_known(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    pbts_addr addr = flooder(1);
    world->nodes[MEMBER].id = dht_any_id(world);
    dht_certify(world, world->nodes[MEMBER].certificate, &world->nodes[MEMBER].id, 77, 1,
                DHT_START_S + 9999);
    give(world,
         &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(world->nodes[MEMBER].certificate),
                   .counter = 1, .bad_signature = true },
         &addr);
    assert_non_null(
        pbts_dht_table_find(&world->nodes[SERVER].dht->table, &world->nodes[MEMBER].id));
    uint32_t tokens = world->nodes[SERVER].dht->budget.all[0].strangers;
    give(world, &(craft){ PBTS_DHT_PING, .counter = 2, .bad_signature = true }, &addr);
    assert_int_equal(tokens - world->nodes[SERVER].dht->budget.all[0].strangers, 1000);
    dht_world_free(world);
}

static void garbage_from_everywhere_leaves_room_for_newcomers(void **state) {
    (void)state;
    enum { PREFIXES = 100, EACH = 20, NEWCOMERS = 40 };
    notes own;
    dht_world *world = make_world(2, &own);
    dht_node *member = &world->nodes[MEMBER];
    uint8_t certificate[DHT_CERTIFICATE_LEN] = { 1 };
    uint64_t before = world->certificates_asked;
    member->id = dht_any_id(world); /* of nobody */
    for (uint32_t i = 0; i < PREFIXES * EACH; i++) {
        pbts_addr addr = flooder(i % PREFIXES);
        memcpy(certificate, &i, sizeof i);
        give(world,
             &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate), .counter = 1 },
             &addr);
    }
    uint64_t most = PREFIXES * PBTS_DHT_CERTIFICATES_BURST / PBTS_DHT_BAD_CERTIFICATE_COST;
    assert_true(world->certificates_asked - before <= most);
    assert_true(most < PBTS_DHT_NEWCOMERS_BURST);
    /* Some of them share a place in the table with a flooder's prefix. */
    before = world->certificates_asked;
    for (uint32_t i = 0; i < NEWCOMERS; i++) {
        pbts_addr addr = flooder(60000 + i);
        member->id = dht_any_id(world);
        dht_certify(world, certificate, &member->id, 1000 + i, 2, DHT_START_S + 9999);
        give(world,
             &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate), .counter = 1 },
             &addr);
    }
    assert_in_range(world->certificates_asked - before, NEWCOMERS / 2, NEWCOMERS);
    dht_world_free(world);
}

static pbts_status beacon_status;

static pbts_status stale(void *self, pbts_dht_member *out, pbts_span certificate, uint64_t now_s) {
    (void)self, (void)out, (void)certificate, (void)now_s;
    return PBTS_STALE;
}

static pbts_span no_beacon(void *self) {
    (void)self;
    return (pbts_span){ NULL, 0 };
}

static pbts_status judge_beacon(void *self, pbts_span beacon, uint64_t now_s) {
    (void)self, (void)beacon, (void)now_s;
    return beacon_status;
}

static void a_forged_beacon_beside_a_stale_certificate_costs_as_much(void **state) {
    (void)state;
    static const pbts_dht_trust_ops STALE = { stale,           dht_verify_packet,
                                              dht_sign_packet, dht_verify_record,
                                              no_beacon,       judge_beacon };
    notes own;
    dht_world *world = make_world(2, &own);
    pbts_dht *dht = world->nodes[SERVER].dht;
    uint8_t certificate[DHT_CERTIFICATE_LEN] = { 1 }, beacon[4] = { 0 };
    dht->trust.ops = &STALE;
    /* What an honest node may send, whose clock is another or that was away, costs it nothing. */
    const struct {
        pbts_status status;
        bool is_forged;
    } CASES[] = {
        { PBTS_BAD_SIGNATURE, true }, { PBTS_MALFORMED, true },  { PBTS_EXISTS, false },
        { PBTS_STALE, false },        { PBTS_NO_MEMORY, false }, { PBTS_OK, false },
    };
    for (unsigned i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_addr addr = flooder(i);
        beacon_status = CASES[i].status;
        uint64_t before = stats_of(world, SERVER).certificates;
        dht_pump(&world->nodes[SERVER]); /* nothing that others cause is left */
        uint32_t told = world->nodes[SERVER].epoch_events;
        for (uint32_t j = 0; j < 64; j++) {
            certificate[0] = (uint8_t)j;
            give(world,
                 &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate),
                           .beacon = PBTS_SPAN_OF(beacon), .counter = 1 },
                 &addr);
        }
        uint64_t asked = stats_of(world, SERVER).certificates - before;
        if (asked != (CASES[i].is_forged ? 4 : 64)) fail_msg("case %u: %u", i, (unsigned)asked);
        /* The owner is told of news and of nothing else. */
        dht_pump(&world->nodes[SERVER]);
        told = world->nodes[SERVER].epoch_events - told;
        assert_int_equal(told, CASES[i].status == PBTS_OK ? 64 : 0);
    }
    dht_world_free(world);
}

/* Prefixes of IPv6 are to be had by the thousand. */
/* Who has a /32 of IPv6 has 65,536 prefixes of /48, more than there are places in any table. */
static pbts_addr flooder6(uint32_t i) {
    return (pbts_addr){ PBTS_IPV6, { 0x20, 2, 3, 4, (uint8_t)(i >> 8), (uint8_t)i, [15] = 1 }, 9 };
}

/* How many of so many newcomers, each with an address of its own, are looked at. */
static uint64_t newcomers(dht_world *world, uint32_t count, bool ipv6) {
    dht_node *member = &world->nodes[MEMBER];
    uint64_t before = world->certificates_asked;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t certificate[DHT_CERTIFICATE_LEN];
        pbts_addr addr = flooder(60000 + i);
        if (ipv6) addr = (pbts_addr){ PBTS_IPV6, { 0x2a, 1, (uint8_t)i, 4, [15] = 1 }, 9 };
        member->id = dht_any_id(world);
        dht_certify(world, certificate, &member->id, 1000 + i, 2, DHT_START_S + 9999);
        give(world,
             &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate), .counter = 1 },
             &addr);
    }
    return world->certificates_asked - before;
}

static void a_large_ipv6_prefix_shuts_out_none_but_itself(void **state) {
    (void)state;
    enum { PREFIXES = 3000, EACH = 3, NEWCOMERS = 40 };
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        notes own;
        dht_world *world = make_world(2, &own);
        uint8_t certificate[DHT_CERTIFICATE_LEN] = { 1 };
        world->nodes[MEMBER].id = dht_any_id(world); /* of nobody */
        for (uint32_t i = 0; i < PREFIXES * EACH; i++) {
            pbts_addr addr = flooder6(i % PREFIXES);
            memcpy(certificate, &i, sizeof i);
            give(world,
                 &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate), .counter = 1 },
                 &addr);
        }
        assert_in_range(newcomers(world, NEWCOMERS, ipv6), NEWCOMERS - 2, NEWCOMERS);
        dht_world_free(world);
    }
}

static void a_member_at_its_own_address_is_heard_in_any_flood(void **state) {
    (void)state;
    enum { PREFIXES = 3000 };
    notes own;
    dht_world *world = make_world(2, &own);
    const dht_node *member = &world->nodes[MEMBER];
    for (uint32_t i = 0; i <= PREFIXES; i++) {
        pbts_addr addr = flooder(i);
        if (i == PREFIXES) addr = member->addr; /* a neighbour */
        while (pbts_dht_budget_packet(&world->nodes[SERVER].dht->budget, &addr,
                                      dht_now(world).mono_ms)) {
        }
    }
    pbts_dht_stats before = stats_of(world, SERVER);
    for (unsigned i = 0; i < 2 * PBTS_DHT_PACKETS_BURST; i++) {
        give(world, &(craft){ PBTS_DHT_PING, .counter = LATER + i }, &member->addr);
    }
    pbts_dht_stats after = stats_of(world, SERVER);
    assert_int_equal(after.sent - before.sent, PBTS_DHT_PACKETS_BURST); /* and no more */
    assert_true(after.over_budget - before.over_budget == PBTS_DHT_PACKETS_BURST);
    dht_world_free(world);
}

/* A certificate that was good once is easy to come by. */
static void certificates_of_others_use_up_no_newcomers_budget(void **state) {
    (void)state;
    enum { PREFIXES = 60, EACH = PBTS_DHT_CERTIFICATES_BURST, NEWCOMERS = 40 };
    for (unsigned kind = 0; kind < 3; kind++) {
        notes own;
        dht_world *world = make_world(2, &own);
        dht_node *member = &world->nodes[MEMBER];
        uint8_t certificate[DHT_CERTIFICATE_LEN];
        uint64_t until_s = kind == 0 ? DHT_START_S - 1 : DHT_START_S + 9999; /* 0: it is over */
        if (kind == 0) member->id = dht_any_id(world);
        uint64_t checked = stats_of(world, SERVER).bad_signatures;
        for (uint32_t i = 0; i < PREFIXES * EACH; i++) {
            pbts_addr addr = flooder(i / EACH);
            /* 1: another's, 2: a member's own, a new one each time */
            dht_certify(world, certificate, &member->id, MEMBER, kind == 2 ? 9 + i : 9, until_s);
            uint8_t kept[DHT_CERTIFICATE_LEN];
            memcpy(kept, member->certificate, sizeof kept);
            if (kind == 2) memcpy(member->certificate, certificate, sizeof certificate);
            give(world,
                 &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate),
                           .counter = LATER + i, .bad_signature = kind == 1 },
                 &addr);
            memcpy(member->certificate, kept, sizeof kept);
            if (kind != 1 || i + 1 != EACH) continue;
            assert_true(stats_of(world, SERVER).bad_signatures - checked ==
                        EACH / PBTS_DHT_BAD_CERTIFICATE_COST);
        }
        uint64_t heard = newcomers(world, NEWCOMERS, false);
        if (heard < NEWCOMERS / 2) fail_msg("kind %u: %d", kind, (int)heard);
        dht_world_free(world);
    }
}

/* Or two addresses could keep everybody from being heard who has a new one. */
static void a_bad_signature_costs_as_much_as_many_packets(void **state) {
    (void)state;
    enum { PREFIXES = 10 };
    notes own;
    dht_world *world = make_world(2, &own);
    for (uint32_t i = 0; i < PREFIXES * PBTS_DHT_PACKETS_BURST; i++) {
        pbts_addr addr = flooder(i % PREFIXES);
        give(world, &(craft){ PBTS_DHT_PING, .counter = LATER, .bad_signature = true }, &addr);
    }
    pbts_dht_stats after = stats_of(world, SERVER);
    assert_in_range(after.bad_signatures, PREFIXES,
                    PREFIXES * PBTS_DHT_PACKETS_BURST / PBTS_DHT_STRANGE_SIGNATURE_COST);
    pbts_addr moved = flooder(60000);
    give(world, &(craft){ PBTS_DHT_PING, .counter = LATER }, &moved);
    assert_true(stats_of(world, SERVER).bad_signatures == after.bad_signatures);
    assert_true(pbts_dht_addr_equal(
        &pbts_dht_table_find(&world->nodes[SERVER].dht->table, &world->nodes[MEMBER].id)->addr,
        &moved));
    dht_world_free(world);
}

/* Nor may a member that has many addresses, and signs what it sends. */
static void a_member_that_jumps_about_leaves_room_for_who_moved(void **state) {
    (void)state;
    enum { PREFIXES = 10, OTHER = 2 };
    notes own;
    dht_world *world = make_world(3, &own);
    pbts_dht_budget *budget = &world->nodes[SERVER].dht->budget;
    uint32_t before = budget->all[0].strangers;
    for (uint32_t i = 0; i < PREFIXES * PBTS_DHT_PACKETS_BURST; i++) {
        pbts_addr addr = flooder(i % PREFIXES);
        give(world, &(craft){ PBTS_DHT_PING, .counter = LATER + i }, &addr);
    }
    assert_in_range((before - budget->all[0].strangers) / 1000, PREFIXES,
                    PREFIXES * PBTS_DHT_PACKETS_BURST / PBTS_DHT_STRANGE_SIGNATURE_COST);
    dht_world_free(world);
}

static void a_member_has_so_many_certificates_looked_at(void **state) {
    (void)state;
    enum { PREFIXES = 60, EACH = 20 };
    notes own;
    dht_world *world = make_world(2, &own);
    dht_node *member = &world->nodes[MEMBER];
    pbts_dht_budget *budget = &world->nodes[SERVER].dht->budget;
    uint32_t before = budget->all[0].renewals;
    for (uint32_t i = 0; i < PREFIXES * EACH; i++) {
        pbts_addr addr = flooder(i % PREFIXES);
        dht_certify(world, member->certificate, &member->id, MEMBER, 9 + i, DHT_START_S + 9999);
        give(world,
             &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(member->certificate),
                       .counter = LATER + i },
             &addr);
    }
    assert_int_equal((before - budget->all[0].renewals) / 1000,
                     PBTS_DHT_CERTIFICATES_BURST / PBTS_DHT_RENEWAL_COST);
    /* In its name a stranger uses up nothing of it. */
    pbts_dht_contact *contact = pbts_dht_table_find(&world->nodes[SERVER].dht->table, &member->id);
    pbts_dht_budget_member_init(&contact->budget, dht_now(world).mono_ms);
    for (uint32_t i = 0; i < EACH; i++) {
        pbts_addr addr = flooder(PREFIXES + i);
        uint8_t certificate[DHT_CERTIFICATE_LEN];
        dht_certify(world, certificate, &member->id, MEMBER, 5000 + i, DHT_START_S + 9999);
        give(world,
             &(craft){ PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate),
                       .counter = LATER + 9999 + i, .bad_signature = true },
             &addr);
    }
    assert_int_equal(contact->budget.certificates, PBTS_DHT_CERTIFICATES_BURST * 1000);
    dht_world_free(world);
}

/* From however many addresses. */
static void one_member_has_so_many_records_looked_at(void **state) {
    (void)state;
    enum { PREFIXES = 60, EACH = 100 };
    for (unsigned bad = 0; bad < 2; bad++) {
        notes own;
        dht_world *world = make_world(3, &own);
        uint8_t bytes[DHT_RECORD_LEN];
        pbts_dht_id key = dht_any_id(world);
        pbts_dht_record record = dht_record_of(&world->nodes[MEMBER], &key, 1);
        dht_make_record(world, bytes, &record);
        bytes[DHT_R_HASH] ^= (uint8_t)bad;
        craft put = { PBTS_DHT_PUT, .record = PBTS_SPAN_OF(bytes), .counter = LATER };
        const pbts_dht_budget *budget = &world->nodes[SERVER].dht->budget;
        uint32_t before = budget->all[0].records;
        for (uint32_t i = 0; i < PREFIXES * EACH; i++) {
            pbts_addr addr = flooder(i / EACH);
            put.counter++;
            give(world, &put, &addr);
        }
        unsigned cost = bad ? PBTS_DHT_BAD_CERTIFICATE_COST : 1,
                 most = PBTS_DHT_CERTIFICATES_BURST / cost;
        assert_int_equal((before - budget->all[0].records) / 1000, most);
        dht_world_free(world);
    }
}

static void one_protocol_does_not_use_up_the_others_budget(void **state) {
    (void)state;
    pbts_dht_budget budget;
    uint32_t taken = 0, strangers = 0;
    pbts_dht_budget_init(&budget, pbts_mem_system(), 3, 1000);
    for (uint32_t i = 0; i < 5000; i++) {
        pbts_addr addr = { PBTS_IPV6, { 0x20, 1, (uint8_t)(i >> 8), (uint8_t)i }, 1 };
        taken += pbts_dht_budget_certificate(&budget, &addr, true, 1000);
        strangers += pbts_dht_budget_stranger(&budget, &addr, 1000);
    }
    assert_int_equal(taken, PBTS_DHT_NEWCOMERS_BURST);
    assert_int_equal(strangers, PBTS_DHT_STRANGERS_BURST);
    pbts_addr addr = flooder(1);
    assert_true(pbts_dht_budget_certificate(&budget, &addr, true, 1000));
    assert_true(pbts_dht_budget_stranger(&budget, &addr, 1000));
    addr = (pbts_addr){ PBTS_IPV6, { 0x20, 2 }, 1 };
    assert_false(pbts_dht_budget_stranger(&budget, &addr, 1004));
    assert_true(pbts_dht_budget_stranger(&budget, &addr, 1005));
    pbts_dht_budget_deinit(&budget);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_id_from_everywhere_costs_so_many_signatures),
        cmocka_unit_test(a_certificate_shown_by_another_makes_no_address_known),
        cmocka_unit_test(garbage_from_everywhere_leaves_room_for_newcomers),
        cmocka_unit_test(a_forged_beacon_beside_a_stale_certificate_costs_as_much),
        cmocka_unit_test(a_large_ipv6_prefix_shuts_out_none_but_itself),
        cmocka_unit_test(a_member_at_its_own_address_is_heard_in_any_flood),
        cmocka_unit_test(certificates_of_others_use_up_no_newcomers_budget),
        cmocka_unit_test(a_bad_signature_costs_as_much_as_many_packets),
        cmocka_unit_test(a_member_that_jumps_about_leaves_room_for_who_moved),
        cmocka_unit_test(a_member_has_so_many_certificates_looked_at),
        cmocka_unit_test(one_member_has_so_many_records_looked_at),
        cmocka_unit_test(one_protocol_does_not_use_up_the_others_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
