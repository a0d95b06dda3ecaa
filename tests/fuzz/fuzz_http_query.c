/* libFuzzer target: announce and scrape queries decode totally, what they give is in range, and the
 * bodies made from it are well-formed bencode. */
#include <stdlib.h>

#include "codec/bencode.h"
#include "wire/http_announce.h"

static void check_body(pbts_writer *writer) {
    pbts_bvalue body;
    if (pbts_writer_status(writer) != PBTS_OK) abort();
    if (pbts_bencode_parse(&body, pbts_writer_span(writer)) != PBTS_OK) abort();
}

static void check_announce(pbts_span query) {
    uint8_t scratch[PBTS_ANNOUNCE_SCRATCH_LEN], buffer[8192];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_announce a;
    const char *problem = NULL;
    pbts_status status = pbts_http_announce_decode(&a, &problem, query, scratch);
    if (status != PBTS_OK) {
        pbts_failure failure = { problem, 0 };
        if (status != PBTS_MALFORMED || problem == NULL) abort();
        pbts_http_failure_body(&writer, &failure);
        check_body(&writer);
        return;
    }
    if (a.port == 0 && a.event != PBTS_EVENT_STOPPED) abort();
    if (a.numwant < -1 || a.numwant > PBTS_NUMWANT_MAX || a.event > PBTS_EVENT_PAUSED) abort();
    pbts_announce_reply reply = { .complete = (uint32_t)a.left_bytes,
                                  .peers4 = { a.peer_id, 18 },
                                  .peers6 = { a.infohash, 18 } };
    if (a.tracker_id.len <= PBTS_TRACKER_ID_LEN_MAX) reply.tracker_id = a.tracker_id;
    pbts_http_announce_body(&writer, &reply, a.compact);
    check_body(&writer);
}

static void check_scrape(pbts_span query) {
    uint8_t hashes[PBTS_SCRAPE_HASHES_MAX][20], buffer[8192];
    pbts_scrape_entry entries[PBTS_SCRAPE_HASHES_MAX] = { 0 };
    size_t count;
    const char *problem = NULL;
    if (pbts_http_scrape_decode(hashes, &count, &problem, query) != PBTS_OK) {
        if (problem == NULL) abort();
        return;
    }
    if (count == 0 || count > PBTS_SCRAPE_HASHES_MAX) abort();
    for (size_t i = 0; i < count; i++) memcpy(entries[i].infohash, hashes[i], 20);
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_http_scrape_body(&writer, entries, count);
    check_body(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    check_announce((pbts_span){ data, len });
    check_scrape((pbts_span){ data, len });
    return 0;
}
