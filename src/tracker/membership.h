/* tracker/membership.h - memberships for users whose row and account are at hand. Private to
 * tracker/. */
#ifndef PBTS_TRACKER_MEMBERSHIP_H
#define PBTS_TRACKER_MEMBERSHIP_H

#include "tracker/state.h"

/* `key` is the user's registered one. */
void pbts_membership_make(const pbts_tracker *tracker, pbts_membership *out,
                          const pbts_bls_public *key, const pbts_account *account, pbts_now now);

#endif
