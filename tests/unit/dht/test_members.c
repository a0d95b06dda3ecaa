/* Nodes of the DHT with the real trust behind them: members find each other's announces through
 * signatures alone; who is no member, only seeds, or has a stolen certificate gets nothing; and a
 * node that was away learns the epoch from the others. A small network on virtual time. */
#include "dht/dht.h"
#include "dht/lookup_key.h"
#include "trust_kit.h"

enum { NODES_MAX = 12, QUEUE_MAX = 4096, STEP_MS = 10 };

typedef struct {
    pbts_dht_credentials *credentials;
    pbts_dht *dht;
    pbts_addr addr;
    uint8_t user;
    uint32_t records, ended, epochs;
    pbts_dht_record last;
} node;

typedef struct {
    uint8_t to;
    pbts_addr from;
    size_t len;
    uint8_t bytes[2048];
} letter;

typedef struct {
    instance it;
    node nodes[NODES_MAX];
    size_t count;
    uint64_t now_ms; /* since NOW */
    letter *queue;
    size_t queue_len;
} network;

static pbts_moment now_of(const network *net) {
    return (pbts_moment){ NOW + net->now_ms / 1000, net->now_ms + 1000 };
}

static network *network_new(void) {
    network *net = calloc(1, sizeof *net);
    assert_non_null(net);
    net->it = instance_new(0x11);
    net->queue = calloc(QUEUE_MAX, sizeof *net->queue);
    assert_non_null(net->queue);
    return net;
}

static void network_free(network *net) {
    for (size_t i = 0; i < net->count; i++) {
        pbts_dht_free(net->nodes[i].dht);
        pbts_dht_credentials_free(net->nodes[i].credentials);
    }
    free(net->queue);
    free(net);
}

/* A node of these credentials, which shows `certificate` under `id`. */
static node *network_add(network *net, pbts_dht_credentials *credentials, const pbts_dht_id *id,
                         pbts_span certificate) {
    node *n = &net->nodes[net->count++];
    assert_true(net->count <= NODES_MAX);
    *n = (node){ .credentials = credentials,
                 .addr = {
                     .family = PBTS_IPV4, .ip = { 10, (uint8_t)net->count, 0, 1 }, .port = 6881 } };
    pbts_dht_config config = { .mem = pbts_mem_system(),
                               .random = pbts_random_system(),
                               .trust = pbts_dht_credentials_trust(credentials),
                               .id = *id,
                               .certificate = certificate,
                               .own4 = n->addr,
                               .ipv4 = true };
    memcpy(config.iid, net->it.iid, sizeof config.iid);
    assert_int_equal(pbts_dht_new(&n->dht, &config, now_of(net)), PBTS_OK);
    if (net->count > 1) pbts_dht_add_bootstrap(n->dht, &net->nodes[0].addr, now_of(net));
    return n;
}

static node *network_add_member(network *net, pbts_dht_credentials *credentials) {
    return network_add(net, credentials, &pbts_dht_credentials_self(credentials)->id,
                       pbts_dht_credentials_certificate(credentials));
}

static void take_sends(network *net, node *from) {
    pbts_addr to;
    pbts_span bytes;
    while (pbts_dht_next_send(from->dht, &to, &bytes)) {
        size_t at = (size_t)to.ip[1] - 1;
        if (at >= net->count) continue;
        assert_true(net->queue_len < QUEUE_MAX && bytes.len <= sizeof net->queue[0].bytes);
        letter *mail = &net->queue[net->queue_len++];
        *mail = (letter){ .to = (uint8_t)at, .from = from->addr, .len = bytes.len };
        memcpy(mail->bytes, bytes.data, bytes.len);
    }
}

static void take_events(node *n) {
    pbts_dht_event event;
    while (pbts_dht_next_event(n->dht, &event)) {
        if (event.kind == PBTS_DHT_RECORD) {
            n->records++;
            n->last = event.record;
        }
        n->ended += event.kind == PBTS_DHT_ENDED;
        n->epochs += event.kind == PBTS_DHT_EPOCH;
    }
}

/* Every step delivers what the last one sent. */
static void run(network *net, uint64_t for_ms) {
    for (uint64_t end = net->now_ms + for_ms; net->now_ms < end; net->now_ms += STEP_MS) {
        size_t len = net->queue_len;
        for (size_t i = 0; i < len; i++) {
            const letter *mail = &net->queue[i];
            pbts_dht_receive(net->nodes[mail->to].dht, &mail->from,
                             (pbts_span){ mail->bytes, mail->len }, now_of(net));
        }
        net->queue_len -= len;
        memmove(net->queue, net->queue + len, net->queue_len * sizeof *net->queue);
        for (size_t i = 0; i < net->count; i++) {
            pbts_dht_tick(net->nodes[i].dht, now_of(net));
            take_sends(net, &net->nodes[i]);
            take_events(&net->nodes[i]);
        }
    }
}

static pbts_dht_id key_now(const network *net) {
    pbts_dht_torrent_secret secret;
    pbts_dht_id key;
    pbts_dht_torrent_secret_of(&secret, pbts_span_text("d4:name1:xe"));
    pbts_dht_lookup_key(&key, net->it.iid, &secret, pbts_epoch_at(now_of(net).unix_s));
    return key;
}

/* How many nodes keep the announce. */
static void announce(network *net, node *n, bool seeder) {
    uint8_t bytes[PBTS_DHT_RECORD_LEN];
    uint32_t operation;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    const pbts_dht_record record = { .key = key_now(net),
                                     .addr = n->addr,
                                     .sequence = 1,
                                     .expires_s = UINT64_MAX,
                                     .seeder = seeder };
    assert_int_equal(
        pbts_dht_credentials_announce(n->credentials, &writer, &record, now_of(net).unix_s),
        PBTS_OK);
    assert_int_equal(
        pbts_dht_announce(n->dht, &operation, &record.key, pbts_writer_span(&writer), now_of(net)),
        PBTS_OK);
    run(net, 5000);
}

static uint32_t get(network *net, node *n) {
    uint32_t operation;
    pbts_dht_id key = key_now(net);
    n->records = n->ended = 0;
    assert_int_equal(pbts_dht_get(n->dht, &operation, &key, now_of(net)), PBTS_OK);
    run(net, 10000);
    assert_int_equal(n->ended, 1);
    return n->records;
}

static network *network_of_members(uint8_t count) {
    network *net = network_new();
    for (uint8_t n = 0; n < count; n++) {
        (void)network_add_member(net, node_of(&net->it, (uint8_t)(20 + n)));
    }
    run(net, 5000);
    return net;
}

static void members_find_what_a_member_announced(void **state) {
    (void)state;
    network *net = network_of_members(8);
    node *a = &net->nodes[2];
    announce(net, a, false);
    for (size_t i = 0; i < net->count; i++) {
        if (i == 2) continue;
        node *n = &net->nodes[i];
        assert_int_equal(get(net, n), 1);
        assert_true(pbts_addr_equal_ip(&n->last.addr, &a->addr));
        assert_memory_equal(n->last.owner, pbts_dht_credentials_self(a->credentials)->owner, 32);
        /* One pairing for each node it met and one for its beacon, none for packets. */
        assert_true(stats_of(n->credentials).pairings <= net->count + 1);
    }
    network_free(net);
}

/* Everything is right but the tracker's signature of its membership: another key made it. */
static void who_is_not_registered_finds_nothing(void **state) {
    (void)state;
    network *net = network_of_members(6);
    announce(net, &net->nodes[2], true);
    key_pair user = key_of(77), forger = key_of(99);
    pbts_dht_credentials *credentials = node_of(&net->it, 78); /* for a session key */
    uint8_t bytes[PBTS_DHT_CERTIFICATE_LEN];
    pbts_dht_certificate certificate;
    pbts_dht_id id;
    assert_int_equal(
        pbts_dht_certificate_decode(&certificate, pbts_dht_credentials_certificate(credentials)),
        PBTS_OK);
    certificate.membership.key = user.key;
    pbts_membership_sign(&certificate.membership, net->it.iid, &forger.secret);
    pbts_dht_certificate_sign(&certificate, net->it.iid, &user.secret);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_certificate_encode(&writer, &certificate);
    pbts_dht_node_id(&id, &user.key, &certificate.beacon);
    node *n = network_add(net, credentials, &id, pbts_writer_span(&writer));
    run(net, 5000);
    assert_int_equal(get(net, n), 0);
    network_free(net);
}

/* It has a member's certificate and signs with a session key of its own. */
static void a_stolen_certificate_finds_nothing(void **state) {
    (void)state;
    network *net = network_of_members(6);
    announce(net, &net->nodes[2], true);
    pbts_dht_credentials *owner = node_of(&net->it, 50), *thief = node_of(&net->it, 51);
    node *n = network_add(net, thief, &pbts_dht_credentials_self(owner)->id,
                          pbts_dht_credentials_certificate(owner));
    run(net, 5000);
    assert_int_equal(get(net, n), 0);
    pbts_dht_credentials_free(owner);
    network_free(net);
}

/* Below MinRep: its announce as a seeder is kept, and it is told of nobody, nor keeps others'. */
static void who_only_seeds_is_found_and_finds_nothing(void **state) {
    (void)state;
    network *net = network_of_members(6);
    announce(net, &net->nodes[2], false);
    key_pair user = key_of(60);
    pbts_membership membership = membership_of(&net->it, &user);
    membership.up_bytes = 499;
    pbts_membership_sign(&membership, net->it.iid, &net->it.tracker.secret);
    pbts_dht_credentials *poor = stranger_of(&net->it, pbts_mem_system());
    learn(poor, &net->it, NOW, NOW, PBTS_OK);
    assert_int_equal(pbts_dht_credentials_certify(poor, &user.secret, &membership, NOW), PBTS_OK);
    node *n = network_add_member(net, poor);
    run(net, 5000);
    assert_int_equal(get(net, n), 0);
    announce(net, &net->nodes[3], true); /* nor is it handed what it could read */
    assert_int_equal(get(net, n), 0);
    announce(net, n, true);
    if (get(net, n) > 0) { /* what it stores itself */
        assert_int_equal(n->records, 1);
        assert_memory_equal(n->last.owner, pbts_dht_credentials_self(poor)->owner, 32);
    }
    assert_int_equal(get(net, &net->nodes[4]), 3); /* all announces */
    network_free(net);
}

/* With an old .torrent alone: it is told the epoch, takes its new place, and is in. */
static void who_was_away_learns_the_epoch_and_joins(void **state) {
    (void)state;
    network *net = network_of_members(6);
    announce(net, &net->nodes[2], true);
    key_pair user = key_of(70);
    pbts_membership membership = membership_of(&net->it, &user);
    membership.issued = NOW - 3 * DAY;
    pbts_membership_sign(&membership, net->it.iid, &net->it.tracker.secret);
    pbts_dht_credentials *late = stranger_of(&net->it, pbts_mem_system());
    learn(late, &net->it, NOW - 3 * DAY, NOW, PBTS_OK);
    assert_int_equal(pbts_dht_credentials_certify(late, &user.secret, &membership, NOW), PBTS_OK);
    node *n = network_add_member(net, late);
    run(net, 5000);
    assert_true(pbts_dht_credentials_is_due(late, now_of(net).unix_s));
    assert_int_equal(
        pbts_dht_credentials_certify(late, &user.secret, &membership, now_of(net).unix_s), PBTS_OK);
    pbts_dht_rename(n->dht, &pbts_dht_credentials_self(late)->id,
                    pbts_dht_credentials_certificate(late), now_of(net));
    pbts_dht_add_bootstrap(n->dht, &net->nodes[0].addr, now_of(net));
    run(net, 10000);
    assert_int_equal(get(net, n), 1);
    network_free(net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_find_what_a_member_announced),
        cmocka_unit_test(who_is_not_registered_finds_nothing),
        cmocka_unit_test(a_stolen_certificate_finds_nothing),
        cmocka_unit_test(who_only_seeds_is_found_and_finds_nothing),
        cmocka_unit_test(who_was_away_learns_the_epoch_and_joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
