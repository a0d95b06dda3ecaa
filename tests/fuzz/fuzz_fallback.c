/* libFuzzer target: the dictionary "pbts" of a .torrent is read or refused; what is read is written
 * and read again as the same. */
#include <stdlib.h>

#include "torrent/fallback.h"

static void require(bool truth) {
    if (!truth) abort();
}

static bool is_same(const pbts_torrent_fallback *a, const pbts_torrent_fallback *b) {
    return pbts_span_equal(a->iid, b->iid) && pbts_span_equal(a->tracker_key, b->tracker_key) &&
           pbts_span_equal(a->membership, b->membership) && pbts_span_equal(a->beacon, b->beacon) &&
           pbts_span_equal(a->contract, b->contract) && a->chain_id == b->chain_id &&
           pbts_span_equal(a->nodes4, b->nodes4) && pbts_span_equal(a->nodes6, b->nodes6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_torrent_fallback fallback, read;
    uint8_t again[PBTS_FALLBACK_LEN_MAX];
    pbts_span bytes = { data, len };
    (void)pbts_torrent_fallback_find(&fallback, bytes);
    if (pbts_torrent_fallback_decode(&fallback, bytes) != PBTS_OK) return 0;
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    pbts_torrent_fallback_encode(&writer, &fallback);
    require(pbts_writer_status(&writer) == PBTS_OK);
    require(pbts_torrent_fallback_decode(&read, pbts_writer_span(&writer)) == PBTS_OK);
    require(is_same(&read, &fallback));
    pbts_addr addr;
    size_t at = 0, count = 0;
    while (pbts_torrent_fallback_next(&addr, &at, &fallback)) {
        require(addr.port > 0);
        count++;
    }
    require(count <= 2 * PBTS_FALLBACK_NODES_MAX);
    return 0;
}
