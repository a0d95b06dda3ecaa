#include "outage.h"

bool outage_failed(outage *o, uint64_t now_ms) {
    if (o->is_away || (o->tries > 0 && now_ms - o->tried_ms < OUTAGE_APART_MS)) return false;
    o->tried_ms = now_ms;
    if (++o->tries < OUTAGE_TRIES) return false;
    o->is_away = o->was_away = true;
    o->probe_ms = 0;
    o->false_alarms = 0;
    return true;
}

bool outage_answered(outage *o, uint64_t now_ms) {
    bool back = o->is_away;
    o->tries = 0;
    o->is_away = false;
    o->probe_ms = 0;
    o->heard_ms = now_ms;
    if (back) o->back_ms = now_ms;
    return back;
}

outage_means outage_means_now(const outage *o, uint64_t now_ms) {
    if (o->is_away) return OUTAGE_DHT;
    return o->was_away && now_ms - o->back_ms < OUTAGE_BESIDE_MS ? OUTAGE_BOTH : OUTAGE_TRACKER;
}

/* ---- probes ---- */

static uint64_t rest_ms(const outage *o, uint64_t now_ms) {
    uint64_t rest = OUTAGE_REST_MS;
    if (now_ms - o->alarm_ms >= OUTAGE_CALM_MS) return rest;
    for (unsigned i = 0; i < o->false_alarms && rest < OUTAGE_REST_MAX_MS; i++) rest *= 2;
    return rest < OUTAGE_REST_MAX_MS ? rest : OUTAGE_REST_MAX_MS;
}

void outage_suspect(outage *o, pbts_prng *prng, uint64_t now_ms) {
    if (o->probe_ms != 0 || outage_means_now(o, now_ms) != OUTAGE_TRACKER) return;
    uint64_t at_ms = o->heard_ms + rest_ms(o, now_ms);
    if (o->heard_ms == 0 || at_ms < now_ms) at_ms = now_ms;
    o->probe_ms = at_ms + 1 + pbts_prng_below(prng, OUTAGE_SPREAD_MS);
}

bool outage_probe_is_due(const outage *o, uint64_t now_ms) {
    return o->probe_ms != 0 && now_ms >= o->probe_ms;
}

bool outage_probe_failed(outage *o, pbts_prng *prng, uint64_t now_ms) {
    bool away = outage_failed(o, now_ms);
    o->probe_ms =
        o->is_away ? 0 : now_ms + OUTAGE_APART_MS + pbts_prng_below(prng, OUTAGE_APART_MS / 4);
    return away;
}

bool outage_probe_answered(outage *o, uint64_t now_ms) {
    if (now_ms - o->alarm_ms >= OUTAGE_CALM_MS) o->false_alarms = 0;
    o->false_alarms++;
    o->alarm_ms = now_ms;
    return outage_answered(o, now_ms);
}
