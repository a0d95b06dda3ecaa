/* Registering a torrent: its row, its pieces, the file itself, its infohashes. */
#include "base/assert.h"
#include "tracker/commit_state.h"

static pbts_torrent torrent_of(const pbts_commit *commit, uint32_t torrent_no, uint32_t user_no,
                               const pbts_metainfo *meta) {
    pbts_torrent torrent = {
        .torrent_no = torrent_no,
        .has_v1 = pbts_metainfo_has_v1(meta),
        .has_v2 = pbts_metainfo_has_v2(meta),
        .total_bytes = pbts_metainfo_total_bytes(meta),
        .added_unix_s = commit->now.unix_s,
        .piece_length = pbts_metainfo_piece_length(meta),
        .piece_count = pbts_metainfo_piece_count(meta),
        .uploader_no = user_no,
    };
    pbts_span name = pbts_metainfo_name(meta);
    torrent.name_len = (uint8_t)(name.len < 255 ? name.len : 255);
    memcpy(torrent.name, name.data, torrent.name_len);
    if (torrent.has_v1) memcpy(torrent.infohash_v1, pbts_metainfo_infohash_v1(meta), 20);
    if (torrent.has_v2) memcpy(torrent.infohash_v2, pbts_metainfo_infohash_v2_full(meta), 32);
    return torrent;
}

static pbts_status known(pbts_commit *commit, bool *out, const uint8_t *infohash) {
    uint32_t number;
    bool v2;
    pbts_status status = pbts_torrent_no_get(commit->txn, &number, &v2, infohash);
    *out = status == PBTS_OK;
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

static pbts_status put_all(pbts_commit *commit, const pbts_torrent *torrent,
                           const pbts_metainfo *meta) {
    uint8_t key[4];
    pbts_infohash_row row = { .torrent_no = torrent->torrent_no };
    pbts_key_u32(key, torrent->torrent_no);
    PBTS_TRY(pbts_torrent_row_put(commit->txn, torrent));
    PBTS_TRY(pbts_pieces_put(commit->txn, commit->tracker->mem, torrent->torrent_no, meta));
    PBTS_TRY(pbts_txn_put(commit->txn, PBTS_TABLE_METAINFO, PBTS_SPAN_OF(key),
                          pbts_metainfo_bytes(meta)));
    if (torrent->has_v1) {
        PBTS_TRY(pbts_infohash_row_put(commit->txn, torrent->infohash_v1, &row));
    }
    if (torrent->has_v2) {
        row.is_v2 = true;
        PBTS_TRY(pbts_infohash_row_put(commit->txn, torrent->infohash_v2, &row));
    }
    return PBTS_OK;
}

static pbts_status note_new(pbts_commit *commit, uint32_t torrent_no) {
    if (commit->new_torrent_count == commit->new_torrent_capacity) {
        size_t capacity = commit->new_torrent_capacity ? 2 * commit->new_torrent_capacity : 16;
        uint32_t *bigger =
            pbts_resize_array(commit->tracker->mem, commit->new_torrents, capacity, sizeof *bigger);
        if (bigger == NULL) return PBTS_NO_MEMORY;
        commit->new_torrents = bigger;
        commit->new_torrent_capacity = capacity;
    }
    commit->new_torrents[commit->new_torrent_count++] = torrent_no;
    return PBTS_OK;
}

/* What a torrent is of a user's limit. The largest take 20 MiB of the store, for ever, and reports
 * wait when it is full: one member must not be enough for that. */
static uint32_t weight_of(const pbts_metainfo *meta) {
    enum { WEIGHT_LEN = 64 * 1024 };
    return (uint32_t)((pbts_metainfo_bytes(meta).len + WEIGHT_LEN - 1) / WEIGHT_LEN);
}

/* user_no 0 is an administrator: no limit, no row to count in. */
static pbts_refusal count_upload(pbts_commit *commit, uint32_t user_no, uint32_t weight) {
    pbts_user_row row;
    if (user_no == 0) return PBTS_REFUSAL_NONE;
    pbts_status status = pbts_user_row_get(commit->txn, &row, user_no);
    if (status == PBTS_NOT_FOUND) return PBTS_REFUSAL_UNKNOWN_USER;
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    uint32_t most = commit->policy.uploads_per_user_max;
    if (row.uploads > most || weight > most - row.uploads) return PBTS_REFUSAL_TOO_MANY_UPLOADS;
    row.uploads += weight;
    return pbts_refusal_of_status(pbts_user_row_put(commit->txn, user_no, &row));
}

pbts_refusal pbts_commit_torrent(pbts_commit *commit, uint32_t *torrent_no, uint32_t user_no,
                                 const pbts_metainfo *meta) {
    bool known_v1 = false, known_v2 = false;
    pbts_status status = PBTS_OK;
    if (!pbts_metainfo_is_private(meta)) return PBTS_REFUSAL_TORRENT_PUBLIC;
    if (commit->torrents + 1 >= PBTS_TORRENTS_MAX) return PBTS_REFUSAL_TOO_MANY_UPLOADS;
    pbts_torrent torrent = torrent_of(commit, commit->torrents + 1, user_no, meta);
    if (torrent.has_v1) status = known(commit, &known_v1, torrent.infohash_v1);
    if (status == PBTS_OK && torrent.has_v2) {
        status = known(commit, &known_v2, torrent.infohash_v2);
    }
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    if (known_v1 || known_v2) return PBTS_REFUSAL_TORRENT_EXISTS;
    pbts_refusal refusal = count_upload(commit, user_no, weight_of(meta));
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    status = put_all(commit, &torrent, meta);
    if (status == PBTS_OK) status = note_new(commit, torrent.torrent_no);
    if (status == PBTS_FULL) return PBTS_REFUSAL_STORE_FULL;
    if (status != PBTS_OK) return PBTS_REFUSAL_INTERNAL;
    commit->torrents = torrent.torrent_no;
    *torrent_no = torrent.torrent_no;
    return PBTS_REFUSAL_NONE;
}
