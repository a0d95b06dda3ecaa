#include "tracker/swarm.h"

#include "base/assert.h"
#include "tracker/swarm_state.h"

static bool is_valid(const pbts_swarms_config *config) {
    return config->mem != NULL && config->expire_after_s > 0 &&
           config->expire_after_s <= PBTS_SWARM_EXPIRE_MAX_S && config->peers_per_user_max > 0 &&
           config->peers_max > 0;
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

pbts_status pbts_swarms_new(pbts_swarms **out, const pbts_swarms_config *config, uint64_t now_s) {
    assert(is_valid(config));
    pbts_swarm_heap heap = { .mem = config->mem };
    pbts_swarms *swarms = pbts_swarm_heap_take_zeroed(&heap, sizeof *swarms);
    if (swarms == NULL) return PBTS_NO_MEMORY;

    uint32_t wheel_len = 1;
    while (wheel_len <= config->expire_after_s) wheel_len *= 2;
    swarms->wheel = pbts_swarm_heap_take_zeroed(&heap, wheel_len * sizeof *swarms->wheel);
    if (swarms->wheel == NULL) {
        pbts_release(config->mem, swarms);
        return PBTS_NO_MEMORY;
    }
    swarms->wheel_len = wheel_len;
    swarms->heap = heap;
    swarms->config = *config;
    swarms->config.peers_max = least(config->peers_max, PBTS_PEER_SET_MAX);
    swarms->config.peers_per_user_max =
        least(config->peers_per_user_max, PBTS_SWARM_PEERS_PER_USER_LIMIT);
    swarms->start_s = now_s;

    pbts_prng seeds = pbts_prng_seeded(config->seed);
    pbts_swarm_table_init(&swarms->torrents, pbts_prng_next(&seeds));
    swarms->peer_seed = pbts_prng_next(&seeds);
    swarms->user_seed = (uint32_t)pbts_prng_next(&seeds);
    swarms->prng = pbts_prng_seeded(pbts_prng_next(&seeds));
    *out = swarms;
    return PBTS_OK;
}

void pbts_swarms_free(pbts_swarms *swarms) {
    if (swarms == NULL) return;
    for (uint32_t i = 0; i < swarms->torrents.count; i++) {
        pbts_swarm_entry *torrent = pbts_swarm_table_at(&swarms->torrents, i);
        if (torrent->swarm != NULL) pbts_swarm_free(swarms, torrent->swarm);
    }
    pbts_swarm_table_deinit(&swarms->torrents, &swarms->heap);
    pbts_swarm_heap_give(&swarms->heap, swarms->wheel, swarms->wheel_len * sizeof *swarms->wheel);
    pbts_release(swarms->config.mem, swarms);
}

pbts_status pbts_swarms_add(pbts_swarms *swarms, const uint8_t infohash[static 20],
                            uint32_t torrent_no, uint32_t downloaded) {
    return pbts_swarm_table_add(&swarms->torrents, &swarms->heap, infohash, torrent_no, downloaded);
}

/* The torrent with nobody in its swarm who should have expired, or NULL. An announce or scrape
 * expires all that is due here, so that no count and no sample has it; that is at most what the
 * ticks left over. */
static pbts_swarm_entry *find_swept(pbts_swarms *swarms, const uint8_t infohash[static 20]) {
    pbts_swarm_entry *torrent = pbts_swarm_table_find(&swarms->torrents, infohash);
    uint32_t budget = UINT32_MAX;
    if (torrent != NULL && torrent->swarm != NULL) {
        (void)pbts_swarm_sweep(swarms, torrent->swarm, &budget);
    }
    return torrent;
}

static pbts_swarm_result counts_of(const pbts_swarm_entry *torrent) {
    pbts_swarm_result result = { .downloaded = torrent->downloaded };
    if (torrent->swarm != NULL) {
        result.complete = torrent->swarm->complete;
        result.incomplete = torrent->swarm->incomplete;
    }
    return result;
}

/* Peers of one family; `skip` is the asker's position there. Seeders are not sent to seeders. */
static size_t sample(pbts_swarms *swarms, uint8_t *out, const pbts_peer_set *set,
                     bool leechers_only, uint32_t want, uint32_t skip) {
    uint32_t limit = leechers_only ? set->leechers : set->array.count;
    uint32_t sent = pbts_peer_set_sample(set, out, &swarms->prng, want, limit, skip);
    return (size_t)sent * set->array.endpoint_len;
}

static void sample_both(pbts_swarms *swarms, pbts_swarm_result *out, uint8_t *peers4,
                        uint8_t *peers6, pbts_swarm *swarm, uint32_t pos,
                        const pbts_swarm_update *update) {
    bool is_v4 = update->addr.family == PBTS_IPV4;
    pbts_peer_set *own = is_v4 ? &swarm->v4 : swarm->v6;
    pbts_peer_set *other = pbts_swarm_other(swarm, own);
    const pbts_peer_record *asker = pbts_peer_set_record(own, pos);
    bool leechers_only = (asker->flags & PBTS_PEER_ROLE) != 0;

    size_t *own_len = is_v4 ? &out->peers4_len : &out->peers6_len;
    *own_len = sample(swarms, is_v4 ? peers4 : peers6, own, leechers_only,
                      is_v4 ? update->want4 : update->want6, pos);
    uint32_t other_want = is_v4 ? update->want6 : update->want4;
    if (other == NULL || other_want == 0) return;

    uint32_t mate = PBTS_PEER_NONE;
    if (asker->flags & PBTS_PEER_PAIRED) {
        mate = pbts_peer_set_find(other, pbts_peer_record_ident(asker));
    }
    size_t *other_len = is_v4 ? &out->peers6_len : &out->peers4_len;
    *other_len = sample(swarms, is_v4 ? peers6 : peers4, other, leechers_only, other_want, mate);
}

/* Begin to load what the answer's peers of the asker's own family will come from. */
static void prefetch_sample(const pbts_swarms *swarms, const pbts_swarm *swarm,
                            const pbts_swarm_update *update) {
    bool is_v4 = update->addr.family == PBTS_IPV4;
    const pbts_peer_set *set = is_v4 ? &swarm->v4 : swarm->v6;
    if (set == NULL) return;
    bool leechers_only = update->seeder || update->partial_seeder;
    pbts_peer_set_prefetch_sample(set, swarms->prng, is_v4 ? update->want4 : update->want6,
                                  leechers_only ? set->leechers : set->array.count);
}

pbts_status pbts_swarms_announce(pbts_swarms *swarms, pbts_swarm_result *out, uint8_t *peers4,
                                 uint8_t *peers6, const uint8_t infohash[static 20],
                                 const pbts_swarm_update *update, uint64_t now_s) {
    assert(update->addr.family == PBTS_IPV4 || update->addr.family == PBTS_IPV6);
    uint32_t now = pbts_swarms_clock(swarms, now_s);
    pbts_swarm_entry *torrent = find_swept(swarms, infohash);
    if (torrent == NULL) return PBTS_NOT_FOUND;
    pbts_swarm *swarm = torrent->swarm;
    if (swarm == NULL && update->known_only) return PBTS_DENIED;
    if (swarm == NULL) swarm = pbts_swarm_new(swarms, torrent);
    if (swarm == NULL) return PBTS_NO_MEMORY;
    swarm->visited_s = now;
    prefetch_sample(swarms, swarm, update);

    pbts_peer_ident who = pbts_swarm_ident(swarms, update->user_no, update->peer_id);
    uint32_t pos;
    pbts_status status = pbts_swarm_join(swarms, swarm, &pos, who, update);
    if (status == PBTS_OK) {
        pbts_swarm_result result = counts_of(torrent);
        sample_both(swarms, &result, peers4, peers6, swarm, pos, update);
        *out = result;
    }
    pbts_swarm_tidy(swarms, swarm);
    return status;
}

pbts_status pbts_swarms_leave(pbts_swarms *swarms, pbts_swarm_result *out,
                              const uint8_t infohash[static 20], uint32_t user_no,
                              const uint8_t peer_id[static 20], uint64_t now_s) {
    (void)pbts_swarms_clock(swarms, now_s);
    pbts_swarm_entry *torrent = find_swept(swarms, infohash);
    if (torrent == NULL) return PBTS_NOT_FOUND;
    pbts_swarm *swarm = torrent->swarm;
    pbts_peer_ident who = pbts_swarm_ident(swarms, user_no, peer_id);
    if (swarm != NULL && pbts_swarm_forget(swarms, swarm, who)) {
        pbts_peer_set_trim(&swarm->v4, &swarms->heap, who);
        if (swarm->v6 != NULL) pbts_peer_set_trim(swarm->v6, &swarms->heap, who);
        pbts_swarm_tidy(swarms, swarm);
    }
    *out = counts_of(torrent);
    return PBTS_OK;
}

pbts_status pbts_swarms_scrape(pbts_swarms *swarms, pbts_swarm_result *out,
                               const uint8_t infohash[static 20]) {
    const pbts_swarm_entry *torrent = find_swept(swarms, infohash);
    if (torrent == NULL) return PBTS_NOT_FOUND;
    *out = counts_of(torrent);
    return PBTS_OK;
}

size_t pbts_swarms_downloads(const pbts_swarms *swarms, pbts_swarm_downloads *out,
                             size_t capacity) {
    size_t found = 0, wanted = swarms->unstored < capacity ? swarms->unstored : capacity;
    for (uint32_t i = 0; i < swarms->torrents.count && found < wanted; i++) {
        const pbts_swarm_entry *torrent = pbts_swarm_table_at(&swarms->torrents, i);
        if (torrent->downloaded == torrent->stored) continue;
        out[found].downloaded = torrent->downloaded;
        memcpy(out[found++].infohash, torrent->infohash, sizeof out->infohash);
    }
    return found;
}

void pbts_swarms_downloads_stored(pbts_swarms *swarms, const pbts_swarm_downloads *count) {
    pbts_swarm_entry *torrent = pbts_swarm_table_find(&swarms->torrents, count->infohash);
    if (torrent == NULL || torrent->downloaded == torrent->stored) return;
    torrent->stored = count->downloaded;
    if (torrent->downloaded == torrent->stored) swarms->unstored--;
}

void pbts_swarms_stats_read(const pbts_swarms *swarms, pbts_swarms_stats *out) {
    *out = (pbts_swarms_stats){
        .torrents = swarms->torrents.count,
        .peers = swarms->peers,
        .seeders = swarms->seeders,
        .unstored = swarms->unstored,
        .memory_bytes = swarms->heap.used_bytes,
    };
}
