/* The request loop against servers that are right, silent, behind, or lie; and what is kept. */
#include "eth/light_chain.h"

enum { PERIOD = 64, SERVERS = 3, START = 8 };

typedef enum { HONEST, SILENT, BEHIND, LIES, GARBAGE, FOREIGN, HEADS_ONLY } temper;

typedef struct {
    pbts_beacon_network network;
    pbts_light_client *client;
    temper tempers[SERVERS];
    uint32_t asked[SERVERS];
    uint64_t now_s;
    uint64_t ahead_s; /* of the client's clock */
    pbts_light_update update;
    pbts_light_bootstrap bootstrap;
    message m;
    uint8_t body[PBTS_LIGHT_UPDATES_MAX * CHAIN_MESSAGE_MAX];
    size_t body_len;
} world;

static world *new_world(uint64_t now_slot) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->network = minimal_network(PBTS_BEACON_FULU);
    w->client = new_client(&w->network, chain_root(&w->network, START), SERVERS);
    w->now_s = at_slot(&w->network, now_slot);
    return w;
}

static void free_world(world *w) {
    pbts_light_client_free(w->client);
    free(w);
}

static uint64_t head_slot(const world *w, temper t) {
    uint64_t slot = pbts_beacon_slot_at(&w->network, w->now_s);
    return t == BEHIND ? slot / 2 : slot;
}

static void put(world *w, pbts_span bytes) {
    assert_true(w->body_len + bytes.len <= sizeof w->body);
    memcpy(w->body + w->body_len, bytes.data, bytes.len);
    w->body_len += bytes.len;
}

static void put_update(world *w, uint64_t period) {
    uint8_t prefix[12] = { 0 }; /* a length, a digest that nobody looks at */
    chain_update(&w->update, &w->network, period * PERIOD + 40, period * PERIOD + 24, true, 32);
    encode_update(&w->m, &w->network, PBTS_LIGHT_FULL_UPDATE, &w->update);
    for (size_t i = 0; i < 8; i++) prefix[i] = (uint8_t)((w->m.len + 4) >> (8 * i));
    put(w, PBTS_SPAN_OF(prefix));
    put(w, span_of_message(&w->m));
}

static void put_head(world *w, pbts_light_container kind, uint64_t slot) {
    uint64_t attested = slot - 1, finalized = attested > 16 ? (attested - 16) / 8 * 8 : 0;
    if (kind == PBTS_LIGHT_OPTIMISTIC_UPDATE) finalized = 0;
    chain_update(&w->update, &w->network, attested, finalized, false, 30);
    encode_update(&w->m, &w->network, kind, &w->update);
    put(w, span_of_message(&w->m));
}

/* What a server of this temper answers; nothing from a silent one. */
static void make_body(world *w, const pbts_light_request *request, temper t) {
    uint64_t slot = head_slot(w, t);
    w->body_len = 0;
    switch (request->kind) {
    case PBTS_LIGHT_BOOTSTRAP:
        assert_chunk(request->root, chain_root(&w->network, START));
        chain_bootstrap(&w->bootstrap, &w->network, t == FOREIGN ? START + 1 : START);
        encode_bootstrap(&w->m, &w->network, &w->bootstrap);
        put(w, span_of_message(&w->m));
        break;
    case PBTS_LIGHT_UPDATES:
        for (uint64_t i = 0; i < request->count; i++) {
            uint64_t period = request->period + i + (t == FOREIGN ? request->count : 0);
            if (period * PERIOD + 41 <= slot) put_update(w, period);
        }
        break;
    case PBTS_LIGHT_FINALITY: put_head(w, PBTS_LIGHT_FINALITY_UPDATE, slot); break;
    case PBTS_LIGHT_OPTIMISTIC: put_head(w, PBTS_LIGHT_OPTIMISTIC_UPDATE, slot); break;
    }
    if (t == LIES && w->body_len > 0) w->body[w->body_len / 2] ^= 0x10;
    if (t == GARBAGE) w->body_len = 40;
}

/* One request and its answer; false when there is none to make now. */
static bool step(world *w) {
    pbts_light_request request, second;
    uint64_t now_s = w->now_s + w->ahead_s;
    if (!pbts_light_client_next_request(w->client, &request, now_s)) return false;
    assert_true(request.server < SERVERS);
    assert_false(pbts_light_client_next_request(w->client, &second, now_s));
    assert_true(pbts_light_client_deadline_s(w->client, now_s) == UINT64_MAX);
    temper t = w->tempers[request.server];
    w->asked[request.server]++;
    bool is_head = request.kind == PBTS_LIGHT_BOOTSTRAP || request.kind == PBTS_LIGHT_OPTIMISTIC;
    if (t == SILENT || (t == HEADS_ONLY && !is_head)) {
        pbts_light_client_no_answer(w->client, request.number, now_s);
        return true;
    }
    make_body(w, &request, t);
    uint8_t *copy = malloc(w->body_len + 1);
    memcpy(copy, w->body, w->body_len);
    pbts_status status = pbts_light_client_answer(w->client, request.number, PBTS_LIGHT_SSZ,
                                                  (pbts_span){ copy, w->body_len }, now_s);
    assert_int_equal(pbts_light_client_answer(w->client, request.number, PBTS_LIGHT_SSZ,
                                              (pbts_span){ copy, w->body_len }, now_s),
                     PBTS_DENIED); /* twice the same */
    free(copy);
    if (t == LIES || t == GARBAGE || t == FOREIGN) assert_int_not_equal(status, PBTS_OK);
    return true;
}

/* Everything that can be asked now; bounded. */
static void settle(world *w) {
    for (int i = 0; i < 200; i++) {
        if (!step(w)) return;
    }
    fail_msg("it asks for ever");
}

static uint64_t slot_of(const world *w, bool finalized) {
    pbts_light_head head;
    pbts_status status = finalized ? pbts_light_client_finalized(w->client, &head, w->now_s)
                                   : pbts_light_client_optimistic(w->client, &head, w->now_s);
    return status == PBTS_OK ? head.slot : 0;
}

static void assert_synced(const world *w) {
    uint64_t slot = pbts_beacon_slot_at(&w->network, w->now_s);
    assert_int_equal(slot_of(w, false), slot - 1);
    assert_int_equal(slot_of(w, true), (slot - 17) / 8 * 8);
}

static void thirty_periods_are_caught_up_with_in_few_requests(void **state) {
    (void)state;
    world *w = new_world(30 * PERIOD + 50);
    settle(w);
    assert_synced(w);
    /* bootstrap; 16 periods, 14, today's; finality; optimistic */
    assert_true(w->asked[0] <= 7);
    assert_int_equal(w->asked[1] + w->asked[2], 0);
    uint64_t deadline_s = pbts_light_client_deadline_s(w->client, w->now_s);
    assert_int_equal(deadline_s, w->now_s + w->network.seconds_per_slot);
    free_world(w);
}

static void it_keeps_following_over_a_change_of_committees(void **state) {
    (void)state;
    world *w = new_world(50);
    for (int i = 0; i < 3 * PERIOD; i++) {
        settle(w);
        if (i % 8 == 7)
            assert_int_equal(slot_of(w, false), pbts_beacon_slot_at(&w->network, w->now_s) - 1);
        uint64_t deadline_s = pbts_light_client_deadline_s(w->client, w->now_s);
        assert_true(deadline_s > w->now_s);
        w->now_s += w->network.seconds_per_slot;
    }
    assert_true(slot_of(w, true) + 32 > pbts_beacon_slot_at(&w->network, w->now_s));
    assert_int_equal(w->asked[1] + w->asked[2], 0);
    free_world(w);
}

/* Whatever two of three servers do, the third brings the client to the head. */
static void one_honest_server_of_three_is_enough(void **state) {
    (void)state;
    static const temper BAD[] = { SILENT, BEHIND, LIES, GARBAGE, FOREIGN };
    for (size_t a = 0; a < 5; a++) {
        for (size_t b = 0; b < 5; b++) {
            world *w = new_world(5 * PERIOD + 50);
            w->tempers[0] = BAD[a];
            w->tempers[1] = BAD[b];
            for (int i = 0; i < 40; i++) {
                settle(w);
                w->now_s += w->network.seconds_per_slot;
            }
            uint64_t slot = pbts_beacon_slot_at(&w->network, w->now_s);
            assert_true(slot_of(w, false) + 4 > slot);
            assert_true(slot_of(w, true) + 40 > slot);
            assert_true(w->asked[2] > 20);
            free_world(w);
        }
    }
}

static void a_liar_waits_longer_than_a_silent_server(void **state) {
    (void)state;
    world *w = new_world(50);
    w->tempers[0] = SILENT;
    w->tempers[1] = LIES;
    for (int i = 0; i < 100; i++) {
        settle(w);
        w->now_s += w->network.seconds_per_slot;
    }
    assert_true(w->asked[1] >= 1 && w->asked[1] <= 2); /* in 600 s */
    assert_true(w->asked[0] >= 1);
    assert_true(w->asked[2] > 100);
    free_world(w);
}

static void with_nobody_answering_it_waits_and_comes_back(void **state) {
    (void)state;
    world *w = new_world(50);
    for (int i = 0; i < SERVERS; i++) w->tempers[i] = SILENT;
    settle(w);
    assert_true(w->asked[0] == 1 && w->asked[1] == 1 && w->asked[2] == 1);
    uint64_t deadline_s = pbts_light_client_deadline_s(w->client, w->now_s);
    assert_int_equal(deadline_s, w->now_s + 4);
    pbts_light_request request;
    assert_false(pbts_light_client_next_request(w->client, &request, deadline_s - 1));
    for (int i = 0; i < SERVERS; i++) w->tempers[i] = HONEST;
    w->now_s = deadline_s;
    settle(w);
    assert_synced(w);
    free_world(w);
}

/* Who is right looks as if they lagged while it is ahead. */
static void a_clock_that_is_set_back_puts_off_nothing_for_longer(void **state) {
    (void)state;
    static const temper MEANWHILE[] = { HONEST, SILENT };
    for (size_t t = 0; t < sizeof MEANWHILE / sizeof MEANWHILE[0]; t++) {
        pbts_light_request request;
        world *w = new_world(50);
        settle(w);
        for (int i = 0; i < SERVERS; i++) w->tempers[i] = MEANWHILE[t];
        w->ahead_s = 24 * 3600;
        settle(w);
        for (int i = 0; i < SERVERS; i++) w->tempers[i] = HONEST;
        w->ahead_s = 0;
        settle(w); /* nor for shorter: */
        assert_false(pbts_light_client_next_request(w->client, &request, w->now_s + 3));
        w->now_s += w->network.seconds_per_slot;
        settle(w);
        assert_int_equal(slot_of(w, false), pbts_beacon_slot_at(&w->network, w->now_s) - 1);
        free_world(w);
    }
}

static void questions_that_nobody_answers_do_not_hold_up_others(void **state) {
    (void)state;
    world *w = new_world(50);
    for (int i = 0; i < SERVERS; i++) w->tempers[i] = HEADS_ONLY;
    for (int i = 0; i < 12; i++) {
        settle(w);
        assert_int_equal(slot_of(w, false), pbts_beacon_slot_at(&w->network, w->now_s) - 1);
        w->now_s += w->network.seconds_per_slot;
    }
    free_world(w);
}

static void a_trusted_block_that_became_too_old_ends_it(void **state) {
    (void)state;
    world *w = new_world(50);
    settle(w);
    assert_synced(w);
    w->now_s += PBTS_LIGHT_AGE_MAX_S + 1000;
    pbts_light_request request;
    assert_false(pbts_light_client_next_request(w->client, &request, w->now_s));
    assert_true(pbts_light_client_deadline_s(w->client, w->now_s) == UINT64_MAX);
    free_world(w);
}

/* Of heads nothing could be checked then. */
static void a_period_without_its_committee_is_asked_for_at_once(void **state) {
    (void)state;
    world *w = new_world(60);
    pbts_light_request request;
    for (int i = 0; i < SERVERS; i++) w->tempers[i] = BEHIND; /* no update of this period yet */
    settle(w);
    for (int i = 0; i < SERVERS; i++) w->tempers[i] = HONEST;
    w->now_s = at_slot(&w->network, 66); /* sooner than it would ask for today's again */
    assert_true(pbts_light_client_next_request(w->client, &request, w->now_s));
    assert_int_equal(request.kind, PBTS_LIGHT_UPDATES);
    assert_int_equal(request.period, 0);
    pbts_light_client_no_answer(w->client, request.number, w->now_s);
    w->now_s = at_slot(&w->network, 72);
    settle(w);
    assert_synced(w);
    free_world(w);
}

static void paths_are_those_of_the_beacon_api(void **state) {
    (void)state;
    pbts_light_request request = { .kind = PBTS_LIGHT_UPDATES, .period = UINT64_MAX, .count = 16 };
    const char *const want[] = {
        "/eth/v1/beacon/light_client/bootstrap/"
        "0x0102000000000000000000000000000000000000000000000000000000000000",
        "/eth/v1/beacon/light_client/updates?start_period=18446744073709551615&count=16",
        "/eth/v1/beacon/light_client/finality_update",
        "/eth/v1/beacon/light_client/optimistic_update",
    };
    request.root.bytes[0] = 1;
    request.root.bytes[1] = 2;
    for (int kind = 0; kind < 4; kind++) {
        uint8_t path[PBTS_LIGHT_PATH_LEN_MAX];
        pbts_writer writer = pbts_writer_over(path, sizeof path);
        request.kind = (pbts_light_request_kind)kind;
        pbts_light_request_path(&writer, &request);
        assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
        assert_true(pbts_span_is(pbts_writer_span(&writer), want[kind]));
    }
}

/* ---- limits of a list of updates ---- */

static void a_list_of_updates_is_as_long_as_was_asked_for(void **state) {
    (void)state;
    world *w = new_world(3 * PERIOD + 50);
    pbts_light_request request;
    assert_true(step(w)); /* bootstrap */
    assert_true(pbts_light_client_next_request(w->client, &request, w->now_s));
    assert_int_equal(request.kind, PBTS_LIGHT_UPDATES);
    assert_int_equal(request.count, 3);
    w->body_len = 0;
    for (uint64_t period = 0; period < 3; period++) put_update(w, period);
    put_update(w, 3); /* right, but more than was asked for */
    assert_int_equal(pbts_light_client_answer(w->client, request.number, PBTS_LIGHT_SSZ,
                                              (pbts_span){ w->body, w->body_len }, w->now_s),
                     PBTS_MALFORMED);
    assert_int_equal(slot_of(w, true), 2 * PERIOD + 24); /* what was right counts */
    free_world(w);
}

static void an_answer_has_a_greatest_length(void **state) {
    (void)state;
    world *w = new_world(50);
    uint8_t *large = calloc(1, PBTS_LIGHT_ANSWER_LEN_MAX + 1);
    memset(large, ' ', PBTS_LIGHT_ANSWER_LEN_MAX + 1);
    pbts_span most = { large, PBTS_LIGHT_ANSWER_LEN_MAX }, more = { large, most.len + 1 };
    assert_int_equal(pbts_light_bootstrap_decode_ssz(&w->bootstrap, &w->network, more), PBTS_LIMIT);
    assert_int_equal(pbts_light_bootstrap_decode_ssz(&w->bootstrap, &w->network, most),
                     PBTS_MALFORMED);
    assert_int_equal(pbts_light_bootstrap_decode_json(&w->bootstrap, &w->network, more),
                     PBTS_LIMIT);
    assert_int_equal(pbts_light_bootstrap_decode_json(&w->bootstrap, &w->network, most),
                     PBTS_MALFORMED);
    memset(large, '[', 100);
    assert_int_equal(
        pbts_light_bootstrap_decode_json(&w->bootstrap, &w->network, (pbts_span){ large, 100 }),
        PBTS_LIMIT); /* brackets */
    free(large);
    free_world(w);
}

/* ---- what is kept ---- */

static pbts_span save(const pbts_light_client *client, uint8_t *buffer, size_t capacity) {
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    assert_int_equal(pbts_light_client_save(client, &writer), PBTS_OK);
    return pbts_writer_span(&writer);
}

static void what_was_saved_goes_on_where_it_was(void **state) {
    (void)state;
    static uint8_t first[PBTS_LIGHT_STATE_LEN_MAX], second[PBTS_LIGHT_STATE_LEN_MAX];
    world *w = new_world(2 * PERIOD + 50);
    pbts_writer none = pbts_writer_over(first, sizeof first);
    assert_int_equal(pbts_light_client_save(w->client, &none), PBTS_NOT_FOUND);
    settle(w);
    assert_synced(w);
    pbts_span saved = save(w->client, first, sizeof first);
    pbts_light_client *other = new_client(&w->network, chain_root(&w->network, START), SERVERS);
    assert_int_equal(pbts_light_client_load(other, saved, w->now_s), PBTS_OK);
    pbts_span again = save(other, second, sizeof second);
    assert_true(pbts_span_equal(saved, again));
    pbts_light_client_free(w->client);
    w->client = other;
    assert_synced(w);
    for (int i = 0; i < 2 * PERIOD; i++) {
        w->now_s += w->network.seconds_per_slot;
        settle(w);
    }
    assert_true(slot_of(w, true) + 40 > pbts_beacon_slot_at(&w->network, w->now_s));
    free_world(w);
}

static void a_damaged_or_foreign_state_is_refused(void **state) {
    (void)state;
    static uint8_t buffer[PBTS_LIGHT_STATE_LEN_MAX];
    world *w = new_world(2 * PERIOD + 50);
    settle(w);
    pbts_span saved = save(w->client, buffer, sizeof buffer);
    pbts_light_client *other = new_client(&w->network, chain_root(&w->network, START), 1);
    for (size_t i = 0; i < saved.len; i++) {
        buffer[i] ^= 4;
        assert_int_equal(pbts_light_client_load(other, saved, w->now_s), PBTS_CORRUPT);
        buffer[i] ^= 4;
    }
    for (size_t len = 0; len < saved.len; len += 7) {
        uint8_t *cut = malloc(len + 1);
        memcpy(cut, buffer, len);
        assert_int_equal(pbts_light_client_load(other, (pbts_span){ cut, len }, w->now_s),
                         PBTS_CORRUPT);
        free(cut);
    }
    uint64_t old_s = w->now_s + PBTS_LIGHT_AGE_MAX_S;
    assert_int_equal(pbts_light_client_load(other, saved, old_s), PBTS_STALE);
    pbts_light_head head;
    assert_int_equal(pbts_light_client_finalized(other, &head, w->now_s), PBTS_NOT_FOUND);
    assert_int_equal(pbts_light_client_load(other, saved, w->now_s), PBTS_OK);
    pbts_light_client_free(other);
    other = new_client(&w->network, chain_root(&w->network, START + 1), 1);
    assert_int_equal(pbts_light_client_load(other, saved, w->now_s), PBTS_MALFORMED);
    pbts_light_client_free(other);
    pbts_beacon_network foreign = w->network;
    foreign.genesis_validators_root[0] ^= 1;
    other = new_client(&foreign, chain_root(&w->network, START), 1);
    assert_int_equal(pbts_light_client_load(other, saved, w->now_s), PBTS_MALFORMED);
    pbts_light_client_free(other);
    uint8_t small[100];
    pbts_writer writer = pbts_writer_over(small, sizeof small);
    assert_int_equal(pbts_light_client_save(w->client, &writer), PBTS_NO_SPACE);
    free_world(w);
}

static void mainnet_fits_into_the_named_length(void **state) {
    (void)state;
    static uint8_t buffer[PBTS_LIGHT_STATE_LEN_MAX];
    const pbts_beacon_network *network = &PBTS_BEACON_MAINNET;
    pbts_span bootstrap = load_vector(JEWEL "bootstrap.ssz");
    pbts_span update = load_vector(JEWEL "update.ssz");
    uint64_t now_s = at_slot(network, 11650087);
    pbts_light_client *client = new_client(
        network, chunk_of("d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a"), 1);
    assert_int_equal(give_bootstrap(client, network, bootstrap, now_s), PBTS_OK);
    assert_int_equal(give_update(client, network, PBTS_LIGHT_FULL_UPDATE, update, now_s), PBTS_OK);
    pbts_span saved = save(client, buffer, sizeof buffer);
    assert_true(saved.len > 49000);
    assert_int_equal(pbts_light_client_load(client, saved, now_s), PBTS_OK);
    pbts_light_client_free(client);
    drop(bootstrap);
    drop(update);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thirty_periods_are_caught_up_with_in_few_requests),
        cmocka_unit_test(it_keeps_following_over_a_change_of_committees),
        cmocka_unit_test(one_honest_server_of_three_is_enough),
        cmocka_unit_test(a_liar_waits_longer_than_a_silent_server),
        cmocka_unit_test(with_nobody_answering_it_waits_and_comes_back),
        cmocka_unit_test(a_clock_that_is_set_back_puts_off_nothing_for_longer),
        cmocka_unit_test(questions_that_nobody_answers_do_not_hold_up_others),
        cmocka_unit_test(a_trusted_block_that_became_too_old_ends_it),
        cmocka_unit_test(a_period_without_its_committee_is_asked_for_at_once),
        cmocka_unit_test(paths_are_those_of_the_beacon_api),
        cmocka_unit_test(a_list_of_updates_is_as_long_as_was_asked_for),
        cmocka_unit_test(an_answer_has_a_greatest_length),
        cmocka_unit_test(what_was_saved_goes_on_where_it_was),
        cmocka_unit_test(a_damaged_or_foreign_state_is_refused),
        cmocka_unit_test(mainnet_fits_into_the_named_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
