#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <poll.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/udp.h"

struct fixture {
    pbts_udp *udp;
    int client;
    pbts_sockaddr server;
    size_t seen;
};

/* Echo what begins with 'e', twice; be silent about anything else. */
static void answer(void *host, pbts_writer *writer, pbts_span datagram, const pbts_addr *from) {
    struct fixture *fixture = host;
    fixture->seen++;
    assert_int_equal(from->family, PBTS_IPV4);
    if (datagram.len == 0 || datagram.data[0] != 'e') return;
    pbts_write_bytes(writer, datagram);
    pbts_write_bytes(writer, datagram);
}

static void begin(struct fixture *fixture, const char *bind_to) {
    pbts_addr addr, loopback;
    uint16_t port;
    int fd;
    memset(fixture, 0, sizeof *fixture);
    assert_int_equal(pbts_addr_parse(&addr, pbts_span_text(bind_to)), PBTS_OK);
    assert_int_equal(pbts_socket_bind_udp(&fd, &port, &addr), PBTS_OK);
    assert_int_equal(pbts_udp_new(&fixture->udp, pbts_mem_system(), fd, answer, fixture), PBTS_OK);
    assert_int_equal(pbts_addr_parse(&loopback, pbts_span_text("127.0.0.3")), PBTS_OK);
    if (!pbts_addr_is_any(&addr)) loopback = addr;
    loopback.port = port;
    pbts_sockaddr_of(&fixture->server, &loopback);
    fixture->client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void end(struct fixture *fixture) {
    close(fixture->client);
    pbts_udp_free(fixture->udp);
}

static void send_to(struct fixture *fixture, const void *data, size_t len) {
    ssize_t sent = sendto(fixture->client, data, len, 0,
                          (struct sockaddr *)&fixture->server.storage, fixture->server.len);
    assert_int_equal(sent, len);
}

static void many_datagrams_are_answered_in_order_over_several_batches(void **state) {
    struct fixture fixture;
    begin(&fixture, "127.0.0.1");
    char text[16], got[64];
    for (int i = 0; i < 3 * PBTS_UDP_BATCH / 2; i++)
        send_to(&fixture, text, (size_t)snprintf(text, sizeof text, "e%d", i));
    assert_int_equal(pbts_udp_serve(fixture.udp), 0);
    for (int i = 0; i < 3 * PBTS_UDP_BATCH / 2; i++) {
        char expected[32];
        int len = snprintf(expected, sizeof expected, "e%de%d", i, i);
        assert_int_equal(recv(fixture.client, got, sizeof got, MSG_DONTWAIT), len);
        assert_memory_equal(got, expected, (size_t)len);
    }
    end(&fixture);
}

static void silence_and_too_long_datagrams_leave_the_others_their_answers(void **state) {
    struct fixture fixture;
    static char huge[PBTS_UDP_DATAGRAM_MAX + 1];
    char got[3 * PBTS_UDP_DATAGRAM_MAX];
    memset(huge, 'e', sizeof huge);
    begin(&fixture, "127.0.0.1");
    send_to(&fixture, "", 0);
    send_to(&fixture, "quiet", 5);
    send_to(&fixture, huge, sizeof huge);
    send_to(&fixture, "e", 1);
    send_to(&fixture, huge, sizeof huge - 1);
    assert_int_equal(pbts_udp_serve(fixture.udp), 0);
    assert_int_equal(fixture.seen, 4); /* not the one past the limit */
    assert_int_equal(recv(fixture.client, got, sizeof got, MSG_DONTWAIT), 2);
    assert_int_equal(recv(fixture.client, got, sizeof got, MSG_DONTWAIT),
                     2 * PBTS_UDP_DATAGRAM_MAX);
    assert_int_equal(recv(fixture.client, got, sizeof got, MSG_DONTWAIT), -1);
    end(&fixture);
}

static void the_answer_comes_from_the_address_that_was_asked(void **state) {
    struct fixture fixture;
    begin(&fixture, "0.0.0.0");
    char got[16];
    pbts_sockaddr from = { .len = sizeof from.storage };
    send_to(&fixture, "e", 1);
    assert_int_equal(pbts_udp_serve(fixture.udp), 0);
    assert_int_equal(recvfrom(fixture.client, got, sizeof got, MSG_DONTWAIT,
                              (struct sockaddr *)&from.storage, &from.len),
                     2);
    assert_int_equal(from.len, fixture.server.len);
    assert_memory_equal(&from.storage, &fixture.server.storage, from.len);
    end(&fixture);
}

static void nothing_waiting_is_no_work(void **state) {
    struct fixture fixture;
    begin(&fixture, "127.0.0.1");
    assert_int_equal(pbts_udp_serve(fixture.udp), 0);
    assert_int_equal(fixture.seen, 0);
    end(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_datagrams_are_answered_in_order_over_several_batches),
        cmocka_unit_test(silence_and_too_long_datagrams_leave_the_others_their_answers),
        cmocka_unit_test(the_answer_comes_from_the_address_that_was_asked),
        cmocka_unit_test(nothing_waiting_is_no_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
