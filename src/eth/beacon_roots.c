/* hash_tree_root of the containers, and what is signed. */
#include "base/assert.h"
#include "eth/beacon.h"

#define LEN_OF(array) (sizeof(array) / sizeof(array)[0])

pbts_ssz_chunk pbts_beacon_header_root(const pbts_beacon_header *header) {
    pbts_ssz_chunk fields[] = { pbts_ssz_chunk_u64(header->slot),
                                pbts_ssz_chunk_u64(header->proposer_index), header->parent_root,
                                header->state_root, header->body_root };
    return pbts_ssz_merkleize(fields, LEN_OF(fields));
}

pbts_ssz_chunk pbts_beacon_committee_root(const pbts_beacon_committee *committee, size_t size) {
    pbts_ssz_chunk keys[PBTS_BEACON_COMMITTEE_MAX], fields[2];
    assert(size > 0 && size <= PBTS_BEACON_COMMITTEE_MAX);
    for (size_t i = 0; i < size; i++) {
        const uint8_t *key = committee->keys + i * PBTS_BLS_MEMBER_KEY_LEN;
        keys[i] = pbts_ssz_root_bytes((pbts_span){ key, PBTS_BLS_MEMBER_KEY_LEN });
    }
    fields[0] = pbts_ssz_merkleize(keys, size);
    fields[1] = pbts_ssz_root_bytes(PBTS_SPAN_OF(committee->aggregate));
    return pbts_ssz_merkleize(fields, LEN_OF(fields));
}

pbts_ssz_chunk pbts_beacon_execution_root(const pbts_beacon_execution *execution,
                                          pbts_beacon_fork fork) {
    enum { BELLATRIX_FIELDS = 14, CAPELLA_FIELDS = 15, DENEB_FIELDS = 17 };
    pbts_span extra_data = { execution->extra_data, execution->extra_data_len };
    pbts_ssz_chunk fields[DENEB_FIELDS] = {
        execution->parent_hash,
        pbts_ssz_chunk_bytes(PBTS_SPAN_OF(execution->fee_recipient)),
        execution->state_root,
        execution->receipts_root,
        pbts_ssz_root_bytes(PBTS_SPAN_OF(execution->logs_bloom)),
        execution->prev_randao,
        pbts_ssz_chunk_u64(execution->block_number),
        pbts_ssz_chunk_u64(execution->gas_limit),
        pbts_ssz_chunk_u64(execution->gas_used),
        pbts_ssz_chunk_u64(execution->timestamp_s),
        pbts_ssz_root_list32(extra_data),
        execution->base_fee_wei,
        execution->block_hash,
        execution->transactions_root,
        execution->withdrawals_root,
        pbts_ssz_chunk_u64(execution->blob_gas_used),
        pbts_ssz_chunk_u64(execution->excess_blob_gas),
    };
    assert(fork >= PBTS_BEACON_BELLATRIX);
    size_t count = fork >= PBTS_BEACON_DENEB     ? DENEB_FIELDS
                   : fork >= PBTS_BEACON_CAPELLA ? CAPELLA_FIELDS
                                                 : BELLATRIX_FIELDS;
    return pbts_ssz_merkleize(fields, count);
}

/* compute_domain: the type, then 28 bytes of the root of ForkData. */
static pbts_ssz_chunk domain_of(const pbts_beacon_network *network, pbts_beacon_fork fork) {
    static const uint8_t SYNC_COMMITTEE[4] = { 7, 0, 0, 0 };
    pbts_ssz_chunk fork_data[] = { pbts_ssz_chunk_bytes(PBTS_SPAN_OF(network->forks[fork].version)),
                                   pbts_ssz_chunk_bytes(
                                       PBTS_SPAN_OF(network->genesis_validators_root)) };
    pbts_ssz_chunk root = pbts_ssz_merkleize(fork_data, LEN_OF(fork_data)), domain;
    memcpy(domain.bytes, SYNC_COMMITTEE, sizeof SYNC_COMMITTEE);
    memcpy(domain.bytes + sizeof SYNC_COMMITTEE, root.bytes,
           sizeof domain.bytes - sizeof SYNC_COMMITTEE);
    return domain;
}

pbts_ssz_chunk pbts_beacon_signing_root(const pbts_beacon_network *network,
                                        const pbts_ssz_chunk *block_root, uint64_t signature_slot) {
    uint64_t version_slot = (signature_slot > 1 ? signature_slot : 1) - 1;
    pbts_ssz_chunk domain = domain_of(network, pbts_beacon_fork_at(network, version_slot));
    return pbts_ssz_node(block_root, &domain);
}
