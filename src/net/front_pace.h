/* net/front_pace.h - private to the front: whether a short pause before the next wait would save
 * work.
 *
 * A worker that is faster than its load sleeps and is woken for each request. A wake-up costs both
 * cores microseconds, and on a virtual machine more than the request. So at a high rate it pauses
 * for some dozens of microseconds and finds several requests, as network cards do with interrupts.
 * Pauses that gather nothing, or after which fewer requests come because the clients are few and
 * wait for their answers, end soon.
 */
#ifndef PBTS_NET_FRONT_PACE_H
#define PBTS_NET_FRONT_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FRONT_PACE_PAUSE_US = 20,     /* the system adds its timer slack, usually 50 us */
    FRONT_PACE_WINDOW_MS = 20,    /* between decisions */
    FRONT_PACE_RATE_MIN = 12,     /* requests per ms below which nothing would be gathered */
    FRONT_PACE_GATHERED_MIN = 2,  /* requests per wake-up for which pauses are worth going on */
    FRONT_PACE_FULL = 6,          /* requests per wake-up without a pause: is busy anyway */
    FRONT_PACE_STRETCH_MS = 2000, /* of pauses; then a window without shows whether they pay */
    FRONT_PACE_REST_MS = 3000,    /* after pauses that did no good */
};

typedef struct {
    uint64_t window_ms;       /* when the window began */
    uint64_t requests_before; /* that were answered by then */
    uint32_t wakes;           /* in the window */
    bool pausing;
    bool sparse;         /* the last window was fast without pauses, in small portions */
    uint64_t per_second; /* the rate without pauses, when they began */
    uint64_t stretch_until_ms;
    uint64_t rest_until_ms; /* no pauses before */
} front_pace;

/* After a wake-up's work: whether to pause before the next wait. `requests`: answered since start.
 */
bool front_pace_wants_pause(front_pace *pace, uint64_t now_ms, uint64_t requests);

#endif
