#include "share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "dht_node.h"
#include "exit_codes.h"
#include "say.h"
#include "state.h"
#include "tell.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"
#include "tracker_api.h"

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

/* ---- joining ---- */

home_answer share_forms_receipts(const share *s) {
    const engine *e = s->e;
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

static const char *how_we_share(const engine *e, bool with_receipts) {
    if (with_receipts) return ", with receipts";
    return !e->has_key || !e->set.receipts
               ? ""
               : ", without receipts: none of its trackers is one to report to (see --tracker)";
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
        .has_other_infohash = s->magnet_has_other,
        .client = "pbts-peer " PBTS_VERSION,
        .listen_port = e->port,
        .have = { s->have, set_len },
        .legacy = e->set.serves_legacy || !with_receipts ? PBTS_LEGACY_SERVE : PBTS_LEGACY_REFUSE,
        .connections_max = e->set.connections_max < 1000 ? e->set.connections_max : 1000,
        .unchoked_max = e->set.uploads_max,
        .open_bytes_max = e->set.memory_bytes / (e->share_count > 0 ? e->share_count : 1),
        .open_budget = &e->open_budget,
        .seed_only = s->files != NULL && !storage_is_writable(s->files),
        .pex = true,
    };
    memcpy(config.infohash, s->infohash, sizeof config.infohash);
    memcpy(config.other_infohash, s->magnet_other, sizeof config.other_infohash);
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
        pbts_session_add_addr(s->session, &s->early[i].addr, s->early[i].source, e->now);
    }
    for (size_t i = 0; i < e->set.peer_count; i++) {
        pbts_session_add_addr(s->session, &e->set.peers[i], PBTS_PEER_FROM_USER, e->now);
    }
    s->early_count = 0;
    s->begun_ms = e->now.mono_ms;
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "receipts", json_boolean(with_receipts));
    tell("joined", fields, "%s: sharing%s", s->name, how_we_share(e, with_receipts));
    engine_share_limits(e);
    share_settle(s);
    share_dial(s);
}

/* While the tracker is away, a membership is enough. */
static bool may_join(const engine *e, bool sure) {
    pbts_membership membership;
    if (!home_knows_key(e->ours)) return false;
    if (sure && home_has_ticket(e->ours, e->now.unix_s)) return true;
    return e->home_outage.is_away && home_membership(e->ours, &membership);
}

void share_try_join(share *s) {
    engine *e = s->e;
    if (s->state != SHARE_JOINING || e->state != ENGINE_RUNNING) return;
    home_answer forms = share_forms_receipts(s);
    if (forms == HOME_NO) {
        begin_session(s, false);
    } else if (may_join(e, forms == HOME_YES)) {
        begin_session(s, true);
    } /* else the announce finds out */
}

static bool prepare_buffers(share *s) {
    uint32_t count = pbts_metainfo_piece_count(s->meta);
    s->pieces = pool_new(pbts_metainfo_piece_length(s->meta), &s->e->buffer_bytes);
    s->buffers = calloc(count, sizeof *s->buffers);
    pbts_span name = pbts_metainfo_name(s->meta);
    (void)snprintf(s->name, sizeof s->name, "%.*s", (int)name.len, (const char *)name.data);
    return s->buffers != NULL;
}

static int open_files(share *s) {
    const settings *set = &s->e->set;
    if (set->command == COMMAND_SEED) return storage_open_existing(&s->files, s->meta, s->dir);
    int error = storage_open_new(&s->files, s->meta, s->dir);
    if (error == 0) error = storage_keep_out(s->files, set->state);
    if (error == 0 && set->key != NULL) error = storage_keep_out(s->files, set->key);
    return error;
}

static const char *open_problem(int error) {
    return error == EBUSY
               ? "the torrent would be written into the state folder; give another --dir or --state"
               : strerror(error);
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
        share_fail(s, error != 0 ? open_problem(error) : SAME_FILES);
    } else {
        share_begin_check(s);
    }
}

static void fail_empty(share *s) {
    const char *unread = storage_problem(s->files, STORAGE_DISK);
    char why[ENGINE_PROBLEM_MAX];
    (void)snprintf(why, sizeof why, "none of its content is there%s%s",
                   unread[0] != '\0' ? "; " : "", unread);
    share_fail(s, why);
}

void share_checked(share *s) {
    uint32_t count = pbts_metainfo_piece_count(s->meta);
    pbts_span have = { s->have, pbts_piece_set_len(count) };
    bool all = pbts_piece_set_count(have) == count;
    if (!storage_is_writable(s->files) && !all) {
        uint32_t missing = count - pbts_piece_set_count(have);
        if (missing == count) {
            fail_empty(s);
            return;
        }
        tell("incomplete", share_fields(s),
             "%s: missing or damaged: %u of %s; the others are served", s->name, missing,
             say_count(count, "piece"));
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
    if (error == EWOULDBLOCK) {
        return new_problem(problem, s, "another program shares it into the same state folder");
    }
    char why[PATH_MAX + 128];
    (void)snprintf(why, sizeof why, "%s: %s", path, strerror(error));
    return new_problem(problem, s, why);
}

static bool begin(share *s, char problem[static ENGINE_PROBLEM_MAX], const pbts_magnet *magnet) {
    if (!share_begin_announces(s, magnet)) {
        return new_problem(problem, s, "out of memory");
    }
    if (!lock_it(s, problem)) return false;
    for (size_t i = 0; magnet != NULL && i < magnet->peer_count; i++) {
        s->early[s->early_count++] = (share_early_addr){ magnet->peers[i], PBTS_PEER_FROM_TRACKER };
    }
    s->save_due_ms = s->e->now.mono_ms + SHARE_SAVE_MS;
    if (s->meta == NULL) {
        s->state = SHARE_JOINING;
        return true;
    }
    int error = prepare_buffers(s) ? open_files(s) : ENOMEM;
    if (error != 0) {
        char why[PATH_MAX + 128];
        (void)snprintf(why, sizeof why, "%s: %s", s->dir, open_problem(error));
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
        s->magnet_has_other = magnet->has_v1 && magnet->has_v2;
        memcpy(s->magnet_other, magnet->infohash_v2, sizeof s->magnet_other);
        set_names(s, magnet->has_v1 ? magnet->infohash_v1 : magnet->infohash_v2, magnet->name);
    }
    if (begin(s, problem, magnet)) return s;
    share_free(s);
    return NULL;
}

void share_free(share *s) {
    share_dht_free(s);
    announcer_free(s->announces);
    announcer_free(s->announces_other);
    pbts_session_free(s->session);
    share_drop_buffers(s);
    share_drop_kept(s);
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
        dht_node_meet(e->dht, &addr, false);
        conn_dial(s, &addr, e->set.encryption != ENCRYPTION_OFF);
    }
}

/* ---- the end ---- */

void share_leave(share *s) {
    if (s->leaving_sent) return;
    s->leaving_sent = true;
    s->owed_until_ms = s->e->now.mono_ms + SHARE_OWED_MS;
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
    bool owed = s->e->now.mono_ms < s->owed_until_ms && pbts_session_is_owed(s->session);
    return s->writes == 0 && !owed;
}

/* ---- figures ---- */

const uint8_t *share_other_infohash(const share *s) {
    if (s->meta == NULL) return s->magnet_has_other ? s->magnet_other : NULL;
    if (!pbts_metainfo_has_v1(s->meta) || !pbts_metainfo_has_v2(s->meta)) {
        return NULL;
    }
    return s->is_v2_swarm ? pbts_metainfo_infohash_v1(s->meta) : pbts_metainfo_infohash_v2(s->meta);
}

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
    json_object_set_new(json, "dht", share_dht_json(s));
    json_t *name = json_string(s->name); /* NULL when it is no UTF-8 */
    if (name != NULL) json_object_set_new(json, "name", name);
    if (s->problem[0] != '\0') json_object_set_new(json, "problem", json_string(s->problem));
    return json;
}
