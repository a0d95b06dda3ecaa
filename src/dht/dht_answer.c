/* Questions of others. The order of checks is the order of their cost, and what costs a signature
 * comes after a token: see dht.h. */
#include "dht/dht_parts.h"

enum {
    FRAME_MAX = 200,        /* of an answer, all that is neither certificate, nodes nor records */
    NODES_WITH_RECORDS = 8, /* records need the room more */
    RECORD_OVERHEAD = 4,    /* "640:" */
};

/* ---- answers ---- */

typedef struct {
    pbts_dht_packet packet;
    uint8_t nodes4[PBTS_DHT_K * PBTS_DHT_NODE4_LEN], nodes6[PBTS_DHT_K * PBTS_DHT_NODE6_LEN];
    size_t room;
} answer_draft;

static void begin(pbts_dht *dht, answer_draft *draft, const pbts_addr *from,
                  const pbts_dht_packet *query) {
    draft->packet = (pbts_dht_packet){ .kind = PBTS_DHT_ANSWER,
                                       .transaction = query->transaction,
                                       .is_signed = true,
                                       .has_token = true };
    pbts_dht_token_make(&dht->tokens, draft->packet.token, from);
    draft->room = PBTS_DHT_PACKET_MAX - FRAME_MAX;
    if (!query->wants_certificate) return;
    draft->packet.certificate = (pbts_span){ dht->certificate, dht->certificate_len };
    draft->room -= dht->certificate_len;
}

static void add_nodes(pbts_dht *dht, answer_draft *draft, const pbts_dht_packet *query,
                      size_t max) {
    const pbts_dht_contact *closest[PBTS_DHT_K];
    size_t count = pbts_dht_table_closest(&dht->table, &query->target, closest, max);
    pbts_writer nodes4 = pbts_writer_over(draft->nodes4, sizeof draft->nodes4);
    pbts_writer nodes6 = pbts_writer_over(draft->nodes6, sizeof draft->nodes6);
    for (size_t i = 0; i < count; i++) {
        const pbts_dht_contact *contact = closest[i];
        size_t len = pbts_dht_node_len(contact->addr.family);
        if (pbts_dht_id_equal(&contact->member.id, &query->from)) continue;
        if (len > draft->room) break;
        draft->room -= len;
        pbts_dht_node_encode(contact->addr.family == PBTS_IPV4 ? &nodes4 : &nodes6,
                             &contact->member.id, &contact->addr);
    }
    draft->packet.nodes4 = pbts_writer_span(&nodes4);
    draft->packet.nodes6 = pbts_writer_span(&nodes6);
}

static void add_records(pbts_dht *dht, answer_draft *draft, const pbts_dht_packet *query) {
    draft->packet.record_count = pbts_dht_records_sample(
        &dht->records, &query->target, draft->packet.records, PBTS_DHT_ANSWER_RECORDS_MAX,
        draft->room, RECORD_OVERHEAD, &dht->prng, dht->now.unix_s);
}

static bool has_record(pbts_dht *dht, const pbts_dht_id *key) {
    pbts_span any;
    return pbts_dht_records_sample(&dht->records, key, &any, 1, SIZE_MAX, 0, &dht->prng,
                                   dht->now.unix_s) > 0;
}

/* ---- put ---- */

static pbts_status keep_record(pbts_dht *dht, const pbts_addr *from, const pbts_dht_packet *query,
                               const pbts_dht_member *member) {
    pbts_dht_record record;
    pbts_dht_contact *contact = pbts_dht_table_find(&dht->table, &member->id);
    if (contact == NULL ||
        !pbts_dht_budget_record(&dht->budget, &contact->budget, from, dht->now.mono_ms)) {
        return PBTS_BUSY;
    }
    pbts_status status =
        dht->trust.ops->verify_record(dht->trust.self, &record, query->record, dht->now.unix_s);
    if (status == PBTS_BAD_SIGNATURE) pbts_dht_budget_bad_record(&contact->budget);
    PBTS_TRY(status);
    /* Nobody brings another's, so nobody brings back what another took away. */
    if (memcmp(record.owner, member->owner, sizeof record.owner) != 0) return PBTS_DENIED;
    /* Whom it names is who brought it, or others would be sent to whoever was to be flooded. */
    if (!record.stopped && !pbts_dht_addr_same_host(&record.addr, from)) return PBTS_DENIED;
    if (member->seeds_only && !record.seeder && !record.stopped) return PBTS_DENIED;
    return pbts_dht_records_put(&dht->records, &record, query->record, from, dht->now.unix_s);
}

/* ---- queries ---- */

static void send_error(pbts_dht *dht, const pbts_addr *to, const pbts_dht_packet *query,
                       pbts_dht_error error, size_t len_max) {
    pbts_dht_packet packet = { .kind = PBTS_DHT_ERROR,
                               .error = error,
                               .transaction = query->transaction,
                               .has_token = error == PBTS_DHT_WANT_TOKEN };
    if (error == PBTS_DHT_OTHER_EPOCH) packet.beacon = pbts_dht_beacon(dht);
    pbts_dht_token_make(&dht->tokens, packet.token, to);
    pbts_dht_send_packet(dht, to, &packet, NULL, len_max);
}

static void send_token(pbts_dht *dht, const pbts_addr *to, const pbts_dht_packet *query,
                       size_t len_max) {
    pbts_dht_packet packet = { .kind = PBTS_DHT_ANSWER,
                               .transaction = query->transaction,
                               .has_token = true };
    pbts_dht_token_make(&dht->tokens, packet.token, to);
    pbts_dht_send_packet(dht, to, &packet, NULL, len_max);
}

static void answer(pbts_dht *dht, const pbts_addr *from, const pbts_dht_packet *query,
                   const pbts_dht_member *member) {
    answer_draft draft;
    begin(dht, &draft, from, query);
    switch (query->method) {
    case PBTS_DHT_HELLO:
    case PBTS_DHT_PING: break;
    case PBTS_DHT_FIND: add_nodes(dht, &draft, query, PBTS_DHT_K); break;
    case PBTS_DHT_GET:
        dht->stats.gets++;
        add_nodes(dht, &draft, query,
                  has_record(dht, &query->target) ? NODES_WITH_RECORDS : PBTS_DHT_K);
        if (!member->seeds_only) add_records(dht, &draft, query);
        break;
    case PBTS_DHT_PUT:
        dht->stats.puts++;
        if (keep_record(dht, from, query, member) == PBTS_OK) break;
        dht->stats.puts_refused++;
        send_error(dht, from, query, PBTS_DHT_REFUSED, SIZE_MAX);
        return;
    }
    pbts_dht_send_packet(dht, from, &draft.packet, &query->from, SIZE_MAX);
}

void pbts_dht_receive_query(pbts_dht *dht, const pbts_addr *from, pbts_span datagram,
                            pbts_dht_packet *packet) {
    pbts_dht_doubt doubt;
    if (packet->method == PBTS_DHT_HELLO) {
        send_token(dht, from, packet, datagram.len);
        return;
    }
    if (!pbts_dht_token_check(&dht->tokens, packet->token, from)) {
        dht->stats.bad_tokens++;
        send_error(dht, from, packet, PBTS_DHT_WANT_TOKEN, datagram.len);
        return;
    }
    /* From here on the address is proven. */
    if (!pbts_dht_may_ask(dht, from, packet)) {
        dht->stats.over_budget++;
        return;
    }
    const pbts_dht_contact *contact = pbts_dht_believe(dht, from, datagram, packet, NULL, &doubt);
    if (contact != NULL) {
        pbts_dht_member member = contact->member;
        answer(dht, from, packet, &member);
        pbts_dht_upkeep_heard(dht);
    } else if (doubt == PBTS_DHT_NO_CERTIFICATE) {
        send_error(dht, from, packet, PBTS_DHT_WANT_CERTIFICATE, SIZE_MAX);
    } else if (doubt == PBTS_DHT_STALE_CERTIFICATE) {
        send_error(dht, from, packet, PBTS_DHT_OTHER_EPOCH, SIZE_MAX);
    }
}
