#include "home.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "codec/text.h"
#include "origin.h"
#include "state.h"
#include "tell.h"
#include "torrent/fallback.h"
#include "tracker_api.h"
#include "wire/peer_pbts.h"

enum {
    FILE_MAX = 8192,
    PARAMS_MAX = 64 * 1024,
    TRACKER_ID_LIFE_S = 23 * 3600, /* the tracker gives a day */
    TICKET_OLD_S = 6 * 3600,       /* then it is renewed */
    TICKET_MARGIN_S = 60,
    CLOCK_SLACK_S = 300,
};

struct home {
    const keyfile *key;
    pbts_link_terms *terms;
    char path[PATH_MAX];
    char base[HOME_BASE_MAX];
    bool is_sure;     /* its /params were seen, now or in an earlier run */
    bool key_is_told; /* by a .torrent only */
    pbts_bls_public tracker_key;
    uint8_t ticket[HOME_TICKET_MAX];
    size_t ticket_len;
    uint64_t ticket_issued, ticket_expires;
    bool has_predecessor;
    uint8_t predecessor[PBTS_IID_LEN];
    bool has_membership, has_beacon;
    pbts_membership membership;
    uint8_t membership_bytes[PBTS_MEMBERSHIP_LEN]; /* as the terms show it */
    pbts_epoch_beacon beacon;
    char tracker_id[PBTS_TRACKER_ID_LEN_MAX + 1];
    uint64_t tracker_id_until;
    uint64_t signed_at; /* times of signatures ascend */
    bool sign_next;
    struct {
        char base[HOME_BASE_MAX];
    } foreign[HOME_ASKED_MAX]; /* trackers that are not ours */
    size_t foreign_count;
};

/* ---- what is kept ---- */

static bool take_key(home *h, const char *text) {
    pbts_bls_public key;
    pbts_bls_public_point point;
    if (text == NULL ||
        pbts_base64_decode_exact(key.bytes, sizeof key.bytes, pbts_span_text(text)) != PBTS_OK ||
        pbts_bls_public_decode(&point, &key) != PBTS_OK) {
        return false;
    }
    bool same = memcmp(&key, &h->tracker_key, sizeof key) == 0;
    if (h->terms->has_tracker_key && !h->key_is_told) return same;
    h->key_is_told = false;
    if (!same) h->has_membership = h->has_beacon = false; /* another's words */
    if (!same) h->terms->membership = (pbts_span){ NULL, 0 };
    h->tracker_key = key;
    h->terms->tracker_key = point;
    h->terms->has_tracker_key = true;
    return true;
}

static bool take_base(home *h, const char *text) {
    pbts_span origin = text == NULL ? (pbts_span){ NULL, 0 } : origin_of(pbts_span_text(text));
    if (origin.len == 0 || origin.len >= sizeof h->base) return false;
    memcpy(h->base, origin.data, origin.len);
    h->base[origin.len] = '\0';
    return true;
}

static void take_predecessor(home *h, const char *text) {
    uint8_t iid[PBTS_IID_LEN];
    h->has_predecessor =
        text != NULL && pbts_hex_decode_exact(iid, sizeof iid, pbts_span_text(text)) == PBTS_OK;
    if (h->has_predecessor) memcpy(h->predecessor, iid, sizeof iid);
}

static bool take_ticket(home *h, pbts_span bytes) {
    pbts_peer_ticket ticket;
    if (bytes.len > sizeof h->ticket || pbts_peer_ticket_decode(&ticket, bytes) != PBTS_OK ||
        memcmp(&ticket.key, &h->key->key, sizeof ticket.key) != 0) {
        return false;
    }
    memcpy(h->ticket, bytes.data, bytes.len);
    h->ticket_len = bytes.len;
    h->ticket_issued = ticket.issued;
    h->ticket_expires = ticket.expires;
    h->terms->ticket = (pbts_span){ h->ticket, h->ticket_len };
    return true;
}

/* Whether what was signed at `unix_s` stands against something older: not when it comes from a time
 * at which the tracker's clock was wrong. */
static bool stands(uint64_t signed_s, uint64_t now_s) {
    return signed_s <= now_s + CLOCK_SLACK_S;
}

/* An older one than is known changes nothing: a copied answer takes nothing back. */
static bool take_membership(home *h, pbts_span bytes, uint64_t now_s) {
    pbts_membership membership;
    if (!h->terms->has_tracker_key || pbts_membership_decode(&membership, bytes) != PBTS_OK ||
        memcmp(&membership.key, &h->key->key, sizeof membership.key) != 0 ||
        (h->has_membership && membership.issued <= h->membership.issued &&
         stands(h->membership.issued, now_s)) ||
        pbts_membership_check(&membership, h->key->iid, &h->terms->tracker_key) != PBTS_OK) {
        return false;
    }
    h->has_membership = true;
    h->membership = membership;
    memcpy(h->membership_bytes, bytes.data, bytes.len);
    h->terms->membership = PBTS_SPAN_OF(h->membership_bytes);
    return true;
}

static bool take_beacon(home *h, pbts_span bytes, uint64_t now_s) {
    pbts_epoch_beacon beacon;
    if (!h->terms->has_tracker_key || pbts_dht_beacon_decode(&beacon, bytes) != PBTS_OK ||
        (h->has_beacon && beacon.epoch <= h->beacon.epoch &&
         stands(h->beacon.epoch * PBTS_EPOCH_SECONDS, now_s)) ||
        pbts_dht_beacon_check(&beacon, h->key->iid, &h->terms->tracker_key) != PBTS_OK) {
        return false;
    }
    h->has_beacon = true;
    h->beacon = beacon;
    return true;
}

static void take_told_key(home *h, pbts_span key) {
    pbts_bls_public bytes;
    if (h->terms->has_tracker_key || key.len != sizeof bytes.bytes) return;
    memcpy(bytes.bytes, key.data, key.len);
    if (pbts_bls_public_decode(&h->terms->tracker_key, &bytes) != PBTS_OK) return;
    h->tracker_key = bytes;
    h->terms->has_tracker_key = h->key_is_told = true;
}

/* The base64 text under `name`, decoded into `room`; empty when there is none that fits. */
static pbts_span kept_bytes(const json_t *kept, const char *name, uint8_t *room, size_t room_len) {
    size_t len = 0;
    const char *text = json_string_value(json_object_get(kept, name));
    bool fits =
        text != NULL && pbts_base64_decode(room, &len, room_len, pbts_span_text(text)) == PBTS_OK;
    return (pbts_span){ room, fits ? len : 0 };
}

static void take_kept(home *h, const json_t *kept) {
    uint8_t bytes[HOME_TICKET_MAX];
    if (!take_key(h, json_string_value(json_object_get(kept, "tracker_key")))) return;
    if (h->base[0] == '\0') {
        (void)take_base(h, json_string_value(json_object_get(kept, "tracker")));
    }
    h->is_sure = true;
    take_predecessor(h, json_string_value(json_object_get(kept, "predecessor")));
    (void)take_ticket(h, kept_bytes(kept, "ticket", bytes, sizeof bytes));
    (void)take_membership(h, kept_bytes(kept, "member", bytes, sizeof bytes), 0);
    (void)take_beacon(h, kept_bytes(kept, "beacon", bytes, sizeof bytes), 0);
}

static void save(const home *h);

static void load(home *h) {
    uint8_t *bytes;
    size_t len;
    if (state_read(&bytes, &len, h->path, FILE_MAX) != 0) return;
    json_t *kept = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
    if (kept != NULL) take_kept(h, kept);
    json_decref(kept);
    free(bytes);
}

void home_take_fallback(home *h, pbts_span torrent, uint64_t unix_s) {
    pbts_torrent_fallback fallback;
    if (pbts_torrent_fallback_find(&fallback, torrent) != PBTS_OK ||
        fallback.iid.len != sizeof h->key->iid ||
        memcmp(fallback.iid.data, h->key->iid, sizeof h->key->iid) != 0) {
        return;
    }
    take_told_key(h, fallback.tracker_key);
    bool news = take_membership(h, fallback.membership, unix_s);
    if (take_beacon(h, fallback.beacon, unix_s)) news = true;
    if (news && !h->key_is_told) save(h);
}

/* What is signed, as base64; "" when there is nothing. */
static void membership_text(char *out, size_t out_len, const home *h) {
    uint8_t bytes[PBTS_MEMBERSHIP_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    if (h->has_membership) pbts_membership_encode(&writer, &h->membership);
    base64_text(out, out_len, pbts_writer_span(&writer));
}

static void beacon_text(char *out, size_t out_len, const home *h) {
    uint8_t bytes[PBTS_DHT_BEACON_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    if (h->has_beacon) pbts_dht_beacon_encode(&writer, &h->beacon);
    base64_text(out, out_len, pbts_writer_span(&writer));
}

static void save(const home *h) {
    char key[160], ticket[HOME_TICKET_MAX * 2], member[2 * PBTS_MEMBERSHIP_LEN];
    char beacon[2 * PBTS_DHT_BEACON_LEN], predecessor[2 * PBTS_IID_LEN + 1] = "";
    char text[FILE_MAX];
    if (h->has_predecessor) hex_text(predecessor, sizeof predecessor, PBTS_SPAN_OF(h->predecessor));
    base64_text(key, sizeof key, PBTS_SPAN_OF(h->tracker_key.bytes));
    base64_text(ticket, sizeof ticket, (pbts_span){ h->ticket, h->ticket_len });
    membership_text(member, sizeof member, h);
    beacon_text(beacon, sizeof beacon, h);
    json_t *kept =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "tracker", h->base, "tracker_key", key,
                  "ticket", ticket, "member", member, "beacon", beacon, "predecessor", predecessor);
    size_t len = kept == NULL ? 0 : json_dumpb(kept, text, sizeof text, JSON_INDENT(1));
    json_decref(kept);
    if (len == 0 || len > sizeof text) return;
    int error = state_write(h->path, (pbts_span){ (uint8_t *)text, len });
    if (error != 0) {
        tell("state_failed", json_pack("{s:s, s:s}", "path", h->path, "error", strerror(error)),
             "%s: %s", h->path, strerror(error));
    }
}

home *home_new(const keyfile *key, pbts_link_terms *terms, const char *state, const char *tracker) {
    char name[2 * 8 + 1];
    home *h = calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->key = key;
    h->terms = terms;
    memcpy(terms->iid, key->iid, sizeof terms->iid);
    /* Anybody's tracker can name our instance, which is no secret; its key it cannot. */
    if (key->has_tracker_key &&
        pbts_bls_public_decode(&terms->tracker_key, &key->tracker_key) == PBTS_OK) {
        h->tracker_key = key->tracker_key;
        terms->has_tracker_key = true;
    }
    if (tracker != NULL) (void)take_base(h, tracker);
    hex_text(name, sizeof name, (pbts_span){ key->iid, 8 });
    char file[64];
    (void)snprintf(file, sizeof file, "tracker-%s", name);
    (void)state_path(h->path, state, file, ".json");
    load(h);
    return h;
}

void home_free(home *h) {
    if (h == NULL) return;
    pbts_wipe(h, sizeof *h);
    free(h);
}

/* ---- which tracker ---- */

const char *home_base(const home *h) {
    return h->base;
}

bool home_knows_key(const home *h) {
    return h->terms->has_tracker_key;
}

const pbts_bls_public *home_tracker_key(const home *h) {
    return &h->tracker_key;
}

const uint8_t *home_predecessor(const home *h) {
    return h->has_predecessor ? h->predecessor : NULL;
}

bool home_has_ticket(const home *h, uint64_t unix_s) {
    return h->ticket_len > 0 && h->ticket_expires > unix_s + TICKET_MARGIN_S;
}

bool home_membership(const home *h, pbts_membership *out) {
    if (h->has_membership) *out = h->membership;
    return h->has_membership;
}

bool home_beacon(const home *h, pbts_epoch_beacon *out) {
    if (h->has_beacon) *out = h->beacon;
    return h->has_beacon;
}

void home_tell_tracker_time(const home *h, uint64_t unix_s) {
    uint64_t begun_s = h->beacon.epoch * PBTS_EPOCH_SECONDS;
    if (!h->has_beacon || !stands(begun_s, unix_s)) return;
    if (begun_s > h->terms->tracker_time_s) h->terms->tracker_time_s = begun_s;
}

home_answer home_is(const home *h, pbts_span url) {
    pbts_span origin = origin_of(url);
    if (origin.len == 0) return HOME_NO; /* UDP cannot carry signatures */
    if (pbts_span_is(origin, h->base)) return h->is_sure ? HOME_YES : HOME_UNKNOWN;
    if (h->base[0] != '\0') return HOME_NO;
    for (size_t i = 0; i < h->foreign_count; i++) {
        if (pbts_span_is(origin, h->foreign[i].base)) return HOME_NO;
    }
    return h->foreign_count < HOME_ASKED_MAX ? HOME_UNKNOWN : HOME_NO;
}

struct home_asking {
    home *h;
    web_request *request;
    char base[HOME_BASE_MAX];
    home_done done;
    void *host;
};

static void note_foreign(home *h, const char *base) {
    if (h->foreign_count == HOME_ASKED_MAX) return;
    (void)snprintf(h->foreign[h->foreign_count++].base, HOME_BASE_MAX, "%s", base);
}

/* NULL, or what is wrong with what claims to be our tracker. */
static const char *take_params(home *h, const char *base, const json_t *params) {
    uint8_t iid[PBTS_IID_LEN];
    const char *text = json_string_value(json_object_get(params, "iid"));
    bool ours = text != NULL &&
                pbts_hex_decode_exact(iid, sizeof iid, pbts_span_text(text)) == PBTS_OK &&
                memcmp(iid, h->key->iid, sizeof iid) == 0;
    bool named = strcmp(base, h->base) == 0;
    if (!ours && named) return "this tracker is not the one that the key is registered with";
    if (!ours) {
        note_foreign(h, base);
        return NULL;
    }
    if (!take_key(h, json_string_value(json_object_get(params, "tracker_key")))) {
        return "the tracker shows another key than before; is this still the same one?";
    }
    take_predecessor(h, json_string_value(json_object_get(params, "predecessor")));
    if (!named) (void)take_base(h, base);
    h->is_sure = true;
    save(h);
    return NULL;
}

static void on_params(void *host, const web_answer *answer) {
    home_asking *ask = host;
    const char *problem = answer->error;
    if (problem == NULL && answer->status >= 500) problem = "the tracker is not well";
    if (problem == NULL) {
        json_t *params = json_loadb((const char *)answer->body.data, answer->body.len,
                                    JSON_REJECT_DUPLICATES, NULL);
        problem = take_params(ask->h, ask->base, answer->status == 200 ? params : NULL);
        json_decref(params);
    }
    home_done done = ask->done;
    void *owner = ask->host;
    char text[512] = "";
    if (problem != NULL) (void)snprintf(text, sizeof text, "%s", problem);
    free(ask);
    done(owner, problem == NULL ? NULL : text);
}

home_asking *home_ask(home *h, web *w, pbts_span url, home_done done, void *host) {
    char address[HOME_BASE_MAX + 16];
    pbts_span origin = origin_of(url);
    home_asking *ask = calloc(1, sizeof *ask);
    if (ask == NULL || origin.len == 0 || origin.len >= sizeof ask->base) {
        free(ask);
        return NULL;
    }
    *ask = (home_asking){ .h = h, .done = done, .host = host };
    memcpy(ask->base, origin.data, origin.len);
    (void)snprintf(address, sizeof address, "%s/params", ask->base);
    const web_query query = { .url = address,
                              .answer_max = PARAMS_MAX,
                              .timeout_ms = 20000,
                              .done = on_params,
                              .host = ask };
    ask->request = web_start(w, &query);
    if (ask->request != NULL) return ask;
    free(ask);
    return NULL;
}

void home_ask_cancel(home_asking *asking) {
    if (asking == NULL) return;
    web_cancel(asking->request);
    free(asking);
}

/* ---- announces ---- */

static void sign(home *h, pbts_announce *announce, home_room *room, uint64_t unix_s) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_bls_signature signature;
    /* After our clock was ahead the tracker has taken nothing of that time, and would not. */
    bool ascends = unix_s > h->signed_at || !stands(h->signed_at, unix_s);
    h->signed_at = ascends ? unix_s : h->signed_at + 1;
    h->sign_next = false;
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_announce(&writer, h->key->iid, &h->key->key, announce->infohash,
                          (uint8_t)announce->event, h->signed_at);
    pbts_bls_sign(&signature, &h->key->secret, PBTS_BLS_ANNOUNCE, pbts_writer_span(&writer));
    base64_text(room->pk, sizeof room->pk, PBTS_SPAN_OF(h->key->key.bytes));
    base64_text(room->sig, sizeof room->sig, PBTS_SPAN_OF(signature.bytes));
    (void)snprintf(room->time, sizeof room->time, "%llu", (unsigned long long)h->signed_at);
    announce->uid = keyfile_uid(h->key);
    announce->pk = pbts_span_text(room->pk);
    announce->sig = pbts_span_text(room->sig);
    announce->time = pbts_span_text(room->time);
}

static bool ticket_is_old(const home *h, uint64_t unix_s) {
    return !home_has_ticket(h, unix_s) || unix_s > h->ticket_issued + TICKET_OLD_S;
}

void home_identify(home *h, pbts_announce *announce, home_room *room, uint64_t unix_s) {
    (void)snprintf(room->url, sizeof room->url, "%s/announce", h->base);
    bool known = h->tracker_id[0] != '\0' && unix_s < h->tracker_id_until;
    bool leaves = announce->event == PBTS_EVENT_STOPPED;
    bool must_sign = !known || (!leaves && (h->sign_next || ticket_is_old(h, unix_s)));
    if (must_sign) {
        sign(h, announce, room, unix_s);
    } else {
        memcpy(room->tracker_id, h->tracker_id, sizeof room->tracker_id);
        announce->tracker_id = pbts_span_text(room->tracker_id);
    }
}

bool home_take(home *h, const pbts_announce_answer *answer, uint64_t unix_s) {
    if (answer->tracker_id.len > 0) {
        memcpy(h->tracker_id, answer->tracker_id.data, answer->tracker_id.len);
        h->tracker_id[answer->tracker_id.len] = '\0';
        h->tracker_id_until = unix_s + TRACKER_ID_LIFE_S;
    }
    bool new_ticket = answer->ticket.len > 0 && take_ticket(h, answer->ticket);
    bool new_membership = take_membership(h, answer->membership, unix_s);
    bool new_beacon = take_beacon(h, answer->beacon, unix_s);
    if (new_ticket || new_membership || new_beacon) save(h);
    return new_ticket;
}

void home_refused(home *h) {
    h->tracker_id[0] = '\0';
}

void home_renew(home *h) {
    h->sign_next = true;
}
