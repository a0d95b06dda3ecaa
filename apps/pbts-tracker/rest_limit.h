/* rest_limit.h - how often one address may do a thing: a fixed table of token buckets.
 *
 * A bucket is one number, the time at which it would be full again (the "virtual scheduling" form
 * of ATM's GCRA): full when that is past, empty when it is an hour ahead. Addresses are IPv4, or
 * the /64 of IPv6, hashed with a secret so that nobody can aim at another's bucket; when the
 * neighbourhood is full the bucket nearest to full gives way, so the table errs on the kind side.
 * Usable from any thread; all zero is the empty table.
 */
#ifndef PBTS_TRACKER_REST_LIMIT_H
#define PBTS_TRACKER_REST_LIMIT_H

#include <stdatomic.h>

#include "base/addr.h"

enum rest_limit_kind { REST_LIMIT_REGISTRATION, REST_LIMIT_BAD_SIGNATURE, REST_LIMIT_KINDS };

enum {
    REST_LIMIT_SLOTS = 4096,
    REST_REGISTRATIONS_PER_HOUR = 60,   /* each costs a pairing and a row for ever */
    REST_BAD_SIGNATURES_PER_HOUR = 120, /* each costs pairings */
};

struct rest_limits {
    /* u32 tag of the address, u32 time in seconds when the bucket is full again */
    _Atomic uint64_t slots[REST_LIMIT_KINDS][REST_LIMIT_SLOTS];
};

/* Whether one more is allowed at `mono_s`; and, for take, count it when it is. `seed`: secret. */
bool rest_limits_allow(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                       const pbts_addr *addr, uint64_t mono_s);
bool rest_limits_take(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                      const pbts_addr *addr, uint64_t mono_s);

#endif
