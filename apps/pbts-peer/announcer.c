#include "announcer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/clock.h"
#include "origin.h"
#include "udp_announce.h"

enum { TIMEOUT_MS = 30000, TIMEOUT_STOPPING_MS = 4000, NUMWANT = 100 };

/* One announce under way. */
typedef struct flight {
    struct flight *next;
    announcer *owner;
    pbts_tracker_turn turn;
    bool is_home, refused;
    bool by_id;          /* it says who we are by the tracker's id of us */
    home_asking *asking; /* at most one of these three */
    web_request *http;
    udp_announce *udp;
} flight;

struct announcer {
    announcer_config config;
    pbts_trackers *trackers;
    flight *first;
    bool stopping;
};

static pbts_moment now_of(void) {
    return (pbts_moment){ pbts_clock_unix_ms() / 1000, pbts_clock_mono_us() / 1000 };
}

/* ---- ends ---- */

static void land(flight *f) {
    flight **at = &f->owner->first;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    free(f);
}

static void cancel(flight *f) {
    home_ask_cancel(f->asking);
    web_cancel(f->http);
    udp_announce_cancel(f->udp);
}

static void failed(flight *f, const char *problem, int32_t retry_in_minutes) {
    announcer *a = f->owner;
    announce_result result = { .url = f->turn.url,
                               .event = f->turn.event,
                               .problem = problem,
                               .is_home = f->is_home,
                               .refused = f->refused };
    pbts_trackers_failed(a->trackers, &f->turn, retry_in_minutes, now_of());
    land(f);
    a->config.ended(a->config.host, &result);
}

static void answered(flight *f, announce_result *result, uint32_t min_interval_s) {
    announcer *a = f->owner;
    result->url = f->turn.url;
    result->event = f->turn.event;
    result->is_home = f->is_home;
    pbts_trackers_answered(a->trackers, &f->turn, result->interval_s, min_interval_s, now_of());
    land(f);
    a->config.ended(a->config.host, result);
}

/* ---- HTTP ---- */

/* One that was signed may be refused because another of ours overtook it: the id that came with
 * that one's answer is good. */
static void refused(flight *f, const pbts_announce_answer *answer) {
    char text[512];
    f->refused = true;
    if (f->by_id) home_refused(f->owner->config.ours);
    (void)snprintf(text, sizeof text, "%.*s", (int)answer->failure.len,
                   (const char *)answer->failure.data);
    failed(f, text, answer->retry_in_minutes);
}

static void take_http(flight *f, const pbts_announce_answer *answer) {
    announcer *a = f->owner;
    announce_result result = { .complete = answer->complete,
                               .incomplete = answer->incomplete,
                               .interval_s = answer->interval_s };
    pbts_announce_peers walk = { 0 };
    pbts_addr addr;
    if (f->is_home) {
        result.new_ticket = home_take(a->config.ours, answer, now_of().unix_s);
    }
    while (!a->stopping && pbts_announce_peers_next(&walk, &addr, answer)) {
        a->config.peer(a->config.host, &addr);
        result.peers++;
    }
    answered(f, &result, answer->min_interval_s);
}

static void on_http(void *host, const web_answer *reply) {
    flight *f = host;
    pbts_announce_answer answer;
    char text[64];
    f->http = NULL;
    if (reply->error != NULL) {
        failed(f, reply->error, 0);
        return;
    }
    pbts_status status = pbts_announce_answer_decode(&answer, reply->body);
    if (status == PBTS_OK && answer.refused) {
        refused(f, &answer);
    } else if (reply->status != 200) {
        (void)snprintf(text, sizeof text, "HTTP status %ld", reply->status);
        failed(f, text, 0);
    } else if (status != PBTS_OK) {
        failed(f, "its answer is no announce answer", 0);
    } else {
        take_http(f, &answer);
    }
}

static void send_http(flight *f, pbts_announce *announce) {
    announcer *a = f->owner;
    char url[PBTS_ANNOUNCE_URL_MAX + 1];
    home_room room = { .url = "" };
    pbts_span base = f->turn.url;
    if (f->is_home) {
        home_identify(a->config.ours, announce, &room, now_of().unix_s);
        base = pbts_span_text(room.url);
        f->by_id = announce->tracker_id.len > 0;
    }
    pbts_writer writer = pbts_writer_over((uint8_t *)url, sizeof url - 1);
    pbts_announce_url_write(&writer, base, announce);
    url[writer.len] = '\0';
    const web_query query = { .url = url,
                              .answer_max = PBTS_ANNOUNCE_ANSWER_LEN_MAX,
                              .timeout_ms = a->stopping ? TIMEOUT_STOPPING_MS : TIMEOUT_MS,
                              .done = on_http,
                              .host = f };
    if (!writer.failed) f->http = web_start(a->config.net, &query);
    if (f->http == NULL) failed(f, "the announce cannot be sent", 0);
}

/* ---- UDP ---- */

static bool next_udp_peer(pbts_addr *out, size_t *at, const udp_outcome *outcome) {
    const pbts_announce_answer same = {
        .peers4 = outcome->family == PBTS_IPV4 ? outcome->answer.peers : (pbts_span){ NULL, 0 },
        .peers6 = outcome->family == PBTS_IPV6 ? outcome->answer.peers : (pbts_span){ NULL, 0 },
    };
    pbts_announce_peers walk = { .at4 = *at, .at6 = *at };
    bool found = pbts_announce_peers_next(&walk, out, &same);
    *at = outcome->family == PBTS_IPV4 ? walk.at4 : walk.at6;
    return found;
}

static void on_udp(void *host, const udp_outcome *outcome) {
    flight *f = host;
    announcer *a = f->owner;
    f->udp = NULL;
    if (outcome->error != NULL) {
        failed(f, outcome->error, 0);
        return;
    }
    announce_result result = { .complete = outcome->answer.complete,
                               .incomplete = outcome->answer.incomplete,
                               .interval_s = outcome->answer.interval_s };
    pbts_addr addr;
    size_t at = 0;
    while (!a->stopping && next_udp_peer(&addr, &at, outcome)) {
        a->config.peer(a->config.host, &addr);
        result.peers++;
    }
    answered(f, &result, 0);
}

static void send_udp(flight *f, const pbts_announce *announce) {
    announcer *a = f->owner;
    const udp_query query = { .url = f->turn.url,
                              .bound = a->config.bound,
                              .announce = announce,
                              .wait_ms =
                                  a->stopping ? TIMEOUT_STOPPING_MS / 8 : UDP_ANNOUNCE_WAIT_MS,
                              .done = on_udp,
                              .host = f };
    f->udp = udp_announce_start(a->config.loop, &query);
    if (f->udp == NULL) failed(f, "its address is none", 0);
}

/* ---- starts ---- */

static void start(flight *f);

static void on_asked(void *host, const char *problem) {
    flight *f = host;
    f->asking = NULL;
    if (problem != NULL) {
        failed(f, problem, 0);
    } else {
        start(f);
    }
}

static void start(flight *f) {
    announcer *a = f->owner;
    home_answer is_home = HOME_NO;
    pbts_announce announce = { .numwant = NUMWANT, .compact = true, .no_peer_id = true };
    if (a->config.ours != NULL) is_home = home_is(a->config.ours, f->turn.url);
    if (is_home == HOME_UNKNOWN) {
        f->asking = home_ask(a->config.ours, a->config.net, f->turn.url, on_asked, f);
        if (f->asking == NULL) failed(f, "too much is under way", 0);
        return;
    }
    f->is_home = is_home == HOME_YES;
    a->config.fill(a->config.host, &announce);
    bool is_udp = f->turn.url.data[0] == 'u'; /* which has no such event */
    bool says_paused = announce.event == PBTS_EVENT_PAUSED && !is_udp;
    if (f->turn.event != PBTS_EVENT_NONE || !says_paused) announce.event = f->turn.event;
    if (announce.event == PBTS_EVENT_STOPPED) announce.numwant = 0;
    if (is_udp) {
        send_udp(f, &announce);
    } else {
        send_http(f, &announce);
    }
}

void announcer_tick(announcer *a, pbts_moment now) {
    pbts_tracker_turn turn;
    while (pbts_trackers_deadline_ms(a->trackers) <= now.mono_ms &&
           pbts_trackers_next(a->trackers, &turn, now)) {
        flight *f = calloc(1, sizeof *f);
        if (f == NULL) {
            pbts_trackers_failed(a->trackers, &turn, 0, now);
            return;
        }
        *f = (flight){ .next = a->first, .owner = a, .turn = turn };
        a->first = f;
        start(f);
    }
}

/* ---- life ---- */

announcer *announcer_new(const announcer_config *config) {
    announcer *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    a->config = *config;
    if (pbts_trackers_new(&a->trackers, pbts_mem_system(), config->seed) == PBTS_OK) return a;
    free(a);
    return NULL;
}

static void cancel_all(announcer *a) {
    for (flight *f = a->first, *next; f != NULL; f = next) {
        next = f->next;
        cancel(f);
        land(f);
    }
}

void announcer_free(announcer *a) {
    if (a == NULL) return;
    cancel_all(a);
    pbts_trackers_free(a->trackers);
    free(a);
}

pbts_trackers *announcer_trackers(announcer *a) {
    return a->trackers;
}

void announcer_completed(announcer *a, pbts_moment now) {
    pbts_trackers_completed(a->trackers, now);
}

void announcer_hurry(announcer *a, pbts_moment now) {
    pbts_trackers_hurry(a->trackers, now);
}

void announcer_recheck(announcer *a, pbts_moment now) {
    pbts_trackers_recheck(a->trackers, now);
}

/* A `started` under way may have counted us already: it is let finish, and `stopped` follows. */
void announcer_stop(announcer *a, pbts_moment now) {
    if (a->stopping) return;
    a->stopping = true;
    pbts_trackers_stop(a->trackers, now);
}

bool announcer_is_idle(const announcer *a, pbts_moment now) {
    return a->first == NULL && pbts_trackers_deadline_ms(a->trackers) > now.mono_ms;
}

const char *announcer_name_of(pbts_span url) {
    static char name[256];
    const size_t udp = sizeof "udp://" - 1;
    pbts_span origin = origin_of(url);
    if (origin.len == 0 && url.len > udp && memcmp(url.data, "udp://", udp) == 0) {
        const uint8_t *slash = memchr(url.data + udp, '/', url.len - udp);
        origin = (pbts_span){ url.data, slash == NULL ? url.len : (size_t)(slash - url.data) };
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)origin.len, (const char *)origin.data);
    return name;
}
