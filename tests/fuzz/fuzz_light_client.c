/* libFuzzer target: a client that answers arrive at, as SSZ and as JSON, and a stored state.
 * Nothing random is ever believed: without a bootstrap from the trusted root there is no head. */
#include <stdlib.h>

#include "eth/light_client.h"

static void require(bool truth) {
    if (!truth) abort();
}

static pbts_beacon_network small_network(void) {
    pbts_beacon_network network = PBTS_BEACON_MAINNET;
    network.committee_size = 8;
    return network;
}

static void answer_once(pbts_light_client *client, pbts_light_format format, pbts_span body,
                        uint64_t now_s) {
    pbts_light_request request;
    pbts_light_head head;
    if (!pbts_light_client_next_request(client, &request, now_s)) return;
    require(request.kind == PBTS_LIGHT_BOOTSTRAP);
    require(pbts_light_client_answer(client, request.number, format, body, now_s) != PBTS_OK);
    require(pbts_light_client_finalized(client, &head, now_s) == PBTS_NOT_FOUND);
}

/* The decoders of JSON alone: they see more than a client without a bootstrap would. */
static pbts_status ignore_update(void *context, const pbts_light_update *update) {
    (void)context;
    require(update->attested.execution.extra_data_len <= PBTS_BEACON_EXTRA_DATA_MAX);
    return PBTS_OK;
}

static void decode_json(const pbts_beacon_network *network, pbts_span text) {
    static pbts_light_update update;
    for (int kind = 0; kind < 3; kind++) {
        pbts_status status =
            pbts_light_update_decode_json(&update, network, (pbts_light_container)kind, text);
        if (status == PBTS_OK) ignore_update(NULL, &update);
    }
    (void)!pbts_light_updates_decode_json(&update, network, text, ignore_update, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static pbts_light_client
        *client; /* never told anything that it believes, so it serves for all */
    static uint64_t now_s;
    pbts_beacon_network network = small_network();
    pbts_span bytes = { data, len };
    pbts_light_config config = { .mem = pbts_mem_system(),
                                 .network = &network,
                                 .trusted_root = { 1 },
                                 .age_max_s = PBTS_LIGHT_AGE_MAX_S,
                                 .optimistic_min = 1,
                                 .server_count = 1,
                                 .poll_s = 1 };
    if (client == NULL) {
        now_s = pbts_beacon_slot_time_s(&network, 11650087);
        require(pbts_light_client_new(&client, &config) == PBTS_OK);
    }
    for (int format = PBTS_LIGHT_SSZ; format <= PBTS_LIGHT_JSON; format++) {
        now_s = pbts_light_client_deadline_s(client, now_s);
        answer_once(client, (pbts_light_format)format, bytes, now_s);
    }
    require(pbts_light_client_load(client, bytes, now_s) != PBTS_OK);
    decode_json(&network, bytes);
    return 0;
}
