#include "tee/tee.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/clock.h"
#include "tee/tee_parts.h"

const char *pbts_tee_kind_text(pbts_tee_kind kind) {
    static const char *const TEXTS[] = {
#define X(name, text) text,
        PBTS_TEE_KIND_MAP(X)
#undef X
    };
    return TEXTS[kind];
}

void pbts_tee_complain(pbts_tee *tee, const char *what, const char *why, int error) {
    char buffer[128];
    pbts_writer writer = pbts_writer_over((uint8_t *)tee->problem, sizeof tee->problem - 1);
    if (why == NULL && error != 0) why = strerror_r(error, buffer, sizeof buffer); /* GNU's */
    pbts_write_text(&writer, what);
    if (why != NULL) {
        pbts_write_text(&writer, ": ");
        pbts_write_text(&writer, why);
    }
    tee->problem[writer.len] = '\0';
}

void pbts_tee_rest(pbts_tee *tee, uint32_t ms) {
    struct pollfd wake = { .fd = tee->wake, .events = POLLIN };
    (void)poll(&wake, 1, (int)ms);
}

static uint8_t *copy_of(pbts_span bytes) {
    uint8_t *copy = pbts_alloc(pbts_mem_system(), bytes.len);
    if (copy != NULL) memcpy(copy, bytes.data, bytes.len);
    return copy;
}

pbts_status pbts_tee_take(pbts_tee_evidence *out, pbts_span bytes, pbts_span log) {
    pbts_tee_evidence evidence = { .bytes = copy_of(bytes), .len = bytes.len };
    if (log.len > 0) evidence.event_log = copy_of(log);
    evidence.event_log_len = log.len;
    if (evidence.bytes == NULL || (log.len > 0 && evidence.event_log == NULL)) {
        pbts_tee_evidence_free(&evidence);
        return PBTS_NO_MEMORY;
    }
    *out = evidence;
    return PBTS_OK;
}

void pbts_tee_evidence_free(pbts_tee_evidence *evidence) {
    pbts_release(pbts_mem_system(), evidence->bytes);
    pbts_release(pbts_mem_system(), evidence->event_log);
    *evidence = (pbts_tee_evidence){ .len = 0 };
}

static pbts_status generate_simulated(pbts_tee *tee, pbts_tee_evidence *out,
                                      const uint8_t *report_data) {
    uint8_t bytes[PBTS_SIMULATOR_QUOTE_MAX];
    pbts_writer quote = pbts_writer_over(bytes, sizeof bytes);
    if (tee->simulator == NULL)
        PBTS_TRY(
            pbts_simulator_new(&tee->simulator, pbts_mem_system(), pbts_clock_unix_ms() / 1000));
    PBTS_TRY(pbts_simulator_quote(&quote, tee->simulator, report_data));
    return pbts_tee_take(out, pbts_writer_span(&quote), (pbts_span){ NULL, 0 });
}

pbts_status pbts_tee_generate(pbts_tee *tee, pbts_tee_evidence *out,
                              const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    tee->problem[0] = '\0';
    switch (tee->kind) {
    case PBTS_TEE_TDX: return pbts_tee_generate_tsm(tee, out, report_data, "tdx_guest");
    case PBTS_TEE_SEV: return pbts_tee_generate_tsm(tee, out, report_data, "sev_guest");
    case PBTS_TEE_DSTACK: return pbts_tee_generate_dstack(tee, out, report_data);
    case PBTS_TEE_SIMULATOR: return generate_simulated(tee, out, report_data);
    case PBTS_TEE_NONE:
    case PBTS_TEE_KINDS: break;
    }
    assert(false);
    return PBTS_NOT_FOUND;
}

pbts_status pbts_tee_open(pbts_tee **out, const pbts_tee_config *config) {
    size_t path_len = config->path != NULL ? strlen(config->path) : 0;
    if (path_len >= PBTS_TEE_PATH_MAX) return PBTS_LIMIT;
    assert(config->kind > PBTS_TEE_NONE && config->kind < PBTS_TEE_KINDS);
    pbts_tee *tee = pbts_alloc(pbts_mem_system(), sizeof *tee);
    if (tee == NULL) return PBTS_NO_MEMORY;
    tee->kind = config->kind;
    tee->patience_ms = config->patience_ms != 0 ? config->patience_ms : PBTS_TEE_PATIENCE_MS;
    if (path_len > 0) memcpy(tee->path, config->path, path_len);
    atomic_init(&tee->stopped, false);
    tee->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (tee->wake < 0) {
        pbts_release(pbts_mem_system(), tee);
        return PBTS_IO;
    }
    *out = tee;
    return PBTS_OK;
}

void pbts_tee_close(pbts_tee *tee) {
    if (tee == NULL) return;
    pbts_simulator_free(tee->simulator);
    (void)close(tee->wake);
    pbts_release(pbts_mem_system(), tee);
}

void pbts_tee_stop(pbts_tee *tee) {
    const uint64_t one = 1;
    atomic_store(&tee->stopped, true);
    ssize_t ignored = write(tee->wake, &one, sizeof one); /* full: readable already */
    (void)ignored;
}

const char *pbts_tee_problem(const pbts_tee *tee) {
    return tee->problem;
}
