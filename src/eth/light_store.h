/* eth/light_store.h - private to the light client: LightClientStore and what works on it. */
#ifndef PBTS_ETH_LIGHT_STORE_H
#define PBTS_ETH_LIGHT_STORE_H

#include "eth/light_client.h"

/* A committee whose keys are decoded. */
typedef struct {
    pbts_beacon_committee bytes;
    pbts_ssz_chunk root; /* of `bytes` */
    pbts_bls_committee points;
} pbts_light_committee;

/* Invariant when is_bootstrapped: finalized and optimistic are valid headers, the optimistic slot
 * is not below the finalized one, *current signs in the period of the finalized slot, *next, if
 * any, in the one after it. */
typedef struct {
    pbts_beacon_network network;
    bool is_bootstrapped;
    bool is_forced;
    pbts_light_header finalized, optimistic;
    pbts_light_committee *current; /* these three are `committees` in some order */
    pbts_light_committee *next;
    pbts_light_committee *spare; /* where a new one is decoded before anything changes */
    bool has_next;               /* is_next_sync_committee_known */
    bool has_best;
    pbts_light_update best;             /* best_valid_update */
    uint32_t previous_max, current_max; /* active participants, of the last period and this one */
    uint32_t optimistic_min;
    pbts_light_committee committees[3];
} pbts_light_store;

void pbts_light_store_init(pbts_light_store *store, const pbts_beacon_network *network,
                           uint32_t optimistic_min);
/* As their namesakes of light_client.h. */
PBTS_MUST_USE pbts_status pbts_light_store_bootstrap(pbts_light_store *store,
                                                     const pbts_ssz_chunk *trusted_root,
                                                     const pbts_light_bootstrap *bootstrap);
PBTS_MUST_USE pbts_status pbts_light_store_update(pbts_light_store *store,
                                                  const pbts_light_update *update, uint64_t slot);
PBTS_MUST_USE pbts_status pbts_light_store_force(pbts_light_store *store, uint64_t slot);

/* validate_light_client_update: PBTS_OK, PBTS_STALE, PBTS_MALFORMED, PBTS_BAD_SIGNATURE. */
PBTS_MUST_USE pbts_status pbts_light_validate(const pbts_light_store *store,
                                              const pbts_light_update *update, uint64_t slot);
/* is_valid_light_client_header: PBTS_OK or PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_light_header_check(const pbts_beacon_network *network,
                                                  const pbts_light_header *header);
/* is_better_update. */
bool pbts_light_is_better(const pbts_beacon_network *network, const pbts_light_update *a,
                          const pbts_light_update *b);
uint32_t pbts_light_participants(const pbts_beacon_network *network,
                                 const pbts_light_update *update);
/* Decode a committee's keys into *out; PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_light_committee_take(pbts_light_committee *out,
                                                    const pbts_beacon_network *network,
                                                    const pbts_beacon_committee *bytes);

/* All of a store but `best`, which is found again; and the checks of its invariant. */
void pbts_light_store_write(const pbts_light_store *store, pbts_writer *writer);
PBTS_MUST_USE pbts_status pbts_light_store_read(pbts_light_store *store, pbts_cursor *cursor);

#endif
