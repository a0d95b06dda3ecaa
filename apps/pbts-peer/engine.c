#include "engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/secret_memory.h"
#include "conn.h"
#include "control.h"
#include "dht_node.h"
#include "engine_parts.h"
#include "exit_codes.h"
#include "net/clock.h"
#include "outage_watch.h"
#include "reporter.h"
#include "say.h"
#include "share.h"
#include "state.h"
#include "status_line.h"
#include "taken_file.h"
#include "tell.h"

void engine_touch(engine *e) {
    e->now = (pbts_moment){ pbts_clock_unix_ms() / 1000, pbts_clock_mono_us() / 1000 };
}

/* ---- who sends next ---- */

static void put_last(conn **first, conn ***end, conn *c) {
    c->pump_queued = true;
    c->pump_next = NULL;
    **end = c;
    *end = &c->pump_next;
    if (*first == NULL) *first = c;
}

void engine_pump_later(engine *e, conn *c) {
    if (c->pump_queued || c->state == CONN_DEAD) return;
    put_last(&e->pump_first, &e->pump_end, c);
}

void engine_pump_when_allowed(engine *e, conn *c) {
    if (c->pump_queued || c->state == CONN_DEAD || e->up.bytes_per_s == 0) return;
    put_last(&e->thirsty_first, &e->thirsty_end, c);
}

static void pump_all(engine *e) {
    while (e->pump_first != NULL) {
        conn *c = e->pump_first;
        e->pump_first = c->pump_next;
        if (e->pump_first == NULL) e->pump_end = &e->pump_first;
        c->pump_queued = false;
        conn_pump(c);
    }
}

/* Those who waited longest come first. */
static void water_the_thirsty(engine *e) {
    if (e->thirsty_first == NULL || bucket_left(&e->up, pbts_clock_mono_us()) == 0) return;
    conn *c = e->thirsty_first;
    e->thirsty_first = NULL;
    e->thirsty_end = &e->thirsty_first;
    while (c != NULL) {
        conn *next = c->pump_next;
        c->pump_queued = false;
        engine_pump_later(e, c);
        c = next;
    }
}

static void after_polls(uv_check_t *check) {
    engine *e = check->data;
    engine_touch(e);
    pump_all(e);
}

void engine_share_limits(engine *e) {
    uint64_t downloading = 0;
    for (const share *s = e->shares; s != NULL; s = s->next) {
        if (s->session != NULL && !s->finished && s->state == SHARE_RUNNING) downloading++;
    }
    if (downloading == 0) return;
    uint64_t each = e->set.down_bytes_per_s / downloading;
    if (e->set.down_bytes_per_s > 0 && each == 0) each = 1;
    for (share *s = e->shares; s != NULL; s = s->next) {
        if (s->session == NULL || s->finished) continue;
        pbts_session_set_open_bytes(s->session, e->set.memory_bytes / downloading, e->now);
        if (!s->paused) pbts_session_set_download_limit(s->session, each, e->now);
    }
}

void engine_make_room(engine *e, uint64_t bytes) {
    if (e->buffer_bytes + bytes <= e->set.memory_bytes) return;
    for (share *s = e->shares; s != NULL; s = s->next) pool_clear(&s->pieces);
}

/* ---- the end ---- */

void engine_stop(engine *e, int exit_code) {
    if (e->state != ENGINE_RUNNING) return;
    e->state = ENGINE_STOPPING;
    e->exit_code = exit_code;
    e->stop_deadline_ms = e->now.mono_ms + ENGINE_STOP_MS;
    tell_progress("");
    tell("stopping", NULL, "stopping: signing for what came, reporting what was served");
    engine_close_listeners(e);
    for (share *s = e->shares; s != NULL; s = s->next) share_leave(s);
}

static bool all_have_left(const engine *e) {
    for (const share *s = e->shares; s != NULL; s = s->next) {
        if (!share_has_left(s)) return false;
    }
    return true;
}

static void close_all_conns(engine *e) {
    while (e->conns != NULL) conn_close(e->conns, "the program ends");
}

static void begin_parting(engine *e) {
    conn *next;
    e->state = ENGINE_PARTING;
    for (conn *c = e->conns; c != NULL; c = next) {
        next = c->next;
        conn_finish(c);
    }
}

/* Peers have gone: report, tell trackers, save. */
static void begin_closing(engine *e) {
    e->state = ENGINE_CLOSING;
    e->closing_ms = e->now.mono_ms;
    close_all_conns(e);
    for (share *s = e->shares; s != NULL; s = s->next) {
        share_settle(s);
        if (s->session != NULL) s->save_wanted = true;
    }
    if (e->reports != NULL) reporter_finish(e->reports);
}

/* `completed` is said before `stopped`. */
static bool trackers_are_told(engine *e) {
    bool told = true;
    for (share *s = e->shares; s != NULL; s = s->next) {
        if (!share_announce_end(s)) told = false;
    }
    return told;
}

static bool dht_is_told(engine *e) {
    bool told = true;
    for (share *s = e->shares; s != NULL; s = s->next) {
        if (!share_dht_stop(s)) told = false;
    }
    return told;
}

static bool is_saved(engine *e) {
    bool saved = true;
    for (share *s = e->shares; s != NULL; s = s->next) {
        if (s->save_wanted) share_begin_save(s);
        if (share_is_busy(s)) saved = false;
    }
    return saved;
}

static void go_on_stopping(engine *e) {
    bool late = e->now.mono_ms >= e->stop_deadline_ms;
    if (e->state == ENGINE_STOPPING && (late || all_have_left(e))) begin_parting(e);
    if (e->state == ENGINE_PARTING && (late || e->conns == NULL)) begin_closing(e);
    if (e->state != ENGINE_CLOSING) return;
    bool reported = e->reports == NULL || reporter_is_idle(e->reports);
    bool told = trackers_are_told(e);
    if (!dht_is_told(e) && e->now.mono_ms - e->closing_ms < ENGINE_DHT_STOP_MS) told = false;
    if (!late && !(reported && told && is_saved(e))) return;
    e->state = ENGINE_OVER;
    uv_stop(&e->loop);
}

void engine_look(engine *e) {
    size_t done = 0;
    if (e->state != ENGINE_RUNNING || e->set.command == COMMAND_DAEMON) return;
    for (const share *s = e->shares; s != NULL; s = s->next) {
        bool enough = s->state == SHARE_LEAVING || s->state == SHARE_FAILED ||
                      (s->finished && !e->set.seeds_after);
        if (enough) done++;
    }
    if (done == e->share_count && e->share_count > 0) engine_stop(e, e->exit_code);
}

/* ---- time ---- */

static void on_tick(uv_timer_t *timer) {
    engine *e = timer->data;
    engine_touch(e);
    conn *next;
    for (conn *c = e->conns; c != NULL; c = next) {
        next = c->next;
        conn_tick(c);
    }
    water_the_thirsty(e);
    if (e->state == ENGINE_RUNNING) {
        engine_listen_again(e);
        for (share *s = e->shares; s != NULL; s = s->next) share_tick(s);
        engine_sweep(e);
        engine_look(e);
    } else {
        for (share *s = e->shares; s != NULL; s = s->next) share_tick_session(s);
    }
    if (e->journal != NULL) journal_file_tick(e->journal, &e->worker, e->now.mono_ms);
    if (e->reports != NULL) reporter_tick(e->reports);
    taken_file_tick(e->taken, e);
    dht_node_tick(e->dht);
    if (e->state == ENGINE_RUNNING) outage_watch_tick(e);
    status_line_tick(e);
    pump_all(e);
    if (e->state != ENGINE_RUNNING) go_on_stopping(e);
}

/* The first asks for an orderly end, the second for one at once. */
static void on_signal(uv_signal_t *handle, int signal_no) {
    engine *e = handle->data;
    engine_touch(e);
    if (e->state == ENGINE_RUNNING) {
        engine_stop(e, PBTS_EXIT_OK);
        return;
    }
    tell_progress("");
    tell("ended", NULL, "ended at once; what was not reported is on disk");
    _exit(128 + signal_no);
}

/* ---- life ---- */

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void set_peer_id(engine *e) {
    static const char ALPHABET[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    memcpy(e->peer_id, "-PB0100-", 8);
    for (size_t i = 8; i < sizeof e->peer_id; i++) {
        e->peer_id[i] = (uint8_t)ALPHABET[pbts_prng_below(&e->prng, sizeof ALPHABET - 1)];
    }
}

static int check_ca(const engine *e) {
    const char *problem = e->set.ca == NULL ? NULL : web_ca_problem(e->set.ca);
    if (problem == NULL) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_IO, "--ca %s: %s", e->set.ca, problem);
}

static int open_key(engine *e) {
    bool locked = false;
    if (e->set.key == NULL) return PBTS_EXIT_OK;
    e->key = pbts_secret_new(sizeof *e->key, &locked);
    if (e->key == NULL) return say_no_memory();
    if (!locked) tell("key_not_locked", NULL, "the key may be swapped out: raise ulimit -l");
    int code = keyfile_load_registered(e->key, e->set.key);
    if (code != PBTS_EXIT_OK) return code;
    e->has_key = true;
    if (!e->key->has_iid) {
        return say_fail(PBTS_EXIT_REFUSED,
                        "%s: names no instance; register the key with this version of pbts",
                        e->set.key);
    }
    return PBTS_EXIT_OK;
}

static int set_terms(engine *e) {
    const settings *set = &e->set;
    if (pbts_book_new(&e->book, pbts_mem_system()) != PBTS_OK) return say_no_memory();
    e->terms = (pbts_link_terms){
        .mem = pbts_mem_system(),
        .random = pbts_random_system(),
        .secret = &e->key->secret,
        .key = e->key->key,
        .forms_taken = 1u << PBTS_FORM_PIECE | 1u << PBTS_FORM_CUMULATIVE | 1u << PBTS_FORM_BATCH |
                       1u << PBTS_FORM_SESSION,
        .form_given = set->form,
        .schedule = set->schedule,
        .batch_pieces = 10,
        .exposure_max_bytes = set->exposure_max_bytes,
        .receipt_timeout_ms = set->receipt_timeout_ms,
        .ticket_required = true,
        .receipts_required = true,
        .book = e->book,
    };
    e->ours = home_new(e->key, &e->terms, set->state, set->tracker);
    if (e->ours == NULL) return say_no_memory();
    if (set->tracker != NULL && home_base(e->ours)[0] == '\0') {
        return say_fail(PBTS_EXIT_USAGE, "--tracker \"%s\": http://HOST:PORT or https://HOST:PORT",
                        set->tracker);
    }
    if (!set->receipts) return PBTS_EXIT_OK;
    int code = journal_file_open(&e->journal, set->state, &e->key->key);
    if (code != PBTS_EXIT_OK) return code;
    e->reports = reporter_new(e);
    e->taken = taken_file_open(e);
    return e->reports == NULL || e->taken == NULL ? say_no_memory() : PBTS_EXIT_OK;
}

static int open_state(engine *e) {
    const char *path = e->set.dir;
    int error = e->set.command == COMMAND_SEED ? 0 : state_make_all(path);
    if (error == 0) {
        path = e->set.state;
        error = state_make(path);
    }
    if (error == 0) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_IO, "%s: %s; --dir and --state must be folders that can be written",
                    path, strerror(error));
}

static int start_loop(engine *e) {
    bool limited = e->set.up_bytes_per_s > 0;
    const web_config net = { .ca = e->set.ca, .bound = e->set.has_bind ? &e->set.bind : NULL };
    uint64_t every_ms = limited ? ENGINE_TICK_LIMITED_MS : ENGINE_TICK_MS;
    (void)uv_check_init(&e->loop, &e->after_polls);
    (void)uv_timer_init(&e->loop, &e->ticker);
    (void)uv_signal_init(&e->loop, &e->on_int);
    (void)uv_signal_init(&e->loop, &e->on_term);
    e->after_polls.data = e->ticker.data = e->on_int.data = e->on_term.data = e;
    (void)uv_check_start(&e->after_polls, after_polls);
    (void)uv_timer_start(&e->ticker, on_tick, 0, every_ms);
    if (uv_signal_start(&e->on_int, on_signal, SIGINT) != 0 ||
        uv_signal_start(&e->on_term, on_signal, SIGTERM) != 0 ||
        !disk_start(&e->worker, &e->loop)) {
        return say_fail(PBTS_EXIT_IO, "no threads or signals to be had");
    }
    e->net = web_new(&e->loop, &net);
    return e->net == NULL ? say_no_memory() : PBTS_EXIT_OK;
}

/* Its membership, and nodes to begin with, may be in a .torrent of the tracker's. */
static int begin_dht(engine *e) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (e->set.dht_member != NULL) {
        int error = state_read(&bytes, &len, e->set.dht_member, PBTS_METAINFO_LEN_MAX);
        if (error != 0) {
            return say_fail(PBTS_EXIT_IO, "--dht-member %s: %s", e->set.dht_member,
                            strerror(error));
        }
        home_take_fallback(e->ours, (pbts_span){ bytes, len }, e->now.unix_s);
    }
    int code = dht_node_new(&e->dht, e);
    if (bytes != NULL) dht_cache_meet(e->dht, (pbts_span){ bytes, len });
    free(bytes);
    return code;
}

static int start(engine *e) {
    uint64_t seed;
    if (pbts_random_fill(pbts_random_system(), (uint8_t *)&seed, sizeof seed) != PBTS_OK) {
        return say_fail(PBTS_EXIT_IO, "no random numbers");
    }
    e->prng = pbts_prng_seeded(seed);
    set_peer_id(e);
    raise_file_limit();
    e->open_budget.max_bytes = e->set.memory_bytes;
    e->up = bucket_new(e->set.up_bytes_per_s, pbts_clock_mono_us());
    e->input = malloc(ENGINE_INPUT_BYTES);
    e->output = malloc(ENGINE_OUTPUT_BYTES);
    if (e->input == NULL || e->output == NULL) return say_no_memory();
    int code = check_ca(e);
    if (code == PBTS_EXIT_OK) code = open_state(e);
    if (code == PBTS_EXIT_OK) code = open_key(e);
    if (code == PBTS_EXIT_OK) code = start_loop(e);
    if (code == PBTS_EXIT_OK && e->has_key) code = set_terms(e);
    if (code == PBTS_EXIT_OK) code = engine_listen(e);
    if (code == PBTS_EXIT_OK && e->set.dht) code = begin_dht(e);
    return code;
}

/* ---- torrents ---- */

share *engine_find(const engine *e, const uint8_t infohash[static PBTS_INFOHASH_LEN]) {
    for (share *s = e->shares; s != NULL; s = s->next) {
        const uint8_t *other = share_other_infohash(s);
        if (memcmp(s->infohash, infohash, PBTS_INFOHASH_LEN) == 0) return s;
        if (other != NULL && memcmp(other, infohash, PBTS_INFOHASH_LEN) == 0) return s;
    }
    return NULL;
}

static int add_torrents(engine *e) {
    char problem[ENGINE_PROBLEM_MAX];
    for (size_t i = 0; i < e->set.torrent_count; i++) {
        if (engine_add(e, problem, e->set.torrents[i], NULL) == NULL) {
            return say_fail(PBTS_EXIT_IO, "%s", problem);
        }
    }
    if (e->set.command != COMMAND_DAEMON) return PBTS_EXIT_OK;
    return control_start(e);
}

/* ---- taking it apart ---- */

static void close_handle(uv_handle_t *handle, void *host) {
    (void)host;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void free_all(engine *e) {
    while (e->shares != NULL) {
        share *s = e->shares;
        e->shares = s->next;
        share_free(s);
    }
    dht_node_free(e->dht);
    reporter_free(e->reports);
    taken_file_close(e->taken, e);
    journal_file_close(e->journal);
    home_free(e->ours);
    pbts_book_free(e->book);
    pbts_secret_free(e->key);
    free(e->input);
    free(e->output);
}

/* Whatever was begun is ended, in the order of who uses whom. */
static void finish(engine *e) {
    control_stop(e->control);
    engine_close_listeners(e);
    close_all_conns(e);
    for (share *s = e->shares; s != NULL; s = s->next) share_end_check(s);
    if (e->worker.thread_runs) disk_stop(&e->worker);
    while (e->shares != NULL) {
        share *s = e->shares;
        e->shares = s->next;
        share_free(s);
    }
    dht_node_close(e->dht);
    reporter_free(e->reports);
    e->reports = NULL;
    if (e->net != NULL) web_close(e->net);
    (void)uv_run(&e->loop, UV_RUN_NOWAIT);
    uv_walk(&e->loop, close_handle, NULL);
    (void)uv_run(&e->loop, UV_RUN_DEFAULT);
    free_all(e);
    (void)uv_loop_close(&e->loop);
}

int engine_run(const settings *set) {
    engine *e = calloc(1, sizeof *e);
    if (e == NULL) return say_no_memory();
    e->set = *set;
    e->pump_end = &e->pump_first;
    e->thirsty_end = &e->thirsty_first;
    if (uv_loop_init(&e->loop) != 0) {
        free(e);
        return say_fail(PBTS_EXIT_IO, "no event loop to be had");
    }
    engine_touch(e);
    e->started_ms = e->now.mono_ms;
    int code = start(e);
    if (code == PBTS_EXIT_OK) code = add_torrents(e);
    if (code == PBTS_EXIT_OK) {
        (void)uv_run(&e->loop, UV_RUN_DEFAULT);
        code = e->exit_code;
        status_line_end(e);
    }
    e->state = ENGINE_OVER;
    finish(e);
    free(e);
    return code;
}
