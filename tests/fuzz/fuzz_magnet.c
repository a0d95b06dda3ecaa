/* libFuzzer target: magnet links parse or are refused; what comes out lies in the scratch space. */
#include <stdlib.h>

#include "torrent/magnet.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void require_inside(pbts_span span, const uint8_t *scratch, size_t len) {
    require(span.len == 0 || (span.data >= scratch && span.data + span.len <= scratch + len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_magnet magnet;
    uint8_t *scratch = malloc(len > 0 ? len : 1);
    require(scratch != NULL);
    if (pbts_magnet_parse(&magnet, scratch, (pbts_span){ data, len }) == PBTS_OK) {
        require(pbts_magnet_is((pbts_span){ data, len }));
        require(magnet.has_v1 || magnet.has_v2);
        require(magnet.tracker_count <= PBTS_MAGNET_TRACKERS_MAX);
        require(magnet.peer_count <= PBTS_MAGNET_PEERS_MAX);
        require_inside(magnet.name, scratch, len);
        for (size_t i = 0; i < magnet.tracker_count; i++) {
            require(magnet.trackers[i].len > 0);
            require_inside(magnet.trackers[i], scratch, len);
        }
        for (size_t i = 0; i < magnet.peer_count; i++) require(magnet.peers[i].port > 0);
    }
    free(scratch);
    return 0;
}
