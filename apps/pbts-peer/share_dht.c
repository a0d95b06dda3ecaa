/* share_dht.c - a torrent in the DHT of its members: it asks there for peers and announces itself
 * (when: dht_schedule.h), and takes that back. The tracker comes first: as long as it answers
 * nothing is asked. */
#include <string.h>

#include "base/epoch.h"
#include "base/secret.h"
#include "dht/certificate.h"
#include "dht_node.h"
#include "share.h"
#include "tell.h"

/* ---- keys ---- */

/* Once its metainfo is known: what follows from it for the DHT. */
static void take_metainfo(share *s) {
    pbts_span bytes = pbts_metainfo_bytes(s->meta);
    s->dht.has_secret = true;
    pbts_dht_torrent_secret_of(&s->dht.secret, pbts_metainfo_info_raw(s->meta));
    home_take_fallback(s->e->ours, bytes, s->e->now.unix_s);
    dht_cache_meet(s->e->dht, bytes);
}

static pbts_dht_id key_of(const share *s, uint64_t epoch) {
    pbts_dht_id key;
    pbts_dht_lookup_key(&key, s->e->key->iid, &s->dht.secret, epoch);
    return key;
}

/* ---- announces ---- */

static void on_announced(void *host, const pbts_dht_event *end) {
    share *s = host;
    s->dht.announcing--;
    if (s->dht.stopping) return;
    if (end != NULL && end->stored > 0) {
        json_t *fields = share_fields(s);
        json_object_set_new(fields, "nodes", json_integer(end->stored));
        tell_program("dht_announced", fields);
    } else {
        dht_schedule_nobody_keeps(&s->dht.schedule, &s->e->prng, s->e->now.mono_ms);
    }
}

static dht_task announcing(share *s) {
    return (dht_task){ .ended = on_announced, .host = s };
}

static void announce(share *s) {
    uint64_t epochs[PBTS_DHT_KEYS_MAX];
    size_t count = pbts_dht_announce_epochs(epochs, s->e->now.unix_s);
    const dht_task task = announcing(s);
    uint64_t now_ms = s->e->now.mono_ms;
    for (size_t i = 0; i < count; i++) {
        dht_slot *slot = dht_schedule_due_slot(&s->dht.schedule, epochs[i], now_ms);
        if (slot == NULL) continue;
        pbts_dht_id key = key_of(s, epochs[i]);
        if (dht_node_announce(s->e->dht, &key, false, s->finished, &task)) {
            s->dht.announcing++;
            dht_schedule_announced(slot, &s->e->prng, now_ms);
        } else {
            dht_schedule_announce_refused(slot, &s->e->prng, now_ms);
        }
    }
}

bool share_dht_stop(share *s) {
    const dht_task task = announcing(s);
    s->dht.stopping = true;
    if (s->dht.announcing > 0) return false;
    if (s->dht.stop_sent) return true;
    s->dht.stop_sent = true;
    uint64_t epoch = pbts_epoch_at(s->e->now.unix_s);
    for (size_t i = 0; i < PBTS_DHT_KEYS_MAX; i++) {
        const dht_slot *slot = &s->dht.schedule.slots[i];
        if (!slot->is_kept || slot->epoch < epoch) continue;
        pbts_dht_id key = key_of(s, slot->epoch);
        s->dht.announcing += dht_node_announce(s->e->dht, &key, true, s->finished, &task);
    }
    return s->dht.announcing == 0;
}

/* ---- questions ---- */

static void on_found(void *host, const pbts_dht_record *record) {
    share *s = host;
    uint8_t own[PBTS_DHT_OWNER_LEN];
    pbts_dht_owner(own, &s->e->key->key);
    if (memcmp(own, record->owner, sizeof own) == 0) return;
    s->dht.found++;
    s->dht.found_total++;
    share_note_addr(s, &record->addr, PBTS_PEER_FROM_TRACKER);
}

static void on_got(void *host, const pbts_dht_event *end) {
    share *s = host;
    share_dht *dht = &s->dht;
    dht->getting--;
    if (end == NULL || dht->getting > 0) return;
    dht_schedule_got(&dht->schedule, dht->found > 0, s->finished, &s->e->prng, s->e->now.mono_ms);
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "peers", json_integer(dht->found));
    json_object_set_new(fields, "rounds", json_integer(end->rounds));
    tell_program("dht_found", fields);
    share_dial(s);
}

static void get(share *s) {
    uint64_t epochs[PBTS_DHT_KEYS_MAX];
    size_t count = pbts_dht_lookup_epochs(epochs, s->e->now.unix_s);
    const dht_task task = { .found = on_found, .ended = on_got, .host = s };
    uint64_t now_ms = s->e->now.mono_ms;
    if (s->dht.getting > 0 || !dht_schedule_get_is_due(&s->dht.schedule, now_ms)) return;
    s->dht.found = 0;
    for (size_t i = 0; i < count; i++) {
        pbts_dht_id key = key_of(s, epochs[i]);
        s->dht.getting += dht_node_get(s->e->dht, &key, &task);
    }
    if (s->dht.getting == 0) dht_schedule_get_refused(&s->dht.schedule, &s->e->prng, now_ms);
}

/* ---- when ---- */

static bool may_use(const share *s) {
    if (s->e->dht == NULL || s->meta == NULL || s->dht.stopping) return false;
    if (s->state != SHARE_JOINING && s->state != SHARE_RUNNING) return false;
    return share_forms_receipts(s) != HOME_NO;
}

void share_dht_tick(share *s) {
    engine *e = s->e;
    if (e->ours != NULL && s->meta != NULL && !s->dht.has_secret) take_metainfo(s);
    if (!may_use(s) || outage_means_now(&e->home_outage, e->now.mono_ms) == OUTAGE_TRACKER) return;
    if (!dht_node_is_joined(e->dht)) return;
    get(s);
    if (s->state == SHARE_RUNNING) announce(s);
}

void share_dht_hurry(share *s) {
    dht_schedule_hurry(&s->dht.schedule);
}

void share_dht_free(share *s) {
    dht_node_forget(s->e->dht, s);
    pbts_wipe(&s->dht.secret, sizeof s->dht.secret);
}

json_t *share_dht_json(const share *s) {
    uint64_t epoch = pbts_epoch_at(s->e->now.unix_s);
    bool announced = dht_schedule_is_announced(&s->dht.schedule, epoch);
    return json_pack("{s:b, s:I}", "announced", announced, "peers_found",
                     (json_int_t)s->dht.found_total);
}
