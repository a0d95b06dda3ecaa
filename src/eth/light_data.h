/* eth/light_data.h - what beacon nodes answer a light client, decoded: as SSZ or as JSON.
 *
 * Decoding says nothing about truth; every byte may be a lie until light_client.h has checked it.
 * The fork of a message is that of the slot of its (attested) header; nobody is asked. Bellatrix
 * headers have no execution part. No heap but for the tree of the JSON.
 * Source: Ethereum consensus specs, altair, capella, deneb and electra/light-client/
 * sync-protocol.md; beacon-APIs, apis/beacon/light_client/.
 */
#ifndef PBTS_ETH_LIGHT_DATA_H
#define PBTS_ETH_LIGHT_DATA_H

#include "eth/beacon.h"

enum {
    PBTS_LIGHT_UPDATES_MAX = 16,         /* in one answer; nodes give up to 128 */
    PBTS_LIGHT_ANSWER_LEN_MAX = 2 << 20, /* 16 updates of 512 members as JSON are 1 MiB */
};

typedef struct {
    pbts_beacon_header beacon;
    pbts_beacon_execution execution; /* zero when the fork of the message has none */
    pbts_ssz_chunk execution_branch[PBTS_BEACON_EXECUTION_BRANCH_LEN];
} pbts_light_header;

typedef struct {
    pbts_light_header header;
    pbts_beacon_committee committee;
    pbts_ssz_chunk committee_branch[PBTS_BEACON_COMMITTEE_BRANCH_MAX];
} pbts_light_bootstrap;

/* LightClientUpdate. A finality update has no next committee, an optimistic one no finalized header
 * either: these parts are zero, as in the specification, and has_... is false. */
typedef struct {
    pbts_light_header attested;
    bool has_next; /* is_sync_committee_update: the branch is not zero */
    pbts_beacon_committee next;
    pbts_ssz_chunk next_branch[PBTS_BEACON_COMMITTEE_BRANCH_MAX];
    bool has_finality; /* is_finality_update */
    pbts_light_header finalized;
    pbts_ssz_chunk finality_branch[PBTS_BEACON_FINALITY_BRANCH_MAX];
    uint8_t bits[PBTS_BEACON_BITS_LEN]; /* committee_size / 8 of them */
    uint8_t signature[PBTS_BLS_MEMBER_SIGNATURE_LEN];
    uint64_t signature_slot;
} pbts_light_update;

typedef enum { PBTS_LIGHT_SSZ, PBTS_LIGHT_JSON } pbts_light_format;

typedef enum { /* which container a message is */
               PBTS_LIGHT_FULL_UPDATE,
               PBTS_LIGHT_FINALITY_UPDATE,
               PBTS_LIGHT_OPTIMISTIC_UPDATE
} pbts_light_container;

/* How many bytes the branches of the fork's committees and finalized header have; the header's
 * kind. Private to the decoders and to light_client.c. */
static inline size_t pbts_light_committee_branch_len(pbts_beacon_fork fork) {
    return pbts_ssz_depth(pbts_beacon_gindices_of(fork).next_committee);
}
static inline size_t pbts_light_finality_branch_len(pbts_beacon_fork fork) {
    return pbts_ssz_depth(pbts_beacon_gindices_of(fork).finalized_root);
}

/* Whether the header is LightClientHeader(), and whether its execution part is all zero. */
bool pbts_light_header_is_zero(const pbts_light_header *header);
bool pbts_light_has_no_execution(const pbts_light_header *header);

/* One message of SSZ, all of `bytes`. PBTS_MALFORMED; PBTS_LIMIT: more than
 * PBTS_LIGHT_ANSWER_LEN_MAX bytes. *out is undefined on failure. */
PBTS_MUST_USE pbts_status pbts_light_bootstrap_decode_ssz(pbts_light_bootstrap *out,
                                                          const pbts_beacon_network *network,
                                                          pbts_span bytes);
PBTS_MUST_USE pbts_status pbts_light_update_decode_ssz(pbts_light_update *out,
                                                       const pbts_beacon_network *network,
                                                       pbts_light_container container,
                                                       pbts_span bytes);
/* The next of an answer to /eth/v1/beacon/light_client/updates: a length of 8 bytes (little-endian)
 * that counts what follows, 4 bytes of a fork digest (not looked at: the slot says more), an
 * update's SSZ, borrowed. PBTS_NOT_FOUND at the end; PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_light_updates_next(pbts_cursor *answer, pbts_span *update);

/* The answers as JSON: {"version": ..., "data": {...}}, or for updates a list of those. A version
 * may be missing; another than the slot's is wrong. PBTS_MALFORMED; PBTS_LIMIT: as above, or more
 * values than such an answer has; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_light_bootstrap_decode_json(pbts_light_bootstrap *out,
                                                           const pbts_beacon_network *network,
                                                           pbts_span text);
PBTS_MUST_USE pbts_status pbts_light_update_decode_json(pbts_light_update *out,
                                                        const pbts_beacon_network *network,
                                                        pbts_light_container container,
                                                        pbts_span text);
/* Hands the updates of a list to `take` in turn until it fails; `scratch` holds one at a time.
 * PBTS_LIMIT: also more than PBTS_LIGHT_UPDATES_MAX of them; or what `take` returned. */
typedef pbts_status pbts_light_take_update(void *context, const pbts_light_update *update);
PBTS_MUST_USE pbts_status pbts_light_updates_decode_json(pbts_light_update *scratch,
                                                         const pbts_beacon_network *network,
                                                         pbts_span text,
                                                         pbts_light_take_update *take,
                                                         void *context);

/* Fill in has_next and has_finality from the branches. PBTS_MALFORMED: a branch is zero but what it
 * proves is not. For decoders. */
PBTS_MUST_USE pbts_status pbts_light_update_normalize(pbts_light_update *update,
                                                      const pbts_beacon_network *network);

#endif
