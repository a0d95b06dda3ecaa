/* tests/unit/peer/swarm_kit.h - sessions that talk over wires on virtual time, and an owner for
 * each: buffers, hashing, a tracker's list of peers, receipts noted.
 *
 * Events lie in a heap and happen in order of time, then of making, so that a run depends on its
 * seed alone. A node has an uplink of a certain rate, a wire has a delay.
 */
#ifndef PBTS_TEST_SWARM_KIT_H
#define PBTS_TEST_SWARM_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "peer/session.h"
#include "torrent/builder.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"
#include "wire/peer_extension.h"
#include "wire/peer_pbts.h"

enum {
    SWARM_NODES_MAX = 210,
    SWARM_WIRES_MAX = 20000,
    SWARM_CONNS_MAX = 64, /* of a node */
    SWARM_PIECES_MAX = 256,
    SWARM_SLICE_US = 20000, /* how far ahead an uplink is booked */
    SWARM_ASK_TRACKER_MS = 20000,
};
#define SWARM_START_S UINT64_C(1800000123)

/* ---- content ---- */

typedef struct {
    pbts_metainfo *meta;
    uint8_t *stream; /* as pieces cut it: piece i begins at i * piece length */
} swarm_content;

static inline uint8_t swarm_byte(uint32_t file, uint64_t at) {
    return (uint8_t)(at * 31 + (at >> 12) + 7 * (uint64_t)file);
}

/* Files "0", "1", ... (fewer than ten) of so many bytes. */
static inline swarm_content swarm_content_new(pbts_torrent_version version, uint32_t piece_length,
                                              const uint64_t *files, uint32_t count) {
    swarm_content content;
    pbts_torrent_options options = { .version = version,
                                     .piece_length = piece_length,
                                     .name = pbts_span_text("content"),
                                     .single_file = false };
    pbts_torrent_builder *builder;
    pbts_span bytes;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    for (uint32_t i = 0; i < count; i++) {
        char name[2] = { (char)('0' + i), 0 };
        uint8_t *data = malloc(files[i] + 1);
        assert_non_null(data);
        for (uint64_t at = 0; at < files[i]; at++) data[at] = swarm_byte(i, at);
        assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text(name), files[i]),
                         PBTS_OK);
        assert_int_equal(pbts_torrent_builder_add(builder, (pbts_span){ data, files[i] }), PBTS_OK);
        free(data);
    }
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&content.meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_torrent_builder_free(builder);
    uint32_t pieces = pbts_metainfo_piece_count(content.meta);
    content.stream = calloc(pieces, piece_length);
    assert_non_null(content.stream);
    for (uint32_t i = 0; i < count; i++) {
        pbts_torrent_file file = pbts_metainfo_file(content.meta, i);
        for (uint64_t at = 0; at < file.length_bytes; at++) {
            content.stream[file.offset_bytes + at] =
                file.padding ? 0 : swarm_byte(file.path.data[file.path.len - 1] - '0', at);
        }
    }
    return content;
}

static inline void swarm_content_free(swarm_content *content) {
    pbts_metainfo_free(content->meta);
    free(content->stream);
}

/* ---- nodes and wires ---- */

typedef enum {
    SWARM_HONEST,
    SWARM_NO_RECEIPTS,  /* signs nothing */
    SWARM_WRONG_BLOCKS, /* damages what it sends */
    SWARM_STALLS,       /* stops sending blocks after a while */
} swarm_manner;

typedef struct swarm swarm;

typedef struct {
    swarm *world;
    uint32_t index;
    bool alive, was_seed;
    swarm_manner manner;
    pbts_addr addr;
    pbts_session *session;
    const swarm_content *content;
    pbts_metainfo *own_meta; /* parsed from a magnet link */
    uint8_t *have;           /* kept while it is away */
    uint8_t *buffers[SWARM_PIECES_MAX];
    struct {
        int32_t wire;
        uint8_t end;
        bool closing, writable;
    } conns[SWARM_CONNS_MAX];
    uint64_t up_bytes_per_s, up_free_us, pump_us, tick_us, tracker_ms;
    uint32_t next_pumped;
    uint64_t blocks_sent;
    pbts_session_config config;
    pbts_link_terms terms;
    pbts_bls_secret secret;
    pbts_book *book; /* kept while it is away */
    uint32_t left;   /* how often it went */
    uint8_t ticket[512];
    uint32_t finished, ready, repeats, refused, refused_others, closed, bad_pieces, metadata,
        rejected;
    uint32_t receipts, receipts_late; /* late: after the connection was over */
    uint32_t largest_block;
    uint64_t finished_ms;
    char last_close[80];
} swarm_node;

typedef struct {
    uint8_t *bytes;
    size_t len;
    uint64_t due_us;
} swarm_chunk;

/* What is on its way from one end, and what came and was not taken. */
typedef struct {
    uint32_t node, conn;
    bool open;
    swarm_chunk *chunks;
    size_t first, count, capacity;
    uint8_t *input;
    size_t input_len;
} swarm_end;

typedef struct {
    uint64_t number; /* of all that ever were; 0: not in use */
    uint64_t delay_us;
    swarm_end ends[2];
} swarm_wire;

typedef enum { SWARM_DELIVER, SWARM_PUMP, SWARM_TICK, SWARM_SCRIPT } swarm_event_kind;
typedef struct {
    uint64_t at_us, order;
    swarm_event_kind kind;
    uint32_t a, b;
} swarm_event;

typedef struct {
    pbts_random random; /* first, so that a pbts_random * is one of these */
    pbts_prng prng;
} swarm_random;

struct swarm {
    swarm_random random;
    pbts_prng prng;
    uint64_t now_us;
    const swarm_content *content;
    swarm_node *nodes;
    uint32_t node_count;
    swarm_wire *wires;
    uint32_t wire_count;
    uint64_t wires_made;
    swarm_event *heap;
    size_t heap_len, heap_capacity;
    uint64_t order;
    uint64_t delay_us;
    pbts_bls_secret tracker;
    bool with_receipts, with_tickets;
    /* bytes of a piece that node a sent to node b; and whether b signed for it */
    uint32_t (*served)[SWARM_NODES_MAX][SWARM_PIECES_MAX];
    bool (*credited)[SWARM_NODES_MAX][SWARM_PIECES_MAX];
    void (*script)(swarm *world, uint32_t a, uint32_t b);
};

static inline pbts_moment swarm_now(const swarm *world) {
    return (pbts_moment){ SWARM_START_S + world->now_us / 1000000, 1000 + world->now_us / 1000 };
}

static inline pbts_status swarm_random_fill(pbts_random *random, uint8_t *out, size_t len) {
    swarm_random *own = (swarm_random *)(void *)random;
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(pbts_prng_next(&own->prng) >> 32);
    return PBTS_OK;
}

/* ---- the heap of events ---- */

static inline bool swarm_is_before(const swarm_event *a, const swarm_event *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static inline void swarm_plan(swarm *world, uint64_t at_us, swarm_event_kind kind, uint32_t a,
                              uint32_t b) {
    if (world->heap_len == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity ? 2 * world->heap_capacity : 1024;
        world->heap = realloc(world->heap, world->heap_capacity * sizeof *world->heap);
        assert_non_null(world->heap);
    }
    swarm_event event = { at_us < world->now_us ? world->now_us : at_us, world->order++, kind, a,
                          b };
    size_t i = world->heap_len++;
    for (; i > 0 && swarm_is_before(&event, &world->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        world->heap[i] = world->heap[(i - 1) / 2];
    }
    world->heap[i] = event;
}

static inline swarm_event swarm_next(swarm *world) {
    swarm_event first = world->heap[0], last = world->heap[--world->heap_len];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < world->heap_len; i = child) {
        if (child + 1 < world->heap_len &&
            swarm_is_before(&world->heap[child + 1], &world->heap[child])) {
            child++;
        }
        if (!swarm_is_before(&world->heap[child], &last)) break;
        world->heap[i] = world->heap[child];
    }
    world->heap[i] = last;
    return first;
}

/* ---- wires ---- */

static inline void swarm_end_free(swarm_end *end) {
    for (size_t i = 0; i < end->count; i++) free(end->chunks[end->first + i].bytes);
    free(end->chunks);
    free(end->input);
    *end = (swarm_end){ .open = false };
}

static inline void swarm_send(swarm *world, uint32_t wire_no, unsigned from, uint8_t *bytes,
                              size_t len, uint64_t leaves_us) {
    swarm_wire *wire = &world->wires[wire_no];
    swarm_end *end = &wire->ends[from];
    if (end->first + end->count == end->capacity) {
        if (end->count > 0) {
            memmove(end->chunks, end->chunks + end->first, end->count * sizeof *end->chunks);
        }
        end->first = 0;
        if (2 * end->count >= end->capacity) {
            end->capacity = end->capacity ? 2 * end->capacity : 16;
            end->chunks = realloc(end->chunks, end->capacity * sizeof *end->chunks);
            assert_non_null(end->chunks);
        }
    }
    uint64_t due_us = leaves_us + wire->delay_us;
    if (end->count > 0) {
        uint64_t before_us = end->chunks[end->first + end->count - 1].due_us;
        if (due_us < before_us) due_us = before_us;
    }
    end->chunks[end->first + end->count++] = (swarm_chunk){ bytes, len, due_us };
    swarm_plan(world, due_us, SWARM_DELIVER, wire_no, from);
}

static inline void swarm_drain(swarm_node *node);

/* One end is gone: the other hears of it, and both are over. */
static inline void swarm_cut(swarm *world, uint32_t wire_no) {
    swarm_wire *wire = &world->wires[wire_no];
    for (unsigned i = 0; i < 2; i++) {
        swarm_end *end = &wire->ends[i];
        if (!end->open) continue;
        end->open = false;
        swarm_node *node = &world->nodes[end->node];
        node->conns[end->conn].wire = -1;
        pbts_session_closed(node->session, end->conn, swarm_now(world));
    }
    uint32_t a = wire->ends[0].node, b = wire->ends[1].node;
    swarm_end_free(&wire->ends[0]);
    swarm_end_free(&wire->ends[1]);
    wire->number = 0;
    if (world->nodes[a].alive) swarm_drain(&world->nodes[a]);
    if (world->nodes[b].alive) swarm_drain(&world->nodes[b]);
}

static inline uint32_t swarm_new_wire(swarm *world) {
    for (uint32_t i = 0; i < world->wire_count; i++) {
        if (world->wires[i].number == 0) return i;
    }
    assert_true(world->wire_count < SWARM_WIRES_MAX);
    return world->wire_count++;
}

static inline void swarm_attach(swarm_node *node, pbts_conn conn, uint32_t wire, uint8_t end) {
    assert_true(conn < SWARM_CONNS_MAX);
    node->conns[conn].wire = (int32_t)wire;
    node->conns[conn].end = end;
    node->conns[conn].closing = node->conns[conn].writable = false;
    swarm_wire *w = &node->world->wires[wire];
    w->ends[end].node = node->index;
    w->ends[end].conn = conn;
    w->ends[end].open = true;
}

static inline swarm_node *swarm_node_at(swarm *world, const pbts_addr *addr) {
    uint32_t index = (uint32_t)addr->ip[2] << 8 | addr->ip[3];
    return index < world->node_count && addr->ip[0] == 10 ? &world->nodes[index] : NULL;
}

static inline bool swarm_connect(swarm_node *from, swarm_node *to) {
    swarm *world = from->world;
    pbts_conn there, here;
    pbts_addr source = from->addr;
    source.port = (uint16_t)(40000 + pbts_prng_below(&world->prng, 20000));
    if (to == NULL || !to->alive) return false;
    if (pbts_session_opened(to->session, &there, &source, false, swarm_now(world)) != PBTS_OK) {
        return false;
    }
    if (pbts_session_opened(from->session, &here, &to->addr, true, swarm_now(world)) != PBTS_OK) {
        pbts_session_closed(to->session, there, swarm_now(world));
        return false;
    }
    uint32_t wire = swarm_new_wire(world);
    uint64_t delay_us = world->delay_us;
    if (delay_us > 0) delay_us = delay_us / 2 + pbts_prng_below(&world->prng, (uint32_t)delay_us);
    world->wires[wire] = (swarm_wire){ .number = ++world->wires_made, .delay_us = delay_us };
    swarm_attach(from, here, wire, 0);
    swarm_attach(to, there, wire, 1);
    return true;
}

/* ---- the owner of a session ---- */

static inline void swarm_note_served(swarm_node *node, uint32_t to, const pbts_session_send *out) {
    if (out->block_bytes == 0 || node->world->served == NULL) return;
    node->world->served[node->index][to][out->piece] += out->block_bytes;
}

/* Leave out what a peer says that signs nothing. Whole messages only: control bytes are short. */
static inline size_t swarm_without_receipts(uint8_t *bytes, size_t len) {
    size_t at = 0, kept = 0;
    if (len >= 20 && bytes[0] == 19 && bytes[1] == 'B') at = kept = 68;
    while (at < len) {
        size_t frame = 4 + ((size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                            (size_t)bytes[at + 2] << 8 | bytes[at + 3]);
        assert_true(at + frame <= len);
        bool is_receipt = frame > 6 && bytes[at + 4] == PBTS_PEER_EXTENDED &&
                          bytes[at + 5] == pbts_extension_id(PBTS_EXTENSION_PBTS) &&
                          bytes[at + 6] != PBTS_PEER_MSG_AUTH;
        if (!is_receipt) {
            memmove(bytes + kept, bytes + at, frame);
            kept += frame;
        }
        at += frame;
    }
    return kept;
}

/* Send one thing on one connection; false when there is none. */
static inline bool swarm_send_one(swarm_node *node, pbts_conn conn, uint32_t block_max) {
    swarm *world = node->world;
    pbts_session_send out;
    if (!pbts_session_next_send(node->session, conn, &out, block_max, swarm_now(world))) {
        return false;
    }
    assert_true(out.bytes.len <= PBTS_SESSION_SEND_MAX);
    size_t len = out.bytes.len + out.block_bytes + out.pad_bytes;
    uint8_t *bytes = calloc(1, len);
    assert_non_null(bytes);
    memcpy(bytes, out.bytes.data, out.bytes.len);
    if (out.block_bytes > 0) {
        uint32_t piece_length = pbts_metainfo_piece_length(node->content->meta);
        memcpy(bytes + out.bytes.len,
               node->content->stream + (size_t)out.piece * piece_length + out.offset_bytes,
               out.block_bytes);
        assert_true(pbts_piece_set_has(pbts_session_have(node->session).data, out.piece));
        node->blocks_sent++;
        if (out.block_bytes > node->largest_block) node->largest_block = out.block_bytes;
        if (node->manner == SWARM_WRONG_BLOCKS && pbts_prng_below(&world->prng, 3) == 0) {
            bytes[out.bytes.len] ^= 0x55;
        }
    } else if (out.pad_bytes == 0 && node->manner == SWARM_NO_RECEIPTS) {
        len = swarm_without_receipts(bytes, len);
    }
    uint32_t wire = (uint32_t)node->conns[conn].wire;
    unsigned end = node->conns[conn].end;
    swarm_note_served(node, world->wires[wire].ends[1 - end].node, &out);
    if (node->up_free_us < world->now_us) node->up_free_us = world->now_us;
    if (node->up_bytes_per_s > 0) node->up_free_us += len * 1000000 / node->up_bytes_per_s;
    swarm_send(world, wire, end, bytes, len, node->up_free_us);
    return true;
}

static inline uint32_t swarm_block_max(const swarm_node *node) {
    bool stalls = node->manner == SWARM_STALLS && node->blocks_sent >= 20;
    return stalls ? 0 : PBTS_PEER_BLOCK_BYTES_MAX;
}

/* Send in turn on all connections that have something, as far as the uplink is free. */
static inline void swarm_pump(swarm_node *node) {
    swarm *world = node->world;
    bool any = true;
    while (node->alive && any) {
        any = false;
        for (uint32_t i = 0; i < SWARM_CONNS_MAX && node->alive; i++) {
            uint32_t conn = (node->next_pumped + i) % SWARM_CONNS_MAX;
            if (node->conns[conn].wire < 0 || !node->conns[conn].writable) continue;
            if (node->up_free_us > world->now_us + SWARM_SLICE_US) {
                node->next_pumped = conn;
                if (node->pump_us <= world->now_us) {
                    node->pump_us = node->up_free_us - SWARM_SLICE_US / 2;
                    swarm_plan(world, node->pump_us, SWARM_PUMP, node->index, 0);
                }
                return;
            }
            if (swarm_send_one(node, conn, swarm_block_max(node))) {
                any = true;
            } else {
                node->conns[conn].writable = false;
                if (node->conns[conn].closing) swarm_cut(world, (uint32_t)node->conns[conn].wire);
            }
        }
    }
}

static inline void swarm_check_piece(swarm_node *node, uint32_t piece) {
    const pbts_metainfo *meta = node->config.meta ? node->config.meta : node->own_meta;
    pbts_span bytes = { node->buffers[piece], pbts_piece_stream_bytes(meta, piece) };
    bool ok = pbts_piece_check(meta, piece, bytes) == PBTS_OK;
    node->bad_pieces += !ok;
    if (ok) pbts_piece_set_add(node->have, piece);
    free(node->buffers[piece]);
    node->buffers[piece] = NULL;
    pbts_session_piece_checked(node->session, piece, ok, true, swarm_now(node->world));
}

static inline void swarm_take_metadata(swarm_node *node, pbts_span bytes) {
    node->metadata++;
    assert_int_equal(pbts_metainfo_parse(&node->own_meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_status status;
    do {
        status = pbts_session_set_metainfo(node->session, node->own_meta, (pbts_span){ NULL, 0 },
                                           swarm_now(node->world));
    } while (status == PBTS_NO_MEMORY); /* a test's, which fails once */
    assert_int_equal(status, PBTS_OK);
}

/* Which node has this key. */
static inline uint32_t swarm_node_of(const swarm *world, const pbts_bls_public *key) {
    uint32_t i = 0;
    while (i < world->node_count && memcmp(&world->nodes[i].terms.key, key, sizeof *key)) i++;
    assert_true(i < world->node_count);
    return i;
}

/* Every byte credited was served: no piece is named that was not sent there. */
static inline void swarm_note_receipt(swarm_node *node, const pbts_link_receipt *receipt) {
    swarm *world = node->world;
    const pbts_receipt *says = &receipt->record.receipt;
    uint32_t from = swarm_node_of(world, &says->receiver);
    assert_memory_equal(&says->sender, &node->terms.key, sizeof node->terms.key);
    node->receipts++;
    if (says->form == PBTS_FORM_PIECE) {
        assert_true(world->served[node->index][from][says->piece_index] > 0);
        world->credited[node->index][from][says->piece_index] = true;
        return;
    }
    for (uint32_t i = 0; pbts_piece_set_next(says->bitmap, &i); i++) {
        assert_true(world->served[node->index][from][i] > 0);
        world->credited[node->index][from][i] = true;
    }
}

static inline void swarm_on_event(swarm_node *node, const pbts_session_event *event) {
    swarm *world = node->world;
    switch (event->kind) {
    case PBTS_SESSION_PIECE_OPENED:
        assert_null(node->buffers[event->piece]);
        node->buffers[event->piece] =
            malloc(pbts_piece_stream_bytes(node->content->meta, event->piece));
        assert_non_null(node->buffers[event->piece]);
        break;
    case PBTS_SESSION_PIECE_DROPPED:
        assert_non_null(node->buffers[event->piece]);
        free(node->buffers[event->piece]);
        node->buffers[event->piece] = NULL;
        break;
    case PBTS_SESSION_PIECE_COMPLETE: swarm_check_piece(node, event->piece); break;
    case PBTS_SESSION_FINISHED:
        node->finished++;
        node->finished_ms = world->now_us / 1000;
        break;
    case PBTS_SESSION_METADATA: swarm_take_metadata(node, event->bytes); break;
    case PBTS_SESSION_PEER_READY: node->ready++; break;
    case PBTS_SESSION_PEER_REPEATS: node->repeats++; break;
    case PBTS_SESSION_PEER_REFUSED:
        node->refused++;
        node->refused_others += event->by_us;
        break;
    case PBTS_SESSION_CLOSE:
        node->closed++;
        (void)snprintf(node->last_close, sizeof node->last_close, "%s", event->text);
        node->conns[event->conn].closing = node->conns[event->conn].writable = true;
        break;
    case PBTS_SESSION_WRITABLE: node->conns[event->conn].writable = true; break;
    }
}

static inline void swarm_plan_tick(swarm_node *node) {
    swarm *world = node->world;
    uint64_t deadline_ms = pbts_session_deadline_ms(node->session);
    if (deadline_ms == UINT64_MAX) return;
    uint64_t at_us = deadline_ms > 1000 ? (deadline_ms - 1000) * 1000 : 0;
    if (at_us <= world->now_us) at_us = world->now_us + 1000;
    if (node->tick_us > world->now_us && node->tick_us <= at_us) return;
    node->tick_us = at_us;
    swarm_plan(world, at_us, SWARM_TICK, node->index, 0);
}

static inline void swarm_drain_session(swarm_node *node) {
    pbts_session_event event;
    pbts_link_receipt receipt;
    pbts_conn conn;
    bool any = true;
    while (any) {
        any = false;
        while (pbts_session_next_event(node->session, &event)) {
            swarm_on_event(node, &event);
            any = true;
        }
        while (pbts_session_next_receipt(node->session, &conn, &receipt)) {
            swarm_note_receipt(node, &receipt);
            node->receipts_late += conn == 0;
            pbts_session_receipt_stored(node->session, conn, swarm_now(node->world));
            any = true;
        }
    }
}

static inline void swarm_drain(swarm_node *node) {
    swarm_drain_session(node);
    pbts_addr addr;
    while (node->alive && pbts_session_next_dial(node->session, &addr, swarm_now(node->world))) {
        if (!swarm_connect(node, swarm_node_at(node->world, &addr))) {
            pbts_session_dial_failed(node->session, &addr, swarm_now(node->world));
        }
        swarm_drain_session(node);
    }
    swarm_pump(node);
    if (node->alive) swarm_plan_tick(node);
}

/* ---- what happens ---- */

/* Hand over as much of the input as is taken. */
static inline void swarm_feed(swarm_node *node, swarm_end *input, pbts_conn conn) {
    swarm *world = node->world;
    size_t at = 0, used;
    uint32_t piece_length = pbts_metainfo_piece_length(world->content->meta);
    for (;;) {
        pbts_payload payload;
        if (pbts_session_payload(node->session, conn, &payload)) {
            uint32_t len = payload.left_bytes;
            if (len > input->input_len - at) len = (uint32_t)(input->input_len - at);
            if (len == 0) break;
            if (!payload.discard) {
                assert_true(payload.offset_bytes + len <= piece_length);
                assert_non_null(node->buffers[payload.piece]);
                memcpy(node->buffers[payload.piece] + payload.offset_bytes, input->input + at, len);
            }
            at += len;
            pbts_session_payload_taken(node->session, conn, len, swarm_now(world));
        } else {
            pbts_span rest = { input->input + at, input->input_len - at };
            pbts_status status =
                pbts_session_receive(node->session, conn, rest, &used, swarm_now(world));
            node->rejected += status != PBTS_OK;
            at += used;
            if (!pbts_session_payload(node->session, conn, &payload)) break;
        }
        /* The owner does what it is told before it reads on. */
        swarm_drain_session(node);
    }
    if (at < input->input_len) memmove(input->input, input->input + at, input->input_len - at);
    input->input_len -= at;
}

static inline void swarm_deliver(swarm *world, uint32_t wire_no, unsigned from) {
    swarm_wire *wire = &world->wires[wire_no];
    swarm_end *end = &wire->ends[from], *other = &wire->ends[1 - from];
    uint64_t number = wire->number; /* it may be cut meanwhile, and another take its place */
    while (wire->number == number && end->count > 0 &&
           end->chunks[end->first].due_us <= world->now_us) {
        swarm_chunk chunk = end->chunks[end->first++];
        end->count--;
        end->input = realloc(end->input, end->input_len + chunk.len + 1);
        assert_non_null(end->input);
        memcpy(end->input + end->input_len, chunk.bytes, chunk.len);
        end->input_len += chunk.len;
        free(chunk.bytes);
        if (!other->open) continue;
        swarm_node *node = &world->nodes[other->node];
        swarm_feed(node, end, other->conn);
        swarm_drain(node);
    }
}

/* A tracker's answer: some who are there. */
static inline void swarm_announce(swarm_node *node, uint32_t count) {
    swarm *world = node->world;
    for (uint32_t i = 0; i < count; i++) {
        swarm_node *other = &world->nodes[pbts_prng_below(&world->prng, world->node_count)];
        if (other == node || !other->alive) continue;
        pbts_session_add_addr(node->session, &other->addr, PBTS_PEER_FROM_TRACKER,
                              swarm_now(world));
    }
}

static inline void swarm_tick(swarm_node *node) {
    uint64_t now_ms = node->world->now_us / 1000;
    if (now_ms >= node->tracker_ms) {
        node->tracker_ms = now_ms + SWARM_ASK_TRACKER_MS;
        swarm_announce(node, 20);
    }
    pbts_session_tick(node->session, swarm_now(node->world));
    swarm_drain(node);
}

/* Let everything happen that is due by then; false when nothing is left to happen. */
static inline bool swarm_run_until(swarm *world, uint64_t until_us) {
    while (world->heap_len > 0 && world->heap[0].at_us <= until_us) {
        swarm_event event = swarm_next(world);
        world->now_us = event.at_us;
        swarm_node *node = &world->nodes[event.a];
        switch (event.kind) {
        case SWARM_DELIVER:
            if (world->wires[event.a].number > 0) swarm_deliver(world, event.a, event.b);
            break;
        case SWARM_PUMP:
            if (node->alive) swarm_drain(node);
            break;
        case SWARM_TICK:
            if (node->alive && node->tick_us == event.at_us) swarm_tick(node);
            break;
        case SWARM_SCRIPT: world->script(world, event.a, event.b); break;
        }
    }
    world->now_us = until_us;
    return world->heap_len > 0;
}

static inline void swarm_run_ms(swarm *world, uint64_t ms) {
    (void)swarm_run_until(world, world->now_us + ms * 1000);
}

/* ---- making one ---- */

static inline swarm *swarm_new(const swarm_content *content, uint64_t seed, bool with_receipts) {
    swarm *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->prng = pbts_prng_seeded(seed);
    world->random = (swarm_random){ { swarm_random_fill }, pbts_prng_seeded(seed * 3 + 1) };
    world->content = content;
    world->with_receipts = world->with_tickets = with_receipts;
    world->nodes = calloc(SWARM_NODES_MAX, sizeof *world->nodes);
    world->wires = calloc(SWARM_WIRES_MAX, sizeof *world->wires);
    world->served = calloc(SWARM_NODES_MAX, sizeof *world->served);
    world->credited = calloc(SWARM_NODES_MAX, sizeof *world->credited);
    assert_true(world->nodes && world->wires && world->served && world->credited);
    assert_int_equal(pbts_bls_generate(&world->tracker, &world->random.random), PBTS_OK);
    return world;
}

static inline void swarm_show_ticket(swarm_node *node, uint64_t allowance_bytes) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_link_terms *terms = &node->terms;
    pbts_peer_ticket ticket = { .allowance_bytes = allowance_bytes,
                                .issued = SWARM_START_S - 60,
                                .expires = SWARM_START_S + 86400,
                                .key = terms->key };
    pbts_writer text = pbts_writer_over(message, sizeof message);
    pbts_message_ticket(&text, terms->iid, &terms->key, ticket.allowance_bytes, ticket.issued,
                        ticket.expires);
    pbts_bls_sign(&ticket.signature, &node->world->tracker, PBTS_BLS_TICKET,
                  pbts_writer_span(&text));
    pbts_writer writer = pbts_writer_over(node->ticket, sizeof node->ticket);
    pbts_peer_ticket_encode(&writer, &ticket);
    terms->ticket = pbts_writer_span(&writer);
}

static inline void swarm_make_terms(swarm_node *node) {
    swarm *world = node->world;
    pbts_bls_public tracker_key;
    pbts_link_terms *terms = &node->terms;
    assert_int_equal(pbts_bls_generate(&node->secret, &world->random.random), PBTS_OK);
    assert_int_equal(pbts_book_new(&node->book, pbts_mem_system()), PBTS_OK);
    pbts_bls_public_of(&tracker_key, &world->tracker);
    *terms = (pbts_link_terms){
        .mem = pbts_mem_system(),
        .random = &world->random.random,
        .secret = &node->secret,
        .has_tracker_key = true,
        .forms_taken = PBTS_PEER_FORM_MASK,
        .form_given = PBTS_FORM_CUMULATIVE,
        .batch_pieces = 10,
        .exposure_max_bytes = PBTS_EXPOSURE_MAX_BYTES,
        .receipt_timeout_ms = 30000,
        .ticket_required = true,
        .receipts_required = true,
        .book = node->book,
    };
    memset(terms->iid, 0x11, sizeof terms->iid);
    pbts_bls_public_of(&terms->key, &node->secret);
    assert_int_equal(pbts_bls_public_decode(&terms->tracker_key, &tracker_key), PBTS_OK);
    if (world->with_tickets) swarm_show_ticket(node, UINT64_C(1) << 40);
    terms->ticket_required = world->with_tickets;
}

/* A node that is not there yet: see swarm_join. Change its config before. */
static inline swarm_node *swarm_add(swarm *world, bool is_seed) {
    assert_true(world->node_count < SWARM_NODES_MAX);
    swarm_node *node = &world->nodes[world->node_count];
    const pbts_metainfo *meta = world->content->meta;
    uint32_t pieces = pbts_metainfo_piece_count(meta);
    assert_true(pieces <= SWARM_PIECES_MAX);
    node->world = world;
    node->index = world->node_count++;
    node->content = world->content;
    node->was_seed = is_seed;
    node->addr = (pbts_addr){ .family = PBTS_IPV4,
                              .ip = { 10, 0, (uint8_t)(node->index >> 8), (uint8_t)node->index },
                              .port = 6881 };
    node->have = calloc(1, pbts_piece_set_len(pieces));
    assert_non_null(node->have);
    for (uint32_t i = 0; is_seed && i < pieces; i++) pbts_piece_set_add(node->have, i);
    node->config = (pbts_session_config){
        .mem = pbts_mem_system(),
        .seed = pbts_prng_next(&world->prng),
        .meta = meta,
        .infohash_is_v2 = !pbts_metainfo_has_v1(meta),
        .client = "swarm 1",
        .listen_port = 6881,
        .legacy = PBTS_LEGACY_REFUSE,
        .connections_max = 12,
        .unchoked_max = 4,
        .open_bytes_max = 1024 * 1024,
    };
    memcpy(node->config.infohash, pbts_metainfo_infohash(meta), PBTS_INFOHASH_LEN);
    (void)snprintf((char *)node->config.peer_id, sizeof node->config.peer_id, "-SW0001-%08u",
                   node->index * 7919);
    if (world->with_receipts) {
        swarm_make_terms(node);
        node->config.terms = &node->terms;
    }
    return node;
}

static inline void swarm_join(swarm_node *node) {
    assert_false(node->alive);
    uint32_t pieces = pbts_metainfo_piece_count(node->content->meta);
    if (node->config.meta != NULL) {
        node->config.have = (pbts_span){ node->have, pbts_piece_set_len(pieces) };
    }
    for (uint32_t i = 0; i < SWARM_CONNS_MAX; i++) node->conns[i].wire = -1;
    assert_int_equal(pbts_session_new(&node->session, &node->config, swarm_now(node->world)),
                     PBTS_OK);
    node->alive = true;
    node->tick_us = 0;
    node->pump_us = 0;
}

static inline void swarm_leave(swarm_node *node) {
    swarm *world = node->world;
    assert_true(node->alive);
    node->alive = false; /* it dials nobody any more */
    node->left++;
    for (uint32_t i = 0; i < SWARM_CONNS_MAX; i++) {
        if (node->conns[i].wire >= 0) swarm_cut(world, (uint32_t)node->conns[i].wire);
    }
    swarm_drain_session(node);
    pbts_session_free(node->session);
    node->session = NULL;
    for (uint32_t i = 0; i < SWARM_PIECES_MAX; i++) {
        free(node->buffers[i]);
        node->buffers[i] = NULL;
    }
}

static inline void swarm_free(swarm *world) {
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].alive) swarm_leave(&world->nodes[i]);
        pbts_metainfo_free(world->nodes[i].own_meta);
        pbts_book_free(world->nodes[i].book);
        free(world->nodes[i].have);
    }
    for (uint32_t i = 0; i < world->wire_count; i++) {
        swarm_end_free(&world->wires[i].ends[0]);
        swarm_end_free(&world->wires[i].ends[1]);
    }
    free(world->nodes);
    free(world->wires);
    free(world->served);
    free(world->credited);
    free(world->heap);
    free(world);
}

static inline pbts_session_stats swarm_stats(const swarm_node *node) {
    pbts_session_stats stats;
    pbts_session_stats_read(node->session, &stats);
    return stats;
}

#endif
