#include "tracker/tracker.h"

static const struct {
    const char *name;
    pbts_failure failure;
    unsigned http_status;
} REFUSALS[] = {
#define X(code, retry, status, text) { #code, { text, retry }, status },
    PBTS_REFUSAL_MAP(X)
#undef X
};

const char *pbts_refusal_name(pbts_refusal refusal) {
    return REFUSALS[refusal].name;
}

pbts_failure pbts_refusal_failure(pbts_refusal refusal) {
    return REFUSALS[refusal].failure;
}

unsigned pbts_refusal_http_status(pbts_refusal refusal) {
    return REFUSALS[refusal].http_status;
}

pbts_refusal pbts_refusal_of_status(pbts_status status) {
    switch (status) {
    case PBTS_OK: return PBTS_REFUSAL_NONE;
    case PBTS_FULL: return PBTS_REFUSAL_STORE_FULL;
    case PBTS_BUSY:
    case PBTS_NO_MEMORY: return PBTS_REFUSAL_OVERLOADED;
    case PBTS_BAD_SIGNATURE: return PBTS_REFUSAL_BAD_SIGNATURE;
    case PBTS_MALFORMED:
    case PBTS_NEED_MORE:
    case PBTS_LIMIT: return PBTS_REFUSAL_MALFORMED;
    default: return PBTS_REFUSAL_INTERNAL;
    }
}
