#include "kmsnet/fetch.h"

#include "base/mem.h"
#include "base/secret_memory.h"
#include "net/clock.h"
#include "net/http_client.h"

enum { LOOK_MS = 100 };

typedef struct {
    const pbts_kms_fetch_config *config;
    pbts_kms_fetch_report *report;
    pbts_http_client *http;
    pbts_kms_client client;
    uint8_t key[PBTS_KMS_KEY_TRK_LEN]; /* once is_done */
    pbts_bls_signature signature;
    bool is_done;
    size_t reached; /* nodes that answered at all */
} fetch;

/* ---- what is said of a node ---- */

/* The first line of what it said, without what would steer a terminal. */
static void note(fetch *f, size_t i, pbts_span text) {
    char *said = f->report->nodes[i].said;
    size_t len = 0;
    while (len < text.len && len < PBTS_KMS_FETCH_WORD_MAX - 1 && text.data[len] != '\n') {
        uint8_t c = text.data[len];
        said[len++] = (char)(c >= 0x20 && c < 0x7f ? c : (uint8_t)'?');
    }
    said[len] = '\0';
}

static void note_status(fetch *f, size_t i, pbts_status status) {
    note(f, i, pbts_span_text(pbts_status_text(status)));
}

/* ---- one round ---- */

static pbts_status ask(fetch *f, size_t i, const char *path, pbts_span body, size_t answer_max) {
    const pbts_kms_members *members = f->config->members;
    char url[PBTS_KMS_URL_MAX + 32];
    pbts_writer writer = pbts_writer_over((uint8_t *)url, sizeof url);
    pbts_write_text(&writer, members->urls[i]);
    pbts_write_text(&writer, path);
    pbts_write_u8(&writer, 0);
    const pbts_http_query query = { .url = url,
                                    .content_type = "application/octet-stream",
                                    .pin = members->pins[i],
                                    .body = body,
                                    .answer_len_max = answer_max,
                                    .timeout_ms = f->config->timeout_ms,
                                    .server = (uint32_t)i };
    return pbts_http_client_start(f->http, &query);
}

static void take_hello(fetch *f, size_t i, pbts_span body) {
    pbts_status status = pbts_kms_client_hello(&f->client, i + 1, body);
    if (status != PBTS_OK) note_status(f, i, status);
}

static bool has_result(fetch *f, pbts_status *status) {
    *status = f->config->client.kind == PBTS_KMS_ASK_KEY
                  ? pbts_kms_client_key(&f->client, f->key)
                  : pbts_kms_client_signature(&f->client, &f->signature);
    return *status == PBTS_OK;
}

static void take_reply(fetch *f, size_t i, pbts_span body) {
    pbts_status status = pbts_kms_client_reply(&f->client, i + 1, body);
    if (status != PBTS_OK) note_status(f, i, status);
    if (!f->is_done) f->is_done = has_result(f, &status);
}

static bool is_told_to_stop(const fetch *f) {
    return f->config->should_stop != NULL && f->config->should_stop();
}

static void take_all(fetch *f, void (*take)(fetch *, size_t, pbts_span)) {
    uint64_t end_ms = pbts_clock_mono_ms() + f->config->timeout_ms + 1000;
    while (pbts_http_client_under_way(f->http) > 0 && !f->is_done) {
        uint64_t now_ms = pbts_clock_mono_ms();
        pbts_http_answer answer;
        if (now_ms >= end_ms || is_told_to_stop(f)) break;
        if (!pbts_http_client_wait(f->http, &answer, LOOK_MS)) continue;
        if (answer.status > 0) f->reached++;
        if (answer.status == 200) {
            take(f, answer.server, answer.body);
        } else {
            note(f, answer.server, answer.status > 0 ? answer.body : pbts_span_text(answer.error));
        }
    }
    pbts_http_client_cancel(f->http);
}

/* ---- both ---- */

static pbts_status say_hello(fetch *f) {
    for (size_t i = 0; i < f->config->members->nodes; i++) {
        PBTS_TRY(ask(f, i, "/kms/v1/hello", (pbts_span){ 0 }, PBTS_KMS_HELLO_LEN_MAX));
    }
    take_all(f, take_hello);
    return PBTS_OK;
}

static size_t request_len(pbts_span quote, const pbts_collateral_files *files) {
    return 4096 + quote.len + files->tcb_info.len + files->qe_identity.len + files->root_crl.len +
           files->pck_crl.len + files->tcb_signing_chain.len;
}

static pbts_status send_request(fetch *f, pbts_span quote, const pbts_collateral_files *files) {
    size_t len = request_len(quote, files);
    if (len > PBTS_KMS_REQUEST_LEN_MAX) return PBTS_LIMIT;
    uint8_t *buffer = pbts_alloc(pbts_mem_system(), len);
    if (buffer == NULL) return PBTS_NO_MEMORY;
    pbts_writer writer = pbts_writer_over(buffer, len);
    pbts_status status = pbts_kms_client_request(&f->client, &writer, quote, files);
    for (size_t i = 0; i < f->config->members->nodes && status == PBTS_OK; i++) {
        if (pbts_kms_client_conduct(&f->client, i + 1) != PBTS_KMS_SAID_HELLO) continue;
        status = ask(f, i, "/kms/v1/request", pbts_writer_span(&writer), 1024);
    }
    pbts_release(pbts_mem_system(), buffer);
    return status;
}

static pbts_status talk(fetch *f) {
    const pbts_kms_evidence *evidence = &f->config->evidence;
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    pbts_collateral_files files;
    pbts_span quote;
    PBTS_TRY(say_hello(f));
    if (pbts_kms_client_report_data(&f->client, report_data) != PBTS_OK)
        return f->reached < f->config->client.threshold ? PBTS_IO : PBTS_DENIED;
    PBTS_TRY(evidence->make(evidence->host, &quote, &files, report_data));
    PBTS_TRY(send_request(f, quote, &files));
    f->reached = 0;
    take_all(f, take_reply);
    if (f->is_done) return PBTS_OK;
    pbts_status status;
    if (has_result(f, &status)) return PBTS_OK;
    if (status == PBTS_BAD_SIGNATURE) return status;
    return f->reached < f->config->client.threshold ? PBTS_IO : PBTS_DENIED;
}

static pbts_status run(fetch *f, pbts_kms_fetch_report *report,
                       const pbts_kms_fetch_config *config) {
    pbts_kms_client_config client = config->client;
    memset(report, 0, sizeof *report);
    client.nodes = config->members->nodes;
    f->config = config;
    f->report = report;
    pbts_status status = pbts_kms_client_init(&f->client, &client, config->random);
    if (status != PBTS_OK) return status;
    status = pbts_http_client_new(&f->http, NULL);
    if (status == PBTS_OK) status = talk(f);
    for (size_t i = 0; i < client.nodes; i++) {
        report->nodes[i].conduct = pbts_kms_client_conduct(&f->client, i + 1);
    }
    pbts_http_client_free(f->http);
    return status;
}

static pbts_status fetch_any(uint8_t *key, pbts_bls_signature *signature,
                             pbts_kms_fetch_report *report, const pbts_kms_fetch_config *config) {
    fetch *f = pbts_secret_new(sizeof *f, NULL);
    if (f == NULL) {
        memset(report, 0, sizeof *report);
        return PBTS_NO_MEMORY;
    }
    pbts_status status = run(f, report, config);
    if (status == PBTS_OK && key != NULL) memcpy(key, f->key, sizeof f->key);
    if (status == PBTS_OK && signature != NULL) *signature = f->signature;
    pbts_secret_free(f);
    return status;
}

pbts_status pbts_kms_fetch_key(uint8_t out[static PBTS_KMS_KEY_TRK_LEN],
                               pbts_kms_fetch_report *report, const pbts_kms_fetch_config *config) {
    if (config->client.kind != PBTS_KMS_ASK_KEY) return PBTS_MALFORMED;
    return fetch_any(out, NULL, report, config);
}

pbts_status pbts_kms_fetch_signature(pbts_bls_signature *out, pbts_kms_fetch_report *report,
                                     const pbts_kms_fetch_config *config) {
    if (config->client.kind != PBTS_KMS_ASK_STATEMENT) return PBTS_MALFORMED;
    return fetch_any(NULL, out, report, config);
}
