#include "dht/dht.h"

#include "base/assert.h"
#include "base/secret.h"
#include "dht/dht_parts.h"

enum { CONTACTS_DEFAULT = 1024, RECORDS_DEFAULT = 5000, OF_PREFIX_DEFAULT = 2, RING_FIRST = 8 };

/* ---- life ---- */

static pbts_status init(pbts_dht *dht, const pbts_dht_config *config, pbts_moment now) {
    uint64_t seeds[2];
    dht->mem = config->mem;
    dht->random = config->random;
    dht->trust = config->trust;
    memcpy(dht->iid, config->iid, sizeof dht->iid);
    pbts_dht_tag(dht->tag, config->iid);
    dht->id = config->id;
    dht->own[0] = config->own4;
    dht->own[1] = config->own6;
    dht->can_send[0] = config->ipv4;
    dht->can_send[1] = config->ipv6;
    dht->prefix_max = config->prefix_max ? config->prefix_max : OF_PREFIX_DEFAULT;
    dht->now = now;
    PBTS_TRY(pbts_random_fill(config->random, (uint8_t *)seeds, sizeof seeds));
    PBTS_TRY(pbts_dht_tokens_init(&dht->tokens, config->random, now.mono_ms));
    dht->prng = pbts_prng_seeded(seeds[0]);
    pbts_dht_budget_init(&dht->budget, dht->mem, seeds[1], now.mono_ms);
    pbts_dht_table_init(&dht->table, dht->mem, &dht->id,
                        config->contacts_max ? config->contacts_max : CONTACTS_DEFAULT,
                        dht->prefix_max, pbts_prng_next(&dht->prng));
    pbts_dht_records_init(&dht->records, dht->mem, &dht->id,
                          config->records_max ? config->records_max : RECORDS_DEFAULT,
                          pbts_prng_next(&dht->prng));
    dht->bootstrap_ms = dht->join_ms = UINT64_MAX;
    dht->upkeep_ms = now.mono_ms + pbts_prng_below(&dht->prng, PBTS_DHT_UPKEEP_MS);
    dht->certificate = pbts_alloc(dht->mem, PBTS_DHT_CERTIFICATE_MAX);
    return dht->certificate != NULL ? PBTS_OK : PBTS_NO_MEMORY;
}

static void set_certificate(pbts_dht *dht, pbts_span certificate) {
    assert(certificate.len > 0 && certificate.len <= PBTS_DHT_CERTIFICATE_MAX);
    memcpy(dht->certificate, certificate.data, certificate.len);
    dht->certificate_len = certificate.len;
}

pbts_status pbts_dht_new(pbts_dht **out, const pbts_dht_config *config, pbts_moment now) {
    pbts_dht *dht = pbts_alloc(config->mem, sizeof *dht);
    if (dht == NULL) return PBTS_NO_MEMORY;
    pbts_status status = init(dht, config, now);
    if (status != PBTS_OK) {
        pbts_release(config->mem, dht);
        return status;
    }
    set_certificate(dht, config->certificate);
    *out = dht;
    return PBTS_OK;
}

void pbts_dht_free(pbts_dht *dht) {
    if (dht == NULL) return;
    pbts_dht_operations_free(dht);
    while (dht->sends_count > 0) {
        pbts_release(dht->mem, dht->sends[dht->sends_first]);
        dht->sends_first = (dht->sends_first + 1) % dht->sends_capacity;
        dht->sends_count--;
    }
    pbts_release(dht->mem, dht->taken);
    pbts_release(dht->mem, dht->sends);
    pbts_release(dht->mem, dht->events);
    pbts_release(dht->mem, dht->pending);
    pbts_release(dht->mem, dht->certificate);
    pbts_dht_records_deinit(&dht->records);
    pbts_dht_table_deinit(&dht->table);
    pbts_dht_budget_deinit(&dht->budget);
    pbts_dht_tokens_deinit(&dht->tokens);
    pbts_release(dht->mem, dht);
}

void pbts_dht_rename(pbts_dht *dht, const pbts_dht_id *id, pbts_span certificate, pbts_moment now) {
    dht->now = now;
    set_certificate(dht, certificate);
    dht->id = *id;
    dht->records.own = *id;
    pbts_dht_table_rename(&dht->table, id, now.mono_ms);
    dht->is_joined = false; /* the neighbours are others now */
    dht->looked_again = false;
    pbts_dht_upkeep_heard(dht);
}

/* ---- rings ---- */

/* Room for one more in a ring of items; its old ones keep their order, from 0 on. */
static bool grow_ring(pbts_dht *dht, void **items, size_t size, uint32_t *first, uint32_t count,
                      uint32_t *capacity, uint32_t max) {
    if (count < *capacity) return true;
    if (*capacity == max) return false;
    uint32_t larger = *capacity ? 2 * *capacity : RING_FIRST;
    uint8_t *fresh = pbts_alloc_array(dht->mem, larger, size);
    if (fresh == NULL) return false;
    const uint8_t *old = *items; /* full: count is its capacity */
    for (uint32_t i = 0; i < count; i++) {
        memcpy(fresh + i * size, old + (*first + i) % count * size, size);
    }
    pbts_release(dht->mem, *items);
    *items = fresh;
    *first = 0;
    *capacity = larger;
    return true;
}

pbts_dht_event *pbts_dht_push_event(pbts_dht *dht) {
    void *items = dht->events;
    if (!grow_ring(dht, &items, sizeof *dht->events, &dht->events_first, dht->events_count,
                   &dht->events_capacity, PBTS_DHT_EVENTS_MAX)) {
        dht->stats.shed++;
        return NULL;
    }
    dht->events = items;
    uint32_t at = (dht->events_first + dht->events_count++) % dht->events_capacity;
    dht->events[at] = (pbts_dht_event){ .kind = PBTS_DHT_ENDED };
    return &dht->events[at];
}

bool pbts_dht_next_event(pbts_dht *dht, pbts_dht_event *out) {
    if (dht->events_count == 0) return false;
    *out = dht->events[dht->events_first];
    dht->events_first = (dht->events_first + 1) % dht->events_capacity;
    dht->events_count--;
    if (dht->events_count == 0) { /* events are large and rare: an idle node keeps no room */
        pbts_release(dht->mem, dht->events);
        dht->events = NULL;
        dht->events_first = dht->events_capacity = 0;
    }
    return true;
}

static void push_send(pbts_dht *dht, const pbts_addr *to, pbts_span datagram) {
    void *items = dht->sends;
    pbts_dht_send *send = pbts_alloc(dht->mem, sizeof *send + datagram.len);
    if (send == NULL || !grow_ring(dht, &items, sizeof *dht->sends, &dht->sends_first,
                                   dht->sends_count, &dht->sends_capacity, PBTS_DHT_SENDS_MAX)) {
        pbts_release(dht->mem, send);
        dht->stats.shed++;
        return;
    }
    dht->sends = items;
    send->to = *to;
    send->len = (uint16_t)datagram.len;
    memcpy(send->bytes, datagram.data, datagram.len);
    dht->sends[(dht->sends_first + dht->sends_count++) % dht->sends_capacity] = send;
    dht->stats.sent++;
}

bool pbts_dht_next_send(pbts_dht *dht, pbts_addr *to, pbts_span *datagram) {
    pbts_release(dht->mem, dht->taken);
    dht->taken = NULL;
    if (dht->sends_count == 0) return false;
    dht->taken = dht->sends[dht->sends_first];
    dht->sends_first = (dht->sends_first + 1) % dht->sends_capacity;
    dht->sends_count--;
    *to = dht->taken->to;
    *datagram = (pbts_span){ dht->taken->bytes, dht->taken->len };
    return true;
}

/* ---- what goes out and comes in ---- */

bool pbts_dht_can_reach(const pbts_dht *dht, const pbts_addr *addr) {
    return dht->can_send[addr->family == PBTS_IPV6] && pbts_dht_addr_usable(addr);
}

void pbts_dht_send_packet(pbts_dht *dht, const pbts_addr *to, pbts_dht_packet *packet,
                          const pbts_dht_id *asker, size_t len_max) {
    static const pbts_dht_id NOBODY = { { 0 } };
    uint8_t bytes[PBTS_DHT_PACKET_MAX], digest[PBTS_DHT_DIGEST_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    packet->from = dht->id;
    packet->to = *to;
    if (pbts_dht_packet_encode(&writer, packet, dht->tag) != PBTS_OK) {
        dht->stats.shed++;
        return;
    }
    if (writer.len > len_max) {
        dht->stats.kept_back++;
        return;
    }
    if (packet->is_signed) {
        pbts_dht_packet_digest(digest, dht->iid, asker != NULL ? asker : &NOBODY,
                               pbts_writer_span(&writer), packet->signature_at);
        dht->trust.ops->sign_packet(dht->trust.self, bytes + packet->signature_at, digest);
    }
    push_send(dht, to, pbts_writer_span(&writer));
}

void pbts_dht_receive(pbts_dht *dht, const pbts_addr *from, pbts_span datagram, pbts_moment now) {
    pbts_dht_packet packet;
    pbts_addr sender = pbts_addr_unmapped(from);
    dht->now = now;
    dht->stats.received++;
    pbts_status status = pbts_dht_packet_decode(&packet, datagram, dht->tag);
    if (status == PBTS_DENIED) {
        dht->stats.foreign++;
    } else if (status != PBTS_OK || !pbts_dht_addr_usable(&sender)) {
        dht->stats.malformed++;
    } else if (packet.kind == PBTS_DHT_QUERY) {
        pbts_dht_receive_query(dht, &sender, datagram, &packet);
    } else {
        pbts_dht_receive_answer(dht, &sender, datagram, &packet);
    }
}

void pbts_dht_tick(pbts_dht *dht, pbts_moment now) {
    dht->now = now;
    if (pbts_dht_tokens_rotate(&dht->tokens, dht->random, now.mono_ms) != PBTS_OK) {
        dht->stats.shed++; /* without randomness the old secrets serve on */
        dht->tokens.rotate_ms = now.mono_ms + PBTS_DHT_UPKEEP_MS;
    }
    pbts_dht_query_timeouts(dht);
    pbts_dht_upkeep(dht);
}

uint64_t pbts_dht_deadline_ms(const pbts_dht *dht) {
    uint64_t query_ms = pbts_dht_query_deadline_ms(dht);
    uint64_t upkeep_ms = pbts_dht_upkeep_deadline_ms(dht);
    uint64_t first_ms = query_ms < upkeep_ms ? query_ms : upkeep_ms;
    return first_ms < dht->tokens.rotate_ms ? first_ms : dht->tokens.rotate_ms;
}

/* ---- what there is ---- */

size_t pbts_dht_closest(const pbts_dht *dht, const pbts_dht_id *target, pbts_dht_node *out,
                        size_t max) {
    const pbts_dht_contact *contacts[PBTS_DHT_K];
    size_t count =
        pbts_dht_table_closest(&dht->table, target, contacts, max < PBTS_DHT_K ? max : PBTS_DHT_K);
    for (size_t i = 0; i < count; i++) {
        out[i] = (pbts_dht_node){ contacts[i]->member.id, contacts[i]->addr };
    }
    return count;
}

const pbts_dht_id *pbts_dht_own_id(const pbts_dht *dht) {
    return &dht->id;
}

void pbts_dht_stats_read(const pbts_dht *dht, pbts_dht_stats *out) {
    *out = dht->stats;
    out->contacts = dht->table.count;
    out->placed = dht->table.placed;
    out->records = dht->records.count;
    out->operations = dht->operation_count;
    out->pending = dht->pending_count;
}
