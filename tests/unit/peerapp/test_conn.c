/* Unit tests of apps/pbts-peer/conn*.c at the end of a connection, over a real socket: what was on
 * its way arrives. All else of them is tests/e2e/peer_*.py's. */
#include <errno.h>
#include <sys/socket.h>

#include "pbts-peer/conn.h"
#include "pbts-peer/share.h"
#include "tracker_kit.h"
#include "wire/bytes.h"

enum { PIECES = 40, PIECE = 16384, SENT = 10000 };

/* We lack a torrent, and `peer` is the other end of a connection to someone who has it. */
typedef struct {
    engine e;
    share *s;
    conn *c;
    int peer;
    char folder[256];
} fixture;

static void write_all(int fd, const void *bytes, size_t len) {
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Let the loop see what came, and send what there is. */
static void turn(fixture *f) {
    engine_touch(&f->e);
    (void)uv_run(&f->e.loop, UV_RUN_NOWAIT);
    if (f->e.conns != NULL) conn_pump(f->e.conns);
}

static void connect_to_us(fixture *f) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    pbts_addr addr = { .family = PBTS_IPV4, .ip = { 127, 0, 0, 1 }, .port = 7000 };
    int door = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(door, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(door, 1), 0);
    assert_int_equal(getsockname(door, (struct sockaddr *)&at, &len), 0);
    f->peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(f->peer, (struct sockaddr *)&at, sizeof at), 0);
    conn_accept(&f->e, accept4(door, NULL, NULL, SOCK_NONBLOCK), &addr);
    (void)close(door);
    f->c = f->e.conns;
    assert_non_null(f->c);
}

static void share_it(fixture *f, pbts_torrent_version version, size_t len, pbts_span have) {
    const small_file file = { "a", len };
    pbts_session_config config = {
        .mem = pbts_mem_system(),
        .seed = 1,
        .client = "test",
        .legacy = PBTS_LEGACY_SERVE,
        .connections_max = 4,
        .unchoked_max = 4,
        .open_bytes_max = 1 << 20,
        .have = have,
        .infohash_is_v2 = version == PBTS_TORRENT_V2,
    };
    share *s = f->s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->e = &f->e;
    s->lock_fd = -1;
    s->state = SHARE_RUNNING;
    s->meta = small_torrent(NULL, version, "t", &file, 1, false);
    s->pieces = pool_new(PIECE, &f->e.buffer_bytes);
    s->buffers = calloc(PIECES, sizeof *s->buffers);
    assert_non_null(s->buffers);
    memcpy(s->infohash, pbts_metainfo_infohash(s->meta), sizeof s->infohash);
    config.meta = s->meta;
    memcpy(config.infohash, s->infohash, sizeof config.infohash);
    memset(config.peer_id, 'u', sizeof config.peer_id);
    assert_int_equal(pbts_session_new(&s->session, &config, f->e.now), PBTS_OK);
    f->e.shares = s;
}

/* The piece of the first block that we ask for; what we sent stays unread. */
static uint32_t asked_piece(fixture *f) {
    static const uint8_t HEAD[] = { 0, 0, 0, 13, 6 };
    uint8_t said[4096];
    ssize_t len = recv(f->peer, said, sizeof said, MSG_PEEK);
    for (ssize_t i = 68; i + 17 <= len; i++) {
        if (memcmp(said + i, HEAD, sizeof HEAD) != 0) continue;
        return pbts_be32_at(said + i + 5);
    }
    fail_msg("nothing is asked for");
    return 0;
}

static void begin_of(fixture *f, pbts_torrent_version version, size_t len, pbts_span have) {
    uint8_t handshake[68] = { 19 };
    static const uint8_t HAS_ALL_UNCHOKES[] = { 0,    0,    0, 6, 5, 0xff, 0xff, 0xff,
                                                0xff, 0xff, 0, 0, 0, 1,    1 };
    memset(f, 0, sizeof *f);
    temp_directory(f->folder);
    kit_engine(&f->e, f->folder, NULL);
    f->e.pump_end = &f->e.pump_first;
    f->e.thirsty_end = &f->e.thirsty_first;
    f->e.set.connections_max = 4;
    f->e.set.memory_bytes = 1 << 20;
    f->e.set.encryption = ENCRYPTION_OFF;
    f->e.input = malloc(ENGINE_INPUT_BYTES);
    f->e.output = malloc(ENGINE_OUTPUT_BYTES);
    share_it(f, version, len, have);
    connect_to_us(f);
    memcpy(handshake + 1, "BitTorrent protocol", 19);
    memcpy(handshake + 28, f->s->infohash, 20);
    memset(handshake + 48, 'p', 20);
    write_all(f->peer, handshake, sizeof handshake);
    write_all(f->peer, HAS_ALL_UNCHOKES, sizeof HAS_ALL_UNCHOKES);
    for (int i = 0; i < 4; i++) turn(f);
    assert_int_equal(f->c->state, CONN_OPEN);
}

static void begin(fixture *f) {
    begin_of(f, PBTS_TORRENT_V1, (size_t)PIECES * PIECE, (pbts_span){ NULL, 0 });
}

static void end(fixture *f) {
    while (f->e.conns != NULL) conn_close(f->e.conns, "");
    share_free(f->s);
    free(f->e.input);
    free(f->e.output);
    kit_engine_free(&f->e);
    folder_remove(f->folder);
}

static void give_a_part(fixture *f) {
    uint8_t message[13 + SENT] = { 0, 0, 0x40, 9, 7 };
    pbts_be32_put(message + 5, asked_piece(f));
    write_all(f->peer, message, sizeof message); /* at once: a part of it would wait */
}

static uint64_t came(const fixture *f) {
    pbts_session_stats stats;
    share_stats(f->s, &stats);
    return stats.downloaded_bytes;
}

/* A peer that closes with bytes unread breaks the connection: there is an error, and before it
 * what the peer sent last. */
static void what_came_before_the_connection_broke_is_taken(void **state) {
    (void)state;
    for (int sends = 0; sends < 2; sends++) {
        fixture f;
        begin(&f);
        give_a_part(&f);
        (void)close(f.peer);
        assert_int_equal(came(&f), 0);
        if (sends) { /* it is we who notice, as we send */
            assert_true(conn_queue(f.c, pbts_span_text("x")));
            assert_false(conn_flush(f.c));
        } else {
            turn(&f);
        }
        assert_int_equal(came(&f), SENT);
        assert_null(f.e.conns);
        end(&f);
    }
}

static void who_finishes_reads_until_the_other_hangs_up(void **state) {
    (void)state;
    uint8_t said[8192];
    fixture f;
    begin(&f);
    give_a_part(&f); /* unread as yet */
    conn_finish(f.c);
    while (recv(f.peer, said, sizeof said, 0) > 0) continue; /* an end, and no error */
    turn(&f);
    assert_int_equal(f.c->state, CONN_OPEN);
    assert_int_equal(came(&f), SENT);
    (void)close(f.peer);
    turn(&f);
    assert_null(f.e.conns);
    end(&f);
}

static void who_does_not_hang_up_is_not_waited_for(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    conn_finish(f.c);
    uint64_t begun_ms = f.e.now.mono_ms;
    f.e.now.mono_ms = begun_ms + CONN_FINISH_MS - 1;
    conn_tick(f.c);
    assert_non_null(f.e.conns);
    f.e.now.mono_ms = begun_ms + CONN_FINISH_MS;
    conn_tick(f.c);
    assert_null(f.e.conns);
    (void)close(f.peer);
    end(&f);
}

static size_t said_by_us(fixture *f, uint8_t *out, size_t len) {
    size_t at = 0;
    for (int i = 0; i < 20; i++) {
        turn(f);
        ssize_t got = recv(f->peer, out + at, len - at, MSG_DONTWAIT);
        if (got > 0) at += (size_t)got;
    }
    return at;
}

/* Of an aligned torrent some ask for what lies behind the content's end, block by block. */
static void a_block_of_padding_alone_is_sent_whole(void **state) {
    (void)state;
    enum { LAST = 100, AT = 8192, BLOCK = 4096, MESSAGE = 13 + BLOCK };
    static const uint8_t ALL[PIECES / 8] = { 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t INTERESTED[] = { 0, 0, 0, 1, 2 };
    static uint8_t said[4 * MESSAGE];
    uint8_t request[17] = { 0, 0, 0, 13, 6 };
    fixture f;
    begin_of(&f, PBTS_TORRENT_V2, (PIECES - 1) * PIECE + LAST, PBTS_SPAN_OF(ALL));
    write_all(f.peer, INTERESTED, sizeof INTERESTED);
    (void)said_by_us(&f, said, sizeof said);
    pbts_be32_put(request + 5, PIECES - 1);
    pbts_be32_put(request + 9, AT);
    pbts_be32_put(request + 13, BLOCK);
    for (int i = 0; i < 2; i++) write_all(f.peer, request, sizeof request);
    assert_int_equal(said_by_us(&f, said, sizeof said), 2 * MESSAGE);
    for (size_t i = 0; i < 2 * MESSAGE; i++) {
        uint8_t head[13] = { 0, 0, (BLOCK + 9) >> 8, (BLOCK + 9) & 0xff, 7, 0, 0, 0, PIECES - 1,
                             0, 0, AT >> 8,          AT & 0xff };
        assert_int_equal(said[i], i % MESSAGE < sizeof head ? head[i % MESSAGE] : 0);
    }
    (void)close(f.peer);
    end(&f);
}

static int accept_silent(fixture *f) {
    pbts_addr addr = { .family = PBTS_IPV4, .ip = { 10, 0, 0, 1 }, .port = 7000 };
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    conn_accept(&f->e, ends[0], &addr);
    return ends[1];
}

static bool is_open(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Each could be silent for 15 s: whoever holds all places would keep everybody out. */
static void who_says_nothing_keeps_nobody_out(void **state) {
    (void)state;
    int silent[ENGINE_GREETINGS_MAX], more[2];
    fixture f;
    begin(&f);
    f.e.set.connections_max = 2 * ENGINE_GREETINGS_MAX;
    for (int i = 0; i < ENGINE_GREETINGS_MAX; i++) silent[i] = accept_silent(&f);
    for (int i = 0; i < ENGINE_GREETINGS_MAX; i++) assert_true(is_open(silent[i]));
    for (int i = 0; i < 2; i++) more[i] = accept_silent(&f);
    assert_true(is_open(more[0]) && is_open(more[1]));
    for (int i = 0; i < ENGINE_GREETINGS_MAX; i++) assert_true(is_open(silent[i]) == (i >= 2));
    assert_int_equal(f.e.greeting_count, ENGINE_GREETINGS_MAX);
    assert_int_equal(f.c->state, CONN_OPEN);
    for (int i = 0; i < ENGINE_GREETINGS_MAX; i++) (void)close(silent[i]);
    for (int i = 0; i < 2; i++) (void)close(more[i]);
    (void)close(f.peer);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_before_the_connection_broke_is_taken),
        cmocka_unit_test(who_finishes_reads_until_the_other_hangs_up),
        cmocka_unit_test(a_block_of_padding_alone_is_sent_whole),
        cmocka_unit_test(who_says_nothing_keeps_nobody_out),
        cmocka_unit_test(who_does_not_hang_up_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
