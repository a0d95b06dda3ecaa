#include "answer.h"

static void fail(pbts_writer *body, const char *reason) {
    pbts_failure failure = { .reason = reason, .retry_in_minutes = -1 };
    pbts_http_failure_body(body, &failure);
}

static void refuse(pbts_writer *body, pbts_refusal refusal) {
    pbts_failure failure = pbts_refusal_failure(refusal);
    pbts_http_failure_body(body, &failure);
}

/* One pairing, if the client's address and the user it names have the time for it. */
static pbts_refusal announce_signed(const struct answer_context *context,
                                    pbts_announce_reply *reply, pbts_announce_room *room,
                                    const pbts_announce *announce, const pbts_addr *client) {
    struct work *work = context->work;
    if (!work_begin(work) || !work_claim(work, announce->uid)) return PBTS_REFUSAL_TOO_OFTEN;
    pbts_refusal refusal = pbts_tracker_announce_signed(
        context->app->tracker, reply, room, announce, client, PBTS_FAMILIES_BOTH, context->now);
    if (refusal == PBTS_REFUSAL_NONE) work_prove(work);
    return refusal;
}

static void answer_announce(const struct answer_context *context, pbts_writer *body,
                            pbts_span passkey, pbts_span query, const pbts_addr *client) {
    uint8_t scratch[PBTS_ANNOUNCE_SCRATCH_LEN];
    const char *problem = "the request is malformed";
    pbts_announce_room room;
    pbts_announce_reply reply;
    pbts_announce announce;
    if (pbts_http_announce_decode(&announce, &problem, query, scratch) != PBTS_OK) {
        answer_count(context, &context->counters->announces_bad);
        fail(body, problem);
        return;
    }
    announce.passkey = passkey;
    bool is_signed = announce.sig.len > 0 && context->work != NULL;
    pbts_refusal refusal =
        is_signed ? announce_signed(context, &reply, &room, &announce, client)
                  : pbts_tracker_announce(context->app->tracker, &reply, &room, &announce, client,
                                          PBTS_FAMILIES_BOTH, context->now);
    answer_count(context, &context->counters->announces[refusal]);
    if (refusal != PBTS_REFUSAL_NONE)
        refuse(body, refusal);
    else
        pbts_http_announce_body(body, &reply, announce.compact);
}

static void answer_scrape(const struct answer_context *context, pbts_writer *body,
                          pbts_span passkey, pbts_span query) {
    uint8_t infohashes[PBTS_SCRAPE_HASHES_MAX][20];
    pbts_scrape_entry entries[PBTS_SCRAPE_HASHES_MAX];
    const char *problem = "the request is malformed";
    size_t count, found;
    answer_count(context, &context->counters->scrapes);
    if (pbts_http_scrape_decode(infohashes, &count, &problem, query) != PBTS_OK) {
        answer_count(context, &context->counters->scrapes_refused);
        fail(body, problem);
        return;
    }
    for (size_t i = 0; i < count; i++) memcpy(entries[i].infohash, infohashes[i], 20);
    pbts_refusal refusal =
        pbts_tracker_scrape(context->app->tracker, &found, entries, count, passkey, context->now);
    if (refusal == PBTS_REFUSAL_NONE) {
        pbts_http_scrape_body(body, entries, found);
        return;
    }
    answer_count(context, &context->counters->scrapes_refused);
    refuse(body, refusal);
}

void answer_http(const struct answer_context *context, pbts_writer *body, pbts_http_kind kind,
                 pbts_span passkey, pbts_span query, const pbts_addr *client) {
    if (kind == PBTS_HTTP_SCRAPE)
        answer_scrape(context, body, passkey, query);
    else
        answer_announce(context, body, passkey, query, client);
}

pbts_addr answer_client(struct app *app, const pbts_addr *socket_addr, pbts_span forwarded_for) {
    pbts_addr named;
    if (forwarded_for.len == 0 || !app_is_trusted_proxy(app, socket_addr)) return *socket_addr;
    if (pbts_addr_parse(&named, forwarded_for) != PBTS_OK) return *socket_addr;
    return pbts_addr_unmapped(&named);
}
