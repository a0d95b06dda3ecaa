/* The light client but for its requests (light_requests.c) and what it keeps (light_state.c). */
#include "eth/light_client_parts.h"

pbts_status pbts_light_client_new(pbts_light_client **out, const pbts_light_config *config) {
    PBTS_TRY(pbts_beacon_network_check(config->network));
    if (config->age_max_s == 0 || config->poll_s == 0) return PBTS_MALFORMED;
    if (config->optimistic_min == 0 || config->optimistic_min > config->network->committee_size) {
        return PBTS_MALFORMED;
    }
    if (config->server_count == 0 || config->server_count > PBTS_LIGHT_SERVERS_MAX) {
        return PBTS_MALFORMED;
    }
    pbts_light_client *client = pbts_alloc(config->mem, sizeof *client);
    if (client == NULL) return PBTS_NO_MEMORY;
    client->config = *config;
    pbts_light_store_init(&client->store, config->network, config->optimistic_min);
    client->config.network = &client->store.network;
    *out = client;
    return PBTS_OK;
}

void pbts_light_client_free(pbts_light_client *client) {
    if (client != NULL) pbts_release(client->config.mem, client);
}

bool pbts_light_is_too_old(const pbts_light_client *client, uint64_t slot, uint64_t now_s) {
    uint64_t time_s = pbts_beacon_slot_time_s(&client->store.network, slot);
    return now_s > time_s && now_s - time_s > client->config.age_max_s;
}

pbts_status pbts_light_client_check_age(const pbts_light_client *client, uint64_t now_s) {
    const pbts_light_store *store = &client->store;
    if (!store->is_bootstrapped) return PBTS_NOT_FOUND;
    return pbts_light_is_too_old(client, store->finalized.beacon.slot, now_s) ? PBTS_STALE
                                                                              : PBTS_OK;
}

static void head_of(pbts_light_head *out, const pbts_beacon_network *network,
                    const pbts_light_header *header) {
    *out = (pbts_light_head){ .slot = header->beacon.slot,
                              .beacon_root = pbts_beacon_header_root(&header->beacon) };
    out->has_execution = pbts_beacon_fork_at(network, header->beacon.slot) >= PBTS_BEACON_CAPELLA;
    if (!out->has_execution) return;
    out->block_number = header->execution.block_number;
    out->block_hash = header->execution.block_hash;
    out->state_root = header->execution.state_root;
    out->timestamp_s = header->execution.timestamp_s;
}

pbts_status pbts_light_client_finalized(const pbts_light_client *client, pbts_light_head *out,
                                        uint64_t now_s) {
    PBTS_TRY(pbts_light_client_check_age(client, now_s));
    head_of(out, &client->store.network, &client->store.finalized);
    return PBTS_OK;
}

pbts_status pbts_light_client_optimistic(const pbts_light_client *client, pbts_light_head *out,
                                         uint64_t now_s) {
    PBTS_TRY(pbts_light_client_check_age(client, now_s));
    head_of(out, &client->store.network, &client->store.optimistic);
    return PBTS_OK;
}

bool pbts_light_client_is_forced(const pbts_light_client *client) {
    return client->store.is_bootstrapped && client->store.is_forced;
}

pbts_status pbts_light_client_bootstrap(pbts_light_client *client,
                                        const pbts_light_bootstrap *bootstrap, uint64_t now_s) {
    pbts_ssz_chunk root = pbts_ssz_chunk_bytes(PBTS_SPAN_OF(client->config.trusted_root));
    pbts_ssz_chunk found = pbts_beacon_header_root(&bootstrap->header.beacon);
    if (!pbts_ssz_chunk_equal(&root, &found)) return PBTS_MALFORMED;
    if (pbts_light_is_too_old(client, bootstrap->header.beacon.slot, now_s)) return PBTS_STALE;
    return pbts_light_store_bootstrap(&client->store, &root, bootstrap);
}

pbts_status pbts_light_client_update(pbts_light_client *client, const pbts_light_update *update,
                                     uint64_t now_s) {
    PBTS_TRY(pbts_light_client_check_age(client, now_s));
    return pbts_light_store_update(&client->store, update,
                                   pbts_beacon_slot_at(&client->store.network, now_s));
}

pbts_status pbts_light_client_force_update(pbts_light_client *client, uint64_t now_s) {
    PBTS_TRY(pbts_light_client_check_age(client, now_s));
    return pbts_light_store_force(&client->store,
                                  pbts_beacon_slot_at(&client->store.network, now_s));
}
