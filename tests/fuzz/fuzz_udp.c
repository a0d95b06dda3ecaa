/* libFuzzer target: a datagram decodes totally, and OK means the fields are in range. */
#include <stdlib.h>

#include "wire/udp_tracker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    uint8_t hashes[PBTS_SCRAPE_HASHES_MAX][20], url[PBTS_UDP_URL_MAX];
    pbts_udp_request r;
    if (pbts_udp_request_decode(&r, hashes, url, (pbts_span){ data, len }) != PBTS_OK) return 0;
    if (r.action == PBTS_UDP_SCRAPE) {
        if (r.infohash_count == 0 || 16 + 20 * r.infohash_count != len) abort();
        if (memcmp(hashes, data + 16, 20 * r.infohash_count) != 0) abort();
    }
    if (r.action != PBTS_UDP_ANNOUNCE) return 0;
    const pbts_announce *a = &r.announce;
    if (a->port == 0 && a->event != PBTS_EVENT_STOPPED) abort();
    if (a->numwant < -1 || a->numwant > PBTS_NUMWANT_MAX) abort();
    for (size_t i = 0; i < a->passkey.len; i++) {
        if (a->passkey.data[i] == '/' || a->passkey.data[i] == '?') abort();
    }
    return 0;
}
