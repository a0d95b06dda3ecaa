#include "control.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "codec/text.h"
#include "control_parts.h"
#include "exit_codes.h"
#include "peer/control_path.h"
#include "reporter.h"
#include "say.h"
#include "share.h"
#include "state.h"
#include "status_line.h"
#include "tell.h"

struct control {
    engine *e;
    uv_pipe_t server;
    char path[PATH_MAX];
    bool listens;
    unsigned client_count, handles; /* handles: not closed yet; the last one frees */
    control_client *clients[CONTROL_CLIENTS_MAX];
};

/* ---- what was added ---- */

static bool note_path(char out[static PATH_MAX], const engine *e, const char *hex) {
    char folder[PATH_MAX];
    return state_path(folder, e->set.state, "added", "") == 0 && state_make(folder) == 0 &&
           state_path(out, folder, hex, ".json") == 0;
}

static void note_added(const engine *e, const share *s, const char *source) {
    char path[PATH_MAX];
    json_t *note = json_pack("{s:s, s:s}", "source", source, "dir", s->dir);
    char *text = note == NULL ? NULL : json_dumps(note, JSON_INDENT(1));
    json_decref(note);
    if (text == NULL || !note_path(path, e, s->hex) ||
        state_write(path, pbts_span_text(text)) != 0) {
        tell("state_failed", share_fields(s), "%s: is not noted; it will be gone after a restart",
             s->name);
    }
    free(text);
}

static void forget_added(const engine *e, const share *s) {
    char path[PATH_MAX];
    if (note_path(path, e, s->hex)) (void)unlink(path);
}

/* A .torrent may be moved away by its user; we keep a copy under its infohash. */
static const char *keep_torrent(const engine *e, const share *s, char out[static PATH_MAX],
                                const char *source) {
    if (s->meta == NULL || state_path(out, e->set.state, s->hex, ".torrent") != 0) return source;
    return state_write(out, pbts_metainfo_bytes(s->meta)) == 0 ? out : source;
}

static void add_noted(engine *e, const char *path) {
    uint8_t *bytes;
    size_t len;
    char problem[ENGINE_PROBLEM_MAX];
    if (state_read(&bytes, &len, path, CONTROL_LINE_MAX) != 0) return;
    json_t *note = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
    free(bytes);
    const char *source = json_string_value(json_object_get(note, "source"));
    const char *dir = json_string_value(json_object_get(note, "dir"));
    if (source == NULL || dir == NULL) {
        tell("state_failed", json_pack("{s:s}", "path", path), "%s: is damaged, passed over", path);
    } else if (engine_add(e, problem, source, dir) == NULL) {
        tell("add_failed", json_pack("{s:s}", "path", path), "%s", problem);
    }
    json_decref(note);
}

static void add_all_noted(engine *e) {
    char folder[PATH_MAX], path[PATH_MAX];
    if (state_path(folder, e->set.state, "added", "") != 0) return;
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        if (len <= 5 || strcmp(entry->d_name + len - 5, ".json") != 0) continue;
        if (state_path(path, folder, entry->d_name, "") == 0) add_noted(e, path);
    }
    (void)closedir(dir);
}

/* ---- requests ---- */

json_t *control_refuse(const char *why) {
    json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", why);
    return answer != NULL ? answer : json_pack("{s:b, s:s}", "ok", 0, "error", "no such thing");
}

static share *find_named(const engine *e, const json_t *request) {
    uint8_t infohash[PBTS_INFOHASH_LEN];
    const char *hex = json_string_value(json_object_get(request, "torrent"));
    if (hex == NULL ||
        pbts_hex_decode_exact(infohash, sizeof infohash, pbts_span_text(hex)) != PBTS_OK) {
        return NULL;
    }
    return engine_find(e, infohash);
}

static json_t *do_list(engine *e, const json_t *request, control_client *from) {
    (void)from;
    json_t *list = json_array();
    (void)request;
    for (const share *s = e->shares; s != NULL; s = s->next) {
        (void)json_array_append_new(list, share_json(s));
    }
    return json_pack("{s:b, s:o}", "ok", 1, "torrents", list);
}

static json_t *do_add(engine *e, const json_t *request, control_client *from) {
    (void)from;
    char problem[ENGINE_PROBLEM_MAX], path[PATH_MAX];
    const char *source = json_string_value(json_object_get(request, "source"));
    const char *dir = json_string_value(json_object_get(request, "dir"));
    if (e->set.dht_only) {
        return control_refuse("this daemon is a node of the DHT and shares nothing: --dht-only");
    }
    if (source == NULL)
        return control_refuse("\"source\" is missing: a .torrent's path or a magnet link");
    share *s = engine_add(e, problem, source, dir);
    if (s == NULL) return control_refuse(problem);
    note_added(e, s, keep_torrent(e, s, path, source));
    return json_pack("{s:b, s:s}", "ok", 1, "torrent", s->hex);
}

static json_t *do_remove(engine *e, const json_t *request, control_client *from) {
    (void)from;
    share *s = find_named(e, request);
    if (s == NULL) return control_refuse("no such torrent is shared here");
    forget_added(e, s);
    engine_remove(s);
    return json_pack("{s:b}", "ok", 1);
}

static json_t *peer_json(const pbts_conn_stats *peer) {
    char addr[PBTS_ENDPOINT_TEXT_MAX];
    static const char *const LINKS[] = { "hello", "proving", "ready", "refused" };
    (void)pbts_addr_format_endpoint(addr, &peer->addr);
    json_t *json = json_pack(
        "{s:s, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:I, s:I}",
        "address", addr, "outgoing", peer->outgoing, "seeder", peer->is_seeder, "we_choke",
        peer->choking, "chokes_us", peer->choked, "interested", peer->interested, "receipts",
        LINKS[peer->link], "refusal", pbts_link_refusal_name(peer->refusal), "down_bytes_per_s",
        (json_int_t)peer->down_bytes_per_s, "up_bytes_per_s", (json_int_t)peer->up_bytes_per_s,
        "downloaded_bytes", (json_int_t)peer->downloaded_bytes, "uploaded_bytes",
        (json_int_t)peer->uploaded_bytes, "receipts_given", (int)peer->receipts.receipts_given,
        "receipts_taken", (int)peer->receipts.receipts_taken, "served_bytes",
        (json_int_t)peer->receipts.served_bytes, "covered_bytes",
        (json_int_t)peer->receipts.covered_bytes);
    json_t *name = json_string(peer->client);
    if (json != NULL && name != NULL) json_object_set_new(json, "client", name);
    return json;
}

static json_t *peers_json(const share *s) {
    json_t *list = json_array();
    if (s->session == NULL) return list;
    for (pbts_conn i = 1; i <= pbts_session_conn_limit(s->session); i++) {
        pbts_conn_stats peer;
        if (pbts_session_conn_stats(s->session, i, &peer) != PBTS_OK) continue;
        (void)json_array_append_new(list, peer_json(&peer));
    }
    return list;
}

static json_t *do_stats(engine *e, const json_t *request, control_client *from) {
    (void)from;
    if (json_object_get(request, "torrent") == NULL) {
        return json_pack("{s:b, s:o}", "ok", 1, "stats", status_json(e));
    }
    const share *s = find_named(e, request);
    if (s == NULL) return control_refuse("no such torrent is shared here");
    return json_pack("{s:b, s:o, s:o}", "ok", 1, "stats", share_json(s), "peers", peers_json(s));
}

static json_t *do_stop(engine *e, const json_t *request, control_client *from) {
    (void)from;
    (void)request;
    engine_stop(e, PBTS_EXIT_OK);
    return json_pack("{s:b}", "ok", 1);
}

/* NULL: it comes later, or there is no memory. */
static json_t *answer_line(control_client *from, size_t len) {
    engine *e = from->owner->e;
    static const struct {
        const char *word;
        json_t *(*run)(engine *e, const json_t *request, control_client *from);
    } VERBS[] = { { "list", do_list },
                  { "add", do_add },
                  { "remove", do_remove },
                  { "stats", do_stats },
                  { "stop", do_stop },
                  { "dht", control_dht_status },
                  { "dht_lookup", control_dht_lookup },
                  { "dht_announce", control_dht_announce } };
    json_t *request = json_loadb(from->line, len, JSON_REJECT_DUPLICATES, NULL);
    const char *word = json_string_value(json_object_get(request, "do"));
    json_t *answer = NULL;
    bool known = false;
    for (size_t i = 0; word != NULL && i < sizeof VERBS / sizeof VERBS[0]; i++) {
        if (strcmp(word, VERBS[i].word) != 0) continue;
        known = true;
        answer = VERBS[i].run(e, request, from);
    }
    json_decref(request);
    if (answer != NULL || known) return answer;
    return control_refuse(
        "\"do\" is one of list, add, remove, stats, stop, dht, dht_lookup, dht_announce");
}

/* ---- connections ---- */

static void release(control *c) {
    if (--c->handles == 0) free(c);
}

static void on_client_closed(uv_handle_t *handle) {
    control_client *from = handle->data;
    control *c = from->owner;
    free(from);
    release(c);
}

static void close_client(control_client *from) {
    control *c = from->owner;
    if (!from->is_open) return;
    from->is_open = false;
    control_dht_forget(c->e, from->waits_for);
    from->waits_for = NULL;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (c->clients[i] == from) c->clients[i] = NULL;
    }
    c->client_count--;
    uv_close((uv_handle_t *)&from->pipe, on_client_closed);
}

typedef struct {
    uv_write_t request;
    char *text;
} reply;

static void on_written(uv_write_t *request, int status) {
    reply *r = (reply *)(void *)request;
    (void)status;
    free(r->text);
    free(r);
}

static void send_json(control_client *from, json_t *take) {
    reply *r = calloc(1, sizeof *r);
    char *text = take == NULL ? NULL : json_dumps(take, JSON_COMPACT);
    json_decref(take);
    size_t len = text == NULL ? 0 : strlen(text);
    if (r == NULL || text == NULL) {
        free(r);
        free(text);
        close_client(from);
        return;
    }
    text[len] = '\n'; /* instead of its NUL */
    r->text = text;
    uv_buf_t buffer = uv_buf_init(text, (unsigned)len + 1);
    if (uv_write(&r->request, (uv_stream_t *)&from->pipe, &buffer, 1, on_written) == 0) return;
    on_written(&r->request, 0);
    close_client(from);
}

static void take_lines(control_client *from) {
    char *end;
    while (from->is_open && from->waits_for == NULL &&
           (end = memchr(from->line, '\n', from->len)) != NULL) {
        size_t used = (size_t)(end - from->line) + 1;
        json_t *answer = answer_line(from, used - 1);
        from->len -= used;
        memmove(from->line, from->line + used, from->len);
        if (from->waits_for == NULL) send_json(from, answer);
    }
}

void control_answer_later(control_client *from, json_t *take) {
    send_json(from, take);
    take_lines(from);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    control_client *from = handle->data;
    (void)size;
    *buffer = uv_buf_init(from->line + from->len, (unsigned)(sizeof from->line - from->len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
    control_client *from = stream->data;
    (void)buffer;
    engine_touch(from->owner->e);
    if (got < 0) {
        close_client(from);
        return;
    }
    from->len += (size_t)got;
    take_lines(from);
    if (from->is_open && from->len == sizeof from->line) close_client(from); /* no end of line */
}

static bool is_same_user(uv_pipe_t *pipe) {
    struct ucred who;
    socklen_t len = sizeof who;
    uv_os_fd_t fd;
    return uv_fileno((uv_handle_t *)pipe, &fd) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

static void on_connection(uv_stream_t *server, int status) {
    control *c = server->data;
    control_client *from = status < 0 ? NULL : calloc(1, sizeof *from);
    if (from == NULL) return;
    from->owner = c;
    from->pipe.data = from;
    (void)uv_pipe_init(&c->e->loop, &from->pipe, 0);
    from->is_open = true;
    c->handles++;
    c->client_count++;
    size_t slot = 0;
    while (slot < CONTROL_CLIENTS_MAX && c->clients[slot] != NULL) slot++;
    bool good = uv_accept(server, (uv_stream_t *)&from->pipe) == 0 && slot < CONTROL_CLIENTS_MAX &&
                is_same_user(&from->pipe);
    if (good) c->clients[slot] = from;
    if (!good || uv_read_start((uv_stream_t *)&from->pipe, on_room, on_read) != 0) {
        close_client(from);
    }
}

/* ---- life ---- */

/* A socket that nobody listens on was left behind by a crash. */
static bool is_alive(const char *path) {
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    if (len >= sizeof to.sun_path) return false; /* binding says so */
    memcpy(to.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool alive = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    (void)close(fd);
    return alive;
}

static int listen_at(control *c) {
    struct stat info;
    if (lstat(c->path, &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) {
            return say_fail(PBTS_EXIT_IO, "%s: is there already and no socket", c->path);
        }
        if (is_alive(c->path)) {
            return say_fail(PBTS_EXIT_IO,
                            "%s: a daemon listens there already; give each its own --control PATH",
                            c->path);
        }
        (void)unlink(c->path);
    }
    mode_t before = umask(0177);
    int error = uv_pipe_bind(&c->server, c->path);
    (void)umask(before);
    if (error == 0) error = uv_listen((uv_stream_t *)&c->server, 16, on_connection);
    if (error != 0) return say_fail(PBTS_EXIT_IO, "%s: %s", c->path, uv_strerror(error));
    c->listens = true;
    return PBTS_EXIT_OK;
}

int control_start(engine *e) {
    control *c = calloc(1, sizeof *c);
    if (c == NULL) return say_no_memory();
    c->e = e;
    c->handles = 1;
    if (uv_pipe_init(&e->loop, &c->server, 0) != 0) {
        free(c);
        return say_no_memory();
    }
    c->server.data = c;
    e->control = c;
    if (e->set.control != NULL) {
        (void)snprintf(c->path, sizeof c->path, "%s", e->set.control);
    } else if (!control_default_path(c->path)) {
        return say_fail(PBTS_EXIT_USAGE, "no place for the control socket; name one: --control");
    }
    int code = listen_at(c);
    if (code != PBTS_EXIT_OK) return code;
    tell("control", json_pack("{s:s}", "path", c->path), "\"pbts peer\" reaches it at %s", c->path);
    if (!e->set.dht_only) add_all_noted(e);
    return PBTS_EXIT_OK;
}

static void on_server_closed(uv_handle_t *handle) {
    release(handle->data);
}

void control_stop(control *c) {
    if (c == NULL) return;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (c->clients[i] != NULL) close_client(c->clients[i]);
    }
    if (c->listens) (void)unlink(c->path);
    uv_close((uv_handle_t *)&c->server, on_server_closed);
}
