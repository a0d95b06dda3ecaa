/* libFuzzer target: SSZ of the light client's messages, and branches with any index. */
#include <stdlib.h>

#include "eth/light_data.h"

static void require(bool truth) {
    if (!truth) abort();
}

static pbts_beacon_network network_of(uint8_t form) {
    pbts_beacon_network network = PBTS_BEACON_MAINNET;
    if (form & 1) network.committee_size = 32;
    for (int i = 0; form & 2 && i < PBTS_BEACON_FORKS; i++) network.forks[i].epoch /= 100000;
    return network;
}

static void check_update(const pbts_beacon_network *network, pbts_light_container kind,
                         pbts_span bytes) {
    static pbts_light_update update;
    if (pbts_light_update_decode_ssz(&update, network, kind, bytes) != PBTS_OK) return;
    require(pbts_beacon_fork_at(network, update.attested.beacon.slot) >= PBTS_BEACON_BELLATRIX);
    require(update.attested.execution.extra_data_len <= PBTS_BEACON_EXTRA_DATA_MAX);
    require(!update.has_next || kind == PBTS_LIGHT_FULL_UPDATE);
    require(!update.has_finality || kind != PBTS_LIGHT_OPTIMISTIC_UPDATE);
    require(update.has_finality || pbts_light_header_is_zero(&update.finalized));
}

static void check_list(pbts_span bytes) {
    pbts_cursor cursor = pbts_cursor_over(bytes);
    pbts_span update;
    size_t total = 0;
    while (pbts_light_updates_next(&cursor, &update) == PBTS_OK) {
        require(update.data >= bytes.data && update.data + update.len <= bytes.data + bytes.len);
        total += update.len + 12;
        require(total + pbts_cursor_left(&cursor) == bytes.len);
    }
}

static void check_branch(pbts_span bytes) {
    pbts_ssz_chunk chunks[PBTS_SSZ_DEPTH_MAX + 3];
    pbts_cursor cursor = pbts_cursor_over(bytes);
    uint64_t gindex;
    size_t count = 0;
    if (pbts_ssz_read_u64(&cursor, &gindex) != PBTS_OK) return;
    while (count < PBTS_SSZ_DEPTH_MAX + 3 &&
           pbts_read_bytes(&cursor, chunks[count].bytes, 32) == PBTS_OK) {
        count++;
    }
    if (count < 2) return;
    pbts_status status =
        pbts_ssz_check_branch(&chunks[0], &chunks[1], gindex, chunks + 2, count - 2);
    require(status == PBTS_MALFORMED || (status == PBTS_OK && gindex > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static pbts_light_bootstrap bootstrap;
    if (len == 0) return 0;
    pbts_span bytes = { data + 1, len - 1 };
    pbts_beacon_network network = network_of(data[0]);
    for (int kind = 0; kind < 3; kind++) check_update(&network, (pbts_light_container)kind, bytes);
    if (pbts_light_bootstrap_decode_ssz(&bootstrap, &network, bytes) == PBTS_OK) {
        pbts_ssz_chunk root = pbts_beacon_header_root(&bootstrap.header.beacon);
        require(!pbts_ssz_chunk_is_zero(&root));
    }
    check_list(bytes);
    check_branch(bytes);
    return 0;
}
