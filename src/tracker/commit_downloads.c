/* Counts of completed downloads: announces raise them in memory, now and then the store gets those
 * that changed. */
#include "tracker/commit_state.h"

static size_t collect(pbts_tracker *tracker, pbts_swarm_downloads *out, size_t capacity) {
    size_t count = 0;
    for (unsigned i = 0; i < PBTS_TRACKER_SHARDS && count < capacity; i++) {
        pbts_lock_enter(&tracker->lock, i);
        count += pbts_swarms_downloads(tracker->shards[i], out + count, capacity - count);
        pbts_lock_leave(&tracker->lock, i);
    }
    return count;
}

static pbts_status put(pbts_txn *txn, const pbts_swarm_downloads *count) {
    pbts_infohash_row row;
    pbts_status status = pbts_infohash_row_get(txn, &row, count->infohash);
    /* A commit that failed at its very end leaves a swarm whose torrent is not in the store. */
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    row.downloaded = count->downloaded;
    return pbts_infohash_row_put(txn, count->infohash, &row);
}

pbts_refusal pbts_commit_downloads(pbts_commit *commit) {
    if (commit->downloads != NULL) return PBTS_REFUSAL_NONE;
    commit->downloads = pbts_alloc_array(commit->tracker->mem, PBTS_COMMIT_DOWNLOADS_MAX,
                                         sizeof *commit->downloads);
    if (commit->downloads == NULL) return pbts_commit_refusal(PBTS_NO_MEMORY);
    commit->download_count = collect(commit->tracker, commit->downloads, PBTS_COMMIT_DOWNLOADS_MAX);
    for (size_t i = 0; i < commit->download_count; i++) {
        pbts_status status = put(commit->txn, &commit->downloads[i]);
        if (status != PBTS_OK) return pbts_commit_refusal(status);
    }
    return PBTS_REFUSAL_NONE;
}

void pbts_commit_downloads_publish(pbts_commit *commit) {
    pbts_tracker *tracker = commit->tracker;
    for (size_t i = 0; i < commit->download_count; i++) {
        const pbts_swarm_downloads *count = &commit->downloads[i];
        unsigned shard = pbts_tracker_shard(tracker, count->infohash);
        pbts_lock_enter(&tracker->lock, shard);
        pbts_swarms_downloads_stored(tracker->shards[shard], count);
        pbts_lock_leave(&tracker->lock, shard);
    }
}
