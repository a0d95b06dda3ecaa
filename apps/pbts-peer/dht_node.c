#include "dht_node_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_codes.h"
#include "home.h"
#include "net/clock.h"
#include "say.h"
#include "tell.h"
#include "tracker_api.h"

enum { VERDICTS_MAX = 4096 };

/* ---- what it shows ---- */

static bool is_of_this_tracker(const dht_node *n) {
    return memcmp(&n->tracker_key, home_tracker_key(n->e->ours), sizeof n->tracker_key) == 0;
}

static void end_tasks(dht_node *n) {
    for (size_t i = 0; i < PBTS_DHT_OPERATIONS_MAX; i++) {
        dht_running over = n->tasks[i];
        n->tasks[i].operation = 0;
        if (over.operation != 0) over.task.ended(over.task.host, NULL);
    }
}

static void drop(dht_node *n) {
    pbts_dht_free(n->dht);
    pbts_dht_credentials_free(n->credentials);
    n->dht = NULL;
    n->credentials = NULL;
    n->joined = false;
    end_tasks(n);
}

static bool make_credentials(dht_node *n) {
    const engine *e = n->e;
    pbts_dht_credentials_config config = { .mem = pbts_mem_system(),
                                           .random = pbts_random_system(),
                                           .tracker = e->terms.tracker_key,
                                           .verdicts_max = VERDICTS_MAX };
    memcpy(config.iid, e->key->iid, sizeof config.iid);
    n->tracker_key = *home_tracker_key(e->ours);
    return pbts_dht_credentials_new(&n->credentials, &config) == PBTS_OK;
}

/* The tracker's beacon for the node, the node's for links: it may have heard of a newer one. */
static void exchange_beacons(dht_node *n) {
    pbts_epoch_beacon beacon;
    uint8_t bytes[PBTS_DHT_BEACON_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    if (home_beacon(n->e->ours, &beacon)) {
        pbts_dht_beacon_encode(&writer, &beacon);
        pbts_status status = pbts_dht_credentials_learn_beacon(
            n->credentials, pbts_writer_span(&writer), n->e->now.unix_s);
        if (status == PBTS_OK) n->try_ms = 0; /* known, or older than another one: no news */
    }
    if (pbts_dht_beacon_decode(&beacon, pbts_dht_credentials_beacon(n->credentials)) == PBTS_OK) {
        n->e->terms.tracker_time_s = beacon.epoch * PBTS_EPOCH_SECONDS;
    }
}

static const char *problem_of(pbts_status status) {
    switch (status) {
    case PBTS_OK: return NULL;
    case PBTS_NOT_FOUND: return "no beacon of the tracker is known";
    case PBTS_DENIED: return "the membership is of another key";
    case PBTS_STALE: return "the membership is over; the tracker gives a new one";
    case PBTS_MALFORMED:
    case PBTS_BAD_SIGNATURE: return "the membership is not the tracker's word";
    default: return pbts_status_text(status);
    }
}

static pbts_status begin(dht_node *n) {
    const pbts_dht_member *self = pbts_dht_credentials_self(n->credentials);
    pbts_dht_config config = {
        .mem = pbts_mem_system(),
        .random = pbts_random_system(),
        .trust = pbts_dht_credentials_trust(n->credentials),
        .id = self->id,
        .certificate = pbts_dht_credentials_certificate(n->credentials),
        .own4 = dht_sockets_own(n, PBTS_IPV4),
        .own6 = dht_sockets_own(n, PBTS_IPV6),
        .ipv4 = dht_sockets_have(n, PBTS_IPV4),
        .ipv6 = dht_sockets_have(n, PBTS_IPV6),
    };
    memcpy(config.iid, n->e->key->iid, sizeof config.iid);
    PBTS_TRY(pbts_dht_new(&n->dht, &config, n->e->now));
    for (size_t i = 0; i < n->met_count; i++) pbts_dht_add_bootstrap(n->dht, &n->met[i], n->e->now);
    return PBTS_OK;
}

static void tell_problem(dht_node *n, pbts_status status) {
    const char *problem = problem_of(status);
    if (problem != NULL && problem != n->problem) {
        tell("dht_failed", json_pack("{s:s}", "error", problem), "DHT: %s", problem);
    }
    n->problem = problem;
}

/* A certificate when one is due; with the first one the node begins. */
static void certify(dht_node *n) {
    engine *e = n->e;
    pbts_membership membership;
    if (!home_membership(e->ours, &membership)) return;
    exchange_beacons(n);
    if (!pbts_dht_credentials_is_due(n->credentials, e->now.unix_s)) return;
    if (e->now.mono_ms < n->try_ms && membership.issued == n->issued_seen) return;
    n->try_ms = e->now.mono_ms + DHT_NODE_RETRY_MS;
    n->issued_seen = membership.issued;
    pbts_status status =
        pbts_dht_credentials_certify(n->credentials, &e->key->secret, &membership, e->now.unix_s);
    if (status == PBTS_OK && n->dht == NULL) status = begin(n);
    tell_problem(n, status);
    if (status != PBTS_OK) return;
    const pbts_dht_member *self = pbts_dht_credentials_self(n->credentials);
    if (!pbts_dht_id_equal(pbts_dht_own_id(n->dht), &self->id)) n->joined = false;
    pbts_dht_rename(n->dht, &self->id, pbts_dht_credentials_certificate(n->credentials), e->now);
}

static void look_after(dht_node *n) {
    if (!home_knows_key(n->e->ours)) return;
    if (n->credentials != NULL && !is_of_this_tracker(n)) drop(n);
    if (n->credentials == NULL && !make_credentials(n)) return;
    certify(n);
}

/* ---- what it says ---- */

static dht_running *running(dht_node *n, uint32_t operation) {
    for (size_t i = 0; i < PBTS_DHT_OPERATIONS_MAX; i++) {
        if (n->tasks[i].operation == operation) return &n->tasks[i];
    }
    return NULL;
}

static void tell_joined(dht_node *n) {
    pbts_dht_stats stats;
    pbts_dht_stats_read(n->dht, &stats);
    if (!n->joined) {
        tell_program("dht_joined", json_pack("{s:I}", "nodes", (json_int_t)stats.placed));
    }
    n->joined = true;
}

static void take_event(dht_node *n, const pbts_dht_event *event) {
    if (event->kind == PBTS_DHT_JOINED) tell_joined(n);
    if (event->kind == PBTS_DHT_EPOCH) n->try_ms = 0; /* the next tick certifies */
    dht_running *of = event->operation == 0 ? NULL : running(n, event->operation);
    if (of == NULL) return;
    dht_task task = of->task;
    if (event->kind == PBTS_DHT_RECORD && task.found != NULL) task.found(task.host, &event->record);
    if (event->kind != PBTS_DHT_ENDED) return;
    of->operation = 0;
    task.ended(task.host, event);
}

/* What is told may ask for more. */
void dht_node_drain(dht_node *n) {
    pbts_dht_event event;
    pbts_addr to;
    pbts_span datagram;
    while (n->dht != NULL && pbts_dht_next_event(n->dht, &event)) take_event(n, &event);
    while (n->dht != NULL && pbts_dht_next_send(n->dht, &to, &datagram)) {
        dht_sockets_send(n, &to, datagram);
    }
}

void dht_node_tick(dht_node *n) {
    pbts_dht_stats stats;
    if (n == NULL || n->is_closed) return;
    look_after(n);
    if (n->dht != NULL && pbts_dht_deadline_ms(n->dht) <= n->e->now.mono_ms) {
        pbts_dht_tick(n->dht, n->e->now);
        pbts_dht_stats_read(n->dht, &stats);
        if (stats.placed == 0) n->joined = false;
    }
    dht_node_drain(n);
    dht_cache_tick(n);
}

void dht_node_meet(dht_node *n, const pbts_addr *addr, bool named) {
    if (n == NULL || addr->port == 0) return;
    if (named) {
        pbts_dht_bootstrap_note(&n->cache, addr, n->e->now.unix_s);
        n->cache_changed = true;
    }
    if (n->dht != NULL) {
        if (!n->joined) pbts_dht_add_bootstrap(n->dht, addr, n->e->now);
        return;
    }
    if (n->met_count == DHT_NODE_MET_MAX) {
        n->met_count--;
        memmove(n->met, n->met + 1, n->met_count * sizeof n->met[0]);
    }
    n->met[n->met_count++] = *addr;
}

/* ---- operations ---- */

bool dht_node_is_joined(const dht_node *n) {
    return n != NULL && n->joined;
}

uint64_t dht_node_gets(const dht_node *n) {
    pbts_dht_stats stats;
    if (n == NULL || n->dht == NULL) return 0;
    pbts_dht_stats_read(n->dht, &stats);
    return stats.gets;
}

static bool note_task(dht_node *n, pbts_status status, uint32_t operation, const dht_task *task) {
    dht_running *slot = running(n, 0);
    if (status != PBTS_OK || slot == NULL) return false;
    *slot = (dht_running){ *task, operation };
    return true;
}

bool dht_node_get(dht_node *n, const pbts_dht_id *key, const dht_task *task) {
    uint32_t operation = 0;
    if (!dht_node_is_joined(n) || running(n, 0) == NULL) return false;
    pbts_status status = pbts_dht_get(n->dht, &operation, key, n->e->now);
    return note_task(n, status, operation, task);
}

/* Members that were met a moment ago may still tell it. */
static void miss_address(dht_node *n) {
    static const char WHY[] = "our address is not known";
    uint64_t now_ms = n->e->now.mono_ms;
    if (n->missed_ms == 0) n->missed_ms = now_ms;
    if (n->address_is_asked || now_ms - n->missed_ms < DHT_NODE_ADDRESS_MS) return;
    n->address_is_asked = true;
    tell("dht_no_address", json_pack("{s:s}", "error", WHY),
         "DHT: %s, so nothing is announced there: give --bind ADDRESS, or wait until two members "
         "at different addresses have told it",
         WHY);
}

bool dht_node_announce(dht_node *n, const pbts_dht_id *key, bool stopped, bool seeder,
                       const dht_task *task) {
    uint8_t bytes[PBTS_DHT_RECORD_MAX];
    uint32_t operation = 0;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    if (!dht_node_is_joined(n) || running(n, 0) == NULL) return false;
    pbts_dht_record record = { .key = *key,
                               .addr = dht_sockets_announced(n),
                               .sequence = pbts_clock_unix_ms(),
                               .expires_s = UINT64_MAX,
                               .stopped = stopped,
                               .seeder = seeder };
    if (record.addr.port == 0) {
        miss_address(n);
        return false;
    }
    n->missed_ms = 0;
    pbts_status status =
        pbts_dht_credentials_announce(n->credentials, &writer, &record, n->e->now.unix_s);
    if (status != PBTS_OK) return false;
    status = pbts_dht_announce(n->dht, &operation, key, pbts_writer_span(&writer), n->e->now);
    return note_task(n, status, operation, task);
}

void dht_node_forget(dht_node *n, const void *host) {
    for (size_t i = 0; n != NULL && i < PBTS_DHT_OPERATIONS_MAX; i++) {
        if (n->tasks[i].task.host == host) n->tasks[i].operation = 0;
    }
}

/* ---- figures ---- */

const char *dht_node_text(const dht_node *n) {
    static char text[160];
    pbts_dht_stats stats;
    if (n == NULL) return "off";
    if (n->dht == NULL) return n->problem != NULL ? n->problem : "waits for a membership";
    pbts_dht_stats_read(n->dht, &stats);
    bool is_found = !n->joined || dht_sockets_announced(n).port != 0;
    (void)snprintf(text, sizeof text, "%s%s%s", n->joined ? "" : "joining, ",
                   say_count(stats.placed, "node"), is_found ? "" : ", own address not known");
    return text;
}

/* Null: not known. */
static json_t *address_json(const dht_node *n) {
    char text[PBTS_ENDPOINT_TEXT_MAX];
    pbts_addr own = dht_sockets_announced(n);
    if (own.port == 0) return json_null();
    (void)pbts_addr_format_endpoint(text, &own);
    return json_string(text);
}

json_t *dht_node_json(const dht_node *n) {
    char hex[2 * PBTS_DHT_ID_LEN + 1];
    pbts_dht_stats stats;
    if (n == NULL) return json_null();
    json_t *json = json_pack("{s:s, s:b, s:I}", "state", dht_node_text(n), "joined", n->joined,
                             "known_addresses", (json_int_t)n->cache.count);
    if (n->dht == NULL || json == NULL) return json;
    pbts_dht_stats_read(n->dht, &stats);
    hex_text(hex, sizeof hex, PBTS_SPAN_OF(pbts_dht_own_id(n->dht)->bytes));
    const pbts_dht_member *self = pbts_dht_credentials_self(n->credentials);
    uint64_t dropped = stats.malformed + stats.replays + stats.misdirected + stats.over_budget;
    json_t *more = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "id", hex, "nodes",
        (json_int_t)stats.placed, "contacts", (json_int_t)stats.contacts, "records",
        (json_int_t)stats.records, "operations", (json_int_t)stats.operations, "received",
        (json_int_t)stats.received, "sent", (json_int_t)stats.sent, "refused_certificates",
        (json_int_t)stats.bad_certificates, "refused_signatures", (json_int_t)stats.bad_signatures,
        "foreign", (json_int_t)stats.foreign, "dropped", (json_int_t)dropped, "certificate_expires",
        (json_int_t)self->expires_s, "seeds_only", self->seeds_only);
    if (more != NULL) (void)json_object_update_new(json, more);
    json_object_set_new(json, "address", address_json(n));
    return json;
}

/* ---- life ---- */

int dht_node_new(dht_node **out, engine *e) {
    dht_node *n = calloc(1, sizeof *n);
    if (n == NULL) return say_no_memory();
    n->e = e;
    if (dht_sockets_open(n) == 0) {
        tell("dht_failed", json_pack("{s:s}", "error", "the port is not to be had for UDP"),
             "DHT: port %u is not to be had for UDP; there is none in this run", e->port);
        free(n);
        return PBTS_EXIT_OK;
    }
    dht_cache_load(n);
    *out = n;
    return PBTS_EXIT_OK;
}

void dht_node_close(dht_node *n) {
    if (n == NULL || n->is_closed) return;
    n->is_closed = true;
    dht_cache_save(n);
    dht_sockets_close(n);
    for (size_t i = 0; i < n->name_count; i++) (void)uv_cancel((uv_req_t *)&n->names[i].request);
}

void dht_node_free(dht_node *n) {
    if (n == NULL) return;
    pbts_dht_free(n->dht);
    pbts_dht_credentials_free(n->credentials);
    free(n);
}
