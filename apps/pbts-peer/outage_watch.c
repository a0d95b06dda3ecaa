#include "outage_watch.h"

#include <stdio.h>

#include "dht_node.h"
#include "home.h"
#include "reporter.h"
#include "tell.h"

enum { PARAMS_MAX = 64 * 1024 };

/* ---- what follows ---- */

static void tell_means(const engine *e) {
    bool away = e->home_outage.is_away, dht = e->dht != NULL;
    tell(away ? "tracker_away" : "tracker_back", json_pack("{s:b}", "dht", dht), "%s",
         !away ? "the tracker is back"
         : dht ? "the tracker is away; its members are asked, by DHT"
               : "the tracker is away");
}

static void hurry_share(share *s) {
    share_dht_hurry(s);
    if (!s->e->home_outage.is_away || share_forms_receipts(s) == HOME_NO) return;
    share_announce_recheck(s); /* whoever announces finds out when it is back */
}

static void changed(engine *e) {
    e->terms.is_outage = e->home_outage.is_away;
    home_tell_tracker_time(e->ours, e->now.unix_s); /* memberships are looked at now */
    tell_means(e);
    for (share *s = e->shares; s != NULL; s = s->next) hurry_share(s);
    if (!e->home_outage.is_away && e->reports != NULL) reporter_hurry(e->reports);
}

/* ---- announces ---- */

/* Of trackers that are not ours nothing follows. While it is not known which one is ours (a first
 * start without it), each may be. */
static bool may_be_home(const share *s, const announce_result *result) {
    const home *ours = s->e->ours;
    return ours != NULL && (result->is_home || home_is(ours, result->url) != HOME_NO);
}

void outage_watch_announced(share *s, const announce_result *result) {
    engine *e = s->e;
    bool answered = result->problem == NULL || result->refused;
    if (!may_be_home(s, result)) return;
    bool news = answered ? outage_answered(&e->home_outage, e->now.mono_ms)
                         : outage_failed(&e->home_outage, e->now.mono_ms);
    if (news) changed(e);
}

/* ---- probes ---- */

void outage_watch_suspect(engine *e) {
    if (e->ours == NULL || home_base(e->ours)[0] == '\0') return; /* nobody to ask */
    outage_suspect(&e->home_outage, &e->prng, e->now.mono_ms);
}

/* What a proxy says of a tracker that is away is no answer of the tracker's. */
static void on_probed(void *host, const web_answer *answer) {
    engine *e = host;
    engine_touch(e);
    e->probe = NULL;
    bool answered = answer->error == NULL && answer->status < 500;
    bool news = answered ? outage_probe_answered(&e->home_outage, e->now.mono_ms)
                         : outage_probe_failed(&e->home_outage, &e->prng, e->now.mono_ms);
    if (news) changed(e);
}

static void probe(engine *e) {
    char url[HOME_BASE_MAX + 16];
    (void)snprintf(url, sizeof url, "%s/params", home_base(e->ours));
    const web_query query = { .url = url,
                              .answer_max = PARAMS_MAX,
                              .timeout_ms = OUTAGE_PROBE_TIMEOUT_MS,
                              .done = on_probed,
                              .host = e };
    e->probe = web_start(e->net, &query); /* NULL: too much is under way; at the next tick */
}

void outage_watch_tick(engine *e) {
    uint64_t gets = dht_node_gets(e->dht);
    if (gets > e->gets_heard) outage_watch_suspect(e);
    e->gets_heard = gets;
    if (e->probe == NULL && outage_probe_is_due(&e->home_outage, e->now.mono_ms)) probe(e);
}
