/* tests/unit/dht/craft_kit.h - one node under attack in a world of few: queries made by hand, of a
 * member's identity and from any address. */
#ifndef PBTS_TEST_CRAFT_KIT_H
#define PBTS_TEST_CRAFT_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dht/dht_kit.h"

enum { SERVER = 0, MEMBER = 1, VICTIM = 900000 /* an address where nobody is */ };

/* Greater than the numbers of queries in the first minutes, and not too far ahead. */
#define LATER ((DHT_START_S + 290) << PBTS_DHT_COUNTER_BITS)

typedef struct {
    uint64_t to_victim_bytes, as_victim_bytes;
    uint8_t last[PBTS_DHT_PACKET_MAX]; /* the last signed query that MEMBER sent to SERVER */
    size_t last_len;
} notes;

static inline void note_victim(dht_world *world, const dht_datagram *datagram) {
    ((notes *)world->user)->to_victim_bytes += datagram->len;
}

static inline void note_query(dht_world *world, uint32_t node, const pbts_addr *to,
                              pbts_span bytes) {
    notes *own = world->user;
    if (node != MEMBER || dht_at(world, to) != &world->nodes[SERVER]) return;
    uint8_t tag[PBTS_DHT_TAG_LEN];
    pbts_dht_packet packet;
    pbts_dht_tag(tag, world->iid);
    assert_int_equal(pbts_dht_packet_decode(&packet, bytes, tag), PBTS_OK);
    if (packet.kind != PBTS_DHT_QUERY || !packet.is_signed) return;
    memcpy(own->last, bytes.data, bytes.len);
    own->last_len = bytes.len;
}

static inline dht_world *make_world(uint32_t count, notes *own) {
    dht_world *world = dht_world_new(count, 7);
    *own = (notes){ 0 };
    world->user = own;
    world->on_nobody = note_victim;
    world->on_send = note_query;
    dht_start_all(world, world->count, 1000, 5000);
    return world;
}

static inline pbts_dht_stats stats_of(const dht_world *world, uint32_t index) {
    pbts_dht_stats stats;
    pbts_dht_stats_read(world->nodes[index].dht, &stats);
    return stats;
}

/* A query of MEMBER's identity to SERVER, as sent from `addr`, with a token for it. */
typedef struct {
    pbts_dht_method method;
    pbts_span certificate, beacon, record;
    uint64_t counter;
    pbts_dht_id target;
    bool bad_token, bad_signature, elsewhere;
} craft;

static inline size_t make_query(dht_world *world, uint8_t *out, const craft *what,
                                const pbts_addr *addr) {
    uint8_t tag[PBTS_DHT_TAG_LEN], digest[PBTS_DHT_DIGEST_LEN];
    static const pbts_dht_id NOBODY = { { 0 } };
    dht_node *member = &world->nodes[MEMBER];
    pbts_dht_packet packet = { .kind = PBTS_DHT_QUERY,
                               .method = what->method,
                               .transaction = 99,
                               .is_signed = true,
                               .has_token = true,
                               .has_target =
                                   what->method == PBTS_DHT_FIND || what->method == PBTS_DHT_GET,
                               .target = what->target,
                               .from = member->id,
                               .to = world->nodes[SERVER].addr,
                               .certificate = what->certificate,
                               .beacon = what->beacon,
                               .record = what->record,
                               .counter = what->counter };
    if (what->elsewhere) packet.to.port++;
    pbts_dht_token_make(&world->nodes[SERVER].dht->tokens, packet.token, addr);
    packet.token[0] ^= what->bad_token;
    pbts_dht_tag(tag, world->iid);
    pbts_writer writer = pbts_writer_over(out, PBTS_DHT_PACKET_MAX);
    assert_int_equal(pbts_dht_packet_encode(&writer, &packet, tag), PBTS_OK);
    pbts_dht_packet_digest(digest, world->iid, &NOBODY, pbts_writer_span(&writer),
                           packet.signature_at);
    dht_sign_packet(member, out + packet.signature_at, digest);
    out[packet.signature_at] ^= what->bad_signature;
    return writer.len;
}

static inline void send_query(dht_world *world, const craft *what, const pbts_addr *addr) {
    uint8_t bytes[PBTS_DHT_PACKET_MAX];
    size_t len = make_query(world, bytes, what, addr);
    dht_post(world, addr, &world->nodes[SERVER].addr, (pbts_span){ bytes, len });
    dht_run_ms(world, 100);
}

#endif
