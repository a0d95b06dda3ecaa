#include "attest/tsm.h"

#include <errno.h>

#include "attest/binding.h"
#include "base/assert.h"
#include "base/writer.h"
#include "codec/text.h"

enum {
    AT_MAKE,
    AT_PROVIDER,
    AT_GENERATION,
    AT_INBLOB,
    AT_OUTBLOB,
    AT_GENERATION_AFTER,
    AT_PROVIDER_AFTER,
    AT_REMOVE,
    AT_REST,
    AT_DONE,
    AT_FAILED,
};

static const struct {
    pbts_tsm_action action;
    const char *attribute;
    size_t bytes_max;
} STEPS[] = {
    [AT_MAKE] = { PBTS_TSM_MAKE, NULL, 0 },
    [AT_PROVIDER] = { PBTS_TSM_READ, "provider", PBTS_TSM_ATTRIBUTE_MAX },
    [AT_GENERATION] = { PBTS_TSM_READ, "generation", PBTS_TSM_ATTRIBUTE_MAX },
    [AT_INBLOB] = { PBTS_TSM_WRITE, "inblob", 0 },
    [AT_OUTBLOB] = { PBTS_TSM_READ, "outblob", PBTS_TSM_OUTBLOB_MAX },
    [AT_GENERATION_AFTER] = { PBTS_TSM_READ, "generation", PBTS_TSM_ATTRIBUTE_MAX },
    [AT_PROVIDER_AFTER] = { PBTS_TSM_READ, "provider", PBTS_TSM_ATTRIBUTE_MAX },
    [AT_REMOVE] = { PBTS_TSM_REMOVE, NULL, 0 },
    [AT_REST] = { PBTS_TSM_REST, NULL, 0 },
    [AT_DONE] = { PBTS_TSM_DONE, NULL, 0 },
    [AT_FAILED] = { PBTS_TSM_FAILED, NULL, 0 },
};

const char *pbts_tsm_failure_text(pbts_tsm_failure failure) {
    static const char *const TEXTS[] = {
#define X(name, status, sentence) sentence,
        PBTS_TSM_FAILURE_MAP(X)
#undef X
    };
    return TEXTS[failure];
}

pbts_status pbts_tsm_failure_status(pbts_tsm_failure failure) {
    static const pbts_status STATUSES[] = {
#define X(name, status, sentence) PBTS_##status,
        PBTS_TSM_FAILURE_MAP(X)
#undef X
    };
    return STATUSES[failure];
}

/* ---- from attempt to attempt ---- */

/* "pbts-" seed "-" attempt: nobody else's, and not the last attempt's. */
static void begin_attempt(pbts_tsm *tsm) {
    pbts_writer writer = pbts_writer_over((uint8_t *)tsm->entry, sizeof tsm->entry);
    tsm->attempt++;
    pbts_write_text(&writer, "pbts-");
    pbts_hex_encode(&writer, PBTS_SPAN_OF(tsm->seed));
    pbts_write_u8(&writer, '-');
    pbts_write_decimal(&writer, tsm->attempt);
    pbts_write_u8(&writer, 0);
    assert(!writer.failed);
    tsm->at = AT_MAKE;
    tsm->is_made = false;
    tsm->failure = PBTS_TSM_FAILURE_NONE;
    tsm->error = 0;
}

/* There is no folder any more: what now? */
static void after_folder(pbts_tsm *tsm, uint64_t now_ms) {
    tsm->is_made = false;
    if (tsm->failure == PBTS_TSM_FAILURE_NONE) {
        tsm->at = AT_DONE;
        return;
    }
    bool goes_on = tsm->again && tsm->attempt < PBTS_TSM_ATTEMPTS_MAX && now_ms < tsm->give_up_ms;
    tsm->at = goes_on ? AT_REST : AT_FAILED;
}

static void leave(pbts_tsm *tsm, pbts_tsm_failure failure, bool again, int error, uint64_t now_ms) {
    tsm->failure = failure;
    tsm->again = again;
    tsm->error = error;
    if (tsm->is_made)
        tsm->at = AT_REMOVE;
    else
        after_folder(tsm, now_ms);
}

static void fail(pbts_tsm *tsm, int error, uint64_t now_ms) {
    bool passes = false;
    pbts_tsm_failure failure = PBTS_TSM_FAILURE_SYSTEM;
    switch (error) {
    case ENXIO: failure = PBTS_TSM_FAILURE_NO_PROVIDER; break;
    case EINVAL: failure = PBTS_TSM_FAILURE_REFUSED; break;
    case EACCES:
    case EPERM:
    case EROFS: failure = PBTS_TSM_FAILURE_ACCESS; break;
    case EINTR: /* past the time to repeat it */
    case EBUSY:
    case ETIMEDOUT:
        failure = PBTS_TSM_FAILURE_BUSY;
        passes = true;
        break;
    case EEXIST: passes = tsm->at == AT_MAKE; break;
    case ENOENT:
        if (tsm->at == AT_MAKE) failure = PBTS_TSM_FAILURE_NO_TSM;
        break;
    default: break;
    }
    leave(tsm, failure, passes, error, now_ms);
}

static void disturbed(pbts_tsm *tsm, uint64_t now_ms) {
    leave(tsm, PBTS_TSM_FAILURE_DISTURBED, true, 0, now_ms);
}

/* ---- what was read ---- */

static pbts_span without_newline(pbts_span text) {
    if (text.len > 0 && text.data[text.len - 1] == '\n') text.len--;
    return text;
}

static bool read_number(uint64_t *out, pbts_span text) {
    uint64_t value = 0;
    text = without_newline(text);
    if (text.len == 0) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static bool is_answer(const pbts_tsm *tsm) {
    uint8_t found[PBTS_REPORT_DATA_LEN];
    pbts_span outblob = { tsm->outblob, tsm->outblob_len };
    return pbts_evidence_report_data(found, outblob) == PBTS_OK &&
           memcmp(found, tsm->report_data, sizeof found) == 0;
}

/* The outcome of a step that succeeded. */
static void go_on(pbts_tsm *tsm, pbts_span read, uint64_t now_ms) {
    uint64_t generation;
    switch (tsm->at) {
    case AT_MAKE: tsm->is_made = true; break;
    case AT_PROVIDER:
        if (pbts_span_is(without_newline(read), tsm->provider)) break;
        leave(tsm, PBTS_TSM_FAILURE_PROVIDER, false, 0, now_ms);
        return;
    case AT_GENERATION:
        if (read_number(&tsm->generation, read)) break;
        disturbed(tsm, now_ms);
        return;
    case AT_OUTBLOB:
        assert(read.len <= sizeof tsm->outblob);
        tsm->outblob_len = read.len;
        if (read.len > 0) memcpy(tsm->outblob, read.data, read.len);
        break;
    case AT_GENERATION_AFTER:
        if (read_number(&generation, read) && generation - tsm->generation == 1) break;
        disturbed(tsm, now_ms);
        return;
    case AT_PROVIDER_AFTER:
        if (!pbts_span_is(without_newline(read), tsm->provider) || !is_answer(tsm)) {
            disturbed(tsm, now_ms);
            return;
        }
        break;
    default: break;
    }
    tsm->at++;
}

/* ---- the machine ---- */

void pbts_tsm_init(pbts_tsm *tsm, const char *provider,
                   const uint8_t report_data[static PBTS_REPORT_DATA_LEN],
                   const uint8_t seed[static PBTS_TSM_SEED_LEN], uint64_t now_ms,
                   uint32_t patience_ms) {
    memset(tsm, 0, sizeof *tsm);
    tsm->provider = provider;
    memcpy(tsm->report_data, report_data, sizeof tsm->report_data);
    memcpy(tsm->seed, seed, sizeof tsm->seed);
    tsm->give_up_ms = now_ms + patience_ms;
    begin_attempt(tsm);
}

void pbts_tsm_next(const pbts_tsm *tsm, pbts_tsm_step *out) {
    *out = (pbts_tsm_step){ .action = STEPS[tsm->at].action,
                            .entry = tsm->entry,
                            .attribute = STEPS[tsm->at].attribute,
                            .bytes_max = STEPS[tsm->at].bytes_max };
    if (tsm->at == AT_INBLOB) out->bytes = PBTS_SPAN_OF(tsm->report_data);
    if (tsm->at == AT_DONE) out->bytes = (pbts_span){ tsm->outblob, tsm->outblob_len };
    if (tsm->at == AT_REST) out->rest_ms = (uint32_t)PBTS_TSM_REST_MS << (tsm->attempt - 1);
}

void pbts_tsm_take(pbts_tsm *tsm, int error, pbts_span read, uint64_t now_ms) {
    assert(tsm->at != AT_DONE && tsm->at != AT_FAILED);
    if (error == EINTR && now_ms < tsm->give_up_ms) return; /* the same again */
    if (tsm->at == AT_REMOVE) {
        after_folder(tsm, now_ms); /* whatever became of it: there is nothing else to do */
    } else if (tsm->at == AT_REST) {
        begin_attempt(tsm);
    } else if (error != 0) {
        fail(tsm, error, now_ms);
    } else {
        go_on(tsm, read, now_ms);
    }
}

void pbts_tsm_stop(pbts_tsm *tsm) {
    if (tsm->at == AT_DONE || tsm->at == AT_FAILED) return;
    tsm->failure = PBTS_TSM_FAILURE_STOPPED;
    tsm->again = false;
    tsm->error = 0;
    tsm->at = tsm->is_made ? AT_REMOVE : AT_FAILED;
}

pbts_tsm_failure pbts_tsm_why(const pbts_tsm *tsm, int *error) {
    *error = tsm->error;
    return tsm->failure;
}
