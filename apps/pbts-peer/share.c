#include "share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "exit_codes.h"
#include "state.h"
#include "tell.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"
#include "tracker_api.h"

/* ---- announces ---- */

void share_stats(const share *s, pbts_session_stats *out) {
    *out = (pbts_session_stats){ 0 };
    if (s->session != NULL) {
        pbts_session_stats_read(s->session, out);
    } else if (s->meta != NULL) {
        out->has_meta = true;
        out->total_bytes = out->left_bytes = pbts_metainfo_total_bytes(s->meta);
        for (uint32_t i = 0; s->have != NULL && i < pbts_metainfo_piece_count(s->meta); i++) {
            if (!pbts_piece_set_has(s->have, i)) continue;
            out->have_bytes += pbts_metainfo_piece_bytes(s->meta, i);
        }
        out->left_bytes -= out->have_bytes;
    }
}

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
}

static void take_addr(void *host, const pbts_addr *addr) {
    share *s = host;
    if (s->session != NULL) {
        pbts_session_add_addr(s->session, addr, PBTS_PEER_FROM_TRACKER, s->e->now);
    } else if (s->early_count < SHARE_EARLY_ADDRS_MAX) {
        s->early[s->early_count++] = *addr;
    }
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

static void announce_ended(void *host, const announce_result *result) {
    share *s = host;
    engine_touch(s->e);
    if (result->problem != NULL) {
        announce_failed(s, result);
    } else {
        json_t *fields = share_fields(s);
        json_object_set_new(fields, "tracker", json_string(announcer_name_of(result->url)));
        json_object_set_new(fields, "announced", json_string(event_word(result->event)));
        json_object_set_new(fields, "peers", json_integer(result->peers));
        json_object_set_new(fields, "seeders", json_integer(result->complete));
        json_object_set_new(fields, "leechers", json_integer(result->incomplete));
        tell_program("announced", fields);
    }
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

static announcer *new_announcer(share *s) {
    engine *e = s->e;
    const announcer_config config = { .loop = &e->loop,
                                      .net = e->net,
                                      .ours = e->ours,
                                      .bound = e->set.has_bind ? &e->set.bind : NULL,
                                      .seed = pbts_prng_next(&e->prng),
                                      .fill = fill_announce,
                                      .peer = take_addr,
                                      .ended = announce_ended,
                                      .host = s };
    return announcer_new(&config);
}

/* The tracker that the user named comes first. What is wrong with one of the others does not
 * matter: the rest is asked. */
static bool add_trackers(share *s, const pbts_magnet *magnet) {
    pbts_trackers *trackers = announcer_trackers(s->announces);
    if (s->e->set.tracker != NULL) {
        char url[HOME_BASE_MAX + 16];
        (void)snprintf(url, sizeof url, "%s/announce", home_base(s->e->ours));
        if (pbts_trackers_add(trackers, 0, pbts_span_text(url)) == PBTS_NO_MEMORY) return false;
    }
    for (size_t i = 0; magnet != NULL && i < magnet->tracker_count; i++) {
        pbts_status status = pbts_trackers_add(trackers, 1 + (uint32_t)i, magnet->trackers[i]);
        if (status == PBTS_NO_MEMORY) return false;
    }
    return s->meta == NULL || pbts_trackers_add_metainfo(trackers, 1, s->meta) == PBTS_OK;
}

/* ---- joining ---- */

/* Whether receipts are formed here, and whether that can be said yet. */
static home_answer forms_receipts(const share *s) {
    engine *e = s->e;
    if (!e->has_key || !e->set.receipts) return HOME_NO;
    const pbts_trackers *trackers = announcer_trackers(s->announces);
    size_t count = pbts_trackers_count(trackers);
    home_answer answer = count == 0 ? HOME_YES : HOME_NO;
    for (size_t i = 0; i < count; i++) {
        home_answer one = home_is(e->ours, pbts_trackers_url(trackers, i));
        if (one == HOME_YES) return HOME_YES;
        if (one == HOME_UNKNOWN) answer = HOME_UNKNOWN;
    }
    return answer;
}

static void begin_session(share *s, bool with_receipts) {
    engine *e = s->e;
    size_t set_len = s->meta == NULL ? 0 : pbts_piece_set_len(pbts_metainfo_piece_count(s->meta));
    pbts_session_config config = {
        .mem = pbts_mem_system(),
        .seed = pbts_prng_next(&e->prng),
        .terms = with_receipts ? &e->terms : NULL,
        .meta = s->meta,
        .infohash_is_v2 = s->is_v2_swarm,
        .client = "pbts-peer " PBTS_VERSION,
        .listen_port = e->port,
        .have = { s->have, set_len },
        .legacy = e->set.serves_legacy || !with_receipts ? PBTS_LEGACY_SERVE : PBTS_LEGACY_REFUSE,
        .connections_max = e->set.connections_max < 1000 ? e->set.connections_max : 1000,
        .unchoked_max = e->set.uploads_max,
        .open_bytes_max = e->set.memory_bytes / (e->share_count > 0 ? e->share_count : 1),
        .seed_only = s->files != NULL && !storage_is_writable(s->files),
        .pex = true,
    };
    memcpy(config.infohash, s->infohash, sizeof config.infohash);
    memcpy(config.peer_id, e->peer_id, sizeof config.peer_id);
    pbts_status status = pbts_session_new(&s->session, &config, e->now);
    if (status != PBTS_OK) {
        s->session = NULL;
        share_fail(s, pbts_status_text(status));
        return;
    }
    s->with_receipts = with_receipts;
    s->state = SHARE_RUNNING;
    for (size_t i = 0; i < s->early_count; i++) {
        pbts_session_add_addr(s->session, &s->early[i], PBTS_PEER_FROM_TRACKER, e->now);
    }
    for (size_t i = 0; i < e->set.peer_count; i++) {
        pbts_session_add_addr(s->session, &e->set.peers[i], PBTS_PEER_FROM_USER, e->now);
    }
    s->early_count = 0;
    s->begun_ms = e->now.mono_ms;
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "receipts", json_boolean(with_receipts));
    tell("joined", fields, "%s: sharing%s", s->name, with_receipts ? ", with receipts" : "");
    engine_share_limits(e);
    share_settle(s);
    share_dial(s);
}

void share_try_join(share *s) {
    engine *e = s->e;
    if (s->state != SHARE_JOINING || e->state != ENGINE_RUNNING) return;
    switch (forms_receipts(s)) {
    case HOME_NO: begin_session(s, false); break;
    case HOME_YES:
        if (home_knows_key(e->ours) && home_has_ticket(e->ours, e->now.unix_s)) {
            begin_session(s, true);
        }
        break;
    case HOME_UNKNOWN: break; /* the announce finds out */
    }
}

static bool prepare_buffers(share *s) {
    uint32_t count = pbts_metainfo_piece_count(s->meta);
    s->pieces = pool_new(pbts_metainfo_piece_length(s->meta));
    s->buffers = calloc(count, sizeof *s->buffers);
    pbts_span name = pbts_metainfo_name(s->meta);
    (void)snprintf(s->name, sizeof s->name, "%.*s", (int)name.len, (const char *)name.data);
    return s->buffers != NULL;
}

static int open_files(share *s) {
    return s->e->set.command == COMMAND_SEED ? storage_open_existing(&s->files, s->meta, s->dir)
                                             : storage_open_new(&s->files, s->meta, s->dir);
}

static const char SAME_FILES[] = "another torrent writes the same files; give another --dir";

static bool writes_anothers_files(const share *s) {
    if (!storage_is_writable(s->files)) return false;
    for (const share *other = s->e->shares; other != NULL; other = other->next) {
        if (other == s || other->files == NULL) continue;
        if (storage_is_same_place(other->files, s->files)) return true;
    }
    return false;
}

void share_take_metainfo(share *s) {
    int error = prepare_buffers(s) ? open_files(s) : ENOMEM;
    if (error != 0 || writes_anothers_files(s)) {
        share_fail(s, error != 0 ? strerror(error) : SAME_FILES);
    } else {
        share_begin_check(s);
    }
}

void share_checked(share *s) {
    uint32_t count = pbts_metainfo_piece_count(s->meta);
    pbts_span have = { s->have, pbts_piece_set_len(count) };
    bool all = pbts_piece_set_count(have) == count;
    if (!storage_is_writable(s->files) && !all) {
        uint32_t missing = count - pbts_piece_set_count(have);
        if (missing == count) {
            share_fail(s, "none of its content is there");
            return;
        }
        tell("incomplete", share_fields(s),
             "%s: %u of %u pieces are missing or damaged; the others "
             "are served",
             s->name, missing, count);
    }
    if (s->session != NULL) { /* a magnet link's */
        pbts_status status = pbts_session_set_metainfo(s->session, s->meta, have, s->e->now);
        if (status != PBTS_OK) share_fail(s, pbts_status_text(status));
        share_settle(s);
        return;
    }
    s->finished = s->told_finished = all; /* it was so before */
    s->state = SHARE_JOINING;
    share_try_join(s);
    engine_look(s->e);
}

/* ---- a new share ---- */

static void set_names(share *s, const uint8_t *infohash, pbts_span name) {
    memcpy(s->infohash, infohash, sizeof s->infohash);
    hex_text(s->hex, sizeof s->hex, PBTS_SPAN_OF(s->infohash));
    if (name.len > 0) {
        (void)snprintf(s->name, sizeof s->name, "%.*s", (int)name.len, (const char *)name.data);
    } else {
        (void)snprintf(s->name, sizeof s->name, "%.12s...", s->hex);
    }
}

static bool new_problem(char problem[static ENGINE_PROBLEM_MAX], const share *s, const char *why) {
    (void)snprintf(problem, ENGINE_PROBLEM_MAX, "%s: %s", s->name, why);
    return false;
}

static bool lock_it(share *s, char problem[static ENGINE_PROBLEM_MAX]) {
    char path[PATH_MAX];
    int error = state_path(path, s->e->set.state, s->hex, ".lock");
    if (error == 0) error = state_lock(&s->lock_fd, path);
    if (error == 0) return true;
    return new_problem(problem, s,
                       error == EWOULDBLOCK ? "another program shares it into the same state folder"
                                            : strerror(error));
}

static bool begin(share *s, char problem[static ENGINE_PROBLEM_MAX], const pbts_magnet *magnet) {
    s->announces = new_announcer(s);
    if (s->announces == NULL || !add_trackers(s, magnet)) {
        return new_problem(problem, s, "out of memory");
    }
    if (!lock_it(s, problem)) return false;
    for (size_t i = 0; magnet != NULL && i < magnet->peer_count; i++) {
        s->early[s->early_count++] = magnet->peers[i];
    }
    s->save_due_ms = s->e->now.mono_ms + SHARE_SAVE_MS;
    if (s->meta == NULL) {
        s->state = SHARE_JOINING;
        return true;
    }
    int error = prepare_buffers(s) ? open_files(s) : ENOMEM;
    if (error != 0) {
        char why[PATH_MAX + 128];
        (void)snprintf(why, sizeof why, "%s: %s", s->dir, strerror(error));
        return new_problem(problem, s, why);
    }
    if (writes_anothers_files(s)) return new_problem(problem, s, SAME_FILES);
    share_begin_check(s);
    return true;
}

share *share_new(engine *e, char problem[static ENGINE_PROBLEM_MAX], pbts_metainfo *take_meta,
                 const pbts_magnet *magnet, const char *dir) {
    share *s = calloc(1, sizeof *s);
    if (s == NULL) {
        pbts_metainfo_free(take_meta);
        (void)snprintf(problem, ENGINE_PROBLEM_MAX, "out of memory");
        return NULL;
    }
    s->e = e;
    s->meta = take_meta;
    s->lock_fd = -1;
    (void)snprintf(s->dir, sizeof s->dir, "%s", dir);
    if (take_meta != NULL) {
        s->is_v2_swarm = !pbts_metainfo_has_v1(take_meta);
        set_names(s, pbts_metainfo_infohash(take_meta), pbts_metainfo_name(take_meta));
    } else {
        s->is_v2_swarm = !magnet->has_v1;
        set_names(s, magnet->has_v1 ? magnet->infohash_v1 : magnet->infohash_v2, magnet->name);
    }
    if (begin(s, problem, magnet)) return s;
    share_free(s);
    return NULL;
}

void share_free(share *s) {
    announcer_free(s->announces);
    pbts_session_free(s->session);
    share_drop_buffers(s);
    pool_clear(&s->pieces);
    storage_close(s->files);
    pbts_metainfo_free(s->meta);
    if (s->lock_fd >= 0) (void)close(s->lock_fd);
    free(s->have);
    free(s->conns);
    free(s);
}

void share_fail(share *s, const char *problem) {
    if (s->state == SHARE_FAILED) return;
    s->state = SHARE_FAILED;
    (void)snprintf(s->problem, sizeof s->problem, "%s", problem);
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "error", json_string(problem));
    tell("failed", fields, "%s: %s", s->name, problem);
    s->e->exit_code = PBTS_EXIT_IO;
    if (s->session != NULL) share_leave(s);
    engine_look(s->e);
}

/* ---- connections ---- */

conn *share_conn(const share *s, pbts_conn number) {
    return number < s->conns_capacity ? s->conns[number] : NULL;
}

bool share_note_conn(share *s, pbts_conn number, conn *c) {
    if (number >= s->conns_capacity) {
        size_t capacity = 2 * (size_t)number + 16;
        conn **bigger = realloc(s->conns, capacity * sizeof *bigger);
        if (bigger == NULL) return false;
        memset(bigger + s->conns_capacity, 0, (capacity - s->conns_capacity) * sizeof *bigger);
        s->conns = bigger;
        s->conns_capacity = capacity;
    }
    s->conns[number] = c;
    return true;
}

void share_dial(share *s) {
    engine *e = s->e;
    pbts_addr addr;
    while (s->session != NULL && s->state == SHARE_RUNNING && e->dial_count < ENGINE_DIALS_MAX &&
           e->conn_count < e->set.connections_max &&
           pbts_session_next_dial(s->session, &addr, e->now)) {
        conn_dial(s, &addr, e->set.encryption != ENCRYPTION_OFF);
    }
}

/* ---- the end ---- */

void share_leave(share *s) {
    if (s->leaving_sent) return;
    s->leaving_sent = true;
    share_end_check(s);
    if (s->state != SHARE_FAILED) s->state = SHARE_LEAVING;
    if (s->session == NULL) return;
    pbts_session_stop(s->session, s->e->now);
    share_settle(s);
    for (size_t i = 0; i < s->conns_capacity; i++) {
        if (s->conns[i] != NULL) engine_pump_later(s->e, s->conns[i]);
    }
}

bool share_has_left(const share *s) {
    if (s->session == NULL) return true;
    for (size_t i = 0; i < s->conns_capacity; i++) {
        const conn *c = s->conns[i];
        if (c == NULL) continue;
        if (c->unsent_len > 0 || c->content_left > 0 ||
            pbts_session_wants_send(s->session, c->number, s->e->now)) {
            return false;
        }
    }
    return s->writes == 0;
}

/* ---- figures ---- */

json_t *share_fields(const share *s) {
    return json_pack("{s:s}", "torrent", s->hex);
}

static const char *state_word(const share *s) {
    switch (s->state) {
    case SHARE_CHECKING: return "checking";
    case SHARE_JOINING: return "joining";
    case SHARE_LEAVING: return "leaving";
    case SHARE_FAILED: return "failed";
    case SHARE_RUNNING: break;
    }
    if (s->paused) return "paused";
    if (s->meta == NULL) return "metadata";
    return s->finished ? "seeding" : "downloading";
}

json_t *share_json(const share *s) {
    pbts_session_stats stats;
    share_stats(s, &stats);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:I}", "torrent", s->hex,
        "state", s->check != NULL ? "checking" : state_word(s), "dir", s->dir, "total_bytes",
        (json_int_t)stats.total_bytes, "left_bytes", (json_int_t)stats.left_bytes,
        "downloaded_bytes", (json_int_t)s->downloaded_before + (json_int_t)stats.downloaded_bytes,
        "uploaded_bytes", (json_int_t)s->uploaded_before + (json_int_t)stats.uploaded_bytes,
        "down_bytes_per_s", (json_int_t)stats.down_bytes_per_s, "up_bytes_per_s",
        (json_int_t)stats.up_bytes_per_s, "connections", (int)stats.connections, "seeders",
        (int)stats.seeders, "receipts_given", (int)stats.receipts_given, "receipts_taken",
        (int)stats.receipts_taken, "unreceipted_bytes", (json_int_t)stats.unreceipted_bytes);
    if (json == NULL) return NULL;
    json_t *name = json_string(s->name); /* NULL when it is no UTF-8 */
    if (name != NULL) json_object_set_new(json, "name", name);
    if (s->problem[0] != '\0') json_object_set_new(json, "problem", json_string(s->problem));
    return json;
}
