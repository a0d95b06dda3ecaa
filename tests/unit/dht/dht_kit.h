/* tests/unit/dht/dht_kit.h - nodes of the DHT on virtual time: a network that delays and loses
 * datagrams, members that come and go, liars, and a registry that knows everything.
 *
 * The nodes are the real ones; behind the port for trust stands a keyed hash instead of curves,
 * which only the world can make. Events happen in order of time, then of making: a run depends on
 * its seed alone. Node i is at an address of its own /24 (every tenth: its own /48) that names it.
 */
#ifndef PBTS_TEST_DHT_KIT_H
#define PBTS_TEST_DHT_KIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "dht/dht_parts.h"
#include "hash/sha.h"

#define DHT_START_S UINT64_C(1800000123)
enum {
    DHT_CERTIFICATE_LEN = 300, /* about what a tracker's ticket comes to */
    DHT_RECORD_LEN = 160,
    DHT_LOOKUPS_MAX = 4096,
    DHT_PORT = 6881,
    DHT_BOOTSTRAPS = 8, /* addresses that who starts knows */
};

typedef enum {
    DHT_HONEST,
    DHT_COLLUDER,     /* answers with the closest of its kind, keeps nothing */
    DHT_INVENTOR,     /* answers with ids that are nobody's, closest of all, at any addresses */
    DHT_SLANDERER,    /* answers with honest nodes' ids at wrong addresses */
    DHT_UNREGISTERED, /* as a colluder, but its certificate is forged */
} dht_manner;

typedef struct dht_world dht_world;
typedef struct {
    pbts_random random; /* first: a pbts_random * is one of these */
    pbts_prng prng;
    dht_world *world;
    uint32_t index;
    pbts_dht *dht; /* NULL: away */
    pbts_dht_id id;
    pbts_addr addr;
    dht_manner manner;
    bool lacks[2]; /* IPv4, IPv6: cannot send there */
    uint64_t tick_us, joined_us, started_us;
    uint32_t join_events, epoch_events;
    uint8_t certificate[DHT_CERTIFICATE_LEN];
} dht_node;

typedef struct {
    pbts_addr from, to;
    uint16_t len;
    uint8_t bytes[];
} dht_datagram;

typedef enum { DHT_DELIVER, DHT_TICK, DHT_SCRIPT } dht_event_kind;
typedef struct {
    uint64_t at_us, order;
    dht_datagram *datagram;
    uint32_t node, what;
    dht_event_kind kind;
} dht_planned;

/* A lookup, get or announce of one node, and what became of it. */
typedef struct {
    uint32_t node, operation;
    pbts_dht_id target;
    bool ended;
    uint64_t started_us, ended_us;
    uint32_t records;
    pbts_dht_record last; /* record of a get */
    pbts_dht_event end;
} dht_task;

struct dht_world {
    pbts_prng prng;
    uint64_t now_us, order, secret;
    dht_node *nodes;
    uint32_t count;
    uint32_t *by_id; /* numbers of all nodes, by id */
    dht_planned *heap;
    size_t heap_len, heap_capacity;
    dht_task *tasks;
    uint32_t task_count;
    uint32_t loss_ppm, delay_min_us, delay_max_us;
    uint16_t contacts_max, prefix_max;
    uint32_t records_max;
    uint8_t iid[PBTS_DHT_IID_LEN];
    uint64_t datagrams, bytes;
    pbts_mem *mem;
    void *user; /* of the hooks */
    void (*script)(dht_world *world, uint32_t node, uint32_t what);
    /* Sees each datagram that a node sends; and each that came to where no node is. */
    void (*on_send)(dht_world *world, uint32_t node, const pbts_addr *to, pbts_span bytes);
    void (*on_nobody)(dht_world *world, const dht_datagram *datagram);
    uint64_t certificates_asked, certificates_refused;
};

static inline pbts_moment dht_now(const dht_world *world) {
    return (pbts_moment){ DHT_START_S + world->now_us / 1000000, 1000 + world->now_us / 1000 };
}

static inline pbts_status dht_random_fill(pbts_random *random, uint8_t *out, size_t len) {
    dht_node *node = (dht_node *)(void *)random;
    while (len > 0) {
        uint64_t word = pbts_prng_next(&node->prng);
        size_t part = len < sizeof word ? len : sizeof word;
        memcpy(out, &word, part);
        out += part;
        len -= part;
    }
    return PBTS_OK;
}

/* ---- trust: a keyed hash that nobody in the world can make but for himself ---- */

static inline uint64_t dht_mix(uint64_t sum, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, len - i < 8 ? len - i : 8);
        pbts_prng prng = pbts_prng_seeded(sum ^ word);
        sum = pbts_prng_next(&prng);
    }
    return sum;
}

/* Certificate: id, owner, session key, u64 expires, u64 hash; zeros behind. */
enum {
    DHT_C_OWNER = 20,
    DHT_C_KEY = DHT_C_OWNER + 32,
    DHT_C_EXPIRES = DHT_C_KEY + 33,
    DHT_C_HASH = DHT_C_EXPIRES + 8,
};

static inline void dht_certify(const dht_world *world, uint8_t *out, const pbts_dht_id *id,
                               uint32_t owner, uint32_t session, uint64_t expires_s) {
    memset(out, 0, DHT_CERTIFICATE_LEN);
    memcpy(out, id->bytes, PBTS_DHT_ID_LEN);
    memcpy(out + DHT_C_OWNER, &owner, sizeof owner);
    memcpy(out + DHT_C_KEY, &owner, sizeof owner);
    memcpy(out + DHT_C_KEY + 4, &session, sizeof session);
    memcpy(out + DHT_C_EXPIRES, &expires_s, sizeof expires_s);
    uint64_t hash = dht_mix(world->secret, out, DHT_C_HASH);
    memcpy(out + DHT_C_HASH, &hash, sizeof hash);
}

static inline pbts_status dht_verify_certificate(void *self, pbts_dht_member *out,
                                                 pbts_span certificate, uint64_t now_s) {
    dht_world *world = ((dht_node *)self)->world;
    uint64_t hash;
    world->certificates_asked++;
    if (certificate.len != DHT_CERTIFICATE_LEN) return PBTS_MALFORMED;
    memcpy(&hash, certificate.data + DHT_C_HASH, sizeof hash);
    if (hash != dht_mix(world->secret, certificate.data, DHT_C_HASH)) {
        world->certificates_refused++;
        return PBTS_BAD_SIGNATURE;
    }
    out->seeds_only = false;
    memcpy(out->id.bytes, certificate.data, PBTS_DHT_ID_LEN);
    memcpy(out->owner, certificate.data + DHT_C_OWNER, sizeof out->owner);
    memcpy(out->session_key, certificate.data + DHT_C_KEY, sizeof out->session_key);
    memcpy(&out->expires_s, certificate.data + DHT_C_EXPIRES, sizeof out->expires_s);
    return out->expires_s > now_s ? PBTS_OK : PBTS_STALE;
}

static inline void dht_make_signature(const dht_world *world, uint8_t *out,
                                      const uint8_t *session_key, const uint8_t *digest) {
    uint64_t sum = dht_mix(world->secret ^ 1, session_key, PBTS_DHT_SESSION_KEY_LEN);
    sum = dht_mix(sum, digest, PBTS_DHT_DIGEST_LEN);
    memset(out, 0, PBTS_DHT_SIGNATURE_LEN);
    memcpy(out, &sum, sizeof sum);
}

static inline bool dht_verify_packet(void *self, const pbts_dht_member *from,
                                     const uint8_t digest[PBTS_DHT_DIGEST_LEN],
                                     const uint8_t signature[PBTS_DHT_SIGNATURE_LEN]) {
    uint8_t expected[PBTS_DHT_SIGNATURE_LEN];
    dht_make_signature(((dht_node *)self)->world, expected, from->session_key, digest);
    return memcmp(expected, signature, sizeof expected) == 0;
}

static inline void dht_sign_packet(void *self, uint8_t signature[PBTS_DHT_SIGNATURE_LEN],
                                   const uint8_t digest[PBTS_DHT_DIGEST_LEN]) {
    dht_node *node = self;
    dht_make_signature(node->world, signature, node->certificate + DHT_C_KEY, digest);
}

/* Record: key, owner, family, ip, u16 port, u64 sequence, u64 expires, stopped, u64 hash. */
enum {
    DHT_R_OWNER = 20,
    DHT_R_FAMILY = DHT_R_OWNER + 32,
    DHT_R_IP = DHT_R_FAMILY + 1,
    DHT_R_PORT = DHT_R_IP + 16,
    DHT_R_SEQUENCE = DHT_R_PORT + 2,
    DHT_R_EXPIRES = DHT_R_SEQUENCE + 8,
    DHT_R_STOPPED = DHT_R_EXPIRES + 8,
    DHT_R_HASH = DHT_R_STOPPED + 1,
};

static inline void dht_make_record(const dht_world *world, uint8_t *out,
                                   const pbts_dht_record *record) {
    memset(out, 0, DHT_RECORD_LEN);
    memcpy(out, record->key.bytes, PBTS_DHT_ID_LEN);
    memcpy(out + DHT_R_OWNER, record->owner, sizeof record->owner);
    out[DHT_R_FAMILY] = (uint8_t)record->addr.family;
    memcpy(out + DHT_R_IP, record->addr.ip, sizeof record->addr.ip);
    memcpy(out + DHT_R_PORT, &record->addr.port, sizeof record->addr.port);
    memcpy(out + DHT_R_SEQUENCE, &record->sequence, sizeof record->sequence);
    memcpy(out + DHT_R_EXPIRES, &record->expires_s, sizeof record->expires_s);
    out[DHT_R_STOPPED] = record->stopped;
    uint64_t hash = dht_mix(world->secret ^ 2, out, DHT_R_HASH);
    memcpy(out + DHT_R_HASH, &hash, sizeof hash);
}

static inline pbts_status dht_verify_record(void *self, pbts_dht_record *out, pbts_span bytes,
                                            uint64_t now_s) {
    const dht_world *world = ((dht_node *)self)->world;
    uint64_t hash;
    if (bytes.len != DHT_RECORD_LEN) return PBTS_MALFORMED;
    memcpy(&hash, bytes.data + DHT_R_HASH, sizeof hash);
    if (hash != dht_mix(world->secret ^ 2, bytes.data, DHT_R_HASH)) return PBTS_BAD_SIGNATURE;
    *out = (pbts_dht_record){ .stopped = bytes.data[DHT_R_STOPPED] };
    memcpy(out->key.bytes, bytes.data, PBTS_DHT_ID_LEN);
    memcpy(out->owner, bytes.data + DHT_R_OWNER, sizeof out->owner);
    out->addr.family = bytes.data[DHT_R_FAMILY] == 4 ? PBTS_IPV4 : PBTS_IPV6;
    memcpy(out->addr.ip, bytes.data + DHT_R_IP, sizeof out->addr.ip);
    memcpy(&out->addr.port, bytes.data + DHT_R_PORT, sizeof out->addr.port);
    memcpy(&out->sequence, bytes.data + DHT_R_SEQUENCE, sizeof out->sequence);
    memcpy(&out->expires_s, bytes.data + DHT_R_EXPIRES, sizeof out->expires_s);
    return out->expires_s > now_s ? PBTS_OK : PBTS_STALE;
}

static const pbts_dht_trust_ops DHT_TRUST = {
    dht_verify_certificate, dht_verify_packet, dht_sign_packet, dht_verify_record, NULL, NULL
};

/* A record of the node's own owner. */
static inline pbts_dht_record dht_record_of(const dht_node *node, const pbts_dht_id *key,
                                            uint64_t sequence) {
    pbts_dht_record record = { .key = *key,
                               .addr = node->addr,
                               .sequence = sequence,
                               .expires_s = dht_now(node->world).unix_s + 3600 };
    memcpy(record.owner, node->certificate + DHT_C_OWNER, sizeof record.owner);
    return record;
}

/* ---- addresses ---- */

static inline pbts_addr dht_addr_of(pbts_family family, uint32_t index) {
    uint8_t a = (uint8_t)(index >> 16), b = (uint8_t)(index >> 8), c = (uint8_t)index;
    if (family == PBTS_IPV6) {
        return (pbts_addr){ .family = PBTS_IPV6,
                            .ip = { 0x20, 0x01, 0x0d, a, b, c, [15] = 1 },
                            .port = DHT_PORT };
    }
    return (
        pbts_addr){ .family = PBTS_IPV4, .ip = { (uint8_t)(1 + a), b, c, 1 }, .port = DHT_PORT };
}

static inline pbts_addr dht_addr(uint32_t index) {
    return dht_addr_of(index % 10 == 9 ? PBTS_IPV6 : PBTS_IPV4, index);
}

/* NULL: nobody is there. */
static inline dht_node *dht_at(dht_world *world, const pbts_addr *addr) {
    const uint8_t *ip = addr->ip;
    uint32_t index = addr->family == PBTS_IPV4
                         ? (uint32_t)(ip[0] - 1) << 16 | (uint32_t)ip[1] << 8 | ip[2]
                         : (uint32_t)ip[3] << 16 | (uint32_t)ip[4] << 8 | ip[5];
    if (index >= world->count) return NULL;
    return pbts_dht_addr_equal(&world->nodes[index].addr, addr) ? &world->nodes[index] : NULL;
}

/* ---- events ---- */

static inline bool dht_is_before(const dht_planned *a, const dht_planned *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static inline void dht_plan(dht_world *world, dht_planned event) {
    if (world->heap_len == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity ? 2 * world->heap_capacity : 1024;
        world->heap = realloc(world->heap, world->heap_capacity * sizeof *world->heap);
        assert(world->heap != NULL);
    }
    event.order = world->order++;
    size_t i = world->heap_len++;
    for (; i > 0 && dht_is_before(&event, &world->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        world->heap[i] = world->heap[(i - 1) / 2];
    }
    world->heap[i] = event;
}

static inline dht_planned dht_next(dht_world *world) {
    dht_planned first = world->heap[0], last = world->heap[--world->heap_len];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < world->heap_len; i = child) {
        if (child + 1 < world->heap_len &&
            dht_is_before(&world->heap[child + 1], &world->heap[child])) {
            child++;
        }
        if (!dht_is_before(&world->heap[child], &last)) break;
        world->heap[i] = world->heap[child];
    }
    world->heap[i] = last;
    return first;
}

static inline void dht_plan_script(dht_world *world, uint64_t in_us, uint32_t node, uint32_t what) {
    dht_plan(world,
             (dht_planned){
                 .at_us = world->now_us + in_us, .kind = DHT_SCRIPT, .node = node, .what = what });
}

/* Put a datagram on the wire, as from anywhere. */
static inline void dht_post(dht_world *world, const pbts_addr *from, const pbts_addr *to,
                            pbts_span bytes) {
    world->datagrams++;
    world->bytes += bytes.len;
    if (pbts_prng_below(&world->prng, 1000000) < world->loss_ppm) return;
    dht_datagram *datagram = malloc(sizeof *datagram + bytes.len);
    assert(datagram != NULL);
    datagram->from = *from;
    datagram->to = *to;
    datagram->len = (uint16_t)bytes.len;
    memcpy(datagram->bytes, bytes.data, bytes.len);
    uint32_t span = world->delay_max_us - world->delay_min_us + 1;
    uint64_t delay_us = world->delay_min_us + pbts_prng_below(&world->prng, span);
    dht_plan(world, (dht_planned){ .at_us = world->now_us + delay_us,
                                   .kind = DHT_DELIVER,
                                   .datagram = datagram });
}

/* ---- one node ---- */

static inline dht_task *dht_task_of(dht_world *world, uint32_t node, uint32_t operation) {
    for (uint32_t i = world->task_count; i-- > 0;) {
        dht_task *task = &world->tasks[i];
        if (task->node == node && task->operation == operation) return task;
    }
    return NULL;
}

static inline void dht_note(dht_world *world, dht_node *node, const pbts_dht_event *event) {
    if (event->kind == PBTS_DHT_JOINED) {
        if (node->join_events++ == 0) node->joined_us = world->now_us;
        return;
    }
    node->epoch_events += event->kind == PBTS_DHT_EPOCH;
    dht_task *task = dht_task_of(world, node->index, event->operation);
    if (task == NULL) return;
    if (event->kind == PBTS_DHT_RECORD) {
        task->records++;
        task->last = event->record;
        return;
    }
    assert(!task->ended);
    task->ended = true;
    task->ended_us = world->now_us;
    task->end = *event;
}

static inline void dht_pump(dht_node *node) {
    dht_world *world = node->world;
    pbts_dht_event event;
    pbts_span bytes;
    pbts_addr to;
    while (pbts_dht_next_send(node->dht, &to, &bytes)) {
        if (world->on_send != NULL) world->on_send(world, node->index, &to, bytes);
        dht_post(world, &node->addr, &to, bytes);
    }
    while (pbts_dht_next_event(node->dht, &event)) dht_note(world, node, &event);
    uint64_t due_us = (pbts_dht_deadline_ms(node->dht) - 1000) * 1000;
    if (due_us < world->now_us) due_us = world->now_us;
    if (node->tick_us <= due_us && node->tick_us > 0) return; /* one is planned before */
    node->tick_us = due_us > 0 ? due_us : 1;
    dht_plan(world, (dht_planned){ .at_us = node->tick_us, .kind = DHT_TICK, .node = node->index });
}

static inline pbts_dht_config dht_config(dht_node *node) {
    dht_world *world = node->world;
    pbts_dht_config config = { .mem = world->mem,
                               .random = &node->random,
                               .trust = { &DHT_TRUST, node },
                               .id = node->id,
                               .certificate = PBTS_SPAN_OF(node->certificate),
                               .ipv4 = !node->lacks[0],
                               .ipv6 = !node->lacks[1],
                               .contacts_max = world->contacts_max,
                               .records_max = world->records_max,
                               .prefix_max = world->prefix_max };
    memcpy(config.iid, world->iid, sizeof config.iid);
    *(node->addr.family == PBTS_IPV4 ? &config.own4 : &config.own6) = node->addr;
    return config;
}

/* Start a node that knows the addresses of `bootstraps` others that are up, any of them. */
static inline void dht_start(dht_world *world, uint32_t index, uint32_t bootstraps) {
    dht_node *node = &world->nodes[index];
    pbts_dht_config config = dht_config(node);
    assert(node->dht == NULL);
    node->tick_us = 0;
    node->join_events = 0;
    node->started_us = world->now_us;
    assert(pbts_dht_new(&node->dht, &config, dht_now(world)) == PBTS_OK);
    for (uint32_t i = 0, tries = 0; i < bootstraps && tries < 1000; tries++) {
        const dht_node *other = &world->nodes[pbts_prng_below(&world->prng, world->count)];
        if (other == node || other->dht == NULL || other->manner == DHT_UNREGISTERED) continue;
        pbts_dht_add_bootstrap(node->dht, &other->addr, dht_now(world));
        i++;
    }
    dht_pump(node);
}

/* It goes without a word. */
static inline void dht_stop(dht_world *world, uint32_t index) {
    pbts_dht_free(world->nodes[index].dht);
    world->nodes[index].dht = NULL;
}

/* ---- who is close to what ---- */

static inline const dht_node *dht_by_id(const dht_world *world, uint32_t rank) {
    return &world->nodes[world->by_id[rank]];
}

/* The first rank whose id is not below. */
static inline uint32_t dht_rank(const dht_world *world, const pbts_dht_id *id) {
    uint32_t low = 0, high = world->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (memcmp(dht_by_id(world, middle)->id.bytes, id->bytes, PBTS_DHT_ID_LEN) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

typedef bool dht_filter(const dht_node *node);
static inline bool dht_is_up(const dht_node *node) {
    return node->dht != NULL && node->manner != DHT_UNREGISTERED;
}
static inline bool dht_is_honest(const dht_node *node) {
    return node->dht != NULL && node->manner == DHT_HONEST;
}
static inline bool dht_is_liar(const dht_node *node) {
    return node->dht != NULL && node->manner != DHT_HONEST;
}

/* The truth: those that pass, closest to the target first; how many. Whoever has the first p bits
 * of the target lies in one stretch of the ids in order, and is closer than all others. */
static inline uint32_t dht_closest(const dht_world *world, const pbts_dht_id *target,
                                   dht_filter *passes, const dht_node **out, uint32_t max) {
    uint32_t here = dht_rank(world, target), first = here, past = here, found = 0;
    for (unsigned bits = PBTS_DHT_ID_BITS; found < max; bits--) {
        while (first > 0 &&
               pbts_dht_id_common_bits(&dht_by_id(world, first - 1)->id, target) >= bits) {
            found += passes(dht_by_id(world, --first));
        }
        while (past < world->count &&
               pbts_dht_id_common_bits(&dht_by_id(world, past)->id, target) >= bits) {
            found += passes(dht_by_id(world, past++));
        }
        if (bits == 0) break;
    }
    uint32_t count = 0;
    for (uint32_t rank = first; rank < past; rank++) {
        const dht_node *node = dht_by_id(world, rank);
        if (!passes(node)) continue;
        uint32_t at = count;
        while (at > 0 && pbts_dht_id_compare(target, &node->id, &out[at - 1]->id) < 0) at--;
        if (at == max) continue;
        uint32_t kept = count < max ? count : max - 1;
        memmove(&out[at + 1], &out[at], (kept - at) * sizeof *out);
        out[at] = node;
        count = kept + 1;
    }
    return count;
}

/* ---- liars ---- */

static inline pbts_dht_id dht_any_id(dht_world *world) {
    pbts_dht_id id;
    for (size_t i = 0; i < PBTS_DHT_ID_LEN; i++) {
        id.bytes[i] = (uint8_t)pbts_prng_below(&world->prng, 256);
    }
    return id;
}

static inline void dht_lie(dht_node *node, const pbts_dht_packet *query, pbts_writer *nodes4,
                           pbts_writer *nodes6) {
    dht_world *world = node->world;
    const dht_node *named[PBTS_DHT_K];
    bool slanders = node->manner == DHT_SLANDERER;
    uint32_t count = dht_closest(world, &query->target, slanders ? dht_is_honest : dht_is_liar,
                                 named, PBTS_DHT_K);
    if (node->manner == DHT_INVENTOR) count = PBTS_DHT_K;
    for (uint32_t i = 0; i < count; i++) {
        pbts_dht_id id = query->target;
        pbts_addr addr = dht_addr(1000000 + pbts_prng_below(&world->prng, 10000000));
        if (node->manner == DHT_INVENTOR) {
            id.bytes[PBTS_DHT_ID_LEN - 1] ^= (uint8_t)pbts_prng_below(&world->prng, 256);
            id.bytes[PBTS_DHT_ID_LEN - 2] ^= (uint8_t)pbts_prng_below(&world->prng, 256);
        } else {
            id = named[i]->id;
            if (!slanders) addr = named[i]->addr;
        }
        pbts_dht_node_encode(addr.family == PBTS_IPV4 ? nodes4 : nodes6, &id, &addr);
    }
}

/* True: it was a question that liars answer in their own way. */
static inline bool dht_answer_with_lies(dht_node *node, const dht_datagram *datagram) {
    dht_world *world = node->world;
    uint8_t tag[PBTS_DHT_TAG_LEN], bytes[PBTS_DHT_PACKET_MAX], digest[PBTS_DHT_DIGEST_LEN];
    uint8_t nodes4[PBTS_DHT_K * PBTS_DHT_NODE4_LEN], nodes6[PBTS_DHT_K * PBTS_DHT_NODE6_LEN];
    pbts_writer writer4 = pbts_writer_over(nodes4, sizeof nodes4);
    pbts_writer writer6 = pbts_writer_over(nodes6, sizeof nodes6);
    pbts_dht_packet query;
    pbts_dht_tag(tag, world->iid);
    if (pbts_dht_packet_decode(&query, (pbts_span){ datagram->bytes, datagram->len }, tag) !=
            PBTS_OK ||
        query.kind != PBTS_DHT_QUERY || query.method == PBTS_DHT_HELLO ||
        query.method == PBTS_DHT_PING) {
        return false;
    }
    if (query.has_target) dht_lie(node, &query, &writer4, &writer6);
    pbts_dht_packet answer = { .kind = PBTS_DHT_ANSWER,
                               .transaction = query.transaction,
                               .is_signed = true,
                               .from = node->id,
                               .to = datagram->from,
                               .nodes4 = pbts_writer_span(&writer4),
                               .nodes6 = pbts_writer_span(&writer6) };
    if (query.wants_certificate) answer.certificate = PBTS_SPAN_OF(node->certificate);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    assert(pbts_dht_packet_encode(&writer, &answer, tag) == PBTS_OK);
    pbts_dht_packet_digest(digest, world->iid, &query.from, pbts_writer_span(&writer),
                           answer.signature_at);
    dht_sign_packet(node, bytes + answer.signature_at, digest);
    dht_post(world, &node->addr, &datagram->from, pbts_writer_span(&writer));
    return true;
}

/* ---- running ---- */

static inline void dht_deliver(dht_world *world, dht_datagram *datagram) {
    dht_node *node = dht_at(world, &datagram->to);
    if (node == NULL || node->dht == NULL) {
        if (world->on_nobody != NULL) world->on_nobody(world, datagram);
        return;
    }
    if (node->manner != DHT_HONEST && dht_answer_with_lies(node, datagram)) return;
    pbts_dht_receive(node->dht, &datagram->from, (pbts_span){ datagram->bytes, datagram->len },
                     dht_now(world));
    dht_pump(node);
}

static inline void dht_run_until(dht_world *world, uint64_t until_us) {
    while (world->heap_len > 0 && world->heap[0].at_us <= until_us) {
        dht_planned event = dht_next(world);
        world->now_us = event.at_us;
        if (event.kind == DHT_DELIVER) {
            dht_deliver(world, event.datagram);
            free(event.datagram);
        } else if (event.kind == DHT_SCRIPT) {
            world->script(world, event.node, event.what);
        } else {
            dht_node *node = &world->nodes[event.node];
            if (node->dht == NULL || node->tick_us != event.at_us) continue;
            node->tick_us = 0;
            pbts_dht_tick(node->dht, dht_now(world));
            dht_pump(node);
        }
    }
    world->now_us = until_us;
}

static inline void dht_run_ms(dht_world *world, uint64_t ms) {
    dht_run_until(world, world->now_us + ms * 1000);
}

typedef enum { DHT_TASK_FIND, DHT_TASK_GET, DHT_TASK_ANNOUNCE } dht_task_kind;

static inline dht_task *dht_begin(dht_world *world, uint32_t index, dht_task_kind kind,
                                  const pbts_dht_id *target, const pbts_dht_record *record) {
    uint8_t bytes[DHT_RECORD_LEN];
    dht_node *node = &world->nodes[index];
    assert(world->task_count < DHT_LOOKUPS_MAX);
    dht_task *task = &world->tasks[world->task_count++];
    *task = (dht_task){ .node = index, .target = *target, .started_us = world->now_us };
    pbts_status status;
    switch (kind) {
    case DHT_TASK_FIND:
        status = pbts_dht_find(node->dht, &task->operation, target, dht_now(world));
        break;
    case DHT_TASK_GET:
        status = pbts_dht_get(node->dht, &task->operation, target, dht_now(world));
        break;
    default:
        if (record == NULL) abort();
        dht_make_record(world, bytes, record);
        status = pbts_dht_announce(node->dht, &task->operation, target, PBTS_SPAN_OF(bytes),
                                   dht_now(world));
    }
    assert(status == PBTS_OK);
    dht_pump(node);
    return task;
}

/* ---- making a world ---- */

static inline int dht_compare_ids(const void *a, const void *b, void *world) {
    const dht_node *nodes = ((dht_world *)world)->nodes;
    return memcmp(nodes[*(const uint32_t *)a].id.bytes, nodes[*(const uint32_t *)b].id.bytes,
                  PBTS_DHT_ID_LEN);
}

static inline void dht_sort(dht_world *world) {
    for (uint32_t i = 0; i < world->count; i++) world->by_id[i] = i;
    qsort_r(world->by_id, world->count, sizeof *world->by_id, dht_compare_ids, world);
}

static inline dht_world *dht_world_new(uint32_t count, uint64_t seed) {
    dht_world *world = calloc(1, sizeof *world);
    assert(world != NULL);
    world->prng = pbts_prng_seeded(seed);
    world->secret = pbts_prng_next(&world->prng);
    world->now_us = 1;
    world->count = count;
    world->nodes = calloc(count, sizeof *world->nodes);
    world->by_id = calloc(count, sizeof *world->by_id);
    world->tasks = calloc(DHT_LOOKUPS_MAX, sizeof *world->tasks);
    assert(world->nodes != NULL && world->by_id != NULL && world->tasks != NULL);
    world->delay_min_us = 10000;
    world->delay_max_us = 40000;
    world->contacts_max = 512;
    world->records_max = 200;
    world->prefix_max = 2;
    world->mem = pbts_mem_system();
    memset(world->iid, 0x11, sizeof world->iid);
    for (uint32_t i = 0; i < count; i++) {
        dht_node *node = &world->nodes[i];
        node->random.fill = dht_random_fill;
        node->prng = pbts_prng_seeded(pbts_prng_next(&world->prng));
        node->world = world;
        node->index = i;
        node->id = dht_any_id(world);
        node->addr = dht_addr(i);
        dht_certify(world, node->certificate, &node->id, i, 1, DHT_START_S + 86400);
    }
    dht_sort(world);
    return world;
}

static inline void dht_world_free(dht_world *world) {
    for (uint32_t i = 0; i < world->count; i++) pbts_dht_free(world->nodes[i].dht);
    for (size_t i = 0; i < world->heap_len; i++) free(world->heap[i].datagram);
    free(world->heap);
    free(world->nodes);
    free(world->by_id);
    free(world->tasks);
    free(world);
}

/* ---- tables as after long: each bucket full of any members that belong there ---- */

static inline pbts_dht_id dht_fill_id(const pbts_dht_id *id, unsigned bits, uint8_t rest) {
    pbts_dht_id out = *id;
    for (unsigned bit = bits; bit < PBTS_DHT_ID_BITS; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> bit % 8);
        out.bytes[bit / 8] = (uint8_t)((out.bytes[bit / 8] & ~mask) | (rest & mask));
    }
    return out;
}

static inline void dht_know(dht_world *world, dht_node *node, const dht_node *other,
                            const pbts_dht_certificate_hash *hash) {
    pbts_dht_member member;
    pbts_dht_contact *contact, *stale;
    uint64_t now_ms = dht_now(world).mono_ms;
    pbts_span certificate = PBTS_SPAN_OF(other->certificate);
    if (dht_verify_certificate(node, &member, certificate, dht_now(world).unix_s) != PBTS_OK) {
        return;
    }
    pbts_dht_table *table = &node->dht->table;
    if (pbts_dht_table_add(table, &contact, &member, hash, &other->addr, now_ms) == PBTS_OK) {
        (void)pbts_dht_table_seen(table, contact, &other->addr, now_ms, &stale);
    }
}

/* `hashes`: of all nodes' certificates. */
static inline void dht_fill_table(dht_world *world, uint32_t index,
                                  const pbts_dht_certificate_hash *hashes) {
    dht_node *node = &world->nodes[index];
    for (unsigned bits = 0; bits < PBTS_DHT_ID_BITS; bits++) {
        pbts_dht_id sibling = node->id;
        sibling.bytes[bits / 8] ^= (uint8_t)(0x80u >> bits % 8);
        pbts_dht_id low = dht_fill_id(&sibling, bits + 1, 0);
        pbts_dht_id high = dht_fill_id(&sibling, bits + 1, 0xFF);
        uint32_t first = dht_rank(world, &low), past = dht_rank(world, &high);
        /* Any place in the stretch, and on from there at any stride, round. */
        uint32_t count = past - first, taken = 0;
        if (count == 0) {
            if (bits > 40) break;
            continue;
        }
        uint32_t at = pbts_prng_below(&world->prng, count);
        for (uint32_t tried = 0; tried < count && taken < PBTS_DHT_K; tried++) {
            const dht_node *other = dht_by_id(world, first + at);
            at = count > 2 * PBTS_DHT_K ? pbts_prng_below(&world->prng, count) : (at + 1) % count;
            if (!dht_is_up(other)) continue;
            dht_know(world, node, other, &hashes[other->index]);
            taken++;
        }
    }
    node->dht->is_joined = true;
}

/* The first `count` start at once, as if they had been there for long. */
static inline void dht_start_filled(dht_world *world, uint32_t count) {
    pbts_dht_certificate_hash *hashes = calloc(count, sizeof *hashes);
    assert(hashes != NULL);
    for (uint32_t i = 0; i < count; i++) {
        pbts_dht_certificate_hash_of(&hashes[i], PBTS_SPAN_OF(world->nodes[i].certificate));
        dht_start(world, i, 0);
    }
    for (uint32_t i = 0; i < count; i++) dht_fill_table(world, i, hashes);
    free(hashes);
}

/* The first `count` start, one every so often, with a few others to begin with; until `settle_ms`
 * after the last. */
static inline void dht_start_all(dht_world *world, uint32_t count, uint64_t every_us,
                                 uint64_t settle_ms) {
    for (uint32_t i = 0; i < count; i++) {
        dht_start(world, i, i < DHT_BOOTSTRAPS ? i : DHT_BOOTSTRAPS);
        dht_run_until(world, world->now_us + every_us);
    }
    dht_run_ms(world, settle_ms);
}

#endif
