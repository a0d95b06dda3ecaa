/* The request loop: what to ask next, of whom, and what an answer says about who gave it. */
#include "base/assert.h"
#include "codec/text.h"
#include "eth/light_client_parts.h"

enum {
    SILENT_S = 4, /* after no answer; twice that after two in a row, and so on up to SILENT_MAX_S */
    SILENT_MAX_S = 600,
    WRONG_S = 600,
    WRONG_MAX_S = 3600,
    DOUBLINGS_MAX = 10,
    FINALITY_POLLS_PER_EPOCH = 4, /* a finalized block comes once an epoch */
};

/* ---- the clock ---- */

static void bring_forward(uint64_t *due_s, uint64_t by_s) {
    *due_s -= *due_s < by_s ? *due_s : by_s;
}

/* A clock that was ahead is set right: what was put off by it is put off by as long from now, and
 * not until the time comes again that it showed. */
static void heed_clock(pbts_light_client *client, uint64_t now_s) {
    uint64_t back_s = now_s < client->clock_s ? client->clock_s - now_s : 0;
    client->clock_s = now_s;
    if (back_s == 0) return;
    for (uint32_t i = 0; i < client->config.server_count; i++) {
        bring_forward(&client->servers[i].asked_again_s, back_s);
    }
    bring_forward(&client->updates_s, back_s);
    bring_forward(&client->finality_s, back_s);
    bring_forward(&client->optimistic_s, back_s);
}

/* ---- what is wanted ---- */

static uint64_t epoch_s(const pbts_beacon_network *network) {
    return (uint64_t)network->slots_per_epoch * network->seconds_per_slot;
}

static uint32_t at_most(uint64_t value, uint32_t limit) {
    return value < limit ? (uint32_t)value : limit;
}

/* Whether nobody we know signs today: heads of today could not be checked. */
static bool is_behind(const pbts_light_store *store, uint64_t now_s) {
    uint64_t known = pbts_beacon_period(&store->network, store->finalized.beacon.slot);
    uint64_t today =
        pbts_beacon_period(&store->network, pbts_beacon_slot_at(&store->network, now_s));
    return today > known + (store->has_next ? 1 : 0);
}

/* The periods whose update is missing: the next committee is unknown, or those who sign today. */
static bool want_updates(const pbts_light_client *client, pbts_light_request *out, uint64_t now_s) {
    const pbts_light_store *store = &client->store;
    const pbts_beacon_network *network = &store->network;
    uint64_t known = pbts_beacon_period(network, store->finalized.beacon.slot);
    uint64_t today = pbts_beacon_period(network, pbts_beacon_slot_at(network, now_s));
    out->kind = PBTS_LIGHT_UPDATES;
    out->period = store->has_next ? known + 1 : known;
    if (store->has_next && !is_behind(store, now_s)) return false;
    uint64_t missing = today > out->period ? today - out->period : 1;
    out->count = at_most(missing, PBTS_LIGHT_UPDATES_MAX);
    return true;
}

/* The wish that is due sooner; of two that are due now the one that was asked longer ago, as it may
 * be that nobody can answer the other. */
static void weigh(const pbts_light_client *client, pbts_light_request *out, uint64_t *due_s,
                  pbts_light_request_kind kind, uint64_t kind_due_s, uint64_t now_s) {
    bool both = *due_s <= now_s && kind_due_s <= now_s;
    bool is_first = both ? client->asked[kind] < client->asked[out->kind] : kind_due_s < *due_s;
    if (!is_first) return;
    *out = (pbts_light_request){ .kind = kind };
    *due_s = kind_due_s;
}

/* When the earliest wish is due; *out says what it is. */
static uint64_t next_wish_s(const pbts_light_client *client, pbts_light_request *out,
                            uint64_t now_s) {
    const pbts_light_store *store = &client->store;
    memset(out, 0, sizeof *out);
    if (!store->is_bootstrapped) {
        out->kind = PBTS_LIGHT_BOOTSTRAP;
        out->root = pbts_ssz_chunk_bytes(PBTS_SPAN_OF(client->config.trusted_root));
        return 0;
    }
    uint64_t due_s = UINT64_MAX;
    if (want_updates(client, out, now_s)) due_s = client->updates_s;
    if (is_behind(store, now_s)) return 0;
    weigh(client, out, &due_s, PBTS_LIGHT_OPTIMISTIC, client->optimistic_s, now_s);
    weigh(client, out, &due_s, PBTS_LIGHT_FINALITY, client->finality_s, now_s);
    return due_s;
}

/* The server that may be asked soonest; among those that may be asked now the one with the fewest
 * faults. */
static uint32_t best_server(const pbts_light_client *client, uint64_t now_s) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < client->config.server_count; i++) {
        const pbts_light_server *a = &client->servers[i], *b = &client->servers[best];
        uint64_t a_s = a->asked_again_s > now_s ? a->asked_again_s : now_s;
        uint64_t b_s = b->asked_again_s > now_s ? b->asked_again_s : now_s;
        uint32_t a_faults = a->silent + a->lagging + a->wrong;
        uint32_t b_faults = b->silent + b->lagging + b->wrong;
        if (a_s < b_s || (a_s == b_s && a_faults < b_faults)) best = i;
    }
    return best;
}

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* When the next request can be made, and which; UINT64_MAX for never. */
static uint64_t plan(const pbts_light_client *client, pbts_light_request *out, uint64_t now_s) {
    if (client->is_waiting || pbts_light_client_check_age(client, now_s) == PBTS_STALE) {
        return UINT64_MAX;
    }
    uint64_t due_s = later(next_wish_s(client, out, now_s), now_s);
    out->server = best_server(client, now_s);
    return later(due_s, client->servers[out->server].asked_again_s);
}

bool pbts_light_client_next_request(pbts_light_client *client, pbts_light_request *out,
                                    uint64_t now_s) {
    pbts_light_request next = { .kind = PBTS_LIGHT_BOOTSTRAP };
    heed_clock(client, now_s);
    if (plan(client, &next, now_s) > now_s) return false;
    next.number = client->request.number + 1;
    client->request = next;
    client->asked[next.kind] = next.number;
    client->is_waiting = true;
    *out = next;
    return true;
}

uint64_t pbts_light_client_deadline_s(const pbts_light_client *client, uint64_t now_s) {
    pbts_light_request next;
    return plan(client, &next, now_s);
}

void pbts_light_request_path(pbts_writer *writer, const pbts_light_request *request) {
    pbts_write_text(writer, "/eth/v1/beacon/light_client/");
    switch (request->kind) {
    case PBTS_LIGHT_BOOTSTRAP:
        pbts_write_text(writer, "bootstrap/0x");
        pbts_hex_encode(writer, PBTS_SPAN_OF(request->root.bytes));
        return;
    case PBTS_LIGHT_UPDATES:
        pbts_write_text(writer, "updates?start_period=");
        pbts_write_decimal(writer, request->period);
        pbts_write_text(writer, "&count=");
        pbts_write_decimal(writer, request->count);
        return;
    case PBTS_LIGHT_FINALITY: pbts_write_text(writer, "finality_update"); return;
    case PBTS_LIGHT_OPTIMISTIC: pbts_write_text(writer, "optimistic_update"); return;
    }
    assert(!"a request of no kind");
}

/* ---- what an answer says about its server ---- */

static uint64_t backoff_s(uint64_t first_s, uint32_t times, uint64_t max_s) {
    uint32_t doublings = times > DOUBLINGS_MAX ? DOUBLINGS_MAX : times - 1;
    uint64_t wait_s = first_s << doublings;
    return wait_s < max_s ? wait_s : max_s;
}

static void count_one(uint32_t *times) {
    if (*times < UINT32_MAX / 4) (*times)++;
}

static void blame_silence(pbts_light_server *server, uint64_t now_s) {
    count_one(&server->silent);
    server->asked_again_s = now_s + backoff_s(SILENT_S, server->silent, SILENT_MAX_S);
}

static void blame_lag(pbts_light_server *server, uint32_t poll_s, uint64_t now_s) {
    count_one(&server->lagging);
    server->asked_again_s = now_s + backoff_s(poll_s, server->lagging, SILENT_MAX_S);
}

static void blame_lie(pbts_light_server *server, uint64_t now_s) {
    count_one(&server->wrong);
    server->asked_again_s = now_s + backoff_s(WRONG_S, server->wrong, WRONG_MAX_S);
}

void pbts_light_client_no_answer(pbts_light_client *client, uint64_t number, uint64_t now_s) {
    if (!client->is_waiting || client->request.number != number) return;
    heed_clock(client, now_s);
    client->is_waiting = false;
    blame_silence(&client->servers[client->request.server], now_s);
}

/* ---- taking an answer ---- */

typedef struct {
    pbts_light_client *client;
    uint64_t now_s;
    uint32_t taken;
} intake;

/* One update of a list: of a period that was asked for. */
static pbts_status take_update(void *context, const pbts_light_update *update) {
    intake *in = context;
    const pbts_light_request *request = &in->client->request;
    const pbts_beacon_network *network = &in->client->store.network;
    uint64_t period = pbts_beacon_period(network, update->attested.beacon.slot);
    if (period < request->period || period - request->period >= request->count) {
        return PBTS_MALFORMED;
    }
    PBTS_TRY(pbts_light_client_update(in->client, update, in->now_s));
    in->taken++;
    return PBTS_OK;
}

static pbts_status take_ssz_updates(intake *in, pbts_span body) {
    pbts_light_client *client = in->client;
    pbts_light_update *update = &client->scratch.update;
    pbts_cursor cursor = pbts_cursor_over(body);
    pbts_span bytes;
    pbts_status status;
    if (body.len > PBTS_LIGHT_ANSWER_LEN_MAX) return PBTS_LIMIT;
    for (uint32_t i = 0; (status = pbts_light_updates_next(&cursor, &bytes)) == PBTS_OK; i++) {
        if (i == PBTS_LIGHT_UPDATES_MAX) return PBTS_LIMIT;
        PBTS_TRY(pbts_light_update_decode_ssz(update, &client->store.network,
                                              PBTS_LIGHT_FULL_UPDATE, bytes));
        PBTS_TRY(take_update(in, update));
    }
    return status == PBTS_NOT_FOUND && in->taken > 0 ? PBTS_OK : status;
}

static pbts_status take_updates(intake *in, pbts_light_format format, pbts_span body) {
    if (format == PBTS_LIGHT_SSZ) return take_ssz_updates(in, body);
    PBTS_TRY(pbts_light_updates_decode_json(&in->client->scratch.update, &in->client->store.network,
                                            body, take_update, in));
    return in->taken > 0 ? PBTS_OK : PBTS_NOT_FOUND;
}

static pbts_status take_head(intake *in, pbts_light_container container, pbts_light_format format,
                             pbts_span body) {
    pbts_light_update *update = &in->client->scratch.update;
    const pbts_beacon_network *network = &in->client->store.network;
    PBTS_TRY(format == PBTS_LIGHT_SSZ
                 ? pbts_light_update_decode_ssz(update, network, container, body)
                 : pbts_light_update_decode_json(update, network, container, body));
    return pbts_light_client_update(in->client, update, in->now_s);
}

static pbts_status take_bootstrap(intake *in, pbts_light_format format, pbts_span body) {
    pbts_light_bootstrap *bootstrap = &in->client->scratch.bootstrap;
    const pbts_beacon_network *network = &in->client->store.network;
    PBTS_TRY(format == PBTS_LIGHT_SSZ ? pbts_light_bootstrap_decode_ssz(bootstrap, network, body)
                                      : pbts_light_bootstrap_decode_json(bootstrap, network, body));
    return pbts_light_client_bootstrap(in->client, bootstrap, in->now_s);
}

static pbts_status take(intake *in, pbts_light_format format, pbts_span body) {
    switch (in->client->request.kind) {
    case PBTS_LIGHT_BOOTSTRAP: return take_bootstrap(in, format, body);
    case PBTS_LIGHT_UPDATES: return take_updates(in, format, body);
    case PBTS_LIGHT_FINALITY: return take_head(in, PBTS_LIGHT_FINALITY_UPDATE, format, body);
    case PBTS_LIGHT_OPTIMISTIC: return take_head(in, PBTS_LIGHT_OPTIMISTIC_UPDATE, format, body);
    }
    assert(!"a request of no kind");
    return PBTS_MALFORMED;
}

/* Whether the answer shows a server that is behind: a head of long ago, or an update of a past
 * period that does not lead on. Of today's period there may be no update yet that would. */
static bool shows_lag(const pbts_light_client *client, pbts_status status, bool led_on,
                      uint64_t now_s) {
    const pbts_beacon_network *network = &client->store.network;
    uint64_t slot = pbts_beacon_slot_at(network, now_s);
    uint64_t epochs = client->request.kind == PBTS_LIGHT_FINALITY ? 2 : 1;
    bool is_of_no_use = status == PBTS_STALE || status == PBTS_NOT_FOUND;
    if (client->request.kind == PBTS_LIGHT_UPDATES) {
        return !led_on && client->request.period < pbts_beacon_period(network, slot);
    }
    if (is_of_no_use || client->request.kind == PBTS_LIGHT_BOOTSTRAP) return is_of_no_use;
    uint64_t attested = client->scratch.update.attested.beacon.slot;
    return slot > attested && slot - attested > epochs * network->slots_per_epoch;
}

/* When to ask for the same again: a head by the clock, an update once there can be a new one. */
static void schedule(pbts_light_client *client, uint64_t now_s) {
    const pbts_beacon_network *network = &client->store.network;
    uint64_t finality_s = epoch_s(network) / FINALITY_POLLS_PER_EPOCH;
    switch (client->request.kind) {
    case PBTS_LIGHT_BOOTSTRAP: return;
    case PBTS_LIGHT_UPDATES: client->updates_s = now_s + epoch_s(network); return;
    case PBTS_LIGHT_FINALITY:
        client->finality_s = now_s + later(finality_s, client->config.poll_s);
        return;
    case PBTS_LIGHT_OPTIMISTIC: client->optimistic_s = now_s + client->config.poll_s; return;
    }
}

static void judge(pbts_light_client *client, pbts_status status, bool led_on, uint64_t now_s) {
    pbts_light_server *server = &client->servers[client->request.server];
    bool is_right = status == PBTS_OK || status == PBTS_STALE || status == PBTS_NOT_FOUND;
    if (pbts_status_class(status) == PBTS_RESOURCE) {
        server->asked_again_s = now_s + client->config.poll_s;
    } else if (!is_right) {
        blame_lie(server, now_s);
    } else if (shows_lag(client, status, led_on, now_s)) {
        blame_lag(server, client->config.poll_s, now_s);
    } else {
        *server = (pbts_light_server){ .wrong = server->wrong / 2 };
        if (!led_on || client->request.kind != PBTS_LIGHT_UPDATES) schedule(client, now_s);
    }
}

pbts_status pbts_light_client_answer(pbts_light_client *client, uint64_t number,
                                     pbts_light_format format, pbts_span body, uint64_t now_s) {
    const pbts_light_store *store = &client->store;
    if (!client->is_waiting || client->request.number != number) return PBTS_DENIED;
    heed_clock(client, now_s);
    intake in = { .client = client, .now_s = now_s };
    bool had_next = store->has_next;
    uint64_t had_slot = store->finalized.beacon.slot;
    client->is_waiting = false;
    pbts_status status = take(&in, format, body);
    bool led_on = store->has_next != had_next || store->finalized.beacon.slot != had_slot;
    judge(client, status, led_on, now_s);
    return status;
}
