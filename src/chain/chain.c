#include "chain/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "chain/chain_parts.h"
#include "net/clock.h"

enum { MISSES_MAX = 3 }; /* some two seconds; then another block is looked for */

/* ---- life ---- */

static pbts_status copy_urls(pbts_chain *chain) {
    for (uint32_t i = 0; i < chain->config.urls_len; i++) {
        chain->urls[i] = strdup(chain->config.urls[i]);
        if (chain->urls[i] == NULL) return PBTS_NO_MEMORY;
    }
    return PBTS_OK;
}

static pbts_status open_into(pbts_chain *chain) {
    uint8_t seed[8];
    uint64_t number;
    const pbts_chain_beacon_config *beacon = &chain->config.beacon;
    pbts_chain_read_config read = { .age_max_s = UINT64_MAX,
                                    .id_first = 1,
                                    .keep_header = !beacon->skip_headers,
                                    .misses_max = MISSES_MAX };
    PBTS_TRY(pbts_random_fill(pbts_random_system(), seed, sizeof seed));
    memcpy(&number, seed, sizeof number);
    PBTS_TRY(pbts_endpoints_init(&chain->endpoints, chain->config.urls_len, number));
    PBTS_TRY(copy_urls(chain));
    PBTS_TRY(pbts_http_client_new(&chain->http, chain->config.ca));
    if (beacon->urls_len > 0) PBTS_TRY(pbts_chain_beacon_open(&chain->beacon, beacon));
    return pbts_chain_read_new(&chain->read, pbts_mem_system(), &chain->endpoints, &read);
}

pbts_status pbts_chain_open(pbts_chain **out, const pbts_chain_config *config) {
    if (config->urls_len == 0 || config->urls_len > PBTS_ENDPOINTS_MAX) return PBTS_LIMIT;
    if (config->beacon.urls_len > PBTS_LIGHT_SERVERS_MAX) return PBTS_LIMIT;
    bool is_voted = config->beacon.urls_len == 0;
    if (is_voted && (config->quorum == 0 || config->quorum > config->urls_len)) return PBTS_LIMIT;
    pbts_chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL) return PBTS_NO_MEMORY;
    chain->config = *config;
    chain->next_id = 1;
    if (chain->config.patience_ms == 0) chain->config.patience_ms = PBTS_CHAIN_PATIENCE_MS;
    pbts_status status = open_into(chain);
    if (status == PBTS_OK) {
        *out = chain;
    } else {
        pbts_chain_close(chain);
    }
    return status;
}

void pbts_chain_close(pbts_chain *chain) {
    if (chain == NULL) return;
    pbts_chain_read_free(chain->read);
    pbts_chain_beacon_close(chain->beacon);
    pbts_http_client_free(chain->http);
    for (uint32_t i = 0; i < PBTS_ENDPOINTS_MAX; i++) free(chain->urls[i]);
    free(chain);
}

void pbts_chain_stop(pbts_chain *chain) {
    atomic_store(&chain->stopping, true);
    pbts_http_client_wake(chain->http);
}

const char *pbts_chain_problem(const pbts_chain *chain) {
    return chain->problem;
}

static void append(pbts_chain *chain, size_t *len, const char *text) {
    while (*text != '\0' && *len < sizeof chain->problem - 1) chain->problem[(*len)++] = *text++;
    chain->problem[*len] = '\0';
}

void pbts_chain_origin(pbts_writer *out, const char *url) {
    const char *host = strstr(url, "://");
    size_t scheme_len = host == NULL ? 0 : (size_t)(host - url) + 3;
    const char *authority = url + scheme_len;
    size_t authority_len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', authority_len);
    size_t skipped = at == NULL ? 0 : (size_t)(at - authority) + 1;
    pbts_write_bytes(out, (pbts_span){ (const uint8_t *)url, scheme_len });
    pbts_write_bytes(out,
                     (pbts_span){ (const uint8_t *)authority + skipped, authority_len - skipped });
}

/* Problems go to logs. */
static void append_origin(pbts_chain *chain, size_t *len, const char *url) {
    char text[256];
    pbts_writer origin = pbts_writer_over((uint8_t *)text, sizeof text - 1);
    pbts_chain_origin(&origin, url);
    text[origin.failed ? 0 : origin.len] = '\0';
    append(chain, len, text);
}

void pbts_chain_set_problem(pbts_chain *chain, const char *url, const char *what) {
    size_t len = 0;
    if (url != NULL) append_origin(chain, &len, url);
    if (url != NULL) append(chain, &len, ": ");
    append(chain, &len, what);
}

uint32_t pbts_chain_endpoints(const pbts_chain *chain,
                              pbts_chain_endpoint out[static PBTS_ENDPOINTS_MAX]) {
    for (uint32_t i = 0; i < chain->config.urls_len; i++)
        out[i] = (pbts_chain_endpoint){ chain->urls[i], chain->endpoints.each[i] };
    return chain->config.urls_len;
}

/* ---- driving a core ---- */

pbts_moment pbts_chain_now(void) {
    return (pbts_moment){ pbts_clock_unix_ms() / 1000, pbts_clock_mono_ms() };
}

uint64_t pbts_chain_give_up_ms(const pbts_chain *chain) {
    return pbts_clock_mono_ms() + chain->config.patience_ms;
}

static pbts_status post(pbts_chain *chain, const pbts_rpc_want *want) {
    pbts_http_query query = { .url = chain->urls[want->endpoint],
                              .content_type = "application/json",
                              .accept = "application/json",
                              .body = want->body,
                              .answer_len_max = want->answer_len_max,
                              .timeout_ms = want->timeout_ms,
                              .tag = want->id,
                              .server = want->endpoint };
    return pbts_http_client_start(chain->http, &query);
}

void pbts_chain_note_failure(pbts_chain *chain, const char *url, const pbts_http_answer *answer) {
    char http[] = "HTTP status 000";
    for (int i = 0, status = answer->status; i < 3; i++, status /= 10)
        http[sizeof http - 2 - (size_t)i] = (char)('0' + status % 10);
    if (answer->error != NULL) pbts_chain_set_problem(chain, url, answer->error);
    if (answer->error == NULL && answer->status != 200) pbts_chain_set_problem(chain, url, http);
}

static uint32_t wait_of(uint64_t until_ms, uint64_t now_ms) {
    uint64_t left = until_ms > now_ms ? until_ms - now_ms : 0;
    return left > 1000 ? 1000 : (uint32_t)left + 1;
}

static pbts_status step(pbts_chain *chain, const pbts_chain_core *core, uint64_t give_up_ms) {
    pbts_rpc_want want;
    pbts_http_answer answer;
    pbts_moment now = pbts_chain_now();
    while (pbts_http_client_under_way(chain->http) < PBTS_HTTP_CLIENT_QUERIES_MAX - 1 &&
           core->next(core->core, &want, now)) {
        PBTS_TRY(post(chain, &want));
    }
    if (core->is_over(core->core)) return PBTS_OK;
    uint64_t until_ms = core->deadline_ms(core->core);
    if (give_up_ms < until_ms) until_ms = give_up_ms;
    if (!pbts_http_client_wait(chain->http, &answer, wait_of(until_ms, now.mono_ms)))
        return PBTS_OK;
    pbts_chain_note_failure(chain, chain->urls[answer.server], &answer);
    pbts_rpc_reply reply = { .http_status = answer.status, .body = answer.body };
    core->answer(core->core, answer.tag, &reply, pbts_chain_now());
    return PBTS_OK;
}

pbts_status pbts_chain_run(pbts_chain *chain, const pbts_chain_core *core, uint64_t give_up_ms) {
    pbts_status status = PBTS_OK;
    while (status == PBTS_OK && !core->is_over(core->core)) {
        if (atomic_load(&chain->stopping)) {
            status = PBTS_BUSY;
        } else if (pbts_clock_mono_ms() >= give_up_ms) {
            status = PBTS_IO;
        } else {
            status = step(chain, core, give_up_ms);
        }
    }
    pbts_http_client_cancel(chain->http); /* or it would be taken for answers to the next core */
    return status;
}
