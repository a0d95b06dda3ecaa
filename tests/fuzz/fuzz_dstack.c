/* libFuzzer target: answers of dstack's guest agent, as HTTP and as JSON, and the numbers and blobs
 * of configfs-tsm. What is read stays in its bounds; a body found early is the one found late. */
#include <stdlib.h>

#include "attest/dstack.h"
#include "attest/snp.h"
#include "attest/tsm.h"

static void require(bool truth) {
    if (!truth) abort();
}

static uint8_t *copy_of(const uint8_t *data, size_t len) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL);
    if (len > 0) memcpy(copy, data, len);
    return copy;
}

static void check_json(pbts_span body) {
    static uint8_t quote[PBTS_QUOTE_LEN_MAX], log[4096];
    uint8_t key[PBTS_DSTACK_KEY_LEN];
    pbts_dstack_info info = { .app_id_len = 0 };
    pbts_writer quote_out = pbts_writer_over(quote, sizeof quote);
    pbts_writer log_out = pbts_writer_over(log, sizeof log);
    pbts_status status = pbts_dstack_read_quote(&quote_out, &log_out, body);
    if (status == PBTS_OK)
        require(quote_out.len > 0 && !quote_out.failed && !log_out.failed);
    else
        require(quote_out.len == 0 && log_out.len == 0);
    (void)!pbts_dstack_read_key(key, body);
    if (pbts_dstack_read_info(&info, body) != PBTS_OK) require(info.app_id_len == 0);
    require(info.app_id_len <= PBTS_DSTACK_ID_MAX && info.compose_hash_len <= PBTS_DSTACK_ID_MAX);
}

static void check_http(const uint8_t *data, size_t len) {
    uint8_t *early = copy_of(data, len), *late = copy_of(data, len);
    pbts_span body, again;
    pbts_status status = pbts_dstack_answer(&body, early, len, false);
    pbts_status at_end = pbts_dstack_answer(&again, late, len, true);
    require(at_end != PBTS_NEED_MORE);
    if (status != PBTS_NEED_MORE) require(status == at_end);
    if (status == PBTS_OK) {
        require(body.data >= early && body.data + body.len <= early + len);
        require(pbts_span_equal(body, again));
        check_json(body);
    }
    free(late);
    free(early);
}

/* What the kernel gives next: a line of the input, or as much of it as an SNP report has. */
static pbts_span next_read(const uint8_t **data, size_t *len, const char *attribute) {
    const uint8_t *end = *len > 0 ? memchr(*data, '\n', *len) : NULL;
    pbts_span read = { *data, end != NULL ? (size_t)(end - *data) + 1 : *len };
    if (attribute[0] == 'o') read.len = *len < PBTS_SNP_REPORT_LEN ? *len : PBTS_SNP_REPORT_LEN;
    *data += read.len;
    *len -= read.len;
    return read;
}

static void check_tsm(const uint8_t *data, size_t len) {
    static const uint8_t REPORT_DATA[PBTS_REPORT_DATA_LEN], SEED[PBTS_TSM_SEED_LEN];
    static pbts_tsm machine;
    pbts_tsm_step step;
    bool made = false;
    uint64_t now_ms = 0;
    pbts_tsm_init(&machine, "sev_guest", REPORT_DATA, SEED, now_ms, 1000);
    for (;;) {
        pbts_tsm_next(&machine, &step);
        if (step.action == PBTS_TSM_DONE || step.action == PBTS_TSM_FAILED) break;
        if (step.action == PBTS_TSM_MAKE) require(!made);
        made = step.action == PBTS_TSM_MAKE || (made && step.action != PBTS_TSM_REMOVE);
        pbts_span read = { NULL, 0 };
        if (step.action == PBTS_TSM_READ) read = next_read(&data, &len, step.attribute);
        bool fits = read.len <= step.bytes_max;
        if (step.action != PBTS_TSM_READ) fits = true;
        pbts_tsm_take(&machine, fits ? 0 : 7 /* E2BIG */, fits ? read : (pbts_span){ NULL, 0 },
                      now_ms += 10);
        require(now_ms < 10000);
    }
    require(!made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    check_http(data, len);
    check_json((pbts_span){ data, len });
    check_tsm(data, len);
    return 0;
}
