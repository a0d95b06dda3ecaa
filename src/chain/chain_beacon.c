/* What a light client wants to know is fetched, one request after the other; then its head is the
 * trusted block. Sources: beacon-APIs, apis/beacon/light_client; eth/light_client.h. */
#include "chain/chain_beacon.h"

#include <stdlib.h>
#include <string.h>

#include "chain/chain_evidence.h"
#include "chain/chain_parts.h"
#include "net/clock.h"

enum {
    URL_SIZE = PBTS_CHAIN_BEACON_URL_MAX + PBTS_LIGHT_PATH_LEN_MAX + 1,
    WAKE_MS = 1000, /* look that often whether to stop */
};

struct pbts_chain_beacon {
    pbts_chain_beacon_config config; /* its urls are `urls` */
    char *urls[PBTS_LIGHT_SERVERS_MAX];
    pbts_light_client *client;
    pbts_chain_evidence_log evidence;
    uint64_t opened_ms; /* monotonic */
    bool is_kept;
    uint64_t kept_slot; /* finalized when the state was kept last */
    uint8_t url[URL_SIZE];
    uint8_t state[PBTS_LIGHT_STATE_LEN_MAX];
};

static uint64_t now_s(const pbts_chain_beacon *beacon) {
    uint64_t recorded_s = beacon->config.recorded_unix_s;
    if (recorded_s == 0) return pbts_clock_unix_ms() / 1000;
    return recorded_s + (pbts_clock_mono_ms() - beacon->opened_ms) / 1000;
}

/* ---- life ---- */

static pbts_status copy_url(char **out, const char *url) {
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/') len--;
    if (len > PBTS_CHAIN_BEACON_URL_MAX) return PBTS_LIMIT;
    *out = strndup(url, len);
    return *out != NULL ? PBTS_OK : PBTS_NO_MEMORY;
}

/* Two thirds of a committee, for the newest block as for a final one. */
static uint32_t optimistic_min(const pbts_beacon_network *network) {
    return (2 * network->committee_size + 2) / 3;
}

static pbts_status new_client(pbts_chain_beacon *beacon) {
    const pbts_chain_beacon_config *config = &beacon->config;
    PBTS_TRY(pbts_beacon_network_check(&config->network));
    pbts_light_config light = { .mem = pbts_mem_system(),
                                .network = &config->network,
                                .age_max_s = config->trust_age_max_s > 0 ? config->trust_age_max_s
                                                                         : PBTS_LIGHT_AGE_MAX_S,
                                .optimistic_min = optimistic_min(&config->network),
                                .server_count = config->urls_len,
                                .poll_s = config->network.seconds_per_slot };
    memcpy(light.trusted_root, config->trusted_root, sizeof light.trusted_root);
    return pbts_light_client_new(&beacon->client, &light);
}

/* What cannot be used (damaged, of another trusted root, too old) is as good as nothing: the
 * trusted root is begun with. */
static void load_kept(pbts_chain_beacon *beacon) {
    const pbts_chain_keep *keep = &beacon->config.keep;
    pbts_light_head head;
    pbts_writer writer = pbts_writer_over(beacon->state, sizeof beacon->state);
    if (beacon->config.keep_evidence) return; /* which begins with the trusted root */
    if (keep->load == NULL || keep->load(keep->host, &writer) != PBTS_OK) return;
    if (pbts_writer_status(&writer) != PBTS_OK) return;
    pbts_status status =
        pbts_light_client_load(beacon->client, pbts_writer_span(&writer), now_s(beacon));
    if (status != PBTS_OK) return;
    beacon->is_kept = pbts_light_client_finalized(beacon->client, &head, now_s(beacon)) == PBTS_OK;
    if (beacon->is_kept) beacon->kept_slot = head.slot;
}

static pbts_status open_into(pbts_chain_beacon *beacon) {
    for (uint32_t i = 0; i < beacon->config.urls_len; i++)
        PBTS_TRY(copy_url(&beacon->urls[i], beacon->config.urls[i]));
    PBTS_TRY(new_client(beacon));
    load_kept(beacon);
    return PBTS_OK;
}

pbts_status pbts_chain_beacon_open(pbts_chain_beacon **out,
                                   const pbts_chain_beacon_config *config) {
    pbts_chain_beacon *beacon = calloc(1, sizeof *beacon);
    if (beacon == NULL) return PBTS_NO_MEMORY;
    beacon->config = *config;
    beacon->opened_ms = pbts_clock_mono_ms();
    pbts_status status = open_into(beacon);
    if (status == PBTS_OK) {
        *out = beacon;
    } else {
        pbts_chain_beacon_close(beacon);
    }
    return status;
}

void pbts_chain_beacon_close(pbts_chain_beacon *beacon) {
    if (beacon == NULL) return;
    pbts_light_client_free(beacon->client);
    pbts_chain_evidence_deinit(&beacon->evidence);
    for (uint32_t i = 0; i < PBTS_LIGHT_SERVERS_MAX; i++) free(beacon->urls[i]);
    free(beacon);
}

/* ---- one request ---- */

static pbts_light_format format_of(const pbts_http_answer *answer) {
    static const char SSZ[] = "application/octet-stream";
    bool is_ssz =
        answer->content_type != NULL && strncmp(answer->content_type, SSZ, sizeof SSZ - 1) == 0;
    return is_ssz ? PBTS_LIGHT_SSZ : PBTS_LIGHT_JSON;
}

static pbts_status start(pbts_chain *chain, const pbts_light_request *request, uint64_t left_ms) {
    pbts_chain_beacon *beacon = chain->beacon;
    pbts_writer writer = pbts_writer_over(beacon->url, sizeof beacon->url);
    pbts_write_text(&writer, beacon->urls[request->server]);
    pbts_light_request_path(&writer, request);
    pbts_write_u8(&writer, 0);
    PBTS_TRY(pbts_writer_status(&writer));
    const char *accept = beacon->config.keep_evidence
                             ? "application/octet-stream"
                             : "application/octet-stream, application/json;q=0.5";
    pbts_http_query query = { .url = (const char *)beacon->url,
                              .accept = accept,
                              .answer_len_max = PBTS_LIGHT_ANSWER_LEN_MAX,
                              .timeout_ms = left_ms < PBTS_RPC_TIMEOUT_MS ? (uint32_t)left_ms
                                                                          : PBTS_RPC_TIMEOUT_MS,
                              .tag = request->number,
                              .server = request->server };
    return pbts_http_client_start(chain->http, &query);
}

/* PBTS_STALE: the trusted block itself is too old, whoever gives it. */
static pbts_status take(pbts_chain *chain, const pbts_light_request *request,
                        const pbts_http_answer *answer) {
    pbts_chain_beacon *beacon = chain->beacon;
    const char *url = beacon->urls[request->server];
    bool is_answer = answer->status == 200 || answer->status == PBTS_HTTP_CLIENT_TOO_LONG;
    if (!is_answer) {
        pbts_chain_note_failure(chain, url, answer);
        pbts_light_client_no_answer(beacon->client, request->number, now_s(beacon));
        return PBTS_OK;
    }
    /* One that is too long has no body here, and counts as wrong. */
    pbts_status status = pbts_light_client_answer(beacon->client, request->number,
                                                  format_of(answer), answer->body, now_s(beacon));
    if (status == PBTS_NO_MEMORY) return status;
    if (status == PBTS_OK && beacon->config.keep_evidence)
        pbts_chain_evidence_note(&beacon->evidence, request->kind, format_of(answer), answer->body);
    if (status == PBTS_STALE && request->kind == PBTS_LIGHT_BOOTSTRAP) return status;
    bool is_wrong =
        status == PBTS_MALFORMED || status == PBTS_LIMIT || status == PBTS_BAD_SIGNATURE;
    if (is_wrong) pbts_chain_set_problem(chain, url, "a wrong answer about the beacon chain");
    return PBTS_OK;
}

static bool is_over(const pbts_chain *chain, uint64_t give_up_ms) {
    return atomic_load(&chain->stopping) || pbts_clock_mono_ms() >= give_up_ms;
}

static uint32_t wait_of(uint64_t until_ms) {
    uint64_t now_ms = pbts_clock_mono_ms();
    uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    return left_ms < WAKE_MS ? (uint32_t)left_ms + 1 : WAKE_MS;
}

static pbts_status ask(pbts_chain *chain, const pbts_light_request *request, uint64_t give_up_ms) {
    pbts_http_answer answer;
    pbts_chain_beacon *beacon = chain->beacon;
    uint64_t now_ms = pbts_clock_mono_ms();
    pbts_status status = start(chain, request, give_up_ms > now_ms ? give_up_ms - now_ms : 1);
    while (status == PBTS_OK && !is_over(chain, give_up_ms)) {
        if (pbts_http_client_wait(chain->http, &answer, wait_of(give_up_ms)))
            return take(chain, request, &answer);
    }
    pbts_http_client_cancel(chain->http);
    pbts_light_client_no_answer(beacon->client, request->number, now_s(beacon));
    return status;
}

/* ---- the head ---- */

static pbts_status too_old_to_trust(pbts_chain *chain) {
    pbts_chain_set_problem(chain, NULL,
                           "what was trusted of the beacon chain is too old by now: give a new "
                           "trusted root, that of a finalized block of the last days, from "
                           "somebody you trust");
    return PBTS_STALE;
}

/* PBTS_NOT_FOUND: not known yet. */
static pbts_status head(pbts_chain *chain, pbts_trusted_block *out, bool is_final) {
    const pbts_chain_beacon *beacon = chain->beacon;
    pbts_light_head head;
    pbts_status status = is_final
                             ? pbts_light_client_finalized(beacon->client, &head, now_s(beacon))
                             : pbts_light_client_optimistic(beacon->client, &head, now_s(beacon));
    if (status == PBTS_STALE) return too_old_to_trust(chain);
    PBTS_TRY(status);
    if (!head.has_execution) return PBTS_NOT_FOUND;
    /* Ages are counted from slots: genesis and their length must be as the blocks have it. */
    if (head.timestamp_s != pbts_beacon_slot_time_s(&beacon->config.network, head.slot)) {
        pbts_chain_set_problem(chain, NULL,
                               "the network's genesis time or slots are not those of its blocks");
        return PBTS_DENIED;
    }
    pbts_trusted_block block = { .block_number = head.block_number,
                                 .has_state_root = true,
                                 .timestamp_s = head.timestamp_s };
    memcpy(block.block_hash.bytes, head.block_hash.bytes, sizeof block.block_hash.bytes);
    memcpy(block.state_root.bytes, head.state_root.bytes, sizeof block.state_root.bytes);
    if (pbts_trusted_is_stale(&block, chain->config.age_max_s, now_s(beacon))) {
        if (chain->problem[0] == '\0')
            pbts_chain_set_problem(
                chain, NULL,
                "by this machine's clock the newest block of the beacon chain is too old");
        return PBTS_STALE;
    }
    *out = block;
    return PBTS_OK;
}

/* Once per finalized block. */
static void keep(pbts_chain_beacon *beacon) {
    const pbts_chain_keep *keeper = &beacon->config.keep;
    pbts_light_head final;
    if (keeper->save == NULL ||
        pbts_light_client_finalized(beacon->client, &final, now_s(beacon)) != PBTS_OK)
        return;
    if (beacon->is_kept && final.slot == beacon->kept_slot) return;
    pbts_writer writer = pbts_writer_over(beacon->state, sizeof beacon->state);
    if (pbts_light_client_save(beacon->client, &writer) != PBTS_OK) return;
    if (keeper->save(keeper->host, pbts_writer_span(&writer)) != PBTS_OK) return;
    beacon->is_kept = true;
    beacon->kept_slot = final.slot;
}

/* Nothing is to be asked before the deadline. PBTS_IO: that is too late. */
static pbts_status rest(pbts_chain *chain, uint64_t give_up_ms) {
    pbts_http_answer answer;
    uint64_t now = now_s(chain->beacon), now_ms = pbts_clock_mono_ms();
    uint64_t until_s = pbts_light_client_deadline_s(chain->beacon->client, now);
    if (now_ms >= give_up_ms || until_s - now >= (give_up_ms - now_ms) / 1000) return PBTS_IO;
    uint64_t until_ms = now_ms + 1000 * (until_s - now);
    (void)pbts_http_client_wait(chain->http, &answer, wait_of(until_ms));
    return PBTS_OK;
}

/* Ask until nothing is left that can be asked now, and the head is young enough. PBTS_IO: patience
 * has ended, or will before anybody may be asked again. */
static pbts_status follow(pbts_chain *chain, bool is_final, uint64_t give_up_ms) {
    pbts_light_request request;
    pbts_trusted_block block;
    pbts_light_client *client = chain->beacon->client;
    while (!is_over(chain, give_up_ms)) {
        if (pbts_light_client_next_request(client, &request, now_s(chain->beacon))) {
            PBTS_TRY(ask(chain, &request, give_up_ms));
            continue;
        }
        pbts_status status = head(chain, &block, is_final);
        if (status == PBTS_OK || status == PBTS_DENIED) return status;
        PBTS_TRY(rest(chain, give_up_ms));
    }
    return atomic_load(&chain->stopping) ? PBTS_BUSY : PBTS_IO;
}

pbts_status pbts_chain_beacon_block(pbts_chain *chain, pbts_trusted_block *out, bool is_final) {
    pbts_status status = follow(chain, is_final, pbts_chain_give_up_ms(chain));
    if (status == PBTS_STALE) return too_old_to_trust(chain);
    if (status != PBTS_OK && status != PBTS_IO) return status;
    keep(chain->beacon);
    status = head(chain, out, is_final); /* that patience ended does not matter if there is one */
    if (status != PBTS_NOT_FOUND) return status;
    if (chain->problem[0] == '\0')
        pbts_chain_set_problem(chain, NULL, "no beacon node gave what can be verified");
    return PBTS_IO;
}

pbts_status pbts_chain_evidence(pbts_chain *chain, pbts_portable_evidence *out,
                                const pbts_trusted_block *block) {
    pbts_chain_beacon *beacon = chain->beacon;
    if (beacon == NULL || !beacon->config.keep_evidence) return PBTS_NOT_FOUND;
    return pbts_chain_evidence_make(&beacon->evidence, out, &beacon->config.network,
                                    beacon->config.trusted_root, &block->block_hash, now_s(beacon));
}
