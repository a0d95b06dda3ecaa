/* tracker/users.h - user rows by name, key or number, in a read transaction of their own or a given
 * one. Private to tracker/. */
#ifndef PBTS_TRACKER_USERS_H
#define PBTS_TRACKER_USERS_H

#include "tracker/state.h"

/* PBTS_NOT_FOUND, store errors. */
PBTS_MUST_USE pbts_status pbts_user_load_by_uid(pbts_tracker *tracker, uint32_t *user_no,
                                                pbts_user_row *out, pbts_span uid);

#endif
