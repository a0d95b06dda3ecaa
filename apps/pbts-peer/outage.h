/* outage.h - whether the tracker that we are registered with is away, as announces find out.
 *
 * It is away after OUTAGE_TRIES announces in a row that nobody answered, some time apart. What it
 * refuses it did answer. Once it answers again the DHT is used beside it for a while, until others
 * have found their way back too.
 *
 * A peer that seeds and has nothing to say would find out half an hour late. So there are signs:
 * somebody asks the DHT for peers, a report fails. After one of them the tracker is asked, each
 * time by a probe, unless it was heard meanwhile. A sign proves nothing and anybody who is a member
 * can give one, so probes rest: longer after each that the tracker answered. No I/O.
 */
#ifndef PBTS_PEER_OUTAGE_H
#define PBTS_PEER_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

enum {
    OUTAGE_TRIES = 3,
    OUTAGE_APART_MS = 2000,            /* tries of several torrents at once count as one */
    OUTAGE_BESIDE_MS = 30 * 60 * 1000, /* both, after it is back: an interval of most trackers */
    OUTAGE_REST_MS = 15 * 1000,        /* after it was heard; doubles with every false alarm */
    OUTAGE_REST_MAX_MS = 5 * 60 * 1000,
    OUTAGE_CALM_MS = 30 * 60 * 1000, /* without a false alarm: those before are forgotten */
    OUTAGE_SPREAD_MS = 10 * 1000,    /* one question is heard by many: they do not come as one */
};

/* Begins zeroed: nothing was tried. */
typedef struct {
    unsigned tries;
    uint64_t tried_ms, back_ms; /* monotonic, like all of them */
    bool is_away, was_away;
    uint64_t heard_ms; /* when it last answered */
    uint64_t probe_ms; /* when to ask it; 0: no need */
    unsigned false_alarms;
    uint64_t alarm_ms; /* the last of them */
} outage;

typedef enum { OUTAGE_TRACKER, OUTAGE_DHT, OUTAGE_BOTH } outage_means;

/* An announce was not answered. True: with this one it is away. */
bool outage_failed(outage *o, uint64_t now_ms);
/* It was, or was refused. True: the tracker is back. */
bool outage_answered(outage *o, uint64_t now_ms);
/* By what peers are found now. */
outage_means outage_means_now(const outage *o, uint64_t now_ms);

/* A sign that it may be away. While the DHT is used nothing follows: announces go on. */
void outage_suspect(outage *o, pbts_prng *prng, uint64_t now_ms);
/* Ask it now, and say how that ended. True as with announces. */
bool outage_probe_is_due(const outage *o, uint64_t now_ms);
bool outage_probe_failed(outage *o, pbts_prng *prng, uint64_t now_ms);
bool outage_probe_answered(outage *o, uint64_t now_ms);

#endif
