/* Unit tests of apps/pbts-peer/dht_node.c and dht_cache.c: what a node needs to begin, and what it
 * remembers. Nodes that talk to one another are tests/e2e/peer_dht.py's. */
#include "base/epoch.h"
#include "pbts-peer/dht_node_parts.h"
#include "pbts-peer/state.h"
#include "torrent/fallback.h"
#include "tracker_kit.h"

static char FOLDER[] = "/tmp/pbts-dht-XXXXXX";
static const char FILE_NAME[] = "nodes-1111111111111111.dht";

static int make_folder(void **state) {
    (void)state;
    memcpy(FOLDER + sizeof FOLDER - 7, "XXXXXX", 6);
    return mkdtemp(FOLDER) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    folder_remove(FOLDER);
    return 0;
}

static dht_node *begin(engine *e) {
    dht_node *n = NULL;
    kit_engine(e, FOLDER, NULL);
    (void)snprintf(e->set.state, sizeof e->set.state, "%s", FOLDER);
    assert_int_equal(dht_node_new(&n, e), PBTS_EXIT_OK);
    assert_non_null(n);
    return n;
}

static void end(engine *e, dht_node *n) {
    dht_node_close(n);
    kit_engine_free(e);
    dht_node_free(n);
}

static pbts_addr addr_of(unsigned i) {
    return (pbts_addr){ .family = PBTS_IPV4,
                        .ip = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i },
                        .port = (uint16_t)(1000 + i) };
}

/* What the tracker with secret 9 says of the engine's key, now. */
static void take_words(engine *e, uint64_t up_bytes) {
    uint8_t member[PBTS_MEMBERSHIP_LEN], beacon[PBTS_DHT_BEACON_LEN], torrent[2048];
    keyfile tracker;
    pbts_epoch_beacon made;
    kit_key(&tracker, 9);
    pbts_membership membership = { .key = e->key->key,
                                   .up_bytes = up_bytes,
                                   .down_bytes = 1000,
                                   .min_ratio_milli = 500,
                                   .issued = e->now.unix_s,
                                   .expires = e->now.unix_s + PBTS_MEMBERSHIP_LIFE_S };
    pbts_membership_sign(&membership, e->key->iid, &tracker.secret);
    pbts_dht_beacon_sign(&made, e->key->iid, pbts_dht_beacon_epoch(pbts_epoch_at(e->now.unix_s)),
                         &tracker.secret);
    pbts_writer writer = pbts_writer_over(member, sizeof member);
    pbts_membership_encode(&writer, &membership);
    writer = pbts_writer_over(beacon, sizeof beacon);
    pbts_dht_beacon_encode(&writer, &made);
    const pbts_torrent_fallback fallback = { .iid = PBTS_SPAN_OF(e->key->iid),
                                             .tracker_key = PBTS_SPAN_OF(tracker.key.bytes),
                                             .membership = PBTS_SPAN_OF(member),
                                             .beacon = PBTS_SPAN_OF(beacon) };
    writer = pbts_writer_over(torrent, sizeof torrent);
    pbts_write_text(&writer, "d4:infod4:name1:xe4:pbts");
    pbts_torrent_fallback_encode(&writer, &fallback);
    pbts_write_text(&writer, "e");
    home_take_fallback(e->ours, pbts_writer_span(&writer), e->now.unix_s);
}

static void on_ended(void *host, const pbts_dht_event *event) {
    (void)host;
    (void)event;
}

static void without_a_membership_there_is_nothing_to_show(void **state) {
    (void)state;
    static engine e;
    const pbts_dht_id key = { { 1 } };
    const dht_task task = { .ended = on_ended };
    dht_node *n = begin(&e);
    dht_node_tick(n);
    assert_null(n->dht);
    assert_string_equal(dht_node_text(n), "waits for a membership");
    assert_false(dht_node_is_joined(n));
    assert_false(dht_node_get(n, &key, &task) || dht_node_announce(n, &key, false, true, &task));
    end(&e, n);
    assert_string_equal(dht_node_text(NULL), "off");
}

static void with_one_it_begins_and_shows_what_it_says(void **state) {
    (void)state;
    for (uint64_t up_bytes = 499; up_bytes <= 500; up_bytes++) {
        static engine e;
        dht_node *n = begin(&e);
        take_words(&e, up_bytes);
        dht_node_tick(n);
        assert_non_null(n->dht);
        json_t *json = dht_node_json(n);
        assert_int_equal(json_is_true(json_object_get(json, "seeds_only")), up_bytes < 500);
        assert_int_equal(strlen(json_string_value(json_object_get(json, "id"))),
                         2 * PBTS_DHT_ID_LEN);
        json_decref(json);
        assert_true(e.terms.tracker_time_s > 0 && e.terms.tracker_time_s <= e.now.unix_s);
        end(&e, n);
    }
}

static void it_says_once_that_its_address_is_not_known(void **state) {
    (void)state;
    static engine e;
    const pbts_dht_id key = { { 1 } };
    const dht_task task = { .ended = on_ended };
    dht_node *n = begin(&e);
    take_words(&e, 500);
    dht_node_tick(n);
    assert_non_null(n->dht);
    n->joined = true;
    for (int i = 0; i < 2; i++) {
        assert_false(dht_node_announce(n, &key, false, true, &task));
        assert_int_equal(n->address_is_asked, i == 1); /* others had time to tell it */
        e.now.mono_ms += DHT_NODE_ADDRESS_MS;
    }
    json_t *json = dht_node_json(n);
    assert_true(json_is_null(json_object_get(json, "address")));
    assert_non_null(strstr(dht_node_text(n), "own address not known"));
    json_decref(json);
    e.set.has_bind = true;
    e.port = 6881;
    assert_int_equal(pbts_addr_parse(&e.set.bind, pbts_span_text("127.0.0.3")), PBTS_OK);
    assert_true(dht_node_announce(n, &key, false, true, &task));
    json = dht_node_json(n);
    assert_int_equal(strncmp(json_string_value(json_object_get(json, "address")), "127.0.0.3:", 10),
                     0);
    assert_null(strstr(dht_node_text(n), "address"));
    json_decref(json);
    end(&e, n);
}

static void of_too_many_addresses_the_first_are_forgotten(void **state) {
    (void)state;
    static engine e;
    dht_node *n = begin(&e);
    for (unsigned i = 0; i < DHT_NODE_MET_MAX; i++) {
        pbts_addr addr = addr_of(i);
        dht_node_meet(n, &addr, false);
    }
    assert_int_equal(n->met_count, DHT_NODE_MET_MAX);
    assert_int_equal(n->met[0].port, 1000);
    pbts_addr more = addr_of(DHT_NODE_MET_MAX), nobody = { .family = PBTS_IPV4, .ip = { 10 } };
    dht_node_meet(n, &more, false);
    dht_node_meet(n, &nobody, false);
    assert_int_equal(n->met_count, DHT_NODE_MET_MAX);
    assert_int_equal(n->met[0].port, 1001);
    assert_int_equal(n->met[DHT_NODE_MET_MAX - 1].port, 1000 + DHT_NODE_MET_MAX);
    assert_int_equal(n->cache.count, 0); /* nobody of note named them */
    end(&e, n);
}

static void what_it_knew_is_there_after_a_restart_unless_it_is_damaged(void **state) {
    (void)state;
    static engine e;
    char path[100];
    uint8_t *bytes = NULL;
    size_t len = 0;
    (void)snprintf(path, sizeof path, "%s/%s", FOLDER, FILE_NAME);
    dht_node *n = begin(&e);
    pbts_addr addr = addr_of(7);
    dht_node_meet(n, &addr, true);
    end(&e, n);

    n = begin(&e);
    assert_int_equal(n->met_count, 1);
    assert_true(pbts_addr_equal_ip(&n->met[0], &addr) && n->met[0].port == addr.port);
    end(&e, n);

    assert_int_equal(state_read(&bytes, &len, path, PBTS_DHT_BOOTSTRAP_LEN_MAX), 0);
    bytes[len - 1] ^= 1;
    file_put(path, (pbts_span){ bytes, len });
    free(bytes);
    n = begin(&e);
    assert_int_equal(n->met_count, 0);
    end(&e, n);
}

static void what_the_user_names_is_asked_too(void **state) {
    (void)state;
    static engine e;
    dht_node *n = begin(&e);
    end(&e, n);
    kit_engine(&e, FOLDER, NULL);
    (void)snprintf(e.set.state, sizeof e.set.state, "%s", FOLDER);
    e.set.bootstraps[0] = "127.0.0.1:7001";
    e.set.bootstraps[1] = "localhost:7002";
    e.set.bootstrap_count = 2;
    assert_int_equal(dht_node_new(&n, &e), PBTS_EXIT_OK);
    for (int i = 0; i < 200 && n->names_under_way > 0; i++) (void)uv_run(&e.loop, UV_RUN_ONCE);
    assert_true(n->met_count >= 2);
    assert_int_equal(n->met[0].port, 7001);
    assert_int_equal(n->met[1].port, 7002);
    end(&e, n);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(without_a_membership_there_is_nothing_to_show),
        IN_FOLDER(with_one_it_begins_and_shows_what_it_says),
        IN_FOLDER(it_says_once_that_its_address_is_not_known),
        IN_FOLDER(of_too_many_addresses_the_first_are_forgotten),
        IN_FOLDER(what_it_knew_is_there_after_a_restart_unless_it_is_damaged),
        IN_FOLDER(what_the_user_names_is_asked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
