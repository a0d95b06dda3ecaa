/* announcer.h - a torrent's announces: peer/trackers.h says to whom and when, this makes them, over
 * HTTP and UDP, signed where the tracker is ours. */
#ifndef PBTS_PEER_ANNOUNCER_H
#define PBTS_PEER_ANNOUNCER_H

#include "home.h"
#include "peer/trackers.h"

typedef struct announcer announcer;

/* How an announce ended. */
typedef struct {
    pbts_span url; /* of the torrent's tracker; it may hold a passkey: not for logs */
    pbts_event event;
    const char *problem; /* NULL: it was answered. May be the tracker's own words */
    bool is_home;        /* it went to the tracker that our key is registered with */
    bool refused;        /* it answered, and did not want */
    bool new_ticket;
    uint32_t complete, incomplete, peers;
    uint32_t interval_s;
} announce_result;

typedef struct {
    uv_loop_t *loop;
    web *net;
    home *ours; /* NULL: no key */
    const pbts_addr *bound;
    uint64_t seed;
    /* Fill in who and how far we are: all but what says who we are, and the event: that may be
     * PAUSED (BEP 21: we serve what we have and want no more), said when there is no other. */
    void (*fill)(void *host, pbts_announce *announce);
    void (*peer)(void *host, const pbts_addr *addr);
    void (*ended)(void *host, const announce_result *result); /* after its peers */
    void *host;
} announcer_config;

/* NULL: no memory. The config is copied. */
announcer *announcer_new(const announcer_config *config);
void announcer_free(announcer *a); /* ends what is under way; NULL is a no-op */

/* The trackers to ask; add them before the first tick. */
pbts_trackers *announcer_trackers(announcer *a);
void announcer_tick(announcer *a, pbts_moment now);
/* The rest as in peer/trackers.h. */
void announcer_completed(announcer *a, pbts_moment now);
void announcer_hurry(announcer *a, pbts_moment now);
void announcer_recheck(announcer *a, pbts_moment now);
/* From now on only `stopped`, where that is due; what is under way may finish. */
void announcer_stop(announcer *a, pbts_moment now);
/* Nothing is under way or due now. */
bool announcer_is_idle(const announcer *a, pbts_moment now);

/* The scheme, host and port of a tracker's URL: fit for logs, without a passkey. Valid until the
 * next call. */
const char *announcer_name_of(pbts_span url);

#endif
