/* libFuzzer target: event logs. What is replayed stays in its bounds, comes out the same a second
 * time, and changes a register exactly when it has events. */
#include <stdlib.h>

#include "attest/event_log.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void check(pbts_status (*replay)(pbts_event_log *, pbts_span), pbts_span bytes) {
    static const pbts_td_report START;
    pbts_event_log log = { 0 }, again = { 0 };
    if (replay(&log, bytes) != PBTS_OK) {
        require(log.events == 0 && !log.has_compose_hash);
        return;
    }
    require(log.events <= PBTS_EVENTS_MAX && log.recomputed <= log.events);
    require((pbts_event_log_check(&log, &START) == PBTS_OK) == (log.events == 0));
    require(replay(&again, bytes) == PBTS_OK);
    require(memcmp(log.rtmr, again.rtmr, sizeof log.rtmr) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_span bytes = { data, len };
    check(pbts_event_log_replay_ccel, bytes);
    check(pbts_event_log_replay_dstack, bytes);
    return 0;
}
