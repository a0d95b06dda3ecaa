/* Networks, their clocks and forks. */
#include "base/assert.h"
#include "eth/beacon.h"

/* Source: eth-clients/mainnet, eth-clients/sepolia, eth-clients/hoodi, metadata/config.yaml. */
const pbts_beacon_network PBTS_BEACON_MAINNET = {
    .genesis_validators_root = { 0x4b, 0x36, 0x3d, 0xb9, 0x4e, 0x28, 0x61, 0x20, 0xd7, 0x6e, 0xb9,
                                 0x05, 0x34, 0x0f, 0xdd, 0x4e, 0x54, 0xbf, 0xe9, 0xf0, 0x6b, 0xf3,
                                 0x3f, 0xf6, 0xcf, 0x5a, 0xd2, 0x7f, 0x51, 0x1b, 0xfe, 0x95 },
    .genesis_time_s = 1606824023,
    .seconds_per_slot = 12,
    .slots_per_epoch = 32,
    .epochs_per_period = 256,
    .committee_size = 512,
    .forks = { { 0, { 0, 0, 0, 0 } },
               { 74240, { 1, 0, 0, 0 } },
               { 144896, { 2, 0, 0, 0 } },
               { 194048, { 3, 0, 0, 0 } },
               { 269568, { 4, 0, 0, 0 } },
               { 364032, { 5, 0, 0, 0 } },
               { 411392, { 6, 0, 0, 0 } } },
};

const pbts_beacon_network PBTS_BEACON_SEPOLIA = {
    .genesis_validators_root = { 0xd8, 0xea, 0x17, 0x1f, 0x3c, 0x94, 0xae, 0xa2, 0x1e, 0xbc, 0x42,
                                 0xa1, 0xed, 0x61, 0x05, 0x2a, 0xcf, 0x3f, 0x92, 0x09, 0xc0, 0x0e,
                                 0x4e, 0xfb, 0xaa, 0xdd, 0xac, 0x09, 0xed, 0x9b, 0x80, 0x78 },
    .genesis_time_s = 1655733600,
    .seconds_per_slot = 12,
    .slots_per_epoch = 32,
    .epochs_per_period = 256,
    .committee_size = 512,
    .forks = { { 0, { 0x90, 0, 0, 0x69 } },
               { 50, { 0x90, 0, 0, 0x70 } },
               { 100, { 0x90, 0, 0, 0x71 } },
               { 56832, { 0x90, 0, 0, 0x72 } },
               { 132608, { 0x90, 0, 0, 0x73 } },
               { 222464, { 0x90, 0, 0, 0x74 } },
               { 272640, { 0x90, 0, 0, 0x75 } } },
};

const pbts_beacon_network PBTS_BEACON_HOODI = {
    .genesis_validators_root = { 0x21, 0x2f, 0x13, 0xfc, 0x4d, 0xf0, 0x78, 0xb6, 0xcb, 0x7d, 0xb2,
                                 0x28, 0xf1, 0xc8, 0x30, 0x75, 0x66, 0xdc, 0xec, 0xf9, 0x00, 0x86,
                                 0x74, 0x01, 0xa9, 0x20, 0x23, 0xd7, 0xba, 0x99, 0xcb, 0x5f },
    .genesis_time_s = 1742213400,
    .seconds_per_slot = 12,
    .slots_per_epoch = 32,
    .epochs_per_period = 256,
    .committee_size = 512,
    .forks = { { 0, { 0x10, 0, 0x09, 0x10 } },
               { 0, { 0x20, 0, 0x09, 0x10 } },
               { 0, { 0x30, 0, 0x09, 0x10 } },
               { 0, { 0x40, 0, 0x09, 0x10 } },
               { 0, { 0x50, 0, 0x09, 0x10 } },
               { 2048, { 0x60, 0, 0x09, 0x10 } },
               { 50688, { 0x70, 0, 0x09, 0x10 } } },
};

pbts_status pbts_beacon_network_check(const pbts_beacon_network *network) {
    enum { SECONDS_MAX = 3600, SLOTS_MAX = 1024, EPOCHS_MAX = 65536 };
    bool in_range = network->seconds_per_slot > 0 && network->seconds_per_slot <= SECONDS_MAX &&
                    network->slots_per_epoch > 0 && network->slots_per_epoch <= SLOTS_MAX &&
                    network->epochs_per_period > 0 && network->epochs_per_period <= EPOCHS_MAX &&
                    network->committee_size > 0 && network->committee_size % 8 == 0 &&
                    network->committee_size <= PBTS_BEACON_COMMITTEE_MAX &&
                    network->forks[0].epoch == 0;
    if (!in_range) return PBTS_MALFORMED;
    for (size_t i = 1; i < PBTS_BEACON_FORKS; i++) {
        if (network->forks[i].epoch < network->forks[i - 1].epoch) return PBTS_MALFORMED;
    }
    return PBTS_OK;
}

uint64_t pbts_beacon_slot_at(const pbts_beacon_network *network, uint64_t unix_s) {
    if (unix_s <= network->genesis_time_s) return 0;
    return (unix_s - network->genesis_time_s) / network->seconds_per_slot;
}

uint64_t pbts_beacon_slot_time_s(const pbts_beacon_network *network, uint64_t slot) {
    uint64_t after_s, time_s;
    if (__builtin_mul_overflow(slot, network->seconds_per_slot, &after_s) ||
        __builtin_add_overflow(after_s, network->genesis_time_s, &time_s)) {
        return UINT64_MAX;
    }
    return time_s;
}

uint64_t pbts_beacon_slots_per_period(const pbts_beacon_network *network) {
    return (uint64_t)network->slots_per_epoch * network->epochs_per_period;
}

uint64_t pbts_beacon_period(const pbts_beacon_network *network, uint64_t slot) {
    return slot / pbts_beacon_slots_per_period(network);
}

pbts_beacon_fork pbts_beacon_fork_at(const pbts_beacon_network *network, uint64_t slot) {
    uint64_t epoch = slot / network->slots_per_epoch;
    int fork = PBTS_BEACON_FORKS - 1;
    while (fork > 0 && network->forks[fork].epoch > epoch) fork--;
    return (pbts_beacon_fork)fork;
}

const char *pbts_beacon_fork_name(pbts_beacon_fork fork) {
    static const char *const NAMES[PBTS_BEACON_FORKS] = { "phase0",  "altair", "bellatrix",
                                                          "capella", "deneb",  "electra",
                                                          "fulu" };
    assert((unsigned)fork < PBTS_BEACON_FORKS);
    return NAMES[fork];
}

pbts_beacon_gindices pbts_beacon_gindices_of(pbts_beacon_fork fork) {
    if (fork >= PBTS_BEACON_ELECTRA) return (pbts_beacon_gindices){ 169, 86, 87 };
    return (pbts_beacon_gindices){ 105, 54, 55 };
}
