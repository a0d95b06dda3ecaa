/* What decoders of both formats share. */
#include "eth/light_data.h"

static bool is_zero(const void *bytes, size_t len) {
    const uint8_t *byte = bytes;
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++) all |= byte[i];
    return all == 0;
}

static bool branch_is_zero(const pbts_ssz_chunk *branch, size_t len) {
    return is_zero(branch, len * sizeof *branch);
}

bool pbts_light_has_no_execution(const pbts_light_header *header) {
    static const pbts_beacon_execution NONE;
    pbts_ssz_chunk root = pbts_beacon_execution_root(&header->execution, PBTS_BEACON_FULU);
    pbts_ssz_chunk zero = pbts_beacon_execution_root(&NONE, PBTS_BEACON_FULU);
    return pbts_ssz_chunk_equal(&root, &zero) &&
           branch_is_zero(header->execution_branch, PBTS_BEACON_EXECUTION_BRANCH_LEN);
}

bool pbts_light_header_is_zero(const pbts_light_header *header) {
    const pbts_beacon_header *beacon = &header->beacon;
    return beacon->slot == 0 && beacon->proposer_index == 0 &&
           pbts_ssz_chunk_is_zero(&beacon->parent_root) &&
           pbts_ssz_chunk_is_zero(&beacon->state_root) &&
           pbts_ssz_chunk_is_zero(&beacon->body_root) && pbts_light_has_no_execution(header);
}

pbts_status pbts_light_update_normalize(pbts_light_update *update,
                                        const pbts_beacon_network *network) {
    pbts_beacon_fork fork = pbts_beacon_fork_at(network, update->attested.beacon.slot);
    update->has_next = !branch_is_zero(update->next_branch, pbts_light_committee_branch_len(fork));
    update->has_finality =
        !branch_is_zero(update->finality_branch, pbts_light_finality_branch_len(fork));
    if (!update->has_next && !is_zero(&update->next, sizeof update->next)) return PBTS_MALFORMED;
    if (!update->has_finality && !pbts_light_header_is_zero(&update->finalized))
        return PBTS_MALFORMED;
    return PBTS_OK;
}
