/* base/epoch.h - time as the money rules count it (DESIGN section 1). */
#ifndef PBTS_BASE_EPOCH_H
#define PBTS_BASE_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PBTS_EPOCH_SECONDS = 3600,      /* W */
    PBTS_CLAIM_PERIOD_EPOCHS = 720, /* 30 days */
    PBTS_WINDOW_EPOCHS = 720,       /* delta: how old a receipt may be */
};

static inline uint64_t pbts_epoch_at(uint64_t unix_seconds) {
    return unix_seconds / PBTS_EPOCH_SECONDS;
}
static inline uint64_t pbts_claim_period(uint64_t epoch) {
    return epoch / PBTS_CLAIM_PERIOD_EPOCHS;
}
/* Whether `epoch` is in [now - delta, now]. */
static inline bool pbts_epoch_in_window(uint64_t epoch, uint64_t now_epoch) {
    return epoch <= now_epoch && now_epoch - epoch <= PBTS_WINDOW_EPOCHS;
}

#endif
