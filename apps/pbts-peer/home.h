/* home.h - the tracker that a key is registered with: is this it, what is its key, which ticket,
 * membership and beacon did it give us. Kept in the state folder, so that a start works while the
 * tracker is away.
 *
 * A tracker is ours when its /params name the instance in the key file. Its key is pinned at the
 * first sight: another one later is not believed.
 */
#ifndef PBTS_PEER_HOME_H
#define PBTS_PEER_HOME_H

#include "keyfile.h"
#include "peer/link.h"
#include "web.h"
#include "wire/announce_answer.h"
#include "wire/membership.h"

enum { HOME_BASE_MAX = 512, HOME_TICKET_MAX = 512, HOME_ASKED_MAX = 32 };

typedef struct home home;

/* Reads what was kept; `key` and `terms` are borrowed, and the terms' instance, tracker key and
 * ticket are set from here on. `tracker`: its address when the user named it, else NULL. NULL: no
 * memory. */
home *home_new(const keyfile *key, pbts_link_terms *terms, const char *state, const char *tracker);
void home_free(home *h); /* NULL is a no-op */

/* Its address, such as "http://127.0.0.1:8000"; "" as long as nobody knows. */
const char *home_base(const home *h);
bool home_knows_key(const home *h);                     /* the tracker's: tickets can be checked */
const pbts_bls_public *home_tracker_key(const home *h); /* meaningful when it is known */
/* The instance that it came after, PBTS_IID_LEN bytes: its receipts it takes too. NULL: none. */
const uint8_t *home_predecessor(const home *h);
bool home_has_ticket(const home *h, uint64_t unix_s);
/* What the tracker signed for times without it, as it came last; false: nothing yet. They are the
 * tracker's word once its key is known: what does not verify is not kept. */
bool home_membership(const home *h, pbts_membership *out);
bool home_beacon(const home *h, pbts_epoch_beacon *out);
/* The tracker's time, for links that judge memberships, by the beacon that is kept: there may be no
 * node that knows a newer one. */
void home_tell_tracker_time(const home *h, uint64_t unix_s);

/* What a .torrent of our instance brings for times without the tracker. Its tracker key is believed
 * as its announce URL is: as long as no tracker showed one, and not kept. */
void home_take_fallback(home *h, pbts_span torrent, uint64_t unix_s);

typedef enum {
    HOME_YES,
    HOME_NO,
    HOME_UNKNOWN /* ask, by home_ask */
} home_answer;
/* Whether an announce URL belongs to our tracker. */
home_answer home_is(const home *h, pbts_span url);
/* Fetch /params of the URL's tracker; `done` is called once unless it is cancelled. `problem`: NULL
 * when home_is now knows. NULL: too much is under way. */
typedef struct home_asking home_asking;
typedef void (*home_done)(void *host, const char *problem);
home_asking *home_ask(home *h, web *w, pbts_span url, home_done done, void *host);
void home_ask_cancel(home_asking *asking); /* NULL is a no-op */

/* Where to announce to, with what says who we are: the tracker's id of us while it is good, else a
 * signature. Spans borrow from `room`. */
typedef struct {
    char url[HOME_BASE_MAX + 16];
    char tracker_id[PBTS_TRACKER_ID_LEN_MAX + 1], pk[160], sig[80], time[24];
} home_room;
void home_identify(home *h, pbts_announce *announce, home_room *room, uint64_t unix_s);
/* Take the tracker's id, the ticket, the membership and the beacon out of its answer; true: the
 * ticket is new. */
bool home_take(home *h, const pbts_announce_answer *answer, uint64_t unix_s);
/* It refused: sign the next announce. */
void home_refused(home *h);
/* The ticket is nearly used up, or somebody refused it: sign the next announce. */
void home_renew(home *h);

#endif
