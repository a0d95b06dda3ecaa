/* attest/calendar.h - UTC dates of JSON and certificates as unix seconds.
 *
 * The Gregorian calendar from 1970 on, without leap seconds. Source: RFC 3339, RFC 5280 4.1.2.5. */
#ifndef PBTS_ATTEST_CALENDAR_H
#define PBTS_ATTEST_CALENDAR_H

#include "base/cursor.h"

typedef struct {
    int year, month, day, hour, minute, second; /* month and day from 1 */
} pbts_civil_time;

/* PBTS_MALFORMED: no such date, or one before 1970 or after 9999. */
PBTS_MUST_USE pbts_status pbts_civil_to_unix(uint64_t *out, const pbts_civil_time *time);
/* "2025-06-19T10:16:03Z", exactly. PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_iso8601_to_unix(uint64_t *out, pbts_span text);

#endif
