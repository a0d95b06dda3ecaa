/* Reading registered torrents. */
#include "tracker/state.h"

static void fill_counts(pbts_tracker *tracker, pbts_torrent *torrent) {
    const uint8_t *infohash = torrent->has_v1 ? torrent->infohash_v1 : torrent->infohash_v2;
    unsigned shard = pbts_tracker_shard(tracker, infohash);
    pbts_swarm_result result;
    pbts_lock_enter(&tracker->lock, shard);
    pbts_status status = pbts_swarms_scrape(tracker->shards[shard], &result, infohash);
    pbts_lock_leave(&tracker->lock, shard);
    if (status != PBTS_OK) return;
    torrent->complete = result.complete;
    torrent->incomplete = result.incomplete;
    torrent->downloaded = result.downloaded;
}

pbts_status pbts_tracker_torrent(pbts_tracker *tracker, pbts_torrent *out,
                                 const uint8_t infohash[static 20]) {
    pbts_torrent torrent;
    pbts_txn *txn;
    uint32_t torrent_no;
    bool v2;
    PBTS_TRY(pbts_txn_begin(&txn, tracker->store, false));
    pbts_status status = pbts_torrent_no_get(txn, &torrent_no, &v2, infohash);
    if (status == PBTS_OK) status = pbts_torrent_row_get(txn, &torrent, torrent_no);
    pbts_txn_abort(txn);
    PBTS_TRY(status);
    fill_counts(tracker, &torrent);
    *out = torrent;
    return PBTS_OK;
}

pbts_status pbts_tracker_torrents(pbts_tracker *tracker, pbts_torrent *out, size_t *count,
                                  size_t capacity, uint32_t after) {
    uint8_t from[4];
    pbts_txn *txn;
    pbts_rows *rows;
    pbts_span key, value;
    size_t filled = 0;
    if (after == UINT32_MAX) return PBTS_LIMIT;
    pbts_key_u32(from, after + 1);
    PBTS_TRY(pbts_txn_begin(&txn, tracker->store, false));
    pbts_status status =
        pbts_rows_open(&rows, txn, PBTS_TABLE_TORRENTS, PBTS_SPAN_OF(from), (pbts_span){ 0 });
    if (status == PBTS_OK) {
        while (status == PBTS_OK && filled < capacity && pbts_rows_next(rows, &key, &value)) {
            status = pbts_torrent_row_decode(&out[filled++], key, value);
        }
        if (status == PBTS_OK) status = pbts_rows_status(rows);
        pbts_rows_close(rows);
    }
    pbts_txn_abort(txn);
    PBTS_TRY(status);
    for (size_t i = 0; i < filled; i++) fill_counts(tracker, &out[i]);
    *count = filled;
    return PBTS_OK;
}

pbts_status pbts_tracker_metainfo(pbts_tracker *tracker, uint8_t **out, size_t *len, pbts_mem *mem,
                                  uint32_t torrent_no) {
    uint8_t key[4];
    pbts_txn *txn;
    pbts_span value;
    pbts_key_u32(key, torrent_no);
    PBTS_TRY(pbts_txn_begin(&txn, tracker->store, false));
    pbts_status status = pbts_txn_get(txn, &value, PBTS_TABLE_METAINFO, PBTS_SPAN_OF(key));
    if (status == PBTS_OK) {
        uint8_t *copy = pbts_alloc(mem, value.len);
        if (copy == NULL) {
            status = PBTS_NO_MEMORY;
        } else {
            memcpy(copy, value.data, value.len);
            *out = copy;
            *len = value.len;
        }
    }
    pbts_txn_abort(txn);
    return status;
}
