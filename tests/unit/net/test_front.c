/* The front with a toy protocol over real sockets. A line "a<text>" is answered with the line;
 * "s" too, but slowly; "l" is answered and ends; "h" is not ours; "x" is refused with an answer.
 * "p<text>" may come first as a preamble. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/random.h"
#include "net/clock.h"
#include "net/front.h"
#include "net/socket.h"

enum { STREAM_MAX = 400 * 1024, CONNECTIONS = 8 };
/* Deadlines that come, and that do not; and when one that comes is missing. */
enum { SHORT_MS = 200, NEVER_MS = 60 * 1000, LATE_US = 10 * 1000 * 1000 };

struct fixture {
    pbts_front *front;
    pthread_t thread;
    pbts_addr addr;
    int handed[2]; /* a pipe of descriptors handed over */
    atomic_uint preambles;
};

static pbts_front_verdict on_request(void *host, pbts_writer *out, size_t *consumed,
                                     pbts_span bytes, const pbts_addr *client) {
    if (bytes.data[0] == 'h') return PBTS_FRONT_HAND_OVER;
    const uint8_t *end = memchr(bytes.data, '\n', bytes.len);
    if (end == NULL)
        return bytes.len > PBTS_FRONT_PEEK_MAX / 2 ? PBTS_FRONT_REFUSED : PBTS_FRONT_MORE;
    size_t len = (size_t)(end - bytes.data) + 1;
    if (bytes.data[0] == 'x') {
        pbts_write_text(out, "no\n");
        return PBTS_FRONT_REFUSED;
    }
    if (bytes.data[0] == 's') usleep(400 * 1000);
    pbts_write_bytes(out, (pbts_span){ bytes.data, len });
    *consumed = len;
    return bytes.data[0] == 'l' ? PBTS_FRONT_LAST : PBTS_FRONT_ANSWERED;
}

static pbts_front_verdict on_preamble(void *host, pbts_addr *client, size_t *consumed,
                                      pbts_span bytes) {
    struct fixture *fixture = host;
    *consumed = 0;
    if (bytes.data[0] != 'p') return PBTS_FRONT_ANSWERED;
    const uint8_t *end = memchr(bytes.data, '\n', bytes.len);
    if (end == NULL) return PBTS_FRONT_MORE;
    *consumed = (size_t)(end - bytes.data) + 1;
    client->ip[0] = 99;
    atomic_fetch_add(&fixture->preambles, 1);
    return PBTS_FRONT_ANSWERED;
}

static void on_hand_over(void *host, int fd, const pbts_addr *client) {
    struct fixture *fixture = host;
    if (write(fixture->handed[1], &fd, sizeof fd) != (ssize_t)sizeof fd) abort();
}

static void *run(void *front) {
    pbts_front_run(front);
    return NULL;
}

static void open_front(struct fixture *fixture, uint32_t head_ms, uint32_t idle_ms) {
    pbts_front_host host = {
        .host = fixture, .request = on_request, .preamble = on_preamble, .hand_over = on_hand_over
    };
    pbts_front_config config = { .mem = pbts_mem_system(),
                                 .connections_max = CONNECTIONS,
                                 .head_timeout_ms = head_ms,
                                 .idle_timeout_ms = idle_ms,
                                 .write_timeout_ms = NEVER_MS,
                                 .linger_ms = 500,
                                 .busy_answer = pbts_span_text("busy\n") };
    int fd, buffer = 4 * 1024 * 1024;
    memset(fixture, 0, sizeof *fixture);
    assert_int_equal(pbts_addr_parse(&fixture->addr, pbts_span_text("127.0.0.1")), PBTS_OK);
    assert_int_equal(pipe(fixture->handed), 0);
    assert_int_equal(pbts_front_new(&fixture->front, &config, &host), PBTS_OK);
    assert_int_equal(pbts_socket_listen_tcp(&fd, &fixture->addr.port, &fixture->addr), PBTS_OK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer); /* what it accepts has it too */
    assert_int_equal(pbts_front_listen(fixture->front, fd), PBTS_OK);
}

static void begin(struct fixture *fixture, uint32_t head_ms, uint32_t idle_ms) {
    open_front(fixture, head_ms, idle_ms);
    assert_int_equal(pthread_create(&fixture->thread, NULL, run, fixture->front), 0);
}

static void end(struct fixture *fixture) {
    pbts_front_stop(fixture->front, 0);
    pthread_join(fixture->thread, NULL);
    pbts_front_free(fixture->front);
    close(fixture->handed[0]);
    close(fixture->handed[1]);
}

static int dial(const struct fixture *fixture) {
    pbts_sockaddr to;
    struct timeval wait = { .tv_sec = 10 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pbts_sockaddr_of(&to, &fixture->addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&to.storage, to.len), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return fd;
}

static void send_text(int fd, const void *data, size_t len) {
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* Exactly `len` bytes, or fewer when the peer closes; a reset fails. */
static size_t read_up_to(int fd, uint8_t *out, size_t len) {
    size_t got = 0;
    while (got < len) {
        ssize_t more = recv(fd, out + got, len - got, 0);
        if (more < 0 && errno == EINTR) continue; /* the process stood still */
        if (more < 0) fail_msg("recv: %s after %zu of %zu bytes", strerror(errno), got, len);
        if (more == 0) break;
        got += (size_t)more;
    }
    return got;
}

static void expect(int fd, const char *text) {
    uint8_t got[64];
    assert_int_equal(read_up_to(fd, got, strlen(text)), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void expect_end(int fd) {
    uint8_t byte;
    assert_int_equal(read_up_to(fd, &byte, 1), 0);
    close(fd);
}

/* ---- a stream, and what a naive reader makes of it ---- */

struct stream {
    uint8_t *bytes;
    size_t len;      /* all that the client sends */
    size_t answered; /* the answers are these bytes of it */
    size_t skipped;  /* but for a preamble */
};

static void add_line(struct stream *stream, pbts_prng *prng, char kind) {
    static const uint32_t sizes[] = { 2, 40, 300, 3000 };
    size_t len = 2 + pbts_prng_below(prng, sizes[pbts_prng_below(prng, 4)]);
    for (size_t i = 0; i < len; i++)
        stream->bytes[stream->len + i] = (uint8_t)('A' + pbts_prng_below(prng, 26));
    stream->bytes[stream->len] = (uint8_t)kind;
    stream->len += len;
    stream->bytes[stream->len - 1] = '\n';
}

static struct stream make_stream(pbts_prng *prng) {
    struct stream stream = { .bytes = malloc(STREAM_MAX) };
    if (pbts_prng_below(prng, 3) == 0) add_line(&stream, prng, 'p');
    stream.skipped = stream.len;
    for (uint32_t count = pbts_prng_below(prng, 60); count > 0; count--)
        add_line(&stream, prng, 'a');
    stream.answered = stream.len;
    stream.bytes[stream.len++] = 'h';
    for (uint32_t rest = pbts_prng_below(prng, 60000); rest > 0; rest--)
        stream.bytes[stream.len++] = (uint8_t)pbts_prng_next(prng);
    return stream;
}

struct sender {
    int fd;
    const struct stream *stream;
    pbts_prng prng;
    bool pauses;
};

static void *send_in_pieces(void *argument) {
    struct sender *sender = argument;
    size_t at = 0;
    while (at < sender->stream->len) {
        size_t len =
            1 + pbts_prng_below(&sender->prng, pbts_prng_below(&sender->prng, 2) ? 20000 : 50);
        if (len > sender->stream->len - at) len = sender->stream->len - at;
        ssize_t sent = send(sender->fd, sender->stream->bytes + at, len, MSG_NOSIGNAL);
        if (sent < 0) abort();
        at += (size_t)sent;
        if (sender->pauses && pbts_prng_below(&sender->prng, 4) == 0) usleep(300);
    }
    return NULL;
}

static void whoever_takes_over_reads_from_the_first_unanswered_byte(void **state) {
    struct fixture fixture;
    pbts_prng prng = pbts_prng_seeded(7);
    uint8_t *got = malloc(STREAM_MAX);
    begin(&fixture, NEVER_MS, NEVER_MS);
    for (unsigned round = 0; round < 300; round++) {
        struct stream stream = make_stream(&prng);
        struct sender sender = { dial(&fixture), &stream, pbts_prng_seeded(round), round % 3 == 0 };
        pthread_t thread;
        int taken;
        assert_int_equal(pthread_create(&thread, NULL, send_in_pieces, &sender), 0);
        size_t answers = stream.answered - stream.skipped;
        assert_int_equal(read_up_to(sender.fd, got, answers), answers);
        assert_memory_equal(got, stream.bytes + stream.skipped, answers);
        assert_int_equal(read(fixture.handed[0], &taken, sizeof taken), sizeof taken);
        size_t at = stream.answered;
        /* A look before the read changes nothing of it. */
        for (unsigned look = 0; look < 2; look++)
            (void)recv(taken, got, STREAM_MAX, MSG_PEEK | MSG_DONTWAIT);
        int offset;
        socklen_t offset_len = sizeof offset;
        if (getsockopt(taken, SOL_SOCKET, SO_PEEK_OFF, &offset, &offset_len) == 0)
            assert_int_equal(offset, -1); /* else the kernel has none for TCP */
        while (at < stream.len) {         /* the descriptor does not block */
            struct pollfd wait = { .fd = taken, .events = POLLIN };
            assert_int_equal(poll(&wait, 1, NEVER_MS), 1);
            ssize_t more = recv(taken, got, STREAM_MAX, 0);
            assert_true(more > 0);
            assert_memory_equal(got, stream.bytes + at, (size_t)more);
            at += (size_t)more;
        }
        assert_int_equal(at, stream.len);
        pthread_join(thread, NULL);
        close(taken);
        expect_end(sender.fd);
        free(stream.bytes);
    }
    assert_true(atomic_load(&fixture.preambles) > 20);
    free(got);
    end(&fixture);
}

/* All of it waits when the front looks again: no further edge will come. */
static void a_burst_longer_than_a_turn_is_answered_to_its_end(void **state) {
    struct fixture fixture;
    static uint8_t text[180 * 1024], got[sizeof text];
    begin(&fixture, NEVER_MS, NEVER_MS);
    int fd = dial(&fixture);
    send_text(fd, "a\n", 2);
    expect(fd, "a\n");
    memset(text, 'a', sizeof text);
    for (size_t i = 511; i < sizeof text; i += 512) text[i] = '\n';
    send_text(fd, "s\n", 2);
    usleep(20 * 1000); /* it is being answered now */
    size_t sent = 0;
    for (unsigned pause = 0; pause < 20 && sent < sizeof text; pause++) {
        ssize_t more = send(fd, text + sent, sizeof text - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (more > 0) sent += (size_t)more;
        usleep(5000);
    }
    sent = sent / 512 * 512;
    assert_true(sent > 4 * PBTS_FRONT_PEEK_MAX);
    expect(fd, "s\n");
    assert_int_equal(read_up_to(fd, got, sent), sent);
    assert_memory_equal(got, text, sent);
    close(fd);
    end(&fixture);
}

/* ---- ends ---- */

/* What comes in one piece with the last request; a refused peer may go on sending after it. */
static void the_last_answer_arrives_whatever_lies_behind_its_request(void **state) {
    struct fixture fixture;
    static char text[30000];
    begin(&fixture, NEVER_MS, NEVER_MS);
    for (size_t behind = 0; behind <= 20000; behind += 5000) {
        for (unsigned kind = 0; kind < 2; kind++) {
            int fd = dial(&fixture);
            memset(text, 'z', sizeof text);
            memcpy(text, kind ? "aa\naaa\nx\n" : "aa\naaa\nl\n", 9);
            send_text(fd, text, 9 + behind);
            if (kind) send_text(fd, text + 9, behind);
            expect(fd, kind ? "aa\naaa\nno\n" : "aa\naaa\nl\n");
            expect_end(fd);
        }
    }
    end(&fixture);
}

static void a_peer_that_shut_its_side_down_gets_its_answers(void **state) {
    struct fixture fixture;
    begin(&fixture, NEVER_MS, NEVER_MS);
    int fd = dial(&fixture);
    send_text(fd, "a1\na2\na3", 8);
    shutdown(fd, SHUT_WR);
    expect(fd, "a1\na2\n");
    expect_end(fd);
    end(&fixture);
}

static void expect_timed_out(struct fixture *fixture, unsigned count) {
    const pbts_front_stats *stats = pbts_front_stats_of(fixture->front);
    for (unsigned i = 0; i < 10000 && atomic_load(&stats->open) > 0; i++) {
        usleep(1000); /* the end is seen here before it is counted there */
    }
    assert_int_equal(atomic_load(&stats->open), 0);
    assert_int_equal(atomic_load(&stats->timed_out), count);
}

static void a_deadline_holds_for_silent_and_slow_connections(void **state) {
    struct fixture fixture;
    begin(&fixture, SHORT_MS, NEVER_MS);
    uint64_t start = pbts_clock_mono_us(), took_us = 0;
    int silent = dial(&fixture), slow = dial(&fixture);
    do { /* a trickle moves no deadline */
        usleep(25 * 1000);
        took_us = pbts_clock_mono_us() - start;
    } while (took_us < LATE_US && send(slow, "b", 1, MSG_NOSIGNAL) == 1);
    assert_in_range(took_us, (SHORT_MS - 50) * 1000, LATE_US - 1);
    close(slow);
    expect_end(silent);
    expect_timed_out(&fixture, 2);
    end(&fixture);
}

static void a_deadline_holds_for_idle_connections(void **state) {
    struct fixture fixture;
    begin(&fixture, NEVER_MS, SHORT_MS);
    int idle = dial(&fixture);
    uint64_t start = pbts_clock_mono_us();
    send_text(idle, "a\n", 2);
    expect(idle, "a\n");
    expect_end(idle);
    assert_in_range(pbts_clock_mono_us() - start, (SHORT_MS - 50) * 1000, LATE_US - 1);
    expect_timed_out(&fixture, 1);
    end(&fixture);
}

static void past_the_limit_the_oldest_idle_connection_goes_or_else_half_a_request(void **state) {
    struct fixture fixture;
    int fds[CONNECTIONS];
    begin(&fixture, NEVER_MS, NEVER_MS);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = dial(&fixture);
        send_text(fds[i], "a\n", 2);
        expect(fds[i], "a\n");
    }
    send_text(fds[0], "a\n", 2); /* now the second is the oldest */
    expect(fds[0], "a\n");
    int extra = dial(&fixture);
    send_text(extra, "ax\n", 3);
    expect(extra, "ax\n");
    expect_end(fds[1]);
    fds[1] = extra;
    for (size_t i = 0; i < CONNECTIONS; i++) { /* none is idle, and the second's began first */
        send_text(fds[(i + 1) % CONNECTIONS], "a", 1);
        usleep(20 * 1000);
    }
    extra = dial(&fixture);
    send_text(extra, "a\n", 2);
    expect(extra, "a\n");
    expect(fds[1], "busy\n");
    expect_end(fds[1]);
    close(fds[1]);
    fds[1] = extra;
    send_text(extra, "a", 1);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        send_text(fds[i], "\n", 1);
        expect(fds[i], "a\n");
        close(fds[i]);
    }
    end(&fixture);
}

/* Requests until the front waits for us to read. */
static void ask_and_never_read(int fd) {
    char lines[4096];
    memset(lines, 'a', sizeof lines);
    for (size_t i = 63; i < sizeof lines; i += 64) lines[i] = '\n';
    for (unsigned full = 0; full < 5; full++, usleep(20 * 1000))
        while (send(fd, lines, sizeof lines, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) full = 0;
}

static void readers_that_do_not_read_keep_nobody_out(void **state) {
    struct fixture fixture;
    int fds[CONNECTIONS];
    begin(&fixture, NEVER_MS, NEVER_MS);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = dial(&fixture);
        ask_and_never_read(fds[i]);
    }
    int extra = dial(&fixture);
    send_text(extra, "a\n", 2);
    expect(extra, "a\n");
    close(extra);
    for (size_t i = 0; i < CONNECTIONS; i++) close(fds[i]);
    end(&fixture);
}

static void a_stop_finishes_what_has_begun(void **state) {
    struct fixture fixture;
    begin(&fixture, NEVER_MS, NEVER_MS);
    int half = dial(&fixture), idle = dial(&fixture);
    send_text(idle, "a\n", 2);
    expect(idle, "a\n");
    send_text(half, "a1\na2", 5);
    expect(half, "a1\n");
    pbts_front_stop(fixture.front, NEVER_MS);
    expect_end(idle);
    send_text(half, "3\n", 2);
    expect(half, "a23\n");
    expect_end(half);
    pthread_join(fixture.thread, NULL);
    pbts_front_free(fixture.front);
    close(fixture.handed[0]);
    close(fixture.handed[1]);
}

/* ---- memory ---- */

struct failing_mem {
    pbts_mem mem;
    size_t left; /* allocations before the one that fails */
};

static void *alloc_or_fail(pbts_mem *mem, size_t len) {
    struct failing_mem *failing = (struct failing_mem *)mem;
    return failing->left-- == 0 ? NULL : malloc(len);
}

static void *resize_or_fail(pbts_mem *mem, void *ptr, size_t len) {
    struct failing_mem *failing = (struct failing_mem *)mem;
    return failing->left-- == 0 ? NULL : realloc(ptr, len);
}

static void release(pbts_mem *mem, void *ptr) {
    free(ptr);
}

static void every_allocation_that_fails_gives_no_memory_and_leaks_nothing(void **state) {
    pbts_front_host host = { .request = on_request, .hand_over = on_hand_over };
    for (size_t fail = 0; fail < 2; fail++) {
        struct failing_mem mem = { { alloc_or_fail, resize_or_fail, release }, fail };
        pbts_front_config config = { .mem = &mem.mem, .connections_max = 4 };
        pbts_front *front;
        assert_int_equal(pbts_front_new(&front, &config, &host), PBTS_NO_MEMORY);
    }
    struct failing_mem mem = { { alloc_or_fail, resize_or_fail, release }, 2 };
    pbts_front_config config = { .mem = &mem.mem, .connections_max = 4 };
    pbts_front *front;
    pbts_addr addr;
    int fd;
    assert_int_equal(pbts_front_new(&front, &config, &host), PBTS_OK);
    assert_int_equal(pbts_addr_parse(&addr, pbts_span_text("127.0.0.1")), PBTS_OK);
    assert_int_equal(pbts_socket_bind_udp(&fd, NULL, &addr), PBTS_OK);
    assert_int_equal(pbts_front_serve_udp(front, fd), PBTS_NO_MEMORY);
    close(fd); /* still the caller's */
    pbts_front_free(front);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_takes_over_reads_from_the_first_unanswered_byte),
        cmocka_unit_test(a_burst_longer_than_a_turn_is_answered_to_its_end),
        cmocka_unit_test(the_last_answer_arrives_whatever_lies_behind_its_request),
        cmocka_unit_test(a_peer_that_shut_its_side_down_gets_its_answers),
        cmocka_unit_test(a_deadline_holds_for_silent_and_slow_connections),
        cmocka_unit_test(a_deadline_holds_for_idle_connections),
        cmocka_unit_test(past_the_limit_the_oldest_idle_connection_goes_or_else_half_a_request),
        cmocka_unit_test(readers_that_do_not_read_keep_nobody_out),
        cmocka_unit_test(a_stop_finishes_what_has_begun),
        cmocka_unit_test(every_allocation_that_fails_gives_no_memory_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
