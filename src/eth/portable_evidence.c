/* Whether a portable proof's block is the chain's: its sync committees' signatures, checked again.
 */
#include "base/assert.h"
#include "eth/portable_proof.h"

const pbts_beacon_network *pbts_portable_network_of(uint64_t *chain_id,
                                                    pbts_portable_network network) {
    static const struct {
        const pbts_beacon_network *network;
        uint64_t chain_id;
    } KNOWN[PBTS_PORTABLE_NETWORKS] = {
        [PBTS_PORTABLE_MAINNET] = { &PBTS_BEACON_MAINNET, 1 },
        [PBTS_PORTABLE_SEPOLIA] = { &PBTS_BEACON_SEPOLIA, 11155111 },
        [PBTS_PORTABLE_HOODI] = { &PBTS_BEACON_HOODI, 560048 },
    };
    assert(network < PBTS_PORTABLE_NETWORKS);
    *chain_id = KNOWN[network].chain_id;
    return KNOWN[network].network;
}

/* Containers are large: one of each, on the heap. */
typedef struct {
    pbts_light_bootstrap bootstrap;
    pbts_light_update update;
} scratch;

static bool is_head(const pbts_light_head *head, const pbts_eth_hash *block_hash) {
    return head->has_execution &&
           memcmp(head->block_hash.bytes, block_hash->bytes, sizeof block_hash->bytes) == 0;
}

/* The finalized or the optimistic head. */
static bool has_reached(const pbts_light_client *client, const pbts_eth_hash *block_hash,
                        uint64_t now_s) {
    pbts_light_head head;
    return (pbts_light_client_finalized(client, &head, now_s) == PBTS_OK &&
            is_head(&head, block_hash)) ||
           (pbts_light_client_optimistic(client, &head, now_s) == PBTS_OK &&
            is_head(&head, block_hash));
}

static pbts_status follow(pbts_light_client *client, scratch *room,
                          const pbts_portable_evidence *evidence, const pbts_eth_hash *block_hash,
                          const pbts_beacon_network *network, uint64_t now_s) {
    pbts_cursor updates = pbts_cursor_over(evidence->updates);
    pbts_portable_update update;
    PBTS_TRY(pbts_light_bootstrap_decode_ssz(&room->bootstrap, network, evidence->bootstrap));
    PBTS_TRY(pbts_light_client_bootstrap(client, &room->bootstrap, now_s));
    pbts_status status;
    bool reached = has_reached(client, block_hash, now_s);
    while ((status = pbts_portable_update_next(&updates, &update)) == PBTS_OK) {
        PBTS_TRY(
            pbts_light_update_decode_ssz(&room->update, network, update.container, update.ssz));
        PBTS_TRY(pbts_light_client_update(client, &room->update, now_s));
        reached |= has_reached(client, block_hash, now_s);
    }
    if (status != PBTS_NEED_MORE) return status;
    return reached ? PBTS_OK : PBTS_BAD_SIGNATURE;
}

pbts_status pbts_portable_proof_evidence_verify(
    const pbts_portable_evidence *evidence, const pbts_eth_hash *block_hash,
    const uint8_t trusted_root[static PBTS_SSZ_CHUNK_LEN], const pbts_beacon_network *network,
    pbts_mem *mem, uint64_t now_s) {
    pbts_light_client *client = NULL;
    pbts_light_config config = { .mem = mem,
                                 .network = network,
                                 .age_max_s = UINT64_MAX,
                                 .optimistic_min = network->committee_size * 2 / 3 + 1,
                                 .server_count = 1,
                                 .poll_s = 1 };
    if (evidence->kind != PBTS_PORTABLE_COMMITTEES) return PBTS_NOT_FOUND;
    if (memcmp(trusted_root, evidence->trusted_root, PBTS_SSZ_CHUNK_LEN) != 0) return PBTS_DENIED;
    memcpy(config.trusted_root, trusted_root, sizeof config.trusted_root);
    scratch *room = pbts_alloc(mem, sizeof *room);
    if (room == NULL) return PBTS_NO_MEMORY;
    pbts_status status = pbts_light_client_new(&client, &config);
    if (status == PBTS_OK) status = follow(client, room, evidence, block_hash, network, now_s);
    pbts_light_client_free(client);
    pbts_release(mem, room);
    return status;
}
