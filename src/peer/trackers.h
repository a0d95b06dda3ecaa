/* peer/trackers.h - which of a torrent's trackers to announce to, when, and with which event.
 *
 * No I/O: the owner asks for the next turn, makes the announce, and says how it ended. Tiers as in
 * BEP 12: a tier's trackers are tried in random order, the one that answers comes first from then
 * on, the next tier is only asked when none of this one answers. One that is silent may take half a
 * minute to fail (BEP 15); the next is asked after some seconds, and whoever answers counts. A
 * tracker that fails is left alone for a while that doubles; BEP 31's wish counts. `started` goes
 * to each tracker before anything else, `completed` to the one that counts us, `stopped` to all
 * that do. Source: BEP 3, 12, 31.
 */
#ifndef PBTS_PEER_TRACKERS_H
#define PBTS_PEER_TRACKERS_H

#include "base/mem.h"
#include "base/moment.h"
#include "base/random.h"
#include "torrent/metainfo.h"
#include "wire/announce.h"

enum {
    PBTS_TRACKERS_MAX = 64, /* of one torrent; further ones are not asked */
    PBTS_TRACKER_URL_LEN_MAX = 2048,
    PBTS_TRACKER_RETRY_FIRST_S = 2, /* doubles with every failure */
    PBTS_TRACKER_RETRY_MAX_S = 300,
    PBTS_TRACKER_PATIENCE_MS = 6000, /* then the next is asked too: a UDP request was repeated */
    PBTS_TRACKER_INTERVAL_DEFAULT_S = 1800,
    PBTS_TRACKER_INTERVAL_MAX_S = 86400,
    PBTS_TRACKER_MIN_INTERVAL_DEFAULT_S = 60,
    PBTS_TRACKER_RECHECK_MS = 10000, /* at random, so that not all of a program's come as one */
};

typedef struct pbts_trackers pbts_trackers; /* opaque; one torrent's */

PBTS_MUST_USE pbts_status pbts_trackers_new(pbts_trackers **out, pbts_mem *mem, uint64_t seed);
void pbts_trackers_free(pbts_trackers *trackers); /* NULL is a no-op */

/* Add one, copied. Tiers are asked in ascending order. PBTS_MALFORMED (not http, https or udp),
 * PBTS_EXISTS, PBTS_LIMIT (length, number), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_trackers_add(pbts_trackers *trackers, uint32_t tier, pbts_span url);
/* Add those of a .torrent: `announce-list`, or else `announce`; tiers from `tier` on. What cannot
 * be added is passed over, but for PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_trackers_add_metainfo(pbts_trackers *trackers, uint32_t tier,
                                                     const pbts_metainfo *meta);
/* Add another's, in their tiers. PBTS_LIMIT, PBTS_NO_MEMORY; what was added stays. */
PBTS_MUST_USE pbts_status pbts_trackers_add_all(pbts_trackers *trackers,
                                                const pbts_trackers *others);
size_t pbts_trackers_count(const pbts_trackers *trackers);
/* In the order in which they would be tried; i < count. Borrowed. */
pbts_span pbts_trackers_url(const pbts_trackers *trackers, size_t i);

typedef struct {
    uint32_t id;   /* names the tracker in the answer */
    pbts_span url; /* borrowed until the trackers are freed */
    pbts_event event;
} pbts_tracker_turn;

/* The announce to make now, if one is due. One at a time, but beside those that are silent for
 * PBTS_TRACKER_PATIENCE_MS, and all `stopped` at once. */
bool pbts_trackers_next(pbts_trackers *trackers, pbts_tracker_turn *out, pbts_moment now);
void pbts_trackers_answered(pbts_trackers *trackers, const pbts_tracker_turn *turn,
                            uint32_t interval_s, uint32_t min_interval_s, pbts_moment now);
/* `retry_in_minutes`: 0: nothing was said, -1: never (BEP 31). */
void pbts_trackers_failed(pbts_trackers *trackers, const pbts_tracker_turn *turn,
                          int32_t retry_in_minutes, pbts_moment now);

/* The download has finished: say so at once. */
void pbts_trackers_completed(pbts_trackers *trackers, pbts_moment now);
/* Peers are wanted: announce as soon as the tracker's shortest interval allows. */
void pbts_trackers_hurry(pbts_trackers *trackers, pbts_moment now);
/* Nobody answers elsewhere: announce within PBTS_TRACKER_RECHECK_MS, so that failures are seen and
 * trying again begins. The shortest interval does not bind who is not answered. */
void pbts_trackers_recheck(pbts_trackers *trackers, pbts_moment now);
/* From now on only `stopped`, once to each tracker that counts us. */
void pbts_trackers_stop(pbts_trackers *trackers, pbts_moment now);

/* When `next` has something (monotonic); UINT64_MAX: not before something else happens. */
uint64_t pbts_trackers_deadline_ms(const pbts_trackers *trackers);

#endif
