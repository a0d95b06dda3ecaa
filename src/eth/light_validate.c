/* validate_light_client_update and what it is made of. */
#include "base/assert.h"
#include "eth/light_store.h"

pbts_status pbts_light_header_check(const pbts_beacon_network *network,
                                    const pbts_light_header *header) {
    pbts_beacon_fork fork = pbts_beacon_fork_at(network, header->beacon.slot);
    const pbts_beacon_execution *execution = &header->execution;
    if (fork < PBTS_BEACON_CAPELLA) {
        return pbts_light_has_no_execution(header) ? PBTS_OK : PBTS_MALFORMED;
    }
    if (fork < PBTS_BEACON_DENEB &&
        (execution->blob_gas_used != 0 || execution->excess_blob_gas != 0)) {
        return PBTS_MALFORMED;
    }
    pbts_ssz_chunk root = pbts_beacon_execution_root(execution, fork);
    return pbts_ssz_check_branch(&header->beacon.body_root, &root, PBTS_BEACON_EXECUTION_GINDEX,
                                 header->execution_branch, PBTS_BEACON_EXECUTION_BRANCH_LEN);
}

uint32_t pbts_light_participants(const pbts_beacon_network *network,
                                 const pbts_light_update *update) {
    uint32_t count = 0;
    for (size_t i = 0; i < network->committee_size / 8; i++) {
        count += (uint32_t)__builtin_popcount(update->bits[i]);
    }
    return count;
}

/* Before the signature, which is what costs: is it about now and about what is not known yet? */
static pbts_status check_slots(const pbts_light_store *store, const pbts_light_update *update,
                               uint64_t slot) {
    const pbts_beacon_network *network = &store->network;
    uint64_t attested = update->attested.beacon.slot, finalized = store->finalized.beacon.slot;
    uint64_t store_period = pbts_beacon_period(network, finalized);
    uint64_t signature_period = pbts_beacon_period(network, update->signature_slot);
    if (update->signature_slot <= attested) return PBTS_MALFORMED;
    if (attested < update->finalized.beacon.slot) return PBTS_MALFORMED;
    if (slot < update->signature_slot) return PBTS_STALE;
    bool is_checkable = signature_period == store_period ||
                        (store->has_next && signature_period == store_period + 1);
    if (!is_checkable) return PBTS_STALE;
    bool brings_next = !store->has_next && update->has_next &&
                       pbts_beacon_period(network, attested) == store_period;
    return attested > finalized || brings_next ? PBTS_OK : PBTS_STALE;
}

static pbts_status check_finality(const pbts_beacon_network *network,
                                  const pbts_light_update *update) {
    pbts_beacon_fork fork = pbts_beacon_fork_at(network, update->attested.beacon.slot);
    pbts_ssz_chunk root = { { 0 } };           /* genesis is not in the state: zero stands for it */
    if (!update->has_finality) return PBTS_OK; /* the decoders saw that there is no header then */
    if (update->finalized.beacon.slot > 0) {
        PBTS_TRY(pbts_light_header_check(network, &update->finalized));
        root = pbts_beacon_header_root(&update->finalized.beacon);
    } else if (!pbts_light_header_is_zero(&update->finalized)) {
        return PBTS_MALFORMED;
    }
    return pbts_ssz_check_branch(&update->attested.beacon.state_root, &root,
                                 pbts_beacon_gindices_of(fork).finalized_root,
                                 update->finality_branch, pbts_light_finality_branch_len(fork));
}

static pbts_status check_next(const pbts_light_store *store, const pbts_light_update *update) {
    const pbts_beacon_network *network = &store->network;
    const pbts_beacon_header *attested = &update->attested.beacon;
    pbts_beacon_fork fork = pbts_beacon_fork_at(network, attested->slot);
    if (!update->has_next) return PBTS_OK;
    pbts_ssz_chunk root = pbts_beacon_committee_root(&update->next, network->committee_size);
    bool is_known =
        store->has_next && pbts_beacon_period(network, attested->slot) ==
                               pbts_beacon_period(network, store->finalized.beacon.slot);
    if (is_known && !pbts_ssz_chunk_equal(&root, &store->next->root)) return PBTS_MALFORMED;
    return pbts_ssz_check_branch(&attested->state_root, &root,
                                 pbts_beacon_gindices_of(fork).next_committee, update->next_branch,
                                 pbts_light_committee_branch_len(fork));
}

static pbts_status check_signature(const pbts_light_store *store, const pbts_light_update *update) {
    const pbts_beacon_network *network = &store->network;
    uint64_t signature_period = pbts_beacon_period(network, update->signature_slot);
    bool is_current = signature_period == pbts_beacon_period(network, store->finalized.beacon.slot);
    const pbts_light_committee *committee = is_current ? store->current : store->next;
    pbts_ssz_chunk block_root = pbts_beacon_header_root(&update->attested.beacon);
    pbts_ssz_chunk message = pbts_beacon_signing_root(network, &block_root, update->signature_slot);
    assert(is_current || store->has_next);
    return pbts_bls_committee_verify(&committee->points,
                                     (pbts_span){ update->bits, network->committee_size / 8 },
                                     PBTS_SPAN_OF(message.bytes), update->signature);
}

pbts_status pbts_light_validate(const pbts_light_store *store, const pbts_light_update *update,
                                uint64_t slot) {
    if (pbts_light_participants(&store->network, update) == 0) return PBTS_MALFORMED;
    PBTS_TRY(pbts_light_header_check(&store->network, &update->attested));
    PBTS_TRY(check_slots(store, update, slot));
    PBTS_TRY(check_finality(&store->network, update));
    PBTS_TRY(check_next(store, update));
    return check_signature(store, update);
}

/* What is_better_update compares, most important first; a higher number is better. */
enum { CRITERIA = 6 };

static void rate(int64_t out[static CRITERIA], const pbts_beacon_network *network,
                 const pbts_light_update *update) {
    uint64_t attested_period = pbts_beacon_period(network, update->attested.beacon.slot);
    int64_t participants = pbts_light_participants(network, update);
    bool is_supermajority = participants * 3 >= (int64_t)network->committee_size * 2;
    bool is_relevant =
        update->has_next && attested_period == pbts_beacon_period(network, update->signature_slot);
    bool is_period_final =
        update->has_finality &&
        pbts_beacon_period(network, update->finalized.beacon.slot) == attested_period;
    out[0] = is_supermajority;
    out[1] = is_supermajority ? 0 : participants;
    out[2] = is_relevant;
    out[3] = update->has_finality;
    out[4] = is_period_final;
    out[5] = participants;
}

bool pbts_light_is_better(const pbts_beacon_network *network, const pbts_light_update *a,
                          const pbts_light_update *b) {
    int64_t of_a[CRITERIA], of_b[CRITERIA];
    rate(of_a, network, a);
    rate(of_b, network, b);
    for (size_t i = 0; i < CRITERIA; i++) {
        if (of_a[i] != of_b[i]) return of_a[i] > of_b[i];
    }
    /* Between equals the older one. */
    if (a->attested.beacon.slot != b->attested.beacon.slot) {
        return a->attested.beacon.slot < b->attested.beacon.slot;
    }
    return a->signature_slot < b->signature_slot;
}
