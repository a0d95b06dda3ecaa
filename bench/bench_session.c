/* How fast one session can take and one can give, beside hashing, copying and the network.
 *
 *     bench_session [GiB]       default 4; JSON on stdout
 *
 * Two sessions hand control bytes to each other; of blocks only headers go over, and the receiver
 * is told that the payload is there. Pieces are said to be right unseen. Times are of this thread's
 * CPU for both sessions together, so one alone is about twice as fast. With receipts both sides
 * prove their keys first, blocks are of 128 KiB, and receipts are signed and checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "peer/session.h"
#include "wire/peer_message.h"
#include "wire/peer_pbts.h"

enum { PIECE_BYTES = 256 * 1024, QUEUE_LEN = 8 << 20 };

typedef struct {
    pbts_session *session;
    pbts_conn conn;
    uint8_t *queue; /* control bytes and headers to the other */
    size_t len;
    pbts_bls_secret secret;
    pbts_link_terms terms;
} side;

static void fail(const char *what) {
    fprintf(stderr, "bench_session: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static void must(pbts_status status, const char *what) {
    if (status != PBTS_OK) fail(what);
}

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A torrent of which nobody has the content: the hashes are not looked at. */
static pbts_metainfo *make_torrent(uint64_t bytes) {
    uint32_t pieces = (uint32_t)(bytes / PIECE_BYTES);
    size_t len = 200 + (size_t)pieces * 20;
    uint8_t *text = calloc(1, len);
    if (text == NULL) fail("memory");
    pbts_writer writer = pbts_writer_over(text, len);
    pbts_write_text(&writer, "d4:infod6:lengthi");
    pbts_write_decimal(&writer, bytes);
    pbts_write_text(&writer, "e4:name1:x12:piece lengthi");
    pbts_write_decimal(&writer, PIECE_BYTES);
    pbts_write_text(&writer, "e6:pieces");
    pbts_write_decimal(&writer, (uint64_t)pieces * 20);
    pbts_write_text(&writer, ":");
    if (pbts_write_reserve(&writer, (size_t)pieces * 20) == NULL) fail("torrent");
    pbts_write_text(&writer, "7:privatei1eee");
    pbts_metainfo *meta;
    must(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), pbts_writer_span(&writer)), "parse");
    free(text);
    return meta;
}

static void make_terms(side *s) {
    must(pbts_bls_generate(&s->secret, pbts_random_system()), "key");
    s->terms = (pbts_link_terms){
        .mem = pbts_mem_system(),
        .random = pbts_random_system(),
        .secret = &s->secret,
        .forms_taken = PBTS_PEER_FORM_MASK,
        .form_given = PBTS_FORM_CUMULATIVE,
        .batch_pieces = 10,
        .exposure_max_bytes = PBTS_EXPOSURE_MAX_BYTES,
        .receipt_timeout_ms = 60000,
        .receipts_required = true,
    };
    pbts_bls_public_of(&s->terms.key, &s->secret);
}

static void make_side(side *s, const pbts_metainfo *meta, bool seeds, bool receipts,
                      pbts_moment now) {
    uint32_t pieces = pbts_metainfo_piece_count(meta);
    uint8_t *all = malloc(pbts_piece_set_len(pieces));
    if (all == NULL) fail("memory");
    memset(all, 0, pbts_piece_set_len(pieces));
    for (uint32_t i = 0; seeds && i < pieces; i++) pbts_piece_set_add(all, i);
    pbts_session_config config = {
        .mem = pbts_mem_system(),
        .seed = 1,
        .meta = meta,
        .client = "bench",
        .have = { all, pbts_piece_set_len(pieces) },
        .connections_max = 50,
        .unchoked_max = 4,
        .open_bytes_max = 64 << 20,
    };
    if (receipts) make_terms(s);
    if (receipts) config.terms = &s->terms;
    memcpy(config.infohash, pbts_metainfo_infohash(meta), PBTS_INFOHASH_LEN);
    config.peer_id[0] = seeds ? 'S' : 'L';
    must(pbts_session_new(&s->session, &config, now), "session");
    s->queue = malloc(QUEUE_LEN);
    if (s->queue == NULL) fail("memory");
    s->len = 0;
    free(all);
}

/* Events and receipts; returns whether the session is finished. */
static bool drain(side *s, pbts_moment now) {
    pbts_session_event event;
    pbts_link_receipt receipt;
    pbts_conn conn;
    bool finished = false;
    while (pbts_session_next_event(s->session, &event)) {
        if (event.kind == PBTS_SESSION_FINISHED) finished = true;
        if (event.kind == PBTS_SESSION_CLOSE) fail(event.text);
        if (event.kind != PBTS_SESSION_PIECE_COMPLETE) continue;
        pbts_session_piece_checked(s->session, event.piece, true, true, now);
    }
    while (pbts_session_next_receipt(s->session, &conn, &receipt)) {
        pbts_session_receipt_stored(s->session, conn, now);
    }
    return finished;
}

/* All that `from` has to say goes into its queue; returns bytes of blocks. A header is followed by
 * nothing: the other end knows from it how much would follow. */
static uint64_t pump(side *from, pbts_moment now) {
    uint64_t bytes = 0;
    pbts_session_send out;
    while (
        from->len + PBTS_SESSION_SEND_MAX <= QUEUE_LEN &&
        pbts_session_next_send(from->session, from->conn, &out, PBTS_PEER_BLOCK_BYTES_MAX, now)) {
        memcpy(from->queue + from->len, out.bytes.data, out.bytes.len);
        from->len += out.bytes.len;
        bytes += out.block_bytes;
    }
    return bytes;
}

static bool feed(side *to, side *from, pbts_moment now) {
    size_t at = 0, used;
    bool finished = false;
    pbts_payload payload;
    while (at < from->len) {
        pbts_span rest = { from->queue + at, from->len - at };
        must(pbts_session_receive(to->session, to->conn, rest, &used, now), "receive");
        at += used;
        if (pbts_session_payload(to->session, to->conn, &payload)) {
            pbts_session_payload_taken(to->session, to->conn, payload.left_bytes, now);
        } else if (used == 0) {
            break;
        }
        finished = drain(to, now) || finished;
    }
    memmove(from->queue, from->queue + at, from->len - at);
    from->len -= at;
    return finished;
}

static void bench(const char *name, const pbts_metainfo *meta, bool receipts) {
    side seeder, leecher;
    pbts_moment now = { 1800000000, 1000 };
    pbts_addr addr = { .family = PBTS_IPV4, .ip = { 127, 0, 0, 1 }, .port = 6881 };
    make_side(&seeder, meta, true, receipts, now);
    make_side(&leecher, meta, false, receipts, now);
    must(pbts_session_opened(seeder.session, &seeder.conn, &addr, false, now), "open");
    must(pbts_session_opened(leecher.session, &leecher.conn, &addr, true, now), "open");

    double begun_ns = now_ns();
    uint64_t moved = 0, waited_ms = 0;
    for (bool finished = false; !finished;) {
        (void)pump(&leecher, now);
        (void)feed(&seeder, &leecher, now);
        uint64_t bytes = pump(&seeder, now);
        moved += bytes;
        waited_ms += bytes == 0;
        finished = feed(&leecher, &seeder, now);
        now.mono_ms = 1001 + moved / 1000000 + waited_ms; /* as if at 1 GB/s */
        pbts_session_tick(seeder.session, now);
        pbts_session_tick(leecher.session, now);
        (void)drain(&seeder, now);
    }
    double seconds = (now_ns() - begun_ns) / 1e9;
    pbts_session_stats stats;
    pbts_session_stats_read(seeder.session, &stats);
    printf("  \"%s\": {\"bytes\": %llu, \"cpu_s\": %.3f, \"mb_per_s\": %.0f, \"receipts\": %u}",
           name, (unsigned long long)moved, seconds, (double)moved / 1e6 / seconds,
           stats.receipts_taken);
    pbts_session_free(seeder.session);
    pbts_session_free(leecher.session);
    free(seeder.queue);
    free(leecher.queue);
}

int main(int argc, char **argv) {
    uint64_t gib = argc > 1 ? strtoull(argv[1], NULL, 10) : 4;
    if (gib == 0 || gib > 200) fail("[GiB] of 1 to 200:");
    pbts_metainfo *meta = make_torrent(gib << 30);
    printf("{\n");
    bench("plain, 16 KiB blocks", meta, false);
    printf(",\n");
    bench("receipts, 128 KiB blocks", meta, true);
    printf("\n}\n");
    pbts_metainfo_free(meta);
    return 0;
}
