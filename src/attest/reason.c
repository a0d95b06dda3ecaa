#include "attest/reason.h"

#include "base/assert.h"

static const struct {
    const char *word, *sentence;
    int step;
    pbts_status status;
} REASONS[] = {
#define X(name, number, code, text, why) { text, why, number, PBTS_##code },
    PBTS_ATTEST_REASON_MAP(X)
#undef X
};

const char *pbts_attest_reason_word(pbts_attest_reason reason) {
    assert(reason < PBTS_ATTEST_REASON_COUNT);
    return REASONS[reason].word;
}

const char *pbts_attest_reason_sentence(pbts_attest_reason reason) {
    assert(reason < PBTS_ATTEST_REASON_COUNT);
    return REASONS[reason].sentence;
}

int pbts_attest_reason_step(pbts_attest_reason reason) {
    assert(reason < PBTS_ATTEST_REASON_COUNT);
    return REASONS[reason].step;
}

pbts_status pbts_attest_reason_status(pbts_attest_reason reason) {
    assert(reason < PBTS_ATTEST_REASON_COUNT);
    return REASONS[reason].status;
}
