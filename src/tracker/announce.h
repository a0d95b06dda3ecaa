/* tracker/announce.h - the announce of a user whose identity is settled. Private to tracker/. */
#ifndef PBTS_TRACKER_ANNOUNCE_H
#define PBTS_TRACKER_ANNOUNCE_H

#include "tracker/state.h"

/* As pbts_tracker_announce, for user `user_no` (0: anonymous). */
pbts_refusal pbts_tracker_announce_as(pbts_tracker *tracker, pbts_announce_reply *reply,
                                      pbts_announce_room *room, const pbts_announce *announce,
                                      uint32_t user_no, const pbts_addr *client, unsigned families,
                                      pbts_now now);

#endif
