/* dht_cache.c - addresses to begin with: nodes that answered or that the tracker named, kept in a
 * file from one run to the next, and those that the user names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dht_node_parts.h"
#include "net/socket.h"
#include "state.h"
#include "tell.h"
#include "torrent/fallback.h"
#include "tracker_api.h"

static void load_file(dht_node *n) {
    uint8_t *bytes;
    size_t len;
    int error = state_read(&bytes, &len, n->path, PBTS_DHT_BOOTSTRAP_LEN_MAX);
    if (error == ENOENT) return;
    if (error == 0) {
        if (pbts_dht_bootstrap_decode(&n->cache, (pbts_span){ bytes, len }) != PBTS_OK) {
            error = EBADMSG;
        }
        free(bytes);
    }
    if (error == 0) return;
    tell("state_failed", json_pack("{s:s, s:s}", "path", n->path, "error", strerror(error)),
         "%s: %s; the nodes in it are forgotten", n->path, strerror(error));
}

/* ---- names ---- */

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    dht_name *name = request->data;
    dht_node *n = name->owner;
    n->names_under_way--;
    if (status != UV_ECANCELED) engine_touch(n->e);
    if (status != 0 && status != UV_ECANCELED) {
        tell("dht_bootstrap_failed",
             json_pack("{s:s, s:s}", "node", name->text, "error", uv_strerror(status)),
             "--dht-bootstrap %s: %s", name->text, uv_strerror(status));
    }
    for (const struct addrinfo *at = found; status == 0 && at != NULL; at = at->ai_next) {
        pbts_addr addr;
        if (pbts_sockaddr_read_len(&addr, at->ai_addr, at->ai_addrlen) == PBTS_OK) {
            dht_node_meet(n, &addr, true);
        }
    }
    uv_freeaddrinfo(found);
}

/* "HOST:PORT"; the settings saw that it has a port. */
static void resolve(dht_node *n, const char *text) {
    char host[256];
    pbts_addr addr;
    if (pbts_addr_parse_endpoint(&addr, pbts_span_text(text)) == PBTS_OK) {
        dht_node_meet(n, &addr, true);
        return;
    }
    const char *colon = strrchr(text, ':');
    const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
    dht_name *name = &n->names[n->name_count];
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    *name = (dht_name){ .owner = n, .text = text };
    name->request.data = name;
    if (uv_getaddrinfo(&n->e->loop, &name->request, on_resolved, host, colon + 1, &hints) != 0) {
        return;
    }
    n->name_count++;
    n->names_under_way++;
}

void dht_cache_meet(dht_node *n, pbts_span torrent) {
    pbts_torrent_fallback fallback;
    pbts_addr addr;
    size_t at = 0;
    if (n == NULL || pbts_torrent_fallback_find(&fallback, torrent) != PBTS_OK) return;
    while (pbts_torrent_fallback_next(&addr, &at, &fallback)) dht_node_meet(n, &addr, true);
}

void dht_cache_load(dht_node *n) {
    char file[64], hex[2 * 8 + 1];
    const settings *set = &n->e->set;
    hex_text(hex, sizeof hex, (pbts_span){ n->e->key->iid, 8 });
    (void)snprintf(file, sizeof file, "nodes-%s", hex);
    if (state_path(n->path, set->state, file, ".dht") != 0) n->path[0] = '\0';
    n->save_ms = n->e->now.mono_ms + DHT_NODE_SAVE_MS;
    if (n->path[0] != '\0') load_file(n);
    pbts_dht_bootstrap_set_clock(&n->cache, n->e->now.unix_s);
    /* The newest are to be asked first, and of too many the first go. */
    size_t count = n->cache.count < DHT_NODE_MET_MAX ? n->cache.count : DHT_NODE_MET_MAX;
    for (size_t i = 0; i < count; i++) n->met[i] = n->cache.nodes[i].addr;
    n->met_count = count;
    for (size_t i = 0; i < set->bootstrap_count; i++) resolve(n, set->bootstraps[i]);
}

/* ---- writing ---- */

/* Those in the routing table answered lately. */
static void note_table(dht_node *n) {
    pbts_dht_node nodes[PBTS_DHT_K];
    pbts_dht_bootstrap_set_clock(&n->cache, n->e->now.unix_s);
    if (n->dht == NULL) return;
    size_t count = pbts_dht_closest(n->dht, pbts_dht_own_id(n->dht), nodes, PBTS_DHT_K);
    for (size_t i = 0; i < count; i++) {
        pbts_dht_bootstrap_note(&n->cache, &nodes[i].addr, n->e->now.unix_s);
        n->cache_changed = true;
    }
}

void dht_cache_save(dht_node *n) {
    uint8_t bytes[PBTS_DHT_BOOTSTRAP_LEN_MAX];
    note_table(n);
    if (!n->cache_changed || n->path[0] == '\0') return;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_bootstrap_encode(&writer, &n->cache);
    int error = state_write(n->path, pbts_writer_span(&writer));
    n->cache_changed = error != 0;
    if (error == 0) return;
    tell("state_failed", json_pack("{s:s, s:s}", "path", n->path, "error", strerror(error)),
         "%s: %s", n->path, strerror(error));
}

void dht_cache_tick(dht_node *n) {
    if (n->e->now.mono_ms < n->save_ms) return;
    n->save_ms = n->e->now.mono_ms + DHT_NODE_SAVE_MS;
    dht_cache_save(n);
}
