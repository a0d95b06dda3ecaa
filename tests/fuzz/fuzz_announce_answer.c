/* libFuzzer target: answers of trackers, over HTTP and UDP, decode or are refused. */
#include <stdlib.h>

#include "wire/announce_answer.h"
#include "wire/udp_client.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void require_inside(pbts_span span, pbts_span whole) {
    require(span.len == 0 ||
            (span.data >= whole.data && span.data + span.len <= whole.data + whole.len));
}

static void check(const pbts_announce_answer *answer, pbts_span body) {
    pbts_announce_peers walk = { 0 };
    pbts_addr addr;
    size_t count = 0;
    while (pbts_announce_peers_next(&walk, &addr, answer)) {
        require(addr.port > 0);
        count++;
    }
    require(count <= body.len / 6);
    require_inside(answer->failure, body);
    require_inside(answer->ticket, body);
    require_inside(answer->membership, body);
    require_inside(answer->beacon, body);
    require_inside(answer->tracker_id, body);
    require_inside(answer->warning, body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_announce_answer answer;
    pbts_udp_answer udp;
    pbts_span bytes = { data, len };
    if (pbts_announce_answer_decode(&answer, bytes) == PBTS_OK) check(&answer, bytes);
    if (pbts_udp_answer_decode(&udp, PBTS_IPV4, bytes) == PBTS_OK) {
        require_inside(udp.peers, bytes);
        require_inside(udp.error, bytes);
    }
    return 0;
}
