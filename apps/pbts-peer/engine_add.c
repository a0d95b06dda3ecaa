/* engine_add.c - torrents on their way in: .torrent files, magnet links, and what was learned of
 * the latter in an earlier run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "engine.h"
#include "share.h"
#include "state.h"
#include "tell.h"
#include "tracker_api.h"

static share *fail(char problem[static ENGINE_PROBLEM_MAX], const char *what, const char *why) {
    (void)snprintf(problem, ENGINE_PROBLEM_MAX, "%.2000s: %s", what, why);
    return NULL;
}

static share *add_share(engine *e, share *s) {
    share **end = &e->shares;
    if (s == NULL) return NULL;
    while (*end != NULL) end = &(*end)->next;
    *end = s;
    e->share_count++;
    json_t *fields = share_json(s);
    tell("added", fields, "%s: added", s->name);
    return s;
}

static bool has_room(const engine *e, char problem[static ENGINE_PROBLEM_MAX]) {
    if (e->share_count < ENGINE_SHARES_MAX) return true;
    (void)snprintf(problem, ENGINE_PROBLEM_MAX, "at most %d torrents at once", ENGINE_SHARES_MAX);
    return false;
}

/* ---- .torrent files ---- */

static share *add_metainfo(engine *e, char problem[static ENGINE_PROBLEM_MAX],
                           pbts_metainfo *take_meta, const char *dir) {
    const share *known = engine_find(e, pbts_metainfo_infohash(take_meta));
    if (known != NULL) {
        pbts_metainfo_free(take_meta);
        return fail(problem, known->name, "is here already");
    }
    return add_share(e, share_new(e, problem, take_meta, NULL, dir));
}

static pbts_metainfo *read_metainfo(char problem[static ENGINE_PROBLEM_MAX], const char *path) {
    uint8_t *bytes;
    size_t len;
    pbts_metainfo *meta = NULL;
    const char *why = "";
    int error = state_read(&bytes, &len, path, PBTS_METAINFO_LEN_MAX);
    if (error != 0) {
        (void)fail(problem, path, strerror(error));
        return NULL;
    }
    pbts_status status =
        pbts_metainfo_parse(&meta, &why, pbts_mem_system(), (pbts_span){ bytes, len });
    free(bytes);
    if (status == PBTS_OK) return meta;
    (void)fail(problem, path, status == PBTS_NO_MEMORY ? "out of memory" : why);
    return NULL;
}

/* ---- magnet links ---- */

static void kept_path(char out[static PATH_MAX], const engine *e, const pbts_magnet *magnet) {
    char hex[2 * PBTS_INFOHASH_LEN + 1];
    pbts_span infohash = { magnet->has_v1 ? magnet->infohash_v1 : magnet->infohash_v2,
                           PBTS_INFOHASH_LEN };
    hex_text(hex, sizeof hex, infohash);
    if (state_path(out, e->set.state, hex, ".torrent") != 0) out[0] = '\0';
}

static share *add_magnet(engine *e, char problem[static ENGINE_PROBLEM_MAX], const char *text,
                         const char *dir) {
    pbts_magnet magnet;
    char path[PATH_MAX], ignored[ENGINE_PROBLEM_MAX];
    pbts_span link = pbts_span_text(text);
    uint8_t *scratch = malloc(link.len + 1);
    if (scratch == NULL) return fail(problem, "magnet link", "out of memory");
    pbts_status status = pbts_magnet_parse(&magnet, scratch, link);
    share *s = NULL;
    if (status != PBTS_OK) {
        s = fail(problem, text, "is no magnet link of a torrent");
    } else if ((magnet.has_v1 && engine_find(e, magnet.infohash_v1) != NULL) ||
               (magnet.has_v2 && engine_find(e, magnet.infohash_v2) != NULL)) {
        s = fail(problem, text, "is here already");
    } else {
        kept_path(path, e, &magnet);
        pbts_metainfo *known = read_metainfo(ignored, path);
        s = add_share(e, share_new(e, problem, known, &magnet, dir));
    }
    free(scratch);
    return s;
}

share *engine_add(engine *e, char problem[static ENGINE_PROBLEM_MAX], const char *source,
                  const char *dir) {
    if (dir == NULL) dir = e->set.dir;
    if (!has_room(e, problem)) return NULL;
    if (pbts_magnet_is(pbts_span_text(source))) return add_magnet(e, problem, source, dir);
    pbts_metainfo *meta = read_metainfo(problem, source);
    return meta == NULL ? NULL : add_metainfo(e, problem, meta, dir);
}

/* ---- and out ---- */

/* True when all peers have hung up; late: when none is left. */
static bool has_parted(engine *e, const share *s, bool late) {
    bool any = false;
    conn *next;
    for (conn *c = e->conns; c != NULL; c = next) {
        next = c->next;
        if (c->owner != s) continue;
        if (late) {
            conn_close(c, "the torrent was removed");
        } else {
            conn_finish(c);
            any = any || c->state != CONN_DEAD;
        }
    }
    return !any;
}

/* One step on; true when nothing of it is left to be done. */
static bool has_gone(engine *e, share *s) {
    bool late = e->now.mono_ms >= s->removing_until_ms;
    if (!s->has_left && !late && !share_has_left(s)) return false;
    s->has_left = true;
    if (!has_parted(e, s, late)) return false;
    share_settle(s);
    bool told = share_announce_stop(s);
    if (!share_dht_stop(s)) told = false;
    return !share_is_busy(s) && (late || told);
}

void engine_remove(share *s) {
    s->removing = true;
    s->removing_until_ms = s->e->now.mono_ms + ENGINE_STOP_MS;
    share_leave(s);
}

void engine_sweep(engine *e) {
    share **at = &e->shares;
    while (*at != NULL) {
        share *s = *at;
        if (!s->removing || !has_gone(e, s)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        e->share_count--;
        tell("removed", share_fields(s), "%s: removed", s->name);
        share_free(s);
    }
}
