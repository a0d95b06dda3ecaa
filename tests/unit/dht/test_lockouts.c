/* What others do so that a member is not heard: in its name, with its certificates, in its place.
 */
#include "dht/craft_kit.h"

static pbts_addr stranger(uint32_t i) {
    return (pbts_addr){ PBTS_IPV4, { 200, (uint8_t)(i >> 8), (uint8_t)i, 1 }, 9 };
}

/* What SERVER gets from there at once, without a network between; whether it sent something back.
 */
static bool is_answered(dht_world *world, const craft *what, const pbts_addr *addr) {
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    uint64_t before = stats_of(world, SERVER).sent;
    size_t len = make_query(world, bytes, what, addr);
    pbts_dht_receive(world->nodes[SERVER].dht, addr, (pbts_span){ bytes, len }, dht_now(world));
    return stats_of(world, SERVER).sent > before;
}

/* MEMBER is somebody new from here on. */
static void become(dht_world *world, uint32_t owner, uint32_t session) {
    dht_node *member = &world->nodes[MEMBER];
    member->id = dht_any_id(world);
    dht_certify(world, member->certificate, &member->id, owner, session, DHT_START_S + 9999);
}

static void a_certificate_under_another_id_shuts_out_nobody(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    dht_node *member = &world->nodes[MEMBER];
    pbts_addr foe = stranger(1), here = stranger(2);
    become(world, 77, 1);
    craft what = { PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(member->certificate), .counter = 1 };
    pbts_dht_id id = member->id;
    member->id = dht_any_id(world);
    assert_false(is_answered(world, &what, &foe));
    member->id = id;
    assert_true(is_answered(world, &what, &here));
    dht_world_free(world);
}

/* The number of a query that MEMBER sends in so many seconds. */
static uint64_t number_in(const dht_world *world, uint64_t after_s) {
    return (dht_now(world).unix_s + after_s) << PBTS_DHT_COUNTER_BITS;
}

static const pbts_dht_contact *member_at_server(const dht_world *world) {
    return pbts_dht_table_find(&world->nodes[SERVER].dht->table, &world->nodes[MEMBER].id);
}

/* On the way somebody copies what a member sent before it had a new certificate, and sends it
 * again, in time for the token. */
static void a_copied_query_brings_no_old_certificate_back(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    dht_node *member = &world->nodes[MEMBER];
    uint8_t copied[PBTS_DHT_PACKET_MAX], older[DHT_CERTIFICATE_LEN];
    craft what = { PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(member->certificate),
                   .counter = number_in(world, 10) };
    size_t len = make_query(world, copied, &what, &member->addr);
    assert_true(is_answered(world, &what, &member->addr));
    memcpy(older, member->certificate, sizeof older);
    dht_certify(world, member->certificate, &member->id, MEMBER, 2, DHT_START_S + 9999);
    what.counter = number_in(world, 11);
    assert_true(is_answered(world, &what, &member->addr));
    pbts_dht_receive(world->nodes[SERVER].dht, &member->addr, (pbts_span){ copied, len },
                     dht_now(world));
    assert_memory_not_equal(member_at_server(world)->member.session_key, older + DHT_C_KEY,
                            PBTS_DHT_SESSION_KEY_LEN);
    what = (craft){ PBTS_DHT_PING, .counter = number_in(world, 12) };
    assert_true(is_answered(world, &what, &member->addr));
    dht_world_free(world);
}

/* Or whoever had the session key for a moment could have the member's own refused for ever. */
static void a_number_of_the_future_is_refused(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    dht_node *member = &world->nodes[MEMBER];
    uint64_t last = number_in(world, PBTS_DHT_COUNTER_AHEAD_S + 1) - 1;
    const struct {
        uint64_t counter;
        bool answered;
    } CASES[] = {
        { UINT64_MAX, false }, { last + 1, false }, { number_in(world, 0) + 99, true },
        { last, true },        { last, false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        craft what = { PBTS_DHT_PING, .counter = CASES[i].counter };
        if (is_answered(world, &what, &member->addr) != CASES[i].answered) fail_msg("case %zu", i);
    }
    dht_world_free(world);
}

/* So numbers follow the clock: a thief is ahead of the owner by what clocks may differ at most. */
static void numbers_follow_the_clock(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    pbts_dht *dht = world->nodes[MEMBER].dht;
    const uint64_t now_s = dht_now(world).unix_s;
    const struct {
        uint64_t unix_s, want;
    } CASES[] = {
        { now_s + 5000, (now_s + 5000) << PBTS_DHT_COUNTER_BITS },
        { now_s + 5000, ((now_s + 5000) << PBTS_DHT_COUNTER_BITS) + 1 },
        { now_s + 4701, ((now_s + 5000) << PBTS_DHT_COUNTER_BITS) + 2 }, /* a little back */
        { now_s + 600, (now_s + 600) << PBTS_DHT_COUNTER_BITS }, /* nobody took what was ahead */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        dht->now.unix_s = CASES[i].unix_s;
        uint64_t made = pbts_dht_next_counter(dht);
        if (made != CASES[i].want) fail_msg("case %zu", i);
    }
    dht_world_free(world);
}

/* Two machines of one user have one id and a session key each. Where the other one was heard last
 * a query without a certificate asks for it. */
static void two_machines_of_a_user_are_both_heard(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    dht_node *member = &world->nodes[MEMBER];
    uint8_t certificates[2][DHT_CERTIFICATE_LEN];
    const pbts_addr addrs[2] = { stranger(1), stranger(2) };
    for (uint32_t i = 0; i < 2; i++) {
        dht_certify(world, certificates[i], &member->id, MEMBER, 2 + i, DHT_START_S + 9999);
    }
    for (uint32_t i = 0; i < 8; i++) {
        memcpy(member->certificate, certificates[i % 2], sizeof certificates[0]);
        craft bare = { PBTS_DHT_PING, .counter = number_in(world, 2 * i) };
        craft full = { PBTS_DHT_PING, .counter = number_in(world, 2 * i + 1),
                       .certificate = PBTS_SPAN_OF(member->certificate) };
        assert_true(is_answered(world, &bare, &addrs[i % 2])); /* by the question for it */
        assert_true(is_answered(world, &full, &addrs[i % 2]));
        assert_true(pbts_dht_addr_equal(&member_at_server(world)->addr, &addrs[i % 2]));
    }
    dht_world_free(world);
}

/* Its place would be where the stranger is, for all who are told of it. */
static void a_certificate_shown_by_another_gets_no_place(void **state) {
    (void)state;
    notes own;
    dht_world *world = make_world(2, &own);
    dht_node *server = &world->nodes[SERVER], *member = &world->nodes[MEMBER];
    pbts_dht_table *table = &server->dht->table;
    pbts_addr foe = stranger(1);
    pbts_dht_contact *neighbour = pbts_dht_table_find(table, &member->id);
    member->id.bytes[PBTS_DHT_ID_LEN - 1] ^= 1; /* for a place in the same bucket */
    dht_certify(world, member->certificate, &member->id, 77, 1, DHT_START_S + 9999);
    craft what = { PBTS_DHT_PING, .certificate = PBTS_SPAN_OF(member->certificate), .counter = 1,
                   .bad_signature = true };
    assert_false(is_answered(world, &what, &foe));
    assert_non_null(member_at_server(world));
    uint16_t before = table->placed;
    pbts_dht_rename(server->dht, &server->id, PBTS_SPAN_OF(server->certificate), dht_now(world));
    assert_int_equal(table->placed, before);
    for (int i = 0; i < PBTS_DHT_FAILS_MAX; i++) {
        pbts_dht_table_failed(table, neighbour, dht_now(world).mono_ms);
    }
    assert_int_equal(table->placed, before - 1);
    what.bad_signature = false;
    assert_true(is_answered(world, &what, &member->addr));
    assert_true(pbts_dht_addr_equal(&member_at_server(world)->addr, &member->addr));
    assert_int_equal(table->placed, before);
    dht_world_free(world);
}

/* ---- what is handed to whom ---- */

static unsigned answers_until; /* SERVER forgets everybody once, after so many */

static void forget_once(dht_world *world, uint32_t node, const pbts_addr *to, pbts_span bytes) {
    (void)to, (void)bytes;
    if (node == SERVER || answers_until == 0 || --answers_until > 0) return;
    pbts_dht_table_expire(&world->nodes[SERVER].dht->table, UINT64_MAX);
}

/* Whether it may have records is in its certificate. */
static void who_is_forgotten_is_handed_nothing(void **state) {
    (void)state;
    enum { COUNT = 12, ANSWERS = 8 };
    for (unsigned i = 0; i < 2; i++) {
        notes own;
        dht_world *world = make_world(COUNT, &own);
        pbts_dht_id key = dht_any_id(world);
        pbts_dht_record record = dht_record_of(&world->nodes[SERVER], &key, 1);
        world->on_send = forget_once;
        answers_until = i * ANSWERS;
        dht_task *task = dht_begin(world, SERVER, DHT_TASK_ANNOUNCE, &key, &record);
        dht_run_ms(world, 10000);
        assert_true(task->ended);
        assert_true(task->end.node_count > 0);
        assert_int_equal(task->end.stored, i == 0 ? COUNT : 1); /* it keeps its own */
        dht_world_free(world);
    }
}

/* ---- who stands between two nodes ---- */

enum { A = 2, B = 3 };

/* RELAY is nobody's address. What A sends there comes to B as from there, and the other way round.
 */
static void relay(dht_world *world, const dht_datagram *datagram) {
    const dht_node *a = &world->nodes[A], *b = &world->nodes[B];
    bool is_from_a = pbts_dht_addr_equal(&datagram->from, &a->addr);
    ((notes *)world->user)->to_victim_bytes += datagram->len;
    dht_post(world, &datagram->to, is_from_a ? &b->addr : &a->addr,
             (pbts_span){ datagram->bytes, datagram->len });
}

static bool is_at(const dht_world *world, uint32_t node, uint32_t other, const pbts_addr *addr) {
    const pbts_dht_contact *contact =
        pbts_dht_table_find(&world->nodes[node].dht->table, &world->nodes[other].id);
    return contact != NULL && contact->was_heard && pbts_dht_addr_equal(&contact->addr, addr);
}

/* A asks for B where the relay is. */
static void ask_by_relay(dht_world *world, const pbts_addr *addr) {
    pbts_dht_question question = { .purpose = PBTS_DHT_FOR_CONTACT,
                                   .method = PBTS_DHT_PING,
                                   .addr = *addr,
                                   .id = &world->nodes[B].id };
    assert_int_equal(pbts_dht_ask(world->nodes[A].dht, &question), PBTS_OK);
    dht_pump(&world->nodes[A]);
    dht_run_ms(world, 3000);
}

/* Nodes that were told no address of their own, as most are. */
static dht_world *untold_world(uint32_t count, notes *own) {
    dht_world *world = dht_world_new(count, 7);
    *own = (notes){ 0 };
    world->user = own;
    world->on_nobody = relay;
    for (uint32_t i = 0; i < count; i++) {
        dht_start(world, i, i);
        world->nodes[i].dht->own[0].port = world->nodes[i].dht->own[1].port = 0;
    }
    dht_run_ms(world, 20000);
    return world;
}

/* Or somebody who is no member would get the places of members, as many as he has addresses. */
static void nobody_passes_as_a_node_by_standing_between_two(void **state) {
    (void)state;
    for (uint8_t known = 0; known < 2; known++) { /* by those who answered, by being told */
        notes own;
        dht_world *world = untold_world(8, &own);
        pbts_addr addr = dht_addr(VICTIM);
        for (uint32_t i = 0; known == 1 && i < 8; i++) {
            pbts_dht *dht = world->nodes[i].dht;
            dht->own[world->nodes[i].addr.family == PBTS_IPV6] = world->nodes[i].addr;
            dht->testimonies[0] = dht->testimonies[1] = 0;
        }
        assert_true(is_at(world, A, B, &world->nodes[B].addr));
        assert_true(is_at(world, B, A, &world->nodes[A].addr));
        ask_by_relay(world, &addr);
        assert_true(own.to_victim_bytes > 100);
        assert_false(is_at(world, A, B, &addr));
        assert_false(is_at(world, B, A, &addr));
        dht_world_free(world);
    }
}

/* What only the answers pass: B hears from where it is not asked. */
static void an_answer_that_was_sent_elsewhere_is_none(void **state) {
    (void)state;
    notes own;
    dht_world *world = untold_world(8, &own);
    pbts_addr addr = dht_addr(VICTIM);
    world->nodes[B].dht->testimonies[0] = 0; /* B knows nothing of itself */
    uint64_t before = stats_of(world, A).misdirected;
    ask_by_relay(world, &addr);
    assert_true(stats_of(world, A).misdirected > before);
    assert_false(is_at(world, A, B, &addr));
    dht_world_free(world);
}

/* ---- where a node is, as far as it knows ---- */

static pbts_addr world_addr(uint8_t n) {
    return (pbts_addr){ PBTS_IPV4, { 60, 1, 1, n }, DHT_PORT };
}

/* Whether SERVER, of which so many of PBTS_DHT_WITNESSES say that it is at world_addr(1), takes a
 * query of MEMBER at `from` that was sent to `to`. */
static bool takes(uint32_t agree, const pbts_addr *bound, const pbts_addr *from,
                  const pbts_addr *to) {
    notes own;
    dht_world *world = make_world(2, &own);
    pbts_dht *dht = world->nodes[SERVER].dht;
    dht->own[0] = *bound;
    dht->testimonies[0] = PBTS_DHT_WITNESSES;
    for (uint32_t i = 0; i < PBTS_DHT_WITNESSES; i++) {
        dht->witnesses[0][i].seen = world_addr(i < agree ? 1 : (uint8_t)(10 + i));
    }
    world->nodes[SERVER].addr = *to; /* what the query names */
    craft what = { PBTS_DHT_PING, .counter = LATER };
    bool taken = is_answered(world, &what, from);
    dht_world_free(world);
    return taken;
}

static void a_query_for_another_address_is_refused_where_that_is_sure(void **state) {
    (void)state;
    const pbts_addr none = { .family = PBTS_IPV4 }, far = stranger(1), here = world_addr(1);
    const pbts_addr elsewhere = world_addr(2), lan = { PBTS_IPV4, { 10, 0, 0, 5 }, DHT_PORT };
    const pbts_addr near = { PBTS_IPV4, { 10, 0, 0, 9 }, 7 };
    const pbts_addr other_lan = { PBTS_IPV4, { 10, 0, 0, 6 }, DHT_PORT };
    pbts_addr mapped = here; /* by a NAT, to another port */
    mapped.port = 77;
    const struct {
        uint32_t agree;
        const pbts_addr *bound, *from, *to;
        bool taken;
    } CASES[] = {
        { 7, &none, &far, &here, true },       { 7, &none, &far, &mapped, true },
        { 7, &none, &far, &elsewhere, false }, { 6, &none, &far, &elsewhere, false },
        { 5, &none, &far, &elsewhere, true }, /* who is to be believed? */
        { 7, &none, &near, &lan, true },       { 7, &none, &far, &lan, false },
        { 0, &none, &far, &elsewhere, true },  { 7, &lan, &far, &here, true },
        { 7, &lan, &far, &elsewhere, false },  { 0, &lan, &far, &elsewhere, true },
        { 7, &lan, &near, &lan, true },        { 7, &lan, &near, &other_lan, false },
        { 7, &here, &far, &elsewhere, false }, { 7, &here, &far, &mapped, false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (takes(CASES[i].agree, CASES[i].bound, CASES[i].from, CASES[i].to) != CASES[i].taken) {
            fail_msg("case %zu", i);
        }
    }
}

/* Or one with many addresses would say where a node is. */
static void one_member_is_one_witness(void **state) {
    (void)state;
    enum { FOE = 1, OTHERS = 5 };
    notes own;
    dht_world *world = untold_world(OTHERS + 2, &own);
    pbts_dht *dht = world->nodes[SERVER].dht;
    const pbts_dht_id *id = &world->nodes[FOE].id;
    for (uint32_t i = 0; i < PBTS_DHT_WITNESSES; i++) {
        const pbts_addr from = stranger(i), seen = world_addr(9);
        pbts_dht_note_testimony(dht, &from, id, &seen);
    }
    pbts_addr seen;
    assert_true(pbts_dht_seen_as(dht, &seen, PBTS_IPV4));
    assert_true(pbts_dht_addr_equal(&seen, &world->nodes[SERVER].addr));
    dht_world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_under_another_id_shuts_out_nobody),
        cmocka_unit_test(a_copied_query_brings_no_old_certificate_back),
        cmocka_unit_test(a_number_of_the_future_is_refused),
        cmocka_unit_test(numbers_follow_the_clock),
        cmocka_unit_test(two_machines_of_a_user_are_both_heard),
        cmocka_unit_test(a_certificate_shown_by_another_gets_no_place),
        cmocka_unit_test(who_is_forgotten_is_handed_nothing),
        cmocka_unit_test(nobody_passes_as_a_node_by_standing_between_two),
        cmocka_unit_test(an_answer_that_was_sent_elsewhere_is_none),
        cmocka_unit_test(a_query_for_another_address_is_refused_where_that_is_sure),
        cmocka_unit_test(one_member_is_one_witness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
