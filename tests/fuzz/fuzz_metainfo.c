/* libFuzzer target: whatever the parser takes is sound, and says the same of its own bytes again.
 */
#include <stdlib.h>

#include "torrent/metainfo.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void check_pieces(const pbts_metainfo *meta) {
    uint8_t hash[PBTS_PIECE_HASH_LEN];
    uint64_t total = 0;
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        uint32_t bytes = pbts_metainfo_piece_bytes(meta, i);
        require(bytes > 0 && bytes <= pbts_metainfo_piece_length(meta));
        total += bytes;
        if (pbts_metainfo_has_v1(meta)) pbts_metainfo_piece_hash(hash, meta, false, i);
        if (pbts_metainfo_has_v2(meta)) pbts_metainfo_piece_hash(hash, meta, true, i);
    }
    require(total > 0 && total == pbts_metainfo_total_bytes(meta));
}

static void check_files(const pbts_metainfo *meta) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
        pbts_torrent_file file = pbts_metainfo_file(meta, i);
        require(file.path.len > 0 && file.path.len <= PBTS_TORRENT_PATH_MAX);
        require(memchr(file.path.data, '\0', file.path.len) == NULL);
        require(file.path.data[0] != '/' && file.path.data[file.path.len - 1] != '/');
        require(!pbts_span_is(file.path, "."));
        require(file.path.len < 3 || memcmp(file.path.data, "../", 3) != 0);
        if (!file.padding) total += file.length_bytes;
    }
    require(total == pbts_metainfo_total_bytes(meta));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_metainfo *meta;
    const char *problem = NULL;
    pbts_span bytes = { data, len };
    if (pbts_metainfo_parse(&meta, &problem, pbts_mem_system(), bytes) != PBTS_OK) {
        require(problem != NULL);
        return 0;
    }
    require(pbts_span_equal(pbts_metainfo_bytes(meta), bytes));
    check_pieces(meta);
    check_files(meta);
    pbts_metainfo_free(meta);
    return 0;
}
