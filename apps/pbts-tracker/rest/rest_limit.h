/* rest_limit.h - how often, or how much, one address or user may: a fixed table of token buckets.
 *
 * A bucket is one number, the time at which it would be full again (the "virtual scheduling" form
 * of ATM's GCRA): full when that is past, empty when it is a whole span ahead. Addresses are IPv4,
 * or the /64 of IPv6. They are hashed with a secret so that nobody can aim at another's bucket;
 * when the neighbourhood is full the bucket nearest to full gives way, so the table errs on the
 * kind side. Usable from any thread; all zero is the empty table.
 */
#ifndef PBTS_TRACKER_REST_LIMIT_H
#define PBTS_TRACKER_REST_LIMIT_H

#include <stdatomic.h>

#include "base/addr.h"

enum rest_limit_kind {
    REST_LIMIT_REGISTRATION,
    REST_LIMIT_BAD_SIGNATURE,
    REST_LIMIT_ATTESTATION,
    REST_LIMIT_ADDRESS_CPU, /* spent by the microsecond, see work.h */
    REST_LIMIT_USER_CPU,
    REST_LIMIT_KINDS
};

enum {
    REST_LIMIT_SLOTS = 4096,
    REST_REGISTRATIONS_PER_HOUR = 60,     /* each costs a pairing and a row for ever */
    REST_BAD_SIGNATURES_PER_HOUR = 120,   /* each costs pairings */
    REST_ATTESTATIONS_PER_MINUTE = 10,    /* each costs the machine a quote */
    REST_LIMIT_DEBT_MAX_MS = 3600 * 1000, /* one request may cost more than there is; no longer */
};

struct rest_limits {
    /* 24 bits tag of who it is, 40 bits time in ms when the bucket is full again */
    _Atomic uint64_t slots[REST_LIMIT_KINDS][REST_LIMIT_SLOTS];
};

/* Whose bucket. */
struct rest_limit_who {
    uint8_t bytes[96];
    uint8_t len;
};
struct rest_limit_who rest_limit_address(const pbts_addr *addr);
struct rest_limit_who rest_limit_user(pbts_span name); /* 1..96 bytes */

/* In how many ms one more is allowed; 0: now. Counts nothing. `seed`: secret. */
uint64_t rest_limits_wait_ms(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                             const struct rest_limit_who *who, uint64_t mono_ms);
/* Count one of the first three kinds, if it is allowed. */
bool rest_limits_take(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                      const struct rest_limit_who *who, uint64_t mono_ms);
/* Spend of a kind by the microsecond, whose bucket holds `per_minute_us` and fills in a minute. It
 * may go below empty: what a thing costs is known when it is done. */
void rest_limits_spend(struct rest_limits *limits, enum rest_limit_kind kind, pbts_span seed,
                       const struct rest_limit_who *who, uint64_t mono_ms, uint64_t cost_us,
                       uint64_t per_minute_us);

#endif
