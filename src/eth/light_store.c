/* LightClientStore: bootstrap, process_light_client_update, apply_light_client_update. */
#include "eth/light_store.h"

#include "base/assert.h"

void pbts_light_store_init(pbts_light_store *store, const pbts_beacon_network *network,
                           uint32_t optimistic_min) {
    store->network = *network;
    store->optimistic_min = optimistic_min;
    store->is_bootstrapped = false;
    store->current = &store->committees[0];
    store->next = &store->committees[1];
    store->spare = &store->committees[2];
}

pbts_status pbts_light_committee_take(pbts_light_committee *out, const pbts_beacon_network *network,
                                      const pbts_beacon_committee *bytes) {
    size_t keys_len = (size_t)network->committee_size * PBTS_BLS_MEMBER_KEY_LEN;
    PBTS_TRY(pbts_bls_committee_decode(&out->points, (pbts_span){ bytes->keys, keys_len }));
    out->bytes = *bytes;
    out->root = pbts_beacon_committee_root(bytes, network->committee_size);
    return PBTS_OK;
}

static void swap(pbts_light_committee **a, pbts_light_committee **b) {
    pbts_light_committee *was = *a;
    *a = *b;
    *b = was;
}

pbts_status pbts_light_store_bootstrap(pbts_light_store *store, const pbts_ssz_chunk *trusted_root,
                                       const pbts_light_bootstrap *bootstrap) {
    const pbts_beacon_network *network = &store->network;
    const pbts_beacon_header *beacon = &bootstrap->header.beacon;
    pbts_beacon_fork fork = pbts_beacon_fork_at(network, beacon->slot);
    pbts_ssz_chunk root = pbts_beacon_header_root(beacon);
    if (!pbts_ssz_chunk_equal(&root, trusted_root)) return PBTS_MALFORMED;
    PBTS_TRY(pbts_light_header_check(network, &bootstrap->header));
    root = pbts_beacon_committee_root(&bootstrap->committee, network->committee_size);
    PBTS_TRY(pbts_ssz_check_branch(
        &beacon->state_root, &root, pbts_beacon_gindices_of(fork).current_committee,
        bootstrap->committee_branch, pbts_light_committee_branch_len(fork)));
    PBTS_TRY(pbts_light_committee_take(store->spare, network, &bootstrap->committee));
    swap(&store->current, &store->spare);
    store->finalized = bootstrap->header;
    store->optimistic = bootstrap->header;
    store->has_next = false;
    store->has_best = false;
    store->previous_max = 0;
    store->current_max = 0;
    store->is_forced = false;
    store->is_bootstrapped = true;
    return PBTS_OK;
}

static uint64_t period_of(const pbts_light_store *store, const pbts_light_header *header) {
    return pbts_beacon_period(&store->network, header->beacon.slot);
}

/* Whether applying the update replaces the next committee, and moves on to the next period. */
static bool moves_period(const pbts_light_store *store, const pbts_light_update *update) {
    return store->has_next &&
           period_of(store, &update->finalized) == period_of(store, &store->finalized) + 1;
}

static bool takes_next(const pbts_light_store *store, const pbts_light_update *update) {
    return update->has_next && (!store->has_next || moves_period(store, update));
}

/* apply_light_client_update; the new committee, if the update has one to take, is in `spare`. */
static void apply(pbts_light_store *store, const pbts_light_update *update) {
    bool takes = takes_next(store, update);
    if (moves_period(store, update)) {
        swap(&store->current, &store->next);
        store->has_next = false;
        store->previous_max = store->current_max;
        store->current_max = 0;
    }
    if (takes) {
        swap(&store->next, &store->spare);
        store->has_next = true;
    }
    if (update->finalized.beacon.slot > store->finalized.beacon.slot) {
        store->finalized = update->finalized;
        if (store->finalized.beacon.slot > store->optimistic.beacon.slot) {
            store->optimistic = store->finalized;
        }
    }
}

/* Whether the update finalizes something new: a block, or the committee after this one. */
static bool finalizes(const pbts_light_store *store, const pbts_light_update *update,
                      uint32_t participants) {
    bool brings_final_next =
        !store->has_next && update->has_next && update->has_finality &&
        period_of(store, &update->finalized) == period_of(store, &update->attested);
    return (uint64_t)participants * 3 >= (uint64_t)store->network.committee_size * 2 &&
           (update->finalized.beacon.slot > store->finalized.beacon.slot || brings_final_next);
}

pbts_status pbts_light_store_update(pbts_light_store *store, const pbts_light_update *update,
                                    uint64_t slot) {
    PBTS_TRY(pbts_light_validate(store, update, slot));
    uint32_t participants = pbts_light_participants(&store->network, update);
    bool applies = finalizes(store, update, participants);
    if (applies && takes_next(store, update)) {
        PBTS_TRY(pbts_light_committee_take(store->spare, &store->network, &update->next));
    }
    if (!store->has_best || pbts_light_is_better(&store->network, update, &store->best)) {
        store->best = *update;
        store->has_best = true;
    }
    if (participants > store->current_max) store->current_max = participants;
    uint32_t most =
        store->previous_max > store->current_max ? store->previous_max : store->current_max;
    if (participants > most / 2 && participants >= store->optimistic_min &&
        update->attested.beacon.slot > store->optimistic.beacon.slot) {
        store->optimistic = update->attested;
    }
    if (!applies) return PBTS_OK;
    apply(store, update);
    store->has_best = false;
    store->is_forced = false;
    return PBTS_OK;
}

pbts_status pbts_light_store_force(pbts_light_store *store, uint64_t slot) {
    uint64_t since = store->finalized.beacon.slot;
    if (!store->has_best || slot < since ||
        slot - since <= pbts_beacon_slots_per_period(&store->network)) {
        return PBTS_NOT_FOUND;
    }
    pbts_light_update *best = &store->best;
    if (best->finalized.beacon.slot <= since) best->finalized = best->attested;
    if (takes_next(store, best)) {
        PBTS_TRY(pbts_light_committee_take(store->spare, &store->network, &best->next));
    }
    apply(store, best);
    store->has_best = false;
    store->is_forced = true;
    return PBTS_OK;
}
