/* What strangers, members and memory can do to one node. */

#include "dht/craft_kit.h"

static void nobody_gets_more_than_was_sent_in_his_name(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(30, &own);
    pbts_addr victim = dht_addr(VICTIM);
    pbts_dht_stats before = stats_of(world, SERVER);
    uint8_t bytes[PBTS_DHT_PACKET_MAX + 8], tag[PBTS_DHT_TAG_LEN];
    pbts_dht_tag(tag, world->iid);
    for (unsigned i = 0; i < 3000; i++) {
        size_t len;
        if (i % 3 == 0) { /* a hello */
            pbts_dht_packet hello = { .kind = PBTS_DHT_QUERY, .transaction = i };
            pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
            assert_int_equal(pbts_dht_packet_encode(&writer, &hello, tag), PBTS_OK);
            len = writer.len;
        } else { /* a query of a real member with a token that is not its own */
            craft what = { .method = i % 3 == 1 ? PBTS_DHT_FIND : PBTS_DHT_PING,
                           .counter = LATER | i,
                           .bad_token = true };
            len = make_query(world, bytes, &what, &victim);
        }
        if (i % 7 == 0) bytes[pbts_prng_below(&world->prng, (uint32_t)len)] ^= 1;
        own.as_victim_bytes += len;
        dht_post(world, &victim, &world->nodes[SERVER].addr, (pbts_span){ bytes, len });
        dht_run_ms(world, 100);
        assert_true(own.to_victim_bytes <= own.as_victim_bytes);
    }
    pbts_dht_stats after = stats_of(world, SERVER);
    assert_true(own.to_victim_bytes > 0);
    assert_true(after.bad_tokens - before.bad_tokens > 1500);
    assert_true(after.certificates == before.certificates);
    assert_int_equal(after.contacts, before.contacts);
    dht_world_free(world);
}

/* The shortest questions that are answered to a stranger, each against its answer. */
static void no_answer_to_a_stranger_is_longer_than_his_question(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(3, &own);
    pbts_addr victim = dht_addr(VICTIM);
    static const char *const QUESTIONS[] = {
        "d1:ade1:n4:TAGT1:q10:pbts_hello1:t8:aaaaaaaa1:y1:qe",
    };
    uint8_t tag[PBTS_DHT_TAG_LEN];
    pbts_dht_tag(tag, world->iid);
    for (size_t i = 0; i < sizeof QUESTIONS / sizeof *QUESTIONS; i++) {
        char text[200];
        size_t len = strlen(QUESTIONS[i]);
        memcpy(text, QUESTIONS[i], len);
        for (size_t at = 0; at + 4 < len; at++) {
            if (memcmp(text + at, "TAGT", 4) == 0) memcpy(text + at, tag, 4);
        }
        own.to_victim_bytes = 0;
        dht_post(world, &victim, &world->nodes[SERVER].addr, (pbts_span){ (uint8_t *)text, len });
        dht_run_ms(world, 100);
        assert_in_range(own.to_victim_bytes, 1, len);
    }
    craft what = { .method = PBTS_DHT_PING, .bad_token = true };
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    size_t len = make_query(world, bytes, &what, &victim);
    own.to_victim_bytes = 0;
    dht_post(world, &victim, &world->nodes[SERVER].addr, (pbts_span){ bytes, len });
    dht_run_ms(world, 100);
    assert_in_range(own.to_victim_bytes, 1, len);
    dht_world_free(world);
}

static void a_query_that_was_heard_is_heard_once(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(12, &own);
    assert_true(own.last_len > 0);
    pbts_span query = { own.last, own.last_len };
    pbts_addr member = world->nodes[MEMBER].addr, server = world->nodes[SERVER].addr;
    pbts_dht_stats before = stats_of(world, SERVER);
    for (int i = 0; i < 5; i++) { /* from its own address */
        dht_post(world, &member, &server, query);
        dht_run_ms(world, 100);
    }
    pbts_dht_stats after = stats_of(world, SERVER);
    assert_true(after.replays - before.replays == 5);
    /* From another address, and to another node: the token is for neither. */
    pbts_addr other = dht_addr(VICTIM);
    dht_post(world, &other, &server, query);
    dht_post(world, &member, &world->nodes[2].addr, query);
    uint64_t bad_before = stats_of(world, 2).bad_tokens;
    dht_run_ms(world, 100);
    assert_true(stats_of(world, SERVER).bad_tokens - after.bad_tokens == 1);
    assert_true(stats_of(world, 2).bad_tokens - bad_before == 1);
    dht_world_free(world);
}

static void queries_may_overtake_one_another_a_little(void **state) {
    (void)state;
    pbts_dht_contact contact = { .fails = 0 };
    static const uint64_t ORDER[] = { 10, 12, 11, 9, 14, 13 };
    for (size_t i = 0; i < 6; i++) {
        assert_true(pbts_dht_contact_counter_is_new(&contact, ORDER[i], 0));
        pbts_dht_contact_note_counter(&contact, ORDER[i]);
    }
    /* 14 13 12 11 are noted now. */
    for (uint64_t counter = 0; counter <= 14; counter++) {
        assert_false(pbts_dht_contact_counter_is_new(&contact, counter, 0));
    }
    assert_true(pbts_dht_contact_counter_is_new(&contact, 15, 0));
}

static void what_is_not_for_this_node_or_not_signed_is_dropped(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(5, &own);
    pbts_addr member = world->nodes[MEMBER].addr;
    pbts_dht_stats before = stats_of(world, SERVER);
    send_query(world, &(craft){ PBTS_DHT_PING, .counter = LATER, .elsewhere = true }, &member);
    send_query(world, &(craft){ PBTS_DHT_PING, .counter = LATER, .bad_signature = true }, &member);
    pbts_dht_stats after = stats_of(world, SERVER);
    assert_true(after.misdirected - before.misdirected == 1);
    assert_true(after.bad_signatures - before.bad_signatures == 1);
    assert_true(after.sent == before.sent + 1); /* that a certificate be shown */
    /* The damaged one has not used up the number. */
    send_query(world, &(craft){ PBTS_DHT_PING, .counter = LATER }, &member);
    assert_true(stats_of(world, SERVER).sent - after.sent == 1);
    /* Another instance. */
    world->iid[0] ^= 1;
    send_query(world, &(craft){ PBTS_DHT_PING, .counter = LATER + 1 }, &member);
    assert_true(stats_of(world, SERVER).foreign - after.foreign == 1);
    dht_world_free(world);
}

static void garbage_certificates_cost_so_many_pairings(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    pbts_addr addr = dht_addr(VICTIM);
    uint8_t certificate[DHT_CERTIFICATE_LEN] = { 1 };
    world->nodes[MEMBER].id = dht_any_id(world); /* of nobody */
    uint64_t before = world->certificates_asked, begin_us = world->now_us;
    craft what = { PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate), .counter = 1 };
    send_query(world, &what, &addr);
    uint64_t one = world->certificates_asked - before;
    for (int i = 0; i < 50; i++) send_query(world, &what, &addr); /* the same again */
    assert_true(one == 1 && world->certificates_asked - before == 1);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t bytes[PBTS_DHT_PACKET_MAX];
        memcpy(certificate, &i, sizeof i);
        size_t len = make_query(world, bytes, &what, &addr);
        dht_post(world, &addr, &world->nodes[SERVER].addr, (pbts_span){ bytes, len });
        dht_run_ms(world, 10);
    }
    uint64_t seconds = (world->now_us - begin_us) / 1000000 + 1;
    assert_true(world->certificates_asked - before <=
                PBTS_DHT_CERTIFICATES_BURST + PBTS_DHT_CERTIFICATES_PER_S * seconds);
    assert_true(stats_of(world, SERVER).over_budget > 1000);
    dht_world_free(world);
}

static void a_members_flood_costs_so_many_signatures(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(3, &own);
    pbts_addr member = world->nodes[MEMBER].addr;
    pbts_dht_stats before = stats_of(world, SERVER);
    for (uint32_t i = 0; i < 3000; i++) {
        uint8_t bytes[PBTS_DHT_PACKET_MAX];
        craft what = { PBTS_DHT_PING, .counter = LATER + i };
        size_t len = make_query(world, bytes, &what, &member);
        dht_post(world, &member, &world->nodes[SERVER].addr, (pbts_span){ bytes, len });
    }
    dht_run_ms(world, 1000);
    pbts_dht_stats after = stats_of(world, SERVER);
    assert_true(after.signatures - before.signatures <=
                PBTS_DHT_PACKETS_BURST + 2 * PBTS_DHT_PACKETS_PER_S);
    assert_true(after.over_budget - before.over_budget >= 2000);
    dht_world_free(world);
}

static void only_its_owner_brings_a_record(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(5, &own);
    pbts_addr member = world->nodes[MEMBER].addr;
    uint8_t bytes[DHT_RECORD_LEN];
    pbts_dht_id key = dht_any_id(world);
    uint64_t counter = LATER;
    /* Another's true record. */
    pbts_dht_record record = dht_record_of(&world->nodes[3], &key, 1);
    dht_make_record(world, bytes, &record);
    craft what = { PBTS_DHT_PUT, .record = PBTS_SPAN_OF(bytes), .counter = counter++ };
    send_query(world, &what, &member);
    assert_int_equal(stats_of(world, SERVER).records, 0);
    /* A forged one. */
    record = dht_record_of(&world->nodes[MEMBER], &key, 1);
    dht_make_record(world, bytes, &record);
    bytes[DHT_R_PORT] ^= 1;
    what.counter = counter++;
    send_query(world, &what, &member);
    assert_int_equal(stats_of(world, SERVER).records, 0);
    bytes[DHT_R_PORT] ^= 1;
    what.counter = counter++;
    send_query(world, &what, &member);
    assert_int_equal(stats_of(world, SERVER).records, 1);
    assert_true(stats_of(world, SERVER).puts_refused == 2);
    /* Who only seeds: as a seeder, and he is told of nobody. */
    pbts_dht_table_find(&world->nodes[SERVER].dht->table, &world->nodes[MEMBER].id)
        ->member.seeds_only = true;
    record.sequence = 2;
    dht_make_record(world, bytes, &record);
    what.counter = counter++;
    send_query(world, &what, &member);
    assert_true(stats_of(world, SERVER).puts_refused == 3);
    dht_world_free(world);
}

static void a_storage_flood_stays_within_the_owners_share(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(3, &own);
    pbts_addr member = world->nodes[MEMBER].addr;
    for (uint32_t i = 0; i < 600; i++) {
        uint8_t bytes[DHT_RECORD_LEN];
        pbts_dht_id key = dht_any_id(world);
        pbts_dht_record record = dht_record_of(&world->nodes[MEMBER], &key, i + 1);
        dht_make_record(world, bytes, &record);
        send_query(world,
                   &(craft){ PBTS_DHT_PUT, .record = PBTS_SPAN_OF(bytes), .counter = LATER + i },
                   &member);
    }
    assert_int_equal(stats_of(world, SERVER).records, PBTS_DHT_RECORDS_OF_OWNER);
    dht_world_free(world);
}

static void a_get_tells_of_the_newest_last(void **state) {
    (void)state;
    enum { SERVERS = 6, KEYS = 12 };
    notes own;
    dht_world *world = make_world(SERVERS + 1, &own);
    for (uint32_t round = 0; round < KEYS; round++) {
        pbts_dht_id key = dht_any_id(world);
        for (uint32_t i = 0; i < SERVERS; i++) { /* each has another of the same owner */
            uint8_t bytes[DHT_RECORD_LEN];
            pbts_dht_record record = dht_record_of(&world->nodes[0], &key, i + 1);
            dht_make_record(world, bytes, &record);
            assert_int_equal(pbts_dht_records_put(&world->nodes[i].dht->records, &record,
                                                  PBTS_SPAN_OF(bytes), &world->nodes[0].addr,
                                                  dht_now(world).unix_s),
                             PBTS_OK);
        }
        dht_task *get = dht_begin(world, SERVERS, DHT_TASK_GET, &key, NULL);
        dht_run_ms(world, 3000);
        assert_true(get->ended);
        assert_true(get->last.sequence == SERVERS);
    }
    dht_world_free(world);
}

/* Who signs two records under one number is found at one of the addresses. */
static void a_get_tells_of_one_sequence_once(void **state) {
    (void)state;
    enum { SERVERS = 6 };
    notes own;
    dht_world *world = make_world(SERVERS + 1, &own);
    pbts_dht_id key = dht_any_id(world);
    for (uint32_t i = 0; i < SERVERS; i++) {
        uint8_t bytes[DHT_RECORD_LEN];
        pbts_dht_record record = dht_record_of(&world->nodes[0], &key, 1);
        record.addr.port = (uint16_t)(1 + i);
        dht_make_record(world, bytes, &record);
        assert_int_equal(pbts_dht_records_put(&world->nodes[i].dht->records, &record,
                                              PBTS_SPAN_OF(bytes), &world->nodes[0].addr,
                                              dht_now(world).unix_s),
                         PBTS_OK);
    }
    dht_task *get = dht_begin(world, SERVERS, DHT_TASK_GET, &key, NULL);
    dht_run_ms(world, 3000);
    assert_true(get->ended);
    assert_int_equal(get->records, 1);
    dht_world_free(world);
}

static void it_counts_who_asks_for_records_and_no_stranger(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(5, &own);
    pbts_addr member = world->nodes[MEMBER].addr;
    uint64_t counter = LATER, before = stats_of(world, SERVER).gets;
    send_query(world, &(craft){ PBTS_DHT_GET, .counter = counter, .bad_signature = true }, &member);
    send_query(world, &(craft){ PBTS_DHT_FIND, .counter = counter++ }, &member);
    assert_true(stats_of(world, SERVER).gets == before);
    send_query(world, &(craft){ PBTS_DHT_GET, .counter = counter++ }, &member);
    assert_true(stats_of(world, SERVER).gets == before + 1);
    dht_task *get = dht_begin(world, SERVER, DHT_TASK_GET, &world->nodes[2].id, NULL);
    dht_run_ms(world, 3000);
    assert_true(get->ended && stats_of(world, 2).gets > 0);
    assert_true(stats_of(world, SERVER).gets == before + 1); /* its own are not */
    dht_world_free(world);
}

/* ---- where we are ---- */

static void a_node_learns_its_address_from_those_that_answer(void **state) {
    (void)state;
    notes own;
    pbts_addr seen;
    dht_world *world = make_world(8, &own);
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(pbts_dht_seen_as(world->nodes[i].dht, &seen, PBTS_IPV4));
        assert_true(pbts_dht_addr_equal(&seen, &world->nodes[i].addr));
        assert_false(pbts_dht_seen_as(world->nodes[i].dht, &seen, PBTS_IPV6));
    }
    dht_world_free(world);
}

static void one_word_is_none_and_half_of_them_neither(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    pbts_dht *dht = world->nodes[0].dht;
    pbts_addr seen;
    assert_false(pbts_dht_seen_as(dht, &seen, PBTS_IPV4));
    for (uint32_t agree = 0; agree <= PBTS_DHT_WITNESSES; agree++) {
        dht->testimonies[0] = PBTS_DHT_WITNESSES;
        for (uint32_t i = 0; i < PBTS_DHT_WITNESSES; i++) {
            pbts_addr said = { .family = PBTS_IPV4, .ip = { 9, 9, 9, 9 }, .port = 5 };
            if (i >= agree) said.ip[3] = (uint8_t)(10 + i);
            dht->witnesses[0][i].seen = said;
        }
        assert_int_equal(pbts_dht_seen_as(dht, &seen, PBTS_IPV4), 2 * agree > PBTS_DHT_WITNESSES);
    }
    dht_world_free(world);
}

/* ---- epochs ---- */

static uint8_t beacon_of[3]; /* what nodes 0, 1, 2 know */

static pbts_span beacon(void *self) {
    return (pbts_span){ &beacon_of[((dht_node *)self)->index], 1 };
}

static pbts_status learn_beacon(void *self, pbts_span bytes, uint64_t now_s) {
    (void)now_s;
    uint8_t *known = &beacon_of[((dht_node *)self)->index];
    if (bytes.len != 1) return PBTS_MALFORMED;
    if (bytes.data[0] <= *known) return PBTS_EXISTS;
    *known = bytes.data[0];
    return PBTS_OK;
}

/* Byte 200 of a certificate says its epoch here. */
static pbts_status verify_epoch(void *self, pbts_dht_member *out, pbts_span certificate,
                                uint64_t now_s) {
    if (certificate.data[200] != beacon_of[((dht_node *)self)->index]) return PBTS_STALE;
    return dht_verify_certificate(self, out, certificate, now_s);
}

static void who_was_away_learns_the_epoch_from_whom_it_asks(void **state) {
    (void)state;
    static const pbts_dht_trust_ops EPOCHS = { verify_epoch,    dht_verify_packet,
                                               dht_sign_packet, dht_verify_record,
                                               beacon,          learn_beacon };
    for (uint8_t behind = 0; behind < 2; behind++) { /* the one who asks, the one who is asked */
        dht_world *world = dht_world_new(2, 7);
        for (uint32_t i = 0; i < 2; i++) {
            beacon_of[i] = i == behind ? 1 : 2;
            world->nodes[i].certificate[200] = beacon_of[i];
            dht_start(world, i, 0);
            world->nodes[i].dht->trust.ops = &EPOCHS;
        }
        pbts_dht_add_bootstrap(world->nodes[0].dht, &world->nodes[1].addr, dht_now(world));
        dht_pump(&world->nodes[0]);
        dht_run_ms(world, 300);
        assert_int_equal(beacon_of[0], 2);
        assert_int_equal(beacon_of[1], 2);
        assert_int_equal(stats_of(world, 0).contacts, 0);
        pbts_dht_id id = dht_any_id(world);
        dht_node *node = &world->nodes[behind];
        dht_certify(world, node->certificate, &id, behind, 1, DHT_START_S + 999);
        node->certificate[200] = 2;
        node->id = id;
        pbts_dht_rename(node->dht, &id, PBTS_SPAN_OF(node->certificate), dht_now(world));
        pbts_dht_add_bootstrap(world->nodes[0].dht, &world->nodes[1].addr, dht_now(world));
        dht_pump(&world->nodes[0]);
        dht_run_ms(world, 3000);
        assert_int_equal(stats_of(world, 0).placed, 1);
        assert_int_equal(stats_of(world, 1).placed, 1);
        dht_world_free(world);
    }
}

/* Or two nodes could keep each other busy for ever. */
static void who_is_never_content_is_asked_a_few_times(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    pbts_dht *dht = world->nodes[SERVER].dht;
    pbts_addr addr = { PBTS_IPV4, { 99, 0, 0, 1 }, 9 };
    pbts_dht_question question = { .method = PBTS_DHT_PING, .addr = addr };
    assert_int_equal(pbts_dht_ask(dht, &question), PBTS_OK);
    uint64_t transaction = dht->pending[dht->pending_count - 1].transaction;
    uint64_t before = stats_of(world, SERVER).sent;
    for (unsigned i = 0; i < 5 * PBTS_DHT_TURNS_MAX; i++) {
        uint8_t bytes[PBTS_DHT_PACKET_MAX];
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_dht_packet wants = { .kind = PBTS_DHT_ERROR,
                                  .error = i % 2 ? PBTS_DHT_WANT_CERTIFICATE : PBTS_DHT_WANT_TOKEN,
                                  .transaction = transaction,
                                  .has_token = true };
        assert_int_equal(pbts_dht_packet_encode(&writer, &wants, dht->tag), PBTS_OK);
        pbts_dht_receive(dht, &addr, pbts_writer_span(&writer), dht_now(world));
    }
    assert_true(stats_of(world, SERVER).sent - before == PBTS_DHT_TURNS_MAX);
    dht_world_free(world);
}

static pbts_status verify_whatever_its_time(void *self, pbts_dht_member *out, pbts_span certificate,
                                            uint64_t now_s) {
    pbts_status status = dht_verify_certificate(self, out, certificate, now_s);
    return status == PBTS_STALE ? PBTS_OK : status;
}

/* Whatever says so of it; at its end, and a second before. */
static void a_certificate_that_is_over_makes_no_contact(void **state) {
    (void)state;
    static const pbts_dht_trust_ops LATE = {
        verify_whatever_its_time, dht_verify_packet, dht_sign_packet, dht_verify_record, NULL, NULL
    };
    for (uint64_t left_s = 0; left_s < 2; left_s++) {
        notes own;
        dht_world *world = make_world(2, &own);
        dht_node *member = &world->nodes[MEMBER];
        uint8_t certificate[DHT_CERTIFICATE_LEN];
        pbts_addr addr = { PBTS_IPV4, { 99, 0, 0, 1 }, 9 };
        world->nodes[SERVER].dht->trust.ops = &LATE;
        uint32_t before = stats_of(world, SERVER).contacts;
        member->id = dht_any_id(world);
        dht_certify(world, certificate, &member->id, 77, 1, dht_now(world).unix_s + left_s);
        memcpy(member->certificate, certificate, sizeof certificate); /* it signs with that key */
        uint8_t bytes[PBTS_DHT_PACKET_MAX];
        craft what = { PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(certificate), .counter = 1 };
        size_t len = make_query(world, bytes, &what, &addr);
        pbts_dht_receive(world->nodes[SERVER].dht, &addr, (pbts_span){ bytes, len },
                         dht_now(world));
        assert_int_equal(stats_of(world, SERVER).contacts - before, left_s);
        dht_world_free(world);
    }
}

/* ---- memory ---- */

typedef struct {
    pbts_mem mem;
    uint64_t count, fail_at, live;
} counting;

static void *counted_alloc(pbts_mem *mem, size_t len) {
    counting *own = (counting *)(void *)mem;
    if (++own->count == own->fail_at) return NULL;
    own->live++;
    return malloc(len);
}

static void *counted_resize(pbts_mem *mem, void *ptr, size_t len) {
    counting *own = (counting *)(void *)mem;
    if (++own->count == own->fail_at) return NULL;
    own->live += ptr == NULL;
    return realloc(ptr, len);
}

static void counted_release(pbts_mem *mem, void *ptr) {
    ((counting *)(void *)mem)->live--;
    free(ptr);
}

/* Joins, announces and gets, with the n-th allocation of one node failing. False: it could not be
 * made. */
static bool live_with(counting *own) {
    dht_world *world = dht_world_new(4, 7);
    for (uint32_t i = 0; i < 3; i++) dht_start(world, i, i);
    dht_run_ms(world, 2000);
    dht_node *node = &world->nodes[3];
    world->mem = &own->mem;
    pbts_dht_config config = dht_config(node);
    bool made = pbts_dht_new(&node->dht, &config, dht_now(world)) == PBTS_OK;
    if (made) {
        pbts_dht_id key = dht_any_id(world);
        pbts_dht_record record = dht_record_of(node, &key, 1);
        uint8_t bytes[DHT_RECORD_LEN];
        uint32_t number;
        dht_make_record(world, bytes, &record);
        for (uint32_t i = 0; i < 3; i++) {
            pbts_dht_add_bootstrap(node->dht, &world->nodes[i].addr, dht_now(world));
        }
        dht_pump(node);
        dht_run_ms(world, 4000);
        if (pbts_dht_announce(node->dht, &number, &key, PBTS_SPAN_OF(bytes), dht_now(world)) ==
            PBTS_OK) {
            dht_pump(node);
        }
        dht_run_ms(world, 4000);
        if (pbts_dht_get(node->dht, &number, &key, dht_now(world)) == PBTS_OK) dht_pump(node);
        dht_run_ms(world, 4000);
        pbts_dht_stats stats = stats_of(world, 3);
        assert_true(pbts_dht_table_is_sound(&node->dht->table));
        assert_int_equal(stats.operations, 0);
        assert_int_equal(stats.pending, 0);
        assert_null(node->dht->events); /* all taken: no room is kept for more */
        if (own->fail_at == 0) assert_true(stats.placed == 3 && stats.records == 1);
    }
    dht_world_free(world);
    return made;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    counting own = { { counted_alloc, counted_resize, counted_release }, 0, 0, 0 };
    assert_true(live_with(&own));
    assert_true(own.live == 0);
    uint64_t all = own.count;
    assert_true(all > 20);
    for (uint64_t i = 1; i <= all; i++) {
        own.count = 0;
        own.fail_at = i;
        bool made = live_with(&own);
        assert_true(made == (i > 2)); /* the node, its certificate */
        assert_true(own.live == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gets_more_than_was_sent_in_his_name),
        cmocka_unit_test(no_answer_to_a_stranger_is_longer_than_his_question),
        cmocka_unit_test(a_query_that_was_heard_is_heard_once),
        cmocka_unit_test(queries_may_overtake_one_another_a_little),
        cmocka_unit_test(what_is_not_for_this_node_or_not_signed_is_dropped),
        cmocka_unit_test(garbage_certificates_cost_so_many_pairings),
        cmocka_unit_test(a_members_flood_costs_so_many_signatures),
        cmocka_unit_test(only_its_owner_brings_a_record),
        cmocka_unit_test(a_storage_flood_stays_within_the_owners_share),
        cmocka_unit_test(a_get_tells_of_the_newest_last),
        cmocka_unit_test(a_get_tells_of_one_sequence_once),
        cmocka_unit_test(it_counts_who_asks_for_records_and_no_stranger),
        cmocka_unit_test(who_was_away_learns_the_epoch_from_whom_it_asks),
        cmocka_unit_test(who_is_never_content_is_asked_a_few_times),
        cmocka_unit_test(a_certificate_that_is_over_makes_no_contact),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_node_learns_its_address_from_those_that_answer),
        cmocka_unit_test(one_word_is_none_and_half_of_them_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
