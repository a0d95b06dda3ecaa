/* tests/unit/peer/link_kit.h - two links that talk through queues on virtual time: end 0 mostly
 * sends, end 1 mostly receives. And a liar's tools: any message, signed by any key. */
#ifndef PBTS_TEST_LINK_KIT_H
#define PBTS_TEST_LINK_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "codec/bencode.h"
#include "peer/link.h"
#include "receipt/pieces.h"
#include "torrent/builder.h"
#include "wire/peer_pbts.h"

enum {
    KIT_PIECE = 32 * 1024,
    KIT_LAST = 5000,
    KIT_PIECES_MAX = 4104,
    KIT_SET_MAX = KIT_PIECES_MAX / 8,
    KIT_QUEUE_MAX = 2048,
    KIT_RECORDS_MAX = 512,
    KIT_TIMEOUT_MS = 60 * 1000,
};
#define KIT_START UINT64_C(1800000123)
#define KIT_FORM(form) (1u << (form))
#define KIT_ALL_FORMS PBTS_PEER_FORM_MASK

typedef struct {
    pbts_random random; /* first, so that a pbts_random * is one of these */
    pbts_prng prng;
} kit_random;

static inline pbts_status kit_random_fill(pbts_random *random, uint8_t *out, size_t len) {
    kit_random *kit = (kit_random *)(void *)random;
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(pbts_prng_next(&kit->prng) >> 32);
    return PBTS_OK;
}

typedef struct {
    pbts_bls_secret secret;
    pbts_link_terms terms;
    uint8_t ticket[512];
} kit_member;

/* What was stored, as the journal would have it. */
typedef struct {
    uint8_t set[KIT_SET_MAX]; /* the pieces it names */
    pbts_receipt_form form;
    uint64_t epoch;
    bool replaces;
} kit_record;

typedef struct {
    pbts_link *link;
    struct {
        uint8_t *bytes;
        size_t len;
    } queue[KIT_QUEUE_MAX]; /* on the way to the other end */
    size_t count;
    kit_record records[KIT_RECORDS_MAX];
    size_t record_count;
    uint64_t stored_bytes; /* covered_bytes of all records */
} kit_end;

typedef struct {
    kit_random random;
    pbts_bls_secret tracker;
    pbts_metainfo *meta;
    pbts_link_torrent torrent;
    uint32_t pieces;
    kit_member members[3];
    pbts_book *book; /* that kit_keep_book made */
    kit_end ends[2];
    unsigned who[2]; /* which member is at which end */
    pbts_moment now;
} kit;

/* ---- making one ---- */

static inline pbts_metainfo *kit_metainfo(uint32_t pieces, const char *name,
                                          pbts_torrent_version version) {
    size_t len = (size_t)(pieces - 1) * KIT_PIECE + KIT_LAST;
    uint8_t *content = malloc(len);
    assert_non_null(content);
    for (size_t i = 0; i < len; i++) content[i] = (uint8_t)(i * 31 + (i >> 13));
    pbts_torrent_options options = { .version = version,
                                     .piece_length = KIT_PIECE,
                                     .name = pbts_span_text(name),
                                     .single_file = true };
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_span bytes;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text(name), len), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_add(builder, (pbts_span){ content, len }), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_torrent_builder_free(builder);
    free(content);
    return meta;
}

/* A ticket of `tracker` for `key`, as it travels. */
static inline pbts_span kit_ticket(const kit *k, uint8_t out[static 512],
                                   const pbts_bls_secret *tracker, const pbts_bls_public *key,
                                   uint64_t allowance, uint64_t issued, uint64_t expires) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_peer_ticket ticket = {
        .allowance_bytes = allowance, .issued = issued, .expires = expires, .key = *key
    };
    pbts_writer text = pbts_writer_over(message, sizeof message);
    pbts_message_ticket(&text, k->members[0].terms.iid, key, allowance, issued, expires);
    pbts_bls_sign(&ticket.signature, tracker, PBTS_BLS_TICKET, pbts_writer_span(&text));
    pbts_writer writer = pbts_writer_over(out, 512);
    pbts_peer_ticket_encode(&writer, &ticket);
    assert_false(writer.failed);
    return pbts_writer_span(&writer);
}

static inline void kit_member_init(kit *k, kit_member *member) {
    pbts_bls_public tracker_key;
    pbts_bls_public_of(&tracker_key, &k->tracker);
    assert_int_equal(pbts_bls_generate(&member->secret, &k->random.random), PBTS_OK);
    member->terms = (pbts_link_terms){ .mem = pbts_mem_system(),
                                       .random = &k->random.random,
                                       .secret = &member->secret,
                                       .has_tracker_key = true,
                                       .forms_taken = KIT_ALL_FORMS,
                                       .form_given = PBTS_FORM_CUMULATIVE,
                                       .batch_pieces = 10,
                                       .exposure_max_bytes = PBTS_EXPOSURE_MAX_BYTES,
                                       .receipt_timeout_ms = KIT_TIMEOUT_MS,
                                       .ticket_required = true,
                                       .receipts_required = true };
    memset(member->terms.iid, 0x11, sizeof member->terms.iid);
    pbts_bls_public_of(&member->terms.key, &member->secret);
    assert_int_equal(pbts_bls_public_decode(&member->terms.tracker_key, &tracker_key), PBTS_OK);
    member->terms.ticket =
        kit_ticket(k, member->ticket, &k->tracker, &member->terms.key, UINT64_C(1) << 40,
                   k->now.unix_s - 60, k->now.unix_s + 24 * 3600);
}

/* Three members of one tracker and a torrent; nobody is connected. */
static inline kit *kit_new_of(uint32_t pieces, pbts_torrent_version version, uint64_t seed) {
    kit *k = calloc(1, sizeof *k);
    assert_non_null(k);
    k->random.random.fill = kit_random_fill;
    k->random.prng = pbts_prng_seeded(seed);
    k->now = (pbts_moment){ .unix_s = KIT_START, .mono_ms = 5000 };
    k->pieces = pieces;
    k->meta = kit_metainfo(pieces, "content", version);
    k->torrent.meta = k->meta;
    memcpy(k->torrent.infohash, pbts_metainfo_infohash(k->meta), PBTS_INFOHASH_LEN);
    assert_int_equal(pbts_bls_generate(&k->tracker, &k->random.random), PBTS_OK);
    for (size_t i = 0; i < 3; i++) kit_member_init(k, &k->members[i]);
    k->who[1] = 1;
    return k;
}

static inline kit *kit_new(uint32_t pieces) {
    return kit_new_of(pieces, PBTS_TORRENT_V1, 1);
}

/* A torrent whose content nobody has: links see the hashes only. */
static inline void kit_replace_torrent(kit *k, uint32_t pieces) {
    size_t len = 20 * (size_t)pieces;
    uint8_t *bytes = malloc(len + 256), *hashes = calloc(1, len);
    assert_true(bytes != NULL && hashes != NULL);
    pbts_writer writer = pbts_writer_over(bytes, len + 256);
    pbts_write_text(&writer, "d4:infod6:length");
    pbts_bencode_uint(&writer, (uint64_t)pieces * KIT_PIECE);
    pbts_write_text(&writer, "4:name4:many12:piece length");
    pbts_bencode_uint(&writer, KIT_PIECE);
    pbts_write_text(&writer, "6:pieces");
    pbts_bencode_string(&writer, (pbts_span){ hashes, len });
    pbts_write_text(&writer, "ee");
    pbts_metainfo_free(k->meta);
    assert_int_equal(
        pbts_metainfo_parse(&k->meta, NULL, pbts_mem_system(), pbts_writer_span(&writer)), PBTS_OK);
    free(bytes);
    free(hashes);
    k->pieces = pieces;
    k->torrent.meta = k->meta;
    memcpy(k->torrent.infohash, pbts_metainfo_infohash(k->meta), PBTS_INFOHASH_LEN);
}

static inline const kit_member *kit_at(const kit *k, unsigned end) {
    return &k->members[k->who[end]];
}

static inline void kit_end_clear(kit_end *end) {
    for (size_t i = 0; i < end->count; i++) free(end->queue[i].bytes);
    end->count = 0;
}

static inline void kit_disconnect(kit *k) {
    for (unsigned i = 0; i < 2; i++) {
        kit_end_clear(&k->ends[i]);
        pbts_link_free(k->ends[i].link);
        k->ends[i].link = NULL;
    }
}

static inline void kit_free(kit *k) {
    kit_disconnect(k);
    pbts_book_free(k->book);
    pbts_metainfo_free(k->meta);
    free(k);
}

/* Member 0 remembers others. */
static inline void kit_keep_book(kit *k) {
    assert_int_equal(pbts_book_new(&k->book, pbts_mem_system()), PBTS_OK);
    k->members[0].terms.book = k->book;
}

/* ---- talking ---- */

static inline uint32_t kit_size(const kit *k, uint32_t piece) {
    return pbts_metainfo_piece_bytes(k->meta, piece);
}

static inline void kit_push(kit_end *end, pbts_span body) {
    assert_true(end->count < KIT_QUEUE_MAX);
    end->queue[end->count].bytes = malloc(body.len > 0 ? body.len : 1);
    assert_non_null(end->queue[end->count].bytes);
    memcpy(end->queue[end->count].bytes, body.data, body.len);
    end->queue[end->count++].len = body.len;
}

/* All that one end has to say goes into its queue. */
static inline size_t kit_say(kit *k, unsigned from) {
    static uint8_t buffer[PBTS_LINK_MESSAGE_MAX];
    size_t said = 0;
    kit_end *end = &k->ends[from];
    for (;;) {
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        bool wants = pbts_link_wants_send(end->link, k->now);
        bool sent = pbts_link_next_send(end->link, &writer, k->now);
        assert_true(wants == sent && sent == (writer.len > 0) && !writer.failed);
        if (!sent) return said;
        kit_push(end, pbts_writer_span(&writer));
        said++;
    }
}

/* The oldest message of an end's queue arrives. */
static inline bool kit_hear(kit *k, unsigned from) {
    kit_end *end = &k->ends[from];
    if (end->count == 0) return false;
    uint8_t *bytes = end->queue[0].bytes;
    size_t len = end->queue[0].len;
    end->count--;
    memmove(&end->queue[0], &end->queue[1], end->count * sizeof end->queue[0]);
    assert_int_equal(pbts_link_receive(k->ends[1 - from].link, (pbts_span){ bytes, len }, k->now),
                     PBTS_OK);
    free(bytes);
    return true;
}

/* What the record names, and that it is good by itself. */
static inline void kit_keep(kit *k, kit_end *end, const pbts_link_receipt *receipt) {
    kit_record *kept = &end->records[end->record_count++];
    uint32_t bad;
    assert_true(end->record_count <= KIT_RECORDS_MAX);
    assert_int_equal(pbts_receipt_record_verify(&receipt->record, &bad), PBTS_OK);
    assert_true(receipt->record.piece_count == k->pieces);
    memset(kept, 0, sizeof *kept);
    kept->form = receipt->record.receipt.form;
    kept->epoch = receipt->record.receipt.epoch;
    kept->replaces = receipt->replaces;
    if (kept->form == PBTS_FORM_PIECE) {
        pbts_piece_set_add(kept->set, receipt->record.receipt.piece_index);
    } else {
        pbts_span set = receipt->record.receipt.bitmap;
        assert_true(set.len == pbts_piece_set_len(k->pieces));
        memcpy(kept->set, set.data, set.len);
    }
    end->stored_bytes += receipt->covered_bytes;
}

/* The owner of an end stores what there is; returns how many. */
static inline size_t kit_store(kit *k, unsigned at) {
    size_t count = 0;
    kit_end *end = &k->ends[at];
    pbts_link_receipt receipt, again;
    while (pbts_link_next_receipt(end->link, &receipt)) {
        assert_true(pbts_link_next_receipt(end->link, &again));
        assert_true(again.covered_bytes == receipt.covered_bytes);
        kit_keep(k, end, &receipt);
        pbts_link_receipt_stored(end->link, k->now);
        count++;
    }
    return count;
}

/* Until nobody has anything to say, with receipts stored at once. */
static inline void kit_talk(kit *k) {
    bool busy = true;
    while (busy) {
        busy = false;
        for (unsigned i = 0; i < 2; i++) {
            if (kit_say(k, i) > 0) busy = true;
            while (kit_hear(k, i)) busy = true;
        }
        for (unsigned i = 0; i < 2; i++) busy = kit_store(k, i) > 0 || busy;
    }
}

static inline void kit_pass(kit *k, uint64_t ms) {
    uint64_t before_s = k->now.mono_ms / 1000;
    k->now.mono_ms += ms;
    k->now.unix_s += k->now.mono_ms / 1000 - before_s;
    for (unsigned i = 0; i < 2; i++) pbts_link_tick(k->ends[i].link, k->now);
}

/* Long enough for what waits to be checked. */
static inline void kit_settle(kit *k) {
    kit_talk(k);
    kit_pass(k, 100);
    kit_talk(k);
}

static inline void kit_hello(kit *k, unsigned from) {
    uint8_t buffer[PBTS_LINK_HELLO_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_link_hello(k->ends[from].link, &writer);
    assert_false(writer.failed);
    uint8_t *copy = malloc(writer.len);
    assert_non_null(copy);
    memcpy(copy, buffer, writer.len);
    assert_int_equal(
        pbts_link_receive_hello(k->ends[1 - from].link, (pbts_span){ copy, writer.len }, k->now),
        PBTS_OK);
    free(copy);
}

static inline void kit_open(kit *k) {
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pbts_link_new(&k->ends[i].link, &kit_at(k, i)->terms, &k->torrent, k->now),
                         PBTS_OK);
    }
}

static inline pbts_link *kit_link(const kit *k, unsigned end) {
    return k->ends[end].link;
}

static inline void kit_assert_ready(const kit *k) {
    assert_int_equal(pbts_link_state_of(kit_link(k, 0)), PBTS_LINK_READY);
    assert_int_equal(pbts_link_state_of(kit_link(k, 1)), PBTS_LINK_READY);
}

/* Both ends prove who they are. */
static inline void kit_connect(kit *k) {
    kit_open(k);
    kit_hello(k, 0);
    kit_hello(k, 1);
    kit_talk(k);
    kit_assert_ready(k);
}

static inline void kit_assert_refused(const kit *k, unsigned end, pbts_link_refusal refusal) {
    bool by_us;
    assert_int_equal(pbts_link_state_of(kit_link(k, end)), PBTS_LINK_REFUSED);
    assert_int_equal(pbts_link_refused(kit_link(k, end), &by_us), refusal);
    assert_true(by_us);
    assert_true(pbts_link_may_serve_bytes(kit_link(k, end)) == 0);
}

static inline pbts_link_stats kit_stats(const kit *k, unsigned end) {
    pbts_link_stats stats;
    pbts_link_stats_read(kit_link(k, end), &stats);
    return stats;
}

/* ---- moving pieces ---- */

static inline void kit_serve(kit *k, uint32_t piece) {
    uint32_t left = kit_size(k, piece);
    while (left > 0) {
        uint32_t block = left < 16384 ? left : 16384;
        assert_true(pbts_link_may_serve_bytes(kit_link(k, 0)) >= block);
        pbts_link_served(kit_link(k, 0), piece, block, k->now);
        left -= block;
    }
}

static inline void kit_receive(kit *k, uint32_t piece) {
    assert_int_equal(pbts_link_piece_received(kit_link(k, 1), piece, k->now), PBTS_OK);
}

/* Everything from `first` up to `end`, in order, as two honest clients would. */
static inline void kit_transfer(kit *k, uint32_t first, uint32_t end) {
    for (uint32_t piece = first; piece < end; piece++) {
        uint64_t left = 0;
        for (uint32_t i = piece + 1; i < k->pieces; i++) left += kit_size(k, i);
        if (pbts_link_may_serve_bytes(kit_link(k, 0)) < kit_size(k, piece)) kit_settle(k);
        kit_serve(k, piece);
        kit_receive(k, piece);
        pbts_link_set_own_left(kit_link(k, 1), left);
        pbts_link_set_other_left(kit_link(k, 0), left);
        kit_talk(k);
    }
}

/* How often a piece is in the records, replaced ones apart. */
static inline unsigned kit_times_kept(const kit *k, unsigned end, uint32_t piece) {
    unsigned times = 0;
    const kit_end *e = &k->ends[end];
    for (size_t i = 0; i < e->record_count; i++) {
        bool replaced = i + 1 < e->record_count && e->records[i + 1].replaces &&
                        e->records[i + 1].epoch == e->records[i].epoch;
        if (!replaced) times += pbts_piece_set_has(e->records[i].set, piece);
    }
    return times;
}

/* ---- a liar's tools: messages to end 0 from a holder of `secret` ---- */

/* A receipt of end 1 for end 0, with the pieces of `set` (or `set`'s first, for one piece). */
static inline pbts_receipt kit_receipt(const kit *k, pbts_receipt_form form, uint64_t epoch,
                                       const uint8_t *set) {
    size_t len = pbts_piece_set_len(k->pieces);
    pbts_receipt receipt = { .form = form,
                             .sender = kit_at(k, 0)->terms.key,
                             .receiver = kit_at(k, 1)->terms.key,
                             .epoch = epoch,
                             .bitmap = { set, len } };
    memcpy(receipt.iid, kit_at(k, 0)->terms.iid, sizeof receipt.iid);
    memcpy(receipt.infohash, k->torrent.infohash, sizeof receipt.infohash);
    pbts_piece_hashes hashes = pbts_piece_hashes_of(k->meta, !pbts_metainfo_has_v1(k->meta));
    (void)pbts_piece_set_next(receipt.bitmap, &receipt.piece_index);
    if (receipt.piece_index < k->pieces) {
        hashes.get(hashes.context, receipt.piece_hash, receipt.piece_index);
    }
    if (form == PBTS_FORM_BATCH) pbts_receipt_root(receipt.root, receipt.bitmap, hashes);
    return receipt;
}

static inline void kit_lie(kit *k, const pbts_peer_pbts_message *message) {
    static uint8_t buffer[PBTS_LINK_MESSAGE_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_pbts_encode(&writer, message);
    assert_false(writer.failed);
    kit_push(&k->ends[1], pbts_writer_span(&writer));
    assert_true(kit_hear(k, 1));
}

static inline void kit_lie_receipt(kit *k, const pbts_receipt *receipt,
                                   const pbts_bls_signature *signature) {
    bool batch = receipt->form == PBTS_FORM_BATCH;
    pbts_peer_pbts_message message = { .kind = batch ? PBTS_PEER_MSG_RECEIPT_BATCH
                                                     : PBTS_PEER_MSG_RECEIPT };
    message.receipt.form = receipt->form;
    message.receipt.epoch = receipt->epoch;
    message.receipt.piece_index = receipt->piece_index;
    message.receipt.pieces.bytes = receipt->bitmap;
    message.receipt.signature = *signature;
    kit_lie(k, &message);
}

/* Signed by `secret`; by end 1's own it is no lie. */
static inline void kit_sign(kit *k, pbts_receipt_form form, uint64_t epoch, const uint8_t *set,
                            const pbts_bls_secret *secret) {
    pbts_bls_signature signature;
    pbts_receipt receipt = kit_receipt(k, form, epoch, set);
    pbts_receipt_sign(&signature, &receipt, secret);
    kit_lie_receipt(k, &receipt, &signature);
}

static inline uint64_t kit_epoch(const kit *k) {
    return pbts_epoch_at(k->now.unix_s);
}

/* The set of pieces first..last. */
static inline const uint8_t *kit_set(uint8_t out[static KIT_SET_MAX], uint32_t first,
                                     uint32_t last) {
    memset(out, 0, KIT_SET_MAX);
    for (uint32_t i = first; i <= last; i++) pbts_piece_set_add(out, i);
    return out;
}

#endif
