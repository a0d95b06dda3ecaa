/* The front's UDP (BEP 15). Until an address has shown that it receives what we send to it, it
 * gets nothing longer than what it sent, and nothing at all for what is wrong. */
#include "wire/udp_tracker.h"
#include "worker.h"

enum { TRANSACTION_AT = 12, HEADER_LEN = 16 };

static uint32_t be32_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The id as the eight bytes on the wire, as udp_token makes it. */
static uint64_t id_at(const uint8_t *bytes) {
    return (uint64_t)be32_at(bytes) << 32 | be32_at(bytes + 4);
}

static bool is_verified(struct worker *worker, pbts_span datagram, const pbts_addr *from) {
    if (datagram.len < HEADER_LEN) return false;
    return udp_token_check(worker->token, id_at(datagram.data), from, worker->now.mono_s);
}

static void fail(struct worker *worker, pbts_writer *writer, uint32_t transaction_id,
                 const char *text) {
    metric_count(&worker->udp->udp_errors);
    pbts_udp_error_reply(writer, transaction_id, text);
}

static void announce(struct worker *worker, pbts_writer *writer, const pbts_udp_request *request,
                     const pbts_addr *from) {
    pbts_announce_room room;
    pbts_announce_reply reply;
    unsigned families = from->family == PBTS_IPV4 ? PBTS_FAMILIES_IPV4 : PBTS_FAMILIES_IPV6;
    pbts_refusal refusal = pbts_tracker_announce(worker->app->tracker, &reply, &room,
                                                 &request->announce, from, families, worker->now);
    metric_count(&worker->udp->announces[refusal]);
    if (refusal == PBTS_REFUSAL_NONE)
        pbts_udp_announce_reply(writer, request->transaction_id, from->family, &reply);
    else if (refusal != PBTS_REFUSAL_OVERLOADED) /* overload is answered with silence */
        fail(worker, writer, request->transaction_id, pbts_refusal_failure(refusal).reason);
}

/* BEP 15's answer has no infohashes: entries stand in the order asked, unknown torrents as zeros.
 */
static void scrape(struct worker *worker, pbts_writer *writer, const pbts_udp_request *request) {
    pbts_scrape_entry entries[PBTS_SCRAPE_HASHES_MAX], answer[PBTS_SCRAPE_HASHES_MAX];
    size_t found = 0, next = 0;
    memset(entries, 0, sizeof entries);
    for (size_t i = 0; i < request->infohash_count; i++)
        memcpy(entries[i].infohash, request->infohashes[i], 20);
    metric_count(&worker->udp->scrapes);
    pbts_refusal refusal =
        pbts_tracker_scrape(worker->app->tracker, &found, entries, request->infohash_count,
                            request->announce.passkey, worker->now);
    if (refusal != PBTS_REFUSAL_NONE) {
        metric_count(&worker->udp->scrapes_refused);
        fail(worker, writer, request->transaction_id, pbts_refusal_failure(refusal).reason);
        return;
    }
    for (size_t i = 0; i < request->infohash_count; i++) {
        bool known =
            next < found && memcmp(entries[next].infohash, request->infohashes[i], 20) == 0;
        answer[i] = known ? entries[next++] : (pbts_scrape_entry){ .complete = 0 };
    }
    pbts_udp_scrape_reply(writer, request->transaction_id, answer, request->infohash_count);
}

void worker_udp_datagram(void *host, pbts_writer *writer, pbts_span datagram,
                         const pbts_addr *from) {
    struct worker *worker = host;
    uint8_t infohashes[PBTS_SCRAPE_HASHES_MAX][20], url[PBTS_UDP_URL_MAX];
    pbts_udp_request request = { .infohash_count = 0 };
    pbts_status status = pbts_udp_request_decode(&request, infohashes, url, datagram);
    if (status == PBTS_OK && request.action == PBTS_UDP_CONNECT) {
        metric_count(&worker->udp->udp_connects);
        pbts_udp_connect_reply(writer, request.transaction_id,
                               udp_token_make(worker->token, from, worker->now.mono_s));
        return;
    }
    if (!is_verified(worker, datagram, from)) {
        metric_count(status == PBTS_OK ? &worker->udp->udp_bad_ids : &worker->udp->udp_dropped);
        return;
    }
    if (status != PBTS_OK) {
        metric_count(&worker->udp->announces_bad);
        fail(worker, writer, be32_at(datagram.data + TRANSACTION_AT), "the request is malformed");
    } else if (request.action == PBTS_UDP_ANNOUNCE) {
        announce(worker, writer, &request, from);
    } else {
        scrape(worker, writer, &request);
    }
}
