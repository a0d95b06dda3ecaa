/* share_announces.c - what a share tells the trackers, and what it takes from their answers. A
 * hybrid torrent is announced by each of its infohashes. */
#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "dht_node.h"
#include "outage_watch.h"
#include "share.h"
#include "tell.h"
#include "tracker_api.h"

static void fill_announce(void *host, pbts_announce *announce) {
    share *s = host;
    pbts_session_stats stats;
    share_stats(s, &stats);
    memcpy(announce->infohash, s->infohash, sizeof announce->infohash);
    memcpy(announce->peer_id, s->e->peer_id, sizeof announce->peer_id);
    memcpy(&announce->key, s->e->peer_id + 16, sizeof announce->key);
    announce->port = s->e->port;
    announce->uploaded_bytes = stats.uploaded_bytes;
    announce->downloaded_bytes = stats.downloaded_bytes;
    announce->left_bytes = stats.has_meta ? stats.left_bytes : UINT64_MAX;
    if (stats.has_meta && stats.left_bytes == 0 && announce->numwant > 0) announce->numwant = 50;
    bool only_serves = s->files != NULL && !storage_is_writable(s->files);
    if (only_serves && announce->left_bytes > 0) announce->event = PBTS_EVENT_PAUSED;
}

static void fill_other(void *host, pbts_announce *announce) {
    fill_announce(host, announce);
    memcpy(announce->infohash, share_other_infohash(host), sizeof announce->infohash);
}

void share_note_addr(share *s, const pbts_addr *addr, pbts_peer_source source) {
    if (s->session != NULL) {
        pbts_session_add_addr(s->session, addr, source, s->e->now);
    } else if (s->early_count < SHARE_EARLY_ADDRS_MAX) {
        s->early[s->early_count++] = (share_early_addr){ *addr, source };
    }
}

static void take_addr(void *host, const pbts_addr *addr) {
    const share *s = host;
    dht_node_meet(s->e->dht, addr, true);
    share_note_addr(host, addr, PBTS_PEER_FROM_TRACKER);
}

static void take_other_addr(void *host, const pbts_addr *addr) {
    share_note_addr(host, addr, PBTS_PEER_FROM_OTHER_SWARM);
}

static void announce_failed(share *s, const announce_result *result) {
    json_t *fields = share_fields(s);
    const char *name = announcer_name_of(result->url);
    json_object_set_new(fields, "tracker", json_string(name));
    json_object_set_new(fields, "error", json_string(result->problem));
    tell("announce_failed", fields, "%s: tracker %s: %s", s->name, name, result->problem);
}

static const char *event_word(pbts_event event) {
    switch (event) {
    case PBTS_EVENT_STARTED: return "started";
    case PBTS_EVENT_COMPLETED: return "completed";
    case PBTS_EVENT_STOPPED: return "stopped";
    default: return "";
    }
}

static void announce_answered(json_t *fields, const announce_result *result) {
    json_object_set_new(fields, "tracker", json_string(announcer_name_of(result->url)));
    json_object_set_new(fields, "announced", json_string(event_word(result->event)));
    json_object_set_new(fields, "peers", json_integer(result->peers));
    json_object_set_new(fields, "seeders", json_integer(result->complete));
    json_object_set_new(fields, "leechers", json_integer(result->incomplete));
    tell_program("announced", fields);
}

static void take_result(share *s, const announce_result *result) {
    outage_watch_announced(s, result);
    if (result->new_ticket) {
        for (share *each = s->e->shares; each != NULL; each = each->next) {
            if (each->session == NULL || !each->with_receipts) continue;
            pbts_session_terms_changed(each->session, s->e->now);
            share_settle(each);
        }
    }
    for (share *each = s->e->shares; each != NULL; each = each->next) share_try_join(each);
    if (s->session != NULL) share_dial(s);
}

static void announce_ended(void *host, const announce_result *result) {
    share *s = host;
    engine_touch(s->e);
    if (result->problem != NULL) {
        announce_failed(s, result);
    } else {
        announce_answered(share_fields(s), result);
    }
    take_result(s, result);
}

/* A tracker that does not know the other infohash is no trouble of the user's. */
static void other_ended(void *host, const announce_result *result) {
    share *s = host;
    char hex[2 * PBTS_INFOHASH_LEN + 1];
    json_t *fields = share_fields(s);
    engine_touch(s->e);
    hex_text(hex, sizeof hex, (pbts_span){ share_other_infohash(s), PBTS_INFOHASH_LEN });
    json_object_set_new(fields, "infohash", json_string(hex));
    if (result->problem != NULL) {
        json_object_set_new(fields, "tracker", json_string(announcer_name_of(result->url)));
        json_object_set_new(fields, "error", json_string(result->problem));
        tell_program("announce_failed", fields);
    } else {
        announce_answered(fields, result);
    }
    take_result(s, result);
}

static announcer *new_announcer(share *s, bool other) {
    engine *e = s->e;
    const announcer_config config = { .loop = &e->loop,
                                      .net = e->net,
                                      .ours = e->ours,
                                      .bound = e->set.has_bind ? &e->set.bind : NULL,
                                      .seed = pbts_prng_next(&e->prng),
                                      .fill = other ? fill_other : fill_announce,
                                      .peer = other ? take_other_addr : take_addr,
                                      .ended = other ? other_ended : announce_ended,
                                      .host = s };
    return announcer_new(&config);
}

/* The one that the key is registered with, if its address is known. False: no memory. */
static bool add_ours(share *s) {
    char url[HOME_BASE_MAX + 16];
    if (s->e->ours == NULL || home_base(s->e->ours)[0] == '\0') return true;
    (void)snprintf(url, sizeof url, "%s/announce", home_base(s->e->ours));
    return pbts_trackers_add(announcer_trackers(s->announces), 0, pbts_span_text(url)) !=
           PBTS_NO_MEMORY;
}

static bool add_named(share *s, const pbts_magnet *magnet) {
    pbts_trackers *trackers = announcer_trackers(s->announces);
    for (size_t i = 0; magnet != NULL && i < magnet->tracker_count; i++) {
        pbts_status status = pbts_trackers_add(trackers, 1 + (uint32_t)i, magnet->trackers[i]);
        if (status == PBTS_NO_MEMORY) return false;
    }
    return s->meta == NULL || pbts_trackers_add_metainfo(trackers, 1, s->meta) == PBTS_OK;
}

/* The tracker that the user named comes first; where nobody names any, it is the one that an
 * earlier run knew. What is wrong with one of the others does not matter: the rest is asked. */
static bool add_trackers(share *s, const pbts_magnet *magnet) {
    if (s->e->set.tracker != NULL && !add_ours(s)) return false;
    if (!add_named(s, magnet)) return false;
    return pbts_trackers_count(announcer_trackers(s->announces)) > 0 || add_ours(s);
}

bool share_begin_announces(share *s, const pbts_magnet *magnet) {
    s->announces = new_announcer(s, false);
    return s->announces != NULL && add_trackers(s, magnet);
}

/* BEP 52: a hybrid torrent has two swarms, and who knows one version only is in one of them. */
static void begin_other(share *s) {
    if (s->announces_other != NULL || s->leaving_sent || s->e->state != ENGINE_RUNNING ||
        share_other_infohash(s) == NULL) {
        return;
    }
    announcer *other = new_announcer(s, true);
    if (other == NULL) return; /* at the next tick */
    if (pbts_trackers_add_all(announcer_trackers(other), announcer_trackers(s->announces)) !=
        PBTS_OK) {
        announcer_free(other);
        return;
    }
    s->announces_other = other;
}

void share_announce(share *s) {
    announcer_tick(s->announces, s->e->now);
    begin_other(s);
    if (s->announces_other != NULL) announcer_tick(s->announces_other, s->e->now);
}

void share_announce_completed(share *s) {
    announcer_completed(s->announces, s->e->now);
    if (s->announces_other != NULL) announcer_completed(s->announces_other, s->e->now);
    share_announce(s);
}

void share_announce_recheck(share *s) {
    announcer_recheck(s->announces, s->e->now);
    if (s->announces_other != NULL) announcer_recheck(s->announces_other, s->e->now);
}

static bool is_told(announcer *a, pbts_moment now) {
    if (a == NULL) return true;
    announcer_tick(a, now);
    if (!announcer_is_idle(a, now)) return false;
    announcer_stop(a, now);
    announcer_tick(a, now);
    return announcer_is_idle(a, now);
}

bool share_announce_end(share *s) {
    bool told = is_told(s->announces, s->e->now);
    return is_told(s->announces_other, s->e->now) && told;
}

static bool has_stopped(announcer *a, pbts_moment now) {
    if (a == NULL) return true;
    announcer_stop(a, now);
    announcer_tick(a, now);
    return announcer_is_idle(a, now);
}

bool share_announce_stop(share *s) {
    bool stopped = has_stopped(s->announces, s->e->now);
    return has_stopped(s->announces_other, s->e->now) && stopped;
}
