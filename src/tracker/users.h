/* tracker/users.h - user rows by name, key or number, in a read transaction of their own or a given
 * one. Private to tracker/. */
#ifndef PBTS_TRACKER_USERS_H
#define PBTS_TRACKER_USERS_H

#include "tracker/state.h"

/* PBTS_NOT_FOUND, store errors. */
PBTS_MUST_USE pbts_status pbts_user_load_by_uid(pbts_tracker *tracker, uint32_t *user_no,
                                                pbts_user_row *out, pbts_span uid);

/* Whether a signed time is within PBTS_ANNOUNCE_SKEW_S of the clock. */
bool pbts_signed_time_is_near(uint64_t time, pbts_now now);
/* Use up a signed time: true once, for a time later than all before it. What was seen before a
 * restart is not remembered: as long as it would still be near, nothing is taken that was signed
 * before the start. */
bool pbts_signed_time_claim(const pbts_tracker *tracker, pbts_account *account, uint64_t time,
                            pbts_now now);

#endif
