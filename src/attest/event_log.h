/* attest/event_log.h - what a guest says it measured, replayed to RTMR0-3, and what follows when
 * the result is what a verified quote says.
 *
 * A register starts as zeros; each event makes it SHA-384(register ‖ digest). A log alone proves
 * nothing: compare it with a verified quote (pbts_event_log_check). And a digest alone says nothing
 * of its event: wherever the log carries what was hashed, the digest is computed again, and one
 * that differs is refused. What is not in a log (a kernel, firmware, ACPI tables) cannot be; such
 * events are counted, not believed.
 *
 * dstack's own events, all of RTMR3, are always computed again, so that none can pass as another:
 *
 *   digest = SHA-384(type u32 little-endian ‖ ":" ‖ name ‖ ":" ‖ payload)
 *
 * Sources: TCG PC Client Platform Firmware Profile 1.06 section 10 (crypto-agile log); UEFI 2.10
 * section 38 (CC measurement: index 1 to 4 are RTMR0 to RTMR3); dstack, cc-eventlog.
 */
#ifndef PBTS_ATTEST_EVENT_LOG_H
#define PBTS_ATTEST_EVENT_LOG_H

#include "attest/quote.h"

enum {
    PBTS_EVENT_LOG_LEN_MAX = 1024 * 1024,
    PBTS_EVENTS_MAX = 4096,
    PBTS_EVENT_NAME_MAX = 128,
    PBTS_COMPOSE_HASH_LEN = 32,
};

typedef struct {
    uint8_t rtmr[PBTS_RTMR_COUNT][PBTS_MEASUREMENT_LEN];
    size_t events;         /* that went into a register */
    size_t recomputed;     /* of these, whose digest was computed from the log */
    bool has_compose_hash; /* dstack: which application runs */
    uint8_t compose_hash[PBTS_COMPOSE_HASH_LEN];
} pbts_event_log;

/* A CCEL: the bytes of the log area, in which unused room behind the last event is 0xff. PBTS_OK;
 * PBTS_MALFORMED: the layout, a digest that is not its event's, no SHA-384; PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_event_log_replay_ccel(pbts_event_log *out, pbts_span log);

/* dstack's: JSON, a list of { imr, event_type, digest, event, event_payload }. In RTMR3 there must
 * be one compose-hash before boot-mr-done, and one only. PBTS_OK; PBTS_MALFORMED: no such list, a
 * digest that is not its event's; PBTS_DENIED: not exactly one compose-hash, or no boot-mr-done;
 * PBTS_LIMIT; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_event_log_replay_dstack(pbts_event_log *out, pbts_span json);

/* PBTS_OK when the registers are the report's; else PBTS_DENIED. */
PBTS_MUST_USE pbts_status pbts_event_log_check(const pbts_event_log *log, const pbts_td_report *td);

#endif
