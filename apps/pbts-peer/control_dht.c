/* control_dht.c - `pbts dht` at the daemon: what its node is, and operations whose answer takes a
 * while. */
#include <stdlib.h>
#include <string.h>

#include "base/epoch.h"
#include "base/secret.h"
#include "codec/text.h"
#include "control_parts.h"
#include "dht/lookup_key.h"
#include "dht_node.h"
#include "share.h"
#include "status_line.h"
#include "tracker_api.h"

struct control_question {
    control_client *from;
    json_t *peers; /* lookup */
    unsigned under_way;
    uint32_t stored, rounds, queries; /* of all operations */
};

json_t *control_dht_status(engine *e, const json_t *request, control_client *from) {
    (void)request;
    (void)from;
    return json_pack("{s:b, s:o}", "ok", 1, "dht", status_dht_json(e));
}

/* ---- questions ---- */

static void drop(engine *e, control_question *question) {
    dht_node_forget(e->dht, question);
    json_decref(question->peers);
    free(question);
}

void control_dht_forget(engine *e, control_question *question) {
    if (question != NULL) drop(e, question);
}

static control_question *ask(control_client *from) {
    control_question *question = calloc(1, sizeof *question);
    if (question == NULL) return NULL;
    question->from = from;
    question->peers = json_array();
    return question;
}

/* Waits for what is under way, if anything is. */
static json_t *wait_for(engine *e, control_question *question) {
    if (question->under_way == 0) {
        drop(e, question);
        return control_refuse("the node cannot do that now: see \"pbts dht status\"");
    }
    question->from->waits_for = question;
    return NULL;
}

static json_t *answer_of(control_question *question) {
    return json_pack("{s:b, s:O, s:I, s:I, s:I}", "ok", 1, "peers", question->peers, "stored",
                     (json_int_t)question->stored, "rounds", (json_int_t)question->rounds,
                     "queries", (json_int_t)question->queries);
}

static void on_found(void *host, const pbts_dht_record *record) {
    control_question *question = host;
    char addr[PBTS_ENDPOINT_TEXT_MAX], owner[2 * PBTS_DHT_OWNER_LEN + 1];
    (void)pbts_addr_format_endpoint(addr, &record->addr);
    hex_text(owner, sizeof owner, PBTS_SPAN_OF(record->owner));
    (void)json_array_append_new(
        question->peers, json_pack("{s:s, s:s, s:b, s:I}", "address", addr, "user", owner, "seeder",
                                   record->seeder, "expires", (json_int_t)record->expires_s));
}

static void on_ended(void *host, const pbts_dht_event *end) {
    control_question *question = host;
    control_client *from = question->from;
    question->under_way--;
    if (end != NULL) {
        question->stored += end->stored;
        question->queries += end->queries;
        if (end->rounds > question->rounds) question->rounds = end->rounds;
    }
    if (question->under_way > 0) return;
    json_t *answer = answer_of(question);
    json_decref(question->peers);
    free(question);
    from->waits_for = NULL;
    control_answer_later(from, answer);
}

static const share *named(const engine *e, const json_t *request) {
    uint8_t infohash[PBTS_INFOHASH_LEN];
    const char *hex = json_string_value(json_object_get(request, "torrent"));
    if (hex == NULL ||
        pbts_hex_decode_exact(infohash, sizeof infohash, pbts_span_text(hex)) != PBTS_OK) {
        return NULL;
    }
    const share *s = engine_find(e, infohash);
    return s != NULL && s->dht.has_secret ? s : NULL;
}

/* A torrent that is shared here, or the secret that its users know. */
static bool secret_of(pbts_dht_torrent_secret *out, const engine *e, const json_t *request) {
    const char *hex = json_string_value(json_object_get(request, "secret"));
    const share *s = named(e, request);
    if (s != NULL) *out = s->dht.secret;
    return s != NULL || (hex != NULL && pbts_hex_decode_exact(out->bytes, sizeof out->bytes,
                                                              pbts_span_text(hex)) == PBTS_OK);
}

static const char NO_DHT[] = "this daemon has no DHT: it needs a key, and not --dht off";
static const char NO_TORRENT[] = "no such torrent is shared here; name its .torrent";

json_t *control_dht_lookup(engine *e, const json_t *request, control_client *from) {
    pbts_dht_torrent_secret secret;
    uint64_t epochs[PBTS_DHT_KEYS_MAX];
    if (e->dht == NULL) return control_refuse(NO_DHT);
    if (!secret_of(&secret, e, request)) return control_refuse(NO_TORRENT);
    control_question *question = ask(from);
    if (question == NULL) return NULL;
    const dht_task task = { .found = on_found, .ended = on_ended, .host = question };
    size_t count = pbts_dht_lookup_epochs(epochs, e->now.unix_s);
    for (size_t i = 0; i < count; i++) {
        pbts_dht_id key;
        pbts_dht_lookup_key(&key, e->key->iid, &secret, epochs[i]);
        question->under_way += dht_node_get(e->dht, &key, &task);
    }
    pbts_wipe(&secret, sizeof secret);
    return wait_for(e, question);
}

json_t *control_dht_announce(engine *e, const json_t *request, control_client *from) {
    uint64_t epochs[PBTS_DHT_KEYS_MAX];
    if (e->dht == NULL) return control_refuse(NO_DHT);
    const share *s = named(e, request);
    if (s == NULL) return control_refuse("no such torrent is shared here");
    control_question *question = ask(from);
    if (question == NULL) return NULL;
    const dht_task task = { .ended = on_ended, .host = question };
    size_t count = pbts_dht_announce_epochs(epochs, e->now.unix_s);
    for (size_t i = 0; i < count; i++) {
        pbts_dht_id key;
        pbts_dht_lookup_key(&key, e->key->iid, &s->dht.secret, epochs[i]);
        question->under_way += dht_node_announce(e->dht, &key, false, s->finished, &task);
    }
    return wait_for(e, question);
}
